// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants that are kept (T13): until SIGUSR2, whatever the guest asks for
 */

#include <endian.h>
#include <string.h>

#include "hostile.h"

#define PATTERN	0xe7

static bool is_remove(const union xvb_msg *req)
{
	return req->hdr.type == XVIO_TYPE_BUS &&
	       req->hdr.msg_id == XVIO_BUS_WINDOW_REMOVE;
}

/*
 * control.c has unmapped it when this is called; the guest revokes what it is
 * told is free only afterwards, so mapping it again is as good as keeping it.
 */
static bool keep_window(struct hostile *h, const union xvb_msg *req,
			union xvb_msg *rsp)
{
	const __le32 *range = (const __le32 *)(req->raw + sizeof(req->hdr));

	(void)rsp;
	if (!is_remove(req))
		return true;
	if (!window_add(h, le32toh(range[0]), le32toh(range[1])))
		sinned(h);
	return true;
}

static bool keep_last(struct hostile *h, const union xvb_msg *req,
		      union xvb_msg *rsp)
{
	if (h->count && is_remove(req))
		return true;
	h->count += is_remove(req);
	return keep_window(h, req, rsp);
}

/* The guest wants a window: no, but the pages are ours. */
static bool keep_refused(struct hostile *h, const union xvb_msg *req,
			 union xvb_msg *rsp)
{
	struct xvio_bus_result *r = payload(rsp);

	if (req->hdr.type != XVIO_TYPE_BUS ||
	    req->hdr.msg_id != XVIO_BUS_WINDOW_ADD)
		return true;
	r->error = htole32(XVIO_ENOSPC);
	sinned(h);
	return true;
}

static bool remove_refused(struct hostile *h, const union xvb_msg *req,
			   union xvb_msg *rsp)
{
	struct xvio_bus_result *r = payload(rsp);

	(void)h;
	if (!is_remove(req))
		return true;
	r->error = htole32(XVIO_EBUSY);
	sinned(h);
	return true;
}

static bool remove_never(struct hostile *h, const union xvb_msg *req,
			 union xvb_msg *rsp)
{
	struct xvio_bus_result *r = payload(rsp);

	if (!is_remove(req))
		return true;
	r->error = htole32(XVIO_EAGAIN);
	sinned(h);
	return true;
}

static void begin(struct hostile *h)
{
	h->ticking = 10;
	sinned(h);
}

static void scribble(void *va, uint32_t pages)
{
	memset(va, PATTERN, (size_t)pages * XVIO_ADDR_PAGE_SIZE);
}

/* Writes to all that is kept, when the guest has closed its side. */
static bool scribble_tick(struct hostile *h)
{
	unsigned int i;

	if (!h->connected)
		return false;
	if (h->frontend != XVB_STATE_CLOSED && h->frontend)
		return true;
	for (i = 0; i < h->nr_windows; i++)
		if (!h->window[i].readonly)
			scribble(h->window[i].va, h->window[i].pages);
	scribble(h->ring.in, 1);
	scribble(h->ring.intf, 1);
	if (!h->count++)
		milestone("scribbled");
	return true;
}

static void told(struct hostile *h)
{
	sinned(h);
}

const struct sin sins_grant[] = {
	{ .name = "keep-window", .what = "windows that were removed stay mapped",
	  .answer = keep_window, .forgets = true },
	{ .name = "keep-one-window", .what = "one window stays mapped",
	  .answer = keep_last, .forgets = true },
	{ .name = "keep-ring", .what = "nothing is unmapped when the guest closes",
	  .act = told, .forgets = true },
	{ .name = "keep-write", .what = "it writes to all that it has kept",
	  .act = begin, .answer = keep_window, .tick = scribble_tick,
	  .forgets = true },
	{ .name = "keep-direct", .what = "a buffer stays mapped after its request",
	  .direct = true, .forgets = true },
	{ .name = "keep-refused", .what = "a window is refused, but kept",
	  .early = true, .answer = keep_refused, .forgets = true },
	{ .name = "remove-refused", .what = "no window can be removed",
	  .answer = remove_refused },
	{ .name = "remove-never", .what = "a window can be removed later, always",
	  .answer = remove_never },
	{ }
};
