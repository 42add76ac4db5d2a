// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xenstore: the device's nodes and states
 *
 * This program is toolstack and backend in one.  The nodes and their
 * permissions are those of "xen-virtio attach" (tools/cli_attach.c).
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostile.h"
#include "log.h"

#define FIRST_DEVID	100	/* out of the way of the real ones */
#define LAST_DEVID	999

static int make_dir(struct hostile *h, const char *path, uint32_t owner,
		    int reader)
{
	int err = xvb_store_exists(h->st, path);

	if (err)
		return err < 0 ? err : 0;
	err = h->st->ops->mkdir(h->st, path);
	return err ? err : h->st->ops->set_perms(h->st, path, owner, reader);
}

static int make_parents(struct hostile *h)
{
	char path[XVB_STORE_PATH_MAX], type[XVB_STORE_PATH_MAX];
	int err;

	xvb_type_path(h->name.be, XVB_DIR_BACKEND, type);
	err = make_dir(h, type, h->name.be, XVB_STORE_NO_READER);
	snprintf(path, sizeof(path), "%.200s/%u", type, h->name.fe);
	return err ? err :
	       make_dir(h, path, h->name.be, XVB_STORE_NO_READER);
}

static int write_pair(struct hostile *h, const char *dir, const char *side,
		      const char *other, uint32_t domid)
{
	char node[32];
	int err;

	snprintf(node, sizeof(node), "%s-id", side);
	err = xvb_store_write(h->st, dir, side, "%s", other);
	if (!err)
		err = xvb_store_write(h->st, dir, node, "%u", domid);
	if (!err)
		err = xvb_store_write(h->st, dir, XVIO_NODE_TRANSPORT,
				      XVIO_TRANSPORT_XENBUS);
	return err;
}

static int choose_devid(struct hostile *h)
{
	int found = 1;

	for (h->name.devid = FIRST_DEVID; h->name.devid <= LAST_DEVID;
	     h->name.devid++) {
		xvb_dir_path(&h->name, XVB_DIR_BACKEND, h->back);
		xvb_dir_path(&h->name, XVB_DIR_FRONTEND, h->front);
		found = xvb_store_exists(h->st, h->back);
		if (!found)
			found = xvb_store_exists(h->st, h->front);
		if (found <= 0)
			return found;
	}
	return -ENOSPC;
}

static int write_nodes(struct hostile *h)
{
	int err = choose_devid(h);

	if (!err)
		err = make_parents(h);
	if (!err)
		err = make_dir(h, h->front, h->name.fe, (int)h->name.be);
	if (!err)
		err = write_pair(h, h->front, "backend", h->back, h->name.be);
	if (!err)
		err = xvb_store_write(h->st, h->front, XVIO_NODE_TRUSTED, "1");
	if (!err && h->sin->direct)
		err = xvb_store_write(h->st, h->front, XVIO_NODE_DMA_MODE,
				      "direct");
	if (!err)
		err = xvb_store_write(h->st, h->front, "state", "%u",
				      XVB_STATE_INITIALISING);
	if (!err)
		err = make_dir(h, h->back, h->name.be, (int)h->name.fe);
	if (!err)
		err = write_pair(h, h->back, "frontend", h->front, h->name.fe);
	if (!err)
		err = xvb_store_write(h->st, h->back, "online", "1");
	if (!err)
		err = xvb_store_write(h->st, h->back, "state", "%u",
				      XVB_STATE_INITIALISING);
	return err;
}

int nodes_create(struct hostile *h)
{
	char watch[XVB_STORE_PATH_MAX + 8];
	int err;

	/* The guest sees it all at once, or not yet. */
	do {
		err = h->st->ops->begin(h->st);
		if (err)
			return err;
		err = write_nodes(h);
		if (err) {
			h->st->ops->end(h->st, true);
			return err;
		}
		err = h->st->ops->end(h->st, false);
	} while (err == -EAGAIN);
	if (err)
		return err;
	snprintf(watch, sizeof(watch), "%s/state", h->front);
	return h->st->ops->watch(h->st, watch, "frontend");
}

void nodes_remove(struct hostile *h)
{
	int err = xvb_store_remove_device(h->st, &h->name, NULL);

	if (err)
		xvb_err("removing the nodes: %s", strerror(-err));
	h->gone = true;
	milestone("detached");
}

void nodes_state(struct hostile *h, enum xvb_state state)
{
	int err = xvb_store_write(h->st, h->back, "state", "%u", state);

	if (err)
		xvb_err("writing the state: %s", strerror(-err));
	h->backend = state;
}

void nodes_states(struct hostile *h, const char *states)
{
	char path[XVB_STORE_PATH_MAX + 8];
	char *copy = strdup(states), *next = copy, *word;

	snprintf(path, sizeof(path), "%s/state", h->back);
	while (next) {
		word = strsep(&next, " ");
		if (!strcmp(word, "gone"))
			h->st->ops->rm(h->st, path);
		else if (!strcmp(word, "empty"))
			h->st->ops->write(h->st, path, "");
		else
			h->st->ops->write(h->st, path, word);
	}
	free(copy);
}

static int offer_node(struct hostile *h, const char *node, const char *value)
{
	char path[XVB_STORE_PATH_MAX + 32];

	if (h->sin->node && !strcmp(h->sin->node, node)) {
		value = h->sin->value;
		sinned(h);
	}
	if (!value)
		return 0;
	/* Not through xvb_store_write(), which writes nothing so long. */
	snprintf(path, sizeof(path), "%s/%s", h->back, node);
	return h->st->ops->write(h->st, path, value);
}

int nodes_offer(struct hostile *h)
{
	int err;

	err = offer_node(h, XVIO_NODE_PROTOCOL_REVISIONS, "1");
	if (!err)
		err = offer_node(h, XVIO_NODE_MAX_WINDOW_PAGES, "4096");
	if (!err)
		err = offer_node(h, XVIO_NODE_FEATURE_DIRECT,
				 h->sin->direct ? "1" : "0");
	/* A promise, which this backend does not make. */
	if (!err)
		err = offer_node(h, XVIO_NODE_FEATURE_WHOLE, NULL);
	if (err)
		return err;
	if (h->sin->early && h->sin->states) {
		nodes_states(h, h->sin->states);
		h->backend = XVB_STATE_INIT_WAIT;
		sinned(h);
		return 0;
	}
	nodes_state(h, XVB_STATE_INIT_WAIT);
	return 0;
}

static void frontend_initialised(struct hostile *h)
{
	int err;

	if (h->backend != XVB_STATE_INIT_WAIT)
		return;
	if (h->sin->deaf) {
		nodes_state(h, XVB_STATE_CONNECTED);
		sinned(h);
		return;
	}
	err = control_connect(h);
	if (err) {
		xvb_err("connecting: %s", strerror(-err));
		nodes_state(h, XVB_STATE_CLOSING);
		return;
	}
	nodes_state(h, XVB_STATE_CONNECTED);
}

static void frontend_closed(struct hostile *h)
{
	if (!h->sin->forgets)
		control_disconnect(h);
	if (h->backend != XVB_STATE_CLOSED)
		nodes_state(h, XVB_STATE_CLOSED);
	milestone("frontend-closed");
	if (h->leaving)
		nodes_remove(h);
}

void nodes_follow(struct hostile *h)
{
	uint32_t state;

	if (h->gone)
		return;
	if (xvb_store_read_uint(h->st, h->front, "state", 9, &state))
		state = XVB_STATE_UNKNOWN;
	if (state == h->frontend)
		return;
	h->frontend = state;
	milestone("frontend %s", xvb_state_name(state));
	switch (state) {
	case XVB_STATE_INITIALISING:
		control_disconnect(h);
		if (h->backend == XVB_STATE_CLOSED && !h->leaving)
			nodes_state(h, XVB_STATE_INIT_WAIT);
		break;
	case XVB_STATE_INITIALISED:
		frontend_initialised(h);
		break;
	case XVB_STATE_CLOSING:
		if (!h->sin->forgets)
			control_disconnect(h);
		if (h->sin->reply)
			nodes_state(h, h->sin->reply);
		else if (h->backend != XVB_STATE_CLOSING)
			nodes_state(h, XVB_STATE_CLOSING);
		break;
	case XVB_STATE_CLOSED:
	case XVB_STATE_UNKNOWN:
		frontend_closed(h);
		break;
	}
}

void nodes_leave(struct hostile *h)
{
	h->leaving = true;
	if (h->gone)
		return;
	xvb_store_write(h->st, h->back, "online", "0");
	if (h->frontend == XVB_STATE_CLOSED || h->frontend == XVB_STATE_UNKNOWN)
		frontend_closed(h);
	else
		nodes_state(h, XVB_STATE_CLOSING);
}
