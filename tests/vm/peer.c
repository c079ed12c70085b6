/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A consumer that is not made with the library: it speaks to the control socket in bytes, as src/control/message.rs describes them.
 *
 *   peer SOCKET CHANGE…   joins as a consumer, then sends each change by its number (1: a key frame, 2: a bitrate); says for each
 *                         `kept` when the engine stays silent for half a second, or `refused N` with the reason's number.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { MAGIC, VERSION, KIND, ZERO, OWN, WORDS = 16 };
enum { CONSUME = 2, CHANGE = 5, PACKETS = 17, REFUSED = 18 };

static void say(int fd, uint32_t kind, uint32_t first, uint32_t third)
{
	uint32_t words[WORDS] = { [MAGIC] = 0x74634d46, [VERSION] = 1, [KIND] = kind, [OWN] = first, [OWN + 2] = third };

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

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	uint32_t first;

	if (argc < 2)
		return 2;
	strncpy(address.sun_path, argv[1], sizeof(address.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return perror(argv[1]), 1;
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
