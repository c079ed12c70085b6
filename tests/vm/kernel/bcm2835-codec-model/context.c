// SPDX-License-Identifier: GPL-2.0
/*
 * A context: one open file with its controls, its two queues and its engine. And the table of what the nodes answer to.
 */
#include <linux/slab.h>
#include <media/v4l2-event.h>
#include <media/v4l2-ioctl.h>

#include "model.h"

static int context_open(struct file *file)
{
	struct model_node *node = video_drvdata(file);
	struct model_context *context;
	int ret;

	context = kzalloc(sizeof(*context), GFP_KERNEL);
	if (!context)
		return -ENOMEM;
	context->node = node;
	context->rate_numerator = 30;
	context->rate_denominator = 1;
	v4l2_fh_init(&context->fh, video_devdata(file));
	file->private_data = &context->fh;
	model_formats_init(context);
	model_engine_init(context);
	ret = model_controls_init(context);
	if (ret)
		goto handle;
	context->fh.ctrl_handler = &context->controls;

	mutex_lock(&node->lock);
	context->fh.m2m_ctx = v4l2_m2m_ctx_init(node->m2m_dev, context, model_queues_init);
	ret = PTR_ERR_OR_ZERO(context->fh.m2m_ctx);
	/* The node may have gone between the core's look at it and ours. */
	if (!ret && node->gone) {
		v4l2_m2m_ctx_release(context->fh.m2m_ctx);
		ret = -ENODEV;
	}
	if (!ret) {
		list_add_tail(&context->siblings, &node->contexts);
		v4l2_fh_add(&context->fh);
	}
	mutex_unlock(&node->lock);
	if (!ret)
		return 0;
	v4l2_ctrl_handler_free(&context->controls);
handle:
	v4l2_fh_exit(&context->fh);
	kfree(context);
	return ret;
}

static int context_release(struct file *file)
{
	struct model_context *context = model_context_of(file);
	struct model_node *node = context->node;

	mutex_lock(&node->lock);
	list_del(&context->siblings);
	v4l2_m2m_ctx_release(context->fh.m2m_ctx);
	mutex_unlock(&node->lock);
	/* Until here it may send the event of a stream's end, which needs the handle. */
	model_engine_halt(context);
	v4l2_fh_del(&context->fh);
	v4l2_fh_exit(&context->fh);
	v4l2_ctrl_handler_free(&context->controls);
	model_workers[node->role]->release(context);
	kfree(context);
	return 0;
}

const struct v4l2_file_operations model_file_operations = {
	.owner = THIS_MODULE,
	.open = context_open,
	.release = context_release,
	.poll = model_poll,
	.unlocked_ioctl = video_ioctl2,
	.mmap = v4l2_m2m_fop_mmap,
};

static int querycap(struct file *file, void *priv, struct v4l2_capability *cap)
{
	struct model_node *node = video_drvdata(file);

	strscpy(cap->driver, "bcm2835-codec", sizeof(cap->driver));
	strscpy(cap->card, node->vfd.name, sizeof(cap->card));
	strscpy(cap->bus_info, "platform:bcm2835-codec", sizeof(cap->bus_info));
	return 0;
}

static int subscribe_event(struct v4l2_fh *fh, const struct v4l2_event_subscription *sub)
{
	switch (sub->type) {
	case V4L2_EVENT_EOS:
		return v4l2_event_subscribe(fh, sub, 2, NULL);
	case V4L2_EVENT_SOURCE_CHANGE:
		/* It comes of a decoder; of the others the original lets one wait for it in vain. */
		return v4l2_src_change_event_subscribe(fh, sub);
	default:
		return v4l2_ctrl_subscribe_event(fh, sub);
	}
}

const struct v4l2_ioctl_ops model_ioctl_ops = {
	.vidioc_querycap = querycap,
	.vidioc_enum_fmt_vid_cap = model_enum_capture,
	.vidioc_enum_fmt_vid_out = model_enum_output,
	.vidioc_g_fmt_vid_cap_mplane = model_g_fmt,
	.vidioc_g_fmt_vid_out_mplane = model_g_fmt,
	.vidioc_try_fmt_vid_cap_mplane = model_try_fmt,
	.vidioc_try_fmt_vid_out_mplane = model_try_fmt,
	.vidioc_s_fmt_vid_cap_mplane = model_s_fmt,
	.vidioc_s_fmt_vid_out_mplane = model_s_fmt,
	.vidioc_enum_framesizes = model_enum_framesizes,
	.vidioc_g_selection = model_g_selection,
	.vidioc_s_selection = model_s_selection,
	.vidioc_g_parm = model_g_parm,
	.vidioc_s_parm = model_s_parm,

	.vidioc_reqbufs = v4l2_m2m_ioctl_reqbufs,
	.vidioc_querybuf = model_querybuf,
	.vidioc_create_bufs = v4l2_m2m_ioctl_create_bufs,
	.vidioc_prepare_buf = v4l2_m2m_ioctl_prepare_buf,
	.vidioc_expbuf = model_expbuf,
	.vidioc_qbuf = model_qbuf,
	.vidioc_dqbuf = model_dqbuf,
	.vidioc_streamon = v4l2_m2m_ioctl_streamon,
	.vidioc_streamoff = v4l2_m2m_ioctl_streamoff,
	.vidioc_encoder_cmd = model_encoder_cmd,
	.vidioc_try_encoder_cmd = model_try_encoder_cmd,
	.vidioc_decoder_cmd = model_decoder_cmd,
	.vidioc_try_decoder_cmd = model_try_decoder_cmd,

	.vidioc_subscribe_event = subscribe_event,
	.vidioc_unsubscribe_event = v4l2_event_unsubscribe,
};
