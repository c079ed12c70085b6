// SPDX-License-Identifier: GPL-2.0
/*
 * What the firmware refuses at STREAMON(OUTPUT): a level of H.264 too low for the size, the rate or the bitrate (table A-1 of the
 * standard), and constant bitrate with High profile. It says so by its status 3, which reads as ESRCH.
 */
#include <linux/math64.h>

#include "model.h"

static const struct {
	u32 macroblocks_per_second, macroblocks, kilobits;
} levels[] = {
	[V4L2_MPEG_VIDEO_H264_LEVEL_1_0] = { 1485, 99, 64 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_1B] = { 1485, 99, 128 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_1_1] = { 3000, 396, 192 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_1_2] = { 6000, 396, 384 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_1_3] = { 11880, 396, 768 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_2_0] = { 11880, 396, 2000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_2_1] = { 19800, 792, 4000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_2_2] = { 20250, 1620, 4000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_3_0] = { 40500, 1620, 10000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_3_1] = { 108000, 3600, 14000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_3_2] = { 216000, 5120, 20000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_4_0] = { 245760, 8192, 20000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_4_1] = { 245760, 8192, 50000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_4_2] = { 522240, 8704, 50000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_5_0] = { 589824, 22080, 135000 },
	[V4L2_MPEG_VIDEO_H264_LEVEL_5_1] = { 983040, 36864, 240000 },
};

int model_limits_check(const struct model_context *context)
{
	const struct model_queue *raw = &context->queues[MODEL_OUTPUT];
	const struct model_queue *coded = &context->queues[MODEL_CAPTURE];
	bool high = context->profile == V4L2_MPEG_VIDEO_H264_PROFILE_HIGH;
	u32 columns = DIV_ROUND_UP(raw->width, 16), rows = DIV_ROUND_UP(raw->crop_height, 16);
	u32 most;

	if (raw->width < 32 || raw->crop_height < 32 || raw->crop_height > raw->height)
		return -ESRCH;
	if (context->node->role == ENCODE_IMAGE)
		return 0;
	/* What the firmware makes of two sizes nobody reported; refusing is what a client notices. */
	if (coded->width != raw->width || (coded->height != raw->crop_height && coded->height != raw->height))
		return -ESRCH;
	most = levels[context->level].macroblocks;
	if (columns * rows > most || columns * columns > 8 * most || rows * rows > 8 * most)
		return -ESRCH;
	if ((u64)columns * rows * context->rate_numerator >
	    (u64)levels[context->level].macroblocks_per_second * context->rate_denominator)
		return -ESRCH;
	/* For High the standard allows a quarter more. */
	if (context->bitrate > levels[context->level].kilobits * (high ? 1250 : 1000))
		return -ESRCH;
	if (high && context->bitrate_mode == V4L2_MPEG_VIDEO_BITRATE_MODE_CBR)
		return -ESRCH;
	return 0;
}
