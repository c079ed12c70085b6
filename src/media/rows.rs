//! The order in which a raw file's bytes go into a frame's buffers, so that a reader needs no frame of its own.
//!
//! Knows which plane of one format holds the samples of another, and turns a frame into runs of source bytes: as long as the
//! destination allows, or short ones to be spread where Cb and Cr lie in pairs. Must never know a file, a pipe or a mapping.

use core::fmt;
use core::ops::Range;

use super::format::{Content, RawFormat};
use super::fourcc::Fourcc;
use super::layout::{FrameLayout, PlaneLayout};
use super::source::SourceLayout;
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
    /// Padding that follows in the source, bytes: to be passed over.
    pub skip: u32,
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
    /// The source has more or longer rows than the destination.
    Size,
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
            Self::Size => f.write_str("the frames are larger than those that the engine takes"),
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
    /// Padding after each source row, bytes.
    skip_row: u32,
    /// Padding after the last source row, bytes.
    skip_end: u32,
}

impl Part {
    /// Whether all that is left is one run in both source and destination.
    fn is_run(&self) -> bool {
        let together = self.bytesperline == self.row_bytes && self.skip_row == 0;
        self.step == 1 && (self.rows_left == 1 || together)
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
                ..Part::default()
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

    /// Plans one frame whose rows lie as `input` says, and may be a little smaller than the destination's: what is left of those is
    /// `extend_edges`' to fill.
    ///
    /// # Errors
    /// As `new`, and when the source's rows are more or longer than the destination's.
    pub fn padded(
        source: &RawFormat,
        input: &SourceLayout,
        destination: &RawFormat,
        layout: &FrameLayout,
    ) -> Result<Self, RowsError> {
        let mut rows = Self::new(source, destination, layout)?;
        for (part, plane) in rows.parts.iter_mut().zip(input.planes()) {
            if plane.row_bytes > part.row_bytes || plane.rows > part.rows_left {
                return Err(RowsError::Size);
            }
            part.row_bytes = plane.row_bytes;
            part.rows_left = plane.rows;
            part.skip_row = plane.stride - plane.row_bytes;
            let below = u64::from(plane.allocated_rows - plane.rows) * u64::from(plane.stride);
            let skip = below + u64::from(part.skip_row);
            part.skip_end = u32::try_from(skip).map_err(|_| RowsError::Size)?;
        }
        Ok(rows)
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

impl Rows {
    /// As `next`, but all rows of a plane at once where they differ in nothing but their place: gives the first one, how many there are,
    /// and how far apart they begin, bytes. Nothing lies between them in the source; the first one's `skip` follows the last.
    pub fn next_rows(&mut self) -> Option<(RowTarget, u32, u32)> {
        let parts = self.parts.get_mut(self.current..self.count)?;
        let part = parts.first_mut()?;
        if part.step != 1 || part.done != 0 || part.skip_row != 0 || part.is_run() {
            return Some((self.next()?, 1, 0));
        }
        self.current += 1;
        let target = part.target(part.next_row, part.row_bytes.into(), part.skip_end)?;
        Some((target, part.rows_left, part.bytesperline))
    }
}

impl Iterator for Rows {
    type Item = RowTarget;

    fn next(&mut self) -> Option<RowTarget> {
        let parts = self.parts.get_mut(self.current..self.count)?;
        let (part, later) = parts.split_first_mut()?;
        if part.is_run() {
            let mut bytes = u64::from(part.row_bytes) * u64::from(part.rows_left);
            let mut skip = part.skip_end;
            self.current += 1;
            for next in later {
                let follows = next.memory_plane == part.memory_plane
                    && next.next_row == part.next_row + bytes;
                if !(follows && next.is_run() && skip == 0) {
                    break;
                }
                bytes += u64::from(next.row_bytes) * u64::from(next.rows_left);
                skip = next.skip_end;
                self.current += 1;
            }
            return part.target(part.next_row, bytes, skip);
        }
        let left = part.row_bytes - part.done;
        let bytes = if part.step == 1 {
            left
        } else {
            left.min(SPREAD_BYTES as u32)
        };
        let offset = part.next_row + u64::from(part.done) * u64::from(part.step);
        part.done += bytes;
        let mut skip = 0;
        if part.done == part.row_bytes {
            part.done = 0;
            part.next_row += u64::from(part.bytesperline);
            part.rows_left -= 1;
            skip = match part.rows_left {
                0 => part.skip_end,
                _ => part.skip_row,
            };
        }
        let target = part.target(offset, u64::from(bytes), skip);
        if part.rows_left == 0 {
            self.current += 1;
        }
        target
    }
}

impl Part {
    /// `Rows::new` checked that the plane ends within a length of 32 bits, so both numbers fit.
    fn target(&self, offset: u64, bytes: u64, skip: u32) -> Option<RowTarget> {
        Some(RowTarget {
            memory_plane: self.memory_plane,
            offset: u32::try_from(offset).ok()?,
            bytes: u32::try_from(bytes).ok()?,
            step: self.step,
            skip,
        })
    }
}

/// What a source fills of a destination's colour plane: bytes of a row, and rows; nothing of a plane that does not exist.
#[must_use]
pub fn filled(
    source: &RawFormat,
    input: &SourceLayout,
    destination: &RawFormat,
    plane: usize,
) -> (u32, u32) {
    let Some(to) = destination.planes.get(plane) else {
        return (0, 0);
    };
    let mut sources = source.planes.iter().zip(input.planes());
    sources
        .find(|(from, _)| phase(from.content, to.content).is_some())
        .map_or((0, 0), |(from, placed)| {
            let step = u32::from(to.group_bytes / from.group_bytes);
            (placed.row_bytes * step, placed.rows)
        })
}

/// Fills what a smaller source leaves of a destination plane: each row is continued with its last sample group, and the rows below
/// are the last one again. `memory_plane` is the whole memory plane, `group_bytes` 1 to 4, `filled` the bytes of a row and the rows that
/// the source had.
pub fn extend_edges(
    memory_plane: SharedBytes<'_>,
    plane: &PlaneLayout,
    group_bytes: usize,
    filled: (u32, u32),
) {
    let (row_bytes, rows) = (
        filled.0.min(plane.row_bytes) as usize,
        filled.1.min(plane.rows),
    );
    let mut group = [0; 4];
    let Some(group) = group.get_mut(..group_bytes) else {
        return;
    };
    if row_bytes < group_bytes || group_bytes == 0 {
        return;
    }
    for row in 0..rows {
        let Some(start) = plane.row_start(row) else {
            return;
        };
        let end = start + plane.row_bytes as usize;
        let last = start + row_bytes - group_bytes;
        if !memory_plane.copy_out(last, group) {
            return;
        }
        for at in (start + row_bytes..end).step_by(group_bytes) {
            // A frame's rows hold whole groups, and end within the memory plane.
            let _ = memory_plane.copy_in(at, group);
        }
    }
    let Some(last) = rows.checked_sub(1).and_then(|last| plane.row_start(last)) else {
        return;
    };
    for row in rows..plane.rows {
        let from = memory_plane.part(last, plane.row_bytes as usize);
        if let Some((start, from)) = plane.row_start(row).zip(from) {
            let _ = memory_plane.copy_from(start, from);
        }
    }
}

#[cfg(test)]
mod tests;
