// SPDX-License-Identifier: GPL-2.0
/*
 * What the model of bcm2835-codec promises at its ioctls, tried one by one in the guest. It says what is wrong and ends with 1, or
 * says how many checks held and ends with 0. How to run it is in kernel/bcm2835-codec-model/README.md.
 */
#include <linux/dma-heap.h>
#include <signal.h>
#include <sys/wait.h>

#include "model-check.h"

#define W 64
#define H 48

/* Small frames, H.264, four buffers each: up to REQBUFS. */
static int prepared(void)
{
	int fd = open("/dev/video11", O_RDWR | O_NONBLOCK);
	unsigned int count = 4;
	struct v4l2_format f;

	CHECK(fd >= 0);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_YUV420, W, H, &f));
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_H264, W, H, &f));
	CHECK(!request(fd, OUT, V4L2_MEMORY_MMAP, &count));
	CHECK(!request(fd, CAP, V4L2_MEMORY_MMAP, &count) && count == 4);
	return fd;
}

static int started(void)
{
	int fd = prepared();

	for (int i = 0; i < 4; i++)
		CHECK(!queue(fd, CAP, i, 0, 0));
	CHECK(!stream(fd, OUT, 1) && !stream(fd, CAP, 1));
	return fd;
}

/* One frame in, its OUTPUT buffer and the first CAPTURE buffer out. */
static int frame(int fd, long usec)
{
	return queue(fd, OUT, 0, 0, usec) ?: dequeue(fd, OUT) ?: dequeue(fd, CAP);
}

/* Where poll cannot say when there is something, because it says POLLERR at once. */
static int dequeue_late(int fd, int type)
{
	int error = dequeue(fd, type);

	for (int tries = 0; error == EAGAIN && tries < 1000; tries++) {
		usleep(1000);
		error = dequeue(fd, type);
	}
	return error;
}

static void formats(void)
{
	int fd = open("/dev/video11", O_RDWR);
	unsigned int one = 1;
	struct v4l2_format f;

	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_MPEG, 1921, 1081, &f) && f.fmt.pix_mp.pixelformat == V4L2_PIX_FMT_YUV420);
	CHECK(f.fmt.pix_mp.width == 1920 && f.fmt.pix_mp.height == 1081);
	CHECK(f.fmt.pix_mp.plane_fmt[0].sizeimage == 1920 * 1081 * 3 / 2);
	f.type = CAP;
	CHECK(!call(fd, VIDIOC_G_FMT, &f) && f.fmt.pix_mp.width == 32 && f.fmt.pix_mp.plane_fmt[0].sizeimage == 524288);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_H264, 1920, 1080, &f) && f.fmt.pix_mp.plane_fmt[0].sizeimage == 786432);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_NV12, 40, 40, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 64);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_YUYV, 40, 40, &f) && f.fmt.pix_mp.plane_fmt[0].bytesperline == 128);
	knob("min_output", "3");
	CHECK(!request(fd, OUT, V4L2_MEMORY_MMAP, &one) && one == 3);
	knob("min_output", "1");
	CHECK(set_format(fd, OUT, V4L2_PIX_FMT_YUYV, 40, 40, &f) == EBUSY);
	CHECK(rate(fd, 0) == EINVAL);
	close(fd);
	fd = open("/dev/video31", O_RDWR);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_YUV420, 100, 100, &f) && f.fmt.pix_mp.height == 112);
	CHECK(!set_format(fd, CAP, V4L2_PIX_FMT_JPEG, 100, 100, &f) && f.fmt.pix_mp.plane_fmt[0].sizeimage == 4 << 20);
	close(fd);
}

static void refusals(void)
{
	static const struct { uint32_t id; int value; } wrong[] = {
		{ V4L2_CID_MPEG_VIDEO_H264_LEVEL, V4L2_MPEG_VIDEO_H264_LEVEL_3_1 },	/* for 25 Mbit/s */
		{ V4L2_CID_MPEG_VIDEO_BITRATE_MODE, V4L2_MPEG_VIDEO_BITRATE_MODE_CBR },	/* with High */
	};
	struct v4l2_format f;
	unsigned int count = 2;
	int fd;

	for (int i = 0; i < 2; i++) {
		fd = prepared();
		CHECK(!control(fd, V4L2_CID_MPEG_VIDEO_BITRATE, 25000000));
		CHECK(!control(fd, wrong[i].id, wrong[i].value));
		CHECK(!queue(fd, OUT, 0, 0, 0));
		CHECK(stream(fd, OUT, 1) == ESRCH);
		CHECK(!control(fd, V4L2_CID_MPEG_VIDEO_H264_LEVEL, V4L2_MPEG_VIDEO_H264_LEVEL_4_0));
		CHECK(!control(fd, V4L2_CID_MPEG_VIDEO_BITRATE_MODE, V4L2_MPEG_VIDEO_BITRATE_MODE_VBR));
		CHECK(!stream(fd, OUT, 1));
		close(fd);
	}
	fd = open("/dev/video11", O_RDWR | O_NONBLOCK);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_YUV420, 1920, 1080, &f) && !set_format(fd, CAP, V4L2_PIX_FMT_H264, 1920, 1080, &f));
	CHECK(!rate(fd, 60) && !request(fd, OUT, V4L2_MEMORY_MMAP, &count) && stream(fd, OUT, 1) == ESRCH);
	CHECK(!control(fd, V4L2_CID_MPEG_VIDEO_H264_LEVEL, V4L2_MPEG_VIDEO_H264_LEVEL_4_2) && !stream(fd, OUT, 1));
	close(fd);

	knob("refuse_errno", "12");
	knob("refuse_memory", "4");
	fd = open("/dev/video11", O_RDWR);
	CHECK(request(fd, OUT, V4L2_MEMORY_DMABUF, &count) == ENOMEM);
	count = 2;
	CHECK(!request(fd, OUT, V4L2_MEMORY_MMAP, &count));
	close(fd);
	knob("refuse_errno", "0");
	knob("refuse_memory", "0");
	fd = prepared();
	knob("refuse_control", "10029519");	/* the bitrate */
	CHECK(control(fd, V4L2_CID_MPEG_VIDEO_BITRATE, 1000000) == EINVAL);
	knob("refuse_control", "0");
	close(fd);
}

static void data(void)
{
	int fd = prepared();

	/* Without a CAPTURE buffer one frame goes in and its buffer comes back; the next has to wait. */
	CHECK(!stream(fd, OUT, 1) && !stream(fd, CAP, 1));
	CHECK(!queue(fd, OUT, 0, 0, 111111) && !queue(fd, OUT, 1, 0, 222222));
	CHECK(!dequeue(fd, OUT) && dequeue(fd, OUT) == EAGAIN);
	CHECK(!queue(fd, CAP, 0, 0, 0) && !dequeue(fd, CAP));
	CHECK(got.timestamp.tv_usec == 111111 && (got.flags & V4L2_BUF_FLAG_KEYFRAME) && got.sequence == 0);
	for (int i = 0; i < 4; i++)
		CHECK(!queue(fd, CAP, i, 0, 0));
	CHECK(!dequeue(fd, OUT) && !dequeue(fd, CAP) && got.timestamp.tv_usec == 222222);
	CHECK(!(got.flags & (V4L2_BUF_FLAG_KEYFRAME | V4L2_BUF_FLAG_PFRAME)) && got.sequence == 0);
	CHECK(!control(fd, V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 1) && !frame(fd, 1) && (got.flags & V4L2_BUF_FLAG_KEYFRAME));
	CHECK(!frame(fd, 2) && !(got.flags & V4L2_BUF_FLAG_KEYFRAME));
	close(fd);

	fd = started();
	knob("drop_every", "2");
	CHECK(!frame(fd, 1));
	CHECK(!queue(fd, OUT, 0, 0, 2) && !dequeue(fd, OUT) && dequeue(fd, CAP) == EAGAIN);
	knob("drop_every", "0");
	knob("error_at", "3");
	CHECK(!frame(fd, 3) && (got.flags & V4L2_BUF_FLAG_ERROR));
	knob("error_at", "0");
	close(fd);

	knob("header_first", "1");
	knob("first_stamp_zero", "1");
	fd = started();
	CHECK(!frame(fd, 7) && got_plane.bytesused <= 64 && !got.timestamp.tv_usec && !(got.flags & V4L2_BUF_FLAG_KEYFRAME));
	CHECK(!dequeue(fd, CAP) && got_plane.bytesused > 64 && got.timestamp.tv_usec == 7 && (got.flags & V4L2_BUF_FLAG_KEYFRAME));
	close(fd);
	knob("header_first", "0");
	knob("first_stamp_zero", "0");

	/* 64 x 48 as it is are 4608 bytes. */
	knob("coded_sizeimage", "4096");
	fd = started();
	CHECK(!frame(fd, 7) && got_plane.bytesused == 4096 && got.timestamp.tv_usec == 7);
	CHECK(!dequeue(fd, CAP) && got_plane.bytesused < 4096 && got.timestamp.tv_usec == 7);
	CHECK(dequeue(fd, CAP) == EAGAIN);
	close(fd);
	knob("coded_sizeimage", "0");

	fd = started();
	knob("dqbuf_eio_capture", "1");
	CHECK(!queue(fd, OUT, 0, 0, 0) && !dequeue(fd, OUT) && dequeue(fd, CAP) == EIO && !dequeue(fd, CAP));
	knob("dqbuf_eio_capture", "0");
	close(fd);
}

/* Frames that stay inside: two of them, then the rest at the end of the stream, in order. */
static void look_ahead(void)
{
	int fd;

	knob("look_ahead", "2");
	fd = started();
	for (int i = 0; i < 2; i++)
		CHECK(!queue(fd, OUT, i, 0, 1 + i) && !dequeue(fd, OUT) && dequeue(fd, CAP) == EAGAIN);
	CHECK(!frame(fd, 3) && got.timestamp.tv_usec == 1 && (got.flags & V4L2_BUF_FLAG_KEYFRAME));
	CHECK(dequeue(fd, CAP) == EAGAIN);
	CHECK(!stop(fd) && !dequeue(fd, CAP) && got.timestamp.tv_usec == 2 && !(got.flags & V4L2_BUF_FLAG_LAST));
	CHECK(!dequeue(fd, CAP) && got.timestamp.tv_usec == 3 && !dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_LAST));
	/* What STREAMOFF discards does not come later. */
	CHECK(!stream(fd, CAP, 0) && !stream(fd, CAP, 1) && !queue(fd, CAP, 0, 0, 0));
	CHECK(!queue(fd, OUT, 0, 0, 4) && !dequeue(fd, OUT) && !stream(fd, OUT, 0) && !stream(fd, OUT, 1));
	knob("look_ahead", "0");
	CHECK(!frame(fd, 5) && got.timestamp.tv_usec == 5 && (got.flags & V4L2_BUF_FLAG_KEYFRAME));
	close(fd);

	knob("end_early", "2");
	knob("start_resumes", "1");
	fd = started();
	CHECK(!frame(fd, 1) && !frame(fd, 2) && !dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_LAST) && dequeue(fd, CAP) == EPIPE);
	CHECK(!start(fd) && !queue(fd, CAP, 0, 0, 0) && !frame(fd, 3) && got.timestamp.tv_usec == 3);
	close(fd);
	knob("end_early", "0");
	knob("start_resumes", "0");
}

/* A driver that narrows down, fails or answers falsely. */
static void oddities(void)
{
	struct v4l2_selection crop = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT, .target = V4L2_SEL_TGT_CROP, .r = { 0, 0, 60, 44 } };
	struct v4l2_fmtdesc description = { .type = OUT };
	struct v4l2_plane plane;
	struct v4l2_buffer b = { .type = CAP, .memory = V4L2_MEMORY_MMAP, .m.planes = &plane, .length = 1 };
	struct v4l2_exportbuffer export = { .type = CAP };
	struct v4l2_format f;
	int fd;

	knob("only_format", "0x3231564e");
	knob("crop_align", "16");
	fd = open("/dev/video11", O_RDWR);
	CHECK(!call(fd, VIDIOC_ENUM_FMT, &description) && description.pixelformat == V4L2_PIX_FMT_NV12);
	description.index = 1;
	CHECK(call(fd, VIDIOC_ENUM_FMT, &description) == EINVAL);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_YUV420, W, H, &f) && f.fmt.pix_mp.pixelformat == V4L2_PIX_FMT_NV12);
	CHECK(!call(fd, VIDIOC_S_SELECTION, &crop) && crop.r.width == 48 && crop.r.height == 32);
	knob("only_format", "0");
	knob("crop_align", "0");
	close(fd);

	fd = started();
	knob("qbuf_errno", "22");
	CHECK(queue(fd, OUT, 0, 0, 0) == EINVAL && queue(fd, OUT, 1, 0, 0) == EINVAL);
	knob("qbuf_errno", "0");
	knob("poll_error", "1");
	CHECK((await(fd, POLLIN) & POLLERR) && dequeue(fd, CAP) == EAGAIN && !queue(fd, OUT, 0, 0, 1) &&
	      !dequeue_late(fd, OUT) && !dequeue_late(fd, CAP));
	knob("poll_error", "2");
	CHECK((await(fd, POLLIN) & POLLERR) && dequeue(fd, CAP) == EIO);
	knob("poll_error", "0");
	close(fd);

	fd = started();
	knob("false_answers", "31");
	CHECK(!call(fd, VIDIOC_EXPBUF, &export) && export.fd == -1);
	CHECK(!call(fd, VIDIOC_QUERYBUF, &b) && plane.length >= 16 << 20);
	CHECK(!frame(fd, 1) && got.index >= 32 && got_plane.bytesused > got_plane.length && got_plane.data_offset > got_plane.bytesused);
	knob("false_answers", "0");
	close(fd);
}

static void drain(void)
{
	struct v4l2_event_subscription all = { .type = V4L2_EVENT_EOS };
	struct v4l2_event event;
	int fd = prepared();

	CHECK(!call(fd, VIDIOC_SUBSCRIBE_EVENT, &all) && !stop(fd));
	CHECK(!stream(fd, OUT, 1) && !stream(fd, CAP, 1));
	CHECK(await(fd, POLLIN | POLLOUT) == POLLERR);
	/* No frame at all, and at first no CAPTURE buffer. */
	CHECK(!stop(fd) && !stop(fd) && call(fd, VIDIOC_DQEVENT, &event) == ENOENT);
	for (int i = 0; i < 4; i++)
		CHECK(!queue(fd, CAP, i, 0, 0));
	CHECK(!dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_LAST) && !got_plane.bytesused && !got.timestamp.tv_usec);
	CHECK((await(fd, POLLPRI) & POLLPRI) && !call(fd, VIDIOC_DQEVENT, &event) && event.type == V4L2_EVENT_EOS);
	CHECK(dequeue(fd, CAP) == EPIPE && (await(fd, POLLIN) & POLLIN));
	CHECK(!stream(fd, CAP, 0) && !stream(fd, CAP, 1));
	for (int i = 0; i < 4; i++)
		CHECK(!queue(fd, CAP, i, 0, 0));
	CHECK(!frame(fd, 5) && (got.flags & V4L2_BUF_FLAG_KEYFRAME));
	CHECK(!queue(fd, OUT, 0, 0, 6) && !stop(fd) && !dequeue(fd, CAP) && !(got.flags & V4L2_BUF_FLAG_LAST));
	CHECK(!dequeue(fd, CAP) && (got.flags & V4L2_BUF_FLAG_LAST));
	close(fd);
}

static int heap(const char *path, size_t bytes)
{
	struct dma_heap_allocation_data a = { .len = bytes, .fd_flags = O_RDWR | O_CLOEXEC };
	int fd = open(path, O_RDWR);
	int error = call(fd, DMA_HEAP_IOCTL_ALLOC, &a);

	close(fd);
	return error ? -1 : (int)a.fd;
}

static void imports(void)
{
	int fd = open("/dev/video11", O_RDWR | O_NONBLOCK);
	int good = heap("/dev/dma_heap/reserved", 4 << 20), small = heap("/dev/dma_heap/reserved", 4096);
	int scattered = heap("/dev/dma_heap/system", 4 << 20);
	unsigned int count = 2;
	struct v4l2_format f;

	CHECK(good >= 0 && small >= 0 && scattered >= 0);
	CHECK(!set_format(fd, OUT, V4L2_PIX_FMT_YUV420, 1920, 1080, &f) && !set_format(fd, CAP, V4L2_PIX_FMT_H264, 1920, 1080, &f));
	CHECK(!request(fd, OUT, V4L2_MEMORY_DMABUF, &count));
	CHECK(queue(fd, OUT, 0, small, 0) == EINVAL);
	CHECK(queue(fd, OUT, 0, scattered, 0) == EFAULT);
	CHECK(!queue(fd, OUT, 0, good, 0));
	CHECK(request(fd, OUT, V4L2_MEMORY_USERPTR, &count) == EINVAL);
	close(fd);
	close(good);
	close(small);
	close(scattered);
}

static void hangs(void)
{
	double began;
	int fd = started();

	CHECK(!rate(fd, 5) && !queue(fd, OUT, 0, 0, 0) && dequeue(fd, OUT) == EAGAIN);
	/* It hangs for good: a proper rate comes too late. */
	CHECK(!rate(fd, 30) && !queue(fd, OUT, 1, 0, 0) && dequeue(fd, CAP) == EAGAIN);
	began = now();
	CHECK(!stream(fd, OUT, 0) && now() - began > 1.9);
	knob("streamoff_ms", "10");
	close(fd);
	fd = started();
	CHECK(!control(fd, V4L2_CID_MPEG_VIDEO_H264_I_PERIOD, 1) && !queue(fd, OUT, 0, 0, 0) && dequeue(fd, OUT) == EAGAIN);
	close(fd);
	knob("streamoff_ms", "2000");
}

/* What the H.264 encoder's node says that it is, once it is there. */
static uint32_t capabilities(void)
{
	struct v4l2_capability capability = { 0 };
	int fd = -1;

	for (int i = 0; i < 100 && fd < 0; i++) {
		usleep(10000);
		fd = open("/dev/video11", O_RDWR);
	}
	CHECK(!call(fd, VIDIOC_QUERYCAP, &capability));
	close(fd);
	return capability.device_caps;
}

/* Another process is killed, or the node goes away, while frames are at work. */
static void ends(void)
{
	const uint32_t both = V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_VIDEO_OUTPUT_MPLANE | V4L2_CAP_VIDEO_M2M_MPLANE;
	double began;
	pid_t child;
	int fd, other;

	knob("encode_us", "200000");
	for (int i = 0; i < 3; i++) {
		child = fork();
		if (!child) {
			fd = started();
			for (int j = 0; j < 4; j++)
				queue(fd, OUT, j, 0, 0);
			usleep(50000);
			kill(getpid(), SIGKILL);
		}
		waitpid(child, NULL, 0);
	}
	knob("encode_us", "300");
	/* A close meets the end of a stream, at every distance. */
	for (int i = 0; i < 100; i++) {
		fd = started();
		CHECK(!queue(fd, OUT, 0, 0, 0) && !stop(fd));
		usleep(i * 10);
		close(fd);
	}
	knob("encode_us", "200000");
	/* Two at once take turns. */
	fd = started();
	other = started();
	began = now();
	for (int i = 0; i < 2; i++)
		CHECK(!queue(fd, OUT, i, 0, i) && !queue(other, OUT, i, 0, i));
	for (int i = 0; i < 2; i++)
		CHECK(!dequeue(fd, CAP) && !dequeue(other, CAP));
	CHECK(now() - began > 0.75);
	close(other);
	/* Stopping does not wait for the frame's time to pass. */
	CHECK(!queue(fd, OUT, 2, 0, 0));
	knob("encode_us", "900000");
	CHECK(!queue(fd, OUT, 3, 0, 0));
	usleep(250000);
	began = now();
	CHECK(!stream(fd, OUT, 0) && now() - began < 0.5);
	close(fd);
	knob("encode_us", "200000");

	fd = started();
	CHECK(!queue(fd, OUT, 0, 0, 0));
	child = fork();
	if (!child) {
		usleep(50000);
		knob("away", "1");
		_exit(0);
	}
	CHECK(await(fd, POLLPRI) & POLLERR);
	CHECK(queue(fd, OUT, 1, 0, 0) == ENODEV && stream(fd, OUT, 0) == ENODEV && dequeue(fd, CAP) == ENODEV);
	waitpid(child, NULL, 0);
	CHECK(access("/dev/video11", F_OK) && access("/dev/video31", F_OK));
	/* Somebody holds the old number, and the node waits for it. */
	knob("away", "0");
	CHECK(access("/dev/video11", F_OK) && !access("/dev/video31", F_OK));
	knob("encode_us", "0");
	knob("no_m2m", "1");
	close(fd);
	for (int i = 0; i < 100 && access("/dev/video11", F_OK); i++)
		usleep(10000);
	usleep(100000);
	CHECK((capabilities() & both) == (both & ~V4L2_CAP_VIDEO_M2M_MPLANE));
	knob("no_m2m", "0");
	knob("away", "1");
	knob("away", "0");
	CHECK((capabilities() & both) == V4L2_CAP_VIDEO_M2M_MPLANE);
	fd = started();
	CHECK(!frame(fd, 1));
	close(fd);
}

int main(void)
{
	formats();
	refusals();
	data();
	drain();
	look_ahead();
	oddities();
	imports();
	hangs();
	ends();
	printf("%d checks, %d failed\n", checks, failures);
	return failures != 0;
}
