// SPDX-License-Identifier: GPL-2.0
/*
 * The model's coder as a program, so that tests/model_coder.rs can drive it: parameters as NAME=VALUE, frames from standard input,
 * what comes of them to standard output.
 *
 *   h264    frames of `fourcc`, `stride` x `rows`, `bytes` long, become a stream; a key frame every `key` frames. Where chroma has memory
 *           planes of its own, its lines are `chroma` bytes apart
 *   canned  `frames` canned pictures, a key frame every `key` frames
 *   load    frames become YU12 with the coder's own size, padding included
 *   jpeg    one frame becomes a JPEG of `quality`
 *   unjpeg  one JPEG becomes a frame of `fourcc`, `room` bytes with lines of `stride`, rounded up to even sizes; where that is RGB, `full` says
 *           whether the samples have the full range. Then it is read `damaged` times more, with bytes changed or its end cut off
 *
 * What h264 and canned write they also read again, and it has to be the same.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernel/bcm2835-codec-model/jpeg_reader.h"

static int arguments;
static char **argument;

static void fail(const char *what)
{
	fprintf(stderr, "coder-check: %s\n", what);
	exit(1);
}

/* The text after NAME=. */
static const char *text(const char *name)
{
	size_t length = strlen(name);
	int i;

	for (i = 2; i < arguments; i++)
		if (!strncmp(argument[i], name, length) && argument[i][length] == '=')
			return argument[i] + length + 1;
	fail(name);
	return NULL;
}

static u32 number(const char *name)
{
	return (u32)strtoul(text(name), NULL, 0);
}

static void *memory(size_t bytes)
{
	void *at = malloc(bytes ? bytes : 1);

	if (!at)
		fail("no memory");
	return at;
}

/* Each write comes from memory of just the size that the coder was promised: the sanitizer sees one byte too many. */
static void give(const struct sink *out)
{
	if (out->full)
		fail("full");
	if (fwrite(out->bytes, 1, out->used, stdout) != out->used)
		fail("cannot write");
}

static bool next_frame(u8 *frame, size_t bytes)
{
	size_t got = fread(frame, 1, bytes, stdin);

	if (got && got != bytes)
		fail("half a frame");
	return got == bytes;
}

static u32 aligned(u32 pixels)
{
	return (pixels + 15) / 16 * 16;
}

static struct picture new_picture(void)
{
	u32 width = aligned(number("width")), height = aligned(number("height"));
	struct picture picture;

	picture_place(&picture, memory(picture_bytes(width, height)), width, height);
	return picture;
}

static u32 fourcc(void)
{
	const char *f = text("fourcc");

	return (u32)f[0] | (u32)f[1] << 8 | (u32)f[2] << 16 | (u32)f[3] << 24;
}

static void load(struct picture *picture, const u8 *frame)
{
	struct raw raw = {
		.bytes[0] = frame, .stride[0] = number("stride"), .rows = number("rows"),
		.width = number("width"), .height = number("height"),
	};

	if (text("fourcc")[1] == 'M') {
		/* The file has the memory planes one after the other. */
		raw.stride[1] = raw.stride[2] = number("chroma");
		raw.bytes[1] = frame + (size_t)raw.stride[0] * raw.rows;
		raw.bytes[2] = raw.bytes[1] + (size_t)raw.stride[1] * (raw.rows / 2);
	}
	if (!picture_load(picture, fourcc(), &raw))
		fail("unknown format");
}

static struct h264 new_coder(void)
{
	struct h264 coder = {
		.width = number("width"), .height = number("height"),
		.profile_idc = number("profile"), .constraint_flags = number("flags"), .level_idc = number("level"),
		.rate_numerator = number("rate"), .rate_denominator = number("per"),
	};

	return coder;
}

/* Reads a picture from memory of just its size. */
static void reread(struct h264_reader *reader, const struct sink *out, struct picture *picture)
{
	u8 *bytes = memory(out->used);

	memcpy(bytes, out->bytes, out->used);
	if (!h264_open(reader, bytes, out->used) || reader->width != number("width") || reader->height != number("height"))
		fail("cannot be read");
	if (!h264_read(reader, picture))
		fail("is damaged");
	free(bytes);
}

/* A picture that does not fit must leave no trace: the same one, coded again with room, continues the stream. */
static void code(struct h264 *coder, const struct picture *now, const struct picture *reference, bool key, struct h264_reader *reader,
		 struct picture *read)
{
	size_t room = h264_room(coder->width, coder->height);
	u32 short_of = number("short");
	struct sink out = { .bytes = memory(room), .room = room };

	if (short_of) {
		struct sink small = { .bytes = memory(short_of), .room = short_of };

		h264_picture(coder, now, reference, key, &small);
		if (!small.full)
			fail("fits");
		free(small.bytes);
	}
	if (key)
		h264_headers(coder, &out);
	h264_picture(coder, now, reference, key, &out);
	give(&out);
	reread(reader, &out, read);
	if (memcmp(read->y, now->y, picture_bytes(now->width, now->height)))
		fail("is read as another picture");
	free(out.bytes);
}

static void h264(u8 *frame, size_t bytes)
{
	struct h264 coder = new_coder();
	struct picture now = new_picture(), reference = new_picture(), read = new_picture(), other;
	struct h264_reader reader = { 0 };
	u32 count;

	for (count = 0; next_frame(frame, bytes); count++) {
		load(&now, frame);
		code(&coder, &now, &reference, count % number("key") == 0, &reader, &read);
		other = now;
		now = reference;
		reference = other;
	}
	free(now.y);
	free(reference.y);
	free(read.y);
}

static void canned(void)
{
	struct h264 coder = new_coder();
	struct picture read = new_picture();
	struct h264_reader reader = { 0 };
	u32 count;

	for (count = 0; count < number("frames"); count++) {
		bool key = count % number("key") == 0;
		u8 bytes[16384];
		struct sink out = { .bytes = bytes, .room = sizeof(bytes) };

		if (key)
			h264_headers(&coder, &out);
		h264_canned(&coder, key, &out);
		give(&out);
		reread(&reader, &out, &read);
		if (read.y[count] != 128 || read.cr[count] != 128)
			fail("is not grey");
	}
	free(read.y);
}

static void loaded(u8 *frame, size_t bytes)
{
	struct picture picture = new_picture();
	size_t length = picture_bytes(picture.width, picture.height);

	while (next_frame(frame, bytes)) {
		struct sink out = { .bytes = picture.y, .room = length, .used = length };

		load(&picture, frame);
		give(&out);
	}
	free(picture.y);
}

static void jpeg(u8 *frame, size_t bytes)
{
	struct picture picture = new_picture();
	struct sink out = { .bytes = memory(number("room")), .room = number("room") };

	if (!next_frame(frame, bytes))
		fail("no frame");
	load(&picture, frame);
	jpeg_picture(&picture, number("width"), number("height"), number("quality"), &out);
	give(&out);
	free(picture.y);
	free(out.bytes);
}

/* Memory of just the size: the sanitizer sees one byte too many. */
static bool read_jpeg(const u8 *bytes, size_t length, struct picture *picture, struct jpeg_reader *reader)
{
	u8 *copy = memory(length);
	bool whole = false;

	picture->y = NULL;
	memcpy(copy, bytes, length);
	if (jpeg_open(reader, copy, length)) {
		u32 width = aligned(reader->width), height = aligned(reader->height);

		if (width <= 4096 && height <= 4096) {
			picture_place(picture, memory(picture_bytes(width, height)), width, height);
			memset(picture->y, 0, picture_bytes(width, height));
			whole = jpeg_read(reader, picture);
		}
	}
	free(copy);
	return whole;
}

static u32 random_number(void)
{
	static u32 state = 1;

	state = state * 1664525 + 1013904223;
	return state >> 8;
}

static void damage(u8 *frame, size_t bytes, u32 times, struct jpeg_reader *reader)
{
	u8 *copy = memory(bytes);
	struct picture picture;
	u32 i;

	for (; times; times--) {
		memcpy(copy, frame, bytes);
		for (i = 0; i < 1 + times % 4; i++)
			copy[random_number() % bytes] = (u8)random_number();
		read_jpeg(copy, times % 3 ? bytes : random_number() % bytes, &picture, reader);
		free(picture.y);
	}
	free(copy);
}

static void unjpeg(u8 *frame, size_t bytes)
{
	struct jpeg_reader *reader = memory(sizeof(*reader));
	struct picture picture;
	struct sink out = { .bytes = memory(number("room")), .room = number("room"), .used = number("room") };
	struct canvas canvas = { .bytes = out.bytes, .stride = number("stride"), .full_range = number("full") };

	if (!next_frame(frame, bytes))
		fail("no frame");
	if (!read_jpeg(frame, bytes, &picture, reader))
		fail("cannot be read");
	canvas.width = (reader->width + 1) & ~1u;
	canvas.height = canvas.rows = (reader->height + 1) & ~1u;
	if (!picture_store(&picture, fourcc(), &canvas))
		fail("unknown format");
	give(&out);
	free(out.bytes);
	free(picture.y);
	damage(frame, bytes, number("damaged"), reader);
	free(reader);
}

int main(int count, char **list)
{
	size_t bytes;
	u8 *frame;

	arguments = count;
	argument = list;
	if (count < 2)
		fail("h264, canned, load, jpeg or unjpeg?");
	if (!strcmp(list[1], "canned")) {
		canned();
		return 0;
	}
	bytes = number("bytes");
	frame = memory(bytes);
	if (!strcmp(list[1], "h264"))
		h264(frame, bytes);
	else if (!strcmp(list[1], "load"))
		loaded(frame, bytes);
	else if (!strcmp(list[1], "jpeg"))
		jpeg(frame, bytes);
	else if (!strcmp(list[1], "unjpeg"))
		unjpeg(frame, bytes);
	else
		fail(list[1]);
	free(frame);
	return 0;
}
