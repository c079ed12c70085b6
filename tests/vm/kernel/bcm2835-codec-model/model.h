/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the model share. The words are the original's: a context is one open file, its component is the firmware's
 * codec behind it. What it models and what it only guesses is in README.md.
 */
#ifndef MODEL_H
#define MODEL_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/prandom.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <media/v4l2-ctrls.h>
#include <media/v4l2-device.h>
#include <media/v4l2-fh.h>
#include <media/v4l2-mem2mem.h>

#include "coder.h"

enum model_role { DECODE, ENCODE, ISP, ENCODE_IMAGE, ROLES };

struct model_format {
	u32 fourcc;
	u32 depth;		/* bits of a pixel in the first plane; 0 for coded formats */
	u32 align;		/* of bytesperline */
	u32 halves;		/* size of the first memory plane in halves of its first colour plane */
	u32 apart;		/* colour planes in memory planes of their own, half as high as the first; a single one holds pairs */
	u32 chroma_align;	/* of their bytesperline */
};

/* One device node. It lives until its last file is closed, which may be long after it was unregistered. */
struct model_node {
	struct v4l2_device v4l2_dev;
	struct video_device vfd;
	struct v4l2_m2m_dev *m2m_dev;
	struct device *dma;
	enum model_role role;
	struct mutex lock;		/* one for all ioctls of all contexts, as in the original */
	struct mutex hardware;		/* there is one codec: contexts take turns, frame by frame */
	struct list_head contexts;	/* under lock */
	bool gone;			/* under lock */
};

struct model_queue {
	const struct model_format *format;
	u32 width, height;		/* width is the crop's, as the original keeps it */
	u32 bytesperline[MEMORY_PLANES], sizeimage[MEMORY_PLANES];
	u32 crop_height;
	bool selected;			/* S_SELECTION was called: S_FMT leaves crop_height alone */
	bool on;			/* streaming; under the context's spinlock */
	struct list_head waiting;	/* buffers the firmware has; under the context's spinlock */
	u32 qbufs, dqbufs;		/* since STREAMON */
};

struct model_buffer {
	struct v4l2_m2m_buffer m2m;
	struct list_head node;
	void *memory[MEMORY_PLANES];
};

/* One coded frame on its way out, in one piece or several. */
struct model_coded {
	struct sink sink;
	size_t sent;
	size_t headers;		/* bytes at the front that travel in a buffer of their own */
	bool pending, key, error;
	u64 timestamp;
};

/* A coded frame that look-ahead keeps; its bytes follow. */
struct model_held {
	struct list_head node;
	struct model_coded coded;
	u8 bytes[];
};

struct model_context {
	struct v4l2_fh fh;
	struct model_node *node;
	struct list_head siblings;
	struct v4l2_ctrl_handler controls;
	struct model_queue queues[2];	/* MODEL_OUTPUT, MODEL_CAPTURE */
	u32 colorspace, ycbcr_enc, quantization, xfer_func;

	/* The component and what was set on it; written under the node's lock, read by the engine as it goes. */
	bool component;
	u32 bitrate, bitrate_mode, header_mode, repeat_headers, intra_period, level, profile, quality;
	bool hflip, vflip;
	u32 rate_numerator, rate_denominator;
	struct v4l2_ctrl *gop_size;

	/* The engine; the lock covers what it shares with callers. */
	spinlock_t lock;
	struct work_struct work;
	wait_queue_head_t hurry;
	bool hurried;			/* a caller waits for the engine: cut delays short and stop */
	bool hung;			/* for good */
	bool asleep;			/* until OUTPUT starts again */
	bool forgotten;			/* until S_FMT of CAPTURE */
	bool force_key, restart;
	struct list_head end;		/* the end marker: waits among the OUTPUT buffers, or is empty */
	bool end_reached;		/* the marker was met and waits for a CAPTURE buffer */
	bool changing;			/* the stream is not what CAPTURE is set to: until CAPTURE begins anew */

	/* The engine's alone while it runs. */
	struct model_decoding *decoding;
	struct model_converting *converting;
	struct h264 h264;
	struct picture now, reference;
	void *pictures;
	u32 visible_width, visible_height;
	struct model_coded coded;
	struct list_head held;	/* model_held, oldest first */
	u32 held_count;
	u32 frames, since_key, delivered;
	bool key_due, headers_due;
	struct rnd_state random;
};

enum { MODEL_OUTPUT, MODEL_CAPTURE };

/* What a role does; the engine calls it, or the engine is halted meanwhile. */
struct model_worker {
	int (*start)(struct model_context *context);			/* OUTPUT begins to stream */
	bool (*step)(struct model_context *context);			/* does one thing; false when there is nothing to do */
	void (*flush)(struct model_context *context, bool output);	/* a queue stopped */
	void (*release)(struct model_context *context);
};

struct model_knobs {
	unsigned int encode_us, encode_us_max, encode_seed;
	bool null_mode;
	unsigned int drop_every, error_at, hang_after, pause_at, pause_ms;
	unsigned int refuse_errno, refuse_memory, refuse_queue, refuse_above, refuse_control;
	unsigned int min_output, min_capture, coded_sizeimage;
	bool header_first, first_stamp_zero, quirk_hangs, memory_planes;
	unsigned int qbuf_eio_output, qbuf_eio_capture, dqbuf_eio_output, dqbuf_eio_capture;
	unsigned int streamoff_ms;
	unsigned int look_ahead, end_early, only_format, crop_align, qbuf_errno, poll_error, false_answers;
	bool start_resumes, signal_colour, no_m2m, no_keys, no_headers, youngest_first;
	unsigned int decode_us, decode_hang_after, decode_error_every, decode_drop_every, min_decoded;
	bool tables_needed, change_epipe, change_stride, empty_ends;
	unsigned int convert_us, convert_hang_after, discarded, faults_of;
	bool discard_input;
	unsigned int end_without, data_offset;
	bool forgets, capture_first;
};

/* What `end_without` is made of. */
enum {
	NO_LAST = 1,
	NO_EOS_EVENT = 2,
	NO_END_BUFFER = 4,
	NO_EPIPE = 8,
};

/* What `false_answers` is made of. */
enum {
	FALSE_EXPBUF = 1,
	FALSE_LENGTH = 2,
	FALSE_INDEX = 4,
	FALSE_BYTESUSED = 8,
	FALSE_OFFSET = 16,
	FALSE_SHORT = 32,
};

extern struct model_knobs model_knobs;

static inline struct model_context *model_context_of(struct file *file)
{
	return container_of(file->private_data, struct model_context, fh);
}

static inline bool model_encodes(const struct model_context *context)
{
	return context->node->role == ENCODE || context->node->role == ENCODE_IMAGE;
}

static inline struct model_queue *model_queue_of(struct model_context *context, u32 type)
{
	return &context->queues[V4L2_TYPE_IS_OUTPUT(type) ? MODEL_OUTPUT : MODEL_CAPTURE];
}

/* Whether the knobs that make calls fail mean this node. */
static inline bool model_is_faulty(const struct model_context *context)
{
	u32 roles = READ_ONCE(model_knobs.faults_of);

	return !roles || roles & 1u << context->node->role;
}

/* driver.c */
bool model_is_away(void);
int model_set_away(bool away);

/* context.c */
extern const struct v4l2_file_operations model_file_operations;
extern const struct v4l2_ioctl_ops model_ioctl_ops;

/* formats.c */
void model_formats_init(struct model_context *context);
int model_enum_output(struct file *file, void *priv, struct v4l2_fmtdesc *f);
int model_enum_capture(struct file *file, void *priv, struct v4l2_fmtdesc *f);
int model_g_fmt(struct file *file, void *priv, struct v4l2_format *f);
int model_try_fmt(struct file *file, void *priv, struct v4l2_format *f);
int model_s_fmt(struct file *file, void *priv, struct v4l2_format *f);
int model_enum_framesizes(struct file *file, void *priv, struct v4l2_frmsizeenum *size);
void model_formats_follow(struct model_context *context, u32 width, u32 height, bool keep_stride);
bool model_formats_fit(const struct model_context *context, u32 width, u32 height);

/* selection.c */
int model_g_selection(struct file *file, void *priv, struct v4l2_selection *s);
int model_s_selection(struct file *file, void *priv, struct v4l2_selection *s);

/* controls.c */
int model_controls_init(struct model_context *context);
int model_g_parm(struct file *file, void *priv, struct v4l2_streamparm *parm);
int model_s_parm(struct file *file, void *priv, struct v4l2_streamparm *parm);

/* limits.c: 0, or what the firmware's refusal looks like. */
int model_limits_check(const struct model_context *context);

/* queues.c */
int model_queues_init(void *priv, struct vb2_queue *output, struct vb2_queue *capture);
int model_qbuf(struct file *file, void *priv, struct v4l2_buffer *b);
int model_dqbuf(struct file *file, void *priv, struct v4l2_buffer *b);
int model_querybuf(struct file *file, void *priv, struct v4l2_buffer *b);
int model_expbuf(struct file *file, void *priv, struct v4l2_exportbuffer *e);
__poll_t model_poll(struct file *file, struct poll_table_struct *table);

/* commands.c */
int model_encoder_cmd(struct file *file, void *priv, struct v4l2_encoder_cmd *cmd);
int model_try_encoder_cmd(struct file *file, void *priv, struct v4l2_encoder_cmd *cmd);
int model_decoder_cmd(struct file *file, void *priv, struct v4l2_decoder_cmd *cmd);
int model_try_decoder_cmd(struct file *file, void *priv, struct v4l2_decoder_cmd *cmd);

/* engine.c */
void model_engine_init(struct model_context *context);
void model_engine_kick(struct model_context *context);
void model_engine_halt(struct model_context *context);
void model_engine_resume(struct model_context *context);
bool model_engine_is_stuck(struct model_context *context);
extern struct workqueue_struct *model_workqueue;
extern const struct model_worker *const model_workers[ROLES];
/* For its steps. */
struct model_buffer *model_take(struct model_context *context, struct model_queue *queue);
struct model_buffer *model_next(struct model_context *context);
u64 model_stamp(const struct model_buffer *buffer);
void model_delay_until(struct model_context *context, ktime_t when);
bool model_deliver_end(struct model_context *context);

/* encode.c, decode.c, convert.c */
extern const struct model_worker model_encoder, model_decoder, model_converter;

/* coding.c */
int model_coding_start(struct model_context *context);
void model_coding_release(struct model_context *context);
void model_code(struct model_context *context, const struct model_buffer *frame, bool key);

/* ahead.c */
bool model_hold(struct model_context *context);
bool model_let_go(struct model_context *context, bool all);
void model_forget(struct model_context *context);

#endif
