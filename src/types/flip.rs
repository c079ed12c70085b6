//! Which way frames are mirrored.
//!
//! Knows words. Knows no device.

/// Mirrored so: both are a turn by 180 degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flip {
    /// Left and right change places.
    pub horizontal: bool,
    /// Top and bottom change places.
    pub vertical: bool,
}

impl Flip {
    /// The one of this name: `h`, `v` or `hv`.
    #[must_use]
    pub fn named(text: &[u8]) -> Option<Self> {
        let (horizontal, vertical) = match text {
            b"h" => (true, false),
            b"v" => (false, true),
            b"hv" => (true, true),
            _ => return None,
        };
        Some(Self {
            horizontal,
            vertical,
        })
    }

    /// Whether anything changes places.
    #[must_use]
    pub fn any(self) -> bool {
        self.horizontal || self.vertical
    }
}
