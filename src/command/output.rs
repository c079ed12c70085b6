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

use crate::cli::Target;
use crate::command::stop::{Stop, Woken};
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::{CONNECT_RETRY_MS, OUTPUT_BYTES, PIPE_BYTES};
use crate::stdio::{is_stored, stdout};
use crate::text::Escaped;

const _: () = assert!(OUTPUT_BYTES <= PIPE_BYTES, "one write of it does not wait");

/// A file or pipe that is written to.
#[derive(Debug)]
pub(super) struct Output<'a> {
    buffer: ArrayVec<u8, OUTPUT_BYTES>,
    port: Port<'a>,
}

/// What bytes are written to.
#[derive(Debug)]
struct Port<'a> {
    /// `None` is standard output.
    file: Option<OwnedFd>,
    /// What is written is text for whoever wants to read it: that nobody does any more is no failure.
    text: bool,
    /// Standard output may be a blocking pipe, and not ours to change: bytes that one write(2) can be given without waiting.
    piece: Option<usize>,
    trouble: Option<Trouble>,
    stop: &'a Stop,
}

/// Why nothing more is written.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// write(2) failed.
    Errno(Errno),
    /// The wait for room ended in this way.
    Ended(Failure),
}

impl<'a> Output<'a> {
    /// Standard output, for text: a reader that has seen enough (`framemill probe | head`) ends the command with `Exit::Success`
    /// and without a sentence.
    pub(super) fn stdout(stop: &'a Stop) -> Self {
        let waits = stop.watches() && !is_stored(stdout()).unwrap_or(false);
        Self {
            buffer: ArrayVec::new(),
            port: Port {
                file: None,
                text: true,
                piece: waits.then_some(PIPE_BYTES),
                trouble: None,
                stop,
            },
        }
    }

    /// Standard output, or a file that is made, or cut to nothing.
    pub(super) fn to(target: Target<'_>, stop: &'a Stop) -> Result<Self, Failure> {
        let mut output = Self::stdout(stop);
        output.port.text = false;
        if let Target::File(path) = target {
            output.port.file = Some(open_file(path, stop)?);
            output.port.piece = None;
        }
        Ok(output)
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

    /// Everything that was written is out, or an error tells that it is not.
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
        match &self.file {
            Some(file) => file.as_fd(),
            None => stdout(),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        match self.trouble {
            None => Ok(()),
            Some(Trouble::Errno(Errno::PIPE)) if self.text => Err(Failure {
                exit: Exit::Success,
            }),
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
        while self.trouble.is_none() && !bytes.is_empty() {
            if self.piece.is_some() {
                self.wait_for_room();
            }
            if self.trouble.is_some() {
                return;
            }
            let count = bytes.len().min(self.piece.unwrap_or(usize::MAX));
            match rustix::io::write(self.fd(), &bytes[..count]) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_for_room(),
                Err(errno) => self.trouble = Some(Trouble::Errno(errno)),
            }
        }
    }

    /// Waits until a write has an answer. A command that is asked to finish meanwhile first writes what it has begun.
    fn wait_for_room(&mut self) {
        loop {
            match self.stop.wait(&[(self.fd(), PollFlags::OUT)], None) {
                Ok(Woken::Asked) => {}
                Ok(_) => return,
                Err(failure) => {
                    self.trouble = Some(Trouble::Ended(failure));
                    return;
                }
            }
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
