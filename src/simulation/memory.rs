//! Memory of simulated devices, and who still has it.
//!
//! The kernel frees what is behind a descriptor when the last copy of it and the last mapping are gone. The world sees that by a lock: the
//! description that the engine gets holds one (flock), and the kernel gives it up with the description.

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{
    FlockOperation, MemfdFlags, Mode, OFlags, flock, fstat, ftruncate, memfd_create, open,
};
use std::format;

use crate::shm::region::Region;

/// The world's own way to a memfd that somebody else has.
#[derive(Debug)]
pub(super) struct Handle {
    fd: OwnedFd,
    pub(super) inode: u64,
}

impl Handle {
    /// Marks the description as one to be watched.
    pub(super) fn of(theirs: &OwnedFd) -> Self {
        flock(theirs, FlockOperation::LockShared).unwrap();
        let path = format!("/proc/self/fd/{}", theirs.as_raw_fd());
        let fd = open(&*path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let inode = inode(theirs);
        Self { fd, inode }
    }

    /// Whether nobody else has a descriptor or mapping of the description any more.
    pub(super) fn is_released(&self) -> bool {
        let free = flock(&self.fd, FlockOperation::NonBlockingLockExclusive).is_ok();
        if free {
            flock(&self.fd, FlockOperation::Unlock).unwrap();
        }
        free
    }

    /// Makes the file longer, and maps the new part of it.
    pub(super) fn grow(&self, offset: u64, length: usize) -> Region {
        ftruncate(&self.fd, offset + length as u64).unwrap();
        Region::map_at(&self.fd, offset, length, true).unwrap()
    }

    pub(super) fn map(&self, length: usize) -> rustix::io::Result<Region> {
        Region::map(&self.fd, length, true)
    }
}

/// Memory behind somebody's descriptor, as a device that was given it sees it.
#[derive(Debug)]
pub(super) struct Imported {
    pub(super) inode: u64,
    pub(super) region: Region,
}

pub(super) fn inode(fd: impl AsFd) -> u64 {
    fstat(fd).unwrap().st_ino
}

/// A new memfd, for somebody else, and the world's way to it.
pub(super) fn watched(length: usize) -> (OwnedFd, Handle) {
    let fd = memfd_create(c"simulated", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, length as u64).unwrap();
    let handle = Handle::of(&fd);
    (fd, handle)
}

/// Bytes of whole pages.
pub(super) fn pages(length: usize) -> usize {
    length.next_multiple_of(4096)
}

/// The number of the frame in a piece of memory: its first eight bytes.
pub(super) fn stamp(region: &Region) -> u64 {
    let mut bytes = [0; 8];
    assert!(region.bytes().copy_out(0, &mut bytes), "a frame is larger");
    u64::from_le_bytes(bytes)
}
