// SPDX-License-Identifier: GPL-2.0
/*
 * Formats and frame sizes. The original rounds and keeps less than one expects: odd sizes pass, S_FMT of one queue does
 * not touch the other unless a coded format says how large the decoded one is, and G_FMT shows the crop's width.
 */
#include "model.h"

/* A format of the Raspberry Pi's kernels, not yet of this one. */
#ifndef V4L2_PIX_FMT_NV12_COL128
#define V4L2_PIX_FMT_NV12_COL128 v4l2_fourcc('N', 'C', '1', '2')
#endif

#define LEAST 32
#define MOST 1920
#define MOST_ISP 16384

static const struct model_format yu12 = { V4L2_PIX_FMT_YUV420, 8, 64, 3 };
static const struct model_format yu12_narrow = { V4L2_PIX_FMT_YUV420, 8, 32, 3 };
static const struct model_format yv12_narrow = { V4L2_PIX_FMT_YVU420, 8, 32, 3 };
static const struct model_format yv12 = { V4L2_PIX_FMT_YVU420, 8, 64, 3 };
static const struct model_format nv12 = { V4L2_PIX_FMT_NV12, 8, 32, 3 };
static const struct model_format nv21 = { V4L2_PIX_FMT_NV21, 8, 32, 3 };
static const struct model_format nc12 = { V4L2_PIX_FMT_NV12_COL128, 8, 32, 3 };
static const struct model_format rgbp = { V4L2_PIX_FMT_RGB565, 16, 32, 2 };
static const struct model_format rgb3 = { V4L2_PIX_FMT_RGB24, 24, 32, 2 };
static const struct model_format bgr3 = { V4L2_PIX_FMT_BGR24, 24, 32, 2 };
static const struct model_format bgr4 = { V4L2_PIX_FMT_BGR32, 32, 64, 2 };
static const struct model_format ab24 = { V4L2_PIX_FMT_RGBA32, 32, 64, 2 };
static const struct model_format yuyv = { V4L2_PIX_FMT_YUYV, 16, 64, 2 };
static const struct model_format yvyu = { V4L2_PIX_FMT_YVYU, 16, 64, 2 };
static const struct model_format uyvy = { V4L2_PIX_FMT_UYVY, 16, 64, 2 };
static const struct model_format vyuy = { V4L2_PIX_FMT_VYUY, 16, 64, 2 };
/* Not the original's: see the knob. Rows of luma and of chroma are padded differently, so that neither follows from the other. */
static const struct model_format nm12 = { V4L2_PIX_FMT_NV12M, 8, 32, 2, 1, 8 };
static const struct model_format ym12 = { V4L2_PIX_FMT_YUV420M, 8, 32, 2, 2, 8 };
static const struct model_format h264 = { V4L2_PIX_FMT_H264, 0, 1, 0 };
static const struct model_format mjpg = { V4L2_PIX_FMT_MJPEG, 0, 1, 0 };
static const struct model_format jpeg = { V4L2_PIX_FMT_JPEG, 0, 1, 0 };

/* The order is the firmware's: published for the image encoder, a guess for the others. The first is the default. */
static const struct model_format *const lists[ROLES][2][18] = {
	[DECODE] = {
		{ &h264, &mjpg, &jpeg },
		{ &yu12_narrow, &yv12_narrow, &nv12, &nv21, &rgbp },
	},
	[ENCODE] = {
		{ &yu12, &yv12, &nv12, &nv21, &rgbp, &rgb3, &bgr3, &bgr4, &ab24, &yuyv, &yvyu, &vyuy, &uyvy, &nc12, &nm12, &ym12 },
		{ &h264 },
	},
	[ISP] = {
		{ &yu12, &yv12, &nv12, &nv21, &yuyv, &yvyu, &vyuy, &uyvy, &rgbp, &rgb3, &bgr3, &ab24, &bgr4 },
		{ &yu12, &yv12, &nv12, &nv21, &yuyv, &yvyu, &vyuy, &uyvy, &rgbp, &rgb3, &bgr3, &ab24, &bgr4 },
	},
	[ENCODE_IMAGE] = {
		{ &rgbp, &rgb3, &bgr3, &ab24, &bgr4, &yu12_narrow, &yuyv, &yvyu, &vyuy, &uyvy },
		{ &jpeg },
	},
};

static u32 most(const struct model_context *context)
{
	return context->node->role == ISP ? MOST_ISP : MOST;
}

static const struct model_format *const *list(const struct model_context *context, u32 type)
{
	return lists[context->node->role][V4L2_TYPE_IS_OUTPUT(type) ? MODEL_OUTPUT : MODEL_CAPTURE];
}

/* Whether the knobs leave the format in its list. */
static bool offered(const struct model_context *context, u32 type, const struct model_format *format)
{
	u32 only = READ_ONCE(model_knobs.only_format);

	if (only && only != format->fourcc && context->node->role == ENCODE && V4L2_TYPE_IS_OUTPUT(type))
		return false;
	return !format->apart || READ_ONCE(model_knobs.memory_planes);
}

/* The format of this index among those that are offered, or NULL. */
static const struct model_format *at(const struct model_context *context, u32 type, u32 index)
{
	const struct model_format *const *entry;

	for (entry = list(context, type); *entry; entry++)
		if (offered(context, type, *entry) && !index--)
			return *entry;
	return NULL;
}

static const struct model_format *first(const struct model_context *context, u32 type)
{
	return at(context, type, 0) ?: *list(context, type);
}

static const struct model_format *find(const struct model_context *context, u32 type, u32 fourcc)
{
	const struct model_format *const *entry;

	for (entry = list(context, type); *entry; entry++)
		if ((*entry)->fourcc == fourcc && offered(context, type, *entry))
			return *entry;
	return NULL;
}

static u32 line_bytes(const struct model_format *format, unsigned int plane, u32 width, u32 height)
{
	if (plane)
		return ALIGN(DIV_ROUND_UP(width, 2) * (format->apart == 1 ? 2 : 1), format->chroma_align);
	if (format->fourcc == V4L2_PIX_FMT_NV12_COL128)	/* lines of a column, not bytes of a line */
		return height * 3 / 2;
	return ALIGN(width * format->depth / 8, format->align);
}

static u32 plane_bytes(const struct model_format *format, unsigned int plane, u32 bytesperline, u32 width, u32 height)
{
	if (plane)
		return bytesperline * DIV_ROUND_UP(height, 2);
	if (format->fourcc == V4L2_PIX_FMT_JPEG)
		return 4096 << 10;
	if (!format->depth)
		return (width * height > 1280 * 720 ? 768 : 512) << 10;
	if (format->fourcc == V4L2_PIX_FMT_NV12_COL128)
		return ALIGN(width, 128) * bytesperline;
	return bytesperline * height * format->halves / 2;
}

void model_formats_init(struct model_context *context)
{
	const enum v4l2_buf_type types[] = { V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE };
	struct model_queue *queue;
	unsigned int plane;
	int i;

	for (i = 0; i < 2; i++) {
		queue = &context->queues[i];
		INIT_LIST_HEAD(&queue->waiting);
		queue->format = first(context, types[i]);
		queue->width = queue->height = queue->crop_height = LEAST;
		for (plane = 0; plane <= queue->format->apart; plane++) {
			queue->bytesperline[plane] = queue->format->depth ? line_bytes(queue->format, plane, LEAST, LEAST) : 0;
			queue->sizeimage[plane] = plane_bytes(queue->format, plane, queue->bytesperline[plane], LEAST, LEAST);
		}
	}
	context->colorspace = V4L2_COLORSPACE_REC709;
}

static int enumerate(struct file *file, struct v4l2_fmtdesc *f, u32 type)
{
	const struct model_format *format = at(model_context_of(file), type, f->index);

	if (!format)
		return -EINVAL;
	f->pixelformat = format->fourcc;
	f->flags = format->depth ? 0 : V4L2_FMT_FLAG_COMPRESSED;
	/* The core warns of a format that it cannot describe. */
	if (f->pixelformat == V4L2_PIX_FMT_NV12_COL128)
		strscpy(f->description, "Y/CbCr 4:2:0 (128b cols)", sizeof(f->description));
	return 0;
}

int model_enum_output(struct file *file, void *priv, struct v4l2_fmtdesc *f)
{
	return enumerate(file, f, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE);
}

int model_enum_capture(struct file *file, void *priv, struct v4l2_fmtdesc *f)
{
	return enumerate(file, f, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE);
}

int model_g_fmt(struct file *file, void *priv, struct v4l2_format *f)
{
	struct model_context *context = model_context_of(file);
	struct model_queue *queue = model_queue_of(context, f->type);
	struct v4l2_pix_format_mplane *pix = &f->fmt.pix_mp;
	int plane;

	pix->width = queue->width;
	pix->height = queue->height;
	pix->pixelformat = queue->format->fourcc;
	pix->field = V4L2_FIELD_NONE;
	pix->num_planes = 1 + queue->format->apart;
	for (plane = 0; plane < pix->num_planes; plane++) {
		pix->plane_fmt[plane].bytesperline = queue->bytesperline[plane];
		pix->plane_fmt[plane].sizeimage = queue->sizeimage[plane];
	}
	pix->colorspace = context->colorspace;
	pix->ycbcr_enc = context->ycbcr_enc;
	pix->quantization = context->quantization;
	pix->xfer_func = context->xfer_func;
	return 0;
}

/* One memory plane of a format whose size is settled. Raw lines may be as long as the client wants them. */
static void try_plane(const struct model_format *format, unsigned int plane, const struct v4l2_pix_format_mplane *pix,
		      struct v4l2_plane_pix_format *out)
{
	u32 least = READ_ONCE(model_knobs.coded_sizeimage);
	u32 size;

	if (format->depth) {
		out->bytesperline = max(out->bytesperline, line_bytes(format, plane, pix->width, pix->height));
		/* Nobody has lines of a megabyte; without a bound the size below could overflow. */
		out->bytesperline = ALIGN(min_t(u32, out->bytesperline, 1 << 16), plane ? format->chroma_align : format->align);
	} else {
		out->bytesperline = 0;
	}
	size = plane_bytes(format, plane, out->bytesperline, pix->width, pix->height);
	if (format->depth || out->sizeimage < size)
		out->sizeimage = size;
	if (!format->depth && least)
		out->sizeimage = least;
	memset(out->reserved, 0, sizeof(out->reserved));
}

int model_try_fmt(struct file *file, void *priv, struct v4l2_format *f)
{
	struct model_context *context = model_context_of(file);
	struct v4l2_pix_format_mplane *pix = &f->fmt.pix_mp;
	const struct model_format *format = find(context, f->type, pix->pixelformat) ?: first(context, f->type);
	unsigned int plane;

	pix->pixelformat = format->fourcc;
	if (V4L2_TYPE_IS_OUTPUT(f->type) && !pix->colorspace)
		pix->colorspace = context->colorspace;
	pix->width = min_t(u32, pix->width, most(context));
	pix->height = min_t(u32, pix->height, most(context));
	/* A coded format may be of no size yet: only raw ones have a smallest size. */
	if (format->depth) {
		pix->width = max_t(u32, pix->width, LEAST);
		pix->height = max_t(u32, pix->height, LEAST);
		/* Whole macroblocks, as other encoders lay out several memory planes. */
		if (context->node->role == DECODE || context->node->role == ENCODE_IMAGE || format->apart)
			pix->height = ALIGN(pix->height, 16);
	}
	pix->num_planes = 1 + format->apart;
	for (plane = 0; plane < pix->num_planes; plane++)
		try_plane(format, plane, pix, &pix->plane_fmt[plane]);
	pix->field = V4L2_FIELD_NONE;
	return 0;
}

/* CAPTURE becomes what the coded size, or the decoder's stream, says: a wider line of the client's is lost. */
void model_formats_follow(struct model_context *context, u32 width, u32 height, bool keep_stride)
{
	struct model_queue *queue = &context->queues[MODEL_CAPTURE];
	u32 line = queue->format->depth ? line_bytes(queue->format, 0, width, height) : 0;

	queue->width = width;
	queue->crop_height = height;
	queue->height = ALIGN(height, 16);
	queue->bytesperline[0] = keep_stride ? max(line, queue->bytesperline[0]) : line;
	if (queue->format->depth || !READ_ONCE(model_knobs.coded_sizeimage))
		queue->sizeimage[0] = plane_bytes(queue->format, 0, queue->bytesperline[0], width, queue->height);
}

/* Whether CAPTURE is set to pictures of this size, wider lines allowed. */
bool model_formats_fit(const struct model_context *context, u32 width, u32 height)
{
	const struct model_queue *queue = &context->queues[MODEL_CAPTURE];

	return queue->width == width && queue->crop_height == height && queue->height == ALIGN(height, 16) &&
	       queue->bytesperline[0] >= line_bytes(queue->format, 0, width, height);
}

int model_s_fmt(struct file *file, void *priv, struct v4l2_format *f)
{
	struct model_context *context = model_context_of(file);
	struct model_queue *queue = model_queue_of(context, f->type);
	struct v4l2_pix_format_mplane *pix = &f->fmt.pix_mp;
	u32 height = pix->height;
	int plane;

	model_try_fmt(file, priv, f);
	if (vb2_is_busy(v4l2_m2m_get_vq(context->fh.m2m_ctx, f->type)))
		return -EBUSY;
	/* The knob may have been turned since. */
	queue->format = find(context, f->type, pix->pixelformat) ?: first(context, f->type);
	queue->width = pix->width;
	queue->height = pix->height;
	/* As asked for, before rounding: the image encoder's rows of padding are not part of the picture. */
	if (!queue->selected || !queue->format->depth)
		queue->crop_height = min_t(u32, height, most(context));
	for (plane = 0; plane < pix->num_planes; plane++) {
		queue->bytesperline[plane] = pix->plane_fmt[plane].bytesperline;
		queue->sizeimage[plane] = pix->plane_fmt[plane].sizeimage;
	}
	if (context->node->role != ENCODE && !queue->format->depth && queue->width && queue->height)
		model_formats_follow(context, queue->width, queue->crop_height, false);
	if (!V4L2_TYPE_IS_OUTPUT(f->type))
		context->forgotten = false;
	context->colorspace = pix->colorspace;
	context->ycbcr_enc = pix->ycbcr_enc;
	context->quantization = pix->quantization;
	context->xfer_func = pix->xfer_func;
	return 0;
}

int model_enum_framesizes(struct file *file, void *priv, struct v4l2_frmsizeenum *size)
{
	struct model_context *context = model_context_of(file);

	if (size->index || (!find(context, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, size->pixel_format) &&
			    !find(context, V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE, size->pixel_format)))
		return -EINVAL;
	size->type = V4L2_FRMSIZE_TYPE_STEPWISE;
	size->stepwise = (struct v4l2_frmsize_stepwise){ LEAST, most(context), 2, LEAST, most(context), 2 };
	return 0;
}
