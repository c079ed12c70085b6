//! `src/client/framemill.h` compiles everywhere without a warning, and has the program's own numbers.
//!
//! The compilers do the comparing: an offset that differs is an array of a negative size. Nothing has to run.
#![cfg(not(loom))]

#[path = "protocol/words.rs"]
mod words;

use std::fmt::Write;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use framemill::control::message::{MESSAGE_FDS, MESSAGE_SIZE, Message, Refusal};
use framemill::internals::limits::{FRAME_BYTES_MAX, FRAME_SLOTS_MAX, PACKET_RING_MAX, PLANES};
use framemill::internals::shm::stats::Counter;
use framemill::shm::layout::{ABI_VERSION, FRAME_MAGIC, PACKET_MAGIC, SlotMemory, State, flag};
use words::Word;

/// A compiler of each language, and what it needs to be told.
struct Target {
    c: &'static str,
    cpp: &'static str,
    flags: &'static [&'static str],
    packages: &'static str,
}

const TARGETS: [Target; 3] = [
    Target {
        c: "gcc",
        cpp: "g++",
        flags: &[],
        packages: "gcc g++ libc6-dev",
    },
    Target {
        c: "aarch64-linux-gnu-gcc",
        cpp: "aarch64-linux-gnu-g++",
        flags: &[],
        packages: "g++-aarch64-linux-gnu libc6-dev-arm64-cross",
    },
    Target {
        c: "arm-linux-gnueabihf-gcc",
        cpp: "arm-linux-gnueabihf-g++",
        // ARMv6 has no Thumb that knows floating point.
        flags: &["-march=armv6", "-marm", "-mfpu=vfp"],
        packages: "g++-arm-linux-gnueabihf libc6-dev-armhf-cross",
    },
];

fn header() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/client")
}

/// Compiles a text; `Err` is what the compiler wrote.
fn compile(target: &Target, standard: &str, name: &str, text: &str) -> Result<(), String> {
    let (compiler, ending) = match standard.starts_with("c++") {
        true => (target.cpp, "cpp"),
        false => (target.c, "c"),
    };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = file.join(format!("{name}-{compiler}-{standard}.{ending}"));
    std::fs::write(&file, text).unwrap();
    let output = Command::new(compiler)
        .arg(format!("-std={standard}"))
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-I"])
        .arg(header())
        .args(target.flags)
        .arg("-c")
        .arg(&file)
        .arg("-o")
        .arg(file.with_extension("o"))
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{compiler} is missing: install {}", target.packages)
        }
        Err(error) => panic!("{compiler} does not start: {error}"),
    }
}

const USER: &str = "#include \"framemill.h\"\n#include <stdio.h>\n";
const IMPLEMENTATION: &str =
    "#define FRAMEMILL_IMPLEMENTATION\n#include \"framemill.h\"\n#include \"framemill.h\"\n";

fn compiles_in_all_three_languages(target: &Target) {
    for standard in ["c99", "c11", "c++17"] {
        for (name, text) in [("user", USER), ("implementation", IMPLEMENTATION)] {
            if let Err(complaint) = compile(target, standard, name, text) {
                panic!("{} {standard} {name}: {complaint}", target.c);
            }
        }
    }
    let private = format!("#define FM_API static inline\n{IMPLEMENTATION}");
    assert_eq!(compile(target, "c11", "private", &private), Ok(()));
    let warned = format!("{IMPLEMENTATION}int f(int unused) {{ return 0; }}\n");
    assert!(compile(target, "c99", "warned", &warned).is_err());
}

#[test]
fn compiles_for_this_machine() {
    compiles_in_all_three_languages(&TARGETS[0]);
}

#[test]
#[ignore = "needs the cross compilers: scripts/check"]
fn compiles_for_aarch64() {
    compiles_in_all_three_languages(&TARGETS[1]);
}

#[test]
#[ignore = "needs the cross compilers: scripts/check"]
fn compiles_for_armv6() {
    compiles_in_all_three_languages(&TARGETS[2]);
}

/// The header's names of offsets, and the document's of words.
type Names = &'static [(&'static str, &'static str)];

const PACKET_HEADER: Names = &[
    ("P_VERSION", "abi_version"),
    ("P_HEADER_BYTES", "header_bytes"),
    ("P_DESCRIPTORS", "descriptors"),
    ("P_DESCRIPTOR_BYTES", "descriptor_bytes"),
    ("P_DATA_OFFSET", "data_offset"),
    ("P_DATA_BYTES", "data_bytes"),
    ("P_CODEC_HEADER_BYTES", "codec_header_bytes"),
    ("P_COUNTER_WORDS", "counter_words"),
    ("P_HEAD", "cursors.head"),
    ("P_TAIL", "cursors.tail"),
    ("P_NEWEST_KEY", "cursors.newest_key"),
    ("P_HEARTBEAT", "status.heartbeat"),
    ("P_CREATED", "status.created"),
    ("P_PID", "status.pid"),
    ("P_PID + 4", "status.state"),
    ("P_GENERATION", "status.generation"),
    ("P_PID + 12", "status.consumers"),
    ("P_PID + 16", "status.producers"),
    ("P_PID + 20", "status.no_signal"),
    ("P_STREAM", "stream.codec"),
    ("P_STREAM + 4", "stream.format"),
    ("P_STREAM + 8", "stream.width"),
    ("P_STREAM + 12", "stream.height"),
    ("P_STREAM + 16", "stream.coded_width"),
    ("P_STREAM + 20", "stream.coded_height"),
    ("P_STREAM + 24", "stream.rate_numerator"),
    ("P_STREAM + 28", "stream.rate_denominator"),
    ("P_STREAM + 32", "stream.memory"),
    ("P_STREAM + 36", "stream.frame_slots"),
    ("P_STREAM + 40", "stream.multiplanar"),
    ("P_STREAM_VERSION", "stream.version"),
    ("P_DEVICE", "stream.device"),
    ("P_DRIVER", "stream.driver"),
    ("P_CARD", "stream.card"),
    ("P_STREAM_GENERATION", "stream.generation"),
    ("P_COLORSPACE", "stream.colorspace"),
    ("P_COLORSPACE + 4", "stream.transfer"),
    ("P_COLORSPACE + 8", "stream.matrix"),
    ("P_COLORSPACE + 12", "stream.range"),
    ("P_CODEC_VERSION", "codec_headers.version"),
    ("P_CODEC_LENGTH", "codec_headers.length"),
    ("P_CODEC_BYTES", "codec_headers.bytes"),
    // Behind the room for codec headers, which is a word.
    ("P_COUNTERS + 1024", "counters"),
];

const DESCRIPTOR: Names = &[
    ("D_SEQUENCE", "sequence"),
    ("D_POSITION", "position"),
    ("D_LENGTH", "length"),
    ("D_FLAGS", "flags"),
    ("D_TIMESTAMP", "timestamp"),
    ("D_TIMESTAMP + 8", "committed"),
    ("D_TIMESTAMP + 16", "queued"),
    ("D_TIMESTAMP + 24", "dequeued"),
    ("D_TIMESTAMP + 32", "published"),
];

const FRAME_RING: Names = &[
    ("F_VERSION", "abi_version"),
    ("F_TOTAL_BYTES", "total_bytes"),
    ("F_FORMAT", "format"),
    ("F_FORMAT + 4", "width"),
    ("F_FORMAT + 8", "height"),
    ("F_FORMAT + 12", "rate_numerator"),
    ("F_FORMAT + 16", "rate_denominator"),
    ("F_SLOTS", "slots"),
    ("F_PLANES", "planes"),
    ("F_MEMORY_PLANES", "memory_planes"),
    ("F_MEMORY_BYTES", "memory_bytes"),
    ("F_GEOMETRY", "geometry[0].memory_plane"),
    ("F_GEOMETRY + 4", "geometry[0].offset"),
    ("F_GEOMETRY + 8", "geometry[0].bytesperline"),
    ("F_GEOMETRY + 12", "geometry[0].row_bytes"),
    ("F_GEOMETRY + 16", "geometry[0].rows"),
    ("F_GEOMETRY + 20", "geometry[0].allocated_rows"),
    (
        "F_GEOMETRY + FM_I_F_GEOMETRY_BYTES",
        "geometry[1].memory_plane",
    ),
    ("F_ACCOUNTED", "accounted"),
    ("F_PUBLISHED", "published"),
    ("F_DROPPED", "dropped"),
    ("F_FILLED_OFFSET", "filled_offset"),
    ("F_FREE_OFFSET", "free_offset"),
    ("F_QUEUE_ENTRIES", "queue_entries"),
    ("F_ENTRY_BYTES", "queue_entry_bytes"),
    ("F_PLANES_MAX", "planes_max"),
    ("F_COPY_ALIGNMENT", "copy_alignment"),
    ("F_FILLED", "filled.head"),
    ("F_FILLED + FM_I_Q_TAIL", "filled.tail"),
    ("F_FILLED + FM_I_Q_ENTRIES", "filled.entries"),
];

const QUEUE_ENTRY: Names = &[
    ("E_SLOT", "slot"),
    ("E_TIMESTAMP", "timestamp"),
    ("E_TIME", "time"),
];

/// The names of the reasons, in the order of their numbers.
const REASONS: &str = "PRODUCER_PRESENT ENDING TOO_MANY_CLIENTS BAD_MESSAGE BAD_FRAME_RING RESOURCES BUSY FIXED NOT_ENCODED REOPENED \
     NOT_ALLOWED CAMERA_FEEDS COSTLY ODD_SIZE FORMAT";

/// What the header must say, in numbers that a compiler can compare.
fn claims() -> String {
    let mut claims = Vec::new();
    let tables: [(Names, Vec<Word>); 4] = [
        (PACKET_HEADER, words::packet_header()),
        (DESCRIPTOR, words::descriptor()),
        (FRAME_RING, words::frame_ring()),
        (QUEUE_ENTRY, words::queue_entry()),
    ];
    for (names, words) in tables {
        for (name, word) in names {
            let word = words.iter().find(|known| known.name == *word);
            claims.push((format!("FM_I_{name}"), word.unwrap().offset as u64));
        }
    }
    let numbers: [(&str, u64); 21] = [
        ("FM_KEY", flag::KEY.into()),
        ("FM_CONFIG", flag::CONFIG.into()),
        ("FM_CORRUPT", flag::CORRUPT.into()),
        ("FM_DISCONTINUITY", flag::DISCONTINUITY.into()),
        ("FM_END", flag::END.into()),
        ("FM_EXPORTED", SlotMemory::Exported as u64),
        ("FM_COPIED", SlotMemory::Copied as u64),
        ("FM_IMPORTED", SlotMemory::Imported as u64),
        ("FM_COUNTERS", Counter::ALL.len() as u64),
        ("FM_SLOTS_MAX", FRAME_SLOTS_MAX.into()),
        ("FM_PLANES_MAX", PLANES as u64),
        ("FM_I_FDS", MESSAGE_FDS as u64),
        ("FM_I_WORDS * 4", MESSAGE_SIZE as u64),
        ("FM_I_VERSION", ABI_VERSION.into()),
        ("FM_I_PACKET_MAGIC", PACKET_MAGIC),
        ("FM_I_FRAME_MAGIC", FRAME_MAGIC),
        ("FM_I_PACKET_RING_MAX", PACKET_RING_MAX.into()),
        ("FM_I_PLANE_BYTES_MAX", FRAME_BYTES_MAX.into()),
        ("FM_I_D_BYTES", 64),
        ("FM_I_E_BYTES", 24),
        ("FM_I_MESSAGE_MAGIC", u32::from_le_bytes(*b"FMct").into()),
    ];
    claims.extend(numbers.map(|(name, number)| (name.to_owned(), number)));
    for (number, name) in (1..).zip(REASONS.split_whitespace()) {
        claims.push((format!("FM_{name}"), number));
    }
    let mut text = IMPLEMENTATION.to_owned();
    for (number, (name, value)) in claims.iter().enumerate() {
        writeln!(
            text,
            "typedef char claim_{number}[(uint64_t)({name}) == UINT64_C({value}) ? 1 : -1]; /* {name} is {value} */"
        )
        .unwrap();
    }
    text
}

fn has_the_numbers(target: &Target) {
    for standard in ["c99", "c++17"] {
        assert_eq!(compile(target, standard, "claims", &claims()), Ok(()));
    }
    let wrong = claims().replacen(
        "(FM_I_P_HEAD) == UINT64_C(64)",
        "(FM_I_P_HEAD) == UINT64_C(65)",
        1,
    );
    let complaint = compile(target, "c99", "wrong", &wrong).unwrap_err();
    assert!(complaint.contains("negative"), "{complaint}");
}

#[test]
fn has_the_programs_numbers_on_this_machine() {
    has_the_numbers(&TARGETS[0]);
}

#[test]
#[ignore = "needs the cross compilers: scripts/check"]
fn has_the_programs_numbers_on_the_boards() {
    has_the_numbers(&TARGETS[1]);
    has_the_numbers(&TARGETS[2]);
}

/// The text of the header, whose texts and names are the program's.
#[test]
fn has_the_programs_names() {
    let text = std::fs::read_to_string(header().join("framemill.h")).unwrap();
    let counters = Counter::ALL.iter().map(|(_, name)| format!("\"{name}\""));
    let counters: Vec<String> = counters.collect();
    let states: Vec<String> = (0..=State::Idle as u32)
        .map(|state| format!("\"{}\"", State::name(state)))
        .collect();
    // Without the line breaks.
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = words.join(" ");
    for list in [counters, states] {
        let list = list.join(", ");
        assert!(text.contains(&list), "{list}");
    }
    let reasons = REASONS.split_whitespace().count() as u32;
    for number in 1..=reasons {
        let mut bytes = Message::Refused(Refusal::Ending).encode();
        bytes[16..20].copy_from_slice(&number.to_le_bytes());
        let Some(Message::Refused(reason)) = Message::decode(&bytes) else {
            panic!("{number}");
        };
        let texts = text.split("reasons[] = {").nth(1).unwrap();
        let in_order: Vec<&str> = texts.split('"').skip(1).step_by(2).collect();
        assert_eq!(in_order[number as usize], reason.text());
    }
}
