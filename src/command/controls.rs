//! The controls that `run` sets before it starts: those that options stand for, then those named one by one.
//!
//! An absent one is told and passed over, unless the user named it; a refused value ends the start. Knows what each
//! option means to an encoder; how a control is set is `v4l2::controls`' business.

use core::fmt::{self, Display};

use rustix::fd::AsFd;

use crate::cli::{BitrateMode, ControlName, ControlSetting, RunOptions};
use crate::error::{Exit, Failure};
use crate::failure;
use crate::media::fourcc::Fourcc;
use crate::media::h264::{Demand, level_name, profile_name};
use crate::note;
use crate::text::Escaped;
use crate::v4l2::abi::{
    CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_BITRATE_MODE, CID_MPEG_VIDEO_H264_LEVEL,
    CID_MPEG_VIDEO_H264_MAX_QP, CID_MPEG_VIDEO_H264_MIN_QP, CID_MPEG_VIDEO_H264_PROFILE,
    CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR, CID_MPEG_VIDEO_REPEAT_SEQ_HEADER,
};
use crate::v4l2::controls::{self, NotSet};
use crate::v4l2::device::Device;

/// Sets all of them.
#[inline(never)]
pub(super) fn set_controls(
    device: &Device,
    path: &str,
    options: &RunOptions<'_>,
    declared: (u32, u32),
) -> Result<(), Failure> {
    let h264 = options.codec == Fourcc::H264;
    let setter = Setter { device, path };
    let mode = options.bitrate_mode;
    let number = |value: Option<u32>| value.map(i64::from);
    let rows: [(&str, Option<i64>, &[u32]); 5] = [
        (
            "--bitrate",
            number(options.bitrate),
            &[CID_MPEG_VIDEO_BITRATE],
        ),
        (
            "--bitrate-mode",
            mode.map(|mode| mode as i64),
            &[CID_MPEG_VIDEO_BITRATE_MODE],
        ),
        (
            "--profile",
            number(options.profile),
            &[CID_MPEG_VIDEO_H264_PROFILE],
        ),
        (
            "--min-qp",
            number(options.min_qp),
            &[CID_MPEG_VIDEO_H264_MIN_QP],
        ),
        (
            "--max-qp",
            number(options.max_qp),
            &[CID_MPEG_VIDEO_H264_MAX_QP],
        ),
    ];
    for (option, value, ids) in rows {
        if let Some(value) = value {
            setter.told(option, value, controls::set_first(device, ids, value))?;
        }
    }
    if let Some(gop) = options.gop {
        setter.told("--gop", i64::from(gop), controls::set_gop(device, gop))?;
    }
    // What nobody asked for is set where the driver has it.
    if mode.is_none() && h264 {
        let _ = controls::set(
            device,
            CID_MPEG_VIDEO_BITRATE_MODE,
            BitrateMode::Variable as i64,
        );
    }
    let repeat = i64::from(options.repeat_headers.unwrap_or(true));
    let ids = [
        CID_MPEG_VIDEO_REPEAT_SEQ_HEADER,
        CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR,
    ];
    let answer = controls::set_first(device, &ids, repeat);
    if options.repeat_headers.is_some() {
        setter.told("--repeat-headers", repeat, answer)?;
    }
    for ControlSetting { name, value } in &options.controls {
        let (answer, shown) = match name {
            ControlName::Id(id) => (controls::set(device, *id, *value), Named::Id(*id)),
            ControlName::Name(name) => (
                controls::find(device.as_fd(), name)
                    .ok_or(NotSet::Absent)
                    .and_then(|id| controls::set(device, id, *value)),
                Named::Name(name),
            ),
        };
        answer.map_err(|error| setter.refused(&shown, *value, error))?;
    }
    match options.level {
        _ if h264 => setter.level(options, declared),
        Some(level) => setter.told("--level", level.into(), Err(NotSet::Absent)),
        None => Ok(()),
    }
}

/// The device that controls are set on, and its name for sentences.
struct Setter<'a> {
    device: &'a Device,
    path: &'a str,
}

impl Setter<'_> {
    /// What came of an option's control.
    fn told(&self, option: &str, value: i64, answer: Result<i64, NotSet>) -> Result<(), Failure> {
        match answer {
            Ok(made) if made == value => {}
            Ok(made) => note!(info, "{option}: the driver makes {made} of {value}"),
            Err(NotSet::Absent) => {
                note!(
                    warn,
                    "{option} has no effect: the driver has no such control"
                );
            }
            Err(error) => return Err(self.refused(&option, value, error)),
        }
        Ok(())
    }

    fn refused(&self, what: &dyn Display, value: i64, error: NotSet) -> Failure {
        failure!(Exit::Refused, "{}: {what} {value}: {error}", self.path)
    }

    /// The level: the lowest that allows the stream, or the one asked for when it does.
    fn level(&self, options: &RunOptions<'_>, declared: (u32, u32)) -> Result<(), Failure> {
        let (device, path) = (self.device, self.path);
        let combination = combination(device, options, declared);
        let demand = &combination.demand;
        let quirks = device.quirks;
        let high = demand.profile >= 4;
        if high && combination.constant && quirks.cbr_excludes_high {
            return Err(failure!(
                Exit::Refused,
                "{path}: {combination}: this encoder does not start so; give --profile main or --bitrate-mode vbr"
            ));
        }
        if demand.macroblocks_per_second() > quirks.macroblocks_max {
            note!(
                warn,
                "{} macroblocks/s: this encoder is specified for {}",
                demand.macroblocks_per_second(),
                quirks.macroblocks_max
            );
        }
        let Some(lowest) = demand.level() else {
            return Err(failure!(
                Exit::Refused,
                "{path}: {combination}: no H.264 level allows it"
            ));
        };
        let level = options.level.unwrap_or(lowest);
        let needed = level_name(lowest.into());
        if level < lowest {
            return Err(failure!(
                Exit::Refused,
                "{path}: {combination}: --level {} does not allow it, {needed} does",
                level_name(level.into())
            ));
        }
        match controls::set(device, CID_MPEG_VIDEO_H264_LEVEL, level.into()) {
            Err(NotSet::Absent) if options.level.is_none() => Ok(()),
            Err(error @ NotSet::Value(..)) => Err(failure!(
                Exit::Refused,
                "{path}: {combination}: level {} is needed, and refused: {error}",
                level_name(level.into())
            )),
            answer => self.told("--level", level.into(), answer),
        }
    }
}

/// What decides whether an H.264 encoder starts, as the driver has it by now.
pub(super) struct Combination {
    demand: Demand,
    constant: bool,
    level: Option<i64>,
}

/// The settings that the driver has.
pub(super) fn combination(
    device: &Device,
    options: &RunOptions<'_>,
    declared: (u32, u32),
) -> Combination {
    let bitrate = controls::get(device, CID_MPEG_VIDEO_BITRATE);
    Combination {
        demand: Demand {
            size: (options.size.width, options.size.height),
            rate: declared,
            bitrate: bitrate.map_or(0, |bits| u32::try_from(bits).unwrap_or(0)),
            profile: controls::get(device, CID_MPEG_VIDEO_H264_PROFILE).unwrap_or(0),
        },
        constant: controls::get(device, CID_MPEG_VIDEO_BITRATE_MODE) == Some(1),
        level: controls::get(device, CID_MPEG_VIDEO_H264_LEVEL),
    }
}

impl Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((width, height), (frames, seconds)) = (self.demand.size, self.demand.rate);
        write!(
            f,
            "{width}x{height} at {frames}/{seconds} frames/s, {} bit/s {}, profile {}, level {}",
            self.demand.bitrate,
            if self.constant { "cbr" } else { "vbr" },
            profile_name(self.demand.profile),
            level_name(self.level.unwrap_or(-1))
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
