//! Formats whose colour planes lie in memory planes of their own, two and three of them: one buffer a plane, exported,
//! copied and imported. The Pi's driver has none; its model offers them when asked.

use crate::accounting::stat;
use crate::frames::Picture;
use crate::support::{Guest, Outcome};

const FRAMES: u64 = 3;

/// `through NAME INPUT MEMORY OPTION…`: the frames of /host/in-INPUT to /host/NAME, in slots of the producer's MEMORY; what stat says of them
/// is in /host/NAME.stat.
const THROUGH: &str = r"
    knob memory_planes 1
    through() {
        this=$1 input=$2 memory=$3
        shift 3
        engine run $@
        start tap framemill tap --from oldest --all --to /host/$this
        until_true reached consumers_attached 1
        start push framemill push --memory $memory --from /host/in-$input --fps max
        wait $push || give_up push $this
        framemill stat --json >/host/$this.stat
        kill $run
        wait $run || give_up run $this
        wait $tap || give_up tap $this
        cp push.log /host/$this-push.log
        cp run.log /host/$this-run.log
    }
";

/// How frames can come in: name, the producer's memory, options of `run`, and how stat names it.
const WAYS: [(&str, &str, &str, &str); 4] = [
    ("export", "export", "--memory export", "export"),
    ("copy", "export", "--memory copy", "copy"),
    ("import", "cma-heap", "", "import"),
    // Pages that are not side by side: this encoder cannot read them.
    ("refused", "udmabuf", "", "export"),
];

/// That what FFmpeg decodes of a stream is what went in.
fn exact(outcome: &Outcome, picture: &Picture, name: &str, input: &[u8]) {
    let (decoded, expected) = (outcome.decoded(name), picture.subsampled(input));
    assert_eq!(decoded.len(), expected.len(), "{name}: {}", outcome.story());
    let differ = decoded.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!(differ, None, "{name}: {}", outcome.story());
}

/// Two sizes, two formats, every way. In the second size rows of luma and chroma are padded differently by the driver, more by the producer,
/// and the driver has six rows more than the picture: where a plane's rows lie follows from nothing but what was agreed on for this plane.
#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_memory_plane_is_exported_copied_and_imported_with_its_own_bytes_from_row_to_row() {
    let guest = Guest::h264("planes");
    let pictures = [
        ("NM12", 320, 240),
        ("YM12", 320, 240),
        ("NM12", 330, 250),
        ("YM12", 330, 250),
    ];
    let mut script = THROUGH.to_owned();
    for (format, width, height) in pictures {
        let picture = Picture::new(format, width, height);
        guest.put(&format!("in-{format}-{width}"), &picture.noisy(0..FRAMES));
        for (name, memory, options, _) in WAYS {
            script += &format!(
                "through {format}-{width}-{name} {format}-{width} {memory} --format {format} --size {width}x{height} {options}\n"
            );
        }
    }
    let outcome = guest.run(&script);
    for (format, width, height) in pictures {
        let picture = Picture::new(format, width, height);
        let input = outcome.bytes(&format!("in-{format}-{width}"));
        for (way, _, _, memory) in WAYS {
            let name = format!("{format}-{width}-{way}");
            exact(&outcome, &picture, &name, &input);
            let json = outcome.text(&format!("{name}.stat"));
            assert!(
                json.contains(&format!("\"memory\":\"{memory}\"")),
                "{name}: {json}"
            );
            let copied = if way == "copy" { input.len() } else { 0 };
            assert_eq!(
                (
                    stat(&json, "raw_bytes_copied"),
                    stat(&json, "frames_published")
                ),
                (copied as u64, FRAMES),
                "{name}: {json}"
            );
        }
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn frames_of_one_plane_spread_over_several_and_producers_take_turns() {
    let guest = Guest::h264("planes-turns");
    let picture = Picture::new("NM12", 330, 250);
    let planar = Picture::new("YU12", 330, 250);
    let input = planar.noisy(0..FRAMES);
    // Y4M of 4:2:0, whose three planes go into two.
    let mut y4m = b"YUV4MPEG2 W330 H250 F30:1 C420jpeg\n".to_vec();
    for frame in input.chunks(planar.frame_bytes()) {
        y4m.extend_from_slice(b"FRAME\n");
        y4m.extend_from_slice(frame);
    }
    guest.put("in.y4m", &y4m);
    let outcome = guest.run(
        r"
        knob memory_planes 1
        framemill probe --device /dev/video11 >/host/probe
        engine run --size 330x250 --format NM12 --frame-slots 3
        start tap framemill tap --from oldest --all --to /host/out
        until_true reached consumers_attached 1
        files=$(descriptors $run)
        for kind in export cma-heap export; do
            framemill push --memory $kind --wait 5000 --frames 4 --fps max 2>push.log || give_up push $kind
        done
        try last framemill push --memory cma-heap --wait 5000 --y4m --from /host/in.y4m --fps max
        framemill stat --json >/host/stat.json
        # The memory of the last one is the slots until the next one comes: as many descriptors as were exported.
        framemill push --wait 5000 --frames 1 2>push.log || give_up push
        left() { [ $(counter producers) = 0 ]; }
        until_true left
        say files $(($(descriptors $run) - files))
        kill $run
        ended run
        ended tap
        ",
    );
    outcome.succeeded(&["last", "run", "tap"]);
    assert_eq!(outcome.number("files"), 0, "{}", outcome.story());
    assert!(
        ["NM12", "YM12"].map(|code| outcome.text("probe").contains(code)) == [true; 2],
        "{}",
        outcome.text("probe")
    );
    let json = outcome.text("stat.json");
    assert_eq!(stat(&json, "raw_bytes_copied"), 0, "{json}");
    assert!(json.contains("\"memory\":\"import\""), "{json}");
    let pattern = picture.subsampled(&picture.pattern(0..4));
    let expected = [&pattern[..], &pattern, &pattern, &input].concat();
    let decoded = outcome.decoded("out");
    assert!(decoded.starts_with(&expected), "{}", outcome.story());
}
