//! The registry of all frames, by the numbers that are drawn into them, and what the devices did that excuses an engine. Knows neither
//! devices nor the engine.

use std::format;
use std::string::String;
use std::vec::Vec;

use rustix::io::Errno;

/// A frame that a producer drew, or a camera took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Number of the attachment; 0 for a camera.
    pub(super) producer: u32,
    pub(super) timestamp: u64,
    committed: bool,
    queued: bool,
    /// A device said that its frame is damaged.
    spoilt: bool,
    pub(super) published: bool,
}

/// All frames, by the numbers written into them: from 1 on.
#[derive(Debug, Default)]
pub(super) struct Frames {
    list: Vec<Frame>,
    last_queued: u64,
    pub(super) commits: u64,
    /// Frames that the engine took from a camera.
    pub(super) dequeued: u64,
    producers: u32,
}

impl Frames {
    /// A producer was let in.
    pub(super) fn attached(&mut self) -> u32 {
        self.producers += 1;
        self.producers
    }

    /// A producer draws a frame.
    pub(super) fn drawn(&mut self, producer: u32, timestamp: u64) -> u64 {
        self.list.push(Frame {
            producer,
            timestamp,
            committed: false,
            queued: false,
            spoilt: false,
            published: false,
        });
        self.list.len() as u64
    }

    pub(super) fn committed(&mut self, stamp: u64) {
        if let Some(frame) = self.get(stamp) {
            frame.committed = true;
        }
        self.commits += 1;
    }

    /// A camera takes a frame.
    pub(super) fn taken(&mut self) -> u64 {
        let stamp = self.drawn(0, 0);
        self.committed(stamp);
        stamp
    }

    /// A device says that a frame is damaged.
    pub(super) fn spoilt(&mut self, stamp: u64) {
        if let Some(frame) = self.get(stamp) {
            frame.spoilt = true;
        }
    }

    pub(super) fn get(&mut self, stamp: u64) -> Option<&mut Frame> {
        self.list
            .get_mut(usize::try_from(stamp.checked_sub(1)?).ok()?)
    }

    /// A frame is queued to the encoder.
    pub(super) fn queued(&mut self, stamp: u64, violation: &mut Option<String>) {
        let last = self.last_queued;
        let wrong = match self.get(stamp) {
            None => Some("a frame is queued that nobody drew"),
            Some(frame) if !frame.committed => Some("a frame is queued that nobody committed"),
            Some(frame) if frame.queued => Some("a frame is queued twice"),
            Some(frame) if frame.spoilt => Some("a frame is queued that is damaged"),
            Some(_) if stamp < last => Some("a frame is queued after a later one"),
            Some(frame) => {
                frame.queued = true;
                None
            }
        };
        self.last_queued = stamp;
        if let Some(what) = wrong {
            violation.get_or_insert_with(|| format!("{what}: frame {stamp}, after {last}"));
        }
    }
}

/// What the devices did that excuses an engine.
#[derive(Debug, Default)]
pub(super) struct Liberties {
    /// Frames were lost or damaged.
    pub(super) lossy: bool,
    /// The encoder said something wrong of a packet: which frame it is of cannot be known.
    pub(super) lied: bool,
    /// QBUF refused a frame.
    pub(super) refused: bool,
    /// Calls failed, with these errnos.
    pub(super) errnos: Vec<Errno>,
    /// A device was taken away, or could not be opened.
    pub(super) removed: bool,
    /// How many of them did.
    pub(super) strikes: u32,
    /// A device hung, or poll(2) reported errors.
    pub(super) hung: bool,
}

impl Liberties {
    pub(super) fn faulted(&mut self, errno: Errno) {
        self.strikes += 1;
        if !self.errnos.contains(&errno) {
            self.errnos.push(errno);
        }
    }

    /// Whether a device was gone, or said so.
    pub(super) fn lost(&self) -> bool {
        let gone = [Errno::NODEV, Errno::NXIO, Errno::NOENT];
        self.removed || self.errnos.iter().any(|errno| gone.contains(errno))
    }

    /// Whether one call failed once, and nothing else was wrong: an engine that runs goes on.
    pub(super) fn one_fault(&self) -> bool {
        let others = self.lossy || self.lied || self.refused || self.hung || self.removed;
        self.strikes == 1 && !others
    }

    /// Whether memory or descriptors were short.
    pub(super) fn short(&self) -> bool {
        self.errnos.contains(&Errno::NOMEM)
    }

    pub(super) fn none(&self) -> bool {
        !self.lossy
            && !self.lied
            && !self.refused
            && !self.hung
            && !self.removed
            && self.errnos.is_empty()
    }
}
