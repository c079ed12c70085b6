//! The tests: a fixed number of seeds, seeds that once failed, and as many as the environment says.

use std::collections::BTreeMap;
use std::env::var;
use std::format;
use std::string::String;
use std::time::Instant;
use std::vec::Vec;
use std::{eprintln, print, println};

use super::encoder::Stops;
use super::event::Event;
use super::runner::{Report, counted, report, run};
use super::scenario::{ENCODER, Plan};
use super::shrink::shrink;
use super::stranger::Manner as Stranger;
use super::supervisor::WATCHDOG_NS;
use crate::limits::COUNTERS;
use crate::shm::stats::Counter;
use crate::time::MS;

/// Seeds of each `cargo test`.
const SEEDS: u64 = 100;

/// Runs a seed; what is wrong with it, with a smaller plan for which the same is, and the last things that happened.
fn try_seed(seed: u64, explains: bool) -> Result<Report, String> {
    let plan = Plan::new(seed);
    run(&plan, false).map_err(|wrong| {
        let what = format!("seed {seed}: {}", wrong.what);
        if !explains {
            return what;
        }
        let plan = shrink(&plan, &wrong.what);
        let trace = match run(&plan, true) {
            Err(again) => again.trace.join("\n"),
            Ok(_) => "the run cannot be repeated".into(),
        };
        format!("{what}\n{}\n{trace}\n{what}", plan.summary())
    })
}

#[expect(clippy::panic, reason = "how a test fails")]
fn check(seed: u64) {
    if let Err(wrong) = try_seed(seed, true) {
        panic!("{wrong}");
    }
}

#[test]
fn the_engine_keeps_its_promises_in_every_seed() {
    for seed in 0..SEEDS {
        check(seed);
    }
}

#[test]
fn where_nothing_is_wrong_each_frame_is_published() {
    let report = report(&Plan::plain());
    assert_eq!(report.exit, 0);
    assert_eq!(
        counted(&report, Counter::FramesPublished),
        counted(&report, Counter::FramesCommitted)
    );
    for recovery in [Counter::Restarts, Counter::Reopens, Counter::Stalls] {
        assert_eq!(counted(&report, recovery), 0, "{recovery:?}");
    }
}

/// An engine that is about to end by itself, because its one producer is done, and whose encoder takes its time.
fn ending_by_itself() -> Plan {
    let mut plan = Plan::plain().with_encoder(|nature| nature.latency = (400 * MS, 400 * MS));
    plan.once = true;
    plan.producers[0].frames = 3;
    plan
}

#[test]
fn a_first_signal_does_not_cut_an_end_short_that_began_by_itself() {
    let report = report(&ending_by_itself().at(200, Event::Terminate));
    assert_eq!(
        (report.exit, counted(&report, Counter::FramesPublished)),
        (0, 3)
    );
}

#[test]
fn a_second_signal_ends_the_engine_at_once() {
    let plan = ending_by_itself().at(200, Event::Terminate);
    let report = report(&plan.at(210, Event::Terminate));
    assert_eq!(
        (report.exit, counted(&report, Counter::FramesPublished)),
        (8, 0)
    );
    assert!(report.virtual_ns < 250 * MS, "{}", report.virtual_ns);
}

#[test]
fn a_producer_that_waits_for_the_encoder_is_told_at_once_that_the_engine_ends() {
    // The drain before the change never ends, and the end's drain lasts longer than a client waits.
    let mut plan = Plan::plain().with_encoder(|nature| {
        (nature.stops, nature.ahead) = (Stops::Never, 1);
    });
    let mut second = plan.producers[0].clone();
    second.after = 300 * MS;
    plan.producers[0].finishes = false;
    plan.producers.push(second);
    let report = report(&plan.at(1500, Event::Terminate));
    assert_eq!(counted(&report, Counter::RefusedEnding), 1);
}

#[test]
fn slots_of_a_producer_that_was_cut_off_come_back() {
    for liar in [Stranger::BadCursor, Stranger::BadSlot] {
        let mut plan = Plan::plain();
        plan.strangers.push(liar);
        let report = report(&plan);
        assert!(counted(&report, Counter::ProducersCutOff) > 0);
        assert_eq!(report.exit, 0);
    }
}

#[test]
fn a_supervisor_hears_each_state_and_that_the_loop_turns() {
    let mut plan = Plan::plain().at(1000, Event::Remove(ENCODER));
    plan = plan.at(1600, Event::Return(ENCODER));
    plan.supervised = Some(50 * MS);
    let heard = report(&plan).heard;
    let states = heard.iter().filter_map(|(_, message)| {
        let lines = message.strip_suffix("WATCHDOG=1")?;
        (!lines.is_empty()).then(|| lines.trim().replace('\n', " "))
    });
    let states: Vec<_> = states.collect();
    assert_eq!(
        states,
        [
            "READY=1 STATUS=running",
            "READY=1 STATUS=recovering",
            "READY=1 STATUS=running",
            "STOPPING=1 STATUS=draining"
        ]
    );
    let half = WATCHDOG_NS / 2;
    for pair in heard.windows(2) {
        let pause = pair[1].0 - pair[0].0;
        assert!(pause <= half + 50 * MS, "{pause} ns of silence: {pair:?}");
    }
}

/// `scripts/simulate`.
#[test]
#[ignore = "as long as the environment says: scripts/simulate runs it"]
fn simulate() {
    let number = |name, default| {
        var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (first, seeds) = (
        number("FRAMEMILL_FIRST_SEED", 0),
        number("FRAMEMILL_SEEDS", 1000),
    );
    let keep_on = var("FRAMEMILL_KEEP_ON").is_ok();
    let only_chains = var("FRAMEMILL_CHAINS").is_ok();
    let only_converters = var("FRAMEMILL_CONVERTERS").is_ok();
    let only_passing = var("FRAMEMILL_PASSING").is_ok();
    let skipped = |plan: &Plan| {
        only_chains && !plan.chain
            || only_converters && plan.conversion.is_none()
            || only_passing && !plan.passes()
    };
    let began = Instant::now();
    let tells = var("FRAMEMILL_TELL").is_ok();
    let mut counters = [0; COUNTERS];
    let mut exits = BTreeMap::new();
    let (mut turns, mut calls, mut packets, mut virtual_ns, mut failed) = (0, 0, 0, 0, 0);
    let all = first..first + seeds;
    for seed in all.filter(|&seed| !skipped(&Plan::new(seed))) {
        match try_seed(seed, !keep_on) {
            Ok(report) => {
                *exits.entry(report.exit).or_insert(0) += 1;
                for (sum, counter) in counters.iter_mut().zip(report.counters) {
                    *sum += counter;
                }
                if tells && report.exit != 0 {
                    println!("seed {seed} ends with {}: {}", report.exit, report.sentence);
                }
                turns += report.turns;
                calls += report.calls;
                packets += report.packets;
                virtual_ns += report.virtual_ns;
            }
            Err(wrong) if keep_on => {
                failed += 1;
                println!("{wrong}");
            }
            Err(wrong) => {
                eprintln!("{wrong}");
                failed += 1;
                break;
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "{seeds} seeds from {first}, {failed} failed: {turns} turns, {calls} calls, {packets} packets, {} virtual seconds in {took:.1} s: {:.0} turns a second",
        virtual_ns / 1_000_000_000,
        turns as f64 / took
    );
    println!("seeds by exit code: {exits:?}");
    for (counter, name) in Counter::ALL {
        print!("{name} {}, ", counters[*counter as usize]);
    }
    println!();
    assert_eq!(failed, 0, "see above");
}
