//! Where the frames come from: a producer's frame ring, or a camera.
//!
//! Knows the two kinds. What each does is its own file's subject.

use crate::engine::camera::CameraSource;
use crate::engine::error::EngineError;
use crate::engine::ring_source::RingSource;
use crate::flow::pipeline::Pipeline;

/// The source of frames.
pub enum Source<'a> {
    /// A producer.
    Ring(RingSource),
    /// A camera.
    Camera(CameraSource<'a>),
}

impl<'a> Source<'a> {
    /// The frame ring, where producers are the source.
    pub fn ring(&mut self) -> Option<&mut RingSource> {
        match self {
            Self::Ring(ring) => Some(ring),
            Self::Camera(_) => None,
        }
    }

    /// The camera, where it is the source.
    pub fn camera(&mut self) -> Option<&mut CameraSource<'a>> {
        match self {
            Self::Ring(_) => None,
            Self::Camera(camera) => Some(camera),
        }
    }

    /// Whether it works, for all that is known: it is no camera that is stopped, away or without a signal.
    #[must_use]
    pub fn runs(&self) -> bool {
        match self {
            Self::Ring(_) => true,
            Self::Camera(camera) => camera.due().is_none(),
        }
    }

    /// Whether the engine ends because the one producer for which it ran has left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Ring(ring) if ring.is_over())
    }

    /// Whether nothing of it is still on its way to the pipeline: a decoder is empty, the camera stands still.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        match self {
            Self::Ring(_) => true,
            Self::Camera(camera) => camera.is_flushed(),
        }
    }

    /// That the drain was cut short, with so many frames inside, or still on their way to the pipeline.
    #[must_use]
    pub fn cut_short(&self, pipeline: &Pipeline<'_>) -> EngineError<'a> {
        let frames = pipeline.in_flight();
        match self {
            Self::Ring(_) => EngineError::DrainCutShort(frames),
            Self::Camera(camera) => camera.cut_short(frames),
        }
    }

    /// The engine ends: what is still on its way to the pipeline is dropped.
    pub fn abandon(&mut self) {
        if let Self::Camera(camera) = self {
            camera.abandon();
        }
    }

    /// Whether no frame follows those inside, for all that is known: the producer has left, the camera does not stream.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        match self {
            Self::Ring(ring) => ring.left,
            Self::Camera(camera) => camera.due().is_some(),
        }
    }
}
