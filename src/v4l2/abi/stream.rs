//! What runs beside the buffers: frame interval, cropping, encoder commands, events.
//!
//! Source: `include/uapi/linux/videodev2.h`.

use super::BufferType;
use super::layout::{layout, widths};

/// `v4l2_fract`: a quotient, as frame intervals in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Fract {
    /// Above the line.
    pub numerator: u32,
    /// Below the line.
    pub denominator: u32,
}

layout! { Fract = "v4l2_fract", size 8; numerator: 0, denominator: 4 }

/// `v4l2_outputparm`: how fast raw frames are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OutputParm {
    /// `CAP_TIMEPERFRAME` when the interval counts.
    pub capability: u32,
    /// The driver's own modes.
    pub outputmode: u32,
    /// Seconds from frame to frame.
    pub timeperframe: Fract,
    /// The driver's own modes.
    pub extendedmode: u32,
    /// Buffers for `write()`.
    pub writebuffers: u32,
    reserved: [u32; 4],
}

layout! { OutputParm = "v4l2_outputparm", size 40;
    capability: 0, outputmode: 4, timeperframe: 8, extendedmode: 16, writebuffers: 20, reserved: 24,
}

/// `v4l2_captureparm`: how fast frames are read. The fields that `StreamParm` gives out lie where `OutputParm` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CaptureParm {
    /// `CAP_TIMEPERFRAME` when the interval counts.
    pub capability: u32,
    /// Still image or not.
    pub capturemode: u32,
    /// Seconds from frame to frame.
    pub timeperframe: Fract,
    /// The driver's own modes.
    pub extendedmode: u32,
    /// Buffers for `read()`.
    pub readbuffers: u32,
    reserved: [u32; 4],
}

layout! { CaptureParm = "v4l2_captureparm", size 40;
    capability: 0, capturemode: 4, timeperframe: 8, extendedmode: 16, readbuffers: 20, reserved: 24,
}

/// `v4l2_streamparm`: a queue's frame interval.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct StreamParm {
    pub(crate) type_: u32,
    parm: [u32; 50],
}

layout! { StreamParm = "v4l2_streamparm", size 204; type_: 0, parm: 4 }

impl StreamParm {
    /// A queue's parameters, all zero.
    #[must_use]
    pub const fn new(buffer_type: BufferType) -> Self {
        Self {
            type_: buffer_type as u32,
            parm: [0; 50],
        }
    }

    /// Seconds from frame to frame.
    #[must_use]
    pub const fn timeperframe(&self) -> Fract {
        Fract {
            numerator: self.parm[2],
            denominator: self.parm[3],
        }
    }

    /// Sets the seconds from frame to frame.
    pub const fn set_timeperframe(&mut self, interval: Fract) {
        self.parm[2] = interval.numerator;
        self.parm[3] = interval.denominator;
    }
}

/// `v4l2_rect`: a rectangle, pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Rect {
    /// Columns from the left edge.
    pub left: i32,
    /// Rows from the top edge.
    pub top: i32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

layout! { Rect = "v4l2_rect", size 16; left: 0, top: 4, width: 8, height: 12 }

/// `v4l2_cropcap`: what a camera can show of its picture.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct CropCap {
    /// `v4l2_buf_type`; the single-planar type, also for multi-planar queues.
    pub type_: u32,
    /// All that there is.
    pub bounds: Rect,
    /// What is shown by default, the whole picture.
    pub defrect: Rect,
    /// The height of a pixel by its width, as long as nothing is scaled.
    pub pixelaspect: Fract,
}

layout! { CropCap = "v4l2_cropcap", size 44; type_: 0, bounds: 4, defrect: 20, pixelaspect: 36 }

/// `v4l2_selection`: which part of the image counts.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Selection {
    /// `v4l2_buf_type`; the single-planar type, also for multi-planar queues.
    pub type_: u32,
    /// `SEL_TGT_*`.
    pub target: u32,
    /// `SEL_FLAG_*`.
    pub flags: u32,
    /// The rectangle.
    pub r: Rect,
    reserved: [u32; 9],
}

layout! { Selection = "v4l2_selection", size 64; type_: 0, target: 4, flags: 8, r: 12, reserved: 28 }

impl Selection {
    /// A queue's rectangle of one target. The type is sent single-planar, which every kernel takes.
    #[must_use]
    pub fn new(buffer_type: BufferType, target: u32, r: Rect) -> Self {
        Self {
            type_: buffer_type.single_planar() as u32,
            target,
            r,
            ..Self::default()
        }
    }
}

/// `v4l2_encoder_cmd`: start or stop encoding.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EncoderCmd {
    /// `ENC_CMD_*`.
    pub cmd: u32,
    /// `ENC_CMD_STOP_AT_GOP_END`, or 0.
    pub flags: u32,
    raw: [u32; 8],
}

layout! { EncoderCmd = "v4l2_encoder_cmd", size 40; cmd: 0, flags: 4, raw: 8 }

impl EncoderCmd {
    /// A command without flags.
    #[must_use]
    pub fn new(cmd: u32) -> Self {
        Self {
            cmd,
            ..Self::default()
        }
    }
}

/// `v4l2_decoder_cmd`: start or stop decoding.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DecoderCmd {
    /// `DEC_CMD_*`.
    pub cmd: u32,
    flags: u32,
    raw: [u64; 8],
}

layout! { DecoderCmd = "v4l2_decoder_cmd", size 72; cmd: 0, flags: 4, raw: 8 }

impl DecoderCmd {
    /// A command without flags.
    #[must_use]
    pub fn new(cmd: u32) -> Self {
        Self {
            cmd,
            ..Self::default()
        }
    }
}

/// `v4l2_event_subscription`: which events to queue.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EventSubscription {
    /// `EVENT_*`.
    pub type_: u32,
    /// The control's id for `EVENT_CTRL`, the input's number for `EVENT_SOURCE_CHANGE`, else 0.
    pub id: u32,
    /// `V4L2_EVENT_SUB_FL_*`.
    pub flags: u32,
    reserved: [u32; 5],
}

layout! { EventSubscription = "v4l2_event_subscription", size 32; type_: 0, id: 4, flags: 8, reserved: 12 }

impl EventSubscription {
    /// The subscription to a type of event, of the input (or control) with this id.
    #[must_use]
    pub fn new(type_: u32, id: u32) -> Self {
        Self {
            type_,
            id,
            ..Self::default()
        }
    }
}

/// `timespec` as the kernel's V4L2 writes it on every target here: two 64-bit numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TimeSpec {
    /// Seconds, CLOCK_MONOTONIC.
    pub tv_sec: i64,
    /// Nanoseconds, 0 to 999,999,999.
    pub tv_nsec: i64,
}

layout! { TimeSpec = "timespec", size 16; tv_sec: 0, tv_nsec: 8 }

/// `v4l2_event`: something happened.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Event {
    /// `EVENT_*`.
    pub type_: u32,
    u: [u64; 8],
    /// Events that wait behind this one.
    pub pending: u32,
    /// Number of the event, counted for each subscriber.
    pub sequence: u32,
    /// When it happened.
    pub timestamp: TimeSpec,
    /// The control's id of `EVENT_CTRL`.
    pub id: u32,
    reserved: [u32; 8],
}

layout! { Event = "v4l2_event", size 136;
    type_: 0, u: 8, pending: 72, sequence: 76, timestamp: 80, id: 96, reserved: 100,
}

/// `v4l2_bt_timings`: the timings of a digital video signal. The kernel's structure is packed: its 64-bit pixel clock is two words here.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct BtTimings {
    /// Visible columns.
    pub width: u32,
    /// Visible rows, of both fields together.
    pub height: u32,
    interlaced: u32,
    polarities: u32,
    pixelclock: [u32; 2],
    hfrontporch: u32,
    hsync: u32,
    hbackporch: u32,
    vfrontporch: u32,
    vsync: u32,
    vbackporch: u32,
    il_vfrontporch: u32,
    il_vsync: u32,
    il_vbackporch: u32,
    standards: u32,
    flags: u32,
    picture_aspect: Fract,
    cea861_vic: u8,
    hdmi_vic: u8,
    // As a pair, because arrays of this length have no default.
    reserved: ([u8; 32], [u8; 14]),
}

layout! { BtTimings = "v4l2_bt_timings", size 124;
    width: 0, height: 4, interlaced: 8, polarities: 12, pixelclock: 16, hfrontporch: 24, hsync: 28, hbackporch: 32,
    vfrontporch: 36, vsync: 40, vbackporch: 44, il_vfrontporch: 48, il_vsync: 52, il_vbackporch: 56, standards: 60,
    flags: 64, picture_aspect: 68, cea861_vic: 76, hdmi_vic: 77, reserved: 78,
}

/// `v4l2_dv_timings`: the same, with its kind, of which there is one. Where the kernel has a union, this has one half and the rest.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DvTimings {
    type_: u32,
    /// The timings.
    pub bt: BtTimings,
    rest: u32,
}

/// `v4l2_edid`: blocks of an EDID at an address.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Edid {
    /// The input.
    pub pad: u32,
    start_block: u32,
    /// Blocks of 128 bytes: how many there are at the address, then how many the device has.
    pub blocks: u32,
    reserved: [u32; 5],
    /// Address of the blocks.
    pub edid: usize,
}

layout! { Edid = "v4l2_edid", size 40 | 36;
    pad: 0, start_block: 4, blocks: 8, reserved: 12, edid: 32,
}

impl Edid {
    /// So many blocks at an address, all of them, of an input.
    #[must_use]
    pub fn new(pad: u32, blocks: u32, edid: usize) -> Self {
        Self {
            pad,
            blocks,
            edid,
            ..Self::default()
        }
    }
}

/// `V4L2_DV_FL_REDUCED_FPS`: the rate is lower by 1000/1001 …
const DV_FL_REDUCED_FPS: u32 = 1 << 2;
/// `V4L2_DV_FL_CAN_DETECT_REDUCED_FPS`: … if the receiver has this flag, too.
const DV_FL_CAN_DETECT_REDUCED_FPS: u32 = 1 << 9;

impl DvTimings {
    /// Frames per second, as the kernel's `v4l2_calc_timeperframe` computes them: numerator and denominator, not reduced. Two
    /// fields are one frame. `None` for timings without a pixel clock.
    #[must_use]
    pub fn frame_rate(&self) -> Option<(u64, u64)> {
        let bt = &self.bt;
        let sum = |parts: &[u32]| parts.iter().map(|&part| u64::from(part)).sum::<u64>();
        let columns = sum(&[bt.width, bt.hfrontporch, bt.hsync, bt.hbackporch]);
        let mut rows = sum(&[bt.height, bt.vfrontporch, bt.vsync, bt.vbackporch]);
        if bt.interlaced != 0 {
            rows += sum(&[bt.il_vfrontporch, bt.il_vsync, bt.il_vbackporch]);
        }
        let clock = u64::from(bt.pixelclock[0]) | u64::from(bt.pixelclock[1]) << 32;
        let reduced = DV_FL_REDUCED_FPS | DV_FL_CAN_DETECT_REDUCED_FPS;
        let (factor, divisor) = match bt.flags & reduced == reduced {
            true => (1000, 1001),
            false => (1, 1),
        };
        let numerator = clock.checked_mul(factor)?;
        let denominator = columns.checked_mul(rows)?.checked_mul(divisor)?;
        (numerator != 0 && denominator != 0).then_some((numerator, denominator))
    }

    /// Whether both are of one signal: size, fields and pixel clock are the same.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        let key = |bt: &BtTimings| {
            [
                bt.width,
                bt.height,
                bt.interlaced,
                bt.pixelclock[0],
                bt.pixelclock[1],
            ]
        };
        key(&self.bt) == key(&other.bt)
    }
}

// `rest` has no name in C, so no row in the table of fields.
impl DvTimings {
    /// What the kernel's header says of this structure.
    pub const LAYOUT: super::Layout = super::Layout {
        c_name: "v4l2_dv_timings",
        size: widths!(132),
        align: align_of::<Self>(),
        fields: &[("type_", widths!(0)), ("bt", widths!(4))],
    };
}
const _: () = assert!(size_of::<DvTimings>() == DvTimings::LAYOUT.size[0]);
const _: () = assert!(core::mem::offset_of!(DvTimings, bt) == 4);

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn both_kinds_of_parameters_have_the_interval_at_the_same_place() {
        let mut parm = StreamParm::new(BufferType::VideoOutput);
        let interval = Fract {
            numerator: 1,
            denominator: 25,
        };
        parm.set_timeperframe(interval);
        assert_eq!(parm.timeperframe(), interval);
        assert_eq!(offset_of!(OutputParm, timeperframe), 2 * 4);
        assert_eq!(offset_of!(CaptureParm, timeperframe), 2 * 4);
        assert_eq!(parm.parm[2..4], [1, 25]);
    }

    #[test]
    fn frame_rate_of_a_signal_follows_from_its_timings() {
        // CEA-861's 1280x720p60 and 1920x1080i60.
        let progressive = BtTimings {
            width: 1280,
            height: 720,
            pixelclock: [74_250_000, 0],
            hfrontporch: 110,
            hsync: 40,
            hbackporch: 220,
            vfrontporch: 5,
            vsync: 5,
            vbackporch: 20,
            ..BtTimings::default()
        };
        let interlaced = BtTimings {
            width: 1920,
            height: 1080,
            interlaced: 1,
            hfrontporch: 88,
            hsync: 44,
            hbackporch: 148,
            vfrontporch: 2,
            vsync: 5,
            vbackporch: 15,
            il_vfrontporch: 2,
            il_vsync: 5,
            il_vbackporch: 16,
            ..progressive
        };
        let film = BtTimings {
            flags: DV_FL_REDUCED_FPS | DV_FL_CAN_DETECT_REDUCED_FPS,
            ..progressive
        };
        for (bt, expected) in [
            (progressive, Some((60, 1))),
            (interlaced, Some((30, 1))),
            (film, Some((60_000, 1001))),
            (BtTimings::default(), None),
        ] {
            let timings = DvTimings {
                bt,
                ..DvTimings::default()
            };
            let rate = timings.frame_rate();
            let same = |(n, d): (u64, u64), (a, b): (u64, u64)| n * b == a * d;
            assert!(
                match (rate, expected) {
                    (Some(rate), Some(expected)) => same(rate, expected),
                    (None, None) => true,
                    _ => false,
                },
                "{rate:?} is not {expected:?}"
            );
        }
    }

    #[test]
    fn selections_are_always_sent_with_the_single_planar_type() {
        let selection = Selection::new(BufferType::VideoOutputMplane, 0, Rect::default());
        assert_eq!(selection.type_, BufferType::VideoOutput as u32);
    }
}
