//! Frames per second.

use core::fmt;

use crate::limits::{FRAME_RATE_MAX, FRAME_RATE_MIN_DIVISOR};

/// Frames per second as a fraction in lowest terms; neither part is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames …
    pub numerator: u32,
    /// … in so many seconds.
    pub denominator: u32,
}

impl FrameRate {
    /// 30 frames per second.
    pub const DEFAULT: Self = Self {
        numerator: 30,
        denominator: 1,
    };

    /// The rate in lowest terms; `None` outside `1/FRAME_RATE_MIN_DIVISOR..=FRAME_RATE_MAX` or when a part does not fit.
    #[must_use]
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        let (mut divisor, mut rest) = (numerator, denominator);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        let numerator = u32::try_from(numerator.checked_div(divisor)?).ok()?;
        let denominator = u32::try_from(denominator.checked_div(divisor)?).ok()?;
        let (n, d) = (u64::from(numerator), u64::from(denominator));
        let in_range = d > 0
            && n <= d * u64::from(FRAME_RATE_MAX)
            && d <= n * u64::from(FRAME_RATE_MIN_DIVISOR);
        in_range.then_some(Self {
            numerator,
            denominator,
        })
    }

    /// Whether it is less than another one by more than a twentieth: 30000/1001 is not below 30.
    #[must_use]
    pub fn is_below(self, other: Self) -> bool {
        let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
        product(self.numerator, other.denominator) * 20
            < product(other.numerator, self.denominator) * 19
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_below_another_when_one_would_see_it() {
        let rate = |numerator, denominator| FrameRate::new(numerator, denominator).unwrap();
        let thirty = rate(30, 1);
        for (other, below) in [
            (rate(5, 1), true),
            (rate(25, 1), true),
            (rate(30_000, 1001), false),
            (rate(30, 1), false),
            (rate(60, 1), false),
        ] {
            assert_eq!(other.is_below(thirty), below, "{other}");
        }
    }
}
