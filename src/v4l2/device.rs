//! Device nodes: opening one, telling an encoder from anything else, finding one that does the job.
//!
//! Knows what a node says of itself. Changes nothing on a device: a scan disturbs nobody who uses it.

use core::ffi::CStr;
use core::fmt::Write;

use heapless::String;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::abi::{
    Api, BufferType, CAP_STREAMING, CAP_VIDEO_M2M, CAP_VIDEO_M2M_MPLANE, Capability, FmtDesc, Queue,
};
use super::ioctl;
use super::quirks::{self, Quirks};
use crate::errno::call::{Call, IoctlError};
use crate::limits::{DEVICE_NODES, FORMATS};
use crate::media::fourcc::Fourcc;
use crate::text::Escaped;

/// An open memory-to-memory device.
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
    /// What QUERYCAP said.
    pub capability: Capability,
    /// Which of the two buffer APIs it speaks.
    pub api: Api,
    /// What its driver must be spared.
    pub quirks: &'static Quirks,
}

/// Why a node is no use.
#[derive(Clone, Copy, Debug)]
pub enum NotUsable {
    /// A call failed; of `Call::Open`, the node may not be there (yet).
    Call(IoctlError),
    /// It is no memory-to-memory device with streaming I/O; a camera, for example.
    NotM2m(Capability),
}

impl From<IoctlError> for NotUsable {
    fn from(error: IoctlError) -> Self {
        Self::Call(error)
    }
}

/// Opens a node, non-blocking, and asks what it is.
#[inline(never)]
pub(super) fn open_node(path: &CStr) -> Result<(OwnedFd, Capability), IoctlError> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // By openat(2) on each architecture, as the sandbox allows.
    let open = || openat(CWD, path, flags, Mode::empty());
    #[cfg(test)]
    let open = || crate::simulation::open(path).unwrap_or_else(open);
    let fd = open().map_err(|errno| IoctlError::new(Call::Open, errno))?;
    let capability = ioctl::querycap(fd.as_fd())?;
    Ok((fd, capability))
}

impl Device {
    /// Opens a node, non-blocking, and asks what it is.
    ///
    /// # Errors
    /// When it cannot be opened, or is no memory-to-memory device.
    pub fn open(path: &CStr) -> Result<Self, NotUsable> {
        let (fd, capability) = open_node(path)?;
        let api = api_of(capability.node_caps()).ok_or(NotUsable::NotM2m(capability))?;
        Ok(Self {
            fd,
            capability,
            api,
            quirks: quirks::of(capability.driver_name()),
        })
    }

    /// The buffer type of one of the two queues.
    #[must_use]
    pub fn queue(&self, queue: Queue) -> BufferType {
        BufferType::new(queue, self.api)
    }

    /// Its descriptor, for whoever knows what it is.
    pub(super) fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The formats of a queue, in the driver's order; bounded, whatever the driver says. Ends at the first refusal.
    pub fn formats(&self, queue: Queue) -> impl Iterator<Item = FmtDesc> {
        let buffer_type = self.queue(queue);
        (0..FORMATS).map_while(move |index| {
            ioctl::enum_fmt(self.as_fd(), buffer_type, index)
                .ok()
                .flatten()
        })
    }

    /// Whether it takes `raw` on its OUTPUT queue and gives `coded` on its CAPTURE queue.
    #[must_use]
    pub fn encodes(&self, raw: Fourcc, coded: Fourcc) -> bool {
        self.formats(Queue::Output)
            .any(|format| format.pixelformat == raw)
            && self.gives(coded)
    }

    /// Whether it gives this format on its CAPTURE queue.
    #[must_use]
    pub fn gives(&self, format: Fourcc) -> bool {
        self.formats(Queue::Capture)
            .any(|one| one.pixelformat == format)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Which API a node with these capabilities speaks as a memory-to-memory device. CAPTURE and OUTPUT at once are none: such a node
/// (v4l2loopback) is two devices under one name, which have one queue each.
fn api_of(caps: u32) -> Option<Api> {
    let has = |bits| caps & bits == bits;
    if !has(CAP_STREAMING) {
        return None;
    }
    if has(CAP_VIDEO_M2M_MPLANE) {
        return Some(Api::Multi);
    }
    has(CAP_VIDEO_M2M).then_some(Api::Single)
}

/// The path of a node. What is shown of it is made of it each time, and never the other way round: text is cut and escaped, and
/// would be another file's path.
#[derive(Clone, Debug)]
pub enum NodePath<'a> {
    /// As the user gave it.
    Given(&'a CStr),
    /// Found by a scan: `/dev/videoN`, with its NUL.
    Scanned(String<16>),
}

impl NodePath<'_> {
    /// The path, to open it.
    #[must_use]
    pub fn as_c_str(&self) -> &CStr {
        match self {
            Self::Given(path) => path,
            Self::Scanned(path) => CStr::from_bytes_until_nul(path.as_bytes()).unwrap_or_default(),
        }
    }

    /// The path for a message.
    #[must_use]
    pub fn shown(&self) -> Escaped<'_> {
        Escaped(self.as_c_str().to_bytes())
    }
}

/// The nodes that are there and what they are, in the order of their numbers; those that do not exist are passed over.
pub fn scan() -> impl Iterator<Item = (NodePath<'static>, Result<Device, NotUsable>)> {
    scan_with(Device::open)
}

/// The same, with each node opened by `open`.
pub fn scan_with<T>(
    open: fn(&CStr) -> Result<T, NotUsable>,
) -> impl Iterator<Item = (NodePath<'static>, Result<T, NotUsable>)> {
    let mut number = 0;
    core::iter::from_fn(move || next_node(&mut number, open))
}

fn next_node<T>(
    number: &mut u32,
    open: fn(&CStr) -> Result<T, NotUsable>,
) -> Option<(NodePath<'static>, Result<T, NotUsable>)> {
    while *number < DEVICE_NODES {
        let path = scanned(*number);
        *number += 1;
        let device = open(path.as_c_str());
        let absent = matches!(&device, Err(NotUsable::Call(error)) if error.errno == Errno::NOENT);
        if !absent {
            return Some((path, device));
        }
    }
    None
}

/// The path of the node of this number, below `DEVICE_NODES`.
fn scanned(number: u32) -> NodePath<'static> {
    let mut path = String::new();
    // It fits, the NUL too.
    let _ = write!(path, "/dev/video{number}\0");
    NodePath::Scanned(path)
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::v4l2::abi::{
        CAP_VIDEO_CAPTURE, CAP_VIDEO_CAPTURE_MPLANE, CAP_VIDEO_OUTPUT, CAP_VIDEO_OUTPUT_MPLANE,
    };

    #[test]
    fn a_path_is_opened_whole_whatever_is_shown_of_it() {
        let long = std::format!("/{}/my dev/video11", "d".repeat(200));
        let given = std::ffi::CString::new(long.clone()).unwrap();
        let path = NodePath::Given(&given);
        assert_eq!(path.as_c_str(), &*given);
        assert_eq!(path.shown().to_string(), long);
        let last = scanned(DEVICE_NODES - 1);
        assert_eq!(last.as_c_str(), c"/dev/video255");
        assert_eq!(last.shown().to_string(), "/dev/video255");
    }

    #[test]
    fn only_streaming_devices_that_say_so_are_memory_to_memory() {
        assert_eq!(api_of(0x0420_4000), Some(Api::Multi)); // bcm2835-codec
        assert_eq!(api_of(CAP_STREAMING | CAP_VIDEO_M2M), Some(Api::Single)); // vicodec
        assert_eq!(api_of(CAP_STREAMING | CAP_VIDEO_CAPTURE), None); // a camera
        // v4l2loopback, which takes a writer and a reader
        let both = CAP_VIDEO_CAPTURE | CAP_VIDEO_OUTPUT;
        assert_eq!(api_of(CAP_STREAMING | both), None);
        let both = CAP_VIDEO_CAPTURE_MPLANE | CAP_VIDEO_OUTPUT_MPLANE;
        assert_eq!(api_of(CAP_STREAMING | both), None);
        assert_eq!(api_of(CAP_VIDEO_M2M), None);
    }
}
