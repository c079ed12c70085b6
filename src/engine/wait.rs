//! What the engine waits for, and until when at the latest.
//!
//! Knows every part's events and deadlines, and changes none of them. What is done about them is the turn's business.

use rustix::event::PollFlags;
use rustix::fd::AsFd;

use crate::engine::engine::Engine;
use crate::engine::life::{Life, Phase};
use crate::engine::reactor::{
    CAMERA_EVENT, ENCODER, FILLED, FIRST_CLIENT, LISTENER, Ready, SIGNALS, Sources,
};
use crate::limits::BLIND_PAUSE_MS;
use crate::time::{MS, now, pause};

impl Engine<'_> {
    /// Waits for the next event or deadline.
    #[inline(never)]
    pub(super) fn sleep(&self, life: &Life) -> Ready {
        let time = now();
        let mut sources = Sources::new(time);
        let wanted = if self.pipeline.busy() {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        };
        if let Some(away) = &life.away {
            sources.until(Some(away.again));
        } else if let Some(quiet) = life.wakeups.quiet_until(time) {
            sources.until(Some(quiet));
        } else {
            sources.add(ENCODER, self.encoder.as_fd(), wanted);
        }
        sources.add(SIGNALS, self.signals.as_fd(), PollFlags::IN);
        if life.accept_again <= time {
            sources.add(LISTENER, self.listener.as_fd(), PollFlags::IN);
        } else {
            sources.until(Some(life.accept_again));
        }
        if let Some((_, filled, _)) = life.clients.producer() {
            sources.add(FILLED, filled.as_fd(), PollFlags::IN);
        } else if let Some(feed) = &self.camera
            && life.phase == Phase::Running
        {
            if let Some(quiet) = life.camera_wakeups.quiet_until(time) {
                sources.until(Some(quiet));
            } else if let Some(camera) = &feed.camera {
                sources.add(CAMERA_EVENT, camera.as_fd(), PollFlags::PRI);
                if feed.due().is_none() {
                    sources.add(FILLED, camera.as_fd(), PollFlags::IN);
                }
            }
            if self.may_attach(life) {
                sources.until(feed.due());
            }
        }
        for (index, client) in life.clients.list().iter().enumerate() {
            let deaf = client.deaf_until > time;
            let wanted = if deaf {
                PollFlags::empty()
            } else {
                PollFlags::IN
            };
            sources.add(FIRST_CLIENT + index, client.socket.as_fd(), wanted);
            sources.until(client.hello_deadline());
            sources.until(deaf.then_some(client.deaf_until));
        }
        sources.until(self.pipeline.stalls(self.settings.stall));
        sources.until(self.pipeline.expires(self.settings.stall));
        sources.until(self.pipeline.mute(self.settings.stall));
        sources.until(self.flush_at(life));
        sources.until(self.publisher.expires());
        sources.until(life.deadline_to_attach());
        if let Phase::Emptying { deadline } | Phase::Draining { deadline, .. } = life.phase {
            sources.until(Some(deadline));
        }
        let feeding =
            life.away.is_none() && matches!(life.phase, Phase::Running | Phase::Emptying { .. });
        let told_to_stop = life.phase != Phase::Running && self.pipeline.filled() == 0;
        let next = self.may_queue(life) && self.pipeline.next().is_some();
        let changing = life.away.is_none() && life.phase == Phase::Drained;
        if changing || feeding && (told_to_stop || next) {
            // What came up after this turn's `feed` is not to wait for a heartbeat.
            sources.until(Some(time));
        }
        sources.wait(time).unwrap_or_else(|_| {
            // Nothing that is asked below waits, so that a kernel short of memory costs latency and no more.
            pause(u64::from(BLIND_PAUSE_MS) * MS);
            Ready::PERHAPS
        })
    }
}
