//! YUV4MPEG2 (Y4M): the text lines before a stream and before each frame.
//!
//! Knows the lines' grammar (mjpegtools, `yuv4mpeg(5)`) and which raw format lies between them. Pure: takes bytes that somebody
//! else read. Must never know a file or a pipe, nor how rows are arranged in a buffer (`rows` does).

use core::fmt::{self, Write};

use super::colour::{Colour, FULL_RANGE, LIMITED_RANGE};
use super::format::{RawFormat, lookup};
use super::fourcc::Fourcc;
use crate::text::{digits, place, words};

/// The first bytes of each Y4M stream.
pub const MAGIC: &[u8] = b"YUV4MPEG2";

/// Longest line accepted, bytes with its newline. The format sets no limit; ffmpeg, the most talkative writer, stays below 128.
pub const LINE_BYTES: usize = 256;

/// Longest piece of a bad parameter that an error repeats, bytes.
const QUOTE_BYTES: usize = 16;

/// How a Y4M stream's chroma is sampled; the kinds with a V4L2 format of 8 bits. Where chroma samples sit (`420jpeg`, `420mpeg2`,
/// `420paldv`) does not change the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// Half the width, half the height.
    C420,
    /// Half the width.
    C422,
    /// Full size.
    C444,
    /// No chroma.
    Mono,
}

/// Every parameter value of `C` that is accepted; the first one of each kind is the one to write.
const CHROMA_TAGS: &str = "420jpeg 420 420mpeg2 420paldv 422 444 mono";

/// What each of them means, in the same order.
const CHROMAS: [Chroma; 7] = [
    Chroma::C420,
    Chroma::C420,
    Chroma::C420,
    Chroma::C420,
    Chroma::C422,
    Chroma::C444,
    Chroma::Mono,
];

impl Chroma {
    /// The raw format whose tight frame has the same bytes as a Y4M frame. For 4:4:4 V4L2 has only a format with three memory planes
    /// (`YM24`); a file has them one after the other.
    #[must_use]
    pub fn fourcc(self) -> Fourcc {
        Fourcc::new(match self {
            Self::C420 => *b"YU12",
            Self::C422 => *b"422P",
            Self::C444 => *b"YM24",
            Self::Mono => *b"GREY",
        })
    }
}

impl RawFormat {
    /// The `C` parameter of a Y4M stream whose frames have this format's bytes; `None` when there is none.
    #[must_use]
    pub fn y4m_tag(&self) -> Option<&'static str> {
        chroma_tags()
            .find(|(_, chroma)| {
                lookup(chroma.fourcc()).is_some_and(|planar| {
                    let samples =
                        |p: &super::format::ColourPlane| (p.content, p.horizontal, p.vertical);
                    planar
                        .planes
                        .iter()
                        .map(samples)
                        .eq(self.planes.iter().map(samples))
                })
            })
            .map(|(tag, _)| tag)
    }
}

fn chroma_tags() -> impl Iterator<Item = (&'static str, Chroma)> {
    CHROMA_TAGS.split(' ').zip(CHROMAS)
}

/// What a stream's first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Y4mHeader {
    /// Pixels, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// Frames in how many seconds, both at least 1; `None` when not given or unknown (`F0:0`).
    pub frame_rate: Option<(u32, u32)>,
    /// How chroma is sampled.
    pub chroma: Chroma,
    /// Width to height of a pixel, both at least 1; `None` when not given or unknown (`A0:0`).
    pub pixel_aspect: Option<(u32, u32)>,
    /// `XCOLORRANGE`: `FULL_RANGE` or `LIMITED_RANGE` of `colour`; 0 when not given.
    pub range: u8,
    /// The value of `I` where frames have two fields: `t` `b` top or bottom first, `m` frame by frame.
    pub interlaced: Option<u8>,
}

impl Y4mHeader {
    /// What the samples mean, as far as the header says.
    #[must_use]
    pub fn colour(&self) -> Colour {
        Colour {
            range: self.range,
            ..Colour::UNKNOWN
        }
    }

    /// The pixel aspect, unless pixels are square.
    #[must_use]
    pub fn oblong(&self) -> Option<(u32, u32)> {
        self.pixel_aspect.filter(|(width, height)| width != height)
    }
}

/// A parameter for an error's text: printable, cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0.iter().take(QUOTE_BYTES) {
            let printable = byte.is_ascii_graphic();
            f.write_char(if printable { byte.into() } else { '?' })?;
        }
        Ok(())
    }
}

/// Why a line is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Y4mError<'a> {
    /// The stream does not start with `YUV4MPEG2`.
    NotY4m,
    /// No newline within `LINE_BYTES`.
    LineTooLong,
    /// A parameter's value is no positive number, or too large; the parameter.
    BadNumber(Quoted<'a>),
    /// `W` or `H` is missing.
    NoSize,
    /// Unknown parameter of `I`; the parameter.
    Interlacing(Quoted<'a>),
    /// Samples of more than 8 bits, or a sampling that no encoder takes; the parameter.
    Chroma(Quoted<'a>),
    /// What follows a frame is not `FRAME`.
    NotFrame,
}

impl fmt::Display for Y4mError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotY4m => f.write_str("the input is not Y4M: it does not start with YUV4MPEG2"),
            Self::LineTooLong => write!(f, "a Y4M line is longer than {LINE_BYTES} bytes"),
            Self::BadNumber(text) => write!(f, "the Y4M header's {text} is not a positive number"),
            Self::NoSize => f.write_str("the Y4M header has no width or no height"),
            Self::Interlacing(text) => write!(
                f,
                "the Y4M header's {text} is unknown; Ip, It, Ib, Im and I? are known"
            ),
            Self::Chroma(text) => write!(
                f,
                "the Y4M stream's chroma {text} is not supported; 8-bit C420, C422, C444 and Cmono are"
            ),
            Self::NotFrame => f.write_str("the Y4M stream has no FRAME line where one should be"),
        }
    }
}

impl core::error::Error for Y4mError<'_> {}

/// Where the first line of `bytes` ends, one past its newline; `None` when more bytes are needed.
///
/// # Errors
/// `LineTooLong` when there is no newline within `LINE_BYTES`.
pub fn line_end(bytes: &[u8]) -> Result<Option<usize>, Y4mError<'static>> {
    let window = &bytes[..bytes.len().min(LINE_BYTES)];
    match window.iter().position(|&byte| byte == b'\n') {
        Some(newline) => Ok(Some(newline + 1)),
        None if window.len() == LINE_BYTES => Err(Y4mError::LineTooLong),
        None => Ok(None),
    }
}

/// Reads a stream's first line, with or without its newline. Comments and unknown parameters are passed over.
///
/// # Errors
/// When the line is no Y4M header or the stream's frames cannot be taken; the error says why.
pub fn parse_header(line: &[u8]) -> Result<Y4mHeader, Y4mError<'_>> {
    let parameters = parameters_after(line, MAGIC)?.ok_or(Y4mError::NotY4m)?;
    let (mut width, mut height) = (None, None);
    let mut frame_rate = None;
    let mut chroma = Chroma::C420;
    let (mut pixel_aspect, mut range, mut interlaced) = (None, 0, None);
    for parameter in parameters {
        let Some((&name, value)) = parameter.split_first() else {
            continue;
        };
        let bad_number = || Y4mError::BadNumber(Quoted(parameter));
        match name {
            b'W' => width = Some(positive(value).ok_or_else(bad_number)?),
            b'H' => height = Some(positive(value).ok_or_else(bad_number)?),
            b'F' if value == b"0:0" => frame_rate = None,
            b'F' => frame_rate = Some(ratio(value).ok_or_else(bad_number)?),
            b'I' => {
                interlaced = match value {
                    b"p" | b"?" => None,
                    [kind @ (b't' | b'b' | b'm')] => Some(*kind),
                    _ => return Err(Y4mError::Interlacing(Quoted(parameter))),
                }
            }
            // An invalid aspect ratio damages no frame.
            b'A' => pixel_aspect = ratio(value),
            b'X' if value == b"COLORRANGE=FULL" => range = FULL_RANGE,
            b'X' if value == b"COLORRANGE=LIMITED" => range = LIMITED_RANGE,
            b'C' => {
                chroma = place(value, CHROMA_TAGS)
                    .and_then(|tag| CHROMAS.get(tag).copied())
                    .ok_or(Y4mError::Chroma(Quoted(parameter)))?;
            }
            _ => {}
        }
    }
    let (Some(width), Some(height)) = (width, height) else {
        return Err(Y4mError::NoSize);
    };
    Ok(Y4mHeader {
        width,
        height,
        frame_rate,
        chroma,
        pixel_aspect,
        range,
        interlaced,
    })
}

/// Reads the line before a frame, with or without its newline. Its parameters are passed over.
///
/// # Errors
/// When it is no such line.
pub fn parse_frame(line: &[u8]) -> Result<(), Y4mError<'static>> {
    parameters_after(line, b"FRAME")?
        .map(|_| ())
        .ok_or(Y4mError::NotFrame)
}

/// The space-separated parameters after the line's first word; `None` when that is another word.
fn parameters_after<'a>(
    line: &'a [u8],
    word: &[u8],
) -> Result<Option<impl Iterator<Item = &'a [u8]>>, Y4mError<'static>> {
    if line.len() > LINE_BYTES {
        return Err(Y4mError::LineTooLong);
    }
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut words = words(line);
    Ok((words.next() == Some(word)).then_some(words))
}

/// A decimal number of at least 1.
fn positive(text: &[u8]) -> Option<u32> {
    let number = u32::try_from(digits(text, 10)?).ok()?;
    (number != 0).then_some(number)
}

/// Two positive numbers with a colon between them.
fn ratio(value: &[u8]) -> Option<(u32, u32)> {
    let colon = value.iter().position(|&byte| byte == b':')?;
    Some((positive(&value[..colon])?, positive(&value[colon + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn error(line: &str) -> std::string::String {
        parse_header(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_header_as_ffmpeg_writes_it_is_read() {
        let line = b"YUV4MPEG2 W640 H360 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED\n";
        let header = parse_header(line).unwrap();
        assert_eq!(
            header,
            Y4mHeader {
                width: 640,
                height: 360,
                frame_rate: Some((30000, 1001)),
                chroma: Chroma::C420,
                pixel_aspect: Some((1, 1)),
                range: LIMITED_RANGE,
                interlaced: None,
            }
        );
        assert_eq!(line_end(line), Ok(Some(line.len())));
    }

    #[test]
    fn what_may_be_missing_has_defaults() {
        let header = parse_header(b"YUV4MPEG2 H2 W4 F0:0 I?").unwrap();
        assert_eq!((header.frame_rate, header.chroma), (None, Chroma::C420));
    }

    #[test]
    fn aspect_range_and_fields_are_read() {
        let header = |line: &str| parse_header(line.as_bytes()).unwrap();
        let old = header("YUV4MPEG2 W176 H144 F15:1 Ip A128:117");
        assert_eq!(
            (old.oblong(), old.range, old.interlaced),
            (Some((128, 117)), 0, None)
        );
        for (aspect, oblong) in [
            ("A1:1", None),
            ("A0:0", None),
            ("A2:2", None),
            ("Ax", None),
            ("", None),
        ] {
            assert_eq!(
                header(&std::format!("YUV4MPEG2 W4 H2 {aspect}")).oblong(),
                oblong
            );
        }
        assert_eq!(header("YUV4MPEG2 W4 H2 XCOLORRANGE=FULL").range, FULL_RANGE);
        assert_eq!(header("YUV4MPEG2 W4 H2 XCOLORRANGE=OTHER").range, 0);
        for (kind, found) in [
            ("It", Some(b't')),
            ("Ib", Some(b'b')),
            ("Im", Some(b'm')),
            ("I?", None),
        ] {
            assert_eq!(
                header(&std::format!("YUV4MPEG2 W4 H2 {kind}")).interlaced,
                found
            );
        }
    }

    #[test]
    fn refusals_name_the_parameter() {
        assert!(error("YUV4MPEG2 W4 H2 C420p10").contains("chroma C420p10 is not supported"));
        assert!(error("YUV4MPEG2 W4 H2 C444alpha").contains("C444alpha"));
        assert!(error("YUV4MPEG2 W4 H2 Ix").contains("Ix is unknown"));
        assert!(error("YUV4MPEG2 W0 H2").contains("W0 is not a positive number"));
        assert!(error("YUV4MPEG2 W4294967296 H2").contains("not a positive number"));
        assert!(error("YUV4MPEG2 W4 H2 F25").contains("F25"));
        assert!(error("YUV4MPEG2 W4").contains("no height"));
        assert!(error("YUV4MPEG2W4 H2").contains("does not start with YUV4MPEG2"));
        assert!(error("YUV4MPEG2 W4 H2 C\u{7}x").contains("C?x"));
    }

    #[test]
    fn frame_lines_are_read_with_any_parameters() {
        assert_eq!(parse_frame(b"FRAME\n"), Ok(()));
        assert_eq!(parse_frame(b"FRAME Ippp XQ=1"), Ok(()));
        assert_eq!(parse_frame(b"FRAMES"), Err(Y4mError::NotFrame));
    }

    #[test]
    fn a_line_without_an_end_is_refused_at_the_limit() {
        assert_eq!(line_end(b"FRAME"), Ok(None));
        assert_eq!(line_end(b"FRAME\nabc\n"), Ok(Some(6)));
        assert_eq!(line_end(&[b'x'; LINE_BYTES]), Err(Y4mError::LineTooLong));
    }

    #[test]
    fn formats_and_tags_name_each_other() {
        assert_eq!(chroma_tags().count(), CHROMA_TAGS.split(' ').count());
        for (tag, chroma) in chroma_tags() {
            let format = lookup(chroma.fourcc()).unwrap();
            let first = chroma_tags().find(|(_, c)| *c == chroma).unwrap().0;
            assert_eq!(format.y4m_tag(), Some(first), "{tag}");
        }
        let tag = |code| lookup(Fourcc::new(code)).unwrap().y4m_tag();
        assert_eq!(tag(*b"YM12"), Some("420jpeg"));
        assert_eq!(tag(*b"NV12"), None);
        assert_eq!(tag(*b"YV12"), None);
    }
}
