//! The engine itself: owns every part, and takes turns in a fixed order.
//!
//! A turn: signals, coded buffers, returned slots, filled slots, frames into the encoder, deadlines, free slots to the
//! producer, connections, heartbeat. Each step's work is bounded, so that no peer and no queue can keep the others waiting:
//!
//! | step | at most, in one turn |
//! |---|---|
//! | signals | two reads |
//! | coded buffers | `TURN_BUDGET`, each copied once into the packet ring |
//! | returned slots | each slot once |
//! | filled slots | each slot once; of the wake socket 64 bytes |
//! | pictures of a camera | each slot once |
//! | frames into the encoder | each slot once, with `--memory copy` each copied once |
//! | deadlines | `PENDING_FRAMES` given up; the encoder restarted, or opened anew, once |
//! | free slots | each slot once |
//! | connections | `TURN_BUDGET` messages, each of another client, and new clients, one of which is let in in any case |
//! | waking consumers | one futex call, if any consumer has no wake socket, and `CLIENTS` sends, at most three times; who makes one of them too long is disconnected (`wake_cost`) |
//!
//! What a call on the driver takes is the driver's affair. Once the loop runs, nothing but the loss of the device ends it.

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::control::message::Refusal;
use crate::control::socket::Listener;
use crate::engine::camera::CameraFeed;
use crate::engine::frame_memory::FrameMemory;
use crate::engine::life::{Life, Phase};
use crate::engine::publisher::Publisher;
use crate::engine::reactor::{CAMERA_EVENT, ENCODER, FILLED, FIRST_CLIENT, Ready, SIGNALS};
use crate::engine::session::Session;
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::flow::pipeline::Pipeline;
use crate::limits::{CLIENTS, FRAME_SLOTS_MAX, REFUSED_FRAMES, TURN_BUDGET};
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, State};
use crate::shm::stats::{Counter, Stats};
use crate::signals::Signals;
use crate::time::now;
use crate::types::memory::MemoryChoice;
use crate::types::users::Users;
use crate::v4l2::encoder::{Answer, Encoder};

/// How the engine behaves; set once.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// No progress with frames queued for so long is a stall, ns.
    pub stall: u64,
    /// The drain's deadline, ns.
    pub drain: u64,
    /// End when the first producer has left.
    pub once: bool,
    /// The encoder can be told to make a key frame.
    pub can_force: bool,
    /// The codec is H.264, whose level limits what may be changed.
    pub h264: bool,
    /// Every frame is to be a key frame, by force.
    pub all_intra: bool,
    /// Producers may bring their own dma-bufs.
    pub import: bool,
    /// The socket's name is an abstract one, which anybody can connect to.
    pub abstract_socket: bool,
    /// Who may produce.
    pub producers: Users,
    /// Who may change the engine while it runs.
    pub changers: Users,
}

/// Everything the engine owns.
pub struct Engine<'a> {
    /// What the encoder is set up by.
    pub session: Session<'a>,
    /// The session with the encoder.
    pub encoder: &'a mut Encoder,
    /// The slots.
    pub memory: &'a mut FrameMemory,
    /// The frames.
    pub pipeline: &'a mut Pipeline<'a>,
    /// The camera, where it is the producer.
    pub camera: Option<CameraFeed<'a>>,
    /// The packets.
    pub publisher: &'a mut Publisher<'a>,
    /// The listening socket.
    pub listener: Listener<'a>,
    /// The memfd of the packet ring, for consumers.
    pub packets: OwnedFd,
    /// The packet ring's header.
    pub header: &'a PacketHeader,
    /// Counters and latencies.
    pub stats: Stats<'a>,
    /// Signals.
    pub signals: Signals,
    /// How it behaves.
    pub settings: Settings,
}

impl Engine<'_> {
    /// Runs until a signal, the end of the first producer (with `once`) or the loss of the encoder; drains; publishes
    /// the end mark.
    ///
    /// # Errors
    /// When the encoder was lost or the drain did not end; the end mark is published all the same.
    #[inline(never)]
    pub fn run(mut self) -> Result<(), Failure> {
        let mut life = Life::new(self.settings.all_intra);
        self.set_state(State::Running);
        let result = loop {
            if let Phase::Ended(exit) = life.phase {
                break match exit {
                    Exit::Success => Ok(()),
                    exit => Err(failure!(
                        exit,
                        "{}: the drain was cut short: {} frames are lost",
                        self.session.path,
                        self.pipeline.in_flight()
                    )),
                };
            }
            if let Err(failure) = self.turn(&mut life) {
                break Err(failure);
            }
        };
        self.end(&mut life);
        result
    }

    #[inline(never)]
    fn turn(&mut self, life: &mut Life) -> Result<(), Failure> {
        let time = now();
        let polled = life.wakeups.polls(time);
        let camera_polled = life.camera_wakeups.polls(time);
        let ready = self.sleep(life);
        let time = now();
        if polled && !ready.at(ENCODER) {
            life.wakeups.fine();
        }
        if camera_polled && !ready.at(FILLED) && !ready.at(CAMERA_EVENT) {
            life.camera_wakeups.fine();
        }
        if ready.at(SIGNALS) {
            self.take_signal(life, time);
        }
        if let Err(error) = self.serve_encoder(life, ready) {
            self.recover(life, Some(error))?;
        }
        if self.camera.is_some() {
            self.serve_camera(life, ready)?;
        } else if ready.at(FILLED) {
            self.take_commits(life, now());
        } else {
            self.pipeline.nothing_committed(time);
        }
        if let Err(error) = self.feed(life) {
            self.recover(life, Some(error))?;
        }
        self.meet_deadlines(life)?;
        if (0..FIRST_CLIENT + CLIENTS).all(|place| !ready.at(place)) {
            // Perhaps because a wake-up was lost for want of memory, and its reader sleeps. One too many harms nobody.
            life.clients.notify_consumers(time);
            life.clients.notify_producer(time);
        }
        self.give_slots(life, time);
        self.serve_clients(life, ready, time);
        if life.end_wanted {
            self.begin_end(life, time);
        }
        let end = now();
        self.header.status.heartbeat.store(end, Relaxed);
        life.clients.turn_took(end.saturating_sub(time), end);
        self.check_balance();
        Ok(())
    }

    /// Each turn ends with every committed frame published, dropped or inside. A mistake of ours is logged once and counted, and ends
    /// nothing: it is in the numbers, not in the stream.
    fn check_balance(&self) {
        if self.pipeline.balances() {
            return;
        }
        self.stats.count(Counter::Unbalanced);
        if self.stats.get(Counter::Unbalanced) == 1 {
            note!(
                warn,
                "internal error: {} frames committed, but {} published, {} dropped and {} inside",
                self.stats.get(Counter::FramesCommitted),
                self.stats.get(Counter::FramesPublished),
                self.stats.dropped(),
                self.pipeline.in_flight()
            );
        }
    }

    /// Coded buffers out, then slots back.
    #[inline(never)]
    fn serve_encoder(&mut self, life: &mut Life, ready: Ready) -> Result<(), IoctlError> {
        // While it is closed, nobody can say that it is ready; when ppoll fails, nobody says that it is not.
        if !ready.at(ENCODER) || life.away.is_some() {
            return Ok(());
        }
        let mut published = 0;
        let taken = self.take_coded(life, &mut published);
        // What was published before a failure is news all the same.
        self.announce(life, published);
        self.mend_reference(life);
        self.inspect_colour(life);
        let mut brought = taken?;
        for _ in 0..self.encoder.slots() {
            match self.encoder.dequeue_frame()? {
                Some(slot) => self.pipeline.returned(slot, now()),
                None => break,
            }
            brought = true;
        }
        if brought {
            life.wakeups.fine();
        } else if !ready.guessed() && life.wakeups.brought_nothing(now(), self.settings.stall) {
            return Err(IoctlError::new(Call::Poll, Errno::IO));
        }
        Ok(())
    }

    /// Coded buffers to the publisher; adds up the packets that came of them. Whether there was any buffer, or the end.
    fn take_coded(&mut self, life: &mut Life, published: &mut u32) -> Result<bool, IoctlError> {
        let mut brought = false;
        for _ in 0..TURN_BUDGET {
            let buffer = match self.encoder.dequeue_coded()? {
                Answer::Coded(buffer) => buffer,
                Answer::Nothing => break,
                Answer::Drained
                    if matches!(life.phase, Phase::Running | Phase::Emptying { .. }) =>
                {
                    // The driver was not told to stop yet, and nothing else would come any more.
                    return Err(IoctlError::new(Call::DqBuf, Errno::PIPE));
                }
                Answer::Drained => {
                    self.drained(life);
                    return Ok(true);
                }
            };
            brought = true;
            let coded = buffer.coded;
            *published += self
                .publisher
                .take(&coded, buffer.payload(), now(), self.pipeline);
            if coded.last {
                self.drained(life);
                break;
            }
            buffer.requeue()?;
        }
        Ok(brought)
    }

    /// Wakes consumers when something was published.
    pub(super) fn announce(&mut self, life: &mut Life, published: u32) {
        if published > 0 {
            life.restarts = 0;
            life.reopened = None;
            self.wake_consumers(life, now());
        }
    }

    /// Wakes everybody who waits for packets.
    pub(super) fn wake_consumers(&mut self, life: &mut Life, time: u64) {
        let publisher = &self.publisher;
        life.clients
            .wake_sleepers(time, |sleepers| publisher.wake(sleepers));
        life.clients.notify_consumers(time);
    }

    /// The last buffer of a drain came.
    fn drained(&mut self, life: &mut Life) {
        if let Phase::Draining { .. } = life.phase {
            life.drained(Exit::Success);
        }
    }

    /// What the producer filled goes into the pipeline.
    fn take_commits(&mut self, life: &mut Life, time: u64) {
        let Some((place, _, _)) = life.clients.producer() else {
            return;
        };
        // It only wakes the loop. The other end is open here, too, so it comes to an end only when the producer shuts it down; then it
        // would wake the loop without end.
        let shut = life.clients.hear_producer(time);
        let before = self.stats.get(Counter::FramesCommitted);
        if !self.drain_commits(time) || shut {
            self.cut_off(life, place, Refusal::BadFrameRing);
        } else if self.stats.get(Counter::FramesCommitted) != before {
            life.left = false;
        }
    }

    /// Takes every slot in the frame ring, at most one round. False when what stands there makes no sense.
    pub(super) fn drain_commits(&mut self, time: u64) -> bool {
        // As many as there can be: an encoder that is closed has none, and a producer with memory of its own has them all the same.
        for _ in 0..FRAME_SLOTS_MAX {
            match self.memory.next_filled() {
                Ok(None) => {
                    self.pipeline.nothing_committed(time);
                    break;
                }
                Ok(Some(entry)) => {
                    if self
                        .pipeline
                        .commit(entry.slot, entry.timestamp, entry.time, time)
                        .is_err()
                    {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Frames into the encoder; then, at the end, the command to stop.
    #[inline(never)]
    fn feed(&mut self, life: &mut Life) -> Result<(), IoctlError> {
        if life.away.is_some() || !matches!(life.phase, Phase::Running | Phase::Emptying { .. }) {
            return Ok(());
        }
        while self.may_queue(life)
            && let Some((slot, key)) = self.pipeline.next()
        {
            self.force_key_frame(life, now());
            let copied = self.memory.load(slot);
            self.stats.add(Counter::RawBytesCopied, copied);
            if self.memory.choice() != Some(MemoryChoice::Copy) {
                self.stats.add(Counter::RawBytesCopiedForced, copied);
            }
            match self.encoder.queue_frame(slot, key) {
                Ok(()) => {
                    life.refused = 0;
                    self.pipeline.queued(now());
                }
                Err(error) if fatal(error.errno) => return Err(error),
                Err(error) => {
                    self.pipeline.refused();
                    // A driver that refuses each frame is not to fill the log: at the 1st, 2nd, 4th, 8th, …
                    let refused = self.stats.get(Counter::DroppedRefused);
                    if refused.is_power_of_two() {
                        note!(
                            warn,
                            "{}: {refused} frames refused so far: {error}",
                            self.session.path
                        );
                    }
                    life.refused += 1;
                    if life.refused >= REFUSED_FRAMES {
                        life.refused = 0;
                        return self.refuses_all(life, error);
                    }
                }
            }
        }
        if !self.may_queue(life) {
            self.pipeline.withhold(now());
        }
        if let Phase::Emptying { deadline } = life.phase
            && self.pipeline.filled() == 0
        {
            let flushing = life.flushing();
            let marked = self.encoder.drain()?;
            if flushing && !marked {
                self.hold(life);
                return Ok(());
            }
            life.phase = Phase::Draining { deadline, marked };
            self.pipeline.drain(now());
        }
        Ok(())
    }

    /// The driver refuses each frame: it is restarted, unless it is a producer's memory that it does not take. The frames that still
    /// wait are in the same memory, and would be refused when nobody is left to be disconnected for them.
    fn refuses_all(&mut self, life: &mut Life, error: IoctlError) -> Result<(), IoctlError> {
        if self.encoder.imports()
            && let Some((place, ..)) = life.clients.producer()
        {
            self.cut_off(life, place, Refusal::BadFrameRing);
            self.pipeline.drop_filled(Counter::DroppedRefused);
            return Ok(());
        }
        match self.copy_instead_of_import(error) {
            true => Ok(()),
            false => Err(error),
        }
    }

    /// Free slots to the producer, and what became of its frames.
    pub(super) fn give_slots(&mut self, life: &mut Life, time: u64) {
        if life.clients.producer().is_none() {
            if self.pipeline.filled() == 0 {
                self.memory.let_go();
            }
            return;
        }
        let mut news = self.memory.account(self.pipeline.accounts());
        while life.phase == Phase::Running
            && let Some(slot) = self.pipeline.lend(time)
        {
            self.memory.give(slot);
            news = true;
        }
        if news {
            life.clients.notify_producer(time);
        }
    }

    pub(super) fn set_state(&self, state: State) {
        self.header.status.state.store(state as u32, Relaxed);
    }
}

/// Whether a refusal to queue a frame concerns the queue rather than the frame.
fn fatal(errno: Errno) -> bool {
    lost(errno) || errno == Errno::IO
}

/// Whether the device is gone.
pub(super) fn lost(errno: Errno) -> bool {
    errno == Errno::NODEV || errno == Errno::NXIO
}
