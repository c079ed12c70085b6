/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Clients that make it expensive to wake them:  waiters SOCKET MODE COUNT SECONDS
 *
 *   futex     a consumer without a wake socket; COUNT threads, each of which waits on the futex word 128 times at once (futex_waitv)
 *   epoll     a consumer whose wake socket is in an epoll COUNT times, under as many numbers
 *   filled    a producer, whose end of the "filled" socket is there COUNT times, and which wakes the engine a hundred times a second
 *   sleep     an honest consumer that sleeps on the futex word until it saw COUNT packets: then says `woken N of M`, N of M packets woke it
 *   reverse   a consumer that sends COUNT messages with 253 memfds each into its wake socket; says how many were taken
 *
 * Says its mode when all are there; at the end `refused N` with the reason's number, 0 when it was still in. The end comes with SIGTERM, and
 * after SECONDS at the latest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

/* Offsets of the packet ring's header: sequence of the next packet, futex word. */
enum { HEAD = 64, WAKE = 64 + 24 };

static int fds[MESSAGE_FDS], count;
static uint32_t *word;
static volatile sig_atomic_t asked_to_end;

static void end(int signal)
{
	(void)signal;
	asked_to_end = 1;
}

static double seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int lasts(double until)
{
	return !asked_to_end && seconds() < until;
}

static void say(int fd, uint32_t kind, uint32_t first)
{
	uint32_t words[WORDS] = { [MAGIC] = MAGIC_VALUE, [VERSION] = VERSION_VALUE, [KIND] = kind, [OWN] = first };

	(void)!send(fd, words, sizeof(words), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The kind of the next message, 0 for none within that time; its first word in `first`. */
static uint32_t hear(int fd, uint32_t *first, int ms)
{
	char control[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
	uint32_t words[WORDS];
	struct iovec iov = { words, sizeof(words) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct cmsghdr *rights;

	if (poll(&poll_fd, 1, ms) != 1 || recvmsg(fd, &message, 0) != sizeof(words))
		return 0;
	rights = CMSG_FIRSTHDR(&message);
	if (rights) {
		count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(rights), sizeof(int) * count);
	}
	*first = words[OWN];
	return words[KIND];
}

static void here(const char *mode)
{
	printf("%s\n", mode);
	fflush(stdout);
}

static int pile(void *unused)
{
	struct { uint64_t value, address; uint32_t flags, zero; } waits[128];

	(void)unused;
	for (;;) {
		for (int n = 0; n < 128; n++) {
			waits[n].value = __atomic_load_n(word, __ATOMIC_RELAXED);
			waits[n].address = (uintptr_t)word;
			/* 32 bits, shared. */
			waits[n].flags = 2;
			waits[n].zero = 0;
		}
		syscall(449, waits, 128, 0, NULL, 0);
	}
	return 0;
}

static void piles(int threads)
{
	for (int n = 0; n < threads; n++) {
		char *stack = mmap(NULL, 32768, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (stack == MAP_FAILED ||
		    clone(pile, stack + 32768, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, NULL) < 0)
			perror("clone"), exit(2);
	}
}

static void crowd(int fd, int times, uint32_t events)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (int n = 0; n < times; n++) {
		struct epoll_event event = { .events = events };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, dup(fd), &event))
			perror("epoll_ctl"), exit(2);
	}
}

static void sleeper(double until, uint64_t packets)
{
	volatile uint64_t *head = (volatile uint64_t *)((char *)word - WAKE + HEAD);
	struct timespec patience = { 3, 0 };
	uint64_t first = *head, seen = first, woken = 0;

	while (lasts(until) && seen - first < packets) {
		uint32_t value = __atomic_load_n(word, __ATOMIC_ACQUIRE);

		if (*head != seen) {
			seen++;
			continue;
		}
		if (!syscall(SYS_futex, word, FUTEX_WAIT, value, &patience, NULL, 0))
			woken++;
	}
	printf("woken %lu of %lu\n", (unsigned long)woken, (unsigned long)(seen - first));
}

static void reverse(int fd, int messages)
{
	int sent = 0;

	for (int n = 0; n < messages; n++) {
		char control[CMSG_SPACE(sizeof(int) * 253)] = { 0 };
		struct iovec iov = { "x", 1 };
		struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
		int files[253];

		for (int at = 0; at < 253; at++)
			files[at] = memfd_create("x", MFD_CLOEXEC);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(files));
		memcpy(CMSG_DATA(rights), files, sizeof(files));
		sent += sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
		for (int at = 0; at < 253; at++)
			close(files[at]);
	}
	printf("taken %d\n", sent);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct rlimit many = { 1 << 18, 1 << 18 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), number, socket_fd = -1, produces;
	uint32_t first = 0, kind;
	double until;
	char *map;

	if (argc != 5)
		return 2;
	setrlimit(RLIMIT_NOFILE, &many);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = end }, NULL);
	number = atoi(argv[3]);
	until = seconds() + atoi(argv[4]);
	strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return perror(argv[1]), 1;
	produces = !strcmp(argv[2], "filled");
	say(fd, produces ? PRODUCE : CONSUME, !strcmp(argv[2], "epoll") || !strcmp(argv[2], "reverse"));
	kind = hear(fd, &first, 5000);
	if (kind == REFUSED)
		return printf("refused %u\n", first), 0;
	if (kind != FRAMES && kind != PACKETS)
		return fprintf(stderr, "no answer\n"), 1;
	map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fds[0], 0);
	if (map == MAP_FAILED)
		return perror("mmap"), 1;
	word = (uint32_t *)(map + WAKE);
	if (!strcmp(argv[2], "futex"))
		piles(number);
	if (!strcmp(argv[2], "epoll"))
		crowd(socket_fd = fds[1], number, EPOLLIN);
	if (produces)
		crowd(fds[FILLED_SOCKET], number, EPOLLOUT);
	if (!strcmp(argv[2], "reverse"))
		reverse(fds[1], number);
	here(argv[2]);
	if (!strcmp(argv[2], "sleep"))
		return sleeper(until, number), 0;
	for (first = 0; lasts(until);) {
		char bytes[256];

		while (socket_fd >= 0 && recv(socket_fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			;
		if (produces)
			(void)!send(fds[FILLED_SOCKET], "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (hear(fd, &first, 10) == REFUSED)
			break;
	}
	printf("refused %u\n", first);
	/* Not one by one: that would take longer than all the rest. */
	fflush(stdout);
	_exit(0);
}
