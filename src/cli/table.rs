//! Every option of every command, once.
//!
//! The parser and the help text both read these rows, so neither can know an option that the other does not. Knows no bytes and
//! stores nothing: `read` finds rows, `settings` acts on their keys.

use super::options::Topic;
use super::row::{Accepts, Key, Row, number, row, scaled};
use crate::limits::{
    DEADLINE_MS_MAX, DEADLINE_MS_MIN, FRAME_SLOTS_MAX, FRAME_SLOTS_MIN, PACKET_RING_MAX,
    PACKET_RING_MIN, WAIT_MS_MAX, WATCH_MS_MIN,
};

/// A command as the command line and the help know it.
pub(super) struct Entry {
    /// What `parse` and help call it.
    pub(super) topic: Topic,
    /// The word on the command line.
    pub(super) name: &'static str,
    /// What it is, a few words.
    pub(super) summary: &'static str,
    /// What must be given, with a space in front; the options in brackets follow.
    pub(super) required: &'static str,
    /// Its options in help's order.
    pub(super) rows: &'static [Row],
}

/// The kernel's integer controls are `__s32`: no encoder can be told more.
const CONTROL_MAX: u32 = i32::MAX as u32;

/// Frames: four years at 30 a second.
const COUNT: Accepts = number(1, u32::MAX);
const FILE: Accepts = Accepts::Text("a file; give a path");
const CODE: Accepts = Accepts::Text("a four-character code; give 1 to 4 printable characters");
const SOCKET: Row = row(
    Key::Socket,
    "--socket PATH|@NAME",
    Accepts::Text("a socket name; give a path or @NAME, 1 to 107 bytes"),
    "the engine's socket, @NAME is abstract; default /run/framemill.sock",
);
const WAIT: Row = row(
    Key::Wait,
    "--wait MS",
    number(0, WAIT_MS_MAX),
    "wait for the engine, ms; default 0",
);

/// Every command, in help's order.
pub(super) static COMMANDS: [Entry; 5] = [
    Entry {
        topic: Topic::Run,
        name: "run",
        summary: "the engine: frames in, coded packets out",
        required: " --size WxH",
        rows: &RUN,
    },
    Entry {
        topic: Topic::Push,
        name: "push",
        summary: "a producer: a file, a pipe or a test pattern to the engine",
        required: "",
        rows: &PUSH,
    },
    Entry {
        topic: Topic::Tap,
        name: "tap",
        summary: "a consumer: packets to a file or a pipe",
        required: "",
        rows: &TAP,
    },
    Entry {
        topic: Topic::Stat,
        name: "stat",
        summary: "the engine's counters and latencies",
        required: "",
        rows: &STAT,
    },
    Entry {
        topic: Topic::Probe,
        name: "probe",
        summary: "the encoders here and what they can do",
        required: "",
        rows: &PROBE,
    },
];

static RUN: [Row; 19] = [
    row(
        Key::Size,
        "--size WxH",
        Accepts::Text("a picture size; give WxH, 16x16 to 8192x8192"),
        "picture size, pixels, 16x16 to 8192x8192; required",
    ),
    row(
        Key::Device,
        "--device PATH|auto",
        FILE,
        "the encoder; default auto, the first that fits",
    ),
    row(
        Key::Format,
        "--format FOURCC",
        CODE,
        "pixel format of the raw frames; default YU12",
    ),
    row(
        Key::Fps,
        "--fps N[/D]",
        Accepts::Text("a frame rate; give N, N/D or a decimal, 1/1000 to 1000"),
        "frames per second, 1/1000 to 1000; default 30",
    ),
    row(
        Key::Codec,
        "--codec FOURCC",
        CODE,
        "coded format; default H264",
    ),
    row(
        Key::Bitrate,
        "--bitrate BPS",
        scaled(1, CONTROL_MAX, 1000),
        "bits per second, k and M allowed; default the encoder's",
    ),
    row(
        Key::Gop,
        "--gop N",
        number(1, CONTROL_MAX),
        "frames from key frame to key frame; default the encoder's",
    ),
    row(
        Key::Control,
        "--control NAME|ID=VALUE",
        Accepts::Text("a control; give NAME=VALUE or ID=VALUE"),
        "set an encoder control, decimal, 0x, true or false; up to 32 times",
    ),
    Row {
        help: "listen here, @NAME is abstract; default /run/framemill.sock",
        ..SOCKET
    },
    row(
        Key::SocketMode,
        "--socket-mode OCTAL",
        Accepts::Text("a file mode; give octal digits, 0 to 777"),
        "mode of the socket's file, 0 to 777; default 660",
    ),
    row(
        Key::FrameSlots,
        "--frame-slots N",
        number(FRAME_SLOTS_MIN, FRAME_SLOTS_MAX),
        "slots of the frame ring; default 4, or the driver's minimum",
    ),
    row(
        Key::PacketRing,
        "--packet-ring BYTES",
        scaled(PACKET_RING_MIN, PACKET_RING_MAX, 1024),
        "packet ring, K and M allowed, rounded up to a power of two; default 4M",
    ),
    row(
        Key::Memory,
        "--memory auto|export|copy",
        Accepts::Text("a kind of memory; give auto, export or copy"),
        "frame slots are the encoder's buffers, or copied to them; default auto",
    ),
    row(
        Key::StallMs,
        "--stall-ms N",
        number(DEADLINE_MS_MIN, DEADLINE_MS_MAX),
        "restart an encoder without progress after, ms; default 2000",
    ),
    row(
        Key::DrainMs,
        "--drain-ms N",
        number(DEADLINE_MS_MIN, DEADLINE_MS_MAX),
        "deadline of the drain at the end, ms; default 5000",
    ),
    row(
        Key::Wait,
        "--wait-device MS",
        number(0, WAIT_MS_MAX),
        "wait for the device to appear, ms; default 0",
    ),
    row(
        Key::Once,
        "--once",
        Accepts::Nothing,
        "end when the first producer has ended",
    ),
    row(
        Key::Log,
        "--log LEVEL",
        Accepts::Text("a log level; give off, error, warn, info, debug or trace"),
        "off, error, warn, info, debug or trace; default info",
    ),
    row(
        Key::LogTo,
        "--log-to stderr|kmsg",
        Accepts::Text("a log target; give stderr or kmsg"),
        "where log lines go; default stderr",
    ),
];

static PUSH: [Row; 8] = [
    SOCKET,
    row(
        Key::From,
        "--from FILE|-|pattern",
        FILE,
        "a file, - for standard input, or moving test pictures; default pattern",
    ),
    row(
        Key::Raw,
        "--raw",
        Accepts::Nothing,
        "the input is frame after frame, nothing between",
    ),
    row(
        Key::Y4m,
        "--y4m",
        Accepts::Nothing,
        "the input is Y4M; default by the name's end or the first bytes",
    ),
    row(
        Key::Fps,
        "--fps N[/D]|max",
        Accepts::Text("a frame rate; give N, N/D, a decimal, 1/1000 to 1000, or max"),
        "frames per second, or as fast as it goes; default the engine's",
    ),
    row(
        Key::Frames,
        "--frames N",
        COUNT,
        "end after so many frames; default at the input's end, pattern: never",
    ),
    row(
        Key::Loop,
        "--loop",
        Accepts::Nothing,
        "start over at the file's end",
    ),
    WAIT,
];

static TAP: [Row; 7] = [
    SOCKET,
    row(
        Key::To,
        "--to FILE|-",
        FILE,
        "a file, or - for standard output; default -",
    ),
    row(
        Key::From,
        "--from oldest|key|live",
        Accepts::Text("a start; give oldest, key or live"),
        "begin at the oldest packet, the newest key frame or the next packet; default key",
    ),
    row(
        Key::Frames,
        "--frames N",
        COUNT,
        "end after so many frames; default at the stream's end",
    ),
    row(
        Key::Index,
        "--index FILE",
        Accepts::Text("an index file; give a path"),
        "also write one line per packet here; default none",
    ),
    row(
        Key::All,
        "--all",
        Accepts::Nothing,
        "fail if a packet was missed",
    ),
    WAIT,
];

static STAT: [Row; 3] = [
    SOCKET,
    row(
        Key::Watch,
        "--watch MS",
        number(WATCH_MS_MIN, WAIT_MS_MAX),
        "again every so often, ms; default once",
    ),
    row(Key::Json, "--json", Accepts::Nothing, "print JSON"),
];

static PROBE: [Row; 2] = [
    row(
        Key::Device,
        "--device PATH",
        FILE,
        "this device only; default all",
    ),
    row(Key::Json, "--json", Accepts::Nothing, "print JSON"),
];
