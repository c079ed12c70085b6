//! The EDIDs that `run --edid` makes, read by edid-decode, the Linux media developers' own reader.

use std::io::Write;
use std::process::{Command, Stdio};

use framemill::internals::media::edid::{MODE_NAMES, MODES, of_mode};

/// What edid-decode makes of it.
fn read(edid: &[u8], arguments: &[&str]) -> String {
    let mut child = Command::new("edid-decode")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("edid-decode: {error}; scripts/check installs it"));
    child.stdin.take().unwrap().write_all(edid).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn edid_decode_finds_each_mode_and_nothing_wrong() {
    let timings = [
        "1280x720    60.000000 Hz  16:9     45.000 kHz     74.250000 MHz",
        "1920x1080   30.000000 Hz  16:9     33.750 kHz     74.250000 MHz",
        "1920x1080   60.000000 Hz  16:9     67.500 kHz    148.500000 MHz",
    ];
    for ((mode, name), timing) in MODES.iter().zip(MODE_NAMES.split(' ')).zip(timings) {
        let edid = of_mode(mode);
        let verdict = read(&edid, &["--check", "-"]);
        assert!(
            verdict.contains("EDID conformity: PASS"),
            "{name}: {verdict}"
        );
        let text = read(&edid, &["-"]);
        assert_eq!(text.matches(timing).count(), 2, "{name}: {text}");
        assert!(text.contains("640x480    59.940476 Hz"), "{text}");
        assert!(text.contains("Display Product Name: 'Framemill'"), "{text}");
        assert!(!text.to_lowercase().contains("audio"), "{text}");
    }
}
