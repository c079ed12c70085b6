//! What the engine reports to the supervisor that started it: that the engine runs, what it does, that its loop turns. systemd's protocol
//! (`NOTIFY_SOCKET`: one datagram a message), and s6's (a newline at `--ready-fd`).
//!
//! Knows messages and when they are due. A supervisor that does not read is not waited for: what it did not take is sent again.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::write;
use rustix::net::{SendFlags, send};

use crate::limits::HEARTBEAT_MS;
use crate::shm::layout::State;
use crate::text::Text;
use crate::time::{MS, timespec};

/// The supervisor, as far as there is one.
#[derive(Debug)]
pub struct Supervisor {
    /// Connected to the socket that takes messages.
    socket: Option<OwnedFd>,
    /// A newline goes here when the engine runs; then it is closed.
    ready: Option<OwnedFd>,
    /// From one message to the next at most, ns; `u64::MAX`: only when the state changes.
    interval_ns: u64,
    /// When the next message is due, ns.
    due_ns: u64,
    /// The state that was reported last, and whether it was one of the end.
    reported: Option<(State, bool)>,
}

impl Supervisor {
    /// Nothing has been sent.
    #[must_use]
    pub fn new(socket: Option<OwnedFd>, ready: Option<OwnedFd>, interval_ns: u64) -> Self {
        Self {
            socket,
            ready,
            interval_ns,
            due_ns: u64::MAX,
            reported: None,
        }
    }

    /// When `tell` has something to do without any news, ns.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        Some(self.due_ns)
    }

    /// Tells the state if it is news, and that the loop turns if that is due. `ending`: the engine will not run again.
    pub fn tell(&mut self, state: State, ending: bool, now_ns: u64) {
        if let Some(fd) = &self.ready {
            // A pipe has room for a byte when poll(2) says so.
            let takes = poll(&mut [PollFd::new(fd, PollFlags::OUT)], Some(&timespec(0)));
            if takes != Ok(0) {
                // If it cannot be reported, nobody is there.
                let _ = write(fd, b"\n");
                self.ready = None;
            }
        }
        let Some(socket) = &self.socket else {
            return;
        };
        let news = self.reported != Some((state, ending));
        if !news && now_ns < self.due_ns {
            return;
        }
        let lead = if ending { "STOPPING=1" } else { "READY=1" };
        let state_name = State::name(state as u32);
        let text = match news {
            true => Text::new(format_args!("{lead}\nSTATUS={state_name}\nWATCHDOG=1")),
            false => Text::new(format_args!("WATCHDOG=1")),
        };
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let mut pause_ns = self.interval_ns;
        match send(socket, text.as_str().as_bytes(), flags) {
            Ok(_) => self.reported = Some((state, ending)),
            Err(_) => pause_ns = pause_ns.min(u64::from(HEARTBEAT_MS) * MS),
        }
        self.due_ns = now_ns.saturating_add(pause_ns);
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::{Errno, read};
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, socketpair};
    use rustix::pipe::{PipeFlags, pipe_with};
    use std::string::{String, ToString};

    use super::*;

    const INTERVAL_NS: u64 = 1_000_000;

    fn watched() -> (Supervisor, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None).unwrap();
        (Supervisor::new(Some(ours), None, INTERVAL_NS), theirs)
    }

    /// The oldest message that was not read yet.
    fn heard(socket: &OwnedFd) -> Option<String> {
        let mut bytes = [0; 100];
        match recv(socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            Ok((length, _)) => Some(String::from_utf8_lossy(&bytes[..length]).to_string()),
            Err(errno) => {
                assert_eq!(errno, Errno::AGAIN);
                None
            }
        }
    }

    #[test]
    fn a_state_is_told_once_and_turns_when_half_the_time_has_passed() {
        let (mut supervisor, socket) = watched();
        let mut tell = |state, ending, now_ns| {
            supervisor.tell(state, ending, now_ns);
            (heard(&socket), supervisor.due_ns())
        };
        let text = |text: &str| Some(text.to_string());
        assert_eq!(
            tell(State::Running, false, 7),
            (
                text("READY=1\nSTATUS=running\nWATCHDOG=1"),
                Some(7 + INTERVAL_NS)
            )
        );
        assert_eq!(tell(State::Running, false, 6 + INTERVAL_NS).0, None);
        let watchdog = (text("WATCHDOG=1"), Some(7 + 2 * INTERVAL_NS));
        assert_eq!(tell(State::Running, false, 7 + INTERVAL_NS), watchdog);
        for (state, ending, message) in [
            (
                State::NoCamera,
                false,
                "READY=1\nSTATUS=no-camera\nWATCHDOG=1",
            ),
            (
                State::Draining,
                false,
                "READY=1\nSTATUS=draining\nWATCHDOG=1",
            ),
            (
                State::Draining,
                true,
                "STOPPING=1\nSTATUS=draining\nWATCHDOG=1",
            ),
        ] {
            assert_eq!(tell(state, ending, 8 + INTERVAL_NS).0, text(message));
        }
    }

    #[test]
    fn a_message_that_a_full_socket_does_not_take_is_sent_again() {
        let (mut supervisor, socket) = watched();
        let fill = || {
            while send(
                supervisor.socket.as_ref().unwrap(),
                b"x",
                SendFlags::DONTWAIT,
            )
            .is_ok()
            {}
        };
        fill();
        supervisor.tell(State::Running, false, 1);
        let again_ns = supervisor.due_ns().unwrap();
        assert!((2..=1 + u64::from(HEARTBEAT_MS) * MS).contains(&again_ns));
        while heard(&socket).is_some() {}
        supervisor.tell(State::Running, false, again_ns);
        let message = heard(&socket).unwrap();
        assert!(message.starts_with("READY=1\n"), "{message}");
        // So is one that only says that the loop turns.
        let socket_of_ours = supervisor.socket.as_ref().unwrap();
        while send(socket_of_ours, b"x", SendFlags::DONTWAIT).is_ok() {}
        supervisor.tell(State::Running, false, again_ns + INTERVAL_NS);
        while heard(&socket).is_some() {}
        let due_ns = supervisor.due_ns().unwrap();
        supervisor.tell(State::Running, false, due_ns);
        assert_eq!(heard(&socket).as_deref(), Some("WATCHDOG=1"));
    }

    #[test]
    fn a_supervisor_that_has_gone_costs_nothing() {
        let (mut supervisor, socket) = watched();
        drop(socket);
        supervisor.tell(State::Running, false, 1);
        assert!(supervisor.due_ns() > Some(1));
    }

    #[test]
    fn readiness_is_a_newline_and_then_the_end() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut supervisor = Supervisor::new(None, Some(writer), u64::MAX);
        let mut bytes = [0; 2];
        assert_eq!(read(&reader, &mut bytes), Err(Errno::AGAIN));
        supervisor.tell(State::Running, false, 1);
        supervisor.tell(State::Running, false, 2);
        assert_eq!(read(&reader, &mut bytes), Ok(1));
        assert_eq!(bytes[0], b'\n');
        assert_eq!(read(&reader, &mut bytes), Ok(0));
    }
}
