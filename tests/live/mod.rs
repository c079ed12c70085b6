//! A stream in real time: a clip over and over, published by a double of the engine, with the time of each frame that of the clock.
//!
//! Knows the double and the pictures. Never knows who looks.

pub mod pictures;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use framemill::client::Fourcc;
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::packet_ring::Packet;
use framemill::internals::shm::stats::{Counter, Stats};
use framemill::internals::time::now;
use framemill::shm::layout::{PacketHeader, flag};

use crate::double::Engine;
use pictures::{Clip, HEIGHT, KEYS_EVERY, RATE, WIDTH};

/// From one frame to the next, on an average.
const STEP: Duration = Duration::from_millis(1000 / RATE);

/// How many frames there are until lateness repeats.
pub const UNEVEN: usize = 4;

/// When a frame comes: unevenly, so that a program that counts frames does not get its times right.
pub fn time(number: usize) -> Duration {
    STEP * number as u32 + Duration::from_millis(8) * (number % UNEVEN) as u32
}

enum Order {
    /// Ends without an end mark; another one comes after so long, at the same name.
    Leave(Duration),
    /// Publishes the end mark, and nothing more.
    End,
    /// How many consumers are there.
    Consumers(Sender<usize>),
}

/// An engine that publishes.
pub struct Live {
    socket: String,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Live {
    /// Publishes a clip of H.264 from its beginning, from now on.
    pub fn start(clip: Clip) -> Self {
        Self::of(Fourcc::H264, clip)
    }

    /// The same, and says that it is another codec.
    pub fn of(codec: Fourcc, clip: Clip) -> Self {
        let (orders, received) = channel();
        let (named, name) = channel();
        let thread = thread::spawn(move || {
            let engine = Engine::start();
            named.send(engine.socket()).unwrap();
            publish(engine, codec, &clip, &received);
        });
        Self {
            socket: name.recv().unwrap(),
            orders: Some(orders),
            thread: Some(thread),
        }
    }

    /// The value of `--socket`.
    pub fn socket(&self) -> &str {
        &self.socket
    }

    fn order(&self, order: Order) {
        self.orders.as_ref().unwrap().send(order).unwrap();
    }

    /// The stream ends, as after `ctl drain`.
    #[allow(dead_code, reason = "not every test that has this module ends it")]
    pub fn end(&self) {
        self.order(Order::End);
    }

    /// The engine is killed; the next one comes after so long.
    #[allow(dead_code, reason = "not every test that has this module restarts it")]
    pub fn restart_after(&self, pause: Duration) {
        self.order(Order::Leave(pause));
    }

    /// Consumers that are connected now.
    #[allow(dead_code, reason = "not every test that has this module counts")]
    pub fn consumers(&self) -> usize {
        let (answer, answered) = channel();
        self.order(Order::Consumers(answer));
        answered.recv().unwrap()
    }
}

fn describe(header: &PacketHeader, codec: Fourcc) {
    let stream = &header.stream;
    stream.codec.store(codec.0, Relaxed);
    stream.width.store(WIDTH as u32, Relaxed);
    stream.height.store(HEIGHT as u32, Relaxed);
    stream.rate_numerator.store(RATE as u32, Relaxed);
    stream.rate_denominator.store(1, Relaxed);
    header.status.generation.store(1, Relaxed);
}

fn publish(mut engine: Engine, codec: Fourcc, clip: &Clip, orders: &Receiver<Order>) {
    describe(engine.header(), codec);
    let mut writer = engine.writer();
    let (mut number, mut first) = (0, 0);
    let (mut begun, mut ended) = (Instant::now(), false);
    loop {
        let due = begun + (time(number) - time(first));
        match orders.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(Order::Leave(pause)) => {
                engine = engine.leave_for(pause);
                describe(engine.header(), codec);
                writer = engine.writer();
                // It begins with a key frame, and its producer counts from 0.
                number = usize::div_ceil(number, KEYS_EVERY) * KEYS_EVERY;
                (first, begun) = (number, Instant::now());
            }
            Ok(Order::End) => {
                engine.publish(&mut writer, 0, flag::END);
                ended = true;
            }
            Ok(Order::Consumers(answer)) => answer.send(engine.consumers()).unwrap(),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) if ended => begun = Instant::now() + STEP,
            Err(RecvTimeoutError::Timeout) => {
                let bytes = &clip.packets[number % clip.packets.len()];
                let key = number.is_multiple_of(KEYS_EVERY);
                let ns = now();
                let packet = Packet {
                    flags: if key { flag::KEY | flag::CONFIG } else { 0 },
                    generation: 1,
                    timestamp: (time(number) - time(first)).as_nanos() as u64,
                    committed: ns,
                    queued: ns,
                    dequeued: ns,
                    published: ns,
                    ..Packet::default()
                };
                count(engine.header(), bytes.len());
                engine.publish_packet(&mut writer, bytes, &packet);
                number += 1;
            }
        }
    }
}

/// What `stat` reads of a frame.
fn count(header: &PacketHeader, bytes: usize) {
    let stats = Stats {
        counters: &header.counters,
        latency: &header.latency,
    };
    stats.count(Counter::FramesCommitted);
    stats.count(Counter::FramesPublished);
    stats.add(Counter::PacketBytes, bytes as u64);
}
