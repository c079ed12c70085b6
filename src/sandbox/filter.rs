//! The system calls that the loop makes, each with its reason, as a filter that the kernel asks before every call. A call
//! that is not here ends the process.
//!
//! Knows numbers of calls and of arguments. The program is made when Framemill is compiled. Must never know why a file is
//! open: what a descriptor is good for was settled when it was opened, or is Landlock's.

use rustix::io::Result;

use super::kernel;

/// Puts the filter into force.
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
pub(super) fn install() -> Result<()> {
    kernel::filter(&table::PROGRAM)
}

/// Nobody has listed the calls of this architecture.
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
pub(super) fn install() -> Result<()> {
    let _ = kernel::filter;
    Err(rustix::io::Errno::NOSYS)
}

#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod table {
    use super::kernel::Instruction;
    use crate::v4l2::abi;
    use syscalls::Sysno;

    /// What a call's arguments must be.
    enum Rule {
        /// Anything.
        Any,
        /// The argument of this number is one of these.
        OneOf(u8, &'static [u32]),
        /// The argument of this number has none of these bits.
        Without(u8, u32),
    }
    use Rule::{Any, OneOf, Without};

    #[cfg(target_arch = "aarch64")]
    const FSTATAT: Sysno = Sysno::fstatat;
    #[cfg(target_arch = "x86_64")]
    const FSTATAT: Sysno = Sysno::newfstatat;

    const FUTEX_WAKE: u32 = 1;
    const SO_PEERCRED: u32 = 17;
    const AF_UNIX: u32 = 1;
    const PROT_EXEC: u32 = 4;
    const F_ADD_SEALS: u32 = 1033;
    /// `O_CREAT`, `O_TRUNC`, and the bit of `O_TMPFILE` that is its own.
    const MAKES_FILES: u32 = 0o100 | 0o1000 | 0o20_000_000;

    const CALLS: &[(Sysno, Rule)] = &[
        // Most of all: frames in, coded buffers out; and whatever else the encoder or the camera is asked.
        (Sysno::ioctl, OneOf(1, IOCTLS)),
        // Consumers that sleep are woken.
        (Sysno::futex, OneOf(1, &[FUTEX_WAKE])),
        // Who a newcomer is.
        (Sysno::getsockopt, OneOf(2, &[SO_PEERCRED])),
        // The wake sockets of a newcomer, in one direction each.
        (Sysno::socketpair, OneOf(0, &[AF_UNIX])),
        (Sysno::shutdown, Any),
        // The encoder or the camera, when it has to be reopened.
        (Sysno::openat, Without(2, MAKES_FILES)),
        // Its buffers, and slots for a stream of another size.
        (Sysno::mmap, Without(2, PROT_EXEC)),
        // A memfd's size is sealed.
        (Sysno::fcntl, OneOf(1, &[F_ADD_SEALS])),
        // The loop's one wait, and whether a log line would have to wait.
        (Sysno::ppoll, Any),
        // A moment's rest when that wait fails; the kernel's own call in its place, after the process was stopped.
        (Sysno::nanosleep, Any),
        (Sysno::restart_syscall, Any),
        // What time it is.
        (Sysno::clock_gettime, Any),
        // Signals; a producer that wakes the loop.
        (Sysno::read, Any),
        // The log.
        (Sysno::write, Any),
        // Wakes a producer and consumers.
        (Sysno::sendto, Any),
        // Answers to clients, with descriptors.
        (Sysno::sendmsg, Any),
        // Messages of clients, without descriptors and with them.
        (Sysno::recvfrom, Any),
        (Sysno::recvmsg, Any),
        // A newcomer.
        (Sysno::accept4, Any),
        // Clients that left, and their buffers.
        (Sysno::close, Any),
        // Whether a newcomer is of our own user.
        (Sysno::geteuid, Any),
        // Slots for a stream of another size that are copied from: made, sized, and what was before them let go.
        (Sysno::memfd_create, Any),
        (Sysno::ftruncate, Any),
        (Sysno::munmap, Any),
        // What a former producer kept of them: freed.
        (Sysno::fallocate, Any),
        // How much memory is free for them.
        (Sysno::sysinfo, Any),
        (Sysno::pread64, Any),
        // The end: the socket's file, if it still is ours, and the process.
        (FSTATAT, Any),
        (Sysno::unlinkat, Any),
        (Sysno::exit_group, Any),
    ];

    /// No calls: what a tracer makes of one that it withholds (strace on aarch64: 16 bits of -1). The kernel answers ENOSYS,
    /// and the tracer what it likes.
    const NO_CALLS: [u32; 2] = [u32::MAX, u16::MAX as u32];

    /// The ioctls that the running loop issues. One that is issued in the loop and is not here ends the process.
    const IOCTLS: &[u32] = &[
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
        // Frames and packets.
        abi::VIDIOC_QBUF,
        abi::VIDIOC_DQBUF,
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

    // Instructions: load a word, jump if equal, jump if a bit is set, end.
    pub(super) const LOAD: u16 = 0x20;
    pub(super) const EQUAL: u16 = 0x15;
    pub(super) const ANY_BIT: u16 = 0x45;
    pub(super) const END: u16 = 0x06;

    // How it ends.
    pub(super) const KILL_PROCESS: u32 = 0x8000_0000;
    pub(super) const ALLOW: u32 = 0x7fff_0000;

    // Where things are in `struct seccomp_data`. Of an argument the low word is looked at: what these calls take has no other.
    pub(super) const NUMBER: u32 = 0;
    pub(super) const ARCHITECTURE: u32 = 4;
    const _: () = assert!(cfg!(target_endian = "little"));
    pub(super) const fn argument(number: u8) -> u32 {
        16 + 8 * number as u32
    }

    /// `AUDIT_ARCH_AARCH64` and `AUDIT_ARCH_X86_64`: numbers of calls mean something else to a 32-bit caller.
    pub(super) const OURS: u32 = if cfg!(target_arch = "aarch64") {
        0xc000_00b7
    } else {
        0xc000_003e
    };

    /// The filter: first the calls whose arguments matter, each with an end of its own; then the others, which share one.
    pub(super) static PROGRAM: [Instruction; program().1] = {
        let (instructions, length) = program();
        let mut exact = [instructions[0]; program().1];
        let mut index = 0;
        while index < length {
            exact[index] = instructions[index];
            index += 1;
        }
        exact
    };

    const ROOM: usize = 256;

    const fn program() -> ([Instruction; ROOM], usize) {
        let mut to = Writer {
            instructions: [step(END, KILL_PROCESS, 0, 0); ROOM],
            length: 0,
        };
        to.push(step(LOAD, ARCHITECTURE, 0, 0));
        to.push(step(EQUAL, OURS, 1, 0));
        to.push(step(END, KILL_PROCESS, 0, 0));
        to.push(step(LOAD, NUMBER, 0, 0));
        let mut index = 0;
        let mut others = NO_CALLS.len();
        while index < CALLS.len() {
            let number = CALLS[index].0 as u32;
            match CALLS[index].1 {
                Any => others += 1,
                OneOf(argument_number, values) => {
                    let count = values.len();
                    to.push(step(EQUAL, number, 0, count + 3));
                    to.push(step(LOAD, argument(argument_number), 0, 0));
                    let mut value = 0;
                    while value < count {
                        // Past the rest of them, and the end for those that are none.
                        to.push(step(EQUAL, values[value], count - value, 0));
                        value += 1;
                    }
                    to.push(step(END, KILL_PROCESS, 0, 0));
                    to.push(step(END, ALLOW, 0, 0));
                }
                Without(argument_number, bits) => {
                    to.push(step(EQUAL, number, 0, 4));
                    to.push(step(LOAD, argument(argument_number), 0, 0));
                    to.push(step(ANY_BIT, bits, 0, 1));
                    to.push(step(END, KILL_PROCESS, 0, 0));
                    to.push(step(END, ALLOW, 0, 0));
                }
            }
            index += 1;
        }
        index = 0;
        while index < CALLS.len() {
            if let Any = CALLS[index].1 {
                to.push(step(EQUAL, CALLS[index].0 as u32, others, 0));
                others -= 1;
            }
            index += 1;
        }
        to.push(step(EQUAL, NO_CALLS[0], 2, 0));
        to.push(step(EQUAL, NO_CALLS[1], 1, 0));
        to.push(step(END, KILL_PROCESS, 0, 0));
        to.push(step(END, ALLOW, 0, 0));
        (to.instructions, to.length)
    }

    struct Writer {
        instructions: [Instruction; ROOM],
        length: usize,
    }

    impl Writer {
        const fn push(&mut self, instruction: Instruction) {
            self.instructions[self.length] = instruction;
            self.length += 1;
        }
    }

    const fn step(code: u16, operand: u32, then: usize, otherwise: usize) -> Instruction {
        assert!(then <= u8::MAX as usize && otherwise <= u8::MAX as usize);
        Instruction {
            code,
            then: then as u8,
            otherwise: otherwise as u8,
            operand,
        }
    }
}

#[cfg(test)]
#[cfg(any(target_arch = "aarch64", target_arch = "x86_64"))]
mod tests {
    use super::table::*;
    use crate::v4l2::abi;
    use syscalls::Sysno;

    /// What the kernel does with the program, for a call of ours with these first arguments.
    fn allowed_on(architecture: u32, number: u32, arguments: &[u32]) -> bool {
        let mut at = 0;
        let mut word = 0;
        loop {
            let step = PROGRAM[at];
            at += 1;
            let skipped = |holds: bool| usize::from(if holds { step.then } else { step.otherwise });
            match step.code {
                LOAD => {
                    word = match step.operand {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        offset => (0..6)
                            .find(|&index| argument(index) == offset)
                            .map(|index| arguments.get(usize::from(index)).copied().unwrap_or(0))
                            .expect("an argument"),
                    }
                }
                EQUAL => at += skipped(word == step.operand),
                ANY_BIT => at += skipped(word & step.operand != 0),
                END if step.operand == ALLOW => return true,
                END => {
                    assert_eq!(step.operand, KILL_PROCESS);
                    return false;
                }
                other => panic!("no instruction {other}"),
            }
        }
    }

    fn allowed(call: Sysno, arguments: &[u32]) -> bool {
        allowed_on(OURS, call as u32, arguments)
    }

    #[test]
    fn the_loops_calls_are_permitted() {
        for call in [
            Sysno::ppoll,
            Sysno::clock_gettime,
            Sysno::read,
            Sysno::write,
            Sysno::sendmsg,
            Sysno::accept4,
            Sysno::exit_group,
        ] {
            assert!(allowed(call, &[]), "{call}");
        }
        assert!(allowed_on(OURS, u32::MAX, &[]));
    }

    #[test]
    fn others_end_the_process() {
        for call in [
            Sysno::execve,
            Sysno::clone,
            Sysno::socket,
            Sysno::connect,
            Sysno::bind,
            Sysno::ptrace,
            Sysno::kill,
            Sysno::mprotect,
            Sysno::prctl,
            Sysno::setuid,
            Sysno::mount,
        ] {
            assert!(!allowed(call, &[]), "{call}");
        }
        // By number, every one there is: a mistake in a jump would let one through.
        let permitted = (0..1024).filter(|&number| allowed_on(OURS, number, &[]));
        // Without arguments these are refused: ioctl, futex, getsockopt, socketpair, fcntl.
        assert_eq!(permitted.count(), 30 - 5);
    }

    #[test]
    fn only_ioctls_that_the_loop_issues_are_permitted() {
        let numbers = abi::IOCTLS.iter().map(|row| row.value[abi::WIDTH] as u32);
        for number in numbers {
            let elsewhere = ELSEWHERE.contains(&number);
            assert_eq!(
                allowed(Sysno::ioctl, &[9, number]),
                !elsewhere,
                "{number:#x}"
            );
        }
    }

    #[test]
    fn a_caller_of_another_architecture_is_refused_everything() {
        for architecture in [0x4000_0028, 0x4000_0003, 0] {
            assert!((0..1024).all(|number| !allowed_on(architecture, number, &[])));
        }
    }

    #[test]
    fn an_argument_decides_where_it_matters() {
        for (call, arguments, expected) in [
            (Sysno::ioctl, &[9, abi::VIDIOC_QBUF][..], true),
            (Sysno::ioctl, &[9, abi::VIDIOC_QUERY_EXT_CTRL], true),
            // `ctl` names a menu's item, and the loop looks for it.
            (Sysno::ioctl, &[9, abi::VIDIOC_QUERYMENU], true),
            (Sysno::ioctl, &[9, abi::DMA_HEAP_IOCTL_ALLOC], false),
            (Sysno::ioctl, &[9, abi::UDMABUF_CREATE], false),
            // TIOCSTI: types into a terminal.
            (Sysno::ioctl, &[0, 0x5412], false),
            (Sysno::ioctl, &[abi::VIDIOC_QBUF, 0x5412], false),
            (Sysno::futex, &[0, 1], true),
            (Sysno::futex, &[0, 0], false),
            (Sysno::getsockopt, &[0, 1, 17], true),
            (Sysno::getsockopt, &[0, 1, 31], false),
            (Sysno::socketpair, &[1, 1], true),
            (Sysno::socketpair, &[2, 1], false),
            (Sysno::mmap, &[0, 4096, 3, 1], true),
            (Sysno::mmap, &[0, 4096, 5, 1], false),
            (Sysno::openat, &[0, 0, 0o2_004_002], true),
            (Sysno::openat, &[0, 0, 0o102], false),
            (Sysno::openat, &[0, 0, 0o1002], false),
            (Sysno::openat, &[0, 0, 0o20_200_002], false),
            (Sysno::fcntl, &[3, 1033], true),
            (Sysno::fcntl, &[3, 8], false),
        ] {
            assert_eq!(allowed(call, arguments), expected, "{call} {arguments:?}");
        }
    }
}
