//! What is wrong with a command line, and the one sentence that says so.
//!
//! Knows wording. Whatever the user typed is shown escaped and cut, so that no byte of it reaches a terminal or the kernel's log as it is.

use core::fmt;

use super::options::Topic;
use super::row::{Accepts, Row};
use super::table::COMMANDS;
use crate::limits::CONTROLS;
use crate::text::Escaped;

/// Most bytes of the user's text that a sentence repeats; escaped they are at most four times as many characters, so the sentence's
/// own words still fit into `TEXT_BYTES`.
const SHOWN_BYTES: usize = 48;
const _: () = assert!(SHOWN_BYTES * 4 + 200 <= crate::limits::TEXT_BYTES);

/// A reason to refuse a command line. Its sentence is made once, at the end.
#[derive(Clone, Copy)]
pub(super) enum Complaint<'a> {
    /// No words at all.
    NoCommand,
    /// The first word is no command.
    UnknownCommand(&'a [u8]),
    /// The command has no such option; the word without `=` and value.
    UnknownOption(Topic, &'a [u8]),
    /// A word that is neither option nor value.
    StrayWord(Topic, &'a [u8]),
    /// The words ended, or another option came, where a value should be.
    MissingValue(&'static Row),
    /// `--option=` or an empty word.
    EmptyValue(&'static Row),
    /// `--switch=value`.
    UnwantedValue(&'static Row),
    /// Not what the option accepts.
    BadValue(&'static Row, &'a [u8]),
    /// More `--control` than there is room for.
    TooManyControls,
    /// `--min-qp` above `--max-qp`.
    QuantisersCrossed,
    /// `run --frames` or `--camera-format` without a camera.
    OfNoCamera(&'static str),
    /// `ctl` without an action.
    NoAction,
    /// `push --loop --from -`.
    LoopOnStdin,
    /// `push --raw` or `--y4m` with the test pattern.
    ContainerOfPattern,
}

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoCommand => f.write_str("no command given; see framemill --help"),
            Self::UnknownCommand(word) => write!(
                f,
                "\"{}\" is not a command; see framemill --help",
                Shown(word)
            ),
            Self::UnknownOption(topic, word) => {
                let name = topic.name();
                match elsewhere(word) {
                    Some(other) => {
                        write!(
                            f,
                            "{name}: {} is an option of {other}, not of {name}",
                            Shown(word)
                        )
                    }
                    None => write!(f, "{name}: unknown option {}", Shown(word)),
                }?;
                write!(f, "; see framemill {name} --help")
            }
            Self::StrayWord(topic, word) => write!(
                f,
                "{0}: \"{1}\" is neither an option nor an option's value; see framemill {0} --help",
                topic.name(),
                Shown(word)
            ),
            Self::MissingValue(row) => {
                write!(
                    f,
                    "{}: the value is missing; give {}",
                    row.name(),
                    row.placeholder()
                )
            }
            Self::EmptyValue(row) => {
                write!(
                    f,
                    "{}: the value is empty; give {}",
                    row.name(),
                    row.placeholder()
                )
            }
            Self::UnwantedValue(row) => write!(f, "{} takes no value", row.name()),
            Self::BadValue(row, value) => {
                write!(f, "{}: \"{}\" is not ", row.name(), Shown(value))?;
                match row.accepts {
                    Accepts::Nothing => f.write_str("wanted"),
                    Accepts::Text => write!(f, "{}: {}", row.placeholder(), row.help()),
                    Accepts::Number { .. } => write!(f, "a number from {}", Range(row.accepts)),
                }
            }
            Self::TooManyControls => {
                write!(f, "--control: more than {CONTROLS}")
            }
            Self::QuantisersCrossed => f.write_str("--min-qp is greater than --max-qp"),
            Self::OfNoCamera(option) => {
                write!(f, "{option} goes with a camera; give --camera PATH")
            }
            Self::NoAction => f.write_str(
                "ctl: no action given; give key, bitrate BPS, gop N, control NAME|ID=VALUE or drain",
            ),
            Self::LoopOnStdin => {
                f.write_str("--loop: standard input cannot be rewound; give --from FILE")
            }
            Self::ContainerOfPattern => {
                f.write_str("--raw and --y4m go with a file or pipe; give --from FILE or --from -")
            }
        }
    }
}

/// The first command that has this option.
fn elsewhere(word: &[u8]) -> Option<&'static str> {
    COMMANDS
        .iter()
        .find(|entry| entry.rows.iter().any(|row| row.name().as_bytes() == word))
        .map(|entry| entry.name)
}

/// The range of a number, as `100 to 600000`, in the unit of the option's suffixes where it comes out whole. Nothing for other values.
pub(super) struct Range(pub(super) Accepts);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Accepts::Number { min, max, kilo } = self.0 else {
            return Ok(());
        };
        for (lead, number) in [("", min), (" to ", max)] {
            f.write_str(lead)?;
            let kilo = u32::from(kilo);
            if kilo != 0 && number.is_multiple_of(kilo * kilo) {
                write!(f, "{}M", number / (kilo * kilo))?;
            } else if kilo != 0 && number.is_multiple_of(kilo) {
                write!(f, "{}K", number / kilo)?;
            } else {
                write!(f, "{number}")?;
            }
        }
        Ok(())
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
            for row in entry.rows {
                let sentence = Complaint::BadValue(row, word).to_string();
                assert!(sentence.len() <= crate::limits::TEXT_BYTES, "{sentence}");
            }
        }
        let sentence = Complaint::StrayWord(Topic::Probe, word).to_string();
        assert!(sentence.len() <= crate::limits::TEXT_BYTES, "{sentence}");
    }

    #[test]
    fn ranges_are_written_in_the_options_own_unit() {
        let range = |min, max, kilo| Range(Accepts::Number { min, max, kilo }).to_string();
        assert_eq!(range(64 << 10, 256 << 20, 1024), "64K to 256M");
        assert_eq!(range(1, 2_147_483_647, 1000), "1 to 2147483647");
        assert_eq!(range(100, 600_000, 0), "100 to 600000");
    }
}
