// SPDX-License-Identifier: GPL-2.0-only
/*
 * vqt_main.c - vq_test, a driver that does to virtqueues what disks do not
 *
 * Takes a virtio-blk device instead of virtio_blk and tests each of its queues:
 * I/O with a full ring, virtqueue_resize() and virtqueue_reset() (Linux 6.12) of
 * idle queues, of queues with buffers outstanding, and under traffic on all of
 * them.  The first 4 MiB of the disk are overwritten with a pattern, against which
 * every read is checked.  Results are KTAP in the kernel log.
 */

#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>

#include "vqt.h"

#ifdef VQT_HAVE_VQ_INFO
static int find_vqs(struct vqt_device *dev, struct virtqueue **vqs)
{
	struct irq_affinity desc = { 0 };
	struct virtqueue_info *info;
	unsigned int i;
	int err;

	info = kcalloc(dev->nr, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < dev->nr; i++) {
		info[i].name = "test";
		info[i].callback = vqt_done;
	}
	err = virtio_find_vqs(dev->vdev, dev->nr, vqs, info, &desc);
	kfree(info);
	return err;
}
#else
static int find_vqs(struct vqt_device *dev, struct virtqueue **vqs)
{
	struct irq_affinity desc = { 0 };
	struct {
		vq_callback_t *callback[MAX_QUEUES];
		const char *name[MAX_QUEUES];
	} *info;
	unsigned int i;
	int err;

	info = kzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < dev->nr; i++) {
		info->name[i] = "test";
		info->callback[i] = vqt_done;
	}
	err = virtio_find_vqs(dev->vdev, dev->nr, vqs, info->callback,
			      info->name, &desc);
	kfree(info);
	return err;
}
#endif

static int alloc_queue(struct vqt_queue *q)
{
	unsigned int i;

	spin_lock_init(&q->lock);
	init_waitqueue_head(&q->wait);
	q->reqs = kcalloc(MAX_REQS, sizeof(*q->reqs), GFP_KERNEL);
	if (!q->reqs)
		return -ENOMEM;
	for (i = 0; i < MAX_REQS; i++) {
		q->reqs[i].q = q;
		q->reqs[i].data = kmalloc(BLOCK, GFP_KERNEL);
		if (!q->reqs[i].data)
			return -ENOMEM;
		q->reqs[i].next = q->free;
		q->free = &q->reqs[i];
	}
	return 0;
}

static void free_queues(struct vqt_device *dev)
{
	unsigned int i, k;

	for (i = 0; i < dev->nr; i++) {
		for (k = 0; dev->q[i].reqs && k < MAX_REQS; k++)
			kfree(dev->q[i].reqs[k].data);
		kfree(dev->q[i].reqs);
	}
	kfree(dev->q);
	kfree(dev);
}

static int alloc_queues(struct vqt_device *dev)
{
	unsigned int i;
	int err = 0;

	dev->q = kcalloc(dev->nr, sizeof(*dev->q), GFP_KERNEL);
	if (!dev->q) {
		dev->nr = 0;
		return -ENOMEM;
	}
	for (i = 0; i < dev->nr && !err; i++) {
		dev->q[i].dev = dev;
		err = alloc_queue(&dev->q[i]);
	}
	return err;
}

static int vqt_probe(struct virtio_device *vdev)
{
	struct virtqueue **vqs;
	struct vqt_device *dev;
	unsigned int i;
	u16 nr = 1;
	int err;

	if (!virtio_has_feature(vdev, VIRTIO_F_RING_RESET)) {
		dev_err(&vdev->dev, "VIRTIO_F_RING_RESET is not offered\n");
		return -ENODEV;
	}
	virtio_cread_feature(vdev, VIRTIO_BLK_F_MQ, struct virtio_blk_config,
			     num_queues, &nr);
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	dev->vdev = vdev;
	dev->nr = clamp_t(unsigned int, nr, 1, MAX_QUEUES);
	vdev->priv = dev;
	err = alloc_queues(dev);
	if (err)
		goto err_free;
	err = -ENOMEM;
	vqs = kcalloc(dev->nr, sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		goto err_free;
	err = find_vqs(dev, vqs);
	for (i = 0; !err && i < dev->nr; i++)
		dev->q[i].vq = vqs[i];
	kfree(vqs);
	if (err)
		goto err_free;
	virtio_device_ready(vdev);
	vqt_run(dev);
	return 0;

err_free:
	free_queues(dev);
	return err;
}

static void vqt_remove(struct virtio_device *vdev)
{
	struct vqt_device *dev = vdev->priv;

	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
	free_queues(dev);
}

static const struct virtio_device_id ids[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static const unsigned int features[] = {
	VIRTIO_BLK_F_MQ,
};

static struct virtio_driver vqt_driver = {
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = ids,
	.probe = vqt_probe,
	.remove = vqt_remove,
};

module_virtio_driver(vqt_driver);

MODULE_DESCRIPTION("tests of virtqueues");
MODULE_LICENSE("GPL");
