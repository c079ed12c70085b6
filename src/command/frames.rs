//! Frames into slots: the pattern, drawn, and an input's frames, read row by row; and when each is due.
//!
//! Knows frames and bytes. Knows no engine.

use crate::client::{FrameProducer, HeldSlot, SlotGuard};
use crate::command::geometry::InputFrame;
use crate::command::input::{Filled, Input};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::ROW_BYTES_MAX;
use crate::media::format::{RawFormat, lookup};
use crate::media::pattern::fill_row;
use crate::media::rows::{SPREAD_BYTES, extend_edges, filled, scatter};

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

/// Reads a frame of the input into a slot of `producer`, row by row where the slot's rows lie further apart. `idle` is called when the
/// input's patience is over, and may commit other slots.
#[inline(never)]
pub(super) fn read<E: From<Failure>>(
    input: &mut Input<'_>,
    source: &InputFrame,
    (producer, slot): (&mut FrameProducer, &HeldSlot),
    frame: u64,
    idle: &mut dyn FnMut(&mut FrameProducer) -> Result<(), E>,
) -> Result<(), E> {
    let layout = *producer.layout();
    let format = lookup(producer.format()).unwrap_or(source.format);
    let mut rows =
        (source.rows(format, &layout)).map_err(|error| failure!(Exit::Input, "{error}"))?;
    let mut run = [0; SPREAD_BYTES];
    let frame_bytes = source.layout.frame_bytes();
    let mut done = 0;
    while let Some((target, count, pitch)) = rows.next_rows() {
        let bytes = target.bytes as usize;
        let run = &mut run[..bytes.min(SPREAD_BYTES)];
        let mut at = 0;
        loop {
            let memory = producer.held_plane(slot, target.memory_plane as usize);
            let left = frame_bytes.saturating_sub(done + at as u64);
            let filled = if target.step == 1 {
                let place = (target.offset as usize, bytes, pitch as usize);
                input.fill_rows(memory, place, count as usize, at, left)
            } else {
                input.fill(run.get_mut(at..).unwrap_or_default().into(), left)
            };
            match filled? {
                Filled::Whole => break,
                Filled::Short(count) => {
                    return Err(source.cut_short(frame, done + (at + count) as u64).into());
                }
                Filled::Idle(count) => at += count,
            }
            idle(producer)?;
        }
        if target.step != 1 {
            let memory = producer.held_plane(slot, target.memory_plane as usize);
            // The target was checked against the layout, so it fits.
            let _ = scatter(run, &target, memory);
        }
        done += u64::from(target.bytes) * u64::from(count);
        let padding = done + u64::from(target.skip);
        while done < padding {
            match input.skip(padding - done, frame_bytes.saturating_sub(done))? {
                Filled::Whole => done = padding,
                Filled::Short(count) => {
                    return Err(source.cut_short(frame, done + count as u64).into());
                }
                Filled::Idle(count) => {
                    done += count as u64;
                    idle(producer)?;
                }
            }
        }
    }
    for (number, plane) in layout.planes().iter().enumerate() {
        let filled = filled(source.format, &source.layout, format, number);
        if filled != (plane.row_bytes, plane.rows) {
            let group_bytes = format.planes[number].group_bytes;
            let memory = producer.held_plane(slot, plane.memory_plane as usize);
            extend_edges(memory, plane, group_bytes.into(), filled);
        }
    }
    Ok(())
}

/// Reads a frame of the input that goes nowhere.
pub(super) fn skip(input: &mut Input<'_>, source: &InputFrame, frame: u64) -> Result<(), Failure> {
    let bytes = source.layout.frame_bytes();
    match input.skip(bytes, bytes)? {
        Filled::Short(count) => Err(source.cut_short(frame, count as u64)),
        // Where frames go nowhere, nothing is waited for with patience.
        Filled::Whole | Filled::Idle(_) => Ok(()),
    }
}
