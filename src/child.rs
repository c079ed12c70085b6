//! A second process of this program: forked, not executed, so that no path to the program is needed.
//!
//! rustix forks only with a runtime of its own; this is the raw system call. Must never be used by a process with threads.
#![expect(unsafe_code, reason = "raw system calls")]

use rustix::io::{Errno, Result};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_parent_process_death_signal,
    waitpid,
};
use syscalls::{Sysno, syscall};

use crate::time::clock;

/// A process that was started, and has to be waited for.
#[derive(Debug)]
pub struct Child(Pid);

impl Child {
    /// Starts a process that runs `work` and ends with its answer as exit code. It gets SIGTERM when this process ends.
    ///
    /// # Errors
    /// Those of clone(2).
    pub fn start(work: impl FnOnce() -> u8) -> Result<Self> {
        const SIGCHLD: usize = 17;
        let parent = getpid();
        // SAFETY: without flags the child has a copy of everything, this stack included, and goes on here as the only thread.
        let answer = unsafe { syscall!(Sysno::clone, SIGCHLD, 0usize, 0usize, 0usize, 0usize) };
        let number = answer.map_err(|errno| Errno::from_raw_os_error(errno.into_raw()))?;
        if let Some(pid) = Pid::from_raw(number as i32) {
            return Ok(Self(pid));
        }
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
        if getppid() != Some(parent) {
            // It has ended already.
            terminate(getpid());
        }
        let code = work();
        loop {
            // SAFETY: exit_group does not return, and touches no memory of ours.
            let _ = unsafe { syscall!(Sysno::exit_group, code) };
        }
    }

    /// Processor time that it has used, ns.
    #[must_use]
    pub fn processor_time(&self) -> u64 {
        const CPUCLOCK_SCHED: i32 = 2;
        clock(((!self.0.as_raw_pid() << 3) | CPUCLOCK_SCHED) as usize)
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.0
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        terminate(self.0);
    }

    /// Waits for its end. Gives its exit code, or 128 and the signal's number.
    pub fn wait(self) -> u8 {
        loop {
            match waitpid(Some(self.0), WaitOptions::empty()) {
                Ok(Some((_, status))) => {
                    let signal = status.terminating_signal().map(|number| 128 + number);
                    return status.exit_status().or(signal).unwrap_or(0) as u8;
                }
                Err(Errno::INTR) | Ok(None) => {}
                // Cannot be: it is ours.
                Err(_) => return 0,
            }
        }
    }
}

/// Asks a process to end.
pub fn terminate(process: Pid) {
    // One that has ended hears nothing.
    let _ = kill_process(process, Signal::TERM);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_works_ends_with_its_code_and_its_time_is_known() {
        let parent = rustix::process::getpid();
        // Nothing is allocated or locked in it: the other tests' threads may hold locks.
        let child = Child::start(|| {
            let ours = rustix::process::getppid() == Some(parent);
            let began = crate::time::processor_time();
            while crate::time::processor_time() - began < 20_000_000 {}
            if ours { 42 } else { 1 }
        });
        let child = child.unwrap();
        while child.processor_time() < 10_000_000 {}
        assert_eq!(child.wait(), 42);
    }
}
