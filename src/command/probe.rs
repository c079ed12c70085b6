//! `framemill probe`: which memory-to-memory devices there are, what they can do, and what Framemill would choose.
//!
//! Asks, and changes nothing: another process that uses a device does not notice. The page names every node; of the JSON, one object a
//! line, nodes that are no memory-to-memory devices are left out. The names are stable; both forms have the same. New ones may be added.
//!
//! | name | meaning |
//! |---|---|
//! | `node` | path of the device |
//! | `driver`, `card`, `bus` | names that the driver gives itself |
//! | `api` | `single-planar` or `multi-planar` |
//! | `role` | `encoder` (raw in, coded out), `decoder` (coded in) or `converter` (raw to raw) |
//! | `choice` | of an encoder, what `framemill run` would best be told: |
//! | … `format`, `codec` | four-character codes; empty when there is none that Framemill can use |
//! | … `memory` | `export` (raw frames are not copied), or empty when the driver has no buffers of its own: it cannot be used |
//! | `output_mmap`, `capture_mmap` | whether the queue has buffers of its own |
//! | `output_dmabuf`, `capture_dmabuf` | whether the queue imports dma-bufs |
//! | `output`, `capture` | lists of the formats that the queue takes and gives: |
//! | … `format` | four-character code |
//! | … `usable` | OUTPUT: Framemill knows how the raw frame lies in memory; CAPTURE: the format is coded |
//! | … `sizes` | as far as the driver tells: `640x480 1280x720`, or least, greatest and step: `32x32-1920x1920/2x2` |
//! | … `description` | the driver's words |
//! | `controls` | list of the controls that hold a number: |
//! | … `name`, `id` | as `run --control` takes them |
//! | … `type` | `int`, `bool`, `menu`, `button`, `int64`, `bitmask` or `intmenu` |
//! | … `min`, `max`, `step`, `default` | values |

use core::fmt::{self, Display, Write as _};

use crate::cli::ProbeOptions;
use crate::command::output::Shown;
use crate::command::report::Report;
use crate::error::{Exit, Failure};
use crate::failure;
use crate::media::format::lookup;
use crate::media::fourcc::Fourcc;
use crate::v4l2::abi::{Api, CTRL_FLAG_DISABLED, FMT_FLAG_COMPRESSED, FrmSize, Memory, Queue};
use crate::v4l2::device::{Device, NotUsable, scan};
use crate::v4l2::{controls, ioctl};

/// What is chosen where a device has several: raw formats that every program can make, and codecs that every player can play.
const PREFERRED: [Fourcc; 8] = [
    Fourcc::new(*b"YU12"),
    Fourcc::new(*b"NV12"),
    Fourcc::new(*b"YUYV"),
    Fourcc::H264,
    Fourcc::HEVC,
    Fourcc::MJPG,
    Fourcc::JPEG,
    Fourcc::FWHT,
];

/// Sizes that are shown of a format: more fill the screen and tell nothing new.
const SIZES: u32 = 16;

/// `v4l2-ctl`'s names for `CTRL_TYPE_*`, which begin at 1.
const CONTROL_TYPES: [&str; 9] = [
    "int", "bool", "menu", "button", "int64", "", "", "bitmask", "intmenu",
];

#[inline(never)]
pub(super) fn probe(options: &ProbeOptions<'_>) -> Result<(), Failure> {
    let mut report = Report::new(options.json);
    let mut found = false;
    if let Some(path) = options.device {
        let node = Shown(path.to_bytes());
        let device = Device::open(path)
            .map_err(|reason| failure!(Exit::NoDevice, "{node}: {}", Why(&reason)))?;
        describe(&mut report, &node, &device);
        return report.finish();
    }
    for (node, device) in scan() {
        match device {
            Ok(device) => {
                found = true;
                describe(&mut report, &node, &device);
            }
            Err(reason) => report.remark(&format_args!("{node}: {}", Why(&reason))),
        }
    }
    report.finish()?;
    if found {
        return Ok(());
    }
    Err(failure!(
        Exit::NoDevice,
        "no memory-to-memory device found; is the driver loaded (bcm2835-codec on a Pi; a Pi 5 has no encoder)?"
    ))
}

/// Why a node is no use, behind its name.
struct Why<'a>(&'a NotUsable);

impl Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            NotUsable::Call(error) => error.fmt(f),
            NotUsable::NotM2m(capability) => {
                write!(
                    f,
                    "not memory-to-memory ({})",
                    Shown(capability.driver_name())
                )
            }
        }
    }
}

#[inline(never)]
fn describe(report: &mut Report, node: &dyn Display, device: &Device) {
    let capability = &device.capability;
    let output = Offer::of(device, Queue::Output);
    let capture = Offer::of(device, Queue::Capture);
    let role = match (output.raw, output.coded, capture.coded) {
        (true, _, true) => "encoder",
        (_, true, _) => "decoder",
        _ => "converter",
    };
    report.open("", '{');
    report.text("node", node);
    for (name, value) in [
        ("driver", capability.driver_name()),
        ("card", capability.card_name()),
        ("bus", capability.bus_name()),
    ] {
        report.text(name, &Shown(value));
    }
    let api = match device.api {
        Api::Single => "single-planar",
        Api::Multi => "multi-planar",
    };
    report.text("api", &api);
    report.text("role", &role);
    let mut memory = "";
    for (name, queue, kind) in [
        ("output_mmap", Queue::Output, Memory::Mmap),
        ("output_dmabuf", Queue::Output, Memory::Dmabuf),
        ("capture_mmap", Queue::Capture, Memory::Mmap),
        ("capture_dmabuf", Queue::Capture, Memory::Dmabuf),
    ] {
        // To ask for no buffers is to ask whether there could be any: our own queue is empty, and nobody else's is touched.
        let has = ioctl::reqbufs(device, device.queue(queue), kind, 0).is_ok();
        if has && name == "output_mmap" {
            memory = "export";
        }
        report.value(name, false, &has);
    }
    if role == "encoder" {
        report.open("choice", '{');
        report.text("format", &output.best);
        report.text("codec", &capture.best);
        report.text("memory", &memory);
        report.close('}');
    }
    for (name, queue) in [("output", Queue::Output), ("capture", Queue::Capture)] {
        report.open(name, '[');
        for format in device.formats(queue) {
            report.open("", '{');
            let code = format.pixelformat;
            report.text("format", &code);
            report.value("usable", false, &usable(queue, code, format.flags));
            report.text("sizes", &Sizes(device, code));
            report.text("description", &Shown(format.description()));
            report.close('}');
        }
        report.close(']');
    }
    report.open("controls", '[');
    for control in controls::all(rustix::fd::AsFd::as_fd(device)) {
        if control.scalar().is_none() || control.flags & CTRL_FLAG_DISABLED != 0 {
            continue;
        }
        report.open("", '{');
        report.text("name", &Folded(control.name()));
        report.text("id", &format_args!("{:#010x}", control.id));
        let kind = CONTROL_TYPES.get((control.type_ as usize).wrapping_sub(1));
        report.text("type", kind.unwrap_or(&""));
        report.numbers(
            "min max step default",
            &[
                control.minimum,
                control.maximum,
                control.step.cast_signed(),
                control.default_value,
            ],
        );
        report.close('}');
    }
    report.close(']');
    report.close('}');
}

/// Whether Framemill can do something with a format of this queue of an encoder.
fn usable(queue: Queue, code: Fourcc, flags: u32) -> bool {
    match queue {
        Queue::Output => lookup(code).is_some(),
        Queue::Capture => flags & FMT_FLAG_COMPRESSED != 0,
    }
}

/// What a queue's formats come to.
struct Offer {
    raw: bool,
    coded: bool,
    /// The usable format that is preferred, or the first; "" when there is none.
    best: Fourcc,
}

impl Offer {
    #[inline(never)]
    fn of(device: &Device, queue: Queue) -> Self {
        let mut offer = Self {
            raw: false,
            coded: false,
            best: Fourcc::new(*b"    "),
        };
        let mut least = usize::MAX;
        for format in device.formats(queue) {
            let code = format.pixelformat;
            if format.flags & FMT_FLAG_COMPRESSED != 0 {
                offer.coded = true;
            } else {
                offer.raw = true;
            }
            let rank = PREFERRED.iter().position(|&preferred| preferred == code);
            let rank = rank.unwrap_or(PREFERRED.len());
            if rank < least && usable(queue, code, format.flags) {
                (least, offer.best) = (rank, code);
            }
        }
        offer
    }
}

/// A format's sizes, as far as the driver tells.
struct Sizes<'a>(&'a Device, Fourcc);

impl Display for Sizes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for index in 0..SIZES {
            let Ok(Some(entry)) = ioctl::enum_framesizes(self.0, self.1, index) else {
                break;
            };
            match entry.size() {
                FrmSize::Discrete(size) => {
                    let gap = if index > 0 { " " } else { "" };
                    write!(f, "{gap}{}x{}", size.width, size.height)?;
                }
                FrmSize::Stepwise(range) => {
                    for (sign, width, height) in [
                        ("", range.min_width, range.min_height),
                        ("-", range.max_width, range.max_height),
                        ("/", range.step_width, range.step_height),
                    ] {
                        write!(f, "{sign}{width}x{height}")?;
                    }
                    break;
                }
            }
        }
        Ok(())
    }
}

/// A control's name as `v4l2-ctl` writes it: lower case, and everything between letters and digits as one underscore.
struct Folded<'a>(&'a [u8]);

impl Display for Folded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut begun, mut gap) = (false, false);
        for byte in self.0 {
            if !byte.is_ascii_alphanumeric() {
                gap = begun;
                continue;
            }
            if gap {
                f.write_char('_')?;
            }
            f.write_char(byte.to_ascii_lowercase() as char)?;
            (begun, gap) = (true, false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn control_names_are_written_as_v4l2_ctl_writes_them() {
        for (name, folded) in [
            ("Video GOP Size", "video_gop_size"),
            ("FWHT I-Frame QP Value", "fwht_i_frame_qp_value"),
            (" (x)  Mode (y)", "x_mode_y"),
            ("", ""),
        ] {
            assert_eq!(Folded(name.as_bytes()).to_string(), folded);
        }
    }

    #[test]
    fn raw_formats_are_usable_when_their_layout_is_known_and_coded_ones_when_they_come_out() {
        let raw = Fourcc::new(*b"YU12");
        assert!(usable(Queue::Output, raw, 0));
        assert!(!usable(Queue::Output, Fourcc::H264, FMT_FLAG_COMPRESSED));
        assert!(!usable(Queue::Output, Fourcc::new(*b"SAND"), 0));
        assert!(usable(Queue::Capture, Fourcc::H264, FMT_FLAG_COMPRESSED));
        assert!(!usable(Queue::Capture, raw, 0));
    }
}
