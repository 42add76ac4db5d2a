// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_packed_hostile.c - a driver that breaks the rules of a packed ring (T1,
 * T20 to T22, T27)
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

#include "pring.h"

#define SIZE		8
#define INDIRECT	BIT64(VIRTIO_RING_F_INDIRECT_DESC)
#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE
#define IND		VRING_DESC_F_INDIRECT
#define BUF		guest_addr(8192)

struct fixture {
	struct guest g;
	struct pring r;
	struct xvb_vq vq;
	struct iovec iov[GUEST_CHAIN];
	struct xvb_chain chain;
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
	struct vring_packed_desc before[SIZE];

	memcpy(before, f->r.desc, sizeof(before));
	assert_int_equal(xvb_vq_pop(&f->vq, &f->chain), -EPROTO);
	assert_non_null(xvb_vq_broken(&f->vq));
	if (!strstr(xvb_vq_broken(&f->vq), what))
		fail_msg("reason is \"%s\", not \"%s\"",
			 xvb_vq_broken(&f->vq), what);
	assert_int_equal(f->vq.inuse, 0);
	assert_int_equal(xvb_vq_pop(&f->vq, &f->chain), -EPROTO);
	assert_true(xvb_vq_pending(&f->vq));
	assert_false(xvb_vq_flush(&f->vq));
	assert_memory_equal(before, f->r.desc, sizeof(before));
	stop(f);
}

/* One descriptor, which must break the queue. */
static void expect_desc(uint64_t addr, uint32_t len, uint16_t flags,
			const char *what)
{
	struct fixture f;

	start(&f, SIZE, INDIRECT);
	pring_raw(&f.r, addr, len, flags, 0);
	expect_broken(&f, what);
}

static void t20_id_out_of_range(void **state)
{
	static const uint16_t ids[] = { SIZE, SIZE + 1, 0x7fff, 0xffff };
	struct fixture f;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		start(&f, SIZE, INDIRECT);
		pring_raw(&f.r, BUF, 4, 0, ids[i]);
		expect_broken(&f, "buffer id");
		/* The last one counts. */
		start(&f, SIZE, INDIRECT);
		pring_raw(&f.r, BUF, 4, NEXT, 0);
		pring_raw(&f.r, BUF, 4, 0, ids[i]);
		expect_broken(&f, "buffer id");
	}
}

static void t21_id_twice(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SIZE, 0);
	pring_raw(&f.r, BUF, 4, 0, 1);
	pring_raw(&f.r, BUF, 4, 0, 1);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), -EPROTO);
	assert_non_null(strstr(xvb_vq_broken(&f.vq), "in flight already"));
	/* What was taken before can still be given back. */
	xvb_vq_push(&f.vq, 1, 0);
	assert_true(xvb_vq_flush(&f.vq));
	assert_int_equal(le16toh(f.r.desc[0].flags), PRING_AVAIL | PRING_USED);
	stop(&f);
}

/* The used descriptor is written, and says nothing before the flush. */
static void t21_id_before_flush(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SIZE, 0);
	pring_raw(&f.r, BUF, 4, 0, 1);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
	xvb_vq_push(&f.vq, 1, 0);
	pring_raw(&f.r, BUF, 4, 0, 1);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), -EPROTO);
	assert_non_null(strstr(xvb_vq_broken(&f.vq), "in flight already"));
	assert_true(xvb_vq_flush(&f.vq));
	stop(&f);
}

/* A chain that never ends, round the whole ring and from any place. */
static void t20_endless_chain(void **state)
{
	struct fixture f;
	unsigned int i, at;

	(void)state;
	for (at = 0; at < SIZE; at++) {
		start(&f, SIZE, 0);
		for (i = 0; i < at; i++) {
			pring_raw(&f.r, BUF, 1, 0, 0);
			assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
			xvb_vq_push(&f.vq, 0, 0);
			xvb_vq_flush(&f.vq);
		}
		for (i = 0; i < SIZE; i++)
			pring_raw(&f.r, BUF, 1, NEXT, 0);
		expect_broken(&f, "a chain of more than the 8");
	}
}

static void t20_chain_into_nothing(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SIZE, 0);
	pring_raw(&f.r, BUF, 1, NEXT, 0);
	expect_broken(&f, "not available");
	/* Over the edge: those flags were right the round before. */
	start(&f, 2, 0);
	pring_raw(&f.r, BUF, 1, 0, 0);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
	xvb_vq_push(&f.vq, 0, 0);
	xvb_vq_flush(&f.vq);
	pring_raw(&f.r, BUF, 1, NEXT, 0);
	f.r.desc[0].flags = htole16(PRING_AVAIL);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), -EPROTO);
	assert_non_null(strstr(xvb_vq_broken(&f.vq), "not available"));
	stop(&f);
}

/*
 * A driver that makes everything available again that is in flight or not
 * published: no more than the queue has, and then it is broken; so a device
 * that completes at once does not go round for ever (CVE-2026-16457).
 */
static void t21_more_than_the_ring(void **state)
{
	struct fixture f;
	unsigned int i, give_back;

	(void)state;
	for (give_back = 0; give_back < 2; give_back++) {
		start(&f, SIZE, 0);
		for (i = 0; i < SIZE; i++) {
			pring_raw(&f.r, BUF, 4, 0, i);
			assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
			if (give_back)
				xvb_vq_push(&f.vq, i, 0);
		}
		pring_raw(&f.r, BUF, 4, 0, 0);
		assert_true(xvb_vq_pending(&f.vq));
		assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), -EPROTO);
		assert_non_null(strstr(xvb_vq_broken(&f.vq), "in flight than"));
		stop(&f);
	}
}

/* The same with chains: three of three fit in eight only twice. */
static void t21_more_than_the_ring_chains(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, SIZE, 0);
	for (i = 0; i < 3; i++) {
		pring_raw(&f.r, BUF, 4, NEXT, 0);
		pring_raw(&f.r, BUF, 4, NEXT, 0);
		pring_raw(&f.r, BUF, 4, 0, i);
		assert_int_equal(xvb_vq_pop(&f.vq, &f.chain),
				 i < 2 ? 1 : -EPROTO);
	}
	assert_non_null(strstr(xvb_vq_broken(&f.vq), "in flight than"));
	assert_int_equal(f.vq.inuse, 2);
	stop(&f);
}

/* Flags of no meaning are no work, in either round, and do not spin. */
static void t21_flags_without_meaning(void **state)
{
	static const uint16_t never[2][3] = {
		{ PRING_AVAIL | PRING_USED, 0, PRING_AVAIL },
		{ PRING_AVAIL | PRING_USED, 0, PRING_USED },
	};
	unsigned int wrap, i, k;
	struct fixture f;

	(void)state;
	for (wrap = 0; wrap < 2; wrap++) {
		start(&f, SIZE, INDIRECT);
		for (i = 0; !wrap && i < SIZE; i++) {
			pring_raw(&f.r, BUF, 4, 0, 0);
			assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
			xvb_vq_push(&f.vq, 0, 0);
			xvb_vq_flush(&f.vq);
		}
		for (i = 0; i < 3; i++) {
			for (k = 0; k < SIZE; k++)
				f.r.desc[k].flags = htole16(never[wrap][i] |
							    NEXT | WRITE | IND);
			assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 0);
			assert_false(xvb_vq_pending(&f.vq));
			assert_false(xvb_vq_kick_enable(&f.vq));
			assert_null(xvb_vq_broken(&f.vq));
		}
		stop(&f);
	}
}

static void t20_indirect(void **state)
{
	static const uint32_t lens[] = {
		0, 1, 15, 17, 4095, 16 * (XVB_VQ_MAX_SIZE + 1), 16 * 65536,
		16 * 65537, 0xfffffff0, 0xffffffff,
	};
	struct fixture f;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		expect_desc(BUF, lens[i], IND, "indirect table of");
	expect_desc(guest_addr(64 * 4096 - 16), 32, IND, "not inside");
	expect_desc(0x1000, 32, IND, "not inside");
	expect_desc(UINT64_MAX - 15, 32, IND, "not inside");
	expect_desc(BUF, 32, IND | NEXT, "with a next one");
	start(&f, SIZE, 0);
	pring_raw(&f.r, BUF, 32, IND, 0);
	expect_broken(&f, "not negotiated");
	start(&f, SIZE, INDIRECT);
	pring_raw(&f.r, BUF, 4, NEXT, 0);
	pring_raw(&f.r, BUF, 32, IND, 0);
	expect_broken(&f, "within a chain");
}

static void t22_out_after_in(void **state)
{
	struct guest_buf buf[] = { { 8192, 4, true }, { 8192, 4, false } };
	struct fixture f;

	(void)state;
	start(&f, SIZE, INDIRECT);
	pring_raw(&f.r, BUF, 4, WRITE | NEXT, 0);
	pring_raw(&f.r, BUF, 4, 0, 0);
	expect_broken(&f, "after a writable");
	/* A writable one without bytes counts too. */
	start(&f, SIZE, INDIRECT);
	pring_raw(&f.r, BUF, 0, WRITE | NEXT, 0);
	pring_raw(&f.r, BUF, 4, 0, 0);
	expect_broken(&f, "after a writable");
	start(&f, SIZE, INDIRECT);
	pring_indirect(&f.r, 0, buf, 2);
	expect_broken(&f, "after a writable");
}

/* T20, T27: addresses that wrap, have no bit 63, or are in no window. */
static void t20_t27_address(void **state)
{
	uint64_t end = guest_addr(64 * 4096);

	(void)state;
	expect_desc(end - 4, 5, 0, "not inside");
	expect_desc(end, 1, 0, "not inside");
	expect_desc(guest_addr(0) - 1, 1, 0, "not inside");
	expect_desc(BUF & ~XVIO_ADDR_GRANT, 4, 0, "not inside");
	expect_desc(BUF | 1ULL << 62, 4, 0, "not inside");
	expect_desc(UINT64_MAX - 3, 8, 0, "not inside");
	expect_desc(BUF, UINT32_MAX, 0, "not inside");
	expect_desc(0, UINT32_MAX, WRITE, "not inside");
}

static void t20_sum_over_4g(void **state)
{
	struct vring_packed_desc *table;
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
	}
	pring_raw(&f.r, guest_addr(off), 16 * XVB_VQ_MAX_SIZE, IND, 0);
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
		pring_raw(&f.r, BUF, 1, i + 1 < SIZE ? NEXT : 0, 0);
	f.chain.iov_max = SIZE - 1;
	expect_broken(&f, "segments");
}

static void setup_refused(const struct pring *r, struct guest *g, int want,
			  const char *what)
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

static void setup_wrong(void **state)
{
	static const uint32_t sizes[] = { 0, 1025, 2048, 32768, 0x80000000,
					  0xffffffff };
	uint64_t end = guest_addr(64 * 4096);
	struct pring r, good;
	struct guest g;
	unsigned int i;

	(void)state;
	guest_init(&g, 64);
	pring_init(&good, &g, SIZE, 0);
	r = good;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		r.setup.size = sizes[i];
		setup_refused(&r, &g, -EINVAL, "from 1 to 1024");
	}
	r = good;
	r.setup.desc += 8;
	setup_refused(&r, &g, -EINVAL, "aligned to 16");
	r.setup.desc = end - 16 * SIZE + 16;
	setup_refused(&r, &g, -EFAULT, "descriptor area");
	r = good;
	r.setup.driver += 2;
	setup_refused(&r, &g, -EINVAL, "aligned to 4");
	r.setup.driver = end;
	setup_refused(&r, &g, -EFAULT, "driver area");
	r = good;
	r.setup.device += 2;
	setup_refused(&r, &g, -EINVAL, "aligned to 4");
	r.setup.device = end;
	setup_refused(&r, &g, -EFAULT, "device area");
	r.setup.device = 0x1000;
	setup_refused(&r, &g, -EINVAL, "not a granted address");
	r = good;
	r.setup.inflight = guest_addr(8192);
	r.setup.inflight_len = 32 + 32 * SIZE - 1;
	setup_refused(&r, &g, -EINVAL, "288 are needed");
	r.setup.inflight_len++;
	r.setup.inflight = end - 32 * SIZE;
	setup_refused(&r, &g, -EFAULT, "in-flight");
	guest_destroy(&g);
}

/* What the device writes must lie where it can: the whole ring, for one. */
static void t22_setup_readonly(void **state)
{
	uint64_t ro = XVIO_ADDR_GRANT | 500ULL << 12;
	struct pring r, good;
	struct guest g;

	(void)state;
	guest_init(&g, 64);
	pring_init(&good, &g, SIZE, 0);
	assert_int_equal(xvb_memory_add(&g.mem, 500, 4, XVB_READ), 0);
	r = good;
	r.setup.desc = ro;
	setup_refused(&r, &g, -EFAULT, "descriptor area");
	r = good;
	r.setup.device = ro;
	setup_refused(&r, &g, -EFAULT, "device area");
	r = good;
	r.setup.inflight = ro;
	r.setup.inflight_len = 4096;
	setup_refused(&r, &g, -EFAULT, "in-flight record");
	guest_destroy(&g);
}

/* The in-flight record belongs to the guest: what is in it changes nothing. */
static void record_scribbled(void **state)
{
	uint32_t len = 32 + 32 * SIZE, off, used_len;
	struct guest_buf buf[] = { { 8192, 4, false }, { 8192, 4, true } };
	struct xvb_error err = { "" };
	unsigned int i, fill;
	struct fixture f;
	uint16_t id;

	(void)state;
	for (fill = 0; fill < 256; fill += 51) {
		start(&f, SIZE, 0);
		xvb_vq_stop(&f.vq);
		off = guest_alloc(&f.g, len, 8);
		f.r.setup.inflight = guest_addr(off);
		f.r.setup.inflight_len = len;
		assert_int_equal(xvb_vq_start(&f.vq, &f.r.setup, &err), 0);
		for (i = 0; i < 10 * SIZE; i++) {
			memset(guest_ptr(&f.g, off), fill, len);
			pring_add(&f.r, i % SIZE, buf, 2);
			assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
			memset(guest_ptr(&f.g, off), fill, len);
			xvb_vq_push(&f.vq, i % SIZE, i);
			memset(guest_ptr(&f.g, off), fill, len);
			assert_true(xvb_vq_flush(&f.vq));
			assert_true(pring_used(&f.r, &id, &used_len));
			assert_int_equal(id, i % SIZE);
			assert_int_equal(used_len, i);
		}
		stop(&f);
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
	struct vring_packed_desc *table = guest_ptr(&f->g, 16384), *d;
	uint64_t end = guest_addr(64 * 4096);
	unsigned int i, n = 1;

	while (!atomic_load_explicit(&fl->stop, memory_order_relaxed)) {
		for (i = 0; i < SIZE; i++) {
			n = n * 1103515245 + 12345;
			d = &f->r.desc[i];
			d->addr = htole64(n & 1 << 20 ? guest_addr(16384) :
					  end - (n >> 8 & 63));
			d->len = htole32(n & 1 << 21 ? 32 : 0xfffffff0);
			d->id = htole16(n >> 25 & 7);
			d->flags = htole16(flags[n >> 22 & 7] |
					   (n & 1 << 28 ? PRING_AVAIL : 0) |
					   (n & 1 << 29 ? PRING_USED : 0));
			table[i & 1].addr = htole64(n & 1 << 10 ? BUF : end);
			table[i & 1].len = htole32(n & 1 << 11 ? 64 : n);
			table[i & 1].flags = htole16(flags[n >> 12 & 7]);
			f->r.driver->off_wrap = htole16(n >> 8);
			f->r.driver->flags = htole16(n >> 16 & 3);
			/* Really store it, each time. */
			atomic_signal_fence(memory_order_seq_cst);
		}
	}
	return NULL;
}

static void t1_double_fetch(void **state)
{
	struct xvb_error err = { "" };
	struct fixture f;
	struct flipper fl = { .f = &f };
	time_t end = time(NULL) + 20;
	unsigned long taken = 0, i, k;
	pthread_t thread;

	(void)state;
	start(&f, SIZE, INDIRECT);
	assert_int_equal(pthread_create(&thread, NULL, flipper_main, &fl), 0);
	for (i = 0; (i < 200000 || taken < 1000) && time(NULL) < end; i++) {
		if (xvb_vq_pop(&f.vq, &f.chain) == 1) {
			taken++;
			/* Whatever was taken can be written. */
			for (k = 0; k < f.chain.nin; k++)
				memset(f.iov[f.chain.nout + k].iov_base, 1,
				       f.iov[f.chain.nout + k].iov_len);
			xvb_vq_push(&f.vq, f.chain.id, f.chain.in_len);
			if (i & 1)
				xvb_vq_flush(&f.vq);
			xvb_vq_kick_enable(&f.vq);
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
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t20_id_out_of_range),
		cmocka_unit_test(t21_id_twice),
		cmocka_unit_test(t21_id_before_flush),
		cmocka_unit_test(t20_endless_chain),
		cmocka_unit_test(t20_chain_into_nothing),
		cmocka_unit_test(t21_more_than_the_ring),
		cmocka_unit_test(t21_more_than_the_ring_chains),
		cmocka_unit_test(t21_flags_without_meaning),
		cmocka_unit_test(t20_indirect),
		cmocka_unit_test(t22_out_after_in),
		cmocka_unit_test(t20_t27_address),
		cmocka_unit_test(t20_sum_over_4g),
		cmocka_unit_test(t20_too_many_segments),
		cmocka_unit_test(setup_wrong),
		cmocka_unit_test(t22_setup_readonly),
		cmocka_unit_test(record_scribbled),
#ifndef XVB_TEST_TSAN
		/* Its races are the test: not for the thread sanitizer. */
		cmocka_unit_test(t1_double_fetch),
#endif
	};

	return cmocka_run_group_tests_name("packed_hostile", tests, NULL, NULL);
}
