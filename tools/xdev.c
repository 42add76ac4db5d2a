// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backend's half of the xenbus handshake: the states of one device
 *
 * The state of a device is looked at as a whole (look(), step()), instead of
 * reacting to single events: the order and the number of watch events do not
 * matter.
 *
 *	phase of the worker	backend state
 *	IDLE			1 (not started), 6 (failed, closed, died)
 *	STARTING		1, 6
 *	READY			2, and 5 or 6 while the frontend is
 *	CONNECTING		2
 *	CONNECTED		4, or 5 when the toolstack wants an end
 *	DISCONNECTING		as before
 *	STOPPING, KILLED	as before; then 6
 *
 * A node is only ever written in a transaction that has seen the state node:
 * a directory that the toolstack has removed must not come back.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/virtioif.h>

#include "device.h"
#include "util.h"
#include "xenbus.h"

#define TX_ATTEMPTS	64
#define RESPAWN_MS	1000

/* One node of the backend directory that is to be written. */
struct node {
	const char *name;
	char value[32];
};

void xvb_xdev_log(const struct xvb_xdev *dev, enum xvb_log_level level,
		  const char *fmt, ...)
{
	char text[XVB_ERROR_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	xvb_log(level, "domain %u device %u: %s", dev->name.fe,
		dev->name.devid, text);
}

static void set_phase(struct xvb_xdev *dev, enum xvb_phase phase,
		      uint64_t patience)
{
	dev->phase = phase;
	dev->deadline = patience ? dev->bus->now + patience : 0;
	dev->dirty = true;
}

/* What is to be written in one transaction. */
struct update {
	unsigned int state;		/* 0: as it is */
	const struct node *nodes;
	unsigned int nr_nodes;
	const char *error;		/* NULL: as it is, "": none */
};

/*
 * Closed means that the file is closed, too: only then it may answer a wish
 * of the toolstack that we have not seen.
 */
static bool may_write(const struct xvb_xdev *dev, unsigned int state,
		      unsigned int found)
{
	if (!state || found == dev->state || found != XVB_STATE_CLOSING)
		return true;
	return state == XVB_STATE_CLOSED && dev->phase == XVB_PHASE_IDLE;
}

static int write_error(struct xvb_xdev *dev, const char *text)
{
	struct xvb_store *st = dev->bus->store;
	char dir[XVB_STORE_PATH_MAX], path[XVB_STORE_PATH_MAX + 8];

	xvb_dir_path(&dev->name, XVB_DIR_PRIVATE, dir);
	snprintf(path, sizeof(path), "%s/" XVB_NODE_ERROR, dir);
	return *text ? st->ops->write(st, path, text) : st->ops->rm(st, path);
}

/*
 * Writes what is to be written, unless the directory is gone or another
 * device's now, or the toolstack has put a state there that we have not seen.
 */
static int write_once(struct xvb_xdev *dev, const struct update *up)
{
	struct xvb_store *st = dev->bus->store;
	char dir[XVB_STORE_PATH_MAX];
	uint32_t found;
	unsigned int i;
	int err;

	xvb_dir_path(&dev->name, XVB_DIR_BACKEND, dir);
	err = xvb_store_read_uint(st, dir, "state", UINT32_MAX, &found);
	if (!err)
		err = xvb_store_check_id(st, &dev->name, dev->attach_id);
	if (err == -ECANCELED)
		dev->recheck = true;
	if (!err && !may_write(dev, up->state, found))
		err = -ECANCELED;
	if (!err && up->error)
		err = write_error(dev, up->error);
	for (i = 0; i < up->nr_nodes && !err; i++)
		err = xvb_store_write(st, dir, up->nodes[i].name, "%s",
				      up->nodes[i].value);
	if (!err && up->state)
		err = xvb_store_write(st, dir, "state", "%u", up->state);
	return err;
}

static int write_update(struct xvb_xdev *dev, const struct update *up)
{
	struct xvb_store *st = dev->bus->store;
	int err = -EAGAIN, end;
	unsigned int i;

	for (i = 0; i < TX_ATTEMPTS; i++) {
		err = st->ops->begin(st);
		if (err)
			break;
		err = write_once(dev, up);
		end = st->ops->end(st, err != 0);
		if (!err)
			err = end;
		if (err != -EAGAIN)
			break;
	}
	if (!err && up->state) {
		xvb_xdev_log(dev, XVB_LOG_DEBUG, "backend state %s",
			     xvb_state_name(up->state));
		dev->state = up->state;
	}
	if (!err)
		return 0;
	/* Removed or changed by the toolstack: the next look will tell. */
	dev->dirty = true;
	if (err != -ENOENT && err != -ECANCELED)
		xvb_xdev_log(dev, XVB_LOG_ERROR, "writing the state: %s", strerror(-err));
	return err;
}

static int switch_state(struct xvb_xdev *dev, unsigned int state)
{
	const struct update up = { .state = state };

	return write_update(dev, &up);
}

static void clear_error(struct xvb_xdev *dev)
{
	const struct update up = { .error = "" };

	write_update(dev, &up);
}

/*
 * The error and the state that goes with it (0: none) appear at once: who
 * sees the error may remove the device.
 */
static void fail(struct xvb_xdev *dev, unsigned int state, const char *why)
{
	const struct update up = { .state = state, .error = why };

	if (xvb_ratelimit(&dev->limit))
		xvb_xdev_log(dev, XVB_LOG_ERROR, "%s", why);
	write_update(dev, &up);
}

/* Looking at a device */

static unsigned int read_fe_state(struct xvb_xdev *dev)
{
	char dir[XVB_STORE_PATH_MAX];
	uint32_t state;

	xvb_dir_path(&dev->name, XVB_DIR_FRONTEND, dir);
	if (xvb_store_read_uint(dev->bus->store, dir, "state",
				XVB_STATE_CLOSED, &state))
		return XVB_STATE_UNKNOWN;
	return state;
}

bool xvb_xdev_domain_gone(const struct xvb_xdev *dev)
{
	struct xvb_store *st = dev->bus->store;
	int alive = st->ops->domain_alive(st, dev->name.fe);
	char dir[XVB_STORE_PATH_MAX];
	char *text;
	int err;

	/* An error is no answer: then the domain is believed to live. */
	if (alive != -EACCES && alive != -EPERM)
		return alive == 0;
	/*
	 * A driver domain may not ask.  It may read the frontend's directory,
	 * and nothing beside it: what is gone is not accessible either.
	 */
	xvb_dir_path(&dev->name, XVB_DIR_FRONTEND, dir);
	err = xvb_store_read(st, dir, "backend", &text);
	if (!err)
		free(text);
	return err == -ENOENT || err == -EACCES;
}

/* Removed and made again under the same name, faster than we looked. */
static bool replaced(struct xvb_xdev *dev)
{
	char id[XVB_ATTACH_ID_SIZE];

	if (!dev->recheck)
		return false;
	/* An error is no answer: the next look asks again. */
	if (xvb_store_attach_id(dev->bus->store, &dev->name, id))
		return false;
	dev->recheck = false;
	return strcmp(id, dev->attach_id);
}

/* Reads what the other two, toolstack and frontend, have written. */
static void look(struct xvb_xdev *dev)
{
	struct xvb_store *st = dev->bus->store;
	char dir[XVB_STORE_PATH_MAX];
	unsigned int fe_state = read_fe_state(dev);
	uint32_t state, online = 1;
	int err;

	if (fe_state != dev->fe_state)
		xvb_xdev_log(dev, XVB_LOG_DEBUG, "frontend state %s", xvb_state_name(fe_state));
	/* It came back: that holds until it is offered something. */
	if (fe_state != XVB_STATE_INITIALISING)
		dev->retry = false;
	else if (dev->fe_state != XVB_STATE_INITIALISING)
		dev->retry = true;
	dev->fe_state = fe_state;
	xvb_dir_path(&dev->name, XVB_DIR_BACKEND, dir);
	err = xvb_store_read_uint(st, dir, "state", UINT32_MAX, &state);
	if (err == -ENOENT || replaced(dev)) {
		dev->gone = true;
		return;
	}
	if (xvb_xdev_domain_gone(dev)) {
		dev->gone = true;
		dev->dead = true;
		return;
	}
	xvb_store_read_uint(st, dir, "online", 1, &online);
	dev->online = online;
	if (err || state == dev->state)
		return;
	if (state == XVB_STATE_CLOSING) {
		dev->state = state;
		dev->closing = true;
	} else if (state == XVB_STATE_INITIALISING &&
		   dev->phase == XVB_PHASE_IDLE) {
		/* The toolstack wants another attempt. */
		dev->state = state;
		dev->closing = false;
		dev->fresh = true;
	}
}

/* A frontend that has, or is about to have, a connection. */
static bool fe_connected(const struct xvb_xdev *dev)
{
	return dev->fe_state == XVB_STATE_INITIALISED ||
	       dev->fe_state == XVB_STATE_CONNECTED;
}

static bool fe_closed(const struct xvb_xdev *dev)
{
	return dev->fe_state == XVB_STATE_CLOSED ||
	       dev->fe_state == XVB_STATE_UNKNOWN;
}

/* Whether this device shall have no worker. */
static bool want_off(const struct xvb_xdev *dev)
{
	const struct xvb_xenbus *bus = dev->bus;

	if (dev->gone)
		return true;
	if (bus->shutdown)
		return !fe_connected(dev) || bus->now >= bus->shutdown_at ||
		       dev->phase != XVB_PHASE_CONNECTED;
	/* Closing may be our own, from before it was to go. */
	return !dev->online && (dev->state == XVB_STATE_CLOSING ||
				dev->closing || fe_closed(dev));
}

/* Acting on it */

static void start_worker(struct xvb_xdev *dev)
{
	int err;

	dev->respawn = false;
	dev->fresh = false;
	dev->retry = false;
	dev->started_at = dev->bus->now;
	clear_error(dev);
	err = dev->bus->ops->start(dev);
	if (!err) {
		set_phase(dev, XVB_PHASE_STARTING, dev->bus->timeouts.start);
		return;
	}
	xvb_xdev_ended(dev, "starting a worker process failed");
}

/* A guest that can crash its worker shall not make us fork in a loop. */
static void want_worker(struct xvb_xdev *dev)
{
	uint64_t earliest = dev->started_at + RESPAWN_MS;

	if (dev->started_at && dev->bus->now < earliest) {
		dev->respawn = true;
		dev->respawn_at = earliest;
		return;
	}
	start_worker(dev);
}

static void stop_worker(struct xvb_xdev *dev)
{
	dev->bus->ops->stop(dev);
	set_phase(dev, XVB_PHASE_STOPPING, dev->bus->timeouts.drain);
}

static void disconnect(struct xvb_xdev *dev)
{
	dev->bus->ops->disconnect(dev);
	set_phase(dev, XVB_PHASE_DISCONNECTING, dev->bus->timeouts.drain);
}

/* What the worker was told, and has understood: it is ready.  For free(3). */
static char *read_param(const struct xvb_xdev *dev, const char *key)
{
	char dir[XVB_STORE_PATH_MAX];
	char *value;

	xvb_dir_path(&dev->name, XVB_DIR_PRIVATE, dir);
	if (xvb_store_read(dev->bus->store, dir, key, &value))
		return NULL;
	return value;
}

static bool direct_grants(const struct xvb_xdev *dev)
{
	char *mode = read_param(dev, XVB_NODE_DIRECT_GRANTS);
	bool off = mode && !strcmp(mode, "off");

	free(mode);
	return !off;
}

/* Only what is certain is promised. */
static bool whole_writes(const struct xvb_xdev *dev)
{
	char *type = read_param(dev, XVB_NODE_TYPE);
	char *told = read_param(dev, XVB_PARAM_WHOLE_WRITES);
	bool yes;

	yes = type && xvb_device_whole_writes(type) &&
	      (!told || xvb_params_truth(told) == 1);
	free(told);
	free(type);
	return yes;
}

static void offer(struct xvb_xdev *dev)
{
	struct node nodes[4] = {
		{ .name = XVIO_NODE_PROTOCOL_REVISIONS },
		{ .name = XVIO_NODE_MAX_WINDOW_PAGES },
		{ .name = XVIO_NODE_FEATURE_DIRECT },
		{ .name = XVIO_NODE_FEATURE_WHOLE },
	};
	const struct update up = {
		.state = XVB_STATE_INIT_WAIT,
		.nodes = nodes,
		.nr_nodes = ARRAY_SIZE(nodes),
	};

	snprintf(nodes[0].value, sizeof(nodes[0].value), "%d",
		 XVIO_PROTOCOL_REVISION);
	snprintf(nodes[1].value, sizeof(nodes[1].value), "%u",
		 dev->bus->max_window_pages);
	snprintf(nodes[2].value, sizeof(nodes[2].value), "%d",
		 direct_grants(dev));
	snprintf(nodes[3].value, sizeof(nodes[3].value), "%d",
		 whole_writes(dev));
	if (write_update(dev, &up))
		return;
	dev->closing = false;
	dev->retry = false;
}

static int read_connection(struct xvb_xdev *dev, uint32_t *ref, uint32_t *port,
			   struct xvb_error *error)
{
	struct xvb_store *st = dev->bus->store;
	char dir[XVB_STORE_PATH_MAX];
	uint32_t revision;
	int err;

	xvb_dir_path(&dev->name, XVB_DIR_FRONTEND, dir);
	err = xvb_store_read_uint(st, dir, XVIO_NODE_PROTOCOL_REVISION,
				  UINT32_MAX, &revision);
	if (err)
		return xvb_error_set(error, err,
				     "reading the frontend's node %s: %s",
				     XVIO_NODE_PROTOCOL_REVISION,
				     strerror(-err));
	if (revision != XVIO_PROTOCOL_REVISION)
		return xvb_error_set(error, -EPROTO,
				     "the frontend wants protocol revision %u, which was not offered",
				     revision);
	err = xvb_store_read_uint(st, dir, XVIO_NODE_RING_REF, UINT32_MAX, ref);
	if (err)
		return xvb_error_set(error, err,
				     "reading the frontend's node %s: %s",
				     XVIO_NODE_RING_REF, strerror(-err));
	err = xvb_store_read_uint(st, dir, XVIO_NODE_EVENT_CHANNEL, INT32_MAX,
				  port);
	if (err)
		return xvb_error_set(error, err,
				     "reading the frontend's node %s: %s",
				     XVIO_NODE_EVENT_CHANNEL, strerror(-err));
	return 0;
}

static void connect_frontend(struct xvb_xdev *dev)
{
	struct xvb_error error = { "" };
	uint32_t ref = 0, port = 0;
	int err = read_connection(dev, &ref, &port, &error);

	if (!err) {
		err = dev->bus->ops->connect(dev, ref, port);
		if (err)
			xvb_error_set(&error, err,
				      "asking the worker to connect: %s",
				      strerror(-err));
	}
	if (err) {
		fail(dev, XVB_STATE_CLOSING, error.text);
		return;
	}
	set_phase(dev, XVB_PHASE_CONNECTING, dev->bus->timeouts.connect);
}

/* The worker has the device, and no guest: follow the frontend. */
static void step_ready(struct xvb_xdev *dev)
{
	if (dev->fe_state == XVB_STATE_CLOSING) {
		if (dev->state != XVB_STATE_CLOSING)
			switch_state(dev, XVB_STATE_CLOSING);
	} else if (fe_closed(dev)) {
		if (dev->state != XVB_STATE_CLOSED)
			switch_state(dev, XVB_STATE_CLOSED);
	} else if (dev->fe_state == XVB_STATE_INITIALISING) {
		if (dev->state != XVB_STATE_INIT_WAIT)
			offer(dev);
	} else if (dev->fe_state == XVB_STATE_INITIALISED) {
		/* Anything else than an answer to our InitWait is ignored. */
		if (dev->state == XVB_STATE_INIT_WAIT)
			connect_frontend(dev);
	}
}

static void step_idle(struct xvb_xdev *dev)
{
	if (dev->fresh || dev->retry)
		want_worker(dev);
	else if (dev->respawn && dev->bus->now >= dev->respawn_at)
		start_worker(dev);
}

static void step_on(struct xvb_xdev *dev)
{
	switch (dev->phase) {
	case XVB_PHASE_IDLE:
		step_idle(dev);
		break;
	case XVB_PHASE_READY:
		step_ready(dev);
		break;
	case XVB_PHASE_CONNECTED:
		if (!fe_connected(dev))
			disconnect(dev);
		break;
	case XVB_PHASE_STARTING:
	case XVB_PHASE_CONNECTING:
	case XVB_PHASE_DISCONNECTING:
	case XVB_PHASE_STOPPING:
	case XVB_PHASE_KILLED:
		break;
	}
}

static void step_off(struct xvb_xdev *dev)
{
	switch (dev->phase) {
	case XVB_PHASE_CONNECTED:
		/* Orderly: the frontend must have let go first. */
		if (!dev->gone && !dev->bus->shutdown && fe_connected(dev))
			break;
		stop_worker(dev);
		break;
	case XVB_PHASE_STARTING:
	case XVB_PHASE_READY:
	case XVB_PHASE_CONNECTING:
	case XVB_PHASE_DISCONNECTING:
		stop_worker(dev);
		break;
	case XVB_PHASE_IDLE:
		dev->respawn = false;
		dev->fresh = false;
		if (!dev->gone && dev->state != XVB_STATE_CLOSED)
			switch_state(dev, XVB_STATE_CLOSED);
		break;
	case XVB_PHASE_STOPPING:
	case XVB_PHASE_KILLED:
		break;
	}
}

void xvb_xdev_check_deadline(struct xvb_xdev *dev)
{
	if (!dev->deadline || dev->bus->now < dev->deadline)
		return;
	xvb_xdev_log(dev, XVB_LOG_ERROR, "the worker does not answer and is killed");
	dev->bus->ops->kill(dev);
	set_phase(dev, XVB_PHASE_KILLED, 0);
}

void xvb_xdev_step(struct xvb_xdev *dev)
{
	look(dev);
	if (want_off(dev))
		step_off(dev);
	else
		step_on(dev);
}

/* From the bus */

void xvb_xdev_found(struct xvb_xdev *dev)
{
	/*
	 * Left by an earlier daemon, in any other state: its frontend has to
	 * begin again.  Until it does the device is closed.
	 */
	dev->fresh = dev->state == XVB_STATE_INITIALISING;
	dev->dirty = true;
	if (!dev->fresh && dev->state != XVB_STATE_CLOSING)
		switch_state(dev, XVB_STATE_CLOSED);
}

void xvb_xdev_ask_to_close(struct xvb_xdev *dev)
{
	dev->dirty = true;
	if (dev->phase == XVB_PHASE_CONNECTED &&
	    dev->state == XVB_STATE_CONNECTED)
		switch_state(dev, XVB_STATE_CLOSING);
}

/* From the worker */

void xvb_xdev_ready(struct xvb_xdev *dev)
{
	if (dev->phase == XVB_PHASE_STARTING)
		set_phase(dev, XVB_PHASE_READY, 0);
}

void xvb_xdev_connected(struct xvb_xdev *dev)
{
	if (dev->phase != XVB_PHASE_CONNECTING)
		return;
	set_phase(dev, XVB_PHASE_CONNECTED, 0);
	clear_error(dev);
	/* Unless the toolstack has asked for Closing meanwhile. */
	if (dev->state == XVB_STATE_INIT_WAIT)
		switch_state(dev, XVB_STATE_CONNECTED);
}

void xvb_xdev_disconnected(struct xvb_xdev *dev, const char *why)
{
	bool asked = dev->phase == XVB_PHASE_DISCONNECTING;
	unsigned int state = 0;

	/* The worker is ending, and said this before. */
	if (dev->phase != XVB_PHASE_CONNECTING &&
	    dev->phase != XVB_PHASE_CONNECTED && !asked)
		return;
	set_phase(dev, XVB_PHASE_READY, 0);
	/* The frontend is to close, and may begin again. */
	if (!asked && dev->state != XVB_STATE_CLOSING)
		state = XVB_STATE_CLOSING;
	if (why)
		fail(dev, state, why);
	else if (state)
		switch_state(dev, state);
}

void xvb_xdev_ended(struct xvb_xdev *dev, const char *why)
{
	bool killed = dev->phase == XVB_PHASE_KILLED;
	bool asked = dev->phase == XVB_PHASE_STOPPING || killed;

	set_phase(dev, XVB_PHASE_IDLE, 0);
	if (asked && want_off(dev))
		return;
	if (killed)
		why = "the worker did not answer in time and was killed";
	fail(dev, XVB_STATE_CLOSED,
	     why ? why : "the worker has ended unexpectedly");
}
