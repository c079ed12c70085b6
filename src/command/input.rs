//! Reading frames' bytes from a file or a pipe. Knows bytes, ends of files and Y4M's lines; knows no slots.

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, SeekFrom, fstat, open, seek};
use rustix::io::Errno;

use crate::cli::{Container, Source};
use crate::command::stop::Stop;
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::{BOUNCE_BYTES, INPUT_BYTES};
use crate::log::note;
use crate::media::magic;
use crate::media::y4m::{self, Y4mHeader};
use crate::shm::bytes::SharedBytes;
use crate::stdio::{is_stored, stdin};
use crate::text::Escaped;
use crate::time::{MS, timespec};

/// A file or pipe that is read from, with the bytes that were read ahead.
#[derive(Debug)]
pub(super) struct Input<'a> {
    /// `None` is standard input.
    file: Option<OwnedFd>,
    ahead: ArrayVec<u8, INPUT_BYTES>,
    /// Where in the file the input begins: elsewhere than at 0 only where standard input was read from before.
    base: u64,
    /// Where in the file the first frame begins.
    start: u64,
    /// Where in the file it ended when it was opened; 0 where it has no end.
    end: u64,
    /// How far it was read, the bytes that were read ahead included.
    taken: u64,
    header: Option<Y4mHeader>,
    /// How long to wait for more bytes before `Filled::Idle`, ms; `None`, as it is after that, waits without limit.
    pub(super) patience_ms: Option<u32>,
    /// This file system cannot read into a device's memory.
    bounce: bool,
    /// It may have to be waited for: a pipe, a socket or a device, and a signal may be waited for, too.
    waits: bool,
    stop: &'a Stop,
}

/// How much was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// All of it.
    Whole,
    /// The input ended after so many bytes.
    Short(usize),
    /// Nothing came after so many bytes for `patience_ms`: call again for the rest.
    Idle(usize),
}

impl<'a> Input<'a> {
    /// Opens the input and, for Y4M, reads its header.
    pub(super) fn open(
        source: Source<'_>,
        container: Container,
        stop: &'a Stop,
    ) -> Result<Self, Failure> {
        let (file, named_y4m) = match source {
            Source::File(path) => {
                // A FIFO that nobody writes to yet is waited for by poll(2), not here.
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let file = open(path, flags, Mode::empty()).map_err(|errno| {
                    failure!(
                        Exit::Input,
                        "cannot read {}: {}",
                        Escaped(path.to_bytes()),
                        Explained(errno)
                    )
                })?;
                (Some(file), path.to_bytes().ends_with(b".y4m"))
            }
            Source::Stdin | Source::Pattern => (None, false),
        };
        let mut input = Self {
            file,
            ahead: ArrayVec::new(),
            base: 0,
            start: 0,
            end: 0,
            taken: 0,
            header: None,
            patience_ms: None,
            bounce: false,
            waits: false,
            stop,
        };
        // A pipe has no position.
        input.base = seek(input.fd(), SeekFrom::Current(0)).unwrap_or(0);
        (input.start, input.taken) = (input.base, input.base);
        input.end = input.base + input.size().unwrap_or(0);
        input.waits = input.live();
        let y4m = match container {
            Container::Y4m => true,
            Container::Raw => false,
            Container::Auto => named_y4m || input.peek(y4m::MAGIC.len())? == y4m::MAGIC,
        };
        input.reject_other_kinds(y4m, container)?;
        if y4m {
            let mut line = [0; y4m::LINE_BYTES];
            let Some(length) = input.line(&mut line)? else {
                return Err(failure!(Exit::Input, "the input is empty, not Y4M"));
            };
            let header = y4m::parse_header(&line[..length])
                .map_err(|error| failure!(Exit::Input, "{error}"))?;
            input.header = Some(header);
            input.start = input.base + length as u64;
        }
        Ok(input)
    }

    /// Rejects a film, a picture or a coded stream, which would be encoded as noise. `--raw` insists, and is only warned.
    fn reject_other_kinds(&mut self, y4m: bool, container: Container) -> Result<(), Failure> {
        let Some(kind) = magic::kind(self.peek(magic::MAGIC_BYTES)?) else {
            return Ok(());
        };
        let is_y4m = self.peek(y4m::MAGIC.len())? == y4m::MAGIC;
        if container == Container::Raw {
            note!(
                warn,
                "the input looks like {kind}: taken as raw frames, as --raw says"
            );
        } else if !(y4m && is_y4m) {
            return Err(failure!(
                Exit::Input,
                "the input is {kind}, neither raw frames nor Y4M; decode it first: ffmpeg -i FILE -f yuv4mpegpipe - | framemill push --from -"
            ));
        }
        Ok(())
    }

    /// The Y4M header; `None` for raw input.
    pub(super) fn header(&self) -> Option<&Y4mHeader> {
        self.header.as_ref()
    }

    /// Bytes of the whole input, where it is a file that has a size; standard input counts from where it stood.
    pub(super) fn size(&self) -> Option<u64> {
        let stat = fstat(self.fd()).ok()?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        regular.then(|| (stat.st_size as u64).saturating_sub(self.base))
    }

    /// Whether frames arrive while they are read: a pipe, a socket or a device and not a file.
    pub(super) fn live(&self) -> bool {
        is_stored(self.fd()).is_ok_and(|stored| !stored)
    }

    /// Goes back to the first frame.
    pub(super) fn rewind(&mut self) -> Result<(), Failure> {
        self.ahead.clear();
        self.taken = self.start;
        seek(self.fd(), SeekFrom::Start(self.start))
            .map(|_| ())
            .map_err(|errno| {
                failure!(
                    Exit::Input,
                    "the input cannot be started over: {}",
                    Explained(errno)
                )
            })
    }

    /// Whether there is something to read within `ms`: bytes, or the end.
    pub(super) fn ready(&self, ms: u32) -> bool {
        let fd = self.fd();
        let mut set = [PollFd::new(&fd, PollFlags::IN)];
        // An interrupted wait counts as one without bytes.
        !self.ahead.is_empty()
            || poll(&mut set, Some(&timespec(u64::from(ms) * MS))).is_ok_and(|count| count > 0)
    }

    /// Steps to the next frame's bytes. False at the end of the input. In Y4M a line stands before each frame; in raw
    /// input the end is found by reading.
    pub(super) fn next_frame(&mut self) -> Result<bool, Failure> {
        if self.header.is_none() {
            // Of a file it is known before: what it had when it was opened is read in one go.
            return Ok(self.taken < self.end || !self.peek(1)?.is_empty());
        }
        let mut line = [0; y4m::LINE_BYTES];
        let Some(length) = self.line(&mut line)? else {
            return Ok(false);
        };
        y4m::parse_frame(&line[..length]).map_err(|error| failure!(Exit::Input, "{error}"))?;
        Ok(true)
    }

    /// Reads until `target` is full or the input ends.
    pub(super) fn fill(&mut self, target: SharedBytes<'_>) -> Result<Filled, Failure> {
        let mut done = self.ahead.len().min(target.len());
        let _ = target.copy_in(0, &self.ahead[..done]);
        self.took(done);
        while let Some(rest) = target.part(done, target.len() - done)
            && !rest.is_empty()
        {
            if let Some(ms) = self.patience_ms
                && !self.ready(ms)
            {
                self.patience_ms = None;
                return Ok(Filled::Idle(done));
            }
            match self.read(rest)? {
                0 => return Ok(Filled::Short(done)),
                count => done += count,
            }
        }
        Ok(Filled::Whole)
    }

    /// Reads so many bytes that are not wanted, or until the input ends.
    pub(super) fn skip(&mut self, bytes: u64) -> Result<Filled, Failure> {
        let mut unwanted = [0; BOUNCE_BYTES];
        let mut done = 0;
        while done < bytes {
            let count = (bytes - done).min(BOUNCE_BYTES as u64) as usize;
            // A frame has fewer bytes than an address space.
            match self.fill((&mut unwanted[..count]).into())? {
                Filled::Whole => done += count as u64,
                Filled::Short(count) => return Ok(Filled::Short(done as usize + count)),
                Filled::Idle(count) => return Ok(Filled::Idle(done as usize + count)),
            }
        }
        Ok(Filled::Whole)
    }

    /// The next bytes, without taking them: `count` of them, fewer at the input's end.
    fn peek(&mut self, count: usize) -> Result<&[u8], Failure> {
        while self.ahead.len() < count {
            let mut bytes = [0; INPUT_BYTES];
            let room = self.ahead.remaining_capacity();
            let got = self.read((&mut bytes[..room]).into())?;
            if got == 0 {
                break;
            }
            self.ahead.extend(bytes[..got].iter().copied());
        }
        Ok(&self.ahead[..self.ahead.len().min(count)])
    }

    /// So many of the bytes that were read ahead are done with.
    fn took(&mut self, count: usize) {
        drop(self.ahead.drain(..count));
    }

    /// Takes a line; gives its length, or `None` at the input's end.
    fn line(&mut self, target: &mut [u8; y4m::LINE_BYTES]) -> Result<Option<usize>, Failure> {
        let ahead = self.peek(y4m::LINE_BYTES)?;
        if ahead.is_empty() {
            return Ok(None);
        }
        let cut_short = || failure!(Exit::Input, "the input ends within a line of Y4M");
        let length = y4m::line_end(ahead)
            .map_err(|error| failure!(Exit::Input, "{error}"))?
            .ok_or_else(cut_short)?;
        target[..length].copy_from_slice(&ahead[..length]);
        self.took(length);
        Ok(Some(length))
    }

    /// Waits until a read has an answer: bytes, or the end. A frame that was read in part when a signal came goes nowhere.
    fn wait(&self) -> Result<(), Failure> {
        self.stop
            .wait_or_end(&[(self.fd(), PollFlags::IN)], None)
            .map(|_| ())
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.file {
            Some(file) => file.as_fd(),
            None => stdin(),
        }
    }

    fn read(&mut self, target: SharedBytes<'_>) -> Result<usize, Failure> {
        if self.waits {
            self.wait()?;
        }
        loop {
            let answer = match self.bounce {
                false => target.read_from(self.fd()),
                true => self.read_bounced(target),
            };
            match answer {
                Ok(count) => {
                    self.taken += count as u64;
                    return Ok(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait()?,
                // Some file systems (9p) pin the memory that they read into, and a device's cannot be pinned.
                Err(Errno::FAULT) if !self.bounce => self.bounce = true,
                Err(errno) => {
                    return Err(failure!(
                        Exit::Input,
                        "reading the input failed: {}",
                        Explained(errno)
                    ));
                }
            }
        }
    }

    /// Reads by way of the stack. Apart, because whoever has such a buffer clears it.
    #[inline(never)]
    fn read_bounced(&self, target: SharedBytes<'_>) -> rustix::io::Result<usize> {
        let mut bounce = [0; BOUNCE_BYTES];
        let room = target.len().min(BOUNCE_BYTES);
        let count = SharedBytes::from(&mut bounce[..room]).read_from(self.fd())?;
        let _ = target.copy_in(0, &bounce[..count]);
        Ok(count)
    }
}
