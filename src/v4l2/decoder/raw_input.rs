//! A converter: raw frames come in, and leave scaled, flipped or in another format. Its OUTPUT buffers are filled by whoever imports them.
//!
//! Knows the OUTPUT queue of raw frames. Knows no camera; what comes out is the decoder's.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

use super::Decoder;
use crate::errno::call::{Call, IoctlError};
use crate::limits::{CODED_BUFFERS_MAX, PLANES};
use crate::media::colour::Colour;
use crate::media::format::RawFormat;
use crate::media::layout::FrameLayout;
use crate::types::flip::Flip;
use crate::v4l2::abi::{BUF_FLAG_TIMESTAMP_COPY, CID_HFLIP, CID_VFLIP, FIELD_NONE, Memory, Scalar};
use crate::v4l2::crop::shows;
use crate::v4l2::encoder::OUTPUT_PLANES;
use crate::v4l2::ioctl::{self, Buffer, Result};
use crate::v4l2::negotiate::{Refused, Rows, layout, raw_format};

impl Decoder {
    /// Sets what comes in: raw frames of this size, whose rows lie like these, as far as the driver can. Gives where they lie.
    ///
    /// # Errors
    /// When the driver takes none of that format or size.
    pub fn take_raw_like(
        &mut self,
        raw: &'static RawFormat,
        size: (u32, u32),
        like: &FrameLayout,
    ) -> core::result::Result<FrameLayout, Refused> {
        let rows = Rows::of(like);
        match self.take_raw(raw, size, &rows) {
            // Rows of padding at the end of a buffer are nobody's business, if nothing else follows.
            Err(Refused::Size(..)) if rows.count != size.1 => {
                let visible = Rows {
                    count: size.1,
                    ..rows
                };
                self.take_raw(raw, size, &visible)
            }
            answer => answer,
        }
    }

    /// Sets what comes in: raw frames of this size, with so many rows at least, those of padding included, and so many bytes from one to
    /// the next in each memory plane. Gives where they lie.
    ///
    /// # Errors
    /// When the driver takes none of that format or size, or would convert the padding, too.
    #[inline(never)]
    pub fn take_raw(
        &mut self,
        raw: &'static RawFormat,
        size: (u32, u32),
        rows: &Rows,
    ) -> core::result::Result<FrameLayout, Refused> {
        let fd = self.capture.as_fd();
        let whole = (size.0, size.1.max(rows.count));
        let strides = &rows.bytesperline;
        let given = raw_format(fd, self.output, raw, whole, strides, Colour::UNKNOWN)?;
        if given.size() != whole {
            return Err(Refused::Size(whole, given.size()));
        }
        if whole != size && !shows(fd, self.output, size) {
            return Err(Refused::Size(size, whole));
        }
        let rows = layout(raw, size, &given).map_err(Refused::Layout)?;
        self.raw = Some(rows);
        Ok(rows)
    }

    /// Has the frames mirrored.
    ///
    /// # Errors
    /// When it cannot do that.
    pub fn flip(&self, flip: Flip) -> Result<()> {
        for (id, on) in [(CID_HFLIP, flip.horizontal), (CID_VFLIP, flip.vertical)] {
            if on {
                ioctl::s_ext_ctrl(self.as_fd(), id, Scalar::Bits32, 1)?;
            }
        }
        Ok(())
    }

    /// Allocates the OUTPUT buffers in place of those that there are, and gives them as dma-bufs, buffer after buffer, each with its memory
    /// planes.
    ///
    /// # Errors
    /// When memory is short, or there are more of them than can be used.
    #[inline(never)]
    pub fn allocate_raw(&mut self, slots: u32) -> Result<ArrayVec<OwnedFd, OUTPUT_PLANES>> {
        ioctl::reqbufs(self.as_fd(), self.output, Memory::Mmap, 0)?;
        let granted = ioctl::reqbufs(self.as_fd(), self.output, Memory::Mmap, slots)?;
        if granted.count < slots || granted.count as usize > CODED_BUFFERS_MAX {
            return Err(IoctlError::new(Call::ReqBufs, Errno::NOMEM));
        }
        self.raw_slots = granted.count;
        let planes = self.raw.map_or(1, |rows| rows.memory_plane_count);
        let mut exported = ArrayVec::new();
        for slot in 0..granted.count {
            for plane in 0..planes {
                exported.push(ioctl::expbuf(self.as_fd(), self.output, slot, plane)?);
            }
        }
        Ok(exported)
    }

    /// Takes these dma-bufs for its OUTPUT buffers, buffer after buffer, each with its memory planes.
    ///
    /// # Errors
    /// When the driver cannot read them.
    pub fn import_raw(&mut self, buffers: ArrayVec<OwnedFd, OUTPUT_PLANES>) -> Result<()> {
        ioctl::reqbufs(self.as_fd(), self.output, Memory::Mmap, 0)?;
        let planes = self.raw.map_or(1, |rows| rows.memory_plane_count);
        let slots = buffers.len() as u32 / planes.max(1);
        let granted = ioctl::reqbufs(self.as_fd(), self.output, Memory::Dmabuf, slots)?;
        if granted.count < slots || granted.count as usize > CODED_BUFFERS_MAX {
            return Err(IoctlError::new(Call::ReqBufsDmabuf, Errno::NOMEM));
        }
        self.raw_slots = slots;
        (self.imported, self.memory) = (buffers, Memory::Dmabuf);
        for slot in 0..slots {
            // Refused now, and not with the first frame, where the driver has the call.
            match ioctl::prepare_buf(self.as_fd(), &mut self.input(slot)) {
                Err(error) if error.is_missing() => {}
                answer => answer?,
            }
        }
        // Unprepared again.
        ioctl::streamoff(self.as_fd(), self.output)
    }

    /// An OUTPUT buffer with a whole frame, with its memory.
    fn input(&self, index: u32) -> Buffer {
        let mut buffer = Buffer::new(self.output, self.memory, index);
        let Some(rows) = &self.raw else {
            return buffer;
        };
        let planes = rows.memory_plane_count as usize;
        buffer.set_plane_count(planes);
        for (plane, &length) in rows.memory_length.iter().take(planes).enumerate() {
            buffer.set_bytesused(plane, length);
        }
        let imported = self
            .imported
            .iter()
            .skip(index as usize * planes)
            .take(planes);
        for (plane, fd) in imported.enumerate() {
            buffer.set_fd(plane, fd.as_fd());
            buffer.set_length(plane, rows.memory_length[plane]);
        }
        buffer
    }

    /// Bytes of all OUTPUT buffers for raw frames.
    pub(super) fn raw_bytes(&self) -> u64 {
        let lengths = self.raw.map_or([0; PLANES], |rows| rows.memory_length);
        let frame: u64 = lengths.iter().map(|&bytes| u64::from(bytes)).sum();
        frame * u64::from(self.raw_slots)
    }

    /// Whether its frames come in raw.
    #[must_use]
    pub fn converts(&self) -> bool {
        self.raw.is_some()
    }

    /// How many OUTPUT buffers the driver has.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.queued.count_ones()
    }

    /// Gives an OUTPUT buffer with a raw frame to the converter, under this timestamp (us).
    ///
    /// # Errors
    /// When the driver refuses it.
    pub fn queue_raw(&mut self, index: u32, key: u64) -> Result<()> {
        let mut buffer = self.input(index);
        buffer.set_timestamp(key);
        buffer.set_flags(BUF_FLAG_TIMESTAMP_COPY);
        buffer.set_field(FIELD_NONE);
        ioctl::qbuf(self.as_fd(), &mut buffer)?;
        self.queued |= 1u32.checked_shl(index).unwrap_or(0);
        Ok(())
    }

    /// The OUTPUT buffers that came back since this was last asked, a bit for each: whoever fills them is to have them again.
    pub fn take_freed(&mut self) -> u32 {
        core::mem::take(&mut self.freed)
    }
}
