//! What a file is by its first bytes, when it is something else than raw frames. Pure: knows signatures, no file.

/// Bytes that are looked at.
pub const MAGIC_BYTES: usize = 16;

/// Where a signature stands, its bytes, and what a file is that has it.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (4, b"ftyp", "an MP4 or HEIF file"),
    (4, b"moov", "a QuickTime file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (0, b"RIFF", "an AVI, WAV or WebP file"),
    (0, b"FLV\x01", "an FLV file"),
    (0, b"OggS", "an Ogg file"),
    (0, b"DKIF", "an IVF file"),
    (0, b"\x00\x00\x01\xba", "an MPEG program stream"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "an ASF or WMV file"),
    (0, b"\xff\xd8\xff", "a JPEG file"),
    (0, b"\x89PNG\r\n", "a PNG file"),
    (0, b"GIF8", "a GIF file"),
    (0, b"II*\x00", "a TIFF file"),
    (0, b"\x1f\x8b\x08", "a gzip file"),
    (0, b"\xfd7zXZ\x00", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file"),
    (0, b"PK\x03\x04", "a zip file"),
    (0, b"YUV4MPEG2 ", "a Y4M file"),
];

/// What a file that begins with these bytes is; `None` for what may be raw frames.
#[must_use]
pub fn kind(bytes: &[u8]) -> Option<&'static str> {
    let signed = |&&(at, signature, _): &&(usize, &[u8], &str)| {
        bytes
            .get(at..)
            .is_some_and(|rest| rest.starts_with(signature))
    };
    match SIGNATURES.iter().find(signed) {
        Some(&(.., kind)) => Some(kind),
        None => elementary_stream(bytes),
    }
}

/// H.264 and HEVC begin with a start code and a unit of a type that comes first: parameters or an access unit delimiter.
fn elementary_stream(bytes: &[u8]) -> Option<&'static str> {
    let unit = bytes
        .strip_prefix(b"\x00\x00\x00\x01")
        .or_else(|| bytes.strip_prefix(b"\x00\x00\x01"))?;
    match *unit {
        // SPS (7) and delimiter (9), with any nal_ref_idc.
        [0x27 | 0x47 | 0x67 | 0x09, ..] => Some("an H.264 stream"),
        // VPS (32), SPS (33) and delimiter (35), layer 0.
        [0x40 | 0x42 | 0x46, 0x01, ..] => Some("an HEVC stream"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_wrong_kind_are_named() {
        for (bytes, expected) in [
            (&b"\0\0\0\x20ftypisom\0\0\x02\0"[..], "an MP4 or HEIF file"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG file"),
            (b"\0\0\0\x01\x67\x42\x80\x1e", "an H.264 stream"),
            (b"\0\0\x01\x09\xf0", "an H.264 stream"),
            (b"\0\0\0\x01\x40\x01\x0c\x01", "an HEVC stream"),
            (b"\x1a\x45\xdf\xa3\x01", "a Matroska or WebM file"),
            (b"RIFF....AVI ", "an AVI, WAV or WebP file"),
            (b"YUV4MPEG2 W16", "a Y4M file"),
        ] {
            assert_eq!(kind(bytes), Some(expected));
        }
    }

    #[test]
    fn raw_frames_are_nothing_else() {
        for bytes in [
            &b""[..],
            b"\0\0\0\0\0\0\0\0",
            b"\x10\x10\x10\x10\x10\x10",
            b"\xff\xff\xff\xff\xff\xff",
            b"\0\0\0\x01\x00\x00",
            b"\x80\x80ftyp",
        ] {
            assert_eq!(kind(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn every_signature_is_within_what_is_looked_at() {
        for (at, signature, _) in SIGNATURES {
            assert!(at + signature.len() <= MAGIC_BYTES && signature.len() >= 3);
        }
    }
}
