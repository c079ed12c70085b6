//! What was found to stand between a camera and the encoder: a decoder, a converter, or both.
//!
//! Knows what they take and give. Looks for none.

use arrayvec::ArrayVec;
use rustix::fd::AsFd;

use crate::engine::camera::config::{Input, size_before};
use crate::errno::call::IoctlError;
use crate::error::{Failure, failure};
use crate::exit::{When, exit_of};
use crate::limits::{MIDDLE_STAGES, PLANES};
use crate::media::format::RawFormat;
use crate::media::format_set::FormatSet;
use crate::media::layout::FrameLayout;
use crate::types::devices::MiddleKind;
use crate::v4l2::camera::{Camera, CaptureFormat};
use crate::v4l2::decoder::Decoder;
use crate::v4l2::device::NodePath;
use crate::v4l2::ioctl;

/// A device that takes the frames of the camera, or of the device before it.
pub(super) struct FoundMiddle<'a> {
    pub(super) path: NodePath<'a>,
    pub(super) device: Decoder,
    /// What comes into it.
    pub(super) input: Input,
}

impl FoundMiddle<'_> {
    /// The raw formats that it gives.
    ///
    /// # Errors
    /// When it does not say.
    pub(super) fn gives(&self) -> ioctl::Result<FormatSet> {
        ioctl::raw_formats(self.device.as_fd(), self.device.capture.kind())
    }

    /// The sentence of a call on it that failed.
    pub(super) fn failed(&self, error: IoctlError) -> Failure {
        let exit = exit_of(When::SettingUp, error.errno);
        failure!(exit, "{}: {error}", self.path.shown())
    }
}

/// The devices, in the order in which frames go through them.
#[derive(Default)]
pub(super) struct Middle<'a>(pub(super) ArrayVec<FoundMiddle<'a>, MIDDLE_STAGES>);

impl Middle<'_> {
    /// What the camera is asked for, where it is not `raw`.
    pub(super) fn frames(&self) -> Option<CaptureFormat> {
        self.0.first().map(|first| first.input.frames())
    }

    /// Whether the last one is a converter.
    pub(super) fn converts(&self) -> bool {
        let last = self.0.last();
        last.is_some_and(|one| one.input.kind() == MiddleKind::Converter)
    }

    /// The size that the camera is asked for, where the stream's is this.
    pub(super) fn camera_size(&self, of_stream: (u32, u32)) -> (u32, u32) {
        size_before(self.0.iter().map(|one| one.input), of_stream)
    }

    /// Where rows lie of the raw frames of this size that come out behind all devices, or of the camera, in this format, when it is asked for
    /// so many bytes from one to the next in each memory plane. It is set to it then.
    pub(super) fn rows(
        &self,
        camera: &Camera,
        raw: &'static RawFormat,
        size: (u32, u32),
        strides: &[u32; PLANES],
    ) -> Option<FrameLayout> {
        match self.0.last() {
            // Rows that it is asked for are lost when the stream changes.
            Some(last) => last.device.gives(raw, size),
            None => camera.rows(raw, size, strides),
        }
    }
}
