/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Writes a stream to a file, from a key frame on, codec headers first:  record [SOCKET [FILE [key|oldest|live]]]
 *
 *   cc -O2 record.c -o record && ./record /run/framemill.sock clip.h264
 *
 * Ends with the stream. Says what was lost. Exit code: 0, 2 usage, 1 everything else.
 */
#define FRAMEMILL_IMPLEMENTATION
#include "../framemill.h"

#include <stdio.h>
#include <stdlib.h>

/* The stream's own end, or an error. */
static int record(struct fm_consumer *consumer, FILE *file, unsigned char *bytes, size_t room)
{
	unsigned char headers[1024];
	unsigned long packets = 0, lost = 0;
	int gone = 0;

	for (;;) {
		struct fm_packet packet;
		int next = fm_consume_next(consumer, bytes, room, &packet);

		if (next == FM_PACKET && (packet.flags & FM_END)) {
			fprintf(stderr, "%lu packets, %lu lost\n", packets, lost);
			return 0;
		} else if (next == FM_PACKET) {
			size_t length = fm_consume_headers(consumer, &packet, headers, sizeof(headers));

			if (fwrite(headers, 1, length, file) != length || fwrite(bytes, 1, packet.length, file) != packet.length)
				return perror("write"), -1;
			packets++;
		} else if (next == FM_LAPPED) {
			lost += (unsigned long)consumer->lost;
		} else if (next == FM_TOO_SMALL) {
			/* Cannot be: there is room for the largest. */
			fm_consume_skip(consumer);
			lost++;
		} else if (gone) {
			/* What was in the ring is written. */
			fprintf(stderr, "%s, after %lu packets, %lu lost\n", fm_text(gone), packets, lost);
			return gone;
		} else {
			int woken = fm_consume_wait(consumer, -1);

			gone = woken < 0 ? woken : 0;
		}
	}
}

int main(int argc, char **argv)
{
	static const char *const starts[] = { "key", "oldest", "live" };
	struct fm_engine engine = { argc > 1 ? argv[1] : NULL, 0 };
	struct fm_consumer consumer;
	int start = 0, result;
	unsigned char *bytes;
	FILE *file = stdout;

	while (argc > 3 && start < 3 && strcmp(argv[3], starts[start]))
		start++;
	if (argc > 4 || start == 3)
		return fprintf(stderr, "usage: record [SOCKET [FILE [key|oldest|live]]]\n"), 2;
	result = fm_consume_open(&consumer, &engine, start);
	if (result < 0)
		return fprintf(stderr, "%s\n", fm_text(result)), 1;
	if (argc > 2 && !(file = fopen(argv[2], "wb")))
		return perror(argv[2]), 1;
	bytes = (unsigned char *)malloc(fm_consume_largest(&consumer));
	if (!bytes)
		return perror("malloc"), 1;
	result = record(&consumer, file, bytes, fm_consume_largest(&consumer));
	free(bytes);
	fm_consume_close(&consumer);
	return fclose(file) || result < 0;
}
