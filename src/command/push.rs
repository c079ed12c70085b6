//! `framemill push`: a producer. Raw frames, Y4M or the built-in pattern into the frame ring, at a steady pace.
//!
//! Knows the order: the input, the engine, the frames, the accounts; and that all but the input is done again when the engine asks for it.

mod attach;
mod job;

use core::mem::ManuallyDrop;

use ::log::LevelFilter;

use crate::cli::{Pace, PushOptions, Source, Timestamps};
use crate::client::{ClientError, FrameProducer, Step};
use crate::command::connect::lost;
use crate::command::input::{Ahead, Input};
use crate::command::pace::Timing;
use crate::command::stop::{STOPPED, Stop};
use crate::control::message::Refusal;
use crate::error::Failure;
use crate::limits::ATTACH_AGAIN_MS;
use crate::log;
use crate::log::note;
use attach::{attach, requested, tell_copies};
use job::{Ended, Job, wait};

#[inline(never)]
pub(super) fn push(options: &PushOptions<'_>) -> Result<(), Failure> {
    // Without a logger `info!` writes nothing; standard error cannot fail to open.
    let _ = log::start(LevelFilter::Info, false);
    let stop = Stop::on_signals()?;
    let result = push_input(options, &stop);
    if result == Err(STOPPED) {
        note!(info, "0 frames pushed: 0 published, 0 dropped");
    }
    result
}

/// Opens the input, pushes its frames, and reports what came of them.
fn push_input(options: &PushOptions<'_>, stop: &Stop) -> Result<(), Failure> {
    // The input first: a mistake in it should not occupy the engine.
    let mut ahead = Ahead::NONE;
    let mut frames = match options.from {
        Source::Pattern => None,
        source => Some(Input::open(source, options.container, stop, &mut ahead)?),
    };
    let mut requested = requested(options, frames.as_ref())?;
    let timing = timing(options, frames.as_ref());
    let mut job = Job::new(options, stop, requested, timing);
    let (mut pushed, mut accounts) = (0, (0u64, 0u64));
    let mut wait_ms = options.wait_ms;
    let result = loop {
        let header = frames.as_ref().and_then(Input::header);
        let producer = match attach(options, stop, &requested, header, wait_ms) {
            Ok(producer) => producer,
            Err(failure) => break Err(Ended::Failed(failure)),
        };
        // Not taken apart: the process ends with it, or the engine's slots are gone.
        let mut producer = ManuallyDrop::new(producer);
        job.observe();
        let result = job.push_all(&mut producer, &mut frames);
        // Whatever ended it: what was committed is waited for, and reported.
        let finished = finish(&mut producer, stop);
        let (published, dropped) = producer.accounts();
        pushed += producer.committed();
        // What stands in the ring is what the engine says.
        accounts.0 = accounts.0.saturating_add(published);
        accounts.1 = accounts.1.saturating_add(dropped);
        let result = match result {
            Err(Ended::Failed(STOPPED)) | Ok(()) => finished,
            failed => failed,
        };
        match result {
            Err(Ended::Lost(ClientError::Refused(Refusal::Reopened))) if !stop.asked()? => {
                note!(info, "{}: attaching again", Refusal::Reopened.text());
                wait_ms = wait_ms.max(ATTACH_AGAIN_MS);
                drop(ManuallyDrop::into_inner(producer));
            }
            Err(Ended::NotShared(errno)) if !requested.copied => {
                tell_copies(errno);
                requested.copied = true;
                job.requested = requested;
                wait_ms = wait_ms.max(ATTACH_AGAIN_MS);
                drop(ManuallyDrop::into_inner(producer));
            }
            result => break result,
        }
    };
    if pushed == 0
        && let Err(Ended::Failed(failure)) = result
    {
        return Err(failure);
    }
    log_accounts(pushed, accounts, job.skipped());
    result.map_err(|ended| match ended {
        Ended::Lost(error) => lost(&options.socket, error),
        Ended::NotShared(errno) => lost(&options.socket, ClientError::System(Step::Sync, errno)),
        Ended::Failed(failure) => failure,
    })
}

/// Says what came of the frames: how many were pushed, what the engine says of them, and how many of the input were not pushed.
fn log_accounts(pushed: u64, (published, dropped): (u64, u64), skipped: u64) {
    note!(
        info,
        "{pushed} frames pushed: {published} published, {dropped} dropped"
    );
    if skipped > 0 {
        note!(
            info,
            "{skipped} frames of the input not pushed: no slot was free at their time (--live)"
        );
    }
    // Committed when the engine had looked for the last time: it cannot count them.
    let late = pushed.saturating_sub(published.saturating_add(dropped));
    if late > 0 {
        note!(
            info,
            "{late} frames were not taken: the connection had ended"
        );
    }
}

/// Where the frames' timestamps come from, and whether frames wait for their time.
fn timing(options: &PushOptions<'_>, input: Option<&Input<'_>>) -> Timing {
    let rateless = options.pace == Pace::Engine
        && input.is_some_and(|input| input.header().is_none() && input.live());
    match options.timestamps {
        Some(Timestamps::Arrival) => Timing::Arrival,
        None if rateless => {
            note!(
                info,
                "raw frames from a pipe without a rate: their timestamps are the times of arrival (else give --fps)"
            );
            Timing::Arrival
        }
        _ if options.pace == Pace::Max => Timing::Unpaced,
        _ => Timing::Paced,
    }
}

/// Says that no more frames come, and waits until each that was committed is accounted for.
fn finish(producer: &mut FrameProducer, stop: &Stop) -> Result<(), Ended> {
    while !producer.finish(Some(0)).map_err(Ended::Lost)? {
        wait(producer, stop, None)?;
    }
    Ok(())
}
