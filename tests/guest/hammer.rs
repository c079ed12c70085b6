//! Both rings between real processes on two processors, as fast as it goes: every byte of every packet is looked at.
//!
//! The code is the binary's own, for aarch64, and QEMU runs the two processors side by side. What this cannot show: QEMU on an x86
//! host orders memory as x86 does, more strictly than an arm core may. Orderings that only arm makes are `tests/rings_loom.rs`'s.

use std::collections::BTreeMap;

use crate::accounting::index;
use crate::frames::Picture;
use crate::support::{Guest, Outcome};

const SIDE: u32 = 32;
const FRAMES: usize = 1200;
const DIFFERENT: usize = 48;

/// The packets that a tap had, by their numbers.
fn packets(outcome: &Outcome, name: &str) -> BTreeMap<u64, Vec<u8>> {
    let bytes = outcome.bytes(name);
    let mut rest = &bytes[..];
    let lines = index(outcome, &format!("{name}.index"));
    let packets = lines.iter().filter(|line| line.bytes > 0).map(|line| {
        let (packet, after) = rest.split_at(line.bytes as usize);
        rest = after;
        (line.sequence, packet.to_vec())
    });
    let packets = packets.collect();
    assert!(rest.is_empty(), "{name}: bytes that belong to no packet");
    packets
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_byte_is_right_when_two_processors_hammer_both_rings() {
    let guest = Guest::h264("hammer").processors(2);
    let picture = Picture::new("YU12", SIDE, SIDE);
    guest.put("in", &picture.noisy(0..DIFFERENT as u64));
    // Some 300 packets of 1.6 KiB fit into the ring, a second's worth or less: whoever is stopped is lapped.
    let outcome = guest.run(&format!(
        r"
        cp /host/in /tmp/in
        engine run --size {SIDE}x{SIDE} --gop 8 --packet-ring 512K --once
        start all framemill tap --from oldest --all --to /tmp/all --index /tmp/all.index
        names='one two three'
        for each in $names; do
            start $each framemill tap --from oldest --to /tmp/$each --index /tmp/$each.index
        done
        until_true reached consumers_attached 4
        start push framemill push --from /tmp/in --loop --frames {FRAMES} --fps max
        # Each is stopped for so long, that it is lapped, and runs for a while, until the end.
        while kill -0 $push 2>/dev/null; do
            for each in $one $two $three; do
                kill -STOP $each
                before=$(counter packets)
                until [ $(($(counter packets) - before)) -gt 330 ] || ! kill -0 $push 2>/dev/null; do sleep 0.1; done
                kill -CONT $each
            done
        done 2>/dev/null
        ended push
        for each in all $names run; do ended $each; done
        for each in all $names; do cp /tmp/$each /tmp/$each.index /host/; done
        ",
    ));
    outcome.succeeded(&["push", "all", "one", "two", "three", "run"]);
    // What went in came out, in order: the frame ring.
    let input = outcome.bytes("in");
    let mut expected = input.chunks(picture.frame_bytes()).cycle();
    let decoded = outcome.decoded("all");
    assert_eq!(decoded.len(), FRAMES * picture.frame_bytes());
    for (number, frame) in decoded.chunks(picture.frame_bytes()).enumerate() {
        assert!(Some(frame) == expected.next(), "frame {number}");
    }
    // And what the others had of it is the same: the packet ring.
    let all = packets(&outcome, "all");
    assert_eq!(all.len(), FRAMES);
    let mut lapped = 0;
    for name in ["one", "two", "three"] {
        let had = packets(&outcome, name);
        for (number, packet) in &had {
            assert!(all.get(number) == Some(packet), "{name}: packet {number}");
        }
        let log = outcome.text(&format!("{name}.log"));
        let told = FRAMES - had.len();
        assert!(
            log.contains(&format!(" {told} packets lost")),
            "{told}: {log}"
        );
        lapped += told;
    }
    println!("{lapped} packets lost by consumers that were stopped");
    assert!(lapped > 90, "nobody was lapped: {}", outcome.story());
}
