//! Segments of a recording: what ends one, and the names of files that have a number.
//!
//! Pure. Knows text and numbers. Never knows which files there are.

use core::fmt;

use arrayvec::{ArrayString, ArrayVec};

use crate::text::{Escaped, digits};

/// Digits of a segment's number, zeros in front; more where it needs more.
const DIGITS: usize = 6;

/// Longest name of a file, bytes: `NAME_MAX`. The longest number leaves so many for the rest.
const NAME_BYTES: usize = 255;
const NUMBER_BYTES: usize = 10;

/// What stands for the number.
const NUMBER: &[u8] = b"%n";

/// When a segment is long enough: the next one begins with the next key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentLimit {
    /// Of the stream's own time, ms.
    Time(u32),
    /// Bytes of the file.
    Bytes(u64),
}

/// `DIR/NAME-%n.ts`: the names of a recording's files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentPattern<'a> {
    /// With the slash at its end; empty for the working directory.
    folder: &'a [u8],
    before: &'a [u8],
    after: &'a [u8],
}

impl<'a> SegmentPattern<'a> {
    /// The pattern that a path is: with one `%n`, in the file's name, which must have room for it.
    #[must_use]
    pub fn new(path: &'a [u8]) -> Option<Self> {
        let name = path.iter().rposition(|&byte| byte == b'/');
        let (folder, name) = path.split_at(name.map_or(0, |at| at + 1));
        let at = place(name)?;
        let (before, after) = (&name[..at], &name[at + NUMBER.len()..]);
        let fits = before.len() + after.len() + NUMBER_BYTES <= NAME_BYTES;
        (fits && place(folder).is_none() && place(after).is_none()).then_some(Self {
            folder,
            before,
            after,
        })
    }

    /// The folder's path.
    #[must_use]
    pub fn folder(&self) -> &'a [u8] {
        match self.folder {
            b"" => b".",
            folder => folder,
        }
    }

    /// The number of a file with this name; `None` for files that are not of this recording.
    #[must_use]
    pub fn number(&self, name: &[u8]) -> Option<u32> {
        let number = name.strip_prefix(self.before)?.strip_suffix(self.after)?;
        let exact = number.len() == DIGITS || number.len() > DIGITS && number[0] != b'0';
        let number = u32::try_from(digits(number, 10)?).ok()?;
        (exact && number > 0).then_some(number)
    }

    /// The name of the file with this number, without the folder.
    #[must_use]
    pub fn name(&self, number: u32) -> ArrayVec<u8, NAME_BYTES> {
        let mut name = ArrayVec::new();
        let number = text(number);
        for part in [self.before, number.as_bytes(), self.after] {
            // `new` saw to it that it fits.
            let _ = name.try_extend_from_slice(part);
        }
        name
    }

    /// The file's path, to be shown.
    #[must_use]
    pub fn path(&self, number: u32) -> SegmentPath<'a> {
        SegmentPath(*self, number)
    }
}

/// A segment's path, to be shown.
#[derive(Clone, Copy, Debug)]
pub struct SegmentPath<'a>(SegmentPattern<'a>, u32);

impl fmt::Display for SegmentPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(pattern, number) = self;
        let (folder, before) = (Escaped(pattern.folder), Escaped(pattern.before));
        write!(
            f,
            "{folder}{before}{}{}",
            text(*number),
            Escaped(pattern.after)
        )
    }
}

/// Where the number stands in a name.
fn place(name: &[u8]) -> Option<usize> {
    name.windows(NUMBER.len()).position(|two| two == NUMBER)
}

fn text(number: u32) -> ArrayString<NUMBER_BYTES> {
    use fmt::Write;
    let mut text = ArrayString::new();
    // It has room for the longest number.
    let _ = write!(text, "{number:0DIGITS$}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn a_pattern_has_one_number_in_the_files_name() {
        for (path, folder, name) in [
            ("rec-%n.ts", ".", "rec-000007.ts"),
            ("/%n", "/", "000007"),
            ("/media/a b/%n.mp4", "/media/a b/", "000007.mp4"),
            ("100%/cam%%n", "100%/", "cam%000007"),
        ] {
            let pattern = SegmentPattern::new(path.as_bytes()).expect(path);
            assert_eq!(pattern.folder(), folder.as_bytes());
            assert_eq!(pattern.name(7)[..], *name.as_bytes());
            let shown = pattern.path(7).to_string();
            assert_eq!(shown, path.replace("%n", "000007"));
        }
        for path in ["", "rec.ts", "%n/rec.ts", "%n/%n", "%n-%n", "rec-%N", "%n/"] {
            assert_eq!(SegmentPattern::new(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn a_name_has_room_for_the_longest_number() {
        for (bytes, fits) in [(245, true), (246, false)] {
            let path = [&std::vec![b'x'; bytes][..], b"%n"].concat();
            let pattern = SegmentPattern::new(&path);
            assert_eq!(pattern.is_some(), fits);
            assert!(pattern.is_none_or(|pattern| pattern.name(u32::MAX).len() == 255));
        }
    }

    #[test]
    fn only_names_that_are_written_so_are_of_the_recording() {
        let pattern = SegmentPattern::new(b"rec-%n.ts").unwrap();
        for (name, number) in [
            ("rec-000001.ts", Some(1)),
            ("rec-999999.ts", Some(999_999)),
            ("rec-1000000.ts", Some(1_000_000)),
            ("rec-4294967295.ts", Some(u32::MAX)),
            ("rec-4294967296.ts", None),
            ("rec-000000.ts", None),
            ("rec-1.ts", None),
            ("rec-0000001.ts", None),
            ("rec-00001a.ts", None),
            ("rec-+00001.ts", None),
            ("rec-000001.ts~", None),
            ("rec-000001.mp4", None),
            ("xrec-000001.ts", None),
            ("rec-.ts", None),
            (".", None),
        ] {
            assert_eq!(pattern.number(name.as_bytes()), number, "{name}");
        }
        // What is before and after the number may be the same bytes.
        let pattern = SegmentPattern::new(b"aa%naa").unwrap();
        assert_eq!(pattern.number(b"aaa"), None);
    }

    proptest! {
        #[test]
        fn every_number_is_read_back_from_its_name(
            before in "[a-z0-9.%-]{0,9}", after in "[a-z0-9.-]{0,9}", number in 1..=u32::MAX
        ) {
            let path: Vec<u8> = [before.as_bytes(), b"%n", after.as_bytes()].concat();
            if let Some(pattern) = SegmentPattern::new(&path) {
                prop_assert_eq!(pattern.number(&pattern.name(number)), Some(number));
            }
        }

        #[test]
        fn a_name_that_has_a_number_is_the_name_of_that_number(name in "[0-9a]{0,12}") {
            let pattern = SegmentPattern::new(b"%n").unwrap();
            if let Some(number) = pattern.number(name.as_bytes()) {
                prop_assert_eq!(&pattern.name(number)[..], name.as_bytes());
            }
        }
    }
}
