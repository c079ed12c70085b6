//! The sweep of faults: each system call that the engine makes, from its start to its end, fails once with each errno,
//! in a life of its own. An engine recovers, with every frame accounted for, or ends with a code and a sentence.
//!
//! `scripts/sweep` chooses what is swept, by the environment: `FRAMEMILL_SWEEP` is `full` or how many faults of each
//! encoder are picked, `FRAMEMILL_SWEEP_SEED` picks the same again, `FRAMEMILL_SWEEP_FAULT` is the one fault to repeat.

mod life;
mod plan;
mod subjects;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use crate::accounting::{Line, index};
use crate::camera::CAMERA;
use crate::convert::CONVERTED;
use crate::frames::{Picture, fwht_packets};
use crate::jpegs::{alike, pictures, put, shown};
use crate::support::{Guest, Outcome};
use crate::webcam::WEBCAM;
use life::{End, Life, RightBytes, Undisturbed};
use plan::{Fault, faults, sample};
use subjects::*;

/// Faults of each encoder when nothing is said.
const SAMPLE: usize = 12;

/// Lives in one boot: half a minute to a minute.
const LIVES: usize = 40;

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

#[test]
#[ignore = "boots the guest: scripts/test"]
fn every_fault_of_the_converter_is_recovered_from_or_told() {
    sweep(&CAMERA_CONVERTED);
}

impl Subject {
    fn picture(&self) -> Picture {
        Picture::new("YU12", self.size.0, self.size.1)
    }

    /// A boot in which these lives are lived: `NAME CALL WHEN ERRNO`.
    fn live(&self, boot: usize, lives: &str) -> (Guest, Outcome) {
        let name = format!("sweep-{}-{}-{boot}", self.name, std::process::id());
        let guest = Guest::new(&name, self.api).steady();
        let mut needed = String::new();
        if self.right == Right::Decoded {
            guest.compile("tests/vm/webcam.c", "webcam");
            put(&guest, "jpeg", &pictures(self.size, 1));
            needed += WEBCAM;
        }
        if self.right == Right::Converted {
            needed += CONVERTED;
        }
        guest.put("in", &self.picture().noisy(0..8));
        guest.put("plan", lives.as_bytes());
        let lives = include_str!("sweep/lives.sh");
        let outcome = guest.run(&format!("{CAMERA}{needed}\n{}\n{lives}", self.setup));
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
        Some("full") => return all.into_iter().map(|(_, fault)| fault).collect(),
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
        slots: undisturbed_life.slots(subject.encoder),
        camera: !matches!(subject.right, Right::Input | Right::Packets),
        encoder: subject.encoder,
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
            Right::Shown | Right::Converted => (undisturbed.bytes("picture"), 0),
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
