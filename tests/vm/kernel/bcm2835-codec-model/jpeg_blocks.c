// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks of a JPEG: Huffman codes, coefficients, and the inverse transform. Its pixels are those of libjpeg's accurate integer
 * transform: 13 bits of fraction for the constants, two more bits kept between its passes, columns first.
 */
#include "jpeg_reader.h"
#include "jpeg_tables.h"

bool jpeg_codes_make(struct jpeg_codes *codes, const u8 counts[16], const u8 *symbols)
{
	u32 length, i, place = 0;
	u32 code = 0;

	memset(codes, 0, sizeof(*codes));
	for (length = 1; length <= 16; length++, code <<= 1) {
		codes->offset[length] = (s32)place - (s32)code;
		for (i = 0; i < counts[length - 1]; i++, code++, place++) {
			if (place >= 256 || code >> length)
				return false;
			codes->symbols[place] = symbols[place];
			if (length <= QUICK_BITS) {
				u32 spare = QUICK_BITS - length, rest;

				for (rest = 0; rest < 1u << spare; rest++)
					codes->quick[(code << spare) + rest] = length << 8 | symbols[place];
			}
		}
		codes->last[length] = counts[length - 1] ? (s32)code - 1 : -1;
	}
	codes->there = true;
	return true;
}

void jpeg_blocks_begin(struct jpeg_reader *reader)
{
	u32 i;

	reader->bits = 0;
	reader->count = reader->borrowed = 0;
	for (i = 0; i < 3; i++)
		reader->components[i].last_dc = 0;
}

bool jpeg_blocks_starved(const struct jpeg_reader *reader)
{
	return reader->count < reader->borrowed;
}

/* At least 32 bits. At a marker, and at the end, zeros. */
static void fill(struct jpeg_reader *reader)
{
	u8 byte;

	while (reader->count <= 48) {
		byte = 0;
		if (reader->at == reader->end || (*reader->at == 0xff && (reader->end - reader->at < 2 || reader->at[1]))) {
			reader->borrowed += 8;
		} else {
			byte = *reader->at;
			reader->at += byte == 0xff ? 2 : 1;
		}
		reader->bits = reader->bits << 8 | byte;
		reader->count += 8;
	}
}

static u32 peek(const struct jpeg_reader *reader, u32 count)
{
	return (u32)(reader->bits >> (reader->count - count)) & ((1u << count) - 1);
}

/* The next symbol, or -1. */
static s32 symbol(struct jpeg_reader *reader, const struct jpeg_codes *codes)
{
	u32 found, length;
	s32 code;

	if (reader->count < 32)
		fill(reader);
	found = codes->quick[peek(reader, QUICK_BITS)];
	if (found) {
		reader->count -= found >> 8;
		return found & 0xff;
	}
	for (length = QUICK_BITS + 1; length <= 16; length++) {
		code = (s32)peek(reader, length);
		if (code <= codes->last[length]) {
			reader->count -= length;
			return codes->symbols[(code + codes->offset[length]) & 0xff];
		}
	}
	return -1;
}

/* A number of so many bits; when the first is zero, it is negative. A symbol took at most 16 of 32. */
static s32 value(struct jpeg_reader *reader, u32 size)
{
	s32 bits;

	if (!size)
		return 0;
	bits = (s32)peek(reader, size);
	reader->count -= size;
	return bits >> (size - 1) ? bits : bits - (1 << size) + 1;
}

static s32 within(s32 number, s32 least, s32 most)
{
	return number < least ? least : number > most ? most : number;
}

/*
 * Eight numbers to eight, `step` apart: sums of cosines times sqrt(2), in units of 1 / 8192. Some constants are one off the nearest number:
 * they are what comes out of the usual factors. The results keep to 16 bits, and so does every sum to 32.
 */
static void transform(s32 *at, u32 step, u32 shift)
{
	s32 half = 1 << (shift - 1);
	s32 a = at[step], b = at[3 * step], c = at[5 * step], d = at[7 * step];
	s32 sum = (at[0] + at[4 * step]) * 8192 + half, difference = (at[0] - at[4 * step]) * 8192 + half;
	s32 outer = at[2 * step] * 10703 + at[6 * step] * 4433, inner = at[2 * step] * 4433 - at[6 * step] * 10704;
	s32 even[4] = { sum + outer, difference + inner, difference - inner, sum - outer };
	s32 odd[4] = {
		11363 * a + 9633 * b + 6437 * c + 2260 * d,
		9633 * a - 2259 * b - 11362 * c - 6436 * d,
		6437 * a - 11362 * b + 2261 * c + 9633 * d,
		2260 * a - 6436 * b + 9633 * c - 11363 * d,
	};
	u32 i;

	for (i = 0; i < 4; i++) {
		at[i * step] = within((even[i] + odd[i]) >> shift, -32768, 32767);
		at[(7 - i) * step] = within((even[i] - odd[i]) >> shift, -32768, 32767);
	}
}

static bool is_even(const s32 *at, u32 step)
{
	return !(at[step] | at[2 * step] | at[3 * step] | at[4 * step] | at[5 * step] | at[6 * step] | at[7 * step]);
}

static void samples_of(s32 block[64], u8 samples[64])
{
	u32 i, x;

	for (x = 0; x < 8; x++) {
		if (is_even(block + x, 8)) {
			s32 all = within(block[x] * 4, -32768, 32767);

			for (i = 0; i < 8; i++)
				block[i * 8 + x] = all;
		} else {
			transform(block + x, 8, 11);
		}
	}
	for (i = 0; i < 8; i++)
		transform(block + i * 8, 1, 18);
	for (i = 0; i < 64; i++)
		samples[i] = (u8)within(block[i] + 128, 0, 255);
}

bool jpeg_block(struct jpeg_reader *reader, struct jpeg_component *component, u8 samples[64])
{
	const u16 *steps = reader->steps[component->steps];
	s32 block[64] = { 0 };
	s32 found;
	u32 i;

	found = symbol(reader, &reader->dc[component->dc]);
	if (found < 0 || found > 15)
		return false;
	component->last_dc = within(component->last_dc + value(reader, found), -32768, 32767);
	/* What a picture can have is within 1024; more is damage, and must not overflow. */
	block[0] = within(component->last_dc * steps[0], -16384, 16383);
	for (i = 1; i < 64; i++) {
		found = symbol(reader, &reader->ac[component->ac]);
		if (found < 0)
			return false;
		if (!(found & 15)) {
			if (found != 0xf0)
				break;
			i += 15;
			continue;
		}
		i += found >> 4;
		if (i > 63)
			return false;
		block[zigzag[i]] = within(value(reader, found & 15) * steps[zigzag[i]], -16384, 16383);
	}
	samples_of(block, samples);
	return true;
}
