# shellcheck shell=bash
# The quick checks as stages: formatting, lints, and the tests that run on this machine.
# Sourced by scripts/check and scripts/test, after packages.sh, host-cargo.sh and stages.sh.

_lint() {
    local tool=$1
    shift
    if has_lint "$tool"; then
        "$CARGO" "$tool" "$@"
    elif [ "$CARGO" = /usr/bin/cargo ]; then
        # Debian has a package for it, which could not be fetched.
        return 1
    else
        echo "cargo $tool is not to be had here: left out"
    fi
}

# The guest's tests lie in a folder of their own, the model checker's are empty without its flag.
_host_tests() {
    local file names=() status=0
    for file in tests/*.rs; do
        file=${file#tests/}
        [ "$file" = rings_loom.rs ] || names+=(--test "${file%.rs}")
    done
    "$CARGO" test --quiet --no-fail-fast --lib "${names[@]}" -- --include-ignored || status=1
    "$CARGO" test --quiet --doc || status=1
    return "$status"
}

# The fuzz targets, the examples and the user without std are workspaces of their own.
_formatting() {
    _lint fmt --check && _lint fmt --check --manifest-path tests/fuzz/Cargo.toml &&
        _lint fmt --check --manifest-path tests/examples/Cargo.toml &&
        _lint fmt --check --manifest-path tests/no_std_user/Cargo.toml
}

_lints() {
    _lint clippy --quiet --all-targets -- -D warnings &&
        _lint clippy --quiet --manifest-path tests/examples/Cargo.toml --target-dir target/examples -- -D warnings
}

# tests/abi_probe.rs compares with the kernel's own headers, as the compilers see them; tests/model_coder.rs decodes with ffmpeg and libjpeg;
# tests/packaging.rs asks systemd and mandoc; tests/containers.rs has three programs read what tap writes;
# tests/c_header.rs compiles the header for C and C++, tests/appsrc.rs an example for GStreamer; tests/recipes.rs and
# tests/view.rs run what the recipes name.
quick_packages() {
    need_packages python3 edid-decode gcc libc6-dev gcc-aarch64-linux-gnu libc6-dev-arm64-cross linux-libc-dev-arm64-cross \
        gcc-arm-linux-gnueabihf libc6-dev-armhf-cross linux-libc-dev-armhf-cross ffmpeg xz-utils \
        gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad python3-av \
        systemd mandoc g++ g++-aarch64-linux-gnu g++-arm-linux-gnueabihf \
        libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libjpeg-dev pkgconf \
        busybox chromium chromium-driver && need_opencv
}

quick_checks() {
    stage "formatting" _formatting || true
    stage "lints" _lints || true
    stage "host tests" _host_tests || true
}
