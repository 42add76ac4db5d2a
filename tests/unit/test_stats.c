// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_stats.c - counters: names, the shared copy, hostile contents
 */

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "stats.h"

static uint64_t word(const void *base, unsigned int i)
{
	return xvb_stat_get((const _Atomic uint64_t *)base + i);
}

/* Every word of a structure has one name, no two have the same. */
static void check_names(const struct xvb_stat *stat, unsigned int nr,
			size_t size)
{
	unsigned int i, j;

	assert_int_equal(nr * sizeof(uint64_t), size);
	for (i = 0; i < nr; i++) {
		assert_int_equal(stat[i].offset, i * sizeof(uint64_t));
		assert_true(strspn(stat[i].name, "abcdefghijklmnopqrstuvwxyz-") ==
			    strlen(stat[i].name));
		for (j = 0; j < i; j++)
			assert_string_not_equal(stat[i].name, stat[j].name);
	}
}

static void names(void **state)
{
	(void)state;
	check_names(xvb_vq_stat_names, xvb_nr_vq_stats,
		    sizeof(struct xvb_vq_stats));
	check_names(xvb_device_stat_names, xvb_nr_device_stats,
		    sizeof(struct xvb_device_stats));
}

/* What a child writes is seen here, and only what is its own. */
static void shared(void **state)
{
	struct xvb_stats *stats, copy;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(xvb_stats_make(&stats), 0);
	pid = fork();
	if (!pid) {
		xvb_stat_set(&stats->device.nr_queues, 2);
		xvb_stat_add(&stats->queue[0].vq.requests, 3);
		xvb_stat_add(&stats->queue[1].vq.requests, 1ULL << 40);
		xvb_stat_add(&stats->queue[1].vq.grants.errors, 5);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	xvb_stats_read(stats, &copy);
	assert_int_equal(xvb_stat_get(&copy.device.nr_queues), 2);
	assert_int_equal(xvb_stat_get(&copy.queue[0].vq.requests), 3);
	assert_int_equal(xvb_stat_get(&copy.queue[1].vq.requests), 1ULL << 40);
	assert_int_equal(xvb_stat_get(&copy.queue[1].vq.grants.errors), 5);
	assert_int_equal(xvb_stat_get(&copy.queue[0].vq.grants.errors), 0);
	xvb_stats_free(stats);
	xvb_stats_free(NULL);
}

static void sums(void **state)
{
	struct xvb_stats *stats;
	struct xvb_vq_stats sum;
	unsigned int i;

	(void)state;
	assert_int_equal(xvb_stats_make(&stats), 0);
	xvb_stat_set(&stats->device.nr_queues, 3);
	for (i = 0; i < 4; i++) {
		xvb_stat_set(&stats->queue[i].vq.kicks, 1 + i);
		xvb_stat_set(&stats->queue[i].vq.grants.errors, 10 * (1 + i));
	}
	xvb_stats_sum(stats, &sum);
	/* The fourth does not exist. */
	assert_int_equal(xvb_stat_get(&sum.kicks), 6);
	assert_int_equal(xvb_stat_get(&sum.grants.errors), 60);
	assert_int_equal(xvb_stat_get(&sum.requests), 0);
	assert_int_equal(xvb_stats_value(&sum, &xvb_vq_stat_names[0]), 6);
	xvb_stats_free(stats);
}

/* Whatever is in the memory: at most so many queues, and nothing behind. */
static void hostile(void **state)
{
	static const uint64_t nrs[] = {
		0, 1, XVB_MAX_QUEUES, XVB_MAX_QUEUES + 1, 1ULL << 32,
		(1ULL << 32) + 1, 1ULL << 63, UINT64_MAX,
	};
	struct {
		uint64_t before;
		struct xvb_stats stats;
		uint64_t after;
	} copy = { .before = 0x1234, .after = 0x5678 };
	struct xvb_vq_stats sum;
	struct xvb_stats *stats;
	uint64_t nr;
	unsigned int i, j;

	(void)state;
	assert_int_equal(xvb_stats_make(&stats), 0);
	memset(stats, 0xff, sizeof(*stats));
	for (i = 0; i < ARRAY_SIZE(nrs); i++) {
		xvb_stat_set(&stats->device.nr_queues, nrs[i]);
		xvb_stats_read(stats, &copy.stats);
		nr = MIN(nrs[i], (uint64_t)XVB_MAX_QUEUES);
		assert_int_equal(xvb_stat_get(&copy.stats.device.nr_queues),
				 nr);
		for (j = 0; j < XVB_MAX_QUEUES; j++)
			assert_int_equal(word(&copy.stats.queue[j], 0),
					 j < nr ? UINT64_MAX : 0);
		xvb_stats_sum(&copy.stats, &sum);
		assert_int_equal(word(&sum, 1), 0 - nr);
	}
	assert_int_equal(copy.before, 0x1234);
	assert_int_equal(copy.after, 0x5678);
	xvb_stats_free(stats);
}

static void waver(struct xvb_stats *stats)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Until it is killed. */
	for (;;) { /* NOLINT(bugprone-infinite-loop) */
		xvb_stat_set(&stats->device.nr_queues, UINT64_MAX);
		xvb_stat_set(&stats->device.nr_queues, 1);
	}
}

/* A worker that changes its mind all the time: what was checked is used. */
static void changing(void **state)
{
	struct xvb_stats *stats, copy;
	uint64_t nr, seen = 0;
	unsigned int i, j;
	pid_t pid;

	(void)state;
	assert_int_equal(xvb_stats_make(&stats), 0);
	memset(stats, 0xff, sizeof(*stats));
	pid = fork();
	if (!pid)
		waver(stats);
	for (i = 0; i < 20000 || (seen != 3 && i < 2000000); i++) {
		xvb_stats_read(stats, &copy);
		nr = xvb_stat_get(&copy.device.nr_queues);
		assert_true(nr == 1 || nr == XVB_MAX_QUEUES);
		seen |= nr == 1 ? 1 : 2;
		for (j = nr; j < XVB_MAX_QUEUES; j++)
			assert_int_equal(word(&copy.queue[j], 0), 0);
	}
	assert_int_equal(seen, 3);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	xvb_stats_free(stats);
}

/* A device counts where it is told to, and knows its own queues only. */
static void of_device(void **state)
{
	struct xvb_vq_stats *q;
	struct xvb_stats *stats;
	struct disk d;
	unsigned int i;

	(void)state;
	assert_int_equal(xvb_stats_make(&stats), 0);
	disk_start(&d, ",queues=2", 0);
	xvb_queue_stop(&d.g.dev->queues[0]);
	close(d.g.epoll);
	d.g.epoll = -1;
	xvb_device_set_stats(d.g.dev, stats);
	guest_queue(&d.g, &d.r, 0, DISK_QUEUE);
	assert_int_equal(xvb_stat_get(&stats->device.nr_queues), 2);
	for (i = 0; i < 3; i++)
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, 8 * i, d.data,
					 4096, false), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 0, d.data, 512, true),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 1ULL << 40, d.data, 512,
				 true), VIRTIO_BLK_S_IOERR);
	q = &stats->queue[0].vq;
	assert_int_equal(xvb_stat_get(&q->requests), 5);
	assert_int_equal(xvb_stat_get(&q->completed), 5);
	assert_int_equal(xvb_stat_get(&q->errors), 1);
	assert_int_equal(xvb_stat_get(&q->bytes_out), 5 * 16 + 3 * 4096);
	assert_int_equal(xvb_stat_get(&q->bytes_in), 5 + 2 * 512);
	/* What was refused has not reached the file. */
	assert_int_equal(xvb_stat_get(&q->io_uring) +
			 xvb_stat_get(&q->libaio) +
			 xvb_stat_get(&q->helpers), 4);
	for (i = 0; i < XVB_STATS_SLOT_WORDS; i++)
		assert_int_equal(xvb_stat_get(&stats->queue[1].words[i]), 0);
	disk_stop(&d);
	xvb_stats_free(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(shared),
		cmocka_unit_test(sums),
		cmocka_unit_test(hostile),
		cmocka_unit_test(changing),
		cmocka_unit_test(of_device),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
