//! The values options take: sizes, rates, names, and the choices between a few words.
//!
//! Knows types, their ranges and how they print. Which option holds one is `options`' business, how one is read is `value`'s.

use core::ffi::CStr;
use core::fmt;

use crate::limits::{FRAME_RATE_MAX, FRAME_RATE_MIN_DIVISOR, USERS};
use crate::text::Escaped;

/// The socket's path when `--socket` is not given. `/run` is a tmpfs in an initramfs and on every current distribution.
pub const DEFAULT_SOCKET: &CStr = c"/run/framemill.sock";

/// Which encoder device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice<'a> {
    /// The first one that takes the format and gives the codec.
    #[default]
    Auto,
    /// This one.
    Path(&'a CStr),
}

/// Which camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraChoice<'a> {
    /// The one at this node, or where this link leads.
    Path(&'a CStr),
    /// The one at this bus: `bus_info` of VIDIOC_QUERYCAP, 1 to 31 bytes.
    Bus(&'a [u8]),
    /// The one of this name: `card` of VIDIOC_QUERYCAP, 1 to 31 bytes.
    Card(&'a [u8]),
}

impl<'a> CameraChoice<'a> {
    /// The path, where that was given.
    #[must_use]
    pub fn path(self) -> Option<&'a CStr> {
        match self {
            Self::Path(path) => Some(path),
            Self::Bus(_) | Self::Card(_) => None,
        }
    }
}

impl fmt::Display for CameraChoice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => Escaped(path.to_bytes()).fmt(f),
            Self::Bus(name) => write!(f, "bus:{}", Escaped(name)),
            Self::Card(name) => write!(f, "card:{}", Escaped(name)),
        }
    }
}

/// Whom to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id; neither root's 0 nor -1, which asks for no change.
    pub uid: u32,
    /// Group id; not -1.
    pub gid: u32,
}

/// Users who may do something, by their numbers. Root and the engine's own user need not be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users([u32; USERS]);

/// The number that the kernel gives to no user.
const NOBODY: u32 = u32::MAX;

impl Users {
    /// Nobody is named: whoever may connect.
    pub const ALL: Self = Self([NOBODY; USERS]);

    /// Names a user; `None` when there is no such number or no room.
    pub fn add(&mut self, uid: u32) -> Option<()> {
        let room = self.0.iter_mut().find(|place| **place == NOBODY)?;
        *room = uid;
        (uid != NOBODY).then_some(())
    }

    /// Whether nobody is named.
    #[must_use]
    pub fn all(&self) -> bool {
        self.0[0] == NOBODY
    }

    /// Whether this user is named.
    #[must_use]
    pub fn name(&self, uid: u32) -> bool {
        uid != NOBODY && self.0.contains(&uid)
    }
}

/// Width and height of a picture in pixels, each `FRAME_SIDE_MIN..=FRAME_SIDE_MAX` when it comes from a command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Frames per second as a fraction in lowest terms; neither part is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRate {
    /// Frames …
    pub numerator: u32,
    /// … in so many seconds.
    pub denominator: u32,
}

impl FrameRate {
    /// 30 frames per second.
    pub const DEFAULT: Self = Self {
        numerator: 30,
        denominator: 1,
    };

    /// The rate in lowest terms; `None` outside `1/FRAME_RATE_MIN_DIVISOR..=FRAME_RATE_MAX` or when a part does not fit.
    #[must_use]
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        let (mut divisor, mut rest) = (numerator, denominator);
        while rest != 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        let numerator = u32::try_from(numerator.checked_div(divisor)?).ok()?;
        let denominator = u32::try_from(denominator.checked_div(divisor)?).ok()?;
        let (n, d) = (u64::from(numerator), u64::from(denominator));
        let in_range = d > 0
            && n <= d * u64::from(FRAME_RATE_MAX)
            && d <= n * u64::from(FRAME_RATE_MIN_DIVISOR);
        in_range.then_some(Self {
            numerator,
            denominator,
        })
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

/// One encoder control and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlSetting<'a> {
    /// Which control.
    pub name: ControlName<'a>,
    /// Its value.
    pub value: ControlValue<'a>,
}

/// What a control is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlValue<'a> {
    /// A number; `true` is 1 and `false` 0.
    Number(i64),
    /// A menu's item by its name, printable ASCII, as the user wrote it.
    Item(&'a [u8]),
}

impl fmt::Display for ControlValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Item(name) => Escaped(name).fmt(f),
        }
    }
}

/// How a control is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlName<'a> {
    /// By V4L2 control id, never 0.
    Id(u32),
    /// By name, printable ASCII, as the user wrote it; folding case and spaces is the session's business.
    Name(&'a [u8]),
}

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

/// How an encoder spends its bits. The number is the value of `V4L2_CID_MPEG_VIDEO_BITRATE_MODE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitrateMode {
    /// More for difficult pictures.
    Variable = 0,
    /// The same at all times.
    Constant = 1,
}

/// The control socket's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketName<'a> {
    /// A file, 1 to `SOCKET_NAME_BYTES` bytes.
    Path(&'a CStr),
    /// A name in the abstract namespace without the leading NUL (`@` on the command line), 1 to `SOCKET_NAME_BYTES` bytes.
    Abstract(&'a [u8]),
}

impl SocketName<'_> {
    /// `/run/framemill.sock`.
    pub const DEFAULT: Self = Self::Path(DEFAULT_SOCKET);
}

impl Default for SocketName<'_> {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Where the frame ring's slots live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemoryChoice {
    /// Exported if the driver can, copied otherwise.
    #[default]
    Auto,
    /// The encoder's own buffers, exported; refuse to start otherwise.
    Export,
    /// A memfd, each frame copied into the encoder's buffer.
    Copy,
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

/// Where the engine's log lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    #[default]
    Stderr,
    /// `/dev/kmsg`, the kernel's log.
    Kmsg,
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
}
