//! The program as a process of the host: what it does with the descriptors, signals and limits that it was started with.
//!
//! The host has no device; what needs one is in the guest's tests (tests/guest/process.rs).

use std::io;
use std::process::{Command, Output, Stdio};

fn framemill() -> Command {
    Command::new(env!("CARGO_BIN_EXE_framemill"))
}

/// Runs a line of shell in which `$0` is the program.
fn shell(line: &str) -> Output {
    Command::new("bash")
        .args(["-c", line, env!("CARGO_BIN_EXE_framemill")])
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
