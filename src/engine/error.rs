//! Why an encoder or a camera cannot be set up, and why the engine ends: values. Whoever goes on in spite of one logs it; whoever ends
//! the process for one writes its sentence.
//!
//! Knows the sentences and the exit codes. Knows no part of the engine.

use core::fmt;

use crate::engine::combination::Combination;
use crate::errno::call::{Call, IoctlError};
use crate::exit::{Exit, When, exit_of};
use crate::free_memory::Free;
use crate::limits::RESTARTS;
use crate::log::note;
use crate::media::h264::level_name;
use crate::text::Escaped;
use crate::types::control_setting::{ControlName, ControlSetting};
use crate::types::devices::{CameraChoice, MiddleKind};
use crate::v4l2::controls::NotSet;
use crate::v4l2::encoder::import::NotImported;
use crate::v4l2::negotiate::Refused;

/// What went wrong.
#[derive(Clone, Copy, Debug)]
pub enum EngineError<'a> {
    /// A call on the encoder failed while it was set up.
    Call(IoctlError),
    /// The encoder does not take the format, the size or the rate.
    NotAgreed(Refused),
    /// It does not make the codec, or not of the raw format, that was asked for: it is no encoder for that.
    WrongEncoder(Refused),
    /// It rejects the value of the option of this name.
    Option(&'static str, i64, NotSet),
    /// It rejects the H.264 level that was asked for: an item of `V4L2_CID_MPEG_VIDEO_H264_LEVEL`.
    Level(u32, NotSet),
    /// It rejects a control that the user named; the camera, if there is one, whose control may be meant.
    Control(&'a ControlSetting<'a>, NotSet, Option<&'a CameraChoice<'a>>),
    /// It does not start with what an H.264 stream is made of.
    Combination(Combination, Unfit),
    /// It does not take a producer's memory; a copy takes so many bytes a second.
    NotImported(NotImported, u64),
    /// Buffers for this size, width and height, take so many bytes, which are not free.
    NoRoom((u32, u32), u64),
    /// It failed while running, and recovery did not help.
    Failed(IoctlError),
    /// It stalled while running, and could not be set up again.
    NotSetUpAgain,
    /// It stalled while running, and did so again when it was restarted and reopened.
    Stalled,
    /// The drain was cut short with so many frames inside.
    DrainCutShort(u64),
    /// The same, because the device of this kind and path, between the camera and the encoder, did not give what it had.
    KeptInMiddle(MiddleKind, Escaped<'a>, u64),
    /// The camera cannot be attached.
    Camera(CameraChoice<'a>, Refused),
    /// The camera did not come back within so many milliseconds.
    CameraLost(CameraChoice<'a>, u64, Refused),
    /// The device of this path between the camera and the encoder cannot be set up.
    Middle(Escaped<'a>, Refused),
    /// The one of this kind and path could not be brought to work again within so many milliseconds.
    MiddleLost(MiddleKind, Escaped<'a>, u64, Refused),
}

/// It is handed up from call to call.
const _: () = assert!(size_of::<EngineError<'_>>() <= 72);

/// Why an encoder does not start with a combination.
#[derive(Clone, Copy, Debug)]
pub enum Unfit {
    /// STREAMON failed.
    NotStarted(IoctlError),
    /// This encoder has no constant bitrate with profile High.
    ConstantHigh,
    /// No level of H.264 allows it.
    NoLevel,
    /// The level does not allow it; the other one does.
    LevelTooLow(u32, u32),
    /// The driver rejects the level that it needs.
    LevelRefused(u32, IoctlError),
}

impl<'a> EngineError<'a> {
    /// The exit code of a process that ends for it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Call(error) if error.is_shared_memory() => Exit::Resource,
            Self::Call(error) => exit_of(When::SettingUp, error.errno),
            Self::NotAgreed(refused) => refused.exit(),
            Self::WrongEncoder(_) => Exit::NoDevice,
            Self::Option(..)
            | Self::Level(..)
            | Self::Control(..)
            | Self::Combination(..)
            | Self::NotImported(..) => Exit::Refused,
            Self::NoRoom(..) => Exit::Resource,
            Self::Failed(error) => exit_of(When::Running, error.errno),
            Self::NotSetUpAgain | Self::Stalled => Exit::Stalled,
            Self::DrainCutShort(_) | Self::KeptInMiddle(..) => Exit::DrainTimeout,
            // Reached only where `--memory export` insists.
            Self::Camera(_, Refused::Call(error)) if error.call == Call::ExpBuf => Exit::Refused,
            Self::Camera(_, refused) => refused.exit(),
            Self::CameraLost(..) => Exit::DeviceLost,
            Self::Middle(_, refused) => refused.exit(),
            Self::MiddleLost(_, _, _, Refused::Call(error)) => exit_of(When::Running, error.errno),
            Self::MiddleLost(..) => Exit::Stalled,
        }
    }

    /// Whether something is short that may be there the next time.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        self.exit() == Exit::Resource
    }

    /// The sentence. `encoder` is the path of the encoder's device.
    #[must_use]
    pub fn at(self, encoder: Escaped<'a>) -> ErrorAt<'a> {
        ErrorAt(self, encoder)
    }

    /// Logs it, because the engine goes on.
    #[inline(never)]
    pub fn log(self, encoder: Escaped<'a>) {
        note!(warn, "{}", self.at(encoder));
    }
}

impl From<IoctlError> for EngineError<'_> {
    fn from(error: IoctlError) -> Self {
        Self::Call(error)
    }
}

/// An error, and the encoder's path.
#[derive(Clone, Copy, Debug)]
pub struct ErrorAt<'a>(EngineError<'a>, Escaped<'a>);

impl fmt::Display for ErrorAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EngineError as E;
        match self.0 {
            E::Call(error) => return error.at(self.1).fmt(f),
            E::Camera(camera, refused) => return write!(f, "{camera}: {refused}"),
            E::CameraLost(camera, ms, refused) => {
                return write!(
                    f,
                    "{camera}: the camera did not come back within {ms} ms: {refused}"
                );
            }
            E::Middle(path, refused) => return write!(f, "{path}: {refused}"),
            E::MiddleLost(kind, path, ms, refused) => {
                return write!(
                    f,
                    "{path}: the {} does not work again within {ms} ms: {refused}",
                    kind.name()
                );
            }
            E::KeptInMiddle(kind, path, frames) => {
                return write!(
                    f,
                    "{path}: the {} does not give what it has: {}",
                    kind.name(),
                    CutShort(frames)
                );
            }
            _ => write!(f, "{}: ", self.1)?,
        }
        match self.0 {
            E::Call(_)
            | E::Camera(..)
            | E::CameraLost(..)
            | E::Middle(..)
            | E::MiddleLost(..)
            | E::KeptInMiddle(..) => Ok(()),
            E::NotAgreed(refused) | E::WrongEncoder(refused) => refused.fmt(f),
            E::Option(name, value, error) => write!(f, "{name} {value}: {error}"),
            E::Level(level, error) => {
                write!(f, "--level {}: {error}", level_name(level.into()))
            }
            E::Control(setting, error, camera) => control(f, setting, error, camera),
            E::Combination(combination, unfit) => write!(f, "{combination}: {unfit}"),
            E::NotImported(error, bytes) => write!(
                f,
                "the offered memory cannot be imported ({error}): it has to be copied, {bytes} bytes a second"
            ),
            E::NoRoom((width, height), bytes) => {
                write!(f, "{Free}, and buffers for {width}x{height} take {bytes}")
            }
            E::Failed(error) if self.0.exit() == Exit::DeviceLost => {
                write!(f, "the encoder is gone: {error}")
            }
            E::Failed(error) => write!(
                f,
                "the encoder still fails after {RESTARTS} restarts and when reopened: {error}"
            ),
            E::NotSetUpAgain => {
                f.write_str("the encoder could not be set up again, also when reopened")
            }
            E::Stalled => write!(
                f,
                "the encoder stalled again after {RESTARTS} restarts and when reopened"
            ),
            E::DrainCutShort(frames) => CutShort(frames).fmt(f),
        }
    }
}

/// What is lost with a drain that was cut short.
struct CutShort(u64);

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the drain was cut short: {} frames are lost", self.0)
    }
}

fn control(
    f: &mut fmt::Formatter<'_>,
    setting: &ControlSetting<'_>,
    error: NotSet,
    camera: Option<&CameraChoice<'_>>,
) -> fmt::Result {
    match setting.name {
        ControlName::Id(id) => write!(f, "--control {id:#x}")?,
        ControlName::Name(name) => write!(f, "--control {}", Escaped(name))?,
    }
    write!(f, " {}: {error}", setting.value)?;
    match (error, camera) {
        // Whoever gives a camera may mean the camera's.
        (NotSet::Absent | NotSet::NoControl(_), Some(camera)) => write!(
            f,
            "; --control sets the encoder's, set those of the camera {camera} before the start (v4l2-ctl)"
        ),
        _ => Ok(()),
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotStarted(error) => error.fmt(f),
            Self::ConstantHigh => f.write_str(
                "this encoder does not start so; give --bitrate-mode vbr or another --profile",
            ),
            Self::NoLevel => f.write_str("no H.264 level allows it"),
            Self::LevelTooLow(level, needed) => write!(
                f,
                "level {} does not allow it, {} does",
                level_name(level.into()),
                level_name(needed.into())
            ),
            Self::LevelRefused(level, error) => write!(
                f,
                "level {} is needed, and refused: {error}",
                level_name(level.into())
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn each_error_names_its_device_and_has_its_exit_code() {
        let encoder = Escaped(b"/dev/video11");
        let call = IoctlError::new(Call::ReqBufs, Errno::NOMEM);
        let odd = IoctlError::new(Call::GParm, Errno::DOM);
        let camera = CameraChoice::Card(b"cam");
        let setting = ControlSetting {
            name: ControlName::Id(0x99),
            value: crate::types::control_setting::ControlValue::Number(3),
        };
        for (error, exit, sentence) in [
            (
                EngineError::Call(call),
                Exit::Resource,
                "/dev/video11: VIDIOC_REQBUFS: ENOMEM: ",
            ),
            (
                IoctlError::new(Call::MemfdMap, Errno::NOMEM).into(),
                Exit::Resource,
                "shared memory: mmap: ENOMEM",
            ),
            (
                EngineError::Call(odd),
                Exit::Device,
                "/dev/video11: VIDIOC_G_PARM: EDOM",
            ),
            (
                EngineError::WrongEncoder(Refused::Size((3, 4), (5, 6))),
                Exit::NoDevice,
                "/dev/video11: the driver does not take 3x4",
            ),
            (
                EngineError::Option("--bitrate", 7, NotSet::Absent),
                Exit::Refused,
                "/dev/video11: --bitrate 7: the driver has no such control",
            ),
            (
                EngineError::Level(
                    11,
                    NotSet::Value(IoctlError::new(Call::SExtCtrls, Errno::RANGE), 1, 2, 1),
                ),
                Exit::Refused,
                "/dev/video11: --level 4: the driver takes 1 to 2 in steps of 1",
            ),
            (
                EngineError::Control(&setting, NotSet::Absent, Some(&camera)),
                Exit::Refused,
                "/dev/video11: --control 0x99 3: the driver has no such control; --control sets the encoder's, set those of the camera card:cam before",
            ),
            (
                EngineError::Failed(IoctlError::new(Call::QBuf, Errno::NODEV)),
                Exit::DeviceLost,
                "/dev/video11: the encoder is gone: VIDIOC_QBUF: ENODEV",
            ),
            (
                EngineError::Failed(odd),
                Exit::Stalled,
                "/dev/video11: the encoder still fails after 2 restarts",
            ),
            (
                EngineError::DrainCutShort(4),
                Exit::DrainTimeout,
                "/dev/video11: the drain was cut short: 4 frames are lost",
            ),
            (
                EngineError::KeptInMiddle(MiddleKind::Converter, Escaped(b"/dev/video12"), 2),
                Exit::DrainTimeout,
                "/dev/video12: the converter does not give what it has: the drain was cut short: 2 frames are lost",
            ),
            (
                EngineError::Camera(camera, IoctlError::new(Call::ExpBuf, Errno::INVAL).into()),
                Exit::Refused,
                "card:cam: VIDIOC_EXPBUF: EINVAL",
            ),
            (
                EngineError::CameraLost(camera, 30_000, odd.into()),
                Exit::DeviceLost,
                "card:cam: the camera did not come back within 30000 ms: VIDIOC_G_PARM: EDOM",
            ),
            (
                EngineError::Middle(Escaped(b"/dev/video10"), Refused::Size((3, 4), (5, 6))),
                Exit::Refused,
                "/dev/video10: the driver does not take 3x4",
            ),
            (
                EngineError::MiddleLost(
                    MiddleKind::Decoder,
                    Escaped(b"/dev/video10"),
                    30_000,
                    odd.into(),
                ),
                Exit::Stalled,
                "/dev/video10: the decoder does not work again within 30000 ms: VIDIOC_G_PARM: EDOM",
            ),
            (
                EngineError::MiddleLost(
                    MiddleKind::Converter,
                    Escaped(b"/dev/video12"),
                    5,
                    IoctlError::new(Call::QBuf, Errno::NODEV).into(),
                ),
                Exit::DeviceLost,
                "/dev/video12: the converter does not work again within 5 ms: VIDIOC_QBUF: ENODEV",
            ),
        ] {
            let text = error.at(encoder).to_string();
            assert!(text.starts_with(sentence), "{text}");
            assert_eq!(error.exit(), exit, "{text}");
        }
    }
}
