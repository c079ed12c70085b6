# shellcheck shell=bash
# The quick checks as stages: formatting, lints, and the tests that run on this machine.
# Sourced by scripts/check and scripts/test, after packages.sh, host-cargo.sh and stages.sh.

: "${root:?}"

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

# The slowest first, so that none of them is left over at the end.
_slow_tests=(src/lib.rs tests/view.rs tests/recipes.rs tests/c_client.rs tests/package.rs tests/releases.rs tests/outputs.rs)

# Builds all test programs, and what else is named. The guest's tests lie in a folder of their own, the model checker's are empty
# without its flag.
# shellcheck disable=SC2120 # scripts/test names some
build_tests() {
    local file names=()
    for file in tests/*.rs; do
        file=${file#tests/}
        [ "$file" = rings_loom.rs ] || names+=(--test "${file%.rs}")
    done
    "$CARGO" test --color never --no-run --lib "${names[@]}" "$@" 2>&1
}

# Runs them side by side: many wait, for times to pass and for other programs.
_host_tests() {
    local built programs=() files=(tests/*.rs) status=0
    # shellcheck disable=SC2119
    built=$(build_tests) || status=1
    printf '%s\n' "$built"
    [ "$status" -eq 0 ] || return 1
    # Lines such as: Executable tests/view.rs (target/debug/deps/view-0123456789abcdef)
    mapfile -t programs < <(printf '%s\n' "$built" | awk -v slow="${_slow_tests[*]}" '
        BEGIN { n = split(slow, names, " "); for (i = 1; i <= n; i++) place[names[i]] = i }
        $1 == "Executable" {
            name = $(NF - 1)
            gsub(/[()]/, "", $NF)
            print (name in place ? place[name] : n + 1), $NF
        }' | sort -sn -k 1,1 | cut -d ' ' -f 2)
    # One is the library's own, and one file is the model checker's.
    if [ "${#programs[@]}" -ne ${#files[@]} ]; then
        echo "checks: ${#programs[@]} test programs of ${#files[@]} were built"
        return 1
    fi
    # What one of them says stays together.
    # shellcheck disable=SC2016 # the inner shell's variables
    printf '%s\0' "${programs[@]}" | CARGO_MANIFEST_DIR=$root xargs -0 -n 1 -P "$(nproc)" sh -c '
        said=$("$1" --quiet --include-ignored 2>&1) || status=$?
        printf "\n%s\n%s\n" "${1##*/}" "$said" | flock "$0" cat
        exit "${status:-0}"' "$root/scripts/lib/checks.sh" || status=1
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

# What is only read, not run: without what the tests need.
checks_of_the_source() {
    stage "formatting" _formatting || true
    stage "lints" _lints || true
}

host_tests() {
    stage "host tests" _host_tests
}
