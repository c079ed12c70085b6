//! Plans that name two troubles at once: an end, a change or a failure in the middle of another one, and how long each may take.
//!
//! What each seed's judge checks holds here, too: the accounts, the recovery's steps, the end mark, and turns that are not too many.

use rustix::io::Errno;

use super::clock::BEGIN;
use super::controller;
use super::encoder::Nature;
use super::event::Event;
use super::faults::Fault;
use super::runner::{Report, counted, report};
use super::scenario::{CAMERA, ENCODER, Plan};
use crate::limits::CAMERA_WAIT_MS_DEFAULT;
use crate::shm::stats::Counter;
use crate::time::MS;
use crate::types::memory::MemoryChoice;
use crate::v4l2::abi;

const EVER: u64 = u64::MAX;

/// That the engine ended with this code, and before so many ms.
fn ended(report: &Report, exit: u8, before: u64) {
    assert_eq!(report.exit, exit, "{}", report.sentence);
    let ms = report.virtual_ns / MS;
    assert!(ms < before, "{ms} ms, not {before}");
}

/// One producer that goes on, in an engine whose deadlines are far away.
fn patient() -> Plan {
    let mut plan = Plan::plain();
    plan.producers[0].frames = 1000;
    (plan.drain_ms, plan.wait_device_ms) = (Some(60_000), 60_000);
    plan
}

/// The same for another plan's encoder.
fn patient_with(change: impl FnOnce(&mut Nature)) -> Plan {
    patient().with_encoder(change)
}

/// Nobody produces.
fn idle(lasts: u64) -> Plan {
    let mut plan = patient().lasting(lasts);
    plan.producers.clear();
    plan
}

#[test]
fn an_end_in_which_the_encoder_stalls_is_over_once_nothing_is_inside() {
    let plan = patient().at(100, Event::Hang(ENCODER, EVER));
    let report = report(&plan.at(150, Event::Terminate));
    ended(&report, 0, 150 + 2000 + 100);
    let dropped = counted(&report, Counter::DroppedRestart);
    assert!((1..=4).contains(&dropped), "{dropped}");
    assert_eq!(counted(&report, Counter::Stalls), 1);
}

#[test]
fn last_frames_of_a_camera_that_the_encoder_keeps_are_lost_and_counted() {
    let mut plan = patient().with_camera(|nature| nature.interval = 16 * MS);
    (plan.frames, plan.slots) = (Some(10), Some(16));
    let report = report(&plan.at(100, Event::Hang(ENCODER, EVER)));
    ended(&report, 0, 200 + 2000 + 200);
    let (published, dropped) = (
        counted(&report, Counter::FramesPublished),
        counted(&report, Counter::DroppedRestart),
    );
    assert_eq!(published + dropped, 10);
    assert!(dropped > 2, "{dropped}");
}

/// Where each frame is to be a key frame by force, one is in the encoder and the others wait outside, in slots of the encoder's.
#[test]
fn an_end_in_which_the_encoder_leaves_is_over_once_the_frames_outside_are_lost_with_their_slots() {
    let mut plan = patient_with(|nature| {
        (nature.driver, nature.latency) = (b"bcm2835-codec", (300 * MS, 300 * MS));
    });
    plan.gop = Some(1);
    let plan = plan.at(400, Event::Terminate);
    let report = report(&plan.at(450, Event::Remove(ENCODER)));
    ended(&report, 0, 450 + 200);
    assert!(counted(&report, Counter::DroppedRestart) >= 3);
}

/// A producer dies with frames inside, when 260 ms have passed, and the encoder does nothing for so long then. Another one wants another
/// size: 20 frames of it.
fn change_that_has_to_wait(hangs: u64) -> Plan {
    let mut plan = patient();
    plan.size = (0, 0);
    plan.producers[0].dies_after = Some(20);
    let mut second = plan.producers[0].clone();
    (second.after, second.frames, second.dies_after) = (400 * MS, 20, None);
    second.requested.size = (96, 64);
    plan.producers.push(second);
    plan.at(260, Event::Hang(ENCODER, hangs))
}

#[test]
fn a_change_in_which_the_encoder_stalls_is_made_once_nothing_is_inside() {
    // Long before the change's own deadline.
    let mut plan = change_that_has_to_wait(EVER);
    plan.stall_ms = 300;
    let report = report(&plan.at(750, Event::Terminate));
    assert_eq!(counted(&report, Counter::Producers), 2);
}

/// The frames that keep the change waiting are lost when its time is up; then the device is away, and the engine sleeps until it is back.
#[test]
fn a_change_whose_time_is_up_waits_for_the_encoder_asleep() {
    let mut plan = change_that_has_to_wait(9000 * MS);
    plan.stall_ms = 60_000;
    plan.producers[1].returns = 1000;
    let plan = plan.at(1000, Event::Remove(ENCODER));
    let report = report(&plan.lasting(12_000).at(9400, Event::Return(ENCODER)));
    assert_eq!(report.exit, 0);
    // Some in each second; a loop that spins has thousands.
    assert!(report.turns < 1500, "{} turns", report.turns);
    assert!(counted(&report, Counter::FramesPublished) >= 18 + 20);
}

#[test]
fn an_end_that_is_asked_for_while_a_change_drains_has_its_own_deadline() {
    let mut plan = change_that_has_to_wait(EVER);
    (plan.stall_ms, plan.drain_ms) = (60_000, Some(300));
    let report = report(&plan.at(1000, Event::Terminate));
    ended(&report, 8, 1000 + 300 + 100);
    assert_eq!(counted(&report, Counter::RefusedEnding), 1);
}

#[test]
fn an_idle_engine_survives_each_time_that_the_device_leaves() {
    let mut plan = idle(200_000);
    for minute in [1, 2, 3] {
        let leaves = minute * 60_000;
        plan = plan.at(leaves, Event::Remove(ENCODER));
        plan = plan.at(leaves + 200, Event::Return(ENCODER));
    }
    let report = report(&plan);
    assert_eq!(report.exit, 0);
    assert_eq!(counted(&report, Counter::Reopens), 3);
}

#[test]
fn an_idle_engine_gives_up_a_device_that_leaves_again_at_once() {
    let mut plan = idle(30_000);
    // Within ten seconds, and twice the two that make a stall.
    for leaves in [1000, 13_000] {
        plan = plan.at(leaves, Event::Remove(ENCODER));
        plan = plan.at(leaves + 200, Event::Return(ENCODER));
    }
    let report = report(&plan);
    ended(&report, 6, 13_000 + 1500);
    assert_eq!(counted(&report, Counter::Reopens), 1);
}

#[test]
fn an_encoder_that_was_away_for_long_is_taken_up_soon_after_its_return() {
    let mut plan = patient().lasting(60_000);
    plan.wait_device_ms = 600_000;
    (plan.producers[0].frames, plan.producers[0].after) = (10, 28_600 * MS);
    // Just past where pauses that are doubled each time make the longest ones.
    let plan = plan.at(100, Event::Remove(ENCODER));
    let plan = plan.at(27_100, Event::Return(ENCODER));
    let report = report(&plan.at(29_000, Event::Terminate));
    ended(&report, 0, 29_200);
    assert_eq!(counted(&report, Counter::FramesPublished), 10);
}

#[test]
fn an_end_that_is_asked_for_while_the_encoder_is_away_and_nothing_inside_waits_for_nothing() {
    let away = || idle(30_000).at(1000, Event::Remove(ENCODER));
    ended(&report(&away().at(2000, Event::Terminate)), 0, 2100);
    // By a client.
    let mut plan = away();
    plan.controllers.push(controller::Manner {
        after: 2000 * MS,
        interval: 100 * MS,
        drains_after: Some(0),
    });
    ended(&report(&plan), 0, 2500);
}

#[test]
fn a_poll_that_fails_while_the_encoder_is_away_is_survived() {
    let plan = idle(30_000).at(1000, Event::Remove(ENCODER));
    let plan = plan.at(1100, Event::PollFails(50 * MS));
    let report = report(&plan.at(2000, Event::Return(ENCODER)));
    assert_eq!(report.exit, 0);
    assert_eq!(counted(&report, Counter::Reopens), 1);
}

/// A camera's buffers are insisted on, and the encoder has none that could be exported instead.
#[test]
fn an_encoder_that_comes_back_while_memory_is_short_takes_the_cameras_buffers_later() {
    let plan = patient().with_encoder(|nature| nature.exports = false);
    let mut plan = plan.with_camera(|_| {}).lasting(10_000);
    plan.memory = MemoryChoice::Export;
    let plan = plan
        .at(1000, Event::Remove(ENCODER))
        .at(1100, Event::Memory(0));
    let plan = plan.at(1200, Event::Return(ENCODER));
    let report = report(&plan.at(3000, Event::Memory(1 << 30)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(counted(&report, Counter::FramesPublished) > 100);
}

#[test]
fn a_bridge_that_fails_now_and_then_while_there_is_no_signal_is_waited_for() {
    let mut plan = patient().with_camera(|nature| nature.bridge = true);
    plan = plan.lasting(45_000);
    plan = plan.at(1000, Event::Signal(CAMERA, false));
    // For ten seconds, and once more: longer after the beginning than a camera is waited for, but not after it came back.
    let far = 3000 + u64::from(CAMERA_WAIT_MS_DEFAULT);
    for (from, until) in [(2000, 12_000), (far, far + 100)] {
        plan.faults.0.push(Fault {
            node: CAMERA,
            call: abi::VIDIOC_QUERY_DV_TIMINGS,
            errno: Errno::IO,
            from: BEGIN + from * MS,
            until: BEGIN + until * MS,
            skip: 0,
            times: u32::MAX,
        });
    }
    let report = report(&plan.at(far + 2000, Event::Signal(CAMERA, true)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(counted(&report, Counter::FramesPublished) > 100);
}

#[test]
fn a_call_that_fails_once_costs_a_restart_and_no_more() {
    for call in [abi::VIDIOC_QBUF, abi::VIDIOC_DQBUF] {
        let mut plan = Plan::plain();
        plan.producers[0].frames = 30;
        plan.faults.0.push(Fault {
            node: ENCODER,
            call,
            errno: Errno::IO,
            from: BEGIN + 150 * MS,
            until: EVER,
            skip: 0,
            times: 1,
        });
        let report = report(&plan);
        assert_eq!(report.exit, 0);
        assert_eq!(counted(&report, Counter::Restarts), 1);
        assert!(counted(&report, Counter::DroppedRestart) <= 4);
    }
}

#[test]
fn an_encoder_that_takes_frames_and_gives_nothing_is_restarted() {
    let swallows = |nature: &mut Nature| {
        nature.mischief.drops = 1000;
        nature.mischief.until = BEGIN + 3000 * MS;
    };
    let mut plan = patient_with(swallows).lasting(6000);
    plan.producers[0].frames = 400;
    let report = report(&plan);
    assert_eq!(report.exit, 0);
    let [restarts, lost] = [Counter::Restarts, Counter::DroppedRestart];
    assert_eq!(counted(&report, restarts), 1);
    // Those that it swallowed were inside until then.
    assert!(counted(&report, lost) >= 8);
    assert!(counted(&report, Counter::FramesPublished) > 100);
}
