/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * framemill.h: a client of a Framemill engine in one header, for C99, C11 and C++17 on Linux. It sends frames, reads packets, and
 * changes the engine. PROTOCOL.md beside this file is what it implements.
 *
 *   In one file, before its other includes:    #define FRAMEMILL_IMPLEMENTATION
 *                                              #include "framemill.h"
 *   In all others:                             #include "framemill.h"
 *
 * It allocates nothing, starts no thread, prints nothing, installs no handler and has no global state. Of one object one thread
 * uses at a time; several objects are independent. What an engine sends is checked before it is used: an engine that is broken, killed
 * or malicious costs an error, and nothing else. GCC's and clang's __atomic functions are needed, 64-bit ones are not.
 *
 * Functions that give `int` give a negative error (fm_text says it in words) or what their comment says. Times are ns of
 * CLOCK_MONOTONIC; time-outs are ms, negative: without limit.
 */
#ifndef FRAMEMILL_H
#define FRAMEMILL_H

#if defined(FRAMEMILL_IMPLEMENTATION) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include <stddef.h>
#include <stdint.h>

/* `static` makes it private to one file. */
#ifndef FM_API
#define FM_API extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Errors ---- */

enum {
	FM_E_NO_ENGINE = -1,  /* nobody listens there, or connect(2) failed: errno */
	FM_E_GONE = -2,       /* the engine closed the connection */
	FM_E_PROTOCOL = -3,   /* what the engine sent makes no sense: another version, or no engine */
	FM_E_UNTRUSTED = -4,  /* a user listens there who is neither root nor this one nor fm_engine.uid */
	FM_E_LATE = -5,       /* the engine does not answer */
	FM_E_SYSTEM = -6,     /* a system call failed on this side: errno */
	FM_E_ARGUMENT = -7,   /* a wrong argument of this call */
	FM_E_TIMEOUT = -8,    /* the time is up */
	FM_E_NOT_DONE = -9,   /* the engine did not make the change: fm_outcome says why */
	FM_E_REFUSED = -100   /* FM_E_REFUSED - N: the engine refused or disconnected this client for reason N */
};

/* Reasons, the N above: a code is FM_E_REFUSED - FM_REOPENED, for example. */
enum {
	FM_PRODUCER_PRESENT = 1, FM_ENDING = 2, FM_TOO_MANY_CLIENTS = 3, FM_BAD_MESSAGE = 4, FM_BAD_FRAME_RING = 5, FM_RESOURCES = 6,
	FM_BUSY = 7, FM_FIXED = 8, FM_NOT_ENCODED = 9, FM_REOPENED = 10, FM_NOT_ALLOWED = 11, FM_CAMERA_FEEDS = 12, FM_COSTLY = 13,
	FM_ODD_SIZE = 14, FM_FORMAT = 15
};

/* An error in words, never NULL. */
FM_API const char *fm_text(int code);

/* ---- Where the engine is ---- */

struct fm_engine {
	const char *socket; /* path, or @NAME; NULL: /run/framemill.sock */
	uint32_t uid;       /* a user that the engine may run as, besides root and this process's */
};

/* In place of one of these, NULL is an engine at the usual path. */

/* ---- Packets ---- */

enum { FM_START_KEY = 0, FM_START_OLDEST = 1, FM_START_LIVE = 2 };
enum { FM_KEY = 1, FM_CONFIG = 2, FM_CORRUPT = 4, FM_DISCONTINUITY = 8, FM_END = 16 };
enum { FM_EMPTY = 0, FM_PACKET = 1, FM_LAPPED = 2, FM_TOO_SMALL = 3 };

struct fm_packet {
	uint64_t sequence;  /* number of the packet, from 0 */
	uint64_t timestamp; /* the producer's, ns by convention */
	uint64_t committed, queued, dequeued, published; /* CLOCK_MONOTONIC ns */
	uint32_t length;    /* bytes */
	uint32_t flags;     /* FM_KEY | … */
	uint32_t generation; /* of the encoder, its low 16 bits */
};

/* The stream, of one moment. Formats are V4L2 fourccs. */
struct fm_stream {
	uint32_t codec, format, width, height, coded_width, coded_height, rate_numerator, rate_denominator;
	uint32_t memory, frame_slots, multiplanar, generation, colorspace, transfer, matrix, range;
	char device[65], driver[17], card[33];
};

enum { FM_COUNTERS = 62 };

/* The engine, as it is now. */
struct fm_stat {
	uint64_t heartbeat, created; /* CLOCK_MONOTONIC ns */
	uint32_t pid, state, generation, consumers, producers, no_signal;
	uint64_t packets;            /* published so far, the end mark among them */
	uint64_t counters[FM_COUNTERS];
	struct fm_stream stream;
};

FM_API const char *fm_counter_name(unsigned int number); /* "" for none */
FM_API const char *fm_state_name(uint32_t state);

/* A mapped packet ring. Private. */
struct fm_ring {
	const unsigned char *map;
	size_t mapped;
	uint64_t data_offset, data_bytes;
	uint32_t header_bytes, descriptors, descriptor_bytes, codec_header_bytes, counter_words;
};

/* A consumer. Private but for reading `lost`. */
struct fm_consumer {
	int socket, wake;
	struct fm_ring ring;
	uint64_t next;
	uint64_t lost; /* packets that the latest FM_LAPPED is about */
	uint64_t key_requested;
	int until_key, started, again, headers_due;
};

/* Joins as a consumer. 0 or an error; after an error there is nothing to close. Requests a key frame if it needs one and there is none. */
FM_API int fm_consume_open(struct fm_consumer *consumer, const struct fm_engine *engine, int start);
/* Bytes of the largest packet that there can be. */
FM_API size_t fm_consume_largest(const struct fm_consumer *consumer);
/* The next packet, copied. Never waits. FM_PACKET; FM_EMPTY; FM_LAPPED: `lost` packets are missed, go on; FM_TOO_SMALL: it has
 * packet->length bytes, nothing was taken: call again with more, or skip it. */
FM_API int fm_consume_next(struct fm_consumer *consumer, void *target, size_t capacity, struct fm_packet *packet);
FM_API void fm_consume_skip(struct fm_consumer *consumer);
/* The codec headers that have to be written before this packet, just taken, for a decoder or a file: their bytes, 0 for none. 1024 bytes
 * have room for all. Call it for every packet, in order. */
FM_API size_t fm_consume_headers(struct fm_consumer *consumer, const struct fm_packet *packet, void *target, size_t capacity);
/* 1: there may be packets; 0: the time is up; FM_E_GONE and others: what is in the ring can still be read. */
FM_API int fm_consume_wait(struct fm_consumer *consumer, int timeout_ms);
/* To poll for POLLIN; then call fm_consume_wait with 0, and fm_consume_next until it is FM_EMPTY. */
FM_API int fm_consume_fd(const struct fm_consumer *consumer);
FM_API int fm_consume_request_key(struct fm_consumer *consumer);
/* 0 or FM_E_PROTOCOL: the words were being written, by an engine that was killed. */
FM_API int fm_consume_stat(const struct fm_consumer *consumer, struct fm_stat *stat);
FM_API void fm_consume_close(struct fm_consumer *consumer);

/* ---- Frames ---- */

enum { FM_SLOTS_MAX = 32, FM_PLANES_MAX = 3 };
enum { FM_EXPORTED = 1, FM_COPIED = 2, FM_IMPORTED = 3 };

/* What frames a producer brings. Zero: as the engine has it. */
struct fm_format {
	uint32_t format;        /* V4L2 fourcc */
	uint32_t width, height; /* pixels */
	uint32_t rate_numerator, rate_denominator; /* frames per second */
	uint32_t copied;        /* 1: slots that the engine copies from */
	uint32_t colour;        /* a byte each: colorspace (lowest), transfer function, matrix, quantization */
};

#define FM_FOURCC(a, b, c, d) \
	((uint32_t)(unsigned char)(a) | (uint32_t)(unsigned char)(b) << 8 | (uint32_t)(unsigned char)(c) << 16 | \
	 (uint32_t)(unsigned char)(d) << 24)

/* A colour plane of a slot. */
struct fm_plane {
	unsigned char *data;  /* its first row; NULL: own memory that cannot be mapped */
	uint32_t bytesperline, row_bytes, rows, allocated_rows;
	uint32_t memory_plane, offset;
};

/* A producer. Private but for reading `format` (what the engine takes), `slots`, `memory`, `planes`, `memory_planes`, `memory_bytes`,
 * `committed`. */
struct fm_producer {
	int socket, filled, free_slots;
	unsigned char *map;
	size_t mapped;
	struct fm_format format;
	uint32_t slots, memory, planes, memory_planes;
	uint32_t memory_bytes[FM_PLANES_MAX];
	struct fm_plane geometry[FM_PLANES_MAX];
	uint32_t filled_offset, free_offset, queue_entries, queue_entry_bytes;
	uint32_t pushed, popped, in_hand, held;
	uint64_t committed;
	int finishing;
	int fds[FM_SLOTS_MAX * FM_PLANES_MAX];
	unsigned char *slot_maps[FM_SLOTS_MAX * FM_PLANES_MAX];
};

/* Attaches as the producer; `request` may be NULL. 0 or an error; after an error there is nothing to close. */
FM_API int fm_produce_open(struct fm_producer *producer, const struct fm_engine *engine, const struct fm_format *request);
/* Before the first acquire: offers dma-bufs as slots, `slots × memory_planes` of them, slot after slot, with these bytes from row to row
 * (per memory plane, of its first colour plane) and offsets of the colour planes; NULL: as `geometry` has them. They stay the
 * caller's to close. 1: imported, slot n is the n-th; 0: not taken, the producer has other slots; after an error it is closed. */
FM_API int fm_produce_import(struct fm_producer *producer, uint32_t slots, const int *fds, const uint32_t *bytesperline,
	const uint32_t *offset);
/* A slot to draw into, from 0; FM_E_TIMEOUT, and other errors. */
FM_API int fm_produce_acquire(struct fm_producer *producer, int timeout_ms);
/* Where colour plane `plane` of an acquired slot lies: rows of row_bytes each, bytesperline apart. 0 or FM_E_ARGUMENT. */
FM_API int fm_produce_plane(const struct fm_producer *producer, int slot, uint32_t plane, struct fm_plane *out);
/* Hands the frame to the engine; the slot must not be drawn into any more. 0 or an error. */
FM_API int fm_produce_commit(struct fm_producer *producer, int slot, uint64_t timestamp);
/* Keeps an acquired slot for another acquire. */
FM_API int fm_produce_release(struct fm_producer *producer, int slot);
/* No more frames come. 1: each is published or dropped; 0: the time is up, call again; or an error. */
FM_API int fm_produce_finish(struct fm_producer *producer, int timeout_ms);
/* Frames that became a packet, and that were dropped, so far. */
FM_API void fm_produce_accounts(const struct fm_producer *producer, uint64_t *published, uint64_t *dropped);
/* To poll for POLLIN; then call fm_produce_acquire with 0. */
FM_API int fm_produce_fd(const struct fm_producer *producer);
FM_API void fm_produce_close(struct fm_producer *producer);

/* ---- Control ---- */

enum {
	FM_DONE = 1, FM_ABSENT = 2, FM_KERNEL_REFUSED = 3, FM_DEVICE_REFUSED = 4, FM_DONE_ITEM = 5, FM_NO_CONTROL = 6, FM_NO_ITEM = 7,
	FM_ABOVE_LEVEL = 8, FM_KEEPS = 9
};

/* What came of a change. */
struct fm_outcome {
	uint32_t outcome;    /* FM_DONE … */
	uint32_t error;      /* the driver's errno; FM_ABOVE_LEVEL: the level */
	int64_t value;       /* what the driver made of it, or keeps; FM_ABOVE_LEVEL: the highest bitrate */
	int64_t minimum, maximum; /* what the driver takes */
	uint64_t step;
	uint32_t needed;     /* FM_ABOVE_LEVEL: the lowest level that would do, + 1; 0: none */
	char name[33];       /* the item; the nearest name */
};

/* Each gives 0, FM_E_NOT_DONE (look at the outcome) or an error. `outcome` may be NULL. */
FM_API int fm_key(const struct fm_engine *engine, struct fm_outcome *outcome);
FM_API int fm_bitrate(const struct fm_engine *engine, uint32_t bits_per_second, struct fm_outcome *outcome);
FM_API int fm_gop(const struct fm_engine *engine, uint32_t frames, struct fm_outcome *outcome);
FM_API int fm_control(const struct fm_engine *engine, const char *name, int64_t value, struct fm_outcome *outcome);
FM_API int fm_control_id(const struct fm_engine *engine, uint32_t id, int64_t value, struct fm_outcome *outcome);
FM_API int fm_control_item(const struct fm_engine *engine, const char *name, const char *item, struct fm_outcome *outcome);
FM_API int fm_drain(const struct fm_engine *engine, struct fm_outcome *outcome);
/* Looks at the engine as an observer. 0 or an error. */
FM_API int fm_stat(const struct fm_engine *engine, struct fm_stat *stat);

#ifdef __cplusplus
}
#endif
#endif /* FRAMEMILL_H */

#if defined(FRAMEMILL_IMPLEMENTATION) && !defined(FRAMEMILL_IMPLEMENTED)
#define FRAMEMILL_IMPLEMENTED

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The protocol's numbers: tests/c_client.rs compares them with the program's own ---- */

/* Words of a message, and its kinds. */
enum { FM_I_KIND = 2, FM_I_OWN = 4, FM_I_WORDS = 16, FM_I_VERSION = 1, FM_I_FDS = 3 + FM_SLOTS_MAX * FM_PLANES_MAX };
#define FM_I_MESSAGE_MAGIC UINT32_C(0x74634d46)
enum {
	FM_I_PRODUCE = 1, FM_I_CONSUME = 2, FM_I_OBSERVE = 3, FM_I_FINISH = 4, FM_I_CHANGE = 5, FM_I_IMPORT = 6,
	FM_I_FRAMES = 16, FM_I_PACKETS = 17, FM_I_REFUSED = 18, FM_I_CHANGED = 19
};

/* The packet ring. */
#define FM_I_PACKET_MAGIC UINT64_C(0x74656b6361704d46)
#define FM_I_PACKET_RING_MAX UINT64_C(0x10000000)
enum {
	FM_I_P_VERSION = 8, FM_I_P_HEADER_BYTES = 12, FM_I_P_DESCRIPTORS = 24, FM_I_P_DESCRIPTOR_BYTES = 28, FM_I_P_DATA_OFFSET = 32,
	FM_I_P_DATA_BYTES = 40, FM_I_P_CODEC_HEADER_BYTES = 48, FM_I_P_COUNTER_WORDS = 52,
	FM_I_P_HEAD = 64, FM_I_P_TAIL = 72, FM_I_P_NEWEST_KEY = 80,
	FM_I_P_HEARTBEAT = 128, FM_I_P_CREATED = 136, FM_I_P_PID = 144, FM_I_P_GENERATION = 152,
	FM_I_P_STREAM = 192, FM_I_P_STREAM_VERSION = 236, FM_I_P_DEVICE = 240, FM_I_P_DRIVER = 304, FM_I_P_CARD = 320,
	FM_I_P_STREAM_GENERATION = 352, FM_I_P_COLORSPACE = 360,
	FM_I_P_CODEC_VERSION = 384, FM_I_P_CODEC_LENGTH = 388, FM_I_P_CODEC_BYTES = 392, FM_I_P_COUNTERS = 448
};

/* A descriptor. */
enum { FM_I_D_SEQUENCE = 0, FM_I_D_POSITION = 8, FM_I_D_LENGTH = 16, FM_I_D_FLAGS = 20, FM_I_D_TIMESTAMP = 24, FM_I_D_BYTES = 64 };

/* The frame ring, and an entry of its queues. */
#define FM_I_FRAME_MAGIC UINT64_C(0x73656d6172664d46)
enum {
	FM_I_F_VERSION = 8, FM_I_F_TOTAL_BYTES = 12, FM_I_F_FORMAT = 16, FM_I_F_SLOTS = 36, FM_I_F_PLANES = 40, FM_I_F_MEMORY_PLANES = 44,
	FM_I_F_MEMORY_BYTES = 56, FM_I_F_GEOMETRY = 72, FM_I_F_GEOMETRY_BYTES = 24,
	FM_I_F_ACCOUNTED = 144, FM_I_F_PUBLISHED = 152, FM_I_F_DROPPED = 160, FM_I_F_FILLED_OFFSET = 168, FM_I_F_FREE_OFFSET = 172,
	FM_I_F_QUEUE_ENTRIES = 176, FM_I_F_ENTRY_BYTES = 180, FM_I_F_PLANES_MAX = 184, FM_I_F_COPY_ALIGNMENT = 188, FM_I_F_FILLED = 192
};
enum { FM_I_Q_HEAD = 0, FM_I_Q_TAIL = 4, FM_I_Q_ENTRIES = 8, FM_I_E_SLOT = 0, FM_I_E_TIMESTAMP = 8, FM_I_E_TIME = 16, FM_I_E_BYTES = 24 };

/* Time that an answer may take, ms; bytes of a memory plane that a slot may have. */
enum { FM_I_ANSWER_MS = 5000, FM_I_RETRY_MS = 20, FM_I_KEY_PAUSE_MS = 500, FM_I_TRIES = 1000, FM_I_PLANE_BYTES_MAX = 536870912 };

/* linux/dma-buf.h: DMA_BUF_IOCTL_SYNC, START | WRITE, END | WRITE; linux/fcntl.h, which glibc hides from some standards. */
#define FM_I_DMA_BUF_SYNC 0x40086200ul
enum { FM_I_SYNC_START = 2, FM_I_SYNC_END = 6, FM_I_GET_SEALS = 1034, FM_I_SEAL_SHRINK = 2 };

/* ---- Words ---- */

static inline uint32_t fm_i_load32(const unsigned char *at)
{
	return __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_RELAXED);
}

static inline void fm_i_store32(unsigned char *at, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)at, value, __ATOMIC_RELAXED);
}

static inline void fm_i_fence(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/* Where the processor has no load of 64 bits for memory that is mapped read-only (arm), two halves: words that only grow are right if
 * the upper one is the same before and after; for the others their protocol finds out. */
static inline uint64_t fm_i_load64(const unsigned char *at)
{
#if UINTPTR_MAX > 0xffffffff
	return __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_RELAXED);
#else
	uint32_t high = fm_i_load32(at + 4), low, again;
	int tries;

	for (tries = 0;; tries++) {
		fm_i_fence();
		low = fm_i_load32(at);
		fm_i_fence();
		again = fm_i_load32(at + 4);
		if (again == high || tries == FM_I_TRIES)
			return (uint64_t)high << 32 | low;
		high = again;
	}
#endif
}

/* Only in entries, which are published by another word. */
static inline void fm_i_store64(unsigned char *at, uint64_t value)
{
	fm_i_store32(at, (uint32_t)value);
	fm_i_store32(at + 4, (uint32_t)(value >> 32));
}

static uint64_t fm_i_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* The time at which a time-out ends; UINT64_MAX: never. */
static uint64_t fm_i_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : fm_i_now() + (uint64_t)timeout_ms * 1000000u;
}

/* What is left until then for poll(2), ms, rounded up. */
static int fm_i_left(uint64_t deadline)
{
	uint64_t now, left;

	if (deadline == UINT64_MAX)
		return -1;
	now = fm_i_now();
	left = deadline > now ? (deadline - now + 999999u) / 1000000u : 0;
	return left > 0x7fffffff ? 0x7fffffff : (int)left;
}

static int fm_i_system(void)
{
	return FM_E_SYSTEM;
}

static void fm_i_close(int *fd)
{
	int error = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
}

static void fm_i_close_all(int *fds, int count)
{
	while (count > 0)
		fm_i_close(&fds[--count]);
}

/* ---- Messages ---- */

static void fm_i_begin(uint32_t *words, uint32_t kind)
{
	memset(words, 0, FM_I_WORDS * sizeof(*words));
	words[0] = FM_I_MESSAGE_MAGIC;
	words[1] = FM_I_VERSION;
	words[FM_I_KIND] = kind;
}

/* 0, FM_E_GONE, FM_E_SYSTEM (EAGAIN: the engine does not read). */
static int fm_i_send(int socket, uint32_t *words, const int *fds, int count)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int) * FM_I_FDS)];
	} control;
	struct iovec part;
	struct msghdr message;
	struct cmsghdr *rights;

	memset(&message, 0, sizeof(message));
	part.iov_base = words;
	part.iov_len = FM_I_WORDS * sizeof(*words);
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	if (count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * (size_t)count);
	}
	if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return 0;
	return errno == EPIPE || errno == ECONNRESET ? FM_E_GONE : fm_i_system();
}

/* Descriptors that belong to a message; -1: it is none that an engine sends. Unused words are checked, too. */
static int fm_i_expected_fds(const uint32_t *words)
{
	uint32_t used, word;
	int fds = 0;

	if (words[0] != FM_I_MESSAGE_MAGIC || words[1] != FM_I_VERSION || words[3] != 0)
		return -1;
	switch (words[FM_I_KIND]) {
	case FM_I_FRAMES:
		if (words[4] < 1 || words[4] > FM_SLOTS_MAX || words[5] < 1 || words[5] > FM_PLANES_MAX || words[6] < FM_EXPORTED ||
		    words[6] > FM_IMPORTED)
			return -1;
		used = 3;
		fds = 3 + (words[6] == FM_EXPORTED ? (int)(words[4] * words[5]) : words[6] == FM_COPIED);
		break;
	case FM_I_PACKETS:
		if (words[4] > 1)
			return -1;
		used = 1;
		fds = 1 + (int)words[4];
		break;
	case FM_I_REFUSED:
		if (words[4] < 1 || words[4] > 0xffff)
			return -1;
		used = 1;
		break;
	case FM_I_CHANGED:
		return 0;
	default:
		return -1;
	}
	for (word = FM_I_OWN + used; word < FM_I_WORDS; word++)
		if (words[word] != 0)
			return -1;
	return fds;
}

/* 1: a message, with `*count` descriptors in `fds` (FM_I_FDS); 0: nothing there; else an error: a refusal is one. */
static int fm_i_receive(int socket, uint32_t *words, int *fds, int *count)
{
	union {
		struct cmsghdr align;
		unsigned char bytes[CMSG_SPACE(sizeof(int) * FM_I_FDS)];
	} control;
	unsigned char bytes[FM_I_WORDS * 4 + 1];
	struct iovec part;
	struct msghdr message;
	struct cmsghdr *rights;
	ssize_t length;
	int tries, surplus = 0;

	*count = 0;
	part.iov_base = bytes;
	part.iov_len = sizeof(bytes);
	/* An engine that closed before it had read everything: that is reported once, and before what it had sent. */
	for (tries = 0; tries < 2; tries++) {
		memset(&message, 0, sizeof(message));
		message.msg_iov = &part;
		message.msg_iovlen = 1;
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (length >= 0 || errno != ECONNRESET)
			break;
	}
	if (length < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return 0;
		return errno == ECONNRESET || errno == EPIPE ? FM_E_GONE : fm_i_system();
	}
	for (rights = CMSG_FIRSTHDR(&message); rights; rights = CMSG_NXTHDR(&message, rights)) {
		size_t bytes_of_fds, at;

		if (rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len < CMSG_LEN(0))
			continue;
		bytes_of_fds = rights->cmsg_len - CMSG_LEN(0);
		for (at = 0; at + sizeof(int) <= bytes_of_fds; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(rights) + at, sizeof(fd));
			if (*count < FM_I_FDS) {
				fds[(*count)++] = fd;
			} else {
				surplus = 1;
				fm_i_close(&fd);
			}
		}
	}
	if (length == (ssize_t)(FM_I_WORDS * sizeof(*words)))
		memcpy(words, bytes, FM_I_WORDS * sizeof(*words));
	if (length != (ssize_t)(FM_I_WORDS * sizeof(*words)) || surplus || (message.msg_flags & MSG_CTRUNC) ||
	    fm_i_expected_fds(words) != *count) {
		fm_i_close_all(fds, *count);
		*count = 0;
		return length == 0 ? FM_E_GONE : FM_E_PROTOCOL;
	}
	if (words[FM_I_KIND] == FM_I_REFUSED)
		return FM_E_REFUSED - (int)words[FM_I_OWN];
	return 1;
}

/* Sends a request and waits for its answer, which has to be of this kind. 0 or an error; after 0 there are `*count` descriptors. */
static int fm_i_exchange(int socket, uint64_t deadline, uint32_t *words, const int *offered, int offers, uint32_t kind, int *fds,
	int *count)
{
	/* An engine that is just ending may have closed already; its reason, if any, is still to be read. */
	int sent = fm_i_send(socket, words, offered, offers);

	*count = 0;
	for (;;) {
		struct pollfd set;
		int ready, received, left = fm_i_left(deadline);

		set.fd = socket;
		set.events = POLLIN;
		ready = poll(&set, 1, left);
		if (ready < 0 && errno != EINTR)
			return fm_i_system();
		received = fm_i_receive(socket, words, fds, count);
		if (received < 0)
			return received;
		if (received == 0) {
			if (sent < 0)
				return sent;
			if (left == 0)
				return FM_E_LATE;
			continue;
		}
		if (words[FM_I_KIND] == kind)
			return 0;
		fm_i_close_all(fds, *count);
		*count = 0;
		return FM_E_PROTOCOL;
	}
}

/* A connection to a process whose user is trusted; or an error. */
static int fm_i_connect(const struct fm_engine *engine, uint64_t deadline)
{
	const char *name = engine && engine->socket ? engine->socket : "/run/framemill.sock";
	struct sockaddr_un address;
	struct {
		uint32_t pid, uid, gid;
	} peer;
	socklen_t bytes = sizeof(peer);
	size_t length = strlen(name);
	int fd;

	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	if (length < 1 || length + (name[0] != '@') > sizeof(address.sun_path))
		return FM_E_ARGUMENT;
	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = 0;
	else
		length++;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fm_i_system();
	while (connect(fd, (const struct sockaddr *)(const void *)&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length))) {
		int error = errno;

		/* As many wait as may: an engine that is stuck lets none of them in. */
		if (error == EAGAIN && fm_i_left(deadline) > 0) {
			(void)poll(NULL, 0, FM_I_RETRY_MS);
			continue;
		}
		fm_i_close(&fd);
		errno = error;
		return error == EAGAIN ? FM_E_LATE : FM_E_NO_ENGINE;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) || bytes != sizeof(peer)) {
		fm_i_close(&fd);
		return FM_E_NO_ENGINE;
	}
	if (peer.uid != 0 && peer.uid != (uint32_t)geteuid() && (!engine || engine->uid == 0 || peer.uid != engine->uid)) {
		fm_i_close(&fd);
		return FM_E_UNTRUSTED;
	}
	return fd;
}

/* Connects and asks. The connection, or an error. */
static int fm_i_ask(const struct fm_engine *engine, uint32_t *words, uint32_t kind, int *fds, int *count)
{
	uint64_t deadline = fm_i_deadline(FM_I_ANSWER_MS);
	int fd = fm_i_connect(engine, deadline), result;

	if (fd < 0)
		return fd;
	result = fm_i_exchange(fd, deadline, words, NULL, 0, kind, fds, count);
	if (result < 0) {
		fm_i_close(&fd);
		return result;
	}
	return fd;
}

/* ---- Waiting ---- */

/* One end of a pair of stream sockets, and nothing else: something else could be readable for ever. */
static int fm_i_is_wake(int fd)
{
	int domain = 0, type = 0;
	socklen_t bytes = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes))
		return 0;
	bytes = sizeof(type);
	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) && domain == AF_UNIX && type == SOCK_STREAM;
}

/* Hears why the connection ends. 0: it does not. */
static int fm_i_listen(int socket)
{
	uint32_t words[FM_I_WORDS];
	int fds[FM_I_FDS], count, received = fm_i_receive(socket, words, fds, &count);

	if (received <= 0)
		return received;
	fm_i_close_all(fds, count);
	return FM_E_PROTOCOL;
}

/* 1: woken; 0: the time is up; or why the connection ended. */
static int fm_i_wait(int wake, int socket, int timeout_ms)
{
	struct pollfd set[2];
	unsigned char bytes[64];
	ssize_t length;
	int ready, heard;

	set[0].fd = wake;
	set[1].fd = socket;
	set[0].events = set[1].events = POLLIN;
	set[0].revents = set[1].revents = 0;
	ready = poll(set, 2, timeout_ms);
	if (ready < 0)
		return errno == EINTR ? 1 : fm_i_system();
	if (ready == 0)
		return 0;
	/* The connection first: a wake socket that never falls silent must not hide the end. */
	if (set[1].revents && (heard = fm_i_listen(socket)) < 0)
		return heard;
	if (!set[0].revents)
		return 1;
	length = recv(wake, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (length > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR)))
		return 1;
	if (length < 0 && errno != ECONNRESET && errno != EPIPE)
		return FM_E_PROTOCOL;
	heard = fm_i_listen(socket);
	return heard < 0 ? heard : FM_E_GONE;
}

/* ---- Mappings ---- */

/* The size of a memfd that cannot shrink and whose memory exists; 0 for another. */
static uint64_t fm_i_allocated(int fd)
{
	struct stat stat;
	int seals = fcntl(fd, FM_I_GET_SEALS);

	if (seals < 0 || !(seals & FM_I_SEAL_SHRINK) || fstat(fd, &stat) || stat.st_size < 0 || stat.st_blocks < 0 ||
	    (uint64_t)stat.st_blocks * 512u < (uint64_t)stat.st_size)
		return 0;
	return (uint64_t)stat.st_size;
}

/* NULL where it cannot be. */
static unsigned char *fm_i_map(int fd, uint64_t offset, uint64_t bytes, int writable)
{
	void *map;

	if (bytes == 0 || bytes > SIZE_MAX / 2 || (off_t)offset < 0 || (uint64_t)(off_t)offset != offset) {
		errno = ENOMEM;
		return NULL;
	}
	map = mmap(NULL, (size_t)bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, (off_t)offset);
	return map == MAP_FAILED ? NULL : (unsigned char *)map;
}

static int fm_i_power_of_two(uint64_t number)
{
	return number && !(number & (number - 1));
}

/* Maps a packet ring, without its bytes for those who read none. Each word of the header is loaded once, and is what counts then. */
static int fm_i_ring_open(struct fm_ring *ring, int fd, int whole)
{
	enum { FIRST = 4096 };
	uint64_t size = fm_i_allocated(fd);
	unsigned char *map;
	int right;

	memset(ring, 0, sizeof(*ring));
	if (size < FIRST)
		return FM_E_PROTOCOL;
	map = fm_i_map(fd, 0, FIRST, 0);
	if (!map)
		return fm_i_system();
	right = fm_i_load64(map) == FM_I_PACKET_MAGIC;
	fm_i_fence();
	right = right && fm_i_load32(map + FM_I_P_VERSION) == FM_I_VERSION;
	ring->header_bytes = fm_i_load32(map + FM_I_P_HEADER_BYTES);
	ring->descriptors = fm_i_load32(map + FM_I_P_DESCRIPTORS);
	ring->descriptor_bytes = fm_i_load32(map + FM_I_P_DESCRIPTOR_BYTES);
	ring->data_offset = fm_i_load64(map + FM_I_P_DATA_OFFSET);
	ring->data_bytes = fm_i_load64(map + FM_I_P_DATA_BYTES);
	ring->codec_header_bytes = fm_i_load32(map + FM_I_P_CODEC_HEADER_BYTES);
	ring->counter_words = fm_i_load32(map + FM_I_P_COUNTER_WORDS);
	munmap(map, FIRST);
	right = right && ring->data_offset <= size && ring->data_bytes <= FM_I_PACKET_RING_MAX &&
		ring->data_bytes <= size - ring->data_offset && fm_i_power_of_two(ring->data_bytes) &&
		fm_i_power_of_two(ring->descriptors) && ring->descriptor_bytes >= FM_I_D_BYTES && ring->descriptor_bytes % 8 == 0 &&
		ring->header_bytes % 8 == 0 && ring->codec_header_bytes % 64 == 0 && ring->counter_words >= FM_COUNTERS &&
		(uint64_t)ring->header_bytes + (uint64_t)ring->descriptors * ring->descriptor_bytes <= ring->data_offset &&
		(uint64_t)FM_I_P_COUNTERS + ring->codec_header_bytes + 8 * (uint64_t)ring->counter_words <= ring->header_bytes;
	if (!right)
		return FM_E_PROTOCOL;
	ring->mapped = (size_t)(ring->data_offset + (whole ? ring->data_bytes : 0));
	ring->map = fm_i_map(fd, 0, ring->mapped, 0);
	return ring->map ? 0 : fm_i_system();
}

static void fm_i_ring_close(struct fm_ring *ring)
{
	if (ring->map)
		munmap((void *)(uintptr_t)ring->map, ring->mapped);
	ring->map = NULL;
}

/* ---- The packet ring ---- */

/* Whether everything that was loaded of packet `sequence` before is as the writer wrote it. */
static int fm_i_whole(const struct fm_ring *ring, uint64_t sequence)
{
	fm_i_fence(); /* pairs with the writer's Release fence between `tail` and what it overwrites */
	return fm_i_load64(ring->map + FM_I_P_TAIL) <= sequence;
}

static uint64_t fm_i_head(const struct fm_ring *ring)
{
	uint64_t head = fm_i_load64(ring->map + FM_I_P_HEAD);

	fm_i_fence(); /* pairs with the writer's Release store of `head` */
	return head;
}

/* The newest key packet, if it is whole; else UINT64_MAX. */
static uint64_t fm_i_newest_key(const struct fm_ring *ring)
{
	uint64_t key = fm_i_load64(ring->map + FM_I_P_NEWEST_KEY);

	return key > 0 && fm_i_whole(ring, key - 1) ? key - 1 : UINT64_MAX;
}

static int fm_i_lacks_key(const struct fm_ring *ring)
{
	return fm_i_head(ring) > 0 && fm_i_newest_key(ring) == UINT64_MAX;
}

/* Requests a key frame if the reader waits for one that is not there; not too often. */
static void fm_i_mend(struct fm_consumer *consumer)
{
	uint64_t now;

	if (!consumer->until_key || !fm_i_lacks_key(&consumer->ring))
		return;
	now = fm_i_now();
	if (consumer->key_requested && now - consumer->key_requested < FM_I_KEY_PAUSE_MS * UINT64_C(1000000))
		return;
	consumer->key_requested = now;
	/* If the engine is gone, the next wait says so. */
	(void)fm_consume_request_key(consumer);
}

static int fm_i_lapped(struct fm_consumer *consumer, uint64_t head)
{
	uint64_t key = fm_i_newest_key(&consumer->ring), from = consumer->next;

	if (key != UINT64_MAX && key > from) {
		consumer->next = key;
	} else {
		consumer->next = head;
		consumer->until_key = 1;
	}
	consumer->started = consumer->headers_due = 1;
	consumer->lost = consumer->next - from;
	return FM_LAPPED;
}

FM_API int fm_consume_open(struct fm_consumer *consumer, const struct fm_engine *engine, int start)
{
	uint32_t words[FM_I_WORDS];
	int fds[FM_I_FDS], count, result;
	uint64_t head, key;

	memset(consumer, 0, sizeof(*consumer));
	consumer->socket = consumer->wake = -1;
	if (start < FM_START_KEY || start > FM_START_LIVE)
		return FM_E_ARGUMENT;
	fm_i_begin(words, FM_I_CONSUME);
	words[FM_I_OWN] = 1;
	result = fm_i_ask(engine, words, FM_I_PACKETS, fds, &count);
	if (result < 0)
		return result;
	consumer->socket = result;
	if (words[FM_I_OWN] != 1 || !fm_i_is_wake(fds[1])) {
		fm_i_close_all(fds, count);
		fm_consume_close(consumer);
		return FM_E_PROTOCOL;
	}
	consumer->wake = fds[1];
	result = fm_i_ring_open(&consumer->ring, fds[0], 1);
	fm_i_close(&fds[0]);
	if (result < 0) {
		fm_consume_close(consumer);
		return result;
	}
	consumer->headers_due = 1;
	head = fm_i_head(&consumer->ring);
	key = fm_i_newest_key(&consumer->ring);
	if (start == FM_START_OLDEST)
		consumer->next = fm_i_load64(consumer->ring.map + FM_I_P_TAIL);
	else if (start == FM_START_LIVE || key == UINT64_MAX)
		consumer->next = head;
	else
		consumer->next = key;
	consumer->until_key = start == FM_START_KEY && key == UINT64_MAX;
	if (start != FM_START_LIVE && fm_i_lacks_key(&consumer->ring)) {
		consumer->key_requested = fm_i_now();
		(void)fm_consume_request_key(consumer);
	}
	return 0;
}

FM_API size_t fm_consume_largest(const struct fm_consumer *consumer)
{
	return (size_t)consumer->ring.data_bytes;
}

static void fm_i_load_packet(const struct fm_ring *ring, uint64_t sequence, struct fm_packet *packet, uint64_t *position)
{
	const unsigned char *at = ring->map + ring->header_bytes + (size_t)(sequence % ring->descriptors) * ring->descriptor_bytes;
	uint32_t flags = fm_i_load32(at + FM_I_D_FLAGS);

	packet->sequence = fm_i_load64(at + FM_I_D_SEQUENCE);
	*position = fm_i_load64(at + FM_I_D_POSITION);
	packet->length = fm_i_load32(at + FM_I_D_LENGTH);
	packet->flags = flags & 0xffff;
	packet->generation = flags >> 16;
	packet->timestamp = fm_i_load64(at + FM_I_D_TIMESTAMP);
	packet->committed = fm_i_load64(at + FM_I_D_TIMESTAMP + 8);
	packet->queued = fm_i_load64(at + FM_I_D_TIMESTAMP + 16);
	packet->dequeued = fm_i_load64(at + FM_I_D_TIMESTAMP + 24);
	packet->published = fm_i_load64(at + FM_I_D_TIMESTAMP + 32);
}

static int fm_i_next(struct fm_consumer *consumer, void *target, size_t capacity, struct fm_packet *packet)
{
	const struct fm_ring *ring = &consumer->ring;
	uint64_t position, at, first;
	uint32_t round;

	/* Not more rounds than there are descriptors, whatever the engine writes meanwhile. */
	for (round = 0; round < ring->descriptors; round++) {
		uint64_t head = fm_i_head(ring);
		int passed_over, sane;

		if (consumer->next >= head)
			return FM_EMPTY;
		fm_i_load_packet(ring, consumer->next, packet, &position);
		passed_over = consumer->until_key && !(packet->flags & (FM_KEY | FM_END));
		sane = packet->length <= ring->data_bytes;
		if (!passed_over && sane && packet->length <= capacity && packet->length > 0) {
			at = position & (ring->data_bytes - 1);
			first = ring->data_bytes - at < packet->length ? ring->data_bytes - at : packet->length;
			memcpy(target, ring->map + ring->data_offset + at, (size_t)first);
			memcpy((unsigned char *)target + first, ring->map + ring->data_offset, (size_t)(packet->length - first));
		}
		if (!fm_i_whole(ring, consumer->next) || packet->sequence != consumer->next)
			return fm_i_lapped(consumer, head);
		if (!passed_over && (!sane || packet->length > capacity))
			return FM_TOO_SMALL;
		consumer->next++;
		if (!passed_over) {
			consumer->until_key = 0;
			consumer->started = 1;
			return FM_PACKET;
		}
		if (consumer->started) {
			consumer->lost = 1;
			return FM_LAPPED;
		}
	}
	consumer->again = 1;
	return FM_EMPTY;
}

FM_API int fm_consume_next(struct fm_consumer *consumer, void *target, size_t capacity, struct fm_packet *packet)
{
	int result = fm_i_next(consumer, target, capacity, packet);

	fm_i_mend(consumer);
	return result;
}

FM_API void fm_consume_skip(struct fm_consumer *consumer)
{
	consumer->next++;
}

FM_API int fm_consume_wait(struct fm_consumer *consumer, int timeout_ms)
{
	int again = consumer->again, result;

	consumer->again = 0;
	result = fm_i_wait(consumer->wake, consumer->socket, again ? 0 : timeout_ms);
	return again && result == 0 ? 1 : result;
}

FM_API int fm_consume_fd(const struct fm_consumer *consumer)
{
	return consumer->wake;
}

static void fm_i_change_words(uint32_t *words, uint32_t what, uint32_t id, int64_t value, const char *name)
{
	size_t length = name ? strlen(name) : 0;

	fm_i_begin(words, FM_I_CHANGE);
	words[FM_I_OWN] = what;
	words[FM_I_OWN + 1] = id;
	words[FM_I_OWN + 2] = (uint32_t)(uint64_t)value;
	words[FM_I_OWN + 3] = (uint32_t)((uint64_t)value >> 32);
	if (length > 0)
		memcpy(&words[FM_I_OWN + 4], name, length > 31 ? 31 : length);
}

FM_API int fm_consume_request_key(struct fm_consumer *consumer)
{
	uint32_t words[FM_I_WORDS];
	int result;

	fm_i_change_words(words, 1, 0, 0, NULL);
	result = fm_i_send(consumer->socket, words, NULL, 0);
	/* So many wait to be heard that one more says nothing new. */
	return result == FM_E_SYSTEM && errno == EAGAIN ? 0 : result;
}

FM_API size_t fm_consume_headers(struct fm_consumer *consumer, const struct fm_packet *packet, void *target, size_t capacity)
{
	const unsigned char *map = consumer->ring.map;
	uint32_t before, length;
	int tries;

	if (!(packet->flags & FM_KEY) || !consumer->headers_due)
		return 0;
	if (packet->flags & FM_CONFIG) {
		consumer->headers_due = 0;
		return 0;
	}
	if ((fm_i_load32(map + FM_I_P_GENERATION) & 0xffff) != packet->generation)
		return 0;
	for (tries = 0; tries < FM_I_TRIES; tries++) {
		before = fm_i_load32(map + FM_I_P_CODEC_VERSION);
		fm_i_fence();
		length = fm_i_load32(map + FM_I_P_CODEC_LENGTH);
		if (length > consumer->ring.codec_header_bytes || length > capacity)
			length = 0;
		memcpy(target, map + FM_I_P_CODEC_BYTES, length);
		fm_i_fence();
		if (!(before & 1) && fm_i_load32(map + FM_I_P_CODEC_VERSION) == before) {
			consumer->headers_due = length == 0;
			return length;
		}
	}
	return 0;
}

FM_API void fm_consume_close(struct fm_consumer *consumer)
{
	fm_i_close(&consumer->socket);
	fm_i_close(&consumer->wake);
	fm_i_ring_close(&consumer->ring);
}

/* ---- The engine's state ---- */

static void fm_i_load_stream(const unsigned char *map, struct fm_stream *stream)
{
	const unsigned char *words = map + FM_I_P_STREAM;

	memset(stream, 0, sizeof(*stream));
	stream->codec = fm_i_load32(words);
	stream->format = fm_i_load32(words + 4);
	stream->width = fm_i_load32(words + 8);
	stream->height = fm_i_load32(words + 12);
	stream->coded_width = fm_i_load32(words + 16);
	stream->coded_height = fm_i_load32(words + 20);
	stream->rate_numerator = fm_i_load32(words + 24);
	stream->rate_denominator = fm_i_load32(words + 28);
	stream->memory = fm_i_load32(words + 32);
	stream->frame_slots = fm_i_load32(words + 36);
	stream->multiplanar = fm_i_load32(words + 40);
	memcpy(stream->device, map + FM_I_P_DEVICE, sizeof(stream->device) - 1);
	memcpy(stream->driver, map + FM_I_P_DRIVER, sizeof(stream->driver) - 1);
	memcpy(stream->card, map + FM_I_P_CARD, sizeof(stream->card) - 1);
	stream->generation = fm_i_load32(map + FM_I_P_STREAM_GENERATION);
	stream->colorspace = fm_i_load32(map + FM_I_P_COLORSPACE);
	stream->transfer = fm_i_load32(map + FM_I_P_COLORSPACE + 4);
	stream->matrix = fm_i_load32(map + FM_I_P_COLORSPACE + 8);
	stream->range = fm_i_load32(map + FM_I_P_COLORSPACE + 12);
}

static int fm_i_ring_stat(const struct fm_ring *ring, struct fm_stat *stat)
{
	const unsigned char *map = ring->map, *status = map + FM_I_P_PID;
	uint32_t before;
	unsigned int number;
	int tries;

	stat->heartbeat = fm_i_load64(map + FM_I_P_HEARTBEAT);
	stat->created = fm_i_load64(map + FM_I_P_CREATED);
	stat->pid = fm_i_load32(status);
	stat->state = fm_i_load32(status + 4);
	stat->generation = fm_i_load32(status + 8);
	stat->consumers = fm_i_load32(status + 12);
	stat->producers = fm_i_load32(status + 16);
	stat->no_signal = fm_i_load32(status + 20);
	stat->packets = fm_i_head(ring);
	for (number = 0; number < FM_COUNTERS; number++)
		stat->counters[number] = fm_i_load64(map + FM_I_P_COUNTERS + ring->codec_header_bytes + 8 * number);
	for (tries = 0; tries < FM_I_TRIES; tries++) {
		before = fm_i_load32(map + FM_I_P_STREAM_VERSION);
		fm_i_fence();
		fm_i_load_stream(map, &stat->stream);
		fm_i_fence();
		if (!(before & 1) && fm_i_load32(map + FM_I_P_STREAM_VERSION) == before)
			return 0;
	}
	return FM_E_PROTOCOL;
}

FM_API int fm_consume_stat(const struct fm_consumer *consumer, struct fm_stat *stat)
{
	return fm_i_ring_stat(&consumer->ring, stat);
}

FM_API int fm_stat(const struct fm_engine *engine, struct fm_stat *stat)
{
	uint32_t words[FM_I_WORDS];
	struct fm_ring ring;
	int fds[FM_I_FDS], count, socket, result;

	fm_i_begin(words, FM_I_OBSERVE);
	socket = fm_i_ask(engine, words, FM_I_PACKETS, fds, &count);
	if (socket < 0)
		return socket;
	result = words[FM_I_OWN] == 0 ? fm_i_ring_open(&ring, fds[0], 0) : FM_E_PROTOCOL;
	fm_i_close_all(fds, count);
	fm_i_close(&socket);
	if (result < 0)
		return result;
	result = fm_i_ring_stat(&ring, stat);
	fm_i_ring_close(&ring);
	return result;
}

/* ---- The frame ring ---- */

static int fm_i_is_dma_buf(const struct fm_producer *producer)
{
	return producer->memory != FM_COPIED;
}

static int fm_i_sync(int fd, uint64_t flags)
{
	int result, tries;

	for (tries = 0; tries < FM_I_TRIES; tries++) {
		result = ioctl(fd, FM_I_DMA_BUF_SYNC, &flags);
		if (!result || (errno != EINTR && errno != EAGAIN))
			break;
	}
	return result ? fm_i_system() : 0;
}

static int fm_i_sync_slot(const struct fm_producer *producer, uint32_t slot, uint64_t flags)
{
	uint32_t plane;
	int result = 0;

	for (plane = 0; plane < producer->memory_planes && fm_i_is_dma_buf(producer) && !result; plane++)
		result = fm_i_sync(producer->fds[slot * producer->memory_planes + plane], flags);
	return result;
}

static void fm_i_producer_clear(struct fm_producer *producer)
{
	unsigned int at;

	memset(producer, 0, sizeof(*producer));
	producer->socket = producer->filled = producer->free_slots = -1;
	for (at = 0; at < FM_SLOTS_MAX * FM_PLANES_MAX; at++)
		producer->fds[at] = -1;
}

/* Lets go of everything but the connection. */
static void fm_i_producer_unmap(struct fm_producer *producer)
{
	unsigned int at;
	int socket = producer->socket;

	for (at = 0; at < FM_SLOTS_MAX * FM_PLANES_MAX; at++) {
		fm_i_close(&producer->fds[at]);
		if (producer->slot_maps[at])
			munmap(producer->slot_maps[at], producer->memory_bytes[at % producer->memory_planes]);
	}
	if (producer->map)
		munmap(producer->map, producer->mapped);
	fm_i_close(&producer->filled);
	fm_i_close(&producer->free_slots);
	fm_i_producer_clear(producer);
	producer->socket = socket;
}

/* Where the rows lie, as the ring says; whether each lies within its memory plane. */
static int fm_i_load_geometry(struct fm_producer *producer)
{
	uint32_t number;

	for (number = 0; number < producer->memory_planes; number++) {
		producer->memory_bytes[number] = fm_i_load32(producer->map + FM_I_F_MEMORY_BYTES + 4 * number);
		if (producer->memory_bytes[number] < 1 || producer->memory_bytes[number] > FM_I_PLANE_BYTES_MAX)
			return 0;
	}
	for (number = 0; number < producer->planes; number++) {
		const unsigned char *words = producer->map + FM_I_F_GEOMETRY + FM_I_F_GEOMETRY_BYTES * number;
		struct fm_plane *plane = &producer->geometry[number];

		plane->memory_plane = fm_i_load32(words);
		plane->offset = fm_i_load32(words + 4);
		plane->bytesperline = fm_i_load32(words + 8);
		plane->row_bytes = fm_i_load32(words + 12);
		plane->rows = fm_i_load32(words + 16);
		plane->allocated_rows = fm_i_load32(words + 20);
		if (plane->memory_plane >= producer->memory_planes || plane->row_bytes < 1 || plane->row_bytes > plane->bytesperline ||
		    plane->rows < 1 || (uint64_t)plane->offset + (uint64_t)plane->bytesperline * (plane->rows - 1) + plane->row_bytes >
					       producer->memory_bytes[plane->memory_plane])
			return 0;
	}
	return 1;
}

/* Maps the frame ring, and takes down what it says. */
static int fm_i_frames_open(struct fm_producer *producer, int fd, const uint32_t *words)
{
	uint64_t size = fm_i_allocated(fd), queue_bytes;
	unsigned char *map;
	int right;

	if (size < FM_I_F_FILLED || size > 0x1000000)
		return FM_E_PROTOCOL;
	map = producer->map = fm_i_map(fd, 0, size, 1);
	producer->mapped = (size_t)size;
	if (!map)
		return fm_i_system();
	right = fm_i_load64(map) == FM_I_FRAME_MAGIC;
	fm_i_fence();
	producer->slots = words[FM_I_OWN];
	producer->memory_planes = words[FM_I_OWN + 1];
	producer->memory = words[FM_I_OWN + 2];
	producer->format.format = fm_i_load32(map + FM_I_F_FORMAT);
	producer->format.width = fm_i_load32(map + FM_I_F_FORMAT + 4);
	producer->format.height = fm_i_load32(map + FM_I_F_FORMAT + 8);
	producer->format.rate_numerator = fm_i_load32(map + FM_I_F_FORMAT + 12);
	producer->format.rate_denominator = fm_i_load32(map + FM_I_F_FORMAT + 16);
	producer->planes = fm_i_load32(map + FM_I_F_PLANES);
	producer->filled_offset = fm_i_load32(map + FM_I_F_FILLED_OFFSET);
	producer->free_offset = fm_i_load32(map + FM_I_F_FREE_OFFSET);
	producer->queue_entries = fm_i_load32(map + FM_I_F_QUEUE_ENTRIES);
	producer->queue_entry_bytes = fm_i_load32(map + FM_I_F_ENTRY_BYTES);
	queue_bytes = FM_I_Q_ENTRIES + (uint64_t)producer->queue_entries * producer->queue_entry_bytes;
	right = right && fm_i_load32(map + FM_I_F_VERSION) == FM_I_VERSION && fm_i_load32(map + FM_I_F_TOTAL_BYTES) <= size &&
		fm_i_load32(map + FM_I_F_PLANES_MAX) == FM_PLANES_MAX && producer->planes >= 1 && producer->planes <= FM_PLANES_MAX &&
		fm_i_load32(map + FM_I_F_MEMORY_PLANES) == producer->memory_planes && producer->filled_offset % 64 == 0 &&
		producer->free_offset % 64 == 0 && producer->filled_offset >= FM_I_F_FILLED && producer->free_offset >= FM_I_F_FILLED &&
		fm_i_power_of_two(producer->queue_entries) && producer->queue_entries >= 2 * producer->slots &&
		producer->queue_entry_bytes >= FM_I_E_BYTES && producer->queue_entry_bytes % 8 == 0 && queue_bytes <= size &&
		producer->filled_offset <= size - queue_bytes && producer->free_offset <= size - queue_bytes &&
		fm_i_load_geometry(producer);
	return right ? 0 : FM_E_PROTOCOL;
}

/* All slots lie in one memfd. */
static int fm_i_map_copied(struct fm_producer *producer, int fd)
{
	uint64_t alignment = fm_i_load32(producer->map + FM_I_F_COPY_ALIGNMENT), at = 0, size = fm_i_allocated(fd);
	uint32_t slot, plane;

	if (!fm_i_power_of_two(alignment) || alignment < 4096 || alignment > 0x1000000)
		return FM_E_PROTOCOL;
	for (slot = 0; slot < producer->slots; slot++) {
		for (plane = 0; plane < producer->memory_planes; plane++) {
			uint64_t bytes = producer->memory_bytes[plane], all = (bytes + alignment - 1) & ~(alignment - 1);
			unsigned char *map;

			if (at + all > size)
				return FM_E_PROTOCOL;
			map = fm_i_map(fd, at, bytes, 1);
			if (!map)
				return fm_i_system();
			producer->slot_maps[slot * producer->memory_planes + plane] = map;
			at += all;
		}
	}
	return 0;
}

/* Each memory plane is a dma-buf; their descriptors are the producer's now. */
static int fm_i_map_dma_bufs(struct fm_producer *producer)
{
	uint32_t at;

	for (at = 0; at < producer->slots * producer->memory_planes; at++) {
		uint64_t bytes = producer->memory_bytes[at % producer->memory_planes];
		int fd = producer->fds[at];
		off_t end;

		if (producer->memory == FM_EXPORTED) {
			/* A file in its place could end early, which is SIGBUS for whoever draws. */
			if (fm_i_sync(fd, FM_I_SYNC_START) || fm_i_sync(fd, FM_I_SYNC_END))
				return errno == ENOTTY || errno == EINVAL || errno == EBADF ? FM_E_PROTOCOL : fm_i_system();
			end = lseek(fd, 0, SEEK_END);
			if (end < 0 || (uint64_t)end < bytes)
				return FM_E_PROTOCOL;
		}
		producer->slot_maps[at] = fm_i_map(fd, 0, bytes, 1);
		/* Own memory need not be for the processor. */
		if (!producer->slot_maps[at] && producer->memory == FM_EXPORTED)
			return fm_i_system();
	}
	return 0;
}

/* Takes what came with FRAMES; `own` are the dma-bufs that were offered. After an error nothing is left but the connection. */
static int fm_i_attach(struct fm_producer *producer, const uint32_t *words, int *fds, int count, const int *own, uint32_t owns)
{
	uint32_t at, planes = words[FM_I_OWN] * words[FM_I_OWN + 1];
	int result = FM_E_PROTOCOL;

	if (fm_i_is_wake(fds[1]) && fm_i_is_wake(fds[2]))
		result = fm_i_frames_open(producer, fds[0], words);
	if (result == 0 && producer->memory == FM_IMPORTED) {
		result = owns == planes ? 0 : FM_E_PROTOCOL;
		for (at = 0; at < planes && !result; at++) {
			producer->fds[at] = fcntl(own[at], F_DUPFD_CLOEXEC, 0);
			if (producer->fds[at] < 0)
				result = fm_i_system();
		}
	} else if (result == 0 && producer->memory == FM_EXPORTED) {
		for (at = 0; at < planes; at++) {
			producer->fds[at] = fds[3 + at];
			fds[3 + at] = -1;
		}
	}
	if (result == 0)
		result = producer->memory == FM_COPIED ? fm_i_map_copied(producer, fds[3]) : fm_i_map_dma_bufs(producer);
	if (result == 0) {
		producer->filled = fds[1];
		producer->free_slots = fds[2];
		fds[1] = fds[2] = -1;
	} else {
		fm_i_producer_unmap(producer);
	}
	fm_i_close_all(fds, count);
	return result;
}

FM_API int fm_produce_open(struct fm_producer *producer, const struct fm_engine *engine, const struct fm_format *request)
{
	uint32_t words[FM_I_WORDS];
	int fds[FM_I_FDS], count, result;

	fm_i_producer_clear(producer);
	fm_i_begin(words, FM_I_PRODUCE);
	if (request) {
		words[FM_I_OWN] = request->format;
		words[FM_I_OWN + 1] = request->width;
		words[FM_I_OWN + 2] = request->height;
		words[FM_I_OWN + 3] = request->rate_numerator;
		words[FM_I_OWN + 4] = request->rate_denominator;
		words[FM_I_OWN + 5] = request->copied != 0;
		words[FM_I_OWN + 6] = request->colour;
	}
	result = fm_i_ask(engine, words, FM_I_FRAMES, fds, &count);
	if (result < 0)
		return result;
	producer->socket = result;
	result = fm_i_attach(producer, words, fds, count, NULL, 0);
	if (result < 0)
		fm_produce_close(producer);
	return result;
}

FM_API int fm_produce_import(struct fm_producer *producer, uint32_t slots, const int *fds, const uint32_t *bytesperline,
	const uint32_t *offset)
{
	uint32_t words[FM_I_WORDS], memory_planes = producer->memory_planes, plane;
	int received[FM_I_FDS], count, result;

	if (slots < 1 || slots > FM_SLOTS_MAX || memory_planes < 1 || producer->committed || producer->held || producer->popped)
		return FM_E_ARGUMENT;
	fm_i_begin(words, FM_I_IMPORT);
	words[FM_I_OWN] = slots;
	words[FM_I_OWN + 1] = memory_planes;
	for (plane = producer->planes; plane-- > 0;) {
		const struct fm_plane *own = &producer->geometry[plane];

		/* The first colour plane of each memory plane is the last one to be written here. */
		words[FM_I_OWN + 2 + own->memory_plane] = bytesperline ? bytesperline[own->memory_plane] : own->bytesperline;
		words[FM_I_OWN + 2 + FM_PLANES_MAX + plane] = offset ? offset[plane] : own->offset;
	}
	/* Memory may be short: what was given is let go before something else is asked for. */
	fm_i_producer_unmap(producer);
	result = fm_i_exchange(producer->socket, fm_i_deadline(FM_I_ANSWER_MS), words, fds, (int)(slots * memory_planes), FM_I_FRAMES,
		received, &count);
	if (result == 0)
		result = fm_i_attach(producer, words, received, count, fds, slots * memory_planes);
	if (result < 0)
		fm_produce_close(producer);
	return result < 0 ? result : producer->memory == FM_IMPORTED;
}

static unsigned char *fm_i_entry(const struct fm_producer *producer, uint32_t queue, uint32_t number)
{
	return producer->map + queue + FM_I_Q_ENTRIES + (size_t)(number % producer->queue_entries) * producer->queue_entry_bytes;
}

/* A slot of those that the engine gave back; FM_E_TIMEOUT when there is none. */
static int fm_i_pop(struct fm_producer *producer)
{
	uint32_t slot, head = fm_i_load32(producer->map + producer->free_offset + FM_I_Q_HEAD);

	fm_i_fence(); /* pairs with the engine's Release store of `head` */
	if (head == producer->popped)
		return FM_E_TIMEOUT;
	if (head - producer->popped > producer->slots)
		return FM_E_PROTOCOL;
	slot = fm_i_load32(fm_i_entry(producer, producer->free_offset, producer->popped) + FM_I_E_SLOT);
	if (slot >= producer->slots || (producer->held | producer->in_hand) >> slot & 1)
		return FM_E_PROTOCOL;
	producer->popped++;
	fm_i_store32(producer->map + producer->free_offset + FM_I_Q_TAIL, producer->popped);
	return (int)slot;
}

FM_API int fm_produce_acquire(struct fm_producer *producer, int timeout_ms)
{
	uint64_t deadline = fm_i_deadline(timeout_ms);
	int slot = 0, result;

	if (!producer->map)
		return FM_E_GONE;
	while (producer->in_hand && !(producer->in_hand >> slot & 1))
		slot++;
	while (!producer->in_hand) {
		int left;

		slot = fm_i_pop(producer);
		if (slot >= 0)
			break;
		if (slot != FM_E_TIMEOUT)
			return slot;
		left = fm_i_left(deadline);
		result = fm_i_wait(producer->free_slots, producer->socket, left);
		if (result < 0)
			return result;
		if (result == 0 && left == 0)
			return FM_E_TIMEOUT;
	}
	producer->in_hand |= UINT32_C(1) << slot;
	result = fm_i_sync_slot(producer, (uint32_t)slot, FM_I_SYNC_START);
	if (result < 0)
		return result;
	producer->in_hand &= ~(UINT32_C(1) << slot);
	producer->held |= UINT32_C(1) << slot;
	return slot;
}

static int fm_i_holds(const struct fm_producer *producer, int slot)
{
	return slot >= 0 && slot < FM_SLOTS_MAX && (producer->held >> slot & 1);
}

FM_API int fm_produce_plane(const struct fm_producer *producer, int slot, uint32_t plane, struct fm_plane *out)
{
	unsigned char *map;

	if (!fm_i_holds(producer, slot) || plane >= producer->planes)
		return FM_E_ARGUMENT;
	*out = producer->geometry[plane];
	map = producer->slot_maps[(uint32_t)slot * producer->memory_planes + out->memory_plane];
	out->data = map ? map + out->offset : NULL;
	return 0;
}

FM_API int fm_produce_commit(struct fm_producer *producer, int slot, uint64_t timestamp)
{
	unsigned char *entry;
	int result;

	if (!fm_i_holds(producer, slot) || producer->finishing)
		return FM_E_ARGUMENT;
	result = fm_i_sync_slot(producer, (uint32_t)slot, FM_I_SYNC_END);
	if (result < 0)
		return result;
	producer->held &= ~(UINT32_C(1) << slot);
	entry = fm_i_entry(producer, producer->filled_offset, producer->pushed);
	fm_i_store32(entry + FM_I_E_SLOT, (uint32_t)slot);
	fm_i_store64(entry + FM_I_E_TIMESTAMP, timestamp);
	fm_i_store64(entry + FM_I_E_TIME, fm_i_now());
	producer->pushed++;
	producer->committed++;
	__atomic_store_n((uint32_t *)(void *)(producer->map + producer->filled_offset + FM_I_Q_HEAD), producer->pushed, __ATOMIC_RELEASE);
	/* A full socket wakes the engine just as well; a closed one shows at the connection. */
	(void)!send(producer->filled, "\1", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

FM_API int fm_produce_release(struct fm_producer *producer, int slot)
{
	if (!fm_i_holds(producer, slot))
		return FM_E_ARGUMENT;
	(void)fm_i_sync_slot(producer, (uint32_t)slot, FM_I_SYNC_END);
	producer->held &= ~(UINT32_C(1) << slot);
	producer->in_hand |= UINT32_C(1) << slot;
	return 0;
}

static int fm_i_accounted(const struct fm_producer *producer)
{
	uint64_t accounted = fm_i_load64(producer->map + FM_I_F_ACCOUNTED);

	fm_i_fence(); /* pairs with the engine's Release store of `accounted` */
	return accounted >= producer->committed;
}

FM_API int fm_produce_finish(struct fm_producer *producer, int timeout_ms)
{
	uint64_t deadline = fm_i_deadline(timeout_ms);
	uint32_t words[FM_I_WORDS];
	int result;

	if (!producer->map)
		return FM_E_GONE;
	if (!producer->finishing) {
		fm_i_begin(words, FM_I_FINISH);
		result = fm_i_send(producer->socket, words, NULL, 0);
		/* If the connection has ended, its last message is the reason. */
		if (result < 0 && result != FM_E_GONE)
			return result;
		producer->finishing = 1;
	}
	while (!fm_i_accounted(producer)) {
		int left = fm_i_left(deadline);

		result = fm_i_wait(producer->free_slots, producer->socket, left);
		/* An engine that ends, or reopens its encoder, counts everything before it closes. */
		if ((result == FM_E_GONE || result == FM_E_REFUSED - FM_REOPENED) && fm_i_accounted(producer))
			return 1;
		if (result < 0)
			return result;
		if (result == 0 && left == 0)
			return fm_i_accounted(producer);
	}
	return 1;
}

FM_API void fm_produce_accounts(const struct fm_producer *producer, uint64_t *published, uint64_t *dropped)
{
	*published = producer->map ? fm_i_load64(producer->map + FM_I_F_PUBLISHED) : 0;
	*dropped = producer->map ? fm_i_load64(producer->map + FM_I_F_DROPPED) : 0;
}

FM_API int fm_produce_fd(const struct fm_producer *producer)
{
	return producer->free_slots;
}

FM_API void fm_produce_close(struct fm_producer *producer)
{
	fm_i_producer_unmap(producer);
	fm_i_close(&producer->socket);
}

/* ---- Control ---- */

static int64_t fm_i_long(const uint32_t *words)
{
	return (int64_t)((uint64_t)words[1] << 32 | words[0]);
}

static int fm_i_change(const struct fm_engine *engine, uint32_t what, uint32_t id, int64_t value, const char *name,
	struct fm_outcome *outcome)
{
	uint32_t words[FM_I_WORDS];
	struct fm_outcome unwanted;
	int fds[FM_I_FDS], count, socket;

	if (!outcome)
		outcome = &unwanted;
	memset(outcome, 0, sizeof(*outcome));
	if (name && (strlen(name) < 1 || strlen(name) > 31))
		return FM_E_ARGUMENT;
	fm_i_change_words(words, what, id, value, name);
	socket = fm_i_ask(engine, words, FM_I_CHANGED, fds, &count);
	if (socket < 0)
		return socket;
	fm_i_close(&socket);
	outcome->outcome = words[FM_I_OWN];
	switch (outcome->outcome) {
	case FM_KERNEL_REFUSED:
	case FM_DEVICE_REFUSED:
		outcome->error = words[5];
		outcome->minimum = fm_i_long(&words[6]);
		outcome->maximum = fm_i_long(&words[8]);
		outcome->step = (uint64_t)fm_i_long(&words[10]);
		break;
	case FM_ABOVE_LEVEL:
		outcome->error = words[5];
		outcome->value = (int64_t)words[6];
		outcome->needed = words[7];
		break;
	default:
		outcome->value = fm_i_long(&words[6]);
		memcpy(outcome->name, &words[8], 32);
	}
	return outcome->outcome == FM_DONE || outcome->outcome == FM_DONE_ITEM ? 0 : FM_E_NOT_DONE;
}

FM_API int fm_key(const struct fm_engine *engine, struct fm_outcome *outcome)
{
	return fm_i_change(engine, 1, 0, 0, NULL, outcome);
}

FM_API int fm_bitrate(const struct fm_engine *engine, uint32_t bits_per_second, struct fm_outcome *outcome)
{
	return fm_i_change(engine, 2, 0, (int64_t)bits_per_second, NULL, outcome);
}

FM_API int fm_gop(const struct fm_engine *engine, uint32_t frames, struct fm_outcome *outcome)
{
	return fm_i_change(engine, 3, 0, (int64_t)frames, NULL, outcome);
}

FM_API int fm_drain(const struct fm_engine *engine, struct fm_outcome *outcome)
{
	return fm_i_change(engine, 4, 0, 0, NULL, outcome);
}

FM_API int fm_control_id(const struct fm_engine *engine, uint32_t id, int64_t value, struct fm_outcome *outcome)
{
	return fm_i_change(engine, 5, id, value, NULL, outcome);
}

FM_API int fm_control(const struct fm_engine *engine, const char *name, int64_t value, struct fm_outcome *outcome)
{
	return name ? fm_i_change(engine, 6, 0, value, name, outcome) : FM_E_ARGUMENT;
}

/* A message has no room for two names: the control's number is asked for first. */
FM_API int fm_control_item(const struct fm_engine *engine, const char *name, const char *item, struct fm_outcome *outcome)
{
	struct fm_outcome found;
	int result = name && item ? fm_i_change(engine, 8, 0, 0, name, &found) : FM_E_ARGUMENT;

	if (result == 0)
		return fm_i_change(engine, 7, (uint32_t)found.value, 0, item, outcome);
	if (outcome && result == FM_E_NOT_DONE)
		*outcome = found;
	return result;
}

/* ---- Texts ---- */

FM_API const char *fm_text(int code)
{
	static const char *const errors[] = { "no error", "no engine listens there (is framemill run started?)",
		"the engine closed the connection", "what answers there is no engine of this version",
		"the socket belongs to a user that is not trusted", "the engine does not answer", "a system call failed",
		"a wrong argument", "the time is up", "the engine did not make the change" };
	static const char *const reasons[] = { "the engine refused", "another producer is attached",
		"the engine is ending and takes no more frames", "the engine serves as many clients as it can",
		"the engine did not understand the message", "the frame ring was written to wrongly",
		"the engine is out of descriptors or memory", "the encoder is not ready for another producer yet",
		"the engine's size and format are fixed (run --size)", "the encoder does not do this; the engine's log says why",
		"the encoder was reopened, and its slots are gone", "the engine does not allow it to this user",
		"a camera feeds the engine, so it takes no producer (run --camera)",
		"too many wait on this client's wake-ups: each takes the engine too long",
		"a side of the frames is odd: 4:2:0 needs an even width and height, 4:2:2 an even width",
		"the encoder does not take this raw format; the engine's log lists those that it takes" };
	int reason = FM_E_REFUSED - code;

	if (code >= 0)
		return errors[0];
	if (reason >= 0)
		return reasons[reason < (int)(sizeof(reasons) / sizeof(*reasons)) ? reason : 0];
	return -code < (int)(sizeof(errors) / sizeof(*errors)) ? errors[-code] : "unknown error";
}

FM_API const char *fm_state_name(uint32_t state)
{
	static const char *const names[] = { "starting", "running", "draining", "recovering", "ended", "no-camera", "no-signal",
		"idle" };

	return state < sizeof(names) / sizeof(*names) ? names[state] : "unknown";
}

FM_API const char *fm_counter_name(unsigned int number)
{
	static const char *const names[] = { "frames_committed", "frames_queued", "frames_returned", "frames_published", "frames_dropped_encoder",
		"frames_dropped_error", "frames_dropped_refused", "frames_dropped_restart", "frames_dropped_stopping",
		"frames_dropped_too_large", "packets", "packet_bytes", "key_frames", "fragments_joined", "packets_corrupt",
		"packets_unmatched", "raw_bytes_copied", "producers_attached", "producers_cut_off", "slots_reclaimed",
		"consumers_attached", "clients_refused", "stalls", "restarts", "key_frames_requested", "key_frames_forced",
		"changes", "frames_dropped_camera", "frames_dropped_behind", "reopens", "raw_bytes_copied_forced",
		"coded_bytes_copied", "camera_restarts", "refused_producer_present", "refused_ending", "refused_too_many",
		"refused_bad_message", "refused_bad_frame_ring", "refused_resources", "refused_busy", "refused_fixed",
		"refused_not_encoded", "refused_reopened", "refused_not_allowed", "refused_camera_feeds", "refused_costly",
		"refused_odd_size", "refused_format", "frames_late", "frames_lost_camera", "camera_timestamps_corrected",
		"turns_unbalanced", "slot_bytes_retained", "frames_dropped_idle",
		"frames_dropped_decoder", "decoder_restarts", "camera_bytes_copied",
		"jpeg_tables_added", "decode_us", "frames_dropped_converter", "converter_restarts", "convert_us" };

	return number < sizeof(names) / sizeof(*names) ? names[number] : "";
}

#ifdef __cplusplus
}
#endif
#endif /* FRAMEMILL_IMPLEMENTATION */
