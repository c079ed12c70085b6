//! The options of the commands that look at devices: `framemill probe` and `framemill selftest`.

use crate::cli::option::{CliOption, option, set};
use crate::cli::value;
use crate::cli::wants::Wants;
use crate::types::devices::DeviceChoice;

pub(super) static SELFTEST: [CliOption; 3] = [
    option(
        "--device PATH|auto",
        "the encoder; default auto, the first for H264",
        value::DEVICE,
        set!(Selftest, options, value => options.device = value::device(value.text)?),
    ),
    option(
        "--size WxH",
        "this frame size only; without it 640x480, 1280x720 and 1920x1080",
        Wants::Size,
        set!(Selftest, options, value => options.size = Some(value::size(value.bytes())?)),
    ),
    option(
        "--json",
        "print JSON",
        Wants::Nothing,
        set!(Selftest, options, _ => options.json = true),
    ),
];

pub(super) static PROBE: [CliOption; 2] = [
    option(
        "--device PATH",
        "this device only; default all",
        value::DEVICE,
        set!(Probe, options, value => options.device = match value::device(value.text)? {
            DeviceChoice::Path(path) => Some(path),
            DeviceChoice::Auto => None,
        }),
    ),
    option(
        "--json",
        "print JSON",
        Wants::Nothing,
        set!(Probe, options, _ => options.json = true),
    ),
];
