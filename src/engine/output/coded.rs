//! Coded buffers from the encoder to the packet ring, and what the encoder says of its end, which not every driver marks.
//!
//! Knows one turn's worth of them. Knows no packet: the publisher makes it.

use super::{Output, Progress};
use crate::errno::call::IoctlError;
use crate::flow::pipeline::Pipeline;
use crate::flow::run_state::End;
use crate::limits::TURN_BUDGET;
use crate::v4l2::encoder::Answer;

impl Output<'_> {
    /// Coded buffers to the packet ring. What came of them, also of those before a failure; and whether there was any buffer, or the end.
    /// `flows`: more frames follow.
    pub fn take_coded(
        &mut self,
        flows: bool,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> (Progress, Result<bool, IoctlError>) {
        let mut progress = Progress::default();
        let taken = self.take_buffers(&mut progress, flows, pipeline, now_ns);
        self.works(progress.published);
        self.request_key_frame_after_loss();
        (progress, taken)
    }

    fn take_buffers(
        &mut self,
        progress: &mut Progress,
        flows: bool,
        pipeline: &mut Pipeline<'_>,
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
                Answer::Drained => {
                    progress.end = Some(End::Closed);
                    return Ok(true);
                }
            };
            brought = true;
            let coded = buffer.coded;
            let unknown = !pipeline.awaits(coded.key);
            progress.published += self.sink.take(&coded, buffer.payload(), now_ns, pipeline);
            if coded.last {
                progress.end = Some(End::Marked);
                break;
            }
            // Of s5p-mfc an empty buffer is all that there is of the end, with a time that it had before.
            let ends = coded.is_empty() && !coded.error && unknown;
            if ends && (coded.key != 0 || pipeline.inside() == 0) {
                progress.end = Some(End::Announced);
            }
            let more = coded.full || pipeline.inside() > 0 || !flows;
            buffer.requeue()?;
            if !more {
                break; // Should there be another one all the same, the next wait shows it.
            }
        }
        Ok(brought)
    }
}
