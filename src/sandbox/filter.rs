//! The filter that the kernel asks before every call: those of `calls` or `tap` are permitted, any other ends the process.
//!
//! Knows instructions and `struct seccomp_data`. The program is made when Framemill is compiled. Knows no call and no reason.

use rustix::io::Result;

use super::calls::{ARCHITECTURES, CALLS, Call, NO_CALLS, Rule};
use super::kernel::{self, Instruction};
use super::tap::{self, LOOP, RECONNECT};

/// Whose filter it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    Engine,
    Tap,
    /// `tap` that connects again.
    TapAgain,
    /// `tap` whose child the engine is.
    TapOfChild,
}

/// Puts the filter into force.
#[inline(never)]
pub(super) fn install(whose: Whose) -> Result<()> {
    if OURS == ARCHITECTURES.len() {
        // Nobody has listed the calls of this architecture.
        return Err(rustix::io::Errno::NOSYS);
    }
    kernel::filter(match whose {
        Whose::Engine => &ENGINE,
        Whose::Tap => &TAP,
        Whose::TapAgain => &TAP_AGAIN,
        Whose::TapOfChild => &TAP_OF_CHILD,
    })
}

/// Ours among `ARCHITECTURES`.
const OURS: usize = if cfg!(target_arch = "aarch64") {
    0
} else if cfg!(target_arch = "arm") {
    1
} else if cfg!(target_arch = "x86_64") {
    2
} else {
    ARCHITECTURES.len()
};

// Instructions: load a word, jump if equal, jump if a bit is set, end.
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const ANY_BIT: u16 = 0x45;
const END: u16 = 0x06;

// How it ends.
const KILL_PROCESS: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7fff_0000;

// Where things are in `struct seccomp_data`. Of an argument the low word is looked at: what these calls take has no other.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const _: () = assert!(cfg!(target_endian = "little"));
const fn argument(number: u8) -> u32 {
    16 + 8 * number as u32
}

const ENGINE_PROGRAM: Program = program(CALLS, &[], OURS % ARCHITECTURES.len());
const TAP_PROGRAM: Program = program(LOOP, &[], OURS % ARCHITECTURES.len());
const TAP_AGAIN_PROGRAM: Program = program(LOOP, RECONNECT, OURS % ARCHITECTURES.len());
const TAP_OF_CHILD_PROGRAM: Program = program(LOOP, tap::ENGINE, OURS % ARCHITECTURES.len());

static ENGINE: [Instruction; ENGINE_PROGRAM.length] = exact(&ENGINE_PROGRAM);
static TAP: [Instruction; TAP_PROGRAM.length] = exact(&TAP_PROGRAM);
static TAP_AGAIN: [Instruction; TAP_AGAIN_PROGRAM.length] = exact(&TAP_AGAIN_PROGRAM);
static TAP_OF_CHILD: [Instruction; TAP_OF_CHILD_PROGRAM.length] = exact(&TAP_OF_CHILD_PROGRAM);

const fn exact<const N: usize>(program: &Program) -> [Instruction; N] {
    let mut exact = [program.instructions[0]; N];
    let mut index = 0;
    while index < N {
        exact[index] = program.instructions[index];
        index += 1;
    }
    exact
}

/// One of two lists, as if they were one.
const fn listed<'a>(calls: &'a [Call], more: &'a [Call], index: usize) -> &'a Call {
    if index < calls.len() {
        &calls[index]
    } else {
        &more[index - calls.len()]
    }
}

/// The filter of one of `ARCHITECTURES`, for the calls of both lists: first those whose arguments matter, each with an end of its own;
/// then the others, which share one.
const fn program(calls: &[Call], more: &[Call], architecture: usize) -> Program {
    let mut to = Program {
        instructions: [step(END, KILL_PROCESS, 0, 0); ROOM],
        length: 0,
    };
    to.push(step(LOAD, ARCHITECTURE, 0, 0));
    to.push(step(EQUAL, ARCHITECTURES[architecture].1, 1, 0));
    to.push(step(END, KILL_PROCESS, 0, 0));
    to.push(step(LOAD, NUMBER, 0, 0));
    let mut index = 0;
    let mut others = NO_CALLS.len();
    while index < calls.len() + more.len() {
        let call = listed(calls, more, index);
        let number = call.numbers[architecture] as u32;
        match call.rule {
            Rule::Any => others += 1,
            Rule::OneOf(argument_number, values) => {
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
            Rule::Without(argument_number, bits) => {
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
    while index < calls.len() + more.len() {
        let call = listed(calls, more, index);
        if let Rule::Any = call.rule {
            let number = call.numbers[architecture] as u32;
            to.push(step(EQUAL, number, others, 0));
            others -= 1;
        }
        index += 1;
    }
    to.push(step(EQUAL, NO_CALLS[0], 2, 0));
    to.push(step(EQUAL, NO_CALLS[1], 1, 0));
    to.push(step(END, KILL_PROCESS, 0, 0));
    to.push(step(END, ALLOW, 0, 0));
    to
}

const ROOM: usize = 256;

struct Program {
    instructions: [Instruction; ROOM],
    length: usize,
}

impl Program {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::calls::ELSEWHERE;
    use crate::v4l2::abi;

    /// A call's number on one of `ARCHITECTURES`, as somebody else has listed it.
    fn number(architecture: usize, name: &str) -> Option<u32> {
        match architecture {
            0 => Some(name.parse::<syscalls::aarch64::Sysno>().ok()? as u32),
            1 => Some(name.parse::<syscalls::arm::Sysno>().ok()? as u32),
            _ => Some(name.parse::<syscalls::x86_64::Sysno>().ok()? as u32),
        }
    }

    /// What the kernel does with a program, for a caller of this architecture and a call with these first arguments.
    fn decides(program: &Program, caller: u32, number: u32, arguments: &[u32]) -> bool {
        let mut at = 0;
        let mut word = 0;
        loop {
            let step = program.instructions[at];
            at += 1;
            assert!(at <= program.length);
            let skipped = |holds: bool| usize::from(if holds { step.then } else { step.otherwise });
            match step.code {
                LOAD => {
                    word = match step.operand {
                        NUMBER => number,
                        ARCHITECTURE => caller,
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

    fn allowed(architecture: usize, number: u32, arguments: &[u32]) -> bool {
        let caller = ARCHITECTURES[architecture].1;
        decides(
            &program(CALLS, &[], architecture),
            caller,
            number,
            arguments,
        )
    }

    /// The same on each architecture: of a call that is listed by its first name, or of any other.
    #[track_caller]
    fn everywhere(name: &str, arguments: &[u32], expected: bool) {
        let listed = CALLS
            .iter()
            .find(|call| call.names.split(' ').next() == Some(name));
        for (architecture, (on, _)) in ARCHITECTURES.into_iter().enumerate() {
            let number = match listed {
                Some(call) => u32::from(call.numbers[architecture]),
                None => number(architecture, name).expect("a call of the kernel's"),
            };
            assert_eq!(
                allowed(architecture, number, arguments),
                expected,
                "{name} {arguments:?} on {on}"
            );
        }
    }

    #[test]
    fn a_calls_number_is_that_of_its_name() {
        for (architecture, (name, _)) in ARCHITECTURES.into_iter().enumerate() {
            let lists = CALLS.iter().chain(LOOP).chain(RECONNECT);
            for call in lists.chain(tap::ENGINE) {
                let found = call.numbers[architecture];
                let mut names = call
                    .names
                    .split(' ')
                    .filter_map(|name| number(architecture, name));
                assert!(
                    names.any(|number| number == u32::from(found)),
                    "{name}: {found} is not {}",
                    call.names
                );
            }
        }
        let ours = syscalls::Sysno::ioctl as u32;
        assert_eq!(u32::from(CALLS[0].numbers[OURS]), ours);
    }

    /// rustix asks for 64-bit times and offsets, where an architecture has both.
    #[test]
    fn arms_older_calls_are_not_permitted() {
        for name in [
            "futex",
            "ppoll",
            "nanosleep",
            "clock_gettime",
            "geteuid",
            "ftruncate",
            "fstatat64",
        ] {
            let number = number(1, name).unwrap();
            assert!(!allowed(1, number, &[0, 1]), "{name}");
        }
    }

    #[test]
    fn the_loops_calls_are_permitted() {
        for name in [
            "ppoll",
            "clock_gettime",
            "read",
            "write",
            "sendmsg",
            "accept4",
            "exit_group",
        ] {
            everywhere(name, &[], true);
        }
        for architecture in 0..ARCHITECTURES.len() {
            assert!(allowed(architecture, u32::MAX, &[]));
        }
    }

    #[test]
    fn others_end_the_process() {
        for name in [
            "execve", "clone", "socket", "connect", "bind", "ptrace", "kill", "mprotect", "prctl",
            "setuid", "mount",
        ] {
            everywhere(name, &[], false);
        }
        for architecture in 0..ARCHITECTURES.len() {
            // By number, every one there is: a mistake in a jump would let one through.
            let permitted = (0..1024).filter(|&number| allowed(architecture, number, &[]));
            // Without arguments these are refused: ioctl, futex, getsockopt, socketpair, fcntl.
            assert_eq!(permitted.count(), 32 - 5);
        }
    }

    #[test]
    fn only_ioctls_that_the_loop_issues_are_permitted() {
        let numbers = abi::IOCTLS.iter().map(|row| row.value[abi::WIDTH] as u32);
        for number in numbers {
            everywhere("ioctl", &[9, number], !ELSEWHERE.contains(&number));
        }
    }

    #[test]
    fn a_caller_of_another_architecture_is_refused_everything() {
        for (ours, (name, audit)) in ARCHITECTURES.into_iter().enumerate() {
            let program = program(CALLS, &[], ours);
            let others = ARCHITECTURES
                .iter()
                .map(|&(_, other)| other)
                .chain([0x4000_0003, 0]);
            for caller in others.filter(|&caller| caller != audit) {
                let permitted = |&number: &u32| decides(&program, caller, number, &[]);
                assert_eq!((0..1024).find(permitted), None, "{name}");
            }
        }
    }

    #[test]
    fn an_argument_decides_where_it_matters() {
        for (name, arguments, expected) in [
            ("ioctl", &[9, abi::VIDIOC_QBUF][..], true),
            ("ioctl", &[9, abi::VIDIOC_QUERY_EXT_CTRL], true),
            // `ctl` names a menu's item, and the loop looks for it.
            ("ioctl", &[9, abi::VIDIOC_QUERYMENU], true),
            ("ioctl", &[9, abi::DMA_HEAP_IOCTL_ALLOC], false),
            ("ioctl", &[9, abi::UDMABUF_CREATE], false),
            // TIOCSTI: types into a terminal.
            ("ioctl", &[0, 0x5412], false),
            ("ioctl", &[abi::VIDIOC_QBUF, 0x5412], false),
            ("futex", &[0, 1], true),
            ("futex", &[0, 0], false),
            ("getsockopt", &[0, 1, 17], true),
            ("getsockopt", &[0, 1, 31], false),
            ("socketpair", &[1, 1], true),
            ("socketpair", &[2, 1], false),
            ("mmap", &[0, 4096, 3, 1], true),
            ("mmap", &[0, 4096, 5, 1], false),
            ("openat", &[0, 0, 0o2_004_002], true),
            ("openat", &[0, 0, 0o102], false),
            ("openat", &[0, 0, 0o1002], false),
            ("openat", &[0, 0, 0o20_200_002], false),
            ("fcntl", &[3, 1033], true),
            ("fcntl", &[3, 8], false),
        ] {
            everywhere(name, arguments, expected);
        }
    }

    #[test]
    fn tap_may_ask_its_child_to_end_and_no_more() {
        for (architecture, (name, caller)) in ARCHITECTURES.into_iter().enumerate() {
            let filter = program(LOOP, tap::ENGINE, architecture);
            for (call, arguments, expected) in [
                ("kill", &[1, 15][..], true),
                ("kill", &[1, 9], false),
                ("wait4", &[], true),
                ("write", &[1], true),
                ("connect", &[], false),
                ("clone", &[], false),
            ] {
                let number = number(architecture, call).expect("a call of the kernel's");
                let found = decides(&filter, caller, number, arguments);
                assert_eq!(found, expected, "{call} {arguments:?} on {name}");
            }
        }
    }

    #[test]
    fn tap_may_connect_only_where_it_has_to() {
        for (architecture, (name, caller)) in ARCHITECTURES.into_iter().enumerate() {
            let number = |call: &str| {
                let mut listed = LOOP.iter().chain(RECONNECT);
                match listed.find(|listed| listed.names.split(' ').next() == Some(call)) {
                    Some(listed) => u32::from(listed.numbers[architecture]),
                    None => number(architecture, call).expect("a call of the kernel's"),
                }
            };
            let once = program(LOOP, &[], architecture);
            let again = program(LOOP, RECONNECT, architecture);
            for (call, arguments, expected) in [
                ("write", &[1][..], [true, true]),
                ("openat", &[0, 0, 0o301], [true, true]),
                ("fdatasync", &[], [true, true]),
                ("exit_group", &[], [true, true]),
                ("mmap", &[0, 4096, 1], [false, true]),
                ("mmap", &[0, 4096, 5], [false, false]),
                ("socket", &[1], [false, true]),
                ("socket", &[10], [false, true]),
                // AF_NETLINK
                ("socket", &[16], [false, false]),
                ("connect", &[], [false, true]),
                ("fcntl", &[3, 1034], [false, true]),
                ("fcntl", &[3, 8], [false, false]),
                ("bind", &[], [false, false]),
                ("execve", &[], [false, false]),
                ("clone", &[], [false, false]),
                ("ptrace", &[], [false, false]),
                ("kill", &[], [false, false]),
                ("mprotect", &[], [false, false]),
                ("ioctl", &[], [false, false]),
                ("renameat2", &[], [false, false]),
                ("linkat", &[], [false, false]),
            ] {
                let number = number(call);
                let found =
                    [&once, &again].map(|filter| decides(filter, caller, number, arguments));
                assert_eq!(found, expected, "{call} {arguments:?} on {name}");
            }
            // By number, every one there is.
            let count = |filter: &Program| {
                let permitted = (0..1024).filter(|&number| decides(filter, caller, number, &[]));
                permitted.count()
            };
            // On arm, statx is one for two. Without arguments fcntl and socket are refused, and mmap is not.
            let [fewer, both] = [count(&once), count(&again)];
            let shared = usize::from(architecture == 1);
            assert_eq!(fewer, LOOP.len(), "{name}");
            assert_eq!(both, LOOP.len() + RECONNECT.len() - 2 - shared, "{name}");
        }
    }
}
