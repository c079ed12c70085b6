//! Raw frames for the guest to encode, and measures of what came out. Knows pixels; knows no guest.

use std::ops::Range;

use framemill::internals::media::format::{RawFormat, lookup};
use framemill::internals::media::fourcc::Fourcc;
use framemill::internals::media::pattern;

/// A format and size of tightly packed frames in one file.
#[derive(Clone, Copy)]
pub struct Picture {
    pub format: &'static RawFormat,
    pub width: u32,
    pub height: u32,
}

impl Picture {
    pub fn new(code: &str, width: u32, height: u32) -> Self {
        let code = Fourcc::new(code.as_bytes().try_into().expect("four characters"));
        Self {
            format: lookup(code).expect("a known format"),
            width,
            height,
        }
    }

    pub fn frame_bytes(&self) -> usize {
        self.format
            .tight(self.width, self.height)
            .expect("a size that fits")
            .frame_bytes() as usize
    }

    /// These frames of the built-in pattern.
    pub fn pattern(&self, frames: Range<u64>) -> Vec<u8> {
        let layout = self
            .format
            .tight(self.width, self.height)
            .expect("a size that fits");
        let mut bytes = vec![0; self.frame_bytes() * (frames.end - frames.start) as usize];
        for (number, frame) in frames.zip(bytes.chunks_exact_mut(self.frame_bytes())) {
            for (index, plane) in layout.planes().iter().enumerate() {
                // A file has the memory planes one after the other.
                let before = &layout.memory_length[..plane.memory_plane as usize];
                let before: u32 = before.iter().sum();
                for row in 0..plane.rows {
                    let start = before as usize + plane.row_start(row).expect("a row of the plane");
                    let row_bytes = &mut frame[start..start + plane.row_bytes as usize];
                    pattern::fill_row(
                        self.format,
                        index,
                        row,
                        self.width,
                        self.height,
                        number,
                        row_bytes,
                    );
                }
            }
        }
        bytes
    }

    /// The pattern with noise in its lowest bits: no two blocks are alike, and packets are large.
    pub fn noisy(&self, frames: Range<u64>) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut bytes = self.pattern(frames);
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte ^= (state >> 40) as u8 & 15;
        }
        bytes
    }

    /// Frames of this format as an encoder of 4:2:0 sees them, YU12: the chroma of 4:2:2 is the mean of two rows.
    pub fn subsampled(&self, frames: &[u8]) -> Vec<u8> {
        let (w, h) = (self.width as usize, self.height as usize);
        let mut out = Vec::with_capacity(frames.len());
        for frame in frames.chunks_exact(self.frame_bytes()) {
            match &self.format.fourcc.to_string()[..] {
                "YU12" | "YM12" => out.extend_from_slice(frame),
                "NV12" | "NM12" => {
                    let (luma, chroma) = frame.split_at(w * h);
                    out.extend_from_slice(luma);
                    out.extend(chroma.iter().step_by(2));
                    out.extend(chroma.iter().skip(1).step_by(2));
                }
                format @ ("YUYV" | "UYVY") => {
                    let (luma, chroma) = if format == "YUYV" {
                        (0, [1, 3])
                    } else {
                        (1, [0, 2])
                    };
                    out.extend(frame.iter().skip(luma).step_by(2));
                    for part in chroma {
                        for pair in frame.chunks_exact(4 * w) {
                            let (above, below) = pair.split_at(2 * w);
                            out.extend((part..2 * w).step_by(4).map(|at| {
                                (u16::from(above[at]) + u16::from(below[at])).div_ceil(2) as u8
                            }));
                        }
                    }
                }
                other => panic!("no rule for {other}"),
            }
        }
        out
    }

    /// The pattern's frame number in a frame whose first plane is luma.
    pub fn frame_number(&self, frame: &[u8]) -> Option<u16> {
        pattern::read_frame_number(self.width, self.height, |x, y| {
            frame.get((y * self.width + x) as usize).copied()
        })
    }
}

/// Peak signal-to-noise ratio of two pictures, dB; infinite when they are the same.
pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len(), "pictures of one size");
    let squares: u64 = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2))
        .sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares as f64).log10()
}

/// The sizes of FWHT packets that follow each other in a stream, from their headers, and whether each is a key frame.
pub fn fwht_packets(stream: &[u8]) -> Vec<(usize, bool)> {
    let word = |at: usize| u32::from_be_bytes(stream[at..at + 4].try_into().expect("four bytes"));
    let mut packets = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        assert_eq!(
            (word(at), word(at + 4)),
            (0x4f4f_4f4f, 0xffff_ffff),
            "FWHT's magic at byte {at}"
        );
        let bytes = 44 + word(at + 40) as usize;
        // Bit 10 of the flags: FWHT_FL_I_FRAME.
        packets.push((bytes, word(at + 20) >> 10 & 1 == 1));
        at += bytes;
    }
    assert_eq!(at, stream.len(), "the last packet is whole");
    packets
}
