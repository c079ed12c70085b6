#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Writes packets into a container with PyAV, each with its own time:  write_file.py FILE [SOCKET [key|oldest|live]]   (pip install av)

FILE ends in .ts or .mkv, which take the headers from the packets; for MP4 there is `framemill tap --mux mp4`.
"""

import sys
from fractions import Fraction

import av
import framemill

NAMES = {"H264": "h264", "HEVC": "hevc", "MJPG": "mjpeg"}


def main(path, socket=framemill.SOCKET, start="key"):
    with framemill.Consumer(socket, start=start) as consumer, av.open(path, "w") as container:
        stream, last, previous = None, -1, None
        for packet in consumer:
            if stream is None:
                about = consumer.stream
                stream = container.add_stream(NAMES[about.codec])
                stream.width, stream.height = about.width, about.height
                stream.pix_fmt = "yuvj420p" if about.codec == "MJPG" else "yuv420p"
                stream.time_base = Fraction(1, 90000)
                begun = packet.timestamp
            if previous is not None and packet.discontinuity and packet.timestamp <= previous.timestamp:
                # Another producer, whose timestamps begin again: time goes on as frames were committed.
                begun += packet.timestamp - previous.timestamp - (packet.committed - previous.committed)
            previous = packet
            coded = av.Packet(packet.data)
            coded.stream, coded.time_base = stream, Fraction(1, 90000)
            last = max((packet.timestamp - begun) * 9 // 100000, last + 1)
            coded.pts = coded.dts = last
            try:
                coded.is_keyframe = packet.key
            except AttributeError:
                # PyAV before 11.4 cannot say it: seeking in the file is slower then.
                pass
            container.mux(coded)


main(*sys.argv[1:])
