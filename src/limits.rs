//! Every capacity, budget and timeout, each with its reason. Nothing else in the tree holds such a number.

/// Longest sentence of a failure, bytes. A path, a call, an errno's text and a hint fit; more would not be read.
pub const MESSAGE_BYTES: usize = 400;

/// Most colour planes and most memory planes of a frame. Formats that encoders take have at most three (Y, U, V);
/// V4L2's own limit is `VIDEO_MAX_PLANES` (8).
pub const PLANES: usize = 3;
