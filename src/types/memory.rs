//! Where frames lie.

/// Where the frame ring's slots live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryChoice {
    /// Exported if the driver can, copied otherwise.
    #[default]
    Auto,
    /// The encoder's own buffers, exported; refuse to start otherwise.
    Export,
    /// A memfd, each frame copied into the encoder's buffer.
    Copy,
}
