// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages on a flex ring that the guest shares, backend's side
 */

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "ring.h"
#include "ring_intf.h"

static struct xvio_data_intf *interface(const struct xvb_ring *ring)
{
	return ring->intf;
}

/* One read, whatever the guest does meanwhile; orders what follows. */
static uint32_t load_index(const RING_IDX *idx)
{
	return __atomic_load_n(idx, __ATOMIC_ACQUIRE);
}

/* What was done before is visible to who sees the index. */
static void store_index(RING_IDX *idx, uint32_t value)
{
	__atomic_store_n(idx, value, __ATOMIC_RELEASE);
}

int xvb_ring_data_ref(const void *page, uint32_t *ref, struct xvb_error *err)
{
	const struct xvio_data_intf *intf = page;
	uint32_t order = load_index(&intf->ring_order);

	if (order != XVIO_RING_ORDER)
		return xvb_error_set(err, -EPROTO,
				     "the control ring has order %u, not %u",
				     order, XVIO_RING_ORDER);
	*ref = __atomic_load_n(&intf->ref[0], __ATOMIC_RELAXED);
	return 0;
}

void xvb_ring_init(struct xvb_ring *ring, void *intf, void *data)
{
	memset(ring, 0, sizeof(*ring));
	ring->intf = intf;
	ring->in = data;
	ring->out = (unsigned char *)data + XVB_RING_BYTES;
	ring->in_prod = load_index(&interface(ring)->in_prod);
	ring->out_cons = load_index(&interface(ring)->out_cons);
}

bool xvb_ring_can_write(const struct xvb_ring *ring)
{
	uint32_t used = ring->in_prod - load_index(&interface(ring)->in_cons);

	return used <= XVB_RING_BYTES - XVIO_MSG_MAX;
}

static void copy_in(struct xvb_ring *ring, const void *data, uint32_t len)
{
	uint32_t at = ring->in_prod & (XVB_RING_BYTES - 1);
	uint32_t first = XVB_RING_BYTES - at;

	if (first > len)
		first = len;
	memcpy(ring->in + at, data, first);
	memcpy(ring->in, (const unsigned char *)data + first, len - first);
}

static void copy_out(const struct xvb_ring *ring, void *data, uint32_t len)
{
	uint32_t at = ring->out_cons & (XVB_RING_BYTES - 1);
	uint32_t first = XVB_RING_BYTES - at;

	if (first > len)
		first = len;
	memcpy(data, ring->out + at, first);
	memcpy((unsigned char *)data + first, ring->out, len - first);
}

void xvb_ring_write(struct xvb_ring *ring, const union xvb_msg *msg)
{
	uint32_t len = le16toh(msg->hdr.msg_size);

	copy_in(ring, msg, len);
	ring->in_prod += len;
	store_index(&interface(ring)->in_prod, ring->in_prod);
	ring->notify = true;
}

/*
 * The producer goes to sleep when it has published its index and then sees
 * no room; so publish ours, and then look at its index.
 */
static void publish_cons(struct xvb_ring *ring, uint32_t len)
{
	uint32_t before = ring->out_cons;
	uint32_t prod;

	ring->out_cons += len;
	store_index(&interface(ring)->out_cons, ring->out_cons);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	prod = load_index(&interface(ring)->out_prod);
	if (prod - before > XVB_RING_BYTES - XVIO_MSG_MAX)
		ring->notify = true;
}

int xvb_ring_read(struct xvb_ring *ring, union xvb_msg *msg,
		  struct xvb_error *err)
{
	uint32_t prod = load_index(&interface(ring)->out_prod);
	uint32_t queued = prod - ring->out_cons;
	struct xvio_msg_hdr hdr;
	uint32_t len;

	if (!queued)
		return 0;
	if (queued > XVB_RING_BYTES)
		return xvb_error_set(err, -EPROTO,
				     "the control ring is out of step: producer index %u, consumer index %u",
				     prod, ring->out_cons);
	if (queued < sizeof(hdr))
		return xvb_error_set(err, -EPROTO,
				     "the control ring is out of step: %u bytes are no message",
				     queued);
	copy_out(ring, &hdr, sizeof(hdr));
	len = le16toh(hdr.msg_size);
	if (len < sizeof(hdr) || len > XVIO_MSG_MAX || len > queued)
		return xvb_error_set(err, -EPROTO,
				     "the control ring is out of step: a message of %u bytes, %u are there",
				     len, queued);
	copy_out(ring, msg, len);
	/* The guest may have changed it since: what was checked counts. */
	msg->hdr = hdr;
	publish_cons(ring, len);
	return 1;
}

bool xvb_ring_take_notify(struct xvb_ring *ring)
{
	bool notify = ring->notify;

	ring->notify = false;
	return notify;
}
