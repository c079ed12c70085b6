//! The encoder while it is closed: why, when it is tried again, and what it is made of when it is open.
//!
//! Knows the tries and their pauses. Knows no slot and no client: what is lost with the device is the engine's business.

use super::{Stage, State};
use crate::engine::error::EngineError;
use crate::engine::request::Buffers;
use crate::errno::call::{Call, IoctlError};
use crate::flow::recovery::Retry;
use crate::limits::{CAMERA_PAUSE_MS, DEVICE_RETRY_MS, RETURN_MS, SHORTAGE_PAUSE_MS};
use crate::time::MS;
use crate::v4l2::device::{Device, NotUsable};
use crate::v4l2::encoder::Encoder;
use crate::v4l2::negotiate::Agreed;
use rustix::io::Errno;

/// The encoder while it is closed.
#[derive(Debug)]
pub struct Closed {
    retry: Retry,
    /// Why it is closed; `None`: it stalled.
    error: Option<IoctlError>,
    /// What the OUTPUT queue is to be made of.
    pub buffers: Buffers,
    /// What was agreed on before.
    agreed: Agreed,
}

impl Closed {
    /// When the next try to reopen it is due, ns.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        self.retry.next_ns()
    }
}

impl<'a> Stage<'a> {
    /// Closes the device, which frees everything that its driver holds, even where that does not answer any more. Dma-bufs that were
    /// imported are kept. Gives whether there are any.
    pub fn close(&mut self, error: Option<IoctlError>, now_ns: u64) -> bool {
        let fresh = self.fresh_buffers();
        let (agreed, mut buffers) = match &mut self.state {
            State::Up(encoder) => {
                let (agreed, taken) = (*encoder.agreed(), encoder.take_imported_buffers());
                let import = |(slots, rows, planes)| Buffers::Imported(slots, rows, planes);
                (agreed, taken.map_or(Buffers::Unbound, import))
            }
            State::Down(closed) => {
                let buffers = core::mem::replace(&mut closed.buffers, Buffers::Unbound);
                (closed.agreed, buffers)
            }
            State::Relay => return false,
        };
        let imports = matches!(buffers, Buffers::Imported(..));
        if !imports {
            buffers = fresh;
        }
        let patience_ms = RETURN_MS.max(self.session.options.wait_device_ms);
        let retry = Retry::new(
            now_ns,
            u64::from(DEVICE_RETRY_MS) * MS,
            u64::from(patience_ms) * MS,
        );
        self.state = State::Down(Closed {
            retry,
            error,
            buffers,
            agreed,
        });
        imports
    }

    /// Opens the device, if it is closed and the next try is due. It has no buffers yet; gives what they are to be made of.
    ///
    /// # Errors
    /// When there was time enough.
    pub fn try_open(&mut self, now_ns: u64) -> Result<Option<Closed>, EngineError<'a>> {
        let State::Down(closed) = &mut self.state else {
            return Ok(None);
        };
        if closed.next_ns() > now_ns {
            return Ok(None);
        }
        match Device::open(self.session.node) {
            Ok(device) => {
                let encoder = Encoder::without_buffers(device, closed.agreed);
                let before = core::mem::replace(&mut self.state, State::Up(encoder));
                Ok(match before {
                    State::Up(_) | State::Relay => None,
                    State::Down(closed) => Some(closed),
                })
            }
            Err(refused) => {
                if let NotUsable::Call(error) = refused {
                    closed.error = Some(error);
                }
                self.retry_later(now_ns).map(|()| None)
            }
        }
    }

    /// It was open, and could not be set up (`error`): it is closed again. Gives whether it was made of imported buffers: it may be their
    /// fault, and the next try does without.
    pub fn close_again(&mut self, mut closed: Closed, error: &EngineError<'_>) -> bool {
        if error.is_shortage() {
            closed.error = Some(IoctlError::new(Call::ReqBufs, Errno::NOMEM));
        }
        let imports = matches!(closed.buffers, Buffers::Imported(..));
        if imports {
            closed.buffers = self.fresh_buffers();
        }
        self.state = State::Down(closed);
        imports
    }

    /// Settles when the next try is due.
    ///
    /// # Errors
    /// When there was time enough.
    pub fn retry_later(&mut self, now_ns: u64) -> Result<(), EngineError<'a>> {
        let State::Down(closed) = &mut self.state else {
            return Ok(());
        };
        // Whoever has the memory gives it back some time: that is waited for without a limit.
        let short = closed.error.is_some_and(IoctlError::is_shortage);
        let longest_ms = match short {
            true => SHORTAGE_PAUSE_MS,
            false => CAMERA_PAUSE_MS,
        };
        let (error, longest_ns) = (closed.error, u64::from(longest_ms) * MS);
        match closed.retry.again(now_ns, longest_ns, short) {
            true => Ok(()),
            false => Err(self.final_error(error)),
        }
    }
}
