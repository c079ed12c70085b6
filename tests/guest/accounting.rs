//! Every frame that was pushed is published or counted as dropped: while the engine runs, and when it ends.

use crate::camera::ended;
use crate::frames::{Picture, fwht_packets};
use crate::phases::Phase;
use crate::support::{Api, Guest, Outcome};

/// What a `push` told at its end: frames pushed, published, dropped. Those that it committed when the engine had ended
/// already are not among the first.
pub fn summary(log: &str) -> (u64, u64, u64) {
    let line = log
        .lines()
        .find(|line| line.contains(" frames pushed: "))
        .unwrap_or_else(|| panic!("no summary: {log}"));
    let numbers: Vec<u64> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    let [pushed, published, dropped] = numbers[..] else {
        panic!("three numbers: {line}")
    };
    let late = log.lines().find_map(|line| {
        let (before, _) = line.split_once(" frames were not taken")?;
        before.rsplit(' ').next()?.parse().ok()
    });
    (pushed - late.unwrap_or(0), published, dropped)
}

/// A number of `stat --json`.
pub fn stat(json: &str, name: &str) -> u64 {
    let key = format!("\"{name}\":");
    let at = json
        .find(&key)
        .unwrap_or_else(|| panic!("no {name} in {json}"))
        + key.len();
    let digits: String = json[at..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .unwrap_or_else(|_| panic!("{name} is no number in {json}"))
}

/// One line of `tap --index`.
#[derive(Debug)]
pub struct Line {
    pub sequence: u64,
    pub bytes: u64,
    pub flags: String,
    pub generation: u64,
    pub timestamp: u64,
    /// committed, queued, dequeued, published.
    pub times: [u64; 4],
}

impl Line {
    pub fn is(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }
}

/// The lines of a tap's index.
pub fn index(outcome: &Outcome, name: &str) -> Vec<Line> {
    let text = outcome.text(name);
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("# sequence bytes flags generation timestamp committed queued dequeued published")
    );
    lines
        .map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let number = |at: usize| {
                words[at]
                    .parse()
                    .unwrap_or_else(|_| panic!("{name}: {line}"))
            };
            Line {
                sequence: number(0),
                bytes: number(1),
                flags: words[2].to_owned(),
                generation: number(3),
                timestamp: number(4),
                times: [number(5), number(6), number(7), number(8)],
            }
        })
        .collect()
}

/// That the numbers of an engine with nothing left to do fit together; gives frames committed, published, dropped.
pub fn balance(json: &str) -> (u64, u64, u64) {
    let frames = |name: &str| stat(json, &format!("frames_{name}"));
    let reasons = [
        "encoder",
        "error",
        "refused",
        "restart",
        "stopping",
        "too_large",
        "camera",
        "behind",
        "idle",
        "decoder",
        "converter",
    ];
    let dropped: u64 = reasons
        .iter()
        .map(|reason| frames(&format!("dropped_{reason}")))
        .sum();
    assert_eq!(frames("dropped"), dropped, "{json}");
    // Those inside are what is missing from the sum: none may be.
    assert_eq!(frames("in_flight"), 0, "{json}");
    assert_eq!(frames("committed"), frames("published") + dropped, "{json}");
    (frames("committed"), frames("published"), dropped)
}

/// The same, and that the engine ended without another frame: its last line has these numbers.
pub fn ends_as_it_was(outcome: &Outcome, json: &str) -> (u64, u64, u64) {
    let (committed, published, dropped) = balance(json);
    assert_eq!(
        ended(outcome).map(|number| number as u64),
        [committed, published, dropped],
        "{json}{}",
        outcome.story()
    );
    (committed, published, dropped)
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_frame_is_published_or_counted_as_dropped() {
    Guest::new("accounting", Api::Multi).phases(&[
        every_frame_is_published_and_every_number_agrees(),
        frames_too_large_for_the_packet_ring_are_counted_as_dropped(),
        copied_bytes_are_counted_and_exported_frames_are_not_copied(),
        drain_on_a_signal_loses_no_committed_frame(),
        stopping_an_idle_engine_ends_its_consumers_in_good_order(),
    ]);
}

fn stopping_an_idle_engine_ends_its_consumers_in_good_order() -> Phase {
    let script = r"
        engine run --size 640x368
        start early framemill tap --from oldest --all --to /host/coded --index /host/index
        until_true reached consumers_attached 1
        kill $run
        ended run
        ended early
        ";
    Phase::new("stopping_an_idle_engine_ends_its_consumers_in_good_order").run(script, |outcome| {
        outcome.succeeded(&["run", "early"]);
        assert!(outcome.bytes("coded").is_empty());
        let lines = index(outcome, "index");
        assert!(lines.len() == 1 && lines[0].is('E'), "{lines:?}");
    })
}

fn drain_on_a_signal_loses_no_committed_frame() -> Phase {
    let script = r"
        for signal in TERM INT; do
            engine run --size 640x368
            framemill tap --from oldest --all --to /host/$signal.coded --index /host/$signal.index 2>tap.log &
            tap=$!
            framemill push --fps max 2>$signal.push.log &
            push=$!
            until_true reached packets 4
            kill -$signal $run
            wait $run; say $signal.run $?
            wait $tap; say $signal.tap $?
            wait $push; say $signal.push $?
            cp run.log $signal.run.log
        done
        ";
    Phase::new("drain_on_a_signal_loses_no_committed_frame").run(script, |outcome| {
        for signal in ["TERM", "INT"] {
            outcome.succeeded(&[&format!("{signal}.run"), &format!("{signal}.tap")]);
            // The engine left before the producer was done.
            assert_eq!(
                outcome.number(&format!("{signal}.push")),
                9,
                "{}",
                outcome.story()
            );
            let (pushed, published, dropped) =
                summary(&outcome.text(&format!("{signal}.push.log")));
            assert_eq!(pushed, published + dropped, "{}", outcome.story());
            let log = outcome.text(&format!("{signal}.run.log"));
            let ended = format!(
                "ended: {pushed} frames in, {published} packets out, {dropped} frames dropped"
            );
            assert!(log.contains(&ended), "{ended}: {}", outcome.story());
            let lines = index(outcome, &format!("{signal}.index"));
            assert_eq!(lines.len() as u64, published + 1);
            assert!(
                lines.last().is_some_and(|line| line.is('E')),
                "the end is marked"
            );
            let packets = fwht_packets(&outcome.bytes(&format!("{signal}.coded")));
            assert_eq!(packets.len() as u64, published, "{}", outcome.story());
            assert!(
                published >= 4 && pushed - published <= 4,
                "{}",
                outcome.story()
            );
        }
    })
}

fn copied_bytes_are_counted_and_exported_frames_are_not_copied() -> Phase {
    let script = r"
        for memory in copy export; do
            engine run --size 640x360 --memory $memory
            framemill push --frames 3 --fps max 2>push.log || give_up push
            framemill stat --json >/host/$memory.json
            kill $run
            wait $run
        done
        ";
    Phase::new("copied_bytes_are_counted_and_exported_frames_are_not_copied").run(
        script,
        |outcome| {
            let (copy, export) = (outcome.text("copy.json"), outcome.text("export.json"));
            assert!(
                copy.contains("\"memory\":\"copy\"") && export.contains("\"memory\":\"export\""),
                "{copy}{export}"
            );
            assert_eq!(stat(&copy, "raw_bytes_copied"), 3 * 640 * 360 * 3 / 2);
            assert_eq!(stat(&export, "raw_bytes_copied"), 0);
            assert_eq!((balance(&copy), balance(&export)), ((3, 3, 0), (3, 3, 0)));
        },
    )
}

fn frames_too_large_for_the_packet_ring_are_counted_as_dropped() -> Phase {
    let mut phase = Phase::new("frames_too_large_for_the_packet_ring_are_counted_as_dropped");
    let picture = Picture::new("YU12", 640, 368);
    // Noise at the best quality is more than 64 KiB; a frame that is the same as before is next to nothing.
    let noise = picture.noisy(0..1);
    let mut input = picture.pattern(0..1);
    for frame in [&noise, &picture.pattern(1..2), &noise, &noise] {
        input.extend_from_slice(frame);
    }
    phase.put("in", &input);
    let script = r"
        engine run --size 640x368 --gop 1 --packet-ring 64K --control fwht_i_frame_qp_value=1
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        try push framemill push --from /host/in --fps max
        framemill stat --json >/host/stat.json
        kill $run
        ended tap
        ended run
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["push", "tap", "run"]);
        assert_eq!(summary(&outcome.text("push.log")), (5, 2, 3));
        let json = outcome.text("stat.json");
        assert_eq!(balance(&json), (5, 2, 3));
        assert_eq!(stat(&json, "frames_dropped_too_large"), 3);
        let lines = index(outcome, "index");
        let flags: Vec<_> = lines.iter().map(|line| line.flags.as_str()).collect();
        assert_eq!(flags, ["K", "KD", "DE"], "a gap is marked");
    })
}

fn every_frame_is_published_and_every_number_agrees() -> Phase {
    let script = r"
        engine run --size 640x368 --gop 4
        start tap framemill tap --from oldest --all --frames 10 --to /host/coded --index /host/index
        try push framemill push --frames 10 --fps max
        ended tap
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ";
    Phase::new("every_frame_is_published_and_every_number_agrees").run(script, |outcome| {
        outcome.succeeded(&["push", "tap", "run"]);
        assert_eq!(summary(&outcome.text("push.log")), (10, 10, 0));
        let json = outcome.text("stat.json");
        assert_eq!(balance(&json), (10, 10, 0));
        let packets = fwht_packets(&outcome.bytes("coded"));
        let lines = index(outcome, "index");
        assert_eq!((lines.len(), packets.len()), (10, 10));
        for (number, (line, (bytes, key))) in lines.iter().zip(&packets).enumerate() {
            assert_eq!(
                (line.sequence, line.bytes),
                (number as u64, *bytes as u64),
                "{line:?}"
            );
            assert_eq!(line.is('K'), *key, "{line:?}");
            assert_eq!(*key, number % 4 == 0, "{line:?}");
            // 30 frames a second, from zero.
            assert_eq!(
                line.timestamp,
                number as u64 * 1_000_000_000 / 30,
                "{line:?}"
            );
            assert!(line.times.is_sorted() && line.times[0] > 0, "{line:?}");
        }
        assert_eq!(stat(&json, "packets"), 10);
        assert_eq!(stat(&json, "key_frames"), 3);
        assert_eq!(
            stat(&json, "packet_bytes"),
            outcome.bytes("coded").len() as u64
        );
        assert_eq!(stat(&json, "frames_returned"), 10);
        assert_eq!(stat(&json, "raw_bytes_copied"), 0);
        assert_eq!(stat(&json, "producers_attached"), 1);
        assert_eq!(stat(&json, "consumers_attached"), 1);
    })
}
