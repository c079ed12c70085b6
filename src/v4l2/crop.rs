//! The crop of the OUTPUT queue: which part of the coded size is the frame. Step 4 of the stateful-encoder checklist.
//!
//! A driver may not crop at all, may make another rectangle of the one asked for, or may ignore it. What it answers is compared with both
//! the visible and the coded size.

use rustix::fd::BorrowedFd;

use super::abi::{BufferType, Queue, Rect, SEL_TGT_CROP};
use super::device::Device;
use super::ioctl;
use crate::limits::PADDING_PIXELS;
use crate::log::note;

/// What shows is not the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotCropped {
    /// Pixels are lost: the size that shows.
    Cut((u32, u32)),
    /// More padding shows than is tolerated: the size that shows.
    Padded((u32, u32)),
}

/// Sets the crop rectangle on the OUTPUT queue and checks what came of it. A little padding is tolerated, with a warning: it
/// shows at the right and at the bottom of the frame.
///
/// # Errors
/// When pixels would be lost, or too many added.
pub(super) fn crop(
    device: &Device,
    visible: (u32, u32),
    coded: (u32, u32),
) -> Result<(), NotCropped> {
    let wanted = Rect {
        left: 0,
        top: 0,
        width: visible.0,
        height: visible.1,
    };
    let answer = ioctl::s_selection(device, device.queue(Queue::Output), SEL_TGT_CROP, wanted);
    if let Some(shown) = padded(visible, coded, answer.ok())? {
        note!(
            warn,
            "the driver cannot crop {}x{} to {}x{}: padding shows in the frame",
            shown.0,
            shown.1,
            visible.0,
            visible.1
        );
    }
    Ok(())
}

/// Crops the frames of a queue to their visible size. Whether exactly that shows.
pub(super) fn shows(device: BorrowedFd<'_>, queue: BufferType, visible: (u32, u32)) -> bool {
    let wanted = Rect {
        left: 0,
        top: 0,
        width: visible.0,
        height: visible.1,
    };
    ioctl::s_selection(device, queue, SEL_TGT_CROP, wanted).is_ok_and(|shown| shown == wanted)
}

/// The size that shows, where it is larger than the visible one. `answer`: the rectangle that the driver made; `None` when it cannot crop.
fn padded(
    visible: (u32, u32),
    coded: (u32, u32),
    answer: Option<Rect>,
) -> Result<Option<(u32, u32)>, NotCropped> {
    let shown = answer.map_or(coded, |rect| (rect.width, rect.height));
    let moved = answer.is_some_and(|rect| rect.left != 0 || rect.top != 0);
    if moved || shown.0 < visible.0 || shown.1 < visible.1 {
        return Err(NotCropped::Cut(shown));
    }
    if shown.0 - visible.0 > PADDING_PIXELS || shown.1 - visible.1 > PADDING_PIXELS {
        return Err(NotCropped::Padded(shown));
    }
    Ok((shown != visible).then_some(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(left: i32, top: i32, width: u32, height: u32) -> Option<Rect> {
        Some(Rect {
            left,
            top,
            width,
            height,
        })
    }

    #[test]
    fn the_rectangle_that_was_asked_for_shows() {
        let (visible, coded) = ((1920, 1080), (1920, 1088));
        assert_eq!(
            padded(visible, coded, rect(0, 0, 1920, 1080)).unwrap(),
            None
        );
        assert_eq!(padded(visible, visible, None).unwrap(), None);
    }

    #[test]
    fn a_crop_that_loses_pixels_is_refused_also_where_the_coded_size_is_the_visible_one() {
        let visible = (1366, 768);
        for coded in [visible, (1376, 768)] {
            for answer in [
                rect(0, 0, 1360, 768),
                rect(0, 0, 1366, 760),
                rect(0, 0, 0, 0),
                rect(8, 0, 1366, 768),
                rect(0, -8, 1366, 768),
            ] {
                let refused = padded(visible, coded, answer);
                assert!(matches!(refused, Err(NotCropped::Cut(_))), "{answer:?}");
            }
        }
    }

    #[test]
    fn a_little_padding_shows_and_more_is_another_size() {
        let visible = (1366, 768);
        assert_eq!(
            padded(visible, (1376, 768), None).unwrap(),
            Some((1376, 768))
        );
        // The driver rounds up, or ignores what it is asked for.
        let rounded = padded(visible, (1376, 768), rect(0, 0, 1368, 768)).unwrap();
        assert_eq!(rounded, Some((1368, 768)));
        let ignored = padded(visible, (1920, 1088), rect(0, 0, 1920, 1088));
        assert_eq!(ignored, Err(NotCropped::Padded((1920, 1088))));
        // The largest padding that is tolerated, and the smallest that is not, in each direction.
        for (size, tolerated) in [
            ((1366 + 31, 768), true),
            ((1366 + 32, 768), false),
            ((1366, 768 + 31), true),
            ((1366, 768 + 32), false),
        ] {
            assert_eq!(padded(visible, size, None).is_ok(), tolerated, "{size:?}");
        }
        let huge = padded(visible, visible, rect(0, 0, u32::MAX, u32::MAX));
        assert!(matches!(huge, Err(NotCropped::Padded(_))));
    }
}
