#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sends a moving pattern:  pattern.py SOCKET FRAMES [WIDTHxHEIGHT|- [copy|HEAP]]

The slots are the encoder's buffers; `copy`: memory that the engine copies from; HEAP: own memory of such a dma-buf heap
(/dev/dma_heap/linux,cma), which the encoder imports. Byte number c of row r of plane p in frame n is c + 2r + 5n + 64p.
"""

import fcntl
import os
import struct
import sys

import framemill

DMA_HEAP_IOCTL_ALLOC = 0xC0184800


def allocate(heap, length):
    """A dma-buf of this heap."""
    with open(heap, "rb+", buffering=0) as device:
        answer = fcntl.ioctl(device, DMA_HEAP_IOCTL_ALLOC, struct.pack("<QIIQ", length, 0, os.O_RDWR | os.O_CLOEXEC, 0))
    return struct.unpack("<QIIQ", answer)[1]


def offer(producer, heap):
    """As many dma-bufs as the producer has slots, in their place."""
    fds = [allocate(heap, length) for _ in range(producer.slots) for length in producer.memory_bytes]
    producer.import_buffers(fds)
    for fd in fds:
        # The producer has its own descriptors.
        os.close(fd)


def draw(plane, number, frame):
    ramp = bytes(range(256)) * (plane.row_bytes // 256 + 2)
    for row in range(plane.rows):
        start = (2 * row + 5 * frame + 64 * number) % 256
        plane.row(row)[:] = ramp[start : start + plane.row_bytes]


def main(socket, frames, size="-", memory=""):
    size = None if size == "-" else tuple(int(side) for side in size.split("x"))
    try:
        with framemill.Producer(socket, size=size, copied=memory == "copy") as producer:
            if memory not in ("", "copy"):
                offer(producer, memory)
            numerator, denominator = producer.rate
            for number in range(int(frames)):
                with producer.frame() as frame:
                    for index, plane in enumerate(frame.planes):
                        draw(plane, index, number)
                    # As if they came at the engine's rate.
                    frame.timestamp = number * 1_000_000_000 * denominator // max(numerator, 1)
            published, dropped = producer.finish()
            what = {"export": "exported", "copy": "copied", "import": "imported"}[producer.memory]
            print(f"{producer.committed} committed, {published} published, {dropped} dropped, {what}")
    except framemill.FramemillError as error:
        sys.exit(str(error))


main(*sys.argv[1:])
