//! Every option of every command, once.
//!
//! The parser and the help text both read these rows, so neither can know an option that the other does not. Knows no bytes and
//! stores nothing: `read` finds rows, `settings` acts on their keys.

use super::options::Topic;
use super::row::{Accepts, Key, Row, number, row, scaled};
use crate::limits::{
    CPU_MAX, DEADLINE_MS_MAX, DEADLINE_MS_MIN, FRAME_SLOTS_MAX, FRAME_SLOTS_MIN, PACKET_RING_MAX,
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
const BITS: Accepts = scaled(1, CONTROL_MAX, 1000);
const PERIOD: Accepts = number(1, CONTROL_MAX);
/// H.264's quantisers for 8 bits.
const QUANTISER: Accepts = number(0, 51);
const SOCKET: Row = row(
    Key::Socket,
    "--socket PATH|@NAME\nthe engine's socket, 1 to 107 bytes, @NAME is abstract; default /run/framemill.sock",
    Accepts::Text,
);
const WAIT: Row = row(
    Key::Wait,
    "--wait MS\nwait for the engine, ms; default 0",
    number(0, WAIT_MS_MAX),
);

/// Every command, in help's order.
pub(super) static COMMANDS: [Entry; 6] = [
    Entry {
        topic: Topic::Run,
        name: "run",
        summary: "the engine: frames in, coded packets out",
        required: "",
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
        topic: Topic::Ctl,
        name: "ctl",
        summary: "changes an engine that is running",
        required: " ACTION",
        rows: &CTL,
    },
    Entry {
        topic: Topic::Probe,
        name: "probe",
        summary: "the encoders here and what they can do",
        required: "",
        rows: &PROBE,
    },
];

static RUN: [Row; 35] = [
    row(
        Key::Size,
        "--size WxH\npicture size, pixels, 16x16 to 8192x8192, kept; without it as producers or the camera have it",
        Accepts::Text,
    ),
    row(
        Key::Device,
        "--device PATH|auto\nthe encoder; default auto, the first that fits",
        Accepts::Text,
    ),
    row(
        Key::Format,
        "--format FOURCC\npixel format of the raw frames, 1 to 4 characters; YU12 if not given, or what a camera can",
        Accepts::Text,
    ),
    row(
        Key::Fps,
        "--fps N[/D]\nframes per second, 1/1000 to 1000, whole or with a point; default 30",
        Accepts::Text,
    ),
    row(
        Key::Codec,
        "--codec FOURCC\ncoded format, 1 to 4 characters; default H264",
        Accepts::Text,
    ),
    row(
        Key::Bitrate,
        "--bitrate BPS\nbits per second, k and M allowed; default the encoder's",
        BITS,
    ),
    row(
        Key::BitrateMode,
        "--bitrate-mode vbr|cbr\nvariable or constant bitrate; vbr for H264 if not given",
        Accepts::Text,
    ),
    row(
        Key::Gop,
        "--gop N\nframes from key frame to key frame; default the encoder's",
        PERIOD,
    ),
    row(
        Key::Profile,
        "--profile NAME\nH.264: baseline, constrained-baseline, main or high; default the encoder's",
        Accepts::Text,
    ),
    row(
        Key::Level,
        "--level auto|N\nH.264: 1 to 6.2; default auto, the lowest for size, rate and bitrate",
        Accepts::Text,
    ),
    row(
        Key::MinQp,
        "--min-qp N\nH.264: least quantiser; default the encoder's",
        QUANTISER,
    ),
    row(
        Key::MaxQp,
        "--max-qp N\nH.264: greatest quantiser; default the encoder's",
        QUANTISER,
    ),
    row(
        Key::RepeatHeaders,
        "--repeat-headers on|off\ncodec headers before every key frame; on if not given",
        Accepts::Text,
    ),
    row(
        Key::Control,
        "--control NAME|ID=VALUE\nset an encoder control, decimal, 0x, true or false; up to 32 times",
        Accepts::Text,
    ),
    row(
        Key::Socket,
        "--socket PATH|@NAME\nlisten here, 1 to 107 bytes, @NAME is abstract; default /run/framemill.sock",
        Accepts::Text,
    ),
    row(
        Key::SocketMode,
        "--socket-mode OCTAL\nmode of the socket's file, octal, 0 to 777; default 660",
        Accepts::Text,
    ),
    row(
        Key::ProducerUid,
        "--producer-uid UID\na user who may produce, beside root and the engine's; up to 8 times; default all who may connect",
        Accepts::Text,
    ),
    row(
        Key::ControlUid,
        "--control-uid UID\na user who may use ctl, likewise",
        Accepts::Text,
    ),
    row(
        Key::FrameSlots,
        "--frame-slots N\nslots of the frame ring; default 4, with a camera 6, or the driver's minimum",
        number(FRAME_SLOTS_MIN, FRAME_SLOTS_MAX),
    ),
    row(
        Key::PacketRing,
        "--packet-ring BYTES\npacket ring, K and M allowed, rounded up to a power of two; default 4M",
        scaled(PACKET_RING_MIN, PACKET_RING_MAX, 1024),
    ),
    row(
        Key::Memory,
        "--memory auto|export|copy\nframe slots are the encoder's buffers, or copied to them; default auto",
        Accepts::Text,
    ),
    row(
        Key::StallMs,
        "--stall-ms N\nrestart an encoder without progress after, ms; default 2000",
        number(DEADLINE_MS_MIN, DEADLINE_MS_MAX),
    ),
    row(
        Key::DrainMs,
        "--drain-ms N\ndeadline of the drain at the end, ms; default 5000",
        number(DEADLINE_MS_MIN, DEADLINE_MS_MAX),
    ),
    row(
        Key::Wait,
        "--wait-device MS\nwait for the device to appear, ms; default 0",
        number(0, WAIT_MS_MAX),
    ),
    row(
        Key::Camera,
        "--camera PATH\na camera as the producer, in the engine's own loop; default none",
        Accepts::Text,
    ),
    row(
        Key::CameraFormat,
        "--camera-format FOURCC\npixel format of the camera; --format if not given, or the first that both can",
        Accepts::Text,
    ),
    row(
        Key::CameraWait,
        "--camera-wait MS\nwait for a camera that failed or left, ms; default 30000",
        number(0, WAIT_MS_MAX),
    ),
    row(
        Key::Frames,
        "--frames N\nend after so many pictures of the camera; default none",
        COUNT,
    ),
    row(
        Key::Once,
        "--once\nend when the first producer has ended",
        Accepts::Nothing,
    ),
    row(
        Key::User,
        "--user UID[:GID]\nbecome this user when everything is open, numbers, not 0; GID is UID if not given",
        Accepts::Text,
    ),
    row(
        Key::NoSandbox,
        "--no-sandbox\nkeep files and system calls that the loop does not need",
        Accepts::Nothing,
    ),
    row(
        Key::Realtime,
        "--realtime PRIORITY\nrun under SCHED_FIFO; default none",
        number(1, 99),
    ),
    row(
        Key::Cpu,
        "--cpu N\nrun on this processor only; default none",
        number(0, CPU_MAX),
    ),
    row(
        Key::Log,
        "--log LEVEL\noff, error, warn, info, debug or trace; default info",
        Accepts::Text,
    ),
    row(
        Key::LogTo,
        "--log-to stderr|kmsg\nwhere log lines go; default stderr",
        Accepts::Text,
    ),
];

static PUSH: [Row; 11] = [
    SOCKET,
    row(
        Key::Size,
        "--size WxH\npicture size, pixels, 16x16 to 8192x8192; default the file's, or the engine's",
        Accepts::Text,
    ),
    row(
        Key::Format,
        "--format FOURCC\npixel format for the engine to take, 1 to 4 characters; default the engine's",
        Accepts::Text,
    ),
    row(
        Key::From,
        "--from FILE|-|pattern\na file, - for standard input, or moving test pictures; default pattern",
        Accepts::Text,
    ),
    row(
        Key::Raw,
        "--raw\nthe input is frame after frame, nothing between",
        Accepts::Nothing,
    ),
    row(
        Key::Y4m,
        "--y4m\nthe input is Y4M; default by the name's end or the first bytes",
        Accepts::Nothing,
    ),
    row(
        Key::Fps,
        "--fps N[/D]|max\nframes per second, or as fast as it goes; default the file's, or the engine's",
        Accepts::Text,
    ),
    row(
        Key::Frames,
        "--frames N\nend after so many frames; default at the input's end, pattern: never",
        COUNT,
    ),
    row(
        Key::Loop,
        "--loop\nstart over at the file's end",
        Accepts::Nothing,
    ),
    row(
        Key::Memory,
        "--memory KIND\nexport: the encoder's; copy: the engine copies; own: cma-heap, system-heap, udmabuf; default export",
        Accepts::Text,
    ),
    WAIT,
];

static TAP: [Row; 7] = [
    SOCKET,
    row(
        Key::To,
        "--to FILE|-\na file, or - for standard output; default -",
        Accepts::Text,
    ),
    row(
        Key::From,
        "--from oldest|key|live\nbegin at the oldest packet, the newest key frame or the next packet; default key",
        Accepts::Text,
    ),
    row(
        Key::Frames,
        "--frames N\nend after so many frames; default at the stream's end",
        COUNT,
    ),
    row(
        Key::Index,
        "--index FILE\nalso write one line per packet to this file; default none",
        Accepts::Text,
    ),
    row(
        Key::All,
        "--all\nfail if a packet was missed",
        Accepts::Nothing,
    ),
    WAIT,
];

static STAT: [Row; 4] = [
    SOCKET,
    row(
        Key::Watch,
        "--watch MS\nagain every so often, ms; default once",
        number(WATCH_MS_MIN, WAIT_MS_MAX),
    ),
    row(Key::Json, "--json\nprint JSON", Accepts::Nothing),
    row(
        Key::Check,
        "--check [MS]\nonly fail if the engine ended, or took no turn for so long, ms; 10000 if not given",
        number(DEADLINE_MS_MIN, DEADLINE_MS_MAX),
    ),
];

/// Actions first: words without dashes, of which one must be given.
static CTL: [Row; 7] = [
    row(
        Key::Intra,
        "key\nmake the next frame a key frame, at most two a second",
        Accepts::Nothing,
    ),
    row(
        Key::Bitrate,
        "bitrate BPS\nbits per second, k and M allowed",
        BITS,
    ),
    row(
        Key::Gop,
        "gop N\nframes from key frame to key frame",
        PERIOD,
    ),
    row(
        Key::Control,
        "control NAME|ID=VALUE\nset an encoder control",
        Accepts::Text,
    ),
    row(
        Key::Drain,
        "drain\nencode what was committed, then end, as on SIGTERM",
        Accepts::Nothing,
    ),
    SOCKET,
    WAIT,
];

static PROBE: [Row; 2] = [
    row(
        Key::Device,
        "--device PATH\nthis device only; default all",
        Accepts::Text,
    ),
    row(Key::Json, "--json\nprint JSON", Accepts::Nothing),
];
