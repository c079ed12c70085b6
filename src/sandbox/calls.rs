//! The system calls that the engine's loop makes, each with its reason and its number on each architecture.
//!
//! Knows numbers of calls and of arguments. Must never know why a file is open: what a descriptor is good for was settled when it was
//! opened, or is Landlock's.

use crate::v4l2::abi;

/// A call that is permitted.
pub(super) struct Call {
    /// The kernel's names of it: on most architectures first, then those that some have.
    #[cfg(test)]
    pub(super) names: &'static str,
    /// In the order of `ARCHITECTURES`.
    pub(super) numbers: [u16; 3],
    pub(super) rule: Rule,
}

/// What a call's arguments must be.
pub(super) enum Rule {
    /// Anything.
    Any,
    /// The argument of this number is one of these.
    OneOf(u8, &'static [u32]),
    /// The argument of this number has none of these bits.
    Without(u8, u32),
}
use Rule::{Any, OneOf, Without};

/// `AUDIT_ARCH_…`: numbers of calls mean something else to a caller of another architecture.
pub(super) const ARCHITECTURES: [(&str, u32); 3] = [
    ("aarch64", 0xc000_00b7),
    ("arm", 0x4000_0028),
    ("x86_64", 0xc000_003e),
];

const FUTEX_WAKE: u32 = 1;
const SO_PEERCRED: u32 = 17;
const AF_UNIX: u32 = 1;
const PROT_EXEC: u32 = 4;
const F_ADD_SEALS: u32 = 1033;
/// `O_CREAT`, `O_TRUNC`, and the bit of `O_TMPFILE` that is its own.
const MAKES_FILES: u32 = 0o100 | 0o1000 | 0o20_000_000;

pub(super) const fn call(names: &'static str, numbers: [u16; 3], rule: Rule) -> Call {
    #[cfg(not(test))]
    let _ = names;
    Call {
        #[cfg(test)]
        names,
        numbers,
        rule,
    }
}

pub(super) const CALLS: &[Call] = &[
    // Most of all: frames in, coded buffers out; and whatever else the encoder or the camera is asked.
    call("ioctl", [29, 54, 16], OneOf(1, IOCTLS)),
    // Consumers that sleep are woken.
    call(
        "futex futex_time64",
        [98, 422, 202],
        OneOf(1, &[FUTEX_WAKE]),
    ),
    // Who a newcomer is.
    call("getsockopt", [209, 295, 55], OneOf(2, &[SO_PEERCRED])),
    // The wake sockets of a newcomer, in one direction each.
    call("socketpair", [199, 288, 53], OneOf(0, &[AF_UNIX])),
    call("shutdown", [210, 293, 48], Any),
    // The encoder or the camera, when it has to be reopened.
    call("openat", [56, 322, 257], Without(2, MAKES_FILES)),
    // Its buffers, and slots for a stream of another size.
    call("mmap mmap2", [222, 192, 9], Without(2, PROT_EXEC)),
    // A memfd's size is sealed.
    call("fcntl fcntl64", [25, 221, 72], OneOf(1, &[F_ADD_SEALS])),
    // The loop's one wait, and whether a log line would have to wait.
    call("ppoll ppoll_time64", [73, 414, 271], Any),
    // What of that rarely happens: who is waited for, and who it was.
    call("epoll_ctl", [21, 251, 233], Any),
    call("epoll_pwait", [22, 346, 281], Any),
    // A moment's rest when that wait fails; the kernel's own call in its place, after the process was stopped.
    call("nanosleep clock_nanosleep_time64", [101, 407, 35], Any),
    call("restart_syscall", [128, 0, 219], Any),
    // What time it is.
    call("clock_gettime clock_gettime64", [113, 403, 228], Any),
    // Signals; a producer that wakes the loop.
    call("read", [63, 3, 0], Any),
    // The log.
    call("write", [64, 4, 1], Any),
    // Wakes a producer and consumers.
    call("sendto send", [206, 289, 44], Any),
    // Answers to clients, with descriptors.
    call("sendmsg", [211, 296, 46], Any),
    // Messages of clients, without descriptors and with them.
    call("recvfrom recv", [207, 291, 45], Any),
    call("recvmsg", [212, 297, 47], Any),
    // A newcomer.
    call("accept4", [242, 366, 288], Any),
    // Clients that left, and their buffers.
    call("close", [57, 6, 3], Any),
    // Whether a newcomer is of our own user.
    call("geteuid geteuid32", [175, 201, 107], Any),
    // Slots for a stream of another size that are copied from: made, sized, and what was before them let go.
    call("memfd_create", [279, 385, 319], Any),
    call("ftruncate ftruncate64", [46, 194, 77], Any),
    call("munmap", [215, 91, 11], Any),
    // What a former producer kept of them: freed.
    call("fallocate", [47, 352, 285], Any),
    // How much memory is free for them.
    call("sysinfo", [179, 116, 99], Any),
    call("pread64", [67, 180, 17], Any),
    // The end: the socket's file, if it still is ours, and the process.
    call("fstatat newfstatat statx", [79, 397, 262], Any),
    call("unlinkat", [35, 328, 263], Any),
    call("exit_group", [94, 248, 231], Any),
];

/// No calls: what a tracer makes of one that it withholds (strace on aarch64: 16 bits of -1). The kernel answers ENOSYS,
/// and the tracer what it likes.
pub(super) const NO_CALLS: [u32; 2] = [u32::MAX, u16::MAX as u32];

/// The ioctls that the running loop issues. One that is issued in the loop and is not here ends the process.
const IOCTLS: &[u32] = &[
    // Frames and packets. They come first: where the kernel interprets the filter, each comparison counts.
    abi::VIDIOC_DQBUF,
    abi::VIDIOC_QBUF,
    // A device is reopened.
    abi::VIDIOC_QUERYCAP,
    abi::VIDIOC_G_INPUT,
    // The encoder or the camera is set up again.
    abi::VIDIOC_G_FMT,
    abi::VIDIOC_S_FMT,
    abi::VIDIOC_S_PARM,
    abi::VIDIOC_G_PARM,
    abi::VIDIOC_S_SELECTION,
    abi::VIDIOC_REQBUFS,
    abi::VIDIOC_QUERYBUF,
    abi::VIDIOC_EXPBUF,
    abi::VIDIOC_PREPARE_BUF,
    abi::VIDIOC_STREAMON,
    abi::VIDIOC_STREAMOFF,
    abi::VIDIOC_ENCODER_CMD,
    abi::VIDIOC_DECODER_CMD,
    abi::VIDIOC_G_SELECTION,
    // Controls, at a set-up or for a client.
    abi::VIDIOC_QUERY_EXT_CTRL,
    abi::VIDIOC_G_EXT_CTRLS,
    abi::VIDIOC_S_EXT_CTRLS,
    abi::VIDIOC_QUERYMENU,
    // The camera's signal.
    abi::VIDIOC_SUBSCRIBE_EVENT,
    abi::VIDIOC_DQEVENT,
    abi::VIDIOC_QUERY_DV_TIMINGS,
    abi::VIDIOC_S_DV_TIMINGS,
    abi::VIDIOC_G_EDID,
    abi::VIDIOC_S_EDID,
];

/// The others that this program has a name for: issued before the sandbox closes, or by other commands.
pub(super) const ELSEWHERE: &[u32] = &[
    abi::VIDIOC_ENUM_FMT,
    abi::VIDIOC_CROPCAP,
    abi::VIDIOC_ENUM_FRAMESIZES,
    abi::DMA_BUF_IOCTL_SYNC,
    abi::UDMABUF_CREATE,
    abi::DMA_HEAP_IOCTL_ALLOC,
];
// Whoever adds an ioctl says where it is issued.
const _: () = assert!(IOCTLS.len() + ELSEWHERE.len() == abi::IOCTLS.len());
