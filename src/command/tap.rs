//! `framemill tap`: a consumer. Packets to a file or pipe, as they are: a playable elementary stream.

use core::fmt::Write;
use core::mem::ManuallyDrop;

use ::log::LevelFilter;
use arrayvec::ArrayString;
use rustix::event::PollFlags;

use crate::cli::{StartAt, TapOptions, Target};
use crate::client::{Next, Packet, PacketConsumer, Start, Wait};
use crate::command::connect::{connect, lost};
use crate::command::loss::Losses;
use crate::command::output::Output;
use crate::command::stop::{STOPPED, Stop, Woken};
use crate::errno::name::Explained;
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::limits::CODEC_HEADER_BYTES;
use crate::log;
use crate::log::note;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::flag;
use crate::shm::region::PrivateBytes;
use crate::time::now;

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
    let output = Output::to(options.to, stop)?;
    let mut index = options
        .index
        .map(|path| Output::to(Target::File(path), stop))
        .transpose()?;
    if let Some(index) = &mut index {
        index.write_bytes(
            b"# sequence bytes flags generation timestamp committed queued dequeued published\n",
        )?;
    }
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
    let mut sinks = Sinks {
        output,
        index,
        headers_due: true,
    };
    take(options, stop, &mut consumer, &mut sinks, buffer, count)
}

/// Where packets go.
struct Sinks<'a> {
    output: Output<'a>,
    index: Option<Output<'a>>,
    /// A decoder needs the headers once, and again when it may have missed new ones.
    headers_due: bool,
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
                let end = packet.flags & flag::END != 0;
                if !end {
                    sinks.write(consumer, &packet, buffer)?;
                    count.packets += 1;
                    count.bytes += u64::from(packet.length);
                }
                let after_loss = count.losses.packet();
                if let Some(index) = &mut sinks.index {
                    index.write_bytes(line(&packet, after_loss).as_bytes())?;
                }
                if end {
                    return Ok(());
                }
            }
            Next::Lapped(lost) => {
                lose(count, lost, consumer.position());
                sinks.headers_due = true;
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

impl Sinks<'_> {
    /// Writes a packet, behind the stream's headers where they are due.
    fn write(
        &mut self,
        consumer: &PacketConsumer,
        packet: &Packet,
        buffer: &[u8],
    ) -> Result<(), Failure> {
        if self.headers_due && packet.flags & flag::KEY != 0 {
            self.headers_due = packet.flags & flag::CONFIG == 0;
            // Those that the engine keeps are the present generation's.
            let present = consumer.header().status.generation.load(Relaxed);
            if self.headers_due && packet.generation == present as u16 {
                let mut headers = [0; CODEC_HEADER_BYTES];
                let length = consumer.codec_headers(&mut headers);
                self.output.write_bytes(&headers[..length])?;
                self.headers_due = length == 0;
            }
        }
        self.output.write_bytes(&buffer[..packet.length as usize])
    }
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

/// Longest line of the index, bytes: eight numbers of 20 digits, flags, spaces.
const LINE_BYTES: usize = 192;

/// A line of the index, to be written whole.
fn line(packet: &Packet, after_loss: bool) -> ArrayString<LINE_BYTES> {
    let mut line = ArrayString::new();
    let letters = [
        (packet.flags & flag::KEY != 0, 'K'),
        (packet.flags & flag::CONFIG != 0, 'C'),
        (packet.flags & flag::CORRUPT != 0, 'X'),
        (packet.flags & flag::DISCONTINUITY != 0, 'D'),
        (packet.flags & flag::END != 0, 'E'),
        (after_loss, 'L'),
    ];
    let mut flags = ArrayString::<6>::new();
    for (_, letter) in letters.iter().filter(|(there, _)| *there) {
        flags.push(*letter);
    }
    if flags.is_empty() {
        flags.push('-');
    }
    // It has room for the longest numbers.
    let _ = writeln!(
        line,
        "{} {} {flags} {} {} {} {} {} {}",
        packet.sequence,
        packet.length,
        packet.generation,
        packet.timestamp,
        packet.committed,
        packet.queued,
        packet.dequeued,
        packet.published
    );
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_index_has_room_for_the_longest_numbers_and_all_letters() {
        let packet = Packet {
            sequence: u64::MAX,
            length: u32::MAX,
            flags: flag::ALL,
            generation: u16::MAX,
            timestamp: u64::MAX,
            committed: u64::MAX,
            queued: u64::MAX,
            dequeued: u64::MAX,
            published: u64::MAX,
        };
        let text = line(&packet, true);
        let words: std::vec::Vec<_> = text.split([' ', '\n']).collect();
        assert_eq!(words.len(), 10);
        assert_eq!(
            (words[2], words[8], words[9]),
            ("KCXDEL", "18446744073709551615", "")
        );
        let text = line(&Packet::default(), false);
        assert_eq!(&*text, "0 0 - 0 0 0 0 0 0\n");
    }
}
