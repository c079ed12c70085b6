// SPDX-License-Identifier: GPL-2.0
/*
 * Baseline JPEG into 4:2:0: markers, the order of macroblocks, restarts. Luma has as many samples each way as chroma, or twice as many, or
 * there is no chroma. The samples stay in the full range that a JPEG has.
 */
#include "jpeg_reader.h"
#include "jpeg_tables.h"

enum {
	SOF0 = 0xc0, SOF1 = 0xc1, DHT = 0xc4, SOF15 = 0xcf, JPG = 0xc8, DAC = 0xcc,
	RST0 = 0xd0, RST7 = 0xd7, SOI = 0xd8, EOI = 0xd9, SOS = 0xda, DQT = 0xdb, DRI = 0xdd, TEM = 0x01,
};

static bool quantisation(struct jpeg_reader *reader, const u8 *at, u32 length)
{
	u32 wide, table, i;

	while (length) {
		wide = *at >> 4;
		table = *at & 15;
		if (wide > 1 || table > 3 || length < 1 + 64 * (1 + wide))
			return false;
		at++;
		for (i = 0; i < 64; i++, at += 1 + wide)
			reader->steps[table][zigzag[i]] = wide ? at[0] << 8 | at[1] : at[0];
		reader->has_steps[table] = true;
		length -= 1 + 64 * (1 + wide);
	}
	return true;
}

static bool huffman(struct jpeg_reader *reader, const u8 *at, u32 length)
{
	u32 table, sum, i;

	while (length) {
		if (length < 17)
			return false;
		table = *at & 15;
		for (sum = i = 0; i < 16; i++)
			sum += at[1 + i];
		if (*at >> 4 > 1 || table > 3 || sum > 256 || length < 17 + sum)
			return false;
		if (!jpeg_codes_make(*at >> 4 ? &reader->ac[table] : &reader->dc[table], at + 1, at + 17))
			return false;
		at += 17 + sum;
		length -= 17 + sum;
	}
	reader->has_codes = true;
	return true;
}

static bool frame(struct jpeg_reader *reader, const u8 *at, u32 length)
{
	struct jpeg_component *component;
	u32 i;

	if (length < 6 || at[0] != 8 || length < 6 + 3u * at[5])
		return false;
	reader->height = at[1] << 8 | at[2];
	reader->width = at[3] << 8 | at[4];
	reader->count_of_components = at[5];
	if (!reader->height || !reader->width || (at[5] != 1 && at[5] != 3))
		return false;
	for (i = 0, at += 6; i < reader->count_of_components; i++, at += 3) {
		component = &reader->components[i];
		component->id = at[0];
		component->across = at[1] >> 4;
		component->down = at[1] & 15;
		component->steps = at[2];
		if (component->steps > 3)
			return false;
		if (component->across - 1 > 1 || component->down - 1 > 1)
			return false;
		/* Both of chroma are alike, and none is finer than luma. */
		if (i && (component->across > reader->components[0].across || component->down > reader->components[0].down ||
			  component->across != reader->components[1].across || component->down != reader->components[1].down))
			return false;
	}
	/* A single component is coded block by block, whatever it says. */
	if (reader->count_of_components == 1)
		reader->components[0].across = reader->components[0].down = 1;
	return true;
}

static bool scan(struct jpeg_reader *reader, const u8 *at, u32 length)
{
	struct jpeg_component *component;
	u32 i;

	if (!reader->count_of_components || length < 4 + 2 * reader->count_of_components || at[0] != reader->count_of_components)
		return false;
	for (i = 0, at++; i < reader->count_of_components; i++, at += 2) {
		component = &reader->components[i];
		component->dc = at[1] >> 4;
		component->ac = at[1] & 15;
		if (at[0] != component->id || component->dc > 3 || component->ac > 3 || !reader->has_steps[component->steps])
			return false;
	}
	return true;
}

/* The tables of Annex K, which a camera may take for granted. */
static void usual_codes(struct jpeg_reader *reader)
{
	jpeg_codes_make(&reader->dc[0], dc_luma_table + 1, dc_luma_table + 17);
	jpeg_codes_make(&reader->ac[0], ac_luma_table + 1, ac_luma_table + 17);
	jpeg_codes_make(&reader->dc[1], dc_chroma_table + 1, dc_chroma_table + 17);
	jpeg_codes_make(&reader->ac[1], ac_chroma_table + 1, ac_chroma_table + 17);
}

static bool has_tables(const struct jpeg_reader *reader)
{
	u32 i;

	for (i = 0; i < reader->count_of_components; i++)
		if (!reader->dc[reader->components[i].dc].there || !reader->ac[reader->components[i].ac].there)
			return false;
	return true;
}

/* The next marker's code, or -1. Any number of bytes of 0xff may stand before it. */
static s32 marker(struct jpeg_reader *reader)
{
	if (reader->at == reader->end || *reader->at != 0xff)
		return -1;
	while (reader->at < reader->end && *reader->at == 0xff)
		reader->at++;
	return reader->at < reader->end ? *reader->at++ : -1;
}

static bool segment(struct jpeg_reader *reader, s32 code)
{
	const u8 *at = reader->at;
	u32 length;

	if (reader->end - at < 2)
		return false;
	length = at[0] << 8 | at[1];
	if (length < 2 || (size_t)(reader->end - at) < length)
		return false;
	reader->at += length;
	at += 2;
	length -= 2;
	switch (code) {
	case DQT:
		return quantisation(reader, at, length);
	case DHT:
		return huffman(reader, at, length);
	case SOF0:
	case SOF1:
		return frame(reader, at, length);
	case SOS:
		return scan(reader, at, length);
	case DRI:
		reader->restart = length == 2 ? at[0] << 8 | at[1] : 0;
		return length == 2;
	default:
		/* Other ways to code a frame are not baseline; the rest is for others. */
		return code < SOF0 || code > SOF15 || code == JPG || code == DAC;
	}
}

bool jpeg_open(struct jpeg_reader *reader, const u8 *bytes, size_t length)
{
	s32 code;

	memset(reader, 0, sizeof(*reader));
	reader->at = bytes;
	reader->end = bytes + length;
	if (marker(reader) != SOI)
		return false;
	do {
		code = marker(reader);
		if (code < 0 || code == SOI || code == EOI)
			return false;
		if (code == TEM || (code >= RST0 && code <= RST7))
			continue;
		if (!segment(reader, code))
			return false;
	} while (code != SOS);
	if (!reader->has_codes)
		usual_codes(reader);
	return has_tables(reader);
}

/* Where the stream says that it begins anew. */
static bool restarted(struct jpeg_reader *reader, u32 number)
{
	bool whole = !jpeg_blocks_starved(reader);

	jpeg_blocks_begin(reader);
	return marker(reader) == (s32)(RST0 + number % 8) && whole;
}

static void put_luma(struct picture *to, u32 x, u32 y, const u8 samples[64])
{
	u32 line;

	for (line = 0; line < 8; line++)
		memcpy(to->y + (size_t)(y + line) * to->width + x, samples + line * 8, 8);
}

/* Halves what is not halved already, `wide` or `high` of 2: the mean of two or four samples, halves rounded up. */
static void put_chroma(u8 *plane, u32 stride, const u8 samples[64], u32 wide, u32 high)
{
	u32 x, y, sum;

	for (y = 0; y < 8 / high; y++, plane += stride) {
		for (x = 0; x < 8 / wide; x++) {
			const u8 *from = samples + y * high * 8 + x * wide;

			sum = from[0];
			if (wide == 2)
				sum += from[1];
			if (high == 2)
				sum += from[8];
			if (wide == 2 && high == 2)
				sum += from[9];
			plane[x] = (u8)((sum + wide * high / 2) / (wide * high));
		}
	}
}

static bool chroma_blocks(struct jpeg_reader *reader, struct jpeg_component *component, u8 *plane, u32 stride, u32 column, u32 row)
{
	u32 wide = component->across == reader->components[0].across ? 2 : 1;
	u32 high = component->down == reader->components[0].down ? 2 : 1;
	u8 samples[64];
	u32 x, y;

	for (y = 0; y < component->down; y++) {
		for (x = 0; x < component->across; x++) {
			size_t line = (row * component->down + y) * (8 / high);

			if (!jpeg_block(reader, component, samples))
				return false;
			put_chroma(plane + line * stride + (column * component->across + x) * (8 / wide), stride, samples, wide, high);
		}
	}
	return true;
}

static bool macroblock(struct jpeg_reader *reader, struct picture *to, u32 column, u32 row)
{
	u32 across = reader->components[0].across, down = reader->components[0].down;
	u8 samples[64];
	u32 x, y;

	for (y = 0; y < down; y++) {
		for (x = 0; x < across; x++) {
			if (!jpeg_block(reader, &reader->components[0], samples))
				return false;
			put_luma(to, (column * across + x) * 8, (row * down + y) * 8, samples);
		}
	}
	return reader->count_of_components == 1 ||
	       (chroma_blocks(reader, &reader->components[1], to->cb, to->width / 2, column, row) &&
		chroma_blocks(reader, &reader->components[2], to->cr, to->width / 2, column, row));
}

bool jpeg_read(struct jpeg_reader *reader, struct picture *to)
{
	u32 wide = 8 * reader->components[0].across, high = 8 * reader->components[0].down;
	u32 columns = (reader->width + wide - 1) / wide, rows = (reader->height + high - 1) / high;
	size_t chroma = (size_t)to->width * to->height / 4;
	u32 column, row, done = 0;

	if (reader->count_of_components == 1) {
		memset(to->cb, 128, chroma);
		memset(to->cr, 128, chroma);
	}
	jpeg_blocks_begin(reader);
	for (row = 0; row < rows; row++) {
		for (column = 0; column < columns; column++, done++) {
			if (reader->restart && done && done % reader->restart == 0 && !restarted(reader, done / reader->restart - 1))
				return false;
			if (!macroblock(reader, to, column, row))
				return false;
		}
		if (jpeg_blocks_starved(reader))
			return false;
	}
	return true;
}
