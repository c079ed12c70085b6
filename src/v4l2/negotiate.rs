//! Agreeing with the driver on formats, sizes, rate and crop. Steps 1 to 4 of the stateful-encoder checklist
//! (`Documentation/userspace-api/media/v4l/dev-encoder.rst`).
//!
//! The driver decides; what it returns is adopted, and refused in one sentence where it cannot work. Knows formats;
//! knows no buffers.

use core::fmt;

use rustix::fd::{AsFd, BorrowedFd};

use super::abi::{
    BufferType, FIELD_INTERLACED, FIELD_INTERLACED_BT, FIELD_INTERLACED_TB, FIELD_NONE, Format,
    Fract, Queue,
};
use super::crop::{NotCropped, crop};
use super::device::Device;
use super::ioctl;
use crate::errno::call::IoctlError;
use crate::exit::{Exit, When, exit_of};
use crate::limits::{CAPTURE_BYTES, FRAME_SIDE_MAX, FRAME_SIDE_MIN, PLANES};
use crate::log::note;
use crate::media::colour::Colour;
use crate::media::format::RawFormat;
use crate::media::fourcc::Fourcc;
use crate::media::layout::{FrameLayout, LayoutError};
use crate::media::size::OddSize;

/// What is asked of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Visible width, pixels.
    pub width: u32,
    /// Visible height, rows.
    pub height: u32,
    /// Frames per second, as they come: numerator, denominator.
    pub rate: (u32, u32),
    /// Raw format.
    pub format: &'static RawFormat,
    /// Coded format.
    pub codec: Fourcc,
    /// What the samples mean, as far as the source or the user says.
    pub colour: Colour,
    /// How the source's rows lie, where the driver does not come to it by itself.
    pub rows: Rows,
}

/// How rows lie in memory, beyond what follows from size and format. Zero: as the driver likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// How many there are, those of padding included: 1088 of a decoder for 1080.
    pub count: u32,
    /// From one row to the next in each memory plane, bytes.
    pub bytesperline: [u32; PLANES],
}

impl Rows {
    /// Those of a layout.
    #[must_use]
    pub fn of(layout: &FrameLayout) -> Self {
        Self {
            count: layout.planes[0].allocated_rows,
            bytesperline: layout.placement().bytesperline,
        }
    }
}

impl Wanted {
    /// What copying each frame costs.
    #[must_use]
    pub fn bytes_a_second(&self) -> u64 {
        let frame = self.format.tight(self.width, self.height);
        let bytes = frame.map_or(0, |frame| frame.frame_bytes());
        bytes * u64::from(self.rate.0) / u64::from(self.rate.1.max(1))
    }
}

/// Whether a stream can have frames of this size.
///
/// # Errors
/// When it cannot.
pub fn check_size(size: (u32, u32)) -> Result<(), Refused> {
    let sides = FRAME_SIDE_MIN..=FRAME_SIDE_MAX;
    match sides.contains(&size.0) && sides.contains(&size.1) {
        true => Ok(()),
        false => Err(Refused::Size(size, size)),
    }
}

/// What the driver made of it.
#[derive(Clone, Copy, Debug)]
pub struct Agreed {
    /// Width and height that the driver works with; at least the visible ones.
    pub coded: (u32, u32),
    /// Where the rows of a frame lie in an OUTPUT buffer.
    pub layout: FrameLayout,
    /// Bytes of a CAPTURE buffer.
    pub capture_bytes: u32,
    /// The rate that was declared to the driver, frames per second: numerator, denominator.
    pub declared: (u32, u32),
    /// What the driver makes of the colour.
    pub colour: Colour,
}

/// Why it cannot work.
#[derive(Clone, Copy, Debug)]
pub enum Refused {
    /// A call that must work failed.
    Call(IoctlError),
    /// The driver replaced a format with another.
    Format(Fourcc, Fourcc),
    /// The driver made another size of the size asked, and cannot crop it back.
    Size((u32, u32), (u32, u32)),
    /// The driver made a rectangle of the crop that cuts the frame: the visible size, and what it made.
    Crop((u32, u32), (u32, u32)),
    /// The buffers that the driver describes cannot hold the frame.
    Layout(LayoutError),
    /// The frames are interlaced: `V4L2_FIELD_*`.
    Interlaced(u32),
    /// The raw format has no frames of this size.
    OddSize(OddSize),
}

impl From<IoctlError> for Refused {
    fn from(error: IoctlError) -> Self {
        Self::Call(error)
    }
}

impl From<OddSize> for Refused {
    fn from(error: OddSize) -> Self {
        Self::OddSize(error)
    }
}

impl Refused {
    /// How a start ends because of it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Call(error) => exit_of(When::SettingUp, error.errno),
            _ => Exit::Refused,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Format(asked, given) => write!(
                f,
                "the driver does not take {asked}: it offers {given} instead"
            ),
            Self::Size(asked, given) => write!(
                f,
                "the driver does not take {}x{}: the nearest it offers is {}x{}",
                asked.0, asked.1, given.0, given.1
            ),
            Self::Crop(asked, made) => write!(
                f,
                "the driver cuts a frame of {}x{} to {}x{}: give a size that it leaves as it is, such as that",
                asked.0, asked.1, made.0, made.1
            ),
            Self::Layout(error) => write!(f, "the driver's buffers do not fit: {error}"),
            Self::OddSize(error) => error.fmt(f),
            Self::Interlaced(field) => {
                let kind = match *field {
                    FIELD_INTERLACED | FIELD_INTERLACED_TB | FIELD_INTERLACED_BT => {
                        "two fields woven"
                    }
                    _ => "single fields",
                };
                write!(f, "its frames are interlaced ({kind}); {INTERLACED_RULE}")
            }
        }
    }
}

/// What holds for interlaced frames of cameras and files alike.
pub const INTERLACED_RULE: &str =
    "only progressive frames are encoded, --progressive encodes these as if they were";

/// Sets both formats, the rate and the crop.
///
/// # Errors
/// When the driver cannot do what is wanted.
#[inline(never)]
pub fn negotiate(device: &Device, wanted: &Wanted) -> Result<Agreed, Refused> {
    // What no driver can do is not asked: some cut the last column off without a word.
    wanted.format.check_size((wanted.width, wanted.height))?;

    // 1. CAPTURE first: it decides which codec the rest is about.
    let size = (wanted.width, wanted.height);
    let bytes = CAPTURE_BYTES.max(size.0 * size.1 / 2);
    let queue = device.queue(Queue::Capture);
    coded_format(device.as_fd(), queue, wanted.codec, size, bytes)?;

    // 2. and 4. OUTPUT.
    let (coded, layout, colour) = output(device, wanted, &wanted.rows.bytesperline)?;

    // 3. The rate, as an interval. Drivers without rate control do not know the call.
    let declared = declared(wanted.rate, device.quirks.rate_min);
    let interval = Fract {
        numerator: declared.1,
        denominator: declared.0,
    };
    let _ = ioctl::s_parm(device, device.queue(Queue::Output), interval);

    // OUTPUT may have changed CAPTURE.
    let capture = ioctl::g_fmt(device, device.queue(Queue::Capture))?;
    if capture.pixelformat() != wanted.codec {
        return Err(Refused::Format(wanted.codec, capture.pixelformat()));
    }
    Ok(Agreed {
        coded,
        layout,
        capture_bytes: capture.sizeimage(0),
        declared,
        colour,
    })
}

/// Sets the format of the OUTPUT queue, with at least these bytes from one row to the next in each memory plane (0: the
/// driver's own), the colour, and the crop. Gives the size that the driver works with, where the rows of a frame lie, and the driver's colour.
///
/// # Errors
/// When the driver cannot do what is wanted.
#[inline(never)]
pub fn output(
    device: &Device,
    wanted: &Wanted,
    bytesperline: &[u32; PLANES],
) -> Result<((u32, u32), FrameLayout, Colour), Refused> {
    let visible = (wanted.width, wanted.height);
    // Every field that comes back is adopted.
    let output = raw_format(
        device.as_fd(),
        device.queue(Queue::Output),
        wanted.format,
        (visible.0, visible.1.max(wanted.rows.count)),
        bytesperline,
        wanted.colour,
    )?;
    let coded = output.size();
    if coded.0 < visible.0 || coded.1 < visible.1 {
        return Err(Refused::Size(visible, coded));
    }

    // Rows and columns of padding are cut off, where the driver can.
    crop(device, visible, coded).map_err(|error| match error {
        NotCropped::Cut(shown) => Refused::Crop(visible, shown),
        NotCropped::Padded(shown) => Refused::Size(visible, shown),
    })?;

    let layout = layout(wanted.format, visible, &output).map_err(Refused::Layout)?;
    Ok((coded, layout, output.colour()))
}

/// Where the rows of frames of this size lie in an encoder's OUTPUT buffers, when it is asked for so many bytes from one to the next in
/// each memory plane (0: its own). It is set to it then. `None` when it takes none.
#[must_use]
pub fn output_rows(
    device: &Device,
    raw: &RawFormat,
    size: (u32, u32),
    bytesperline: &[u32; PLANES],
) -> Option<FrameLayout> {
    let (fd, queue) = (device.as_fd(), device.queue(Queue::Output));
    let given = raw_format(fd, queue, raw, size, bytesperline, Colour::UNKNOWN).ok()?;
    layout(raw, size, &given).ok()
}

/// Sets a queue's raw format and colour, progressive, with at least these bytes from one row to the next in each memory plane. Gives
/// what the driver made of it.
///
/// # Errors
/// When the driver fails, or replaces the format with another.
#[inline(never)]
pub(super) fn raw_format(
    fd: BorrowedFd<'_>,
    queue: BufferType,
    raw: &RawFormat,
    size: (u32, u32),
    bytesperline: &[u32; PLANES],
    colour: Colour,
) -> Result<Format, Refused> {
    let mut format = Format::new(queue);
    format.set_size(size.0, size.1);
    format.set_pixelformat(raw.fourcc);
    // At most PLANES.
    format.set_planes(raw.memory_plane_count() as u8);
    format.set_field(FIELD_NONE);
    format.set_colour(colour.with_colorspace(size));
    for (plane, &bytes) in bytesperline.iter().enumerate() {
        format.set_bytesperline(plane, bytes);
    }
    let given = ioctl::s_fmt(fd, &format)?;
    if given.pixelformat() != raw.fourcc {
        return Err(Refused::Format(raw.fourcc, given.pixelformat()));
    }
    Ok(given)
}

/// Sets a queue's coded format, with buffers of so many bytes at least (0: as the driver likes). Gives what the driver made of it.
///
/// # Errors
/// When the driver fails, or replaces the format with another.
#[inline(never)]
pub(super) fn coded_format(
    fd: BorrowedFd<'_>,
    queue: BufferType,
    coded: Fourcc,
    size: (u32, u32),
    bytes: u32,
) -> Result<Format, Refused> {
    let mut format = Format::new(queue);
    format.set_size(size.0, size.1);
    format.set_pixelformat(coded);
    format.set_planes(1);
    format.set_field(FIELD_NONE);
    format.set_sizeimage(0, bytes);
    let given = ioctl::s_fmt(fd, &format)?;
    if given.pixelformat() != coded {
        return Err(Refused::Format(coded, given.pixelformat()));
    }
    Ok(given)
}

/// Where the rows of a frame of this size lie in buffers of a driver's format.
#[inline(never)]
pub(super) fn layout(
    raw: &RawFormat,
    visible: (u32, u32),
    given: &Format,
) -> Result<FrameLayout, LayoutError> {
    let count = given.planes().min(PLANES);
    let mut bytesperline = [0; PLANES];
    let mut sizeimage = [0; PLANES];
    for plane in 0..count {
        bytesperline[plane] = given.bytesperline(plane);
        sizeimage[plane] = given.sizeimage(plane);
    }
    raw.layout(
        visible.0,
        visible.1,
        given.size().1,
        &bytesperline[..count],
        &sizeimage[..count],
    )
}

/// The rate to declare: the wanted one, or the lowest that the driver survives. It steers the encoder's bit budget and
/// its level; frames may come more slowly.
fn declared(rate: (u32, u32), least: u32) -> (u32, u32) {
    if u64::from(rate.0) >= u64::from(rate.1) * u64::from(least) {
        return rate;
    }
    note!(
        warn,
        "the rate declared to the encoder is {least} frames/s: its firmware hangs below"
    );
    (least, 1)
}
