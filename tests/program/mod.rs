//! The program that the tests of the host's processes start: Cargo's, or the one that `FRAMEMILL_HOST_BIN` names, such as what
//! scripts/build made for x86_64.

use std::ffi::OsString;

pub fn program() -> OsString {
    std::env::var_os("FRAMEMILL_HOST_BIN").unwrap_or(env!("CARGO_BIN_EXE_framemill").into())
}
