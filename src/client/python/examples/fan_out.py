#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Serves the stream to any number of TCP connections, each from a key frame on:  fan_out.py PORT [SOCKET]

One consumer for all. A reader that is too slow misses whole groups of pictures, and nobody waits for it.
"""

import asyncio
import sys

import framemill

MOST_BYTES = 4 << 20


async def main(port, socket=framemill.SOCKET):
    readers = {}  # each with whether it has its first key frame
    ended = asyncio.get_running_loop().create_future()
    consumer = framemill.Consumer(socket)

    async def serve(_, writer):
        readers[writer] = False
        consumer.request_key_frame()

    def hand_on(packet):
        for writer in list(readers):
            if writer.is_closing():
                del readers[writer]
                continue
            full = writer.transport.get_write_buffer_size() > MOST_BYTES
            if (readers[writer] or packet.key) and not full:
                headers = b"" if readers[writer] or packet.flags & framemill.CONFIG else consumer.codec_headers
                writer.write((headers if not packet.data.startswith(headers) else b"") + packet.data)
            readers[writer] = (readers[writer] or packet.key) and not full

    def readable():
        try:
            while (packet := consumer.poll()) is not None:
                hand_on(packet)
            if consumer.ended:
                ended.set_result(None)
        except framemill.FramemillError as error:
            ended.set_exception(error)
        if ended.done():
            asyncio.get_running_loop().remove_reader(consumer)

    asyncio.get_running_loop().add_reader(consumer, readable)
    async with await asyncio.start_server(serve, "127.0.0.1", int(port)) as server:
        print(f"serving at port {server.sockets[0].getsockname()[1]}", flush=True)
        readable()
        await ended
        for writer in readers:
            writer.close()


asyncio.run(main(*sys.argv[1:]))
