//! A camera that codes its pictures, a decoder and the encoder in one loop: the imitated webcam, driven by the kernel's uvcvideo, and the
//! model of the Pi's decoder and encoder. The encoder's model loses nothing, so the stream shows what the decoder made.

use crate::accounting::{balance, index, stat};
use crate::camera::{CAMERA, ended, sums};
use crate::jpegs::{alike, pictures, put_all, shown, without_tables};
use crate::phases::Phase;
use crate::support::Outcome;
use crate::webcam::{WEBCAM, guest};

/// Which of the pictures that were sent each one of a stream is.
fn numbers(outcome: &Outcome, coded: &str, size: (usize, usize), sent: &[Vec<u8>]) -> Vec<usize> {
    let sent: Vec<_> = sent.iter().map(|picture| shown(picture, size)).collect();
    let decoded = outcome.decoded(coded);
    decoded
        .chunks(size.0 * size.1 * 3 / 2)
        .map(|got| {
            let which = sent.iter().position(|picture| alike(got, picture, 1));
            which.unwrap_or_else(|| panic!("a picture that was not sent: {}", outcome.story()))
        })
        .collect()
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_camera_that_codes_a_decoder_and_the_encoder_are_one_chain() {
    guest("chain").phases(&[
        coded_pictures_of_a_camera_are_decoded_into_the_encoders_buffers(),
        damaged_pictures_and_a_pulled_plug_are_counted_and_the_rest_is_shown(),
        decoder_that_hangs_is_restarted_and_reopened_and_named_in_the_end(),
        chain_follows_a_reopened_encoder_stops_on_demand_and_drains(),
    ]);
}

/// 136 rows are 144 in the decoder's memory; rows of YU12 with 208 columns lie otherwise in the encoder's memory than in the decoder's, and
/// those of NV12 do not.
fn coded_pictures_of_a_camera_are_decoded_into_the_encoders_buffers() -> Phase {
    let mut phase = Phase::new("coded_pictures_of_a_camera_are_decoded_into_the_encoders_buffers");
    // As 640x480, 720x576 and 1920x1080 are.
    let sizes = [(256, 192), (208, 144), (320, 136)];
    let sets = sizes.map(|size| pictures(size, 4));
    let mut names = String::new();
    for (set, (width, _)) in sets.iter().zip(sizes) {
        names += &put_all(&mut phase, &width.to_string(), set);
    }
    let script = format!(
        "{CAMERA}{WEBCAM}\nnames='{names}'\n{}",
        r"
        plug bulk $names
        framemill probe >/host/probe || give_up probe
        for size in 256x192 208x144 320x136; do
            # The webcam has this size as Motion-JPEG only.
            named=
            [ $size = 256x192 ] || named='--camera-format MJPG'
            start run framemill run $encoder --camera $node $named --size $size
            start tap framemill tap --wait 30000 --from oldest --all --to /host/coded.$size --index /host/index.$size
            until_true reached packets 5
            framemill stat --json >/host/stat.$size
            kill $run
            ended run
            ended tap
            cp run.log /host/log.$size
        done
        unplug
        ",
    );
    phase.run(&script, move |outcome| {
    outcome.succeeded(&["run", "tap"]);
    let probe = outcome.text("probe");
    for line in [
        " Imitated webcam at usb-vhci_hcd.0-1: YUYV MJPG\n",
        "framemill run --camera bus:usb-vhci_hcd.0-1 --camera-format MJPG: /dev/video11 makes H264 of YU12, which /dev/video10 makes of MJPG; \
         1920x1080 takes some 29 MiB of contiguous memory\n",
    ] {
        assert!(probe.contains(line), "{line}{probe}");
    }
    for ((set, size), (format, rows)) in
        sets.iter()
            .zip(sizes)
            .zip([("YU12", 192), ("NV12", 144), ("YU12", 144)])
    {
        let (width, height) = size;
        let json = outcome.text(&format!("stat.{width}x{height}"));
        assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{json}");
        assert!(json.contains("\"memory\":\"export\""), "{json}");
        let log = outcome.text(&format!("log.{width}x{height}"));
        let chain = format!(
            " MJPG {width}x{height} to /dev/video10 {format} {width}x{rows} to /dev/video11 H264; "
        );
        assert!(log.contains(&chain), "{chain}: {log}");
        let chosen = log.contains(": MJPG, because it has no raw frames of 256x192");
        assert_eq!(chosen, width == 256, "{log}");
        let [frames, packets, dropped] = sums(&log);
        assert_eq!(frames, packets + dropped, "{log}");
        let numbers = numbers(
            outcome,
            &format!("coded.{width}x{height}"),
            (width as usize, height as usize),
            set,
        );
        // Those that came while the decoder had enough are dropped before it, and the packet after them says so.
        let lines = index(outcome, &format!("index.{width}x{height}"));
        // And the end.
        assert_eq!(lines.len(), numbers.len() + 1, "{log}");
        for (at, pair) in numbers.windows(2).enumerate() {
            let follows = pair[1] == (pair[0] + 1) % set.len();
            assert!(follows || lines[at + 1].is('D'), "{numbers:?}: {lines:?}");
        }
        assert!(numbers.len() >= 3, "{numbers:?}: {log}");
    }
    })
}

/// Pictures that are cut off, or lack tables, or that the driver keeps to itself; a decoder that fails with some, and a plug that is pulled.
fn damaged_pictures_and_a_pulled_plug_are_counted_and_the_rest_is_shown() -> Phase {
    let mut phase =
        Phase::new("damaged_pictures_and_a_pulled_plug_are_counted_and_the_rest_is_shown");
    let mut set = pictures((256, 192), 8);
    set[6] = without_tables(&set[6]);
    let names = put_all(&mut phase, "p", &set);
    let script = format!(
        "{CAMERA}{WEBCAM}\nnames='{names}'\n{}",
        r"
        plug bulk cut=1 lost=3 unplug=9 $names
        engine run --camera $node --camera-format MJPG --size 256x192 --camera-wait 60000
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        until_true in_state no-camera
        framemill stat --json >/host/pulled
        wait $webcam
        plug bulk $names
        until_true in_state running
        more 4
        # The decoder gives a picture with an error, and one not at all.
        knob decode_error_every 3
        until_true reached frames_dropped_decoder 2
        knob decode_error_every 0
        knob decode_drop_every 3
        until_true reached frames_dropped_decoder 4
        knob decode_drop_every 0
        more 3
        kill $run
        ended run
        ended tap
        cp run.log /host/run.log
        unplug
        ",
    );
    phase.run(&script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        let json = outcome.text("pulled");
        // 0 to 8 without 3, which the driver keeps to itself; 1 is cut off.
        let (committed, published, dropped) = balance(&json);
        assert_eq!(committed, 8, "{json}");
        assert!(published + dropped == 8 && dropped >= 1, "{json}");
        assert!(stat(&json, "frames_dropped_camera") >= 1, "{json}");
        assert_eq!(stat(&json, "frames_lost_camera"), 1, "{json}");
        assert_eq!(stat(&json, "jpeg_tables_added"), 1, "{json}");
        assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{json}");
        let [frames, packets, dropped] = ended(outcome);
        assert_eq!(frames, packets + dropped, "{}", outcome.story());
        let numbers = numbers(outcome, "coded", (256, 192), &set);
        assert!(numbers.starts_with(&[0, 2, 4, 5]), "{numbers:?}");
        let lines = index(outcome, "index");
        for (at, pair) in numbers.windows(2).enumerate() {
            let follows = pair[1] == (pair[0] + 1) % set.len();
            assert!(follows || lines[at + 1].is('D'), "{numbers:?}: {lines:?}");
        }
    })
}

/// A decoder that hangs is started again, then opened again; one that never works again ends the engine with its name.
fn decoder_that_hangs_is_restarted_and_reopened_and_named_in_the_end() -> Phase {
    let mut phase = Phase::new("decoder_that_hangs_is_restarted_and_reopened_and_named_in_the_end");
    let set = pictures((256, 192), 8);
    let names = put_all(&mut phase, "p", &set);
    let script = format!(
        "{CAMERA}{WEBCAM}\nnames='{names}'\n{}",
        r"
        plug bulk $names
        knob decode_hang_after 6
        engine run --camera $node --camera-format MJPG --size 256x192 --stall-ms 250 --camera-wait 1000
        start tap framemill tap --from oldest --all --to /host/coded --index /host/index
        # Only an open that is new works again, for six pictures.
        until_true reached packets 13
        framemill stat --json >/host/stat.json
        # From the first picture on: nothing helps.
        knob decode_hang_after 1
        knob decode_drop_every 1
        ended run
        ended tap
        cp run.log /host/run.log
        unplug
        ",
    );
    phase.run(&script, move |outcome| {
    outcome.succeeded(&["tap"]);
    let json = outcome.text("stat.json");
    assert!(stat(&json, "decoder_restarts") >= 2, "{json}");
    assert_eq!(stat(&json, "restarts"), 0, "the encoder's: {json}");
    let log = outcome.text("run.log");
    for line in [
        "/dev/video10: the decoder failed (poll: ETIMEDOUT: no frame came in time): starting it again",
        "/dev/video10: the decoder does not work (poll: ETIMEDOUT: no frame came in time): opening it again",
        "frames come again",
        "/dev/video10: the decoder does not work again within 1000 ms: ",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert_eq!(outcome.number("run"), 7, "{log}");
    let [frames, packets, dropped] = ended(outcome);
    assert_eq!(frames, packets + dropped, "{log}");
    let numbers = numbers(outcome, "coded", (256, 192), &set);
    assert_eq!(numbers.len(), packets);
    })
}

/// The encoder is reopened, and has other buffers then; nobody watches, and all stops; the end comes while the decoder has pictures.
fn chain_follows_a_reopened_encoder_stops_on_demand_and_drains() -> Phase {
    let mut phase = Phase::new("chain_follows_a_reopened_encoder_stops_on_demand_and_drains");
    let set = pictures((256, 192), 8);
    let names = put_all(&mut phase, "p", &set);
    let script = format!(
        "{CAMERA}{WEBCAM}\nnames='{names}'\n{}",
        r"
        plug bulk $names
        engine run --camera $node --camera-format MJPG --size 256x192 --idle stop:1s --stall-ms 300
        start tap framemill tap --from oldest --all --to /host/coded
        until_true reached packets 4
        # What the encoder holds is lost with it, and its buffers, too.
        knob hang_after 1
        until_true reached reopens 1
        knob hang_after 0
        until_true in_state running
        more 4
        kill $tap
        ended tap
        until_true in_state idle
        framemill stat --json >/host/idle
        start tap framemill tap --all --to /host/again
        until_true in_state running
        more 4
        # The decoder is slow enough to have some when the end comes.
        knob decode_us 60000
        more 2
        kill $run
        ended run
        ended tap
        cp run.log /host/run.log
        unplug
        ",
    );
    phase.run(&script, move |outcome| {
        outcome.succeeded(&["run", "tap"]);
        let json = outcome.text("idle");
        balance(&json);
        let log = outcome.text("run.log");
        let chains = log.matches("chain: ").count();
        assert!(chains >= 2, "{log}");
        let [frames, packets, dropped] = ended(outcome);
        assert_eq!(frames, packets + dropped, "{log}");
        assert!(!log.contains("the drain was cut short"), "{log}");
        for coded in ["coded", "again"] {
            assert!(!numbers(outcome, coded, (256, 192), &set).is_empty());
        }
    })
}
