# shellcheck shell=dash disable=SC2086,SC2034
# In the guest, after guest.sh: the same frames through other programs, which run until they are ended. ffmpeg and GStreamer come with
# `scripts/vm --programs`; ustreamer and ustreamer-dump lie in /host, with the libraries that they need in /host/lib.

# SIZE: as fast as it goes; v4l2-ctl has no pace.
ctl_file() {
    knob encode_us 0
    input $1
    as 1 v4l2-ctl -d /dev/video11 --set-fmt-video-out=width=${1%x*},height=${1#*x},pixelformat=YU12 \
        --set-fmt-video=width=${1%x*},height=${1#*x},pixelformat=H264 --set-ctrl h264_level=13 --stream-mmap --stream-out-mmap \
        --stream-out-perc-fill 1 --stream-loop --stream-from in --stream-to /dev/null >log 2>&1
}

# SIZE
ffmpeg_file() {
    knob encode_us 5000
    input $1
    as 1 ffmpeg -nostdin -hide_banner -loglevel error -re -f rawvideo -pix_fmt yuv420p -s $1 -r 30 -i in -c:v h264_v4l2m2m -b:v 4M -g 60 \
        -num_capture_buffers 8 -f h264 -y /dev/null >log 2>&1
}

# SIZE RATE
ffmpeg_camera() {
    knob encode_us 5000
    as 1 ffmpeg -nostdin -hide_banner -loglevel error -f v4l2 -input_format yuyv422 -video_size $1 -framerate $2 -i /dev/video4 \
        -c:v h264_v4l2m2m -pix_fmt yuyv422 -b:v 4M -g 60 -num_capture_buffers 8 -f h264 -y /dev/null >log 2>&1
}

controls='extra-controls=controls,video_bitrate=4000000,h264_i_frame_period=60'
coded='video/x-h264,level=(string)4.2'

# SIZE
gst_file() {
    knob encode_us 5000
    input $1
    as 1 gst-launch-1.0 -q -e filesrc location=in blocksize=$((${1%x*} * ${1#*x} * 3 / 2)) ! rawvideoparse format=i420 \
        width=${1%x*} height=${1#*x} framerate=30/1 colorimetry=bt601 ! identity sync=true ! v4l2h264enc $controls ! "$coded" \
        ! fakesink sync=false >log 2>&1
}

# SIZE RATE IN OUT: the io-modes.
gst_camera() {
    knob encode_us 5000
    as 1 gst-launch-1.0 -q -e v4l2src device=/dev/video4 io-mode=$3 ! \
        "video/x-raw,format=YUY2,width=${1%x*},height=${1#*x},framerate=$2/1" ! v4l2h264enc output-io-mode=$4 $controls ! "$coded" \
        ! fakesink sync=false >log 2>&1
}

# SIZE RATE ENCODE_US CONSUMERS
ustreamer_camera() {
    knob encode_us $3
    pace $1 $2
    cp -r /host/ustreamer /host/ustreamer-dump /host/lib /tmp/ 2>/dev/null
    # Its own loader, where there is one: it and the C library belong together.
    loader=''
    [ ! -e /tmp/lib/ld-linux-aarch64.so.1 ] || loader=/tmp/lib/ld-linux-aarch64.so.1
    export LD_LIBRARY_PATH=/tmp/lib
    # Not each version has these. JPEGs that nobody watches are not to be made.
    $loader /tmp/ustreamer --help >help
    more=''
    grep -q -e --h264-boost help && more=--h264-boost
    grep -q 'NOOP' help && more="$more --encoder NOOP"
    as 1 $loader /tmp/ustreamer --device /dev/video4 --format YUYV --resolution $1 --desired-fps $2 --buffers 6 --workers 1 --h264-sink bench.h264 \
        --h264-sink-rm --h264-bitrate 4000 --h264-gop 60 $more --h264-m2m-device /dev/video11 --host 127.0.0.1 --port 8080 >log 2>&1
    tries=100
    until [ -e /dev/shm/bench.h264 ] || [ $tries = 0 ]; do
        sleep 0.05
        tries=$((tries - 1))
    done
    consumers=$4 group=3
    while [ $consumers -gt 0 ]; do
        as $group $loader /tmp/ustreamer-dump --sink bench.h264 --output /dev/null >/dev/null 2>&1
        consumers=$((consumers - 1)) group=4
    done
    unset LD_LIBRARY_PATH
}

# What a start takes: one frame, ended by itself.
start_peers() {
    rm -f in && size='' && truncate -s 460800 in
    knob encode_us 5000
    alone start-ffmpeg ffmpeg -nostdin -hide_banner -loglevel error -f rawvideo -pix_fmt yuv420p -s 640x480 -r 30 -i in -c:v h264_v4l2m2m \
        -num_capture_buffers 8 -f h264 -y /dev/null
    alone start-gst gst-launch-1.0 -q filesrc location=in blocksize=460800 ! rawvideoparse format=i420 width=640 height=480 framerate=30/1 \
        colorimetry=bt601 ! v4l2h264enc $controls ! "$coded" ! fakesink sync=false
}

peers() {
    # In memory: while a program waits for the host's files, the guest is idle, and its clock runs on to the end of a `sleep`.
    cp -r /programs /tmp/programs
    mount --bind /tmp/programs /programs
    # The first start of GStreamer looks at all of its plugins.
    start_peers
    start_peers
    for format in 640x480 1280x720 1920x1080; do
        scene ctl-${format#*x} 2 1 ctl_file $format
        scene ffmpeg-${format#*x} 4 3 ffmpeg_file $format
        scene gst-${format#*x} 3 3 gst_file $format
    done
    pace 640x480 25
    scene ffmpeg-camera 4 3 ffmpeg_camera 640x480 25
    scene gst-camera-dmabuf 3 3 gst_camera 640x480 25 dmabuf dmabuf-import
    scene gst-camera-mmap 3 3 gst_camera 640x480 25 mmap mmap
    scene ustreamer 4 4 ustreamer_camera 640x480 25 5000 1
    scene ustreamer-4 4 4 ustreamer_camera 640x480 25 5000 4
}
