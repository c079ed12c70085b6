//! JPEG pictures as parts of `multipart/x-mixed-replace` (RFC 2046, 5.1), which browsers show one in place of the other.
//!
//! Knows the lines around a part. Never knows the picture, nor the header of HTTP before the first one.

use core::fmt::Write;

use arrayvec::ArrayString;

/// What stands before the first part. The lines behind a part end with the same, so that a reader knows at once that the part is whole:
/// Chromium shows it then.
pub const BEGIN: &[u8] = b"--framemill\r\n";

/// What stands behind each part.
pub const END: &[u8] = b"\r\n--framemill\r\n";

/// Longest header, bytes: 67 of words, two numbers of 20 digits and one of 6.
const HEADER_BYTES: usize = 128;

/// The header of a part with so many bytes, of this time, ns: seconds with six digits behind the point, as ustreamer and mjpg-streamer say it.
#[must_use]
pub fn header(length: usize, timestamp: u64) -> ArrayString<HEADER_BYTES> {
    let us = timestamp / 1000;
    let (seconds, us) = (us / 1_000_000, us % 1_000_000);
    let mut header = ArrayString::new();
    // It has room for the longest numbers.
    let _ = write!(
        header,
        "Content-Type: image/jpeg\r\nContent-Length: {length}\r\nX-Timestamp: {seconds}.{us:06}\r\n\r\n"
    );
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_has_length_and_time_also_the_longest() {
        assert_eq!(
            header(1234, 5_000_067_999).as_str(),
            "Content-Type: image/jpeg\r\nContent-Length: 1234\r\nX-Timestamp: 5.000067\r\n\r\n"
        );
        assert!(header(usize::MAX, u64::MAX).ends_with(": 18446744073.709551\r\n\r\n"));
    }
}
