//! A producer's own dma-bufs: imported where the encoder can, and told where it cannot. The bytes are the same.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::support::{Api, Guest};

/// `through KIND`: frames from /host/in to /host/KIND through slots of that kind, and what stat says of them.
const THROUGH: &str = r"
    through() {
        engine run $size
        start tap framemill tap --from oldest --all --to /host/$1
        until_true reached consumers_attached 1
        start push framemill push --memory $1 --from /host/in --fps max
        wait $push || give_up push $1
        framemill stat --json >/host/$1.stat
        kill $run
        wait $run || give_up run $1
        wait $tap || give_up tap $1
        cp push.log /host/$1.push
        cp run.log /host/$1.run
    }
";

const KINDS: [&str; 4] = ["export", "cma-heap", "system-heap", "udmabuf"];

/// Runs every kind; gives for each whether it was imported.
fn imported(guest: &Guest, size: &str) -> [bool; 4] {
    let script = format!(
        "{THROUGH}size='{size}'; for kind in {}; do through $kind; done",
        KINDS.join(" ")
    );
    let outcome = guest.run(&script);
    KINDS.map(|kind| {
        outcome.same(kind, "export");
        let json = outcome.text(&format!("{kind}.stat"));
        assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{kind}: {json}");
        assert_eq!(stat(&json, "frames_published"), 8, "{kind}: {json}");
        let imported = json.contains("\"memory\":\"import\"");
        let refused = outcome
            .text(&format!("{kind}.run"))
            .contains("cannot be imported (");
        let instead = outcome
            .text(&format!("{kind}.push"))
            .contains("the engine's slots instead");
        assert_eq!(
            (refused, instead),
            (kind != "export" && !imported, refused),
            "{kind}: {}",
            outcome.story()
        );
        imported
    })
}

both_apis! {
    fn vicodec_takes_the_heaps_and_what_the_kernel_can_map(guest: &Guest) {
        // Frames of this size are whole pages, and rows whole units of alignment.
        guest.put("in", &Picture::new("YU12", 640, 368).noisy(0..8));
        let imported = imported(guest, "--size 640x368");
        // vicodec reads through a mapping of the kernel's own, which a udmabuf does not offer in Linux 6.1, but in 6.12.
        let mapped = !guest.run("uname -r | tee /host/linux").text("linux").starts_with("6.1.");
        assert_eq!(imported, [false, true, true, mapped]);
    }
}

/// The system heap's pages may happen to lie side by side; a memfd's do not.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn only_contiguous_memory_is_imported_by_the_pis_encoder() {
    let guest = Guest::h264("import");
    guest.put("in", &Picture::new("NV12", 640, 480).noisy(0..8));
    let [_, contiguous, _, pages] = imported(&guest, "--size 640x480 --format NV12");
    assert!(contiguous && !pages);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn driver_that_cannot_prepare_a_buffer_is_tried_by_queueing_it() {
    let guest = Guest::h264("unprepared");
    guest.put("in", &Picture::new("YU12", 640, 480).noisy(0..8));
    let outcome = guest.run(
        r#"
        # lived NAME FAULT KIND: an engine under strace to which frames come in slots of this kind.
        lived() {
            rm -f run.log
            start run strace -o /tmp/$1.trace -e trace=ioctl -e "$2" framemill run $encoder --size 640x480 --once
            until_true grep -q 'running: ' run.log
            start tap framemill tap --from oldest --all --to /host/$1
            until_true reached consumers_attached 1
            framemill push --memory $3 --from /host/in --fps max 2>/host/$1.push || give_up push
            ended run
            ended tap
            cp run.log /host/$1.log
        }
        lived plain inject=ioctl:error=ENOTTY:when=60000 cma-heap
        first=$(grep -n VIDIOC_PREPARE_BUF plain.trace | head -n 1 | cut -d : -f 1)
        # Each slot's call, with the one that queues it instead in between.
        lived cma "inject=ioctl:error=ENOTTY:when=$first..$((first + 6))+2" cma-heap
        lived pages "inject=ioctl:error=ENOTTY:when=$first" udmabuf
        say prepared $(grep -c 'VIDIOC_PREPARE_BUF.*INJECTED' cma.trace)
        "#,
    );
    outcome.succeeded(&["run", "tap"]);
    assert_eq!(outcome.number("prepared"), 4, "{}", outcome.story());
    outcome.same("cma", "plain");
    outcome.same("pages", "plain");
    let fell_back = |name: &str| {
        let log = outcome.text(&format!("{name}.log"));
        (
            log.contains("cannot be imported (VIDIOC_QBUF"),
            outcome
                .text(&format!("{name}.push"))
                .contains("the engine's slots instead"),
        )
    };
    assert_eq!(
        fell_back("cma"),
        (false, false),
        "{}",
        outcome.text("cma.log")
    );
    assert_eq!(
        fell_back("pages"),
        (true, true),
        "{}",
        outcome.text("pages.log")
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn padded_rows_are_imported_as_they_lie() {
    let guest = Guest::h264("import-rows");
    // 676 bytes a row, 704 from one to the next.
    guest.put("in", &Picture::new("YUYV", 338, 250).noisy(0..8));
    let [_, contiguous, _, pages] = imported(&guest, "--size 338x250 --format YUYV");
    assert!(contiguous && !pages);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn descriptors_that_are_no_buffers_are_refused_and_harm_nobody() {
    let guest = Guest::h264("import-bad").steady();
    guest.compile("tests/vm/peer.c", "peer");
    let outcome = guest.run(
        r"
        # From memory: while the guest waits for the host for a page of a program, its clock runs on, and a client is taken for silent.
        cp /host/peer /host/script.sh .
        engine run --size 640x480
        # One that comes before the engine has seen the other leave is turned away.
        left() { [ $(counter producers) = 0 ]; }
        for n in 1 2 3; do
            for what in /dev/null script.sh; do
                ./peer /run/framemill.sock import $what >>said || give_up peer
                until_true left
            done
        done
        # Nobody but root and the engine's own user may send descriptors: they are not even looked at.
        chmod 777 /run/framemill.sock
        su nobody -s /bin/sh -c '/tmp/peer /run/framemill.sock import /dev/null' >>said || give_up nobody
        until_true left
        try push framemill push --frames 8 --fps max
        say memory $(framemill stat --json | grep -c '.memory.:.export.')
        kill $run
        ended run
        cp said /host/
        ",
    );
    outcome.succeeded(&["push", "run"]);
    assert_eq!(
        (outcome.text("said"), outcome.number("memory")),
        ("slots 1\n".repeat(7), 1)
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn offer_that_comes_after_the_end_began_does_not_undo_it() {
    let guest = Guest::h264("import-late");
    guest.compile("tests/vm/peer.c", "peer");
    let outcome = guest.run(
        r"
        engine run --size 640x480 --once
        /host/peer /run/framemill.sock late /dev/null >/host/said || give_up peer
        until_true grep -q 'ended: ' run.log
        ended run
        ",
    );
    outcome.succeeded(&["run"]);
    assert_eq!(outcome.text("said"), "refused 2\n");
}

/// V4L2 has no way to tell where the planes begin: they must begin where the driver has them.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn planes_that_begin_elsewhere_are_refused() {
    let guest = Guest::h264("import-offsets").steady();
    guest.compile("tests/vm/peer.c", "peer");
    let outcome = guest.run(
        r"
        cp /host/peer .
        engine run --size 640x480
        heap=$(ls -d /dev/dma_heap/* | grep -v system)
        left() { [ $(counter producers) = 0 ]; }
        peer() {
            ./peer /run/framemill.sock import $heap $* >>said || give_up peer
            until_true left
        }
        peer $((640 * 480)) $((640 * 480 * 5 / 4))
        peer $((640 * 496)) $((640 * 496 * 5 / 4))
        peer $((640 * 480)) $((640 * 480 * 5 / 4 + 320))
        kill $run
        ended run
        cp said /host/
        ",
    );
    outcome.succeeded(&["run"]);
    assert_eq!(
        outcome.text("said"),
        "slots 3\nslots 1\nslots 1\n",
        "{}",
        outcome.story()
    );
    let log = outcome.text("run.log");
    assert_eq!(
        log.matches("the driver lays rows out differently").count(),
        2,
        "{log}"
    );
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn producers_with_and_without_memory_of_their_own_take_turns() {
    let guest = Guest::h264("turns");
    let picture = Picture::new("YU12", 640, 480);
    guest.put("in", &picture.noisy(0..8));
    let outcome = guest.run(
        r"
        engine run --size 640x480 --frame-slots 3
        start tap framemill tap --from oldest --all --to /host/out --index /host/index
        until_true reached consumers_attached 1
        files=$(ls /proc/$run/fd | wc -l)
        for turn in 1 2 3 4 5 6 7 8 9 10; do
            for kind in cma-heap export system-heap; do
                framemill push --memory $kind --wait 5000 --from /host/in --fps max 2>push.log || give_up push $kind
            done
            # One that dies with frames on their way.
            framemill push --memory cma-heap --wait 5000 --fps max 2>/dev/null &
            until_true reached producers_attached $((turn * 4))
            kill -9 $!
            wait $!
        done
        try last framemill push --wait 5000 --from /host/in --fps max
        left() { [ $(counter producers) = 0 ]; }
        until_true left
        framemill stat --json >/host/stat.json
        say files $(($(ls /proc/$run/fd | wc -l) - files))
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["last", "run", "tap"]);
    assert_eq!(outcome.number("files"), 0, "{}", outcome.story());
    let json = outcome.text("stat.json");
    assert_eq!(
        stat(&json, "frames_committed"),
        stat(&json, "frames_published") + stat(&json, "frames_dropped"),
        "{json}"
    );
    assert!(stat(&json, "frames_published") >= 31 * 8, "{json}");
    assert_eq!(
        (stat(&json, "restarts"), stat(&json, "frames_in_flight")),
        (0, 0)
    );
    assert!(json.contains("\"memory\":\"export\""), "{json}");
    // The last eight are what went in last.
    assert!(
        outcome.decoded("out").ends_with(&outcome.bytes("in")),
        "{}",
        outcome.story()
    );
}
