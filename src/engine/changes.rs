//! Changes while the engine runs: key frames on request, bit rate, key-frame distance, any control, the drain.
//!
//! Nothing is torn down for a change: the driver takes it between two frames. Key frames that are asked for are merged,
//! and at least `KEY_FRAME_PAUSE_MS` apart. Knows what a wish means to the encoder; knows no socket: `service` hears and answers.

use rustix::fd::AsFd;

use crate::control::message::{Change, Outcome, Refusal};
use crate::engine::engine::Engine;
use crate::engine::life::Life;
use crate::errno::call::{Call, IoctlError};
use crate::limits::{KEY_FRAME_PAUSE_MS, PROPOSE_PAUSE_MS};
use crate::log::note;
use crate::media::h264;
use crate::shm::stats::Counter;
use crate::text::Name;
use crate::time::{MS, now};
use crate::v4l2::abi::{
    CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_BITRATE_MODE, CID_MPEG_VIDEO_FORCE_KEY_FRAME,
    CID_MPEG_VIDEO_GOP_SIZE, CID_MPEG_VIDEO_H264_I_PERIOD, CID_MPEG_VIDEO_H264_LEVEL,
    CID_MPEG_VIDEO_H264_PROFILE,
};
use crate::v4l2::controls::{self, NotSet};
use crate::v4l2::device::Device;
use crate::v4l2::menu;

/// The key frame that was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyRequest {
    wanted: bool,
    /// Every frame is to be one.
    always: bool,
    /// When the encoder was last told to make one, `CLOCK_MONOTONIC` ns; 0 before.
    forced: u64,
    /// It refused the last time.
    refused: Option<IoctlError>,
}

impl KeyRequest {
    pub(super) fn new(always: bool) -> Self {
        Self {
            always,
            ..Self::default()
        }
    }

    /// Whether the next frame is to be one.
    fn due(&self, time: u64) -> bool {
        let pause = u64::from(KEY_FRAME_PAUSE_MS) * MS;
        let rested = self.forced == 0 || time.saturating_sub(self.forced) >= pause;
        (self.always && self.refused.is_none()) || ((self.wanted || self.always) && rested)
    }
}

impl Engine<'_> {
    /// Somebody wants a key frame.
    pub(super) fn want_key_frame(&self, life: &mut Life) {
        self.stats.count(Counter::KeyRequests);
        life.key.wanted = self.settings.can_force;
    }

    /// Decoders lost a frame that later ones build on: a key frame mends that.
    pub(super) fn mend_reference(&mut self, life: &mut Life) {
        if self.publisher.lost_reference() {
            self.want_key_frame(life);
        }
    }

    /// Whether a frame may be queued now. A forced key frame is the next one that the encoder *begins*: where all are
    /// to be key frames, there is never a second one in the queue, and a producer's first frame waits for those of the one before.
    pub(super) fn may_queue(&self, life: &Life) -> bool {
        let alone = life.key.always || self.begins_with_key_frame();
        !(alone && self.pipeline.busy())
    }

    /// Whether the next frame is a producer's first one, and has to be a key frame: decoders are told that it has nothing to do with
    /// those before. An encoder that cannot be told is started anew for each producer.
    fn begins_with_key_frame(&self) -> bool {
        self.settings.can_force && self.pipeline.next_is_anothers()
    }

    /// Before a frame is queued: tells the encoder to make it a key frame, if that is due. One that refuses is asked again
    /// after the pause.
    pub(super) fn force_key_frame(&self, life: &mut Life, time: u64) {
        if !life.key.due(time) && !self.begins_with_key_frame() {
            return;
        }
        let refused = controls::force_key_frame(self.encoder.device()).err();
        match refused {
            None => {
                self.stats.count(Counter::KeyForced);
                life.key.wanted = false;
            }
            Some(error) if life.key.refused.is_none() => {
                note!(warn, "no key frame on request: {error}");
            }
            Some(_) => {}
        }
        life.key.refused = refused;
        life.key.forced = time;
    }

    /// A change that a client asks for.
    ///
    /// # Errors
    /// `Ending` when the engine is about to end, `Busy` while there is no encoder.
    #[inline(never)]
    pub(super) fn change(&mut self, life: &mut Life, change: Change) -> Result<Outcome, Refusal> {
        if life.ending {
            return Err(Refusal::Ending);
        }
        let device = self.encoder.device();
        match change {
            Change::Drain => {
                note!(info, "told by a client to stop: draining");
                life.end_wanted = true;
                return Ok(Outcome::Done(1));
            }
            _ if life.away.is_some() => return Err(Refusal::Busy),
            _ => {}
        }
        let setting = setting(device, change);
        let setting = setting.map_err(|error| self.with_proposal(life, change, error));
        let (id, value) = match (setting, change) {
            (Ok((id, _)), Change::FindControl(_)) => return Ok(Outcome::Done(id.into())),
            (Err(error), Change::FindControl(_)) => return Ok(rejected(error)),
            (Ok(setting), _) => setting,
            (Err(error), _) => {
                self.stats.count(Counter::Changes);
                return Ok(rejected(error));
            }
        };
        if self.settings.h264
            && let Some(outcome) = self.outlives_level(id, value)
        {
            self.stats.count(Counter::Changes);
            return Ok(outcome);
        }
        let answer = match (change, id) {
            // However it is called, it is one of the requests that are merged.
            (_, CID_MPEG_VIDEO_FORCE_KEY_FRAME) => {
                self.want_key_frame(life);
                return Ok(match life.key.refused {
                    _ if !self.settings.can_force => Outcome::Absent,
                    Some(error) => refused(&error, (0, 0), 0),
                    None => Outcome::Done(1),
                });
            }
            (Change::Gop(frames), _) => controls::set_gop(device, frames).inspect(|_| {
                life.key.always = controls::all_intra_by_force(device, frames);
            }),
            _ => controls::set(device, id, value),
        };
        self.stats.count(Counter::Changes);
        if let Ok(value) = answer {
            self.session.keep(id, value);
            self.pipeline.forget_habits();
        }
        let by_name = !matches!(change, Change::Bitrate(_) | Change::Gop(_));
        if answer.is_ok() && by_name {
            // A key-frame distance by its own name ends the forcing of each frame, as `gop` does.
            life.key.always &=
                !matches!(id, CID_MPEG_VIDEO_GOP_SIZE | CID_MPEG_VIDEO_H264_I_PERIOD);
        }
        let name = |value| {
            by_name
                .then(|| menu::item_name(device.as_fd(), id, value))
                .flatten()
        };
        Ok(match answer {
            Ok(value) => match name(value) {
                Some(name) => Outcome::Item(value, name.0),
                None => Outcome::Done(value),
            },
            Err(error) => rejected(error),
        })
    }

    /// A name that is not known, with the one that is nearest to it. The search takes as long as several messages, so that clients
    /// cause it now and then only.
    fn with_proposal(&self, life: &mut Life, change: Change, error: NotSet) -> NotSet {
        let time = now();
        let unknown = matches!(error, NotSet::NoControl(_) | NotSet::NoItem(_));
        if !unknown || time < life.propose_again {
            return error;
        }
        life.propose_again = time.saturating_add(u64::from(PROPOSE_PAUSE_MS) * MS);
        let fd = self.encoder.device().as_fd();
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
    fn outlives_level(&self, id: u32, value: i64) -> Option<Outcome> {
        match id {
            CID_MPEG_VIDEO_BITRATE => self.above_level(value),
            CID_MPEG_VIDEO_BITRATE_MODE
            | CID_MPEG_VIDEO_H264_LEVEL
            | CID_MPEG_VIDEO_H264_PROFILE => {
                let device = self.encoder.device();
                // What stands may be said again.
                let stands = controls::get(device, id).filter(|&stands| stands != value)?;
                let name = menu::item_name(device.as_fd(), id, stands).unwrap_or_default();
                Some(Outcome::Fixed(stands, name.0))
            }
            _ => None,
        }
    }

    /// What is said of a bit rate that the driver would take, and the stream's H.264 level does not allow.
    fn above_level(&self, bitrate: i64) -> Option<Outcome> {
        let device = self.encoder.device();
        let range = controls::query(device.as_fd(), CID_MPEG_VIDEO_BITRATE)?;
        let level = controls::get(device, CID_MPEG_VIDEO_H264_LEVEL)?;
        let profile = controls::get(device, CID_MPEG_VIDEO_H264_PROFILE)?;
        let allowed = h264::most_bits(level, profile);
        if bitrate <= allowed || bitrate > range.maximum {
            return None;
        }
        let wanted = self.memory.wanted();
        let demand = h264::Demand {
            size: (wanted.width, wanted.height),
            rate: self.encoder.agreed().declared,
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
