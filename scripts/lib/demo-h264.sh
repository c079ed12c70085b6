# shellcheck shell=bash
# H.264 on this machine, for scripts/demo: what a stream says of itself, its pixels, and an MP4 of it. Sourced, not run.
#
#   h264_words STREAM                prints profile and level, and the size on a second line
#   h264_decode STREAM DECODED.yuv   the pixels; fails when ffmpeg finds anything wrong with the stream
#   h264_wrap STREAM RATE CLIP.mp4   the same packets with times
#   h264_wrapped CLIP.mp4 FRAMES RATE   fails unless it has so many packets at this rate

# A probe ends after 5 MB otherwise, and an I_PCM key frame can be larger.
_h264_input=(-probesize 64M -f h264)

h264_words() {
    local codec profile width height level
    IFS='|' read -r codec profile width height level < <(ffprobe -v error "${_h264_input[@]}" -select_streams v:0 \
        -show_entries stream=codec_name,profile,width,height,level -of compact=p=0:nk=1 "$1") || return 1
    [ "$codec" = h264 ] || return 1
    case $level in
    9) level=1b ;;
    *[0-9]) level=$((level / 10)).$((level % 10)) ;;
    esac
    printf '%s, level %s\n%s\n' "$profile" "$level" "${width}x$height"
}

h264_decode() {
    ffmpeg -nostdin -hide_banner -v error -y -xerror -err_detect explode "${_h264_input[@]}" -i "$1" \
        -fps_mode passthrough -pix_fmt yuv420p -f rawvideo "$2" 2>&1
}

# The times are counted, because what the stream says of its rate is what was declared to the encoder: never below 9
# a second. The stream does not name its colours, and a player takes large pictures for BT.709.
h264_wrap() {
    local frames=${2%/*} seconds=${2#*/}
    ffmpeg -nostdin -hide_banner -v error -y "${_h264_input[@]}" -i "$1" -c copy -bsf:v \
        "h264_metadata=matrix_coefficients=6:video_full_range_flag=0,setts=ts=N*$seconds:duration=$seconds:time_base=1/$frames" \
        -video_track_timescale "$frames" "$3" 2>&1
}

# ffprobe rounds a rate of large numbers.
h264_wrapped() {
    ffprobe -v error -select_streams v:0 -count_packets -show_entries stream=avg_frame_rate,nb_read_packets \
        -of default=noprint_wrappers=1 "$1" |
        awk -F= -v frames="$2" -v rate="$3" '
            { got[$1] = $2 }
            END {
                split(got["avg_frame_rate"], is, "/"); split(rate, should, "/")
                error = is[2] ? is[1] / is[2] * should[2] / should[1] - 1 : 1
                exit !(got["nb_read_packets"] == frames && error * error < 1e-6)
            }'
}
