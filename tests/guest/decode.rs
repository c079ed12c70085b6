//! What the coded bytes mean: the kernel's own decoder turns them back into the frames that went in.

use std::process::Command;

use crate::frames::{Picture, psnr};
use crate::phases::Phase;
use crate::support::{Api, Guest, clip};

#[test]
#[ignore = "boots the guest: scripts/test"]
fn the_kernels_decoder_gives_back_what_went_in() {
    Guest::new("decode", Api::Single).phases(&[
        decoder_gives_back_frames_close_to_the_input(),
        cropped_frames_keep_every_visible_row(),
        frame_numbers_of_the_pattern_survive_the_codec(),
        y4m_from_a_file_or_a_pipe_gives_the_bytes_of_raw_frames(),
    ]);
}

fn frame_numbers_of_the_pattern_survive_the_codec() -> Phase {
    let script = r"
        start run framemill run --device /dev/video0 --codec FWHT --size 640x368 --once
        start tap framemill tap --wait 5000 --from oldest --all --to /tmp/coded
        until_true reached consumers_attached 1
        try push framemill push --wait 5000 --from pattern --frames 6 --fps max
        ended tap
        ended run
        decode 640 368 /tmp/coded /host/decoded 6
        ";
    Phase::new("frame_numbers_of_the_pattern_survive_the_codec").run(script, |outcome| {
        outcome.succeeded(&["push", "tap", "run"]);
        let picture = Picture::new("YU12", 640, 368);
        let decoded = outcome.bytes("decoded");
        let frames: Vec<_> = decoded.chunks_exact(picture.frame_bytes()).collect();
        let numbers: Vec<_> = frames
            .iter()
            .map(|frame| picture.frame_number(frame))
            .collect();
        assert_eq!(numbers, (0..6).map(Some).collect::<Vec<_>>());
        // It moves, everywhere below the number.
        let below = (640 * 368 / 8)..(640 * 368);
        for pair in frames.windows(2) {
            assert!(
                psnr(&pair[0][below.clone()], &pair[1][below.clone()]) < 30.0,
                "the pattern stands still"
            );
        }
    })
}

fn cropped_frames_keep_every_visible_row() -> Phase {
    let mut phase = Phase::new("cropped_frames_keep_every_visible_row");
    let picture = Picture::new("YU12", 640, 360);
    let input = std::fs::read(clip("640x360.yuv")).unwrap();
    let input = input[..4 * picture.frame_bytes()].to_vec();
    phase.put("in", &input);
    let script = r"
        once 640 360 YU12 /host/in /tmp/coded --control fwht_i_frame_qp_value=8 --control fwht_p_frame_qp_value=8
        decode 640 360 /tmp/coded /host/decoded 4
        ";
    phase.run(script, move |outcome| {
        close_to(picture, &input, &outcome.bytes("decoded"), 36.0);
    })
}

fn decoder_gives_back_frames_close_to_the_input() -> Phase {
    let mut phase = Phase::new("decoder_gives_back_frames_close_to_the_input");
    let picture = Picture::new("YU12", 640, 368);
    let input = std::fs::read(clip("640x368.yuv")).unwrap();
    let input = input[..4 * picture.frame_bytes()].to_vec();
    phase.put("in", &input);
    let script = r"
        once 640 368 YU12 /host/in /tmp/coded --control fwht_i_frame_qp_value=8 --control fwht_p_frame_qp_value=8
        decode 640 368 /tmp/coded /host/decoded 4
        ";
    phase.run(script, move |outcome| {
        close_to(picture, &input, &outcome.bytes("decoded"), 36.0);
    })
}

/// Each frame of `output` against the same one of `input`; least is the bound of each, dB.
fn close_to(picture: Picture, input: &[u8], output: &[u8], least: f64) {
    assert_eq!(
        output.len(),
        input.len(),
        "as many frames came out as went in"
    );
    let frames = input.chunks_exact(picture.frame_bytes());
    for (number, (input, output)) in frames
        .zip(output.chunks_exact(picture.frame_bytes()))
        .enumerate()
    {
        let ratio = psnr(input, output);
        assert!(ratio > least, "frame {number}: {ratio:.1} dB");
    }
}

fn y4m_from_a_file_or_a_pipe_gives_the_bytes_of_raw_frames() -> Phase {
    let mut phase = Phase::new("y4m_from_a_file_or_a_pipe_gives_the_bytes_of_raw_frames");
    // Two frames; each has a line of its own in Y4M.
    let frame = 640 * 360 * 3 / 2;
    let raw = std::fs::read(clip("640x360.yuv")).unwrap();
    phase.put("640x360.yuv", &raw[..2 * frame]);
    let y4m = std::fs::read(clip("640x360.y4m")).unwrap();
    let header = y4m.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    phase.put(
        "640x360.y4m",
        &y4m[..header + 2 * ("FRAME\n".len() + frame)],
    );
    let script = r"
        once 640 360 YU12 /host/640x360.yuv /host/raw
        once 640 360 YU12 /host/640x360.y4m /host/named
        cp /host/640x360.y4m /tmp/unnamed
        once 640 360 YU12 /tmp/unnamed /host/unnamed
        # NV12 takes the same frames; the reference reads NV12.
        once 640 360 NV12 /host/640x360.y4m /host/nv12
        mkfifo frames coded
        start run framemill run --device /dev/video0 --codec FWHT --size 640x360 --once
        cat coded >/host/piped &
        framemill tap --wait 5000 --from oldest --all 2>tap.log >coded &
        tap=$!
        until_true reached consumers_attached 1
        cat /host/640x360.y4m >frames &
        framemill push --wait 5000 --from - --fps max <frames 2>push.log; say push $?
        ended tap
        ended run
        cp /host/640x360.yuv raw
        start run framemill run --device /dev/video0 --codec FWHT --size 640x360 --once
        framemill tap --wait 5000 --from oldest --all --to - 2>tap.log | cat >/host/raw_piped &
        tap=$!
        until_true reached consumers_attached 1
        cat raw | framemill push --wait 5000 --from - --raw --fps max 2>push.log; say raw_push $?
        ended tap
        ended run
        ";
    phase.run(script, move |outcome| {
        outcome.succeeded(&["push", "tap", "run", "raw_push"]);
        for name in ["named", "unnamed", "piped", "raw_piped"] {
            outcome.same(name, "raw");
        }
        // vicodec codes the same planes, whatever their order; only the header tells.
        assert_eq!(outcome.bytes("nv12").len(), outcome.bytes("raw").len());
    })
}

/// What ffprobe said, with the rate of frames: FFmpeg 7, of Debian 13, tells the rate of fields under that name.
pub fn rate_of_frames(said: String) -> String {
    let version = Command::new("ffprobe").arg("-version").output();
    let version = String::from_utf8(version.expect("ffprobe runs").stdout).unwrap();
    let name = "r_frame_rate=\"";
    if version.starts_with("ffprobe version 5.") || !said.contains(name) {
        return said;
    }
    let (before, rest) = said.split_once(name).expect("a name");
    let (rate, after) = rest.split_once('"').expect("an end");
    let (fields, seconds) = rate.split_once('/').expect("a rate");
    let (fields, seconds): (u64, u64) = (fields.parse().unwrap(), seconds.parse().unwrap());
    let (frames, seconds) = if fields % 2 == 0 {
        (fields / 2, seconds)
    } else {
        (fields, seconds * 2)
    };
    format!("{before}{name}{frames}/{seconds}\"{after}")
}
