//! The bitstream coder of the virtual Pi codecs (tests/vm/kernel/bcm2835-codec-model), compiled for the host and judged by ffmpeg: its
//! decoder must show the very pixels that went in and find nothing to complain about, its parser must read the headers as they were asked for.
//! What the coder reads of H.264 is what it wrote itself, each picture at once (coder-check.c); what it reads of a JPEG is what libjpeg reads.

#[path = "model_coder/raw.rs"]
mod raw;
#[path = "model_coder/tools.rs"]
mod tools;

use raw::{CHROMA_STRIDE, Picture, Plane, as_420, lay_out, noise, padded, scene, tight};
use tools::{coder, decoded, headers, libjpeg, values};

/// Bytes for an attempt that cannot succeed: fewer than a macroblock has.
const TOO_LITTLE: usize = 100;

/// What the coder is asked for.
const HIGH: &str = "profile=100 flags=0 level=40 rate=30 per=1";

/// Start codes stand where units begin and nowhere else.
fn assert_units(stream: &[u8], count: usize) {
    let mut starts = 0;
    let mut at = 0;
    while at + 3 <= stream.len() {
        match stream[at..at + 3] {
            [0, 0, 0] => {
                assert_eq!(stream[at + 3], 1, "three zeros inside a unit, at {at}");
                starts += 1;
                at += 4;
            }
            [0, 0, 1 | 2] => panic!("a start code inside a unit, at {at}"),
            _ => at += 1,
        }
    }
    assert_eq!(starts, count, "units");
}

/// Codes frames of a raw format, decodes them, compares all.
fn round_trip(
    fourcc: &str,
    frames: &[Picture],
    stride: usize,
    rows: usize,
    key: usize,
    short: usize,
) {
    let luma = &frames[0].0[0];
    let (width, height) = (luma.width, luma.height);
    let input: Vec<Vec<u8>> = frames
        .iter()
        .map(|frame| lay_out(fourcc, frame, stride, rows))
        .collect();
    let bytes = input[0].len();
    let parameters = format!(
        "{HIGH} width={width} height={height} stride={stride} rows={rows} bytes={bytes} fourcc={fourcc} key={key} short={short}"
    );
    let stream = coder("h264", &parameters, &input.concat());
    let keys = frames.len().div_ceil(key);
    assert_units(&stream, frames.len() + 2 * keys);
    let out = decoded(&stream, "h264");
    assert_eq!(
        out.len(),
        frames.len() * width * height * 3 / 2,
        "{parameters}"
    );
    for (number, (frame, out)) in frames
        .iter()
        .zip(out.chunks(width * height * 3 / 2))
        .enumerate()
    {
        assert!(
            tight(&as_420(fourcc, frame)) == out,
            "frame {number} differs: {parameters}"
        );
    }
    // Number and kind of each slice: a decoder would make up for much that is wrong here.
    let headers = headers(&stream);
    let mut units = values(&headers, "nal_unit_type");
    units.retain(|unit| *unit < 7);
    let kind = |number: usize| if number.is_multiple_of(key) { 5 } else { 1 };
    let kinds: Vec<u64> = (0..frames.len()).map(kind).collect();
    assert_eq!(units, kinds, "key frames: {parameters}");
    let counted = |number: usize| (number % key % 256) as u64;
    let counted: Vec<u64> = (0..frames.len()).map(counted).collect();
    assert_eq!(values(&headers, "frame_num"), counted, "{parameters}");
    let ids: Vec<u64> = (0..keys as u64).map(|number| number % 2).collect();
    assert_eq!(values(&headers, "idr_pic_id"), ids, "{parameters}");
}

fn scenes(width: usize, height: usize, share: (usize, usize), count: usize) -> Vec<Picture> {
    (0..count)
        .map(|number| scene(width, height, share, number))
        .collect()
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn pictures_of_every_size_come_back_unchanged() {
    round_trip("YU12", &scenes(32, 32, (2, 2), 24), 32, 32, 10, 0);
    round_trip("YU12", &scenes(34, 50, (2, 2), 24), 64, 50, 10, 0);
    round_trip("YU12", &scenes(640, 360, (2, 2), 6), 640, 368, 4, 0);
    round_trip("YU12", &scenes(1920, 1080, (2, 2), 3), 1920, 1088, 2, 0);
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn other_formats_come_back_as_their_420() {
    round_trip("NV12", &scenes(640, 360, (2, 2), 4), 640, 368, 3, 0);
    round_trip("YUYV", &scenes(640, 360, (2, 1), 4), 1280, 368, 3, 0);
}

/// Every byte needs emulation prevention, or none does, and pictures that repeat are skipped as a whole.
#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn zeros_everywhere_come_back_unchanged() {
    let even = |sample: u8| {
        Picture([(64, 48), (32, 24), (32, 24)].map(|(w, h)| Plane::new(w, h, |_, _| sample)))
    };
    let few = |number: usize| {
        Picture(
            [(64, 48), (32, 24), (32, 24)]
                .map(|(w, h)| Plane::new(w, h, |x, y| noise(x + y * w + number) & 1)),
        )
    };
    let frames = [
        even(0),
        even(1),
        even(0),
        even(0),
        few(0),
        even(3),
        few(1),
        few(2),
        even(255),
    ];
    for key in [1, 2, 9] {
        round_trip("YU12", &frames, 64, 48, key, 0);
    }
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn one_sample_is_change_enough() {
    let mut picture = scene(64, 48, (2, 2), 0);
    let mut frames = vec![picture.clone()];
    for plane in 0..3 {
        let (width, height) = (picture.0[plane].width, picture.0[plane].height);
        // Corners of the plane, and of a block within it.
        for (x, y) in [(0, 0), (width - 1, height - 1), (7, 8), (8, 7)] {
            picture.0[plane].samples[y * width + x] ^= 1;
            frames.push(picture.clone());
        }
    }
    round_trip("YU12", &frames, 64, 48, frames.len(), 0);
}

/// More pictures than frame_num has values, each tried without room first.
#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn a_picture_that_did_not_fit_leaves_no_trace() {
    round_trip(
        "YU12",
        &scenes(34, 50, (2, 2), 300),
        64,
        50,
        290,
        TOO_LITTLE,
    );
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn every_raw_format_is_read() {
    // Beyond one column of NC12, and no multiple of 16.
    let (width, height, rows) = (162, 50, 56);
    let formats: [(&str, usize, (usize, usize), u8); 16] = [
        ("YU12", 192, (2, 2), 0),
        ("YV12", 192, (2, 2), 0),
        ("NV12", 192, (2, 2), 0),
        ("NV21", 192, (2, 2), 0),
        ("NC12", 90, (2, 2), 0),
        ("YM12", 192, (2, 2), 0),
        ("NM12", 192, (2, 2), 0),
        ("YUYV", 384, (2, 1), 0),
        ("YVYU", 384, (2, 1), 0),
        ("UYVY", 384, (2, 1), 0),
        ("VYUY", 384, (2, 1), 0),
        ("RGB3", 512, (1, 1), 1),
        ("BGR3", 512, (1, 1), 1),
        ("BGR4", 704, (1, 1), 1),
        ("AB24", 704, (1, 1), 1),
        ("RGBP", 384, (1, 1), 1),
    ];
    for (fourcc, stride, share, tolerance) in formats {
        let picture = scene(width, height, share, 3);
        let frame = lay_out(fourcc, &picture, stride, rows);
        let bytes = frame.len();
        let parameters = format!(
            "width={width} height={height} stride={stride} rows={rows} bytes={bytes} fourcc={fourcc} chroma={CHROMA_STRIDE}"
        );
        let (got, wanted) = (
            coder("load", &parameters, &frame),
            padded(&as_420(fourcc, &picture)),
        );
        assert_eq!(got.len(), wanted.len(), "{fourcc}");
        let worst = got
            .iter()
            .zip(&wanted)
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        assert!(worst <= tolerance, "{fourcc}: off by {worst}");
    }
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn headers_say_what_was_asked_for() {
    // profile_idc, constraint flags, level_idc, rate
    let requests = [
        (66, 0x40, 11, (25, 1)),
        (66, 0, 30, (9, 1)),
        (77, 0, 31, (30000, 1001)),
        (100, 0, 42, (60, 1)),
        (66, 0x10, 11, (30, 1)),
    ];
    for (profile, flags, level, (rate, per)) in requests {
        let parameters = format!(
            "width=1920 height=1080 profile={profile} flags={flags} level={level} rate={rate} per={per} frames=3 key=9"
        );
        let stream = coder("canned", &parameters, &[]);
        let headers = headers(&stream);
        let number = |flag: usize| u64::from(flags << flag & 0x80 != 0);
        for (name, value) in [
            ("profile_idc", profile),
            ("constraint_set0_flag", number(0)),
            ("constraint_set1_flag", number(1)),
            ("constraint_set3_flag", number(3)),
            ("level_idc", level),
            ("num_units_in_tick", per),
            ("time_scale", 2 * rate),
            ("fixed_frame_rate_flag", 1),
            ("pic_order_cnt_type", 2),
            ("max_num_ref_frames", 1),
            ("max_num_reorder_frames", 0),
            ("entropy_coding_mode_flag", 0),
            ("pic_width_in_mbs_minus1", 119),
            ("pic_height_in_map_units_minus1", 67),
            ("frame_crop_right_offset", 0),
            ("frame_crop_bottom_offset", 4),
        ] {
            assert_eq!(values(&headers, name), [value], "{name}: {parameters}");
        }
        assert_eq!(values(&headers, "disable_deblocking_filter_idc"), [1, 1, 1]);
    }
}

/// A rate of zero is no rate: the stream does without timing.
#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn a_rate_that_cannot_be_told_is_left_out() {
    let stream = coder(
        "canned",
        "width=34 height=50 profile=100 flags=0 level=10 rate=0 per=1 frames=2 key=9",
        &[],
    );
    let headers = headers(&stream);
    assert_eq!(values(&headers, "timing_info_present_flag"), [0]);
    assert_eq!(values(&headers, "frame_crop_right_offset"), [7]);
    assert_eq!(decoded(&stream, "h264").len(), 2 * 34 * 50 * 3 / 2);
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn canned_pictures_are_grey_and_counted() {
    let stream = coder(
        "canned",
        &format!("{HIGH} width=162 height=90 frames=600 key=290"),
        &[],
    );
    assert_units(&stream, 600 + 2 * 3);
    let headers = headers(&stream);
    let counted: Vec<u64> = (0..600).map(|number| number % 290 % 256).collect();
    assert_eq!(values(&headers, "frame_num"), counted);
    assert_eq!(values(&headers, "idr_pic_id"), [0, 1, 0]);
    let out = decoded(&stream, "h264");
    assert_eq!(out.len(), 600 * 162 * 90 * 3 / 2);
    assert!(out.iter().all(|sample| *sample == 128));
}

/// Waves with some grain, in the limited range.
fn waves(width: usize, height: usize) -> Picture {
    let wave = |share: f64, x: usize, y: usize| {
        let (x, y) = (x as f64 * share, y as f64 * share);
        let grain = f64::from(noise(x as usize + y as usize * 8192)) / 16.0;
        (120.0 + 60.0 * (x / 17.0).sin() + 35.0 * ((x + 2.0 * y) / 29.0).cos() + grain) as u8
    };
    let chroma = |_: usize| Plane::new(width / 2, height / 2, |x, y| wave(2.0, x, y));
    Picture([
        Plane::new(width, height, |x, y| wave(1.0, x, y)),
        chroma(1),
        chroma(2),
    ])
}

/// The JPEG of a picture, and how near to the picture it decodes, in dB.
fn jpeg_of(picture: &Picture, quality: u32) -> (Vec<u8>, f64) {
    let [y, cb, cr] = &picture.0;
    let (width, height, stride) = (y.width, y.height, 640);
    let frame = lay_out("YU12", picture, stride, height);
    let bytes = frame.len();
    let parameters = format!(
        "width={width} height={height} stride={stride} rows={height} bytes={bytes} fourcc=YU12 quality={quality} room=800000"
    );
    let jpeg = coder("jpeg", &parameters, &frame);
    let out = decoded(&jpeg, "mjpeg");
    assert_eq!(out.len(), width * height * 3 / 2, "quality {quality}");
    // The full range that a JPEG has.
    let full = |plane: &Plane, zero: f64, middle: f64, range: f64| -> Vec<f64> {
        let sample = |sample: &u8| ((f64::from(*sample) - zero) * 255.0 / range).round() + middle;
        let samples = plane.samples.iter();
        samples.map(|s| sample(s).clamp(0.0, 255.0)).collect()
    };
    let chroma = |plane| full(plane, 128.0, 128.0, 224.0);
    let wanted = [full(y, 16.0, 0.0, 219.0), chroma(cb), chroma(cr)].concat();
    let square: f64 = out
        .iter()
        .zip(&wanted)
        .map(|(a, b)| (f64::from(*a) - b).powi(2))
        .sum();
    let psnr = 10.0 * (255.0 * 255.0 * out.len() as f64 / square).log10();
    println!("quality {quality}: {psnr:.1} dB, {} bytes", jpeg.len());
    (jpeg, psnr)
}

#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn jpeg_is_as_good_as_its_quality() {
    // Not whole macroblocks.
    let picture = waves(632, 358);
    let mut last = (0, 0.0);
    for (quality, least) in [(30, 32.0), (60, 33.0), (90, 35.5), (100, 57.0)] {
        let (jpeg, psnr) = jpeg_of(&picture, quality);
        assert!(psnr >= least, "quality {quality}: {psnr:.1} dB");
        assert!(
            psnr > last.1 && jpeg.len() > last.0,
            "quality {quality} is no better than the last"
        );
        last = (jpeg.len(), psnr);
        let stuffed = jpeg.windows(2).any(|pair| pair == [0xff, 0]);
        assert!(stuffed, "quality {quality}: nothing to tell from a marker");
    }
}

/// Noise has every frequency: an error in any row of the transform shows.
#[test]
#[ignore = "needs gcc and ffmpeg: scripts/check"]
fn jpeg_of_noise_is_exact_but_for_rounding() {
    let plane = |width, height| Plane::new(width, height, |x, y| noise(x + y * width));
    let (_, psnr) = jpeg_of(
        &Picture([plane(320, 240), plane(160, 120), plane(160, 120)]),
        100,
    );
    assert!(psnr >= 57.0, "{psnr:.1} dB");
}

/// Blocks of luma and of chroma in a macroblock: 4:2:0, 4:2:2, the same as ffmpeg writes it, 4:4:0, 4:4:4 in two ways.
const SAMPLINGS: [[usize; 4]; 6] = [
    [2, 2, 1, 1],
    [2, 1, 1, 1],
    [2, 2, 1, 2],
    [1, 2, 1, 1],
    [1, 1, 1, 1],
    [2, 1, 2, 1],
];

/// Sizes that end within a block, restarts, tables of the picture's own. Damage is read without a fault of memory, and must end.
#[test]
#[ignore = "needs gcc and libjpeg: scripts/check"]
fn jpegs_are_read_as_libjpeg_reads_them() {
    for (number, [across, down, chroma_across, chroma_down]) in SAMPLINGS.into_iter().enumerate() {
        for (components, quality, restart) in [(3, 20, 0), (3, 75, 5), (3, 100, 1), (1, 90, 3)] {
            let (width, height) = (130 + 6 * number, 74 + 2 * quality / 5);
            let jpeg = libjpeg(
                "make",
                &format!(
                    "width={width} height={height} components={components} quality={quality} restart={restart} across={across} down={down} chroma_across={chroma_across} chroma_down={chroma_down}"
                ),
                &[],
            );
            let wanted = libjpeg("read", "", &jpeg);
            assert_eq!(wanted.len(), width * height * 3 / 2);
            let got = coder(
                "unjpeg",
                &format!(
                    "bytes={} fourcc=YU12 stride={width} room={} full=0 damaged=100",
                    jpeg.len(),
                    wanted.len()
                ),
                &jpeg,
            );
            let case = format!("{across}{down}{chroma_across}{chroma_down} {components} {quality}");
            assert!(got == wanted, "{case}: other pixels");
        }
    }
}

/// Each format has the samples where V4L2 has them; RGB is near to what the formula gives.
#[test]
#[ignore = "needs gcc and libjpeg: scripts/check"]
fn pictures_are_written_in_every_raw_format() {
    let (width, height) = (66, 34);
    let jpeg = libjpeg(
        "make",
        "width=66 height=34 components=3 quality=75 restart=0 across=2 down=2 chroma_across=1 chroma_down=1",
        &[],
    );
    let written = |fourcc: &str, stride: usize, room: usize, full: usize| {
        let parameters = format!(
            "bytes={} fourcc={fourcc} stride={stride} room={room} full={full} damaged=0",
            jpeg.len()
        );
        coder("unjpeg", &parameters, &jpeg)
    };
    let planes = written("YU12", width, width * height * 3 / 2, 0);
    let (luma, chroma) = planes.split_at(width * height);
    let half = (width / 2, height / 2);
    let plane = |at: usize| {
        let from = at * half.0 * half.1;
        Plane::new(half.0, half.1, |x, y| chroma[from + y * half.0 + x])
    };
    let luma = Plane::new(width, height, |x, y| luma[y * width + x]);
    let picture = Picture([luma, plane(0), plane(1)]);
    // The chroma of a pair of lines is that of both.
    let doubled = |at: usize| {
        let plane = &picture.0[at];
        Plane::new(half.0, height, |x, y| plane.at(x, y / 2))
    };
    let tall = Picture([picture.0[0].clone(), doubled(1), doubled(2)]);
    let same = |fourcc: &str, picture: &Picture, stride: usize| {
        // Bytes between the lines are nobody's.
        let mut wanted = lay_out(fourcc, picture, stride, height);
        let got = written(fourcc, stride, wanted.len(), 0);
        for (wanted, got) in wanted.iter_mut().zip(&got) {
            *wanted = if *wanted == 0xa5 { *got } else { *wanted };
        }
        assert!(got == wanted, "{fourcc}");
    };
    for fourcc in ["YU12", "YV12", "NV12", "NV21"] {
        same(fourcc, &picture, 96);
    }
    for fourcc in ["YUYV", "YVYU", "UYVY", "VYUY"] {
        same(fourcc, &tall, 192);
    }
    for full in [0, 1] {
        let got = written("RGB3", 3 * width, 3 * width * height, full);
        let colours = |x: usize, y: usize| {
            let [luma, cb, cr] = [(0, x, y), (1, x / 2, y / 2), (2, x / 2, y / 2)]
                .map(|(plane, x, y)| f64::from(picture.0[plane].at(x, y)));
            let (luma, chroma) = if full == 1 {
                (luma, 1.0)
            } else {
                ((luma - 16.0) * 255.0 / 219.0, 255.0 / 224.0)
            };
            let (cb, cr) = ((cb - 128.0) * chroma, (cr - 128.0) * chroma);
            let green = luma - 0.344_136 * cb - 0.714_136 * cr;
            [luma + 1.402 * cr, green, luma + 1.772 * cb].map(|c| c.round().clamp(0.0, 255.0))
        };
        let at = |x: usize, y: usize| &got[(y * width + x) * 3..][..3];
        for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
            for (got, wanted) in at(x, y).iter().zip(colours(x, y)) {
                assert!((f64::from(*got) - wanted).abs() <= 1.0, "{x},{y} {full}");
            }
        }
        // The others have the same colours.
        let colour =
            |which: usize| Plane::new(width, height, |x, y| got[(y * width + x) * 3 + which]);
        let rgb = Picture([colour(0), colour(1), colour(2)]);
        if full == 0 {
            same("BGR3", &rgb, 256);
            same("RGBP", &rgb, 192);
        }
    }
}
