/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Producers that keep what they were given:  keeper SOCKET MODE COUNT SECONDS
 *
 *   sizes     is the producer COUNT times, of 1280x720 and 1280x736 in turn, keeps the slots and leaves; then stays for SECONDS, or until SIGTERM
 *   copied    the same, of frames as the engine has them, in slots that are copied and in the encoder's in turn
 *   former    is the producer of slots that are copied, fills them, leaves, and looks at them for SECONDS, or until SIGTERM
 *
 * Says `kept N refused M` (M answers were refusals), or `former BYTES`; at the end of `former` `seen N`, the looks that saw other bytes.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

static const char *path;
static int fds[MESSAGE_FDS], count;
static volatile sig_atomic_t asked_to_end;

static void end(int signal)
{
	(void)signal;
	asked_to_end = 1;
}

static void nap(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* A connection that asked for this, and the kind of the answer to it. */
static int produce(uint32_t width, uint32_t height, uint32_t copied, uint32_t *kind)
{
	uint32_t words[WORDS] = { [MAGIC] = MAGIC_VALUE, [VERSION] = VERSION_VALUE, [KIND] = PRODUCE, [OWN + 1] = width, height };
	char control[CMSG_SPACE(sizeof(int) * MESSAGE_FDS)];
	struct iovec iov = { words, sizeof(words) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct cmsghdr *rights;

	words[OWN + 5] = copied;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		perror(path), exit(1);
	(void)!send(fd, words, sizeof(words), MSG_NOSIGNAL);
	if (recvmsg(fd, &message, 0) != sizeof(words))
		fprintf(stderr, "no answer\n"), exit(1);
	*kind = words[KIND];
	rights = CMSG_FIRSTHDR(&message);
	count = rights ? (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
	if (rights)
		memcpy(fds, CMSG_DATA(rights), sizeof(int) * count);
	return fd;
}

static void keep(int times, int sizes)
{
	int kept = 0, refused = 0;

	for (int n = 0; n < times; n++) {
		uint32_t kind;
		int fd = produce(sizes ? 1280 : 0, sizes ? 720 + n % 2 * 16 : 0, sizes ? 0 : n % 2, &kind);

		if (kind == FRAMES) {
			kept += count - FIRST_PLANE;
			for (int at = 0; at < FIRST_PLANE; at++)
				close(fds[at]);
		} else {
			refused++;
		}
		close(fd);
		nap(50);
	}
	printf("kept %d refused %d\n", kept, refused);
	fflush(stdout);
}

static void former(int seconds)
{
	uint32_t kind, seen = 0;
	int fd = produce(0, 0, 1, &kind);
	struct stat file;
	unsigned char *slots;

	if (kind != FRAMES || count != FIRST_PLANE + 1 || fstat(fds[FIRST_PLANE], &file))
		fprintf(stderr, "no memfd\n"), exit(1);
	slots = mmap(NULL, file.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[FIRST_PLANE], 0);
	if (slots == MAP_FAILED)
		perror("mmap"), exit(1);
	memset(slots, 0xee, file.st_size);
	close(fd);
	printf("former %ld\n", (long)file.st_size);
	fflush(stdout);
	for (int n = 0; n < seconds * 200 && !asked_to_end; n++) {
		/* What it left, or nothing, because the engine freed it. */
		seen += slots[4096] != 0xee && slots[4096] != 0;
		nap(5);
	}
	/* Blocks that are there: those that it looked at. */
	fstat(fds[FIRST_PLANE], &file);
	printf("seen %u blocks %ld\n", seen, (long)file.st_blocks);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	path = argv[1];
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = end }, NULL);
	if (!strcmp(argv[2], "former"))
		return former(atoi(argv[4])), 0;
	keep(atoi(argv[3]), !strcmp(argv[2], "sizes"));
	for (int n = 0; n < atoi(argv[4]) && !asked_to_end; n++)
		sleep(1);
	return 0;
}
