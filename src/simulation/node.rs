//! Device nodes: what each leads to, and how it answers who it is.

use core::ffi::CStr;

use rustix::io::Errno;
use std::rc::Rc;

use super::camera::CameraNature;
use super::decoder::DecoderNature;
use super::encoder::Nature;
use crate::v4l2::abi::{
    Api, CAP_DEVICE_CAPS, CAP_STREAMING, CAP_VIDEO_CAPTURE, CAP_VIDEO_CAPTURE_MPLANE,
    CAP_VIDEO_M2M, CAP_VIDEO_M2M_MPLANE, Capability,
};

/// What a node leads to.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Encoder(Rc<Nature>),
    Decoder(Rc<DecoderNature>),
    Camera(Rc<CameraNature>),
}

/// A device node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) path: &'static CStr,
    pub(super) kind: Kind,
    /// Why it cannot be opened.
    pub(super) absent: Option<Errno>,
    /// The device does nothing until then, virtual ns.
    pub(super) hangs_until: u64,
    /// poll(2) reports an error until then, virtual ns.
    pub(super) poll_error_until: u64,
    /// What a call takes, ns.
    pub(super) call_ns: u64,
    /// What STREAMON and STREAMOFF take, ns.
    pub(super) stream_ns: u64,
    /// A bridge's source sends a signal.
    pub(super) signal: bool,
    /// The size that a camera shows, where that is not the one that it was asked for.
    pub(super) shows: Option<(u32, u32)>,
}

/// Answers QUERYCAP.
pub(super) fn describe(kind: &Kind, capability: &mut Capability) {
    let (driver, card, bus, caps) = match kind {
        Kind::Encoder(nature) => (
            nature.driver,
            &b"simulated encoder"[..],
            &b"platform:sim"[..],
            m2m(nature.terms.api),
        ),
        Kind::Decoder(nature) => (
            nature.driver,
            match nature.converts {
                Some(_) => &b"simulated converter"[..],
                None => b"simulated decoder",
            },
            &b"platform:sim"[..],
            m2m(nature.terms.api),
        ),
        Kind::Camera(nature) => {
            let caps = match nature.terms.api {
                Api::Multi => CAP_VIDEO_CAPTURE_MPLANE,
                Api::Single => CAP_VIDEO_CAPTURE,
            };
            (&b"uvcvideo"[..], nature.card, &b"usb-sim-1"[..], caps)
        }
    };
    let put = |to: &mut [u8], name: &[u8]| to[..name.len()].copy_from_slice(name);
    put(&mut capability.driver, driver);
    put(&mut capability.card, card);
    put(&mut capability.bus_info, bus);
    capability.device_caps = caps | CAP_STREAMING;
    capability.capabilities = capability.device_caps | CAP_DEVICE_CAPS;
}

fn m2m(api: Api) -> u32 {
    match api {
        Api::Multi => CAP_VIDEO_M2M_MPLANE,
        Api::Single => CAP_VIDEO_M2M,
    }
}
