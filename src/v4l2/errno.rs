//! What an errno of a V4L2 call means, in the one place where that is said.
//!
//! Knows the calls' names, the errnos that drivers send, and the cause that a user can act on. Knows no descriptor and makes no call.

use core::fmt;

use rustix::io::Errno;

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
    /// `VIDIOC_TRY_FMT`
    TryFmt,
    /// `VIDIOC_G_PARM`
    GParm,
    /// `VIDIOC_S_PARM`
    SParm,
    /// `VIDIOC_G_SELECTION`
    GSelection,
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
    /// `VIDIOC_TRY_ENCODER_CMD`
    TryEncoderCmd,
    /// `VIDIOC_SUBSCRIBE_EVENT`
    SubscribeEvent,
    /// `VIDIOC_DQEVENT`
    DqEvent,
    /// `DMA_BUF_IOCTL_SYNC`
    DmaBufSync,
    /// `DMA_HEAP_IOCTL_ALLOC`
    DmaHeapAlloc,
}

impl Call {
    /// The name as the kernel's headers and manuals have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Mmap => "mmap",
            Self::QueryCap => "VIDIOC_QUERYCAP",
            Self::EnumFmt => "VIDIOC_ENUM_FMT",
            Self::EnumFrameSizes => "VIDIOC_ENUM_FRAMESIZES",
            Self::GFmt => "VIDIOC_G_FMT",
            Self::SFmt => "VIDIOC_S_FMT",
            Self::TryFmt => "VIDIOC_TRY_FMT",
            Self::GParm => "VIDIOC_G_PARM",
            Self::SParm => "VIDIOC_S_PARM",
            Self::GSelection => "VIDIOC_G_SELECTION",
            Self::SSelection => "VIDIOC_S_SELECTION",
            Self::QueryExtCtrl => "VIDIOC_QUERY_EXT_CTRL",
            Self::QueryMenu => "VIDIOC_QUERYMENU",
            Self::GExtCtrls => "VIDIOC_G_EXT_CTRLS",
            Self::SExtCtrls | Self::SExtCtrlsApply => "VIDIOC_S_EXT_CTRLS",
            Self::ReqBufs | Self::ReqBufsDmabuf => "VIDIOC_REQBUFS",
            Self::QueryBuf => "VIDIOC_QUERYBUF",
            Self::ExpBuf => "VIDIOC_EXPBUF",
            Self::QBuf => "VIDIOC_QBUF",
            Self::DqBuf => "VIDIOC_DQBUF",
            Self::StreamOn => "VIDIOC_STREAMON",
            Self::StreamOff => "VIDIOC_STREAMOFF",
            Self::EncoderCmd => "VIDIOC_ENCODER_CMD",
            Self::TryEncoderCmd => "VIDIOC_TRY_ENCODER_CMD",
            Self::SubscribeEvent => "VIDIOC_SUBSCRIBE_EVENT",
            Self::DqEvent => "VIDIOC_DQEVENT",
            Self::DmaBufSync => "DMA_BUF_IOCTL_SYNC",
            Self::DmaHeapAlloc => "DMA_HEAP_IOCTL_ALLOC",
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The likely cause, in words that tell what to do about it; empty when the errno says it all.
#[must_use]
pub fn meaning(call: Call, errno: Errno) -> &'static str {
    let rows = CAUSES.iter();
    let mut fitting = rows.filter(|row| row.1 == errno && row.0.is_none_or(|only| only == call));
    fitting.next().map_or("", |row| row.2)
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
        Errno::BUSY,
        "another process has the device",
    ),
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
    (None, Errno::NOTTY, "the driver does not have this call"),
    (
        None,
        Errno::NODEV,
        "the device is gone, or its driver gave up",
    ),
    (None, Errno::IO, "the device or its firmware failed"),
    (None, Errno::MFILE, "too many open files: raise the limit"),
    (None, Errno::PERM, "no permission"),
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

/// An errno by its C name: `EINVAL`, or `errno 200` when it is not among the names.
#[derive(Clone, Copy, Debug)]
pub struct Named(pub Errno);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|row| row.0 == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "errno {}", self.0.raw_os_error()),
        }
    }
}

/// The errnos that the calls of this program are likely to meet, with their C names.
pub const NAMES: &[(Errno, &str)] = &[
    (Errno::PERM, "EPERM"),
    (Errno::NOENT, "ENOENT"),
    (Errno::SRCH, "ESRCH"),
    (Errno::IO, "EIO"),
    (Errno::NXIO, "ENXIO"),
    (Errno::BADF, "EBADF"),
    (Errno::AGAIN, "EAGAIN"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::ACCESS, "EACCES"),
    (Errno::FAULT, "EFAULT"),
    (Errno::BUSY, "EBUSY"),
    (Errno::EXIST, "EEXIST"),
    (Errno::NODEV, "ENODEV"),
    (Errno::NOTDIR, "ENOTDIR"),
    (Errno::ISDIR, "EISDIR"),
    (Errno::INVAL, "EINVAL"),
    (Errno::MFILE, "EMFILE"),
    (Errno::NOTTY, "ENOTTY"),
    (Errno::NOSPC, "ENOSPC"),
    (Errno::SPIPE, "ESPIPE"),
    (Errno::ROFS, "EROFS"),
    (Errno::PIPE, "EPIPE"),
    (Errno::RANGE, "ERANGE"),
    (Errno::NOSYS, "ENOSYS"),
    (Errno::PROTO, "EPROTO"),
    (Errno::ADDRINUSE, "EADDRINUSE"),
    (Errno::TIMEDOUT, "ETIMEDOUT"),
    (Errno::CONNREFUSED, "ECONNREFUSED"),
];

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
    fn a_failure_without_a_known_cause_ends_with_the_errno() {
        let error = IoctlError::new(Call::GParm, Errno::DOM);
        assert_eq!(error.to_string(), "VIDIOC_G_PARM: errno 33");
    }

    #[test]
    fn an_errno_outside_the_table_is_shown_as_a_number() {
        assert_eq!(
            Named(Errno::from_raw_os_error(200)).to_string(),
            "errno 200"
        );
    }
}
