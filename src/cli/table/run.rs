//! The options of `framemill run`.

use crate::cli::number::Unit;
use crate::cli::option::{
    BITS, COUNT, CliOption, PERIOD, Stored, Value, measure, milliseconds, number, option, set,
};
use crate::cli::value;
use crate::cli::wants::Wants;
use crate::limits::{
    CONTROLS, CPU_MAX, DEADLINE_MS_MAX, DEADLINE_MS_MIN, FRAME_SLOTS_MAX, FRAME_SLOTS_MIN,
    PACKET_RING_MAX, PACKET_RING_MIN, USERS, WAIT_MS_MAX,
};
use crate::media::colour::{self, Colour, FULL_RANGE, LIMITED_RANGE};
use crate::media::h264;
use crate::types::control_setting::BitrateMode;
use crate::types::memory::MemoryChoice;
use crate::types::run_options::{LogTarget, RunOptions};
use crate::types::users::Users;

/// H.264's quantisers for 8 bits.
const QUANTISER: Wants = number(0, 51);

pub(super) static RUN: [CliOption; 48] = [
    option(
        "--size WxH",
        "frame size, pixels, 16x16 to 8192x8192, kept; without it as producers or the camera have it",
        Wants::Size,
        set!(Run, options, value => options.size = value::size(value.bytes())?),
    ),
    option(
        "--device PATH|auto",
        "the encoder; default auto, the first that fits",
        value::DEVICE,
        set!(Run, options, value => options.device = value::device(value.text)?),
    ),
    option(
        "--format FOURCC",
        "pixel format of the raw frames, 1 to 4 characters; default the first, YU12 before others, that all can",
        Wants::RawFormat,
        set!(Run, options, value => options.format = Some(value::raw_format(value.bytes())?)),
    ),
    option(
        "--fps N[/D]",
        "frames per second, 1/1000 to 1000, whole or with a point; default 30",
        Wants::FrameRate,
        set!(Run, options, value => options.frame_rate = value::frame_rate(value.bytes())?),
    ),
    option(
        "--codec FOURCC",
        "coded format, 1 to 4 characters; default H264",
        Wants::Codec,
        set!(Run, options, value => options.codec = value::codec(value.bytes())?),
    ),
    option(
        "--bitrate BPS",
        "bits per second, k and M allowed; default the encoder's",
        BITS,
        set!(Run, options, value => options.bitrate = Some(value.number)),
    ),
    option(
        "--bitrate-mode vbr|cbr",
        "variable or constant bitrate; vbr for H264 if not given",
        Wants::Word("vbr cbr"),
        set!(Run, options, value => options.bitrate_mode = Some(value.of([BitrateMode::Variable, BitrateMode::Constant])?)),
    ),
    option(
        "--gop N",
        "frames from key frame to key frame; default the encoder's",
        PERIOD,
        set!(Run, options, value => options.gop = Some(value.number)),
    ),
    option(
        "--profile NAME",
        "H.264: baseline, constrained-baseline, main or high; default the encoder's",
        Wants::Word(h264::PROFILES),
        set!(Run, options, value => options.profile = Some(value.number)),
    ),
    option(
        "--level auto|N",
        "H.264: 1 to 6.2; default auto, the lowest for size, rate and bitrate",
        value::LEVEL,
        set!(Run, options, value => options.level = value::level(value.bytes())?),
    ),
    option(
        "--min-qp N",
        "H.264: least quantiser; default the encoder's",
        QUANTISER,
        set!(Run, options, value => options.min_qp = Some(value.number)),
    ),
    option(
        "--max-qp N",
        "H.264: greatest quantiser; default the encoder's",
        QUANTISER,
        set!(Run, options, value => options.max_qp = Some(value.number)),
    ),
    option(
        "--repeat-headers on|off",
        "codec headers before every key frame; on if not given",
        Wants::Word("on off"),
        set!(Run, options, value => options.repeat_headers = Some(value.of([true, false])?)),
    ),
    option(
        "--control NAME|ID=VALUE",
        "set an encoder control: decimal, 0x, true, false or a menu's item; up to 32 times",
        Wants::Control,
        set!(Run, options, value => return push_control(options, value)),
    ),
    option(
        "--socket PATH|@NAME",
        "listen here, 1 to 107 bytes, @NAME is abstract; default /run/framemill.sock",
        Wants::Socket,
        set!(Run, options, value => {
            options.socket = value::socket(value.text)?;
            options.names_socket = true;
        }),
    ),
    option(
        "--socket-mode OCTAL",
        "mode of the socket's file, octal, 0 to 777; 660 if not given",
        value::MODE,
        set!(Run, options, value => options.socket_mode = Some(value::mode(value.bytes())?)),
    ),
    option(
        "--socket-group GID",
        "group of the socket's file; default the engine's",
        Wants::Text("a numeric group id"),
        set!(Run, options, value => options.socket_group = Some(value::user(value.bytes())?)),
    ),
    option(
        "--producer-uid UID",
        "a user who may produce, beside root and the engine's; up to 8 times; default all who may connect",
        value::USER,
        set!(Run, options, value => return add_user(&mut options.producers, value)),
    ),
    option(
        "--control-uid UID",
        "a user who may use ctl, likewise",
        value::USER,
        set!(Run, options, value => return add_user(&mut options.changers, value)),
    ),
    option(
        "--frame-slots N",
        "slots of the frame ring; default 4, with a camera 6, or the driver's minimum",
        number(FRAME_SLOTS_MIN, FRAME_SLOTS_MAX),
        set!(Run, options, value => options.frame_slots = Some(value.number)),
    ),
    option(
        "--packet-ring BYTES",
        "packet ring, K and M allowed, rounded up to a power of two; default 4M",
        measure(PACKET_RING_MIN, PACKET_RING_MAX, Unit::Bytes),
        set!(Run, options, value => options.packet_ring = value.number.next_power_of_two()),
    ),
    option(
        "--memory auto|export|copy",
        "frame slots are the encoder's buffers, or copied to them; default auto",
        Wants::Word("auto export copy"),
        set!(Run, options, value => options.memory = value.of([MemoryChoice::Auto, MemoryChoice::Export, MemoryChoice::Copy])?),
    ),
    option(
        "--stall-ms N",
        "restart an encoder without progress after, ms; default 2000",
        milliseconds(DEADLINE_MS_MIN, DEADLINE_MS_MAX),
        set!(Run, options, value => options.stall_ms = value.number),
    ),
    option(
        "--drain-ms N",
        "deadline of the drain at the end, ms; default 5000",
        milliseconds(DEADLINE_MS_MIN, DEADLINE_MS_MAX),
        set!(Run, options, value => options.drain_ms = value.number),
    ),
    option(
        "--wait-device MS",
        "wait for the device to appear, ms; default 0",
        milliseconds(0, WAIT_MS_MAX),
        set!(Run, options, value => options.wait_device_ms = value.number),
    ),
    option(
        "--camera CAMERA",
        "a camera as the producer: its path, bus:BUS or card:CARD (see framemill probe); default none",
        value::CAMERA,
        set!(Run, options, value => options.camera = Some(value::camera(value.text)?)),
    ),
    option(
        "--camera-format FOURCC",
        "format of the camera, raw or coded as MJPG; --format if not given, or the first raw one that both can",
        Wants::CameraFormat,
        set!(Run, options, value => options.camera_format = Some(value::camera_format(value.bytes())?)),
    ),
    option(
        "--decoder PATH|auto|off",
        "the decoder of a camera's coded frames; the first that takes them if not given",
        value::MIDDLE,
        set!(Run, options, value => options.decoder = value::middle(value.text)?),
    ),
    option(
        "--camera-size WxH",
        "size of the camera's frames, of which a converter makes --size; --size if not given",
        Wants::Size,
        set!(Run, options, value => options.camera_size = Some(value::size(value.bytes())?)),
    ),
    option(
        "--flip h|v|hv",
        "a converter mirrors the camera's frames: left and right, top and bottom, or both",
        Wants::Word("h v hv"),
        set!(Run, options, value => options.flip = value::flip(value.bytes())?),
    ),
    option(
        "--converter PATH|auto|off",
        "the converter of a camera's frames, decoded ones, too; the first that does what is wanted if not given",
        value::MIDDLE,
        set!(Run, options, value => options.converter = value::middle(value.text)?),
    ),
    option(
        "--color-range full|limited",
        "range of the samples; default the source's",
        Wants::Word(colour::RANGES),
        set!(Run, options, value => options.colour.range = value.of([FULL_RANGE, LIMITED_RANGE])?),
    ),
    option(
        "--colorspace SPACE",
        "V4L2's name, as rec709 or smpte170m; default the source's",
        Wants::Word(colour::COLORSPACES),
        set!(Run, options, value => options.colour.colorspace = Colour::named(value.bytes())?.colorspace),
    ),
    option(
        "--progressive",
        "encode interlaced frames of the camera as if they were progressive",
        Wants::Nothing,
        set!(Run, options, _ => options.progressive = true),
    ),
    option(
        "--edid FILE|MODE",
        "the EDID that an HDMI input shows: a file, 720p60, 1080p30 or 1080p60; what it has if not given",
        value::EDID,
        set!(Run, options, value => options.edid = Some(value::edid(value.text)?)),
    ),
    option(
        "--camera-wait MS",
        "wait for a camera that failed or left, ms; default 30000",
        milliseconds(0, WAIT_MS_MAX),
        set!(Run, options, value => options.camera_wait_ms = value.number),
    ),
    option(
        "--frames N",
        "end after so many frames of the camera; default none",
        COUNT,
        set!(Run, options, value => options.frames = Some(value.number.into())),
    ),
    option(
        "--idle stop[:MS]",
        "stop until a consumer comes, when there was none for so long, 1000 to 3600000 ms; 5000 if not given",
        value::IDLE,
        set!(Run, options, value => options.idle_ms = Some(value::idle(value.bytes())?)),
    ),
    option(
        "--once",
        "end when the first producer has ended",
        Wants::Nothing,
        set!(Run, options, _ => options.once = true),
    ),
    option(
        "--stdout",
        "write the packets to standard output, too, and end with its reader",
        Wants::Nothing,
        set!(Run, options, _ => options.stdout = true),
    ),
    option(
        "--mux annexb|ts|mp4|mjpeg|packets",
        "with --stdout: the form of the packets, as tap --mux; annexb if not given",
        value::MUX,
        set!(Run, options, value => options.mux = Some(value::mux(value)?)),
    ),
    option(
        "--ready-fd N",
        "write a newline to this descriptor, and close it, when the engine runs; default none",
        number(3, i32::MAX as u32),
        set!(Run, options, value => options.ready_fd = Some(value.number)),
    ),
    option(
        "--user UID[:GID]",
        "become this user when everything is open, numbers, not 0; GID is UID if not given",
        value::IDENTITY,
        set!(Run, options, value => options.user = Some(value::identity(value.bytes())?)),
    ),
    option(
        "--no-sandbox",
        "keep files and system calls that the loop does not need",
        Wants::Nothing,
        set!(Run, options, _ => options.sandbox = false),
    ),
    option(
        "--realtime PRIORITY",
        "run under SCHED_FIFO; default none",
        number(1, 99),
        set!(Run, options, value => options.realtime = Some(value.number)),
    ),
    option(
        "--cpu N",
        "run on this processor only; default none",
        number(0, CPU_MAX),
        set!(Run, options, value => options.cpu = Some(value.number)),
    ),
    option(
        "--log LEVEL",
        "off, error, warn, info, debug or trace; default info",
        Wants::Word("off error warn info debug trace"),
        set!(Run, options, value => options.log = value::log_level(value)?),
    ),
    option(
        "--log-to stderr|kmsg",
        "where log lines go; default stderr",
        Wants::Word("stderr kmsg"),
        set!(Run, options, value => options.log_to = value.of([LogTarget::Stderr, LogTarget::Kmsg])?),
    ),
];

fn push_control<'a>(options: &mut RunOptions<'a>, value: Value<'a>) -> Stored {
    let pushed = options.controls.try_push(value::control(value.bytes())?);
    Some(pushed.map_err(|_| CONTROLS))
}

fn add_user(users: &mut Users, value: Value<'_>) -> Stored {
    Some(users.add(value::user(value.bytes())?).ok_or(USERS))
}
