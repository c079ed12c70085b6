//! What `push`'s input says of its frames: the size and raw format to request, and where the rows lie in a file.
//!
//! Knows options and the input's header. Reads nothing, and knows no slot.

use core::fmt;

use crate::cli::PushOptions;
use crate::command::input::Input;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::{FRAME_SIDE_MAX, FRAME_SIDE_MIN};
use crate::log::note;
use crate::media::format::{FORMATS, RawFormat, lookup};
use crate::media::layout::FrameLayout;
use crate::media::rows::{Rows, RowsError};
use crate::media::size::OddSize;
use crate::media::source::{Padding, SourceLayout, likely_padding};
use crate::media::y4m::Y4mHeader;
use crate::v4l2::negotiate::INTERLACED_RULE;

/// What is said with an odd size: how to push it all the same.
const PAD_HINT: &str = "or give --pad to repeat the last column and row";

/// A frame of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputFrame {
    /// Its raw format.
    pub(super) format: &'static RawFormat,
    /// Width and height, pixels.
    size: (u32, u32),
    /// Where its rows lie.
    pub(super) layout: SourceLayout,
    /// A line stands before each frame.
    y4m: bool,
}

/// The size to request, pixels; (0, 0) is the engine's.
///
/// # Errors
/// When the input has another size than the options say, one that no encoder takes, or an odd one without `--pad`.
pub(super) fn requested_size(
    options: &PushOptions<'_>,
    header: Option<&Y4mHeader>,
) -> Result<(u32, u32), Failure> {
    let given = options.size.map(|size| (size.width, size.height));
    let size = match (header, given) {
        (Some(header), given) => {
            let size = (header.width, header.height);
            let sides = FRAME_SIDE_MIN..=FRAME_SIDE_MAX;
            if !sides.contains(&size.0) || !sides.contains(&size.1) {
                return Err(failure!(
                    Exit::Input,
                    "the input has frames of {}x{}; encoders take {FRAME_SIDE_MIN}x{FRAME_SIDE_MIN} to {FRAME_SIDE_MAX}x{FRAME_SIDE_MAX}",
                    size.0,
                    size.1
                ));
            }
            if let Some((width, height)) = given.filter(|&given| given != size) {
                return Err(failure!(
                    Exit::Input,
                    "--size {width}x{height}: the input has frames of {}x{}",
                    size.0,
                    size.1
                ));
            }
            size
        }
        (None, Some(size)) => size,
        (None, None) => return Ok((0, 0)),
    };
    if options.pad {
        return Ok(padded(size));
    }
    let format = match header {
        Some(header) => lookup(header.chroma.fourcc()),
        None => options.format.and_then(lookup),
    };
    match format.map(|format| format.check_size(size)) {
        Some(Err(odd)) if header.is_some() => Err(failure!(
            Exit::Input,
            "the input has frames of {odd}: scale it, {PAD_HINT}"
        )),
        Some(Err(odd)) => Err(odd_size(odd)),
        _ => Ok(size),
    }
}

/// What an encoder of progressive frames with square pixels makes of a Y4M stream: nothing without `--progressive` where frames are
/// interlaced; and one log line where pixels are not square.
///
/// # Errors
/// When frames are interlaced, unless they are to be taken as progressive.
pub(super) fn read_as_progressive(
    options: &PushOptions<'_>,
    header: &Y4mHeader,
) -> Result<(), Failure> {
    if let Some(kind) = header.interlaced
        && !options.progressive
    {
        return Err(failure!(
            Exit::Input,
            "the input's frames are interlaced (I{}); {INTERLACED_RULE}",
            char::from(kind)
        ));
    }
    if let Some((width, height)) = header.oblong() {
        note!(
            warn,
            "the input's pixels are {width}:{height}, not square: V4L2 has no word for that, players show square ones"
        );
    }
    Ok(())
}

/// A size with even sides, no smaller.
fn padded(size: (u32, u32)) -> (u32, u32) {
    (size.0.next_multiple_of(2), size.1.next_multiple_of(2))
}

fn odd_size(odd: OddSize) -> Failure {
    failure!(Exit::Usage, "--size {odd}, {PAD_HINT}")
}

/// The engine refused the size because a side is odd: in words that name it.
pub(super) fn refused_size(size: (u32, u32)) -> Failure {
    odd_size(OddSize {
        format: None,
        size,
        step: (2, 2),
    })
}

/// The raw formats to request for frames of a Y4M stream, best first: their own, then those into which their rows can be put.
pub(super) fn requested_formats(header: &Y4mHeader) -> impl Iterator<Item = &'static RawFormat> {
    let own = lookup(header.chroma.fourcc());
    let size = (header.width, header.height);
    let takes = move |to: &&RawFormat| {
        let slot = to.tight(size.0, size.1).ok();
        let rows = own.zip(slot).map(|(own, slot)| Rows::new(own, to, &slot));
        rows.is_some_and(|rows| rows.is_ok()) && Some(**to) != own.copied()
    };
    own.into_iter().chain(FORMATS.iter().filter(takes))
}

impl InputFrame {
    /// The frames of an input, for an engine that takes this format and size.
    ///
    /// # Errors
    /// When `--stride` or `--rows` does not go with them, or the whole input is no whole number of frames.
    #[inline(never)]
    pub(super) fn new(
        options: &PushOptions<'_>,
        input: &Input,
        engine: (&'static RawFormat, (u32, u32)),
    ) -> Result<Self, Failure> {
        let header = input.header();
        let (format, size) = match (header, options.size) {
            (Some(header), _) => {
                let code = header.chroma.fourcc();
                let format = lookup(code).ok_or_else(|| {
                    failure!(Exit::Input, "the input's format {code} is unknown here")
                })?;
                (format, (header.width, header.height))
            }
            (None, Some(size)) => (engine.0, (size.width, size.height)),
            (None, None) => engine,
        };
        let padding = Padding {
            stride: options.stride,
            rows: options.rows,
        };
        if header.is_some() && padding != Padding::default() {
            return Err(failure!(
                Exit::Input,
                "--stride and --rows go with raw input; rows of Y4M have no padding"
            ));
        }
        let layout = SourceLayout::new(format, size, padding)
            .map_err(|error| failure!(Exit::Usage, "{error}"))?;
        let frame = Self {
            format,
            size,
            layout,
            y4m: header.is_some(),
        };
        if let (None, Some(bytes)) = (header, input.size()) {
            frame.check_total(bytes)?;
        }
        Ok(frame)
    }

    /// That a file of so many bytes has whole frames.
    fn check_total(&self, bytes: u64) -> Result<(), Failure> {
        let frame_bytes = self.layout.frame_bytes().max(1);
        if bytes != 0 && bytes.is_multiple_of(frame_bytes) {
            return Ok(());
        }
        let (frames, rest) = (bytes / frame_bytes, bytes % frame_bytes);
        let guess = likely_padding(self.format, self.size, bytes);
        Err(match guess {
            Some(padding) => failure!(
                Exit::Input,
                "the input has {bytes} bytes, {frames} frames of {self} and {rest} bytes more; with{padding} it is a whole number of frames"
            ),
            None => failure!(
                Exit::Input,
                "the input has {bytes} bytes, {frames} frames of {self} and {rest} bytes more: give its --size, or --stride and --rows if rows are padded"
            ),
        })
    }

    /// The rows of a slot in the order of the input's bytes.
    ///
    /// # Errors
    /// When the slot's format has other samples.
    pub(super) fn rows(&self, slot: &RawFormat, layout: &FrameLayout) -> Result<Rows, RowsError> {
        Rows::padded(self.format, &self.layout, slot, layout)
    }

    /// The input ended after so many frames and bytes.
    pub(super) fn cut_short(&self, frames: u64, bytes: u64) -> Failure {
        failure!(
            Exit::Input,
            "the input is no whole number of frames: {frames} frames of {self}, then {bytes} bytes more{}",
            if self.y4m {
                ""
            } else {
                "; is it another --size, or do its rows need --stride or --rows?"
            }
        )
    }
}

/// `780x360 YU12 (421200 bytes each)`
impl fmt::Display for InputFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = self.size;
        let bytes = self.layout.frame_bytes();
        let code = self.format.fourcc;
        write!(f, "{width}x{height} {code} ({bytes} bytes each)")
    }
}
