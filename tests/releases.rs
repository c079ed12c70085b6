//! What the scripts say on a system that they are not for, and of packages that there are not.
//!
//! Knows their words only. That they work on Debian 12 and 13 is for `scripts/on-release` to show.
#![cfg(not(loom))]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn another_system_is_told_what_is_needed_before_anything_else() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("os-release");
    fs::write(&file, "ID=ubuntu\nVERSION_CODENAME=noble\n").unwrap();
    for script in ["demo", "test", "check", "vm", "on-release"] {
        let mut command = Command::new(root().join("scripts").join(script));
        command.env("FRAMEMILL_OS_RELEASE", &file);
        match script {
            "vm" => command.args(["--", "true"]),
            "on-release" => command.args(["13", "true"]),
            _ => &mut command,
        };
        let output = command.output().unwrap();
        let said = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{script}: {said}");
        let wanted = "this needs Debian 12 (bookworm) or 13 (trixie)";
        assert!(
            said.starts_with(wanted) && said.contains("this system is noble"),
            "{script}: {said}"
        );
    }
}

#[test]
fn a_kernel_that_there_is_not_is_refused_with_those_that_there_are() {
    for (arch, linux) in [("aarch64", "5.10"), ("armv7", "6.12")] {
        let mut command = Command::new(root().join("scripts/vm"));
        command.args(["--arch", arch, "--prepare"]);
        let output = command.env("FRAMEMILL_LINUX", linux).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        assert_eq!(
            errors(&output),
            format!(
                "vm: FRAMEMILL_LINUX: there is no guest of \"{linux}\" for {arch}; there are 6.1 and, for aarch64, 6.12\n"
            )
        );
    }
}

/// Apt takes a name that it does not know for a pattern, and would install what fits.
#[test]
fn a_package_that_there_is_not_is_not_taken_for_another_one() {
    let script = ". scripts/lib/packages.sh; _packages_unknown bash bash-of-no-release linux-source-6 coreutils";
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(root())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "bash-of-no-release\nlinux-source-6\n",
        "{}",
        errors(&output)
    );
}

/// The lists of packages that came with a machine may name a compiler that is too old, and that one is there then.
#[test]
fn a_compiler_older_than_the_manifest_demands_is_noticed() {
    let wanted = include_str!("../Cargo.toml");
    let wanted = wanted.split_once("rust-version = \"1.").unwrap().1;
    let minor: u32 = wanted.split_once('"').unwrap().0.parse().unwrap();
    for (version, enough) in [
        (format!("1.{}.9", minor - 1), false),
        ("1.9.0".to_owned(), false),
        (format!("1.{minor}.0"), true),
        (format!("1.{}.0", minor + 20), true),
        ("2.0.0".to_owned(), true),
        (String::new(), false),
    ] {
        let script = format!(
            "root=$PWD; . scripts/lib/rust-version.sh; rustc() {{ echo 'rustc {version} (of a day)'; }}; rust_is_new_enough rustc"
        );
        let script = script.replace("rustc  (of a day)", "");
        let status = Command::new("bash")
            .args(["-c", &script])
            .current_dir(root())
            .status()
            .unwrap();
        assert_eq!(status.success(), enough, "{version}");
    }
}
