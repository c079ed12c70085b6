#!/usr/bin/python3
# Serves the page of scripts/view, and to each browser the packets and the status that the guest sends.
#
#   view-server.py PORT PAGE COMMAND…
#
# COMMAND is the guest: its standard output is that of `framemill tap --mux packets`, its standard error has lines of text. Knows HTTP and the
# header of a packet. Must not know what runs in the guest. Ends with the guest, and ends the guest.

import collections
import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading

HEADER = 32
KEY = 1


class Feed:
    """Pieces with numbers, for any number of readers; those before the newest beginning are forgotten."""

    def __init__(self):
        self.pieces = collections.deque()
        self.first = 0
        self.ended = False
        self.changed = threading.Condition()

    def put(self, piece, begins):
        with self.changed:
            if begins:
                self.first += len(self.pieces)
                self.pieces.clear()
            self.pieces.append(piece)
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def read(self):
        """A reader that is too slow goes on with the newest beginning."""
        at = 0
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.ended or at < self.first + len(self.pieces))
                at = max(at, self.first)
                if at == self.first + len(self.pieces):
                    return
                piece = self.pieces[at - self.first]
            at += 1
            yield piece


def read_packets(pipe, feed, ready):
    while True:
        header = pipe.read(HEADER)
        if len(header) < HEADER or header[:4] != b"FMp1":
            break
        packet = header + pipe.read(int.from_bytes(header[8:12], "little"))
        key = header[12] & KEY
        # Readers begin with a key frame, and so does the stream.
        feed.put(packet, key)
        ready()
    feed.end()


def read_lines(pipe, feed, last):
    for line in pipe:
        last.append(line)
        feed.put(line, True)
    feed.end()


def handler(page, packets, lines):
    feeds = {
        "/cgi-bin/stream?packets": ("application/octet-stream", packets),
        "/cgi-bin/status": ("text/plain; charset=utf-8", lines),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.split("?")[0] in ("/", "/index.html"):
                with open(page, "rb") as file:
                    self.answer("text/html", [file.read()])
            elif self.path in feeds:
                kind, feed = feeds[self.path]
                self.answer(kind, feed.read())
            else:
                self.send_error(404, "scripts/view has packets only")

        def answer(self, kind, pieces):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            try:
                for piece in pieces:
                    self.wfile.write(piece)
            except OSError:
                # It has left.
                pass

        def log_message(self, *_):
            pass

    return Handler


def open_browser(address):
    if shutil.which("xdg-open") and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        subprocess.Popen(["xdg-open", address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    port, page, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    packets, lines, last = Feed(), Feed(), collections.deque(maxlen=5)
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler(page, packets, lines))
    except OSError as error:
        sys.exit(f"view: 127.0.0.1:{port}: {error.strerror}; --port names another one")
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    # Ctrl-C is for this process, which ends the guest.
    guest = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True)

    def leave(*_):
        raise SystemExit(0)

    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, leave)
    announced = threading.Event()

    def ready():
        if not announced.is_set():
            announced.set()
            print(address, flush=True)
            open_browser(address)

    reader = threading.Thread(target=read_lines, args=(guest.stderr, lines, last), daemon=True)
    reader.start()
    threading.Thread(target=read_packets, args=(guest.stdout, packets, ready), daemon=True).start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        status = guest.wait()
        reader.join()
        said = b"".join(last).decode(errors="replace")
        sys.exit(f"view: the guest ended with {status}; it said at last:\n{said}".rstrip())
    finally:
        if guest.poll() is None:
            guest.terminate()
            guest.wait()


main()
