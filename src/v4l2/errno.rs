//! What an errno of a V4L2 call means, in the one place where that is said.
//!
//! Knows the calls' names, the errnos that drivers send, and the cause that a user can act on. Knows no descriptor and makes no call.

use core::fmt;

use rustix::io::Errno;

use crate::text::nth;

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
    /// `VIDIOC_G_INPUT`
    GInput,
}

impl Call {
    /// The names as the kernel's headers and manuals have them, in the order of the calls.
    const NAMES: &str = "open mmap VIDIOC_QUERYCAP VIDIOC_ENUM_FMT VIDIOC_ENUM_FRAMESIZES VIDIOC_G_FMT VIDIOC_S_FMT VIDIOC_TRY_FMT \
         VIDIOC_G_PARM VIDIOC_S_PARM VIDIOC_G_SELECTION VIDIOC_S_SELECTION VIDIOC_QUERY_EXT_CTRL VIDIOC_QUERYMENU \
         VIDIOC_G_EXT_CTRLS VIDIOC_S_EXT_CTRLS VIDIOC_S_EXT_CTRLS VIDIOC_REQBUFS VIDIOC_REQBUFS VIDIOC_QUERYBUF VIDIOC_EXPBUF \
         VIDIOC_QBUF VIDIOC_DQBUF VIDIOC_STREAMON VIDIOC_STREAMOFF VIDIOC_ENCODER_CMD VIDIOC_TRY_ENCODER_CMD \
         VIDIOC_SUBSCRIBE_EVENT VIDIOC_DQEVENT DMA_BUF_IOCTL_SYNC DMA_HEAP_IOCTL_ALLOC VIDIOC_PREPARE_BUF UDMABUF_CREATE \
         VIDIOC_REQBUFS VIDIOC_QUERY_DV_TIMINGS VIDIOC_S_DV_TIMINGS VIDIOC_G_INPUT";
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        nth(Self::NAMES, *self as usize).fmt(f)
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
    (None, Errno::NOLINK, "there is no signal"),
    (None, Errno::NOLCK, "the signal is not stable"),
    (
        Some(Call::QueryDvTimings),
        Errno::RANGE,
        "the signal is out of range",
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
        match ERRNOS.iter().position(|&errno| errno == self.0) {
            Some(index) => nth(NAMES, index).fmt(f),
            None => write!(f, "errno {}", self.0.raw_os_error()),
        }
    }
}

/// The errnos that the calls of this program are likely to meet.
pub const ERRNOS: [Errno; 32] = [
    Errno::PERM,
    Errno::NOENT,
    Errno::SRCH,
    Errno::IO,
    Errno::NXIO,
    Errno::BADF,
    Errno::AGAIN,
    Errno::NOMEM,
    Errno::ACCESS,
    Errno::FAULT,
    Errno::BUSY,
    Errno::EXIST,
    Errno::NODEV,
    Errno::NOTDIR,
    Errno::ISDIR,
    Errno::INVAL,
    Errno::MFILE,
    Errno::NOTTY,
    Errno::NOSPC,
    Errno::SPIPE,
    Errno::ROFS,
    Errno::PIPE,
    Errno::RANGE,
    Errno::NOSYS,
    Errno::PROTO,
    Errno::ADDRINUSE,
    Errno::TIMEDOUT,
    Errno::CONNREFUSED,
    Errno::INTR,
    Errno::NOLINK,
    Errno::NOLCK,
    Errno::NODATA,
];

/// Their C names, in the same order.
pub const NAMES: &str = "EPERM ENOENT ESRCH EIO ENXIO EBADF EAGAIN ENOMEM EACCES EFAULT EBUSY EEXIST ENODEV ENOTDIR EISDIR \
    EINVAL EMFILE ENOTTY ENOSPC ESPIPE EROFS EPIPE ERANGE ENOSYS EPROTO EADDRINUSE ETIMEDOUT ECONNREFUSED EINTR \
    ENOLINK ENOLCK ENODATA";

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::text::words;

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
        let last = Call::GInput as usize;
        assert_eq!(words(Call::NAMES.as_bytes()).count(), last + 1);
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
