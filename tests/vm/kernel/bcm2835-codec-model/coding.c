// SPDX-License-Identifier: GPL-2.0
/*
 * From pixels to the bytes of one coded frame: which headers it carries, and what the controls mean in the bitstream.
 */
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "model.h"

static const u8 level_idc[] = {
	[V4L2_MPEG_VIDEO_H264_LEVEL_1_0] = 10, [V4L2_MPEG_VIDEO_H264_LEVEL_1B] = 11,
	[V4L2_MPEG_VIDEO_H264_LEVEL_1_1] = 11, [V4L2_MPEG_VIDEO_H264_LEVEL_1_2] = 12,
	[V4L2_MPEG_VIDEO_H264_LEVEL_1_3] = 13, [V4L2_MPEG_VIDEO_H264_LEVEL_2_0] = 20,
	[V4L2_MPEG_VIDEO_H264_LEVEL_2_1] = 21, [V4L2_MPEG_VIDEO_H264_LEVEL_2_2] = 22,
	[V4L2_MPEG_VIDEO_H264_LEVEL_3_0] = 30, [V4L2_MPEG_VIDEO_H264_LEVEL_3_1] = 31,
	[V4L2_MPEG_VIDEO_H264_LEVEL_3_2] = 32, [V4L2_MPEG_VIDEO_H264_LEVEL_4_0] = 40,
	[V4L2_MPEG_VIDEO_H264_LEVEL_4_1] = 41, [V4L2_MPEG_VIDEO_H264_LEVEL_4_2] = 42,
	[V4L2_MPEG_VIDEO_H264_LEVEL_5_0] = 50, [V4L2_MPEG_VIDEO_H264_LEVEL_5_1] = 51,
};

static void profile_and_level(struct h264 *h264, u32 profile, u32 level)
{
	bool one_b = level == V4L2_MPEG_VIDEO_H264_LEVEL_1B;

	h264->level_idc = level_idc[level];
	switch (profile) {
	case V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE:
		h264->profile_idc = 66;
		h264->constraint_flags = 0x80;
		break;
	case V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE:
		h264->profile_idc = 66;
		h264->constraint_flags = 0xc0;
		break;
	case V4L2_MPEG_VIDEO_H264_PROFILE_MAIN:
		h264->profile_idc = 77;
		h264->constraint_flags = 0x40;
		break;
	default:
		h264->profile_idc = 100;
		h264->constraint_flags = 0;
		/* High has a number for level 1b; the others have a flag. */
		h264->level_idc = one_b ? 9 : h264->level_idc;
		return;
	}
	h264->constraint_flags |= one_b ? 0x10 : 0;
}

/* What the formats say, in the numbers of the standard's tables E-3 to E-5; 2 is unspecified. */
static void colour(struct h264 *h264, const struct model_context *context)
{
	u32 ycbcr = context->ycbcr_enc ?: V4L2_MAP_YCBCR_ENC_DEFAULT(context->colorspace);
	u32 transfer = context->xfer_func ?: V4L2_MAP_XFER_FUNC_DEFAULT(context->colorspace);

	h264->signal_colour = READ_ONCE(model_knobs.signal_colour);
	h264->full_range = context->quantization == V4L2_QUANTIZATION_FULL_RANGE ||
			   (!context->quantization && context->colorspace == V4L2_COLORSPACE_JPEG);
	switch (context->colorspace) {
	case V4L2_COLORSPACE_SMPTE170M:
		h264->primaries = 6;
		break;
	case V4L2_COLORSPACE_470_SYSTEM_BG:
		h264->primaries = 5;
		break;
	case V4L2_COLORSPACE_BT2020:
		h264->primaries = 9;
		break;
	default:
		h264->primaries = context->colorspace ? 1 : 2;
	}
	h264->transfer = transfer == V4L2_XFER_FUNC_SRGB ? 13 : transfer == V4L2_XFER_FUNC_709 ? 1 : 2;
	h264->matrix = ycbcr == V4L2_YCBCR_ENC_709 ? 1 : ycbcr == V4L2_YCBCR_ENC_BT2020 ? 9 : 6;
}

/* At STREAMON(OUTPUT): sizes and headers are settled here. Numbering goes on, so that a decoder can tell one stream from the next. */
int model_coding_start(struct model_context *context)
{
	const struct model_queue *raw = &context->queues[MODEL_OUTPUT];
	/* 4:2:0 has no odd sizes. */
	u32 width = raw->width & ~1, height = raw->crop_height & ~1;
	u32 padded_width = ALIGN(width, 16), padded_height = ALIGN(height, 16);
	size_t bytes = picture_bytes(padded_width, padded_height);
	/* A coefficient of JPEG takes at most 26 bits, there are as many as samples. */
	size_t room = context->node->role == ENCODE ? h264_room(width, height) : 4 * bytes + 65536;

	context->frames = 0;
	prandom_seed_state(&context->random, READ_ONCE(model_knobs.encode_seed));
	if (context->visible_width != width || context->visible_height != height) {
		model_coding_release(context);
		context->pictures = vzalloc(2 * bytes);
		context->coded.sink.bytes = vmalloc(room);
		context->coded.sink.room = room;
		if (!context->pictures || !context->coded.sink.bytes) {
			model_coding_release(context);
			return -ENOMEM;
		}
		picture_place(&context->now, context->pictures, padded_width, padded_height);
		picture_place(&context->reference, context->pictures + bytes, padded_width, padded_height);
		context->visible_width = width;
		context->visible_height = height;
	}
	context->h264.width = width;
	context->h264.height = height;
	context->h264.rate_numerator = context->rate_numerator;
	context->h264.rate_denominator = context->rate_denominator;
	profile_and_level(&context->h264, context->profile, context->level);
	colour(&context->h264, context);
	return 0;
}

void model_coding_release(struct model_context *context)
{
	model_forget(context);
	vfree(context->pictures);
	vfree(context->coded.sink.bytes);
	context->pictures = NULL;
	context->coded.sink.bytes = NULL;
	context->coded.pending = false;
	context->visible_width = context->visible_height = 0;
}

static void headers(struct model_context *context, bool key)
{
	struct model_coded *coded = &context->coded;
	bool apart = READ_ONCE(context->header_mode) == V4L2_MPEG_VIDEO_HEADER_MODE_SEPARATE;

	if (!context->headers_due && !(key && READ_ONCE(context->repeat_headers)))
		return;
	if (READ_ONCE(model_knobs.no_headers))
		return;
	h264_headers(&context->h264, &coded->sink);
	if (apart || (context->headers_due && READ_ONCE(model_knobs.header_first)))
		coded->headers = coded->sink.used;
	context->headers_due = false;
}

static bool load(struct model_context *context, const struct model_buffer *frame)
{
	const struct model_queue *queue = &context->queues[MODEL_OUTPUT];
	struct raw raw = { .rows = queue->height, .width = context->visible_width, .height = context->visible_height };
	int plane;

	for (plane = 0; plane < MEMORY_PLANES; plane++) {
		raw.bytes[plane] = frame->memory[plane];
		raw.stride[plane] = queue->bytesperline[plane];
	}
	return picture_load(&context->now, queue->format->fourcc, &raw);
}

void model_code(struct model_context *context, const struct model_buffer *frame, bool key)
{
	struct model_coded *coded = &context->coded;
	bool null_mode = READ_ONCE(model_knobs.null_mode);

	coded->sink.used = coded->headers = 0;
	coded->sink.full = coded->error = false;
	coded->key = key;
	if (!null_mode || context->node->role == ENCODE_IMAGE)
		coded->error = !load(context, frame);
	if (context->node->role == ENCODE_IMAGE) {
		jpeg_picture(&context->now, context->visible_width, context->visible_height, READ_ONCE(context->quality),
			     &coded->sink);
		/* Whether the image encoder's firmware flags its frames nobody reported. */
		coded->key = false;
	} else {
		headers(context, key);
		if (null_mode)
			h264_canned(&context->h264, key, &coded->sink);
		else
			h264_picture(&context->h264, &context->now, &context->reference, key, &coded->sink);
		if (!coded->sink.full)
			swap(context->now, context->reference);
	}
	coded->error |= coded->sink.full;
	context->key_due = false;
	context->since_key = key ? 1 : context->since_key + 1;
}
