//! `framemill tap`: a consumer. Packets to a file or pipe, as they are or in a container.

mod index;
mod sinks;

use ::log::LevelFilter;
use rustix::event::PollFlags;

use crate::cli::{StartAt, TapOptions, Target};
use crate::client::{ClientError, Next, PacketConsumer, Start, Wait};
use crate::command::connect::{self, Patience, lost, packet_memory};
use crate::command::loss::Losses;
use crate::command::progress::Progress;
use crate::command::segments::Count as Files;
use crate::command::stop::{STOPPED, Stop, Woken};
use crate::error::Failure;
use crate::error::failure;
use crate::exit::Exit;
use crate::log;
use crate::log::note;
use crate::sandbox;
use crate::shm::layout::flag;
use crate::stdio::{has_ended, is_terminal, stdout};
use crate::time::MS;
use crate::types::socket_name::SocketName;
use sinks::Sinks;

/// What was taken, and what was not.
#[derive(Debug, Default)]
struct Count {
    packets: u64,
    bytes: u64,
    losses: Losses,
    /// Datagrams that were not sent.
    unsent: u64,
    /// Files of a recording.
    files: Files,
    /// There was an engine.
    connected: bool,
    /// What is shown meanwhile.
    progress: Progress,
}

#[inline(never)]
pub(super) fn tap(options: &TapOptions<'_>) -> Result<(), Failure> {
    // Standard error cannot fail to open.
    let _ = log::start(LevelFilter::Info, false);
    packets(options, &Stop::on_signals()?)
}

/// Takes packets until the stream ends, a signal asks for the end, or nobody reads any more; logs what was taken.
pub(super) fn packets(options: &TapOptions<'_>, stop: &Stop) -> Result<(), Failure> {
    let busy = options.to == Target::Stdout && is_terminal(stdout());
    let mut count = Count {
        progress: Progress::new(options.progress, busy),
        ..Count::default()
    };
    let result = consume(options, stop, &mut count);
    if count.connected || result == Err(STOPPED) {
        note!(
            info,
            "{} packets taken, {} bytes, {} packets lost",
            count.packets,
            count.bytes,
            count.losses.total()
        );
        if count.unsent > 0 {
            note!(info, "{} datagrams were not sent", count.unsent);
        }
        if options.segment.is_some() {
            let Files { made, deleted } = count.files;
            note!(info, "{made} segments written, {deleted} deleted");
        }
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

/// Why packets are no longer taken from this engine, or for this peer.
enum End {
    /// The command has done what it was to do.
    Done,
    /// The engine ended, or is gone.
    Engine(Gone),
    /// The peer is gone.
    Peer,
}

/// How an engine ended.
enum Gone {
    /// With an end mark.
    Ended,
    /// Without one.
    Vanished,
    /// With this answer.
    Failed(ClientError),
}

/// Connects, opens the outputs, and takes packets; again with `--reconnect`, whoever went away.
fn consume(options: &TapOptions<'_>, stop: &Stop, count: &mut Count) -> Result<(), Failure> {
    let start = match options.start {
        StartAt::Oldest | StartAt::Past(_) => Start::Oldest,
        StartAt::Key => Start::Key,
        StartAt::Live => Start::Live,
    };
    let again = options.reconnect_ms;
    let patience = again.map_or(Patience::Ms(options.wait_ms), Patience::Every);
    let mut opened = None::<Sinks<'_>>;
    let mut shut = false;
    loop {
        let uid = options.engine_uid;
        let mut consumer = connect::consume(&options.socket, uid, patience, stop, start)?;
        count.connected = true;
        count.progress.begin(consumer.header());
        let sinks = match &mut opened {
            Some(sinks) => {
                sinks.resume(&consumer)?;
                sinks
            }
            None => {
                let sinks = opened.insert(Sinks::open(options, &consumer, stop)?);
                if sinks.has_peer() && start == Start::Key {
                    // It may have been waited for.
                    consumer.restart(start);
                } else if options.all && start == Start::Oldest {
                    // Packets that were gone before we came are missed, too.
                    count.losses.log(consumer.position(), consumer.position());
                }
                sinks
            }
        };
        if let StartAt::Past(ms) = options.start {
            rewind(&mut consumer, ms);
        }
        let mut memory = packet_memory(&consumer)?;
        if !core::mem::replace(&mut shut, true) {
            let folder = sinks.segments().map(|segments| segments.folder());
            sandbox::enter_tap(folder, again.is_some(), options.ends_with_reader);
        }
        loop {
            let end = take(options, stop, &mut consumer, sinks, &mut memory, count);
            count.unsent = sinks.unsent();
            let ended = match (sinks.segments(), &end) {
                (Some(segments), Ok(_)) => segments.end(),
                _ => Ok(()),
            };
            count.files = sinks.segments().map_or(Files::default(), |s| s.count());
            let end = end?;
            ended?;
            match end {
                End::Engine(gone) if again.is_some() => {
                    warn(&gone);
                    break;
                }
                End::Peer if !stop.asked()? => {
                    sinks.reconnect()?;
                    let missed = consumer.restart(Start::Key);
                    count.losses.log(missed, consumer.position());
                }
                End::Engine(gone) => return end_of(&options.socket, gone),
                End::Done | End::Peer => return Ok(()),
            }
        }
        // Frees the ring before the next one comes.
        drop(memory);
        stop.pause(again.unwrap_or(0))?;
    }
}

/// Begins in the past, if the ring goes back so far, and logs how far it does.
fn rewind(consumer: &mut PacketConsumer, ms: u32) {
    let asked_ns = u64::from(ms) * MS;
    let Some(age_ns) = consumer.rewind(asked_ns) else {
        note!(info, "the ring has no key frame yet: the next one begins");
        return;
    };
    let tenths = age_ns / (100 * MS);
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    let short = match age_ns < asked_ns {
        true => ", the oldest one in the ring",
        false => "",
    };
    note!(
        info,
        "beginning with the key frame of {seconds}.{tenth} s ago{short}"
    );
}

fn warn(gone: &Gone) {
    match gone {
        Gone::Ended => note!(info, "the stream ended; waiting for the next engine"),
        Gone::Vanished => note!(warn, "the engine went away; waiting for the next one"),
        Gone::Failed(error) => note!(warn, "{error}; connecting again"),
    }
}

/// What the end of the engine is to a command that does not wait for another one.
fn end_of(socket: &SocketName<'_>, gone: Gone) -> Result<(), Failure> {
    match gone {
        Gone::Ended => Ok(()),
        Gone::Vanished => Err(failure!(
            Exit::Socket,
            "the engine went away without an end mark"
        )),
        Gone::Failed(error) => Err(lost(socket, error)),
    }
}

fn take(
    options: &TapOptions<'_>,
    stop: &Stop,
    consumer: &mut PacketConsumer,
    sinks: &mut Sinks<'_>,
    buffer: &mut [u8],
    count: &mut Count,
) -> Result<End, Failure> {
    let mut gone = false;
    let mut round = 0;
    while options.frames.is_none_or(|limit| count.packets < limit)
        && !stop.asked_in_round(&mut round)?
    {
        let progress = &mut count.progress;
        progress.tick(consumer.header(), || consumer.newest_first());
        match consumer.next(buffer) {
            Next::Packet(packet) => {
                let after_loss = count.losses.packet();
                if packet.flags & flag::END != 0 {
                    sinks.end(&packet, after_loss, options.reconnect_ms.is_some())?;
                    return Ok(End::Engine(Gone::Ended));
                }
                let bytes = &buffer[..packet.length as usize];
                if sinks.write(consumer, &packet, bytes, after_loss)? {
                    count.packets += 1;
                    count.bytes += u64::from(packet.length);
                } else {
                    count.losses.log(1, consumer.position());
                    if sinks.is_cut() {
                        return Ok(End::Peer);
                    }
                }
            }
            Next::Lapped(lost) => {
                count.losses.log(lost, consumer.position());
                sinks.lost();
            }
            Next::TooSmall(_) => {
                // Cannot be: the buffer is as large as the ring.
                consumer.skip();
                count.losses.log(1, consumer.position());
            }
            Next::Empty if gone => return Ok(End::Engine(Gone::Vanished)),
            Next::Empty => {
                let reader = options.ends_with_reader;
                let all = [
                    (consumer.event(), PollFlags::IN),
                    (consumer.socket(), PollFlags::IN),
                    (stdout(), PollFlags::empty()),
                ];
                let waited = &all[..2 + usize::from(reader)];
                let due = sinks.sync()?.into_iter().chain(count.progress.left_ns());
                if let Woken::Ready(bits) = stop.wait(waited, due.min())? {
                    if reader && has_ended(stdout()) {
                        return Err(STOPPED);
                    }
                    match consumer.heard(bits & 1 != 0, bits & 2 != 0) {
                        Ok(wait) => gone = wait == Wait::Gone,
                        Err(error) => return Ok(End::Engine(Gone::Failed(error))),
                    }
                }
            }
        }
    }
    Ok(End::Done)
}
