//! What a command line asks for: one plain structure a command, with its defaults. Those of `run` are in `types`.
//!
//! Knows types and default values. Knows no bytes (`value`), no option names (`table`) and opens nothing.

use core::ffi::CStr;

use super::choices::{
    Action, Container, Pace, Progress, PushMemory, Source, StartAt, Target, Timestamps,
};
use crate::media::colour::Colour;
use crate::media::fourcc::Fourcc;
use crate::media::memsink::SinkLayout;
use crate::types::devices::DeviceChoice;
use crate::types::mux::Mux;
use crate::types::run_options::RunOptions;
use crate::types::segments::SegmentLimit;
use crate::types::size::Size;
use crate::types::socket_name::SocketName;

/// A whole command line, understood and checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Command<'a> {
    /// `framemill run`: the engine.
    Run(RunOptions<'a>),
    /// `framemill push`: a producer.
    Push(PushOptions<'a>),
    /// `framemill tap`: a consumer.
    Tap(TapOptions<'a>),
    /// `framemill sink`: a consumer that keeps another program's kind of sink.
    Sink(SinkOptions<'a>),
    /// `framemill stat`: counters and latencies.
    Stat(StatOptions<'a>),
    /// `framemill ctl`: a change while the engine runs.
    Ctl(CtlOptions<'a>),
    /// `framemill probe`: which devices there are.
    Probe(ProbeOptions<'a>),
    /// `framemill selftest`: whether the encoder does what is needed.
    Selftest(SelftestOptions<'a>),
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
            Self::Sink(o) => (&mut o.socket, &mut o.engine_uid, Some(&mut o.wait_ms)),
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
    /// `framemill sink`.
    Sink,
    /// `framemill stat`.
    Stat,
    /// `framemill ctl`.
    Ctl,
    /// `framemill probe`.
    Probe,
    /// `framemill selftest`.
    Selftest,
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
    /// Frame size to ask the engine for; `None` is the input's, or the engine's.
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
    /// Rows of the first colour plane in raw input, those of padding included; `None`: as many as the frame has.
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
    /// Whether a line a second says what the engine does.
    pub progress: Progress,
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
    /// How packets are written.
    pub mux: Mux,
    /// Which packet comes first.
    pub start: StartAt,
    /// Stop after so many packets' worth of frames; `None` runs to the end of the stream.
    pub frames: Option<u64>,
    /// Also write an index of the packets to this file.
    pub index: Option<&'a CStr>,
    /// Also write each frame's time to this file.
    pub pts: Option<&'a CStr>,
    /// A missed packet makes the exit code `Exit::Missed`.
    pub all: bool,
    /// How long to wait for an engine, milliseconds; 0 does not wait.
    pub wait_ms: u32,
    /// Connect again when the engine or the peer goes away, every so many milliseconds; `None` ends then.
    pub reconnect_ms: Option<u32>,
    /// Write files with a number, one after the other; `to` is their pattern.
    pub segment: Option<SegmentLimit>,
    /// Delete the oldest of these files where there are more bytes.
    pub keep: Option<u64>,
    /// Whether a line a second says what the engine does.
    pub progress: Progress,
    /// The command ends when nobody reads its standard output any more, and that is no failure (`run --stdout`).
    pub ends_with_reader: bool,
}

/// Options of `framemill sink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkOptions<'a> {
    /// The engine's socket.
    pub socket: SocketName<'a>,
    /// A user that the engine may run as, besides root and this process's own.
    pub engine_uid: Option<u32>,
    /// The object's name in /dev/shm; always there when it comes from a command line.
    pub name: &'a CStr,
    /// The version of ustreamer's memory sink.
    pub layout: SinkLayout,
    /// Mode of the object's file.
    pub mode: u32,
    /// The object's file is removed at the end.
    pub remove: bool,
    /// How long to wait for an engine, milliseconds; 0 does not wait.
    pub wait_ms: u32,
    /// Go on with the next engine, with a try every so many milliseconds; `None` ends with the first.
    pub reconnect_ms: Option<u32>,
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
    /// Print counters that are zero, too.
    pub all: bool,
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

/// Options of `framemill selftest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelftestOptions<'a> {
    /// Which encoder.
    pub device: DeviceChoice<'a>,
    /// This size only; `None` tries several.
    pub size: Option<Size>,
    /// Print JSON.
    pub json: bool,
}

/// Options of `framemill probe`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeOptions<'a> {
    /// Look at this device only; `None` looks at all.
    pub device: Option<&'a CStr>,
    /// Print JSON.
    pub json: bool,
}
