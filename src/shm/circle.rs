//! The payload bytes of the packet ring: a circle over shared bytes, or what the model checker has in its place.

use crate::shm::bytes::SharedBytes;

/// The payload bytes of the packet ring: a circle of bytes that readers copy while the writer may overwrite it.
///
/// Reads and writes carry no ordering of their own; the ring's cursors and fences do. A read that races with a write
/// gives some bytes or other, never undefined behaviour, and the ring's protocol finds out afterwards.
pub trait Bytes {
    /// Size of the circle, bytes; a power of two.
    fn size(&self) -> u64;
    /// Copies `source` in at `position` modulo `size`, wrapping. `source` is no longer than `size`.
    fn write(&self, position: u64, source: SharedBytes<'_>);
    /// Copies out from `position` modulo `size`, wrapping. `target` is no longer than `size`.
    fn read(&self, position: u64, target: &mut [u8]);
}

/// A circle of bytes: what comes behind the last one is the first.
#[derive(Clone, Copy, Debug)]
pub struct Circle<'a>(SharedBytes<'a>);

impl<'a> Circle<'a> {
    /// The circle of these bytes; `None` where their number is no power of two.
    #[must_use]
    pub fn new(bytes: SharedBytes<'a>) -> Option<Self> {
        bytes.len().is_power_of_two().then_some(Self(bytes))
    }

    /// Where `position` lies, and how many of `length` bytes lie before the end.
    fn split(&self, position: u64, length: usize) -> (usize, usize) {
        let at = (position % self.size()) as usize;
        (at, length.min(self.0.len() - at))
    }
}

impl Bytes for Circle<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn write(&self, position: u64, source: SharedBytes<'_>) {
        let (at, first) = self.split(position, source.len());
        let parts = source
            .part(0, first)
            .zip(source.part(first, source.len() - first));
        let written = parts.is_some_and(|(first, second)| {
            self.0.copy_from(at, first) && self.0.copy_from(0, second)
        });
        assert!(
            written,
            "a packet fits into the circle, and its writer may write"
        );
    }

    fn read(&self, position: u64, target: &mut [u8]) {
        let (at, first) = self.split(position, target.len());
        let (first, second) = target.split_at_mut(first);
        let read = self.0.copy_out(at, first) && self.0.copy_out(0, second);
        assert!(read, "a packet fits into the circle");
    }
}
