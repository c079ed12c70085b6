//! Changes to a running engine, and what came of them, as words of a message. Words 4 and 5 are what and which, 6 and 7 a
//! value of 64 bits; a change's last eight words are a control's name, an outcome's next ones the control's range and step.

use super::words::{CHANGE_NAME_BYTES, WORDS, get_long, get_name, put_long, put_name};
use crate::limits::CONTROL_ID_MAX;

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
    /// The encoder's menu control of this number, and its item of this name, padded with NULs.
    ControlItem(u32, [u8; CHANGE_NAME_BYTES]),
    /// Changes nothing: asks for the number of the control of this name, because a message has no room for two names.
    FindControl([u8; CHANGE_NAME_BYTES]),
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; the value is what the driver made of it (1 for a key frame and the drain).
    Done(i64),
    /// Done; the value is what the driver made of it, and that item of a menu, whose name is this, padded with NULs.
    Item(i64, [u8; CHANGE_NAME_BYTES]),
    /// The driver has no such control.
    Absent,
    /// The driver has no control of this name; the nearest one, padded with NULs, empty when none is near.
    NoControl([u8; CHANGE_NAME_BYTES]),
    /// The control has no item of this name; the nearest one, likewise.
    NoItem([u8; CHANGE_NAME_BYTES]),
    /// The control has another value and keeps it while the encoder runs: that value, and the item's name or nothing.
    Fixed(i64, [u8; CHANGE_NAME_BYTES]),
    /// The bit rate is more than the stream's H.264 level allows.
    AboveLevel {
        /// The level, a `V4L2_CID_MPEG_VIDEO_H264_LEVEL` value.
        level: u32,
        /// What it allows, bits per second.
        max_bitrate: u32,
        /// The lowest level that allows it; `None` when none does.
        needed: Option<u32>,
    },
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
        Change::ControlItem(id, name) => (7, id, 0, name),
        Change::FindControl(name) => (8, 0, 0, name),
    };
    words[4] = what;
    words[5] = id;
    put_long(words, 6, value as u64);
    put_name(words, &name);
}

pub(super) fn decode_change(words: &[u32; WORDS]) -> Option<Change> {
    let value = get_long(words, 6) as i64;
    Some(match words[4] {
        1 => Change::KeyFrame,
        2 => Change::Bitrate(u32::try_from(value).ok()?),
        3 => Change::Gop(u32::try_from(value).ok()?),
        4 => Change::Drain,
        5 if words[5] <= CONTROL_ID_MAX => Change::ControlId(words[5], value),
        6 => Change::ControlName(get_name(words), value),
        7 if words[5] <= CONTROL_ID_MAX => Change::ControlItem(words[5], get_name(words)),
        8 => Change::FindControl(get_name(words)),
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
        Outcome::Item(value, name) => {
            words[4] = 5;
            put_long(words, 6, value as u64);
            put_name(words, &name);
        }
        Outcome::Fixed(value, name) => {
            words[4] = 9;
            put_long(words, 6, value as u64);
            put_name(words, &name);
        }
        Outcome::NoControl(near) => {
            words[4] = 6;
            put_name(words, &near);
        }
        Outcome::NoItem(near) => {
            words[4] = 7;
            put_name(words, &near);
        }
        Outcome::AboveLevel {
            level,
            max_bitrate,
            needed,
        } => {
            words[4] = 8;
            words[5] = level;
            words[6] = max_bitrate;
            // Counted from 1; 0 is none.
            words[7] = needed.map_or(0, |needed| needed.saturating_add(1));
        }
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
        5 => Outcome::Item(get_long(words, 6) as i64, get_name(words)),
        9 => Outcome::Fixed(get_long(words, 6) as i64, get_name(words)),
        6 => Outcome::NoControl(get_name(words)),
        7 => Outcome::NoItem(get_name(words)),
        8 => Outcome::AboveLevel {
            level: words[5],
            max_bitrate: words[6],
            needed: words[7].checked_sub(1),
        },
        which @ 3..=4 => Outcome::Refused {
            errno: words[5],
            device: which == 4,
            range: (get_long(words, 6) as i64, get_long(words, 8) as i64),
            step: get_long(words, 10),
        },
        _ => return None,
    })
}
