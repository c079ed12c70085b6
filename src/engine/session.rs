//! The session with the encoder as the options want it: agreed on, set up, started. At the start, and again whenever the
//! encoder is reconfigured while the engine runs.
//!
//! Knows options, the order of the steps, and what to say when one fails. Knows no frame and no client.

use core::cell::Cell;
use core::ffi::CStr;

use arrayvec::ArrayVec;
use rustix::io::Errno;

use crate::engine::combination::Combination;
use crate::engine::controls::set_controls;
use crate::engine::error::{EngineError, Unfit};
use crate::limits::CONTROLS;
use crate::media::format_set::FormatSet;
use crate::media::fourcc::Fourcc;
use crate::text::Escaped;
use crate::types::run_options::RunOptions;
use crate::v4l2::abi::Queue;
use crate::v4l2::device::Device;
use crate::v4l2::encoder::Encoder;
use crate::v4l2::ioctl;
use crate::v4l2::negotiate::{Agreed, Refused, Wanted, negotiate};

/// What stands for the device where there is none.
pub const NO_DEVICE: &[u8] = b"pass-through";

/// What an encoder is set up by.
pub struct Session<'a> {
    /// The device's path, for sentences.
    pub path: Escaped<'a>,
    /// The device's path, to open it.
    pub node: &'a CStr,
    /// What the user wants.
    pub options: &'a RunOptions<'a>,
    /// The raw formats that the encoder takes.
    pub takes: FormatSet,
    /// OUTPUT buffers to ask for.
    pub slots: u32,
    /// What the encoder is set up for where a producer requests nothing: what the options say, whatever producers before had.
    pub configured: Wanted,
    /// Controls that clients changed since the start, with their values.
    pub changed: ArrayVec<(u32, i64), CONTROLS>,
    /// The highest bitrate that the encoder was ever set up with, bit/s. An H.264 level allows it from then on: a bitrate that was
    /// lowered for a while can be raised again.
    pub bitrate: Cell<u32>,
}

impl<'a> Session<'a> {
    /// A session with `device`, at `node`, of so many OUTPUT buffers, which starts with `configured`.
    #[must_use]
    pub fn new(
        device: &Device,
        node: &'a CStr,
        options: &'a RunOptions<'a>,
        slots: u32,
        configured: Wanted,
    ) -> Self {
        // A driver without a list is asked with each format.
        let takes = ioctl::raw_formats(device, device.queue(Queue::Output));
        Self {
            path: Escaped(node.to_bytes()),
            node,
            options,
            takes: takes.unwrap_or(FormatSet::ALL),
            slots,
            configured,
            changed: ArrayVec::new(),
            bitrate: Cell::new(0),
        }
    }

    /// A session without an encoder, for a camera whose frames are coded.
    #[must_use]
    pub fn without_encoder(options: &'a RunOptions<'a>, slots: u32, configured: Wanted) -> Self {
        Self {
            path: Escaped(NO_DEVICE),
            node: c"/dev/null",
            options,
            takes: FormatSet::default(),
            slots,
            configured,
            changed: ArrayVec::new(),
            bitrate: Cell::new(0),
        }
    }

    /// Settles formats, size, rate and controls on a device without buffers.
    ///
    /// # Errors
    /// When the device cannot do what is wanted.
    #[inline(never)]
    pub fn agree(&self, device: &Device, wanted: &Wanted) -> Result<Agreed, EngineError<'a>> {
        let options = self.options;
        let agreed = negotiate(device, wanted).map_err(|refused| match refused {
            // As a scan would have said.
            Refused::Format(asked, _) if asked == options.codec => {
                EngineError::WrongEncoder(refused)
            }
            refused => EngineError::NotAgreed(refused),
        })?;
        let size = (wanted.width, wanted.height);
        let (changed, bitrate) = (&self.changed, &self.bitrate);
        set_controls(device, options, changed, size, agreed.declared, bitrate)?;
        Ok(agreed)
    }

    /// A control has another value from now on.
    pub fn keep(&mut self, id: u32, value: i64) {
        self.changed.retain(|(known, _)| *known != id);
        // One too many is forgotten when the encoder is reconfigured.
        let _ = self.changed.try_push((id, value));
    }

    /// Starts the stream.
    ///
    /// # Errors
    /// When the driver refuses.
    #[inline(never)]
    pub fn start(&self, encoder: &mut Encoder, wanted: &Wanted) -> Result<(), EngineError<'a>> {
        let size = (wanted.width, wanted.height);
        encoder.start().map_err(|error| {
            if error.errno == Errno::SRCH
                && wanted.codec == Fourcc::H264
                && let Ok(all) =
                    Combination::read(encoder.device(), size, encoder.agreed().declared)
            {
                return EngineError::Combination(all, Unfit::NotStarted(error));
            }
            error.into()
        })
    }
}
