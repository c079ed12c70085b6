//! Plans of an engine that stops when nobody watches (`run --idle`): what comes while it is idle, and what is missing when it is to start.
//!
//! What each seed's judge checks holds here, too (`watching.rs`).

use super::consumer::Manner;
use super::event::Event;
use super::runner::{Report, counted, report};
use super::scenario::{CAMERA, ENCODER, Plan};
use crate::client::Start;
use crate::shm::stats::Counter;
use crate::time::MS;
use std::vec::Vec;

/// The states that the supervisor heard, in their order, but those that lead from one to the next.
fn states(report: &Report) -> Vec<&str> {
    let status = |message| str::lines(message).find_map(|line| line.strip_prefix("STATUS="));
    let heard = report.heard.iter();
    let states = heard.filter_map(|(_, message)| status(message));
    states.filter(|&state| state != "draining").collect()
}

/// An engine that stops after a second without a consumer.
fn on_demand() -> Plan {
    let mut plan = Plan::plain();
    (plan.idle_ms, plan.supervised) = (Some(1000), Some(10 * MS));
    plan.producers[0].frames = 1000;
    plan
}

/// The same with a camera.
fn camera() -> Plan {
    on_demand().with_camera(|_| {})
}

/// A consumer comes after so long, ms, and leaves after so many looks, 50 ms each.
fn watched(mut plan: Plan, after: u64, looks: u64) -> Plan {
    plan.consumers.push(Manner {
        after: after * MS,
        interval: 50 * MS,
        start: Start::Key,
        leaves_after: looks,
        asks: 0,
    });
    plan
}

/// Somebody watches from this time on, ms.
fn watched_from(plan: Plan, after: u64) -> Plan {
    watched(plan, after, u64::MAX)
}

#[test]
fn a_camera_that_nobody_watches_stops_and_the_first_consumer_starts_it() {
    let quiet = report(&camera().at(20_000, Event::Terminate).lasting(30_000));
    let frames = counted(&quiet, Counter::FramesCommitted);
    // One second of them.
    assert!((1..=130).contains(&frames), "{frames}");
    assert_eq!(states(&quiet), ["running", "idle"]);
    let plan = watched_from(camera().lasting(10_000), 5000);
    let seen = report(&plan);
    assert!(counted(&seen, Counter::FramesPublished) > frames + 100);
    assert_eq!(states(&seen)[..3], ["running", "idle", "running"]);
    assert_eq!(seen.exit, 0);
}

#[test]
fn frames_that_come_while_nobody_watches_are_returned_and_counted() {
    let report = report(&on_demand().lasting(20_000).at(5000, Event::Terminate));
    let idle = counted(&report, Counter::DroppedIdle);
    assert!(idle > 100, "{idle}");
    let committed = counted(&report, Counter::FramesCommitted);
    assert_eq!(counted(&report, Counter::FramesPublished) + idle, committed);
    assert_eq!(report.exit, 0);
    assert!(report.virtual_ns < 5100 * MS, "{}", report.virtual_ns);
}

#[test]
fn consumers_that_come_and_go_find_a_new_stream_each_time() {
    let mut plan = on_demand().lasting(20_000);
    (plan.idle_ms, plan.producers[0].frames) = (Some(200), 100_000);
    // It comes again 300 ms after it has left.
    let report = report(&watched(plan, 100, 20));
    let comes = counted(&report, Counter::Consumers);
    assert!(comes > 10, "{comes}");
    let idle = states(&report)
        .iter()
        .filter(|&&state| state == "idle")
        .count();
    assert!(
        idle as u64 + 2 >= comes,
        "{idle} times idle, {comes} consumers"
    );
}

/// An encoder that takes longer for a frame than it takes until somebody comes.
#[test]
fn who_comes_while_the_encoder_drains_is_served() {
    for after in [1000, 1050, 1100, 1200, 1500] {
        let slow = on_demand().with_encoder(|nature| nature.latency = (300 * MS, 300 * MS));
        let report = report(&watched_from(slow.lasting(8000), after));
        assert_eq!(report.exit, 0);
        assert!(counted(&report, Counter::FramesPublished) > 15);
        for lost in [Counter::DroppedRestart, Counter::DroppedEncoder] {
            assert_eq!(counted(&report, lost), 0, "{lost:?}");
        }
    }
}

#[test]
fn a_camera_that_was_away_and_back_while_nobody_watched_is_started() {
    let plan = camera().lasting(12_000).at(3000, Event::Remove(CAMERA));
    let report = report(&watched_from(plan.at(4000, Event::Return(CAMERA)), 6000));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(!states(&report)[..2].contains(&"no-camera"));
    assert!(counted(&report, Counter::FramesPublished) > 100);
}

#[test]
fn a_camera_that_is_missed_when_somebody_comes_is_waited_for() {
    let plan = camera().lasting(60_000).at(3000, Event::Remove(CAMERA));
    let gone = report(&watched_from(plan, 20_000));
    assert_eq!(gone.exit, 6, "{}", gone.sentence);
    // Its time begins when it is missed.
    let ms = gone.virtual_ns / MS;
    assert!((50_000..52_000).contains(&ms), "{ms}");
    let want = ["running", "idle", "running", "no-camera"];
    assert_eq!(states(&gone)[..4], want);
}

#[test]
fn a_signal_that_is_lost_while_nobody_watches_is_missed_by_who_comes() {
    let bridge = on_demand().with_camera(|nature| nature.bridge = true);
    let plan = watched_from(bridge.lasting(20_000), 6000);
    let plan = plan.at(3000, Event::Signal(CAMERA, false));
    let report = report(&plan.at(9000, Event::Signal(CAMERA, true)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(states(&report).contains(&"no-signal"));
    assert!(counted(&report, Counter::FramesPublished) > 200);
}

#[test]
fn an_encoder_that_is_missed_when_somebody_comes_is_reopened() {
    let plan = on_demand().lasting(12_000).at(3000, Event::Remove(ENCODER));
    let mut plan = watched_from(plan.at(5500, Event::Return(ENCODER)), 5000);
    plan.producers[0].returns = 100;
    let report = report(&plan);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert_eq!(counted(&report, Counter::Reopens), 1);
    let want = ["running", "idle", "recovering", "running"];
    assert_eq!(states(&report)[..4], want);
}

#[test]
fn an_encoder_that_leaves_in_the_drain_takes_no_camera_along() {
    let mut plan = camera().with_encoder(|nature| nature.latency = (60 * MS, 60 * MS));
    plan.producers.clear();
    for leaves in [1000, 1010, 1020, 1040, 1060, 1080] {
        let plan = plan.clone().lasting(10_000);
        let plan = plan.at(leaves, Event::Remove(ENCODER));
        let plan = plan.at(leaves + 200, Event::Return(ENCODER));
        let report = report(&watched_from(plan, 6000));
        assert_eq!(report.exit, 0, "{leaves}: {}", report.sentence);
        assert!(counted(&report, Counter::FramesPublished) > 100);
    }
}

#[test]
fn a_producer_of_another_size_is_let_in_while_nobody_watches() {
    let mut plan = on_demand().lasting(12_000);
    plan.size = (0, 0);
    plan.producers[0].frames = 5;
    let mut second = plan.producers[0].clone();
    (second.after, second.frames) = (4000 * MS, 100_000);
    second.requested.size = (96, 64);
    plan.producers.push(second);
    let report = report(&watched_from(plan, 6000));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert_eq!(counted(&report, Counter::Producers), 3, "the exam's, too");
    assert!(counted(&report, Counter::DroppedIdle) > 100);
    assert!(counted(&report, Counter::FramesPublished) > 100);
}

#[test]
fn a_driver_that_does_not_stop_or_start_once_is_recovered() {
    use super::faults::Fault;
    use crate::v4l2::abi;
    use rustix::io::Errno;
    for call in [abi::VIDIOC_STREAMOFF, abi::VIDIOC_STREAMON] {
        for (node, mut plan) in [(ENCODER, on_demand()), (CAMERA, camera())] {
            for producer in &mut plan.producers {
                producer.returns = 100;
            }
            let mut plan = watched_from(plan.lasting(12_000), 5000);
            plan.faults.0.push(Fault {
                node,
                call,
                errno: Errno::IO,
                from: super::clock::BEGIN + 500 * MS,
                until: u64::MAX,
                skip: 0,
                times: 1,
            });
            let report = report(&plan);
            assert_eq!(report.exit, 0, "{call} of {node}: {}", report.sentence);
            assert!(states(&report).contains(&"idle"), "{call} of {node}");
            assert!(counted(&report, Counter::FramesPublished) > 100);
        }
    }
}

#[test]
fn buffers_that_could_not_be_renewed_are_renewed_with_the_next_start() {
    use super::faults::Fault;
    // What STREAMOFF lost is asked for again, and fails at first: STREAMON alone would succeed then, with no CAPTURE buffer.
    for skip in [0, 1] {
        let mut plan = on_demand().with_encoder(|nature| nature.forgets = true);
        plan.producers[0].returns = 100;
        let mut plan = watched_from(plan.lasting(12_000), 5000);
        plan.faults.0.push(Fault {
            node: ENCODER,
            call: crate::v4l2::abi::VIDIOC_QUERYBUF,
            errno: rustix::io::Errno::NOMEM,
            from: super::clock::BEGIN + 500 * MS,
            until: u64::MAX,
            skip,
            times: 1,
        });
        let report = report(&plan);
        assert_eq!(report.exit, 0, "{}", report.sentence);
        assert_eq!(counted(&report, Counter::Restarts), 1);
        assert_eq!(counted(&report, Counter::Reopens), 0);
        assert!(counted(&report, Counter::FramesPublished) > 100);
    }
}
