//! A set of raw formats: what a camera gives, what an encoder takes.
//!
//! Knows `FORMATS` and its order, which is the order of preference. Knows no device.

use core::fmt;

use super::format::{FORMATS, RawFormat};
use super::fourcc::Fourcc;

/// Raw formats by their index in `FORMATS`, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FormatSet(u64);

const _: () = assert!(FORMATS.len() <= u64::BITS as usize);

impl FormatSet {
    /// Every format in `FORMATS`.
    pub const ALL: Self = Self(u64::MAX >> (u64::BITS as usize - FORMATS.len()));

    /// The format of this code alone; empty when the code is not in `FORMATS`.
    #[must_use]
    pub fn of(code: Fourcc) -> Self {
        let index = FORMATS.iter().position(|format| format.fourcc == code);
        Self(index.map_or(0, |index| 1 << index))
    }

    /// Adds the format of this code; no effect when the code is not in `FORMATS`.
    pub fn insert(&mut self, code: Fourcc) {
        self.0 |= Self::of(code).0;
    }

    /// Removes a format.
    pub fn remove(&mut self, format: &RawFormat) {
        self.0 &= !Self::of(format.fourcc).0;
    }

    /// Whether a format is in the set.
    #[must_use]
    pub fn contains(&self, format: &RawFormat) -> bool {
        self.0 & Self::of(format.fourcc).0 != 0
    }

    /// Whether the format of this code is in the set.
    #[must_use]
    pub fn contains_code(&self, code: Fourcc) -> bool {
        self.0 & Self::of(code).0 != 0
    }

    /// The formats in the set, in the order of `FORMATS`.
    pub fn iter(self) -> impl Iterator<Item = &'static RawFormat> {
        let indexed = FORMATS.iter().enumerate();
        indexed.filter_map(move |(index, format)| (self.0 >> index & 1 == 1).then_some(format))
    }

    /// The format to use where nobody names one; `None` for an empty set.
    #[must_use]
    pub fn preferred(self) -> Option<&'static RawFormat> {
        self.iter().next()
    }
}

/// `YU12 NV12`, in the order of `FORMATS`; `none` for an empty set.
impl fmt::Display for FormatSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lead = "";
        for format in self.iter() {
            write!(f, "{lead}{}", format.fourcc)?;
            lead = " ";
        }
        f.write_str(if lead.is_empty() { "none" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn set(codes: &[&[u8; 4]]) -> FormatSet {
        let mut set = FormatSet::default();
        for code in codes {
            set.insert(Fourcc::new(**code));
        }
        set
    }

    #[test]
    fn the_preferred_format_does_not_depend_on_the_drivers_order() {
        for (offered, preferred) in [
            (&[b"GREY", b"NV12", b"YU12"][..], b"YU12"),
            (&[b"NV12"], b"NV12"),
            (&[b"YUYV", b"NV21", b"NV12"], b"NV12"),
            (&[b"RGB3", b"YUYV"], b"YUYV"),
            (&[b"NM12"], b"NM12"),
        ] {
            let format = set(offered).preferred().unwrap();
            assert_eq!(format.fourcc, Fourcc::new(*preferred));
        }
        // Coded and unknown formats are not in `FORMATS`.
        assert_eq!(set(&[b"H264", b"NC12"]).preferred(), None);
    }

    #[test]
    fn a_set_is_written_in_the_order_of_preference() {
        assert_eq!(set(&[b"NV12", b"YU12"]).to_string(), "YU12 NV12");
        assert_eq!(FormatSet::default().to_string(), "none");
    }

    #[test]
    fn all_holds_each_format_and_what_is_removed_is_gone() {
        let mut all = FormatSet::ALL;
        assert_eq!(all.iter().count(), FORMATS.len());
        let first = all.preferred().unwrap();
        assert!(all.contains(first));
        all.remove(first);
        assert!(!all.contains(first));
    }
}
