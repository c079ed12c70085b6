//! Mapped memory: the one place where shared words become references.
//!
//! Knows mmap and the layout's types. Memory that others may write to (`Region`) is words, which are atomics, and `SharedBytes`, which are
//! copied; memory of this process alone (`PrivateBytes`) is slices. So nothing above it needs `unsafe`. It must never know what the words
//! mean.
//!
//! No mapping of a descriptor gives a slice, because any other holder of the descriptor can write there, in safe code, too:
//!
//! ```compile_fail,E0308
//! let fd = framemill::internals::shm::memfd::sealed_memfd(c"x", 4096, rustix::fs::SealFlags::empty()).unwrap();
//! let region = framemill::internals::shm::region::Region::map(&fd, 4096, true).unwrap();
//! let bytes: &[u8] = region.bytes();
//! ```
#![expect(
    unsafe_code,
    reason = "mappings are raw memory; this file is where they become safe types"
)]

use core::ffi::c_void;
use core::mem::{align_of, size_of};
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

use rustix::fd::AsFd;
use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals, fstat};
use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use crate::limits::PACKET_DESCRIPTORS;
use crate::shm::bytes::SharedBytes;
use crate::shm::circle::Circle;
use crate::shm::layout::{Descriptor, FrameRing, PacketHeader};
use crate::shm::word::{Access, LoadStore, Word32};

/// Types that may lie in memory that another process writes.
///
/// # Safety
/// The type consists of words (`word`) of this access only: every bit pattern is valid, and there is no padding that matters.
pub unsafe trait Shared {
    /// What can be done with the words.
    type Access: Access;
}
// SAFETY: words only; see layout.rs.
unsafe impl<A: Access> Shared for PacketHeader<A> {
    type Access = A;
}
// SAFETY: words only; see layout.rs.
unsafe impl<A: Access> Shared for [Descriptor<A>; PACKET_DESCRIPTORS] {
    type Access = A;
}
// SAFETY: one word.
unsafe impl<A: Access> Shared for Word32<A> {
    type Access = A;
}
// SAFETY: words only; see layout.rs.
unsafe impl Shared for FrameRing {
    type Access = LoadStore;
}

/// A mapping of memory that others may write to, unmapped when dropped.
#[derive(Debug)]
pub struct Region {
    start: NonNull<u8>,
    length: usize,
    writable: bool,
}

impl Region {
    /// Maps the first `length` bytes of `fd`, shared, and makes every page present where the kernel can.
    ///
    /// # Errors
    /// Those of mmap(2); `INVAL` for a length of zero.
    pub fn map(fd: impl AsFd, length: usize, writable: bool) -> Result<Self> {
        Self::map_at(fd, 0, length, writable)
    }

    /// The same from `offset`: V4L2 names a buffer's memory by an offset into the device.
    ///
    /// # Errors
    /// Those of mmap(2); `INVAL` for a length of zero.
    pub fn map_at(fd: impl AsFd, offset: u64, length: usize, writable: bool) -> Result<Self> {
        let protection = if writable {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address that the kernel chooses touches no existing memory.
        let start = unsafe { mmap(ptr::null_mut(), length, protection, flags, fd, offset)? };
        Self::new(start, length, writable)
    }

    fn new(start: *mut c_void, length: usize, writable: bool) -> Result<Self> {
        let start = NonNull::new(start.cast::<u8>()).ok_or(Errno::NOMEM)?;
        Ok(Self {
            start,
            length,
            writable,
        })
    }

    /// Bytes mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing is mapped; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The shared words at `offset`; `None` where they do not fit, are not aligned, or could be stored to though the mapping is read-only.
    #[must_use]
    pub fn words<T: Shared>(&self, offset: usize) -> Option<&T> {
        let end = offset.checked_add(size_of::<T>())?;
        if end > self.length
            || (T::Access::STORES && !self.writable)
            || !(self.start.as_ptr() as usize + offset).is_multiple_of(align_of::<T>())
        {
            return None;
        }
        // SAFETY: `offset` lies within the mapping, as just checked.
        let place = unsafe { self.start.as_ptr().add(offset) };
        // SAFETY: in bounds, aligned, mapped for as long as `self`; `T` is atomics, so writes by others are defined,
        // and whose words have a `store` only in a writable mapping.
        Some(unsafe { &*place.cast::<T>() })
    }

    /// The bytes, which others may write to.
    #[must_use]
    pub fn bytes(&self) -> SharedBytes<'_> {
        // SAFETY: mapped for as long as `self`, writable as said; no reference into a mapping is handed out but to words, which are
        // atomics.
        unsafe { SharedBytes::new(self.start, self.length, self.writable) }
    }

    /// The byte circle of `size` bytes (a power of two) at `offset`; `None` where it does not fit.
    #[must_use]
    pub fn circle(&self, offset: usize, size: usize) -> Option<Circle<'_>> {
        Circle::new(self.bytes().part(offset, size)?)
    }

    /// Writes to every page of fresh memory, whose bytes are zero or do not matter. A page that is only present still
    /// faults at its first write where the processor leaves it to the kernel to mark pages as written (Cortex-A53, A72).
    pub fn touch(&self) {
        const SMALLEST_PAGE: usize = 4096;
        for page in (0..self.length).step_by(SMALLEST_PAGE) {
            // Memory that is mapped read-only stays as it is.
            let _ = self.bytes().copy_in(page, &[0]);
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map_at` or `PrivateBytes::new`, and every borrow of it ends with `self`.
        let result = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(result.is_ok(), "munmap of our own mapping");
    }
}

/// Memory of this process alone, as slices.
#[derive(Debug)]
pub struct PrivateBytes(Region);

impl PrivateBytes {
    /// Zeroed memory, present page by page as it is touched.
    ///
    /// # Errors
    /// Those of mmap(2); `INVAL` for a length of zero.
    pub fn new(length: usize) -> Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address that the kernel chooses touches no existing memory.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, protection, flags)? };
        Region::new(start, length, true).map(Self)
    }
}

impl Deref for PrivateBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is `length` readable bytes that live as long as `self`. It is private and anonymous, and its `Region` is
        // not handed out, so that only this and `deref_mut` lead to them.
        unsafe { core::slice::from_raw_parts(self.0.start.as_ptr(), self.0.length) }
    }
}

impl DerefMut for PrivateBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as `deref`, writable, and `&mut self` makes this the only borrow.
        unsafe { core::slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.length) }
    }
}

/// Forbids every further writable mapping of a memfd, and every further seal. Mappings that exist stay writable.
///
/// # Errors
/// Those of fcntl(2); kernels before 5.1 have no FUTURE_WRITE and say `INVAL`.
pub fn seal_for_readers(fd: impl AsFd) -> Result<()> {
    fcntl_add_seals(fd, SealFlags::FUTURE_WRITE | SealFlags::SEAL)
}

/// The size of a memfd that came from another process, provided that nobody can shrink it under us.
///
/// # Errors
/// `PERM` when it is not sealed against shrinking; those of fstat(2).
pub fn sealed_size(fd: impl AsFd) -> Result<usize> {
    if !fcntl_get_seals(&fd)?.contains(SealFlags::SHRINK) {
        return Err(Errno::PERM);
    }
    usize::try_from(fstat(&fd)?.st_size).map_err(|_| Errno::OVERFLOW)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;
    use crate::shm::circle::Bytes;
    use crate::shm::memfd::sealed_memfd;
    use crate::shm::word::LoadOnly;

    #[test]
    fn circle_wraps_on_both_sides_at_every_offset() {
        let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
        let region = Region::map(&fd, 4096, true).unwrap();
        let circle = region.circle(64, 64).unwrap();
        for at in 0..200u64 {
            for length in 0..=64usize {
                let source: std::vec::Vec<u8> =
                    (0..length).map(|i| (i as u64 + at) as u8).collect();
                let mut target = std::vec![0; length];
                circle.write(at, source[..].into());
                circle.read(at, &mut target);
                assert_eq!(source, target, "{at} {length}");
            }
        }
        let mut all = [1; 4096];
        assert!(region.bytes().copy_out(0, &mut all));
        assert!(all[..64].iter().chain(&all[128..]).all(|&b| b == 0));
    }

    #[test]
    fn words_outside_or_unaligned_are_refused() {
        let fd = sealed_memfd(c"test", 8192, SealFlags::empty()).unwrap();
        let region = Region::map(&fd, 8192, true).unwrap();
        assert!(region.words::<PacketHeader>(0).is_some());
        assert!(region.words::<PacketHeader>(8).is_none());
        assert!(region.words::<PacketHeader>(8192).is_none());
        assert!(region.words::<PacketHeader>(usize::MAX).is_none());
        assert!(region.circle(0, 16384).is_none());
        assert!(region.circle(0, 100).is_none());
    }

    #[test]
    fn words_and_bytes_of_a_read_only_mapping_cannot_be_written() {
        let fd = sealed_memfd(c"test", 8192, SealFlags::empty()).unwrap();
        let region = Region::map(&fd, 8192, false).unwrap();
        assert!(region.words::<PacketHeader<LoadStore>>(0).is_none());
        assert!(region.words::<FrameRing>(0).is_none());
        assert!(region.words::<PacketHeader<LoadOnly>>(0).is_some());
        assert!(!region.bytes().copy_in(0, &[1]));
        region.touch();
    }

    #[test]
    fn a_look_at_shared_bytes_is_a_copy_that_stays_as_it_is() {
        let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
        let (a, b) = (
            Region::map(&fd, 4096, true).unwrap(),
            Region::map(&fd, 4096, true).unwrap(),
        );
        let mut seen = [1];
        assert!(b.bytes().copy_out(0, &mut seen));
        assert!(a.bytes().copy_in(0, &[7]));
        assert_eq!(seen, [0]);
        assert!(b.bytes().copy_out(0, &mut seen));
        assert_eq!(seen, [7]);
    }

    #[test]
    fn private_bytes_are_zero_and_ours() {
        let mut bytes = PrivateBytes::new(5000).unwrap();
        assert!(bytes.len() == 5000 && bytes.iter().all(|&byte| byte == 0));
        bytes.fill(3);
        assert_eq!(bytes[4999], 3);
        assert_eq!(PrivateBytes::new(0).unwrap_err(), Errno::INVAL);
    }

    #[test]
    fn a_sealed_ring_can_be_read_but_never_mapped_writable_again() {
        let fd = sealed_memfd(c"test", 4096, SealFlags::empty()).unwrap();
        let _writer = Region::map(&fd, 4096, true).unwrap();
        seal_for_readers(&fd).unwrap();
        assert_eq!(Region::map(&fd, 4096, true).unwrap_err(), Errno::PERM);
        assert!(Region::map(&fd, 4096, false).is_ok());
        assert_eq!(ftruncate(&fd, 0).unwrap_err(), Errno::PERM);
        assert_eq!(sealed_size(&fd), Ok(4096));
    }

    #[test]
    fn a_memfd_that_can_shrink_is_refused() {
        let fd = memfd_create(c"test", MemfdFlags::ALLOW_SEALING).unwrap();
        assert_eq!(sealed_size(&fd), Err(Errno::PERM));
    }
}
