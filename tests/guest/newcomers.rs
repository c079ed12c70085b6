//! Consumers that find no key frame in the ring: they request one, and can decode at once.

use crate::accounting::{index, stat};
use crate::support::Guest;

/// The time from the moment that a script says as `NAME` (`/proc/uptime`, ns) to a packet's publication, ms.
fn ms_since(uptime: &str, published: u64) -> u64 {
    let seconds: f64 = uptime.trim().parse().expect("seconds");
    published.saturating_sub((seconds * 1e9) as u64) / 1_000_000
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn newcomer_and_lapped_reader_request_the_key_frame_that_the_ring_does_not_have() {
    let guest = Guest::h264("newcomers").steady();
    let outcome = guest.run(
        r"
        uptime() { cut -d ' ' -f 1 /proc/uptime; }
        engine run --size 160x128 --fps 30 --gop 2000 --packet-ring 256K
        start push framemill push --fps 30
        no_key() { [ $(counter packet_tail) -gt 0 ] && [ $(counter key_frames_requested) = 0 ]; }
        until_true no_key
        # Only the guest's own files: the host's take the host's time.
        joined=$(uptime)
        try tap framemill tap --frames 5 --to /tmp/out --index /tmp/index
        say joined $joined
        cp out index /host/
        framemill stat --json >/host/joined.json

        start lapped framemill tap --to /dev/null --index /tmp/lapped.index
        read_some() { [ $(wc -l <lapped.index) -gt 5 ]; }
        until_true read_some
        kill -STOP $lapped
        # The key frame with which it began is gone, too.
        requested=$(counter key_frames_requested)
        all_gone() { [ $(counter packet_tail) -gt $(($(counter packet_newest_key) + 60)) ]; }
        sleep 1.5
        until_true all_gone
        resumed=$(uptime)
        kill -CONT $lapped
        marked() { grep -q L lapped.index; }
        until_true marked
        say resumed $resumed
        say more $(($(counter key_frames_requested) - requested))
        kill $lapped
        ended lapped
        cp lapped.index /host/
        kill $push
        ended push
        kill $run
        ended run
        ",
    );
    outcome.succeeded(&["tap", "lapped", "push", "run"]);
    let log = outcome.text("run.log");
    assert!(
        log.contains("a GOP of 2000 frames") && log.contains("--gop "),
        "{log}"
    );
    let packets = index(&outcome, "index");
    assert!(packets[0].is('K') && !packets[0].is('L'), "{packets:?}");
    assert_eq!(
        stat(&outcome.text("joined.json"), "key_frames_requested"),
        1
    );
    assert_eq!(outcome.decoded("out").len(), 5 * 160 * 128 * 3 / 2);
    let waited = ms_since(outcome.said("joined"), packets[0].times[3]);
    assert!(waited < 1000, "{waited} ms");

    let packets = index(&outcome, "lapped.index");
    let first = packets.iter().find(|packet| packet.is('L'));
    let first = first.expect("a packet after the loss");
    assert!(first.is('K'), "{first:?}");
    assert!(
        outcome
            .text("lapped.log")
            .contains(" packets lost before packet "),
        "{}",
        outcome.story()
    );
    assert_eq!(outcome.number("more"), 1, "{}", outcome.story());
    let waited = ms_since(outcome.said("resumed"), first.times[3]);
    assert!(waited < 1000, "{waited} ms");
}
