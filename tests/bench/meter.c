/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * In the guest: says to the plugin `tasks` which program is which, and when to write its counts out. Knows the two pages that the plugin
 * watches; knows nothing of what is counted.
 *
 *   meter mark N            writes all counts out under label N; they begin at zero again
 *   meter as GROUP PROGRAM… becomes the program, which is counted in that group; the page addresses in it are the same each time
 *   meter now               prints CLOCK_MONOTONIC, ns
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

enum { DUMP = 512, LABELS = 1536 };

/* Linked where the plugin looks: `scripts/bench` says so to the linker. The page of code does nothing but read a word of the page of data. */
__attribute__((section(".markerdata"))) volatile uint64_t words[DUMP + LABELS] = { 1 };

__attribute__((section(".marker"), noinline)) static uint64_t mark(unsigned word)
{
	return words[word];
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "now")) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		return printf("%lu\n", now.tv_sec * 1000000000ul + now.tv_nsec) < 0;
	}
	if (argc == 3 && !strcmp(argv[1], "mark"))
		return mark(DUMP + atoi(argv[2]) % LABELS), 0;
	if (argc < 4 || strcmp(argv[1], "as"))
		return fprintf(stderr, "usage: meter mark N | as GROUP PROGRAM [ARGUMENT…] | now\n"), 2;
	/* A random place in memory would make runs differ by a few page tables and cache lines. */
	personality(ADDR_NO_RANDOMIZE);
	mark(atoi(argv[2]) % DUMP);
	execvp(argv[3], argv + 3);
	perror(argv[3]);
	return 127;
}
