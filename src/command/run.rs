//! `framemill run`: the engine's start. Everything that can fail for good fails here, with one sentence; once the loop
//! runs, it stays.

mod converter;
mod decoder;
mod edid;
pub(super) mod handed;
mod middle;
pub(super) mod piped;
mod source;

use core::{array, fmt};

use arrayvec::ArrayVec;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::command::connect::Name;
use crate::command::formats::RawFormats;
use crate::command::memory::{packet_ring, stay_in_memory};
use crate::control::claim::other_than_socket;
use crate::control::socket::Listener;
use crate::engine::camera::config::MiddleConfig;
use crate::engine::camera::identity;
use crate::engine::clients::Clients;
use crate::engine::clients::rights::Rights;
use crate::engine::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::output::Output;
use crate::engine::publisher::Publisher;
use crate::engine::ring_source::RingSource;
use crate::engine::session::{NO_DEVICE, Session};
use crate::engine::slot_memory::SlotMemory;
use crate::engine::source::Source;
use crate::engine::stage::Stage;
use crate::engine::stream::Stream;
use crate::engine::supervisor::Supervisor;
use crate::errno::call::{Call, IoctlError};
use crate::errno::name::Explained;
use crate::error::{Failure, failure};
use crate::exit::{Exit, When, exit_of};
use crate::flow::idle::Idle;
use crate::flow::pipeline::Pipeline;
use crate::flow::run_state::RunState;
use crate::limits::MIDDLE_STAGES;
use crate::log::{self, note};
use crate::media::fourcc::Fourcc;
use crate::media::gop::Gop;
use crate::sandbox;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, State, store_text};
use crate::shm::packet_ring::Writer;
use crate::shm::stats::Stats;
use crate::signals::{Signals, block_strays};
use crate::text::Escaped;
use crate::time::{MS, now};
use crate::types::memory::MemoryChoice;
use crate::types::run_options::{LogTarget, RunOptions};
use crate::types::socket_name::{DEFAULT_SOCKET_MODE, SocketName};
use crate::v4l2::abi::{
    Api, CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_GOP_SIZE, CID_MPEG_VIDEO_H264_I_PERIOD,
};
use crate::v4l2::controls;
use crate::v4l2::device::Device;
use crate::v4l2::encoder::Encoder;
use crate::v4l2::negotiate::Wanted;
use crate::{free_memory, schedule};
use edid::EdidBytes;
use handed::Environment;
use source::Found;

#[inline(never)]
pub(crate) fn run(options: &RunOptions<'_>, environment: &Environment<'_>) -> Result<(), Failure> {
    let (signals, adopted, supervisor) = begin(options, environment)?;
    let mut edid = EdidBytes::new();
    let mut source = Found::find(options, edid::load(options.edid, &mut edid)?, &signals)?;
    let start = Start {
        signals,
        adopted,
        supervisor,
    };
    if source.passes() {
        let raw = RawFormats::UNUSED;
        let wanted = source.wanted(raw, options);
        let session = Session::without_encoder(options, source.slots(options), wanted);
        return start.serve(&mut source, raw, &[], session, None);
    }
    let (device, found, raw) = source.find_encoder(options, &start.signals)?;
    let (node, path) = (found.as_c_str(), found.shown());
    let wanted = source.wanted(raw, options);
    let between = source.take_middle();
    let mut middle = ArrayVec::<_, MIDDLE_STAGES>::new();
    for (path, input) in &between {
        middle.push(MiddleConfig {
            input: *input,
            node: path.as_c_str(),
        });
    }
    let session = Session::new(&device, node, options, source.slots(options), wanted);
    let fails = |error: EngineError<'_>| failure!(error.exit(), "{}", error.at(path));
    let agreed = session.agree(&device, &wanted).map_err(fails)?;
    let encoder = Encoder::new(device, agreed, session.slots);
    let encoder = encoder.map_err(|error| fails(error.into()))?;
    start.serve(&mut source, raw, &middle, session, Some(encoder))
}

/// What is there before any device is opened.
struct Start {
    signals: Signals,
    adopted: Option<Listener<'static>>,
    supervisor: Supervisor,
}

impl Start {
    /// Starts the engine, and runs it to its end. Without an encoder the camera's frames are passed on.
    #[inline(never)]
    fn serve<'a>(
        self,
        source: &mut Found<'_>,
        raw: RawFormats,
        middle: &'a [MiddleConfig<'a>],
        session: Session<'a>,
        mut encoder: Option<Encoder>,
    ) -> Result<(), Failure> {
        let (options, path, node) = (session.options, session.path, session.node);
        let wanted = session.configured;
        let fails = |error: EngineError<'_>| failure!(error.exit(), "{}", error.at(path));
        let memory = slot_memory(&session, encoder.as_ref(), &wanted)?;
        let (map, packets) = packet_ring(options.packet_ring)?;
        let header = map.header();
        write_identity(header, &session, encoder.as_ref());
        let stats = Stats {
            counters: &header.counters,
            latency: &header.latency,
        };
        let is_own = self.adopted.is_none();
        let listener = self.adopted.map_or_else(|| listen(options), Ok)?;
        let (socket, rights) = (listener.file(), rights(options, &listener));
        let source = match source.camera(raw, middle, options, stats, header) {
            Some(camera) => Source::Camera(camera),
            None => {
                if let Some(encoder) = &mut encoder {
                    session.start(encoder, &wanted).map_err(fails)?;
                }
                Source::Ring(RingSource::new(options.once).map_err(|error| fails(error.into()))?)
            }
        };
        stay_in_memory(options.packet_ring);
        free_memory::keep_open();
        let slots = encoder.as_ref().map_or(session.slots, Encoder::slots);
        let stage = match encoder {
            Some(encoder) => Stage::new(session, encoder, wanted, stats),
            None => Stage::relay(session, wanted, stats),
        };
        let sink = Publisher::new(header, Writer::new(map.ring()), stats, options.codec);
        let mut engine = Engine {
            clients: Clients::new(listener, packets, rights, stats),
            stream: Stream {
                outputs: [Output::new(stage, sink, header)],
                memory,
                pipeline: Pipeline::new(slots, stats),
                source,
                run_state: RunState::default(),
                stats,
            },
            idle: Idle::new(options.idle_ms.map(|after_ms| u64::from(after_ms) * MS)),
            stats,
            signals: self.signals,
            supervisor: self.supervisor,
            signalled: false,
            drain_ns: u64::from(options.drain_ms) * MS,
        };
        engine.stream.begin().map_err(fails)?;
        let [output] = &engine.stream.outputs;
        let (wanted, format) = (output.stage.wanted, output.stage.source_format());
        warn_of_long_gop(options, output.stage.encoder(), wanted.rate);
        let camera_shut = || options.camera.is_some_and(identity::is_shut);
        let nodes = array::from_fn(|at| middle.get(at).map(|one| one.node));
        sandbox::enter(options, node, nodes, socket, &camera_shut)?;
        log_running(path, &wanted, format, is_own.then_some(&options.socket));
        let result = engine.run().map_err(fails);
        engine.log_end();
        result
    }
}

/// What comes before any device: what a supervisor hands over, the log, the schedule, and signals that are waited for.
fn begin(
    options: &RunOptions<'_>,
    environment: &Environment<'_>,
) -> Result<(Signals, Option<Listener<'static>>, Supervisor), Failure> {
    let (listener, ready) = handed::descriptors(options, environment)?;
    log::start(options.log, options.log_to == LogTarget::Kmsg).map_err(|errno| {
        failure!(
            Exit::Resource,
            "/dev/kmsg cannot be opened: {}",
            Explained(errno)
        )
    })?;
    apply_scheduling(options)?;
    block_strays();
    let signals = Signals::block()
        .map_err(|errno| failure!(Exit::Resource, "signalfd failed: {}", Explained(errno)))?;
    Ok((signals, listener, handed::supervisor(environment, ready)))
}

/// The one line of a start that succeeded.
fn log_running(path: Escaped<'_>, wanted: &Wanted, format: Fourcc, own: Option<&SocketName<'_>>) {
    let name = own.map(Name);
    let at: &dyn fmt::Display = match &name {
        Some(name) => name,
        None => &"the supervisor's socket",
    };
    note!(
        info,
        "running: {path} {}x{} {} to {} at {}/{} frames/s, listening at {}",
        wanted.width,
        wanted.height,
        format,
        wanted.codec,
        wanted.rate.0,
        wanted.rate.1,
        at
    );
}

/// Where frames lie: without a camera, in the encoder's buffers as far as the driver and the user allow. With one, that is settled when
/// the camera is attached.
fn slot_memory(
    session: &Session<'_>,
    encoder: Option<&Encoder>,
    wanted: &Wanted,
) -> Result<SlotMemory, Failure> {
    let options = session.options;
    let no_memory = |error: IoctlError| {
        let exit = match error.call {
            Call::ExpBuf if options.memory == MemoryChoice::Export => Exit::Refused,
            Call::QueryBuf | Call::ExpBuf => exit_of(When::SettingUp, error.errno),
            _ => Exit::Resource,
        };
        failure!(exit, "{}", error.at(session.path))
    };
    let mut memory = SlotMemory::default();
    let Some(encoder) = encoder else {
        return Ok(memory);
    };
    if options.camera.is_none() {
        let filled = memory.fill(encoder, wanted, options.memory);
        filled.map_err(no_memory)?;
    } else {
        memory.unbound(encoder);
    }
    Ok(memory)
}

/// Who may do what.
fn rights(options: &RunOptions<'_>, listener: &Listener<'_>) -> Rights {
    Rights {
        import: options.memory == MemoryChoice::Auto,
        abstract_socket: listener.unguarded,
        producers: options.producers,
        changers: options.changers,
    }
}

/// Warns when the packet ring is too small for what lies between two key frames.
fn warn_of_long_gop(options: &RunOptions<'_>, encoder: Option<&Encoder>, rate: (u32, u32)) {
    let gop = encoder.and_then(|encoder| gop(encoder.device(), options, rate));
    let too_long = gop.and_then(|gop| gop.exceeds(options.packet_ring));
    if let Some(too_long) = too_long {
        note!(warn, "{too_long}");
    }
}

/// The GOP that the encoder was set to; `None` when it does not say.
fn gop(device: &Device, options: &RunOptions<'_>, frame_rate: (u32, u32)) -> Option<Gop> {
    let value = |id| u32::try_from(controls::get(device, id)?).ok();
    let frames = options
        .gop
        .or_else(|| value(CID_MPEG_VIDEO_H264_I_PERIOD).or_else(|| value(CID_MPEG_VIDEO_GOP_SIZE)));
    Some(Gop {
        frames: frames?.max(1),
        bitrate: value(CID_MPEG_VIDEO_BITRATE).unwrap_or(0),
        frame_rate,
    })
}

/// The system does not let the engine do what an option asks for.
fn denied(option: &str, errno: Errno) -> Failure {
    failure!(
        Exit::Resource,
        "{option}: not allowed: {}",
        Explained(errno)
    )
}

/// Takes the schedule that was asked for. Whoever asks for one relies on it: frames that are late now and then, because a warning
/// went unread, are worse than an engine that does not start.
fn apply_scheduling(options: &RunOptions<'_>) -> Result<(), Failure> {
    if let Some(cpu) = options.cpu {
        schedule::pin(cpu as usize).map_err(|errno| denied("--cpu", errno))?;
    }
    if let Some(priority) = options.realtime {
        schedule::realtime(priority).map_err(|errno| denied("--realtime", errno))?;
    }
    Ok(())
}

/// Listens at the engine's socket.
fn listen<'a>(options: &RunOptions<'a>) -> Result<Listener<'a>, Failure> {
    let socket = options.socket;
    let mode = options.socket_mode.unwrap_or(DEFAULT_SOCKET_MODE);
    Listener::bind(socket, mode, options.socket_group).map_err(|errno| match (socket, errno) {
        (_, Errno::PERM) if options.socket_group.is_some() => denied("--socket-group", errno),
        (_, Errno::ADDRINUSE) => failure!(
            Exit::Socket,
            "{}: another engine listens there",
            Name(&socket)
        ),
        (SocketName::Path(path), Errno::NOTSOCK) => failure!(
            Exit::Socket,
            "{} is {}, not a socket: remove it, or give another --socket",
            Name(&socket),
            other_than_socket(path, AtFlags::SYMLINK_NOFOLLOW).unwrap_or("gone")
        ),
        (_, errno) => failure!(
            exit_of(When::AtSocket, errno),
            "{}: cannot listen there: {}",
            Name(&socket),
            Explained(errno)
        ),
    })
}

/// Fills in what does not change while the engine runs.
#[inline(never)]
fn write_identity(header: &PacketHeader, session: &Session<'_>, encoder: Option<&Encoder>) {
    header.stream.change(|stream| {
        let Some(device) = encoder.map(Encoder::device) else {
            return store_text(&stream.device, NO_DEVICE);
        };
        stream
            .multiplanar
            .store(u32::from(device.api == Api::Multi), Relaxed);
        store_text(&stream.device, session.node.to_bytes());
        store_text(&stream.driver, device.capability.driver_name());
        store_text(&stream.card, device.capability.card_name());
    });
    let status = &header.status;
    status.pid.store(
        rustix::process::getpid().as_raw_nonzero().get() as u32,
        Relaxed,
    );
    status.state.store(State::Starting as u32, Relaxed);
    status.generation.store(1, Relaxed);
    status.created.store(now(), Relaxed);
    status.heartbeat.store(now(), Relaxed);
}
