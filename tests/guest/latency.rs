//! The worst frame against the usual one, in the engine's own stages: alone, with 16 consumers, and while clients flood it.
//!
//! The guest's clock counts instructions, one a nanosecond, on one processor. The producer and the flood outrank the engine, so that
//! frames are committed at their time whatever the engine is about, and a burst of messages is there as a whole when it looks. What
//! the flood took of the processor meanwhile is not the engine's time, and is subtracted.

use crate::accounting::index;
use crate::support::{Guest, Outcome};

const FRAMES: usize = 100;

/// `scene NAME CONSUMERS [MICROSECONDS]`: paced frames, one consumer of so many with an index, perhaps a flood of so many a burst.
const SCENE: &str = r"
    cp /host/load /tmp/load
    knob null_mode Y
    knob encode_us 3000
    scene() {
        scene=$1 others=$2
        engine run --size 160x96 --realtime 50 --fps 100
        consumers=
        while [ $others -gt 1 ]; do
            framemill tap --to /dev/null 2>/dev/null &
            consumers=$consumers\ $!
            others=$((others - 1))
        done
        start tap framemill tap --from oldest --all --to /dev/null --index /tmp/$scene.index
        until_true reached consumers_attached $2
        : >/tmp/$scene.bursts
        flood=
        if [ $# -gt 2 ]; then
            /tmp/load fifo 60 /tmp/load flood /run/framemill.sock $3 2>/tmp/$scene.bursts &
            flood=$!
        fi
        framemill stat --check || give_up check
        /tmp/load fifo 60 framemill push --frames 100 2>push.log || give_up push
        [ -z $flood ] || { kill $flood; wait $flood; }
        kill $run
        ended run
        wait $tap $consumers
    }
";

/// Nanoseconds that the worst and the usual frame of a scene waited: from commit to QBUF, from DQBUF to publication.
fn waits(outcome: &Outcome, scene: &str) -> [(u64, u64); 2] {
    let bursts: Vec<[u64; 2]> = outcome
        .text(&format!("{scene}.bursts"))
        .lines()
        .map(|line| {
            let (begin, end) = line.split_once(' ').expect("begin and end");
            [begin, end].map(|time| time.parse().expect("a time"))
        })
        .collect();
    let lines = index(outcome, &format!("{scene}.index"));
    let mut frames: Vec<_> = lines.iter().filter(|line| line.bytes > 0).collect();
    assert_eq!(frames.len(), FRAMES, "{}", outcome.story());
    // After the last one the producer, which outranks the engine, says good-bye before it lets go of the processor.
    frames.pop();
    [(0, 1), (2, 3)].map(|(from, to)| {
        let mut waits: Vec<u64> = frames
            .iter()
            .map(|frame| {
                let (from, to) = (frame.times[from], frame.times[to]);
                let inside = |burst: &[u64; 2]| burst[1].min(to).saturating_sub(burst[0].max(from));
                to - from - bursts.iter().map(inside).sum::<u64>()
            })
            .collect();
        waits.sort_unstable();
        (waits[waits.len() - 1], waits[waits.len() / 2])
    })
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn worst_frame_waits_not_much_longer_than_the_usual_one_whatever_clients_do() {
    let guest = Guest::h264("latency").steady();
    guest.compile("tests/vm/load.c", "load");
    // Bursts come at every phase of the frames, a four-thousandth of a frame's time apart.
    let outcome = guest.run(&format!(
        "{SCENE}
        scene alone 1
        scene crowd 16
        scene flood 1 1301
        cp /tmp/*.index /tmp/*.bursts /host/"
    ));
    outcome.succeeded(&["run"]);
    // Some 770 bursts of up to 28, of which those that wait for an answer are silent.
    assert!(outcome.number("flood") > 6_500, "{}", outcome.story());
    let scenes = ["alone", "crowd", "flood"].map(|scene| waits(&outcome, scene));
    println!("ns, worst and usual, commit to QBUF and DQBUF to publication: {scenes:?}");
    let [[alone, publish], [crowd, _], [flood, _]] = scenes;
    let within = |worst: u64, usual: u64, tenths: u64| {
        assert!(
            worst * 10 <= usual * tenths,
            "{worst} of {usual}: {scenes:?}"
        );
    };
    // As measured: 1.5 times; 1.6 times; 19.7 times, which is 297 µs of 15. Without a budget for messages it was more than 440 µs.
    within(alone.0, alone.1, 18);
    within(crowd.0, crowd.1, 20);
    within(flood.0, alone.1, 230);
    // More consumers are no more to poll: 1.01 times.
    within(crowd.1, alone.1, 12);
    // 1.4 times. In the flood's time the producer may take the processor in between: there it is the usual frame that counts.
    for [_, (worst, usual)] in &scenes[..2] {
        within(*worst, *usual, 30);
    }
    within(scenes[2][1].1, publish.1, 15);
}
