/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Clients that mean harm:  hostile SOCKET SEED SECONDS MODE
 *
 *   messages   connects without end, says what is wrong, cut off, too long, not its turn to say, or right, with descriptors
 *   crowd      has up to 200 connections at once and takes new ones for those that it loses; most never read
 *   flood      stays one client, and says the little that it may say without end: key frames, as a consumer
 *   producer   is the producer, and writes what it likes into each word and slot; also what is right, twice, or not its own
 *   wishes     the same, and wants other frames each time: sizes, formats and rates that the encoder does, or does not
 *   former     was the producer, was cut off, and goes on writing into the frame ring that it still has
 *   mute       is the producer, and shuts down each socket that it was given, but not the connection
 *   steps      stops, dies or closes at each step of a client's life
 *   seals      tries to write to, cut or lengthen what it was given to read
 *   spin       has nothing to do with the engine and never sleeps: what any process may cost
 *
 * The same seed does the same, as far as the engine and the scheduler do. Ends with 1 when something worked that must not; what became of
 * its connections stands in its last line.
 */
#include "hostile.h"

/* A producer's view of the ring and of one plane a slot. */
struct producer {
	struct peer peer;
	volatile uint32_t *ring;
	uint32_t slots, pushed, popped;
	uint32_t owned[64], owned_count;
	unsigned char *memory[64];
	size_t bytes;
};

static int with_wishes;

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
	if (with_wishes)
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

static void scribble(unsigned char *memory, size_t bytes)
{
	if (memory && bytes)
		for (int n = 0; n < 64; n++)
			memory[chance(bytes)] = chance(256);
}

/* Takes slots that the engine gives. */
static void take(struct producer *producer)
{
	volatile uint32_t *queue = producer->ring + RING_FREE;

	while (producer->popped != queue[QUEUE_HEAD] && producer->owned_count < 64)
		producer->owned[producer->owned_count++] =
			queue[QUEUE_FIRST + producer->popped++ % QUEUE_ENTRIES * QUEUE_ENTRY] & 63;
}

static void act(struct producer *producer)
{
	volatile uint32_t *queue = producer->ring + RING_FILLED;
	struct peer *peer = &producer->peer;
	uint32_t words[WORDS];
	int fds[8], which;

	switch (chance(24)) {
	default:
		/* As it should be. */
		take(producer);
		if (!producer->owned_count)
			return pause_us(2000);
		scribble(producer->memory[producer->owned[producer->owned_count - 1]], producer->bytes);
		return commit(producer, producer->owned[--producer->owned_count]);
	case 0:
		/* One that it has just committed, perhaps queued by now. */
		return commit(producer, queue[QUEUE_FIRST + (producer->pushed - 1) % QUEUE_ENTRIES * QUEUE_ENTRY]);
	case 1:
		return commit(producer, chance(2) ? chance(8) : chance(UINT32_MAX));
	case 2:
		for (uint32_t n = chance(64); n; n--)
			producer->ring[chance(RING_BYTES / 4)] = chance(2) ? chance(70) : chance(UINT32_MAX);
		return;
	case 3:
		queue[QUEUE_HEAD] = producer->pushed + chance(80) - 40;
		(void)!send(peer->fds[FILLED_SOCKET], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	case 4:
	case 5:
		/* Whoever has it: the producer, the engine, the driver. */
		return scribble(producer->memory[chance(producer->slots ?: 1) & 63], producer->bytes);
	case 6:
		return say(peer->fd, FINISH);
	case 7:
		begin(words, CHANGE);
		words[OWN] = CHANGE_KEY;
		return tell(peer->fd, words, sizeof(words), NULL, 0);
	case 8:
		begin(words, IMPORT);
		words[OWN] = 1 + chance(4);
		words[OWN + 1] = 1;
		words[OWN + 2] = chance(4096);
		for (uint32_t n = 0; n < words[OWN]; n++)
			fds[n] = junk();
		tell(peer->fd, words, sizeof(words), fds, words[OWN]);
		for (uint32_t n = 0; n < words[OWN]; n++)
			close(fds[n]);
		return;
	case 9:
		return blurt(peer->fd);
	case 10:
		for (int n = 0; n < 500; n++)
			(void)!send(peer->fds[FILLED_SOCKET], "filled", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
		return;
	case 11:
		which = chance(peer->count);
		must_fail("ftruncate of a ring or slot", !ftruncate(peer->fds[which], chance(2) * RING_BYTES / 2));
		must_fail("a new seal", which != FILLED_SOCKET && which != FREE_SOCKET && !fcntl(peer->fds[which], F_ADD_SEALS, F_SEAL_WRITE));
		return;
	case 12:
		/* A hole is no cut: its pages come back as zeros. */
		fallocate(peer->fds[chance(2) ? RING : peer->count - 1], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, RING_BYTES);
		return;
	case 13:
		return pause_us(chance(5000));
	case 14:
		which = chance(peer->count);
		/* The number stays, so that nothing else gets it. */
		dup2(peer->fd, peer->fds[which]);
		return;
	}
}

static void produce(void)
{
	struct producer producer;

	if (!attach(&producer))
		return;
	for (uint32_t n = chance(150); n; n--) {
		act(&producer);
		if (!chance(8) && hear(&producer.peer, 0) < 0)
			break;
	}
	detach(&producer);
}

static void wishes(void)
{
	with_wishes = 1;
	produce();
}

static void former(void)
{
	static struct producer producer;

	if (!producer.ring) {
		if (!attach(&producer))
			return;
		commit(&producer, 77);
		if (hear(&producer.peer, 3000) != -1)
			must_fail("a slot that is not there", 1);
		printf("former\n");
		fflush(stdout);
	}
	for (int at = 0; at < RING_BYTES / 4; at++)
		producer.ring[at] = chance(2) ? chance(70) : chance(UINT32_MAX);
	pause_us(500);
}

static void mute(void)
{
	static struct producer producer;
	static int out;

	if (out)
		return pause_us(10000);
	if (!producer.ring) {
		if (!attach(&producer))
			return;
		for (int at = FILLED_SOCKET; at <= FREE_SOCKET; at++)
			shutdown(producer.peer.fds[at], SHUT_RDWR);
		printf("mute\n");
		fflush(stdout);
	}
	out = hear(&producer.peer, 100) < 0;
	if (out)
		detach(&producer);
}

static void messages(void)
{
	static struct peer held[16];
	struct peer peer = { .fd = dial() };
	int place = chance(16);

	if (peer.fd < 0)
		return;
	for (uint32_t n = chance(4); n; n--)
		blurt(peer.fd);
	switch (chance(4)) {
	case 0:
		if (held[place].fd)
			leave(&held[place]);
		held[place] = peer;
		unanswered++;
		return;
	case 1:
		unanswered++;
		break;
	default:
		while (hear(&peer, 5) > 0)
			;
	}
	leave(&peer);
}

static void crowd(void)
{
	static struct peer held[200];
	struct peer *peer = &held[chance(200)];

	if (peer->fd > 0 && !chance(3)) {
		while (hear(peer, 0) > 0)
			;
		leave(peer);
		return;
	}
	if (peer->fd > 0)
		return;
	*peer = (struct peer){ .fd = dial() };
	if (peer->fd > 0 && chance(4))
		say(peer->fd, chance(3) ? CONSUME : OBSERVE);
}

static void flood(void)
{
	static struct peer peer;
	uint32_t words[WORDS];

	if (peer.fd <= 0) {
		peer = (struct peer){ .fd = dial() };
		if (peer.fd > 0)
			say(peer.fd, CONSUME);
		return;
	}
	begin(words, CHANGE);
	words[OWN] = CHANGE_KEY;
	for (int n = 0; n < 100; n++)
		tell(peer.fd, words, sizeof(words), NULL, 0);
	if (hear(&peer, 0) < 0)
		leave(&peer);
}

/* One life: so far, and then? */
static void life(uint32_t step, uint32_t end)
{
	struct producer producer = { 0 };
	struct peer consumer = { 0 };

	if (step < 4) {
		consumer.fd = dial();
		if (step > 0)
			say(consumer.fd, step < 3 ? CONSUME : PRODUCE);
		if (step > 1)
			hear(&consumer, 1000);
	} else if (attach(&producer)) {
		if (step > 4)
			take(&producer);
		if (step > 5 && producer.owned_count)
			producer.ring[RING_FILLED + QUEUE_FIRST] = producer.owned[0];
		if (step > 6 && producer.owned_count)
			commit(&producer, producer.owned[0]);
		if (step > 7)
			say(producer.peer.fd, FINISH);
	}
	if (end == 0)
		raise(SIGSTOP);
	if (end == 1)
		raise(SIGKILL);
	/* Each descriptor, in some order, and then it lives on for a moment. */
	for (int fd = 3 + chance(8), n = 0; n < 64; n++, fd++)
		close(3 + fd % 64);
	pause_us(20000);
	_exit(0);
}

static void steps(void)
{
	static uint32_t turn;
	uint32_t step = turn % 9, end = turn / 9 % 3;
	pid_t child = fork();

	turn++;
	if (!child)
		life(step, end);
	pause_us(10000 + chance(30000));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static void seals(void)
{
	struct peer peer = { .fd = dial() };
	char name[32];
	int again;

	if (peer.fd < 0)
		return;
	say(peer.fd, CONSUME);
	if (hear(&peer, 1000) == PACKETS && peer.count > 0) {
		int ring = peer.fds[0];

		snprintf(name, sizeof(name), "/proc/self/fd/%d", ring);
		again = open(name, O_RDWR | O_CLOEXEC);
		for (int fd = ring; fd >= 0; fd = fd == ring ? again : -1) {
			void *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

			must_fail("a mapping to write", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
			must_fail("mprotect", !mprotect(memory, 4096, PROT_READ | PROT_WRITE));
			must_fail("pwrite", pwrite(fd, "x", 1, 0) > 0);
			must_fail("ftruncate", !ftruncate(fd, 4096) || !ftruncate(fd, 1 << 30));
			must_fail("a hole", !fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
			must_fail("a seal", !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
			must_fail("MADV_REMOVE", !madvise(memory, 4096, MADV_REMOVE));
			munmap(memory, 4096);
		}
		close(again);
	}
	leave(&peer);
	pause_us(10000);
}

static void spin(void)
{
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*go)(void);
	} modes[] = { { "messages", messages }, { "crowd", crowd }, { "flood", flood }, { "producer", produce }, { "wishes", wishes }, { "former", former },
		      { "mute", mute }, { "steps", steps }, { "seals", seals }, { "spin", spin } };

	if (argc != 5)
		return 2;
	socket_path = argv[1];
	seed = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15 + 1;
	until = now() + atof(argv[3]);
	signal(SIGPIPE, SIG_IGN);
	for (size_t mode = 0; mode < sizeof(modes) / sizeof(*modes); mode++) {
		if (strcmp(argv[4], modes[mode].name))
			continue;
		while (now() < until)
			modes[mode].go();
		sum(argv[4]);
		return broken > 0;
	}
	return 2;
}
