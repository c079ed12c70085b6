//! Each mistake and its sentence.

use super::*;

#[test]
fn a_camera_is_named_by_path_bus_or_card() {
    for (word, expected) in [
        ("/dev/video4", CameraChoice::Path(c"/dev/video4")),
        ("./bus:1", CameraChoice::Path(c"./bus:1")),
        ("bus:usb-1.2", CameraChoice::Bus(b"usb-1.2")),
        ("card:Webcam", CameraChoice::Card(b"Webcam")),
    ] {
        with(&format!("run --camera {word}"), |parsed| match parsed {
            Ok(Command::Run(options)) => {
                assert_eq!(options.camera, Some(expected));
                assert_eq!(expected.to_string(), word);
            }
            other => panic!("{other:?}"),
        });
    }
}

#[test]
fn each_mistake_gets_its_own_sentence() {
    let longest = "a".repeat(107);
    with(&format!("stat --socket @{longest}"), |parsed| {
        assert!(parsed.is_ok())
    });
    with(&format!("stat --socket {longest}"), |parsed| {
        assert!(parsed.is_ok())
    });
    for (line, sentence) in [
        ("", "no command given; see framemill --help"),
        ("rum", "\"rum\" is not a command; did you mean run?"),
        (
            "encode",
            "\"encode\" is not a command; see framemill --help",
        ),
        (
            "run --bitrtae 5",
            "--bitrtae is not an option of run; did you mean --bitrate?",
        ),
        (
            "run --nonsense=5",
            "--nonsense is not an option of run; see framemill run --help",
        ),
        (
            "run -x",
            "-x is not an option of run; see framemill run --help",
        ),
        (
            "run -bitrate 5",
            "-bitrate is not an option of run; did you mean --bitrate?",
        ),
        (
            "run --watch=5",
            "--watch is an option of stat, not of run; see framemill run --help",
        ),
        ("run --mux ts", "--mux goes with --stdout (or tap --mux)"),
        (
            "run --idle",
            "--idle wants stop or stop:MS, 1000 to 3600000 ms or a time such as stop:10s; its value is missing",
        ),
        (
            "run --idle stop:999",
            "--idle wants stop or stop:MS, 1000 to 3600000 ms or a time such as stop:10s, not \"stop:999\"",
        ),
        (
            "run --idle 5000",
            "--idle wants stop or stop:MS, 1000 to 3600000 ms or a time such as stop:10s, not \"5000\"",
        ),
        (
            "tap out.h264",
            "tap: \"out.h264\" is neither an option nor an option's value; see framemill tap --help",
        ),
        (
            "run bitrate 5",
            "run: \"bitrate\" is neither an option nor an option's value; did you mean --bitrate?",
        ),
        (
            "tap -",
            "tap: \"-\" is neither an option nor an option's value; see framemill tap --help",
        ),
        (
            "run --device --size 640x480",
            "--device wants a device's path, or auto; its value is missing",
        ),
        (
            "run --camera bus:",
            "--camera wants a path, bus:BUS or card:CARD, each name 1 to 31 bytes (see framemill probe), not \"bus:\"",
        ),
        ("sink", "sink: no object given; give --ustreamer OBJECT"),
        (
            "sink --ustreamer a/b",
            "--ustreamer wants a name without /, 1 to 255 bytes, not \"a/b\"",
        ),
        (
            "sink --ustreamer ..",
            "--ustreamer wants a name without /, 1 to 255 bytes, not \"..\"",
        ),
        (
            "sink --ustreamer a",
            "--ustreamer: from --layout 6 on the object's room follows from its name; give NAME:h264 or NAME:jpeg",
        ),
        (
            "sink --ustreamer a --layout 5",
            "--layout wants 2, 3, 4, 6, 7, 8 or 10, not \"5\"",
        ),
        (
            "run --device ''",
            "--device wants a device's path, or auto, not \"\"",
        ),
        (
            "run --socket @fm --socket-mode 600",
            "--socket-mode and --socket-group go with a file, and an abstract socket (@NAME) has none; give --socket PATH, or name users \
             with --producer-uid and --control-uid",
        ),
        (
            "run --socket-mode=660 --socket=@fm",
            "--socket-mode and --socket-group go with a file, and an abstract socket (@NAME) has none; give --socket PATH, or name users \
             with --producer-uid and --control-uid",
        ),
        (
            "stat --engine-uid root",
            "--engine-uid wants a numeric user id, not \"root\"",
        ),
        (
            "run --control-uid root",
            "--control-uid wants a numeric user id, not \"root\"",
        ),
        (
            "run --producer-uid 4294967295",
            "--producer-uid wants a numeric user id, not \"4294967295\"",
        ),
        (
            "run --user 0:44",
            "--user wants a numeric UID or UID:GID, UID not 0, not \"0:44\"",
        ),
        (
            "run --gop",
            "--gop wants a number from 1 to 2147483647; its value is missing",
        ),
        (
            "run --gop=",
            "--gop wants a number from 1 to 2147483647, not \"\"",
        ),
        ("stat --json=yes", "--json takes no value"),
        (
            "run --size 640",
            "--size wants WIDTHxHEIGHT in pixels, 16x16 to 8192x8192, not \"640\"",
        ),
        (
            "run --size 15x9000",
            "--size wants WIDTHxHEIGHT in pixels, 16x16 to 8192x8192, not \"15x9000\"; did you mean 16x8192?",
        ),
        (
            "run --fps abc",
            "--fps wants frames per second, 1/1000 to 1000, such as 25, 29.97 or 30000/1001, not \"abc\"",
        ),
        (
            "push --fps 1001",
            "--fps wants max or frames per second, 1/1000 to 1000, such as 25, 29.97 or 30000/1001, not \"1001\"",
        ),
        (
            "run --format yuv421p",
            "--format wants a raw format, such as YU12, nv12 or yuyv422, not \"yuv421p\"; did you mean yuv420p?",
        ),
        (
            "run --camera /dev/video4 --camera-format VP8F",
            "--camera-format wants a raw format, such as YUYV or nv12, or a coded one, such as mjpeg, not \"VP8F\"",
        ),
        (
            "run --codec H264X",
            "--codec wants a coded format, such as h264 or mjpeg, not \"H264X\"; did you mean h264?",
        ),
        (
            "run --bitrate 4MB",
            "--bitrate wants bits per second, 1 to 2147483647, such as 800k or 4M, not \"4MB\"",
        ),
        (
            "run --bitrate-mode vrb",
            "--bitrate-mode wants vbr or cbr, not \"vrb\"; did you mean vbr?",
        ),
        (
            "run --profile hihg",
            "--profile wants baseline, constrained-baseline, main, extended or high, not \"hihg\"; did you mean high?",
        ),
        (
            "run --level 4.3",
            "--level wants auto or 1, 1b, 1.1, 1.2, 1.3, 2, 2.1, 2.2, 3, 3.1, 3.2, 4, 4.1, 4.2, 5, 5.1, 5.2, 6, 6.1 or 6.2, not \"4.3\"; did you mean 4.1?",
        ),
        (
            "run --stall-ms 99",
            "--stall-ms wants milliseconds, 100 to 600000, or a time such as 2s, not \"99\"",
        ),
        (
            "run --stall-ms 99999999999999999999",
            "--stall-ms wants milliseconds, 100 to 600000, or a time such as 2s, not \"99999999999999999999\"",
        ),
        (
            "run --frame-slots 33",
            "--frame-slots wants a number from 2 to 32, not \"33\"",
        ),
        (
            "run --socket @fm --socket-group 44",
            "--socket-mode and --socket-group go with a file, and an abstract socket (@NAME) has none; give --socket PATH, or name users \
             with --producer-uid and --control-uid",
        ),
        (
            "run --socket-group video",
            "--socket-group wants a numeric group id, not \"video\"",
        ),
        (
            "run --ready-fd 2",
            "--ready-fd wants a number from 3 to 2147483647, not \"2\"",
        ),
        (
            "run --socket-mode 1777",
            "--socket-mode wants an octal file mode, 0 to 777, not \"1777\"",
        ),
        (
            "run --socket-mode 8",
            "--socket-mode wants an octal file mode, 0 to 777, not \"8\"",
        ),
        (
            "run --log ifno",
            "--log wants off, error, warn, info, debug or trace, not \"ifno\"; did you mean info?",
        ),
        (
            "push --frames 0",
            "--frames wants a number from 1 to 4294967295, not \"0\"",
        ),
        (
            "push --loop --from -",
            "--loop: standard input cannot be rewound; give --from FILE",
        ),
        (
            "push --fps max --live",
            "--live drops frames that come too late, and with --fps max none has a time; give --fps N",
        ),
        (
            "push --timestamps arrival",
            "--timestamps arrival goes with a file or pipe; give --from FILE or --from -",
        ),
        (
            "push --from - --timestamps arival",
            "--timestamps wants header or arrival, not \"arival\"; did you mean arrival?",
        ),
        ("tap --index -", "--index wants a file, not \"-\""),
        (
            "stat --socket @",
            "--socket wants a path or an abstract @NAME, 1 to 107 bytes, not \"@\"",
        ),
        (
            "stat --watch 99",
            "--watch wants milliseconds, 100 to 3600000, or a time such as 2s, not \"99\"",
        ),
        (
            "run --control a",
            "--control wants NAME=VALUE or ID=VALUE, VALUE a number or a menu's item, names with 31 characters at most, not \"a\"",
        ),
    ] {
        assert_eq!(usage_error(line), sentence, "{line}");
    }
    assert!(usage_error("push --y4m").ends_with("give --from FILE or --from -"));
    for name in [format!("{longest}a"), format!("@{longest}a")] {
        assert!(
            usage_error(&format!("stat --socket {name}"))
                .contains("wants a path or an abstract @NAME")
        );
    }
}

#[test]
fn peers_have_numeric_addresses() {
    for (line, peer) in [
        (
            "tap --to unix:/run/tv",
            Peer::Unix(SocketName::Path(c"/run/tv")),
        ),
        ("tap --to unix:@tv", Peer::Unix(SocketName::Abstract(b"tv"))),
        (
            "tap --to tcp:192.0.2.1:65535",
            Peer::Tcp(SocketAddr::from(([192, 0, 2, 1], 65535))),
        ),
        (
            "tap --mux ts --to udp:[2001:db8::1]:5000",
            Peer::Udp(SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 5000))),
        ),
    ] {
        with(line, |parsed| match parsed.unwrap() {
            Command::Tap(TapOptions {
                to: Target::Peer(found, name),
                ..
            }) => {
                assert_eq!(found, peer);
                assert!(line.ends_with(name.to_str().unwrap()));
            }
            other => panic!("{other:?}"),
        });
    }
    for wrong in [
        "localhost:5000",
        "192.0.2.1",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "2001:db8::1:5000",
        "",
        "//192.0.2.1:5000",
    ] {
        assert_eq!(
            usage_error(&format!("tap --to tcp:{wrong}")),
            format!(
                "--to wants a numeric address and a port, such as tcp:192.0.2.1:5000 or udp:[2001:db8::1]:5000, not \"tcp:{wrong}\""
            )
        );
    }
    let file = parse(&[c"tap", c"--to", c"./tcp:x"]).unwrap();
    assert!(matches!(file, Command::Tap(tap) if tap.to == Target::File(c"./tcp:x")));
    assert!(usage_error("tap --to udp:192.0.2.1:5000").ends_with("give --mux ts"));
    assert!(usage_error("tap --to unix:").contains("wants a path or an abstract @NAME"));
    assert!(usage_error("tap --reconnect 19").contains("20 to 3600000"));
}

#[test]
fn bytes_that_are_no_text_are_values_of_paths_only() {
    let parsed = parse(&[c"tap", c"--to", c"\xff"]).unwrap();
    assert!(matches!(parsed, Command::Tap(tap) if tap.to == Target::File(c"\xff")));
    let error = parse(&[c"run", c"--gop", c"\xff\n"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--gop wants a number from 1 to 2147483647, not \"\\xff\\x0a\""
    );
}

#[test]
fn what_users_of_other_programs_write_is_understood() {
    run(
        "--bitrate 4m --codec h265 --format I420 --size 1280X720 --packet-ring 1MiB --stall-ms 1.5s --profile High --log DEBUG --drain-ms 500ms",
        |options| {
            assert_eq!(options.bitrate, Some(4_000_000));
            assert_eq!(options.codec, Fourcc::HEVC);
            assert_eq!(options.format, Some(Fourcc::new(*b"YU12")));
            assert_eq!(options.size.to_string(), "1280x720");
            assert_eq!(options.packet_ring, 1 << 20);
            assert_eq!((options.stall_ms, options.drain_ms), (1500, 500));
            assert_eq!(options.profile, Some(4));
            assert_eq!(options.log, ::log::LevelFilter::Debug);
        },
    );
    let line = "run --camera /dev/video4 --camera-format uyvy422 --format yuyv422";
    with(line, |parsed| match parsed {
        Ok(Command::Run(options)) => {
            assert_eq!(
                options.camera_format,
                Some(CameraFormat::Raw(Fourcc::new(*b"UYVY")))
            );
            assert_eq!(options.format, Some(Fourcc::new(*b"YUYV")));
        }
        other => panic!("{other:?}"),
    });
    for name in ["mjpeg", "MJPG", "Motion-JPEG"] {
        let line = format!("run --camera /dev/video4 --camera-format {name} --codec {name}");
        with(&line, |parsed| match parsed {
            Ok(Command::Run(options)) => {
                let coded = Some(CameraFormat::Coded(Fourcc::MJPG));
                assert_eq!(
                    (options.camera_format, options.codec),
                    (coded, Fourcc::MJPG)
                );
            }
            other => panic!("{other:?}"),
        });
    }
    with("push --format NV12 --wait 2s", |parsed| match parsed {
        Ok(Command::Push(options)) => {
            assert_eq!(options.format, Some(Fourcc::new(*b"NV12")));
            assert_eq!(options.wait_ms, 2000);
        }
        other => panic!("{other:?}"),
    });
    with("ctl bitrate 2.5Mbit/s", |parsed| match parsed {
        Ok(Command::Ctl(options)) => {
            assert_eq!(options.action, Some(Action::Bitrate(2_500_000)));
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn no_option_but_a_switch_takes_an_empty_value() {
    for entry in &COMMANDS {
        for option in entry.options {
            let mut command = (entry.defaults)();
            let stored = option.store(&mut command, c"");
            let switch = option.wants == Wants::Nothing;
            assert_eq!(stored.is_some(), switch, "{}", option.name());
        }
    }
}
