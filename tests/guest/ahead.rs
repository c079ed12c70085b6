//! An encoder that holds frames back, as look-ahead and reordering do: every frame comes out with its timestamp, however long the pauses
//! are, and a producer that is done need not wait for the next one.

use crate::accounting::{Line, index, stat, summary};
use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::{Guest, Outcome};

const FRAMES: u64 = 12;

fn picture() -> Picture {
    Picture::new("YU12", 160, 128)
}

fn guest() -> Guest {
    let guest = Guest::h264("ahead").steady();
    guest.put("in", &picture().noisy(0..FRAMES));
    guest
}

/// The packets of this index: this many, each with a timestamp of its own. The frames of a producer begin with timestamp 0, and there are
/// this many producers.
fn packets<'a>(lines: &'a [Line], count: u64, producers: usize, story: &str) -> Vec<&'a Line> {
    let packets: Vec<_> = lines.iter().filter(|line| line.bytes > 0).collect();
    assert_eq!(packets.len() as u64, count, "{story}");
    let falls = |pair: &&[&Line]| pair[1].timestamp <= pair[0].timestamp;
    let falls = packets.windows(2).filter(falls).count();
    assert_eq!(falls + 1, producers, "{packets:?}");
    packets
}

fn nothing_lost(json: &str, frames: u64) {
    for (name, count) in [
        ("frames_committed", frames),
        ("frames_published", frames),
        ("packets", frames),
        ("frames_dropped_encoder", 0),
        ("frames_dropped_restart", 0),
        ("frames_in_flight", 0),
        ("packets_unmatched", 0),
        ("stalls", 0),
        ("restarts", 0),
    ] {
        assert_eq!(stat(json, name), count, "{name}: {json}");
    }
}

fn check(outcome: &Outcome, name: &str, pushed: &[&str], frames: u64) {
    for push in pushed {
        let share = frames / pushed.len() as u64;
        assert_eq!(
            summary(&outcome.text(&format!("{push}.log"))),
            (share, share, 0),
            "{push}: {}",
            outcome.story()
        );
    }
    let lines = index(outcome, &format!("{name}.index"));
    packets(&lines, frames, pushed.len(), &outcome.story());
    // The stream goes on across the drain between two producers.
    let input = outcome.bytes("in");
    let expected: Vec<u8> = pushed.iter().flat_map(|_| input.clone()).collect();
    assert!(
        outcome.decoded(name) == expected,
        "{name}: {}",
        outcome.story()
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_that_an_encoder_holds_back_keep_their_timestamps() {
    guest().phases(&[
        frames_that_an_encoder_holds_back_all_come_out(),
        a_frame_every_three_seconds_keeps_its_timestamp(),
    ]);
}

fn frames_that_an_encoder_holds_back_all_come_out() -> Phase {
    let script = r"
        half=$((160 * 128 * 3 / 2 * 6))
        slowly() { head -c $half /host/in; sleep 3; tail -c $half /host/in; }
        for depth in 1 3; do
            knob look_ahead $depth
            engine run --size 160x128
            start tap framemill tap --from oldest --all --to /host/stream$depth --index /host/stream$depth.index
            until_true reached consumers_attached 1
            try first$depth framemill push --from /host/in --fps 30
            # A pause longer than --stall-ms, in the middle of a producer's life; then nobody for as long.
            slowly | framemill push --from - --fps 30 2>/tmp/second$depth.log
            say second$depth $?
            sleep 3
            framemill stat --json >/host/stream$depth.json
            kill $run
            ended run
            ended tap

            start run framemill run $encoder --size 160x128 --once
            start tap framemill tap --wait 5000 --from oldest --all --to /host/once$depth --index /host/once$depth.index
            until_true reached consumers_attached 1
            slowly | framemill push --wait 5000 --from - --fps max 2>/tmp/last$depth.log
            say last$depth $?
            ended run
            ended tap
        done
        ";
    Phase::new("frames_that_an_encoder_holds_back_all_come_out").run(script, |outcome| {
        for depth in ["1", "3"] {
            let [first, second, last] =
                ["first", "second", "last"].map(|name| format!("{name}{depth}"));
            outcome.succeeded(&[&first, &second, &last, "run", "tap"]);
            check(
                outcome,
                &format!("stream{depth}"),
                &[&first, &second],
                2 * FRAMES,
            );
            nothing_lost(&outcome.text(&format!("stream{depth}.json")), 2 * FRAMES);
            check(outcome, &format!("once{depth}"), &[&last], FRAMES);
        }
    })
}

fn a_frame_every_three_seconds_keeps_its_timestamp() -> Phase {
    let phase = Phase::new("a_frame_every_three_seconds_keeps_its_timestamp");
    // As a picture that stands still is sent now and then; and one that is wanted at another size after that.
    let script = r"
        knob look_ahead 1
        engine run --fps 30
        start tap framemill tap --from oldest --all --to /host/stream --index /host/stream.index
        until_true reached consumers_attached 1
        try slow framemill push --fps 1/3 --size 160x128 --frames 4
        try wide framemill push --fps 30 --size 192x128 --frames 4
        # One that is killed leaves frames inside, too.
        start killed framemill push --fps 30 --size 192x128
        until_true reached packets 12
        kill -9 $killed
        idle() { [ $(counter frames_in_flight) = 0 ]; }
        until_true idle
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["slow", "wide", "run", "tap"]);
        for name in ["slow", "wide"] {
            let log = outcome.text(&format!("{name}.log"));
            assert_eq!(summary(&log), (4, 4, 0), "{}", outcome.story());
        }
        let json = outcome.text("stat.json");
        nothing_lost(&json, stat(&json, "frames_committed"));
        let lines = index(outcome, "stream.index");
        let packets = packets(&lines, stat(&json, "packets"), 3, &outcome.story());
        // Nothing was lost between the frames of one producer.
        assert!(
            packets[1..4].iter().all(|line| !line.is('D')),
            "{packets:?}"
        );
    })
}
