# shellcheck shell=dash
# In the guest, after guest.sh and peers.sh: the scenes. `want GROUP…`: whether one of these was asked for. A scene's name is what report.py looks
# for. 5,000 µs is what the model then says a frame takes; in null_mode it looks at no pixel.
want() {
    for group in "$@"; do
        case " $GROUPS_WANTED " in *" $group "*) return 0 ;; esac
    done
    return 1
}

# What scripts/test holds to the recorded numbers.
if want gate quick peers full; then
    scene floor 1 4 floor_frames 640x480 30 5000 none
    scene mill 2 4 mill_frames 640x480 30 5000 1
    # The engine measures for ten seconds what wake-ups take after a long turn, as those are in which consumers come.
    scene mill-16 13 4 mill_frames 640x480 30 5000 16
    scene mill-camera 2 4 mill_camera 640x480 25 5000
fi
if want quick peers full; then
    scene floor-camera 1 4 floor_camera 640x480 25 5000
fi
if want quick full; then
    scene floor-480 1 4 floor_frames 640x480 30 5000 file
    scene mill-4 13 4 mill_frames 640x480 30 5000 4
    # Both queues answer at different times, as a board's do: the frame is really coded.
    knob null_mode N
    scene floor-coded 1 3 floor_frames 320x240 30 0 none
    scene mill-coded 2 3 mill_frames 320x240 30 0 1
    knob null_mode Y
    scene floor-padded 1 3 floor_frames 720x576 30 5000 file
    scene mill-padded 2 3 mill_frames 720x576 30 5000 1
    scene mill-copy 2 3 mill_frames 640x480 30 5000 1 --memory copy
    latency latency-1 1
    latency latency-16 16
    joint_start start
    alone start-floor floor file 640x480 YU12 1 0 in
fi
if want full; then
    for format in 1280x720 1920x1080; do
        scene floor-${format#*x} 1 4 floor_frames $format 30 5000 file
        scene mill-${format#*x} 2 4 mill_frames $format 30 5000 1
        scene mill-copy-${format#*x} 2 3 mill_frames $format 30 5000 1 --memory copy
        scene mill-padded-copy 2 3 mill_frames 720x576 30 5000 1 --memory copy
    done
    knob null_mode N
    for format in 640x480 1280x720; do
        scene floor-coded-${format#*x} 1 3 floor_frames $format 30 0 none
        scene mill-coded-${format#*x} 2 3 mill_frames $format 30 0 1
    done
    knob null_mode Y
    latency latency-realtime 1 --realtime 50
fi
if want peers full; then
    peers
fi
