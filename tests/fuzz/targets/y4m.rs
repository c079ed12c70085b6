//! Y4M's lines: a header that is taken says something that can be said again, any other gets one printable sentence.
#![no_main]

use framemill::internals::media::format::lookup;
use framemill::internals::media::y4m::{LINE_BYTES, line_end, parse_frame, parse_header};
use framemill_fuzz::is_sentence;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let line = match line_end(data) {
        Ok(Some(end)) => {
            assert!(end <= data.len().min(LINE_BYTES) && data[end - 1] == b'\n');
            &data[..end]
        }
        Ok(None) => data,
        Err(error) => {
            assert!(is_sentence(&error.to_string()) && data.len() >= LINE_BYTES);
            data
        }
    };
    if let Err(error) = parse_frame(line) {
        assert!(is_sentence(&error.to_string()));
    }
    match parse_header(line) {
        Err(error) => assert!(is_sentence(&error.to_string()), "{error}"),
        Ok(header) => {
            let (frames, seconds) = header.frame_rate.unwrap_or((0, 0));
            let tag = lookup(header.chroma.fourcc())
                .and_then(|format| format.y4m_tag())
                .expect("a tag");
            let (across, down) = header.pixel_aspect.unwrap_or((0, 0));
            let fields = header.interlaced.map_or('p', char::from);
            let range =
                ["", " XCOLORRANGE=FULL", " XCOLORRANGE=LIMITED"][usize::from(header.range)];
            let again = format!(
                "YUV4MPEG2 W{} H{} F{frames}:{seconds} A{across}:{down} I{fields} C{tag}{range}\n",
                header.width, header.height
            );
            assert_eq!(parse_header(again.as_bytes()), Ok(header));
        }
    }
});
