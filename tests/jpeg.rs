//! JPEG pictures as encoders in use write them, and any bytes at all: what `framemill::internals::media::jpeg` makes of them.

use std::path::PathBuf;
use std::process::Command;

use framemill::internals::media::jpeg::{JpegError, Sampling, inspect};
use proptest::prelude::*;

fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("jpeg");
    std::fs::create_dir_all(&folder).expect("a folder for scratch");
    folder.join(name)
}

/// Runs a program that writes a file. Gives the file.
fn written(name: &str, program: &str, arguments: &str) -> Vec<u8> {
    let file = scratch(name);
    let _ = std::fs::remove_file(&file);
    let mut command = Command::new(program);
    command.args(arguments.split_whitespace());
    match program {
        "ffmpeg" => command.arg(&file),
        _ => command.arg(format!("location={}", file.display())),
    };
    let output = command
        .output()
        .expect("apt-get install ffmpeg, gstreamer1.0-tools");
    assert!(output.status.success(), "{output:?}");
    std::fs::read(file).expect("a picture")
}

/// A picture by FFmpeg's encoder.
fn by_ffmpeg(name: &str, format: &str, huffman: &str) -> Vec<u8> {
    let source = "-v error -f lavfi -i testsrc2=s=322x246 -frames:v 1 -q:v 3";
    written(
        name,
        "ffmpeg",
        &format!("{source} -pix_fmt {format} -huffman {huffman}"),
    )
}

/// A picture by libjpeg.
fn by_libjpeg(name: &str, format: &str) -> Vec<u8> {
    let caps = format!("video/x-raw,width=322,height=246,format={format}");
    let pipeline = format!("-q videotestsrc num-buffers=1 ! {caps} ! jpegenc ! filesink");
    written(name, "gst-launch-1.0", &pipeline)
}

/// The pixels of a picture, which has nothing that FFmpeg would complain about.
fn decoded(bytes: &[u8], name: &str) -> Vec<u8> {
    let file = scratch(name);
    std::fs::write(&file, bytes).expect("a picture");
    let output = Command::new("ffmpeg")
        .args(["-v", "warning", "-xerror", "-i"])
        .arg(&file)
        .args(["-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg");
    assert!(
        output.status.success() && !output.stdout.is_empty(),
        "{output:?}"
    );
    let text = String::from_utf8_lossy(&output.stderr).replace("deprecated pixel format used", "");
    assert!(!text.contains("mjpeg @"), "{text}");
    output.stdout
}

/// A picture without its DHT segments, which come before its scan.
fn without_tables(bytes: &[u8]) -> Vec<u8> {
    let mut left = bytes[..2].to_vec();
    let mut at = 2;
    while bytes[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] != 0xc4 {
            left.extend_from_slice(&bytes[at..end]);
        }
        at = end;
    }
    left.extend_from_slice(&bytes[at..]);
    left
}

fn repaired(bytes: &[u8]) -> Vec<u8> {
    let jpeg = inspect(bytes.into()).unwrap_or_else(|error| panic!("{error}"));
    let mut target = vec![0; bytes.len() + 420];
    let length = jpeg.write(bytes.into(), (&mut target[..]).into());
    target.truncate(length.expect("room"));
    target
}

#[test]
fn real_pictures_pass_unchanged_and_without_tables_decode_to_the_same_pixels() {
    for (name, picture, sampling, standard) in [
        (
            "422.jpg",
            by_ffmpeg("422.jpg", "yuvj422p", "default"),
            Sampling::Yuv422,
            true,
        ),
        (
            "420.jpg",
            by_ffmpeg("420.jpg", "yuvj420p", "default"),
            Sampling::Yuv420,
            true,
        ),
        (
            "444.jpg",
            by_ffmpeg("444.jpg", "yuvj444p", "default"),
            Sampling::Yuv444,
            true,
        ),
        (
            "own.jpg",
            by_ffmpeg("own.jpg", "yuvj420p", "optimal"),
            Sampling::Yuv420,
            false,
        ),
        (
            "libjpeg-420.jpg",
            by_libjpeg("libjpeg-420.jpg", "I420"),
            Sampling::Yuv420,
            true,
        ),
        (
            "libjpeg-422.jpg",
            by_libjpeg("libjpeg-422.jpg", "YUY2"),
            Sampling::Yuv422,
            true,
        ),
        (
            "libjpeg-grey.jpg",
            by_libjpeg("libjpeg-grey.jpg", "GRAY8"),
            Sampling::Grey,
            true,
        ),
    ] {
        let jpeg = inspect(picture[..].into()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((jpeg.size, jpeg.sampling), ((322, 246), sampling), "{name}");
        assert!(
            !jpeg.lacks_tables && repaired(&picture) == picture,
            "{name}"
        );
        let bare = without_tables(&picture);
        assert!(bare.len() < picture.len(), "{name}");
        // Tables of its own are lost with them.
        if standard {
            let pixels = decoded(&repaired(&bare), "repaired.jpg");
            assert!(pixels == decoded(&picture, name), "{name}");
        }
        for length in (0..1000).chain((1000..picture.len()).step_by(37)) {
            assert!(
                inspect(picture[..length].into()).is_err(),
                "{name}: {length}"
            );
        }
    }
}

proptest! {
    #[test]
    fn pieces_are_the_bytes_in_order_whatever_they_are(
        bytes in prop::collection::vec(prop_oneof![Just(0xffu8), Just(0xd9), any::<u8>()], 0..600),
    ) {
        // Of arbitrary bytes hardly any begin like a picture: some are helped.
        let headers = [0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 9, 0, 7, 1, 1, 0x11, 0];
        for start in [&headers[..0], &headers[..2], &headers[..]] {
            let bytes = [start, &bytes].concat();
            let Ok(jpeg) = inspect(bytes[..].into()) else {
                continue;
            };
            let whole = repaired(&bytes);
            prop_assert_eq!(whole.len(), jpeg.bytes());
            prop_assert!(whole.starts_with(&[0xff, 0xd8]) && whole.ends_with(&[0xff, 0xd9]));
            // What comes out is as good as it gets.
            let again = inspect(whole[..].into());
            prop_assert!(again.as_ref().is_ok_and(|again| !again.lacks_tables && again.size == jpeg.size));
            prop_assert_eq!(repaired(&whole).len(), whole.len());
            let no_room = &mut vec![0; whole.len() - 1][..];
            prop_assert_eq!(jpeg.write(bytes[..].into(), no_room.into()), None);
        }
    }

    #[test]
    fn padding_behind_and_a_cut_are_told_apart(
        scan in prop::collection::vec(0u8..0xff, 0..2000), padding in prop::collection::vec(0u8..0xff, 0..2000),
    ) {
        let headers = [
            0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 9, 0, 7, 1, 1, 0x11, 0, 0xff, 0xc4, 0, 2, 0xff, 0xda, 0, 2,
        ];
        let picture = [&headers[..], &scan, &[0xff, 0xd9]].concat();
        let padded = [&picture[..], &padding].concat();
        prop_assert_eq!(repaired(&padded), picture);
        let cut = [&headers[..], &scan, &padding].concat();
        prop_assert_eq!(inspect(cut[..].into()), Err(JpegError::CutOff));
    }
}
