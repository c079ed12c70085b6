//! Cameras with something between them and the encoder, for long: a webcam's JPEGs through the decoder, raw pictures through the converter,
//! and JPEGs that are passed on. Meanwhile plugs are pulled, devices stall, consumers come and go, nobody watches, key frames are asked for.
//!
//! At the end the accounting is exact, and nothing has grown: no descriptor, no mapping, no page of the engine's own.

use std::fmt::Write;

use super::{Dice, number};
use crate::accounting::{ends_as_it_was, stat};
use crate::camera::CAMERA;
use crate::jpegs::{pictures, put, without_tables};
use crate::support::Guest;
use crate::webcam::WEBCAM;

/// Packets when nobody says how many: each event once.
const FRAMES: u64 = 60;

/// What happens, one shell function each. `pull` and `between` are the subject's.
const EVENTS: &str = r#"
    cd /tmp
    watch() { framemill tap --from live --to /dev/null 2>/dev/null & watcher=$!; until_true in_state running; }
    leave() { kill $watcher; wait $watcher 2>/dev/null; }
    # many N: packets, while somebody watches.
    many() { more $1; }
    # pulled N: the camera leaves and comes back.
    pulled() { pull; until_true in_state running; more $1; }
    # idles N: nobody watches, and then somebody.
    idles() { leave; until_true in_state idle; watch; more $1; }
    # idles_away N: the camera leaves and comes back while nobody watches.
    idles_away() { leave; until_true in_state idle; pull_unseen; watch; more $1; }
    # keys N: a key frame is asked for again and again.
    keys() {
        until=$(($(counter packets) + $1))
        until reached packets $until; do framemill ctl key >/dev/null || give_up key; done
    }
    # encoder_stalls N: a frame takes longer than the engine's patience.
    encoder_stalls() {
        at=$(counter stalls)
        knob encode_us 500000
        until_true reached stalls $((at + 1))
        knob encode_us 0
        until_true in_state running
        more $1
    }
    # stalls N: what is between takes longer than that for a picture.
    stalls() {
        at=$(counter ${kind}_restarts)
        knob $between 500000
        until_true reached ${kind}_restarts $((at + 1))
        knob $between 0
        until_true in_state running
        more $1
    }
    # hangs N: it hangs for good, and has to be opened again.
    hangs() {
        at=$(counter ${kind}_restarts)
        knob $hang 1
        until_true reached ${kind}_restarts $((at + 1))
        knob $hang 0
        until_true in_state running
        more $1
    }
    # fails N: pictures with an error, and some that do not come.
    fails() {
        at=$(counter frames_dropped_decoder)
        knob decode_error_every 3; knob decode_drop_every 4
        until_true reached frames_dropped_decoder $((at + 3))
        knob decode_error_every 0; knob decode_drop_every 0
        more $1
    }
    # reopens N: the encoder leaves, and has other buffers when it is back.
    reopens() {
        at=$(counter reopens)
        knob hang_after 1
        until_true reached reopens $((at + 1))
        knob hang_after 0
        until_true in_state running
        more $1
    }
    consumer_dies() {
        framemill tap --from oldest --to /dev/null 2>/dev/null &
        dead=$!
        more $1
        kill -9 $dead
        wait $dead 2>/dev/null
    }
    consumer_sleeps() {
        framemill tap --from oldest --to /dev/null 2>/dev/null &
        asleep=$!
        kill -STOP $asleep
        more $1
        kill -CONT $asleep
        kill $asleep
        wait $asleep 2>/dev/null
    }
    changes() { framemill ctl bitrate $((1000000 + $1 * 1000)) >/dev/null || give_up bitrate; more $1; }
    # What must not grow: descriptors, mappings, pages of the engine's own, locked ones.
    held() {
        leave
        until_true in_state idle
        framemill stat --check || give_up the heart does not beat
        files=$(descriptors $run) mappings=$(wc -l </proc/$run/maps)
        say $1 "$files $mappings $(sed -n 's/^\(RssAnon\|VmLck\):[^0-9]*\([0-9]*\).*/\2/p' /proc/$run/status | tr '\n' ' ')"
        watch
    }
    plan() { while read -r event count; do $event $count; framemill stat --check 3000 || give_up the heart after $event; done <$1; }
"#;

const ANY: [&str; 7] = [
    "many",
    "pulled",
    "idles",
    "idles_away",
    "consumer_dies",
    "consumer_sleeps",
    "keys",
];
const ENCODED: [&str; 3] = ["encoder_stalls", "reopens", "changes"];

/// What is under way.
struct Subject<'a> {
    name: &'a str,
    /// Functions of its own, and the options of `run`.
    setup: &'a str,
    options: &'a str,
    events: &'a [&'a str],
    /// What has to have happened.
    counters: &'a [&'a str],
}

fn soak(guest: Guest, subject: &Subject<'_>) {
    let frames = number("FRAMEMILL_SOAK", FRAMES * 10) / 10;
    let seed = number("FRAMEMILL_SOAK_SEED", 1);
    println!("{}: {frames} packets, seed {seed}", subject.name);
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let length = (frames / 100).clamp(2, 300);
    let (mut plan, mut planned) = (String::new(), 0);
    // Once through everything, and at least these once more.
    let once_more = &subject.events[subject.events.len() - 3..];
    let mut names = subject.events.iter().chain(once_more).copied().peekable();
    while planned < frames || names.peek().is_some() {
        let next = names.next();
        let any = || subject.events[dice.below(subject.events.len() as u64) as usize];
        let name = next.unwrap_or_else(any);
        let count = 2 + dice.below(length * 2);
        planned += count;
        writeln!(plan, "{name} {count}").unwrap();
    }
    let guest = guest.patience(120 + frames / 2);
    guest.put("plan", plan.as_bytes());
    let outcome = guest.run(&format!(
        r#"{CAMERA}{EVENTS}{}
        # A hung device is stopped soon: meanwhile nothing would happen but pictures.
        knob null_mode Y; knob streamoff_ms 10
        start run framemill run {} --stall-ms 300 --camera-wait 60000 --idle stop:1s --packet-ring 1M
        until_true grep -q 'running: ' run.log
        watch
        # Once through everything, so that what is used at all has been used.
        head -n {} /host/plan >plan.first
        plan plan.first
        held before
        sed '1,{}d' /host/plan >plan.rest
        plan plan.rest
        held after
        leave
        until_true in_state idle
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        "#,
        subject.setup,
        subject.options,
        subject.events.len(),
        subject.events.len(),
    ));
    outcome.succeeded(&["run"]);
    assert_eq!(
        outcome.said("before"),
        outcome.said("after"),
        "{}",
        outcome.story()
    );
    let json = outcome.text("stat.json");
    let (committed, published, dropped) = ends_as_it_was(&outcome, &json);
    assert!(published >= frames, "{json}");
    for counter in subject.counters {
        assert!(stat(&json, counter) > 0, "{counter}: {json}");
    }
    assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{json}");
    println!(
        "{}: {committed} frames taken, {published} published, {dropped} dropped; {}",
        subject.name,
        outcome.said("after")
    );
}

/// A webcam, whose pictures are now and then cut off, or come without tables.
fn webcam(name: &str) -> (Guest, String) {
    let guest = crate::webcam::guest(name);
    let mut set = pictures((160, 128), 8);
    set[5] = without_tables(&set[5]);
    let names = put(&guest, "p", &set);
    let setup = format!(
        r"{WEBCAM}
        pull() {{ unplug; until_true in_state no-camera; plug bulk cut=7/50 lost=9/50 {names}; }}
        pull_unseen() {{ unplug; plug bulk cut=7/50 lost=9/50 {names}; }}
        kind=decoder between=decode_us hang=decode_hang_after
        plug bulk cut=7/50 lost=9/50 {names}
        "
    );
    (guest, setup)
}

fn behind_a_decoder() {
    let (guest, setup) = webcam("soak-decoder");
    let events = [&ANY[..], &ENCODED, &["stalls", "hangs", "fails"]].concat();
    soak(
        guest,
        &Subject {
            name: "decoder",
            setup: &setup,
            options: "$encoder --camera bus:usb-vhci_hcd.0-1 --camera-format MJPG --size 160x128",
            events: &events,
            counters: &[
                "stalls",
                "restarts",
                "reopens",
                "decoder_restarts",
                "camera_restarts",
                "frames_dropped_decoder",
                "frames_dropped_camera",
                "key_frames_forced",
                "changes",
                "jpeg_tables_added",
            ],
        },
    );
}

fn behind_a_converter() {
    let events = [&ANY[..], &ENCODED, &["stalls", "hangs"]].concat();
    soak(
        Guest::h264("soak-converter").steady(),
        &Subject {
            name: "converter",
            setup: r"
                pull() { at=$(counter generation); inject disconnect; until_true reached generation $((at + 1)); }
                pull_unseen() { inject disconnect; }
                kind=converter between=convert_us hang=convert_hang_after
            ",
            options: "$encoder --camera /dev/video4 --camera-size 320x180 --camera-format YU12 --size 160x96 --flip h",
            events: &events,
            counters: &[
                "stalls",
                "restarts",
                "reopens",
                "converter_restarts",
                "camera_restarts",
                "frames_dropped_converter",
                "key_frames_forced",
                "changes",
            ],
        },
    );
}

fn where_jpegs_are_passed_on() {
    let (guest, setup) = webcam("soak-pass");
    let events: Vec<_> = ANY.into_iter().filter(|&event| event != "keys").collect();
    soak(
        guest,
        &Subject {
            name: "pass-through",
            setup: &setup,
            options: "--camera bus:usb-vhci_hcd.0-1 --camera-format MJPG --codec MJPG --size 160x128",
            events: &events,
            counters: &[
                "camera_restarts",
                "frames_dropped_camera",
                "jpeg_tables_added",
            ],
        },
    );
}

/// A decoder without FRAMEMILL_SOAK: the most that can happen. With it, a converter and JPEGs that are passed on as well.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn nothing_is_lost_and_nothing_grows_whatever_is_behind_the_camera() {
    behind_a_decoder();
    if number("FRAMEMILL_SOAK", 0) > 0 {
        behind_a_converter();
        where_jpegs_are_passed_on();
    }
}
