// SPDX-License-Identifier: GPL-2.0
/*
 * Controls and the frame rate. Before the component exists a value is only remembered, and all of them are set again when it is
 * made: that is why a key frame asked for too early is lost, and why GOP_SIZE is overwritten by I_PERIOD then.
 */
#include "model.h"

#define MENU(least, most) ((u64)GENMASK(most, least))

static int s_ctrl(struct v4l2_ctrl *ctrl)
{
	struct model_context *context = container_of(ctrl->handler, struct model_context, controls);
	unsigned long flags;

	if (context->component && READ_ONCE(model_knobs.refuse_control) == ctrl->id && model_is_faulty(context))
		return -EINVAL;
	switch (ctrl->id) {
	case V4L2_CID_MPEG_VIDEO_BITRATE:
		WRITE_ONCE(context->bitrate, ctrl->val);
		return 0;
	case V4L2_CID_MPEG_VIDEO_BITRATE_MODE:
		WRITE_ONCE(context->bitrate_mode, ctrl->val);
		return 0;
	case V4L2_CID_MPEG_VIDEO_HEADER_MODE:
		WRITE_ONCE(context->header_mode, ctrl->val);
		return 0;
	case V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER:
		WRITE_ONCE(context->repeat_headers, ctrl->val);
		return 0;
	case V4L2_CID_MPEG_VIDEO_H264_I_PERIOD:
		__v4l2_ctrl_s_ctrl(context->gop_size, ctrl->val);
		fallthrough;
	case V4L2_CID_MPEG_VIDEO_GOP_SIZE:
		WRITE_ONCE(context->intra_period, ctrl->val);
		return 0;
	case V4L2_CID_MPEG_VIDEO_H264_LEVEL:
		WRITE_ONCE(context->level, ctrl->val);
		return 0;
	case V4L2_CID_MPEG_VIDEO_H264_PROFILE:
		WRITE_ONCE(context->profile, ctrl->val);
		return 0;
	case V4L2_CID_JPEG_COMPRESSION_QUALITY:
		WRITE_ONCE(context->quality, ctrl->val);
		return 0;
	case V4L2_CID_HFLIP:
		WRITE_ONCE(context->hflip, ctrl->val);
		return 0;
	case V4L2_CID_VFLIP:
		WRITE_ONCE(context->vflip, ctrl->val);
		return 0;
	case V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME:
		spin_lock_irqsave(&context->lock, flags);
		context->force_key = context->component;
		spin_unlock_irqrestore(&context->lock, flags);
		return 0;
	case V4L2_CID_MPEG_VIDEO_H264_MIN_QP:
	case V4L2_CID_MPEG_VIDEO_H264_MAX_QP:
	case V4L2_CID_MPEG_VIDEO_B_FRAMES:
		/* Nothing is quantised here, and there are no B frames. */
		return 0;
	default:
		return -EINVAL;
	}
}

static const struct v4l2_ctrl_ops ops = { .s_ctrl = s_ctrl };

static void number(struct model_context *context, u32 id, s64 least, s64 most, u64 step, s64 usual)
{
	struct v4l2_ctrl *ctrl = v4l2_ctrl_new_std(&context->controls, &ops, id, least, most, step, usual);

	if (id == V4L2_CID_MPEG_VIDEO_GOP_SIZE)
		context->gop_size = ctrl;
}

static void menu(struct model_context *context, u32 id, u64 choices, u8 usual)
{
	struct v4l2_ctrl *ctrl = v4l2_ctrl_new_std_menu(&context->controls, &ops, id, fls64(choices) - 1, ~choices, usual);

	/* A decoder takes what comes: its menus say what may. */
	if (ctrl && context->node->role == DECODE)
		ctrl->flags |= V4L2_CTRL_FLAG_READ_ONLY;
}

#define PROFILES                                                                                                  \
	(BIT(V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE) | BIT(V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE) |      \
	 BIT(V4L2_MPEG_VIDEO_H264_PROFILE_MAIN) | BIT(V4L2_MPEG_VIDEO_H264_PROFILE_HIGH))

int model_controls_init(struct model_context *context)
{
	struct v4l2_ctrl_handler *handler = &context->controls;
	int ret;

	v4l2_ctrl_handler_init(handler, 12);
	if (context->node->role == DECODE) {
		/* What the firmware really wants, only REQBUFS says. */
		number(context, V4L2_CID_MIN_BUFFERS_FOR_CAPTURE, 1, 1, 1, 1);
		menu(context, V4L2_CID_MPEG_VIDEO_H264_LEVEL, MENU(0, V4L2_MPEG_VIDEO_H264_LEVEL_4_2),
		     V4L2_MPEG_VIDEO_H264_LEVEL_4_0);
		menu(context, V4L2_CID_MPEG_VIDEO_H264_PROFILE, PROFILES, V4L2_MPEG_VIDEO_H264_PROFILE_HIGH);
	} else if (context->node->role == ISP) {
		number(context, V4L2_CID_HFLIP, 0, 1, 1, 0);
		number(context, V4L2_CID_VFLIP, 0, 1, 1, 0);
	} else if (context->node->role == ENCODE_IMAGE) {
		number(context, V4L2_CID_JPEG_COMPRESSION_QUALITY, 1, 100, 1, 80);
	} else {
		menu(context, V4L2_CID_MPEG_VIDEO_BITRATE_MODE, MENU(0, V4L2_MPEG_VIDEO_BITRATE_MODE_CBR),
		     V4L2_MPEG_VIDEO_BITRATE_MODE_VBR);
		number(context, V4L2_CID_MPEG_VIDEO_BITRATE, 25000, 25000000, 25000, 10000000);
		menu(context, V4L2_CID_MPEG_VIDEO_HEADER_MODE, MENU(0, V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME),
		     V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME);
		number(context, V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 0, 1, 1, 0);
		number(context, V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME, 0, 0, 0, 0);
		number(context, V4L2_CID_MPEG_VIDEO_H264_MIN_QP, 0, 51, 1, 20);
		number(context, V4L2_CID_MPEG_VIDEO_H264_MAX_QP, 0, 51, 1, 51);
		number(context, V4L2_CID_MPEG_VIDEO_B_FRAMES, 0, 0, 1, 0);
		number(context, V4L2_CID_MPEG_VIDEO_GOP_SIZE, 0, 0x7fffffff, 1, 60);
		number(context, V4L2_CID_MPEG_VIDEO_H264_I_PERIOD, 0, 0x7fffffff, 1, 60);
		menu(context, V4L2_CID_MPEG_VIDEO_H264_LEVEL, MENU(0, V4L2_MPEG_VIDEO_H264_LEVEL_5_1),
		     V4L2_MPEG_VIDEO_H264_LEVEL_4_0);
		menu(context, V4L2_CID_MPEG_VIDEO_H264_PROFILE, PROFILES, V4L2_MPEG_VIDEO_H264_PROFILE_HIGH);
	}
	ret = handler->error ?: v4l2_ctrl_handler_setup(handler);
	if (ret)
		v4l2_ctrl_handler_free(handler);
	return ret;
}

int model_g_parm(struct file *file, void *priv, struct v4l2_streamparm *parm)
{
	struct model_context *context = model_context_of(file);

	if (parm->type != V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE)
		return -EINVAL;
	parm->parm.output.capability = V4L2_CAP_TIMEPERFRAME;
	parm->parm.output.timeperframe.numerator = context->rate_denominator;
	parm->parm.output.timeperframe.denominator = context->rate_numerator;
	return 0;
}

int model_s_parm(struct file *file, void *priv, struct v4l2_streamparm *parm)
{
	struct model_context *context = model_context_of(file);
	const struct v4l2_fract *time = &parm->parm.output.timeperframe;

	if (parm->type != V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE || !time->numerator || !time->denominator)
		return -EINVAL;
	WRITE_ONCE(context->rate_numerator, time->denominator);
	WRITE_ONCE(context->rate_denominator, time->numerator);
	parm->parm.output.capability = V4L2_CAP_TIMEPERFRAME;
	return 0;
}
