//! `framemill tap`: a consumer. Packets to a file or pipe, as they are: a playable elementary stream.

use core::fmt::{self, Write};
use core::mem::ManuallyDrop;

use ::log::LevelFilter;

use crate::cli::{StartAt, TapOptions, Target};
use crate::client::{Next, Packet, PacketConsumer, Start, Wait};
use crate::command::connect::{connect, lost};
use crate::command::output::Output;
use crate::error::{Exit, Failure};
use crate::failure;
use crate::limits::CODEC_HEADER_BYTES;
use crate::log;
use crate::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::flag;
use crate::shm::region::PrivateBytes;
use crate::v4l2::errno::Named;

/// What was taken, and what was not.
#[derive(Debug, Default)]
struct Count {
    packets: u64,
    bytes: u64,
    lost: u64,
}

#[inline(never)]
pub(super) fn tap(options: &TapOptions<'_>) -> Result<(), Failure> {
    // Standard error cannot fail to open.
    let _ = log::start(LevelFilter::Info, false);
    let start = match options.start {
        StartAt::Oldest => Start::Oldest,
        StartAt::Key => Start::Key,
        StartAt::Live => Start::Live,
    };
    let consumer = connect(
        &options.socket,
        options.engine_uid,
        options.wait_ms,
        |engine| PacketConsumer::connect(engine, start),
    )?;
    // Not taken apart: the process ends with it.
    let mut consumer = ManuallyDrop::new(consumer);
    let mut output = Output::to(options.to)?;
    let mut index = options
        .index
        .map(|path| Output::to(Target::File(path)))
        .transpose()?;
    let memory = PrivateBytes::new(consumer.largest_packet()).map_err(|errno| {
        failure!(
            Exit::Resource,
            "no memory for the largest packet: {}",
            Named(errno)
        )
    })?;
    let mut memory = ManuallyDrop::new(memory);
    let buffer = &mut memory[..];
    if let Some(index) = &mut index {
        let _ = index.write_str(
            "# sequence bytes flags generation timestamp committed queued dequeued published\n",
        );
    }

    let mut count = Count::default();
    if options.all && options.start == StartAt::Oldest {
        // Packets that were gone before we came are missed, too.
        count.lost = consumer.position();
    }
    let result = take(
        options,
        &mut consumer,
        &mut output,
        &mut index,
        buffer,
        &mut count,
    );
    note!(
        info,
        "{} packets taken, {} bytes, {} packets lost",
        count.packets,
        count.bytes,
        count.lost
    );
    // The packets were written through; the index may still have lines to write, whatever ended it.
    let index = index.map_or(Ok(()), |mut index| index.finish());
    result?;
    index?;
    if options.all && count.lost > 0 {
        return Err(failure!(Exit::Missed, "{} packets were missed", count.lost));
    }
    Ok(())
}

#[inline(never)]
fn take(
    options: &TapOptions<'_>,
    consumer: &mut PacketConsumer,
    output: &mut Output,
    index: &mut Option<Output>,
    buffer: &mut [u8],
    count: &mut Count,
) -> Result<(), Failure> {
    let mut gone = false;
    // A decoder needs the headers once, and again when it may have missed new ones.
    let mut headers_due = true;
    while options.frames.is_none_or(|limit| count.packets < limit) {
        match consumer.next(buffer) {
            Next::Packet(packet) => {
                if let Some(index) = index {
                    let _ = writeln!(index, "{}", Line(&packet));
                }
                if packet.flags & flag::END != 0 {
                    return Ok(());
                }
                if headers_due && packet.flags & flag::KEY != 0 {
                    headers_due = packet.flags & flag::CONFIG == 0;
                    // Those that the engine keeps are the present generation's.
                    let present = consumer.header().status.generation.load(Relaxed);
                    if headers_due && packet.generation == present as u16 {
                        let mut headers = [0; CODEC_HEADER_BYTES];
                        let length = consumer.codec_headers(&mut headers);
                        output.write_bytes(&headers[..length])?;
                        headers_due = length == 0;
                    }
                }
                output.write_bytes(&buffer[..packet.length as usize])?;
                count.packets += 1;
                count.bytes += u64::from(packet.length);
            }
            Next::Lapped(lost) => {
                count.lost += lost;
                headers_due = true;
            }
            Next::TooSmall(_) => {
                // Cannot be: the buffer is as large as the ring.
                consumer.skip();
                count.lost += 1;
            }
            Next::Empty if gone => {
                return Err(failure!(
                    Exit::Socket,
                    "the engine went away without an end mark"
                ));
            }
            Next::Empty => {
                let wait = consumer
                    .wait(None)
                    .map_err(|error| lost(&options.socket, error))?;
                gone = wait == Wait::Gone;
            }
        }
    }
    Ok(())
}

/// A line of the index.
struct Line<'a>(&'a Packet);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = self.0;
        write!(f, "{} {} ", packet.sequence, packet.length)?;
        let letters = [
            (flag::KEY, 'K'),
            (flag::CONFIG, 'C'),
            (flag::CORRUPT, 'X'),
            (flag::DISCONTINUITY, 'D'),
            (flag::END, 'E'),
        ];
        let mut any = false;
        for (bit, letter) in letters {
            if packet.flags & bit != 0 {
                f.write_char(letter)?;
                any = true;
            }
        }
        if !any {
            f.write_char('-')?;
        }
        write!(
            f,
            " {} {} {} {} {} {}",
            packet.generation,
            packet.timestamp,
            packet.committed,
            packet.queued,
            packet.dequeued,
            packet.published
        )
    }
}
