//! Plans that name how an encoder fails, and what the recovery makes of it: each step in its time, and what may be lost.
//!
//! What each seed's judge checks holds here, too. Two troubles at once are in `plans.rs`.

use super::encoder::Stops;
use super::event::Event;
use super::runner::{Report, counted, report};
use super::scenario::{CAMERA, ENCODER, Plan};
use crate::shm::stats::Counter;
use crate::time::MS;
use std::vec::Vec;

const EVER: u64 = u64::MAX;

/// One producer that goes on.
fn going_on() -> Plan {
    let mut plan = Plan::plain();
    plan.producers[0].frames = 1000;
    plan
}

/// That the engine ended with this code, between these times, ms.
fn ended(report: &Report, exit: u8, ms: core::ops::Range<u64>) {
    assert_eq!(report.exit, exit, "{}", report.sentence);
    let took = report.virtual_ns / MS;
    assert!(ms.contains(&took), "{took} ms, not {ms:?}");
}

#[test]
fn an_encoder_that_never_works_again_is_restarted_twice_reopened_and_given_up() {
    let mut plan = going_on().at(500, Event::Hang(ENCODER, EVER));
    (plan.stall_ms, plan.producers[0].returns) = (300, 1000);
    let report = report(&plan);
    // Four times without progress, and in between the producer comes again.
    ended(&report, 7, 500 + 1200..500 + 1800);
    let words = "the encoder stalled again after 2 restarts and when reopened";
    assert!(report.sentence.contains(words), "{}", report.sentence);
    assert_eq!(counted(&report, Counter::Restarts), 2);
    assert_eq!(counted(&report, Counter::Reopens), 1);
}

#[test]
fn an_encoder_that_is_gone_is_looked_for_with_growing_pauses_and_then_given_up() {
    let mut plan = going_on().at(500, Event::Remove(ENCODER));
    plan.wait_device_ms = 3000;
    let report = report(&plan);
    ended(&report, 6, 3500..3600);
    // After 50, 100, 200, 400, 800, 1000 ms, and when the three seconds are over.
    let pauses: Vec<_> = (report.opens.windows(2))
        .map(|pair| (pair[1] - pair[0]) / MS)
        .collect();
    let last = &pauses[pauses.len() - 6..];
    for (pause, least) in last.iter().zip([100, 200, 400, 800, 1000]) {
        assert!((least..least + 10).contains(pause), "{pauses:?}");
    }
}

/// Where each frame is to be a key frame by force, the next one waits for the packet of the one before. An encoder that hangs on the first
/// has one slot then, and not all that it could have.
#[test]
fn an_encoder_that_is_given_one_frame_at_a_time_and_hangs_on_the_first_is_restarted() {
    let mut plan = Plan::plain().with_encoder(|nature| nature.driver = b"bcm2835-codec");
    (plan.gop, plan.stall_ms) = (Some(1), 300);
    plan.producers[0].frames = 30;
    let report = report(&plan.at(5, Event::Hang(ENCODER, 450 * MS)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert_eq!(counted(&report, Counter::Restarts), 1);
    // The frame that hung, and no other.
    assert_eq!(counted(&report, Counter::DroppedRestart), 1);
}

/// Slots enough for the producer to commit more all the time that the drain takes.
#[test]
fn a_drain_of_a_driver_without_a_stop_command_ends_though_frames_keep_coming() {
    let mut plan = going_on().with_encoder(|nature| {
        (nature.stops, nature.latency) = (Stops::Unknown, (50 * MS, 50 * MS));
    });
    plan.slots = Some(32);
    let report = report(&plan.at(500, Event::Terminate));
    ended(&report, 0, 500..500 + 1500);
    assert!(counted(&report, Counter::DroppedStopping) > 0);
}

#[test]
fn frames_of_a_producer_that_died_are_encoded_before_the_change() {
    let mut plan = going_on();
    plan.size = (0, 0);
    plan.producers[0].dies_after = Some(20);
    let mut second = plan.producers[0].clone();
    (second.after, second.frames, second.dies_after) = (400 * MS, 20, None);
    second.requested.size = (96, 64);
    plan.producers.push(second);
    // They are inside when it dies.
    let report = report(&plan.at(260, Event::Hang(ENCODER, 700 * MS)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let [committed, published] = [Counter::FramesCommitted, Counter::FramesPublished];
    assert_eq!(counted(&report, committed), counted(&report, published));
    assert!(counted(&report, published) >= 40);
}

#[test]
fn an_encoder_that_comes_back_while_there_is_no_signal_does_not_make_one() {
    let mut plan = Plan::plain().with_camera(|nature| nature.bridge = true);
    (plan.supervised, plan.wait_device_ms) = (Some(10 * MS), 60_000);
    let plan = plan
        .lasting(12_000)
        .at(1000, Event::Signal(CAMERA, false))
        .at(4000, Event::Remove(ENCODER))
        .at(4200, Event::Return(ENCODER))
        .at(8000, Event::Signal(CAMERA, true));
    let report = report(&plan);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert_eq!(counted(&report, Counter::Reopens), 1);
    let status = |message| str::lines(message).find_map(|line| line.strip_prefix("STATUS="));
    let states: Vec<_> = (report.heard.iter())
        .filter_map(|(_, message)| status(message))
        .filter(|&state| state != "no-camera")
        .collect();
    // While timings are asked for there is no camera.
    let expected = ["running", "no-signal", "recovering", "no-signal", "running"];
    assert_eq!(states[..5], expected, "{states:?}");
}
