//! Every capacity, budget and timeout, each with its reason. Nothing else in the tree holds such a number.

/// Longest line of text, bytes: a log line, the sentence of a failure. A path, a call, an errno and its cause fit.
pub const TEXT_BYTES: usize = 512;

/// Most colour planes and most memory planes of a frame. Formats that encoders take have at most three (Y, U, V);
/// V4L2's own limit is `VIDEO_MAX_PLANES` (8).
pub const PLANES: usize = 3;

/// Most `--control` options of one `run`. Drivers offer some forty codec controls; 32 keep the options under 1 KiB of stack.
pub const CONTROLS: usize = 32;

/// Users that `run` can name for each right: more are a group, and the socket's mode is for those.
pub const USERS: usize = 8;

/// Highest id of a control: `V4L2_CTRL_ID_MASK`. The kernel leaves the bits above out, so with them each control would have more names,
/// by which what is forbidden to the one would be open to the others.
pub const CONTROL_ID_MAX: u32 = 0x0fff_ffff;

/// Longest control name accepted, bytes: `struct v4l2_queryctrl` has 32 with the NUL.
pub const CONTROL_NAME_BYTES: usize = 31;

/// Longest name of a camera or its bus, bytes: `card` and `bus_info` of `struct v4l2_capability` have 32 with the NUL.
pub const CAMERA_NAME_BYTES: usize = 31;

/// Longest socket name, bytes: `sun_path` has 108, one of which is a path's closing NUL or an abstract name's leading one.
pub const SOCKET_NAME_BYTES: usize = 107;

/// Smallest frame side accepted, pixels: one macroblock, below which no block codec works.
pub const FRAME_SIDE_MIN: u32 = 16;

/// Largest frame side accepted, pixels. No M2M encoder takes more (H.264 level 6.2 ends at 8192x4352), and products of two
/// sides with any plane depth stay far from `u32::MAX`.
pub const FRAME_SIDE_MAX: u32 = 8192;
const _: () = assert!(FRAME_SIDE_MIN < FRAME_SIDE_MAX);
const _: () = assert!((FRAME_SIDE_MAX as u64).pow(2) * 8 < u32::MAX as u64);

/// Largest memory plane of a slot that a producer maps, bytes: the largest frame, eight bytes a pixel. Raw formats have four at most;
/// the rest is room for a driver's padding.
pub const FRAME_BYTES_MAX: u32 = FRAME_SIDE_MAX * FRAME_SIDE_MAX * 8;

/// Largest distance between the rows of a raw input, bytes: twice the longest row (four bytes a pixel).
pub const INPUT_STRIDE_MAX: u32 = 2 * 4 * FRAME_SIDE_MAX;

/// Most rows of a frame in a raw input, those of padding included: twice the highest frame.
pub const INPUT_ROWS_MAX: u32 = 2 * FRAME_SIDE_MAX;
const _: () = assert!(
    INPUT_STRIDE_MAX as u64 * INPUT_ROWS_MAX as u64 * PLANES as u64 <= u32::MAX as u64,
    "the bytes of a plane, and those to pass over, fit 32 bits"
);

/// Highest frame rate accepted, frames per second: a frame then has one millisecond, the scheduler's own grain.
pub const FRAME_RATE_MAX: u32 = 1000;

/// Lowest frame rate accepted, as seconds per frame: slower is a photo now and then, not a stream.
pub const FRAME_RATE_MIN_DIVISOR: u32 = 1000;

/// Fewest slots of the frame ring: one being written while one is being encoded.
pub const FRAME_SLOTS_MIN: u32 = 2;

/// Most slots of the frame ring: V4L2's `VIDEO_MAX_FRAME`, which videobuf2 does not exceed for MMAP buffers.
pub const FRAME_SLOTS_MAX: u32 = 32;
const _: () = assert!(FRAME_SLOTS_MIN < FRAME_SLOTS_MAX);

/// Smallest packet ring, bytes: one small key frame.
pub const PACKET_RING_MIN: u32 = 64 * 1024;

/// Largest packet ring, bytes: a minute at 32 Mbit/s; more is a recording and belongs in a file.
pub const PACKET_RING_MAX: u32 = 256 * 1024 * 1024;

/// The packet ring when nothing is said, bytes: three seconds at 10 Mbit/s. `run` warns when a GOP is larger (`media::gop`); a consumer
/// that finds no key packet requests a key frame.
pub const PACKET_RING_DEFAULT: u32 = 4 * 1024 * 1024;
// Rounding a size in the range up to a power of two must stay in the range.
const _: () = assert!(PACKET_RING_MIN.is_power_of_two() && PACKET_RING_MAX.is_power_of_two());
const _: () = assert!(PACKET_RING_DEFAULT.is_power_of_two());

/// Shortest stall time-out or drain deadline accepted, milliseconds: a slow encoder at a low rate is not a dead one.
pub const DEADLINE_MS_MIN: u32 = 100;

/// Longest stall time-out or drain deadline accepted, milliseconds: ten minutes; a supervisor has given up by then.
pub const DEADLINE_MS_MAX: u32 = 600_000;

/// Without progress for so long, with frames queued, the encoder is stalled, milliseconds. Sixty frame times at 30 frames per second.
pub const STALL_MS_DEFAULT: u32 = 2000;

/// The drain may take so long, milliseconds: every buffer of the deepest queue at a few frames per second.
pub const DRAIN_MS_DEFAULT: u32 = 5000;
const _: () = assert!(DEADLINE_MS_MIN <= STALL_MS_DEFAULT && DRAIN_MS_DEFAULT <= DEADLINE_MS_MAX);

/// Longest wait for a device or an engine to appear, milliseconds: an hour; who wants longer wants a supervisor.
pub const WAIT_MS_MAX: u32 = 3_600_000;

/// Shortest time without a consumer after which an idle engine stops, ms: a firmware survives few starts, and whoever comes and goes
/// causes no more than one a second.
pub const IDLE_MS_MIN: u32 = 1000;

/// The time when the user names none, ms: a viewer that connects again has done so by then.
pub const IDLE_MS_DEFAULT: u32 = 5000;
const _: () = assert!(IDLE_MS_MIN <= IDLE_MS_DEFAULT && IDLE_MS_DEFAULT <= WAIT_MS_MAX);

/// Shortest interval of `stat --watch`, milliseconds: ten a second is more than an eye reads.
pub const WATCH_MS_MIN: u32 = 100;

/// Its usual interval, ms.
pub const WATCH_MS_DEFAULT: u32 = 1000;

/// Packets that the packet ring remembers: 17 s at 30 frames/s, in 32 KiB of descriptors. A power of two.
#[cfg(not(loom))]
pub const PACKET_DESCRIPTORS: usize = 512;
/// Two descriptors make every race of the ring happen within the steps that a model checker can explore.
#[cfg(loom)]
pub const PACKET_DESCRIPTORS: usize = 2;
const _: () = assert!(PACKET_DESCRIPTORS.is_power_of_two());

/// Room for the codec headers beside the packet ring, bytes. SPS, PPS and VPS of real encoders take 30 to 120.
#[cfg(not(loom))]
pub const CODEC_HEADER_BYTES: usize = 1024;
/// Two words can be torn; more only keep the model checker longer.
#[cfg(loom)]
pub const CODEC_HEADER_BYTES: usize = 16;
const _: () = assert!(cfg!(loom) || CODEC_HEADER_BYTES.is_multiple_of(64));

/// How often a reader tries to load words that belong together (the stream's, the codec headers) while the engine writes them: a
/// microsecond or so each, the engine needs one. A writer that died half-way does not hold the reader up.
#[cfg(not(loom))]
pub const SEQUENCE_TRIES: u32 = 1000;
/// The second try is like every later one.
#[cfg(loom)]
pub const SEQUENCE_TRIES: u32 = 2;

/// Words kept for counters in the ABI; more than are used, so that a new one moves nothing.
pub const COUNTERS: usize = 64;

/// Buckets of a latency histogram: four an octave from 1 us to 33 s, within 25 % of the true value.
pub const HISTOGRAM_BUCKETS: usize = 96;

/// Slots when the user names no number: one being written, one queued behind the one being encoded, one on its way
/// back. Contiguous memory is short on a Pi Zero 2 (12 MB for four frames of 1080p YUV 4:2:0).
pub const FRAME_SLOTS_DEFAULT: u32 = 4;
const _: () = assert!(FRAME_SLOTS_DEFAULT <= FRAME_SLOTS_MAX);

/// Slots when a camera fills them: two at the camera, two in the encoder, two on their way.
pub const CAMERA_SLOTS_DEFAULT: u32 = 6;

/// Buffers that a camera keeps: one being filled, one to go on with. With fewer it would lose frames without a word.
pub const CAMERA_RESERVE: usize = 2;

/// How long a camera that failed or left while the engine ran is waited for, ms: time to push a plug back in. A
/// supervisor starts over after that.
pub const CAMERA_WAIT_MS_DEFAULT: u32 = 30_000;

/// Longest pause between two tries to start a camera again, ms. The pauses grow from none to this.
pub const CAMERA_PAUSE_MS: u32 = 1000;

/// How long a signal that changed is left alone before it is looked at, ms: a change of mode is several changes.
pub const CAMERA_SETTLE_MS: u32 = 100;

/// How far ahead of the engine's clock a camera's timestamp is still believed, ms: both are `CLOCK_MONOTONIC`, and a driver may
/// stamp the end of a frame that is not over.
pub const CAMERA_AHEAD_MS: u32 = 1000;

/// A camera's timestamp jumps when it is this much later than the one before, ms …
pub const CAMERA_JUMP_MS: u32 = 1000;

/// … and more than so many times as much as before: a slow camera is no camera that jumps.
pub const CAMERA_JUMP_FACTOR: u32 = 4;

/// The measured frame rate is that of the newest packets over so long, ms: many frames, and a change shows soon.
pub const RATE_WINDOW_MS: u32 = 2000;

/// Entries of each queue in the frame ring. Twice the slots: a slot is in one queue at a time, so neither can fill up.
#[cfg(not(loom))]
pub const QUEUE_ENTRIES: usize = 64;
/// Small enough for the model checker to reach the wrap.
#[cfg(loom)]
pub const QUEUE_ENTRIES: usize = 2;
const _: () = assert!(cfg!(loom) || QUEUE_ENTRIES >= 2 * FRAME_SLOTS_MAX as usize);

/// Buffers of a camera whose frames are coded: each goes back as soon as the decoder has a copy.
pub const CAMERA_CODED_SLOTS: u32 = 4;

/// OUTPUT buffers of a converter, which the camera fills: `CAMERA_RESERVE` stay with it, the others are converted.
pub const CONVERTER_BUFFERS: u32 = 5;

/// Encoders that one source feeds, each with a packet ring of its own. `engine/README.md` says what a second one needs.
pub const OUTPUTS: usize = 1;

/// Devices between a camera and the encoder at most: a decoder, and a converter of its frames.
pub const MIDDLE_STAGES: usize = 2;

/// OUTPUT buffers of a converter that a decoder fills: one each that is written, converted, on its way there, and on its way back. They
/// never run out for long, because a decoder waits where a camera cannot, and contiguous memory is short.
pub const DECODED_BUFFERS: u32 = 4;

/// OUTPUT buffers asked of a decoder: one being decoded, one to go on with, one being filled. A frame that finds none is dropped, so that
/// what a late viewer sees is never older than these.
pub const CODED_BUFFERS: u32 = 3;

/// Most OUTPUT buffers of a decoder that are used: a driver may insist on more.
pub const CODED_BUFFERS_MAX: usize = 8;

/// Frames inside a decoder or converter: those in its OUTPUT buffers, and those of which a raw one waits to be taken.
pub const CODED_INSIDE: usize = CODED_BUFFERS_MAX + FRAME_SLOTS_MAX as usize;

/// Frames in a row of another size or kind than the camera promised are no accident any more.
pub const UNFIT_PICTURES: u32 = 3;

/// Smallest OUTPUT buffer asked of a decoder, bytes: a webcam's JPEG of 1080 rows seldom has more, and what does not fit is lost.
pub const CODED_BYTES: u32 = 2 << 20;

/// CAPTURE buffers asked of the driver: one being filled, one done, two of reserve while the loop does other work.
pub const CAPTURE_BUFFERS: u32 = 4;

/// Most CAPTURE buffers used: a driver may insist on more than were asked; `VIDEO_MAX_FRAME` is its limit.
pub const CAPTURE_BUFFERS_MAX: usize = 32;

/// Smallest CAPTURE buffer asked for, bytes. Below this a 1080p key frame at a high bitrate does not fit (the Pi's
/// driver offers 512 to 768 KiB by itself) and arrives in pieces.
pub const CAPTURE_BYTES: u32 = 3 << 19;

/// Frames that went into the encoder and are not accounted for yet. More than the slots, because a slot comes back
/// before its packet does; when it is full, no more frames are queued until the encoder answers.
pub const PENDING_FRAMES: usize = 64;
const _: () = assert!(PENDING_FRAMES >= 2 * FRAME_SLOTS_MAX as usize);

/// Clients at the control socket at once: a producer, consumers, observers. Each costs some 50 bytes and one poll entry.
pub const CLIENTS: usize = 32;

/// Places among these that only root, the engine's own user and users named to it may take: a crowd of strangers must not keep
/// out the producer, nor whoever looks after the engine.
pub const CLIENTS_RESERVED: usize = 8;
const _: () = assert!(CLIENTS_RESERVED < CLIENTS);

/// Sets of slots that former producers may keep after the encoder has replaced them, each as large as the present one: one of a
/// process that takes its time to end, and one more. A board has contiguous memory for four or five.
pub const RETAINED_SETS: u64 = 2;

/// Longest pause between two tries to set the encoder up while memory is short, ms. Each try writes two lines to the log.
pub const SHORTAGE_PAUSE_MS: u32 = 8000;

/// Processor time that a call for a client (a wake-up, a read) may take in the long run, us: more than a thousand waiters …
pub const WAKE_ALLOWED_US: u64 = 2000;

/// … and so many times what the reference takes, a call that wakes nobody: to wake one that sleeps takes a few times as much.
pub const WAKE_REFERENCES: u64 = 16;

/// The newest reference is this part of the mean: it follows a machine that becomes slow before a client's calls add up.
pub const REFERENCE_SHARE: u64 = 8;

/// Of one call no more is counted, us: a single interrupt or a hypervisor's pause is no client's fault.
pub const WAKE_COUNTED_US: u64 = 8000;

/// A client whose calls took so much more than they may is disconnected, us: seven long calls in a row.
pub const WAKE_OVERDRAWN_US: u64 = 40_000;
const _: () = assert!(2 * WAKE_COUNTED_US < WAKE_OVERDRAWN_US && WAKE_ALLOWED_US < WAKE_COUNTED_US);

/// After a turn that took longer, us, calls for clients are measured: a turn without copies takes a tenth of it.
pub const LONG_TURN_US: u64 = 1000;

/// For so long, ms: who is expensive once in a while is found as well.
pub const MEASURE_MS: u32 = 10_000;

/// How long a user whose client was disconnected for what its wake-ups cost is refused, ms, unless it is one of those that are
/// trusted: piling up so many waiters again takes it less.
pub const COSTLY_PAUSE_MS: u32 = 10_000;

/// Users who are refused for this at once; the one refused for longest makes room.
pub const COSTLY_USERS: usize = 8;

/// CAPTURE buffers handled in one turn, and control messages of all clients, so that no source starves another.
pub const TURN_BUDGET: usize = 8;

/// Longest time the loop sleeps, ms: the heartbeat is never older than this unless the loop is stuck.
pub const HEARTBEAT_MS: u32 = 500;

/// From one look at everything to the next while ppoll(2) fails, ms: less than a frame's time at 60 frames/s.
pub const BLIND_PAUSE_MS: u32 = 10;

/// Wake-ups in a row by a device that brought nothing to dequeue, after which it is not polled for `BLIND_PAUSE_MS` each time: a driver may
/// report now and then what is gone when it is asked.
pub const EMPTY_WAKEUPS: u32 = 16;

/// Frames in a row that the driver refuses to queue before it is taken for broken: one may be at fault itself.
pub const REFUSED_FRAMES: u32 = 8;

/// Frames in a row that the encoder gives back without a packet before it is taken for stalled: rate control may skip some, and
/// so many only when it is out of order.
pub const MUTE_FRAMES: u32 = 8;

/// The same of an encoder that may hold frames back: more than any looks ahead, and fewer than can be kept track of.
pub const MUTE_FRAMES_HELD: u32 = PENDING_FRAMES as u32 / 2;
const _: () = assert!(MUTE_FRAMES < MUTE_FRAMES_HELD);

/// Expired frames that are remembered: so many packets may come late. Twice any encoder's reordering, and some for a driver without a drain.
pub const EXPIRED_FRAMES: usize = 16;

/// Without progress for so long after the last frame of a producer that left, an encoder that may hold frames back is drained, ms. An
/// encoder that is at work takes less for a frame.
pub const FLUSH_AFTER_MS: u32 = 500;

/// How long an encoder may still give what it had that said that its drain is over, and marked no buffer, ms.
pub const ANNOUNCED_WAIT_MS: u32 = 100;

/// How long a coded buffer that was full to the last byte waits for a second part with the same timestamp, ms.
/// The driver delivers the parts back to back; two frames' time at 30 frames/s is generous.
pub const FRAGMENT_WAIT_MS: u32 = 60;

/// Shortest time from one key frame that was asked for to the next, ms: a key frame is ten times as large as another,
/// and a crowd of newcomers must not fill the link with them. Requests in between are merged into one.
pub const KEY_FRAME_PAUSE_MS: u32 = 500;

/// Shortest time from one search for the name that a client most likely meant to the next, ms: less than one `ctl` takes to start, and
/// 200 searches a second, each of which takes as much processor time as a few messages, are two percent of it.
pub const PROPOSE_PAUSE_MS: u32 = 5;

/// How long a client may take from connecting to its first message, ms.
pub const HELLO_MS: u32 = 1000;

/// What has to stay free beside shared memory that is about to be made, bytes: the kernel and the other programs go on with it.
pub const FREE_MEMORY_RESERVE: u64 = 8 << 20;

/// Bytes read of a file of /proc: the lines that are looked for stand within.
pub const PROC_BYTES: usize = 1024;

/// The least that the stack may be limited to, bytes: what the deepest call of any command uses, with some room for the command line
/// and the environment, which lie on the stack, too.
pub const STACK_MIN_BYTES: u64 = 128 * 1024;

/// Stack that is touched before the loop starts, bytes: more than the deepest call of the loop uses.
pub const STACK_PREFAULT_BYTES: usize = 128 * 1024;

/// Packets of later frames that may come before an earlier frame's: B-frames change the order. No encoder with an
/// M2M driver emits more than two in a row; a frame that this many later ones have overtaken is dropped.
pub const REORDER_FRAMES: u32 = 3;

/// Nodes looked at in a scan, `/dev/video0` on: V4L2's `VIDEO_NUM_DEVICES`.
pub const DEVICE_NODES: u32 = 256;

/// Formats asked of a queue: a driver that never ends its list is stopped here. vicodec has 28.
pub const FORMATS: u32 = 256;

/// Controls asked of a driver: one that never ends its list is stopped here.
pub const CONTROLS_SCANNED: u32 = 512;

/// Items asked of a menu control beyond its first: the longest of V4L2's menus have some twenty.
pub const CONTROL_ITEMS: i64 = 127;

/// Largest padding accepted when the driver cannot crop, pixels: two macroblocks minus one. With more the driver chose another size.
pub const PADDING_PIXELS: u32 = 31;

/// Fewest buffers of a queue that are worth a try when memory is short: one in work, one on its way.
pub const BUFFERS_MIN: u32 = 2;

/// Restarts in a row, with no packet between, after which the encoder is reopened: one clears a hiccup of the
/// firmware, a second one in a row shows that it was none.
pub const RESTARTS: u32 = 2;

/// How long after it was reopened an encoder that gave no packet fails for the same reason, ms, besides twice `--stall-ms`: then it
/// is given up. Later it is reopened once more, because nobody may have sent a frame in between.
pub const REOPENED_MS: u32 = 10_000;

/// An encoder that does not answer, or is gone, is reopened for so long at least, ms: the kernel makes a node again in
/// less, and a supervisor can start over better than a process that only waits. `--wait-device` makes it longer.
pub const RETURN_MS: u32 = 3000;

/// The drain before a change of size, format or memory may take so long, ms. The producer that asked for it waits meanwhile.
pub const CHANGE_DRAIN_MS: u32 = 3000;
const _: () = assert!(CHANGE_DRAIN_MS < ANSWER_MS);

/// How long a producer whose slots were lost has to attach again, ms: so long `push` tries, and so long `--once` waits for it when the
/// encoder is back.
pub const ATTACH_AGAIN_MS: u32 = 2 * RETURN_MS;

/// Frame size until a producer brings another one, pixels: no encoder is too small for it.
pub const SIZE_DEFAULT: (u32, u32) = (640, 480);

/// From one line in the log about what a client did to the next, ms: no client can fill it.
pub const LOG_PAUSE_MS: u32 = 1000;

/// Reconfigurations that clients of users who are not trusted can cause at once.
pub const STRANGERS_CHANGES: u32 = 8;

/// From one such reconfiguration to the next in the long run, ms.
pub const STRANGERS_CHANGE_MS: u32 = 500;

/// How long the listening socket is left alone after an accept that failed (out of descriptors), ms.
pub const ACCEPT_PAUSE_MS: u32 = 250;

/// How often a scan for a device that is not there yet is repeated, ms.
pub const DEVICE_RETRY_MS: u32 = 50;

/// Shortest segment of a recording, ms …
pub const SEGMENT_MS_MIN: u32 = 1000;
/// … and the longest.
pub const SEGMENT_MS_MAX: u32 = 24 * 3_600_000;

/// Fewest bytes of a segment, and of all that are kept …
pub const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// … and most.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 40;

/// What a recording has written is on the disk so many ms later: what a power cut may take. Each time costs the disk a commit of its
/// journal; meanwhile packets wait in the ring, which has room for some seconds.
pub const SYNC_MS: u32 = 1000;

/// Bytes of a folder's list that are read at a time, on the stack: at least one entry with the longest name.
pub const FOLDER_BYTES: usize = 1024;

/// `tap` begins so far in the past at most, ms.
pub const PAST_MS_MAX: u32 = 3_600_000;

/// Bytes that an output collects before they are written: three datagrams.
pub const OUTPUT_BYTES: usize = 3 * DATAGRAM_BYTES;

/// Longest row of a colour plane, bytes: the widest frame with four bytes a pixel. A row is drawn on the stack before it is copied.
pub const ROW_BYTES_MAX: usize = FRAME_SIDE_MAX as usize * 4;

/// Most bytes of input that are read ahead, so that short rows take no call each.
pub const INPUT_BYTES: usize = 16 * 1024;
/// The same to see what the input is: at least a line of Y4M.
pub const INPUT_HEAD_BYTES: usize = 512;

/// `push` keeps the first frames of a raw pipe back while the next one comes within this time, ms: a writer that has them ready
/// writes at once, and a live one is delayed once, by no more.
pub const INPUT_HOLD_MS: u32 = 200;

/// A client that a signal asked to finish is done within so long, ms: as the engine's drain. Container runtimes kill after 10 s.
pub const STOP_MS: u32 = DRAIN_MS_DEFAULT;

/// A memory sink without a reader for so long has none, ms: ustreamer's own figure.
pub const SINK_READER_MS: u32 = 10_000;

/// Bytes that can be written to a pipe without waiting when poll(2) says that it has room: `PIPE_BUF`.
pub const PIPE_BYTES: usize = 4096;

/// How often a client that waits for an engine, a reader of its FIFO or of its memory sink looks again, ms.
pub const CONNECT_RETRY_MS: u32 = 20;

/// Bytes of a datagram: seven packets of MPEG-TS, the most that a frame of Ethernet has room for.
pub const DATAGRAM_BYTES: usize = 7 * 188;

/// A peer that takes nothing of an output for so long, ms, is given up; so is a connection that is not made.
pub const PEER_MS: u32 = 10_000;

/// How long an engine waits for another one to make its socket's file, ms: a few system calls take microseconds, on a busy machine a
/// hundred times as long.
pub const CLAIM_MS: u32 = 2000;

/// How long a client waits for the engine's answer to its first message, ms: ten heartbeats.
pub const ANSWER_MS: u32 = 5000;

/// `stat --check` takes an engine without a turn for so long to be stuck, ms. More than the longest calls that come back by
/// themselves: a hung firmware holds each of the two STREAMOFFs of a restart for two seconds, and each queue's end at a close.
pub const CHECK_MS_DEFAULT: u32 = 10_000;
const _: () = assert!(DEADLINE_MS_MIN <= CHECK_MS_DEFAULT && CHECK_MS_DEFAULT <= DEADLINE_MS_MAX);

/// Most words on a command line, the program's name among them. `run` with all its options, `CONTROLS` controls, all users and
/// each value as a word of its own has about 150. 2.5 KiB of stack.
pub const ARGUMENTS: usize = 160;
const _: () = assert!(ARGUMENTS >= 2 + 2 * (CONTROLS + 2 * USERS + 30));

/// Highest number of a processor: `CPU_SETSIZE`, what a mask of the C library's can say, less one.
pub const CPU_MAX: u32 = 1023;

/// Return addresses that the last line of a process with a bug names.
pub const TRACE: usize = 8;

/// Longest word for which a nearest one is looked for, bytes: every option, command, control and format has fewer.
pub const NEAREST_BYTES: usize = 32;
