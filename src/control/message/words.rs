//! The words of a message: how many there are, and what takes more than one. Knows no kind of message.

use crate::limits::CONTROL_NAME_BYTES;

/// Size of every message, bytes.
pub const MESSAGE_SIZE: usize = 64;

pub(super) const WORDS: usize = MESSAGE_SIZE / 4;

/// Room for a control's name, bytes: `struct v4l2_queryctrl` has as many.
pub const CHANGE_NAME_BYTES: usize = CONTROL_NAME_BYTES + 1;

const _: () = assert!(CHANGE_NAME_BYTES / 4 + 8 == WORDS && CHANGE_NAME_BYTES.is_multiple_of(4));

pub(super) fn put_name(words: &mut [u32; WORDS], name: &[u8; CHANGE_NAME_BYTES]) {
    for (word, bytes) in words[8..].iter_mut().zip(name.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
}

pub(super) fn get_name(words: &[u32; WORDS]) -> [u8; CHANGE_NAME_BYTES] {
    let mut name = [0; CHANGE_NAME_BYTES];
    for (bytes, word) in name.as_chunks_mut().0.iter_mut().zip(&words[8..]) {
        *bytes = word.to_le_bytes();
    }
    name
}

pub(super) fn put_long(words: &mut [u32; WORDS], at: usize, value: u64) {
    words[at] = value as u32;
    words[at + 1] = (value >> 32) as u32;
}

pub(super) fn get_long(words: &[u32; WORDS], at: usize) -> u64 {
    u64::from(words[at]) | u64::from(words[at + 1]) << 32
}
