/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client that is not made with the library: it speaks to the control socket in bytes, as src/control/message.rs describes them.
 *
 *   peer SOCKET CHANGE…   joins as a consumer, then sends each change by its number (1: a key frame, 2: a bitrate); says for each
 *                         `kept` when the engine stays silent for half a second, or `refused N` with the reason's number.
 *   peer SOCKET import F [U V]
 *                         joins as a producer, offers two slots of 640x480 4:2:0, each of them the file F, or of the heap F, with planes
 *                         that begin at U and V, and says `slots N` with what it gets (1: the encoder's, 3: its own), or `refused N`.
 *   peer SOCKET late F    the same, but says before it offers that it is done; the engine is stopped until it has said both.
 *   peer SOCKET rounds N  joins as a producer and leaves again, N times; each tenth time it does not wait for the answer, and each
 *                         hundredth it wants frames of another size. Says `rounds N` with those that were let in.
 *   peer SOCKET bad       joins as a producer, writes nonsense into the frame ring, wakes nobody, says `bad`, and stays until the
 *                         engine cuts it off.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol.h"

static void say(int fd, uint32_t kind, uint32_t first, uint32_t third)
{
	uint32_t words[WORDS] = { [MAGIC] = MAGIC_VALUE, [VERSION] = VERSION_VALUE, [KIND] = kind, [OWN] = first, [OWN + 2] = third };

	if (send(fd, words, sizeof(words), MSG_NOSIGNAL) != sizeof(words))
		perror("send"), exit(1);
}

/* The kind of the next message, or 0 when none comes within half a second; its first word of its own in `first`. */
static uint32_t hear(int fd, uint32_t *first)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint32_t words[WORDS];

	if (poll(&poll_fd, 1, 500) != 1)
		return 0;
	if (recv(fd, words, sizeof(words), 0) != sizeof(words))
		fprintf(stderr, "no whole message\n"), exit(1);
	*first = words[OWN];
	return words[KIND];
}

/* The first descriptor of the next message: the ring. */
static int hear_ring(int fd)
{
	char control[CMSG_SPACE(sizeof(int) * 128)], words[64];
	struct iovec iov = { words, sizeof(words) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

	if (recvmsg(fd, &message, 0) != sizeof(words) || !CMSG_FIRSTHDR(&message))
		fprintf(stderr, "no descriptors\n"), exit(1);
	return *(int *)CMSG_DATA(CMSG_FIRSTHDR(&message));
}

/* A file, or memory of a heap. */
static int memory(const char *path)
{
	struct dma_heap_allocation_data data = { .len = 1 << 20, .fd_flags = O_RDWR | O_CLOEXEC };
	int fd = open(path, strncmp(path, "/dev/dma_heap/", 14) ? O_RDONLY : O_RDWR);

	if (fd < 0)
		perror(path), exit(1);
	return ioctl(fd, DMA_HEAP_IOCTL_ALLOC, &data) ? fd : (int)data.fd;
}

/* Whoever made the socket that this one is connected to. */
static pid_t engine(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes))
		perror("SO_PEERCRED"), exit(1);
	return peer.pid;
}

static void tell(pid_t process, int signal)
{
	if (kill(process, signal))
		perror("kill"), exit(1);
}

/* Two slots of one memory plane, 640 bytes from row to row. */
static int import(int fd, int late, const char *path, uint32_t u, uint32_t v)
{
	uint32_t words[WORDS] = { [MAGIC] = MAGIC_VALUE, [VERSION] = VERSION_VALUE, [KIND] = IMPORT, [OWN] = 2, 1, 640, 0, 0, 0, u, v };
	char control[CMSG_SPACE(sizeof(int) * 2)] = { 0 };
	struct iovec iov = { words, sizeof(words) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	int files[2] = { memory(path), memory(path) };
	uint32_t first;

	say(fd, PRODUCE, 0, 0);
	if (hear(fd, &first) != FRAMES)
		return fprintf(stderr, "not admitted\n"), 1;
	/* An engine that has nothing more to do would be gone before it is asked. */
	if (late) {
		tell(engine(fd), SIGSTOP);
		say(fd, FINISH, 0, 0);
	}

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(files));
	memcpy(CMSG_DATA(rights), files, sizeof(files));
	if (sendmsg(fd, &message, MSG_NOSIGNAL) != sizeof(words))
		return perror("sendmsg"), 1;
	if (late)
		tell(engine(fd), SIGCONT);
	if (recv(fd, words, sizeof(words), 0) != sizeof(words))
		return fprintf(stderr, "no whole message\n"), 1;
	return printf("%s %u\n", words[KIND] == FRAMES ? "slots" : "refused", words[words[KIND] == FRAMES ? OWN + 2 : OWN]), 0;
}

/* Frames of this size, or as the engine has them. */
static void produce(int fd, uint32_t width, uint32_t height)
{
	uint32_t words[WORDS] = { [MAGIC] = MAGIC_VALUE, [VERSION] = VERSION_VALUE, [KIND] = PRODUCE, [OWN + 1] = width, height };

	if (send(fd, words, sizeof(words), MSG_NOSIGNAL) != sizeof(words))
		perror("send"), exit(1);
}

static int rounds(const struct sockaddr_un *address, int count)
{
	char control[CMSG_SPACE(sizeof(int) * 128)];
	uint32_t words[WORDS];
	int round = 0, let_in = 0;

	while (round < count) {
		struct iovec iov = { words, sizeof(words) };
		struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), resize = round % 100 == 99;

		if (connect(fd, (struct sockaddr *)address, sizeof(*address)))
			return perror("connect"), 1;
		produce(fd, resize ? (round % 200 == 99 ? 800 : 640) : 0, resize ? (round % 200 == 99 ? 608 : 480) : 0);
		if (round % 10 == 9 && !resize) {
			round++;
		} else if (recvmsg(fd, &message, 0) != sizeof(words)) {
			return fprintf(stderr, "no answer\n"), 1;
		} else if (words[KIND] == FRAMES) {
			struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

			for (unsigned at = 0; rights && at < (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int); at++)
				close(((int *)CMSG_DATA(rights))[at]);
			round++, let_in++;
		} /* else the one before has not been seen to leave: once more. */
		close(fd);
	}
	return printf("rounds %d\n", let_in), 0;
}

static int bad(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	volatile uint32_t *filled;
	char *ring;

	say(fd, PRODUCE, 0, 0);
	ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, hear_ring(fd), 0);
	if (ring == MAP_FAILED)
		return perror("mmap"), 1;
	filled = (volatile uint32_t *)ring + RING_FILLED;
	*filled = 1000000;
	printf("bad\n");
	fflush(stdout);
	return poll(&poll_fd, 1, 20000) == 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	uint32_t first;

	if (argc < 2)
		return 2;
	strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
	if (argc > 3 && !strcmp(argv[2], "rounds"))
		return rounds(&address, atoi(argv[3]));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return perror(argv[1]), 1;
	if (argc > 2 && !strcmp(argv[2], "bad"))
		return bad(fd);
	if (argc > 3 && (!strcmp(argv[2], "import") || !strcmp(argv[2], "late")))
		return import(fd, *argv[2] == 'l', argv[3], argc > 5 ? atoi(argv[4]) : 0, argc > 5 ? atoi(argv[5]) : 0);
	say(fd, CONSUME, 0, 0);
	if (hear(fd, &first) != PACKETS)
		return fprintf(stderr, "not admitted\n"), 1;
	for (int at = 2; at < argc; at++) {
		/* A bitrate stands in the third word. */
		say(fd, CHANGE, atoi(argv[at]), atoi(argv[at]) == 2 ? 1000000 : 0);
		if (hear(fd, &first) == REFUSED)
			return printf("refused %u\n", first), 0;
		printf("kept\n");
	}
	return 0;
}
