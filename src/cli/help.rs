//! Help texts, written from the table of options and the table of exit codes at print time.
//!
//! Knows layout only: what an option is called and what it does stands in `table`.

use core::fmt;

use super::options::Topic;
use super::table::{COMMANDS, Entry};
use super::wants::Wants;
use crate::exit::EXIT_CODES;

impl Topic {
    /// The word after `framemill`; empty for the program itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.entry().map_or("", |entry| entry.name)
    }

    pub(super) fn entry(self) -> Option<&'static Entry> {
        COMMANDS.iter().find(|entry| entry.topic == self)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry() {
            Some(entry) => command(entry, f),
            None => program(f),
        }
    }
}

fn program(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("framemill: keeps a V4L2 memory-to-memory video encoder fed\n\n")?;
    f.write_str("usage: framemill COMMAND [OPTION]...\n\n")?;
    for entry in &COMMANDS {
        line(f, entry.name, entry.summary)?;
        f.write_str("\n")?;
    }
    line(f, "help [COMMAND]", "this text, or a command's options\n")?;
    line(f, "--version", "name and version\n")?;
    f.write_str("\nexit codes:\n")?;
    f.write_str(EXIT_CODES)
}

fn command(entry: &Entry, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "framemill {0}: {1}\n\nusage: framemill {0}{2} [OPTION]...\n\n",
        entry.name, entry.summary, entry.required
    )?;
    for option in entry.options {
        line(f, option.usage, option.help)?;
        if let Wants::Number(numbers) = option.wants {
            write!(f, "; {numbers}")?;
        }
        f.write_str("\n")?;
    }
    Ok(())
}

/// How wide the first column is.
const COLUMN: usize = 27;

/// A name and what it is, in two columns; a name that is too long for its column has a line of its own.
fn line(f: &mut fmt::Formatter<'_>, mut name: &str, text: &str) -> fmt::Result {
    if name.len() > COLUMN {
        writeln!(f, "  {name}")?;
        name = "";
    }
    write!(f, "  {name:<COLUMN$}  {text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    /// What each command promises, as README shows it.
    const USAGE: [(Topic, &str); 8] = [
        (
            Topic::Run,
            "[--device PATH|auto] [--size WxH] [--format FOURCC] [--fps N[/D]] [--codec FOURCC] [--bitrate BPS] [--bitrate-mode vbr|cbr] \
             [--gop N] [--profile NAME] [--level auto|N] [--min-qp N] [--max-qp N] [--repeat-headers on|off] \
             [--control NAME|ID=VALUE] [--socket PATH|@NAME] [--socket-mode OCTAL] [--socket-group GID] [--producer-uid UID] \
             [--control-uid UID] [--frame-slots N] [--packet-ring BYTES] [--memory auto|export|copy] [--stall-ms N] [--drain-ms N] \
             [--wait-device MS] [--camera CAMERA] [--camera-format FOURCC] [--decoder PATH|auto|off] [--camera-size WxH] [--flip h|v|hv] [--converter PATH|auto|off] [--color-range full|limited] [--colorspace SPACE] [--progressive] [--edid FILE|MODE] [--camera-wait MS] [--frames N] [--idle stop[:MS]] [--once] [--stdout] [--mux annexb|ts|mp4|mjpeg|packets] [--ready-fd N] [--user UID[:GID]] \
             [--no-sandbox] [--realtime PRIORITY] [--cpu N] [--log LEVEL] \
             [--log-to stderr|kmsg]",
        ),
        (
            Topic::Push,
            "[--socket PATH|@NAME] [--engine-uid UID] [--size WxH] [--format FOURCC] [--from FILE|-|pattern] [--raw] [--y4m] [--stride BYTES] [--rows N] [--pad] [--color-range full|limited] [--colorspace SPACE] [--progressive] [--fps N[/D]|max] [--timestamps header|arrival] [--live] [--frames N] [--loop] [--memory KIND] [--progress auto|on|off] [--wait MS]",
        ),
        (
            Topic::Tap,
            "[--socket PATH|@NAME] [--engine-uid UID] [--to FILE|-|SOCKET] [--segment TIME|SIZE] [--keep SIZE] [--mux annexb|ts|mp4|mjpeg|packets] [--from oldest|key|live|-AGE] [--frames N] [--index FILE] [--pts FILE] [--all] [--progress auto|on|off] [--reconnect MS] [--wait MS]",
        ),
        (
            Topic::Sink,
            "[--socket PATH|@NAME] [--engine-uid UID] [--ustreamer OBJECT] [--layout 2|3|4|6|7|8|10] [--mode OCTAL] [--remove] [--reconnect MS] [--wait MS]",
        ),
        (
            Topic::Stat,
            "[--socket PATH|@NAME] [--engine-uid UID] [--watch [MS]] [--all] [--json] [--check [MS]]",
        ),
        (
            Topic::Ctl,
            "[key] [bitrate BPS] [gop N] [control NAME|ID=VALUE] [drain] [--socket PATH|@NAME] [--engine-uid UID] [--wait MS]",
        ),
        (Topic::Probe, "[--device PATH] [--json]"),
        (
            Topic::Selftest,
            "[--device PATH|auto] [--size WxH] [--json]",
        ),
    ];

    #[test]
    fn every_option_promised_is_in_the_commands_help_and_no_other() {
        for (topic, usage) in USAGE {
            let help = topic.to_string();
            let rows = topic.entry().unwrap().options;
            for row in rows {
                let bracketed = format!("[{}]", row.usage);
                let promised = usage.contains(&bracketed);
                assert!(promised, "{} is not in the usage", row.usage);
                assert!(help.contains(row.usage));
            }
            let values = rows.iter().filter(|row| row.optional()).count();
            let brackets = usage.matches(" [").count() - values;
            assert_eq!(brackets + 1, rows.len(), "{usage}");
        }
    }

    #[test]
    fn main_help_lists_commands_and_every_exit_code() {
        let help = Topic::Main.to_string();
        assert!(help.ends_with(EXIT_CODES));
        for entry in &COMMANDS {
            assert!(help.contains(&format!("\n  {} ", entry.name)));
        }
    }

    #[test]
    fn help_lines_are_whole_and_their_columns_line_up() {
        let mut all = Topic::Main.to_string();
        for entry in &COMMANDS {
            all += &entry.topic.to_string();
        }
        assert!(all.ends_with('\n') && all.is_ascii());
        assert!(all.lines().all(|line| line.len() <= 136), "{all}");
        for entry in &COMMANDS {
            let text = entry.topic.to_string();
            let lines: Vec<_> = text.lines().collect();
            for option in entry.options {
                let name = option.usage;
                let has = |line: &&str| line.starts_with(&format!("  {name}"));
                let at = lines.iter().position(has).unwrap();
                let described = lines[at + usize::from(name.len() > COLUMN)];
                let column = described.find(option.help);
                assert_eq!(column, Some(2 + COLUMN + 2), "{name}");
            }
        }
        assert!(all.len() < 14 * 1024, "{} bytes of help", all.len());
    }

    #[test]
    fn ranges_in_help_are_the_limits() {
        use crate::limits::*;
        let run: String = Topic::Run.to_string();
        for range in [
            format!("{FRAME_SIDE_MIN}x{FRAME_SIDE_MIN} to {FRAME_SIDE_MAX}x{FRAME_SIDE_MAX}"),
            format!("1/{FRAME_RATE_MIN_DIVISOR} to {FRAME_RATE_MAX},"),
            format!("up to {CONTROLS} times"),
            format!("up to {USERS} times"),
            format!(
                "default {FRAME_SLOTS_DEFAULT}, with a camera {CAMERA_SLOTS_DEFAULT}, or the driver's minimum"
            ),
            format!("{IDLE_MS_MIN} to {WAIT_MS_MAX} ms; {IDLE_MS_DEFAULT} if not given"),
            format!("; {FRAME_SLOTS_MIN} to {FRAME_SLOTS_MAX}\n"),
            format!("; {DEADLINE_MS_MIN} to {DEADLINE_MS_MAX}\n"),
        ] {
            assert!(run.contains(&range), "{range}");
        }
        let socket = &Topic::Stat.entry().unwrap().options[0];
        assert!(
            socket
                .help
                .contains(&format!("1 to {SOCKET_NAME_BYTES} bytes"))
        );
    }
}
