//! How a producer comes to its slots: asks the engine, checks what it is given, maps it.
//!
//! Knows the messages and the descriptors beside them. Commits nothing.

use arrayvec::ArrayVec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Buffers, FrameProducer, SLOTS};
use crate::client::slots::{load_layout, map_slots, mapping, valid};
use crate::client::wait::check_wake;
use crate::client::{ClientError, EngineAddress, ask, exchange};
use crate::control::message::{FormatRequest, Message, Offer, SlotMemory};
use crate::control::socket::Descriptors;
use crate::limits::{ANSWER_MS, PLANES};
use crate::media::layout::Placement;
use crate::shm::frame_ring::{Popper, Pusher};
use crate::shm::map::FrameMap;
use crate::time::{MS, now};

impl FrameProducer {
    /// Connects as the producer, of frames as the engine has them.
    ///
    /// # Errors
    /// When there is no engine, it refuses (another producer is attached), or it is of another version.
    pub fn connect<'a>(engine: impl Into<EngineAddress<'a>>) -> Result<Self, ClientError> {
        Self::connect_with(engine, &FormatRequest::default())
    }

    /// Connects as the producer of frames of another size, format or rate. The encoder is set up for them, when it has encoded
    /// what is still inside; consumers see a new generation.
    ///
    /// # Errors
    /// As `connect`; `Refused(Fixed)` when the engine keeps its size and format, `Refused(NotEncoded)` when the encoder does not
    /// do them, `Refused(Busy)` when it is not ready.
    pub fn connect_with<'a>(
        engine: impl Into<EngineAddress<'a>>,
        requested: &FormatRequest,
    ) -> Result<Self, ClientError> {
        let hello = Message::Produce(*requested);
        let (socket, answer, descriptors) = ask(&engine.into(), ANSWER_MS, &hello, &[])?;
        Self::join(socket, answer, descriptors, Buffers::new())
    }

    /// Offers dma-bufs of one's own as slots, before the first frame: the memory planes, slot after slot. Fitting ones have as many
    /// bytes as `layout` says at least; rows further apart than there are right where the encoder takes them. Whether the
    /// encoder does, says `imported`: if not, draw or copy into the slots that there are.
    ///
    /// ```no_run
    /// use framemill::client::{Buffers, ClientError, FrameProducer, FormatRequest};
    /// use framemill::client::SocketName;
    /// # fn my_buffers(slots: u32, bytes: u32) -> Buffers { Buffers::new() }
    ///
    /// # fn main() -> Result<(), ClientError> {
    /// let requested = FormatRequest { size: (1280, 720), rate: (30, 1), ..FormatRequest::default() };
    /// let producer = FrameProducer::connect_with(&SocketName::DEFAULT, &requested)?;
    /// // Dma-bufs of a heap, a graphics processor or a camera, with rows where the encoder has them.
    /// let layout = *producer.layout();
    /// let buffers = my_buffers(producer.slots(), layout.memory_length[0]);
    /// let mut producer = producer.import(layout.placement(), buffers)?;
    /// if !producer.imported() {
    ///     println!("the encoder cannot read them: drawing into its own");
    /// }
    /// while let Some(slot) = producer.acquire(None)? {
    ///     // The hardware draws into buffer `slot.index()`, then:
    ///     slot.commit(0)?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As `connect`. Not everybody may offer, and not every `run --memory` leaves it to producers: then it is not taken.
    pub fn import(self, rows: Placement, buffers: Buffers) -> Result<Self, ClientError> {
        self.import_unless(None, rows, buffers)
    }

    /// The same; gives up when `stop` is readable.
    pub(crate) fn import_unless(
        self,
        stop: Option<BorrowedFd<'_>>,
        rows: Placement,
        buffers: Buffers,
    ) -> Result<Self, ClientError> {
        let memory_planes = self.layout.memory_plane_count;
        let offer = Offer {
            slots: buffers.len() as u32 / memory_planes.max(1),
            memory_planes,
            rows,
        };
        let Self { socket, planes, .. } = self;
        // Memory may be short: what was given is let go before something else is asked for.
        drop(planes);
        let offered: ArrayVec<BorrowedFd<'_>, { SLOTS * PLANES }> =
            buffers.iter().map(AsFd::as_fd).collect();
        let deadline = now().saturating_add(u64::from(ANSWER_MS) * MS);
        let (answer, descriptors) =
            exchange(&socket, deadline, stop, &Message::Import(offer), &offered)?;
        drop(offered);
        Self::join(socket, answer, descriptors, buffers)
    }

    #[inline(never)]
    pub(crate) fn join(
        socket: OwnedFd,
        answer: Message,
        mut descriptors: Descriptors,
        buffers: Buffers,
    ) -> Result<Self, ClientError> {
        let Message::Frames {
            slots,
            memory_planes,
            memory,
        } = answer
        else {
            return Err(ClientError::Protocol);
        };
        if memory == SlotMemory::Imported {
            if buffers.len() != (slots * memory_planes) as usize {
                return Err(ClientError::Protocol);
            }
            descriptors.extend(buffers);
        }
        let mut descriptors = descriptors.into_iter();
        let (Some(ring), Some(filled), Some(free)) =
            (descriptors.next(), descriptors.next(), descriptors.next())
        else {
            return Err(ClientError::Protocol);
        };
        check_wake(&filled)?;
        check_wake(&free)?;
        let map = FrameMap::open(&ring).map_err(mapping)?;
        let layout = load_layout(map.ring());
        if layout.memory_plane_count != memory_planes || !valid(&layout) {
            return Err(ClientError::Protocol);
        }
        let planes = map_slots(&layout, slots, memory, &mut descriptors)?;
        Ok(Self {
            socket,
            map,
            filled,
            free,
            planes,
            layout,
            slots,
            memory,
            commit: Pusher::default(),
            acquire: Popper::default(),
            in_hand: ArrayVec::new(),
            committed: 0,
            finishing: false,
        })
    }
}
