//! A device's own buffers in this process's memory.
//!
//! Knows how a V4L2 buffer is mapped. Knows no queue's purpose.

use rustix::fd::BorrowedFd;

use super::abi::{BufferType, Memory};
use super::ioctl::{self, Result};
use crate::errno::call::{Call, IoctlError};
use crate::shm::region::Region;

/// Maps one memory plane of a buffer that the device allocated.
///
/// # Errors
/// When there is no such buffer, or it cannot be mapped.
#[inline(never)]
pub(super) fn map_buffer(
    device: BorrowedFd<'_>,
    queue: BufferType,
    index: u32,
    plane: usize,
) -> Result<Region> {
    let buffer = ioctl::querybuf(device, queue, Memory::Mmap, index)?;
    let (offset, length) = (buffer.mem_offset(plane), buffer.length(plane));
    Region::map_at(device, u64::from(offset), length as usize, true)
        .map_err(|errno| IoctlError::new(Call::Mmap, errno))
}
