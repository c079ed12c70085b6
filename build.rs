//! Tells the linker what the program cannot do without: a fixed address, its own start code, nothing of a C runtime.
//!
//! Holds whatever flags, profile and linker a build system brings. What makes the program smaller is in `.cargo/config.toml` and
//! `Cargo.toml`, and may be missing.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo does not see what a linker script is; without this a changed one would not relink.
    println!("cargo::rerun-if-changed=linker");
    // The model checker's program is a usual one.
    if env::var_os("CARGO_CFG_LOOM").is_some() {
        return;
    }

    // All of these reach our program only, never a program that uses our library. They come last, so they outrank what rustc says
    // of the same, such as -pie.
    let argument = |text: &str| println!("cargo::rustc-link-arg-bins={text}");
    argument("-static");
    argument("-no-pie");
    if linker_is_called_directly() {
        let script = Path::new(&variable("CARGO_MANIFEST_DIR")).join("linker/framemill.ld");
        argument(&format!("-T{}", script.display()));
        // Buys: the linker's idea of a page is the script's on every architecture; kernels with 16 KiB pages (Raspberry Pi 5) and
        // 64 KiB pages load the program. Costs: address space only; with 4 KiB the file is not a byte smaller.
        argument("-zmax-page-size=0x10000");
    } else {
        // A C compiler, for all that build systems bring. It may have any linker behind it, so the layout is that linker's own.
        argument("-nostartfiles");
        argument("-Wl,--entry=framemill_start");
        // A core that was compiled for unwinding names these; a panic aborts, so nobody calls them.
        for unwinder in [
            "rust_eh_personality",
            "_Unwind_Resume",
            "__aeabi_unwind_cpp_pr0",
            "__aeabi_unwind_cpp_pr1",
        ] {
            argument(&format!("-Wl,--defsym={unwinder}=0"));
        }
    }
}

/// Whether rustc calls the linker by itself, rather than a C compiler that calls one. It decides by the same words.
fn linker_is_called_directly() -> bool {
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    // `-C name=value`, in one word or in two. The last one counts.
    let value = |name: &str| {
        let mut values = flags.split('\x1f').filter_map(|flag| {
            let flag = flag.strip_prefix("-C").unwrap_or(flag);
            flag.strip_prefix(name)?.strip_prefix('=')
        });
        values.next_back().map(str::to_owned)
    };
    if let Some(flavor) = value("linker-flavor") {
        return !flavor.ends_with("cc");
    }
    let linker = value("linker").unwrap_or_else(|| variable("RUSTC_LINKER"));
    let name = linker.trim_end_matches(|character: char| "-.0123456789".contains(character));
    name.ends_with("ld")
}

/// A variable that Cargo sets; empty when it is not set.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
