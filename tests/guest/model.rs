//! The model of the Pi's encoder misbehaves as boards do, and the engine copes: each of its knobs, and what comes of it.

use crate::accounting::{index, stat, summary};
use crate::frames::Picture;
use crate::support::{Guest, Outcome};

/// 30 frames of the pattern, and one run of everything: `through NAME OPTION…`.
const THROUGH: &str = r"
    through() {
        stream=$1
        shift
        start run framemill run $encoder --size 192x128 --once $@
        start tap framemill tap --wait 5000 --from oldest --all --to /host/$stream --index /host/$stream.index
        until_true reached consumers_attached 1
        framemill push --wait 5000 --from /host/in --fps max 2>push.log || give_up $stream: push ended with $?
        wait $tap || give_up $stream: tap ended with $?
        wait $run || give_up $stream: run ended with $?
        cp push.log /host/$stream.push
        cp run.log /host/$stream.run
    }
";

const PICTURE: (u32, u32, u64) = (192, 128, 30);

fn picture() -> Picture {
    Picture::new("YU12", PICTURE.0, PICTURE.1)
}

fn run(guest: &Guest, script: &str) -> Outcome {
    guest.put("in", &picture().noisy(0..PICTURE.2));
    guest.run(&format!("{THROUGH}{script}"))
}

/// That the stream of this name holds every frame, and each with its own timestamp.
fn complete(outcome: &Outcome, name: &str) {
    assert!(
        outcome.decoded(name) == outcome.bytes("in"),
        "{name}: {}",
        outcome.story()
    );
    let lines = index(outcome, &format!("{name}.index"));
    let frames: Vec<_> = lines.iter().filter(|line| line.bytes > 0).collect();
    assert_eq!(frames.len() as u64, PICTURE.2, "{name}");
    let steps = frames
        .windows(2)
        .map(|pair| pair[1].timestamp - pair[0].timestamp);
    assert!(
        steps.clone().all(|step| step > 0),
        "{name}: {:?}",
        steps.collect::<Vec<_>>()
    );
}

/// That it dropped each fifth frame, that the next packets say so, and that what is left is whole: the encoder never made a reference of a
/// dropped frame.
fn each_fifth_is_dropped(outcome: &Outcome, name: &str) {
    let (pushed, published, dropped) = summary(&outcome.text(&format!("{name}.push")));
    assert_eq!((pushed, published, dropped), (30, 24, 6));
    let lines = index(outcome, &format!("{name}.index"));
    // Each gap but the last, which nothing follows.
    let told = lines
        .iter()
        .filter(|line| line.bytes > 0 && line.is('D'))
        .count();
    assert!((1..=5).contains(&told), "{lines:?}");
    let expected: Vec<u8> = (outcome
        .bytes("in")
        .chunks(picture().frame_bytes())
        .enumerate())
    .filter(|(number, _)| (number + 1) % 5 != 0)
    .flat_map(|(_, frame)| frame.to_vec())
    .collect();
    assert!(outcome.decoded(name) == expected, "{}", outcome.story());
}

/// That the seventh packet is marked as damaged, and that a key frame follows.
fn the_seventh_is_damaged(outcome: &Outcome, name: &str) {
    let lines = index(outcome, &format!("{name}.index"));
    let damaged: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].is('X')).collect();
    assert_eq!(damaged, [6], "{lines:?}");
    // Those in the encoder by then were too late for it.
    let next = (7..lines.len())
        .find(|&at| lines[at].is('K'))
        .expect("a key frame");
    assert!(next <= 6 + 6, "{lines:?}");
    assert_eq!(
        summary(&outcome.text(&format!("{name}.push"))),
        (30, 30, 0),
        "{name}"
    );
}

/// That the encoder was restarted for this reason, and that each frame came out, decodes, or was counted. Gives how many came out.
fn restarted(outcome: &Outcome, name: &str, reasons: [&str; 2]) -> u64 {
    let (pushed, published, dropped) = summary(&outcome.text(&format!("{name}.push")));
    assert_eq!(
        (pushed, published + dropped),
        (30, 30),
        "{name}: {}",
        outcome.story()
    );
    let log = outcome.text(&format!("{name}.run"));
    for reason in reasons {
        assert!(log.contains(reason), "{name}: {log}");
    }
    let frames = outcome.decoded(name).len() / picture().frame_bytes();
    assert_eq!(frames as u64, published, "{name}: {log}");
    published
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn what_the_encoder_drops_damages_keeps_or_fails_is_counted_and_the_rest_is_whole() {
    let guest = Guest::h264("counted");
    let outcome = run(
        &guest,
        r"
        knob drop_every 5
        through dropped
        knob drop_every 0; knob error_at 7
        through damaged
        knob error_at 0; knob pause_at 12; knob pause_ms 3600000
        through stalled --stall-ms 300
        knob pause_at 0
        for queue in output capture; do
            for call in qbuf dqbuf; do
                knob ${call}_eio_$queue 9
                through $call-$queue
                knob ${call}_eio_$queue 0
            done
        done
        ",
    );
    each_fifth_is_dropped(&outcome, "dropped");
    the_seventh_is_damaged(&outcome, "damaged");
    let stall = "no progress for 300 ms: restarting the encoder";
    let published = restarted(&outcome, "stalled", [stall; 2]);
    assert!((20..30).contains(&published), "{}", outcome.story());
    let lines = index(&outcome, "stalled.index");
    let second = lines
        .iter()
        .find(|line| line.generation == 2)
        .expect("a second generation");
    assert!(second.is('K') && second.is('D'), "{second:?}");
    for name in [
        "qbuf-output",
        "qbuf-capture",
        "dqbuf-output",
        "dqbuf-capture",
    ] {
        restarted(&outcome, name, ["EIO", "restarting the encoder"]);
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn whole_frames_come_out_in_pieces_with_odd_first_buffers_and_at_an_uneven_pace() {
    let guest = Guest::h264("whole");
    guest.put("few", &picture().pattern(0..3));
    let outcome = run(
        &guest,
        r"
        knob header_first 1
        through header
        knob first_stamp_zero 1
        through both
        knob header_first 0
        through stamp
        knob first_stamp_zero 0; knob encode_us 1000; knob encode_us_max 40000; knob encode_seed 7
        through uneven
        knob encode_us 0; knob encode_us_max 0; knob pause_at 10; knob pause_ms 900
        through paused --stall-ms 3000
        knob pause_at 0; knob coded_sizeimage 6000
        through pieces
        engine run --size 192x128
        try push framemill push --from /host/in --fps max
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        # Pictures come from the other node as JPEG.
        knob coded_sizeimage 0
        rm -f run.log
        once 192 128 YU12 /host/few /host/jpegs --device /dev/video31 --codec JPEG --control compression_quality=95
        framemill probe --device /dev/video31 >/host/probe
        ",
    );
    outcome.succeeded(&["push", "run"]);
    for name in ["header", "both", "stamp", "uneven", "paused", "pieces"] {
        complete(&outcome, name);
        let lines = index(&outcome, &format!("{name}.index"));
        assert!(
            lines[0].is('K') && lines[0].is('C'),
            "{name}: {:?}",
            lines[0]
        );
    }
    assert!(!outcome.text("paused.run").contains("restarting"));
    let json = outcome.text("stat.json");
    // Noise does not shrink: some 36,864 bytes a frame.
    assert!(stat(&json, "fragments_joined") >= 5 * PICTURE.2, "{json}");
    assert_eq!(stat(&json, "packets"), PICTURE.2);
    assert_eq!(stat(&json, "raw_bytes_copied"), 0);
    assert!(json.contains("\"memory\":\"export\""), "{json}");
    // Start of image, and no other marker in between that could be one.
    let coded = outcome.bytes("jpegs");
    let starts = coded
        .windows(3)
        .filter(|bytes| *bytes == [0xff, 0xd8, 0xff]);
    assert_eq!(starts.count(), 3);
    let lines = outcome.text("probe");
    assert!(lines.contains("JPEG"), "{lines}");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoder_that_is_stuck_until_it_is_closed_is_reopened() {
    // Restarts do not help it.
    let guest = Guest::h264("stuck").steady();
    guest.put("in", &picture().noisy(0..60));
    let outcome = guest.run(
        r"
        knob hang_after 20; knob streamoff_ms 200
        engine run --size 192x128 --stall-ms 200
        # The clock of a guest that counts instructions runs on while the host is waited for.
        cp /host/in in
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        until_true reached consumers_attached 1
        start push framemill push --from in --fps 60
        until_true reached stalls 1
        knob hang_after 0
        ended push
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["push", "run", "tap"]);
    let json = outcome.text("stat.json");
    assert_eq!(
        (stat(&json, "restarts"), stat(&json, "reopens")),
        (2, 1),
        "{json}"
    );
    let lost = stat(&json, "frames_dropped_restart");
    // All slots, three times at most.
    assert!((3..=12).contains(&lost), "{json}");
    // The producer attached again, and went on where it was.
    assert_eq!(stat(&json, "producers_attached"), 2);
    assert_eq!(
        summary(&outcome.text("push.log")),
        (60, 60 - lost, lost),
        "{}",
        outcome.story()
    );
    let lines = index(&outcome, "index");
    let again = lines.iter().position(|line| line.generation == 4).unwrap();
    assert!(
        lines[again].is('D') && lines[again].is('K'),
        "{}",
        outcome.text("index")
    );
    let decoded = outcome.decoded("coded").len() / picture().frame_bytes();
    assert_eq!(decoded as u64, 60 - lost);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn short_memory_means_fewer_buffers_and_a_sentence() {
    let guest = Guest::h264("memory");
    let outcome = run(
        &guest,
        r"
        knob refuse_errno 12; knob refuse_above 2
        through few
        knob refuse_above 0
        framemill run $encoder --size 192x128 2>/host/none.log
        say none $?
        knob refuse_errno 22
        framemill run $encoder --size 192x128 2>/host/full.log
        say full $?
        knob refuse_errno 0; knob min_output 7; knob min_capture 6
        engine many --size 192x128
        say slots $(counter frame_slots)
        kill $many
        ended many
        ",
    );
    complete(&outcome, "few");
    let log = outcome.text("few.run");
    // 192 is a whole number of lines of 64 bytes.
    assert!(
        log.contains("memory for 0 of 4 Output buffers of 36864 bytes"),
        "{log}"
    );
    for (name, exit, sentence) in [
        (
            "none",
            14,
            "VIDIOC_REQBUFS: ENOMEM: out of memory; for a device's buffers raise cma= or use fewer slots",
        ),
        ("full", 5, "VIDIOC_REQBUFS: EINVAL"),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert_eq!(outcome.number(name), exit, "{log}");
        assert!(log.contains(sentence), "{log}");
    }
    assert_eq!(outcome.number("slots"), 7);
    outcome.succeeded(&["many"]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn device_that_goes_away_ends_the_engine_and_one_that_comes_is_waited_for() {
    let guest = Guest::h264("model-away");
    let outcome = guest.run(
        r"
        engine run --size 192x128
        start tap framemill tap --from oldest --to /host/coded --index /host/index
        start push framemill push --fps 60
        until_true reached packets 5
        knob away 1
        ended run
        ended tap
        ended push
        cp run.log /host/lost.log
        start run framemill run $encoder --size 192x128 --wait-device 20000 --once
        sleep 0.5
        knob away 0
        try again framemill push --wait 5000 --frames 5
        ended run
        ",
    );
    let log = outcome.text("lost.log");
    let answers: Vec<&str> = outcome
        .text
        .lines()
        .filter(|line| line.starts_with("run="))
        .collect();
    assert_eq!(answers, ["run=6", "run=0"], "{}", outcome.story());
    assert!(log.contains("the encoder is gone: "), "{log}");
    outcome.succeeded(&["tap", "again"]);
    assert!(index(&outcome, "index").last().expect("lines").is('E'));
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn model_keeps_its_promises_at_every_ioctl() {
    let guest = Guest::h264("promises");
    guest.compile("tests/vm/model-check.c", "model-check");
    let outcome = guest.run(
        r"
        /host/model-check || give_up model-check
        dmesg >/host/dmesg
        # What the kernel's own checker finds is what it would find on the original; the model's notes tell why.
        for node in 11 31; do
            v4l2-compliance -d /dev/video$node -s5 --expbuf-device /dev/video4 >/host/compliance$node 2>&1
            say compliance$node $?
        done
        ",
    );
    assert!(
        outcome.text.contains(" checks, 0 failed"),
        "{}",
        outcome.text
    );
    let dmesg = outcome.text("dmesg");
    assert!(
        !dmesg.contains("WARNING") && !dmesg.contains("BUG"),
        "{dmesg}"
    );
    let explained = [
        (11, vec!["VIDIOC_(UN)SUBSCRIBE_EVENT/DQEVENT"]),
        (31, vec![]),
    ];
    for (node, own) in explained {
        let text = outcome.text(&format!("compliance{node}"));
        assert!(text.contains("Total for bcm2835-codec device"), "{text}");
        let tests = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("test "));
        let failed = tests.filter_map(|line| line.split_once(": FAIL").map(|(name, _)| name));
        // Debian 12's tool has older words for NV12 than the kernel.
        let words = "VIDIOC_ENUM_FMT/FRAMESIZES/FRAMEINTERVALS";
        let failed = failed.filter(|&name| {
            name != words || !text.starts_with("v4l2-compliance 1.22.") || node != 11
        });
        // What streams or makes buffers fails because buffers have neither the flags nor the count that the tool looks for, whichever it meets first.
        let (streams, others): (Vec<&str>, Vec<&str>) = failed.partition(|name| {
            ["MMAP", "DMABUF", "VIDIOC_REQBUFS"]
                .iter()
                .any(|start| name.starts_with(start))
        });
        let common = [
            "VIDIOC_G/S_PARM",
            "VIDIOC_S_FMT",
            "VIDIOC_(TRY_)ENCODER_CMD",
        ];
        assert_eq!(others, [own, common.to_vec()].concat(), "{text}");
        let known = [
            ": (buf.g_flags() & valid_output_flags) != (orig_buf.flags & valid_output_flags)",
            ": (int)g_sequence() < seq.last_seq + 1",
            ": buf.check(q, last_seq)",
            // Since Linux 6.8 the kernel tells there how many buffers there may be, which the tool of Debian 12 does not know.
            ": check_0(crbufs.reserved, sizeof(crbufs.reserved))",
            // Debian 13's tool asks for MIN_BUFFERS_FOR_OUTPUT before it streams.
            ": node->g_ctrl(ctrl)",
            "captureBufs(node, node_m2m_cap, q, m2m_q, frame_count, pollmode, capture_count)",
        ];
        let reasons = text
            .lines()
            .filter(|line| line.contains("fail: v4l2-test-buffers.cpp"));
        assert!(reasons.clone().count() >= streams.len(), "{text}");
        for reason in reasons {
            assert!(
                known.iter().any(|known| reason.ends_with(known)),
                "{reason}: {text}"
            );
        }
    }
}
