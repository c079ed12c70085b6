//! A simulated supervisor: the socket that the engine tells how it is, and what was heard there.

use core::cell::RefCell;
use core::ffi::CStr;

use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, bind, recv, socket_with,
};
use std::ffi::CString;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;
use std::{format, process};

use super::actors::Actor;
use super::clock;
use crate::time::MS;

/// The supervisor expects a message within so long.
pub(super) const WATCHDOG_NS: u64 = 400 * MS;

/// Messages, each with the time at which it was read.
pub(super) type Heard = Rc<RefCell<Vec<(u64, String)>>>;

/// A supervisor.
pub(super) struct Supervisor {
    socket: OwnedFd,
    heard: Heard,
    /// From one look to the next, ns.
    pause: u64,
    next: u64,
}

impl Supervisor {
    /// Gives its socket's name, too. The kernel keeps ten messages: one that looks seldom loses some.
    pub(super) fn new(number: u64, pause: u64, heard: Heard) -> (Self, &'static CStr) {
        let name = format!("framemill-notify-{}-{number}", process::id());
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).unwrap();
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
        bind(&socket, &address).unwrap();
        let name = CString::new(format!("@{name}")).unwrap();
        let this = Self {
            socket,
            heard,
            pause,
            next: clock::BEGIN,
        };
        (this, std::boxed::Box::leak(name.into_boxed_c_str()))
    }
}

impl Actor for Supervisor {
    fn next(&self) -> u64 {
        self.next
    }

    fn step(&mut self, now: u64) {
        self.next = now + self.pause;
        let mut bytes = [0; 200];
        while let Ok((length, _)) = recv(&self.socket, &mut bytes[..], RecvFlags::DONTWAIT) {
            let message = String::from_utf8_lossy(&bytes[..length]).into_owned();
            self.heard.borrow_mut().push((now, message));
        }
    }
}

/// Its last look, when the engine has ended.
impl Drop for Supervisor {
    fn drop(&mut self) {
        self.step(clock::now().unwrap_or(0));
    }
}

/// Whether an engine may speak so: each state once, and nothing but the end after the end has begun.
pub(super) fn check(heard: &[(u64, String)]) -> Result<(), String> {
    let (mut before, mut ending) = ("", false);
    for (at, message) in heard {
        let wrong = || {
            Err(format!(
                "at {at} the supervisor hears {message:?} after {before:?}"
            ))
        };
        let Some(news) = message.strip_suffix("WATCHDOG=1") else {
            return wrong();
        };
        if news.is_empty() && !before.is_empty() {
            continue;
        }
        let ends = news.starts_with("STOPPING=1\nSTATUS=draining\n");
        if news == before || !ends && (ending || !news.starts_with("READY=1\nSTATUS=")) {
            return wrong();
        }
        (before, ending) = (news, ends);
    }
    Ok(())
}
