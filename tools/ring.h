/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages on a flex ring that the guest shares, backend's side
 *
 * docs/protocol.md section 4.  The guest may write anything anywhere in the
 * two pages at any time.  A message is copied out before it is looked at; our
 * own indices are kept here and never read back.
 *
 * Threads: one.  Does not know Xen: a test gives it any two pages.
 */

#ifndef XVB_RING_H
#define XVB_RING_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/io/virtioif.h>

#include "log.h"

#define XVB_RING_BYTES	2048U	/* in each direction */

/**
 * union xvb_msg - room for one message
 * @hdr:	its header
 * @raw:	all of it
 * @align:	payloads have 64-bit fields at multiples of 8
 */
union xvb_msg {
	struct xvio_msg_hdr hdr;
	unsigned char raw[XVIO_MSG_MAX];
	uint64_t align[XVIO_MSG_MAX / 8];
};

/**
 * struct xvb_ring - both directions of a control ring
 * @intf:	interface page (struct xvio_data_intf)
 * @in:		what we write
 * @out:	what we read
 * @in_prod:	how far we have written
 * @out_cons:	how far we have read
 * @notify:	the other side has to hear of something since the last
 *		xvb_ring_flush()
 */
struct xvb_ring {
	void *intf;
	unsigned char *in;
	const unsigned char *out;
	uint32_t in_prod;
	uint32_t out_cons;
	bool notify;
};

/**
 * xvb_ring_data_ref() - what the interface page says about the data page
 * @intf:	interface page
 * @ref:	grant reference of the data page
 * @err:	what is wrong
 *
 * To be called once: a second look may see something else.
 *
 * Return: 0, or -EPROTO for an order that is not spoken.
 */
int xvb_ring_data_ref(const void *intf, uint32_t *ref, struct xvb_error *err);

/**
 * xvb_ring_init() - begin to use a ring
 * @ring:	to initialise
 * @intf:	interface page
 * @data:	data page
 *
 * Starts where the indices are; on a new ring that is 0.
 */
void xvb_ring_init(struct xvb_ring *ring, void *intf, void *data);

/**
 * xvb_ring_can_write() - whether a message of the largest size fits
 * @ring:	the ring
 *
 * False, too, for ever, when the other side's index makes no sense.
 *
 * Return: true when xvb_ring_write() is allowed.
 */
bool xvb_ring_can_write(const struct xvb_ring *ring);

/**
 * xvb_ring_write() - write a message and publish it
 * @ring:	the ring, with room as xvb_ring_can_write() says
 * @msg:	the message; hdr.msg_size bytes of it
 */
void xvb_ring_write(struct xvb_ring *ring, const union xvb_msg *msg);

/**
 * xvb_ring_read() - take a message
 * @ring:	the ring
 * @msg:	the message; hdr.msg_size is from 8 to XVIO_MSG_MAX
 * @err:	what is wrong with the ring
 *
 * Return: 1, 0 when there is none, or -EPROTO when the ring is out of step
 * and nothing more can be read from it.
 */
int xvb_ring_read(struct xvb_ring *ring, union xvb_msg *msg,
		  struct xvb_error *err);

/**
 * xvb_ring_take_notify() - whether to send an event now
 * @ring:	the ring
 *
 * Return: true once after something was written, or room was made on a ring
 * that had been full.
 */
bool xvb_ring_take_notify(struct xvb_ring *ring);

#endif /* XVB_RING_H */
