# SPDX-License-Identifier: MIT OR Apache-2.0
"""A client of a Framemill engine: it reads packets, sends frames, and changes the engine.

Standard library only, Python 3.9 or later, Linux. PROTOCOL.md beside this folder is what it implements::

    for packet in framemill.Consumer():
        print(packet.timestamp, packet.key, len(packet.data))

    with framemill.Producer(size=(1280, 720), rate=30) as producer:
        for number in range(100):
            with producer.frame() as frame:
                for plane in frame.planes:
                    plane.fill(128)
                frame.timestamp = number * 1_000_000_000 // 30
        producer.finish()

    framemill.bitrate(2_000_000)

What an engine sends is checked before it is used: one that is broken, killed or malicious costs an exception, and nothing else. An object
is for one thread at a time; several objects are independent. Times are ns of CLOCK_MONOTONIC (`time.monotonic_ns()`), time-outs s.
"""

from __future__ import annotations

import array
import fcntl
import mmap
import os
import select
import socket as sockets
import struct
import sys
import time

__all__ = [
    "Consumer", "Producer", "Packet", "Frame", "Plane", "Stream",
    "FramemillError", "NoEngine", "Refused", "Gone", "ProtocolError", "Untrusted", "Late", "NotDone",
    "bitrate", "control", "drain", "gop", "key_frame", "stat",
    "KEY", "CONFIG", "CORRUPT", "DISCONTINUITY", "END",
]
__version__ = "0.1.0"

SOCKET = "/run/framemill.sock"

# Flags of a packet.
KEY, CONFIG, CORRUPT, DISCONTINUITY, END = 1, 2, 4, 8, 16

_MAGIC, _VERSION = 0x74634D46, 1
_PRODUCE, _CONSUME, _OBSERVE, _FINISH, _CHANGE, _IMPORT = 1, 2, 3, 4, 5, 6
_FRAMES, _PACKETS, _REFUSED, _CHANGED = 16, 17, 18, 19
_KEY_FRAME, _BITRATE, _GOP, _DRAIN, _CONTROL_ID, _CONTROL_NAME, _CONTROL_ITEM, _FIND_CONTROL = range(1, 9)

_PACKET_MAGIC, _FRAME_MAGIC = 0x74656B6361704D46, 0x73656D6172664D46
_RING_MAX, _PLANE_MAX = 1 << 28, 1 << 29
_SLOTS_MAX, _PLANES_MAX = 32, 3
_FDS_MAX = 3 + _SLOTS_MAX * _PLANES_MAX
_ANSWER_S, _RETRY_S, _KEY_PAUSE_S, _LOOK_S = 5.0, 0.02, 0.5, 0.5
_TRIES = 1000

_F_GET_SEALS, _SEAL_SHRINK = 1034, 2
_DMA_BUF_SYNC, _SYNC_START, _SYNC_END = 0x40086200, 2, 6

STATES = ("starting", "running", "draining", "recovering", "ended", "no-camera", "no-signal", "idle")
MEMORIES = ("none", "export", "copy", "import")
REASONS = (
    "",
    "another producer is attached",
    "the engine is ending and takes no more frames",
    "the engine serves as many clients as it can",
    "the engine did not understand the message",
    "the frame ring was written to wrongly",
    "the engine is out of descriptors or memory",
    "the encoder is not ready for another producer yet",
    "the engine's size and format are fixed (run --size)",
    "the encoder does not do this; the engine's log says why",
    "the encoder was reopened, and its slots are gone",
    "the engine does not allow it to this user",
    "a camera feeds the engine, so it takes no producer (run --camera)",
    "too many wait on this client's wake-ups: each takes the engine too long",
    "a side of the frames is odd: 4:2:0 needs an even width and height, 4:2:2 an even width",
    "the encoder does not take this raw format; the engine's log lists those that it takes",
)
# Their numbers.
(PRODUCER_PRESENT, ENDING, TOO_MANY_CLIENTS, BAD_MESSAGE, BAD_FRAME_RING, RESOURCES, BUSY, FIXED, NOT_ENCODED, REOPENED, NOT_ALLOWED,
 CAMERA_FEEDS, COSTLY, ODD_SIZE, FORMAT) = range(1, 16)
COUNTERS = (
    "frames_committed frames_queued frames_returned frames_published frames_dropped_encoder frames_dropped_error frames_dropped_refused "
    "frames_dropped_restart frames_dropped_stopping frames_dropped_too_large packets packet_bytes key_frames fragments_joined "
    "packets_corrupt packets_unmatched raw_bytes_copied producers_attached producers_cut_off slots_reclaimed consumers_attached "
    "clients_refused stalls restarts key_frames_requested key_frames_forced changes frames_dropped_camera frames_dropped_behind reopens "
    "raw_bytes_copied_forced coded_bytes_copied camera_restarts refused_producer_present refused_ending refused_too_many "
    "refused_bad_message refused_bad_frame_ring refused_resources refused_busy refused_fixed refused_not_encoded refused_reopened "
    "refused_not_allowed refused_camera_feeds refused_costly refused_odd_size refused_format frames_late frames_lost_camera "
    "camera_timestamps_corrected turns_unbalanced slot_bytes_retained frames_dropped_idle "
    "frames_dropped_decoder decoder_restarts camera_bytes_copied jpeg_tables_added decode_us "
    "frames_dropped_converter converter_restarts convert_us"
).split()


class FramemillError(Exception):
    """What every exception here is."""


class NoEngine(FramemillError):
    """Nobody listens at the socket. `errno` says why."""

    def __init__(self, error: OSError) -> None:
        text = f"cannot connect: {error.strerror}"
        if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
            text = "no engine listens there (is framemill run started?)"
        elif isinstance(error, PermissionError):
            text = "no permission to connect (see --socket-mode)"
        super().__init__(text)
        self.errno = error.errno


class Refused(FramemillError):
    """The engine refused or disconnected this client. `reason` is one of the numbers of this module."""

    def __init__(self, reason: int) -> None:
        known = 0 < reason < len(REASONS)
        super().__init__(REASONS[reason] if known else f"the engine refused this client for reason {reason}")
        self.reason = reason


class Gone(FramemillError):
    """The engine closed the connection, or was killed."""

    def __init__(self) -> None:
        super().__init__("the engine closed the connection")


class ProtocolError(FramemillError):
    """What the engine sent makes no sense."""

    def __init__(self) -> None:
        super().__init__("what answers there is no engine of this version")


class Untrusted(FramemillError):
    """Somebody else's process listens at the socket."""

    def __init__(self, uid: int) -> None:
        super().__init__(f"user {uid} listens there, neither root nor this user (uid={uid} trusts that user)")
        self.uid = uid


class Late(FramemillError):
    """The engine is there, and does not answer."""

    def __init__(self) -> None:
        super().__init__("the engine does not answer")


class NotDone(FramemillError):
    """The engine did not make the change. `outcome` is the protocol's number of why; `value` what the control keeps, or the level allows;
    `minimum`, `maximum` and `step` what the driver takes; `name` the nearest name, or that of the value."""

    def __init__(self, text: str, outcome: int, value: int = 0, limits: tuple[int, int, int] = (0, 0, 0), name: str = "") -> None:
        super().__init__(text)
        self.outcome, self.value, self.name = outcome, value, name
        self.minimum, self.maximum, self.step = limits


# ---- Memory ----


class _Words:
    """Words of a mapping, each loaded and stored in one piece."""

    def __init__(self, mapping: mmap.mmap, length: int) -> None:
        self._mapping = mapping
        self.bytes = memoryview(mapping)[:length]
        self._halves = self.bytes.cast("I")
        # Whole words of 64 bits alone: an odd half at the end is nobody's.
        self._longs = self.bytes[: length // 8 * 8].cast("Q")

    def u32(self, offset: int) -> int:
        return self._halves[offset // 4]

    def u64(self, offset: int) -> int:
        value = self._longs[offset // 8]
        if sys.maxsize > 1 << 32:
            return value
        # Two loads on a 32-bit processor: they agree when nobody wrote in between.
        for _ in range(_TRIES):
            again = self._longs[offset // 8]
            if again == value:
                break
            value = again
        return value

    def put32(self, offset: int, value: int) -> None:
        self._halves[offset // 4] = value

    def put64(self, offset: int, value: int) -> None:
        self._longs[offset // 8] = value

    def close(self) -> None:
        for view in (self._halves, self._longs, self.bytes):
            view.release()
        _unmap(self._mapping)


def _unmap(mapping: mmap.mmap) -> None:
    try:
        mapping.close()
    except BufferError:
        # Somebody still has a view of it, such as an array of numpy's: the mapping goes when that goes.
        pass


def _order(sock: sockets.socket) -> None:
    """Keeps what the processor does before and after apart: a call that takes a lock in the kernel. It takes nothing out of the socket."""
    try:
        sock.recv(1, sockets.MSG_PEEK | sockets.MSG_DONTWAIT)
    except OSError:
        pass


def _allocated(fd: int) -> int:
    """The size of a memfd that cannot shrink under us, and whose memory exists."""
    try:
        seals = fcntl.fcntl(fd, _F_GET_SEALS)
        stat = os.fstat(fd)
    except OSError:
        raise ProtocolError from None
    if not seals & _SEAL_SHRINK or stat.st_blocks * 512 < stat.st_size:
        raise ProtocolError
    return stat.st_size


def _map(fd: int, length: int, write: bool) -> mmap.mmap:
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if write else 0)
    try:
        return mmap.mmap(fd, length, mmap.MAP_SHARED, protection)
    except (OSError, ValueError, OverflowError):
        raise ProtocolError from None


def _whole(words: _Words, version: int, load):
    """What `load` gives of words that belong together; None when they are being written, for good."""
    for attempt in range(_TRIES):
        before = words.u32(version)
        value = load() if before % 2 == 0 else None
        if before % 2 == 0 and words.u32(version) == before:
            return value
        if attempt > 10:
            time.sleep(1e-6)
    return None


def _power(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _fourcc(code: int) -> str:
    return code.to_bytes(4, "little").decode("latin-1").rstrip("\0 ")


def _code(name: str | int | None) -> int:
    if name is None or isinstance(name, int):
        return name or 0
    bytes_ = name.encode("ascii").ljust(4)
    if len(bytes_) != 4:
        raise ValueError(f"{name!r} is not a code of four characters")
    return int.from_bytes(bytes_, "little")


# ---- Messages ----


def _encode(kind: int, words=(), name: bytes = b"") -> bytes:
    words = [_MAGIC, _VERSION, kind, 0, *words]
    words += [0] * (16 - len(words))
    message = struct.pack("<16I", *words)
    return message[: 64 - len(name.ljust(32, b"\0"))] + name.ljust(32, b"\0") if name else message


class _Connection:
    """A connection to an engine, and the descriptors that came with its answer."""

    def __init__(self, path: str, uid: int | None, deadline: float) -> None:
        self.fds: list[int] = []
        self.socket = sockets.socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET | sockets.SOCK_CLOEXEC)
        try:
            self._connect("\0" + path[1:] if path.startswith("@") else path, deadline)
            credentials = self.socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12)
            owner = struct.unpack("=3I", credentials)[1]
            if owner not in (0, os.geteuid(), uid):
                raise Untrusted(owner)
        except BaseException:
            self.close()
            raise

    def _connect(self, address: str, deadline: float) -> None:
        self.socket.setblocking(False)
        while True:
            try:
                self.socket.connect(address)
                return
            except BlockingIOError:
                # So many wait that there is no room for one more.
                if time.monotonic() >= deadline:
                    raise Late from None
                time.sleep(_RETRY_S)
            except OSError as error:
                raise NoEngine(error) from None

    def send(self, message: bytes, fds=()) -> None:
        ancillary = [(sockets.SOL_SOCKET, sockets.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([message], ancillary, sockets.MSG_NOSIGNAL | sockets.MSG_DONTWAIT)

    def receive(self) -> tuple[int, ...] | None:
        """The words of a message, its descriptors in `fds`; None when there is none. Never waits."""
        space = sockets.CMSG_SPACE(4 * _FDS_MAX)
        flags = sockets.MSG_DONTWAIT | sockets.MSG_CMSG_CLOEXEC
        for last in (False, True):
            try:
                message, ancillary, found, _ = self.socket.recvmsg(65, space, flags)
                break
            except (BlockingIOError, InterruptedError):
                return None
            except OSError:
                # Said once, and before what the engine had to say.
                if last:
                    raise Gone from None
        self.drop_fds()
        for level, kind, data in ancillary:
            if (level, kind) == (sockets.SOL_SOCKET, sockets.SCM_RIGHTS):
                received = array.array("i")
                received.frombytes(data[: len(data) // 4 * 4])
                self.fds += received
        if not message:
            raise Gone
        if len(message) != 64 or found & (sockets.MSG_CTRUNC | sockets.MSG_TRUNC):
            raise ProtocolError
        words = struct.unpack("<16I", message)
        if words[:2] != (_MAGIC, _VERSION) or words[3] != 0:
            raise ProtocolError
        if words[2] == _REFUSED:
            raise Refused(words[4])
        return words

    def ask(self, message: bytes, deadline: float, fds=()) -> tuple[int, ...]:
        try:
            self.send(message, fds)
        except OSError:
            # An engine that is ending may have closed already; its answer, if any, is still to be read.
            pass
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000 + 1):
                if time.monotonic() >= deadline:
                    raise Late
                continue
            words = self.receive()
            if words is not None:
                return words

    def take(self, count: int) -> list[int]:
        """The descriptors of the latest message, which are the caller's to close."""
        if len(self.fds) != count:
            raise ProtocolError
        taken, self.fds = self.fds, []
        return taken

    def drop_fds(self) -> None:
        _close(self.fds)
        self.fds = []

    def close(self) -> None:
        self.drop_fds()
        self.socket.close()


def _close(fds) -> None:
    for fd in fds:
        os.close(fd)


def _wake(fd: int) -> sockets.socket:
    """A wake socket; the descriptor is its own from then on. Anything else could be readable for ever."""
    try:
        sock = sockets.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise ProtocolError from None
    if (sock.family, sock.type) != (sockets.AF_UNIX, sockets.SOCK_STREAM):
        sock.close()
        raise ProtocolError
    return sock


_MAY_CHANGE = (PRODUCER_PRESENT, BUSY, REOPENED, RESOURCES)


def _connect(path: str, uid: int | None, wait: float, message: bytes) -> tuple[_Connection, tuple[int, ...]]:
    """Connects and asks; again for `wait` s while there is no engine, or it cannot yet."""
    until = time.monotonic() + wait
    while True:
        connection = None
        try:
            deadline = time.monotonic() + _ANSWER_S
            connection = _Connection(path, uid, deadline)
            return connection, connection.ask(message, deadline)
        except (NoEngine, Gone, Late, Refused) as error:
            if connection is not None:
                connection.close()
            if time.monotonic() >= until or (isinstance(error, Refused) and error.reason not in _MAY_CHANGE):
                raise
            time.sleep(_RETRY_S)
        except BaseException:
            if connection is not None:
                connection.close()
            raise


# ---- Packets ----


class Stream:
    """What the engine makes: `codec` and `format` as V4L2's four characters, `rate` as (frames, seconds)."""

    __slots__ = ("codec", "format", "width", "height", "coded_width", "coded_height", "rate", "memory", "frame_slots", "multiplanar",
                 "device", "driver", "card", "generation", "colorspace", "transfer", "matrix", "range")

    codec: str
    format: str
    width: int
    height: int
    rate: tuple[int, int]

    def __init__(self, words: _Words) -> None:
        numbers = [words.u32(192 + 4 * at) for at in range(11)]
        self.codec, self.format = _fourcc(numbers[0]), _fourcc(numbers[1])
        self.width, self.height, self.coded_width, self.coded_height = numbers[2:6]
        self.rate = (numbers[6], numbers[7])
        self.memory = MEMORIES[numbers[8]] if numbers[8] < len(MEMORIES) else str(numbers[8])
        self.frame_slots, self.multiplanar = numbers[9:11]
        text = b"".join(words.u64(at).to_bytes(8, "little") for at in range(240, 352, 8))
        names = [text[a:b].split(b"\0")[0].decode("ascii", "replace") for a, b in ((0, 64), (64, 80), (80, 112))]
        self.device, self.driver, self.card = names
        self.generation = words.u32(352)
        self.colorspace, self.transfer, self.matrix, self.range = (words.u32(at) for at in range(360, 376, 4))

    def __repr__(self) -> str:
        return f"<Stream {self.codec} {self.width}x{self.height} {self.rate[0]}/{self.rate[1]} generation {self.generation}>"


class Packet:
    """A coded frame. `data` begins with the codec headers where a decoder needs them; `lost` packets before it were missed."""

    __slots__ = ("data", "sequence", "timestamp", "flags", "generation", "committed", "queued", "dequeued", "published", "lost")

    data: bytes
    sequence: int
    timestamp: int
    flags: int
    generation: int
    committed: int
    queued: int
    dequeued: int
    published: int
    lost: int

    @property
    def key(self) -> bool:
        """Decoding can start here."""
        return bool(self.flags & KEY)

    @property
    def discontinuity(self) -> bool:
        """Something was lost or restarted before it, or another producer began."""
        return bool(self.flags & DISCONTINUITY) or self.lost > 0

    @property
    def corrupt(self) -> bool:
        """The driver marked it as damaged."""
        return bool(self.flags & CORRUPT)

    def __repr__(self) -> str:
        return f"<Packet {self.sequence}: {len(self.data)} bytes{', key' * self.key}, timestamp {self.timestamp}>"


class _PacketRing:
    """A mapped packet ring. What its header says counts as it was loaded once."""

    def __init__(self, fd: int, whole: bool) -> None:
        size = _allocated(fd)
        if size < 4096:
            raise ProtocolError
        probe = _Words(_map(fd, 4096, False), 4096)
        try:
            magic, version = probe.u64(0), probe.u32(8)
            self.header_bytes, self.descriptors, self.descriptor_bytes = probe.u32(12), probe.u32(24), probe.u32(28)
            self.data_offset, self.data_bytes = probe.u64(32), probe.u64(40)
            self.codec_header_bytes, self.counter_words = probe.u32(48), probe.u32(52)
            tail = probe.u32(60) * 8 * (2 + probe.u32(56))
        finally:
            probe.close()
        self.counters = 448 + (self.codec_header_bytes + 63) // 64 * 64
        if not (
            (magic, version) == (_PACKET_MAGIC, _VERSION)
            and _power(self.descriptors)
            and _power(self.data_bytes)
            and self.data_bytes <= _RING_MAX
            and self.descriptor_bytes >= 64
            and self.descriptor_bytes % 8 == self.header_bytes % 8 == self.data_offset % 8 == 0
            and self.counters + 8 * self.counter_words + tail <= self.header_bytes
            and self.header_bytes + self.descriptors * self.descriptor_bytes <= self.data_offset
            and self.data_offset + self.data_bytes <= size
        ):
            raise ProtocolError
        length = self.data_offset + (self.data_bytes if whole else 0)
        self.words = _Words(_map(fd, length, False), length)

    def stream(self) -> Stream | None:
        return _whole(self.words, 236, lambda: Stream(self.words))

    def codec_headers(self) -> bytes:
        def load() -> bytes:
            length = min(self.words.u32(388), self.codec_header_bytes)
            longs = (self.words.u64(392 + at).to_bytes(8, "little") for at in range(0, length // 8 * 8 + 8, 8))
            return b"".join(longs)[:length]

        return _whole(self.words, 384, load) or b""

    def payload(self, position: int, length: int) -> bytes:
        """Bytes of the circle; they may be changing."""
        start = position % self.data_bytes
        begin = self.data_offset + start
        first = min(length, self.data_bytes - start)
        data = self.words.bytes
        if first == length:
            return bytes(data[begin : begin + length])
        return bytes(data[begin : begin + first]) + bytes(data[self.data_offset : self.data_offset + length - first])


class Consumer:
    """Reads packets: `for packet in Consumer()` until the stream ends. The engine never waits for it.

    `start` is "key" (the newest key frame), "oldest" or "live". `wait` is how long to wait for an engine, s. `uid` is a user that the
    engine may run as, besides root and this process's own. Without `headers`, packets are as the encoder made them.

    In a loop of one's own: wait until `fileno()` is readable, then call `poll()` until it gives None.
    """

    def __init__(self, socket: str = SOCKET, *, start: str = "key", wait: float = 0.0, uid: int | None = None, headers: bool = True) -> None:
        if start not in ("key", "oldest", "live"):
            raise ValueError(f"start is key, oldest or live, not {start!r}")
        self._closed = True
        connection, words = _connect(socket, uid, wait, _encode(_CONSUME, [1]))
        try:
            if words[2] != _PACKETS or words[4] != 1 or any(words[5:]):
                raise ProtocolError
            ring, wake = connection.take(2)
            try:
                self._wake = _wake(wake)
                self._ring = _PacketRing(ring, True)
            finally:
                os.close(ring)
        except BaseException:
            connection.close()
            raise
        self._connection, self._closed = connection, False
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        self._poll.register(connection.socket, select.POLLIN)
        self._headers = self._headers_due = headers
        self._gone: FramemillError | None = None
        self._started = self._until_key = self.ended = False
        self._gap, self._asked = 0, -_KEY_PAUSE_S
        #: Packets missed so far.
        self.lost = 0
        head = self._word(64)
        _order(self._wake)
        if start == "oldest":
            self._next = self._word(72)
        else:
            key = self._newest_key() if start == "key" else None
            self._next, self._until_key = (head, start == "key") if key is None else (key, False)
        if start != "live" and head > 0 and self._newest_key() is None:
            self._request()

    def _word(self, offset: int) -> int:
        return self._ring.words.u64(offset)

    def _newest_key(self) -> int | None:
        """The newest key packet, if it is whole."""
        key = self._word(80) - 1
        _order(self._wake)
        return key if 0 <= key and self._word(72) <= key else None

    def _request(self) -> None:
        self._asked = time.monotonic()
        try:
            self._connection.send(_encode(_CHANGE, [_KEY_FRAME]))
        except OSError:
            # If the engine is gone, the next wait says so. If many requests wait already, one more changes nothing.
            pass

    def request_key_frame(self) -> None:
        """Asks for a key frame, soon. Requests of all clients are merged; the engine forces at most two a second."""
        self._open()
        self._request()

    def _open(self) -> None:
        if self._closed:
            raise ValueError("the consumer is closed")

    def _look(self) -> Packet | None:
        """The next packet, if there is one. An engine that moves its cursors without end does not keep us here."""
        ring, words = self._ring, self._ring.words
        for _ in range(2 * ring.descriptors):
            head = self._word(64)
            if self._next >= head:
                return None
            _order(self._wake)
            at = ring.header_bytes + self._next % ring.descriptors * ring.descriptor_bytes
            sequence, position, length, flags = words.u64(at), words.u64(at + 8), words.u32(at + 16), words.u32(at + 20)
            times = [words.u64(at + offset) for offset in range(24, 64, 8)]
            skipped = self._until_key and not flags & (KEY | END)
            sane = length <= ring.data_bytes
            data = ring.payload(position, length) if sane and not skipped else b""
            _order(self._wake)
            if self._word(72) > self._next or sequence != self._next:
                self._lapped(head)
                continue
            self._next += 1
            if skipped or not sane:
                if self._started:
                    self._lose(1)
                continue
            return self._packet(sequence, data, flags, times)
        return None

    def _packet(self, sequence: int, data: bytes, flags: int, times: list[int]) -> Packet:
        self._until_key, self._started = False, True
        packet = Packet()
        packet.sequence, packet.flags, packet.generation = sequence, flags & 0xFFFF, flags >> 16
        packet.timestamp, packet.committed, packet.queued, packet.dequeued, packet.published = times
        packet.lost, self._gap = self._gap, 0
        if self._headers_due and flags & KEY:
            headers = b""
            if not flags & CONFIG and packet.generation == self._ring.words.u32(152) & 0xFFFF:
                headers = self._ring.codec_headers()
            self._headers_due = not flags & CONFIG and not headers
            data = headers + data
        packet.data = data
        return packet

    def _lapped(self, head: int) -> None:
        self._started = True
        self._headers_due = self._headers
        key = self._newest_key()
        if key is not None and key > self._next:
            self._lose(key - self._next)
            self._next = key
        else:
            self._lose(max(0, head - self._next))
            self._next, self._until_key = max(head, self._next), True

    def _lose(self, count: int) -> None:
        self.lost += count
        self._gap += count

    def poll(self) -> Packet | None:
        """The next packet, or None when there is none yet, or the stream has ended (`ended`). Never waits.

        Raises the engine's reason, or `Gone`, when the engine is gone without an end mark and all that it left was read.
        """
        self._open()
        if self.ended:
            return None
        packet = self._look()
        if packet is None and self._gone is None:
            # First the wake-ups, then the ring, so that none is overslept.
            self._listen()
            packet = self._look()
        if packet is None:
            if self._until_key and self._newest_key() is None and time.monotonic() - self._asked >= _KEY_PAUSE_S and self._started:
                self._request()
            if self._gone is not None:
                raise self._gone
            return None
        if packet.flags & END:
            self.ended = True
            return None
        return packet

    def _listen(self) -> None:
        """Empties the wake socket, and notes the engine's end."""
        try:
            if self._connection.receive() is not None:
                raise ProtocolError
            if self._wake.recv(4096, sockets.MSG_DONTWAIT) == b"":
                # Both are closed together, the reason comes first.
                self._gone = Gone()
                self._connection.receive()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._gone = Gone()
        except FramemillError as error:
            self._gone = error

    def next(self, timeout: float | None = None) -> Packet | None:
        """The next packet; waits for it, at most `timeout` s. None when the time is up or the stream has ended (`ended`)."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            packet = self.poll()
            if packet is not None or self.ended:
                return packet
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return None
            # While a key frame is waited for, the request for it is repeated.
            if self._until_key and self._started:
                left = _KEY_PAUSE_S if left is None else min(left, _KEY_PAUSE_S)
            self._poll.poll(None if left is None else left * 1000 + 1)

    def __iter__(self) -> Consumer:
        return self

    def __next__(self) -> Packet:
        packet = self.next()
        if packet is None:
            raise StopIteration
        return packet

    def fileno(self) -> int:
        """Readable when packets may be there, and at the engine's end."""
        self._open()
        return self._wake.fileno()

    @property
    def position(self) -> int:
        """Sequence of the packet that comes next."""
        return self._next

    @property
    def stream(self) -> Stream:
        """What the engine makes."""
        self._open()
        stream = self._ring.stream()
        if stream is None:
            raise Gone
        return stream

    @property
    def codec_headers(self) -> bytes:
        """The stream's codec headers (SPS, PPS, VPS with start codes); empty when there are none yet."""
        self._open()
        return self._ring.codec_headers()

    def close(self) -> None:
        """Leaves the engine."""
        if not self._closed:
            self._closed = True
            self._wake.close()
            self._connection.close()
            self._ring.words.close()

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# ---- Frames ----


class Plane:
    """A colour plane of a frame: `rows` rows of `row_bytes` bytes, `stride` bytes apart, beginning at `data[0]`.

    `numpy.asarray(plane)` is an array of it, rows by bytes, to be written in place.
    """

    __slots__ = ("data", "stride", "row_bytes", "rows")

    data: memoryview
    stride: int
    row_bytes: int
    rows: int

    def __init__(self, data: memoryview, stride: int, row_bytes: int, rows: int) -> None:
        self.data, self.stride, self.row_bytes, self.rows = data, stride, row_bytes, rows

    def row(self, number: int) -> memoryview:
        """A row, to be written in place."""
        if not 0 <= number < self.rows:
            raise IndexError(f"row {number} of {self.rows}")
        return self.data[number * self.stride : number * self.stride + self.row_bytes]

    def fill(self, byte: int) -> None:
        """Writes this byte to every pixel's place."""
        row = bytes([byte]) * self.row_bytes
        for number in range(self.rows):
            self.row(number)[:] = row

    def write(self, source, stride: int | None = None) -> None:
        """Copies rows from bytes, `stride` apart (default: nothing between them)."""
        stride = stride or self.row_bytes
        view = memoryview(source).cast("B")
        if stride < self.row_bytes or len(view) < stride * (self.rows - 1) + self.row_bytes:
            raise ValueError(f"{len(view)} bytes are not {self.rows} rows of {self.row_bytes} bytes, {stride} apart")
        if stride == self.stride:
            self.data[:] = view[: len(self.data)]
            return
        for number in range(self.rows):
            self.row(number)[:] = view[number * stride : number * stride + self.row_bytes]

    @property
    def __array_interface__(self) -> dict:
        shape, strides = (self.rows, self.row_bytes), (self.stride, 1)
        return {"version": 3, "typestr": "|u1", "shape": shape, "strides": strides, "data": self.data}


class Frame:
    """A slot to draw into. As a context manager it is committed at the end, or given back after an exception."""

    __slots__ = ("_producer", "slot", "planes", "timestamp")

    #: Number of the slot: with dma-bufs of one's own, which of them it is.
    slot: int
    planes: list[Plane]
    #: Comes out with the packet; ns by convention, the time of the commit if it stays None.
    timestamp: int | None

    def __init__(self, producer: Producer, slot: int) -> None:
        self._producer: Producer | None = producer
        self.slot, self.timestamp = slot, None
        self.planes = producer._planes_of(slot)

    def commit(self, timestamp: int | None = None) -> None:
        """Hands the frame to the engine. Its planes must not be written to any more."""
        if self._producer is None:
            raise ValueError("the frame was committed, or given back")
        timestamp = self.timestamp if timestamp is None else timestamp
        self._producer._commit(self.slot, time.monotonic_ns() if timestamp is None else timestamp)
        self._end()

    def release(self) -> None:
        """Gives it back without a frame: `Producer.frame()` gives it again."""
        if self._producer is not None:
            self._producer._give_back(self.slot)
            self._end()

    def _end(self) -> None:
        self._producer = None
        for plane in self.planes:
            try:
                plane.data.release()
            except BufferError:
                # An array of numpy's lives on. To write to it would be a mistake that nobody can prevent.
                pass
        self.planes = []

    def __enter__(self) -> Frame:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.release()
        elif self._producer is not None:
            self.commit()


class Producer:
    """Sends frames. One at a time can be attached.

    `size`, `format` (V4L2's four characters, as "YU12") and `rate` (frames per second, or a pair of numerator and denominator) are
    requests; without them the engine's count. What came of them is in the attributes of the same names. `copied` asks for slots
    that the engine copies from. `colour` has a byte each of V4L2's colorspace (the lowest), transfer function, matrix and
    quantization. `wait` and `uid` as for `Consumer`.
    """

    def __init__(
        self,
        socket: str = SOCKET,
        *,
        size: tuple[int, int] | None = None,
        format: str | int | None = None,
        rate: int | tuple[int, int] | None = None,
        copied: bool = False,
        colour: int = 0,
        wait: float = 0.0,
        uid: int | None = None,
    ) -> None:
        self._closed = True
        width, height = size or (0, 0)
        numerator, denominator = (0, 0) if rate is None else (rate, 1) if isinstance(rate, int) else rate
        request = [_code(format), width, height, numerator, denominator, int(copied), colour]
        self._connection, words = _connect(socket, uid, wait, _encode(_PRODUCE, request))
        try:
            self._join(words, None)
        except BaseException:
            self._connection.close()
            raise

    def _join(self, words: tuple[int, ...], own: list[int] | None) -> None:
        """Maps what came with the engine's answer."""
        kind, slots, memory_planes, memory = words[2], *words[4:7]
        sane = kind == _FRAMES and 1 <= slots <= _SLOTS_MAX and 1 <= memory_planes <= _PLANES_MAX and not any(words[7:])
        if not sane or memory not in (1, 2, 3) or (memory == 3 and len(own or ()) != slots * memory_planes):
            raise ProtocolError
        count = {1: slots * memory_planes, 2: 1, 3: 0}[memory]
        ring, filled, free, *fds = self._connection.take(3 + count)
        self._maps: list[mmap.mmap] = []
        self._sync: list[int] = []
        self._filled = self._free = self._words = None
        try:
            try:
                self._filled = _wake(filled)
            except ProtocolError:
                os.close(free)
                raise
            self._free = _wake(free)
            self._load(ring, slots, memory_planes)
            self._map_slots(memory, fds if memory != 3 else own or [])
            if memory == 1:
                self._sync, fds = fds, []
        except BaseException:
            self._let_go()
            raise
        finally:
            os.close(ring)
            _close(fds)
        self.memory = MEMORIES[memory]
        self._pushed = self._popped = 0
        self._in_hand: list[int] = []
        #: Frames committed so far. `slots` and `memory_bytes` (of each memory plane) are what own dma-bufs have to be like.
        self.committed = 0
        self._finishing = self._closed = False
        self._poll = select.poll()
        self._poll.register(self._free, select.POLLIN)
        self._poll.register(self._connection.socket, select.POLLIN)

    def _load(self, ring: int, slots: int, memory_planes: int) -> None:
        size = _allocated(ring)
        length = min(size, 1 << 20) // 8 * 8
        if length < 192:
            raise ProtocolError
        self._words = words = _Words(_map(ring, length, True), length)
        self.slots = slots
        self.format = _fourcc(words.u32(16))
        self.size = (words.u32(20), words.u32(24))
        self.rate = (words.u32(28), words.u32(32))
        planes, planes_max = words.u32(40), words.u32(184)
        self._filled_at, self._free_at = words.u32(168), words.u32(172)
        self._entries, self._entry_bytes, self._alignment = words.u32(176), words.u32(180), words.u32(188)
        queue = 8 + self._entries * self._entry_bytes
        if not (
            (words.u64(0), words.u32(8)) == (_FRAME_MAGIC, _VERSION)
            and words.u32(12) <= size
            and (words.u32(36), words.u32(44)) == (slots, memory_planes)
            and planes_max == _PLANES_MAX
            and 1 <= planes <= planes_max
            and _power(self._entries)
            and self._entries >= 2 * slots
            and self._entry_bytes >= 24
            and self._entry_bytes % 8 == self._filled_at % 64 == self._free_at % 64 == 0
            and max(self._filled_at, self._free_at) + queue <= length
            and min(self._filled_at, self._free_at) >= 192
            and abs(self._filled_at - self._free_at) >= queue
            and _power(self._alignment)
        ):
            raise ProtocolError
        self.memory_bytes = [words.u32(56 + 4 * plane) for plane in range(memory_planes)]
        self._geometry = [tuple(words.u32(72 + 24 * plane + 4 * at) for at in range(5)) for plane in range(planes)]
        if any(not 0 < length <= _PLANE_MAX for length in self.memory_bytes):
            raise ProtocolError
        for memory_plane, offset, stride, row_bytes, rows in self._geometry:
            inside = memory_plane < memory_planes and rows > 0 and 1 <= row_bytes <= stride
            if not inside or offset + stride * (rows - 1) + row_bytes > self.memory_bytes[memory_plane]:
                raise ProtocolError

    def _map_slots(self, memory: int, fds: list[int]) -> None:
        self._slot_planes: list[memoryview] = []
        if memory == 2:
            rounded = [-(-length // self._alignment) * self._alignment for length in self.memory_bytes]
            if sum(rounded) * self.slots > _allocated(fds[0]):
                raise ProtocolError
            mapping = _map(fds[0], sum(rounded) * self.slots, True)
            self._maps.append(mapping)
            offset = 0
            for _ in range(self.slots):
                for length, room in zip(self.memory_bytes, rounded):
                    self._slot_planes.append(memoryview(mapping)[offset : offset + length])
                    offset += room
            return
        for at, fd in enumerate(fds):
            length = self.memory_bytes[at % len(self.memory_bytes)]
            if memory == 1:
                # A file in a dma-buf's place could be cut off, which is SIGBUS for whoever draws.
                try:
                    _bracket(fd, _SYNC_START)
                    _bracket(fd, _SYNC_END)
                    size = os.lseek(fd, 0, os.SEEK_END)
                except OSError:
                    raise ProtocolError from None
                if size < length:
                    raise ProtocolError
            self._maps.append(_map(fd, length, True))
            self._slot_planes.append(memoryview(self._maps[-1])[:length])

    def _let_go(self) -> None:
        for view in getattr(self, "_slot_planes", []):
            try:
                view.release()
            except BufferError:
                pass
        self._slot_planes = []
        for mapping in self._maps:
            _unmap(mapping)
        if self._words is not None:
            self._words.close()
        for sock in (self._filled, self._free):
            if sock is not None:
                sock.close()
        _close(self._sync)
        self._maps, self._sync, self._words = [], [], None

    def _open(self) -> None:
        if self._closed:
            raise ValueError("the producer is closed")

    def import_buffers(self, fds: list[int], strides: list[int] | None = None, offsets: list[int] | None = None) -> bool:
        """Offers dma-bufs as slots, before the first frame: their memory planes, slot after slot, each as large as
        `memory_bytes` at least. They stay the caller's to close. `strides` are the bytes from row to row in each memory plane, `offsets`
        where each colour plane begins in its own; default is the layout that the engine gave. Gives whether the encoder takes them; if not,
        draw into its own.
        """
        self._open()
        first = {plane[0]: plane[2] for plane in reversed(self._geometry)}
        memory_planes = len(self.memory_bytes)
        strides = strides or [first.get(plane, 0) for plane in range(memory_planes)]
        offsets = offsets or [plane[1] for plane in self._geometry]
        words = [len(fds) // memory_planes, memory_planes, *_three(strides), *_three(offsets)]
        self._let_go()
        self._closed = True
        try:
            answer = self._connection.ask(_encode(_IMPORT, words), time.monotonic() + _ANSWER_S, fds)
            self._join(answer, list(fds))
        except BaseException:
            self._connection.close()
            raise
        if self.memory == "import":
            self._sync = [os.dup(fd) for fd in fds]
        return self.memory == "import"

    def _planes_of(self, slot: int) -> list[Plane]:
        planes = []
        for memory_plane, offset, stride, row_bytes, rows in self._geometry:
            memory = self._slot_planes[slot * len(self.memory_bytes) + memory_plane]
            planes.append(Plane(memory[offset : offset + stride * (rows - 1) + row_bytes], stride, row_bytes, rows))
        return planes

    def _bracket(self, slot: int, what: int) -> None:
        count = len(self.memory_bytes)
        for fd in self._sync[slot * count : (slot + 1) * count]:
            _bracket(fd, what)

    def frame(self, timeout: float | None = None) -> Frame:
        """A slot to draw into; waits for one, at most `timeout` s: then TimeoutError. Several may be held at a time."""
        self._open()
        until = None if timeout is None else time.monotonic() + timeout
        slot = None
        while slot is None:
            slot = self._in_hand.pop() if self._in_hand else self._pop()
            if slot is None and not self._wait(until):
                raise TimeoutError("no slot is free")
        try:
            self._bracket(slot, _SYNC_START)
        except OSError:
            self._in_hand.append(slot)
            raise
        return Frame(self, slot)

    def _pop(self) -> int | None:
        words = self._words
        waiting = words.u32(self._free_at) - self._popped & 0xFFFFFFFF
        if waiting == 0:
            return None
        _order(self._free)
        slot = words.u32(self._free_at + 8 + self._popped % self._entries * self._entry_bytes)
        if waiting > self.slots or slot >= self.slots:
            raise ProtocolError
        self._popped = self._popped + 1 & 0xFFFFFFFF
        words.put32(self._free_at + 4, self._popped)
        return slot

    def _commit(self, slot: int, timestamp: int) -> None:
        self._open()
        self._bracket(slot, _SYNC_END)
        words, at = self._words, self._filled_at + 8 + self._pushed % self._entries * self._entry_bytes
        words.put32(at, slot)
        words.put32(at + 4, 0)
        words.put64(at + 8, timestamp & 0xFFFFFFFFFFFFFFFF)
        words.put64(at + 16, time.monotonic_ns())
        self._pushed = self._pushed + 1 & 0xFFFFFFFF
        _order(self._free)
        words.put32(self._filled_at, self._pushed)
        self.committed += 1
        try:
            self._filled.send(b"\1", sockets.MSG_DONTWAIT | sockets.MSG_NOSIGNAL)
        except OSError:
            # A full socket wakes the engine just as well; a closed one shows at the connection.
            pass

    def _give_back(self, slot: int) -> None:
        if not self._closed:
            self._bracket(slot, _SYNC_END)
            self._in_hand.append(slot)

    def _wait(self, until: float | None) -> bool:
        """Waits for a sign from the engine, or to look again. False when the time is up."""
        left = _LOOK_S if until is None else min(until - time.monotonic(), _LOOK_S)
        if left <= 0:
            return False
        ready = self._poll.poll(left * 1000 + 1)
        if any(fd == self._connection.socket.fileno() for fd, _ in ready) and self._connection.receive() is not None:
            raise ProtocolError
        try:
            if ready and self._free.recv(4096, sockets.MSG_DONTWAIT) == b"":
                self._connection.receive()
                raise Gone
        except (BlockingIOError, InterruptedError):
            pass
        except ConnectionError:
            raise Gone from None
        return True

    @property
    def accounts(self) -> tuple[int, int]:
        """Frames of this producer that became a packet, and that were dropped, so far."""
        self._open()
        return self._words.u64(152), self._words.u64(160)

    def finish(self, timeout: float | None = None) -> tuple[int, int]:
        """Says that no more frames come, and waits until each is published or dropped, at most `timeout` s: then TimeoutError, and it may be
        called again. Gives both numbers."""
        self._open()
        until = None if timeout is None else time.monotonic() + timeout
        if not self._finishing:
            self._finishing = True
            try:
                self._connection.send(_encode(_FINISH))
            except OSError:
                pass
        while not self._accounted():
            try:
                if not self._wait(until):
                    raise TimeoutError("not every frame is accounted for")
            except (Gone, Refused):
                # An engine that ends, or reopens its encoder, counts everything before it closes.
                if not self._accounted():
                    raise
        return self.accounts

    def _accounted(self) -> bool:
        done = self._words.u64(144) >= self.committed
        _order(self._free)
        return done

    def fileno(self) -> int:
        """Readable when a slot may be free, and at the engine's end; then call `frame(0)`."""
        self._open()
        return self._free.fileno()

    def close(self) -> None:
        """Leaves the engine, which encodes what was committed."""
        if not self._closed:
            self._closed = True
            self._let_go()
            self._connection.close()

    def __enter__(self) -> Producer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _three(numbers) -> list[int]:
    return [*numbers, 0, 0, 0][:3]


def _bracket(fd: int, what: int) -> None:
    fcntl.ioctl(fd, _DMA_BUF_SYNC, struct.pack("<Q", what))


# ---- Control ----


def _change(what: str, code: int, value: int, number: int, name: bytes, socket: str, wait: float, uid: int | None) -> int:
    if len(name) > 31:
        raise ValueError(f"{what}: a name has 31 bytes at most")
    low, high = value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF
    connection, words = _connect(socket, uid, wait, _encode(_CHANGE, [code, number, low, high], name))
    connection.close()
    if words[2] != _CHANGED:
        raise ProtocolError
    outcome, own = words[4], struct.pack("<16I", *words)
    result, largest, step = struct.unpack_from("<qqQ", own, 24)
    text = own[32:64].split(b"\0")[0].decode("ascii", "replace")
    if outcome in (1, 5):
        return result
    near = f"; the nearest is {text}" if text else ""
    if outcome == 2:
        raise NotDone(f"{what}: the driver has no such control", outcome)
    if outcome == 6:
        raise NotDone(f"{what}: the driver has no control of this name{near}", outcome, name=text)
    if outcome == 7:
        raise NotDone(f"{what}: the control has no item of this name{near}", outcome, name=text)
    if outcome == 8:
        raise NotDone(f"{what}: the stream's level allows {words[6]} bit/s and stays while the engine runs", outcome, words[6])
    if outcome == 9:
        raise NotDone(f"{what}: it stays {result} ({text}) while the engine runs", outcome, result, name=text)
    if outcome in (3, 4):
        limits = (result, largest, step)
        raise NotDone(f"{what}: {os.strerror(words[5])}: the driver takes {result} to {largest} in steps of {step}", outcome, 0, limits)
    raise ProtocolError


def key_frame(socket: str = SOCKET, *, wait: float = 0.0, uid: int | None = None) -> None:
    """A key frame, soon."""
    _change("key", _KEY_FRAME, 0, 0, b"", socket, wait, uid)


def bitrate(bits: int, socket: str = SOCKET, *, wait: float = 0.0, uid: int | None = None) -> int:
    """Sets the target bit rate, bits per second; gives what the driver made of it."""
    return _change("bitrate", _BITRATE, bits, 0, b"", socket, wait, uid)


def gop(frames: int, socket: str = SOCKET, *, wait: float = 0.0, uid: int | None = None) -> int:
    """Sets the number of frames from key frame to key frame; gives what the driver made of it."""
    return _change("gop", _GOP, frames, 0, b"", socket, wait, uid)


def drain(socket: str = SOCKET, *, wait: float = 0.0, uid: int | None = None) -> None:
    """Has the engine encode what was committed, and end."""
    _change("drain", _DRAIN, 0, 0, b"", socket, wait, uid)


def control(name: str | int, value: int | str, socket: str = SOCKET, *, wait: float = 0.0, uid: int | None = None) -> int:
    """Sets an encoder control, by its name or number, to a number or an item of a menu; gives what the driver made of it."""
    rest = (socket, wait, uid)
    if isinstance(value, int):
        if isinstance(name, int):
            return _change("control", _CONTROL_ID, value, name, b"", *rest)
        return _change("control", _CONTROL_NAME, value, 0, name.encode(), *rest)
    if isinstance(name, str):
        # A message has no room for both names.
        name = _change("control", _FIND_CONTROL, 0, 0, name.encode(), *rest) & 0xFFFFFFFF
    return _change("control", _CONTROL_ITEM, 0, name, value.encode(), *rest)


def stat(socket: str = SOCKET, *, wait: float = 0.0, uid: int | None = None) -> dict:
    """What the engine says of itself: names as in `framemill stat --json`, `stream` as a `Stream`, `counters` as a dictionary."""
    connection, words = _connect(socket, uid, wait, _encode(_OBSERVE))
    try:
        if words[2] != _PACKETS or any(words[4:]):
            raise ProtocolError
        (fd,) = connection.take(1)
        try:
            ring = _PacketRing(fd, False)
        finally:
            os.close(fd)
    finally:
        connection.close()
    try:
        header = ring.words
        state = header.u32(148)
        counters = (header.u64(ring.counters + 8 * at) for at in range(ring.counter_words))
        return {
            "state": STATES[state] if state < len(STATES) else "unknown",
            "generation": header.u32(152),
            "pid": header.u32(144),
            "heartbeat_age_ms": max(0, time.monotonic_ns() - header.u64(128)) // 1_000_000,
            "consumers": header.u32(156),
            "producers": header.u32(160),
            "packet_head": header.u64(64),
            "packet_tail": header.u64(72),
            "stream": ring.stream(),
            "counters": dict(zip(COUNTERS, counters)),
        }
    finally:
        ring.words.close()
