//! Programs that know nothing of Framemill, on the guest's model of the Raspberry Pi's encoder, with the options that people give
//! them there. The model loses nothing, so what this machine's decoder makes of their streams is what went in, bit for bit.

use std::process::{Command, Stdio};

use crate::frames::Picture;
use crate::support::{Api, Guest, Outcome};

const FRAMES: u64 = 25;

/// GStreamer's element takes no frames whose colours are not told, and asks the encoder for the lowest level when nobody names one.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn ffmpeg_and_gstreamer_encode_through_the_model() {
    let guest = Guest::new("programs", Api::Single).with_programs();
    let input = Picture::new("YU12", 320, 240).pattern(0..FRAMES);
    guest.put("in", &input);
    // More packets than there are frames: FFmpeg 7's muxer keeps some, and when it has all of the encoder's buffers at the end, the rest of
    // the frames is lost.
    let outcome = guest.run(
        r#"
        try ffmpeg ffmpeg -nostdin -hide_banner -f rawvideo -pix_fmt yuv420p -s 320x240 -r 30 -i /host/in \
            -c:v h264_v4l2m2m -b:v 2M -g 10 -num_output_buffers 16 -num_capture_buffers 32 -y /host/ffmpeg.h264
        # encode CAPS OUT
        encode() {
            gst-launch-1.0 -e filesrc location=/host/in \
                ! rawvideoparse format=i420 width=320 height=240 framerate=30/1 colorimetry=bt601 \
                ! v4l2h264enc extra-controls="controls,video_bitrate=2000000,h264_i_frame_period=10" \
                ! "$1" ! h264parse ! filesink location="$2" >/dev/null
        }
        try leveled encode 'video/x-h264,level=(string)4' /host/gstreamer.h264
        try unleveled encode 'video/x-h264' /tmp/refused.h264
        say card "$(v4l2-ctl -d /dev/video11 -D | sed -n 's/.*Card type *: //p')"
        "#,
    );
    outcome.succeeded(&["ffmpeg", "leveled"]);
    let log = outcome.text("ffmpeg.log");
    assert!(
        log.contains("driver 'bcm2835-codec' on card 'bcm2835-codec-encode' in mplane mode"),
        "another encoder: {log}"
    );
    without_loss(&outcome, "ffmpeg.h264", &input);
    // -g is the longest way from one key frame to the next.
    let keys = key_frames(&outcome.bytes("ffmpeg.h264"));
    let late = keys.windows(10).position(|keys| !keys.contains(&true));
    assert!(keys[0] && late.is_none(), "{keys:?}");
    assert_eq!(outcome.said("card"), "bcm2835-codec-encode");
    without_loss(&outcome, "gstreamer.h264", &input);
    assert_eq!(
        key_frames(&outcome.bytes("gstreamer.h264")),
        (0..FRAMES).map(|frame| frame % 10 == 0).collect::<Vec<_>>(),
        "one in ten, as its control says"
    );
    assert_ne!(
        outcome.number("unleveled"),
        0,
        "level 1 is too low for the size"
    );
}

/// That the decoder makes of the guest's file the frames of `input`, without a complaint.
fn without_loss(outcome: &Outcome, name: &str, input: &[u8]) {
    let decoder = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "h264", "-i"])
        .arg(outcome.path(name))
        .args(["-fps_mode", "passthrough"])
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is installed; scripts/test installs it");
    let said = String::from_utf8_lossy(&decoder.stderr);
    assert!(
        decoder.status.success() && said.is_empty(),
        "{name}: the decoder complains: {said}{}",
        outcome.story()
    );
    let frame_bytes = input.len() / FRAMES as usize;
    let frames = decoder.stdout.chunks(frame_bytes);
    let differs = input
        .chunks(frame_bytes)
        .zip(frames)
        .position(|(a, b)| a != b);
    assert_eq!(
        differs, None,
        "{name}: the first frame that is not as it went in"
    );
    assert_eq!(
        decoder.stdout.len(),
        input.len(),
        "{name}: as many frames came out as went in"
    );
}

/// Of each picture in a stream of H.264 whether it is a key frame: its slice, for there is one, is of type 5, and not of type 1.
fn key_frames(stream: &[u8]) -> Vec<bool> {
    let starts = stream.windows(4).filter(|bytes| bytes[..3] == [0, 0, 1]);
    let types = starts.map(|bytes| bytes[3] & 31);
    types
        .filter(|kind| matches!(kind, 1 | 5))
        .map(|kind| kind == 5)
        .collect()
}
