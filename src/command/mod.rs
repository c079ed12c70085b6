//! The commands: what a person types, turned into work, and how it ended turned into a sentence and an exit code.

mod connect;
mod input;
mod output;
mod probe;
mod push;
mod report;
mod run;
mod stat;
mod tap;

use core::ffi::CStr;
use core::fmt::Write;

use crate::cli::{self, Command};
use crate::error::{Exit, Failure};
use crate::{log, stdio};
use output::Output;

/// Runs the command that the arguments (without the program's name) ask for; gives the exit code.
#[must_use]
pub fn main(arguments: &[&CStr]) -> u8 {
    stdio::secure();
    match cli::parse(arguments).and_then(|command| dispatch(&command)) {
        Ok(()) => Exit::Success as u8,
        Err(failure) => {
            log::last_word(format_args!("{}", failure.message));
            failure.exit as u8
        }
    }
}

fn dispatch(command: &Command<'_>) -> Result<(), Failure> {
    match command {
        Command::Run(options) => run::run(options),
        Command::Push(options) => push::push(options),
        Command::Tap(options) => tap::tap(options),
        Command::Stat(options) => stat::stat(options),
        Command::Probe(options) => probe::probe(options),
        Command::Help(topic) => print(format_args!("{topic}")),
        Command::Version => print(format_args!("framemill {}\n", env!("CARGO_PKG_VERSION"))),
    }
}

fn print(text: core::fmt::Arguments<'_>) -> Result<(), Failure> {
    let mut output = Output::stdout();
    // The error is kept by the output.
    let _ = output.write_fmt(text);
    output.finish()
}
