//! The words of one command to settings: finds each option's row, takes its value, checks what a row can check.
//!
//! Knows the shape of a command line (`--opt value`, `--opt=value`, `--`). Does not know what any option means: `Settings` does.

use core::cell::Cell;
use core::ffi::CStr;

use getargs::{Arg, Options};

use super::complaint::Complaint;
use super::row::{Accepts, Key, Row};
use super::table::Entry;
use super::value;
use crate::limits::CONTROLS;

/// An option's value.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    /// As it was typed, never empty; for a switch, empty.
    pub(super) text: &'a CStr,
    /// The number it is, in range, where the row accepts a number; 0 elsewhere, and where the value was left out.
    pub(super) number: u64,
}

impl Value<'_> {
    /// The number, for rows whose range ends within 32 bits.
    pub(super) fn number32(self) -> Option<u32> {
        u32::try_from(self.number).ok()
    }
}

/// The options of one command being filled in.
pub(super) trait Settings<'a> {
    /// Takes one option's value; `None` when it is not what the option accepts.
    fn set(&mut self, key: Key, value: Value<'a>) -> Option<()>;
}

/// Reads all words of a command, in order. A later option of the same name overrides an earlier one, except those that collect.
pub(super) fn read<'a>(
    entry: &'static Entry,
    words: &[&'a CStr],
    settings: &mut dyn Settings<'a>,
) -> Result<(), Complaint<'a>> {
    // getargs sees bytes; a value is always the end of the word it took last, and that word knows its NUL.
    let word: Cell<&'a CStr> = Cell::new(c"");
    let bytes = words.iter().map(|&next| {
        word.set(next);
        next.to_bytes()
    });
    let mut options = Options::new(bytes);
    let mut controls = 0;
    // An action (or an option) that waits for its value, and whether there was an action before.
    let mut action: Option<&'static Row> = None;
    let mut acted = false;
    loop {
        let name = match options.next_arg() {
            Ok(None) => {
                return match action {
                    Some(row) if !row.optional() => Err(Complaint::MissingValue(row)),
                    _ => Ok(()),
                };
            }
            Ok(Some(Arg::Long(name))) => &word.get().to_bytes()[..name.len() + 2],
            Ok(Some(Arg::Short(_))) => word.get().to_bytes(),
            Ok(Some(Arg::Positional(_))) => {
                let text = word.get();
                if let Some(row) = action.take() {
                    store(row, text, settings)?;
                    continue;
                }
                let row = (entry.rows.iter())
                    .filter(|row| !acted && !row.name().starts_with('-'))
                    .find(|row| row.name().as_bytes() == text.to_bytes())
                    .ok_or(Complaint::StrayWord(entry.topic, text.to_bytes()))?;
                acted = true;
                match row.accepts {
                    Accepts::Nothing => store(row, c"", settings)?,
                    _ => action = Some(row),
                }
                continue;
            }
            // A value that nobody took; every value is taken below.
            Err(_) => return Err(Complaint::StrayWord(entry.topic, word.get().to_bytes())),
        };
        let row = entry
            .rows
            .iter()
            .find(|row| row.name().as_bytes() == name)
            .ok_or(Complaint::UnknownOption(entry.topic, name))?;
        let attached = options.value_opt();
        let text = match (row.accepts, attached) {
            (Accepts::Nothing, None) => c"",
            (Accepts::Nothing, Some(_)) => return Err(Complaint::UnwantedValue(row)),
            (_, Some(value)) => ending(word.get(), value.len()),
            (_, None) if row.optional() => {
                let left_out = Value {
                    text: c"",
                    number: 0,
                };
                settings.set(row.key, left_out);
                // A word without dashes is the value, as it is an action's.
                action = Some(row);
                continue;
            }
            (_, None) => match options.value() {
                Ok(value) if !value.starts_with(b"--") => word.get(),
                _ => return Err(Complaint::MissingValue(row)),
            },
        };
        if row.key == Key::Control {
            controls += 1;
            if controls > CONTROLS {
                return Err(Complaint::TooManyControls);
            }
        }
        store(row, text, settings)?;
    }
}

/// Takes one value.
fn store<'a>(
    row: &'static Row,
    text: &'a CStr,
    settings: &mut dyn Settings<'a>,
) -> Result<(), Complaint<'a>> {
    if text.is_empty() && !matches!(row.accepts, Accepts::Nothing) {
        return Err(Complaint::EmptyValue(row));
    }
    checked(row, text)
        .and_then(|value| settings.set(row.key, value))
        .ok_or(Complaint::BadValue(row, text.to_bytes()))
}

/// The value with its number, if the row accepts numbers and this is one of them.
fn checked<'a>(row: &Row, text: &'a CStr) -> Option<Value<'a>> {
    let number = match row.accepts {
        Accepts::Number { min, max, kilo } => {
            let number = value::number(text.to_bytes(), kilo.into())?;
            (min.into()..=max.into())
                .contains(&number)
                .then_some(number)?
        }
        Accepts::Nothing | Accepts::Text => 0,
    };
    Some(Value { text, number })
}

/// The last `length` bytes of a word.
fn ending(word: &CStr, length: usize) -> &CStr {
    &word[word.count_bytes() - length..]
}
