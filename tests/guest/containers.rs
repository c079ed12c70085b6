//! Containers that `tap` writes of a real engine's packets: two producers, another size and a pause, read by this machine's ffprobe.

use std::process::Command;

use crate::accounting::index;
use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn packets_keep_their_time_from_the_producer_to_the_player() {
    let guest = Guest::h264("containers");
    let outcome = guest.run(
        r"
        engine run --gop 5
        for mux in ts mp4; do
            start $mux framemill tap --mux $mux --to /tmp/out.$mux --index /tmp/$mux.txt
        done
        until_true reached consumers_attached 2
        try first framemill push --size 160x128 --frames 8 --fps 30
        sleep 1
        try second framemill push --size 128x96 --frames 6 --fps 5
        framemill ctl drain
        ended run; ended ts; ended mp4
        cp /tmp/out.* /tmp/*.txt /host/
        ",
    );
    outcome.succeeded(&["first", "second", "run", "ts", "mp4"]);
    for mux in ["ts", "mp4"] {
        let lines = index(&outcome, &format!("{mux}.txt"));
        let mut expected = Vec::new();
        let mut ns = 0;
        for (number, line) in lines.iter().enumerate() {
            if line.is('E') {
                break;
            }
            if let Some(before) = number.checked_sub(1).map(|before| &lines[before]) {
                ns += match line.timestamp.checked_sub(before.timestamp) {
                    Some(passed) if passed > 0 => passed,
                    _ => line.times[0] - before.times[0],
                };
            }
            expected.push(ns * 9 / 100_000);
        }
        assert_eq!(expected.len(), 14, "{}", outcome.story());
        // The pause between the producers.
        assert!(expected[8] - expected[7] >= 90_000);
        let output = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-show_entries",
                "packet=pts",
                "-of",
                "default=nk=1:nw=1",
            ])
            .arg(outcome.path(&format!("out.{mux}")))
            .output()
            .expect("ffprobe is installed; scripts/test installs it");
        let text = String::from_utf8_lossy(&output.stdout);
        let pts: Vec<u64> = text.lines().map(|line| line.parse().expect(line)).collect();
        let since: Vec<_> = pts.iter().map(|time| time - pts[0]).collect();
        assert_eq!(since, expected, "{mux}: {}", outcome.story());
        assert!(
            output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
