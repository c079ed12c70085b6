//! The calls about a device's EDID. As `ioctl`, whose file this would be too long for.

use rustix::fd::AsFd;

use super::Result;
use super::request::*;
use crate::errno::call::{Call, IoctlError};
use crate::media::edid::{BLOCK, BLOCKS};
use crate::v4l2::abi::Edid;

/// VIDIOC_G_EDID: the EDID that an input shows, as far as there is room; gives its bytes.
pub fn g_edid(fd: impl AsFd, input: u32, room: &mut [u8; BLOCKS * BLOCK]) -> Result<usize> {
    // Exposed, because the kernel makes a pointer of the number again.
    let mut edid = Edid::new(input, BLOCKS as u32, room.as_mut_ptr().expose_provenance());
    // SAFETY: The address leads to as many blocks as `blocks` says, borrowed for longer than the call.
    unsafe { ioctl_retry::<VIDIOC_G_EDID>(fd.as_fd(), &mut edid) }
        .map_err(|errno| IoctlError::new(Call::GEdid, errno))?;
    Ok((edid.blocks as usize).min(BLOCKS) * BLOCK)
}

/// VIDIOC_S_EDID: the EDID that an input is to show, of whole blocks. What the device does not take is E2BIG.
pub fn s_edid(fd: impl AsFd, input: u32, bytes: &[u8]) -> Result<()> {
    let blocks = bytes.len() / BLOCK;
    let mut edid = Edid::new(input, blocks as u32, bytes.as_ptr().expose_provenance());
    // SAFETY: The kernel reads as many blocks as `blocks` says, and the slice has them.
    unsafe { ioctl_retry::<VIDIOC_S_EDID>(fd.as_fd(), &mut edid) }
        .map_err(|errno| IoctlError::new(Call::SEdid, errno))
}
