//! What is known about one option: its name, its value, its help line, and how it is set.
//!
//! Knows the shape of an option and no option: those stand in `table`.

use core::ffi::CStr;

use super::number::{Numbers, Unit};
use super::options::Command;
use super::wants::Wants;

/// An option of one command.
pub(super) struct CliOption {
    /// Its name and, after a space, what its value looks like: `--fps N[/D]`. The name of an action of `ctl` is a word without dashes; a
    /// switch has no value, and one that may be left out stands in brackets.
    pub(super) usage: &'static str,
    /// What a user must know, with unit and default; a number's range is added from `wants`.
    pub(super) help: &'static str,
    /// What the value may be.
    pub(super) wants: Wants,
    /// Sets it.
    pub(super) set: Setter,
}

/// Takes a value into the options of a command.
pub(super) type Setter = for<'a> fn(&mut Command<'a>, Value<'a>) -> Stored;

/// Whether a value was taken: `None` when it is not what the option wants, an error when there were as many before as there may be.
pub(super) type Stored = Option<Result<(), usize>>;

/// An option's value.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    /// As it was typed; empty for a switch, and where it is missing.
    pub(super) text: &'a CStr,
    /// The number it is, in range, where the option wants a number; its place where it wants a word of a list; 0 elsewhere, and where the
    /// value was left out.
    pub(super) number: u32,
}

impl<'a> Value<'a> {
    /// No value.
    pub(super) const NONE: Self = Self {
        text: c"",
        number: 0,
    };

    /// Its bytes.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.text.to_bytes()
    }

    /// What a word stands for, of these in the order of their words.
    pub(super) fn of<T: Copy, const N: usize>(self, choices: [T; N]) -> Option<T> {
        choices.get(self.number as usize).copied()
    }
}

impl CliOption {
    /// Its name, and what its value looks like; empty for a switch.
    #[inline(never)]
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.usage.split_once(' ').unwrap_or((self.usage, ""))
    }

    /// `--fps`.
    pub(super) fn name(&self) -> &'static str {
        self.parts().0
    }

    /// Whether the value may be left out: `[MS]`.
    pub(super) fn optional(&self) -> bool {
        self.parts().1.starts_with('[')
    }

    /// Sets the option to a value as it was typed.
    pub(super) fn store<'a>(&self, command: &mut Command<'a>, text: &'a CStr) -> Stored {
        let number = self.wants.read(text.to_bytes())?;
        (self.set)(command, Value { text, number })
    }
}

/// An option in one line.
pub(super) const fn option(
    usage: &'static str,
    help: &'static str,
    wants: Wants,
    set: Setter,
) -> CliOption {
    CliOption {
        usage,
        help,
        wants,
        set,
    }
}

/// A number without suffixes.
pub(super) const fn number(min: u32, max: u32) -> Wants {
    measure(min, max, Unit::Count)
}

/// A number of something that has units.
pub(super) const fn measure(min: u32, max: u32, unit: Unit) -> Wants {
    Wants::Number(Numbers { min, max, unit })
}

/// The kernel's integer controls are `__s32`: no encoder takes more.
const CONTROL_MAX: u32 = i32::MAX as u32;

/// Frames: four years at 30 a second.
pub(super) const COUNT: Wants = number(1, u32::MAX);
/// Bits per second.
pub(super) const BITS: Wants = measure(1, CONTROL_MAX, Unit::Bits);
/// From key frame to key frame.
pub(super) const PERIOD: Wants = number(1, CONTROL_MAX);

/// Milliseconds, or a time with its unit.
pub(super) const fn milliseconds(min: u32, max: u32) -> Wants {
    measure(min, max, Unit::Milliseconds)
}

/// A setter for the options of one command: `set!(Run, options, value => options.gop = Some(value.number))`. The value's
/// reader may fail with `?`.
macro_rules! set {
    ($command:ident, $options:ident, $value:pat => $set:expr) => {
        |command, $value| {
            if let $crate::cli::Command::$command($options) = command {
                $set;
            }
            Some(Ok(()))
        }
    };
}
pub(super) use set;
