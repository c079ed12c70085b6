//! Where packets go: the output in the form that `--mux` says, the index, and the file of times.
//!
//! Knows packets and the forms. Never knows how packets are got, nor what they are written to (`output`).

use core::ffi::CStr;

use super::index::{INDEX_NAMES, PTS_NAME, index_line, pts_line};
use crate::cli::{Mux, TapOptions, Target};
use crate::client::{Packet, PacketConsumer};
use crate::command::headers::Headers;
use crate::command::output::Output;
use crate::command::segments::Segments;
use crate::command::stop::Stop;
use crate::error::{Failure, failure};
use crate::exit::Exit;
use crate::log::note;
use crate::media::bitstream::inspect;
use crate::media::coded_frame::{CodedFrame, TICKS, ticks};
use crate::media::fourcc::Fourcc;
use crate::media::mp4::Mp4;
use crate::media::multipart;
use crate::media::record::Record;
use crate::media::timeline::Timeline;
use crate::media::ts::TransportStream;
use crate::shm::atomic::Ordering::Relaxed;
use crate::shm::layout::flag;
use crate::types::segments::SegmentPattern;

/// Where packets go.
#[derive(Debug)]
pub(super) struct Sinks<'a> {
    output: Output<'a>,
    index: Option<Output<'a>>,
    pts: Option<Output<'a>>,
    form: Form,
    codec: Fourcc,
    timeline: Timeline,
    /// The time, ns, that is 0 in this file. FFmpeg's list of files takes MP4 that begins later to be longer than it is.
    origin_ns: u64,
    /// Of the latest packet written; `None` before the first.
    generation: Option<u16>,
    /// A decoder needs the headers once, and again when it may have missed new ones.
    headers_due: bool,
    /// Nothing is written before a key frame.
    waits_for_key: bool,
    /// The reader missed something that no packet says.
    cut: bool,
    /// The generation that the latest `moov` describes.
    described: Option<u16>,
}

/// How packets are written.
#[derive(Debug)]
enum Form {
    Annexb,
    Packets,
    Ts(TransportStream),
    Mp4(Mp4),
    Mjpeg {
        /// The first part has its line.
        begun: bool,
    },
}

impl<'a> Sinks<'a> {
    /// Opens all of them.
    pub(super) fn open(
        options: &TapOptions<'a>,
        consumer: &PacketConsumer,
        stop: &'a Stop,
    ) -> Result<Self, Failure> {
        let codec = codec_of(consumer);
        let form = form(options.mux, codec, consumer)?;
        let output = match (options.segment, options.to) {
            (Some(limit), Target::File(path)) => {
                // The command line was checked.
                let pattern = SegmentPattern::new(path.to_bytes()).unwrap_or_default();
                let segments = Segments::open(pattern, limit, options.keep)?;
                Output::files(options.to, segments, stop)
            }
            _ if options.ends_with_reader => Output::stdout(stop),
            _ => Output::to(options.to, options.reconnect_ms, stop)?,
        };
        let container = matches!(form, Form::Ts(_) | Form::Mp4(_));
        Ok(Self {
            waits_for_key: container || output.has_peer() || options.segment.is_some(),
            output,
            index: lines(options.index, INDEX_NAMES, stop)?,
            pts: lines(options.pts, PTS_NAME, stop)?,
            form,
            codec,
            timeline: Timeline::default(),
            origin_ns: 0,
            generation: None,
            headers_due: true,
            cut: false,
            described: None,
        })
    }

    /// The reader may have missed headers.
    pub(super) fn lost(&mut self) {
        self.headers_due = true;
    }

    /// Whether somebody else reads, who came just now: what the ring has is older than he.
    pub(super) fn has_peer(&self) -> bool {
        self.output.has_peer()
    }

    /// The peer is gone.
    pub(super) fn is_cut(&self) -> bool {
        self.output.is_cut()
    }

    /// Datagrams that were not sent.
    pub(super) fn unsent(&self) -> u64 {
        self.output.unsent()
    }

    /// Waits for the peer to come back. It gets the stream from its beginning: all that a reader has to know, then a key frame.
    pub(super) fn reconnect(&mut self) -> Result<(), Failure> {
        self.output.reconnect()?;
        if let Form::Mjpeg { begun } = &mut self.form {
            *begun = false;
        }
        self.begin_again();
        Ok(())
    }

    /// Goes on with the packets of another engine.
    pub(super) fn resume(&mut self, consumer: &PacketConsumer) -> Result<(), Failure> {
        let codec = codec_of(consumer);
        if codec != self.codec {
            return Err(failure!(
                Exit::Input,
                "the engine came back with {codec}, and the output has {}: start again",
                self.codec
            ));
        }
        self.begin_again();
        Ok(())
    }

    fn begin_again(&mut self) {
        self.begin_stream();
        self.cut = true;
    }

    /// What comes now begins with all that a reader has to know, then a key frame.
    fn begin_stream(&mut self) {
        self.waits_for_key = true;
        self.headers_due = true;
        self.described = None;
    }

    /// The files of a recording, if there are some.
    pub(super) fn segments(&mut self) -> Option<&mut Segments<'a>> {
        self.output.segments()
    }

    /// Brings what was written to the disk, if it is time for that; how long until it will be, ns.
    pub(super) fn sync(&mut self) -> Result<Option<u64>, Failure> {
        match self.output.segments() {
            Some(segments) => segments.sync_in_time(),
            None => Ok(None),
        }
    }

    /// Begins the next file of a recording where one is due with this key frame. Each can be read by itself.
    fn begin_file(&mut self, ns: u64, generation: u16) -> Result<(), Failure> {
        if let Some(segments) = self.output.segments()
            && segments.begin(ns, generation)?
        {
            self.begin_stream();
            if let Form::Mp4(mp4) = &mut self.form {
                mp4.begin_file();
                self.origin_ns = ns;
            }
        }
        Ok(())
    }

    /// Writes a packet, also into the index. False when it is left out: a container, and what a peer gets, begins with a key frame
    /// (in a container one whose headers are known); or the peer is gone.
    pub(super) fn write(
        &mut self,
        consumer: &PacketConsumer,
        packet: &Packet,
        bytes: &[u8],
        after_loss: bool,
    ) -> Result<bool, Failure> {
        let key = packet.flags & flag::KEY != 0;
        if self.waits_for_key && !key {
            return Ok(false);
        }
        let other = |before| before != packet.generation;
        let cut = self.cut
            || after_loss
            || packet.flags & flag::DISCONTINUITY != 0
            || self.generation.is_some_and(other);
        let mut timeline = self.timeline;
        let time = timeline.next(packet.timestamp, packet.committed, cut);
        if key {
            self.begin_file(time.ns, packet.generation)?;
        }
        let mut headers = Headers::NONE;
        if key && !self.prepare(consumer, packet, bytes, &mut headers) {
            return Ok(false);
        }
        let headers = headers.get();
        self.timeline = timeline;
        self.cut = false;
        self.generation = Some(packet.generation);
        let frame = CodedFrame {
            ticks: ticks(time.ns.saturating_sub(self.origin_ns)),
            key,
            cut: cut || time.step,
            headers,
            bytes,
        };
        self.push(&frame, packet, time.timestamp);
        self.output.finish()?;
        if self.output.is_cut() {
            return Ok(false);
        }
        self.sync()?;
        if let Some(pts) = &mut self.pts {
            pts.write_bytes(pts_line(time.ns).as_bytes())?;
        }
        self.line(packet, after_loss).map(|()| true)
    }

    /// Writes a frame in its form, at this time, ns, as far as there is room.
    fn push(&mut self, frame: &CodedFrame<'_>, packet: &Packet, timestamp: u64) {
        let output = &mut self.output;
        match &mut self.form {
            Form::Ts(ts) => ts.write(frame, &mut |part| output.push(part)),
            Form::Mp4(mp4) => mp4.write(frame, &mut |part| output.push(part)),
            Form::Packets => {
                let config = u32::from(!frame.headers.is_empty()) * flag::CONFIG;
                let cut = u32::from(frame.cut) * flag::DISCONTINUITY;
                let record = Record {
                    codec: self.codec,
                    length: (frame.headers.len() + frame.bytes.len()) as u32,
                    flags: packet.flags | config | cut,
                    generation: packet.generation,
                    timestamp,
                    sequence: packet.sequence,
                };
                output.push(&record.header());
                output.push(frame.headers);
                output.push(frame.bytes);
            }
            Form::Mjpeg { begun } => {
                if !core::mem::replace(begun, true) {
                    output.push(multipart::BEGIN);
                }
                output.push(multipart::header(frame.bytes.len(), timestamp).as_bytes());
                output.push(frame.bytes);
                output.push(multipart::END);
            }
            Form::Annexb => {
                output.push(frame.headers);
                output.push(frame.bytes);
            }
        }
    }

    /// The end mark, for those that can say it, unless another engine is going to follow.
    pub(super) fn end(
        &mut self,
        packet: &Packet,
        after_loss: bool,
        goes_on: bool,
    ) -> Result<(), Failure> {
        if let (Form::Packets, false) = (&self.form, goes_on) {
            let record = Record {
                codec: self.codec,
                length: 0,
                flags: packet.flags,
                generation: packet.generation,
                timestamp: self.timeline.next(0, 0, false).timestamp,
                sequence: packet.sequence,
            };
            self.output.write_bytes(&record.header())?;
        }
        self.line(packet, after_loss)
    }

    fn line(&mut self, packet: &Packet, after_loss: bool) -> Result<(), Failure> {
        match &mut self.index {
            Some(index) => index.write_bytes(index_line(packet, after_loss).as_bytes()),
            None => Ok(()),
        }
    }

    /// Finds the headers to be written before a key packet, and begins the container where that is due. Whether the packet can be written.
    fn prepare(
        &mut self,
        consumer: &PacketConsumer,
        packet: &Packet,
        bytes: &[u8],
        headers: &mut Headers,
    ) -> bool {
        let container = matches!(self.form, Form::Ts(_) | Form::Mp4(_));
        let has_own = packet.flags & flag::CONFIG != 0;
        if self.headers_due || container {
            if !has_own {
                headers.load(consumer, packet);
            }
            self.headers_due = !has_own && headers.get().is_empty();
        }
        if let Form::Mp4(mp4) = &mut self.form {
            let own = inspect(self.codec, bytes).headers;
            let sets = match own.and_then(|own| bytes.get(own)) {
                Some(own) => own,
                None => headers.get(),
            };
            let stream = &consumer.header().stream;
            let size = (stream.width.load(Relaxed), stream.height.load(Relaxed));
            let again = self.described != Some(packet.generation);
            let output = &mut self.output;
            if let Some(description) = mp4.begin(sets, size, again, &mut |part| output.push(part)) {
                if !again || self.generation != Some(packet.generation) {
                    note!(info, "mp4: {description}");
                }
                self.described = Some(packet.generation);
            }
            if self.described.is_none() {
                return false;
            }
            headers.clear();
        }
        self.waits_for_key = false;
        true
    }
}

fn codec_of(consumer: &PacketConsumer) -> Fourcc {
    Fourcc(consumer.header().stream.codec.load(Relaxed))
}

/// A file of lines with its first one; none without a path.
#[inline(never)]
fn lines<'a>(
    path: Option<&'a CStr>,
    first: &[u8],
    stop: &'a Stop,
) -> Result<Option<Output<'a>>, Failure> {
    let Some(path) = path else {
        return Ok(None);
    };
    let mut output = Output::to(Target::File(path), None, stop)?;
    output.write_bytes(first)?;
    Ok(Some(output))
}

/// The form that the options ask for, if it can have this codec.
fn form(mux: Mux, codec: Fourcc, consumer: &PacketConsumer) -> Result<Form, Failure> {
    let (form, codecs) = match mux {
        Mux::Annexb => return Ok(Form::Annexb),
        Mux::Packets => return Ok(Form::Packets),
        Mux::Ts => (TransportStream::new(codec).map(Form::Ts), "H264 and HEVC"),
        Mux::Mjpeg => {
            let jpeg = matches!(codec, Fourcc::MJPG | Fourcc::JPEG);
            (
                jpeg.then_some(Form::Mjpeg { begun: false }),
                "MJPG and JPEG",
            )
        }
        Mux::Mp4 => {
            let stream = &consumer.header().stream;
            let (rate, divisor) = (&stream.rate_numerator, &stream.rate_denominator);
            let frame = TICKS * u64::from(divisor.load(Relaxed));
            let duration = frame / u64::from(rate.load(Relaxed).max(1));
            let mp4 = Mp4::new(codec, duration);
            (mp4.map(Form::Mp4), "H264, HEVC and MJPG")
        }
    };
    form.ok_or_else(|| {
        failure!(
            Exit::Input,
            "this container carries {codecs}, and the stream is {codec}: give --mux annexb or --mux packets"
        )
    })
}
