//! Troubles that take a kernel to make: memory that is refused on the encoder's return, a node that is a link, a listener that fails.
//!
//! Two troubles at once that take no kernel, an end or a change in the middle of a failure, are plans of the simulation
//! (`src/simulation/plans.rs`).

use crate::accounting::{stat, summary};
use crate::camera::{CAMERA, sums};
use crate::support::{Guest, Outcome};

/// The guest's own clock, ms, and what passed since; what the engine said so many times; and what the encoder does.
const STEPS: &str = r#"
    up() { awk '{ print int($1 * 1000) }' /proc/uptime; }
    since() { say took $(($(up) - $1)); }
    told() { [ "$(grep -c "$1" run.log)" -ge "$2" ]; }
    works() { try push framemill push --wait 10000 --fps 60 --frames 30; }
    # refused NAME: the encoder leaves, and refuses on its return the memory that it imported before.
    refused() {
        until_true reached packets 10
        say $1.imported $(framemill stat --json | grep -c '.memory.:.import')
        knob away 1
        sleep 0.2
        knob refuse_memory 4; knob refuse_errno 12; knob away 0
        more 10
        framemill stat --json >/host/$1.json
        knob refuse_errno 0
    }
"#;

/// That every frame came out or was counted. Gives how many were dropped.
fn counted(outcome: &Outcome, log: &str) -> u64 {
    let [frames, packets, dropped] = sums(&outcome.text(log));
    assert_eq!(frames, packets + dropped, "{log}: {}", outcome.story());
    dropped as u64
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn whose_memory_is_refused_on_the_encoders_return_is_copied_or_attaches_again() {
    let guest = Guest::h264("troubles-memory").steady();
    let outcome = guest.run(&format!(
        "{CAMERA}{STEPS}{}",
        r"
        knob null_mode Y
        # A camera. EXPBUF has no answer: the encoder's buffers cannot be filled by it.
        knob false_answers 1
        engine camera --camera /dev/video4 --size 640x480 --format YUYV
        refused copied
        kill $camera
        ended camera
        knob false_answers 0
        # A producer.
        engine run --size 320x240
        start push framemill push --memory cma-heap --fps 30 --frames 100
        refused again
        ended push
        kill $run
        ended run
        "
    ));
    outcome.succeeded(&["camera", "push", "run"]);
    for name in ["copied.imported", "again.imported"] {
        assert_eq!(outcome.number(name), 1, "{name}: {}", outcome.story());
    }
    counted(&outcome, "camera.log");
    let json = outcome.text("copied.json");
    assert!(json.contains(r#""memory":"copy""#), "{json}");
    assert_eq!(stat(&json, "reopens"), 1, "{json}");
    assert!(stat(&json, "raw_bytes_copied") > 0, "{json}");
    let dropped = counted(&outcome, "run.log");
    let json = outcome.text("again.json");
    assert!(!json.contains(r#""memory":"import""#), "{json}");
    assert!(stat(&json, "producers_attached") >= 2, "{json}");
    assert_eq!(
        summary(&outcome.text("push.log")),
        (100, 100 - dropped, dropped),
        "{}",
        outcome.story()
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoder_behind_a_link_elsewhere_is_reopened_and_a_listener_that_failed_listens_again() {
    let guest = Guest::h264("troubles-link").steady();
    let outcome = guest.run(&format!(
        "{STEPS}{}",
        r"
        ln -s /dev/video11 /tmp/enc
        engine run --device /tmp/enc --size 160x128
        works
        knob away 1; sleep 0.2; knob away 0
        begin=$(up)
        until_true told 'it runs again' 1
        since $begin
        works
        # Nobody is connected for a while: nothing is left to be looked at.
        sleep 1
        start trace strace -p $run -o /tmp/trace -e trace=accept4 -e inject=accept4:error=EMFILE:when=1
        sleep 1
        start first framemill tap --wait 2000 --to /dev/null
        until_true told 'cannot accept' 1
        works
        kill $run
        ended run
        ended first
        "
    ));
    outcome.succeeded(&["push", "run", "first"]);
    let took = outcome.number("took");
    assert!(took < 1200, "took {took} ms: {}", outcome.story());
    assert_eq!(
        sums(&outcome.text("run.log")),
        [90, 90, 0],
        "{}",
        outcome.story()
    );
}
