//! Devices and producers as a seed makes them.

use super::camera::CameraNature;
use super::clock::BEGIN;
use super::encoder::{Crop, Mischief, Nature, Stops};
use super::format::Terms;
use super::node::{Kind, Node};
use super::producer;
use super::random::Random;
use crate::control::message::FormatRequest;
use crate::media::fourcc::Fourcc;
use crate::time::MS;
use crate::v4l2::abi::Api;

pub(super) const YU12: Fourcc = Fourcc::new(*b"YU12");
pub(super) const NV12: Fourcc = Fourcc::new(*b"NV12");
pub(super) const YUYV: Fourcc = Fourcc::new(*b"YUYV");
const NM12: Fourcc = Fourcc::new(*b"NM12");

/// A node that leads to it.
pub(super) fn node(path: &'static core::ffi::CStr, kind: Kind, r: &mut Random) -> Node {
    Node {
        path,
        kind,
        absent: None,
        hangs_until: 0,
        poll_error_until: 0,
        call_ns: r.pick(&[0, 1000, 20_000]),
        stream_ns: 1000,
        signal: true,
        shows: None,
    }
}

/// An encoder.
pub(super) fn encoder(r: &mut Random, codec: Fourcc, lasts: u64, trouble: bool) -> Nature {
    let api = r.pick(&[Api::Multi, Api::Multi, Api::Single]);
    let raw: &[&'static [Fourcc]] = match api {
        Api::Multi => &[&[YU12, NV12, YUYV], &[NV12], &[NM12, YU12]],
        Api::Single => &[&[YU12, NV12, YUYV], &[YUYV, YU12]],
    };
    let latency = r.pick(&[100, 2_000, 15_000, 60_000]) * 1000;
    let driver = match codec {
        Fourcc::H264 => r.pick(&[&b"bcm2835-codec"[..], b"sim"]),
        _ => b"vicodec",
    };
    let unmarked = |buffer, event, pipe| Stops::Unmarked {
        buffer,
        event,
        pipe,
    };
    let stops = match r.below(20) {
        0..=12 => Stops::Marks {
            alone: r.chance(700),
            busy: r.chance(500),
        },
        13 | 14 => Stops::Twice,
        15 => Stops::Unknown,
        16 => Stops::Never,
        17 => Stops::Early,
        _ => r.pick(&[
            // s5p-mfc, amphion, and one that has no more than the event.
            unmarked(true, true, false),
            unmarked(true, false, false),
            unmarked(false, true, true),
            unmarked(false, false, true),
            unmarked(false, true, false),
        ]),
    };
    let mut mischief = Mischief::default();
    if trouble && r.chance(600) {
        mischief.until = BEGIN + lasts;
        for _ in 0..r.range(1, 2) {
            let often = r.pick(&[5, 30, 200]);
            match r.below(13) {
                0..=2 => mischief.drops = often,
                3 => mischief.empties = often,
                4 => mischief.errors = often,
                5 => mischief.damages = often,
                6 => mischief.zero_times = often,
                7 => mischief.wrong_times = often,
                8 => mischief.twice = often,
                9 => mischief.wrong_index = often.min(30),
                10 => mischief.wrong_size = often,
                11 => mischief.sudden_last = often.min(30),
                _ => mischief.refuses = r.pick(&[30, 300, 1000]),
            }
        }
    }
    let keeps = r.chance(300);
    // This one's key frames may be forced one by one, and then it never has a second frame to look at.
    let ahead = if keeps && driver == b"bcm2835-codec" {
        0
    } else {
        r.pick(&[0, 0, 0, 1, 3])
    };
    Nature {
        driver,
        terms: Terms {
            api,
            raw: r.pick(raw),
            row_align: r.pick(&[1, 32, 64]),
            height_align: r.pick(&[2, 2, 16]),
            sides: (32, 1920),
        },
        codec,
        crop: match r.below(40) {
            0 => Crop::Cuts,
            1..=4 => Crop::Missing,
            5..=7 => Crop::Ignored,
            _ => Crop::Exact,
        },
        outputs: (
            r.pick(&[1, 1, 2, 6]),
            if keeps { 32 } else { r.pick(&[32, 32, 3]) },
        ),
        captures: r.pick(&[(1, 32), (1, 32), (1, 2), (2, 32), (6, 32), (12, 32)]),
        capture_bytes: r.pick(&[1024, 4096]),
        exports: r.chance(850),
        imports: r.chance(700),
        prepares: r.chance(700),
        forces: codec == Fourcc::H264 && r.chance(850),
        stops,
        forgets: r.chance(150),
        capture_first: r.chance(150),
        data_offset: match api {
            Api::Multi => r.pick(&[0, 0, 0, 1, 12, 256]),
            Api::Single => 0,
        },
        latency: (latency / 2, latency),
        returns_early: r.chance(500),
        keeps,
        ahead,
        reorders: r.chance(120),
        headers_alone: r.chance(250),
        splits: r.pick(&[0, 0, 50, 400]),
        mischief,
    }
}

/// A camera.
pub(super) fn eyes(r: &mut Random, like: &Terms, lasts: u64, trouble: bool) -> CameraNature {
    let mut chance = |often: u32| if trouble && r.chance(250) { often } else { 0 };
    let (gaps, damages, shorts) = (chance(50), chance(50), chance(30));
    let (deaths, clock_steps) = (chance(10), chance(20));
    CameraNature {
        terms: Terms {
            api: r.pick(&[like.api, Api::Single]),
            raw: if like.raw[0] == NM12 {
                &[NM12, NV12, YU12]
            } else {
                like.raw
            },
            row_align: r.pick(&[1, like.row_align]),
            height_align: 2,
            sides: (32, 1920),
        },
        card: b"Simulated camera",
        size: (64, 48),
        interval: r.pick(&[16, 33, 100]) * MS,
        buffers: (r.pick(&[1, 3]), r.pick(&[32, 32, 4])),
        exports: r.chance(750),
        imports: r.chance(500),
        prepares: r.chance(700),
        bridge: r.chance(400),
        coding: None,
        only_coded: false,
        until: BEGIN + lasts,
        gaps,
        damages,
        shorts,
        deaths,
        clock_steps,
    }
}

/// A producer.
pub(super) fn maker(r: &mut Random, fixed: bool) -> producer::Manner {
    let sizes = [(64, 48), (32, 32), (96, 64), (80, 60)];
    let mut requested = FormatRequest::default();
    if !fixed || r.chance(100) {
        requested.size = r.pick(&sizes);
        requested.rate = r.pick(&[(0, 0), (30, 1), (10, 1)]);
    }
    if r.chance(150) {
        requested.format = r.pick(&[YU12, NV12, YUYV]).0;
    }
    requested.copied = r.chance(150);
    producer::Manner {
        after: r.range(1, 500) * MS,
        interval: r.pick(&[3, 16, 33, 100]) * MS,
        frames: match r.below(4) {
            0 => r.range(1, 3),
            _ => r.range(4, 120),
        },
        requested,
        offers: r.chance(200).then(|| r.chance(800)),
        draws: r.pick(&[0, 1, 10]) * MS,
        gathers: r.chance(250).then(|| r.range(3, 30)),
        dies_after: r.chance(150).then(|| r.below(40)),
        finishes: r.chance(700),
        returns: r.below(5) as u32,
        constant_time: r.chance(100),
    }
}
