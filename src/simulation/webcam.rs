//! Coded frames of a simulated camera: a JPEG image in each buffer, or what webcams make of one.
//!
//! Knows bytes and chances. Knows neither queues nor who reads them.

use std::vec::Vec;

use super::jpeg::{self, Image};
use super::random::Random;

/// How a camera codes, and what it does wrong: out of 1000 frames so many.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Coding {
    /// Frames have Huffman tables.
    pub(super) tables: bool,
    /// There are 0xff bytes between the markers.
    pub(super) fills: bool,
    /// Most bytes behind the image's end: zeros, or what was there before.
    pub(super) padding: u64,
    /// The image ends too early, somewhere.
    pub(super) cuts: u32,
    /// The image has no tables, and the others have.
    pub(super) forgets: u32,
    /// The image has another size.
    pub(super) odd_sizes: u32,
    /// It is no image.
    pub(super) junk: u32,
}

/// A frame as it lies in the buffer.
#[derive(Clone, Debug)]
pub(super) struct Coded {
    pub(super) bytes: Vec<u8>,
    /// It cannot be decoded, or not to what the camera was asked for.
    pub(super) bad: bool,
}

/// Codes a frame. `size`: what the camera shows, which is not always what it was asked for. `mischief`: whether it does anything wrong.
pub(super) fn code(
    coding: &Coding,
    random: &mut Random,
    stamp: u64,
    size: (u32, u32),
    mischief: bool,
) -> Coded {
    let data = random.range(20, 400) as usize;
    let image = Image {
        size,
        stamp,
        tables: coding.tables,
        fills: coding.fills,
        data,
    };
    let mut draw = |chance| mischief && random.chance(chance);
    let (cut, forgets) = (draw(coding.cuts), draw(coding.forgets));
    let (odd, junk) = (draw(coding.odd_sizes), draw(coding.junk));
    let mut bytes = jpeg::write(&Image {
        tables: image.tables && !forgets,
        size: match odd {
            true => (size.0 + 16, size.1),
            false => size,
        },
        ..image
    });
    if cut {
        bytes.truncate(random.below(bytes.len() as u64) as usize);
    } else if junk {
        bytes[0] = 0;
    } else if coding.padding > 0 {
        let (padding, with) = (random.below(coding.padding + 1), random.pick(&[0, 0x55]));
        bytes.resize(bytes.len() + padding as usize, with);
    }
    Coded {
        bytes,
        bad: cut || odd || junk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_camera_gives_images_and_a_bad_one_says_so() {
        let mut random = Random::new(1);
        let coding = Coding {
            tables: true,
            padding: 64,
            cuts: 200,
            forgets: 200,
            odd_sizes: 200,
            junk: 200,
            ..Coding::default()
        };
        let (mut bad, mut bare) = (0, 0);
        for stamp in 1..500 {
            let good = code(&coding, &mut random, stamp, (64, 48), false);
            let found = jpeg::read(&good.bytes).unwrap();
            assert!(!good.bad && found.tables && found.behind.is_some());
            assert_eq!((found.stamp, found.size), (stamp, (64, 48)));
            let odd = code(&coding, &mut random, stamp, (64, 48), true);
            let found = jpeg::read(&odd.bytes);
            let right = found.filter(|found| found.size == (64, 48) && found.behind.is_some());
            assert_eq!(right.is_none(), odd.bad);
            bad += u32::from(odd.bad);
            bare += u32::from(right.is_some_and(|found| !found.tables));
        }
        assert!(bad > 100 && bare > 20, "{bad} {bare}");
    }
}
