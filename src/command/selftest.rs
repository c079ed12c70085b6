//! `framemill selftest`: whether this machine's encoder does what Framemill needs, in a page to paste into a report.
//!
//! Needs no file and no network. An engine runs in a child process, as `framemill run` does; this process is its producer and its consumer.
//! Each size is encoded twice, each time by a new engine: at 30 frames/s, while a key frame and another bitrate are asked for; and as
//! fast as slots come back. What is right with a packet is `judge`'s business.

mod judge;

use core::fmt::Write;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::system::uname;

use crate::child::Child;
use crate::cli::SelftestOptions;
use crate::client::{
    Change, ClientError, EngineAddress, FrameProducer, Next, Outcome, PacketConsumer, Start, Step,
    change,
};
use crate::command::frames::draw;
use crate::command::report::Report;
use crate::command::run::run;
use crate::command::stat::{describe_device, describe_latency};
use crate::command::stop::Stop;
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::log::last_word;
use crate::media::format::lookup;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{SlotMemory, flag};
use crate::shm::stats::Counter;
use crate::text::{Escaped, Text, words};
use crate::time::{MS, now, pause, timespec};
use crate::types::run_options::RunOptions;
use crate::types::size::Size;
use crate::types::socket_name::SocketName;
use judge::{ASK_AT, CHECKS, Check, GOP, INTERVAL_NS, Judge};

/// The sizes that people use; an encoder need not take each.
const SIZES: [(u32, u32); 3] = [(640, 480), (1280, 720), (1920, 1080)];
/// Frames of the first engine, and of the second.
const FRAMES: [u64; 2] = [60, 75];
/// Another bitrate is asked for behind this frame.
const CHANGE_AT: u64 = 20;
const BITRATE: u32 = 2_000_000;
/// Packets of an encoder that codes without loss fit, too.
const RING_BYTES: u32 = 16 << 20;
/// How long anything is waited for, ns. The engine gives an encoder up in less.
const PATIENCE_NS: u64 = 30_000 * MS;

/// One engine's work.
struct Trial {
    judge: Judge,
    /// Processor time of the engine, ns.
    processor_ns: u64,
    /// The engine's header, which stays when it has ended.
    consumer: PacketConsumer,
}

pub(super) fn selftest(options: &SelftestOptions<'_>) -> Result<(), Failure> {
    let stop = Stop::default();
    let mut report = Report::new(options.json, &stop);
    report.open("", b'{');
    report.text("framemill", env!("CARGO_PKG_VERSION").as_bytes());
    describe_system(&mut report);
    let (mut all, mut started, mut ends) = (Judge::default(), false, options.size.is_some());
    report.open("sizes", b'[');
    for (width, height) in SIZES {
        let size = options.size.unwrap_or(Size { width, height });
        report.open("", b'{');
        report.string("size", &size);
        match try_size(options, size, &mut report) {
            // The encoder does not take it. One size is enough for a start.
            Err(code) if code == Exit::Refused as u8 => report.value(b"refused", &true),
            Err(_) => {
                all.holds(Check::Start, false);
                ends = true;
            }
            Ok(judge) => {
                started = true;
                all.add(&judge);
            }
        }
        report.close(b'}');
        if ends {
            break;
        }
    }
    report.close(b']');
    all.holds(Check::Start, started);
    report.open("checks", b'{');
    let mut wrong = Text::default();
    for (bit, name) in words(CHECKS.as_bytes()).enumerate() {
        let verdict = all.verdict(bit);
        report.value(name, &verdict);
        if verdict == "false" {
            // It never fails.
            let _ = write!(wrong, " {}", Escaped(name));
        }
    }
    report.close(b'}');
    report.close(b'}');
    report.finish()?;
    match all.failed {
        0 => Ok(()),
        _ => Err(failure!(Exit::Selftest, "selftest: failed:{wrong}")),
    }
}

/// The kernel and the board, whose name is that of the device tree.
fn describe_system(report: &mut Report<'_>) {
    let system = uname();
    report.text("kernel", system.release().to_bytes());
    report.text("machine", system.machine().to_bytes());
    let mut model = [0; 64];
    let file = open(
        c"/proc/device-tree/model",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let length = file.and_then(|file| read(&file, &mut model)).unwrap_or(0);
    let model = model[..length].split(|&byte| byte == 0).next();
    report.text("board", model.unwrap_or_default());
}

/// Both engines of a size. Gives the first one's verdicts and what the second adds, or the code with which the first did not start.
fn try_size(
    options: &SelftestOptions<'_>,
    size: Size,
    report: &mut Report<'_>,
) -> Result<Judge, u8> {
    last_word(format_args!("selftest: {size}, {} frames", FRAMES[0]));
    let trial = run_trial(options, size, FRAMES[0], true)?;
    let header = trial.consumer.header();
    let mut judge = trial.judge;
    describe_device(report, &header.stream);
    let memory = SlotMemory::name(header.stream.memory.load(Relaxed));
    report.text("memory", memory.as_bytes());
    let numbers = [
        judge.packets.cast_signed(),
        judge.keys.cast_signed(),
        (trial.processor_ns / FRAMES[0] / 1000).cast_signed(),
    ];
    report.numbers("packets key_frames processor_us_per_frame", &numbers);
    last_word(format_args!("selftest: {size}, {} frames", FRAMES[1]));
    let again = run_trial(options, size, FRAMES[1], false);
    let (rate, works) = again.map_or((0, false), |again| {
        (again.judge.rate(), again.judge.failed == 0)
    });
    judge.holds(Check::Restart, works);
    report.value(
        b"frames_per_second",
        &format_args!("{}.{}", rate / 10, rate % 10),
    );
    describe_latency(report, header);
    Ok(judge)
}

/// An engine, from its start to its end; `Err` with its code when it did not start. `paced`: with requests, and everything is judged.
fn run_trial(
    options: &SelftestOptions<'_>,
    size: Size,
    frames: u64,
    paced: bool,
) -> Result<Trial, u8> {
    let resource = |_: Errno| Exit::Resource as u8;
    let name = Text::new(format_args!(
        "framemill-selftest-{}",
        rustix::process::getpid().as_raw_nonzero()
    ));
    let socket = SocketName::Abstract(name.as_str().as_bytes());
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(resource)?;
    let child = start(options, size, socket, writer).map_err(resource)?;
    // A newline when it runs, the end when it does not.
    let mut set = [PollFd::new(&reader, PollFlags::IN)];
    let woken = poll(&mut set, Some(&timespec(PATIENCE_NS)));
    if woken != Ok(1) || read(&reader, &mut [0]) != Ok(1) {
        child.terminate();
        return Err(child.wait());
    }
    let engine = &EngineAddress {
        socket,
        uid: None,
        stop: None,
    };
    let trial = PacketConsumer::connect(engine, Start::Oldest).map(|consumer| {
        let mut trial = Trial {
            judge: Judge::new(paced),
            processor_ns: 0,
            consumer,
        };
        let sent = trial.send(engine, &child, frames, paced).is_ok();
        // The last frames are inside.
        let drained = sent && change(engine, Change::Drain).is_ok() && trial.read_to_end();
        trial.judge.holds(Check::Drain, drained);
        let steady = sent && trial.is_steady();
        trial.judge.end(frames, steady);
        trial
    });
    if !trial.as_ref().is_ok_and(|trial| trial.judge.failed == 0) {
        child.terminate();
    }
    let code = child.wait();
    let mut trial = trial.map_err(|_| code)?;
    trial.judge.holds(Check::Drain, code == 0);
    Ok(trial)
}

/// Starts the engine. It writes a newline to `ready` when it runs.
fn start(
    options: &SelftestOptions<'_>,
    size: Size,
    socket: SocketName<'_>,
    ready: OwnedFd,
) -> rustix::io::Result<Child> {
    let mut run_options = RunOptions::new(size);
    run_options.device = options.device;
    run_options.socket = socket;
    run_options.gop = Some(GOP as u32);
    run_options.packet_ring = RING_BYTES;
    run_options.log = ::log::LevelFilter::Warn;
    run_options.ready_fd = Some(ready.as_raw_fd() as u32);
    Child::start(|| match run(&run_options, &|_| None) {
        Ok(()) => Exit::Success as u8,
        Err(failure) => failure.exit as u8,
    })
}

impl Trial {
    /// Commits the frames and judges their packets.
    fn send(
        &mut self,
        engine: &EngineAddress<'_>,
        child: &Child,
        frames: u64,
        paced: bool,
    ) -> Result<(), ClientError> {
        let mut producer = FrameProducer::connect(engine)?;
        let format = lookup(producer.format()).ok_or(ClientError::Protocol)?;
        let size = producer.size();
        let late = ClientError::System(Step::Answer, Errno::TIMEDOUT);
        let (began_ns, processor_ns) = (now(), child.processor_time());
        for frame in 0..frames {
            let due_ns = began_ns + frame * INTERVAL_NS;
            if paced {
                pause(due_ns.saturating_sub(now()));
            }
            let mut slot = producer.acquire(Some(PATIENCE_NS))?.ok_or(late)?;
            draw(format, size, frame, &mut slot);
            slot.commit(frame * INTERVAL_NS)?;
            if frame == ASK_AT && paced {
                self.consumer.request_key_frame()?;
            }
            if frame == CHANGE_AT && paced {
                let outcome = change(engine, Change::Bitrate(BITRATE))?;
                let done = Outcome::Done(BITRATE.into());
                self.judge.holds(Check::Bitrate, outcome == done);
            }
            self.read();
        }
        self.processor_ns = child.processor_time().saturating_sub(processor_ns);
        Ok(())
    }

    /// Whether the engine had to do nothing to the encoder.
    fn is_steady(&self) -> bool {
        let counters = &self.consumer.header().counters;
        [Counter::Stalls, Counter::Restarts, Counter::Reopens]
            .into_iter()
            .all(|counter| counters[counter as usize].load(Relaxed) == 0)
    }

    /// Judges the packets that are there. False at the stream's end.
    fn read(&mut self) -> bool {
        loop {
            match self.consumer.next_in_place(|_| {}) {
                Next::Packet(packet) if packet.flags & flag::END != 0 => return false,
                Next::Packet(packet) => self.judge.packet(&packet),
                Next::Empty => return true,
                _ => self.judge.holds(Check::Frames, false),
            }
        }
    }

    /// Waits for the stream's end mark.
    fn read_to_end(&mut self) -> bool {
        let deadline_ns = now() + PATIENCE_NS;
        while self.read() {
            let left_ns = deadline_ns.saturating_sub(now());
            if left_ns == 0 || self.consumer.wait(Some(left_ns)).is_err() {
                return false;
            }
        }
        true
    }
}
