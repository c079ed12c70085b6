//! Producers of other frames than the engine has: the encoder is reconfigured for them, and consumers keep their ring.

use crate::accounting::{Line, index, stat};
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

#[test]
#[ignore = "boots the guest: scripts/test"]
fn each_producer_gets_its_size_and_format_and_consumers_keep_their_ring() {
    let guest = Guest::new("reshape", Api::Multi);
    for (name, code, width, height) in [
        ("a", "YU12", 640, 368),
        ("b", "YU12", 704, 480),
        ("c", "NV12", 704, 480),
        ("d", "YU12", 640, 368),
    ] {
        guest.put(name, &Picture::new(code, width, height).noisy(0..3));
    }
    let outcome = guest.run(
        r"
        for part in '640 368 YU12 a' '704 480 YU12 b' '704 480 NV12 c'; do
            set -- $part
            once $1 $2 $3 /host/$4 /host/$4.alone
        done
        rm -f run.log
        engine run
        start tap framemill tap --from oldest --all --to /host/out --index /host/out.index
        until_true reached consumers_attached 1
        framemill push --from /host/a --size 640x368 --fps max 2>>push.log || give_up a
        framemill push --from /host/b --size 704x480 --fps max 2>>push.log || give_up b
        say width $(counter width)
        framemill push --from /host/c --size 704x480 --format NV12 --fps max 2>>push.log || give_up c
        framemill push --from /host/d --size 640x368 --format YU12 --fps 50 2>>push.log || give_up d
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["run", "tap"]);
    assert_eq!(outcome.number("width"), 704);
    let parts = generations(&outcome, "out");
    assert_eq!(parts.len(), 4, "{}", outcome.story());
    for ((lines, bytes), name) in parts.iter().zip(["a", "b", "c", "a"]) {
        assert!(
            *bytes == outcome.bytes(&format!("{name}.alone")),
            "{name}: {}",
            outcome.story()
        );
        assert_eq!(lines.len(), 3);
        assert!(
            lines[0].is('K') && lines[0].is('D'),
            "{}",
            outcome.text("out.index")
        );
        assert!(lines[1..].iter().all(|line| !line.is('D')));
    }
    let json = outcome.text("stat.json");
    for (name, value) in [
        ("frames_committed", 12),
        ("frames_published", 12),
        ("frames_dropped", 0),
        ("generation", 5),
        ("restarts", 0),
        ("raw_bytes_copied", 0),
        ("width", 640),
        ("height", 368),
        ("producers_attached", 4),
    ] {
        assert_eq!(stat(&json, name), value, "{name}: {json}");
    }
    assert!(json.contains(r#""frame_rate":"50/1""#), "{json}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn producer_may_ask_for_copies() {
    let guest = Guest::h264("reshape-copies");
    guest.put("in", &Picture::new("YU12", 156, 98).noisy(0..6));
    let outcome = guest.run(
        r"
        engine run --size 156x98
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
    assert!(
        outcome.decoded("out") == outcome.bytes("in").repeat(3),
        "{}",
        outcome.story()
    );
    let json = outcome.text("stat.json");
    let copied = 156 * 98 * 3 / 2 * 6;
    let seen: Vec<_> = json
        .lines()
        .map(|line| {
            (
                line.contains(r#""memory":"copy""#),
                stat(line, "raw_bytes_copied"),
            )
        })
        .collect();
    assert_eq!(seen, [(false, 0), (true, copied), (false, copied)]);
}

/// A size that is not the one given, that the encoder does not do, or an unknown format; bit rates that were changed, of which the
/// level follows, and which can be raised again after another size.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn what_cannot_be_given_is_refused_in_a_sentence_and_a_changed_bitrate_outlives_another_size() {
    let guest = Guest::h264("reshape-refused");
    guest.put("in", &Picture::new("YU12", 160, 128).noisy(0..4));
    let outcome = guest.run(
        r"
        engine fixed --size 320x240
        try size framemill push --size 640x480 --frames 3
        try format framemill push --format NV12 --frames 3
        # Another rate is no other frame.
        try rate framemill push --size 320x240 --format YU12 --fps 500 --frames 3
        say generation $(counter generation)
        kill $fixed
        ended fixed

        engine run
        start tap framemill tap --from oldest --all --to /host/out
        until_true reached consumers_attached 1
        try large framemill push --size 4096x4096 --frames 3
        try unknown framemill push --format nv24 --frames 3
        framemill stat --json >/host/stat.json
        try push framemill push --from /host/in --size 160x128 --fps max
        kill $run
        ended run
        ended tap

        knob null_mode Y
        engine raised --bitrate 1M
        try hd framemill push --size 1280x720 --frames 1
        try ctl framemill ctl bitrate 12M
        try small framemill push --size 320x240 --frames 1
        kill $raised
        ended raised
        engine lowered --bitrate 8M
        try lower framemill ctl bitrate 1M
        try less framemill push --size 320x240 --frames 1
        try back framemill ctl bitrate 8M
        try again framemill push --size 640x480 --frames 1
        kill $lowered
        ended lowered
        ",
    );
    outcome.succeeded(&["rate", "fixed", "push", "run", "tap"]);
    outcome.succeeded(&["hd", "ctl", "small", "raised"]);
    outcome.succeeded(&["lower", "less", "back", "again", "lowered"]);
    assert_eq!(outcome.number("generation"), 1);
    for (name, sentence) in [
        (
            "size",
            "asked for were frames of 640x480, the engine takes 320x240",
        ),
        (
            "format",
            "asked for were frames in NV12, the engine takes YU12",
        ),
        (
            "large",
            "the encoder does not do this; the engine's log says why",
        ),
        (
            "unknown",
            "the encoder does not take this raw format; the engine's log lists those that it takes",
        ),
    ] {
        assert_eq!(outcome.number(name), 10, "{name}");
        let log = outcome.text(&format!("{name}.log"));
        assert!(log.contains(sentence), "{name}: {log}");
    }
    for (name, words) in [
        (
            "run",
            "the driver does not take 4096x4096: the nearest it offers is 1920x1920",
        ),
        (
            "raised",
            "320x240 at 30/1 frames/s, 12000000 bit/s vbr, profile high, level 3",
        ),
        (
            "lowered",
            "320x240 at 30/1 frames/s, 1000000 bit/s vbr, profile high, level 3",
        ),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert!(log.contains(words), "{name}: {log}");
    }
    assert_eq!(stat(&outcome.text("stat.json"), "width"), 640);
    assert!(outcome.decoded("out") == outcome.bytes("in"));
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
    knob null_mode Y
    lived good inject=ioctl:error=EIO:when=60000
";

#[test]
#[ignore = "boots the guest: scripts/test"]
fn size_that_memory_is_short_for_or_that_does_not_start_leaves_the_old_one() {
    let guest = Guest::h264("reshape-fails");
    let outcome = guest.run(&format!(
        r"{LIVED}
        at=$(grep -n 'VIDIOC_REQBUFS.*CAPTURE.*count=4' good.trace | sed -n 2p | cut -d : -f 1)
        lived short inject=ioctl:error=ENOMEM:when=$at..$((at + 2))
        # It is not tried again when the encoder is reopened. The calls after it would have led back.
        at=$(grep -n 'VIDIOC_STREAMON' good.trace | sed -n 3p | cut -d : -f 1)
        lived odd inject=ioctl:error=EIO:when=$at..$((at + 7))
        "
    ));
    outcome.succeeded(&["good", "good.after", "good.run"]);
    for (name, reopens) in [("short", 0), ("odd", 1)] {
        outcome.succeeded(&[&format!("{name}.after"), &format!("{name}.run")]);
        let numbers = ["", ".width", ".reopens"].map(|of| outcome.number(&format!("{name}{of}")));
        let log = outcome.text(&format!("{name}.run"));
        assert_eq!(numbers, [10, 640, reopens], "{name}: {log}");
    }
}
