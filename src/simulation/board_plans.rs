//! Plans with encoders of other boards, whose drivers differ from the Raspberry Pi's: how a drain ends, what STREAMOFF loses, which queue has
//! to stream first, where the payload of a buffer begins.
//!
//! What each seed's judge checks holds here, too.

use super::encoder::{Nature, Stops};
use super::runner::{Report, counted, report};
use super::scenario::Plan;
use crate::shm::stats::Counter;
use crate::time::MS;

/// Ten frames of a producer for whom the engine runs.
fn once(change: impl FnOnce(&mut Nature)) -> Plan {
    let mut plan = Plan::plain().with_encoder(change);
    plan.once = true;
    plan
}

/// Each frame is published, and nothing had to be recovered.
fn went_well(report: &Report) {
    let count = |counter| counted(report, counter);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let frames = count(Counter::FramesCommitted);
    assert!(frames >= 10, "{frames}");
    assert_eq!(count(Counter::FramesPublished), frames);
    for recovery in [Counter::Restarts, Counter::Reopens, Counter::Stalls] {
        assert_eq!(count(recovery), 0, "{recovery:?}");
    }
}

#[test]
fn a_drain_ends_with_whatever_tells_of_its_end() {
    for (buffer, event, pipe) in [
        (true, false, false),
        (true, true, false),
        (false, true, true),
        (false, false, true),
        (false, true, false),
    ] {
        let plan = once(|nature| {
            nature.stops = Stops::Unmarked {
                buffer,
                event,
                pipe,
            };
            nature.ahead = 3;
        });
        let report = report(&plan);
        went_well(&report);
        let took_ms = report.virtual_ns / MS;
        assert!(took_ms < 1000, "{took_ms} ms: {buffer} {event} {pipe}");
    }
}

#[test]
fn an_encoder_that_streamoff_makes_forget_is_set_up_again_where_it_stands() {
    // It holds frames back: nobody sends more, so it is drained, stopped and started.
    let mut plan = once(|nature| (nature.forgets, nature.ahead, nature.forces) = (true, 2, false));
    plan.once = false;
    let mut second = plan.producers[0].clone();
    second.after = 3000 * MS;
    plan.producers.push(second);
    went_well(&report(&plan));
    // A producer's own memory takes the place of the encoder's.
    let mut plan = once(|nature| nature.forgets = true);
    plan.producers[0].offers = Some(true);
    let report = report(&plan);
    went_well(&report);
    assert_eq!(counted(&report, Counter::RawBytesCopied), 0);
}

#[test]
fn capture_streams_before_output_starts() {
    went_well(&report(&once(|nature| nature.capture_first = true)));
}

#[test]
fn a_payload_is_read_from_where_it_begins() {
    went_well(&report(&once(|nature| nature.data_offset = 12)));
}
