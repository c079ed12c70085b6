//! What the engine is configured by: the options of `framemill run`, in range and consistent with each other.
//!
//! Knows types and default values. Knows no option's name, and opens nothing.

use ::log::LevelFilter;
use arrayvec::ArrayVec;

use crate::limits::{
    CAMERA_WAIT_MS_DEFAULT, CONTROLS, DRAIN_MS_DEFAULT, PACKET_RING_DEFAULT, STALL_MS_DEFAULT,
};
use crate::media::colour::Colour;
use crate::media::fourcc::Fourcc;
use crate::types::control_setting::{BitrateMode, ControlSetting};
use crate::types::devices::{CameraChoice, CameraFormat, DeviceChoice, EdidChoice, MiddleChoice};
use crate::types::flip::Flip;
use crate::types::frame_rate::FrameRate;
use crate::types::memory::MemoryChoice;
use crate::types::mux::Mux;
use crate::types::size::Size;
use crate::types::socket_name::SocketName;
use crate::types::users::{User, Users};

/// Options of `framemill run`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOptions<'a> {
    /// Which encoder.
    pub device: DeviceChoice<'a>,
    /// Size of the raw frames; width 0: `SIZE_DEFAULT` at first, and whatever producers or the camera bring.
    pub size: Size,
    /// Pixel format of the raw frames in the encoder; `None` is the first of `FORMATS` that the encoder takes, or with a camera that both have.
    pub format: Option<Fourcc>,
    /// Declared rate of the stream.
    pub frame_rate: FrameRate,
    /// Coded format.
    pub codec: Fourcc,
    /// Target bit rate, bits per second; `None` leaves the encoder's default.
    pub bitrate: Option<u32>,
    /// Frames from key frame to key frame; `None` leaves the encoder's default.
    pub gop: Option<u32>,
    /// How the encoder spends its bits; `None` is VBR where there is a choice and the codec is H.264.
    pub bitrate_mode: Option<BitrateMode>,
    /// H.264 profile, its `V4L2_CID_MPEG_VIDEO_H264_PROFILE` value; `None` leaves the encoder's default.
    pub profile: Option<u32>,
    /// H.264 level, its `V4L2_CID_MPEG_VIDEO_H264_LEVEL` value; `None` is the lowest that allows the stream.
    pub level: Option<u32>,
    /// Least and greatest H.264 quantiser, 0 to 51; `None` leaves the encoder's default.
    pub min_qp: Option<u32>,
    /// See `min_qp`.
    pub max_qp: Option<u32>,
    /// Codec headers before every key frame; `None` is on, where the encoder can.
    pub repeat_headers: Option<bool>,
    /// Encoder controls to set, in the order given. A control named twice is in here twice.
    pub controls: ArrayVec<ControlSetting<'a>, CONTROLS>,
    /// Where to listen.
    pub socket: SocketName<'a>,
    /// The user named the socket.
    pub names_socket: bool,
    /// Mode of the socket's file, `0..=0o777`; `None` is `DEFAULT_SOCKET_MODE`, or an abstract name, which has none.
    pub socket_mode: Option<u32>,
    /// Group of the socket's file; `None` is the engine's.
    pub socket_group: Option<u32>,
    /// A newline goes to this descriptor, which the process was started with, when the engine runs.
    pub ready_fd: Option<u32>,
    /// Who may produce.
    pub producers: Users,
    /// Who may change the engine while it runs.
    pub changers: Users,
    /// Slots of the frame ring, `FRAME_SLOTS_MIN..=FRAME_SLOTS_MAX`; `None` is `FRAME_SLOTS_DEFAULT`, or the driver's minimum.
    pub frame_slots: Option<u32>,
    /// Bytes of the packet ring, a power of two in `PACKET_RING_MIN..=PACKET_RING_MAX`.
    pub packet_ring: u32,
    /// Where frame slots live.
    pub memory: MemoryChoice,
    /// No progress for so long with frames queued is a stall, milliseconds.
    pub stall_ms: u32,
    /// Deadline of the drain, milliseconds.
    pub drain_ms: u32,
    /// How long to wait for the device to appear, milliseconds; 0 does not wait.
    pub wait_device_ms: u32,
    /// The camera that is the producer; `None` waits for one at the socket.
    pub camera: Option<CameraChoice<'a>>,
    /// Format that the camera is asked for; `None` is the encoder's raw one, or one with the same samples.
    pub camera_format: Option<CameraFormat>,
    /// The decoder of the camera's coded frames.
    pub decoder: MiddleChoice<'a>,
    /// The size that the camera is asked for, where a converter makes another of it; `None` is that of the stream.
    pub camera_size: Option<Size>,
    /// How a converter mirrors the camera's frames.
    pub flip: Flip,
    /// The converter of the camera's frames.
    pub converter: MiddleChoice<'a>,
    /// What the samples mean, in place of what the source says; unknown parts are the source's.
    pub colour: Colour,
    /// Interlaced frames of the camera are encoded as if they were progressive.
    pub progressive: bool,
    /// The EDID that a video bridge shows to its source; `None` leaves what it has.
    pub edid: Option<EdidChoice<'a>>,
    /// How long a camera that failed or left is waited for while the engine runs, milliseconds.
    pub camera_wait_ms: u32,
    /// End after so many frames of the camera; `None` goes on.
    pub frames: Option<u64>,
    /// Without a consumer for so long the engine stops until one comes, milliseconds; `None` never stops.
    pub idle_ms: Option<u32>,
    /// End after the first producer's end of stream instead of waiting for the next producer.
    pub once: bool,
    /// Packets are written to standard output, too, and the engine ends with its reader.
    pub stdout: bool,
    /// In what form; `None` is `annexb`.
    pub mux: Option<Mux>,
    /// Whom the engine becomes when everything is open; `None` stays who it is.
    pub user: Option<User>,
    /// Give up files and system calls that the loop does not need.
    pub sandbox: bool,
    /// Priority of a real-time schedule (`SCHED_FIFO`), 1 to 99; `None` is the usual schedule.
    pub realtime: Option<u32>,
    /// The one processor to run on; `None` is whichever the kernel likes.
    pub cpu: Option<u32>,
    /// Least severe level that is still logged.
    pub log: LevelFilter,
    /// Where log lines go.
    pub log_to: LogTarget,
}

impl RunOptions<'_> {
    /// Every option at its default, for frames of this size.
    #[must_use]
    #[inline(never)]
    pub fn new(size: Size) -> Self {
        Self {
            device: DeviceChoice::Auto,
            size,
            format: None,
            frame_rate: FrameRate::DEFAULT,
            codec: Fourcc::H264,
            bitrate: None,
            gop: None,
            bitrate_mode: None,
            profile: None,
            level: None,
            min_qp: None,
            max_qp: None,
            repeat_headers: None,
            controls: ArrayVec::new_const(),
            socket: SocketName::DEFAULT,
            names_socket: false,
            socket_mode: None,
            socket_group: None,
            ready_fd: None,
            producers: Users::ALL,
            changers: Users::ALL,
            frame_slots: None,
            packet_ring: PACKET_RING_DEFAULT,
            memory: MemoryChoice::Auto,
            stall_ms: STALL_MS_DEFAULT,
            drain_ms: DRAIN_MS_DEFAULT,
            wait_device_ms: 0,
            camera: None,
            camera_format: None,
            decoder: MiddleChoice::Auto,
            camera_size: None,
            flip: Flip::default(),
            converter: MiddleChoice::Auto,
            colour: Colour::UNKNOWN,
            progressive: false,
            edid: None,
            camera_wait_ms: CAMERA_WAIT_MS_DEFAULT,
            frames: None,
            idle_ms: None,
            once: false,
            stdout: false,
            mux: None,
            user: None,
            sandbox: true,
            realtime: None,
            cpu: None,
            log: LevelFilter::Info,
            log_to: LogTarget::Stderr,
        }
    }
}

/// Where the engine's log lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    #[default]
    Stderr,
    /// `/dev/kmsg`, the kernel's log.
    Kmsg,
}
