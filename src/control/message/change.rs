//! Changes to a running engine, and what came of them, as words of a message. Words 4 and 5 are what and which, 6 and 7 a
//! value of 64 bits; a change's last eight words are a control's name, an outcome's next ones the control's range and step.

use super::WORDS;
use crate::limits::{CONTROL_ID_MAX, CONTROL_NAME_BYTES};

const _: () = assert!(CHANGE_NAME_BYTES / 4 + 8 == WORDS && CHANGE_NAME_BYTES.is_multiple_of(4));

/// A change to an engine that is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key frame, soon. Requests are merged and limited in number. Consumers and producers may ask for it, too, and get no answer.
    KeyFrame,
    /// Target bit rate, bits per second.
    Bitrate(u32),
    /// Frames from key frame to key frame.
    Gop(u32),
    /// The drain, and then the engine's end.
    Drain,
    /// The encoder's control of this number, and its value.
    ControlId(u32, i64),
    /// The encoder's control of this name, padded with NULs, and its value.
    ControlName([u8; CHANGE_NAME_BYTES], i64),
}

/// Room for a control's name, bytes: `struct v4l2_queryctrl` has as many.
pub const CHANGE_NAME_BYTES: usize = CONTROL_NAME_BYTES + 1;

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the value is what the driver made of it (1 for a key frame and the drain).
    Done(i64),
    /// The driver has no such control.
    Absent,
    /// The driver refused the value.
    Refused {
        /// What the call answered.
        errno: u32,
        /// Whether the device itself refused, rather than the kernel before it was asked.
        device: bool,
        /// Smallest and largest value of the control.
        range: (i64, i64),
        /// Its step.
        step: u64,
    },
}

pub(super) fn encode_change(change: Change, words: &mut [u32; WORDS]) {
    let (what, id, value, name) = match change {
        Change::KeyFrame => (1, 0, 0, [0; CHANGE_NAME_BYTES]),
        Change::Bitrate(bits) => (2, 0, i64::from(bits), [0; _]),
        Change::Gop(frames) => (3, 0, i64::from(frames), [0; _]),
        Change::Drain => (4, 0, 0, [0; _]),
        Change::ControlId(id, value) => (5, id, value, [0; _]),
        Change::ControlName(name, value) => (6, 0, value, name),
    };
    words[4] = what;
    words[5] = id;
    put_long(words, 6, value as u64);
    for (word, bytes) in words[8..].iter_mut().zip(name.as_chunks().0) {
        *word = u32::from_le_bytes(*bytes);
    }
}

pub(super) fn decode_change(words: &[u32; WORDS]) -> Option<Change> {
    let value = get_long(words, 6) as i64;
    Some(match words[4] {
        1 => Change::KeyFrame,
        2 => Change::Bitrate(u32::try_from(value).ok()?),
        3 => Change::Gop(u32::try_from(value).ok()?),
        4 => Change::Drain,
        5 if words[5] <= CONTROL_ID_MAX => Change::ControlId(words[5], value),
        6 => {
            let mut name = [0; CHANGE_NAME_BYTES];
            for (bytes, word) in name.as_chunks_mut().0.iter_mut().zip(&words[8..]) {
                *bytes = word.to_le_bytes();
            }
            Change::ControlName(name, value)
        }
        _ => return None,
    })
}

pub(super) fn encode_outcome(outcome: Outcome, words: &mut [u32; WORDS]) {
    match outcome {
        Outcome::Done(value) => {
            words[4] = 1;
            put_long(words, 6, value as u64);
        }
        Outcome::Absent => words[4] = 2,
        Outcome::Refused {
            errno,
            device,
            range,
            step,
        } => {
            words[4] = 3 + u32::from(device);
            words[5] = errno;
            put_long(words, 6, range.0 as u64);
            put_long(words, 8, range.1 as u64);
            put_long(words, 10, step);
        }
    }
}

pub(super) fn decode_outcome(words: &[u32; WORDS]) -> Option<Outcome> {
    Some(match words[4] {
        1 => Outcome::Done(get_long(words, 6) as i64),
        2 => Outcome::Absent,
        which @ 3..=4 => Outcome::Refused {
            errno: words[5],
            device: which == 4,
            range: (get_long(words, 6) as i64, get_long(words, 8) as i64),
            step: get_long(words, 10),
        },
        _ => return None,
    })
}

fn put_long(words: &mut [u32; WORDS], at: usize, value: u64) {
    words[at] = value as u32;
    words[at + 1] = (value >> 32) as u32;
}

fn get_long(words: &[u32; WORDS], at: usize) -> u64 {
    u64::from(words[at]) | u64::from(words[at + 1]) << 32
}
