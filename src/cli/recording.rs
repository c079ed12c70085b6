//! What a recording's options take: lengths of time and sizes, whose units have to be there.
//!
//! Knows ranges. Knows no option, and no file.

use super::number::Unit;
use super::wants::Wants;
use crate::limits::{
    PAST_MS_MAX, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENT_MS_MAX, SEGMENT_MS_MIN,
};
use crate::types::segments::SegmentLimit;

/// How long ago, ms.
pub(super) fn past(text: &[u8]) -> Option<u32> {
    time(text).filter(|past| (1..=PAST_MS_MAX).contains(past))
}

/// A time with its unit, ms: who writes `10` means seconds as often as not.
fn time(text: &[u8]) -> Option<u32> {
    let ms = Unit::Milliseconds.read(text)?;
    let bare = text.last().is_none_or(u8::is_ascii_digit);
    u32::try_from(ms).ok().filter(|_| !bare)
}

/// A size in memory with its unit, in the range of recordings.
pub(super) fn bytes(text: &[u8]) -> Option<u64> {
    let bare = text.last().is_none_or(u8::is_ascii_digit);
    let range = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
    let bytes = Unit::Bytes.read(text)?;
    (!bare && range.contains(&bytes)).then_some(bytes)
}

pub(super) const SEGMENT: Wants =
    Wants::Text("a time, 1s to 24h, or a size, 64K to 1024G, such as 60s, 5min or 64M");

/// Minutes are `min` and bytes `M`: a lower `m` could be both.
pub(super) fn segment(text: &[u8]) -> Option<SegmentLimit> {
    let range = SEGMENT_MS_MIN..=SEGMENT_MS_MAX;
    let minutes = matches!(text, [.., b'0'..=b'9' | b' ', b'm']);
    match time(text).filter(|ms| range.contains(ms)) {
        Some(ms) => Some(SegmentLimit::Time(ms)),
        None => bytes(text).filter(|_| !minutes).map(SegmentLimit::Bytes),
    }
}

pub(super) const KEEP: Wants = Wants::Text("a size, 64K to 1024G, such as 500M or 2G");
