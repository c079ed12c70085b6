//! Every option of every command, once.
//!
//! The parser and the help text both read these, so neither can know an option that the other does not. To add an option, add its
//! field to `options` and its line to `table/run` or `table/clients`. Knows no bytes: `value` reads them.

mod clients;
mod devices;
mod run;
mod sink;

use super::option::CliOption;
use super::options::{
    Command, CtlOptions, ProbeOptions, PushOptions, SelftestOptions, SinkOptions, StatOptions,
    TapOptions, Topic,
};
use crate::media::memsink::SINK_LAYOUTS;
use crate::types::run_options::RunOptions;
use crate::types::size::Size;
use crate::types::socket_name::SocketName;

/// A command as the command line and the help know it.
pub(super) struct Entry {
    /// What `parse` and help call it.
    pub(super) topic: Topic,
    /// The word on the command line.
    pub(super) name: &'static str,
    /// What it is, a few words.
    pub(super) summary: &'static str,
    /// What must be given, with a space in front; the options in brackets follow.
    pub(super) required: &'static str,
    /// Its options in help's order.
    pub(super) options: &'static [CliOption],
    /// The command with every option at its default.
    pub(super) defaults: fn() -> Command<'static>,
}

/// Every command, in help's order.
pub(super) static COMMANDS: [Entry; 8] = [
    Entry {
        topic: Topic::Run,
        name: "run",
        summary: "the engine: frames in, coded packets out",
        required: "",
        options: &run::RUN,
        defaults: || {
            // Width 0 stands for a size not given; no `--size` can say it.
            Command::Run(RunOptions::new(Size {
                width: 0,
                height: 0,
            }))
        },
    },
    Entry {
        topic: Topic::Push,
        name: "push",
        summary: "a producer: a file, a pipe or a test pattern to the engine",
        required: "",
        options: &clients::PUSH,
        defaults: || Command::Push(PushOptions::default()),
    },
    Entry {
        topic: Topic::Tap,
        name: "tap",
        summary: "a consumer: packets to a file or a pipe",
        required: "",
        options: &clients::TAP,
        defaults: || Command::Tap(TapOptions::default()),
    },
    Entry {
        topic: Topic::Sink,
        name: "sink",
        summary: "a consumer: packets to readers of ustreamer's memory sink",
        required: " --ustreamer OBJECT",
        options: &sink::SINK,
        defaults: || {
            Command::Sink(SinkOptions {
                socket: SocketName::default(),
                engine_uid: None,
                name: c"",
                layout: SINK_LAYOUTS[SINK_LAYOUTS.len() - 1],
                mode: 0o660,
                remove: false,
                wait_ms: 0,
                reconnect_ms: None,
            })
        },
    },
    Entry {
        topic: Topic::Stat,
        name: "stat",
        summary: "the engine's counters and latencies",
        required: "",
        options: &clients::STAT,
        defaults: || Command::Stat(StatOptions::default()),
    },
    Entry {
        topic: Topic::Ctl,
        name: "ctl",
        summary: "changes an engine that is running",
        required: " ACTION",
        options: &clients::CTL,
        defaults: || Command::Ctl(CtlOptions::default()),
    },
    Entry {
        topic: Topic::Probe,
        name: "probe",
        summary: "the encoders here and what they can do",
        required: "",
        options: &devices::PROBE,
        defaults: || Command::Probe(ProbeOptions::default()),
    },
    Entry {
        topic: Topic::Selftest,
        name: "selftest",
        summary: "whether the encoder does what is needed, for a report",
        required: "",
        options: &devices::SELFTEST,
        defaults: || Command::Selftest(SelftestOptions::default()),
    },
];
