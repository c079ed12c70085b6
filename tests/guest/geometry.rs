//! Frames whose size the format does not have, or whose rows lie apart in the input: rejected with the value that works,
//! or encoded as they are meant.

use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::Guest;

/// In a clock of its own: what a pipe brings within 200 ms is looked at as a whole, and a busy host must not stretch that.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_are_encoded_as_they_are_meant_or_rejected() {
    Guest::h264("geometry").steady().phases(&[
        odd_sizes_are_rejected_before_the_driver_is_asked(),
        padded_rows_of_raw_input_are_passed_over_and_a_total_that_cannot_be_is_rejected(),
        odd_frames_are_padded_where_that_is_asked_for(),
        an_encoder_that_takes_nv12_only_needs_no_options(),
        a_y4m_headers_format_is_part_of_the_request(),
    ]);
}

fn odd_sizes_are_rejected_before_the_driver_is_asked() -> Phase {
    let script = r"
        for size in 853x480 640x361; do
            try size_$size strace -o size_$size.trace -e trace=ioctl framemill run $encoder --size $size
            say asked_$size $(grep -c VIDIOC_S_FMT size_$size.trace)
        done
        engine run
        try width framemill push --size 641x360 --frames 3
        try height framemill push --size 640x361 --format NV12 --frames 3
        say generation $(counter generation)
        say refused_odd_size $(counter refused_odd_size)
        # The log has one line a second about what clients do.
        sleep 1.1
        try format framemill push --size 640x360 --format 422P --frames 3
        say refused_format $(counter refused_format)
        kill $run
        ended run
        ";
    Phase::new("odd_sizes_are_rejected_before_the_driver_is_asked").run(script, |outcome| {
    outcome.succeeded(&["run"]);
    for (name, sentence) in [
        (
            "size_853x480",
            "--size 853x480: the width must be even, 852 or 854",
        ),
        (
            "size_640x361",
            "--size 640x361: the height must be even, 360 or 362",
        ),
        (
            "width",
            "--size 641x360: the width must be even, 640 or 642",
        ),
        ("format", "does not take this raw format"),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert!(log.contains(sentence), "{name}: {log}");
    }
    assert_eq!(outcome.number("size_853x480"), 2);
    assert_eq!(outcome.number("asked_853x480"), 0);
    assert_eq!(outcome.number("asked_640x361"), 0);
    let log = outcome.text("run.log");
    for sentence in [
        "a producer requests frames of 641x360: the width must be even, 640 or 642 (pixels of YU12 share their chroma)",
        "/dev/video11 takes YU12 YV12 NV12 NV21",
    ] {
        assert!(log.contains(sentence), "{sentence}\n{log}");
    }
    // The encoder was not reconfigured for what it cannot do.
    assert_eq!(outcome.number("generation"), 1);
    // The other request named its format, so that push knew.
    assert_eq!(outcome.number("refused_odd_size"), 1);
    assert_eq!(outcome.number("refused_format"), 1);
    })
}

/// The frames of a tight file with `stride` bytes from row to row and `rows` rows in the first plane; the padding is noise.
fn with_padding(picture: &Picture, tight: &[u8], stride: usize, rows: usize) -> Vec<u8> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut padded = Vec::new();
    for mut frame in tight.chunks_exact(picture.frame_bytes()) {
        for plane in picture.format.planes {
            let (across, down) = (plane.horizontal as usize, plane.vertical as usize);
            let group = plane.group_bytes as usize;
            let (bytes, stride) = (width / across * group, stride / across * group);
            for row in 0..rows / down {
                let taken = if row < height / down { bytes } else { 0 };
                let (visible, rest) = frame.split_at(taken);
                frame = rest;
                padded.extend_from_slice(visible);
                padded.extend((taken..stride).map(|at| (at * 37 + row) as u8));
            }
        }
        assert!(frame.is_empty());
    }
    padded
}

/// A Y4M stream of these frames.
fn y4m(parameters: &str, frames: &[u8], frame_bytes: usize) -> Vec<u8> {
    let mut file = format!("YUV4MPEG2 {parameters}\n").into_bytes();
    for frame in frames.chunks_exact(frame_bytes) {
        file.extend_from_slice(b"FRAME\n");
        file.extend_from_slice(frame);
    }
    file
}

fn padded_rows_of_raw_input_are_passed_over_and_a_total_that_cannot_be_is_rejected() -> Phase {
    let mut phase = Phase::new(
        "padded_rows_of_raw_input_are_passed_over_and_a_total_that_cannot_be_is_rejected",
    );
    for code in ["YU12", "NV12"] {
        let picture = Picture::new(code, 320, 240);
        let tight = picture.noisy(0..6);
        phase.put(code, &tight);
        phase.put(
            &format!("{code}.padded"),
            &with_padding(&picture, &tight, 384, 256),
        );
    }
    let script = r"
        cp /host/YU12* /host/NV12* .
        for format in YU12 NV12; do
            engine run --size 320x240 --format $format
            start tap framemill tap --from oldest --all --to $format.coded
            until_true reached consumers_attached 1
            # Each is rejected whole: no frame of it reaches the encoder.
            try total framemill push --raw --from $format.padded --fps max
            head -c 300000 $format.padded >part
            try part framemill push --raw --from - --fps max <part
            cat part | try pipe framemill push --raw --from - --fps max
            head -c 100000 part | try first framemill push --raw --from - --fps max
            say $format.committed $(counter frames_committed)
            cat $format.padded |
                framemill push --raw --from - --stride 384 --rows 256 --fps max 2>/dev/null || give_up padded pipe
            framemill push --raw --from $format.padded --stride 384 --rows 256 --fps max 2>/dev/null ||
                give_up padded file
            try less framemill push --raw --from $format --stride 300
            kill $run
            ended run
            ended tap
        done
        cp *.coded total.log part.log pipe.log first.log less.log /host
        ";
    phase.run(script, move |outcome| {
    outcome.succeeded(&["run", "tap"]);
    for code in ["YU12", "NV12"] {
        assert_eq!(outcome.number(&format!("{code}.committed")), 0);
        let picture = Picture::new(code, 320, 240);
        let twice = picture.subsampled(&outcome.bytes(code)).repeat(2);
        assert!(outcome.decoded(&format!("{code}.coded")) == twice, "{code}");
    }
    for (name, exit, sentence) in [
        (
            "total",
            11,
            "the input has 884736 bytes, 7 frames of 320x240 NV12 (115200 bytes each) and 78336 bytes more; with --stride 384 --rows 256 it is a whole number",
        ),
        (
            "part",
            11,
            "2 frames of 320x240 NV12 (115200 bytes each) and 69600 bytes more: give its --size, or --stride",
        ),
        (
            "pipe",
            11,
            "2 frames of 320x240 NV12 (115200 bytes each), then 69600 bytes more; is it another --size, or do its rows need --stride or --rows?",
        ),
        (
            "first",
            11,
            "0 frames of 320x240 NV12 (115200 bytes each), then 100000 bytes more",
        ),
        (
            "less",
            2,
            "--stride 300 is less than a row: 320 pixels of NV12 have 320 bytes",
        ),
    ] {
        assert_eq!(outcome.number(name), exit, "{}", outcome.story());
        let log = outcome.text(&format!("{name}.log"));
        assert!(log.contains(sentence), "{name}: {log}");
    }
    })
}

fn odd_frames_are_padded_where_that_is_asked_for() -> Phase {
    let mut phase = Phase::new("odd_frames_are_padded_where_that_is_asked_for");
    let odd = Picture::new("YU12", 319, 239);
    let frames = odd.noisy(0..4);
    phase.put("odd", &frames);
    phase.put(
        "odd.y4m",
        &y4m("W319 H239 F30:1", &frames, odd.frame_bytes()),
    );
    let script = r"
        engine run
        start tap framemill tap --from oldest --all --to /host/coded
        until_true reached consumers_attached 1
        try header framemill push --from /host/odd.y4m
        try size framemill push --raw --from /host/odd --size 319x239
        say committed $(counter frames_committed)
        try y4m framemill push --from /host/odd.y4m --pad --fps max
        try raw framemill push --raw --from /host/odd --size 319x239 --pad --fps max
        say width $(counter width)
        kill $run
        ended run
        ended tap
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["run", "tap", "y4m", "raw"]);
        assert_eq!((outcome.number("header"), outcome.number("size")), (11, 2));
        assert_eq!(outcome.number("committed"), 0);
        assert_eq!(outcome.number("width"), 320);
        for name in ["header", "size"] {
            let log = outcome.text(&format!("{name}.log"));
            let sentence =
                "319x239: the width must be even, 318 or 320; the height must be even, 238 or 240";
            assert!(log.contains(sentence) && log.contains("--pad"), "{log}");
        }
        // The last column and the last row twice.
        let mut expected = Vec::new();
        for frame in frames.chunks_exact(odd.frame_bytes()) {
            let (luma, chroma) = frame.split_at(319 * 239);
            let mut rows: Vec<_> = luma.chunks_exact(319).collect();
            rows.push(rows[238]);
            for row in rows {
                expected.extend_from_slice(row);
                expected.push(row[318]);
            }
            expected.extend_from_slice(chroma);
        }
        assert!(
            outcome.decoded("coded") == expected.repeat(2),
            "{}",
            outcome.story()
        );
    })
}

fn an_encoder_that_takes_nv12_only_needs_no_options() -> Phase {
    let mut phase = Phase::new("an_encoder_that_takes_nv12_only_needs_no_options");
    let picture = Picture::new("YU12", 320, 240);
    let frames = picture.noisy(0..4);
    phase.put(
        "in.y4m",
        &y4m("W320 H240 F30:1", &frames, picture.frame_bytes()),
    );
    let script = r"
        # NV12
        knob only_format 842094158
        start run framemill run --codec H264 --once
        start tap framemill tap --wait 5000 --from oldest --all --to /host/coded
        until_true reached consumers_attached 1
        framemill push --wait 5000 --from /host/in.y4m --fps max 2>push.log || give_up push
        ended run
        ended tap
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        let log = outcome.text("run.log");
        assert!(log.contains(" NV12 to H264"), "{log}");
        assert!(outcome.decoded("coded") == frames, "{}", outcome.story());
    })
}

fn a_y4m_headers_format_is_part_of_the_request() -> Phase {
    let mut phase = Phase::new("a_y4m_headers_format_is_part_of_the_request");
    for (name, code, tag) in [
        ("c422", "422P", "C422"),
        ("mono", "GREY", "Cmono"),
        ("c420", "YU12", "C420"),
    ] {
        let picture = Picture::new(code, 640, 368);
        let frames = picture.pattern(0..2);
        let parameters = format!("W640 H368 F30:1 {tag}");
        phase.put(
            &format!("{name}.y4m"),
            &y4m(&parameters, &frames, picture.frame_bytes()),
        );
    }
    let script = r"
        encoder='--device /dev/video0 --codec FWHT'
            engine run
        for name in c422 mono c420; do
            try $name framemill push --from /host/$name.y4m --fps max
            framemill stat --json >/host/$name.json
        done
        kill $run
        ended run
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["run", "c422", "mono", "c420"]);
        for (name, format) in [("c422", "422P"), ("mono", "GREY"), ("c420", "YU12")] {
            let json = outcome.text(&format!("{name}.json"));
            assert!(json.contains(&format!(r#""format":"{format}""#)), "{json}");
        }
    })
}
