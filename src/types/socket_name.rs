//! Where an engine listens: a file or an abstract name.

use core::ffi::CStr;

/// The socket's path when `--socket` is not given. `/run` is a tmpfs in an initramfs and on every current distribution.
pub const DEFAULT_SOCKET: &CStr = c"/run/framemill.sock";

/// The mode of the socket's file when `--socket-mode` is not given: owner and group may connect.
pub const DEFAULT_SOCKET_MODE: u32 = 0o660;

/// The control socket's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketName<'a> {
    /// A file, 1 to `SOCKET_NAME_BYTES` bytes.
    Path(&'a CStr),
    /// A name in the abstract namespace without the leading NUL (`@` on the command line), 1 to `SOCKET_NAME_BYTES` bytes.
    Abstract(&'a [u8]),
}

impl SocketName<'_> {
    /// `/run/framemill.sock`.
    pub const DEFAULT: Self = Self::Path(DEFAULT_SOCKET);
}

impl Default for SocketName<'_> {
    fn default() -> Self {
        Self::DEFAULT
    }
}
