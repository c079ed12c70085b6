/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * In the guest: when bytes come out of a pipe. Reads standard input, and at its end writes the time of each read (CLOCK_MONOTONIC, ns) and
 * its bytes to FILE. Knows no packets.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { READS = 100000 };
static char bytes[1 << 20];
static struct {
	uint64_t time;
	long count;
} reads[READS];

int main(int argc, char **argv)
{
	FILE *out = argc == 2 ? fopen(argv[1], "w") : NULL;
	long count, total = 0;

	if (!out)
		return fprintf(stderr, "usage: stamp FILE\n"), 2;
	while (total < READS && (count = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		reads[total].time = now.tv_sec * 1000000000ull + now.tv_nsec;
		reads[total++].count = count;
	}
	for (long at = 0; at < total; at++)
		fprintf(out, "%lu %ld\n", reads[at].time, reads[at].count);
	return fclose(out) != 0;
}
