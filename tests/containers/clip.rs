//! Coded frames with all that a packet ring knows of them.

use std::process::Command;

use framemill::client::Fourcc;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::packet_ring::Packet;
use framemill::shm::layout::flag;

use crate::double::Engine;
use crate::path;
use crate::raw::{lay_out, scene};
use crate::tools::coder;

pub const SECOND: u64 = 1_000_000_000;

/// Frames of one size, one after the other.
#[derive(Clone, Copy)]
pub struct Part {
    pub size: (usize, usize),
    pub frames: usize,
    /// From one frame to the next.
    pub step_ns: u64,
    /// The first frame's timestamp.
    pub first_ns: u64,
    /// When it was committed.
    pub committed_ns: u64,
    pub generation: u16,
    /// Of the first packet, besides those that follow from its bytes.
    pub flags: u32,
}

impl Part {
    /// So many frames at so many a second, from 0.
    pub fn new(frames: usize, rate: u64) -> Self {
        Self {
            size: (64, 48),
            frames,
            step_ns: SECOND / rate,
            first_ns: 0,
            committed_ns: 100 * SECOND,
            generation: 1,
            flags: 0,
        }
    }

    /// The packets, given their bytes.
    fn packets(&self, frames: Vec<(Vec<u8>, u32)>) -> Vec<(Vec<u8>, Packet)> {
        let packet = |(number, (bytes, flags)): (usize, (Vec<u8>, u32))| {
            let passed = number as u64 * self.step_ns;
            let packet = Packet {
                flags: flags | if number == 0 { self.flags } else { 0 },
                generation: self.generation,
                timestamp: self.first_ns + passed,
                // A little late, as frames are.
                committed: self.committed_ns + passed + 1000 * (number as u64 % 7),
                ..Packet::default()
            };
            (bytes, packet)
        };
        frames.into_iter().enumerate().map(packet).collect()
    }
}

/// A stream of packets.
pub struct Clip {
    codec: Fourcc,
    packets: Vec<(Vec<u8>, Packet)>,
}

impl Clip {
    /// Real H.264, a key frame every eight frames.
    pub fn h264(parts: &[Part]) -> Self {
        let packets = parts.iter().flat_map(|part| {
            let (width, height) = part.size;
            let raw: Vec<u8> = (0..part.frames)
                .flat_map(|number| {
                    lay_out("YU12", &scene(width, height, (2, 2), number), width, height)
                })
                .collect();
            let bytes = width * height * 3 / 2;
            let parameters = format!(
                "profile=100 flags=0 level=40 rate=30 per=1 width={width} height={height} stride={width} rows={height} \
                 bytes={bytes} fourcc=YU12 key=8 short=0"
            );
            part.packets(access_units(&coder("h264", &parameters, &raw)))
        });
        Self {
            codec: Fourcc::H264,
            packets: packets.collect(),
        }
    }

    /// Twelve frames of FFmpeg's test picture, coded with these options of FFmpeg's, in the order in which they are decoded.
    pub fn of_ffmpeg(codec: Fourcc, options: &[&str]) -> Self {
        let source =
            "-v error -y -f lavfi -i testsrc=size=320x180:rate=25:duration=0.48 -pix_fmt yuv420p";
        let file = path("mkv");
        let file = file.to_str().unwrap();
        let coded: Vec<_> = source
            .split(' ')
            .chain(options.iter().copied())
            .chain([file])
            .collect();
        printed("ffmpeg", &coded);
        let arguments = "-v error -show_entries packet=pts,flags -of csv=p=0";
        let text = printed(
            "ffprobe",
            &[&arguments.split(' ').collect::<Vec<_>>()[..], &[file]].concat(),
        );
        let text = String::from_utf8(text).unwrap();
        let form = match codec {
            Fourcc::H264 => "h264",
            Fourcc::HEVC => "hevc",
            _ => "mjpeg",
        };
        let bytes = printed(
            "ffmpeg",
            &["-v", "error", "-i", file, "-c", "copy", "-f", form, "-"],
        );
        let frames = match form {
            "h264" => pictures(&bytes, |header| header & 31 < 6),
            "hevc" => pictures(&bytes, |header| header >> 1 < 32),
            _ => images(&bytes),
        };
        let frames = frames.into_iter().zip(text.lines()).map(|(bytes, line)| {
            let (pts, flags) = line.split_once(',').unwrap();
            let key = flags.starts_with('K');
            let config = key && codec != Fourcc::MJPG;
            let pts = pts.parse::<u64>().unwrap() * 1_000_000;
            let packet = Packet {
                flags: [0, flag::KEY][usize::from(key)] | [0, flag::CONFIG][usize::from(config)],
                generation: 1,
                timestamp: pts,
                committed: 100 * SECOND + pts,
                ..Packet::default()
            };
            (bytes, packet)
        });
        let packets: Vec<_> = frames.collect();
        assert_eq!(packets.len(), 12);
        Self { codec, packets }
    }

    /// Packets of no meaning with these flags, 25 a second, from seven seconds on.
    pub fn made_up(codec: Fourcc, flags: &[u32]) -> Self {
        let part = Part {
            first_ns: 7 * SECOND,
            ..Part::new(flags.len(), 25)
        };
        let bytes = |number: usize| vec![0, 0, 0, 1, 0x41, number as u8];
        let frames = flags.iter().enumerate();
        let frames = frames.map(|(number, &flags)| (bytes(number), flags));
        Self {
            codec,
            packets: part.packets(frames.collect()),
        }
    }

    /// All coded bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.packets
            .iter()
            .flat_map(|(bytes, _)| bytes.clone())
            .collect()
    }

    /// Of each packet whether it is a key frame.
    pub fn keys(&self) -> Vec<bool> {
        self.packets
            .iter()
            .map(|(_, packet)| packet.flags & flag::KEY != 0)
            .collect()
    }

    /// Publishes all of it, and the end mark.
    pub fn publish(&self, engine: &Engine) {
        let header = engine.header();
        header.stream.codec.store(self.codec.0, Relaxed);
        header.stream.rate_numerator.store(30, Relaxed);
        header.stream.rate_denominator.store(1, Relaxed);
        header.stream.width.store(320, Relaxed);
        header.stream.height.store(180, Relaxed);
        let mut writer = engine.writer();
        for (bytes, packet) in &self.packets {
            header
                .status
                .generation
                .store(packet.generation.into(), Relaxed);
            engine.publish_packet(&mut writer, bytes, packet);
        }
        engine.publish(&mut writer, 0, flag::END);
    }
}

/// A stream cut before each access unit, which begins with SPS or with a slice: the coder writes one slice a picture.
fn access_units(stream: &[u8]) -> Vec<(Vec<u8>, u32)> {
    let starts = stream
        .windows(5)
        .enumerate()
        .filter(|(_, window)| window[..4] == [0, 0, 0, 1] && matches!(window[4] & 31, 1 | 7));
    let mut starts: Vec<usize> = starts.map(|(at, _)| at).collect();
    starts.push(stream.len());
    let unit = |pair: &[usize]| {
        let bytes = stream[pair[0]..pair[1]].to_vec();
        let key = bytes[4] & 31 == 7;
        (bytes, if key { flag::KEY | flag::CONFIG } else { 0 })
    };
    starts.windows(2).map(unit).collect()
}

/// A stream cut behind each slice: FFmpeg's encoders write one a picture when they use one thread.
fn pictures(stream: &[u8], is_slice: fn(u8) -> bool) -> Vec<Vec<u8>> {
    let mut starts: Vec<_> = (0..stream.len() - 3)
        .filter(|&at| stream[at..at + 3] == [0, 0, 1])
        .map(|at| {
            if at > 0 && stream[at - 1] == 0 {
                at - 1
            } else {
                at
            }
        })
        .collect();
    starts.push(stream.len());
    let mut found = vec![Vec::new()];
    for pair in starts.windows(2) {
        let unit = &stream[pair[0]..pair[1]];
        let header = unit[if unit[2] == 1 { 3 } else { 4 }];
        found.last_mut().unwrap().extend(unit);
        if is_slice(header) {
            found.push(Vec::new());
        }
    }
    assert_eq!(found.pop(), Some(Vec::new()));
    found
}

/// Images, each with its beginning and its end.
fn images(stream: &[u8]) -> Vec<Vec<u8>> {
    let starts = (0..stream.len() - 2).filter(|&at| stream[at..at + 3] == [0xff, 0xd8, 0xff]);
    let mut starts: Vec<_> = starts.collect();
    starts.push(stream.len());
    starts
        .windows(2)
        .map(|pair| stream[pair[0]..pair[1]].to_vec())
        .collect()
}

fn printed(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; scripts/check installs it"));
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
