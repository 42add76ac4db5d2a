// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio-msg on the control ring: one guest, one device
 *
 * A handler gets a private copy of the request and fills in the response; it
 * returns the length of the response's payload, or -errno to refuse.  What a
 * refusal looks like is decided in one place, refuse().
 */

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "transport.h"
#include "util.h"

#define BATCH		32
#define VENDOR_XEN	0x5853	/* Xen's PCI vendor id: there is no other */
#define WINDOW_REMOVE_MS 500	/* docs/protocol.md, section 7 */
#define FEATURE_BLOCKS	2	/* of 32 bits, that exist */

#define STATUS_DRIVER_BITS \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_FAILED)

/* A message, as a handler sees it. */
struct call {
	const union xvb_msg *req;
	uint32_t len;		/* of the request's payload */
	union xvb_msg *rsp;
};

struct handler {
	uint8_t type;		/* XVIO_TYPE_BUS or 0 */
	uint8_t msg_id;
	uint16_t min_len;	/* of the payload */
	uint16_t max_len;
	int (*fn)(struct xvb_transport *t, const struct call *c);
};

static const void *request(const struct call *c)
{
	return c->req->raw + sizeof(struct xvio_msg_hdr);
}

static void *response(const struct call *c)
{
	return c->rsp->raw + sizeof(struct xvio_msg_hdr);
}

static bool driver_ok(const struct xvb_transport *t)
{
	return t->status & VIRTIO_CONFIG_S_DRIVER_OK;
}

static uint64_t queue_bit(unsigned int queue)
{
	return UINT64_C(1) << queue;
}

/* Queues */

static uint64_t running_mask(const struct xvb_transport *t)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < t->dev->nr_queues; i++)
		if (t->queues[i].running)
			mask |= queue_bit(i);
	return mask;
}

static void run_mask(struct xvb_transport *t, uint64_t mask)
{
	unsigned int i;

	for (i = 0; i < t->dev->nr_queues; i++) {
		if (!(mask & queue_bit(i)))
			continue;
		t->queues[i].running = true;
		t->ops->run(t->ctx, i);
	}
}

/* Returns 0, or -EBUSY after @ms milliseconds; see the operation. */
static int try_park_mask(struct xvb_transport *t, uint64_t mask, int ms)
{
	unsigned int i;

	if (!mask)
		return 0;
	if (t->ops->park(t->ctx, mask, ms))
		return -EBUSY;
	for (i = 0; i < t->dev->nr_queues; i++)
		if (mask & queue_bit(i))
			t->queues[i].running = false;
	return 0;
}

static void park_mask(struct xvb_transport *t, uint64_t mask)
{
	try_park_mask(t, mask, -1);
}

static void stop_queue(struct xvb_transport *t, unsigned int queue)
{
	struct xvb_transport_queue *q = &t->queues[queue];

	if (q->running)
		park_mask(t, queue_bit(queue));
	xvb_queue_stop(&t->dev->queues[queue]);
	if (q->bound)
		t->ops->unbind(t->ctx, queue);
	memset(q, 0, sizeof(*q));
}

/* Status 0, and the end of a connection. */
static void reset(struct xvb_transport *t)
{
	unsigned int i;

	/* All at once, so that they drain at the same time. */
	park_mask(t, running_mask(t));
	for (i = 0; i < t->dev->nr_queues; i++)
		stop_queue(t, i);
	xvb_device_reset(t->dev);
	t->status = 0;
	t->features = 0;
	t->bad_features = false;
	atomic_store(&t->broken, false);
	atomic_store(&t->changed, false);
}

/* Transport messages */

static int get_device_info(struct xvb_transport *t, const struct call *c)
{
	struct xvio_device_info *info = response(c);

	memset(info, 0, sizeof(*info));
	info->device_id = htole32(t->dev->ops->device_id);
	info->vendor_id = htole32(VENDOR_XEN);
	info->num_feature_blocks = htole32(FEATURE_BLOCKS);
	info->config_size = htole32(t->dev->config_size);
	info->max_vqs = htole32(t->dev->nr_queues);
	return sizeof(*info);
}

static int get_device_features(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_features *req = request(c);
	struct xvio_features *rsp = response(c);
	uint32_t first = le32toh(req->block_index);
	uint32_t count = le32toh(req->num_blocks);
	uint64_t offered = t->dev->features;
	uint32_t i;

	if (count > XVIO_MAX_FEATURE_BLOCKS)
		return -EINVAL;
	rsp->block_index = req->block_index;
	rsp->num_blocks = req->num_blocks;
	for (i = 0; i < count; i++) {
		/* 64 bits, so that no index that a guest invents wraps. */
		uint64_t block = (uint64_t)first + i;
		uint32_t bits = 0;

		if (block < FEATURE_BLOCKS)
			bits = (uint32_t)(offered >> (32 * block));
		rsp->bits[i] = htole32(bits);
	}
	return (int)(sizeof(*rsp) + count * sizeof(rsp->bits[0]));
}

static int set_driver_features(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_features *req = request(c);
	uint32_t first = le32toh(req->block_index);
	uint32_t count = le32toh(req->num_blocks);
	uint32_t i;

	if (count > XVIO_MAX_FEATURE_BLOCKS ||
	    c->len != sizeof(*req) + count * sizeof(req->bits[0]))
		return -EINVAL;
	if (t->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return 0;
	for (i = 0; i < count; i++) {
		uint64_t block = (uint64_t)first + i;
		uint64_t bits = le32toh(req->bits[i]);

		if (block >= FEATURE_BLOCKS) {
			t->bad_features |= bits != 0;
			continue;
		}
		t->features &= ~(UINT64_C(0xffffffff) << (32 * block));
		t->features |= bits << (32 * block);
	}
	return 0;
}

static int get_config(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_get_config *req = request(c);
	struct xvio_config *rsp = response(c);
	uint32_t len = le32toh(req->len);
	uint32_t generation;
	int err;

	if (len > XVIO_MAX_CONFIG_DATA)
		return -EINVAL;
	err = xvb_device_config_read(t->dev, le32toh(req->offset), rsp->data,
				     len, &generation);
	if (err)
		return err;
	rsp->generation = htole32(generation);
	rsp->offset = req->offset;
	rsp->len = req->len;
	return (int)(sizeof(*rsp) + len);
}

static int set_config(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_config *req = request(c);
	struct xvio_config *rsp = response(c);
	uint32_t len = le32toh(req->len);
	int err;

	if (len > XVIO_MAX_CONFIG_DATA || c->len != sizeof(*req) + len)
		return -EINVAL;
	err = xvb_device_config_write(t->dev, le32toh(req->generation),
				      le32toh(req->offset), req->data, len);
	if (err && err != -EAGAIN)
		return err;
	if (err)
		len = 0;
	rsp->generation = htole32(atomic_load(&t->dev->generation));
	rsp->offset = req->offset;
	rsp->len = htole32(len);
	memcpy(rsp->data, req->data, len);
	return (int)(sizeof(*rsp) + len);
}

static int answer_status(struct xvb_transport *t, const struct call *c)
{
	struct xvio_status *rsp = response(c);

	rsp->status = htole32(t->status);
	return sizeof(*rsp);
}

static bool accept_features(struct xvb_transport *t)
{
	struct xvb_error error = { "" };

	if (t->bad_features)
		xvb_error_set(&error, -EINVAL,
			      "the driver accepted features beyond 64, which were not offered");
	else if (!xvb_device_set_features(t->dev, t->features, &error))
		return true;
	if (xvb_ratelimit(&t->limit))
		xvb_warn("FEATURES_OK is refused: %s", error.text);
	return false;
}

static void start_driver(struct xvb_transport *t)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < t->dev->nr_queues; i++)
		if (xvb_queue_started(&t->dev->queues[i]))
			mask |= queue_bit(i);
	run_mask(t, mask);
}

static int set_device_status(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_status *req = request(c);
	uint32_t wanted = le32toh(req->status);
	uint32_t added;

	if (!wanted) {
		reset(t);
		return answer_status(t, c);
	}
	if (wanted & ~(STATUS_DRIVER_BITS | VIRTIO_CONFIG_S_NEEDS_RESET))
		return -EINVAL;
	/* Bits are only added; NEEDS_RESET is ours. */
	added = wanted & STATUS_DRIVER_BITS & ~t->status;
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && !accept_features(t))
		added &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
	if (!((t->status | added) & VIRTIO_CONFIG_S_FEATURES_OK))
		added &= ~(uint32_t)VIRTIO_CONFIG_S_DRIVER_OK;
	t->status |= added;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK)
		start_driver(t);
	return answer_status(t, c);
}

static int get_vqueue(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_vqueue_index *req = request(c);
	struct xvio_vqueue *rsp = response(c);
	uint32_t index = le32toh(req->index);
	const struct xvb_queue *q;

	memset(rsp, 0, sizeof(*rsp));
	rsp->index = req->index;
	if (index >= t->dev->nr_queues)
		return sizeof(*rsp);
	rsp->max_size = htole32(t->dev->queue_size);
	q = &t->dev->queues[index];
	if (xvb_queue_started(q)) {
		rsp->cur_size = htole32(q->vq.setup.size);
		rsp->flags = htole32(XVIO_VQUEUE_ENABLED);
		rsp->desc = htole64(q->vq.setup.desc);
		rsp->driver = htole64(q->vq.setup.driver);
		rsp->device = htole64(q->vq.setup.device);
	}
	return sizeof(*rsp);
}

static int set_vqueue(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_set_vqueue *req = request(c);
	uint32_t index = le32toh(req->index);
	struct xvb_error error = { "" };
	struct xvb_vq_setup setup;
	int err;

	if (index >= t->dev->nr_queues || req->reserved ||
	    le32toh(req->flags) != XVIO_VQUEUE_ENABLED ||
	    !(t->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	    !t->queues[index].bound)
		return -EINVAL;
	setup = (struct xvb_vq_setup){
		.size = le32toh(req->size),
		.desc = le64toh(req->desc),
		.driver = le64toh(req->driver),
		.device = le64toh(req->device),
		.inflight = t->queues[index].inflight,
		.inflight_len = t->queues[index].inflight_len,
	};
	err = xvb_queue_start(&t->dev->queues[index], &setup, &error);
	if (err) {
		if (xvb_ratelimit(&t->limit))
			xvb_warn("queue %u is not started: %s", index,
				 error.text);
		return err;
	}
	if (driver_ok(t))
		run_mask(t, queue_bit(index));
	return 0;
}

static int reset_vqueue(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_vqueue_index *req = request(c);
	uint32_t index = le32toh(req->index);

	if (index >= t->dev->nr_queues ||
	    !(t->dev->driver_features &
	      (UINT64_C(1) << VIRTIO_F_RING_RESET)))
		return -EINVAL;
	stop_queue(t, index);
	return 0;
}

/* Bus messages */

static int bus_result(const struct call *c, uint32_t error)
{
	struct xvio_bus_result *rsp = response(c);

	rsp->error = htole32(error);
	return sizeof(*rsp);
}

static int window_add(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_window *req = request(c);
	uint32_t first = le32toh(req->first_ref);
	uint32_t pages = le32toh(req->nr_pages);
	uint32_t flags = le32toh(req->flags);
	int err;

	if (flags & ~XVIO_WINDOW_READONLY || req->reserved)
		return -EINVAL;
	err = xvb_memory_add(t->mem, first, pages,
			     flags & XVIO_WINDOW_READONLY ? XVB_READ :
							    XVB_WRITE);
	switch (err) {
	case 0:
		return bus_result(c, XVIO_OK);
	case -EINVAL:
	case -EEXIST:
		return -EINVAL;
	case -ENOSPC:
		return -ENOSPC;
	default:
		if (xvb_ratelimit(&t->limit))
			xvb_warn("mapping %u grants from %u: %s", pages, first,
				 strerror(-err));
		return -EIO;
	}
}

static int window_remove(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_window *req = request(c);
	uint32_t first = le32toh(req->first_ref);
	uint32_t pages = le32toh(req->nr_pages);
	uint64_t mask = running_mask(t);
	int err;

	if (req->flags || req->reserved)
		return -EINVAL;
	err = xvb_memory_removable(t->mem, first, pages);
	if (err)
		return err;
	/*
	 * Nothing may be in flight in memory that is unmapped.  A device that
	 * has stopped answering must not make us deaf as well.
	 */
	if (try_park_mask(t, mask, WINDOW_REMOVE_MS))
		return bus_result(c, XVIO_EAGAIN);
	err = xvb_memory_remove(t->mem, first, pages);
	run_mask(t, mask);
	return err ? err : bus_result(c, XVIO_OK);
}

static int queue_bind(struct xvb_transport *t, const struct call *c)
{
	const struct xvio_queue_bind *req = request(c);
	uint32_t index = le32toh(req->index);
	uint64_t inflight = le64toh(req->inflight);
	uint32_t inflight_len = le32toh(req->inflight_len);
	struct xvb_memory_view view = { 0 };
	int err;

	if (index >= t->dev->nr_queues || req->reserved ||
	    !inflight != !inflight_len)
		return -EINVAL;
	if (xvb_queue_started(&t->dev->queues[index]))
		return -EBUSY;
	if (inflight && !xvb_memory_get(t->mem, &view, inflight, inflight_len,
					XVB_WRITE))
		return -EINVAL;
	stop_queue(t, index);
	err = t->ops->bind(t->ctx, index, le32toh(req->event_channel));
	if (err) {
		if (xvb_ratelimit(&t->limit))
			xvb_warn("binding port %u for queue %u: %s",
				 le32toh(req->event_channel), index,
				 strerror(-err));
		return bus_result(c, XVIO_EBIND);
	}
	t->queues[index].bound = true;
	t->queues[index].inflight = inflight;
	t->queues[index].inflight_len = inflight_len;
	return bus_result(c, XVIO_OK);
}

static const struct handler handlers[] = {
	{ 0, XVIO_MSG_GET_DEVICE_INFO, 0, 0, get_device_info },
	{ 0, XVIO_MSG_GET_DEVICE_FEATURES, sizeof(struct xvio_features),
	  sizeof(struct xvio_features), get_device_features },
	{ 0, XVIO_MSG_SET_DRIVER_FEATURES, sizeof(struct xvio_features),
	  XVIO_MSG_MAX, set_driver_features },
	{ 0, XVIO_MSG_GET_CONFIG, sizeof(struct xvio_get_config),
	  sizeof(struct xvio_get_config), get_config },
	{ 0, XVIO_MSG_SET_CONFIG, sizeof(struct xvio_config), XVIO_MSG_MAX,
	  set_config },
	{ 0, XVIO_MSG_GET_DEVICE_STATUS, 0, 0, answer_status },
	{ 0, XVIO_MSG_SET_DEVICE_STATUS, sizeof(struct xvio_status),
	  sizeof(struct xvio_status), set_device_status },
	{ 0, XVIO_MSG_GET_VQUEUE, sizeof(struct xvio_vqueue_index),
	  sizeof(struct xvio_vqueue_index), get_vqueue },
	{ 0, XVIO_MSG_SET_VQUEUE, sizeof(struct xvio_set_vqueue),
	  sizeof(struct xvio_set_vqueue), set_vqueue },
	{ 0, XVIO_MSG_RESET_VQUEUE, sizeof(struct xvio_vqueue_index),
	  sizeof(struct xvio_vqueue_index), reset_vqueue },
	{ XVIO_TYPE_BUS, XVIO_BUS_WINDOW_ADD, sizeof(struct xvio_window),
	  sizeof(struct xvio_window), window_add },
	{ XVIO_TYPE_BUS, XVIO_BUS_WINDOW_REMOVE, sizeof(struct xvio_window),
	  sizeof(struct xvio_window), window_remove },
	{ XVIO_TYPE_BUS, XVIO_BUS_QUEUE_BIND, sizeof(struct xvio_queue_bind),
	  sizeof(struct xvio_queue_bind), queue_bind },
};

static const struct handler *find_handler(const struct xvio_msg_hdr *hdr)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(handlers); i++)
		if (handlers[i].type == hdr->type &&
		    handlers[i].msg_id == hdr->msg_id)
			return &handlers[i];
	return NULL;
}

/* The answer to what cannot be carried out; length of its payload. */
static int refuse(struct xvb_transport *t, const struct call *c, int err)
{
	xvb_stat_add(&t->stats->refused, 1);
	if (!(c->req->hdr.type & XVIO_TYPE_BUS))
		return 0;
	switch (err) {
	case -ENOSPC:
		return bus_result(c, XVIO_ENOSPC);
	case -ENOENT:
		return bus_result(c, XVIO_ENOENT);
	case -EBUSY:
		return bus_result(c, XVIO_EBUSY);
	case -EOPNOTSUPP:
		return bus_result(c, XVIO_ENOTSUP);
	case -EINVAL:
		return bus_result(c, XVIO_EINVAL);
	default:
		return bus_result(c, XVIO_EMAP);
	}
}

static void answer(struct xvb_transport *t, const union xvb_msg *req)
{
	union xvb_msg rsp;
	struct call c = {
		.req = req,
		.len = le16toh(req->hdr.msg_size) - (uint32_t)XVIO_MSG_MIN,
		.rsp = &rsp,
	};
	const struct handler *h = find_handler(&req->hdr);
	int len;

	if (!h)
		len = -EOPNOTSUPP;
	else if (c.len < h->min_len || c.len > h->max_len)
		len = -EINVAL;
	else
		len = h->fn(t, &c);
	if (len < 0)
		len = refuse(t, &c, len);
	rsp.hdr = (struct xvio_msg_hdr){
		.type = req->hdr.type | XVIO_TYPE_RESPONSE,
		.msg_id = req->hdr.msg_id,
		.token = req->hdr.token,
		.msg_size = htole16((uint16_t)(XVIO_MSG_MIN + (size_t)len)),
	};
	xvb_ring_write(&t->ring, &rsp);
	xvb_stat_add(&t->stats->requests, 1);
}

static bool answerable(struct xvb_transport *t, const struct xvio_msg_hdr *hdr)
{
	if (!(hdr->type & ~XVIO_TYPE_BUS) && !hdr->dev_num && hdr->token)
		return true;
	xvb_stat_add(&t->stats->dropped, 1);
	if (xvb_ratelimit(&t->limit))
		xvb_warn("a message of the frontend is dropped: type %#x, id %#x, device %u, token %u",
			 hdr->type, hdr->msg_id, le16toh(hdr->dev_num),
			 le16toh(hdr->token));
	return false;
}

/* One event stands for all that happened since the last. */
static void send_event(struct xvb_transport *t)
{
	bool broken = atomic_exchange(&t->broken, false);
	bool changed = atomic_exchange(&t->changed, false);
	struct xvio_event_config *ev;
	union xvb_msg msg;

	if (broken && t->status)
		t->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	/* Before DRIVER_OK there is nobody whom it could interest. */
	if ((!broken && !changed) || !driver_ok(t))
		return;
	memset(&msg, 0, sizeof(msg));
	msg.hdr.msg_id = XVIO_MSG_EVENT_CONFIG;
	msg.hdr.msg_size = htole16(sizeof(msg.hdr) + sizeof(*ev));
	ev = (struct xvio_event_config *)(msg.raw + sizeof(msg.hdr));
	ev->status = htole32(t->status);
	ev->generation = htole32(atomic_load(&t->dev->generation));
	xvb_ring_write(&t->ring, &msg);
	xvb_stat_add(&t->stats->events, 1);
}

void xvb_transport_init(struct xvb_transport *t, struct xvb_device *dev,
			struct xvb_memory *mem,
			const struct xvb_transport_ops *ops, void *ctx)
{
	memset(t, 0, sizeof(*t));
	t->dev = dev;
	t->mem = mem;
	t->ops = ops;
	t->ctx = ctx;
	t->stats = &t->own;
}

void xvb_transport_connect(struct xvb_transport *t, void *intf, void *data)
{
	xvb_ring_init(&t->ring, intf, data);
	t->connected = true;
}

void xvb_transport_disconnect(struct xvb_transport *t)
{
	reset(t);
	t->connected = false;
}

int xvb_transport_process(struct xvb_transport *t, bool *notify,
			  struct xvb_error *err)
{
	union xvb_msg req;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < BATCH; i++) {
		/* Bounded: what is not answered stays on the ring. */
		if (!xvb_ring_can_write(&t->ring)) {
			ret = 0;
			break;
		}
		send_event(t);
		if (!xvb_ring_can_write(&t->ring)) {
			ret = 0;
			break;
		}
		ret = xvb_ring_read(&t->ring, &req, err);
		if (ret <= 0)
			break;
		if (answerable(t, &req.hdr))
			answer(t, &req);
	}
	*notify = xvb_ring_take_notify(&t->ring);
	return ret;
}

void xvb_transport_queue_broken(struct xvb_transport *t)
{
	atomic_store(&t->broken, true);
	t->ops->wake(t->ctx);
}

void xvb_transport_config_changed(struct xvb_transport *t)
{
	atomic_store(&t->changed, true);
	t->ops->wake(t->ctx);
}
