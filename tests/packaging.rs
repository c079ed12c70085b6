//! What `scripts/packaging` and `scripts/release` make, as the tools of those who install it see it.
//!
//! The packages of these tools are named in `scripts/lib/checks.sh`. Nothing is skipped: a tool that is missing is a failure.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn packaging(name: &str) -> PathBuf {
    root().join("scripts/packaging").join(name)
}

/// An empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; scripts/check installs it"))
}

/// Both outputs.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The units, in a folder of their own. The service's program is the one that was built for this test.
fn units() -> PathBuf {
    let folder = folder("units");
    let service = fs::read_to_string(packaging("framemill.service")).unwrap();
    let started = "ExecStart=/usr/bin/framemill ";
    assert!(service.contains(started));
    let ours = format!("ExecStart={} ", env!("CARGO_BIN_EXE_framemill"));
    fs::write(
        folder.join("framemill.service"),
        service.replace(started, &ours),
    )
    .unwrap();
    fs::copy(
        packaging("framemill.socket"),
        folder.join("framemill.socket"),
    )
    .unwrap();
    folder
}

#[test]
#[ignore = "needs Debian's systemd: scripts/check"]
fn systemd_finds_nothing_wrong_with_the_units() {
    let folder = units();
    let verify = |folder: &Path| {
        run(Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .args(["framemill.service", "framemill.socket"].map(|unit| folder.join(unit))))
    };
    let output = verify(&folder);
    assert!(
        output.status.success() && said(&output).is_empty(),
        "{output:?}"
    );
    // It does notice what is wrong.
    let service = folder.join("framemill.service");
    let text = fs::read_to_string(&service).unwrap();
    fs::write(&service, text.replace("WatchdogSec", "WatchdogSecs")).unwrap();
    assert!(said(&verify(&folder)).contains("WatchdogSecs"));
}

#[test]
#[ignore = "needs Debian's systemd: scripts/check"]
fn systemd_calls_the_service_safe() {
    let service = units().join("framemill.service");
    // Tenths: systemd's words are "SAFE" below 1.0, "OK" from 2.0 on.
    let rated = |most: &str| {
        run(Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={most}"))
            .arg(&service))
    };
    let output = rated("10");
    assert!(output.status.success(), "{}", said(&output));
    assert!(!rated("5").status.success());
}

/// The system calls of a group, those of groups inside it included.
fn calls(group: &str) -> BTreeSet<String> {
    let output = run(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", group]));
    assert!(output.status.success(), "{group}: {}", said(&output));
    let text = said(&output);
    let lines = text.lines().skip(1).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .flat_map(|line| match line.starts_with('@') {
            true => calls(line),
            false => BTreeSet::from([line.to_owned()]),
        })
        .collect()
}

#[test]
#[ignore = "needs Debian's systemd: scripts/check"]
fn the_service_may_make_each_call_that_the_engine_makes() {
    let service = fs::read_to_string(packaging("framemill.service")).unwrap();
    let mut allowed = BTreeSet::new();
    for line in service.lines() {
        let Some(list) = line.strip_prefix("SystemCallFilter=") else {
            continue;
        };
        let (removes, list) = match list.strip_prefix('~') {
            Some(list) => (true, list),
            None => (false, list),
        };
        for word in list.split(' ') {
            let named = match word.starts_with('@') {
                true => calls(word),
                false => BTreeSet::from([word.to_owned()]),
            };
            match removes {
                true => allowed.retain(|call| !named.contains(call)),
                false => allowed.extend(named),
            }
        }
    }
    // Those of the loop, by the engine's own filter; and those of the start.
    let calls = fs::read_to_string(root().join("src/sandbox/calls.rs")).unwrap();
    let (_, list) = calls.split_once("const CALLS: ").unwrap();
    let (list, _) = list.split_once("];\n").unwrap();
    let of_loop = list.split("call(").skip(1).flat_map(|call| {
        let names = call.split('"').nth(1).unwrap();
        // The crate's name of aarch64's newfstatat; systemd has the kernel's.
        names.split_whitespace().filter(|&name| name != "fstatat")
    });
    let of_loop: Vec<_> = of_loop.collect();
    assert!(of_loop.len() > 20, "{of_loop:?}");
    let of_start = "rt_sigprocmask rt_sigaction signalfd4 fcntl pipe2 dup3 prlimit64 getpid socket bind listen connect getsockname \
         newfstatat fstat flock mlockall mlock prctl landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp";
    for call in of_loop.into_iter().chain(of_start.split_whitespace()) {
        assert!(allowed.contains(call), "{call}");
    }
    for call in [
        "mount",
        "ptrace",
        "chown",
        "setuid",
        "reboot",
        "init_module",
    ] {
        assert!(!allowed.contains(call), "{call}");
    }
}

#[test]
#[ignore = "needs Debian's mandoc: scripts/check"]
fn the_manual_page_is_well_formed() {
    let page = packaging("framemill.1");
    let lint = |page: &Path| {
        run(Command::new("mandoc")
            .args(["-T", "lint", "-W", "warning"])
            .arg(page))
    };
    // A date would make each build another one.
    let date = "WARNING: missing date, using \"\": TH";
    let text = said(&lint(&page));
    let others: Vec<_> = text.lines().filter(|line| !line.contains(date)).collect();
    assert!(others.is_empty(), "{others:#?}");
    let shown = run(Command::new("mandoc").args(["-T", "utf8"]).arg(&page));
    let shown = said(&shown);
    for words in ["framemill run", "stat --check: the engine is stuck"] {
        assert!(shown.contains(words), "{words}");
    }
    let broken = folder("manual").join("broken.1");
    let text = fs::read_to_string(&page).unwrap();
    fs::write(&broken, text.replace(".SH FILES", ".SX FILES")).unwrap();
    assert!(said(&lint(&broken)).contains("unknown macro"));
}

/// What bash offers when these are the words, and the cursor is behind the last.
fn offered(words: &[&str]) -> Vec<String> {
    let script = format!(
        "source {:?}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _framemill; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        packaging("framemill.bash")
    );
    let output = run(Command::new("bash")
        .args(["-uc", &script, "bash", "framemill"])
        .args(words)
        .current_dir(root()));
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let words = said(&output);
    let mut words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
    words.sort();
    words
}

#[test]
fn the_shell_completes_commands_options_and_values() {
    assert_eq!(offered(&["p"]), ["probe", "push"]);
    assert_eq!(offered(&["help", "t"]), ["tap"]);
    assert_eq!(
        offered(&["run", "--camera-"]),
        ["--camera-format", "--camera-size", "--camera-wait"]
    );
    assert_eq!(
        offered(&["run", "--memory", ""]),
        ["auto", "copy", "export"]
    );
    assert_eq!(
        offered(&["tap", "--to", "Cargo."]),
        ["Cargo.lock", "Cargo.toml"]
    );
    assert_eq!(offered(&["ctl", "k"]), ["key"]);
    assert_eq!(offered(&["run", "--fps", ""]), [""; 0]);
    // One whose value may be left out.
    assert!(offered(&["stat", "--check", "--j"]).contains(&"--json".to_owned()));
    assert_eq!(offered(&["nonsense", "--"]), [""; 0]);
}

#[test]
fn a_release_wants_the_tag_of_its_version_and_a_clean_tree() {
    let tree = folder("tagged");
    for file in [
        "Cargo.toml",
        "scripts/build",
        "scripts/release",
        "scripts/lib/packages.sh",
        "scripts/lib/rust-version.sh",
        "scripts/lib/release.sh",
    ] {
        fs::create_dir_all(tree.join(file).parent().unwrap()).unwrap();
        fs::copy(root().join(file), tree.join(file)).unwrap();
    }
    let git = |words: &str| {
        let names = ["-c", "user.name=nobody", "-c", "user.email=nobody"];
        let output = run(Command::new("git")
            .args(names)
            .args(words.split(' '))
            .current_dir(&tree));
        assert!(output.status.success(), "{words}: {}", said(&output));
    };
    // None is built: that comes behind all else.
    let refused = || {
        let output = run(Command::new(tree.join("scripts/release")).arg("no-target"));
        assert_eq!(output.status.code(), Some(2));
        said(&output)
    };
    let version = env!("CARGO_PKG_VERSION");
    git("init --quiet");
    git("add .");
    git("commit --quiet -m all");
    assert!(refused().contains(&format!("tag is \"\", not v{version}")));
    git("tag v9.9.9");
    assert!(refused().contains(&format!("tag is \"v9.9.9\", not v{version}")));
    git("tag -d v9.9.9");
    git(&format!("tag v{version}"));
    assert!(refused().contains("unknown target no-target"));
    fs::write(tree.join("more"), "").unwrap();
    assert!(refused().contains("uncommitted"));
}

#[test]
fn debians_package_has_its_files_and_is_the_same_each_time() {
    let folder = folder("deb");
    // A small one in the program's place: compressing takes the time.
    let program = packaging("init");
    let package = |name: &str| {
        let into = folder.join(name);
        let output = run(Command::new(packaging("deb"))
            .arg("x86_64-unknown-linux-musl")
            .args([&into, &program]));
        assert!(output.status.success(), "{}", said(&output));
        into.join(concat!(
            "framemill_",
            env!("CARGO_PKG_VERSION"),
            "_amd64.deb"
        ))
    };
    let (one, two) = (package("one"), package("two"));
    assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
    let listed = said(&run(Command::new("dpkg-deb").arg("--contents").arg(&one)));
    for file in [
        "-rwxr-xr-x root/root ./usr/bin/framemill",
        "-rw-r--r-- root/root ./lib/systemd/system/framemill.service",
        "-rw-r--r-- root/root ./lib/systemd/system/framemill.socket",
        "-rw-r--r-- root/root ./usr/share/man/man1/framemill.1.gz",
        "-rw-r--r-- root/root ./usr/share/bash-completion/completions/framemill",
        "-rw-r--r-- root/root ./etc/default/framemill",
    ] {
        let (mode, path) = file.split_once(' ').unwrap();
        let (owner, path) = path.split_once(' ').unwrap();
        let stands = |line: &str| {
            line.starts_with(&format!("{mode} {owner} ")) && line.ends_with(&format!(" {path}"))
        };
        assert!(listed.lines().any(stands), "{file}: {listed}");
    }
    // Nothing is needed: the program is static.
    let fields = said(&run(Command::new("dpkg-deb").arg("--field").arg(&one)));
    assert!(fields.contains("Architecture: amd64\n") && !fields.contains("Depends:"));
}

#[test]
fn buildroots_tree_is_of_this_version_and_installs_what_there_is() {
    let tree = packaging("buildroot/package/framemill");
    let recipe = fs::read_to_string(tree.join("framemill.mk")).unwrap();
    assert!(recipe.contains(concat!(
        "\nFRAMEMILL_VERSION = ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    )));
    let installed = recipe.split_whitespace().filter_map(|word| {
        let source = word.strip_prefix("$(@D)/").map(|file| root().join(file));
        source.or_else(|| Some(tree.join(word.strip_prefix("$(FRAMEMILL_PKGDIR)/")?)))
    });
    let installed: Vec<_> = installed.collect();
    assert_eq!(installed.len(), 3, "{installed:?}");
    installed
        .iter()
        .for_each(|file| assert!(file.is_file(), "{file:?}"));
}
