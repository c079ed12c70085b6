//! Buffered output of text and bytes: whole, or an error. Keeps the first error, so that formatting code need not.

use core::fmt::{self, Write};

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::cli::Target;
use crate::error::{Exit, Failure};
use crate::failure;
use crate::limits::OUTPUT_BYTES;
use crate::stdio::stdout;
use crate::text::Escaped;
use crate::v4l2::errno::Named;

/// A file or pipe that is written to.
#[derive(Debug)]
pub(super) struct Output {
    /// `None` is standard output.
    file: Option<OwnedFd>,
    /// What is written is text for whoever wants to read it: that nobody does any more is no failure.
    text: bool,
    buffer: ArrayVec<u8, OUTPUT_BYTES>,
    error: Option<Errno>,
}

impl Output {
    /// Standard output, for text: a reader that has seen enough (`framemill probe | head`) ends the command with `Exit::Success`
    /// and without a sentence.
    pub(super) fn stdout() -> Self {
        Self {
            file: None,
            text: true,
            buffer: ArrayVec::new(),
            error: None,
        }
    }

    /// Standard output, or a file that is made, or cut to nothing.
    pub(super) fn to(target: Target<'_>) -> Result<Self, Failure> {
        let Target::File(path) = target else {
            return Ok(Self {
                text: false,
                ..Self::stdout()
            });
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let file = open(path, flags, Mode::from_raw_mode(0o666)).map_err(|errno| {
            failure!(
                Exit::Output,
                "cannot write {}: {}",
                Escaped(path.to_bytes()),
                Named(errno)
            )
        })?;
        Ok(Self {
            file: Some(file),
            text: false,
            buffer: ArrayVec::new(),
            error: None,
        })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.file {
            Some(file) => file.as_fd(),
            None => stdout(),
        }
    }

    /// Writes bytes through, behind what is in the buffer.
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.flush();
        self.write_through(bytes);
        self.check()
    }

    /// Everything that was written is out, or an error tells that it is not.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.flush();
        self.check()
    }

    fn check(&self) -> Result<(), Failure> {
        match self.error {
            None => Ok(()),
            Some(Errno::PIPE) if self.text => Err(Failure {
                exit: Exit::Success,
            }),
            Some(errno) => Err(failure!(
                Exit::Output,
                "writing the output failed: {}",
                Named(errno)
            )),
        }
    }

    fn flush(&mut self) {
        let buffer = core::mem::take(&mut self.buffer);
        self.write_through(&buffer);
    }

    fn write_through(&mut self, mut bytes: &[u8]) {
        while self.error.is_none() && !bytes.is_empty() {
            match rustix::io::write(self.fd(), bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                Err(errno) => self.error = Some(errno),
            }
        }
    }
}

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.buffer.try_extend_from_slice(text.as_bytes()).is_err() {
            self.flush();
            if self.buffer.try_extend_from_slice(text.as_bytes()).is_err() {
                self.write_through(text.as_bytes());
            }
        }
        Ok(())
    }
}
