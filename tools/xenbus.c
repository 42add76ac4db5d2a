// SPDX-License-Identifier: GPL-2.0-only
/*
 * The backend's half of the xenbus handshake: all devices of this domain
 *
 * Events of watches only mark devices; a marked device is looked at once,
 * however many events there were, and a guest that rewrites its nodes in a
 * loop costs at most LOOKS_PER_SECOND looks.  What a look does is in xdev.c.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/virtioif.h>

#include "xenbus.h"

#define BACKEND_TOKEN		"backend"
#define RELEASE_TOKEN		"release"
#define FRONTEND_TOKEN		"frontend/"
#define RELEASE_PATH		"@releaseDomain"

#define LOOKS_PER_SECOND	100
#define REMOVE_AGAIN_MS		10000

static struct xvb_xdev *find_dev(struct xvb_xenbus *bus, uint32_t fe,
				 uint32_t devid)
{
	struct xvb_xdev *dev;

	for (dev = bus->devs; dev; dev = dev->next)
		if (dev->name.fe == fe && dev->name.devid == devid)
			return dev;
	return NULL;
}

/* Devices come and go */

static void frontend_watch(struct xvb_xdev *dev, bool on)
{
	struct xvb_store *st = dev->bus->store;
	char dir[XVB_STORE_PATH_MAX], path[XVB_STORE_PATH_MAX + 8];
	char token[64];
	int err;

	xvb_dir_path(&dev->name, XVB_DIR_FRONTEND, dir);
	snprintf(path, sizeof(path), "%s/state", dir);
	snprintf(token, sizeof(token), FRONTEND_TOKEN "%u/%u", dev->name.fe,
		 dev->name.devid);
	err = on ? st->ops->watch(st, path, token) :
		   st->ops->unwatch(st, path, token);
	if (err && on)
		xvb_xdev_log(dev, XVB_LOG_ERROR, "watching %s: %s", path,
			     strerror(-err));
	dev->watching = on && !err;
}

static bool is_ours(struct xvb_xenbus *bus, const struct xvb_devname *name)
{
	char dir[XVB_STORE_PATH_MAX];
	char *transport;
	bool ours;

	xvb_dir_path(name, XVB_DIR_BACKEND, dir);
	if (xvb_store_read(bus->store, dir, XVIO_NODE_TRANSPORT, &transport))
		return false;
	ours = !strcmp(transport, XVIO_TRANSPORT_XENBUS);
	free(transport);
	return ours;
}

static void add_dev(struct xvb_xenbus *bus, const struct xvb_devname *name)
{
	char dir[XVB_STORE_PATH_MAX];
	struct xvb_xdev *dev;
	uint32_t state;

	xvb_dir_path(name, XVB_DIR_BACKEND, dir);
	if (!is_ours(bus, name) ||
	    xvb_store_read_uint(bus->store, dir, "state", UINT32_MAX, &state))
		return;
	dev = calloc(1, sizeof(*dev));
	if (!dev) {
		xvb_err("device %u of domain %u: out of memory", name->devid,
			name->fe);
		return;
	}
	dev->name = *name;
	dev->bus = bus;
	dev->state = state;
	dev->fe_state = XVB_STATE_UNKNOWN;
	if (xvb_store_attach_id(bus->store, name, dev->attach_id)) {
		xvb_xdev_log(dev, XVB_LOG_ERROR, "reading what it is called failed");
		free(dev);
		return;
	}
	dev->next = bus->devs;
	bus->devs = dev;
	frontend_watch(dev, true);
	xvb_xdev_log(dev, XVB_LOG_INFO, "found");
	xvb_xdev_found(dev);
}

static void scan_frontend(struct xvb_xenbus *bus, const char *dir,
			  const char *fe)
{
	struct xvb_devname name = { .be = bus->be };
	char path[XVB_STORE_PATH_MAX];
	unsigned int count, i;
	char **ids;

	if (xvb_parse_u32(fe, XVB_DOMID_MAX, &name.fe))
		return;
	if (snprintf(path, sizeof(path), "%s/%s", dir, fe) >= (int)sizeof(path))
		return;
	if (bus->store->ops->list(bus->store, path, &ids, &count))
		return;
	for (i = 0; i < count; i++)
		if (!xvb_parse_u32(ids[i], XVB_DEVID_MAX, &name.devid) &&
		    !find_dev(bus, name.fe, name.devid))
			add_dev(bus, &name);
	free(ids);
}

static void scan(struct xvb_xenbus *bus)
{
	char dir[XVB_STORE_PATH_MAX];
	unsigned int count, i;
	char **fes;

	bus->rescan = false;
	xvb_type_path(bus->be, XVB_DIR_BACKEND, dir);
	if (bus->store->ops->list(bus->store, dir, &fes, &count))
		return;
	for (i = 0; i < count; i++)
		scan_frontend(bus, dir, fes[i]);
	free(fes);
}

/* Returns false when its nodes have to be removed, and could not be yet. */
static bool remove_dev(struct xvb_xdev *dev)
{
	struct xvb_xenbus *bus = dev->bus;
	struct xvb_xdev **p = &bus->devs;
	int err;

	if (bus->now < dev->remove_at)
		return false;
	/* The toolstack cleans up after itself; nobody does for a dead domain. */
	if (dev->dead || xvb_xdev_domain_gone(dev)) {
		err = xvb_store_remove_device(bus->store, &dev->name, NULL);
		if (err) {
			xvb_xdev_log(dev, XVB_LOG_ERROR, "removing its nodes: %s", strerror(-err));
			dev->dead = true;
			dev->remove_at = bus->now + REMOVE_AGAIN_MS;
			return false;
		}
	}
	if (dev->watching)
		frontend_watch(dev, false);
	xvb_xdev_log(dev, XVB_LOG_INFO, "gone");
	while (*p != dev)
		p = &(*p)->next;
	*p = dev->next;
	free(dev);
	/* It may have come again under the same name meanwhile. */
	bus->rescan = true;
	return true;
}

/* From outside */

int xvb_xenbus_init(struct xvb_xenbus *bus)
{
	struct xvb_store *st = bus->store;
	char path[XVB_STORE_PATH_MAX];
	int err;

	xvb_type_path(bus->be, XVB_DIR_BACKEND, path);
	err = st->ops->watch(st, path, BACKEND_TOKEN);
	if (err) {
		xvb_err("watching %s: %s", path, strerror(-err));
		return err;
	}
	/*
	 * A driver domain may not be allowed to.  Then the removal of the
	 * frontend's nodes tells the same, a little later.
	 */
	err = st->ops->watch(st, RELEASE_PATH, RELEASE_TOKEN);
	if (err)
		xvb_warn("watching %s: %s", RELEASE_PATH, strerror(-err));
	bus->rescan = true;
	return 0;
}

static void mark_all(struct xvb_xenbus *bus)
{
	struct xvb_xdev *dev;

	for (dev = bus->devs; dev; dev = dev->next)
		dev->dirty = true;
}

/* The token names the device, as "DOMAIN/DEVICE": our own text. */
static void frontend_event(struct xvb_xenbus *bus, const char *id)
{
	struct xvb_devname name = { .be = bus->be };
	char path[XVB_STORE_PATH_MAX], type[XVB_STORE_PATH_MAX];
	struct xvb_xdev *dev;

	xvb_type_path(bus->be, XVB_DIR_BACKEND, type);
	snprintf(path, sizeof(path), "%.200s/%.40s", type, id);
	if (xvb_parse_backend_path(path, bus->be, &name) != 1)
		return;
	dev = find_dev(bus, name.fe, name.devid);
	if (dev)
		dev->dirty = true;
}

static void backend_event(struct xvb_xenbus *bus, const char *path)
{
	char dir[XVB_STORE_PATH_MAX];
	struct xvb_devname name;
	struct xvb_xdev *dev = NULL;
	int ret = xvb_parse_backend_path(path, bus->be, &name);

	if (ret < 0)
		return;
	if (ret)
		dev = find_dev(bus, name.fe, name.devid);
	if (dev) {
		xvb_dir_path(&name, XVB_DIR_BACKEND, dir);
		dev->recheck |= !strcmp(path, dir);
		dev->dirty = true;
		return;
	}
	bus->rescan = true;
	if (!ret)
		mark_all(bus);
}

void xvb_xenbus_event(struct xvb_xenbus *bus, const char *path,
		      const char *token)
{
	if (!strcmp(token, BACKEND_TOKEN))
		backend_event(bus, path);
	else if (!strcmp(token, RELEASE_TOKEN))
		mark_all(bus);
	else if (!strncmp(token, FRONTEND_TOKEN, strlen(FRONTEND_TOKEN)))
		frontend_event(bus, token + strlen(FRONTEND_TOKEN));
}

/* At most LOOKS_PER_SECOND, whatever a guest writes. */
static bool may_look(struct xvb_xdev *dev)
{
	uint64_t now = dev->bus->now;

	if (now - dev->window >= 1000) {
		dev->window = now;
		dev->looks = 0;
	}
	return dev->looks++ < LOOKS_PER_SECOND;
}

static void run_dev(struct xvb_xdev *dev)
{
	unsigned int rounds = 4;

	xvb_xdev_check_deadline(dev);
	if (dev->respawn && dev->bus->now >= dev->respawn_at)
		dev->dirty = true;
	/* A step may ask for another one: a new phase, a lost race. */
	while (dev->dirty && rounds-- && may_look(dev)) {
		dev->dirty = false;
		xvb_xdev_step(dev);
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_time(const struct xvb_xdev *dev)
{
	uint64_t t = UINT64_MAX;

	if (dev->deadline)
		t = dev->deadline;
	if (dev->respawn)
		t = earlier(t, dev->respawn_at);
	if (dev->remove_at)
		t = earlier(t, dev->remove_at);
	if (dev->dirty)
		t = earlier(t, dev->looks < LOOKS_PER_SECOND ? dev->bus->now :
			    dev->window + 1000);
	if (dev->bus->shutdown && dev->phase != XVB_PHASE_IDLE &&
	    dev->bus->now < dev->bus->shutdown_at)
		t = earlier(t, dev->bus->shutdown_at);
	return t;
}

int xvb_xenbus_run(struct xvb_xenbus *bus, uint64_t now)
{
	struct xvb_xdev *dev, *next;
	uint64_t when = UINT64_MAX;

	if (bus->shutdown && bus->now < bus->shutdown_at &&
	    now >= bus->shutdown_at)
		mark_all(bus);
	bus->now = now;
	if (bus->rescan)
		scan(bus);
	for (dev = bus->devs; dev; dev = next) {
		next = dev->next;
		run_dev(dev);
		if (dev->gone && dev->phase == XVB_PHASE_IDLE &&
		    remove_dev(dev))
			continue;
		when = earlier(when, next_time(dev));
	}
	if (bus->rescan)
		return 0;
	if (when == UINT64_MAX)
		return -1;
	return when <= now ? 0 : (int)earlier(when - now, 60000);
}

void xvb_xenbus_shutdown(struct xvb_xenbus *bus, uint64_t now)
{
	struct xvb_xdev *dev;

	if (bus->shutdown)
		return;
	bus->shutdown = true;
	bus->shutdown_at = now + bus->timeouts.close;
	for (dev = bus->devs; dev; dev = dev->next)
		xvb_xdev_ask_to_close(dev);
}

bool xvb_xenbus_idle(const struct xvb_xenbus *bus)
{
	const struct xvb_xdev *dev;

	for (dev = bus->devs; dev; dev = dev->next)
		if (dev->phase != XVB_PHASE_IDLE || dev->dirty)
			return false;
	return true;
}

void xvb_xenbus_free(struct xvb_xenbus *bus)
{
	struct xvb_xdev *dev;

	while (bus->devs) {
		dev = bus->devs;
		bus->devs = dev->next;
		free(dev);
	}
}
