//! Which frame sizes a raw format has: formats that share chroma between pixels have even sides only.
//!
//! Knows subsampling. Knows no driver's limits; those come back from `VIDIOC_S_FMT`.

use core::fmt;

use super::format::RawFormat;
use super::fourcc::Fourcc;

/// A frame size that the raw format does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OddSize {
    /// The raw format; `None` when it is not known, only that it is 4:2:0.
    pub format: Option<Fourcc>,
    /// Width and height, pixels.
    pub size: (u32, u32),
    /// What width and height must be multiples of, pixels: 1 or 2 each.
    pub step: (u32, u32),
}

impl fmt::Display for OddSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides = [
            ("width", self.size.0, self.step.0),
            ("height", self.size.1, self.step.1),
        ];
        write!(f, "{}x{}: ", self.size.0, self.size.1)?;
        let mut lead = "";
        for (side, pixels, step) in sides {
            if !pixels.is_multiple_of(step) {
                let (below, above) = (pixels - pixels % step, pixels.next_multiple_of(step));
                write!(f, "{lead}the {side} must be even, {below} or {above}")?;
                lead = "; ";
            }
        }
        match self.format {
            Some(format) => write!(f, " (pixels of {format} share their chroma)"),
            None => f.write_str(" (pixels of 4:2:0 share their chroma)"),
        }
    }
}

impl core::error::Error for OddSize {}

impl RawFormat {
    /// What width and height must be multiples of, pixels: as many as share a chroma sample, 1 or 2 each.
    #[must_use]
    pub fn size_step(&self) -> (u32, u32) {
        let step = |side: fn(&super::format::ColourPlane) -> u8| {
            self.planes.iter().map(side).max().unwrap_or(1).into()
        };
        (step(|plane| plane.horizontal), step(|plane| plane.vertical))
    }

    /// Whether a frame of this size has whole chroma samples.
    ///
    /// # Errors
    /// When a side is odd; the error names it and the nearest values.
    pub fn check_size(&self, size: (u32, u32)) -> Result<(), OddSize> {
        let step = self.size_step();
        if size.0.is_multiple_of(step.0) && size.1.is_multiple_of(step.1) {
            return Ok(());
        }
        Err(OddSize {
            format: Some(self.fourcc),
            size,
            step,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{FORMATS, lookup};
    use super::*;
    use std::string::{String, ToString};

    fn refusal(code: &[u8; 4], size: (u32, u32)) -> String {
        let format = lookup(Fourcc::new(*code)).unwrap();
        let answer = format.check_size(size);
        answer.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn an_odd_side_is_named_with_the_nearest_even_values() {
        assert_eq!(
            refusal(b"YU12", (853, 480)),
            "853x480: the width must be even, 852 or 854 (pixels of YU12 share their chroma)"
        );
        assert_eq!(
            refusal(b"NV12", (175, 143)),
            "175x143: the width must be even, 174 or 176; the height must be even, 142 or 144 (pixels of NV12 share their chroma)"
        );
        assert!(refusal(b"YUYV", (17, 16)).contains("the width must be even, 16 or 18"));
    }

    #[test]
    fn sides_that_share_no_chroma_may_be_odd() {
        for (code, size) in [
            (b"422P", (640, 361)),
            (b"YUYV", (640, 361)),
            (b"NV24", (641, 361)),
            (b"GREY", (641, 361)),
            (b"RGB3", (641, 361)),
            (b"YU12", (640, 360)),
        ] {
            assert_eq!(refusal(code, size), "");
        }
    }

    #[test]
    fn frames_of_sizes_that_pass_have_whole_chroma_samples_in_every_format() {
        for format in FORMATS {
            for size in [(16, 16), (17, 16), (16, 17), (17, 17)] {
                let exact = format.planes.iter().all(|plane| {
                    size.0 % u32::from(plane.horizontal) == 0
                        && size.1 % u32::from(plane.vertical) == 0
                });
                assert_eq!(format.check_size(size).is_ok(), exact, "{}", format.fourcc);
            }
        }
    }
}
