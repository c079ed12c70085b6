//! The sweep of faults: each system call that the engine makes, from its start to its end, fails once with each errno,
//! in a life of its own. An engine recovers, with every frame accounted for, or ends with a code and a sentence.
//!
//! `scripts/sweep` chooses what is swept, by the environment: `FRAMEMILL_SWEEP` is `full` or how many faults of each
//! encoder are picked, `FRAMEMILL_SWEEP_SEED` picks the same again, `FRAMEMILL_SWEEP_FAULT` is the one fault to repeat.

mod life;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use crate::accounting::{Line, index};
use crate::camera::CAMERA;
use crate::frames::{Picture, fwht_packets};
use crate::jpegs::{alike, pictures, put, shown};
use crate::support::{Api, Guest, Outcome};
use crate::webcam::WEBCAM;
use life::{End, Life, RightBytes, Undisturbed};
use plan::{Fault, faults, sample};

/// Faults of each encoder when nothing is said.
const SAMPLE: usize = 30;

/// Lives in one boot: half a minute to a minute.
const LIVES: usize = 40;

/// What is under sweep: an encoder that producers feed, or one with a camera.
#[derive(Clone, Copy)]
struct Subject {
    /// Its name for `scripts/sweep --device`.
    name: &'static str,
    api: Api,
    setup: &'static str,
    size: (u32, u32),
    /// Only the calls that have to do with a device.
    device_only: bool,
    right: Right,
}

/// Which bytes are right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Coded without loss: a decoder gives back the input.
    Input,
    /// Coded without loss: a decoder gives back the picture that the camera shows.
    Shown,
    /// The same, where the camera sends a JPEG.
    Decoded,
    /// Packets of the life without a fault.
    Packets,
}

const H264: Subject = Subject {
    name: "h264",
    api: Api::Multi,
    setup: "encoder='--device /dev/video11 --codec H264 --gop 4' size='--size 64x48' third_after=0.008\nknob encode_us 2000",
    size: (64, 48),
    device_only: false,
    right: Right::Input,
};

/// Key frames only: then each packet can be compared with that of a life without a fault, whatever came before it.
const FWHT: &str =
    "encoder='--device /dev/video0 --codec FWHT --gop 1' size='--size 640x368' third_after=0.06";

const SINGLE: Subject = Subject {
    name: "fwht-single",
    api: Api::Single,
    setup: FWHT,
    size: (640, 368),
    device_only: true,
    right: Right::Packets,
};

const MULTI: Subject = Subject {
    name: "fwht-multi",
    api: Api::Multi,
    ..SINGLE
};

/// A webcam whose buffers the encoder imports.
const CAMERA_IMPORT: Subject = Subject {
    name: "camera",
    api: Api::Multi,
    setup: "encoder='--device /dev/video11 --codec H264 --gop 4' size='--size 320x180 --camera /dev/video4 --camera-wait 300'
        clients=watchers\npicture 320 180 YU12",
    size: (320, 180),
    device_only: true,
    right: Right::Shown,
};

/// A bridge whose signal is lost and comes back, and whose pictures are copied.
const CAMERA_BRIDGE: Subject = Subject {
    name: "bridge",
    setup: "encoder='--device /dev/video11 --codec H264 --gop 4' size='--memory copy --camera /dev/video4 --camera-wait 300'
        clients=watchers begin=signal middle=lose_signal\nbridge\nsource_sends 0\npicture 640 480 YU12",
    size: (640, 480),
    ..CAMERA_IMPORT
};

/// A webcam whose pictures pass the model's decoder. It is nobody's child: lives wait for theirs.
const CAMERA_DECODED: Subject = Subject {
    name: "decoder",
    setup: "(/tmp/webcam /host/jpeg-000.jpg 2>/tmp/webcam.log &)\nuntil_true find_webcam\nencoder='--device /dev/video11 --codec H264 --gop 4'
        size=\"--size 320x240 --camera $node --camera-format MJPG --camera-wait 300\" clients=watchers",
    size: (320, 240),
    right: Right::Decoded,
    ..CAMERA_IMPORT
};

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_fault_of_the_h264_encoder_is_recovered_from_or_told() {
    sweep(&H264);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_fault_of_the_single_planar_encoder_is_recovered_from_or_told() {
    sweep(&SINGLE);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_fault_of_the_multi_planar_encoder_is_recovered_from_or_told() {
    sweep(&MULTI);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_fault_of_the_camera_is_recovered_from_or_told() {
    sweep(&CAMERA_IMPORT);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_fault_of_the_bridge_is_recovered_from_or_told() {
    sweep(&CAMERA_BRIDGE);
}

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_fault_of_the_decoder_is_recovered_from_or_told() {
    sweep(&CAMERA_DECODED);
}

impl Subject {
    fn picture(&self) -> Picture {
        Picture::new("YU12", self.size.0, self.size.1)
    }

    /// A boot in which these lives are lived: `NAME CALL WHEN ERRNO`.
    fn live(&self, boot: usize, lives: &str) -> (Guest, Outcome) {
        let name = format!("sweep-{}-{}-{boot}", self.name, std::process::id());
        let guest = Guest::new(&name, self.api).steady();
        let mut webcam = "";
        if self.right == Right::Decoded {
            guest.compile("tests/vm/webcam.c", "webcam");
            put(&guest, "jpeg", &pictures(self.size, 1));
            webcam = WEBCAM;
        }
        guest.put("in", &self.picture().noisy(0..8));
        guest.put("plan", lives.as_bytes());
        let lives = include_str!("sweep/lives.sh");
        let outcome = guest.run(&format!("{CAMERA}{webcam}\n{}\n{lives}", self.setup));
        (guest, outcome)
    }
}

/// What happened, by call and errno.
#[derive(Default)]
struct Table {
    cells: BTreeMap<String, BTreeMap<String, BTreeMap<String, u32>>>,
    lives: usize,
}

impl Table {
    fn count(&mut self, call: &str, errno: &str, end: &str) {
        let row = self.cells.entry(call.to_owned()).or_default();
        *row.entry(errno.to_owned())
            .or_default()
            .entry(end.to_owned())
            .or_default() += 1;
        self.lives += 1;
    }

    fn print(&self, name: &str) {
        let columns: BTreeSet<_> = self.cells.values().flat_map(BTreeMap::keys).collect();
        println!(
            "\n{name}: {} faults. A cell has the lives that ended so: ok recovered, 3 to 14 the exit code, - the call did not happen, \
             ! not allowed.",
            self.lives
        );
        print!("{:24}", "call");
        columns.iter().for_each(|errno| print!(" {errno:>16}"));
        println!();
        for (call, row) in &self.cells {
            print!("{call:24}");
            for errno in &columns {
                let cell: Vec<_> = row
                    .get(*errno)
                    .into_iter()
                    .flatten()
                    .map(|(end, count)| format!("{end}:{count}"))
                    .collect();
                print!(" {:>16}", cell.join(" "));
            }
            println!();
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The faults that are asked for.
fn chosen(subject: &Subject, trace: &str) -> Vec<Fault> {
    if let Some(text) = variable("FRAMEMILL_SWEEP_FAULT") {
        return vec![
            Fault::parse(&text)
                .unwrap_or_else(|| panic!("\"{text}\" is no fault: CALL NUMBER[+] ERRNO")),
        ];
    }
    let all = faults(trace, subject.device_only);
    let count = match variable("FRAMEMILL_SWEEP").as_deref() {
        Some("full") => return all,
        Some(count) => count
            .parse()
            .unwrap_or_else(|_| panic!("FRAMEMILL_SWEEP={count}")),
        None => SAMPLE,
    };
    let seed = variable("FRAMEMILL_SWEEP_SEED").map_or_else(
        || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(1, |since| since.as_secs())
        },
        |seed| {
            seed.parse()
                .unwrap_or_else(|_| panic!("FRAMEMILL_SWEEP_SEED={seed}"))
        },
    );
    println!(
        "{}: {count} of {} faults; the same again: scripts/sweep --device {0} --sample {count} --seed {seed}",
        subject.name,
        all.len()
    );
    sample(all, count, seed)
}

fn sweep(subject: &Subject) {
    let (_guest, first) = subject.live(0, "undisturbed none 1 EIO\n");
    let undisturbed_life = Life::new(&first, "undisturbed".to_owned());
    let undisturbed = Undisturbed {
        slots: undisturbed_life.slots(),
        camera: matches!(subject.right, Right::Shown | Right::Decoded),
    };
    let right = right_bytes(subject, &first);
    let nothing = Fault::parse("none 1 EIO").expect("a fault");
    let (end, wrong) = undisturbed_life.judge(&nothing, &undisturbed, &*right);
    assert!(
        end == End::NotReached && wrong.is_empty() && undisturbed.slots == 3,
        "{wrong:?}: {}",
        first.story()
    );

    let faults = chosen(subject, &undisturbed_life.text("trace"));
    let (mut table, mut forbidden, mut missed) = (Table::default(), Vec::new(), 0);
    for (boot, faults) in faults.chunks(LIVES).enumerate() {
        let name = |at: usize| format!("life{at}");
        let plan: String = faults
            .iter()
            .enumerate()
            .map(|(at, fault)| format!("{} {fault}\n", name(at)))
            .collect();
        let (_guest, outcome) = subject.live(boot + 1, &plan);
        for (at, fault) in faults.iter().enumerate() {
            let life = Life::new(&outcome, name(at));
            let (end, wrong) = life.judge(fault, &undisturbed, &*right);
            missed += usize::from(end == End::NotReached);
            let struck = life.struck().unwrap_or_else(|| fault.call.clone());
            let text = match end {
                _ if !wrong.is_empty() => "!".to_owned(),
                End::NotReached => "-".to_owned(),
                End::Recovered => "ok".to_owned(),
                End::Exit(code) => code.to_string(),
            };
            table.count(&struck, &fault.errno, &text);
            if !wrong.is_empty() {
                let story = format!(
                    "scripts/sweep --device {} --fault '{fault}'\n    {struck}: {}\n    statuses: {}\n    {}",
                    subject.name,
                    wrong.join("; "),
                    life.text("statuses").trim().replace('\n', ", "),
                    life.text("engine.log").trim().replace('\n', "\n    "),
                );
                println!("\nnot allowed: {story}");
                forbidden.push(story);
            }
        }
    }
    table.print(subject.name);
    for story in &forbidden {
        println!("\nnot allowed: {story}");
    }
    assert!(
        forbidden.is_empty(),
        "{}: {} of {} faults are not dealt with",
        subject.name,
        forbidden.len(),
        faults.len()
    );
    // Which calls are made late in a life differs a little from life to life.
    assert!(
        2 * missed <= faults.len(),
        "{}: {missed} of {} faults did not strike",
        subject.name,
        faults.len()
    );
}

/// What a stream of this encoder must be.
fn right_bytes(subject: &Subject, undisturbed: &Outcome) -> Box<RightBytes<'static>> {
    let picture = subject.picture();
    let frame_bytes = picture.frame_bytes();
    if subject.right != Right::Packets {
        let (source, period) = match subject.right {
            Right::Shown => (undisturbed.bytes("picture"), 0),
            Right::Decoded => {
                let size = (subject.size.0 as usize, subject.size.1 as usize);
                (shown(&pictures(subject.size, 1)[0], size), 0)
            }
            _ => (picture.noisy(0..8), 30),
        };
        // A decoder's transform rounds otherwise than FFmpeg's.
        let tolerance = u8::from(subject.right == Right::Decoded);
        return Box::new(move |outcome, stream, lines| {
            if lines.is_empty() {
                return Ok(());
            }
            let decoded = outcome.decoded(stream);
            let frames: Vec<_> = decoded.chunks_exact(frame_bytes).collect();
            if frames.len() != lines.len() {
                return Err(format!(
                    "{} packets, {} frames decoded",
                    lines.len(),
                    frames.len()
                ));
            }
            let place = |line: &Line| (line.timestamp * period).div_ceil(1_000_000_000) as usize;
            let differs = |(frame, line): &(&&[u8], &Line)| {
                !alike(
                    frame,
                    &source[place(line) * frame_bytes..][..frame_bytes],
                    tolerance,
                )
            };
            let wrong = frames.iter().zip(lines).find(differs);
            wrong.map_or(Ok(()), |(_, line)| {
                Err(format!("packet {} has the wrong pixels", line.sequence))
            })
        });
    }
    let mut packets = BTreeMap::new();
    for (packet, line) in split(
        undisturbed,
        "undisturbed/out1",
        &index(undisturbed, "undisturbed/index1"),
    ) {
        packets.insert(line, packet);
    }
    Box::new(move |outcome, stream, lines| {
        let packets_here = split(outcome, stream, lines);
        let taken: usize = packets_here.iter().map(|(packet, _)| packet.len()).sum();
        if taken as u64 != fs::metadata(outcome.path(stream)).map_or(0, |data| data.len()) {
            return Err("bytes that no packet has".to_owned());
        }
        let wrong = packets_here
            .iter()
            .position(|(packet, timestamp)| packets.get(timestamp) != Some(packet));
        wrong.map_or(Ok(()), |at| Err(format!("packet {at} has the wrong bytes")))
    })
}

/// The packets of a stream of key frames, with their timestamps.
fn split(outcome: &Outcome, stream: &str, lines: &[Line]) -> Vec<(Vec<u8>, u64)> {
    let bytes = outcome.bytes(stream);
    assert!(
        fwht_packets(&bytes).iter().all(|&(_, key)| key),
        "{stream} has key frames only"
    );
    let mut at = 0;
    lines
        .iter()
        .filter(|line| !line.is('E'))
        .map(|line| {
            let packet = bytes
                .get(at..at + line.bytes as usize)
                .unwrap_or_default()
                .to_vec();
            at += line.bytes as usize;
            (packet, line.timestamp)
        })
        .collect()
}
