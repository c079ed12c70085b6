//! Plans with a camera that codes and a decoder, by name: what fails in the chain, and what may be lost by it.
//!
//! What each seed's judge checks holds here, too.

use rustix::io::Errno;

use super::camera::CameraNature;
use super::clock::BEGIN;
use super::consumer;
use super::decoder::{DecoderNature, Ends};
use super::event::Event;
use super::faults::Fault;
use super::runner::{Report, counted, report};
use super::scenario::{CAMERA, DECODER, ENCODER, Plan};
use super::webcam::Coding;
use crate::client::Start;
use crate::shm::stats::{Counter, DROPS};
use crate::time::MS;
use crate::v4l2::abi;

const EVER: u64 = u64::MAX;

/// A chain that goes on, in an engine whose deadlines are far away: 30 frames a second.
fn chain_of(decoder: impl FnOnce(&mut DecoderNature)) -> Plan {
    let mut plan = Plan::plain().with_chain(|nature| nature.interval = 33 * MS, decoder);
    (plan.drain_ms, plan.wait_device_ms) = (Some(60_000), 60_000);
    plan
}

fn chain() -> Plan {
    chain_of(|_| {})
}

fn dropped(report: &Report) -> u64 {
    DROPS.iter().map(|&reason| counted(report, reason)).sum()
}

#[test]
fn where_nothing_is_wrong_each_frame_is_published_without_a_copy_of_a_raw_one() {
    let report = report(&chain());
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let published = counted(&report, Counter::FramesPublished);
    assert!(published > 500, "{published}");
    assert_eq!(
        (dropped(&report), published),
        (0, counted(&report, Counter::FramesCommitted))
    );
    assert_eq!(counted(&report, Counter::RawBytesCopied), 0);
    assert!(counted(&report, Counter::CameraBytesCopied) > 0);
    // The camera leaves them out.
    assert!(counted(&report, Counter::JpegTablesAdded) >= published);
    for failure in [
        Counter::CameraRestarts,
        Counter::DecoderRestarts,
        Counter::Restarts,
    ] {
        assert_eq!(counted(&report, failure), 0, "{failure:?}");
    }
}

#[test]
fn a_decoder_that_stalls_is_started_again_and_what_it_had_is_counted() {
    let report = report(&chain().at(1000, Event::Hang(DECODER, 2500 * MS)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(counted(&report, Counter::DecoderRestarts) > 0);
    assert!(counted(&report, Counter::DroppedDecoder) > 0);
}

#[test]
fn a_chain_is_unplugged_and_plugged_at_each_of_its_devices() {
    for node in [CAMERA, DECODER, ENCODER] {
        let plan = chain().at(1000, Event::Remove(node));
        let report = report(&plan.at(1500, Event::Return(node)));
        assert_eq!(report.exit, 0, "node {node}: {}", report.sentence);
        let published = counted(&report, Counter::FramesPublished);
        assert!(published > 400, "node {node}: {published}");
        assert!(dropped(&report) < 60, "node {node}: {}", dropped(&report));
    }
}

#[test]
fn frames_that_the_decoder_refuses_or_gives_back_as_another_buffers_are_counted() {
    for refuses in [true, false] {
        let plan = chain_of(|nature| {
            nature.mishaps.until = BEGIN + 5000 * MS;
            match refuses {
                true => nature.mishaps.refuses = 30,
                false => nature.mishaps.wrong_index = 30,
            }
        });
        // The judge compares what was taken from the camera with what was counted.
        let report = report(&plan);
        assert_eq!(report.exit, 0, "{}", report.sentence);
        assert!(counted(&report, Counter::DroppedDecoder) > 0);
    }
}

#[test]
fn a_camera_that_cannot_be_stopped_for_an_idle_time_gives_frames_after_it() {
    let mut plan = chain();
    plan.idle_ms = Some(1000);
    plan.faults.0.push(Fault {
        node: CAMERA,
        call: abi::VIDIOC_STREAMOFF,
        errno: Errno::IO,
        from: BEGIN + 1,
        until: EVER,
        skip: 0,
        times: 1,
    });
    let report = report(&plan);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(counted(&report, Counter::FramesPublished) > 30);
}

/// Rows of 80 pixels are 96 bytes to the decoder, and 128 to the encoder, which takes no others.
#[test]
fn a_decoder_that_does_not_keep_the_rows_that_it_was_asked_for_is_not_asked_again() {
    let plan = Plan::plain().with_encoder(|nature| nature.terms.row_align = 64);
    let plan = plan.with_chain(
        |nature| nature.size = (80, 60),
        |nature| (nature.own_rows, nature.terms.row_align) = (true, 32),
    );
    let report = report(&Plan {
        size: (80, 60),
        ..plan
    });
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(counted(&report, Counter::FramesPublished) > 100);
    assert!(counted(&report, Counter::RawBytesCopied) > 0);
}

#[test]
fn truncated_and_odd_frames_are_dropped_before_the_decoder() {
    let odd = |nature: &mut CameraNature| {
        nature.until = BEGIN + 4000 * MS;
        nature.coding = Some(Coding {
            padding: 2000,
            cuts: 200,
            junk: 50,
            ..Coding::default()
        });
    };
    // The judge knows that no damaged frame is published.
    let report = report(&Plan::plain().with_chain(odd, |_| {}));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let camera = counted(&report, Counter::DroppedCamera);
    assert!(camera > 10, "{camera}");
    assert_eq!(counted(&report, Counter::DroppedDecoder), 0);
    assert_eq!(counted(&report, Counter::DecoderRestarts), 0);
}

#[test]
fn a_camera_that_shows_another_size_is_attached_again_until_it_shows_the_one_it_was_asked_for() {
    let plan = chain().at(1000, Event::Shows(CAMERA, Some((96, 64))));
    let plan = plan.at(3000, Event::Shows(CAMERA, None));
    let report = report(&plan);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(counted(&report, Counter::CameraRestarts) > 1);
    // No such frame comes to the decoder.
    assert_eq!(counted(&report, Counter::DecoderRestarts), 0);
    assert_eq!(counted(&report, Counter::DroppedDecoder), 0);
    let dropped = dropped(&report);
    assert!((3..60).contains(&dropped), "{dropped}");
}

#[test]
fn a_decoder_that_is_too_slow_costs_frames_before_it_and_none_behind() {
    let report = report(&chain_of(|nature| nature.latency = (60 * MS, 70 * MS)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let behind = counted(&report, Counter::DroppedBehind);
    assert_eq!(dropped(&report), behind);
    let published = counted(&report, Counter::FramesPublished);
    assert!(behind > published / 3, "{behind} of {published}");
}

#[test]
fn an_encoder_that_has_every_slot_costs_frames_before_the_decoder_and_no_turns() {
    let plan = chain().with_encoder(|nature| nature.latency = (600 * MS, 600 * MS));
    let report = report(&plan.lasting(10_000));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let behind = counted(&report, Counter::DroppedBehind);
    assert!(behind > 100 && dropped(&report) == behind, "{behind}");
    assert_eq!(counted(&report, Counter::DecoderRestarts), 0);
    // A camera's 30 frames a second, what becomes of them, and no poll(2) that gives an error.
    let turns = report.turns * 1000 / (report.virtual_ns / MS);
    assert!(turns < 150, "{turns} turns a second");
}

#[test]
fn frames_that_the_decoder_loses_or_fails_are_counted_and_not_published() {
    for fails in [0, 1, 2] {
        let report = report(&chain_of(|nature| {
            nature.mishaps.until = BEGIN + 3000 * MS;
            match fails {
                0 => nature.mishaps.losses = 200,
                1 => nature.mishaps.errors = 200,
                _ => nature.mishaps.empty_errors = 200,
            }
        }));
        assert_eq!(report.exit, 0, "{}", report.sentence);
        let failed = counted(&report, Counter::DroppedDecoder);
        assert!(failed > 5 && dropped(&report) == failed, "{failed}");
        assert_eq!(counted(&report, Counter::DecoderRestarts), 0);
    }
}

#[test]
fn an_event_without_a_change_loses_nothing() {
    let report = report(&chain_of(|nature| {
        nature.mishaps.until = BEGIN + 3000 * MS;
        nature.mishaps.sudden_event = 100;
    }));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert_eq!(dropped(&report), 0);
    assert_eq!(counted(&report, Counter::DecoderRestarts), 0);
}

#[test]
fn an_end_of_the_decoder_that_nobody_asked_for_costs_a_start_and_what_was_inside() {
    for pipe in [true, false] {
        let report = report(&chain_of(|nature| {
            nature.mishaps.until = BEGIN + 3000 * MS;
            match pipe {
                true => nature.mishaps.sudden_pipe = 30,
                false => nature.mishaps.sudden_last = 30,
            }
        }));
        assert_eq!(report.exit, 0, "{}", report.sentence);
        let restarts = counted(&report, Counter::DecoderRestarts);
        assert!(restarts > 0);
        let inside = counted(&report, Counter::DroppedDecoder);
        assert!(inside <= 4 * restarts, "{inside} in {restarts}");
    }
}

#[test]
fn an_encoder_that_is_opened_again_has_its_new_buffers_filled() {
    let plan = chain().at(1000, Event::Remove(ENCODER));
    let report = report(&plan.at(1200, Event::Return(ENCODER)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert_eq!(counted(&report, Counter::Reopens), 1);
    assert_eq!(counted(&report, Counter::RawBytesCopied), 0);
    assert!(counted(&report, Counter::FramesPublished) > 500);
}

#[test]
fn an_idle_chain_starts_again_for_each_consumer() {
    let mut plan = chain().lasting(20_000);
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
fn an_end_publishes_what_was_in_the_decoder() {
    for ends in [
        Ends::Marks { alone: true },
        Ends::Marks { alone: false },
        Ends::Never,
        Ends::Unknown,
    ] {
        let mut plan = chain_of(|nature| {
            (nature.ends, nature.latency) = (ends, (30 * MS, 30 * MS));
        });
        plan.frames = Some(10);
        let report = report(&plan);
        assert_eq!(report.exit, 0, "{ends:?}: {}", report.sentence);
        assert_eq!(counted(&report, Counter::FramesPublished), 10, "{ends:?}");
    }
}

#[test]
fn a_decoder_that_wakes_the_loop_for_nothing_while_it_is_drained_is_not_asked_all_the_time() {
    let mut plan = chain_of(|nature| nature.latency = (30 * MS, 30 * MS));
    plan.frames = Some(10);
    let plan = plan.at(300, Event::Hang(DECODER, EVER));
    let plan = plan.at(300, Event::PollErrors(DECODER, EVER));
    let report = report(&plan);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(report.turns < 1000, "{} turns", report.turns);
}

#[test]
fn a_drain_through_both_stages_has_one_deadline() {
    let mut plan = chain().at(1000, Event::Hang(DECODER, EVER));
    (plan.drain_ms, plan.stall_ms) = (Some(500), 60_000);
    let report = report(&plan.at(1100, Event::Terminate));
    assert_eq!(report.exit, 8, "{}", report.sentence);
    let ms = report.virtual_ns / MS;
    assert!((1600..1700).contains(&ms), "{ms} ms");
}
