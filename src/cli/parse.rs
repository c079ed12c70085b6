//! The arguments of one command, in order: finds each option, takes its value, sets it.
//!
//! Knows the shape of a command line (`--opt value`, `--opt=value`, `--`). Does not know what any option means: its setter does.

use core::ffi::CStr;

use super::option::{CliOption, Takes, Value};
use super::options::Command;
use super::table::Entry;
use super::usage_error::Mistake;

/// Reads all arguments of a command. A later option of the same name overrides an earlier one, except those that collect.
pub(super) fn parse_options<'a>(
    entry: &'static Entry,
    arguments: &[&'a CStr],
    command: &mut Command<'a>,
) -> Result<(), Mistake<'a>> {
    let mut words = arguments.iter().copied();
    // An action (or an option) that waits for its value, and whether there was an action before.
    let mut action: Option<&'static CliOption> = None;
    let mut acted = false;
    let mut ended = false;
    while let Some(word) = words.next() {
        let bytes = word.to_bytes();
        if !ended && bytes == b"--" {
            ended = true;
            continue;
        }
        if ended || bytes == b"-" || !bytes.starts_with(b"-") {
            if let Some(option) = action.take() {
                store(option, word, command)?;
                continue;
            }
            let option = (entry.options.iter())
                .filter(|option| !acted && !option.name.starts_with('-'))
                .find(|option| option.name.as_bytes() == bytes)
                .ok_or(Mistake::StrayWord(entry.topic, bytes))?;
            acted = true;
            match option.takes {
                Takes::Nothing => store(option, c"", command)?,
                _ => action = Some(option),
            }
            continue;
        }
        let (name, attached) = match bytes.iter().position(|&byte| byte == b'=') {
            Some(at) if bytes.starts_with(b"--") => (&bytes[..at], Some(&word[at + 1..])),
            _ => (bytes, None),
        };
        let mut options = entry.options.iter();
        let option = options
            .find(|option| option.name.as_bytes() == name)
            .ok_or(Mistake::UnknownOption(entry.topic, name))?;
        let text = match (option.takes, attached) {
            (Takes::Nothing, None) => c"",
            (Takes::Nothing, Some(_)) => return Err(Mistake::UnwantedValue(option)),
            (_, Some(value)) => value,
            (_, None) if option.optional() => {
                // It cannot fail: a value that may be left out has a default.
                let _ = (option.set)(command, Value::NONE);
                // An argument without dashes is the value, as it is an action's.
                action = Some(option);
                continue;
            }
            (_, None) => match words.next() {
                Some(value) if !value.to_bytes().starts_with(b"--") => value,
                _ => return Err(missing(option, command)),
            },
        };
        store(option, text, command)?;
    }
    match action {
        Some(option) if !option.optional() => Err(missing(option, command)),
        _ => Ok(()),
    }
}

fn store<'a>(
    option: &'static CliOption,
    text: &'a CStr,
    command: &mut Command<'a>,
) -> Result<(), Mistake<'a>> {
    option
        .store(command, text)
        .map_err(|wants| Mistake::BadValue(option, text.to_bytes(), wants))
}

/// The mistake of an option without its value: no option but a switch takes an empty one, and so says what it wants.
fn missing<'a>(option: &'static CliOption, command: &mut Command<'a>) -> Mistake<'a> {
    match option.store(command, c"") {
        Err(wants) => Mistake::MissingValue(option, wants),
        Ok(()) => Mistake::UnwantedValue(option),
    }
}
