//! Which faults there are: calls of an undisturbed life, each with each errno that it could plausibly answer.
//!
//! Knows a trace's lines and strace's way of naming a call; knows nothing of what a fault should lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a call may fail with. Not each one is documented for each call: drivers answer as they like.
const ERRNOS: [&str; 10] = [
    "EIO", "ENODEV", "EINVAL", "ENOMEM", "EBUSY", "EAGAIN", "EINTR", "EPIPE", "EFAULT", "ENOSPC",
];

/// The system calls that differ from encoder to encoder: the others are swept on one of them.
const OF_THE_DEVICE: [&str; 4] = ["openat", "ioctl", "mmap", "ppoll"];

/// One call that fails, or all from one on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    pub call: String,
    /// Its number among the calls of this name, from 1.
    pub number: usize,
    pub forever: bool,
    pub errno: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forever = if self.forever { "+" } else { "" };
        write!(f, "{} {}{forever} {}", self.call, self.number, self.errno)
    }
}

impl Fault {
    /// From what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let [call, when, errno] = text.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Self {
            call: call.to_owned(),
            number: when.trim_end_matches('+').parse().ok()?,
            forever: when.ends_with('+'),
            errno: errno.to_owned(),
        })
    }

    /// Whether the call is one on the device.
    pub fn hits_device(&self) -> bool {
        OF_THE_DEVICE[..2].contains(&&self.call[..])
    }
}

/// A line of a trace.
pub struct Traced<'a> {
    /// The system call.
    pub call: &'a str,
    /// The same, an ioctl by its request.
    pub name: &'a str,
    /// Which device an ioctl asks, and which of its queues; empty where it says neither.
    pub whom: (&'a str, &'a str),
    /// The device that it asks or opens: its path.
    pub node: Option<&'a str>,
    /// Where it stands in the trace, and all of it.
    pub place: usize,
    pub line: &'a str,
}

/// The lines that are calls, in their order.
pub fn calls(trace: &str) -> impl Iterator<Item = Traced<'_>> {
    let mut opened = BTreeMap::new();
    trace.lines().enumerate().filter_map(move |(place, line)| {
        let (call, rest) = line.split_once('(')?;
        if !call
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return None;
        }
        let end = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let (name, whom) = if call == "ioctl" {
            let (device, request) = rest.split_once(", ")?;
            let queue = request.split_once("V4L2_BUF_TYPE_");
            let queue = queue.and_then(|(_, queue)| queue.split(end).next());
            (request.split(end).next()?, (device, queue.unwrap_or("")))
        } else {
            (call, ("", ""))
        };
        let node = match call {
            "openat" => rest
                .split('"')
                .nth(1)
                .filter(|path| path.starts_with("/dev/")),
            _ => opened.get(whom.0).copied(),
        };
        if let ("openat", Some((_, fd))) = (call, line.rsplit_once(" = ")) {
            opened.insert(fd, node.unwrap_or(""));
        }
        Some(Traced {
            call,
            name,
            whom,
            node: node.filter(|path| !path.is_empty()),
            place,
            line,
        })
    })
}

/// All faults of the life that was traced. Of a call that happens often: the first ones, one in the middle, the last
/// ones. `device_only` leaves out what has nothing to do with the encoder. With each, the name of what fails.
pub fn faults(trace: &str, device_only: bool) -> Vec<(String, Fault)> {
    // By name and whom they ask, the calls' numbers.
    let mut places = BTreeMap::<_, Vec<usize>>::new();
    let mut counts = BTreeMap::<&str, usize>::new();
    for traced in calls(trace) {
        let count = counts.entry(traced.call).or_default();
        *count += 1;
        if !device_only || OF_THE_DEVICE.contains(&traced.call) {
            places
                .entry((traced.call, traced.name, traced.whom))
                .or_default()
                .push(*count);
        }
    }
    let mut faults = Vec::new();
    for ((call, name, _), numbers) in places {
        let last = numbers.len() - 1;
        let once: BTreeSet<_> = if last < 8 {
            (0..=last).collect()
        } else {
            [0, 1, 2, last / 4, last / 2, last * 3 / 4, last - 1, last].into()
        };
        let forever: BTreeSet<_> = [0, last / 2, last].into();
        for errno in ERRNOS {
            // A wake-up for which there is no room finds its reader awake.
            if call == "sendto" && errno == "EAGAIN" {
                continue;
            }
            let mut add = |place: &usize, forever| {
                let fault = Fault {
                    call: call.to_owned(),
                    number: numbers[*place],
                    forever,
                    errno: errno.to_owned(),
                };
                faults.push((name.to_owned(), fault));
            };
            once.iter().for_each(|place| add(place, false));
            // "Not now" for ever, from a descriptor that is said to be ready, is no answer: the kernel would be broken.
            let again = errno == "EAGAIN" && call != "ioctl";
            // Without `read` no signal can be heard, and without `sendto` nobody can be woken.
            if errno != "EINTR" && !again && !["read", "sendto"].contains(&call) {
                forever.iter().for_each(|place| add(place, true));
            }
        }
    }
    faults
}

/// Some of them, the same for the same seed. None fails for a second time before each has failed once.
pub fn sample(mut faults: Vec<(String, Fault)>, count: usize, seed: u64) -> Vec<Fault> {
    // Xorshift, which needs a state that is not zero.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    for place in 0..faults.len() {
        let other = place + next(faults.len() - place);
        faults.swap(place, other);
    }
    let mut times = BTreeMap::<String, usize>::new();
    let nth = |(name, fault)| {
        let time = times.entry(name).or_default();
        *time += 1;
        (*time, fault)
    };
    let mut faults: Vec<_> = faults.into_iter().map(nth).collect();
    faults.sort_by_key(|&(time, _)| time);
    faults.truncate(count);
    faults.into_iter().map(|(_, fault)| fault).collect()
}
