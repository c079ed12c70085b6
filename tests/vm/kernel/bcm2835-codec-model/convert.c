// SPDX-License-Identifier: GPL-2.0
/*
 * The converter at work: an OUTPUT buffer becomes a CAPTURE buffer of another size or format. What comes while there is no CAPTURE buffer
 * is thrown away, as the firmware does.
 */
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "model.h"

/* A picture of its own for each side. */
struct side {
	struct picture picture;
	void *memory;
	u32 width, height;		/* what is visible, even */
};

struct model_converting {
	struct side from, to;
};

static int start(struct model_context *context)
{
	context->frames = 0;
	if (!context->converting)
		context->converting = kzalloc(sizeof(*context->converting), GFP_KERNEL);
	return context->converting ? 0 : -ENOMEM;
}

static void release(struct model_context *context)
{
	if (context->converting) {
		vfree(context->converting->from.memory);
		vfree(context->converting->to.memory);
	}
	kfree(context->converting);
	context->converting = NULL;
}

/* Nothing is kept inside. */
static void flush(struct model_context *context, bool output)
{
}

static bool make_room(struct side *side, const struct model_queue *queue)
{
	u32 width = queue->width & ~1, height = queue->crop_height & ~1;
	u32 padded_width = ALIGN(width, 16), padded_height = ALIGN(height, 16);

	if (side->width != width || side->height != height || !side->memory) {
		vfree(side->memory);
		side->memory = vzalloc(picture_bytes(padded_width, padded_height) ?: 1);
		picture_place(&side->picture, side->memory, padded_width, padded_height);
		side->width = width;
		side->height = height;
	}
	return side->memory;
}

static bool convert(struct model_context *context, const struct model_buffer *from, const struct model_buffer *to)
{
	const struct model_queue *output = &context->queues[MODEL_OUTPUT], *capture = &context->queues[MODEL_CAPTURE];
	struct side *source = &context->converting->from, *target = &context->converting->to;
	const struct picture *result = &target->picture;
	bool hflip = READ_ONCE(context->hflip), vflip = READ_ONCE(context->vflip);
	struct raw raw = { .bytes[0] = from->memory[0], .stride[0] = output->bytesperline[0], .rows = output->height };
	struct canvas canvas = { .bytes = to->memory[0], .stride = capture->bytesperline[0], .rows = capture->height };

	if (!make_room(source, output) || !make_room(target, capture))
		return false;
	raw.width = source->width;
	raw.height = source->height;
	canvas.width = target->width;
	canvas.height = target->height;
	if (!raw.width || !raw.height || !picture_load(&source->picture, output->format->fourcc, &raw))
		return false;
	if (raw.width == canvas.width && raw.height == canvas.height && !hflip && !vflip)
		result = &source->picture;
	else
		picture_scale(&target->picture, canvas.width, canvas.height, &source->picture, raw.width, raw.height, hflip, vflip);
	return picture_store(result, capture->format->fourcc, &canvas);
}

static void finish(struct model_context *context, struct model_buffer *buffer)
{
	unsigned long flags;

	spin_lock_irqsave(&context->lock, flags);
	list_del(&buffer->node);
	if (buffer->m2m.vb.flags & V4L2_BUF_FLAG_LAST)
		context->end_reached = true;
	spin_unlock_irqrestore(&context->lock, flags);
	vb2_buffer_done(&buffer->m2m.vb.vb2_buf, VB2_BUF_STATE_DONE);
}

static bool work(struct model_context *context, struct model_buffer *buffer)
{
	u32 after = READ_ONCE(model_knobs.convert_hang_after);
	ktime_t begin = ktime_get();
	struct model_buffer *to;
	struct vb2_v4l2_buffer *vbuf;
	bool done;

	if (after && context->frames >= after) {
		WRITE_ONCE(context->hung, true);
		return false;
	}
	to = model_take(context, &context->queues[MODEL_CAPTURE]);
	if (!to) {
		if (!READ_ONCE(model_knobs.discard_input))
			return false;
		model_knobs.discarded++;
		finish(context, buffer);
		return true;
	}
	mutex_lock(&context->node->hardware);
	context->frames++;
	done = convert(context, buffer, to);
	model_delay_until(context, ktime_add_us(begin, READ_ONCE(model_knobs.convert_us)));
	mutex_unlock(&context->node->hardware);

	vbuf = &to->m2m.vb;
	vbuf->field = V4L2_FIELD_NONE;
	vbuf->vb2_buf.timestamp = model_stamp(buffer);
	finish(context, buffer);
	vb2_buffer_done(&vbuf->vb2_buf, done ? VB2_BUF_STATE_DONE : VB2_BUF_STATE_ERROR);
	return true;
}

static bool step(struct model_context *context)
{
	struct model_buffer *buffer;

	if (context->end_reached)
		return model_deliver_end(context);
	buffer = model_next(context);
	return buffer ? work(context, buffer) : context->end_reached;
}

const struct model_worker model_converter = { .start = start, .step = step, .flush = flush, .release = release };
