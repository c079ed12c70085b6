//! Framemill on a real kernel: the static binary in the guest of `scripts/vm`, with the kernel's own encoder.
//!
//! Each test boots a guest of its own, runs one script in it, or several one after the other (`phases`), and looks at what they left. `scripts/test` runs
//! them; so does `cargo test --test guest -- --test-threads=2` once `scripts/build` has been run.

mod frames;
mod jpegs;
mod machine;
mod phases;
mod support;

/// Makes a test of each function, once with each of V4L2's two APIs.
macro_rules! both_apis {
    ($($(#[$attribute:meta])* fn $name:ident($guest:ident: &Guest) $body:block)*) => { $(
        mod $name {
            #[allow(unused_imports, reason = "not every body uses every import of its file")]
            use super::*;

            $(#[$attribute])*
            fn check($guest: &Guest) $body

            #[test]
            #[ignore = "boots the guest: scripts/test"]
            fn single_planar() {
                check(&Guest::new(stringify!($name), Api::Single));
            }

            #[test]
            #[ignore = "boots the guest: scripts/test"]
            fn multi_planar() {
                check(&Guest::new(stringify!($name), Api::Multi));
            }
        }
    )* };
}

mod accounting;
mod ahead;
mod answers;
mod appsrc;
mod away;
mod boards;
mod broken;
mod bytes;
mod c_clients;
mod camera;
mod camera_clock;
mod camera_identity;
mod camera_trouble;
mod chain;
mod colour;
mod consumers;
mod containers;
mod convert;
mod copies;
mod cost;
mod ctl;
mod decode;
mod decoder_model;
mod edid;
mod engine;
mod errors;
mod escalation;
mod fallbacks;
mod faults;
mod geometry;
mod h264;
mod hammer;
mod hostile;
mod idle;
mod import;
mod initscript;
mod kept;
mod latency;
mod live;
mod memsink;
mod model;
mod newcomers;
mod passthrough;
mod piped;
mod planes;
mod probe;
mod process;
mod producers;
mod programs;
mod progress;
mod python_clients;
mod rates;
mod recipes;
mod recording;
mod reshape;
mod sandbox;
mod schedule;
mod selftest;
mod soak;
mod stages;
mod strangers;
mod supervisor;
mod sweep;
mod tap_sandbox;
mod troubles;
mod users;
mod view;
mod wakes;
mod watch;
mod webcam;
mod widths;
