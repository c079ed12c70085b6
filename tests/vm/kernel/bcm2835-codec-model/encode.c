// SPDX-License-Identifier: GPL-2.0
/*
 * The encoder at work: OUTPUT buffers in order become coded frames, and these fill CAPTURE buffers. A frame that finds no CAPTURE buffer
 * waits inside, and its OUTPUT buffer is back already; the next frame begins after it is out.
 */
#include "model.h"

#define LEAST_RATE 9

/* Fills one CAPTURE buffer from the coded frame, as far as it goes. */
static bool deliver(struct model_context *context)
{
	struct model_coded *coded = &context->coded;
	struct model_buffer *buffer = model_take(context, &context->queues[MODEL_CAPTURE]);
	size_t end = coded->sent < coded->headers ? coded->headers : coded->sink.used;
	struct vb2_v4l2_buffer *vbuf;
	size_t bytes, offset;

	if (!buffer)
		return false;
	vbuf = &buffer->m2m.vb;
	offset = min_t(size_t, READ_ONCE(model_knobs.data_offset), vb2_plane_size(&vbuf->vb2_buf, 0) - 1);
	bytes = min_t(size_t, vb2_plane_size(&vbuf->vb2_buf, 0) - offset, end - coded->sent);
	memset(buffer->memory[0], 0xa5, offset);
	memcpy(buffer->memory[0] + offset, coded->sink.bytes + coded->sent, bytes);
	vb2_set_plane_payload(&vbuf->vb2_buf, 0, offset + bytes);
	vbuf->vb2_buf.planes[0].data_offset = offset;
	vbuf->field = V4L2_FIELD_NONE;
	vbuf->vb2_buf.timestamp = coded->timestamp;
	if (!context->delivered++ && READ_ONCE(model_knobs.first_stamp_zero))
		vbuf->vb2_buf.timestamp = 0;
	if (coded->key && coded->sent >= coded->headers)
		vbuf->flags |= V4L2_BUF_FLAG_KEYFRAME;
	coded->sent += bytes;
	coded->pending = coded->sent < coded->sink.used;
	vb2_buffer_done(&vbuf->vb2_buf, coded->error ? VB2_BUF_STATE_ERROR : VB2_BUF_STATE_DONE);
	return true;
}

static bool hangs(const struct model_context *context)
{
	u32 after = READ_ONCE(model_knobs.hang_after);

	if (after && context->frames >= after)
		return true;
	if (context->node->role != ENCODE || !READ_ONCE(model_knobs.quirk_hangs))
		return false;
	return READ_ONCE(context->intra_period) == 1 ||
	       READ_ONCE(context->rate_numerator) < (u64)LEAST_RATE * READ_ONCE(context->rate_denominator);
}

static u32 encode_time(struct model_context *context)
{
	u32 least = READ_ONCE(model_knobs.encode_us), most = READ_ONCE(model_knobs.encode_us_max);

	if (most <= least)
		return least;
	return least + prandom_u32_state(&context->random) % (most - least + 1);
}

/* Whether this frame is a key frame. A request made now is for this one, even though others may be queued behind it already. */
static bool key_now(struct model_context *context)
{
	u32 period = READ_ONCE(context->intra_period);
	unsigned long flags;

	spin_lock_irqsave(&context->lock, flags);
	if (context->restart)
		context->key_due = context->headers_due = true;
	if ((context->force_key || (period && context->since_key >= period)) && !READ_ONCE(model_knobs.no_keys))
		context->key_due = true;
	context->restart = context->force_key = false;
	spin_unlock_irqrestore(&context->lock, flags);
	return context->key_due;
}

static bool encode(struct model_context *context, struct model_buffer *buffer)
{
	struct vb2_v4l2_buffer *vbuf = &buffer->m2m.vb;
	struct model_coded *coded = &context->coded;
	u32 every = READ_ONCE(model_knobs.drop_every);
	bool drop, held = false;
	unsigned long flags;
	ktime_t begin;

	if (hangs(context)) {
		WRITE_ONCE(context->hung, true);
		return false;
	}
	if (context->frames + 1 == READ_ONCE(model_knobs.pause_at))
		model_delay_until(context, ktime_add_ms(ktime_get(), READ_ONCE(model_knobs.pause_ms)));
	if (READ_ONCE(context->hurried))
		return false;

	mutex_lock(&context->node->hardware);
	begin = ktime_get();
	context->frames++;
	drop = every && context->frames % every == 0;
	if (!drop)
		model_code(context, buffer, key_now(context));
	model_delay_until(context, ktime_add_us(begin, encode_time(context)));
	mutex_unlock(&context->node->hardware);

	if (!drop) {
		coded->timestamp = model_stamp(buffer);
		coded->error |= context->frames == READ_ONCE(model_knobs.error_at);
		coded->sent = 0;
		held = model_hold(context);
	}
	spin_lock_irqsave(&context->lock, flags);
	list_del(&buffer->node);
	if (!drop)
		coded->pending = !held;
	/* The flag on a frame ends the stream as STOP does; so does an encoder that has a will of its own. */
	if (vbuf->flags & V4L2_BUF_FLAG_LAST || context->frames == READ_ONCE(model_knobs.end_early))
		context->end_reached = true;
	spin_unlock_irqrestore(&context->lock, flags);
	vb2_buffer_done(&vbuf->vb2_buf, VB2_BUF_STATE_DONE);
	return true;
}

static bool step(struct model_context *context)
{
	struct model_buffer *buffer;

	if (context->coded.pending)
		return deliver(context);
	if (model_let_go(context, context->end_reached))
		return true;
	if (context->end_reached)
		return model_deliver_end(context);
	buffer = model_next(context);
	return buffer ? encode(context, buffer) : context->end_reached;
}

static int start(struct model_context *context)
{
	return model_limits_check(context) ?: model_coding_start(context);
}

static void flush(struct model_context *context, bool output)
{
	model_forget(context);
	if (!output)
		context->coded.pending = false;
}

const struct model_worker model_encoder = { .start = start, .step = step, .flush = flush, .release = model_coding_release };
