//! The stream's words as one: what they say at one moment.
//!
//! Knows which words there are, and that they are stored and loaded together (`sequence`). Knows no encoder.

use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::Stream;
use crate::shm::sequence::{load_whole, store_whole};
use crate::shm::word::{Access, Word32, Word64};

impl Stream {
    /// Has `change` store words, all of which readers see, or none. There is one writer.
    pub fn change(&self, change: impl FnOnce(&Self)) {
        store_whole(&self.version, || change(self));
    }
}

impl Default for Stream {
    /// All zero: nothing is known.
    fn default() -> Self {
        Self {
            codec: Word32::default(),
            format: Word32::default(),
            width: Word32::default(),
            height: Word32::default(),
            coded_width: Word32::default(),
            coded_height: Word32::default(),
            rate_numerator: Word32::default(),
            rate_denominator: Word32::default(),
            memory: Word32::default(),
            frame_slots: Word32::default(),
            multiplanar: Word32::default(),
            version: Word32::default(),
            device: Default::default(),
            driver: Default::default(),
            card: Default::default(),
            generation: Word32::default(),
            reserved: Word32::default(),
            colorspace: Word32::default(),
            transfer: Word32::default(),
            matrix: Word32::default(),
            range: Word32::default(),
        }
    }
}

impl<A: Access> Stream<A> {
    /// A copy of all words, of one making. `None` when they were being written each time that they were looked at, as those of an engine
    /// that was killed half-way are.
    pub fn snapshot(&self) -> Option<Stream> {
        load_whole(&self.version, || Stream {
            codec: copy(&self.codec),
            format: copy(&self.format),
            width: copy(&self.width),
            height: copy(&self.height),
            coded_width: copy(&self.coded_width),
            coded_height: copy(&self.coded_height),
            rate_numerator: copy(&self.rate_numerator),
            rate_denominator: copy(&self.rate_denominator),
            memory: copy(&self.memory),
            frame_slots: copy(&self.frame_slots),
            multiplanar: copy(&self.multiplanar),
            version: copy(&self.version),
            device: self.device.each_ref().map(copy_long),
            driver: self.driver.each_ref().map(copy_long),
            card: self.card.each_ref().map(copy_long),
            generation: copy(&self.generation),
            reserved: copy(&self.reserved),
            colorspace: copy(&self.colorspace),
            transfer: copy(&self.transfer),
            matrix: copy(&self.matrix),
            range: copy(&self.range),
        })
    }
}

fn copy<A: Access>(word: &Word32<A>) -> Word32 {
    Word32::new(word.load(Relaxed))
}

fn copy_long<A: Access>(word: &Word64<A>) -> Word64 {
    Word64::new(word.load(Relaxed))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::limits::PACKET_RING_MIN;
    use crate::shm::map::PacketMap;
    use std::thread;

    /// Stores every word as a writer does that goes by the number.
    fn write(stream: &Stream, number: u32) {
        for word in [
            &stream.codec,
            &stream.format,
            &stream.width,
            &stream.height,
            &stream.coded_width,
            &stream.coded_height,
            &stream.rate_numerator,
            &stream.rate_denominator,
            &stream.memory,
            &stream.frame_slots,
            &stream.multiplanar,
            &stream.generation,
            &stream.colorspace,
            &stream.transfer,
            &stream.matrix,
            &stream.range,
        ] {
            word.store(number, Relaxed);
        }
        for word in stream
            .device
            .iter()
            .chain(&stream.driver)
            .chain(&stream.card)
        {
            word.store(u64::from(number), Relaxed);
        }
    }

    /// All words as one number; `None` when they are not of one making.
    fn number(stream: &Stream) -> Option<u32> {
        let first = stream.codec.load(Relaxed);
        let expected = Stream {
            version: copy(&stream.version),
            ..Stream::default()
        };
        write(&expected, first);
        (std::format!("{expected:?}") == std::format!("{stream:?}")).then_some(first)
    }

    /// As the engine's process and a reader's: two mappings of one ring.
    #[test]
    fn a_snapshot_is_of_one_making_while_the_words_change() {
        const LOOKS: u32 = 20_000;
        let (map, fd) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
        map.header().stream.change(|stream| write(stream, 1));
        let reader = thread::spawn(move || {
            let map = PacketMap::open(&fd).unwrap();
            let (mut last, mut looks) = (0, 0);
            // On one processor the writer may not have its turn for long.
            while looks < LOOKS || last < 2 && looks < 1000 * LOOKS {
                looks += 1;
                if let Some(seen) = map.header().stream.snapshot() {
                    let number = number(&seen);
                    assert!(number >= Some(last), "torn or older: {seen:?}");
                    last = number.unwrap_or_default();
                }
            }
            assert!(last > 1, "nothing changed meanwhile");
        });
        let mut number = 1;
        while !reader.is_finished() {
            number += 1;
            map.header().stream.change(|stream| write(stream, number));
        }
        reader.join().unwrap();
    }

    #[test]
    fn words_of_a_writer_that_died_half_way_are_none() {
        let stream = Stream::default();
        assert!(stream.snapshot().is_some());
        stream.version.store(7, Relaxed);
        assert!(stream.snapshot().is_none());
        stream.change(|stream| write(stream, 3));
        assert_eq!(stream.snapshot().as_ref().and_then(number), Some(3));
    }
}
