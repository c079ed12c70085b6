//! The controls that are set before the encoder starts: those that options stand for, then those named one by one.
//!
//! An absent one is logged and skipped, unless the user named it; a refused value ends the start. Knows what each
//! option means to an encoder; how a control is set is `v4l2::controls`' business.

use core::cell::Cell;
use core::fmt::{self, Display};

use rustix::fd::AsFd;

use crate::errno::call::IoctlError;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::{Exit, When, exit_of};
use crate::log::note;
use crate::media::fourcc::Fourcc;
use crate::media::h264::{LEVEL_MAX, StreamParams, level_name, profile_name};
use crate::text::Escaped;
use crate::types::control_setting::{BitrateMode, ControlName, ControlSetting, ControlValue};
use crate::types::devices::CameraChoice;
use crate::types::run_options::RunOptions;
use crate::v4l2::abi::{
    CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_BITRATE_MODE, CID_MPEG_VIDEO_GOP_SIZE,
    CID_MPEG_VIDEO_H264_LEVEL, CID_MPEG_VIDEO_H264_MAX_QP, CID_MPEG_VIDEO_H264_MIN_QP,
    CID_MPEG_VIDEO_H264_PROFILE, CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR,
    CID_MPEG_VIDEO_REPEAT_SEQ_HEADER,
};
use crate::v4l2::controls::{self, NotSet};
use crate::v4l2::device::Device;
use crate::v4l2::menu;

/// Sets all of them, and those that were changed since. The level allows `most` bit/s, too, which rises to what is set.
#[inline(never)]
pub(super) fn set_controls(
    device: &Device,
    path: Escaped<'_>,
    options: &RunOptions<'_>,
    changed: &[(u32, i64)],
    size: (u32, u32),
    declared: (u32, u32),
    most: &Cell<u32>,
) -> Result<(), Failure> {
    let h264 = options.codec == Fourcc::H264;
    let setter = Setter { device, path };
    setter.set_options(options, h264)?;
    setter.set_defaults(options, h264)?;
    let mut level = options.level;
    for setting in &options.controls {
        let (id, made) = setter.named(setting, options.camera)?;
        if id == CID_MPEG_VIDEO_H264_LEVEL {
            level = u32::try_from(made).ok();
        }
    }
    for &(id, value) in changed {
        // It was taken before, for another size perhaps; the least that can be done is to try.
        let _ = match u32::try_from(value) {
            Ok(frames) if id == CID_MPEG_VIDEO_GOP_SIZE => controls::set_gop(device, frames),
            _ => controls::set(device, id, value),
        };
    }
    // At last, as it follows from the others, the changed ones too.
    match level {
        _ if h264 => setter.level(size, level, declared, most),
        Some(level) => setter.report("--level", level.into(), Err(NotSet::Absent)),
        None => Ok(()),
    }
}

/// The device that controls are set on, and its name for sentences.
struct Setter<'a> {
    device: &'a Device,
    path: Escaped<'a>,
}

impl Setter<'_> {
    /// The options that stand for one control each, and the key-frame distance.
    fn set_options(&self, options: &RunOptions<'_>, h264: bool) -> Result<(), Failure> {
        let number = |value: Option<u32>| value.map(i64::from);
        let mode = options.bitrate_mode.map(|mode| mode as i64);
        // The name, the value, the control, and whether it is H.264's alone.
        for (option, value, id, only_h264) in [
            (
                "--bitrate",
                number(options.bitrate),
                CID_MPEG_VIDEO_BITRATE,
                false,
            ),
            ("--bitrate-mode", mode, CID_MPEG_VIDEO_BITRATE_MODE, false),
            (
                "--profile",
                number(options.profile),
                CID_MPEG_VIDEO_H264_PROFILE,
                true,
            ),
            (
                "--min-qp",
                number(options.min_qp),
                CID_MPEG_VIDEO_H264_MIN_QP,
                true,
            ),
            (
                "--max-qp",
                number(options.max_qp),
                CID_MPEG_VIDEO_H264_MAX_QP,
                true,
            ),
        ] {
            let Some(value) = value else { continue };
            let answer = if only_h264 && !h264 {
                // An encoder of several codecs has these controls, and they would change nothing.
                Err(NotSet::Absent)
            } else {
                controls::set(self.device, id, value)
            };
            self.report(option, value, answer)?;
        }
        self.uncross(options.max_qp.is_some());
        if let Some(gop) = options.gop {
            let answer = controls::set_gop(self.device, gop);
            self.report("--gop", i64::from(gop), answer)?;
        }
        Ok(())
    }

    /// What nobody asked for is set where the driver has it.
    fn set_defaults(&self, options: &RunOptions<'_>, h264: bool) -> Result<(), Failure> {
        if options.bitrate_mode.is_none() && h264 {
            let mode = BitrateMode::Variable as i64;
            let _ = controls::set(self.device, CID_MPEG_VIDEO_BITRATE_MODE, mode);
        }
        let repeat = i64::from(options.repeat_headers.unwrap_or(true));
        let ids = [
            CID_MPEG_VIDEO_REPEAT_SEQ_HEADER,
            CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR,
        ];
        let answer = controls::set_first(self.device, &ids, repeat);
        if options.repeat_headers.is_some() {
            self.report("--repeat-headers", repeat, answer)?;
        }
        Ok(())
    }

    /// What came of an option's control.
    fn report(&self, option: &str, value: i64, answer: Result<i64, NotSet>) -> Result<(), Failure> {
        match answer {
            Ok(made) if made == value => {}
            Ok(made) => note!(info, "{option}: the driver makes {made} of {value}"),
            Err(NotSet::Absent) => {
                note!(
                    warn,
                    "{option} has no effect: the driver has no such control"
                );
            }
            Err(error) => return Err(self.refused(&option, &value, error)),
        }
        Ok(())
    }

    fn refused(&self, what: &dyn Display, value: &dyn Display, error: NotSet) -> Failure {
        failure!(Exit::Refused, "{}: {what} {value}: {error}", self.path)
    }

    /// Sets one control that the user named. Gives its number, and the value that the driver made of it.
    fn named(
        &self,
        setting: &ControlSetting<'_>,
        camera: Option<CameraChoice<'_>>,
    ) -> Result<(u32, i64), Failure> {
        let fd = self.device.as_fd();
        let (id, shown) = match setting.name {
            ControlName::Id(id) => (Ok(id), Named::Id(id)),
            ControlName::Name(name) => {
                let found = controls::find(fd, name).map_err(|error| match error {
                    NotSet::NoControl(_) => NotSet::NoControl(controls::nearest(fd, name)),
                    error => error,
                });
                (found, Named::Name(name))
            }
        };
        let answer = id.and_then(|id| {
            let value = match setting.value {
                ControlValue::Number(number) => number,
                ControlValue::Item(name) => {
                    menu::item(fd, id, name).map_err(|error| match error {
                        NotSet::NoItem(_) => NotSet::NoItem(menu::nearest(fd, id, name)),
                        error => error,
                    })?
                }
            };
            Ok((id, controls::set(self.device, id, value)?))
        });
        answer.map_err(|error| match (error, camera) {
            // Whoever gives a camera may mean the camera's.
            (NotSet::Absent | NotSet::NoControl(_), Some(camera)) => failure!(
                Exit::Refused,
                "{}: {shown} {}: {error}; --control sets the encoder's, set those of the camera {} before the start (v4l2-ctl)",
                self.path,
                setting.value,
                camera
            ),
            _ => self.refused(&shown, &setting.value, error),
        })
    }

    /// The least quantiser must not be above the greatest: where the user named one of them, the driver's own default for the
    /// other gives way.
    fn uncross(&self, greatest_named: bool) {
        let device = self.device;
        let value = |id| controls::get(device, id);
        let (Some(least), Some(greatest)) = (
            value(CID_MPEG_VIDEO_H264_MIN_QP),
            value(CID_MPEG_VIDEO_H264_MAX_QP),
        ) else {
            return;
        };
        if least <= greatest {
            return;
        }
        let (id, name, value) = if greatest_named {
            (CID_MPEG_VIDEO_H264_MIN_QP, "least", greatest)
        } else {
            (CID_MPEG_VIDEO_H264_MAX_QP, "greatest", least)
        };
        if controls::set(device, id, value).is_ok() {
            note!(info, "the {name} quantiser is {value}, too");
        }
    }

    /// What this driver is known not to take.
    fn check_quirks(&self, combination: &Combination) -> Result<(), Failure> {
        let (quirks, demand) = (self.device.quirks, &combination.demand);
        let high = demand.profile >= 4;
        if combination.constant && quirks.cbr_excludes_high {
            if high {
                return Err(failure!(
                    Exit::Refused,
                    "{}: {combination}: this encoder does not start so; give --bitrate-mode vbr or another --profile",
                    self.path
                ));
            }
            note!(
                warn,
                "a constant bitrate is erratic on this encoder, and may hang it at 1080 rows"
            );
        }
        if demand.macroblocks_per_second() > quirks.macroblocks_max {
            note!(
                warn,
                "{} macroblocks/s: this encoder is specified for {}",
                demand.macroblocks_per_second(),
                quirks.macroblocks_max
            );
        }
        Ok(())
    }

    /// The level: the lowest that allows the stream, or the one asked for when it does.
    fn level(
        &self,
        size: (u32, u32),
        asked: Option<u32>,
        declared: (u32, u32),
        most: &Cell<u32>,
    ) -> Result<(), Failure> {
        let (device, path) = (self.device, self.path);
        let combination = combination(device, size, declared)
            .map_err(|error| failure!(exit_of(When::SettingUp, error.errno), "{path}: {error}"))?;
        let demand = &combination.demand;
        self.check_quirks(&combination)?;
        most.set(demand.bitrate.max(most.get()));
        let ever = StreamParams {
            bitrate: most.get(),
            ..*demand
        };
        let Some(lowest) = ever.level() else {
            return Err(failure!(
                Exit::Refused,
                "{path}: {combination}: no H.264 level allows it"
            ));
        };
        let level = asked.unwrap_or(lowest);
        let needed = level_name(lowest.into());
        if level < lowest {
            return Err(failure!(
                Exit::Refused,
                "{path}: {combination}: level {} does not allow it, {needed} does",
                level_name(level.into())
            ));
        }
        // A driver need not have every level; a higher one allows no less.
        let mut answer = Err(NotSet::Absent);
        for level in level..=level.max(LEVEL_MAX) {
            answer = controls::set(device, CID_MPEG_VIDEO_H264_LEVEL, level.into());
            if asked.is_some() || !matches!(answer, Err(NotSet::Value(..))) {
                break;
            }
        }
        match answer {
            Ok(made) => note!(info, "{combination}, level {}", level_name(made)),
            Err(NotSet::Absent) if asked.is_none() => {}
            Err(NotSet::Absent) => self.report("--level", level.into(), answer)?,
            Err(error @ (NotSet::NoControl(_) | NotSet::NoItem(_))) => {
                return Err(self.refused(&"--level", &level_name(level.into()), error));
            }
            Err(NotSet::Value(error, ..)) => {
                return Err(failure!(
                    Exit::Refused,
                    "{path}: {combination}: level {} is needed, and refused: {error}",
                    level_name(level.into())
                ));
            }
        }
        Ok(())
    }
}

/// What decides whether an H.264 encoder starts, as the driver has it by now.
pub(super) struct Combination {
    demand: StreamParams,
    constant: bool,
}

/// The settings that the driver has.
pub(super) fn combination(
    device: &Device,
    size: (u32, u32),
    declared: (u32, u32),
) -> Result<Combination, IoctlError> {
    let bitrate = controls::read(device, CID_MPEG_VIDEO_BITRATE)?;
    Ok(Combination {
        demand: StreamParams {
            size,
            rate: declared,
            bitrate: bitrate.map_or(0, |bits| u32::try_from(bits).unwrap_or(0)),
            profile: controls::read(device, CID_MPEG_VIDEO_H264_PROFILE)?.unwrap_or(0),
        },
        constant: controls::read(device, CID_MPEG_VIDEO_BITRATE_MODE)? == Some(1),
    })
}

impl Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((width, height), (frames, seconds)) = (self.demand.size, self.demand.rate);
        write!(
            f,
            "{width}x{height} at {frames}/{seconds} frames/s, {} bit/s {}, profile {}",
            self.demand.bitrate,
            if self.constant { "cbr" } else { "vbr" },
            profile_name(self.demand.profile)
        )
    }
}

/// A control as the user named it.
enum Named<'a> {
    Id(u32),
    Name(&'a [u8]),
}

impl Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "--control {id:#x}"),
            Self::Name(name) => write!(f, "--control {}", Escaped(name)),
        }
    }
}
