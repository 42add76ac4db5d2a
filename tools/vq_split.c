// SPDX-License-Identifier: GPL-2.0-only
/*
 * vq_split.c - the device's side of a split virtqueue in untrusted memory
 *
 * virtio 1.4, section 2.7.  Bounds of a walk: a chain has at most as many
 * direct descriptors as the queue has entries, at most one indirect table at
 * its end with at most XVB_VQ_MAX_SIZE entries, and gives at most
 * chain->iov_max iovecs; so every walk ends.  A table longer than
 * XVB_VQ_MAX_SIZE is refused: no chain may be longer than the queue.
 *
 * Barriers, with the partner in the driver (Linux: drivers/virtio):
 *
 *	acquire load of avail->idx	virtio_wmb() before it stores avail->idx
 *	release store of used->idx	virtio_rmb() after it loads used->idx
 *	fence in xvb_vq_flush()		virtio_mb() between its used_event (or
 *					flags) and its look at used->idx
 *	fence in xvb_vq_kick_enable()	virtio_mb() between its avail->idx and
 *					its look at avail_event (or flags)
 */

#include <errno.h>

#include "vq_walk.h"

static inline const __virtio16 *vq_used_event(const struct xvb_vq *vq)
{
	return &vq->avail->ring[vq->size];
}

static inline __virtio16 *vq_avail_event(struct xvb_vq *vq)
{
	return (__virtio16 *)&vq->used->ring[vq->size];
}

/*
 * Taking a chain
 */

/* How many entries are new, or -EPROTO; updates shadow_avail. */
static int vq_fetch(struct xvb_vq *vq)
{
	uint16_t idx, new;

	/* Pairs with virtio_wmb() before the driver's store of avail->idx. */
	idx = le16toh(__atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE));
	new = idx - vq->last_avail;
	if (unlikely(new > vq->size))
		return xvb_vq_break(vq,
				    "avail index %u is %u ahead of %u, the queue has %u entries",
				    idx, new, vq->last_avail, vq->size);
	vq->shadow_avail = idx;
	return new;
}

static int walk_indirect(struct xvb_vq *vq, struct vq_walk *w,
			 const struct vring_desc *d)
{
	unsigned int i = 0, links = 0, num;
	uint16_t flags;
	int ret;

	ret = walk_table(vq, w, d);
	if (unlikely(ret < 0))
		return ret;
	num = ret;
	do {
		if (unlikely(i >= num))
			return xvb_vq_break(vq, "head %u: next %u in a table of %u entries",
					    w->head, i, num);
		if (unlikely(links++ >= num))
			return xvb_vq_break(vq, "head %u: a loop in an indirect table",
					    w->head);
		d = &vq->table[i];
		flags = le16toh(d->flags);
		if (unlikely(flags & VRING_DESC_F_INDIRECT))
			return xvb_vq_break(vq, "head %u: an indirect table in an indirect table",
					    w->head);
		ret = walk_add(vq, w, d, flags);
		if (unlikely(ret))
			return ret;
		i = le16toh(d->next);
	} while (flags & VRING_DESC_F_NEXT);
	return 0;
}

static int walk_chain(struct xvb_vq *vq, struct vq_walk *w)
{
	unsigned int i = w->head, links = 0;
	struct vring_desc d;
	uint16_t flags;
	int ret;

	do {
		if (unlikely(i >= vq->size))
			return xvb_vq_break(vq, "head %u: next %u in a queue of %u entries",
					    w->head, i, vq->size);
		if (unlikely(links++ >= vq->size))
			return xvb_vq_break(vq, "head %u: a loop in the descriptors",
					    w->head);
		vq_copy(&d, &vq->desc[i], sizeof(d));
		flags = le16toh(d.flags);
		if (flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(vq, w, &d);
		ret = walk_add(vq, w, &d, flags);
		if (unlikely(ret))
			return ret;
		i = le16toh(d.next);
	} while (flags & VRING_DESC_F_NEXT);
	return 0;
}

/* The order of stores is vhost-user's: the entry first, then its mark. */
static void inflight_take(struct xvb_vq *vq, uint16_t id)
{
	struct xvio_inflight_desc *entry = &vq->inflight->desc[id];

	entry->counter = htole64(vq->counter++);
	__atomic_store_n(&entry->inflight, 1, __ATOMIC_RELEASE);
}

int xvb_vq_pop(struct xvb_vq *vq, struct xvb_chain *chain)
{
	struct vq_walk w = { 0 };
	uint16_t head;
	int ret;

	if (unlikely(vq->reason[0]))
		return -EPROTO;
	if (vq->last_avail == vq->shadow_avail) {
		ret = vq_fetch(vq);
		if (ret <= 0)
			return ret;
		xvb_stat_add(&vq->stats->sweeps, 1);
	}
	head = vq_load16(&vq->avail->ring[vq->last_avail & (vq->size - 1)]);
	if (unlikely(head >= vq->size))
		return xvb_vq_break(vq, "head %u in a queue of %u entries",
				    head, vq->size);
	if (unlikely(vq_taken(vq, head)))
		return xvb_vq_break(vq, "head %u is in flight already", head);
	/* A head that is not published yet cannot be free for the driver. */
	if (unlikely(vq->inuse + (uint16_t)(vq->next_used - vq->published) >=
		     vq->size))
		return xvb_vq_break(vq, "more heads in flight than the %u entries of the queue",
				    vq->size);
	w.head = head;
	w.iov = chain->iov;
	w.end = chain->iov + chain->iov_max;
	w.grants = chain->grants;
	w.grants_max = chain->grants_max;
	ret = walk_chain(vq, &w);
	if (!ret)
		ret = walk_finish(vq, &w, chain);
	if (unlikely(ret))
		return ret;
	vq->taken[head / VQ_BITS] |= 1ULL << (head % VQ_BITS);
	if (vq->inflight)
		inflight_take(vq, head);
	vq->last_avail++;
	vq->inuse++;
	xvb_stat_add(&vq->stats->requests, 1);
	xvb_stat_add(&vq->stats->bytes_out, chain->out_len);
	return 1;
}

/*
 * Giving back
 */

void xvb_vq_push(struct xvb_vq *vq, uint16_t id, uint32_t len)
{
	struct vring_used_elem *elem;

	if (unlikely(!vq->started || id >= vq->size || !vq_taken(vq, id)))
		return;
	vq->taken[id / VQ_BITS] &= ~(1ULL << (id % VQ_BITS));
	elem = &vq->used->ring[vq->next_used & (vq->size - 1)];
	elem->id = htole32(id);
	elem->len = htole32(len);
	if (vq->inflight) {
		vq->inflight->desc[id].next = vq->inflight->last_batch_head;
		vq->inflight->last_batch_head = htole16(id);
		vq->batch[(uint16_t)(vq->next_used - vq->published)] = id;
	}
	vq->next_used++;
	vq->inuse--;
	xvb_stat_add(&vq->stats->completed, 1);
	xvb_stat_add(&vq->stats->bytes_in, len);
}

/* After the used index: whoever takes over finds it, or the marks. */
static void inflight_clear(struct xvb_vq *vq)
{
	uint16_t i, n = vq->next_used - vq->published;

	for (i = 0; i < n; i++)
		__atomic_store_n(&vq->inflight->desc[vq->batch[i]].inflight, 0,
				 __ATOMIC_RELEASE);
	__atomic_store_n(&vq->inflight->used_idx, htole16(vq->next_used),
			 __ATOMIC_RELEASE);
}

static bool vq_need_notify(struct xvb_vq *vq)
{
	uint16_t old = vq->signalled, event;
	bool valid = vq->signalled_valid;

	if (!vq->event_idx)
		return !(vq_load16(&vq->avail->flags) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	event = vq_load16(vq_used_event(vq));
	vq->signalled = vq->next_used;
	vq->signalled_valid = true;
	return !valid || vring_need_event(event, vq->next_used, old);
}

bool xvb_vq_flush(struct xvb_vq *vq)
{
	bool notify;

	if (!vq->started || vq->next_used == vq->published)
		return false;
	/* Pairs with virtio_rmb() after the driver's load of used->idx. */
	__atomic_store_n(&vq->used->idx, htole16(vq->next_used),
			 __ATOMIC_RELEASE);
	if (vq->inflight)
		inflight_clear(vq);
	vq->published = vq->next_used;
	/*
	 * Pairs with virtio_mb() in the driver's virtqueue_enable_cb(): it
	 * sees the index, or we see that it wants to be told.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	notify = vq_need_notify(vq);
	xvb_stat_add(notify ? &vq->stats->notifications :
		     &vq->stats->suppressed, 1);
	return notify;
}

/*
 * Notifications of the driver
 */

void xvb_vq_kick_disable(struct xvb_vq *vq)
{
	/* With EVENT_IDX the event index is behind already: nothing to do. */
	if (!vq->started || vq->event_idx || vq->kick_off)
		return;
	vq->kick_off = true;
	vq_store16(&vq->used->flags, VRING_USED_F_NO_NOTIFY);
}

bool xvb_vq_pending(struct xvb_vq *vq)
{
	if (!vq->started)
		return false;
	if (vq->reason[0] || vq->last_avail != vq->shadow_avail)
		return true;
	return vq_load16(&vq->avail->idx) != vq->last_avail;
}

bool xvb_vq_kick_enable(struct xvb_vq *vq)
{
	if (!vq->started)
		return false;
	if (vq->event_idx) {
		vq_store16(vq_avail_event(vq), vq->last_avail);
	} else if (vq->kick_off) {
		vq->kick_off = false;
		vq_store16(&vq->used->flags, 0);
	}
	/*
	 * Pairs with virtio_mb() in the driver's virtqueue_kick_prepare(): it
	 * sees that we want to be told, or we see its new entry.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	return xvb_vq_pending(vq);
}
