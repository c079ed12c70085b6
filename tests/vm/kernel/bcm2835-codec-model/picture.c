// SPDX-License-Identifier: GPL-2.0
/*
 * Raw formats, and how each becomes the three planes that the coders read. Lines are visited in pairs, since each pair shares its
 * chroma. Of sizes and strides it believes everything: the driver has checked them against the buffer.
 */
#include "coder.h"

#define FOURCC(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)

/* Broadcom's columns (NV12_COL128): this wide, in bytes. */
#define COLUMN 128

size_t picture_bytes(u32 width, u32 height)
{
	return (size_t)width * height * 3 / 2;
}

void picture_place(struct picture *picture, u8 *memory, u32 width, u32 height)
{
	size_t luma = (size_t)width * height;

	picture->y = memory;
	picture->cb = memory + luma;
	picture->cr = memory + luma + luma / 4;
	picture->width = width;
	picture->height = height;
}

static void load_lines(u8 *to, u32 to_stride, const u8 *from, u32 stride, u32 width, u32 height)
{
	for (; height; height--, to += to_stride, from += stride)
		memcpy(to, from, width);
}

/* In one memory plane the colour planes follow the luma, and their stride follows from its. */
static void find_chroma(struct raw *frame, u32 stride)
{
	frame->stride[1] = frame->stride[2] = stride;
	frame->bytes[1] = frame->bytes[0] + (size_t)frame->stride[0] * frame->rows;
	frame->bytes[2] = frame->bytes[1] + (size_t)stride * (frame->rows / 2);
}

/* The first colour plane of the format goes to `first`. */
static void load_planar(struct picture *to, const struct raw *from, u8 *first, u8 *second)
{
	load_lines(to->y, to->width, from->bytes[0], from->stride[0], from->width, from->height);
	load_lines(first, to->width / 2, from->bytes[1], from->stride[1], from->width / 2, from->height / 2);
	load_lines(second, to->width / 2, from->bytes[2], from->stride[2], from->width / 2, from->height / 2);
}

static void split_pairs(u8 *first, u8 *second, const u8 *pairs, u32 count)
{
	u32 x;

	for (x = 0; x < count; x++) {
		first[x] = pairs[2 * x];
		second[x] = pairs[2 * x + 1];
	}
}

static void load_semi_planar(struct picture *to, const struct raw *from, u8 *first, u8 *second)
{
	size_t y;

	load_lines(to->y, to->width, from->bytes[0], from->stride[0], from->width, from->height);
	for (y = 0; y < from->height / 2; y++)
		split_pairs(first + y * (to->width / 2), second + y * (to->width / 2), from->bytes[1] + y * from->stride[1],
			    from->width / 2);
}

/* Each column holds its luma, `rows` lines of it, then its chroma. The format's stride counts the lines from column to column. */
static void load_columns(struct picture *to, const struct raw *from)
{
	u32 x, width;
	size_t y;

	for (x = 0; x < from->width; x += COLUMN) {
		const u8 *column = from->bytes[0] + (size_t)x * from->stride[0];
		const u8 *chroma = column + (size_t)from->rows * COLUMN;

		width = from->width - x < COLUMN ? from->width - x : COLUMN;
		load_lines(to->y + x, to->width, column, COLUMN, width, from->height);
		for (y = 0; y < from->height / 2; y++) {
			size_t at = y * (to->width / 2) + x / 2;

			split_pairs(to->cb + at, to->cr + at, chroma + y * COLUMN, width / 2);
		}
	}
}

/* Four bytes for two pixels; the arguments say where among them the first luma, Cb and Cr are. The second luma follows two later. */
static void load_packed(struct picture *to, const struct raw *from, u32 luma, u32 cb, u32 cr)
{
	size_t y;
	u32 x;

	for (y = 0; y < from->height; y += 2) {
		const u8 *upper = from->bytes[0] + y * from->stride[0];
		const u8 *lower = upper + from->stride[0];
		u8 *to_y = to->y + y * to->width;
		u8 *to_cb = to->cb + y / 2 * (to->width / 2);
		u8 *to_cr = to->cr + y / 2 * (to->width / 2);

		for (x = 0; x < from->width; x += 2, upper += 4, lower += 4) {
			to_y[x] = upper[luma];
			to_y[x + 1] = upper[luma + 2];
			to_y[to->width + x] = lower[luma];
			to_y[to->width + x + 1] = lower[luma + 2];
			to_cb[x / 2] = (upper[cb] + lower[cb] + 1) / 2;
			to_cr[x / 2] = (upper[cr] + lower[cr] + 1) / 2;
		}
	}
}

/* Where a pixel of RGB has its colours; with two bytes a pixel they are bits: RGB565, the low byte first. */
struct rgb_layout {
	u32 size, red, green, blue;
};

static inline void read_rgb(s32 rgb[3], const u8 *pixel, const struct rgb_layout *layout)
{
	u32 word;

	if (layout->size == 2) {
		word = pixel[0] | (u32)pixel[1] << 8;
		rgb[0] = (word >> 11) << 3 | word >> 13;
		rgb[1] = (word >> 5 & 63) << 2 | (word >> 9 & 3);
		rgb[2] = (word & 31) << 3 | (word >> 2 & 7);
	} else {
		rgb[0] = pixel[layout->red];
		rgb[1] = pixel[layout->green];
		rgb[2] = pixel[layout->blue];
	}
}

/* BT.601, limited range, in units of 1 / 65536. */
static void load_rgb(struct picture *to, const struct raw *from, const struct rgb_layout *layout)
{
	s32 rgb[3], sum[3];
	u32 x, i;
	size_t y;

	for (y = 0; y < from->height; y += 2) {
		u8 *to_y = to->y + y * to->width;
		u8 *to_cb = to->cb + y / 2 * (to->width / 2);
		u8 *to_cr = to->cr + y / 2 * (to->width / 2);

		for (x = 0; x < from->width; x += 2) {
			sum[0] = sum[1] = sum[2] = 0;
			for (i = 0; i < 4; i++) {
				u32 column = x + (i & 1);
				u32 line = i >> 1;

				read_rgb(rgb, from->bytes[0] + (y + line) * from->stride[0] + column * layout->size, layout);
				to_y[line * to->width + column] =
					16 + ((16829 * rgb[0] + 33039 * rgb[1] + 6416 * rgb[2] + 32768) >> 16);
				sum[0] += rgb[0];
				sum[1] += rgb[1];
				sum[2] += rgb[2];
			}
			/* Of four pixels. 128 is added before the shift: no negative number is shifted. */
			to_cb[x / 2] = (28784 * sum[2] - 9714 * sum[0] - 19070 * sum[1] + (128 << 18) + (1 << 17)) >> 18;
			to_cr[x / 2] = (28784 * sum[0] - 24103 * sum[1] - 4681 * sum[2] + (128 << 18) + (1 << 17)) >> 18;
		}
	}
}

/* Repeats the last column and the last line of what is visible. */
static void extend(u8 *plane, u32 plane_width, u32 plane_height, u32 width, u32 height)
{
	u8 *line = plane;
	u32 y;

	if (width < plane_width)
		for (y = 0; y < height; y++, line += plane_width)
			memset(line + width, line[width - 1], plane_width - width);
	line = plane + (size_t)plane_width * height;
	for (y = height; y < plane_height; y++, line += plane_width)
		memcpy(line, line - plane_width, plane_width);
}

static const struct rgb_layout rgb565 = { 2, 0, 0, 0 };
static const struct rgb_layout rgb24 = { 3, 0, 1, 2 };
static const struct rgb_layout bgr24 = { 3, 2, 1, 0 };
static const struct rgb_layout bgr32 = { 4, 2, 1, 0 };
static const struct rgb_layout rgba32 = { 4, 0, 1, 2 };

bool picture_load(struct picture *to, u32 fourcc, const struct raw *frame)
{
	u32 width = frame->width, height = frame->height;
	struct raw from = *frame;

	switch (fourcc) {
	case FOURCC('Y', 'U', '1', '2'):
		find_chroma(&from, from.stride[0] / 2);
		load_planar(to, &from, to->cb, to->cr);
		break;
	case FOURCC('Y', 'V', '1', '2'):
		find_chroma(&from, from.stride[0] / 2);
		load_planar(to, &from, to->cr, to->cb);
		break;
	case FOURCC('N', 'V', '1', '2'):
		find_chroma(&from, from.stride[0]);
		load_semi_planar(to, &from, to->cb, to->cr);
		break;
	case FOURCC('N', 'V', '2', '1'):
		find_chroma(&from, from.stride[0]);
		load_semi_planar(to, &from, to->cr, to->cb);
		break;
	case FOURCC('Y', 'M', '1', '2'):
		load_planar(to, &from, to->cb, to->cr);
		break;
	case FOURCC('N', 'M', '1', '2'):
		load_semi_planar(to, &from, to->cb, to->cr);
		break;
	case FOURCC('N', 'C', '1', '2'):
		load_columns(to, &from);
		break;
	case FOURCC('Y', 'U', 'Y', 'V'):
		load_packed(to, &from, 0, 1, 3);
		break;
	case FOURCC('Y', 'V', 'Y', 'U'):
		load_packed(to, &from, 0, 3, 1);
		break;
	case FOURCC('U', 'Y', 'V', 'Y'):
		load_packed(to, &from, 1, 0, 2);
		break;
	case FOURCC('V', 'Y', 'U', 'Y'):
		load_packed(to, &from, 1, 2, 0);
		break;
	case FOURCC('R', 'G', 'B', 'P'):
		load_rgb(to, &from, &rgb565);
		break;
	case FOURCC('R', 'G', 'B', '3'):
		load_rgb(to, &from, &rgb24);
		break;
	case FOURCC('B', 'G', 'R', '3'):
		load_rgb(to, &from, &bgr24);
		break;
	case FOURCC('B', 'G', 'R', '4'):
		load_rgb(to, &from, &bgr32);
		break;
	case FOURCC('A', 'B', '2', '4'):
		load_rgb(to, &from, &rgba32);
		break;
	default:
		return false;
	}
	extend(to->y, to->width, to->height, width, height);
	extend(to->cb, to->width / 2, to->height / 2, width / 2, height / 2);
	extend(to->cr, to->width / 2, to->height / 2, width / 2, height / 2);
	return true;
}
