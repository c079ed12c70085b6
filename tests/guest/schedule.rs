//! What makes the engine's time predictable: its schedule, its memory, and a log that frames do not write to.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn engine_takes_the_priority_and_the_processor_it_is_told_to_or_does_not_start() {
    let guest = Guest::h264("schedule").processors(2);
    let outcome = guest.run(
        r#"
        # Real-time priority and policy: 1 is SCHED_FIFO.
        schedule() { say $1 "$(cut -d " " -f 40,41 /proc/$2/stat) $(sed -n "s/Cpus_allowed_list:.//p" /proc/$2/status)"; }
        engine usual --size 160x128
        schedule usual_schedule $usual
        kill $usual
        ended usual
        engine run --size 160x128 --realtime 50 --cpu 1
        schedule own_schedule $run
        try push framemill push --frames 8 --fps max
        kill $run
        ended run
        try absent framemill run $encoder --size 160x128 --cpu 2
        try denied strace -o trace -e inject=sched_setscheduler:error=EPERM \
            framemill run $encoder --size 160x128 --realtime 1
        "#,
    );
    outcome.succeeded(&["usual", "push", "run"]);
    assert_eq!(outcome.said("usual_schedule"), "0 0 0-1");
    assert_eq!(outcome.said("own_schedule"), "50 1 1");
    for (name, sentence) in [
        ("absent", "--cpu: not allowed: EINVAL"),
        ("denied", "--realtime: not allowed: EPERM"),
    ] {
        let log = outcome.text(&format!("{name}.log"));
        assert!(
            outcome.number(name) == 14 && log.contains(sentence) && !log.contains("running"),
            "{log}"
        );
    }
}

/// Each way of a frame into the encoder, from the first frame on, while consumers and observers come and go. What a producer's own
/// coming costs is counted before: it waits for its input then.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn no_page_fault_and_no_log_line_in_hundreds_of_frames_of_any_memory() {
    let guest = Guest::h264("faults");
    guest.put("in", &Picture::new("YU12", 160, 96).noisy(0..30));
    let outcome = guest.run(
        r#"
        faults() { cut -d ' ' -f 10,12 /proc/$run/stat; }
        cp /host/in in
        # frames NAME MEMORY: 30 frames, which it takes to attach, and 180 more as soon as there is a file to say so.
        frames() {
            rm -f go
            (cat in; until [ -e go ]; do sleep 0.02; done; for each in 1 2 3 4 5 6; do cat in; done) |
                framemill push --memory $2 --raw --from - --fps max 2>push.log &
            push=$!
            until_true reached packets 30
            # What the engine does after that is done by its next turn but one.
            sleep 1
            say $1.before "$(faults)"
            touch go
            measured $1
            ended push
            kill $run
            ended run
        }
        # measured NAME: page faults, minor and major, once 200 frames have passed.
        measured() {
            framemill tap --from oldest --frames 2 --to /dev/null 2>other.log
            until_true reached packets 200
            say $1.after "$(faults)"
            say $1.memory $(framemill stat --json | sed 's/.*.memory.:.\([a-z]*\).*/\1/')
        }
        for memory in export copy; do
            engine run --size 160x96 --memory $memory
            frames $memory export
        done
        engine run --size 160x96
        frames import cma-heap
        engine run --camera /dev/video4 --size 320x180 --fps 60
        say camera.before "$(faults)"
        measured camera
        kill $run
        ended run
        # Frames that are dropped do not write to the log.
        knob null_mode Y
        knob drop_every 2
        engine run --size 160x96
        lines=$(wc -l <run.log)
        start tap framemill tap --to /dev/null
        framemill push --frames 200 --fps max 2>push.log || give_up push
        framemill stat --json >/host/dropped.json
        say dropped $(($(wc -l <run.log) - lines))
        kill $run
        ended run
        "#,
    );
    outcome.succeeded(&["push", "run"]);
    for (name, memory) in [
        ("export", "export"),
        ("copy", "copy"),
        ("import", "import"),
        ("camera", "export"),
    ] {
        let said = |what| outcome.said(&format!("{name}.{what}"));
        assert_eq!(said("memory"), memory, "{}", outcome.story());
        assert_eq!(said("before"), said("after"), "{name}: {}", outcome.story());
    } // One at the end: the encoder was drained, and the last frame is one of those that it dropped.
    assert!(outcome.number("dropped") <= 1, "{}", outcome.story());
    let json = outcome.text("dropped.json");
    assert_eq!(stat(&json, "frames_dropped_encoder"), 100, "{json}");
}
