//! The devices that `run` is to work with: which encoder, and which camera. Waits where that was asked for.
//!
//! Knows nodes and how their absence is reported; what is done with an encoder is `run`'s business.

use core::ffi::CStr;
use core::fmt;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::engine::camera::identity::{self, Identity};
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::{Exit, When, exit_of};
use crate::limits::DEVICE_RETRY_MS;
use crate::log::note;
use crate::signals::Signals;
use crate::text::Escaped;
use crate::time::{MS, now, timespec};
use crate::types::devices::{CameraChoice, DeviceChoice};
use crate::types::run_options::RunOptions;
use crate::v4l2::abi::Capability;
use crate::v4l2::camera::{Camera, Signal, is_camera};
use crate::v4l2::device::{Device, NodePath, NotUsable, scan};
use crate::v4l2::role::Role;

/// The camera with a signal, waiting for both as long as was asked.
#[inline(never)]
pub(super) fn find_camera(
    choice: CameraChoice<'_>,
    edid: Option<&[u8]>,
    options: &RunOptions<'_>,
    signals: &Signals,
) -> Result<Camera, Failure> {
    let mut deadline = Deadline::new(options);
    loop {
        let mut camera = match identity::open(choice, None) {
            Ok(camera) => camera,
            Err(NotUsable::Call(error))
                if error.call == Call::Open && deadline.wait(signals)? =>
            {
                continue;
            }
            Err(NotUsable::Call(error))
                if error.errno == Errno::NOENT && choice.path().is_none() =>
            {
                return Err(failure!(
                    Exit::NoDevice,
                    "no camera is {choice} (see framemill probe)"
                ));
            }
            Err(error) => return Err(unusable(&choice, "camera", &error)),
        };
        if let Some(edid) = edid {
            show_edid(&camera, &choice, edid)?;
        }
        match camera.signal() {
            Signal::Lost(_) if deadline.wait(signals)? => {}
            Signal::Lost(error) => {
                return Err(failure!(Exit::NoDevice, "{choice}: {error}"));
            }
            Signal::Failed(error) => {
                let exit = exit_of(When::SettingUp, error.errno);
                return Err(failure!(exit, "{choice}: {error}"));
            }
            _ => {
                let identity = Identity::of(&camera.capability);
                note!(info, "{choice}: the camera is {identity}");
                return Ok(camera);
            }
        }
    }
}

fn show_edid(camera: &Camera, choice: &CameraChoice<'_>, edid: &[u8]) -> Result<(), Failure> {
    match camera.show_edid(edid) {
        Ok(true) => note!(info, "{choice}: VIDIOC_S_EDID: the source reads a new EDID"),
        Ok(false) => {}
        Err(error) => {
            let exit = exit_of(When::SettingUp, error.errno);
            return Err(failure!(exit, "{choice}: {error}"));
        }
    }
    Ok(())
}

/// Why a node is no use, in a sentence.
#[inline(never)]
fn unusable(name: &dyn fmt::Display, what: &str, error: &NotUsable) -> Failure {
    match error {
        NotUsable::NotM2m(capability) => failure!(
            Exit::NoDevice,
            "{name} is no {what}: it is {}",
            Escaped(capability.card_name())
        ),
        NotUsable::Call(error) => {
            failure!(exit_of(When::Opening, error.errno), "{name}: {error}")
        }
    }
}

/// The device that fits, waiting for it as long as was asked.
#[inline(never)]
pub(super) fn find<'a>(
    options: &RunOptions<'a>,
    signals: &Signals,
    fits: &dyn Fn(&Device) -> bool,
) -> Result<(Device, NodePath<'a>), Failure> {
    let mut deadline = Deadline::new(options);
    loop {
        let last = deadline.left() == 0;
        let found = match options.device {
            DeviceChoice::Auto => find_auto(options, last, fits)?,
            DeviceChoice::Path(path) => find_named(path, last, &Instead(options, fits))?,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        deadline.wait(signals)?;
    }
}

/// How long is waited.
struct Deadline(u64);

impl Deadline {
    fn new(options: &RunOptions<'_>) -> Self {
        Self(now().saturating_add(u64::from(options.wait_device_ms) * MS))
    }

    fn left(&self) -> u64 {
        self.0.saturating_sub(now())
    }

    /// Waits a little. False when the time was up before.
    #[inline(never)]
    fn wait(&mut self, signals: &Signals) -> Result<bool, Failure> {
        let left = self.left();
        // Signals end the pause.
        let pause = timespec(left.min(u64::from(DEVICE_RETRY_MS) * MS));
        let _ = poll(&mut [PollFd::new(signals, PollFlags::IN)], Some(&pause));
        if signals.take() {
            return Err(failure!(
                Exit::NoDevice,
                "stopped by a signal while waiting for the device"
            ));
        }
        Ok(left != 0)
    }
}

/// The node of this name; `None` when it cannot be opened yet and this is not the last try.
fn find_named<'a>(
    path: &'a CStr,
    last: bool,
    instead: &Instead<'_>,
) -> Result<Option<(Device, NodePath<'a>)>, Failure> {
    let name = Escaped(path.to_bytes());
    let no_encoder = |what: &str, capability: &Capability| {
        let driver = Escaped(capability.driver_name());
        failure!(Exit::NoDevice, "{name} is a {what} ({driver}); {instead}")
    };
    match Device::open(path) {
        Ok(device) => match Role::of(&device).filter(|_| !device.gives(instead.0.codec)) {
            None | Some(Role::Encoder) => Ok(Some((device, NodePath::Given(path)))),
            Some(Role::StatelessDecoder) => {
                Err(no_encoder("stateless decoder", &device.capability))
            }
            Some(other) => Err(no_encoder(other.name(), &device.capability)),
        },
        // A node appears before udev has set who may open it.
        Err(NotUsable::Call(error)) if error.call == Call::Open && !last => Ok(None),
        Err(NotUsable::NotM2m(capability)) if is_camera(capability.node_caps()) => {
            Err(no_encoder("camera", &capability))
        }
        Err(error) => Err(unusable(&name, "encoder", &error)),
    }
}

/// Which device would do, in words. Looks for one.
struct Instead<'a>(&'a RunOptions<'a>, &'a dyn Fn(&Device) -> bool);

impl fmt::Display for Instead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(options, fits) = self;
        let fitting = |(_, device): &(_, Result<Device, _>)| device.as_ref().is_ok_and(*fits);
        match scan().find(fitting) {
            Some((path, _)) => write!(f, "an encoder is needed: {}", path.shown()),
            None => write!(
                f,
                "an encoder is needed, and none here encodes to {} (see framemill probe)",
                options.codec
            ),
        }
    }
}

/// The first node that does the job; `None` when there is none and this is not the last try.
fn find_auto(
    options: &RunOptions<'_>,
    last: bool,
    fits: &dyn Fn(&Device) -> bool,
) -> Result<Option<(Device, NodePath<'static>)>, Failure> {
    let (mut nodes, mut encoders) = (0u32, 0u32);
    let mut unopened = Unopened::default();
    for (path, device) in scan() {
        nodes += 1;
        match device {
            Ok(device) if fits(&device) => return Ok(Some((device, path))),
            Ok(_) => encoders += 1,
            Err(reason) => unopened.count(&reason),
        }
    }
    if !last {
        return Ok(None);
    }
    Err(failure!(
        Exit::NoDevice,
        "no device encodes {} to {}: {nodes} video nodes, {encoders} of them memory-to-memory (see framemill probe){unopened}",
        Raw(options),
        options.codec
    ))
}

/// Nodes of a scan that could not be opened: what is looked for may be among them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unopened {
    nodes: u32,
    /// Why the first one could not.
    reason: Option<IoctlError>,
}

impl Unopened {
    /// Counts a node that is no use, if that is because it could not be opened, or a call on it failed that every V4L2 device has.
    pub(super) fn count(&mut self, reason: &NotUsable) {
        if let NotUsable::Call(error) = reason
            && (error.call == Call::Open || !error.is_missing())
        {
            self.nodes += 1;
            self.reason.get_or_insert(*error);
        }
    }
}

/// The end of a sentence that says that something was not found; nothing when every node could be opened.
impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => write!(f, "; {} could not be opened: {reason}", self.nodes),
            None => Ok(()),
        }
    }
}

/// What is to be encoded, in words.
struct Raw<'a>(&'a RunOptions<'a>);

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.format {
            Some(format) => format.fmt(f),
            None if self.0.camera.is_some() => f.write_str("the camera's frames"),
            None => f.write_str("raw frames"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn nodes_that_could_not_be_opened_are_counted_with_the_first_ones_reason() {
        let mut unopened = Unopened::default();
        unopened.count(&NotUsable::Call(IoctlError::new(
            Call::QueryCap,
            Errno::NOTTY,
        )));
        assert_eq!(unopened.to_string(), "");
        for errno in [Errno::ACCESS, Errno::BUSY, Errno::BUSY] {
            unopened.count(&NotUsable::Call(IoctlError::new(Call::Open, errno)));
        }
        assert_eq!(
            unopened.to_string(),
            "; 3 could not be opened: open: EACCES: no permission: be root or in group video"
        );
    }
}
