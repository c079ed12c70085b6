//! Memory of a producer's own, as dma-bufs: from the kernel's heaps, or a memfd made one. For `push --memory`.
//!
//! Knows where such memory comes from, and how large a frame's planes are. Who can use it is for others to find out.

use core::ffi::CStr;
use core::fmt;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, SealFlags, open};
use rustix::io::Errno;

use crate::cli::PushMemory;
use crate::client::Buffers;
use crate::errno::call::{Call, IoctlError};
use crate::limits::PLANES;
use crate::media::format::RawFormat;
use crate::media::layout::{LayoutError, Placement};
use crate::shm::layout::COPY_ALIGNMENT;
use crate::shm::memfd::sealed_memfd;
use crate::text::Escaped;
use crate::v4l2::ioctl;

/// Rows begin at multiples of this many bytes: what cameras and graphics processors need, and the Pi's encoder.
const ROW_ALIGNMENT: u32 = 64;

/// The contiguous heaps, by the names that they have on different kernels.
const CONTIGUOUS: [&CStr; 3] = [
    c"/dev/dma_heap/linux,cma",
    c"/dev/dma_heap/vidbuf_cached",
    c"/dev/dma_heap/reserved",
];

/// How a frame of a producer's own lies in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Where its rows lie.
    pub(super) rows: Placement,
    /// Memory planes.
    memory_planes: u32,
    /// Bytes of each memory plane.
    length: [u32; PLANES],
}

/// The shape of frames of this format and size, where the encoder works with `coded_height` rows.
pub(super) fn shape(
    format: &RawFormat,
    (width, height): (u32, u32),
    coded_height: u32,
) -> Result<Shape, LayoutError> {
    let tight = format.tight(width, height)?;
    let mut bytesperline = [0; PLANES];
    for plane in tight.planes().iter().rev() {
        // The last one seen is the memory plane's first.
        // Rows too long for a `u32` are none for `layout`.
        let aligned = plane.bytesperline.checked_next_multiple_of(ROW_ALIGNMENT);
        bytesperline[plane.memory_plane as usize] = aligned.unwrap_or(0);
    }
    let layout = format.layout(
        width,
        height,
        coded_height,
        &bytesperline,
        &[u32::MAX; PLANES],
    )?;
    let mut length = [0; PLANES];
    for plane in layout.planes() {
        length[plane.memory_plane as usize] =
            plane.offset + plane.bytesperline * plane.allocated_rows;
    }
    Ok(Shape {
        rows: layout.placement(),
        memory_planes: layout.memory_plane_count,
        length,
    })
}

/// So many slots of this shape.
#[inline(never)]
pub(super) fn allocate(
    kind: PushMemory,
    slots: u32,
    shape: &Shape,
) -> Result<Buffers, Unavailable> {
    let nodes = match kind {
        PushMemory::SystemHeap => &[c"/dev/dma_heap/system"][..],
        PushMemory::Udmabuf => &[c"/dev/udmabuf"],
        _ => &CONTIGUOUS,
    };
    let (node, driver) = first_that_opens(nodes)?;
    let failed = |error| Unavailable { node, error };
    let mut buffers = Buffers::new();
    for _ in 0..slots {
        for &length in &shape.length[..shape.memory_planes as usize] {
            // Whole pages, however large they are.
            let bytes = (length as usize).checked_next_multiple_of(COPY_ALIGNMENT);
            let bytes = bytes.ok_or(failed(IoctlError::new(Call::MemfdSize, Errno::FBIG)))?;
            buffers.push(one(kind, &driver, bytes).map_err(failed)?);
        }
    }
    Ok(buffers)
}

/// Why there is no such memory, with the node that was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unavailable {
    node: &'static CStr,
    error: IoctlError,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.at(Escaped(self.node.to_bytes())).fmt(f)
    }
}

/// The first of these nodes that can be opened; otherwise the first that is there and cannot be opened, or the first one.
fn first_that_opens(nodes: &[&'static CStr]) -> Result<(&'static CStr, OwnedFd), Unavailable> {
    let mut reason: Option<Unavailable> = None;
    for &node in nodes {
        match open(node, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            Ok(driver) => return Ok((node, driver)),
            Err(errno) => {
                let error = IoctlError::new(Call::Open, errno);
                if reason.is_none_or(|known| known.error.errno == Errno::NOENT)
                    && (reason.is_none() || errno != Errno::NOENT)
                {
                    reason = Some(Unavailable { node, error });
                }
            }
        }
    }
    Err(reason.unwrap_or(Unavailable {
        node: c"",
        error: IoctlError::new(Call::Open, Errno::NOENT),
    }))
}

fn one(kind: PushMemory, driver: &OwnedFd, bytes: usize) -> Result<OwnedFd, IoctlError> {
    if kind != PushMemory::Udmabuf {
        return ioctl::dma_heap_alloc(driver, bytes as u64);
    }
    let memfd = sealed_memfd(c"framemill-udmabuf", bytes, SealFlags::empty())?;
    ioctl::udmabuf_create(driver, memfd, bytes as u64)
}
