//! Reading frames' bytes from a file or a pipe. Knows bytes, ends of files and Y4M's lines; knows no slots.

mod ahead;

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
use crate::limits::INPUT_HEAD_BYTES;
use crate::log::note;
use crate::media::magic;
use crate::media::y4m::{self, Y4mHeader};
use crate::shm::bytes::SharedBytes;
use crate::stdio::{is_stored, stdin};
use crate::text::Escaped;
use crate::time::{MS, timespec};
pub(super) use ahead::Ahead;

/// From so many bytes on a piece of a frame is read straight into its slot: to copy fewer takes less time than the call.
const INPUT_DIRECT_BYTES: usize = 4096;

/// A file or pipe that is read from, with the bytes that were read ahead.
#[derive(Debug)]
pub(super) struct Input<'a> {
    /// `None` is standard input.
    file: Option<OwnedFd>,
    ahead: &'a mut Ahead,
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
    /// This file system cannot read into a device's memory: everything is read ahead.
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
        ahead: &'a mut Ahead,
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
            ahead,
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

    /// Rejects a film, an image or a coded stream, which would be encoded as noise. `--raw` insists, and is only warned.
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

    /// Reads until `target` is full or the input ends. Of what follows, `left` bytes with those of `target` may be read, too: a frame's
    /// bytes are read before the next frame's time.
    pub(super) fn fill(&mut self, target: SharedBytes<'_>, left: u64) -> Result<Filled, Failure> {
        let mut done = 0;
        loop {
            let rest = target.part(done, target.len() - done);
            let rest = rest.unwrap_or_else(|| (&[]).into());
            done += self.ahead.take_into(rest);
            let Some(rest) = target
                .part(done, target.len() - done)
                .filter(|one| !one.is_empty())
            else {
                return Ok(Filled::Whole);
            };
            if !self.patient() {
                return Ok(Filled::Idle(done));
            }
            let direct = (rest.len() >= INPUT_DIRECT_BYTES).then_some(rest);
            let most = left.saturating_sub(done as u64).max(rest.len() as u64);
            match self.read(direct, most)? {
                0 => return Ok(Filled::Short(done)),
                count if self.ahead.is_empty() => done += count,
                _ => {}
            }
        }
    }

    /// The same for so many rows of `memory`, the first one at `offset` with so many `bytes`, each `pitch` bytes behind the one before. The
    /// first `done` bytes of them are there; gives how many more came.
    pub(super) fn fill_rows(
        &mut self,
        memory: SharedBytes<'_>,
        (offset, bytes, pitch): (usize, usize, usize),
        rows: usize,
        done: usize,
        left: u64,
    ) -> Result<Filled, Failure> {
        let (mut row, mut column) = (done / bytes.max(1), done % bytes.max(1));
        while row < rows {
            let (place, wanted) = (offset + row * pitch + column, bytes - column);
            if let Some(ahead) = self.ahead.get().get(..wanted) {
                // It lies within, as the layout was checked.
                let _ = memory.copy_in(place, ahead);
                self.ahead.take(wanted);
            } else {
                let before = row * bytes + column - done;
                let target = memory.part(place, wanted);
                let left = left.saturating_sub(before as u64);
                match self.fill(target.unwrap_or_else(|| (&[]).into()), left)? {
                    Filled::Whole => {}
                    Filled::Short(count) => return Ok(Filled::Short(before + count)),
                    Filled::Idle(count) => return Ok(Filled::Idle(before + count)),
                }
            }
            (row, column) = (row + 1, 0);
        }
        Ok(Filled::Whole)
    }

    /// Reads so many bytes that are not wanted, or until the input ends. `left` is as in `fill`.
    pub(super) fn skip(&mut self, bytes: u64, left: u64) -> Result<Filled, Failure> {
        let mut done = 0;
        loop {
            let wanted = usize::try_from(bytes - done).unwrap_or(usize::MAX);
            done += self.ahead.take(wanted) as u64;
            if done == bytes {
                return Ok(Filled::Whole);
            }
            // A frame has fewer bytes than an address space.
            if !self.patient() {
                return Ok(Filled::Idle(done as usize));
            }
            let most = left.saturating_sub(done).max(bytes - done);
            if self.read(None, most)? == 0 {
                return Ok(Filled::Short(done as usize));
            }
        }
    }

    /// False, once, when nothing came for `patience_ms`.
    fn patient(&mut self) -> bool {
        let patient = self.patience_ms.is_none_or(|ms| self.ready(ms));
        if !patient {
            self.patience_ms = None;
        }
        patient
    }

    /// The next bytes, without taking them: `count` of them, fewer at the input's end.
    fn peek(&mut self, count: usize) -> Result<&[u8], Failure> {
        while self.ahead.get().len() < count {
            let room = INPUT_HEAD_BYTES.saturating_sub(self.ahead.get().len());
            if self.read(None, room as u64)? == 0 {
                break;
            }
        }
        let ahead = self.ahead.get();
        Ok(&ahead[..ahead.len().min(count)])
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
        self.ahead.take(length);
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

    /// Reads into `direct`, where that is possible, or else at most `most` bytes ahead. Gives how many; 0 at the end.
    fn read(&mut self, direct: Option<SharedBytes<'_>>, most: u64) -> Result<usize, Failure> {
        if self.waits {
            self.wait()?;
        }
        loop {
            let direct = direct.filter(|_| !self.bounce);
            let fd = match &self.file {
                Some(file) => file.as_fd(),
                None => stdin(),
            };
            let answer = match direct {
                Some(target) => target.read_from(fd),
                None => {
                    let most = usize::try_from(most).unwrap_or(usize::MAX);
                    SharedBytes::from(self.ahead.room(most)).read_from(fd)
                }
            };
            match answer {
                Ok(count) => {
                    self.taken += count as u64;
                    if direct.is_none() {
                        self.ahead.put(count);
                    }
                    return Ok(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait()?,
                // Some file systems (9p) pin the memory that they read into, and a device's cannot be pinned.
                Err(Errno::FAULT) if direct.is_some() => self.bounce = true,
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
}
