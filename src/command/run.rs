//! `framemill run`: the engine's start. Everything that can fail for good fails here, with one sentence; once the loop
//! runs, it stays.

use core::cell::Cell;
use core::ffi::CStr;
use core::mem::ManuallyDrop;

use arrayvec::ArrayVec;
use rustix::fd::AsFd;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use crate::command::connect::Name;
use crate::command::devices::{find, find_camera};
use crate::command::formats::{RawFormats, fit, offered, raw_formats};
use crate::command::memory::{packet_ring, stay_in_memory};
use crate::control::claim::other_than_socket;
use crate::control::socket::Listener;
use crate::engine::camera::attach::source_rate;
use crate::engine::camera::identity;
use crate::engine::camera::{CameraConfig, CameraSource};
use crate::engine::clients::Clients;
use crate::engine::clients::rights::Rights;
use crate::engine::colour::ColourCheck;
use crate::engine::engine::Engine;
use crate::engine::publisher::Publisher;
use crate::engine::ring_source::RingSource;
use crate::engine::session::Session;
use crate::engine::setup::describe;
use crate::engine::slot_memory::SlotMemory;
use crate::engine::source::Source;
use crate::engine::stage::Stage;
use crate::errno::call::{Call, IoctlError};
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::{Exit, When, exit_of};
use crate::flow::pipeline::Pipeline;
use crate::flow::run_state::RunState;
use crate::limits::{CAMERA_SLOTS_DEFAULT, FRAME_SLOTS_DEFAULT, SIZE_DEFAULT};
use crate::log::note;
use crate::media::format_set::FormatSet;
use crate::media::gop::Gop;
use crate::sandbox;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::{PacketHeader, State, store_text};
use crate::shm::packet_ring::Writer;
use crate::shm::stats::Stats;
use crate::signals::{Signals, block_strays};
use crate::time::{MS, now};
use crate::types::memory::MemoryChoice;
use crate::types::run_options::{LogTarget, RunOptions};
use crate::types::socket_name::{DEFAULT_SOCKET_MODE, SocketName};
use crate::v4l2::abi::{
    Api, CID_MPEG_VIDEO_BITRATE, CID_MPEG_VIDEO_GOP_SIZE, CID_MPEG_VIDEO_H264_I_PERIOD, Queue,
};
use crate::v4l2::controls;
use crate::v4l2::device::Device;
use crate::v4l2::encoder::Encoder;
use crate::v4l2::ioctl;
use crate::v4l2::negotiate::Wanted;
use crate::{free_memory, log, schedule};

#[inline(never)]
pub(super) fn run(options: &RunOptions<'_>) -> Result<(), Failure> {
    log::start(options.log, options.log_to == LogTarget::Kmsg).map_err(|errno| {
        failure!(
            Exit::Resource,
            "/dev/kmsg cannot be opened: {}",
            Explained(errno)
        )
    })?;
    take_place(options)?;
    block_strays();
    let signals = Signals::block()
        .map_err(|errno| failure!(Exit::Resource, "signalfd failed: {}", Explained(errno)))?;
    formats_fit(options)?;
    let camera = match options.camera {
        Some(choice) => Some((find_camera(choice, options, &signals)?, choice)),
        None => None,
    };
    let mut gives = FormatSet::default();
    let (mut width, mut height) = (options.size.width, options.size.height);
    if let Some((camera, choice)) = &camera {
        let failed = |error: IoctlError| {
            let exit = exit_of(When::SettingUp, error.errno);
            failure!(exit, "{choice}: {error}")
        };
        if width == 0 {
            // The camera's present one.
            (width, height) = camera.size().map_err(failed)?;
        }
        let queue = camera.queue_type();
        gives = offered(camera.as_fd(), queue, options.camera_format).map_err(failed)?;
    } else if width == 0 {
        (width, height) = SIZE_DEFAULT;
    }
    let raw = |device: &Device| match &camera {
        Some((camera, _)) => raw_formats(camera, gives, device, options, (width, height)),
        None => {
            let takes = offered(device.as_fd(), device.queue(Queue::Output), options.format)?;
            Ok(takes.preferred().map(RawFormats::both))
        }
    };
    let (device, found) = find(options, &signals, &|device| {
        let raw = raw(device).ok().flatten();
        raw.is_some_and(|raw| device.encodes(raw.encoder.fourcc, options.codec))
    })?;
    let (node, path) = (found.as_c_str(), found.shown());
    let raw = raw(&device).map_err(|error| {
        let exit = exit_of(When::SettingUp, error.errno);
        failure!(exit, "{path}: {error}")
    })?;
    let raw = raw.ok_or_else(|| match camera {
        Some(_) => failure!(
            Exit::Refused,
            "the camera gives no raw format that {path} takes: they need one with the same samples"
        ),
        None => failure!(
            Exit::NoDevice,
            "{path} takes no raw format that is known here; framemill probe lists what it takes"
        ),
    })?;
    raw.encoder
        .check_size((width, height))
        .map_err(|odd| match (&camera, options.size.width) {
            (Some((_, choice)), 0) => {
                failure!(Exit::Refused, "{choice}: {odd}")
            }
            _ => failure!(Exit::Usage, "--size {odd}"),
        })?;
    let requested = options.frame_rate;
    let mut rate = requested;
    if let Some((camera, choice)) = &camera {
        let size = (width, height);
        rate = source_rate(camera, choice, raw.camera, size, requested, requested);
    }
    let wanted = Wanted {
        width,
        height,
        rate: (rate.numerator, rate.denominator),
        format: raw.encoder,
        codec: options.codec,
        colour: options.colour,
    };
    let usual = match options.camera {
        Some(_) => CAMERA_SLOTS_DEFAULT,
        None => FRAME_SLOTS_DEFAULT,
    };
    let session = Session {
        path,
        node,
        options,
        // A driver without a list is asked with each format.
        takes: ioctl::raw_formats(&device, device.queue(Queue::Output)).unwrap_or(FormatSet::ALL),
        slots: options.frame_slots.unwrap_or(usual),
        configured: wanted,
        changed: ArrayVec::new(),
        bitrate: Cell::new(0),
    };
    let agreed = session.agree(&device, &wanted)?;
    let at_device = |error: IoctlError| session.at_device(&error);
    let encoder = Encoder::new(device, agreed, session.slots).map_err(at_device)?;
    let no_memory = |error: IoctlError| {
        let exit = match error.call {
            Call::ExpBuf if options.memory == MemoryChoice::Export => Exit::Refused,
            Call::QueryBuf | Call::ExpBuf => exit_of(When::SettingUp, error.errno),
            _ => Exit::Resource,
        };
        failure!(exit, "{}", error.at(path))
    };
    let mut memory = SlotMemory::default();
    if camera.is_none() {
        let filled = memory.fill(&encoder, &wanted, options.memory);
        filled.map_err(no_memory)?;
    } else {
        memory.unbound(&encoder);
    }

    let (map, packets) = packet_ring(options.packet_ring)?;
    // It is not taken apart: the process ends with it.
    let map = ManuallyDrop::new(map);
    let header = map.header();
    introduce(header, node, encoder.device());
    describe(header, &wanted, &encoder, memory.kind(), encoder.slots());
    let stats = Stats {
        counters: &header.counters,
        latency: &header.latency,
    };
    let mode = options.socket_mode.unwrap_or(DEFAULT_SOCKET_MODE);
    let listener = Listener::bind(options.socket, mode).map_err(|errno| match errno {
        Errno::ADDRINUSE => failure!(
            Exit::Socket,
            "{}: another engine listens there",
            Name(&options.socket)
        ),
        errno => not_listening(&options.socket, errno),
    })?;
    if camera.is_none() {
        session.start(&encoder, &wanted)?;
    }
    stay_in_memory(options.packet_ring);
    free_memory::keep_open();
    let stall_ns = u64::from(options.stall_ms) * MS;
    let all_intra = options
        .gop
        .is_some_and(|gop| controls::all_intra_by_force(encoder.device(), gop));
    let rights = Rights {
        import: options.memory == MemoryChoice::Auto,
        abstract_socket: matches!(options.socket, SocketName::Abstract(_)),
        producers: options.producers,
        changers: options.changers,
    };
    let source = match camera {
        Some((camera, choice)) => {
            let config = CameraConfig {
                choice,
                format: raw.camera,
                stall_ns,
                patience_ns: u64::from(options.camera_wait_ms) * MS,
            };
            let frames = options.frames;
            Source::Camera(CameraSource::new(camera, config, frames, stats, header))
        }
        None => Source::Ring(RingSource::new().map_err(no_memory)?),
    };
    // Nor is this.
    let mut engine = ManuallyDrop::new(Engine {
        pipeline: Pipeline::new(encoder.slots(), stats),
        stage: Stage::new(session, encoder, wanted, stall_ns, all_intra, stats),
        memory,
        source,
        sink: Publisher::new(header, Writer::new(map.ring()), stats, options.codec),
        clients: Clients::new(listener, packets, rights, stats),
        run_state: RunState::default(),
        colour: ColourCheck::default(),
        header,
        stats,
        signals,
        drain_ns: u64::from(options.drain_ms) * MS,
        once: options.once,
    });
    engine.begin_camera()?;
    let wanted = engine.stage.wanted;
    if let Some(too_long) = engine
        .stage
        .encoder()
        .and_then(|encoder| gop(encoder.device(), options, wanted.rate))
        .and_then(|gop| gop.exceeds(options.packet_ring))
    {
        note!(warn, "{too_long}");
    }
    let camera_shut = || options.camera.is_some_and(identity::is_shut);
    sandbox::enter(options, node, &camera_shut)?;
    note!(
        info,
        "running: {path} {}x{} {} to {} at {}/{} frames/s, listening at {}",
        wanted.width,
        wanted.height,
        wanted.format.fourcc,
        wanted.codec,
        wanted.rate.0,
        wanted.rate.1,
        Name(&options.socket)
    );
    engine.run()
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

/// Takes the schedule that was asked for. Whoever asks for one relies on it: frames that are late now and then, because a warning
/// went unread, are worse than an engine that does not start.
fn take_place(options: &RunOptions<'_>) -> Result<(), Failure> {
    let denied =
        |what, errno| failure!(Exit::Resource, "{what}: not allowed: {}", Explained(errno));
    if let Some(cpu) = options.cpu {
        schedule::pin(cpu as usize).map_err(|errno| denied("--cpu", errno))?;
    }
    if let Some(priority) = options.realtime {
        schedule::realtime(priority).map_err(|errno| denied("--realtime", errno))?;
    }
    Ok(())
}

/// That the raw formats which the user gave can be brought together.
fn formats_fit(options: &RunOptions<'_>) -> Result<(), Failure> {
    match (options.camera_format, options.format) {
        (Some(given), Some(taken)) if !fit(given, taken) => Err(failure!(
            Exit::Usage,
            "--camera-format {given} cannot become --format {taken}: only their memory planes may differ, nothing is converted"
        )),
        _ => Ok(()),
    }
}

/// The socket could not be made.
fn not_listening(socket: &SocketName<'_>, errno: Errno) -> Failure {
    match socket {
        SocketName::Path(path) if errno == Errno::NOTSOCK => failure!(
            Exit::Socket,
            "{} is {}, not a socket: remove it, or give another --socket",
            Name(socket),
            other_than_socket(path, AtFlags::SYMLINK_NOFOLLOW).unwrap_or("gone")
        ),
        _ => failure!(
            exit_of(When::AtSocket, errno),
            "{}: cannot listen there: {}",
            Name(socket),
            Explained(errno)
        ),
    }
}

/// Fills in what does not change while the engine runs.
#[inline(never)]
fn introduce(header: &PacketHeader, node: &CStr, device: &Device) {
    header.stream.change(|stream| {
        stream
            .multiplanar
            .store(u32::from(device.api == Api::Multi), Relaxed);
        store_text(&stream.device, node.to_bytes());
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
