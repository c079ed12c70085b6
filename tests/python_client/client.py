# SPDX-License-Identifier: MIT OR Apache-2.0
"""A client on framemill.py that does everything and says what came of it: the words and the lines of tests/c_client/client.c."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../src/client/python"))
import framemill  # noqa: E402

CODES = {framemill.NoEngine: -1, framemill.Gone: -2, framemill.ProtocolError: -3, framemill.Untrusted: -4, framemill.Late: -5}


def code(error):
    if isinstance(error, framemill.Refused):
        return -100 - error.reason
    return -9 if isinstance(error, framemill.NotDone) else CODES[type(error)]


def left():
    with open("/proc/self/maps") as maps:
        shared = sum(" r--s " in line or " rw-s " in line for line in maps)
    return len(os.listdir("/proc/self/fd")), shared


def say(line):
    print(line, flush=True)


def consume(socket, calls, start="0"):
    consumer = framemill.Consumer(socket, start=("key", "oldest", "live")[int(start)])
    say("open 0")
    packets = total = added = headers = end = 0
    for _ in range(int(calls)):
        try:
            packet = consumer.next(20)
        except framemill.FramemillError as error:
            end = code(error)
            break
        if packet is None:
            break
        own = len(packet.data) if packets == 0 else 0
        packets += 1
        data = packet.data
        if own and packet.key and not packet.flags & framemill.CONFIG and data.startswith(consumer.codec_headers):
            # The C client has no room for more.
            headers += len(consumer.codec_headers) if len(consumer.codec_headers) <= 1024 else 0
            data = data[len(consumer.codec_headers) :]
        total += len(data)
        added += sum(data)
    print(f"end {end}\npackets {packets} lost {consumer.lost} bytes {total} sum {added} headers {headers}")
    consumer.close()


def produce(socket, frames):
    producer = framemill.Producer(socket)
    say("open 0")
    end, frames, frame = 1, int(frames), None
    try:
        for number in range(frames, 0, -1):
            # Each slot is first given back unused once.
            producer.frame(20).release()
            frame = producer.frame(20)
            for plane in frame.planes:
                plane.fill(number & 0xFF)
            frame.commit(number)
            try:
                frame.commit(number)
            except ValueError:
                continue
            raise SystemExit("a frame was committed twice")
        producer.finish(20)
    except framemill.FramemillError as error:
        end = code(error)
    except TimeoutError:
        end = -8
    published, dropped = producer.accounts
    width, height = producer.size
    print(f"end {end}\npublished {published} dropped {dropped} size {width}x{height} slots {producer.slots}")
    frame = plane = None  # noqa: F841
    producer.close()


def stat(socket):
    answer = framemill.stat(socket)
    if answer["stream"] is None:
        raise framemill.ProtocolError
    say("open 0")
    stream, name = answer["stream"], framemill.COUNTERS[0]
    print(
        f"state {answer['state']} packets {answer['packet_head']} {name} {answer['counters'][name]}",
        f"size {stream.width}x{stream.height} device {stream.device}",
    )


def change(socket, name, item=None):
    value = framemill.control(name, item, socket) if item else framemill.bitrate(int(name), socket)
    say("open 0")
    outcome(1, value)


def outcome(number, value, low=0, high=0, name=""):
    print(f"outcome {number} value {value} range {low} to {high} name {name}")


def main():
    what, socket, *words = sys.argv[1:]
    fds, maps = left()
    run = {"consume": consume, "produce": produce, "stat": stat}.get(what, change)
    try:
        run(socket, *words)
    except framemill.FramemillError as error:
        say(f"open {code(error)}")
        if isinstance(error, framemill.NotDone):
            outcome(error.outcome, error.value, error.minimum, error.maximum, error.name)
    now_fds, now_maps = left()
    print(f"left {now_fds - fds} fds {now_maps - maps} maps")


main()
