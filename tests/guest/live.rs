//! `push` of frames that come as they come: their times, and what happens when the encoder is slower.

use crate::accounting::{index, summary};
use crate::frames::Picture;
use crate::support::Guest;

const MS: u64 = 1_000_000;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_of_a_pipe_have_the_rates_times_or_those_of_their_arrival() {
    let guest = Guest::h264("live-arrival").steady();
    let picture = Picture::new("YU12", 160, 128);
    guest.put("frame", &picture.noisy(0..1));
    let outcome = guest.run(
        r#"
        # The host's files take the host's time.
        cp /host/frame /tmp/
        engine run --size 160x128
        start tap framemill tap --from oldest --all --to /dev/null --index /host/index
        until_true reached consumers_attached 1
        # slowly COUNT LINE: so many frames, one each 80 ms, before each a line if there is one.
        slowly() {
            count=0
            while [ $count -lt $1 ]; do
                [ -z "$2" ] || echo "$2"
                cat /tmp/frame
                sleep 0.08
                count=$((count + 1))
            done
        }
        y4m() { echo 'YUV4MPEG2 W160 H128 F30:1'; slowly $1 FRAME; }
        y4m 8 | try arrival framemill push --from - --timestamps arrival
        y4m 25 | try header framemill push --from -
        slowly 8 '' | try raw framemill push --from -
        slowly 2 '' | try rate framemill push --from - --fps 10
        try assumed framemill push --from /tmp/frame
        kill $run
        ended run
        ended tap
        "#,
    );
    outcome.succeeded(&["arrival", "header", "raw", "rate", "assumed", "run", "tap"]);
    let lines = index(&outcome, "index");
    let mut rest = lines.iter().map(|line| (line.timestamp, line.times[0]));
    let mut times = |count| rest.by_ref().take(count).collect::<Vec<(u64, u64)>>();
    let [arrival, header, raw, rate] = [times(8), times(25), times(8), times(2)];
    let log = |name: &str| outcome.text(&format!("{name}.log"));
    for (name, times) in [("arrival", arrival), ("raw", raw)] {
        assert_eq!(times.len(), 8, "{name}: {times:?}");
        for (arrived, committed) in &times {
            // The same clock: a frame was committed when it had arrived.
            assert!(arrived < committed, "{name}: {times:?}");
        }
        for pair in times.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= 70 * MS, "{name}: {times:?}");
        }
    }
    assert!(
        log("raw").contains("raw frames from a pipe without a rate"),
        "{}",
        log("raw")
    );
    let header: Vec<u64> = header[..3].iter().map(|times| times.0).collect();
    assert_eq!(header, [0, 33_333_333, 66_666_666]);
    let behind = log("header")
        .matches("behind: fewer frames come than the rate says")
        .count();
    assert_eq!(behind, 1, "{}", log("header"));
    assert_eq!(rate[1].0, 100 * MS);
    assert!(
        log("assumed").contains("does not say its rate: 30/1 frames/s assumed"),
        "{}",
        log("assumed")
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_that_a_slow_encoder_cannot_take_are_dropped_with_live_and_late_without() {
    let guest = Guest::h264("live-drop").steady();
    let picture = Picture::new("YU12", 160, 128);
    guest.put("in", &picture.noisy(0..30));
    let outcome = guest.run(
        r"
        cp /host/in /tmp/
        knob encode_us 80000
        engine run --size 160x128 --frame-slots 3
        start tap framemill tap --from oldest --all --to /dev/null --index /host/index
        until_true reached consumers_attached 1
        try late framemill push --frames 60 --fps 30
        try live framemill push --frames 60 --fps 30 --live
        try file framemill push --from /tmp/in --fps 30 --live
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["late", "live", "file", "run", "tap"]);
    let late = outcome.text("late.log");
    assert_eq!(summary(&late), (60, 60, 0));
    assert_eq!(
        late.matches("behind: the encoder takes fewer frames than come")
            .count(),
        1,
        "{late}"
    );
    let mut first = 60;
    for (name, frames) in [("live", 60), ("file", 30)] {
        let log = outcome.text(&format!("{name}.log"));
        let (pushed, published, dropped) = summary(&log);
        assert_eq!((published, dropped), (pushed, 0), "{log}");
        let skipped = frames - pushed;
        // 80 ms for a frame that comes each 33 ms: more than half are dropped.
        assert!(skipped > frames / 3 && pushed > frames / 3, "{log}");
        assert!(
            log.contains(&format!("{skipped} frames of the input not pushed")),
            "{log}"
        );
        let said = log.matches(" so far: no slot was free at its time").count();
        assert_eq!(said as u32, skipped.ilog2() + 1, "{log}");
        assert!(!log.contains("behind"), "{log}");
        // Those that were pushed keep their place in time.
        let lines = index(&outcome, "index");
        for line in &lines[first..first + pushed as usize] {
            let number = (line.timestamp + 1_000) * 30 / (1000 * MS);
            assert_eq!(number * 1_000_000_000 / 30, line.timestamp, "{line:?}");
        }
        first += pushed as usize;
    }
}
