//! `framemill ctl`: one change to an engine that is running, and what came of it.
//!
//! Prints one line, `NAME VALUE`, with the value that the driver made of it: `bitrate 2000000`.

use rustix::io::Errno;

use crate::cli::{Action, ControlName, ControlSetting, CtlOptions};
use crate::client::{self, Change, Outcome};
use crate::command::connect::connect;
use crate::command::stop::Stop;
use crate::control::message::CHANGE_NAME_BYTES;
use crate::error::{Exit, Failure};
use crate::failure;
use crate::v4l2::controls::NotSet;
use crate::v4l2::errno::{Call, IoctlError};

pub(super) fn ctl(options: &CtlOptions<'_>) -> Result<(), Failure> {
    // The command line has an action.
    let (what, change) = change(options.action.unwrap_or(Action::KeyFrame));
    let outcome = connect(
        &options.socket,
        options.engine_uid,
        options.wait_ms,
        &Stop::default(),
        |engine| client::change(engine, change),
    )?;
    let error = match outcome {
        Outcome::Done(value) => {
            return super::print(format_args!("{what} {value}\n"));
        }
        Outcome::Absent => NotSet::Absent,
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
        Action::Control(ControlSetting { name, value }) => match name {
            ControlName::Id(id) => ("control", Change::ControlId(id, value)),
            ControlName::Name(name) => {
                let mut bytes = [0; CHANGE_NAME_BYTES];
                // The command line lets no longer one through.
                for (place, &byte) in bytes.iter_mut().zip(name) {
                    *place = byte;
                }
                ("control", Change::ControlName(bytes, value))
            }
        },
    }
}
