//! Debian's `ustreamer-dump` (4.9 in Debian 12, 5.4 in 13; both read layout 2), which knows nothing of Framemill, reads what `framemill sink`
//! keeps for it: frames, their times, and pictures that are those which went in. The model's encoder loses nothing.

use serde_json::Value;

use crate::accounting::index;
use crate::frames::Picture;
use crate::support::Guest;

const FRAMES: u64 = 30;

#[test]
#[ignore = "boots the guest: scripts/test"]
fn ustreamers_own_reader_gets_frames_with_their_times_and_pictures() {
    // The guest's clock waits for its programs: the reader, which looks each millisecond, misses none.
    let guest = Guest::h264("memsink").with_programs().steady();
    let picture = Picture::new("YU12", 160, 128);
    let input = picture.pattern(0..FRAMES);
    guest.put("in", &input);
    let outcome = guest.run(
        r"
        engine run --size 160x128 --fps 30 --gop 12 --repeat-headers off
        # To memory: whoever waits for the host leaves the guest's clock to run on.
        cp /host/in .
        start tap framemill tap --from oldest --all --to whole --index index
        until_true reached consumers_attached 1
        start sink framemill sink --ustreamer fm::h264 --layout 2
        until_true test -s /dev/shm/fm::h264
        say alone $(counter consumers)
        start dump ustreamer-dump --sink fm::h264 --sink-timeout 30 --count 20 --output json --output-json
        until_true reached consumers_attached 2
        start push framemill push --from in --fps 30
        ended dump
        ended push
        # Nobody looks any more.
        left() { [ $(counter consumers) = 1 ]; }
        until_true left
        say mode $(stat -c %a /dev/shm/fm::h264)
        kill $run
        ended run
        ended tap
        ended sink
        cp json index /host/
        ",
    );
    outcome.succeeded(&["dump", "push", "run", "tap", "sink"]);
    assert_eq!(outcome.number("alone"), 1, "an observer is no consumer");
    assert_eq!(outcome.said("mode"), "660");
    let packets = index(&outcome, "index");
    let frames: Vec<Value> = outcome
        .text("json")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    assert_eq!(frames.len(), 20, "{}", outcome.story());
    let first = frames[0]["grab_ts"].as_f64().unwrap();
    let seconds = |ns: u64| ns as f64 / 1e9;
    let begins = packets
        .iter()
        .position(|packet| (seconds(packet.times[0]) - first).abs() < 0.002)
        .unwrap_or_else(|| panic!("{first}: {packets:?}"));
    let mut stream = Vec::new();
    for (frame, packet) in frames.iter().zip(&packets[begins..]) {
        for (name, ns) in [
            ("grab_ts", packet.times[0]),
            ("encode_begin_ts", packet.times[1]),
            ("encode_end_ts", packet.times[2]),
        ] {
            let told = frame[name].as_f64().unwrap();
            assert!(
                (told - seconds(ns)).abs() < 0.002,
                "{name}: {frame} {packet:?}"
            );
        }
        assert_eq!(
            (
                &frame["width"],
                &frame["height"],
                &frame["online"],
                &frame["stride"]
            ),
            (&160.into(), &128.into(), &1.into(), &0.into())
        );
        assert_eq!(frame["format"], u32::from_le_bytes(*b"H264"));
        let bytes = base64(frame["data"].as_str().unwrap());
        assert_eq!(frame["size"], bytes.len());
        // Headers come with each key frame, though the encoder was told to send them once.
        assert_eq!(
            bytes.len() as u64 > packet.bytes,
            packet.is('K') && !packet.is('C')
        );
        stream.extend(bytes);
    }
    assert!(packets[begins].is('K'));
    let path = outcome.path("seen");
    std::fs::write(path, stream).unwrap();
    let from = begins * picture.frame_bytes();
    let expected = &input[from..from + 20 * picture.frame_bytes()];
    assert!(
        outcome.decoded("seen") == expected,
        "other pictures: {}",
        outcome.story()
    );
}

/// The bytes that a text stands for.
fn base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => panic!("{other} is no letter of base64"),
    };
    let letters: Vec<u8> = text.trim_end_matches('=').bytes().map(value).collect();
    let mut bytes = Vec::with_capacity(letters.len() * 3 / 4);
    for group in letters.chunks(4) {
        let word = group
            .iter()
            .fold(0u32, |word, &six| word << 6 | u32::from(six))
            << (6 * (4 - group.len()));
        bytes.extend(&word.to_be_bytes()[1..group.len()]);
    }
    bytes
}
