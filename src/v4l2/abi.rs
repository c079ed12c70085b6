//! The kernel's V4L2 and dma-buf interface: structures, constants and ioctl numbers, mirrored by hand.
//!
//! Knows bytes and numbers. Makes no call, holds no descriptor, needs no `unsafe`: unions are words with accessors, addresses are plain integers.
//! Names are those of the C headers in Rust's spelling: `v4l2_fmtdesc` is `FmtDesc`, `V4L2_BUF_FLAG_LAST` is `BUF_FLAG_LAST`.
//! Each size, offset and ioctl number is asserted at compile time here, and compared with the C headers by `tests/abi_probe.rs`.
//!
//! 32-bit: 64-bit times are used on every target. The kernel distinguishes the two forms of a structure by the size in the ioctl number.

mod buffer;
mod constants;
mod control;
mod device;
mod dmabuf;
mod format;
mod layout;
mod pix;
mod stream;

pub use buffer::{ExportBuffer, Plane, RawBuffer, RequestBuffers, TimeCode, TimeVal, Word};
pub use constants::*;
pub use control::{ExtControl, ExtControls, QueryExtCtrl, QueryMenu, Scalar};
pub use device::{Capability, FmtDesc, FrmSize, FrmSizeDiscrete, FrmSizeEnum, FrmSizeStepwise};
pub use dmabuf::{DmaBufSync, DmaHeapAllocationData, UdmabufCreate};
pub use format::Format;
pub use layout::{Constant, Layout, WIDTH};
pub use pix::{PixFormat, PixFormatMplane, PlanePixFormat};
pub use stream::{
    BtTimings, CaptureParm, CropCap, DecoderCmd, DvTimings, Edid, EncoderCmd, Event,
    EventSubscription, Fract, OutputParm, Rect, Selection, StreamParm, TimeSpec,
};

use layout::widths;

/// Most memory planes of a buffer: `VIDEO_MAX_PLANES`.
pub const VIDEO_MAX_PLANES: u32 = 8;
/// Most buffers of a queue on kernels before 6.8: `VIDEO_MAX_FRAME`.
pub const VIDEO_MAX_FRAME: u32 = 32;

/// The CPU will write.
pub const DMA_BUF_SYNC_WRITE: u64 = 2;
/// The CPU begins.
pub const DMA_BUF_SYNC_START: u64 = 0;
/// The CPU has ended.
pub const DMA_BUF_SYNC_END: u64 = 4;

/// The constants whose C names do not begin with `V4L2_`, for the comparison with the C headers.
pub const OTHER_CONSTANTS: &[Constant] = &[
    named("VIDEO_MAX_PLANES", VIDEO_MAX_PLANES as u64),
    named("VIDEO_MAX_FRAME", VIDEO_MAX_FRAME as u64),
    named("DMA_BUF_SYNC_WRITE", DMA_BUF_SYNC_WRITE),
    named("DMA_BUF_SYNC_START", DMA_BUF_SYNC_START),
    named("DMA_BUF_SYNC_END", DMA_BUF_SYNC_END),
    named(
        "V4L2_BUF_TYPE_VIDEO_CAPTURE",
        BufferType::VideoCapture as u64,
    ),
    named("V4L2_BUF_TYPE_VIDEO_OUTPUT", BufferType::VideoOutput as u64),
    named(
        "V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE",
        BufferType::VideoCaptureMplane as u64,
    ),
    named(
        "V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE",
        BufferType::VideoOutputMplane as u64,
    ),
    named("V4L2_MEMORY_MMAP", Memory::Mmap as u64),
    named("V4L2_MEMORY_DMABUF", Memory::Dmabuf as u64),
];

const fn named(c_name: &'static str, value: u64) -> Constant {
    Constant {
        c_name,
        value: [value; 2],
    }
}

/// Every structure of this module, for the comparison with the C headers.
pub const LAYOUTS: &[Layout] = &[
    Capability::LAYOUT,
    FmtDesc::LAYOUT,
    FrmSizeDiscrete::LAYOUT,
    FrmSizeStepwise::LAYOUT,
    FrmSizeEnum::LAYOUT,
    PixFormat::LAYOUT,
    PlanePixFormat::LAYOUT,
    PixFormatMplane::LAYOUT,
    Format::LAYOUT,
    RequestBuffers::LAYOUT,
    Plane::LAYOUT,
    TimeVal::LAYOUT,
    TimeCode::LAYOUT,
    RawBuffer::LAYOUT,
    ExportBuffer::LAYOUT,
    Fract::LAYOUT,
    OutputParm::LAYOUT,
    CaptureParm::LAYOUT,
    StreamParm::LAYOUT,
    Rect::LAYOUT,
    CropCap::LAYOUT,
    Selection::LAYOUT,
    QueryExtCtrl::LAYOUT,
    QueryMenu::LAYOUT,
    ExtControl::LAYOUT,
    ExtControls::LAYOUT,
    DecoderCmd::LAYOUT,
    EncoderCmd::LAYOUT,
    EventSubscription::LAYOUT,
    TimeSpec::LAYOUT,
    Event::LAYOUT,
    BtTimings::LAYOUT,
    DvTimings::LAYOUT,
    Edid::LAYOUT,
    DmaBufSync::LAYOUT,
    DmaHeapAllocationData::LAYOUT,
    UdmabufCreate::LAYOUT,
];

/// Which of V4L2's two buffer APIs a device speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Buffers are one piece of memory.
    Single,
    /// Buffers are one or more memory planes.
    Multi,
}

/// Which of an encoder's two queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Raw frames, into the encoder.
    Output,
    /// Coded buffers, back from the encoder.
    Capture,
}

/// `v4l2_buf_type`: the four that video queues have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(clippy::enum_variant_names, reason = "the kernel's names")]
pub enum BufferType {
    /// CAPTURE, single-planar.
    VideoCapture = 1,
    /// OUTPUT, single-planar.
    VideoOutput = 2,
    /// CAPTURE, multi-planar.
    VideoCaptureMplane = 9,
    /// OUTPUT, multi-planar.
    VideoOutputMplane = 10,
}

impl BufferType {
    /// The type of a queue in one of the APIs.
    #[must_use]
    pub const fn new(queue: Queue, api: Api) -> Self {
        match (queue, api) {
            (Queue::Capture, Api::Single) => Self::VideoCapture,
            (Queue::Output, Api::Single) => Self::VideoOutput,
            (Queue::Capture, Api::Multi) => Self::VideoCaptureMplane,
            (Queue::Output, Api::Multi) => Self::VideoOutputMplane,
        }
    }

    /// Its API.
    #[must_use]
    pub const fn api(self) -> Api {
        match self {
            Self::VideoCapture | Self::VideoOutput => Api::Single,
            Self::VideoCaptureMplane | Self::VideoOutputMplane => Api::Multi,
        }
    }

    /// Its queue.
    #[must_use]
    pub const fn queue(self) -> Queue {
        match self {
            Self::VideoCapture | Self::VideoCaptureMplane => Queue::Capture,
            Self::VideoOutput | Self::VideoOutputMplane => Queue::Output,
        }
    }

    /// The same queue's type in the single-planar API.
    #[must_use]
    pub const fn single_planar(self) -> Self {
        Self::new(self.queue(), Api::Single)
    }
}

/// `v4l2_memory`: the two kinds that Framemill uses. User pointers are left out: a queue that cannot be given an address cannot write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Memory {
    /// The driver's own buffers.
    Mmap = 1,
    /// Imported dma-bufs.
    Dmabuf = 4,
}

/// Direction bits of an ioctl number, `_IOC_WRITE` and `_IOC_READ` of `asm-generic/ioctl.h`: the kernel reads, the kernel writes.
const IOW: u32 = 1;
const IOR: u32 = 2;
const IOWR: u32 = IOW | IOR;

/// `_IOC(direction, group, number, sizeof(T))`.
const fn ioc<T>(direction: u32, group: u8, number: u8) -> u32 {
    direction << 30 | (size_of::<T>() as u32) << 16 | (group as u32) << 8 | number as u32
}

/// The size that an ioctl number carries: `_IOC_SIZE`.
#[must_use]
pub const fn ioc_size(number: u32) -> usize {
    (number >> 16 & 0x3fff) as usize
}

/// Defines ioctl numbers from direction, group, number and argument, asserts them against the literal, and makes the `IOCTLS` table.
macro_rules! ioctls {
    ($($name:ident = $direction:ident($group:literal, $number:literal, $argument:ty),
       $literal:literal $(| $narrow:literal)?;)+) => {
        $(
            #[doc = concat!("The number of `", stringify!($name), "`.")]
            pub const $name: u32 = ioc::<$argument>($direction, $group, $number);
            const _: () = assert!($name as u64 == widths!($literal $(| $narrow)?)[WIDTH]);
        )+

        /// Every ioctl number of this module, for the comparison with the C headers.
        pub const IOCTLS: &[Constant] = &[$(
            Constant { c_name: stringify!($name), value: widths!($literal $(| $narrow)?) }
        ),+];
    };
}

ioctls! {
    VIDIOC_QUERYCAP = IOR(b'V', 0, Capability), 0x8068_5600;
    VIDIOC_ENUM_FMT = IOWR(b'V', 2, FmtDesc), 0xc040_5602;
    VIDIOC_G_FMT = IOWR(b'V', 4, Format), 0xc0d0_5604 | 0xc0cc_5604;
    VIDIOC_S_FMT = IOWR(b'V', 5, Format), 0xc0d0_5605 | 0xc0cc_5605;
    VIDIOC_REQBUFS = IOWR(b'V', 8, RequestBuffers), 0xc014_5608;
    VIDIOC_QUERYBUF = IOWR(b'V', 9, RawBuffer), 0xc058_5609 | 0xc050_5609;
    VIDIOC_QBUF = IOWR(b'V', 15, RawBuffer), 0xc058_560f | 0xc050_560f;
    VIDIOC_PREPARE_BUF = IOWR(b'V', 93, RawBuffer), 0xc058_565d | 0xc050_565d;
    VIDIOC_EXPBUF = IOWR(b'V', 16, ExportBuffer), 0xc040_5610;
    VIDIOC_DQBUF = IOWR(b'V', 17, RawBuffer), 0xc058_5611 | 0xc050_5611;
    VIDIOC_STREAMON = IOW(b'V', 18, i32), 0x4004_5612;
    VIDIOC_STREAMOFF = IOW(b'V', 19, i32), 0x4004_5613;
    VIDIOC_G_PARM = IOWR(b'V', 21, StreamParm), 0xc0cc_5615;
    VIDIOC_S_PARM = IOWR(b'V', 22, StreamParm), 0xc0cc_5616;
    VIDIOC_QUERYMENU = IOWR(b'V', 37, QueryMenu), 0xc02c_5625;
    VIDIOC_G_EXT_CTRLS = IOWR(b'V', 71, ExtControls), 0xc020_5647 | 0xc018_5647;
    VIDIOC_S_EXT_CTRLS = IOWR(b'V', 72, ExtControls), 0xc020_5648 | 0xc018_5648;
    VIDIOC_ENUM_FRAMESIZES = IOWR(b'V', 74, FrmSizeEnum), 0xc02c_564a;
    VIDIOC_ENCODER_CMD = IOWR(b'V', 77, EncoderCmd), 0xc028_564d;
    VIDIOC_G_INPUT = IOR(b'V', 38, i32), 0x8004_5626;
    VIDIOC_CROPCAP = IOWR(b'V', 58, CropCap), 0xc02c_563a;
    VIDIOC_S_DV_TIMINGS = IOWR(b'V', 87, DvTimings), 0xc084_5657;
    VIDIOC_QUERY_DV_TIMINGS = IOR(b'V', 99, DvTimings), 0x8084_5663;
    VIDIOC_G_EDID = IOWR(b'V', 40, Edid), 0xc028_5628 | 0xc024_5628;
    VIDIOC_S_EDID = IOWR(b'V', 41, Edid), 0xc028_5629 | 0xc024_5629;
    VIDIOC_DQEVENT = IOR(b'V', 89, Event), 0x8088_5659;
    VIDIOC_SUBSCRIBE_EVENT = IOW(b'V', 90, EventSubscription), 0x4020_565a;
    VIDIOC_G_SELECTION = IOWR(b'V', 94, Selection), 0xc040_565e;
    VIDIOC_DECODER_CMD = IOWR(b'V', 96, DecoderCmd), 0xc048_5660;
    VIDIOC_S_SELECTION = IOWR(b'V', 95, Selection), 0xc040_565f;
    VIDIOC_QUERY_EXT_CTRL = IOWR(b'V', 103, QueryExtCtrl), 0xc0e8_5667;
    DMA_BUF_IOCTL_SYNC = IOW(b'b', 0, DmaBufSync), 0x4008_6200;
    UDMABUF_CREATE = IOW(b'u', 0x42, UdmabufCreate), 0x4018_7542;
    DMA_HEAP_IOCTL_ALLOC = IOWR(b'H', 0, DmaHeapAllocationData), 0xc018_4800;
}
