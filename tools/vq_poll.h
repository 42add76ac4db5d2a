/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vq_poll.h - looking at a ring for a while before sleeping
 *
 * A queue that sleeps costs the driver a notification, and both sides the time
 * of a wake-up.  Where the guest has a processor of its own and the next request comes
 * soon, a look finds it; the price is a processor of this domain meanwhile.  Where the
 * guest waits for this processor, nothing can come while it is looked for.  Nobody says
 * which it is, so it is found out: when XVB_POLL_MISSES more looks were in vain than of
 * use, the queue sleeps at once for a while, twice as long each time that it comes to
 * this.  What comes much later than it was looked for came because others had the
 * processor: that is in vain, too.
 *
 * Of one device only so many queues look at a time.  To the scheduler a thread that
 * looks is like any that works: others may have to wait for it, and it for them.
 */

#ifndef XVB_VQ_POLL_H
#define XVB_VQ_POLL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util.h"
#include "virtqueue.h"

/* So many more looks in vain than of use are one too many. */
#define XVB_POLL_MISSES		8
/* How long there is none then, at first and at most, in ns. */
#define XVB_POLL_REST		4000000ULL
#define XVB_POLL_REST_MAX	1000000000ULL
/* Longest look that can be asked for, in us. */
#define XVB_POLL_US_MAX		1000U

/**
 * struct xvb_pollers - the queues of a device together
 * @ns: how long one looks; 0: never
 * @max: how many look at a time
 * @apart: keeps @nr, which all of them write, away from what others read
 * @nr: how many do
 */
struct xvb_pollers {
	uint64_t ns;
	unsigned int max;
	char apart[128];
	atomic_uint nr;
};

/**
 * struct xvb_poll - what is known of looking at one ring; zeroes at first
 * @all: the queues of its device; NULL: it does not look
 * @misses: looks in vain less those of use, not below 0
 * @rest: how long the last rest was, in ns; halved when a look is of use
 * @resting: until @until there is no look
 * @until: ns of the coarse monotonic clock
 * @found: the last look found something in time; whether that was a request is seen by...
 * @requests: ...how many had been taken by then
 */
struct xvb_poll {
	struct xvb_pollers *all;
	unsigned int misses;
	uint64_t rest;
	bool resting;
	uint64_t until;
	bool found;
	uint64_t requests;
};

/**
 * xvb_pollers_init() - how long, and how many at a time
 * @all: filled in
 * @us: microseconds, 0 to XVB_POLL_US_MAX
 *
 * Half of the processors that this process may have, but at least one, may be busy
 * with it.
 *
 * Context: before the sandbox.
 */
void xvb_pollers_init(struct xvb_pollers *all, unsigned int us);

/**
 * xvb_poll_ring() - the way of those who may look
 * @p: with @all set
 * @vq: started, with nothing in flight
 *
 * Return: as xvb_poll() does.
 */
bool xvb_poll_ring(struct xvb_poll *p, struct xvb_vq *vq);

/**
 * xvb_poll() - is there a request soon?
 * @p: of this queue
 * @vq: started, empty, its notifications not switched on
 *
 * With requests in flight their completion is what is waited for, and that wakes
 * up whoever sleeps: then it does not look.
 *
 * Context: queue's thread.  Busy for as long as a look lasts, or for longer where
 * others have the processor meanwhile.
 * Return: true: there is something on the ring.
 */
static inline bool xvb_poll(struct xvb_poll *p, struct xvb_vq *vq)
{
	if (likely(vq->inuse) || !p->all || !p->all->ns)
		return false;
	return xvb_poll_ring(p, vq);
}

#endif /* XVB_VQ_POLL_H */
