// SPDX-License-Identifier: GPL-2.0-only
/*
 * vq_poll.c - looking at a ring for a while before sleeping
 */

#include <sched.h>
#include <sys/param.h>
#include <time.h>

#include "vq_poll.h"

/* So many looks, until the clock is read: in some domains that is a system call. */
#define POLL_LOOKS	64

/* Leaves a core to its other thread, where the compiler knows how. */
static inline void poll_relax(void)
{
#if __has_builtin(__builtin_ia32_pause)
	__builtin_ia32_pause();
#elif __has_builtin(__builtin_arm_yield)
	__builtin_arm_yield();
#endif
}

static uint64_t poll_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static unsigned int poll_processors(void)
{
	cpu_set_t set;

	/* Refused where there are more than the set has room for. */
	return sched_getaffinity(0, sizeof(set), &set) ? CPU_SETSIZE :
							 CPU_COUNT(&set);
}

void xvb_pollers_init(struct xvb_pollers *all, unsigned int us)
{
	all->ns = us * 1000ULL;
	all->max = MAX(poll_processors() / 2, 1);
	atomic_init(&all->nr, 0);
}

/* Returns whether there is something; @in_time: before the time was up, about. */
static bool poll_look(struct xvb_vq *vq, uint64_t ns, bool *in_time)
{
	uint64_t begin = poll_now(CLOCK_MONOTONIC), spent;
	unsigned int i;
	bool found;

	do {
		for (i = 0; !(found = xvb_vq_pending(vq)) && i < POLL_LOOKS; i++)
			poll_relax();
		spent = poll_now(CLOCK_MONOTONIC) - begin;
	} while (!found && spent < ns);
	*in_time = found && spent < 2 * ns;
	xvb_stat_add(&vq->stats->polls, 1);
	xvb_stat_add(&vq->stats->poll_hits, *in_time);
	xvb_stat_add(&vq->stats->poll_ns, spent);
	return found;
}

static void poll_useful(struct xvb_poll *p)
{
	if (p->misses)
		p->misses--;
	p->rest /= 2;
}

static void poll_in_vain(struct xvb_poll *p)
{
	if (++p->misses < XVB_POLL_MISSES)
		return;
	p->misses = 0;
	p->rest = MIN(MAX(p->rest * 2, XVB_POLL_REST), XVB_POLL_REST_MAX);
	p->resting = true;
	p->until = poll_now(CLOCK_MONOTONIC) + p->rest;
}

static uint64_t poll_requests(const struct xvb_vq *vq)
{
	return xvb_stat_get(&vq->stats->requests) + vq->tally.requests;
}

/* An index that moves without a request, or back again, is of no use. */
static void poll_judge(struct xvb_poll *p, const struct xvb_vq *vq)
{
	if (!p->found)
		return;
	p->found = false;
	if (poll_requests(vq) != p->requests)
		poll_useful(p);
	else
		poll_in_vain(p);
}

/* The coarse clock is behind by a tick at most, and costs no system call. */
static bool poll_rests(struct xvb_poll *p)
{
	if (p->resting && poll_now(CLOCK_MONOTONIC_COARSE) >= p->until)
		p->resting = false;
	return p->resting;
}

static bool poll_enter(struct xvb_pollers *all)
{
	if (atomic_load(&all->nr) >= all->max)
		return false;
	if (atomic_fetch_add(&all->nr, 1) < all->max)
		return true;
	atomic_fetch_sub(&all->nr, 1);
	return false;
}

static void poll_leave(struct xvb_pollers *all)
{
	atomic_fetch_sub(&all->nr, 1);
}

bool xvb_poll_ring(struct xvb_poll *p, struct xvb_vq *vq)
{
	bool found;

	poll_judge(p, vq);
	if (poll_rests(p) || !poll_enter(p->all))
		return false;
	p->requests = poll_requests(vq);
	found = poll_look(vq, p->all->ns, &p->found);
	poll_leave(p->all);
	if (!p->found)
		poll_in_vain(p);
	return found;
}
