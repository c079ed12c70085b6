// SPDX-License-Identifier: GPL-2.0
/*
 * What the model of bcm2835-codec promises of its decoder, tried one by one in the guest. It wants four JPEGs in /host: large.jpg (320x240),
 * odd.jpg (322x242), bare.jpg, large without its Huffman tables, and cut.jpg, the first half of large. It says what is wrong and ends with 1,
 * or says how many checks held and ends with 0.
 */
#include <sys/mman.h>

#include "model-check.h"

#define COUNT 3

struct file {
	unsigned char bytes[1 << 18];
	size_t length;
};

static struct file large, odd, bare, cut;
static void *coded[COUNT], *pictures[COUNT];

static void read_file(struct file *file, const char *name)
{
	int fd = open(name, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, file->bytes, sizeof(file->bytes));

	if (got <= 0) {
		printf("%s: %s\n", name, strerror(errno));
		exit(1);
	}
	file->length = got;
	close(fd);
}

static int subscribe(int fd, uint32_t type)
{
	struct v4l2_event_subscription s = { .type = type };

	return call(fd, VIDIOC_SUBSCRIBE_EVENT, &s);
}

/* The type of the event that is waiting, or 0. */
static uint32_t event(int fd)
{
	struct v4l2_event e = { 0 };

	return call(fd, VIDIOC_DQEVENT, &e) ? 0 : e.type;
}

static int command(int fd, uint32_t cmd)
{
	struct v4l2_decoder_cmd c = { .cmd = cmd };

	return call(fd, VIDIOC_DECODER_CMD, &c);
}

static void map(int fd, int type, void **to)
{
	for (int i = 0; i < COUNT; i++) {
		struct v4l2_plane plane = { 0 };
		struct v4l2_buffer b = { .type = type, .index = i, .memory = V4L2_MEMORY_MMAP, .m.planes = &plane, .length = 1 };

		CHECK(!call(fd, VIDIOC_QUERYBUF, &b));
		to[i] = mmap(NULL, plane.length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, plane.m.mem_offset);
		CHECK(to[i] != MAP_FAILED);
	}
}

static int feed(int fd, int index, const struct file *file, long usec, uint32_t flags)
{
	struct v4l2_plane plane = { .bytesused = file->length };
	struct v4l2_buffer b = { .type = OUT, .index = index, .memory = V4L2_MEMORY_MMAP, .m.planes = &plane, .length = 1,
				 .flags = flags, .timestamp.tv_usec = usec };

	memcpy(coded[index], file->bytes, file->length);
	return call(fd, VIDIOC_QBUF, &b);
}

static struct v4l2_rect visible(int fd, uint32_t target)
{
	struct v4l2_selection s = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .target = target };

	CHECK(!call(fd, VIDIOC_G_SELECTION, &s));
	return s.r;
}

/* An open decoder whose OUTPUT streams; with a size, CAPTURE has it. */
static int opened(uint32_t fourcc, int w, int h)
{
	int fd = open("/dev/video10", O_RDWR | O_NONBLOCK);
	unsigned int count = COUNT;
	struct v4l2_format f;

	CHECK(fd >= 0 && !set_format(fd, OUT, fourcc, w, h, &f));
	CHECK(!subscribe(fd, V4L2_EVENT_SOURCE_CHANGE) && !subscribe(fd, V4L2_EVENT_EOS));
	CHECK(!request(fd, OUT, V4L2_MEMORY_MMAP, &count) && count == COUNT);
	map(fd, OUT, coded);
	CHECK(!stream(fd, OUT, 1));
	return fd;
}

static void capture(int fd)
{
	unsigned int count = COUNT;

	CHECK(!request(fd, CAP, V4L2_MEMORY_MMAP, &count) && count == COUNT);
	map(fd, CAP, pictures);
	for (int i = 0; i < COUNT; i++)
		CHECK(!queue(fd, CAP, i, 0, 0));
	CHECK(!stream(fd, CAP, 1));
}

static void formats(void)
{
	int fd = open("/dev/video10", O_RDWR);
	struct v4l2_streamparm parm = { .type = OUT };
	struct v4l2_encoder_cmd encoder = { .cmd = V4L2_ENC_CMD_STOP };
	struct v4l2_control least = { V4L2_CID_MIN_BUFFERS_FOR_CAPTURE, 0 };
	unsigned int one = 1;
	struct v4l2_format f = { .type = CAP };
	struct v4l2_rect r;

	CHECK(!call(fd, VIDIOC_G_FMT, &f) && f.fmt.pix_mp.width == 32 && f.fmt.pix_mp.height == 32);
	CHECK(call(fd, VIDIOC_G_PARM, &parm) == ENOTTY && call(fd, VIDIOC_ENCODER_CMD, &encoder) == ENOTTY);
	CHECK(!call(fd, VIDIOC_G_CTRL, &least) && least.value == 1);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_JPEG, 1920, 1080, &f) && f.fmt.pix_mp.plane_fmt[0].sizeimage == 4 << 20);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_MJPEG, 1920, 1080, &f) && f.fmt.pix_mp.plane_fmt[0].sizeimage == 768 << 10);
	f.type = CAP;
	CHECK(!call(fd, VIDIOC_G_FMT, &f) && f.fmt.pix_mp.width == 1920 && f.fmt.pix_mp.height == 1088);
	CHECK(f.fmt.pix_mp.plane_fmt[0].sizeimage == 1920 * 1088 * 3 / 2);
	r = visible(fd, V4L2_SEL_TGT_COMPOSE);
	CHECK(r.width == 1920 && r.height == 1080);
	r = visible(fd, V4L2_SEL_TGT_CROP_BOUNDS);
	CHECK(r.width == 1920 && r.height == 1088);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_YUV420, 720, 50, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 736);
	CHECK(f.fmt.pix_mp.height == 64);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_RGB565, 50, 50, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 128);
	r = visible(fd, V4L2_SEL_TGT_CROP_BOUNDS);
	CHECK(r.width == 64 && r.height == 64);
	knob("min_decoded", "4");
	CHECK(!request(fd, CAP, V4L2_MEMORY_MMAP, &one) && one == 4);
	knob("min_decoded", "1");
	close(fd);
}

/* Both queues set to the right size: no event, pictures at once, timestamps as they came, to the microsecond; the end and after it. */
static void known_size(void)
{
	int fd = opened(V4L2_PIX_FMT_MJPEG, 320, 240);

	capture(fd);
	CHECK(!feed(fd, 0, &large, 111111, 0) && !dequeue(fd, OUT) && got.index == 0);
	CHECK(!dequeue(fd, CAP) && got.timestamp.tv_usec == 111111 && got_plane.bytesused == 320 * 240 * 3 / 2);
	CHECK(!event(fd) && dequeue(fd, CAP) == EAGAIN);
	CHECK(!(got.flags & (V4L2_BUF_FLAG_ERROR | V4L2_BUF_FLAG_LAST)));
	CHECK(!feed(fd, 0, &large, 222222, 0) && !command(fd, V4L2_DEC_CMD_STOP));
	CHECK(!dequeue(fd, CAP) && got.timestamp.tv_usec == 222222 && !(got.flags & V4L2_BUF_FLAG_LAST));
	CHECK(!dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_LAST) && !got_plane.bytesused);
	CHECK(event(fd) == V4L2_EVENT_EOS && dequeue(fd, CAP) == EPIPE);
	for (int i = 0; i < COUNT; i++)
		CHECK(!queue(fd, CAP, i, 0, 0));
	/* It goes on after START; a buffer may say itself that it is the last. */
	CHECK(!command(fd, V4L2_DEC_CMD_START) && !dequeue(fd, OUT) && !feed(fd, 0, &large, 333333, V4L2_BUF_FLAG_LAST));
	CHECK(!dequeue(fd, CAP) && got.timestamp.tv_usec == 333333);
	CHECK(!dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_LAST));
	close(fd);
	/* No bytes are the whole buffer, in which the last picture still lies, or the end. */
	for (int ends = 0; ends < 2; ends++) {
		static const struct file none;

		knob("empty_ends", ends ? "1" : "0");
		fd = opened(V4L2_PIX_FMT_MJPEG, 320, 240);
		capture(fd);
		CHECK(!feed(fd, 0, &large, 1, 0) && !dequeue(fd, OUT) && !dequeue(fd, CAP));
		CHECK(!feed(fd, 0, &none, 2, 0) && !dequeue(fd, OUT) && !dequeue(fd, CAP));
		CHECK(ends == !!(got.flags & V4L2_BUF_FLAG_LAST) && ends == !got_plane.bytesused);
		close(fd);
	}
	knob("empty_ends", "0");
}

/* CAPTURE as it starts: the event, with the new format, and the buffer is kept until CAPTURE streams. */
static void unknown_size(void)
{
	int fd = opened(V4L2_PIX_FMT_MJPEG, 0, 0);
	struct v4l2_format f = { .type = CAP };
	struct v4l2_rect r;

	CHECK(!feed(fd, 0, &odd, 1, 0) && await(fd, POLLPRI) & POLLPRI);
	CHECK(event(fd) == V4L2_EVENT_SOURCE_CHANGE && dequeue(fd, OUT) == EAGAIN);
	CHECK(!call(fd, VIDIOC_G_FMT, &f) && f.fmt.pix_mp.width == 322 && f.fmt.pix_mp.height == 256);
	CHECK(f.fmt.pix_mp.plane_fmt[0].bytesperline == 352);
	r = visible(fd, V4L2_SEL_TGT_COMPOSE);
	CHECK(r.width == 322 && r.height == 242);
	capture(fd);
	CHECK(!dequeue(fd, CAP) && got_plane.bytesused == 352 * 256 * 3 / 2 && !dequeue(fd, OUT));
	close(fd);
}

/* At a change DQBUF says EPIPE at once, though an older picture waits, and no buffer has LAST. */
static void change(void)
{
	int fd = opened(V4L2_PIX_FMT_MJPEG, 320, 240);
	unsigned int none = 0;

	capture(fd);
	CHECK(!feed(fd, 0, &large, 1, 0) && !feed(fd, 1, &odd, 2, 0) && await(fd, POLLPRI) & POLLPRI);
	CHECK(event(fd) == V4L2_EVENT_SOURCE_CHANGE && dequeue(fd, CAP) == EPIPE);
	CHECK(!stream(fd, CAP, 0) && !request(fd, CAP, V4L2_MEMORY_MMAP, &none));
	capture(fd);
	CHECK(!dequeue(fd, CAP) && got.timestamp.tv_usec == 2 && got_plane.bytesused == 352 * 256 * 3 / 2);
	close(fd);

	/* And as the documentation has it. */
	knob("change_epipe", "0");
	fd = opened(V4L2_PIX_FMT_MJPEG, 320, 240);
	capture(fd);
	CHECK(!feed(fd, 0, &large, 1, 0) && !feed(fd, 1, &odd, 2, 0) && await(fd, POLLPRI) & POLLPRI);
	CHECK(event(fd) == V4L2_EVENT_SOURCE_CHANGE && !dequeue(fd, CAP) && got.timestamp.tv_usec == 1);
	CHECK(!dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_LAST) && dequeue(fd, CAP) == EPIPE);
	close(fd);
	knob("change_epipe", "1");
}

/* A wider line of the client's is kept while nothing changes. */
static void strides(void)
{
	for (int keep = 0; keep < 2; keep++) {
		int fd = opened(V4L2_PIX_FMT_MJPEG, 320, 240);
		struct v4l2_format f = { .type = CAP };

		f.fmt.pix_mp.width = 320;
		f.fmt.pix_mp.height = 240;
		f.fmt.pix_mp.pixelformat = V4L2_PIX_FMT_NV12;
		f.fmt.pix_mp.num_planes = 1;
		f.fmt.pix_mp.plane_fmt[0].bytesperline = 384;
		CHECK(!call(fd, VIDIOC_S_FMT, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 384);
		knob("change_stride", keep ? "0" : "1");
		capture(fd);
		CHECK(!feed(fd, 0, &large, 1, 0) && !dequeue(fd, CAP) && got_plane.bytesused == 384 * 240 * 3 / 2 && !event(fd));
		CHECK(!feed(fd, 1, &odd, 2, 0) && await(fd, POLLPRI) & POLLPRI && event(fd) == V4L2_EVENT_SOURCE_CHANGE);
		CHECK(!call(fd, VIDIOC_G_FMT, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == (keep ? 384u : 352u));
		close(fd);
	}
	knob("change_stride", "1");
}

static void troubles(void)
{
	int fd = opened(V4L2_PIX_FMT_MJPEG, 320, 240);

	capture(fd);
	/* Without Huffman tables the firmware shows nothing. */
	CHECK(!feed(fd, 0, &bare, 1, 0) && !dequeue(fd, OUT) && dequeue(fd, CAP) == EAGAIN);
	knob("tables_needed", "0");
	CHECK(!feed(fd, 0, &bare, 2, 0) && !dequeue(fd, OUT) && !dequeue(fd, CAP) && !(got.flags & V4L2_BUF_FLAG_ERROR));
	knob("tables_needed", "1");
	CHECK(!feed(fd, 0, &cut, 3, 0) && !dequeue(fd, OUT) && !dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_ERROR));
	knob("decode_error_every", "2");
	CHECK(!feed(fd, 0, &large, 4, 0) && !dequeue(fd, OUT) && !dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_ERROR));
	knob("decode_error_every", "0");
	for (int i = 0; i < COUNT; i++)
		CHECK(!queue(fd, CAP, i, 0, 0));
	knob("decode_drop_every", "5");
	CHECK(!feed(fd, 0, &large, 5, 0) && !dequeue(fd, OUT) && dequeue(fd, CAP) == EAGAIN);
	knob("decode_drop_every", "0");
	knob("decode_hang_after", "6");
	CHECK(!feed(fd, 0, &large, 6, 0) && !dequeue(fd, OUT) && !dequeue(fd, CAP));
	CHECK(!feed(fd, 0, &large, 7, 0) && dequeue(fd, OUT) == EAGAIN && dequeue(fd, CAP) == EAGAIN);
	knob("decode_hang_after", "0");
	knob("streamoff_ms", "1");
	close(fd);
	knob("streamoff_ms", "2000");
}

/* The encoder's buffers are the decoder's pictures: the layouts are the same, and nothing is copied. */
static void lent(void)
{
	int fd = opened(V4L2_PIX_FMT_MJPEG, 320, 240), encoder = open("/dev/video11", O_RDWR | O_NONBLOCK);
	struct v4l2_exportbuffer e = { .type = OUT };
	unsigned int count = 1;
	struct v4l2_format f;

	CHECK(!set_format(encoder, OUT, V4L2_PIX_FMT_YUV420, 320, 240, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 320);
	CHECK(!request(encoder, OUT, V4L2_MEMORY_MMAP, &count) && !call(encoder, VIDIOC_EXPBUF, &e));
	count = 1;
	CHECK(!request(fd, CAP, V4L2_MEMORY_DMABUF, &count) && !queue(fd, CAP, 0, e.fd, 0) && !stream(fd, CAP, 1));
	CHECK(!feed(fd, 0, &large, 1, 0) && await(fd, POLLIN) & POLLIN);
	got = (struct v4l2_buffer){ .type = CAP, .memory = V4L2_MEMORY_DMABUF, .m.planes = &got_plane, .length = 1 };
	CHECK(!call(fd, VIDIOC_DQBUF, &got) && got_plane.bytesused == 320 * 240 * 3 / 2);
	close(e.fd);
	close(fd);
	close(encoder);
}

int main(void)
{
	read_file(&large, "/host/large.jpg");
	read_file(&odd, "/host/odd.jpg");
	read_file(&bare, "/host/bare.jpg");
	read_file(&cut, "/host/cut.jpg");
	formats();
	known_size();
	unknown_size();
	change();
	strides();
	troubles();
	lent();
	printf("%d checks, %d failed\n", checks, failures);
	return failures > 0;
}
