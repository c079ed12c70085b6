//! `tap --segment` on a real engine: what a disk that is slow does to it, and what is left when the power is cut.

use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn segments_are_the_single_file_also_on_a_disk_that_takes_its_time() {
    let guest = Guest::h264("recording").steady();
    // Each time that something is brought to the disk takes 1.5 s: meanwhile packets wait in the ring.
    let outcome = guest.run(
        r"
        engine run --gop 15
        mkdir rec slow
        start single framemill tap --from oldest --all --mux ts --to single.ts
        start bare framemill tap --from oldest --all --to single.h264
        start rec framemill tap --from oldest --all --mux ts --segment 2s --to 'rec/%n.ts'
        start slow strace -o slow.trace -e trace=fdatasync -e inject=fdatasync:delay_exit=1500000 \
            framemill tap --from oldest --all --segment 2s --to 'slow/%n.h264'
        until_true reached consumers_attached 4
        try push framemill push --size 160x128 --frames 180 --fps 30
        framemill ctl drain
        for name in run single bare rec slow; do ended $name; done
        say files $(ls rec | wc -l)
        say syncs $(grep -c DELAYED slow.trace)
        cat rec/* >/host/rec.ts
        cat slow/* >/host/slow.h264
        cp single.* /host/
        ",
    );
    outcome.succeeded(&["push", "run", "single", "bare", "rec", "slow"]);
    outcome.same("rec.ts", "single.ts");
    outcome.same("slow.h264", "single.h264");
    // Six seconds, with a key frame each half.
    assert_eq!(outcome.number("files"), 3, "{}", outcome.story());
    assert!(outcome.number("syncs") >= 3, "{}", outcome.story());
    assert_eq!(outcome.decoded("slow.h264").len(), 180 * 160 * 128 * 3 / 2);
}

/// The machine is reset, without a warning, while it records: what its page cache had is gone. The host has what reached it: the
/// shared folder is mounted so that writes stay in the guest until they are brought to the disk, as on a file system of a card.
fn after_a_power_cut(name: &str, tap: &str, segment: &str) -> (u64, u64) {
    let guest = Guest::h264(name).steady().until_reset();
    guest.compile("tests/vm/with.c", "with");
    let outcome = guest.run(&format!(
        r#"
        # Nobody may have a file there open, nor may the shell that reads this.
        [ -n "${{MOVED-}}" ] || {{ cp /host/script.sh /tmp; MOVED=1 exec sh /tmp/script.sh; }}
        cp /host/with /bin/
        umount /host || give_up umount
        mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose host /host || give_up mount
        # The kernel writes nothing by itself.
        echo 0 >/proc/sys/vm/dirty_writeback_centisecs
        engine run --gop 15
        start rec {tap} framemill tap --from oldest --mux packets --segment {segment} --to '/host/rec-%n'
        until_true reached consumers_attached 1
        start push framemill push --size 160x128 --fps 30
        # To ask all the time is dearer than the frames.
        sleep 4.5
        until_true reached packets 150
        counter packets | dd of=/host/packets conv=fsync 2>/dev/null
        echo b >/proc/sysrq-trigger
        sleep 60
        "#
    ));
    let taken = outcome.text("packets").trim().parse().expect("a number");
    let mut found = 0;
    for file in 1.. {
        let path = outcome.path(&format!("rec-{file:06}"));
        let Ok(bytes) = std::fs::read(path) else {
            break;
        };
        let mut rest = &bytes[..];
        while let Some((header, after)) = rest.split_first_chunk::<32>() {
            let length = u32::from_le_bytes(header[8..12].try_into().unwrap()) as usize;
            if !header.starts_with(b"FMp1") || after.len() < length {
                break;
            }
            // None is missing in between.
            assert_eq!(header[24..], u64::to_le_bytes(found), "{}", outcome.story());
            found += 1;
            rest = &after[length..];
        }
    }
    (taken, found)
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_power_cut_takes_the_last_second_at_most() {
    let (taken, found) = after_a_power_cut("power-cut", "", "2s");
    println!("{found} of {taken}");
    assert!(taken >= 150 && found + 45 > taken, "{found} of {taken}");
    // Without what brings it to the disk, fdatasync, the cut takes the whole file.
    let (taken, found) = after_a_power_cut("power-cut-unsynced", "with refuse $fdatasync 0", "1h");
    assert!(found + 100 < taken, "{found} of {taken}");
}
