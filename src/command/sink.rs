//! `framemill sink`: a consumer that keeps the latest packet where readers of ustreamer's memory sink look for it.
//!
//! While nobody reads, it is no consumer of the engine's but an observer, which knows the engine's end and costs nothing. Knows packets
//! and when to put them; how they lie is `object`'s business.

mod object;

use ::log::LevelFilter;
use rustix::event::PollFlags;

use crate::cli::SinkOptions;
use crate::client::{Next, Observer, Packet, PacketConsumer, Start, Wait};
use crate::command::connect::{self, Name, Patience, lost};
use crate::command::headers::Headers;
use crate::command::loss::Losses;
use crate::command::stop::{Stop, Woken};
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::limits::{CONNECT_RETRY_MS, KEY_FRAME_PAUSE_MS};
use crate::log;
use crate::log::note;
use crate::media::memsink::SinkFrame;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, State, flag};
use crate::shm::word::LoadOnly;
use crate::time::{MS, now, raw_now};
use object::{Object, Put};

const LOOK_NS: u64 = CONNECT_RETRY_MS as u64 * MS;

/// How often a request for a key frame is repeated while it stands, ns.
const REQUEST_NS: u64 = KEY_FRAME_PAUSE_MS as u64 * MS;

/// The longest time of one frame that a lock is waited for, ns: ustreamer's own figure.
const FRAME_NS_MAX: u64 = 1000 * MS;

/// Why the sink does not go on with an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nobody reads any more.
    Unread,
    /// The stream has ended.
    Stream,
    /// The engine went away without an end mark.
    Gone,
    /// A signal asked to finish.
    Asked,
}

#[derive(Debug, Default)]
struct Sink {
    /// Packets that are in the object now or were.
    put: u64,
    losses: Losses,
    /// Packets that could not be put.
    missed: Losses,
    /// What the stream is, and the generation that it is so from.
    format: u32,
    size: (u32, u32),
    generation: Option<u16>,
    /// Packets from key packet to key packet, and since the latest one.
    gop: u32,
    since_key: u32,
    /// Readers have nothing to begin with yet: what comes before a key packet is not put.
    until_key: bool,
    /// When a key frame was requested last, `CLOCK_MONOTONIC` ns.
    requested_ns: u64,
}

#[inline(never)]
pub(super) fn sink(options: &SinkOptions<'_>) -> Result<(), Failure> {
    // Standard error cannot fail to open.
    let _ = log::start(LevelFilter::Info, false);
    let stop = Stop::on_signals()?;
    let mut sink = Sink::default();
    let mut observer = observe(options, &stop)?;
    let mut object = Object::open(options, &stop)?;
    let result = loop {
        match sink.follow(options, &stop, &observer, &mut object) {
            Ok(End::Stream | End::Gone) if options.reconnect_ms.is_some() => {}
            Ok(End::Gone) => {
                break Err(failure!(
                    Exit::Socket,
                    "the engine went away without an end mark"
                ));
            }
            Ok(_) => break Ok(()),
            Err(failure) => break Err(failure),
        }
        // What is left in the object is old.
        object.clear(&stop, LOOK_NS)?;
        note!(
            info,
            "{}: waiting for the next engine",
            Name(&options.socket)
        );
        match observe(options, &stop) {
            Ok(next) => observer = next,
            Err(failure) => break Err(failure),
        }
    };
    note!(
        info,
        "{} packets put into {object}, {} not put, {} packets lost",
        sink.put,
        sink.missed.total(),
        sink.losses.total()
    );
    let cleared = object.clear(&stop, LOOK_NS);
    if options.remove {
        object.remove();
    }
    result.and(cleared)
}

fn observe(options: &SinkOptions<'_>, stop: &Stop) -> Result<Observer, Failure> {
    let uid = options.engine_uid;
    connect::connect(&options.socket, uid, patience(options), stop, |engine| {
        Observer::connect(engine)
    })
}

fn patience(options: &SinkOptions<'_>) -> Patience {
    let again = options.reconnect_ms;
    again.map_or(Patience::Ms(options.wait_ms), Patience::Every)
}

impl Sink {
    /// Takes packets of an engine while somebody reads, until that ends.
    fn follow(
        &mut self,
        options: &SinkOptions<'_>,
        stop: &Stop,
        observer: &Observer,
        object: &mut Object,
    ) -> Result<End, Failure> {
        loop {
            while !object.has_readers()? {
                let engine = [(observer.socket(), PollFlags::IN)];
                match stop.wait(&engine, Some(LOOK_NS))? {
                    Woken::TimedOut => {}
                    Woken::Asked => return Ok(End::Asked),
                    Woken::Ready(_) if ended(observer.header()) => return Ok(End::Stream),
                    Woken::Ready(_) => return Ok(End::Gone),
                }
            }
            let uid = options.engine_uid;
            let consumer =
                connect::consume(&options.socket, uid, patience(options), stop, Start::Live)?;
            let end = self.take(options, stop, consumer, object)?;
            if end != End::Unread {
                return Ok(end);
            }
        }
    }

    /// Puts packets as they come.
    fn take(
        &mut self,
        options: &SinkOptions<'_>,
        stop: &Stop,
        mut consumer: PacketConsumer,
        object: &mut Object,
    ) -> Result<End, Failure> {
        let mut memory = connect::packet_memory(&consumer)?;
        // Perhaps those of another engine.
        self.generation = None;
        self.until_key = true;
        self.requested_ns = 0;
        self.request(&consumer);
        let mut gone = false;
        while !stop.asked()? {
            match consumer.next(&mut memory) {
                Next::Packet(packet) if packet.flags & flag::END != 0 => return Ok(End::Stream),
                Next::Packet(packet) => {
                    let bytes = &memory[..packet.length as usize];
                    self.put(stop, &consumer, &packet, bytes, object)?;
                }
                Next::Lapped(packets) => {
                    self.losses.log(packets, consumer.position());
                }
                // Cannot be: the buffer is as large as the ring.
                Next::TooSmall(_) => consumer.skip(),
                Next::Empty if gone => return Ok(End::Gone),
                Next::Empty => {
                    if !object.has_readers()? {
                        return Ok(End::Unread);
                    }
                    let engine = [
                        (consumer.event(), PollFlags::IN),
                        (consumer.socket(), PollFlags::IN),
                    ];
                    if let Woken::Ready(bits) = stop.wait(&engine, Some(REQUEST_NS))? {
                        gone = match consumer.heard(bits & 1 != 0, bits & 2 != 0) {
                            Ok(wait) => wait == Wait::Gone,
                            Err(error) if options.reconnect_ms.is_some() => {
                                note!(warn, "{error}");
                                true
                            }
                            Err(error) => return Err(lost(&options.socket, error)),
                        };
                    }
                }
            }
        }
        Ok(End::Asked)
    }

    fn put(
        &mut self,
        stop: &Stop,
        consumer: &PacketConsumer,
        packet: &Packet,
        bytes: &[u8],
        object: &mut Object,
    ) -> Result<(), Failure> {
        let key = packet.flags & flag::KEY != 0;
        self.learn(consumer, packet);
        if key {
            // No more than four thousand million.
            (self.gop, self.since_key) = (self.since_key, 0);
            self.until_key = false;
        }
        self.since_key = self.since_key.saturating_add(1);
        if object.key_requested() && !key {
            self.request(consumer);
        }
        if self.until_key {
            return Ok(());
        }
        let mut headers = Headers::NONE;
        if key && packet.flags & flag::CONFIG == 0 {
            headers.load(consumer, packet);
        }
        let parts = [headers.get(), bytes];
        let time = now();
        let frame = self.frame(packet, parts, object, time);
        // A clock of the engine's that runs ahead is no reason to wait.
        let deadline = packet.published.min(time) + frame_ns(consumer.header());
        let why = match object.put(stop, &frame, parts, deadline)? {
            Put::Done => {
                self.put += 1;
                if self.missed.packet() && !key {
                    self.request(consumer);
                }
                return Ok(());
            }
            Put::Locked => "somebody has locked it for longer than a frame takes",
            Put::TooLarge => {
                self.until_key = true;
                "they are larger than its room"
            }
        };
        if let Some(packets) = self.missed.add(1, time) {
            let number = packet.sequence;
            let room = object.capacity;
            note!(
                warn,
                "{packets} packets up to packet {number} not put into {object}, which has room for {room} bytes: {why}"
            );
        }
        Ok(())
    }

    /// What the object's header says of a packet.
    fn frame(&self, packet: &Packet, parts: [&[u8]; 2], object: &Object, time: u64) -> SinkFrame {
        let shift = match object.layout.raw_clock() {
            true => raw_now().wrapping_sub(time),
            false => 0,
        };
        let at = |ns: u64| match ns {
            // No frame belongs to it.
            0 => packet.published.wrapping_add(shift),
            ns => ns.wrapping_add(shift),
        };
        SinkFrame {
            id: time,
            bytes: parts.iter().map(|part| part.len() as u64).sum(),
            format: self.format,
            size: self.size,
            key: packet.flags & flag::KEY != 0,
            // Where each is a key frame there is no way from one to the next.
            gop: if self.gop == 1 { 0 } else { self.gop },
            grabbed: at(packet.committed),
            queued: at(packet.queued),
            dequeued: at(packet.dequeued),
        }
    }

    /// What the stream is, when that may have changed.
    fn learn(&mut self, consumer: &PacketConsumer, packet: &Packet) {
        if self.generation == Some(packet.generation) {
            return;
        }
        if let Some(stream) = consumer.header().stream.snapshot() {
            self.format = stream.codec.load(Relaxed);
            self.size = (stream.width.load(Relaxed), stream.height.load(Relaxed));
            self.generation = Some(packet.generation);
        }
    }

    /// Requests a key frame, unless that was just done. Requests of all clients are merged by the engine.
    fn request(&mut self, consumer: &PacketConsumer) {
        let time = now();
        if self.requested_ns == 0 || time.saturating_sub(self.requested_ns) >= REQUEST_NS {
            self.requested_ns = time;
            // If the engine is gone, the next wait says so.
            let _ = consumer.request_key_frame();
        }
    }
}

fn ended(header: &PacketHeader<LoadOnly>) -> bool {
    header.status.state.load(Relaxed) == State::Ended as u32
}

/// The time of one frame, ns.
fn frame_ns(header: &PacketHeader<LoadOnly>) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let stream = &header.stream;
    let frames = u64::from(stream.rate_numerator.load(Relaxed));
    let seconds = u64::from(stream.rate_denominator.load(Relaxed));
    let ns = (seconds * SECOND).checked_div(frames).unwrap_or(0);
    ns.min(FRAME_NS_MAX)
}
