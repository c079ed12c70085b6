//! The tests: a fixed number of seeds, seeds that once failed, and as many as the environment says.

use std::collections::BTreeMap;
use std::env::var;
use std::format;
use std::string::String;
use std::time::Instant;
use std::{eprintln, println};

use super::runner::{Report, run};
use super::scenario::Plan;

/// Seeds of each `cargo test`.
const SEEDS: u64 = 120;

/// Runs a seed; what is wrong with it, with its plan and the last things that happened.
fn try_seed(seed: u64) -> Result<Report, String> {
    let plan = Plan::new(seed);
    run(&plan, false).map_err(|wrong| {
        let again = run(&plan, true);
        let trace = match &again {
            Err(again) if again.what == wrong.what => again.trace.join("\n"),
            other => format!(
                "the second run was another: {:?}",
                other.as_ref().map_err(|w| &w.what)
            ),
        };
        format!(
            "seed {seed}: {}\n{}\n{trace}\nseed {seed}: {}",
            wrong.what,
            plan.summary(),
            wrong.what
        )
    })
}

#[expect(clippy::panic, reason = "how a test fails")]
fn check(seed: u64) {
    if let Err(wrong) = try_seed(seed) {
        panic!("{wrong}");
    }
}

#[test]
fn the_engine_keeps_its_promises_in_every_seed() {
    for seed in 0..SEEDS {
        check(seed);
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
    let began = Instant::now();
    let mut exits = BTreeMap::new();
    let (mut turns, mut calls, mut packets, mut virtual_ns, mut failed) = (0, 0, 0, 0, 0);
    for seed in first..first + seeds {
        match try_seed(seed) {
            Ok(report) => {
                *exits.entry(report.exit).or_insert(0) += 1;
                turns += report.turns;
                calls += report.calls;
                packets += report.packets;
                virtual_ns += report.virtual_ns;
            }
            Err(wrong) if keep_on => {
                failed += 1;
                println!("{}", wrong.lines().next().unwrap_or_default());
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
    assert_eq!(failed, 0, "see above");
}
