//! Engine, producer and consumer of different word sizes: the rings are the same memory for all, and the stream the same bytes.
//!
//! Knows all binaries of scripts/build that a guest runs; the other tests know one.

use crate::frames::Picture;
use crate::support::{Guest, built};

/// As `scripts/vm --arch` names them.
const ARCHES: [&str; 3] = ["aarch64", "armv7", "armv6"];

/// One stream, with stat and settings on the way: `stream OUT ENGINE PRODUCER CONSUMER`.
const STREAM: &str = r"
    stream() {
        out=$1 engine=/host/$2 producer=/host/$3 consumer=/host/$4
        start run $engine run $encoder --size 640x480 --format YU12 --fps 30 --gop 30 --once
        until_true grep -q 'running: ' run.log
        start tap $consumer tap --wait 5000 --from oldest --all --to /host/$out
        until_true reached consumers_attached 1
        $consumer stat --json >/dev/null || give_up stat
        $producer push --wait 5000 --from /host/in --fps max 2>push.log || give_up push
        ended tap
        ended run
        say $out.accounts $(sed -n 's/.*framemill: ended: //p' run.log | tr ' ' _)
    }
";

#[test]
#[ignore = "boots the guest with all binaries: scripts/test"]
fn programs_of_all_widths_share_the_rings_and_make_the_same_stream() {
    let guest = Guest::h264("widths");
    for arch in ARCHES {
        guest.put_program(arch, &built(arch));
    }
    guest.put("in", &Picture::new("YU12", 640, 480).noisy(0..10));
    let mixed = [
        ["aarch64", "aarch64", "aarch64"],
        ["aarch64", "armv7", "armv6"],
        ["armv7", "aarch64", "armv7"],
        ["armv6", "aarch64", "armv7"],
        ["aarch64", "armv6", "aarch64"],
    ];
    let mut script = STREAM.to_owned();
    for (number, [engine, producer, consumer]) in mixed.iter().enumerate() {
        script += &format!("\nstream out{number} {engine} {producer} {consumer}");
    }
    let outcome = guest.run(&script);
    outcome.succeeded(&["run", "tap"]);
    for number in 0..mixed.len() {
        let accounts = outcome.said(&format!("out{number}.accounts"));
        assert_eq!(accounts, "10_frames_in,_10_packets_out,_0_frames_dropped");
        outcome.same("out0", &format!("out{number}"));
    }
    assert!(outcome.decoded("out0").starts_with(&outcome.bytes("in")));
}

#[test]
#[ignore = "boots the 32-bit guests, too: scripts/test --full"]
fn natively_each_kernel_has_the_same_stream() {
    let streams = ARCHES.map(|name| {
        let guest = Guest::h264(&format!("native-{name}")).on(name);
        guest.put_program(name, &built(name));
        guest.put("in", &Picture::new("YU12", 640, 480).noisy(0..10));
        let outcome = guest.run(&format!(
            "{STREAM}\nstream out {name} {name} {name}\nsay machine $(uname -m)"
        ));
        outcome.succeeded(&["run", "tap"]);
        let machine = if name == "aarch64" { name } else { &name[..3] };
        assert!(
            outcome.said("machine").starts_with(machine),
            "{}",
            outcome.story()
        );
        outcome.bytes("out")
    });
    let same = streams.iter().all(|stream| *stream == streams[0]);
    assert!(same, "{:?} bytes", streams.map(|stream| stream.len()));
}
