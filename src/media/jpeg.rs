//! JPEG pictures as cameras send them: where one begins and ends, its size, and the Huffman tables that it may lack.
//!
//! Knows the markers of ITU-T T.81 (table B.1) and its typical Huffman tables (K.3.3). The bytes may be another's and uncached: headers are
//! read by small copies, entropy-coded bytes only backwards in search of the end. Decodes nothing, so that a picture whose middle is missing
//! is a whole one here: without restart markers nothing but decoding tells, few cameras write any, and counting them takes a look at each byte.
//! Must never know where bytes come from or go to.

use core::fmt;
use core::ops::Range;

use arrayvec::ArrayVec;

use crate::shm::bytes::SharedBytes;

/// How far into a buffer SOI is searched, bytes.
const SEARCH: usize = 16;
/// Steps through the headers at most: a segment each, or three fill bytes. Cameras write ten or so.
const STEPS: u32 = 256;
/// Runs of fill bytes that are left out at most. More stay where they are, which the standard allows.
const CUTS: usize = 6;
/// Bytes that are looked at in one copy, in search of the end.
const TAIL: usize = 256;

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const TABLES: u8 = 0xc4;
const BASELINE: u8 = 0xc0;

/// A picture that a baseline decoder can be given, by offsets into the buffer that was inspected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jpeg {
    /// Width and height, pixels.
    pub size: (u32, u32),
    /// How colour is sampled.
    pub sampling: Sampling,
    /// No DHT precedes the first scan: `pieces` has the standard tables.
    pub lacks_tables: bool,
    /// SOI and what follows it up to the scan, without fill bytes.
    headers: ArrayVec<Range<usize>, { CUTS + 1 }>,
    /// From SOS to the end of EOI.
    scan: Range<usize>,
}

/// How often colour is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Not at all.
    Grey,
    /// For each pixel.
    Yuv444,
    /// For every second pixel of a row.
    Yuv422,
    /// For every second pixel of every second row.
    Yuv420,
    /// Otherwise.
    Other,
}

/// Why bytes are no picture for a baseline decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JpegError {
    /// It does not begin with SOI.
    NoStart,
    /// EOI is missing, or headers go on behind the last byte: a part of the picture was lost.
    CutOff,
    /// There is no marker where one has to be, or one that has no place there; offset and byte.
    BadMarker(usize, u8),
    /// SOF0 is missing, too short, or says what no picture has.
    BadFrame,
    /// A frame of another kind: the second byte of its marker, SOF1 to SOF15.
    NotBaseline(u8),
}

impl fmt::Display for JpegError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoStart => f.write_str("no JPEG: SOI is missing"),
            Self::CutOff => f.write_str("cut off: EOI is missing"),
            Self::BadMarker(at, byte) => write!(f, "no marker at byte {at}: {byte:#04x}"),
            Self::BadFrame => f.write_str("SOF0 is missing or malformed"),
            Self::NotBaseline(marker) => {
                let kind = match marker {
                    0xc1 => "extended sequential",
                    0xc2 => "progressive",
                    0xc3 => "lossless",
                    0xc9.. => "arithmetic",
                    _ => "hierarchical",
                };
                write!(f, "{kind} JPEG (SOF{}), not baseline", marker & 15)
            }
        }
    }
}

impl Jpeg {
    /// Bytes of the picture as `pieces` gives it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(Range::len).sum::<usize>();
        let tables = if self.lacks_tables { DHT.len() } else { 0 };
        headers + tables + self.scan.len()
    }

    /// The picture's bytes in order, the standard tables among them where it has none: `picture` is what was inspected.
    pub fn pieces<'a>(&'a self, picture: SharedBytes<'a>) -> impl Iterator<Item = SharedBytes<'a>> {
        let of = move |range: &Range<usize>| picture.part(range.start, range.len());
        let tables = self.lacks_tables.then(|| SharedBytes::from(&DHT));
        let headers = self.headers.iter().filter_map(of);
        headers.chain(tables).chain(of(&self.scan))
    }

    /// Copies the picture's bytes to the start of `target`. Gives how many; `None` where they do not fit, and some may be copied.
    #[must_use = "None means that the picture is not there"]
    pub fn write(&self, picture: SharedBytes<'_>, target: SharedBytes<'_>) -> Option<usize> {
        let mut at = 0;
        for piece in self.pieces(picture) {
            if !target.copy_from(at, piece) {
                return None;
            }
            at += piece.len();
        }
        (at == self.bytes()).then_some(at)
    }
}

/// Looks into a buffer that a camera filled: a picture, and perhaps bytes behind it that mean nothing.
///
/// # Errors
/// When it is no whole picture, or not one that a baseline decoder takes.
pub fn inspect(picture: SharedBytes<'_>) -> Result<Jpeg, JpegError> {
    let begin = find_start(picture)?;
    let mut headers = ArrayVec::new();
    let (mut from, mut at) = (begin, begin + 2);
    let (mut frame, mut tables) = (None, false);
    // Where fill bytes begin that precede the marker at `at`.
    let mut fill = None;
    for _ in 0..STEPS {
        let lead: [u8; 4] = read(picture, at)?;
        match lead {
            [0xff, 0xff, ..] => {
                fill = fill.or(Some(at));
                let filled = lead.iter().take_while(|&&byte| byte == 0xff).count();
                at += filled - 1;
                continue;
            }
            [0xff, ..] => {}
            [byte, ..] => return Err(JpegError::BadMarker(at, byte)),
        }
        if let Some(fill) = fill.take()
            && headers.len() < CUTS
        {
            headers.push(from..fill);
            from = at;
        }
        let [_, marker, high, low] = lead;
        let length = usize::from(u16::from_be_bytes([high, low]));
        match marker {
            // Markers without a length, and what has no place in headers.
            0..=0xbf | 0xc8 | 0xcc | 0xd0..=END => return Err(JpegError::BadMarker(at, marker)),
            _ if length < 2 => return Err(JpegError::BadMarker(at, marker)),
            TABLES => tables = true,
            BASELINE => frame = Some(read_frame(picture, at + 2, length)?),
            0xc1..=0xcf => return Err(JpegError::NotBaseline(marker)),
            SCAN => {
                let (size, sampling) = frame.ok_or(JpegError::BadFrame)?;
                headers.push(from..at);
                return Ok(Jpeg {
                    size,
                    sampling,
                    lacks_tables: !tables,
                    headers,
                    scan: at..find_end(picture, at + 2 + length)?,
                });
            }
            _ => {}
        }
        at += 2 + length;
    }
    Err(JpegError::BadMarker(at, 0xff))
}

/// Reads some bytes; those that are not there were cut off.
fn read<const N: usize>(picture: SharedBytes<'_>, at: usize) -> Result<[u8; N], JpegError> {
    let mut bytes = [0; N];
    match picture.copy_out(at, &mut bytes) {
        true => Ok(bytes),
        false => Err(JpegError::CutOff),
    }
}

/// Where SOI lies.
fn find_start(picture: SharedBytes<'_>) -> Result<usize, JpegError> {
    let mut bytes = [0; SEARCH];
    let bytes = &mut bytes[..SEARCH.min(picture.len())];
    let found = picture.copy_out(0, bytes);
    let at = bytes.windows(2).position(|two| two == [0xff, START]);
    at.filter(|_| found).ok_or(JpegError::NoStart)
}

/// Where EOI ends: the last one, and not before `from`. Entropy-coded bytes have none inside.
fn find_end(picture: SharedBytes<'_>, from: usize) -> Result<usize, JpegError> {
    let mut end = picture.len();
    while end >= from + 2 {
        let mut bytes = [0; TAIL];
        let bytes = &mut bytes[..TAIL.min(end - from)];
        let begin = end - bytes.len();
        if !picture.copy_out(begin, bytes) {
            break;
        }
        if let Some(at) = bytes.windows(2).rposition(|two| two == [0xff, END]) {
            return Ok(begin + at + 2);
        }
        // The first byte may be the first half of one.
        end = begin + 1;
    }
    Err(JpegError::CutOff)
}

/// Size and sampling, as SOF0 has them: `at` is where its length stands.
fn read_frame(
    picture: SharedBytes<'_>,
    at: usize,
    length: usize,
) -> Result<((u32, u32), Sampling), JpegError> {
    let [_, _, precision, y0, y1, x0, x1, count]: [u8; 8] = read(picture, at)?;
    let (height, width) = (u16::from_be_bytes([y0, y1]), u16::from_be_bytes([x0, x1]));
    let components = usize::from(count);
    // A height of 0 stands behind the scan (DNL).
    let sound = precision == 8 && width != 0 && height != 0 && length == 8 + 3 * components;
    let sampling = match components {
        _ if !sound => return Err(JpegError::BadFrame),
        1 => Sampling::Grey,
        3 => {
            let [_, luma, _, _, blue, _, _, red, _]: [u8; 9] = read(picture, at + 8)?;
            sampling(luma, blue, red)?
        }
        _ => return Err(JpegError::BadFrame),
    };
    Ok(((width.into(), height.into()), sampling))
}

/// Sampling by the factors of the three components, horizontal and vertical in four bits each.
fn sampling(luma: u8, blue: u8, red: u8) -> Result<Sampling, JpegError> {
    let sound =
        |factors: u8| (1..=4).contains(&(factors >> 4)) && (1..=4).contains(&(factors & 15));
    if ![luma, blue, red].into_iter().all(sound) {
        return Err(JpegError::BadFrame);
    }
    let (across, down) = (luma >> 4, luma & 15);
    let (blue_across, blue_down) = (blue >> 4, blue & 15);
    let times = |of: u8, times: u8, other: u8| of == times * other;
    Ok(match () {
        () if blue != red => Sampling::Other,
        () if luma == blue => Sampling::Yuv444,
        () if times(across, 2, blue_across) && down == blue_down => Sampling::Yuv422,
        () if times(across, 2, blue_across) && times(down, 2, blue_down) => Sampling::Yuv420,
        () => Sampling::Other,
    })
}

/// The tables of K.3.3 as one DHT segment: those that a decoder is to use for a picture without any (USB Device Class Definition for Video:
/// Motion-JPEG Payload).
static DHT: [u8; 420] = *b"\xff\xc4\x01\xa2\
    \x00\0\x01\x05\x01\x01\x01\x01\x01\x01\0\0\0\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\
    \x10\0\x02\x01\x03\x03\x02\x04\x03\x05\x05\x04\x04\0\0\x01\x7d\
    \x01\x02\x03\0\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\
    \x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\
    \x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\
    \x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\
    \x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\
    \xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\
    \xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\
    \x01\0\x03\x01\x01\x01\x01\x01\x01\x01\x01\x01\0\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\
    \x11\0\x02\x01\x02\x04\x04\x03\x04\x07\x05\x04\x04\0\x01\x02\x77\
    \0\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\
    \xa1\xb1\xc1\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\
    \x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\
    \x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\
    \x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\
    \xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\
    \xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa";

#[cfg(test)]
mod tests;
