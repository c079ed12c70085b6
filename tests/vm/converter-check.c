// SPDX-License-Identifier: GPL-2.0
/*
 * What the model of bcm2835-codec promises of its converter, tried one by one in the guest. It says what is wrong and ends with 1, or says
 * how many checks held and ends with 0.
 */
#include <sys/mman.h>

#include "model-check.h"

#define COUNT 2

/* Of the two sides, and of what is visible of the first. */
#define W 80
#define H 50
#define CROP_W 64
#define CROP_H 48
#define TO_W 96
#define TO_H 34

static uint8_t *from[COUNT], *to[COUNT];
static unsigned int from_line, to_line;

static void map(int fd, int type, uint8_t **memory)
{
	for (int i = 0; i < COUNT; i++) {
		struct v4l2_plane plane = { 0 };
		struct v4l2_buffer b = { .type = type, .index = i, .memory = V4L2_MEMORY_MMAP, .m.planes = &plane, .length = 1 };

		CHECK(!call(fd, VIDIOC_QUERYBUF, &b));
		memory[i] = mmap(NULL, plane.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, plane.m.mem_offset);
		CHECK(memory[i] != MAP_FAILED);
	}
}

static int select_size(int fd, int type, uint32_t target, uint32_t w, uint32_t h)
{
	struct v4l2_selection s = { .type = type, .target = target, .r = { 3, 3, w, h } };
	int error = call(fd, VIDIOC_S_SELECTION, &s);

	return error ? error : s.r.left || s.r.top || s.r.width != w || s.r.height != h;
}

/* YU12 in, NV12 out, both with buffers, and mapped. */
static int prepared(void)
{
	int fd = open("/dev/video12", O_RDWR | O_NONBLOCK);
	unsigned int count = COUNT;
	struct v4l2_format f;

	CHECK(fd >= 0 && !set_format(fd, OUT, V4L2_PIX_FMT_YUV420, W, H, &f));
	from_line = f.fmt.pix_mp.plane_fmt[0].bytesperline;
	CHECK(from_line == 128 && f.fmt.pix_mp.height == H);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_NV12, TO_W, TO_H, &f));
	to_line = f.fmt.pix_mp.plane_fmt[0].bytesperline;
	CHECK(to_line == 96 && f.fmt.pix_mp.height == TO_H);
	CHECK(!select_size(fd, V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_SEL_TGT_CROP, CROP_W, CROP_H));
	CHECK(!request(fd, OUT, V4L2_MEMORY_MMAP, &count) && !request(fd, CAP, V4L2_MEMORY_MMAP, &count));
	map(fd, OUT, from);
	map(fd, CAP, to);
	for (unsigned int i = 0; i < from_line * H * 3 / 2; i++)
		from[0][i] = (uint8_t)(i * 7 + i / 251);
	return fd;
}

/* Plane 0 is luma, 1 is Cb, 2 is Cr. */
static uint8_t input(int plane, int x, int y)
{
	if (!plane)
		return from[0][y * from_line + x];
	return from[0][from_line * H + (plane - 1) * (from_line / 2 * (H / 2)) + y * (from_line / 2) + x];
}

static uint8_t output(int plane, int x, int y)
{
	return plane ? to[0][to_line * TO_H + y * to_line + 2 * x + plane - 1] : to[0][y * to_line + x];
}

static int is_scaled(int w, int h, int hflip, int vflip)
{
	for (int plane = 0; plane < 3; plane++) {
		int part = plane ? 2 : 1;

		for (int y = 0; y < h / part; y++) {
			for (int x = 0; x < w / part; x++) {
				int column = (hflip ? w / part - 1 - x : x) * (CROP_W / part) / (w / part);
				int line = (vflip ? h / part - 1 - y : y) * (CROP_H / part) / (h / part);

				if (output(plane, x, y) != input(plane, column, line))
					return 0;
			}
		}
	}
	return 1;
}

static void formats(void)
{
	int fd = open("/dev/video12", O_RDWR);
	struct v4l2_streamparm parm = { .type = OUT };
	struct v4l2_decoder_cmd decoder = { .cmd = V4L2_DEC_CMD_STOP };
	struct v4l2_selection s = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .target = V4L2_SEL_TGT_CROP_BOUNDS };
	struct v4l2_format f;

	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_YUV420, 4000, 2000, &f) && f.fmt.pix_mp.width == 4000);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_YUV420, 800, 601, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 832);
	CHECK(f.fmt.pix_mp.height == 601);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_NV12, 800, 600, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 800);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_RGB24, 50, 50, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 160);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_YUYV, 50, 50, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 128);
	CHECK(call(fd, VIDIOC_G_PARM, &parm) == ENOTTY && call(fd, VIDIOC_DECODER_CMD, &decoder) == ENOTTY);
	CHECK(call(fd, VIDIOC_G_SELECTION, &s) == EINVAL);
	s.type = V4L2_BUF_TYPE_VIDEO_OUTPUT;
	CHECK(!call(fd, VIDIOC_G_SELECTION, &s) && s.r.height == 2000);
	close(fd);
}

static void pictures(void)
{
	int fd = prepared();
	int flips = 0;

	CHECK(!queue(fd, CAP, 0, 0, 0) && !stream(fd, CAP, 1) && !stream(fd, OUT, 1));
	for (; flips < 4; flips++) {
		CHECK(!control(fd, V4L2_CID_HFLIP, flips & 1) && !control(fd, V4L2_CID_VFLIP, flips >> 1));
		CHECK(!queue(fd, OUT, 0, 0, 111 + flips) && !dequeue(fd, OUT) && !dequeue(fd, CAP));
		CHECK(got.timestamp.tv_usec == 111 + flips && got_plane.bytesused == to_line * TO_H * 3 / 2);
		CHECK(is_scaled(TO_W, TO_H, flips & 1, flips >> 1));
		CHECK(!queue(fd, CAP, 0, 0, 0));
	}
	/* Only a part of the new picture is filled. */
	CHECK(!control(fd, V4L2_CID_HFLIP, 0) && !control(fd, V4L2_CID_VFLIP, 0));
	CHECK(!select_size(fd, V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_SEL_TGT_COMPOSE, 64, 32));
	memset(to[0], 77, to_line * TO_H * 3 / 2);
	CHECK(!queue(fd, OUT, 0, 0, 1) && !dequeue(fd, OUT) && !dequeue(fd, CAP) && is_scaled(64, 32, 0, 0));
	CHECK(output(0, 64, 0) == 77 && output(0, 0, 32) == 77);
	/* An encoder's command ends it; an empty buffer is the last. */
	CHECK(!queue(fd, CAP, 0, 0, 0) && !stop(fd) && !dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_LAST) && !got_plane.bytesused);
	close(fd);
}

static int discarded(void)
{
	int fd = open("/sys/module/bcm2835_codec_model/parameters/discarded", O_RDONLY);
	char text[16] = "";

	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoi(text);
}

/* Input for which there is no output comes back, and nothing comes of it. */
static void discards(void)
{
	int fd = prepared();

	knob("discarded", "0");
	CHECK(!stream(fd, OUT, 1) && !queue(fd, OUT, 0, 0, 1) && !dequeue(fd, OUT) && discarded() == 1);
	CHECK(!stream(fd, CAP, 1) && !queue(fd, OUT, 0, 0, 2) && !dequeue(fd, OUT) && discarded() == 2);
	CHECK(!queue(fd, CAP, 0, 0, 0) && dequeue(fd, CAP) == EAGAIN);
	CHECK(!queue(fd, OUT, 0, 0, 3) && !dequeue(fd, OUT) && !dequeue(fd, CAP) && got.timestamp.tv_usec == 3 && discarded() == 2);
	knob("discard_input", "0");
	CHECK(!queue(fd, OUT, 0, 0, 4) && dequeue(fd, OUT) == EAGAIN && !queue(fd, CAP, 0, 0, 0));
	CHECK(!dequeue(fd, OUT) && !dequeue(fd, CAP) && got.timestamp.tv_usec == 4 && discarded() == 2);
	knob("discard_input", "1");
	close(fd);
}

/* It hangs alone; what makes calls fail can be for one role. */
static void troubles(void)
{
	int fd = prepared();

	CHECK(!queue(fd, CAP, 0, 0, 0) && !queue(fd, CAP, 1, 0, 0) && !stream(fd, CAP, 1) && !stream(fd, OUT, 1));
	knob("qbuf_errno", "5");
	knob("faults_of", "1");
	CHECK(!queue(fd, OUT, 0, 0, 1) && !dequeue(fd, OUT) && !dequeue(fd, CAP));
	knob("faults_of", "4");
	CHECK(queue(fd, OUT, 0, 0, 2) == EIO);
	knob("qbuf_errno", "0");
	knob("faults_of", "0");
	knob("convert_hang_after", "1");
	knob("streamoff_ms", "1");
	CHECK(!queue(fd, OUT, 0, 0, 2) && dequeue(fd, OUT) == EAGAIN && dequeue(fd, CAP) == EAGAIN);
	close(fd);
	knob("convert_hang_after", "0");
	knob("streamoff_ms", "2000");
}

int main(void)
{
	formats();
	pictures();
	discards();
	troubles();
	printf("%d checks, %d failed\n", checks, failures);
	return failures > 0;
}
