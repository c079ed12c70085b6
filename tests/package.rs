//! The crate as its users get it: what is in the package, and that a program without std can use it.
#![cfg(not(loom))]

use std::path::Path;
use std::process::{Command, Output};

fn cargo(words: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new(env!("CARGO"))
        .current_dir(root)
        .args(words)
        // Flags of the one who tests are not meant for it.
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs")
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn package_holds_what_users_need_and_no_more() {
    let output = cargo(&["package", "--list", "--allow-dirty", "--offline"]);
    assert!(output.status.success(), "{}", complaint(&output));
    let list = String::from_utf8(output.stdout).unwrap();
    let files: Vec<&str> = list.lines().collect();
    for needed in [
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "build.rs",
        "linker/framemill.ld",
        "src/client/PROTOCOL.md",
        "src/client/README.md",
        "src/client/examples/record.c",
        "src/client/framemill.h",
        "src/lib.rs",
        "src/main.rs",
    ] {
        assert!(files.contains(&needed), "{needed} is missing");
    }
    let roots = ["Cargo.lock", "Cargo.toml.orig", ".cargo_vcs_info.json"];
    let known = |file: &&str| {
        let ending = file.rsplit('.').next();
        // Of clients in other languages, too.
        let code = ["rs", "md", "c", "h", "html", "py", "toml"]
            .map(Some)
            .contains(&ending);
        let code = code
            && file.starts_with("src/")
            && !file.contains("/tests")
            && !file.contains("simulation");
        let known = [
            "Cargo.toml",
            "LICENSE-",
            "README.md",
            "build.rs",
            "linker/framemill.ld",
        ];
        code || roots.contains(file) || known.iter().any(|known| file.starts_with(known))
    };
    let others: Vec<_> = files.iter().filter(|file| !known(file)).collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
#[ignore = "compiles the library once more: scripts/check"]
fn a_program_without_std_can_use_it() {
    // It is an archive: nothing would be linked. That code can be made of the library is seen wherever it is built.
    let check = |features: &str| {
        cargo(&[
            "check",
            "--quiet",
            "--offline",
            "--locked",
            "--manifest-path",
            "tests/no_std_user/Cargo.toml",
            "--target-dir",
            "target/no-std-user",
            "--features",
            features,
        ])
    };
    // Its versions are ours: others may not have been fetched.
    let (ours, its) = (
        include_str!("../Cargo.lock"),
        include_str!("no_std_user/Cargo.lock"),
    );
    let versions = |lock: &'static str| lock.split("\n\n").filter(|one| one.contains("checksum"));
    let ours: Vec<_> = versions(ours).map(str::trim).collect();
    for one in versions(its).map(str::trim) {
        assert!(ours.contains(&one), "not in Cargo.lock: {one}");
    }
    let output = check("");
    assert!(output.status.success(), "{}", complaint(&output));
    // It would be noticed.
    let output = check("std");
    assert!(
        complaint(&output).contains("panic_impl"),
        "{}",
        complaint(&output)
    );
}
