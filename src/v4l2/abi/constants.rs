//! The kernel's constants that Framemill uses, each under its C name without `V4L2_`.
//!
//! Source: `include/uapi/linux/videodev2.h`, `v4l2-common.h` and `v4l2-controls.h`.

use super::layout::constants;

constants! { "V4L2_";
    /// The node captures video, single-planar.
    CAP_VIDEO_CAPTURE = 0x0000_0001;
    /// The node outputs video, single-planar.
    CAP_VIDEO_OUTPUT = 0x0000_0002;
    /// The node captures video, multi-planar.
    CAP_VIDEO_CAPTURE_MPLANE = 0x0000_1000;
    /// The node outputs video, multi-planar.
    CAP_VIDEO_OUTPUT_MPLANE = 0x0000_2000;
    /// The node is memory-to-memory, multi-planar.
    CAP_VIDEO_M2M_MPLANE = 0x0000_4000;
    /// The node is memory-to-memory, single-planar.
    CAP_VIDEO_M2M = 0x0000_8000;
    /// The node streams buffers.
    CAP_STREAMING = 0x0400_0000;
    /// The node's own capabilities are in `device_caps`.
    CAP_DEVICE_CAPS = 0x8000_0000;

    /// The format is coded.
    FMT_FLAG_COMPRESSED = 0x0001;

    /// One size.
    FRMSIZE_TYPE_DISCRETE = 1;

    /// `priv` of a `v4l2_pix_format` whose extended fields count.
    PIX_FMT_PRIV_MAGIC = 0xfeed_cafe;

    /// The driver chooses.
    FIELD_ANY = 0;
    /// Progressive.
    FIELD_NONE = 1;
    /// Two fields, row by row.
    FIELD_INTERLACED = 4;
    /// Two fields, row by row, the upper one first in time.
    FIELD_INTERLACED_TB = 8;
    /// Two fields, row by row, the lower one first in time.
    FIELD_INTERLACED_BT = 9;

    /// The queue takes MMAP.
    BUF_CAP_SUPPORTS_MMAP = 1 << 0;

    /// The buffer is mapped.
    BUF_FLAG_MAPPED = 0x0000_0001;
    /// The buffer is in the queue.
    BUF_FLAG_QUEUED = 0x0000_0002;
    /// The buffer waits to be dequeued.
    BUF_FLAG_DONE = 0x0000_0004;
    /// A key frame. On OUTPUT of some encoders: make one.
    BUF_FLAG_KEYFRAME = 0x0000_0008;
    /// The content is damaged or missing.
    BUF_FLAG_ERROR = 0x0000_0040;
    /// The bits that say where the time comes from.
    BUF_FLAG_TIMESTAMP_MASK = 0x0000_e000;
    /// Of the mask: the driver's clock, CLOCK_MONOTONIC.
    BUF_FLAG_TIMESTAMP_MONOTONIC = 0x0000_2000;
    /// Of the mask: CAPTURE repeats the time of OUTPUT.
    BUF_FLAG_TIMESTAMP_COPY = 0x0000_4000;
    /// The last buffer of a drain.
    BUF_FLAG_LAST = 0x0010_0000;

    /// The part of the image that is encoded.
    SEL_TGT_CROP = 0x0000;
    /// The part of the buffer that a decoded picture fills.
    SEL_TGT_COMPOSE = 0x0100;

    /// Encode what is queued, mark the last buffer, stop.
    ENC_CMD_STOP = 1;
    /// Decode what is queued, mark the last buffer, stop.
    DEC_CMD_STOP = 1;

    /// The end of a drain.
    EVENT_EOS = 2;
    /// The source's format changed.
    EVENT_SOURCE_CHANGE = 5;

    /// A 32-bit integer.
    CTRL_TYPE_INTEGER = 1;
    /// 0 or 1.
    CTRL_TYPE_BOOLEAN = 2;
    /// A choice of texts.
    CTRL_TYPE_MENU = 3;
    /// An action without a value.
    CTRL_TYPE_BUTTON = 4;
    /// A 64-bit integer.
    CTRL_TYPE_INTEGER64 = 5;
    /// 32 flags.
    CTRL_TYPE_BITMASK = 8;
    /// A choice of numbers.
    CTRL_TYPE_INTEGER_MENU = 9;

    /// The control is off for good.
    CTRL_FLAG_DISABLED = 0x0001;
    /// In a question: the control after this id.
    CTRL_FLAG_NEXT_CTRL = 0x8000_0000;
    /// `which`: the current value, of any class.
    CTRL_WHICH_CUR_VAL = 0;

    /// Left and right change places.
    CID_HFLIP = 0x0098_0914;
    /// Top and bottom change places.
    CID_VFLIP = 0x0098_0915;
    /// Fewest OUTPUT buffers.
    CID_MIN_BUFFERS_FOR_OUTPUT = 0x0098_0928;
    /// Frames from key frame to key frame.
    CID_MPEG_VIDEO_GOP_SIZE = 0x0099_09cb;
    /// `MPEG_VIDEO_BITRATE_MODE_*`.
    CID_MPEG_VIDEO_BITRATE_MODE = 0x0099_09ce;
    /// Bits per second.
    CID_MPEG_VIDEO_BITRATE = 0x0099_09cf;
    /// Headers before each key frame.
    CID_MPEG_VIDEO_REPEAT_SEQ_HEADER = 0x0099_09e2;
    /// Make the next frame a key frame.
    CID_MPEG_VIDEO_FORCE_KEY_FRAME = 0x0099_09e5;
    /// Headers before each IDR frame.
    CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR = 0x0099_0b84;
    /// Least quantiser, H.264.
    CID_MPEG_VIDEO_H264_MIN_QP = 0x0099_0a61;
    /// Greatest quantiser, H.264.
    CID_MPEG_VIDEO_H264_MAX_QP = 0x0099_0a62;
    /// Frames from I frame to I frame, H.264.
    CID_MPEG_VIDEO_H264_I_PERIOD = 0x0099_0a66;
    /// `MPEG_VIDEO_H264_LEVEL_*`.
    CID_MPEG_VIDEO_H264_LEVEL = 0x0099_0a67;
    /// `MPEG_VIDEO_H264_PROFILE_*`.
    CID_MPEG_VIDEO_H264_PROFILE = 0x0099_0a6b;

    /// Level 1b.
    MPEG_VIDEO_H264_LEVEL_1B = 1;
    /// Level 3.1.
    MPEG_VIDEO_H264_LEVEL_3_1 = 9;
    /// Level 4.
    MPEG_VIDEO_H264_LEVEL_4_0 = 11;
    /// Level 5.2.
    MPEG_VIDEO_H264_LEVEL_5_2 = 16;
    /// Main profile.
    MPEG_VIDEO_H264_PROFILE_MAIN = 2;
    /// High profile.
    MPEG_VIDEO_H264_PROFILE_HIGH = 4;
}
