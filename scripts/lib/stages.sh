# shellcheck shell=bash
# Stages of a test run: a heading each, their time, and one sum at the end. Sourced, not run.
#
#   stage NAME COMMAND…  runs it with its output on ours; a stage that fails is noted, and returns nonzero
#   stage_summary        prints the sum, as the last line there is, and returns nonzero when anything failed
#
# A stage's tests are counted from the test runner's own `test result:` lines. A stage that fails
# without a failed test (a lint, a build), or whose runner found no test, counts as one failure. COMMAND may be a function; `set -e`
# does not hold in it.

_stage_log=$(mktemp)
trap 'rm -f "$_stage_log"' EXIT
_stage_passed=0 _stage_failed=0 _stage_bad=''

stage() {
    local name=$1 began=$SECONDS status=0 tee results passed failed end="done"
    shift
    printf '\n== %s\n' "$name"
    { ("$@") || status=$?; } > >(exec tee "$_stage_log") 2>&1
    tee=$!
    # Processes that a stage left behind have its output open, perhaps for good.
    for _ in $(seq 300); do
        kill -0 "$tee" 2>/dev/null || break
        sleep 0.1
    done
    kill "$tee" 2>/dev/null || true
    read -r results passed failed < <(sed -n \
        's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$_stage_log" |
        awk '{ p += $1; f += $2 } END { print NR, p + 0, f + 0 }')
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    # A name that no test has any more.
    [ "$results" -eq 0 ] || [ $((passed + failed)) -gt 0 ] || failed=1
    _stage_passed=$((_stage_passed + passed)) _stage_failed=$((_stage_failed + failed))
    [ "$failed" -eq 0 ] || end=FAILED _stage_bad+=" ($name)"
    printf '== %s: %s, %s s\n' "$name" "$end" $((SECONDS - began))
    [ "$failed" -eq 0 ]
}

stage_summary() {
    printf '\n== all: %s s%s\n' "$SECONDS" "${_stage_bad:+, failed:$_stage_bad}"
    echo "$_stage_passed passed, $_stage_failed failed"
    [ "$_stage_failed" -eq 0 ]
}
