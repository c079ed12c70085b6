//! `framemill stat`: what the engine says of itself in the packet ring's header, as a page, as one JSON object a line, or with `--watch` as
//! one line of text again and again.
//!
//! Reads shared memory only: an observer is no consumer, and the engine notices it once, when it connects. With `--check` nothing is
//! printed: the exit code says whether the engine lives, in a bounded time also when it is stuck and answers nobody.
//!
//! The names are stable; both forms have the same. New ones may be added. Strings are ASCII, with a question mark for every other byte.
//!
//! | name | unit | meaning |
//! |---|---|---|
//! | `state` | | `starting`, `running`, `draining`, `recovering`, `no-camera`, `no-signal`, `idle` or `ended` |
//! | `generation` | | 1, and one more with each re-initialisation of the encoder |
//! | `pid` | | the engine's process id |
//! | `uptime_ms` | ms | since the engine made its rings |
//! | `heartbeat_age_ms` | ms | since the engine's latest turn; more than ten seconds is a stuck engine |
//! | `no_signal` | | with the state `no-signal`, why: `no-cable`, `unstable`, `out-of-range` or `size`; otherwise empty |
//! | `device` | | path of the encoder's node; `pass-through` where a camera's coded frames need none |
//! | `driver`, `card` | | names that the driver gives itself |
//! | `api` | | `single-planar` or `multi-planar` |
//! | `memory` | | `export` or `import` (raw frames are not copied), or `copy` |
//! | `format`, `codec` | | four-character codes of what the source gives, raw or (`pass-through`) coded, and of the stream |
//! | `width`, `height` | pixels | the frame |
//! | `coded_width`, `coded_height` | pixels | what the driver works with, padding included |
//! | `frame_rate` | 1/s | a fraction, as declared to the encoder: the camera's answer, the signal's rate, the producer's, or `--fps`: `30/1` |
//! | `frame_rate_measured` | 1/s | as frames came lately, by the commit times beside the packets in the ring: over the 2 s before the newest packet, without the times in which frames were lost; 0.000 with fewer than two packets |
//! | `colorspace`, `transfer`, `matrix`, `color_range` | | what the encoder makes of the colour, in V4L2's words; `unknown` follows from the others |
//! | `frame_slots` | | slots of the frame ring |
//! | `packet_ring_bytes` | bytes | room for packets |
//! | `producers`, `consumers` | | connected now |
//! | `packet_head` | | sequence of the next packet |
//! | `packet_tail` | | sequence of the oldest packet that is still there |
//! | `packet_newest_key` | | sequence of the newest key packet; -1 before the first |
//! | `frames_dropped` | frames | sum of the counters `frames_dropped_…` |
//! | `frames_in_flight` | frames | committed, and neither published nor dropped yet |
//! | `counters` | | each of `stats::Counter` by its name |
//! | `latency` | | for each of `stats::Stage`, by its name, the six below |
//! | `count` | | frames measured |
//! | `p50_us`, `p90_us`, `p99_us`, `p999_us` | us | 50, 90, 99 and 99.9 % of the frames took at most this long, within 25 % |
//! | `max_us` | us | the longest |

use rustix::event::PollFlags;

use crate::cli::StatOptions;
use crate::client::{ClientError, EngineAddress, Observer, Step};
use crate::command::connect::{Name, lost};
use crate::command::report::Report;
use crate::command::status_line::{Reading, StatusLine};
use crate::command::stop::{STOPPED, Stop};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::{self, ANSWER_MS, HEARTBEAT_MS};
use crate::media::colour::Colour;
use crate::media::fourcc::Fourcc;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{NoSignal, PacketHeader, SlotMemory, State, Stream};
use crate::shm::stats::{Counter, Stage, Stats, percentile};
use crate::shm::word::{Access, LoadOnly, Word32, Word64};
use crate::stdio::{is_terminal, stdout};
use crate::time::{MS, now};
use crate::types::frame_rate::FrameRate;

#[inline(never)]
pub(super) fn stat(options: &StatOptions<'_>) -> Result<(), Failure> {
    let patience = options.check_ms.unwrap_or(ANSWER_MS);
    let pause_ms = options.watch_ms.unwrap_or(0);
    // Of a single look nothing is worth finishing.
    let stop = match options.watch_ms {
        Some(_) => Stop::on_signals()?,
        None => Stop::default(),
    };
    let address = EngineAddress {
        socket: options.socket,
        uid: options.engine_uid,
        stop: stop.descriptor(),
    };
    let engine = loop {
        match Observer::connect_within(address, patience) {
            Ok(engine) => break engine,
            Err(_) if stop.asked()? => return Err(STOPPED),
            Err(error) => unanswered(options, error)?,
        }
        // It lives, and has no place for us.
        if options.watch_ms.is_none() {
            return Ok(());
        }
        stop.pause(pause_ms)?;
    };
    let form = form(options);
    let mut report = Report::new(options.json, &stop);
    let mut before = Reading::take(engine.header(), now());
    let mut first = true;
    loop {
        // Asked before, so that the end is printed, too.
        let last = options.watch_ms.is_none() || ended(&engine);
        let after = Reading::take(engine.header(), now());
        let line = StatusLine::new(before, after, engine.newest_first());
        let result = match form {
            Form::Check(limit) => check(options, limit, engine.header()),
            // A line is about the time since the one before.
            Form::Line if first && !last => Ok(()),
            Form::Line => {
                report.remark(&line);
                report.finish()
            }
            Form::Screen | Form::Report => {
                if matches!(form, Form::Screen) {
                    // From the top left, and nothing of the screen before below it (ECMA-48: CUP, ED).
                    report.remark(&format_args!("\x1b[H\x1b[J{line}\n"));
                }
                let header = engine.header();
                describe(&mut report, header, engine.measured_rate(), options.all);
                report.finish()
            }
        };
        if last || result.is_err() {
            return result;
        }
        before = after;
        first = false;
        // The engine has nothing to tell an observer: whatever comes is the connection's end.
        let socket = [(engine.socket(), PollFlags::IN)];
        if stop.wait_or_end(&socket, Some(u64::from(pause_ms) * MS))? && !ended(&engine) {
            return Err(lost(&options.socket, ClientError::Gone));
        }
    }
}

/// What is printed.
#[derive(Clone, Copy)]
enum Form {
    /// Nothing: the exit code says whether the engine took a turn within so many ms.
    Check(u32),
    /// All that there is, as a page or as JSON.
    Report,
    /// The page with the line above, in place of the one before.
    Screen,
    /// A line.
    Line,
}

fn form(options: &StatOptions<'_>) -> Form {
    match options.check_ms {
        Some(limit) => Form::Check(limit),
        None if options.json || options.watch_ms.is_none() => Form::Report,
        None if is_terminal(stdout()) => Form::Screen,
        None => Form::Line,
    }
}

/// What it means that nobody let us in.
fn unanswered(options: &StatOptions<'_>, error: ClientError) -> Result<(), Failure> {
    match (error, options.check_ms) {
        (ClientError::System(Step::Answer, _), Some(limit)) => Err(stuck(options, limit.into())),
        // It has no room for one more, and said so: it lives.
        (ClientError::Refused(_), Some(_)) => Ok(()),
        _ => Err(lost(&options.socket, error)),
    }
}

/// Whether the engine takes its turns. Waiting, it may sleep for a heartbeat's time, and that is not held against it.
fn check(
    options: &StatOptions<'_>,
    limit: u32,
    header: &PacketHeader<LoadOnly>,
) -> Result<(), Failure> {
    let status = &header.status;
    if status.state.load(Relaxed) == State::Ended as u32 {
        return Err(failure!(
            Exit::Socket,
            "{}: the engine has ended",
            Name(&options.socket)
        ));
    }
    let age = now().saturating_sub(status.heartbeat.load(Relaxed)) / MS;
    if age > u64::from(limit + HEARTBEAT_MS) {
        return Err(stuck(options, age));
    }
    Ok(())
}

fn stuck(options: &StatOptions<'_>, age: u64) -> Failure {
    failure!(
        Exit::Stuck,
        "{}: the engine is stuck: no sign of life for {age} ms",
        Name(&options.socket)
    )
}

fn ended(engine: &Observer) -> bool {
    engine.header().status.state.load(Relaxed) == State::Ended as u32
}

fn word<A: Access>(word: &Word32<A>) -> i64 {
    i64::from(word.load(Relaxed))
}

/// A number of 64 bits; none here gets near 2^63.
fn long<A: Access>(word: &Word64<A>) -> i64 {
    word.load(Relaxed).cast_signed()
}

#[inline(never)]
fn describe<A: Access>(
    report: &mut Report<'_>,
    header: &PacketHeader<A>,
    measured_rate: u64,
    all: bool,
) {
    let (status, cursors) = (&header.status, &header.cursors);
    // Without one, of an engine that was killed while it wrote: all zero.
    let stream = &header.stream.snapshot().unwrap_or_default();
    let stats = Stats {
        counters: &header.counters,
        latency: &header.latency,
    };
    // Where frames end is read before where they begin: those that move on meanwhile count as in flight.
    let published = stats.get(Counter::FramesPublished);
    let dropped = stats.dropped();
    let in_flight = stats
        .get(Counter::FramesCommitted)
        .wrapping_sub(published)
        .wrapping_sub(dropped);
    let (heartbeat, created) = (long(&status.heartbeat), long(&status.created));
    let ms_since = |time: i64| now().cast_signed().wrapping_sub(time) / MS.cast_signed();

    report.open("", b'{');
    let state = State::name(status.state.load(Relaxed));
    report.text("state", state.as_bytes());
    report.numbers(
        "generation pid uptime_ms heartbeat_age_ms",
        &[
            word(&status.generation),
            word(&status.pid),
            ms_since(created),
            ms_since(heartbeat),
        ],
    );
    let no_signal = NoSignal::name(status.no_signal.load(Relaxed));
    report.text("no_signal", no_signal.as_bytes());
    describe_stream(report, stream, measured_rate);
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
            in_flight.cast_signed().max(0),
        ],
    );
    describe_counters(report, header, all);
    describe_latency(report, header);
    report.close(b'}');
}

/// The counters; on a page those that are zero only when `all` are asked for.
fn describe_counters<A: Access>(report: &mut Report<'_>, header: &PacketHeader<A>, all: bool) {
    report.open("counters", b'{');
    let mut counters = [0; limits::COUNTERS];
    for (value, word) in counters.iter_mut().zip(&header.counters) {
        *value = long(word);
    }
    match all {
        true => report.numbers(Counter::NAMES, &counters),
        false => report.not_zero(Counter::NAMES, &counters),
    }
    report.close(b'}');
}

/// The encoder by its names.
pub(super) fn describe_device<A: Access>(report: &mut Report<'_>, stream: &Stream<A>) {
    text(report, "device", &stream.device);
    text(report, "driver", &stream.driver);
    text(report, "card", &stream.card);
}

/// The devices, the formats and the rates.
fn describe_stream(report: &mut Report<'_>, stream: &Stream, measured_rate: u64) {
    describe_device(report, stream);
    let api: &[u8] = match stream.multiplanar.load(Relaxed) {
        0 => b"single-planar",
        _ => b"multi-planar",
    };
    report.text("api", api);
    let memory = SlotMemory::name(stream.memory.load(Relaxed));
    report.text("memory", memory.as_bytes());
    report.string("format", &Fourcc(stream.format.load(Relaxed)));
    report.string("codec", &Fourcc(stream.codec.load(Relaxed)));
    let rate = FrameRate {
        numerator: stream.rate_numerator.load(Relaxed),
        denominator: stream.rate_denominator.load(Relaxed),
    };
    report.string("frame_rate", &rate);
    let colour = Colour::new(
        stream.colorspace.load(Relaxed),
        stream.transfer.load(Relaxed),
        stream.matrix.load(Relaxed),
        stream.range.load(Relaxed),
    );
    let parts = ["colorspace", "transfer", "matrix", "color_range"];
    for (name, part) in parts.into_iter().zip(colour.names()) {
        report.text(name, part.as_bytes());
    }
    report.value(
        b"frame_rate_measured",
        &format_args!("{}.{:03}", measured_rate / 1000, measured_rate % 1000),
    );
}

/// The histograms' percentiles, one object a stage.
pub(super) fn describe_latency<A: Access>(report: &mut Report<'_>, header: &PacketHeader<A>) {
    report.open("latency", b'{');
    for &(stage, name) in &Stage::ALL {
        let histogram = &header.latency[stage as usize];
        let us = |per_mille| percentile(histogram, per_mille).cast_signed() / 1000;
        report.open(name, b'{');
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
        report.close(b'}');
    }
    report.close(b'}');
}

/// Text of the header: up to its first zero.
#[inline(never)]
fn text<A: Access>(report: &mut Report<'_>, name: &str, words: &[Word64<A>]) {
    let mut bytes = [[0; 8]; 8];
    for (bytes, word) in bytes.iter_mut().zip(words) {
        *bytes = word.load(Relaxed).to_le_bytes();
    }
    let text = bytes.as_flattened().split(|&byte| byte == 0).next();
    report.text(name, text.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::report::tests::written;
    use crate::limits::PACKET_RING_MIN;
    use crate::shm::layout::store_text;
    use crate::shm::map::PacketMap;

    #[test]
    fn an_engines_header_becomes_one_line_of_json() {
        let (map, _) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
        let header = map.header();
        let stats = Stats {
            counters: &header.counters,
            latency: &header.latency,
        };
        header.status.state.store(State::Running as u32, Relaxed);
        header
            .stream
            .memory
            .store(SlotMemory::Exported as u32, Relaxed);
        header.stream.colorspace.store(3, Relaxed);
        header.stream.range.store(1, Relaxed);
        store_text(&header.stream.card, b"a \"card\"");
        stats.add(Counter::FramesCommitted, 9);
        stats.add(Counter::FramesPublished, 4);
        stats.add(Counter::DroppedError, 1);
        stats.add(Counter::DroppedTooLarge, 2);
        stats.record(Stage::QueueToDequeue, 7_000_000);

        let line = written(true, |report| describe(report, header, 29_970, false));
        assert!(line.starts_with(r#"{"state":"running","generation":"#));
        assert!(line.ends_with("}}}\n") && line.matches('\n').count() == 1);
        for part in [
            r#","card":"a \"card\"","api":"single-planar","memory":"export","#,
            r#","frame_rate_measured":29.970,"width":"#,
            r#","packet_newest_key":-1,"frames_dropped":3,"frames_in_flight":2,"counters":{"frames_committed":9,"#,
            r#","colorspace":"rec709","transfer":"unknown","matrix":"unknown","color_range":"full","#,
            r#","queue_to_dequeue":{"count":1,"p50_us":7000,"#,
            r#","max_us":7000},"dequeue_to_publish":{"count":0,"p50_us":0,"#,
        ] {
            assert!(line.contains(part), "{part}\n{line}");
        }

        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            json["counters"].as_object().unwrap().len(),
            Counter::ALL.len()
        );
        assert_eq!(json["latency"].as_object().unwrap().len(), Stage::ALL.len());

        let page = written(false, |report| describe(report, header, 29_970, false));
        assert!(page.lines().count() <= 40, "{page}");
        assert!(
            page.contains("\n  queue_to_dequeue: count=1 p50_us=7000 "),
            "{page}"
        );
    }

    #[test]
    fn every_number_has_its_name() {
        let (map, _) = PacketMap::create(PACKET_RING_MIN as usize).unwrap();
        let (status, stream) = (&map.header().status, &map.header().stream);
        for (value, word) in (1..).zip([
            &stream.width,
            &stream.height,
            &stream.coded_width,
            &stream.coded_height,
            &stream.frame_slots,
            &status.producers,
            &status.consumers,
            &status.generation,
            &status.pid,
        ]) {
            word.store(value, Relaxed);
        }
        let line = written(true, |report| describe(report, map.header(), 0, true));
        for part in [
            r#""width":1,"height":2,"coded_width":3,"coded_height":4,"frame_slots":5,"packet_ring_bytes":"#,
            r#","producers":6,"consumers":7,"packet_head":0,"packet_tail":0,"#,
            r#","generation":8,"pid":9,"uptime_ms":"#,
        ] {
            assert!(line.contains(part), "{part}\n{line}");
        }
    }
}
