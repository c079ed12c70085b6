#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sends pictures that OpenCV captures or draws:  camera.py [DEVICE [SOCKET]]   (pip install opencv-python numpy). Run with a film in place of a camera."""

import sys
import time

import cv2
import framemill
import numpy


def main(device="0", socket=framemill.SOCKET):
    capture = cv2.VideoCapture(int(device) if device.isdigit() else device)
    width, height = (int(capture.get(what)) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    with framemill.Producer(socket, size=(width, height), format="YU12") as producer:
        while True:
            read, picture = capture.read()
            if not read:
                break
            captured = time.monotonic_ns()
            planar = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).reshape(-1)
            with producer.frame() as frame:
                at = 0
                for plane in frame.planes:
                    size = plane.rows * plane.row_bytes
                    # Rows of the slot may be further apart: numpy knows.
                    numpy.asarray(plane)[:] = planar[at : at + size].reshape(plane.rows, plane.row_bytes)
                    at += size
                frame.timestamp = captured
        producer.finish()


main(*sys.argv[1:])
