//! A camera that codes and a decoder, as seeds make them, with a client between them that knows no more than the kernel's text: what the devices
//! of a chain do is such that it gets on with them.

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::vec;

use super::bench::{Mapped, close, open, pass, set};
use super::chain::{codes, decoder};
use super::natures::{encoder, eyes};
use super::node::Kind;
use super::random::Random;
use super::webcam::Coding;
use crate::media::fourcc::Fourcc;
use crate::time::MS;
use crate::v4l2::abi::{
    Api, BUF_FLAG_ERROR, BUF_FLAG_LAST, BufferType, EVENT_SOURCE_CHANGE, Memory, Queue,
};
use crate::v4l2::ioctl;

/// What a client saw.
#[derive(Debug, Default)]
struct Seen {
    /// Images that the decoder took.
    images: u64,
    /// Frames, and those marked ERROR.
    frames: u64,
    errors: u64,
    /// How often CAPTURE was started again.
    restarts: u64,
}

/// CAPTURE in the format that it has now, with all its buffers queued.
fn begin(fd: &OwnedFd, queue: BufferType) -> Mapped<'_> {
    let frames = Mapped::new(fd, queue, 4);
    for index in 0..frames.regions.len() as u32 {
        frames.put(index, &[], 0).unwrap();
    }
    ioctl::streamon(fd, queue).unwrap();
    frames
}

/// Takes what is done. Whether CAPTURE has to be started again.
fn drain(frames: &Mapped<'_>, last: &mut u64, seen: &mut Seen) -> bool {
    loop {
        match frames.take() {
            Ok(frame) => {
                let index = frame.index();
                if index as usize >= frames.regions.len() {
                    // A driver that lies: everything begins again.
                    return true;
                }
                if frame.has(BUF_FLAG_ERROR) {
                    seen.errors += 1;
                } else if frame.bytesused(0) > 0 {
                    let bytes = frames.read(index, 8);
                    let stamp = u64::from_le_bytes(bytes.try_into().unwrap());
                    assert!(stamp > *last, "frame {stamp} after {last}");
                    *last = stamp;
                    seen.frames += 1;
                }
                if frame.has(BUF_FLAG_LAST) {
                    return true;
                }
                frames.put(index, &[], 0).unwrap();
            }
            Err(Errno::AGAIN) => return false,
            Err(Errno::PIPE) => return true,
            Err(error) => unreachable!("{error}"),
        }
    }
}

/// Hands on what a camera of this seed gives, for two seconds.
fn client(seed: u64, trouble: bool) -> Seen {
    let r = &mut Random::new(seed);
    let like = encoder(r, Fourcc::H264, 0, false).terms;
    let nature = decoder(r, &like, 1500 * MS, trouble);
    let raw = eyes(r, &like, 1500 * MS, trouble);
    let mut camera = codes(r, raw, trouble);
    // Nobody is here to write tables into its images.
    camera.coding = camera.coding.map(|coding| Coding {
        tables: true,
        fills: false,
        ..coding
    });
    let size = camera.size;
    let [eye, one] = [camera.terms.api, nature.terms.api];
    let kinds = vec![
        Kind::Camera(Rc::new(camera)),
        Kind::Decoder(Rc::new(nature)),
    ];
    let fds = open(kinds);
    let (camera, fd) = (&fds[0], &fds[1]);
    let queue = |queue, api: Api| BufferType::new(queue, api);
    let (coded, raw) = (queue(Queue::Output, one), queue(Queue::Capture, one));
    let taken = queue(Queue::Capture, eye);
    set(camera, taken, Fourcc::MJPG, size);
    set(fd, coded, Fourcc::MJPG, size);
    ioctl::subscribe_event(fd, EVENT_SOURCE_CHANGE, 0).unwrap();
    let output = Mapped::new(fd, coded, 3);
    ioctl::streamon(fd, coded).unwrap();
    let mut free: BTreeSet<u32> = (0..output.regions.len() as u32).collect();
    let mut frames = begin(fd, raw);
    let taken = begin(camera, taken);
    let (mut seen, mut last) = (Seen::default(), 0);
    for _ in 0..400 {
        pass(5);
        while let Ok(done) = output.take() {
            assert!(free.insert(done.index()));
        }
        while let Ok(image) = taken.take() {
            let bytes = taken.read(image.index(), image.bytesused(0));
            if let Some(&index) = free.first()
                && !bytes.is_empty()
                && output.put(index, &bytes, image.timestamp()).is_ok()
            {
                free.remove(&index);
                seen.images += 1;
            }
            taken.put(image.index(), &[], 0).unwrap();
        }
        let ended = drain(&frames, &mut last, &mut seen);
        while let Some(event) = ioctl::dqevent(fd).unwrap() {
            assert_eq!(event.type_, EVENT_SOURCE_CHANGE);
        }
        if ended {
            seen.restarts += 1;
            ioctl::streamoff(fd, raw).unwrap();
            drop(frames);
            ioctl::reqbufs(fd, raw, Memory::Mmap, 0).unwrap();
            frames = begin(fd, raw);
        }
    }
    assert_eq!(close(), None);
    seen
}

#[test]
fn a_client_gets_on_with_every_seeds_devices() {
    let (mut restarts, mut errors, mut starved) = (0, 0, 0);
    for seed in 0..150 {
        let seen = client(seed, seed % 3 != 0);
        assert!(
            seen.frames + seen.errors <= seen.images,
            "seed {seed}: {seen:?}"
        );
        if seed % 3 == 0 {
            // All but those that are inside, and the first ones, where the format was not known before.
            assert!(seen.frames + 16 >= seen.images, "seed {seed}: {seen:?}");
            assert_eq!(seen.errors, 0, "seed {seed}");
        }
        starved += u32::from(seen.frames == 0);
        restarts += seen.restarts;
        errors += seen.errors;
    }
    // Each kind of trouble is there, and few have nothing else.
    assert!(
        restarts > 25 && errors > 25 && starved < 15,
        "{restarts} {errors} {starved}"
    );
}
