# shellcheck shell=bash
# Whether a Rust is as new as Cargo.toml demands. Sourced after packages.sh, not run.
#
#   rust_is_new_enough RUSTC  whether this compiler is
#   need_debian_rust PKG…     makes sure of these packages, and that Debian's compiler is
#
# Debian updates rustc-web within a release; lists of packages that came with a machine may still name its first version.

: "${root:?}"

rust_is_new_enough() {
    local version wanted
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    version=$("$1" --version 2>/dev/null | cut -d ' ' -f 2)
    [ -n "$version" ] && [ "$(printf '%s\n' "$wanted" "$version" | sort -V | head -n 1)" = "$wanted" ]
}

need_debian_rust() {
    need_packages "$@" || return 1
    rust_is_new_enough /usr/bin/rustc || renew_packages "$@" || return 1
    rust_is_new_enough /usr/bin/rustc || {
        echo "packages: Debian's $(/usr/bin/rustc --version) is older than the rust-version of Cargo.toml" >&2
        return 1
    }
}
