// SPDX-License-Identifier: GPL-2.0
/*
 * Baseline JPEG. The transform is the plain matrix product, halved by symmetry: at one picture a call its exactness is worth more than
 * the multiplications of a faster one.
 */
#include "jpeg_tables.h"
#include "bits.h"

struct jpeg {
	struct sink *out;
	u64 bits;		/* the last `count` bits wait for a full byte; older ones above them are garbage */
	u32 count;
	s32 last_dc[3];
	u8 steps[2][64];	/* line by line */
};

static void marker(struct sink *out, u8 code, u32 length)
{
	sink_byte(out, 0xff);
	sink_byte(out, code);
	if (length) {
		sink_byte(out, (length + 2) >> 8);
		sink_byte(out, (length + 2) & 0xff);
	}
}

static void sink_bytes(struct sink *out, const u8 *bytes, u32 length)
{
	for (; length; length--)
		sink_byte(out, *bytes++);
}

/* As libjpeg does, so that a number means what people know it to mean. */
static void make_steps(struct jpeg *jpeg, u32 quality)
{
	u32 scale, step, table, i;

	quality = quality < 1 ? 1 : quality > 100 ? 100 : quality;
	scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;
	for (table = 0; table < 2; table++) {
		for (i = 0; i < 64; i++) {
			step = (steps_50[table][i] * scale + 50) / 100;
			jpeg->steps[table][i] = step < 1 ? 1 : step > 255 ? 255 : step;
		}
	}
}

static void headers(const struct jpeg *jpeg, u32 width, u32 height)
{
	/* Version 1.1, square pixels, no thumbnail. */
	static const u8 jfif[14] = { 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0 };
	/* Three components: number, sampling (luma twice each way), quantisation table. */
	static const u8 components[10] = { 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1 };
	/* Three components, their Huffman tables; the whole spectrum at once. */
	static const u8 scan[10] = { 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0 };
	const u8 size[5] = { 8, height >> 8, height & 0xff, width >> 8, width & 0xff };
	struct sink *out = jpeg->out;
	u32 table, i;

	marker(out, 0xd8, 0);	/* SOI */
	marker(out, 0xe0, sizeof(jfif));
	sink_bytes(out, jfif, sizeof(jfif));
	marker(out, 0xdb, 2 * 65);	/* DQT */
	for (table = 0; table < 2; table++) {
		sink_byte(out, table);
		for (i = 0; i < 64; i++)
			sink_byte(out, jpeg->steps[table][zigzag[i]]);
	}
	marker(out, 0xc0, sizeof(size) + sizeof(components));	/* SOF0 */
	sink_bytes(out, size, sizeof(size));
	sink_bytes(out, components, sizeof(components));
	marker(out, 0xc4, 2 * (sizeof(dc_luma_table) + sizeof(ac_luma_table)));	/* DHT */
	sink_bytes(out, dc_luma_table, sizeof(dc_luma_table));
	sink_bytes(out, ac_luma_table, sizeof(ac_luma_table));
	sink_bytes(out, dc_chroma_table, sizeof(dc_chroma_table));
	sink_bytes(out, ac_chroma_table, sizeof(ac_chroma_table));
	marker(out, 0xda, sizeof(scan));	/* SOS */
	sink_bytes(out, scan, sizeof(scan));
}

/* `length` bits of `value`, 0 to 16. */
static void put_bits(struct jpeg *jpeg, u32 length, u32 value)
{
	u8 byte;

	jpeg->bits = jpeg->bits << length | (value & ((1u << length) - 1));
	jpeg->count += length;
	while (jpeg->count >= 8) {
		jpeg->count -= 8;
		byte = (u8)(jpeg->bits >> jpeg->count);
		sink_byte(jpeg->out, byte);
		if (byte == 0xff)
			sink_byte(jpeg->out, 0);	/* no marker */
	}
}

static void put_code(struct jpeg *jpeg, u32 code)
{
	put_bits(jpeg, code >> 16, code & 0xffff);
}

static u32 size_of(s32 value)
{
	u32 magnitude = value < 0 ? -value : value;

	return magnitude ? 32 - __builtin_clz(magnitude) : 0;
}

/* A negative value's bits are those of the value less one: the first one is zero. */
static void put_value(struct jpeg *jpeg, s32 value, u32 size)
{
	put_bits(jpeg, size, (u32)(value < 0 ? value - 1 : value));
}

/* Half of cos(n * pi / 16), the row of the mean divided by sqrt(2), times 8192. Eight numbers to eight; `step` apart. */
static void transform(s32 *at, u32 step, u32 shift)
{
	static const s32 even[4][4] = {
		{ 2896, 2896, 2896, 2896 },
		{ 3784, 1567, -1567, -3784 },
		{ 2896, -2896, -2896, 2896 },
		{ 1567, -3784, 3784, -1567 },
	};
	static const s32 odd[4][4] = {
		{ 4017, 3406, 2276, 799 },
		{ 3406, -799, -4017, -2276 },
		{ 2276, -4017, 799, 3406 },
		{ 799, -2276, 3406, -4017 },
	};
	s32 sum[4], difference[4];
	s32 half = 1 << (shift - 1);
	u32 i;

	for (i = 0; i < 4; i++) {
		sum[i] = at[i * step] + at[(7 - i) * step];
		difference[i] = at[i * step] - at[(7 - i) * step];
	}
	for (i = 0; i < 4; i++) {
		const s32 *e = even[i];
		const s32 *o = odd[i];

		at[2 * i * step] = (e[0] * sum[0] + e[1] * sum[1] + e[2] * sum[2] + e[3] * sum[3] + half) >> shift;
		at[(2 * i + 1) * step] =
			(o[0] * difference[0] + o[1] * difference[1] + o[2] * difference[2] + o[3] * difference[3] + half) >> shift;
	}
}

/* The picture's range is limited, a JPEG's is full: 255 / 219 or 255 / 224, in units of 1 / 65536. Zero is the middle. */
static void read_block(s32 block[64], const u8 *from, u32 stride, bool chroma)
{
	u32 x, y;
	s32 value;

	for (y = 0; y < 8; y++, from += stride) {
		for (x = 0; x < 8; x++) {
			if (chroma)
				value = ((from[x] - 128) * 74606 + 32768) >> 16;
			else
				value = (((from[x] - 16) * 76309 + 32768) >> 16) - 128;
			block[y * 8 + x] = value < -128 ? -128 : value > 127 ? 127 : value;
		}
	}
}

static s32 quantised(s32 value, u32 step)
{
	u32 unit = 8 * step;	/* three bits of fraction are left */

	return value < 0 ? -(s32)(((u32)-value + unit / 2) / unit) : (s32)(((u32)value + unit / 2) / unit);
}

/* Values keep to ten bits, as the tables want: 127.5 times eight is the most that a coefficient other than the mean can be. */
static void put_block(struct jpeg *jpeg, const u8 *from, u32 stride, u32 component)
{
	u32 chroma = component > 0;
	u32 zeros = 0;
	u32 i, size;
	s32 block[64];
	s32 value, dc;

	read_block(block, from, stride, chroma);
	for (i = 0; i < 8; i++)
		transform(block + i * 8, 1, 10);
	for (i = 0; i < 8; i++)
		transform(block + i, 8, 13);

	dc = quantised(block[0], jpeg->steps[chroma][0]);
	value = dc - jpeg->last_dc[component];
	jpeg->last_dc[component] = dc;
	size = size_of(value);
	put_code(jpeg, dc_codes[chroma][size]);
	put_value(jpeg, value, size);
	for (i = 1; i < 64; i++) {
		value = quantised(block[zigzag[i]], jpeg->steps[chroma][zigzag[i]]);
		if (!value) {
			zeros++;
			continue;
		}
		for (; zeros > 15; zeros -= 16)
			put_code(jpeg, ac_codes[chroma][15][0]);
		size = size_of(value);
		put_code(jpeg, ac_codes[chroma][zeros][size]);
		put_value(jpeg, value, size);
		zeros = 0;
	}
	if (zeros)
		put_code(jpeg, ac_codes[chroma][0][0]);
}

void jpeg_picture(const struct picture *now, u32 width, u32 height, u32 quality, struct sink *out)
{
	struct jpeg jpeg = { .out = out };
	u32 stride = now->width;
	u32 x, y;

	make_steps(&jpeg, quality);
	headers(&jpeg, width, height);
	for (y = 0; y < height && !out->full; y += 16) {
		for (x = 0; x < width; x += 16) {
			const u8 *luma = now->y + (size_t)y * stride + x;
			size_t chroma = (size_t)(y / 2) * (stride / 2) + x / 2;

			put_block(&jpeg, luma, stride, 0);
			put_block(&jpeg, luma + 8, stride, 0);
			put_block(&jpeg, luma + 8 * stride, stride, 0);
			put_block(&jpeg, luma + 8 * stride + 8, stride, 0);
			put_block(&jpeg, now->cb + chroma, stride / 2, 1);
			put_block(&jpeg, now->cr + chroma, stride / 2, 2);
		}
	}
	if (jpeg.count)
		put_bits(&jpeg, 8 - jpeg.count, 0xff);
	marker(out, 0xd9, 0);	/* EOI */
}
