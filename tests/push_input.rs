//! `framemill push` as a process of the host: what it says about an input that nobody could encode, before it asks any engine.

mod program;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A file of this name in a folder of these tests.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn push(name: &str, bytes: &[u8], options: &[&str]) -> Output {
    Command::new(program::program())
        .args(["push", "--socket", "@nobody-listens-here", "--from"])
        .arg(file(name, bytes))
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// That the input was rejected with this sentence.
fn rejected(output: &Output, sentence: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(11), "{said}");
    assert_eq!(said.trim_end(), format!("framemill: {sentence}"));
}

#[test]
fn files_of_the_wrong_kind_are_named_and_what_to_do_is_said() {
    let mp4 = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";
    let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01";
    let h264 = b"\0\0\0\x01\x67\x42\x80\x1e\xda\x02\x80\xf6\x80\x6d\x0a\x13";
    for (name, bytes, kind) in [
        ("film.mp4", &mp4[..], "an MP4 or HEIF file"),
        ("picture.jpg", jpeg, "a JPEG file"),
        ("coded.h264", h264, "an H.264 stream"),
        ("named.y4m", mp4, "an MP4 or HEIF file"),
    ] {
        let sentence = format!(
            "the input is {kind}, neither raw frames nor Y4M; decode it first: ffmpeg -i FILE -f yuv4mpegpipe - | framemill push --from -"
        );
        rejected(&push(name, bytes, &[]), &sentence);
        if name.ends_with("y4m") {
            rejected(&push(name, bytes, &["--y4m"]), &sentence);
        }
    }
    // Who insists is warned, and gets as far as the engine.
    let output = push("insisted.mp4", mp4, &["--raw"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{said}");
    assert!(
        said.contains("the input looks like an MP4 or HEIF file: taken as raw"),
        "{said}"
    );
}

#[test]
fn rates_that_no_encoder_takes_are_named_with_their_range() {
    for rate in ["90000:1", "1:2000"] {
        let header = format!("YUV4MPEG2 W320 H240 F{rate}\nFRAME\n");
        let name = format!("rate-{}.y4m", rate.replace(':', "-"));
        let output = push(&name, header.as_bytes(), &[]);
        let rate = rate.replace(':', "/");
        rejected(
            &output,
            &format!(
                "the input says {rate} frames/s, and 1/1000 to 1000 are possible; give --fps N"
            ),
        );
        // With a rate of the user's, the header's is of no account.
        let output = push(&name, header.as_bytes(), &["--fps", "25"]);
        assert_eq!(output.status.code(), Some(9));
    }
}
