# shellcheck shell=dash disable=SC2086,SC2154 # $encoder is words; start sets variables by name
# Goes before every script that the guest runs for a test: starts and ends programs, and tells the
# host what came of them as lines NAME=VALUE on standard output. Logs are in /host afterwards.
set -u
cd /tmp || exit 99
# A log that is lost on the way to the host looks like a program that said nothing.
keep_logs() {
    for log in /tmp/*.log; do
        [ ! -e "$log" ] || { cp "$log" /host/ && cmp "$log" "/host/${log#/tmp/}"; } || echo "$log is not whole on the host" >&2
    done
}
trap keep_logs EXIT
# A test that hangs is ended from outside; what the logs say by then is worth having. Each comes under its name when it is whole: in a
# steady guest a slow host lets the clock leap to this moment while the logs are kept, and the guest's end then cuts the copy off.
keep_late_logs() {
    for log in /tmp/*.log; do
        cp "$log" /host/.unfinished && mv /host/.unfinished "/host/${log#/tmp/}"
    done
}
# Nobody's child: a `wait` for all must not wait for it.
( (sleep 110 && keep_late_logs 2>/dev/null) & )

# The encoder under test, as options of `run`; a test of another one says so.
encoder='--device /dev/video0 --codec FWHT'

say() { echo "$1=$2"; }

give_up() {
    echo "gave up: $*" >&2
    exit 99
}

# Half a minute of the guest's own time: the host may be busy.
until_true() {
    patience=1500
    until "$@" 2>/dev/null; do
        patience=$((patience - 1))
        [ "$patience" -gt 0 ] || give_up "$*"
        sleep 0.02
    done
}

# engine NAME OPTION…: starts an engine, its log in NAME.log, its process number in $NAME, and waits
# until it runs. What the test cares about comes after --device and --codec, so it can say otherwise.
engine() {
    name=$1
    shift
    start "$name" framemill run $encoder "$@"
    until_true grep -q 'running: ' "/tmp/$name.log"
}

# knob NAME VALUE: makes the model misbehave; its README has the table.
knob() {
    echo "$2" >"/sys/module/bcm2835_codec_model/parameters/$1" || give_up "knob $1"
}

# start NAME COMMAND…: runs in the background, standard error in NAME.log, process number in $NAME.
start() {
    name=$1
    shift
    # Whoever looks for a line must not find that of one before.
    rm -f "/tmp/$name.log"
    "$@" 2>"/tmp/$name.log" &
    eval "$name=$!"
}

# ended NAME: waits for what was started under that name, and says NAME=EXIT STATUS.
ended() {
    eval "wait \$$1"
    say "$1" $?
}

# try NAME COMMAND…: runs it to its end, standard error in NAME.log, and says NAME=EXIT STATUS.
try() {
    name=$1
    shift
    "$@" 2>"/tmp/$name.log"
    say "$name" $?
}

# once W H FORMAT IN OUT OPTION…: a file through the whole of Framemill, as README shows it.
once() {
    w=$1 h=$2 format=$3 in=$4 out=$5
    shift 5
    start run framemill run $encoder --size "${w}x$h" --format "$format" --once "$@"
    start tap framemill tap --wait 60000 --from oldest --all --to "$out"
    until_true reached consumers_attached 1
    framemill push --wait 60000 --from "$in" --fps max 2>/tmp/push.log || give_up "push ended with $?"
    wait "$tap" || give_up "tap ended with $?"
    wait "$run" || give_up "run ended with $?"
}

# traced NAME FAULT OPTION…: an engine whose calls on the device fail as strace's FAULT says; waits until it runs or ends.
traced() {
    name=$1 fault=$2
    shift 2
    start "$name" strace -o "/tmp/$name.trace" -e trace=ioctl -e "$fault" \
        framemill run $encoder --size 640x368 "$@"
    until_true grep -q 'framemill: ' "/tmp/$name.log"
}

# nth CALL: the number of the first such call at an engine's start, for strace's when=; from a start that goes well.
nth() {
    if [ ! -e start.trace ]; then
        strace -o start.trace -e trace=ioctl framemill run $encoder --size 640x368 2>start.log &
        until_true grep -q 'running: ' start.log
        kill "$(counter pid)"
        wait $!
    fi
    grep -n "$1" start.trace | head -n 1 | cut -d : -f 1
}

# counter NAME: what stat says of it. Asked again and again; one regular expression for the whole line takes three times as long.
counter() {
    framemill stat --json | awk -F "\"$1\":" 'NF > 1 { sub(/[^0-9].*/, "", $2); print $2 }'
}

# descriptors PID: how many it has. The fewest of some moments: it may not have closed yet what whoever just left had of it.
descriptors() {
    for _ in 1 2 3 4 5 6 7 8; do
        echo "/proc/$1/fd"/* | wc -w
        sleep 0.05
    done | sort -n | head -n 1
}

# reached NAME N: whether the counter is at least N.
reached() {
    [ "$(counter "$1")" -ge "$2" ]
}

# fwht_packets FILE: how many packets are in it; each begins with OOOO and four bytes of ones.
fwht_packets() {
    tr '\377\0' '\n.' <"$1" | grep -c 'OOOO$'
}

# reference W H FORMAT IN OUT [CONTROL=VALUE,…]: the same frames through v4l2-ctl, which knows nothing of Framemill.
# It paints a test picture over its buffers before it reads a frame into them, which shows in rows of padding;
# painting one per cent keeps the padding as the driver made it, zero. On a busy machine it can miss its last packets
# (fewer of them than there are > in what it prints, one for each frame): then once more. Its < do not count: newer ones print one for
# the empty buffer at the end, too.
reference() {
    for attempt in 1 2 3 4 5 6; do
        v4l2-ctl -d /dev/video0 --set-fmt-video-out="width=$1,height=$2,pixelformat=$3" \
            --set-selection-output "target=crop,left=0,top=0,width=$1,height=$2" \
            ${6:+--set-ctrl "$6"} --stream-out-perc-fill 1 \
            --stream-mmap --stream-out-mmap --stream-from "$4" --stream-to "$5" >/tmp/reference.log 2>&1 ||
            give_up "v4l2-ctl"
        [ "$(fwht_packets "$5")" != "$(tr -cd '>' <reference.log | wc -c)" ] || return 0
        echo "v4l2-ctl lost packets, attempt $attempt" >&2
    done
    give_up "v4l2-ctl lost packets each time"
}

# decode W H IN OUT FRAMES: the kernel's own decoder makes YU12 of FWHT. Once more when v4l2-ctl misses the last ones.
decode() {
    for attempt in 1 2 3 4 5 6; do
        v4l2-ctl -d /dev/video1 --set-fmt-video-out="width=$1,height=$2,pixelformat=FWHT" \
            --set-fmt-video="pixelformat=YU12" --stream-mmap --stream-out-mmap \
            --stream-from "$3" --stream-to "$4" >/tmp/decode.log 2>&1 || give_up "v4l2-ctl's decoder"
        [ "$(stat -c %s "$4")" -lt $(($1 * $2 * $5 * 3 / 2)) ] || return 0
        echo "v4l2-ctl lost frames, attempt $attempt" >&2
    done
    give_up "v4l2-ctl lost frames each time"
}
