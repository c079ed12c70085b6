//! The object that readers of ustreamer's memory sink know: a file of /dev/shm with room for one frame, under flock(2).
//!
//! Written by pwrite(2), because a mapping would take all of its room at once, and would end in SIGBUS when another program cuts the
//! file. Knows files and locks; where words lie is `media::memsink`'s business.

use core::ffi::CStr;
use core::fmt;

use rustix::fd::OwnedFd;
use rustix::fs::{
    FileType, FlockOperation, Mode, OFlags, fchmod, fcntl_lock, flock, fstat, ftruncate, open,
    unlink,
};
use rustix::io::{Errno, pread, pwrite};

use crate::cli::SinkOptions;
use crate::command::stop::Stop;
use crate::errno::name::Explained;
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::limits::SINK_READER_MS;
use crate::media::memsink::{
    SINK_FRAME_WORDS, SINK_HEADER_BYTES, SINK_NAME_BYTES, SinkFrame, SinkHeader, SinkLayout,
};
use crate::text::Escaped;
use crate::time::{MS, now};

const FOLDER: &[u8] = b"/dev/shm/";

/// How often a lock that another has is tried again, ns: as ustreamer's own programs do.
const LOCK_RETRY_NS: u64 = MS;

/// The object.
#[derive(Debug)]
pub(super) struct Object {
    file: OwnedFd,
    path: Path,
    /// Where words lie.
    pub(super) layout: SinkLayout,
    /// Room for a frame, bytes.
    pub(super) capacity: u32,
    header: SinkHeader,
    /// What a reader wrote last.
    client: [u8; 16],
    /// When that was seen to change, `CLOCK_MONOTONIC` ns.
    client_ns: Option<u64>,
}

/// What came of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there.
    Done,
    /// Somebody else had the lock for too long.
    Locked,
    /// The object has no room for it.
    TooLarge,
}

impl Object {
    /// Makes the object, or takes over one that is there: what is in it is no frame any more.
    pub(super) fn open(options: &SinkOptions<'_>, stop: &Stop) -> Result<Self, Failure> {
        let path = Path::new(options.name);
        let capacity = options.layout.capacity(options.name.to_bytes());
        let layout = options.layout;
        // The rules of the command line know that there is one.
        let capacity = capacity.unwrap_or_default();
        let bytes = layout.object_bytes(capacity);
        let file = open_file(&path, options.mode, bytes).map_err(|errno| path.failed(errno))?;
        let mut object = Self {
            file,
            path,
            layout,
            capacity,
            header: [0; SINK_HEADER_BYTES],
            client: [0; 16],
            client_ns: None,
        };
        object.clear(stop, 0)?;
        object.load().map_err(|errno| object.path.failed(errno))?;
        object.client = layout.client(&object.header);
        Ok(object)
    }

    /// Whether somebody reads it: each look at it leaves a time in it. Only that it changes counts, because it may be of another clock.
    pub(super) fn has_readers(&mut self) -> Result<bool, Failure> {
        self.load().map_err(|errno| self.path.failed(errno))?;
        let time = now();
        let client = self.layout.client(&self.header);
        if client != self.client {
            self.client = client;
            self.client_ns = Some(time);
        }
        let ttl = u64::from(SINK_READER_MS) * MS;
        Ok(self
            .client_ns
            .is_some_and(|at| time.saturating_sub(at) < ttl))
    }

    /// Whether a reader requests a key frame, as far as was seen by `has_readers` and `put`.
    pub(super) fn key_requested(&self) -> bool {
        self.layout.key_requested(&self.header)
    }

    /// Writes a frame in two parts; waits for the lock until `deadline_ns`, `CLOCK_MONOTONIC`.
    pub(super) fn put(
        &mut self,
        stop: &Stop,
        frame: &SinkFrame,
        parts: [&[u8]; 2],
        deadline_ns: u64,
    ) -> Result<Put, Failure> {
        if frame.bytes > self.capacity.into() {
            return Ok(Put::TooLarge);
        }
        if !self.lock(stop, deadline_ns)? {
            return Ok(Put::Locked);
        }
        let written = self.write(frame, parts);
        self.unlock();
        written.map_err(|errno| self.path.failed(errno))?;
        Ok(Put::Done)
    }

    fn write(&mut self, frame: &SinkFrame, [first, second]: [&[u8]; 2]) -> Result<(), Errno> {
        self.load()?;
        // Half a frame is none, whatever becomes of this process.
        self.write_at(&self.layout.no_frame(), 0)?;
        let data = self.layout.data();
        self.write_at(first, data)?;
        self.write_at(second, data + first.len())?;
        let mut header = self.header;
        self.layout.describe(&mut header, frame);
        self.header = header;
        let (which, words) = header[..data].split_at(SINK_FRAME_WORDS);
        self.write_at(words, SINK_FRAME_WORDS)?;
        self.write_at(which, 0)
    }

    /// Takes the frame out; waits for the lock so long, ns.
    pub(super) fn clear(&mut self, stop: &Stop, patience_ns: u64) -> Result<(), Failure> {
        // Without the lock, too: a reader that has it goes on with the frame that it found.
        let locked = self.lock(stop, now() + patience_ns)?;
        let written = self.write_at(&self.layout.no_frame(), 0);
        if locked {
            self.unlock();
        }
        written.map_err(|errno| self.path.failed(errno))
    }

    /// Removes the file, if it is still this one.
    pub(super) fn remove(&self) {
        let at_path = rustix::fs::stat(self.path.as_c_str());
        if let (Ok(ours), Ok(there)) = (fstat(&self.file), at_path)
            && (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
        {
            // One that somebody else removed is gone as well.
            let _ = unlink(self.path.as_c_str());
        }
    }

    fn lock(&self, stop: &Stop, deadline_ns: u64) -> Result<bool, Failure> {
        loop {
            match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(true),
                Err(Errno::WOULDBLOCK) if now() >= deadline_ns => return Ok(false),
                // A signal is seen by the next `stop.asked`.
                Err(Errno::WOULDBLOCK) => {
                    stop.wait(&[], Some(LOCK_RETRY_NS))?;
                }
                Err(errno) => return Err(self.path.failed(errno)),
            }
        }
    }

    fn unlock(&self) {
        // It is ours, so it can be let go.
        let _ = flock(&self.file, FlockOperation::NonBlockingUnlock);
    }

    fn load(&mut self) -> Result<(), Errno> {
        // It is longer; one that was cut has zeros behind its end.
        self.header = [0; SINK_HEADER_BYTES];
        pread(&self.file, &mut self.header[..], 0).map(|_| ())
    }

    fn write_at(&self, mut bytes: &[u8], mut at: usize) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let count = pwrite(&self.file, bytes, at as u64)?;
            bytes = bytes.get(count..).unwrap_or_default();
            at += count;
        }
        Ok(())
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// Opens the file, or makes it; it has so many bytes at least, and no other sink writes to it.
fn open_file(path: &Path, mode: u32, bytes: u64) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mode = Mode::from_raw_mode(mode);
    let file = open(path.as_c_str(), flags, mode)?;
    let found = fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    // Of another kind than readers' locks, which it leaves alone. It ends with this process.
    fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)?;
    // Never smaller, because readers may have mapped what there is.
    if (found.st_size as u64) < bytes {
        ftruncate(&file, bytes)?;
    }
    // Without the umask. Somebody else's file has the mode that they gave it.
    match fchmod(&file, mode) {
        Err(Errno::PERM) => {}
        answer => answer?,
    }
    Ok(file)
}

/// The object's path.
#[derive(Debug)]
struct Path([u8; FOLDER.len() + SINK_NAME_BYTES + 1]);

impl Path {
    fn new(name: &CStr) -> Self {
        let mut path = [0; _];
        let bytes = FOLDER.iter().chain(name.to_bytes());
        // The last byte stays zero: the name is not longer.
        for (place, byte) in path[..FOLDER.len() + SINK_NAME_BYTES].iter_mut().zip(bytes) {
            *place = *byte;
        }
        Self(path)
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    fn failed(&self, errno: Errno) -> Failure {
        match errno {
            Errno::AGAIN => failure!(Exit::Output, "{self}: another sink writes to it"),
            Errno::INVAL | Errno::LOOP | Errno::ISDIR | Errno::NXIO => {
                failure!(Exit::Output, "{self} is no regular file: remove it")
            }
            errno => failure!(Exit::Output, "cannot write {self}: {}", Explained(errno)),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.as_c_str().to_bytes()).fmt(f)
    }
}
