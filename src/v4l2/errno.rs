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
    match (call, errno) {
        (Call::Open, Errno::NOENT) => "no such device node: is the driver loaded?",
        (Call::Open, Errno::ACCESS | Errno::PERM) => "no permission: be root or in group video",
        (Call::Open, Errno::NODEV | Errno::NXIO) => "the node has no driver behind it",
        (Call::Open, Errno::BUSY) => "another process has the device, which serves one at a time",
        (Call::Mmap, Errno::AGAIN) => "the limit on locked memory is too low (RLIMIT_MEMLOCK)",
        (Call::QueryCap, Errno::NOTTY | Errno::INVAL) => "this is not a V4L2 device",
        (Call::SFmt, Errno::BUSY) => "another user has buffers, or the queue still has its own",
        (Call::GFmt | Call::SFmt | Call::TryFmt, Errno::INVAL) => {
            "the device has no such queue in this API (single- or multi-planar)"
        }
        (Call::SParm, Errno::INVAL) => "the driver takes no frame rate on this queue",
        (Call::GSelection | Call::SSelection, Errno::INVAL) => "the driver cannot crop here",
        (Call::SSelection, Errno::RANGE) => "no rectangle fits the rounding that was asked for",
        (Call::GExtCtrls, Errno::ACCESS) => "the control can only be written",
        (Call::GExtCtrls, Errno::INVAL) => "the device has no such control",
        (Call::SExtCtrls, Errno::ACCESS) => "the control can only be read",
        (Call::SExtCtrls, Errno::INVAL) => "the device has no such control or no such choice",
        (Call::SExtCtrls, Errno::RANGE) => "the value is outside the control's range",
        (Call::SExtCtrls | Call::SExtCtrlsApply, Errno::BUSY) => {
            "the control cannot be changed while buffers exist or stream"
        }
        (Call::SExtCtrlsApply, Errno::INVAL | Errno::RANGE) => {
            "the device refuses this value together with its other settings"
        }
        (Call::ReqBufsDmabuf, Errno::INVAL) => {
            "the queue does not import dma-bufs, or the device has no room for another encoder"
        }
        (Call::ReqBufs, Errno::INVAL) => {
            "the device has no room for another encoder, or not this type of memory"
        }
        (Call::ReqBufs | Call::ReqBufsDmabuf, Errno::NOMEM) => {
            "out of contiguous memory (CMA): raise cma= or use fewer slots"
        }
        (Call::ReqBufs | Call::ReqBufsDmabuf, Errno::BUSY) => {
            "the queue streams, or its buffers are still mapped or exported"
        }
        (Call::QueryBuf, Errno::INVAL) => "no buffer of this number, or it has too many planes",
        (Call::ExpBuf, Errno::INVAL) => "the driver cannot export this buffer",
        (Call::QBuf, Errno::FAULT) => {
            "the buffer cannot be imported: the device needs contiguous memory it can reach"
        }
        (Call::QBuf, Errno::BADF) => "the dma-buf's file descriptor is not open",
        (Call::QBuf, Errno::INVAL) => {
            "the buffer is too small, already queued, or of another type than the queue's"
        }
        (Call::DqBuf, Errno::AGAIN) => "no buffer is ready",
        (Call::DqBuf, Errno::PIPE) => "the last buffer of the drain was dequeued before",
        (Call::DqBuf, Errno::INVAL) => "the queue does not stream",
        (Call::DqBuf, Errno::IO) => "the device failed: the queue must be started anew",
        (Call::StreamOn, Errno::SRCH) => {
            "the firmware refuses this combination of level, size, rate and bitrate"
        }
        (Call::StreamOn, Errno::INVAL) => "the queue has no buffers, or the settings do not agree",
        (Call::StreamOn, Errno::PIPE) => "the formats of the two queues do not agree",
        (Call::EncoderCmd, Errno::BUSY) => "a drain is still going on",
        (Call::EncoderCmd | Call::TryEncoderCmd, Errno::INVAL) => {
            "the driver does not have this command"
        }
        (Call::SubscribeEvent, Errno::INVAL) => "the driver does not have this event",
        (Call::DqEvent, Errno::NOENT) => "no event is waiting",
        (Call::DmaBufSync, Errno::NOTTY | Errno::INVAL) => "this is not a dma-buf",
        (Call::DmaHeapAlloc, Errno::NOTTY) => "this is not a dma-buf heap",
        (Call::DmaHeapAlloc, Errno::NOMEM) => {
            "the heap has no piece of this size: raise cma= or use fewer slots"
        }
        (_, Errno::NOTTY) => "the driver does not have this call",
        (_, Errno::NODEV | Errno::NXIO) => "the device is gone, or its driver gave up",
        (_, Errno::IO) => "the device or its firmware failed",
        (_, Errno::TIMEDOUT) => "the device or its firmware did not answer",
        (_, Errno::NOMEM) => "out of memory",
        (_, Errno::MFILE) => "too many open files in this process: raise its limit",
        (_, Errno::NFILE) => "too many open files in the system",
        (_, Errno::PERM) => "no permission",
        _ => "",
    }
}

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

/// An errno as people know it: `EINVAL (Invalid argument)`, or `errno 200` when it is not in the table.
#[derive(Clone, Copy, Debug)]
pub struct Named(pub Errno);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match ERRNOS.iter().find(|(errno, ..)| *errno == self.0) {
            Some((_, name, text)) => write!(f, "{name} ({text})"),
            None => write!(f, "errno {}", self.0.raw_os_error()),
        }
    }
}

/// The errnos that the calls of this program may meet, with the C name and glibc's words.
pub const ERRNOS: &[(Errno, &str, &str)] = &[
    (Errno::PERM, "EPERM", "Operation not permitted"),
    (Errno::NOENT, "ENOENT", "No such file or directory"),
    (Errno::SRCH, "ESRCH", "No such process"),
    (Errno::INTR, "EINTR", "Interrupted system call"),
    (Errno::IO, "EIO", "Input/output error"),
    (Errno::NXIO, "ENXIO", "No such device or address"),
    (Errno::TOOBIG, "E2BIG", "Argument list too long"),
    (Errno::BADF, "EBADF", "Bad file descriptor"),
    (Errno::CHILD, "ECHILD", "No child processes"),
    (Errno::AGAIN, "EAGAIN", "Resource temporarily unavailable"),
    (Errno::NOMEM, "ENOMEM", "Cannot allocate memory"),
    (Errno::ACCESS, "EACCES", "Permission denied"),
    (Errno::FAULT, "EFAULT", "Bad address"),
    (Errno::BUSY, "EBUSY", "Device or resource busy"),
    (Errno::EXIST, "EEXIST", "File exists"),
    (Errno::XDEV, "EXDEV", "Invalid cross-device link"),
    (Errno::NODEV, "ENODEV", "No such device"),
    (Errno::NOTDIR, "ENOTDIR", "Not a directory"),
    (Errno::ISDIR, "EISDIR", "Is a directory"),
    (Errno::INVAL, "EINVAL", "Invalid argument"),
    (Errno::NFILE, "ENFILE", "Too many open files in system"),
    (Errno::MFILE, "EMFILE", "Too many open files"),
    (Errno::NOTTY, "ENOTTY", "Inappropriate ioctl for device"),
    (Errno::TXTBSY, "ETXTBSY", "Text file busy"),
    (Errno::FBIG, "EFBIG", "File too large"),
    (Errno::NOSPC, "ENOSPC", "No space left on device"),
    (Errno::SPIPE, "ESPIPE", "Illegal seek"),
    (Errno::ROFS, "EROFS", "Read-only file system"),
    (Errno::PIPE, "EPIPE", "Broken pipe"),
    (Errno::DOM, "EDOM", "Numerical argument out of domain"),
    (Errno::RANGE, "ERANGE", "Numerical result out of range"),
    (Errno::DEADLK, "EDEADLK", "Resource deadlock avoided"),
    (Errno::NAMETOOLONG, "ENAMETOOLONG", "File name too long"),
    (Errno::NOSYS, "ENOSYS", "Function not implemented"),
    (Errno::LOOP, "ELOOP", "Too many levels of symbolic links"),
    (Errno::NODATA, "ENODATA", "No data available"),
    (Errno::NOLINK, "ENOLINK", "Link has been severed"),
    (Errno::PROTO, "EPROTO", "Protocol error"),
    (Errno::BADMSG, "EBADMSG", "Bad message"),
    (
        Errno::OVERFLOW,
        "EOVERFLOW",
        "Value too large for defined data type",
    ),
    (Errno::NOTSOCK, "ENOTSOCK", "Socket operation on non-socket"),
    (Errno::MSGSIZE, "EMSGSIZE", "Message too long"),
    (
        Errno::PROTOTYPE,
        "EPROTOTYPE",
        "Protocol wrong type for socket",
    ),
    (Errno::OPNOTSUPP, "EOPNOTSUPP", "Operation not supported"),
    (
        Errno::AFNOSUPPORT,
        "EAFNOSUPPORT",
        "Address family not supported by protocol",
    ),
    (Errno::ADDRINUSE, "EADDRINUSE", "Address already in use"),
    (Errno::CONNRESET, "ECONNRESET", "Connection reset by peer"),
    (Errno::NOBUFS, "ENOBUFS", "No buffer space available"),
    (
        Errno::NOTCONN,
        "ENOTCONN",
        "Transport endpoint is not connected",
    ),
    (Errno::TIMEDOUT, "ETIMEDOUT", "Connection timed out"),
    (Errno::CONNREFUSED, "ECONNREFUSED", "Connection refused"),
    (Errno::REMOTEIO, "EREMOTEIO", "Remote I/O error"),
    (Errno::CANCELED, "ECANCELED", "Operation canceled"),
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
            "VIDIOC_STREAMON: ESRCH (No such process): \
             the firmware refuses this combination of level, size, rate and bitrate"
        );
    }

    #[test]
    fn a_failure_without_a_known_cause_ends_with_the_errno() {
        let error = IoctlError::new(Call::GParm, Errno::DOM);
        assert_eq!(
            error.to_string(),
            "VIDIOC_G_PARM: EDOM (Numerical argument out of domain)"
        );
    }

    #[test]
    fn an_errno_outside_the_table_is_shown_as_a_number() {
        assert_eq!(
            Named(Errno::from_raw_os_error(200)).to_string(),
            "errno 200"
        );
    }

    // musl's library has its own words for a few.
    #[cfg(target_env = "gnu")]
    #[test]
    fn the_words_are_those_of_glibc() {
        for (errno, name, text) in ERRNOS {
            let number = errno.raw_os_error();
            assert_eq!(
                std::io::Error::from_raw_os_error(number).to_string(),
                std::format!("{text} (os error {number})"),
                "{name}"
            );
        }
    }

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        assert!(
            ERRNOS
                .windows(2)
                .all(|pair| pair[0].0.raw_os_error() < pair[1].0.raw_os_error())
        );
    }

    #[test]
    fn a_refused_value_and_a_missing_control_have_different_causes() {
        assert_ne!(
            meaning(Call::SExtCtrls, Errno::INVAL),
            meaning(Call::SExtCtrlsApply, Errno::INVAL)
        );
    }
}
