/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio-msg on the control ring: one guest, one device
 *
 * docs/protocol.md sections 4 to 8.  Takes requests of the frontend off the
 * ring, carries them out on the device, answers.  What it takes to bind event
 * channels and to stop queue threads is behind struct xvb_transport_ops, so
 * that a test can run the whole protocol on two pages of memory.
 *
 * Threads: the control thread, but for xvb_transport_queue_broken() and
 * xvb_transport_config_changed().
 */

#ifndef XVB_TRANSPORT_H
#define XVB_TRANSPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "log.h"
#include "memory.h"
#include "ring.h"

/**
 * struct xvb_transport_ops - what the protocol needs of its surroundings
 * @bind:	bind the event channel of a queue to the frontend's port; 0 or
 *		-errno
 * @unbind:	undo that; harmless when it is not bound
 * @run:	let the thread of a started queue work, and look at its ring
 *		at once; harmless when it does
 * @park:	let the threads of the queues in @mask drain and wait; returns
 *		0 when they do, or -EBUSY when they do not after @ms
 *		milliseconds: then they go on as if nothing had been.
 *		Negative: however long it takes.  Harmless for those that
 *		wait already
 * @wake:	make the control thread call xvb_transport_process(); any
 *		thread
 */
struct xvb_transport_ops {
	int (*bind)(void *ctx, unsigned int queue, uint32_t port);
	void (*unbind)(void *ctx, unsigned int queue);
	void (*run)(void *ctx, unsigned int queue);
	int (*park)(void *ctx, uint64_t mask, int ms);
	void (*wake)(void *ctx);
};

/**
 * struct xvb_transport_queue - what the protocol knows of a queue
 * @bound:	QUEUE_BIND was done
 * @running:	its thread may look at the ring
 * @inflight:	address of the in-flight record, or 0
 * @inflight_len: bytes of it
 */
struct xvb_transport_queue {
	bool bound;
	bool running;
	uint64_t inflight;
	uint32_t inflight_len;
};

/**
 * struct xvb_transport - a control channel
 * @dev:	the device
 * @mem:	the guest's memory
 * @ops:	surroundings
 * @ctx:	for @ops
 * @ring:	the ring, when @connected
 * @connected:	there is a ring, and it is in step
 * @status:	device status, as the driver reads it
 * @features:	what the driver has sent so far
 * @bad_features: it sent bits beyond 64, which nothing offers
 * @broken:	a queue is broken, the status is to be changed; any thread
 * @changed:	the driver is to be told of the config space; any thread
 * @queues:	the queues
 * @stats:	counters: @own, or a place where others can see them
 * @own:	counters, unless somebody else has a place for them
 * @limit:	for messages that a guest can cause
 */
struct xvb_transport {
	struct xvb_device *dev;
	struct xvb_memory *mem;
	const struct xvb_transport_ops *ops;
	void *ctx;
	struct xvb_ring ring;
	bool connected;
	uint32_t status;
	uint64_t features;
	bool bad_features;
	atomic_bool broken;
	atomic_bool changed;
	struct xvb_transport_queue queues[XVB_MAX_QUEUES];
	struct xvb_transport_stats *stats;
	struct xvb_transport_stats own;
	struct xvb_ratelimit limit;
};

/**
 * xvb_transport_init() - a channel that is not connected
 * @t:		to initialise
 * @dev:	device with at most XVB_MAX_QUEUES queues, bound to @mem
 * @mem:	the guest's memory
 * @ops:	surroundings
 * @ctx:	for @ops
 */
void xvb_transport_init(struct xvb_transport *t, struct xvb_device *dev,
			struct xvb_memory *mem,
			const struct xvb_transport_ops *ops, void *ctx);

/**
 * xvb_transport_connect() - begin to serve a frontend
 * @t:		channel that is not connected
 * @intf:	interface page
 * @data:	data page
 */
void xvb_transport_connect(struct xvb_transport *t, void *intf, void *data);

/**
 * xvb_transport_disconnect() - let go of the frontend
 * @t:		the channel; connected or not
 *
 * Drains and stops all queues, unbinds their channels, resets the device.
 * Afterwards nothing touches the pages of the ring or the windows, which are
 * the caller's to unmap.
 */
void xvb_transport_disconnect(struct xvb_transport *t);

/**
 * xvb_transport_process() - answer what is on the ring
 * @t:		connected channel
 * @notify:	set when an event is to be sent to the frontend, also when
 *		this fails
 * @err:	why the channel cannot be used any more
 *
 * Answers a bounded number of requests, and none that there is no room to
 * answer: the frontend's event tells when there is again.
 *
 * Return: 0: wait for an event; 1: there may be more, call again; -EPROTO:
 * the ring is out of step, disconnect.
 */
int xvb_transport_process(struct xvb_transport *t, bool *notify,
			  struct xvb_error *err);

/**
 * xvb_transport_queue_broken() - a queue has stopped for ever
 * @t:		the channel
 *
 * Context: any thread.
 */
void xvb_transport_queue_broken(struct xvb_transport *t);

/**
 * xvb_transport_config_changed() - the config space has changed
 * @t:		the channel
 *
 * Context: any thread.
 */
void xvb_transport_config_changed(struct xvb_transport *t);

#endif /* XVB_TRANSPORT_H */
