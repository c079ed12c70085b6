// SPDX-License-Identifier: GPL-2.0
/*
 * Module parameters that bend the model; README.md has the table. Each is read when it takes effect, so writing it works at once.
 */
#include <linux/module.h>

#include "model.h"

struct model_knobs model_knobs = {
	.min_output = 1,
	.min_capture = 1,
	.quirk_hangs = true,
	.streamoff_ms = 2000,
	.min_decoded = 1,
	.tables_needed = true,
	.change_epipe = true,
	.change_stride = true,
	.discard_input = true,
};

#define KNOB(name, type) module_param_named(name, model_knobs.name, type, 0644)

KNOB(encode_us, uint);
KNOB(encode_us_max, uint);
KNOB(encode_seed, uint);
KNOB(null_mode, bool);
KNOB(drop_every, uint);
KNOB(error_at, uint);
KNOB(hang_after, uint);
KNOB(pause_at, uint);
KNOB(pause_ms, uint);
KNOB(refuse_errno, uint);
KNOB(refuse_memory, uint);
KNOB(refuse_queue, uint);
KNOB(refuse_above, uint);
KNOB(refuse_control, uint);
KNOB(min_output, uint);
KNOB(min_capture, uint);
KNOB(coded_sizeimage, uint);
KNOB(header_first, bool);
KNOB(first_stamp_zero, bool);
KNOB(quirk_hangs, bool);
KNOB(memory_planes, bool);
KNOB(qbuf_eio_output, uint);
KNOB(qbuf_eio_capture, uint);
KNOB(dqbuf_eio_output, uint);
KNOB(dqbuf_eio_capture, uint);
KNOB(streamoff_ms, uint);
KNOB(look_ahead, uint);
KNOB(end_early, uint);
KNOB(start_resumes, bool);
KNOB(only_format, uint);
KNOB(crop_align, uint);
KNOB(signal_colour, bool);
KNOB(qbuf_errno, uint);
KNOB(poll_error, uint);
KNOB(false_answers, uint);
KNOB(no_m2m, bool);
KNOB(no_keys, bool);
KNOB(no_headers, bool);
KNOB(youngest_first, bool);
KNOB(end_without, uint);
KNOB(data_offset, uint);
KNOB(forgets, bool);
KNOB(capture_first, bool);
KNOB(decode_us, uint);
KNOB(decode_hang_after, uint);
KNOB(decode_error_every, uint);
KNOB(decode_drop_every, uint);
KNOB(min_decoded, uint);
KNOB(tables_needed, bool);
KNOB(change_epipe, bool);
KNOB(change_stride, bool);
KNOB(empty_ends, bool);
KNOB(convert_us, uint);
KNOB(convert_hang_after, uint);
KNOB(discard_input, bool);
KNOB(discarded, uint);
KNOB(faults_of, uint);

static int set_away(const char *value, const struct kernel_param *param)
{
	bool now;
	int ret = kstrtobool(value, &now);

	return ret ?: model_set_away(now);
}

static int get_away(char *buffer, const struct kernel_param *param)
{
	return sysfs_emit(buffer, "%d\n", model_is_away());
}

static const struct kernel_param_ops away_ops = { .set = set_away, .get = get_away };
module_param_cb(away, &away_ops, NULL, 0644);
