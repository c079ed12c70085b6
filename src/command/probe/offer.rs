//! What a device's queues offer.
//!
//! Knows lists of formats and sizes. Sets nothing.

use core::fmt::{self, Display};

use crate::command::report::Report;
use crate::media::format::lookup;
use crate::media::fourcc::Fourcc;
use crate::v4l2::abi::{FMT_FLAG_COMPRESSED, FrmSize, Queue};
use crate::v4l2::device::Device;
use crate::v4l2::ioctl;

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

/// Whether Framemill can do something with a format of this queue of an encoder.
fn usable(queue: Queue, code: Fourcc, flags: u32) -> bool {
    match queue {
        Queue::Output => lookup(code).is_some(),
        Queue::Capture => flags & FMT_FLAG_COMPRESSED != 0,
    }
}

/// Reports a queue's formats, if there is a report. Gives the usable format that is preferred, or the first; blank when there is none.
#[inline(never)]
pub(super) fn formats(
    mut report: Option<&mut Report<'_>>,
    device: &Device,
    queue: Queue,
) -> Fourcc {
    let mut best = Fourcc::new(*b"    ");
    let mut least = usize::MAX;
    for format in device.formats(queue) {
        let code = format.pixelformat;
        let usable = usable(queue, code, format.flags);
        let rank = PREFERRED.iter().position(|&preferred| preferred == code);
        let rank = rank.unwrap_or(PREFERRED.len());
        if usable && rank < least {
            (least, best) = (rank, code);
        }
        if let Some(report) = &mut report {
            report.open("", b'{');
            report.string("format", &code);
            report.value(b"usable", &usable);
            report.string("sizes", &Sizes(device, code));
            report.text("description", format.description());
            report.close(b'}');
        }
    }
    best
}

/// A format's sizes, as far as the driver says.
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
                    pair(f, gap, size.width, size.height)?;
                }
                FrmSize::Stepwise(range) => {
                    pair(f, "", range.min_width, range.min_height)?;
                    pair(f, "-", range.max_width, range.max_height)?;
                    return pair(f, "/", range.step_width, range.step_height);
                }
            }
        }
        Ok(())
    }
}

#[inline(never)]
fn pair(f: &mut fmt::Formatter<'_>, sign: &str, width: u32, height: u32) -> fmt::Result {
    write!(f, "{sign}{width}x{height}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
