//! The protocol's document says what the code does: every offset, size and number that stands in a table of it.
//!
//! The document is read as a person would: by the names in its tables. What its sentences say, other tests show.
#![cfg(not(loom))]

#[path = "protocol/messages.rs"]
mod messages;
#[path = "protocol/words.rs"]
mod words;

use std::collections::BTreeSet;

use framemill::control::message::{MESSAGE_SIZE, Message, Refusal};
use framemill::internals::shm::atomic::Ordering::Relaxed;
use framemill::internals::shm::map::{FrameMap, PacketMap};
use framemill::internals::shm::stats::Counter;
use framemill::shm::layout::{self, NoSignal, SlotMemory, State, flag};
use words::Word;

const DOCUMENT: &str = include_str!("../src/client/PROTOCOL.md");

/// The rows of the table that is the `number`-th with this first line, each as its cells.
fn table(head: &str, number: usize) -> Vec<Vec<&'static str>> {
    let mut lines = DOCUMENT.lines();
    for _ in 0..=number {
        assert!(lines.any(|line| line == head), "no table {head}");
    }
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let inside = line
                .strip_prefix('|')
                .and_then(|line| line.strip_suffix('|'));
            inside.unwrap().split('|').map(str::trim).collect()
        })
        .collect()
}

const WORDS: &str = "| offset | type | word | written | unit, range, meaning |";

/// The words of the `number`-th table of words.
fn documented(number: usize) -> Vec<Word> {
    let word = |row: Vec<&str>| {
        let (kind, count) = row[1].split_once(" × ").unwrap_or((row[1], "1"));
        Word {
            name: row[2].trim_matches('`').to_owned(),
            offset: row[0].parse().unwrap(),
            bytes: match kind {
                "u32" => 4,
                "u64" => 8,
                other => panic!("{other}"),
            },
            count: count.parse().unwrap(),
        }
    };
    table(WORDS, number).into_iter().map(word).collect()
}

#[test]
fn every_word_stands_where_the_document_says() {
    assert_eq!(documented(0), words::packet_header());
    assert_eq!(documented(1), words::descriptor());
    assert_eq!(documented(2), words::frame_ring());
    assert_eq!(documented(3), words::queue_entry());
}

/// Bytes that no word of the list holds, from the first to `end`.
fn gaps(words: &[Word], end: usize) -> Vec<(usize, usize)> {
    let mut at = 0;
    let mut gaps = Vec::new();
    for word in words {
        if word.offset != at {
            gaps.push((at, word.offset));
        }
        at = word.offset + word.bytes * word.count;
    }
    if at != end {
        gaps.push((at, end));
    }
    gaps
}

/// What is new in a structure lies in a gap, or makes it longer.
#[test]
fn no_word_is_left_out() {
    let header = size_of::<layout::PacketHeader>();
    let padding = [(96, 128), (168, 192), (376, 384), (1416, 1472)];
    let found = gaps(&words::packet_header(), header);
    assert_eq!(found[..4], padding);
    assert_eq!(found[4..], [(4336, header)]);
    assert!(header - 4336 < 64, "{header}: less than a cache line");
    assert_eq!(gaps(&words::descriptor(), 64), []);
    let ring = size_of::<layout::FrameRing>();
    assert_eq!(
        gaps(&words::frame_ring(), ring),
        [(1736, 1792), (3336, ring)]
    );
    assert_eq!(gaps(&words::queue_entry(), 24), []);
}

/// The meaning of a word, in the tables of the rings.
fn meaning(name: &str) -> &'static str {
    let rows = [table(WORDS, 0), table(WORDS, 2)].concat();
    let row = rows
        .iter()
        .find(|row| row[2].trim_matches('`') == name)
        .unwrap_or_else(|| panic!("{name}"));
    row[4]
}

#[test]
fn capacities_have_the_values_that_the_document_gives() {
    let (packets, _fd) = PacketMap::create(65536).unwrap();
    let (frames, _fd2) = FrameMap::create().unwrap();
    let (header, ring) = (packets.header(), frames.ring());
    let named = [
        ("abi_version", header.abi_version.load(Relaxed)),
        ("header_bytes", header.header_bytes.load(Relaxed)),
        ("descriptors", header.descriptors.load(Relaxed)),
        ("descriptor_bytes", header.descriptor_bytes.load(Relaxed)),
        ("data_offset", header.data_offset.load(Relaxed) as u32),
        (
            "codec_header_bytes",
            header.codec_header_bytes.load(Relaxed),
        ),
        ("counter_words", header.counter_words.load(Relaxed)),
        ("histogram_buckets", header.histogram_buckets.load(Relaxed)),
        ("histograms", header.histograms.load(Relaxed)),
        ("filled_offset", ring.filled_offset.load(Relaxed)),
        ("free_offset", ring.free_offset.load(Relaxed)),
        ("queue_entries", ring.queue_entries.load(Relaxed)),
        ("queue_entry_bytes", ring.queue_entry_bytes.load(Relaxed)),
        ("planes_max", ring.planes_max.load(Relaxed)),
        ("copy_alignment", ring.copy_alignment.load(Relaxed)),
    ];
    for (name, value) in named {
        let mut numbers = meaning(name).split(|byte: char| !byte.is_ascii_digit());
        assert!(
            numbers.any(|number| number == value.to_string()),
            "{name} is {value}: {}",
            meaning(name)
        );
    }
    // Each of them is there, and none is zero.
    let words = [words::packet_header(), words::frame_ring()];
    for (words, capacities) in words
        .iter()
        .zip([layout::PACKET_CAPACITIES, layout::FRAME_CAPACITIES])
    {
        for (offset, value) in capacities {
            assert!(value > 0 && words.iter().any(|word| word.offset == usize::from(offset)));
        }
    }
    let magic = format!("0x{:X}", header.magic.load(Relaxed));
    assert!(meaning("magic").contains(&magic), "{magic}");
    let magic = format!("0x{:X}", ring.magic.load(Relaxed));
    assert!(DOCUMENT.contains(&magic), "{magic}");
}

#[test]
fn numbers_have_the_names_that_the_document_gives() {
    let listed = |count: u32, name: fn(u32) -> &'static str| {
        let names = (0..count).map(|number| format!("{number} {}", name(number)));
        names.collect::<Vec<_>>().join(", ")
    };
    let states = State::Idle as u32 + 1;
    assert_eq!(meaning("status.state"), listed(states, State::name));
    for number in 1..=NoSignal::Size as u32 {
        let expected = format!("{number} {}", NoSignal::name(number));
        assert!(
            meaning("status.no_signal").contains(&expected),
            "{expected}"
        );
    }
    for (kind, name) in [
        (SlotMemory::Exported, "exported"),
        (SlotMemory::Copied, "copied"),
        (SlotMemory::Imported, "imported"),
    ] {
        let expected = format!("{} {name}", kind as u32);
        for word in ["stream.memory", "memory"] {
            assert!(meaning(word).contains(&expected), "{word}: {expected}");
        }
    }
    let flags: Vec<(u32, &str)> = table("| flag | name | meaning |", 0)
        .into_iter()
        .map(|row| (row[0].parse().unwrap(), row[1]))
        .collect();
    let known = [
        (flag::KEY, "KEY"),
        (flag::CONFIG, "CONFIG"),
        (flag::CORRUPT, "CORRUPT"),
        (flag::DISCONTINUITY, "DISCONTINUITY"),
        (flag::END, "END"),
    ];
    assert_eq!(flags, known);
    assert_eq!(flags.iter().fold(0, |all, (flag, _)| all | flag), flag::ALL);
}

#[test]
fn counters_have_the_numbers_and_names_that_the_document_gives() {
    let rows = table("| number | name | counts |", 0);
    let documented = rows.iter().map(|row| (row[0].to_owned(), row[1]));
    let known = Counter::ALL.iter().enumerate();
    let known = known.map(|(number, (_, name))| (number.to_string(), format!("`{name}`")));
    assert!(
        documented
            .clone()
            .eq(known.clone().map(|(number, name)| (number, &*name.leak()))),
        "{:#?}",
        documented.collect::<Vec<_>>()
    );
}

#[test]
fn reasons_have_the_numbers_and_texts_that_the_document_gives() {
    let rows = table("| number | name | meaning |", 0);
    let documented: Vec<String> = rows.iter().map(|row| row.join(" | ")).collect();
    let refusal = |number: u32| {
        let mut bytes = Message::Refused(Refusal::Ending).encode();
        bytes[16..20].copy_from_slice(&number.to_le_bytes());
        match Message::decode(&bytes) {
            Some(Message::Refused(reason)) => Some(reason),
            _ => None,
        }
    };
    let known = (0..100).filter_map(|number| {
        refusal(number).map(|reason| format!("{number} | `{reason:?}` | {}", reason.text()))
    });
    assert_eq!(documented, known.collect::<Vec<_>>());
}

/// The numbers of the words that a cell names: "", "4", "6, 7", "8 to 15".
fn word_numbers(cell: &str) -> BTreeSet<usize> {
    let number = |text: &str| text.trim().parse::<usize>().unwrap();
    match cell.split_once(" to ") {
        Some((first, last)) => (number(first)..=number(last)).collect(),
        None if cell.is_empty() => BTreeSet::new(),
        None => cell.split(',').map(number).collect(),
    }
}

#[test]
fn fields_of_messages_stand_in_the_words_that_the_document_gives() {
    let rows = table("| kind | name | from | word | field |", 0);
    let documented: Vec<_> = rows
        .iter()
        .map(|row| {
            let kind: u32 = row[0].parse().unwrap();
            (kind, row[1], word_numbers(row[3]))
        })
        .collect();
    let fields = messages::fields();
    let known: Vec<_> = fields
        .iter()
        .map(|field| (field.kind, field.name, word_numbers(field.words)))
        .collect();
    assert_eq!(documented, known);
    for field in &fields {
        for (first, second) in &field.pairs {
            let (first, second) = (first.encode(), second.encode());
            let word = |message: &[u8; MESSAGE_SIZE], number: usize| {
                u32::from_le_bytes(*message[number * 4..].first_chunk().unwrap())
            };
            assert_eq!(word(&first, 2), field.kind, "{}", field.name);
            let differ = (4..16).filter(|&number| word(&first, number) != word(&second, number));
            let differ: BTreeSet<usize> = differ.collect();
            assert!(
                !differ.is_empty() && differ.is_subset(&word_numbers(field.words)),
                "{} {}: {differ:?}",
                field.name,
                field.words
            );
        }
    }
    let head = table("| word | content |", 0);
    let bytes = Message::Observe.encode();
    let magic = u32::from_le_bytes(*bytes.first_chunk().unwrap());
    assert_eq!(head[0][1], format!("magic `FMct`, 0x{magic:X}"));
    assert_eq!(head[1][1], format!("version, {}", bytes[4]));
}
