//! Camera and encoder are brought together: one format and size, rows in the same places, and the camera's buffers imported
//! into the encoder; or, where that cannot be, one copy of each picture, which the log names.
//!
//! Knows what both ends must agree on. Knows no frame: the encoder is idle meanwhile, at the start and later.

use core::fmt;

use arrayvec::ArrayVec;
use rustix::io::Errno;

use crate::engine::attach::Slots;
use crate::engine::camera::fill;
use crate::engine::engine::Engine;
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::limits::{CAMERA_RESERVE, FRAME_SIDE_MAX, FRAME_SIDE_MIN, PLANES};
use crate::log::note;
use crate::media::format::RawFormat;
use crate::media::layout::FrameLayout;
use crate::shm::atomic::Ordering::Relaxed;
use crate::types::devices::CameraChoice;
use crate::types::frame_rate::FrameRate;
use crate::types::memory::MemoryChoice;
use crate::v4l2::camera::Camera;
use crate::v4l2::negotiate::{Refused, Wanted};

/// How a camera is used, whenever it is attached.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Which camera it is.
    pub choice: CameraChoice<'a>,
    /// Its raw format: the encoder's, or one with the same rows.
    pub format: &'static RawFormat,
    /// The encoder refuses its buffers when they are queued, and not before: frames are copied.
    pub copied: bool,
}

/// The camera's name, for sentences about it.
impl fmt::Display for Terms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.choice.fmt(f)
    }
}

/// The rate at which this camera's frames come, in lowest terms: its answer to the requested rate, or its signal's.
/// The requested one when the camera does not say. Logged when it is neither the requested one nor `present`.
#[must_use]
pub fn source_rate(
    camera: &Camera,
    terms: Terms<'_>,
    size: (u32, u32),
    requested: FrameRate,
    present: FrameRate,
) -> FrameRate {
    let asked = (requested.numerator, requested.denominator);
    let answer = camera.rate(terms.format, size, asked);
    let Some(rate) = answer.and_then(|(n, d)| FrameRate::new(n, d)) else {
        return requested;
    };
    if rate != requested && rate != present {
        note!(
            info,
            "{terms}: gives {rate} frames/s, not the requested {requested}: the encoder is set up for {rate}"
        );
    }
    rate
}

/// Why a camera is not attached.
#[derive(Debug)]
pub(super) enum NotAttached {
    /// The camera refused.
    Camera(Refused),
    /// The encoder refused, which was told.
    Encoder(Failure),
}

impl<T: Into<Refused>> From<T> for NotAttached {
    fn from(error: T) -> Self {
        Self::Camera(error.into())
    }
}

impl Engine<'_> {
    /// Sets encoder and camera up, makes the camera's buffers the slots, and starts it. A new generation.
    ///
    /// # Errors
    /// When the camera refuses format or size, or memory is short; when the encoder refuses, nothing of it may be left.
    #[inline(never)]
    pub(super) fn attach_camera(
        &mut self,
        camera: &mut Camera,
        terms: Terms<'_>,
        wanted: &Wanted,
    ) -> Result<(), NotAttached> {
        let size = (wanted.width, wanted.height);
        let sides = FRAME_SIDE_MIN..=FRAME_SIDE_MAX;
        if !sides.contains(&size.0) || !sides.contains(&size.1) {
            return Err(Refused::Size(size, size).into());
        }
        let options = self.session.options;
        let colour = camera.colour(terms.format, size, options.progressive)?;
        let wanted = &Wanted {
            colour: colour.overridden_by(options.colour),
            ..*wanted
        };
        if *wanted != self.memory.wanted() || self.encoder.slots() == 0 {
            self.bare(wanted)?;
        }
        // The camera is asked for the encoder's rows. If it has rows of its own, the encoder is asked for those.
        let alike = terms.format.lies_as(wanted.format);
        let strides = match alike {
            true => self.encoder.agreed().layout.placement().bytesperline,
            false => [0; PLANES],
        };
        let layout = camera.negotiate(terms.format, wanted, &strides)?;
        camera.allocate(self.session.slots)?;
        if !self.import_camera(camera, terms, wanted, &layout, alike)? {
            self.bare(wanted)?;
            let choice = self.session.options.memory;
            self.memory
                .copy_camera(self.encoder, camera, &layout, choice)?;
            self.header.stream.change(|stream| {
                stream.memory.store(self.memory.kind() as u32, Relaxed);
                stream.frame_slots.store(self.memory.slots(), Relaxed);
            });
        }
        if self.memory.slots() <= CAMERA_RESERVE as u32 {
            return Err(IoctlError::new(Call::ReqBufs, Errno::NOMEM).into());
        }
        self.pipeline.replace_slots(self.memory.slots());
        // One, however many steps it took.
        self.new_generation();
        fill(camera, self.pipeline)?;
        Ok(camera.start()?)
    }

    /// Makes the camera's buffers the encoder's. False where they have to be copied, which is logged in one line. With
    /// `--memory export` whatever stands in the way is an error.
    fn import_camera(
        &mut self,
        camera: &Camera,
        terms: Terms<'_>,
        wanted: &Wanted,
        layout: &FrameLayout,
        alike: bool,
    ) -> Result<bool, NotAttached> {
        let choice = self.session.options.memory;
        if choice == MemoryChoice::Copy || terms.copied {
            return Ok(false);
        }
        let insists = choice == MemoryChoice::Export;
        if !alike && insists {
            return Err(Refused::Format(terms.format.fourcc, wanted.format.fourcc).into());
        }
        if !alike {
            note!(
                warn,
                "{terms}: {} becomes {} by a copy, {} bytes a second",
                terms.format.fourcc,
                wanted.format.fourcc,
                wanted.bytes_a_second()
            );
            return Ok(false);
        }
        let mut buffers = ArrayVec::new();
        if let Err(error) = camera.export(&mut buffers) {
            if insists {
                return Err(error.into());
            }
            note!(
                warn,
                "{terms}: {error}: each frame is copied, {} bytes a second",
                wanted.bytes_a_second()
            );
            return Ok(false);
        }
        let mut given = Slots::Given(camera.slots(), layout.placement(), buffers);
        match self.set_up(wanted, &mut given) {
            Err(failure) if insists => Err(NotAttached::Encoder(failure)),
            answer => Ok(answer.is_ok()),
        }
    }

    /// The encoder refuses each of the camera's buffers that is queued: it is attached again, and its frames are copied. False where they
    /// are not the camera's buffers, or `--memory export` insists.
    pub(in crate::engine) fn copy_instead_of_import(&mut self, error: IoctlError) -> bool {
        let imports = self.encoder.imports();
        let wanted = self.memory.wanted();
        let auto = self.session.options.memory == MemoryChoice::Auto;
        let Some(feed) = self.camera.as_mut().filter(|_| auto && imports) else {
            return false;
        };
        feed.terms.copied = true;
        note!(
            warn,
            "{}: {error}, of a buffer of {}: each frame is copied, {} bytes a second",
            self.session.path,
            feed.terms,
            wanted.bytes_a_second()
        );
        self.detach(0);
        true
    }

    /// Sets the encoder up with buffers of its own, which nobody has.
    pub(super) fn bare(&mut self, wanted: &Wanted) -> Result<(), NotAttached> {
        let answer = self.set_up(wanted, &mut Slots::Bare);
        answer.map_err(NotAttached::Encoder)
    }
}
