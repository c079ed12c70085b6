//! NAL units of a byte stream with start codes (annex B of ITU-T H.264 and H.265).
//!
//! Knows where a unit begins and ends. Must never know what is in it. Any bytes will do: what lies before the first start code is no
//! unit.

/// The units, without their start codes and without zeros at their ends; none is empty.
#[must_use]
pub fn units(bytes: &[u8]) -> Units<'_> {
    let (_, rest) = cut(bytes);
    Units { rest }
}

/// The first byte of the first unit, which says what it is.
#[must_use]
pub fn first_header(bytes: &[u8]) -> Option<u8> {
    cut(bytes).1.first().copied()
}

/// See `units`.
#[derive(Clone, Debug)]
pub struct Units<'a> {
    /// What comes behind the next start code.
    rest: &'a [u8],
}

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (unit, rest) = cut(self.rest);
            self.rest = rest;
            // The first byte of a start code of four, and `trailing_zero_8bits`.
            let end = unit.iter().rposition(|&byte| byte != 0);
            if let Some(last) = end {
                return Some(&unit[..=last]);
            }
        }
        None
    }
}

/// What lies before the first start code of three bytes, and behind it.
fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 2;
    while let Some(&byte) = bytes.get(at) {
        // A byte above 1 is part of no start code: none ends before three bytes further on.
        at += match byte {
            0 => 1,
            1 if bytes[at - 2..at] == [0, 0] => return (&bytes[..at - 2], &bytes[at + 1..]),
            _ => 3,
        };
    }
    (bytes, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn found(bytes: &[u8]) -> Vec<&[u8]> {
        units(bytes).collect()
    }

    #[test]
    fn start_codes_of_three_and_four_bytes_and_zeros_between_are_no_part_of_a_unit() {
        let stream = [
            &[0, 0, 0, 1, 0x67, 1, 2][..],
            &[0, 0, 1, 0x68],
            &[0, 0, 0, 0, 0, 1, 0x65, 0, 0, 3, 1, 0, 0],
        ];
        assert_eq!(
            found(&stream.concat()),
            [&[0x67, 1, 2][..], &[0x68], &[0x65, 0, 0, 3, 1]]
        );
    }

    #[test]
    fn bytes_without_a_start_code_hold_no_unit_and_empty_units_are_left_out() {
        for bytes in [&[][..], &[1], &[0, 0], &[0, 0, 2, 0, 1, 1], &[0, 0, 1]] {
            assert!(found(bytes).is_empty(), "{bytes:?}");
        }
        assert_eq!(found(&[9, 9, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 5]), [[5]]);
    }

    #[test]
    fn a_one_behind_any_number_of_other_bytes_is_found_where_it_ends_a_start_code() {
        for before in 0..8 {
            let mut bytes = std::vec![7; before];
            bytes.extend([0, 0, 1, 0x41]);
            assert_eq!(found(&bytes), [[0x41]]);
            bytes[before] = 1;
            assert!(found(&bytes).is_empty());
        }
    }
}
