// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - what all types of devices have in common
 *
 * Checks what comes from the driver (features, ranges of config space, queue
 * set-ups) before a device type sees it, and connects queues with their ring.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "device.h"
#include "types.h"
#include "util.h"

#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET	40
#endif

/* Without these two an address on a ring would not be a grant. */
#define DEVICE_MANDATORY	(BIT64(VIRTIO_F_VERSION_1) | \
				 BIT64(VIRTIO_F_ACCESS_PLATFORM))
#define DEVICE_COMMON		(DEVICE_MANDATORY | \
				 BIT64(VIRTIO_RING_F_INDIRECT_DESC) | \
				 BIT64(VIRTIO_RING_F_EVENT_IDX) | \
				 BIT64(VIRTIO_F_RING_RESET))

static const struct xvb_device_ops * const device_types[] = {
	&xvb_blk_ops,
	&xvb_rng_ops,
	NULL,
};

const struct xvb_device_ops *const *xvb_device_types(void)
{
	return device_types;
}

bool xvb_device_whole_writes(const char *type)
{
	const struct xvb_device_ops *const *ops;

	for (ops = device_types; *ops; ops++)
		if (!strcmp(type, (*ops)->name))
			return (*ops)->whole_writes;
	return false;
}

static const struct xvb_device_ops *device_type(struct xvb_params *params,
						struct xvb_error *err)
{
	const char *name = xvb_params_string(params, "type");
	const struct xvb_device_ops *const *ops;
	char names[128] = "";
	size_t len;

	for (ops = device_types; *ops; ops++) {
		if (name && !strcmp(name, (*ops)->name))
			return *ops;
		len = strlen(names);
		snprintf(names + len, sizeof(names) - len, "%s%s",
			 len ? ", " : "", (*ops)->name);
	}
	if (name)
		xvb_error_set(err, -EINVAL, "type=%s: the types are %s", name,
			      names);
	else
		xvb_error_set(err, -EINVAL,
			      "the type of the device is missing: write type=..., one of %s",
			      names);
	return NULL;
}

static int device_alloc_queues(struct xvb_device *dev, struct xvb_error *err)
{
	unsigned int i;

	if (!dev->nr_queues || dev->nr_queues > XVB_MAX_QUEUES)
		return xvb_error_set(err, -EINVAL, "a device with %u queues",
				     dev->nr_queues);
	dev->queues = calloc(dev->nr_queues, sizeof(dev->queues[0]));
	if (!dev->queues)
		return xvb_error_set(err, -ENOMEM, "allocating %u queues: %s",
				     dev->nr_queues, strerror(ENOMEM));
	for (i = 0; i < dev->nr_queues; i++) {
		dev->queues[i].dev = dev;
		dev->queues[i].index = i;
	}
	return 0;
}

int xvb_device_create(struct xvb_params *params, struct xvb_device **out,
		      struct xvb_error *err)
{
	struct xvb_direct_config direct = { false };
	const struct xvb_device_ops *ops;
	struct xvb_device *dev;
	bool packed = false;
	int ret;

	ops = device_type(params, err);
	if (!ops)
		return -EINVAL;
	ret = xvb_direct_params(params, &direct, err);
	if (ret)
		return ret;
	ret = ops->create(params, &dev, err);
	if (ret)
		return ret;
	dev->ops = ops;
	dev->direct = direct;
	ret = xvb_params_bool(params, XVB_PARAM_PACKED, &packed, err);
	if (ret)
		goto err_destroy;
	dev->features |= DEVICE_COMMON;
	if (packed)
		dev->features |= BIT64(VIRTIO_F_RING_PACKED);
	ret = device_alloc_queues(dev, err);
	if (ret)
		goto err_destroy;
	ret = xvb_params_check(params, ops->name, ops->options, err);
	if (ret)
		goto err_free_queues;
	*out = dev;
	return 0;

err_free_queues:
	free(dev->queues);
err_destroy:
	ops->destroy(dev);
	return ret;
}

void xvb_device_destroy(struct xvb_device *dev)
{
	if (!dev)
		return;
	free(dev->queues);
	dev->ops->destroy(dev);
}

void xvb_device_bind(struct xvb_device *dev, struct xvb_memory *mem,
		     const struct xvb_host_ops *host, void *ctx)
{
	unsigned int i;

	dev->host = host;
	dev->host_ctx = ctx;
	for (i = 0; i < dev->nr_queues; i++)
		xvb_vq_init(&dev->queues[i].vq, mem);
}

void xvb_device_set_stats(struct xvb_device *dev, struct xvb_stats *stats)
{
	unsigned int i;

	xvb_stat_set(&stats->device.nr_queues, dev->nr_queues);
	for (i = 0; i < dev->nr_queues; i++)
		dev->queues[i].vq.stats = &stats->queue[i].vq;
}

int xvb_device_set_features(struct xvb_device *dev, uint64_t features,
			    struct xvb_error *err)
{
	uint64_t extra = features & ~dev->features;

	if (extra)
		return xvb_error_set(err, -EINVAL,
				     "the driver accepted features %#llx, which were not offered",
				     (unsigned long long)extra);
	if (!(features & BIT64(VIRTIO_F_VERSION_1)))
		return xvb_error_set(err, -EINVAL,
				     "the driver did not accept VIRTIO_F_VERSION_1");
	if (!(features & BIT64(VIRTIO_F_ACCESS_PLATFORM)))
		return xvb_error_set(err, -EINVAL,
				     "the driver did not accept VIRTIO_F_ACCESS_PLATFORM: its addresses would not be grants");
	dev->driver_features = features;
	return 0;
}

static bool device_config_range(const struct xvb_device *dev, uint32_t offset,
				uint32_t len)
{
	return offset <= dev->config_size && len <= dev->config_size - offset;
}

int xvb_device_config_read(struct xvb_device *dev, uint32_t offset, void *buf,
			   uint32_t len, uint32_t *generation)
{
	memset(buf, 0, len);
	/* Before the data: a change in between shows as an old generation. */
	*generation = atomic_load(&dev->generation);
	if (!device_config_range(dev, offset, len))
		return -EINVAL;
	if (len)
		dev->ops->config_read(dev, offset, buf, len);
	return 0;
}

int xvb_device_config_write(struct xvb_device *dev, uint32_t generation,
			    uint32_t offset, const void *buf, uint32_t len)
{
	int ret;

	if (!len || !device_config_range(dev, offset, len) ||
	    !dev->ops->config_write)
		return -EINVAL;
	if (generation != atomic_load(&dev->generation))
		return -EAGAIN;
	ret = dev->ops->config_write(dev, offset, buf, len);
	if (!ret)
		atomic_fetch_add(&dev->generation, 1);
	return ret;
}

void xvb_device_config_changed(struct xvb_device *dev)
{
	atomic_fetch_add(&dev->generation, 1);
	if (dev->host)
		dev->host->config_changed(dev->host_ctx);
}

void xvb_device_reset(struct xvb_device *dev)
{
	dev->driver_features = 0;
	if (dev->ops->reset)
		dev->ops->reset(dev);
}

int xvb_queue_start(struct xvb_queue *q, const struct xvb_vq_setup *setup,
		    struct xvb_error *err)
{
	struct xvb_device *dev = q->dev;
	struct xvb_vq_setup s = *setup;
	int ret;

	if (s.size > dev->queue_size)
		return xvb_error_set(err, -EINVAL,
				     "the queue size %u is above the %u of the device",
				     s.size, dev->queue_size);
	s.features = dev->driver_features;
	ret = xvb_vq_start(&q->vq, &s, err);
	if (ret)
		return ret;
	q->broken_told = false;
	ret = dev->ops->queue_start(q, err);
	if (ret)
		xvb_vq_stop(&q->vq);
	return ret;
}

void xvb_queue_flush(struct xvb_queue *q)
{
	if (xvb_vq_flush(&q->vq))
		q->dev->host->notify(q->dev->host_ctx, q->index);
}

static void queue_check_broken(struct xvb_queue *q)
{
	const char *reason = xvb_vq_broken(&q->vq);

	if (!reason || q->broken_told)
		return;
	q->broken_told = true;
	q->dev->host->broken(q->dev->host_ctx, q->index, reason);
}

int xvb_queue_run(struct xvb_queue *q)
{
	int ret;

	if (!q->vq.started)
		return 0;
	ret = q->dev->ops->queue_run(q);
	xvb_queue_flush(q);
	queue_check_broken(q);
	return xvb_vq_broken(&q->vq) ? -EPROTO : ret;
}

unsigned int xvb_queue_fds(struct xvb_queue *q, int *fds)
{
	if (!q->vq.started || !q->dev->ops->queue_fds)
		return 0;
	return q->dev->ops->queue_fds(q, fds);
}

void xvb_queue_drain(struct xvb_queue *q)
{
	if (!q->vq.started)
		return;
	q->dev->ops->queue_drain(q);
	xvb_queue_flush(q);
	queue_check_broken(q);
}

bool xvb_queue_settle(struct xvb_queue *q)
{
	bool settled;

	if (!q->vq.started || !q->dev->ops->queue_settle)
		return true;
	settled = q->dev->ops->queue_settle(q);
	xvb_queue_flush(q);
	queue_check_broken(q);
	return settled;
}

void xvb_queue_stop(struct xvb_queue *q)
{
	if (!q->vq.started)
		return;
	q->dev->ops->queue_stop(q);
	xvb_vq_stop(&q->vq);
}
