//! Plans with a camera whose JPEGs are passed on, by name: what is no whole frame is counted, and everything else arrives.
//!
//! What each seed's judge checks holds here, too: packets are whole frames with tables, in order, without bytes that are none of theirs.

use super::camera::CameraNature;
use super::clock::BEGIN;
use super::consumer;
use super::event::Event;
use super::runner::{Report, counted, report};
use super::scenario::{CAMERA, Plan};
use super::webcam::Coding;
use crate::client::Start;
use crate::shm::stats::{Counter, DROPS};
use crate::time::MS;

/// 30 frames a second.
fn passing(camera: impl FnOnce(&mut CameraNature)) -> Plan {
    Plan::plain().passing(|nature| {
        nature.interval = 33 * MS;
        camera(nature);
    })
}

fn dropped(report: &Report) -> u64 {
    DROPS.iter().map(|&reason| counted(report, reason)).sum()
}

/// That it went on to a good end, with as many packets as frames that were not dropped for `reason`. Gives how many were.
fn lost_for(report: &Report, reason: Counter) -> u64 {
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let lost = counted(report, reason);
    assert_eq!(dropped(report), lost, "for something else");
    let published = counted(report, Counter::FramesPublished);
    assert!(published > 400, "{published}");
    lost
}

#[test]
fn each_frame_of_a_good_camera_arrives_with_tables_and_without_padding() {
    let plan = passing(|nature| {
        nature.coding = Some(Coding {
            padding: 2000,
            fills: true,
            ..Coding::default()
        });
    });
    let report = report(&plan);
    assert_eq!(lost_for(&report, Counter::DroppedCamera), 0);
    let published = counted(&report, Counter::FramesPublished);
    assert_eq!(counted(&report, Counter::JpegTablesAdded), published);
    for none in [
        Counter::RawBytesCopied,
        Counter::CameraBytesCopied,
        Counter::CameraRestarts,
        Counter::Restarts,
    ] {
        assert_eq!(counted(&report, none), 0, "{none:?}");
    }
}

#[test]
fn frames_that_are_cut_off_of_another_size_or_none_are_counted() {
    for which in 0..4 {
        let mut coding = Coding::default();
        *[
            &mut coding.cuts,
            &mut coding.odd_sizes,
            &mut coding.junk,
            &mut coding.forgets,
        ][which] = 200;
        let plan = passing(|nature| {
            coding.tables = true;
            (nature.until, nature.coding) = (BEGIN + 4000 * MS, Some(coding));
        });
        let report = report(&plan);
        let lost = lost_for(&report, Counter::DroppedCamera);
        let forgets = which == 3;
        assert_eq!(lost > 5, !forgets, "{which}: {lost}");
        let added = counted(&report, Counter::JpegTablesAdded);
        assert_eq!(added > 5, forgets, "{which}: {added}");
        assert_eq!(counted(&report, Counter::CameraRestarts), 0);
    }
}

#[test]
fn frames_that_the_driver_marks_or_leaves_out_are_counted() {
    let report = report(&passing(|nature| {
        nature.until = BEGIN + 4000 * MS;
        (nature.gaps, nature.damages) = (100, 100);
    }));
    assert!(lost_for(&report, Counter::DroppedCamera) > 5);
    assert!(counted(&report, Counter::LostCamera) > 5);
}

#[test]
fn a_camera_that_shows_another_size_is_waited_for_until_it_shows_its_own() {
    let plan = passing(|_| {}).at(1000, Event::Shows(CAMERA, Some((96, 64))));
    let report = report(&plan.at(3000, Event::Shows(CAMERA, None)));
    let lost = lost_for(&report, Counter::DroppedCamera);
    assert!((50..70).contains(&lost), "{lost}");
}

#[test]
fn a_camera_that_leaves_comes_back_in_a_new_generation() {
    let plan = passing(|_| {}).at(1000, Event::Remove(CAMERA));
    let report = report(&plan.at(1500, Event::Return(CAMERA)));
    assert_eq!(lost_for(&report, Counter::DroppedCamera), 0);
    assert!(counted(&report, Counter::CameraRestarts) > 0);
}

#[test]
fn a_camera_that_stays_away_ends_the_engine_with_its_name() {
    let report = report(&passing(|_| {}).at(1000, Event::Remove(CAMERA)));
    assert_eq!(report.exit, 6, "{}", report.sentence);
    let words = "/dev/video0: the camera did not come back within";
    assert!(report.sentence.contains(words), "{}", report.sentence);
}

#[test]
fn a_stream_that_dies_without_a_word_is_started_again() {
    let report = report(&passing(|nature| {
        (nature.until, nature.deaths) = (BEGIN + 3000 * MS, 30);
    }));
    assert_eq!(lost_for(&report, Counter::DroppedCamera), 0);
    assert!(counted(&report, Counter::CameraRestarts) > 0);
}

#[test]
fn a_bridge_whose_signal_is_lost_goes_on_when_it_is_back() {
    let plan = passing(|nature| nature.bridge = true).at(1000, Event::Signal(CAMERA, false));
    let report = report(&plan.at(2000, Event::Signal(CAMERA, true)));
    assert_eq!(lost_for(&report, Counter::DroppedCamera), 0);
    assert!(counted(&report, Counter::CameraRestarts) > 0);
}

#[test]
fn nobody_watches_and_then_somebody() {
    let mut plan = passing(|_| {}).lasting(20_000);
    plan.idle_ms = Some(1000);
    plan.consumers.push(consumer::Manner {
        after: 3000 * MS,
        interval: 50 * MS,
        start: Start::Key,
        leaves_after: 20,
        asks: 0,
    });
    let report = report(&plan);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    // For the consumer, and for the one of the exam.
    assert_eq!(counted(&report, Counter::CameraRestarts), 2);
    assert!(counted(&report, Counter::FramesPublished) > 60);
    assert_eq!(dropped(&report), 0);
}

#[test]
fn an_end_publishes_the_last_frame() {
    let mut plan = passing(|_| {});
    plan.frames = Some(10);
    let report = report(&plan);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert_eq!(counted(&report, Counter::FramesPublished), 10);
}
