//! A consumer: asks for a key frame, and tells of each packet until the stream ends or nothing comes for five seconds.
//!
//! `cargo run --example packets -- /run/framemill.sock`

use std::ffi::CString;
use std::{env, process};

use framemill::client::SocketName;
use framemill::client::{ClientError, Next, PacketConsumer, Start, Wait};
use framemill::shm::layout::flag;

fn main() {
    let _ = simple_logger::init_with_level(log::Level::Info);
    let path = env::args()
        .nth(1)
        .unwrap_or("/run/framemill.sock".to_owned());
    let path = CString::new(path).expect("no NUL in a path");
    if let Err(error) = consume(&SocketName::Path(&path)) {
        log::error!("{error}");
        process::exit(1);
    }
}

fn consume(engine: &SocketName<'_>) -> Result<(), ClientError> {
    let mut consumer = PacketConsumer::connect(engine, Start::Key)?;
    // Who begins in the middle need not wait for the next one.
    consumer.request_key_frame()?;
    let mut bytes = vec![0; consumer.largest_packet()];
    loop {
        match consumer.next(&mut bytes) {
            Next::Packet(packet) if packet.flags & flag::END != 0 => return Ok(()),
            Next::Packet(packet) => {
                let packet_bytes = &bytes[..packet.length as usize];
                let delay = packet.published.saturating_sub(packet.committed) / 1000;
                log::info!(
                    "packet {} of generation {}: {} bytes{}, {delay} us after its picture",
                    packet.sequence,
                    packet.generation,
                    packet_bytes.len(),
                    if packet.flags & flag::KEY != 0 {
                        ", key"
                    } else {
                        ""
                    },
                );
            }
            Next::Lapped(lost) => log::warn!("{lost} packets missed: too slow"),
            Next::TooSmall(_) => consumer.skip(),
            Next::Empty => match consumer.wait(Some(5_000_000_000))? {
                Wait::Ready => {}
                Wait::TimedOut => return Ok(()),
                Wait::Gone => return Err(ClientError::Gone),
            },
        }
    }
}
