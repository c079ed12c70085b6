//! Clients that mean harm: whatever they send, write, hold on to or leave behind, the others are served byte for byte, the encoder is
//! fed, and each offender is out with a reason that is counted.
//!
//! `tests/vm/hostile.c` has the clients. `scripts/hostile` gives them more time and other seeds, by the environment:
//! `FRAMEMILL_HOSTILE_SEED`, and `FRAMEMILL_HOSTILE_SECONDS` for each, in the guest's time.

use std::env;
use std::fmt::Debug;
use std::str::FromStr;

use crate::accounting::{ends_as_it_was, stat};
use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::{Guest, Outcome};

/// `hostile NAME MODE [USER]`: starts such a client. `honest N`: so many frames from /tmp/in. `few`: whether the engine has no more than
/// $files descriptors. `load`: the processor's time that it has used, hundredths of a second.
const CLIENTS: &str = r#"
    . /host/settings
    encoder='--device /dev/video11 --codec H264 --size 320x240 --socket-mode 777' shape=
    cp /host/hostile /tmp/
    chmod 755 /tmp/hostile
    [ ! -e /host/in ] || cp /host/in /tmp/
    hostile() { start $1 su ${3:-nobody} -s /bin/sh -c "exec /tmp/hostile /run/framemill.sock $seed $seconds $2" >/tmp/$1.said; }
    honest() { framemill push --wait 20000 $shape --from /tmp/in --loop --frames $1 ${2:---fps max} 2>push.log || give_up "push $1: $?"; }
    few() { [ $(descriptors $run) -le $files ]; }
    load() { awk '{ print $14 + $15 }' /proc/$run/stat; }
    ms() { awk '{ print int($1 * 1000) }' /proc/uptime; }
"#;

/// Seconds for each client when nobody says how many.
const SECONDS: f64 = 0.5;

/// A number that the environment says, or this one.
fn setting<T: FromStr<Err: Debug>>(name: &str, otherwise: T) -> T {
    let said = env::var(name).ok().filter(|said| !said.is_empty());
    said.map_or(otherwise, |said| said.parse().expect(name))
}

/// A guest with such clients; a short time for each of them, unless the environment says otherwise.
fn guest(name: &str) -> Guest {
    let seed = setting("FRAMEMILL_HOSTILE_SEED", 1_u64);
    let seconds = setting("FRAMEMILL_HOSTILE_SECONDS", SECONDS);
    println!("FRAMEMILL_HOSTILE_SEED={seed} FRAMEMILL_HOSTILE_SECONDS={seconds}");
    // Some twenty of them one after the other; the host needs some ten times as long.
    let guest = Guest::h264(name)
        .steady()
        .patience(600 + (200.0 * seconds) as u64)
        .with_setup(CLIENTS);
    guest.compile("tests/vm/hostile.c", "hostile");
    let settings = format!(
        "seed={seed} seconds={seconds} ms={}\n",
        (seconds * 1000.0) as u64
    );
    guest.put("settings", settings.as_bytes());
    let picture = Picture::new("YU12", 320, 240);
    guest.put("in", &picture.noisy(0..8));
    guest
}

/// That a stream is the eight frames of /host/in, over and over, and nothing else.
fn is_the_input_over_and_over(outcome: &Outcome, name: &str) -> usize {
    let (decoded, input) = (outcome.decoded(name), outcome.bytes("in"));
    assert!(!decoded.is_empty(), "{}", outcome.story());
    for (number, turn) in decoded.chunks(input.len()).enumerate() {
        assert!(
            turn == &input[..turn.len()],
            "turn {number}: {}",
            outcome.story()
        );
    }
    decoded.len() / (320 * 240 * 3 / 2)
}

/// The sums of an engine with nothing left to do: every frame has one end, the same that the log's last line tells, and every client that
/// was turned away or cut off a reason; no fewer of each than heard it.
fn balanced(outcome: &Outcome, heard: &[u64; 16]) {
    let json = &outcome.text("stat.json")[..];
    let counted = REASONS.map(|reason| stat(json, &format!("refused_{reason}")));
    assert!(
        counted
            .iter()
            .zip(&heard[1..])
            .all(|(counted, heard)| counted >= heard),
        "{heard:?} {json}"
    );
    assert_eq!(
        counted.iter().sum::<u64>(),
        stat(json, "clients_refused") + stat(json, "producers_cut_off"),
        "{json}"
    );
    ends_as_it_was(outcome, json);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn hostile_clients_leave_the_engine_to_honest_ones() {
    guest("hostile-clients").phases(&[
        strangers_disturb_neither_the_producer_nor_a_consumer_nor_whoever_looks_after_the_engine(),
        a_producer_that_was_cut_off_cannot_reach_the_ring_of_the_next(),
        a_producer_that_shuts_its_sockets_is_cut_off_and_costs_no_time(),
        floods_cost_the_encoder_no_more_than_processes_that_have_nothing_to_do_with_it(),
    ]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn hostile_producers_leave_the_engine_to_honest_ones() {
    guest("hostile-producers").phases(&[
        hostile_producers(
            "producers",
            "producer steps",
            "",
            &[BAD_FRAME_RING, BAD_MESSAGE],
        ),
        // Who requests all kinds of frames.
        hostile_producers(
            "requests",
            "requests",
            "encoder='--device /dev/video11 --codec H264 --socket-mode 777' shape='--size 320x240 --format YU12'",
            &[BAD_FRAME_RING, BAD_MESSAGE, NOT_ENCODED],
        ),
    ]);
}

fn strangers_disturb_neither_the_producer_nor_a_consumer_nor_whoever_looks_after_the_engine()
-> Phase {
    let script = r"
        engine run --producer-uid 0 --control-uid 0
        start tap framemill tap --from oldest --all --to /tmp/out
        until_true reached consumers_attached 1
        files=$(descriptors $run)
        # One hears what it did wrong, before the crowd has every place.
        hostile messages messages
        until_true grep -q told messages.said
        for mode in steps crowd flood seals; do hostile $mode $mode; done
        from=$(ms)
        frames=0
        while [ $(($(ms) - from)) -lt $ms ]; do
            honest 16 '--fps 60'
            frames=$((frames + 16))
            # Also when the crowd has every place that it can have.
            framemill stat --json >now.json || give_up stat
            framemill ctl key >/dev/null || give_up key
        done
        for mode in messages crowd flood steps seals; do ended $mode; done
        until_true few
        say frames $frames
        cat /tmp/*.said
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        cp out /host/out
        ";
    Phase::new(
        "strangers_disturb_neither_the_producer_nor_a_consumer_nor_whoever_looks_after_the_engine",
    )
    .run(script, |outcome| {
        outcome.succeeded(&["messages", "crowd", "flood", "steps", "seals", "run", "tap"]);
        let frames = is_the_input_over_and_over(outcome, "out");
        assert_eq!(
            frames as u64,
            outcome.number("frames"),
            "{}",
            outcome.story()
        );
        let json = outcome.text("stat.json");
        let heard = refusals(outcome);
        balanced(outcome, &heard);
        assert_eq!(stat(&json, "producers_cut_off"), 0, "{json}");
        assert_eq!(
            (stat(&json, "restarts"), stat(&json, "frames_dropped")),
            (0, 0),
            "{json}"
        );
        // Those that heard why; more were refused than listened.
        assert!(
            heard[TOO_MANY] > 0 && heard[BAD_MESSAGE] > 0 && heard[NOT_ALLOWED] > 0,
            "{heard:?}"
        );
    })
}

/// The reasons as `stat` names them; the first one's number is 1.
const REASONS: [&str; 15] = [
    "producer_present",
    "ending",
    "too_many",
    "bad_message",
    "bad_frame_ring",
    "resources",
    "busy",
    "fixed",
    "not_encoded",
    "reopened",
    "not_allowed",
    "camera_feeds",
    "costly",
    "odd_size",
    "format",
];
const TOO_MANY: usize = 3;
const BAD_MESSAGE: usize = 4;
const BAD_FRAME_RING: usize = 5;
const NOT_ENCODED: usize = 9;
const NOT_ALLOWED: usize = 11;

/// How often each reason was given, as the clients' last lines say.
fn refusals(outcome: &Outcome) -> [u64; 16] {
    let mut sums = [0; 16];
    for line in outcome.text.lines() {
        let Some((_, numbers)) = line.split_once("; refused: ") else {
            continue;
        };
        let numbers = numbers.split(' ').map(|n| n.parse::<u64>().expect(line));
        sums[1..]
            .iter_mut()
            .zip(numbers)
            .for_each(|(sum, n)| *sum += n);
    }
    sums
}

/// Hostile producers of these kinds one after the other, three clients at once, and an honest producer after each; the last one's frames
/// are looked at.
fn hostile_producers(
    name: &'static str,
    kinds: &'static str,
    setup: &str,
    reasons: &'static [usize],
) -> Phase {
    let script = format!(
        r"
        kinds='{kinds}'
        {setup}
        engine run
        # All that hostile producers make of it is more than /tmp can hold.
        start tap framemill tap --from oldest --to /dev/null
        until_true reached consumers_attached 1
        files=$(descriptors $run)
        for turn in 1 2; do
            for mode in $kinds; do
                seed=$((seed + 1))
                hostile $mode$turn $mode root
                ended $mode$turn
                honest 8
                framemill stat --json >now.json || give_up stat
            done
        done
        hostile both1 ${{kinds%% *}} root
        hostile both2 ${{kinds%% *}} root
        hostile both3 messages root
        for n in 1 2 3; do ended both$n; done
        # The frames of before are another stream.
        honest 1
        attached=$(counter consumers_attached)
        start last framemill tap --from live --all --frames 8 --to /tmp/last
        until_true reached consumers_attached $((attached + 1))
        # A decoder can begin with the next frame.
        sleep 0.6
        framemill ctl key >/dev/null || give_up key
        honest 8
        ended last
        until_true few
        cat /tmp/*.said
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        cp last /host/last
        "
    );
    Phase::new(name).run(&script, move |outcome| {
        outcome.succeeded(&["both1", "both2", "both3", "last", "run", "tap"]);
        for kind in kinds.split(' ') {
            outcome.succeeded(&[&format!("{kind}1"), &format!("{kind}2")]);
        }
        let json = outcome.text("stat.json");
        let heard = refusals(outcome);
        balanced(outcome, &heard);
        println!("refused, by reason: {heard:?}");
        assert!(reasons.iter().all(|&reason| heard[reason] > 0), "{heard:?}");
        let failures = ["stalls", "restarts", "reopens"].map(|name| stat(&json, name));
        assert_eq!(failures, [0; 3], "{json}");
        assert_eq!(is_the_input_over_and_over(outcome, "last"), 8);
    })
}

fn a_producer_that_was_cut_off_cannot_reach_the_ring_of_the_next() -> Phase {
    let script = r"
        engine run --memory export
        hostile former former root
        until_true grep -q former former.said
        start tap framemill tap --from oldest --all --to /tmp/out
        until_true reached consumers_attached 1
        honest 64 '--fps 60'
        framemill stat --json >/host/stat.json
        ended former
        kill $run
        ended run
        ended tap
        cp out /host/out
        ";
    Phase::new("a_producer_that_was_cut_off_cannot_reach_the_ring_of_the_next").run(
        script,
        |outcome| {
            outcome.succeeded(&["former", "run", "tap"]);
            assert_eq!(is_the_input_over_and_over(outcome, "out"), 64);
            let json = outcome.text("stat.json");
            balanced(outcome, &refusals(outcome));
            assert_eq!(stat(&json, "producers_cut_off"), 1, "{json}");
        },
    )
}

fn a_producer_that_shuts_its_sockets_is_cut_off_and_costs_no_time() -> Phase {
    let script = r"
        engine run
        seconds=2.5
        hostile mute mute root
        until_true grep -q mute mute.said
        before=$(load)
        sleep 2
        say load $(($(load) - before))
        ended mute
        cat mute.said
        honest 8
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ";
    Phase::new("a_producer_that_shuts_its_sockets_is_cut_off_and_costs_no_time").run(
        script,
        |outcome| {
            outcome.succeeded(&["mute", "run"]);
            assert!(outcome.number("load") < 20, "{}", outcome.story());
            assert_eq!(stat(&outcome.text("stat.json"), "producers_cut_off"), 1);
        },
    )
}

fn floods_cost_the_encoder_no_more_than_processes_that_have_nothing_to_do_with_it() -> Phase {
    let script = r#"
        seconds=600
        engine run --producer-uid 0 --control-uid 0
        # Milliseconds for 150 frames beside these.
        beside() {
            what=$1 among=
            shift
            for mode; do
                hostile beside_$mode $mode
                among="$among $!"
            done
            sleep 0.2
            from=$(ms)
            honest 150
            say $what $(($(ms) - from))
            # Without a name, wait would wait for the engine.
            [ -z "$among" ] || { kill $among; wait $among; }
        }
        beside nobody
        beside spinner spin
        for mode in messages crowd flood steps; do beside $mode $mode; done
        kill $run
        ended run
        "#;
    Phase::new("floods_cost_the_encoder_no_more_than_processes_that_have_nothing_to_do_with_it")
        .run(script, |outcome| {
            outcome.succeeded(&["run"]);
            // A process that never sleeps takes its share of the one processor.
            let spinner = outcome.number("spinner");
            assert!(spinner > outcome.number("nobody"), "{}", outcome.story());
            for mode in ["messages", "crowd", "flood", "steps"] {
                let took = outcome.number(mode);
                println!("{mode}: {took} ms, beside a spinner {spinner} ms");
                assert!(
                    took < 2 * spinner,
                    "{mode}: {took} ms, beside a spinner {spinner} ms"
                );
            }
        })
}
