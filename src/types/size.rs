//! Width and height.

use core::fmt;

/// Width and height of a frame in pixels, each `FRAME_SIDE_MIN..=FRAME_SIDE_MAX` when it comes from a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}
