//! Properties of the command line: no bytes can break the parser, and what options say comes back however it is written.

use std::ffi::{CStr, CString};

use arrayvec::ArrayVec;
use framemill::client::SocketName;
use framemill::internals::cli::{Command, parse};
use framemill::internals::limits::{
    CAMERA_WAIT_MS_DEFAULT, CONTROL_ID_MAX, CONTROLS, DEADLINE_MS_MAX, DEADLINE_MS_MIN,
    FRAME_RATE_MAX, FRAME_SIDE_MAX, FRAME_SIDE_MIN, FRAME_SLOTS_MAX, FRAME_SLOTS_MIN, IDLE_MS_MIN,
    WAIT_MS_MAX,
};
use framemill::internals::media::colour::{self, Colour};
use framemill::internals::media::format::FORMATS;
use framemill::internals::media::fourcc::Fourcc;
use framemill::internals::media::h264;
use framemill::internals::types::control_setting::{
    BitrateMode, ControlName, ControlSetting, ControlValue,
};
use framemill::internals::types::devices::{DeviceChoice, MiddleChoice};
use framemill::internals::types::flip::Flip;
use framemill::internals::types::frame_rate::FrameRate;
use framemill::internals::types::memory::MemoryChoice;
use framemill::internals::types::run_options::{LogTarget, RunOptions};
use framemill::internals::types::size::Size;
use framemill::internals::types::users::{User, Users};
use log::LevelFilter;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// Words that get past the first checks, so that arbitrary lines reach the deeper ones.
const PLAUSIBLE: &[&str] = &[
    "run",
    "push",
    "tap",
    "sink",
    "--ustreamer=a:h264",
    "stat",
    "probe",
    "ctl",
    "key",
    "bitrate",
    "gop",
    "control",
    "drain",
    "--level",
    "--profile=high",
    "--repeat-headers",
    "help",
    "--version",
    "--help",
    "-h",
    "--",
    "-",
    "--size",
    "--size=640x480",
    "--fps",
    "--gop",
    "--control",
    "--control=a=1",
    "--producer-uid",
    "--control-uid=7",
    "--socket",
    "--socket=@",
    "--packet-ring",
    "--once",
    "--once=",
    "--loop",
    "--from",
    "--frames",
    "--json",
    "--watch",
    "--device=",
    "--to=-",
    "--mux",
    "--mux=ts",
    "--=",
    "=",
    "auto",
    "64K",
    "29.97",
    "1/0",
    "0x",
    "18446744073709551616",
];

fn word() -> impl Strategy<Value = CString> {
    prop_oneof![
        3 => proptest::sample::select(PLAUSIBLE).prop_map(|word| CString::new(word).unwrap()),
        1 => vec(1u8.., 0..200).prop_map(|bytes| CString::new(bytes).unwrap()),
        1 => (proptest::sample::select(PLAUSIBLE), vec(1u8.., 0..6)).prop_map(|(word, bytes)| {
            CString::new([word.as_bytes(), &bytes].concat()).unwrap()
        }),
    ]
}

fn borrowed(words: &[CString]) -> Vec<&CStr> {
    words.iter().map(|word| word.as_c_str()).collect()
}

/// Profile and level by name, quantisers, mode, headers.
#[derive(Clone, Debug)]
struct H264 {
    profile: Option<&'static str>,
    level: Option<&'static str>,
    qp: (Option<u32>, Option<u32>),
    mode: Option<BitrateMode>,
    headers: Option<bool>,
}

/// `RunOptions` with everything owned, so that proptest can make and keep them.
#[derive(Clone, Debug)]
struct Wanted {
    device: Option<String>,
    size: (u32, u32),
    codes: (String, String),
    rate: FrameRate,
    bitrate: Option<u32>,
    gop: Option<u32>,
    h264: H264,
    controls: Vec<(Result<u32, String>, i64)>,
    socket: (bool, String),
    mode: u32,
    users: (Option<u32>, Option<u32>),
    slots: Option<u32>,
    ring_bits: u32,
    /// Range and colorspace.
    colour: (Option<u8>, Option<u8>),
    memory: MemoryChoice,
    times: (u32, u32, u32),
    idle_ms: Option<u32>,
    once: bool,
    user: Option<(u32, u32)>,
    sandbox: bool,
    log: LevelFilter,
    log_to: LogTarget,
}

fn users(named: Option<u32>) -> Users {
    let mut users = Users::ALL;
    named.map(|uid| users.add(uid));
    users
}

fn code(word: &str) -> Fourcc {
    Fourcc::parse(word.as_bytes()).unwrap()
}

impl Wanted {
    fn options<'a>(&'a self, device: &'a CStr, socket: &'a CStr) -> RunOptions<'a> {
        RunOptions {
            device: match self.device {
                Some(_) => DeviceChoice::Path(device),
                None => DeviceChoice::Auto,
            },
            size: Size {
                width: self.size.0,
                height: self.size.1,
            },
            format: Some(code(&self.codes.0)),
            frame_rate: self.rate,
            codec: code(&self.codes.1),
            bitrate: self.bitrate,
            gop: self.gop,
            bitrate_mode: self.h264.mode,
            profile: self
                .h264
                .profile
                .and_then(|name| h264::profile(name.as_bytes())),
            level: self
                .h264
                .level
                .and_then(|name| h264::level(name.as_bytes())),
            min_qp: self.h264.qp.0,
            max_qp: self.h264.qp.1,
            repeat_headers: self.h264.headers,
            controls: self.control_settings(),
            socket: match self.socket.0 {
                true => SocketName::Abstract(socket.to_bytes()),
                false => SocketName::Path(socket),
            },
            names_socket: true,
            socket_mode: self.socket_mode(),
            socket_group: None,
            ready_fd: None,
            producers: users(self.users.0),
            changers: users(self.users.1),
            frame_slots: self.slots,
            packet_ring: 1 << self.ring_bits,
            memory: self.memory,
            stall_ms: self.times.0,
            drain_ms: self.times.1,
            wait_device_ms: self.times.2,
            camera: None,
            camera_format: None,
            decoder: MiddleChoice::Auto,
            camera_size: None,
            flip: Flip::default(),
            converter: MiddleChoice::Auto,
            colour: Colour {
                range: self.colour.0.unwrap_or(0),
                colorspace: self.colour.1.unwrap_or(0),
                ..Colour::UNKNOWN
            },
            progressive: false,
            edid: None,
            camera_wait_ms: CAMERA_WAIT_MS_DEFAULT,
            frames: None,
            realtime: None,
            cpu: None,
            idle_ms: self.idle_ms,
            stdout: false,
            mux: None,
            once: self.once,
            user: self.user.map(|(uid, gid)| User { uid, gid }),
            sandbox: self.sandbox,
            log: self.log,
            log_to: self.log_to,
        }
    }

    /// A file's mode; an abstract socket has none.
    fn socket_mode(&self) -> Option<u32> {
        (!self.socket.0).then_some(self.mode)
    }

    fn control_settings(&self) -> ArrayVec<ControlSetting<'_>, CONTROLS> {
        self.controls
            .iter()
            .map(|(name, value)| ControlSetting {
                name: match name {
                    Ok(id) => ControlName::Id(*id),
                    Err(name) => ControlName::Name(name.as_bytes()),
                },
                value: ControlValue::Number(*value),
            })
            .collect()
    }

    /// Each option with its value; `None` for a switch. Controls keep their order, which counts.
    fn words(&self) -> Vec<(&'static str, Option<String>)> {
        let mut words = vec![
            ("--size", Some(format!("{}x{}", self.size.0, self.size.1))),
            ("--format", Some(self.codes.0.clone())),
            ("--codec", Some(self.codes.1.clone())),
            ("--fps", Some(self.rate.to_string())),
            (
                "--device",
                Some(self.device.clone().unwrap_or("auto".into())),
            ),
            (
                "--packet-ring",
                Some(match self.ring_bits {
                    bits @ 20.. => format!("{}M", 1 << (bits - 20)),
                    bits => format!("{}K", 1 << (bits - 10)),
                }),
            ),
            (
                "--memory",
                Some(format!("{:?}", self.memory).to_lowercase()),
            ),
            ("--stall-ms", Some(self.times.0.to_string())),
            ("--drain-ms", Some(self.times.1.to_string())),
            ("--wait-device", Some(self.times.2.to_string())),
            ("--log", Some(self.log.as_str().to_lowercase())),
            (
                "--log-to",
                Some(format!("{:?}", self.log_to).to_lowercase()),
            ),
            (
                "--socket",
                Some(format!(
                    "{}{}",
                    if self.socket.0 { "@" } else { "" },
                    self.socket.1
                )),
            ),
        ];
        let colours = [
            ("--color-range", colour::RANGES, self.colour.0),
            ("--colorspace", colour::COLORSPACES, self.colour.1),
        ];
        for (option, names, number) in colours {
            let name = number.and_then(|n| names.split(' ').nth(usize::from(n) - 1));
            words.extend(name.map(|name| (option, Some(name.to_owned()))));
        }
        let numbers = [
            ("--bitrate", self.bitrate),
            ("--gop", self.gop),
            ("--frame-slots", self.slots),
            ("--min-qp", self.h264.qp.0),
            ("--max-qp", self.h264.qp.1),
            ("--producer-uid", self.users.0),
            ("--control-uid", self.users.1),
        ];
        let h264 = &self.h264;
        let names = [
            ("--profile", h264.profile),
            ("--level", h264.level),
            (
                "--bitrate-mode",
                h264.mode.map(|mode| {
                    if mode == BitrateMode::Constant {
                        "cbr"
                    } else {
                        "vbr"
                    }
                }),
            ),
            (
                "--repeat-headers",
                h264.headers.map(|on| if on { "on" } else { "off" }),
            ),
        ];
        words.extend(
            names
                .iter()
                .filter_map(|(name, word)| Some((*name, Some((*word)?.into())))),
        );
        words.extend(
            numbers
                .iter()
                .filter_map(|(name, n)| Some((*name, Some(n.as_ref()?.to_string())))),
        );
        words.extend(
            self.socket_mode()
                .map(|mode| ("--socket-mode", Some(format!("{mode:o}")))),
        );
        words.extend(
            self.idle_ms
                .map(|ms| ("--idle", Some(format!("stop:{ms}")))),
        );
        words.extend(self.once.then_some(("--once", None)));
        words.extend((!self.sandbox).then_some(("--no-sandbox", None)));
        words.extend(
            self.user
                .map(|(uid, gid)| ("--user", Some(format!("{uid}:{gid}")))),
        );
        words
    }
}

prop_compose! {
    fn h264()(
        profile in of(proptest::sample::select(vec!["baseline", "constrained-baseline", "main", "high"])),
        level in of(proptest::sample::select(vec!["1", "1b", "2.2", "4.0", "5.1", "6.2"])),
        least in of(0u32..=20),
        greatest in of(20u32..=51),
        mode in of(proptest::sample::select(vec![BitrateMode::Variable, BitrateMode::Constant])),
        headers in of(any::<bool>()),
    ) -> H264 {
        H264 { profile, level, qp: (least, greatest), mode, headers }
    }
}

prop_compose! {
    fn wanted()(
        device in of("/[ -~äß]{1,40}"),
        size in (FRAME_SIDE_MIN..=FRAME_SIDE_MAX, FRAME_SIDE_MIN..=FRAME_SIDE_MAX),
        codes in (proptest::sample::select(FORMATS).prop_map(|format| format.fourcc.to_string()), "[!-,.-@\\[-`{-~][!-~]{0,3}"),
        rate in (1u64..=FRAME_RATE_MAX.into(), 1u64..=1000),
        numbers in (of(1u32..1 << 31), of(1u32..1 << 31), of(FRAME_SLOTS_MIN..=FRAME_SLOTS_MAX)),
        h264 in h264(),
        controls in vec((prop_oneof![(1..=CONTROL_ID_MAX).prop_map(Ok), "[a-z][a-z0-9_ ]{0,30}".prop_map(Err)], any::<i64>()), 0..=CONTROLS),
        socket in (any::<bool>(), "[/a-z][!-~]{0,106}"),
        mode in 0u32..=0o777,
        users in (of(0..u32::MAX), of(0..u32::MAX)),
        ring_bits in 16u32..=28,
        colour in (of(1u8..=2), of(1u8..=12)),
        memory in proptest::sample::select(vec![MemoryChoice::Auto, MemoryChoice::Export, MemoryChoice::Copy]),
        times in (DEADLINE_MS_MIN..=DEADLINE_MS_MAX, DEADLINE_MS_MIN..=DEADLINE_MS_MAX, 0..=WAIT_MS_MAX),
        idle_ms in of(IDLE_MS_MIN..=WAIT_MS_MAX),
        once in any::<bool>(),
        user in of((1..u32::MAX, 0..u32::MAX)),
        sandbox in any::<bool>(),
        log in proptest::sample::select(LevelFilter::iter().collect::<Vec<_>>()),
        log_to in proptest::sample::select(vec![LogTarget::Stderr, LogTarget::Kmsg]),
    ) -> Wanted {
        Wanted {
            device, size, codes, rate: FrameRate::new(rate.0, rate.1).unwrap(), bitrate: numbers.0, gop: numbers.1, h264, controls, socket,
            mode, users, slots: numbers.2, ring_bits, colour, memory, times, idle_ms, once, user, sandbox, log, log_to,
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_words_give_a_command_or_one_printable_sentence(words in vec(word(), 0..12)) {
        if let Err(error) = parse(&borrowed(&words)) {
            let sentence = error.to_string();
            prop_assert!(!sentence.is_empty());
            prop_assert!(sentence.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{sentence}");
            // Never cut: the sentence's own end is what helps.
            prop_assert!(sentence.len() < framemill::internals::limits::TEXT_BYTES);
        }
    }

    #[test]
    fn options_written_in_any_order_and_either_way_come_back(
        (wanted, order, attached) in wanted().prop_flat_map(|wanted| {
            let words = wanted.words();
            let count = words.len() + wanted.controls.len();
            (Just(wanted), Just(words).prop_shuffle(), vec(any::<bool>(), count))
        }),
        hexadecimal in any::<bool>(),
    ) {
        let controls = wanted.controls.iter().map(|(name, value)| {
            let name = match name {
                Ok(id) if hexadecimal => format!("{id:#x}"),
                Ok(id) => id.to_string(),
                Err(name) => name.clone(),
            };
            ("--control", Some(format!("{name}={value}")))
        });
        // Spread the controls among the others without changing their own order.
        let mut options = order;
        for (at, control) in controls.enumerate() {
            options.insert((at * 2).min(options.len()), control);
        }
        let mut words = vec![CString::new("run").unwrap()];
        for ((name, value), attached) in options.iter().zip(attached) {
            match value {
                Some(value) if attached => words.push(CString::new(format!("{name}={value}")).unwrap()),
                Some(value) => words.extend([CString::new(*name).unwrap(), CString::new(value.as_str()).unwrap()]),
                None => words.push(CString::new(*name).unwrap()),
            }
        }
        let device = CString::new(wanted.device.clone().unwrap_or_default()).unwrap();
        let socket = CString::new(wanted.socket.1.as_str()).unwrap();
        match parse(&borrowed(&words)) {
            Ok(Command::Run(options)) => prop_assert_eq!(options, wanted.options(&device, &socket)),
            other => prop_assert!(false, "{:?}: {:?}", words, other),
        }
    }
}
