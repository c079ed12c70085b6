//! Mapped memory: the one place where shared words become references.
//!
//! Knows mmap and the layout's types. It hands out references to atomics and a byte circle that checks every index,
//! so that nothing above it needs `unsafe`. It must never know what the words mean.
#![expect(
    unsafe_code,
    reason = "mappings are raw memory; this file is where they become safe types"
)]

use core::ffi::{CStr, c_void};
use core::marker::PhantomData;
use core::mem::{align_of, size_of};
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicU8;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create,
};
use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

use crate::limits::PACKET_DESCRIPTORS;
use crate::shm::atomic::{Bytes, Ordering};
use crate::shm::layout::{Descriptor, FrameRing, PacketHeader};
use crate::shm::word::{Access, LoadStore};

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
// SAFETY: words only; see layout.rs.
unsafe impl Shared for FrameRing {
    type Access = LoadStore;
}

/// A mapping, unmapped when dropped.
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

    /// Private zeroed memory, present page by page as it is touched.
    ///
    /// # Errors
    /// Those of mmap(2).
    pub fn anonymous(length: usize) -> Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping at an address that the kernel chooses touches no existing memory.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), length, protection, flags)? };
        Self::new(start, length, true)
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

    /// The byte circle of `size` bytes (a power of two) at `offset`; `None` where it does not fit.
    #[must_use]
    pub fn circle(&self, offset: usize, size: usize) -> Option<Circle<'_>> {
        let end = offset.checked_add(size)?;
        if end > self.length || !size.is_power_of_two() || !offset.is_multiple_of(8) || size < 8 {
            return None;
        }
        // SAFETY: `offset` lies within the mapping, as just checked.
        let start = unsafe { self.start.add(offset) };
        Some(Circle {
            start,
            size,
            writable: self.writable,
            region: PhantomData,
        })
    }

    /// The bytes, for memory that no other process writes while the borrow lasts: a dequeued V4L2 buffer, or private
    /// memory.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is `length` readable bytes and lives as long as `self`; buffers are mapped MAP_SHARED
        // with the device only, which does not touch a buffer that was dequeued.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The bytes to write to; `None` for a read-only mapping.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if !self.writable {
            return None;
        }
        // SAFETY: as `bytes`, and `&mut self` makes this the only borrow.
        Some(unsafe { core::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) })
    }

    /// Writes to every page of fresh memory, whose bytes are zero or do not matter. A page that is only present still
    /// faults at its first write where the processor leaves it to the kernel to mark pages as written (Cortex-A53, A72).
    pub fn touch(&mut self) {
        const SMALLEST_PAGE: usize = 4096;
        for page in self
            .bytes_mut()
            .unwrap_or(&mut [])
            .chunks_mut(SMALLEST_PAGE)
        {
            page[0] = 0;
        }
    }

    /// Copies `target.len()` bytes from `offset` while another process may be writing them; false where they do not
    /// fit. The bytes are whatever they are.
    #[must_use]
    pub fn copy_out(&self, offset: usize, target: &mut [u8]) -> bool {
        if offset
            .checked_add(target.len())
            .is_none_or(|end| end > self.length)
        {
            return false;
        }
        // SAFETY: `offset` lies within the mapping, as just checked.
        let from = unsafe { self.start.add(offset) };
        copy_racing(from, target);
        true
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map_at` or `anonymous`, and every borrow of it ends with `self`.
        let result = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(result.is_ok(), "munmap of our own mapping");
    }
}

/// Copies bytes that another process may be changing: through atomics, eight at a time where aligned.
fn copy_racing(from: NonNull<u8>, target: &mut [u8]) {
    use core::sync::atomic::AtomicU64;
    let lead = from.as_ptr().align_offset(8).min(target.len());
    let (head, rest) = target.split_at_mut(lead);
    let (middle, tail) = rest.split_at_mut(rest.len() / 8 * 8);
    let byte = |index: usize| {
        // SAFETY: the caller checked that `target.len()` bytes from `from` are mapped; `index` is below that.
        let place = unsafe { from.as_ptr().add(index) };
        // SAFETY: a mapped byte may be viewed as an atomic one; all accesses in this process are atomic or bulk
        // writes by the ring's one writer, which is another process.
        unsafe { &*place.cast::<AtomicU8>() }.load(Ordering::Relaxed)
    };
    for (index, to) in head.iter_mut().enumerate() {
        *to = byte(index);
    }
    for (index, to) in middle.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // SAFETY: as above; the eight bytes are within the range.
        let place = unsafe { from.as_ptr().add(lead + index * 8) };
        // SAFETY: aligned to 8 by `lead`, mapped; atomics admit concurrent writes.
        *to = unsafe { &*place.cast::<AtomicU64>() }
            .load(Ordering::Relaxed)
            .to_ne_bytes();
    }
    let done = lead + middle.len();
    for (index, to) in tail.iter_mut().enumerate() {
        *to = byte(done + index);
    }
}

/// A circle of payload bytes in a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Circle<'a> {
    start: NonNull<u8>,
    size: usize,
    writable: bool,
    region: PhantomData<&'a Region>,
}

impl Bytes for Circle<'_> {
    fn size(&self) -> u64 {
        self.size as u64
    }

    fn write(&self, position: u64, source: &[u8]) {
        assert!(self.writable && source.len() <= self.size);
        let at = (position % self.size as u64) as usize;
        let (first, second) = source.split_at(source.len().min(self.size - at));
        // SAFETY: `at` is below `size`, which the region checked to be mapped.
        let place = unsafe { self.start.as_ptr().add(at) };
        // SAFETY: `first` ends at or before the circle's end; the mapping is writable; a Rust slice and this mapping
        // do not overlap, because the circle is never lent out as a slice.
        unsafe { ptr::copy_nonoverlapping(first.as_ptr(), place, first.len()) };
        // SAFETY: the rest is no longer than `at`, by the assertion above.
        unsafe { ptr::copy_nonoverlapping(second.as_ptr(), self.start.as_ptr(), second.len()) };
    }

    fn read(&self, position: u64, target: &mut [u8]) {
        assert!(target.len() <= self.size);
        let at = (position % self.size as u64) as usize;
        let split = target.len().min(self.size - at);
        let (first, second) = target.split_at_mut(split);
        // SAFETY: `at` is below `size`, which the region checked to be mapped.
        copy_racing(unsafe { self.start.add(at) }, first);
        copy_racing(self.start, second);
    }
}

/// A new memfd of `length` bytes that nobody can resize, ever: a mapping of it cannot fault. `last` is `SealFlags::SEAL` when
/// nobody is to add a seal either: one against writing would lock out whoever comes later.
///
/// # Errors
/// Those of memfd_create(2), ftruncate(2) and fcntl(2).
pub fn sealed_memfd(name: &CStr, length: usize, last: SealFlags) -> Result<OwnedFd> {
    let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&fd, length as u64)?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | last)?;
    Ok(fd)
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
    use super::*;

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
                circle.write(at, &source);
                circle.read(at, &mut target);
                assert_eq!(source, target, "{at} {length}");
            }
        }
        assert!(
            region.bytes()[..64]
                .iter()
                .chain(&region.bytes()[128..])
                .all(|&b| b == 0)
        );
    }

    #[test]
    fn words_outside_or_unaligned_are_refused() {
        let region = Region::anonymous(8192).unwrap();
        assert!(region.words::<PacketHeader>(0).is_some());
        assert!(region.words::<PacketHeader>(8).is_none());
        assert!(region.words::<PacketHeader>(8192).is_none());
        assert!(region.words::<PacketHeader>(usize::MAX).is_none());
        assert!(region.circle(0, 16384).is_none());
        assert!(region.circle(0, 100).is_none());
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
