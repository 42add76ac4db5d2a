// SPDX-License-Identifier: GPL-2.0-only
/*
 * features, status and config space of a device over messages
 *
 * virtio_config_ops cannot fail in most places, so a device that does not
 * answer looks like one whose config space is zero and whose status has no
 * FEATURES_OK: the driver's probe fails, and the log says why.
 *
 * docs/protocol.md, section 5.
 */

#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_scsi.h>

#include "xen_virtio_front.h"

/* Feature bits without which no address on a queue would be a grant. */
#define REQUIRED_FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) | \
				 BIT_ULL(VIRTIO_F_ACCESS_PLATFORM))

/*
 * Of the bits that concern ring and transport, those that work here.  IN_ORDER
 * does not yet: nobody could tell what is in flight.
 */
#define TRANSPORT_FEATURES	(REQUIRED_FEATURES | \
				 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
				 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
				 BIT_ULL(VIRTIO_F_ORDER_PLATFORM) | \
				 BIT_ULL(VIRTIO_F_RING_PACKED) | \
				 BIT_ULL(VIRTIO_F_RING_RESET))

/* Those that belong to the device type: 0 to 23 and from 50 on. */
#define DEVICE_FEATURES		(GENMASK_ULL(23, 0) | GENMASK_ULL(63, 50))

/* A generation that changes this often without a break never settles. */
#define MAX_GENERATION_MOVES	64

/* Devices with more queues get indirect descriptors unasked. */
#define MAX_ASKED_QUEUES	64

/* A request has beside its data: header, status, and table. */
#define BESIDE_DATA		3

/* Buffers for events, which are mapped all the time. */
#define SCSI_EVENTS		8

/* Tables for fewer buffers are not worth it. */
#define MIN_TABLE		4

static bool indirect;
module_param(indirect, bool, 0644);
MODULE_PARM_DESC(indirect, "indirect descriptors also on rings of 512 entries and more (default N)");

static bool packed = true;
module_param(packed, bool, 0644);
MODULE_PARM_DESC(packed, "packed rings where the backend offers them (default Y)");

struct features_msg {
	struct xvio_features head;
	__le32 bits[2];
};

static int read_features(struct xvf_device *xvf)
{
	struct xvio_features req = { .num_blocks = cpu_to_le32(2) };
	struct features_msg rsp;
	int err;

	err = xvf_request(xvf, XVIO_MSG_GET_DEVICE_FEATURES, &req, sizeof(req),
			  &rsp, sizeof(rsp));
	if (err)
		return err;
	if (rsp.head.block_index || le32_to_cpu(rsp.head.num_blocks) != 2)
		return -EPROTO;
	xvf->features = le32_to_cpu(rsp.bits[0]) |
			(u64)le32_to_cpu(rsp.bits[1]) << 32;
	xvf->features &= TRANSPORT_FEATURES | DEVICE_FEATURES;
	if (!packed)
		xvf->features &= ~BIT_ULL(VIRTIO_F_RING_PACKED);
	return 0;
}

int xvf_read_device_info(struct xvf_device *xvf, struct virtio_device_id *id)
{
	struct device *dev = &xvf->xdev->dev;
	struct xvio_device_info info;
	int err;

	err = xvf_request(xvf, XVIO_MSG_GET_DEVICE_INFO, NULL, 0, &info,
			  sizeof(info));
	if (!err)
		err = read_features(xvf);
	if (err) {
		dev_err(dev, "asking what the device is: %d\n", err);
		return err;
	}

	id->device = le32_to_cpu(info.device_id);
	id->vendor = le32_to_cpu(info.vendor_id);
	xvf->config_size = le32_to_cpu(info.config_size);
	xvf->max_vqs = le32_to_cpu(info.max_vqs);
	if (!id->device || xvf->config_size > XVF_MAX_CONFIG_SIZE ||
	    xvf->max_vqs > XVF_MAX_QUEUES) {
		dev_err(dev, "device id %u with %u queues and %u bytes of config space: the limits are %u and %u\n",
			id->device, xvf->max_vqs, xvf->config_size,
			XVF_MAX_QUEUES, XVF_MAX_CONFIG_SIZE);
		return -EINVAL;
	}
	if ((xvf->features & REQUIRED_FEATURES) != REQUIRED_FEATURES) {
		dev_err(dev, "the device offers features %#llx: VIRTIO_F_VERSION_1 and VIRTIO_F_ACCESS_PLATFORM are required\n",
			xvf->features);
		return -ENODEV;
	}
	return 0;
}

/*
 * How many buffers a chain can have, table included, if there is a slot for each
 * that the rings have room for.
 */
static u32 sure_chain(struct xvf_device *xvf, const struct xvf_sizes *sizes)
{
	u32 all = grant_dma_max_size(xvf->gdma) / PAGE_SIZE - 1;

	return all > sizes->pages ? (all - sizes->pages) / sizes->entries : 0;
}

/*
 * Where a mapping fails on a packed ring, Linux returns -EIO instead of -ENOMEM,
 * and drivers fail the request instead of trying again.  So none may fail: all
 * that the rings have room for must have it in the window, too.  With indirect
 * tables that is so much that rings and requests must be small.
 */
static int make_packed_sure(struct xvf_device *xvf)
{
	struct xvf_sizes sizes;
	u32 slots = 1;
	int err;

	if (xvf->max_vqs > MAX_ASKED_QUEUES)
		return -ENOSPC;
	if (indirect)
		xvf->ring_max = XVF_MIN_QUEUE_SIZE;
	err = xvf_measure_queues(xvf, &sizes);
	if (err)
		return err;
	/* Header and status are in a chain, too. */
	if (!sizes.entries || sizes.smallest < 3)
		return -EINVAL;
	xvf->chain_max = sizes.smallest - 2;
	if (indirect) {
		slots = sure_chain(xvf, &sizes);
		if (slots < 3 + MIN_TABLE)
			return -ENOSPC;
		xvf->chain_max = slots - 3;
	}
	return grant_dma_make_sure(xvf->gdma,
				   sizes.entries * slots + sizes.pages);
}

/* Where the config space says how many segments a request may have. */
static unsigned int seg_max_offset(u32 device)
{
	switch (device) {
	case VIRTIO_ID_BLOCK:
		return offsetof(struct virtio_blk_config, seg_max);
	case VIRTIO_ID_SCSI:
		return offsetof(struct virtio_scsi_config, seg_max);
	default:
		return UINT_MAX;
	}
}

bool xvf_is_disk(u32 device)
{
	return seg_max_offset(device) != UINT_MAX;
}

/* How many segments of a request fit in the window that is there for sure. */
static int find_seg_limit(struct xvf_device *xvf, u32 device)
{
	struct device *dev = &xvf->xdev->dev;
	size_t size = dma_max_mapping_size(dev);
	unsigned int taken = BESIDE_DATA;

	xvf->seg_limit = U32_MAX;
	if (!xvf_is_disk(device))
		return 0;
	if (device == VIRTIO_ID_SCSI) {
		/* The driver does not ask how large they may be. */
		size = max_t(size_t, size, BLK_MAX_SEGMENT_SIZE);
		taken += SCSI_EVENTS;
	}
	taken += xvf_record_slots(xvf, size);
	xvf->seg_limit = grant_dma_max_segments(xvf->gdma, size, taken);
	if (xvf->seg_limit)
		return 0;
	dev_err(dev, "the window has no room for a request beside what %u queues need: make it larger, or attach with fewer queues\n",
		xvf->max_vqs);
	return -ENOSPC;
}

static int try_packed(struct xvf_device *xvf, u32 device)
{
	/* Its buffers may be larger than those that there is a slot for. */
	if (device == VIRTIO_ID_SCSI)
		return -EOPNOTSUPP;
	return make_packed_sure(xvf);
}

/*
 * An indirect table is one more buffer to allocate, to map and to copy: a ring
 * that has room for the chains themselves costs less (docs/performance.md).
 */
static int choose_indirect(struct xvf_device *xvf)
{
	bool offered = xvf->features & BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
	struct xvf_sizes sizes;
	int err;

	xvf->chain_max = U32_MAX;
	if (offered && (indirect || xvf->max_vqs > MAX_ASKED_QUEUES))
		return 0;
	err = xvf_measure_queues(xvf, &sizes);
	if (err)
		return err;
	if (sizes.smallest >= XVF_DIRECT_QUEUE_SIZE) {
		xvf->features &= ~BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
		xvf->chain_max = XVF_DIRECT_QUEUE_SIZE - 2;
	} else if (!offered) {
		/* What is longer than its ring would never fit in that. */
		xvf->chain_max = max(sizes.smallest, 3U) - 2;
	}
	return 0;
}

int xvf_choose_descriptors(struct xvf_device *xvf, u32 device)
{
	int err;

	memset(xvf->measured, 0, sizeof(xvf->measured));
	xvf->ring_max = XVF_MAX_QUEUE_SIZE;
	if (xvf->features & BIT_ULL(VIRTIO_F_RING_PACKED)) {
		err = try_packed(xvf, device);
		if (!err && !indirect)
			xvf->features &= ~BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC);
		if (!err)
			return find_seg_limit(xvf, device);
		dev_notice(&xvf->xdev->dev, "split rings instead of packed ones, for which there is no room in the window: %d\n",
			   err);
		xvf->features &= ~BIT_ULL(VIRTIO_F_RING_PACKED);
		xvf->ring_max = XVF_MAX_QUEUE_SIZE;
		memset(xvf->measured, 0, sizeof(xvf->measured));
	}

	err = choose_indirect(xvf);
	return err ? err : find_seg_limit(xvf, device);
}

/* Ask for @len bytes, at most what fits in a message; 0 for the generation. */
static int read_config(struct xvf_device *xvf, u32 offset, void *buf, u32 len)
{
	struct xvio_get_config req = {
		.offset = cpu_to_le32(offset),
		.len = cpu_to_le32(len),
	};
	struct {
		struct xvio_config head;
		u8 data[XVIO_MAX_CONFIG_DATA];
	} rsp;
	int err;

	err = xvf_request(xvf, XVIO_MSG_GET_CONFIG, &req, sizeof(req), &rsp,
			  sizeof(rsp.head) + len);
	if (err)
		return err;
	if (rsp.head.offset != req.offset || rsp.head.len != req.len)
		return -EPROTO;
	memcpy(buf, rsp.data, len);
	xvf->generation = le32_to_cpu(rsp.head.generation);
	return 0;
}

static bool in_config(struct xvf_device *xvf, unsigned int offset,
		      unsigned int len)
{
	return offset <= xvf->config_size && len <= xvf->config_size - offset;
}

/* What does not fit in the window is tried for ever: let the driver build none. */
static void limit_segments(struct virtio_device *vdev, unsigned int offset,
			   void *buf, unsigned int len)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	u32 most = min(xvf->seg_limit, xvf->chain_max);
	__le32 *seg_max = buf;

	if (offset == seg_max_offset(vdev->id.device) &&
	    len == sizeof(*seg_max) && le32_to_cpu(*seg_max) > most)
		*seg_max = cpu_to_le32(most);
}

/* Once for each device: a driver reads many fields. */
static void report_config(struct virtio_device *vdev, const char *what,
			  unsigned int offset, unsigned int len, int err)
{
	struct xvf_device *xvf = to_xvf_device(vdev);

	if (test_bit(0, &xvf->broken) || xvf->config_reported)
		return;
	xvf->config_reported = true;
	dev_err(&vdev->dev, "%s %u bytes of config space at %u: %d\n", what,
		len, offset, err);
}

static void xvf_get(struct virtio_device *vdev, unsigned int offset, void *buf,
		    unsigned int len)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	unsigned int n, at = offset, size = len;
	void *start = buf;

	memset(buf, 0, len);
	if (!in_config(xvf, offset, len)) {
		report_config(vdev, "reading", offset, len, -EINVAL);
		return;
	}
	while (len) {
		n = min_t(unsigned int, len, XVIO_MAX_CONFIG_DATA);
		if (read_config(xvf, offset, buf, n)) {
			/* The zeroes must not pass for what is there. */
			xvf_break(xvf, "the config space cannot be read");
			return;
		}
		offset += n;
		buf += n;
		len -= n;
	}
	limit_segments(vdev, at, start, size);
}

static int write_config(struct xvf_device *xvf, u32 offset, const void *buf,
			u32 len)
{
	struct {
		struct xvio_config head;
		u8 data[XVIO_MAX_CONFIG_DATA];
	} req = {
		.head.generation = cpu_to_le32(xvf->generation),
		.head.offset = cpu_to_le32(offset),
		.head.len = cpu_to_le32(len),
	}, rsp;
	size_t size = sizeof(req.head) + len;
	int got;

	memcpy(req.data, buf, len);
	got = xvf_channel_request(&xvf->chan, false, XVIO_MSG_SET_CONFIG, &req,
				  size, &rsp, sizeof(rsp.head), size);
	if (got < 0)
		return got;
	xvf->generation = le32_to_cpu(rsp.head.generation);
	if (!rsp.head.len)
		return -EAGAIN;
	return rsp.head.len == req.head.len ? 0 : -EPROTO;
}

static void xvf_set(struct virtio_device *vdev, unsigned int offset,
		    const void *buf, unsigned int len)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	unsigned int tries = 3;
	int err = -EINVAL;

	if (!in_config(xvf, offset, len) || len > XVIO_MAX_CONFIG_DATA)
		goto err_report;
	/* A rejected write tells the generation that now holds. */
	do {
		err = write_config(xvf, offset, buf, len);
	} while (err == -EAGAIN && --tries);
	if (!err)
		return;

err_report:
	report_config(vdev, "writing", offset, len, err);
}

/*
 * The callers read until the generation is the same twice, without a limit of
 * their own: one that never settles would keep them for ever.
 */
static u32 xvf_generation(struct virtio_device *vdev)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	u32 old = xvf->generation;

	if (test_bit(0, &xvf->broken) || read_config(xvf, 0, NULL, 0))
		return old;
	if (xvf->generation == old) {
		xvf->generation_moves = 0;
	} else if (++xvf->generation_moves > MAX_GENERATION_MOVES) {
		xvf_break(xvf, "the config generation never settles");
		xvf->generation = old;
	}
	return xvf->generation;
}

static u8 xvf_get_status(struct virtio_device *vdev)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	struct xvio_status rsp;

	if (!xvf_request(xvf, XVIO_MSG_GET_DEVICE_STATUS, NULL, 0, &rsp,
			 sizeof(rsp)))
		xvf->status = le32_to_cpu(rsp.status);
	/* The core does BUG() when a device is ready before it was told so. */
	if (xvf->written & VIRTIO_CONFIG_S_DRIVER_OK)
		return xvf->status & (xvf->written |
				      VIRTIO_CONFIG_S_NEEDS_RESET);
	return xvf->status & xvf->written;
}

static int write_status(struct xvf_device *xvf, u32 status)
{
	struct xvio_status req = { .status = cpu_to_le32(status) }, rsp;
	int err;

	err = xvf_request(xvf, XVIO_MSG_SET_DEVICE_STATUS, &req, sizeof(req),
			  &rsp, sizeof(rsp));
	if (!err)
		xvf->status = le32_to_cpu(rsp.status);
	return err;
}

static void xvf_set_status(struct virtio_device *vdev, u8 status)
{
	struct xvf_device *xvf = to_xvf_device(vdev);

	xvf->written |= status;
	/* Before the backend knows: its first event may be fast. */
	if (status & VIRTIO_CONFIG_S_DRIVER_OK) {
		grant_dma_rest(xvf->gdma, false);
		WRITE_ONCE(xvf->ready, true);
		/* Pairs with test_and_set_bit() in xvf_break(). */
		smp_mb();
		/* What is broken already has nobody yet who fails its I/O. */
		if (test_bit(0, &xvf->broken))
			schedule_delayed_work(&xvf->break_work, 0);
	}
	write_status(xvf, status);
}

static void xvf_reset(struct virtio_device *vdev)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	unsigned long deadline = jiffies + xvf->chan.timeout;
	struct xvio_status rsp;
	int err;

	/* No callback any more, whatever the backend does. */
	mutex_lock(&xvf->queues_lock);
	WRITE_ONCE(xvf->ready, false);
	mutex_unlock(&xvf->queues_lock);
	xvf_synchronize_cbs(vdev);
	grant_dma_rest(xvf->gdma, true);

	err = write_status(xvf, 0);
	while (!err && xvf->status) {
		if (time_after(jiffies, deadline)) {
			xvf_break(xvf, "the status does not become 0 after a reset");
			break;
		}
		usleep_range(1000, 10000);
		err = xvf_request(xvf, XVIO_MSG_GET_DEVICE_STATUS, NULL, 0,
				  &rsp, sizeof(rsp));
		if (!err)
			xvf->status = le32_to_cpu(rsp.status);
	}
	xvf->written = 0;
	xvf->status = 0;
}

static u64 xvf_get_features(struct virtio_device *vdev)
{
	return to_xvf_device(vdev)->features;
}

static int xvf_finalize_features(struct virtio_device *vdev)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	bool ring_reset = __virtio_test_bit(vdev, VIRTIO_F_RING_RESET);
	struct features_msg req = { .head.num_blocks = cpu_to_le32(2) };

	/* Clears what the ring does not know, also what concerns us alone. */
	vring_transport_features(vdev);
	if (ring_reset)
		__virtio_set_bit(vdev, VIRTIO_F_RING_RESET);

	if ((vdev->features & REQUIRED_FEATURES) != REQUIRED_FEATURES) {
		dev_err(&vdev->dev, "the driver does not accept VIRTIO_F_VERSION_1 and VIRTIO_F_ACCESS_PLATFORM: it would bypass the grants\n");
		return -EINVAL;
	}

	req.bits[0] = cpu_to_le32(lower_32_bits(vdev->features));
	req.bits[1] = cpu_to_le32(upper_32_bits(vdev->features));
	return xvf_request(xvf, XVIO_MSG_SET_DRIVER_FEATURES, &req, sizeof(req),
			   NULL, 0);
}

static const char *xvf_bus_name(struct virtio_device *vdev)
{
	return dev_name(vdev->dev.parent);
}

XVF_DEFINE_FIND_VQS(xvf_find_vqs_op, xvf_find_vqs)

const struct virtio_config_ops xvf_config_ops = {
	.get = xvf_get,
	.set = xvf_set,
	.generation = xvf_generation,
	.get_status = xvf_get_status,
	.set_status = xvf_set_status,
	.reset = xvf_reset,
	.find_vqs = xvf_find_vqs_op,
	.del_vqs = xvf_del_vqs,
	.synchronize_cbs = xvf_synchronize_cbs,
	.get_features = xvf_get_features,
	.finalize_features = xvf_finalize_features,
	.bus_name = xvf_bus_name,
	.set_vq_affinity = xvf_set_vq_affinity,
	.get_vq_affinity = xvf_get_vq_affinity,
	.disable_vq_and_reset = xvf_disable_vq_and_reset,
	.enable_vq_after_reset = xvf_enable_vq_after_reset,
};
