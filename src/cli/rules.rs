//! Rules that need more than one option to be broken. Each has its whole sentence.

use super::choices::{Container, Pace, Peer, Source, Target, Timestamps};
use super::options::{Command, CtlOptions, PushOptions, SinkOptions, TapOptions};
use super::usage_error::Mistake;
use crate::types::devices::{CameraFormat, DeviceChoice, MiddleChoice};
use crate::types::memory::MemoryChoice;
use crate::types::mux::Mux;
use crate::types::run_options::RunOptions;
use crate::types::segments::{SegmentLimit, SegmentPattern};
use crate::types::socket_name::SocketName;

/// Checks the options of a command against each other.
pub(super) fn check<'a>(command: &Command<'a>) -> Result<(), Mistake<'a>> {
    let broken = match command {
        Command::Run(options) => run(options),
        Command::Push(options) => push(options),
        Command::Tap(options) => tap(options),
        Command::Sink(options) => sink(options),
        Command::Ctl(options) => ctl(options),
        _ => None,
    };
    broken.map_or(Ok(()), |sentence| Err(Mistake::Rule(sentence)))
}

fn run(options: &RunOptions<'_>) -> Option<&'static str> {
    if options.camera.is_none() {
        if options.frames.is_some() {
            return Some("--frames goes with a camera; give --camera CAMERA");
        }
        if options.camera_format.is_some() {
            return Some("--camera-format goes with a camera; give --camera CAMERA");
        }
        if options.decoder != MiddleChoice::Auto {
            return Some("--decoder goes with a camera; give --camera CAMERA");
        }
        if options.camera_size.is_some() {
            return Some("--camera-size goes with a camera; give --camera CAMERA");
        }
        if options.flip.any() {
            return Some("--flip goes with a camera; give --camera CAMERA");
        }
        if options.converter != MiddleChoice::Auto {
            return Some("--converter goes with a camera; give --camera CAMERA");
        }
        if options.edid.is_some() {
            return Some("--edid goes with a camera; give --camera CAMERA");
        }
        if options.progressive {
            return Some(
                "--progressive goes with a camera; give --camera PATH (or push --progressive)",
            );
        }
    }
    if options.camera_format == Some(CameraFormat::Coded(options.codec)) && sets_encoder(options) {
        return Some(
            "--camera-format with the same --codec passes the camera's frames on, without an encoder; leave out what is for one: --device, \
             --decoder, --format, --memory, --control, and what the stream is to be like (--bitrate and so on)",
        );
    }
    if options.converter == MiddleChoice::Off && options.flip.any() {
        return Some("--flip needs a converter, and --converter off allows none");
    }
    if options.mux.is_some() && !options.stdout {
        return Some("--mux goes with --stdout (or tap --mux)");
    }
    let of_file = options.socket_mode.or(options.socket_group);
    if let (SocketName::Abstract(_), Some(_)) = (options.socket, of_file) {
        return Some(
            "--socket-mode and --socket-group go with a file, and an abstract socket (@NAME) has none; give --socket PATH, or name \
             users with --producer-uid and --control-uid",
        );
    }
    match (options.min_qp, options.max_qp) {
        (Some(least), Some(greatest)) if least > greatest => {
            Some("--min-qp is greater than --max-qp")
        }
        _ => None,
    }
}

/// Whether an option is given that only an encoder can follow, or a decoder.
fn sets_encoder(options: &RunOptions<'_>) -> bool {
    let numbers = [
        options.bitrate,
        options.gop,
        options.profile,
        options.level,
        options.min_qp,
        options.max_qp,
    ];
    numbers.iter().any(Option::is_some)
        || options.bitrate_mode.is_some()
        || options.repeat_headers.is_some()
        || options.format.is_some()
        || options.memory != MemoryChoice::Auto
        || options.device != DeviceChoice::Auto
        || options.decoder != MiddleChoice::Auto
        || options.camera_size.is_some()
        || options.flip.any()
        || options.converter != MiddleChoice::Auto
        || !options.controls.is_empty()
}

fn push(options: &PushOptions<'_>) -> Option<&'static str> {
    let arrival = options.timestamps == Some(Timestamps::Arrival);
    if options.live && options.pace == Pace::Max && !arrival {
        return Some(
            "--live drops frames that come too late, and with --fps max none has a time; give --fps N",
        );
    }
    match options.from {
        Source::Pattern if arrival => {
            Some("--timestamps arrival goes with a file or pipe; give --from FILE or --from -")
        }
        Source::Stdin if options.repeat => {
            Some("--loop: standard input cannot be rewound; give --from FILE")
        }
        Source::Pattern if options.container != Container::Auto => {
            Some("--raw and --y4m go with a file or pipe; give --from FILE or --from -")
        }
        Source::Pattern if options.stride.is_some() || options.rows.is_some() => {
            Some("--stride and --rows go with a file or pipe; give --from FILE or --from -")
        }
        Source::Pattern if options.pad => {
            Some("--pad goes with a file or pipe; give --from FILE or --from -")
        }
        _ => None,
    }
}

fn tap(options: &TapOptions<'_>) -> Option<&'static str> {
    let datagrams = matches!(options.to, Target::Peer(Peer::Udp(_), _));
    if datagrams && options.mux != Mux::Ts {
        return Some(
            "--to udp: sends MPEG-TS, which readers can join and lose parts of; give --mux ts",
        );
    }
    let numbered = match options.to {
        Target::File(path) => SegmentPattern::new(path.to_bytes()).is_some(),
        _ => false,
    };
    match (options.segment, options.keep) {
        (None, Some(_)) => Some("--keep goes with --segment; give --segment TIME or SIZE"),
        (None, None) => {
            numbered.then_some("--to: %n is a segment's number; give --segment TIME or SIZE")
        }
        (Some(_), _) if !numbered => Some(
            "--segment writes files that have a number; give --to DIR/NAME-%n.ts, with one %n, in a name of 245 other bytes at most",
        ),
        (Some(_), _) if options.mux == Mux::Mjpeg => Some(
            "--segment: --mux mjpeg is for readers, and not for files; give --mux annexb, mp4 or packets",
        ),
        (Some(_), _) if options.pts.is_some() => Some(
            "--pts has the times of one file; with --segment they are in the files (--mux ts, mp4 or packets) and in --index",
        ),
        (Some(SegmentLimit::Bytes(segment)), Some(keep)) if keep < segment => {
            Some("--keep has no room for one --segment; give a larger one")
        }
        _ => None,
    }
}

fn sink(options: &SinkOptions<'_>) -> Option<&'static str> {
    if options.name.is_empty() {
        return Some("sink: no object given; give --ustreamer OBJECT");
    }
    options
        .layout
        .capacity(options.name.to_bytes())
        .is_none()
        .then_some(
            "--ustreamer: from --layout 6 on the object's room follows from its name; give NAME:h264 or NAME:jpeg",
        )
}

fn ctl(options: &CtlOptions<'_>) -> Option<&'static str> {
    options.action.is_none().then_some(
        "ctl: no action given; give key, bitrate BPS, gop N, control NAME|ID=VALUE or drain",
    )
}
