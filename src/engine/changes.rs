//! Changes while the engine runs: key frames on request, bit rate, key-frame distance, any control, the drain.
//!
//! Nothing is torn down for a change: the driver takes it between two frames. Key frames that are asked for are merged,
//! and at least `KEY_FRAME_PAUSE_MS` apart.

use rustix::fd::AsFd;

use crate::control::message::{Change, Outcome, Refusal};
use crate::engine::engine::{Engine, Life, Phase};
use crate::limits::KEY_FRAME_PAUSE_MS;
use crate::note;
use crate::stats::Counter;
use crate::time::MS;
use crate::v4l2::abi::CID_MPEG_VIDEO_BITRATE;
use crate::v4l2::controls::{self, NotSet};
use crate::v4l2::errno::Call;

/// The key frame that was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyRequest {
    wanted: bool,
    /// When the encoder was last told to make one, `CLOCK_MONOTONIC` ns.
    forced: u64,
    /// Every frame is to be one.
    pub(super) always: bool,
}

impl KeyRequest {
    pub(super) fn new(always: bool) -> Self {
        Self {
            always,
            ..Self::default()
        }
    }
}

impl Engine<'_> {
    /// Somebody wants a key frame, or a damaged packet left decoders without a reference.
    pub(super) fn want_key_frame(&self, life: &mut Life) {
        self.stats.count(Counter::KeyRequests);
        life.key.wanted = self.settings.can_force;
    }

    /// Whether a frame may be queued now. A forced key frame is the next one that the encoder *begins*: where all are
    /// to be key frames, there is never a second one in the queue.
    pub(super) fn may_queue(&self, life: &Life) -> bool {
        !(life.key.always && self.pipeline.stalls(0).is_some())
    }

    /// Before a frame is queued: tells the encoder to make it a key frame, if that is due.
    pub(super) fn force_key_frame(&self, life: &mut Life, time: u64) {
        let pause = u64::from(KEY_FRAME_PAUSE_MS) * MS;
        let first = life.key.forced == 0;
        let due = life.key.wanted && (first || time.saturating_sub(life.key.forced) >= pause);
        if !life.key.always && !due {
            return;
        }
        match controls::force_key_frame(self.encoder.device()) {
            Ok(()) => self.stats.count(Counter::KeyForced),
            Err(error) => {
                note!(warn, "no key frame on request: {error}");
                // Once is enough to know.
                life.key.always = false;
            }
        }
        life.key.wanted = false;
        life.key.forced = time;
    }

    /// A change that a client asks for.
    ///
    /// # Errors
    /// `Ending` when the engine is about to end.
    #[inline(never)]
    pub(super) fn change(
        &mut self,
        life: &mut Life,
        change: Change,
        time: u64,
    ) -> Result<Outcome, Refusal> {
        if life.phase != Phase::Running {
            return Err(Refusal::Ending);
        }
        let device = self.encoder.device();
        let answer = match change {
            Change::KeyFrame if !self.settings.can_force => Err(NotSet::Absent),
            Change::KeyFrame => {
                self.want_key_frame(life);
                return Ok(Outcome::Done(1));
            }
            Change::Drain => {
                note!(info, "told by a client to stop: draining");
                self.begin_end(life, time);
                return Ok(Outcome::Done(1));
            }
            Change::Bitrate(bits) => controls::set(device, CID_MPEG_VIDEO_BITRATE, i64::from(bits)),
            Change::Gop(frames) => controls::set_gop(device, frames).inspect(|_| {
                life.key.always = controls::all_intra_by_force(device, frames);
            }),
            Change::ControlId(id, value) => controls::set(device, id, value),
            Change::ControlName(name, value) => {
                let length = name.iter().position(|&byte| byte == 0);
                controls::find(device.as_fd(), &name[..length.unwrap_or(name.len())])
                    .ok_or(NotSet::Absent)
                    .and_then(|id| controls::set(device, id, value))
            }
        };
        self.stats.count(Counter::Changes);
        Ok(match answer {
            Ok(value) => Outcome::Done(value),
            Err(NotSet::Absent) => Outcome::Absent,
            Err(NotSet::Value(error, minimum, maximum, step)) => Outcome::Refused {
                errno: error.errno.raw_os_error().unsigned_abs(),
                device: error.call == Call::SExtCtrlsApply,
                range: (minimum, maximum),
                step,
            },
        })
    }
}
