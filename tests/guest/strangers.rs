//! Clients that leave something behind, or come where they may not: it is their own affair.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::support::{Guest, Outcome};

/// `hostile NAME MODE SECONDS [USER]`: a client of `tests/vm/hostile.c`, its words in NAME.said. `honest N`: so many frames of /host/in
/// at 60 a second.
const CLIENTS: &str = r#"
    encoder='--device /dev/video11 --codec H264 --size 160x128'
    echo user1001:x:1001:1001::/:/bin/sh >>/etc/passwd
    cp /host/hostile /tmp/
    chmod 755 /tmp/hostile
    hostile() { start $1 su ${4:-root} -s /bin/sh -c "exec /tmp/hostile /run/framemill.sock 1 $3 $2" >/tmp/$1.said; }
    honest() { framemill push --wait 5000 --from /host/in --loop --frames $1 --fps 60; }
"#;

fn guest(name: &str) -> Guest {
    let guest = Guest::h264(name).steady().with_setup(CLIENTS);
    guest.compile("tests/vm/hostile.c", "hostile");
    guest.put("in", &Picture::new("YU12", 160, 128).noisy(0..8));
    guest
}

/// One that left by itself; one that left right after an offer, while the encoder stops so slowly that it is gone before its answer; and one
/// whose last frame takes the encoder longer than it stays. Each goes on writing into its frame ring while an honest one, after it, pushes
/// half a second's frames.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_producer_that_left_in_whatever_way_cannot_reach_the_ring_of_the_next() {
    let guest = guest("strangers-left");
    let outcome = guest.run(
        r"
        # gone WAY
        gone() {
            start tap framemill tap --from oldest --all --to /tmp/$1
            until_true reached consumers_attached 1
            hostile gone $1 60
            until_true grep -q $1 gone.said
            knob encode_us 0
            try push honest 30
            framemill stat --json >/host/$1.json
            say $1 $(kill -0 $gone && echo there)
            kill $gone
            kill $run
            ended run
            ended tap
            cp $1 /host/$1
        }
        engine run --memory export
        gone left
        knob streamoff_ms 50
        engine run
        gone offered
        knob encode_us 200000
        engine run
        gone waited
        ",
    );
    outcome.succeeded(&["push", "run", "tap"]);
    for way in ["left", "offered", "waited"] {
        assert_eq!(outcome.said(way), "there", "it left the ring too early");
        let json = outcome.text(&format!("{way}.json"));
        assert_eq!(stat(&json, "producers_cut_off"), 0, "{way}: {json}");
        assert_eq!(stat(&json, "frames_dropped"), 0, "{way}: {json}");
        ends_with_the_input(&outcome, way, 30);
    }
}

/// That so many frames at a stream's end are those of /host/in, over and over.
fn ends_with_the_input(outcome: &Outcome, name: &str, frames: usize) {
    let (decoded, input) = (outcome.decoded(name), outcome.bytes("in"));
    let bytes = frames * input.len() / 8;
    assert!(decoded.len() >= bytes, "{}", outcome.story());
    let expected = input.iter().cycle().take(bytes);
    assert!(
        decoded[decoded.len() - bytes..].iter().eq(expected),
        "{}",
        outcome.story()
    );
}

/// Descriptors that are on their way to somebody who does not read count against the user that the engine became.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn answers_that_a_stranger_never_reads_keep_nobody_else_from_being_served() {
    let guest = guest("strangers-hoard");
    let outcome = guest.run(
        r"
        engine run --user 1000:44 --socket-mode 777
        honest 8 2>before.log || give_up push
        for n in 1 2 3 4; do hostile hoard$n hoard 600 user1001; done
        for n in 1 2 3 4; do until_true grep -q hoard hoard$n.said; done
        try stat framemill stat
        try tap framemill tap --from oldest --frames 1 --to /dev/null
        try push honest 8
        framemill stat --json >/host/stat.json
        kill $hoard1 $hoard2 $hoard3 $hoard4
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["stat", "tap", "push", "run"]);
    let json = outcome.text("stat.json");
    // Each came by, and was told off.
    assert!(stat(&json, "clients_refused") >= 4 * 400, "{json}");
}

/// Offers without descriptors; producers that are cut off and come again. And one that is refused while it waits: its frame keeps the encoder
/// busy meanwhile, so that the offer has to wait.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn strangers_that_come_again_and_again_do_not_fill_the_log_and_a_refused_one_was_the_one_for_once()
{
    let guest = guest("strangers-again");
    let outcome = guest.run(
        r"
        engine run --memory export
        hostile empty empty 0.3
        ended empty
        say empty.lines $(wc -l <run.log)
        # One line in a while, whatever it is about.
        sleep 2
        hostile again again 60
        until_true reached producers_cut_off 60
        kill $again
        wait $again
        say lines $(grep -c 'cut off' run.log)
        try push honest 8
        kill $run
        ended run
        knob encode_us 200000
        engine run --once
        hostile blunder blunder 2
        ended blunder
        cat blunder.said
        until_true grep -q 'ended: ' run.log
        ended run
        ",
    );
    outcome.succeeded(&["empty", "push", "blunder", "run"]);
    let [empty, lines] = ["empty.lines", "lines"].map(|name| outcome.number(name));
    assert!(
        empty < 50 && (1..=5).contains(&lines),
        "{}",
        outcome.story()
    );
    // Once, for a bad message; its frame was a frame like any other.
    assert!(
        outcome.text.contains("; refused: 0 0 0 1 0"),
        "{}",
        outcome.story()
    );
    assert!(
        outcome
            .text("run.log")
            .contains("ended: 1 frames in, 1 packets out, 0 frames dropped"),
        "{}",
        outcome.story()
    );
}

/// Without the limit each of the forty would be a generation.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn sizes_that_strangers_alternate_reconfigure_the_encoder_now_and_then_only() {
    let guest = Guest::h264("strangers-sizes").steady().with_setup(CLIENTS);
    let outcome = guest.run(
        r#"
        encoder='--device /dev/video11 --codec H264'
        engine run --socket-mode 777
        generation() { framemill stat --json | sed 's/.*"generation":\([0-9]*\).*/\1/'; }
        sizes() {
            for each in $(seq $1); do
                for size in 160x96 176x144; do
                    su $2 -s /bin/sh -c "framemill push --size $size --frames 1 --wait $3" 2>>sizes.log
                done
            done
        }
        began=$(cut -d. -f1 /proc/uptime)
        sizes 20 user1001 0
        say seconds $(($(cut -d. -f1 /proc/uptime) - began))
        say strangers $(generation)
        sizes 10 root 5000
        say trusted $(generation)
        try patient su user1001 -s /bin/sh -c "framemill push --size 320x240 --frames 1 --wait 5000"
        kill $run
        ended run
        "#,
    );
    outcome.succeeded(&["patient", "run"]);
    let [seconds, strangers, trusted] =
        ["seconds", "strangers", "trusted"].map(|name| outcome.number(name));
    // Eight at once, two a second, and the drain of what a producer left inside. A machine on which forty take ten seconds shows nothing.
    assert!(
        strangers <= 1 + 8 + 4 * (seconds + 1),
        "{}",
        outcome.story()
    );
    assert!(trusted >= strangers + 20, "{}", outcome.story());
}
