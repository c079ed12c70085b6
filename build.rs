//! Tells the linker what needs a path: for musl the linker script and musl's libc. Other targets link as usual.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo does not see what a linker script is; without this a changed one would not relink.
    println!("cargo::rerun-if-changed=linker");
    if variable("CARGO_CFG_TARGET_ENV") != "musl" {
        return;
    }
    if !variable("CARGO_ENCODED_RUSTFLAGS").contains("link-self-contained=no") {
        println!(
            "cargo::warning=the flags of .cargo/config.toml are not in force, so framemill will not link: unset RUSTFLAGS and build from its own folder"
        );
    }

    // All of these reach our program only, never a program that uses our library.
    let argument = |text: String| println!("cargo::rustc-link-arg-bins={text}");
    let scripts = Path::new(&variable("CARGO_MANIFEST_DIR")).join("linker");
    argument(format!("-T{}", scripts.join("framemill.ld").display()));
    // Buys: the linker's idea of a page is the script's on every architecture; kernels with 16 KiB pages (Raspberry Pi 5) and
    // 64 KiB pages load the program. Costs: address space only; with 4 KiB the file is not a byte smaller.
    argument("-zmax-page-size=0x10000".into());

    // Buys: functions that came out the same are there once, a third of a per cent. Costs: two functions may have one address,
    // which matters to nobody here.
    argument("--icf=all".into());

    let places = musl_places();
    match places.iter().find(|place| place.join("libc.a").exists()) {
        Some(musl) => {
            // For memcpy and its like alone; the start code is our own (src/entry.rs).
            argument(format!("-L{}", musl.display()));
        }
        None => {
            let target = variable("TARGET");
            println!(
                "cargo::warning=no musl for {target}: `rustup target add {target}`, or Debian's package musl-dev"
            );
            for place in places {
                println!("cargo::rerun-if-changed={}", place.join("libc.a").display());
            }
        }
    }
}

/// Folders that may hold musl's libc.a: the one that comes with rustup's target, then that of Debian's musl-dev.
fn musl_places() -> [PathBuf; 2] {
    let printed = Command::new(variable("RUSTC"))
        .args(["--print", "target-libdir", "--target", &variable("TARGET")])
        .output()
        .expect("rustc runs: it has just compiled this file");
    let libraries = String::from_utf8_lossy(&printed.stdout);
    let debian = format!("/usr/lib/{}-linux-musl", variable("CARGO_CFG_TARGET_ARCH"));
    [
        Path::new(libraries.trim()).join("self-contained"),
        debian.into(),
    ]
}

/// A variable that Cargo sets; empty when it is not set.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
