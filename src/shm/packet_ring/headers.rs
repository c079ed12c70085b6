//! The stream's codec headers beside the ring, for consumers that come late.

use crate::limits::CODEC_HEADER_BYTES;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::CodecHeaders;
use crate::shm::sequence::{load_whole, store_whole};
use crate::shm::word::Access;

/// Stores the stream's codec headers; one that is too long is not kept. Gives whether it was.
pub fn store_codec_headers(words: &CodecHeaders, headers: &[u8]) -> bool {
    if headers.len() > CODEC_HEADER_BYTES {
        return false;
    }
    store_whole(&words.version, || {
        words.length.store(headers.len() as u32, Relaxed);
        for (word, chunk) in words.bytes.iter().zip(headers.chunks(8)) {
            let mut bytes = [0; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(bytes), Relaxed);
        }
    });
    true
}

/// Loads the stream's codec headers: their length, 0 when there are none. Tries again while they are being written,
/// a bounded number of times.
pub fn load_codec_headers<A: Access>(
    words: &CodecHeaders<A>,
    target: &mut [u8; CODEC_HEADER_BYTES],
) -> usize {
    load_whole(&words.version, || {
        let length = (words.length.load(Relaxed) as usize).min(CODEC_HEADER_BYTES);
        for (chunk, word) in target.chunks_mut(8).zip(&words.bytes) {
            chunk.copy_from_slice(&word.load(Relaxed).to_le_bytes()[..chunk.len()]);
        }
        length
    })
    .unwrap_or(0)
}
