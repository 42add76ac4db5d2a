// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_vq_poll.c - when a queue looks at its ring before it sleeps, and when not
 */

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/param.h>

#include "disk.h"
#include "vq_poll.h"

#define SIZE		8
#define LONG_NS		10000000000ULL
#define SHORT_NS	1000

struct fixture {
	struct guest g;
	struct guest_ring r;
	struct xvb_vq vq;
	struct iovec iov[GUEST_CHAIN];
	struct xvb_chain chain;
	struct xvb_pollers all;
	struct xvb_poll poll;
};

static void start(struct fixture *f, uint64_t ns)
{
	struct xvb_error err = { "" };

	memset(f, 0, sizeof(*f));
	guest_init(&f->g, 16);
	ring_init(&f->r, &f->g, SIZE, BIT64(VIRTIO_RING_F_EVENT_IDX));
	xvb_vq_init(&f->vq, &f->g.mem);
	if (xvb_vq_start(&f->vq, &f->r.setup, &err))
		fail_msg("%s", err.text);
	f->chain.iov = f->iov;
	f->chain.iov_max = GUEST_CHAIN;
	xvb_pollers_init(&f->all, 0);
	f->all.ns = ns;
	f->poll.all = &f->all;
}

static void stop(struct fixture *f)
{
	xvb_vq_stop(&f->vq);
	guest_destroy(&f->g);
}

static void make_available(struct fixture *f)
{
	const struct guest_buf buf = { 8192, 16, true };

	ring_chain(&f->r, 0, &buf, 1);
	ring_avail(&f->r, 0);
}

static void serve(struct fixture *f)
{
	uint32_t id, len;

	assert_int_equal(xvb_vq_pop(&f->vq, &f->chain), 1);
	xvb_vq_push(&f->vq, f->chain.id, 16);
	xvb_vq_flush(&f->vq);
	assert_true(ring_used(&f->r, &id, &len));
}

static unsigned int polls(struct fixture *f)
{
	return xvb_stat_get(&f->vq.stats->polls);
}

static uint64_t poll_ns(struct fixture *f)
{
	return xvb_stat_get(&f->vq.stats->poll_ns);
}

static unsigned int hits(struct fixture *f)
{
	return xvb_stat_get(&f->vq.stats->poll_hits);
}

static void miss(struct fixture *f, unsigned int n)
{
	while (n--)
		assert_false(xvb_poll(&f->poll, &f->vq));
}

/* A look that finds a request, which is served then. */
static void find(struct fixture *f)
{
	make_available(f);
	assert_true(xvb_poll(&f->poll, &f->vq));
	serve(f);
}

/* In time, however busy this machine is. */
static void hit(struct fixture *f)
{
	uint64_t ns = f->all.ns;

	f->all.ns = LONG_NS;
	find(f);
	f->all.ns = ns;
}

static void not_asked_for(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 0);
	make_available(&f);
	miss(&f, 3);
	f.poll.all = NULL;
	miss(&f, 3);
	assert_int_equal(polls(&f), 0);
	stop(&f);
}

static void there_already(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, LONG_NS);
	make_available(&f);
	assert_true(xvb_poll(&f.poll, &f.vq));
	assert_int_equal(polls(&f), 1);
	assert_int_equal(hits(&f), 1);
	stop(&f);
}

/* Its completion must not wait for the end of a look. */
static void in_flight(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, LONG_NS);
	make_available(&f);
	assert_int_equal(xvb_vq_pop(&f.vq, &f.chain), 1);
	miss(&f, 1);
	assert_int_equal(polls(&f), 0);
	xvb_vq_push(&f.vq, f.chain.id, 16);
	xvb_vq_flush(&f.vq);
	stop(&f);
}

static void *later(void *data)
{
	struct fixture *f = data;

	/* Not before somebody looks. */
	while (!atomic_load(&f->all.nr))
		;
	make_available(f);
	return NULL;
}

/* Found without a notification: the driver sees that none is wanted. */
static void comes_meanwhile(void **state)
{
	struct fixture f;
	pthread_t thread;

	(void)state;
	start(&f, LONG_NS);
	make_available(&f);
	serve(&f);
	assert_int_equal(pthread_create(&thread, NULL, later, &f), 0);
	assert_true(xvb_poll(&f.poll, &f.vq));
	pthread_join(thread, NULL);
	assert_int_equal(hits(&f), 1);
	/* Index 1 was made available, and it is not what was asked for. */
	assert_int_not_equal(ring_avail_event(&f.r), 1);
	serve(&f);
	stop(&f);
}

static void given_up_for_longer_and_longer(void **state)
{
	uint64_t rest = XVB_POLL_REST;
	unsigned int before = 0;
	struct fixture f;

	(void)state;
	start(&f, SHORT_NS);
	for (; rest <= XVB_POLL_REST_MAX; rest *= 2) {
		miss(&f, XVB_POLL_MISSES);
		before += XVB_POLL_MISSES;
		assert_int_equal(polls(&f), before);
		assert_true(poll_ns(&f) >= (uint64_t)before * SHORT_NS);
		assert_int_equal(f.poll.rest, rest);
		/* As if it went on for ever, and as if it was over. */
		f.poll.until = UINT64_MAX;
		miss(&f, 3 * XVB_POLL_MISSES);
		assert_int_equal(polls(&f), before);
		f.poll.until = 0;
	}
	/* Not longer than that. */
	miss(&f, XVB_POLL_MISSES);
	assert_int_equal(f.poll.rest, XVB_POLL_REST_MAX);
	assert_int_equal(hits(&f), 0);
	stop(&f);
}

/* A rest that nobody helps along ends, too. */
static void taken_up_again(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SHORT_NS);
	miss(&f, XVB_POLL_MISSES);
	while (polls(&f) == XVB_POLL_MISSES)
		miss(&f, 1);
	assert_int_equal(polls(&f), XVB_POLL_MISSES + 1);
	/* Shorter again with each that is of use. */
	hit(&f);
	miss(&f, 1);
	assert_int_equal(f.poll.rest, XVB_POLL_REST / 2);
	stop(&f);
}

/* One of use for each in vain goes on, one for seven does not. */
static void as_often_of_use(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, SHORT_NS);
	for (i = 0; i < 100; i++) {
		hit(&f);
		miss(&f, 1);
	}
	assert_int_equal(polls(&f), 200);
	assert_false(f.poll.resting);
	for (i = 0; i < 24 && !f.poll.resting; i++) {
		if (i % 8)
			miss(&f, 1);
		else
			hit(&f);
	}
	assert_true(f.poll.resting);
	stop(&f);
}

/* The driver takes back what it made available: that is not of use. */
static void nothing_behind_it(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, SHORT_NS);
	for (i = 0; i < XVB_POLL_MISSES; i++) {
		make_available(&f);
		assert_true(xvb_poll(&f.poll, &f.vq));
		f.r.avail->idx = htole16(--f.r.avail_idx);
	}
	/* That of the last one is seen here, and where the rest is over already a miss. */
	miss(&f, 1);
	assert_int_equal(f.poll.rest, XVB_POLL_REST);
	stop(&f);
}

/* Found, but not in time: others had the processor.  The clock is not so fast. */
static void too_late(void **state)
{
	struct fixture f;
	unsigned int i;

	(void)state;
	start(&f, 1);
	for (i = 0; i < XVB_POLL_MISSES; i++)
		find(&f);
	assert_int_equal(polls(&f), XVB_POLL_MISSES);
	assert_int_equal(hits(&f), 0);
	assert_int_equal(f.poll.rest, XVB_POLL_REST);
	stop(&f);
}

/* Others of the device look already: that is not in vain, either. */
static void no_room(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, SHORT_NS);
	make_available(&f);
	f.all.nr = f.all.max;
	miss(&f, 2 * XVB_POLL_MISSES);
	assert_int_equal(polls(&f), 0);
	assert_int_equal(f.all.nr, f.all.max);
	f.all.nr--;
	assert_true(xvb_poll(&f.poll, &f.vq));
	assert_int_equal(f.all.nr, f.all.max - 1);
	stop(&f);
}

static void half_of_the_processors(void **state)
{
	struct xvb_pollers all;
	cpu_set_t before, one;
	int i = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	xvb_pollers_init(&all, 7);
	assert_int_equal(all.ns, 7000);
	assert_int_equal(all.max, MAX(CPU_COUNT(&before) / 2, 1));
	while (!CPU_ISSET(i, &before))
		i++;
	CPU_ZERO(&one);
	CPU_SET(i, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	xvb_pollers_init(&all, 0);
	assert_int_equal(all.ns, 0);
	assert_int_equal(all.max, 1);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* A disk looks, and then asks for a notification all the same. */
static void disk(void **state)
{
	struct xvb_vq_stats *stats;
	struct disk d;

	(void)state;
	disk_start(&d, ",poll_us=1", 0);
	stats = d.g.dev->queues[0].vq.stats;
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 0, d.data, 4096, true),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(ring_avail_event(&d.r), 1);
	assert_true(xvb_stat_get(&stats->polls) > 0);
	disk_stop(&d);

	/* Without EVENT_IDX by a flag, which is there only while nobody looks. */
	disk_start(&d, ",poll_us=1", BIT64(VIRTIO_RING_F_EVENT_IDX));
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 0, d.data, 4096, true),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(le16toh(d.r.used->flags), 0);
	disk_stop(&d);

	disk_start(&d, "", 0);
	stats = d.g.dev->queues[0].vq.stats;
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 0, d.data, 4096, true),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(xvb_stat_get(&stats->polls), 0);
	disk_stop(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_asked_for),
		cmocka_unit_test(there_already),
		cmocka_unit_test(in_flight),
		cmocka_unit_test(comes_meanwhile),
		cmocka_unit_test(given_up_for_longer_and_longer),
		cmocka_unit_test(taken_up_again),
		cmocka_unit_test(as_often_of_use),
		cmocka_unit_test(nothing_behind_it),
		cmocka_unit_test(no_room),
		cmocka_unit_test(too_late),
		cmocka_unit_test(half_of_the_processors),
		cmocka_unit_test(disk),
	};

	return cmocka_run_group_tests_name("vq_poll", tests, NULL, NULL);
}
