//! What is known about one option: its name, its value, its help line, and how it is set.
//!
//! Knows the shape of an option and no option: those stand in `table`.

use core::ffi::CStr;

use super::number::{Numbers, Unit};
use super::options::Command;
use super::wants::Wants;

/// An option of one command.
pub(super) struct CliOption {
    /// `--fps`; of an action of `ctl`, a word without dashes.
    pub(super) name: &'static str,
    /// What the value looks like, `N[/D]`; empty for a switch, in brackets when it may be left out.
    pub(super) placeholder: &'static str,
    /// What a user must know, with unit and default; a number's range is added from `takes`.
    pub(super) help: &'static str,
    /// What the value may be.
    pub(super) takes: Takes,
    /// Sets it.
    pub(super) set: Setter,
}

/// Takes a value into the options of a command, or says what the option wants.
pub(super) type Setter = for<'a> fn(&mut Command<'a>, Value<'a>) -> Result<(), Wants>;

/// What may be given as an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// No value: a switch.
    Nothing,
    /// A whole number.
    Number(Numbers),
    /// Something else, which the setter reads.
    Text,
}

/// An option's value.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    /// As it was typed; empty for a switch, and where it is missing.
    pub(super) text: &'a CStr,
    /// The number it is, in range, where the option takes a number; 0 elsewhere, and where the value was left out.
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
}

impl CliOption {
    /// Whether the value may be left out: `[MS]`.
    pub(super) fn optional(&self) -> bool {
        self.placeholder.starts_with('[')
    }

    /// Sets the option to a value as it was typed.
    pub(super) fn store<'a>(&self, command: &mut Command<'a>, text: &'a CStr) -> Result<(), Wants> {
        let number = match self.takes {
            Takes::Number(numbers) => numbers
                .read(text.to_bytes())
                .ok_or(Wants::Number(numbers))?,
            Takes::Nothing | Takes::Text => 0,
        };
        (self.set)(command, Value { text, number })
    }
}

/// An option in one line.
pub(super) const fn option(
    name: &'static str,
    placeholder: &'static str,
    help: &'static str,
    takes: Takes,
    set: Setter,
) -> CliOption {
    CliOption {
        name,
        placeholder,
        help,
        takes,
        set,
    }
}

/// A number without suffixes.
pub(super) const fn number(min: u32, max: u32) -> Takes {
    measure(min, max, Unit::Count)
}

/// A number of something that has units.
pub(super) const fn measure(min: u32, max: u32, unit: Unit) -> Takes {
    Takes::Number(Numbers { min, max, unit })
}

/// The kernel's integer controls are `__s32`: no encoder takes more.
const CONTROL_MAX: u32 = i32::MAX as u32;

/// Frames: four years at 30 a second.
pub(super) const COUNT: Takes = number(1, u32::MAX);
/// Bits per second.
pub(super) const BITS: Takes = measure(1, CONTROL_MAX, Unit::Bits);
/// From key frame to key frame.
pub(super) const PERIOD: Takes = number(1, CONTROL_MAX);

/// Milliseconds, or a time with its unit.
pub(super) const fn milliseconds(min: u32, max: u32) -> Takes {
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
            Ok(())
        }
    };
}
pub(super) use set;
