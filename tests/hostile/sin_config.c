// SPDX-License-Identifier: GPL-2.0-only
/*
 * Absurd devices: what they say of themselves, their queues and config space
 */

#include <endian.h>
#include <string.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "hostile.h"
#include "util.h"

#define NEVER_SETTLES	0xffffffffU	/* moves of the generation */
#define SETTLES		5U

static void config_huge(struct hostile *h)
{
	h->config_size = UINT32_MAX;
	sinned(h);
}

static void config_none(struct hostile *h)
{
	h->config_size = 0;
	sinned(h);
}

static void queues_huge(struct hostile *h)
{
	h->max_vqs = UINT32_MAX;
	sinned(h);
}

static void queues_none(struct hostile *h)
{
	h->max_vqs = 0;
	sinned(h);
}

static void queue_size_none(struct hostile *h)
{
	h->queue_size = 0;
	sinned(h);
}

static void queue_size_odd(struct hostile *h)
{
	h->queue_size = 100;
	sinned(h);
}

static void queue_size_huge(struct hostile *h)
{
	h->queue_size = UINT32_MAX;
	sinned(h);
}

static void device_none(struct hostile *h)
{
	h->device_id = 0;
	sinned(h);
}

static void device_unknown(struct hostile *h)
{
	h->device_id = 0xbad0bad;
	sinned(h);
}

static void no_platform(struct hostile *h)
{
	h->features &= ~BIT64(VIRTIO_F_ACCESS_PLATFORM);
	sinned(h);
}

static void no_version(struct hostile *h)
{
	h->features &= ~BIT64(VIRTIO_F_VERSION_1);
	sinned(h);
}

/* The rings that this backend cannot serve are not among them. */
static void all_features(struct hostile *h)
{
	h->features = ~(BIT64(VIRTIO_F_RING_PACKED) |
			BIT64(VIRTIO_RING_F_EVENT_IDX) |
			BIT64(VIRTIO_F_IN_ORDER));
	sinned(h);
}

static void capacity_huge(struct hostile *h)
{
	struct virtio_blk_config *blk = (struct virtio_blk_config *)h->config;

	blk->capacity = htole64(UINT64_MAX);
	sinned(h);
}

static void block_size_odd(struct hostile *h)
{
	struct virtio_blk_config *blk = (struct virtio_blk_config *)h->config;

	blk->blk_size = htole32(77);
	blk->seg_max = htole32(0);
	sinned(h);
}

static void config_garbage(struct hostile *h)
{
	memset(h->config + 8, 0xa5, sizeof(h->config) - 8);
	all_features(h);
}

/* The content changes with each look, and the generation with it. */
static bool moving(struct hostile *h, const union xvb_msg *req,
		   union xvb_msg *rsp, uint64_t times)
{
	struct virtio_blk_config *blk = (struct virtio_blk_config *)h->config;

	(void)rsp;
	if (req->hdr.type || req->hdr.msg_id != XVIO_MSG_GET_CONFIG)
		return true;
	sinned(h);
	if (h->count++ >= times)
		return true;
	h->generation++;
	blk->capacity = htole64(le64toh(blk->capacity) ^ 8);
	return true;
}

static bool settles(struct hostile *h, const union xvb_msg *req,
		    union xvb_msg *rsp)
{
	return moving(h, req, rsp, SETTLES);
}

static bool never_settles(struct hostile *h, const union xvb_msg *req,
			  union xvb_msg *rsp)
{
	return moving(h, req, rsp, NEVER_SETTLES);
}

static void announce(struct hostile *h)
{
	h->generation++;
	control_event(h);
}

/* The answer is for another range than what was asked for. */
static bool other_range(struct hostile *h, const union xvb_msg *req,
			union xvb_msg *rsp)
{
	struct xvio_config *c = payload(rsp);

	if (req->hdr.type || req->hdr.msg_id != XVIO_MSG_GET_CONFIG)
		return true;
	c->offset = htole32(0x7fffffff);
	sinned(h);
	return true;
}

static struct xvio_vqueue *vqueue(const union xvb_msg *req, union xvb_msg *rsp)
{
	if (req->hdr.type || req->hdr.msg_id != XVIO_MSG_GET_VQUEUE)
		return NULL;
	return payload(rsp);
}

static bool queue_index_wrong(struct hostile *h, const union xvb_msg *req,
			      union xvb_msg *rsp)
{
	struct xvio_vqueue *v = vqueue(req, rsp);

	if (!v)
		return true;
	v->index = htole32(7);
	sinned(h);
	return true;
}

static void queue_size_large(struct hostile *h)
{
	h->queue_size = 1024;
}

/* Long chains fit when it is asked what fits, and not when that counts. */
static bool queue_size_changes(struct hostile *h, const union xvb_msg *req,
			       union xvb_msg *rsp)
{
	struct xvio_vqueue *v = vqueue(req, rsp);

	if (!v || !h->count++)
		return true;
	v->max_size = htole32(64);
	sinned(h);
	return true;
}

static bool queue_elsewhere(struct hostile *h, const union xvb_msg *req,
			    union xvb_msg *rsp)
{
	struct xvio_vqueue *v = vqueue(req, rsp);

	if (!v || !v->cur_size)
		return true;
	v->device ^= htole64(1 << XVIO_ADDR_PAGE_SHIFT);
	sinned(h);
	return true;
}

static bool queue_off(struct hostile *h, const union xvb_msg *req,
		      union xvb_msg *rsp)
{
	struct xvio_vqueue *v = vqueue(req, rsp);

	if (!v || !v->cur_size)
		return true;
	v->flags = 0;
	sinned(h);
	return true;
}

/* The request was carried out when this is called, which is not what it says. */
static bool bus_error(struct hostile *h, const union xvb_msg *req,
		      union xvb_msg *rsp, uint8_t id, uint32_t error)
{
	const __le32 *range = (const __le32 *)(req->raw + sizeof(req->hdr));
	struct xvio_bus_result *r = payload(rsp);

	if (req->hdr.type != XVIO_TYPE_BUS || req->hdr.msg_id != id)
		return true;
	if (id == XVIO_BUS_WINDOW_ADD)
		window_remove(h, le32toh(range[0]), le32toh(range[1]));
	else
		queue_stop(h);
	r->error = htole32(error);
	sinned(h);
	return true;
}

static bool window_refused(struct hostile *h, const union xvb_msg *req,
			   union xvb_msg *rsp)
{
	return bus_error(h, req, rsp, XVIO_BUS_WINDOW_ADD, XVIO_ENOSPC);
}

static bool window_error(struct hostile *h, const union xvb_msg *req,
			 union xvb_msg *rsp)
{
	return bus_error(h, req, rsp, XVIO_BUS_WINDOW_ADD, 0xdeadbeef);
}

static bool bind_refused(struct hostile *h, const union xvb_msg *req,
			 union xvb_msg *rsp)
{
	return bus_error(h, req, rsp, XVIO_BUS_QUEUE_BIND, XVIO_EBIND);
}

const struct sin sins_config[] = {
	{ .name = "config-size-huge", .what = "4 GiB of config space",
	  .setup = config_huge, .early = true },
	{ .name = "config-size-zero", .what = "a disk without config space",
	  .setup = config_none, .early = true },
	{ .name = "config-queues-huge", .what = "4294967295 queues",
	  .setup = queues_huge, .early = true },
	{ .name = "config-queues-zero", .what = "no queue",
	  .setup = queues_none, .early = true },
	{ .name = "config-queue-size-zero", .what = "a queue of size 0",
	  .setup = queue_size_none, .early = true },
	{ .name = "config-queue-size-odd", .what = "a queue of size 100",
	  .setup = queue_size_odd, .early = true },
	{ .name = "config-queue-size-huge", .what = "a queue of 4 Gi entries",
	  .setup = queue_size_huge, .early = true },
	{ .name = "config-queue-size-changes",
	  .what = "a queue that is smaller the second time",
	  .setup = queue_size_large, .early = true,
	  .answer = queue_size_changes },
	{ .name = "config-device-zero", .what = "device id 0",
	  .setup = device_none, .early = true },
	{ .name = "config-device-unknown", .what = "a device id without driver",
	  .setup = device_unknown, .early = true },
	{ .name = "config-no-platform", .what = "no VIRTIO_F_ACCESS_PLATFORM",
	  .setup = no_platform, .early = true },
	{ .name = "config-no-version", .what = "no VIRTIO_F_VERSION_1",
	  .setup = no_version, .early = true },
	{ .name = "config-all-features", .what = "features without end",
	  .setup = all_features, .early = true },
	{ .name = "config-garbage", .what = "a config space full of garbage",
	  .setup = config_garbage, .early = true },
	{ .name = "config-capacity", .what = "a disk of 2^64 - 1 sectors",
	  .setup = capacity_huge, .early = true },
	{ .name = "config-block-size", .what = "a block size of 77 bytes",
	  .setup = block_size_odd, .early = true },
	{ .name = "config-moves", .what = "other content with each look, 5 times",
	  .act = announce, .answer = settles },
	{ .name = "config-restless", .what = "a generation that never settles",
	  .act = announce, .answer = never_settles, .holds = true },
	{ .name = "config-restless-first",
	  .what = "a generation that never settles, from the beginning",
	  .early = true, .answer = never_settles },
	{ .name = "config-other-range", .what = "config space that was not asked for",
	  .act = announce, .answer = other_range, .holds = true },
	{ .name = "config-other-range-first",
	  .what = "config space that was not asked for, from the beginning",
	  .early = true, .answer = other_range },
	{ .name = "queue-index", .what = "another queue than was asked for",
	  .early = true, .answer = queue_index_wrong },
	{ .name = "queue-elsewhere", .what = "a queue at another address",
	  .early = true, .answer = queue_elsewhere },
	{ .name = "queue-off", .what = "a queue that is not enabled",
	  .early = true, .answer = queue_off },
	{ .name = "window-refused", .what = "every window is refused",
	  .early = true, .answer = window_refused },
	{ .name = "window-error", .what = "an error that does not exist",
	  .early = true, .answer = window_error },
	{ .name = "bind-refused", .what = "no event channel can be bound",
	  .early = true, .answer = bind_refused },
	{ }
};
