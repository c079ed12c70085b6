//! Calls that fail: which, when, how often, and with which errno.

use std::vec::Vec;

use rustix::io::Errno;

use crate::v4l2::abi;

/// open(2), among the numbers of ioctls.
pub(super) const OPEN: u32 = 0;

/// Every call that the engine makes on a device.
pub(super) const CALLS: [u32; 23] = [
    OPEN,
    abi::VIDIOC_QUERYCAP,
    abi::VIDIOC_ENUM_FMT,
    abi::VIDIOC_G_FMT,
    abi::VIDIOC_S_FMT,
    abi::VIDIOC_S_PARM,
    abi::VIDIOC_S_SELECTION,
    abi::VIDIOC_QUERY_EXT_CTRL,
    abi::VIDIOC_G_EXT_CTRLS,
    abi::VIDIOC_S_EXT_CTRLS,
    abi::VIDIOC_REQBUFS,
    abi::VIDIOC_QUERYBUF,
    abi::VIDIOC_EXPBUF,
    abi::VIDIOC_QBUF,
    abi::VIDIOC_DQBUF,
    abi::VIDIOC_PREPARE_BUF,
    abi::VIDIOC_STREAMON,
    abi::VIDIOC_STREAMOFF,
    abi::VIDIOC_ENCODER_CMD,
    abi::VIDIOC_DQEVENT,
    abi::VIDIOC_SUBSCRIBE_EVENT,
    abi::VIDIOC_G_SELECTION,
    abi::VIDIOC_DECODER_CMD,
];

/// Errnos that a driver may give, sensible or not.
pub(super) const ERRNOS: [Errno; 14] = [
    Errno::IO,
    Errno::INVAL,
    Errno::NODEV,
    Errno::NXIO,
    Errno::NOMEM,
    Errno::BUSY,
    Errno::NOTTY,
    Errno::PIPE,
    Errno::AGAIN,
    Errno::PERM,
    Errno::FAULT,
    Errno::SRCH,
    Errno::NOSPC,
    Errno::TIMEDOUT,
];

/// One fault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    /// Index of the node.
    pub(super) node: usize,
    pub(super) call: u32,
    pub(super) errno: Errno,
    /// Only from then to then, virtual ns.
    pub(super) from: u64,
    pub(super) until: u64,
    /// Calls that pass before it strikes.
    pub(super) skip: u32,
    /// Calls that it strikes.
    pub(super) times: u32,
}

/// All faults of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// The errno with which this call fails, if it does.
    pub(super) fn strike(&mut self, node: usize, call: u32, now_ns: u64) -> Option<Errno> {
        let mut struck = None;
        for fault in &mut self.0 {
            let meant = fault.node == node && fault.call == call;
            if !meant || fault.times == 0 || !(fault.from..fault.until).contains(&now_ns) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if struck.is_none() {
                fault.times -= 1;
                struck = Some(fault.errno);
            }
        }
        struck
    }
}

/// The call's name, for the trace.
pub(super) fn name(call: u32) -> &'static str {
    if call == OPEN {
        return "open";
    }
    let known = abi::IOCTLS.iter();
    let mut known = known.filter(|constant| constant.value[abi::WIDTH] == u64::from(call));
    known.next().map_or("?", |constant| constant.c_name)
}
