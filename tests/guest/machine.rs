//! Which processor the binary under test is for, and what is different there: names and numbers of system calls.
//!
//! An arm binary runs in the aarch64 guest, too. Its calls have arm's names and numbers then, the guest's own programs have aarch64's.

use std::fs;
use std::path::Path;

/// What the binary's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    Aarch64,
    Arm,
}

impl Machine {
    pub fn of(binary: &Path) -> Self {
        let bytes = fs::read(binary).unwrap();
        match bytes.get(18..20) {
            Some([183, 0]) => Self::Aarch64,
            Some([40, 0]) => Self::Arm,
            other => panic!("{}: machine {other:?} has no guest", binary.display()),
        }
    }

    /// For scripts: calls by their numbers, `ppoll` by the name that strace has for it, and two ioctls that have another size.
    pub fn words(self) -> &'static str {
        match self {
            Self::Aarch64 => {
                "ppoll=ppoll
                clone=220 execve=221 fdatasync=83 futex=98 getpid=172 ioctl=29 kill=129 mmap=222 mprotect=226 openat=56 ptrace=117 setuid=146
                socket=198 socketpair=199 unlinkat=35 g_fmt=0xc0d05604"
            }
            Self::Arm => {
                "ppoll=ppoll_time64
                clone=120 execve=11 fdatasync=148 futex=422 getpid=20 ioctl=54 kill=37 mmap=192 mprotect=125 openat=322 ptrace=26 setuid=213
                socket=281 socketpair=288 unlinkat=328 g_fmt=0xc0cc5604"
            }
        }
    }
}

/// The name that most architectures have for a call.
pub fn usual_name(call: &str) -> &str {
    match call {
        "clock_gettime64" => "clock_gettime",
        "fcntl64" => "fcntl",
        "ftruncate64" => "ftruncate",
        "futex_time64" => "futex",
        "geteuid32" => "geteuid",
        "mmap2" => "mmap",
        "ppoll_time64" => "ppoll",
        "recv" => "recvfrom",
        "send" => "sendto",
        other => other,
    }
}
