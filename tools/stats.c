// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - the counters of a worker: memory, copy, names
 */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "stats.h"
#include "util.h"

#define WORD	sizeof(uint64_t)

#define VQ(member)	offsetof(struct xvb_vq_stats, member)

const struct xvb_stat xvb_vq_stat_names[] = {
	{ "kicks", VQ(kicks) },
	{ "sweeps", VQ(sweeps) },
	{ "requests", VQ(requests) },
	{ "completed", VQ(completed) },
	{ "bytes-out", VQ(bytes_out) },
	{ "bytes-in", VQ(bytes_in) },
	{ "errors", VQ(errors) },
	{ "notifications", VQ(notifications) },
	{ "suppressed", VQ(suppressed) },
	{ "io-uring", VQ(io_uring) },
	{ "libaio", VQ(libaio) },
	{ "helpers", VQ(helpers) },
	{ "bytes-copied", VQ(bytes_copied) },
	{ "polls", VQ(polls) },
	{ "poll-hits", VQ(poll_hits) },
	{ "poll-ns", VQ(poll_ns) },
	{ "grant-map-batches", VQ(grants.map_batches) },
	{ "grant-maps", VQ(grants.maps) },
	{ "grant-unmap-batches", VQ(grants.unmap_batches) },
	{ "grant-unmaps", VQ(grants.unmaps) },
	{ "grant-copy-batches", VQ(grants.copy_batches) },
	{ "grant-copies", VQ(grants.copies) },
	{ "grant-copy-bytes", VQ(grants.copy_bytes) },
	{ "grant-errors", VQ(grants.errors) },
};

const unsigned int xvb_nr_vq_stats = ARRAY_SIZE(xvb_vq_stat_names);

#define DEVICE(member)	offsetof(struct xvb_device_stats, member)

const struct xvb_stat xvb_device_stat_names[] = {
	{ "nr-queues", DEVICE(nr_queues) },
	{ "windows", DEVICE(windows) },
	{ "window-pages", DEVICE(window_pages) },
	{ "control-requests", DEVICE(control.requests) },
	{ "control-refused", DEVICE(control.refused) },
	{ "control-dropped", DEVICE(control.dropped) },
	{ "control-events", DEVICE(control.events) },
	{ "grant-map-batches", DEVICE(grants.map_batches) },
	{ "grant-maps", DEVICE(grants.maps) },
	{ "grant-unmap-batches", DEVICE(grants.unmap_batches) },
	{ "grant-unmaps", DEVICE(grants.unmaps) },
	{ "grant-copy-batches", DEVICE(grants.copy_batches) },
	{ "grant-copies", DEVICE(grants.copies) },
	{ "grant-copy-bytes", DEVICE(grants.copy_bytes) },
	{ "grant-errors", DEVICE(grants.errors) },
};

const unsigned int xvb_nr_device_stats = ARRAY_SIZE(xvb_device_stat_names);

/* No counter without a name; and a slot is large enough for all. */
static_assert(sizeof(struct xvb_vq_stats) ==
	      ARRAY_SIZE(xvb_vq_stat_names) * WORD, "a counter has no name");
static_assert(sizeof(struct xvb_device_stats) ==
	      ARRAY_SIZE(xvb_device_stat_names) * WORD, "a counter has no name");
static_assert(sizeof(struct xvb_stats) ==
	      (1UL + XVB_MAX_QUEUES) * XVB_STATS_SLOT_WORDS * WORD,
	      "a slot is too small");

int xvb_stats_make(struct xvb_stats **stats)
{
	void *mem = mmap(NULL, sizeof(**stats), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return -errno;
	*stats = mem;
	return 0;
}

void xvb_stats_free(struct xvb_stats *stats)
{
	if (stats)
		munmap(stats, sizeof(*stats));
}

void xvb_stats_read(const struct xvb_stats *from, struct xvb_stats *to)
{
	const _Atomic uint64_t *src = (const _Atomic uint64_t *)from;
	_Atomic uint64_t *dst = (_Atomic uint64_t *)to;
	uint64_t nr;
	size_t i;

	/* Word by word: no counter is ever half old and half new. */
	for (i = 0; i < sizeof(*to) / WORD; i++)
		xvb_stat_set(&dst[i], xvb_stat_get(&src[i]));
	nr = xvb_stat_get(&to->device.nr_queues);
	if (nr > XVB_MAX_QUEUES)
		nr = XVB_MAX_QUEUES;
	xvb_stat_set(&to->device.nr_queues, nr);
	memset(&to->queue[nr], 0, (XVB_MAX_QUEUES - nr) * sizeof(to->queue[0]));
}

uint64_t xvb_stats_value(const void *base, const struct xvb_stat *stat)
{
	const char *bytes = base;

	return xvb_stat_get((const _Atomic uint64_t *)(bytes + stat->offset));
}

void xvb_stats_sum(const struct xvb_stats *stats, struct xvb_vq_stats *sum)
{
	uint64_t nr = xvb_stat_get(&stats->device.nr_queues), q;
	_Atomic uint64_t *to = (_Atomic uint64_t *)sum;
	unsigned int i;

	memset(sum, 0, sizeof(*sum));
	for (q = 0; q < nr && q < XVB_MAX_QUEUES; q++)
		for (i = 0; i < xvb_nr_vq_stats; i++)
			xvb_stat_add(&to[i],
				     xvb_stat_get(&stats->queue[q].words[i]));
}
