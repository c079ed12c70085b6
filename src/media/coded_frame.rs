//! A coded frame on its way into a container.
//!
//! Knows what a container has to know of a frame, whatever container it is. Never knows where it comes from or goes to.

/// A frame's bytes, and what they are.
#[derive(Clone, Copy, Debug)]
pub struct CodedFrame<'a> {
    /// When it is shown: 1/90000 s since the stream's first frame.
    pub ticks: u64,
    /// Decoding can start here.
    pub key: bool,
    /// Something was lost or restarted before it, or its time does not follow from that of the frame before.
    pub cut: bool,
    /// Codec headers to be put before its bytes; empty when it has its own, or needs none.
    pub headers: &'a [u8],
    /// The coded bytes.
    pub bytes: &'a [u8],
}

/// Takes a container's bytes, piece by piece. Whether they arrive is its own affair.
pub type Sink<'a> = dyn FnMut(&[u8]) + 'a;

/// Ticks a second, in MPEG-TS and here in MP4.
pub const TICKS: u64 = 90_000;

/// Nanoseconds as ticks, rounded down.
#[must_use]
pub const fn ticks(ns: u64) -> u64 {
    // Nine ticks are 100 us. Nothing overflows.
    ns / 100_000 * 9 + ns % 100_000 * 9 / 100_000
}
