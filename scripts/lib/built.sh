# shellcheck shell=bash
# What is asked of a program, whoever built it. Sourced, not run.
#
#   is_static PROGRAM    whether it needs no loader and has a fixed address
#   same_stream PROGRAM  whether it makes of the same frames what the first one made that was asked; FRAMEMILL_BUILDS is the folder
#                        for what they made

is_static() {
    local said
    said=$(LC_ALL=C readelf -Whl "$1") || return 1
    grep -q 'Type: *EXEC' <<<"$said" && ! grep -q 'INTERP\|DYNAMIC' <<<"$said"
}

# In the aarch64 guest, which runs arm's programs, too.
same_stream() {
    local script='framemill run --device /dev/video11 --codec H264 --size 640x480 --format YU12 --once 2>/dev/null &
        framemill tap --wait 5000 --from oldest --all --to /tmp/out 2>/dev/null &
        framemill push --wait 5000 --frames 10 --fps max 2>/dev/null && wait && md5sum </tmp/out'
    FRAMEMILL_BIN=$1 scripts/vm -- "$script" >"$FRAMEMILL_BUILDS/stream" || return 1
    [ -e "$FRAMEMILL_BUILDS/stream.first" ] || cp "$FRAMEMILL_BUILDS/stream" "$FRAMEMILL_BUILDS/stream.first"
    cmp "$FRAMEMILL_BUILDS/stream" "$FRAMEMILL_BUILDS/stream.first" >&2
}
