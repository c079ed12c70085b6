//! `--progress`: `push` and `tap` say once a second what the engine does.

use crate::accounting::stat;
use crate::support::{Api, Guest};

#[test]
#[ignore = "boots the guest: scripts/test"]
fn producer_and_consumer_say_how_it_goes() {
    let guest = Guest::new("progress", Api::Single);
    let outcome = guest.run(
        r"
        engine run --size 640x368
        start tap framemill tap --progress on --to /host/coded
        until_true reached consumers_attached 1
        try push framemill push --progress on --frames 120 --fps 30
        try quiet framemill push --frames 40 --fps 30
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
