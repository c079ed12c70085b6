//! The engine as a process: its memory, its socket, its log, and another engine beside it.

use crate::frames::Picture;
use crate::machine::usual_name;
use crate::phases::Phase;
use crate::support::{Api, Guest};

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_running_engine_keeps_to_its_memory() {
    Guest::new("engine-memory", Api::Single).phases(&[
        running_engine_faults_on_no_page(),
        running_engine_makes_no_call_that_changes_its_memory(),
    ]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn engines_keep_to_their_sockets_logs_and_frames() {
    Guest::new("engine", Api::Single).phases(&[
        two_engines_on_one_node_do_not_disturb_each_other(),
        socket_file_of_a_dead_engine_is_replaced_and_ones_own_removed(),
        log_goes_to_the_kernels_log_and_its_level_is_obeyed(),
        large_picture_goes_through_with_many_slots(),
    ]);
}

fn two_engines_on_one_node_do_not_disturb_each_other() -> Phase {
    let mut phase = Phase::new("two_engines_on_one_node_do_not_disturb_each_other");
    phase.put("small", &Picture::new("YU12", 640, 368).noisy(0..4));
    phase.put("large", &Picture::new("NV12", 800, 480).pattern(0..4));
    let script = r"
        engine one --size 640x368 --gop 3 --once
        engine two --size 800x480 --format NV12 --gop 2 --once --socket @two --control fwht_i_frame_qp_value=4
        start tap_one framemill tap --from oldest --all --to /host/one
        start tap_two framemill tap --from oldest --all --to /host/two --socket @two
        start push_one framemill push --from /host/small --fps max
        start push_two framemill push --from /host/large --fps max --socket @two
        for each in push_one push_two tap_one tap_two one two; do ended $each; done
        reference 640 368 YU12 /host/small /host/one.reference video_gop_size=3
        reference 800 480 NV12 /host/large /host/two.reference video_gop_size=2,fwht_i_frame_qp_value=4
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["push_one", "push_two", "tap_one", "tap_two", "one", "two"]);
        outcome.same("one", "one.reference");
        outcome.same("two", "two.reference");
    })
}

fn running_engine_makes_no_call_that_changes_its_memory() -> Phase {
    let script = r"
        start run strace -f -o /host/trace framemill run --device /dev/video0 --codec FWHT --size 640x368 --once
        until_true grep -q 'running: ' run.log
        start tap framemill tap --from oldest --all --to /dev/null
        try push framemill push --frames 6 --fps max
        ended tap
        ended run
        ";
    Phase::new("running_engine_makes_no_call_that_changes_its_memory").run(script, |outcome| {
        outcome.succeeded(&["push", "tap", "run"]);
        let trace = outcome.text("trace");
        let name = |line: &'_ str| {
            Some(usual_name(line.split_whitespace().nth(1)?.split('(').next()?).to_owned())
        };
        let calls: Vec<_> = trace.lines().filter_map(name).collect();
        let is_poll = |call: &str| call == "ppoll";
        let first = calls
            .iter()
            .position(|call| is_poll(call))
            .expect("a ppoll");
        let last = calls
            .iter()
            .rposition(|call| is_poll(call))
            .expect("a ppoll");
        assert!(
            calls[..first].iter().any(|call| call == "mmap"),
            "it maps before"
        );
        let allowed = [
            "ppoll",
            "ioctl",
            "read",
            "write",
            "accept4",
            "recvfrom",
            "sendmsg",
            "futex",
            "close",
            "socketpair",
            "sendto",
            "clock_gettime",
            "recvmsg",
            "getsockopt",
            "geteuid",
            "shutdown",
            "fallocate",
            "epoll_ctl",
            "epoll_pwait",
        ];
        for call in &calls[first..last] {
            assert!(allowed.contains(&call.as_str()), "{call} in the loop");
        }
        let turns = calls.iter().filter(|call| is_poll(call)).count();
        assert!(turns >= 6, "{turns} turns");
    })
}

fn running_engine_faults_on_no_page() -> Phase {
    let script = r#"
        faults() { cut -d ' ' -f 10,12 /proc/$run/stat; }
        encoder='--device /dev/video11 --codec H264'
            for memory in export copy; do
            engine run --size 160x128 --gop 4 --memory $memory
            start tap framemill tap --from oldest --all --to /dev/null
            until_true reached consumers_attached 1
            start push framemill push --fps 60
            until_true reached frames_published 3
            say $memory.before "$(faults)"
            before=$(counter frames_published)
            # A consumer comes and goes meanwhile, and an observer.
            framemill tap --from oldest --frames 2 --to /dev/null 2>other.log
            until_true reached frames_published $((before + 12))
            say $memory.frames $(($(counter frames_published) - before))
            say $memory.after "$(faults)"
            kill $push
            say $memory.locked $(sed -n 's/^VmLck:[^0-9]*\([0-9]*\).*/\1/p' /proc/$run/status)
            kill $run
            ended run
            ended tap
        done
        "#;
    Phase::new("running_engine_faults_on_no_page").run(script, |outcome| {
        outcome.succeeded(&["run", "tap"]);
        for memory in ["export", "copy"] {
            assert!(
                outcome.number(&format!("{memory}.frames")) >= 12,
                "{}",
                outcome.story()
            );
            // Minor and major ones.
            let faults = ["before", "after"].map(|when| outcome.said(&format!("{memory}.{when}")));
            assert_eq!(faults[0], faults[1], "{memory}: {}", outcome.story());
            // The packet ring alone is 4 MiB.
            assert!(
                outcome.number(&format!("{memory}.locked")) >= 4096,
                "{}",
                outcome.story()
            );
        }
    })
}

fn socket_file_of_a_dead_engine_is_replaced_and_ones_own_removed() -> Phase {
    let script = r"
        engine killed --size 640x368
        say mode $(stat -c %a /run/framemill.sock)
        kill -9 $killed
        wait $killed
        [ -S /run/framemill.sock ]; say left $?
        engine run --size 640x368 --socket-mode 600
        say own_mode $(stat -c %a /run/framemill.sock)
        try push framemill push --frames 1 --fps max
        kill $run
        ended run
        [ ! -e /run/framemill.sock ]; say removed $?
        # What is no socket is not ours to remove.
        echo precious >/tmp/file
        try file framemill run --codec FWHT --size 640x368 --socket /tmp/file
        say kept $(cat /tmp/file)
        # The path now belongs to a newer engine: the older one's end must not take it away.
        engine old --size 640x368 --socket /tmp/s
        mv /tmp/s /tmp/moved
        engine new --size 640x368 --socket /tmp/s
        kill $old
        ended old
        try new_push framemill push --socket /tmp/s --frames 1 --fps max
        kill $new
        ended new
        ";
    Phase::new("socket_file_of_a_dead_engine_is_replaced_and_ones_own_removed").run(
        script,
        |outcome| {
            outcome.succeeded(&["left", "push", "run", "removed", "old", "new_push", "new"]);
            assert_eq!(
                (outcome.said("mode"), outcome.said("own_mode")),
                ("660", "600")
            );
            assert_eq!(outcome.number("file"), 9);
            assert_eq!(outcome.said("kept"), "precious");
        },
    )
}

fn log_goes_to_the_kernels_log_and_its_level_is_obeyed() -> Phase {
    let script = r"
        framemill run --codec FWHT --size 640x368 --log-to kmsg --once 2>stderr.log &
        run=$!
        try push framemill push --wait 5000 --frames 1 --fps max
        ended run
        dmesg >/host/dmesg
        say stderr $(wc -c <stderr.log)
        framemill run --codec FWHT --size 640x368 --log off --once 2>quiet.log &
        run=$!
        try push framemill push --wait 5000 --frames 1 --fps max
        ended run
        say quiet $(wc -c <quiet.log)
        ";
    Phase::new("log_goes_to_the_kernels_log_and_its_level_is_obeyed").run(script, |outcome| {
        outcome.succeeded(&["push", "run"]);
        let log = outcome.text("dmesg");
        let ours: Vec<_> = log
            .lines()
            .filter(|line| line.contains("framemill"))
            .collect();
        assert!(
            ours.iter()
                .any(|line| line.contains("running: /dev/video0")),
            "{log}"
        );
        assert!(
            ours.iter()
                .any(|line| line.contains("ended: 1 frames in, 1 packets out")),
            "{log}"
        );
        assert_eq!((outcome.number("stderr"), outcome.number("quiet")), (0, 0));
    })
}

fn large_picture_goes_through_with_many_slots() -> Phase {
    let mut phase = Phase::new("large_picture_goes_through_with_many_slots");
    let clip = std::fs::read(crate::support::clip("1280x720.yuv")).unwrap();
    phase.put("in", &clip[..2 * 1280 * 720 * 3 / 2]);
    let script = r"
        engine run --size 1280x720 --frame-slots 16 --once
        say slots $(counter frame_slots)
        start tap framemill tap --from oldest --all --to /host/out
        try push framemill push --from /host/in --fps max
        ended tap
        ended run
        reference 1280 720 YU12 /host/in /host/reference
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["push", "tap", "run"]);
        assert_eq!(outcome.number("slots"), 16);
        outcome.same("out", "reference");
    })
}
