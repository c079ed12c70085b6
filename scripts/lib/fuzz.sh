# shellcheck shell=bash
# Fuzz targets: built with the host's Rust and libFuzzer, and run. Sourced after packages.sh and host-cargo.sh, not run.
#
#   fuzz_targets             prints their names
#   fuzz_build               builds them all; wants $CARGO
#   fuzz_program TARGET      prints the path of the program
#   fuzz_run TARGET SECONDS  fuzzes it for so long, from the corpus and what earlier runs found; nonzero for a finding
#   fuzz_keep TARGET         puts the fewest inputs that reach the same code into the corpus
#   fuzz_lints               clippy's opinion of the targets
#   fuzz_stage SECONDS       all targets for so long each, with a line for the counting of tests

_fuzz_folder=target/fuzz

# What the compiler has to put into the code for libFuzzer to see where it goes. These are LLVM's passes, which a stable compiler has.
# They must not reach build scripts, which have no libFuzzer: hence the --target.
_fuzz_flags="-Cpasses=sancov-module -Ccodegen-units=1 --cfg fuzzing"
for _fuzz_flag in level=4 inline-8bit-counters pc-table trace-compares; do
    _fuzz_flags+=" -Cllvm-args=-sanitizer-coverage-$_fuzz_flag"
done

_fuzz_host() {
    "${RUSTC:-rustc}" -vV | sed -n 's/^host: //p'
}

_fuzz_cargo() {
    # libFuzzer comes as C++ with its crate.
    need_packages g++ || return 1
    RUSTFLAGS=$_fuzz_flags CARGO_TARGET_DIR=$_fuzz_folder "$CARGO" "$1" --quiet --release --locked \
        --manifest-path tests/fuzz/Cargo.toml --target "$(_fuzz_host)" "${@:2}"
}

fuzz_targets() {
    sed -n 's/^path = "targets\/\(.*\)\.rs"$/\1/p' tests/fuzz/Cargo.toml
}

fuzz_build() {
    _fuzz_cargo build
}

fuzz_lints() {
    _fuzz_cargo clippy -- -D warnings
}

fuzz_program() {
    echo "$_fuzz_folder/$(_fuzz_host)/release/$1"
}

fuzz_run() {
    local target=$1 seconds=$2 work=$_fuzz_folder/work/$1 found=$_fuzz_folder/found/$1 log status=0
    mkdir -p "$work" "$found" "tests/fuzz/corpus/$target"
    log=$found/log
    # An input that takes seconds is a finding, too: work is bounded. The first folder takes what is new.
    nice "$(fuzz_program "$target")" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$found/" "$work" "tests/fuzz/corpus/$target" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        grep -v '^#' "$log" | tail -n 60 >&2
        echo "fuzz: $target: a finding; scripts/fuzz --input FILE $target tries it again" >&2
        return 1
    fi
    printf '%s: %s inputs in %s s, nothing found\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$seconds"
}

fuzz_keep() {
    local corpus=tests/fuzz/corpus/$1 fresh=$_fuzz_folder/fresh/$1
    rm -rf "$fresh"
    mkdir -p "$fresh"
    # By the code that is reached, not by how often: a tenth of the files.
    nice "$(fuzz_program "$1")" -merge=1 -use_counters=0 "$fresh" "$corpus" "$_fuzz_folder/work/$1" >"$fresh.log" 2>&1 || return 1
    rm -rf "$corpus"
    cp -R "$fresh" "$corpus"
}

fuzz_stage() {
    local target all=0 ended=0 failed=0
    fuzz_build || return 1
    if has_lint clippy; then fuzz_lints || return 1; fi
    # As many side by side as there are processors.
    for target in $(fuzz_targets); do
        if [ $((all - ended)) -ge "$(nproc)" ]; then
            wait -n || failed=$((failed + 1))
            ended=$((ended + 1))
        fi
        fuzz_run "$target" "$1" &
        all=$((all + 1))
    done
    for (( ; ended < all; ended++)); do wait -n || failed=$((failed + 1)); done
    echo "test result: fuzz targets. $((all - failed)) passed; $failed failed;"
    [ "$failed" -eq 0 ]
}
