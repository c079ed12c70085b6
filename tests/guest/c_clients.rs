//! Clients in C on `src/client/framemill.h`: the examples beside it, with slots of every kind of memory.
//!
//! Their frames decode to the pixels that they drew, and they write what `tap` writes.

use crate::phases::Phase;
use crate::support::Guest;

const WIDTH: usize = 160;
const HEIGHT: usize = 128;
pub const FRAMES: usize = 12;

/// What `pattern.c` says that it draws, as YU12.
pub fn pattern() -> Vec<u8> {
    let mut frames = Vec::new();
    for frame in 0..FRAMES {
        for (plane, (rows, bytes)) in [
            (HEIGHT, WIDTH),
            (HEIGHT / 2, WIDTH / 2),
            (HEIGHT / 2, WIDTH / 2),
        ]
        .into_iter()
        .enumerate()
        {
            for row in 0..rows {
                let byte = |column| (column + 2 * row + 5 * frame + 64 * plane) as u8;
                frames.extend((0..bytes).map(byte));
            }
        }
    }
    frames
}

/// `stream KIND WIDTH WORDS…`: an engine, `tap` and `record` beside each other, and `pattern` with these words, both of that width.
pub const STREAM: &str = r"
    stream() {
        kind=$1
        width=$2
        shift 2
        engine run --size 160x128 --format YU12 --fps 30
        start tap framemill tap --from oldest --all --to /host/$kind.tap
        start record /host/record$width /run/framemill.sock /host/$kind.record oldest
        until_true reached consumers_attached 2
        /host/pattern$width /run/framemill.sock 12 $* >/host/$kind.said 2>pattern.log
        say $kind.pattern $?
        kill $run
        ended run
        ended tap
        ended record
        cp record.log /host/$kind.log
    }
";

#[test]
#[ignore = "boots the guest: scripts/test"]
fn c_clients_do_what_the_programs_own_do() {
    let guest = Guest::h264("c-clients");
    guest.compile("src/client/examples/record.c", "record");
    guest.compile("src/client/examples/pattern.c", "pattern");
    // Whose processor has no loads of 64 bits: Debian's armel.
    guest.compile_for("armv6", "src/client/examples/record.c", "record32");
    guest.compile_for("armv6", "src/client/examples/pattern.c", "pattern32");
    guest.phases(&[
        c_clients_write_what_tap_writes_and_send_their_own_pixels(),
        c_clients_notice_that_the_engine_was_killed(),
    ]);
}

fn c_clients_write_what_tap_writes_and_send_their_own_pixels() -> Phase {
    let phase = Phase::new("c_clients_write_what_tap_writes_and_send_their_own_pixels");
    // Whose processor has no loads of 64 bits: Debian's armel.
    let script = format!(
        "{STREAM}
        stream exported ''
        stream copied '' 160x128 copy
        stream imported '' - $(ls -d /dev/dma_heap/* | grep -v system)
        stream refused '' - /dev/dma_heap/system
        stream exported32 32
        stream copied32 32 160x128 copy
        "
    );
    phase.run(&script, move |outcome| {
        outcome.succeeded(&["run", "tap", "record"]);
        let drawn = pattern();
        for (kind, memory) in [
            ("exported", "exported"),
            ("copied", "copied"),
            ("imported", "imported"),
            // The Pi's encoder takes contiguous memory alone: the producer has the encoder's buffers instead.
            ("refused", "exported"),
            ("exported32", "exported"),
            ("copied32", "copied"),
        ] {
            assert_eq!(
                outcome.text(&format!("{kind}.said")),
                format!("{FRAMES} committed, {FRAMES} published, 0 dropped, {memory}\n"),
                "{}",
                outcome.story()
            );
            assert_eq!(
                outcome.text(&format!("{kind}.log")),
                format!("{FRAMES} packets, 0 lost\n")
            );
            outcome.same(&format!("{kind}.tap"), &format!("{kind}.record"));
            let decoded = outcome.decoded(&format!("{kind}.record"));
            assert!(decoded == drawn, "{kind}: other pixels");
        }
    })
}

fn c_clients_notice_that_the_engine_was_killed() -> Phase {
    let phase = Phase::new("c_clients_notice_that_the_engine_was_killed");
    let script = r"
        engine run --size 160x128
        start record /host/record /run/framemill.sock /dev/null live
        start pattern /host/pattern /run/framemill.sock 1000000
        until_true reached frames_published 5
        kill -9 $run
        ended record
        ended pattern
        ";
    phase.run(script, move |outcome| {
        assert_eq!(
            (outcome.said("record"), outcome.said("pattern")),
            ("1", "1")
        );
        let gone = "the engine closed the connection";
        assert!(outcome.text("record.log").starts_with(gone));
        let log = outcome.text("pattern.log");
        assert!(log.contains(gone), "{log}");
    })
}
