//! Which structure goes with which ioctl number, and the one place where both are handed to the kernel.
//!
//! Knows numbers, structures and EINTR. Knows nothing of what a call means.
#![expect(unsafe_code, reason = "ioctl is raw by nature")]

use rustix::fd::{BorrowedFd, FromRawFd, OwnedFd};
use rustix::ffi::c_void;
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};

use crate::errno::call::{Call, IoctlError};
use crate::v4l2::abi::{
    self, Capability, CropCap, DecoderCmd, DmaBufSync, DmaHeapAllocationData, DvTimings, Edid,
    EncoderCmd, Event, EventSubscription, ExportBuffer, ExtControls, FmtDesc, Format, FrmSizeEnum,
    QueryExtCtrl, QueryMenu, RawBuffer, RequestBuffers, Selection, StreamParm, UdmabufCreate,
};

/// An ioctl: a number, and the structure that the kernel reads and writes under it.
///
/// # Safety
///
/// For `NUMBER` the kernel must access one `Argument` and, except through addresses in it, nothing else. Any bytes must be a valid `Argument`.
pub(super) unsafe trait Request {
    /// The ioctl number.
    const NUMBER: Opcode;
    /// What it takes.
    type Argument: 'static;
}

/// A request whose argument holds no address that the kernel follows.
///
/// # Safety
///
/// As the name says, for every argument that safe code can build.
pub(super) unsafe trait Plain: Request {}

/// Names requests after their C macros, and asserts that the number carries the size of the argument.
macro_rules! requests {
    ($($number:ident($argument:ty)),+ $(,)?) => {
        $(
            #[expect(non_camel_case_types, reason = "named after the C macro")]
            pub(super) struct $number;

            // SAFETY: `abi` mirrors linux/videodev2.h, dma-buf.h and dma-heap.h, whose macro of this name takes the structure that
            // `$argument` mirrors; all mirrors consist of integers.
            unsafe impl Request for $number {
                const NUMBER: Opcode = abi::$number;
                type Argument = $argument;
            }

            const _: () = assert!(abi::ioc_size(abi::$number) == size_of::<$argument>());
        )+
    };
}

macro_rules! plain {
    ($($number:ident($argument:ty)),+ $(,)?) => {
        requests! { $($number($argument)),+ }
        $(
            // SAFETY: The structure has no address, or (`v4l2_format`) only in halves of its union that `BufferType` cannot name.
            unsafe impl Plain for $number {}
        )+
    };
}

plain! {
    VIDIOC_QUERYCAP(Capability), VIDIOC_ENUM_FMT(FmtDesc), VIDIOC_ENUM_FRAMESIZES(FrmSizeEnum),
    VIDIOC_G_FMT(Format), VIDIOC_S_FMT(Format), VIDIOC_G_PARM(StreamParm),
    VIDIOC_S_PARM(StreamParm), VIDIOC_S_SELECTION(Selection), VIDIOC_G_SELECTION(Selection), VIDIOC_DECODER_CMD(DecoderCmd),
    VIDIOC_QUERY_EXT_CTRL(QueryExtCtrl), VIDIOC_QUERYMENU(QueryMenu), VIDIOC_REQBUFS(RequestBuffers),
    VIDIOC_EXPBUF(ExportBuffer), VIDIOC_STREAMON(u32), VIDIOC_STREAMOFF(u32), VIDIOC_ENCODER_CMD(EncoderCmd),
    VIDIOC_SUBSCRIBE_EVENT(EventSubscription), VIDIOC_DQEVENT(Event),
    VIDIOC_G_INPUT(u32), VIDIOC_CROPCAP(CropCap), VIDIOC_S_DV_TIMINGS(DvTimings), VIDIOC_QUERY_DV_TIMINGS(DvTimings),
    DMA_BUF_IOCTL_SYNC(DmaBufSync), DMA_HEAP_IOCTL_ALLOC(DmaHeapAllocationData),
}

requests! {
    VIDIOC_G_EXT_CTRLS(ExtControls), VIDIOC_S_EXT_CTRLS(ExtControls), VIDIOC_G_EDID(Edid), VIDIOC_S_EDID(Edid), VIDIOC_QUERYBUF(RawBuffer),
    VIDIOC_QBUF(RawBuffer), VIDIOC_DQBUF(RawBuffer), VIDIOC_PREPARE_BUF(RawBuffer),
}

/// A request on its way to the kernel.
struct Ask<'a, R: Request>(&'a mut R::Argument);

// SAFETY: The kernel reads and writes one `R::Argument` under `R::NUMBER`, which is what `Request` promises and what the pointer leads to.
unsafe impl<R: Request> Ioctl for Ask<'_, R> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        R::NUMBER
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.0).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// UDMABUF_CREATE on its way to the kernel. It alone answers with a descriptor as the call's own value.
pub(super) struct AskForDmaBuf<'a>(pub(super) &'a mut UdmabufCreate);

// SAFETY: The kernel reads one `udmabuf_create` under this number, and gives a new descriptor.
unsafe impl Ioctl for AskForDmaBuf<'_> {
    type Output = OwnedFd;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        abi::UDMABUF_CREATE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.0).cast()
    }

    unsafe fn output_from_ptr(fd: IoctlOutput, _: *mut c_void) -> rustix::io::Result<OwnedFd> {
        // SAFETY: The driver just made this descriptor for us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// Asks once.
///
/// # Safety
///
/// Addresses in `argument` must be good for what the kernel does with them.
pub(super) unsafe fn ioctl_once<R: Request>(
    fd: BorrowedFd<'_>,
    argument: &mut R::Argument,
) -> Result<(), Errno> {
    #[cfg(test)]
    // SAFETY: The same contract.
    if let Some(answer) = unsafe { simulated::<R>(fd, argument) } {
        return answer;
    }
    // SAFETY: `Ask` describes the request truly, and the addresses in the argument are the caller's care.
    unsafe { ioctl(fd, Ask::<R>(argument)) }
}

/// Has the simulated kernel answer, where there is one and the descriptor is one of its own.
///
/// # Safety
///
/// As `ioctl_once`.
#[cfg(test)]
unsafe fn simulated<R: Request>(
    fd: BorrowedFd<'_>,
    argument: &mut R::Argument,
) -> Option<Result<(), Errno>> {
    use core::{any::Any, ptr::with_exposed_provenance_mut, slice};

    crate::simulation::now()?;
    let argument: &mut dyn Any = argument;
    let mut planes: &mut [abi::Plane] = &mut [];
    let mut control = None;
    if let Some(buffer) = argument.downcast_ref::<RawBuffer>() {
        let first = with_exposed_provenance_mut(buffer.m.0);
        if buffer.type_ >= abi::BufferType::VideoCaptureMplane as u32 {
            // SAFETY: in the multi-planar API `m` is the address of `length` planes, which are the caller's for this call.
            planes = unsafe { slice::from_raw_parts_mut(first, buffer.length as usize) };
        }
    } else if let Some(controls) = argument.downcast_ref::<ExtControls>() {
        let first = with_exposed_provenance_mut::<abi::ExtControl>(controls.controls);
        // SAFETY: the address of one control, which is the caller's for this call.
        control = Some(unsafe { &mut *first });
    }
    crate::simulation::ioctl(fd, R::NUMBER, argument, planes, control)
}

/// Asks again while a signal came first.
///
/// # Safety
///
/// As `ioctl_once`.
pub(super) unsafe fn ioctl_retry<R: Request>(
    fd: BorrowedFd<'_>,
    argument: &mut R::Argument,
) -> Result<(), Errno> {
    loop {
        // SAFETY: The same contract; EINTR leaves the argument as it was.
        match unsafe { ioctl_once::<R>(fd, argument) } {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
}

/// Asks with an argument that holds no address.
pub(super) fn ask<R: Plain>(
    call: Call,
    fd: BorrowedFd<'_>,
    argument: &mut R::Argument,
) -> Result<(), IoctlError> {
    // SAFETY: `Plain`: there is no address in it.
    unsafe { ioctl_retry::<R>(fd, argument) }.map_err(|errno| IoctlError::new(call, errno))
}
