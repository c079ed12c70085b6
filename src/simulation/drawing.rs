//! Frames of simulated producers: a number is drawn into each, by which it is known wherever it goes.

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::world;
use crate::client::{ClientError, FrameProducer, HeldSlot};

/// A slot with a new frame in it, and the frame's number.
pub(super) fn draw(
    producer: &mut FrameProducer,
    number: u32,
    timestamp: u64,
) -> Result<Option<(HeldSlot, u64)>, ClientError> {
    let Some(slot) = producer.acquire(Some(0))? else {
        return Ok(None);
    };
    let index = slot.index();
    let stamp = world::with(|kernel| {
        if kernel.encoder_holds(index) {
            kernel.shared.violated(format_args!(
                "slot {index} is given away, which the driver has"
            ));
        }
        kernel.shared.frames.drawn(number, timestamp)
    });
    let stamp = stamp.unwrap_or(0);
    assert!(
        slot.plane(0).copy_in(0, &stamp.to_le_bytes()),
        "a frame is larger"
    );
    Ok(Some((slot.hold(), stamp)))
}

/// Commits a frame, if the engine is still there to take it.
pub(super) fn commit(
    producer: &mut FrameProducer,
    held: HeldSlot,
    stamp: u64,
    timestamp: u64,
) -> Result<(), ClientError> {
    let (socket, _) = producer.descriptors();
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut set = [PollFd::new(&socket, PollFlags::empty())];
    let gone = poll(&mut set, Some(&at_once)) != Ok(0);
    if gone {
        return Err(ClientError::Gone);
    }
    world::with(|kernel| kernel.shared.frames.committed(stamp));
    producer.commit_held(held, timestamp)
}
