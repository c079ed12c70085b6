//! What the targets share: numbers from the fuzzer's bytes, and a memory that was right before the fuzzer changed words of it.
//!
//! Knows bytes; knows nothing of what a target tests.

use rustix::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::pwrite;

/// The fuzzer's bytes, from front to back. What is missing at the end is zero.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// The next `N` bytes.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (now, rest) = self.0.split_at(self.0.len().min(N));
        self.0 = rest;
        let mut bytes = [0; N];
        bytes[..now.len()].copy_from_slice(now);
        bytes
    }

    pub fn byte(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    pub fn half(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    pub fn long(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    /// Whether there are no more.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes `count` words of a memory at most: each change is which one and its new value.
    pub fn patch(&mut self, memory: &mut [u8], count: usize) {
        let words = memory.len() / 4;
        for _ in 0..count {
            if self.is_empty() || words == 0 {
                return;
            }
            let at = usize::from(self.half()) % words;
            let value = self.take::<4>();
            memory[at * 4..][..4].copy_from_slice(&value);
        }
    }
}

/// A memfd with these bytes, as somebody else may send it.
pub fn memfd(bytes: &[u8], length: usize, seals: SealFlags) -> OwnedFd {
    let fd =
        memfd_create(c"fuzz", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("a memfd");
    ftruncate(&fd, length as u64).expect("its length");
    let bytes = &bytes[..bytes.len().min(length)];
    let mut done = 0;
    while done < bytes.len() {
        done += pwrite(&fd, &bytes[done..], done as u64).expect("its bytes");
    }
    fcntl_add_seals(&fd, seals).expect("its seals");
    fd
}

/// Whether a sentence can be shown to a person: printable, one line, not empty.
pub fn is_sentence(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
