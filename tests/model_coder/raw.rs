//! Raw frames for the model's coder: pictures, how each raw format lays them out, and what the coder must make of that.
//!
//! Written from the definitions of V4L2, not from the C code.

/// Eight-bit samples, line by line.
#[derive(Clone, PartialEq, Eq)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub samples: Vec<u8>,
}

impl Plane {
    pub fn new(width: usize, height: usize, sample: impl Fn(usize, usize) -> u8) -> Plane {
        let samples = (0..width * height)
            .map(|at| sample(at % width, at / width))
            .collect();
        Plane {
            width,
            height,
            samples,
        }
    }

    pub fn at(&self, x: usize, y: usize) -> u8 {
        self.samples[y * self.width + x]
    }

    fn sum_of_four(&self, x: usize, y: usize) -> f64 {
        let (x, y) = (2 * x, 2 * y);
        [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)]
            .iter()
            .map(|&(x, y)| f64::from(self.at(x, y)))
            .sum()
    }
}

/// Three planes. Their sizes say the sampling: 4:2:0, 4:2:2 or, for RGB, none.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture(pub [Plane; 3]);

/// A number that looks like chance.
pub fn noise(seed: usize) -> u8 {
    let mut value = (seed as u64)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (value >> 40) as u8
}

/// One picture of a moving scene: `share` is by how much chroma is smaller (width, height).
///
/// At the left are bytes of 0 to 3, which need emulation prevention most. A box of noise moves. The rest never changes.
pub fn scene(width: usize, height: usize, share: (usize, usize), number: usize) -> Picture {
    let plane = |index: usize, width: usize, height: usize| {
        Plane::new(width, height, |x, y| {
            let left = (number * 7) % width;
            if x < width / 4 {
                noise(x / 5 + y * width + index) & noise(x) & 3
            } else if x >= left && x < left + width / 8 && y > height / 3 && y < height / 2 {
                noise(x + y * width + number * 1_000_003)
            } else {
                noise(x / 3 + y / 2 * 4099 + index)
            }
        })
    };
    let (chroma_width, chroma_height) = (width / share.0, height / share.1);
    Picture([
        plane(0, width, height),
        plane(1, chroma_width, chroma_height),
        plane(2, chroma_width, chroma_height),
    ])
}

/// Puts samples where a format wants them; everything else keeps a filler, which must not show.
struct Frame(Vec<u8>);

impl Frame {
    fn put(&mut self, plane: &Plane, place: impl Fn(usize, usize) -> usize) {
        for y in 0..plane.height {
            for x in 0..plane.width {
                self.0[place(x, y)] = plane.at(x, y);
            }
        }
    }
}

/// From line to line in memory planes of chroma: nothing that follows from the luma's.
pub const CHROMA_STRIDE: usize = 200;

/// A frame as it lies in a buffer of `rows` lines of `stride` bytes (NC12: columns of `stride` lines).
pub fn lay_out(fourcc: &str, picture: &Picture, stride: usize, rows: usize) -> Vec<u8> {
    let [a, b, c] = &picture.0;
    let luma = stride * rows;
    let frame = |bytes: usize| Frame(vec![0xa5; bytes]);
    let planar = |first: &Plane, second: &Plane| {
        let mut frame = frame(luma * 3 / 2);
        frame.put(a, |x, y| y * stride + x);
        frame.put(first, |x, y| luma + y * (stride / 2) + x);
        frame.put(second, |x, y| luma + luma / 4 + y * (stride / 2) + x);
        frame.0
    };
    let pairs = |first: &Plane, second: &Plane| {
        let mut frame = frame(luma * 3 / 2);
        frame.put(a, |x, y| y * stride + x);
        frame.put(first, |x, y| luma + y * stride + 2 * x);
        frame.put(second, |x, y| luma + y * stride + 2 * x + 1);
        frame.0
    };
    // Memory planes one after the other; `step` is from sample to sample.
    let apart = |step: usize, second: usize| {
        let mut frame = frame(luma + CHROMA_STRIDE * rows);
        let place = |x: usize, y: usize| luma + y * CHROMA_STRIDE + step * x;
        frame.put(a, |x, y| y * stride + x);
        frame.put(b, place);
        frame.put(c, |x, y| second + place(x, y));
        frame.0
    };
    let columns = || {
        let place = |x: usize, line: usize| x / 128 * 128 * stride + line * 128 + x % 128;
        let mut frame = frame(a.width.next_multiple_of(128) * stride);
        frame.put(a, place);
        frame.put(b, |x, y| place(2 * x, rows + y));
        frame.put(c, |x, y| place(2 * x + 1, rows + y));
        frame.0
    };
    // Where in four bytes the first Y, Cb and Cr are.
    let packed = |luma_at: usize, cb: usize, cr: usize| {
        let mut frame = frame(luma);
        frame.put(a, |x, y| y * stride + 2 * x + luma_at);
        frame.put(b, |x, y| y * stride + 4 * x + cb);
        frame.put(c, |x, y| y * stride + 4 * x + cr);
        frame.0
    };
    // Where in the bytes of a pixel red, green and blue are.
    let rgb = |size: usize, red: usize, green: usize, blue: usize| {
        let mut frame = frame(luma);
        frame.put(a, |x, y| y * stride + size * x + red);
        frame.put(b, |x, y| y * stride + size * x + green);
        frame.put(c, |x, y| y * stride + size * x + blue);
        frame.0
    };
    match fourcc {
        "YU12" => planar(b, c),
        "YV12" => planar(c, b),
        "NV12" => pairs(b, c),
        "NV21" => pairs(c, b),
        "NC12" => columns(),
        "YM12" => apart(1, CHROMA_STRIDE * (rows / 2)),
        "NM12" => apart(2, 1),
        "YUYV" => packed(0, 1, 3),
        "YVYU" => packed(0, 3, 1),
        "UYVY" => packed(1, 0, 2),
        "VYUY" => packed(1, 2, 0),
        "RGB3" => rgb(3, 0, 1, 2),
        "BGR3" => rgb(3, 2, 1, 0),
        "BGR4" => rgb(4, 2, 1, 0),
        "AB24" => rgb(4, 0, 1, 2),
        "RGBP" => {
            let mut frame = frame(luma);
            for y in 0..a.height {
                for x in 0..a.width {
                    let [r, g, b] = [a, b, c].map(|plane| u16::from(plane.at(x, y)));
                    let word = (r >> 3) << 11 | (g >> 2) << 5 | b >> 3;
                    let at = y * stride + 2 * x;
                    frame.0[at..at + 2].copy_from_slice(&word.to_le_bytes());
                }
            }
            frame.0
        }
        _ => panic!("no layout for {fourcc}"),
    }
}

/// What the coder reads out of a picture: 4:2:0.
pub fn as_420(fourcc: &str, picture: &Picture) -> Picture {
    let [a, b, c] = &picture.0;
    let half = |plane: &Plane| {
        Plane::new(plane.width, plane.height / 2, |x, y| {
            let sum = u16::from(plane.at(x, 2 * y)) + u16::from(plane.at(x, 2 * y + 1));
            sum.div_ceil(2) as u8
        })
    };
    if b.width < a.width {
        return if b.height < a.height {
            picture.clone()
        } else {
            Picture([a.clone(), half(b), half(c)])
        };
    }
    // RGB565 keeps the upper bits; to fill the lower ones they are repeated.
    let kept = |plane: &Plane, bits: u32| {
        Plane::new(plane.width, plane.height, |x, y| match fourcc {
            "RGBP" => {
                let upper = plane.at(x, y) >> (8 - bits) << (8 - bits);
                upper | upper >> bits
            }
            _ => plane.at(x, y),
        })
    };
    let (r, g, b) = (kept(a, 5), kept(b, 6), kept(c, 5));
    // BT.601: the weights of red, green and blue, then the differences, each in the range that it has.
    let (red, green, blue) = (0.299, 0.587, 0.114);
    let luma = |r: f64, g: f64, b: f64| red * r + green * g + blue * b;
    let y = Plane::new(a.width, a.height, |x, y| {
        let [r, g, b] = [&r, &g, &b].map(|plane| f64::from(plane.at(x, y)));
        (16.0 + luma(r, g, b) * 219.0 / 255.0).round() as u8
    });
    let difference = |of: &Plane, weight: f64| {
        Plane::new(a.width / 2, a.height / 2, |x, y| {
            let [r, g, b, own] = [&r, &g, &b, of].map(|plane| plane.sum_of_four(x, y) / 4.0);
            let part = (own - luma(r, g, b)) / (2.0 * (1.0 - weight));
            (128.0 + part * 224.0 / 255.0).round() as u8
        })
    };
    Picture([y, difference(&b, blue), difference(&r, red)])
}

/// The planes one after the other, each enlarged to whole macroblocks by repeating its last column and line.
pub fn padded(picture: &Picture) -> Vec<u8> {
    let [luma, ..] = &picture.0;
    let (width, height) = (
        luma.width.next_multiple_of(16),
        luma.height.next_multiple_of(16),
    );
    let mut bytes = Vec::new();
    for (plane, share) in picture.0.iter().zip([1, 2, 2]) {
        for y in 0..height / share {
            for x in 0..width / share {
                bytes.push(plane.at(x.min(plane.width - 1), y.min(plane.height - 1)));
            }
        }
    }
    bytes
}

/// The planes one after the other.
pub fn tight(picture: &Picture) -> Vec<u8> {
    picture
        .0
        .iter()
        .flat_map(|plane| plane.samples.clone())
        .collect()
}
