//! Plans for tests that name what they want: nothing is wrong in one, until a test says so.
//!
//! Knows how devices are in which nothing is wrong. Draws nothing that another number would change.

use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use super::camera::CameraNature;
use super::chain::{Conversion, plain_converter, plain_decoder};
use super::clock::BEGIN;
use super::decoder::DecoderNature;
use super::encoder::{Crop, Nature, Stops};
use super::event::Event;
use super::faults::Faults;
use super::natures::{NV12, YU12, YUYV, encoder, eyes, maker, node};
use super::node::Kind;
use super::random::Random;
use super::scenario::{ENCODER, Plan};
use super::webcam::Coding;
use crate::control::message::FormatRequest;
use crate::media::fourcc::Fourcc;
use crate::time::MS;
use crate::types::memory::MemoryChoice;
use crate::v4l2::abi::Api;

impl Plan {
    /// Nothing is wrong: an encoder that takes 20 ms for a frame, and one producer of ten frames. For tests that name what they want.
    pub(super) fn plain() -> Self {
        let r = &mut Random::new(0);
        let mut nature = encoder(r, Fourcc::H264, 0, false);
        nature.terms.api = Api::Multi;
        nature.terms.raw = &[YU12, NV12, YUYV];
        nature.latency = (20 * MS, 20 * MS);
        nature.crop = Crop::Exact;
        (nature.outputs, nature.captures) = ((1, 32), (1, 32));
        (nature.exports, nature.imports, nature.forces) = (true, true, true);
        (nature.keeps, nature.ahead, nature.reorders) = (false, 0, false);
        nature.stops = Stops::Marks {
            alone: true,
            busy: false,
        };
        let mut maker = maker(r, true);
        maker.requested = FormatRequest::default();
        (maker.after, maker.interval, maker.draws) = (10 * MS, 10 * MS, 0);
        (maker.frames, maker.returns, maker.finishes) = (10, 0, true);
        (maker.offers, maker.gathers, maker.dies_after) = (None, None, None);
        let mut plan = Self {
            seed: 0,
            nodes: vec![node(c"/dev/video11", Kind::Encoder(Rc::new(nature)), r)],
            faults: Faults::default(),
            timeline: Vec::new(),
            producers: vec![maker],
            consumers: Vec::new(),
            controllers: Vec::new(),
            strangers: Vec::new(),
            codec: Fourcc::H264,
            size: (64, 48),
            memory: MemoryChoice::Auto,
            slots: None,
            gop: None,
            stall_ms: 2000,
            drain_ms: None,
            wait_device_ms: 0,
            once: false,
            camera: false,
            chain: false,
            conversion: None,
            by_card: false,
            frames: None,
            supervised: None,
            idle_ms: None,
        };
        plan.ending(4000 * MS, false);
        plan
    }

    /// Something happens so long after the beginning, ms.
    pub(super) fn at(mut self, ms: u64, event: Event) -> Self {
        self.timeline.push((BEGIN + ms * MS, event));
        self.timeline.sort_by_key(|(at, _)| *at);
        self
    }

    /// Nothing happens after so long but the exam.
    pub(super) fn lasting(mut self, ms: u64) -> Self {
        let ends = |event: &Event| matches!(event, Event::Quiet | Event::Exam);
        self.timeline.retain(|(_, event)| !ends(event));
        self.ending(ms * MS, false);
        self
    }

    /// The frames come from a camera in which nothing is wrong.
    pub(super) fn with_camera(mut self, change: impl FnOnce(&mut CameraNature)) -> Self {
        let r = &mut Random::new(0);
        let Kind::Encoder(nature) = &self.nodes[ENCODER].kind else {
            return self;
        };
        let mut nature = eyes(r, &nature.terms, 0, false);
        (nature.bridge, nature.exports, nature.buffers) = (false, true, (1, 32));
        change(&mut nature);
        let kind = Kind::Camera(Rc::new(nature));
        self.nodes.push(node(c"/dev/video0", kind, r));
        self.producers.clear();
        self.camera = true;
        self
    }

    /// The camera codes, and a decoder is between it and the encoder: nothing is wrong in either.
    pub(super) fn with_chain(
        self,
        camera: impl FnOnce(&mut CameraNature),
        change: impl FnOnce(&mut DecoderNature),
    ) -> Self {
        let mut plan = self.with_camera(|nature| {
            nature.coding = Some(Coding::default());
            nature.only_coded = true;
            camera(nature);
        });
        let r = &mut Random::new(0);
        if let Kind::Encoder(encoder) = &plan.nodes[ENCODER].kind {
            let mut nature = plain_decoder(&encoder.terms);
            change(&mut nature);
            let kind = Kind::Decoder(Rc::new(nature));
            plan.nodes.push(node(c"/dev/video10", kind, r));
        }
        plan.chain = true;
        plan
    }

    /// The camera codes, and its frames are passed on: nothing is wrong in it.
    pub(super) fn passing(self, camera: impl FnOnce(&mut CameraNature)) -> Self {
        let mut plan = self.with_camera(|nature| {
            nature.coding = Some(Coding::default());
            nature.only_coded = true;
            camera(nature);
        });
        plan.codec = Fourcc::MJPG;
        plan
    }

    /// The camera's frames come in this size or mirrored, and a converter is between it and the encoder: nothing is wrong in either.
    pub(super) fn with_converter(
        self,
        wanted: Conversion,
        camera: impl FnOnce(&mut CameraNature),
        change: impl FnOnce(&mut DecoderNature),
    ) -> Self {
        let size = wanted.size.unwrap_or(self.size);
        let mut plan = self.with_camera(|nature| {
            (nature.size, nature.imports) = (size, true);
            camera(nature);
        });
        let r = &mut Random::new(0);
        if let Kind::Encoder(encoder) = &plan.nodes[ENCODER].kind {
            let mut nature = plain_converter(&encoder.terms, size, wanted.flip);
            change(&mut nature);
            let kind = Kind::Decoder(Rc::new(nature));
            plan.nodes.push(node(c"/dev/video12", kind, r));
        }
        plan.conversion = Some(wanted);
        plan
    }

    /// The camera codes, its frames come in this size or mirrored, and a decoder and a converter are between it and the encoder: nothing is
    /// wrong in any.
    pub(super) fn with_stages(
        self,
        wanted: Conversion,
        camera: impl FnOnce(&mut CameraNature),
        decoder: impl FnOnce(&mut DecoderNature),
        change: impl FnOnce(&mut DecoderNature),
    ) -> Self {
        let size = wanted.size.unwrap_or(self.size);
        let coded = |nature: &mut CameraNature| {
            nature.size = size;
            camera(nature);
        };
        let mut plan = self.with_chain(coded, decoder);
        let r = &mut Random::new(0);
        if let Kind::Encoder(encoder) = &plan.nodes[ENCODER].kind {
            let mut nature = plain_converter(&encoder.terms, size, wanted.flip);
            change(&mut nature);
            let kind = Kind::Decoder(Rc::new(nature));
            plan.nodes.push(node(c"/dev/video12", kind, r));
        }
        plan.conversion = Some(wanted);
        plan
    }

    /// The encoder is another.
    pub(super) fn with_encoder(mut self, change: impl FnOnce(&mut Nature)) -> Self {
        if let Kind::Encoder(nature) = &self.nodes[ENCODER].kind {
            let mut nature = **nature;
            change(&mut nature);
            self.nodes[ENCODER].kind = Kind::Encoder(Rc::new(nature));
        }
        self
    }
}
