//! Producers: one at a time, and one that dies in the middle of a frame costs that frame and nothing else.

use crate::accounting::{stat, summary};
use crate::support::{Api, Guest};

#[test]
#[ignore = "boots the guest: scripts/test"]
fn killed_producer_leaves_nothing_behind_and_the_next_one_works() {
    let guest = Guest::new("killed", Api::Multi);
    let picture = crate::frames::Picture::new("YU12", 640, 368);
    let frames = picture.pattern(0..3);
    let bytes = picture.frame_bytes();
    guest.put("half", &frames[..2 * bytes + bytes / 2]);
    guest.put("in", &frames);
    let outcome = guest.run(
        r"
        engine run --size 640x368
        start tap framemill tap --from oldest --all --to /host/coded
        # Two frames and a half, then silence: it waits in the middle of the third when it is killed.
        mkfifo fifo
        (cat /host/half; sleep 1000) >fifo &
        start killed framemill push --from fifo --raw --fps max
        until_true reached frames_published 2
        kill -9 $killed
        ended killed
        until_true reached slots_reclaimed 4
        try push framemill push --wait 5000 --from /host/in --fps max
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        # Two streams: each producer's begins with a key frame.
        head -c 706560 /host/half >expected
        reference 640 368 YU12 expected /tmp/first
        reference 640 368 YU12 /host/in /tmp/second
        cat first second >/host/reference
        ",
    );
    outcome.succeeded(&["push", "run", "tap"]);
    assert_eq!(outcome.number("killed"), 128 + 9);
    assert_eq!(summary(&outcome.text("push.log")), (3, 3, 0));
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "frames_committed"), 5);
    assert_eq!(stat(&json, "frames_published"), 5);
    assert_eq!(stat(&json, "producers_attached"), 2);
    // From each of them all four: the first one's held half a frame.
    assert_eq!(stat(&json, "slots_reclaimed"), 8);
    assert_eq!(stat(&json, "producers_cut_off"), 0);
    outcome.same("coded", "reference");
}

/// On an encoder that has no control for key frames.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn producers_follow_each_other_and_a_stopped_one_keeps_its_place_until_it_dies() {
    let guest = Guest::new("follow", Api::Single);
    let outcome = guest.run(
        r"
        engine run --size 640x368 --gop 4
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        for turn in 1 2 3; do
            framemill push --frames 3 --fps max 2>push.log || give_up push
        done
        start stopped framemill push --fps 5
        until_true reached frames_published 10
        kill -STOP $stopped
        try refused framemill push --frames 1
        try late framemill push --frames 1 --wait 300
        start waiting framemill push --frames 3 --fps max --wait 20000
        sleep 0.3
        kill -9 $stopped
        ended waiting
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["waiting", "tap", "run"]);
    let packets = crate::frames::fwht_packets(&outcome.bytes("coded"));
    let keys: Vec<_> = packets.iter().map(|&(_, key)| key).collect();
    // Each begins with a key frame, though one was not due: nothing of the one before is referred to.
    assert_eq!(
        keys[..10],
        [
            true, false, false, true, false, false, true, false, false, true
        ]
    );
    let lines = crate::accounting::index(&outcome, "index");
    let marks: Vec<_> = lines.iter().map(|line| line.flags.contains('D')).collect();
    assert_eq!(
        marks[..10],
        [
            false, false, false, true, false, false, true, false, false, true
        ]
    );
    assert_eq!(outcome.number("refused"), 10, "{}", outcome.story());
    assert_eq!(outcome.number("late"), 15, "{}", outcome.story());
    assert_eq!(summary(&outcome.text("waiting.log")), (3, 3, 0));
    let json = outcome.text("stat.json");
    assert_eq!(
        stat(&json, "frames_committed"),
        stat(&json, "frames_published")
    );
    assert_eq!(stat(&json, "producers_attached"), 5);
    assert!(stat(&json, "clients_refused") >= 2, "{json}");
}

/// What one producer requests is not what the next one gets; and decoders can begin with its first packet.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_producer_that_requests_nothing_gets_what_the_options_say_and_begins_with_a_key_frame() {
    let guest = Guest::h264("defaults");
    let outcome = guest.run(
        r"
        engine run --fps 25 --gop 1000
        start tap framemill tap --from oldest --all --to /dev/null --index /host/index
        until_true reached consumers_attached 1
        try first framemill push --frames 2 --fps max
        try other framemill push --size 64x48 --fps 1/1000 --frames 1
        try second framemill push --frames 2
        framemill stat --json >/host/stat.json
        # Nothing has to be changed for this one.
        try third framemill push --frames 2 --fps max
        framemill stat --json >/host/third.json
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["first", "other", "second", "third", "run", "tap"]);
    let json = outcome.text("stat.json");
    assert!(json.contains(r#""frame_rate":"25/1""#), "{json}");
    assert_eq!(
        (stat(&json, "width"), stat(&json, "height")),
        (640, 480),
        "{json}"
    );
    let lines = crate::accounting::index(&outcome, "index");
    let marks: Vec<_> = lines
        .iter()
        .map(|line| (line.flags.contains('K'), line.flags.contains('D')))
        .collect();
    let (first, begins, goes_on) = ((true, false), (true, true), (false, false));
    assert_eq!(
        marks[..7],
        [first, goes_on, begins, begins, goes_on, begins, goes_on],
        "{}",
        outcome.text("index")
    );
    let [before, after] = [&json, &outcome.text("third.json")].map(|json| {
        (
            stat(json, "generation"),
            stat(json, "key_frames_forced"),
            stat(json, "restarts"),
        )
    });
    assert_eq!((before.0, before.1 + 1, 0), after, "{}", outcome.story());
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn pace_is_kept_and_a_looped_file_goes_on() {
    // Its clock jumps over the time between two frames.
    let guest = Guest::h264("pace").steady();
    let picture = crate::frames::Picture::new("YU12", 160, 128);
    guest.put("in", &picture.noisy(0..2));
    let outcome = guest.run(
        r"
        cp /host/in .
        engine run --size 160x128 --gop 1
        start tap framemill tap --from oldest --all --to coded
        until_true reached consumers_attached 1
        from=$(cut -d ' ' -f 1 /proc/uptime)
        try push framemill push --from in --loop --frames 6 --fps 5/2
        say seconds $(echo $(cut -d ' ' -f 1 /proc/uptime) $from | awk '{ print int(($1 - $2) * 1000 + 0.5) }')
        kill $run
        ended tap
        ended run
        cp coded /host/
        ",
    );
    outcome.succeeded(&["push", "tap", "run"]);
    // Six frames are five intervals of 0.4 s; /proc/uptime counts 10 ms.
    let took = outcome.number("seconds");
    assert!((1990..4000).contains(&took), "{took} ms");
    assert!(
        outcome.decoded("coded") == outcome.bytes("in").repeat(3),
        "{}",
        outcome.story()
    );
}
