/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Thin calls for model-check.c, decoder-check.c and converter-check.c: one ioctl each, without opinion. What the last dequeue brought is in `got`.
 */
#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define OUT V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
#define CAP V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE

static int checks, failures;

#define CHECK(what) check(what, #what, __LINE__)
static inline void check(int held, const char *what, int line)
{
	checks++;
	if (held)
		return;
	failures++;
	printf("line %d: not so: %s (errno %d)\n", line, what, errno);
	fflush(stdout);
}

static inline void knob(const char *name, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/bcm2835_codec_model/parameters/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		printf("knob %s=%s: %s\n", name, value, strerror(errno));
		exit(1);
	}
	close(fd);
}

static inline double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Zero, or the error's number. */
static inline int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) ? errno : 0;
}

static inline int set_format(int fd, int type, uint32_t fourcc, int w, int h, struct v4l2_format *f)
{
	memset(f, 0, sizeof(*f));
	f->type = type;
	f->fmt.pix_mp.width = w;
	f->fmt.pix_mp.height = h;
	f->fmt.pix_mp.pixelformat = fourcc;
	f->fmt.pix_mp.num_planes = 1;
	return call(fd, VIDIOC_S_FMT, f);
}

static inline int control(int fd, uint32_t id, int value)
{
	struct v4l2_control c = { id, value };

	return call(fd, VIDIOC_S_CTRL, &c);
}

static inline int request(int fd, int type, int memory, unsigned int *count)
{
	struct v4l2_requestbuffers r = { .count = *count, .type = type, .memory = memory };
	int error = call(fd, VIDIOC_REQBUFS, &r);

	*count = r.count;
	return error;
}

static inline int stream(int fd, int type, int on)
{
	return call(fd, on ? VIDIOC_STREAMON : VIDIOC_STREAMOFF, &type);
}

static inline int queue(int fd, int type, int index, int dmabuf, long usec)
{
	struct v4l2_plane plane = { .bytesused = 64 };
	struct v4l2_buffer b = { .type = type, .index = index, .memory = dmabuf ? V4L2_MEMORY_DMABUF : V4L2_MEMORY_MMAP,
				 .m.planes = &plane, .length = 1 };

	if (dmabuf) {
		plane.m.fd = dmabuf;
		plane.length = lseek(dmabuf, 0, SEEK_END);
	}
	b.timestamp.tv_usec = usec;
	return call(fd, VIDIOC_QBUF, &b);
}

/* Waits a second at most for `events`; what poll said. */
static inline int await(int fd, int events)
{
	struct pollfd p = { fd, events, 0 };

	return poll(&p, 1, 1000) > 0 ? p.revents : 0;
}

static struct v4l2_buffer got;
static struct v4l2_plane got_plane;

static inline int dequeue(int fd, int type)
{
	await(fd, type == OUT ? POLLOUT : POLLIN);
	memset(&got, 0, sizeof(got));
	got.type = type;
	got.memory = V4L2_MEMORY_MMAP;
	got.m.planes = &got_plane;
	got.length = 1;
	return call(fd, VIDIOC_DQBUF, &got);
}

static inline int start(int fd)
{
	struct v4l2_encoder_cmd c = { .cmd = V4L2_ENC_CMD_START };

	return call(fd, VIDIOC_ENCODER_CMD, &c);
}

static inline int stop(int fd)
{
	struct v4l2_encoder_cmd c = { .cmd = V4L2_ENC_CMD_STOP };

	return call(fd, VIDIOC_ENCODER_CMD, &c);
}

static inline int rate(int fd, int fps)
{
	struct v4l2_streamparm p = { .type = OUT };

	p.parm.output.timeperframe.numerator = 1;
	p.parm.output.timeperframe.denominator = fps;
	return call(fd, VIDIOC_S_PARM, &p);
}

#endif
