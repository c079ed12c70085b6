//! What the bytes of a packet say: against a search that is written as plainly as can be, and the same wherever the packet is cut.
#![no_main]

use framemill::internals::media::bitstream::{BITSTREAM_SCAN_BYTES, inspect, inspect_start};
use framemill::internals::media::fourcc::Fourcc;
use framemill_fuzz::Input;

/// Whether the first slice is a key frame's: the unit types of H.264 or HEVC behind each start code, in order.
fn first_slice(bytes: &[u8], hevc: bool) -> Option<bool> {
    bytes
        .windows(4)
        .filter(|window| window.starts_with(&[0, 0, 1]))
        .find_map(|window| {
            let header = window[3];
            let (kind, slices, key) = if hevc {
                (header >> 1, 0..=31, 16..=21)
            } else {
                (header & 31, 1..=5, 5..=5)
            };
            (header < 0x80 && slices.contains(&kind)).then(|| key.contains(&kind))
        })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let codec = match input.byte() % 8 {
        0..=2 => Fourcc::H264,
        3 | 4 => Fourcc::HEVC,
        5 => Fourcc::MJPG,
        6 => Fourcc::FWHT,
        _ => Fourcc::new(*b"VP80"),
    };
    let cut = usize::from(input.half());
    let bytes = input.0;
    let whole = inspect(codec, bytes);
    if let Some(headers) = &whole.headers {
        assert!(headers.start < headers.end && headers.end <= bytes.len());
        let set = &bytes[headers.clone()];
        assert!(set.starts_with(&[0, 0, 1]) || set.starts_with(&[0, 0, 0, 1]));
    }
    if whole.headers_only {
        assert!(whole.key == Some(false) && whole.headers.is_some());
    }
    if matches!(codec, Fourcc::H264 | Fourcc::HEVC) {
        let window = &bytes[..bytes.len().min(BITSTREAM_SCAN_BYTES)];
        let slice = first_slice(window, codec == Fourcc::HEVC);
        assert!(whole.key == slice || slice.is_none() && whole.key == Some(false));
    }
    // Every cut of a short packet, one of a long one.
    let cuts = if bytes.len() <= 64 {
        0..=bytes.len()
    } else {
        cut % bytes.len()..=cut % bytes.len()
    };
    for cut in cuts {
        let part = inspect_start(codec, &bytes[..cut], false);
        assert!(!part.headers_only);
        // What is known after the first part stays so.
        if part.key.is_some() {
            assert_eq!((part.key, &part.headers), (whole.key, &whole.headers));
        } else if let Some(headers) = part.headers {
            let later = whole.headers.as_ref().expect("they do not go away");
            assert!(later.start == headers.start && later.end >= headers.end);
        }
    }
});
