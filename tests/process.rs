//! The program as a process of the host: what it does with the descriptors, signals and limits that it was started with.
//!
//! The host has no device; what needs one is in the guest's tests (tests/guest/process.rs).

mod program;

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use rustix::thread::set_no_new_privs;
use syscalls::{Sysno, syscall};

fn framemill() -> Command {
    Command::new(program::program())
}

/// Runs a line of shell in which `$0` is the program.
fn shell(line: &str) -> Output {
    Command::new("bash")
        .args(["-c", line])
        .arg(program::program())
        .stdin(Stdio::null())
        .output()
        .expect("bash runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn text_for_a_reader_that_has_gone_is_no_failure() {
    for arguments in [&["help"][..], &["--version"], &["run", "--help"]] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = framemill()
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        assert_eq!(said(&output), "", "{arguments:?}");
    }
}

#[test]
fn text_that_cannot_be_written_is_a_failure() {
    let output = shell("\"$0\" help >/dev/full");
    assert_eq!(output.status.code(), Some(12), "{output:?}");
    assert_eq!(
        said(&output),
        "framemill: writing the output failed: ENOSPC: no space left\n"
    );
}

#[test]
fn each_closed_standard_descriptor_is_a_pipe_that_nobody_else_has() {
    for closed in [
        "0<&-",
        "1>&-",
        "2>&-",
        "0<&- 1>&-",
        "0<&- 2>&-",
        "1>&- 2>&-",
        "0<&- 1>&- 2>&-",
    ] {
        let output = shell(&format!("\"$0\" help {closed}"));
        assert_eq!(output.status.code(), Some(0), "{closed}: {output:?}");
        assert_eq!(said(&output), "", "{closed}");
        let output = shell(&format!("\"$0\" help --no-such-option {closed}"));
        assert_eq!(output.status.code(), Some(2), "{closed}: {output:?}");
        let heard = !said(&output).is_empty();
        assert_eq!(heard, !closed.contains('2'), "{closed}: {output:?}");
        // As many words as are too many.
        let output = shell(&format!("\"$0\" $(printf 'x %.0s' {{1..200}}) {closed}"));
        assert_eq!(output.status.code(), Some(2), "{closed}: {output:?}");
    }
}

#[test]
fn no_room_for_a_standard_descriptor_is_told() {
    let output = shell("exec 0<&-; ulimit -n 3; exec \"$0\" help");
    assert_eq!(output.status.code(), Some(14), "{output:?}");
    assert!(said(&output).contains("EMFILE: too many open files"));
}

#[test]
fn no_room_for_a_socket_is_no_absent_engine() {
    // One descriptor is left, and is the signals'.
    for command in ["tap", "push", "stat --watch 1000"] {
        let output = shell(&format!(
            "ulimit -n 4; exec \"$0\" {command} --socket @framemill-nobody"
        ));
        assert_eq!(output.status.code(), Some(14), "{command}: {output:?}");
        assert!(said(&output).contains("EMFILE: too many open files: raise ulimit -n"));
    }
}

/// What a supervisor hands over is looked at before any device.
#[test]
fn what_a_supervisor_hands_over_is_what_it_should_be_or_a_sentence_says_so() {
    let activated = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" run";
    let wanted = "framemill takes one AF_UNIX SOCK_SEQPACKET socket (ListenSequentialPacket=)";
    for (line, code, sentence) in [
        (
            format!("{activated} 3</dev/null"),
            9,
            format!("LISTEN_FDS: ENOTSOCK: {wanted}"),
        ),
        (
            format!("{activated} 3<&-"),
            9,
            format!("LISTEN_FDS: EBADF: {wanted}"),
        ),
        (
            "LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" run".to_owned(),
            9,
            format!("LISTEN_FDS: ETOOMANYREFS: {wanted}"),
        ),
        (
            format!("{activated} --socket-mode 600 3</dev/null"),
            2,
            "--socket-mode and --socket-group are for a socket of framemill's own, and the supervisor made this one (LISTEN_FDS)".to_owned(),
        ),
        (
            "exec \"$0\" run --ready-fd 7 7<&-".to_owned(),
            2,
            "--ready-fd: EBADF: the supervisor has to open it for framemill".to_owned(),
        ),
    ] {
        let output = shell(&line);
        assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
        assert_eq!(said(&output), format!("framemill: {sentence}\n"), "{line}");
    }
}

#[test]
fn variables_of_another_process_or_of_nonsense_are_no_business_of_ours() {
    for environment in [
        "LISTEN_PID=1 LISTEN_FDS=1",
        "LISTEN_FDS=1",
        "LISTEN_PID=$$ LISTEN_FDS=",
        "LISTEN_PID=$$ LISTEN_FDS=x WATCHDOG_USEC=-1",
    ] {
        let output = shell(&format!("{environment} exec \"$0\" run --device /dev/none"));
        assert_eq!(output.status.code(), Some(3), "{environment}: {output:?}");
    }
    // One that cannot be told is no reason not to run.
    for (address, errno) in [
        ("/nobody/here", "ENOENT"),
        ("@framemill-nobody", "ECONNREFUSED"),
        ("vsock:2:1", "ENOENT"),
    ] {
        let line = format!("NOTIFY_SOCKET={address} exec \"$0\" run --device /dev/none");
        let output = shell(&line);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        let warning = format!("framemill: warning: NOTIFY_SOCKET {address}: {errno}");
        assert!(said(&output).starts_with(&warning), "{output:?}");
    }
}

/// As on a kernel that lacks the call: the program asks with it whether a line would have to wait.
#[test]
fn a_poll_that_fails_silences_nobody() {
    const _: () = assert!(cfg!(target_endian = "little"));
    /// `struct sock_filter`: the code, two jumps, the operand.
    const fn step(code: u64, then: u64, otherwise: u64, operand: u64) -> u64 {
        code | then << 16 | otherwise << 24 | operand << 32
    }
    #[repr(C)]
    struct Program(u16, *const u64);
    const FILTER: [u64; 4] = [
        step(0x20, 0, 0, 0),
        step(0x15, 0, 1, Sysno::ppoll as u64),
        // SECCOMP_RET_ERRNO with ENOSYS, SECCOMP_RET_ALLOW.
        step(0x06, 0, 0, 0x5_0000 | 38),
        step(0x06, 0, 0, 0x7fff_0000),
    ];
    let mut command = framemill();
    command.args(["stat", "--socket", "@nobody-listens-here"]);
    let refuse = || {
        let allowed = set_no_new_privs(true);
        allowed.map_err(|errno| io::Error::from_raw_os_error(errno.raw_os_error()))?;
        let program = Program(4, FILTER.as_ptr());
        // SAFETY: the kernel reads the structure and its four instructions.
        let answer = unsafe { syscall!(Sysno::seccomp, 1, 0, &raw const program) };
        answer.map_err(|errno| io::Error::from_raw_os_error(errno.into_raw()))?;
        Ok(())
    };
    // SAFETY: two system calls, between fork and execve.
    let output = unsafe { command.pre_exec(refuse) }.output().unwrap();
    assert_eq!(output.status.code(), Some(14), "{output:?}");
    assert_eq!(said(&output), "framemill: poll failed: ENOSYS\n");
}

#[test]
fn what_is_no_encoder_is_named_with_its_code_by_each_command() {
    for (words, code, sentences) in [
        ("probe --device /dev/null", 3, &["/dev/null"][..]),
        ("run --device /dev/null --size 640x480", 3, &["/dev/null"]),
        (
            "selftest --device /dev/null",
            17,
            &["/dev/null", "failed: start"],
        ),
        (
            "tap --socket @framemill-of-nobody",
            9,
            &["@framemill-of-nobody"],
        ),
        (
            "stat --socket @framemill-of-nobody",
            9,
            &["@framemill-of-nobody"],
        ),
    ] {
        let output = framemill().args(words.split(' ')).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{words}: {text}");
        for sentence in sentences {
            assert!(text.contains(sentence), "{words}: {text}");
        }
        let named = |line: &str| line.starts_with("framemill: ");
        assert!(text.lines().all(named), "{words}: {text}");
    }
}

#[test]
fn an_engine_with_a_reader_is_one_process_to_its_caller() {
    // Its code is the engine's, its sentence is said once, and standard output belongs to the packets.
    let output = framemill()
        .args(["run", "--device", "/dev/null", "--stdout", "--mux", "ts"])
        .output()
        .unwrap();
    let alone = framemill()
        .args(["run", "--device", "/dev/null"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), alone.status.code(), "{output:?}");
    assert_eq!(
        (&output.stderr, &output.stdout),
        (&alone.stderr, &alone.stdout)
    );
    let output = shell("$0 run --stdout --ready-fd 3 3>/dev/null");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    // script(1) of util-linux gives the program a terminal.
    let line = format!(
        "{} run --device /dev/null --stdout",
        program::program().display()
    );
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("framemill: --stdout: standard output is a terminal; give it a reader"),
        "{said}"
    );
}
