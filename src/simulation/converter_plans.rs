//! Plans with a converter between camera and encoder, by name: where its memory comes from, what fails, and what may be lost by it.
//!
//! What each seed's judge checks holds here, too: which frames come in, that nothing is written where the converter reads, and who has what.

use rustix::io::Errno;

use super::camera::CameraNature;
use super::chain::Conversion;
use super::clock::BEGIN;
use super::decoder::{Converts, DecoderNature, Ends};
use super::event::Event;
use super::faults::Fault;
use super::runner::{Report, counted, report};
use super::scenario::{CAMERA, DECODER as CONVERTER, ENCODER, Plan};
use crate::shm::stats::{Counter, DROPS};
use crate::time::MS;
use crate::types::flip::Flip;
use crate::v4l2::abi;

const EVER: u64 = u64::MAX;

/// Twice the stream's size, mirrored from left to right.
const WANTED: Conversion = Conversion {
    size: Some((128, 96)),
    flip: Flip {
        horizontal: true,
        vertical: false,
    },
};

/// A converter that goes on, in an engine whose deadlines are far away: 30 frames a second.
fn plan(
    camera: impl FnOnce(&mut CameraNature),
    converter: impl FnOnce(&mut DecoderNature),
) -> Plan {
    let mut plan = Plan::plain().with_converter(
        WANTED,
        |nature| {
            nature.interval = 33 * MS;
            camera(nature);
        },
        converter,
    );
    (plan.drain_ms, plan.wait_device_ms) = (Some(60_000), 60_000);
    plan
}

fn converter(change: impl FnOnce(&mut DecoderNature)) -> Plan {
    plan(|_| {}, change)
}

fn plain() -> Plan {
    converter(|_| {})
}

/// How its OUTPUT queue is.
fn input(change: impl FnOnce(&mut Converts)) -> impl FnOnce(&mut DecoderNature) {
    |nature| nature.converts.iter_mut().for_each(change_once(change))
}

fn change_once<T>(change: impl FnOnce(&mut T)) -> impl FnMut(&mut T) {
    let mut change = Some(change);
    move |to| {
        if let Some(change) = change.take() {
            change(to);
        }
    }
}

fn dropped(report: &Report) -> u64 {
    DROPS.iter().map(|&reason| counted(report, reason)).sum()
}

/// That each frame is published, and none was copied or lost.
fn nothing_is_lost(plan: &Plan) {
    let report = report(plan);
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let published = counted(&report, Counter::FramesPublished);
    assert!(published > 500, "{published}");
    assert_eq!(
        (dropped(&report), published),
        (0, counted(&report, Counter::FramesCommitted))
    );
    for none in [
        Counter::RawBytesCopied,
        Counter::CameraBytesCopied,
        Counter::JpegTablesAdded,
        Counter::CameraRestarts,
        Counter::ConverterRestarts,
        Counter::Restarts,
    ] {
        assert_eq!(counted(&report, none), 0, "{none:?}");
    }
}

#[test]
fn where_nothing_is_wrong_each_frame_is_published_and_none_is_copied() {
    nothing_is_lost(&plain());
}

#[test]
fn a_camera_that_fills_no_buffers_of_others_has_its_own_read() {
    nothing_is_lost(&plan(|nature| nature.imports = false, |_| {}));
}

#[test]
fn a_converter_that_exports_no_buffers_reads_the_cameras() {
    nothing_is_lost(&converter(input(|input| input.exports = false)));
}

#[test]
fn a_camera_or_converter_that_needs_more_buffers_gets_them() {
    nothing_is_lost(&plan(|nature| nature.buffers = (7, 32), |_| {}));
    nothing_is_lost(&converter(|nature| nature.outputs = (8, 32)));
    nothing_is_lost(&converter(|nature| nature.captures = (9, 32)));
}

#[test]
fn a_converter_that_fills_no_buffers_of_others_has_its_own_read_by_the_encoder() {
    nothing_is_lost(&converter(|nature| nature.imports = false));
}

/// Rows of 128 pixels are 128 bytes to the converter, and 192 to the camera, or the other way round.
#[test]
fn whoever_has_rows_of_its_own_gives_them_to_the_other() {
    nothing_is_lost(&plan(|nature| nature.terms.row_align = 96, |_| {}));
    nothing_is_lost(&converter(input(|input| input.terms.row_align = 96)));
}

#[test]
fn where_neither_can_use_the_others_buffers_the_engine_does_not_start() {
    let alone = plan(
        |nature| nature.imports = false,
        input(|input| input.imports = false),
    );
    let report = report(&alone);
    assert_eq!(report.exit, 5);
    assert!(report.sentence.contains("/dev/video12: VIDIOC_REQBUFS"));
}

#[test]
fn a_chain_is_unplugged_and_plugged_at_each_of_its_devices() {
    for node in [CAMERA, CONVERTER, ENCODER] {
        let plan = plain().at(1000, Event::Remove(node));
        let report = report(&plan.at(1500, Event::Return(node)));
        assert_eq!(report.exit, 0, "node {node}: {}", report.sentence);
        let published = counted(&report, Counter::FramesPublished);
        assert!(published > 400, "node {node}: {published}");
        assert!(dropped(&report) < 60, "node {node}: {}", dropped(&report));
    }
}

#[test]
fn a_converter_that_does_not_come_back_is_called_a_converter() {
    let report = report(&plain().at(1000, Event::Remove(CONVERTER)));
    assert_eq!(report.exit, 6);
    let words = "/dev/video12: the converter does not work again within";
    assert!(report.sentence.contains(words), "{}", report.sentence);
}

#[test]
fn a_converter_that_stalls_is_started_again_and_what_it_had_is_counted() {
    let report = report(&plain().at(1000, Event::Hang(CONVERTER, 2500 * MS)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert!(counted(&report, Counter::ConverterRestarts) > 0);
    let inside = counted(&report, Counter::DroppedConverter);
    assert!((1..=9).contains(&inside), "{inside}");
}

#[test]
fn frames_that_it_loses_fails_or_refuses_are_counted_and_not_published() {
    for which in 0..4 {
        let report = report(&converter(|nature| {
            let mishaps = &mut nature.mishaps;
            mishaps.until = BEGIN + 3000 * MS;
            *[
                &mut mishaps.losses,
                &mut mishaps.errors,
                &mut mishaps.empty_errors,
                &mut mishaps.refuses,
            ][which] = 200;
        }));
        assert_eq!(report.exit, 0, "{which}: {}", report.sentence);
        let failed = counted(&report, Counter::DroppedConverter);
        assert!(
            failed > 5 && dropped(&report) == failed,
            "{which}: {failed}"
        );
        let restarts = counted(&report, Counter::ConverterRestarts);
        assert_eq!(restarts > 0, which == 3, "{which}: {restarts}");
    }
}

/// One that gives back a buffer which it does not have keeps another for ever: it is started again before it has them all.
#[test]
fn a_converter_that_cannot_count_is_started_again() {
    for output in [true, false] {
        let report = report(&converter(|nature| {
            nature.mishaps.until = BEGIN + 3000 * MS;
            match output {
                true => nature.mishaps.wrong_input = 100,
                false => nature.mishaps.wrong_index = 100,
            }
        }));
        assert_eq!(report.exit, 0, "{}", report.sentence);
        let published = counted(&report, Counter::FramesPublished);
        assert!(published > 400, "{output}: {published}");
        let restarts = counted(&report, Counter::ConverterRestarts);
        assert!(restarts > 0, "{output}: {published} {}", dropped(&report));
    }
}

#[test]
fn an_end_that_nobody_asked_for_costs_a_start_and_what_was_inside() {
    for pipe in [true, false] {
        let report = report(&converter(|nature| {
            nature.mishaps.until = BEGIN + 3000 * MS;
            match pipe {
                true => nature.mishaps.sudden_pipe = 30,
                false => nature.mishaps.sudden_last = 30,
            }
        }));
        assert_eq!(report.exit, 0, "{}", report.sentence);
        let restarts = counted(&report, Counter::ConverterRestarts);
        assert!(restarts > 0);
        let inside = counted(&report, Counter::DroppedConverter);
        assert!(inside <= 4 * restarts, "{inside} in {restarts}");
    }
}

#[test]
fn an_end_publishes_what_was_in_the_converter() {
    for ends in [
        Ends::Unknown,
        Ends::Marks { alone: true },
        Ends::Marks { alone: false },
        Ends::Never,
    ] {
        let mut plan = converter(|nature| {
            (nature.ends, nature.latency) = (ends, (30 * MS, 30 * MS));
        });
        plan.frames = Some(10);
        let report = report(&plan);
        assert_eq!(report.exit, 0, "{ends:?}: {}", report.sentence);
        assert_eq!(counted(&report, Counter::FramesPublished), 10, "{ends:?}");
    }
}

#[test]
fn a_converter_that_is_too_slow_costs_frames_before_it_and_none_behind() {
    let report = report(&converter(|nature| nature.latency = (60 * MS, 70 * MS)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let behind = counted(&report, Counter::DroppedBehind);
    assert_eq!(dropped(&report), behind);
    let published = counted(&report, Counter::FramesPublished);
    assert!(behind > published / 3, "{behind} of {published}");
}

#[test]
fn an_encoder_that_has_every_slot_costs_frames_before_the_converter_and_no_turns() {
    let plan = plain().with_encoder(|nature| nature.latency = (600 * MS, 600 * MS));
    let report = report(&plan.lasting(10_000));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let behind = counted(&report, Counter::DroppedBehind);
    // A frame for which there is no buffer is thrown away by the converter.
    assert!(behind > 100 && dropped(&report) == behind, "{behind}");
    assert_eq!(counted(&report, Counter::ConverterRestarts), 0);
    let turns = report.turns * 1000 / (report.virtual_ns / MS);
    assert!(turns < 150, "{turns} turns a second");
}

#[test]
fn damaged_frames_are_dropped_before_the_converter() {
    let odd = |nature: &mut CameraNature| {
        nature.until = BEGIN + 4000 * MS;
        (nature.damages, nature.shorts) = (100, 100);
    };
    // The judge knows that no damaged frame is published.
    let report = report(&plan(odd, |_| {}));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    let camera = counted(&report, Counter::DroppedCamera);
    assert!(camera > 10 && dropped(&report) == camera, "{camera}");
}

#[test]
fn an_encoder_that_is_opened_again_has_its_new_buffers_filled() {
    let plan = plain().at(1000, Event::Remove(ENCODER));
    let report = report(&plan.at(1200, Event::Return(ENCODER)));
    assert_eq!(report.exit, 0, "{}", report.sentence);
    assert_eq!(counted(&report, Counter::Reopens), 1);
    assert_eq!(counted(&report, Counter::RawBytesCopied), 0);
    assert!(counted(&report, Counter::FramesPublished) > 500);
}

/// Each call on the converter that a turn makes fails once: that costs a start at most, or the device is opened again.
#[test]
fn each_call_on_the_converter_that_fails_once_is_recovered_from() {
    let calls = [abi::VIDIOC_QBUF, abi::VIDIOC_DQBUF];
    let errnos = [Errno::IO, Errno::INVAL, Errno::NODEV, Errno::PIPE];
    for (at, errno) in errnos.into_iter().enumerate() {
        for call in calls {
            let mut plan = plain().lasting(2000);
            plan.faults.0.push(Fault {
                node: CONVERTER,
                call,
                errno,
                from: BEGIN + 500 * MS,
                until: EVER,
                skip: at as u32 * 2,
                times: 1,
            });
            let report = report(&plan);
            assert_eq!(report.exit, 0, "{call} {errno:?}: {}", report.sentence);
            let dropped = dropped(&report);
            assert!(dropped < 60, "{call} {errno:?}: {dropped}");
        }
    }
}
