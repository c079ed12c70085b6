# shellcheck shell=bash
# Frames of a real video for the tests. Sourced after packages.sh and demo-clip.sh, not run.
#
#   clip_packages   prints the packages that making them needs; none when they are cached
#   clip_frames     makes CACHE/clip/WxH.yuv and WxH.y4m when they are not there

: "${cache:?}"

# Size and number of frames of each file. The guest's encoder is emulated: frames are dear.
_clips=(640x368:24 640x360:8 1280x720:4)

_clip_missing() {
    local clip
    for clip in "${_clips[@]}"; do
        [ -e "$cache/clip/${clip%:*}.yuv" ] && [ -e "$cache/clip/${clip%:*}.y4m" ] || return 0
    done
    return 1
}

clip_packages() {
    _clip_missing || return 0
    echo ffmpeg
    python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
}

_clip_make() (
    source=$(default_clip "$cache") || exit 1
    work=$(mktemp -d "$cache/clip/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    for clip in "${_clips[@]}"; do
        size=${clip%:*}
        ffmpeg -nostdin -loglevel error -i "$source" -frames:v "${clip#*:}" -vf "scale=${size/x/:}" \
            -pix_fmt yuv420p -f yuv4mpegpipe "$work/$size.y4m" || exit 1
        ffmpeg -nostdin -loglevel error -i "$work/$size.y4m" -f rawvideo "$work/$size.yuv" || exit 1
        mv "$work/$size.y4m" "$work/$size.yuv" "$cache/clip/" || exit 1
    done
)

clip_frames() {
    mkdir -p "$cache/clip"
    ! _clip_missing || (
        flock 8
        ! _clip_missing || _clip_make 8>&-
    ) 8>"$cache/clip.lock"
}
