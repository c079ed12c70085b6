//! `--memory auto` with a camera reaches the copy whichever call is missing, at the start and when the camera comes back; `--memory
//! export` insists.

use crate::accounting::stat;
use crate::camera::{CAMERA, only_the_picture};
use crate::frames::Picture;
use crate::phases::Phase;
use crate::support::{Guest, Outcome};

/// The requests' numbers on 64-bit machines, and ENOTTY and EINVAL.
const EXPBUF: &str = "0xc0405610";
const PREPARE_BUF: &str = "0xc058565d";
const ENOTTY: &str = "25";
const EINVAL: &str = "22";

const ONE: &str = r"
    cp /host/refuse /tmp/refuse && chmod +x /tmp/refuse || give_up refuse
    # one NAME REQUEST ERRNO: a camera that leaves and comes back, without this call.
    one() {
        rm -f /tmp/coded
        start run ./refuse $2 $3 framemill run $encoder --camera /dev/video4 --size 320x180 --format YUYV
        until_true grep -q 'running: ' run.log
        start tap framemill tap --from oldest --all --to /host/$1.h264
        until_true reached packets 5
        inject disconnect
        until_true reached generation 2
        more 5
        framemill stat --json >/host/$1.json
        kill $run
        wait $run || give_up $1
        wait $tap || give_up $1 tap
        cp run.log /host/$1.log
        try $1_insists ./refuse $2 $3 framemill run $encoder --camera /dev/video4 --size 320x180 --format YUYV --memory export
    }
";

#[test]
#[ignore = "boots the guest: scripts/test"]
fn memory_that_a_driver_does_not_share_is_copied_and_no_driver_makes_the_loop_spin() {
    let guest = Guest::h264("fallbacks").steady();
    guest.compile("tests/vm/refuse.c", "refuse");
    guest.phases(&[
        memory_that_cannot_be_shared_is_copied_unless_export_is_wanted(),
        camera_that_wakes_the_loop_for_nothing_has_failed_and_makes_it_not_spin(),
        camera_memory_that_is_refused_while_frames_come_is_copied_unless_export_is_wanted(),
        push_has_its_frames_copied_where_the_kernel_does_not_let_it_write_to_a_devices_memory(),
    ]);
}

fn memory_that_cannot_be_shared_is_copied_unless_export_is_wanted() -> Phase {
    let script = format!(
        "{CAMERA}{ONE}{}",
        r"
        picture 320 180 YUYV
        one export EXPBUF ENOTTY
        one invalid EXPBUF EINVAL
        one import PREPARE_BUF EINVAL
        "
        .replace(" EXPBUF", &format!(" {EXPBUF}"))
        .replace(" PREPARE_BUF", &format!(" {PREPARE_BUF}"))
        .replace(" ENOTTY", &format!(" {ENOTTY}"))
        .replace(" EINVAL", &format!(" {EINVAL}")),
    );
    Phase::new("memory_that_cannot_be_shared_is_copied_unless_export_is_wanted").run(
        &script,
        |outcome| {
            for (name, line) in [
                (
                    "export",
                    "/dev/video4: VIDIOC_EXPBUF: ENOTTY: the driver does not have this call",
                ),
                (
                    "invalid",
                    "/dev/video4: VIDIOC_EXPBUF: EINVAL: the driver cannot export this buffer",
                ),
                (
                    "import",
                    "the offered memory cannot be imported (VIDIOC_PREPARE_BUF: EINVAL",
                ),
            ] {
                is_copied(outcome, name, line);
            }
        },
    )
}

/// As uvcvideo: the buffers are tried by queueing them.
pub fn camera_without_a_call_that_prepares_fills_the_encoders_buffers() -> Phase {
    let script = format!(
        "{CAMERA}
        cp /host/refuse /tmp/refuse && chmod +x /tmp/refuse || give_up refuse
        picture 320 180 YUYV
        start run ./refuse {PREPARE_BUF} {ENOTTY} framemill run $encoder --camera /dev/video4 --size 320x180 --format YUYV
        until_true grep -q 'running: ' run.log
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        until_true reached packets 5
        over"
    );
    Phase::new("camera_without_a_call_that_prepares_fills_the_encoders_buffers").run(
        &script,
        |outcome| {
            outcome.succeeded(&["run", "tap"]);
            only_the_picture(outcome, &Picture::new("YUYV", 320, 180));
        },
    )
}

/// Without a call that only checks memory, it is the first frame that the driver refuses.
pub fn memory_that_is_refused_only_when_it_is_queued_is_copied_unless_export_is_wanted() -> Phase {
    let script = format!(
        "{CAMERA}{ONE}
        knob false_answers 1
        picture 320 180 YUYV
        one queued {PREPARE_BUF} {ENOTTY}"
    );
    Phase::new("memory_that_is_refused_only_when_it_is_queued_is_copied_unless_export_is_wanted")
        .run(&script, |outcome| {
            let line = "the offered memory cannot be imported (VIDIOC_QBUF: ";
            is_copied(outcome, "queued", line);
        })
}

/// That this camera's frames were copied, the log said why at the start and at its return, and `--memory export` refused for the same
/// reason.
fn is_copied(outcome: &Outcome, name: &str, why: &str) {
    let expected = Picture::new("YUYV", 320, 180).subsampled(&outcome.bytes("picture"));
    // Of YUYV at 30 frames/s.
    let cost = 320 * 180 * 2 * 30;
    let log = outcome.text(&format!("{name}.log"));
    // Once for each attachment, with what it costs.
    assert_eq!(log.matches(why).count(), 2, "{why}: {log}");
    let costs = format!("copied, {cost} bytes a second");
    assert_eq!(log.matches(&costs).count(), 2, "{log}");
    assert_eq!(log.matches("copied, ").count(), 2, "{log}");
    let json = outcome.text(&format!("{name}.json"));
    assert!(json.contains("\"memory\":\"copy\""), "{json}");
    assert!(stat(&json, "raw_bytes_copied_forced") > 0, "{json}");
    let decoded = outcome.decoded(&format!("{name}.h264"));
    assert!(
        decoded.len() >= 10 * expected.len()
            && decoded
                .chunks(expected.len())
                .all(|frame| frame == expected),
        "{}",
        outcome.story()
    );
    let log = outcome.text(&format!("{name}_insists.log"));
    assert_eq!(outcome.number(&format!("{name}_insists")), 4, "{log}");
    assert!(log.contains(why) && !log.contains("running: "), "{log}");
}

fn camera_that_wakes_the_loop_for_nothing_has_failed_and_makes_it_not_spin() -> Phase {
    let phase =
        Phase::new("camera_that_wakes_the_loop_for_nothing_has_failed_and_makes_it_not_spin");
    // VIDIOC_DQBUF and EAGAIN: a frame is there for ever, and nobody can dequeue it.
    let script = r"
        cp /host/refuse /tmp/refuse && chmod +x /tmp/refuse || give_up refuse
        ticks() {
            set -- $(cat /proc/$run/stat)
            echo $((${14} + ${15}))
        }
        start run ./refuse 0xc0585611 11 framemill run $encoder --camera /dev/video4 --size 320x180 --stall-ms 2000 --camera-wait 3000
        until_true grep -q 'running: ' run.log
        before=$(ticks)
        until_true grep -q 'poll: EIO' run.log
        say ticks $(($(ticks) - before))
        ended run
        cp run.log /host
        ";
    phase.run(script, move |outcome| {
        assert_eq!(outcome.number("run"), 6, "{}", outcome.story());
        let log = outcome.text("run.log");
        assert!(log.contains("the camera failed (poll: EIO"), "{log}");
        // Of the 200 that two seconds have.
        assert!(outcome.number("ticks") < 50, "{}", outcome.story());
    })
}

/// As an encoder whose memory management finds out when the hardware is given the frame.
fn camera_memory_that_is_refused_while_frames_come_is_copied_unless_export_is_wanted() -> Phase {
    let script = format!(
        "{CAMERA}{}",
        r"
        # The encoder's buffers cannot be exported: it imports the camera's.
        knob false_answers 1
        camera --size 320x180 --fps 30
        until_true reached packets 5
        knob qbuf_errno 22
        until_true grep -q 'each frame is copied' run.log
        knob qbuf_errno 0
        more 10
        cp run.log /host/run.log
        over
        engine insists --camera /dev/video4 --size 320x180 --fps 30 --memory export
        knob qbuf_errno 22
        until_true grep -q 'restarting the encoder' insists.log
        knob qbuf_errno 0
        kill $insists
        ended insists
        "
    );
    Phase::new("camera_memory_that_is_refused_while_frames_come_is_copied_unless_export_is_wanted")
        .run(&script, |outcome| {
            outcome.succeeded(&["run", "tap", "insists"]);
            let (log, json) = (outcome.text("run.log"), outcome.text("stat.json"));
            let line = "/dev/video11: VIDIOC_QBUF: EINVAL";
            assert!(
                log.contains(line)
                    && log.contains(
                        "of a buffer of /dev/video4: each frame is copied, 2592000 bytes a second"
                    )
                    && !log.contains("restarting the encoder")
                    && !log.contains("the camera is gone"),
                "{log}"
            );
            assert_eq!(
                (stat(&json, "restarts"), stat(&json, "reopens")),
                (0, 0),
                "{json}"
            );
            assert!(stat(&json, "raw_bytes_copied_forced") > 0, "{json}");
            assert!(!outcome.text("insists.log").contains("is copied"));
        })
}

fn push_has_its_frames_copied_where_the_kernel_does_not_let_it_write_to_a_devices_memory() -> Phase
{
    let phase = Phase::new(
        "push_has_its_frames_copied_where_the_kernel_does_not_let_it_write_to_a_devices_memory",
    );
    // DMA_BUF_IOCTL_SYNC and EIO.
    let script = r"
        cp /host/refuse /tmp/refuse && chmod +x /tmp/refuse || give_up refuse
        engine run --size 320x240
        for memory in export system-heap; do
            try $memory ./refuse 0x40086200 5 framemill push --frames 10 --memory $memory
        done
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        engine exports --size 320x240 --memory export
        try insists ./refuse 0x40086200 5 framemill push --frames 10
        kill $exports
        ended exports
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["run", "exports", "export", "system-heap"]);
        let why = "DMA_BUF_IOCTL_SYNC failed: EIO";
        for name in ["export", "system-heap"] {
            let log = outcome.text(&format!("{name}.log"));
            assert!(
                log.matches(why).count() == 1
                    && log.contains("the engine is asked to copy the frames")
                    && log.contains("10 frames pushed: 10 published, 0 dropped"),
                "{name}: {log}"
            );
        }
        let json = outcome.text("stat.json");
        assert_eq!(
            stat(&json, "raw_bytes_copied"),
            20 * 320 * 240 * 3 / 2,
            "{json}"
        );
        let log = outcome.text("insists.log");
        assert!(outcome.number("insists") != 0 && log.contains(why), "{log}");
    })
}
