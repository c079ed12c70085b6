//! `framemill probe`: which memory-to-memory devices there are, what they can do, and what Framemill would choose.
//!
//! Asks, and changes nothing: another process that uses a device does not notice. Of all devices the page is short (`table`), of one it has
//! everything. JSON has everything of all, one object a line; nodes that are of no use are left out. The names are stable; both forms have
//! the same. New ones may be added. Strings are ASCII, with a question mark for every other byte.
//!
//! | name | meaning |
//! |---|---|
//! | `node` | path of the device |
//! | `driver`, `card`, `bus` | names that the driver gives itself |
//! | `api` | `single-planar` or `multi-planar` |
//! | `role` | `encoder` (raw in, coded out), `decoder` (coded in), `converter` (raw to raw) or `camera` |
//! | `stateless` | of a decoder: `true` where each frame's headers have to be parsed for it |
//! | `camera` | of a camera, which has none of the names below: what `run --camera` takes; `card:` and the card is taken, too |
//! | `choice` | of an encoder, the value that suits `framemill run` best: |
//! | … `format`, `codec` | four-character codes; empty when there is none that Framemill can use |
//! | … `memory` | `export` (raw frames are not copied), or empty when the driver has no buffers of its own: it cannot be used |
//! | `output`, `capture` | the two queues: |
//! | … `mmap`, `dmabuf` | whether it has buffers of its own, and whether it imports dma-bufs |
//! | … `formats` | list of the formats that it takes or gives: |
//! | … … `format` | four-character code |
//! | … … `usable` | OUTPUT: Framemill knows how the raw frame lies in memory; CAPTURE: the format is coded |
//! | … … `sizes` | as far as the driver says: `640x480 1280x720`, or least, greatest and step: `32x32-1920x1920/2x2` |
//! | … … `description` | the driver's words |
//! | `controls` | list of the controls that hold a number: |
//! | … `name`, `id` | as `run --control` takes them |
//! | … `min`, `max`, `step`, `default` | values |
//! | … `items` | of a menu only: values and names, `0 Baseline, 2 Main`; `--control` takes either |

mod offer;
mod table;

use core::fmt::{self, Display, Write as _};

use rustix::fd::AsFd;

use crate::cli::ProbeOptions;
use crate::command::devices::Unopened;
use crate::command::report::Report;
use crate::command::stop::Stop;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::text::Escaped;
use crate::types::devices::CameraChoice;
use crate::v4l2::abi::{Api, CTRL_FLAG_DISABLED, Capability, Memory, QueryExtCtrl, Queue};
use crate::v4l2::camera::is_camera;
use crate::v4l2::device::{Device, NotUsable, scan};
use crate::v4l2::role::Role;
use crate::v4l2::{controls, ioctl, menu};
use offer::formats;

#[inline(never)]
pub(super) fn probe(options: &ProbeOptions<'_>) -> Result<(), Failure> {
    let stop = Stop::default();
    let mut report = Report::new(options.json, &stop);
    if let Some(path) = options.device {
        let node = path.to_bytes();
        return match &Device::open(path) {
            Ok(device) => {
                describe(&mut report, node, device);
                report.finish()
            }
            Err(NotUsable::NotM2m(capability)) if is_camera(capability.node_caps()) => {
                describe_camera(&mut report, node, capability);
                report.finish()
            }
            Err(reason) => Err(failure!(Exit::NoDevice, "{}", Useless(node, reason))),
        };
    }
    let (mut found, mut unopened) = (false, Unopened::default());
    if !options.json {
        (found, unopened) = table::table(&mut report);
    }
    for (node, device) in scan().take_while(|_| options.json) {
        let node = node.as_c_str().to_bytes();
        match &device {
            Ok(device) => {
                found = true;
                describe(&mut report, node, device);
            }
            Err(NotUsable::NotM2m(capability)) if is_camera(capability.node_caps()) => {
                describe_camera(&mut report, node, capability);
            }
            Err(reason) => unopened.count(reason),
        }
    }
    let result = report.finish();
    // A reader that has seen enough does not hide that nothing was found.
    if found || result.is_err_and(|failure| failure.exit != Exit::Success) {
        return result;
    }
    Err(failure!(
        Exit::NoDevice,
        "no memory-to-memory device found; is the driver loaded (bcm2835-codec on a Pi; a Pi 5 has no encoder)?{unopened}"
    ))
}

/// A node that is no use, and why.
struct Useless<'a>(&'a [u8], &'a NotUsable);

impl Display for Useless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", Escaped(self.0))?;
        match self.1 {
            NotUsable::Call(error) => error.fmt(f),
            NotUsable::NotM2m(capability) => {
                let driver = Escaped(capability.driver_name());
                write!(f, "not memory-to-memory ({driver})")
            }
        }
    }
}

/// A camera: its names, of which `run --camera` takes two.
fn describe_camera(report: &mut Report, node: &[u8], capability: &Capability) {
    report.open("", b'{');
    report.text("node", node);
    report.text("driver", capability.driver_name());
    report.text("card", capability.card_name());
    report.text("bus", capability.bus_name());
    report.text("role", b"camera");
    report.string("camera", &CameraChoice::Bus(capability.bus_name()));
    report.close(b'}');
}

#[inline(never)]
fn describe(report: &mut Report<'_>, node: &[u8], device: &Device) {
    // What has no coded format at all.
    let role = Role::of(device).unwrap_or(Role::Converter);
    let api: &[u8] = match device.api {
        Api::Single => b"single-planar",
        Api::Multi => b"multi-planar",
    };
    let capability = &device.capability;
    report.open("", b'{');
    report.text("node", node);
    report.text("driver", capability.driver_name());
    report.text("card", capability.card_name());
    report.text("bus", capability.bus_name());
    report.text("api", api);
    report.text("role", role.name().as_bytes());
    if let Role::Decoder | Role::StatelessDecoder = role {
        report.value(b"stateless", &(role == Role::StatelessDecoder));
    }
    if role == Role::Encoder {
        report.open("choice", b'{');
        report.string("format", &formats(None, device, Queue::Output));
        report.string("codec", &formats(None, device, Queue::Capture));
        let exports = has(device, Queue::Output, Memory::Mmap);
        report.text("memory", if exports { b"export" } else { b"" });
        report.close(b'}');
    }
    describe_queue(report, "output", device, Queue::Output);
    describe_queue(report, "capture", device, Queue::Capture);
    report.open("controls", b'[');
    for control in controls::all(device.as_fd()) {
        if control.scalar().is_none() || control.flags & CTRL_FLAG_DISABLED != 0 {
            continue;
        }
        report.open("", b'{');
        report.string("name", &Folded(control.name()));
        report.string("id", &format_args!("{:#010x}", control.id));
        report.numbers(
            "min max step default",
            &[
                control.minimum,
                control.maximum,
                control.step.cast_signed(),
                control.default_value,
            ],
        );
        if menu::find(device.as_fd(), &control, &mut |_, _| true).is_some() {
            report.string("items", &Items(device, control));
        }
        report.close(b'}');
    }
    report.close(b']');
    report.close(b'}');
}

/// The items of a menu.
struct Items<'a>(&'a Device, QueryExtCtrl);

impl Display for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut gap, mut written) = ("", Ok(()));
        menu::find(self.0.as_fd(), &self.1, &mut |value, name| {
            written = write!(f, "{gap}{value} {name}");
            gap = ", ";
            written.is_err()
        });
        written
    }
}

#[inline(never)]
fn describe_queue(report: &mut Report<'_>, name: &str, device: &Device, queue: Queue) {
    report.open(name, b'{');
    report.value(b"mmap", &has(device, queue, Memory::Mmap));
    report.value(b"dmabuf", &has(device, queue, Memory::Dmabuf));
    report.open("formats", b'[');
    formats(Some(report), device, queue);
    report.close(b']');
    report.close(b'}');
}

/// Whether a queue takes a kind of memory. To ask for no buffers is to ask whether there could be any: our own queue is empty, and nobody
/// else's is touched.
#[inline(never)]
fn has(device: &Device, queue: Queue, memory: Memory) -> bool {
    ioctl::reqbufs(device, device.queue(queue), memory, 0).is_ok()
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
}
