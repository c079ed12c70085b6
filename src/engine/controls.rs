//! The controls that are set before the encoder starts: those that options stand for, then those named one by one.
//!
//! An absent one is logged and skipped, unless the user named it; a refused value ends the start. Knows what each
//! option means to an encoder; how a control is set is `v4l2::controls`' business.

use core::cell::Cell;

use rustix::fd::AsFd;

use crate::engine::combination::Combination;
use crate::engine::error::{EngineError, Unfit};
use crate::log::note;
use crate::media::fourcc::Fourcc;
use crate::media::h264::{LEVEL_MAX, StreamParams, level_name};
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
pub(super) fn set_controls<'a>(
    device: &Device,
    options: &'a RunOptions<'a>,
    changed: &[(u32, i64)],
    size: (u32, u32),
    declared: (u32, u32),
    most: &Cell<u32>,
) -> Result<(), EngineError<'a>> {
    let h264 = options.codec == Fourcc::H264;
    let setter = Setter { device };
    setter.set_options(options, h264)?;
    setter.set_defaults(options, h264)?;
    let mut level = options.level;
    for setting in &options.controls {
        let (id, made) = setter.named(setting, options.camera.as_ref())?;
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

/// The device that controls are set on.
struct Setter<'d> {
    device: &'d Device,
}

impl Setter<'_> {
    /// The options that stand for one control each, and the key-frame distance.
    fn set_options<'a>(&self, options: &RunOptions<'a>, h264: bool) -> Result<(), EngineError<'a>> {
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
    fn set_defaults<'a>(
        &self,
        options: &RunOptions<'a>,
        h264: bool,
    ) -> Result<(), EngineError<'a>> {
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
    fn report<'a>(
        &self,
        option: &'static str,
        value: i64,
        answer: Result<i64, NotSet>,
    ) -> Result<(), EngineError<'a>> {
        match answer {
            Ok(made) if made == value => {}
            Ok(made) => note!(info, "{option}: the driver makes {made} of {value}"),
            Err(NotSet::Absent) => {
                note!(
                    warn,
                    "{option} has no effect: the driver has no such control"
                );
            }
            Err(error) => return Err(EngineError::Option(option, value, error)),
        }
        Ok(())
    }

    /// Sets one control that the user named. Gives its number, and the value that the driver made of it.
    fn named<'a>(
        &self,
        setting: &'a ControlSetting<'a>,
        camera: Option<&'a CameraChoice<'a>>,
    ) -> Result<(u32, i64), EngineError<'a>> {
        let fd = self.device.as_fd();
        let id = match setting.name {
            ControlName::Id(id) => Ok(id),
            ControlName::Name(name) => controls::find(fd, name).map_err(|error| match error {
                NotSet::NoControl(_) => NotSet::NoControl(controls::nearest(fd, name)),
                error => error,
            }),
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
        answer.map_err(|error| EngineError::Control(setting, error, camera))
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
    fn check_quirks<'a>(&self, combination: &Combination) -> Result<(), EngineError<'a>> {
        let (quirks, demand) = (self.device.quirks, &combination.demand);
        let high = demand.profile >= 4;
        if combination.constant && quirks.cbr_excludes_high {
            if high {
                return Err(EngineError::Combination(*combination, Unfit::ConstantHigh));
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
    fn level<'a>(
        &self,
        size: (u32, u32),
        asked: Option<u32>,
        declared: (u32, u32),
        most: &Cell<u32>,
    ) -> Result<(), EngineError<'a>> {
        let device = self.device;
        let combination = Combination::read(device, size, declared)?;
        let unfit = |unfit| EngineError::Combination(combination, unfit);
        let demand = &combination.demand;
        self.check_quirks(&combination)?;
        most.set(demand.bitrate.max(most.get()));
        let ever = StreamParams {
            bitrate: most.get(),
            ..*demand
        };
        let Some(lowest) = ever.level() else {
            return Err(unfit(Unfit::NoLevel));
        };
        let level = asked.unwrap_or(lowest);
        if level < lowest {
            return Err(unfit(Unfit::LevelTooLow(level, lowest)));
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
                return Err(EngineError::Level(level, error));
            }
            Err(NotSet::Value(error, ..)) => {
                return Err(unfit(Unfit::LevelRefused(level, error)));
            }
        }
        Ok(())
    }
}
