// SPDX-License-Identifier: GPL-2.0
/*
 * H.264 as h264.c writes it, read: one slice a picture, I_PCM, P_Skip, the grey of canned pictures. Anything else is refused. Names in the
 * comments are those of the standard's syntax tables.
 */
#include "coder.h"

#define SIZE 16			/* of a macroblock */

/* nal_unit_type */
enum { SLICE = 1, IDR = 5, SPS = 7, PPS = 8 };

/* mb_type of I slices; in P slices they are five more. */
enum { I_GREY = 3, I_PCM = 25, P_INTRA = 5 };

/* A NAL unit that is being read. */
struct unit {
	const u8 *at, *end;
	u32 zeros;		/* that were just read: after two, a byte of 3 is no payload */
	u32 byte, left;		/* the byte at hand, and how many of its bits are still to come */
	bool wrong;		/* at its end, or at what h264.c does not write */
};

static u32 next_byte(struct unit *unit)
{
	u8 byte;

	if (unit->zeros >= 2 && unit->at < unit->end && *unit->at == 3) {
		unit->at++;
		unit->zeros = 0;
	}
	if (unit->at == unit->end) {
		unit->wrong = true;
		return 0;
	}
	byte = *unit->at++;
	unit->zeros = byte ? 0 : unit->zeros + 1;
	return byte;
}

static u32 bits(struct unit *unit, u32 count)
{
	u32 value = 0;

	for (; count; count--) {
		if (!unit->left) {
			unit->byte = next_byte(unit);
			unit->left = 8;
		}
		value = value << 1 | (unit->byte >> --unit->left & 1);
	}
	return value;
}

/* ue(v) */
static u32 number(struct unit *unit)
{
	u32 zeros = 0;

	while (!bits(unit, 1)) {
		if (++zeros > 31 || unit->wrong) {
			unit->wrong = true;
			return 0;
		}
	}
	return (1u << zeros) - 1 + bits(unit, zeros);
}

static void expect(struct unit *unit, u32 got, u32 wanted)
{
	if (got != wanted)
		unit->wrong = true;
}

/* The next unit's first byte after its start code, or NULL; `end` becomes where the one after it begins. */
static const u8 *next_unit(const u8 *at, const u8 *bytes_end, const u8 **end)
{
	const u8 *begin = NULL;

	for (; bytes_end - at >= 4; at++) {
		if (at[0] || at[1] || at[2] != 1)
			continue;
		if (begin)
			break;
		begin = at + 3;
		at += 2;
	}
	*end = begin && bytes_end - at >= 4 ? at : bytes_end;
	return begin;
}

static void sps(struct h264_reader *reader, struct unit *unit)
{
	u32 profile = bits(unit, 8);
	u32 width, height, frame_num_bits, right = 0, bottom = 0;

	bits(unit, 16);		/* constraints, level */
	expect(unit, number(unit), 0);
	if (profile == 100) {
		expect(unit, number(unit), 1);	/* chroma_format_idc */
		expect(unit, number(unit), 0);
		expect(unit, number(unit), 0);
		expect(unit, bits(unit, 2), 0);
	}
	frame_num_bits = number(unit) + 4;
	expect(unit, number(unit), 2);	/* pic_order_cnt_type */
	expect(unit, number(unit), 1);	/* max_num_ref_frames */
	bits(unit, 1);
	width = number(unit) + 1;
	height = number(unit) + 1;
	expect(unit, bits(unit, 1), 1);	/* frame_mbs_only_flag */
	bits(unit, 1);
	if (bits(unit, 1)) {
		expect(unit, number(unit), 0);
		right = number(unit);
		expect(unit, number(unit), 0);
		bottom = number(unit);
	}
	/* The widest and highest there are, and a crop of less than a macroblock. */
	if (unit->wrong || frame_num_bits > 16 || width > 1024 || height > 1024 || right > 7 || bottom > 7)
		return;
	reader->frame_num_bits = frame_num_bits;
	reader->width = width * SIZE - 2 * right;
	reader->height = height * SIZE - 2 * bottom;
}

static void pps(struct h264_reader *reader, struct unit *unit)
{
	u32 i;

	for (i = 0; i < 2; i++)
		expect(unit, number(unit), 0);
	expect(unit, bits(unit, 2), 0);	/* entropy_coding_mode_flag: CAVLC */
	for (i = 0; i < 3; i++)
		expect(unit, number(unit), 0);
	expect(unit, bits(unit, 3), 0);
	for (i = 0; i < 3; i++)
		expect(unit, number(unit), 0);
	expect(unit, bits(unit, 3), 4);	/* deblocking_filter_control_present_flag */
	if (!unit->wrong)
		reader->has_pps = true;
}

bool h264_open(struct h264_reader *reader, const u8 *bytes, size_t length)
{
	const u8 *end = bytes + length, *next;
	const u8 *at;

	reader->slice = NULL;
	for (at = next_unit(bytes, end, &next); at; at = next_unit(next, end, &next)) {
		struct unit unit = { .at = at + 1, .end = next };

		switch (*at & 31) {
		case SPS:
			sps(reader, &unit);
			break;
		case PPS:
			pps(reader, &unit);
			break;
		case SLICE:
		case IDR:
			reader->slice = at;
			reader->end = next;
			reader->key = (*at & 31) == IDR;
			return reader->width && reader->has_pps;
		}
	}
	return false;
}

static void pcm(struct unit *unit, struct picture *to, u32 column, u32 row)
{
	size_t chroma = (size_t)row * SIZE / 2 * (to->width / 2) + column * SIZE / 2;
	u32 x, y;

	unit->left = 0;		/* pcm_alignment_zero_bit */
	for (y = 0; y < SIZE; y++)
		for (x = 0; x < SIZE; x++)
			to->y[(size_t)(row * SIZE + y) * to->width + column * SIZE + x] = next_byte(unit);
	for (y = 0; y < SIZE / 2; y++)
		for (x = 0; x < SIZE / 2; x++)
			to->cb[chroma + y * (to->width / 2) + x] = next_byte(unit);
	for (y = 0; y < SIZE / 2; y++)
		for (x = 0; x < SIZE / 2; x++)
			to->cr[chroma + y * (to->width / 2) + x] = next_byte(unit);
}

/* Every macroblock of a canned key frame is predicted from grey ones, and so grey. */
static void grey(struct unit *unit, struct picture *to, u32 column, u32 row)
{
	size_t chroma = (size_t)row * SIZE / 2 * (to->width / 2) + column * SIZE / 2;
	u32 y;

	expect(unit, number(unit), 0);	/* intra_chroma_pred_mode */
	expect(unit, number(unit), 0);	/* mb_qp_delta */
	expect(unit, bits(unit, 1), 1);	/* coeff_token */
	for (y = 0; y < SIZE; y++)
		memset(to->y + (size_t)(row * SIZE + y) * to->width + column * SIZE, 128, SIZE);
	for (y = 0; y < SIZE / 2; y++) {
		memset(to->cb + chroma + y * (to->width / 2), 128, SIZE / 2);
		memset(to->cr + chroma + y * (to->width / 2), 128, SIZE / 2);
	}
}

static void slice_header(struct h264_reader *reader, struct unit *unit)
{
	u32 frame_num;

	expect(unit, number(unit), 0);		/* first_mb_in_slice */
	expect(unit, number(unit), reader->key ? 7 : 5);
	expect(unit, number(unit), 0);
	frame_num = bits(unit, reader->frame_num_bits);
	/* A picture that is missing leaves a gap. */
	expect(unit, frame_num, reader->key ? 0 : reader->frame_num);
	reader->frame_num = (frame_num + 1) & ((1u << reader->frame_num_bits) - 1);
	if (reader->key)
		number(unit);			/* idr_pic_id */
	expect(unit, bits(unit, reader->key ? 2 : 3), 0);
	expect(unit, number(unit), 0);		/* slice_qp_delta */
	expect(unit, number(unit), 1);		/* disable_deblocking_filter_idc */
}

bool h264_read(struct h264_reader *reader, struct picture *picture)
{
	struct unit unit = { .at = reader->slice + 1, .end = reader->end };
	u32 columns = picture->width / SIZE, count = columns * (picture->height / SIZE);
	u32 at, type;

	slice_header(reader, &unit);
	for (at = 0; at < count && !unit.wrong; at++) {
		if (!reader->key) {
			u32 skipped = number(&unit);

			if (skipped >= count - at) {
				expect(&unit, skipped, count - at);
				break;
			}
			at += skipped;
		}
		type = number(&unit) - (reader->key ? 0 : P_INTRA);
		if (type == I_PCM)
			pcm(&unit, picture, at % columns, at / columns);
		else if (type == I_GREY)
			grey(&unit, picture, at % columns, at / columns);
		else
			unit.wrong = true;
	}
	return !unit.wrong;
}
