//! Shared bytes: memory that another process, or a device, may write to at any time.
//!
//! They are copied in and out and never borrowed as a slice, because a slice promises that nobody else writes. A copy that races with a
//! write gives some bytes or other; whoever needs to know which, has a protocol for it. Knows addresses and lengths, and checks every
//! index; knows no mapping's origin and no meaning.
#![expect(
    unsafe_code,
    reason = "memory that others write to has no type in Rust but this one"
)]

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Errno;
use syscalls::{Sysno, syscall};

use crate::mem;

/// Bytes that others may write to: a view, as cheap to copy as a slice.
///
/// One of a private slice is for code that takes both kinds.
#[derive(Clone, Copy, Debug)]
pub struct SharedBytes<'a> {
    start: NonNull<u8>,
    length: usize,
    writable: bool,
    memory: PhantomData<&'a u8>,
}

impl<'a> SharedBytes<'a> {
    /// A view of memory that others may write to.
    ///
    /// # Safety
    /// For all of `'a`, `length` bytes from `start` are mapped, and writable where that is said. No reference to them is in use that
    /// promises more than that to the compiler.
    pub(super) unsafe fn new(start: NonNull<u8>, length: usize, writable: bool) -> Self {
        Self {
            start,
            length,
            writable,
            memory: PhantomData,
        }
    }

    /// Bytes in view.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A part of them; `None` where it does not lie within.
    #[must_use]
    pub fn part(&self, offset: usize, length: usize) -> Option<Self> {
        let start = self.at(offset, length)?;
        Some(Self {
            start,
            length,
            ..*self
        })
    }

    /// Copies `target.len()` bytes from `offset` out. False, and nothing copied, where they do not lie within.
    #[must_use = "false means that nothing was copied"]
    pub fn copy_out(&self, offset: usize, target: &mut [u8]) -> bool {
        let Some(from) = self.at(offset, target.len()) else {
            return false;
        };
        // SAFETY: so many bytes are in view, as just checked; `target` is ours alone.
        unsafe { mem::copy(from.as_ptr(), target.as_mut_ptr(), target.len()) };
        true
    }

    /// Appends bytes from the start to `target`, as many as it has room for; gives how many. Nothing is cleared before.
    pub fn append_start_to<const N: usize>(&self, target: &mut ArrayVec<u8, N>) -> usize {
        let count = self.length.min(target.remaining_capacity());
        let length = target.len();
        let to = target.as_mut_ptr().wrapping_add(length);
        // SAFETY: so many bytes are in view, and `target`, which is ours alone, has room for them behind those that it has.
        unsafe { mem::copy(self.start.as_ptr(), to, count) };
        // SAFETY: as many were just written.
        unsafe { target.set_len(length + count) };
        count
    }

    /// Copies `source` in at `offset`. False, and nothing copied, where it does not fit or the bytes are read-only.
    #[must_use = "false means that nothing was copied"]
    pub fn copy_in(&self, offset: usize, source: &[u8]) -> bool {
        self.copy_from(offset, source.into())
    }

    /// Copies all of `source`, which may be changing, in at `offset`. False, and nothing copied, where it does not fit or the bytes are
    /// read-only.
    #[must_use = "false means that nothing was copied"]
    pub fn copy_from(&self, offset: usize, source: SharedBytes<'_>) -> bool {
        let Some(to) = self.place(offset, source.length) else {
            return false;
        };
        // SAFETY: all of `source` is mapped, and as many bytes are in view here and writable, as just checked.
        unsafe { mem::copy(source.start.as_ptr(), to.as_ptr(), source.length) };
        true
    }

    /// Writes `byte` to `count` bytes from `offset`. False, and nothing written, where they do not lie within or are read-only.
    #[must_use = "false means that nothing was written"]
    pub fn fill(&self, offset: usize, count: usize, byte: u8) -> bool {
        if self.place(offset, count).is_none() {
            return false;
        }
        let piece = [byte; 256];
        let mut done = 0;
        while done < count {
            let piece = &piece[..piece.len().min(count - done)];
            if !self.copy_in(offset + done, piece) {
                return false;
            }
            done += piece.len();
        }
        true
    }

    /// Writes `run` with its bytes `step` apart, the first at `offset`. False, and nothing written, where that does not fit, or the
    /// bytes are read-only, or `step` is 0.
    #[must_use = "false means that nothing was written"]
    pub fn spread(&self, offset: usize, step: usize, run: &[u8]) -> bool {
        let Some(last) = run.len().checked_sub(1) else {
            return step != 0 && self.place(offset, 0).is_some();
        };
        let span = last.checked_mul(step).and_then(|last| last.checked_add(1));
        let Some(to) = span
            .and_then(|span| self.place(offset, span))
            .filter(|_| step != 0)
        else {
            return false;
        };
        for (index, &byte) in run.iter().enumerate() {
            // SAFETY: `index * step` lies within the span that was just checked.
            let place = unsafe { to.add(index * step) };
            // SAFETY: mapped and writable; a byte may be viewed as an atomic one.
            unsafe { place.cast::<AtomicU8>().as_ref() }.store(byte, Relaxed);
        }
        true
    }

    /// Has the kernel read from `fd` straight into all of the bytes; gives how many it read. No copy is made in between.
    ///
    /// # Errors
    /// Those of read(2); `ACCESS` when the bytes are read-only.
    pub fn read_from(&self, fd: impl AsFd) -> rustix::io::Result<usize> {
        if !self.writable {
            return Err(Errno::ACCESS);
        }
        let (fd, start) = (fd.as_fd().as_raw_fd(), self.start.as_ptr());
        // SAFETY: the kernel writes at most `length` bytes from `start`, which are in view and writable.
        let answer = unsafe { syscall!(Sysno::read, fd, start, self.length) };
        answer.map_err(|errno| Errno::from_raw_os_error(errno.into_raw()))
    }

    /// Where the bytes begin, for those who draw in place with code of their own. To write there is unsafe: it must end before the view
    /// does, and nothing may be made of it that promises more than these bytes keep, such as a `&mut [u8]` while others write to them.
    /// Null when the bytes are read-only.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        if self.writable {
            self.start.as_ptr()
        } else {
            core::ptr::null_mut()
        }
    }

    /// The same as `at`, for bytes that are to be written.
    fn place(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        self.at(offset, length).filter(|_| self.writable)
    }

    /// Where `offset` lies, if `length` bytes from there are in view.
    fn at(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        if offset.checked_add(length)? > self.length {
            return None;
        }
        // SAFETY: `offset` lies within the view, as just checked.
        Some(unsafe { self.start.add(offset) })
    }
}

/// Read-only, and nobody writes to them.
impl<'a> From<&'a [u8]> for SharedBytes<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        // SAFETY: borrowed for all of `'a`, and not written to through this view.
        unsafe { Self::new(NonNull::from(bytes).cast(), bytes.len(), false) }
    }
}

/// Read-only, and nobody writes to them.
impl<'a, const N: usize> From<&'a [u8; N]> for SharedBytes<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

/// Nobody but the views of it writes to them.
impl<'a> From<&'a mut [u8]> for SharedBytes<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        let length = bytes.len();
        // SAFETY: borrowed for all of `'a` for these views alone.
        unsafe { Self::new(NonNull::from(bytes).cast(), length, true) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use rustix::fd::OwnedFd;
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::vec::Vec;

    fn file(bytes: &[u8]) -> OwnedFd {
        let fd = memfd_create(c"test", MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(rustix::io::pwrite(&fd, bytes, 0), Ok(bytes.len()));
        fd
    }

    #[test]
    fn copies_are_exact_at_every_length_and_alignment() {
        let source: Vec<u8> = (0..300).map(|i| i as u8 ^ 0x5a).collect();
        for length in (0..=200).chain([256, 290]) {
            for (from, to) in [(0, 0), (1, 0), (0, 3), (5, 7), (8, 1)] {
                let mut target = [0xee; 320];
                let view = SharedBytes::from(&mut target[..]);
                let part = SharedBytes::from(&source[..]).part(from, length).unwrap();
                assert!(view.copy_from(to, part));
                assert!(target[..to].iter().all(|&byte| byte == 0xee));
                assert_eq!(target[to..to + length], source[from..from + length]);
                assert!(target[to + length..].iter().all(|&byte| byte == 0xee));
                let mut back = [0; 300];
                assert!(SharedBytes::from(&target[..]).copy_out(to, &mut back[..length]));
                assert_eq!(back[..length], source[from..from + length]);
            }
        }
    }

    #[test]
    fn a_list_takes_as_many_of_the_first_bytes_as_it_has_room_for() {
        let mut list = ArrayVec::<u8, 10>::from_iter([9, 9]);
        assert_eq!(SharedBytes::from(&[1, 2, 3]).append_start_to(&mut list), 3);
        assert_eq!(SharedBytes::from(&[4; 9]).append_start_to(&mut list), 5);
        assert_eq!(SharedBytes::from(&[5]).append_start_to(&mut list), 0);
        assert_eq!(list[..], [9, 9, 1, 2, 3, 4, 4, 4, 4, 4]);
    }

    #[test]
    fn what_does_not_fit_is_not_copied() {
        let mut memory = [7; 64];
        let view = SharedBytes::from(&mut memory[..]);
        for (offset, length) in [(60, 5), (64, 1), (65, 0), (usize::MAX, 2), (0, 65)] {
            assert!(
                !view.copy_in(offset, &[0; 65][..length]),
                "{offset} {length}"
            );
            assert!(!view.copy_out(offset, &mut [0; 65][..length]));
            assert!(!view.fill(offset, length, 0));
            assert!(view.part(offset, length).is_none());
        }
        assert!(!view.spread(0, 0, &[0; 2]));
        assert!(!view.spread(0, 32, &[0; 3]));
        assert!(!view.spread(1, usize::MAX, &[0; 3]));
        assert!(view.copy_in(64, &[]) && view.fill(64, 0, 0));
        assert_eq!(memory, [7; 64]);
    }

    #[test]
    fn bytes_are_filled_and_spread_where_they_should_be() {
        let mut memory = [0; 700];
        let view = SharedBytes::from(&mut memory[..]);
        assert!(view.fill(10, 600, 1));
        assert!(view.spread(611, 2, &[5, 6, 7]));
        assert_eq!(
            memory.iter().map(|&byte| usize::from(byte)).sum::<usize>(),
            618
        );
        assert_eq!(memory[609..616], [1, 0, 5, 0, 6, 0, 7]);
    }

    #[test]
    fn read_only_bytes_cannot_be_written() {
        let memory = [7; 8];
        let view = SharedBytes::from(&memory);
        assert!(!view.copy_in(0, &[1]) && !view.fill(0, 1, 1) && !view.spread(0, 1, &[1]));
        assert_eq!(view.read_from(file(b"abc")), Err(Errno::ACCESS));
        assert!(view.as_mut_ptr().is_null());
        assert!(view.copy_out(0, &mut [0; 8]));
    }

    #[test]
    fn the_kernel_reads_into_them() {
        let mut memory = [0; 8];
        let view = SharedBytes::from(&mut memory[..]);
        assert_eq!(view.part(2, 6).unwrap().read_from(file(b"abc")), Ok(3));
        assert_eq!(&memory, b"\0\0abc\0\0\0");
    }
}
