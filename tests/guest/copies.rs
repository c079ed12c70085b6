//! What is copied on the way, and what the engine asks of the kernel meanwhile: in each kind of memory.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::machine::usual_name;
use crate::phases::Phase;
use crate::support::Guest;

/// The calls of a running engine. None of them maps, unmaps or allocates memory.
const CALLS: [&str; 18] = [
    "ppoll",
    "ioctl",
    "read",
    "write",
    "accept4",
    "epoll_ctl",
    "epoll_pwait",
    "recvfrom",
    "sendmsg",
    "futex",
    "close",
    "socketpair",
    "shutdown",
    "sendto",
    "clock_gettime",
    "recvmsg",
    "getsockopt",
    "geteuid",
];

#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_and_producers_cost_no_memory_and_no_copies() {
    let guest = Guest::h264("copies");
    guest.compile("tests/vm/peer.c", "peer");
    guest.phases(&[
        raw_frames_are_not_copied_and_coded_bytes_once_with_no_call_that_touches_memory(),
        nothing_is_left_of_two_hundred_producers(),
    ]);
}

fn raw_frames_are_not_copied_and_coded_bytes_once_with_no_call_that_touches_memory() -> Phase {
    let mut phase = Phase::new(
        "raw_frames_are_not_copied_and_coded_bytes_once_with_no_call_that_touches_memory",
    );
    phase.put("in", &Picture::new("YU12", 320, 180).noisy(0..8));
    let script = r"
        # through NAME OPTION…: an engine under strace, and what stat says of it before it ends.
        through() {
            of=$1
            shift
            rm -f run.log
            start run strace -f -o /host/$of.trace framemill run $encoder --size 320x180 --once $*
            until_true grep -q 'running: ' run.log
            start tap framemill tap --from oldest --all --to /dev/null
            until_true reached consumers_attached 1
        }
        finished() {
            framemill stat --json >/host/$of.stat
            kill $(counter pid)
            ended run
            ended tap
        }
        for memory in export copy cma-heap; do
            through $memory
            # The last frame is not committed before the numbers are seen: the engine ends with its producer.
            (cat /host/in; sleep 3600) | framemill push --memory $memory --from - --fps max 2>push.log &
            until_true reached frames_published 8
            finished
            kill $!
        done
        through camera --camera /dev/video4
        until_true reached frames_published 8
        finished
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        for (name, memory, raw) in [
            ("export", "export", 0),
            ("copy", "copy", 8 * 320 * 180 * 3 / 2),
            ("cma-heap", "import", 0),
            ("camera", "export", 0),
        ] {
            let json = outcome.text(&format!("{name}.stat"));
            assert!(
                json.contains(&format!(r#""memory":"{memory}""#)),
                "{name}: {json}"
            );
            assert_eq!(stat(&json, "raw_bytes_copied"), raw, "{name}: {json}");
            assert_eq!(stat(&json, "raw_bytes_copied_forced"), 0, "{name}: {json}");
            let coded = stat(&json, "coded_bytes_copied");
            assert!(
                coded > 0 && coded == stat(&json, "packet_bytes"),
                "{name}: {json}"
            );
            let trace = outcome.text(&format!("{name}.trace"));
            let calls: Vec<_> = trace
                .lines()
                .filter_map(|line| line.split_whitespace().nth(1)?.split('(').next())
                .map(usual_name)
                .collect();
            // A producer's coming takes memory for its ring, and for slots if it wants copies; all is there when its first frame is
            // queued.
            let first = trace
                .lines()
                .position(|line| line.contains("VIDIOC_QBUF") && line.contains("_VIDEO_OUTPUT"));
            let last = calls.iter().rposition(|call| *call == "ppoll").unwrap();
            let running = &calls[first.unwrap()..last];
            let forbidden: Vec<_> = running
                .iter()
                .filter(|call| !CALLS.contains(call))
                .collect();
            assert!(forbidden.is_empty(), "{name}: {forbidden:?}");
            let turns = running.iter().filter(|call| **call == "ppoll").count();
            assert!(turns >= 8, "{name}: {turns} turns");
        }
    })
}

fn nothing_is_left_of_two_hundred_producers() -> Phase {
    let mut phase = Phase::new("nothing_is_left_of_two_hundred_producers");
    phase.put("in", &Picture::new("YU12", 640, 480).noisy(0..4));
    let script = r"
        encoder='--device /dev/video0 --codec FWHT'
            engine run
        left() { [ $(counter producers) = 0 ]; }
        framemill push --from /host/in --fps max 2>push.log || give_up push
        until_true left
        files=$(descriptors $run)
        memory=$(sed -n 's/VmLck:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$run/status)
        /host/peer /run/framemill.sock rounds 200 >/host/said || give_up rounds
        framemill push --size 640x480 --from /host/in --fps max 2>push.log || give_up push
        until_true left
        say files $(($(descriptors $run) - files))
        say memory $(($(sed -n 's/VmLck:[^0-9]*\([0-9]*\) kB/\1/p' /proc/$run/status) - memory))
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["run"]);
        assert_eq!(
            (outcome.number("files"), outcome.number("memory")),
            (0, 0),
            "{}",
            outcome.story()
        );
        let json = outcome.text("stat.json");
        assert_eq!(
            (
                stat(&json, "frames_published"),
                stat(&json, "frames_dropped")
            ),
            (8, 0),
            "{json}"
        );
        assert!(
            outcome.text("said").contains("rounds 182"),
            "{}",
            outcome.text("said")
        );
        assert!(stat(&json, "producers_attached") >= 184, "{json}");
        // The engine gave each slot to each of them, and has them all again.
        assert_eq!(
            stat(&json, "slots_reclaimed"),
            4 * stat(&json, "producers_attached"),
            "{json}"
        );
        // Two changes of size, and a new start after the producer that sent frames: this encoder makes no key frame on request.
        assert_eq!(stat(&json, "generation"), 4, "{json}");
    })
}
