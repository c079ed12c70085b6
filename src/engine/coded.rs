//! Coded buffers from the encoder to the sink, and the end of a drain, which not every driver marks.
//!
//! Knows one turn's worth of them. Knows no packet: the sink makes it.

use rustix::io::Errno;

use crate::engine::engine::Engine;
use crate::errno::call::{Call, IoctlError};
use crate::flow::run_state::Drain;
use crate::limits::{ANNOUNCED_WAIT_MS, TURN_BUDGET};
use crate::time::MS;
use crate::v4l2::encoder::{Answer, Encoder};

impl Engine<'_> {
    /// Coded buffers to the sink; adds up the packets that came of them. Whether there was any buffer, or the end.
    pub(super) fn take_coded(
        &mut self,
        published: &mut u32,
        now_ns: u64,
    ) -> Result<bool, IoctlError> {
        let mut brought = false;
        let Some(encoder) = self.stage.encoder() else {
            return Ok(brought);
        };
        for _ in 0..TURN_BUDGET {
            let buffer = match encoder.dequeue_coded()? {
                Answer::Coded(buffer) => buffer,
                Answer::Nothing => break,
                Answer::Drained if self.run_state.queues_frames() => {
                    // STOP was not sent yet, and nothing else would come any more.
                    return Err(IoctlError::new(Call::DqBuf, Errno::PIPE));
                }
                Answer::Drained => {
                    self.run_state.drained();
                    return Ok(true);
                }
            };
            brought = true;
            let coded = buffer.coded;
            let unknown = !self.pipeline.awaits(coded.key);
            *published += (self.sink).take(&coded, buffer.payload(), now_ns, &mut self.pipeline);
            if coded.last {
                if let Drain::Draining { .. } | Drain::Announced { .. } = self.run_state.drain() {
                    self.run_state.drained();
                }
                break;
            }
            // Of s5p-mfc an empty buffer is all that there is of the end, with a time that it had before.
            let ends = coded.is_empty() && !coded.error && unknown;
            if ends && (coded.key != 0 || self.pipeline.inside() == 0) {
                self.run_state
                    .announced(now_ns + u64::from(ANNOUNCED_WAIT_MS) * MS);
            }
            let more = coded.full || self.pipeline.inside() > 0 || !self.run_state.takes_frames();
            buffer.requeue()?;
            if !more {
                break; // Should there be another one all the same, the next wait shows it.
            }
        }
        Ok(brought)
    }

    /// Whether the encoder says by an event that its drain is over.
    pub(super) fn take_end_event(&mut self, now_ns: u64) -> bool {
        let ends = self.run_state.awaits_end()
            && self.stage.encoder().is_some_and(Encoder::take_end_event);
        if ends {
            self.announce_end(now_ns);
        }
        ends
    }

    fn announce_end(&mut self, now_ns: u64) {
        let wait_ns = u64::from(ANNOUNCED_WAIT_MS) * MS;
        self.run_state.announced(now_ns.saturating_add(wait_ns));
    }
}
