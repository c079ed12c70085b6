// SPDX-License-Identifier: GPL-2.0
/*
 * ENCODER_CMD and DECODER_CMD: the end of a stream, and what follows it. Which of the two a node has, driver.c knows.
 */
#include "model.h"

/*
 * STOP queues a marker behind the OUTPUT buffers. There is one marker: until its buffer is delivered, for which CAPTURE buffers may
 * be wanting, STOP again is nothing.
 */
static void stop(struct model_context *context)
{
	struct model_queue *output = &context->queues[MODEL_OUTPUT];
	unsigned long flags;

	spin_lock_irqsave(&context->lock, flags);
	if (output->on && list_empty(&context->end) && !READ_ONCE(context->end_reached))
		list_add_tail(&context->end, &output->waiting);
	spin_unlock_irqrestore(&context->lock, flags);
	model_engine_kick(context);
}

static void start(struct model_context *context)
{
	vb2_clear_last_buffer_dequeued(v4l2_m2m_get_dst_vq(context->fh.m2m_ctx));
}

int model_try_encoder_cmd(struct file *file, void *priv, struct v4l2_encoder_cmd *cmd)
{
	return cmd->cmd == V4L2_ENC_CMD_STOP || cmd->cmd == V4L2_ENC_CMD_START ? 0 : -EINVAL;
}

int model_encoder_cmd(struct file *file, void *priv, struct v4l2_encoder_cmd *cmd)
{
	int ret = model_try_encoder_cmd(file, priv, cmd);

	if (ret)
		return ret;
	if (cmd->cmd == V4L2_ENC_CMD_STOP)
		stop(model_context_of(file));
	else if (READ_ONCE(model_knobs.start_resumes))
		start(model_context_of(file));
	return 0;
}

int model_try_decoder_cmd(struct file *file, void *priv, struct v4l2_decoder_cmd *cmd)
{
	switch (cmd->cmd) {
	case V4L2_DEC_CMD_START:
		return 0;
	case V4L2_DEC_CMD_STOP:
		return cmd->flags & V4L2_DEC_CMD_STOP_TO_BLACK ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}

/* Unlike an encoder, a decoder goes on after START. */
int model_decoder_cmd(struct file *file, void *priv, struct v4l2_decoder_cmd *cmd)
{
	int ret = model_try_decoder_cmd(file, priv, cmd);

	if (ret)
		return ret;
	if (cmd->cmd == V4L2_DEC_CMD_STOP)
		stop(model_context_of(file));
	else
		start(model_context_of(file));
	return 0;
}
