// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_packed.c - the device's side of a packed ring against a driver that
 * keeps the rules (order, wrap, notifications, in-flight record; R12)
 *
 * What a driver does that breaks them is in test_packed_hostile.c.
 */

#include <endian.h>
#include <errno.h>

#include "pring.h"

#define SIZE		8
#define EVENT_IDX	BIT64(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	BIT64(VIRTIO_RING_F_INDIRECT_DESC)

struct fixture {
	struct guest g;
	struct pring r;
	struct xvb_vq vq;
	struct iovec iov[GUEST_CHAIN];
	struct xvb_chain chain;
	struct xvio_inflight_packed *rec;
};

static void start(struct fixture *f, uint16_t size, uint64_t features)
{
	struct xvb_error err = { "" };

	memset(f, 0, sizeof(*f));
	guest_init(&f->g, 64);
	pring_init(&f->r, &f->g, size, features);
	xvb_vq_init(&f->vq, &f->g.mem);
	if (xvb_vq_start(&f->vq, &f->r.setup, &err))
		fail_msg("%s", err.text);
	f->chain.iov = f->iov;
	f->chain.iov_max = GUEST_CHAIN;
}

static void start_record(struct fixture *f, uint16_t size, uint64_t features)
{
	uint32_t len = sizeof(*f->rec) + size * sizeof(f->rec->desc[0]);
	struct xvb_error err = { "" };
	uint32_t off;

	start(f, size, features);
	xvb_vq_stop(&f->vq);
	off = guest_alloc(&f->g, len, 8);
	f->rec = guest_ptr(&f->g, off);
	memset(f->rec, 0xff, len);
	f->r.setup.inflight = guest_addr(off);
	f->r.setup.inflight_len = len;
	assert_int_equal(xvb_vq_start(&f->vq, &f->r.setup, &err), 0);
}

static void stop(struct fixture *f)
{
	xvb_vq_stop(&f->vq);
	guest_destroy(&f->g);
}

static int pop(struct fixture *f)
{
	return xvb_vq_pop(&f->vq, &f->chain);
}

static void direct_chain(void **state)
{
	struct guest_buf buf[] = {
		{ 8192, 16, false }, { 12288, 100, false }, { 16384, 7, true },
	};
	struct fixture f;
	uint32_t len;
	uint16_t id;

	(void)state;
	start(&f, SIZE, 0);
	assert_int_equal(pop(&f), 0);
	assert_false(xvb_vq_pending(&f.vq));
	pring_add(&f.r, 2, buf, 3);
	assert_true(xvb_vq_pending(&f.vq));
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.id, 2);
	assert_int_equal(f.chain.nout, 2);
	assert_int_equal(f.chain.nin, 1);
	assert_int_equal(f.chain.out_len, 116);
	assert_int_equal(f.chain.in_len, 7);
	assert_ptr_equal(f.iov[0].iov_base, f.g.base + 8192);
	assert_ptr_equal(f.iov[1].iov_base, f.g.base + 12288);
	assert_int_equal(f.iov[1].iov_len, 100);
	assert_ptr_equal(f.iov[2].iov_base, f.g.base + 16384);
	assert_int_equal(pop(&f), 0);
	assert_false(xvb_vq_pending(&f.vq));
	xvb_vq_push(&f.vq, 2, 7);
	assert_false(pring_used(&f.r, &id, &len));
	assert_true(xvb_vq_flush(&f.vq));
	assert_true(pring_used(&f.r, &id, &len));
	assert_int_equal(id, 2);
	assert_int_equal(len, 7);
	assert_false(pring_used(&f.r, &id, &len));
	stop(&f);
}

static void indirect_chain(void **state)
{
	struct guest_buf buf[] = { { 8192, 16, false }, { 12288, 512, true },
				   { 16384, 1, true } };
	struct vring_packed_desc *table;
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, SIZE, INDIRECT);
	table = guest_ptr(&f.g, pring_indirect(&f.r, 5, buf, 3));
	/* All of this is to be ignored (2.8.7). */
	f.r.desc[0].flags |= htole16(VRING_DESC_F_WRITE);
	for (i = 0; i < 3; i++) {
		table[i].id = 0xffff;
		table[i].flags |= htole16(0xffff & ~VRING_DESC_F_WRITE);
	}
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.id, 5);
	assert_int_equal(f.chain.nout, 1);
	assert_int_equal(f.chain.nin, 2);
	assert_int_equal(f.chain.in_len, 513);
	assert_int_equal(pop(&f), 0);
	stop(&f);
}

/* Zero-length descriptors are links without bytes; their address is free. */
static void zero_length(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SIZE, 0);
	pring_raw(&f.r, 0xdead, 0, VRING_DESC_F_NEXT, 0);
	pring_raw(&f.r, guest_addr(8192), 4, VRING_DESC_F_NEXT, 0);
	pring_raw(&f.r, 0, 0, VRING_DESC_F_WRITE, 3);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.id, 3);
	assert_int_equal(f.chain.nout, 1);
	assert_int_equal(f.chain.nin, 0);
	assert_int_equal(f.chain.out_len, 4);
	stop(&f);
}

/* The longest chain, from every place in the ring, with any size. */
static void longest_chain(void **state)
{
	static const uint16_t sizes[] = { 1, 2, 3, 7, 8, 60, 64 };
	struct guest_buf buf[GUEST_CHAIN];
	unsigned int i, s, at, n;
	struct fixture f;
	uint32_t len;
	uint16_t id;

	(void)state;
	for (i = 0; i < GUEST_CHAIN; i++)
		buf[i] = (struct guest_buf){ 8192, 1, false };
	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (at = 0; at < 2U * sizes[s]; at++) {
			n = sizes[s];
			start(&f, n, 0);
			for (i = 0; i < at; i++) {
				pring_add(&f.r, 0, buf, 1);
				assert_int_equal(pop(&f), 1);
				xvb_vq_push(&f.vq, 0, 1);
				xvb_vq_flush(&f.vq);
				assert_true(pring_used(&f.r, &id, &len));
			}
			pring_add(&f.r, n - 1, buf, n);
			assert_int_equal(pop(&f), 1);
			assert_int_equal(f.chain.nout, n);
			assert_int_equal(f.chain.id, n - 1);
			assert_int_equal(pop(&f), 0);
			xvb_vq_push(&f.vq, n - 1, 0);
			xvb_vq_flush(&f.vq);
			assert_true(pring_used(&f.r, &id, &len));
			assert_int_equal(id, n - 1);
			stop(&f);
		}
	}
}

/* Out of order, a full queue, one flush. */
static void full_queue_out_of_order(void **state)
{
	static const uint16_t order[SIZE] = { 3, 7, 0, 1, 6, 2, 5, 4 };
	struct guest_buf buf = { 8192, 8, true };
	struct fixture f;
	unsigned int i;
	uint32_t len;
	uint16_t id;

	(void)state;
	start(&f, SIZE, 0);
	for (i = 0; i < SIZE; i++)
		pring_add(&f.r, i, &buf, 1);
	for (i = 0; i < SIZE; i++)
		assert_int_equal(pop(&f), 1);
	assert_int_equal(pop(&f), 0);
	for (i = 0; i < SIZE; i++)
		xvb_vq_push(&f.vq, order[i], i);
	/* Nothing is published before the flush. */
	assert_false(pring_used(&f.r, &id, &len));
	xvb_vq_flush(&f.vq);
	for (i = 0; i < SIZE; i++) {
		assert_true(pring_used(&f.r, &id, &len));
		assert_int_equal(id, order[i]);
		assert_int_equal(len, i);
	}
	assert_false(pring_used(&f.r, &id, &len));
	assert_int_equal(xvb_stat_get(&f.vq.stats->sweeps), 1);
	stop(&f);
}

/* A driver and a device of which the model knows everything. */
struct model {
	struct fixture f;
	unsigned int seed;
	unsigned int free_descs;	/* as the driver sees it */
	uint16_t free_ids[XVB_VQ_MAX_SIZE];
	unsigned int nr_free;
	uint16_t taken[XVB_VQ_MAX_SIZE]; /* in the order in which they were */
	unsigned int nr_taken;
	uint16_t pushed[XVB_VQ_MAX_SIZE];
	unsigned int nr_pushed;
	uint16_t offered[XVB_VQ_MAX_SIZE];
	unsigned int nr_offered;
	uint32_t len[XVB_VQ_MAX_SIZE];
	unsigned long done;
};

static unsigned int draw(struct model *m, unsigned int n)
{
	m->seed = m->seed * 1103515245 + 12345;
	return (m->seed >> 16) % n;
}

static uint16_t take_out(uint16_t *list, unsigned int *nr, unsigned int i)
{
	uint16_t id = list[i];

	memmove(&list[i], &list[i + 1], (--*nr - i) * sizeof(*list));
	return id;
}

static void model_add(struct model *m)
{
	unsigned int n = 1 + draw(m, m->f.r.size < 5 ? m->f.r.size : 5), i;
	uint16_t off = m->f.r.next_avail, id;
	bool wrap = m->f.r.avail_wrap, want;
	struct guest_buf buf[5];

	if (n > m->free_descs || !m->nr_free)
		return;
	id = take_out(m->free_ids, &m->nr_free, draw(m, m->nr_free));
	for (i = 0; i < n; i++)
		buf[i] = (struct guest_buf){ 8192 + 16 * id, 3 + id, i > 1 };
	want = !xvb_vq_kick_enable(&m->f.vq);
	pring_add(&m->f.r, id, buf, n);
	/* Asked for at an empty ring: then the very next one kicks. */
	assert_int_equal(pring_wants_kick(&m->f.r, off, wrap), want);
	xvb_vq_kick_disable(&m->f.vq);
	m->free_descs -= n;
	m->offered[m->nr_offered++] = id;
}

static void model_pop(struct model *m)
{
	int ret = pop(&m->f);
	uint16_t id;

	if (xvb_vq_broken(&m->f.vq))
		fail_msg("%s", xvb_vq_broken(&m->f.vq));
	assert_int_equal(ret, m->nr_offered ? 1 : 0);
	if (!ret)
		return;
	id = take_out(m->offered, &m->nr_offered, 0);
	assert_int_equal(m->f.chain.id, id);
	assert_int_equal(m->f.chain.nout + m->f.chain.nin, m->f.r.sgs[id]);
	assert_int_equal(m->f.iov[0].iov_len, 3 + id);
	m->taken[m->nr_taken++] = id;
}

static void model_push(struct model *m)
{
	uint16_t id;

	if (!m->nr_taken)
		return;
	id = take_out(m->taken, &m->nr_taken, draw(m, m->nr_taken));
	m->len[id] = draw(m, 3) ? draw(m, 70000) : 0;
	xvb_vq_push(&m->f.vq, id, m->len[id]);
	m->pushed[m->nr_pushed++] = id;
}

/* Publish, and look whether the driver is told when it wants to be. */
static void model_flush(struct model *m)
{
	uint16_t off = draw(m, m->f.r.size), at = m->f.r.next_used, id;
	bool wrap = draw(m, 2), at_wrap = m->f.r.used_wrap, hit = false, told;
	unsigned int mode = draw(m, 4), k;
	uint32_t len;

	pring_events(&m->f.r, mode, off, wrap);
	told = xvb_vq_flush(&m->f.vq);
	if (!m->nr_pushed) {
		assert_false(told);
		return;
	}
	while (m->nr_pushed) {
		assert_true(pring_used(&m->f.r, &id, &len));
		assert_int_equal(id, take_out(m->pushed, &m->nr_pushed, 0));
		assert_int_equal(len, m->len[id]);
		for (k = 0; k < m->f.r.sgs[id]; k++) {
			hit |= at == off && at_wrap == wrap;
			if (++at == m->f.r.size) {
				at = 0;
				at_wrap = !at_wrap;
			}
		}
		m->free_descs += m->f.r.sgs[id];
		m->free_ids[m->nr_free++] = id;
		m->done++;
	}
	assert_false(pring_used(&m->f.r, &id, &len));
	if (mode == VRING_PACKED_EVENT_FLAG_DISABLE)
		assert_false(told);
	else if (mode == VRING_PACKED_EVENT_FLAG_DESC)
		assert_int_equal(told, hit);
	else
		assert_true(told);
}

/*
 * What vhost-user says to do when a backend comes back ("When reconnecting"):
 * how many are in flight, and that they are ids[], by counter.
 */
static void reconnect(struct model *m, const uint16_t *ids, unsigned int nr)
{
	const struct xvio_inflight_packed *rec = m->f.rec;
	uint16_t free = rec->old_free_head, id, size = m->f.r.size;
	bool in_flight[XVB_VQ_MAX_SIZE];
	uint64_t counter = 0;
	unsigned int i, k, n = 0;

	assert_int_equal(le16toh(rec->version), XVIO_INFLIGHT_VERSION);
	assert_int_equal(le16toh(rec->desc_num), size);
	if (rec->used_idx != rec->old_used_idx ||
	    rec->used_wrap_counter != rec->old_used_wrap_counter)
		fail_msg("an update is in progress");
	for (i = 0; i < size; i++)
		in_flight[i] = rec->desc[i].inflight;
	for (i = 0; free != size; i++) {
		assert_in_range(free, 0, size - 1);
		assert_in_range(i, 0, size - 1);
		in_flight[free] = false;
		free = le16toh(rec->desc[free].next);
	}
	for (i = 0; i < size; i++)
		n += in_flight[i];
	assert_int_equal(n, nr);
	for (k = 0; k < nr; k++) {
		for (i = 0; i < size; i++) {
			id = le16toh(rec->desc[le16toh(rec->desc[i].last)].id);
			if (in_flight[i] && id == ids[k])
				break;
		}
		assert_in_range(i, 0, size - 1);
		assert_int_equal(le16toh(rec->desc[i].num), m->f.r.sgs[ids[k]]);
		assert_int_equal(le32toh(rec->desc[i].len), 3 + ids[k]);
		assert_true(!k || le64toh(rec->desc[i].counter) > counter);
		counter = le64toh(rec->desc[i].counter);
	}
}

static void model_run(uint16_t size, uint64_t features, bool record,
		      unsigned int rounds)
{
	struct model *m = calloc(1, sizeof(*m));
	unsigned int i;

	assert_non_null(m);
	if (record)
		start_record(&m->f, size, features);
	else
		start(&m->f, size, features);
	m->seed = size;
	m->free_descs = size;
	for (i = 0; i < size; i++)
		m->free_ids[m->nr_free++] = i;
	for (i = 0; i < rounds; i++) {
		switch (draw(m, 8)) {
		case 0:
		case 1:
		case 2:
			model_add(m);
			break;
		case 3:
		case 4:
			model_pop(m);
			break;
		case 5:
		case 6:
			model_push(m);
			break;
		default:
			model_flush(m);
			break;
		}
		/* Pushed ones are in flight until they are published. */
		if (record && !m->nr_pushed)
			reconnect(m, m->taken, m->nr_taken);
	}
	assert_true(m->done > rounds / 20);
	assert_int_equal(m->f.vq.inuse, m->nr_taken);
	stop(&m->f);
	free(m);
}

/* R12: random traffic round the ring, thousands of times, any size. */
static void r12_random_traffic(void **state)
{
	static const uint16_t sizes[] = { 1, 2, 3, 5, 8, 13, 64, 100, 256 };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		model_run(sizes[i], EVENT_IDX, false, 100000);
	model_run(XVB_VQ_MAX_SIZE, EVENT_IDX, false, 100000);
}

/* The record tells at every moment what a new backend would have to do. */
static void inflight_record(void **state)
{
	static const uint16_t sizes[] = { 1, 2, 5, 8, 33, 64 };
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		model_run(sizes[i], EVENT_IDX, true, 20000);
}

/* A batch that is not published has not happened, as the record says. */
static void inflight_before_flush(void **state)
{
	struct guest_buf buf = { 8192, 8, true };
	struct fixture f;

	(void)state;
	start_record(&f, 4, 0);
	pring_add(&f.r, 3, &buf, 1);
	pring_add(&f.r, 1, &buf, 1);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.rec->desc[0].inflight, 1);
	assert_int_equal(le16toh(f.rec->old_free_head), 2);
	xvb_vq_push(&f.vq, 1, 0);
	/* Taken between push and flush: gets no entry of the batch. */
	pring_add(&f.r, 0, &buf, 1);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.rec->desc[1].inflight, 1);
	assert_int_equal(le16toh(f.rec->desc[1].id), 1);
	assert_int_equal(le16toh(f.rec->desc[2].id), 0);
	assert_int_equal(le16toh(f.rec->old_free_head), 3);
	xvb_vq_flush(&f.vq);
	assert_int_equal(f.rec->desc[1].inflight, 0);
	assert_int_equal(le16toh(f.rec->old_free_head), 1);
	assert_int_equal(le16toh(f.rec->old_used_idx), 1);
	assert_int_equal(f.rec->old_used_wrap_counter, 1);
	stop(&f);
}

/* Without EVENT_IDX: flags in both directions. */
static void flags_notifications(void **state)
{
	struct guest_buf buf = { 8192, 8, true };
	uint16_t flags[] = { VRING_PACKED_EVENT_FLAG_ENABLE,
			     VRING_PACKED_EVENT_FLAG_DISABLE,
			     VRING_PACKED_EVENT_FLAG_DESC, 3 };
	struct fixture f;
	unsigned int i;
	uint32_t len;
	uint16_t id;

	(void)state;
	start(&f, SIZE, 0);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		pring_events(&f.r, flags[i], SIZE - 1, false);
		pring_add(&f.r, 0, &buf, 1);
		assert_int_equal(pop(&f), 1);
		xvb_vq_push(&f.vq, 0, 8);
		/* DESC was not negotiated: who says it is told too often. */
		assert_int_equal(xvb_vq_flush(&f.vq),
				 flags[i] != VRING_PACKED_EVENT_FLAG_DISABLE);
		assert_true(pring_used(&f.r, &id, &len));
	}
	assert_false(xvb_vq_flush(&f.vq));

	xvb_vq_kick_disable(&f.vq);
	assert_int_equal(le16toh(f.r.device->flags),
			 VRING_PACKED_EVENT_FLAG_DISABLE);
	assert_false(xvb_vq_kick_enable(&f.vq));
	assert_int_equal(le16toh(f.r.device->flags),
			 VRING_PACKED_EVENT_FLAG_ENABLE);
	/* Something came before we arm: look again. */
	xvb_vq_kick_disable(&f.vq);
	pring_add(&f.r, 0, &buf, 1);
	assert_true(xvb_vq_kick_enable(&f.vq));
	stop(&f);
}

/* An event at a place that does not exist: told rather than forgotten. */
static void event_out_of_range(void **state)
{
	struct guest_buf buf = { 8192, 8, true };
	struct fixture f;

	(void)state;
	start(&f, SIZE, EVENT_IDX);
	pring_events(&f.r, VRING_PACKED_EVENT_FLAG_DESC, 0x7fff, true);
	pring_add(&f.r, 0, &buf, 1);
	assert_int_equal(pop(&f), 1);
	xvb_vq_push(&f.vq, 0, 8);
	assert_true(xvb_vq_flush(&f.vq));
	stop(&f);
}

/* What is pushed twice or was never taken changes nothing. */
static void push_unknown(void **state)
{
	struct guest_buf buf = { 8192, 8, true };
	struct fixture f;

	(void)state;
	start(&f, SIZE, 0);
	xvb_vq_push(&f.vq, 0, 1);
	xvb_vq_push(&f.vq, SIZE, 1);
	xvb_vq_push(&f.vq, 65535, 1);
	assert_false(xvb_vq_flush(&f.vq));
	pring_add(&f.r, 4, &buf, 1);
	assert_int_equal(pop(&f), 1);
	xvb_vq_push(&f.vq, 4, 1);
	xvb_vq_push(&f.vq, 4, 1);
	assert_true(xvb_vq_flush(&f.vq));
	assert_false(xvb_vq_flush(&f.vq));
	assert_int_equal(f.vq.inuse, 0);
	stop(&f);
}

static void restart_begins_at_zero(void **state)
{
	struct guest_buf buf = { 8192, 8, true };
	struct xvb_error err = { "" };
	struct fixture f;
	uint64_t ring;

	(void)state;
	start_record(&f, SIZE, EVENT_IDX);
	ring = f.r.setup.desc;
	pring_add(&f.r, 0, &buf, 1);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(xvb_memory_remove(&f.g.mem, GUEST_REF, 64), -EBUSY);
	xvb_vq_stop(&f.vq);
	/* As after a reset: a new ring of another size, and no record. */
	pring_init(&f.r, &f.g, 5, 0);
	assert_int_not_equal(f.r.setup.desc, ring);
	assert_int_equal(xvb_vq_start(&f.vq, &f.r.setup, &err), 0);
	assert_int_equal(pop(&f), 0);
	pring_add(&f.r, 0, &buf, 1);
	assert_int_equal(pop(&f), 1);
	xvb_vq_stop(&f.vq);
	assert_int_equal(xvb_memory_remove(&f.g.mem, GUEST_REF, 64), 0);
	stop(&f);
}

/* What the device only reads may lie where it cannot write. */
static void readonly_driver_area(void **state)
{
	struct guest_buf buf = { 8192, 8, true };
	struct vring_packed_desc_event *event;
	struct xvb_error err = { "" };
	struct fixture f;

	(void)state;
	start(&f, SIZE, EVENT_IDX);
	xvb_vq_stop(&f.vq);
	assert_int_equal(xvb_memory_add(&f.g.mem, 500, 1, XVB_READ), 0);
	event = guest_readonly(&f.g, 500);
	f.r.setup.driver = XVIO_ADDR_GRANT | 500ULL << 12;
	assert_int_equal(xvb_vq_start(&f.vq, &f.r.setup, &err), 0);
	event->flags = htole16(VRING_PACKED_EVENT_FLAG_DISABLE);
	pring_add(&f.r, 0, &buf, 1);
	assert_int_equal(pop(&f), 1);
	xvb_vq_push(&f.vq, 0, 8);
	assert_false(xvb_vq_flush(&f.vq));
	stop(&f);
}

/* A whole device: offered when asked for, and only then. */
static void device_offers(void **state)
{
	uint64_t bit = BIT64(VIRTIO_F_RING_PACKED);
	struct guest_buf buf = { 8192, 64, true };
	struct xvb_error err = { "" };
	struct pring r;
	struct guest g;
	uint32_t len;
	uint16_t id;

	(void)state;
	guest_init(&g, 16);
	guest_attach(&g, "type=rng", 0);
	assert_int_equal(g.dev->features & bit, 0);
	guest_detach(&g);
	guest_attach(&g, "type=rng,packed=1", 0);
	assert_int_equal(g.dev->features & bit, bit);
	pring_init(&r, &g, 5, 0);
	assert_int_equal(xvb_queue_start(&g.dev->queues[0], &r.setup, &err),
			 0);
	pring_add(&r, 4, &buf, 1);
	assert_true(xvb_queue_run(&g.dev->queues[0]) >= 0);
	assert_true(pring_used(&r, &id, &len));
	assert_int_equal(id, 4);
	assert_int_equal(len, 64);
	guest_detach(&g);
	guest_destroy(&g);
}

/* Buffers outside the windows, if the device takes them, also in a table. */
static void direct_grants(void **state)
{
	struct guest_buf buf[] = {
		{ 8192, 16, false }, { 200 << 12, 8192, false },
		{ 209 << 12, 4096, true }, { 16384, 1, true },
	};
	struct xvb_grant grants[1];
	struct fixture f;

	(void)state;
	start(&f, SIZE, INDIRECT);
	pring_add(&f.r, 0, buf, 4);
	guest_check_grants(&f.vq, GUEST_REF + 200);
	pring_indirect(&f.r, 5, buf, 4);
	guest_check_grants(&f.vq, GUEST_REF + 200);
	/* No more than there is room for. */
	pring_add(&f.r, 1, buf, 4);
	f.chain.grants = grants;
	f.chain.grants_max = 1;
	assert_int_equal(pop(&f), -EPROTO);
	assert_non_null(strstr(xvb_vq_broken(&f.vq), "not inside one"));
	stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(direct_chain),
		cmocka_unit_test(direct_grants),
		cmocka_unit_test(indirect_chain),
		cmocka_unit_test(zero_length),
		cmocka_unit_test(longest_chain),
		cmocka_unit_test(full_queue_out_of_order),
		cmocka_unit_test(r12_random_traffic),
		cmocka_unit_test(inflight_record),
		cmocka_unit_test(inflight_before_flush),
		cmocka_unit_test(flags_notifications),
		cmocka_unit_test(event_out_of_range),
		cmocka_unit_test(push_unknown),
		cmocka_unit_test(restart_begins_at_zero),
		cmocka_unit_test(readonly_driver_area),
		cmocka_unit_test(device_offers),
	};

	return cmocka_run_group_tests_name("packed", tests, NULL, NULL);
}
