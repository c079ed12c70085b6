//! Plans with a decoder and a converter between a camera and the encoder, by name: what fails in either, and what may be lost by it.
//!
//! What each seed's judge checks holds here, too: which frames come in, that nothing is written where the converter reads, and who has what.

use super::chain::Conversion;
use super::clock::BEGIN;
use super::consumer;
use super::decoder::{DecoderNature, Ends};
use super::event::Event;
use super::runner::{Report, counted, report};
use super::scenario::{BEHIND_DECODER as CONVERTER, CAMERA, DECODER, ENCODER, Plan};
use crate::client::Start;
use crate::shm::stats::{Counter, DROPS};
use crate::time::MS;
use crate::types::flip::Flip;

const EVER: u64 = u64::MAX;

/// In this size a decoder makes rows of padding, of which the converter reads none.
const WANTED: Conversion = Conversion {
    size: Some((128, 72)),
    flip: Flip {
        horizontal: true,
        vertical: false,
    },
};

/// A chain that goes on, in an engine whose deadlines are far away: 30 frames a second.
fn stages(
    decoder: impl FnOnce(&mut DecoderNature),
    converter: impl FnOnce(&mut DecoderNature),
) -> Plan {
    let camera = |nature: &mut super::camera::CameraNature| nature.interval = 33 * MS;
    let mut plan = Plan::plain().with_stages(WANTED, camera, decoder, converter);
    (plan.drain_ms, plan.wait_device_ms) = (Some(60_000), 60_000);
    plan
}

fn plain() -> Plan {
    stages(|_| {}, |_| {})
}

fn dropped(report: &Report) -> u64 {
    DROPS.iter().map(|&reason| counted(report, reason)).sum()
}

#[test]
fn where_nothing_is_wrong_each_frame_is_published_without_a_copy_of_a_raw_one() {
    // Who has whose buffers does not matter, as long as there is a way.
    for (decoder_imports, converter_imports) in [(true, true), (true, false), (false, true)] {
        let report = report(&stages(
            |nature| nature.imports = decoder_imports,
            |nature| {
                let input = nature.converts.as_mut().expect("a converter");
                input.imports = converter_imports;
            },
        ));
        assert_eq!(report.exit, 0, "{}", report.sentence);
        let published = counted(&report, Counter::FramesPublished);
        assert!(published > 100, "{published}");
        assert_eq!(dropped(&report), 0);
        assert_eq!(published, counted(&report, Counter::FramesCommitted));
        assert_eq!(counted(&report, Counter::RawBytesCopied), 0);
        // Each takes 4 ms for a frame.
        for took in [Counter::DecodeUs, Counter::ConvertUs] {
            assert!(counted(&report, took) / published >= 4000, "{took:?}");
        }
        for failure in [
            Counter::CameraRestarts,
            Counter::DecoderRestarts,
            Counter::ConverterRestarts,
            Counter::Restarts,
        ] {
            assert_eq!(counted(&report, failure), 0, "{failure:?}");
        }
    }
}

#[test]
fn a_chain_that_has_no_way_to_common_buffers_does_not_start() {
    let report = report(&stages(
        |nature| nature.imports = false,
        |nature| {
            let input = nature.converts.as_mut().expect("a converter");
            input.imports = false;
        },
    ));
    assert_ne!(report.exit, 0);
    assert!(
        report.sentence.contains("/dev/video12: "),
        "{}",
        report.sentence
    );
}

#[test]
fn the_stage_that_stalls_is_counted_and_named() {
    for (node, restarts, lost, name) in [
        (
            DECODER,
            Counter::DecoderRestarts,
            Counter::DroppedDecoder,
            "/dev/video10: the decoder does not work again",
        ),
        (
            CONVERTER,
            Counter::ConverterRestarts,
            Counter::DroppedConverter,
            "/dev/video12: the converter does not work again",
        ),
    ] {
        let short = report(&plain().at(1000, Event::Hang(node, 2500 * MS)));
        assert_eq!(short.exit, 0, "{}", short.sentence);
        assert!(counted(&short, restarts) > 0 && counted(&short, lost) > 0);
        let others = [Counter::DecoderRestarts, Counter::ConverterRestarts];
        let all: u64 = others.iter().map(|&one| counted(&short, one)).sum();
        assert_eq!(all, counted(&short, restarts), "{node}");
        let ever = report(&plain().lasting(60_000).at(1000, Event::Hang(node, EVER)));
        assert_eq!(ever.exit, 7, "{}", ever.sentence);
        assert!(ever.sentence.contains(name), "{}", ever.sentence);
    }
}

#[test]
fn a_chain_is_unplugged_and_plugged_at_each_of_its_devices() {
    for node in [CAMERA, DECODER, CONVERTER, ENCODER] {
        let plan = plain().at(1000, Event::Remove(node));
        let report = report(&plan.at(1500, Event::Return(node)));
        assert_eq!(report.exit, 0, "node {node}: {}", report.sentence);
        assert!(counted(&report, Counter::FramesPublished) > 60, "{node}");
        assert!(dropped(&report) < 60, "node {node}: {}", dropped(&report));
        assert_eq!(counted(&report, Counter::RawBytesCopied), 0, "{node}");
    }
}

#[test]
fn whatever_is_too_slow_costs_frames_before_the_decoder_and_none_behind() {
    let slow = |nature: &mut DecoderNature| nature.latency = (60 * MS, 70 * MS);
    let encoder = plain().with_encoder(|nature| nature.latency = (600 * MS, 600 * MS));
    for plan in [stages(slow, |_| {}), stages(|_| {}, slow), encoder] {
        let report = report(&plan.lasting(10_000));
        assert_eq!(report.exit, 0, "{}", report.sentence);
        let behind = counted(&report, Counter::DroppedBehind);
        assert_eq!(dropped(&report), behind);
        assert!(behind > 20, "{behind}");
        assert!(counted(&report, Counter::FramesPublished) > 10);
        // A camera's frames, what becomes of them, and no poll(2) that gives an error.
        let turns = report.turns * 1000 / (report.virtual_ns / MS);
        assert!(turns < 250, "{turns} turns a second");
    }
}

#[test]
fn what_either_stage_loses_or_fails_is_counted_as_its_own() {
    for fails in 0..3 {
        let fails = |nature: &mut DecoderNature| {
            nature.mishaps.until = BEGIN + 3000 * MS;
            match fails {
                0 => nature.mishaps.losses = 200,
                1 => nature.mishaps.errors = 200,
                _ => nature.mishaps.empty_errors = 200,
            }
        };
        for (plan, counter) in [
            (stages(fails, |_| {}), Counter::DroppedDecoder),
            (stages(|_| {}, fails), Counter::DroppedConverter),
        ] {
            let report = report(&plan);
            assert_eq!(report.exit, 0, "{}", report.sentence);
            let failed = counted(&report, counter);
            assert!(
                failed > 5 && dropped(&report) == failed,
                "{counter:?} {failed}"
            );
            assert_eq!(counted(&report, Counter::DecoderRestarts), 0);
            assert_eq!(counted(&report, Counter::ConverterRestarts), 0);
        }
    }
}

#[test]
fn an_end_publishes_what_was_in_both_stages() {
    for ends in [
        Ends::Marks { alone: true },
        Ends::Marks { alone: false },
        Ends::Never,
        Ends::Unknown,
    ] {
        let slow = |nature: &mut DecoderNature| {
            (nature.ends, nature.latency) = (ends, (30 * MS, 30 * MS));
        };
        let mut plan = stages(slow, slow);
        plan.frames = Some(10);
        let report = report(&plan);
        assert_eq!(report.exit, 0, "{ends:?}: {}", report.sentence);
        assert_eq!(counted(&report, Counter::FramesPublished), 10, "{ends:?}");
    }
}

#[test]
fn a_drain_through_all_stages_has_one_deadline_and_names_what_keeps_its_frames() {
    for (node, keeper) in [
        (DECODER, "the decoder does not give what it has: "),
        (CONVERTER, "the converter does not give what it has: "),
        // Of those before it, which wait for its slots, none is to blame.
        (ENCODER, ""),
    ] {
        let mut plan = plain().at(1000, Event::Hang(node, EVER));
        (plan.drain_ms, plan.stall_ms) = (Some(500), 60_000);
        let report = report(&plan.at(1100, Event::Terminate));
        assert_eq!(report.exit, 8, "{}", report.sentence);
        let stopping = counted(&report, Counter::DroppedStopping);
        assert!((1..20).contains(&stopping), "{stopping}");
        let words = std::format!(": {keeper}the drain was cut short: {stopping} frames are lost");
        assert!(report.sentence.ends_with(&words), "{}", report.sentence);
    }
}

#[test]
fn idle_stages_start_again_for_each_consumer() {
    let mut plan = plain().lasting(20_000);
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
