//! What is known about one option: its name, what its value looks like, what is accepted, its help line, and what it sets.
//!
//! Knows the shape of a row and no row: those stand in `table`.

/// An option of one command.
pub(super) struct Row {
    /// `--fps N[/D]`, a newline, and what a user must know: with unit and default; a number's range is added from `accepts`. One
    /// text and not two, for a text costs 16 bytes more than its letters.
    text: &'static str,
    /// What the value may be.
    pub(super) accepts: Accepts,
    /// What the option sets.
    pub(super) key: Key,
}

impl Row {
    /// `--fps N[/D]`: the name and, after a space, what the value looks like.
    pub(super) fn synopsis(&self) -> &'static str {
        cut(self.text, b'\n').0
    }

    /// What a user must know.
    pub(super) fn help(&self) -> &'static str {
        cut(self.text, b'\n').1
    }

    /// `--fps`.
    pub(super) fn name(&self) -> &'static str {
        cut(self.synopsis(), b' ').0
    }

    /// `N[/D]`; empty for a switch.
    pub(super) fn placeholder(&self) -> &'static str {
        cut(self.synopsis(), b' ').1
    }

    /// Whether the value may be left out: `[MS]`.
    pub(super) fn optional(&self) -> bool {
        self.placeholder().starts_with('[')
    }
}

/// What stands before and after the first separator. By bytes: the search of `str` for a character is larger than all rows' names.
#[inline(never)]
fn cut(text: &'static str, separator: u8) -> (&'static str, &'static str) {
    let at = text.bytes().position(|byte| byte == separator);
    at.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
        .unwrap_or((text, ""))
}

/// What may be given as an option's value.
#[derive(Clone, Copy)]
pub(super) enum Accepts {
    /// No value: a switch.
    Nothing,
    /// A whole number.
    Number {
        /// The smallest.
        min: u32,
        /// The largest.
        max: u32,
        /// What the suffix `k` multiplies by; 0 when there are no suffixes.
        kilo: u16,
    },
    /// Something else, as the synopsis and the help say.
    Text,
}

/// What an option sets; each variant is the option of the same name. Some keys serve several commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    All,
    Bitrate,
    BitrateMode,
    Camera,
    CameraFormat,
    CameraWait,
    Check,
    Codec,
    Control,
    ControlUid,
    Cpu,
    Device,
    Drain,
    DrainMs,
    Format,
    Fps,
    FrameSlots,
    Frames,
    From,
    Gop,
    Index,
    Intra,
    Json,
    Level,
    Log,
    LogTo,
    Loop,
    MaxQp,
    Memory,
    MinQp,
    NoSandbox,
    Once,
    PacketRing,
    ProducerUid,
    Profile,
    Raw,
    Realtime,
    RepeatHeaders,
    Size,
    Socket,
    SocketMode,
    StallMs,
    To,
    User,
    Wait,
    Watch,
    Y4m,
}

/// A row in one line.
pub(super) const fn row(key: Key, text: &'static str, accepts: Accepts) -> Row {
    Row { text, accepts, key }
}

/// A number without suffixes.
pub(super) const fn number(min: u32, max: u32) -> Accepts {
    scaled(min, max, 0)
}

/// A number whose suffix `k` multiplies by `kilo`.
pub(super) const fn scaled(min: u32, max: u32, kilo: u16) -> Accepts {
    Accepts::Number { min, max, kilo }
}
