//! Plans with a camera that codes and a decoder, by name: what fails in the chain, and what may be lost by it.
//!
//! What each seed's judge checks holds here, too.

use rustix::io::Errno;

use super::clock::BEGIN;
use super::decoder::DecoderNature;
use super::event::Event;
use super::faults::Fault;
use super::runner::{Report, counted, report};
use super::scenario::{CAMERA, DECODER, ENCODER, Plan};
use crate::shm::stats::{Counter, DROPS};
use crate::time::MS;
use crate::v4l2::abi;

const EVER: u64 = u64::MAX;

/// A chain that goes on, in an engine whose deadlines are far away: 30 pictures a second.
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
fn where_nothing_is_wrong_each_picture_is_published_without_a_copy_of_a_raw_one() {
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
fn pictures_that_the_decoder_refuses_or_gives_back_as_another_buffers_are_counted() {
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
fn a_camera_that_cannot_be_stopped_for_an_idle_time_gives_pictures_after_it() {
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
fn a_drain_through_both_stages_has_one_deadline() {
    let mut plan = chain().at(1000, Event::Hang(DECODER, EVER));
    (plan.drain_ms, plan.stall_ms) = (Some(500), 60_000);
    let report = report(&plan.at(1100, Event::Terminate));
    assert_eq!(report.exit, 8, "{}", report.sentence);
    let ms = report.virtual_ns / MS;
    assert!((1600..1700).contains(&ms), "{ms} ms");
}
