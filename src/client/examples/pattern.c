/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Sends a moving pattern:  pattern SOCKET FRAMES [WIDTHxHEIGHT|- [copy|HEAP]]
 *
 *   cc -O2 pattern.c -o pattern && ./pattern /run/framemill.sock 100 1280x720
 *
 * The slots are the encoder's buffers; `copy`: memory that the engine copies from; HEAP: own memory of such a dma-buf heap
 * (/dev/dma_heap/linux,cma), which the encoder imports. Says what became of the frames, and what the slots were. Byte number c of
 * row r of plane p in frame n is c + 2r + 5n + 64p. Exit code: 0, 2 usage, 1 everything else.
 */
#define FRAMEMILL_IMPLEMENTATION
#include "../framemill.h"

#include <linux/dma-heap.h>
#include <stdio.h>
#include <stdlib.h>

static int complain(const char *what, int code)
{
	fprintf(stderr, "%s: %s\n", what, fm_text(code));
	if (code == FM_E_SYSTEM || code == FM_E_NO_ENGINE)
		perror(what);
	return 1;
}

/* As many dma-bufs as the producer has slots, offered in their place. */
static int import(struct fm_producer *producer, const char *heap)
{
	int fds[FM_SLOTS_MAX * FM_PLANES_MAX], result;
	uint32_t at, count = producer->slots * producer->memory_planes, slots = producer->slots;
	int device = open(heap, O_RDWR | O_CLOEXEC);

	for (at = 0; at < count; at++) {
		struct dma_heap_allocation_data data;

		memset(&data, 0, sizeof(data));
		data.len = producer->memory_bytes[at % producer->memory_planes];
		data.fd_flags = O_RDWR | O_CLOEXEC;
		if (device < 0 || ioctl(device, DMA_HEAP_IOCTL_ALLOC, &data)) {
			perror(heap);
			exit(1);
		}
		fds[at] = (int)data.fd;
	}
	close(device);
	result = fm_produce_import(producer, slots, fds, NULL, NULL);
	/* The producer has its own descriptors. */
	while (at-- > 0)
		close(fds[at]);
	return result;
}

static void draw(const struct fm_plane *plane, uint32_t number, unsigned long frame)
{
	uint32_t row, column;

	for (row = 0; row < plane->rows; row++) {
		unsigned char *bytes = plane->data + (size_t)row * plane->bytesperline;

		for (column = 0; column < plane->row_bytes; column++)
			bytes[column] = (unsigned char)(column + 2 * row + 5 * frame + 64 * number);
	}
}

static int produce(struct fm_producer *producer, unsigned long frames)
{
	uint64_t numerator = producer->format.rate_numerator, published, dropped;
	unsigned long frame;
	int result;

	for (frame = 0; frame < frames; frame++) {
		int slot = fm_produce_acquire(producer, -1);
		uint32_t number;

		if (slot < 0)
			return complain("acquire", slot);
		for (number = 0; number < producer->planes; number++) {
			struct fm_plane plane;

			if (fm_produce_plane(producer, slot, number, &plane) == 0 && plane.data)
				draw(&plane, number, frame);
		}
		/* As if they came at the engine's rate. */
		result = fm_produce_commit(producer, slot,
			frame * UINT64_C(1000000000) * producer->format.rate_denominator / (numerator ? numerator : 1));
		if (result < 0)
			return complain("commit", result);
	}
	result = fm_produce_finish(producer, -1);
	if (result < 0)
		return complain("finish", result);
	fm_produce_accounts(producer, &published, &dropped);
	printf("%lu committed, %lu published, %lu dropped, %s\n", frames, (unsigned long)published, (unsigned long)dropped,
		producer->memory == FM_EXPORTED ? "exported" : producer->memory == FM_COPIED ? "copied" : "imported");
	return 0;
}

int main(int argc, char **argv)
{
	struct fm_engine engine = { argc > 1 ? argv[1] : NULL, 0 };
	struct fm_producer producer;
	struct fm_format format;
	unsigned long frames = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	unsigned int width = 0, height = 0;
	int result;

	memset(&format, 0, sizeof(format));
	if (frames == 0 || argc > 5 || (argc > 3 && strcmp(argv[3], "-") && sscanf(argv[3], "%ux%u", &width, &height) != 2))
		return fprintf(stderr, "usage: pattern SOCKET FRAMES [WIDTHxHEIGHT|- [copy|HEAP]]\n"), 2;
	format.width = width;
	format.height = height;
	format.copied = argc > 4 && !strcmp(argv[4], "copy");
	result = fm_produce_open(&producer, &engine, &format);
	if (result < 0)
		return complain("open", result);
	if (argc > 4 && !format.copied) {
		result = import(&producer, argv[4]);
		if (result < 0)
			return complain("import", result);
	}
	result = produce(&producer, frames);
	fm_produce_close(&producer);
	return result;
}
