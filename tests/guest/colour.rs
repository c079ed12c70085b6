//! What frames mean, from the source to the stream: colour is passed on and shown, and what cannot be signalled is said once. Frames of
//! two fields follow one rule, whether a camera or a file has them.

use framemill::internals::media::sps::{VideoSignal, find_sps};

use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::{Guest, Outcome};

/// The four words of stat about colour.
fn colour(outcome: &Outcome, name: &str) -> String {
    let json = outcome.text(name);
    let word = |key: &str| {
        let (_, rest) = json.split_once(&format!("\"{key}\":\"")).expect(key);
        rest.split('"').next().expect("a value").to_owned()
    };
    ["colorspace", "transfer", "matrix", "color_range"]
        .map(word)
        .join("/")
}

/// Three frames as a Y4M stream.
fn y4m(parameters: &str, (width, height): (u32, u32)) -> Vec<u8> {
    let picture = Picture::new("YU12", width, height);
    let mut file = format!("YUV4MPEG2 W{width} H{height} F30:1 {parameters}\n").into_bytes();
    for frame in picture.pattern(0..3).chunks_exact(picture.frame_bytes()) {
        file.extend_from_slice(b"FRAME\n");
        file.extend_from_slice(frame);
    }
    file
}

fn lines(outcome: &Outcome, log: &str, words: &str) -> usize {
    let text = outcome.text(log);
    text.lines().filter(|line| line.contains(words)).count()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn what_frames_mean_reaches_the_stream_or_the_log() {
    Guest::h264("colour").phases(&[
        a_files_range_reaches_the_stream_or_the_log(),
        a_cameras_colour_reaches_the_encoder(),
        oblong_pixels_of_a_camera_cost_one_line_in_the_log(),
    ]);
}

fn a_files_range_reaches_the_stream_or_the_log() -> Phase {
    let mut phase = Phase::new("a_files_range_reaches_the_stream_or_the_log");
    let size = (320, 240);
    phase.put("full.y4m", &y4m("Ip A128:117 XCOLORRANGE=FULL", size));
    phase.put("limited.y4m", &y4m("Ip A1:1 XCOLORRANGE=LIMITED", size));
    phase.put("it.y4m", &y4m("It", size));
    let script = r"
        push() { framemill push --fps max --from /host/$@; }
        for signals in N Y; do
            knob signal_colour $signals
            engine run
            start tap framemill tap --from oldest --all --to /host/coded.$signals
            until_true reached consumers_attached 1
            try full push full.y4m
            try full push full.y4m
            framemill stat --json >/host/full.$signals
            try limited push limited.y4m
            framemill stat --json >/host/limited.$signals
            say generation.$signals $(counter generation)
            try named push limited.y4m --colorspace rec709 --color-range full
            framemill stat --json >/host/named.$signals
            kill $run
            ended run
            ended tap
            cp run.log /host/run.$signals
        done
        engine run --size 320x240 --colorspace bt2020 --color-range limited
        try over push full.y4m
        framemill stat --json >/host/over
        try interlaced push it.y4m
        try progressive push it.y4m --progressive
        kill $run
        ended run
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&[
            "run",
            "tap",
            "full",
            "limited",
            "named",
            "over",
            "progressive",
        ]);
        for (name, expected) in [
            // Of this size players assume this colorspace, and V4L2 takes no range without one.
            ("full", "smpte170m/unknown/unknown/full"),
            ("limited", "smpte170m/unknown/unknown/limited"),
            ("named", "rec709/unknown/unknown/full"),
        ] {
            for signals in ["N", "Y"] {
                assert_eq!(colour(outcome, &format!("{name}.{signals}")), expected);
            }
        }
        assert_eq!(colour(outcome, "over"), "bt2020/unknown/unknown/limited");
        // Once for each colour that is lost, and never for one that is there.
        assert_eq!(lines(outcome, "run.N", "does not signal the range of"), 1);
        assert_eq!(
            lines(
                outcome,
                "run.N",
                "does not signal the range and colorspace of rec709"
            ),
            1
        );
        assert_eq!(lines(outcome, "run.Y", "does not signal"), 0);
        let first = find_sps(&outcome.bytes("coded.Y")).expect("a parameter set");
        let signal = first.video_signal.expect("a video signal");
        assert!(matches!(
            signal,
            VideoSignal {
                full_range: true,
                ..
            }
        ));
        assert_eq!(
            find_sps(&outcome.bytes("coded.N"))
                .expect("a set")
                .video_signal,
            None
        );
        assert_eq!(
            lines(outcome, "full.log", "pixels are 128:117, not square"),
            1
        );
        assert_eq!(lines(outcome, "limited.log", "not square"), 0);
        assert_eq!(outcome.number("interlaced"), 11);
        assert_eq!(
            lines(
                outcome,
                "interlaced.log",
                "interlaced (It); only progressive"
            ),
            1
        );
    })
}

fn a_cameras_colour_reaches_the_encoder() -> Phase {
    let script = r"
        encoder='--device /dev/video0 --codec FWHT'
        vivid() { v4l2-ctl -d /dev/video4 $@ || give_up v4l2-ctl $@; }
        shown() {
            engine run --camera /dev/video4 --size 640x480 $@
            start tap framemill tap --to /host/coded --frames 2
            ended tap
            framemill stat --json >/host/$part.stat
            kill $run
            ended run
        }
        # SMPTE 240M, and a transfer function, matrix and range that are not its own.
        vivid --set-ctrl colorspace=6 --set-ctrl transfer_function=1 --set-ctrl y_cbcr_encoding=2 --set-ctrl quantization=1
        vivid --get-fmt-video >/host/format
        part=own; shown
        cp /host/coded /host/own.coded
        part=over; shown --colorspace rec709 --color-range limited
        vivid --set-input 1
        try fields framemill run $encoder --camera /dev/video4
        engine run --camera /dev/video4 --progressive
        until_true reached packets 3
        kill $run
        ended run
        ";
    Phase::new("a_cameras_colour_reaches_the_encoder").run(script, |outcome| {
    outcome.succeeded(&["run", "tap"]);
    let own = colour(outcome, "own.stat");
    let format = outcome.text("format");
    assert_eq!(
        own.split('/').next(),
        Some("smpte240m").filter(|_| format.contains("SMPTE 240M")),
        "{own}\n{format}"
    );
    assert_ne!(own, "smpte240m/unknown/unknown/unknown", "{format}");
    assert!(own.ends_with("/full"), "{own}");
    // vicodec writes what it was told into each frame's header: colorspace, transfer function, matrix, range.
    let header = outcome.bytes("own.coded");
    let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("a word"));
    assert_eq!((word(24), word(36)), (2, 1));
    assert_eq!(
        colour(outcome, "over.stat"),
        "rec709/unknown/unknown/limited"
    );
    assert_eq!(outcome.number("fields"), 4);
    let log = outcome.text("fields.log");
    assert!(log.contains("/dev/video4: its frames are interlaced (two fields woven); only progressive frames are encoded"), "{log}");
    })
}

fn oblong_pixels_of_a_camera_cost_one_line_in_the_log() -> Phase {
    let script = r"
        # A television receiver, whose pixels are not square; and a webcam.
        v4l2-ctl -d /dev/video4 --set-input 1 || give_up input
        v4l2-ctl -d /dev/video4 --set-standard pal >/dev/null || give_up standard
        engine oblong --camera /dev/video4 --size 720x576 --progressive --frames 5
        ended oblong
        v4l2-ctl -d /dev/video4 --set-input 0 || give_up input
        engine square --camera /dev/video4 --size 320x180 --frames 5
        ended square
        ";
    Phase::new("oblong_pixels_of_a_camera_cost_one_line_in_the_log").run(script, |outcome| {
        outcome.succeeded(&["oblong", "square"]);
        let line = "/dev/video4: its pixels are 59:54, not square";
        let (oblong, square) = (outcome.text("oblong.log"), outcome.text("square.log"));
        assert_eq!(oblong.matches(line).count(), 1, "{oblong}");
        assert!(!square.contains("its pixels are"), "{square}");
    })
}
