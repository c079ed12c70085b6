// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers on their way to the engine and back. Each queue hands its buffers over as soon as it streams, whatever the other does.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <media/v4l2-ioctl.h>
#include <media/videobuf2-dma-contig.h>
#include <media/videobuf2-v4l2.h>

#include "model.h"

static struct model_buffer *model_buffer_of(struct vb2_buffer *vb)
{
	return container_of(to_vb2_v4l2_buffer(vb), struct model_buffer, m2m.vb);
}

/* The errors that a test asked for: of this memory, of this queue, above so many buffers. Zero is any. */
static int refusal(struct vb2_queue *vq, unsigned int count)
{
	unsigned int memory = READ_ONCE(model_knobs.refuse_memory);
	unsigned int queue = READ_ONCE(model_knobs.refuse_queue);

	if (!model_is_faulty(vb2_get_drv_priv(vq)))
		return 0;
	if (memory && memory != vq->memory)
		return 0;
	if (queue && queue != (vq->is_output ? 1 : 2))
		return 0;
	return count > READ_ONCE(model_knobs.refuse_above) ? -(int)READ_ONCE(model_knobs.refuse_errno) : 0;
}

static unsigned int least_buffers(const struct model_context *context, bool output)
{
	if (output)
		return READ_ONCE(model_knobs.min_output);
	return context->node->role == DECODE ? READ_ONCE(model_knobs.min_decoded) : READ_ONCE(model_knobs.min_capture);
}

static int queue_setup(struct vb2_queue *vq, unsigned int *buffers, unsigned int *planes, unsigned int sizes[],
		       struct device *devices[])
{
	struct model_context *context = vb2_get_drv_priv(vq);
	struct model_queue *queue = model_queue_of(context, vq->type);
	unsigned int least = least_buffers(context, vq->is_output);
	unsigned int count = 1 + queue->format->apart;
	int ret = refusal(vq, vq->num_buffers + *buffers);
	unsigned int plane;

	if (ret)
		return ret;
	if (!context->component) {
		context->component = true;
		/* Everything remembered so far goes to the new component; button presses are not remembered. */
		v4l2_ctrl_handler_setup(&context->controls);
	}
	if (*planes) {
		if (*planes != count)
			return -EINVAL;
		for (plane = 0; plane < count; plane++)
			if (sizes[plane] < queue->sizeimage[plane])
				return -EINVAL;
		return 0;
	}
	*planes = count;
	for (plane = 0; plane < count; plane++)
		sizes[plane] = queue->sizeimage[plane];
	*buffers = max(*buffers, least);
	return 0;
}

static int buf_init(struct vb2_buffer *vb)
{
	struct model_buffer *buffer = model_buffer_of(vb);
	unsigned int plane;

	/* The hardware needs no mapping; the model does. */
	for (plane = 0; plane < vb->num_planes; plane++) {
		buffer->memory[plane] = vb2_plane_vaddr(vb, plane);
		if (!buffer->memory[plane])
			return -EFAULT;
	}
	return 0;
}

static int buf_out_validate(struct vb2_buffer *vb)
{
	struct vb2_v4l2_buffer *vbuf = to_vb2_v4l2_buffer(vb);

	if (vbuf->field == V4L2_FIELD_ANY)
		vbuf->field = V4L2_FIELD_NONE;
	return 0;
}

static int buf_prepare(struct vb2_buffer *vb)
{
	struct model_queue *queue = model_queue_of(vb2_get_drv_priv(vb->vb2_queue), vb->type);
	unsigned int plane;

	for (plane = 0; plane < vb->num_planes; plane++)
		if (vb2_plane_size(vb, plane) < queue->sizeimage[plane])
			return -EINVAL;
	if (!vb->vb2_queue->is_output)
		vb2_set_plane_payload(vb, 0, queue->sizeimage[0]);
	return 0;
}

static void buf_queue(struct vb2_buffer *vb)
{
	struct model_context *context = vb2_get_drv_priv(vb->vb2_queue);
	struct model_queue *queue = model_queue_of(context, vb->type);
	unsigned long flags;

	spin_lock_irqsave(&context->lock, flags);
	list_add_tail(&model_buffer_of(vb)->node, &queue->waiting);
	spin_unlock_irqrestore(&context->lock, flags);
	model_engine_kick(context);
}

static void give_back(struct model_context *context, struct model_queue *queue, enum vb2_buffer_state state)
{
	bool output = queue == &context->queues[MODEL_OUTPUT];
	struct model_buffer *buffer, *next;
	unsigned long flags;
	LIST_HEAD(all);

	model_workers[context->node->role]->flush(context, output);
	spin_lock_irqsave(&context->lock, flags);
	queue->on = false;
	if (output) {
		list_del_init(&context->end);
		context->changing = false;
	} else {
		/* What was on its way out is lost: what comes next begins anew. */
		context->end_reached = false;
		context->restart = true;
	}
	list_splice_init(&queue->waiting, &all);
	spin_unlock_irqrestore(&context->lock, flags);
	list_for_each_entry_safe(buffer, next, &all, node)
		vb2_buffer_done(&buffer->m2m.vb.vb2_buf, state);
}

static int start_streaming(struct vb2_queue *vq, unsigned int count)
{
	struct model_context *context = vb2_get_drv_priv(vq);
	struct model_queue *queue = model_queue_of(context, vq->type);
	unsigned long flags;
	int ret = 0;

	model_engine_halt(context);
	queue->qbufs = queue->dqbufs = 0;
	if (context->forgotten)
		ret = -EIO;
	else if (vq->is_output)
		ret = model_workers[context->node->role]->start(context);
	else
		context->delivered = 0;
	if (ret) {
		/* The original leaks them here, and the core warns; to the client it is the same. */
		give_back(context, queue, VB2_BUF_STATE_QUEUED);
	} else {
		spin_lock_irqsave(&context->lock, flags);
		queue->on = true;
		if (vq->is_output)
			context->restart = true;
		else
			context->changing = false;
		if (vq->is_output)
			context->asleep = READ_ONCE(model_knobs.capture_first) && model_encodes(context) &&
					  !context->queues[MODEL_CAPTURE].on;
		spin_unlock_irqrestore(&context->lock, flags);
	}
	model_engine_resume(context);
	return ret;
}

static void stop_streaming(struct vb2_queue *vq)
{
	struct model_context *context = vb2_get_drv_priv(vq);
	struct model_queue *queue = model_queue_of(context, vq->type);

	model_engine_halt(context);
	/* Buffers of a hung codec do not come back: the original waits, deaf to signals, and then goes on without them. */
	if (model_engine_is_stuck(context) && !list_empty(&queue->waiting))
		msleep(READ_ONCE(model_knobs.streamoff_ms));
	give_back(context, queue, VB2_BUF_STATE_ERROR);
	if (READ_ONCE(model_knobs.forgets) && model_encodes(context) && !context->queues[MODEL_OUTPUT].on &&
	    !context->queues[MODEL_CAPTURE].on)
		context->forgotten = true;
	model_engine_resume(context);
}

static const struct vb2_ops queue_ops = {
	.queue_setup = queue_setup,
	.buf_init = buf_init,
	.buf_out_validate = buf_out_validate,
	.buf_prepare = buf_prepare,
	.buf_queue = buf_queue,
	.start_streaming = start_streaming,
	.stop_streaming = stop_streaming,
	.wait_prepare = vb2_ops_wait_prepare,
	.wait_finish = vb2_ops_wait_finish,
};

int model_queues_init(void *priv, struct vb2_queue *output, struct vb2_queue *capture)
{
	struct model_context *context = priv;
	struct vb2_queue *queues[] = { output, capture };
	int i, ret = 0;

	output->type = V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE;
	capture->type = V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE;
	for (i = 0; i < 2 && !ret; i++) {
		queues[i]->io_modes = VB2_MMAP | VB2_DMABUF;
		queues[i]->drv_priv = context;
		queues[i]->buf_struct_size = sizeof(struct model_buffer);
		queues[i]->ops = &queue_ops;
		queues[i]->mem_ops = &vb2_dma_contig_memops;
		queues[i]->dev = context->node->dma;
		queues[i]->timestamp_flags = V4L2_BUF_FLAG_TIMESTAMP_COPY;
		queues[i]->lock = &context->node->lock;
		queues[i]->allow_zero_bytesused = READ_ONCE(model_knobs.empty_ends);
		ret = vb2_queue_init(queues[i]);
	}
	return ret;
}

static bool is_false(struct file *file, unsigned int answer)
{
	return READ_ONCE(model_knobs.false_answers) & answer && model_is_faulty(model_context_of(file));
}

/* A failed call counts: the next one succeeds. */
static bool fails_now(const struct model_context *context, struct model_queue *queue, u32 *count, const unsigned int *when)
{
	if (!queue->on || *count + 1 != READ_ONCE(*when) || !model_is_faulty(context))
		return false;
	++*count;
	return true;
}

int model_qbuf(struct file *file, void *priv, struct v4l2_buffer *b)
{
	struct model_context *context = model_context_of(file);
	struct model_queue *queue = model_queue_of(context, b->type);
	int ret;

	if (V4L2_TYPE_IS_OUTPUT(b->type) && READ_ONCE(model_knobs.qbuf_errno) && model_is_faulty(context))
		return -(int)READ_ONCE(model_knobs.qbuf_errno);
	if (fails_now(context, queue, &queue->qbufs,
		      V4L2_TYPE_IS_OUTPUT(b->type) ? &model_knobs.qbuf_eio_output : &model_knobs.qbuf_eio_capture))
		return -EIO;
	ret = v4l2_m2m_ioctl_qbuf(file, priv, b);
	if (!ret && queue->on)
		queue->qbufs++;
	return ret;
}

int model_dqbuf(struct file *file, void *priv, struct v4l2_buffer *b)
{
	struct model_context *context = model_context_of(file);
	struct model_queue *queue = model_queue_of(context, b->type);
	int ret;

	if (fails_now(context, queue, &queue->dqbufs,
		      V4L2_TYPE_IS_OUTPUT(b->type) ? &model_knobs.dqbuf_eio_output : &model_knobs.dqbuf_eio_capture))
		return -EIO;
	ret = v4l2_m2m_ioctl_dqbuf(file, priv, b);
	if (ret)
		return ret;
	queue->dqbufs++;
	if (READ_ONCE(model_knobs.end_without) & NO_END_BUFFER)
		model_engine_kick(context);
	if (is_false(file, FALSE_INDEX))
		b->index += VIDEO_MAX_FRAME;
	if (is_false(file, FALSE_BYTESUSED))
		b->m.planes[0].bytesused = b->m.planes[0].length + 1;
	if (is_false(file, FALSE_OFFSET))
		b->m.planes[0].data_offset = b->m.planes[0].bytesused + 1;
	return 0;
}

int model_querybuf(struct file *file, void *priv, struct v4l2_buffer *b)
{
	int ret = v4l2_m2m_ioctl_querybuf(file, priv, b);

	if (!ret && is_false(file, FALSE_LENGTH))
		b->m.planes[0].length += 1 << 24;
	if (!ret && is_false(file, FALSE_SHORT))
		b->m.planes[0].length = 4096;
	return ret;
}

int model_expbuf(struct file *file, void *priv, struct v4l2_exportbuffer *e)
{
	if (!is_false(file, FALSE_EXPBUF))
		return v4l2_m2m_ioctl_expbuf(file, priv, e);
	e->fd = -1;
	return 0;
}

/* With the knob at 1 there is only poll's word for it; at 2 DQBUF answers EIO until STREAMOFF, as after a failure of the hardware. */
__poll_t model_poll(struct file *file, struct poll_table_struct *table)
{
	struct model_context *context = model_context_of(file);
	unsigned int error = model_is_faulty(context) ? READ_ONCE(model_knobs.poll_error) : 0;

	if (error == 2) {
		vb2_queue_error(v4l2_m2m_get_src_vq(context->fh.m2m_ctx));
		vb2_queue_error(v4l2_m2m_get_dst_vq(context->fh.m2m_ctx));
	}
	return v4l2_m2m_fop_poll(file, table) | (error ? EPOLLERR : 0);
}
