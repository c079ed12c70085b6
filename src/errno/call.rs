//! What an errno means of one call, in the one place where that is said.
//!
//! Knows the names of the calls on devices and shared memory, and the cause that a user can act on. What an errno means whatever the
//! call is in `name`.

use core::fmt;

use rustix::io::Errno;

use crate::errno::name::Named;
use crate::errno::name::cause;
use crate::text::Escaped;

/// A call on a device, for sentences about its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Call {
    /// `open` of a device node.
    Open,
    /// `mmap` of a buffer.
    Mmap,
    /// `VIDIOC_QUERYCAP`
    QueryCap,
    /// `VIDIOC_ENUM_FMT`
    EnumFmt,
    /// `VIDIOC_ENUM_FRAMESIZES`
    EnumFrameSizes,
    /// `VIDIOC_G_FMT`
    GFmt,
    /// `VIDIOC_S_FMT`
    SFmt,
    /// `VIDIOC_G_PARM`
    GParm,
    /// `VIDIOC_S_PARM`
    SParm,
    /// `VIDIOC_S_SELECTION`
    SSelection,
    /// `VIDIOC_QUERY_EXT_CTRL`
    QueryExtCtrl,
    /// `VIDIOC_QUERYMENU`
    QueryMenu,
    /// `VIDIOC_G_EXT_CTRLS`
    GExtCtrls,
    /// `VIDIOC_S_EXT_CTRLS`, refused before the device was asked.
    SExtCtrls,
    /// `VIDIOC_S_EXT_CTRLS`, refused by the device itself.
    SExtCtrlsApply,
    /// `VIDIOC_REQBUFS`
    ReqBufs,
    /// `VIDIOC_REQBUFS` with `V4L2_MEMORY_DMABUF`.
    ReqBufsDmabuf,
    /// `VIDIOC_QUERYBUF`
    QueryBuf,
    /// `VIDIOC_EXPBUF`
    ExpBuf,
    /// `VIDIOC_QBUF`
    QBuf,
    /// `VIDIOC_DQBUF`
    DqBuf,
    /// `VIDIOC_STREAMON`
    StreamOn,
    /// `VIDIOC_STREAMOFF`
    StreamOff,
    /// `VIDIOC_ENCODER_CMD`
    EncoderCmd,
    /// `VIDIOC_DECODER_CMD`
    DecoderCmd,
    /// `VIDIOC_G_SELECTION`
    GSelection,
    /// `VIDIOC_SUBSCRIBE_EVENT`
    SubscribeEvent,
    /// `VIDIOC_DQEVENT`
    DqEvent,
    /// `DMA_BUF_IOCTL_SYNC`
    DmaBufSync,
    /// `DMA_HEAP_IOCTL_ALLOC`
    DmaHeapAlloc,
    /// `VIDIOC_PREPARE_BUF`
    PrepareBuf,
    /// `UDMABUF_CREATE`
    UdmabufCreate,
    /// `VIDIOC_REQBUFS` of a camera.
    ReqBufsCamera,
    /// `VIDIOC_QUERY_DV_TIMINGS`
    QueryDvTimings,
    /// `VIDIOC_S_DV_TIMINGS`
    SDvTimings,
    /// `VIDIOC_G_EDID`
    GEdid,
    /// `VIDIOC_S_EDID`
    SEdid,
    /// `VIDIOC_G_INPUT`
    GInput,
    /// `VIDIOC_CROPCAP`
    CropCap,
    /// `memfd_create`
    MemfdCreate,
    /// `ftruncate` of a memfd.
    MemfdSize,
    /// `fcntl(F_ADD_SEALS)` of a memfd.
    MemfdSeal,
    /// `mmap` of a memfd.
    MemfdMap,
    /// `poll`, which reports something for ever while there is nothing to dequeue.
    Poll,
    /// No call: a look at a camera's frame.
    Frame,
    /// No call: a look at how much memory is free.
    FreeMemory,
}

impl Call {
    /// The name that the kernel's headers and manuals have for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mmap | Self::MemfdMap => "mmap",
            Self::QueryCap => "VIDIOC_QUERYCAP",
            Self::EnumFmt => "VIDIOC_ENUM_FMT",
            Self::EnumFrameSizes => "VIDIOC_ENUM_FRAMESIZES",
            Self::GFmt => "VIDIOC_G_FMT",
            Self::SFmt => "VIDIOC_S_FMT",
            Self::GParm => "VIDIOC_G_PARM",
            Self::SParm => "VIDIOC_S_PARM",
            Self::SSelection => "VIDIOC_S_SELECTION",
            Self::QueryExtCtrl => "VIDIOC_QUERY_EXT_CTRL",
            Self::QueryMenu => "VIDIOC_QUERYMENU",
            Self::GExtCtrls => "VIDIOC_G_EXT_CTRLS",
            Self::SExtCtrls | Self::SExtCtrlsApply => "VIDIOC_S_EXT_CTRLS",
            Self::ReqBufs | Self::ReqBufsDmabuf | Self::ReqBufsCamera => "VIDIOC_REQBUFS",
            Self::QueryBuf => "VIDIOC_QUERYBUF",
            Self::ExpBuf => "VIDIOC_EXPBUF",
            Self::QBuf => "VIDIOC_QBUF",
            Self::DqBuf => "VIDIOC_DQBUF",
            Self::StreamOn => "VIDIOC_STREAMON",
            Self::StreamOff => "VIDIOC_STREAMOFF",
            Self::EncoderCmd => "VIDIOC_ENCODER_CMD",
            Self::DecoderCmd => "VIDIOC_DECODER_CMD",
            Self::GSelection => "VIDIOC_G_SELECTION",
            Self::SubscribeEvent => "VIDIOC_SUBSCRIBE_EVENT",
            Self::DqEvent => "VIDIOC_DQEVENT",
            Self::DmaBufSync => "DMA_BUF_IOCTL_SYNC",
            Self::DmaHeapAlloc => "DMA_HEAP_IOCTL_ALLOC",
            Self::PrepareBuf => "VIDIOC_PREPARE_BUF",
            Self::UdmabufCreate => "UDMABUF_CREATE",
            Self::QueryDvTimings => "VIDIOC_QUERY_DV_TIMINGS",
            Self::SDvTimings => "VIDIOC_S_DV_TIMINGS",
            Self::GEdid => "VIDIOC_G_EDID",
            Self::SEdid => "VIDIOC_S_EDID",
            Self::GInput => "VIDIOC_G_INPUT",
            Self::CropCap => "VIDIOC_CROPCAP",
            Self::FreeMemory => "free memory",
            Self::Frame => "frames",
            Self::MemfdCreate => "memfd_create",
            Self::Poll => "poll",
            Self::MemfdSize => "ftruncate",
            Self::MemfdSeal => "fcntl(F_ADD_SEALS)",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The likely cause, in words that tell what to do about it; empty when the errno says it all.
#[must_use]
pub fn meaning(call: Call, errno: Errno) -> &'static str {
    let rows = CAUSES.iter();
    let mut fitting = rows.filter(|row| row.1 == errno && row.0.is_none_or(|only| only == call));
    fitting.next().map_or_else(|| cause(errno), |row| row.2)
}

/// Causes by call (any, where none is named) and errno; the first row that fits is meant.
const CAUSES: &[(Option<Call>, Errno, &str)] = &[
    (
        Some(Call::Open),
        Errno::NOENT,
        "no such device node: is the driver loaded?",
    ),
    (
        Some(Call::Open),
        Errno::ACCESS,
        "no permission: be root or in group video",
    ),
    (
        Some(Call::Open),
        Errno::PERM,
        "not permitted: a container has to be given the device",
    ),
    (
        Some(Call::SExtCtrls),
        Errno::BUSY,
        "the driver does not change this now",
    ),
    (
        Some(Call::SExtCtrlsApply),
        Errno::BUSY,
        "the driver does not change this now",
    ),
    (
        Some(Call::SEdid),
        Errno::INVAL,
        "this input shows no EDID: leave --edid out, or choose the HDMI input (v4l2-ctl --set-input)",
    ),
    (
        Some(Call::SEdid),
        Errno::NOTTY,
        "it shows no EDID: leave --edid out",
    ),
    (
        Some(Call::SEdid),
        Errno::TOOBIG,
        "the device has no room for so many blocks",
    ),
    (None, Errno::BUSY, "another program uses the device"),
    (
        Some(Call::Mmap),
        Errno::AGAIN,
        "more memory than may be locked: raise ulimit -l (systemd: LimitMEMLOCK)",
    ),
    (
        Some(Call::MemfdMap),
        Errno::AGAIN,
        "more memory than may be locked: raise ulimit -l (systemd: LimitMEMLOCK)",
    ),
    (
        Some(Call::FreeMemory),
        Errno::NOMEM,
        "less is free than this takes",
    ),
    (Some(Call::MemfdCreate), Errno::NOMEM, "out of memory"),
    (Some(Call::MemfdSize), Errno::NOMEM, "out of memory"),
    (Some(Call::MemfdMap), Errno::NOMEM, "out of memory"),
    (
        Some(Call::QueryCap),
        Errno::NOTTY,
        "this is not a V4L2 device",
    ),
    (
        Some(Call::SExtCtrls),
        Errno::RANGE,
        "the value is outside the control's range",
    ),
    (
        Some(Call::SExtCtrlsApply),
        Errno::INVAL,
        "the device refuses this together with its other settings",
    ),
    (
        Some(Call::ReqBufs),
        Errno::INVAL,
        "the device has no room for another encoder",
    ),
    (
        None,
        Errno::NOMEM,
        "out of memory; for a device's buffers raise cma= or use fewer slots",
    ),
    (
        Some(Call::ExpBuf),
        Errno::INVAL,
        "the driver cannot export this buffer",
    ),
    (
        Some(Call::StreamOn),
        Errno::SRCH,
        "the firmware refuses this combination of level, size, rate and bitrate",
    ),
    (
        Some(Call::DqBuf),
        Errno::NODATA,
        "an empty buffer marked with an error: its transfer failed",
    ),
    (Some(Call::DqBuf), Errno::PROTO, "not the buffer agreed on"),
    (
        Some(Call::GFmt),
        Errno::PROTO,
        "its frames lie otherwise than agreed on",
    ),
    (Some(Call::Poll), Errno::TIMEDOUT, "no frame came in time"),
    (
        Some(Call::Frame),
        Errno::PROTO,
        "of another size or kind than agreed on",
    ),
    (None, Errno::NOTTY, "the driver does not have this call"),
    (
        Some(Call::QueryCap),
        Errno::NODEV,
        "another device is there",
    ),
    (
        None,
        Errno::NODEV,
        "the device is gone, or its driver gave up",
    ),
    (None, Errno::IO, "the device or its firmware failed"),
    (
        None,
        Errno::NOLINK,
        "there is no signal: no cable, or a source that waits for the bridge's EDID (v4l2-ctl --set-edid)",
    ),
    (
        None,
        Errno::NOLCK,
        "the signal is not stable: a bad cable, or a source that changes its mode",
    ),
    (
        Some(Call::QueryDvTimings),
        Errno::RANGE,
        "the signal is out of range: the bridge's EDID can keep the source from it",
    ),
];

/// A call on a device that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct IoctlError {
    /// Which call.
    pub call: Call,
    /// What the kernel said.
    pub errno: Errno,
}

impl IoctlError {
    /// A failure of a call.
    pub const fn new(call: Call, errno: Errno) -> Self {
        Self { call, errno }
    }

    /// The failure with the object that it happened to, for a sentence: the device of this path, or shared memory.
    #[must_use]
    pub fn at(self, device: Escaped<'_>) -> FailureAt<'_> {
        FailureAt(self, device)
    }

    /// Whether the device has no part in it: shared memory of our own could not be made.
    #[must_use]
    pub fn is_shared_memory(self) -> bool {
        matches!(
            self.call,
            Call::MemfdCreate
                | Call::MemfdSize
                | Call::MemfdSeal
                | Call::MemfdMap
                | Call::FreeMemory
        )
    }

    /// Whether the device is gone.
    #[must_use]
    pub fn is_loss(self) -> bool {
        matches!(self.errno, Errno::NODEV | Errno::NXIO)
    }

    /// Whether memory or descriptors were short.
    #[must_use]
    pub fn is_shortage(self) -> bool {
        matches!(self.errno, Errno::NOMEM | Errno::NFILE | Errno::MFILE)
    }

    /// Whether the driver lacks this call altogether: optional calls may be missing.
    #[must_use]
    pub fn is_missing(self) -> bool {
        self.errno == Errno::NOTTY
    }
}

impl fmt::Display for IoctlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, Named(self.errno))?;
        match meaning(self.call, self.errno) {
            "" => Ok(()),
            cause => write!(f, ": {cause}"),
        }
    }
}

impl core::error::Error for IoctlError {}

/// A failure, and the device that is at fault when it was a call on one.
#[derive(Clone, Copy, Debug)]
pub struct FailureAt<'a>(IoctlError, Escaped<'a>);

impl fmt::Display for FailureAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = if self.0.is_shared_memory() {
            Escaped(b"shared memory")
        } else {
            self.1
        };
        write!(f, "{object}: {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_failure_names_call_errno_and_cause() {
        let error = IoctlError::new(Call::StreamOn, Errno::SRCH);
        assert_eq!(
            error.to_string(),
            "VIDIOC_STREAMON: ESRCH: \
             the firmware refuses this combination of level, size, rate and bitrate"
        );
    }

    #[test]
    fn calls_have_their_own_names() {
        for (call, name) in [
            (Call::Open, "open"),
            (Call::SExtCtrlsApply, "VIDIOC_S_EXT_CTRLS"),
            (Call::ReqBufs, "VIDIOC_REQBUFS"),
            (Call::ReqBufsDmabuf, "VIDIOC_REQBUFS"),
            (Call::QueryBuf, "VIDIOC_QUERYBUF"),
            (Call::DmaHeapAlloc, "DMA_HEAP_IOCTL_ALLOC"),
        ] {
            assert_eq!(call.to_string(), name);
        }
    }

    #[test]
    fn the_cause_is_the_calls_own_before_the_errnos() {
        for (call, errno, cause) in [
            (
                Call::Open,
                Errno::ACCESS,
                "no permission: be root or in group video",
            ),
            (Call::ReqBufs, Errno::ACCESS, "no permission"),
            (Call::SFmt, Errno::BUSY, "another program uses the device"),
            (
                Call::ReqBufsCamera,
                Errno::BUSY,
                "another program uses the device",
            ),
            (
                Call::SExtCtrls,
                Errno::BUSY,
                "the driver does not change this now",
            ),
            (Call::MemfdCreate, Errno::NOMEM, "out of memory"),
            (
                Call::MemfdSize,
                Errno::FBIG,
                "larger than a file may become here: raise ulimit -f",
            ),
            (Call::GParm, Errno::DOM, ""),
        ] {
            assert_eq!(meaning(call, errno), cause, "{call} {errno:?}");
        }
    }

    #[test]
    fn a_device_is_named_when_it_is_at_fault_and_only_then() {
        let device = Escaped(b"/dev/video11");
        for (call, errno, sentence) in [
            (
                Call::MemfdCreate,
                Errno::PERM,
                "shared memory: memfd_create: EPERM: no permission",
            ),
            (
                Call::MemfdMap,
                Errno::NOMEM,
                "shared memory: mmap: ENOMEM: out of memory",
            ),
            (
                Call::QBuf,
                Errno::INVAL,
                "/dev/video11: VIDIOC_QBUF: EINVAL",
            ),
            (
                Call::Mmap,
                Errno::ACCESS,
                "/dev/video11: mmap: EACCES: no permission",
            ),
        ] {
            let error = IoctlError::new(call, errno);
            assert_eq!(error.at(device).to_string(), sentence);
        }
    }

    #[test]
    fn a_failure_without_a_known_cause_ends_with_the_errno() {
        let error = IoctlError::new(Call::GParm, Errno::DOM);
        assert_eq!(error.to_string(), "VIDIOC_G_PARM: EDOM");
    }
}
