//! From a seed to a plan: which devices there are, what they do wrong, who acts, and what happens when.

use std::rc::Rc;
use std::vec::Vec;
use std::{format, vec};

use rustix::io::Errno;

use super::camera::CameraNature;
use super::chain::{Conversion, codes, converter, decoder};
use super::clock::BEGIN;
use super::event::Event;
use super::faults::{self, Fault, Faults};
use super::natures::{encoder, eyes, maker, node};
use super::node::{Kind, Node};
use super::random::Random;
use super::{consumer, controller, producer, stranger};
use crate::client::Start;
use crate::media::fourcc::Fourcc;
use crate::time::MS;
use crate::types::memory::MemoryChoice;

/// Node of the encoder, of the camera, of the decoder of its frames, or their converter; and of the converter behind a decoder.
pub(super) const ENCODER: usize = 0;
pub(super) const CAMERA: usize = 1;
pub(super) const DECODER: usize = 2;
pub(super) const BEHIND_DECODER: usize = 3;

/// From the end of all troubles to the exam, ns: the longest wait of a recovery that was begun is over by then.
const SETTLE: u64 = 25_000 * MS;
/// An engine whose device stays broken ends within so long when it is told to, ns.
const BROKEN_END: u64 = 120_000 * MS;
/// No time, no end.
const EVER: u64 = u64::MAX;

/// The converter for what is wanted of a plan's camera, which is asked for its size then.
fn converter_of(
    nodes: &mut [Node],
    wanted: Conversion,
    lasts: u64,
    trouble: bool,
    r: &mut Random,
) -> Node {
    let Kind::Encoder(encoder) = &nodes[ENCODER].kind else {
        unreachable!("it is the encoder's node")
    };
    let like = encoder.terms;
    let Kind::Camera(seen) = &nodes[CAMERA].kind else {
        unreachable!("it is the camera's node")
    };
    let mut seen = **seen;
    seen.size = wanted.size.unwrap_or(seen.size);
    // Most pairs have a way to common buffers.
    let alone = r.chance(100);
    seen.exports |= !alone;
    let mut nature = converter(r, &seen, &like, lasts, trouble);
    if let Some(converts) = &mut nature.converts {
        converts.flip = wanted.flip;
        converts.imports |= !alone;
    }
    nodes[CAMERA].kind = Kind::Camera(Rc::new(seen));
    node(c"/dev/video12", Kind::Decoder(Rc::new(nature)), r)
}

/// The converter behind the decoder of a plan's camera, which is asked for the size that is wanted then.
fn converter_behind_decoder(
    nodes: &mut [Node],
    wanted: Conversion,
    lasts: u64,
    trouble: bool,
    r: &mut Random,
) -> Node {
    let [encoder, camera, decoder] = nodes else {
        unreachable!("an encoder, a camera and a decoder")
    };
    let (Kind::Encoder(encoder), Kind::Camera(seen), Kind::Decoder(made)) =
        (&encoder.kind, &camera.kind, &decoder.kind)
    else {
        unreachable!("they stand in this order")
    };
    let (mut seen, mut made) = (**seen, **made);
    seen.size = wanted.size.unwrap_or(seen.size);
    // Rows of the decoder's own, which it does not say before the first frame, may be none for the converter.
    made.own_rows = false;
    made.exports = true;
    let terms = made.terms;
    let mut nature = converter(
        r,
        &CameraNature { terms, ..seen },
        &encoder.terms,
        lasts,
        trouble,
    );
    if let Some(converts) = &mut nature.converts {
        converts.flip = wanted.flip;
        converts.imports = true;
        // The decoder gives these rows, whatever it is asked for.
        converts.terms.row_align = terms.row_align;
    }
    camera.kind = Kind::Camera(Rc::new(seen));
    decoder.kind = Kind::Decoder(Rc::new(made));
    node(c"/dev/video12", Kind::Decoder(Rc::new(nature)), r)
}

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
    /// A converter is between the camera, or its decoder, and the encoder, for this.
    pub(super) conversion: Option<Conversion>,
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
        // Drawn beside the others, whose plans stay as they are.
        let other = &mut Random::new(!seed);
        let conversion = (camera && other.chance(400)).then(|| Conversion::new(other));
        if let Some(wanted) = conversion {
            let middle = match chain {
                true => converter_behind_decoder(&mut nodes, wanted, lasts, trouble, other),
                false => converter_of(&mut nodes, wanted, lasts, trouble, other),
            };
            nodes.push(middle);
            own_rows &= !chain;
        }
        let passes = camera && !chain && conversion.is_none() && other.chance(250);
        if passes && let Kind::Camera(seen) = &nodes[CAMERA].kind {
            let seen = codes(other, **seen, trouble);
            size = seen.size;
            nodes[CAMERA].kind = Kind::Camera(Rc::new(seen));
        }
        let codec = if passes { Fourcc::MJPG } else { codec };
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
            conversion,
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

    /// Whether the camera's frames are passed on.
    pub(super) fn passes(&self) -> bool {
        self.codec == Fourcc::MJPG
    }

    /// Whether something is between the camera and the encoder.
    pub(super) fn has_middle(&self) -> bool {
        self.chain || self.conversion.is_some()
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
                _ if self.passes() => CAMERA,
                0 if self.has_middle() => CAMERA,
                2 if self.chain && self.conversion.is_some() => BEHIND_DECODER,
                1 | 2 if self.has_middle() => DECODER,
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
                _ if self.chain || self.passes() => {
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
    pub(super) fn ending(&mut self, lasts: u64, broken: bool) {
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
