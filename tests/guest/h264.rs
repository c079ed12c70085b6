//! H.264 through the model of the Pi's encoder: the pixels, what the stream says of itself, and what is refused.

use std::env;

use crate::accounting::index;
use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::{Guest, Outcome};

/// Frames through the engine in each format, and FFmpeg's decoder: the same pixels.
fn same_pixels(name: &'static str, width: u32, height: u32, frames: u64) -> Phase {
    let mut phase = Phase::new(name);
    let formats = ["YU12", "NV12", "YUYV"];
    let mut script = String::new();
    for format in formats {
        let picture = Picture::new(format, width, height);
        // The second half stands still: what does not change is coded in another way.
        let mut input = picture.noisy(0..frames / 2);
        let last = input.len() - picture.frame_bytes();
        for _ in frames / 2..frames {
            input.extend_from_within(last..last + picture.frame_bytes());
        }
        phase.put(format, &input);
        script += &format!(
            "once {width} {height} {format} /host/{format} /host/{format}.h264 --packet-ring 32M\n"
        );
    }
    phase.run(&script, move |outcome| {
        for format in formats {
            let picture = Picture::new(format, width, height);
            let expected = picture.subsampled(&outcome.bytes(format));
            let decoded = outcome.decoded(&format!("{format}.h264"));
            assert_eq!(
                decoded.len(),
                expected.len(),
                "{format}: {}",
                outcome.story()
            );
            let differ = decoded.iter().zip(&expected).position(|(a, b)| a != b);
            assert_eq!(differ, None, "{format}: {}", outcome.story());
        }
    })
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn pixels_are_exact_also_where_lines_are_padded() {
    Guest::h264("pixels").phases(&[
        same_pixels("padded", 338, 250, 6),
        same_pixels("480", 640, 480, 4),
    ]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn pixels_are_exact_at_720_and_1080_rows() {
    let mut phases = vec![same_pixels("1080", 1920, 1080, 2)];
    // As 480: whole macroblocks.
    if env::var("FRAMEMILL_SWEEP").is_ok_and(|which| which == "full") {
        phases.push(same_pixels("720", 1280, 720, 2));
    }
    Guest::h264("pixels-large").phases(&phases);
}

/// One number or word of `probed`.
fn value<'a>(probed: &'a str, name: &str) -> &'a str {
    let line = probed
        .lines()
        .find_map(|line| line.split_once('=').filter(|(key, _)| key.ends_with(name)));
    line.unwrap_or_else(|| panic!("no {name} in {probed}"))
        .1
        .trim_matches('"')
}

/// Numbers of the key frames, as the decoder sees them.
fn key_frames(outcome: &Outcome, name: &str) -> Vec<usize> {
    let probed = outcome.probed(name, "frame=key_frame");
    let frames = probed.lines().enumerate();
    frames
        .filter(|(_, line)| line.ends_with("=1"))
        .map(|(number, _)| number)
        .collect()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn options_reach_the_encoder_and_the_stream_or_are_refused() {
    Guest::h264("h264").phases(&[
        stream_is_what_the_options_say(),
        late_consumer_gets_the_headers_that_are_not_repeated(),
        settings_that_the_encoder_cannot_do_are_refused_by_name(),
        slow_rates_and_all_intra_do_not_hang_the_firmware(),
        rate_control_options_reach_the_driver(),
    ]);
}

fn stream_is_what_the_options_say() -> Phase {
    let mut phase = Phase::new("stream_is_what_the_options_say");
    phase.put("in", &Picture::new("YU12", 640, 480).pattern(0..7));
    phase.put("hd_in", &Picture::new("NV12", 1280, 720).pattern(0..2));
    let script = r"
        through() { once $1 $2 $3 /host/$4 /host/$5 --packet-ring 32M ${6-}; }
        through 640 480 YU12 in asked '--profile main --level 3.1 --fps 25 --gop 5 --bitrate 3M'
        through 640 480 YU12 in plain
        through 640 480 YU12 in fast '--profile constrained-baseline --fps 30000/1001 --bitrate 12M --repeat-headers off --gop 5'
        through 1280 720 NV12 hd_in hd '--fps 60'
        start run framemill run $encoder --size 640x480 --gop 4 --once
        start tap framemill tap --wait 5000 --from oldest --all --to /host/indexed --index /host/index
        until_true reached consumers_attached 1
        try push framemill push --wait 5000 --from /host/in --fps max
        ended tap
        ended run
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["push", "tap", "run"]);
        let stream = "stream=profile,level,r_frame_rate,width,height";
        for (name, profile, level, rate, size) in [
            ("asked", "Main", "31", "25/1", "640x480"),
            ("plain", "High", "30", "30/1", "640x480"),
            (
                "fast",
                "Constrained Baseline",
                "31",
                "30000/1001",
                "640x480",
            ),
            ("hd", "High", "32", "60/1", "1280x720"),
        ] {
            let probed = outcome.probed(name, stream);
            let found = ["profile", "level", "r_frame_rate", "width", "height"]
                .map(|key| value(&probed, key));
            let (width, height) = size.split_once('x').expect("a size");
            assert_eq!(found, [profile, level, rate, width, height], "{name}");
        }
        assert_eq!(key_frames(outcome, "asked"), [0, 5]);
        assert_eq!(key_frames(outcome, "plain"), [0]);
        // Headers before every key frame, unless told otherwise.
        let sps = |name: &str| {
            let bytes = outcome.bytes(name);
            bytes
                .windows(5)
                .filter(|bytes| bytes[..4] == [0, 0, 0, 1] && bytes[4] & 31 == 7)
                .count()
        };
        assert_eq!((sps("asked"), sps("fast")), (2, 1));
        // The index and the stream tell the same.
        let lines = index(outcome, "index");
        let keys: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].is('K')).collect();
        assert_eq!(keys, key_frames(outcome, "indexed"));
        let bytes: u64 = lines.iter().map(|line| line.bytes).sum();
        assert_eq!(bytes, outcome.bytes("indexed").len() as u64);
        let probed = outcome.probed("indexed", "packet=size");
        let sizes: Vec<u64> = probed
            .lines()
            .map(|line| value(line, "size").parse().expect("a size"))
            .collect();
        let indexed: Vec<u64> = lines
            .iter()
            .filter(|line| line.bytes > 0)
            .map(|line| line.bytes)
            .collect();
        assert_eq!(sizes, indexed);
    })
}

fn late_consumer_gets_the_headers_that_are_not_repeated() -> Phase {
    let mut phase = Phase::new("late_consumer_gets_the_headers_that_are_not_repeated");
    let picture = Picture::new("YU12", 160, 128);
    phase.put("in", &picture.pattern(0..20));
    let script = r"
        engine run --size 160x128 --gop 8 --repeat-headers off
        start push framemill push --from /host/in --frames 12 --fps max
        ended push
        start late framemill tap --to /host/late
        until_true reached consumers_attached 1
        kill $(counter pid)
        ended late
        ended run
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["push", "late", "run"]);
        // The newest key frame was the ninth of twelve.
        let expected = &picture.pattern(0..12)[8 * picture.frame_bytes()..];
        assert!(outcome.decoded("late") == expected, "{}", outcome.story());
    })
}

fn settings_that_the_encoder_cannot_do_are_refused_by_name() -> Phase {
    let script = r"
        refused() {
            name=$1
            shift
            framemill run $encoder --size 1920x1080 $@ 2>/host/$name.log
            say $name $?
        }
        refused constant --bitrate-mode cbr
        refused level --level 3.1
        refused bits --level 4 --bitrate 25M --profile main
        refused quantiser --control video_bitrate=1
        refused period --control h264_i_frame_period=1
        refused extended --profile extended
        refused item --control h264_profile=Hihg
        refused named --control h264_level=3.1
        framemill probe --device /dev/video11 --json >/host/probe
        refused fast --fps 240
        traced start inject=ioctl:error=ESRCH:when=$(nth VIDIOC_STREAMON)
        ended start
        cp start.log /host/esrch.log
        engine run --size 1920x1080 --fps 60
        kill $run
        ended run
        cp run.log /host/sixty.log
        ";
    Phase::new("settings_that_the_encoder_cannot_do_are_refused_by_name").run(script, |outcome| {
    for (name, sentence) in [
        (
            "constant",
            "1920x1080 at 30/1 frames/s, 10000000 bit/s cbr, profile high: this encoder does not start so; give --bitrate-mode vbr or another --profile",
        ),
        ("level", "level 3.1 does not allow it, 4 does"),
        (
            "bits",
            "25000000 bit/s vbr, profile main: level 4 does not allow it, 4.1 does",
        ),
        (
            "quantiser",
            "--control video_bitrate 1: the driver takes 25000 to 25000000 in steps of 25000",
        ),
        (
            "period",
            "--control h264_i_frame_period 1: the driver takes 2 to ",
        ),
        ("extended", "--profile 3: VIDIOC_S_EXT_CTRLS: EINVAL"),
        ("fast", "level 5.2 is needed, and refused: "),
        (
            "item",
            "--control h264_profile Hihg: the control has no such item; did you mean High?",
        ),
        // The item is found, and the level is too low.
        ("named", "level 3.1 does not allow it, 4 does"),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert_eq!(outcome.number(name), 4, "{name}: {log}");
        assert!(log.contains(sentence), "{name}: {log}");
    }
    let items = outcome.text("probe");
    let expected = "\"items\":\"0 Variable Bitrate, 1 Constant Bitrate";
    assert!(items.contains(expected), "{items}");
    assert_eq!(outcome.number("start"), 4);
    let log = outcome.text("esrch.log");
    assert!(
        log.contains("VIDIOC_STREAMON: ESRCH")
            && log.contains("640x368 at 30/1 frames/s, 10000000 bit/s vbr, profile high"),
        "{log}"
    );
    outcome.succeeded(&["run"]);
    let log = outcome.text("sixty.log");
    assert!(
        log.contains("489600 macroblocks/s: this encoder is specified for 245760"),
        "{log}"
    );
    })
}

fn slow_rates_and_all_intra_do_not_hang_the_firmware() -> Phase {
    let mut phase = Phase::new("slow_rates_and_all_intra_do_not_hang_the_firmware");
    phase.put("in", &Picture::new("YU12", 320, 240).pattern(0..8));
    let script = r"
        once 320 240 YU12 /host/in /host/slow --fps 5
        cp run.log /host/slow.log
        # Slowly, so that frames would queue up if they could.
        knob encode_us 30000
        once 320 240 YU12 /host/in /host/intra --gop 1
        ";
    phase.run(script, move |outcome| {
        assert!(
            outcome
                .text("slow.log")
                .contains("the rate declared to the encoder is 9 frames/s")
        );
        assert_eq!(key_frames(outcome, "slow"), [0]);
        assert_eq!(key_frames(outcome, "intra"), [0, 1, 2, 3, 4, 5, 6, 7]);
        for name in ["slow", "intra"] {
            assert!(
                outcome.decoded(name) == outcome.bytes("in"),
                "{name}: {}",
                outcome.story()
            );
        }
    })
}

fn rate_control_options_reach_the_driver() -> Phase {
    let script = r"
        traced_controls() {
            strace -e trace=ioctl -o $1.trace framemill run $encoder --size 640x480 $2 2>$1.log &
            until_true grep -q 'running: ' $1.log
            kill $(counter pid)
            wait $!
            grep -E 'S_EXT_CTRLS|VIDIOC_S_FMT' $1.trace >/host/$1
            cp $1.log /host/$1.log
        }
        traced_controls all '--bitrate 3M --bitrate-mode cbr --profile main --level 4.2 --min-qp 12 --max-qp 40 --gop 15'
        traced_controls high '--max-qp 18'
        traced_controls named '--control h264_level=13'
        ";
    Phase::new("rate_control_options_reach_the_driver").run(script, |outcome| {
        let calls = outcome.text("all");
        // Control ids and values, as strace writes them.
        for (id, value) in [
            ("BITRATE", 3_000_000),
            ("BITRATE_MODE", 1),
            ("H264_PROFILE", 2),
            ("H264_LEVEL", 13),
            ("H264_MIN_QP", 12),
            ("H264_MAX_QP", 40),
            ("H264_I_PERIOD", 15),
            ("GOP_SIZE", 15),
            ("REPEAT_SEQ_HEADER", 1),
        ] {
            let set = calls
                .lines()
                .filter(|line| line.contains(&format!("V4L2_CID_MPEG_VIDEO_{id},")));
            let value = format!("value={value},");
            assert!(
                set.clone().any(|line| line.contains(&value)),
                "{id} {value} {calls}"
            );
        }
        // No coded buffer is smaller than 1.5 MiB.
        assert!(calls.contains("sizeimage=1572864"), "{calls}");
        let log = outcome.text("all.log");
        assert!(
            log.contains("a constant bitrate is erratic on this encoder"),
            "{log}"
        );
        assert!(
            log.contains("640x480 at 30/1 frames/s, 3000000 bit/s cbr, profile main, level 4.2"),
            "{log}"
        );
        // The driver's own least quantiser gives way, and a level that was named stays.
        assert!(
            outcome
                .text("high.log")
                .contains("the least quantiser is 18, too")
        );
        assert!(outcome.text("named.log").contains(", level 4.2"));
    })
}
