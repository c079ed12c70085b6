//! A buffer as QUERYBUF, QBUF and DQBUF exchange it, the same for the single-planar and the multi-planar API.
//!
//! Knows which field means what in which API. Makes no call, and holds no address: it has one only during a call (`with_planes`, `forget_planes`).
#![deny(unsafe_code)]

use rustix::fd::{AsRawFd, BorrowedFd};

use crate::limits::PLANES;
use crate::v4l2::abi::{Api, BufferType, Memory, Plane, RawBuffer, TimeVal, Word};

/// A `v4l2_buffer` with its planes. Plain data: it may be moved and copied.
///
/// Planes are counted from 0; what is read of a plane that does not exist is 0, what is written to it is lost.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    // Between calls `m` holds no address, and in the multi-planar API `length` is the number of planes, at most `PLANES`.
    raw: RawBuffer,
    planes: [Plane; PLANES],
    buffer_type: BufferType,
}

impl Buffer {
    /// A buffer of a queue, with no payload, progressive, with as many planes as there can be.
    #[must_use]
    pub fn new(buffer_type: BufferType, memory: Memory, index: u32) -> Self {
        let mut buffer = Self {
            raw: RawBuffer::new(buffer_type, memory, index),
            planes: [Plane::NONE; PLANES],
            buffer_type,
        };
        buffer.set_plane_count(PLANES);
        buffer
    }

    /// Number of the buffer in its queue. A driver's word: check it before using it as an index.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.raw.index
    }

    /// `BUF_FLAG_*`.
    #[must_use]
    pub const fn flags(&self) -> u32 {
        self.raw.flags
    }

    /// Sets `BUF_FLAG_*`.
    pub const fn set_flags(&mut self, flags: u32) {
        self.raw.flags = flags;
    }

    /// Whether all of these `BUF_FLAG_*` are set.
    #[must_use]
    pub const fn has(&self, flags: u32) -> bool {
        self.raw.flags & flags == flags
    }

    /// Sets `FIELD_*`.
    pub const fn set_field(&mut self, field: u32) {
        self.raw.field = field;
    }

    /// The frame's time, microseconds.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.raw.timestamp.to_micros()
    }

    /// Sets the frame's time, microseconds; below 2^63/1000 the kernel gives it back unchanged.
    pub const fn set_timestamp(&mut self, micros: u64) {
        self.raw.timestamp = TimeVal::from_micros(micros);
    }

    /// The driver's count of frames; 0 with drivers that do not count.
    #[must_use]
    pub const fn sequence(&self) -> u32 {
        self.raw.sequence
    }

    /// Sets the number of memory planes, at most `PLANES`; no effect in the single-planar API.
    pub fn set_plane_count(&mut self, planes: usize) {
        if self.is_multi() {
            // At most `PLANES`, so no bits are lost.
            self.raw.length = planes.min(PLANES) as u32;
        }
    }

    /// Bytes of payload, including `data_offset`.
    #[must_use]
    pub fn bytesused(&self, plane: usize) -> u32 {
        self.read(plane, |raw| raw.bytesused, |plane| plane.bytesused)
    }

    /// Sets the bytes of payload, including `data_offset`.
    pub fn set_bytesused(&mut self, plane: usize, bytes: u32) {
        self.write(
            plane,
            |raw| raw.bytesused = bytes,
            |plane| plane.bytesused = bytes,
        );
    }

    /// Bytes of memory.
    #[must_use]
    pub fn length(&self, plane: usize) -> u32 {
        self.read(plane, |raw| raw.length, |plane| plane.length)
    }

    /// Sets the bytes of memory of an imported dma-buf. 0 stands for all of it, but not on OUTPUT in the multi-planar API: there the kernel
    /// refuses (EINVAL) a payload longer than this.
    pub fn set_length(&mut self, plane: usize, bytes: u32) {
        self.write(
            plane,
            |raw| raw.length = bytes,
            |plane| plane.length = bytes,
        );
    }

    /// Bytes before the payload; always 0 in the single-planar API.
    #[must_use]
    pub fn data_offset(&self, plane: usize) -> u32 {
        self.read(plane, |_| 0, |plane| plane.data_offset)
    }

    /// Where `mmap` of the device finds the plane, as QUERYBUF said for `Memory::Mmap`.
    #[must_use]
    pub fn mem_offset(&self, plane: usize) -> u32 {
        self.read(plane, |raw| raw.m.to_u32(), |plane| plane.m.to_u32())
    }

    /// Names the dma-buf of a plane, for `Memory::Dmabuf`. It must still be open when the buffer is queued.
    pub fn set_fd(&mut self, plane: usize, fd: BorrowedFd<'_>) {
        let word = Word::from_u32(fd.as_raw_fd().cast_unsigned());
        self.write(plane, |raw| raw.m = word, |plane| plane.m = word);
    }

    const fn is_multi(&self) -> bool {
        matches!(self.buffer_type.api(), Api::Multi)
    }
    fn read(
        &self,
        plane: usize,
        single: impl FnOnce(&RawBuffer) -> u32,
        multi: impl FnOnce(&Plane) -> u32,
    ) -> u32 {
        if self.is_multi() {
            self.planes.get(plane).map_or(0, multi)
        } else if plane == 0 {
            single(&self.raw)
        } else {
            0
        }
    }

    fn write(
        &mut self,
        plane: usize,
        single: impl FnOnce(&mut RawBuffer),
        multi: impl FnOnce(&mut Plane),
    ) {
        if self.is_multi() {
            if let Some(plane) = self.planes.get_mut(plane) {
                multi(plane);
            }
        } else if plane == 0 {
            single(&mut self.raw);
        }
    }

    /// The kernel's structure, ready for a call: in the multi-planar API `m` is the planes' address and `length` at most their number.
    /// The address is good until `self` is touched or moved. `forget_planes` must follow.
    pub(super) fn with_planes(&mut self) -> &mut RawBuffer {
        if self.is_multi() {
            self.raw.length = self.raw.length.min(PLANES as u32);
            // Exposed, because the kernel makes a pointer of the number again.
            self.raw.m = Word(self.planes.as_mut_ptr().expose_provenance());
        }
        &mut self.raw
    }

    /// Forgets the address, and bounds what the kernel wrote.
    pub(super) fn forget_planes(&mut self) {
        if self.is_multi() {
            self.raw.m = Word::default();
            self.raw.length = self.raw.length.min(PLANES as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fd::AsFd;
    use rustix::fs::{Mode, OFlags, open};

    use super::*;

    #[test]
    fn single_planar_fields_lie_in_the_buffer_itself() {
        let mut buffer = Buffer::new(BufferType::VideoOutput, Memory::Mmap, 7);
        buffer.set_bytesused(0, 11);
        buffer.set_bytesused(1, 99);
        buffer.set_length(0, 22);
        buffer.planes[0].data_offset = 33;
        assert_eq!(buffer.index(), 7);
        assert_eq!((buffer.bytesused(0), buffer.bytesused(1)), (11, 0));
        assert_eq!((buffer.length(0), buffer.data_offset(0)), (22, 0));
        assert_eq!((buffer.raw.bytesused, buffer.raw.length), (11, 22));
        buffer.set_plane_count(2);
        assert_eq!(buffer.raw.length, 22);
    }

    #[test]
    fn multi_planar_fields_lie_in_the_planes() {
        let mut buffer = Buffer::new(BufferType::VideoCaptureMplane, Memory::Mmap, 0);
        buffer.set_plane_count(2);
        buffer.set_bytesused(1, 11);
        buffer.set_length(1, 22);
        buffer.planes[1].data_offset = 33;
        buffer.set_bytesused(PLANES, 99);
        assert_eq!((buffer.bytesused(1), buffer.bytesused(PLANES)), (11, 0));
        assert_eq!((buffer.length(1), buffer.data_offset(1)), (22, 33));
        assert_eq!((buffer.raw.bytesused, buffer.raw.length), (0, 2));
    }

    #[test]
    fn descriptors_lie_where_the_api_wants_them() {
        let null = open("/dev/null", OFlags::RDWR, Mode::empty()).unwrap();
        let number = null.as_raw_fd().cast_unsigned();
        let mut buffer = Buffer::new(BufferType::VideoOutput, Memory::Dmabuf, 0);
        buffer.set_fd(0, null.as_fd());
        assert_eq!(buffer.raw.m.to_u32(), number);
        let mut buffer = Buffer::new(BufferType::VideoOutputMplane, Memory::Dmabuf, 0);
        buffer.set_fd(1, null.as_fd());
        assert_eq!(buffer.planes[1].m.to_u32(), number);
        assert_eq!(buffer.raw.m, Word::default());
    }

    #[test]
    fn the_address_is_lent_for_one_call_only_and_the_kernel_cannot_raise_the_count() {
        let mut buffer = Buffer::new(BufferType::VideoCaptureMplane, Memory::Mmap, 0);
        let planes = (&raw const buffer.planes).addr();
        let raw = buffer.with_planes();
        assert_eq!((raw.m.0, raw.length), (planes, PLANES as u32));
        raw.length = 8;
        buffer.forget_planes();
        assert_eq!(buffer.raw.m, Word::default());
        assert_eq!(buffer.raw.length, PLANES as u32);
    }

    #[test]
    fn timestamps_are_microseconds() {
        let mut buffer = Buffer::new(BufferType::VideoOutput, Memory::Mmap, 0);
        buffer.set_timestamp(12_345_678);
        assert_eq!(buffer.raw.timestamp.tv_sec, 12);
        assert_eq!(buffer.raw.timestamp.tv_usec, 345_678);
        // Past 32 bits of microseconds, and of seconds.
        for micros in [12_345_678, 1 << 32, (1 << 32) * 1_000_000 + 1] {
            buffer.set_timestamp(micros);
            assert_eq!(buffer.timestamp(), micros);
        }
    }
}
