//! Any words: options in range, or one printable sentence.
#![no_main]

use std::ffi::{CStr, CString};

use framemill::internals::cli::{Command, parse};
use framemill::internals::limits::{
    FRAME_SIDE_MAX, FRAME_SIDE_MIN, FRAME_SLOTS_MAX, FRAME_SLOTS_MIN, PACKET_RING_MAX,
    PACKET_RING_MIN, TEXT_BYTES,
};
use framemill_fuzz::is_sentence;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    // Words end at a newline, which a seed can have in a text file.
    let words: Vec<CString> = data
        .split(|&byte| byte == b'\n' || byte == 0)
        .map(|word| CString::new(word).expect("no NUL"))
        .collect();
    let words: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
    match parse(&words) {
        Err(error) => {
            let sentence = error.to_string();
            assert!(
                is_sentence(&sentence) && sentence.len() <= TEXT_BYTES,
                "{sentence}"
            );
        }
        Ok(Command::Help(topic)) => assert!(topic.to_string().ends_with('\n')),
        Ok(Command::Run(run)) => {
            let sides = FRAME_SIDE_MIN..=FRAME_SIDE_MAX;
            let size = sides.contains(&run.size.width) && sides.contains(&run.size.height);
            assert!(size || (run.size.width, run.size.height) == (0, 0));
            assert!(
                run.frame_slots
                    .is_none_or(|n| (FRAME_SLOTS_MIN..=FRAME_SLOTS_MAX).contains(&n))
            );
            assert!(run.packet_ring.is_power_of_two());
            assert!((PACKET_RING_MIN..=PACKET_RING_MAX).contains(&run.packet_ring));
            assert!(run.socket_mode.is_none_or(|mode| mode <= 0o777));
        }
        Ok(_) => {}
    }
});
