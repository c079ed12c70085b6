//! One safe function for each ioctl. The only place where a V4L2 structure meets the kernel.
//!
//! Knows which structure goes with which number, which errno is an answer rather than a failure, and when to ask again.
//! Knows no order of calls and keeps no state: `encoder` and `camera` do.
//!
//! What makes the functions safe: the kernel reads and writes exactly the structure whose size the ioctl number carries (asserted here and in `abi`), and
//! follows an address only where a structure holds one. Three do, `v4l2_buffer`, `v4l2_ext_controls` and `v4l2_edid`, and their addresses are set in this
//! module for the length of one call. User pointers cannot be asked for: `Memory` does not have them, nor does `BufferType` have overlays.
//! What the descriptor is does not matter as long as its driver honours the number: others answer ENOTTY.
//!
//! EINTR: the kernel sends it before it begins, while it waits for the device's lock, so every call is made again, except DQBUF and DQEVENT: these may wait
//! for the device, on a blocking descriptor, and a signal must be able to end that.
#![expect(
    unsafe_code,
    reason = "ioctl and the descriptors it returns are raw by nature"
)]

mod buffer;
mod edid;
mod request;

pub use buffer::Buffer;
pub use edid::{g_edid, s_edid};

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;

use request::*;

use super::abi::{
    BufferType, Capability, CropCap, DMA_BUF_SYNC_END, DMA_BUF_SYNC_START, DMA_BUF_SYNC_WRITE,
    DecoderCmd, DmaBufSync, DmaHeapAllocationData, DvTimings, EncoderCmd, Event, EventSubscription,
    ExportBuffer, ExtControl, ExtControls, FmtDesc, Format, Fract, FrmSizeEnum, Memory,
    QueryExtCtrl, QueryMenu, Rect, RequestBuffers, Scalar, Selection, StreamParm, UdmabufCreate,
};
use crate::errno::call::{Call, IoctlError};
use crate::limits::{FORMATS, PLANES};
use crate::media::format_set::FormatSet;
use crate::media::fourcc::Fourcc;

/// What a call gives, or which call failed and how.
pub type Result<T> = core::result::Result<T, IoctlError>;

/// `None` for the errno that answers "there is none".
fn unless<T>(none: Errno, answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.errno == none => Ok(None),
        Err(error) => Err(error),
    }
}

/// VIDIOC_QUERYCAP: who the device is.
pub fn querycap(fd: impl AsFd) -> Result<Capability> {
    let mut capability = Capability::default();
    ask::<VIDIOC_QUERYCAP>(Call::QueryCap, fd.as_fd(), &mut capability).map(|()| capability)
}

/// VIDIOC_ENUM_FMT: the queue's format number `index`, or `None` after the last.
pub fn enum_fmt(fd: impl AsFd, queue: BufferType, index: u32) -> Result<Option<FmtDesc>> {
    let mut desc = FmtDesc::new(queue, index);
    let answer = ask::<VIDIOC_ENUM_FMT>(Call::EnumFmt, fd.as_fd(), &mut desc).map(|()| desc);
    unless(Errno::INVAL, answer)
}

/// VIDIOC_ENUM_FMT to the end of the list: the raw formats of a queue, as far as they are known here.
pub fn raw_formats(fd: impl AsFd, queue: BufferType) -> Result<FormatSet> {
    let mut set = FormatSet::default();
    for index in 0..FORMATS {
        let Some(format) = enum_fmt(fd.as_fd(), queue, index)? else {
            break;
        };
        set.insert(format.pixelformat);
    }
    Ok(set)
}

/// Whether a queue has a format, by VIDIOC_ENUM_FMT; bounded, whatever the driver says.
pub fn gives(fd: impl AsFd, queue: BufferType, format: Fourcc) -> Result<bool> {
    for index in 0..FORMATS {
        match enum_fmt(fd.as_fd(), queue, index)? {
            Some(one) if one.pixelformat == format => return Ok(true),
            Some(_) => {}
            None => break,
        }
    }
    Ok(false)
}

/// VIDIOC_ENUM_FRAMESIZES: the format's frame size or range of sizes number `index`, or `None` after the last.
pub fn enum_framesizes(fd: impl AsFd, format: Fourcc, index: u32) -> Result<Option<FrmSizeEnum>> {
    let mut size = FrmSizeEnum::new(format, index);
    let answer =
        ask::<VIDIOC_ENUM_FRAMESIZES>(Call::EnumFrameSizes, fd.as_fd(), &mut size).map(|()| size);
    unless(Errno::INVAL, answer)
}

/// VIDIOC_G_FMT: the queue's format.
pub fn g_fmt(fd: impl AsFd, queue: BufferType) -> Result<Format> {
    let mut format = Format::new(queue);
    ask::<VIDIOC_G_FMT>(Call::GFmt, fd.as_fd(), &mut format).map(|()| format)
}

/// VIDIOC_S_FMT: sets the queue's format and gives what the driver made of it.
pub fn s_fmt(fd: impl AsFd, format: &Format) -> Result<Format> {
    let mut format = *format;
    ask::<VIDIOC_S_FMT>(Call::SFmt, fd.as_fd(), &mut format).map(|()| format)
}

/// VIDIOC_G_PARM: the queue's frame interval.
pub fn g_parm(fd: impl AsFd, queue: BufferType) -> Result<StreamParm> {
    let mut parm = StreamParm::new(queue);
    ask::<VIDIOC_G_PARM>(Call::GParm, fd.as_fd(), &mut parm).map(|()| parm)
}

/// VIDIOC_S_PARM: sets the queue's frame interval and gives what the driver made of it.
pub fn s_parm(fd: impl AsFd, queue: BufferType, interval: Fract) -> Result<StreamParm> {
    let mut parm = StreamParm::new(queue);
    parm.set_timeperframe(interval);
    ask::<VIDIOC_S_PARM>(Call::SParm, fd.as_fd(), &mut parm).map(|()| parm)
}

/// VIDIOC_S_SELECTION: sets the queue's rectangle for a `SEL_TGT_*` and gives what the driver made of it.
pub fn s_selection(fd: impl AsFd, queue: BufferType, target: u32, rect: Rect) -> Result<Rect> {
    let mut selection = Selection::new(queue, target, rect);
    ask::<VIDIOC_S_SELECTION>(Call::SSelection, fd.as_fd(), &mut selection).map(|()| selection.r)
}

/// VIDIOC_G_SELECTION: the queue's rectangle for a `SEL_TGT_*`.
pub fn g_selection(fd: impl AsFd, queue: BufferType, target: u32) -> Result<Rect> {
    let mut selection = Selection::new(queue, target, Rect::default());
    ask::<VIDIOC_G_SELECTION>(Call::GSelection, fd.as_fd(), &mut selection).map(|()| selection.r)
}

/// VIDIOC_QUERY_EXT_CTRL: what a control is, or `None` when the device does not have it. With `CTRL_FLAG_NEXT_*` in `id`: the one after.
pub fn query_ext_ctrl(fd: impl AsFd, id: u32) -> Result<Option<QueryExtCtrl>> {
    let mut query = QueryExtCtrl::new(id);
    let answer =
        ask::<VIDIOC_QUERY_EXT_CTRL>(Call::QueryExtCtrl, fd.as_fd(), &mut query).map(|()| query);
    unless(Errno::INVAL, answer)
}

/// VIDIOC_QUERYMENU: one entry of a menu control, or `None` where the menu has a gap.
pub fn querymenu(fd: impl AsFd, id: u32, index: u32) -> Result<Option<QueryMenu>> {
    let mut query = QueryMenu::new(id, index);
    let answer = ask::<VIDIOC_QUERYMENU>(Call::QueryMenu, fd.as_fd(), &mut query).map(|()| query);
    unless(Errno::INVAL, answer)
}

/// Makes a list of one control and asks with it; gives the list's `error_idx` with a failure.
fn ask_control<R: Request<Argument = ExtControls>>(
    fd: BorrowedFd<'_>,
    control: &mut ExtControl,
) -> core::result::Result<(), (Errno, u32)> {
    // Exposed, because the kernel makes a pointer of the number again.
    let mut controls = ExtControls::new(1, (&raw mut *control).expose_provenance());
    // SAFETY: The one address leads to one control, as `count` says, borrowed for longer than the call.
    // The control itself holds a number: its `size` is 0, for which the kernel refuses controls whose value is behind an address.
    unsafe { ioctl_retry::<R>(fd, &mut controls) }.map_err(|errno| (errno, controls.error_idx))
}

/// VIDIOC_G_EXT_CTRLS: a control's value.
pub fn g_ext_ctrl(fd: impl AsFd, id: u32, scalar: Scalar) -> Result<i64> {
    let mut control = ExtControl::new(id);
    match ask_control::<VIDIOC_G_EXT_CTRLS>(fd.as_fd(), &mut control) {
        Ok(()) => Ok(control.value(scalar)),
        Err((errno, _)) => Err(IoctlError::new(Call::GExtCtrls, errno)),
    }
}

/// VIDIOC_S_EXT_CTRLS: sets a control and gives the value that the driver made of it. A value that does not fit is ERANGE, and not sent.
pub fn s_ext_ctrl(fd: impl AsFd, id: u32, scalar: Scalar, value: i64) -> Result<i64> {
    let mut control = ExtControl::with_value(id, scalar, value)
        .ok_or(IoctlError::new(Call::SExtCtrls, Errno::RANGE))?;
    match ask_control::<VIDIOC_S_EXT_CTRLS>(fd.as_fd(), &mut control) {
        Ok(()) => Ok(control.value(scalar)),
        // An index, not the count: the checks were passed, the device itself refused.
        Err((errno, 0)) => Err(IoctlError::new(Call::SExtCtrlsApply, errno)),
        Err((errno, _)) => Err(IoctlError::new(Call::SExtCtrls, errno)),
    }
}

/// VIDIOC_REQBUFS: asks for buffers, or frees all with a count of 0; gives the count granted and what the queue can do.
pub fn reqbufs(
    fd: impl AsFd,
    queue: BufferType,
    memory: Memory,
    count: u32,
) -> Result<RequestBuffers> {
    let call = match memory {
        Memory::Mmap => Call::ReqBufs,
        Memory::Dmabuf => Call::ReqBufsDmabuf,
    };
    let mut request = RequestBuffers::new(queue, memory, count);
    ask::<VIDIOC_REQBUFS>(call, fd.as_fd(), &mut request).map(|()| request)
}

/// VIDIOC_QUERYBUF: where a buffer's planes are and how long.
pub fn querybuf(fd: impl AsFd, queue: BufferType, memory: Memory, index: u32) -> Result<Buffer> {
    let mut buffer = Buffer::new(queue, memory, index);
    // SAFETY: The address that `with_planes` put in leads to `PLANES` planes and `length` is at most that. User pointers cannot be asked for.
    let answer = unsafe { ioctl_retry::<VIDIOC_QUERYBUF>(fd.as_fd(), buffer.with_planes()) };
    buffer.forget_planes();
    match answer {
        Ok(()) => Ok(buffer),
        Err(errno) => Err(IoctlError::new(Call::QueryBuf, errno)),
    }
}

/// VIDIOC_EXPBUF: the dma-buf of one plane of an MMAP buffer, readable, writable and closed on exec.
pub fn expbuf(fd: impl AsFd, queue: BufferType, index: u32, plane: u32) -> Result<OwnedFd> {
    let mut export = ExportBuffer::new(queue, index, plane, NEW_FD_FLAGS);
    ask::<VIDIOC_EXPBUF>(Call::ExpBuf, fd.as_fd(), &mut export)?;
    new_descriptor(Call::ExpBuf, export.fd)
}

/// VIDIOC_QBUF: gives a buffer to its queue. What the driver writes into the buffer (flags) is kept.
pub fn qbuf(fd: impl AsFd, buffer: &mut Buffer) -> Result<()> {
    // SAFETY: The address that `with_planes` put in leads to `PLANES` planes and `length` is at most that. User pointers cannot be asked for.
    let answer = unsafe { ioctl_retry::<VIDIOC_QBUF>(fd.as_fd(), buffer.with_planes()) };
    buffer.forget_planes();
    answer.map_err(|errno| IoctlError::new(Call::QBuf, errno))
}

/// VIDIOC_PREPARE_BUF: has the driver look at a buffer and map its memory, without queueing it.
pub fn prepare_buf(fd: impl AsFd, buffer: &mut Buffer) -> Result<()> {
    // SAFETY: The address that `with_planes` put in leads to `PLANES` planes and `length` is at most that. User pointers cannot be asked for.
    let answer = unsafe { ioctl_retry::<VIDIOC_PREPARE_BUF>(fd.as_fd(), buffer.with_planes()) };
    buffer.forget_planes();
    answer.map_err(|errno| IoctlError::new(Call::PrepareBuf, errno))
}

/// What DQBUF answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Dequeued {
    /// A buffer; it was written where the caller asked for it.
    Buffer,
    /// None is ready, or a signal came first.
    Nothing,
    /// None will come: the last buffer of a drain was dequeued before.
    Drained,
}

/// VIDIOC_DQBUF: takes a buffer that is done from its queue. Type and memory of `buffer` say which queue; the kernel replaces the rest.
pub fn dqbuf(fd: impl AsFd, buffer: &mut Buffer) -> Result<Dequeued> {
    buffer.set_plane_count(PLANES);
    // SAFETY: The address that `with_planes` put in leads to `PLANES` planes and `length` is at most that. User pointers cannot be asked for.
    let answer = unsafe { ioctl_once::<VIDIOC_DQBUF>(fd.as_fd(), buffer.with_planes()) };
    buffer.forget_planes();
    match answer {
        Ok(()) => Ok(Dequeued::Buffer),
        Err(Errno::AGAIN | Errno::INTR) => Ok(Dequeued::Nothing),
        Err(Errno::PIPE) => Ok(Dequeued::Drained),
        Err(errno) => Err(IoctlError::new(Call::DqBuf, errno)),
    }
}

/// VIDIOC_STREAMON: starts the queue.
pub fn streamon(fd: impl AsFd, queue: BufferType) -> Result<()> {
    ask::<VIDIOC_STREAMON>(Call::StreamOn, fd.as_fd(), &mut (queue as u32))
}

/// VIDIOC_STREAMOFF: stops the queue and takes all its buffers back. May take seconds with some firmware.
pub fn streamoff(fd: impl AsFd, queue: BufferType) -> Result<()> {
    ask::<VIDIOC_STREAMOFF>(Call::StreamOff, fd.as_fd(), &mut (queue as u32))
}

/// VIDIOC_ENCODER_CMD: an `ENC_CMD_*`, with no flags.
pub fn encoder_cmd(fd: impl AsFd, cmd: u32) -> Result<()> {
    ask::<VIDIOC_ENCODER_CMD>(Call::EncoderCmd, fd.as_fd(), &mut EncoderCmd::new(cmd))
}

/// VIDIOC_DECODER_CMD: a `DEC_CMD_*`, with no flags.
pub fn decoder_cmd(fd: impl AsFd, cmd: u32) -> Result<()> {
    ask::<VIDIOC_DECODER_CMD>(Call::DecoderCmd, fd.as_fd(), &mut DecoderCmd::new(cmd))
}

/// VIDIOC_G_INPUT: the number of the video input that is chosen.
pub fn g_input(fd: impl AsFd) -> Result<u32> {
    let mut input = 0;
    ask::<VIDIOC_G_INPUT>(Call::GInput, fd.as_fd(), &mut input).map(|()| input)
}

/// VIDIOC_CROPCAP: the camera's whole frame and the shape of its pixels.
pub fn cropcap(fd: impl AsFd, type_: u32) -> Result<CropCap> {
    let mut answer = CropCap {
        type_,
        ..CropCap::default()
    };
    ask::<VIDIOC_CROPCAP>(Call::CropCap, fd.as_fd(), &mut answer).map(|()| answer)
}

/// VIDIOC_SUBSCRIBE_EVENT: asks for events of a type, `EVENT_*`, of the input or control with this id.
pub fn subscribe_event(fd: impl AsFd, type_: u32, id: u32) -> Result<()> {
    let mut subscription = EventSubscription::new(type_, id);
    ask::<VIDIOC_SUBSCRIBE_EVENT>(Call::SubscribeEvent, fd.as_fd(), &mut subscription)
}

/// VIDIOC_DQEVENT: the oldest event, or `None` when none waits or a signal came first.
pub fn dqevent(fd: impl AsFd) -> Result<Option<Event>> {
    let mut event = Event::default();
    // SAFETY: `v4l2_event` holds no address.
    match unsafe { ioctl_once::<VIDIOC_DQEVENT>(fd.as_fd(), &mut event) } {
        Ok(()) => Ok(Some(event)),
        Err(Errno::NOENT | Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(errno) => Err(IoctlError::new(Call::DqEvent, errno)),
    }
}

/// VIDIOC_QUERY_DV_TIMINGS: the timings of the signal that comes in.
pub fn query_dv_timings(fd: impl AsFd) -> Result<DvTimings> {
    let mut timings = DvTimings::default();
    ask::<VIDIOC_QUERY_DV_TIMINGS>(Call::QueryDvTimings, fd.as_fd(), &mut timings).map(|()| timings)
}

/// VIDIOC_S_DV_TIMINGS: the timings to work with. The format follows them.
pub fn s_dv_timings(fd: impl AsFd, mut timings: DvTimings) -> Result<()> {
    ask::<VIDIOC_S_DV_TIMINGS>(Call::SDvTimings, fd.as_fd(), &mut timings)
}

/// What the CPU begins or ends doing with a dma-buf: the flags of `dma_buf_sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum DmaBufAccess {
    /// Before the first write.
    BeginWrite = DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE,
    /// After the last write.
    EndWrite = DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE,
}

/// DMA_BUF_IOCTL_SYNC: makes what CPU and device see of a dma-buf agree, around every access of the CPU.
pub fn dma_buf_sync(fd: impl AsFd, access: DmaBufAccess) -> Result<()> {
    let mut sync = DmaBufSync {
        flags: access as u64,
    };
    loop {
        match ask::<DMA_BUF_IOCTL_SYNC>(Call::DmaBufSync, fd.as_fd(), &mut sync) {
            // dma-buf.c: "can fail with -EAGAIN or -EINTR, in which case it must be restarted".
            Err(error) if error.errno == Errno::AGAIN => {}
            answer => return answer,
        }
    }
}

/// DMA_HEAP_IOCTL_ALLOC: a dma-buf of at least `len` bytes from an open heap, readable, writable and closed on exec.
pub fn dma_heap_alloc(heap: impl AsFd, len: u64) -> Result<OwnedFd> {
    let mut request = DmaHeapAllocationData {
        len,
        fd_flags: NEW_FD_FLAGS,
        ..DmaHeapAllocationData::default()
    };
    ask::<DMA_HEAP_IOCTL_ALLOC>(Call::DmaHeapAlloc, heap.as_fd(), &mut request)?;
    new_descriptor(Call::DmaHeapAlloc, request.fd.cast_signed())
}

/// The descriptor that a driver made for us. One that is none is refused: a call that succeeds with -1 is a driver's mistake.
fn new_descriptor(call: Call, fd: i32) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(IoctlError::new(call, Errno::BADF));
    }
    // SAFETY: The driver just made this descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// UDMABUF_CREATE: the first `size` bytes of a memfd as a dma-buf; `driver` is `/dev/udmabuf`.
pub fn udmabuf_create(driver: impl AsFd, memfd: impl AsFd, size: u64) -> Result<OwnedFd> {
    let mut create = UdmabufCreate {
        memfd: memfd.as_fd().as_raw_fd().cast_unsigned(),
        flags: 1,
        offset: 0,
        size,
    };
    // SAFETY: `AskForDmaBuf` describes the request truly, and there is no address in its argument.
    unsafe { rustix::ioctl::ioctl(driver, AskForDmaBuf(&mut create)) }
        .map_err(|errno| IoctlError::new(Call::UdmabufCreate, errno))
}

/// How descriptors of buffers are opened: without write access nobody could map them to fill them.
const NEW_FD_FLAGS: u32 = OFlags::CLOEXEC.union(OFlags::RDWR).bits();

#[cfg(test)]
mod tests {
    use rustix::fs::{Mode, open};

    use super::*;

    fn null() -> OwnedFd {
        open("/dev/null", OFlags::RDWR, Mode::empty()).unwrap()
    }

    #[test]
    fn a_file_that_is_no_video_device_is_told_by_enotty() {
        let null = null();
        let fd = null.as_fd();
        let not_v4l2 = IoctlError::new(Call::QueryCap, Errno::NOTTY);
        assert_eq!(querycap(fd).unwrap_err(), not_v4l2);
        assert!(
            enum_fmt(fd, BufferType::VideoOutput, 0)
                .unwrap_err()
                .is_missing()
        );
        assert!(g_ext_ctrl(fd, 1, Scalar::Bits32).unwrap_err().is_missing());
        let mut buffer = Buffer::new(BufferType::VideoCaptureMplane, Memory::Mmap, 3);
        assert!(qbuf(fd, &mut buffer).unwrap_err().is_missing());
        assert_eq!(
            dma_buf_sync(fd, DmaBufAccess::EndWrite).unwrap_err().call,
            Call::DmaBufSync
        );
    }

    #[test]
    fn a_value_that_does_not_fit_is_not_sent() {
        let null = null();
        let error = s_ext_ctrl(null, 1, Scalar::Bits32, i64::MAX).unwrap_err();
        assert_eq!(error, IoctlError::new(Call::SExtCtrls, Errno::RANGE));
    }

    #[test]
    fn a_descriptor_that_is_none_is_refused() {
        let error = new_descriptor(Call::ExpBuf, -1).unwrap_err();
        assert_eq!(error, IoctlError::new(Call::ExpBuf, Errno::BADF));
        assert!(new_descriptor(Call::DmaHeapAlloc, i32::MIN).is_err());
    }

    #[test]
    fn the_errno_that_ends_an_enumeration_is_an_answer() {
        let failure = |errno| Err::<u32, _>(IoctlError::new(Call::EnumFmt, errno));
        assert_eq!(unless(Errno::INVAL, Ok(1)), Ok(Some(1)));
        assert_eq!(unless(Errno::INVAL, failure(Errno::INVAL)), Ok(None));
        assert!(unless(Errno::INVAL, failure(Errno::IO)).is_err());
    }
}
