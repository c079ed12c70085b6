/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Load for tests of the engine's time.
 *
 *   load fifo PRIORITY COMMAND…   runs COMMAND under SCHED_FIFO
 *   load flood SOCKET MICROSECONDS
 *       keeps 28 connections, and every so often has something to say on each of them that the engine is willing to hear: changes of
 *       controls by name and by number, nonsense, observers and consumers who want key frames. Answers are read, and who was sent
 *       away comes again. On SIGTERM it says how many messages it sent, `flood=N`, and on standard error when it had the processor: a
 *       line `BEGIN END` for each burst, ns of CLOCK_MONOTONIC.
 *   load keys SOCKET TIMES
 *       is a consumer that asks for a key frame so often, at once, and then stays for ever.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* src/control/message.rs has the words. */
enum { MAGIC, VERSION, KIND, ZERO, OWN, WORDS = 16 };
enum { CONSUME = 2, OBSERVE = 3, CHANGE = 5 };
enum { KEY_FRAME = 1, BITRATE = 2, BY_NAME = 6 };
enum { CONNECTIONS = 28, BURSTS = 20000 };

static volatile sig_atomic_t over;

static void end(int signal)
{
	over = signal;
}

static int say(int fd, uint32_t kind, uint32_t first, uint32_t third, const char *name)
{
	uint32_t words[WORDS] = { [MAGIC] = 0x74634d46, [VERSION] = 1, [KIND] = kind, [OWN] = first, [OWN + 2] = third };

	strncpy((char *)&words[OWN + 4], name, 31);
	return send(fd, words, sizeof(words), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(words);
}

/* The first thing that the connection of this number says, or what it says later. */
static int speak(int fd, int number, int first)
{
	switch (number % 7) {
	case 0:
		return say(fd, CHANGE, BITRATE, 1000000, "");
	case 1:
		/* An observer has nothing to say: the second message is nonsense. */
		return say(fd, OBSERVE, 0, 0, "");
	case 2:
		return first ? say(fd, CONSUME, 1, 0, "") : say(fd, CHANGE, KEY_FRAME, 0, "");
	default:
		/* What costs most: the engine looks through all controls. */
		return say(fd, CHANGE, BY_NAME, 1, "no such control");
	}
}

static unsigned long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static int flood(const char *path, long period)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static unsigned long long bursts[BURSTS][2];
	int sockets[CONNECTIONS], burst = 0;
	unsigned long sent = 0;
	struct timespec at;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	memset(sockets, -1, sizeof(sockets));
	signal(SIGTERM, end);
	clock_gettime(CLOCK_MONOTONIC, &at);
	for (; !over && burst < BURSTS; burst++) {
		bursts[burst][0] = now();
		for (int number = 0; number < CONNECTIONS; number++) {
			int *fd = &sockets[number], first = *fd < 0;
			char answer[64];

			/* Descriptors that come with an answer are not taken, so they close. */
			while (!first && recv(*fd, answer, sizeof(answer), MSG_DONTWAIT) == 0) {
				close(*fd);
				first = 1;
			}
			if (first) {
				*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
				if (connect(*fd, (struct sockaddr *)&address, sizeof(address))) {
					/* The queue of the listener is full. */
					close(*fd);
					*fd = -1;
					continue;
				}
			}
			sent += speak(*fd, number, first);
		}
		bursts[burst][1] = now();
		at.tv_nsec += period * 1000;
		at.tv_sec += at.tv_nsec / 1000000000;
		at.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
	printf("flood=%lu\n", sent);
	for (int each = 0; each < burst; each++)
		fprintf(stderr, "%llu %llu\n", bursts[each][0], bursts[each][1]);
	return 0;
}

static int keys(const char *path, int times)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) || !say(fd, CONSUME, 0, 0, ""))
		return 1;
	for (; times; times--)
		if (!say(fd, CHANGE, KEY_FRAME, 0, ""))
			return 1;
	return pause();
}

int main(int argc, char **argv)
{
	if (argc > 3 && !strcmp(argv[1], "fifo")) {
		struct sched_param param = { .sched_priority = atoi(argv[2]) };

		if (sched_setscheduler(0, SCHED_FIFO, &param))
			return perror("sched_setscheduler"), 1;
		execvp(argv[3], argv + 3);
		return perror(argv[3]), 127;
	}
	if (argc == 4 && !strcmp(argv[1], "flood"))
		return flood(argv[2], atol(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "keys"))
		return keys(argv[2], atoi(argv[3]));
	return 2;
}
