/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two files of the JPEG reader share: jpeg_read.c knows the markers, jpeg_blocks.c what lies between them. Callers look at
 * `width`, `height` and `has_codes` alone.
 */
#ifndef JPEG_READER_H
#define JPEG_READER_H

#include "coder.h"

#define QUICK_BITS 9

/* A Huffman table. */
struct jpeg_codes {
	u16 quick[1 << QUICK_BITS];	/* by the next bits: length << 8 | symbol, or 0 for a longer code */
	s32 last[17];			/* the last code of a length, -1 if there is none */
	s32 offset[17];			/* of a length: what turns a code into the place of its symbol */
	u8 symbols[256];
	bool there;
};

struct jpeg_component {
	u32 id, across, down;		/* blocks in a macroblock */
	u32 steps, dc, ac;		/* numbers of its tables */
	s32 last_dc;
};

struct jpeg_reader {
	const u8 *at, *end;
	u64 bits;			/* the last `count` bits are to be read next */
	u32 count;
	u32 borrowed;			/* how many of them, at their end, are zeros that the stream does not have */
	u16 steps[4][64];		/* line by line */
	bool has_steps[4];
	struct jpeg_codes dc[4], ac[4];
	bool has_codes;			/* a DHT came */
	u32 width, height;
	u32 count_of_components;
	struct jpeg_component components[3];
	u32 restart;			/* macroblocks from one restart marker to the next, or 0 */
};

/* Makes a table of what a DHT says: how many codes of each length, and their symbols. False when that is none. */
bool jpeg_codes_make(struct jpeg_codes *codes, const u8 counts[16], const u8 *symbols);
/* The samples of the next block, line by line. False at a code that is none. */
bool jpeg_block(struct jpeg_reader *reader, struct jpeg_component *component, u8 samples[64]);
/* Forgets bits up to the next byte, and what predictions rest on. */
void jpeg_blocks_begin(struct jpeg_reader *reader);
/* Whether bits were used that the stream does not have. */
bool jpeg_blocks_starved(const struct jpeg_reader *reader);

#endif
