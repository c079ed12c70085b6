# shellcheck shell=dash disable=SC2086,SC2034
# In the guest, before a list of scenes: each runs programs side by side, and has what they execute in mid-run counted. Knows how programs are
# started and counted; what comes of the counts is report.py's.
#
# Groups: 1 the engine, or a peer; 2 a producer; 3 a consumer; 4 further consumers.
cd /tmp || exit 99
cp /host/meter /host/floor /host/stamp /tmp/
export PATH=$PATH:/tmp
label=0 size='' stamped='' names=/host/names
: >$names

knob() { echo "$2" >/sys/module/bcm2835_codec_model/parameters/$1; }
knob null_mode Y

# input SIZE: 400 frames of 4:2:0, all zero, which take no memory.
input() {
    [ "$size" = $1 ] || { rm -f in && truncate -s $((400 * ${1%x*} * ${1#*x} * 3 / 2)) in; }
    size=$1
}

# as GROUP PROGRAM…: in the background; `finish` ends it.
as() {
    meter as "$@" &
    pids="$pids $!"
}

mark() {
    meter mark $label
    label=$((label + 1))
}

# rest SECONDS: in many sleeps. While a program waits for a file of the host's, the guest is idle, and its clock runs on to the end of a sleep.
rest() {
    naps=$(($1 * 20))
    while [ $naps -gt 0 ]; do
        sleep 0.05
        naps=$((naps - 1))
    done
}

# scene NAME WARM SECONDS COMMAND…: the command starts programs; WARM seconds later what they execute is counted for so long.
scene() {
    name=$1 warm=$2 seconds=$3 pids='' engine=''
    shift 3
    "$@"
    rest $warm
    [ -z "$engine" ] || memory
    mark
    sleep $seconds
    mark
    echo "$((label - 1)) $name" >>$names
    finish
}

# What programs that run for ever have left to say, and their end.
finish() {
    [ -z "$engine" ] || framemill stat --json >/host/$name.stat
    # The last one first: consumers, then the engine.
    for pid in $pids; do kill $pid 2>/dev/null; done
    wait
    [ ! -e log ] || mv log /host/$name.log
}

# Resident, private and locked KiB of the programs that run.
memory() {
    for pid in $pids; do
        {
            tr '\0' ' ' </proc/$pid/cmdline
            awk '/^Rss|^Private/ { sum[substr($1, 1, 3)] += $2 } END { printf "rss %d private %d", sum["Rss"], sum["Pri"] }' /proc/$pid/smaps
            awk '/^VmLck/ { print " locked " $2 }' /proc/$pid/status
        } >>/host/$name.memory
    done
}

# floor SIZE RATE ENCODE_US [file|none]
floor_frames() {
    knob encode_us $3
    input $1
    as 1 floor $4 $1 YU12 1000000 $2 in >log 2>&1
}

# SIZE RATE ENCODE_US CONSUMERS [OPTION…]
mill_frames() {
    knob encode_us $3
    input $1
    frame_size=$1 rate=$2 consumers=$4
    shift 4
    as 1 framemill run --device /dev/video11 --codec H264 --size $frame_size --format YU12 --bitrate 4M --gop 60 "$@" 2>>log
    engine=$!
    while [ $consumers -gt 1 ]; do
        as 4 framemill tap --wait 5000 --from oldest --to /dev/null 2>/dev/null
        consumers=$((consumers - 1))
    done
    consume
    until framemill stat --check 2>/dev/null; do sleep 0.05; done
    as 2 framemill push --wait 5000 --raw --from in --loop --fps $rate 2>>log
}

# The consumer that is counted.
consume() {
    if [ -z "$stamped" ]; then
        as 3 framemill tap --wait 5000 --from oldest --all --to /dev/null --index index 2>>log
    else
        framemill tap --wait 5000 --from oldest --all --index index 2>>log | stamp stamps &
    fi
}

# SIZE RATE ENCODE_US [OPTION…]
mill_camera() {
    knob encode_us $3
    pace $1 $2
    frame_size=$1 rate=$2
    shift 3
    as 1 framemill run --device /dev/video11 --codec H264 --camera /dev/video4 --format YUYV --size $frame_size --fps $rate --bitrate 4M --gop 60 \
        "$@" 2>>log
    engine=$!
    consume
}

floor_camera() {
    knob encode_us $3
    pace $1 $2
    as 1 floor camera $1 YUYV 1000000 0 /dev/video4 >log 2>&1
}

# pace SIZE RATE: the camera's.
pace() {
    v4l2-ctl -d /dev/video4 --set-fmt-video width=${1%x*},height=${1#*x},pixelformat=YUYV >/dev/null &&
        v4l2-ctl -d /dev/video4 --set-parm $2 >/dev/null
}

# latency NAME CONSUMERS [OPTION…]: no counts, but times: of each packet in the index, and of when its bytes came out of the last consumer.
latency() {
    name=$1 pids='' engine='' stamped=1 consumers=$2
    shift 2
    mill_frames 640x480 30 5000 $consumers "$@"
    sleep 17
    # The engine's end ends the others, the pipe's reader last.
    pids=$engine
    finish
    mv index /host/$name.index
    mv stamps /host/$name.stamps
    stamped=''
}

# start NAME: engine, producer and consumer begin together, one frame goes through; how long until its bytes are there, and what all of it takes.
joint_start() {
    name=$1 pids=''
    knob encode_us 0
    input 640x480
    mark
    # Nothing here waits for the host: see `rest`.
    meter now >begin
    as 1 framemill run --device /dev/video11 --codec H264 --size 640x480 --format YU12 --bitrate 4M --gop 60 --once 2>log
    (meter as 3 framemill tap --wait 5000 --from oldest --all 2>>log | stamp stamps) &
    as 2 framemill push --wait 5000 --raw --from in --frames 1 2>>log
    wait
    mark
    echo "$((label - 1)) $name" >>$names
    mv log /host/$name.log
    mv begin /host/$name.begin
    mv stamps /host/$name.stamps
}

# The same for a program that is one: PROGRAM….
alone() {
    name=$1 pids=''
    shift
    mark
    as 1 "$@" >log 2>&1
    wait
    mark
    echo "$((label - 1)) $name" >>$names
    mv log /host/$name.log
}
