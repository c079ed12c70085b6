// SPDX-License-Identifier: GPL-2.0
/*
 * Emulation prevention is what costs time: pictures travel as they are, and each of their bytes has to be looked at. Most groups of
 * eight hold no zero, and those are copied at once.
 */
#include "bits.h"

static void nal_byte(struct nal *nal, u8 byte)
{
	if (nal->zeros >= 2 && byte <= 3) {
		sink_byte(nal->out, 3);
		nal->zeros = 0;
	}
	sink_byte(nal->out, byte);
	nal->zeros = byte ? 0 : nal->zeros + 1;
}

void nal_begin(struct nal *nal, struct sink *out, u8 header)
{
	nal->out = out;
	nal->bits = 0;
	nal->count = 0;
	nal->zeros = 0;
	sink_byte(out, 0);
	sink_byte(out, 0);
	sink_byte(out, 0);
	sink_byte(out, 1);
	sink_byte(out, header);
}

void nal_bits(struct nal *nal, u32 count, u32 value)
{
	nal->bits = nal->bits << count | (value & (0xffffffff >> (32 - count)));
	nal->count += count;
	while (nal->count >= 8) {
		nal->count -= 8;
		nal_byte(nal, (u8)(nal->bits >> nal->count));
	}
}

void nal_ue(struct nal *nal, u32 value)
{
	u32 code = value + 1;
	u32 length = 32 - __builtin_clz(code);

	if (length > 1)
		nal_bits(nal, length - 1, 0);
	nal_bits(nal, length, code);
}

void nal_se(struct nal *nal, s32 value)
{
	nal_ue(nal, value > 0 ? 2 * (u32)value - 1 : 2 * (0 - (u32)value));
}

void nal_align(struct nal *nal)
{
	if (nal->count)
		nal_bits(nal, 8 - nal->count, 0);
}

/* The high bit of each zero byte, and perhaps of a byte of one above it: enough to know that there is none. */
static inline u64 has_zero(u64 word)
{
	return (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL;
}

void nal_bytes(struct nal *nal, const u8 *bytes, size_t length)
{
	struct sink *out = nal->out;
	size_t at = 0;
	size_t end;
	u64 word;

	/* With the least room left each byte is checked on its own. */
	while (length - at >= 8 && out->room - out->used >= 16) {
		memcpy(&word, bytes + at, 8);
		if (!has_zero(word) && nal->zeros < 2) {
			memcpy(out->bytes + out->used, &word, 8);
			out->used += 8;
			nal->zeros = 0;
			at += 8;
			continue;
		}
		for (end = at + 8; at < end; at++)
			nal_byte(nal, bytes[at]);
	}
	for (; at < length; at++)
		nal_byte(nal, bytes[at]);
}

void nal_end(struct nal *nal)
{
	nal_bits(nal, 1, 1);
	nal_align(nal);
}
