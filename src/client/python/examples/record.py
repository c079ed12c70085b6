#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes a stream to a file, from a key frame on, codec headers first:  record.py [SOCKET [FILE [key|oldest|live]]]

Ends with the stream. Says what was lost. Exit code: 0, 1 when the engine went away.
"""

import sys

import framemill


def main(socket=framemill.SOCKET, path="/dev/stdout", start="key"):
    packets = 0
    try:
        with framemill.Consumer(socket, start=start) as consumer, open(path, "wb") as file:
            for packet in consumer:
                file.write(packet.data)
                packets += 1
            print(f"{packets} packets, {consumer.lost} lost", file=sys.stderr)
    except framemill.FramemillError as error:
        sys.exit(f"{error}, after {packets} packets")


main(*sys.argv[1:])
