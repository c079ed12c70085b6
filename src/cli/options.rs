//! What a command line asks for: one plain structure a command, with its defaults.
//!
//! Knows types and default values. Knows no bytes (`value`), no option names (`table`) and opens nothing.

use core::ffi::CStr;

use ::log::LevelFilter;
use arrayvec::ArrayVec;

use super::choices::{
    Action, BitrateMode, CameraChoice, Container, ControlSetting, DeviceChoice, FrameRate,
    LogTarget, MemoryChoice, Pace, PushMemory, Size, SocketName, Source, StartAt, Target,
    Timestamps, User, Users,
};
use crate::limits::{
    CAMERA_WAIT_MS_DEFAULT, CONTROLS, DRAIN_MS_DEFAULT, PACKET_RING_DEFAULT, STALL_MS_DEFAULT,
};
use crate::media::colour::Colour;
use crate::media::fourcc::Fourcc;

/// The mode of the socket's file when `--socket-mode` is not given: owner and group may connect.
pub const DEFAULT_SOCKET_MODE: u32 = 0o660;

/// A whole command line, understood and checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command<'a> {
    /// `framemill run`: the engine.
    Run(RunOptions<'a>),
    /// `framemill push`: a producer.
    Push(PushOptions<'a>),
    /// `framemill tap`: a consumer.
    Tap(TapOptions<'a>),
    /// `framemill stat`: counters and latencies.
    Stat(StatOptions<'a>),
    /// `framemill ctl`: a change while the engine runs.
    Ctl(CtlOptions<'a>),
    /// `framemill probe`: which devices there are.
    Probe(ProbeOptions<'a>),
    /// Print the help of this topic (its `Display`) on stdout and exit with success.
    Help(Topic),
    /// Print name and version on stdout and exit with success.
    Version,
}

/// What the commands that talk to an engine have in common.
pub(super) struct EngineOptions<'o, 'a> {
    pub(super) socket: &'o mut SocketName<'a>,
    /// A user that the engine may run as.
    pub(super) uid: &'o mut Option<u32>,
    /// `None`: the command does not wait.
    pub(super) wait_ms: Option<&'o mut u32>,
}

impl<'a> Command<'a> {
    /// The options that say which engine the command talks to; `None` when it talks to none.
    pub(super) fn engine(&mut self) -> Option<EngineOptions<'_, 'a>> {
        let (socket, uid, wait_ms) = match self {
            Self::Push(o) => (&mut o.socket, &mut o.engine_uid, Some(&mut o.wait_ms)),
            Self::Tap(o) => (&mut o.socket, &mut o.engine_uid, Some(&mut o.wait_ms)),
            Self::Ctl(o) => (&mut o.socket, &mut o.engine_uid, Some(&mut o.wait_ms)),
            Self::Stat(o) => (&mut o.socket, &mut o.engine_uid, None),
            _ => return None,
        };
        Some(EngineOptions {
            socket,
            uid,
            wait_ms,
        })
    }
}

/// What help can be asked about. `Display` writes the help text, many lines with a newline at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The program: its commands and exit codes.
    Main,
    /// `framemill run`.
    Run,
    /// `framemill push`.
    Push,
    /// `framemill tap`.
    Tap,
    /// `framemill stat`.
    Stat,
    /// `framemill ctl`.
    Ctl,
    /// `framemill probe`.
    Probe,
}

/// Options of `framemill run`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOptions<'a> {
    /// Which encoder.
    pub device: DeviceChoice<'a>,
    /// Picture size of the raw frames; width 0: `SIZE_DEFAULT` at first, and whatever producers or the camera bring.
    pub size: Size,
    /// Pixel format of the raw frames in the encoder; `None` is the first of `FORMATS` that the encoder takes, or with a camera that both have.
    pub format: Option<Fourcc>,
    /// Declared rate of the stream.
    pub frame_rate: FrameRate,
    /// Coded format.
    pub codec: Fourcc,
    /// Target bit rate, bits per second; `None` leaves the encoder's default.
    pub bitrate: Option<u32>,
    /// Frames from key frame to key frame; `None` leaves the encoder's default.
    pub gop: Option<u32>,
    /// How the encoder spends its bits; `None` is VBR where there is a choice and the codec is H.264.
    pub bitrate_mode: Option<BitrateMode>,
    /// H.264 profile, its `V4L2_CID_MPEG_VIDEO_H264_PROFILE` value; `None` leaves the encoder's default.
    pub profile: Option<u32>,
    /// H.264 level, its `V4L2_CID_MPEG_VIDEO_H264_LEVEL` value; `None` is the lowest that allows the stream.
    pub level: Option<u32>,
    /// Least and greatest H.264 quantiser, 0 to 51; `None` leaves the encoder's default.
    pub min_qp: Option<u32>,
    /// See `min_qp`.
    pub max_qp: Option<u32>,
    /// Codec headers before every key frame; `None` is on, where the encoder can.
    pub repeat_headers: Option<bool>,
    /// Encoder controls to set, in the order given. A control named twice is in here twice.
    pub controls: ArrayVec<ControlSetting<'a>, CONTROLS>,
    /// Where to listen.
    pub socket: SocketName<'a>,
    /// Mode of the socket's file, `0..=0o777`; `None` is `DEFAULT_SOCKET_MODE`, or an abstract name, which has none.
    pub socket_mode: Option<u32>,
    /// Who may produce.
    pub producers: Users,
    /// Who may change the engine while it runs.
    pub changers: Users,
    /// Slots of the frame ring, `FRAME_SLOTS_MIN..=FRAME_SLOTS_MAX`; `None` is `FRAME_SLOTS_DEFAULT`, or the driver's minimum.
    pub frame_slots: Option<u32>,
    /// Bytes of the packet ring, a power of two in `PACKET_RING_MIN..=PACKET_RING_MAX`.
    pub packet_ring: u32,
    /// Where frame slots live.
    pub memory: MemoryChoice,
    /// No progress for so long with frames queued is a stall, milliseconds.
    pub stall_ms: u32,
    /// Deadline of the drain, milliseconds.
    pub drain_ms: u32,
    /// How long to wait for the device to appear, milliseconds; 0 does not wait.
    pub wait_device_ms: u32,
    /// The camera that is the producer; `None` waits for one at the socket.
    pub camera: Option<CameraChoice<'a>>,
    /// Pixel format that the camera is asked for; `None` is the encoder's, or one with the same samples.
    pub camera_format: Option<Fourcc>,
    /// What the samples mean, in place of what the source says; unknown parts are the source's.
    pub colour: Colour,
    /// Interlaced frames of the camera are encoded as if they were progressive.
    pub progressive: bool,
    /// How long a camera that failed or left is waited for while the engine runs, milliseconds.
    pub camera_wait_ms: u32,
    /// End after so many pictures of the camera; `None` goes on.
    pub frames: Option<u64>,
    /// End after the first producer's end of stream instead of waiting for the next producer.
    pub once: bool,
    /// Whom the engine becomes when everything is open; `None` stays who it is.
    pub user: Option<User>,
    /// Give up files and system calls that the loop does not need.
    pub sandbox: bool,
    /// Priority of a real-time schedule (`SCHED_FIFO`), 1 to 99; `None` is the usual schedule.
    pub realtime: Option<u32>,
    /// The one processor to run on; `None` is whichever the kernel likes.
    pub cpu: Option<u32>,
    /// Least severe level that is still logged.
    pub log: LevelFilter,
    /// Where log lines go.
    pub log_to: LogTarget,
}

impl RunOptions<'_> {
    /// Every option at its default, for frames of this size.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self {
            device: DeviceChoice::Auto,
            size,
            format: None,
            frame_rate: FrameRate::DEFAULT,
            codec: Fourcc::H264,
            bitrate: None,
            gop: None,
            bitrate_mode: None,
            profile: None,
            level: None,
            min_qp: None,
            max_qp: None,
            repeat_headers: None,
            controls: ArrayVec::new_const(),
            socket: SocketName::DEFAULT,
            socket_mode: None,
            producers: Users::ALL,
            changers: Users::ALL,
            frame_slots: None,
            packet_ring: PACKET_RING_DEFAULT,
            memory: MemoryChoice::Auto,
            stall_ms: STALL_MS_DEFAULT,
            drain_ms: DRAIN_MS_DEFAULT,
            wait_device_ms: 0,
            camera: None,
            camera_format: None,
            colour: Colour::UNKNOWN,
            progressive: false,
            camera_wait_ms: CAMERA_WAIT_MS_DEFAULT,
            frames: None,
            once: false,
            user: None,
            sandbox: true,
            realtime: None,
            cpu: None,
            log: LevelFilter::Info,
            log_to: LogTarget::Stderr,
        }
    }
}

/// Options of `framemill push`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushOptions<'a> {
    /// The engine's socket.
    pub socket: SocketName<'a>,
    /// A user that the engine may run as, besides root and this process's own.
    pub engine_uid: Option<u32>,
    /// Where frames come from.
    pub from: Source<'a>,
    /// Picture size to ask the engine for; `None` is the input's, or the engine's.
    pub size: Option<Size>,
    /// Pixel format to ask the engine for; `None` is the engine's.
    pub format: Option<Fourcc>,
    /// How frames lie in the file or pipe.
    pub container: Container,
    /// How fast to push.
    pub pace: Pace,
    /// Where timestamps come from; `None` is arrival for a raw live input without a rate, the rate otherwise.
    pub timestamps: Option<Timestamps>,
    /// Drop a frame when no slot is free at its time.
    pub live: bool,
    /// Stop after so many frames; `None` runs to the input's end, with the pattern until a signal.
    pub frames: Option<u64>,
    /// Distance between the rows of the first colour plane in raw input, bytes; `None`: rows have no padding.
    pub stride: Option<u32>,
    /// Rows of the first colour plane in raw input, those of padding included; `None`: as many as the picture has.
    pub rows: Option<u32>,
    /// Odd sides become even by repeating the last column and row.
    pub pad: bool,
    /// What the samples mean, in place of what the input says; unknown parts are the input's.
    pub colour: Colour,
    /// Interlaced frames are encoded as if they were progressive.
    pub progressive: bool,
    /// Start over at the file's end (`--loop`).
    pub repeat: bool,
    /// What memory it draws in.
    pub memory: PushMemory,
    /// How long to wait for an engine, milliseconds; 0 does not wait.
    pub wait_ms: u32,
}

/// Options of `framemill tap`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapOptions<'a> {
    /// The engine's socket.
    pub socket: SocketName<'a>,
    /// A user that the engine may run as, besides root and this process's own.
    pub engine_uid: Option<u32>,
    /// Where packets go.
    pub to: Target<'a>,
    /// Which packet comes first.
    pub start: StartAt,
    /// Stop after so many packets' worth of frames; `None` runs to the end of the stream.
    pub frames: Option<u64>,
    /// Also write an index of the packets to this file.
    pub index: Option<&'a CStr>,
    /// A missed packet makes the exit code `Exit::Missed`.
    pub all: bool,
    /// How long to wait for an engine, milliseconds; 0 does not wait.
    pub wait_ms: u32,
}

/// Options of `framemill stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatOptions<'a> {
    /// The engine's socket.
    pub socket: SocketName<'a>,
    /// A user that the engine may run as, besides root and this process's own.
    pub engine_uid: Option<u32>,
    /// Print again every so many milliseconds; `None` prints once.
    pub watch_ms: Option<u32>,
    /// Print JSON.
    pub json: bool,
    /// Print nothing; fail when the engine took no turn for so long, milliseconds, or has ended.
    pub check_ms: Option<u32>,
}

/// Options of `framemill ctl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CtlOptions<'a> {
    /// The engine's socket.
    pub socket: SocketName<'a>,
    /// A user that the engine may run as, besides root and this process's own.
    pub engine_uid: Option<u32>,
    /// What to change; always there when it comes from a command line.
    pub action: Option<Action<'a>>,
    /// How long to wait for an engine, milliseconds; 0 does not wait.
    pub wait_ms: u32,
}

/// Options of `framemill probe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeOptions<'a> {
    /// Look at this device only; `None` looks at all.
    pub device: Option<&'a CStr>,
    /// Print JSON.
    pub json: bool,
}
