//! Buffered output of text and bytes: whole, or an error. Keeps the first error, so that formatting code need not.
//!
//! An output without room is waited for by poll(2), whether it is blocking or not, and beside the signals that ask a command to finish.

use core::ffi::CStr;
use core::fmt::{self, Write};

use arrayvec::ArrayVec;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, open, statat};
use rustix::io::Errno;

use crate::cli::{Peer, Target};
use crate::command::peer::reach;
use crate::command::segments::Segments;
use crate::command::stop::{Stop, Woken};
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::{CONNECT_RETRY_MS, DATAGRAM_BYTES, OUTPUT_BYTES, PEER_MS, PIPE_BYTES};
use crate::log::note;
use crate::stdio::{is_stored, stdout};
use crate::text::Escaped;
use crate::time::MS;

const _: () = assert!(OUTPUT_BYTES <= PIPE_BYTES, "one write of it does not wait");

/// A file, pipe or socket that is written to.
#[derive(Debug)]
pub(super) struct Output<'a> {
    buffer: ArrayVec<u8, OUTPUT_BYTES>,
    port: Port<'a>,
}

/// What bytes are written to.
#[derive(Debug)]
struct Port<'a> {
    target: Target<'a>,
    /// `None` is standard output.
    file: Option<OwnedFd>,
    /// What is written is for whoever wants to read it: that nobody does any more is no failure.
    ends_quietly: bool,
    /// Standard output may be a blocking pipe, and not ours to change: bytes that one write(2) can be given without waiting. Of
    /// datagrams, the bytes of one.
    piece: Option<usize>,
    /// That a peer is gone is no failure: it is connected to again, every so many ms.
    again_ms: Option<u32>,
    trouble: Option<Trouble>,
    /// Datagrams that were not sent.
    unsent: u64,
    /// The output is files, one after the other. Before the first, and behind the last, there is none.
    segments: Option<Segments<'a>>,
    stop: &'a Stop,
}

/// Why nothing more is written.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// write(2) failed, or a peer took nothing for too long (`TIMEDOUT`).
    Errno(Errno),
    /// The wait for room ended in this way.
    Ended(Failure),
}

impl<'a> Output<'a> {
    /// Standard output, for those who may stop reading: one that has seen enough (`framemill probe | head`) ends the command with `Exit::Success`
    /// and without a sentence.
    pub(super) fn stdout(stop: &'a Stop) -> Self {
        let waits = stop.watches() && !is_stored(stdout()).unwrap_or(false);
        Self {
            buffer: ArrayVec::new(),
            port: Port {
                target: Target::Stdout,
                file: None,
                ends_quietly: true,
                piece: waits.then_some(PIPE_BYTES),
                again_ms: None,
                trouble: None,
                unsent: 0,
                segments: None,
                stop,
            },
        }
    }

    /// Files, one after the other.
    pub(super) fn files(target: Target<'a>, segments: Segments<'a>, stop: &'a Stop) -> Self {
        let mut output = Self::stdout(stop);
        let port = &mut output.port;
        port.ends_quietly = false;
        port.target = target;
        port.piece = None;
        port.segments = Some(segments);
        output
    }

    /// The files, if that is what the output is. Nothing may be in the buffer when the next one begins.
    pub(super) fn segments(&mut self) -> Option<&mut Segments<'a>> {
        self.port.segments.as_mut()
    }

    /// Standard output, a file that is made, or cut to nothing, or a peer, which is connected to until it is there if there is an
    /// `again_ms`.
    pub(super) fn to(
        target: Target<'a>,
        again_ms: Option<u32>,
        stop: &'a Stop,
    ) -> Result<Self, Failure> {
        let mut output = Self::stdout(stop);
        let port = &mut output.port;
        port.ends_quietly = false;
        port.target = target;
        match target {
            Target::Stdout => {}
            Target::File(path) => {
                port.file = Some(open_file(path, stop)?);
                port.piece = None;
            }
            Target::Peer(peer, _) => {
                let datagrams = matches!(peer, Peer::Udp(_));
                port.piece = datagrams.then_some(DATAGRAM_BYTES);
                port.again_ms = again_ms;
                port.connect()?;
            }
        }
        Ok(output)
    }

    /// Whether there is a peer, who can go away, and can be connected to again.
    pub(super) fn has_peer(&self) -> bool {
        self.port.is_peer()
    }

    /// The peer is gone, and to be connected to again: nothing is written before `reconnect`.
    pub(super) fn is_cut(&self) -> bool {
        self.port.again_ms.is_some() && matches!(self.port.trouble, Some(Trouble::Errno(_)))
    }

    /// Connects to the peer again, until it is there. What was not written is forgotten.
    pub(super) fn reconnect(&mut self) -> Result<(), Failure> {
        if let Some(Trouble::Errno(errno)) = self.port.trouble {
            note!(warn, "{}", Lost(self.port.name(), errno));
        }
        self.buffer.clear();
        self.port.connect()
    }

    /// Datagrams that were not sent.
    pub(super) fn unsent(&self) -> u64 {
        self.port.unsent
    }

    /// Writes bytes when there are enough of them; an error is kept.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.buffer.try_extend_from_slice(bytes).is_err() {
            self.flush();
            if self.buffer.try_extend_from_slice(bytes).is_err() {
                self.port.write(bytes);
            }
        }
    }

    /// Writes bytes through, behind what is in the buffer.
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.push(bytes);
        self.finish()
    }

    /// Everything that was written is out, or an error says that it is not.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.flush();
        self.port.check()
    }

    fn flush(&mut self) {
        self.port.write(&self.buffer);
        self.buffer.clear();
    }
}

/// Opens a file to be written from its beginning. What has no room says so, and is waited for by poll(2).
fn open_file(path: &CStr, stop: &Stop) -> Result<OwnedFd, Failure> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NONBLOCK;
    loop {
        match open(path, flags, Mode::from_raw_mode(0o666)) {
            Ok(file) => return Ok(file),
            // A FIFO that nobody reads yet: a reader may come.
            Err(Errno::NXIO)
                if statat(CWD, path, rustix::fs::AtFlags::empty())
                    .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo) =>
            {
                stop.pause(CONNECT_RETRY_MS)?;
            }
            Err(errno) => {
                return Err(failure!(
                    Exit::Output,
                    "cannot write {}: {}",
                    Escaped(path.to_bytes()),
                    Explained(errno)
                ));
            }
        }
    }
}

impl Port<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        let segment = self.segments.as_ref().and_then(Segments::file);
        match segment.or(self.file.as_ref()) {
            Some(file) => file.as_fd(),
            None => stdout(),
        }
    }

    fn is_peer(&self) -> bool {
        matches!(self.target, Target::Peer(..))
    }

    fn name(&self) -> Escaped<'_> {
        Escaped(match self.target {
            Target::Peer(_, name) => name.to_bytes(),
            _ => b"",
        })
    }

    fn connect(&mut self) -> Result<(), Failure> {
        self.file = None;
        let Target::Peer(peer, name) = &self.target else {
            return Ok(());
        };
        let reached = reach(peer, name, self.again_ms, self.trouble.is_some(), self.stop)?;
        self.file = Some(reached.map_err(|errno| {
            failure!(
                Exit::Output,
                "cannot connect to {}: {}",
                Escaped(name.to_bytes()),
                Explained(errno)
            )
        })?);
        self.trouble = None;
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        match self.trouble {
            None => Ok(()),
            Some(Trouble::Errno(_)) if self.again_ms.is_some() => Ok(()),
            Some(Trouble::Errno(Errno::PIPE)) if self.ends_quietly => Err(Failure {
                exit: Exit::Success,
            }),
            Some(Trouble::Errno(errno)) if self.is_peer() => {
                Err(failure!(Exit::Output, "{}", Lost(self.name(), errno)))
            }
            Some(Trouble::Errno(errno)) => Err(failure!(
                Exit::Output,
                "writing the output failed: {}",
                Explained(errno)
            )),
            Some(Trouble::Ended(failure)) => Err(failure),
        }
    }

    /// Writes all of it, unless there was trouble.
    fn write(&mut self, mut bytes: &[u8]) {
        let datagrams = matches!(self.target, Target::Peer(Peer::Udp(_), _));
        if let Some(segments) = &self.segments
            && segments.file().is_none()
        {
            // Between two files: there is nothing to write.
            return;
        }
        while self.trouble.is_none() && !bytes.is_empty() {
            if self.piece.is_some() {
                self.wait_for_room();
            }
            if self.trouble.is_some() {
                return;
            }
            let count = bytes.len().min(self.piece.unwrap_or(usize::MAX));
            match rustix::io::write(self.fd(), &bytes[..count]) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    self.wrote(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_for_room(),
                Err(errno) if datagrams => {
                    // Nobody is there now, or the network is not. Who sends datagrams goes on.
                    if self.unsent == 0 {
                        note!(warn, "a datagram was not sent: {}", Explained(errno));
                    }
                    self.unsent += 1;
                    bytes = &bytes[count..];
                }
                Err(errno) => self.fail(errno),
            }
        }
    }

    /// So many bytes were written.
    fn wrote(&mut self, count: usize) {
        if let Some(segments) = &mut self.segments
            && let Err(failure) = segments.wrote(count)
        {
            self.trouble = Some(Trouble::Ended(failure));
        }
    }

    /// A write failed. It is tried again if a segment could be deleted for it.
    fn fail(&mut self, errno: Errno) {
        self.trouble = match &mut self.segments {
            None => Some(Trouble::Errno(errno)),
            Some(segments) => match segments.has_made_room(errno) {
                Ok(true) => None,
                Ok(false) => Some(Trouble::Ended(segments.failed(errno))),
                Err(failure) => Some(Trouble::Ended(failure)),
            },
        };
    }

    /// Waits until a write has an answer. A command that is asked to finish meanwhile first writes what it has begun. A peer has
    /// `PEER_MS`.
    fn wait_for_room(&mut self) {
        let limit = self.is_peer().then_some(u64::from(PEER_MS) * MS);
        loop {
            match self.stop.wait(&[(self.fd(), PollFlags::OUT)], limit) {
                Ok(Woken::Asked) => {}
                Ok(Woken::Ready(_)) => return,
                Ok(Woken::TimedOut) => {
                    self.trouble = Some(Trouble::Errno(Errno::TIMEDOUT));
                    return;
                }
                Err(failure) => {
                    self.trouble = Some(Trouble::Ended(failure));
                    return;
                }
            }
        }
    }
}

/// Why a peer of this name is given up.
struct Lost<'a>(Escaped<'a>, Errno);

impl fmt::Display for Lost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Errno::TIMEDOUT => write!(f, "{} took nothing for {PEER_MS} ms", self.0),
            errno => write!(f, "writing to {} failed: {}", self.0, Explained(errno)),
        }
    }
}

impl Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// Prints a text whole, or says why not.
pub(super) fn print(text: fmt::Arguments<'_>) -> Result<(), Failure> {
    let stop = Stop::default();
    let mut output = Output::stdout(&stop);
    // The error is kept by the output.
    let _ = output.write_fmt(text);
    output.finish()
}
