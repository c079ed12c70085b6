// SPDX-License-Identifier: GPL-2.0
/*
 * Three planes into a raw format: what picture.c reads, the other way round. Of sizes and strides it believes everything: the driver has
 * checked them against the buffer.
 */
#include "coder.h"

#define FOURCC(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)

static void store_lines(u8 *to, u32 to_stride, const u8 *from, u32 stride, u32 width, u32 height)
{
	for (; height; height--, to += to_stride, from += stride)
		memcpy(to, from, width);
}

static void store_luma(const struct picture *from, const struct canvas *to)
{
	store_lines(to->bytes, to->stride, from->y, from->width, to->width, to->height);
}

static void store_planar(const struct picture *from, const struct canvas *to, const u8 *first, const u8 *second)
{
	u8 *chroma = to->bytes + (size_t)to->stride * to->rows;
	u32 width = to->width / 2, height = to->height / 2, stride = to->stride / 2;

	store_luma(from, to);
	store_lines(chroma, stride, first, from->width / 2, width, height);
	store_lines(chroma + (size_t)stride * (to->rows / 2), stride, second, from->width / 2, width, height);
}

static void store_semi_planar(const struct picture *from, const struct canvas *to, const u8 *first, const u8 *second)
{
	u8 *pairs = to->bytes + (size_t)to->stride * to->rows;
	u32 x, y;

	store_luma(from, to);
	for (y = 0; y < to->height / 2; y++, pairs += to->stride, first += from->width / 2, second += from->width / 2) {
		for (x = 0; x < to->width / 2; x++) {
			pairs[2 * x] = first[x];
			pairs[2 * x + 1] = second[x];
		}
	}
}

/* Four bytes for two pixels; the arguments say where among them the first luma, Cb and Cr are. The second luma follows two later. */
static void store_packed(const struct picture *from, const struct canvas *to, u32 luma, u32 cb, u32 cr)
{
	u32 x, y;

	for (y = 0; y < to->height; y++) {
		const u8 *from_y = from->y + (size_t)y * from->width;
		const u8 *from_cb = from->cb + (size_t)(y / 2) * (from->width / 2);
		const u8 *from_cr = from->cr + (size_t)(y / 2) * (from->width / 2);
		u8 *group = to->bytes + (size_t)y * to->stride;

		for (x = 0; x < to->width; x += 2, group += 4) {
			group[luma] = from_y[x];
			group[luma + 2] = from_y[x + 1];
			group[cb] = from_cb[x / 2];
			group[cr] = from_cr[x / 2];
		}
	}
}

static u8 clamped(s32 value)
{
	return value < 0 ? 0 : value > 255 ? 255 : (u8)value;
}

/* BT.601 in units of 1 / 65536: 1.402, 0.344136, 0.714136 and 1.772 where the range is full. */
static void to_rgb(u8 rgb[3], s32 y, s32 cb, s32 cr, bool full)
{
	s32 luma = (full ? y * 65536 : (y - 16) * 76309) + 32768;

	cb -= 128;
	cr -= 128;
	rgb[0] = clamped((luma + cr * (full ? 91881 : 104597)) >> 16);
	rgb[1] = clamped((luma - cb * (full ? 22554 : 25675) - cr * (full ? 46802 : 53279)) >> 16);
	rgb[2] = clamped((luma + cb * (full ? 116130 : 132201)) >> 16);
}

/* Where a pixel has its colours; with two bytes a pixel it is RGB565, the low byte first, and the lower bits are cut off. */
static void store_rgb(const struct picture *from, const struct canvas *to, u32 size, u32 red, u32 blue)
{
	u8 rgb[3];
	u32 x, y;

	for (y = 0; y < to->height; y++) {
		const u8 *from_y = from->y + (size_t)y * from->width;
		const u8 *from_cb = from->cb + (size_t)(y / 2) * (from->width / 2);
		const u8 *from_cr = from->cr + (size_t)(y / 2) * (from->width / 2);
		u8 *pixel = to->bytes + (size_t)y * to->stride;

		for (x = 0; x < to->width; x++, pixel += size) {
			to_rgb(rgb, from_y[x], from_cb[x / 2], from_cr[x / 2], to->full_range);
			if (size == 2) {
				pixel[0] = (rgb[1] >> 2 & 7) << 5 | rgb[2] >> 3;
				pixel[1] = (rgb[0] & 0xf8) | rgb[1] >> 5;
				continue;
			}
			pixel[red] = rgb[0];
			pixel[1] = rgb[1];
			pixel[blue] = rgb[2];
			if (size == 4)
				pixel[3] = 255;
		}
	}
}

bool picture_store(const struct picture *from, u32 fourcc, const struct canvas *to)
{
	switch (fourcc) {
	case FOURCC('Y', 'U', '1', '2'):
		store_planar(from, to, from->cb, from->cr);
		return true;
	case FOURCC('Y', 'V', '1', '2'):
		store_planar(from, to, from->cr, from->cb);
		return true;
	case FOURCC('N', 'V', '1', '2'):
		store_semi_planar(from, to, from->cb, from->cr);
		return true;
	case FOURCC('N', 'V', '2', '1'):
		store_semi_planar(from, to, from->cr, from->cb);
		return true;
	case FOURCC('Y', 'U', 'Y', 'V'):
		store_packed(from, to, 0, 1, 3);
		return true;
	case FOURCC('Y', 'V', 'Y', 'U'):
		store_packed(from, to, 0, 3, 1);
		return true;
	case FOURCC('U', 'Y', 'V', 'Y'):
		store_packed(from, to, 1, 0, 2);
		return true;
	case FOURCC('V', 'Y', 'U', 'Y'):
		store_packed(from, to, 1, 2, 0);
		return true;
	case FOURCC('R', 'G', 'B', 'P'):
		store_rgb(from, to, 2, 0, 0);
		return true;
	case FOURCC('R', 'G', 'B', '3'):
		store_rgb(from, to, 3, 0, 2);
		return true;
	case FOURCC('B', 'G', 'R', '3'):
		store_rgb(from, to, 3, 2, 0);
		return true;
	case FOURCC('B', 'G', 'R', '4'):
		store_rgb(from, to, 4, 2, 0);
		return true;
	case FOURCC('A', 'B', '2', '4'):
		store_rgb(from, to, 4, 0, 2);
		return true;
	default:
		return false;
	}
}
