//! `framemill selftest` on the model of the Pi's encoder: healthy, and with each knob that a check is to notice.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Guest, Outcome};

/// A report in JSON: the checks that failed, and everything.
fn report(outcome: &Outcome, name: &str) -> (Vec<String>, Value) {
    let text = outcome.text(&format!("{name}.json"));
    let json: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
    let checks = json["checks"].as_object().expect("checks");
    assert_eq!(checks.len(), 12, "{text}");
    let failed = checks.iter().filter(|(_, holds)| **holds == false);
    (failed.map(|(name, _)| name.clone()).collect(), json)
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_healthy_encoder_passes_and_its_report_is_a_page() {
    let guest = Guest::h264("selftest").steady();
    let outcome = guest.run(
        r"
        # Pixels are not read: the emulator would take minutes for them.
        knob null_mode Y
        framemill selftest >/host/page 2>selftest.log
        say selftest $?
        knob null_mode N
        framemill selftest --json --size 64x48 --device /dev/video11 >/host/healthy.json 2>json.log
        say json $?
        # What no encoder takes is no failure of the encoder, and no encoder at all is one.
        framemill selftest --json --device /dev/video1 >/host/none.json 2>none.log
        say none $?
        say left $(ps | grep -c '[f]ramemill ')
        ",
    );
    outcome.succeeded(&["selftest", "json", "left"]);
    let page = outcome.text("page");
    let lines = page.trim_end().lines().count();
    assert!((20..=30).contains(&lines), "{lines} lines: {page}");
    for words in [
        "kernel: 6.1",
        "machine: aarch64",
        "board: ",
        "size=640x480 device=/dev/video11 driver=bcm2835-codec card=bcm2835-codec-encode memory=export packets=60",
        "size=1920x1080",
        "restart: true",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let (failed, json) = report(&outcome, "healthy");
    assert_eq!(failed, [""; 0]);
    let size = &json["sizes"][0];
    assert_eq!(
        (&size["packets"], &size["key_frames"]),
        (&60.into(), &5.into())
    );
    assert_eq!(size["latency"]["queue_to_dequeue"]["count"], 60, "{json}");
    assert!(size["frames_per_second"].as_f64().unwrap() > 1.0, "{json}");
    let (failed, json) = report(&outcome, "none");
    assert_eq!(failed, ["start"]);
    assert!(json["checks"]["drain"].is_null(), "{json}");
    assert_eq!(outcome.number("none"), 17);
    assert!(outcome.logged("framemill: selftest: failed: start"));
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn each_check_notices_the_fault_that_it_is_for() {
    // Which knobs, and which checks they fail.
    const FAULTS: [(&str, &str, &[&str]); 12] = [
        ("drops", "drop_every 25", &["frames", "steady", "restart"]),
        ("damage", "error_at 7", &["damage", "restart"]),
        ("pause", "pause_at 20 pause_ms 900", &["times"]),
        (
            "hangs",
            "hang_after 20 streamoff_ms 10",
            &["frames", "steady", "key_request", "drain", "restart"],
        ),
        (
            "early",
            "hang_after 5 streamoff_ms 10",
            &["frames", "steady", "key_request", "drain", "restart"],
        ),
        ("later", "hang_after 70 streamoff_ms 10", &["restart"]),
        ("key", "refuse_control 0x9909e5", &["key_request"]),
        ("bitrate", "refuse_control 0x9909cf", &["bitrate"]),
        ("buffers", "refuse_errno 22", &["start"]),
        ("keys", "no_keys Y", &["keys", "key_request", "restart"]),
        ("headers", "no_headers Y", &["headers", "restart"]),
        (
            "order",
            "look_ahead 1 youngest_first Y",
            &["order", "keys", "times", "steady", "restart"],
        ),
    ];
    let guest = Guest::h264("selftest-faults").steady();
    let mut script = String::new();
    for (name, knobs, _) in FAULTS {
        let knobs: Vec<_> = knobs.split(' ').collect();
        for knob in knobs.chunks(2) {
            script += &format!("knob {} {}\n", knob[0], knob[1]);
        }
        script += &format!(
            "framemill selftest --json --size 64x48 >/host/{name}.json 2>{name}.log\nsay {name} $?\n"
        );
        for knob in knobs.chunks(2) {
            let default = match knob {
                ["streamoff_ms", _] => "2000",
                [_, "Y"] => "N",
                _ => "0",
            };
            script += &format!("knob {} {default}\n", knob[0]);
        }
    }
    let outcome = guest.run(&script);
    let mut found = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for (name, _, checks) in FAULTS {
        let mut failed = report(&outcome, name).0;
        failed.sort();
        let mut checks: Vec<_> = checks.iter().map(|name| (*name).to_owned()).collect();
        checks.sort();
        found.insert(name, (outcome.number(name), failed));
        expected.insert(name, (17, checks));
    }
    assert_eq!(found, expected, "{}", outcome.story());
    // It never came so far.
    let (_, json) = report(&outcome, "early");
    assert!(json["checks"]["bitrate"].is_null(), "{json}");
}
