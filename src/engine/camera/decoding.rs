//! A decoder between a camera whose pictures are coded and the slots: coded pictures are copied in, once, and raw ones come out where the
//! encoder reads them.
//!
//! The copy of the coded bytes is the only place where pictures are dropped because something behind is slow: a raw picture finds a slot, or
//! the decoder waits for one. Knows the decoder and what is inside it. Knows no encoder, and not what a failure leads to.

use arrayvec::ArrayVec;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

use crate::engine::poll::{DECODER, PollSet, Ready};
use crate::errno::call::{Call, IoctlError};
use crate::flow::coded_link::CodedLink;
use crate::flow::pipeline::Pipeline;
use crate::limits::{CAMERA_RESERVE, FRAME_SLOTS_MAX, UNFIT_PICTURES};
use crate::log::note;
use crate::media::jpeg::{Jpeg, JpegError, inspect};
use crate::shm::region::Region;
use crate::shm::stats::{Counter, Stats};
use crate::v4l2::camera::{Camera, Picture};
use crate::v4l2::decoder::{Answer, Decoded, Decoder};

/// A decoder that is set up.
pub struct Decoding<'a> {
    /// The device.
    pub decoder: Decoder,
    link: CodedLink,
    /// The camera's buffers, to read from.
    coded: ArrayVec<Region, { FRAME_SLOTS_MAX as usize }>,
    /// How many buffers the camera has.
    buffers: u32,
    /// Width and height that the camera promised, pixels.
    size: (u32, u32),
    /// Pictures in a row that are none for the decoder.
    unfit: u32,
    /// The driver said that the stream changed: the queue ends, and has to be started again.
    changing: bool,
    /// It is to give what it has: no picture follows.
    draining: bool,
    /// Something is missing before the next raw picture.
    gap: bool,
    /// CAPTURE buffers that the driver has, or that wait to be taken.
    lent: usize,
    stats: Stats<'a>,
}

/// What became of a coded picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// It is inside.
    In,
    /// It is inside, and so is the camera's buffer.
    Kept,
    /// There is no room for it.
    NoRoom,
    /// It is none, or not whole.
    Damaged,
}

impl<'a> Decoding<'a> {
    /// A decoder and a camera that are set up for each other. Reads the camera's buffers.
    ///
    /// # Errors
    /// When they cannot be mapped.
    pub fn new(
        decoder: Decoder,
        camera: &Camera,
        size: (u32, u32),
        stats: Stats<'a>,
    ) -> Result<Self, IoctlError> {
        let mut coded = ArrayVec::new();
        for slot in 0..camera.pictures.slots() {
            if !decoder.converts() {
                coded.push(camera.pictures.map_one(slot)?);
            }
        }
        Ok(Self {
            decoder,
            link: CodedLink::default(),
            coded,
            buffers: camera.pictures.slots(),
            size,
            unfit: 0,
            changing: false,
            draining: false,
            gap: false,
            lent: 0,
            stats,
        })
    }

    /// Adds what is waited for. A queue that has no buffers is an error to poll(2), and is not asked.
    pub fn add_to<'s>(&'s self, set: &mut PollSet<'s>, stall_ns: u64) {
        let mut events = PollFlags::PRI;
        events.set(PollFlags::IN, self.lent > 0);
        let full = self.decoder.free_input().is_none();
        let gives_back = full && (!self.decoder.converts() || self.decoder.held() > 0);
        events.set(PollFlags::OUT, gives_back);
        set.add(DECODER, self.decoder.as_fd(), events);
        if self.lent > 0 {
            set.until(self.link.stalls(stall_ns));
        }
    }

    /// Takes the raw pictures that are there into the pipeline. Whether there was any, or any other sign of life.
    ///
    /// # Errors
    /// When the decoder fails: an end of the stream that nobody asked for is EPIPE, a buffer that it does not have is EPROTO, and pictures that
    /// lie otherwise than agreed on are EPROTO of VIDIOC_G_FMT.
    pub fn take(
        &mut self,
        ready: Ready,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<bool, IoctlError> {
        if !ready.at(DECODER) {
            return Ok(false);
        }
        let mut brought = self.decoder.pictures.changed()?;
        self.changing |= brought;
        let mut ended = false;
        // As many as there are, and the end.
        for _ in 0..=self.decoder.pictures.slots() {
            if self.lent == 0 && !self.changing {
                break;
            }
            match self.decoder.dequeue()? {
                Answer::Nothing => break,
                Answer::Ended => {
                    ended = true;
                    break;
                }
                Answer::Decoded(decoded) => {
                    brought = true;
                    ended = decoded.last;
                    self.emerge(&decoded, pipeline, now_ns)?;
                }
            }
            if ended {
                break;
            }
        }
        brought |= self.decoder.take_inputs()?;
        if self.changing && (ended || self.link.inside() == 0) {
            self.follow(pipeline, now_ns)?;
            return Ok(true);
        }
        match ended {
            true if self.draining => self.lose_inside(),
            true => return Err(IoctlError::new(Call::DqBuf, Errno::PIPE)),
            false => {}
        }
        Ok(brought | ended)
    }

    /// A CAPTURE buffer came back.
    fn emerge(
        &mut self,
        decoded: &Decoded,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<(), IoctlError> {
        if decoded.empty && decoded.last {
            // Given again when the queue is started again.
            return Ok(());
        }
        let Some((coded, overtaken)) = self.link.left(decoded.key, now_ns) else {
            // Of no picture that is known.
            return self.decoder.pictures.queue(decoded.slot);
        };
        self.lose(overtaken);
        self.gap |= coded.discontinuity;
        if !decoded.good {
            self.lose(1);
            return self.decoder.pictures.queue(decoded.slot);
        }
        let committed = pipeline.commit(decoded.slot, coded.timestamp, coded.taken, now_ns);
        if committed.is_err() {
            // Not one of those that it has: which one it is, nobody knows until all come back.
            self.lose(1);
            return Err(IoctlError::new(Call::DqBuf, Errno::PROTO));
        }
        let took_us = now_ns.saturating_sub(coded.taken) / 1000;
        self.stats.add(Counter::DecodeUs, took_us);
        self.lent = self.lent.saturating_sub(1);
        if core::mem::take(&mut self.gap) {
            pipeline.mark_newest();
        }
        Ok(())
    }

    /// The stream changed, and everything from before it was taken: the CAPTURE queue starts again, if its pictures lie as before.
    fn follow(&mut self, pipeline: &mut Pipeline<'_>, now_ns: u64) -> Result<(), IoctlError> {
        if !self.decoder.unchanged() {
            return Err(IoctlError::new(Call::GFmt, Errno::PROTO));
        }
        self.changing = false;
        self.decoder.pictures.stop()?;
        pipeline.reclaim();
        self.lent = 0;
        self.give_slots(pipeline, now_ns)?;
        self.decoder.pictures.start()
    }

    /// Gives the decoder every free slot.
    ///
    /// # Errors
    /// When the driver refuses one.
    pub fn give_slots(
        &mut self,
        pipeline: &mut Pipeline<'_>,
        now_ns: u64,
    ) -> Result<(), IoctlError> {
        if self.lent == 0 {
            self.link.starved(now_ns);
        }
        while let Some(slot) = pipeline.acquire(now_ns) {
            self.decoder.pictures.queue(slot)?;
            self.lent += 1;
        }
        Ok(())
    }

    /// Copies a coded picture of the camera into the decoder.
    ///
    /// # Errors
    /// When the decoder fails.
    pub fn feed(
        &mut self,
        picture: &Picture,
        timestamp: u64,
        discontinuity: bool,
        now_ns: u64,
    ) -> Result<Fed, IoctlError> {
        if self.decoder.converts() {
            return self.convert(picture, timestamp, discontinuity, now_ns);
        }
        let bytes = picture.bytes as usize;
        let source = self.coded.get(picture.slot as usize);
        let Some(source) = source.and_then(|region| region.bytes().part(0, bytes)) else {
            return Ok(Fed::Damaged);
        };
        let jpeg = match inspect(source) {
            Ok(jpeg) if jpeg.size == self.size => jpeg,
            other => return self.unfit(other),
        };
        self.unfit = 0;
        if self.decoder.free_input().is_none() {
            self.decoder.take_inputs()?;
        }
        let room = self.decoder.free_input().filter(|_| !self.link.is_full());
        let Some((index, input)) = room else {
            return Ok(Fed::NoRoom);
        };
        let Some(bytes) = jpeg.write(source, input.bytes()) else {
            // Larger than the driver's buffer.
            return Ok(Fed::Damaged);
        };
        self.stats.add(Counter::CameraBytesCopied, bytes as u64);
        if jpeg.lacks_tables {
            self.stats.count(Counter::JpegTablesAdded);
        }
        let key = self.link.next_key(now_ns);
        self.decoder.queue_coded(index, bytes as u32, key)?;
        self.link.entered(key, timestamp, discontinuity, now_ns);
        Ok(Fed::In)
    }

    /// Has a raw picture converted, unless the camera would be left with too few buffers, or there is none to convert it to: firmware of the
    /// Raspberry Pi throws such a picture away.
    fn convert(
        &mut self,
        picture: &Picture,
        timestamp: u64,
        discontinuity: bool,
        now_ns: u64,
    ) -> Result<Fed, IoctlError> {
        let most = (self.buffers as usize).saturating_sub(CAMERA_RESERVE);
        if self.decoder.held() as usize >= most.min(self.lent) || self.link.is_full() {
            return Ok(Fed::NoRoom);
        }
        let key = self.link.next_key(now_ns);
        self.decoder.queue_raw(picture.slot, key)?;
        self.link.entered(key, timestamp, discontinuity, now_ns);
        Ok(Fed::Kept)
    }

    /// Gives the camera the buffers that the converter is done with.
    ///
    /// # Errors
    /// When the camera refuses one.
    pub fn give_back(&mut self, camera: &Camera) -> Result<(), IoctlError> {
        if !self.decoder.converts() {
            return Ok(());
        }
        let freed = self.decoder.take_freed();
        for slot in (0..u32::BITS).filter(|slot| freed >> slot & 1 == 1) {
            camera.pictures.queue(slot)?;
        }
        Ok(())
    }

    /// A picture that no decoder can be given as it is. A cut-off one happens; several of another size or kind are another stream than the
    /// camera promised, which is its failure.
    fn unfit(&mut self, picture: Result<Jpeg, JpegError>) -> Result<Fed, IoctlError> {
        if let Err(JpegError::CutOff | JpegError::NoStart) = picture {
            return Ok(Fed::Damaged);
        }
        self.unfit += 1;
        if self.unfit == 1 {
            match picture {
                Ok(jpeg) => note!(
                    warn,
                    "the camera sent a picture of {}x{}, not of {}x{}",
                    jpeg.size.0,
                    jpeg.size.1,
                    self.size.0,
                    self.size.1
                ),
                Err(error) => note!(warn, "the camera sent a picture that is dropped: {error}"),
            }
        }
        match self.unfit < UNFIT_PICTURES {
            true => Ok(Fed::Damaged),
            false => Err(IoctlError::new(Call::Picture, Errno::PROTO)),
        }
    }

    /// Whether it owes a picture, and had everything for it, for too long.
    #[must_use]
    pub fn is_stalled(&self, stall_ns: u64, now_ns: u64) -> bool {
        self.lent > 0 && self.link.stalls(stall_ns).is_some_and(|at| at <= now_ns)
    }

    /// Begins to give what it has. The camera is stopped.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn drain(&mut self) -> Result<(), IoctlError> {
        if !core::mem::replace(&mut self.draining, true) && self.link.inside() > 0 {
            self.decoder.drain()?;
        }
        Ok(())
    }

    /// Whether nothing is inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.link.inside() == 0
    }

    /// Stops both queues. What is inside is lost.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn stop(&mut self) -> Result<(), IoctlError> {
        self.lose_inside();
        (self.changing, self.draining, self.lent) = (false, false, 0);
        self.decoder.stop()
    }

    /// Starts both queues, after `stop` or the first time, with every free slot.
    ///
    /// # Errors
    /// When the driver refuses.
    pub fn start(&mut self, pipeline: &mut Pipeline<'_>, now_ns: u64) -> Result<(), IoctlError> {
        self.give_slots(pipeline, now_ns)?;
        self.decoder.start()
    }

    /// What is inside is dropped, for this reason.
    pub fn abandon(&mut self, reason: Counter) {
        for _ in 0..self.link.clear() {
            self.stats.lost(reason);
        }
    }

    /// What is inside is lost.
    fn lose_inside(&mut self) {
        let inside = self.link.clear();
        self.lose(inside);
    }

    /// So many coded pictures became no raw ones.
    fn lose(&mut self, pictures: usize) {
        self.gap |= pictures > 0;
        for _ in 0..pictures {
            self.stats.lost(Counter::DroppedDecoder);
        }
    }
}

/// Whoever closes it has no use for what is inside.
impl Drop for Decoding<'_> {
    fn drop(&mut self) {
        self.lose_inside();
    }
}
