// SPDX-License-Identifier: GPL-2.0-only
/*
 * States in every wrong order, and nodes that are missing or nonsense (R8)
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostile.h"

/* 80 digits a line. */
#define DIGITS	"12345678901234567890123456789012345678901234567890123456789012345678901234567890"
#define HUGE	(DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS \
		 DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS)

static void remove_node(struct hostile *h, const char *dir, const char *node)
{
	char path[XVB_STORE_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s%s", dir, node);
	h->st->ops->rm(h->st, path);
	sinned(h);
}

static void backend_vanishes(struct hostile *h)
{
	remove_node(h, h->back, "");
}

static void frontend_vanishes(struct hostile *h)
{
	remove_node(h, h->front, "");
}

static void both_vanish(struct hostile *h)
{
	remove_node(h, h->back, "");
	remove_node(h, h->front, "");
}

/* What was read once must not matter later. */
static void nodes_change(struct hostile *h)
{
	xvb_store_write(h->st, h->back, XVIO_NODE_PROTOCOL_REVISIONS, "7");
	xvb_store_write(h->st, h->back, XVIO_NODE_MAX_WINDOW_PAGES, "-5");
	xvb_store_write(h->st, h->back, XVIO_NODE_TRANSPORT, "nothing");
	xvb_store_write(h->st, h->back, "frontend", "/nowhere");
	xvb_store_write(h->st, h->back, "online", "perhaps");
	sinned(h);
}

static void storm(struct hostile *h)
{
	h->until = now() + h->seconds * 1000000000ULL;
	h->ticking = 0;
	sinned(h);
}

/* States that mean nothing to a connected frontend. */
static bool storm_tick(struct hostile *h)
{
	/* Who leaves has written Closing: no other state may come after that. */
	if (!h->leaving) {
		nodes_states(h, "3 7 8 4");
		h->count += 4;
		if (h->connected && now() < h->until)
			return true;
	}
	milestone("storm %llu states in %u s", (unsigned long long)h->count,
		  h->seconds);
	return false;
}

const struct sin sins_xenstore[] = {
	{ .name = "state-first-connected", .what = "Connected without InitWait",
	  .early = true, .states = "4" },
	{ .name = "state-first-closing", .what = "Closing without InitWait",
	  .early = true, .states = "5" },
	{ .name = "state-first-closed", .what = "Closed without InitWait",
	  .early = true, .states = "6" },
	{ .name = "state-first-gone", .what = "no state in the beginning",
	  .early = true, .states = "gone" },
	{ .name = "state-first-garbage", .what = "nonsense in the beginning",
	  .early = true, .states = "garbage" },
	{ .name = "state-first-twice", .what = "InitWait again and again",
	  .early = true, .states = "2 1 2 2 1 2" },
	{ .name = "state-first-deaf", .what = "Connected without the ring",
	  .early = true, .deaf = true },
	{ .name = "state-first-all", .what = "every state in the beginning",
	  .early = true, .states = "8 7 6 5 4 3 2 1 0 1 2" },
	{ .name = "state-initialising", .what = "Initialising while connected",
	  .states = "1", .holds = true },
	{ .name = "state-initwait", .what = "InitWait while connected",
	  .states = "2", .holds = true },
	{ .name = "state-initialised", .what = "Initialised while connected",
	  .states = "3" },
	{ .name = "state-connected", .what = "Connected while connected",
	  .states = "4 4 4" },
	{ .name = "state-reconfiguring", .what = "states that mean nothing",
	  .states = "7 8 7 4" },
	{ .name = "state-closed", .what = "Closed without Closing",
	  .states = "6", .holds = true },
	{ .name = "state-unknown", .what = "Unknown while connected",
	  .states = "0", .holds = true },
	{ .name = "state-number", .what = "a state that does not exist",
	  .states = "99" },
	{ .name = "state-negative", .what = "a negative state",
	  .states = "-1" },
	{ .name = "state-huge", .what = "a state of many digits",
	  .states = DIGITS },
	{ .name = "state-garbage", .what = "a state that is no number",
	  .states = "garbage", .holds = true },
	{ .name = "state-empty", .what = "an empty state",
	  .states = "empty", .holds = true },
	{ .name = "state-gone", .what = "no state while connected",
	  .states = "gone", .holds = true },
	{ .name = "state-back-again", .what = "Closing, and Connected again",
	  .states = "5", .reply = XVB_STATE_CONNECTED },
	{ .name = "state-begin-again", .what = "Closing, and InitWait at once",
	  .states = "5", .reply = XVB_STATE_INIT_WAIT },
	{ .name = "state-all", .what = "every state while connected",
	  .states = "1 2 3 4 5 6 7 8 0 gone 4 3 2 1", .holds = true },
	{ .name = "state-storm", .what = "states without end",
	  .act = storm, .tick = storm_tick },
	{ .name = "node-no-revisions", .what = "no protocol-revisions",
	  .early = true, .node = XVIO_NODE_PROTOCOL_REVISIONS },
	{ .name = "node-other-revisions", .what = "revisions that we do not speak",
	  .early = true, .node = XVIO_NODE_PROTOCOL_REVISIONS,
	  .value = "0 2 3 11" },
	{ .name = "node-empty-revisions", .what = "protocol-revisions is empty",
	  .early = true, .node = XVIO_NODE_PROTOCOL_REVISIONS, .value = "" },
	{ .name = "node-garbage-revisions", .what = "revisions are nonsense",
	  .early = true, .node = XVIO_NODE_PROTOCOL_REVISIONS,
	  .value = "one, 1" },
	{ .name = "node-huge-revisions", .what = "a revision of 1280 digits",
	  .early = true, .node = XVIO_NODE_PROTOCOL_REVISIONS, .value = HUGE },
	{ .name = "node-no-window", .what = "no max-window-pages",
	  .early = true, .node = XVIO_NODE_MAX_WINDOW_PAGES },
	{ .name = "node-zero-window", .what = "max-window-pages is 0",
	  .early = true, .node = XVIO_NODE_MAX_WINDOW_PAGES, .value = "0" },
	{ .name = "node-negative-window", .what = "max-window-pages is negative",
	  .early = true, .node = XVIO_NODE_MAX_WINDOW_PAGES, .value = "-64" },
	{ .name = "node-huge-window", .what = "max-window-pages is 2^32",
	  .early = true, .node = XVIO_NODE_MAX_WINDOW_PAGES,
	  .value = "4294967296" },
	{ .name = "node-garbage-window", .what = "max-window-pages is nonsense",
	  .early = true, .node = XVIO_NODE_MAX_WINDOW_PAGES,
	  .value = "0x100" },
	{ .name = "node-long-window", .what = "max-window-pages of 1280 digits",
	  .early = true, .node = XVIO_NODE_MAX_WINDOW_PAGES, .value = HUGE },
	{ .name = "node-garbage-whole", .what = "feature-whole-writes is 2",
	  .early = true, .node = XVIO_NODE_FEATURE_WHOLE, .value = "2" },
	{ .name = "nodes-change", .what = "nodes change while connected",
	  .act = nodes_change },
	{ .name = "nodes-backend-gone", .what = "the backend's nodes vanish",
	  .act = backend_vanishes, .holds = true },
	{ .name = "nodes-frontend-gone", .what = "the frontend's nodes vanish",
	  .act = frontend_vanishes, .holds = true },
	{ .name = "nodes-all-gone", .what = "all nodes vanish at once",
	  .act = both_vanish, .holds = true },
	{ }
};
