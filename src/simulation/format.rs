//! Formats of simulated queues: how a driver answers S_FMT.

use crate::media::format::{FORMATS, lookup};
use crate::media::fourcc::Fourcc;
use crate::v4l2::abi::{Api, BufferType, Format, Queue};

/// How a driver lays frames out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) api: Api,
    /// Raw formats, in the driver's order; the first is the default.
    pub(super) raw: &'static [Fourcc],
    /// Bytes that rows are aligned to.
    pub(super) row_align: u32,
    /// What height is rounded up to.
    pub(super) height_align: u32,
    /// Smallest and largest side.
    pub(super) sides: (u32, u32),
}

/// What a raw queue is set to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw {
    pub(super) fourcc: Fourcc,
    pub(super) size: (u32, u32),
    pub(super) bytesperline: [u32; 3],
    pub(super) sizeimage: [u32; 3],
    pub(super) planes: usize,
}

impl Raw {
    /// What a driver makes of a request.
    pub(super) fn new(terms: &Terms, asked: Fourcc, size: (u32, u32), rows: [u32; 3]) -> Self {
        let known = terms.raw.contains(&asked);
        let fourcc = if known { asked } else { terms.raw[0] };
        let format = lookup(fourcc).unwrap_or(&FORMATS[0]);
        let side = |side: u32| side.clamp(terms.sides.0, terms.sides.1).next_multiple_of(2);
        let size = (
            side(size.0),
            side(size.1).next_multiple_of(terms.height_align),
        );
        let planes = format.memory_plane_count() as usize;
        let (mut bytesperline, mut sizeimage) = ([0; 3], [0; 3]);
        for colour in format.planes {
            let plane = colour.memory_plane as usize;
            if bytesperline[plane] == 0 {
                let groups = size.0.div_ceil(colour.horizontal.into());
                let least = (groups * u32::from(colour.group_bytes)).max(rows[plane]);
                bytesperline[plane] = least.next_multiple_of(terms.row_align);
            }
            let stride = bytesperline[plane] * u32::from(colour.stride_halves) / 2;
            sizeimage[plane] += stride * size.1.div_ceil(colour.vertical.into());
        }
        Self {
            fourcc,
            size,
            bytesperline,
            sizeimage,
            planes,
        }
    }

    /// Whether each row begins where the other's does. Where a plane is the last one in its memory, nobody looks behind it.
    pub(super) fn lies_as(&self, other: &Self) -> bool {
        let planes = |raw: &Self| lookup(raw.fourcc).map_or(1, |format| format.planes.len());
        let several = planes(self) > self.planes;
        let same = self.planes == other.planes && planes(self) == planes(other);
        let rows = self.bytesperline[..self.planes] == other.bytesperline[..self.planes];
        same && rows && (!several || self.size.1 == other.size.1)
    }

    /// Answers S_FMT, TRY_FMT or G_FMT.
    pub(super) fn write(&self, format: &mut Format) {
        format.set_size(self.size.0, self.size.1);
        format.set_pixelformat(self.fourcc);
        format.set_field(crate::v4l2::abi::FIELD_NONE);
        format.set_planes(self.planes as u8);
        for plane in 0..self.planes {
            format.set_bytesperline(plane, self.bytesperline[plane]);
            format.set_sizeimage(plane, self.sizeimage[plane]);
        }
    }
}

/// What a client asks for.
pub(super) fn request(format: &Format) -> (Fourcc, (u32, u32), [u32; 3]) {
    let rows = [0, 1, 2].map(|plane| format.bytesperline(plane));
    (format.pixelformat(), format.size(), rows)
}

/// The queue that a word names; `None` when it is none of this API.
pub(super) fn queue_of(word: u32, api: Api) -> Option<Queue> {
    [Queue::Output, Queue::Capture]
        .into_iter()
        .find(|&queue| BufferType::new(queue, api) as u32 == word)
}
