//! The encoder is lost at a bad moment: while a producer or the kernel's own memory need it.

use crate::accounting::{stat, summary};
use crate::phases::Phase;
use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn an_encoder_that_leaves_and_comes_back_is_used_again() {
    Guest::h264("away").phases(&[imports(), poll_fails()]);
}

/// A producer with memory of its own goes on.
fn imports() -> Phase {
    let script = r"
        engine run --size 160x128
        start push framemill push --memory cma-heap --fps max --frames 100
        until_true reached packets 20
        knob away 1
        # It fills every slot meanwhile, and has nothing more to say then.
        sleep 0.5
        knob away 0
        ended push
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ";
    Phase::new("imports").run(script, |outcome| {
        outcome.succeeded(&["push", "run"]);
        let json = outcome.text("stat.json");
        let (pushed, published, dropped) = summary(&outcome.text("push.log"));
        assert_eq!((pushed, published + dropped), (100, 100), "{json}");
        assert_eq!(
            (stat(&json, "reopens"), stat(&json, "producers_attached")),
            (1, 2),
            "{json}"
        );
    })
}

/// The poll itself fails for want of the kernel's memory.
fn poll_fails() -> Phase {
    let script = r"
        engine run --wait-device 30000
        knob away 1
        until_true sh -c 'framemill stat --json | grep -q recovering'
        start trace strace -p $run -o /host/trace -e trace=$ppoll -e inject=$ppoll:error=ENOMEM:when=1..3
        # What strace wrote is there when it has ended.
        sleep 2
        kill $trace
        wait $trace
        say struck $(grep -c INJECTED /host/trace)
        knob away 0
        try push framemill push --wait 10000 --frames 5
        kill $run
        ended run
        ";
    Phase::new("poll_fails").run(script, |outcome| {
        outcome.succeeded(&["push", "run"]);
        assert_eq!(outcome.number("struck"), 3, "{}", outcome.story());
    })
}
