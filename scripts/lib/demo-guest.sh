#!/bin/sh
# The part of scripts/demo that runs in the guest: the whole chain, and for FWHT the kernel's decoder. H.264 is left to the host.
# usage: demo-guest.sh CODEC WxH RATE PACE RING
# Reads /host/source.y4m; leaves clip.CODEC in small letters, index.txt, stat.json, engine.log, and decoded.yuv of FWHT, in /host.
set -u
codec=$1 size=$2 rate=$3 pace=$4 ring=$5
case $codec in
H264) device=/dev/video11 clip=clip.h264 ;;
*) device=/dev/video0 clip=clip.fwht ;;
esac

fail() {
    kill "$engine" "$tap" 2>/dev/null
    cp engine.log /host/
    # The last line is what the host shows.
    echo "$1"
    exit 1
}

# Half of the memory is a tmpfs's usual limit.
mount -o remount,size=90% /tmp && cd /tmp && cp /host/source.y4m . || exit 1

framemill run --device "$device" --codec "$codec" --size "$size" --fps "$rate" --packet-ring "$ring" 2>engine.log &
engine=$!
framemill tap --wait 10000 --from oldest --all --to "$clip" --index index.txt 2>tap.log &
tap=$!
framemill push --wait 10000 --from source.y4m --fps "$pace" 2>push.log ||
    fail "push ended with status $?: $(tail -n 1 push.log); the engine's last words: $(tail -n 1 engine.log)"
# The counters live in the engine's memory: ask while it runs.
framemill stat --json >stat.json 2>stat.log || fail "stat ended with status $?: $(tail -n 1 stat.log)"
kill -TERM "$engine"
wait "$engine" || fail "the engine ended with status $?: $(tail -n 1 engine.log)"
wait "$tap" || fail "tap ended with status $?: $(tail -n 1 tap.log)"
cp "$clip" index.txt stat.json engine.log /host/
[ "$codec" = FWHT ] || exit 0

# v4l2-ctl fills the decoder's buffers to the brim unless told where packets end, and loses frames of what it
# queued last. Before each packet: "rdhV", and its length, four bytes, most significant first.
rm source.y4m
grep -v '^#' index.txt | while read -r _ bytes _; do
    [ "$bytes" -gt 0 ] || continue
    # shellcheck disable=SC2059 # the inner printf writes the outer one's format
    printf "rdhV$(printf '\\%03o' $((bytes >> 24 & 255)) $((bytes >> 16 & 255)) $((bytes >> 8 & 255)) $((bytes & 255)))"
    dd bs="$bytes" count=1 2>/dev/null <&3
done 3<"$clip" >clip.framed
v4l2-ctl -d /dev/video1 --set-fmt-video-out="width=${size%x*},height=${size#*x},pixelformat=FWHT" \
    --set-fmt-video=pixelformat=YU12 --stream-mmap --stream-out-mmap \
    --stream-from-hdr clip.framed --stream-to /host/decoded.yuv >decode.log 2>&1 ||
    fail "the kernel's decoder refused the bitstream: $(tail -n 1 decode.log)"
