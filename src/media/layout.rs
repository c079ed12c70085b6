//! Where the rows of a raw frame lie: in a driver's buffers, or tightly packed in a file.
//!
//! Knows the arithmetic from size, bytesperline and buffer length to row addresses, and checks all of it: a driver's numbers are
//! claims until a `FrameLayout` exists. Must never know a mapping, an fd or what a sample means.

use core::fmt;

use super::format::{ColourPlane, RawFormat};
use crate::limits::PLANES;

/// One colour plane's rows within a memory plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaneLayout {
    /// Which memory plane it lies in, 0..`PLANES`.
    pub memory_plane: u32,
    /// Where its first row starts, bytes from the start of the memory plane.
    pub offset: u32,
    /// From one row's start to the next one's, bytes; at least `row_bytes`.
    pub bytesperline: u32,
    /// Visible bytes of a row, at least 1.
    pub row_bytes: u32,
    /// Visible rows, at least 1.
    pub rows: u32,
    /// Rows that the buffer has room for, at least `rows`.
    pub allocated_rows: u32,
}

impl PlaneLayout {
    /// Whether the visible rows follow each other without a gap, so that they are one run of bytes.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        self.bytesperline == self.row_bytes || self.rows == 1
    }

    /// Bytes of all visible rows, without padding.
    #[must_use]
    pub fn visible_bytes(&self) -> u64 {
        u64::from(self.row_bytes) * u64::from(self.rows)
    }

    /// Where a visible row starts, bytes from the start of the memory plane; `None` past the last one.
    #[must_use]
    pub fn row_start(&self, row: u32) -> Option<usize> {
        if row >= self.rows {
            return None;
        }
        let start = u64::from(self.offset) + u64::from(self.bytesperline) * u64::from(row);
        usize::try_from(start).ok()
    }

    /// One past the last visible byte, bytes from the start of the memory plane.
    #[must_use]
    pub fn visible_end(&self) -> u64 {
        let last_row = u64::from(self.rows.saturating_sub(1));
        u64::from(self.offset) + u64::from(self.bytesperline) * last_row + u64::from(self.row_bytes)
    }
}

/// What two descriptions of a frame must have in common for the one's buffers to be the other's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Bytes from one row to the next in each memory plane, as V4L2 counts them: of its first colour plane, from which those of the
    /// others follow. Zero for memory planes that there are not.
    pub bytesperline: [u32; PLANES],
    /// Where each colour plane's first row starts, bytes from the start of its memory plane. Zero for planes that there are not.
    pub offset: [u32; PLANES],
}

/// Where each colour plane of a frame lies. Made by `RawFormat::layout` and `RawFormat::tight` only from numbers that fit:
/// planes do not overlap, and each ends within its memory plane's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameLayout {
    /// The colour planes, in the order of `RawFormat::planes`; entries past `plane_count` are zero.
    pub planes: [PlaneLayout; PLANES],
    /// How many colour planes there are, 1..=`PLANES`.
    pub plane_count: u32,
    /// How many memory planes there are, 1..=`PLANES`.
    pub memory_plane_count: u32,
    /// Bytes of each memory plane; zero past `memory_plane_count`.
    pub memory_length: [u32; PLANES],
}

impl FrameLayout {
    /// The colour planes in use.
    #[must_use]
    pub fn planes(&self) -> &[PlaneLayout] {
        self.planes
            .get(..self.plane_count as usize)
            .unwrap_or(&self.planes)
    }

    /// Where its planes start and how far apart their rows lie.
    #[must_use]
    pub fn placement(&self) -> Placement {
        let mut placement = Placement::default();
        for (number, plane) in self.planes().iter().enumerate().rev() {
            // The last one seen is the memory plane's first.
            placement.bytesperline[plane.memory_plane as usize] = plane.bytesperline;
            placement.offset[number] = plane.offset;
        }
        placement
    }

    /// Bytes of one frame in a raw file: all visible rows, tightly packed.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        self.planes().iter().map(PlaneLayout::visible_bytes).sum()
    }

    /// Bytes from the start of each memory plane to the end of the last visible row in it: a frame with fewer is not whole.
    #[must_use]
    pub fn visible_ends(&self) -> [u32; PLANES] {
        let mut ends = [0; PLANES];
        for plane in self.planes() {
            if let Some(end) = ends.get_mut(plane.memory_plane as usize) {
                // It is at most `memory_length`.
                *end = u32::try_from(plane.visible_end())
                    .unwrap_or(u32::MAX)
                    .max(*end);
            }
        }
        ends
    }

    /// Whether each memory plane is one gapless run of visible bytes from its start, just as a raw file has them.
    #[must_use]
    pub fn is_packed(&self) -> bool {
        let mut next = [0u64; PLANES];
        self.planes().iter().all(|plane| {
            let Some(expected) = next.get_mut(plane.memory_plane as usize) else {
                return false;
            };
            let follows = u64::from(plane.offset) == *expected;
            *expected = plane.visible_end();
            follows && plane.is_packed()
        })
    }
}

/// Why a frame of this size cannot lie in these buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// The visible size is empty, or higher than the rows the driver laid out.
    Size {
        /// Visible width, pixels.
        width: u32,
        /// Visible height, rows.
        height: u32,
        /// Rows the driver laid out.
        coded_height: u32,
    },
    /// The driver described fewer memory planes than the format has.
    MemoryPlanes {
        /// How many the format has.
        expected: u32,
        /// How many were described.
        found: u32,
    },
    /// A row is longer than the distance to the next one.
    Stride {
        /// The colour plane, from 0.
        plane: u32,
        /// The distance between its rows, bytes.
        bytesperline: u64,
        /// Bytes that a row needs.
        needed: u64,
    },
    /// The rows end past the buffer's end.
    Length {
        /// The colour plane, from 0.
        plane: u32,
        /// The memory plane it lies in, from 0.
        memory_plane: u32,
        /// The memory plane's length, bytes.
        length: u32,
        /// Bytes that it needs up to this colour plane's end.
        needed: u64,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size { .. } => "fewer rows than the picture",
            Self::MemoryPlanes { .. } => "fewer memory planes than the format",
            Self::Stride { .. } => "bytesperline is less than a row",
            Self::Length { .. } => "sizeimage is less than a frame",
        })
    }
}

impl core::error::Error for LayoutError {}

impl RawFormat {
    /// Where the rows lie in a driver's buffers. `coded_height` is the height the driver returned (at least the visible one);
    /// `bytesperline` and `sizeimage` are what it returned for each memory plane, bytes; entries past the format's memory planes are
    /// ignored.
    ///
    /// # Errors
    /// When the numbers do not hold a picture of that size; the error says which.
    pub fn layout(
        &self,
        visible_width: u32,
        visible_height: u32,
        coded_height: u32,
        bytesperline: &[u32],
        sizeimage: &[u32],
    ) -> Result<FrameLayout, LayoutError> {
        let expected = self.memory_plane_count();
        let found = bytesperline.len().min(sizeimage.len());
        if found < expected as usize {
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            return Err(LayoutError::MemoryPlanes { expected, found });
        }
        let mut lengths = [0; PLANES];
        lengths[..expected as usize].copy_from_slice(&sizeimage[..expected as usize]);
        self.place(
            (visible_width, visible_height, coded_height),
            lengths,
            &|plane: &ColourPlane, _| {
                let first = u64::from(bytesperline[usize::from(plane.memory_plane)]);
                first * u64::from(plane.stride_halves) / 2
            },
        )
    }

    /// A frame as a raw file has it: visible rows only, planes one after the other, chroma of odd sizes rounded up. Formats with several
    /// memory planes start each at offset 0; a file has the memory planes one after the other.
    ///
    /// # Errors
    /// `Size` for an empty picture, `Length` for one of 4 GiB or more.
    pub fn tight(&self, width: u32, height: u32) -> Result<FrameLayout, LayoutError> {
        let mut layout = self.place(
            (width, height, height),
            [u32::MAX; PLANES],
            &|_: &ColourPlane, row_bytes| row_bytes,
        )?;
        layout.memory_length = [0; PLANES];
        for plane in &layout.planes[..layout.plane_count as usize] {
            // `place` checked that the end fits u32.
            layout.memory_length[plane.memory_plane as usize] =
                u32::try_from(plane.visible_end()).unwrap_or(u32::MAX);
        }
        Ok(layout)
    }

    /// Puts the colour planes one after the other into their memory planes.
    fn place(
        &self,
        (width, height, coded_height): (u32, u32, u32),
        memory_length: [u32; PLANES],
        stride: &dyn Fn(&ColourPlane, u64) -> u64,
    ) -> Result<FrameLayout, LayoutError> {
        if width == 0 || height == 0 || coded_height < height {
            return Err(LayoutError::Size {
                width,
                height,
                coded_height,
            });
        }
        let mut layout = FrameLayout {
            memory_plane_count: self.memory_plane_count(),
            memory_length,
            ..FrameLayout::default()
        };
        let mut next = [0u32; PLANES];
        for (index, (plane, placed)) in (0u32..).zip(self.planes.iter().zip(&mut layout.planes)) {
            let memory_plane = usize::from(plane.memory_plane);
            let groups = width.div_ceil(u32::from(plane.horizontal));
            let row_bytes = u64::from(groups) * u64::from(plane.group_bytes);
            let bytesperline = stride(plane, row_bytes);
            let allocated_rows = coded_height.div_ceil(u32::from(plane.vertical));
            if row_bytes > bytesperline {
                return Err(LayoutError::Stride {
                    plane: index,
                    bytesperline,
                    needed: row_bytes,
                });
            }
            let offset = next[memory_plane];
            let needed = bytesperline
                .saturating_mul(u64::from(allocated_rows))
                .saturating_add(u64::from(offset));
            let too_long = LayoutError::Length {
                plane: index,
                memory_plane: u32::from(plane.memory_plane),
                length: memory_length[memory_plane],
                needed,
            };
            let end = u32::try_from(needed).map_err(|_| too_long)?;
            if end > memory_length[memory_plane] {
                return Err(too_long);
            }
            next[memory_plane] = end;
            *placed = PlaneLayout {
                memory_plane: u32::from(plane.memory_plane),
                offset,
                // Both are at most `end - offset`, because there is at least one row.
                bytesperline: u32::try_from(bytesperline).map_err(|_| too_long)?,
                row_bytes: u32::try_from(row_bytes).map_err(|_| too_long)?,
                rows: height.div_ceil(u32::from(plane.vertical)),
                allocated_rows,
            };
            layout.plane_count = index + 1;
        }
        Ok(layout)
    }
}

/// Copies the visible rows of one colour plane. Both slices are whole memory planes. One copy when neither side has padding.
///
/// False, and nothing copied, when the two planes' visible sizes differ, a slice is shorter than its plane, or rows overlap.
#[must_use = "false means that nothing was copied"]
pub fn copy_rows(
    src: &[u8],
    src_plane: &PlaneLayout,
    dst: &mut [u8],
    dst_plane: &PlaneLayout,
) -> bool {
    let row_bytes = src_plane.row_bytes;
    let like = row_bytes == dst_plane.row_bytes
        && src_plane.rows == dst_plane.rows
        && row_bytes != 0
        && row_bytes <= src_plane.bytesperline.min(dst_plane.bytesperline);
    let run = |plane: &PlaneLayout| {
        let end = usize::try_from(plane.visible_end()).ok()?;
        Some(plane.offset as usize..end)
    };
    let (Some(src_run), Some(dst_run)) = (run(src_plane), run(dst_plane)) else {
        return false;
    };
    let (Some(src), Some(dst)) = (src.get(src_run), dst.get_mut(dst_run)) else {
        return false;
    };
    if !like {
        return false;
    }
    if src_plane.is_packed() && dst_plane.is_packed() {
        dst.copy_from_slice(src);
        return true;
    }
    let row_bytes = row_bytes as usize;
    let src_rows = src.chunks(src_plane.bytesperline as usize);
    let dst_rows = dst.chunks_mut(dst_plane.bytesperline as usize);
    for (to, from) in dst_rows.zip(src_rows) {
        to[..row_bytes].copy_from_slice(&from[..row_bytes]);
    }
    true
}

#[cfg(test)]
mod tests;
