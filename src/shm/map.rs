//! Whole rings in memory: made by the engine, opened by its clients.
//!
//! Joins `region` (mapping) and `layout` (words). The opening side checks every size and offset before it uses one;
//! afterwards the engine's words are read as they are, and indices computed from them are bounded again where used.

use core::marker::PhantomData;
use core::mem::size_of;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{SealFlags, fstat};
use rustix::io::{Errno, Result};

use crate::errno::call::{Call, IoctlError};
use crate::limits::{PACKET_DESCRIPTORS, PACKET_RING_MAX};
use crate::shm::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::shm::circle::Circle;
use crate::shm::layout::{
    Descriptor, FRAME_CAPACITIES, FRAME_MAGIC, FRAME_RING_BYTES, FrameRing, PACKET_CAPACITIES,
    PACKET_DATA_OFFSET, PACKET_HEADER_BYTES, PACKET_MAGIC, PacketHeader,
};
use crate::shm::memfd::sealed_memfd;
use crate::shm::packet_ring::Ring;
use crate::shm::region::{Region, sealed_size};
use crate::shm::word::{Access, LoadOnly, LoadStore, Word32};

/// A mapped packet ring: the engine's can be stored to, a client's only loaded from.
#[derive(Debug)]
pub struct PacketMap<A: Access = LoadStore> {
    region: Region,
    data_bytes: usize,
    access: PhantomData<A>,
}

impl PacketMap {
    /// A new packet ring with `data_bytes` (a power of two) of payload, mapped writable. The memfd that comes with it
    /// is not yet sealed against writing.
    ///
    /// # Errors
    /// Those of making and mapping a memfd, such as `NOMEM`.
    pub fn create(data_bytes: usize) -> core::result::Result<(Self, OwnedFd), IoctlError> {
        let total = PACKET_DATA_OFFSET
            .checked_add(data_bytes)
            .ok_or(not_mapped(Errno::OVERFLOW))?;
        let fd = sealed_memfd(c"framemill-packets", total, SealFlags::empty())?;
        let map = Self {
            region: Region::map(&fd, total, true).map_err(not_mapped)?,
            data_bytes,
            access: PhantomData,
        };
        map.region.touch();
        if map.region.circle(PACKET_DATA_OFFSET, data_bytes).is_none() {
            return Err(not_mapped(Errno::INVAL));
        }
        let header = map.header();
        stamp(&map.region, &PACKET_CAPACITIES);
        header.total_bytes.store(total as u64, Relaxed);
        header.data_offset.store(PACKET_DATA_OFFSET as u64, Relaxed);
        header.data_bytes.store(data_bytes as u64, Relaxed);
        header.magic.store(PACKET_MAGIC, Release); // pairs with the Acquire of `open`
        Ok((map, fd))
    }
}

impl PacketMap<LoadOnly> {
    /// Maps an engine's packet ring read-only: no more of it than header, descriptors and payload, and never more than the ABI allows.
    ///
    /// # Errors
    /// `PROTO` when it is no packet ring of this version; `PERM` when it could shrink under us; those of mmap(2).
    pub fn open(fd: impl AsFd) -> Result<Self> {
        // The engine could change what the header says meanwhile: each word counts as it was loaded once.
        let HeaderMap { data_bytes, .. } = HeaderMap::open(&fd)?;
        let map = Self {
            region: Region::map(&fd, PACKET_DATA_OFFSET + data_bytes, false)?,
            data_bytes,
            access: PhantomData,
        };
        let circle = map.region.circle(PACKET_DATA_OFFSET, data_bytes);
        circle.ok_or(Errno::PROTO)?;
        Ok(map)
    }
}

impl<A: Access> PacketMap<A> {
    /// The header.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "both constructors map at least the header"
    )]
    pub fn header(&self) -> &PacketHeader<A> {
        self.region.words(0).expect("the header is mapped")
    }

    /// What writer and readers work on.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "both constructors checked that these parts are mapped"
    )]
    pub fn ring(&self) -> Ring<'_, Circle<'_>, A> {
        Ring {
            cursors: &self.header().cursors,
            descriptors: self
                .region
                .words(PACKET_HEADER_BYTES)
                .expect("the descriptors are mapped"),
            data: self
                .region
                .circle(PACKET_DATA_OFFSET, self.data_bytes)
                .expect("the circle is mapped"),
        }
    }

    /// Bytes of the payload circle: no packet is larger.
    #[must_use]
    pub fn data_bytes(&self) -> usize {
        self.data_bytes
    }
}

const _: () = assert!(
    PACKET_HEADER_BYTES + PACKET_DESCRIPTORS * size_of::<Descriptor>() <= PACKET_DATA_OFFSET,
    "header and descriptors lie before the payload"
);

/// The mapped header and descriptors of an engine's packet ring, for those who read no payload.
#[derive(Debug)]
pub struct HeaderMap {
    region: Region,
    data_bytes: usize,
}

impl HeaderMap {
    /// Maps header and descriptors read-only, and nothing else. Every size that the header states is checked.
    ///
    /// # Errors
    /// As `PacketMap::open`.
    pub fn open(fd: impl AsFd) -> Result<Self> {
        let size = allocated_size(&fd)?;
        if size < PACKET_DATA_OFFSET {
            return Err(Errno::PROTO);
        }
        let region = Region::map(&fd, PACKET_DATA_OFFSET, false)?;
        let mut map = Self {
            region,
            data_bytes: 0,
        };
        let header = map.header();
        let data_bytes = header.data_bytes.load(Relaxed);
        let right = header.magic.load(Acquire) == PACKET_MAGIC // pairs with the Release of `create`
            && fits(&map.region, &PACKET_CAPACITIES)
            && header.data_offset.load(Relaxed) == PACKET_DATA_OFFSET as u64
            && data_bytes <= u64::from(PACKET_RING_MAX)
            && data_bytes.is_power_of_two()
            && PACKET_DATA_OFFSET + data_bytes as usize <= size;
        if !right {
            return Err(Errno::PROTO);
        }
        map.data_bytes = data_bytes as usize;
        Ok(map)
    }

    /// The header.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the constructor maps the header")]
    pub fn header(&self) -> &PacketHeader<LoadOnly> {
        self.region.words(0).expect("the header is mapped")
    }
}

impl HeaderMap {
    /// The descriptors of the packets.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the constructor maps everything before the payload"
    )]
    pub fn descriptors(&self) -> &[Descriptor<LoadOnly>; PACKET_DESCRIPTORS] {
        let words = self.region.words(PACKET_HEADER_BYTES);
        words.expect("the descriptors are mapped")
    }
}

/// The size of an engine's memfd, provided that nobody can shrink it under us and that its memory exists: whoever maps a sparse one
/// pays for what it never was.
///
/// # Errors
/// `PERM` when it can shrink or is no memfd, `PROTO` when it is sparse.
pub fn allocated_size(fd: impl AsFd) -> Result<usize> {
    const BLOCK_BYTES: u64 = 512;
    let size = sealed_size(&fd).map_err(|_| Errno::PERM)?;
    let blocks = fstat(&fd)?.st_blocks as u64;
    if blocks.saturating_mul(BLOCK_BYTES) < size as u64 {
        return Err(Errno::PROTO);
    }
    Ok(size)
}

/// Whether a ring is divided as this code has it: version 1 would allow others, and no engine has made one.
fn fits(region: &Region, capacities: &[(u16, u32)]) -> bool {
    capacities.iter().all(|&(offset, value)| {
        let word = region.words::<Word32<LoadOnly>>(offset.into());
        word.is_some_and(|word| word.load(Relaxed) == value)
    })
}

/// Says how a new ring is divided.
fn stamp(region: &Region, capacities: &[(u16, u32)]) {
    for &(offset, value) in capacities {
        if let Some(word) = region.words::<Word32>(offset.into()) {
            word.store(value, Relaxed);
        }
    }
}

/// A failure to map a memfd that was just made.
fn not_mapped(errno: Errno) -> IoctlError {
    IoctlError::new(Call::MemfdMap, errno)
}

/// A mapped frame ring.
#[derive(Debug)]
pub struct FrameMap {
    region: Region,
}

impl FrameMap {
    /// A new frame ring, empty, with its memfd.
    ///
    /// # Errors
    /// Those of making and mapping a memfd.
    pub fn create() -> core::result::Result<(Self, OwnedFd), IoctlError> {
        let fd = sealed_memfd(c"framemill-frames", FRAME_RING_BYTES, SealFlags::SEAL)?;
        let map = Self {
            region: Region::map(&fd, FRAME_RING_BYTES, true).map_err(not_mapped)?,
        };
        map.region.touch();
        let ring = map.ring();
        stamp(&map.region, &FRAME_CAPACITIES);
        ring.magic.store(FRAME_MAGIC, Release); // pairs with the Acquire of `open`
        Ok((map, fd))
    }

    /// Maps an engine's frame ring.
    ///
    /// # Errors
    /// `PROTO` when it is no frame ring of this version; `PERM` when it could shrink under us; those of mmap(2).
    pub fn open(fd: impl AsFd) -> Result<Self> {
        if allocated_size(&fd)? != FRAME_RING_BYTES {
            return Err(Errno::PROTO);
        }
        let map = Self {
            region: Region::map(fd, FRAME_RING_BYTES, true)?,
        };
        let ring = map.ring();
        let right = ring.magic.load(Acquire) == FRAME_MAGIC // pairs with the Release of `create`
            && fits(&map.region, &FRAME_CAPACITIES);
        if right { Ok(map) } else { Err(Errno::PROTO) }
    }

    /// The ring's words.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "both constructors map a whole frame ring"
    )]
    pub fn ring(&self) -> &FrameRing {
        self.region.words(0).expect("the frame ring is mapped")
    }
}
