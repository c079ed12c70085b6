//! The control messages: every message survives the wire, and nothing but a message is taken for one.
#![cfg(not(loom))]

use framemill::client::Placement;
use framemill::control::message::{
    Change, FormatRequest, MESSAGE_FDS, MESSAGE_SIZE, Message, Offer, Outcome, Refusal, SlotMemory,
};
use framemill::internals::limits::CONTROL_ID_MAX;
use framemill::internals::media::colour::Colour;
use proptest::prelude::*;

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::KeyFrame),
        any::<u32>().prop_map(Change::Bitrate),
        any::<u32>().prop_map(Change::Gop),
        Just(Change::Drain),
        (0..=CONTROL_ID_MAX, any::<i64>()).prop_map(|(id, value)| Change::ControlId(id, value)),
        any::<([u8; 32], i64)>().prop_map(|(name, value)| Change::ControlName(name, value)),
        (0..=CONTROL_ID_MAX, any::<[u8; 32]>())
            .prop_map(|(id, name)| Change::ControlItem(id, name)),
        any::<[u8; 32]>().prop_map(Change::FindControl),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<i64>().prop_map(Outcome::Done),
        Just(Outcome::Absent),
        any::<(i64, [u8; 32])>().prop_map(|(value, name)| Outcome::Item(value, name)),
        any::<(i64, [u8; 32])>().prop_map(|(value, name)| Outcome::Fixed(value, name)),
        any::<[u8; 32]>().prop_map(Outcome::NoControl),
        any::<[u8; 32]>().prop_map(Outcome::NoItem),
        (any::<(u32, u32)>(), proptest::option::of(0..u32::MAX)).prop_map(
            |((level, max_bitrate), needed)| Outcome::AboveLevel {
                level,
                max_bitrate,
                needed,
            }
        ),
        any::<(u32, bool, (i64, i64), u64)>().prop_map(|(errno, device, range, step)| {
            Outcome::Refused {
                errno,
                device,
                range,
                step,
            }
        }),
    ]
}

fn requested() -> impl Strategy<Value = FormatRequest> {
    let size = prop_oneof![Just((0, 0)), (16u32..=8192, 16u32..=8192)];
    let rate = prop_oneof![Just((0, 0)), (1u32.., 1u32..)];
    let colour = any::<[u32; 4]>().prop_map(|numbers| {
        let [colorspace, transfer, matrix, range] = numbers.map(|number| number % 16);
        Colour::new(colorspace, transfer, matrix, range)
    });
    (any::<u32>(), size, rate, any::<bool>(), colour).prop_map(
        |(format, size, rate, copied, colour)| FormatRequest {
            format,
            size,
            rate,
            copied,
            colour,
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let refusal = prop_oneof![
        Just(Refusal::ProducerPresent),
        Just(Refusal::Ending),
        Just(Refusal::TooManyClients),
        Just(Refusal::BadMessage),
        Just(Refusal::BadFrameRing),
        Just(Refusal::Resources),
        Just(Refusal::Busy),
        Just(Refusal::Fixed),
        Just(Refusal::NotEncoded),
        Just(Refusal::Reopened),
        Just(Refusal::NotAllowed),
        Just(Refusal::OddSize),
        Just(Refusal::Format),
        Just(Refusal::CameraFeeds),
        Just(Refusal::Costly),
    ];
    let memory = prop_oneof![
        Just(SlotMemory::Exported),
        Just(SlotMemory::Copied),
        Just(SlotMemory::Imported),
    ];
    prop_oneof![
        requested().prop_map(Message::Produce),
        any::<bool>().prop_map(|wake| Message::Consume { wake }),
        Just(Message::Observe),
        Just(Message::Finish),
        (1u32..=32, 1u32..=3, memory).prop_map(|(slots, memory_planes, memory)| {
            Message::Frames {
                slots,
                memory_planes,
                memory,
            }
        }),
        (1u32..=32, 1u32..=3, any::<[[u32; 3]; 2]>()).prop_map(
            |(slots, memory_planes, [bytesperline, offset])| {
                Message::Import(Offer {
                    slots,
                    memory_planes,
                    rows: Placement {
                        bytesperline,
                        offset,
                    },
                })
            }
        ),
        any::<bool>().prop_map(|wake| Message::Packets { wake }),
        refusal.prop_map(Message::Refused),
        change().prop_map(Message::Change),
        outcome().prop_map(Message::Changed),
    ]
}

proptest! {
    #[test]
    fn a_message_survives_the_wire(message in message()) {
        prop_assert_eq!(Message::decode(&message.encode()), Some(message));
        prop_assert!(message.descriptors() <= MESSAGE_FDS);
    }

    #[test]
    fn a_message_with_one_bit_changed_is_another_message_or_none(message in message(), bit in 0..MESSAGE_SIZE * 8) {
        let mut bytes = message.encode();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let decoded = Message::decode(&bytes);
        prop_assert_ne!(decoded, Some(message));
        if let Some(other) = decoded {
            prop_assert_eq!(other.encode(), bytes);
            prop_assert!(other.descriptors() <= MESSAGE_FDS);
        }
    }

    #[test]
    fn a_control_has_one_id(id in CONTROL_ID_MAX + 1.., value in any::<i64>()) {
        let bytes = Message::Change(Change::ControlId(id, value)).encode();
        prop_assert_eq!(Message::decode(&bytes), None);
    }

    #[test]
    fn garbage_is_never_a_message(bytes in proptest::collection::vec(any::<u8>(), 0..130)) {
        prop_assert_eq!(Message::decode(&bytes), None);
    }
}
