# shellcheck shell=bash
# The Rust that builds for this machine itself: tests and lints. Sourced after packages.sh, not run.
#
#   host_cargo    makes sure that there is one and exports CARGO
#   has_lint NAME whether `cargo NAME` (fmt, clippy) works with it; installs it where a package can
#
# The cargo of PATH when it is new enough, otherwise Debian's newest.

: "${root:?}"
# shellcheck source=scripts/lib/rust-version.sh
. "$root/scripts/lib/rust-version.sh"

host_cargo() {
    # What the caller set for another build must not change this one.
    unset RUSTC RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
    if command -v cargo >/dev/null && rust_is_new_enough rustc; then
        CARGO=$(command -v cargo)
    else
        need_packages gcc libc6-dev && need_debian_rust rustc-web cargo-web || return 1
        # Another rustc may come first in PATH.
        export RUSTC=/usr/bin/rustc
        CARGO=/usr/bin/cargo
    fi
    export CARGO
}

has_lint() {
    local package
    "$CARGO" "$1" --version >/dev/null 2>&1 && return 0
    case $CARGO:$1 in
    /usr/bin/cargo:fmt) package=rustfmt-web ;;
    /usr/bin/cargo:clippy) package=rust-web-clippy ;;
    *) return 1 ;;
    esac
    need_packages "$package" && "$CARGO" "$1" --version >/dev/null 2>&1
}
