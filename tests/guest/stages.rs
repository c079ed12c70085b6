//! A decoder and a converter in one chain: the imitated webcam's JPEGs, decoded by the model of the Pi's decoder, scaled, mirrored or changed by
//! that of its ISP, and encoded, without a copy of a raw picture.

use crate::accounting::{balance, index, stat};
use crate::camera::{CAMERA, ended};
use crate::jpegs::{alike, pictures, put, shown};
use crate::support::Outcome;
use crate::webcam::{WEBCAM, guest};

/// A size of pictures, width and height.
type Size = (usize, usize);

/// What the model's converter makes of a picture in YU12: each sample is the nearest one to the left and above; `flips`: mirrored from left to
/// right, and turned over.
fn converted(picture: &[u8], from: Size, to: Size, flips: [bool; 2]) -> Vec<u8> {
    let mut out = Vec::with_capacity(to.0 * to.1 * 3 / 2);
    let mut rest = picture;
    for half in [1, 2, 2] {
        let ((width, height), (columns, rows)) =
            ((from.0 / half, from.1 / half), (to.0 / half, to.1 / half));
        let (plane, behind) = rest.split_at(width * height);
        rest = behind;
        let place = |at, count, flip| if flip { count - 1 - at } else { at };
        for y in 0..rows {
            let line = place(y, rows, flips[1]) * height / rows * width;
            let columns = (0..columns).map(|x| place(x, columns, flips[0]) * width / columns);
            out.extend(columns.map(|x| plane[line + x]));
        }
    }
    out
}

/// Which of the pictures that were sent each one of a stream is, by what is to become of them; and that wherever one is missing the packet
/// behind it says so.
fn numbers(outcome: &Outcome, name: &str, expected: &[Vec<u8>]) -> Vec<usize> {
    let decoded = outcome.decoded(&format!("coded{name}"));
    let frames = decoded.chunks(expected[0].len());
    let numbers: Vec<usize> = frames
        .map(|got| {
            let which = expected.iter().position(|picture| alike(got, picture, 1));
            which.unwrap_or_else(|| panic!("a picture that was not sent: {}", outcome.story()))
        })
        .collect();
    let lines = index(outcome, &format!("index{name}"));
    for (at, pair) in numbers.windows(2).enumerate() {
        let follows = pair[1] == (pair[0] + 1) % expected.len();
        assert!(follows || lines[at + 1].is('D'), "{numbers:?}: {lines:?}");
    }
    numbers
}

/// The webcam's pictures, and what is to become of them.
fn expected(set: &[Vec<u8>], from: Size, to: Size, flips: [bool; 2]) -> Vec<Vec<u8>> {
    let converted = |picture: &Vec<u8>| converted(&shown(picture, from), from, to, flips);
    set.iter().map(converted).collect()
}

/// One run: its options, the webcam's size, the stream's, how it is mirrored, and what the log says of the chain behind the camera.
const RUNS: [(&str, Size, Size, [bool; 2], &str); 5] = [
    // vim2m, which is the first converter, does not take pictures as large as these.
    (
        "--camera-size 1280x720 --size 640x360",
        (1280, 720),
        (640, 360),
        [false, false],
        " MJPG 1280x720 to /dev/video10 YU12 1280x720 to /dev/video12 YU12 640x360 to /dev/video11 H264; its buffers have ",
    ),
    // The converter reads 216 of the decoder's 224 rows, or a band at the bottom of the picture would come from behind it.
    (
        "--camera-format MJPG --camera-size 384x216 --size 128x96 --flip h --converter /dev/video12",
        (384, 216),
        (128, 96),
        [true, false],
        " MJPG 384x216 to /dev/video10 YU12 384x224 to /dev/video12 YU12 128x96 to /dev/video11 H264; ",
    ),
    // 144 columns of YU12 lie otherwise for the converter than for the decoder, and those of NV12 do not.
    (
        "--camera-format MJPG --size 144x112 --flip v --converter /dev/video12",
        (144, 112),
        (144, 112),
        [false, true],
        " MJPG 144x112 to /dev/video10 NV12 144x112 to /dev/video12 YU12 144x112 to /dev/video11 H264; ",
    ),
    // As large as it was, or larger.
    (
        "--camera-format MJPG --camera-size 128x96 --size 384x216 --decoder /dev/video10 --converter /dev/video12",
        (128, 96),
        (384, 216),
        [false, false],
        " MJPG 128x96 to /dev/video10 YU12 128x96 to /dev/video12 YU12 384x216 to /dev/video11 H264; ",
    ),
    // The encoder takes UYVY alone, which the decoder does not give: nobody asked for a converter. The first one, vim2m, does not make it.
    (
        "--camera-format MJPG --size 128x96",
        (128, 96),
        (128, 96),
        [false, false],
        " MJPG 128x96 to /dev/video10 YU12 128x96 to /dev/video12 UYVY 128x96 to /dev/video11 H264; ",
    ),
];

#[test]
#[ignore = "boots the guest: scripts/test"]
fn decoded_pictures_are_scaled_and_mirrored_on_their_way_to_the_encoder() {
    let sizes = [(128, 96), (144, 112), (384, 216), (1280, 720)];
    let sets = sizes.map(|(width, height)| pictures((width as u32, height as u32), 4));
    let guest = guest("stages");
    let mut names = String::new();
    for (set, (width, _)) in sets.iter().zip(sizes) {
        names += &put(&guest, &width.to_string(), set);
    }
    let mut runs = String::new();
    for (number, (options, ..)) in RUNS.iter().enumerate() {
        if number == RUNS.len() - 1 {
            runs += "knob only_format 0x59565955\n";
        }
        runs += &format!("one {number} {options}\n");
    }
    let outcome = guest.run(&format!(
        "{CAMERA}{WEBCAM}\nnames='{names}'\n{}\nplug $names\n{runs}\nunplug\n",
        r"
        # With the smallest stack that it starts with: nothing takes more of it than setting up such a chain.
        small() { ulimit -s 128; exec $@; }
        # one NUMBER OPTION…
        one() {
            number=$1
            shift
            start run small framemill run $encoder --camera $node $@ --frames 12 --bitrate 20M --packet-ring 16M
            start tap framemill tap --wait 30000 --from oldest --all --to /host/coded.$number --index /host/index.$number
            until_true reached packets 3
            framemill stat --json >/host/stat.$number
            ended run
            ended tap
            cp run.log /host/log.$number
        }
        ",
    ));
    outcome.succeeded(&["run", "tap"]);
    for (number, (options, from, to, flips, chain)) in RUNS.into_iter().enumerate() {
        let json = outcome.text(&format!("stat.{number}"));
        assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{options}: {json}");
        assert!(json.contains("\"memory\":\"export\""), "{options}: {json}");
        for name in ["decode_us", "convert_us", "camera_bytes_copied"] {
            assert!(stat(&json, name) > 0, "{options}: {name}: {json}");
        }
        let log = outcome.text(&format!("log.{number}"));
        assert!(log.contains(chain), "{chain}: {log}");
        let lacks = "a converter, because no encoder here takes what it gives (";
        assert_eq!(log.contains(lacks), number == RUNS.len() - 1, "{log}");
        // Who names no format gets the coded one, because the webcam has no raw frames of this size.
        let chosen = log.contains(": MJPG, because it has no raw frames of 1280x720");
        assert_eq!(chosen, number == 0, "{log}");
        let (_, sum) = log.split_once("ended: ").unwrap();
        let sum: Vec<usize> = sum
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .collect();
        let at = sizes.iter().position(|&size| size == from).unwrap();
        let expected = expected(&sets[at], from, to, flips);
        let numbers = numbers(&outcome, &format!(".{number}"), &expected);
        let [frames, packets, dropped] = sum[..] else {
            panic!("{log}")
        };
        assert_eq!((frames, packets + dropped), (12, 12), "{options}: {log}");
        assert_eq!(numbers.len(), packets, "{options}: {log}");
        assert!(packets >= 3, "{options}: {log}");
    }
}

/// The converter hangs, and is started again, then opened again with all others; and one that never works again ends the engine with its
/// name. The decoder is tried in `chain.rs`, and plugs that are pulled are plans of the simulation (`src/simulation/stage_plans.rs`).
#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_stage_that_hangs_is_restarted_and_reopened_and_named_in_the_end() {
    let set = pictures((128, 96), 8);
    let guest = guest("stages-hang");
    let names = put(&guest, "p", &set);
    let outcome = guest.run(&format!(
        "{CAMERA}{WEBCAM}\nnames='{names}'\n{}",
        r"
        plug $names
        # Only an open that is new works again, for six pictures.
        knob convert_hang_after 6
        engine run --camera $node --camera-size 128x96 --camera-format MJPG --size 64x48 --converter /dev/video12 --stall-ms 500 --camera-wait 3000 \
            --packet-ring 16M
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        until_true reached packets 15
        framemill stat --json >/host/stat
        # Nothing helps: none is taken.
        knob faults_of 4
        knob qbuf_errno 5
        ended run
        ended tap
        ",
    ));
    outcome.succeeded(&["tap"]);
    let json = outcome.text("stat");
    assert!(stat(&json, "converter_restarts") >= 2, "{json}");
    assert_eq!(stat(&json, "decoder_restarts"), 0, "{json}");
    assert_eq!(stat(&json, "restarts"), 0, "the encoder's: {json}");
    balance(&json);
    let log = outcome.text("run.log");
    for line in [
        "/dev/video12: the converter failed (poll: ETIMEDOUT: no frame came in time): starting it again",
        "/dev/video12: the converter does not work (poll: ETIMEDOUT: no frame came in time): opening it again",
        "frames come again",
        "/dev/video12: the converter does not work again within 3000 ms: ",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("the decoder "), "{log}");
    assert_eq!(outcome.number("run"), 7, "{log}");
    let expected = expected(&set, (128, 96), (64, 48), [false; 2]);
    assert!(numbers(&outcome, "", &expected).len() >= 15);
}

/// What is inside either stage when the end comes is published; what one of them never gives is counted.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn the_end_passes_through_both_stages_and_counts_what_one_of_them_keeps() {
    let set = pictures((128, 96), 8);
    let guest = guest("stages-drain");
    let names = put(&guest, "p", &set);
    let outcome = guest.run(&format!(
        "{CAMERA}{WEBCAM}\nnames='{names}'\n{}",
        r"
        plug $names
        chain='--camera-size 128x96 --camera-format MJPG --size 64x48 --converter /dev/video12 --packet-ring 16M'
        # Both are slow enough to have some pictures when the end comes.
        knob decode_us 40000
        knob convert_us 60000
        engine run --camera $node $chain
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        until_true reached packets 4
        try drain framemill ctl drain
        ended run
        ended tap
        cp run.log /host/run.log
        # The converter never gives what it has; there is one deadline for all.
        knob decode_us 0
        knob convert_us 0
        knob convert_hang_after 6
        start kept framemill run $encoder --camera $node $chain --stall-ms 60000 --drain-ms 1500
        until_true reached packets 4
        until_true reached frames_dropped_behind 5
        kill $kept
        ended kept
        cp kept.log /host/kept.log
        ",
    ));
    outcome.succeeded(&["run", "tap", "drain"]);
    let log = outcome.text("run.log");
    assert!(!log.contains("the drain was cut short"), "{log}");
    let [frames, packets, dropped] = ended(&outcome);
    assert_eq!(frames, packets + dropped, "{log}");
    let expected = expected(&set, (128, 96), (64, 48), [false; 2]);
    let shown = numbers(&outcome, "", &expected).len();
    assert!(shown == packets && shown > 4, "{shown}: {log}");
    let log = outcome.text("kept.log");
    assert!(!log.contains(": 0 frames are lost"), "{log}");
    assert!(
        log.contains("/dev/video12: the converter does not give what it has: "),
        "{log}"
    );
    assert_eq!(outcome.number("kept"), 8, "{log}");
    let (_, words) = log.split_once("ended: ").unwrap();
    let sum: Vec<usize> = words
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .take(3)
        .collect();
    assert_eq!(sum[0], sum[1] + sum[2], "{log}");
    // Those that the converter and the decoder had.
    assert!(sum[2] > 5 && sum[1] == 6, "{log}");
}
