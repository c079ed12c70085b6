//! What a frame costs, in instructions, against what was recorded when it was last looked at: `tests/bench/recorded`.
//!
//! `scripts/bench --gate` counts them, exactly: the same program gives the same number whatever else the machine does. A change that makes the
//! engine dearer by more than 3 % fails here; one that is meant to, and one that makes it cheaper, writes the new numbers down.

use std::collections::BTreeMap;
use std::process::Command;
use std::{env, fs};

use crate::support::{built, root};

/// `NAME=NUMBER` lines; others are comments.
fn numbers(text: &str) -> BTreeMap<&str, u64> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .filter_map(|(name, number)| Some((name, number.trim().parse().ok()?)))
        .collect()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_frame_costs_no_more_instructions_than_recorded() {
    let binary = env::var_os("FRAMEMILL_BIN").unwrap_or_else(|| built("aarch64").into());
    let output = Command::new(root().join("scripts/bench"))
        .arg("--gate")
        .env("FRAMEMILL_BIN", binary)
        .env_remove("FRAMEMILL_ARCH")
        // The kernel that the numbers are of.
        .env("FRAMEMILL_LINUX", "6.1")
        .output()
        .expect("scripts/bench runs");
    let [said, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{said}{errors}");
    let measured = numbers(&said);
    let text = fs::read_to_string(root().join("tests/bench/recorded")).unwrap();
    let recorded = numbers(&text);
    println!("measured {measured:?}, recorded {recorded:?}");
    assert!(
        !recorded.is_empty() && recorded.keys().eq(measured.keys()),
        "{measured:?} {recorded:?}"
    );
    for (name, recorded) in recorded {
        let measured = measured[name];
        assert!(
            measured * 100 <= recorded * 103,
            "{name}: {measured} instructions a frame, and {recorded} recorded in tests/bench/recorded; \
             scripts/bench --short --parts mill shows what of"
        );
        // Or what was gained could be lost again unseen.
        assert!(
            measured * 100 >= recorded * 90,
            "{name}: {measured} instructions a frame, far fewer than the {recorded} in tests/bench/recorded: write the new number down"
        );
    }
}
