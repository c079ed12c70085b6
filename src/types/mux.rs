//! In what form packets are written.
//!
//! Knows the names of the forms. What each is, `media` knows.

/// How `tap` writes packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mux {
    /// The coded bytes as they are.
    #[default]
    Annexb,
    /// An MPEG transport stream.
    Ts,
    /// Fragmented MP4.
    Mp4,
    /// JPEG frames as parts of `multipart/x-mixed-replace`.
    Mjpeg,
    /// A header of 32 bytes before each packet's bytes.
    Packets,
}
