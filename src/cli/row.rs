//! What is known about one option: its name, what its value looks like, what is accepted, its help line, and what it sets.
//!
//! Knows the shape of a row and no row: those stand in `table`.

/// An option of one command.
pub(super) struct Row {
    /// `--fps N[/D]`: the name and, after a space, what the value looks like.
    pub(super) synopsis: &'static str,
    /// What a user must know, with unit and default; a number's range is added from `accepts`.
    pub(super) help: &'static str,
    /// What the value may be.
    pub(super) accepts: Accepts,
    /// What the option sets.
    pub(super) key: Key,
}

impl Row {
    /// `--fps`.
    pub(super) fn name(&self) -> &'static str {
        self.parts().0
    }

    /// ` N[/D]`, with the space in front; empty for a switch.
    pub(super) fn placeholder(&self) -> &'static str {
        self.parts().1
    }

    /// The synopsis cut before its space. By bytes: the search of `str` for a character is larger than all rows' names.
    fn parts(&self) -> (&'static str, &'static str) {
        let bytes = self.synopsis.as_bytes();
        let space = bytes.iter().position(|&byte| byte == b' ');
        space
            .and_then(|at| self.synopsis.split_at_checked(at))
            .unwrap_or((self.synopsis, ""))
    }
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
    /// What `"…" is not` continues with when the value is refused.
    Text(&'static str),
}

/// What an option sets; each variant is the option of the same name. Some keys serve several commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    All,
    Bitrate,
    Codec,
    Control,
    Device,
    DrainMs,
    Format,
    Fps,
    FrameSlots,
    Frames,
    From,
    Gop,
    Index,
    Json,
    Log,
    LogTo,
    Loop,
    Memory,
    Once,
    PacketRing,
    Raw,
    Size,
    Socket,
    SocketMode,
    StallMs,
    To,
    Wait,
    Watch,
    Y4m,
}

/// A row in one line.
pub(super) const fn row(
    key: Key,
    synopsis: &'static str,
    accepts: Accepts,
    help: &'static str,
) -> Row {
    Row {
        synopsis,
        help,
        accepts,
        key,
    }
}

/// A number without suffixes.
pub(super) const fn number(min: u32, max: u32) -> Accepts {
    scaled(min, max, 0)
}

/// A number whose suffix `k` multiplies by `kilo`.
pub(super) const fn scaled(min: u32, max: u32, kilo: u16) -> Accepts {
    Accepts::Number { min, max, kilo }
}
