//! Each mistake and its sentence.

use super::*;

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
        ("rum", "\"rum\" is not a command; see framemill --help"),
        (
            "run --bitrat 5",
            "run: unknown option --bitrat; see framemill run --help",
        ),
        ("run -x", "run: unknown option -x; see framemill run --help"),
        (
            "run --watch=5",
            "run: --watch is an option of stat, not of run; see framemill run --help",
        ),
        (
            "tap out.h264",
            "tap: \"out.h264\" is neither an option nor an option's value; see framemill tap --help",
        ),
        (
            "tap -",
            "tap: \"-\" is neither an option nor an option's value; see framemill tap --help",
        ),
        (
            "run --device --size 640x480",
            "--device: the value is missing; give PATH|auto",
        ),
        (
            "run --control-uid root",
            "--control-uid: \"root\" is not UID: a user who may use ctl, likewise",
        ),
        (
            "run --control-uid 4294967295",
            "--control-uid: \"4294967295\" is not UID: a user who may use ctl, likewise",
        ),
        ("run --gop", "--gop: the value is missing; give N"),
        ("run --gop=", "--gop: the value is empty; give N"),
        (
            "run --device ''",
            "--device: the value is empty; give PATH|auto",
        ),
        ("stat --json=yes", "--json takes no value"),
        (
            "run --size 640",
            "--size: \"640\" is not WxH: picture size, pixels, 16x16 to 8192x8192, kept; without it as producers or the camera have it",
        ),
        (
            "run --size 15x16",
            "--size: \"15x16\" is not WxH: picture size, pixels, 16x16 to 8192x8192, kept; without it as producers or the camera have it",
        ),
        (
            "run --fps abc",
            "--fps: \"abc\" is not N[/D]: frames per second, 1/1000 to 1000, whole or with a point; default 30",
        ),
        (
            "run --codec H264X",
            "--codec: \"H264X\" is not FOURCC: coded format, 1 to 4 characters; default H264",
        ),
        (
            "run --stall-ms 99",
            "--stall-ms: \"99\" is not a number from 100 to 600000",
        ),
        (
            "run --stall-ms 99999999999999999999",
            "--stall-ms: \"99999999999999999999\" is not a number from 100 to 600000",
        ),
        (
            "run --frame-slots 33",
            "--frame-slots: \"33\" is not a number from 2 to 32",
        ),
        (
            "run --socket-mode 1777",
            "--socket-mode: \"1777\" is not OCTAL: mode of the socket's file, octal, 0 to 777; default 660",
        ),
        (
            "run --socket-mode 8",
            "--socket-mode: \"8\" is not OCTAL: mode of the socket's file, octal, 0 to 777; default 660",
        ),
        (
            "run --log loud",
            "--log: \"loud\" is not LEVEL: off, error, warn, info, debug or trace; default info",
        ),
        (
            "push --frames 0",
            "--frames: \"0\" is not a number from 1 to 4294967295",
        ),
        (
            "push --loop --from -",
            "--loop: standard input cannot be rewound; give --from FILE",
        ),
        (
            "tap --index -",
            "--index: \"-\" is not FILE: also write one line per packet to this file; default none",
        ),
        (
            "stat --socket @",
            "--socket: \"@\" is not PATH|@NAME: the engine's socket, 1 to 107 bytes, @NAME is abstract; default /run/framemill.sock",
        ),
        (
            "stat --watch 99",
            "--watch: \"99\" is not a number from 100 to 3600000",
        ),
    ] {
        assert_eq!(complaint(line), sentence, "{line}");
    }
    assert!(complaint("push --y4m").ends_with("give --from FILE or --from -"));
    for name in [format!("{longest}a"), format!("@{longest}a")] {
        assert!(complaint(&format!("stat --socket {name}")).contains("is not PATH|@NAME"));
    }
}

#[test]
fn bytes_that_are_no_text_are_values_of_paths_only() {
    let parsed = parse(&[c"tap", c"--to", c"\xff"]).unwrap();
    assert!(matches!(parsed, Command::Tap(tap) if tap.to == Target::File(c"\xff")));
    let misuse = parse(&[c"run", c"--gop", c"\xff\n"]).unwrap_err();
    assert_eq!(
        misuse.to_string(),
        "--gop: \"\\xff\\x0a\" is not a number from 1 to 2147483647"
    );
}
