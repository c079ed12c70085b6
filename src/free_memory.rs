//! How much memory is free. Asked before shared memory is made: touching more than there is ends in the OOM killer, and not with an
//! errno.
//!
//! Knows sysinfo(2) and two files of /proc, and does without the latter: an initramfs may have no /proc. Must never know what the
//! memory is for.

use core::ffi::CStr;
use core::fmt;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::pread;
use rustix::system::sysinfo;

use crate::limits::{FREE_MEMORY_RESERVE, PROC_BYTES};
use crate::stdio::Kept;
use crate::text::{digits, words};

/// `/proc/meminfo`, for a process that cannot open it later.
static MEMINFO: Kept = Kept::new();

/// Keeps `/proc/meminfo` open, if there is one: for a process that is about to lose the file system.
pub fn keep_open() {
    #[cfg(test)]
    if crate::simulation::now().is_some() {
        return;
    }
    if let Some(file) = open_proc(c"/proc/meminfo") {
        MEMINFO.keep(file);
    }
}

/// How much memory is free, in words: `123456 bytes of memory are free`.
#[derive(Clone, Copy, Debug)]
pub struct Free;

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of memory are free", available())
    }
}

/// Whether so many bytes can be made without taking the last ones of the system.
#[must_use]
pub fn has_room(bytes: usize) -> bool {
    let wanted = bytes as u64;
    available() >= wanted.saturating_add(reserve(wanted))
}

/// What must stay free beside `wanted` bytes: little is refused only where almost nothing is left.
fn reserve(wanted: u64) -> u64 {
    (wanted / 4).min(FREE_MEMORY_RESERVE)
}

/// Bytes that are free, or that the kernel frees when they are needed: its caches (where /proc shows them), and swap.
#[must_use]
pub fn available() -> u64 {
    #[cfg(test)]
    if let Some(bytes) = crate::simulation::free_memory() {
        return bytes;
    }
    let info = sysinfo();
    let unit = info.mem_unit.max(1);
    let swap = bytes(info.freeswap, unit);
    let kib = match MEMINFO.get() {
        Some(file) => number(file, b"MemAvailable:"),
        None => open_proc(c"/proc/meminfo").and_then(|file| number(&file, b"MemAvailable:")),
    };
    let free = match kib {
        Some(kib) => kib.saturating_mul(1024),
        // Without /proc there are hardly any programs that files are cached for.
        None => bytes(info.freeram, unit).saturating_add(bytes(info.bufferram, unit)),
    };
    free.saturating_add(swap)
}

/// So many units; a word of the kernel's, which has 32 bits on some.
fn bytes(units: impl Into<u64>, unit: u32) -> u64 {
    units.into().saturating_mul(unit.into())
}

/// Bytes that this process has mapped, all of which a lock of its memory takes; `None` without /proc.
#[must_use]
pub fn mapped() -> Option<u64> {
    let kib = number(open_proc(c"/proc/self/status")?, b"VmSize:")?;
    Some(kib.saturating_mul(1024))
}

fn open_proc(path: &CStr) -> Option<OwnedFd> {
    // Not `open`, which is another system call on some architectures: the sandbox permits this one.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).ok()
}

/// The number behind a name in such a file.
fn number(file: impl AsFd, name: &[u8]) -> Option<u64> {
    let mut text = [0; PROC_BYTES];
    let length = pread(file, &mut text, 0).ok()?;
    parse(text.get(..length)?, name)
}

/// The number behind a name at the beginning of a line: `MemAvailable:     123456 kB`.
fn parse(text: &[u8], name: &[u8]) -> Option<u64> {
    let line = text
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(name))?;
    digits(words(line.trim_ascii()).next()?, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_whole_name() {
        let text =
            b"MemTotal:  500000 kB\nMemFree:   1000 kB\nMemAvailable:  123456 kB\nBuffers: 1 kB\n";
        for (name, number) in [
            ("MemTotal:", Some(500_000)),
            ("MemAvailable:", Some(123_456)),
            ("Mem", None),
            ("Available:", None),
            ("Swap:", None),
        ] {
            assert_eq!(parse(text, name.as_bytes()), number, "{name}");
        }
        assert_eq!(parse(b"MemAvailable: many kB", b"MemAvailable:"), None);
        // The text ends within the number: what there is of it is a number, too, and no less safe.
        assert_eq!(parse(b"VmSize:\t 12", b"VmSize:"), Some(12));
    }

    #[test]
    fn a_little_is_had_as_long_as_a_little_is_left() {
        assert_eq!(reserve(8 << 10), 2 << 10);
        assert_eq!(reserve(256 << 20), FREE_MEMORY_RESERVE);
    }

    #[test]
    fn this_machine_has_some_memory_and_not_all_that_can_be_named() {
        assert!(available() > 0);
        assert!(has_room(4096));
        assert!(!has_room(usize::MAX / 2));
        assert!(mapped().is_some_and(|bytes| bytes > 0));
    }
}
