//! A converter between a camera and the encoder: pictures scaled, mirrored, or of a format that the encoder lacks. What the converter makes of
//! a picture is known from v4l2-ctl, which knows nothing of Framemill.

use crate::accounting::stat;
use crate::camera::{CAMERA, ended, only_the_picture};
use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::Guest;

/// `converted NODE W H FORMAT W H FORMAT [CONTROL=VALUE,…]`: what becomes of the camera's picture.
pub const CONVERTED: &str = r"
    converted() {
        picture $2 $3 $4
        # v4l2-ctl ends when there is no more to read, whether anything came out or not.
        for _ in 1 2 3 4 5; do cat /tmp/picture; done >/tmp/pictures
        v4l2-ctl -d $1 --set-fmt-video-out=width=$2,height=$3,pixelformat=$4 --set-fmt-video=width=$5,height=$6,pixelformat=$7 \
            ${8:+--set-ctrl $8} --stream-mmap --stream-out-mmap --stream-count=1 --stream-out-perc-fill 1 \
            --stream-from=/tmp/pictures --stream-to=/tmp/converted >/tmp/converted.log 2>&1 || give_up converted
        [ -s /tmp/converted ] || give_up nothing converted
        mv /tmp/converted /host/picture
        rm /tmp/picture /tmp/pictures
    }
";

/// Twenty frames of the camera or more; each one published is the converted picture, none was copied, and each is accounted for. The engine's
/// log has these words.
fn converted(
    name: &'static str,
    code: &'static str,
    size: (u32, u32),
    words: &'static str,
    script: &str,
) -> Phase {
    let script = format!(
        "{CAMERA}{CONVERTED}{script}
        until_true reached frames_committed 20
        until_true reached packets 3
        over
        "
    );
    Phase::new(name).run(&script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        let published = only_the_picture(outcome, &Picture::new(code, size.0, size.1));
        let json = outcome.text("stat.json");
        assert_eq!(stat(&json, "camera_bytes_copied"), 0, "{json}");
        assert_eq!(ended(outcome)[1], published, "{}", outcome.story());
        // vim2m takes its time, and what it has no buffer for is dropped before it.
        assert!(published >= 3, "{}", outcome.story());
        let log = outcome.text("run.log");
        assert!(log.contains(words), "{log}");
    })
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_converter_makes_what_the_encoder_is_to_have() {
    Guest::h264("convert").phases(&[
        converted(
            "scaled",
            "YU12",
            (320, 180),
            "YU12 640x360 to /dev/video12 YU12 320x180 to /dev/video11",
            r"
            converted /dev/video12 640 360 YU12 320 180 YU12
            camera --camera-size 640x360 --camera-format YU12 --size 320x180
            ",
        ),
        converted(
            "mirrored",
            "YU12",
            (320, 180),
            "/dev/video12",
            r"
            converted /dev/video12 320 180 YU12 320 180 YU12 horizontal_flip=1,vertical_flip=1
            camera --camera-format YU12 --size 320x180 --flip hv --converter /dev/video12
            ",
        ),
        // Of a format that the encoder lacks.
        converted(
            "other_format",
            "NV12",
            (320, 180),
            "/dev/video12 NV12",
            r"
            knob only_format 0x3231564e
            converted /dev/video12 320 180 YUYV 320 180 NV12
            camera --camera-format YUYV --size 320x180
            ",
        ),
        // vim2m has memory of its own, in pages, which the camera cannot fill: it reads the camera's, and fills the encoder's.
        converted(
            "vim2m",
            "YUYV",
            (640, 360),
            "/dev/video3",
            r"
            converted /dev/video3 320 180 RGBP 640 360 YUYV
            camera --camera-size 320x180 --camera-format RGBP --format YUYV --size 640x360 --converter /dev/video3 --packet-ring 16M
            ",
        ),
        a_converter_that_cannot_do_it_is_named(),
    ]);
}

fn a_converter_that_cannot_do_it_is_named() -> Phase {
    let script = r"
        camera='framemill run --camera /dev/video4 --camera-size 1280x720 --size 640x360'
        try off $camera --converter off
        try encoder $camera --converter /dev/video11
        try small $camera --converter /dev/video3
        try none $camera --converter /dev/video99
        try decoder framemill run --camera /dev/video4 --flip v --converter off
        ";
    Phase::new("a_converter_that_cannot_do_it_is_named").run(script, |outcome| {
        for (name, exit, words) in [
            ("off", 2, "which needs a converter, and --converter off"),
            (
                "encoder",
                3,
                "--converter /dev/video11: it is no converter, but of the kind: encoder",
            ),
            (
                "small",
                4,
                "--converter /dev/video3: it does not take 1280x720",
            ),
            ("none", 3, "--converter /dev/video99"),
            ("decoder", 2, "--flip needs a converter"),
        ] {
            let log = outcome.text(&format!("{name}.log"));
            assert_eq!(outcome.number(name), exit, "{name}: {log}");
            assert!(log.contains(words), "{name}: {log}");
        }
    })
}
