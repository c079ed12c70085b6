//! Where rows lie, from any numbers that a driver may answer: planes within their memory and apart from each other, or an error;
//! and rows copied between any two layouts.
#![no_main]

use framemill::internals::limits::PLANES;
use framemill::internals::media::format::FORMATS;
use framemill::internals::media::h264;
use framemill::internals::media::layout::{FrameLayout, PlaneLayout, copy_rows};
use framemill_fuzz::{Input, is_sentence};

fn check(layout: &FrameLayout) {
    let mut ends = [0u64; PLANES];
    for plane in layout.planes() {
        let memory = plane.memory_plane as usize;
        assert!(plane.rows > 0 && plane.row_bytes > 0 && plane.row_bytes <= plane.bytesperline);
        assert!(u64::from(plane.offset) >= ends[memory], "planes overlap");
        ends[memory] = plane.visible_end();
        assert!(ends[memory] <= u64::from(layout.memory_length[memory]));
        assert!(plane.rows <= plane.allocated_rows);
        let last = plane.row_start(plane.rows - 1).expect("a row") as u64;
        assert_eq!(last + u64::from(plane.row_bytes), plane.visible_end());
        assert_eq!(plane.row_start(plane.rows), None);
    }
    assert!(layout.frame_bytes() > 0);
    let _ = layout.is_packed();
}

fn plane(input: &mut Input<'_>) -> PlaneLayout {
    PlaneLayout {
        memory_plane: 0,
        offset: u32::from(input.byte()),
        bytesperline: u32::from(input.byte()),
        row_bytes: u32::from(input.byte()),
        rows: if input.byte() == 0 {
            input.word()
        } else {
            u32::from(input.byte())
        },
        allocated_rows: 0,
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let format = &FORMATS[usize::from(input.byte()) % FORMATS.len()];
    let mut side = || {
        if input.byte() & 1 == 0 {
            input.word()
        } else {
            u32::from(input.half())
        }
    };
    let (width, height, coded) = (side(), side(), side());
    let lines = [side(), side(), side()];
    let sizes = [side(), side(), side()];
    match format.layout(width, height, coded, &lines, &sizes) {
        Ok(layout) => check(&layout),
        Err(error) => assert!(is_sentence(&error.to_string())),
    }
    if let Ok(layout) = format.tight(width, height) {
        check(&layout);
        assert!(layout.is_packed());
    }
    let _ = h264::max_bitrate(i64::from(lines[0]), i64::from(lines[1] as i32));
    // Rows between two planes that need not fit each other, nor their bytes.
    let (from, to) = (plane(&mut input), plane(&mut input));
    let mut target = vec![0xee; usize::from(input.half() & 1023)];
    let source = input.0;
    if copy_rows(source, &from, &mut target, &to) {
        for row in 0..from.rows.min(64) {
            let (a, b) = (
                from.row_start(row).expect("a row"),
                to.row_start(row).expect("a row"),
            );
            let bytes = from.row_bytes as usize;
            assert_eq!(source[a..a + bytes], target[b..b + bytes]);
        }
    } else {
        assert!(target.iter().all(|&byte| byte == 0xee), "nothing is copied");
    }
});
