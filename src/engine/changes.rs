//! Changes while the engine runs: bit rate, key-frame distance, any control, a key frame.
//!
//! Nothing is torn down for a change: the driver takes it between two frames. Knows what a change means to the encoder. Knows no client.

use rustix::fd::AsFd;

use crate::control::message::{Change, Outcome, Refusal};
use crate::engine::stage::Stage;
use crate::errno::call::{Call, IoctlError};
use crate::flow::pipeline::Pipeline;
use crate::limits::PROPOSE_PAUSE_MS;
use crate::media::fourcc::Fourcc;
use crate::media::h264;
use crate::shm::stats::Counter;
use crate::text::Name;
use crate::time::MS;
use crate::v4l2::abi::{
    CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_BITRATE_MODE, CID_MPEG_VIDEO_FORCE_KEY_FRAME,
    CID_MPEG_VIDEO_GOP_SIZE, CID_MPEG_VIDEO_H264_I_PERIOD, CID_MPEG_VIDEO_H264_LEVEL,
    CID_MPEG_VIDEO_H264_PROFILE,
};
use crate::v4l2::controls::{self, NotSet};
use crate::v4l2::device::Device;
use crate::v4l2::menu;

impl Stage<'_> {
    /// Somebody requests a key frame.
    pub fn request_key_frame(&mut self) {
        self.stats.count(Counter::KeyRequests);
        if self.can_force {
            self.key.request();
        }
    }

    /// A change that a client asks for; the end that `Drain` asks for is the caller's.
    ///
    /// # Errors
    /// `Busy` while the encoder is closed.
    pub fn change(
        &mut self,
        change: Change,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<Outcome, Refusal> {
        if change == Change::Drain {
            return Ok(Outcome::Done(1));
        }
        if self.relays() {
            let jpeg = matches!(self.wanted.codec, Fourcc::MJPG | Fourcc::JPEG);
            return Ok(match change {
                // Each frame is one.
                Change::KeyFrame if jpeg => Outcome::Done(1),
                _ => Outcome::Absent,
            });
        }
        let device = self.encoder().ok_or(Refusal::Busy)?.device();
        let setting = setting(device, change)
            .map_err(|error| self.with_proposal(device, change, error, now_ns));
        if let Change::FindControl(_) = change {
            return Ok(setting.map_or_else(rejected, |(id, _)| Outcome::Done(id.into())));
        }
        if let Ok((CID_MPEG_VIDEO_FORCE_KEY_FRAME, _)) = setting {
            // However it is called, it is one of the requests that are merged.
            self.request_key_frame();
            return Ok(match self.key.refusal() {
                _ if !self.can_force => Outcome::Absent,
                Some(error) => refused(&error, (0, 0), 0),
                None => Outcome::Done(1),
            });
        }
        self.stats.count(Counter::Changes);
        let (id, value) = match setting {
            Ok(setting) => setting,
            Err(error) => return Ok(rejected(error)),
        };
        if let Some(outcome) = self.outlives_level(device, id, value) {
            return Ok(outcome);
        }
        let by_name = !matches!(change, Change::Bitrate(_) | Change::Gop(_));
        let mut always = self.key.always();
        let answer = match change {
            Change::Gop(frames) => controls::set_gop(device, frames)
                .inspect(|_| always = controls::all_intra_by_force(device, frames)),
            _ => controls::set(device, id, value),
        };
        let name = match answer {
            Ok(value) if by_name => menu::item_name(device.as_fd(), id, value),
            _ => None,
        };
        let value = match answer {
            Ok(value) => value,
            Err(error) => return Ok(rejected(error)),
        };
        if by_name && matches!(id, CID_MPEG_VIDEO_GOP_SIZE | CID_MPEG_VIDEO_H264_I_PERIOD) {
            // A key-frame distance by its own name ends the forcing of each frame, as `gop` does.
            always = false;
        }
        self.key.set_always(always);
        self.session.keep(id, value);
        pipeline.forget_habits();
        Ok(match name {
            Some(name) => Outcome::Item(value, name.0),
            None => Outcome::Done(value),
        })
    }

    /// A name that is not known, with the one that is nearest to it. The search takes as long as several messages, so that clients
    /// cause it now and then only.
    fn with_proposal(&self, device: &Device, change: Change, error: NotSet, now_ns: u64) -> NotSet {
        let unknown = matches!(error, NotSet::NoControl(_) | NotSet::NoItem(_));
        if !unknown || now_ns < self.propose_again_ns.get() {
            return error;
        }
        let pause_ns = u64::from(PROPOSE_PAUSE_MS) * MS;
        self.propose_again_ns.set(now_ns.saturating_add(pause_ns));
        let fd = device.as_fd();
        match (error, change) {
            (NotSet::NoControl(_), Change::FindControl(name) | Change::ControlName(name, _)) => {
                NotSet::NoControl(controls::nearest(fd, Name(name).as_bytes()))
            }
            (NotSet::NoItem(_), Change::ControlItem(id, name)) => {
                NotSet::NoItem(menu::nearest(fd, id, Name(name).as_bytes()))
            }
            (error, _) => error,
        }
    }

    /// What is said of a setting that does not go with the stream's H.264 level and profile. They stay while the encoder runs, and a
    /// firmware that rejects the combination says so only when it is started again, which is too late.
    fn outlives_level(&self, device: &Device, id: u32, value: i64) -> Option<Outcome> {
        if self.wanted.codec != Fourcc::H264 {
            return None;
        }
        match id {
            CID_MPEG_VIDEO_BITRATE => self.above_level(device, value),
            CID_MPEG_VIDEO_BITRATE_MODE
            | CID_MPEG_VIDEO_H264_LEVEL
            | CID_MPEG_VIDEO_H264_PROFILE => {
                // What stands may be said again.
                let stands = controls::get(device, id).filter(|&stands| stands != value)?;
                let name = menu::item_name(device.as_fd(), id, stands).unwrap_or_default();
                Some(Outcome::Fixed(stands, name.0))
            }
            _ => None,
        }
    }

    /// What is said of a bit rate that the driver would take, and the stream's H.264 level does not allow.
    fn above_level(&self, device: &Device, bitrate: i64) -> Option<Outcome> {
        let range = controls::query(device.as_fd(), CID_MPEG_VIDEO_BITRATE)?;
        let level = controls::get(device, CID_MPEG_VIDEO_H264_LEVEL)?;
        let profile = controls::get(device, CID_MPEG_VIDEO_H264_PROFILE)?;
        let allowed = h264::max_bitrate(level, profile);
        if bitrate <= allowed || bitrate > range.maximum {
            return None;
        }
        let demand = h264::StreamParams {
            size: (self.wanted.width, self.wanted.height),
            rate: self.encoder()?.agreed().declared,
            bitrate: u32::try_from(bitrate).ok()?,
            profile,
        };
        Some(Outcome::AboveLevel {
            level: u32::try_from(level).ok()?,
            max_bitrate: u32::try_from(allowed).ok()?,
            needed: demand.level(),
        })
    }
}

/// The control that a change sets, and its value.
fn setting(device: &Device, change: Change) -> Result<(u32, i64), NotSet> {
    let fd = device.as_fd();
    Ok(match change {
        Change::Bitrate(bits) => (CID_MPEG_VIDEO_BITRATE, i64::from(bits)),
        Change::Gop(frames) => (CID_MPEG_VIDEO_GOP_SIZE, i64::from(frames)),
        Change::ControlId(id, value) => (id, value),
        Change::ControlName(name, value) => (controls::find(fd, Name(name).as_bytes())?, value),
        Change::ControlItem(id, name) => (id, menu::item(fd, id, Name(name).as_bytes())?),
        Change::FindControl(name) => (controls::find(fd, Name(name).as_bytes())?, 0),
        Change::KeyFrame | Change::Drain => (CID_MPEG_VIDEO_FORCE_KEY_FRAME, 1),
    })
}

/// What is said of a control that was not set.
fn rejected(error: NotSet) -> Outcome {
    match error {
        NotSet::Absent => Outcome::Absent,
        NotSet::NoControl(near) => Outcome::NoControl(near.0),
        NotSet::NoItem(near) => Outcome::NoItem(near.0),
        NotSet::Value(error, minimum, maximum, step) => refused(&error, (minimum, maximum), step),
    }
}

fn refused(error: &IoctlError, range: (i64, i64), step: u64) -> Outcome {
    Outcome::Refused {
        errno: error.errno.raw_os_error().unsigned_abs(),
        device: error.call == Call::SExtCtrlsApply,
        range,
        step,
    }
}
