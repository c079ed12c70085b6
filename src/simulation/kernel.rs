//! The simulated kernel: device nodes, open files, the calls on them, and what it saw the engine do.

use core::any::Any;
use core::ffi::CStr;

use rustix::event::PollFlags;
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, Result};
use std::format;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use super::camera::{Camera, CameraNature};
use super::clock;
use super::device::Device;
use super::faults::{self, Faults, OPEN};
use super::memory::{Handle, inode, watched};
use super::node::{Kind, Node, describe};
use super::queue::{Queue, Slot};
use super::random::Random;
use super::shared::{Place, Shared};
use crate::limits::CODED_INSIDE;
use crate::v4l2::abi::{self, Capability, ExtControl, Plane};

#[derive(Debug)]
struct File {
    node: usize,
    handle: Handle,
    /// The descriptor's number, as long as nobody puts another one in its place.
    number: i32,
    /// Where its memory ends, bytes.
    space: u64,
    device: Device,
    /// The device was taken away.
    gone: bool,
}

/// The buffers that its driver reads or fills: queue and index of each. One that does not stream looks at them only.
fn held(file: &File) -> impl Iterator<Item = ((u32, u32), &Slot)> {
    let queues = file.device.queues().into_iter();
    let running = queues.filter(|queue| queue.streaming && !queue.lied);
    running.flat_map(Queue::held)
}

/// The kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) nodes: Vec<Node>,
    files: Vec<File>,
    pub(super) faults: Faults,
    random: Random,
    pub(super) free_memory: u64,
    pub(super) signals: Option<OwnedFd>,
    /// Shared memory that the engine made.
    made: Vec<(String, Handle)>,
    /// A descriptor of the packet ring.
    pub(super) packets: Option<OwnedFd>,
    pub(super) shared: Shared,
    /// Calls on devices since the engine last waited, and all of them.
    pub(super) calls_in_turn: u32,
    pub(super) calls: u64,
    /// When a node was opened, or could not be, virtual ns.
    pub(super) opens: Vec<u64>,
    /// Whether a queue was set up or started since then.
    pub(super) set_up_in_turn: bool,
    /// What calls took, ns.
    pub(super) spent_ns: u64,
    /// The last line of the log.
    pub(super) last_line: String,
}

impl Kernel {
    pub(super) fn new(nodes: Vec<Node>, faults: Faults, random: Random, traces: bool) -> Self {
        Self {
            nodes,
            files: Vec::new(),
            faults,
            random,
            free_memory: 1 << 30,
            signals: None,
            made: Vec::new(),
            packets: None,
            shared: Shared {
                trace: traces.then(Vec::new),
                ..Shared::default()
            },
            calls_in_turn: 0,
            calls: 0,
            opens: Vec::new(),
            set_up_in_turn: false,
            spent_ns: 0,
            last_line: String::new(),
        }
    }

    pub(super) fn open(&mut self, path: &CStr) -> Result<OwnedFd> {
        let at = self.nodes.iter().position(|node| node.path == path);
        let at = at.ok_or(Errno::NOENT)?;
        self.spend(self.nodes[at].call_ns);
        let node = &self.nodes[at];
        let now = self.shared.now();
        self.opens.push(now);
        let struck = self.faults.strike(at, OPEN, now);
        if let Some(errno) = struck {
            self.shared.liberties.faulted(errno);
        }
        let refused = struck.or(node.absent);
        self.shared
            .trace(format_args!("open {path:?}: {refused:?}"));
        if let Some(errno) = refused {
            return Err(errno);
        }
        self.files.retain(|file| !file.handle.is_released());
        let (fd, handle) = watched(0);
        let mut device = Device::new(&node.kind, self.random.fork(), node.signal);
        if let Device::Camera(camera) = &mut device {
            camera.show(node.shows);
        }
        self.files.push(File {
            node: at,
            handle,
            number: fd.as_raw_fd(),
            space: 0,
            device,
            gone: false,
        });
        Ok(fd)
    }

    /// `None` when the descriptor is none of the world's.
    pub(super) fn ioctl(
        &mut self,
        fd: BorrowedFd<'_>,
        number: u32,
        argument: &mut dyn Any,
        planes: &mut [Plane],
        control: Option<&mut ExtControl>,
    ) -> Option<Result<()>> {
        let inode = inode(fd);
        let Some(at) = self
            .files
            .iter()
            .position(|file| file.handle.inode == inode)
        else {
            let dmabuf = self.shared.dmabufs.contains(&inode);
            return dmabuf.then_some(Ok(()));
        };
        self.calls += 1;
        self.calls_in_turn += 1;
        let node = &self.nodes[self.files[at].node];
        let streams = matches!(number, abi::VIDIOC_STREAMON | abi::VIDIOC_STREAMOFF);
        self.set_up_in_turn |= streams || number == abi::VIDIOC_REQBUFS;
        self.spend(if streams {
            node.stream_ns
        } else {
            node.call_ns
        });
        let file = &mut self.files[at];
        let now = self.shared.now();
        let mut answer = Ok(());
        if file.gone {
            answer = Err(Errno::NODEV);
        } else if let Some(errno) = self.faults.strike(file.node, number, now) {
            self.shared.liberties.faulted(errno);
            self.shared.trace(format_args!(
                "fault: {} fails with {errno:?}",
                faults::name(number)
            ));
            answer = Err(errno);
        } else if let Some(capability) = argument.downcast_mut::<Capability>() {
            describe(&self.nodes[file.node].kind, capability);
        } else {
            let place = &mut Place {
                handle: &file.handle,
                space: &mut file.space,
            };
            let shared = &mut self.shared;
            let device = &mut file.device;
            answer = device.ioctl(number, argument, planes, control, place, shared);
        }
        if answer != Err(Errno::AGAIN) && !matches!(number, abi::VIDIOC_QUERY_EXT_CTRL) {
            let node = self.files[at].node;
            let buffer = argument.downcast_ref::<abi::RawBuffer>();
            let index = buffer.map(|buffer| (buffer.type_, buffer.index));
            self.shared.trace(format_args!(
                "{} of node {node} {index:?}: {answer:?}",
                faults::name(number)
            ));
        }
        if matches!(number, abi::VIDIOC_QBUF | abi::VIDIOC_STREAMON) {
            self.check_holders(at);
        }
        if number == abi::VIDIOC_STREAMON {
            self.check_rows(at);
        }
        Some(answer)
    }

    /// Memory that the driver of a file has is no other driver's, and no two buffers'.
    fn check_holders(&mut self, at: usize) {
        let mine: Vec<_> = held(&self.files[at]).collect();
        for (of, file) in self.files.iter().enumerate().filter(|(_, file)| !file.gone) {
            for (place, slot) in held(file) {
                let same = |other: &(u32, u32)| of == at && *other == place;
                let mut mine = mine.iter().filter(|(other, _)| !same(other));
                let twice = mine.find(|(_, other)| other.is_memory_of(slot));
                if let Some((other, _)) = twice
                    && !file.handle.is_released()
                {
                    let (node, second) = (self.files[at].node, file.node);
                    self.shared.violated(format_args!(
                        "{other:?} of node {node} is the memory of {place:?} of node {second}: both drivers have it"
                    ));
                    return;
                }
            }
        }
    }

    /// Whoever shares memory has the rows in the same places.
    fn check_rows(&mut self, at: usize) {
        let shared = |one: &Queue, other: &Queue| {
            let is_one_of = |slot: &Slot| other.slots.iter().any(|other| other.is_memory_of(slot));
            one.slots.iter().any(is_one_of)
        };
        for (of, file) in self.files.iter().enumerate() {
            if of == at || file.gone || file.handle.is_released() {
                continue;
            }
            for (mine, my_rows) in self.files[at].device.rows() {
                for (other, rows) in file.device.rows() {
                    if !my_rows.lies_as(rows) && shared(mine, other) {
                        let text = format!("{my_rows:?} in the memory of {rows:?}");
                        return self.shared.violated(format_args!("{text}"));
                    }
                }
            }
        }
    }

    /// What was taken from a camera is counted, or inside a decoder.
    pub(super) fn check_counted(&mut self, committed: u64) {
        let decodes = |node: &Node| matches!(node.kind, Kind::Decoder(_));
        let most = match self.nodes.iter().any(decodes) {
            true => CODED_INSIDE as u64,
            false => 0,
        };
        let taken = self.shared.frames.dequeued;
        if taken < committed || taken - committed > most {
            self.shared.violated(format_args!(
                "{taken} frames were taken from the camera, {committed} frames counted"
            ));
        }
    }

    fn spend(&mut self, ns: u64) {
        self.spent_ns += ns;
        clock::advance(ns);
    }

    /// Which open file a descriptor is of; `None` when it is none of the world's.
    pub(super) fn file(&self, fd: BorrowedFd<'_>) -> Option<usize> {
        let number = fd.as_raw_fd();
        // Most descriptors are not asked for their inode.
        let known = self.files.iter().any(|file| file.number == number);
        let inode = known.then(|| inode(fd))?;
        let mut files = self.files.iter();
        files.position(|file| file.number == number && file.handle.inode == inode)
    }

    /// poll(2) of an open file.
    pub(super) fn poll(&self, file: usize, wanted: PollFlags) -> bool {
        let file = &self.files[file];
        let node = &self.nodes[file.node];
        if file.gone || node.poll_error_until > self.shared.now() {
            return true;
        }
        file.device.ready(wanted)
    }

    /// Devices do what is due.
    pub(super) fn step(&mut self) {
        let now = self.shared.now();
        for file in &mut self.files {
            if file.gone || self.nodes[file.node].hangs_until > now {
                continue;
            }
            file.device.step(&mut self.shared);
        }
    }

    /// When a device has something to do next, virtual ns.
    pub(super) fn next(&self) -> u64 {
        let now = self.shared.now();
        let times = self.files.iter().filter_map(|file| {
            let hangs = self.nodes[file.node].hangs_until;
            if file.gone {
                return None;
            }
            if hangs > now {
                return Some(hangs);
            }
            file.device.next(now)
        });
        times.min().unwrap_or(u64::MAX)
    }

    /// Takes a device away.
    pub(super) fn remove(&mut self, node: usize) {
        self.nodes[node].absent = Some(Errno::NOENT);
        self.shared.liberties.removed = true;
        for file in self.files.iter_mut().filter(|file| file.node == node) {
            file.gone = true;
        }
    }

    /// Puts another camera in the place of the one that was taken away.
    pub(super) fn replace(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        node.absent = None;
        if let Kind::Camera(nature) = &mut node.kind {
            let other: &[u8] = b"Another camera";
            let card = if nature.card == other {
                b"Simulated camera"
            } else {
                other
            };
            *nature = Rc::new(CameraNature { card, ..**nature });
        }
    }

    /// Cameras of a node do something of their own accord.
    pub(super) fn with_cameras(&mut self, node: usize, mut act: impl FnMut(&mut Camera)) {
        for file in self.files.iter_mut().filter(|file| file.node == node) {
            if let Device::Camera(camera) = &mut file.device {
                act(camera);
            }
        }
    }

    /// Whether the driver of an open encoder has a slot.
    pub(super) fn encoder_holds(&self, slot: u32) -> bool {
        self.files.iter().any(|file| match &file.device {
            Device::Encoder(encoder) => {
                let holds = !file.gone && encoder.holds(slot) && !encoder.output.lied;
                holds && !file.handle.is_released()
            }
            _ => false,
        })
    }

    /// CAPTURE buffers that the engine keeps, though it waits.
    pub(super) fn captures_missing(&self) -> usize {
        let missing = self.files.iter().map(|file| match &file.device {
            Device::Encoder(encoder) if !file.gone => match encoder.captures_missing() {
                0 => 0,
                // The engine may have closed it.
                _ if file.handle.is_released() => 0,
                missing => missing,
            },
            _ => 0,
        });
        missing.sum()
    }

    /// How many queues stream.
    pub(super) fn streaming(&self) -> usize {
        let here = |file: &&File| !file.gone && !file.handle.is_released();
        let queues = self.files.iter().filter(here).map(|file| {
            let queues = file.device.queues().into_iter();
            queues.filter(|queue| queue.streaming).count()
        });
        queues.sum()
    }

    pub(super) fn made(&mut self, name: &CStr, fd: &OwnedFd) {
        let name = name.to_string_lossy().into_owned();
        if name == "framemill-packets" {
            // Not a copy of the description, which would look like a leak.
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            self.packets = open(&*path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok();
        }
        self.made.push((name, Handle::of(fd)));
    }

    pub(super) fn logged(&mut self, line: String) {
        self.shared.trace(format_args!("log: {line}"));
        // The last line of all says nothing of the cause.
        if !line.starts_with("ended:") {
            self.last_line = line;
        }
    }

    /// A producer made memory to offer it.
    pub(super) fn offered(&mut self, handle: Handle) {
        self.shared.dmabufs.insert(handle.inode);
        self.made.push(("a producer's memory".into(), handle));
    }

    /// What somebody still has after the engine's end.
    pub(super) fn leaks(&self) -> Vec<String> {
        let files = self.files.iter().filter(|file| !file.handle.is_released());
        let files = files.map(|file| format!("node {}", file.node));
        let made = self.made.iter().filter(|(_, handle)| !handle.is_released());
        files.chain(made.map(|(name, _)| name.clone())).collect()
    }

    pub(super) fn take_trace(&mut self) -> Vec<String> {
        self.shared.trace.take().unwrap_or_default()
    }
}
