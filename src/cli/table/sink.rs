//! The options of `framemill sink`.

use super::clients::{ENGINE_UID, RECONNECT, SOCKET, WAIT};
use crate::cli::option::{CliOption, Takes, option, set};
use crate::cli::value;

pub(super) static SINK: [CliOption; 8] = [
    SOCKET,
    ENGINE_UID,
    option(
        "--ustreamer",
        "OBJECT",
        "its name in /dev/shm, from layout 6 on with :h264 or :jpeg at its end",
        Takes::Text,
        set!(Sink, options, value => options.name = value::object(value.text)?),
    ),
    option(
        "--layout",
        "2|3|4|6|7|8|10",
        "the object's version: 2 of ustreamer 3.15 to 5.25, 10 of 6.62; default 10",
        Takes::Text,
        set!(Sink, options, value => options.layout = value::sink_layout(value.bytes())?),
    ),
    option(
        "--mode",
        "OCTAL",
        "the object's mode, readers write to it, too; default 660",
        Takes::Text,
        set!(Sink, options, value => options.mode = value::mode(value.bytes())?),
    ),
    option(
        "--remove",
        "",
        "remove the object at the end",
        Takes::Nothing,
        set!(Sink, options, _ => options.remove = true),
    ),
    RECONNECT,
    WAIT,
];
