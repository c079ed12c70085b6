//! One life of an engine with one fault in it: what `lives.sh` left of it, and whether that is allowed.
//!
//! Allowed: the engine went on and every frame is accounted for, or it ended with a code of the table and a sentence
//! that names the device, the call and the errno. Everything else is listed, each thing by itself.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::plan::{Fault, calls};
use crate::accounting::{Line, index, stat};
use crate::support::Outcome;

/// Exit codes that `run` may end with for the fault of something outside of it.
const TABLED: [u64; 8] = [0, 3, 4, 5, 6, 7, 8, 9];
const RESOURCE: u64 = 14;

/// Calls in which EINVAL is no failure: there is no such control, input or event, or no further format.
const ASKED_FOR: [&str; 5] = [
    "VIDIOC_QUERY_EXT_CTRL",
    "VIDIOC_G_EXT_CTRLS",
    "VIDIOC_ENUM_FMT",
    "VIDIOC_G_INPUT",
    "VIDIOC_SUBSCRIBE_EVENT",
];

/// What became of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The call did not happen in this life.
    NotReached,
    /// The stream went on; a client may have been refused.
    Recovered,
    Exit(u64),
}

/// A life that was lived.
pub struct Life<'a> {
    outcome: &'a Outcome,
    name: String,
}

/// What is needed of the life without a fault.
pub struct Undisturbed {
    /// Slots that the second producer's frames went through.
    pub slots: usize,
    /// A camera is the producer: it goes on while one looks, and nobody else knows how many frames there were.
    pub camera: bool,
    /// The encoder's node.
    pub encoder: &'static str,
}

/// Whose packets are right: by the frame's timestamp in the index, and the stream.
pub type RightBytes<'a> = dyn Fn(&Outcome, &str, &[Line]) -> Result<(), String> + 'a;

impl<'a> Life<'a> {
    pub fn new(outcome: &'a Outcome, name: String) -> Self {
        Self { outcome, name }
    }

    fn has(&self, file: &str) -> bool {
        self.outcome.path(&format!("{}/{file}", self.name)).exists()
    }

    pub fn text(&self, file: &str) -> String {
        if self.has(file) {
            self.outcome.text(&format!("{}/{file}", self.name))
        } else {
            String::new()
        }
    }

    /// All that this program said of its ends, the last one last.
    fn statuses(&self, who: &str) -> Vec<u64> {
        let text = self.text("statuses");
        let of = |line: &str| line.strip_prefix(who)?.strip_prefix(' ')?.parse().ok();
        text.lines().filter_map(of).collect()
    }

    /// The call that failed first: its name.
    pub fn struck(&self) -> Option<String> {
        let trace = self.text("trace");
        let struck = calls(&trace).find(|call| call.line.ends_with("(INJECTED)"));
        struck.map(|call| call.name.to_owned())
    }

    /// The device that the call which failed first asked or opened.
    fn struck_node(&self) -> Option<String> {
        let trace = self.text("trace");
        let struck = calls(&trace).find(|call| call.line.ends_with("(INJECTED)"));
        struck?.node.map(str::to_owned)
    }

    /// Slots that frames of the second producer were queued in: OUTPUT buffers of this encoder.
    pub fn slots(&self, encoder: &str) -> usize {
        let from = self.text("mark").trim().parse().unwrap_or(usize::MAX);
        let trace = self.text("trace");
        let slots: BTreeSet<_> = calls(&trace)
            .filter(|call| call.place >= from && call.node == Some(encoder))
            .filter(|call| call.name == "VIDIOC_QBUF" && call.line.contains("_VIDEO_OUTPUT"))
            .filter_map(|call| {
                call.line
                    .split("index=")
                    .nth(1)?
                    .split(|c: char| !c.is_ascii_digit())
                    .next()
            })
            .collect();
        slots.len()
    }

    /// How it ended, and what should not have been.
    pub fn judge(
        &self,
        fault: &Fault,
        undisturbed: &Undisturbed,
        right: &RightBytes<'_>,
    ) -> (End, Vec<String>) {
        let mut wrong = Vec::new();
        let exit = self.statuses("engine").last().copied().unwrap_or(u64::MAX);
        if self.text("statuses").contains("engine hung") {
            return (End::Exit(exit), vec!["the engine hung".to_owned()]);
        }
        if !TABLED.contains(&exit) && exit != RESOURCE {
            wrong.push(format!("exit status {exit}"));
        }
        let struck = self.struck();
        match &struck {
            None if exit != 0 => wrong.push(format!("exit status {exit} without a fault")),
            Some(name) if exit != 0 => self.judge_sentence(fault, name, &mut wrong),
            _ => {}
        }
        for who in ["first", "second", "third", "key", "stat", "tap"] {
            for status in self.statuses(who) {
                match status {
                    124 | 143 => wrong.push(format!("{who} hung")),
                    0..=15 => {}
                    status => wrong.push(format!("{who} ended with {status}")),
                }
            }
        }
        self.judge_accounts(exit, fault, undisturbed, &mut wrong);
        self.judge_packets(right, &mut wrong);
        if exit == 0 {
            self.judge_recovery(fault, undisturbed, &mut wrong);
        }
        // With EINVAL a driver says that it has no such thing, and there is no telling that it is not so: the stream has other
        // settings then, the encoder refuses them for a reason that is not the right one, or a bridge's change goes unheard.
        if struck
            .as_deref()
            .is_some_and(|name| ASKED_FOR.contains(&name))
            && fault.errno == "EINVAL"
            && [0, 4].contains(&exit)
        {
            wrong.retain(|what| !what.starts_with("no sentence") && !what.starts_with("packet"));
        }
        // A camera of which there is nothing for ever has nothing to show, and is waited for.
        if undisturbed.camera
            && fault.forever
            && fault.errno == "EAGAIN"
            && ["VIDIOC_DQBUF", "VIDIOC_DQEVENT"]
                .map(Some)
                .contains(&struck.as_deref())
        {
            wrong.retain(|what| !what.starts_with("first ") && !what.starts_with("second "));
        }
        let end = match exit {
            0 if struck.is_none() => End::NotReached,
            0 => End::Recovered,
            exit => End::Exit(exit),
        };
        (end, wrong)
    }

    /// The engine ended because of the fault: whether it said so.
    fn judge_sentence(&self, fault: &Fault, name: &str, wrong: &mut Vec<String>) {
        // A log that cannot be written to says nothing; it asks by ppoll whether it can.
        if name == "write" || (fault.forever && name == "ppoll") {
            return;
        }
        let errno = &fault.errno[..];
        let exit = self.statuses("engine").last().copied();
        // Where the device refuses, it is not we who are short of something.
        if fault.call == "ioctl" && exit == Some(RESOURCE) && fault.errno != "ENOMEM" {
            wrong.push(format!("exit code {RESOURCE} for {errno}"));
        }
        let log = self.text("engine.log");
        let node = self.struck_node();
        let device = node.as_deref().unwrap_or("/dev/video");
        let quiet = ["EAGAIN", "EINTR", "EPIPE", "EBUSY", "EINVAL"].contains(&&fault.errno[..]);
        let words = match exit {
            // It waited for something that did not come, and these did not tell it otherwise.
            Some(7) if log.contains(" stalled ") && quiet => vec!["/dev/video", "stalled"],
            Some(8) if quiet => vec!["/dev/video", "drain"],
            // That is how a list ends: there is nothing in it.
            _ if name == "VIDIOC_ENUM_FMT" && errno == "EINVAL" => vec!["/dev/video"],
            _ if fault.call == "ioctl" && !fault.forever => vec![errno, device, name],
            // A folder is opened, too, in which the socket is made.
            _ if fault.call == "openat" && node.is_none() => vec![errno],
            _ if fault.call == "openat" && !fault.forever => vec![errno, device],
            _ if fault.hits_device() => vec![errno, "/dev/video"],
            _ => vec![errno],
        };
        if !log
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
        {
            wrong.push(format!("no sentence with {}", words.join(", ")));
        }
    }

    /// Every frame that was committed is published, or dropped and counted, on each side.
    fn judge_accounts(
        &self,
        exit: u64,
        fault: &Fault,
        undisturbed: &Undisturbed,
        wrong: &mut Vec<String>,
    ) {
        let (mut pushed, mut published, mut dropped) = (0, 0, 0);
        for who in ["first", "second", "third"] {
            for line in self.text(&format!("{who}.log")).lines() {
                if line.contains(" frames pushed: ") {
                    let [a, b, c] = numbers(line)[..] else {
                        continue;
                    };
                    (pushed, published, dropped) = (pushed + a, published + b, dropped + c);
                } else if line.contains(" frames were not taken: ") {
                    pushed -= numbers(line)[0];
                    if exit == 0 && who != "third" {
                        wrong.push(format!("{who}: {line}"));
                    }
                }
            }
        }
        if pushed != published + dropped {
            wrong.push(format!(
                "producers: {pushed} taken, {published} published, {dropped} dropped"
            ));
        }
        let log = self.text("engine.log");
        if let Some(line) = log.lines().find(|line| line.contains(": ended: ")) {
            let [frames, packets, lost] = numbers(line)[..] else {
                return;
            };
            if frames != packets + lost {
                wrong.push(format!("engine: {line}"));
            }
            // A producer whose connection the fault ended cannot know what became of its last frames.
            let cut_off = ["first", "second", "third"]
                .iter()
                .any(|who| self.statuses(who).iter().any(|&status| status != 0));
            let same = (frames, packets, lost) == (pushed, published, dropped);
            let more = frames >= pushed && packets >= published && lost >= dropped;
            if !(same || more && (cut_off || undisturbed.camera)) {
                wrong.push(format!(
                    "engine: {line}; producers: {pushed} taken, {published} published, {dropped} dropped"
                ));
            }
        } else if exit == 0 && !["write", "ppoll"].contains(&&fault.call[..]) {
            wrong.push("no last line".to_owned());
        }
        if self.statuses("stat").last() == Some(&0) {
            let json = self.text("stat.json");
            let [committed, published, dropped, inside] = [
                "frames_committed",
                "frames_published",
                "frames_dropped",
                "frames_in_flight",
            ]
            .map(|name| stat(&json, name));
            if committed != published + dropped + inside || inside != 0 && !undisturbed.camera {
                wrong.push(format!(
                    "stat: {committed} committed, {published} published, {dropped} dropped, {inside} inside"
                ));
            }
        }
    }

    /// What the consumer got: the right bytes, each frame once, and the end.
    fn judge_packets(&self, right: &RightBytes<'_>, wrong: &mut Vec<String>) {
        for attempt in 1..=2 {
            if !self.has(&format!("index{attempt}")) {
                continue;
            }
            if !self.text(&format!("index{attempt}")).starts_with('#') {
                wrong.push("a consumer that was ended from outside".to_owned());
                continue;
            }
            let mut lines = index(self.outcome, &format!("{}/index{attempt}", self.name));
            if lines.last().is_some_and(|line| line.is('E')) {
                lines.pop();
            } else {
                wrong.push("a consumer without an end mark".to_owned());
            }
            // Frames that are found in one look at the ring may count as committed then: two of them at once.
            if !lines.is_sorted_by(|a, b| {
                a.times[0] <= b.times[0]
                    && (a.times[0], a.timestamp) != (b.times[0], b.timestamp)
                    && a.sequence < b.sequence
            }) {
                wrong.push("a packet without a frame, or a frame twice".to_owned());
            }
            // What cannot be taken apart or decoded at all ends the attempt with a panic, which tells of itself.
            let stream = format!("{}/out{attempt}", self.name);
            match catch_unwind(AssertUnwindSafe(|| right(self.outcome, &stream, &lines))) {
                Ok(Ok(())) => {}
                Ok(Err(what)) => wrong.push(what),
                Err(_) => wrong.push("packets that are no stream".to_owned()),
            }
            let log = self.text("engine.log");
            if let Some(line) = log.lines().find(|line| line.contains(": ended: "))
                && numbers(line).get(1) != Some(&(lines.len() as u64))
            {
                wrong.push(format!("{} packets taken; engine: {line}", lines.len()));
            }
        }
    }

    /// The engine went on: everything works as before.
    fn judge_recovery(&self, fault: &Fault, undisturbed: &Undisturbed, wrong: &mut Vec<String>) {
        // Where no connection can be made any more, no client can come.
        if fault.forever && !fault.hits_device() && fault.call != "ppoll" {
            return;
        }
        // Memory that stays short is waited for without an end: it may be a client's doing. Nobody can produce meanwhile.
        let reopening = self.text("engine.log").contains(": reopening it");
        if fault.forever && fault.errno == "ENOMEM" && reopening {
            return;
        }
        for who in ["second", "tap"] {
            if self.statuses(who).last() != Some(&0) {
                wrong.push(format!(
                    "{who} failed after the fault: {:?}",
                    self.statuses(who)
                ));
                return;
            }
        }
        // Each time that memory is short, the start goes on with one slot less, and says so. What is short of it may be the encoder's
        // own buffers, which a camera's take the place of.
        let log = self.text("engine.log");
        let fewer = log
            .lines()
            .filter(|line| line.contains("warning: memory for") && line.contains(" Output "))
            .count();
        let (slots, usual) = (self.slots(undisturbed.encoder), undisturbed.slots);
        if slots + fewer != usual && !(undisturbed.camera && slots == usual) {
            wrong.push(format!(
                "{slots} of {usual} slots are in use, {fewer} fewer were told"
            ));
        }
    }
}

/// The numbers in a line of a log.
fn numbers(line: &str) -> Vec<u64> {
    let text = line
        .split_once("framemill: ")
        .map_or(line, |(_, text)| text);
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect()
}
