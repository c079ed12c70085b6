// SPDX-License-Identifier: GPL-2.0
/*
 * Look-ahead: coded frames that stay inside until later frames are coded, or the stream ends.
 */
#include <linux/mm.h>

#include "model.h"

/* Keeps the frame that was just coded. False when it is to leave at once: look-ahead is off and nothing is
 * kept, or there is no memory. */
bool model_hold(struct model_context *context)
{
	const struct model_coded *coded = &context->coded;
	struct model_held *held;

	if (!READ_ONCE(model_knobs.look_ahead) && !context->held_count)
		return false;
	held = kvmalloc(struct_size(held, bytes, coded->sink.used), GFP_KERNEL);
	if (!held)
		return false;
	held->coded = *coded;
	memcpy(held->bytes, coded->sink.bytes, coded->sink.used);
	list_add_tail(&held->node, &context->held);
	context->held_count++;
	return true;
}

/* Makes the oldest frame that is kept the one to deliver, or the youngest; false when none may leave yet. */
bool model_let_go(struct model_context *context, bool all)
{
	struct model_coded *coded = &context->coded;
	struct model_held *held = list_first_entry_or_null(&context->held, struct model_held, node);
	u8 *bytes = coded->sink.bytes;

	if (held && READ_ONCE(model_knobs.youngest_first))
		held = list_last_entry(&context->held, struct model_held, node);
	if (!held || (!all && context->held_count <= READ_ONCE(model_knobs.look_ahead)))
		return false;
	*coded = held->coded;
	coded->sink.bytes = bytes;
	memcpy(bytes, held->bytes, coded->sink.used);
	coded->pending = true;
	list_del(&held->node);
	context->held_count--;
	kvfree(held);
	return true;
}

/* Nothing of what is kept will leave. Only while the engine is halted. */
void model_forget(struct model_context *context)
{
	struct model_held *held, *next;

	list_for_each_entry_safe(held, next, &context->held, node)
		kvfree(held);
	INIT_LIST_HEAD(&context->held);
	context->held_count = 0;
}
