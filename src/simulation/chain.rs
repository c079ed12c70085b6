//! Devices of a chain as a seed makes them: a camera that codes, and a decoder; a converter.

use super::camera::CameraNature;
use super::clock::BEGIN;
use super::decoder::{Change, Converts, Cut, DecoderNature, Ends, Mishaps};
use super::format::Terms;
use super::random::Random;
use super::webcam::Coding;
use crate::media::fourcc::Fourcc;
use crate::time::MS;
use crate::types::flip::Flip;
use crate::v4l2::abi::Api;

/// A decoder. `like`: how the encoder lays frames out, some of whose formats it has.
pub(super) fn decoder(r: &mut Random, like: &Terms, lasts: u64, trouble: bool) -> DecoderNature {
    let latency = r.pick(&[100, 2_000, 8_000, 40_000]) * 1000;
    let mut mishaps = Mishaps::default();
    if trouble && r.chance(500) {
        mishaps.until = BEGIN + lasts;
        for _ in 0..r.range(1, 2) {
            let often = r.pick(&[5, 30, 200]);
            match r.below(11) {
                0..=2 => mishaps.losses = often,
                3 => mishaps.errors = often,
                4 => mishaps.empty_errors = often,
                5 => mishaps.wrong_times = often,
                6 => mishaps.wrong_index = often.min(30),
                7 => mishaps.sudden_last = often.min(30),
                8 => mishaps.sudden_pipe = often.min(30),
                9 => mishaps.sudden_event = often.min(30),
                _ => mishaps.refuses = r.pick(&[30, 300, 1000]),
            }
        }
    }
    DecoderNature {
        driver: r.pick(&[&b"bcm2835-codec"[..], b"sim"]),
        terms: Terms {
            api: r.pick(&[Api::Multi, Api::Multi, Api::Single]),
            raw: like.raw,
            row_align: r.pick(&[1, 32, like.row_align]),
            height_align: r.pick(&[2, 16]),
            sides: (32, 1920),
        },
        converts: None,
        coded: r.pick(&[
            &[Fourcc::MJPG, Fourcc::JPEG][..],
            &[Fourcc::H264, Fourcc::MJPG],
        ]),
        coded_bytes: 512 << 10,
        outputs: (r.pick(&[1, 1, 2, 6]), r.pick(&[32, 32, 3])),
        captures: (r.pick(&[1, 1, 2, 5]), 32),
        exports: r.chance(850),
        imports: r.chance(850),
        prepares: r.chance(700),
        selects: r.chance(900),
        own_rows: r.chance(150),
        change: r.pick(&[Change::Cuts, Change::Marks, Change::MarksFrame]),
        ends: match r.below(20) {
            0 => Ends::Never,
            1 => Ends::Unknown,
            _ => Ends::Marks {
                alone: r.chance(700),
            },
        },
        needs_tables: r.chance(500),
        hates_fills: r.chance(200),
        cut: r.pick(&[Cut::CameraFrame, Cut::Error, Cut::Nothing]),
        latency: (latency / 2, latency),
        returns_early: r.chance(500),
        mishaps,
    }
}

/// What a user wants of a converter: frames of the camera in another size, or mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conversion {
    /// The camera's size, where it is not the stream's.
    pub(super) size: Option<(u32, u32)>,
    pub(super) flip: Flip,
}

impl Conversion {
    pub(super) fn new(r: &mut Random) -> Self {
        let sizes = [Some((96, 64)), Some((128, 96)), Some((32, 32)), None];
        Self {
            size: r.pick(&sizes),
            flip: Flip {
                horizontal: r.chance(300),
                vertical: r.chance(300),
            },
        }
    }
}

/// A converter. `seen`: how the camera lays its frames out, `like`: how the encoder does.
pub(super) fn converter(
    r: &mut Random,
    seen: &CameraNature,
    like: &Terms,
    lasts: u64,
    trouble: bool,
) -> DecoderNature {
    let mut nature = decoder(r, like, lasts, trouble);
    nature.own_rows = false;
    if nature.mishaps.until != 0 && r.chance(250) {
        nature.mishaps.wrong_input = r.pick(&[5, 30]);
    }
    // Nothing of what ends a stream is defined for it, and some do it all the same.
    if r.chance(700) {
        nature.ends = Ends::Unknown;
    }
    nature.outputs = (r.pick(&[1, 1, 2, 6, 8]), r.pick(&[32, 32, 8]));
    nature.converts = Some(Converts {
        terms: Terms {
            api: nature.terms.api,
            raw: seen.terms.raw,
            row_align: r.pick(&[1, 32, 64]),
            height_align: 2,
            sides: (32, 1920),
        },
        exports: r.chance(850),
        imports: r.chance(700),
        flips: true,
        discards: r.chance(500),
        size: seen.size,
        flip: Flip::default(),
    });
    nature
}

/// How a camera codes.
pub(super) fn coding(r: &mut Random, trouble: bool) -> Coding {
    let mut chance = |often: u32| if trouble && r.chance(250) { often } else { 0 };
    let (cuts, forgets, odd_sizes, junk) = (chance(50), chance(100), chance(20), chance(30));
    Coding {
        tables: r.chance(500),
        fills: r.chance(300),
        padding: r.pick(&[0, 64, 2000]),
        cuts,
        forgets,
        odd_sizes,
        junk,
    }
}

/// The camera codes.
pub(super) fn codes(r: &mut Random, camera: CameraNature, trouble: bool) -> CameraNature {
    CameraNature {
        coding: Some(coding(r, trouble)),
        only_coded: r.chance(500),
        // Half of them in a size of which a decoder makes more rows.
        size: r.pick(&[(64, 48), (80, 60)]),
        interval: r.pick(&[16, 33, 100]) * MS,
        bridge: false,
        ..camera
    }
}

/// Nothing is wrong with them: a decoder that takes 4 ms for an image, with rows as the encoder has them.
#[cfg(test)]
pub(super) fn plain_decoder(like: &Terms) -> DecoderNature {
    DecoderNature {
        driver: b"bcm2835-codec",
        terms: Terms {
            height_align: 16,
            ..*like
        },
        converts: None,
        coded: &[Fourcc::MJPG, Fourcc::JPEG],
        coded_bytes: 512 << 10,
        outputs: (1, 32),
        captures: (1, 32),
        exports: true,
        imports: true,
        prepares: true,
        selects: true,
        own_rows: false,
        change: Change::Marks,
        ends: Ends::Marks { alone: true },
        needs_tables: false,
        hates_fills: false,
        cut: Cut::Error,
        latency: (4 * MS, 4 * MS),
        returns_early: false,
        mishaps: Mishaps::default(),
    }
}

/// Nothing is wrong with it: a converter that takes 4 ms for a frame, and whose user wants this.
#[cfg(test)]
pub(super) fn plain_converter(like: &Terms, size: (u32, u32), flip: Flip) -> DecoderNature {
    DecoderNature {
        terms: *like,
        converts: Some(Converts {
            terms: *like,
            exports: true,
            imports: true,
            flips: true,
            discards: true,
            size,
            flip,
        }),
        ends: Ends::Unknown,
        ..plain_decoder(like)
    }
}
