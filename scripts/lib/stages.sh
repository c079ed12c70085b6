# shellcheck shell=bash
# Stages of a test run: a heading each, their time, and one sum at the end. Sourced, not run.
#
#   stage NAME COMMAND…  runs it with its output on ours; a stage that fails is noted, and returns nonzero
#   lanes FUNCTION…      runs functions that call `stage` side by side: the first one's output is seen as it comes, each other's when
#                        all have ended; returns nonzero when one did. What they set is lost, but for the first's
#   stage_summary        prints the sum, as the last line there is, and returns nonzero when anything failed
#
# A stage's tests are counted from the test runner's own `test result:` lines. A stage that fails
# without a failed test (a lint, a build), or whose runner found no test, counts as one failure. COMMAND may be a function; `set -e`
# does not hold in it.

_stage_folder=$(mktemp -d)
_stage_groups=()
trap '_stage_end' EXIT
: >"$_stage_folder/results"

# Lanes that somebody interrupted do not go on.
_stage_end() {
    local group
    for group in "${_stage_groups[@]}"; do kill -- "-$group" 2>/dev/null || true; done
    rm -rf "$_stage_folder"
}

stage() {
    local name=$1 began=$SECONDS status=0 tee log results passed failed end="done"
    shift
    log=$(mktemp "$_stage_folder/log.XXXXXX")
    printf '\n== %s\n' "$name"
    { ("$@") || status=$?; } > >(exec tee "$log") 2>&1
    tee=$!
    # Processes that a stage left behind have its output open, perhaps for good.
    for _ in $(seq 300); do
        kill -0 "$tee" 2>/dev/null || break
        sleep 0.1
    done
    kill "$tee" 2>/dev/null || true
    read -r results passed failed < <(sed -n \
        's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$log" |
        awk '{ p += $1; f += $2 } END { print NR, p + 0, f + 0 }')
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    # A name that no test has any more.
    [ "$results" -eq 0 ] || [ $((passed + failed)) -gt 0 ] || failed=1
    printf '%s %s %s\n' "$passed" "$failed" "$name" >>"$_stage_folder/results"
    [ "$failed" -eq 0 ] || end=FAILED
    printf '== %s: %s, %s s\n' "$name" "$end" $((SECONDS - began))
    [ "$failed" -eq 0 ]
}

lanes() {
    local first=$1 lane status=0
    shift
    # A group of processes each, which can be ended as one.
    set -m
    for lane in "$@"; do
        (
            set +m
            "$lane"
        ) >"$_stage_folder/$lane" 2>&1 </dev/null &
        _stage_groups+=("$!")
    done
    set +m
    "$first" || status=1
    for lane in "$@"; do
        wait "${_stage_groups[0]}" || status=1
        _stage_groups=("${_stage_groups[@]:1}")
        cat "$_stage_folder/$lane"
    done
    return "$status"
}

stage_summary() {
    local passed failed bad
    read -r passed failed bad < <(awk '
        { passed += $1; failed += $2 }
        $2 > 0 { $1 = $2 = ""; sub(/^ +/, ""); bad = bad " (" $0 ")" }
        END { print passed + 0, failed + 0, bad }' "$_stage_folder/results")
    printf '\n== all: %s s%s\n' "$SECONDS" "${bad:+, failed: $bad}"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
