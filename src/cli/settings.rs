//! What each option sets, command by command, and the rules that need more than one option to be broken.

use super::choices::{Action, Container, DeviceChoice, Source, Target};
use super::complaint::Complaint;
use super::options::{CtlOptions, ProbeOptions, PushOptions, RunOptions, StatOptions, TapOptions};
use super::read::{Settings, Value};
use super::row::Key;
use super::value;
use crate::limits::CHECK_MS_DEFAULT;
use crate::media::{fourcc::Fourcc, h264};

impl<'a> Settings<'a> for RunOptions<'a> {
    fn set(&mut self, key: Key, value: Value<'a>) -> Option<()> {
        let text = value.text.to_bytes();
        match key {
            Key::Device => self.device = value::device(value.text),
            Key::Size => self.size = value::size(text)?,
            Key::Format => self.format = Some(Fourcc::parse(text)?),
            Key::Fps => self.frame_rate = value::frame_rate(text)?,
            Key::Codec => self.codec = Fourcc::parse(text)?,
            Key::Bitrate => self.bitrate = Some(value.number32()?),
            Key::Gop => self.gop = Some(value.number32()?),
            Key::BitrateMode => self.bitrate_mode = Some(value::bitrate_mode(text)?),
            Key::Profile => self.profile = Some(h264::profile(text)?),
            Key::Level if text == b"auto" => self.level = None,
            Key::Level => self.level = Some(h264::level(text)?),
            Key::MinQp => self.min_qp = Some(value.number32()?),
            Key::MaxQp => self.max_qp = Some(value.number32()?),
            Key::RepeatHeaders => self.repeat_headers = Some(value::switch(text)?),
            Key::Control => self.controls.try_push(value::control(value.text)?).ok()?,
            Key::Socket => self.socket = value::socket(value.text)?,
            Key::ProducerUid => self.producers.add(value::user(text)?)?,
            Key::ControlUid => self.changers.add(value::user(text)?)?,
            Key::SocketMode => self.socket_mode = value::mode(text)?,
            Key::FrameSlots => self.frame_slots = Some(value.number32()?),
            Key::PacketRing => {
                self.packet_ring = value.number32()?.checked_next_power_of_two()?;
            }
            Key::Memory => self.memory = value::memory(text)?,
            Key::StallMs => self.stall_ms = value.number32()?,
            Key::DrainMs => self.drain_ms = value.number32()?,
            Key::Wait => self.wait_device_ms = value.number32()?,
            Key::Camera => self.camera = Some(value.text),
            Key::CameraFormat => self.camera_format = Some(Fourcc::parse(text)?),
            Key::CameraWait => self.camera_wait_ms = value.number32()?,
            Key::Frames => self.frames = Some(value.number),
            Key::Once => self.once = true,
            Key::User => self.user = Some(value::identity(text)?),
            Key::NoSandbox => self.sandbox = false,
            Key::Realtime => self.realtime = Some(value.number32()?),
            Key::Cpu => self.cpu = Some(value.number32()?),
            Key::Log => self.log = value::log_level(text)?,
            Key::LogTo => self.log_to = value::log_target(text)?,
            _ => return None,
        }
        Some(())
    }
}

impl<'a> Settings<'a> for PushOptions<'a> {
    fn set(&mut self, key: Key, value: Value<'a>) -> Option<()> {
        match key {
            Key::Socket => self.socket = value::socket(value.text)?,
            Key::Size => self.size = Some(value::size(value.text.to_bytes())?),
            Key::Format => self.format = Some(Fourcc::parse(value.text.to_bytes())?),
            Key::From => self.from = value::source(value.text),
            Key::Raw => self.container = Container::Raw,
            Key::Y4m => self.container = Container::Y4m,
            Key::Fps => self.pace = value::pace(value.text.to_bytes())?,
            Key::Frames => self.frames = Some(value.number),
            Key::Loop => self.repeat = true,
            Key::Memory => self.memory = value::push_memory(value.text.to_bytes())?,
            Key::Wait => self.wait_ms = value.number32()?,
            _ => return None,
        }
        Some(())
    }
}

impl<'a> Settings<'a> for TapOptions<'a> {
    fn set(&mut self, key: Key, value: Value<'a>) -> Option<()> {
        match key {
            Key::Socket => self.socket = value::socket(value.text)?,
            Key::To => self.to = value::target(value.text),
            Key::From => self.start = value::start(value.text.to_bytes())?,
            Key::Frames => self.frames = Some(value.number),
            Key::Index => match value::target(value.text) {
                Target::File(path) => self.index = Some(path),
                Target::Stdout => return None,
            },
            Key::All => self.all = true,
            Key::Wait => self.wait_ms = value.number32()?,
            _ => return None,
        }
        Some(())
    }
}

impl<'a> Settings<'a> for StatOptions<'a> {
    fn set(&mut self, key: Key, value: Value<'a>) -> Option<()> {
        match key {
            Key::Socket => self.socket = value::socket(value.text)?,
            Key::Watch => self.watch_ms = Some(value.number32()?),
            Key::Json => self.json = true,
            Key::Check if value.number == 0 => self.check_ms = Some(CHECK_MS_DEFAULT),
            Key::Check => self.check_ms = Some(value.number32()?),
            _ => return None,
        }
        Some(())
    }
}

impl<'a> Settings<'a> for CtlOptions<'a> {
    fn set(&mut self, key: Key, value: Value<'a>) -> Option<()> {
        let action = match key {
            Key::Intra => Action::KeyFrame,
            Key::Bitrate => Action::Bitrate(value.number32()?),
            Key::Gop => Action::Gop(value.number32()?),
            Key::Control => Action::Control(value::control(value.text)?),
            Key::Drain => Action::Drain,
            Key::Socket => {
                self.socket = value::socket(value.text)?;
                return Some(());
            }
            Key::Wait => {
                self.wait_ms = value.number32()?;
                return Some(());
            }
            _ => return None,
        };
        self.action = Some(action);
        Some(())
    }
}

impl<'a> Settings<'a> for ProbeOptions<'a> {
    fn set(&mut self, key: Key, value: Value<'a>) -> Option<()> {
        match key {
            Key::Device => {
                self.device = match value::device(value.text) {
                    DeviceChoice::Path(path) => Some(path),
                    DeviceChoice::Auto => None,
                }
            }
            Key::Json => self.json = true,
            _ => return None,
        }
        Some(())
    }
}

/// Rules between options of `run`.
pub(super) fn check_run<'a>(options: &RunOptions<'a>) -> Result<(), Complaint<'a>> {
    for (option, given) in [
        ("--frames", options.frames.is_some()),
        ("--camera-format", options.camera_format.is_some()),
    ] {
        if given && options.camera.is_none() {
            return Err(Complaint::OfNoCamera(option));
        }
    }
    match (options.min_qp, options.max_qp) {
        (Some(least), Some(greatest)) if least > greatest => Err(Complaint::QuantisersCrossed),
        _ => Ok(()),
    }
}

/// Rules between options of `ctl`.
pub(super) fn check_ctl<'a>(options: &CtlOptions<'a>) -> Result<(), Complaint<'a>> {
    options.action.map_or(Err(Complaint::NoAction), |_| Ok(()))
}

/// Rules between options of `push`.
pub(super) fn check_push<'a>(options: &PushOptions<'a>) -> Result<(), Complaint<'a>> {
    match options.from {
        Source::Stdin if options.repeat => Err(Complaint::LoopOnStdin),
        Source::Pattern if options.container != Container::Auto => {
            Err(Complaint::ContainerOfPattern)
        }
        _ => Ok(()),
    }
}
