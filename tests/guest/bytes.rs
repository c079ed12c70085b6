//! The coded bytes: the same as those that `v4l2-ctl` gets from the same encoder for the same frames and controls.

use std::env;

use crate::frames::{Picture, fwht_packets};
use crate::phases::Phase;
use crate::support::{Api, Guest, clip};

/// As README has it.
fn readme_line() -> Phase {
    let mut phase = Phase::new("readme_line");
    phase.put("in.yuv", &std::fs::read(clip("640x368.yuv")).unwrap());
    let script = r"
        framemill run --device /dev/video0 --size 640x368 --format YU12 --codec FWHT --once &
        framemill tap --wait 5000 --from oldest --all --to /host/out &
        framemill push --wait 5000 --from /host/in.yuv --fps max; say push $?
        wait
        reference 640 368 YU12 /host/in.yuv /host/reference
        ";
    phase.run(script, |outcome| {
        outcome.succeeded(&["push"]);
        outcome.same("out", "reference");
        let bytes = outcome.bytes("in.yuv").len();
        let frames = bytes / Picture::new("YU12", 640, 368).frame_bytes();
        assert_eq!(fwht_packets(&outcome.bytes("out")).len(), frames);
    })
}

fn gop_and_quantiser() -> Phase {
    let mut phase = Phase::new("gop_and_quantiser");
    let picture = Picture::new("YU12", 640, 368);
    phase.put("in", &picture.noisy(0..4));
    phase.put("two", &picture.noisy(0..2));
    let script = r"
        once 640 368 YU12 /host/in /host/gop3 --gop 3 --control fwht_i_frame_qp_value=5 --control 0x990a23=31
        reference 640 368 YU12 /host/in /host/gop3.reference \
            video_gop_size=3,fwht_i_frame_qp_value=5,fwht_p_frame_qp_value=31
        once 640 368 YU12 /host/two /host/gop1 --gop 1 --control fwht_i_frame_qp_value=1
        reference 640 368 YU12 /host/two /host/gop1.reference video_gop_size=1,fwht_i_frame_qp_value=1
        ";
    phase.run(script, |outcome| {
        outcome.same("gop3", "gop3.reference");
        outcome.same("gop1", "gop1.reference");
        let keys = |name| -> Vec<bool> {
            let packets = fwht_packets(&outcome.bytes(name));
            packets.iter().map(|&(_, key)| key).collect()
        };
        assert_eq!(keys("gop3"), [true, false, false, true]);
        assert_eq!(keys("gop1"), [true; 2]);
    })
}

/// 360 rows become 368 in 4:2:0; 650 columns become 656, so that rows lie further apart than they are long.
fn padded_rows_and_columns(padded: &'static [(&'static str, &'static str, u32, u32)]) -> Phase {
    let mut phase = Phase::new("padded_rows_and_columns");
    let mut script = String::new();
    for (name, format, width, height) in padded {
        phase.put(name, &Picture::new(format, *width, *height).noisy(0..2));
        script += &format!(
            "once {width} {height} {format} /host/{name} /host/{name}.out\n\
             once {width} {height} {format} /host/{name} /host/{name}.copied --memory copy\n\
             reference {width} {height} {format} /host/{name} /host/{name}.reference\n"
        );
    }
    phase.run(&script, move |outcome| {
        for (name, ..) in padded {
            outcome.same(&format!("{name}.out"), &format!("{name}.reference"));
            outcome.same(&format!("{name}.copied"), &format!("{name}.reference"));
        }
    })
}

/// v4l2-ctl's test picture leaves something else than zero in columns of padding, except in RGB.
const PADDED: [(&str, &str, u32, u32); 4] = [
    ("yu12", "YU12", 640, 360),
    ("nv21", "NV21", 656, 376),
    ("rgb3", "RGB3", 650, 370),
    ("bgr4", "BGR4", 641, 361),
];

/// Every raw format that both vicodec and Framemill know.
const FORMATS: [&str; 26] = [
    "YU12", "YV12", "422P", "NV12", "NV21", "NV16", "NV61", "NV24", "NV42", "YUYV", "YVYU", "UYVY",
    "VYUY", "BGR3", "RGB3", "BGR4", "XR24", "AR24", "RGB4", "BX24", "BA24", "RX24", "RA24", "XB24",
    "AB24", "GREY",
];

/// One of each way in which planes and samples lie. `scripts/test --full` takes all.
const REPRESENTATIVES: [&str; 9] = [
    "YV12", "422P", "NV21", "NV16", "NV42", "YVYU", "VYUY", "XB24", "GREY",
];

/// Two frames of each of these formats.
fn formats(formats: &'static [&'static str]) -> Phase {
    let mut phase = Phase::new("formats");
    let mut script = String::new();
    for format in formats {
        phase.put(format, &Picture::new(format, 640, 368).pattern(0..2));
        script += &format!(
            "once 640 368 {format} /host/{format} /host/{format}.out\n\
             reference 640 368 {format} /host/{format} /host/{format}.reference\n"
        );
    }
    phase.run(&script, move |outcome| {
        for format in formats {
            outcome.same(&format!("{format}.out"), &format!("{format}.reference"));
        }
    })
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn coded_bytes_are_those_of_v4l2_ctl_single_planar() {
    let whole = env::var("FRAMEMILL_SWEEP").is_ok_and(|which| which == "full");
    Guest::new("bytes", Api::Single).phases(&[
        readme_line(),
        gop_and_quantiser(),
        padded_rows_and_columns(&PADDED),
        formats(if whole { &FORMATS } else { &REPRESENTATIVES }),
    ]);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn coded_bytes_are_those_of_v4l2_ctl_multi_planar() {
    Guest::new("bytes", Api::Multi).phases(&[
        padded_rows_and_columns(&PADDED[..1]),
        formats(&["NV12", "YUYV", "RGB3"]),
    ]);
}
