/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client on framemill.h that does everything and says what came of it, for tests with sanitizers:
 *
 *   client consume SOCKET CALLS START   takes packets until the end or an error, looks CALLS times at most
 *   client produce SOCKET FRAMES        commits frames as fast as slots come back, then finishes
 *   client stat SOCKET
 *   client bitrate SOCKET BITS, client item SOCKET NAME ITEM
 *
 * Lines: `open CODE`, `end CODE`, `packets N lost N bytes N sum N`; last `left N fds N maps`: descriptors and mappings more than at the start.
 */
#define FRAMEMILL_IMPLEMENTATION
#include "../../src/client/framemill.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned char bytes[1 << 21];

static int count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (folder && readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static int count_maps(void)
{
	static char line[4096];
	FILE *file = fopen("/proc/self/maps", "r");
	int count = 0;

	while (file && fgets(line, sizeof(line), file))
		count += strstr(line, " r--s ") || strstr(line, " rw-s ");
	fclose(file);
	return count;
}

static void consume(const struct fm_engine *engine, unsigned long calls, int start)
{
	struct fm_consumer consumer;
	unsigned long packets = 0, lost = 0, sum = 0, total = 0, headers = 0;
	uint32_t at;
	int result = fm_consume_open(&consumer, engine, start), next = 0, gone = 0;

	printf("open %d\n", result);
	if (result < 0)
		return;
	fflush(stdout);
	while (calls-- > 0) {
		struct fm_packet packet;
		struct fm_stat stat;

		next = fm_consume_next(&consumer, bytes, sizeof(bytes), &packet);
		if (next == FM_PACKET) {
			unsigned char own[1024];

			if (packet.flags & FM_END)
				break;
			headers += fm_consume_headers(&consumer, &packet, own, sizeof(own));
			packets++;
			total += packet.length;
			for (at = 0; at < packet.length; at++)
				sum += bytes[at];
		} else if (next == FM_LAPPED) {
			lost += consumer.lost;
		} else if (next == FM_TOO_SMALL) {
			fm_consume_skip(&consumer);
			lost++;
		} else if (gone < 0) {
			break;
		} else {
			result = fm_consume_wait(&consumer, 20000);
			gone = result < 0 ? result : 0;
			if (result == 0)
				break;
		}
		if (calls % 64 == 0)
			(void)fm_consume_stat(&consumer, &stat);
	}
	printf("end %d\npackets %lu lost %lu bytes %lu sum %lu headers %lu\n", gone, packets, lost, total, sum, headers);
	fm_consume_close(&consumer);
}

static void produce(const struct fm_engine *engine, unsigned long frames)
{
	struct fm_producer producer;
	uint64_t published, dropped;
	uint32_t number, row;
	int result = fm_produce_open(&producer, engine, NULL), slot, spare = 1;

	printf("open %d\n", result);
	if (result < 0)
		return;
	fflush(stdout);
	while (frames > 0) {
		slot = fm_produce_acquire(&producer, 20000);
		if (slot < 0) {
			result = slot;
			break;
		}
		for (number = 0; number < producer.planes; number++) {
			struct fm_plane plane;

			if (fm_produce_plane(&producer, slot, number, &plane))
				abort();
			for (row = 0; row < plane.rows; row++)
				memset(plane.data + (size_t)row * plane.bytesperline, (int)frames, plane.row_bytes);
		}
		/* Each slot is first given back unused once. */
		if (spare++ % 2) {
			result = fm_produce_release(&producer, slot);
			continue;
		}
		result = fm_produce_commit(&producer, slot, frames);
		if (result < 0 || fm_produce_commit(&producer, slot, frames) != FM_E_ARGUMENT)
			break;
		frames--;
	}
	if (result >= 0)
		result = fm_produce_finish(&producer, 20000);
	fm_produce_accounts(&producer, &published, &dropped);
	printf("end %d\npublished %lu dropped %lu size %ux%u slots %u\n", result, (unsigned long)published, (unsigned long)dropped,
		producer.format.width, producer.format.height, producer.slots);
	fm_produce_close(&producer);
}

static void look(const struct fm_engine *engine)
{
	struct fm_stat stat;
	int result = fm_stat(engine, &stat);

	printf("open %d\n", result);
	if (result == 0)
		printf("state %s packets %lu %s %lu size %ux%u device %s\n", fm_state_name(stat.state), (unsigned long)stat.packets,
			fm_counter_name(0), (unsigned long)stat.counters[0], stat.stream.width, stat.stream.height, stat.stream.device);
}

static void change(const struct fm_engine *engine, const char *number, const char *item)
{
	struct fm_outcome outcome;
	int result = item ? fm_control_item(engine, number, item, &outcome)
			  : fm_bitrate(engine, (uint32_t)strtoul(number, NULL, 10), &outcome);

	printf("open %d\n", result);
	if (result == 0 || result == FM_E_NOT_DONE)
		printf("outcome %u value %lld range %lld to %lld name %s\n", outcome.outcome, (long long)outcome.value,
			(long long)outcome.minimum, (long long)outcome.maximum, outcome.name);
}

int main(int argc, char **argv)
{
	struct fm_engine engine = { argc > 2 ? argv[2] : NULL, 0 };
	unsigned long count = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	int fds = count_fds(), maps = count_maps();

	if (argc < 3)
		return 2;
	if (!strcmp(argv[1], "consume"))
		consume(&engine, count, argc > 4 ? atoi(argv[4]) : FM_START_KEY);
	else if (!strcmp(argv[1], "produce"))
		produce(&engine, count);
	else if (!strcmp(argv[1], "stat"))
		look(&engine);
	else
		change(&engine, argv[3], argc > 4 ? argv[4] : NULL);
	printf("left %d fds %d maps\n", count_fds() - fds, count_maps() - maps);
	return 0;
}
