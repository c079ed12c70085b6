//! The encoder's controls: by number or by name, one by one (step 5 of the checklist).
//!
//! An absent control is no failure of the driver's; a refused value is an error. Knows names and values; the meaning of a
//! control is the caller's.

use core::fmt;

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

use super::abi::{
    CID_MPEG_VIDEO_FORCE_KEY_FRAME, CID_MPEG_VIDEO_GOP_SIZE, CID_MPEG_VIDEO_H264_I_PERIOD,
    CTRL_FLAG_DISABLED, CTRL_FLAG_NEXT_CTRL, QueryExtCtrl, Scalar,
};
use super::device::Device;
use super::ioctl;
use crate::errno::call::{Call, IoctlError};
use crate::limits::CONTROLS_SCANNED;
use crate::log::note;
use crate::nearest::Nearest;
use crate::text::Name;

/// Why a control was not set.
#[derive(Clone, Copy, Debug)]
pub enum NotSet {
    /// The driver has no such control, or it holds no single number.
    Absent,
    /// The driver has no control of this name; the nearest one, empty when none is near.
    NoControl(Name),
    /// The control is no menu or has no item of this name; the nearest one, empty when none is near.
    NoItem(Name),
    /// The driver refuses the value; these are the smallest and the largest it takes, and its step.
    Value(IoctlError, i64, i64, u64),
}

impl fmt::Display for NotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("the driver has no such control"),
            Self::NoControl(near) => {
                f.write_str("the driver has no such control")?;
                proposal(f, near)
            }
            Self::NoItem(near) => {
                f.write_str("the control has no such item")?;
                proposal(f, near)
            }
            // Within the range, it is not the range.
            Self::Value(error, ..) if error.errno != Errno::RANGE => error.fmt(f),
            Self::Value(error, minimum, maximum, step) => {
                write!(
                    f,
                    "the driver takes {minimum} to {maximum} in steps of {step} ({error})"
                )
            }
        }
    }
}

fn proposal(f: &mut fmt::Formatter<'_>, near: &Name) -> fmt::Result {
    if near.as_bytes().is_empty() {
        return Ok(());
    }
    write!(f, "; did you mean {near}?")
}

/// Sets a control. Gives the value that the driver made of it: the nearest that it can do.
///
/// # Errors
/// When the driver has no such control, or refuses the value. A value out of range is refused here, where the kernel
/// would quietly take the nearest one.
#[inline(never)]
pub fn set(device: &Device, id: u32, value: i64) -> Result<i64, NotSet> {
    let control =
        ioctl::query_ext_ctrl(device.as_fd(), id).map_err(|error| NotSet::Value(error, 0, 0, 0))?;
    let mut control = control.and_then(enabled).ok_or(NotSet::Absent)?;
    let period = matches!(id, CID_MPEG_VIDEO_GOP_SIZE | CID_MPEG_VIDEO_H264_I_PERIOD);
    if value == 1 && period && device.quirks.period_of_one_hangs {
        control.minimum = 2;
    }
    let refused = |error| NotSet::Value(error, control.minimum, control.maximum, control.step);
    let scalar = control.scalar().ok_or(NotSet::Absent)?;
    if value < control.minimum || value > control.maximum {
        return Err(refused(IoctlError::new(Call::SExtCtrls, Errno::RANGE)));
    }
    ioctl::s_ext_ctrl(device, id, scalar, value).map_err(refused)
}

/// Sets the first of several controls that the driver has: drivers know one thing by different numbers.
///
/// # Errors
/// As `set`; absent when it has none of them.
pub fn set_first(device: &Device, ids: &[u32], value: i64) -> Result<i64, NotSet> {
    for &id in ids {
        match set(device, id, value) {
            Err(NotSet::Absent) => {}
            answer => return answer,
        }
    }
    Err(NotSet::Absent)
}

/// Sets how many frames lie between key frames. With 1 every frame is a key frame; where the driver must be spared
/// that, nothing is set, and key frames are to be forced one by one (`all_intra_by_force`).
///
/// # Errors
/// As `set`.
pub fn set_gop(device: &Device, frames: u32) -> Result<i64, NotSet> {
    if all_intra_by_force(device, frames) {
        return if has_force_key_frame(device) {
            Ok(1)
        } else {
            Err(NotSet::Absent)
        };
    }
    // Drivers have one, the other or both; of both, bcm2835-codec forgets GOP_SIZE when it allocates its buffers.
    let period = set(device, CID_MPEG_VIDEO_H264_I_PERIOD, i64::from(frames));
    let gop = set(device, CID_MPEG_VIDEO_GOP_SIZE, i64::from(frames));
    match (period, gop) {
        (Err(NotSet::Absent), answer) | (answer, Err(NotSet::Absent)) => answer,
        (period, gop) => period.and(gop),
    }
}

/// Whether so many frames between key frames are had by forcing each one.
#[must_use]
pub fn all_intra_by_force(device: &Device, frames: u32) -> bool {
    frames == 1 && device.quirks.period_of_one_hangs
}

/// Whether the driver can be asked for a key frame.
#[must_use]
pub fn has_force_key_frame(device: &Device) -> bool {
    query(device.as_fd(), CID_MPEG_VIDEO_FORCE_KEY_FRAME).is_some()
}

/// Makes the next frame that the encoder begins a key frame.
///
/// # Errors
/// When the driver refuses.
pub fn force_key_frame(device: &Device) -> Result<(), IoctlError> {
    ioctl::s_ext_ctrl(device, CID_MPEG_VIDEO_FORCE_KEY_FRAME, Scalar::Bits32, 1).map(|_| ())
}

/// The value of a control that holds a number of 32 bits; `None` when the driver has none to read.
///
/// # Errors
/// When the driver fails to say.
pub fn read(device: &Device, id: u32) -> Result<Option<i64>, IoctlError> {
    match ioctl::g_ext_ctrl(device, id, Scalar::Bits32) {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.errno, Errno::INVAL | Errno::NOTTY | Errno::ACCESS) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The same, where a failure is as good as none.
#[must_use]
pub fn get(device: &Device, id: u32) -> Option<i64> {
    read(device, id).unwrap_or_else(taken_for_absent)
}

/// The control with this number, if the driver has it.
#[must_use]
pub fn query(device: BorrowedFd<'_>, id: u32) -> Option<QueryExtCtrl> {
    ioctl::query_ext_ctrl(device, id)
        .unwrap_or_else(taken_for_absent)
        .and_then(enabled)
}

fn enabled(control: QueryExtCtrl) -> Option<QueryExtCtrl> {
    (control.flags & CTRL_FLAG_DISABLED == 0).then_some(control)
}

/// A driver that fails to say whether it has a control is logged: what comes of it may be hard to explain.
fn taken_for_absent<T>(error: IoctlError) -> Option<T> {
    note!(warn, "{error}: a control is taken for absent");
    None
}

/// The driver's controls, in the order of their numbers; bounded, whatever the driver says.
pub fn all(device: BorrowedFd<'_>) -> impl Iterator<Item = QueryExtCtrl> {
    let mut last = 0;
    (0..CONTROLS_SCANNED).map_while(move |_| {
        let control = ioctl::query_ext_ctrl(device, last | CTRL_FLAG_NEXT_CTRL)
            .ok()
            .flatten()?;
        // A driver that does not go on would be asked for ever.
        if control.id <= last {
            return None;
        }
        last = control.id;
        Some(control)
    })
}

/// The number of the control with this name. Names are compared as `v4l2-ctl` writes them: lower case, and everything
/// that is no letter or digit as one underscore (`Video GOP Size` is `video_gop_size`).
///
/// # Errors
/// When there is none. Which one is near, `nearest` says, which takes longer.
pub fn find(device: BorrowedFd<'_>, name: &[u8]) -> Result<u32, NotSet> {
    let found = all(device).find(|control| same_name(control.name(), name));
    found.map_or(Err(NotSet::NoControl(Name::default())), |control| {
        Ok(control.id)
    })
}

/// The name nearest to this one among those of the controls; empty when none is near.
pub fn nearest(device: BorrowedFd<'_>, name: &[u8]) -> Name {
    let mut search = Nearest::new(name);
    all(device)
        .map(|control| folded(control.name()).collect::<Name>())
        .filter(|known| search.offer(known.as_bytes()))
        .last()
        .unwrap_or_default()
}

pub(super) fn same_name(a: &[u8], b: &[u8]) -> bool {
    folded(a).eq(folded(b))
}

/// The characters of a name as `v4l2-ctl` writes it.
fn folded(name: &[u8]) -> impl Iterator<Item = u8> {
    let mut gap = false;
    let end = name
        .iter()
        .rposition(u8::is_ascii_alphanumeric)
        .map_or(0, |last| last + 1);
    name[..end]
        .iter()
        .filter_map(move |&byte| {
            let letter = byte.is_ascii_alphanumeric();
            let shown = (letter || !gap).then(|| {
                if letter {
                    byte.to_ascii_lowercase()
                } else {
                    b'_'
                }
            });
            gap = !letter;
            shown
        })
        .skip_while(|&byte| byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::same_name;

    #[test]
    fn names_are_compared_as_v4l2_ctl_writes_them() {
        assert!(same_name(b"Video GOP Size", b"video_gop_size"));
        assert!(same_name(
            b"FWHT I-Frame QP Value",
            b"fwht_i_frame_qp_value"
        ));
        assert!(same_name(
            b"H264 Minimum QP Value",
            b"H264 minimum QP value"
        ));
        assert!(same_name(
            b"Sequence Header Mode (x)",
            b"sequence_header_mode_x"
        ));
        assert!(!same_name(b"Video GOP Size", b"video_gop"));
        assert!(!same_name(b"", b"x"));
    }
}
