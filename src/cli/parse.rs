//! The arguments of one command, in order: finds each option, takes its value, sets it.
//!
//! Knows the shape of a command line (`--opt value`, `--opt=value`, `--`). Does not know what any option means: its setter does.

use core::cell::Cell;
use core::ffi::CStr;

use getargs::{Arg, Options};

use super::option::{CliOption, Value};
use super::options::Command;
use super::table::Entry;
use super::usage_error::Mistake;
use super::wants::Wants;

/// Reads all arguments of a command. A later option of the same name overrides an earlier one, except those that collect.
pub(super) fn parse_options<'a>(
    entry: &'static Entry,
    arguments: &[&'a CStr],
    command: &mut Command<'a>,
) -> Result<(), Mistake<'a>> {
    // getargs sees bytes; a value is always the end of the argument it took last, and that one knows its NUL.
    let word: Cell<&'a CStr> = Cell::new(c"");
    let bytes = arguments.iter().map(|&next| {
        word.set(next);
        next.to_bytes()
    });
    let mut options = Options::new(bytes);
    // An action (or an option) that waits for its value, and whether there was an action before.
    let mut action: Option<&'static CliOption> = None;
    let mut acted = false;
    loop {
        let name = match options.next_arg() {
            Ok(None) => {
                return match action {
                    Some(option) if !option.optional() => Err(Mistake::MissingValue(option)),
                    _ => Ok(()),
                };
            }
            Ok(Some(Arg::Long(name))) => &word.get().to_bytes()[..name.len() + 2],
            Ok(Some(Arg::Short(_))) => word.get().to_bytes(),
            Ok(Some(Arg::Positional(_))) => {
                let text = word.get();
                if let Some(option) = action.take() {
                    store(option, text, command)?;
                    continue;
                }
                let option = (entry.options.iter())
                    .filter(|option| !acted && !option.usage.starts_with('-'))
                    .find(|option| option.name().as_bytes() == text.to_bytes())
                    .ok_or(Mistake::StrayWord(entry.topic, text.to_bytes()))?;
                acted = true;
                match option.wants {
                    Wants::Nothing => store(option, c"", command)?,
                    _ => action = Some(option),
                }
                continue;
            }
            // A value that nobody took; every value is taken below.
            Err(_) => return Err(Mistake::StrayWord(entry.topic, word.get().to_bytes())),
        };
        let option = entry
            .options
            .iter()
            .find(|option| option.name().as_bytes() == name)
            .ok_or(Mistake::UnknownOption(entry.topic, name))?;
        let attached = options.value_opt();
        let text = match (option.wants, attached) {
            (Wants::Nothing, None) => c"",
            (Wants::Nothing, Some(_)) => return Err(Mistake::UnwantedValue(option)),
            (_, Some(value)) => ending(word.get(), value.len()),
            (_, None) if option.optional() => {
                // It cannot fail: a value that may be left out has a default.
                let _ = (option.set)(command, Value::NONE);
                // An argument without dashes is the value, as it is an action's.
                action = Some(option);
                continue;
            }
            (_, None) => match options.value() {
                Ok(value) if !value.starts_with(b"--") => word.get(),
                _ => return Err(Mistake::MissingValue(option)),
            },
        };
        store(option, text, command)?;
    }
}

fn store<'a>(
    option: &'static CliOption,
    text: &'a CStr,
    command: &mut Command<'a>,
) -> Result<(), Mistake<'a>> {
    match option.store(command, text) {
        Some(Ok(())) => Ok(()),
        Some(Err(times)) => Err(Mistake::TooOften(option, times)),
        None => Err(Mistake::BadValue(option, text.to_bytes())),
    }
}

/// The last `length` bytes of an argument.
fn ending(word: &CStr, length: usize) -> &CStr {
    &word[word.count_bytes() - length..]
}
