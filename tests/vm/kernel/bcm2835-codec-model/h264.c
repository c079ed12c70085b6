// SPDX-License-Identifier: GPL-2.0
/*
 * H.264 without loss and without search: a macroblock travels as it is (I_PCM), or not at all (P_Skip, which without any motion
 * around it repeats the reference). Names in the comments are those of the standard's syntax tables.
 */
#include "bits.h"

#define SIZE 16			/* of a macroblock */
#define FRAME_NUM_BITS 8	/* log2_max_frame_num */

/* First byte of a NAL unit: nal_ref_idc and nal_unit_type. */
#define NAL_SPS 0x67
#define NAL_PPS 0x68
#define NAL_IDR 0x65
#define NAL_SLICE 0x41

/* slice_type; five more than the plain number, because all slices of a picture are of the same type. */
#define SLICE_P 5
#define SLICE_I 7

/* mb_type */
#define I_PCM 25
#define I_GREY 3		/* I_16x16_2_0_0: predicted from the mean of the neighbours, no residual but an empty DC block */
#define P_INTRA 5		/* added in P slices */

static u32 macroblocks(u32 pixels)
{
	return (pixels + SIZE - 1) / SIZE;
}

/* Time, and the promise that pictures leave a decoder in the order in which they enter it: nothing is held back. */
static void vui(const struct h264 *coder, struct nal *nal)
{
	bool timing = coder->rate_numerator && coder->rate_denominator && coder->rate_numerator <= 0x7fffffff;

	nal_bits(nal, 2, 0);	/* no aspect_ratio, overscan */
	nal_bits(nal, 1, coder->signal_colour);
	if (coder->signal_colour) {
		nal_bits(nal, 3, 5);	/* video_format: unspecified */
		nal_bits(nal, 1, coder->full_range);
		nal_bits(nal, 1, 1);	/* colour_description_present_flag */
		nal_bits(nal, 8, coder->primaries);
		nal_bits(nal, 8, coder->transfer);
		nal_bits(nal, 8, coder->matrix);
	}
	nal_bits(nal, 1, 0);	/* no chroma_loc */
	nal_bits(nal, 1, timing);
	if (timing) {
		nal_bits(nal, 32, coder->rate_denominator);	/* num_units_in_tick */
		nal_bits(nal, 32, 2 * coder->rate_numerator);	/* time_scale: ticks are fields */
		nal_bits(nal, 1, 1);	/* fixed_frame_rate_flag */
	}
	nal_bits(nal, 3, 0);	/* no nal_hrd, vcl_hrd, pic_struct */
	nal_bits(nal, 1, 1);	/* bitstream_restriction_flag */
	nal_bits(nal, 1, 1);	/* motion_vectors_over_pic_boundaries_flag */
	nal_ue(nal, 0);		/* max_bytes_per_pic_denom: no limit */
	nal_ue(nal, 0);		/* max_bits_per_mb_denom: no limit */
	nal_ue(nal, 0);		/* log2_max_mv_length_horizontal */
	nal_ue(nal, 0);		/* log2_max_mv_length_vertical */
	nal_ue(nal, 0);		/* max_num_reorder_frames */
	nal_ue(nal, 1);		/* max_dec_frame_buffering */
}

static void sps(const struct h264 *coder, struct sink *out)
{
	u32 columns = macroblocks(coder->width);
	u32 rows = macroblocks(coder->height);
	u32 right = (columns * SIZE - coder->width) / 2;
	u32 bottom = (rows * SIZE - coder->height) / 2;
	struct nal nal;

	nal_begin(&nal, out, NAL_SPS);
	nal_bits(&nal, 8, coder->profile_idc);
	nal_bits(&nal, 8, coder->constraint_flags & 0xfc);
	nal_bits(&nal, 8, coder->level_idc);
	nal_ue(&nal, 0);	/* seq_parameter_set_id */
	if (coder->profile_idc == 100) {
		nal_ue(&nal, 1);	/* chroma_format_idc: 4:2:0 */
		nal_ue(&nal, 0);	/* bit_depth_luma_minus8 */
		nal_ue(&nal, 0);	/* bit_depth_chroma_minus8 */
		nal_bits(&nal, 2, 0);	/* qpprime_y_zero_transform_bypass_flag, seq_scaling_matrix_present_flag */
	}
	nal_ue(&nal, FRAME_NUM_BITS - 4);
	nal_ue(&nal, 2);	/* pic_order_cnt_type: decoding order */
	nal_ue(&nal, 1);	/* max_num_ref_frames */
	nal_bits(&nal, 1, 0);	/* gaps_in_frame_num_value_allowed_flag */
	nal_ue(&nal, columns - 1);
	nal_ue(&nal, rows - 1);
	nal_bits(&nal, 1, 1);	/* frame_mbs_only_flag */
	nal_bits(&nal, 1, 1);	/* direct_8x8_inference_flag */
	nal_bits(&nal, 1, right || bottom);
	if (right || bottom) {
		nal_ue(&nal, 0);
		nal_ue(&nal, right);
		nal_ue(&nal, 0);
		nal_ue(&nal, bottom);
	}
	nal_bits(&nal, 1, 1);	/* vui_parameters_present_flag */
	vui(coder, &nal);
	nal_end(&nal);
}

static void pps(struct sink *out)
{
	struct nal nal;

	nal_begin(&nal, out, NAL_PPS);
	nal_ue(&nal, 0);	/* pic_parameter_set_id */
	nal_ue(&nal, 0);	/* seq_parameter_set_id */
	nal_bits(&nal, 2, 0);	/* entropy_coding_mode_flag: CAVLC; bottom_field_pic_order_in_frame_present_flag */
	nal_ue(&nal, 0);	/* num_slice_groups_minus1 */
	nal_ue(&nal, 0);	/* num_ref_idx_l0_default_active_minus1 */
	nal_ue(&nal, 0);	/* num_ref_idx_l1_default_active_minus1 */
	nal_bits(&nal, 3, 0);	/* weighted_pred_flag, weighted_bipred_idc */
	nal_se(&nal, 0);	/* pic_init_qp_minus26 */
	nal_se(&nal, 0);	/* pic_init_qs_minus26 */
	nal_se(&nal, 0);	/* chroma_qp_index_offset */
	nal_bits(&nal, 3, 4);	/* deblocking_filter_control_present_flag; no constrained_intra_pred, redundant_pic_cnt */
	nal_end(&nal);
}

void h264_headers(const struct h264 *coder, struct sink *out)
{
	sps(coder, out);
	pps(out);
}

size_t h264_room(u32 width, u32 height)
{
	size_t samples = SIZE * SIZE * 3 / 2;

	/* A third byte for each two; mb_skip_run, mb_type and alignment; the headers of picture and stream. */
	return macroblocks(width) * macroblocks(height) * (samples * 3 / 2 + 16) + 256;
}

static void slice_header(const struct h264 *coder, bool key, struct nal *nal)
{
	nal_ue(nal, 0);		/* first_mb_in_slice */
	nal_ue(nal, key ? SLICE_I : SLICE_P);
	nal_ue(nal, 0);		/* pic_parameter_set_id */
	nal_bits(nal, FRAME_NUM_BITS, key ? 0 : coder->frame_num);
	if (key) {
		nal_ue(nal, coder->idr_pic_id);
		nal_bits(nal, 2, 0);	/* no_output_of_prior_pics_flag, long_term_reference_flag */
	} else {
		nal_bits(nal, 2, 0);	/* num_ref_idx_active_override_flag, ref_pic_list_modification_flag_l0 */
		nal_bits(nal, 1, 0);	/* adaptive_ref_pic_marking_mode_flag: the new picture replaces the reference */
	}
	nal_se(nal, 0);		/* slice_qp_delta */
	nal_ue(nal, 1);		/* disable_deblocking_filter_idc */
}

/* A picture that did not fit was never sent: the next one takes its number. */
static void advance(struct h264 *coder, bool key, const struct sink *out)
{
	if (out->full)
		return;
	if (key)
		coder->idr_pic_id ^= 1;	/* two IDR pictures in a row must differ */
	coder->frame_num = key ? 1 : (coder->frame_num + 1) % (1 << FRAME_NUM_BITS);
}

static void pcm_macroblock(const struct picture *now, u32 x, u32 y, u32 mb_type, struct nal *nal)
{
	u8 samples[SIZE * SIZE * 3 / 2];
	u8 *to = samples;
	size_t luma = (size_t)y * SIZE * now->width + x * SIZE;
	size_t chroma = (size_t)y * SIZE / 2 * (now->width / 2) + x * SIZE / 2;
	u32 row;

	for (row = 0; row < SIZE; row++, to += SIZE)
		memcpy(to, now->y + luma + row * now->width, SIZE);
	for (row = 0; row < SIZE / 2; row++, to += SIZE / 2)
		memcpy(to, now->cb + chroma + row * (now->width / 2), SIZE / 2);
	for (row = 0; row < SIZE / 2; row++, to += SIZE / 2)
		memcpy(to, now->cr + chroma + row * (now->width / 2), SIZE / 2);

	nal_ue(nal, mb_type);
	nal_align(nal);		/* pcm_alignment_zero_bit */
	nal_bytes(nal, samples, sizeof(samples));
}

/* Eight pixels at a time: a call of memcmp for so few bytes costs more than the comparison. */
static bool same_block(const u8 *a, const u8 *b, u32 width, u32 columns, u32 rows)
{
	u64 difference = 0;
	u64 left, right;
	u32 x;

	for (; rows && !difference; rows--, a += width, b += width) {
		for (x = 0; x < columns; x += 8) {
			memcpy(&left, a + x, 8);
			memcpy(&right, b + x, 8);
			difference |= left ^ right;
		}
	}
	return !difference;
}

static bool same_macroblock(const struct picture *a, const struct picture *b, u32 x, u32 y)
{
	size_t luma = (size_t)y * SIZE * a->width + x * SIZE;
	size_t chroma = (size_t)y * SIZE / 2 * (a->width / 2) + x * SIZE / 2;

	return same_block(a->y + luma, b->y + luma, a->width, SIZE, SIZE) &&
	       same_block(a->cb + chroma, b->cb + chroma, a->width / 2, SIZE / 2, SIZE / 2) &&
	       same_block(a->cr + chroma, b->cr + chroma, a->width / 2, SIZE / 2, SIZE / 2);
}

/* Nothing lies between lines, so a whole row of macroblocks is three pieces of memory. */
static bool same_row(const struct picture *a, const struct picture *b, u32 y)
{
	size_t luma = (size_t)SIZE * a->width;
	size_t chroma = luma / 4;

	return !memcmp(a->y + y * luma, b->y + y * luma, luma) &&
	       !memcmp(a->cb + y * chroma, b->cb + y * chroma, chroma) &&
	       !memcmp(a->cr + y * chroma, b->cr + y * chroma, chroma);
}

void h264_picture(struct h264 *coder, const struct picture *now, const struct picture *reference, bool key, struct sink *out)
{
	u32 columns = macroblocks(now->width);
	u32 rows = macroblocks(now->height);
	u32 skipped = 0;	/* mb_skip_run */
	struct nal nal;
	u32 x, y;

	nal_begin(&nal, out, key ? NAL_IDR : NAL_SLICE);
	slice_header(coder, key, &nal);
	for (y = 0; y < rows && !out->full; y++) {
		if (!key && same_row(now, reference, y)) {
			skipped += columns;
			continue;
		}
		for (x = 0; x < columns; x++) {
			if (key) {
				pcm_macroblock(now, x, y, I_PCM, &nal);
			} else if (same_macroblock(now, reference, x, y)) {
				skipped++;
			} else {
				nal_ue(&nal, skipped);
				skipped = 0;
				pcm_macroblock(now, x, y, P_INTRA + I_PCM, &nal);
			}
		}
	}
	if (skipped)
		nal_ue(&nal, skipped);
	nal_end(&nal);
	advance(coder, key, out);
}

void h264_canned(struct h264 *coder, bool key, struct sink *out)
{
	u32 count = macroblocks(coder->width) * macroblocks(coder->height);
	struct nal nal;

	nal_begin(&nal, out, key ? NAL_IDR : NAL_SLICE);
	slice_header(coder, key, &nal);
	if (!key)
		nal_ue(&nal, count);
	for (; key && count; count--) {
		nal_ue(&nal, I_GREY);
		nal_ue(&nal, 0);	/* intra_chroma_pred_mode: mean */
		nal_se(&nal, 0);	/* mb_qp_delta */
		nal_bits(&nal, 1, 1);	/* coeff_token of the DC block: nothing */
	}
	nal_end(&nal);
	advance(coder, key, out);
}
