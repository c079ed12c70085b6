//! The order in which a raw file's bytes go into a frame's buffers, so that a reader needs no frame of its own.
//!
//! Knows which plane of one format holds the samples of another, and turns a frame into runs of source bytes: as long as the
//! destination allows, or short ones to be spread where Cb and Cr lie in pairs. Must never know a file, a pipe or a mapping.

use core::fmt;
use core::ops::Range;

use super::format::{Content, RawFormat};
use super::fourcc::Fourcc;
use super::layout::FrameLayout;
use crate::limits::PLANES;
use crate::shm::bytes::SharedBytes;

/// Longest run that has to be spread, source bytes: the size of the buffer that a reader keeps for it. A page: one `read` from a pipe
/// hands over whole pages, and half a row of 8192 pixels fits.
pub const SPREAD_BYTES: usize = 4096;

/// Where the next bytes of a source frame go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowTarget {
    /// The destination's memory plane, 0..`PLANES`.
    pub memory_plane: u32,
    /// Where the first byte goes, bytes from the start of the memory plane.
    pub offset: u32,
    /// How many source bytes: at most `SPREAD_BYTES` when `step` is more than 1.
    pub bytes: u32,
    /// Distance between two neighbours in the destination, bytes: 1 for a plain copy, 2 when they are half of a Cb/Cr pair.
    pub step: u32,
}

impl RowTarget {
    /// The bytes of the memory plane from the first to the last one written; with a `step` of 1 read straight into them.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        let start = self.offset as usize;
        let steps = (self.bytes as usize).saturating_sub(1);
        start..start + steps * self.step as usize + usize::from(self.bytes != 0)
    }
}

/// Puts a run of source bytes where its target says; `memory_plane` is the whole memory plane. False, and nothing written, when `run` has
/// another length than the target or the target ends past the memory plane.
#[must_use = "false means that nothing was written"]
pub fn scatter(run: &[u8], target: &RowTarget, memory_plane: SharedBytes<'_>) -> bool {
    let (offset, step) = (target.offset as usize, target.step as usize);
    if run.len() != target.bytes as usize {
        return false;
    }
    if step == 1 {
        memory_plane.copy_in(offset, run)
    } else {
        memory_plane.spread(offset, step, run)
    }
}

/// Why a source's bytes cannot be put into a destination row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsError {
    /// The formats hold different samples; Framemill does not convert colours or scale.
    Unlike {
        /// The source's format.
        source: Fourcc,
        /// The destination's format.
        destination: Fourcc,
    },
    /// The layout is not one of the destination's format.
    Layout,
}

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlike {
                source,
                destination,
            } => write!(
                f,
                "frames of {source} cannot be rearranged to {destination}: the samples differ"
            ),
            Self::Layout => f.write_str("the frame layout does not belong to the format"),
        }
    }
}

impl core::error::Error for RowsError {}

/// A source plane's rows in the destination.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    memory_plane: u32,
    /// Where the next row starts, bytes; u64 because after the last row it may pass the end.
    next_row: u64,
    bytesperline: u32,
    /// Source bytes of a row.
    row_bytes: u32,
    rows_left: u32,
    /// Source bytes of the current row already given out.
    done: u32,
    step: u32,
}

impl Part {
    /// Whether all that is left is one run in the destination.
    fn is_run(&self) -> bool {
        self.step == 1 && (self.rows_left == 1 || self.bytesperline == self.row_bytes)
    }
}

/// The targets of one frame's bytes, in the order of the source: a raw file with its visible rows tightly packed, plane after plane.
#[derive(Clone, Debug)]
pub struct Rows {
    /// In source order, emptied from `current` on.
    parts: [Part; PLANES],
    current: usize,
    count: usize,
}

impl Rows {
    /// Plans one frame. Any format goes into itself and into formats with the same bytes (`YU12` into `YM12`, `AR24` into `XR24`);
    /// three planes also go into planes in another order or into a plane of pairs (`YU12` into `YV12`, `NV12`, `NV21`).
    ///
    /// # Errors
    /// When the formats hold different samples, or `layout` is not one of `destination`.
    pub fn new(
        source: &RawFormat,
        destination: &RawFormat,
        layout: &FrameLayout,
    ) -> Result<Self, RowsError> {
        let unlike = RowsError::Unlike {
            source: source.fourcc,
            destination: destination.fourcc,
        };
        let mut parts = [Part::default(); PLANES];
        let mut uncovered: u32 = bytes_of_a_group_each(destination);
        if layout.planes().len() != destination.planes.len() {
            return Err(RowsError::Layout);
        }
        for (from, part) in source.planes.iter().zip(&mut parts) {
            let (to, placed, phase) = destination
                .planes
                .iter()
                .zip(layout.planes())
                .find_map(|(to, placed)| Some((to, placed, phase(from.content, to.content)?)))
                .ok_or(unlike)?;
            if (from.horizontal, from.vertical) != (to.horizontal, to.vertical)
                || !to.group_bytes.is_multiple_of(from.group_bytes)
            {
                return Err(unlike);
            }
            let step = u32::from(to.group_bytes / from.group_bytes);
            let length = layout.memory_length.get(placed.memory_plane as usize);
            if length.is_none_or(|&length| placed.visible_end() > u64::from(length))
                || placed.bytesperline < placed.row_bytes
                || !placed.row_bytes.is_multiple_of(step)
                || placed.visible_bytes() == 0
            {
                return Err(RowsError::Layout);
            }
            uncovered = uncovered.saturating_sub(u32::from(from.group_bytes));
            *part = Part {
                memory_plane: placed.memory_plane,
                next_row: u64::from(placed.offset) + phase,
                bytesperline: placed.bytesperline,
                row_bytes: placed.row_bytes / step,
                rows_left: placed.rows,
                done: 0,
                step,
            };
        }
        if uncovered != 0 {
            return Err(unlike);
        }
        Ok(Self {
            parts,
            current: 0,
            count: source.planes.len(),
        })
    }
}

/// One group's bytes of each plane, added up: a frame is covered when its sources' groups add up to the same.
fn bytes_of_a_group_each(format: &RawFormat) -> u32 {
    format.planes.iter().map(|p| u32::from(p.group_bytes)).sum()
}

/// Where in a group of `to` the samples of `from` lie, bytes; `None` when they do not.
fn phase(from: Content, to: Content) -> Option<u64> {
    match (from, to) {
        _ if from == to => Some(0),
        (Content::U, Content::Uv) | (Content::V, Content::Vu) => Some(0),
        (Content::U, Content::Vu) | (Content::V, Content::Uv) => Some(1),
        _ => None,
    }
}

impl Iterator for Rows {
    type Item = RowTarget;

    fn next(&mut self) -> Option<RowTarget> {
        let parts = self.parts.get_mut(self.current..self.count)?;
        let (part, later) = parts.split_first_mut()?;
        if part.is_run() {
            let mut bytes = u64::from(part.row_bytes) * u64::from(part.rows_left);
            self.current += 1;
            for next in later {
                let follows = next.memory_plane == part.memory_plane
                    && next.next_row == part.next_row + bytes;
                if !(follows && next.is_run()) {
                    break;
                }
                bytes += u64::from(next.row_bytes) * u64::from(next.rows_left);
                self.current += 1;
            }
            return part.target(part.next_row, bytes);
        }
        let left = part.row_bytes - part.done;
        let bytes = if part.step == 1 {
            left
        } else {
            left.min(SPREAD_BYTES as u32)
        };
        let offset = part.next_row + u64::from(part.done) * u64::from(part.step);
        part.done += bytes;
        if part.done == part.row_bytes {
            part.done = 0;
            part.next_row += u64::from(part.bytesperline);
            part.rows_left -= 1;
        }
        let target = part.target(offset, u64::from(bytes));
        if part.rows_left == 0 {
            self.current += 1;
        }
        target
    }
}

impl Part {
    /// `Rows::new` checked that the plane ends within a length of 32 bits, so both numbers fit.
    fn target(&self, offset: u64, bytes: u64) -> Option<RowTarget> {
        Some(RowTarget {
            memory_plane: self.memory_plane,
            offset: u32::try_from(offset).ok()?,
            bytes: u32::try_from(bytes).ok()?,
            step: self.step,
        })
    }
}

#[cfg(test)]
mod tests;
