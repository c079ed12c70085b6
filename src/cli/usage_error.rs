//! What is wrong with a command line, and the one sentence that says so.
//!
//! Knows the sentences' frames; what an option wants is said by `wants`. Whatever the user typed is shown escaped and cut, so that no
//! byte of it reaches a terminal or the kernel's log as it is.

use core::fmt;

use super::option::CliOption;
use super::options::Topic;
use super::table::COMMANDS;
use crate::nearest::nearest;
use crate::text::Escaped;

/// Most bytes of the user's text that a sentence repeats; escaped they are at most four times as many characters, so the sentence's
/// own words still fit into `TEXT_BYTES`.
const SHOWN_BYTES: usize = 48;
const _: () = assert!(SHOWN_BYTES * 4 + 200 <= crate::limits::TEXT_BYTES);

/// Why a command line is wrong: `Display` writes one printable sentence that names the option, the value, and what is accepted.
#[derive(Clone, Copy)]
pub struct UsageError<'a>(pub(super) Mistake<'a>);

impl fmt::Debug for UsageError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for UsageError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One mistake. Its sentence is made once, at the end.
#[derive(Clone, Copy)]
pub(super) enum Mistake<'a> {
    /// No arguments at all.
    NoCommand,
    /// The first argument is no command.
    UnknownCommand(&'a [u8]),
    /// The command has no such option; the argument without `=` and value.
    UnknownOption(Topic, &'a [u8]),
    /// An argument that is neither option nor value.
    StrayWord(Topic, &'a [u8]),
    /// The arguments ended, or another option came, where a value should be.
    MissingValue(&'static CliOption),
    /// `--switch=value`.
    UnwantedValue(&'static CliOption),
    /// Not what the option wants.
    BadValue(&'static CliOption, &'a [u8]),
    /// The option was given more often than it may be.
    TooOften(&'static CliOption, usize),
    /// Options that do not go together; the whole sentence.
    Rule(&'static str),
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoCommand => f.write_str("no command given; see framemill --help"),
            Self::UnknownCommand(word) => {
                write!(f, "\"{}\" is not a command", Shown(word))?;
                let commands = COMMANDS.iter().map(|entry| entry.name.as_bytes());
                match nearest(word, commands) {
                    Some(near) => write!(f, "; did you mean {}?", Escaped(near)),
                    None => f.write_str("; see framemill --help"),
                }
            }
            Self::UnknownOption(topic, word) => unknown_option(f, topic, word),
            Self::StrayWord(topic, word) => {
                let name = topic.name();
                write!(
                    f,
                    "{name}: \"{}\" is neither an option nor an option's value",
                    Shown(word)
                )?;
                hint(f, topic, word)
            }
            Self::MissingValue(option) => {
                write!(
                    f,
                    "{} wants {}; its value is missing",
                    option.name(),
                    option.wants
                )
            }
            Self::UnwantedValue(option) => write!(f, "{} takes no value", option.name()),
            Self::TooOften(option, times) => {
                write!(
                    f,
                    "{} wants to be given {times} times at most",
                    option.name()
                )
            }
            Self::BadValue(option, value) => {
                let wants = option.wants.meant(value);
                write!(
                    f,
                    "{} wants {wants}, not \"{}\"",
                    option.name(),
                    Shown(value)
                )?;
                match wants.nearest(value) {
                    Some(near) => write!(f, "; did you mean {near}?"),
                    None => Ok(()),
                }
            }
            Self::Rule(sentence) => f.write_str(sentence),
        }
    }
}

/// An option that the command does not have, but another one, or one with nearly this name, may.
fn unknown_option(f: &mut fmt::Formatter<'_>, topic: Topic, word: &[u8]) -> fmt::Result {
    let name = topic.name();
    let elsewhere = COMMANDS.iter().find(|entry| {
        let mut options = entry.options.iter();
        options.any(|option| option.name().as_bytes() == word)
    });
    match elsewhere {
        Some(other) => write!(
            f,
            "{} is an option of {}, not of {name}; see framemill {name} --help",
            Shown(word),
            other.name
        ),
        None => {
            write!(f, "{} is not an option of {name}", Shown(word))?;
            hint(f, topic, word)
        }
    }
}

/// The option or action of this name, nearly; else where to look.
fn hint(f: &mut fmt::Formatter<'_>, topic: Topic, word: &[u8]) -> fmt::Result {
    let options = topic.entry().map_or(&[][..], |entry| entry.options);
    match nearest(word, options.iter().map(|option| option.name().as_bytes())) {
        Some(near) => write!(f, "; did you mean {}?", Escaped(near)),
        None => write!(f, "; see framemill {} --help", topic.name()),
    }
}

/// The user's bytes: printable ASCII as it is, the rest escaped, the end cut off.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, rest) = self.0.split_at(self.0.len().min(SHOWN_BYTES));
        Escaped(shown).fmt(f)?;
        f.write_str(if rest.is_empty() { "" } else { "..." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options::Command;
    use std::string::ToString;

    #[test]
    fn what_the_user_typed_is_escaped_and_cut() {
        assert_eq!(
            Shown(b"a\n\x1b[31m\xff\"").to_string(),
            "a\\x0a\\x1b[31m\\xff\""
        );
        assert_eq!(Shown(&[b'a'; 48]).to_string(), "a".repeat(48));
        assert_eq!(Shown(&[b'a'; 49]).to_string(), "a".repeat(48) + "...");
    }

    #[test]
    fn every_sentence_fits_with_the_longest_text_of_the_user() {
        let word = &[0xff; 100];
        for entry in &COMMANDS {
            for option in entry.options {
                let mut command: Command<'_> = (entry.defaults)();
                if option.store(&mut command, c"").is_some() {
                    continue;
                }
                let sentence = Mistake::BadValue(option, word).to_string();
                assert!(sentence.len() < crate::limits::TEXT_BYTES, "{sentence}");
            }
        }
        let sentence = Mistake::StrayWord(Topic::Probe, word).to_string();
        assert!(sentence.len() < crate::limits::TEXT_BYTES, "{sentence}");
    }
}
