#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Shows the stream in a window, decoded by PyAV:  view.py [SOCKET]   (pip install av opencv-python). Run on a virtual screen only."""

import sys

import av
import cv2
import framemill


def main(socket=framemill.SOCKET):
    decoder = None
    with framemill.Consumer(socket) as consumer:
        for packet in consumer:
            if decoder is None or packet.lost:
                # After a loss a new decoder starts with this packet, which is a key frame.
                decoder = av.CodecContext.create({"H264": "h264", "HEVC": "hevc", "MJPG": "mjpeg"}[consumer.stream.codec], "r")
            for picture in decoder.decode(av.Packet(packet.data)):
                cv2.imshow("framemill", picture.to_ndarray(format="bgr24"))
            if cv2.waitKey(1) == 27:
                return


main(*sys.argv[1:])
