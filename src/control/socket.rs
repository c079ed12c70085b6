//! The control socket: AF_UNIX SOCK_SEQPACKET, one 64-byte message a packet, descriptors by SCM_RIGHTS.
//!
//! Knows addresses, messages and descriptors; knows no roles. The listening side never waits on a peer: a peer that
//! does not read is an error to the caller. Descriptors that come where none are allowed are closed by being dropped.

use core::ffi::CStr;
use core::mem::MaybeUninit;

use arrayvec::ArrayVec;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, chmodat, chownat, fcntl_setfl, statat, unlink,
};
use rustix::io::{Errno, IoSlice, IoSliceMut, Result};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind,
    connect, getsockname, listen, recv, recvmsg, sendmsg, socket_with, sockopt,
};

use crate::control::claim::Claim;
use crate::control::message::{MESSAGE_FDS, MESSAGE_SIZE, Message};
use crate::limits::CONNECT_RETRY_MS;
use crate::time::{MS, now, timespec};
use crate::types::socket_name::SocketName;
use crate::types::users::Users;

/// Descriptors that came with a message.
pub type Descriptors = ArrayVec<OwnedFd, MESSAGE_FDS>;

const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(MESSAGE_FDS));

#[inline(never)]
fn address(name: &SocketName<'_>) -> Result<SocketAddrUnix> {
    match name {
        SocketName::Path(path) => SocketAddrUnix::new(*path),
        SocketName::Abstract(name) => SocketAddrUnix::new_abstract_name(name),
    }
}

fn new_socket(flags: SocketFlags) -> Result<OwnedFd> {
    new_socket_of(SocketType::SEQPACKET, flags)
}

fn new_socket_of(kind: SocketType, flags: SocketFlags) -> Result<OwnedFd> {
    socket_with(
        AddressFamily::UNIX,
        kind,
        flags | SocketFlags::CLOEXEC,
        None,
    )
}

/// The listening end. A socket file is removed again when this is dropped.
#[derive(Debug)]
pub struct Listener<'a> {
    fd: OwnedFd,
    /// The file that is removed at the end, and its inode.
    file: Option<(&'a CStr, u64)>,
    /// Whether no file guards it: it has an abstract name.
    pub unguarded: bool,
}

impl<'a> Listener<'a> {
    /// Listens at `name`. A file that a dead engine left behind is replaced; a living engine's is not. `mode` is the
    /// file's permission bits, `group` its group, if not this process's; abstract names have none.
    ///
    /// # Errors
    /// `ADDRINUSE` when another process listens there, `NOTSOCK` when something else lies there; otherwise those of
    /// socket(2), bind(2), chown(2), chmod(2), listen(2).
    pub fn bind(name: SocketName<'a>, mode: u32, group: Option<u32>) -> Result<Self> {
        let address = address(&name)?;
        let fd = new_socket(SocketFlags::NONBLOCK)?;
        // Until the socket listens: before, it looks dead to another engine.
        let _claim = match name {
            SocketName::Path(path) => Some(Claim::take(path)?),
            SocketName::Abstract(_) => None,
        };
        match (bind(&fd, &address), name) {
            (Err(Errno::ADDRINUSE), SocketName::Path(path)) => {
                // Connecting to any other file is refused, too, and that file is somebody's.
                let there = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(there.st_mode) != FileType::Socket {
                    return Err(Errno::NOTSOCK);
                }
                let probe = new_socket(SocketFlags::NONBLOCK)?;
                if connect(&probe, &address) != Err(Errno::CONNREFUSED) {
                    return Err(Errno::ADDRINUSE);
                }
                unlink(path)?;
                bind(&fd, &address)?;
            }
            (result, _) => result?,
        }
        let mut listener = Self {
            fd,
            file: None,
            unguarded: true,
        };
        if let SocketName::Path(path) = name {
            listener.file = Some((path, inode(path)?));
            listener.unguarded = false;
            if group.is_some() {
                let group = group.map(Gid::from_raw);
                chownat(CWD, path, None, group, AtFlags::SYMLINK_NOFOLLOW)?;
            }
            chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())?;
        }
        listen(&listener.fd, 16)?;
        Ok(listener)
    }

    /// Takes over a socket that listens already. Its file is somebody else's, and stays.
    ///
    /// # Errors
    /// `PROTOTYPE` when it is no such socket as `bind` makes; those of getsockopt(2), such as `NOTSOCK`.
    pub fn adopt(fd: OwnedFd) -> Result<Self> {
        let listens = sockopt::socket_acceptconn(&fd)?;
        let name = SocketAddrUnix::try_from(getsockname(&fd)?);
        match name {
            Ok(name) if listens && sockopt::socket_type(&fd)? == SocketType::SEQPACKET => {
                fcntl_setfl(&fd, OFlags::NONBLOCK)?;
                let unguarded = name.path_bytes().is_none();
                Ok(Self {
                    fd,
                    file: None,
                    unguarded,
                })
            }
            _ => Err(Errno::PROTOTYPE),
        }
    }

    /// The socket's file, if it is ours.
    #[must_use]
    pub fn file(&self) -> Option<&'a CStr> {
        self.file.map(|(path, _)| path)
    }

    /// The next connection; `None` when nobody waits.
    ///
    /// # Errors
    /// Those of accept4(2), such as `MFILE`.
    pub fn accept(&self) -> Result<Option<OwnedFd>> {
        match accept_with(&self.fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for Listener<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        // A newer engine may have made itself a file where ours was removed.
        if let Some((path, ours)) = self.file
            && inode(path) == Ok(ours)
        {
            // A file that is gone already is what we want.
            let _ = unlink(path);
        }
    }
}

/// The inode of a file; of a link itself, not of what it leads to.
fn inode(path: &CStr) -> Result<u64> {
    Ok(statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?.st_ino)
}

/// Connects to an engine; the socket blocks afterwards, as a client's may. Tries until `deadline` (`CLOCK_MONOTONIC` ns) when so many
/// connections wait that there is no room for one more: an engine that is stuck accepts none of them, ever. Gives up when `stop` is
/// readable.
///
/// # Errors
/// `NOENT` and `CONNREFUSED` when no engine is there, `TIMEDOUT` when there is one that does not accept, `CANCELED` for `stop`; otherwise
/// those of socket(2) and connect(2).
pub fn dial(name: &SocketName<'_>, deadline: u64, stop: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    let fd = new_socket(SocketFlags::NONBLOCK)?;
    let address = address(name)?;
    loop {
        match connect(&fd, &address) {
            Err(Errno::AGAIN) if now() >= deadline => return Err(Errno::TIMEDOUT),
            Err(Errno::AGAIN) => {
                let mut set = ArrayVec::<PollFd<'_>, 1>::new();
                set.extend(stop.map(|stop| PollFd::from_borrowed_fd(stop, PollFlags::IN)));
                // An interrupted pause is as good as a whole one.
                let pause = timespec(u64::from(CONNECT_RETRY_MS) * MS);
                if poll(&mut set, Some(&pause)).is_ok_and(|ready| ready > 0) {
                    return Err(Errno::CANCELED);
                }
            }
            connected => {
                connected?;
                fcntl_setfl(&fd, OFlags::empty())?;
                return Ok(fd);
            }
        }
    }
}

/// Connects to a socket that takes datagrams.
///
/// # Errors
/// Those of socket(2) and connect(2).
pub fn dial_datagrams(name: &SocketName<'_>) -> Result<OwnedFd> {
    let fd = new_socket_of(SocketType::DGRAM, SocketFlags::empty())?;
    connect(&fd, &address(name)?)?;
    Ok(fd)
}

/// Connects to a socket that takes a stream. The connection never waits.
///
/// # Errors
/// Those of socket(2) and connect(2); `AGAIN` when too many wait to be accepted.
pub fn dial_stream(name: &SocketName<'_>) -> Result<OwnedFd> {
    let fd = new_socket_of(SocketType::STREAM, SocketFlags::NONBLOCK)?;
    connect(&fd, &address(name)?)?;
    Ok(fd)
}

/// Sends a message with its descriptors. Never raises SIGPIPE, and never waits.
///
/// # Errors
/// `AGAIN` when the peer does not read, `PIPE` when it is gone; otherwise those of sendmsg(2).
pub fn send(socket: impl AsFd, message: &Message, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
    debug_assert_eq!(descriptors.len(), message.descriptors());
    let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::TOOMANYREFS);
    }
    let bytes = message.encode();
    sendmsg(
        socket,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
    )?;
    Ok(())
}

/// Whether the peer runs as root, as our own user, or as one of those that are named.
#[must_use]
#[inline(never)]
pub fn trusted(socket: impl AsFd, named: &Users) -> bool {
    let peer = sockopt::socket_peercred(socket);
    peer.is_ok_and(|peer| {
        peer.uid.is_root()
            || peer.uid == rustix::process::geteuid()
            || named.name(peer.uid.as_raw())
    })
}

/// The user that the peer runs as: of a listener, the one that it had when it began to listen.
///
/// # Errors
/// Those of getsockopt(2).
pub fn peer_uid(socket: impl AsFd) -> Result<u32> {
    Ok(sockopt::socket_peercred(socket)?.uid.as_raw())
}

/// What came.
#[derive(Debug)]
pub enum Received {
    /// A message with as many descriptors as its kind has.
    Message(Message, Descriptors),
    /// Something that is no message, or one with too many or too few descriptors (they were closed).
    Malformed,
    /// The peer is gone.
    Closed,
    /// Nothing, yet.
    Nothing,
}

/// Receives one message; never waits.
///
/// # Errors
/// Those of recvmsg(2), except the ones that mean "nothing" or "closed".
pub fn receive(socket: impl AsFd) -> Result<Received> {
    let mut bytes = [0; MESSAGE_SIZE + 1];
    let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let mut reset = false;
    let answer = loop {
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        match recvmsg(&socket, &mut parts, &mut control, flags) {
            // A peer that closed without having read everything: the kernel reports that once, and before what it had said.
            Err(Errno::CONNRESET) if !reset => reset = true,
            answer => break answer,
        }
    };
    let result = match answer {
        Ok(result) => result,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Nothing),
        Err(Errno::CONNRESET | Errno::PIPE) => return Ok(Received::Closed),
        Err(errno) => return Err(errno),
    };
    let mut descriptors = Descriptors::new();
    let mut surplus = false;
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = part {
            for fd in fds {
                surplus |= descriptors.try_push(fd).is_err();
            }
        }
    }
    if result.bytes == 0 {
        return Ok(Received::Closed);
    }
    Ok(match Message::decode(&bytes[..result.bytes]) {
        Some(message) if !surplus && message.descriptors() == descriptors.len() => {
            Received::Message(message, descriptors)
        }
        _ => Received::Malformed,
    })
}

/// Receives one message of a client, none of which carries descriptors: those that come are never made ours. The kernel lets
/// them go for us, here or when the socket is closed unread; nobody can keep it from doing so before Linux 6.16 (`SO_PASSRIGHTS`).
///
/// # Errors
/// Those of recv(2), except the ones that mean "nothing" or "closed".
pub fn receive_plain(socket: impl AsFd) -> Result<Received> {
    let mut bytes = [0; MESSAGE_SIZE + 1];
    Ok(match recv(socket, &mut bytes, RecvFlags::DONTWAIT) {
        Ok((0, _)) | Err(Errno::CONNRESET | Errno::PIPE) => Received::Closed,
        Ok((length, _)) => match Message::decode(&bytes[..length]) {
            // The answer to an offer has to say that nothing of it was taken.
            Some(message)
                if message.descriptors() == 0 || matches!(message, Message::Import(_)) =>
            {
                Received::Message(message, Descriptors::new())
            }
            _ => Received::Malformed,
        },
        Err(Errno::AGAIN | Errno::INTR) => Received::Nothing,
        Err(errno) => return Err(errno),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::message::Refusal;
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::net::socketpair;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::NONBLOCK,
            None,
        )
        .unwrap()
    }

    #[test]
    fn a_message_arrives_with_its_descriptors() {
        let (a, b) = pair();
        let event = eventfd(0, EventfdFlags::empty()).unwrap();
        let message = Message::Packets { wake: true };
        send(&a, &message, &[event.as_fd(), event.as_fd()]).unwrap();
        match receive(&b).unwrap() {
            Received::Message(got, fds) => assert_eq!((got, fds.len()), (message, 2)),
            other => panic!("{other:?}"),
        }
        assert!(matches!(receive(&b).unwrap(), Received::Nothing));
        drop(a);
        assert!(matches!(receive(&b).unwrap(), Received::Closed));
    }

    #[test]
    fn descriptors_that_nobody_asked_for_make_it_garbage() {
        let (a, b) = pair();
        let event = eventfd(0, EventfdFlags::empty()).unwrap();
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [event.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        let bytes = Message::Observe.encode();
        sendmsg(
            &a,
            &[IoSlice::new(&bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .unwrap();
        assert!(matches!(receive(&b).unwrap(), Received::Malformed));
    }

    #[test]
    fn the_reason_of_a_peer_that_closed_with_words_of_ours_unread_arrives() {
        let (a, b) = pair();
        send(&a, &Message::Observe, &[]).unwrap();
        let reason = Message::Refused(Refusal::TooManyClients);
        send(&b, &reason, &[]).unwrap();
        drop(b);
        assert!(matches!(receive(&a).unwrap(), Received::Message(got, _) if got == reason));
        assert!(matches!(receive(&a).unwrap(), Received::Closed));
    }

    #[test]
    fn longer_and_shorter_packets_are_garbage() {
        let (a, b) = pair();
        for length in [1, MESSAGE_SIZE - 1, MESSAGE_SIZE + 1, 500] {
            rustix::net::send(&a, &std::vec![0; length], SendFlags::NOSIGNAL).unwrap();
            assert!(matches!(receive(&b).unwrap(), Received::Malformed));
        }
    }

    #[test]
    fn a_dead_engines_socket_file_is_replaced_and_a_living_ones_is_not() {
        let path =
            std::ffi::CString::new(std::format!("/tmp/framemill-{}.sock", std::process::id()))
                .unwrap();
        let name = SocketName::Path(&path);
        let listener = Listener::bind(name, 0o600, None).unwrap();
        assert_eq!(
            Listener::bind(name, 0o600, None).unwrap_err(),
            Errno::ADDRINUSE
        );
        let _client = dial(&name, 0, None).unwrap();
        assert!(listener.accept().unwrap().is_some());
        // A dead engine: the socket is closed, the file stays.
        let Listener { ref fd, .. } = listener;
        rustix::net::shutdown(fd, rustix::net::Shutdown::Both).unwrap();
        let second = Listener::bind(name, 0o600, None).unwrap();
        drop(second);
        assert_eq!(dial(&name, 0, None).unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn a_socket_is_taken_over_when_it_listens_and_its_file_stays() {
        let path = std::format!("/tmp/framemill-{}-adopted", std::process::id());
        let path = std::ffi::CString::new(path).unwrap();
        let name = SocketName::Path(&path);
        for (kind, listens) in [
            (SocketType::STREAM, true),
            (SocketType::SEQPACKET, false),
            (SocketType::SEQPACKET, true),
        ] {
            let fd = new_socket_of(kind, SocketFlags::empty()).unwrap();
            bind(&fd, &address(&name).unwrap()).unwrap();
            if listens {
                listen(&fd, 1).unwrap();
            }
            match Listener::adopt(fd) {
                Ok(listener) => {
                    assert!(listens && kind == SocketType::SEQPACKET);
                    assert!(!listener.unguarded && listener.file().is_none());
                    assert!(listener.accept().unwrap().is_none(), "it does not block");
                    let _client = dial(&name, 0, None).unwrap();
                    assert!(listener.accept().unwrap().is_some());
                }
                Err(errno) => assert_eq!(errno, Errno::PROTOTYPE),
            }
            unlink(&*path).unwrap();
        }
        let (a, _b) = pair();
        assert_eq!(Listener::adopt(a).unwrap_err(), Errno::PROTOTYPE);
        let fd = new_socket(SocketFlags::empty()).unwrap();
        let name = std::format!("framemill-{}-adopted", std::process::id());
        let name = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
        bind(&fd, &name).unwrap();
        listen(&fd, 1).unwrap();
        assert!(Listener::adopt(fd).unwrap().unguarded);
    }

    #[test]
    fn of_engines_that_start_on_a_dead_ones_socket_file_one_runs() {
        use std::sync::Barrier;
        use std::thread;

        let path =
            std::ffi::CString::new(std::format!("/tmp/framemill-{}-race", std::process::id()))
                .unwrap();
        let name = SocketName::Path(&path);
        for round in 0..200 {
            // It is closed without being removed, as when an engine is killed.
            let dead = new_socket(SocketFlags::empty()).unwrap();
            bind(&dead, &address(&name).unwrap()).unwrap();
            drop(dead);
            let start = Barrier::new(3);
            let running = thread::scope(|scope| {
                let engines: std::vec::Vec<_> = (0..3)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            Listener::bind(name, 0o600, None)
                        })
                    })
                    .collect();
                let answers = engines.into_iter().map(|engine| engine.join().unwrap());
                answers
                    .filter_map(|answer| match answer {
                        Ok(engine) => Some(engine),
                        Err(errno) => {
                            assert_eq!(errno, Errno::ADDRINUSE, "round {round}");
                            None
                        }
                    })
                    .collect::<std::vec::Vec<_>>()
            });
            assert_eq!(running.len(), 1, "round {round}");
            // It can be reached.
            dial(&name, 0, None).unwrap();
            assert!(running[0].accept().unwrap().is_some(), "round {round}");
        }
    }

    #[test]
    fn an_engine_that_accepts_nobody_is_given_up_at_the_deadline() {
        let text = std::format!("framemill-{}", std::process::id());
        let name = SocketName::Abstract(text.as_bytes());
        let _listener = Listener::bind(name, 0, None).unwrap();
        let mut waiting = std::vec::Vec::new();
        let refused = loop {
            match dial(&name, 0, None) {
                Ok(client) => waiting.push(client),
                Err(errno) => break errno,
            }
            assert!(waiting.len() < 100, "the queue of a listener ends");
        };
        assert_eq!(refused, Errno::TIMEDOUT);
        let begun = now();
        assert_eq!(
            dial(&name, begun + 50 * MS, None).unwrap_err(),
            Errno::TIMEDOUT
        );
        assert!((50 * MS..2000 * MS).contains(&(now() - begun)));
    }
}
