// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events without end (T6), for --seconds, as many as the machine can send
 */

#include <endian.h>

#include "hostile.h"
#include "ring_intf.h"

#define BURST	1000		/* events between two looks at the clock */

static void begin(struct hostile *h)
{
	h->until = now() + h->seconds * 1000000000ULL;
	h->ticking = 0;
	sinned(h);
}

static bool goes_on(struct hostile *h)
{
	if (h->connected && now() < h->until)
		return true;
	milestone("storm %llu events in %u s", (unsigned long long)h->count,
		  h->seconds);
	return false;
}

static bool on_queue(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < BURST && h->queue.bound; i++)
		xvb_evtchn_notify(h->queue.ec);
	h->count += i;
	return goes_on(h);
}

static bool on_control(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < BURST && h->connected; i++)
		xvb_evtchn_notify(h->control);
	h->count += i;
	return goes_on(h);
}

/* Half of the ring is for answers: the storm is the sin, not silence. */
static bool room(struct hostile *h)
{
	struct xvio_data_intf *intf = h->ring.intf;

	return h->connected &&
	       h->ring.in_prod - __atomic_load_n(&intf->in_cons,
						 __ATOMIC_ACQUIRE) <
	       XVB_RING_BYTES / 2;
}

static bool of_config(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < BURST && room(h); i++)
		control_event(h);
	h->count += i;
	return goes_on(h);
}

/* Nonsense that is dropped, as fast as it is taken. */
static bool of_nonsense(struct hostile *h)
{
	struct xvio_msg_hdr hdr = {
		.type = 0x80,
		.msg_size = htole16(sizeof(hdr)),
	};
	unsigned int i;

	for (i = 0; i < BURST && room(h); i++)
		control_push(h, &hdr, sizeof(hdr));
	h->count += i;
	return goes_on(h);
}

const struct sin sins_storm[] = {
	{ .name = "storm-queue", .what = "events of the queue without work",
	  .act = begin, .tick = on_queue },
	{ .name = "storm-control", .what = "events of the channel without messages",
	  .act = begin, .tick = on_control },
	{ .name = "storm-config", .what = "config events as fast as they are taken",
	  .act = begin, .tick = of_config },
	{ .name = "storm-nonsense", .what = "nonsense as fast as it is dropped",
	  .act = begin, .tick = of_nonsense },
	{ }
};
