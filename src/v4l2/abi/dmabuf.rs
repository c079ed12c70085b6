//! dma-bufs, and what allocates them.
//!
//! Source: `include/uapi/linux/dma-buf.h`, `dma-heap.h` and `udmabuf.h`.

use super::layout::{layout, widths};

/// `dma_buf_sync`: the CPU begins or ends looking at a dma-buf.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DmaBufSync {
    /// `DMA_BUF_SYNC_*`.
    pub flags: u64,
}

layout! { DmaBufSync = "dma_buf_sync", size 8; flags: 0 }

/// `dma_heap_allocation_data`: a request for a dma-buf, and then its descriptor.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct DmaHeapAllocationData {
    /// Bytes; the heap rounds up to pages.
    pub len: u64,
    /// The new file descriptor, written by the heap; must be 0 in a request.
    pub fd: u32,
    /// `O_CLOEXEC` and the access mode.
    pub fd_flags: u32,
    /// No flags are defined: 0.
    pub heap_flags: u64,
}

layout! { DmaHeapAllocationData = "dma_heap_allocation_data", size 24; len: 0, fd: 8, fd_flags: 12, heap_flags: 16 }

/// `udmabuf_create`: a part of a memfd that is to become a dma-buf.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct UdmabufCreate {
    /// The memfd; it must have the seal against shrinking, and none against writing.
    pub memfd: u32,
    /// `O_CLOEXEC` as `UDMABUF_FLAGS_CLOEXEC`, 1.
    pub flags: u32,
    /// Where it begins, bytes; whole pages.
    pub offset: u64,
    /// How long it is, bytes; whole pages.
    pub size: u64,
}

layout! { UdmabufCreate = "udmabuf_create", size 24; memfd: 0, flags: 4, offset: 8, size: 16 }
