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
    /// `v4l2_pix_format` has its extended colour fields.
    CAP_EXT_PIX_FORMAT = 0x0020_0000;
    /// The node streams buffers.
    CAP_STREAMING = 0x0400_0000;
    /// The node's own capabilities are in `device_caps`.
    CAP_DEVICE_CAPS = 0x8000_0000;
    /// `timeperframe` counts; of `v4l2_outputparm` and `v4l2_captureparm`.
    CAP_TIMEPERFRAME = 0x1000;

    /// The format is coded.
    FMT_FLAG_COMPRESSED = 0x0001;
    /// The format is made by software outside the driver.
    FMT_FLAG_EMULATED = 0x0002;
    /// Coded data needs no frame boundaries.
    FMT_FLAG_CONTINUOUS_BYTESTREAM = 0x0004;
    /// The driver notices resolution changes.
    FMT_FLAG_DYN_RESOLUTION = 0x0008;
    /// The encoder takes a frame interval on CAPTURE that differs from the one on OUTPUT.
    FMT_FLAG_ENC_CAP_FRAME_INTERVAL = 0x0010;

    /// One size.
    FRMSIZE_TYPE_DISCRETE = 1;
    /// A range with steps of 1.
    FRMSIZE_TYPE_CONTINUOUS = 2;
    /// A range.
    FRMSIZE_TYPE_STEPWISE = 3;

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

    /// The driver chooses.
    COLORSPACE_DEFAULT = 0;
    /// Standard-definition television.
    COLORSPACE_SMPTE170M = 1;
    /// High-definition television.
    COLORSPACE_REC709 = 3;
    /// JPEG: full range, Rec. 601 matrix, sRGB primaries.
    COLORSPACE_JPEG = 7;
    /// sRGB.
    COLORSPACE_SRGB = 8;
    /// The colorspace's own transfer function.
    XFER_FUNC_DEFAULT = 0;
    /// The colorspace's own matrix.
    YCBCR_ENC_DEFAULT = 0;
    /// Rec. 601 matrix.
    YCBCR_ENC_601 = 1;
    /// Rec. 709 matrix.
    YCBCR_ENC_709 = 2;
    /// The colorspace's own range.
    QUANTIZATION_DEFAULT = 0;
    /// 0 to 255.
    QUANTIZATION_FULL_RANGE = 1;
    /// 16 to 235 (240).
    QUANTIZATION_LIM_RANGE = 2;

    /// The queue takes MMAP.
    BUF_CAP_SUPPORTS_MMAP = 1 << 0;
    /// The queue takes USERPTR.
    BUF_CAP_SUPPORTS_USERPTR = 1 << 1;
    /// The queue takes DMABUF.
    BUF_CAP_SUPPORTS_DMABUF = 1 << 2;
    /// The queue takes requests.
    BUF_CAP_SUPPORTS_REQUESTS = 1 << 3;
    /// Buffers may be freed while they are mapped or exported.
    BUF_CAP_SUPPORTS_ORPHANED_BUFS = 1 << 4;

    /// The buffer is mapped.
    BUF_FLAG_MAPPED = 0x0000_0001;
    /// The buffer is in the queue.
    BUF_FLAG_QUEUED = 0x0000_0002;
    /// The buffer waits to be dequeued.
    BUF_FLAG_DONE = 0x0000_0004;
    /// A key frame. On OUTPUT of some encoders: make one.
    BUF_FLAG_KEYFRAME = 0x0000_0008;
    /// A predicted frame.
    BUF_FLAG_PFRAME = 0x0000_0010;
    /// A bidirectionally predicted frame.
    BUF_FLAG_BFRAME = 0x0000_0020;
    /// The content is damaged or missing.
    BUF_FLAG_ERROR = 0x0000_0040;
    /// The time code counts.
    BUF_FLAG_TIMECODE = 0x0000_0100;
    /// The buffer is prepared.
    BUF_FLAG_PREPARED = 0x0000_0400;
    /// The CPU will not read: the cache need not be invalidated.
    BUF_FLAG_NO_CACHE_INVALIDATE = 0x0000_0800;
    /// The CPU did not write: the cache need not be cleaned.
    BUF_FLAG_NO_CACHE_CLEAN = 0x0000_1000;
    /// The bits that say where the time comes from.
    BUF_FLAG_TIMESTAMP_MASK = 0x0000_e000;
    /// Of the mask: nobody knows.
    BUF_FLAG_TIMESTAMP_UNKNOWN = 0x0000_0000;
    /// Of the mask: the driver's clock, CLOCK_MONOTONIC.
    BUF_FLAG_TIMESTAMP_MONOTONIC = 0x0000_2000;
    /// Of the mask: CAPTURE repeats the time of OUTPUT.
    BUF_FLAG_TIMESTAMP_COPY = 0x0000_4000;
    /// The last buffer of a drain.
    BUF_FLAG_LAST = 0x0010_0000;

    /// The part of the image that is encoded.
    SEL_TGT_CROP = 0x0000;
    /// The driver's proposal for the crop.
    SEL_TGT_CROP_DEFAULT = 0x0001;
    /// The largest crop.
    SEL_TGT_CROP_BOUNDS = 0x0002;
    /// The part of the buffer that is written to.
    SEL_TGT_COMPOSE = 0x0100;
    /// The driver's proposal for the composition.
    SEL_TGT_COMPOSE_DEFAULT = 0x0101;
    /// The largest composition.
    SEL_TGT_COMPOSE_BOUNDS = 0x0102;
    /// Round up.
    SEL_FLAG_GE = 1 << 0;
    /// Round down.
    SEL_FLAG_LE = 1 << 1;

    /// Encode.
    ENC_CMD_START = 0;
    /// Encode what is queued, mark the last buffer, stop.
    ENC_CMD_STOP = 1;
    /// Flag of STOP: go on to the end of the group of pictures.
    ENC_CMD_STOP_AT_GOP_END = 1 << 0;

    /// In an unsubscription: all events.
    EVENT_ALL = 0;
    /// The last buffer of a drain was made.
    EVENT_EOS = 2;
    /// A control changed.
    EVENT_CTRL = 3;
    /// The source's format changed.
    EVENT_SOURCE_CHANGE = 5;
    /// Of `changes`: the resolution.
    EVENT_SRC_CH_RESOLUTION = 1 << 0;

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
    /// A heading.
    CTRL_TYPE_CTRL_CLASS = 6;
    /// A string.
    CTRL_TYPE_STRING = 7;
    /// 32 flags.
    CTRL_TYPE_BITMASK = 8;
    /// A choice of numbers.
    CTRL_TYPE_INTEGER_MENU = 9;
    /// From here on: structures and arrays.
    CTRL_COMPOUND_TYPES = 0x0100;

    /// The control is off for good.
    CTRL_FLAG_DISABLED = 0x0001;
    /// The control cannot be changed at present.
    CTRL_FLAG_GRABBED = 0x0002;
    /// The control cannot be changed.
    CTRL_FLAG_READ_ONLY = 0x0004;
    /// Changing the control changes others.
    CTRL_FLAG_UPDATE = 0x0008;
    /// The control has no effect at present.
    CTRL_FLAG_INACTIVE = 0x0010;
    /// The control cannot be read.
    CTRL_FLAG_WRITE_ONLY = 0x0040;
    /// The device changes the control by itself.
    CTRL_FLAG_VOLATILE = 0x0080;
    /// The value travels behind a pointer.
    CTRL_FLAG_HAS_PAYLOAD = 0x0100;
    /// Writing the same value again acts again.
    CTRL_FLAG_EXECUTE_ON_WRITE = 0x0200;
    /// Changing the control changes the buffers' layout.
    CTRL_FLAG_MODIFY_LAYOUT = 0x0400;
    /// In a question: the control after this id.
    CTRL_FLAG_NEXT_CTRL = 0x8000_0000;
    /// In a question: also arrays and structures.
    CTRL_FLAG_NEXT_COMPOUND = 0x4000_0000;
    /// `which`: the current value, of any class.
    CTRL_WHICH_CUR_VAL = 0;
    /// `which`: the default value.
    CTRL_WHICH_DEF_VAL = 0x0f00_0000;
    /// Class of the stateful codecs' controls.
    CTRL_CLASS_CODEC = 0x0099_0000;

    /// Fewest CAPTURE buffers.
    CID_MIN_BUFFERS_FOR_CAPTURE = 0x0098_0927;
    /// Fewest OUTPUT buffers.
    CID_MIN_BUFFERS_FOR_OUTPUT = 0x0098_0928;
    /// B frames between others.
    CID_MPEG_VIDEO_B_FRAMES = 0x0099_09ca;
    /// Frames from key frame to key frame.
    CID_MPEG_VIDEO_GOP_SIZE = 0x0099_09cb;
    /// Whether groups of pictures are closed.
    CID_MPEG_VIDEO_GOP_CLOSURE = 0x0099_09cc;
    /// `MPEG_VIDEO_BITRATE_MODE_*`.
    CID_MPEG_VIDEO_BITRATE_MODE = 0x0099_09ce;
    /// Bits per second.
    CID_MPEG_VIDEO_BITRATE = 0x0099_09cf;
    /// Bits per second at most, with a variable rate.
    CID_MPEG_VIDEO_BITRATE_PEAK = 0x0099_09d0;
    /// Rate control by frame.
    CID_MPEG_VIDEO_FRAME_RC_ENABLE = 0x0099_09d7;
    /// `MPEG_VIDEO_HEADER_MODE_*`.
    CID_MPEG_VIDEO_HEADER_MODE = 0x0099_09d8;
    /// Headers before each key frame.
    CID_MPEG_VIDEO_REPEAT_SEQ_HEADER = 0x0099_09e2;
    /// Make the next frame a key frame.
    CID_MPEG_VIDEO_FORCE_KEY_FRAME = 0x0099_09e5;
    /// Headers before each IDR frame.
    CID_MPEG_VIDEO_PREPEND_SPSPPS_TO_IDR = 0x0099_0b84;
    /// Quality, 1 to 100, with `MPEG_VIDEO_BITRATE_MODE_CQ`.
    CID_MPEG_VIDEO_CONSTANT_QUALITY = 0x0099_0b85;
    /// Whether the encoder may drop frames.
    CID_MPEG_VIDEO_FRAME_SKIP_MODE = 0x0099_0b86;
    /// Quantiser of I frames, vicodec.
    CID_FWHT_I_FRAME_QP = 0x0099_0a22;
    /// Quantiser of P frames, vicodec.
    CID_FWHT_P_FRAME_QP = 0x0099_0a23;
    /// Quantiser of I frames, H.264.
    CID_MPEG_VIDEO_H264_I_FRAME_QP = 0x0099_0a5e;
    /// Quantiser of P frames, H.264.
    CID_MPEG_VIDEO_H264_P_FRAME_QP = 0x0099_0a5f;
    /// Least quantiser, H.264.
    CID_MPEG_VIDEO_H264_MIN_QP = 0x0099_0a61;
    /// Greatest quantiser, H.264.
    CID_MPEG_VIDEO_H264_MAX_QP = 0x0099_0a62;
    /// `MPEG_VIDEO_H264_ENTROPY_MODE_*` of the kernel: 0 CAVLC, 1 CABAC.
    CID_MPEG_VIDEO_H264_ENTROPY_MODE = 0x0099_0a65;
    /// Frames from I frame to I frame, H.264.
    CID_MPEG_VIDEO_H264_I_PERIOD = 0x0099_0a66;
    /// `MPEG_VIDEO_H264_LEVEL_*`.
    CID_MPEG_VIDEO_H264_LEVEL = 0x0099_0a67;
    /// `MPEG_VIDEO_H264_PROFILE_*`.
    CID_MPEG_VIDEO_H264_PROFILE = 0x0099_0a6b;
    /// Least quantiser, HEVC.
    CID_MPEG_VIDEO_HEVC_MIN_QP = 0x0099_0b58;
    /// Greatest quantiser, HEVC.
    CID_MPEG_VIDEO_HEVC_MAX_QP = 0x0099_0b59;
    /// Profile, HEVC.
    CID_MPEG_VIDEO_HEVC_PROFILE = 0x0099_0b67;
    /// Level, HEVC.
    CID_MPEG_VIDEO_HEVC_LEVEL = 0x0099_0b68;
    /// JPEG quality, 1 to 100.
    CID_JPEG_COMPRESSION_QUALITY = 0x009d_0903;

    /// Variable bit rate.
    MPEG_VIDEO_BITRATE_MODE_VBR = 0;
    /// Constant bit rate.
    MPEG_VIDEO_BITRATE_MODE_CBR = 1;
    /// Constant quality.
    MPEG_VIDEO_BITRATE_MODE_CQ = 2;
    /// Headers in a buffer of their own.
    MPEG_VIDEO_HEADER_MODE_SEPARATE = 0;
    /// Headers in the first frame's buffer.
    MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME = 1;

    /// Level 1.
    MPEG_VIDEO_H264_LEVEL_1_0 = 0;
    /// Level 1b.
    MPEG_VIDEO_H264_LEVEL_1B = 1;
    /// Level 1.1.
    MPEG_VIDEO_H264_LEVEL_1_1 = 2;
    /// Level 1.2.
    MPEG_VIDEO_H264_LEVEL_1_2 = 3;
    /// Level 1.3.
    MPEG_VIDEO_H264_LEVEL_1_3 = 4;
    /// Level 2.
    MPEG_VIDEO_H264_LEVEL_2_0 = 5;
    /// Level 2.1.
    MPEG_VIDEO_H264_LEVEL_2_1 = 6;
    /// Level 2.2.
    MPEG_VIDEO_H264_LEVEL_2_2 = 7;
    /// Level 3.
    MPEG_VIDEO_H264_LEVEL_3_0 = 8;
    /// Level 3.1.
    MPEG_VIDEO_H264_LEVEL_3_1 = 9;
    /// Level 3.2.
    MPEG_VIDEO_H264_LEVEL_3_2 = 10;
    /// Level 4.
    MPEG_VIDEO_H264_LEVEL_4_0 = 11;
    /// Level 4.1.
    MPEG_VIDEO_H264_LEVEL_4_1 = 12;
    /// Level 4.2.
    MPEG_VIDEO_H264_LEVEL_4_2 = 13;
    /// Level 5.
    MPEG_VIDEO_H264_LEVEL_5_0 = 14;
    /// Level 5.1.
    MPEG_VIDEO_H264_LEVEL_5_1 = 15;
    /// Level 5.2.
    MPEG_VIDEO_H264_LEVEL_5_2 = 16;
    /// Baseline profile.
    MPEG_VIDEO_H264_PROFILE_BASELINE = 0;
    /// Constrained baseline profile.
    MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE = 1;
    /// Main profile.
    MPEG_VIDEO_H264_PROFILE_MAIN = 2;
    /// High profile.
    MPEG_VIDEO_H264_PROFILE_HIGH = 4;
}
