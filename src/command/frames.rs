//! Frames into slots: the pattern, drawn, and an input's frames, read row by row; and when each is due.
//!
//! Knows pictures and bytes. Knows no engine.

use crate::client::SlotGuard;
use crate::command::input::{Filled, Input};
use crate::error::{Exit, Failure};
use crate::failure;
use crate::limits::ROW_BYTES_MAX;
use crate::media::format::RawFormat;
use crate::media::layout::FrameLayout;
use crate::media::pattern::fill_row;
use crate::media::rows::{Rows, SPREAD_BYTES, scatter};

/// Draws the pattern's frame into a slot.
#[inline(never)]
pub(super) fn draw(
    format: &RawFormat,
    (width, height): (u32, u32),
    frame: u64,
    slot: &mut SlotGuard<'_>,
) {
    let layout = slot.layout();
    let mut bytes = [0; ROW_BYTES_MAX];
    for (index, plane) in layout.planes().iter().enumerate() {
        let memory = slot.plane(plane.memory_plane as usize);
        for row in 0..plane.rows {
            let Some(start) = plane.row_start(row) else {
                break;
            };
            let Some(bytes) = bytes.get_mut(..plane.row_bytes as usize) else {
                break;
            };
            fill_row(format, index, row, width, height, frame, bytes);
            if !memory.copy_in(start, bytes) {
                break;
            }
        }
    }
}

/// Reads a frame of the input into a slot, row by row where the slot's rows lie further apart.
#[inline(never)]
pub(super) fn read(
    input: &mut Input<'_>,
    source: &RawFormat,
    format: &RawFormat,
    slot: &mut SlotGuard<'_>,
    frame: u64,
) -> Result<(), Failure> {
    let layout = slot.layout();
    let rows =
        Rows::new(source, format, &layout).map_err(|error| failure!(Exit::Input, "{error}"))?;
    let mut done = 0;
    for target in rows {
        let memory = slot.plane(target.memory_plane as usize);
        let filled = if target.step == 1 {
            let span = target.span();
            let span = memory.part(span.start, span.len());
            input.fill(span.unwrap_or_else(|| (&[]).into()))?
        } else {
            let mut run = [0; SPREAD_BYTES];
            let run = &mut run[..(target.bytes as usize).min(SPREAD_BYTES)];
            let filled = input.fill((&mut *run).into())?;
            // The target was checked against the layout, so it fits.
            let _ = scatter(run, &target, memory);
            filled
        };
        if let Filled::Short(count) = filled {
            return Err(cut_short(frame, layout.frame_bytes(), done + count as u64));
        }
        done += u64::from(target.bytes);
    }
    Ok(())
}

/// Reads a frame of the input that goes nowhere.
pub(super) fn skip(
    input: &mut Input<'_>,
    source: &RawFormat,
    format: &RawFormat,
    layout: &FrameLayout,
    frame: u64,
) -> Result<(), Failure> {
    let rows =
        Rows::new(source, format, layout).map_err(|error| failure!(Exit::Input, "{error}"))?;
    let bytes = rows.map(|target| u64::from(target.bytes)).sum();
    match input.skip(bytes)? {
        Filled::Whole => Ok(()),
        Filled::Short(count) => Err(cut_short(frame, layout.frame_bytes(), count as u64)),
    }
}

pub(super) fn cut_short(frames: u64, frame_bytes: u64, remainder: u64) -> Failure {
    failure!(
        Exit::Input,
        "the input is no whole number of frames: after {frames} frames of {frame_bytes} bytes it has {remainder} bytes more"
    )
}
