// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_rng.c - virtio-rng (R15)
 */

#include <time.h>

#include "guest.h"

static void count_bits(const unsigned char *p, size_t len, unsigned int *ones)
{
	size_t i;

	for (i = 0; i < len; i++)
		*ones += __builtin_popcount(p[i]);
}

/* R15: exactly used.len bytes are new, those behind are as they were. */
static void r15_no_stale_bytes(void **state)
{
	static const uint32_t lens[] = { 1, 7, 64, 4095, 4096, 4097, 65536 };
	struct guest_buf buf = { .in = true };
	unsigned int i, ones = 0;
	struct guest_ring r;
	unsigned char *p;
	uint32_t id, len, want;
	struct guest g;

	(void)state;
	guest_init(&g, 64);
	guest_attach(&g, "type=rng", 0);
	guest_queue(&g, &r, 0, 8);
	buf.off = guest_alloc(&g, 65536 + 16, 16);
	p = guest_ptr(&g, buf.off);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		memset(p, 0, 65536 + 16);
		buf.len = lens[i];
		ring_chain(&r, 0, &buf, 1);
		ring_avail(&r, 0);
		guest_wait(&g, &r, 0, &id, &len);
		want = lens[i] < 4096 ? lens[i] : 4096;
		assert_int_equal(len, want);
		assert_int_equal(p[len], 0);
		assert_memory_equal(p + len, p + len + 1, 65536 + 15 - len);
	}
	count_bits(p, 4096, &ones);
	assert_in_range(ones, 15500, 17300);
	guest_detach(&g);
	guest_destroy(&g);
}

/* Pieces, readable ones too, and a request without room. */
static void odd_chains(void **state)
{
	struct guest_buf buf[4];
	struct guest_ring r;
	uint32_t id, len, off;
	struct guest g;

	(void)state;
	guest_init(&g, 16);
	guest_attach(&g, "type=rng", 0);
	guest_queue(&g, &r, 0, 8);
	off = guest_alloc(&g, 4096, 16);
	buf[0] = (struct guest_buf){ off, 100, false };
	buf[1] = (struct guest_buf){ off + 200, 3, true };
	buf[2] = (struct guest_buf){ off + 300, 0, true };
	buf[3] = (struct guest_buf){ off + 400, 50, true };
	ring_chain(&r, 0, buf, 4);
	ring_avail(&r, 0);
	guest_wait(&g, &r, 0, &id, &len);
	assert_int_equal(len, 53);
	ring_chain(&r, 0, buf, 1);
	ring_avail(&r, 0);
	guest_wait(&g, &r, 0, &id, &len);
	assert_int_equal(len, 0);
	guest_detach(&g);
	guest_destroy(&g);
}

/* With a limit the device waits, and wakes up by itself. */
static void rate_limit(void **state)
{
	struct guest_buf buf = { .in = true, .len = 4000 };
	struct timespec t0, t1;
	struct guest_ring r;
	uint32_t id, len;
	unsigned long total = 0;
	struct guest g;
	double secs;

	(void)state;
	guest_init(&g, 16);
	guest_attach(&g, "type=rng,max_rate=20000", 0);
	guest_queue(&g, &r, 0, 8);
	buf.off = guest_alloc(&g, 4096, 16);
	ring_chain(&r, 0, &buf, 1);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	while (total < 10000) {
		ring_avail(&r, 0);
		guest_wait(&g, &r, 0, &id, &len);
		assert_in_range(len, 1, 4000);
		total += len;
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	secs = t1.tv_sec - t0.tv_sec + (t1.tv_nsec - t0.tv_nsec) / 1e9;
	assert_true(total - 4096 <= secs * 20000 + 1);
	guest_detach(&g);
	guest_destroy(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(r15_no_stale_bytes),
		cmocka_unit_test(odd_chains),
		cmocka_unit_test(rate_limit),
	};

	return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
