//! A world without an engine: tests make the calls on its devices themselves, the same that the engine makes.
//!
//! Knows how buffers are queued, dequeued and mapped. Knows no device's purpose.

use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::clock;
use super::faults::Faults;
use super::kernel::Kernel;
use super::natures::node;
use super::node::{Kind, Node};
use super::random::Random;
use super::world;
use crate::media::fourcc::Fourcc;
use crate::shm::region::Region;
use crate::time::MS;
use crate::v4l2::abi::{BufferType, Format, Memory, SEL_TGT_COMPOSE};
use crate::v4l2::ioctl::{self, Buffer, Dequeued};

/// Paths of the nodes, in their order.
const PATHS: [&core::ffi::CStr; 3] = [c"/dev/video0", c"/dev/video1", c"/dev/video2"];

/// Begins a world with these devices, and opens each.
pub(super) fn open(kinds: Vec<Kind>) -> Vec<OwnedFd> {
    let mut random = Random::new(1);
    let nodes: Vec<Node> = PATHS
        .into_iter()
        .zip(kinds)
        .map(|(path, kind)| Node {
            call_ns: 0,
            ..node(path, kind, &mut random)
        })
        .collect();
    let count = nodes.len();
    let kernel = Kernel::new(nodes, Faults::default(), random, true);
    world::install(kernel);
    let opened = PATHS.into_iter().take(count);
    opened
        .map(|path| super::open(path).unwrap().unwrap())
        .collect()
}

/// Ends the world. Gives what was wrong with the calls.
pub(super) fn close() -> Option<String> {
    let kernel = world::take();
    clock::forget();
    kernel.and_then(|kernel| kernel.shared.violation)
}

/// Lets the devices work for so long.
pub(super) fn pass(ms: u64) {
    let end = clock::now().unwrap() + ms * MS;
    loop {
        let next = world::with(|kernel| {
            kernel.step();
            kernel.next()
        });
        let next = next.unwrap_or(u64::MAX);
        if next > end {
            break;
        }
        clock::set(next);
    }
    clock::set(end);
}

/// poll(2) for these.
pub(super) fn poll(fd: &OwnedFd, wanted: PollFlags) -> bool {
    world::with(|kernel| {
        let file = kernel.file(fd.as_fd()).unwrap();
        kernel.poll(file, wanted)
    })
    .unwrap()
}

/// S_FMT in a size.
pub(super) fn set(fd: &OwnedFd, queue: BufferType, fourcc: Fourcc, size: (u32, u32)) -> Format {
    let mut format = Format::new(queue);
    format.set_pixelformat(fourcc);
    format.set_size(size.0, size.1);
    ioctl::s_fmt(fd, &format).unwrap()
}

/// G_SELECTION: the visible part of the frames.
pub(super) fn visible(fd: &OwnedFd) -> (u32, u32) {
    let queue = BufferType::VideoCaptureMplane;
    let rect = ioctl::g_selection(fd, queue, SEL_TGT_COMPOSE).unwrap();
    (rect.width, rect.height)
}

/// A queue of the device's own buffers, mapped.
#[derive(Debug)]
pub(super) struct Mapped<'a> {
    fd: BorrowedFd<'a>,
    queue: BufferType,
    pub(super) regions: Vec<Region>,
}

impl<'a> Mapped<'a> {
    pub(super) fn new(fd: &'a OwnedFd, queue: BufferType, count: u32) -> Self {
        let granted = ioctl::reqbufs(fd, queue, Memory::Mmap, count)
            .unwrap()
            .count;
        let map = |index| {
            let buffer = ioctl::querybuf(fd, queue, Memory::Mmap, index).unwrap();
            let (offset, length) = (buffer.mem_offset(0), buffer.length(0));
            Region::map_at(fd, offset.into(), length as usize, true).unwrap()
        };
        Self {
            fd: fd.as_fd(),
            queue,
            regions: (0..granted).map(map).collect(),
        }
    }

    /// Queues a buffer with these bytes in it.
    pub(super) fn put(&self, index: u32, bytes: &[u8], micros: u64) -> ioctl::Result<()> {
        assert!(self.regions[index as usize].bytes().copy_in(0, bytes));
        let mut buffer = Buffer::new(self.queue, Memory::Mmap, index);
        buffer.set_bytesused(0, bytes.len() as u32);
        buffer.set_timestamp(micros);
        ioctl::qbuf(self.fd, &mut buffer)
    }

    /// What is in a buffer.
    pub(super) fn read(&self, index: u32, length: u32) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        assert!(self.regions[index as usize].bytes().copy_out(0, &mut bytes));
        bytes
    }

    /// The next one that is done.
    pub(super) fn take(&self) -> Result<Buffer, Errno> {
        take(self.fd, self.queue, Memory::Mmap)
    }
}

/// DQBUF.
pub(super) fn take(fd: impl AsFd, queue: BufferType, memory: Memory) -> Result<Buffer, Errno> {
    let mut buffer = Buffer::new(queue, memory, 0);
    match ioctl::dqbuf(fd, &mut buffer) {
        Ok(Dequeued::Buffer) => Ok(buffer),
        Ok(Dequeued::Nothing) => Err(Errno::AGAIN),
        Ok(Dequeued::Drained) => Err(Errno::PIPE),
        Err(error) => Err(error.errno),
    }
}
