//! The choices that only commands know. What the engine knows, too, is in `types`.
//!
//! Which option holds one is `options`' business, how one is read is `value`'s.

use core::ffi::CStr;
use core::net::SocketAddr;

use crate::types::control_setting::ControlSetting;
use crate::types::frame_rate::FrameRate;
use crate::types::socket_name::SocketName;

/// What `ctl` changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// A key frame, soon.
    KeyFrame,
    /// The target bit rate, bits per second.
    Bitrate(u32),
    /// Frames from key frame to key frame.
    Gop(u32),
    /// One encoder control.
    Control(ControlSetting<'a>),
    /// The drain, and with it the engine's end.
    Drain,
}

/// What memory `push` draws in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PushMemory {
    /// The engine's slots.
    #[default]
    Export,
    /// Slots that the engine copies from.
    Copy,
    /// Its own, from the kernel's contiguous heap.
    CmaHeap,
    /// Its own, from the kernel's heap of single pages.
    SystemHeap,
    /// Its own, a memfd.
    Udmabuf,
}

/// Where `push` takes frames from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source<'a> {
    /// The built-in test pattern.
    #[default]
    Pattern,
    /// Standard input.
    Stdin,
    /// A file, pipe or device.
    File(&'a CStr),
}

/// How frames lie in `push`'s input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Container {
    /// Y4M when the name ends in `.y4m` or the bytes begin with `YUV4MPEG2`, raw otherwise.
    #[default]
    Auto,
    /// Frame after frame, nothing between.
    Raw,
    /// YUV4MPEG2.
    Y4m,
}

/// How fast `push` pushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// The rate the engine declares.
    #[default]
    Engine,
    /// This rate.
    Rate(FrameRate),
    /// As fast as slots come back.
    Max,
}

/// Where the timestamps of `push`'s frames come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// The frame's number and the rate, ns from the first frame.
    Header,
    /// The time at which the frame arrived, `CLOCK_MONOTONIC` ns.
    Arrival,
}

/// Where `tap` writes packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target<'a> {
    /// Standard output.
    #[default]
    Stdout,
    /// A file, made or cut to nothing.
    File(&'a CStr),
    /// Whoever listens at a socket, with the name that it was given.
    Peer(Peer<'a>, &'a CStr),
}

/// A socket that packets are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer<'a> {
    /// A stream of the Unix domain.
    Unix(SocketName<'a>),
    /// A stream to this address.
    Tcp(SocketAddr),
    /// Datagrams to this address, whether somebody is there or not.
    Udp(SocketAddr),
}

/// Whether `push` and `tap` show what the engine does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// At a terminal.
    #[default]
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

/// Which packet `tap` begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// The oldest still in the ring.
    Oldest,
    /// The newest key frame in the ring.
    #[default]
    Key,
    /// The next packet published.
    Live,
    /// The newest key frame that was published at least so many ms ago, or the oldest one in the ring.
    Past(u32),
}
