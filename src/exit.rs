//! The exit-code table, and the one place where an errno becomes an exit code.
//!
//! Knows codes. Knows no device, no socket, no file, and writes nothing.

use rustix::io::Errno;

/// Exit codes of every command, as src/command/README.md and `--help` list them. Stable: scripts and supervisors rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, all that was asked for.
    Success = 0,
    /// The command line is wrong: unknown option, missing or bad value.
    Usage = 2,
    /// No such device, or it is not a memory-to-memory encoder for the formats asked.
    NoDevice = 3,
    /// The encoder refused what it was asked for (size, format, control, combination).
    Refused = 4,
    /// A call on the device failed before the engine was running.
    Device = 5,
    /// The device was lost while running and did not come back.
    DeviceLost = 6,
    /// The encoder made no progress and could not be revived; a supervisor may start over.
    Stalled = 7,
    /// The drain did not reach the last buffer before its deadline; frames may be missing.
    DrainTimeout = 8,
    /// No engine answers at the socket, or the socket cannot be made.
    Socket = 9,
    /// The engine refused this client, or disconnected it.
    Rejected = 10,
    /// The input is not what it should be (not a whole number of frames, not Y4M, unreadable).
    Input = 11,
    /// Writing the output failed.
    Output = 12,
    /// `tap --all`: at least one packet was missed.
    Missed = 13,
    /// The system ran out of something (memory, file descriptors, CMA), or does not allow `--realtime`, `--cpu`, `--user` or `--socket-group`.
    Resource = 14,
    /// `--wait` or another time-out of the user's own passed.
    Timeout = 15,
    /// `stat --check`: the engine is there, and has not taken a turn for too long.
    Stuck = 16,
    /// `selftest`: the encoder does not do what it should.
    Selftest = 17,
    /// A bug of Framemill's own.
    Internal = 70,
}

impl Exit {
    const ALL: [Self; 18] = [
        Self::Success,
        Self::Usage,
        Self::NoDevice,
        Self::Refused,
        Self::Device,
        Self::DeviceLost,
        Self::Stalled,
        Self::DrainTimeout,
        Self::Socket,
        Self::Rejected,
        Self::Input,
        Self::Output,
        Self::Missed,
        Self::Resource,
        Self::Timeout,
        Self::Stuck,
        Self::Selftest,
        Self::Internal,
    ];

    /// The code of another process of this program; `None`: a signal ended it.
    #[must_use]
    pub fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&exit| exit as u8 == code)
    }
}

/// When a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A device node was opened, or asked what it is.
    Opening,
    /// The engine was set up.
    SettingUp,
    /// The engine ran, and recovery did not help.
    Running,
    /// A client set up its connection.
    Connecting,
    /// The control socket was made, or a client connected to it.
    AtSocket,
}

/// How a command ends because a call failed: the one place where an errno becomes an exit code.
#[must_use]
pub fn exit_of(when: When, errno: Errno) -> Exit {
    match (when, errno) {
        (When::Running, Errno::NODEV | Errno::NXIO | Errno::NOENT) => Exit::DeviceLost,
        (When::Running, _) => Exit::Stalled,
        (_, Errno::NOMEM | Errno::NOBUFS | Errno::MFILE | Errno::NFILE) => Exit::Resource,
        (When::Opening, _) => Exit::NoDevice,
        (When::SettingUp, _) => Exit::Device,
        (When::Connecting, _) => Exit::Resource,
        (When::AtSocket, _) => Exit::Socket,
    }
}

/// Every exit code with its meaning, in the order of the numbers, as `--help` prints them. One string, because a table takes 24 bytes
/// more for each of them.
pub const EXIT_CODES: &str = "   0  done
   2  the command line is wrong
   3  no such device, or no encoder for these formats
   4  the encoder rejected the settings
   5  a call on the device failed at start
   6  the device was lost while running
   7  the encoder stalled and could not be revived
   8  the drain did not end before its deadline, or a second signal came
   9  no engine at the socket, or the socket cannot be made
  10  the engine refused or disconnected this client
  11  the input is not what it should be
  12  writing the output failed
  13  tap --all: packets were missed
  14  out of memory, file descriptors or CMA; --realtime, --cpu, --user or --socket-group not allowed
  15  the time given by --wait passed
  16  stat --check: the engine is stuck
  17  selftest: a check failed
  70  a bug in framemill
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_of_the_system_is_named_as_such_until_the_engine_runs() {
        for when in [
            When::Opening,
            When::SettingUp,
            When::Connecting,
            When::AtSocket,
        ] {
            for errno in [Errno::NOMEM, Errno::NOBUFS, Errno::MFILE, Errno::NFILE] {
                assert_eq!(exit_of(when, errno), Exit::Resource);
            }
        }
        assert_eq!(exit_of(When::Running, Errno::NOMEM), Exit::Stalled);
        assert_eq!(exit_of(When::AtSocket, Errno::ACCESS), Exit::Socket);
    }

    #[test]
    fn a_device_is_lost_only_while_the_engine_runs() {
        for errno in [Errno::NODEV, Errno::NXIO, Errno::NOENT] {
            assert_eq!(exit_of(When::Opening, errno), Exit::NoDevice);
            assert_eq!(exit_of(When::SettingUp, errno), Exit::Device);
            assert_eq!(exit_of(When::Running, errno), Exit::DeviceLost);
        }
    }

    #[test]
    fn the_table_lists_each_code_once_in_ascending_order() {
        let numbers = EXIT_CODES.lines().map(|line| line[..4].trim().parse());
        assert!(numbers.eq(Exit::ALL.map(|exit| Ok(exit as u8))));
        assert!(EXIT_CODES.lines().all(|line| line[4..].starts_with("  ")));
        assert_eq!((Exit::of(70), Exit::of(137)), (Some(Exit::Internal), None));
    }
}
