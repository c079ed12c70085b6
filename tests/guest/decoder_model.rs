//! The model of the Pi's decoder and converter: its promises at the ioctls, and programs that know nothing of Framemill.

use crate::frames::Picture;
use crate::jpegs::{alike, pictures, shown, without_tables};
use crate::phases::Phase;
use crate::support::{Api, Guest};

const SIZE: (usize, usize) = (320, 240);
const FRAMES: u64 = 12;

/// What fails because the tool has older words for NV12 than the kernel, and then misses the formats behind it.
const OLD_WORDS: [&str; 4] = [
    "VIDIOC_ENUM_FMT/FRAMESIZES/FRAMEINTERVALS",
    "VIDIOC_G_FMT",
    "VIDIOC_TRY_FMT",
    "VIDIOC_S_FMT",
];

/// Whether this was said by Debian 12's tool, which has them.
fn has_old_words(compliance: &str) -> bool {
    compliance.starts_with("v4l2-compliance 1.22.")
}

/// The tests of the tool that failed, in their order.
fn failed(compliance: &str) -> Vec<&str> {
    let tests = compliance
        .lines()
        .filter_map(|line| line.trim().strip_prefix("test "));
    tests
        .filter_map(|line| line.split_once(": FAIL").map(|(name, _)| name))
        .collect()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn decoder_and_converter_keep_their_promises_at_every_ioctl() {
    let guest = Guest::h264("decoder-model");
    guest.compile("tests/vm/decoder-check.c", "decoder-check");
    guest.compile("tests/vm/converter-check.c", "converter-check");
    guest.phases(&[
        decoder_keeps_its_promises_at_every_ioctl(),
        converter_keeps_its_promises_at_every_ioctl(),
    ]);
}

fn decoder_keeps_its_promises_at_every_ioctl() -> Phase {
    let mut phase = Phase::new("decoder_keeps_its_promises_at_every_ioctl");
    let large = pictures((320, 240), 1).remove(0);
    phase.put("large.jpg", &large);
    phase.put("odd.jpg", &pictures((322, 242), 1)[0]);
    phase.put("bare.jpg", &without_tables(&large));
    phase.put("cut.jpg", &large[..large.len() / 2]);
    let script = r"
        /host/decoder-check || give_up decoder-check
        dmesg >/host/dmesg
        v4l2-compliance -d /dev/video10 >/host/compliance 2>&1
        say compliance $?
        ";
    phase.run(script, move |outcome| {
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
        // What else it finds follows from the first: it has no idea of a node for two kinds of decoders. The model's notes tell the rest.
        let compliance = outcome.text("compliance");
        let known = match has_old_words(&compliance) {
            true => [
                &["VIDIOC_QUERYCAP"; 2][..],
                &OLD_WORDS,
                &["VIDIOC_(TRY_)DECODER_CMD"],
            ]
            .concat(),
            false => [
                &["VIDIOC_QUERYCAP"; 2][..],
                &["VIDIOC_S_FMT", "VIDIOC_(TRY_)DECODER_CMD"],
            ]
            .concat(),
        };
        assert_eq!(failed(&compliance), known, "{compliance}");
    })
}

fn converter_keeps_its_promises_at_every_ioctl() -> Phase {
    let script = r"
        /host/converter-check || give_up converter-check
        dmesg >/host/dmesg
        v4l2-compliance -d /dev/video12 -s5 >/host/compliance 2>&1
        say compliance $?
        ";
    Phase::new("converter_keeps_its_promises_at_every_ioctl").run(script, |outcome| {
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
        // The same as of an encoder: the model's notes tell.
        let compliance = outcome.text("compliance");
        let command = "VIDIOC_(TRY_)ENCODER_CMD";
        let known = match has_old_words(&compliance) {
            true => [&OLD_WORDS[..], &[command]].concat(),
            false => vec![command],
        };
        let (streams, others): (Vec<_>, Vec<_>) = failed(&compliance)
            .into_iter()
            .partition(|name| name.starts_with("MMAP"));
        assert!(!streams.is_empty() && others == known, "{compliance}");
    })
}

/// What the model's converter makes of a plane, by its notes.
fn scaled(plane: &[u8], (width, height): (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let sample = |x: usize, y: usize| plane[y * height / to.1 * width + x * width / to.0];
    (0..to.0 * to.1)
        .map(|at| sample(at % to.0, at / to.0))
        .collect()
}

fn scaled_frame(frame: &[u8], (width, height): (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let (luma, chroma) = frame.split_at(width * height);
    let half = |(x, y)| (x / 2, y / 2);
    let mut all = scaled(luma, (width, height), to);
    for plane in chroma.chunks(width * height / 4) {
        all.extend(scaled(plane, half((width, height)), half(to)));
    }
    all
}

/// Pictures of one length each, as a file that is read in blocks of it: what follows a picture's end does not count.
fn padded(pictures: &[Vec<u8>], length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for picture in pictures {
        assert!(picture.len() <= length);
        all.extend(picture);
        all.resize(all.len().next_multiple_of(length), 0);
    }
    all
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn programs_decode_and_convert_through_the_model() {
    let guest = Guest::new("decoders", Api::Single).with_programs();
    let jpegs = pictures((320, 240), 3);
    guest.put("jpegs", &padded(&jpegs, 32768));
    let input = Picture::new("YU12", 320, 240).pattern(0..FRAMES);
    guest.put("in", &input);
    let outcome = guest.run(
        r"
        # decode OUT ELEMENT…: frames of YU12, of another size if $size says so.
        size=
        decode() {
            out=$1
            shift
            gst-launch-1.0 -q $@ ! video/x-raw,format=I420$size ! filesink location=/tmp/$out
        }
        caps=image/jpeg,width=320,height=240,framerate=30/1,parsed=true,colorimetry=1:4:7:1
        try gst-jpeg decode jpeg filesrc location=/host/jpegs blocksize=32768 ! $caps ! v4l2jpegdec

        try encode ffmpeg -nostdin -v error -f rawvideo -pix_fmt yuv420p -s 320x240 -r 30 -i /host/in \
            -c:v h264_v4l2m2m -b:v 2M -g 5 -num_output_buffers 16 -num_capture_buffers 32 -y /tmp/coded.h264
        try gst-h264 decode gst filesrc location=/tmp/coded.h264 ! h264parse ! v4l2h264dec
        try ffmpeg ffmpeg -nostdin -hide_banner -c:v h264_v4l2m2m -i /tmp/coded.h264 -fps_mode passthrough \
            -f rawvideo -pix_fmt yuv420p -y /tmp/ffmpeg

        # The first converter has the plain name.
        say converter $(gst-inspect-1.0 v4l2convert | grep -c 'Default: .*/dev/video12')
        size=,width=192,height=120
        try convert decode converted filesrc location=/host/in \
            ! rawvideoparse format=i420 width=320 height=240 framerate=30/1 colorimetry=bt601 \
            ! v4l2convert
        for name in jpeg gst ffmpeg converted; do cp /tmp/$name /host/$name; done
        ",
    );
    outcome.succeeded(&["gst-jpeg", "encode", "gst-h264", "ffmpeg", "convert"]);
    let log = outcome.text("ffmpeg.log");
    assert!(
        log.contains("driver 'bcm2835-codec' on card 'bcm2835-codec-decode' in mplane mode"),
        "another decoder: {log}"
    );
    let got = outcome.bytes("jpeg");
    assert_eq!(got.len(), 3 * 320 * 240 * 3 / 2, "{}", outcome.story());
    for (one, picture) in got.chunks(320 * 240 * 3 / 2).zip(&jpegs) {
        assert!(alike(one, &shown(picture, SIZE), 1), "{}", outcome.story());
    }
    assert!(outcome.bytes("gst") == input, "{}", outcome.story());
    assert!(outcome.bytes("ffmpeg") == input, "{}", outcome.story());
    assert_eq!(outcome.number("converter"), 1, "another converter");
    let frames = input.chunks(320 * 240 * 3 / 2);
    let wanted: Vec<_> = frames
        .map(|frame| scaled_frame(frame, SIZE, (192, 120)))
        .collect();
    assert!(
        outcome.bytes("converted") == wanted.concat(),
        "{}",
        outcome.story()
    );
}
