//! A client without std and without a heap, with a panic handler of its own: were std anywhere below, there would be two.
#![no_std]

#[cfg(feature = "std")]
extern crate std;

use core::panic::PanicInfo;

use framemill::client::{
    Change, ClientError, EngineAddress, FormatRequest, FrameProducer, Next, Observer,
    PacketConsumer, SocketName, Start, Wait, change,
};
use framemill::shm::layout::flag;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Sends a grey frame and takes its packet into `target`; gives the packet's bytes.
///
/// # Errors
/// Those of the client.
pub fn round(target: &mut [u8]) -> Result<usize, ClientError> {
    let engine = EngineAddress::from(&SocketName::Path(c"/run/framemill.sock"));
    let mut consumer = PacketConsumer::connect(&engine, Start::Live)?;
    let request = FormatRequest {
        size: (640, 480),
        ..FormatRequest::default()
    };
    let mut producer = FrameProducer::connect_with(&engine, &request)?;
    if let Some(slot) = producer.acquire(Some(1_000_000_000))? {
        for plane in slot.layout().planes() {
            for row in 0..plane.rows {
                let start = plane.row_start(row).unwrap_or(0);
                let bytes = plane.row_bytes as usize;
                let memory = slot.plane(plane.memory_plane as usize);
                assert!(memory.fill(start, bytes, 128));
            }
        }
        slot.commit(1)?;
    }
    producer.finish(None)?;
    change(&engine, Change::KeyFrame)?;
    let _rate = Observer::connect(&engine)?.measured_rate();
    loop {
        match consumer.next(target) {
            Next::Packet(packet) if packet.flags & flag::END == 0 => {
                return Ok(packet.length as usize);
            }
            Next::Empty if consumer.wait(None)? == Wait::Gone => return Err(ClientError::Gone),
            Next::TooSmall(_) => consumer.skip(),
            _ => {}
        }
    }
}
