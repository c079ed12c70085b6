//! A control message is what it says in exactly one form, and never announces more descriptors than fit beside it.
#![no_main]

use framemill::control::message::{MESSAGE_FDS, MESSAGE_SIZE, Message};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Some(message) = Message::decode(data) {
        assert_eq!(message.encode(), data);
        assert!(message.descriptors() <= MESSAGE_FDS);
    }
    // The same as the words behind a right beginning, which is hard to guess.
    let mut bytes = Message::Observe.encode();
    let own = data.len().min(MESSAGE_SIZE - 8);
    bytes[8..8 + own].copy_from_slice(&data[..own]);
    bytes[8 + own..].fill(0);
    if let Some(message) = Message::decode(&bytes) {
        assert_eq!(message.encode(), bytes);
        assert!(message.descriptors() <= MESSAGE_FDS);
    }
});
