//! The command line: argv bytes to validated options, or one sentence about what is wrong with them.
//!
//! Pure: opens nothing, prints nothing, allocates nothing. What it lets through is in range and consistent with itself; whether a file
//! exists or an encoder takes the size is found out by whoever uses it.
//!
//! Options are words `--name value` or `--name=value` in any order; `--` ends them. An option given twice counts as given last, except
//! `--control`, `--producer-uid` and `--control-uid`, which collect. A value that begins with `--` must be attached with `=`, so that a forgotten value is noticed. A word
//! `--help` or `-h` anywhere asks for the command's help and nothing else is looked at.

mod choices;
mod help;
mod number;
mod option;
mod options;
mod parse;
mod recording;
mod rules;
mod table;
mod usage_error;
mod value;
mod wants;

use core::ffi::CStr;

pub use choices::{
    Action, Container, Pace, Peer, Progress, PushMemory, Source, StartAt, Target, Timestamps,
};
pub use options::{
    Command, CtlOptions, ProbeOptions, PushOptions, SelftestOptions, SinkOptions, StatOptions,
    TapOptions, Topic,
};

pub use crate::types::mux::Mux;
use parse::parse_options;
use rules::check;
use table::{COMMANDS, Entry};
use usage_error::Mistake;
pub use usage_error::UsageError;

use crate::text::place;

/// What the arguments after `argv[0]` ask for.
///
/// # Errors
/// When they are no command with its options.
pub fn parse<'a>(arguments: &[&'a CStr]) -> Result<Command<'a>, UsageError<'a>> {
    parse_args(arguments).map_err(UsageError)
}

fn parse_args<'a>(arguments: &[&'a CStr]) -> Result<Command<'a>, Mistake<'a>> {
    let (first, words) = arguments.split_first().ok_or(Mistake::NoCommand)?;
    if is(first, "--version") {
        return Ok(Command::Version);
    }
    if is(first, HELP) {
        return Ok(Command::Help(match words.first() {
            Some(topic) if !is(topic, HELP) => entry(topic)?.topic,
            _ => Topic::Main,
        }));
    }
    let entry = entry(first)?;
    if asks_for_help(words) {
        return Ok(Command::Help(entry.topic));
    }
    let mut command = (entry.defaults)();
    parse_options(entry, words, &mut command)?;
    check(&command)?;
    Ok(command)
}

/// What asks for help in a command's place.
const HELP: &str = "help --help -h";

/// Whether the word is one of a list's.
fn is(word: &CStr, list: &str) -> bool {
    place(word.to_bytes(), list).is_some()
}

/// The command of this name.
fn entry<'a>(word: &'a CStr) -> Result<&'static Entry, Mistake<'a>> {
    COMMANDS
        .iter()
        .find(|entry| entry.name.as_bytes() == word.to_bytes())
        .ok_or(Mistake::UnknownCommand(word.to_bytes()))
}

/// Whether a word before any `--` is `--help` or `-h`.
fn asks_for_help(words: &[&CStr]) -> bool {
    words
        .iter()
        .take_while(|word| !is(word, "--"))
        .any(|word| is(word, "--help -h"))
}

#[cfg(test)]
mod tests;
