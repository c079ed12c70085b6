//! Compares every structure, ioctl number, constant and errno of `v4l2::abi` and `errno::name` with the C headers.
//!
//! The numbers on the Rust side become `_Static_assert`s, and the C compiler does the comparing. So nothing has to run, and a cross compiler is
//! as good a witness as the host's.
#![cfg(not(loom))]

use std::fmt::Write;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;

use framemill::internals::errno::name::ERRNO_NAMES;
use framemill::internals::v4l2::abi::{CONSTANTS, Constant, IOCTLS, LAYOUTS, OTHER_CONSTANTS};

/// A C compiler with the headers of the kernel and of its C library.
struct Compiler {
    program: &'static str,
    flags: &'static [&'static str],
    /// What to install when it is missing.
    packages: &'static str,
    /// Index into the pairs of `abi`: 0 for 64-bit, 1 for 32-bit.
    width: usize,
}

const HOST: Compiler = Compiler {
    program: "cc",
    flags: &[],
    packages: "gcc libc6-dev linux-libc-dev",
    width: 0,
};

const AARCH64: Compiler = Compiler {
    program: "aarch64-linux-gnu-gcc",
    flags: &[],
    packages: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross linux-libc-dev-arm64-cross",
    width: 0,
};

const ARM: Compiler = Compiler {
    program: "arm-linux-gnueabihf-gcc",
    flags: &["-D_FILE_OFFSET_BITS=64", "-D_TIME_BITS=64"],
    packages: "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross linux-libc-dev-armhf-cross",
    width: 1,
};

const INCLUDES: &str = "\
#include <errno.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>
#include <linux/videodev2.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
";

impl Compiler {
    /// Compiles a text under the includes; `Err` is what the compiler wrote.
    fn check(&self, name: &str, text: &str) -> Result<(), String> {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("abi_probe_{}_{name}.c", self.program));
        std::fs::write(&file, format!("{INCLUDES}{text}")).expect("the probe can be written");
        let output = Command::new(self.program)
            .args(["-std=gnu11", "-Wall", "-Werror", "-fsyntax-only"])
            .args(self.flags)
            .arg(&file)
            .output();
        match output {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) if error.kind() == ErrorKind::NotFound => panic!(
                "the compiler {} is missing: install {}",
                self.program, self.packages
            ),
            Err(error) => panic!("the compiler {} does not start: {error}", self.program),
        }
    }

    fn agrees_with_abi(&self) {
        if let Err(complaint) = self.check("includes", "") {
            panic!(
                "{} cannot read the headers: install {}\n{complaint}",
                self.program, self.packages
            );
        }
        let assertions = assertions(self.width);
        if let Err(complaint) = self.check("all", &assertions) {
            panic!(
                "{} does not agree with v4l2::abi:\n{complaint}",
                self.program
            );
        }
    }

    /// A probe that cannot fail proves nothing.
    fn notices_a_wrong_number(&self) {
        let right = "_Static_assert(sizeof(struct v4l2_plane)";
        let assertions = assertions(self.width);
        assert!(assertions.contains(right));
        let wrong = assertions.replace(right, "_Static_assert(1 + sizeof(struct v4l2_plane)");
        let complaint = self
            .check("wrong", &wrong)
            .expect_err("a size that is wrong by one was accepted");
        assert_eq!(
            complaint.matches("static assertion failed").count(),
            1,
            "{complaint}"
        );
        assert!(complaint.contains("sizeof v4l2_plane"), "{complaint}");
    }
}

/// All that `abi` says, as C.
fn assertions(width: usize) -> String {
    let mut text = String::new();
    for layout in LAYOUTS {
        let name = layout.c_name;
        let size = layout.size[width];
        claim(
            &mut text,
            "sizeof",
            name,
            &format!("sizeof(struct {name})"),
            size as u64,
        );
        // Known for the host only, which is 64-bit.
        if width == 0 {
            let align = layout.align;
            claim(
                &mut text,
                "alignment",
                name,
                &format!("{align} % _Alignof(struct {name})"),
                0,
            );
        }
        for (field, offset) in layout.fields {
            // `type_` is C's `type`.
            let field = field.trim_end_matches('_');
            claim(
                &mut text,
                "offset",
                &format!("{name}.{field}"),
                &format!("offsetof(struct {name}, {field})"),
                offset[width] as u64,
            );
        }
    }
    for Constant { c_name, value } in CONSTANTS.iter().chain(OTHER_CONSTANTS).chain(IOCTLS) {
        claim(&mut text, "value", c_name, c_name, value[width]);
    }
    for (number, name) in (1..).zip(ERRNO_NAMES.split(' ')) {
        if name != "-" {
            claim(&mut text, "value", name, name, number);
        }
    }
    text
}

fn claim(text: &mut String, what: &str, of: &str, expression: &str, value: u64) {
    let claim = if what == "sizeof" {
        // Without a cast, so that `notices_a_wrong_number` finds the place.
        format!("{expression} == {value}")
    } else {
        format!("(unsigned long long)({expression}) == {value}ull")
    };
    writeln!(text, "_Static_assert({claim}, \"{what} {of}\");").expect("a String takes all");
}

#[test]
fn the_table_holds_every_part_of_the_interface() {
    assert_eq!(LAYOUTS.len(), 37);
    assert_eq!(IOCTLS.len(), 34);
    assert!(CONSTANTS.len() > 50, "{}", CONSTANTS.len());
}

#[test]
fn host_headers_agree_with_abi() {
    HOST.agrees_with_abi();
}

#[test]
#[ignore = "needs the cross compilers: scripts/check"]
fn aarch64_headers_agree_with_abi() {
    AARCH64.agrees_with_abi();
}

#[test]
#[ignore = "needs the cross compilers: scripts/check"]
fn arm_headers_with_64_bit_times_agree_with_abi() {
    ARM.agrees_with_abi();
    ARM.notices_a_wrong_number();
}

#[test]
fn host_compiler_notices_a_wrong_number() {
    HOST.notices_a_wrong_number();
}

#[test]
#[ignore = "needs the cross compilers: scripts/check"]
fn aarch64_compiler_notices_a_wrong_number() {
    AARCH64.notices_a_wrong_number();
}
