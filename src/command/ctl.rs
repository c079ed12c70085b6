//! `framemill ctl`: one change to an engine that is running, and what came of it.
//!
//! Prints one line, `NAME VALUE`, with the value that the driver made of it: `bitrate 2000000`. After the value of a menu
//! stands the item's name: `control 1 (Constant Bitrate)`.

use rustix::io::Errno;

use crate::cli::{Action, CtlOptions};
use crate::client::{self, Change, Outcome};
use crate::command::connect::{Patience, connect};
use crate::command::output::print;
use crate::command::stop::Stop;
use crate::control::message::CHANGE_NAME_BYTES;
use crate::errno::call::{Call, IoctlError};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::media::h264::level_name;
use crate::text::Name;
use crate::types::control_setting::{ControlName, ControlSetting, ControlValue};
use crate::v4l2::controls::NotSet;

pub(super) fn ctl(options: &CtlOptions<'_>) -> Result<(), Failure> {
    // The command line has an action.
    let action = options.action.unwrap_or(Action::KeyFrame);
    let (what, change) = change(action);
    let stop = Stop::default();
    let ask = |change| {
        let uid = options.engine_uid;
        connect(
            &options.socket,
            uid,
            Patience::Ms(options.wait_ms),
            &stop,
            |engine| client::change(engine, change),
        )
    };
    let outcome = match (ask(change)?, action) {
        // The control's number; its item is for a second message, because one has no room for both names.
        (Outcome::Done(id), Action::Control(setting)) if is_question(&change) => {
            let ControlValue::Item(item) = setting.value else {
                return print(format_args!("{what} {id}\n"));
            };
            // No driver has a number of more bits.
            ask(Change::ControlItem(id as u32, name(item)))?
        }
        (outcome, _) => outcome,
    };
    let error = match outcome {
        Outcome::Done(value) => {
            return print(format_args!("{what} {value}\n"));
        }
        Outcome::Item(value, name) => {
            return print(format_args!("{what} {value} ({})\n", Name(name)));
        }
        Outcome::Fixed(value, name) => {
            return Err(failure!(
                Exit::Refused,
                "{what}: it stays {value} ({}) while the engine runs; give run another",
                Name(name)
            ));
        }
        Outcome::AboveLevel {
            level,
            max_bitrate,
            needed,
        } => return Err(above_level(what, level, max_bitrate, needed)),
        Outcome::Absent => NotSet::Absent,
        Outcome::NoControl(near) => NotSet::NoControl(Name(near)),
        Outcome::NoItem(near) => NotSet::NoItem(Name(near)),
        Outcome::Refused {
            errno,
            device,
            range,
            step,
        } => {
            let call = if device {
                Call::SExtCtrlsApply
            } else {
                Call::SExtCtrls
            };
            let errno = Errno::from_raw_os_error(errno.clamp(1, 4095) as i32);
            NotSet::Value(IoctlError::new(call, errno), range.0, range.1, step)
        }
    };
    Err(failure!(Exit::Refused, "{what}: {error}"))
}

/// The action's name and its message.
fn change<'a>(action: Action<'a>) -> (&'a str, Change) {
    match action {
        Action::KeyFrame => ("key", Change::KeyFrame),
        Action::Bitrate(bits) => ("bitrate", Change::Bitrate(bits)),
        Action::Gop(frames) => ("gop", Change::Gop(frames)),
        Action::Drain => ("drain", Change::Drain),
        Action::Control(setting) => ("control", control(setting)),
    }
}

/// The first message about a control.
fn control(setting: ControlSetting<'_>) -> Change {
    match (setting.name, setting.value) {
        (ControlName::Id(id), ControlValue::Number(value)) => Change::ControlId(id, value),
        (ControlName::Id(id), ControlValue::Item(item)) => Change::ControlItem(id, name(item)),
        (ControlName::Name(word), ControlValue::Number(value)) => {
            Change::ControlName(name(word), value)
        }
        (ControlName::Name(word), ControlValue::Item(_)) => Change::FindControl(name(word)),
    }
}

fn is_question(change: &Change) -> bool {
    matches!(change, Change::FindControl(_))
}

/// A name as the message has it; the command line lets no longer one through.
fn name(word: &[u8]) -> [u8; CHANGE_NAME_BYTES] {
    word.iter().copied().collect::<Name>().0
}

/// The level's limit, and what would lift it.
fn above_level(what: &str, level: u32, max_bitrate: u32, needed: Option<u32>) -> Failure {
    let level = level_name(level.into());
    match needed {
        Some(needed) => failure!(
            Exit::Refused,
            "{what}: level {level} allows {max_bitrate} bit/s and stays while the engine runs; for more start it with --level {}",
            level_name(needed.into())
        ),
        None => failure!(
            Exit::Refused,
            "{what}: level {level} allows {max_bitrate} bit/s, and no H.264 level allows so much"
        ),
    }
}
