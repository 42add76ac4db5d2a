// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_virtqueue.c - the device's side of a split ring against a driver that
 * keeps the rules (order, wrap, notifications, in-flight record)
 *
 * What a driver does that breaks them is in test_hostile.c.
 */

#include <endian.h>
#include <errno.h>

#include "guest.h"

#define SIZE		8
#define EVENT_IDX	BIT64(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	BIT64(VIRTIO_RING_F_INDIRECT_DESC)

struct fixture {
	struct guest g;
	struct guest_ring r;
	struct xvb_vq vq;
	struct iovec iov[GUEST_CHAIN];
	struct xvb_chain chain;
};

static void start(struct fixture *f, uint64_t features)
{
	struct xvb_error err = { "" };

	memset(f, 0, sizeof(*f));
	guest_init(&f->g, 16);
	ring_init(&f->r, &f->g, SIZE, features);
	xvb_vq_init(&f->vq, &f->g.mem);
	if (xvb_vq_start(&f->vq, &f->r.setup, &err))
		fail_msg("%s", err.text);
	f->chain.iov = f->iov;
	f->chain.iov_max = GUEST_CHAIN;
}

static void stop(struct fixture *f)
{
	xvb_vq_stop(&f->vq);
	guest_destroy(&f->g);
}

static int pop(struct fixture *f)
{
	f->chain.iov = f->iov;
	return xvb_vq_pop(&f->vq, &f->chain);
}

/* One direct chain through the ring and back. */
static void once(struct fixture *f, unsigned int head)
{
	struct guest_buf buf[] = { { 8192, 16, false }, { 8448, 32, true } };
	uint32_t id, len;

	ring_chain(&f->r, head, buf, 2);
	ring_avail(&f->r, head);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->chain.id, head);
	xvb_vq_push(&f->vq, f->chain.id, 32);
	xvb_vq_flush(&f->vq);
	assert_true(ring_used(&f->r, &id, &len));
	assert_int_equal(id, head);
	assert_int_equal(len, 32);
}

static void direct_chain(void **state)
{
	struct guest_buf buf[] = {
		{ 8192, 16, false }, { 12288, 100, false }, { 16384, 7, true },
	};
	struct fixture f;

	(void)state;
	start(&f, 0);
	assert_int_equal(pop(&f), 0);
	ring_chain(&f.r, 2, buf, 3);
	ring_avail(&f.r, 2);
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
	stop(&f);
}

/* Counters are published once in a sweep, and none is lost. */
static void tally(void **state)
{
	struct guest_buf buf[] = { { 8192, 16, false }, { 8448, 32, true } };
	struct xvb_vq_stats *stats;
	struct fixture f;

	(void)state;
	start(&f, 0);
	stats = f.vq.stats;
	once(&f, 0);
	assert_int_equal(xvb_stat_get(&stats->requests), 1);
	assert_int_equal(xvb_stat_get(&stats->completed), 1);
	ring_chain(&f.r, 2, buf, 2);
	ring_avail(&f.r, 2);
	assert_int_equal(pop(&f), 1);
	/* Taken and nothing given back: a queue that waits for its disk. */
	xvb_vq_flush(&f.vq);
	assert_int_equal(xvb_stat_get(&stats->requests), 2);
	assert_int_equal(xvb_stat_get(&stats->completed), 1);
	assert_int_equal(xvb_stat_get(&stats->bytes_out), 32);
	/* Given back and not published: a queue that is stopped. */
	xvb_vq_push(&f.vq, f.chain.id, 32);
	xvb_vq_stop(&f.vq);
	assert_int_equal(xvb_stat_get(&stats->completed), 2);
	assert_int_equal(xvb_stat_get(&stats->bytes_in), 64);
	stop(&f);
}

static void indirect_chain(void **state)
{
	struct guest_buf buf[] = { { 8192, 16, false }, { 12288, 512, true },
				   { 16384, 1, true } };
	struct fixture f;

	(void)state;
	start(&f, INDIRECT);
	ring_indirect(&f.r, 5, buf, 3);
	/* The WRITE flag of an indirect descriptor is ignored (2.7.5.3.2). */
	f.r.desc[5].flags |= htole16(VRING_DESC_F_WRITE);
	ring_avail(&f.r, 5);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.id, 5);
	assert_int_equal(f.chain.nout, 1);
	assert_int_equal(f.chain.nin, 2);
	assert_int_equal(f.chain.in_len, 513);
	stop(&f);
}

/* 2.7.5.3.2: direct descriptors before an indirect one are legal. */
static void direct_then_indirect(void **state)
{
	struct guest_buf tail[] = { { 12288, 512, true }, { 16384, 1, true } };
	struct fixture f;

	(void)state;
	start(&f, INDIRECT);
	ring_desc(&f.r, 0, guest_addr(8192), 16, VRING_DESC_F_NEXT, 3);
	ring_indirect(&f.r, 3, tail, 2);
	ring_avail(&f.r, 0);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.nout, 1);
	assert_int_equal(f.chain.nin, 2);
	assert_int_equal(f.chain.out_len, 16);
	assert_int_equal(f.chain.in_len, 513);
	stop(&f);
}

/* A table may be linked in any order. */
static void indirect_out_of_order(void **state)
{
	struct guest_buf buf[] = { { 8192, 1, false }, { 8193, 2, false },
				   { 8195, 3, false } };
	struct vring_desc *table;
	struct fixture f;

	(void)state;
	start(&f, INDIRECT);
	table = guest_ptr(&f.g, ring_indirect(&f.r, 0, buf, 3));
	table[0].next = htole16(2);
	table[2].flags = htole16(VRING_DESC_F_NEXT);
	table[2].next = htole16(1);
	table[1].flags = 0;
	ring_avail(&f.r, 0);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.nout, 3);
	assert_int_equal(f.iov[1].iov_len, 3);
	assert_int_equal(f.iov[2].iov_len, 2);
	stop(&f);
}

/* Zero-length descriptors are links without bytes; their address is free. */
static void zero_length(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0);
	ring_desc(&f.r, 0, 0xdead, 0, VRING_DESC_F_NEXT, 1);
	ring_desc(&f.r, 1, guest_addr(8192), 4, VRING_DESC_F_NEXT, 2);
	ring_desc(&f.r, 2, 0, 0, VRING_DESC_F_WRITE, 0);
	ring_avail(&f.r, 0);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.nout, 1);
	assert_int_equal(f.chain.nin, 0);
	assert_int_equal(f.chain.out_len, 4);
	/* With an address that could be one. */
	ring_desc(&f.r, 3, guest_addr(8192), 4, VRING_DESC_F_NEXT, 4);
	ring_desc(&f.r, 4, guest_addr(8192), 0, VRING_DESC_F_NEXT, 5);
	ring_desc(&f.r, 5, guest_addr(8192), 1, VRING_DESC_F_WRITE, 0);
	ring_avail(&f.r, 3);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.nout, 1);
	assert_int_equal(f.chain.nin, 1);
	stop(&f);
}

/* The longest chain: every entry of the queue; nothing to write. */
static void longest_chain(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, 0);
	for (i = 0; i < SIZE; i++)
		ring_desc(&f.r, i, guest_addr(8192), 1,
			  i + 1 < SIZE ? VRING_DESC_F_NEXT : 0, i + 1);
	ring_avail(&f.r, 0);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.nout, SIZE);
	assert_int_equal(f.chain.out_len, SIZE);
	assert_int_equal(f.chain.nin, 0);
	assert_int_equal(f.chain.in_len, 0);
	stop(&f);
}

/* R12: both indices through 65535, many times round the ring. */
static void r12_index_wrap(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, EVENT_IDX);
	ring_rewind(&f.r, &f.vq, 65530);
	for (i = 0; i < 3 * 65536; i++)
		once(&f, 2 * i % SIZE);
	assert_int_equal(xvb_stat_get(&f.vq.stats->requests), 3 * 65536);
	assert_int_equal(f.vq.inuse, 0);
	stop(&f);
}

/* Out of order, a full queue, one flush. */
static void full_queue_out_of_order(void **state)
{
	static const uint16_t order[SIZE] = { 3, 7, 0, 1, 6, 2, 5, 4 };
	uint16_t before;
	uint32_t id, len;
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, 0);
	ring_rewind(&f.r, &f.vq, 65533);
	for (i = 0; i < SIZE; i++) {
		ring_desc(&f.r, i, guest_addr(8192), 8, VRING_DESC_F_WRITE, 0);
		ring_avail(&f.r, i);
	}
	for (i = 0; i < SIZE; i++)
		assert_int_equal(pop(&f), 1);
	assert_int_equal(pop(&f), 0);
	before = le16toh(f.r.used->idx);
	for (i = 0; i < SIZE; i++)
		xvb_vq_push(&f.vq, order[i], i);
	/* Nothing is published before the flush. */
	assert_int_equal(le16toh(f.r.used->idx), before);
	xvb_vq_flush(&f.vq);
	for (i = 0; i < SIZE; i++) {
		assert_true(ring_used(&f.r, &id, &len));
		assert_int_equal(id, order[i]);
		assert_int_equal(len, i);
	}
	assert_false(ring_used(&f.r, &id, &len));
	assert_int_equal(xvb_stat_get(&f.vq.stats->sweeps), 1);
	stop(&f);
}

/* What the rule of 2.7.7.1 and 2.7.10 says, without the 16-bit trick. */
static bool rule(uint16_t event, uint16_t old, uint16_t new)
{
	uint16_t i;

	for (i = old; i != new; i++) {
		if (i == event)
			return true;
	}
	return false;
}

static bool push_n(struct fixture *f, unsigned int n)
{
	uint32_t id, len;
	unsigned int i;
	bool notify;

	for (i = 0; i < n; i++) {
		ring_desc(&f->r, i, guest_addr(8192), 8, VRING_DESC_F_WRITE, 0);
		ring_avail(&f->r, i);
		assert_int_equal(pop(f), 1);
	}
	for (i = 0; i < n; i++)
		xvb_vq_push(&f->vq, i, 8);
	notify = xvb_vq_flush(&f->vq);
	while (ring_used(&f->r, &id, &len))
		;
	return notify;
}

/* EVENT_IDX towards the driver: the rule, at every distance, with wrap. */
static void event_idx_used_rule(void **state)
{
	static const uint16_t starts[] = { 0, 100, 32765, 65530, 65535 };
	unsigned int s, n;
	uint16_t old;
	struct fixture f;
	int d;

	(void)state;
	start(&f, EVENT_IDX);
	/* The first flush after the start always notifies. */
	ring_used_event(&f.r, 40000);
	assert_true(push_n(&f, 1));
	for (s = 0; s < ARRAY_SIZE(starts); s++) {
		for (d = -SIZE; d <= 2 * SIZE; d++) {
			for (n = 1; n <= SIZE; n++) {
				old = starts[s];
				ring_rewind(&f.r, &f.vq, old);
				f.vq.signalled = old;
				ring_used_event(&f.r, old + d);
				assert_int_equal(push_n(&f, n),
						 rule(old + d, old, old + n));
			}
		}
	}
	stop(&f);
}

/* Without EVENT_IDX: flags in both directions. */
static void flags_notifications(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0);
	assert_true(push_n(&f, 3));
	f.r.avail->flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);
	assert_false(push_n(&f, 3));
	f.r.avail->flags = 0;
	assert_true(push_n(&f, 1));
	assert_false(xvb_vq_flush(&f.vq));

	xvb_vq_kick_disable(&f.vq);
	assert_int_equal(le16toh(f.r.used->flags), VRING_USED_F_NO_NOTIFY);
	assert_false(xvb_vq_kick_enable(&f.vq));
	assert_int_equal(le16toh(f.r.used->flags), 0);
	stop(&f);
}

/* EVENT_IDX towards the device: armed at the index, with a second look. */
static void event_idx_kick(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, EVENT_IDX);
	ring_rewind(&f.r, &f.vq, 65535);
	assert_false(xvb_vq_kick_enable(&f.vq));
	assert_int_equal(ring_avail_event(&f.r), 65535);
	once(&f, 0);
	/* Armed behind: the driver crosses it once and is silent then. */
	assert_int_equal(ring_avail_event(&f.r), 65535);
	xvb_vq_kick_disable(&f.vq);
	assert_int_equal(le16toh(f.r.used->flags), 0);
	/* Something came before we arm: look again. */
	ring_desc(&f.r, 1, guest_addr(8192), 8, VRING_DESC_F_WRITE, 0);
	ring_avail(&f.r, 1);
	assert_true(xvb_vq_kick_enable(&f.vq));
	assert_int_equal(ring_avail_event(&f.r), 0);
	assert_int_equal(pop(&f), 1);
	assert_false(xvb_vq_kick_enable(&f.vq));
	assert_int_equal(ring_avail_event(&f.r), 1);
	stop(&f);
}

/* vhost-user's order: marked when taken, cleared after the used index. */
static void inflight_record(void **state)
{
	struct xvb_error err = { "" };
	struct xvio_inflight *rec;
	struct fixture f;
	uint32_t off;

	(void)state;
	start(&f, 0);
	xvb_vq_stop(&f.vq);
	off = guest_alloc(&f.g, 16 + 16 * SIZE, 8);
	rec = guest_ptr(&f.g, off);
	memset(rec, 0xff, 16 + 16 * SIZE);
	f.r.setup.inflight = guest_addr(off);
	f.r.setup.inflight_len = 16 + 16 * SIZE;
	assert_int_equal(xvb_vq_start(&f.vq, &f.r.setup, &err), 0);
	assert_int_equal(le16toh(rec->version), XVIO_INFLIGHT_VERSION);
	assert_int_equal(le16toh(rec->desc_num), SIZE);
	assert_int_equal(rec->desc[3].inflight, 0);
	ring_desc(&f.r, 3, guest_addr(8192), 8, 0, 0);
	ring_desc(&f.r, 6, guest_addr(8192), 8, 0, 0);
	ring_avail(&f.r, 3);
	ring_avail(&f.r, 6);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(rec->desc[3].inflight, 1);
	assert_int_equal(rec->desc[6].inflight, 0);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(rec->desc[6].inflight, 1);
	assert_true(le64toh(rec->desc[3].counter) <
		    le64toh(rec->desc[6].counter));
	xvb_vq_push(&f.vq, 6, 0);
	assert_int_equal(rec->desc[6].inflight, 1);
	assert_int_equal(le16toh(rec->last_batch_head), 6);
	xvb_vq_push(&f.vq, 3, 0);
	assert_int_equal(le16toh(rec->desc[3].next), 6);
	xvb_vq_flush(&f.vq);
	assert_int_equal(rec->desc[3].inflight, 0);
	assert_int_equal(rec->desc[6].inflight, 0);
	assert_int_equal(le16toh(rec->used_idx), 2);
	stop(&f);
}

/* What is pushed twice or was never taken changes nothing. */
static void push_unknown(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0);
	xvb_vq_push(&f.vq, 0, 1);
	xvb_vq_push(&f.vq, SIZE, 1);
	xvb_vq_push(&f.vq, 65535, 1);
	once(&f, 4);
	xvb_vq_push(&f.vq, 4, 1);
	assert_false(xvb_vq_flush(&f.vq));
	assert_int_equal(f.vq.inuse, 0);
	stop(&f);
}

static void restart_begins_at_zero(void **state)
{
	struct xvb_error err = { "" };
	struct fixture f;

	(void)state;
	start(&f, EVENT_IDX);
	once(&f, 0);
	assert_int_equal(xvb_vq_start(&f.vq, &f.r.setup, &err), -EBUSY);
	xvb_vq_stop(&f.vq);
	assert_int_equal(xvb_memory_remove(&f.g.mem, GUEST_REF, 16), 0);
	assert_int_equal(xvb_vq_start(&f.vq, &f.r.setup, &err), -EFAULT);
	assert_int_equal(xvb_memory_add(&f.g.mem, GUEST_REF, 16, XVB_WRITE), 0);
	assert_int_equal(xvb_vq_start(&f.vq, &f.r.setup, &err), 0);
	assert_int_equal(pop(&f), 0);
	assert_int_equal(f.vq.last_avail, 0);
	assert_int_equal(xvb_memory_remove(&f.g.mem, GUEST_REF, 16), -EBUSY);
	stop(&f);
}

/* The whole life of a queue whose driver's areas cannot be written. */
static void readonly_rings(void **state)
{
	struct xvb_error err = { "" };
	struct fixture f;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		memset(&f, 0, sizeof(f));
		guest_init(&f.g, 16);
		ring_init_readonly(&f.r, &f.g, SIZE, i ? EVENT_IDX : 0, 500);
		f.r.setup.inflight = guest_addr(8192);
		f.r.setup.inflight_len = 16 + 16 * SIZE;
		xvb_vq_init(&f.vq, &f.g.mem);
		if (xvb_vq_start(&f.vq, &f.r.setup, &err))
			fail_msg("%s", err.text);
		f.chain.iov_max = GUEST_CHAIN;
		xvb_vq_kick_disable(&f.vq);
		once(&f, 2);
		xvb_vq_kick_enable(&f.vq);
		once(&f, 4);
		assert_int_equal(xvb_memory_remove(&f.g.mem, 500, 4), -EBUSY);
		xvb_vq_stop(&f.vq);
		assert_int_equal(xvb_memory_remove(&f.g.mem, 500, 4), 0);
		guest_destroy(&f.g);
	}
}

/* Data for the device, and tables, may be read-only as well. */
static void readonly_data(void **state)
{
	struct guest_buf buf[] = { { 12288, 512, true } };
	struct vring_desc *table;
	struct fixture f;

	(void)state;
	start(&f, INDIRECT);
	assert_int_equal(xvb_memory_add(&f.g.mem, 500, 2, XVB_READ), 0);
	table = guest_readonly(&f.g, 500);
	table[0].addr = htole64(XVIO_ADDR_GRANT | 501ULL << 12);
	table[0].len = htole32(4096);
	table[0].flags = htole16(VRING_DESC_F_NEXT);
	table[0].next = htole16(1);
	table[1].addr = htole64(guest_addr(buf[0].off));
	table[1].len = htole32(buf[0].len);
	table[1].flags = htole16(VRING_DESC_F_WRITE);
	ring_desc(&f.r, 0, XVIO_ADDR_GRANT | 500ULL << 12, 32,
		  VRING_DESC_F_INDIRECT, 0);
	ring_avail(&f.r, 0);
	assert_int_equal(pop(&f), 1);
	assert_int_equal(f.chain.nout, 1);
	assert_int_equal(f.chain.out_len, 4096);
	assert_int_equal(f.chain.nin, 1);
	stop(&f);
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
	start(&f, INDIRECT);
	ring_chain(&f.r, 0, buf, 4);
	ring_avail(&f.r, 0);
	guest_check_grants(&f.vq, GUEST_REF + 200);
	ring_indirect(&f.r, 5, buf, 4);
	ring_avail(&f.r, 5);
	guest_check_grants(&f.vq, GUEST_REF + 200);
	/* No more than there is room for. */
	ring_avail(&f.r, 0);
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
		cmocka_unit_test(indirect_chain),
		cmocka_unit_test(direct_then_indirect),
		cmocka_unit_test(indirect_out_of_order),
		cmocka_unit_test(zero_length),
		cmocka_unit_test(longest_chain),
		cmocka_unit_test(r12_index_wrap),
		cmocka_unit_test(full_queue_out_of_order),
		cmocka_unit_test(event_idx_used_rule),
		cmocka_unit_test(flags_notifications),
		cmocka_unit_test(event_idx_kick),
		cmocka_unit_test(inflight_record),
		cmocka_unit_test(push_unknown),
		cmocka_unit_test(tally),
		cmocka_unit_test(restart_begins_at_zero),
		cmocka_unit_test(readonly_rings),
		cmocka_unit_test(readonly_data),
		cmocka_unit_test(direct_grants),
	};

	return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
