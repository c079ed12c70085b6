//! One queue of a simulated device, as videobuf2 keeps it: buffers, who holds each, and what waits to be dequeued.
//!
//! A buffer has one holder. The engine that queues a buffer which it does not have breaks that rule, and the call says so.

use std::collections::VecDeque;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use rustix::fd::IntoRawFd;
use rustix::io::{Errno, Result};

use super::memory::{Handle, Imported, pages, stamp, watched};
use super::shared::Shared;
use crate::shm::region::Region;
use crate::v4l2::abi::{
    Api, BUF_FLAG_DONE, BUF_FLAG_MAPPED, BUF_FLAG_QUEUED, BufferType, ExportBuffer, Memory, Plane,
    Queue as Side, RawBuffer, RequestBuffers, TimeVal, Word,
};

/// Who has a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    User,
    Driver,
    /// It waits to be dequeued.
    Done,
}

/// One memory plane.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) length: u32,
    offset: u64,
    /// What the device's own mapping shows.
    pub(super) region: Option<Rc<Region>>,
    /// Dma-bufs that were made of it.
    exported: Vec<(Region, Handle)>,
    /// The memory of somebody else that it is.
    imported: Option<Rc<Imported>>,
    pub(super) bytesused: u32,
}

impl Piece {
    /// Each way that leads to its memory.
    fn regions(&self) -> impl Iterator<Item = &Region> {
        let exported = self.exported.iter().map(|(region, _)| region);
        let imported = self.imported.as_deref().map(|imported| &imported.region);
        exported.chain(self.region.as_deref()).chain(imported)
    }

    /// Whether it is, or was exported as, the memory that the other one is or was exported as.
    fn is_memory_of(&self, other: &Self) -> bool {
        let inodes = |piece: &Self, inode: u64| {
            let imported = piece.imported.as_ref();
            imported.is_some_and(|imported| imported.inode == inode)
                || piece
                    .exported
                    .iter()
                    .any(|(_, handle)| handle.inode == inode)
        };
        let imported = self.imported.as_ref();
        imported.is_some_and(|imported| inodes(other, imported.inode))
            || self
                .exported
                .iter()
                .any(|(_, handle)| inodes(other, handle.inode))
    }

    /// The number of the frame that was written last, whichever way it was written: numbers rise.
    pub(super) fn stamp(&self) -> u64 {
        self.regions().map(stamp).max().unwrap_or(0)
    }

    /// Writes the number of a frame, to be seen whichever way it is read.
    pub(super) fn write_stamp(&self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    /// Writes bytes, to be seen whichever way they are read.
    pub(super) fn write(&self, bytes: &[u8]) {
        for region in self.regions() {
            assert!(region.bytes().copy_in(0, bytes), "a buffer is larger");
        }
    }

    /// What was put in, as the device's own mapping or the imported memory shows it.
    pub(super) fn content(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.bytesused as usize];
        let imported = self.imported.as_deref().map(|imported| &imported.region);
        if let Some(region) = self.region.as_deref().or(imported) {
            assert!(region.bytes().copy_out(0, &mut bytes), "it is mapped");
        }
        bytes
    }
}

/// One buffer.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) holder: Holder,
    pub(super) pieces: Vec<Piece>,
    pub(super) timestamp: u64,
}

impl Slot {
    /// Whether both are the same memory, as far as anybody exported or imported it.
    pub(super) fn is_memory_of(&self, other: &Self) -> bool {
        let pieces = self.pieces.iter();
        pieces
            .zip(&other.pieces)
            .any(|(one, two)| one.is_memory_of(two))
    }
}

/// What a device gives back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) index: u32,
    /// The index that DQBUF tells, where that is another.
    pub(super) claimed: Option<u32>,
    pub(super) bytesused: u32,
    pub(super) data_offset: u32,
    pub(super) flags: u32,
    /// Us.
    pub(super) timestamp: u64,
    pub(super) sequence: u32,
}

/// What came of QBUF.
pub(super) enum Queued {
    Taken(u32),
    Refused(Errno),
    /// The caller does not hold it.
    NotHeld(u32),
}

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) buffer_type: BufferType,
    pub(super) memory: u32,
    pub(super) slots: Vec<Slot>,
    pub(super) streaming: bool,
    /// Buffers that the driver has and did nothing with, oldest first.
    pub(super) waiting: VecDeque<u32>,
    pub(super) done: VecDeque<Done>,
    pub(super) error: bool,
    /// The buffer marked LAST was dequeued: EPIPE from now on.
    pub(super) ended: bool,
    /// EPIPE comes before the buffers that are done.
    pub(super) cut: bool,
    /// DQBUF told a wrong index since the stream began: who holds what is not known to the engine.
    pub(super) lied: bool,
}

impl Queue {
    pub(super) fn new(side: Side, api: Api) -> Self {
        Self {
            buffer_type: BufferType::new(side, api),
            memory: 0,
            slots: Vec::new(),
            streaming: false,
            waiting: VecDeque::new(),
            done: VecDeque::new(),
            error: false,
            ended: false,
            cut: false,
            lied: false,
        }
    }

    fn is_multi(&self) -> bool {
        self.buffer_type.api() == Api::Multi
    }

    pub(super) fn is_mmap(&self) -> bool {
        self.memory == Memory::Mmap as u32
    }

    /// REQBUFS: `count` buffers of planes of these bytes. `space` is where the device's file ends.
    pub(super) fn request(
        &mut self,
        request: &RequestBuffers,
        count: u32,
        bytes: &[u32],
        device: &Handle,
        space: &mut u64,
    ) -> Result<()> {
        if self.streaming {
            return Err(Errno::BUSY);
        }
        self.stop();
        self.slots.clear();
        self.memory = if count == 0 { 0 } else { request.memory };
        for _ in 0..count {
            let mut pieces = Vec::new();
            for &length in bytes {
                let mut piece = Piece {
                    length,
                    ..Piece::default()
                };
                if self.is_mmap() {
                    piece.offset = *space;
                    piece.region = Some(Rc::new(device.grow(*space, pages(length as usize))));
                    *space += pages(length as usize) as u64;
                }
                pieces.push(piece);
            }
            self.slots.push(Slot {
                holder: Holder::User,
                pieces,
                timestamp: 0,
            });
        }
        Ok(())
    }

    /// QUERYBUF.
    pub(super) fn query(&self, raw: &mut RawBuffer, planes: &mut [Plane]) -> Result<()> {
        let slot = self.slots.get(raw.index as usize).ok_or(Errno::INVAL)?;
        let kept = slot.pieces.iter().flat_map(|piece| &piece.exported);
        let mapped = kept.into_iter().any(|(_, handle)| !handle.is_released());
        raw.flags = match slot.holder {
            Holder::User => 0,
            Holder::Driver => BUF_FLAG_QUEUED,
            Holder::Done => BUF_FLAG_QUEUED | BUF_FLAG_DONE,
        };
        raw.flags |= if mapped { BUF_FLAG_MAPPED } else { 0 };
        if self.is_multi() {
            raw.length = slot.pieces.len() as u32;
            for (plane, piece) in planes.iter_mut().zip(&slot.pieces) {
                plane.length = piece.length;
                plane.m = Word::from_u32(piece.offset as u32);
            }
        } else {
            raw.length = slot.pieces[0].length;
            raw.m = Word::from_u32(slot.pieces[0].offset as u32);
        }
        Ok(())
    }

    /// EXPBUF. Gives the inode of the dma-buf.
    pub(super) fn export(&mut self, export: &mut ExportBuffer) -> Result<u64> {
        let slot = self.slots.get_mut(export.index as usize);
        let piece = slot.and_then(|slot| slot.pieces.get_mut(export.plane as usize));
        let piece = piece.ok_or(Errno::INVAL)?;
        let length = pages(piece.length as usize);
        let (fd, handle) = watched(length);
        let inode = handle.inode;
        piece.exported.retain(|(_, handle)| !handle.is_released());
        piece.exported.push((handle.map(length)?, handle));
        export.fd = fd.into_raw_fd();
        Ok(inode)
    }

    /// QBUF, as far as all drivers are alike. Descriptors of imported planes are given to `import`.
    pub(super) fn queue(
        &mut self,
        raw: &mut RawBuffer,
        planes: &[Plane],
        mut import: impl FnMut(i32, u32) -> Result<Rc<Imported>>,
    ) -> Queued {
        let multi = self.is_multi();
        let imported = self.memory == Memory::Dmabuf as u32;
        let Some(slot) = self.slots.get_mut(raw.index as usize) else {
            return Queued::Refused(Errno::INVAL);
        };
        if raw.memory != self.memory || multi && planes.len() < slot.pieces.len() {
            return Queued::Refused(Errno::INVAL);
        }
        if slot.holder != Holder::User {
            return Queued::NotHeld(raw.index);
        }
        for (at, piece) in slot.pieces.iter_mut().enumerate() {
            let (bytesused, word) = match multi {
                true => (planes[at].bytesused, planes[at].m),
                false => (raw.bytesused, raw.m),
            };
            piece.bytesused = bytesused;
            if imported {
                match import(word.to_u32().cast_signed(), piece.length) {
                    Ok(imported) => piece.imported = Some(imported),
                    Err(errno) => return Queued::Refused(errno),
                }
            }
        }
        slot.timestamp = raw.timestamp.to_micros();
        slot.holder = Holder::Driver;
        raw.flags |= BUF_FLAG_QUEUED;
        self.waiting.push_back(raw.index);
        Queued::Taken(raw.index)
    }

    /// The same with what all devices answer: the index of the buffer that is taken. One that the driver has is the user's mistake, unless the
    /// driver lied about it before. `what`: whose buffer of which kind.
    pub(super) fn take(
        &mut self,
        raw: &mut RawBuffer,
        planes: &[Plane],
        shared: &mut Shared,
        what: &str,
    ) -> Result<u32> {
        match self.queue(raw, planes, |fd, length| shared.import(fd, length)) {
            Queued::Taken(index) => Ok(index),
            Queued::Refused(errno) => Err(errno),
            Queued::NotHeld(index) => {
                if !self.lied {
                    shared.violated(format_args!("{what} buffer {index} queued, which it has"));
                }
                Err(Errno::INVAL)
            }
        }
    }

    /// What was just taken was looked at only, and not queued.
    pub(super) fn only_prepared(&mut self, index: u32) {
        self.waiting.retain(|&other| other != index);
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.holder = Holder::User;
        }
    }

    /// The driver is done with a buffer.
    pub(super) fn complete(&mut self, done: Done) {
        self.waiting.retain(|&index| index != done.index);
        if let Some(slot) = self.slots.get_mut(done.index as usize) {
            slot.holder = Holder::Done;
        }
        self.done.push_back(done);
    }

    /// DQBUF. Gives the index that was dequeued.
    pub(super) fn dequeue(&mut self, raw: &mut RawBuffer, planes: &mut [Plane]) -> Result<Done> {
        if raw.memory != self.memory || !self.streaming {
            return Err(Errno::INVAL);
        }
        if self.error {
            return Err(Errno::IO);
        }
        if self.cut {
            return Err(Errno::PIPE);
        }
        let Some(done) = self.done.pop_front() else {
            return Err(if self.ended {
                Errno::PIPE
            } else {
                Errno::AGAIN
            });
        };
        if let Some(slot) = self.slots.get_mut(done.index as usize) {
            slot.holder = Holder::User;
        }
        self.lied |= done.claimed.is_some();
        raw.index = done.claimed.unwrap_or(done.index);
        raw.flags = done.flags;
        raw.timestamp = TimeVal::from_micros(done.timestamp);
        raw.sequence = done.sequence;
        if self.is_multi() {
            raw.length = self.slots.first().map_or(1, |slot| slot.pieces.len()) as u32;
            for plane in planes.iter_mut() {
                plane.bytesused = done.bytesused;
                plane.data_offset = done.data_offset;
            }
        } else {
            raw.bytesused = done.bytesused;
        }
        Ok(done)
    }

    /// STREAMOFF: every buffer is the user's.
    pub(super) fn stop(&mut self) {
        for slot in &mut self.slots {
            slot.holder = Holder::User;
        }
        self.waiting.clear();
        self.done.clear();
        (self.streaming, self.error) = (false, false);
        (self.ended, self.cut, self.lied) = (false, false, false);
    }

    /// The buffers that the driver has, or that wait to be dequeued, with type and index of each.
    pub(super) fn held(&self) -> impl Iterator<Item = ((u32, u32), &Slot)> {
        let slots = (0..).zip(&self.slots);
        let held = slots.filter(|(_, slot)| slot.holder != Holder::User);
        held.map(|(index, slot)| ((self.buffer_type as u32, index), slot))
    }

    /// Whether the driver or the queue of those that are done has any.
    pub(super) fn has_queued(&self) -> bool {
        self.slots.iter().any(|slot| slot.holder != Holder::User)
    }
}
