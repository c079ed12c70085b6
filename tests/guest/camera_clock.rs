//! What a camera says of time and number: vivid drops frames, starts in the future, and counts past the end.

use crate::accounting::{index, stat};
use crate::camera::CAMERA;
use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_that_the_camera_lost_are_counted_and_its_times_rise() {
    let guest = Guest::h264("camera-clock").steady();
    let outcome = guest.run(&format!(
        "{CAMERA}{}",
        r"
        control() { v4l2-ctl -d /dev/video4 --set-ctrl $1 || give_up $1; }
        # one NAME: a camera from here to twenty packets on.
        one() {
            as=$1
            engine run --camera /dev/video4 --size 320x180 --fps 30
            start tap framemill tap --from oldest --all --to /tmp/coded --index /host/$as.index
            # Which waits without asking all the time.
            framemill tap --from oldest --all --frames 20 --to /dev/null 2>others.log || give_up $as others
            framemill stat --json >/host/$as.json
            kill $run
            wait $run || give_up $as
            wait $tap || give_up $as tap
            cp run.log /host/$as.log
        }
        one good
        control wrap_sequence_number=1,percentage_of_dropped_buffers=50
        one lossy
        control wrap_sequence_number=0,percentage_of_dropped_buffers=0,wrap_timestamp=1
        one future
        ",
    ));
    // The times of the packets, ms, and whether each is flagged.
    let packets = |name: &str| -> Vec<(f64, bool)> {
        let lines = index(&outcome, &format!("{name}.index"));
        let lines = lines.iter().filter(|line| line.bytes > 0);
        lines
            .map(|line| (line.timestamp as f64 / 1e6, line.is('D')))
            .collect()
    };
    let counter = |name: &str, counter: &str| stat(&outcome.text(&format!("{name}.json")), counter);
    // At 30 frames/s: how many frames each packet is behind the one before.
    let steps = |packets: &[(f64, bool)]| -> Vec<u64> {
        let step =
            |pair: &[(f64, bool)]| ((pair[1].0 - pair[0].0) / (1000.0 / 30.0)).round() as u64;
        packets.windows(2).map(step).collect()
    };
    let story = || outcome.story();

    let good = packets("good");
    assert!(steps(&good).iter().all(|&step| step == 1), "{good:?}");
    assert!(good.iter().all(|&(_, flagged)| !flagged), "{good:?}");
    assert_eq!(counter("good", "frames_lost_camera"), 0);

    // Each gap in the times is one in the count, and flags the packet behind it and no other.
    let lossy = packets("lossy");
    for (step, (_, flagged)) in steps(&lossy).iter().zip(&lossy[1..]) {
        assert_eq!(*step > 1, *flagged, "{lossy:?}");
    }
    let lost = counter("lossy", "frames_lost_camera");
    let until_then = counter("lossy", "frames_committed") as usize;
    let missing =
        |frames: usize| -> u64 { steps(&lossy[..frames]).iter().map(|step| step - 1).sum() };
    // stat looks at an engine that runs: it may be a frame or two on.
    assert!(
        lost > 3 && (until_then..(until_then + 3).min(lossy.len() + 1)).any(|n| missing(n) == lost),
        "{lost} lost by frame {until_then}: {lossy:?}: {}",
        story()
    );
    let json = outcome.text("lossy.json");
    assert_eq!(stat(&json, "frames_dropped"), 0, "{json}");

    // Timestamps of the far future: those of the stream are near, and rise.
    let future = packets("future");
    assert!(steps(&future).iter().all(|&step| step == 1), "{future:?}");
    let first = &index(&outcome, "future.index")[0];
    assert!(first.timestamp <= first.times[0], "{:?}", first.times);
    assert_eq!(
        counter("future", "camera_timestamps_corrected"),
        1,
        "{}",
        story()
    );
    let log = outcome.text("future.log");
    let line = "/dev/video4: a timestamp steps back or is of the future: corrected, 1 so far";
    assert_eq!(log.matches(line).count(), 1, "{log}");
}
