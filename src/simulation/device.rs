//! An open file of a simulated device: whichever it is, what the kernel asks of it. Knows the devices, and nothing of nodes or files.

use core::any::Any;

use rustix::event::PollFlags;
use rustix::io::Result;
use std::vec;
use std::vec::Vec;

use super::camera::Camera;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::format::Raw;
use super::node::Kind;
use super::queue::Queue;
use super::random::Random;
use super::shared::{Place, Shared};
use crate::v4l2::abi::{ExtControl, Plane};

/// What an open file leads to.
#[derive(Debug)]
pub(super) enum Device {
    Encoder(Encoder),
    Decoder(Decoder),
    Camera(Camera),
}

impl Device {
    /// What opens at a node. `signal`: a bridge's source sends one.
    pub(super) fn new(kind: &Kind, random: Random, signal: bool) -> Self {
        match kind {
            Kind::Encoder(nature) => Self::Encoder(Encoder::new(nature, random)),
            Kind::Decoder(nature) => Self::Decoder(Decoder::new(nature, random)),
            Kind::Camera(nature) => Self::Camera(Camera::new(nature, random, signal)),
        }
    }

    pub(super) fn ioctl(
        &mut self,
        number: u32,
        argument: &mut dyn Any,
        planes: &mut [Plane],
        control: Option<&mut ExtControl>,
        place: &mut Place<'_>,
        shared: &mut Shared,
    ) -> Result<()> {
        match self {
            Self::Encoder(encoder) => {
                encoder.ioctl(number, argument, planes, control, place, shared)
            }
            Self::Decoder(decoder) => {
                decoder.ioctl(number, argument, planes, control, place, shared)
            }
            Self::Camera(camera) => camera.ioctl(number, argument, planes, place, shared),
        }
    }

    /// poll(2): whether one of these happened, or an error.
    pub(super) fn ready(&self, wanted: PollFlags) -> bool {
        let (readable, writable, urgent, error) = match self {
            Self::Encoder(encoder) => encoder.ready(),
            Self::Decoder(decoder) => decoder.ready(wanted),
            Self::Camera(camera) => camera.ready(wanted),
        };
        error
            || readable && wanted.contains(PollFlags::IN)
            || writable && wanted.contains(PollFlags::OUT)
            || urgent && wanted.contains(PollFlags::PRI)
    }

    /// Does what is due.
    pub(super) fn step(&mut self, shared: &mut Shared) {
        match self {
            Self::Encoder(encoder) => encoder.step(shared),
            Self::Decoder(decoder) => decoder.step(shared),
            Self::Camera(camera) => camera.step(shared),
        }
    }

    /// When it has something to do next, virtual ns.
    pub(super) fn next(&self, now: u64) -> Option<u64> {
        match self {
            Self::Encoder(encoder) => encoder.next(now),
            Self::Decoder(decoder) => decoder.next(now),
            Self::Camera(camera) => camera.next(now),
        }
    }

    /// The queues of raw frames whose rows lie as they were set: those of a decoder change with what comes.
    pub(super) fn rows(&self) -> Vec<(&Queue, &Raw)> {
        match self {
            Self::Encoder(encoder) => vec![(&encoder.output, &encoder.raw)],
            Self::Decoder(decoder) => match &decoder.input {
                Some(input) => vec![(&decoder.output, input), (&decoder.capture, &decoder.raw)],
                None => Vec::new(),
            },
            Self::Camera(camera) if camera.coded => Vec::new(),
            Self::Camera(camera) => vec![(&camera.queue, &camera.raw)],
        }
    }

    /// Its queues.
    pub(super) fn queues(&self) -> Vec<&Queue> {
        match self {
            Self::Encoder(encoder) => vec![&encoder.output, &encoder.capture],
            Self::Decoder(decoder) => vec![&decoder.output, &decoder.capture],
            Self::Camera(camera) => vec![&camera.queue],
        }
    }
}
