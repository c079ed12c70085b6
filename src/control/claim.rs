//! What lies at a socket's path: which kind of file, and who may put an engine's socket there.
//!
//! An engine looks whether the file belongs to a dead engine, removes it, and makes its own. Two engines that do so at the same time
//! would both run, and the first one could not be reached. Hence a lock: a file beside the socket, which is there for as long as that
//! takes. Knows files. Must never know what is said over the socket.

use core::ffi::CStr;

use arrayvec::ArrayVec;
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, flock, fstat, open, statat, unlink,
};
use rustix::io::{Errno, Result};
use rustix::thread::nanosleep;

use crate::limits::{CLAIM_MS, CONNECT_RETRY_MS, SOCKET_NAME_BYTES};
use crate::time::{MS, now, timespec};

/// What the lock's name ends with, after the socket's.
const SUFFIX: &[u8] = b".lock\0";

/// The right to replace a socket's file. Given up when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    lock: OwnedFd,
    path: ArrayVec<u8, { SOCKET_NAME_BYTES + SUFFIX.len() }>,
}

impl Claim {
    /// Waits until no other engine has the right: less than `CLAIM_MS`.
    ///
    /// # Errors
    /// `ADDRINUSE` when another engine keeps it; `NAMETOOLONG`; otherwise those of open(2) and flock(2), in the socket's folder.
    pub(super) fn take(socket: &CStr) -> Result<Self> {
        let mut path = ArrayVec::new();
        path.try_extend_from_slice(socket.to_bytes())
            .and_then(|()| path.try_extend_from_slice(SUFFIX))
            .map_err(|_| Errno::NAMETOOLONG)?;
        let deadline = now().saturating_add(u64::from(CLAIM_MS) * MS);
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        loop {
            let lock = open(name(&path), flags, Mode::from_raw_mode(0o600))?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    // Whoever had it before removed the file: then this one locks nobody out.
                    let ours = fstat(&lock)?;
                    match statat(CWD, name(&path), AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(there) if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino) => {
                            return Ok(Self { lock, path });
                        }
                        Ok(_) | Err(Errno::NOENT) => {}
                        Err(errno) => return Err(errno),
                    }
                    if now() >= deadline {
                        return Err(Errno::ADDRINUSE);
                    }
                }
                Err(Errno::WOULDBLOCK) if now() >= deadline => return Err(Errno::ADDRINUSE),
                // An interrupted sleep is as good as a whole one.
                Err(Errno::WOULDBLOCK) => {
                    drop(nanosleep(&timespec(u64::from(CONNECT_RETRY_MS) * MS)));
                }
                Err(errno) => return Err(errno),
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // A file that holds something is somebody's, whatever its name.
        if fstat(&self.lock).is_ok_and(|lock| lock.st_size == 0) {
            // Before the lock is gone, so that nobody locks it and then finds it removed without noticing.
            let _ = unlink(name(&self.path));
        }
    }
}

fn name(path: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(path).unwrap_or_default()
}

/// The kind of a file that is no socket, in words: `a regular file`; `None` for a socket, and where there is no file. `flags` say
/// whether a symbolic link is meant (an engine does not replace one), or what it leads to (a client follows it).
#[must_use]
pub fn other_than_socket(path: &CStr, flags: AtFlags) -> Option<&'static str> {
    let there = statat(CWD, path, flags).ok()?;
    Some(match FileType::from_raw_mode(there.st_mode) {
        FileType::Socket => return None,
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a pipe",
        _ => "a device",
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::string::String;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::{fs, thread};

    use rustix::fs::mknodat;

    use super::*;

    fn path(name: &str) -> (String, CString) {
        let path = std::format!("/tmp/framemill-{}-{name}", std::process::id());
        let c_path = CString::new(path.clone()).unwrap();
        (path, c_path)
    }

    #[test]
    fn one_has_the_right_at_a_time_and_nothing_stays() {
        let (path, socket) = path("claim");
        let holders = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        // Whoever sleeps may find it taken each time: on a busy machine for longer than an engine waits.
                        let claim = loop {
                            match Claim::take(&socket) {
                                Err(Errno::ADDRINUSE) => {}
                                answer => break answer.unwrap(),
                            }
                        };
                        assert_eq!(holders.fetch_add(1, SeqCst), 0);
                        thread::yield_now();
                        holders.fetch_sub(1, SeqCst);
                        drop(claim);
                    }
                });
            }
        });
        assert!(!fs::exists(path + ".lock").unwrap());
    }

    #[test]
    fn a_lock_that_nobody_gives_up_is_an_address_in_use() {
        let (_, socket) = path("kept");
        let _kept = Claim::take(&socket).unwrap();
        assert_eq!(Claim::take(&socket).unwrap_err(), Errno::ADDRINUSE);
    }

    #[test]
    fn a_file_with_contents_is_left_where_it_is() {
        let (path, socket) = path("theirs");
        fs::write(path.clone() + ".lock", "theirs").unwrap();
        drop(Claim::take(&socket).unwrap());
        assert_eq!(
            fs::read_to_string(path.clone() + ".lock").unwrap(),
            "theirs"
        );
        fs::remove_file(path + ".lock").unwrap();
    }

    #[test]
    fn whatever_lies_in_a_sockets_place_has_a_name() {
        let (path, c_path) = path("kind");
        assert_eq!(other_than_socket(&c_path, AtFlags::empty()), None);
        fs::write(&path, "").unwrap();
        assert_eq!(
            other_than_socket(&c_path, AtFlags::empty()),
            Some("a regular file")
        );
        fs::remove_file(&path).unwrap();
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(other_than_socket(&c_path, AtFlags::empty()), None);
        let link = CString::new(path.clone() + ".link").unwrap();
        std::os::unix::fs::symlink(&path, path.clone() + ".link").unwrap();
        assert_eq!(other_than_socket(&link, AtFlags::empty()), None);
        assert_eq!(
            other_than_socket(&link, AtFlags::SYMLINK_NOFOLLOW),
            Some("a symbolic link")
        );
        drop(socket);
        fs::remove_file(&path).unwrap();
        fs::remove_file(path.clone() + ".link").unwrap();
        mknodat(CWD, &*c_path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        assert_eq!(other_than_socket(&c_path, AtFlags::empty()), Some("a pipe"));
        fs::remove_file(path).unwrap();
        assert_eq!(
            other_than_socket(c"/tmp", AtFlags::empty()),
            Some("a folder")
        );
        assert_eq!(
            other_than_socket(c"/dev/null", AtFlags::empty()),
            Some("a device")
        );
    }
}
