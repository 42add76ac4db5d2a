// SPDX-License-Identifier: GPL-2.0-only
/*
 * direct.c - buffers that a guest grants for one request alone
 *
 * The memory of a queue is a run of pages that is mapped once; a bitmap says
 * which are in use.  A chain gets one piece of it for all its grants, so that
 * its iovecs stay as they are.  Every page of that memory is in at most one
 * batch at a time, therefore no batch has more segments than there are pages.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>

#include "device.h"
#include "direct.h"
#include "util.h"

#define PAGE		XVIO_ADDR_PAGE_SIZE
#define BITS		64

/* Pages: of all queues together, and what each has at least and at most. */
#define POOL_TOTAL	8192
#define POOL_MIN	512
#define POOL_MAX	2048
/*
 * Pages of a device that are mapped at a time: more than a disk offers to take
 * in one request, and a quarter of what Xen lets a domain map.
 */
#define MAP_MAX		65536
#define MAP_MIN_MAX	(1U << 30)

struct list {
	struct xvb_direct_req *first;
	struct xvb_direct_req **last;
};

struct xvb_direct {
	struct xvb_memory *mem;
	struct xvb_grant_stats *stats;
	uint64_t map_min;
	unsigned char *pool;
	unsigned int pages;		/* of it */
	unsigned int next;		/* where to look for free ones */
	bool large;			/* one is mapped */
	uint64_t *busy;
	struct list fetch;		/* data of these are to be got */
	struct list fetched;
	struct list give;		/* data of these are to be brought back */
	struct list settled;
	struct xvb_ratelimit limit;
	struct xvb_grant_seg *segs;	/* one batch */
	unsigned int nsegs;
	uint32_t *refs;			/* the same, to be mapped */
	void *scratch;
};

/*
 * Parameters
 */

int xvb_direct_params(struct xvb_params *params, struct xvb_direct_config *cfg,
		      struct xvb_error *err)
{
	const char *mode = xvb_params_string(params, "direct-grants");
	int ret;

	cfg->enabled = true;
	/* Nothing is large enough for mapping to pay: docs/performance.md. */
	cfg->map_min = UINT64_MAX;
	ret = xvb_params_u64(params, "direct-map-min", PAGE, MAP_MIN_MAX,
			     &cfg->map_min, err);
	if (ret || !mode || !strcmp(mode, "auto"))
		return ret;
	if (!strcmp(mode, "copy"))
		cfg->map_min = UINT64_MAX;
	else if (!strcmp(mode, "map"))
		cfg->map_min = 0;
	else if (!strcmp(mode, "off"))
		cfg->enabled = false;
	else
		return xvb_error_set(err, -EINVAL,
				     "direct-grants=%.40s: write auto, copy, map or off",
				     mode);
	return 0;
}

/*
 * Lists
 */

static void list_init(struct list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_add(struct list *list, struct xvb_direct_req *req)
{
	req->next = NULL;
	*list->last = req;
	list->last = &req->next;
}

static struct xvb_direct_req *list_take(struct list *list)
{
	struct xvb_direct_req *req = list->first;

	if (req) {
		list->first = req->next;
		if (!list->first)
			list->last = &list->first;
	}
	return req;
}

/* All of @from to the end of @to. */
static void list_move(struct list *from, struct list *to)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	list_init(from);
}

/*
 * Memory
 */

static bool pool_busy(const struct xvb_direct *d, unsigned int page)
{
	return d->busy[page / BITS] >> (page % BITS) & 1;
}

static void pool_mark(struct xvb_direct *d, unsigned int first, unsigned int nr,
		      bool busy)
{
	unsigned int i;

	for (i = first; i < first + nr; i++) {
		if (busy)
			d->busy[i / BITS] |= 1ULL << (i % BITS);
		else
			d->busy[i / BITS] &= ~(1ULL << (i % BITS));
	}
}

/* @nr free pages in a row in [from, to); @d->pages when there are none. */
static unsigned int pool_find(const struct xvb_direct *d, unsigned int from,
			      unsigned int to, unsigned int nr)
{
	unsigned int run = 0, i;

	for (i = from; i < to; i++) {
		run = pool_busy(d, i) ? 0 : run + 1;
		if (run == nr)
			return i + 1 - nr;
	}
	return d->pages;
}

static int pool_alloc(struct xvb_direct *d, struct xvb_direct_req *req,
		      unsigned int nr)
{
	unsigned int first = pool_find(d, d->next, d->pages, nr);

	if (first == d->pages && d->next)
		first = pool_find(d, 0, d->pages, nr);
	if (first == d->pages)
		return -EAGAIN;
	pool_mark(d, first, nr, true);
	d->next = first + nr;
	req->first = first;
	req->pages = nr;
	return 0;
}

static void pool_free(struct xvb_direct *d, struct xvb_direct_req *req)
{
	pool_mark(d, req->first, req->pages, false);
	req->pages = 0;
}

/*
 * Batches
 */

static void complain(struct xvb_direct *d, const char *what, int err)
{
	if (xvb_ratelimit(&d->limit))
		xvb_warn("%s the guest's direct grants: %s: the request fails",
			 what, strerror(-err));
}

static void fail(struct xvb_direct *d, struct xvb_direct_req *req, int err,
		 uint64_t pages)
{
	req->error = err;
	xvb_stat_add(&d->stats->errors, pages);
}

static enum xvb_access grant_access(const struct xvb_grant *g)
{
	return g->in ? XVB_WRITE : XVB_READ;
}

/* Adds what is to be copied of a request in one direction. */
static void batch_add(struct xvb_direct *d, struct xvb_direct_req *req,
		      enum xvb_access access)
{
	unsigned int i;

	for (i = 0; i < req->ngrants; i++) {
		const struct xvb_grant *g = &req->grants[i];
		uint32_t len = g->len, at;

		if (grant_access(g) != access)
			continue;
		/* What was not written is not shown. */
		if (g->in && req->used <= g->at)
			continue;
		if (g->in)
			len = MIN(len, req->used - g->at);
		for (at = 0; at < len; at += PAGE)
			d->segs[d->nsegs++] = (struct xvb_grant_seg){
				.ref = g->ref + at / PAGE,
				.len = MIN(len - at, PAGE),
				.va = (unsigned char *)g->iov->iov_base + at,
				.owner = req,
			};
	}
}

static void batch_copy(struct xvb_direct *d, enum xvb_access access)
{
	uint64_t bytes = 0, copies = 0;
	unsigned int i;
	int ret;

	ret = d->mem->ops->copy(d->mem->ctx, d->segs, d->nsegs, access,
				d->scratch);
	for (i = 0; i < d->nsegs; i++) {
		if (likely(!ret && !d->segs[i].failed)) {
			bytes += d->segs[i].len;
			copies++;
			continue;
		}
		fail(d, d->segs[i].owner, ret ? ret : -EFAULT, 1);
		complain(d, "copying", ret ? ret : -EFAULT);
	}
	xvb_stat_add(&d->stats->copy_batches, 1);
	xvb_stat_add(&d->stats->copies, copies);
	xvb_stat_add(&d->stats->copy_bytes, bytes);
}

static int map_refs(struct xvb_direct *d, uint32_t nr, enum xvb_access access,
		    void **va)
{
	int ret = d->mem->ops->map_refs(d->mem->ctx, d->refs, nr, access, va);

	if (ret) {
		*va = NULL;
		return ret;
	}
	xvb_stat_add(&d->stats->map_batches, 1);
	xvb_stat_add(&d->stats->maps, nr);
	return 0;
}

static void unmap_refs(struct xvb_direct *d, void *va, uint32_t nr)
{
	d->mem->ops->unmap_refs(d->mem->ctx, va, nr);
	xvb_stat_add(&d->stats->unmap_batches, 1);
	xvb_stat_add(&d->stats->unmaps, nr);
}

/* Maps, copies and unmaps the segments from @first on. */
static int batch_map_some(struct xvb_direct *d, unsigned int first,
			  unsigned int nr, enum xvb_access access)
{
	unsigned int i;
	void *va;
	int ret;

	for (i = 0; i < nr; i++)
		d->refs[i] = d->segs[first + i].ref;
	ret = map_refs(d, nr, access, &va);
	if (ret)
		return ret;
	for (i = 0; i < nr; i++) {
		const struct xvb_grant_seg *seg = &d->segs[first + i];
		unsigned char *page = (unsigned char *)va + (size_t)i * PAGE;

		if (access == XVB_WRITE)
			memcpy(page, seg->va, seg->len);
		else
			memcpy(seg->va, page, seg->len);
	}
	unmap_refs(d, va, nr);
	return 0;
}

/* One that cannot be mapped fails all of a call: then each request alone. */
static void batch_map(struct xvb_direct *d, enum xvb_access access)
{
	unsigned int first, nr;
	int ret;

	if (!batch_map_some(d, 0, d->nsegs, access))
		return;
	for (first = 0; first < d->nsegs; first += nr) {
		void *owner = d->segs[first].owner;

		for (nr = 1; first + nr < d->nsegs; nr++)
			if (d->segs[first + nr].owner != owner)
				break;
		ret = batch_map_some(d, first, nr, access);
		if (!ret)
			continue;
		fail(d, owner, ret, nr);
		complain(d, "mapping", ret);
	}
}

static void batch(struct xvb_direct *d, struct list *list,
		  enum xvb_access access)
{
	struct xvb_direct_req *req;
	unsigned int by_map;

	for (by_map = 0; by_map < 2; by_map++) {
		d->nsegs = 0;
		for (req = list->first; req; req = req->next)
			if (req->pages && req->by_map == by_map)
				batch_add(d, req, access);
		if (!d->nsegs)
			continue;
		if (by_map)
			batch_map(d, access);
		else
			batch_copy(d, access);
	}
}

/*
 * Requests that are larger than the memory of their queue
 */

/* Of all queues together: one guest must not take all mappings of a domain. */
static bool large_count(struct xvb_direct *d, uint32_t pages)
{
	uint32_t before = atomic_fetch_add(&d->mem->direct_pages, pages);

	if (before + pages <= MAP_MAX)
		return true;
	atomic_fetch_sub(&d->mem->direct_pages, pages);
	return false;
}

static uint32_t large_unmap(struct xvb_direct *d, struct xvb_direct_req *req)
{
	uint32_t pages = req->map_pages[XVB_READ] + req->map_pages[XVB_WRITE];
	unsigned int access;

	for (access = XVB_READ; access <= XVB_WRITE; access++) {
		if (req->map[access])
			unmap_refs(d, req->map[access],
				   req->map_pages[access]);
		req->map[access] = NULL;
		req->map_pages[access] = 0;
	}
	return pages;
}

static void large_end(struct xvb_direct *d, struct xvb_direct_req *req)
{
	atomic_fetch_sub(&d->mem->direct_pages, large_unmap(d, req));
	d->large = false;
}

static int large_map_some(struct xvb_direct *d, struct xvb_direct_req *req,
			  enum xvb_access access)
{
	unsigned int i, nr = 0;
	unsigned char *va;
	uint32_t at;
	int ret;

	for (i = 0; i < req->ngrants; i++)
		for (at = 0; at < req->grants[i].len; at += PAGE)
			if (grant_access(&req->grants[i]) == access)
				d->refs[nr++] = req->grants[i].ref + at / PAGE;
	if (!nr)
		return 0;
	ret = map_refs(d, nr, access, &req->map[access]);
	if (ret)
		return ret;
	req->map_pages[access] = nr;
	va = req->map[access];
	for (i = 0; i < req->ngrants; i++) {
		if (grant_access(&req->grants[i]) != access)
			continue;
		req->grants[i].iov->iov_base = va;
		va += req->grants[i].len;
	}
	return 0;
}

/* Takes the grants out of a chain that cannot have them. */
static void drop_grants(struct xvb_chain *chain)
{
	unsigned int i, n, out = chain->nout;

	for (n = 0, i = 0; i < (unsigned int)chain->nout + chain->nin; i++) {
		if (i == chain->nout)
			out = n;
		if (chain->iov[i].iov_base)
			chain->iov[n++] = chain->iov[i];
	}
	if (i == chain->nout)
		out = n;
	chain->nin = n - out;
	chain->nout = out;
	for (i = 0; i < chain->ngrants; i++) {
		if (chain->grants[i].in)
			chain->in_len -= chain->grants[i].len;
		else
			chain->out_len -= chain->grants[i].len;
	}
	chain->ngrants = 0;
}

/* All of its pages, or none. */
static int large_map(struct xvb_direct *d, struct xvb_direct_req *req,
		     uint32_t pages)
{
	int ret;

	if (pages > MAP_MAX || !large_count(d, pages))
		return -EDQUOT;
	ret = large_map_some(d, req, XVB_READ);
	if (!ret)
		ret = large_map_some(d, req, XVB_WRITE);
	if (ret) {
		large_unmap(d, req);
		atomic_fetch_sub(&d->mem->direct_pages, pages);
		return ret;
	}
	d->large = true;
	return 0;
}

static int large_take(struct xvb_direct *d, struct xvb_direct_req *req,
		      struct xvb_chain *chain, uint32_t pages)
{
	unsigned int i;
	int ret;

	/* It will wake us up. */
	if (d->large)
		return -EAGAIN;
	ret = large_map(d, req, pages);
	if (!ret)
		return 0;
	fail(d, req, ret, pages);
	complain(d, "mapping", ret);
	for (i = 0; i < req->ngrants; i++)
		req->grants[i].iov->iov_base = NULL;
	drop_grants(chain);
	return ret;
}

/*
 * The way of a request
 */

int xvb_direct_take(struct xvb_direct *d, struct xvb_direct_req *req,
		    struct xvb_chain *chain)
{
	bool out = false;
	uint64_t bytes = 0;
	unsigned char *va;
	unsigned int i;

	*req = (struct xvb_direct_req){
		.grants = chain->grants,
		.ngrants = chain->ngrants,
	};
	for (i = 0; i < req->ngrants; i++) {
		bytes += req->grants[i].len;
		out |= !req->grants[i].in;
	}
	/* A chain has less than 2^32 bytes. */
	if (bytes / PAGE > d->pages)
		return large_take(d, req, chain, bytes / PAGE);
	if (pool_alloc(d, req, bytes / PAGE))
		return -EAGAIN;
	req->by_map = bytes >= d->map_min;
	va = d->pool + (size_t)req->first * PAGE;
	for (i = 0; i < req->ngrants; i++) {
		req->grants[i].iov->iov_base = va;
		va += req->grants[i].len;
	}
	if (!out)
		return 0;
	list_add(&d->fetch, req);
	return -EINPROGRESS;
}

void xvb_direct_fetch(struct xvb_direct *d)
{
	batch(d, &d->fetch, XVB_READ);
	list_move(&d->fetch, &d->fetched);
}

struct xvb_direct_req *xvb_direct_fetched(struct xvb_direct *d)
{
	return list_take(&d->fetched);
}

void xvb_direct_give(struct xvb_direct *d, struct xvb_direct_req *req,
		     uint32_t used)
{
	req->used = used;
	req->error = 0;
	list_add(&d->give, req);
}

void xvb_direct_settle(struct xvb_direct *d)
{
	batch(d, &d->give, XVB_WRITE);
	list_move(&d->give, &d->settled);
}

struct xvb_direct_req *xvb_direct_settled(struct xvb_direct *d)
{
	struct xvb_direct_req *req = list_take(&d->settled);

	if (!req)
		return NULL;
	if (req->pages)
		pool_free(d, req);
	else
		large_end(d, req);
	return req;
}

/*
 * Begin and end
 */

static unsigned int pool_size(unsigned int nr_queues)
{
	return MIN(MAX(POOL_TOTAL / nr_queues, POOL_MIN), POOL_MAX);
}

static int direct_alloc(struct xvb_direct *d, const struct xvb_memory_ops *ops)
{
	/* The largest that is mapped at once is a request of MAP_MAX pages. */
	d->refs = calloc(MAP_MAX, sizeof(*d->refs));
	d->segs = calloc(d->pages, sizeof(*d->segs));
	d->busy = calloc((d->pages + BITS - 1) / BITS, sizeof(*d->busy));
	d->scratch = calloc(d->pages, ops->copy_scratch ? ops->copy_scratch : 1);
	if (!d->refs || !d->segs || !d->busy || !d->scratch)
		return -ENOMEM;
	d->pool = mmap(NULL, (size_t)d->pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (d->pool == MAP_FAILED) {
		d->pool = NULL;
		return -ENOMEM;
	}
	return 0;
}

int xvb_direct_open(struct xvb_memory *mem, const struct xvb_direct_config *cfg,
		    unsigned int nr_queues, struct xvb_grant_stats *stats,
		    struct xvb_direct **direct)
{
	struct xvb_direct *d;

	*direct = NULL;
	if (!cfg->enabled || !mem->ops->copy)
		return 0;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->mem = mem;
	d->stats = stats;
	d->map_min = cfg->map_min;
	d->pages = pool_size(nr_queues);
	list_init(&d->fetch);
	list_init(&d->fetched);
	list_init(&d->give);
	list_init(&d->settled);
	if (direct_alloc(d, mem->ops)) {
		xvb_direct_close(d);
		return -ENOMEM;
	}
	*direct = d;
	return 0;
}

void xvb_direct_close(struct xvb_direct *d)
{
	if (!d)
		return;
	if (d->pool)
		munmap(d->pool, (size_t)d->pages * PAGE);
	free(d->scratch);
	free(d->busy);
	free(d->segs);
	free(d->refs);
	free(d);
}
