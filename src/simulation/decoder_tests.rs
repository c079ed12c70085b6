//! What the simulated decoder and the coded camera answer, call by call, as `Documentation/userspace-api/media/v4l/dev-decoder.rst` and the
//! drivers have it.

use rustix::event::PollFlags;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use super::bench::{Mapped, close, open, pass, poll, set, take, visible};
use super::chain::plain_decoder;
use super::decoder::{Change, Cut, DecoderNature, Ends, Mishaps, START};
use super::encoder::Nature;
use super::event::Event;
use super::jpeg::{self, Image};
use super::natures::{NV12, YU12};
use super::node::Kind;
use super::scenario::{ENCODER, Plan};
use super::webcam::Coding;
use super::world;
use crate::media::fourcc::Fourcc;
use crate::v4l2::abi::{
    BUF_FLAG_ERROR, BUF_FLAG_LAST, BufferType, DEC_CMD_STOP as STOP, EVENT_SOURCE_CHANGE, Memory,
};
use crate::v4l2::ioctl::{self, Buffer};

const OUT: BufferType = BufferType::VideoOutputMplane;
const CAP: BufferType = BufferType::VideoCaptureMplane;
const DATA: PollFlags = PollFlags::IN.union(PollFlags::OUT);
/// The size in which most tests run: the decoder makes 64 rows of it.
const SIZE: (u32, u32) = (96, 60);

/// The encoder of plans in which nothing is wrong.
fn plain_encoder() -> Nature {
    match &Plan::plain().nodes[ENCODER].kind {
        Kind::Encoder(nature) => **nature,
        _ => unreachable!("it is the encoder's node"),
    }
}

fn decoder(change: impl FnOnce(&mut DecoderNature)) -> Vec<OwnedFd> {
    let mut nature = plain_decoder(&plain_encoder().terms);
    change(&mut nature);
    open(vec![Kind::Decoder(Rc::new(nature))])
}

/// An image of a frame that is registered, and its number.
fn image(size: (u32, u32)) -> (Vec<u8>, u64) {
    let stamp = world::with(|kernel| kernel.shared.frames.taken()).unwrap();
    let image = Image {
        size,
        stamp,
        tables: true,
        fills: false,
        data: 50,
    };
    (jpeg::write(&image), stamp)
}

/// Both queues in a size, without buffers.
fn sized(fd: &OwnedFd, size: (u32, u32)) {
    set(fd, OUT, Fourcc::MJPG, size);
    set(fd, CAP, YU12, size);
    ioctl::subscribe_event(fd, EVENT_SOURCE_CHANGE, 0).unwrap();
}

/// Both queues with buffers, and streaming; those of CAPTURE are queued.
fn streaming(fd: &OwnedFd, coded: u32, frames: u32) -> (Mapped<'_>, Mapped<'_>) {
    let output = Mapped::new(fd, OUT, coded);
    ioctl::streamon(fd, OUT).unwrap();
    (output, frames_of(fd, frames))
}

fn frames_of(fd: &OwnedFd, count: u32) -> Mapped<'_> {
    let capture = Mapped::new(fd, CAP, count);
    for index in 0..capture.regions.len() as u32 {
        capture.put(index, &[], 0).unwrap();
    }
    ioctl::streamon(fd, CAP).unwrap();
    capture
}

/// The number in a frame.
fn stamp_of(frames: &Mapped<'_>, buffer: &Buffer) -> u64 {
    let bytes = frames.read(buffer.index(), 8);
    u64::from_le_bytes(bytes.try_into().unwrap())
}

fn command(fd: &OwnedFd, command: u32) -> rustix::io::Result<()> {
    ioctl::decoder_cmd(fd, command).map_err(|error| error.errno)
}

fn changes(fd: &OwnedFd) -> u32 {
    let mut events = 0;
    while let Some(event) = ioctl::dqevent(fd).unwrap() {
        assert_eq!(event.type_, EVENT_SOURCE_CHANGE);
        events += 1;
    }
    events
}

#[test]
fn formats_are_those_of_the_pis_decoder() {
    let fds = decoder(|_| {});
    let fd = &fds[0];
    let coded = ioctl::enum_fmt(fd, OUT, 0).unwrap().unwrap();
    assert_eq!(coded.pixelformat, Fourcc::MJPG);
    assert!(ioctl::enum_fmt(fd, OUT, 2).unwrap().is_none());
    assert_eq!(ioctl::g_fmt(fd, CAP).unwrap().size(), (32, 32));
    // The size goes on to CAPTURE, in more rows; the visible part is what was asked for.
    let mut format = set(fd, OUT, Fourcc::MJPG, SIZE);
    assert_eq!((format.size(), format.sizeimage(0)), (SIZE, 512 << 10));
    assert_eq!(ioctl::g_fmt(fd, CAP).unwrap().size(), (96, 64));
    assert_eq!(visible(fd), SIZE);
    format.set_sizeimage(0, 1 << 20);
    let format = ioctl::s_fmt(fd, &format).unwrap();
    assert_eq!(format.sizeimage(0), 1 << 20);
    let frame = set(fd, CAP, NV12, SIZE);
    assert_eq!((frame.pixelformat(), frame.size()), (NV12, (96, 64)));
    // Not while there are buffers.
    let _output = Mapped::new(fd, OUT, 1);
    assert_eq!(ioctl::s_fmt(fd, &format).unwrap_err().errno, Errno::BUSY);
    assert_eq!(close(), None);
}

#[test]
fn images_of_the_size_that_was_set_give_frames_in_order_and_no_event() {
    let fds = decoder(|nature| nature.outputs = (3, 32));
    let fd = &fds[0];
    sized(fd, SIZE);
    let (output, capture) = streaming(fd, 2, 4);
    assert_eq!(output.regions.len(), 3);
    let whole = ioctl::g_fmt(fd, CAP).unwrap().sizeimage(0);
    let mut sent = Vec::new();
    for round in 0..4 {
        for index in 0..3 {
            let (bytes, stamp) = image(SIZE);
            output.put(index, &bytes, 1000 + stamp).unwrap();
            sent.push(stamp);
        }
        pass(20);
        for index in 0..3 {
            let coded = output.take().unwrap();
            assert_eq!(coded.index(), index);
            let frame = capture.take().unwrap();
            let stamp = stamp_of(&capture, &frame);
            assert_eq!(stamp, sent[round * 3 + index as usize]);
            assert_eq!(frame.timestamp(), 1000 + stamp);
            assert_eq!(frame.bytesused(0), whole);
            capture.put(frame.index(), &[], 0).unwrap();
        }
    }
    assert_eq!(capture.take().unwrap_err(), Errno::AGAIN);
    assert_eq!(changes(fd), 0);
    assert_eq!(close(), None);
}

#[test]
fn a_client_that_knows_no_size_is_told_it_by_an_event() {
    let fds = decoder(|_| {});
    let fd = &fds[0];
    sized(fd, (32, 32));
    let output = Mapped::new(fd, OUT, 2);
    ioctl::streamon(fd, OUT).unwrap();
    assert!(!poll(fd, PollFlags::PRI));
    let (bytes, stamp) = image(SIZE);
    output.put(0, &bytes, 5).unwrap();
    pass(10);
    assert!(poll(fd, PollFlags::PRI));
    assert_eq!(changes(fd), 1);
    // The image that told is kept until it can be shown.
    assert_eq!(output.take().unwrap_err(), Errno::AGAIN);
    assert_eq!(ioctl::g_fmt(fd, CAP).unwrap().size(), (96, 64));
    let capture = frames_of(fd, 2);
    pass(10);
    assert_eq!(stamp_of(&capture, &capture.take().unwrap()), stamp);
    assert_eq!(close(), None);
}

/// Two images of one size and one of another, of which all were decoded as far as they could be.
fn changed(fd: &OwnedFd) -> (Mapped<'_>, Mapped<'_>, [u64; 3]) {
    sized(fd, SIZE);
    let (output, capture) = streaming(fd, 4, 4);
    let stamps = [SIZE, SIZE, (64, 48)].map(image);
    for (index, (bytes, stamp)) in (0..).zip(&stamps) {
        output.put(index, bytes, *stamp).unwrap();
    }
    pass(30);
    assert_eq!(changes(fd), 1);
    assert_eq!(ioctl::g_fmt(fd, CAP).unwrap().size(), (64, 48));
    (output, capture, stamps.map(|(_, stamp)| stamp))
}

/// CAPTURE in the new size, and the frame that waits for it.
fn goes_on(fd: &OwnedFd, stamp: u64) {
    ioctl::streamoff(fd, CAP).unwrap();
    ioctl::reqbufs(fd, CAP, Memory::Mmap, 0).unwrap();
    let capture = frames_of(fd, 2);
    pass(10);
    let frame = capture.take().unwrap();
    assert_eq!(stamp_of(&capture, &frame), stamp);
    let whole = ioctl::g_fmt(fd, CAP).unwrap().sizeimage(0);
    assert_eq!(frame.bytesused(0), whole);
    assert_eq!(close(), None);
}

#[test]
fn at_a_change_the_last_frame_or_an_empty_buffer_is_marked() {
    for (change, marks) in [(Change::MarksFrame, 2), (Change::Marks, 3)] {
        let fds = decoder(|nature| nature.change = change);
        let (_output, capture, stamps) = changed(&fds[0]);
        for number in 1..=marks {
            let frame = capture.take().unwrap();
            assert_eq!(frame.has(BUF_FLAG_LAST), number == marks);
            match stamps[..2].get(number - 1) {
                Some(&stamp) => assert_eq!(stamp_of(&capture, &frame), stamp),
                None => assert_eq!(frame.bytesused(0), 0),
            }
        }
        assert_eq!(capture.take().unwrap_err(), Errno::PIPE);
        goes_on(&fds[0], stamps[2]);
    }
}

#[test]
fn the_pis_driver_cuts_at_a_change_and_loses_what_was_not_dequeued() {
    let fds = decoder(|nature| nature.change = Change::Cuts);
    let (_output, capture, stamps) = changed(&fds[0]);
    assert!(poll(&fds[0], PollFlags::IN));
    assert_eq!(capture.take().unwrap_err(), Errno::PIPE);
    goes_on(&fds[0], stamps[2]);
}

#[test]
fn rows_that_the_driver_does_not_keep_are_a_difference() {
    let fds = decoder(|nature| nature.own_rows = true);
    let fd = &fds[0];
    set(fd, OUT, Fourcc::MJPG, SIZE);
    let mut format = set(fd, CAP, YU12, SIZE);
    let own = format.bytesperline(0);
    // The visible size again, and not the one with more rows.
    format.set_size(SIZE.0, SIZE.1);
    format.set_bytesperline(0, 2 * own);
    assert_eq!(ioctl::s_fmt(fd, &format).unwrap().bytesperline(0), 2 * own);
    ioctl::subscribe_event(fd, EVENT_SOURCE_CHANGE, 0).unwrap();
    let (output, _capture) = streaming(fd, 1, 1);
    output.put(0, &image(SIZE).0, 1).unwrap();
    pass(10);
    assert_eq!(changes(fd), 1);
    assert_eq!(ioctl::g_fmt(fd, CAP).unwrap().bytesperline(0), own);
    assert_eq!(close(), None);
}

#[test]
fn a_stop_before_both_queues_stream_is_lost_and_later_ends_the_frames() {
    for alone in [true, false] {
        let fds = decoder(|nature| nature.ends = Ends::Marks { alone });
        let fd = &fds[0];
        sized(fd, SIZE);
        command(fd, STOP).unwrap();
        let (output, capture) = streaming(fd, 3, 4);
        for index in 0..2 {
            output.put(index, &image(SIZE).0, 1).unwrap();
        }
        pass(30);
        assert_eq!(capture.take().unwrap().flags() & BUF_FLAG_LAST, 0);
        assert_eq!(capture.take().unwrap().flags() & BUF_FLAG_LAST, 0);
        assert_eq!(capture.take().unwrap_err(), Errno::AGAIN);
        let (bytes, stamp) = image(SIZE);
        output.put(2, &bytes, 1).unwrap();
        command(fd, STOP).unwrap();
        assert_eq!(command(fd, START), Err(Errno::BUSY));
        pass(30);
        let frame = capture.take().unwrap();
        assert_eq!(stamp_of(&capture, &frame), stamp);
        assert_eq!(frame.has(BUF_FLAG_LAST), !alone);
        if alone {
            let mark = capture.take().unwrap();
            assert!(mark.has(BUF_FLAG_LAST) && mark.bytesused(0) == 0);
        }
        assert_eq!(capture.take().unwrap_err(), Errno::PIPE);
        assert!(poll(fd, PollFlags::IN));
        // An image that comes now waits for the start.
        while output.take().is_ok() {}
        let (bytes, stamp) = image(SIZE);
        output.put(0, &bytes, 1).unwrap();
        capture.put(0, &[], 0).unwrap();
        pass(30);
        assert_eq!(capture.take().unwrap_err(), Errno::PIPE);
        command(fd, START).unwrap();
        pass(30);
        let frame = capture.take().unwrap();
        assert_eq!(stamp_of(&capture, &frame), stamp);
        assert_eq!(close(), None);
    }
}

#[test]
fn a_decoder_may_know_no_stop_or_never_end() {
    for ends in [Ends::Unknown, Ends::Never] {
        let fds = decoder(|nature| nature.ends = ends);
        let fd = &fds[0];
        sized(fd, SIZE);
        let (_output, capture) = streaming(fd, 1, 1);
        let known = command(fd, STOP).is_ok();
        assert_eq!(known, ends == Ends::Never);
        pass(1000);
        assert_eq!(capture.take().unwrap_err(), Errno::AGAIN);
        assert_eq!(close(), None);
    }
}

#[test]
fn poll_reports_an_error_only_where_no_queue_holds_a_buffer_and_not_for_events() {
    let fds = decoder(|_| {});
    let fd = &fds[0];
    sized(fd, SIZE);
    let (output, capture) = streaming(fd, 1, 1);
    assert!(!poll(fd, DATA));
    output.put(0, &image(SIZE).0, 1).unwrap();
    pass(10);
    // Done, and not dequeued: no error.
    assert!(poll(fd, PollFlags::IN) && poll(fd, PollFlags::OUT));
    output.take().unwrap();
    assert!(!poll(fd, PollFlags::OUT));
    let frame = capture.take().unwrap();
    // Somebody else has the only frame.
    assert!(poll(fd, PollFlags::IN) && poll(fd, PollFlags::OUT));
    assert!(!poll(fd, PollFlags::PRI));
    capture.put(frame.index(), &[], 0).unwrap();
    assert!(!poll(fd, DATA));
    assert_eq!(close(), None);
}

#[test]
fn an_image_waits_for_room() {
    let fds = decoder(|_| {});
    let fd = &fds[0];
    sized(fd, SIZE);
    let (output, capture) = streaming(fd, 3, 1);
    for index in 0..3 {
        output.put(index, &image(SIZE).0, 1).unwrap();
    }
    pass(100);
    assert_eq!(output.take().unwrap().index(), 0);
    assert_eq!(output.take().unwrap_err(), Errno::AGAIN);
    capture
        .put(capture.take().unwrap().index(), &[], 0)
        .unwrap();
    pass(1);
    assert_eq!(output.take().unwrap().index(), 1);
    assert_eq!(close(), None);
}

/// What becomes of one image: `None` where it gives no frame.
fn one(nature: impl FnOnce(&mut DecoderNature), bytes: &[u8]) -> Option<Buffer> {
    let fds = decoder(nature);
    let fd = &fds[0];
    sized(fd, SIZE);
    let (output, capture) = streaming(fd, 1, 1);
    output.put(0, bytes, 1).unwrap();
    pass(100);
    output.take().unwrap();
    let frame = capture.take().ok();
    assert_eq!(close(), None);
    frame
}

#[test]
fn images_that_are_not_as_the_decoder_needs_them_give_nothing_or_an_error() {
    let good = Image {
        size: SIZE,
        stamp: 1,
        tables: true,
        fills: true,
        data: 50,
    };
    let whole = jpeg::write(&good);
    let bare = jpeg::write(&Image {
        tables: false,
        ..good
    });
    let cut = &whole[..whole.len() - 10];
    let error = |frame: Option<Buffer>| frame.map(|buffer| buffer.has(BUF_FLAG_ERROR));
    let needs = |nature: &mut DecoderNature| nature.needs_tables = true;
    let hates = |nature: &mut DecoderNature| nature.hates_fills = true;
    assert_eq!(error(one(needs, &whole)), Some(false));
    assert_eq!(error(one(needs, &bare)), None);
    assert_eq!(error(one(|_| {}, &bare)), Some(false));
    assert_eq!(error(one(hates, &whole)), None);
    for (cuts, expected) in [
        (Cut::CameraFrame, Some(false)),
        (Cut::Error, Some(true)),
        (Cut::Nothing, None),
    ] {
        assert_eq!(error(one(|nature| nature.cut = cuts, cut)), expected);
    }
    assert_eq!(error(one(|_| {}, b"no image at all")), None);
}

/// A decoder to which one thing happens each time.
fn mishap(change: impl Fn(&mut Mishaps)) -> Option<Buffer> {
    let mishap = |nature: &mut DecoderNature| {
        nature.mishaps.until = u64::MAX;
        change(&mut nature.mishaps);
    };
    let whole = jpeg::write(&Image {
        size: SIZE,
        stamp: 1,
        tables: true,
        fills: false,
        data: 50,
    });
    one(mishap, &whole)
}

#[test]
fn mishaps_are_seen_in_the_buffers() {
    assert!(mishap(|mishaps| mishaps.losses = 1000).is_none());
    let error = mishap(|mishaps| mishaps.errors = 1000).unwrap();
    assert!(error.has(BUF_FLAG_ERROR) && error.bytesused(0) > 0);
    let empty = mishap(|mishaps| mishaps.empty_errors = 1000).unwrap();
    assert!(empty.has(BUF_FLAG_ERROR) && empty.bytesused(0) == 0);
    let late = mishap(|mishaps| mishaps.wrong_times = 1000).unwrap();
    assert_ne!(late.timestamp(), 1);
    let index = mishap(|mishaps| mishaps.wrong_index = 1000).unwrap();
    assert!(index.index() > 0);
    let last = mishap(|mishaps| mishaps.sudden_last = 1000).unwrap();
    assert!(last.has(BUF_FLAG_LAST));
    assert!(mishap(|mishaps| mishaps.sudden_pipe = 1000).is_none());
    assert!(mishap(|mishaps| mishaps.sudden_event = 1000).is_some());
}

#[test]
fn an_empty_coded_buffer_and_one_that_is_queued_twice_are_the_clients_faults() {
    for twice in [false, true] {
        let fds = decoder(|_| {});
        let fd = &fds[0];
        sized(fd, SIZE);
        let (output, _capture) = streaming(fd, 1, 1);
        if twice {
            let (bytes, _) = image(SIZE);
            output.put(0, &bytes, 1).unwrap();
            assert!(output.put(0, &bytes, 1).is_err());
        } else {
            assert!(output.put(0, &[], 1).is_err());
        }
        assert!(close().is_some());
    }
}

/// A decoder that fills the buffers of an encoder. `violates`: one is given to both.
fn fills_an_encoders(violates: bool) {
    let mut encoder = plain_encoder();
    encoder.terms.height_align = 16;
    let decoder = plain_decoder(&encoder.terms);
    let fds = open(vec![
        Kind::Encoder(Rc::new(encoder)),
        Kind::Decoder(Rc::new(decoder)),
    ]);
    let (encoder, fd) = (&fds[0], &fds[1]);
    sized(fd, SIZE);
    set(encoder, OUT, YU12, ioctl::g_fmt(fd, CAP).unwrap().size());
    let raw = Mapped::new(encoder, OUT, 2);
    let imported: Vec<OwnedFd> = (0..2)
        .map(|index| ioctl::expbuf(encoder, OUT, index, 0).unwrap())
        .collect();
    ioctl::streamon(encoder, OUT).unwrap();
    let output = Mapped::new(fd, OUT, 2);
    ioctl::reqbufs(fd, CAP, Memory::Dmabuf, 2).unwrap();
    ioctl::streamon(fd, OUT).unwrap();
    let queue = |index: u32| {
        let mut buffer = Buffer::new(CAP, Memory::Dmabuf, index);
        buffer.set_plane_count(1);
        buffer.set_fd(0, imported[index as usize].as_fd());
        ioctl::qbuf(fd, &mut buffer)
    };
    ioctl::streamon(fd, CAP).unwrap();
    queue(0).unwrap();
    queue(1).unwrap();
    output.put(0, &image(SIZE).0, 1).unwrap();
    pass(10);
    let frame = take(fd, CAP, Memory::Dmabuf).unwrap();
    assert_eq!(frame.index(), 0);
    let mut frame = Buffer::new(OUT, Memory::Mmap, 0);
    frame.set_plane_count(1);
    // The encoder's own check says that the frame is the one that was drawn.
    ioctl::qbuf(encoder, &mut frame).unwrap();
    assert_eq!(raw.regions.len(), 2);
    if violates {
        queue(0).unwrap();
    }
    let violation = close();
    match violates {
        false => assert_eq!(violation, None),
        true => assert!(violation.unwrap().contains("both drivers have it")),
    }
}

#[test]
fn a_decoder_fills_the_buffers_of_an_encoder_that_reads_the_same_frame() {
    fills_an_encoders(false);
}

#[test]
fn memory_that_two_drivers_have_is_noticed() {
    fills_an_encoders(true);
}

#[test]
fn a_decoder_that_is_taken_away_fails_each_call_and_opens_again_later() {
    let fds = decoder(|_| {});
    let happen = |event: Event| world::with(|kernel| event.happen_to(kernel, 0));
    happen(Event::Remove(0));
    let gone = ioctl::g_fmt(&fds[0], CAP).unwrap_err();
    assert_eq!(gone.errno, Errno::NODEV);
    assert!(poll(&fds[0], PollFlags::PRI));
    assert!(super::open(c"/dev/video0").unwrap().is_err());
    happen(Event::Return(0));
    assert!(super::open(c"/dev/video0").unwrap().is_ok());
    assert_eq!(close(), None);
}

#[test]
fn a_camera_gives_images_in_the_size_that_it_shows() {
    let nature = Plan::plain().with_camera(|nature| {
        nature.terms.api = crate::v4l2::abi::Api::Multi;
        nature.coding = Some(Coding {
            tables: true,
            ..Coding::default()
        });
        nature.only_coded = true;
    });
    let fds = open(vec![nature.nodes[1].kind.clone()]);
    let fd = &fds[0];
    let offer = ioctl::enum_fmt(fd, CAP, 0).unwrap().unwrap();
    assert_eq!(offer.pixelformat, Fourcc::MJPG);
    assert!(ioctl::enum_fmt(fd, CAP, 1).unwrap().is_none());
    let format = set(fd, CAP, YU12, SIZE);
    assert_eq!(format.pixelformat(), Fourcc::MJPG);
    assert_eq!(format.sizeimage(0), SIZE.0 * SIZE.1 * 2);
    let frames = frames_of(fd, 4);
    for (stamp, size) in [(1, SIZE), (2, (32, 32))] {
        let show = (size != SIZE).then_some(size);
        world::with(|kernel| kernel.with_cameras(0, |camera| camera.show(show)));
        pass(100);
        let frame = frames.take().unwrap();
        let bytes = frames.read(frame.index(), frame.bytesused(0));
        let found = jpeg::read(&bytes).unwrap();
        assert_eq!((found.size, found.tables), (size, true));
        assert!(found.stamp >= stamp);
        while frames.take().is_ok() {}
    }
    assert_eq!(close(), None);
}
