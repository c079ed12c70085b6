// An imitated USB webcam for the guest: USB Video Class 1.1, YUYV 320x240 at 30 frames/s, isochronous, driven by the kernel's own
// uvcvideo. It plugs itself into USB/IP's virtual host controller (vhci_hcd) through a socket pair; ended, it is unplugged.
//
//   webcam [urb=N] [hang=N] [cut=N] [lost=N]
//     urb=N   at frame N of the first stream all waiting transfers fail (EPROTO), as when a cable is bad
//     hang=N  the N-th request to start a stream gets no answer, so that STREAMON sleeps for five seconds and fails
//     cut=N   frame N of each stream ends in the middle
//     lost=N  frame N of each stream is marked as damaged
//
// Frame n has luma x + y + 4n and chroma 128 + n, y (mod 256).

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	WIDTH = 320,
	HEIGHT = 240,
	FRAME_BYTES = WIDTH * HEIGHT * 2,
	INTERVAL = 333333, // 100 ns
	CONTROL_INTERFACE = 0,
	STREAM_INTERFACE = 1,
	PAYLOAD_HEADER = 2,
	PACKET_BYTES = 3 * 1024,
	MICROFRAME_NS = 125000,
	PACKETS = 64,
	URBS = 64,
};

static unsigned long fail_at = -1ul, hang_at, cut_at = -1ul, lost_at = -1ul, commits, streams;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

// Descriptors.

static uint8_t config[512];
static unsigned config_size;

static void put(unsigned count, ...)
{
	va_list bytes;
	va_start(bytes, count);
	while (count--)
		config[config_size++] = va_arg(bytes, int);
	va_end(bytes);
}

#define W(v) (v) & 255, (v) >> 8 & 255
#define D(v) (v) & 255, (v) >> 8 & 255, (v) >> 16 & 255, (v) >> 24 & 255

static const uint8_t device[18] = { 18, 1, W(0x200), 0xef, 2, 1, 64, W(0x1d6b), W(0x0102), W(0x0100), 1, 2, 0, 1 };
static const uint8_t qualifier[10] = { 10, 6, W(0x200), 0xef, 2, 1, 64, 1, 0 };

static void make_config(void)
{
	put(9, 9, 2, W(0), 2, 1, 0, 0x80, 250);
	put(8, 8, 11, CONTROL_INTERFACE, 2, 0x0e, 3, 0, 0);
	put(9, 9, 4, CONTROL_INTERFACE, 0, 0, 0x0e, 1, 0, 0);
	put(13, 13, 0x24, 1, W(0x110), W(13 + 17 + 9), D(1000000), 1, STREAM_INTERFACE);
	put(17, 17, 0x24, 2, 1, W(0x201), 0, 0, W(0), W(0), W(0), 2, W(0)); // a camera without controls
	put(9, 9, 0x24, 3, 2, W(0x101), 0, 1, 0); // USB streaming
	// More than one alternate setting, and no endpoint in the first, make uvcvideo choose isochronous transfers.
	put(9, 9, 4, STREAM_INTERFACE, 0, 0, 0x0e, 2, 0, 0);
	unsigned header = config_size;
	put(14, 14, 0x24, 1, 1, W(0), 0x81, 0, 2, 0, 0, 0, 1, 0);
	put(27, 27, 0x24, 4, 1, 1, 'Y', 'U', 'Y', '2', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71, 16, 1, 0, 0, 0, 0);
	put(30, 30, 0x24, 5, 1, 0, W(WIDTH), W(HEIGHT), D(FRAME_BYTES * 8 * 10), D(FRAME_BYTES * 8 * 30), D(FRAME_BYTES), D(INTERVAL), 1,
		D(INTERVAL));
	put(6, 6, 0x24, 0x0d, 1, 1, 4); // BT.709 primaries and curve, SMPTE 170M matrix
	unsigned streaming = config_size - header;
	config[header + 4] = streaming, config[header + 5] = streaming >> 8;
	put(9, 9, 4, STREAM_INTERFACE, 1, 1, 0x0e, 2, 0, 0);
	put(7, 7, 5, 0x81, 5, W(2 << 11 | 1024), 1); // three packets in a microframe
	config[2] = config_size, config[3] = config_size >> 8;
}

static int string(unsigned number, uint8_t *to)
{
	static const char *const names[] = { "", "Framemill", "Imitated webcam" };
	if (number > 2)
		return -1;
	if (number == 0) {
		memcpy(to, "\4\3\11\4", 4);
		return 4;
	}
	unsigned size = strlen(names[number]);
	to[0] = 2 + 2 * size, to[1] = 3;
	for (unsigned i = 0; i < size; i++)
		to[2 + 2 * i] = names[number][i], to[3 + 2 * i] = 0;
	return to[0];
}

// The stream.

static struct {
	int on;
	unsigned long frame;
	size_t at, size;
	int busy;
	uint8_t frame_id;
	int64_t next; // when the next frame begins, ns
} stream;

static uint8_t pixels[FRAME_BYTES];

static void begin_frame(void)
{
	unsigned long n = stream.frame;
	for (unsigned y = 0; y < HEIGHT; y++)
		for (unsigned x = 0; x < WIDTH; x += 2) {
			uint8_t *p = pixels + (y * WIDTH + x) * 2;
			p[0] = x + y + 4 * n, p[1] = 128 + n, p[2] = x + 1 + y + 4 * n, p[3] = y;
		}
	stream.size = n == cut_at ? FRAME_BYTES / 2 : FRAME_BYTES;
	stream.at = 0;
	stream.busy = 1;
	stream.next += INTERVAL * 100ll;
	if (stream.next < now_ns()) // too slow: no burst of what was missed
		stream.next = now_ns();
}

// The next payload: a header and a part of a frame.
static size_t payload(uint8_t *to, size_t room)
{
	size_t part = stream.size - stream.at;
	if (part > room - PAYLOAD_HEADER)
		part = room - PAYLOAD_HEADER;
	int last = stream.at + part == stream.size;
	to[0] = PAYLOAD_HEADER;
	to[1] = 0x80 | stream.frame_id | (last ? 2 : 0) | (last && stream.frame == lost_at ? 0x40 : 0);
	memcpy(to + PAYLOAD_HEADER, pixels + stream.at, part);
	stream.at += part;
	if (last) {
		stream.frame_id ^= 1;
		stream.frame++;
		stream.busy = 0;
	}
	return part + PAYLOAD_HEADER;
}

// Control requests.

static uint8_t probe[34];

static void put32(uint8_t *to, uint32_t value) { to[0] = value, to[1] = value >> 8, to[2] = value >> 16, to[3] = value >> 24; }

// Whatever is proposed: there is one format, one size and one rate.
static void settle(void)
{
	memset(probe, 0, sizeof probe);
	probe[2] = probe[3] = 1;
	put32(probe + 4, INTERVAL);
	put32(probe + 18, FRAME_BYTES);
	put32(probe + 22, PACKET_BYTES);
	put32(probe + 26, 1000000);
	probe[30] = 3, probe[31] = probe[32] = probe[33] = 1;
}

enum { STALL = -1, NO_ANSWER = -2 };

// To the host: fills `data` and gives its size. From the host: `data` is there already.
static int control(const struct usb_ctrlrequest *r, uint8_t *data)
{
	unsigned value = r->wValue, interface = r->wIndex & 255;
	switch (r->bRequestType << 8 | r->bRequest) {
	case 0x8006: // GET_DESCRIPTOR
		switch (value >> 8) {
		case 1: memcpy(data, device, sizeof device); return sizeof device;
		case 2: memcpy(data, config, config_size); return config_size;
		case 3: return string(value & 255, data);
		case 6: memcpy(data, qualifier, sizeof qualifier); return sizeof qualifier;
		}
		return STALL;
	case 0x8000: data[0] = data[1] = 0; return 2; // GET_STATUS
	case 0x0009: return 0; // SET_CONFIGURATION
	case 0x010b: // SET_INTERFACE
		if (interface == STREAM_INTERFACE) {
			stream.on = value != 0;
			stream.frame = stream.busy = 0;
			stream.next = now_ns();
			streams += stream.on;
		}
		return 0;
	case 0x2101: // SET_CUR of probe or commit
		if (interface != STREAM_INTERFACE)
			return STALL;
		if (value >> 8 == 2 && ++commits == hang_at)
			return NO_ANSWER;
		return 0;
	case 0xa181: case 0xa182: case 0xa183: case 0xa187: // GET_CUR, GET_MIN, GET_MAX, GET_DEF
		if (interface == CONTROL_INTERFACE) {
			data[0] = 6; // the error code: an invalid request
			return 1;
		}
		memcpy(data, probe, sizeof probe);
		return sizeof probe;
	}
	return STALL;
}

// USB/IP.

struct pdu {
	uint32_t command, seqnum, devid, direction, ep;
	union {
		struct { uint32_t flags, length, start, packets, interval; uint8_t setup[8]; } submit;
		struct { uint32_t status, actual, start, packets, errors; uint8_t pad[8]; } done;
		struct { uint32_t seqnum; uint8_t pad[24]; } unlink;
	} u;
};

struct iso_packet { uint32_t offset, length, actual, status; };

struct urb {
	uint32_t seqnum, start, packets;
	struct iso_packet iso[PACKETS];
};

static int host;
static struct urb urbs[URBS];
static unsigned urb_count;
static uint32_t unanswered;

static void send_all(const void *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = send(host, (const char *)data + at, size - at, MSG_NOSIGNAL);
		if (n <= 0)
			exit(0); // unplugged from the host's side
		at += n;
	}
}

static void receive_all(void *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = recv(host, (char *)data + at, size - at, 0);
		if (n <= 0)
			exit(0);
		at += n;
	}
}

static void complete(uint32_t seqnum, int status, uint32_t actual, const struct urb *urb, const void *data, size_t size)
{
	struct pdu p = { .command = htonl(3), .seqnum = htonl(seqnum) };
	p.u.done.status = htonl(status), p.u.done.actual = htonl(actual);
	if (urb)
		p.u.done.packets = htonl(urb->packets), p.u.done.start = htonl(urb->start);
	send_all(&p, sizeof p);
	send_all(data, size);
	if (urb)
		send_all(urb->iso, urb->packets * sizeof urb->iso[0]);
}

static void remove_urb(unsigned at)
{
	memmove(urbs + at, urbs + at + 1, (--urb_count - at) * sizeof urbs[0]);
}

// The first waiting URB is over: what there is by now goes into its packets, perhaps nothing.
static void fill(void)
{
	static uint8_t buffer[PACKETS * PACKET_BYTES];
	struct urb *u = &urbs[0];
	if (streams == 1 && !stream.busy && stream.frame == fail_at) {
		for (; urb_count; remove_urb(0)) {
			for (unsigned i = 0; i < u->packets; i++)
				u->iso[i].actual = 0, u->iso[i].status = htonl(-EPROTO);
			complete(u->seqnum, -EPROTO, 0, u, buffer, 0);
		}
		fail_at = -1ul;
		return;
	}
	size_t size = 0;
	for (unsigned i = 0; i < u->packets; i++) {
		if (!stream.busy && stream.next <= now_ns() && !(streams == 1 && stream.frame == fail_at))
			begin_frame();
		size_t part = stream.busy ? payload(buffer + size, ntohl(u->iso[i].length)) : 0;
		u->iso[i].actual = htonl(part), u->iso[i].status = 0;
		size += part;
	}
	complete(u->seqnum, 0, size, u, buffer, size);
	remove_urb(0);
}

static void unlink_urb(const struct pdu *p)
{
	uint32_t which = ntohl(p->u.unlink.seqnum);
	int found = which == unanswered;
	for (unsigned i = 0; i < urb_count; i++)
		if (urbs[i].seqnum == which) {
			remove_urb(i);
			found = 1;
			break;
		}
	struct pdu answer = { .command = htonl(4), .seqnum = p->seqnum };
	answer.u.done.status = htonl(found ? -ECONNRESET : 0);
	send_all(&answer, sizeof answer);
}

static void serve_control(const struct pdu *p)
{
	static uint8_t data[65536];
	struct usb_ctrlrequest r;
	uint32_t length = ntohl(p->u.submit.length);
	int in = ntohl(p->direction) == 1;
	memcpy(&r, p->u.submit.setup, sizeof r);
	if (!in && length > sizeof data)
		exit(1);
	if (!in)
		receive_all(data, length);
	int n = control(&r, data);
	if (n == NO_ANSWER) {
		unanswered = ntohl(p->seqnum);
		return;
	}
	if (n > r.wLength)
		n = r.wLength;
	complete(ntohl(p->seqnum), n < 0 ? -EPIPE : 0, n < 0 ? 0 : in ? (uint32_t)n : length, NULL, data, in && n > 0 ? n : 0);
}

static void serve_host(void)
{
	struct pdu p;
	receive_all(&p, sizeof p);
	if (ntohl(p.command) == 2) {
		unlink_urb(&p);
		return;
	}
	if (ntohl(p.ep) == 0) {
		serve_control(&p);
		return;
	}
	struct urb *u = &urbs[urb_count];
	u->seqnum = ntohl(p.seqnum), u->start = ntohl(p.u.submit.start), u->packets = ntohl(p.u.submit.packets);
	if (u->packets > PACKETS || urb_count == URBS - 1)
		exit(1);
	receive_all(u->iso, u->packets * sizeof u->iso[0]);
	urb_count++;
}

static void plug(void)
{
	int pair[2], attach = open("/sys/devices/platform/vhci_hcd.0/attach", O_WRONLY);
	char line[64];
	if (attach < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("vhci_hcd");
	host = pair[0];
	// Port, descriptor, device id, speed.
	int size = snprintf(line, sizeof line, "0 %d %u %u", pair[1], 0x10001, USB_SPEED_HIGH);
	if (write(attach, line, size) < 0)
		die("attach");
	close(attach);
	close(pair[1]);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (sscanf(argv[i], "urb=%lu", &fail_at) + sscanf(argv[i], "hang=%lu", &hang_at) + sscanf(argv[i], "cut=%lu", &cut_at) +
				sscanf(argv[i], "lost=%lu", &lost_at) != 1)
			return 2;
	settle();
	make_config();
	plug();
	int64_t due = 0; // when the first waiting URB is over: each packet takes a microframe
	for (;;) {
		int64_t now = now_ns(), wait = -1;
		if (stream.on && urb_count) {
			if (due < now - 100000000)
				due = now;
			if (due <= now) {
				due += urbs[0].packets * (int64_t)MICROFRAME_NS;
				fill();
				continue;
			}
			wait = due - now;
		}
		struct pollfd set = { .fd = host, .events = POLLIN };
		struct timespec t = { wait / 1000000000, wait % 1000000000 };
		if (ppoll(&set, 1, wait < 0 ? NULL : &t, NULL) > 0)
			serve_host();
	}
}
