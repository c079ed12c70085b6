//! Where an engine listens, and whose it may be. Knows names and users; opens nothing.

use rustix::fd::BorrowedFd;

use crate::types::socket_name::SocketName;

/// An engine's socket, and the user that the engine may run as. A path's folder decides who can listen there; an abstract name
/// (`@NAME`) is anybody's while no engine has it, so clients look at who does.
///
/// ```
/// use framemill::client::EngineAddress;
/// use framemill::client::SocketName;
///
/// // An engine of root's, or of this process's user.
/// let ours = EngineAddress::from(&SocketName::Abstract(b"mill"));
/// // Also one of user 990's.
/// let theirs = EngineAddress { uid: Some(990), ..ours };
/// # let _ = theirs;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EngineAddress<'a> {
    /// The socket.
    pub socket: SocketName<'a>,
    /// A user that the engine may run as, besides root and this process's effective user; `None` is no other.
    pub uid: Option<u32>,
    /// The wait for the engine's answer ends (`ClientError::Stopped`) when this is readable: a signalfd, or a pipe of another thread's.
    pub stop: Option<BorrowedFd<'a>>,
}

impl EngineAddress<'_> {
    /// Whether a process of this user is taken for the engine.
    pub(super) fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == rustix::process::geteuid().as_raw() || self.uid == Some(uid)
    }
}

impl<'a> From<&SocketName<'a>> for EngineAddress<'a> {
    fn from(socket: &SocketName<'a>) -> Self {
        Self {
            socket: *socket,
            uid: None,
            stop: None,
        }
    }
}

impl<'a> From<&EngineAddress<'a>> for EngineAddress<'a> {
    fn from(address: &EngineAddress<'a>) -> Self {
        *address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_own_user_are_trusted_and_others_only_by_name() {
        let own = rustix::process::geteuid().as_raw();
        let strange = own.wrapping_add(1).max(1);
        let mut address = EngineAddress::from(&SocketName::DEFAULT);
        assert!(address.trusts(0) && address.trusts(own) && !address.trusts(strange));
        address.uid = Some(strange);
        assert!(address.trusts(strange) && !address.trusts(strange + 1));
    }
}
