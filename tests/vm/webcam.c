// An imitated USB webcam for the guest: USB Video Class 1.1, YUYV 320x240, Motion-JPEG and H.264 at 30 frames/s, isochronous or bulk, driven by
// the kernel's own uvcvideo. It plugs itself into USB/IP's virtual host controller (vhci_hcd) through a socket pair; ended, it is unplugged.
//
//   webcam [bulk] [unplug=N] [urb=N] [hang=N] [cut=N[/EVERY]] [hole=N[/EVERY]] [lost=N[/EVERY]] [h264=WxH] [FILE…]
//     FILE    a JPEG; those of one size are the frames of that size, one after the other, and again from the first. Or, with a name that ends
//             in .h264, a frame of H.264, all of one size, which h264=WxH says. Without files of a format there is no such format
//     bulk    bulk transfers
//     unplug=N  it is unplugged before frame N of a stream
//     urb=N   at frame N of the first stream all waiting transfers fail (EPROTO), as when a cable is bad
//     hang=N  the N-th request to start a stream gets no answer, so that STREAMON sleeps for five seconds and fails
//     cut=N   frame N of each stream ends in the middle
//     hole=N  a payload in the middle of frame N of each stream never arrives
//     lost=N  frame N of each stream is marked as damaged: the driver keeps it to itself, and a number in `sequence` is missing
//     /EVERY  and every EVERY frames from there on
//
// Frame n of YUYV has luma x + y + 4n and chroma 128 + n, y (mod 256).

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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	WIDTH = 320,
	HEIGHT = 240,
	FRAME_BYTES = WIDTH * HEIGHT * 2,
	YUYV = 1, // the formats, as descriptors number them
	MJPG = 2,
	H264 = 3,
	SIZES = 4, // of Motion-JPEG, at most
	PICTURES = 512,
	INTERVAL = 333333, // 100 ns
	CONTROL_INTERFACE = 0,
	STREAM_INTERFACE = 1,
	PAYLOAD_HEADER = 2,
	PACKET_BYTES = 3 * 1024,
	BULK_BYTES = 16384, // a payload: a transfer of uvcvideo's
	MICROFRAME_NS = 125000,
	PACKETS = 64,
	URBS = 64,
};

// A fault of a stream: at frame `at`, and every `every` frames from there on, if that is not 0.
struct fault {
	unsigned long at, every;
};

static struct fault cut = { -1ul, 0 }, hole = { -1ul, 0 }, lost = { -1ul, 0 };
static unsigned long fail_at = -1ul, unplug_at = -1ul, hang_at, commits, streams;
static int bulk;

static int strikes(const struct fault *fault, unsigned long frame)
{
	return frame == fault->at || (fault->every && frame > fault->at && (frame - fault->at) % fault->every == 0);
}

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

// Pictures of Motion-JPEG, and their sizes.

static struct picture {
	uint8_t *data;
	size_t bytes;
	unsigned size;
} pictures[PICTURES];
static unsigned picture_count;

static struct {
	unsigned width, height, count;
} sizes[SIZES + 1]; // the last one is that of H.264
static unsigned size_count;

// The number of a picture's size, which SOF0 has.
static unsigned size_of(const struct picture *p)
{
	for (size_t at = 2; at + 8 < p->bytes && p->data[at] == 0xff; at += 2 + (p->data[at + 2] << 8 | p->data[at + 3])) {
		if (p->data[at + 1] != 0xc0)
			continue;
		unsigned height = p->data[at + 5] << 8 | p->data[at + 6], width = p->data[at + 7] << 8 | p->data[at + 8], i = 0;
		while (i < size_count && (sizes[i].width != width || sizes[i].height != height))
			i++;
		if (i == size_count && size_count++ < SIZES)
			sizes[i].width = width, sizes[i].height = height;
		return i;
	}
	return SIZES + 1;
}

static void load(const char *name)
{
	struct picture *p = &pictures[picture_count++];
	struct stat about;
	int file = open(name, O_RDONLY);
	if (picture_count > PICTURES || file < 0 || fstat(file, &about))
		die(name);
	p->data = malloc(about.st_size + 1);
	for (ssize_t n; p->bytes < (size_t)about.st_size; p->bytes += n)
		if ((n = read(file, p->data + p->bytes, about.st_size - p->bytes)) <= 0)
			die(name);
	close(file);
	const char *end = strrchr(name, '.');
	p->size = end && !strcmp(end, ".h264") ? SIZES : size_of(p);
	if (p->size > SIZES || !sizes[p->size].width) {
		fprintf(stderr, "%s: no baseline JPEG, or of one size too many, or no h264=WxH before it\n", name);
		exit(2);
	}
	sizes[p->size].count++;
}

// Descriptors.

static uint8_t config[1024];
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

static void put_frame(unsigned kind, unsigned number, unsigned width, unsigned height)
{
	uint32_t bytes = width * height * 2;
	put(30, 30, 0x24, kind, number, 0, W(width), W(height), D(bytes * 8 * 10), D(bytes * 8 * 30), D(bytes), D(INTERVAL), 1, D(INTERVAL));
}

static void make_config(void)
{
	put(9, 9, 2, W(0), 2, 1, 0, 0x80, 250);
	put(8, 8, 11, CONTROL_INTERFACE, 2, 0x0e, 3, 0, 0);
	put(9, 9, 4, CONTROL_INTERFACE, 0, 0, 0x0e, 1, 0, 0);
	put(13, 13, 0x24, 1, W(0x110), W(13 + 17 + 9), D(1000000), 1, STREAM_INTERFACE);
	put(17, 17, 0x24, 2, 1, W(0x201), 0, 0, W(0), W(0), W(0), 2, W(0)); // a camera without controls
	put(9, 9, 0x24, 3, 2, W(0x101), 0, 1, 0); // USB streaming
	// More than one alternate setting, and no endpoint in the first, make uvcvideo choose isochronous transfers.
	put(9, 9, 4, STREAM_INTERFACE, 0, bulk, 0x0e, 2, 0, 0);
	unsigned header = config_size, formats = 1 + (size_count > 0) + (sizes[SIZES].count > 0);
	put(13, 13 + formats, 0x24, 1, formats, W(0), 0x81, 0, 2, 0, 0, 0, 1);
	for (unsigned i = 0; i < formats; i++)
		put(1, 0);
	put(27, 27, 0x24, 4, 1, 1, 'Y', 'U', 'Y', '2', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71, 16, 1, 0, 0, 0, 0);
	put_frame(5, 1, WIDTH, HEIGHT);
	put(6, 6, 0x24, 0x0d, 1, 1, 4); // BT.709 primaries and curve, SMPTE 170M matrix
	if (size_count) {
		put(11, 11, 0x24, 6, MJPG, size_count, 0, 1, 0, 0, 0, 0);
		for (unsigned i = 0; i < size_count; i++)
			put_frame(7, i + 1, sizes[i].width, sizes[i].height);
		put(6, 6, 0x24, 0x0d, 1, 1, 4);
	}
	if (sizes[SIZES].count) {
		unsigned width = sizes[SIZES].width, height = sizes[SIZES].height;
		put(28, 28, 0x24, 0x10, H264, 1, 'H', '2', '6', '4', 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71, 16, 1, 0, 0, 0, 0, 1);
		put(30, 30, 0x24, 0x11, 1, 0, W(width), W(height), D(1000000), D(20000000), D(INTERVAL), 1, D(0), D(INTERVAL));
		put(6, 6, 0x24, 0x0d, 1, 1, 4);
	}
	unsigned streaming = config_size - header;
	config[header + 4] = streaming, config[header + 5] = streaming >> 8;
	if (bulk) {
		put(7, 7, 5, 0x81, 2, W(512), 0);
	} else {
		put(9, 9, 4, STREAM_INTERFACE, 1, 1, 0x0e, 2, 0, 0);
		put(7, 7, 5, 0x81, 5, W(2 << 11 | 1024), 1); // three packets in a microframe
	}
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
static const uint8_t *bytes; // of the present frame
static uint8_t probe[34], commit[34];

// Frame n of the size that was chosen.
static const struct picture *picture(unsigned long n)
{
	unsigned size = commit[2] == H264 ? SIZES : commit[3] - 1, left = n % sizes[size].count;
	const struct picture *p = pictures;
	while (p->size != size || left--)
		p++;
	return p;
}

static void draw(unsigned long n)
{
	for (unsigned y = 0; y < HEIGHT; y++)
		for (unsigned x = 0; x < WIDTH; x += 2) {
			uint8_t *p = pixels + (y * WIDTH + x) * 2;
			p[0] = x + y + 4 * n, p[1] = 128 + n, p[2] = x + 1 + y + 4 * n, p[3] = y;
		}
}

static void start_stream(void)
{
	stream.on = 1;
	stream.frame = stream.busy = 0;
	stream.next = now_ns();
	streams++;
}

static void begin_frame(void)
{
	unsigned long n = stream.frame;
	if (n == unplug_at)
		exit(0);
	if (commit[2] != YUYV) {
		bytes = picture(n)->data, stream.size = picture(n)->bytes;
	} else {
		draw(n);
		bytes = pixels, stream.size = FRAME_BYTES;
	}
	if (strikes(&cut, n))
		stream.size /= 2;
	stream.at = 0;
	stream.busy = 1;
	stream.next += INTERVAL * 100ll;
	if (stream.next < now_ns()) // too slow: no burst of what was missed
		stream.next = now_ns();
}

// The next payload: a header and a part of a frame.
static size_t payload(uint8_t *to, size_t room)
{
	size_t part = stream.size - stream.at, before = stream.at, middle = stream.size / 2;
	if (part > room - PAYLOAD_HEADER)
		part = room - PAYLOAD_HEADER;
	int last = stream.at + part == stream.size;
	to[0] = PAYLOAD_HEADER;
	to[1] = 0x80 | stream.frame_id | (last ? 2 : 0) | (last && strikes(&lost, stream.frame) ? 0x40 : 0);
	memcpy(to + PAYLOAD_HEADER, bytes + stream.at, part);
	stream.at += part;
	if (!last && before <= middle && stream.at > middle && strikes(&hole, stream.frame))
		return payload(to, room);
	if (last) {
		stream.frame_id ^= 1;
		stream.frame++;
		stream.busy = 0;
	}
	return part + PAYLOAD_HEADER;
}

// Control requests.

static void put32(uint8_t *to, uint32_t value) { to[0] = value, to[1] = value >> 8, to[2] = value >> 16, to[3] = value >> 24; }

// Makes a proposal one that can be done: there is one rate.
static void settle(uint8_t *proposal)
{
	uint8_t format = proposal[2], number = proposal[3];
	if (!(format == MJPG && size_count) && !(format == H264 && sizes[SIZES].count))
		format = YUYV;
	if (number < 1 || number > (format == MJPG ? size_count : 1))
		number = 1;
	memset(proposal, 0, sizeof probe);
	proposal[2] = format, proposal[3] = number;
	put32(proposal + 4, INTERVAL);
	unsigned size = format == H264 ? SIZES : number - 1u;
	put32(proposal + 18, format == YUYV ? FRAME_BYTES : sizes[size].width * sizes[size].height * 2);
	put32(proposal + 22, bulk ? BULK_BYTES : PACKET_BYTES);
	put32(proposal + 26, 1000000);
	proposal[30] = 3, proposal[31] = proposal[32] = proposal[33] = 1;
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
	case 0x0201: // CLEAR_FEATURE of the endpoint: so uvcvideo ends a stream of bulk transfers
		stream.on &= !bulk;
		return 0;
	case 0x010b: // SET_INTERFACE
		if (interface == STREAM_INTERFACE && !bulk) {
			stream.on = 0;
			if (value)
				start_stream();
		}
		return 0;
	case 0x2101: // SET_CUR of probe or commit
		if (interface != STREAM_INTERFACE || r->wLength > sizeof probe)
			return STALL;
		if (value >> 8 == 2 && ++commits == hang_at)
			return NO_ANSWER;
		memcpy(value >> 8 == 2 ? commit : probe, data, r->wLength);
		settle(value >> 8 == 2 ? commit : probe);
		if (value >> 8 == 2 && bulk)
			start_stream();
		return 0;
	case 0xa181: case 0xa182: case 0xa183: case 0xa187: // GET_CUR, GET_MIN, GET_MAX, GET_DEF
		if (interface == CONTROL_INTERFACE) {
			data[0] = 6; // the error code: an invalid request
			return 1;
		}
		memcpy(data, value >> 8 == 2 ? commit : probe, sizeof probe);
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
	uint32_t seqnum, start, packets, length;
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
	if (urb && !bulk)
		p.u.done.packets = htonl(urb->packets), p.u.done.start = htonl(urb->start);
	send_all(&p, sizeof p);
	send_all(data, size);
	if (urb && !bulk)
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
	if (bulk) {
		if (!stream.busy)
			begin_frame();
		size = payload(buffer, u->length < BULK_BYTES ? u->length : BULK_BYTES);
		u->packets = 0;
	}
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
	u->seqnum = ntohl(p.seqnum), u->start = ntohl(p.u.submit.start), u->length = ntohl(p.u.submit.length);
	u->packets = bulk ? 0 : ntohl(p.u.submit.packets);
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

static int take_option(const char *word)
{
	struct fault *faults[] = { &cut, &hole, &lost };
	static const char *const names[] = { "cut=%lu/%lu", "hole=%lu/%lu", "lost=%lu/%lu" };
	for (unsigned i = 0; i < 3; i++)
		if (sscanf(word, names[i], &faults[i]->at, &faults[i]->every) > 0)
			return 1;
	if (sscanf(word, "h264=%ux%u", &sizes[SIZES].width, &sizes[SIZES].height) == 2)
		return 1;
	if (!strcmp(word, "bulk"))
		return bulk = 1;
	return sscanf(word, "urb=%lu", &fail_at) + sscanf(word, "hang=%lu", &hang_at) + sscanf(word, "unplug=%lu", &unplug_at) == 1;
}

// How long the first waiting transfer still takes, ns; less than 0: none waits, or it is not known.
static int64_t wait_ns(int64_t *due)
{
	int64_t now = now_ns();
	if (!stream.on || !urb_count)
		return -1;
	if (bulk)
		return stream.busy || stream.next <= now ? 0 : stream.next - now;
	if (*due < now - 100000000)
		*due = now;
	return *due <= now ? 0 : *due - now;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (take_option(argv[i]))
			continue;
		if (strchr(argv[i], '='))
			return 2;
		load(argv[i]);
	}
	settle(probe);
	settle(commit);
	make_config();
	plug();
	int64_t due = 0; // when the first waiting isochronous transfer is over: each packet takes a microframe
	for (;;) {
		int64_t wait = wait_ns(&due);
		if (wait == 0) {
			due += urbs[0].packets * (int64_t)MICROFRAME_NS;
			fill();
			continue;
		}
		struct pollfd set = { .fd = host, .events = POLLIN };
		struct timespec t = { wait / 1000000000, wait % 1000000000 };
		if (ppoll(&set, 1, wait < 0 ? NULL : &t, NULL) > 0)
			serve_host();
	}
}
