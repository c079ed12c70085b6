/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bits into bytes. Knows NAL units of H.264: start code, Exp-Golomb, the bytes that keep a payload from looking like a start code.
 * Knows nothing of what the bits mean.
 */
#ifndef BITS_H
#define BITS_H

#include "coder.h"

/* One byte into the sink, or the mark that it is full. */
static inline void sink_byte(struct sink *out, u8 byte)
{
	if (out->used < out->room)
		out->bytes[out->used++] = byte;
	else
		out->full = true;
}

/* A NAL unit that is being written. */
struct nal {
	struct sink *out;
	u64 bits;	/* the last `count` bits wait for a full byte; older ones above them are garbage */
	u32 count;	/* 0..7 between calls */
	u32 zeros;	/* zero bytes that the sink ends with, as far as they belong to this unit */
};

/* Start code and the unit's first byte. */
void nal_begin(struct nal *nal, struct sink *out, u8 header);
/* `count` bits of `value`, 1 to 32. */
void nal_bits(struct nal *nal, u32 count, u32 value);
/* ue(v), up to 2^32 - 2, and se(v). */
void nal_ue(struct nal *nal, u32 value);
void nal_se(struct nal *nal, s32 value);
/* Zero bits up to the next byte. */
void nal_align(struct nal *nal);
/* Whole bytes; the unit must be aligned. */
void nal_bytes(struct nal *nal, const u8 *bytes, size_t length);
/* The stop bit, and the end. */
void nal_end(struct nal *nal);

#endif
