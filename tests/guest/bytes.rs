//! The coded bytes: the same as those that `v4l2-ctl` gets from the same encoder for the same frames and controls.

use crate::frames::{Picture, fwht_packets};
use crate::support::{Api, Guest, clip};

both_apis! {
    fn readme_line_gives_the_bytes_of_v4l2_ctl(guest: &Guest) {
        guest.put("in.yuv", &std::fs::read(clip("640x368.yuv")).unwrap());
        let outcome = guest.run(
            r"
            framemill run --device /dev/video0 --size 640x368 --format YU12 --codec FWHT --once &
            framemill tap --wait 5000 --from oldest --all --to /host/out &
            framemill push --wait 5000 --from /host/in.yuv --fps max; say push $?
            wait
            reference 640 368 YU12 /host/in.yuv /host/reference
            ",
        );
        outcome.succeeded(&["push"]);
        outcome.same("out", "reference");
        let frames = guest_frames(640, 368);
        assert_eq!(fwht_packets(&outcome.bytes("out")).len(), frames);
    }

    fn gop_and_quantiser_reach_the_encoder(guest: &Guest) {
        let picture = Picture::new("YU12", 640, 368);
        guest.put("in", &picture.noisy(0..7));
        let outcome = guest.run(
            r"
            once 640 368 YU12 /host/in /host/gop3 --gop 3 --control fwht_i_frame_qp_value=5 --control 0x990a23=31
            reference 640 368 YU12 /host/in /host/gop3.reference \
                video_gop_size=3,fwht_i_frame_qp_value=5,fwht_p_frame_qp_value=31
            once 640 368 YU12 /host/in /host/gop1 --gop 1 --control fwht_i_frame_qp_value=1
            reference 640 368 YU12 /host/in /host/gop1.reference video_gop_size=1,fwht_i_frame_qp_value=1
            ",
        );
        outcome.same("gop3", "gop3.reference");
        outcome.same("gop1", "gop1.reference");
        let keys = |name| -> Vec<bool> {
            fwht_packets(&outcome.bytes(name)).iter().map(|&(_, key)| key).collect()
        };
        assert_eq!(keys("gop3"), [true, false, false, true, false, false, true]);
        assert_eq!(keys("gop1"), [true; 7]);
    }

    fn padded_rows_and_columns_are_cropped(guest: &Guest) {
        // 360 rows become 368 in 4:2:0; 650 columns become 656, so that rows lie further apart than they are long.
        for (name, format, width, height) in PADDED {
            guest.put(name, &Picture::new(format, width, height).noisy(0..3));
        }
        let mut script = String::new();
        for (name, format, width, height) in PADDED {
            script += &format!(
                "once {width} {height} {format} /host/{name} /host/{name}.out\n\
                 once {width} {height} {format} /host/{name} /host/{name}.copied --memory copy\n\
                 reference {width} {height} {format} /host/{name} /host/{name}.reference\n"
            );
        }
        let outcome = guest.run(&script);
        for (name, ..) in PADDED {
            outcome.same(&format!("{name}.out"), &format!("{name}.reference"));
            outcome.same(&format!("{name}.copied"), &format!("{name}.reference"));
        }
    }
}

/// v4l2-ctl's test picture leaves something else than zero in columns of padding, except in RGB.
const PADDED: [(&str, &str, u32, u32); 5] = [
    ("yu12", "YU12", 640, 360),
    ("nv12", "NV12", 640, 360),
    ("nv21", "NV21", 656, 376),
    ("rgb3", "RGB3", 650, 370),
    ("bgr4", "BGR4", 641, 361),
];

fn guest_frames(width: u32, height: u32) -> usize {
    let bytes = std::fs::metadata(clip(&format!("{width}x{height}.yuv")))
        .unwrap()
        .len();
    bytes as usize / Picture::new("YU12", width, height).frame_bytes()
}

/// Every raw format that both vicodec and Framemill know.
const FORMATS: [&str; 26] = [
    "YU12", "YV12", "422P", "NV12", "NV21", "NV16", "NV61", "NV24", "NV42", "YUYV", "YVYU", "UYVY",
    "VYUY", "BGR3", "RGB3", "BGR4", "XR24", "AR24", "RGB4", "BX24", "BA24", "RX24", "RA24", "XB24",
    "AB24", "GREY",
];

/// Boots once; two frames of each of these formats.
fn check_formats(name: &str, api: Api, formats: &[&str]) {
    let guest = Guest::new(name, api);
    let mut script = String::new();
    for format in formats {
        guest.put(format, &Picture::new(format, 640, 368).pattern(0..2));
        script += &format!(
            "once 640 368 {format} /host/{format} /host/{format}.out\n\
             reference 640 368 {format} /host/{format} /host/{format}.reference\n"
        );
    }
    let outcome = guest.run(&script);
    for format in formats {
        outcome.same(&format!("{format}.out"), &format!("{format}.reference"));
    }
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_format_gives_the_bytes_of_v4l2_ctl_single_planar() {
    check_formats("every_format", Api::Single, &FORMATS);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn common_formats_give_the_bytes_of_v4l2_ctl_multi_planar() {
    check_formats(
        "common_formats",
        Api::Multi,
        &["YU12", "NV12", "YUYV", "RGB3"],
    );
}
