//! Which camera is meant, and whether the one that is there now is the one that was there before.
//!
//! Node numbers change when a camera is plugged in again; `card` and `bus_info` of VIDIOC_QUERYCAP name the camera and the port. Knows
//! these names and how a camera is found by them. Knows no stream.

use core::fmt;

use rustix::io::Errno;

use crate::errno::call::{Call, IoctlError};
use crate::text::Escaped;
use crate::types::devices::CameraChoice;
use crate::v4l2::abi::Capability;
use crate::v4l2::camera::Camera;
use crate::v4l2::device::{NotUsable, scan_with};

/// A camera's name and place, as its driver gives them, padded with NULs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    card: [u8; 32],
    bus: [u8; 32],
}

impl Identity {
    /// Of a device.
    #[must_use]
    pub fn of(capability: &Capability) -> Self {
        let mut identity = Self {
            card: [0; 32],
            bus: [0; 32],
        };
        // Without what stands behind the NUL.
        for (to, name) in [
            (&mut identity.card, capability.card_name()),
            (&mut identity.bus, capability.bus_name()),
        ] {
            to[..name.len()].copy_from_slice(name);
        }
        identity
    }

    /// Whether the user's words name it. A path names whatever is there.
    #[must_use]
    pub fn is_named_by(&self, choice: CameraChoice<'_>) -> bool {
        let names = |field: &[u8; 32], name: &[u8]| {
            let (start, rest) = field.split_at(name.len().min(field.len()));
            start == name && rest.iter().all(|&byte| byte == 0)
        };
        match choice {
            CameraChoice::Path(_) => true,
            CameraChoice::Bus(name) => names(&self.bus, name),
            CameraChoice::Card(name) => names(&self.card, name),
        }
    }

    /// Whether it is the same camera as `before`: the same card at the same place, or at any place where the user gave the
    /// card's name alone.
    #[must_use]
    pub fn continues(&self, before: &Self, choice: CameraChoice<'_>) -> bool {
        self.card == before.card
            && (self.bus == before.bus || matches!(choice, CameraChoice::Card(_)))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |field: &'_ [u8; 32]| field.iter().position(|&byte| byte == 0).unwrap_or(32);
        write!(
            f,
            "{} at {}",
            Escaped(&self.card[..text(&self.card)]),
            Escaped(&self.bus[..text(&self.bus)])
        )
    }
}

/// Opens the camera that the user means; `before`, where it is there. Without a path, all video nodes are looked at.
///
/// # Errors
/// When there is none. Where nodes may not be opened, that is the error: it may be one of them.
#[inline(never)]
pub fn open(choice: CameraChoice<'_>, before: Option<&Identity>) -> Result<Camera, NotUsable> {
    if let CameraChoice::Path(path) = choice {
        return Camera::open(path);
    }
    let mut other = Err(NotUsable::Call(IoctlError::new(Call::Open, Errno::NOENT)));
    for (_, opened) in scan_with(Camera::open) {
        match opened {
            Ok(camera) => {
                let identity = Identity::of(&camera.capability);
                if !identity.is_named_by(choice) {
                    continue;
                }
                if before.is_none_or(|before| identity.continues(before, choice)) {
                    return Ok(camera);
                }
                other = Ok(camera);
            }
            Err(NotUsable::Call(error))
                if other.is_err() && matches!(error.errno, Errno::ACCESS | Errno::PERM) =>
            {
                other = Err(NotUsable::Call(error));
            }
            Err(_) => {}
        }
    }
    other
}

/// Whether the camera that the user means may not be opened: not any more, where it is open already.
#[must_use]
pub fn is_shut(choice: CameraChoice<'_>) -> bool {
    let denied = |error: IoctlError| matches!(error.errno, Errno::ACCESS | Errno::PERM);
    matches!(open(choice, None), Err(NotUsable::Call(error)) if denied(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn identity(card: &[u8], bus: &[u8]) -> Identity {
        let mut capability = Capability::default();
        capability.card[..card.len()].copy_from_slice(card);
        capability.bus_info[..bus.len()].copy_from_slice(bus);
        // A driver may leave something behind the NUL.
        capability.card[31] = b'x';
        Identity::of(&capability)
    }

    const PATH: CameraChoice<'_> = CameraChoice::Path(c"/dev/video0");

    #[test]
    fn a_camera_is_named_by_its_whole_card_or_bus() {
        let camera = identity(b"Webcam", b"usb-1.2");
        assert_eq!(camera.to_string(), "Webcam at usb-1.2");
        for (choice, named) in [
            (PATH, true),
            (CameraChoice::Card(b"Webcam"), true),
            (CameraChoice::Card(b"Web"), false),
            (CameraChoice::Card(b"Webcam 2"), false),
            (CameraChoice::Bus(b"usb-1.2"), true),
            (CameraChoice::Bus(b"usb-1"), false),
            (CameraChoice::Bus(b"Webcam"), false),
            (
                CameraChoice::Bus(b"a bus with a name that is longer than it can be"),
                false,
            ),
        ] {
            assert_eq!(camera.is_named_by(choice), named, "{choice:?}");
        }
    }

    #[test]
    fn only_a_card_that_was_named_may_move_to_another_bus() {
        let before = identity(b"Webcam", b"usb-1.2");
        let moved = identity(b"Webcam", b"usb-1.3");
        let other = identity(b"Grabber", b"usb-1.2");
        let bus = CameraChoice::Bus(b"usb-1.2");
        let card = CameraChoice::Card(b"Webcam");
        for (now, choice, same) in [
            (before, PATH, true),
            (before, bus, true),
            (before, card, true),
            (moved, PATH, false),
            (moved, card, true),
            (other, PATH, false),
            (other, bus, false),
        ] {
            assert_eq!(now.continues(&before, choice), same, "{now} {choice:?}");
        }
    }
}
