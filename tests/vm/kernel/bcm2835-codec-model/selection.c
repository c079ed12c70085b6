// SPDX-License-Identifier: GPL-2.0
/*
 * The visible part of raw pictures: OUTPUT's crop, which a decoder has not, and CAPTURE's compose, which an encoder has not. It begins at the left upper corner and
 * only ever shrinks. The core has already made single-planar types of the multi-planar ones.
 */
#include "model.h"

/* The queue whose pictures have a visible part, or NULL. */
static struct model_queue *selected(struct model_context *context, u32 type)
{
	enum model_role role = context->node->role;

	if (type == V4L2_BUF_TYPE_VIDEO_OUTPUT && role != DECODE)
		return &context->queues[MODEL_OUTPUT];
	if (type == V4L2_BUF_TYPE_VIDEO_CAPTURE && (role == DECODE || role == ISP))
		return &context->queues[MODEL_CAPTURE];
	return NULL;
}

int model_g_selection(struct file *file, void *priv, struct v4l2_selection *s)
{
	struct model_context *context = model_context_of(file);
	struct model_queue *queue = selected(context, s->type);
	bool compose = s->type == V4L2_BUF_TYPE_VIDEO_CAPTURE;
	bool visible = false;

	if (!queue)
		return -EINVAL;
	switch (s->target) {
	case V4L2_SEL_TGT_COMPOSE:
	case V4L2_SEL_TGT_COMPOSE_DEFAULT:
	case V4L2_SEL_TGT_COMPOSE_BOUNDS:
		if (!compose)
			return -EINVAL;
		visible = true;
		break;
	case V4L2_SEL_TGT_CROP:
		if (compose)
			return -EINVAL;
		visible = true;
		break;
	case V4L2_SEL_TGT_CROP_DEFAULT:
	case V4L2_SEL_TGT_CROP_BOUNDS:
		if (compose && context->node->role == ISP)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	s->r = (struct v4l2_rect){ 0, 0, queue->width, queue->crop_height };
	if (!visible) {
		/* An encoder's are bytes, not pixels: so does the original. */
		s->r.width = compose ? queue->bytesperline[0] * 8 / queue->format->depth : queue->bytesperline[0];
		s->r.height = queue->height;
	}
	return 0;
}

int model_s_selection(struct file *file, void *priv, struct v4l2_selection *s)
{
	struct model_context *context = model_context_of(file);
	struct model_queue *queue = selected(context, s->type);
	bool compose = s->type == V4L2_BUF_TYPE_VIDEO_CAPTURE;
	u32 align = READ_ONCE(model_knobs.crop_align);

	if (!queue || s->target != (compose ? V4L2_SEL_TGT_COMPOSE : V4L2_SEL_TGT_CROP))
		return -EINVAL;
	s->r.left = 0;
	s->r.top = 0;
	s->r.width = min(s->r.width, queue->width);
	s->r.height = min(s->r.height, queue->height);
	if (align) {
		s->r.width = rounddown(s->r.width, align);
		s->r.height = rounddown(s->r.height, align);
	}
	queue->width = s->r.width;
	queue->crop_height = s->r.height;
	queue->selected = true;
	return 0;
}
