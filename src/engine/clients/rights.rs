//! Who may do what at the control socket. Knows users and messages. Knows no role and no connection.

use rustix::fd::OwnedFd;

use crate::control::message::Message;
use crate::control::socket::trusted;
use crate::types::users::Users;

/// Who may do what.
#[derive(Clone, Copy, Debug)]
pub struct Rights {
    /// Producers may bring their own dma-bufs.
    pub import: bool,
    /// The socket's name is an abstract one, which anybody can connect to.
    pub abstract_socket: bool,
    /// Who may produce.
    pub producers: Users,
    /// Who may change the engine while it runs.
    pub changers: Users,
}

impl Rights {
    /// Whether the peer may ask for this. Where nobody is named, whoever may connect may: a socket's file has a mode and a folder for
    /// that, an abstract name has nothing, so it is for root, the engine's own user and users named for either right.
    #[must_use]
    pub fn allow(&self, message: &Message, socket: &OwnedFd) -> bool {
        match message {
            Message::Produce(_) if !self.producers.all() => trusted(socket, &self.producers),
            Message::Change(_) if !self.changers.all() => trusted(socket, &self.changers),
            _ => !self.abstract_socket || self.trust(socket),
        }
    }

    /// Whether the peer is trusted to produce or to change.
    #[must_use]
    pub fn trust(&self, socket: &OwnedFd) -> bool {
        trusted(socket, &self.producers) || trusted(socket, &self.changers)
    }
}
