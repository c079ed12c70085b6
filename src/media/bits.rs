//! Bits of a NAL unit (ITU-T H.264, 7.2 and 9.1; the same in H.265).
//!
//! Knows how numbers are written. Never knows what they mean. Trusts nothing: behind the end there are no bits.

/// Reads bits, the highest first, and leaves out the bytes that keep start codes from appearing (`emulation_prevention_three_byte`).
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// Zeros just read.
    zeros: u32,
    /// The byte being read, and how many of its bits are left.
    byte: u8,
    left: u32,
}

impl<'a> Bits<'a> {
    /// From the first bit of these bytes on.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            zeros: 0,
            byte: 0,
            left: 0,
        }
    }

    fn next_byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        if self.zeros >= 2 {
            self.zeros = 0;
            match byte {
                3 => return self.next_byte(),
                // A start code: the unit has ended.
                0..3 => return None,
                _ => {}
            }
        }
        self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        Some(byte)
    }

    /// A number of `count` bits, at most 32.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        let mut number = 0;
        for _ in 0..count {
            if self.left == 0 {
                self.byte = self.next_byte()?;
                self.left = 8;
            }
            self.left -= 1;
            number = number << 1 | u32::from(self.byte >> self.left & 1);
        }
        Some(number)
    }

    /// A bit that says yes or no.
    pub fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// An unsigned Exp-Golomb number (9.1).
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// One that is no more than 7: a chroma format, or how many bits more than 8 a sample has.
    pub fn few(&mut self) -> Option<u8> {
        let number = self.ue()?;
        (number <= 7).then_some(number as u8)
    }

    /// A signed one (9.1.1).
    pub fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 {
            code / 2 + 1
        } else {
            -(code / 2)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulation_prevention_is_left_out_and_a_start_code_ends_the_unit() {
        let read = |bytes: &[u8], count| Bits::new(bytes).take(count);
        assert_eq!(read(&[0, 0, 3, 1], 24), Some(1));
        assert_eq!(read(&[0, 0, 3, 0, 0, 3, 2], 32), Some(0));
        assert_eq!(read(&[0, 3, 0, 3], 32), Some(0x0003_0003));
        assert_eq!(read(&[0, 0, 1, 0xff], 24), None);
        let mut numbers = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let found = [0; 4].map(|_| numbers.ue().unwrap());
        assert_eq!(found, [0, 1, 2, 3]);
    }
}
