//! Whole command lines, rule by rule.

mod manual;
mod mistakes;
mod readme;

use core::net::SocketAddr;
use std::ffi::CString;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::wants::Wants;
use super::*;
use crate::limits::{CHECK_MS_DEFAULT, CONTROLS, PACKET_RING_MAX, PACKET_RING_MIN};
use crate::media::colour::Colour;
use crate::media::edid::MODES;
use crate::media::fourcc::Fourcc;
use crate::types::control_setting::{BitrateMode, ControlName, ControlSetting, ControlValue};
use crate::types::devices::{CameraChoice, CameraFormat, DeviceChoice, EdidChoice, MiddleChoice};
use crate::types::memory::MemoryChoice;
use crate::types::run_options::{LogTarget, RunOptions};
use crate::types::segments::SegmentLimit;
use crate::types::size::Size;
use crate::types::socket_name::SocketName;
use crate::types::users::Users;

/// Words split at spaces; `''` is an empty word.
fn words(line: &str) -> Vec<CString> {
    line.split_whitespace()
        .map(|word| CString::new(word.trim_matches('\'')).unwrap())
        .collect()
}

/// Parses a line and hands the result on while its words live.
fn with<T>(line: &str, then: impl FnOnce(Result<Command<'_>, UsageError<'_>>) -> T) -> T {
    let words = words(line);
    then(parse(
        &words.iter().map(|w| w.as_c_str()).collect::<Vec<_>>(),
    ))
}

fn run<T>(line: &str, then: impl FnOnce(RunOptions<'_>) -> T) -> T {
    with(
        &format!("run --size 640x480 {line}"),
        |parsed| match parsed {
            Ok(Command::Run(options)) => then(options),
            other => panic!("{line}: {other:?}"),
        },
    )
}

fn usage_error(line: &str) -> String {
    with(line, |parsed| parsed.expect_err(line).to_string())
}

#[test]
fn run_needs_nothing() {
    let expected = RunOptions::new(Size {
        width: 640,
        height: 480,
    });
    run("", |options| assert_eq!(options, expected));
    let sizeless = RunOptions::new(Size {
        width: 0,
        height: 0,
    });
    with("run", |p| assert_eq!(p.unwrap(), Command::Run(sizeless)));
}

#[test]
fn every_run_option_arrives() {
    run(
        "--device /dev/video11 --format NV12 --fps=30000/1001 --codec HEVC --bitrate 2.5M --gop 60 --bitrate-mode cbr --profile main \
         --level 4.1 --min-qp 10 --max-qp 40 --repeat-headers off --control a=1 --control 0x2=-3 \
         --socket /run/mill --socket-mode 600 --socket-group 44 --producer-uid 1000 --control-uid=0 --producer-uid 4294967294 --frame-slots 4 --packet-ring 1M --memory copy --stall-ms 500 --drain-ms 600 \
         --wait-device 700 --camera /dev/video4 --camera-format NM12 --decoder /dev/video10 --camera-size 640x480 --flip hv --converter auto --edid 1080P30 --camera-wait 800 --frames 9 --idle stop:2s --once --stdout --mux mp4 --user 1000:44 --no-sandbox --realtime 50 --cpu 3 --log debug --log-to kmsg",
        |options| {
            assert_eq!(options.device, DeviceChoice::Path(c"/dev/video11"));
            assert_eq!(options.format, Some(Fourcc::new(*b"NV12")));
            assert_eq!(options.frame_rate.to_string(), "30000/1001");
            assert_eq!(options.codec, Fourcc::HEVC);
            assert_eq!(options.bitrate, Some(2_500_000));
            assert_eq!(options.gop, Some(60));
            assert_eq!(options.bitrate_mode, Some(BitrateMode::Constant));
            assert_eq!((options.profile, options.level), (Some(2), Some(12)));
            assert_eq!((options.min_qp, options.max_qp), (Some(10), Some(40)));
            assert_eq!(options.repeat_headers, Some(false));
            let controls = [
                (ControlName::Name(b"a"), ControlValue::Number(1)),
                (ControlName::Id(2), ControlValue::Number(-3)),
            ];
            assert!(
                options
                    .controls
                    .iter()
                    .map(|c| (c.name, c.value))
                    .eq(controls)
            );
            assert_eq!(options.socket, SocketName::Path(c"/run/mill"));
            assert_eq!(
                (options.socket_mode, options.socket_group),
                (Some(0o600), Some(44))
            );
            assert!(options.stdout && options.names_socket);
            assert_eq!(options.mux, Some(Mux::Mp4));
            let named = |users: Users| [0, 1000, u32::MAX - 1, u32::MAX].map(|uid| users.name(uid));
            assert_eq!(named(options.producers), [false, true, true, false]);
            assert_eq!(named(options.changers), [true, false, false, false]);
            assert_eq!(options.frame_slots, Some(4));
            assert_eq!(options.packet_ring, 1 << 20);
            assert_eq!(options.memory, MemoryChoice::Copy);
            let times = (options.stall_ms, options.drain_ms, options.wait_device_ms);
            assert_eq!(times, (500, 600, 700));
            assert_eq!(options.camera, Some(CameraChoice::Path(c"/dev/video4")));
            assert_eq!(
                options.camera_format,
                Some(CameraFormat::Raw(Fourcc::new(*b"NM12")))
            );
            assert_eq!(options.decoder, MiddleChoice::Path(c"/dev/video10"));
            assert_eq!(options.camera_size.unwrap().to_string(), "640x480");
            assert!(options.flip.horizontal && options.flip.vertical);
            assert_eq!(options.converter, MiddleChoice::Auto);
            assert_eq!(options.edid, Some(EdidChoice::Mode(MODES[1])));
            assert_eq!(options.camera_wait_ms, 800);
            assert_eq!(options.frames, Some(9));
            assert_eq!(options.idle_ms, Some(2000));
            assert!(options.once && !options.sandbox);
            let user = options.user.map(|user| (user.uid, user.gid));
            assert_eq!(user, Some((1000, 44)));
            assert_eq!((options.realtime, options.cpu), (Some(50), Some(3)));
            assert_eq!(options.log, ::log::LevelFilter::Debug);
            assert_eq!(options.log_to, LogTarget::Kmsg);
        },
    );
}

#[test]
fn clients_have_the_defaults_of_their_types() {
    with("push", |p| {
        assert_eq!(p.unwrap(), Command::Push(PushOptions::default()))
    });
    with("tap", |p| {
        assert_eq!(p.unwrap(), Command::Tap(TapOptions::default()))
    });
    with("stat", |p| {
        assert_eq!(p.unwrap(), Command::Stat(StatOptions::default()))
    });
    with("probe", |p| {
        assert_eq!(p.unwrap(), Command::Probe(ProbeOptions::default()))
    });
    let auto = "probe --device auto";
    with(auto, |p| {
        assert_eq!(p.unwrap(), Command::Probe(ProbeOptions::default()))
    });
}

#[test]
fn every_client_option_arrives() {
    let push = PushOptions {
        socket: SocketName::Path(c"/tmp/s"),
        engine_uid: None,
        from: Source::File(c"a.y4m"),
        size: Some(Size {
            width: 320,
            height: 240,
        }),
        format: Some(Fourcc::new(*b"NV12")),
        container: Container::Raw,
        pace: Pace::Max,
        stride: Some(832),
        rows: Some(368),
        pad: true,
        colour: Colour::new(3, 0, 0, 1),
        progressive: true,
        timestamps: Some(Timestamps::Arrival),
        live: true,
        frames: Some(u32::MAX.into()),
        repeat: true,
        memory: PushMemory::Udmabuf,
        progress: Progress::Off,
        wait_ms: 9,
    };
    let line = "push --socket /tmp/s --from a.y4m --raw --stride 832 --rows 368 --pad --color-range full --colorspace rec709 --progressive --fps max --timestamps arrival --live --frames 4294967295 --loop --memory udmabuf --progress off --wait 9 --size 320x240 --format NV12";
    with(line, |p| assert_eq!(p.unwrap(), Command::Push(push)));
    let tap = TapOptions {
        socket: SocketName::Path(c"/tmp/s"),
        engine_uid: None,
        to: Target::File(c"out.h264"),
        start: StartAt::Oldest,
        frames: Some(7),
        index: Some(c"out.idx"),
        mux: Mux::Mp4,
        pts: Some(c"out.pts"),
        all: true,
        wait_ms: 9,
        reconnect_ms: Some(1500),
        segment: None,
        keep: None,
        progress: Progress::On,
        ends_with_reader: false,
    };
    let line = "tap --reconnect 1.5s --socket /tmp/s --to out.h264 --from oldest --frames 7 --mux MP4 --pts out.pts --index out.idx --all --progress ON --wait 9";
    with(line, |p| assert_eq!(p.unwrap(), Command::Tap(tap)));
    let stat = StatOptions {
        socket: SocketName::Path(c"/tmp/s"),
        engine_uid: None,
        watch_ms: Some(1000),
        json: true,
        all: true,
        check_ms: Some(2500),
    };
    let line = "stat --socket /tmp/s --check=2500 --watch --all --json";
    with(line, |p| assert_eq!(p.unwrap(), Command::Stat(stat)));
    let probe = ProbeOptions {
        device: Some(c"/dev/video1"),
        json: true,
    };
    let line = "probe --device /dev/video1 --json";
    with(line, |p| assert_eq!(p.unwrap(), Command::Probe(probe)));
}

#[test]
fn a_recording_has_files_with_a_number() {
    let tap = TapOptions {
        to: Target::File(c"a/rec-%n.ts"),
        start: StartAt::Past(10_000),
        segment: Some(SegmentLimit::Time(60_000)),
        keep: Some(2 << 30),
        ..TapOptions::default()
    };
    let line = "tap --segment 60s --keep 2G --to a/rec-%n.ts --from -10s";
    with(line, |p| assert_eq!(p.unwrap(), Command::Tap(tap)));
    for (text, segment) in [
        ("1s", Some(SegmentLimit::Time(1000))),
        ("1.5min", Some(SegmentLimit::Time(90_000))),
        ("24h", Some(SegmentLimit::Time(86_400_000))),
        ("64k", Some(SegmentLimit::Bytes(64 << 10))),
        ("64MiB", Some(SegmentLimit::Bytes(64 << 20))),
        ("1024G", Some(SegmentLimit::Bytes(1 << 40))),
        // Seconds or milliseconds; minutes or bytes.
        ("60", None),
        ("5m", None),
        ("'5 m'", None),
        ("999ms", None),
        ("25h", None),
        ("63K", None),
        ("1025G", None),
        ("-60s", None),
    ] {
        let line = format!("tap --to %n --segment={text}");
        let found = with(&line, |parsed| match parsed {
            Ok(Command::Tap(options)) => options.segment,
            _ => None,
        });
        assert_eq!(found, segment, "{text}");
    }
    for (text, past) in [
        ("-1s", Some(1000)),
        ("-1h", Some(3_600_000)),
        ("-250ms", Some(250)),
        ("-10", None),
        ("-0s", None),
        ("-61min", None),
        ("--10s", None),
        ("10s", None),
    ] {
        let line = format!("tap --from={text}");
        let found = with(&line, |parsed| match parsed {
            Ok(Command::Tap(options)) => Some(options.start),
            _ => None,
        });
        assert_eq!(found, past.map(StartAt::Past), "{text}");
    }
    for (line, sentence) in [
        (
            "tap --segment 60",
            "--segment wants a time, 1s to 24h, or a size, 64K to 1024G, such as 60s, 5min or 64M, not \"60\"",
        ),
        (
            "tap --from -10",
            "--from wants -AGE such as -10s, up to 1h, or oldest, key or live, not \"-10\"",
        ),
        (
            "tap --keep 5s",
            "--keep wants a size, 64K to 1024G, such as 500M or 2G, not \"5s\"",
        ),
        ("tap --keep 2G", "--keep goes with --segment"),
        ("tap --to a-%n.ts", "--to: %n is a segment's number"),
        (
            "tap --segment 60s",
            "--segment writes files that have a number",
        ),
        (
            "tap --segment 60s --to a.ts",
            "--segment writes files that have a number",
        ),
        (
            "tap --segment 60s --to %n/a.ts",
            "--segment writes files that have a number",
        ),
        (
            "tap --segment 60s --to tcp:127.0.0.1:5",
            "--segment writes files that have a number",
        ),
        (
            "tap --segment 60s --to %n --pts a",
            "--pts has the times of one file",
        ),
        (
            "tap --segment 64M --to %n --keep 63M",
            "--keep has no room for one --segment",
        ),
    ] {
        let found = usage_error(line);
        assert!(found.starts_with(sentence), "{line}: {found}");
    }
}

#[test]
fn a_value_in_brackets_may_be_left_out() {
    for (line, check_ms) in [
        ("stat --check", Some(CHECK_MS_DEFAULT)),
        ("stat --check --json", Some(CHECK_MS_DEFAULT)),
        ("stat --check 2500 --json", Some(2500)),
        ("stat --json --check=2500", Some(2500)),
        ("stat --json", None),
    ] {
        with(line, |parsed| match parsed {
            Ok(Command::Stat(options)) => assert_eq!(options.check_ms, check_ms, "{line}"),
            other => panic!("{line}: {other:?}"),
        });
    }
    let help = Topic::Stat.to_string();
    assert!(help.contains(&format!(
        "; {CHECK_MS_DEFAULT} if not given; 100 to 600000\n"
    )));
    assert_eq!(
        usage_error("stat --check 99"),
        "--check wants milliseconds, 100 to 600000, or a time such as 2s, not \"99\""
    );
    assert_eq!(
        usage_error("stat --check="),
        "--check wants milliseconds, 100 to 600000, or a time such as 2s, not \"\""
    );
    assert!(usage_error("stat --check 100 100").contains("neither an option nor"));
}

#[test]
fn ctl_takes_one_action_and_its_value() {
    let ctl = |line: &str, action| {
        with(line, |parsed| {
            let expected = CtlOptions {
                action: Some(action),
                ..CtlOptions::default()
            };
            assert_eq!(parsed.expect(line), Command::Ctl(expected));
        });
    };
    ctl("ctl key", Action::KeyFrame);
    ctl("ctl drain", Action::Drain);
    ctl("ctl bitrate 2.5M", Action::Bitrate(2_500_000));
    ctl("ctl -- gop 30", Action::Gop(30));
    let control = ControlSetting {
        name: ControlName::Name(b"a"),
        value: ControlValue::Number(-5),
    };
    ctl("ctl control a=-5", Action::Control(control));
    with("ctl bitrate --socket @mill 5k --wait 7", |parsed| {
        let expected = CtlOptions {
            socket: SocketName::Abstract(b"mill"),
            engine_uid: None,
            action: Some(Action::Bitrate(5000)),
            wait_ms: 7,
        };
        assert_eq!(parsed.unwrap(), Command::Ctl(expected));
    });
    assert!(usage_error("ctl").starts_with("ctl: no action given; give key, "));
    assert_eq!(
        usage_error("ctl bitrate"),
        "bitrate wants bits per second, 1 to 2147483647, such as 800k or 4M; its value is missing"
    );
    assert_eq!(
        usage_error("ctl gop 0"),
        "gop wants a number from 1 to 2147483647, not \"0\""
    );
    for (line, end) in [
        ("ctl key drain", "; did you mean drain?"),
        ("ctl key 5", "; see framemill ctl --help"),
        ("ctl --key", "; did you mean key?"),
        ("ctl bitrte 5", "; did you mean bitrate?"),
        ("ctl quit", "; see framemill ctl --help"),
        ("ctl -- --wait 5", "; did you mean --wait?"),
    ] {
        assert!(
            usage_error(line).ends_with(end),
            "{line}: {}",
            usage_error(line)
        );
    }
    assert!(usage_error("tap -- --all").starts_with("tap: \"--all\" is neither"));
}

#[test]
fn options_of_a_camera_go_with_a_camera() {
    for (option, value) in [
        ("--frames", "5"),
        ("--camera-format", "NV12"),
        ("--camera-format", "MJPG"),
        ("--decoder", "off"),
        ("--camera-size", "640x480"),
        ("--flip", "h"),
        ("--converter", "off"),
    ] {
        let sentence = usage_error(&std::format!("run --size 640x480 {option} {value}"));
        let expected = " goes with a camera; give --camera CAMERA";
        assert_eq!(sentence, std::format!("{option}{expected}"));
    }
}

#[test]
fn quantisers_must_not_cross() {
    run("--min-qp 30 --max-qp 30", |options| {
        assert_eq!(options.min_qp, options.max_qp);
    });
    let sentence = usage_error("run --size 640x480 --min-qp 31 --max-qp 30");
    assert_eq!(sentence, "--min-qp is greater than --max-qp");
}

#[test]
fn the_last_of_two_wins_but_controls_collect() {
    run(
        "--size 16x16 --gop 1 --gop 2 --control a=1 --control a=2",
        |options| {
            assert_eq!(options.size.to_string(), "16x16");
            assert_eq!(options.gop, Some(2));
            assert_eq!(options.controls.len(), 2);
        },
    );
    let most = " --control a=1".repeat(CONTROLS);
    run(&most, |options| assert!(options.controls.is_full()));
    let sentence = usage_error(&format!("run --size 640x480{most} --control a=1"));
    assert_eq!(sentence, "--control wants to be given 32 times at most");
}

#[test]
fn packet_ring_is_rounded_up_to_a_power_of_two_within_its_range() {
    run("--packet-ring 65537", |o| {
        assert_eq!(o.packet_ring, 128 << 10)
    });
    run("--packet-ring 64K", |o| {
        assert_eq!(o.packet_ring, PACKET_RING_MIN)
    });
    run("--packet-ring 255.5M", |o| {
        assert_eq!(o.packet_ring, PACKET_RING_MAX)
    });
    run("--packet-ring 256M", |o| {
        assert_eq!(o.packet_ring, PACKET_RING_MAX)
    });
    for size in ["65535", "268435457", "257M", "0"] {
        let sentence = usage_error(&format!("run --size 640x480 --packet-ring {size}"));
        let expected = format!("--packet-ring wants bytes, 64K to 256M, not \"{size}\"");
        assert_eq!(sentence, expected);
    }
}

#[test]
fn defaults_in_help_are_the_defaults() {
    // Whatever the help calls a default parses to what parsing without the option gives.
    let first_word = |text: &str| text.split([';', ',', ' ']).next().unwrap().to_string();
    let mut compared = 0;
    for entry in &COMMANDS {
        let start = match entry.topic {
            Topic::Run => "run --size 640x480",
            Topic::Ctl => "ctl key",
            Topic::Sink => "sink --ustreamer a:h264",
            _ => entry.name,
        };
        for row in entry.options {
            let Some((_, default)) = row.help.split_once("; default ") else {
                continue;
            };
            let default = first_word(default);
            if ["all", "at", "by", "none", "once", "the", "4"].contains(&default.as_str()) {
                continue;
            }
            let line = format!("{start} {} {default}", row.name());
            // Whether it was said is known of the socket, and makes a difference with --stdout only.
            let options = |parsed: Result<Command<'_>, UsageError<'_>>| {
                let said = format!("{:?}", parsed.unwrap());
                said.replace("names_socket: true", "names_socket: false")
            };
            assert_eq!(with(start, options), with(&line, options));
            compared += 1;
        }
    }
    assert_eq!(compared, 32);
}

#[test]
fn every_sink_option_arrives() {
    let line = "sink --ustreamer kvmd::ustreamer --layout 2 --mode 600 --remove --socket @m --engine-uid 7 --wait 2s --reconnect 50";
    with(line, |parsed| match parsed.unwrap() {
        Command::Sink(options) => {
            let layout = options.layout.version;
            let given = (options.name, layout, options.mode, options.remove);
            assert_eq!(given, (c"kvmd::ustreamer", 2, 0o600, true));
            assert_eq!(options.socket, SocketName::Abstract(b"m"));
            assert_eq!((options.engine_uid, options.wait_ms), (Some(7), 2000));
            assert_eq!(options.reconnect_ms, Some(50));
        }
        other => panic!("{other:?}"),
    });
    for (line, allowed) in [
        ("sink --ustreamer a.jpeg", true),
        ("sink --ustreamer a.raw", false),
        ("sink --ustreamer a --layout 4", true),
        ("sink --ustreamer a --layout 6", false),
    ] {
        with(line, |parsed| assert_eq!(parsed.is_ok(), allowed, "{line}"));
    }
}

#[test]
fn help_is_given_wherever_it_is_asked_for() {
    for (line, topic) in [
        ("--help", Topic::Main),
        ("-h", Topic::Main),
        ("help", Topic::Main),
        ("help help --help", Topic::Main),
        ("--help tap", Topic::Tap),
        ("help run", Topic::Run),
        ("run --help", Topic::Run),
        ("push --frames -h", Topic::Push),
        ("stat --nonsense --help", Topic::Stat),
        ("probe --device --help", Topic::Probe),
    ] {
        with(line, |parsed| match parsed {
            Ok(Command::Help(found)) => assert_eq!(found, topic, "{line}"),
            other => panic!("{line}: {other:?}"),
        });
    }
    with("--version", |parsed| {
        assert_eq!(parsed.unwrap(), Command::Version)
    });
    // Attached, or after `--`, it is a value or a stray word.
    with("tap --to=--help", |parsed| {
        assert!(matches!(parsed, Ok(Command::Tap(_))))
    });
    assert!(usage_error("tap -- --help").contains("neither an option nor"));
    assert!(usage_error("help bogus").starts_with("\"bogus\" is not a command"));
}

#[test]
fn every_option_of_every_row_is_acted_on() {
    // A key that a command's settings do not know would refuse every value.
    for entry in &COMMANDS {
        let mut lines = Vec::new();
        let mut actions = Vec::new();
        for row in entry.options {
            let value = match (row.wants, row.parts().1) {
                (Wants::Number(numbers), _) => format!("={}", numbers.min),
                (Wants::Nothing, _) => String::new(),
                // The other one does not go with the default input.
                (_, "header|arrival") => "=header".into(),
                (_, "WxH") => "=640x480".into(),
                (_, "NAME|ID=VALUE") => "=a=1".into(),
                (_, "SPACE") => "=rec709".into(),
                (_, "NAME") => "=main".into(),
                (_, "OBJECT") => "=a".into(),
                (_, "FILE|-|SOCKET") => "=%n".into(),
                (_, "TIME|SIZE") => "=60s".into(),
                (_, "SIZE") => "=64M".into(),
                (_, "KIND") => "=export".into(),
                (_, "OCTAL") => "=777".into(),
                (_, "UID[:GID]") => "=1000".into(),
                (_, "LEVEL") => "=off".into(),
                (_, "UID" | "GID") => "=0".into(),
                (_, "FOURCC") => "=NV12".into(),
                (_, "FILE" | "N[/D]" | "N[/D]|max") => "=25".into(),
                (_, choices) => format!("={}", choices.split(['|', '[']).next().unwrap()),
            };
            let text = format!("{}{value}", row.name());
            if text.starts_with("--pts") {
                // With --segment it is rejected.
                with(&format!("{} {text}", entry.name), |parsed| {
                    assert!(parsed.is_ok(), "{text}: {parsed:?}")
                });
            } else if text.starts_with('-') {
                lines.push(text);
            } else {
                actions.push(text.replacen('=', " ", 1));
            }
        }
        if actions.is_empty() {
            actions.push(String::new());
        }
        for action in actions {
            let line = format!("{} {} {action}", entry.name, lines.join(" "));
            with(&line, |parsed| {
                assert!(parsed.is_ok(), "{line}: {parsed:?}")
            });
        }
    }
}
