// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control channel: answers as docs/protocol.md says, and worse
 */

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "hostile.h"
#include "ring_intf.h"
#include "util.h"

#define FEATURE_BLOCKS	2

/* All revisions of WINDOW_ADD begin with these. */
struct range {
	__le32 first_ref;
	__le32 nr_pages;
};

int control_connect(struct hostile *h)
{
	uint32_t ref, port, data_ref;
	struct xvb_error error;
	void *intf, *data;
	int err;

	err = xvb_store_read_uint(h->st, h->front, XVIO_NODE_RING_REF,
				  UINT32_MAX, &ref);
	if (!err)
		err = xvb_store_read_uint(h->st, h->front,
					  XVIO_NODE_EVENT_CHANNEL, UINT32_MAX,
					  &port);
	if (err)
		return err;
	intf = grants_map(h, ref, 1, true);
	if (!intf)
		return -EFAULT;
	err = xvb_ring_data_ref(intf, &data_ref, &error);
	if (err)
		goto err_unmap;
	err = -EFAULT;
	data = grants_map(h, data_ref, 1, true);
	if (!data)
		goto err_unmap;
	err = xvb_evtchn_bind(h->control, port);
	if (err)
		goto err_unmap_data;
	xvb_ring_init(&h->ring, intf, data);
	h->connected = true;
	return 0;

err_unmap_data:
	grants_unmap(h, data, 1);
err_unmap:
	grants_unmap(h, intf, 1);
	return err;
}

void control_disconnect(struct hostile *h)
{
	if (!h->connected)
		return;
	queue_stop(h);
	while (h->nr_windows)
		window_remove(h, h->window[0].first, h->window[0].pages);
	xvb_evtchn_unbind(h->control);
	grants_unmap(h, h->ring.in, 1);
	grants_unmap(h, h->ring.intf, 1);
	h->connected = false;
	h->status = 0;
}

bool control_push(struct hostile *h, const void *bytes, uint32_t len)
{
	const unsigned char *from = bytes;
	struct xvio_data_intf *intf = h->ring.intf;
	uint32_t i;

	if (!h->connected || !xvb_ring_can_write(&h->ring))
		return false;
	for (i = 0; i < len; i++)
		h->ring.in[h->ring.in_prod++ & (XVB_RING_BYTES - 1)] = from[i];
	__atomic_store_n(&intf->in_prod, h->ring.in_prod, __ATOMIC_RELEASE);
	xvb_evtchn_notify(h->control);
	return true;
}

bool control_event(struct hostile *h)
{
	struct xvio_event_config *ev;
	union xvb_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.hdr.msg_id = XVIO_MSG_EVENT_CONFIG;
	msg.hdr.msg_size = htole16(sizeof(msg.hdr) + sizeof(*ev));
	ev = payload(&msg);
	ev->status = htole32(h->status);
	ev->generation = htole32(h->generation);
	return control_push(h, &msg, sizeof(msg.hdr) + sizeof(*ev));
}

static uint32_t get_device_info(struct hostile *h, void *rsp)
{
	struct xvio_device_info *info = rsp;

	info->device_id = htole32(h->device_id);
	info->vendor_id = htole32(0x5853);
	info->num_feature_blocks = htole32(FEATURE_BLOCKS);
	info->config_size = htole32(h->config_size);
	info->max_vqs = htole32(h->max_vqs);
	return sizeof(*info);
}

static uint32_t get_features(struct hostile *h, const void *req, void *rsp)
{
	const struct xvio_features *want = req;
	struct xvio_features *f = rsp;
	uint32_t count = le32toh(want->num_blocks);
	uint32_t i, block;

	if (count > XVIO_MAX_FEATURE_BLOCKS)
		return 0;
	f->block_index = want->block_index;
	f->num_blocks = want->num_blocks;
	for (i = 0; i < count; i++) {
		block = le32toh(want->block_index) + i;
		f->bits[i] = block < FEATURE_BLOCKS ?
			     htole32((uint32_t)(h->features >> (32 * block))) : 0;
	}
	return (uint32_t)(sizeof(*f) + count * sizeof(f->bits[0]));
}

static uint32_t set_features(struct hostile *h, const void *req)
{
	const struct xvio_features *f = req;

	if (le32toh(f->num_blocks) == FEATURE_BLOCKS)
		h->driver_features = le32toh(f->bits[0]) |
				     (uint64_t)le32toh(f->bits[1]) << 32;
	return 0;
}

static uint32_t get_config(struct hostile *h, const void *req, void *rsp)
{
	const struct xvio_get_config *want = req;
	struct xvio_config *c = rsp;
	uint32_t offset = le32toh(want->offset), len = le32toh(want->len);

	if (len > XVIO_MAX_CONFIG_DATA)
		return 0;
	c->generation = htole32(h->generation);
	c->offset = want->offset;
	c->len = want->len;
	/* A device may say that it has more than there is room for here. */
	memset(c->data, 0, len);
	if (offset < HOSTILE_CONFIG_SIZE)
		memcpy(c->data, h->config + offset,
		       len < HOSTILE_CONFIG_SIZE - offset ?
		       len : HOSTILE_CONFIG_SIZE - offset);
	return (uint32_t)(sizeof(*c) + len);
}

static uint32_t set_config(struct hostile *h, const void *req, void *rsp,
			   uint32_t len)
{
	struct xvio_config *c = rsp;

	memcpy(rsp, req, len);
	c->generation = htole32(h->generation);
	return len;
}

static uint32_t get_status(struct hostile *h, void *rsp)
{
	struct xvio_status *s = rsp;

	s->status = htole32(h->status);
	return sizeof(*s);
}

static uint32_t set_status(struct hostile *h, const void *req, void *rsp)
{
	const struct xvio_status *s = req;
	uint32_t added = le32toh(s->status) & ~h->status;

	if (!s->status) {
		queue_stop(h);
		h->status = 0;
		return get_status(h, rsp);
	}
	h->status |= added;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK) {
		milestone("ready");
		queue_work(h);
	}
	return get_status(h, rsp);
}

static uint32_t get_vqueue(struct hostile *h, const void *req, void *rsp)
{
	const struct xvio_vqueue_index *want = req;
	struct xvio_vqueue *v = rsp;

	memset(v, 0, sizeof(*v));
	v->index = want->index;
	if (le32toh(want->index) >= h->max_vqs)
		return sizeof(*v);
	v->max_size = htole32(h->queue_size);
	if (!want->index && h->queue.enabled) {
		v->cur_size = htole32(h->queue.size);
		v->flags = htole32(XVIO_VQUEUE_ENABLED);
		v->desc = htole64(h->queue.addr[0]);
		v->driver = htole64(h->queue.addr[1]);
		v->device = htole64(h->queue.addr[2]);
	}
	return sizeof(*v);
}

static uint32_t set_vqueue(struct hostile *h, const void *req)
{
	const struct xvio_set_vqueue *set = req;
	struct queue *q = &h->queue;

	if (set->index || !set->size)
		return 0;
	q->size = le32toh(set->size);
	q->addr[0] = le64toh(set->desc);
	q->addr[1] = le64toh(set->driver);
	q->addr[2] = le64toh(set->device);
	queue_start(h);
	return 0;
}

static uint32_t bus_result(void *rsp, uint32_t error)
{
	struct xvio_bus_result *r = rsp;

	r->error = htole32(error);
	return sizeof(*r);
}

static uint32_t queue_bind(struct hostile *h, const void *req, void *rsp)
{
	const struct xvio_queue_bind *bind = req;
	int err;

	if (bind->index)
		return bus_result(rsp, XVIO_EINVAL);
	queue_stop(h);
	err = xvb_evtchn_bind(h->queue.ec, le32toh(bind->event_channel));
	if (err)
		return bus_result(rsp, XVIO_EBIND);
	h->queue.bound = true;
	h->queue.record = window_ptr(h, le64toh(bind->inflight),
				     le32toh(bind->inflight_len));
	return bus_result(rsp, XVIO_OK);
}

static uint32_t window_request(struct hostile *h, const void *req, void *rsp,
			       int (*fn)(struct hostile *h, uint32_t first,
					 uint32_t pages))
{
	const struct range *range = req;
	int err = fn(h, le32toh(range->first_ref), le32toh(range->nr_pages));

	return bus_result(rsp, err ? XVIO_EMAP : XVIO_OK);
}

/* What a correct backend answers; the length of the payload. */
static uint32_t answer_bus(struct hostile *h, uint8_t id, const void *req,
			   void *rsp)
{
	switch (id) {
	case XVIO_BUS_WINDOW_ADD:
		return window_request(h, req, rsp, window_add);
	case XVIO_BUS_WINDOW_REMOVE:
		return window_request(h, req, rsp, window_remove);
	case XVIO_BUS_QUEUE_BIND:
		return queue_bind(h, req, rsp);
	default:
		return bus_result(rsp, XVIO_ENOTSUP);
	}
}

static uint32_t answer(struct hostile *h, uint8_t id, const void *req,
		       uint32_t len, void *rsp)
{
	switch (id) {
	case XVIO_MSG_GET_DEVICE_INFO:
		return get_device_info(h, rsp);
	case XVIO_MSG_GET_DEVICE_FEATURES:
		return get_features(h, req, rsp);
	case XVIO_MSG_SET_DRIVER_FEATURES:
		return set_features(h, req);
	case XVIO_MSG_GET_CONFIG:
		return get_config(h, req, rsp);
	case XVIO_MSG_SET_CONFIG:
		return set_config(h, req, rsp, len);
	case XVIO_MSG_GET_DEVICE_STATUS:
		return get_status(h, rsp);
	case XVIO_MSG_SET_DEVICE_STATUS:
		return set_status(h, req, rsp);
	case XVIO_MSG_GET_VQUEUE:
		return get_vqueue(h, req, rsp);
	case XVIO_MSG_SET_VQUEUE:
		return set_vqueue(h, req);
	case XVIO_MSG_RESET_VQUEUE:
		queue_stop(h);
		return 0;
	default:
		return 0;
	}
}

static void handle(struct hostile *h, union xvb_msg *req)
{
	uint32_t len = le16toh(req->hdr.msg_size) - (uint32_t)XVIO_MSG_MIN;
	union xvb_msg rsp;

	/* A request may be shorter than what its handler reads. */
	memset(req->raw + XVIO_MSG_MIN + len, 0,
	       XVIO_MSG_MAX - XVIO_MSG_MIN - len);
	memset(&rsp, 0, sizeof(rsp));
	if (req->hdr.type & XVIO_TYPE_BUS)
		len = answer_bus(h, req->hdr.msg_id, payload(req),
				 payload(&rsp));
	else
		len = answer(h, req->hdr.msg_id, payload(req), len,
			     payload(&rsp));
	rsp.hdr = (struct xvio_msg_hdr){
		.type = req->hdr.type | XVIO_TYPE_RESPONSE,
		.msg_id = req->hdr.msg_id,
		.token = req->hdr.token,
		.msg_size = htole16((uint16_t)(XVIO_MSG_MIN + len)),
	};
	if (!h->due || !h->sin->answer || h->sin->answer(h, req, &rsp))
		control_push(h, &rsp, le16toh(rsp.hdr.msg_size));
}

void control_work(struct hostile *h)
{
	struct xvb_error error;
	union xvb_msg req;

	while (h->connected && xvb_ring_read(&h->ring, &req, &error) > 0)
		handle(h, &req);
}
