//! A producer's own dma-bufs: imported where the encoder can, and told where it cannot. The bytes are the same.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::support::{Api, Guest, Outcome};

/// `through NAME KIND OPTION…`: frames from /host/NAME to /host/NAME-KIND through slots of that kind, and what stat says of them.
const THROUGH: &str = r"
    through() {
        from=$1 kind=$2 stream=$1-$2
        shift 2
        engine run $@
        start tap framemill tap --from oldest --all --to /host/$stream
        until_true reached consumers_attached 1
        start push framemill push --memory $kind --from /host/$from --fps max
        wait $push || give_up push $stream
        framemill stat --json >/host/$stream.stat
        kill $run
        wait $run || give_up run $stream
        wait $tap || give_up tap $stream
        cp push.log /host/$stream.push
        cp run.log /host/$stream.run
    }
";

const KINDS: [&str; 4] = ["export", "cma-heap", "system-heap", "udmabuf"];

const FRAMES: u64 = 3;

/// The script that takes /host/NAME through slots of every kind.
fn every_kind(name: &str, options: &str) -> String {
    format!(
        "for each in {}; do through {name} $each {options}; done\n",
        KINDS.join(" ")
    )
}

/// For each kind whether it was imported. In any case the stream is the same, and nothing was copied.
fn imported(outcome: &Outcome, name: &str) -> [bool; 4] {
    KINDS.map(|kind| {
        let stream = format!("{name}-{kind}");
        outcome.same(&stream, &format!("{name}-export"));
        let json = outcome.text(&format!("{stream}.stat"));
        assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{stream}: {json}");
        assert_eq!(stat(&json, "frames_published"), FRAMES, "{stream}: {json}");
        let imported = json.contains("\"memory\":\"import\"");
        let refused = outcome
            .text(&format!("{stream}.run"))
            .contains("cannot be imported (");
        let instead = outcome
            .text(&format!("{stream}.push"))
            .contains("the engine's slots instead");
        assert_eq!(
            (refused, instead),
            (kind != "export" && !imported, refused),
            "{stream}: {}",
            outcome.story()
        );
        imported
    })
}

both_apis! {
    fn vicodec_takes_the_heaps_and_what_the_kernel_can_map(guest: &Guest) {
        // Frames of this size are whole pages, and rows whole units of alignment.
        guest.put("in", &Picture::new("YU12", 640, 368).noisy(0..FRAMES));
        let kinds = every_kind("in", "--size 640x368");
        let outcome = guest.run(&format!("{THROUGH}\n{kinds}\nsay linux $(uname -r)"));
        // vicodec reads through a mapping of the kernel's own, which a udmabuf does not offer in Linux 6.1, but in 6.12.
        let mapped = !outcome.said("linux").starts_with("6.1.");
        assert_eq!(imported(&outcome, "in"), [false, true, true, mapped]);
    }
}

/// The system heap's pages may happen to lie side by side; a memfd's do not. Rows are imported as they lie, padded ones, too.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn only_contiguous_memory_is_imported_by_the_pis_encoder() {
    let guest = Guest::h264("import");
    guest.put("plain", &Picture::new("NV12", 640, 480).noisy(0..FRAMES));
    // 676 bytes a row, 704 from one to the next.
    guest.put("padded", &Picture::new("YUYV", 338, 250).noisy(0..FRAMES));
    let outcome = guest.run(&format!(
        "{THROUGH}\n{}{}",
        every_kind("plain", "--size 640x480 --format NV12"),
        every_kind("padded", "--size 338x250 --format YUYV")
    ));
    for name in ["plain", "padded"] {
        let [_, contiguous, _, pages] = imported(&outcome, name);
        assert!(contiguous && !pages, "{name}");
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn driver_that_cannot_prepare_a_buffer_is_tried_by_queueing_it() {
    let guest = Guest::h264("unprepared");
    guest.put("in", &Picture::new("YU12", 160, 128).noisy(0..8));
    let outcome = guest.run(
        r#"
        # lived NAME FAULT KIND: an engine under strace to which frames come in slots of this kind.
        lived() {
            rm -f run.log
            start run strace -o /tmp/$1.trace -e trace=ioctl -e "$2" framemill run $encoder --size 160x128 --once
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

/// Descriptors that are no buffers; planes that begin elsewhere, because V4L2 has no way to tell where they begin: they must begin where the
/// driver has them; and an offer after the end began, which it does not undo.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn offers_that_cannot_be_taken_are_refused_and_harm_nobody() {
    let guest = Guest::h264("import-bad").steady();
    guest.compile("tests/vm/peer.c", "peer");
    let outcome = guest.run(
        r"
        # From memory: while the guest waits for the host for a page of a program, its clock runs on, and a client is taken for silent.
        cp /host/peer /host/script.sh .
        engine run --size 640x480
        # One that comes before the engine has seen the other leave is turned away.
        left() { [ $(counter producers) = 0 ]; }
        peer() {
            ./peer /run/framemill.sock $* >>said || give_up peer
            until_true left
        }
        for what in /dev/null script.sh /dev/null script.sh; do peer import $what; done
        # Nobody but root and the engine's own user may send descriptors: they are not even looked at.
        chmod 777 /run/framemill.sock
        su nobody -s /bin/sh -c '/tmp/peer /run/framemill.sock import /dev/null' >>said || give_up nobody
        until_true left
        heap=$(ls -d /dev/dma_heap/* | grep -v system)
        peer import $heap $((640 * 480)) $((640 * 480 * 5 / 4))
        peer import $heap $((640 * 496)) $((640 * 496 * 5 / 4))
        peer import $heap $((640 * 480)) $((640 * 480 * 5 / 4 + 320))
        try push framemill push --frames 2 --fps max
        say memory $(framemill stat --json | grep -c '.memory.:.export.')
        kill $run
        ended run
        cp said run.log /host/
        engine once --size 640x480 --once
        ./peer /run/framemill.sock late /dev/null >/host/late || give_up peer
        until_true grep -q 'ended: ' once.log
        ended once
        ",
    );
    outcome.succeeded(&["push", "run", "once"]);
    assert_eq!(
        (outcome.text("said"), outcome.number("memory")),
        (
            format!("{}slots 3\nslots 1\nslots 1\n", "slots 1\n".repeat(5)),
            1
        ),
        "{}",
        outcome.story()
    );
    let log = outcome.text("run.log");
    // Whatever has no planes to begin with has other rows, too.
    assert_eq!(
        log.matches("the driver lays rows out differently").count(),
        4 + 2,
        "{log}"
    );
    assert_eq!(outcome.text("late"), "refused 2\n");
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn producers_with_and_without_memory_of_their_own_take_turns() {
    let guest = Guest::h264("turns");
    let picture = Picture::new("YU12", 160, 128);
    guest.put("in", &picture.noisy(0..8));
    let outcome = guest.run(
        r"
        engine run --size 160x128 --frame-slots 3
        start tap framemill tap --from oldest --all --to /host/out --index /host/index
        until_true reached consumers_attached 1
        files=$(descriptors $run)
        for turn in 1 2 3; do
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
        say files $(($(descriptors $run) - files))
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
    assert!(stat(&json, "frames_published") >= 10 * 8, "{json}");
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
