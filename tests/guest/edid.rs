//! The EDID that a bridge shows to its source: vivid's HDMI input has one, and its other inputs have none.

use crate::camera::CAMERA;
use crate::phases::Phase;
use framemill::internals::media::edid::{MODES, of_mode};

const SHOWN: &str = r"
    shown() { v4l2-ctl -d /dev/video4 --get-edid pad=3,format=raw,file=/host/$1 >/dev/null 2>&1 || say no_$1 1; }
";

pub fn a_bridge_shows_the_edid_that_was_asked_for() -> Phase {
    let mut phase = Phase::new("a_bridge_shows_the_edid_that_was_asked_for");
    let mut spoiled = of_mode(&MODES[1]);
    spoiled[127] ^= 1;
    phase.put("spoiled", &spoiled);
    phase.put("cut", &spoiled[..200]);
    let script = format!(
        "{CAMERA}{SHOWN}{}",
        r"
        bridge
        source_sends 0
        try run framemill run --camera /dev/video4 --edid 720p60 --frames 3
        shown mode
        try again framemill run --camera /dev/video4 --edid 720P60 --frames 3
        # Its checksum is corrected.
        try file framemill run --camera /dev/video4 --edid /host/spoiled --frames 3
        shown file
        try short framemill run --camera /dev/video4 --edid /host/cut --frames 3
        try none framemill run --camera /dev/video4 --edid /host/none --frames 3
        # An input without one.
        v4l2-ctl -d /dev/video4 --set-input 0 || give_up input
        try webcam framemill run --camera /dev/video4 --edid 720p60 --frames 3
        cp /tmp/*.log /host/
        ",
    );
    phase.run(&script, move |outcome| {
        assert!(outcome.bytes("mode") == of_mode(&MODES[0]));
        assert!(outcome.bytes("file") == of_mode(&MODES[1]));
        let news = "VIDIOC_S_EDID: the source reads a new EDID";
        for (name, code, words) in [
            ("run", 0, news),
            ("again", 0, "running: "),
            (
                "file",
                0,
                "/host/spoiled: wrong checksum in 1 of its blocks: corrected",
            ),
            (
                "short",
                11,
                "/host/cut: 200 bytes: an EDID has 128, 256, 384 or 512 bytes",
            ),
            ("none", 11, "cannot read /host/none: ENOENT"),
            ("webcam", 5, "this input shows no EDID: leave --edid out"),
        ] {
            let said = outcome.text(&format!("{name}.log"));
            assert_eq!(outcome.number(name), code, "{name}: {said}");
            assert!(said.contains(words), "{name}: {said}");
            assert_eq!(said.contains(news), code == 0 && name != "again", "{said}");
        }
    })
}
