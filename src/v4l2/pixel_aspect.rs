//! The shape of a camera's pixels, which V4L2 knows of cameras and has no word for to encoders.
//!
//! Knows VIDIOC_CROPCAP, which a driver need not have. What is said of it is the caller's subject.

use rustix::fd::BorrowedFd;

use super::abi::{Api, BufferType, CropCap, Queue};
use super::ioctl;

/// Width and height of a pixel in frames of `size`, in lowest terms; `None` when it is square, or the camera does not say.
#[must_use]
pub fn oblong(camera: BorrowedFd<'_>, size: (u32, u32)) -> Option<(u64, u64)> {
    let type_ = BufferType::new(Queue::Capture, Api::Single) as u32;
    shape(&ioctl::cropcap(camera, type_).ok()?, size).filter(|(width, height)| width != height)
}

/// Width and height of a pixel when the whole frame becomes a frame of `size`.
fn shape(camera: &CropCap, size: (u32, u32)) -> Option<(u64, u64)> {
    let (aspect, whole) = (camera.pixelaspect, camera.defrect);
    let product = |a: u32, b: u32, c: u32| (u64::from(a) * u64::from(b)).checked_mul(c.into());
    let width = product(aspect.denominator, whole.width, size.1)?;
    let height = product(aspect.numerator, whole.height, size.0)?;
    if width == 0 || height == 0 {
        return None;
    }
    let (mut divisor, mut rest) = (width, height);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    Some((width / divisor, height / divisor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::abi::{Fract, Rect};

    fn camera(whole: (u32, u32), numerator: u32, denominator: u32) -> CropCap {
        CropCap {
            defrect: Rect {
                width: whole.0,
                height: whole.1,
                ..Rect::default()
            },
            pixelaspect: Fract {
                numerator,
                denominator,
            },
            ..CropCap::default()
        }
    }

    #[test]
    fn pixels_have_the_shape_that_the_camera_and_its_scaler_give_them() {
        let pal = camera((720, 576), 54, 59);
        assert_eq!(shape(&pal, (720, 576)), Some((59, 54)));
        // Half as wide.
        assert_eq!(shape(&pal, (360, 576)), Some((59, 27)));
        let square = camera((1920, 1080), 1, 1);
        assert_eq!(shape(&square, (1280, 720)), Some((1, 1)));
        assert_eq!(shape(&square, (960, 1080)), Some((2, 1)));
    }

    #[test]
    fn a_camera_that_says_nothing_says_nothing() {
        for silent in [
            camera((0, 0), 1, 1),
            camera((8, 8), 0, 1),
            camera((8, 8), 1, 0),
        ] {
            assert_eq!(shape(&silent, (640, 480)), None);
        }
        let nonsense = camera((u32::MAX, u32::MAX), u32::MAX, u32::MAX - 1);
        assert_eq!(shape(&nonsense, (640, 480)), None);
    }
}
