//! A camera in the engine's own loop: vivid's, whose pictures are known, into either encoder without a copy.

use crate::accounting::{index, stat};
use crate::frames::{Picture, fwht_packets};
use crate::phases::Phase;
use crate::support::{Guest, Outcome};

/// Pictures that stand still, one of them as v4l2-ctl takes it, and the camera through the engine.
pub const CAMERA: &str = r"
    # Squares, which differ from row to row; and no text. Once in a guest: v4l2-ctl is dear.
    [ -e /run/still ] || v4l2-ctl -d /dev/video4 --set-ctrl osd_text_mode=2 --set-ctrl test_pattern=4 || give_up osd
    : >/run/still
    inject() { v4l2-ctl -d /dev/video4 --set-ctrl $1=1 || give_up inject $1; }
    # The bridge: its source sends this one of the timings (23: 800x600, 0: 640x480), or is in that mode (1: no signal).
    bridge() { v4l2-ctl -d /dev/video4 --set-input 3 || give_up bridge; }
    source_sends() { v4l2-ctl -d /dev/video4 --set-ctrl dv_timings_signal_mode=4 --set-ctrl dv_timings=$1 || give_up source; }
    source_is() { v4l2-ctl -d /dev/video4 --set-ctrl dv_timings_signal_mode=$1 || give_up source; }
    in_state() { framemill stat --json | grep -q '.state.:.'$1; }
    more() { more=$(($(counter packets) + $1)); until_true reached packets $more; }
    picture() {
        v4l2-ctl -d /dev/video4 --set-fmt-video=width=$1,height=$2,pixelformat=$3 --stream-mmap --stream-count=1 \
            --stream-to=/tmp/picture >/dev/null 2>&1 || give_up picture
        cp /tmp/picture /host/picture
    }
    camera() {
        engine run --camera /dev/video4 $@
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
    }
    # An engine that ends by itself may do so before the next command: stat looks on from its start, and its last line is the file.
    follow() { start follow framemill stat --json --watch 100 >/tmp/followed; }
    followed() {
        ended follow
        tail -n 1 /tmp/followed >/host/$1
    }
    # What stat says in the end, and how both ended.
    over() {
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
    }
";

/// That every frame of the stream is the picture, and that stat's numbers say that none was copied or lost without a count.
pub fn only_the_picture(outcome: &Outcome, picture: &Picture) -> usize {
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{json}");
    assert!(json.contains("\"memory\":\"export\""), "{json}");
    every_frame_is(outcome, picture)
}

/// That every frame of the stream is the picture and every frame was copied: all its bytes, and the log says so.
pub fn only_the_picture_copied(outcome: &Outcome, picture: &Picture) {
    let json = outcome.text("stat.json");
    let (bytes, queued) = (
        stat(&json, "raw_bytes_copied"),
        stat(&json, "frames_queued"),
    );
    // The engine runs: bytes are counted before their frame is.
    let frame = picture.frame_bytes() as u64;
    assert!(
        bytes == queued * frame || bytes == (queued + 1) * frame,
        "{json}"
    );
    assert!(json.contains("\"memory\":\"copy\""), "{json}");
    every_frame_is(outcome, picture);
}

/// That every frame of the stream is the picture, and that no frame was lost without a count. Gives how many frames there are.
pub fn every_frame_is(outcome: &Outcome, picture: &Picture) -> usize {
    let expected = picture.subsampled(&outcome.bytes("picture"));
    let decoded = outcome.decoded("coded");
    let frames = decoded.chunks(expected.len());
    assert!(
        frames.clone().all(|frame| frame == expected),
        "{}",
        outcome.story()
    );
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "restarts"), 0, "{json}");
    // The last word is exact; stat looks at an engine that runs.
    let [frames_in, packets, dropped] = ended(outcome);
    assert_eq!(frames_in, packets + dropped, "{}", outcome.story());
    assert_eq!(packets, frames.len(), "{}", outcome.story());
    frames.len()
}

/// What the engine's last line says: frames in, packets out, frames dropped.
pub fn ended(outcome: &Outcome) -> [usize; 3] {
    sums(&outcome.text("run.log"))
}

/// The same of any engine's log.
pub fn sums(log: &str) -> [usize; 3] {
    let (_, words) = log.split_once("ended: ").expect("the last line");
    let numbers = words.split(|c: char| !c.is_ascii_digit());
    let numbers: Vec<usize> = numbers.filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{log}"))
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn cameras_pictures_reach_the_stream_and_none_is_copied_without_need() {
    Guest::h264("camera").phases(&[
        camera_reaches_the_stream_without_a_copy(),
        camera_without_a_size_keeps_its_own(),
        slow_encoder_costs_pictures_and_they_are_counted(),
        formats_are_agreed_on_or_refused_in_a_sentence(),
        vicodec_reads_the_camera_too(),
        rows_that_vicodec_wants_below_the_picture_cost_a_copy(),
        // These two have another input.
        rows_of_the_camera_lie_as_the_encoder_wants_them(),
        crate::edid::a_bridge_shows_the_edid_that_was_asked_for(),
    ]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn cameras_memory_that_the_encoder_cannot_read_is_not_used() {
    let guest = Guest::h264("camera-memory").append("vivid.allocators=0");
    guest.compile("tests/vm/refuse.c", "refuse");
    guest.phases(&[
        camera_whose_memory_the_encoder_cannot_read_fills_the_encoders("YUYV"),
        camera_whose_memory_the_encoder_cannot_read_fills_the_encoders("UYVY"),
        camera_whose_memory_the_encoder_cannot_read_fills_the_encoders("NV12"),
        camera_whose_memory_the_encoder_cannot_read_fills_the_encoders("YU12"),
        camera_whose_pixels_the_encoder_converts_fills_its_buffers(),
        memory_that_neither_end_can_lend_the_other_costs_one_copy(),
        crate::camera_trouble::camera_whose_pictures_are_copied_comes_back_too(),
        crate::fallbacks::camera_without_a_call_that_prepares_fills_the_encoders_buffers(),
        crate::fallbacks::memory_that_is_refused_only_when_it_is_queued_is_copied_unless_export_is_wanted(),
    ]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn cameras_memory_planes_are_one_or_several() {
    Guest::h264("camera-planes")
        .append("vivid.multiplanar=2")
        .phases(&[memory_planes_of_a_camera_are_filled_in_place_or_put_together_by_a_copy()]);
}

fn camera_reaches_the_stream_without_a_copy() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        picture 320 180 YUYV
        camera --size 320x180 --format YUYV --frames 40
        follow
        until_true reached packets 5
        try second framemill push --frames 1
        ended run
        ended tap
        followed stat.json
        ",
    );
    Phase::new("camera_reaches_the_stream_without_a_copy").run(&script, |outcome| {
        outcome.succeeded(&["run", "tap", "follow"]);
        // The camera is the source: a producer is refused with that reason.
        assert_eq!(outcome.number("second"), 10);
        let second = outcome.text("second.log");
        assert!(second.contains("a camera feeds the engine"), "{second}");
        let json = outcome.text("stat.json");
        assert_eq!(stat(&json, "refused_camera_feeds"), 1, "{json}");
        let log = outcome.text("run.log");
        let published = only_the_picture(outcome, &Picture::new("YUYV", 320, 180));
        let [frames, packets, dropped] = ended(outcome);
        assert_eq!(
            (frames, packets, packets + dropped),
            (40, published, 40),
            "{log}"
        );
        // The camera's own times, which rise.
        let lines = index(outcome, "index");
        let times: Vec<u64> = lines
            .iter()
            .filter(|line| line.bytes > 0)
            .map(|line| line.timestamp)
            .collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    })
}

fn camera_without_a_size_keeps_its_own() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        picture 320 180 YU12
        camera
        until_true reached packets 5
        over
        framemill run $encoder --camera /dev/video4 --size 640x368 2>/host/refused.log
        say refused $?
        framemill run $encoder --camera /dev/video0 --size 640x480 2>/host/other.log
        say other $?
        ",
    );
    Phase::new("camera_without_a_size_keeps_its_own").run(&script, |outcome| {
        outcome.succeeded(&["run", "tap"]);
        only_the_picture(outcome, &Picture::new("YU12", 320, 180));
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
    })
}

fn slow_encoder_costs_pictures_and_they_are_counted() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        picture 320 180 YU12
        knob encode_us 150000
        camera --size 320x180 --fps 30
        until_true reached frames_dropped_behind 20
        over
        ",
    );
    Phase::new("slow_encoder_costs_pictures_and_they_are_counted").run(&script, |outcome| {
        outcome.succeeded(&["run", "tap"]);
        only_the_picture(outcome, &Picture::new("YU12", 320, 180));
        let [frames, packets, dropped] = ended(outcome);
        assert!(
            frames == packets + dropped && dropped >= 20,
            "{}",
            outcome.story()
        );
    })
}

fn formats_are_agreed_on_or_refused_in_a_sentence() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        picture 320 180 NV12
        camera --device auto --size 320x180 --camera-format NV12
        until_true reached packets 5
        over
        say format $(grep -c '.format.:.NV12' /host/stat.json)
        # Alike but for the name.
        start renamed framemill run --device /dev/video0 --codec FWHT --camera /dev/video4 --camera-format AR24 --size 640x480 --frames 5
        ended renamed
        say renamed_as $(grep -c 'running: /dev/video0 .* BGR4 to FWHT' renamed.log)
        refused() {
            try refused framemill run $encoder --camera /dev/video4 $@
            cat refused.log >>/host/refused
        }
        refused --camera-format YUYV --format YU12
        refused --camera-format VP8F
        refused --camera-format NV24
        refused --camera-format NM12
        refused --format AR24
        refused --control brightness=200
        ",
    );
    Phase::new("formats_are_agreed_on_or_refused_in_a_sentence").run(&script, |outcome| {
    outcome.succeeded(&["run", "tap", "renamed"]);
    only_the_picture(outcome, &Picture::new("NV12", 320, 180));
    assert_eq!(
        (outcome.number("format"), outcome.number("renamed_as")),
        (1, 1)
    );
    let refused = outcome.text("refused");
    for sentence in [
        "--camera-format YUYV cannot become --format YU12: only their memory planes may differ without a --converter",
        "--camera-format wants a raw format, such as YUYV or nv12, or a coded one, such as mjpeg, not \"VP8F\"",
        "the camera gives no raw format that /dev/video11 takes: they need one with the same samples",
        "/dev/video4: the driver does not take NM12: it offers YUYV instead",
        "/dev/video11: the driver does not take AR24: it offers YU12 instead",
        "/dev/video11: --control brightness 200: the driver has no such control; --control sets the encoder's, set those of the camera /dev/video4 before the start (v4l2-ctl)",
    ] {
        assert!(refused.contains(sentence), "{refused}");
    }
    })
}

fn rows_of_the_camera_lie_as_the_encoder_wants_them() -> Phase {
    let phase = Phase::new("rows_of_the_camera_lie_as_the_encoder_wants_them");
    // 800 bytes a row; the encoder's own rows are whole units of 64.
    let script = format!(
        "{CAMERA}{}",
        r"
        bridge
        source_sends 23
        camera
        until_true reached packets 5
        over
        picture 800 600 YU12
        ",
    );
    phase.run(&script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        only_the_picture(outcome, &Picture::new("YU12", 800, 600));
    })
}

fn camera_whose_memory_the_encoder_cannot_read_fills_the_encoders(format: &'static str) -> Phase {
    let script = format!(
        "{CAMERA}
            picture 320 180 {format}
            camera --size 320x180 --format {format} --fps 25
            until_true reached packets 5
            over"
    );
    Phase::new(format).run(&script, |outcome| {
        outcome.succeeded(&["run", "tap"]);
        only_the_picture(outcome, &Picture::new(format, 320, 180));
        let log = outcome.text("run.log");
        let line = "/dev/video4: fills the encoder's buffers, no frame is copied";
        assert_eq!(log.matches(line).count(), 1, "{log}");
    })
}

/// Its pixels are converted by the encoder: they are those of copies.
fn camera_whose_pixels_the_encoder_converts_fills_its_buffers() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        camera --size 320x180 --format RGB3 --fps 25
        until_true reached packets 5
        over
        cp /host/coded /host/filled; cp /host/stat.json /host/filled.json
        camera --size 320x180 --format RGB3 --fps 25 --memory copy
        until_true reached packets 5
        over
        "
    );
    Phase::new("camera_whose_pixels_the_encoder_converts_fills_its_buffers").run(
        &script,
        |outcome| {
            outcome.succeeded(&["run", "tap"]);
            let json = outcome.text("filled.json");
            assert!(json.contains("\"memory\":\"export\""), "{json}");
            assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{json}");
            let frame = 320 * 180 * 3 / 2;
            let (filled, copied) = (outcome.decoded("filled"), outcome.decoded("coded"));
            assert_eq!(filled[..frame], copied[..frame]);
        },
    )
}

fn memory_that_neither_end_can_lend_the_other_costs_one_copy() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        # EXPBUF has no answer.
        knob false_answers 1
        picture 640 360 YUYV
        camera --size 640x360 --format YUYV --fps 25
        until_true reached packets 5
        over
        try refused framemill run $encoder --camera /dev/video4 --memory export
        ",
    );
    Phase::new("memory_that_neither_end_can_lend_the_other_costs_one_copy").run(
        &script,
        |outcome| {
            outcome.succeeded(&["run", "tap"]);
            only_the_picture_copied(outcome, &Picture::new("YUYV", 640, 360));
            let log = outcome.text("run.log");
            assert!(
                log.contains("the offered memory cannot be imported (VIDIOC_")
                    && log.contains("): it has to be copied, 11520000 bytes a second"),
                "{log}"
            );
            assert_eq!(outcome.number("refused"), 4, "{}", outcome.story());
        },
    )
}

/// That vicodec's first packet is the one that it makes of the picture for others, too, but for the four words of colour in its
/// header: the camera's are passed on, and v4l2-ctl passes none.
fn begins_with_the_reference(outcome: &Outcome) {
    const COLOUR: std::ops::Range<usize> = 24..40;
    let (coded, reference) = (outcome.bytes("coded"), outcome.bytes("reference"));
    let (first, _) = fwht_packets(&reference)[0];
    assert!(
        first > 1000
            && coded.starts_with(&reference[..COLOUR.start])
            && coded[COLOUR.end..].starts_with(&reference[COLOUR.end..first]),
        "{}",
        outcome.story()
    );
    // V4L2_COLORSPACE_SRGB, vivid's.
    assert_eq!(coded[COLOUR][..4], [0, 0, 0, 8]);
}

fn memory_planes_of_a_camera_are_filled_in_place_or_put_together_by_a_copy() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        picture 640 480 NV12
        one() {
            rm -f /host/coded
            camera --size 640x480 $@
            until_true reached packets 5
            framemill stat --json >/host/stat.json
            kill $run
            wait $run || give_up run $@
            wait $tap || give_up tap $@
        }
        one --format NV12
        say filled $(grep -c '.memory.:.export' /host/stat.json)
        cp /host/coded /host/filled
        one --format NV12 --camera-format NM12 --fps 25
        cp run.log /host
        # Its pictures begin somewhere in the buffer: nothing that could be used.
        framemill run $encoder --camera /dev/video4 --format YUYV --size 640x480 --camera-wait 300 2>/host/offset.log
        say offset $?
        ",
    );
    Phase::new("memory_planes_of_a_camera_are_filled_in_place_or_put_together_by_a_copy").run(
        &script,
        |outcome| {
            let picture = Picture::new("NV12", 640, 480);
            assert_eq!(outcome.number("filled"), 1, "{}", outcome.story());
            let expected = picture.subsampled(&outcome.bytes("picture"));
            let decoded = outcome.decoded("filled");
            assert!(
                decoded
                    .chunks(expected.len())
                    .all(|frame| frame == expected)
            );
            only_the_picture_copied(outcome, &picture);
            let log = outcome.text("run.log");
            assert!(
                log.contains("/dev/video4: NM12 becomes NV12 by a copy, 11520000 bytes a second"),
                "{log}"
            );
            let log = outcome.text("offset.log");
            assert!(
                outcome.number("offset") == 6
                    && log.contains(
                        "the camera did not come back within 300 ms: VIDIOC_DQBUF: EPROTO"
                    ),
                "{log}"
            );
        },
    )
}

fn vicodec_reads_the_camera_too() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        encoder='--device /dev/video0 --codec FWHT'
        picture 640 480 YU12
        cat /tmp/picture /tmp/picture >two
        camera --size 640x480
        until_true reached packets 3
        over
        reference 640 480 YU12 two /host/reference
        ",
    );
    Phase::new("vicodec_reads_the_camera_too").run(&script, |outcome| {
        outcome.succeeded(&["run", "tap"]);
        let json = outcome.text("stat.json");
        assert!(json.contains("\"memory\":\"import\""), "{json}");
        assert_eq!(stat(&json, "raw_bytes_copied"), 0);
        begins_with_the_reference(outcome);
    })
}

fn rows_that_vicodec_wants_below_the_picture_cost_a_copy() -> Phase {
    let phase = Phase::new("rows_that_vicodec_wants_below_the_picture_cost_a_copy");
    // Its chroma begins after 368 rows, the camera's after 360.
    let script = format!(
        "{CAMERA}{}",
        r"
        encoder='--device /dev/video0 --codec FWHT'
        picture 640 360 YU12
        cat /tmp/picture /tmp/picture >two
        camera --size 640x360
        until_true reached packets 3
        over
        reference 640 360 YU12 two /host/reference
        ",
    );
    phase.run(&script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        let json = outcome.text("stat.json");
        assert!(json.contains("\"memory\":\"copy\""), "{json}");
        let log = outcome.text("run.log");
        assert!(
            log.contains("cannot be imported (the driver lays rows out differently)"),
            "{log}"
        );
        begins_with_the_reference(outcome);
    })
}
