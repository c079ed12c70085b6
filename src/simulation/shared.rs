//! What all simulated devices share: the frames' registry, memory that was imported, what was seen to be wrong, and the trace.

use core::fmt;

use rustix::fs::{Mode, OFlags, open, stat};
use rustix::io::{Errno, Result};
use std::collections::{HashMap, HashSet};
use std::format;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use super::clock;
use super::frames::{Frames, Liberties};
use super::memory::{Handle, Imported};
use crate::shm::region::Region;

/// Lines of the trace that are kept.
const TRACE_LINES: usize = 400;

/// Where the buffers of an open file get their memory.
pub(super) struct Place<'a> {
    pub(super) handle: &'a Handle,
    pub(super) space: &'a mut u64,
}

/// What all devices share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) frames: Frames,
    pub(super) liberties: Liberties,
    pub(super) dmabufs: HashSet<u64>,
    pub(super) imports: HashMap<u64, Rc<Imported>>,
    /// Number of the latest packet of any encoder.
    pub(super) serial: u64,
    /// How often an encoder was started.
    pub(super) streams: u64,
    /// The first thing that must not be.
    pub(super) violation: Option<String>,
    /// Packets that the judge has seen.
    pub(super) seen: u64,
    /// A controller asked for the end.
    pub(super) drained: bool,
    /// The exam was passed.
    pub(super) passed: bool,
    /// Everybody is to leave.
    pub(super) quiet: bool,
    pub(super) trace: Option<Vec<String>>,
}

impl Shared {
    pub(super) fn now(&self) -> u64 {
        clock::now().unwrap_or(0)
    }

    pub(super) fn violated(&mut self, what: fmt::Arguments<'_>) {
        self.trace(format_args!("VIOLATION: {what}"));
        self.violation.get_or_insert_with(|| what.to_string());
    }

    pub(super) fn trace(&mut self, what: fmt::Arguments<'_>) {
        let now = self.now();
        let Some(lines) = &mut self.trace else { return };
        if lines.len() >= 2 * TRACE_LINES {
            lines.drain(..TRACE_LINES);
        }
        let (ms, us) = (now / 1_000_000, now / 1000 % 1000);
        lines.push(format!("{ms:7}.{us:03} ms  {what}"));
    }

    /// The memory behind somebody's descriptor, which has so many bytes at least.
    pub(super) fn import(&mut self, number: i32, length: u32) -> Result<Rc<Imported>> {
        let path = format!("/proc/self/fd/{number}");
        let found = stat(&*path).map_err(|_| Errno::BADF)?;
        if (found.st_size as u64) < u64::from(length) {
            return Err(Errno::INVAL);
        }
        if let Some(imported) = self.imports.get(&found.st_ino) {
            return Ok(imported.clone());
        }
        let fd = open(&*path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        let imported = Rc::new(Imported {
            inode: found.st_ino,
            region: Region::map(&fd, length as usize, true)?,
        });
        self.imports.insert(found.st_ino, imported.clone());
        Ok(imported)
    }
}
