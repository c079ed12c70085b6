//! What kind of encoder a simulated one is, and what it does wrong.

use super::super::format::Terms;
use crate::media::fourcc::Fourcc;

/// How the driver answers S_SELECTION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulation) enum Crop {
    Exact,
    Missing,
    Ignored,
    Cuts,
}

/// What ENC_CMD_STOP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulation) enum Stops {
    /// The driver does not know the command.
    Unknown,
    /// A buffer marked LAST follows, alone or with the last packet. A second STOP is EBUSY, or does nothing.
    Marks { alone: bool, busy: bool },
    /// LAST comes while frames are inside.
    Early,
    /// LAST never comes.
    Never,
    /// Two buffers are marked.
    Twice,
    /// No buffer is marked: what there is instead. Without a buffer DQBUF says EPIPE, or nothing but the event tells.
    Unmarked {
        buffer: bool,
        event: bool,
        pipe: bool,
    },
}

/// Out of 1000 frames, so many are treated so.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulation) struct Mischief {
    /// Until then, virtual ns.
    pub(in crate::simulation) until: u64,
    /// No packet.
    pub(in crate::simulation) drops: u32,
    /// An empty buffer with the frame's time.
    pub(in crate::simulation) empties: u32,
    /// The same, marked ERROR.
    pub(in crate::simulation) errors: u32,
    /// A packet marked ERROR.
    pub(in crate::simulation) damages: u32,
    /// A packet with timestamp 0.
    pub(in crate::simulation) zero_times: u32,
    /// A packet with a timestamp that no frame has.
    pub(in crate::simulation) wrong_times: u32,
    /// The packet twice.
    pub(in crate::simulation) twice: u32,
    /// DQBUF tells another index, or one that there is not.
    pub(in crate::simulation) wrong_index: u32,
    /// More bytes than the buffer has, or an offset behind its end.
    pub(in crate::simulation) wrong_size: u32,
    /// LAST, though nobody asked.
    pub(in crate::simulation) sudden_last: u32,
    /// QBUF refuses the frame.
    pub(in crate::simulation) refuses: u32,
}

/// What kind of encoder it is.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) struct Nature {
    pub(in crate::simulation) driver: &'static [u8],
    pub(in crate::simulation) terms: Terms,
    pub(in crate::simulation) codec: Fourcc,
    pub(in crate::simulation) crop: Crop,
    /// Fewest and most buffers that REQBUFS grants.
    pub(in crate::simulation) outputs: (u32, u32),
    pub(in crate::simulation) captures: (u32, u32),
    pub(in crate::simulation) capture_bytes: u32,
    pub(in crate::simulation) exports: bool,
    pub(in crate::simulation) imports: bool,
    /// It knows PREPARE_BUF.
    pub(in crate::simulation) prepares: bool,
    /// It can be told to make a key frame.
    pub(in crate::simulation) forces: bool,
    pub(in crate::simulation) stops: Stops,
    /// STREAMOFF of both queues loses the encoder, and S_FMT of CAPTURE makes another.
    pub(in crate::simulation) forgets: bool,
    /// It does nothing where OUTPUT starts before CAPTURE streams.
    pub(in crate::simulation) capture_first: bool,
    /// Where the payload of a CAPTURE buffer begins, bytes.
    pub(in crate::simulation) data_offset: u32,
    /// From QBUF to the packet, ns.
    pub(in crate::simulation) latency: (u64, u64),
    /// An OUTPUT buffer comes back before the packet …
    pub(in crate::simulation) returns_early: bool,
    /// … or only when the packet is made, also that of a frame which it looks ahead over.
    pub(in crate::simulation) keeps: bool,
    /// Frames that it looks ahead over.
    pub(in crate::simulation) ahead: usize,
    /// Two packets may change places.
    pub(in crate::simulation) reorders: bool,
    /// Parameter sets come in a buffer of their own.
    pub(in crate::simulation) headers_alone: bool,
    /// Out of 1000 packets so many need several buffers.
    pub(in crate::simulation) splits: u32,
    pub(in crate::simulation) mischief: Mischief,
}
