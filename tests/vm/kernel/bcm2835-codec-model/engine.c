// SPDX-License-Identifier: GPL-2.0
/*
 * What works: one work item per context goes from step to step, and each role has steps of its own. Here is what the steps share: the
 * next buffers, time, and the end of a stream.
 */
#include <linux/hrtimer.h>
#include <media/v4l2-event.h>

#include "model.h"

struct workqueue_struct *model_workqueue;

const struct model_worker *const model_workers[ROLES] = {
	[DECODE] = &model_decoder,
	[ENCODE] = &model_encoder,
	[ISP] = &model_converter,
	[ENCODE_IMAGE] = &model_encoder,
};

/* Stops the engine after the step it is at, without the waits of that step. */
void model_engine_halt(struct model_context *context)
{
	WRITE_ONCE(context->hurried, true);
	wake_up(&context->hurry);
	cancel_work_sync(&context->work);
}

void model_engine_resume(struct model_context *context)
{
	WRITE_ONCE(context->hurried, false);
	model_engine_kick(context);
}

void model_engine_kick(struct model_context *context)
{
	queue_work(model_workqueue, &context->work);
}

bool model_engine_is_stuck(struct model_context *context)
{
	return READ_ONCE(context->hung) && !READ_ONCE(context->node->gone);
}

void model_delay_until(struct model_context *context, ktime_t when)
{
	s64 left = ktime_to_ns(ktime_sub(when, ktime_get()));

	if (left > 0)
		wait_event_hrtimeout(context->hurry, READ_ONCE(context->hurried), ns_to_ktime(left));
}

struct model_buffer *model_take(struct model_context *context, struct model_queue *queue)
{
	struct model_buffer *buffer = NULL;
	unsigned long flags;

	spin_lock_irqsave(&context->lock, flags);
	if (queue->on)
		buffer = list_first_entry_or_null(&queue->waiting, struct model_buffer, node);
	if (buffer)
		list_del(&buffer->node);
	spin_unlock_irqrestore(&context->lock, flags);
	return buffer;
}

/* Nothing waits to be dequeued: EPIPE overtakes what does. */
static bool all_dequeued(struct vb2_queue *capture)
{
	unsigned long flags;
	bool all;

	spin_lock_irqsave(&capture->done_lock, flags);
	all = list_empty(&capture->done_list);
	spin_unlock_irqrestore(&capture->done_lock, flags);
	return all;
}

/* LAST and the event, as the original does it, without what the knob says. */
bool model_deliver_end(struct model_context *context)
{
	static const struct v4l2_event event = { .type = V4L2_EVENT_EOS };
	struct vb2_queue *capture = v4l2_m2m_get_dst_vq(context->fh.m2m_ctx);
	unsigned int without = model_encodes(context) ? READ_ONCE(model_knobs.end_without) : 0;
	struct model_buffer *buffer = NULL;
	struct vb2_v4l2_buffer *vbuf;

	if (without & NO_END_BUFFER) {
		/* The client's next DQBUF comes here again. */
		if (!all_dequeued(capture))
			return false;
	} else {
		buffer = model_take(context, &context->queues[MODEL_CAPTURE]);
		if (!buffer)
			return false;
	}
	WRITE_ONCE(context->end_reached, false);
	if (!(without & NO_EOS_EVENT))
		v4l2_event_queue_fh(&context->fh, &event);
	if (!buffer) {
		capture->last_buffer_dequeued = !(without & NO_EPIPE);
		wake_up(&capture->done_wq);
		return true;
	}
	vbuf = &buffer->m2m.vb;
	vb2_set_plane_payload(&vbuf->vb2_buf, 0, 0);
	vbuf->vb2_buf.planes[0].data_offset = 0;
	vbuf->field = V4L2_FIELD_NONE;
	/* The time that the buffer had before is what drivers leave in it that do not mark it. */
	if (!(without & NO_LAST)) {
		vbuf->vb2_buf.timestamp = 0;
		vbuf->flags |= V4L2_BUF_FLAG_LAST;
	}
	vb2_buffer_done(&vbuf->vb2_buf, VB2_BUF_STATE_DONE);
	return true;
}

/* The OUTPUT buffer whose turn it is. NULL when there is none, and when it was the end marker, which is taken off then. The buffer stays on
 * the list: nobody takes it away while the engine runs. */
struct model_buffer *model_next(struct model_context *context)
{
	struct model_queue *output = &context->queues[MODEL_OUTPUT];
	struct list_head *first = NULL;
	unsigned long flags;

	spin_lock_irqsave(&context->lock, flags);
	if (output->on && !list_empty(&output->waiting))
		first = output->waiting.next;
	if (first == &context->end) {
		list_del_init(first);
		context->end_reached = true;
		first = NULL;
	}
	spin_unlock_irqrestore(&context->lock, flags);
	return first ? list_entry(first, struct model_buffer, node) : NULL;
}

/* The firmware counts microseconds. */
u64 model_stamp(const struct model_buffer *buffer)
{
	u64 stamp = buffer->m2m.vb.vb2_buf.timestamp;

	do_div(stamp, NSEC_PER_USEC);
	return stamp * NSEC_PER_USEC;
}

static bool step(struct model_context *context)
{
	return !context->hung && !context->asleep && model_workers[context->node->role]->step(context);
}

static void run(struct work_struct *work)
{
	struct model_context *context = container_of(work, struct model_context, work);

	while (!READ_ONCE(context->hurried) && step(context))
		cond_resched();
}

void model_engine_init(struct model_context *context)
{
	spin_lock_init(&context->lock);
	init_waitqueue_head(&context->hurry);
	INIT_LIST_HEAD(&context->end);
	INIT_LIST_HEAD(&context->held);
	INIT_WORK(&context->work, run);
}
