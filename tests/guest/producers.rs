//! Producers: one at a time, and one that dies in the middle of a frame costs that frame and nothing else.

use crate::accounting::{stat, summary};
use crate::support::{Api, Guest};

both_apis! {
    fn killed_producer_leaves_nothing_behind_and_the_next_one_works(guest: &Guest) {
        let picture = crate::frames::Picture::new("YU12", 640, 368);
        let frames = picture.pattern(0..5);
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
            head -c 706560 /host/half >expected; cat /host/in >>expected
            reference 640 368 YU12 expected /host/reference
            ",
        );
        outcome.succeeded(&["push", "run", "tap"]);
        assert_eq!(outcome.number("killed"), 128 + 9);
        assert_eq!(summary(&outcome.text("push.log")), (5, 5, 0));
        let json = outcome.text("stat.json");
        assert_eq!(stat(&json, "frames_committed"), 7);
        assert_eq!(stat(&json, "frames_published"), 7);
        assert_eq!(stat(&json, "producers_attached"), 2);
        // From each of them all four: the first one's held half a frame.
        assert_eq!(stat(&json, "slots_reclaimed"), 8);
        assert_eq!(stat(&json, "producers_cut_off"), 0);
        outcome.same("coded", "reference");
    }

    fn stopped_producer_keeps_its_place_until_it_dies(guest: &Guest) {
        let outcome = guest.run(
            r"
            engine run --size 640x368
            start stopped framemill push --fps 5
            until_true reached frames_published 1
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
            ",
        );
        outcome.succeeded(&["waiting", "run"]);
        assert_eq!(outcome.number("refused"), 10, "{}", outcome.story());
        assert_eq!(outcome.number("late"), 15, "{}", outcome.story());
        assert_eq!(summary(&outcome.text("waiting.log")), (3, 3, 0));
        let json = outcome.text("stat.json");
        assert_eq!(stat(&json, "frames_committed"), stat(&json, "frames_published"));
        assert_eq!(stat(&json, "producers_attached"), 2);
        assert!(stat(&json, "clients_refused") >= 2, "{json}");
    }

    fn producers_follow_each_other_and_the_stream_goes_on(guest: &Guest) {
        let outcome = guest.run(
            r"
            engine run --size 640x368 --gop 4
            start tap framemill tap --from oldest --all --to /host/coded
            for turn in 1 2 3; do
                framemill push --frames 3 --fps max 2>push.log || give_up push
            done
            kill $run
            ended tap
            ended run
            ",
        );
        outcome.succeeded(&["tap", "run"]);
        let keys: Vec<_> =
            crate::frames::fwht_packets(&outcome.bytes("coded")).iter().map(|&(_, key)| key).collect();
        assert_eq!(keys, [true, false, false, false, true, false, false, false, true]);
    }
}

#[test]
fn pace_is_kept_and_a_looped_file_goes_on() {
    let guest = Guest::new("pace", Api::Single);
    let picture = crate::frames::Picture::new("YU12", 640, 368);
    guest.put("in", &picture.pattern(0..2));
    let outcome = guest.run(
        r"
        engine run --size 640x368 --gop 1
        start tap framemill tap --from oldest --all --to /host/coded
        from=$(cut -d ' ' -f 1 /proc/uptime)
        try push framemill push --from /host/in --loop --frames 6 --fps 5/2
        say seconds $(echo $(cut -d ' ' -f 1 /proc/uptime) $from | awk '{ print int(($1 - $2) * 1000) }')
        kill $run
        ended tap
        ended run
        ",
    );
    outcome.succeeded(&["push", "tap", "run"]);
    // Six frames are five intervals of 0.4 s.
    let took = outcome.number("seconds");
    assert!((2000..4000).contains(&took), "{took} ms");
    let coded = outcome.bytes("coded");
    let packets = crate::frames::fwht_packets(&coded);
    let sizes: Vec<_> = packets.iter().map(|&(bytes, _)| bytes).collect();
    assert_eq!(sizes.len(), 6);
    assert!(
        sizes[0] == sizes[2] && sizes[1] == sizes[3] && sizes[0] == sizes[4],
        "{sizes:?}"
    );
    // Without references, the same frame twice gives the same bytes twice.
    let turn = sizes[0] + sizes[1];
    assert_eq!(coded[..turn], coded[turn..2 * turn]);
}
