// SPDX-License-Identifier: GPL-2.0
/*
 * The decoder at work: an OUTPUT buffer is one picture, which fills one CAPTURE buffer. A stream that is not what CAPTURE is set to stops it
 * until CAPTURE begins anew. A picture that finds no CAPTURE buffer waits inside, and its OUTPUT buffer is back already.
 */
#include <linux/mm.h>
#include <linux/vmalloc.h>
#include <media/v4l2-event.h>

#include "model.h"
#include "jpeg_reader.h"

#define MOST 1920

struct model_decoding {
	struct jpeg_reader jpeg;
	struct h264_reader h264;
	struct picture picture;
	void *memory;			/* the picture's */
	u32 width, height;		/* of the picture */
	bool ready;			/* it waits for a CAPTURE buffer */
	bool full_range, error;
	bool begun;			/* H.264: there was a key frame, and the next picture continues from it */
	bool last_due;			/* an empty buffer with LAST has to be delivered */
	u64 timestamp;
};

static bool is_h264(const struct model_context *context)
{
	return context->queues[MODEL_OUTPUT].format->fourcc == V4L2_PIX_FMT_H264;
}

static int start(struct model_context *context)
{
	context->frames = 0;
	if (!context->decoding)
		context->decoding = vzalloc(sizeof(*context->decoding));
	if (!context->decoding)
		return -ENOMEM;
	context->decoding->begun = false;
	return 0;
}

static void release(struct model_context *context)
{
	if (context->decoding)
		vfree(context->decoding->memory);
	vfree(context->decoding);
	context->decoding = NULL;
}

/* Of OUTPUT: pictures that are decoded may still come. */
static void flush(struct model_context *context, bool output)
{
	if (!output && context->decoding)
		context->decoding->ready = context->decoding->last_due = false;
}

static bool make_room(struct model_decoding *decoding, u32 width, u32 height)
{
	u32 padded_width = ALIGN(width, 16), padded_height = ALIGN(height, 16);

	if (!decoding->memory || decoding->width != width || decoding->height != height) {
		vfree(decoding->memory);
		decoding->memory = vzalloc(picture_bytes(padded_width, padded_height));
		if (!decoding->memory)
			return false;
		picture_place(&decoding->picture, decoding->memory, padded_width, padded_height);
		decoding->width = width;
		decoding->height = height;
		decoding->begun = false;
	}
	return true;
}

/* As the original does it: no buffer is marked as the last one, and the core answers EPIPE even while pictures wait to be dequeued. */
static void announce(struct model_context *context, u32 width, u32 height)
{
	static const struct v4l2_event event = {
		.type = V4L2_EVENT_SOURCE_CHANGE,
		.u.src_change.changes = V4L2_EVENT_SRC_CH_RESOLUTION,
	};
	struct vb2_queue *vq = v4l2_m2m_get_dst_vq(context->fh.m2m_ctx);

	model_formats_follow(context, width, height, !READ_ONCE(model_knobs.change_stride));
	/* S_FMT no longer touches what is visible. */
	context->queues[MODEL_CAPTURE].selected = true;
	context->changing = true;
	if (vb2_is_streaming(vq)) {
		if (READ_ONCE(model_knobs.change_epipe))
			vq->last_buffer_dequeued = true;
		else
			context->decoding->last_due = true;
	}
	v4l2_event_queue_fh(&context->fh, &event);
}

/* The documentation's way to end what belongs to the old format: an empty buffer. */
static bool deliver_last(struct model_context *context)
{
	struct model_buffer *buffer = model_take(context, &context->queues[MODEL_CAPTURE]);
	struct vb2_v4l2_buffer *vbuf;

	if (!buffer)
		return false;
	vbuf = &buffer->m2m.vb;
	context->decoding->last_due = false;
	vb2_set_plane_payload(&vbuf->vb2_buf, 0, 0);
	vbuf->field = V4L2_FIELD_NONE;
	vbuf->flags |= V4L2_BUF_FLAG_LAST;
	vb2_buffer_done(&vbuf->vb2_buf, VB2_BUF_STATE_DONE);
	return true;
}

static bool deliver(struct model_context *context)
{
	const struct model_queue *queue = &context->queues[MODEL_CAPTURE];
	struct model_decoding *decoding = context->decoding;
	struct model_buffer *buffer = model_take(context, &context->queues[MODEL_CAPTURE]);
	struct vb2_v4l2_buffer *vbuf;
	struct canvas canvas = {
		.stride = queue->bytesperline[0],
		.rows = queue->height,
		.width = min(decoding->picture.width, queue->bytesperline[0] * 8 / queue->format->depth),
		.height = min(decoding->picture.height, queue->height),
		.full_range = decoding->full_range,
	};
	bool whole;

	if (!buffer)
		return false;
	vbuf = &buffer->m2m.vb;
	canvas.bytes = buffer->memory[0];
	/* S_FMT of OUTPUT changes CAPTURE's format though it may have buffers. */
	whole = vb2_plane_size(&vbuf->vb2_buf, 0) >= queue->sizeimage[0] &&
		model_formats_fit(context, decoding->width, decoding->height);
	if (whole)
		picture_store(&decoding->picture, queue->format->fourcc, &canvas);
	vb2_set_plane_payload(&vbuf->vb2_buf, 0, whole ? queue->sizeimage[0] : 0);
	vbuf->field = V4L2_FIELD_NONE;
	vbuf->vb2_buf.timestamp = decoding->timestamp;
	decoding->ready = false;
	vb2_buffer_done(&vbuf->vb2_buf, whole && !decoding->error ? VB2_BUF_STATE_DONE : VB2_BUF_STATE_ERROR);
	return true;
}

static bool is_every(u32 count, const unsigned int *knob)
{
	u32 every = READ_ONCE(*knob);

	return every && count % every == 0;
}

/* Finds the picture in a buffer, and its size. What is none, or none that can be read, leaves no trace. */
static bool open_picture(struct model_context *context, struct model_buffer *buffer, u32 *width, u32 *height)
{
	struct model_decoding *decoding = context->decoding;
	size_t bytes = vb2_get_plane_payload(&buffer->m2m.vb.vb2_buf, 0);

	if (is_h264(context)) {
		if (!h264_open(&decoding->h264, buffer->memory[0], bytes))
			return false;
		*width = decoding->h264.width;
		*height = decoding->h264.height;
	} else {
		if (!jpeg_open(&decoding->jpeg, buffer->memory[0], bytes))
			return false;
		if (!decoding->jpeg.has_codes && READ_ONCE(model_knobs.tables_needed))
			return false;
		*width = decoding->jpeg.width;
		*height = decoding->jpeg.height;
	}
	return *width <= MOST && *height <= MOST;
}

/* Reads it, as far as it goes; false when there is nothing to show. */
static bool read_picture(struct model_context *context, u32 width, u32 height)
{
	struct model_decoding *decoding = context->decoding;

	if (!make_room(decoding, width, height))
		return false;
	decoding->full_range = !is_h264(context);
	if (!is_h264(context)) {
		decoding->error = !jpeg_read(&decoding->jpeg, &decoding->picture);
		return true;
	}
	decoding->begun |= decoding->h264.key;
	if (decoding->begun)
		decoding->error = !h264_read(&decoding->h264, &decoding->picture);
	return decoding->begun;
}

static bool decode(struct model_context *context, struct model_buffer *buffer)
{
	struct model_decoding *decoding = context->decoding;
	struct vb2_v4l2_buffer *vbuf = &buffer->m2m.vb;
	u32 after = READ_ONCE(model_knobs.decode_hang_after);
	ktime_t begin = ktime_get();
	unsigned long flags;
	u32 width = 0, height = 0;
	bool shown;

	if (context->changing)
		return false;
	if (after && context->frames >= after) {
		WRITE_ONCE(context->hung, true);
		return false;
	}
	shown = open_picture(context, buffer, &width, &height);
	if (shown && !model_formats_fit(context, width, height)) {
		announce(context, width, height);
		return true;
	}
	mutex_lock(&context->node->hardware);
	context->frames++;
	shown = shown && read_picture(context, width, height);
	decoding->error |= is_every(context->frames, &model_knobs.decode_error_every);
	shown = shown && !is_every(context->frames, &model_knobs.decode_drop_every);
	model_delay_until(context, ktime_add_us(begin, READ_ONCE(model_knobs.decode_us)));
	mutex_unlock(&context->node->hardware);

	decoding->timestamp = model_stamp(buffer);
	decoding->ready = shown;
	spin_lock_irqsave(&context->lock, flags);
	list_del(&buffer->node);
	if (vbuf->flags & V4L2_BUF_FLAG_LAST || !vb2_get_plane_payload(&vbuf->vb2_buf, 0))
		context->end_reached = true;
	spin_unlock_irqrestore(&context->lock, flags);
	vb2_buffer_done(&vbuf->vb2_buf, VB2_BUF_STATE_DONE);
	return true;
}

static bool step(struct model_context *context)
{
	struct model_buffer *buffer;

	/* Without OUTPUT having streamed there is nothing. */
	if (!context->decoding)
		return false;
	if (context->decoding->ready)
		return deliver(context);
	if (context->decoding->last_due)
		return deliver_last(context);
	if (context->end_reached)
		return model_deliver_end(context);
	buffer = model_next(context);
	return buffer ? decode(context, buffer) : context->end_reached;
}

const struct model_worker model_decoder = { .start = start, .step = step, .flush = flush, .release = release };
