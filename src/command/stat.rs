//! `framemill stat`: what the engine says of itself in the packet ring's header, as a page or as one JSON object a line.
//!
//! Reads shared memory only: an observer is no consumer, and the engine notices it once, when it connects.
//!
//! The names are stable; both forms have the same. New ones may be added.
//!
//! | name | unit | meaning |
//! |---|---|---|
//! | `state` | | `starting`, `running`, `draining`, `recovering` or `ended` |
//! | `generation` | | 1, and one more with each re-initialisation of the encoder |
//! | `pid` | | the engine's process id |
//! | `uptime_ms` | ms | since the engine made its rings |
//! | `heartbeat_age_ms` | ms | since the engine's latest turn; more than a few seconds is a stuck engine |
//! | `device` | | path of the encoder's node |
//! | `driver`, `card` | | names that the driver gives itself |
//! | `api` | | `single-planar` or `multi-planar` |
//! | `memory` | | `export` (raw frames are not copied) or `copy` |
//! | `format`, `codec` | | four-character codes of the raw and of the coded format |
//! | `width`, `height` | pixels | the picture |
//! | `coded_width`, `coded_height` | pixels | what the driver works with, padding included |
//! | `frame_rate` | 1/s | a fraction, as declared to the driver: `30/1` |
//! | `frame_slots` | | slots of the frame ring |
//! | `packet_ring_bytes` | bytes | room for packets |
//! | `producers`, `consumers` | | connected now |
//! | `packet_head` | | sequence of the next packet |
//! | `packet_tail` | | sequence of the oldest packet that is still there |
//! | `packet_newest_key` | | sequence of the newest key packet; -1 before the first |
//! | `frames_dropped` | frames | sum of the counters `frames_dropped_…` |
//! | `frames_in_flight` | frames | committed, and neither published nor dropped yet |
//! | `counters` | | each of `stats::Counter` by its name |
//! | `latency` | | for each of `stats::Stage`, by its name, the seven below |
//! | `count` | | frames measured |
//! | `p50_us`, `p90_us`, `p99_us`, `p999_us` | us | 50, 90, 99 and 99.9 % of the frames took at most this long, within 25 % |
//! | `max_us` | us | the longest |

use rustix::event::{PollFd, PollFlags, poll};

use crate::cli::{FrameRate, StatOptions};
use crate::client::PacketConsumer;
use crate::command::connect::{Name, connect};
use crate::command::report::Report;
use crate::error::{Exit, Failure};
use crate::failure;
use crate::media::fourcc::Fourcc;
use crate::shm::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use crate::shm::layout::{PacketHeader, State, load_text};
use crate::stats::{Counter, Stage, Stats, percentile};
use crate::time::{MS, now, timespec};

#[inline(never)]
pub(super) fn stat(options: &StatOptions<'_>) -> Result<(), Failure> {
    let engine = connect(&options.socket, 0, PacketConsumer::observe)?;
    let mut report = Report::new(options.json);
    loop {
        describe(&mut report, engine.header());
        report.finish()?;
        let Some(pause) = options.watch_ms else {
            return Ok(());
        };
        if ended(&engine) {
            return Ok(());
        }
        // The engine has nothing to tell an observer: whatever comes is the connection's end. An interrupted wait is as good as a whole one.
        let mut set = [PollFd::new(&engine.socket(), PollFlags::IN)];
        if let Ok(1) = poll(&mut set, Some(&timespec(u64::from(pause) * MS)))
            && !ended(&engine)
        {
            return Err(failure!(
                Exit::Socket,
                "{}: the engine went away without an end",
                Name(&options.socket)
            ));
        }
    }
}

fn ended(engine: &PacketConsumer) -> bool {
    engine.header().status.state.load(Relaxed) == State::Ended as u32
}

fn word(word: &AtomicU32) -> i64 {
    i64::from(word.load(Relaxed))
}

/// A number of 64 bits; none here gets near 2^63.
fn long(word: &AtomicU64) -> i64 {
    word.load(Relaxed).cast_signed()
}

#[inline(never)]
fn describe(report: &mut Report, header: &PacketHeader) {
    let (status, stream, cursors) = (&header.status, &header.stream, &header.cursors);
    let stats = Stats {
        counters: &header.counters,
        latency: &header.latency,
    };
    // What a frame does next is read first: a frame that moves on meanwhile is still in flight, not there twice.
    let published = stats.get(Counter::FramesPublished);
    let dropped = stats.dropped();
    let in_flight = stats
        .get(Counter::FramesCommitted)
        .wrapping_sub(published)
        .wrapping_sub(dropped);
    let (heartbeat, created) = (long(&status.heartbeat), long(&status.created));
    let ms_since = |time: i64| (now().cast_signed() - time) / MS.cast_signed();

    report.open("", '{');
    report.text("state", &State::name(status.state.load(Relaxed)));
    report.numbers(
        "generation pid uptime_ms heartbeat_age_ms",
        &[
            word(&status.generation),
            word(&status.pid),
            ms_since(created),
            ms_since(heartbeat),
        ],
    );
    for (name, words) in [
        ("device", &stream.device[..]),
        ("driver", &stream.driver),
        ("card", &stream.card),
    ] {
        report.text(name, &load_text(words, &mut [0; 64]));
    }
    let choice = |word: &AtomicU32, one, other| if word.load(Relaxed) == 1 { one } else { other };
    report.text(
        "api",
        &choice(&stream.multiplanar, "multi-planar", "single-planar"),
    );
    report.text("memory", &choice(&stream.memory, "export", "copy"));
    report.text("format", &Fourcc(stream.format.load(Relaxed)));
    report.text("codec", &Fourcc(stream.codec.load(Relaxed)));
    report.text(
        "frame_rate",
        &FrameRate {
            numerator: stream.rate_numerator.load(Relaxed),
            denominator: stream.rate_denominator.load(Relaxed),
        },
    );
    report.numbers(
        "width height coded_width coded_height frame_slots packet_ring_bytes producers consumers packet_head packet_tail \
         packet_newest_key frames_dropped frames_in_flight",
        &[
            word(&stream.width),
            word(&stream.height),
            word(&stream.coded_width),
            word(&stream.coded_height),
            word(&stream.frame_slots),
            long(&header.data_bytes),
            word(&status.producers),
            word(&status.consumers),
            long(&cursors.head),
            long(&cursors.tail),
            // Kept one higher; 0 is none.
            long(&cursors.newest_key).wrapping_sub(1),
            dropped.cast_signed(),
            in_flight.cast_signed(),
        ],
    );
    report.open("counters", '{');
    for &(counter, name) in Counter::ALL {
        report.value(name, false, &stats.get(counter));
    }
    report.close('}');
    report.open("latency", '{');
    for (stage, name) in Stage::ALL {
        let histogram = &header.latency[stage as usize];
        let us = |per_mille| percentile(histogram, per_mille).cast_signed() / 1000;
        report.open(name, '{');
        report.numbers(
            "count p50_us p90_us p99_us p999_us max_us",
            &[
                long(&histogram.count),
                us(500),
                us(900),
                us(990),
                us(999),
                long(&histogram.max) / 1000,
            ],
        );
        report.close('}');
    }
    report.close('}');
    report.close('}');
}
