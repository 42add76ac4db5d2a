// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a backend pays for grants and event channels, measured on this host
 *
 * The own domain plays the guest, too: pages are granted to it by gntalloc and
 * mapped with what the daemon uses (gntmap.c), ports are bound to each other.
 * So no guest is needed, and the costs are those of the backend's side alone.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "evtchn.h"
#include "gntmap.h"
#include "util.h"
#include "xs.h"

#define WARM_UP		4
#define SHORT_BYTES	16384	/* what is less is copied several times */
#define SHORT_LOOPS	64
#define CLOCK_SAMPLES	256
#define EVENT_MS	5000	/* an event that takes longer never comes */

struct run {
	struct xvb_bench_report *rep;
	const struct xvb_bench_options *opt;
	struct xvb_error *err;
	uint32_t own;
	struct xvb_bench_grants grants;
	struct xvb_gntmap *gm;
	struct xvb_grant_stats stats;
	struct xvb_evtchn *near;	/* this thread's end */
	struct xvb_evtchn *far;
	unsigned char *buf;
	struct xvb_grant_seg *segs;
	void *scratch;
	uint64_t *sample[2];
};

static const struct xvb_memory_ops *const ops = &xvb_gntmap_memory_ops;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static bool wanted(const struct run *r, const char *name)
{
	return !strncmp(name, r->opt->only, strlen(r->opt->only));
}

static void progress(const struct run *r, const char *name, uint32_t batch,
		     uint32_t size)
{
	if (r->opt->progress)
		fprintf(stderr, "xen-virtio-bench: %s, batch %u, %u bytes\n",
			name, batch, size);
}

/* The samples of @which, as a result. */
static int result(struct run *r, const char *name, uint32_t batch,
		  uint32_t size, unsigned int which, unsigned int loops)
{
	struct xvb_bench_result *res = &r->rep->result[r->rep->nr];

	if (!wanted(r, name))
		return 0;
	if (r->rep->nr == XVB_BENCH_RESULTS)
		return xvb_error_set(r->err, -ENOSPC,
				     "measuring %s: too many results", name);
	memset(res, 0, sizeof(*res));
	snprintf(res->name, sizeof(res->name), "%s", name);
	res->batch = batch;
	res->size = size;
	xvb_bench_sum_up(res, r->sample[which], r->opt->samples, r->rep->clock,
			 loops);
	r->rep->nr++;
	return 0;
}

/* What is measured when nothing is done. */
static void measure_clock(struct run *r)
{
	uint64_t sample[CLOCK_SAMPLES];
	struct xvb_bench_result res;
	unsigned int i;

	for (i = 0; i < CLOCK_SAMPLES; i++) {
		sample[i] = now();
		sample[i] = now() - sample[i];
	}
	xvb_bench_sum_up(&res, sample, CLOCK_SAMPLES, 0, 1);
	r->rep->clock = res.median;
}

/* --- grants ---------------------------------------------------------------- */

/* Mapping includes the first look at each page, should the kernel be lazy. */
static int map_once(struct run *r, uint32_t pages, uint64_t *map,
		    uint64_t *unmap)
{
	unsigned char *p;
	uint64_t start = now();
	uint32_t i;
	void *va;
	int ret;

	ret = ops->map_refs(r->gm, r->grants.ref, pages, XVB_WRITE, &va);
	if (ret)
		return xvb_error_set(r->err, ret,
				     "mapping %u pages of the own domain: %s",
				     pages, strerror(-ret));
	p = va;
	for (i = 0; i < pages; i++)
		(void)__atomic_load_n(&p[(size_t)i * XVB_BENCH_PAGE],
				      __ATOMIC_RELAXED);
	*map = now() - start;
	start = now();
	ops->unmap_refs(r->gm, va, pages);
	*unmap = now() - start;
	return 0;
}

static int measure_map(struct run *r, uint32_t pages)
{
	unsigned int i, at;
	int ret = 0;

	progress(r, "grant-map", pages, pages * XVB_BENCH_PAGE);
	for (i = 0; i < WARM_UP + r->opt->samples && !ret; i++) {
		at = i < WARM_UP ? 0 : i - WARM_UP;
		ret = map_once(r, pages, &r->sample[0][at], &r->sample[1][at]);
	}
	ret = ret ?: result(r, "grant-map", pages, pages * XVB_BENCH_PAGE,
			    0, 1);
	return ret ?: result(r, "grant-unmap", pages, pages * XVB_BENCH_PAGE,
			     1, 1);
}

static int copy_once(struct run *r, uint32_t pages, enum xvb_access access,
		     uint64_t *took)
{
	uint64_t start = now();
	uint32_t i;
	int ret = ops->copy(r->gm, r->segs, pages, access, r->scratch);

	*took = now() - start;
	for (i = 0; i < pages && !ret; i++)
		ret = r->segs[i].failed ? -EIO : 0;
	if (ret)
		return xvb_error_set(r->err, ret,
				     "copying %u pages of the own domain: %s",
				     pages, strerror(-ret));
	return 0;
}

static int measure_copy(struct run *r, const char *name, uint32_t pages,
			uint16_t len, enum xvb_access access)
{
	unsigned int i;
	int ret = 0;

	if (!wanted(r, name))
		return 0;
	progress(r, name, pages, pages * len);
	for (i = 0; i < pages; i++)
		r->segs[i] = (struct xvb_grant_seg) {
			.ref = r->grants.ref[i],
			.len = len,
			.va = r->buf + (size_t)i * XVB_BENCH_PAGE,
		};
	for (i = 0; i < WARM_UP + r->opt->samples && !ret; i++)
		ret = copy_once(r, pages, access,
				&r->sample[0][i < WARM_UP ? 0 : i - WARM_UP]);
	return ret ?: result(r, name, pages, pages * len, 0, 1);
}

static int measure_copies(struct run *r, uint32_t pages, uint16_t len)
{
	int ret = measure_copy(r, "grant-copy-from", pages, len, XVB_READ);

	return ret ?: measure_copy(r, "grant-copy-to", pages, len, XVB_WRITE);
}

static int measure_grants(struct run *r)
{
	static const uint16_t small[] = { 64, 512, 1024 };
	uint32_t pages;
	unsigned int i;
	int ret = 0;

	if (wanted(r, "grant-map") || wanted(r, "grant-unmap"))
		for (pages = 1; pages <= XVB_BENCH_PAGES && !ret; pages *= 2)
			ret = measure_map(r, pages);
	for (i = 0; i < ARRAY_SIZE(small) && !ret; i++)
		ret = measure_copies(r, 1, small[i]);
	for (pages = 1; pages <= XVB_BENCH_PAGES && !ret; pages *= 2)
		ret = measure_copies(r, pages, XVB_BENCH_PAGE);
	return ret;
}

/* --- the window ------------------------------------------------------------ */

static int measure_memcpy(struct run *r, const char *name, void *to,
			  const void *from, uint32_t size)
{
	unsigned int loops = size < SHORT_BYTES ? SHORT_LOOPS : 1, i, n, at;
	uint32_t pages = (size + XVB_BENCH_PAGE - 1) / XVB_BENCH_PAGE;
	uint64_t start;

	if (!wanted(r, name))
		return 0;
	progress(r, name, pages, size);
	for (i = 0; i < WARM_UP + r->opt->samples; i++) {
		at = i < WARM_UP ? 0 : i - WARM_UP;
		start = now();
		for (n = 0; n < loops; n++) {
			memcpy(to, from, size);
			/* Each of them, whatever the compiler knows. */
			atomic_signal_fence(memory_order_seq_cst);
		}
		r->sample[0][at] = now() - start;
	}
	return result(r, name, pages, size, 0, loops);
}

static int measure_window(struct run *r)
{
	uint32_t size;
	void *va;
	int ret;

	if (!wanted(r, "window-read") && !wanted(r, "window-write"))
		return 0;
	ret = ops->map_refs(r->gm, r->grants.ref, XVB_BENCH_PAGES, XVB_WRITE,
			    &va);
	if (ret)
		return xvb_error_set(r->err, ret, "mapping a window: %s",
				     strerror(-ret));
	for (size = 64; size <= XVB_BENCH_PAGES * XVB_BENCH_PAGE && !ret;
	     size *= 4) {
		ret = measure_memcpy(r, "window-read", r->buf, va, size);
		ret = ret ?: measure_memcpy(r, "window-write", va, r->buf,
					    size);
	}
	ops->unmap_refs(r->gm, va, XVB_BENCH_PAGES);
	return ret;
}

/* --- event channels -------------------------------------------------------- */

/* Wait for an event and take it; the port stays masked. */
static int take_event(struct xvb_evtchn *ec)
{
	struct pollfd pfd = { .fd = xvb_evtchn_fd(ec), .events = POLLIN };
	int ret = poll(&pfd, 1, EVENT_MS);

	if (ret < 0)
		return -errno;
	if (!ret)
		return -ETIMEDOUT;
	return xvb_evtchn_pending(ec) ? 0 : -EIO;
}

static int receive(struct xvb_evtchn *ec)
{
	int ret = take_event(ec);

	if (!ret)
		xvb_evtchn_unmask(ec);
	return ret;
}

/*
 * To a port that is masked, so that only the sender's part is seen; nothing
 * may be pending there, or there would be nothing to do.
 */
static int event_send(struct run *r, uint64_t *took)
{
	uint64_t start;
	int ret;

	xvb_evtchn_notify(r->near);
	ret = take_event(r->far);
	if (ret)
		return ret;
	start = now();
	xvb_evtchn_notify(r->near);
	*took = now() - start;
	xvb_evtchn_unmask(r->far);
	return receive(r->far);
}

/* Sent and received in one thread: nobody is woken up. */
static int event_deliver(struct run *r, uint64_t *took)
{
	uint64_t start = now();
	int ret;

	xvb_evtchn_notify(r->near);
	ret = receive(r->far);
	*took = now() - start;
	return ret;
}

/* There is somebody who answers. */
static int event_round_trip(struct run *r, uint64_t *took)
{
	uint64_t start = now();
	int ret;

	xvb_evtchn_notify(r->near);
	ret = receive(r->near);
	*took = now() - start;
	return ret;
}

static int measure_event(struct run *r, const char *name,
			 int (*once)(struct run *r, uint64_t *took))
{
	unsigned int i;
	int ret = 0;

	if (!wanted(r, name))
		return 0;
	progress(r, name, 1, 0);
	for (i = 0; i < WARM_UP + r->opt->samples && !ret; i++)
		ret = once(r, &r->sample[0][i < WARM_UP ? 0 : i - WARM_UP]);
	if (ret)
		return xvb_error_set(r->err, ret, "measuring %s: %s", name,
				     strerror(-ret));
	return result(r, name, 1, 0, 0, 1);
}

struct echo {
	struct xvb_evtchn *ec;
	atomic_bool stop;
	int err;
};

static void *echo_main(void *arg)
{
	struct echo *e = arg;

	while (!e->err) {
		e->err = receive(e->ec);
		if (atomic_load(&e->stop))
			return NULL;
		if (!e->err)
			xvb_evtchn_notify(e->ec);
	}
	return NULL;
}

static int measure_round_trip(struct run *r)
{
	struct echo e = { .ec = r->far };
	pthread_t thread;
	int ret;

	if (!wanted(r, "event-round-trip"))
		return 0;
	ret = pthread_create(&thread, NULL, echo_main, &e);
	if (ret)
		return xvb_error_set(r->err, -ret, "starting a thread: %s",
				     strerror(ret));
	ret = measure_event(r, "event-round-trip", event_round_trip);
	atomic_store(&e.stop, true);
	xvb_evtchn_notify(r->near);
	pthread_join(thread, NULL);
	if (!ret && e.err)
		ret = xvb_error_set(r->err, e.err, "answering events: %s",
				    strerror(-e.err));
	return ret;
}

static int connect_ports(struct run *r)
{
	uint32_t port = 0;
	int ret = xvb_evtchn_open(r->own, false, &r->near);

	ret = ret ?: xvb_evtchn_open(r->own, false, &r->far);
	ret = ret ?: xvb_evtchn_alloc(r->near, &port);
	ret = ret ?: xvb_evtchn_bind(r->far, port);
	/* The one that comes with binding. */
	ret = ret ?: receive(r->far);
	if (ret)
		return xvb_error_set(r->err, ret,
				     "connecting two event channels: %s",
				     strerror(-ret));
	return 0;
}

static int measure_events(struct run *r)
{
	int ret = 0;

	if (!wanted(r, "event-send") && !wanted(r, "event-deliver") &&
	    !wanted(r, "event-round-trip"))
		return 0;
	ret = connect_ports(r);
	ret = ret ?: measure_event(r, "event-send", event_send);
	ret = ret ?: measure_event(r, "event-deliver", event_deliver);
	ret = ret ?: measure_round_trip(r);
	xvb_evtchn_close(r->far);
	xvb_evtchn_close(r->near);
	return ret;
}

/* --- all of it ------------------------------------------------------------- */

static int own_domain(struct run *r)
{
	struct xvb_xs *xs;
	int ret = xvb_xs_open(&xs);

	if (ret)
		return xvb_error_set(r->err, ret,
				     "connecting to xenstore: %s (does Xen run, and xenstored?)",
				     strerror(-ret));
	/* Not every dom0 writes its own number down. */
	ret = xvb_xs_own_domid(xs, &r->own);
	xvb_xs_close(xs);
	if (ret && ret != -ENOENT)
		return xvb_error_set(r->err, ret,
				     "reading the own domain id from xenstore: %s",
				     strerror(-ret));
	return 0;
}

static void free_memory(struct run *r)
{
	free(r->sample[1]);
	free(r->sample[0]);
	free(r->scratch);
	free(r->segs);
	free(r->buf);
}

static int alloc_memory(struct run *r)
{
	size_t bytes = (size_t)XVB_BENCH_PAGES * XVB_BENCH_PAGE;

	r->buf = aligned_alloc(XVB_BENCH_PAGE, bytes);
	r->segs = calloc(XVB_BENCH_PAGES, sizeof(*r->segs));
	r->scratch = calloc(XVB_BENCH_PAGES, ops->copy_scratch);
	r->sample[0] = calloc(r->opt->samples, sizeof(*r->sample[0]));
	r->sample[1] = calloc(r->opt->samples, sizeof(*r->sample[1]));
	if (!r->buf || !r->segs || !r->scratch || !r->sample[0] ||
	    !r->sample[1]) {
		free_memory(r);
		return xvb_error_set(r->err, -ENOMEM, "out of memory");
	}
	memset(r->buf, 0xa5, bytes);
	return 0;
}

int xvb_bench_run(struct xvb_bench_report *rep,
		  const struct xvb_bench_options *opt, struct xvb_error *err)
{
	struct run r = { .rep = rep, .opt = opt, .err = err };
	int ret;

	ret = own_domain(&r);
	if (ret)
		return ret;
	ret = alloc_memory(&r);
	if (ret)
		return ret;
	ret = xvb_bench_grant(&r.grants, r.own, err);
	if (ret)
		goto err_free_memory;
	ret = xvb_gntmap_open(r.own, &r.stats, &r.gm);
	if (ret) {
		xvb_error_set(err, ret, "opening the grant device: %s",
			      strerror(-ret));
		goto err_revoke;
	}
	measure_clock(&r);
	ret = measure_grants(&r);
	ret = ret ?: measure_window(&r);
	ret = ret ?: measure_events(&r);
	xvb_gntmap_close(r.gm);
err_revoke:
	xvb_bench_revoke(&r.grants);
err_free_memory:
	free_memory(&r);
	return ret;
}
