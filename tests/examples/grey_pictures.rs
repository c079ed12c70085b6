//! A producer: so many pictures of 1280x720, a little brighter each, 30 a second.
//!
//! `cargo run --example grey_pictures -- /run/framemill.sock 90`, beside a `framemill run` without `--size`.

use std::ffi::CString;
use std::time::Duration;
use std::{env, process, thread};

use framemill::client::SocketName;
use framemill::client::{ClientError, FormatRequest, FrameProducer};

fn main() {
    // The library logs through the `log` crate.
    let _ = simple_logger::init_with_level(log::Level::Info);
    let mut words = env::args().skip(1);
    let path = words.next().unwrap_or("/run/framemill.sock".to_owned());
    let path = CString::new(path).expect("no NUL in a path");
    let count = words.next().and_then(|word| word.parse().ok());
    match produce(&SocketName::Path(&path), count.unwrap_or(90)) {
        Ok((published, dropped)) => log::info!("{published} published, {dropped} dropped"),
        Err(error) => {
            log::error!("{error}");
            process::exit(1);
        }
    }
}

fn produce(engine: &SocketName<'_>, count: u64) -> Result<(u64, u64), ClientError> {
    let requested = FormatRequest {
        size: (1280, 720),
        rate: (30, 1),
        ..FormatRequest::default()
    };
    let mut producer = FrameProducer::connect_with(engine, &requested)?;
    log::info!(
        "{} at {:?}, {} slots",
        producer.format(),
        producer.size(),
        producer.slots()
    );
    for number in 0..count {
        // A second without a slot: the encoder does not keep up, and the picture is left out.
        let Some(slot) = producer.acquire(Some(1_000_000_000))? else {
            log::warn!("no slot for picture {number}");
            continue;
        };
        // CPU access began with `acquire` and ends with `commit`, or when the slot is dropped, which gives it back unused.
        for plane in slot.layout().planes() {
            let memory = slot.plane(plane.memory_plane as usize);
            for row in 0..plane.rows {
                let start = plane.row_start(row).expect("a row of the plane");
                // The client has checked that the rows lie within.
                assert!(memory.fill(start, plane.row_bytes as usize, 64 + number as u8 % 128));
            }
        }
        slot.commit(number * 33_333_333)?;
        thread::sleep(Duration::from_millis(33));
    }
    // Until each picture is published or dropped.
    producer.finish(None)?;
    Ok(producer.accounts())
}
