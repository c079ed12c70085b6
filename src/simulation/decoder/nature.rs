//! What kind of decoder or converter a simulated one is, and what it does wrong.

use super::super::format::{Raw, Terms};
use crate::media::fourcc::Fourcc;
use crate::types::flip::Flip;

/// How a decoder marks the end of the frames in the old format, when the format changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulation) enum Change {
    /// DQBUF is EPIPE at once: frames that were not dequeued are lost (bcm2835-codec).
    Cuts,
    /// An empty buffer is marked LAST.
    Marks,
    /// The last frame is marked LAST, where it is known by then; else an empty buffer.
    MarksFrame,
}

/// What DEC_CMD_STOP does, while both queues stream. Before that it does nothing, and is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulation) enum Ends {
    /// The driver does not know the command.
    Unknown,
    /// A buffer marked LAST follows, alone or with the last frame.
    Marks { alone: bool },
    /// LAST never comes.
    Never,
}

/// What an image that ends too early gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulation) enum Cut {
    /// A frame, as if nothing were wrong.
    CameraFrame,
    /// A frame marked ERROR.
    Error,
    /// Nothing.
    Nothing,
}

/// How a converter takes raw frames.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) struct Converts {
    /// The raw formats that it takes, and how it lays them out.
    pub(in crate::simulation) terms: Terms,
    /// OUTPUT buffers can be exported.
    pub(in crate::simulation) exports: bool,
    /// It reads dma-bufs of others.
    pub(in crate::simulation) imports: bool,
    /// It has the controls by which frames are mirrored.
    pub(in crate::simulation) flips: bool,
    /// What comes before CAPTURE streams and has a buffer is thrown away, as firmware does.
    pub(in crate::simulation) discards: bool,
    /// What its user wants: how large the frames are that come in, and how they are mirrored.
    pub(in crate::simulation) size: (u32, u32),
    pub(in crate::simulation) flip: Flip,
}

/// Out of 1000 frames, so many are treated so.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulation) struct Mishaps {
    /// Until then, virtual ns.
    pub(in crate::simulation) until: u64,
    /// No frame.
    pub(in crate::simulation) losses: u32,
    /// A frame marked ERROR.
    pub(in crate::simulation) errors: u32,
    /// An empty buffer marked ERROR.
    pub(in crate::simulation) empty_errors: u32,
    /// A frame with a timestamp that no frame has.
    pub(in crate::simulation) wrong_times: u32,
    /// DQBUF tells another index, or one that there is not.
    pub(in crate::simulation) wrong_index: u32,
    /// A frame marked LAST, though nobody asked.
    pub(in crate::simulation) sudden_last: u32,
    /// DQBUF is EPIPE from then on, though nobody asked.
    pub(in crate::simulation) sudden_pipe: u32,
    /// SOURCE_CHANGE, though nothing changes.
    pub(in crate::simulation) sudden_event: u32,
    /// QBUF refuses the image.
    pub(in crate::simulation) refuses: u32,
    /// DQBUF tells another index of OUTPUT, or one that there is not.
    pub(in crate::simulation) wrong_input: u32,
}

/// What kind of decoder or converter it is.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) struct DecoderNature {
    pub(in crate::simulation) driver: &'static [u8],
    /// The raw formats that it gives, and how it lays them out.
    pub(in crate::simulation) terms: Terms,
    /// It takes raw frames, and makes other ones of them; `None`: it takes coded ones.
    pub(in crate::simulation) converts: Option<Converts>,
    /// The coded formats that it takes.
    pub(in crate::simulation) coded: &'static [Fourcc],
    /// Fewest bytes of a coded buffer.
    pub(in crate::simulation) coded_bytes: u32,
    /// Fewest and most buffers that REQBUFS grants.
    pub(in crate::simulation) outputs: (u32, u32),
    pub(in crate::simulation) captures: (u32, u32),
    pub(in crate::simulation) exports: bool,
    /// It fills dma-bufs of others.
    pub(in crate::simulation) imports: bool,
    /// It knows PREPARE_BUF.
    pub(in crate::simulation) prepares: bool,
    /// It knows G_SELECTION.
    pub(in crate::simulation) selects: bool,
    /// It has rows of its own length: another one that was asked for is a difference, at the first frame.
    pub(in crate::simulation) own_rows: bool,
    pub(in crate::simulation) change: Change,
    pub(in crate::simulation) ends: Ends,
    /// Images without Huffman tables give no frame.
    pub(in crate::simulation) needs_tables: bool,
    /// Images with 0xff between the markers give no frame.
    pub(in crate::simulation) hates_fills: bool,
    pub(in crate::simulation) cut: Cut,
    /// From the beginning of an image's decoding to its frame, ns: one after another.
    pub(in crate::simulation) latency: (u64, u64),
    /// An OUTPUT buffer comes back before the frame.
    pub(in crate::simulation) returns_early: bool,
    pub(in crate::simulation) mishaps: Mishaps,
}

impl DecoderNature {
    /// What a converter's OUTPUT is set to when it is opened.
    pub(super) fn input(&self, size: (u32, u32)) -> Option<Raw> {
        let terms = &self.converts.as_ref()?.terms;
        Some(Raw::new(terms, terms.raw[0], size, [0; 3]))
    }
}
