//! Producers that keep what they were given (`tests/vm/keeper.c`): it is theirs, but it does not take the engine's memory away, and shows
//! nothing of other users' frames.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::support::Guest;

/// `keeps NAME MODE COUNT USER`: such a producer, which has what it can have when this returns, until it is killed.
const KEEPERS: &str = r#"
    encoder='--device /dev/video11 --codec H264'
    for user in 1001 1002; do echo user$user:x:$user:$user::/:/bin/sh >>/etc/passwd; done
    cp /host/keeper /host/in /tmp/
    chmod 755 /tmp/keeper
    keeps() {
        start $1 su $4 -s /bin/sh -c "exec /tmp/keeper /run/framemill.sock $2 $3 600" >/tmp/$1.said
        until_true grep -q "kept\|former" /tmp/$1.said
    }
"#;

fn guest(name: &str) -> Guest {
    let guest = Guest::h264(name).with_setup(KEEPERS);
    guest.compile("tests/vm/keeper.c", "keeper");
    guest.put("in", &Picture::new("YU12", 320, 240).noisy(0..4));
    guest
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn slots_that_former_producers_keep_are_limited_and_do_not_end_the_engine() {
    // Kept slots of 1280x720 are 5.5 MB a set: without a limit these would take all the memory there is.
    let guest = guest("kept-sizes").append("mem=256M");
    let outcome = guest.run(
        r"
        engine run --socket-mode 777
        keeps sizes sizes 60 user1001
        # As long as it keeps the present set, too, nobody gets another size.
        try busy framemill push --size 320x240 --from /host/in --frames 4 --fps max
        framemill stat --json >/host/stat.json
        kill $sizes
        ended sizes
        try push framemill push --size 320x240 --from /host/in --frames 4 --fps max
        # To exchange the kinds of slots takes no other buffers.
        keeps copied copied 60 root
        kill $copied
        ended copied
        try again framemill push --frames 4 --fps max
        framemill stat --json >/host/again.json
        cp *.said /host/
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["sizes", "push", "copied", "again", "run"]);
    assert_eq!(outcome.number("busy"), 10, "{}", outcome.story());
    let json = outcome.text("stat.json");
    let set = 4 * 1280 * 736 * 3 / 2;
    let retained = stat(&json, "slot_bytes_retained");
    assert!((1..=2 * set).contains(&retained), "{json}");
    assert!(stat(&json, "refused_busy") > 20, "{json}");
    assert_eq!(outcome.text("copied.said").trim(), "kept 150 refused 0");
    let json = outcome.text("again.json");
    assert_eq!((stat(&json, "reopens"), stat(&json, "restarts")), (0, 0));
    assert!(
        outcome
            .text("run.log")
            .contains("a former one, of user 1001, still has"),
        "{}",
        outcome.story()
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_former_producer_sees_nothing_of_another_users_frames_and_its_memory_is_freed() {
    let guest = guest("kept-copied");
    let outcome = guest.run(
        r"
        engine run --size 320x240 --memory copy --socket-mode 777
        keeps former former 0 user1001
        try push su user1002 -s /bin/sh -c 'framemill push --from /tmp/in --loop --frames 60 --fps 30'
        kill $former
        ended former
        framemill stat --json >/host/stat.json
        cp *.said /host/
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["push", "former", "run"]);
    let said = outcome.text("former.said");
    let (_, last) = said.split_once("seen 0 blocks ").expect(&said);
    let blocks: u64 = last.trim().parse().expect(&said);
    assert!(blocks < 64, "{said}");
    assert_eq!(stat(&outcome.text("stat.json"), "frames_published"), 60);
}
