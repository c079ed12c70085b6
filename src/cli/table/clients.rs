//! The options of the commands that are clients of an engine.

use crate::cli::choices::{Action, Container, Timestamps};
use crate::cli::option::{BITS, COUNT, CliOption, PERIOD, milliseconds, number, option, set};
use crate::cli::options::Command;
use crate::cli::wants::Wants;
use crate::cli::{recording, value};
use crate::limits::{
    CHECK_MS_DEFAULT, CONNECT_RETRY_MS, DEADLINE_MS_MAX, DEADLINE_MS_MIN, INPUT_ROWS_MAX,
    INPUT_STRIDE_MAX, WAIT_MS_MAX, WATCH_MS_DEFAULT, WATCH_MS_MIN,
};
use crate::media::colour::{self, Colour, FULL_RANGE, LIMITED_RANGE};

pub(super) const SOCKET: CliOption = option(
    "--socket PATH|@NAME",
    "the engine's socket, 1 to 107 bytes, @NAME is abstract; default /run/framemill.sock",
    Wants::Socket,
    |command, value| {
        let socket = value::socket(value.text)?;
        if let Some(engine) = command.engine() {
            *engine.socket = socket;
        }
        Some(Ok(()))
    },
);
pub(super) const ENGINE_UID: CliOption = option(
    "--engine-uid UID",
    "a user whose engine is trusted, beside root's and this user's; default none",
    value::USER,
    |command, value| {
        let uid = value::user(value.bytes())?;
        if let Some(engine) = command.engine() {
            *engine.uid = Some(uid);
        }
        Some(Ok(()))
    },
);
pub(super) const WAIT: CliOption = option(
    "--wait MS",
    "wait for the engine, ms; default 0",
    milliseconds(0, WAIT_MS_MAX),
    |command, value| {
        if let Some(wait_ms) = command.engine().and_then(|engine| engine.wait_ms) {
            *wait_ms = value.number;
        }
        Some(Ok(()))
    },
);

pub(super) const RECONNECT: CliOption = option(
    "--reconnect MS",
    "connect again when the engine or a socket's reader goes away, ms; default none",
    milliseconds(CONNECT_RETRY_MS, WAIT_MS_MAX),
    |command, value| {
        match command {
            Command::Tap(options) => options.reconnect_ms = Some(value.number),
            Command::Sink(options) => options.reconnect_ms = Some(value.number),
            _ => {}
        }
        Some(Ok(()))
    },
);

const PROGRESS: CliOption = option(
    "--progress auto|on|off",
    "the line of stat --watch on standard error, once a second; default auto, at a terminal",
    Wants::Word("auto on off"),
    |command, value| {
        let progress = value::progress(value)?;
        match command {
            Command::Push(options) => options.progress = progress,
            Command::Tap(options) => options.progress = progress,
            _ => {}
        }
        Some(Ok(()))
    },
);

pub(super) static PUSH: [CliOption; 21] = [
    SOCKET,
    ENGINE_UID,
    option(
        "--size WxH",
        "frame size, pixels, 16x16 to 8192x8192; default the file's, or the engine's",
        Wants::Size,
        set!(Push, options, value => options.size = Some(value::size(value.bytes())?)),
    ),
    option(
        "--format FOURCC",
        "pixel format for the engine to take, 1 to 4 characters; default the engine's",
        Wants::RawFormat,
        set!(Push, options, value => options.format = Some(value::raw_format(value.bytes())?)),
    ),
    option(
        "--from FILE|-|pattern",
        "a file, - for standard input, or a moving test pattern; default pattern",
        value::SOURCE,
        set!(Push, options, value => options.from = value::source(value.text)?),
    ),
    option(
        "--raw",
        "the input is frame after frame, nothing between",
        Wants::Nothing,
        set!(Push, options, _ => options.container = Container::Raw),
    ),
    option(
        "--y4m",
        "the input is Y4M; default by the name's end or the first bytes",
        Wants::Nothing,
        set!(Push, options, _ => options.container = Container::Y4m),
    ),
    option(
        "--stride BYTES",
        "raw input: bytes from row to row of the first plane; default none after a row",
        number(1, INPUT_STRIDE_MAX),
        set!(Push, options, value => options.stride = Some(value.number)),
    ),
    option(
        "--rows N",
        "raw input: rows of the first plane with padding; default the frame's",
        number(1, INPUT_ROWS_MAX),
        set!(Push, options, value => options.rows = Some(value.number)),
    ),
    option(
        "--pad",
        "make odd sides even: repeat the last column and row",
        Wants::Nothing,
        set!(Push, options, _ => options.pad = true),
    ),
    option(
        "--color-range full|limited",
        "range of the samples; default the file's",
        Wants::Word(colour::RANGES),
        set!(Push, options, value => options.colour.range = value.of([FULL_RANGE, LIMITED_RANGE])?),
    ),
    option(
        "--colorspace SPACE",
        "V4L2's name, as rec709 or smpte170m; default the file's",
        Wants::Word(colour::COLORSPACES),
        set!(Push, options, value => options.colour.colorspace = Colour::named(value.bytes())?.colorspace),
    ),
    option(
        "--progressive",
        "encode interlaced frames as if they were progressive",
        Wants::Nothing,
        set!(Push, options, _ => options.progressive = true),
    ),
    option(
        "--fps N[/D]|max",
        "frames per second, or as fast as it goes; default the file's, or the engine's",
        value::PACE,
        set!(Push, options, value => options.pace = value::pace(value.bytes())?),
    ),
    option(
        "--timestamps header|arrival",
        "by number and rate, or the time of arrival; if not given header, of a raw pipe without --fps arrival",
        Wants::Word("header arrival"),
        set!(Push, options, value => options.timestamps = Some(value.of([Timestamps::Header, Timestamps::Arrival])?)),
    ),
    option(
        "--live",
        "drop a frame when no slot is free at its time",
        Wants::Nothing,
        set!(Push, options, _ => options.live = true),
    ),
    option(
        "--frames N",
        "end after so many frames; default at the input's end, pattern: never",
        COUNT,
        set!(Push, options, value => options.frames = Some(value.number.into())),
    ),
    option(
        "--loop",
        "start over at the file's end",
        Wants::Nothing,
        set!(Push, options, _ => options.repeat = true),
    ),
    option(
        "--memory KIND",
        "export: the encoder's; copy: the engine copies; own: cma-heap, system-heap, udmabuf; default export",
        Wants::Word("export copy cma-heap system-heap udmabuf"),
        set!(Push, options, value => options.memory = value::push_memory(value)?),
    ),
    PROGRESS,
    WAIT,
];

pub(super) static TAP: [CliOption; 14] = [
    SOCKET,
    ENGINE_UID,
    option(
        "--to FILE|-|SOCKET",
        "a file, - for standard output, unix:PATH, tcp:ADDRESS:PORT or udp:ADDRESS:PORT; default -",
        Wants::Target,
        set!(Tap, options, value => options.to = value::target(value.text)?),
    ),
    option(
        "--segment TIME|SIZE",
        "files with a number, %n in --to; the next one begins at a key frame after so much, such as 60s or 64M",
        recording::SEGMENT,
        set!(Tap, options, value => options.segment = Some(recording::segment(value.bytes())?)),
    ),
    option(
        "--keep SIZE",
        "keep so many bytes of these files, such as 2G: delete the oldest; default all",
        recording::KEEP,
        set!(Tap, options, value => options.keep = Some(recording::bytes(value.bytes())?)),
    ),
    option(
        "--mux annexb|ts|mp4|mjpeg|packets",
        "coded bytes, MPEG-TS, fragmented MP4, JPEGs for browsers, or 32 bytes before each packet; default annexb",
        value::MUX,
        set!(Tap, options, value => options.mux = value::mux(value)?),
    ),
    option(
        "--from oldest|key|live|-AGE",
        "begin at the oldest packet, the newest key frame, the next packet, or so long ago (-10s); default key",
        value::START,
        set!(Tap, options, value => options.start = value::start(value.bytes())?),
    ),
    option(
        "--frames N",
        "end after so many frames; default at the stream's end",
        COUNT,
        set!(Tap, options, value => options.frames = Some(value.number.into())),
    ),
    option(
        "--index FILE",
        "also write one line per packet to this file; default none",
        value::INDEX,
        set!(Tap, options, value => options.index = Some(value::index(value.text)?)),
    ),
    option(
        "--pts FILE",
        "also write each frame's time, ms, to this file; default none",
        value::INDEX,
        set!(Tap, options, value => options.pts = Some(value::index(value.text)?)),
    ),
    option(
        "--all",
        "fail if a packet was missed",
        Wants::Nothing,
        set!(Tap, options, _ => options.all = true),
    ),
    PROGRESS,
    RECONNECT,
    WAIT,
];

pub(super) static STAT: [CliOption; 6] = [
    SOCKET,
    ENGINE_UID,
    option(
        "--watch [MS]",
        "one line every so often, at a terminal a screen, ms; 1000 if not given",
        milliseconds(WATCH_MS_MIN, WAIT_MS_MAX),
        set!(Stat, options, value => options.watch_ms = Some(match value.number {
            0 => WATCH_MS_DEFAULT,
            given => given,
        })),
    ),
    option(
        "--all",
        "print also the counters that are zero",
        Wants::Nothing,
        set!(Stat, options, _ => options.all = true),
    ),
    option(
        "--json",
        "print JSON",
        Wants::Nothing,
        set!(Stat, options, _ => options.json = true),
    ),
    option(
        "--check [MS]",
        "only fail if the engine ended, or took no turn for so long, ms; 10000 if not given",
        milliseconds(DEADLINE_MS_MIN, DEADLINE_MS_MAX),
        set!(Stat, options, value => options.check_ms = Some(match value.number {
            0 => CHECK_MS_DEFAULT,
            given => given,
        })),
    ),
];

/// Actions first: words without dashes, of which one must be given.
pub(super) static CTL: [CliOption; 8] = [
    option(
        "key",
        "make the next frame a key frame, at most two a second",
        Wants::Nothing,
        set!(Ctl, options, _ => options.action = Some(Action::KeyFrame)),
    ),
    option(
        "bitrate BPS",
        "bits per second, k and M allowed",
        BITS,
        set!(Ctl, options, value => options.action = Some(Action::Bitrate(value.number))),
    ),
    option(
        "gop N",
        "frames from key frame to key frame",
        PERIOD,
        set!(Ctl, options, value => options.action = Some(Action::Gop(value.number))),
    ),
    option(
        "control NAME|ID=VALUE",
        "set an encoder control",
        Wants::Control,
        set!(Ctl, options, value => options.action = Some(Action::Control(value::control(value.bytes())?))),
    ),
    option(
        "drain",
        "encode what was committed, then end, as on SIGTERM",
        Wants::Nothing,
        set!(Ctl, options, _ => options.action = Some(Action::Drain)),
    ),
    SOCKET,
    ENGINE_UID,
    WAIT,
];
