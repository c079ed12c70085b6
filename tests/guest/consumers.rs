//! Consumers: none disturbs another or the engine, and each knows what it missed.

use crate::accounting::{index, stat};
use crate::phases::Phase;
use crate::support::{Api, Guest};

#[test]
#[ignore = "boots the guest: scripts/test"]
fn each_consumer_knows_what_it_missed_and_disturbs_nobody() {
    Guest::new("consumers", Api::Multi).phases(&[
        consumers_miss_nothing_while_others_stop_or_die(),
        lapped_consumer_is_told_what_it_lost_and_resumes_at_a_key_frame(),
        late_consumer_starts_where_it_says(),
        all_from_oldest_counts_packets_that_were_gone_before_it_came(),
        consumer_cannot_write_to_the_packet_ring_and_a_reader_that_fails_is_told(),
    ]);
}

fn late_consumer_starts_where_it_says() -> Phase {
    let script = r"
        engine run --size 640x368 --gop 5
        try push framemill push --frames 13 --fps max
        for from in oldest key; do
            framemill tap --from $from --all --frames 3 --to /host/$from --index /host/$from.index 2>tap.log
            say $from $?
        done
        framemill tap --all --frames 3 --to /host/default 2>tap.log; say default $?
        start live framemill tap --from live --all --frames 2 --to /dev/null --index /host/live.index
        until_true reached consumers_attached 4
        try push framemill push --frames 2 --fps max
        ended live
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ";
    Phase::new("late_consumer_starts_where_it_says").run(script, |outcome| {
        outcome.succeeded(&["push", "oldest", "key", "default", "live", "run"]);
        let sequences = |name: &str| -> Vec<u64> {
            index(outcome, &format!("{name}.index"))
                .iter()
                .map(|line| line.sequence)
                .collect()
        };
        assert_eq!(sequences("oldest"), [0, 1, 2]);
        // Key frames are 0, 5, 10, and the second producer's first.
        assert_eq!(sequences("key"), [10, 11, 12]);
        assert!(index(outcome, "key.index")[0].is('K'));
        outcome.same("key", "default");
        assert_eq!(sequences("live"), [13, 14]);
        assert_eq!(stat(&outcome.text("stat.json"), "packet_newest_key"), 13);
    })
}

fn lapped_consumer_is_told_what_it_lost_and_resumes_at_a_key_frame() -> Phase {
    let phase = Phase::new("lapped_consumer_is_told_what_it_lost_and_resumes_at_a_key_frame");
    // Some 15 KiB a packet: four fit into the smallest ring.
    let script = r"
        engine run --size 640x368 --gop 3 --packet-ring 64K --once
        start all framemill tap --from oldest --all --to /host/all --index /host/all.index
        start some framemill tap --from oldest --to /host/some --index /host/some.index
        until_true reached consumers_attached 2
        kill -STOP $all $some
        try push framemill push --frames 16 --fps max
        kill -CONT $all $some
        ended all
        ended some
        ended run
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["push", "some", "run"]);
        assert_eq!(outcome.number("all"), 13, "{}", outcome.story());
        for name in ["all", "some"] {
            let lines = index(outcome, &format!("{name}.index"));
            let (end, packets) = lines.split_last().expect("the end mark");
            assert!(end.is('E') && end.sequence == 16, "{lines:?}");
            assert!(!packets.is_empty() && packets[0].is('K'), "{lines:?}");
            let lost = 16 - packets.len();
            assert!(lost >= 8, "the ring held {} packets", packets.len());
            let log = outcome.text(&format!("{name}.log"));
            assert!(log.contains(&format!(" {lost} packets lost")), "{log}");
            // It is told at once, with --all or without, and the packet after it is marked.
            assert!(log.contains(" packets lost before packet "), "{log}");
            assert!(
                packets[0].is('L') && !packets[1..].iter().any(|packet| packet.is('L')),
                "{lines:?}"
            );
        }
        assert!(
            outcome.text("all.log").contains("packets were missed"),
            "{}",
            outcome.story()
        );
    })
}

fn consumers_miss_nothing_while_others_stop_or_die() -> Phase {
    let script = r"
        engine run --size 640x368 --gop 5 --once
        start first framemill tap --from oldest --all --to /host/first
        start second framemill tap --from oldest --all --to /host/second
        # A fifo that is read late, a process that is stopped, and one that dies.
        mkfifo fifo
        (exec 4<fifo; sleep 2; cat <&4) >/host/slow &
        reader=$!
        framemill tap --from oldest --all 2>slow.log >fifo &
        slow=$!
        start stopped framemill tap --from oldest --all --to /host/stopped
        start killed framemill tap --from oldest --all --to /dev/null
        until_true reached consumers_attached 5
        kill -STOP $stopped
        start push framemill push --frames 16 --fps max
        until_true reached packets 3
        kill -9 $killed
        ended push
        ended first
        ended second
        ended run
        kill -CONT $stopped
        ended stopped
        ended slow
        wait $reader
        ended killed
        ";
    Phase::new("consumers_miss_nothing_while_others_stop_or_die").run(script, |outcome| {
        outcome.succeeded(&["push", "first", "second", "run", "stopped", "slow"]);
        assert_eq!(outcome.number("killed"), 128 + 9);
        for name in ["second", "stopped", "slow"] {
            outcome.same(name, "first");
        }
        assert_eq!(
            crate::frames::fwht_packets(&outcome.bytes("first")).len(),
            16
        );
    })
}

fn all_from_oldest_counts_packets_that_were_gone_before_it_came() -> Phase {
    let script = r"
        engine run --size 640x368 --gop 3 --packet-ring 64K
        try push framemill push --frames 12 --fps max
        try late framemill tap --from oldest --all --frames 1 --to /dev/null
        try key framemill tap --from key --all --frames 1 --to /dev/null
        kill $run
        ended run
        ";
    Phase::new("all_from_oldest_counts_packets_that_were_gone_before_it_came").run(
        script,
        |outcome| {
            outcome.succeeded(&["push", "key", "run"]);
            assert_eq!(outcome.number("late"), 13, "{}", outcome.story());
        },
    )
}

fn consumer_cannot_write_to_the_packet_ring_and_a_reader_that_fails_is_told() -> Phase {
    let script = r"
        engine run --size 640x368
        try push framemill push --frames 2 --fps max
        # The ring is a memfd, which root can reopen where a consumer has mapped it. Any other file can be written to so.
        start tap framemill tap --from oldest --to /dev/null
        until_true reached consumers_attached 1
        for mapped in /proc/$tap/map_files/*; do
            case $(readlink $mapped) in *framemill-packets*) ring=$mapped ;; esac
        done
        try file sh -c 'echo x 1<>$0' file
        try ring sh -c 'echo x 1<>$0' ${ring:-none}
        # A tap into a full device, and into a pipe that nobody reads.
        try full framemill tap --from oldest --frames 2 --to /dev/full
        { sleep 1; framemill tap --from oldest --frames 2 2>pipe.log; say pipe $? >pipe.status; } | true
        cat pipe.status
        kill $run
        ended run
        ended tap
        ";
    Phase::new("consumer_cannot_write_to_the_packet_ring_and_a_reader_that_fails_is_told").run(
        script,
        |outcome| {
            outcome.succeeded(&["push", "run", "tap", "file"]);
            assert_ne!(outcome.number("ring"), 0, "{}", outcome.story());
            let log = outcome.text("ring.log");
            assert!(
                log.contains("write error: Operation not permitted"),
                "{log}"
            );
            assert_eq!(outcome.number("full"), 12, "{}", outcome.story());
            assert_eq!(outcome.number("pipe"), 12, "{}", outcome.story());
            let log = outcome.text("pipe.log");
            assert!(log.contains("EPIPE"), "{log}");
        },
    )
}
