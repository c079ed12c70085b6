//! The frame rate is the source's: what the camera answers, what the signal's timings say; and `stat` shows what really comes.

use crate::camera::CAMERA;
use crate::support::{Guest, Outcome};

/// The frame rate that `stat` measured, frames in 1000 s.
fn measured(outcome: &Outcome, name: &str) -> f64 {
    let json = outcome.text(name);
    let json: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    json["frame_rate_measured"].as_f64().expect("a number")
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn encoder_is_set_up_for_the_rate_that_the_source_gives() {
    let guest = Guest::h264("rates").steady();
    let outcome = guest.run(&format!(
        "{CAMERA}{}",
        r"
        # The headers tell all that is asked.
        knob null_mode Y
        # one NAME OPTION…: an engine until enough packets came for a measurement.
        one() {
            as=$1
            shift
            rm -f /tmp/coded
            engine run --camera /dev/video4 $@
            start tap framemill tap --from oldest --to /tmp/coded
            until_true reached packets 12
            framemill stat --json >/host/$as.json
            say ${as}_page $(framemill stat | grep -c 'frame_rate_measured: ')
            kill $run
            wait $run || give_up $as
            wait $tap || give_up $as tap
            cp run.log /host/$as.log
            cp coded /host/$as.h264
        }
        # As a webcam, vivid answers 1/5 here, and 1/40 there.
        one slow --size 1920x1080 --fps 60
        one small --size 640x360 --fps 60
        # What was asked for: nothing to say.
        one asked --size 320x180 --fps 15
        # 640x480 at 59.94, by the timings; then another rate in the same size.
        bridge
        source_sends 0
        one signal
        engine run --camera /dev/video4
        until_true reached packets 5
        # 20: 640x480 at 72.8 (31.5 MHz, 832x520).
        source_sends 20
        until_true reached generation 2
        more 12
        framemill stat --json >/host/changed.json
        kill $run
        ended run
        cp run.log /host/changed.log

        say linux $(uname -r)
        # A producer whose frames come at another rate than a fixed one.
        engine fixed --size 320x176 --fps 50
        framemill push --frames 3 --fps 25 2>/dev/null || give_up push
        framemill push --frames 3 --fps 50 2>/dev/null || give_up push
        kill $fixed
        ended fixed
        cp fixed.log /host
        ",
    ));
    outcome.succeeded(&["run", "fixed"]);
    // The fastest that vivid's camera has in these sizes.
    let (slow, small) = match outcome.said("linux").starts_with("6.1.") {
        true => ("5/1", "40/1"),
        false => ("30/1", "60/1"),
    };
    let mut requests = Vec::new();
    for (name, rate, requested) in [
        ("slow", slow, "60/1"),
        ("small", small, "60/1"),
        ("asked", "15/1", "15/1"),
        ("signal", "5035/84", "30/1"),
    ] {
        let (log, json) = (
            outcome.text(&format!("{name}.log")),
            outcome.text(&format!("{name}.json")),
        );
        let told = log.matches("frames/s, not the requested").count();
        let line = format!(
            "/dev/video4: gives {rate} frames/s, not the requested {requested}: the encoder is set up for {rate}"
        );
        let stream = outcome.probed(&format!("{name}.h264"), "stream=r_frame_rate,level");
        let differs = usize::from(rate != requested);
        requests.push((
            name,
            rate,
            told,
            differs,
            log.contains(&line),
            json,
            log,
            stream,
        ));
    }
    for (name, rate, told, differs, line, json, log, stream) in &requests {
        assert!(told == differs && *line == (*differs == 1), "{name}: {log}");
        assert!(
            json.contains(&format!("\"frame_rate\":\"{rate}\"")),
            "{name}: {json}"
        );
        // The stream's own word, and what is worked out from the rate. The Pi's firmware is told no less than 9.
        let declared = if *rate == "5/1" { "9/1" } else { rate };
        assert!(
            stream.contains(&format!("r_frame_rate=\"{declared}\"")),
            "{name}: {stream}"
        );
        assert!(
            !log.contains("macroblocks/s: this encoder"),
            "{name}: {log}"
        );
        let expected: f64 = match rate.split_once('/') {
            Some((n, d)) => n.parse::<f64>().unwrap() / d.parse::<f64>().unwrap(),
            None => panic!("{rate}"),
        };
        let measured = measured(&outcome, &format!("{name}.json"));
        assert!(
            (measured - expected).abs() < expected / 20.0,
            "{name}: measured {measured}, not {expected}"
        );
        assert_eq!(outcome.number(&format!("{name}_page")), 1);
    }
    // 1920x1080 at 5 or 30 frames/s is for level 4 what 60 is for level 4.2.
    assert!(requests[0].7.contains("level=40"), "{}", requests[0].7);

    let (log, json) = (outcome.text("changed.log"), outcome.text("changed.json"));
    assert!(json.contains("\"frame_rate\":\"196875/2704\""), "{json}");
    assert!(
        log.contains("/dev/video4: gives 196875/2704 frames/s, not the requested 30/1"),
        "{log}"
    );

    let log = outcome.text("fixed.log");
    let line =
        "a producer declares 25/1 frames/s, the encoder is set up for 50/1: give run --fps 25/1";
    assert_eq!(log.matches("a producer declares").count(), 1, "{log}");
    assert!(log.contains(line), "{log}");
}
