/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * the control channel: messages over a flex ring
 */

#ifndef XVF_CHANNEL_H
#define XVF_CHANNEL_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <xen/grant_table.h>
#include <xen/xenbus.h>
#include <xen/interface/io/ring.h>
#include <xen/io/virtioif.h>

DEFINE_XEN_FLEX_RING_AND_INTF(xvio);

/**
 * struct xvf_channel_host - what the channel asks of the device
 * @event: an EVENT_CONFIG of the backend, already checked.  Interrupt context
 * @fail: the backend broke the protocol, or did not answer: the channel is
 *	dead from now on.  Any context
 */
struct xvf_channel_host {
	void (*event)(void *priv, u32 status, u32 generation);
	void (*fail)(void *priv, const char *why);
};

/**
 * struct xvf_channel - one end of the control channel
 * @xdev: the xenbus device
 * @host: the device
 * @priv: first argument of @host's functions
 * @intf: interface page, shared
 * @data: data page, shared: in ring, then out ring
 * @intf_ref: grant of @intf
 * @data_ref: grant of @data
 * @port: event channel
 * @irq: bound to @port
 * @in_cons: what has been consumed; the shared copy is only for the backend
 * @out_prod: what has been produced, likewise
 * @request_lock: one request at a time
 * @timeout: how long a request may take, in jiffies
 * @drain_timeout: likewise, for those that wait for I/O in the backend
 * @next_token: of the next request
 * @lock: protects @token to @rsp_len against the interrupt
 * @token: of the request that waits, 0 if none does
 * @type: type that its response has
 * @id: its message id
 * @rsp: where the payload of its response goes
 * @rsp_size: room there, in bytes
 * @rsp_len: bytes that arrived, or -errno
 * @done: the response is there
 * @last_event: when the last config event came, in jiffies
 * @dead: no request is possible any more
 * @requests: requests sent
 * @dropped: messages that made no sense
 */
struct xvf_channel {
	struct xenbus_device *xdev;
	const struct xvf_channel_host *host;
	void *priv;
	struct xvio_data_intf *intf;
	unsigned char *data;
	grant_ref_t intf_ref;
	grant_ref_t data_ref;
	evtchn_port_t port;
	int irq;
	RING_IDX in_cons;
	RING_IDX out_prod;
	struct mutex request_lock; /* out ring, next_token, the request */
	unsigned long timeout;
	unsigned long drain_timeout;
	u16 next_token;
	spinlock_t lock; /* token to rsp_len */
	u16 token;
	u8 type;
	u8 id;
	void *rsp;
	size_t rsp_size;
	int rsp_len;
	struct completion done;
	unsigned long last_event;
	bool dead;
	atomic_long_t requests;
	atomic_long_t dropped;
};

/**
 * xvf_channel_init() - prepare a channel, which is closed
 * @chan: to be filled; zeroed
 * @xdev: the xenbus device
 * @host: the device
 * @priv: first argument of @host's functions
 */
void xvf_channel_init(struct xvf_channel *chan, struct xenbus_device *xdev,
		      const struct xvf_channel_host *host, void *priv);

/**
 * xvf_channel_open() - allocate and grant the ring, open the event channel
 * @chan: initialised, closed
 * @timeout: of a request, in jiffies
 * @drain_timeout: of a request that waits for I/O in the backend, in jiffies
 *
 * Context: process, may sleep.
 * Return: 0 or -errno, reported to xenstore.
 */
int xvf_channel_open(struct xvf_channel *chan, unsigned long timeout,
		     unsigned long drain_timeout);

/**
 * xvf_channel_quiet() - no interrupt any more, no request
 * @chan: open or closed
 *
 * Context: process, may sleep.
 */
void xvf_channel_quiet(struct xvf_channel *chan);

/**
 * xvf_channel_close() - revoke and free the ring
 * @chan: quiet, or closed
 * @deadline: until when the backend may keep the ring mapped, in jiffies
 *
 * Waits until the backend has unmapped the ring: pages that are still mapped
 * at the deadline stay granted until it lets go.
 *
 * Context: process, may sleep.
 * Return: number of pages that are still mapped.
 */
unsigned int xvf_channel_close(struct xvf_channel *chan,
			       unsigned long deadline);

/**
 * xvf_channel_kill() - let the waiting and all later requests fail
 * @chan: the channel
 *
 * Context: any.
 */
void xvf_channel_kill(struct xvf_channel *chan);

/**
 * xvf_channel_request() - send a request and wait for its response
 * @chan: the channel
 * @bus: a bus message, not one of the transport
 * @id: message id
 * @req: payload of the request
 * @req_len: its length in bytes
 * @rsp: where the payload of the response goes
 * @rsp_min: what it must have at least, in bytes
 * @rsp_max: room at @rsp, in bytes; a longer response is an error
 *
 * Context: process, may sleep.
 * Return: length of the payload in bytes; -EOPNOTSUPP when the backend refused
 * (header alone where @rsp_min is not 0), -EPROTO when the response has the
 * wrong length, -ETIMEDOUT, -EIO when the channel is dead.
 */
int xvf_channel_request(struct xvf_channel *chan, bool bus, u8 id,
			const void *req, size_t req_len, void *rsp,
			size_t rsp_min, size_t rsp_max);

#endif /* XVF_CHANNEL_H */
