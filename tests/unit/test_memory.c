// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_memory.c - windows and the bounds check (T4, T18)
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "guest.h"

#define RUNS	200000

/* What the bounds check must say, in arithmetic that cannot wrap. */
static const unsigned char *reference(struct xvb_memory *mem, uint64_t addr,
				      uint64_t len, enum xvb_access access)
{
	const struct xvb_memory_table *table = atomic_load(&mem->table);
	__uint128_t start, end, first, last;
	unsigned int i;

	if (!(addr >> 63))
		return NULL;
	start = addr & ~(1ULL << 63);
	end = start + len;
	for (i = 0; i < table->nr; i++) {
		first = table->win[i].start & ~(1ULL << 63);
		last = first + table->win[i].limit[XVB_READ];
		/* The even ones are read-only, see t18_bounds_property(). */
		if (access == XVB_WRITE && first >> 12 != GUEST_REF &&
		    !(first >> 12 & 1))
			continue;
		if (start >= first && start < last && end <= last)
			return table->win[i].va + (size_t)(start - first);
	}
	return NULL;
}

static uint64_t rnd(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Numbers around the edges that matter. */
static uint64_t rnd_addr(void)
{
	static const uint64_t edges[] = {
		0, 1, 1ULL << 32, 1ULL << 44, (1ULL << 44) - 4096, 1ULL << 62,
		1ULL << 63, UINT64_MAX, (1ULL << 63) | (1ULL << 44),
	};
	uint64_t addr;

	if (rnd() % 8 == 0)
		return edges[rnd() % ARRAY_SIZE(edges)] + rnd() % 3 - 1;
	addr = (90 + rnd() % 80) << 12 | (rnd() % 3 ? rnd() % 4096 : 0);
	if (rnd() % 32)
		addr |= 1ULL << 63;
	if (rnd() % 32 == 0)
		addr ^= 1ULL << (rnd() % 64);
	return addr;
}

static uint64_t rnd_len(uint64_t addr)
{
	switch (rnd() % 8) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - rnd() % 4;
	case 2:
		return 0 - addr + rnd() % 3 - 1;
	case 3:
		return UINT32_MAX - rnd() % 3;
	case 4:
		return rnd();
	default:
		return rnd() % (20 * 4096);
	}
}

static void check_one(struct xvb_memory *mem, struct xvb_memory_view *view)
{
	enum xvb_access access = rnd() & 1 ? XVB_WRITE : XVB_READ;
	uint64_t addr = rnd_addr(), len = rnd_len(addr);
	const unsigned char *want = reference(mem, addr, len, access);
	const unsigned char *got = xvb_memory_get(mem, view, addr, len, access);

	if (got != want)
		fail_msg("address %#" PRIx64 " length %#" PRIx64 " access %d: %p, should be %p",
			 addr, len, access, got, want);
}

/* T18: offset + length against the windows, compared with wide arithmetic. */
static void t18_bounds_property(void **state)
{
	static const uint32_t wins[][2] = {
		{ 110, 1 }, { 111, 16 }, { 140, 3 }, { 0, 2 },
		{ UINT32_MAX - 3, 4 }, { 150, 7 },
		/* One size, next to each other and not. */
		{ 131, 4 }, { 127, 4 }, { 135, 4 }, { 145, 4 }, { 161, 4 },
	};
	struct xvb_memory_view view = { 0 };
	struct guest g;
	unsigned int i, w;

	(void)state;
	guest_init(&g, 4);
	for (w = 0; w < ARRAY_SIZE(wins); w++) {
		assert_int_equal(xvb_memory_add(&g.mem, wins[w][0], wins[w][1],
						wins[w][0] & 1 ? XVB_WRITE :
						XVB_READ), 0);
		for (i = 0; i < RUNS; i++)
			check_one(&g.mem, &view);
	}
	guest_destroy(&g);
}

/* T22: what the guest granted read-only is never handed out to be written. */
static void t22_readonly_window(void **state)
{
	struct xvb_memory_view view = { 0 };
	uint64_t addr = XVIO_ADDR_GRANT | 200ULL << 12;
	unsigned char *alias, *p;
	struct guest g;

	(void)state;
	guest_init(&g, 4);
	assert_int_equal(xvb_memory_add(&g.mem, 200, 2, XVB_READ), 0);
	alias = guest_readonly(&g, 200);
	alias[8191] = 7;
	p = xvb_memory_get(&g.mem, &view, addr + 8191, 1, XVB_READ);
	assert_non_null(p);
	assert_int_equal(*p, 7);
	/* Also with the hint at this very window. */
	assert_null(xvb_memory_get(&g.mem, &view, addr + 8191, 1, XVB_WRITE));
	assert_null(xvb_memory_get(&g.mem, &view, addr, 8192, XVB_WRITE));
	assert_null(xvb_memory_get(&g.mem, &view, addr, 0, XVB_WRITE));
	assert_null(xvb_memory_pin(&g.mem, addr, 8192, XVB_WRITE));
	assert_non_null(xvb_memory_pin(&g.mem, addr, 8192, XVB_READ));
	assert_int_equal(xvb_memory_remove(&g.mem, 200, 2), -EBUSY);
	xvb_memory_unpin(&g.mem, addr);
	/* It stays what it is when the table is made anew. */
	assert_int_equal(xvb_memory_add(&g.mem, 50, 1, XVB_WRITE), 0);
	assert_null(xvb_memory_get(&g.mem, &view, addr, 1, XVB_WRITE));
	assert_non_null(xvb_memory_get(&g.mem, &view,
				       XVIO_ADDR_GRANT | 50ULL << 12, 4096,
				       XVB_WRITE));
	assert_int_equal(xvb_memory_remove(&g.mem, 200, 2), 0);
	assert_int_equal(g.mapped, 5);
	guest_destroy(&g);
}

/* T18: the very last byte of a window, and one more. */
static void t18_bounds_edges(void **state)
{
	struct xvb_memory_view view = { 0 };
	uint64_t end = guest_addr(4 * 4096);
	struct guest g;

	(void)state;
	guest_init(&g, 4);
	assert_ptr_equal(xvb_memory_get(&g.mem, &view, end - 1, 1, XVB_WRITE),
			 g.base + 4 * 4096 - 1);
	assert_null(xvb_memory_get(&g.mem, &view, end - 1, 2, XVB_WRITE));
	assert_null(xvb_memory_get(&g.mem, &view, end, 0, XVB_WRITE));
	assert_null(xvb_memory_get(&g.mem, &view, end - 1, UINT64_MAX, XVB_WRITE));
	assert_null(xvb_memory_get(&g.mem, &view, guest_addr(0) - 1, 2, XVB_WRITE));
	assert_null(xvb_memory_get(&g.mem, &view,
				   guest_addr(0) & ~(1ULL << 63), 1, XVB_WRITE));
	guest_destroy(&g);
}

/* T18: two windows side by side are two mappings, not one. */
static void t18_no_range_over_two_windows(void **state)
{
	struct xvb_memory_view view = { 0 };
	struct guest g;

	(void)state;
	guest_init(&g, 4);
	assert_int_equal(xvb_memory_windows(&g.mem), 1);
	assert_int_equal(xvb_memory_add(&g.mem, GUEST_REF + 4, 4, XVB_WRITE), 0);
	assert_int_equal(xvb_memory_windows(&g.mem), 2);
	assert_non_null(xvb_memory_get(&g.mem, &view, guest_addr(3 * 4096),
				       4096, XVB_WRITE));
	assert_null(xvb_memory_get(&g.mem, &view, guest_addr(3 * 4096), 4097, XVB_WRITE));
	assert_non_null(xvb_memory_get(&g.mem, &view, guest_addr(4 * 4096),
				       4096, XVB_WRITE));
	guest_destroy(&g);
}

static void add_refusals(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, 4);
	assert_int_equal(xvb_memory_add(&g.mem, 500, 0, XVB_WRITE), -EINVAL);
	assert_int_equal(xvb_memory_add(&g.mem, 500,
					XVIO_WINDOW_MAX_PAGES + 1, XVB_WRITE), -EINVAL);
	assert_int_equal(xvb_memory_add(&g.mem, UINT32_MAX, 2, XVB_WRITE), -EINVAL);
	assert_int_equal(xvb_memory_add(&g.mem, GUEST_REF, 4, XVB_WRITE), -EEXIST);
	assert_int_equal(xvb_memory_add(&g.mem, GUEST_REF + 3, 1, XVB_WRITE), -EEXIST);
	assert_int_equal(xvb_memory_add(&g.mem, GUEST_REF - 1, 2, XVB_WRITE), -EEXIST);
	assert_int_equal(xvb_memory_add(&g.mem, GUEST_REF - 1, 20, XVB_WRITE), -EEXIST);
	assert_int_equal(xvb_memory_add(&g.mem, GUEST_REF - 1, 1, XVB_WRITE), 0);
	assert_int_equal(xvb_memory_add(&g.mem, UINT32_MAX, 1, XVB_WRITE), 0);
	g.fail_map = -EFAULT;
	assert_int_equal(xvb_memory_add(&g.mem, 600, 1, XVB_WRITE), -EFAULT);
	assert_int_equal(xvb_memory_add(&g.mem, 600, 1, XVB_WRITE), 0);
	guest_destroy(&g);
}

/* T4: neither pages nor windows grow without end. */
static void t4_limits(void **state)
{
	struct guest g;
	uint32_t i;

	(void)state;
	guest_init(&g, 4);
	g.mem.max_pages = 10;
	assert_int_equal(xvb_memory_add(&g.mem, 500, 7, XVB_WRITE), -ENOSPC);
	assert_int_equal(xvb_memory_add(&g.mem, 500, 6, XVB_WRITE), 0);
	assert_int_equal(xvb_memory_add(&g.mem, 600, 1, XVB_WRITE), -ENOSPC);
	assert_int_equal(xvb_memory_remove(&g.mem, 500, 6), 0);
	assert_int_equal(xvb_memory_add(&g.mem, 600, 6, XVB_WRITE), 0);
	assert_int_equal(xvb_memory_remove(&g.mem, 600, 6), 0);
	g.mem.max_pages = 1 << 20;
	for (i = 1; i < XVB_MEMORY_MAX_WINDOWS; i++)
		assert_int_equal(xvb_memory_add(&g.mem, 1000 + 2 * i, 1, XVB_WRITE), 0);
	assert_int_equal(xvb_memory_add(&g.mem, 5000, 1, XVB_WRITE), -ENOSPC);
	guest_destroy(&g);
}

static void remove_exact_only(void **state)
{
	struct xvb_memory_view view = { 0 };
	struct guest g;

	(void)state;
	guest_init(&g, 4);
	assert_int_equal(xvb_memory_add(&g.mem, 200, 4, XVB_WRITE), 0);
	assert_int_equal(xvb_memory_remove(&g.mem, 200, 3), -ENOENT);
	assert_int_equal(xvb_memory_remove(&g.mem, 201, 3), -ENOENT);
	assert_int_equal(xvb_memory_remove(&g.mem, 300, 4), -ENOENT);
	assert_int_equal(xvb_memory_remove(&g.mem, UINT32_MAX, UINT32_MAX),
			 -ENOENT);
	assert_int_equal(xvb_memory_remove(&g.mem, 200, 4), 0);
	assert_int_equal(xvb_memory_remove(&g.mem, 200, 4), -ENOENT);
	assert_null(xvb_memory_get(&g.mem, &view, 1ULL << 63 | 200 << 12, 1, XVB_WRITE));
	assert_int_equal(g.mapped, 4);
	guest_destroy(&g);
}

static void remove_refused_while_pinned(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, 4);
	assert_non_null(xvb_memory_pin(&g.mem, guest_addr(4096), 100, XVB_WRITE));
	assert_null(xvb_memory_pin(&g.mem, guest_addr(4096), 4 * 4096, XVB_WRITE));
	assert_null(xvb_memory_pin(&g.mem, guest_addr(0), 0, XVB_WRITE));
	/* The pin survives a new table. */
	assert_int_equal(xvb_memory_add(&g.mem, 50, 1, XVB_WRITE), 0);
	assert_int_equal(xvb_memory_remove(&g.mem, GUEST_REF, 4), -EBUSY);
	xvb_memory_unpin(&g.mem, guest_addr(4096));
	assert_int_equal(xvb_memory_remove(&g.mem, GUEST_REF, 4), 0);
	guest_destroy(&g);
}

static void init_refusals(void **state)
{
	struct xvb_memory mem;

	(void)state;
	assert_int_equal(xvb_memory_init(&mem, NULL, NULL, 0), -EINVAL);
	assert_int_equal(xvb_memory_init(&mem, NULL, NULL, (1 << 20) + 1),
			 -EINVAL);
	xvb_memory_destroy(&mem);
}

struct reader {
	struct guest *g;
	_Atomic bool stop;
	unsigned long found;
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct xvb_memory_view view = { 0 };
	unsigned char *p;
	uint64_t ref;

	while (!atomic_load(&r->stop)) {
		for (ref = 1000; ref < 1200; ref++) {
			p = xvb_memory_get(&r->g->mem, &view,
					   1ULL << 63 | ref << 12, 4096, XVB_WRITE);
			if (p)
				r->found += p[4095] + 1;
		}
		if (xvb_memory_get(&r->g->mem, &view, guest_addr(0), 1, XVB_WRITE) !=
		    r->g->base)
			return r;
	}
	return NULL;
}

/* Windows come while queues run: no lock, no torn table (thread sanitizer). */
static void add_while_reading(void **state)
{
	struct guest g;
	struct reader readers[2] = { { .g = &g }, { .g = &g } };
	pthread_t threads[2];
	unsigned int i;
	void *bad;

	(void)state;
	guest_init(&g, 4);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, reader_main,
						&readers[i]), 0);
	for (i = 0; i < 200; i++)
		assert_int_equal(xvb_memory_add(&g.mem, 1000 + (i * 77) % 200,
						1, XVB_WRITE), 0);
	for (i = 0; i < 2; i++) {
		atomic_store(&readers[i].stop, true);
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	xvb_memory_quiesced(&g.mem);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t18_bounds_property),
		cmocka_unit_test(t22_readonly_window),
		cmocka_unit_test(t18_bounds_edges),
		cmocka_unit_test(t18_no_range_over_two_windows),
		cmocka_unit_test(add_refusals),
		cmocka_unit_test(t4_limits),
		cmocka_unit_test(remove_exact_only),
		cmocka_unit_test(remove_refused_while_pinned),
		cmocka_unit_test(init_refusals),
		cmocka_unit_test(add_while_reading),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
