//! From a seed to a plan: which devices there are, what they do wrong, who acts, and what happens when.

use std::rc::Rc;
use std::vec::Vec;
use std::{format, vec};

use rustix::io::Errno;

use super::camera::CameraNature;
#[cfg(test)]
use super::chain::plain_decoder;
use super::chain::{codes, decoder};
use super::clock::BEGIN;
#[cfg(test)]
use super::decoder::DecoderNature;
use super::encoder::{Crop, Nature, Stops};
use super::event::Event;
use super::faults::{self, Fault, Faults};
use super::natures::{NV12, YU12, YUYV, encoder, eyes, maker, node};
use super::node::{Kind, Node};
use super::random::Random;
#[cfg(test)]
use super::webcam::Coding;
use super::{consumer, controller, producer, stranger};
use crate::client::Start;
use crate::control::message::FormatRequest;
use crate::media::fourcc::Fourcc;
use crate::time::MS;
use crate::types::memory::MemoryChoice;
use crate::v4l2::abi::Api;

/// Node of the encoder, of the camera, and of the decoder of its pictures.
pub(super) const ENCODER: usize = 0;
pub(super) const CAMERA: usize = 1;
pub(super) const DECODER: usize = 2;

/// From the end of all troubles to the exam, ns: the longest wait of a recovery that was begun is over by then.
const SETTLE: u64 = 25_000 * MS;
/// An engine whose device stays broken ends within so long when it is told to, ns.
const BROKEN_END: u64 = 120_000 * MS;
/// No time, no end.
const EVER: u64 = u64::MAX;

/// Everything that a run depends on.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) faults: Faults,
    pub(super) timeline: Vec<(u64, Event)>,
    pub(super) producers: Vec<producer::Manner>,
    pub(super) consumers: Vec<consumer::Manner>,
    pub(super) controllers: Vec<controller::Manner>,
    pub(super) strangers: Vec<stranger::Manner>,
    pub(super) codec: Fourcc,
    /// Width 0: the producers' or the camera's.
    pub(super) size: (u32, u32),
    pub(super) memory: MemoryChoice,
    pub(super) slots: Option<u32>,
    pub(super) gop: Option<u32>,
    pub(super) stall_ms: u32,
    pub(super) drain_ms: Option<u32>,
    pub(super) wait_device_ms: u32,
    pub(super) once: bool,
    pub(super) camera: bool,
    /// The camera codes, and a decoder is between it and the encoder.
    pub(super) chain: bool,
    /// The camera is named by its card.
    pub(super) by_card: bool,
    pub(super) frames: Option<u64>,
    /// A supervisor started the engine, and looks at its socket every so often, ns.
    pub(super) supervised: Option<u64>,
    /// Without a consumer for so long the engine stops, ms.
    pub(super) idle_ms: Option<u32>,
}

impl Plan {
    /// The plan of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let r = &mut Random::new(seed);
        let camera = r.chance(250);
        let trouble = r.chance(700);
        let lasts = r.range(3000, 12_000) * MS;
        let codec = if r.chance(750) {
            Fourcc::H264
        } else {
            Fourcc::FWHT
        };
        let mut nature = encoder(r, codec, lasts, trouble);
        // A camera's buffers are few, and some of them stay with it.
        nature.ahead = if camera && nature.keeps {
            0
        } else {
            nature.ahead
        };
        let held_back = nature.keeps && nature.ahead > 0;
        let mut nodes = vec![node(c"/dev/video11", Kind::Encoder(Rc::new(nature)), r)];
        let (mut size, mut own_rows) = ((64, 48), false);
        let chain = camera && r.chance(400);
        if camera {
            let mut seen = eyes(r, &nature.terms, lasts, trouble);
            if chain {
                seen = codes(r, seen, trouble);
                size = seen.size;
            }
            nodes.push(node(c"/dev/video0", Kind::Camera(Rc::new(seen)), r));
        }
        if chain {
            let nature = decoder(r, &nature.terms, lasts, trouble);
            own_rows = nature.own_rows;
            nodes.push(node(c"/dev/video10", Kind::Decoder(Rc::new(nature)), r));
        }
        let fixed = r.chance(500) || camera;
        let mut plan = Self {
            seed,
            nodes,
            faults: Faults::default(),
            timeline: Vec::new(),
            producers: Vec::new(),
            consumers: Vec::new(),
            controllers: Vec::new(),
            strangers: Vec::new(),
            codec,
            size: if fixed { size } else { (0, 0) },
            memory: match r.below(10) {
                0..=5 => MemoryChoice::Auto,
                // A decoder that does not keep the encoder's rows needs a copy.
                6 | 7 if !own_rows => MemoryChoice::Export,
                _ => MemoryChoice::Copy,
            },
            slots: r.chance(300).then(|| r.range(2, 12) as u32),
            gop: r.chance(300).then(|| r.pick(&[1, 5, 15])),
            stall_ms: r.pick(&[300, 1000, 2000]),
            drain_ms: None,
            wait_device_ms: 0,
            once: !camera && r.chance(100),
            camera,
            chain,
            by_card: camera && r.chance(300),
            frames: (camera && r.chance(150)).then(|| r.range(1, 60)),
            supervised: [Some(100 * MS), Some(5000 * MS), None, None][seed as usize % 4],
            idle_ms: [Some(200), None, None, Some(1000), None, Some(3000)][seed as usize / 4 % 6],
        };
        let broken = trouble && r.chance(150);
        if trouble {
            plan.troubles(r, lasts, broken);
        }
        plan.cast(r, fixed);
        // Whoever waits for a slot that the encoder keeps until more frames come would wait for ever.
        for maker in plan.producers.iter_mut().filter(|_| held_back) {
            maker.gathers = None;
        }
        plan.ending(lasts, broken);
        plan
    }

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
    #[cfg(test)]
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

    /// The encoder is another.
    pub(super) fn with_encoder(mut self, change: impl FnOnce(&mut Nature)) -> Self {
        if let Kind::Encoder(nature) = &self.nodes[ENCODER].kind {
            let mut nature = **nature;
            change(&mut nature);
            self.nodes[ENCODER].kind = Kind::Encoder(Rc::new(nature));
        }
        self
    }

    /// Who acts.
    fn cast(&mut self, r: &mut Random, fixed: bool) {
        if !self.camera {
            for number in 0..r.range(1, 3) {
                let mut one = maker(r, fixed);
                one.after += number * r.below(4000) * MS;
                self.producers.push(one);
            }
        }
        for _ in 0..r.below(4) {
            self.consumers.push(consumer::Manner {
                after: r.below(3000) * MS,
                interval: r.range(5, 400) * MS,
                start: r.pick(&[Start::Key, Start::Oldest, Start::Live]),
                leaves_after: r.range(3, 200),
                asks: r.pick(&[0, 0, 30, 500]),
            });
        }
        if r.chance(350) {
            self.controllers.push(controller::Manner {
                after: r.range(100, 2000) * MS,
                interval: r.range(50, 900) * MS,
                drains_after: r.chance(100).then(|| r.below(20)),
            });
        }
        for _ in 0..r.below(3) {
            if r.chance(600) {
                self.strangers.push(r.pick(&stranger::Manner::ALL));
            }
        }
    }

    /// What goes wrong; everything is whole again after `lasts`, unless it stays `broken`.
    fn troubles(&mut self, r: &mut Random, lasts: u64, broken: bool) {
        let end = BEGIN + lasts;
        for _ in 0..r.range(1, 3) {
            let node = match r.below(4) {
                0 if self.chain => CAMERA,
                1 | 2 if self.chain => DECODER,
                0 | 1 if self.camera => CAMERA,
                _ => ENCODER,
            };
            let at = BEGIN + r.range(0, lasts / MS * 3 / 4) * MS;
            let short = r.pick(&[1, 20, 200, 1000, 4000]) * MS;
            let until = if broken { EVER } else { end };
            match r.below(12) {
                0..=3 => self.faults.0.push(Fault {
                    node,
                    call: r.pick(&faults::CALLS),
                    errno: r.pick(&faults::ERRNOS),
                    from: if r.chance(150) { 0 } else { at.max(BEGIN + 1) },
                    until,
                    skip: r.pick(&[0, 0, 1, 2, 5, 20, 60]),
                    times: if broken {
                        u32::MAX
                    } else {
                        r.pick(&[1, 1, 1, 2, 5, u32::MAX])
                    },
                }),
                4 | 5 => {
                    self.timeline.push((at, Event::Remove(node)));
                    if !broken {
                        let back = (at + r.range(0, 4000) * MS).min(end);
                        if node == CAMERA {
                            self.another_camera(r, at, back);
                        }
                        self.timeline.push((back, Event::Return(node)));
                    }
                }
                6 => {
                    self.timeline.push((
                        at,
                        Event::Shut(node, r.pick(&[Errno::ACCESS, Errno::BUSY, Errno::NODEV])),
                    ));
                    self.timeline.push((at, Event::Hang(node, short)));
                    self.timeline
                        .push(((at + short).min(end), Event::Return(node)));
                }
                7 => {
                    let hangs = if broken { EVER } else { short };
                    self.timeline.push((at, Event::Hang(node, hangs)));
                }
                8 => self.timeline.push((
                    at,
                    Event::PollErrors(node, if broken { EVER } else { short }),
                )),
                9 => {
                    self.timeline
                        .push((at, Event::Slow(node, r.pick(&[2, 300, 2000]) * MS)));
                    self.timeline.push((end, Event::Slow(node, 1000)));
                }
                10 => {
                    let event = match r.below(3) {
                        0 => Event::Suspend(short),
                        1 => Event::PollFails(short.min(1000 * MS)),
                        _ => {
                            self.timeline.push((end, Event::Memory(1 << 30)));
                            Event::Memory(r.pick(&[0, 1 << 20, 9 << 20]))
                        }
                    };
                    self.timeline.push((at, event));
                }
                _ if self.chain => {
                    let size = r.pick(&[(96, 64), (32, 32)]);
                    let back = (at + short).min(end);
                    self.timeline.push((at, Event::Shows(CAMERA, Some(size))));
                    self.timeline.push((back, Event::Shows(CAMERA, None)));
                }
                _ if self.camera => {
                    self.timeline.push((at, Event::Signal(CAMERA, false)));
                    self.timeline
                        .push(((at + short).min(end), Event::Signal(CAMERA, true)));
                }
                _ => {}
            }
        }
    }

    /// What is at the camera's place, or where it comes back, when it was taken away at `at`.
    fn another_camera(&mut self, r: &mut Random, at: u64, back: u64) {
        if r.chance(300) {
            self.timeline.push((at, Event::Replace(CAMERA)));
            self.timeline.push((back, Event::Remove(CAMERA)));
            self.timeline.push((back, Event::Replace(CAMERA)));
        } else if self.by_card && r.chance(500) {
            self.timeline.push((at, Event::Move(CAMERA)));
        }
    }

    /// How it ends.
    fn ending(&mut self, lasts: u64, broken: bool) {
        let quiet = BEGIN + lasts;
        self.timeline.push((quiet, Event::Quiet));
        let then = quiet + SETTLE;
        if broken {
            self.timeline.push((then, Event::Terminate));
            self.timeline.push((then, Event::EndWithin(BROKEN_END)));
        } else {
            self.timeline.push((then, Event::Exam));
        }
        self.timeline.sort_by_key(|(at, _)| *at);
    }

    /// In one line.
    pub(super) fn summary(&self) -> std::string::String {
        format!("{self:?}")
    }
}
