//! The files of a recording: made, brought to the disk, and deleted.
//!
//! Knows the folder and its files. What is due and what can go is said by `flow::recording`, what files are called by
//! `types::segments`. Never knows what is written into them.

use core::mem::MaybeUninit;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    Access, AtFlags, CWD, FileType, Mode, OFlags, RawDir, SeekFrom, accessat, fdatasync, fsync,
    open, openat, seek, statat, unlinkat,
};
use rustix::io::{Errno, Result as Answer};

use crate::errno::name::Explained;
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::flow::recording::{Recording, Survey};
use crate::limits::FOLDER_BYTES;
use crate::log::note;
use crate::text::Escaped;
use crate::time::now;
use crate::types::segments::{SegmentLimit, SegmentPattern};

/// A folder that a recording is written into.
#[derive(Debug)]
pub(super) struct Segments<'a> {
    folder: OwnedFd,
    /// The one being written.
    file: Option<OwnedFd>,
    pattern: SegmentPattern<'a>,
    plan: Recording,
    /// The name of the latest file is not yet on the disk.
    unnamed: bool,
    count: Count,
}

/// Files made and deleted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) made: u32,
    pub(super) deleted: u32,
}

impl<'a> Segments<'a> {
    /// Opens the folder. Files come with the first key frame.
    ///
    /// # Errors
    /// `Exit::Output` when it is not there, or not to be written into.
    #[inline(never)]
    pub(super) fn open(
        pattern: SegmentPattern<'a>,
        limit: SegmentLimit,
        keep: Option<u64>,
    ) -> Result<Self, Failure> {
        let path = pattern.folder();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let rights = Access::WRITE_OK | Access::EXEC_OK;
        let folder = open(path, flags, Mode::empty())
            .and_then(|folder| accessat(CWD, path, rights, AtFlags::empty()).map(|()| folder));
        let folder = folder.map_err(|errno| {
            failure!(
                Exit::Output,
                "cannot record in the folder {}: {}",
                Escaped(path),
                Explained(errno)
            )
        })?;
        Ok(Self {
            folder,
            file: None,
            pattern,
            plan: Recording::new(limit, keep),
            unnamed: false,
            count: Count::default(),
        })
    }

    /// What a sandbox has to leave open.
    pub(super) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Files made and deleted.
    pub(super) fn count(&self) -> Count {
        self.count
    }

    /// The file that is written; none before the first key frame, and when the stream is at its end.
    pub(super) fn file(&self) -> Option<&OwnedFd> {
        self.file.as_ref()
    }

    /// Begins the next file if one is due with a key frame of this time and generation; whether it was.
    pub(super) fn begin(&mut self, time_ns: u64, generation: u16) -> Result<bool, Failure> {
        let due = self.plan.is_due(time_ns, generation);
        if due {
            self.sync()?;
            self.file = Some(self.next(time_ns, generation)?);
            self.trim()?;
        }
        Ok(due)
    }

    /// The stream is at its end, or goes on in another file.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.sync()?;
        self.plan.end();
        self.file = None;
        Ok(())
    }

    /// Makes the next file, behind the highest number that there is: nothing is overwritten, whoever else writes there.
    fn next(&mut self, time_ns: u64, generation: u16) -> Result<OwnedFd, Failure> {
        let highest = self.survey(0)?.highest.max(self.plan.number());
        let mut number = highest;
        let file = loop {
            number = number.checked_add(1).ok_or_else(|| {
                let last = self.pattern.path(u32::MAX);
                failure!(Exit::Output, "{last} has the last number there is")
            })?;
            match self.make(number) {
                Ok(file) => break file,
                Err(Errno::EXIST) => {}
                Err(errno) if self.make_room(errno, number)? => number -= 1,
                Err(errno) => {
                    let path = self.pattern.path(number);
                    return Err(failure!(
                        Exit::Output,
                        "cannot write {path}: {}",
                        Explained(errno)
                    ));
                }
            }
        };
        if self.count.made == 0 {
            note!(info, "recording to {}", self.pattern.path(number));
        }
        self.count.made += 1;
        self.unnamed = true;
        self.plan.begin(number, time_ns, generation);
        let found = self.survey(number)?;
        self.plan.found(&found);
        Ok(file)
    }

    fn make(&self, number: u32) -> Answer<OwnedFd> {
        let name = self.pattern.name(number);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        loop {
            match openat(&self.folder, &name[..], flags, Mode::from_raw_mode(0o666)) {
                Err(Errno::INTR) => {}
                answer => return answer,
            }
        }
    }

    /// So many bytes were written into the file. Deletes what is too much.
    pub(super) fn wrote(&mut self, bytes: usize) -> Result<(), Failure> {
        self.plan.wrote(bytes as u64, now());
        self.trim()
    }

    fn trim(&mut self) -> Result<(), Failure> {
        while self.plan.is_over() && self.delete_oldest(self.plan.number(), "--keep")? {}
        Ok(())
    }

    /// Deletes the oldest file when a write failed because the disk is full. Whether the write is worth another try.
    pub(super) fn has_made_room(&mut self, errno: Errno) -> Result<bool, Failure> {
        self.make_room(errno, self.plan.number())
    }

    fn make_room(&mut self, errno: Errno, below: u32) -> Result<bool, Failure> {
        let full = matches!(errno, Errno::NOSPC | Errno::DQUOT);
        Ok(full && self.plan.may_delete() && self.delete_oldest(below, "the disk is full")?)
    }

    /// Why nothing more can be written.
    pub(super) fn failed(&self, errno: Errno) -> Failure {
        let full = matches!(errno, Errno::NOSPC | Errno::DQUOT);
        let hint = match (full, self.plan.may_delete()) {
            (false, _) => "",
            (true, false) => "; with --keep the oldest segments would be deleted",
            (true, true) => "; there is no older segment to delete",
        };
        let path = self.pattern.path(self.plan.number());
        failure!(
            Exit::Output,
            "writing {path} failed: {}{hint}",
            Explained(errno)
        )
    }

    /// Deletes the oldest file below this number; whether there was one.
    fn delete_oldest(&mut self, below: u32, why: &str) -> Result<bool, Failure> {
        let Some((number, _)) = self.survey(below)?.oldest else {
            return Ok(false);
        };
        let path = self.pattern.path(number);
        match unlinkat(
            &self.folder,
            &self.pattern.name(number)[..],
            AtFlags::empty(),
        ) {
            Ok(()) => {
                self.count.deleted += 1;
                note!(info, "deleted {path} ({why})");
            }
            // Somebody else did.
            Err(Errno::NOENT) => {}
            Err(errno) => {
                return Err(failure!(
                    Exit::Output,
                    "cannot delete {path}: {}",
                    Explained(errno)
                ));
            }
        }
        let found = self.survey(below)?;
        self.plan.found(&found);
        Ok(true)
    }

    /// Looks through the folder. Segments are those below this number.
    #[inline(never)]
    fn survey(&self, below: u32) -> Result<Survey, Failure> {
        self.look(below).map_err(|errno| {
            failure!(
                Exit::Output,
                "cannot read the folder {}: {}",
                Escaped(self.pattern.folder()),
                Explained(errno)
            )
        })
    }

    fn look(&self, below: u32) -> Answer<Survey> {
        let mut survey = Survey::default();
        let mut buffer = [const { MaybeUninit::uninit() }; FOLDER_BYTES];
        seek(&self.folder, SeekFrom::Start(0))?;
        let mut entries = RawDir::new(&self.folder, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            let Some(number) = self.pattern.number(name.to_bytes()) else {
                continue;
            };
            let bytes = match statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode)
                    .is_file()
                    .then(|| stat.st_size.cast_unsigned()),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            };
            survey.see(number, bytes, below);
        }
        Ok(survey)
    }

    /// Brings what was written to the disk, if it is time for that; how long until it will be, ns.
    pub(super) fn sync_in_time(&mut self) -> Result<Option<u64>, Failure> {
        let Some(at) = self.plan.sync_ns() else {
            return Ok(None);
        };
        let left = at.saturating_sub(now());
        if left > 0 {
            return Ok(Some(left));
        }
        self.sync().map(|()| None)
    }

    /// Waits until what was written is on the disk. Packets wait in the ring meanwhile.
    fn sync(&mut self) -> Result<(), Failure> {
        let (Some(file), Some(_)) = (&self.file, self.plan.sync_ns()) else {
            return Ok(());
        };
        if let Err(errno) = fdatasync(file) {
            return Err(self.failed(errno));
        }
        if core::mem::take(&mut self.unnamed) {
            // Where a file system cannot do this to a folder, the name is on the disk with the file, or nothing helps.
            let _ = fsync(&self.folder);
        }
        self.plan.synced();
        Ok(())
    }
}
