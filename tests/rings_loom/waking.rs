//! Who is woken, and by what, under the model checker: only packets wake readers, heartbeats wake nobody, and the futex is left alone while the
//! engine knows of no sleeper.
//!
//! Knows turns of an engine, and the kernel's futex and sockets as they promise to be. Knows no packet's bytes.

use framemill::internals::shm::atomic::Ordering;
use framemill::internals::shm::layout::flag;
use framemill::internals::shm::packet_ring::{Reader, Ring, Start, Writer};
use framemill::internals::shm::word::Word64;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::{Circle, Futex, Look, Memory, memory, publish, word};

/// What the engine knows beside the ring: whether somebody sleeps on the futex word, and the heartbeat.
struct Beside {
    memory: Memory,
    futex: Futex,
    wake: WakeSocket,
    heartbeat: Word64,
    door: Door,
}

fn beside() -> Arc<Beside> {
    Arc::new(Beside {
        memory: memory(),
        futex: Futex::default(),
        wake: WakeSocket::default(),
        heartbeat: word(),
        door: Door::default(),
    })
}

/// A wake socket: how many bytes are in it says nothing, and what finds it full is dropped.
#[derive(Default)]
struct WakeSocket(Mutex<bool>, Condvar);

impl WakeSocket {
    fn signal(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    /// Polls it, and reads it empty.
    fn wait(&self) {
        let mut readable = self.0.lock().unwrap();
        while !*readable {
            readable = self.1.wait(readable).unwrap();
        }
        *readable = false;
    }
}

/// The listening socket: a reader asks to be let in, and is answered. Two of a `WakeSocket`, one for each way.
#[derive(Default)]
struct Door {
    asked: WakeSocket,
    answered: WakeSocket,
}

/// The engine's turns: a packet in each that is true, a heartbeat at the end of each. Only packets wake anybody, and the futex only who
/// was let in before. As in `engine::turn`, clients are heard at the end of a turn; the last one waits for one that asks.
fn take_turns(beside: &Beside, turns: &[bool], mut sleepers: u32) {
    let mut writer = Writer::new(beside.memory.ring());
    let mut published = 0;
    for (turn, &packet) in turns.iter().enumerate() {
        if packet {
            publish(&mut writer, published, 1, flag::KEY);
            published += 1;
            if sleepers > 0 {
                beside.futex.wake();
            }
            beside.wake.signal();
        }
        let last = turn + 1 == turns.len();
        if sleepers == 0 && (last || *beside.door.asked.0.lock().unwrap()) {
            beside.door.asked.wait();
            sleepers = 1;
            beside.door.answered.signal();
        }
        beside.heartbeat.store(turn as u64 + 1, Ordering::Relaxed);
    }
}

/// An engine that takes `turns`, of which two have a packet, and a reader that has both and waits by `wait` while there is none.
fn wait_between_turns(
    turns: &'static [bool],
    sleepers: u32,
    wait: fn(&Beside, &Ring<'_, &Circle>, u32),
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let shared = beside();
        let others = shared.clone();
        let engine = thread::spawn(move || take_turns(&others, turns, sleepers));
        if sleepers == 0 {
            shared.door.asked.signal();
            shared.door.answered.wait();
        }
        let ring = shared.memory.ring();
        let mut reader = Reader::new(&ring, Start::Oldest);
        let mut seen = Look::default();
        while seen.had < 2 {
            let word = ring.wake_word();
            if !seen.once(&mut reader, &ring) {
                wait(&shared, &ring, word);
            }
        }
        assert_eq!(seen.lost, 0, "both fit into the ring");
        // Packet and heartbeat are of one thread: who has a packet sees the heartbeats of the turns before it.
        let before = turns.iter().rposition(|&packet| packet).unwrap() as u64;
        let heartbeat = shared.heartbeat.load(Ordering::Relaxed);
        assert!(heartbeat >= before, "{heartbeat} is older than the packet");
        engine.join().unwrap();
        assert_eq!(
            shared.heartbeat.load(Ordering::Relaxed),
            turns.len() as u64,
            "each turn has its heartbeat, whether it wakes somebody or not"
        );
        assert_eq!(ring.wake_word(), 2, "heartbeats are no packets");
    });
}

/// Heartbeats wake nobody: a wake-up that one of them was needed for would leave the reader asleep for good.
#[test]
fn a_reader_that_sleeps_on_the_word_while_the_engine_beats_its_heart_has_each_packet() {
    wait_between_turns(
        &[false, true, false, true, false],
        1,
        |beside, ring, word| {
            beside.futex.sleep(ring, word);
        },
    );
}

#[test]
fn a_reader_that_polls_its_wake_socket_while_the_engine_beats_its_heart_has_each_packet() {
    wait_between_turns(&[false, true, false, true, false], 1, |beside, _, _| {
        beside.wake.wait();
    });
}

/// The engine makes no futex call while it knows of no sleeper.
#[test]
fn a_reader_that_is_let_in_between_packets_has_those_before_and_is_woken_for_those_behind() {
    wait_between_turns(&[true, true, false], 0, |beside, ring, word| {
        beside.futex.sleep(ring, word);
    });
}
