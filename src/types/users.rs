//! Users by their numbers. Names would take files that a small system does not have.

use crate::limits::USERS;

/// Whom to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// User id; neither root's 0 nor -1, which asks for no change.
    pub uid: u32,
    /// Group id; not -1.
    pub gid: u32,
}

/// Users who may do something, by their numbers. Root and the engine's own user need not be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users([u32; USERS]);

/// The number that the kernel gives to no user.
const NOBODY: u32 = u32::MAX;

impl Users {
    /// Nobody is named: whoever may connect.
    pub const ALL: Self = Self([NOBODY; USERS]);

    /// Names a user; `None` when there is no such number or no room.
    pub fn add(&mut self, uid: u32) -> Option<()> {
        let room = self.0.iter_mut().find(|place| **place == NOBODY)?;
        *room = uid;
        (uid != NOBODY).then_some(())
    }

    /// Whether nobody is named.
    #[must_use]
    pub fn all(&self) -> bool {
        self.0[0] == NOBODY
    }

    /// Whether this user is named.
    #[must_use]
    pub fn name(&self, uid: u32) -> bool {
        uid != NOBODY && self.0.contains(&uid)
    }
}
