/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bitstream of the model, apart from V4L2: pure functions over memory, integer arithmetic only. They build into the
 * kernel, and with CODER_HOST defined into a program of the host, where they are tested.
 */
#ifndef CODER_H
#define CODER_H

#ifdef CODER_HOST
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
#else
#include <linux/string.h>
#include <linux/types.h>
#endif

/* Where coded bytes go. What does not fit sets `full` and is left out: the caller made `room` large enough or reports an error. */
struct sink {
	u8 *bytes;
	size_t room;
	size_t used;
	bool full;
};

/* A picture of three planes, 4:2:0, 8 bit, limited range. Luma width and height are multiples of 16, each line is `width`
 * (chroma: width / 2) bytes long, nothing between lines. */
struct picture {
	u8 *y, *cb, *cr;
	u32 width, height;
};

/* Bytes of a picture's three planes together. */
size_t picture_bytes(u32 width, u32 height);
/* Lets the planes follow each other in `memory`. */
void picture_place(struct picture *picture, u8 *memory, u32 width, u32 height);

/* A raw frame as it lies in an OUTPUT buffer. Where all colour planes are in one memory plane, only the first entry of `bytes` and of `stride`
 * (bytesperline) is given: with `rows`, the format's height, it says where the others are. NM12 and YM12 have an entry a colour plane.
 * `width` x `height` is what is visible (the crop). NC12 has columns of 128 bytes: there `stride` counts the lines from one column to the next. */
#define MEMORY_PLANES 3
struct raw {
	const u8 *bytes[MEMORY_PLANES];
	u32 stride[MEMORY_PLANES];
	u32 rows;
	u32 width, height;
};

/* Raw formats, by V4L2's four characters (v4l2_fourcc). Fills `to` from a frame. Beyond what is visible the last column and row are repeated.
 * 4:2:2 becomes 4:2:0 by the mean of two lines, (a + b + 1) / 2; RGB becomes BT.601 limited range. False when the format is not known. */
bool picture_load(struct picture *to, u32 fourcc, const struct raw *frame);

/* A raw frame to be written, all in one memory plane. `rows` is the format's height; `width` x `height`, both even, is what is written. */
struct canvas {
	u8 *bytes;
	u32 stride, rows;
	u32 width, height;
	bool full_range;		/* of the picture's samples, where they become RGB */
};

/* Fills a frame from a picture, which is at least as large. Each line of a format that is not 4:2:0 takes the chroma of its pair, unfiltered; RGB
 * is BT.601. False when the format is not known. */
bool picture_store(const struct picture *from, u32 fourcc, const struct canvas *to);

/* Sample (x, y) of the visible part of `to` is sample (x * from_width / to_width, y * from_height / to_height) of that of `from`, both numbers
 * rounded down; of chroma, by half the sizes. Flipped, x or y counts from the other end. The sizes are even, and what lies beyond is left alone. */
void picture_scale(struct picture *to, u32 to_width, u32 to_height, const struct picture *from, u32 from_width, u32 from_height,
		   bool hflip, bool vflip);

/* H.264, lossless: I_PCM for macroblocks that differ from the reference, P_Skip for the others; CAVLC, no deblocking, POC type 2. */
struct h264 {
	u32 width, height;		/* visible; the rest is cropped by the SPS */
	u32 profile_idc;		/* 66, 77, 100 */
	u32 constraint_flags;		/* constraint_set0..5 as they stand in the byte after profile_idc */
	u32 level_idc;			/* 10 .. 51; level 1b is 11 with constraint_set3, or 9 for High */
	u32 rate_numerator, rate_denominator;	/* frames per second, for the VUI's timing */
	bool signal_colour;			/* whether the VUI has a video_signal_type; the next four are its numbers */
	bool full_range;
	u32 primaries, transfer, matrix;
	u32 frame_num, idr_pic_id;	/* state; zero at the start */
};

/* SPS and PPS, with start codes. */
void h264_headers(const struct h264 *coder, struct sink *out);
/* Bytes that one picture may take, headers included, if each of its samples is zero and so needs emulation prevention. */
size_t h264_room(u32 width, u32 height);
/* One picture as one access unit without headers: an IDR when `key`, otherwise a P slice against `reference`, both of the coder's size
 * rounded up to 16. `now` becomes the new reference: the caller swaps. When the sink gets full, the coder's state stays as it was and
 * the picture counts as never coded. */
void h264_picture(struct h264 *coder, const struct picture *now, const struct picture *reference, bool key, struct sink *out);
/* A P slice in which everything is skipped, or (key) a grey IDR picture: for measuring clients without the cost of pixels. */
void h264_canned(struct h264 *coder, bool key, struct sink *out);

/* The same, read. Zero at the start; what SPS and PPS said stays. */
struct h264_reader {
	u32 width, height;		/* visible; zero until there was an SPS */
	u32 frame_num_bits, frame_num;	/* the number that the next picture has */
	bool has_pps;
	const u8 *slice, *end;		/* of the picture at hand */
	bool key;
};

/* Reads headers up to the first picture in these bytes; false when there is none, or none that can be read. */
bool h264_open(struct h264_reader *reader, const u8 *bytes, size_t length);
/* That picture, in the place of the one before it. False when it is damaged, or the one before it was never read. */
bool h264_read(struct h264_reader *reader, struct picture *picture);

/* Baseline JPEG (JFIF, 4:2:0) of what is visible, quality 1 to 100 as libjpeg scales its tables. The limited range becomes the full one
 * that JFIF has. */
void jpeg_picture(const struct picture *now, u32 width, u32 height, u32 quality, struct sink *out);

/* Baseline JPEG, read. Its size and whether it has Huffman tables of its own (else those of Annex K are used) are in the reader (jpeg_reader.h)
 * once it is open; false when the bytes are no such picture. */
struct jpeg_reader;
bool jpeg_open(struct jpeg_reader *reader, const u8 *bytes, size_t length);
/* The picture, of the size that was found rounded up to 16. 4:2:2, 4:4:0 and 4:4:4 become 4:2:0 by the mean of two or four samples, halves
 * rounded up. False when it is damaged: what was read until then is there. */
bool jpeg_read(struct jpeg_reader *reader, struct picture *to);

#endif
