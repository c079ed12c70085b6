//! Pictures that show their own number, coded as H.264, and what became of them on the other side.
//!
//! Knows pixels and ffmpeg, which codes and decodes. Never knows how they travel.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 192;
/// Frames a second.
pub const RATE: u64 = 25;
/// From one key frame to the next.
pub const KEYS_EVERY: usize = 25;
/// Frames of a clip.
pub const FRAMES: usize = 200;

/// A bit of the number is a square of so many pixels; below it is its opposite.
const SQUARE: usize = 32;
const BITS: usize = 8;

/// A picture of red, green and blue.
pub type Rgb = Vec<[u8; 3]>;

/// Planes of YUV 4:2:0: slow changes of colour, a bar that moves, and the number in black and white.
fn planes(number: usize) -> Vec<u8> {
    let luma = |x: usize, y: usize| {
        let bit = x.wrapping_sub(SQUARE) / SQUARE;
        let row = y.wrapping_sub(SQUARE) / SQUARE;
        if bit < BITS && row < 2 {
            return if (number >> bit & 1 == 1) == (row == 0) {
                225
            } else {
                25
            };
        }
        let bar = (x + 3 * number) % WIDTH < 40 && y > 4 * SQUARE;
        if bar {
            190
        } else {
            60 + (x * 80 / WIDTH) as u8
        }
    };
    let blue = |x: usize, _| 100 + (x * 60 / WIDTH) as u8;
    let red = |_, y: usize| 150 - (y * 50 / HEIGHT) as u8;
    let mut bytes: Vec<u8> = (0..HEIGHT)
        .flat_map(|y| (0..WIDTH).map(move |x| luma(x, y)))
        .collect();
    for plane in [&blue as &dyn Fn(usize, usize) -> u8, &red] {
        for y in (0..HEIGHT).step_by(2) {
            bytes.extend((0..WIDTH).step_by(2).map(|x| plane(x, y)));
        }
    }
    bytes
}

/// What a screen shows of a picture (BT.601, limited range).
#[allow(dead_code, reason = "not every test that has this module has screens")]
pub fn shown(number: usize) -> Rgb {
    let yuv = planes(number);
    let (luma, chroma) = yuv.split_at(WIDTH * HEIGHT);
    let (blue, red) = chroma.split_at(WIDTH * HEIGHT / 4);
    let pixel = |at: usize| {
        let (x, y) = (at % WIDTH / 2, at / WIDTH / 2);
        let [u, v] = [blue, red].map(|plane| f32::from(plane[y * WIDTH / 2 + x]) - 128.0);
        let y = 1.164 * (f32::from(luma[at]) - 16.0);
        [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u].map(|value| value.round() as u8)
    };
    (0..WIDTH * HEIGHT).map(pixel).collect()
}

/// The number that a picture shows; `None` when it shows none.
pub fn number(picture: &[[u8; 3]]) -> Option<usize> {
    let mut number = 0;
    for bit in 0..BITS {
        let white = [0, 1].map(|row| {
            let (x, y) = (
                SQUARE * (bit + 1) + SQUARE / 2,
                SQUARE * (row + 1) + SQUARE / 2,
            );
            picture[y * WIDTH + x][1] > 128
        });
        if white[0] == white[1] {
            return None;
        }
        number |= usize::from(white[0]) << bit;
    }
    Some(number)
}

/// How much two pictures differ, on an average, of 255.
#[allow(dead_code, reason = "not every test that has this module has screens")]
pub fn difference(one: &[[u8; 3]], other: &[[u8; 3]]) -> f32 {
    assert_eq!(one.len(), other.len());
    let pixels = one.iter().flatten().zip(other.iter().flatten());
    let sum: u64 = pixels.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f32 / (one.len() * 3) as f32
}

/// Coded frames.
#[derive(Clone)]
pub struct Clip {
    pub packets: Vec<Vec<u8>>,
}

impl Clip {
    /// `FRAMES` pictures, a key frame each `KEYS_EVERY`, which begins with its headers.
    pub fn h264() -> Self {
        let raw: Vec<u8> = (0..FRAMES).flat_map(planes).collect();
        let size = format!("{WIDTH}x{HEIGHT}");
        let (rate, keys) = (RATE.to_string(), KEYS_EVERY.to_string());
        let input = [
            "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-r", &rate, "-i", "-",
        ];
        let coder = [
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            "16",
            "-bf",
            "0",
            "-g",
            &keys,
            "-sc_threshold",
            "0",
        ];
        let colour = [
            "-colorspace",
            "smpte170m",
            "-color_range",
            "tv",
            "-threads",
            "1",
            "-f",
            "h264",
            "-",
        ];
        let stream = ffmpeg(&[&input[..], &coder, &colour].concat(), raw);
        // SPS, or the only slice of a picture that depends on others.
        let packets = access_units(&stream, |header| matches!(header & 31, 1 | 7));
        assert_eq!(packets.len(), FRAMES);
        Self { packets }
    }

    /// `FRAMES` JPEG images, one after the other.
    #[allow(dead_code, reason = "not every test that has this module needs them")]
    pub fn images(stream: &[u8]) -> Self {
        let starts = stream.windows(3).enumerate();
        let starts = starts.filter(|(_, window)| *window == [0xff, 0xd8, 0xff]);
        let mut starts: Vec<usize> = starts.map(|(at, _)| at).collect();
        assert_eq!(starts.len(), FRAMES);
        starts.push(stream.len());
        let image = |pair: &[usize]| stream[pair[0]..pair[1]].to_vec();
        Self {
            packets: starts.windows(2).map(image).collect(),
        }
    }

    /// The same as HEVC.
    #[allow(dead_code, reason = "not every test that has this module needs it")]
    pub fn hevc() -> Self {
        let raw: Vec<u8> = (0..FRAMES).flat_map(planes).collect();
        let size = format!("{WIDTH}x{HEIGHT}");
        let input = [
            "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-i", "-",
        ];
        let options = format!(
            "log-level=none:keyint={KEYS_EVERY}:min-keyint={KEYS_EVERY}:bframes=0:repeat-headers=1:scenecut=0"
        );
        let coder = [
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            &options,
            "-f",
            "hevc",
            "-",
        ];
        let stream = ffmpeg(&[&input[..], &coder].concat(), raw);
        // VPS, or the only slice of a picture that depends on others.
        let packets = access_units(&stream, |header| matches!(header >> 1 & 63, 32 | 0 | 1));
        assert_eq!(packets.len(), FRAMES);
        Self { packets }
    }

    /// Bytes that mean nothing.
    #[allow(dead_code, reason = "not every test that has this module needs them")]
    pub fn nonsense() -> Self {
        Self {
            packets: vec![vec![7; 500]; FRAMES],
        }
    }
}

/// The pictures of what ffmpeg reads from this input.
pub fn decoded(input: &[&str], bytes: Vec<u8>) -> Vec<Rgb> {
    let output = [
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ];
    let pixels = ffmpeg(&[input, &output].concat(), bytes);
    let (pixels, _) = pixels.as_chunks::<3>();
    let pictures = pixels.chunks_exact(WIDTH * HEIGHT);
    pictures.map(<[_]>::to_vec).collect()
}

/// The numbers that a file's pictures show.
#[allow(dead_code, reason = "not every test that has this module has files")]
pub fn numbers(file: &str) -> Vec<Option<usize>> {
    let pictures = decoded(&["-i", file], Vec::new());
    pictures.iter().map(|picture| number(picture)).collect()
}

/// What ffmpeg prints, given these bytes.
#[track_caller]
pub fn ffmpeg(arguments: &[&str], input: Vec<u8>) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("ffmpeg: {error}; scripts/check installs it"));
    let mut stdin = child.stdin.take().unwrap();
    // One that has enough closes its end.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg {arguments:?}: {said}");
    output.stdout
}

/// Leaves a picture where somebody who looks for what went wrong finds it.
#[allow(dead_code, reason = "not every test that has this module has screens")]
pub fn keep(picture: &[[u8; 3]], name: &str) -> String {
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/pictures");
    fs::create_dir_all(folder).unwrap();
    let file = format!("{folder}/{name}.png");
    let size = format!("{WIDTH}x{HEIGHT}");
    let words = [
        "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-i", "-", &file,
    ];
    ffmpeg(&words, picture.as_flattened().to_vec());
    file
}

/// A stream cut before each access unit, known by the header of the NAL unit with which it begins.
fn access_units(stream: &[u8], first: fn(u8) -> bool) -> Vec<Vec<u8>> {
    let begins = |window: &[u8]| window[..3] == [0, 0, 1] && first(window[3]);
    let starts = stream.windows(4).enumerate();
    let starts = starts.filter(|(_, window)| begins(window));
    // Four bytes of start code.
    let mut starts: Vec<usize> = starts.map(|(at, _)| at - 1).collect();
    starts.push(stream.len());
    let unit = |pair: &[usize]| stream[pair[0]..pair[1]].to_vec();
    starts.windows(2).map(unit).collect()
}
