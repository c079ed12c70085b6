//! The options of `framemill sink`.

use super::clients::{ENGINE_UID, RECONNECT, SOCKET, WAIT};
use crate::cli::option::{CliOption, option, set};
use crate::cli::value;
use crate::cli::wants::Wants;
use crate::media::memsink::{SINK_LAYOUTS, SINK_VERSIONS};

pub(super) static SINK: [CliOption; 8] = [
    SOCKET,
    ENGINE_UID,
    option(
        "--ustreamer OBJECT",
        "its name in /dev/shm, from layout 6 on with :h264 or :jpeg at its end",
        value::OBJECT,
        set!(Sink, options, value => options.name = value::object(value.text)?),
    ),
    option(
        "--layout 2|3|4|6|7|8|10",
        "the object's version: 2 of ustreamer 3.15 to 5.25, 10 of 6.62; default 10",
        Wants::Word(SINK_VERSIONS),
        set!(Sink, options, value => options.layout = value.of(SINK_LAYOUTS)?),
    ),
    option(
        "--mode OCTAL",
        "the object's mode, readers write to it, too; default 660",
        value::MODE,
        set!(Sink, options, value => options.mode = value::mode(value.bytes())?),
    ),
    option(
        "--remove",
        "remove the object at the end",
        Wants::Nothing,
        set!(Sink, options, _ => options.remove = true),
    ),
    RECONNECT,
    WAIT,
];
