// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control channel: every message, and what a hostile frontend can send
 */

#include <endian.h>
#include <errno.h>
#include <stdio.h>

#include "guest.h"
#include "ring_intf.h"
#include "transport.h"

#define QUEUES		2
#define QUEUE_SIZE	8
#define CONFIG_SIZE	16
#define DATA_REF	77
#define FEATURES	(GUEST_BASE | BIT64(VIRTIO_F_RING_RESET) | BIT64(5))

#define OK_STATUS \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
	 VIRTIO_CONFIG_S_FEATURES_OK)

/* A frontend, with the surroundings of the backend under test. */
struct front {
	struct guest g;
	struct xvb_device dev;
	struct xvb_queue queues[QUEUES];
	unsigned char config[CONFIG_SIZE];
	struct xvb_transport t;
	unsigned char *pages;		/* interface and data page */
	struct xvio_data_intf *intf;
	uint32_t out_prod;
	uint32_t in_cons;
	uint16_t token;
	uint32_t bound[QUEUES];		/* port, or 0 */
	bool running[QUEUES];
	unsigned int parks;
	unsigned int runs;
	unsigned int wakes;
	unsigned int resets;
	int fail_bind;
	bool break_in_park;
	bool stuck;	/* I/O does not end */
	bool notified;
	struct xvb_error err;
};

/* The device */

static void dev_reset(struct xvb_device *dev)
{
	struct front *f = dev->host_ctx;

	f->resets++;
}

static void dev_config_read(struct xvb_device *dev, uint32_t offset, void *buf,
			    uint32_t len)
{
	struct front *f = dev->host_ctx;

	memcpy(buf, f->config + offset, len);
}

static int dev_config_write(struct xvb_device *dev, uint32_t offset,
			    const void *buf, uint32_t len)
{
	struct front *f = dev->host_ctx;

	memcpy(f->config + offset, buf, len);
	return 0;
}

static int dev_queue_start(struct xvb_queue *q, struct xvb_error *err)
{
	(void)q;
	(void)err;
	return 0;
}

static void dev_queue_nop(struct xvb_queue *q)
{
	(void)q;
}

static const struct xvb_device_ops dev_ops = {
	.name = "test",
	.device_id = 42,
	.reset = dev_reset,
	.config_read = dev_config_read,
	.config_write = dev_config_write,
	.queue_start = dev_queue_start,
	.queue_drain = dev_queue_nop,
	.queue_stop = dev_queue_nop,
};

static const struct xvb_host_ops host_ops;

/* The surroundings */

static int op_bind(void *ctx, unsigned int queue, uint32_t port)
{
	struct front *f = ctx;

	if (f->fail_bind)
		return f->fail_bind;
	assert_int_equal(f->bound[queue], 0);
	f->bound[queue] = port;
	return 0;
}

static void op_unbind(void *ctx, unsigned int queue)
{
	struct front *f = ctx;

	f->bound[queue] = 0;
}

static void op_run(void *ctx, unsigned int queue)
{
	struct front *f = ctx;

	assert_true(xvb_queue_started(&f->dev.queues[queue]));
	f->running[queue] = true;
	f->runs++;
}

static int op_park(void *ctx, uint64_t mask, int ms)
{
	struct front *f = ctx;
	unsigned int i;

	if (ms >= 0 && f->stuck)
		return -EBUSY;
	for (i = 0; i < QUEUES; i++)
		if (mask & BIT64(i))
			f->running[i] = false;
	f->parks++;
	if (f->break_in_park)
		xvb_transport_queue_broken(&f->t);
	return 0;
}

static void op_wake(void *ctx)
{
	struct front *f = ctx;

	f->wakes++;
}

static const struct xvb_transport_ops transport_ops = {
	.bind = op_bind,
	.unbind = op_unbind,
	.run = op_run,
	.park = op_park,
	.wake = op_wake,
};

static int set_up(void **state)
{
	struct front *f = calloc(1, sizeof(*f));
	unsigned int i;

	assert_non_null(f);
	guest_init(&f->g, 4);
	f->dev.ops = &dev_ops;
	f->dev.features = FEATURES;
	f->dev.config_size = CONFIG_SIZE;
	f->dev.nr_queues = QUEUES;
	f->dev.queue_size = QUEUE_SIZE;
	f->dev.queues = f->queues;
	for (i = 0; i < QUEUES; i++) {
		f->queues[i].dev = &f->dev;
		f->queues[i].index = i;
	}
	f->pages = aligned_alloc(GUEST_PAGE, 2 * GUEST_PAGE);
	assert_non_null(f->pages);
	memset(f->pages, 0, 2 * GUEST_PAGE);
	f->intf = (struct xvio_data_intf *)f->pages;
	f->intf->ref[0] = DATA_REF;
	xvb_device_bind(&f->dev, &f->g.mem, &host_ops, f);
	xvb_transport_init(&f->t, &f->dev, &f->g.mem, &transport_ops, f);
	xvb_transport_connect(&f->t, f->pages, f->pages + GUEST_PAGE);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct front *f = *state;

	xvb_transport_disconnect(&f->t);
	assert_false(f->running[0] || f->running[1]);
	assert_int_equal(f->bound[0] | f->bound[1], 0);
	guest_destroy(&f->g);
	free(f->pages);
	free(f);
	return 0;
}

/* The frontend's side of the ring, with Xen's own helpers */

static void put(struct front *f, const void *msg, uint32_t len)
{
	RING_IDX prod = xvio_mask(f->out_prod, XVB_RING_BYTES);
	RING_IDX cons = xvio_mask(f->intf->out_cons, XVB_RING_BYTES);

	xvio_write_packet(f->pages + GUEST_PAGE + XVB_RING_BYTES, msg, len,
			  &prod, cons, XVB_RING_BYTES);
	f->out_prod += len;
	f->intf->out_prod = f->out_prod;
}

static bool get(struct front *f, union xvb_msg *msg)
{
	RING_IDX prod = xvio_mask(f->intf->in_prod, XVB_RING_BYTES);
	RING_IDX cons = xvio_mask(f->in_cons, XVB_RING_BYTES);
	const unsigned char *in = f->pages + GUEST_PAGE;
	RING_IDX at = cons;

	if (f->intf->in_prod == f->in_cons)
		return false;
	xvio_read_packet(&msg->hdr, in, sizeof(msg->hdr), prod, &at,
			 XVB_RING_BYTES);
	at = cons;
	xvio_read_packet(msg, in, le16toh(msg->hdr.msg_size), prod, &at,
			 XVB_RING_BYTES);
	f->in_cons += le16toh(msg->hdr.msg_size);
	f->intf->in_cons = f->in_cons;
	return true;
}

static int process(struct front *f)
{
	return xvb_transport_process(&f->t, &f->notified, &f->err);
}

static void send_msg(struct front *f, uint8_t type, uint8_t id,
		     const void *payload, uint32_t len)
{
	union xvb_msg msg = { .hdr = {
		.type = type,
		.msg_id = id,
		.token = htole16(++f->token),
		.msg_size = htole16((uint16_t)(sizeof(msg.hdr) + len)),
	} };

	if (len)
		memcpy(msg.raw + sizeof(msg.hdr), payload, len);
	put(f, &msg, sizeof(msg.hdr) + len);
}

/* Sends, checks the header of the answer, returns the payload's length. */
static uint32_t call(struct front *f, uint8_t type, uint8_t id,
		     const void *payload, uint32_t len, union xvb_msg *rsp)
{
	send_msg(f, type, id, payload, len);
	assert_int_equal(process(f), 0);
	assert_true(f->notified);
	assert_true(get(f, rsp));
	assert_int_equal(rsp->hdr.type, type | XVIO_TYPE_RESPONSE);
	assert_int_equal(rsp->hdr.msg_id, id);
	assert_int_equal(rsp->hdr.dev_num, 0);
	assert_int_equal(le16toh(rsp->hdr.token), f->token);
	return le16toh(rsp->hdr.msg_size) - (uint32_t)sizeof(rsp->hdr);
}

static void *payload_of(union xvb_msg *msg)
{
	return msg->raw + sizeof(msg->hdr);
}

static uint32_t bus(struct front *f, uint8_t id, const void *payload,
		    uint32_t len)
{
	union xvb_msg rsp;
	struct xvio_bus_result *r = payload_of(&rsp);

	assert_int_equal(call(f, XVIO_TYPE_BUS, id, payload, len, &rsp),
			 sizeof(*r));
	return le32toh(r->error);
}

static uint32_t set_status(struct front *f, uint32_t status)
{
	struct xvio_status req = { .status = htole32(status) };
	union xvb_msg rsp;
	struct xvio_status *r = payload_of(&rsp);

	if (call(f, 0, XVIO_MSG_SET_DEVICE_STATUS, &req, sizeof(req), &rsp) !=
	    sizeof(*r))
		return UINT32_MAX;
	return le32toh(r->status);
}

static void set_features(struct front *f, uint32_t block, uint32_t bits)
{
	uint32_t req[3] = { htole32(block), htole32(1), htole32(bits) };
	union xvb_msg rsp;

	assert_int_equal(call(f, 0, XVIO_MSG_SET_DRIVER_FEATURES, req,
			      sizeof(req), &rsp), 0);
}

static void accept_features(struct front *f)
{
	set_features(f, 0, (uint32_t)FEATURES);
	set_features(f, 1, (uint32_t)(FEATURES >> 32));
	assert_int_equal(set_status(f, OK_STATUS), OK_STATUS);
}

static uint32_t queue_bind(struct front *f, uint32_t index, uint32_t port)
{
	struct xvio_queue_bind req = {
		.index = htole32(index),
		.event_channel = htole32(port),
	};

	return bus(f, XVIO_BUS_QUEUE_BIND, &req, sizeof(req));
}

static struct xvio_set_vqueue queue_at(uint32_t index, uint32_t off)
{
	return (struct xvio_set_vqueue){
		.index = htole32(index),
		.flags = htole32(XVIO_VQUEUE_ENABLED),
		.size = htole32(QUEUE_SIZE),
		.desc = htole64(guest_addr(off)),
		.driver = htole64(guest_addr(off + 512)),
		.device = htole64(guest_addr(off + 1024)),
	};
}

static bool enabled(struct front *f, uint32_t index)
{
	struct xvio_vqueue_index req = { .index = htole32(index) };
	union xvb_msg rsp;
	struct xvio_vqueue *r = payload_of(&rsp);

	assert_int_equal(call(f, 0, XVIO_MSG_GET_VQUEUE, &req, sizeof(req),
			      &rsp), sizeof(*r));
	return le32toh(r->flags) & XVIO_VQUEUE_ENABLED;
}

static void set_queue(struct front *f, const struct xvio_set_vqueue *req)
{
	union xvb_msg rsp;

	assert_int_equal(call(f, 0, XVIO_MSG_SET_VQUEUE, req, sizeof(*req),
			      &rsp), 0);
}

/* Both queues enabled and, with @ok, running. */
static void start(struct front *f, bool ok)
{
	struct xvio_set_vqueue q;
	uint32_t i;

	accept_features(f);
	for (i = 0; i < QUEUES; i++) {
		assert_int_equal(queue_bind(f, i, 10 + i), XVIO_OK);
		q = queue_at(i, i * 2048);
		set_queue(f, &q);
		assert_true(enabled(f, i));
	}
	if (ok)
		assert_int_equal(set_status(f, OK_STATUS |
					    VIRTIO_CONFIG_S_DRIVER_OK),
				 OK_STATUS | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* What it must do */

static void test_order(void **state)
{
	struct front *f = *state;
	uint32_t ref = 0;

	assert_int_equal(xvb_ring_data_ref(f->pages, &ref, &f->err), 0);
	assert_int_equal(ref, DATA_REF);
	f->intf->ring_order = 1;
	assert_int_equal(xvb_ring_data_ref(f->pages, &ref, &f->err), -EPROTO);
	f->intf->ring_order = UINT32_MAX;
	assert_int_equal(xvb_ring_data_ref(f->pages, &ref, &f->err), -EPROTO);
}

static void test_info(void **state)
{
	struct front *f = *state;
	union xvb_msg rsp;
	struct xvio_device_info *r = payload_of(&rsp);

	assert_int_equal(call(f, 0, XVIO_MSG_GET_DEVICE_INFO, NULL, 0, &rsp),
			 sizeof(*r));
	assert_int_equal(le32toh(r->device_id), 42);
	assert_int_equal(le32toh(r->config_size), CONFIG_SIZE);
	assert_int_equal(le32toh(r->max_vqs), QUEUES);
	assert_int_equal(le32toh(r->num_feature_blocks), 2);
	assert_int_equal(r->admin_vq_count, 0);
}

static void test_get_features(void **state)
{
	struct front *f = *state;
	struct xvio_features req = { .num_blocks = htole32(8) };
	union xvb_msg rsp;
	struct xvio_features *r = payload_of(&rsp);
	unsigned int i;

	assert_int_equal(call(f, 0, XVIO_MSG_GET_DEVICE_FEATURES, &req,
			      sizeof(req), &rsp), sizeof(*r) + 32);
	assert_int_equal(le32toh(r->bits[0]), (uint32_t)FEATURES);
	assert_int_equal(le32toh(r->bits[1]), (uint32_t)(FEATURES >> 32));
	for (i = 2; i < 8; i++)
		assert_int_equal(r->bits[i], 0);
	/* The last index is not followed by the first. */
	req.block_index = htole32(UINT32_MAX);
	req.num_blocks = htole32(3);
	assert_int_equal(call(f, 0, XVIO_MSG_GET_DEVICE_FEATURES, &req,
			      sizeof(req), &rsp), sizeof(*r) + 12);
	assert_int_equal(r->bits[0] | r->bits[1] | r->bits[2], 0);
	req.num_blocks = htole32(9);
	assert_int_equal(call(f, 0, XVIO_MSG_GET_DEVICE_FEATURES, &req,
			      sizeof(req), &rsp), 0);
}

static void test_features_ok(void **state)
{
	struct front *f = *state;

	/* Nothing accepted, then not ACCESS_PLATFORM. */
	assert_int_equal(set_status(f, OK_STATUS),
			 OK_STATUS & ~VIRTIO_CONFIG_S_FEATURES_OK);
	set_features(f, 1, 1U << (VIRTIO_F_VERSION_1 - 32));
	assert_int_equal(set_status(f, OK_STATUS),
			 OK_STATUS & ~VIRTIO_CONFIG_S_FEATURES_OK);
	/* A bit that was not offered. */
	set_features(f, 1, (uint32_t)(FEATURES >> 32));
	set_features(f, 0, 1U << 6);
	assert_int_equal(set_status(f, OK_STATUS),
			 OK_STATUS & ~VIRTIO_CONFIG_S_FEATURES_OK);
	/* One beyond 64; reset forgets it. */
	set_features(f, 0, 0);
	set_features(f, 2, 1);
	assert_int_equal(set_status(f, OK_STATUS),
			 OK_STATUS & ~VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(set_status(f, 0), 0);
	accept_features(f);
	assert_int_equal(f->dev.driver_features, FEATURES);
	/* After FEATURES_OK nothing changes any more. */
	set_features(f, 0, 0);
	assert_int_equal(f->t.features, FEATURES);
}

static void test_status(void **state)
{
	struct front *f = *state;
	const uint32_t driver = VIRTIO_CONFIG_S_ACKNOWLEDGE |
				VIRTIO_CONFIG_S_DRIVER;

	/* DRIVER_OK needs FEATURES_OK; bits are not taken back. */
	assert_int_equal(set_status(f, driver | VIRTIO_CONFIG_S_DRIVER_OK),
			 driver);
	assert_int_equal(set_status(f, VIRTIO_CONFIG_S_ACKNOWLEDGE), driver);
	/* NEEDS_RESET is the device's; unknown bits are refused. */
	assert_int_equal(set_status(f, driver | VIRTIO_CONFIG_S_NEEDS_RESET),
			 driver);
	assert_int_equal(set_status(f, 0x100), UINT32_MAX);
	assert_int_equal(set_status(f, 0), 0);
}

static void test_config(void **state)
{
	struct front *f = *state;
	unsigned char buf[sizeof(struct xvio_config) + 4];
	struct xvio_config *set = (struct xvio_config *)buf;
	struct xvio_get_config req = { .offset = htole32(4), .len = htole32(8) };
	union xvb_msg rsp;
	struct xvio_config *r = payload_of(&rsp);

	memcpy(f->config, "0123456789abcdef", CONFIG_SIZE);
	atomic_store(&f->dev.generation, 7);
	assert_int_equal(call(f, 0, XVIO_MSG_GET_CONFIG, &req, sizeof(req),
			      &rsp), sizeof(*r) + 8);
	assert_int_equal(le32toh(r->generation), 7);
	assert_memory_equal(r->data, "456789ab", 8);

	*set = (struct xvio_config){
		.generation = htole32(6), .offset = htole32(2), .len = htole32(4)
	};
	memcpy(set->data, "WXYZ", 4);
	assert_int_equal(call(f, 0, XVIO_MSG_SET_CONFIG, buf, sizeof(buf),
			      &rsp), sizeof(*r));
	assert_int_equal(r->len, 0);
	assert_int_equal(le32toh(r->generation), 7);
	set->generation = htole32(7);
	assert_int_equal(call(f, 0, XVIO_MSG_SET_CONFIG, buf, sizeof(buf),
			      &rsp), sizeof(*r) + 4);
	assert_memory_equal(f->config, "01WXYZ6789abcdef", CONFIG_SIZE);
}

static void test_config_range(void **state)
{
	static const struct { uint32_t offset, len; } bad[] = {
		{ 0, 17 }, { 16, 1 }, { 17, 0 }, { UINT32_MAX, 1 },
		{ 8, UINT32_MAX }, { UINT32_MAX, UINT32_MAX }, { 0, 245 },
	};
	struct front *f = *state;
	unsigned int i;
	union xvb_msg rsp;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct xvio_get_config req = {
			.offset = htole32(bad[i].offset),
			.len = htole32(bad[i].len),
		};
		struct xvio_config set = {
			.offset = htole32(bad[i].offset),
			.len = htole32(bad[i].len),
		};

		assert_int_equal(call(f, 0, XVIO_MSG_GET_CONFIG, &req,
				      sizeof(req), &rsp), 0);
		/* Its length does not say what len says. */
		if (bad[i].len)
			assert_int_equal(call(f, 0, XVIO_MSG_SET_CONFIG, &set,
					      sizeof(set), &rsp), 0);
	}
}

static void test_queues(void **state)
{
	struct front *f = *state;

	start(f, false);
	assert_int_equal(f->runs, 0);
	assert_int_equal(f->bound[0], 10);
	assert_int_equal(f->bound[1], 11);
	assert_int_equal(set_status(f, OK_STATUS | VIRTIO_CONFIG_S_DRIVER_OK),
			 OK_STATUS | VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(f->running[0] && f->running[1]);
	assert_int_equal(f->runs, 2);
	/* An enabled queue is not bound again. */
	assert_int_equal(queue_bind(f, 0, 12), XVIO_EBUSY);
	assert_int_equal(f->bound[0], 10);
	assert_int_equal(set_status(f, 0), 0);
	assert_false(f->running[0] || f->running[1]);
	assert_int_equal(f->bound[0] | f->bound[1], 0);
	assert_false(enabled(f, 0) || enabled(f, 1));
	assert_int_equal(f->resets, 1);
	/* The windows are still there: the same again. */
	start(f, true);
	assert_true(f->running[0] && f->running[1]);
}

static void test_reset_queue(void **state)
{
	struct front *f = *state;
	struct xvio_vqueue_index req = { .index = htole32(1) };
	struct xvio_set_vqueue q = queue_at(1, 2048);
	union xvb_msg rsp;

	start(f, true);
	assert_int_equal(call(f, 0, XVIO_MSG_RESET_VQUEUE, &req, sizeof(req),
			      &rsp), 0);
	assert_true(f->running[0]);
	assert_false(f->running[1] || enabled(f, 1));
	assert_int_equal(f->bound[1], 0);
	/* It begins again at once: DRIVER_OK is set. */
	assert_int_equal(queue_bind(f, 1, 20), XVIO_OK);
	set_queue(f, &q);
	assert_true(f->running[1]);
	/* Without the feature there is no such thing. */
	f->dev.driver_features &= ~BIT64(VIRTIO_F_RING_RESET);
	call(f, 0, XVIO_MSG_RESET_VQUEUE, &req, sizeof(req), &rsp);
	assert_true(f->running[1] && enabled(f, 1));
}

static void test_bad_queues(void **state)
{
	struct front *f = *state;
	struct xvio_set_vqueue q = queue_at(0, 0);

	accept_features(f);
	set_queue(f, &q);		/* not bound */
	assert_false(enabled(f, 0));
	assert_int_equal(queue_bind(f, 0, 9), XVIO_OK);
	q.index = htole32(QUEUES);
	set_queue(f, &q);
	assert_false(enabled(f, QUEUES));
	assert_false(enabled(f, UINT32_MAX));
	q = queue_at(0, 0);
	q.reserved = htole32(1);
	set_queue(f, &q);
	q = queue_at(0, 0);
	q.flags = htole32(3);
	set_queue(f, &q);
	q = queue_at(0, 0);
	q.size = htole32(6);
	set_queue(f, &q);
	q.size = htole32(2 * QUEUE_SIZE);
	set_queue(f, &q);
	q = queue_at(0, 0);
	q.desc = 0;			/* not a grant */
	set_queue(f, &q);
	q = queue_at(0, 0);
	q.device = htole64(guest_addr(4 * GUEST_PAGE));
	set_queue(f, &q);
	assert_false(enabled(f, 0));
	q = queue_at(0, 0);
	set_queue(f, &q);
	assert_true(enabled(f, 0));
}

static void test_needs_features(void **state)
{
	struct front *f = *state;
	struct xvio_set_vqueue q = queue_at(0, 0);

	assert_int_equal(queue_bind(f, 0, 9), XVIO_OK);
	set_queue(f, &q);
	assert_false(enabled(f, 0));
}

static void test_bind(void **state)
{
	struct front *f = *state;
	struct xvio_queue_bind req = {
		.event_channel = htole32(5),
		.inflight = htole64(guest_addr(0)),
		.inflight_len = htole32(100),
	};

	assert_int_equal(queue_bind(f, QUEUES, 5), XVIO_EINVAL);
	assert_int_equal(queue_bind(f, UINT32_MAX, 5), XVIO_EINVAL);
	f->fail_bind = -EINVAL;
	assert_int_equal(queue_bind(f, 0, 5), XVIO_EBIND);
	f->fail_bind = 0;
	assert_int_equal(bus(f, XVIO_BUS_QUEUE_BIND, &req, sizeof(req)),
			 XVIO_OK);
	/* Again, with another port: the first is let go. */
	assert_int_equal(queue_bind(f, 0, 6), XVIO_OK);
	assert_int_equal(f->bound[0], 6);
	req.inflight_len = htole32(4 * GUEST_PAGE + 1);
	assert_int_equal(bus(f, XVIO_BUS_QUEUE_BIND, &req, sizeof(req)),
			 XVIO_EINVAL);
	req.inflight_len = 0;
	assert_int_equal(bus(f, XVIO_BUS_QUEUE_BIND, &req, sizeof(req)),
			 XVIO_EINVAL);
	req.inflight = htole64(4096);
	req.inflight_len = htole32(16);
	assert_int_equal(bus(f, XVIO_BUS_QUEUE_BIND, &req, sizeof(req)),
			 XVIO_EINVAL);
	req = (struct xvio_queue_bind){ .reserved = htole32(1) };
	assert_int_equal(bus(f, XVIO_BUS_QUEUE_BIND, &req, sizeof(req)),
			 XVIO_EINVAL);
}

static uint32_t window(struct front *f, uint8_t id, uint32_t ref, uint32_t n)
{
	struct xvio_window req = {
		.first_ref = htole32(ref),
		.nr_pages = htole32(n),
	};

	return bus(f, id, &req, sizeof(req));
}

/* T22: rings of the driver in a read-only window, and what must not be there */
static void test_readonly_window(void **state)
{
	struct front *f = *state;
	uint64_t ro = XVIO_ADDR_GRANT | 500ULL << 12;
	struct xvio_window req = {
		.first_ref = htole32(500),
		.nr_pages = htole32(2),
		.flags = htole32(XVIO_WINDOW_READONLY),
	};
	struct xvio_queue_bind record = {
		.event_channel = htole32(7),
		.inflight = htole64(ro),
		.inflight_len = htole32(1024),
	};
	struct xvio_set_vqueue q = queue_at(0, 0);

	assert_int_equal(bus(f, XVIO_BUS_WINDOW_ADD, &req, sizeof(req)),
			 XVIO_OK);
	accept_features(f);
	assert_int_equal(bus(f, XVIO_BUS_QUEUE_BIND, &record, sizeof(record)),
			 XVIO_EINVAL);
	record.inflight = htole64(guest_addr(3 * GUEST_PAGE));
	assert_int_equal(bus(f, XVIO_BUS_QUEUE_BIND, &record, sizeof(record)),
			 XVIO_OK);
	q.device = htole64(ro);
	set_queue(f, &q);
	assert_false(enabled(f, 0));
	q = queue_at(0, 0);
	q.desc = htole64(ro);
	q.driver = htole64(ro + 1024);
	set_queue(f, &q);
	assert_true(enabled(f, 0));
	/* Its name is the range alone. */
	assert_int_equal(bus(f, XVIO_BUS_WINDOW_REMOVE, &req, sizeof(req)),
			 XVIO_EINVAL);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_REMOVE, 500, 2),
			 XVIO_EBUSY);
	assert_int_equal(set_status(f, 0), 0);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_REMOVE, 500, 2), XVIO_OK);
}

/* Flags that this backend does not know, and fields that must be 0. */
static void test_window_flags(void **state)
{
	struct front *f = *state;
	struct xvio_window req = {
		.first_ref = htole32(500),
		.nr_pages = htole32(2),
		.flags = htole32(1U << 1),
	};

	assert_int_equal(bus(f, XVIO_BUS_WINDOW_ADD, &req, sizeof(req)),
			 XVIO_EINVAL);
	req.flags = htole32(1U << 31 | XVIO_WINDOW_READONLY);
	assert_int_equal(bus(f, XVIO_BUS_WINDOW_ADD, &req, sizeof(req)),
			 XVIO_EINVAL);
	req.flags = 0;
	req.reserved = htole32(1);
	assert_int_equal(bus(f, XVIO_BUS_WINDOW_ADD, &req, sizeof(req)),
			 XVIO_EINVAL);
	assert_int_equal(bus(f, XVIO_BUS_WINDOW_REMOVE, &req, sizeof(req)),
			 XVIO_EINVAL);
}

static void test_windows(void **state)
{
	struct front *f = *state;

	assert_int_equal(window(f, XVIO_BUS_WINDOW_ADD, 500, 2), XVIO_OK);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_ADD, 501, 2), XVIO_EINVAL);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_ADD, 600, 0), XVIO_EINVAL);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_ADD, 600, 1025),
			 XVIO_EINVAL);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_ADD, UINT32_MAX, 2),
			 XVIO_EINVAL);
	f->g.fail_map = -EIO;
	assert_int_equal(window(f, XVIO_BUS_WINDOW_ADD, 700, 1), XVIO_EMAP);
	f->g.fail_map = 0;
	start(f, true);
	assert_int_equal(f->runs, 2);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_REMOVE, 500, 1),
			 XVIO_ENOENT);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_REMOVE, 501, 1),
			 XVIO_ENOENT);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_REMOVE, GUEST_REF, 4),
			 XVIO_EBUSY);
	/* None of these is a reason to stop. */
	assert_int_equal(f->parks, 0);
	/* A disk that does not answer: nothing is unmapped, nothing stops. */
	f->stuck = true;
	assert_int_equal(window(f, XVIO_BUS_WINDOW_REMOVE, 500, 2),
			 XVIO_EAGAIN);
	assert_true(f->running[0] && f->running[1]);
	assert_int_equal(window(f, XVIO_BUS_WINDOW_ADD, 500, 2), XVIO_EINVAL);
	f->stuck = false;
	/* It was done with the queues at rest, and they go on. */
	assert_int_equal(window(f, XVIO_BUS_WINDOW_REMOVE, 500, 2), XVIO_OK);
	assert_int_equal(f->parks, 1);
	assert_int_equal(f->runs, 2 + 2);
	assert_true(f->running[0] && f->running[1]);
}

static void test_unknown(void **state)
{
	struct front *f = *state;
	union xvb_msg rsp;

	assert_int_equal(call(f, 0, XVIO_MSG_GET_SHM, NULL, 0, &rsp), 0);
	assert_int_equal(call(f, 0, 0xff, "abcd", 4, &rsp), 0);
	assert_int_equal(bus(f, 0x02, NULL, 0), XVIO_ENOTSUP);
	assert_int_equal(bus(f, 0xff, "abc", 3), XVIO_ENOTSUP);
	assert_int_equal(bus(f, XVIO_BUS_SUSPEND, NULL, 0), XVIO_ENOTSUP);
	assert_int_equal(bus(f, XVIO_BUS_RESUME, NULL, 0), XVIO_ENOTSUP);
	assert_int_equal(xvb_stat_get(&f->t.stats->refused), 6);
}

static void test_wrong_length(void **state)
{
	static const uint8_t transport[] = {
		XVIO_MSG_GET_DEVICE_FEATURES, XVIO_MSG_SET_DRIVER_FEATURES,
		XVIO_MSG_GET_CONFIG, XVIO_MSG_SET_CONFIG,
		XVIO_MSG_SET_DEVICE_STATUS, XVIO_MSG_GET_VQUEUE,
		XVIO_MSG_SET_VQUEUE, XVIO_MSG_RESET_VQUEUE,
	};
	static const uint8_t on_bus[] = {
		XVIO_BUS_WINDOW_ADD, XVIO_BUS_WINDOW_REMOVE,
		XVIO_BUS_QUEUE_BIND,
	};
	struct front *f = *state;
	unsigned char zero[XVIO_MSG_MAX] = { 0 };
	union xvb_msg rsp;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(transport); i++) {
		assert_int_equal(call(f, 0, transport[i], zero, 3, &rsp), 0);
		assert_int_equal(call(f, 0, transport[i], zero, 255, &rsp), 0);
	}
	for (i = 0; i < ARRAY_SIZE(on_bus); i++) {
		assert_int_equal(bus(f, on_bus[i], zero, 0), XVIO_EINVAL);
		assert_int_equal(bus(f, on_bus[i], zero, 200), XVIO_EINVAL);
	}
	assert_int_equal(call(f, 0, XVIO_MSG_GET_DEVICE_INFO, zero, 1, &rsp),
			 0);
}

/* What a hostile frontend does */

static void test_dropped(void **state)
{
	static const struct xvio_msg_hdr bad[] = {
		{ .type = 0, .token = 0 },
		{ .type = 0, .token = 1, .dev_num = 1 },
		{ .type = 0, .token = 1, .dev_num = 0x100 },
		{ .type = XVIO_TYPE_RESPONSE, .token = 1 },
		{ .type = 4, .token = 1 },
		{ .type = 0x80, .token = 1 },
	};
	struct front *f = *state;
	struct xvio_msg_hdr hdr;
	union xvb_msg rsp;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		hdr = bad[i];
		hdr.msg_id = XVIO_MSG_GET_DEVICE_INFO;
		hdr.msg_size = htole16(sizeof(hdr));
		put(f, &hdr, sizeof(hdr));
		assert_int_equal(process(f), 0);
		assert_false(get(f, &rsp));
	}
	assert_int_equal(xvb_stat_get(&f->t.stats->dropped), ARRAY_SIZE(bad));
	/* The next one is served. */
	assert_int_equal(call(f, 0, XVIO_MSG_GET_DEVICE_STATUS, NULL, 0, &rsp),
			 sizeof(struct xvio_status));
}

static void out_of_step(struct front *f, uint32_t size, uint32_t queued)
{
	struct xvio_msg_hdr hdr = {
		.msg_id = XVIO_MSG_GET_DEVICE_INFO,
		.token = htole16(1),
		.msg_size = htole16((uint16_t)size),
	};

	memcpy(f->pages + GUEST_PAGE + XVB_RING_BYTES, &hdr, sizeof(hdr));
	f->intf->out_prod = queued;
	assert_int_equal(process(f), -EPROTO);
	assert_true(f->err.text[0]);
	assert_int_equal(xvb_stat_get(&f->t.stats->requests), 0);
	/* Nothing was consumed: it fails again, and does not go on. */
	assert_int_equal(f->intf->out_cons, 0);
	assert_int_equal(process(f), -EPROTO);
}

static void test_truncated(void **state)
{
	out_of_step(*state, 7, 8);
}

static void test_size_zero(void **state)
{
	out_of_step(*state, 0, 8);
}

static void test_oversized(void **state)
{
	out_of_step(*state, XVIO_MSG_MAX + 1, 1000);
}

static void test_huge(void **state)
{
	out_of_step(*state, 0xffff, XVB_RING_BYTES);
}

static void test_more_than_there_is(void **state)
{
	out_of_step(*state, 9, 8);
}

static void test_no_header(void **state)
{
	out_of_step(*state, 8, 7);
}

static void test_index_absurd(void **state)
{
	out_of_step(*state, 8, XVB_RING_BYTES + 1);
}

static void test_index_backwards(void **state)
{
	out_of_step(*state, 8, UINT32_MAX - 7);
}

static void test_unread(void **state)
{
	struct front *f = *state;
	union xvb_msg rsp;
	unsigned int sent, answered = 0;

	/* Twice as many requests as there is room for answers. */
	for (sent = 0; sent < 2048 / 8; sent++)
		send_msg(f, 0, XVIO_MSG_GET_DEVICE_STATUS, NULL, 0);
	while (process(f) > 0)
		;
	assert_int_equal(process(f), 0);
	/* Bounded: it stopped while a message of any size had room. */
	assert_true(f->intf->in_prod <= XVB_RING_BYTES);
	assert_true(xvb_stat_get(&f->t.stats->requests) < sent);
	/* An index that makes no sense stops it, too. */
	f->intf->in_cons = f->intf->in_prod - 2 * XVB_RING_BYTES;
	assert_int_equal(process(f), 0);
	f->intf->in_cons = f->in_cons;
	while (answered < sent) {
		while (get(f, &rsp))
			assert_int_equal(le16toh(rsp.hdr.token), ++answered);
		while (process(f) > 0)
			;
	}
	assert_int_equal(xvb_stat_get(&f->t.stats->requests), sent);
}

static void test_full_notify(void **state)
{
	struct front *f = *state;
	struct xvio_msg_hdr hdr = { .type = 0x80, .msg_size = htole16(8) };
	unsigned int i;

	/* Dropped messages have no answer: only room is to be told of. */
	put(f, &hdr, sizeof(hdr));
	assert_int_equal(process(f), 0);
	assert_false(f->notified);
	for (i = 0; i < XVB_RING_BYTES / sizeof(hdr); i++)
		put(f, &hdr, sizeof(hdr));
	assert_int_equal(process(f), 1);
	assert_true(f->notified);
}

static void test_wrap(void **state)
{
	struct front *f = *state;
	struct xvio_get_config req = { .len = htole32(13) };
	union xvb_msg rsp;
	unsigned int i;

	memcpy(f->config, "0123456789abcdef", CONFIG_SIZE);
	for (i = 0; i < 2000; i++) {
		assert_int_equal(call(f, 0, XVIO_MSG_GET_CONFIG, &req,
				      sizeof(req), &rsp),
				 sizeof(struct xvio_config) + 13);
		assert_memory_equal(rsp.raw + sizeof(rsp.hdr) +
				    sizeof(struct xvio_config),
				    "0123456789abc", 13);
	}
}

static void test_broken_queue(void **state)
{
	struct front *f = *state;
	const uint32_t ok = OK_STATUS | VIRTIO_CONFIG_S_DRIVER_OK;
	union xvb_msg msg = { .hdr = { 0 } };
	struct xvio_event_config *ev = payload_of(&msg);

	/* Nobody is told before DRIVER_OK. */
	start(f, false);
	xvb_transport_config_changed(&f->t);
	assert_int_equal(process(f), 0);
	assert_false(get(f, &msg));
	set_status(f, ok);
	/* Many reasons, one event. */
	xvb_transport_queue_broken(&f->t);
	xvb_transport_queue_broken(&f->t);
	xvb_transport_config_changed(&f->t);
	assert_int_equal(f->wakes, 4);
	assert_int_equal(process(f), 0);
	assert_true(f->notified);
	assert_true(get(f, &msg));
	assert_int_equal(msg.hdr.type, 0);
	assert_int_equal(msg.hdr.msg_id, XVIO_MSG_EVENT_CONFIG);
	assert_int_equal(msg.hdr.token, 0);
	assert_int_equal(le16toh(msg.hdr.msg_size), sizeof(msg.hdr) +
			 sizeof(*ev));
	assert_int_equal(le32toh(ev->status),
			 ok | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(ev->len, 0);
	assert_false(get(f, &msg));
	assert_int_equal(set_status(f, ok), ok | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(set_status(f, 0), 0);
}

/* What happened before a reset does not break the device after it. */
static void test_reset_forgets(void **state)
{
	struct front *f = *state;
	struct xvio_status req = { .status = 0 };
	union xvb_msg msg;

	start(f, true);
	send_msg(f, 0, XVIO_MSG_GET_DEVICE_STATUS, NULL, 0);
	assert_int_equal(process(f), 0);
	assert_true(get(f, &msg));
	/* A queue that breaks while it drains for the reset. */
	f->break_in_park = true;
	send_msg(f, 0, XVIO_MSG_SET_DEVICE_STATUS, &req, sizeof(req));
	assert_int_equal(process(f), 0);
	f->break_in_park = false;
	assert_true(get(f, &msg));
	assert_false(get(f, &msg));
	start(f, true);
	assert_int_equal(set_status(f, OK_STATUS), OK_STATUS |
			 VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A driver that says anything at all, in messages that are in step. */
static void test_random(void **state)
{
	struct front *f = *state;
	unsigned char payload[XVIO_MSG_MAX];
	unsigned int i, j;
	union xvb_msg rsp;

	srand(1);
	for (i = 0; i < 20000; i++) {
		uint32_t len = (uint32_t)rand() % 60;
		uint8_t id = (uint8_t)(rand() % 0x10);
		uint8_t type = 0;

		if (rand() % 3 == 0) {
			type = XVIO_TYPE_BUS;
			id |= XVIO_BUS_WINDOW_ADD;
		}
		for (j = 0; j < len; j++)
			payload[j] = rand() % 4 ? 0 : (unsigned char)rand();
		call(f, type, id, payload, len, &rsp);
	}
}

#define T(name)	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(order), T(info), T(get_features), T(features_ok), T(status),
		T(config), T(config_range), T(queues), T(reset_queue),
		T(bad_queues), T(needs_features), T(bind), T(windows),
		T(window_flags), T(readonly_window),
		T(unknown), T(wrong_length), T(dropped), T(truncated),
		T(size_zero), T(oversized), T(huge), T(more_than_there_is),
		T(no_header), T(index_absurd), T(index_backwards), T(unread),
		T(full_notify), T(wrap), T(broken_queue), T(reset_forgets),
		T(random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
