//! Buffers: what REQBUFS, QUERYBUF, QBUF, DQBUF and EXPBUF carry.
//!
//! Source: `include/uapi/linux/videodev2.h`, and `include/media/v4l2-ioctl.h` for the times of 32-bit kernels. Sizes and offsets are bytes.
//! Addresses are plain words here; who puts one in is `ioctl`.

use super::layout::{layout, widths};
use super::{BufferType, FIELD_NONE, Memory};

/// `v4l2_requestbuffers`: how many buffers a queue shall have, and then has.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RequestBuffers {
    /// Buffers wanted; the driver replaces it by what it granted.
    pub count: u32,
    /// `v4l2_buf_type`.
    pub type_: u32,
    /// `v4l2_memory`.
    pub memory: u32,
    /// `BUF_CAP_*`, written by the driver; 0 when the kernel is older than 4.20.
    pub capabilities: u32,
    /// `V4L2_MEMORY_FLAG_*`.
    pub flags: u8,
    reserved: [u8; 3],
}

layout! { RequestBuffers = "v4l2_requestbuffers", size 20;
    count: 0, type_: 4, memory: 8, capabilities: 12, flags: 16, reserved: 17,
}

impl RequestBuffers {
    /// The request for `count` buffers; 0 frees them all.
    #[must_use]
    pub fn new(buffer_type: BufferType, memory: Memory, count: u32) -> Self {
        Self {
            count,
            type_: buffer_type as u32,
            memory: memory as u32,
            ..Self::default()
        }
    }
}

/// `v4l2_plane`: one memory plane of a multi-planar buffer.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Plane {
    /// Bytes of payload, including `data_offset`.
    pub bytesused: u32,
    /// Bytes of the plane's memory.
    pub length: u32,
    /// Union: mmap offset (`u32`), dma-buf fd (`i32`) or user address.
    pub m: Word,
    /// Bytes before the payload.
    pub data_offset: u32,
    reserved: [u32; 11],
}

impl Plane {
    /// All zero.
    pub const NONE: Self = Self {
        bytesused: 0,
        length: 0,
        m: Word(0),
        data_offset: 0,
        reserved: [0; 11],
    };
}

layout! { Plane = "v4l2_plane", size 64 | 60;
    bytesused: 0, length: 4, m: 8, data_offset: 16 | 12, reserved: 20 | 16,
}

/// The union that `v4l2_buffer` and `v4l2_plane` call `m`: as large as an address, its smaller members first in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Word(pub usize);

impl Word {
    /// The union with only its 32-bit member set.
    #[must_use]
    pub fn from_u32(value: u32) -> Self {
        let mut bytes = [0; size_of::<usize>()];
        bytes[..4].copy_from_slice(&value.to_ne_bytes());
        Self(usize::from_ne_bytes(bytes))
    }

    /// The 32-bit member: `mem_offset`, `offset` or `fd`.
    #[must_use]
    pub fn to_u32(self) -> u32 {
        let bytes = self.0.to_ne_bytes();
        u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// `timeval` as the kernel's V4L2 reads it on every target here: two 64-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TimeVal {
    /// Seconds.
    pub tv_sec: i64,
    /// Microseconds, 0 to 999,999.
    pub tv_usec: i64,
}

layout! { TimeVal = "timeval", size 16; tv_sec: 0, tv_usec: 8 }

const MICROS_PER_SEC: u64 = 1_000_000;

impl TimeVal {
    /// The time of a count of microseconds. The kernel keeps times as 64-bit nanoseconds: counts below 2^63/1000 come back unchanged.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self {
            tv_sec: (micros / MICROS_PER_SEC).cast_signed(),
            tv_usec: (micros % MICROS_PER_SEC).cast_signed(),
        }
    }

    /// The count of microseconds. What a driver must not write (negative, or past 2^64) becomes the nearest count there is.
    #[must_use]
    pub fn to_micros(self) -> u64 {
        let seconds = u64::try_from(self.tv_sec).unwrap_or(0);
        let rest = u64::try_from(self.tv_usec).unwrap_or(0);
        seconds.saturating_mul(MICROS_PER_SEC).saturating_add(rest)
    }
}

/// `v4l2_timecode`: not used by encoders, but in the way.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TimeCode {
    type_: u32,
    flags: u32,
    frames: u8,
    seconds: u8,
    minutes: u8,
    hours: u8,
    userbits: [u8; 4],
}

layout! { TimeCode = "v4l2_timecode", size 16;
    type_: 0, flags: 4, frames: 8, seconds: 9, minutes: 10, hours: 11, userbits: 12,
}

/// `v4l2_buffer`: a buffer on its way into a queue or out of it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RawBuffer {
    /// Number of the buffer in its queue.
    pub index: u32,
    /// `v4l2_buf_type`.
    pub type_: u32,
    /// Bytes of payload; single-planar only.
    pub bytesused: u32,
    /// `BUF_FLAG_*`.
    pub flags: u32,
    /// `FIELD_*`.
    pub field: u32,
    /// The frame's time.
    pub timestamp: TimeVal,
    /// The frame's time code.
    pub timecode: TimeCode,
    /// The frame's number, counted by the driver; some leave it 0.
    pub sequence: u32,
    /// `v4l2_memory`.
    pub memory: u32,
    /// Union: mmap offset (`u32`), dma-buf fd (`i32`), or the address of the planes.
    pub m: Word,
    /// Bytes of the buffer's memory; multi-planar: number of planes behind `m`.
    pub length: u32,
    reserved2: u32,
    request_fd: i32,
}

layout! { RawBuffer = "v4l2_buffer", size 88 | 80;
    index: 0, type_: 4, bytesused: 8, flags: 12, field: 16, timestamp: 24, timecode: 40, sequence: 56, memory: 60,
    m: 64, length: 72 | 68, reserved2: 76 | 72, request_fd: 80 | 76,
}

impl RawBuffer {
    /// A buffer of a queue, progressive and otherwise all zero.
    #[must_use]
    pub fn new(buffer_type: BufferType, memory: Memory, index: u32) -> Self {
        Self {
            index,
            type_: buffer_type as u32,
            field: FIELD_NONE,
            memory: memory as u32,
            ..Self::default()
        }
    }
}

/// `v4l2_exportbuffer`: a plane of an MMAP buffer, and then its dma-buf.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ExportBuffer {
    /// `v4l2_buf_type`.
    pub type_: u32,
    /// Number of the buffer in its queue.
    pub index: u32,
    /// Number of the plane, 0 with the single-planar API.
    pub plane: u32,
    /// `O_CLOEXEC` and the access mode.
    pub flags: u32,
    /// The new file descriptor, written by the driver.
    pub fd: i32,
    reserved: [u32; 11],
}

layout! { ExportBuffer = "v4l2_exportbuffer", size 64;
    type_: 0, index: 4, plane: 8, flags: 12, fd: 16, reserved: 20,
}

impl ExportBuffer {
    /// The request for the dma-buf of one plane, with open flags.
    #[must_use]
    pub fn new(buffer_type: BufferType, index: u32, plane: u32, flags: u32) -> Self {
        Self {
            type_: buffer_type as u32,
            index,
            plane,
            flags,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_that_no_driver_may_write_becomes_the_nearest_count() {
        let time = |tv_sec, tv_usec| TimeVal { tv_sec, tv_usec }.to_micros();
        assert_eq!(time(-1, 5), 5);
        assert_eq!(time(1, -5), MICROS_PER_SEC);
        assert_eq!(time(i64::MAX, 999_999), u64::MAX);
    }

    #[test]
    fn the_small_member_of_a_union_word_is_first_in_memory() {
        let word = Word::from_u32(0x0102_0304);
        assert_eq!(word.0.to_ne_bytes()[..4], 0x0102_0304_u32.to_ne_bytes());
        assert_eq!(word.to_u32(), 0x0102_0304);
    }

    proptest! {
        #[test]
        fn microseconds_survive_the_round_trip(micros: u64) {
            let time = TimeVal::from_micros(micros);
            prop_assert!((0..1_000_000).contains(&time.tv_usec));
            prop_assert_eq!(time.to_micros(), micros);
        }
    }
}
