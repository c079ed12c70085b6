//! `framemill tap`: a consumer. Packets to a file or pipe, as they are or in a container.

mod index;
mod sinks;

use core::mem::ManuallyDrop;

use ::log::LevelFilter;
use rustix::event::PollFlags;

use crate::cli::{StartAt, TapOptions};
use crate::client::{Next, PacketConsumer, Start, Wait};
use crate::command::connect::{connect, lost};
use crate::command::loss::Losses;
use crate::command::stop::{STOPPED, Stop, Woken};
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::log;
use crate::log::note;
use crate::shm::layout::flag;
use crate::shm::region::PrivateBytes;
use crate::time::now;
use sinks::Sinks;

/// What was taken, and what was not.
#[derive(Debug, Default)]
struct Count {
    packets: u64,
    bytes: u64,
    losses: Losses,
    /// There was an engine.
    connected: bool,
}

#[inline(never)]
pub(super) fn tap(options: &TapOptions<'_>) -> Result<(), Failure> {
    // Standard error cannot fail to open.
    let _ = log::start(LevelFilter::Info, false);
    let stop = Stop::on_signals()?;
    let mut count = Count::default();
    let result = consume(options, &stop, &mut count);
    if count.connected || result == Err(STOPPED) {
        note!(
            info,
            "{} packets taken, {} bytes, {} packets lost",
            count.packets,
            count.bytes,
            count.losses.total()
        );
    }
    result?;
    if options.all && count.losses.total() > 0 {
        return Err(failure!(
            Exit::Missed,
            "{} packets were missed",
            count.losses.total()
        ));
    }
    Ok(())
}

/// Connects, opens the outputs, and takes packets.
fn consume(options: &TapOptions<'_>, stop: &Stop, count: &mut Count) -> Result<(), Failure> {
    let start = match options.start {
        StartAt::Oldest => Start::Oldest,
        StartAt::Key => Start::Key,
        StartAt::Live => Start::Live,
    };
    let uid = options.engine_uid;
    let consumer = connect(&options.socket, uid, options.wait_ms, stop, |engine| {
        PacketConsumer::connect(engine, start)
    })?;
    count.connected = true;
    // Not taken apart: the process ends with it.
    let mut consumer = ManuallyDrop::new(consumer);
    let mut sinks = Sinks::open(options, &consumer, stop)?;
    let memory = PrivateBytes::new(consumer.largest_packet()).map_err(|errno| {
        failure!(
            Exit::Resource,
            "no memory for the largest packet: {}",
            Explained(errno)
        )
    })?;
    let mut memory = ManuallyDrop::new(memory);
    let buffer = &mut memory[..];
    if options.all && options.start == StartAt::Oldest {
        // Packets that were gone before we came are missed, too.
        lose(count, consumer.position(), consumer.position());
    }
    take(options, stop, &mut consumer, &mut sinks, buffer, count)
}

fn take(
    options: &TapOptions<'_>,
    stop: &Stop,
    consumer: &mut PacketConsumer,
    sinks: &mut Sinks<'_>,
    buffer: &mut [u8],
    count: &mut Count,
) -> Result<(), Failure> {
    let mut gone = false;
    while options.frames.is_none_or(|limit| count.packets < limit) && !stop.asked()? {
        match consumer.next(buffer) {
            Next::Packet(packet) => {
                let after_loss = count.losses.packet();
                if packet.flags & flag::END != 0 {
                    return sinks.end(&packet, after_loss);
                }
                let bytes = &buffer[..packet.length as usize];
                if sinks.write(consumer, &packet, bytes, after_loss)? {
                    count.packets += 1;
                    count.bytes += u64::from(packet.length);
                } else {
                    lose(count, 1, consumer.position());
                }
            }
            Next::Lapped(lost) => {
                lose(count, lost, consumer.position());
                sinks.lost();
            }
            Next::TooSmall(_) => {
                // Cannot be: the buffer is as large as the ring.
                consumer.skip();
                lose(count, 1, consumer.position());
            }
            Next::Empty if gone => {
                return Err(failure!(
                    Exit::Socket,
                    "the engine went away without an end mark"
                ));
            }
            Next::Empty => {
                let engine = [
                    (consumer.event(), PollFlags::IN),
                    (consumer.socket(), PollFlags::IN),
                ];
                if stop.wait(&engine, None)? == Woken::Ready {
                    let wait = consumer.wait(Some(0));
                    let wait = wait.map_err(|error| lost(&options.socket, error))?;
                    gone = wait == Wait::Gone;
                }
            }
        }
    }
    Ok(())
}

/// Packets are lost; the next one is that of `sequence`, or a later one.
fn lose(count: &mut Count, packets: u64, sequence: u64) {
    if let Some(packets) = count.losses.add(packets, now()) {
        note!(
            warn,
            "{packets} packets lost before packet {sequence}: overwritten before they were read, or skipped up to a key frame"
        );
    }
}
