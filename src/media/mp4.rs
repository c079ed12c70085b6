//! Fragmented MP4 (ISO/IEC 14496-12, 8.8; 14496-15 for the coded frames): a `moov` that describes the stream, then a fragment for each
//! frame, which a reader can show at once.
//!
//! Knows both formats, and what of a codec's parameter sets they want to know. Keeps nothing of a frame. Parameter sets stay in the
//! frames, too: a reader that takes only the first `moov` of a file still decodes what comes after another one.

use core::fmt;

use super::boxes::Boxes;
use super::coded_frame::{CodedFrame, Sink, TICKS};
use super::fourcc::Fourcc;
use super::hevc::parse_hevc_sps;
use super::nal::units;
use super::sps::{Samples, parse_sps};

/// What begins a stream. Values: ticks a second; width and height, each in units of 1/65536 (`tkhd`), then both as 16 bits; names of the
/// sample entry and of its configuration.
const INIT: &[u8] = b"\
(ftypiso5\x84iso5iso6mp41)\
(moov\
(mvhd\x8c\xc0\x85\x01\x82\x01\x8c\x01\x8f\x01\x8e\x40\x9e\x02)\
(trak\
(tkhd\x83\x03\x8b\x01\x99\x01\x8f\x01\x8e\x40\x83\xc1\xc2)\
(mdia\
(mdhd\x8c\xc0\x84\x55\xf0\xc4\x82)\
(hdlr\x88vide\x8d)\
(minf\
(vmhd\x83\x01\x88)\
(dinf(dref\x87\x01(url \x83\x01)))\
(stbl\
(stsd\x87\x01(\xc4\x87\x01\x90\xc3\x81\x48\x83\x48\x87\x01\xa1\x18\xf0\xff\xf0\xff(\xc5\xe0)))\
(stts\x88)(stsc\x88)(stsz\x8c)(stco\x88)))))\
(mvex(trex\x87\x01\x83\x01\x8c)))";

/// A frame. `tfhd`: offsets count from the `moof`. `trun`: one sample, with its duration, size, flags and composition offset, 112 bytes
/// behind the beginning. Values: number, decode time (64 bits), duration, size, flags, composition offset, size of `mdat`.
const FRAGMENT: &[u8] = b"\
(moof(mfhd\x84\xc0)\
(traf(tfhd\x81\x02\x85\x01)(tfdt\x01\x83\xc1\xc2)(trun\x01\x81\x0f\x01\x83\x01\x83\x70\xc3\xc4\xc5\xc6)))\
\xc7mdat";

/// `sample_flags` (8.8.3.1): depends on no other, depends on others and is no sync sample.
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;

/// The descriptors of a stream of JPEG images (ISO/IEC 14496-1, 7.2.6; 14496-14, 5.6), as `esds` has them: `objectTypeIndication` 0x6c, visual.
const JPEG_CONFIG: [u8; 27] = [
    0, 0, 0, 0, 3, 21, 0, 1, 0, 4, 13, 0x6c, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 1, 2,
];

/// An MP4 stream being written.
#[derive(Clone, Copy, Debug)]
pub struct Mp4 {
    codec: Fourcc,
    /// Fragments written.
    fragments: u32,
    /// The latest decode time, ticks; `None` before the first frame.
    decoded: Option<u64>,
    /// How long a frame is said to be shown, ticks.
    duration: u64,
    /// A checksum (FNV-1a) of the latest `moov`.
    described: u32,
}

/// What a `moov` says of the stream.
#[derive(Debug)]
pub struct Description {
    codec: Fourcc,
    /// Bytes 1 to 12 of the configuration, where profile and level are.
    profile: [u8; 12],
    size: (u32, u32),
}

impl Mp4 {
    /// A stream of H.264, HEVC or JPEG images; `None` for other codecs. A frame lasts `duration` ticks until frames tell better.
    #[must_use]
    pub fn new(codec: Fourcc, duration: u64) -> Option<Self> {
        let fits = matches!(
            codec,
            Fourcc::H264 | Fourcc::HEVC | Fourcc::MJPG | Fourcc::JPEG
        );
        fits.then_some(Self {
            codec,
            fragments: 0,
            decoded: None,
            duration,
            described: 0,
        })
    }

    /// Writes `ftyp` and `moov`, with which a stream begins, and goes on after a change: if they are others than before, or `again`. `size`
    /// is that of JPEG images, which have no parameter sets. Nothing is written when the headers do not describe a stream.
    pub fn begin(
        &mut self,
        headers: &[u8],
        size: (u32, u32),
        again: bool,
        sink: &mut Sink<'_>,
    ) -> Option<Description> {
        let mut config = Boxes::default();
        let (size, names) = match self.codec {
            Fourcc::H264 => (avc(headers, &mut config)?.size, (b"avc1", b"avcC")),
            Fourcc::HEVC => (hevc(headers, &mut config)?.size, (b"hvc1", b"hvcC")),
            _ => {
                config.put(&JPEG_CONFIG);
                (size, (b"mp4v", b"esds"))
            }
        };
        let config = config.whole()?;
        let (wide, high) = (size.0 & 0xffff, size.1 & 0xffff);
        let values = [
            TICKS as u32,
            wide << 16,
            high << 16,
            wide << 16 | high,
            u32::from_be_bytes(*names.0),
            u32::from_be_bytes(*names.1),
        ];
        let mut boxes = Boxes::default();
        boxes.append(INIT, &values, config);
        let bytes = boxes.whole()?;
        let sum = |sum: u32, byte: &u8| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let sum = bytes.iter().fold(0x811c_9dc5, sum);
        if sum == self.described && !again {
            return None;
        }
        self.described = sum;
        sink(bytes);
        Some(Description {
            codec: self.codec,
            profile: *config.get(1..)?.first_chunk()?,
            size,
        })
    }

    /// What comes now is a file of its own: its first fragment has the number 1, and follows no other.
    pub fn begin_file(&mut self) {
        self.fragments = 0;
        self.decoded = None;
    }

    /// Writes a frame as a fragment.
    pub fn write(&mut self, frame: &CodedFrame<'_>, sink: &mut Sink<'_>) {
        let parts = [frame.headers, frame.bytes];
        let nal = matches!(self.codec, Fourcc::H264 | Fourcc::HEVC);
        // A length of four bytes in place of each start code.
        let length = |part: &&[u8]| match nal {
            true => units(part).map(|unit| 4 + unit.len()).sum(),
            false => part.len(),
        };
        let size = parts.iter().map(length).sum::<usize>() as u32;
        let decode = self.decode_time(frame.ticks);
        self.fragments = self.fragments.wrapping_add(1);
        let values = [
            self.fragments,
            (decode >> 32) as u32,
            decode as u32,
            self.duration as u32,
            size,
            if frame.key { SYNC } else { NOT_SYNC },
            frame.ticks.wrapping_sub(decode) as u32,
            size + 8,
        ];
        let mut boxes = Boxes::default();
        boxes.append(FRAGMENT, &values, &[]);
        sink(boxes.whole().unwrap_or_default());
        for part in parts {
            if !nal {
                sink(part);
                continue;
            }
            for unit in units(part) {
                sink(&(unit.len() as u32).to_be_bytes());
                sink(unit);
            }
        }
    }

    /// When a frame that is shown at this time is decoded: then, and each after the one before. Reordered frames are shown before that.
    ///
    /// How long a frame is shown is known when the next one comes, and nothing waits for that. Browsers take a step of more than twice
    /// that time for a gap and wait for a key frame (Media Source Extensions, "coded frame processing"). So the longest of the latest steps
    /// counts, pauses of a second left out.
    fn decode_time(&mut self, ticks: u64) -> u64 {
        let mut decode = ticks;
        if let Some(last) = self.decoded {
            decode = ticks.max(last.saturating_add(1));
            let step = decode - last;
            if step < TICKS {
                self.duration = step.max(self.duration - self.duration / 8);
            }
        }
        self.decoded = Some(decode);
        decode
    }
}

/// Parameter sets of one kind, whose first byte under `mask` is `kind`: how many there are, beside other bits, and each with its length.
fn put_sets(headers: &[u8], (mask, kind): (u8, u8), beside: u8, to: &mut Boxes) {
    // Their number has five bits. Streams have one or two.
    let sets = || {
        let sets = units(headers).filter(move |unit| unit[0] & mask == kind);
        sets.take(31)
    };
    to.put(&[beside | sets().count() as u8]);
    for set in sets() {
        to.put(&(set.len() as u16).to_be_bytes());
        to.put(set);
    }
}

/// `AVCDecoderConfigurationRecord` (14496-15, 5.3.3.1).
fn avc(headers: &[u8], to: &mut Boxes) -> Option<Samples> {
    const SPS: (u8, u8) = (0x9f, 7);
    const PPS: (u8, u8) = (0x9f, 8);
    let sps = units(headers).find(|unit| unit[0] & SPS.0 == SPS.1)?;
    let &[profile, compatible, level] = sps.get(1..)?.first_chunk()?;
    let samples = parse_sps(&sps[1..])?.samples;
    // A frame's lengths have four bytes.
    to.put(&[1, profile, compatible, level, 0xff]);
    put_sets(headers, SPS, 0xe0, to);
    put_sets(headers, PPS, 0, to);
    if matches!(profile, 100 | 110 | 122 | 144) {
        let (luma, chroma) = samples.depth;
        to.put(&[0xfc | samples.chroma, 0xf8 | luma, 0xf8 | chroma, 0]);
    }
    Some(samples)
}

/// `HEVCDecoderConfigurationRecord` (14496-15, 8.3.3.1), without what is said there of layers and of parallel decoding.
fn hevc(headers: &[u8], to: &mut Boxes) -> Option<Samples> {
    const MASK: u8 = 0xfe;
    /// VPS, SPS, PPS.
    const SETS: [u8; 3] = [32, 33, 34];
    let sps = units(headers).find(|unit| unit[0] & MASK == SETS[1] << 1)?;
    let sps = parse_hevc_sps(sps.get(2..)?)?;
    let samples = sps.samples;
    let (luma, chroma) = (0xf8 | samples.depth.0, 0xf8 | samples.depth.1);
    let layers = (sps.layers + 2) << 2 | 3;
    to.put(&[1]);
    to.put(&sps.profile);
    to.put(&[
        0xf0,
        0,
        0xfc,
        0xfc | samples.chroma,
        luma,
        chroma,
        0,
        0,
        layers,
        3,
    ]);
    for set in SETS {
        to.put(&[0x80 | set, 0]);
        put_sets(headers, (MASK, set << 1), 0, to);
    }
    Some(samples)
}

/// `codecs="…"`, as a browser wants to know it (RFC 6381; 14496-15, annex E), and the size.
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("codecs=\"")?;
        match self.codec {
            Fourcc::H264 => {
                let [profile, compatible, level, ..] = self.profile;
                let number = u32::from_be_bytes([0, profile, compatible, level]);
                write!(f, "avc1.{number:06x}")?;
            }
            Fourcc::HEVC => hevc_codec(&self.profile, f)?,
            _ => f.write_str("mp4v.6c")?,
        }
        let (wide, high) = self.size;
        write!(f, "\" {wide}x{high}")
    }
}

/// Profile, compatible ones, tier and level, constraints as far as there are some.
fn hevc_codec(profile: &[u8; 12], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let [general, a, b, c, d, ref constraints @ .., level] = *profile;
    let compatible = u32::from_be_bytes([a, b, c, d]).reverse_bits();
    let tier = if general & 0x20 == 0 { 'L' } else { 'H' };
    write!(f, "hvc1.{}.{compatible:x}.{tier}{level}", general & 0x1f)?;
    let end = constraints.iter().rposition(|&byte| byte != 0);
    for byte in constraints.iter().take(end.map_or(0, |last| last + 1)) {
        write!(f, ".{:x}", u32::from(*byte))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
