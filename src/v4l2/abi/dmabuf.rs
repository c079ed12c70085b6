//! dma-bufs and the heaps that allocate them.
//!
//! Source: `include/uapi/linux/dma-buf.h` and `dma-heap.h`.

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
