//! JPEG pictures by FFmpeg's encoder: what the imitated webcam is to send, what the model's decoder is to read, and what is to come of it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::phases::Phase;
use crate::support::Guest;

/// The Huffman tables of most pictures, which webcams leave out.
const TABLES: [u8; 4] = [0xff, 0xc4, 0x01, 0xa2];

/// Pictures of one size, 4:2:2 as webcams send them, each another one. They use the standard's Huffman tables.
pub fn pictures((width, height): (u32, u32), count: usize) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "jpegs-{width}x{height}-{count}-{}",
        std::process::id()
    ));
    fs::create_dir_all(&folder).unwrap();
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i"])
        .arg(format!("testsrc2=s={width}x{height}:r=30"))
        .args(["-frames:v", &count.to_string(), "-q:v", "6"])
        .args(["-pix_fmt", "yuvj422p", "-huffman", "default"])
        .arg(folder.join("%d.jpg"))
        .stdin(Stdio::null())
        .status()
        .expect("ffmpeg runs");
    assert!(status.success());
    let read = |number| fs::read(folder.join(format!("{number}.jpg"))).unwrap();
    let pictures = (1..=count).map(read).collect();
    let _ = fs::remove_dir_all(folder);
    pictures
}

/// The planes of a picture, as they are in it. FFmpeg's transform rounds otherwise than the model's: a sample may differ by one.
pub fn planes(picture: &[u8]) -> Vec<u8> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "planes-{}-{:p}.jpg",
        std::process::id(),
        picture
    ));
    fs::write(&path, picture).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "mjpeg", "-i"])
        .arg(&path)
        .args(["-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success());
    let _ = fs::remove_file(path);
    output.stdout
}

/// What the model's decoder is to make of a 4:2:2 picture: YU12, whose chroma is the mean of two rows. A sample may differ by one.
pub fn shown(picture: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let wanted = planes(picture);
    assert_eq!(wanted.len(), width * height * 2, "4:2:2");
    let (luma, chroma) = wanted.split_at(width * height);
    let half = width / 2;
    let mean = |at: usize| {
        let (line, x) = (at / half * 2, at % half);
        (u32::from(chroma[line * half + x]) + u32::from(chroma[(line + 1) * half + x])).div_ceil(2)
            as u8
    };
    let chroma = (0..width * height / 2).map(mean);
    luma.iter().copied().chain(chroma).collect()
}

/// Whether two pictures are the same, but for so much in a sample: 1 is the rounding of a transform.
pub fn alike(got: &[u8], wanted: &[u8], tolerance: u8) -> bool {
    let near = |(a, b): (&u8, &u8)| a.abs_diff(*b) <= tolerance;
    got.len() == wanted.len() && got.iter().zip(wanted).all(near)
}

/// A picture without its Huffman tables.
pub fn without_tables(picture: &[u8]) -> Vec<u8> {
    let at = picture.windows(4).position(|bytes| bytes == TABLES);
    let at = at.expect("standard tables");
    [&picture[..at], &picture[at + 420..]].concat()
}

/// Puts pictures into the guest's folder. Gives their names there.
pub fn put(guest: &Guest, name: &str, pictures: &[Vec<u8>]) -> String {
    named(name, pictures, |name, picture| guest.put(name, picture))
}

/// The same for a phase.
pub fn put_all(phase: &mut Phase, name: &str, pictures: &[Vec<u8>]) -> String {
    named(name, pictures, |name, picture| phase.put(name, picture))
}

fn named(name: &str, pictures: &[Vec<u8>], mut put: impl FnMut(&str, &[u8])) -> String {
    let mut names = String::new();
    for (number, picture) in pictures.iter().enumerate() {
        let name = format!("{name}-{number:03}.jpg");
        put(&name, picture);
        names += &format!(" /host/{name}");
    }
    names
}

/// A picture with its Huffman tables moved to the last place before its scan: luma's two, then chroma's.
pub fn tables_last(picture: &[u8]) -> Vec<u8> {
    let at = picture.windows(4).position(|bytes| bytes == TABLES);
    let at = at.expect("standard tables");
    let mut tables = Vec::new();
    let mut rest = &picture[at + 4..at + 420];
    while !rest.is_empty() {
        let values: usize = rest[1..17].iter().map(|&count| usize::from(count)).sum();
        let (table, behind) = rest.split_at(17 + values);
        tables.push(table);
        rest = behind;
    }
    // Which of the two comes before whether it is for DC or AC.
    tables.sort_by_key(|table| (table[0] & 15, table[0]));
    let bare = without_tables(picture);
    let scan = bare.windows(2).position(|bytes| bytes == [0xff, 0xda]);
    let scan = scan.expect("a scan");
    [&bare[..scan], &TABLES, &tables.concat(), &bare[scan..]].concat()
}
