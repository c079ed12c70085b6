/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Clients that mean harm:  hostile SOCKET SEED SECONDS MODE
 *
 *   messages   connects without end, says what is wrong, cut off, too long, not its turn to say, or right, with descriptors;
 *              first of all that it would produce, and what is no message at all, and then `told`
 *   crowd      has up to 200 connections at once and takes new ones for those that it loses; most never read
 *   flood      stays one client, and says the little that it may say without end: key frames, as a consumer
 *   producer   is the producer, and writes what it likes into each word and slot; also what is right, twice, or not its own
 *   requests   the same, and wants other frames each time: sizes, formats and rates that the encoder does, or does not
 *   former     was the producer, was cut off, and goes on writing into the frame ring that it still has
 *   left       the same, but it left by itself;  offered: right after it had offered memory;  waited: with its last frame in the encoder
 *   again      was the producer, was cut off, and comes again, without end
 *   blunder    commits a frame, offers memory, and says garbage before the answer can be there; once
 *   empty      is the producer, and offers memory without a descriptor, without end
 *   hoard      asks for packets and says garbage before it reads the answer, 400 times, and keeps every connection
 *   mute       is the producer, and shuts down each socket that it was given, but not the connection
 *   steps      stops, dies or closes at each step of a client's life
 *   seals      tries to write to, cut or lengthen what it was given to read
 *   spin       has nothing to do with the engine and never sleeps: what any process may cost
 *
 * The same seed does the same, as far as the engine and the scheduler do. Ends with 1 when something worked that must not; what became of
 * its connections stands in its last line.
 */
#include "hostile.h"

static void scribble(unsigned char *memory, size_t bytes)
{
	if (memory && bytes)
		for (int n = 0; n < 64; n++)
			memory[chance(bytes)] = chance(256);
}

static void act(struct producer *producer)
{
	volatile uint32_t *queue = producer->ring + RING_FILLED;
	struct peer *peer = &producer->peer;
	uint32_t words[WORDS], slots, row;
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
		slots = 1 + chance(4);
		row = chance(4096);
		for (uint32_t n = 0; n < slots; n++)
			fds[n] = junk();
		offer(peer->fd, slots, row, fds, slots);
		for (uint32_t n = 0; n < slots; n++)
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

static void requests(void)
{
	with_requests = 1;
	produce();
}

/* Two slots that the encoder cannot import. */
static void offer_two(struct producer *producer)
{
	int memory = memfd_create("slot", MFD_CLOEXEC), fds[] = { memory, memory };

	offer(producer->peer.fd, 2, 320, fds, 2);
	close(memory);
}

/* A frame that the engine has taken: what is asked for next has to wait for it. */
static void commit_one(struct producer *producer)
{
	for (take(producer); !producer->owned_count; take(producer))
		pause_us(1000);
	commit(producer, producer->owned[0]);
	while (producer->ring[RING_FILLED + QUEUE_TAIL] != producer->pushed)
		pause_us(1000);
}

static void be_cut_off(struct producer *producer)
{
	commit(producer, 77);
	if (hear(&producer->peer, 3000) != -1)
		must_fail("a slot that is not there", 1);
}

static void again(void)
{
	struct producer producer;

	if (!attach(&producer))
		return;
	be_cut_off(&producer);
	detach(&producer);
}

static void walk_out(struct producer *producer)
{
	close(producer->peer.fd);
	/* What it writes before the engine has seen it leave counts as its own. */
	pause_us(500000);
}

/* Whatever the way it goes, it writes on. */
static void haunt(const char *name, void (*go)(struct producer *))
{
	static struct producer producer;

	if (!producer.ring) {
		if (!attach(&producer))
			return;
		go(&producer);
		printf("%s\n", name);
		fflush(stdout);
	}
	for (int at = 0; at < RING_BYTES / 4; at++)
		producer.ring[at] = chance(2) ? chance(70) : chance(UINT32_MAX);
	pause_us(500);
}

static void former(void)
{
	haunt("former", be_cut_off);
}

static void left(void)
{
	haunt("left", walk_out);
}

static void offer_and_walk_out(struct producer *producer)
{
	offer_two(producer);
	walk_out(producer);
}

static void offered(void)
{
	haunt("offered", offer_and_walk_out);
}

static void wait_and_walk_out(struct producer *producer)
{
	commit_one(producer);
	offer_and_walk_out(producer);
}

static void waited(void)
{
	haunt("waited", wait_and_walk_out);
}

static void blunder(void)
{
	static struct producer producer;

	if (producer.ring)
		return pause_us(10000);
	if (!attach(&producer))
		return;
	commit_one(&producer);
	offer_two(&producer);
	(void)!send(producer.peer.fd, "x", 1, MSG_NOSIGNAL);
	hear(&producer.peer, 3000);
	leave(&producer.peer);
}

static void empty(void)
{
	static struct producer producer;

	if (producer.ring && producer.peer.fd < 0)
		return pause_us(10000);
	if (!producer.ring && !attach(&producer))
		return;
	offer(producer.peer.fd, 2, 320, NULL, 0);
	if (hear(&producer.peer, 100) < 0)
		leave(&producer.peer);
}

static void hoard(void)
{
	static int held;
	struct pollfd answer = { .events = POLLIN };

	if (held == 400)
		return pause_us(10000);
	answer.fd = dial();
	if (answer.fd < 0)
		return;
	say(answer.fd, CONSUME);
	poll(&answer, 1, 1000);
	(void)!send(answer.fd, "x", 1, MSG_NOSIGNAL);
	unanswered++;
	if (++held == 400) {
		printf("hoard\n");
		fflush(stdout);
	}
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

/* One message of this kind, and the engine's answer to it. */
static void ask(uint32_t kind)
{
	struct peer peer = { .fd = -1 };

	while (peer.fd < 0 && now() < until)
		peer.fd = dial();
	say(peer.fd, kind);
	hear(&peer, 3000);
	leave(&peer);
}

static void messages(void)
{
	static struct peer held[16];
	static int told;
	struct peer peer;
	int place;

	if (!told) {
		/* What chance sends is refused for these reasons too seldom to count on it. */
		ask(PRODUCE);
		ask(99);
		told = printf("told\n");
		fflush(stdout);
	}
	peer = (struct peer){ .fd = dial() };
	place = chance(16);
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
	} modes[] = { { "messages", messages }, { "crowd", crowd }, { "flood", flood }, { "producer", produce }, { "requests", requests }, { "former", former },
		      { "left", left }, { "offered", offered }, { "waited", waited }, { "again", again }, { "blunder", blunder }, { "empty", empty }, { "hoard", hoard },
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
