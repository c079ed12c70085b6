/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the modes of hostile.c share: seeded numbers, connections that take everything down that the engine says, messages that are
 * wrong in some way, descriptors that nobody wants, and a producer that is let in as any other.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

static const char *socket_path;
static uint64_t seed;
static double until;

/* What became of the connections: by the engine's reason, or without a word. */
static unsigned int connected, admitted, refused[REASONS], silent, unanswered, broken;

static uint32_t chance(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void pause_us(long us)
{
	struct timespec time = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&time, NULL);
}

/* Something that must never work. */
static void must_fail(const char *what, int worked)
{
	if (worked) {
		printf("BROKEN %s\n", what);
		broken++;
	}
}

struct peer {
	int fd;
	uint32_t words[WORDS];
	int fds[MESSAGE_FDS];
	int count;
};

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, socket_path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		/* No room in the engine's queue: it has work to do. */
		if (fd >= 0)
			close(fd);
		pause_us(1000);
		return -1;
	}
	connected++;
	return fd;
}

static void begin(uint32_t words[WORDS], uint32_t kind)
{
	memset(words, 0, sizeof(uint32_t) * WORDS);
	words[MAGIC] = MAGIC_VALUE;
	words[VERSION] = VERSION_VALUE;
	words[KIND] = kind;
	if (kind == CONSUME)
		words[OWN] = chance(2);
}

static void tell(int fd, const void *bytes, size_t length, const int *fds, int count)
{
	char control[CMSG_SPACE(sizeof(int) * 253)] = { 0 };
	struct iovec iov = { (void *)bytes, length };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, sizeof(int) * count);
	}
	/* Whether it is taken is the engine's affair. */
	(void)!sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say(int fd, uint32_t kind)
{
	uint32_t words[WORDS];

	begin(words, kind);
	tell(fd, words, sizeof(words), NULL, 0);
}

/* Memory of its own as slots, one descriptor each, rows so many bytes long. */
static void offer(int fd, uint32_t slots, uint32_t row, const int *fds, int count)
{
	uint32_t words[WORDS];

	begin(words, IMPORT);
	words[OWN] = slots;
	words[OWN + 1] = 1;
	words[OWN + 2] = row;
	tell(fd, words, sizeof(words), fds, count);
}

/* The kind of the next message; 0: none within that time, -1: the connection is at its end. Counts refusals. */
static int hear(struct peer *peer, int ms)
{
	char control[CMSG_SPACE(sizeof(int) * 128)];
	struct iovec iov = { peer->words, sizeof(peer->words) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct pollfd poll_fd = { .fd = peer->fd, .events = POLLIN };
	struct cmsghdr *rights;
	ssize_t length;

	if (poll(&poll_fd, 1, ms) != 1)
		return 0;
	length = recvmsg(peer->fd, &message, MSG_CMSG_CLOEXEC);
	/* The engine had not read all that was said; its reason is there all the same. */
	if (length < 0 && errno == ECONNRESET)
		length = recvmsg(peer->fd, &message, MSG_CMSG_CLOEXEC);
	if (length <= 0) {
		silent++;
		return -1;
	}
	rights = CMSG_FIRSTHDR(&message);
	if (rights) {
		/* Those of before are not needed any more. */
		while (peer->count)
			close(peer->fds[--peer->count]);
		peer->count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(peer->fds, CMSG_DATA(rights), sizeof(int) * peer->count);
	}
	if (length != sizeof(peer->words) || peer->words[MAGIC] != MAGIC_VALUE)
		must_fail("the engine's own message", 1);
	if (peer->words[KIND] != REFUSED) {
		admitted++;
		return peer->words[KIND];
	}
	if (peer->words[OWN] >= REASONS)
		must_fail("the engine's reason", 1);
	else
		refused[peer->words[OWN]]++;
	return -1;
}

static void leave(struct peer *peer)
{
	while (peer->count)
		close(peer->fds[--peer->count]);
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

/* A descriptor of some kind. The caller closes it. */
static int junk(void)
{
	int pair[2];

	switch (chance(8)) {
	case 0:
		if (pipe2(pair, O_CLOEXEC))
			return -1;
		close(pair[1]);
		return pair[0];
	case 1:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case 2:
		return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	case 3:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 4:
		return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	case 5:
		/* The engine itself. */
		return dial();
	default:
		pair[0] = memfd_create("junk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (ftruncate(pair[0], 1 << chance(22)))
			perror("ftruncate");
		return pair[0];
	}
}

/* A message that is wrong in some way, or that may not come now, or that is right. Never the drain, which may be right. */
static void blurt(int fd)
{
	static const int counts[] = { 1, 2, 3, 6, 99, 253 };
	unsigned char bytes[4096] = { 0 };
	uint32_t words[WORDS];
	int fds[253], count = 0, length = sizeof(words);

	begin(words, chance(3) ? 1 + chance(6) : chance(24));
	for (uint32_t n = chance(8); n; n--)
		words[OWN + chance(WORDS - OWN)] = chance(2) ? chance(5) : chance(UINT32_MAX);
	if (words[KIND] == CHANGE) {
		words[OWN] = 1 + chance(6);
		if (words[OWN] == CHANGE_DRAIN)
			words[OWN] = 0;
	}
	memcpy(bytes, words, sizeof(words));
	switch (chance(8)) {
	case 0:
		length = chance(sizeof(words));
		break;
	case 1:
		length = sizeof(words) + 1 + chance(sizeof(bytes) - sizeof(words) - 1);
		break;
	case 2:
		for (int at = 0; at < length; at++)
			bytes[at] = chance(256);
		break;
	case 3:
		bytes[chance(16)] ^= 1 << chance(8);
		/* A drain that became one by chance has no bits elsewhere: none comes of this. */
		break;
	}
	if (!chance(3))
		for (int wanted = counts[chance(6)], made = junk(); count < wanted && made >= 0; count++)
			fds[count] = made;
	tell(fd, bytes, length, fds, count);
	if (count)
		close(fds[0]);
}

/* A producer's view of the ring and of one plane a slot. */
struct producer {
	struct peer peer;
	volatile uint32_t *ring;
	uint32_t slots, pushed, popped;
	uint32_t owned[64], owned_count;
	unsigned char *memory[64];
	size_t bytes;
};

static int with_requests;

static void wish(uint32_t *own)
{
	static const uint32_t sides[][2] = { { 0, 0 }, { 320, 240 }, { 64, 48 }, { 642, 362 }, { 17, 19 }, { 1920, 1080 }, { 8192, 8192 } };
	static const char *formats[] = { "\0\0\0\0", "YU12", "NV12", "YUYV", "GREY", "junk" };

	memcpy(own, formats[chance(6)], 4);
	memcpy(own + 1, sides[chance(7)], 8);
	if (chance(2)) {
		own[3] = 1 + chance(70);
		own[4] = 1 + chance(3);
	}
}

static int attach(struct producer *producer)
{
	struct peer *peer = &producer->peer;
	uint32_t words[WORDS];

	memset(producer, 0, sizeof(*producer));
	peer->fd = dial();
	if (peer->fd < 0)
		return 0;
	begin(words, PRODUCE);
	words[OWN + 5] = !chance(3);
	if (with_requests)
		wish(words + OWN);
	tell(peer->fd, words, sizeof(words), NULL, 0);
	/* It may take the encoder a drain. */
	if (hear(peer, 3000) != FRAMES || peer->count <= FIRST_PLANE) {
		leave(peer);
		pause_us(2000);
		return 0;
	}
	producer->ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, peer->fds[RING], 0);
	if (producer->ring == MAP_FAILED)
		perror("mmap"), exit(2);
	producer->slots = producer->ring[RING_SLOTS] & 63;
	producer->bytes = producer->ring[RING_MEMORY_BYTES];
	for (uint32_t slot = 0; slot < producer->slots && FIRST_PLANE + (int)slot < peer->count; slot++) {
		producer->memory[slot] =
			mmap(NULL, producer->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, peer->fds[FIRST_PLANE + slot], 0);
		if (producer->memory[slot] == MAP_FAILED)
			producer->memory[slot] = NULL;
	}
	return 1;
}

static void detach(struct producer *producer)
{
	munmap((void *)producer->ring, RING_BYTES);
	for (uint32_t slot = 0; slot < producer->slots; slot++)
		if (producer->memory[slot])
			munmap(producer->memory[slot], producer->bytes);
	leave(&producer->peer);
}

static void commit(struct producer *producer, uint32_t slot)
{
	volatile uint32_t *queue = producer->ring + RING_FILLED;
	volatile uint32_t *entry = queue + QUEUE_FIRST + producer->pushed % QUEUE_ENTRIES * QUEUE_ENTRY;

	entry[0] = slot;
	for (int word = 2; word < QUEUE_ENTRY; word++)
		entry[word] = chance(UINT32_MAX);
	__atomic_store_n(queue + QUEUE_HEAD, ++producer->pushed, __ATOMIC_RELEASE);
	(void)!send(producer->peer.fds[FILLED_SOCKET], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Takes slots that the engine gives. */
static void take(struct producer *producer)
{
	volatile uint32_t *queue = producer->ring + RING_FREE;

	while (producer->popped != queue[QUEUE_HEAD] && producer->owned_count < 64)
		producer->owned[producer->owned_count++] =
			queue[QUEUE_FIRST + producer->popped++ % QUEUE_ENTRIES * QUEUE_ENTRY] & 63;
}

static void sum(const char *mode)
{
	printf("%s: %u connected, %u answers, %u without a word, %u unanswered; refused:", mode, connected, admitted, silent, unanswered);
	for (int reason = 1; reason < REASONS; reason++)
		printf(" %u", refused[reason]);
	printf("\n");
}

#endif
