//! The command line: argv bytes to validated options, or one sentence about what is wrong with them.
//!
//! Pure: opens nothing, prints nothing, allocates nothing. What it lets through is in range and consistent with itself; whether a file
//! exists or an encoder takes the size is found out by whoever uses it.
//!
//! Options are words `--name value` or `--name=value` in any order; `--` ends them. An option given twice counts as given last, except
//! `--control`, `--producer-uid` and `--control-uid`, which collect. A value that begins with `--` must be attached with `=`, so that a forgotten value is noticed. A word
//! `--help` or `-h` anywhere asks for the command's help and nothing else is looked at.

mod choices;
mod complaint;
mod help;
mod options;
mod read;
mod row;
mod settings;
mod table;
mod value;

use core::ffi::CStr;
use core::fmt;

pub use choices::{
    Action, BitrateMode, Container, ControlName, ControlSetting, DEFAULT_SOCKET, DeviceChoice,
    FrameRate, LogTarget, MemoryChoice, Pace, PushMemory, Size, SocketName, Source, StartAt,
    Target, User, Users,
};
pub use options::{
    Command, CtlOptions, DEFAULT_FORMAT, DEFAULT_SOCKET_MODE, ProbeOptions, PushOptions,
    RunOptions, StatOptions, TapOptions, Topic,
};

use complaint::Complaint;
use read::read;
use settings::{check_ctl, check_push, check_run};
use table::{COMMANDS, Entry};

use crate::text::place;

/// What is wrong with a command line: `Display` writes one printable sentence that names the option, the value, and what is
/// accepted.
#[derive(Clone, Copy)]
pub struct Misuse<'a>(Complaint<'a>);

impl fmt::Debug for Misuse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Misuse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the arguments after `argv[0]` ask for.
///
/// # Errors
/// When they are no command with its options.
#[inline(never)]
pub fn parse<'a>(arguments: &[&'a CStr]) -> Result<Command<'a>, Misuse<'a>> {
    understand(arguments).map_err(Misuse)
}

fn understand<'a>(arguments: &[&'a CStr]) -> Result<Command<'a>, Complaint<'a>> {
    let (first, words) = arguments.split_first().ok_or(Complaint::NoCommand)?;
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
    Ok(match entry.topic {
        Topic::Run => {
            // Width 0 stands for a size not given; no `--size` can say it.
            let mut options = RunOptions::new(Size {
                width: 0,
                height: 0,
            });
            read(entry, words, &mut options)?;
            check_run(&options)?;
            Command::Run(options)
        }
        Topic::Push => {
            let mut options = PushOptions::default();
            read(entry, words, &mut options)?;
            check_push(&options)?;
            Command::Push(options)
        }
        Topic::Tap => {
            let mut options = TapOptions::default();
            read(entry, words, &mut options)?;
            Command::Tap(options)
        }
        Topic::Stat => {
            let mut options = StatOptions::default();
            read(entry, words, &mut options)?;
            Command::Stat(options)
        }
        Topic::Ctl => {
            let mut options = CtlOptions::default();
            read(entry, words, &mut options)?;
            check_ctl(&options)?;
            Command::Ctl(options)
        }
        Topic::Probe => {
            let mut options = ProbeOptions::default();
            read(entry, words, &mut options)?;
            Command::Probe(options)
        }
        Topic::Main => Command::Help(Topic::Main),
    })
}

/// What asks for help in a command's place.
const HELP: &str = "help --help -h";

/// Whether the word is one of a list's.
fn is(word: &CStr, list: &str) -> bool {
    place(word.to_bytes(), list).is_some()
}

/// The command of this name.
fn entry<'a>(word: &'a CStr) -> Result<&'static Entry, Complaint<'a>> {
    COMMANDS
        .iter()
        .find(|entry| entry.name.as_bytes() == word.to_bytes())
        .ok_or(Complaint::UnknownCommand(word.to_bytes()))
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
