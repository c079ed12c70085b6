//! The engine as a process: what signals, closed descriptors and limits do to it. What needs no device is in tests/process.rs.

use crate::accounting::stat;
use crate::support::{Api, Guest};

#[test]
fn only_term_int_and_hup_end_an_engine_and_they_do_in_good_order() {
    let guest = Guest::new("signals", Api::Single);
    let outcome = guest.run(
        r#"
        # alive NAME SIGNAL…: a signal that ends the process does so before the next message is answered.
        engine run --size 640x368
        for signal in PIPE XFSZ USR1 USR2 ALRM VTALRM PROF IO PWR STKFLT XCPU TTOU CHLD URG WINCH 34 50 64; do
            kill -$signal $run
            framemill stat --json >/dev/null || give_up "no engine after $signal"
        done
        try push framemill push --frames 8 --fps max
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        for signal in HUP INT TERM; do
            engine run --size 640x368
            start watch framemill stat --json --watch 100 >/host/$signal.json
            until_true test -s /host/$signal.json
            kill -$signal $run
            ended run
            ended watch
            say left $(ls /run/framemill.sock 2>/dev/null | wc -l)
        done
        # As nohup starts a program.
        trap '' HUP
        engine run --size 640x368
        kill -HUP $run
        try nohup framemill push --frames 8 --fps max
        kill $run
        ended run
        "#,
    );
    outcome.succeeded(&["push", "nohup", "run", "watch", "left"]);
    assert_eq!(stat(&outcome.text("stat.json"), "frames_published"), 8);
    for signal in ["HUP", "INT", "TERM"] {
        let json = outcome.text(&format!("{signal}.json"));
        let last = json.lines().last().unwrap_or_default();
        assert!(last.contains("\"state\":\"ended\""), "{signal}: {json}");
    }
}
