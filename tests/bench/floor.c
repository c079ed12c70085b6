/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The floor: the least that a client of a V4L2 memory-to-memory encoder can do, as others are compared with it. One process, raw calls, no
 * library, no check of what a driver or another process may do wrong, and nobody but one futex word to wake.
 *
 *   floor file WxH FOURCC FRAMES RATE FILE    frames read from FILE into the encoder's buffers, its first frame again and again
 *   floor none WxH FOURCC FRAMES RATE         frames that nobody wrote
 *   floor camera WxH FOURCC FRAMES 0 NODE     a camera's buffers, imported
 *
 * RATE is frames a second; 0: as fast as they go. Coded bytes are copied once into a ring of 4 MiB. Prints frames, packets, bytes, and the
 * microseconds until the first packet.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 6, CODED = 4, RING = 4 << 20 };
enum { OUTPUT = V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE, CAPTURE = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, CAMERA = V4L2_BUF_TYPE_VIDEO_CAPTURE };

static int encoder, camera = -1, exported[SLOTS];
static void *slots[SLOTS], *coded[CODED];
static uint32_t slot_bytes, memory = V4L2_MEMORY_MMAP, word;
static uint8_t *ring;
static uint64_t position, packets, bytes, began, first;

static void call(int fd, unsigned long request, void *argument, const char *name)
{
	if (ioctl(fd, request, argument))
		fprintf(stderr, "floor: %s: %s\n", name, strerror(errno)), exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static uint32_t format(uint32_t type, int width, int height, uint32_t fourcc)
{
	struct v4l2_format format = { .type = type, .fmt.pix_mp = {
		.width = width, .height = height, .pixelformat = fourcc, .field = V4L2_FIELD_NONE, .num_planes = 1 } };

	call(encoder, VIDIOC_S_FMT, &format, "S_FMT");
	return format.fmt.pix_mp.plane_fmt[0].sizeimage;
}

static void control(uint32_t id, int32_t value)
{
	struct v4l2_control control = { id, value };

	call(encoder, VIDIOC_S_CTRL, &control, "S_CTRL");
}

static void request(int fd, uint32_t type, uint32_t kind, uint32_t count)
{
	struct v4l2_requestbuffers request = { .type = type, .memory = kind, .count = count };

	call(fd, VIDIOC_REQBUFS, &request, "REQBUFS");
	if (request.count != count)
		fprintf(stderr, "floor: %u buffers\n", request.count), exit(1);
}

static void map(uint32_t type, uint32_t index, void **where)
{
	struct v4l2_plane plane = { 0 };
	struct v4l2_buffer buffer = { .type = type, .memory = V4L2_MEMORY_MMAP, .index = index, .m.planes = &plane, .length = 1 };

	call(encoder, VIDIOC_QUERYBUF, &buffer, "QUERYBUF");
	*where = mmap(NULL, plane.length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, encoder, plane.m.mem_offset);
	if (*where == MAP_FAILED)
		perror("floor: mmap"), exit(1);
}

static void queue(uint32_t type, uint32_t kind, uint32_t index, uint64_t stamp)
{
	struct v4l2_plane plane = { .bytesused = slot_bytes, .length = slot_bytes, .m.fd = exported[index] };
	struct v4l2_buffer buffer = { .type = type, .memory = kind, .index = index, .m.planes = &plane, .length = 1,
		.timestamp = { stamp / 1000000, stamp % 1000000 }, .flags = V4L2_BUF_FLAG_TIMESTAMP_COPY, .field = V4L2_FIELD_NONE };

	call(encoder, VIDIOC_QBUF, &buffer, "QBUF");
}

/* The index, or -1 where there is none. */
static int dequeue(uint32_t type, uint32_t kind, uint32_t *used)
{
	struct v4l2_plane plane = { 0 };
	struct v4l2_buffer buffer = { .type = type, .memory = kind, .m.planes = &plane, .length = 1 };

	if (!ioctl(encoder, VIDIOC_DQBUF, &buffer))
		return *used = plane.bytesused, (int)buffer.index;
	if (errno != EAGAIN)
		perror("floor: DQBUF"), exit(1);
	return -1;
}

/* One packet, if there is one. */
static bool take(void)
{
	uint32_t used = 0, at = position % RING;
	int index = dequeue(CAPTURE, V4L2_MEMORY_MMAP, &used);

	if (index < 0)
		return false;
	if (at + used > RING)
		at = 0, position += RING - position % RING;
	memcpy(ring + at, coded[index], used);
	position += used, bytes += used, packets++;
	if (!first)
		first = now();
	queue(CAPTURE, V4L2_MEMORY_MMAP, index, 0);
	word++;
	syscall(SYS_futex, &word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	return true;
}

static void open_camera(const char *node, int width, int height, uint32_t fourcc)
{
	struct v4l2_format format = { .type = CAMERA };

	camera = open(node, O_RDWR | O_NONBLOCK);
	if (camera < 0)
		perror(node), exit(1);
	format.fmt.pix = (struct v4l2_pix_format){ .width = width, .height = height, .pixelformat = fourcc, .field = V4L2_FIELD_NONE };
	call(camera, VIDIOC_S_FMT, &format, "S_FMT");
	if ((int)format.fmt.pix.width != width || (int)format.fmt.pix.height != height || format.fmt.pix.pixelformat != fourcc)
		fprintf(stderr, "floor: the camera has %ux%u\n", format.fmt.pix.width, format.fmt.pix.height), exit(1);
	slot_bytes = format.fmt.pix.sizeimage;
	memory = V4L2_MEMORY_DMABUF;
	request(camera, CAMERA, V4L2_MEMORY_MMAP, SLOTS);
	for (int slot = 0; slot < SLOTS; slot++) {
		struct v4l2_exportbuffer export = { .type = CAMERA, .index = slot, .flags = O_RDWR };
		struct v4l2_buffer buffer = { .type = CAMERA, .memory = V4L2_MEMORY_MMAP, .index = slot };

		call(camera, VIDIOC_EXPBUF, &export, "EXPBUF");
		exported[slot] = export.fd;
		call(camera, VIDIOC_QBUF, &buffer, "QBUF");
	}
}

static void open_encoder(int width, int height, uint32_t fourcc)
{
	int types[] = { OUTPUT, CAPTURE, CAMERA };
	uint32_t wanted;

	encoder = open("/dev/video11", O_RDWR | O_NONBLOCK);
	if (encoder < 0)
		perror("/dev/video11"), exit(1);
	format(CAPTURE, width, height, V4L2_PIX_FMT_H264);
	wanted = format(OUTPUT, width, height, fourcc);
	if (camera < 0)
		slot_bytes = wanted;
	control(V4L2_CID_MPEG_VIDEO_BITRATE, 4000000);
	control(V4L2_CID_MPEG_VIDEO_H264_I_PERIOD, 60);
	control(V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 1);
	control(V4L2_CID_MPEG_VIDEO_H264_LEVEL, V4L2_MPEG_VIDEO_H264_LEVEL_4_2);
	request(encoder, OUTPUT, memory, SLOTS);
	request(encoder, CAPTURE, V4L2_MEMORY_MMAP, CODED);
	for (int slot = 0; slot < SLOTS && camera < 0; slot++)
		map(OUTPUT, slot, &slots[slot]);
	for (int index = 0; index < CODED; index++) {
		map(CAPTURE, index, &coded[index]);
		queue(CAPTURE, V4L2_MEMORY_MMAP, index, 0);
	}
	call(encoder, VIDIOC_STREAMON, &types[0], "STREAMON");
	call(encoder, VIDIOC_STREAMON, &types[1], "STREAMON");
	if (camera >= 0)
		call(camera, VIDIOC_STREAMON, &types[2], "STREAMON");
}

static void encode(int count, int rate, int input)
{
	int sent = 0, free_slots[SLOTS], free_count = camera < 0 ? SLOTS : 0;
	uint64_t period = rate ? 1000000000ull / rate : 0, next = now();

	for (int slot = 0; slot < SLOTS; slot++)
		free_slots[slot] = slot;
	while ((int)packets < count) {
		struct timespec timeout, *until = NULL;
		struct pollfd set[2] = { { .events = POLLIN }, { camera, POLLIN, 0 } };

		while (sent < count && free_count && (!period || now() >= next)) {
			int slot = free_slots[--free_count];

			if (input >= 0 && pread(input, slots[slot], slot_bytes, 0) != (ssize_t)slot_bytes)
				fprintf(stderr, "floor: the input is too short\n"), exit(1);
			queue(OUTPUT, memory, slot, ++sent);
			next += period;
		}
		if (period && sent < count) {
			uint64_t time = now(), wait = next > time ? next - time : 0;

			timeout = (struct timespec){ wait / 1000000000, wait % 1000000000 };
			until = &timeout;
		}
		/* An encoder that has nothing says that it is in error. */
		set[0].fd = sent > (int)packets ? encoder : -1;
		if (ppoll(set, camera < 0 ? 1 : 2, until, NULL) < 0)
			perror("floor: ppoll"), exit(1);
		if (set[0].revents & POLLIN && take()) {
			uint32_t used;
			int slot = dequeue(OUTPUT, memory, &used);
			struct v4l2_buffer buffer = { .type = CAMERA, .memory = V4L2_MEMORY_MMAP, .index = slot };

			if (slot >= 0 && camera >= 0)
				call(camera, VIDIOC_QBUF, &buffer, "QBUF");
			else if (slot >= 0)
				free_slots[free_count++] = slot;
		}
		if (camera >= 0 && set[1].revents & POLLIN) {
			struct v4l2_buffer buffer = { .type = CAMERA, .memory = V4L2_MEMORY_MMAP };

			call(camera, VIDIOC_DQBUF, &buffer, "DQBUF");
			queue(OUTPUT, memory, buffer.index, ++sent);
		}
	}
	printf("floor: %d frames, %lu packets, %lu bytes, first after %lu us\n", sent, packets, bytes, (first - began) / 1000);
}

int main(int argc, char **argv)
{
	int width, height, input = -1;
	uint32_t fourcc;

	began = now();
	if (argc < 6 || sscanf(argv[2], "%dx%d", &width, &height) != 2 || strlen(argv[3]) != 4)
		return fprintf(stderr, "floor: the head of floor.c says how to use it\n"), 2;
	memcpy(&fourcc, argv[3], 4);
	ring = mmap(NULL, RING, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!strcmp(argv[1], "camera") && argc > 6)
		open_camera(argv[6], width, height, fourcc);
	if (!strcmp(argv[1], "file") && (argc < 7 || (input = open(argv[6], O_RDONLY)) < 0))
		return perror("floor: FILE"), 1;
	open_encoder(width, height, fourcc);
	encode(atoi(argv[4]), atoi(argv[5]), input);
	return 0;
}
