//! `framemill probe`: the short page of all devices, and everything about one.

use crate::support::Guest;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn a_short_page_names_each_device_of_use_and_what_run_would_take() {
    let guest = Guest::h264("probe");
    let outcome = guest.run(
        r"
        try page sh -c 'framemill probe >/host/page'
        try one sh -c 'framemill probe --device /dev/video11 >/host/one'
        try json sh -c 'framemill probe --json >/host/json'
        # What the page says can be run.
        options=$(sed -n 's/^framemill run \(--camera [^:]*:[^ ]*\): .*/\1/p' /host/page)
        try run framemill run $options --frames 3
        ",
    );
    outcome.succeeded(&["page", "one", "json", "run"]);
    let page = outcome.text("page");
    let has = |line: &str| {
        let found = page.lines().any(|one| one.starts_with(line));
        assert!(found, "{line}\n{page}");
    };
    has("encoder    /dev/video11 bcm2835-codec-encode: YU12 ");
    has("decoder    /dev/video1 vicodec, stateful: FWHT to YU12 ");
    has("decoder    /dev/video2 vicodec, stateless: SFWH to YU12 ");
    has("converter  /dev/video3 vim2m: ");
    has("camera     /dev/video4 vivid at platform:vivid-000: YU12 ");
    has("framemill run: /dev/video11 makes H264 of YU12");
    has("framemill run --camera bus:platform:vivid-000: /dev/video11 makes H264 of YU12");
    has("framemill probe --device PATH prints everything about one of them.");
    let at = |word: &str| page.find(word).unwrap();
    assert!(
        at("encoder ") < at("decoder ") && at("decoder ") < at("camera "),
        "{page}"
    );
    assert!(page.lines().all(|line| line.len() < 136), "{page}");
    for word in ["role: encoder", "h264_profile", "memory: export"] {
        assert!(
            outcome.text("one").contains(word) && !page.contains(word),
            "{word}"
        );
    }
    let json = outcome.text("json");
    assert!(
        json.contains(r#""role":"decoder","stateless":true"#),
        "{json}"
    );
    assert!(json.contains(r#""name":"h264_profile""#), "{json}");
}
