//! The commands: what a person types, turned into work, and how it ended turned into a sentence and an exit code.

mod connect;
mod ctl;
mod devices;
mod dmabuf_heap;
mod formats;
mod frames;
mod geometry;
mod headers;
mod hold;
mod input;
mod loss;
mod memory;
mod output;
mod pace;
mod peer;
mod probe;
mod progress;
mod push;
mod report;
pub(crate) mod run;
mod segments;
mod selftest;
mod sink;
mod stat;
mod status_line;
mod stop;
mod tap;

use core::ffi::CStr;

use crate::cli::{self, Command};
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::{signals, stdio};
use output::print;
use run::handed::Environment;

/// Runs the command that the arguments (without the program's name) ask for, with what the environment has under a name; gives the exit
/// code.
#[must_use]
pub fn main(arguments: &[&CStr], environment: &Environment<'_>) -> u8 {
    let result = begin().and_then(|()| match cli::parse(arguments) {
        Ok(command) => dispatch(command, environment),
        Err(error) => Err(failure!(Exit::Usage, "{error}")),
    });
    match result {
        Ok(()) => Exit::Success as u8,
        Err(failure) => failure.exit as u8,
    }
}

/// What every command needs before it opens or writes anything: descriptors 0 to 2 are open, neither a write nor the stack's limit
/// ends the process with a signal.
///
/// # Errors
/// When there is no room for the descriptors that are missing, or for the stack.
pub fn begin() -> Result<(), Failure> {
    signals::block_write_signals();
    stdio::secure().map_err(|errno| {
        failure!(
            Exit::Resource,
            "descriptors 0 to 2 are not all open, and nothing can be put in their place: {}",
            Explained(errno)
        )
    })?;
    memory::check_stack()
}

fn dispatch(command: Command<'_>, environment: &Environment<'_>) -> Result<(), Failure> {
    match command {
        Command::Run(options) if options.stdout => run::piped::run_piped(options),
        Command::Run(options) => run::run(&options, environment),
        Command::Push(options) => push::push(&options),
        Command::Tap(options) => tap::tap(&options),
        Command::Sink(options) => sink::sink(&options),
        Command::Stat(options) => stat::stat(&options),
        Command::Ctl(options) => ctl::ctl(&options),
        Command::Probe(options) => probe::probe(&options),
        Command::Selftest(options) => selftest::selftest(&options),
        Command::Help(topic) => print(format_args!("{topic}")),
        Command::Version => print(format_args!("framemill {}\n", env!("CARGO_PKG_VERSION"))),
    }
}
