//! The system calls that `tap`'s loop makes, each with its reason and its number on each architecture.
//!
//! Knows numbers of calls and of arguments, as `calls` does for the engine. Must never know what is written, nor where to.

use super::calls::{Call, Rule, call};
use Rule::{Any, OneOf, Without};

/// The loop itself, whatever it writes to.
pub(super) const LOOP: &[Call] = &[
    // The loop's one wait, and whether a log line would have to wait; the kernel's own call after the process was stopped.
    call("ppoll ppoll_time64", [73, 414, 271], Any),
    call("restart_syscall", [128, 0, 219], Any),
    // What time it is.
    call("clock_gettime clock_gettime64", [113, 403, 228], Any),
    // Signals.
    call("read", [63, 3, 0], Any),
    // Packets, lines, the log.
    call("write", [64, 4, 1], Any),
    // What wakes the loop, and what the engine says.
    call("recvfrom recv", [207, 291, 45], Any),
    call("recvmsg", [212, 297, 47], Any),
    // A key frame is asked for.
    call("sendmsg", [211, 296, 46], Any),
    // A segment is brought to the disk, then its name.
    call("fdatasync", [83, 148, 75], Any),
    call("fsync", [82, 118, 74], Any),
    // The next one is made, behind those that are there, and the oldest is deleted.
    call("openat", [56, 322, 257], Any),
    call("lseek _llseek", [62, 140, 8], Any),
    call("getdents64", [61, 217, 217], Any),
    call("fstatat newfstatat statx", [79, 397, 262], Any),
    call("unlinkat", [35, 328, 263], Any),
    // The end of all that, and of the process.
    call("close", [57, 6, 3], Any),
    call("munmap", [215, 91, 11], Any),
    call("exit_group", [94, 248, 231], Any),
];

/// With `--reconnect`: the next engine, its ring, and the reader of a socket.
pub(super) const RECONNECT: &[Call] = &[
    call(
        "socket",
        [198, 281, 41],
        OneOf(0, &[AF_UNIX, AF_INET, AF_INET6]),
    ),
    call("connect", [203, 283, 42], Any),
    call("getsockopt", [209, 295, 55], Any),
    // TCP_NODELAY.
    call("setsockopt", [208, 294, 54], Any),
    call(
        "fcntl fcntl64",
        [25, 221, 72],
        OneOf(1, &[F_GETFL, F_SETFL, F_GET_SEALS]),
    ),
    call("fstat statx", [80, 397, 5], Any),
    // Whether the engine is of our own user.
    call("geteuid geteuid32", [175, 201, 107], Any),
    call("mmap mmap2", [222, 192, 9], Without(2, PROT_EXEC)),
];

/// With `run --stdout`: the engine, its child, is asked to end, and its end is waited for.
pub(super) const ENGINE: &[Call] = &[
    call("kill", [129, 37, 62], OneOf(1, &[SIGTERM])),
    call("wait4", [260, 114, 61], Any),
];

const SIGTERM: u32 = 15;
const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const F_GETFL: u32 = 3;
const F_SETFL: u32 = 4;
const F_GET_SEALS: u32 = 1034;
const PROT_EXEC: u32 = 4;
