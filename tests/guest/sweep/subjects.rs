//! What is swept: each with its encoder, its clients, and the bytes that are right.
//!
//! Knows how each is set up. Knows no fault, and not what one should lead to.

use crate::support::Api;

/// What is under sweep: an encoder that producers feed, or one with a camera.
#[derive(Clone, Copy)]
pub struct Subject {
    /// Its name for `scripts/sweep --device`.
    pub name: &'static str,
    pub api: Api,
    /// The encoder's node.
    pub encoder: &'static str,
    pub setup: &'static str,
    pub size: (u32, u32),
    /// Only the calls that have to do with a device.
    pub device_only: bool,
    pub right: Right,
}

/// Which bytes are right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Coded without loss: a decoder gives back the input.
    Input,
    /// Coded without loss: a decoder gives back the picture that the camera shows.
    Shown,
    /// The same, where the camera sends a JPEG.
    Decoded,
    /// The same, where a converter makes something else of the picture, as v4l2-ctl has it made.
    Converted,
    /// Packets of the life without a fault.
    Packets,
}

pub const H264: Subject = Subject {
    name: "h264",
    api: Api::Multi,
    encoder: "/dev/video11",
    setup: "encoder='--device /dev/video11 --codec H264 --gop 4' size='--size 64x48' third_after=0.008\nknob encode_us 2000",
    size: (64, 48),
    device_only: false,
    right: Right::Input,
};

/// Key frames only: then each packet can be compared with that of a life without a fault, whatever came before it.
const FWHT: &str =
    "encoder='--device /dev/video0 --codec FWHT --gop 1' size='--size 640x368' third_after=0.06";

pub const SINGLE: Subject = Subject {
    name: "fwht-single",
    api: Api::Single,
    encoder: "/dev/video0",
    setup: FWHT,
    size: (640, 368),
    device_only: true,
    right: Right::Packets,
};

pub const MULTI: Subject = Subject {
    name: "fwht-multi",
    api: Api::Multi,
    ..SINGLE
};

/// A webcam whose buffers the encoder imports.
pub const CAMERA_IMPORT: Subject = Subject {
    name: "camera",
    api: Api::Multi,
    encoder: "/dev/video11",
    setup: "encoder='--device /dev/video11 --codec H264 --gop 4' size='--size 320x180 --camera /dev/video4 --camera-wait 300'
        clients=watchers\npicture 320 180 YU12",
    size: (320, 180),
    device_only: true,
    right: Right::Shown,
};

/// A bridge whose signal is lost and comes back, and whose pictures are copied.
pub const CAMERA_BRIDGE: Subject = Subject {
    name: "bridge",
    setup: "encoder='--device /dev/video11 --codec H264 --gop 4' size='--memory copy --camera /dev/video4 --camera-wait 300'
        clients=watchers begin=signal middle=lose_signal\nbridge\nsource_sends 0\npicture 640 480 YU12",
    size: (640, 480),
    ..CAMERA_IMPORT
};

/// A webcam whose pictures pass the model's decoder. It is nobody's child: lives wait for theirs.
pub const CAMERA_DECODED: Subject = Subject {
    name: "decoder",
    setup: "(/tmp/webcam /host/jpeg-000.jpg 2>/tmp/webcam.log &)\nuntil_true find_webcam\nencoder='--device /dev/video11 --codec H264 --gop 4'
        size=\"--size 320x240 --camera $node --camera-format MJPG --camera-wait 300\" clients=watchers",
    size: (320, 240),
    right: Right::Decoded,
    ..CAMERA_IMPORT
};

/// A camera whose pictures pass the model's converter: it fills the converter's buffers, and that fills the encoder's.
pub const CAMERA_CONVERTED: Subject = Subject {
    name: "converter",
    setup: "converted /dev/video12 640 360 YU12 320 180 YU12\nencoder='--device /dev/video11 --codec H264 --gop 4'
        size='--size 320x180 --camera /dev/video4 --camera-size 640x360 --camera-format YU12 --camera-wait 300' clients=watchers",
    right: Right::Converted,
    ..CAMERA_IMPORT
};
