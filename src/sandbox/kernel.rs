//! Landlock and seccomp as the kernel has them: four system calls that rustix lacks.
//!
//! Knows their numbers and structures. Knows no path, and no call that is to be permitted.
#![expect(unsafe_code, reason = "raw system calls")]

use core::ptr::null;

use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use rustix::io::{Errno, Result};
use syscalls::{Sysno, syscall};

/// To read and write files, and to ask devices: `LANDLOCK_ACCESS_FS_WRITE_FILE`, `_READ_FILE` and `_IOCTL_DEV`.
pub(super) const USE: u64 = 1 << 1 | 1 << 2 | 1 << 15;
/// To remove files: `LANDLOCK_ACCESS_FS_REMOVE_FILE`.
pub(super) const REMOVE: u64 = 1 << 5;
/// To make files and write them: `LANDLOCK_ACCESS_FS_MAKE_REG` and `_WRITE_FILE`.
pub(super) const MAKE: u64 = 1 << 8 | 1 << 1;

/// What the thread may do with files, before it is put into force.
#[derive(Debug)]
pub(super) struct Ruleset {
    fd: OwnedFd,
    /// The rights that this kernel knows; each is denied where no rule allows it.
    handled: u64,
}

impl Ruleset {
    /// Nothing is allowed.
    pub(super) fn new() -> Result<Self> {
        const VERSION: usize = 1;
        // SAFETY: asked for its version, the kernel touches no memory.
        let version = unsafe {
            syscall!(
                Sysno::landlock_create_ruleset,
                null::<u64>(),
                0usize,
                VERSION
            )
        };
        // The number of rights in each version of the interface; 4 is about the network, later ones than 5 about other things.
        let rights = match version.map_err(errno)? {
            1 => 13,
            2 => 14,
            3 | 4 => 15,
            _ => 16,
        };
        let handled: u64 = (1 << rights) - 1;
        // SAFETY: reads the eight bytes of `handled`: the first field of the structure, which may end there.
        let fd = unsafe {
            syscall!(
                Sysno::landlock_create_ruleset,
                &raw const handled,
                size_of::<u64>(),
                0usize
            )
        };
        let fd = fd.map_err(errno)? as i32;
        Ok(Self {
            // SAFETY: the kernel just made this descriptor for us.
            fd: unsafe { OwnedFd::from_raw_fd(fd) },
            handled,
        })
    }

    /// Allows `rights`, as far as this kernel knows them, in a folder and below.
    pub(super) fn allow(&self, folder: impl AsFd, rights: u64) -> Result<()> {
        const PATH_BENEATH: usize = 1;
        /// `struct landlock_path_beneath_attr`.
        #[repr(C, packed)]
        struct Rule {
            allowed: u64,
            folder: i32,
        }
        let rule = Rule {
            allowed: rights & self.handled,
            folder: folder.as_fd().as_raw_fd(),
        };
        // SAFETY: for this kind of rule the kernel reads one such structure.
        let answer = unsafe {
            syscall!(
                Sysno::landlock_add_rule,
                self.fd.as_raw_fd(),
                PATH_BENEATH,
                &raw const rule,
                0usize
            )
        };
        answer.map(drop).map_err(errno)
    }

    /// Puts it into force, for good.
    pub(super) fn restrict(&self) -> Result<()> {
        // SAFETY: touches no memory of ours.
        let answer =
            unsafe { syscall!(Sysno::landlock_restrict_self, self.fd.as_raw_fd(), 0usize) };
        answer.map(drop).map_err(errno)
    }
}

/// An instruction of a filter: `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Instruction {
    pub(super) code: u16,
    /// Instructions to skip when a comparison holds.
    pub(super) then: u8,
    /// Instructions to skip when it does not.
    pub(super) otherwise: u8,
    pub(super) operand: u32,
}

/// Puts a filter into force, for good.
pub(super) fn filter(program: &[Instruction]) -> Result<()> {
    const SET_MODE_FILTER: usize = 1;
    /// Kernels before 5.16 would make the processor slower otherwise, against what foreign code could spy out.
    const SPEC_ALLOW: usize = 1 << 2;
    /// `struct sock_fprog`.
    #[repr(C)]
    struct Program {
        length: u16,
        first: *const Instruction,
    }
    let program = Program {
        length: program.len() as u16,
        first: program.as_ptr(),
    };
    // SAFETY: the kernel reads the structure, and as many instructions behind the pointer as it says.
    let answer = unsafe {
        syscall!(
            Sysno::seccomp,
            SET_MODE_FILTER,
            SPEC_ALLOW,
            &raw const program
        )
    };
    answer.map(drop).map_err(errno)
}

fn errno(errno: syscalls::Errno) -> Errno {
    Errno::from_raw_os_error(errno.into_raw())
}
