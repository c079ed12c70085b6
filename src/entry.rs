//! The entry shell: the first instruction in, an exit code out.
//!
//! Knows how a process starts (argv) and, in its parts, how it dies of a bug. Knows no option and no
//! command: those are `framemill::internals::command`'s.
#![expect(unsafe_code, reason = "argv as the kernel left it")]

mod mem;
mod start;
mod trace;

use core::ffi::{CStr, c_char};

use arrayvec::ArrayVec;
use framemill::internals::exit::Exit;
use framemill::internals::limits::ARGUMENTS;
use framemill::internals::{command, log};

/// Runs the program, and gives its exit code.
///
/// # Safety
/// `argv` points at `count` C strings that are never written to or freed; a null pointer ends them, and the environment is behind it.
unsafe fn run(count: usize, argv: *const *const c_char) -> u8 {
    if count > ARGUMENTS {
        if let Err(failure) = command::begin() {
            return failure.exit as u8;
        }
        log::last_word(format_args!(
            "{count} words are more than the {ARGUMENTS} that a command line may have"
        ));
        return Exit::Usage as u8;
    }
    // SAFETY: the caller's promise, and `count` was just checked.
    let words = unsafe { words(count, argv) };
    // The first word is the program's name. There may be none at all: execve allows that.
    // SAFETY: a null pointer ends argv, and the environment begins behind it.
    let environment = unsafe { argv.add(count + 1) };
    #[cfg(target_pointer_width = "64")]
    // SAFETY: behind the environment lies what the kernel has to say, as it left it.
    unsafe {
        find_vdso(environment)
    };
    // SAFETY: as for argv; and the environment is never changed.
    let variable = |name: &str| unsafe { variable(environment, name) };
    command::main(words.get(1..).unwrap_or_default(), &variable)
}

/// Looks behind the environment for the kernel's image (the auxiliary vector), by which clocks are read without a call.
///
/// # Safety
/// `environment` is as the kernel left it: pointers up to a null pointer, then pairs of words up to a zero.
#[cfg(target_pointer_width = "64")]
unsafe fn find_vdso(mut environment: *const *const c_char) {
    const AT_SYSINFO_EHDR: usize = 33;
    // SAFETY: the caller's promise; the null pointer is not passed.
    while !unsafe { *environment }.is_null() {
        // SAFETY: there is a next one, because this one was not null.
        environment = unsafe { environment.add(1) };
    }
    // SAFETY: the pairs begin behind the null pointer.
    let mut pair = unsafe { environment.add(1) }.cast::<[*const u8; 2]>();
    loop {
        // SAFETY: the caller's promise; the pair with the zero is not passed.
        let [kind, value] = unsafe { *pair };
        match kind.addr() {
            0 => return,
            AT_SYSINFO_EHDR if value.is_null() => return,
            // SAFETY: this is where the kernel says that its image is.
            AT_SYSINFO_EHDR => return unsafe { framemill::internals::time::use_vdso(value) },
            // SAFETY: there is a next pair, because this one was not the last.
            _ => pair = unsafe { pair.add(1) },
        }
    }
}

/// The value of a variable.
///
/// # Safety
/// `environment` points at C strings that are never written to or freed, up to a null pointer.
unsafe fn variable(mut environment: *const *const c_char, name: &str) -> Option<&'static CStr> {
    loop {
        // SAFETY: the caller's promise; the null pointer is not passed.
        let text = unsafe { *environment };
        if text.is_null() {
            return None;
        }
        // SAFETY: the caller's promise.
        let text = unsafe { CStr::from_ptr(text) };
        let rest = text.to_bytes().strip_prefix(name.as_bytes());
        if rest.is_some_and(|rest| rest.starts_with(b"=")) {
            return Some(&text[name.len() + 1..]);
        }
        // SAFETY: there is a next one, because this one was not null.
        environment = unsafe { environment.add(1) };
    }
}

/// The command line.
///
/// # Safety
/// `argv` points at `count` C strings that are never written to or freed; `count` is at most `ARGUMENTS`.
unsafe fn words(count: usize, argv: *const *const c_char) -> ArrayVec<&'static CStr, ARGUMENTS> {
    // SAFETY: the caller's promise: that many pointers, never written to.
    let pointers = unsafe { core::slice::from_raw_parts(argv, count) };
    pointers
        .iter()
        // SAFETY: the caller's promise, for each of them.
        .map(|&text| unsafe { CStr::from_ptr(text) })
        .collect()
}
