//! A webcam's JPEGs through the engine without an encoder: each whole one arrives, with the tables that it lacks, and each other one is
//! counted.

use std::process::{Command, Stdio};

use crate::accounting::{Line, balance, index, stat};
use crate::camera::{CAMERA, ended};
use crate::jpegs::{pictures, put, tables_last, without_tables};
use crate::support::Outcome;
use crate::webcam::{WEBCAM, guest};

const SIZE: (u32, u32) = (160, 128);

const PASS: &str = r"
    encoder='--camera-format MJPG --codec MJPG'
    pass() {
        engine run --camera $node --size 160x128 $@
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
    }
    # What stat says in the end, and how both ended.
    over() {
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        framemill stat --json >/dev/null 2>&1 && give_up an engine that does not end
    }
";

/// Frames of a stream of JPEGs as FFmpeg decodes them. A complaint is a failure.
fn decoded(outcome: &Outcome, name: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-err_detect", "explode", "-f", "mjpeg", "-i"])
        .arg(outcome.path(name))
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{name}: {complaint}: {}",
        outcome.story()
    );
    output.stdout
}

/// The lines of the packets: all but that of the end.
fn packets_of(outcome: &Outcome) -> Vec<Line> {
    let mut lines = index(outcome, "index");
    lines.retain(|line| !line.is('E'));
    lines
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn webcams_jpegs_are_passed_on_and_missing_tables_are_put_in() {
    let guest = guest("pass");
    let whole = pictures(SIZE, 6);
    let mut sent = whole.clone();
    sent[2] = without_tables(&whole[2]);
    sent[3] = without_tables(&whole[3]);
    sent[4].extend([0; 500]);
    let mut arrives = whole.clone();
    arrives[2] = tables_last(&whole[2]);
    arrives[3] = tables_last(&whole[3]);
    let names = put(&guest, "sent", &sent);
    let outcome = guest.run(&format!(
        "{CAMERA}{WEBCAM}{PASS}\nnames='{names}'\n{}",
        r#"
        plug $names
        pass
        until_true reached packets 15
        try bitrate framemill ctl bitrate 1M
        try key framemill ctl key
        framemill stat >/host/stat.txt
        over
        unplug

        # The size that the camera has now, and no sandbox that would miss anything: bulk transfers, two consumers.
        plug bulk $names
        engine second --camera $node --frames 30
        start tap framemill tap --from oldest --all --mux packets --to /host/packets
        ended tap
        ended second
        # What only an encoder could follow, and what the camera does not have.
        try usage framemill run $encoder --camera $node --bitrate 1M
        try other framemill run --camera-format H264 --codec H264 --camera $node
        try size framemill run $encoder --camera $node --size 800x600
        unplug
        "#
    ));
    outcome.succeeded(&["run", "tap", "second"]);
    let lines = packets_of(&outcome);
    let packets = lines.len();
    assert!(packets >= 15, "{}", outcome.story());
    let expected: Vec<_> = (0..packets)
        .map(|number| &arrives[number % 6][..])
        .collect();
    assert!(
        outcome.bytes("coded") == expected.concat(),
        "{}",
        outcome.story()
    );
    let json = outcome.text("stat.json");
    let (committed, published, dropped) = balance(&json);
    assert!(dropped == 0 && committed == published, "{json}");
    assert!(
        json.contains(r#""device":"pass-through""#) && json.contains(r#""format":"MJPG""#),
        "{json}"
    );
    assert_eq!(stat(&json, "frames_queued"), published, "{json}");
    // Each frame is a key frame, and none says that something is missing before it.
    assert!(lines.iter().all(|line| line.is('K')), "{lines:?}");
    assert!(lines.iter().all(|line| !line.is('D')), "{lines:?}");
    let text = outcome.text("stat.txt");
    assert!(text.contains("device: pass-through"), "{text}");
    assert_eq!(
        outcome
            .text("second.log")
            .matches("running: pass-through 160x128 MJPG to MJPG")
            .count(),
        1
    );
    let first = decoded(&outcome, "coded");
    assert_eq!(first.len(), packets * (SIZE.0 * SIZE.1 * 2) as usize);
    assert_eq!(
        stat(&json, "jpeg_tables_added"),
        (0..published)
            .filter(|number| matches!(number % 6, 2 | 3))
            .count() as u64,
        "{json}"
    );
    for (name, code, words) in [
        ("bitrate", 4, "bitrate: the driver has no such control"),
        ("key", 0, ""),
        ("usage", 2, "without an encoder; leave out what is for one"),
        ("other", 4, "the driver does not take H264: it offers "),
        ("size", 4, "800x600"),
    ] {
        assert_eq!(outcome.number(name), code, "{name}: {}", outcome.story());
        assert!(
            outcome.text(&format!("{name}.log")).contains(words),
            "{name}: {}",
            outcome.story()
        );
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_that_are_cut_off_or_lost_are_counted_through_unplug_and_return() {
    let guest = guest("pass-troubles");
    let whole = pictures(SIZE, 5);
    let names = put(&guest, "sent", &whole);
    let outcome = guest.run(&format!(
        "{CAMERA}{WEBCAM}{PASS}\nnames='{names}'\n{}",
        r"
        # Of each eight: one is cut off in the middle, one marked as damaged, which the driver keeps to itself.
        plug cut=1/8 lost=5/8 $names
        pass --camera-wait 60000
        until_true reached packets 14
        unplug
        until_true in_state no-camera
        # Transfers that fail at frame 9 of the first stream.
        plug urb=9 $names
        until_true in_state running
        more 14
        over
        unplug

        # Somebody keeps the old node: the camera comes back as another one, and is found by its bus.
        plug unplug=10 $names
        old=$node
        exec 3<>$node
        engine named --camera bus:usb-vhci_hcd.0-1 --size 160x128 --camera-wait 60000
        until_true in_state no-camera
        wait $webcam
        plug $names
        say another $([ $node != $old ] && echo yes)
        until_true in_state running
        more 5
        framemill stat --json >/host/named.json
        kill $named
        ended named
        exec 3>&-
        "
    ));
    outcome.succeeded(&["run", "tap", "named"]);
    let json = outcome.text("stat.json");
    let lines = packets_of(&outcome);
    assert!(stat(&json, "frames_lost_camera") >= 1, "{json}");
    assert!(stat(&json, "frames_dropped_camera") >= 2, "{json}");
    assert!(stat(&json, "camera_restarts") >= 2, "{json}");
    assert_eq!(stat(&json, "generation"), 2, "{json}");
    let (_, _, dropped) = balance(&json);
    assert_eq!(dropped, stat(&json, "frames_dropped_camera"), "{json}");
    // What arrived are whole pictures, each as it was sent.
    let coded = outcome.bytes("coded");
    let mut rest = &coded[..];
    let mut numbers = Vec::new();
    for line in &lines {
        let (packet, behind) = rest.split_at(line.bytes as usize);
        let number = whole.iter().position(|picture| packet == picture);
        numbers.push(number.unwrap_or_else(|| panic!("{numbers:?}: {}", outcome.story())));
        rest = behind;
    }
    assert!(rest.is_empty());
    // Frames 1 and 5 of the first stream are missing, and the next ones say so.
    assert!(numbers.starts_with(&[0, 2, 3, 4, 1, 2, 3]), "{numbers:?}");
    let marks: Vec<_> = lines[..7].iter().map(|line| line.is('D')).collect();
    assert_eq!(
        marks,
        [false, true, false, false, true, false, false],
        "{lines:?}"
    );
    let log = outcome.text("run.log");
    assert!(
        log.contains("frames dropped so far: cut off: EOI is missing"),
        "{log}"
    );
    assert!(log.contains("the camera is gone (VIDIOC_"), "{log}");
    assert_eq!(outcome.said("another"), "yes");
    // A frame may have come after stat looked.
    let [frames, packets, dropped] = ended(&outcome);
    assert_eq!(frames, packets + dropped, "{}", outcome.story());
    assert_eq!(packets, lines.len(), "{}", outcome.story());
}

/// Frames of H.264, each with a file of its own: key frames begin with their headers.
fn frames_of_h264(count: usize) -> Vec<Vec<u8>> {
    let output = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=160x128:r=30",
        ])
        .args(["-frames:v", &count.to_string(), "-pix_fmt", "yuv420p"])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-tune",
            "zerolatency",
        ])
        .args([
            "-x264-params",
            "keyint=5:scenecut=0:sliced-threads=0:aud=1",
            "-f",
            "h264",
            "-",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "{output:?}");
    // A delimiter begins each.
    let stream = output.stdout;
    let begins = |at: &usize| stream[*at..].starts_with(&[0, 0, 0, 1, 9]);
    let mut starts: Vec<_> = (0..stream.len()).filter(begins).collect();
    assert_eq!(starts.len(), count);
    starts.push(stream.len());
    starts
        .windows(2)
        .map(|pair| stream[pair[0]..pair[1]].to_vec())
        .collect()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn webcams_h264_is_passed_on_and_its_key_frames_are_found() {
    let guest = guest("pass-h264");
    let sent = frames_of_h264(10);
    let mut names = String::new();
    for (number, frame) in sent.iter().enumerate() {
        let name = format!("sent-{number:03}.h264");
        guest.put(&name, frame);
        names += &format!(" /host/{name}");
    }
    let outcome = guest.run(&format!(
        "{CAMERA}{WEBCAM}{PASS}\nnames='{names}'\nencoder='--camera-format H264 --codec H264'\n{}",
        r"
        plug h264=160x128 $names
        try other framemill run --camera $node --camera-format H264 --codec MJPG
        pass
        until_true reached packets 15
        start late framemill tap --mux ts --frames 5 --to /host/late.ts
        wait $late
        say late $?
        try key framemill ctl key
        over
        unplug
        "
    ));
    outcome.succeeded(&["run", "tap", "late"]);
    let lines = packets_of(&outcome);
    let expected: Vec<_> = (0..lines.len())
        .map(|number| &sent[number % 10][..])
        .collect();
    assert!(
        outcome.bytes("coded") == expected.concat(),
        "{}",
        outcome.story()
    );
    for (number, line) in lines.iter().enumerate() {
        let key = number % 5 == 0;
        assert_eq!(
            (line.is('K'), line.is('C')),
            (key, key),
            "{number}: {lines:?}"
        );
    }
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "frames_dropped"), 0, "{json}");
    // It is passed on or nothing.
    assert_eq!(outcome.number("other"), 2, "{}", outcome.story());
    let other = outcome.text("other.log");
    let sentence = "--camera-format H264: frames of JPEG alone are decoded here; with --codec H264 they are passed on";
    assert!(other.contains(sentence), "{other}");
    // Nobody is there who could make one.
    assert_eq!(outcome.number("key"), 4, "{}", outcome.story());
    assert!(!outcome.bytes("late.ts").is_empty());
    // A frame may have come after stat looked.
    let [frames, packets, dropped] = ended(&outcome);
    assert_eq!(frames, packets + dropped, "{}", outcome.story());
    assert_eq!(packets, lines.len(), "{}", outcome.story());
}
