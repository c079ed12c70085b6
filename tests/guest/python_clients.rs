//! Clients in Python on `src/client/python/framemill.py`, with Debian's own Python for the guest: the examples beside it do what those in C do.

use crate::c_clients::{FRAMES, STREAM, pattern};
use crate::support::{Guest, root};

/// The examples under the names that `STREAM` starts.
const CLIENTS: &str = r#"
    for name in record pattern; do
        printf '#!/bin/sh\nexec python3 -B /host/%s.py "$@"\n' $name >/host/$name
        chmod +x /host/$name
    done
"#;

fn guest(name: &str) -> Guest {
    let guest = Guest::h264(name).with_programs().patience(600);
    let folder = root().join("src/client/python");
    guest.put_program("framemill.py", &folder.join("framemill.py"));
    for example in ["record.py", "pattern.py"] {
        guest.put_program(example, &folder.join("examples").join(example));
    }
    guest
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn python_clients_write_what_tap_writes_send_their_own_pixels_and_notice_that_the_engine_was_killed()
 {
    let guest = guest("python-clients");
    let outcome = guest.run(&format!(
        "{STREAM}{CLIENTS}
        stream exported ''
        stream copied '' 160x128 copy
        stream imported '' - $(ls -d /dev/dma_heap/* | grep -v system)
        stream refused '' - /dev/dma_heap/system
        engine killed --size 160x128
        start record /host/record /run/framemill.sock /dev/null live
        start pattern /host/pattern /run/framemill.sock 1000000
        until_true reached frames_published 5
        kill -9 $killed
        wait $record; say killed.record $?
        wait $pattern; say killed.pattern $?
        "
    ));
    outcome.succeeded(&["run", "tap", "record"]);
    let drawn = pattern();
    for (kind, memory) in [
        ("exported", "exported"),
        ("copied", "copied"),
        ("imported", "imported"),
        ("refused", "exported"),
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
    for name in ["record", "pattern"] {
        assert_eq!(outcome.number(&format!("killed.{name}")), 1, "{name}");
        let said = outcome.text(&format!("{name}.log"));
        assert!(
            said.starts_with("the engine closed the connection"),
            "{said}"
        );
    }
}
