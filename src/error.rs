//! How a command ends early: an exit code, and the one sentence that goes with it.
//!
//! Knows no device, no socket and no file: whoever failed words the sentence.

use core::fmt;

use crate::exit::Exit;
use crate::log;

/// A command's early end. Its sentence has been written to the log when it was made, so that it costs no more to hand up
/// than the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says how the process is to end"]
pub struct Failure {
    /// The process's exit code.
    pub exit: Exit,
}

impl Failure {
    /// Writes the one sentence that says what is wrong, whatever the log level; gives what is to be handed up.
    #[inline(never)]
    pub fn new(exit: Exit, sentence: fmt::Arguments<'_>) -> Self {
        log::last_word(sentence);
        Self { exit }
    }
}

/// Shorthand for `Failure::new(exit, format_args!(…))`.
macro_rules! failure {
    ($exit:expr, $($sentence:tt)+) => {
        $crate::error::Failure::new($exit, format_args!($($sentence)+))
    };
}
pub(crate) use failure;
