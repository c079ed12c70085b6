// SPDX-License-Identifier: GPL-2.0
/*
 * The device: nodes at the numbers where the Raspberry Pi has its codecs, what each of them is for, and how they go away and come back.
 *
 * The platform device and the media device stay for ever, so memory that it handed out outlives a node that went away.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <media/media-device.h>
#include <media/videobuf2-dma-contig.h>

#include "model.h"

#define NAME "bcm2835-codec"

static const struct {
	int number;
	const char *name;
	u32 function;
} roles[ROLES] = {
	[DECODE] = { 10, NAME "-decode", MEDIA_ENT_F_PROC_VIDEO_DECODER },
	[ENCODE] = { 11, NAME "-encode", MEDIA_ENT_F_PROC_VIDEO_ENCODER },
	[ISP] = { 12, NAME "-isp", MEDIA_ENT_F_PROC_VIDEO_SCALER },
	[ENCODE_IMAGE] = { 31, NAME "-encode_image", MEDIA_ENT_F_PROC_VIDEO_ENCODER },
};

static struct platform_device *model_device;
static struct media_device media;
static DEFINE_MUTEX(presence);		/* covers the two below */
static struct model_node *nodes[ROLES];	/* registered ones */
static bool away;
static atomic_t alive[ROLES];		/* nodes not yet freed: while there is one, its number is taken */

static void come_back(struct work_struct *work);
static DECLARE_WORK(coming_back, come_back);

/* The core wants job callbacks; the model's queues are its own, and no job is ever ready. */
static void never_runs(void *priv)
{
}

static int never_ready(void *priv)
{
	return 0;
}

static const struct v4l2_m2m_ops m2m_ops = {
	.device_run = never_runs,
	.job_ready = never_ready,
};

static void node_release(struct v4l2_device *v4l2_dev)
{
	struct model_node *node = container_of(v4l2_dev, struct model_node, v4l2_dev);

	atomic_dec(&alive[node->role]);
	v4l2_m2m_release(node->m2m_dev);
	kfree(node);
	/* Its number is free now, and perhaps somebody waits for it. */
	schedule_work(&coming_back);
}

/* Each role answers to one kind of command, the converter to an encoder's; what does not encode has no rate. */
static void disable_ioctls(struct video_device *vfd, enum model_role role)
{
	v4l2_disable_ioctl(vfd, role == DECODE ? VIDIOC_ENCODER_CMD : VIDIOC_DECODER_CMD);
	v4l2_disable_ioctl(vfd, role == DECODE ? VIDIOC_TRY_ENCODER_CMD : VIDIOC_TRY_DECODER_CMD);
	if (role == DECODE || role == ISP) {
		v4l2_disable_ioctl(vfd, VIDIOC_G_PARM);
		v4l2_disable_ioctl(vfd, VIDIOC_S_PARM);
	}
}

static int node_register(enum model_role role)
{
	struct model_node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	int ret;

	if (!node)
		return -ENOMEM;
	node->role = role;
	node->dma = &model_device->dev;
	mutex_init(&node->lock);
	mutex_init(&node->hardware);
	INIT_LIST_HEAD(&node->contexts);
	node->m2m_dev = v4l2_m2m_init(&m2m_ops);
	if (IS_ERR(node->m2m_dev)) {
		ret = PTR_ERR(node->m2m_dev);
		goto free;
	}
	node->v4l2_dev.mdev = &media;
	/* Without one the core asks the driver, and there is none. */
	strscpy(node->v4l2_dev.name, NAME, sizeof(node->v4l2_dev.name));
	ret = v4l2_device_register(&model_device->dev, &node->v4l2_dev);
	if (ret)
		goto m2m;
	node->v4l2_dev.release = node_release;
	atomic_inc(&alive[role]);

	node->vfd.fops = &model_file_operations;
	node->vfd.ioctl_ops = &model_ioctl_ops;
	node->vfd.release = video_device_release_empty;
	node->vfd.vfl_dir = VFL_DIR_M2M;
	node->vfd.device_caps = V4L2_CAP_STREAMING |
				(READ_ONCE(model_knobs.no_m2m) ? V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_VIDEO_OUTPUT_MPLANE :
								 V4L2_CAP_VIDEO_M2M_MPLANE);
	node->vfd.lock = &node->lock;
	node->vfd.v4l2_dev = &node->v4l2_dev;
	strscpy(node->vfd.name, roles[role].name, sizeof(node->vfd.name));
	video_set_drvdata(&node->vfd, node);
	disable_ioctls(&node->vfd, role);
	ret = video_register_device(&node->vfd, VFL_TYPE_VIDEO, roles[role].number);
	if (ret) {
		v4l2_device_unregister(&node->v4l2_dev);
		atomic_dec(&alive[role]);
		goto m2m;
	}
	nodes[role] = node;
	if (v4l2_m2m_register_media_controller(node->m2m_dev, &node->vfd, roles[role].function))
		pr_warn(NAME "-model: no media entity for %s\n", roles[role].name);
	return 0;
m2m:
	v4l2_m2m_release(node->m2m_dev);
free:
	kfree(node);
	return ret;
}

/* As if the hardware vanished: from here on each call answers ENODEV, and whoever waits is woken. */
static void node_unregister(enum model_role role)
{
	struct model_node *node = nodes[role];
	struct model_context *context;

	nodes[role] = NULL;
	v4l2_m2m_unregister_media_controller(node->m2m_dev);
	video_unregister_device(&node->vfd);
	mutex_lock(&node->lock);
	node->gone = true;
	list_for_each_entry(context, &node->contexts, siblings) {
		vb2_queue_error(v4l2_m2m_get_src_vq(context->fh.m2m_ctx));
		vb2_queue_error(v4l2_m2m_get_dst_vq(context->fh.m2m_ctx));
		model_engine_halt(context);
	}
	mutex_unlock(&node->lock);
	v4l2_device_unregister(&node->v4l2_dev);
	v4l2_device_put(&node->v4l2_dev);
}

/* Called once the number may be free: a node comes back at its own number or not yet. */
static void come_back(struct work_struct *work)
{
	int role;

	mutex_lock(&presence);
	for (role = 0; role < ROLES && model_device && !away; role++)
		if (!nodes[role] && !atomic_read(&alive[role]) && node_register(role))
			pr_err(NAME "-model: node %s did not come back\n", roles[role].name);
	mutex_unlock(&presence);
}

bool model_is_away(void)
{
	return away;
}

int model_set_away(bool now)
{
	int role;

	mutex_lock(&presence);
	away = now;
	for (role = 0; role < ROLES; role++)
		if (away && nodes[role])
			node_unregister(role);
	mutex_unlock(&presence);
	if (!now)
		come_back(NULL);
	return 0;
}

static int __init model_init(void)
{
	struct platform_device *device;
	int ret;

	model_workqueue = alloc_workqueue(NAME, WQ_UNBOUND, 0);
	if (!model_workqueue)
		return -ENOMEM;
	device = platform_device_register_simple(NAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device)) {
		ret = PTR_ERR(device);
		goto workqueue;
	}
	ret = dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(32));
	if (ret)
		goto device;
	vb2_dma_contig_set_max_seg_size(&device->dev, DMA_BIT_MASK(32));
	media.dev = &device->dev;
	strscpy(media.model, NAME, sizeof(media.model));
	strscpy(media.serial, "0000", sizeof(media.serial));
	strscpy(media.driver_name, NAME, sizeof(media.driver_name));
	strscpy(media.bus_info, "platform:" NAME, sizeof(media.bus_info));
	media.hw_revision = 1;
	media_device_init(&media);
	ret = media_device_register(&media);
	if (ret)
		goto media;
	model_device = device;
	come_back(NULL);
	return 0;
media:
	media_device_cleanup(&media);
device:
	platform_device_unregister(device);
workqueue:
	destroy_workqueue(model_workqueue);
	return ret;
}
device_initcall(model_init);

MODULE_DESCRIPTION("Behavioural model of bcm2835-codec");
MODULE_LICENSE("GPL");
