//! `--progress`: `push` and `tap` say once a second what the engine does.

use crate::accounting::stat;
use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn producer_and_consumer_say_how_it_goes() {
    // Its clock jumps over the time between two frames.
    let guest = Guest::h264("progress").steady();
    let outcome = guest.run(
        r"
        knob null_mode Y
        engine run --size 160x128
        start tap framemill tap --progress on --to /tmp/coded
        until_true reached consumers_attached 1
        try push framemill push --progress on --frames 40 --fps 10
        try quiet framemill push --frames 15 --fps 10
        framemill stat --json >/host/stat.json
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["push", "quiet", "run", "tap"]);
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "consumers_attached"), 1, "{json}");
    for (name, least) in [("push", 2), ("tap", 2)] {
        let log = outcome.text(&format!("{name}.log"));
        let shown = log
            .lines()
            .filter(|line| line.contains(" fps  ") && line.ends_with("running"));
        assert!(shown.count() >= least, "{log}");
    }
    let log = outcome.text("quiet.log");
    assert!(!log.contains("fps"), "{log}");
}
