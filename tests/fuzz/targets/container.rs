//! Frames of any bytes in containers: a reader that believes nothing finds each of them, with its time and its bytes.
#![no_main]

#[path = "../../containers/demux.rs"]
mod demux;

use framemill::internals::media::coded_frame::CodedFrame;
use framemill::internals::media::fourcc::Fourcc;
use framemill::internals::media::mp4::Mp4;
use framemill::internals::media::ts::TransportStream;
use framemill_fuzz::Input;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let (codec, stream_type) = match input.byte() % 4 {
        0 | 1 => (Fourcc::H264, 0x1b),
        2 => (Fourcc::HEVC, 0x24),
        _ => (Fourcc::MJPG, 0),
    };
    let mut mp4 = Mp4::new(codec, 3000).expect("it takes each of these");
    let mut ts = TransportStream::new(codec);
    let (mut fragments, mut stream) = (Vec::new(), Vec::new());
    let (mut times, mut descriptions) = (Vec::new(), 0);
    let mut ticks = 0u64;
    while !input.is_empty() && times.len() < 8 {
        let flags = input.byte();
        let [headers, bytes] = [input.byte(), input.half() as u8].map(|length| {
            let (now, rest) = input.0.split_at(input.0.len().min(length.into()));
            input.0 = rest;
            now
        });
        let frame = CodedFrame {
            ticks,
            key: flags & 1 != 0,
            cut: flags & 2 != 0,
            headers,
            bytes,
        };
        times.push((ticks, frame.key, frame.cut));
        let to = &mut |part: &[u8]| fragments.extend_from_slice(part);
        let description = mp4.begin(headers, (640, 480), flags & 4 != 0, to);
        // Its words are for a log.
        descriptions += usize::from(description.is_some_and(|text| !text.to_string().is_empty()));
        mp4.write(&frame, to);
        if let Some(ts) = &mut ts {
            ts.write(&frame, &mut |part| stream.extend_from_slice(part));
        }
        ticks += 1 + u64::from(input.half()) * u64::from(flags);
    }
    let pieces = demux::mp4(&fragments);
    let frames = pieces.iter().filter_map(|piece| match piece {
        demux::Piece::Frame(frame) => Some((frame.pts, frame.key)),
        demux::Piece::Description(_) => None,
    });
    assert!(frames.eq(times.iter().map(|&(time, key, _)| (time, key))));
    assert_eq!(pieces.len(), times.len() + descriptions);
    if ts.is_some() {
        let frames = demux::ts(&stream, stream_type);
        let frames = frames
            .iter()
            .map(|frame| (frame.pts - 9000, frame.key, frame.cut));
        assert!(frames.eq(times));
    }
});
