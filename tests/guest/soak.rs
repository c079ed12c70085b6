//! Very many small frames, and everything that happens to an engine meanwhile: producers and consumers that die, storms of key-frame
//! requests, stalls, drops, changes, other sizes and formats. At the end the accounting is exact, and nothing has leaked: no descriptor, no slot, no page.
//!
//! `scripts/soak` runs it with as many frames as one likes, and `scripts/test --full` with some thousands; without them each event comes twice,
//! once before it is looked what is held, and once after. The same seed makes the same plan.

mod cameras;

use std::env;
use std::fmt::Write;

use crate::accounting::{ends_as_it_was, stat};
use crate::support::Guest;

/// Frames when nobody says how many: each event twice.
const FRAMES: u64 = 300;

/// What happens, one shell function each.
const EVENTS: &str = r#"
    cd /tmp
    # many N: frames as fast as they go; every one is accounted for.
    many() { framemill push --wait 5000 --frames $1 --fps max 2>push.log || give_up many; }
    # own N: the same in memory of one's own.
    own() { framemill push --wait 5000 --memory cma-heap --frames $1 --fps max 2>push.log || give_up own; }
    # producer_dies N: in the middle of its frames.
    producer_dies() {
        framemill push --wait 5000 --fps max 2>/dev/null &
        at=$(counter frames_committed)
        until_true reached frames_committed $((at + $1))
        kill -9 $!
        wait $! 2>/dev/null
    }
    # consumer_dies N: while frames come.
    consumer_dies() {
        framemill tap --from oldest --to /dev/null 2>/dev/null &
        dead=$!
        many $1
        kill -9 $dead
        wait $dead 2>/dev/null
    }
    # consumer_sleeps N: stopped for so many frames, and then it goes on to the end of what it wants.
    consumer_sleeps() {
        framemill tap --from oldest --frames $1 --to /dev/null 2>/dev/null &
        asleep=$!
        kill -STOP $asleep
        many $1
        kill -CONT $asleep
        many $1
        kill $asleep 2>/dev/null
        wait $asleep 2>/dev/null
    }
    # storm N: everyone wants a key frame, all the time.
    storm() {
        framemill push --wait 5000 --frames $1 --fps max 2>/dev/null &
        storming=$!
        while kill -0 $storming 2>/dev/null; do framemill ctl key >/dev/null 2>&1; done
        wait $storming || give_up storm
    }
    # stalls N: a frame takes longer than the engine's patience.
    stalls() {
        knob encode_us 400000
        at=$(counter stalls)
        framemill push --wait 5000 --frames $1 --fps max 2>/dev/null &
        stalling=$!
        until_true reached stalls $((at + 1))
        knob encode_us 0
        wait $stalling || give_up stalls
    }
    # drops N: the encoder keeps every seventh.
    drops() { knob drop_every 7; many $1; knob drop_every 0; }
    # changes N: of bit rate and key-frame distance, between frames.
    changes() {
        framemill ctl bitrate $((1000000 + $1 * 1000)) >/dev/null || give_up bitrate
        framemill ctl gop $((2 + $1 % 50)) >/dev/null || give_up gop
        many $1
    }
    # reshapes N: a producer of another size and format, for which the encoder is reconfigured, and one of the usual again.
    reshapes() {
        set -- $1 $(echo YU12 NV12 YUYV | cut -d ' ' -f $((1 + $1 % 3)))
        framemill push --wait 5000 --size $((48 + $1 % 4 * 16))x32 --format $2 --frames $1 --fps max 2>push.log || give_up reshapes
        framemill push --wait 5000 --size 32x32 --format YU12 --frames 3 --fps max 2>push.log || give_up reshapes
    }
    # What must not grow: descriptors, pages, locked pages.
    held() { echo $(descriptors $run) $(sed -n 's/^Vm\(RSS\|Lck\):[^0-9]*\([0-9]*\).*/\2/p' /proc/$run/status); }
    quiet() { [ $(counter frames_in_flight) = 0 ] && [ $(counter producers) = 0 ] && [ $(counter consumers) = 0 ]; }
"#;

const NAMES: [&str; 10] = [
    "many",
    "own",
    "producer_dies",
    "consumer_dies",
    "consumer_sleeps",
    "storm",
    "stalls",
    "drops",
    "changes",
    "reshapes",
];

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name)
        .ok()
        .filter(|text| !text.is_empty())
        .map_or(otherwise, |text| {
            text.parse().unwrap_or_else(|_| panic!("{name}={text}"))
        })
}

/// Numbers that look random and are the same for the same seed: an xorshift generator.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn nothing_is_lost_and_nothing_leaks_in_very_many_frames() {
    let frames = number("FRAMEMILL_SOAK", FRAMES);
    let seed = number("FRAMEMILL_SOAK_SEED", 1);
    println!("{frames} frames, seed {seed}");
    // Each event at least twice, and then more of them, longer the more frames there are.
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let length = (frames / 200).clamp(5, 2000);
    let mut plan = String::new();
    let mut planned = 0;
    let mut names = NAMES.iter().chain(&NAMES).copied().peekable();
    while planned < frames || names.peek().is_some() {
        let next = names.next();
        let name = next.unwrap_or_else(|| NAMES[dice.below(NAMES.len() as u64) as usize]);
        let count = 5 + dice.below(length * 2);
        planned += count;
        writeln!(plan, "{name} {count}").unwrap();
    }
    let guest = Guest::h264("soak").steady().patience(60 + frames / 20);
    guest.put("plan.sh", plan.as_bytes());
    let outcome = guest.run(&format!(
        r#"{EVENTS}
        knob null_mode Y
        engine run --stall-ms 200 --packet-ring 64K
        framemill push --size 32x32 --frames 1 2>push.log || give_up first
        # Once through everything, so that what is used at all has been used.
        head -n {} /host/plan.sh >plan.first
        . ./plan.first
        until_true quiet
        framemill stat --json >/dev/null
        say before "$(held)"
        sed '1,{}d' /host/plan.sh >plan.rest
        . ./plan.rest
        until_true quiet
        framemill stat --json >/dev/null
        say after "$(held)"
        # Every slot still goes round.
        strace -o trace -e trace=ioctl -p $run 2>/dev/null &
        tracer=$!
        until_true grep -q TracerPid:.$tracer /proc/$run/status
        many 64
        kill $tracer
        wait $tracer
        say slots $(sed -n 's/.*QBUF.*_VIDEO_OUTPUT.*index=\([0-9]*\).*/\1/p' trace | sort -u | wc -l)
        until_true quiet
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        "#,
        NAMES.len(),
        NAMES.len(),
    ));
    outcome.succeeded(&["run"]);
    assert_eq!(
        outcome.said("before"),
        outcome.said("after"),
        "{}",
        outcome.story()
    );
    let json = outcome.text("stat.json");
    assert_eq!(
        outcome.number("slots"),
        stat(&json, "frame_slots"),
        "{}",
        outcome.story()
    );
    let (committed, published, dropped) = ends_as_it_was(&outcome, &json);
    assert!(committed >= frames, "{json}");
    for counter in [
        "stalls",
        "restarts",
        "slots_reclaimed",
        "key_frames_forced",
        "changes",
        "frames_dropped_encoder",
    ] {
        assert!(stat(&json, counter) > 0, "{counter}: {json}");
    }
    println!(
        "{committed} frames committed, {published} published, {dropped} dropped; {}",
        outcome.said("after")
    );
}
