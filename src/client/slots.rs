//! A producer's slots: where the engine says that their rows lie, checked, and their memory, mapped.
//!
//! Knows layouts and mappings. Whose a slot is, and what is in it, is the producer's business.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

use super::{ClientError, Step};
use crate::control::message::SlotMemory;
use crate::limits::{FRAME_BYTES_MAX, FRAME_SLOTS_MAX, PLANES};
use crate::media::layout::{FrameLayout, PlaneLayout};
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{FrameRing, copy_slot_bytes};
use crate::shm::map::allocated_size;
use crate::shm::region::Region;
use crate::v4l2::ioctl::{self, DmaBufAccess};

/// Memory planes, slot after slot, with their dma-bufs where they are some.
pub(super) type Planes = ArrayVec<(Region, Option<OwnedFd>), { FRAME_SLOTS_MAX as usize * PLANES }>;

/// Maps every memory plane of every slot.
pub(super) fn map_slots(
    layout: &FrameLayout,
    slots: u32,
    memory: SlotMemory,
    descriptors: &mut impl Iterator<Item = OwnedFd>,
) -> Result<Planes, ClientError> {
    let mut planes = Planes::new();
    let mut take = || descriptors.next().ok_or(ClientError::Protocol);
    let lengths = layout.memory_length.map(|length| length as usize);
    let lengths = &lengths[..layout.memory_plane_count as usize];
    if memory == SlotMemory::Copied {
        let memory = take()?;
        let size = allocated_size(&memory).map_err(mapping)?;
        let stride = copy_slot_bytes(&layout.memory_length);
        if u64::from(slots) * stride > size as u64 {
            return Err(ClientError::Protocol);
        }
        for slot in 0..u64::from(slots) {
            for (plane, &length) in lengths.iter().enumerate() {
                let at = slot * stride + copy_slot_bytes(&layout.memory_length[..plane]);
                let region = Region::map_at(&memory, at, length, true).map_err(mapping)?;
                planes.push((region, None));
            }
        }
    } else {
        for _ in 0..slots {
            for &length in lengths {
                let fd = take()?;
                if memory == SlotMemory::Exported {
                    check_dma_buf(&fd, length)?;
                }
                let region = Region::map(&fd, length, true).map_err(mapping)?;
                planes.push((region, Some(fd)));
            }
        }
    }
    Ok(planes)
}

/// Checks that the engine passed a dma-buf of so many bytes. A file in its place could end early, which is SIGBUS for whoever draws.
fn check_dma_buf(fd: &OwnedFd, length: usize) -> Result<(), ClientError> {
    let access = [DmaBufAccess::BeginWrite, DmaBufAccess::EndWrite];
    for access in access {
        ioctl::dma_buf_sync(fd.as_fd(), access).map_err(|error| match error.errno {
            Errno::NOTTY | Errno::INVAL | Errno::BADF => ClientError::Protocol,
            errno => ClientError::System(Step::Sync, errno),
        })?;
    }
    match seek(fd, SeekFrom::End(0)) {
        Ok(bytes) if bytes >= length as u64 => Ok(()),
        _ => Err(ClientError::Protocol),
    }
}

/// What the frame ring says of the layout.
pub(crate) fn load_layout(ring: &FrameRing) -> FrameLayout {
    let mut layout = FrameLayout {
        plane_count: ring.planes.load(Relaxed),
        memory_plane_count: ring.memory_planes.load(Relaxed),
        ..FrameLayout::default()
    };
    for (length, word) in layout.memory_length.iter_mut().zip(&ring.memory_bytes) {
        *length = word.load(Relaxed);
    }
    for (plane, words) in layout.planes.iter_mut().zip(&ring.geometry) {
        *plane = PlaneLayout {
            memory_plane: words.memory_plane.load(Relaxed),
            offset: words.offset.load(Relaxed),
            bytesperline: words.bytesperline.load(Relaxed),
            row_bytes: words.row_bytes.load(Relaxed),
            rows: words.rows.load(Relaxed),
            allocated_rows: words.allocated_rows.load(Relaxed),
        };
    }
    layout
}

/// Whether every row lies in its memory plane, and there are no more rows than it has bytes: whoever fills them comes to an end.
pub(super) fn valid(layout: &FrameLayout) -> bool {
    (1..=PLANES as u32).contains(&layout.plane_count)
        && (1..=PLANES as u32).contains(&layout.memory_plane_count)
        && layout
            .memory_length
            .iter()
            .all(|&length| length <= FRAME_BYTES_MAX)
        && layout.planes().iter().all(|plane| {
            plane.memory_plane < layout.memory_plane_count
                && plane.rows > 0
                && (1..=plane.bytesperline).contains(&plane.row_bytes)
                && plane.visible_end()
                    <= u64::from(layout.memory_length[plane.memory_plane as usize])
        })
}

pub(super) fn mapping(errno: Errno) -> ClientError {
    match errno {
        Errno::PROTO | Errno::PERM => ClientError::Protocol,
        errno => ClientError::System(Step::Mapping, errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::format::lookup;
    use crate::media::fourcc::Fourcc;

    #[test]
    fn a_layout_without_rows_or_with_rows_on_top_of_each_other_is_refused() {
        let format = lookup(Fourcc::new(*b"YU12")).unwrap();
        let layout = format.tight(64, 48).unwrap();
        assert!(valid(&layout));
        let changes: [fn(&mut PlaneLayout); 6] = [
            |plane| plane.rows = 0,
            |plane| plane.row_bytes = 0,
            |plane| plane.bytesperline = plane.row_bytes - 1,
            // Four thousand million times the same row.
            |plane| (plane.bytesperline, plane.rows) = (0, u32::MAX),
            |plane| plane.offset = u32::MAX,
            |plane| plane.memory_plane = 1,
        ];
        for change in changes {
            let mut odd = layout;
            change(&mut odd.planes[2]);
            assert!(!valid(&odd), "{odd:?}");
        }
    }
}
