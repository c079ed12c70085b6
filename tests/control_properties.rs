//! The control messages: every message survives the wire, and nothing but a message is taken for one.
#![cfg(not(loom))]

use framemill::control::message::{MESSAGE_FDS, MESSAGE_SIZE, Message, Refusal};
use proptest::prelude::*;

fn message() -> impl Strategy<Value = Message> {
    let refusal = prop_oneof![
        Just(Refusal::ProducerPresent),
        Just(Refusal::Ending),
        Just(Refusal::TooManyClients),
        Just(Refusal::BadMessage),
        Just(Refusal::BadFrameRing),
        Just(Refusal::Resources),
    ];
    prop_oneof![
        Just(Message::Produce),
        any::<bool>().prop_map(|wake| Message::Consume { wake }),
        Just(Message::Observe),
        Just(Message::Finish),
        (1u32..=32, 1u32..=3, any::<bool>()).prop_map(|(slots, memory_planes, copy)| {
            Message::Frames {
                slots,
                memory_planes,
                copy,
            }
        }),
        any::<bool>().prop_map(|wake| Message::Packets { wake }),
        refusal.prop_map(Message::Refused),
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
    fn garbage_is_never_a_message(bytes in proptest::collection::vec(any::<u8>(), 0..130)) {
        prop_assert_eq!(Message::decode(&bytes), None);
    }
}
