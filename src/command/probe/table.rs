//! The short page of `framemill probe`: a line for each device that is of use, and what `run` would take of them.
//!
//! Knows lists of formats. Sets nothing: whether a camera gives a format in its size is seen when `run` asks it.

use core::fmt::{self, Display};

use rustix::fd::AsFd;

use super::offer::formats;
use crate::command::devices::Unopened;
use crate::command::formats::{RawFormats, pair};
use crate::command::report::Report;
use crate::limits::{
    CAMERA_SLOTS_DEFAULT, CAPTURE_BUFFERS, CAPTURE_BYTES, CODED_BUFFERS, CODED_BYTES, FORMATS,
};
use crate::media::format_set::FormatSet;
use crate::media::fourcc::Fourcc;
use crate::text::Escaped;
use crate::types::devices::CameraChoice;
use crate::v4l2::abi::{Capability, FMT_FLAG_COMPRESSED, Queue};
use crate::v4l2::camera::{Camera, is_camera};
use crate::v4l2::decoder::names;
use crate::v4l2::device::{Device, NodePath, NotUsable, scan, scan_with};
use crate::v4l2::ioctl;
use crate::v4l2::role::Role;

/// Prints the page. Whether there is a memory-to-memory device, and what could not be opened.
pub(super) fn table(report: &mut Report<'_>) -> (bool, Unopened) {
    let (mut found, mut others, mut unopened) = (false, 0u32, Unopened::default());
    for role in [
        Role::Encoder,
        Role::Decoder,
        Role::StatelessDecoder,
        Role::Converter,
    ] {
        for (node, device) in scan() {
            let Ok(device) = &device else {
                continue;
            };
            if Role::of(device).unwrap_or(Role::Converter) == role {
                found = true;
                report.remark(&Line(role, &node, device));
            }
        }
    }
    for (node, device) in scan() {
        match &device {
            Ok(_) => {}
            Err(NotUsable::NotM2m(capability)) if is_camera(capability.node_caps()) => {
                let camera = Camera::open(node.as_c_str()).ok();
                report.remark(&CameraLine(&node, capability, camera.as_ref()));
            }
            Err(reason) => {
                others += 1;
                unopened.count(reason);
            }
        }
    }
    if others > 0 {
        report.remark(&format_args!("others     {others} video nodes{unopened}"));
    }
    if let Some(choice) = choose(None) {
        report.remark(&format_args!("\nframemill run{choice}"));
    }
    for (node, camera) in scan_with(Camera::open) {
        let Ok(camera) = camera else {
            continue;
        };
        let name = CameraChoice::Bus(camera.capability.bus_name());
        let raw = gives(&camera).and_then(|gives| choose(Some(gives)));
        let decoded = decoded(&camera);
        match raw {
            Some(choice) => report.remark(&format_args!("framemill run --camera {name}{choice}")),
            None if decoded.is_some() => {}
            None => report.remark(&format_args!(
                "{}: no encoder here takes what this camera gives",
                node.shown()
            )),
        }
        if let Some((decoder, choice)) = decoded {
            report.remark(&format_args!(
                "framemill run --camera {name} --camera-format MJPG{choice}, which {} makes of MJPG; 1920x1080 takes some {} MiB of contiguous memory",
                decoder.shown(),
                chain_bytes(1920, 1088) >> 20
            ));
        }
    }
    if found {
        report.remark(&"\nframemill probe --device PATH prints everything about one of them.");
    }
    (found, unopened)
}

/// The raw formats that a camera gives, as far as they are known here.
fn gives(camera: &Camera) -> Option<FormatSet> {
    ioctl::raw_formats(camera.as_fd(), camera.capture.kind()).ok()
}

/// The decoder of a camera's frames, and the encoder of what that gives, where it codes them.
fn decoded(camera: &Camera) -> Option<(NodePath<'static>, Choice)> {
    let (fd, queue) = (camera.as_fd(), camera.capture.kind());
    if ioctl::gives(fd, queue, Fourcc::MJPG) != Ok(true) {
        return None;
    }
    scan().find_map(|(node, device)| {
        let device = device.ok()?;
        let takes = |name| ioctl::gives(&device, device.queue(Queue::Output), name) == Ok(true);
        let raw = ioctl::raw_formats(&device, device.queue(Queue::Capture)).ok()?;
        let decodes = names(Fourcc::MJPG).into_iter().any(takes);
        decodes.then(|| choose(Some(raw)).map(|choice| (node, choice)))?
    })
}

/// Bytes of all buffers of a decoder and an encoder, for YU12 in this many columns and rows of memory.
const fn chain_bytes(columns: u32, rows: u32) -> u32 {
    let raw = CAMERA_SLOTS_DEFAULT * (columns * rows / 2 * 3);
    raw + CODED_BUFFERS * CODED_BYTES + CAPTURE_BUFFERS * CAPTURE_BYTES
}

/// What `run` takes, behind its options.
struct Choice {
    node: NodePath<'static>,
    raw: RawFormats,
    codec: Fourcc,
    camera: bool,
}

/// The first encoder for H.264, or else for what it has, that takes one of these formats.
fn choose(gives: Option<FormatSet>) -> Option<Choice> {
    for wanted in [Some(Fourcc::H264), None] {
        for (node, device) in scan() {
            let Ok(device) = device else {
                continue;
            };
            let takes = ioctl::raw_formats(device.as_fd(), device.queue(Queue::Output)).ok();
            let codec = wanted.unwrap_or(formats(None, &device, Queue::Capture));
            let raw = takes.and_then(|takes| match gives {
                Some(gives) => pair(gives, takes),
                None => takes.preferred().map(RawFormats::both),
            });
            if let Some(raw) = raw
                && device.encodes(raw.encoder.fourcc, codec)
            {
                return Some(Choice {
                    node,
                    raw,
                    codec,
                    camera: gives.is_some(),
                });
            }
        }
    }
    None
}

impl Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (codec, raw) = (self.codec, self.raw);
        if codec != Fourcc::H264 {
            write!(f, " --codec {codec}")?;
        }
        write!(f, ": {} makes {codec} of ", self.node.shown())?;
        match self.camera {
            false => raw.encoder.fourcc.fmt(f),
            true if raw.camera.has_layout_of(raw.encoder) => raw.camera.fourcc.fmt(f),
            true => write!(f, "{} (each frame is copied)", raw.camera.fourcc),
        }
    }
}

/// A device with two queues.
struct Line<'a>(Role, &'a NodePath<'a>, &'a Device);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(role, node, device) = self;
        lead(f, role.name(), node, &device.capability)?;
        f.write_str(match role {
            Role::Decoder => ", stateful:",
            Role::StatelessDecoder => ", stateless:",
            Role::Encoder | Role::Converter => ":",
        })?;
        let coded = |f: &mut fmt::Formatter<'_>, queue| {
            let all = device.formats(queue);
            let mut coded = all.filter(|format| format.flags & FMT_FLAG_COMPRESSED != 0);
            coded.try_for_each(|format| write!(f, " {}", format.pixelformat))
        };
        let raw = |f: &mut fmt::Formatter<'_>, queue| {
            let raw = ioctl::raw_formats(device.as_fd(), device.queue(queue));
            some(f, raw.unwrap_or_default())
        };
        match role {
            Role::Decoder | Role::StatelessDecoder => coded(f, Queue::Output)?,
            _ => raw(f, Queue::Output)?,
        }
        f.write_str(" to")?;
        match role {
            Role::Encoder => coded(f, Queue::Capture),
            _ => raw(f, Queue::Capture),
        }
    }
}

/// A camera, which may not open.
struct CameraLine<'a>(&'a NodePath<'a>, &'a Capability, Option<&'a Camera>);

impl Display for CameraLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lead(f, "camera", self.0, self.1)?;
        write!(f, " at {}:", Escaped(self.1.bus_name()))?;
        let Some(camera) = self.2 else {
            return some(f, FormatSet::default());
        };
        some(f, gives(camera).unwrap_or_default())?;
        (0..FORMATS)
            .map_while(|index| {
                let answer = ioctl::enum_fmt(camera.as_fd(), camera.capture.kind(), index);
                answer.ok().flatten()
            })
            .filter(|format| format.flags & FMT_FLAG_COMPRESSED != 0)
            .try_for_each(|format| write!(f, " {}", format.pixelformat))
    }
}

/// The first of the formats, and how many more there are.
fn some(f: &mut fmt::Formatter<'_>, formats: FormatSet) -> fmt::Result {
    const SHOWN: usize = 6;
    for format in formats.iter().take(SHOWN) {
        write!(f, " {}", format.fourcc)?;
    }
    match formats.iter().skip(SHOWN).count() {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// Role, node and card.
fn lead(
    f: &mut fmt::Formatter<'_>,
    role: &str,
    node: &NodePath<'_>,
    capability: &Capability,
) -> fmt::Result {
    let (node, card) = (node.shown(), Escaped(capability.card_name()));
    write!(f, "{role:<10} {node} {card}")
}
