// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_hostile.c - a driver that breaks the rules of the ring (T1, T20 to
 * T22, T27)
 *
 * Each violation must break the queue with a reason, take nothing, and touch
 * nothing outside the windows; the address sanitizer watches the latter.
 */

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "guest.h"

#define SIZE		8
#define INDIRECT	BIT64(VIRTIO_RING_F_INDIRECT_DESC)
#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define IND		VRING_DESC_F_INDIRECT
#define BUF		guest_addr(8192)

struct fixture {
	struct guest g;
	struct guest_ring r;
	struct xvb_vq vq;
	struct iovec iov[GUEST_CHAIN];
	struct xvb_chain chain;
};

static void start(struct fixture *f, uint16_t size, uint64_t features)
{
	struct xvb_error err = { "" };

	memset(f, 0, sizeof(*f));
	guest_init(&f->g, 64);
	ring_init(&f->r, &f->g, size, features);
	xvb_vq_init(&f->vq, &f->g.mem);
	if (xvb_vq_start(&f->vq, &f->r.setup, &err))
		fail_msg("%s", err.text);
	f->chain.iov_max = GUEST_CHAIN;
	f->chain.iov = f->iov;
}

static void stop(struct fixture *f)
{
	xvb_vq_stop(&f->vq);
	guest_destroy(&f->g);
}

/* The queue must break here, say @what, and stay broken. */
static void expect_broken(struct fixture *f, const char *what)
{
	uint16_t used = f->r.used->idx;

	assert_int_equal(xvb_vq_pop(&f->vq, &f->chain), -EPROTO);
	assert_non_null(xvb_vq_broken(&f->vq));
	if (!strstr(xvb_vq_broken(&f->vq), what))
		fail_msg("reason is \"%s\", not \"%s\"",
			 xvb_vq_broken(&f->vq), what);
	assert_int_equal(f->vq.inuse, 0);
	assert_int_equal(xvb_vq_pop(&f->vq, &f->chain), -EPROTO);
	assert_false(xvb_vq_flush(&f->vq));
	assert_int_equal(f->r.used->idx, used);
	stop(f);
}

/*
 * One descriptor at 0 made available, which must break the queue, alone and
 * behind one that is right; where there may be tables and where not.
 */
static void expect_desc(uint64_t addr, uint32_t len, uint16_t flags,
			uint16_t next, const char *what)
{
	struct fixture f;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (flags & IND && i & 1)
			continue;
		start(&f, SIZE, i & 1 ? 0 : INDIRECT);
		ring_desc(&f.r, 0, addr, len, flags, next);
		ring_desc(&f.r, 1, BUF, 1, flags & WRITE ? WRITE | NEXT : NEXT,
			  0);
		ring_avail(&f.r, i / 2);
		expect_broken(&f, what);
	}
}

static void t20_head_out_of_range(void **state)
{
	static const uint16_t heads[] = { SIZE, SIZE + 1, 0x7fff, 0xffff };
	struct fixture f;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		start(&f, SIZE, 0);
		ring_avail(&f.r, heads[i]);
		expect_broken(&f, "head");
	}
}

static void t20_next_out_of_range(void **state)
{
	(void)state;
	expect_desc(BUF, 4, NEXT, SIZE, "next 8");
	expect_desc(BUF, 4, NEXT, 0xffff, "next 65535");
}

static void t20_loop(void **state)
{
	struct fixture f;

	(void)state;
	expect_desc(BUF, 4, NEXT, 0, "loop");
	expect_desc(BUF, 0, NEXT, 0, "loop");
	start(&f, SIZE, 0);
	ring_desc(&f.r, 0, BUF, 4, NEXT, 1);
	ring_desc(&f.r, 1, BUF, 4, NEXT, 2);
	ring_desc(&f.r, 2, BUF, 4, NEXT, 1);
	ring_avail(&f.r, 0);
	expect_broken(&f, "loop");
}

static void indirect_table(struct fixture *f, unsigned int n,
			   struct vring_desc **table)
{
	struct guest_buf buf[4] = {
		{ 8192, 4, false }, { 8192, 4, false },
		{ 8192, 4, false }, { 8192, 4, false },
	};

	start(f, SIZE, INDIRECT);
	*table = guest_ptr(&f->g, ring_indirect(&f->r, 0, buf, n));
	ring_avail(&f->r, 0);
}

static void t20_indirect_loop(void **state)
{
	struct vring_desc *table;
	struct fixture f;

	(void)state;
	indirect_table(&f, 3, &table);
	table[1].next = 0;
	expect_broken(&f, "loop in an indirect");
	indirect_table(&f, 1, &table);
	table[0].flags = htole16(NEXT);
	table[0].next = 0;
	expect_broken(&f, "loop in an indirect");
}

static void t20_indirect_next_out_of_range(void **state)
{
	struct vring_desc *table;
	struct fixture f;

	(void)state;
	indirect_table(&f, 2, &table);
	table[0].next = htole16(2);
	expect_broken(&f, "in a table of 2");
	indirect_table(&f, 2, &table);
	table[0].next = htole16(0xffff);
	expect_broken(&f, "in a table of 2");
}

static void t20_indirect_nested(void **state)
{
	struct vring_desc *table;
	struct fixture f;

	(void)state;
	indirect_table(&f, 2, &table);
	table[1].flags = htole16(IND);
	expect_broken(&f, "indirect table in an indirect");
}

static void t20_indirect_length(void **state)
{
	static const uint32_t lens[] = {
		0, 1, 15, 17, 4095, 16 * (XVB_VQ_MAX_SIZE + 1), 16 * 65536,
		16 * 65537, 0xfffffff0, 0xffffffff,
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		expect_desc(BUF, lens[i], IND, 0, "indirect table of");
}

static void t20_indirect_not_in_window(void **state)
{
	(void)state;
	expect_desc(guest_addr(64 * 4096 - 16), 32, IND, 0, "not inside");
	expect_desc(0x1000, 32, IND, 0, "not inside");
	expect_desc(UINT64_MAX - 15, 32, IND, 0, "not inside");
}

static void t20_indirect_with_next(void **state)
{
	(void)state;
	expect_desc(BUF, 32, IND | NEXT, 1, "with a next one");
}

static void t20_indirect_not_negotiated(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SIZE, 0);
	ring_desc(&f.r, 0, BUF, 32, IND, 0);
	ring_avail(&f.r, 0);
	expect_broken(&f, "not negotiated");
}

static void t22_out_after_in(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SIZE, 0);
	ring_desc(&f.r, 0, BUF, 4, WRITE | NEXT, 1);
	ring_desc(&f.r, 1, BUF, 4, 0, 0);
	ring_avail(&f.r, 0);
	expect_broken(&f, "after a writable");
	start(&f, SIZE, 0);
	ring_desc(&f.r, 0, BUF, 4, NEXT, 1);
	ring_desc(&f.r, 1, BUF, 4, WRITE | NEXT, 2);
	ring_desc(&f.r, 2, BUF, 4, NEXT, 3);
	ring_desc(&f.r, 3, BUF, 4, WRITE, 0);
	ring_avail(&f.r, 0);
	expect_broken(&f, "after a writable");
	/* A writable one without bytes counts too. */
	start(&f, SIZE, 0);
	ring_desc(&f.r, 0, BUF, 0, WRITE | NEXT, 1);
	ring_desc(&f.r, 1, BUF, 4, 0, 0);
	ring_avail(&f.r, 0);
	expect_broken(&f, "after a writable");
}

/* T20, T27: addresses that wrap, have no bit 63, or are in no window. */
static void t20_t27_address(void **state)
{
	uint64_t end = guest_addr(64 * 4096);

	(void)state;
	expect_desc(end - 4, 5, 0, 0, "not inside");
	expect_desc(end, 1, 0, 0, "not inside");
	expect_desc(guest_addr(0) - 1, 1, 0, 0, "not inside");
	expect_desc(BUF & ~XVIO_ADDR_GRANT, 4, 0, 0, "not inside");
	expect_desc(BUF | 1ULL << 62, 4, 0, 0, "not inside");
	expect_desc(BUF | 1ULL << 44, 4, 0, 0, "not inside");
	expect_desc(UINT64_MAX, 1, 0, 0, "not inside");
	expect_desc(UINT64_MAX - 3, 8, 0, 0, "not inside");
	expect_desc(BUF, UINT32_MAX, 0, 0, "not inside");
	expect_desc(0, UINT32_MAX, WRITE, 0, "not inside");
}

static void t20_sum_over_4g(void **state)
{
	struct vring_desc *table;
	uint32_t off, n;
	struct fixture f;

	(void)state;
	/* One window of 4 MiB, 1024 times: one byte more than 2^32 - 1. */
	start(&f, SIZE, INDIRECT);
	assert_int_equal(xvb_memory_add(&f.g.mem, 4096, 1024, XVB_WRITE), 0);
	off = guest_alloc(&f.g, 16 * XVB_VQ_MAX_SIZE, 16);
	table = guest_ptr(&f.g, off);
	for (n = 0; n < XVB_VQ_MAX_SIZE; n++) {
		table[n].addr = htole64(XVIO_ADDR_GRANT | 4096ULL << 12);
		table[n].len = htole32(4 << 20);
		table[n].flags = htole16(n + 1 < XVB_VQ_MAX_SIZE ? NEXT : WRITE);
		table[n].next = htole16(n + 1);
	}
	ring_desc(&f.r, 0, guest_addr(off), 16 * XVB_VQ_MAX_SIZE, IND, 0);
	ring_avail(&f.r, 0);
	f.chain.iov_max = 2000;
	f.chain.iov = calloc(2000, sizeof(struct iovec));
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), -EPROTO);
	assert_non_null(strstr(xvb_vq_broken(&f.vq), "2^32"));
	free(f.chain.iov);
	stop(&f);
}

static void t20_too_many_segments(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, SIZE, 0);
	for (i = 0; i < SIZE; i++)
		ring_desc(&f.r, i, BUF, 1, i + 1 < SIZE ? NEXT : WRITE, i + 1);
	ring_avail(&f.r, 0);
	f.chain.iov_max = SIZE - 1;
	expect_broken(&f, "segments");
}

static void t21_avail_jump(void **state)
{
	static const uint16_t jumps[] = { SIZE + 1, 100, 0x7fff, 0x8000,
					  0xffff };
	struct fixture f;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		start(&f, SIZE, 0);
		f.r.avail->idx = htole16(jumps[i]);
		expect_broken(&f, "ahead");
	}
	/* Backwards, after some use, over the wrap. */
	start(&f, SIZE, 0);
	ring_rewind(&f.r, &f.vq, 2);
	f.r.avail->idx = htole16(1);
	expect_broken(&f, "ahead");
	/* Exactly full is legal. */
	start(&f, SIZE, 0);
	f.r.avail->idx = htole16(SIZE);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
	stop(&f);
}

/* A head that is still with the device, or given back but not published. */
static void t21_head_twice(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, SIZE, 0);
	ring_desc(&f.r, 1, BUF, 4, 0, 0);
	ring_avail(&f.r, 1);
	ring_avail(&f.r, 1);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), -EPROTO);
	assert_non_null(strstr(xvb_vq_broken(&f.vq), "in flight already"));
	/* What was taken before can still be given back. */
	xvb_vq_push(&f.vq, 1, 0);
	assert_true(xvb_vq_flush(&f.vq));
	assert_int_equal(le16toh(f.r.used->idx), 1);
	stop(&f);

	start(&f, SIZE, 0);
	ring_desc(&f.r, 1, BUF, 4, 0, 0);
	for (i = 0; i < SIZE; i++) {
		ring_avail(&f.r, 1);
		assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
		xvb_vq_push(&f.vq, 1, 0);
	}
	ring_avail(&f.r, 1);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), -EPROTO);
	assert_non_null(strstr(xvb_vq_broken(&f.vq), "more heads"));
	stop(&f);
}

static void setup_refused(const struct guest_ring *r, struct guest *g,
			  int want, const char *what)
{
	struct xvb_error err = { "" };
	struct xvb_vq vq;

	xvb_vq_init(&vq, &g->mem);
	assert_int_equal(xvb_vq_start(&vq, &r->setup, &err), want);
	if (!strstr(err.text, what))
		fail_msg("\"%s\", not \"%s\"", err.text, what);
	xvb_vq_stop(&vq);
	/* Nothing stays pinned. */
	assert_int_equal(atomic_load(&g->mem.table)->win[0].pins, 0);
}

static void setup_sizes(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 6, 1025, 2048, 0x80000000,
					  0xffffffff };
	struct guest_ring r;
	struct guest g;
	unsigned int i;

	(void)state;
	guest_init(&g, 64);
	ring_init(&r, &g, 1024, 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		r.setup.size = sizes[i];
		setup_refused(&r, &g, -EINVAL, "power of two");
	}
	guest_destroy(&g);
}

static void setup_addresses(void **state)
{
	uint64_t end = guest_addr(64 * 4096);
	struct guest_ring r;
	struct guest g;

	(void)state;
	guest_init(&g, 64);
	ring_init(&r, &g, SIZE, 0);
	r.setup.desc += 8;
	setup_refused(&r, &g, -EINVAL, "aligned to 16");
	r.setup.desc = end - 16 * SIZE + 16;
	setup_refused(&r, &g, -EFAULT, "descriptor area");
	r.setup.desc = end - 16 * SIZE;
	r.setup.driver++;
	setup_refused(&r, &g, -EINVAL, "aligned to 2");
	r.setup.driver = end - 4 - 2 * SIZE;
	setup_refused(&r, &g, -EFAULT, "driver area");
	r.setup.driver = end - 6 - 2 * SIZE;
	r.setup.device += 2;
	setup_refused(&r, &g, -EINVAL, "aligned to 4");
	r.setup.device = (end - 6 - 8 * SIZE + 3) & ~3ULL;
	setup_refused(&r, &g, -EFAULT, "device area");
	r.setup.device = 0x1000;
	setup_refused(&r, &g, -EINVAL, "not a granted address");
	r.setup.device = UINT64_MAX - 3;
	setup_refused(&r, &g, -EFAULT, "device area");
	guest_destroy(&g);
}

static void setup_inflight(void **state)
{
	uint64_t end = guest_addr(64 * 4096);
	struct guest_ring r;
	struct guest g;

	(void)state;
	guest_init(&g, 64);
	ring_init(&r, &g, SIZE, 0);
	r.setup.inflight = guest_addr(8192);
	r.setup.inflight_len = 16 + 16 * SIZE - 1;
	setup_refused(&r, &g, -EINVAL, "are needed");
	r.setup.inflight_len = UINT32_MAX;
	r.setup.inflight += 4;
	setup_refused(&r, &g, -EINVAL, "aligned to 8");
	r.setup.inflight = end - 16;
	setup_refused(&r, &g, -EFAULT, "in-flight");
	r.setup.inflight = 8192;
	setup_refused(&r, &g, -EINVAL, "not a granted address");
	guest_destroy(&g);
}

/* T22: what the device writes must not lie where it cannot. */
static void t22_setup_readonly(void **state)
{
	uint64_t ro = XVIO_ADDR_GRANT | 500ULL << 12;
	struct guest_ring r;
	struct guest g;

	(void)state;
	guest_init(&g, 64);
	ring_init_readonly(&r, &g, SIZE, 0, 500);
	r.setup.device = ro + 8192;
	setup_refused(&r, &g, -EFAULT, "device area");
	ring_init(&r, &g, SIZE, 0);
	r.setup.inflight = ro;
	r.setup.inflight_len = 16 + 16 * SIZE;
	setup_refused(&r, &g, -EFAULT, "in-flight record");
	guest_destroy(&g);
}

static void t22_buffer_readonly(void **state)
{
	uint64_t ro = XVIO_ADDR_GRANT | 500ULL << 12;
	struct fixture f;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		start(&f, SIZE, 0);
		assert_int_equal(xvb_memory_add(&f.g.mem, 500, 4, XVB_READ), 0);
		/* Once with the hint of a reader at that window. */
		if (i) {
			ring_desc(&f.r, 1, ro, 16, 0, 0);
			ring_avail(&f.r, 1);
			assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
			xvb_vq_push(&f.vq, 1, 0);
			assert_true(xvb_vq_flush(&f.vq));
		}
		ring_desc(&f.r, 0, ro, 16, WRITE, 0);
		ring_avail(&f.r, 0);
		expect_broken(&f, "writable window");
	}
}

#ifndef XVB_TEST_TSAN
struct flipper {
	struct fixture *f;
	_Atomic bool stop;
};

/*
 * T1: rewrite everything the driver owns, as fast as possible, each field
 * between something legal and something that is not.
 */
static void *flipper_main(void *arg)
{
	static const uint16_t flags[] = { 0, WRITE, NEXT, IND, WRITE | NEXT,
					  0, WRITE, IND | NEXT };
	struct flipper *fl = arg;
	struct fixture *f = fl->f;
	struct vring_desc *table = guest_ptr(&f->g, 16384);
	uint64_t end = guest_addr(64 * 4096);
	unsigned int i, n = 1;

	while (!atomic_load_explicit(&fl->stop, memory_order_relaxed)) {
		for (i = 0; i < SIZE; i++) {
			n = n * 1103515245 + 12345;
			ring_desc(&f->r, i, n & 1 << 20 ? guest_addr(16384) :
				  end - (n >> 8 & 63),
				  n & 1 << 21 ? 32 : 0xfffffff0,
				  flags[n >> 22 & 7], n >> 25 & 7);
			table[i & 1].addr = htole64(n & 1 << 10 ? BUF : end);
			table[i & 1].len = htole32(n & 1 << 11 ? 64 : n);
			table[i & 1].flags = htole16(flags[n >> 12 & 7]);
			table[i & 1].next = htole16(n >> 15 & 1);
			f->r.avail->ring[i] = htole16(n >> 16 & 7);
			f->r.avail->idx = htole16(f->vq.last_avail +
						  (n >> 28 & 3));
			/* Really store it, each time. */
			atomic_signal_fence(memory_order_seq_cst);
		}
	}
	return NULL;
}

static void double_fetch(uint64_t features)
{
	struct xvb_error err = { "" };
	struct fixture f;
	struct flipper fl = { .f = &f };
	time_t end = time(NULL) + 20;
	unsigned long taken = 0, i, k;
	pthread_t thread;

	start(&f, SIZE, features);
	assert_int_equal(pthread_create(&thread, NULL, flipper_main, &fl), 0);
	for (i = 0; (i < 200000 || taken < 1000) && time(NULL) < end; i++) {
		f.chain.iov = f.iov;
		if (xvb_vq_pop(&f.vq, &f.chain) == 1) {
			taken++;
			/* Whatever was taken can be written. */
			for (k = 0; k < f.chain.nin; k++)
				memset(f.iov[f.chain.nout + k].iov_base, 1,
				       f.iov[f.chain.nout + k].iov_len);
			xvb_vq_push(&f.vq, f.chain.id, f.chain.in_len);
			xvb_vq_flush(&f.vq);
		}
		if (!xvb_vq_broken(&f.vq))
			continue;
		xvb_vq_stop(&f.vq);
		assert_int_equal(xvb_vq_start(&f.vq, &f.r.setup, &err), 0);
	}
	atomic_store(&fl.stop, true);
	pthread_join(thread, NULL);
	print_message("# %lu chains survived the flipper\n", taken);
	assert_int_not_equal(taken, 0);
	stop(&f);
}

static void t1_double_fetch(void **state)
{
	(void)state;
	double_fetch(INDIRECT);
	double_fetch(0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t20_head_out_of_range),
		cmocka_unit_test(t20_next_out_of_range),
		cmocka_unit_test(t20_loop),
		cmocka_unit_test(t20_indirect_loop),
		cmocka_unit_test(t20_indirect_next_out_of_range),
		cmocka_unit_test(t20_indirect_nested),
		cmocka_unit_test(t20_indirect_length),
		cmocka_unit_test(t20_indirect_not_in_window),
		cmocka_unit_test(t20_indirect_with_next),
		cmocka_unit_test(t20_indirect_not_negotiated),
		cmocka_unit_test(t22_out_after_in),
		cmocka_unit_test(t20_t27_address),
		cmocka_unit_test(t20_sum_over_4g),
		cmocka_unit_test(t20_too_many_segments),
		cmocka_unit_test(t21_avail_jump),
		cmocka_unit_test(t21_head_twice),
		cmocka_unit_test(setup_sizes),
		cmocka_unit_test(setup_addresses),
		cmocka_unit_test(setup_inflight),
		cmocka_unit_test(t22_setup_readonly),
		cmocka_unit_test(t22_buffer_readonly),
#ifndef XVB_TEST_TSAN
		/* Its races are the test: not for the thread sanitizer. */
		cmocka_unit_test(t1_double_fetch),
#endif
	};

	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
