//! Producers of other frames than the engine has: the encoder is reconfigured for them, and consumers keep their ring.

use crate::accounting::{Line, index, stat, summary};
use crate::frames::Picture;
use crate::support::{Api, Guest, Outcome};

/// The packets of each generation in turn: their lines in the index, and their bytes.
fn generations(outcome: &Outcome, name: &str) -> Vec<(Vec<Line>, Vec<u8>)> {
    let mut bytes = &outcome.bytes(name)[..];
    let mut found: Vec<(Vec<Line>, Vec<u8>)> = Vec::new();
    for line in index(outcome, &format!("{name}.index")) {
        if line.is('E') {
            break;
        }
        let (packet, rest) = bytes.split_at(usize::try_from(line.bytes).unwrap());
        bytes = rest;
        match found.last_mut() {
            Some((lines, all)) if lines[0].generation == line.generation => {
                lines.push(line);
                all.extend_from_slice(packet);
            }
            _ => found.push((vec![line], packet.to_vec())),
        }
    }
    assert!(bytes.is_empty());
    found
}

both_apis! {
    fn each_producer_gets_its_size_and_format_and_consumers_keep_their_ring(guest: &Guest) {
        for (name, code, width, height) in
            [("a", "YU12", 640, 368), ("b", "YU12", 800, 608), ("c", "NV12", 800, 608), ("d", "YU12", 640, 368)]
        {
            guest.put(name, &Picture::new(code, width, height).noisy(0..6));
        }
        let outcome = guest.run(
            r"
            for part in '640 368 YU12 a' '800 608 YU12 b' '800 608 NV12 c'; do
                set -- $part
                once $1 $2 $3 /host/$4 /host/$4.alone
            done
            rm -f run.log
            engine run
            start tap framemill tap --from oldest --all --to /host/out --index /host/out.index
            until_true reached consumers_attached 1
            framemill push --from /host/a --size 640x368 --fps max 2>>push.log || give_up a
            framemill push --from /host/b --size 800x608 --fps max 2>>push.log || give_up b
            say width $(counter width)
            framemill push --from /host/c --size 800x608 --format NV12 --fps max 2>>push.log || give_up c
            framemill push --from /host/d --size 640x368 --format YU12 --fps 50 2>>push.log || give_up d
            framemill stat --json >/host/stat.json
            kill $run
            ended run
            ended tap
            ",
        );
        outcome.succeeded(&["run", "tap"]);
        assert_eq!(outcome.number("width"), 800);
        let parts = generations(&outcome, "out");
        assert_eq!(parts.len(), 4, "{}", outcome.story());
        for ((lines, bytes), name) in parts.iter().zip(["a", "b", "c", "a"]) {
            assert!(*bytes == outcome.bytes(&format!("{name}.alone")), "{name}: {}", outcome.story());
            assert_eq!(lines.len(), 6);
            assert!(lines[0].is('K') && lines[0].is('D'), "{}", outcome.text("out.index"));
            assert!(lines[1..].iter().all(|line| !line.is('D')));
        }
        let json = outcome.text("stat.json");
        for (name, value) in [
            ("frames_committed", 24), ("frames_published", 24), ("frames_dropped", 0), ("generation", 5),
            ("restarts", 0), ("raw_bytes_copied", 0), ("width", 640), ("height", 368), ("producers_attached", 4),
        ] {
            assert_eq!(stat(&json, name), value, "{name}: {json}");
        }
        assert!(json.contains(r#""frame_rate":"50/1""#), "{json}");
    }

    fn producer_may_ask_for_copies(guest: &Guest) {
        guest.put("in", &Picture::new("YU12", 636, 362).noisy(0..6));
        let outcome = guest.run(
            r"
            engine run --size 636x362
            start tap framemill tap --from oldest --all --to /host/out --index /host/out.index
            until_true reached consumers_attached 1
            for memory in export copy export; do
                framemill push --from /host/in --memory $memory --fps max 2>>push.log || give_up $memory
                framemill stat --json >>/host/stat.json
            done
            kill $run
            ended run
            ended tap
            ",
        );
        outcome.succeeded(&["run", "tap"]);
        let parts = generations(&outcome, "out");
        assert_eq!(parts.len(), 3, "{}", outcome.story());
        assert!(parts[0].1 == parts[1].1 && parts[0].1 == parts[2].1);
        let json = outcome.text("stat.json");
        let copied = 636 * 362 * 3 / 2 * 6;
        let seen: Vec<_> = json
            .lines()
            .map(|line| (line.contains(r#""memory":"copy""#), stat(line, "raw_bytes_copied")))
            .collect();
        assert_eq!(seen, [(false, 0), (true, copied), (false, copied)]);
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn size_that_was_given_is_kept() {
    let guest = Guest::h264("fixed");
    let outcome = guest.run(
        r"
        engine run --size 320x240
        try size framemill push --size 640x480 --frames 3
        try format framemill push --format NV12 --frames 3
        # Another rate is no other frame.
        try rate framemill push --size 320x240 --format YU12 --fps 500 --frames 3
        say generation $(counter generation)
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["rate", "run"]);
    assert_eq!((outcome.number("size"), outcome.number("format")), (10, 10));
    assert_eq!(outcome.number("generation"), 1);
    let log = outcome.text("size.log");
    assert!(
        log.contains("asked for were frames of 640x480, the engine takes 320x240"),
        "{log}"
    );
    let log = outcome.text("format.log");
    assert!(
        log.contains("asked for were frames in NV12, the engine takes YU12"),
        "{log}"
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn size_that_the_encoder_does_not_do_is_refused_and_the_stream_goes_on() {
    let guest = Guest::h264("reshape-refused");
    guest.put("in", &Picture::new("YU12", 640, 480).noisy(0..4));
    let outcome = guest.run(
        r"
        engine run
        start tap framemill tap --from oldest --all --to /host/out --index /host/out.index
        until_true reached consumers_attached 1
        try large framemill push --size 4096x4096 --frames 3
        try unknown framemill push --format nv24 --frames 3
        framemill stat --json >/host/stat.json
        try push framemill push --from /host/in --fps max
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["push", "run", "tap"]);
    assert_eq!(
        (outcome.number("large"), outcome.number("unknown")),
        (10, 10)
    );
    for (name, sentence) in [
        (
            "large.log",
            "the encoder does not do this; the engine's log says why",
        ),
        (
            "unknown.log",
            "the encoder does not take this raw format; the engine's log lists those that it takes",
        ),
    ] {
        let log = outcome.text(name);
        assert!(log.contains(sentence), "{log}");
    }
    let log = outcome.text("run.log");
    assert!(
        log.contains("the driver does not take 4096x4096: the nearest it offers is 1920x1920"),
        "{log}"
    );
    assert_eq!(stat(&outcome.text("stat.json"), "width"), 640);
    assert!(outcome.decoded("out") == outcome.bytes("in"));
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_of_a_producer_that_died_are_encoded_before_the_change() {
    let guest = Guest::h264("drained").steady();
    let (small, large) = (
        Picture::new("YU12", 320, 240),
        Picture::new("YU12", 640, 480),
    );
    guest.put("small", &small.noisy(0..200));
    guest.put("large", &large.noisy(0..4));
    let outcome = guest.run(
        r"
        knob pause_at 25; knob pause_ms 700
        engine run --frame-slots 8
        start tap framemill tap --from oldest --all --to /host/out --index /host/out.index
        until_true reached consumers_attached 1
        start dying framemill push --from /host/small --size 320x240 --fps max
        # It pauses, and is full.
        until_true reached packets 24
        until_true reached frames_in_flight 4
        kill -9 $dying
        try push framemill push --from /host/large --size 640x480 --fps max --wait 5000
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["push", "run", "tap"]);
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "frames_dropped"), 0, "{json}");
    assert_eq!(
        stat(&json, "frames_committed"),
        stat(&json, "frames_published")
    );
    let parts = generations(&outcome, "out");
    assert_eq!(parts.len(), 2, "{}", outcome.story());
    for ((lines, bytes), (name, picture)) in parts.iter().zip([("small", small), ("large", large)])
    {
        std::fs::write(outcome.path("part"), bytes).unwrap();
        let decoded = outcome.decoded("part");
        assert_eq!(decoded.len(), lines.len() * picture.frame_bytes(), "{name}");
        assert!(outcome.bytes(name).starts_with(&decoded), "{name}");
    }
    assert_eq!(summary(&outcome.text("push.log")), (4, 4, 0));
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn bitrate_that_was_changed_is_minded_when_the_level_is_chosen() {
    let guest = Guest::h264("reshape-level");
    let outcome = guest.run(
        r"
        engine run --bitrate 1M
        try large framemill push --size 1280x720 --frames 3
        try ctl framemill ctl bitrate 12M
        try small framemill push --size 320x240 --frames 3
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["large", "ctl", "small", "run"]);
    let log = outcome.text("run.log");
    assert!(
        log.contains("320x240 at 30/1 frames/s, 12000000 bit/s vbr, profile high, level 3"),
        "{log}"
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn bitrate_that_was_lowered_can_be_raised_again_after_another_size() {
    let guest = Guest::h264("reshape-lowered");
    let outcome = guest.run(
        r"
        engine run --bitrate 8M
        try lower framemill ctl bitrate 1M
        try small framemill push --size 320x240 --frames 3
        try back framemill ctl bitrate 8M
        try again framemill push --size 640x480 --frames 3
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["lower", "small", "back", "again", "run"]);
    let log = outcome.text("run.log");
    assert!(
        log.contains("320x240 at 30/1 frames/s, 1000000 bit/s vbr, profile high, level 3"),
        "{log}"
    );
}

/// `lived NAME FAULT`: an engine of 640x480 whose calls on the device fail as strace's FAULT says, and a producer of 800x608.
const LIVED: &str = r"
    lived() {
        rm -f run.log
        start run strace -o /tmp/$1.trace -e trace=ioctl -e $2 framemill run $encoder --frame-slots 2
        until_true grep -q 'running: ' run.log
        try $1 framemill push --size 800x608 --frames 3
        until_true sh -c '! framemill stat --json | grep -q recovering'
        say $1.width $(counter width)
        say $1.reopens $(counter reopens)
        try $1.after framemill push --wait 5000 --frames 3
        kill $(counter pid)
        wait $run
        say $1.run $?
        cp run.log /host/$1.run
    }
    lived good inject=ioctl:error=EIO:when=60000
";

#[test]
#[ignore = "boots the guest: scripts/test"]
fn memory_that_is_short_for_another_size_leaves_the_old_one() {
    let guest = Guest::h264("reshape-memory");
    let outcome = guest.run(&format!(
        r"{LIVED}
        at=$(grep -n 'VIDIOC_REQBUFS.*CAPTURE.*count=4' good.trace | sed -n 2p | cut -d : -f 1)
        lived short inject=ioctl:error=ENOMEM:when=$at..$((at + 2))
        "
    ));
    outcome.succeeded(&["good", "good.after", "good.run", "short.after", "short.run"]);
    let numbers = ["short", "short.width", "short.reopens"].map(|name| outcome.number(name));
    assert_eq!(numbers, [10, 640, 0], "{}", outcome.text("short.run"));
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn size_that_does_not_start_is_not_tried_again_when_the_encoder_is_reopened() {
    let guest = Guest::h264("reshape-start");
    let outcome = guest.run(&format!(
        r"{LIVED}
        # And the calls after it, which would have led back.
        at=$(grep -n 'VIDIOC_STREAMON' good.trace | sed -n 3p | cut -d : -f 1)
        lived odd inject=ioctl:error=EIO:when=$at..$((at + 7))
        "
    ));
    outcome.succeeded(&["good", "good.after", "good.run", "odd.after", "odd.run"]);
    let numbers = ["odd", "odd.width", "odd.reopens"].map(|name| outcome.number(name));
    assert_eq!(numbers, [10, 640, 1], "{}", outcome.text("odd.run"));
}
