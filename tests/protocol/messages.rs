//! The fields of the control messages, each with pairs of messages that differ in it alone.

use framemill::client::{Change, Colour, FormatRequest, Outcome, Placement};
use framemill::control::message::{CHANGE_NAME_BYTES, Message, Offer, Refusal, SlotMemory};

/// A field of a message.
pub struct Field {
    /// The message's kind, by number.
    pub kind: u32,
    /// And by name.
    pub name: &'static str,
    /// The words that it stands in, as the document writes them.
    pub words: &'static str,
    /// Messages that differ in it alone.
    pub pairs: Vec<(Message, Message)>,
}

const A: [u8; CHANGE_NAME_BYTES] = [b'a'; CHANGE_NAME_BYTES];
const B: [u8; CHANGE_NAME_BYTES] = [b'b'; CHANGE_NAME_BYTES];
const WIDE: i64 = 0x1234_5678_9abc_def0;

fn produce(change: fn(&mut FormatRequest)) -> (Message, Message) {
    let mut request = FormatRequest::default();
    change(&mut request);
    (
        Message::Produce(FormatRequest::default()),
        Message::Produce(request),
    )
}

fn import(change: fn(&mut Offer)) -> (Message, Message) {
    let offer = Offer {
        slots: 1,
        memory_planes: 1,
        rows: Placement::default(),
    };
    let mut other = offer;
    change(&mut other);
    (Message::Import(offer), Message::Import(other))
}

fn change(first: Change, second: Change) -> (Message, Message) {
    (Message::Change(first), Message::Change(second))
}

fn changed(first: Outcome, second: Outcome) -> (Message, Message) {
    (Message::Changed(first), Message::Changed(second))
}

fn refused(errno: u32, device: bool, range: (i64, i64), step: u64) -> Outcome {
    Outcome::Refused {
        errno,
        device,
        range,
        step,
    }
}

fn above(level: u32, max_bitrate: u32, needed: Option<u32>) -> Outcome {
    Outcome::AboveLevel {
        level,
        max_bitrate,
        needed,
    }
}

fn frames(slots: u32, memory_planes: u32, memory: SlotMemory) -> Message {
    Message::Frames {
        slots,
        memory_planes,
        memory,
    }
}

/// Every field, in the document's order.
pub fn fields() -> Vec<Field> {
    let field = |kind, name, words, pairs| Field {
        kind,
        name,
        words,
        pairs,
    };
    let mut fields = asked();
    fields.extend([
        field(
            16,
            "FRAMES",
            "4",
            vec![(
                frames(1, 1, SlotMemory::Copied),
                frames(2, 1, SlotMemory::Copied),
            )],
        ),
        field(
            16,
            "FRAMES",
            "5",
            vec![(
                frames(1, 1, SlotMemory::Copied),
                frames(1, 2, SlotMemory::Copied),
            )],
        ),
        field(
            16,
            "FRAMES",
            "6",
            vec![(
                frames(1, 1, SlotMemory::Copied),
                frames(1, 1, SlotMemory::Imported),
            )],
        ),
        field(
            17,
            "PACKETS",
            "4",
            vec![(
                Message::Packets { wake: false },
                Message::Packets { wake: true },
            )],
        ),
        field(
            18,
            "REFUSED",
            "4",
            vec![(
                Message::Refused(Refusal::Ending),
                Message::Refused(Refusal::Busy),
            )],
        ),
        field(
            19,
            "CHANGED",
            "4",
            vec![
                changed(Outcome::Done(0), Outcome::Absent),
                changed(refused(1, false, (0, 0), 0), refused(1, true, (0, 0), 0)),
                changed(Outcome::NoControl(A), Outcome::NoItem(A)),
                changed(Outcome::Item(0, A), Outcome::Fixed(0, A)),
            ],
        ),
        field(
            19,
            "CHANGED",
            "5",
            vec![
                changed(refused(1, false, (0, 0), 0), refused(2, false, (0, 0), 0)),
                changed(above(1, 1, None), above(2, 1, None)),
            ],
        ),
        field(
            19,
            "CHANGED",
            "6, 7",
            vec![
                changed(Outcome::Done(0), Outcome::Done(WIDE)),
                changed(Outcome::Item(0, A), Outcome::Item(WIDE, A)),
                changed(Outcome::Fixed(0, A), Outcome::Fixed(WIDE, A)),
                changed(refused(1, true, (0, 0), 0), refused(1, true, (WIDE, 0), 0)),
                changed(above(1, 1, None), above(1, 2, Some(1))),
            ],
        ),
        field(
            19,
            "CHANGED",
            "8 to 15",
            vec![
                changed(Outcome::Item(0, A), Outcome::Item(0, B)),
                changed(Outcome::Fixed(0, A), Outcome::Fixed(0, B)),
                changed(Outcome::NoControl(A), Outcome::NoControl(B)),
                changed(Outcome::NoItem(A), Outcome::NoItem(B)),
                changed(refused(1, true, (0, 0), 0), refused(1, true, (0, WIDE), 7)),
            ],
        ),
    ]);
    fields
}

/// Those of clients.
fn asked() -> Vec<Field> {
    let field = |kind, name, words, pairs| Field {
        kind,
        name,
        words,
        pairs,
    };
    vec![
        field(1, "PRODUCE", "4", vec![produce(|it| it.format = 1)]),
        field(1, "PRODUCE", "5", vec![produce(|it| it.size.0 = 1)]),
        field(1, "PRODUCE", "6", vec![produce(|it| it.size.1 = 1)]),
        field(1, "PRODUCE", "7", vec![produce(|it| it.rate.0 = 1)]),
        field(1, "PRODUCE", "8", vec![produce(|it| it.rate.1 = 1)]),
        field(1, "PRODUCE", "9", vec![produce(|it| it.copied = true)]),
        field(
            1,
            "PRODUCE",
            "10",
            vec![produce(|it| it.colour = Colour::new(3, 1, 2, 1))],
        ),
        field(
            2,
            "CONSUME",
            "4",
            vec![(
                Message::Consume { wake: false },
                Message::Consume { wake: true },
            )],
        ),
        field(3, "OBSERVE", "", vec![]),
        field(4, "FINISH", "", vec![]),
        field(
            5,
            "CHANGE",
            "4",
            vec![
                change(Change::KeyFrame, Change::Drain),
                change(Change::Bitrate(1), Change::Gop(1)),
                change(Change::FindControl(A), Change::ControlName(A, 0)),
                change(Change::ControlId(1, 0), Change::ControlItem(1, [0; _])),
            ],
        ),
        field(
            5,
            "CHANGE",
            "5",
            vec![
                change(Change::ControlId(1, 0), Change::ControlId(2, 0)),
                change(Change::ControlItem(1, A), Change::ControlItem(2, A)),
            ],
        ),
        field(
            5,
            "CHANGE",
            "6, 7",
            vec![
                change(Change::Bitrate(1), Change::Bitrate(2)),
                change(Change::Gop(1), Change::Gop(2)),
                change(Change::ControlId(1, 0), Change::ControlId(1, WIDE)),
                change(Change::ControlName(A, 0), Change::ControlName(A, WIDE)),
            ],
        ),
        field(
            5,
            "CHANGE",
            "8 to 15",
            vec![
                change(Change::ControlName(A, 0), Change::ControlName(B, 0)),
                change(Change::ControlItem(1, A), Change::ControlItem(1, B)),
                change(Change::FindControl(A), Change::FindControl(B)),
            ],
        ),
        field(6, "IMPORT", "4", vec![import(|it| it.slots = 2)]),
        field(6, "IMPORT", "5", vec![import(|it| it.memory_planes = 2)]),
        field(
            6,
            "IMPORT",
            "6 to 8",
            vec![import(|it| it.rows.bytesperline = [1, 2, 3])],
        ),
        field(
            6,
            "IMPORT",
            "9 to 11",
            vec![import(|it| it.rows.offset = [1, 2, 3])],
        ),
    ]
}
