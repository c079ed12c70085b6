//! A camera in the engine's own loop: vivid's, whose pictures are known, into either encoder without a copy.

use crate::accounting::{index, stat};
use crate::frames::Picture;
use crate::support::{Api, Guest, Outcome};

/// Pictures that stand still, one of them as v4l2-ctl takes it, and the camera through the engine.
const CAMERA: &str = r"
    v4l2-ctl -d /dev/video4 --set-ctrl osd_text_mode=2 || give_up osd
    picture() {
        v4l2-ctl -d /dev/video4 --set-fmt-video=width=$1,height=$2,pixelformat=$3 --stream-mmap --stream-count=1 \
            --stream-to=/tmp/picture >/dev/null 2>&1 || give_up picture
        cp /tmp/picture /host/picture
    }
    camera() {
        engine run --camera /dev/video4 $@
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
    }
";

/// A guest whose camera has contiguous buffers, as one on a Pi would.
fn guest(name: &str) -> Guest {
    Guest::h264(name).append("vivid.allocators=1")
}

/// That every frame of the stream is the picture, and that stat's numbers say that none was copied or lost without a count.
fn only_the_picture(outcome: &Outcome, picture: &Picture) -> usize {
    let expected = picture.subsampled(&outcome.bytes("picture"));
    let decoded = outcome.decoded("coded");
    let frames = decoded.chunks(expected.len());
    assert!(
        frames.clone().all(|frame| frame == expected),
        "{}",
        outcome.story()
    );
    let json = outcome.text("stat.json");
    assert_eq!(
        (stat(&json, "raw_bytes_copied"), stat(&json, "restarts")),
        (0, 0),
        "{json}"
    );
    assert!(json.contains("\"memory\":\"import\""), "{json}");
    frames.len()
}

/// What the engine's last line says: frames in, packets out, frames dropped.
fn ended(outcome: &Outcome) -> [usize; 3] {
    let log = outcome.text("run.log");
    let (_, words) = log.split_once("ended: ").expect("the last line");
    let numbers = words.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<usize> = numbers.filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{log}"))
}

#[test]
fn camera_reaches_the_stream_without_a_copy() {
    let guest = guest("camera");
    let outcome = guest.run(&format!(
        "{CAMERA}{}",
        r"
        picture 640 480 YUYV
        camera --size 640x480 --format YUYV --frames 300 --packet-ring 16M
        until_true reached packets 5
        try second framemill push --frames 1
        until_true reached frames_committed 200
        framemill stat --json >/host/stat.json
        ended run
        ended tap
        ",
    ));
    outcome.succeeded(&["run", "tap"]);
    // There is one producer.
    assert_eq!(outcome.number("second"), 10);
    let log = outcome.text("run.log");
    let published = only_the_picture(&outcome, &Picture::new("YUYV", 640, 480));
    let [frames, packets, dropped] = ended(&outcome);
    assert_eq!(
        (frames, packets, packets + dropped),
        (300, published, 300),
        "{log}"
    );
    // The camera's own times, which rise.
    let lines = index(&outcome, "index");
    let times: Vec<u64> = lines
        .iter()
        .filter(|line| line.bytes > 0)
        .map(|line| line.timestamp)
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[test]
fn camera_without_a_size_keeps_its_own() {
    let guest = guest("camera-size");
    let outcome = guest.run(&format!(
        "{CAMERA}{}",
        r"
        picture 320 180 YU12
        camera
        until_true reached packets 5
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        framemill run $encoder --camera /dev/video4 --size 640x368 2>/host/refused.log
        say refused $?
        framemill run $encoder --camera /dev/video0 --size 640x480 2>/host/other.log
        say other $?
        ",
    ));
    outcome.succeeded(&["run", "tap"]);
    only_the_picture(&outcome, &Picture::new("YU12", 320, 180));
    for (name, exit, sentence) in [
        (
            "refused",
            4,
            "/dev/video4: the driver does not take 640x368: the nearest it offers is 640x360",
        ),
        ("other", 3, "/dev/video0 is no camera: it is vicodec"),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert!(
            outcome.number(name) == exit && log.contains(sentence),
            "{log}"
        );
    }
}

#[test]
fn slow_encoder_costs_pictures_and_they_are_counted() {
    let guest = guest("camera-slow");
    let outcome = guest.run(&format!(
        "{CAMERA}{}",
        r"
        picture 320 180 YU12
        knob encode_us 150000
        camera --size 320x180 --fps 30
        until_true reached frames_dropped_behind 20
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        ",
    ));
    outcome.succeeded(&["run", "tap"]);
    only_the_picture(&outcome, &Picture::new("YU12", 320, 180));
    let [frames, packets, dropped] = ended(&outcome);
    assert!(
        frames == packets + dropped && dropped >= 20,
        "{}",
        outcome.story()
    );
}

#[test]
fn camera_that_fails_is_started_again_and_damaged_pictures_are_dropped() {
    let guest = guest("camera-errors");
    let outcome = guest.run(&format!(
        "{CAMERA}{}",
        r"
        picture 320 180 YU12
        camera --size 320x180
        until_true reached packets 5
        v4l2-ctl -d /dev/video4 --set-ctrl inject_v4l2_buf_flag_error=1
        until_true reached frames_dropped_camera 1
        v4l2-ctl -d /dev/video4 --set-ctrl inject_fatal_streaming_error=1
        until_true grep -q 'starting it again' run.log
        at=$(counter packets)
        until_true reached packets $((at + 10))
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        ",
    ));
    outcome.succeeded(&["run", "tap"]);
    only_the_picture(&outcome, &Picture::new("YU12", 320, 180));
    assert!(
        outcome
            .text("run.log")
            .contains("the camera failed (VIDIOC_"),
        "{}",
        outcome.story()
    );
}

both_apis! {
    fn vicodec_reads_the_camera_too(guest: &Guest) {
        let outcome = guest.run(&format!(
            "{CAMERA}{}",
            r"
            picture 640 480 YU12
            camera --size 640x480
            until_true reached packets 3
            framemill stat --json >/host/stat.json
            kill $run
            ended run
            ended tap
            ",
        ));
        outcome.succeeded(&["run", "tap"]);
        let json = outcome.text("stat.json");
        assert!(json.contains("\"memory\":\"import\""), "{json}");
        assert_eq!(stat(&json, "raw_bytes_copied"), 0);
        assert!(!crate::frames::fwht_packets(&outcome.bytes("coded")).is_empty());
    }
}
