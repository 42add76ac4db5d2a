/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The backend's half of the xenbus handshake, for all devices
 *
 * Knows xenstore (through store.h) and the states of docs/protocol.md
 * section 3; knows workers only through struct xvb_worker_ops.  It never
 * blocks on a guest: events mark a device, xvb_xenbus_run() looks at marked
 * devices once, however many events there were.
 *
 * Threads: one.
 */

#ifndef XVB_XENBUS_H
#define XVB_XENBUS_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "store.h"

/**
 * enum xvb_phase - what the worker of a device is doing
 * @XVB_PHASE_IDLE:		there is no worker
 * @XVB_PHASE_STARTING:		it opens the device
 * @XVB_PHASE_READY:		it has the device, and no guest
 * @XVB_PHASE_CONNECTING:	it maps the control ring
 * @XVB_PHASE_CONNECTED:	it serves the guest
 * @XVB_PHASE_DISCONNECTING:	it drains and unmaps
 * @XVB_PHASE_STOPPING:		it ends
 * @XVB_PHASE_KILLED:		it was killed, and is not dead yet
 */
enum xvb_phase {
	XVB_PHASE_IDLE,
	XVB_PHASE_STARTING,
	XVB_PHASE_READY,
	XVB_PHASE_CONNECTING,
	XVB_PHASE_CONNECTED,
	XVB_PHASE_DISCONNECTING,
	XVB_PHASE_STOPPING,
	XVB_PHASE_KILLED,
};

struct xvb_xenbus;

/**
 * struct xvb_xdev - one device
 * @name:	its name
 * @bus:	the bus that it is on
 * @next:	next device of the bus
 * @worker:	for the worker operations; NULL in XVB_PHASE_IDLE
 * @phase:	what the worker does
 * @state:	the state that we wrote last, or found
 * @fe_state:	the frontend's state as last seen
 * @online:	the node "online" as last seen
 * @closing:	the toolstack asked for an orderly end
 * @gone:	its backend directory or its domain does not exist any more
 * @dead:	it is the domain
 * @fresh:	nothing was started for it yet
 * @retry:	the frontend came back to Initialising, and is still there:
 *		it waits for an offer
 * @dirty:	look at it in the next run
 * @respawn:	a worker is wanted, but not before @respawn_at
 * @watching:	the watch on the frontend's state is there
 * @recheck:	its directory was touched itself: is it still the same device?
 * @attach_id:	what the toolstack gave this device, and no other of its name
 * @deadline:	end of the patience in this phase, ms, 0: none
 * @respawn_at:	ms
 * @started_at:	when the last worker was started, ms
 * @remove_at:	removing its nodes has failed: not again before that, ms
 * @window:	start of the second in which @looks are counted, ms
 * @looks:	how often it was looked at in this second
 * @limit:	for lines that a guest can cause
 */
struct xvb_xdev {
	struct xvb_devname name;
	struct xvb_xenbus *bus;
	struct xvb_xdev *next;
	void *worker;
	enum xvb_phase phase;
	unsigned int state;
	unsigned int fe_state;
	bool online;
	bool closing;
	bool gone;
	bool dead;
	bool fresh;
	bool retry;
	bool dirty;
	bool respawn;
	bool watching;
	bool recheck;
	char attach_id[XVB_ATTACH_ID_SIZE];
	uint64_t deadline;
	uint64_t respawn_at;
	uint64_t started_at;
	uint64_t remove_at;
	uint64_t window;
	unsigned int looks;
	struct xvb_ratelimit limit;
};

/**
 * struct xvb_worker_ops - what the bus asks of a worker
 * @start:	make one; answers xvb_xdev_ready() or xvb_xdev_ended()
 * @connect:	map the ring, bind the port; answers xvb_xdev_connected() or
 *		xvb_xdev_disconnected()
 * @disconnect:	drain and unmap; answers xvb_xdev_disconnected()
 * @stop:	do the same and end; answers xvb_xdev_ended()
 * @kill:	end now; answers xvb_xdev_ended()
 *
 * Answers come later, never from within the call.  @start and @connect return
 * 0 or -errno, and then there is no answer.
 */
struct xvb_worker_ops {
	int (*start)(struct xvb_xdev *dev);
	int (*connect)(struct xvb_xdev *dev, uint32_t ring_ref, uint32_t port);
	void (*disconnect)(struct xvb_xdev *dev);
	void (*stop)(struct xvb_xdev *dev);
	void (*kill)(struct xvb_xdev *dev);
};

/**
 * struct xvb_timeouts - how long a worker may take, in ms
 * @start:	for opening its device
 * @connect:	for mapping the ring
 * @drain:	for finishing the I/O in flight
 * @close:	for frontends, when the daemon ends
 */
struct xvb_timeouts {
	uint64_t start;
	uint64_t connect;
	uint64_t drain;
	uint64_t close;
};

/**
 * struct xvb_xenbus - all devices of this domain
 * @store:	xenstore
 * @ops:	worker operations
 * @timeouts:	patience
 * @be:		own domain id
 * @max_window_pages: what is offered to frontends
 * @devs:	the devices
 * @now:	time of the current run, ms
 * @rescan:	look for new devices in the next run
 * @shutdown:	the daemon ends: no new workers, frontends are asked to close
 * @shutdown_at: when frontends are no longer waited for, ms
 */
struct xvb_xenbus {
	struct xvb_store *store;
	const struct xvb_worker_ops *ops;
	struct xvb_timeouts timeouts;
	uint32_t be;
	uint32_t max_window_pages;
	struct xvb_xdev *devs;
	uint64_t now;
	bool rescan;
	bool shutdown;
	uint64_t shutdown_at;
};

/**
 * xvb_xenbus_init() - start to watch
 * @bus:	the bus, with @store, @ops, @timeouts, @be and
 *		@max_window_pages set and everything else zero
 *
 * Return: 0 or -errno.
 */
int xvb_xenbus_init(struct xvb_xenbus *bus);

/**
 * xvb_xenbus_event() - a watch has fired
 * @bus:	the bus
 * @path:	path that changed
 * @token:	token of the watch
 */
void xvb_xenbus_event(struct xvb_xenbus *bus, const char *path,
		      const char *token);

/**
 * xvb_xenbus_run() - do what the events since the last run ask for
 * @bus:	the bus
 * @now:	CLOCK_MONOTONIC in ms
 *
 * Return: ms until the next run at the latest, or -1: with the next event.
 */
int xvb_xenbus_run(struct xvb_xenbus *bus, uint64_t now);

/**
 * xvb_xenbus_shutdown() - begin to end
 * @bus:	the bus
 * @now:	CLOCK_MONOTONIC in ms
 *
 * Frontends are asked to close; after @timeouts.close they are left.
 */
void xvb_xenbus_shutdown(struct xvb_xenbus *bus, uint64_t now);

/**
 * xvb_xenbus_idle() - whether there is no worker any more
 * @bus:	the bus
 *
 * Return: true when the daemon may exit after xvb_xenbus_shutdown().
 */
bool xvb_xenbus_idle(const struct xvb_xenbus *bus);

/**
 * xvb_xenbus_free() - forget all devices, touching neither nodes nor workers
 * @bus:	the bus
 */
void xvb_xenbus_free(struct xvb_xenbus *bus);

/*
 * One device, for the bus.
 */

/**
 * xvb_xdev_log() - log a line about a device
 * @dev:	the device
 * @level:	how much it matters
 * @fmt:	format, without newline
 */
void xvb_xdev_log(const struct xvb_xdev *dev, enum xvb_log_level level,
		  const char *fmt, ...) XVB_PRINTF(3, 4);

/**
 * xvb_xdev_found() - begin with a device
 * @dev:	the device, with @name, @bus, @state and @attach_id set
 */
void xvb_xdev_found(struct xvb_xdev *dev);

/**
 * xvb_xdev_domain_gone() - whether its frontend's domain is gone
 * @dev:	the device
 *
 * Return: true when it is; false also when that is not known.
 */
bool xvb_xdev_domain_gone(const struct xvb_xdev *dev);

/**
 * xvb_xdev_check_deadline() - kill a worker that does not answer
 * @dev:	the device
 */
void xvb_xdev_check_deadline(struct xvb_xdev *dev);

/**
 * xvb_xdev_step() - look at a device and act
 * @dev:	the device; marked as dirty when another step is due at once
 */
void xvb_xdev_step(struct xvb_xdev *dev);

/**
 * xvb_xdev_ask_to_close() - the daemon is ending
 * @dev:	the device
 */
void xvb_xdev_ask_to_close(struct xvb_xdev *dev);

/*
 * Answers of a worker.
 */

/**
 * xvb_xdev_ready() - a worker has opened its device
 * @dev:	the device
 */
void xvb_xdev_ready(struct xvb_xdev *dev);

/**
 * xvb_xdev_connected() - a worker serves its guest
 * @dev:	the device
 */
void xvb_xdev_connected(struct xvb_xdev *dev);

/**
 * xvb_xdev_disconnected() - a worker has let go of the guest
 * @dev:	the device
 * @why:	one line when it was not asked to, or could not connect; else
 *		NULL
 */
void xvb_xdev_disconnected(struct xvb_xdev *dev, const char *why);

/**
 * xvb_xdev_ended() - a worker has ended; it is reaped, its files are closed
 * @dev:	the device; @worker is NULL again
 * @why:	one line when it was not asked to, else NULL
 */
void xvb_xdev_ended(struct xvb_xdev *dev, const char *why);

#endif /* XVB_XENBUS_H */
