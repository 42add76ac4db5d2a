// SPDX-License-Identifier: GPL-2.0-only
/*
 * vq_packed.c - the device's side of a packed virtqueue in untrusted memory
 *
 * virtio 1.4, section 2.8.  Bounds of a walk: all chains that were taken and
 * are not published as used have together at most as many descriptors as the
 * queue has entries, whatever the driver writes over them; an indirect table
 * has at most XVB_VQ_MAX_SIZE entries and is the only descriptor of its chain;
 * and a chain gives at most chain->iov_max iovecs.
 *
 * Used descriptors become visible with the first of their batch, for the driver
 * looks at one place: the flush writes the flags of that one, last.
 *
 * Barriers, with the partner in the driver (Linux: drivers/virtio):
 *
 *	acquire load of desc->flags	virtio_wmb() before it stores the flags
 *					of the first descriptor of a chain
 *	release store of desc->flags	virtio_rmb() after it loads them
 *	fence in the flush		virtio_mb() between its event structure
 *					and its look at desc->flags
 *	fence in kick_enable		virtio_mb() between its desc->flags and
 *					its look at our event structure
 */

#include <endian.h>
#include <errno.h>

#include "vq_walk.h"

#define PACKED_AVAIL	(1U << VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED	(1U << VRING_PACKED_DESC_F_USED)
#define PACKED_WRAP	(1U << VRING_PACKED_EVENT_F_WRAP_CTR)

/* The bits of the flags of an event structure that mean something. */
#define PACKED_EVENTS	3U

/* An event structure is read and written as a whole. */
union packed_event {
	struct vring_packed_desc_event s;
	uint32_t raw;
};

static inline bool packed_wrap(const struct xvb_vq *vq, uint16_t pos)
{
	return pos < vq->size;
}

static inline uint16_t packed_index(const struct xvb_vq *vq, uint16_t pos)
{
	return pos < vq->size ? pos : pos - vq->size;
}

/* @n is at most twice the size of the queue. */
static inline uint16_t packed_add(const struct xvb_vq *vq, uint16_t pos,
				  uint16_t n)
{
	pos += n;
	return pos < 2 * vq->size ? pos : pos - 2 * vq->size;
}

/* How far it is from one position forward to another. */
static inline uint16_t packed_distance(const struct xvb_vq *vq, uint16_t from,
				       uint16_t to)
{
	return to >= from ? to - from : to + 2 * vq->size - from;
}

static inline bool packed_is_avail(const struct xvb_vq *vq, uint16_t pos,
				   uint16_t flags)
{
	return (flags & (PACKED_AVAIL | PACKED_USED)) ==
	       (packed_wrap(vq, pos) ? PACKED_AVAIL : PACKED_USED);
}

/*
 * Taking a chain
 */

/* A chain of the ring itself, while it is walked. */
struct packed_chain {
	uint16_t num;	/* descriptors so far */
	uint16_t id;	/* of the last of them */
	uint16_t free;	/* next free entry of the in-flight record */
	uint16_t last;	/* the entry before it */
};

static void record_desc(struct xvb_vq *vq, struct packed_chain *c,
			const struct vring_packed_desc *d, uint16_t flags)
{
	struct xvio_inflight_packed_desc *entry = &vq->pk.rec->desc[c->free];

	entry->id = d->id;
	entry->flags = htole16(flags);
	entry->len = d->len;
	entry->addr = d->addr;
	c->last = c->free;
	c->free = vq->pk.next[c->free];
}

static int packed_indirect(struct xvb_vq *vq, struct vq_walk *w,
			   const struct vring_desc *d)
{
	const struct vring_packed_desc *table;
	int i, num, ret;

	num = walk_table(vq, w, d);
	table = (const struct vring_packed_desc *)vq->table;
	for (i = 0; i < num; i++) {
		struct vring_desc e = {
			.addr = table[i].addr,
			.len = table[i].len,
		};

		/* All other flags, and the ids, are to be ignored. */
		ret = walk_add(vq, w, &e, le16toh(table[i].flags) &
			       VRING_DESC_F_WRITE);
		if (unlikely(ret))
			return ret;
	}
	return num < 0 ? num : 0;
}

/* Whether the chain may have one more descriptor: 0 or -EPROTO. */
static int packed_room(struct xvb_vq *vq, const struct vq_walk *w,
		       const struct packed_chain *c)
{
	if (unlikely(c->num >= vq->size))
		return xvb_vq_break(vq, "descriptor %u: a chain of more than the %u entries of the queue",
				    w->head, vq->size);
	if (unlikely(vq->pk.descs + c->num >= vq->size))
		return xvb_vq_break(vq, "descriptor %u: more descriptors in flight than the %u entries of the queue",
				    w->head, vq->size);
	return 0;
}

/* @flags are those of the first descriptor, which are not read again. */
static int packed_walk(struct xvb_vq *vq, struct vq_walk *w,
		       struct packed_chain *c, uint16_t flags)
{
	uint16_t pos = vq->pk.avail;
	struct vring_packed_desc p;
	struct vring_desc d;
	int ret;

	do {
		ret = packed_room(vq, w, c);
		if (unlikely(ret))
			return ret;
		vq_copy(&p, &vq->pk.desc[packed_index(vq, pos)], sizeof(p));
		if (c->num) {
			flags = le16toh(p.flags);
			if (unlikely(!packed_is_avail(vq, pos, flags)))
				return xvb_vq_break(vq, "descriptor %u: the chain goes on with one that is not available",
						    w->head);
		}
		d.addr = p.addr;
		d.len = p.len;
		d.flags = htole16(flags);
		if (unlikely(flags & VRING_DESC_F_INDIRECT && c->num))
			return xvb_vq_break(vq, "descriptor %u: an indirect table within a chain",
					    w->head);
		if (flags & VRING_DESC_F_INDIRECT)
			ret = packed_indirect(vq, w, &d);
		else
			ret = walk_add(vq, w, &d, flags);
		if (unlikely(ret))
			return ret;
		if (vq->pk.rec)
			record_desc(vq, c, &p, flags);
		c->num++;
		c->id = le16toh(p.id);
		pos = packed_add(vq, pos, 1);
	} while (flags & VRING_DESC_F_NEXT);
	return 0;
}

/*
 * The order of stores is vhost-user's: what is not behind old_free_head did
 * not happen.
 */
static void record_take(struct xvb_vq *vq, const struct packed_chain *c)
{
	struct xvio_inflight_packed *rec = vq->pk.rec;
	struct xvio_inflight_packed_desc *entry = &rec->desc[vq->pk.free_head];

	entry->num = htole16(c->num);
	entry->last = htole16(c->last);
	entry->counter = htole64(vq->counter++);
	__atomic_store_n(&entry->inflight, 1, __ATOMIC_RELEASE);
	vq->pk.free_head = c->free;
	rec->free_head = htole16(c->free);
	__atomic_store_n(&rec->old_free_head, htole16(c->free),
			 __ATOMIC_RELEASE);
}

static int packed_check_id(struct xvb_vq *vq, uint16_t id)
{
	if (unlikely(id >= vq->size))
		return xvb_vq_break(vq, "buffer id %u in a queue of %u entries",
				    id, vq->size);
	/* Also when it is with the batch: its entries are still to be freed. */
	if (unlikely(vq->pk.chains[id].num))
		return xvb_vq_break(vq, "buffer id %u is in flight already",
				    id);
	return 0;
}

static void packed_take(struct xvb_vq *vq, const struct packed_chain *c)
{
	struct xvb_vq_packed_chain *chain = &vq->pk.chains[c->id];

	chain->num = c->num;
	chain->entry = vq->pk.free_head;
	chain->last = c->last;
	vq->taken[c->id] = true;
	if (vq->pk.rec)
		record_take(vq, c);
	vq->pk.avail = packed_add(vq, vq->pk.avail, c->num);
	vq->pk.descs += c->num;
	vq->inuse++;
}

/**
 * xvb_vq_packed_pop() - xvb_vq_pop() on a packed ring
 * @vq: queue
 * @chain: as there
 *
 * Return: as there.
 */
int xvb_vq_packed_pop(struct xvb_vq *vq, struct xvb_chain *chain)
{
	struct packed_chain c = { .free = vq->pk.free_head };
	struct vq_walk w = { 0 };
	uint16_t flags, index;
	int ret;

	if (unlikely(vq->reason[0]))
		return -EPROTO;
	index = packed_index(vq, vq->pk.avail);
	/* Pairs with virtio_wmb() before the driver's store of the flags. */
	flags = le16toh(__atomic_load_n(&vq->pk.desc[index].flags,
					__ATOMIC_ACQUIRE));
	if (!packed_is_avail(vq, vq->pk.avail, flags)) {
		vq->pk.sweeping = false;
		return 0;
	}
	w.head = index;
	w.iov = chain->iov;
	w.end = chain->iov + chain->iov_max;
	w.grants = chain->grants;
	w.grants_max = chain->grants_max;
	ret = packed_walk(vq, &w, &c, flags);
	if (!ret)
		ret = packed_check_id(vq, c.id);
	w.head = c.id;
	if (!ret)
		ret = walk_finish(vq, &w, chain);
	if (unlikely(ret))
		return ret;
	packed_take(vq, &c);
	if (!vq->pk.sweeping)
		xvb_stat_add(&vq->stats->sweeps, 1);
	vq->pk.sweeping = true;
	vq->tally.requests++;
	vq->tally.bytes_out += chain->out_len;
	return 1;
}

/*
 * Giving back
 */

/**
 * xvb_vq_packed_push() - xvb_vq_push() on a packed ring
 * @vq: queue
 * @id: as there
 * @len: as there
 */
void xvb_vq_packed_push(struct xvb_vq *vq, uint16_t id, uint32_t len)
{
	struct vring_packed_desc *d;
	uint16_t flags, num;

	if (unlikely(!vq->started || id >= vq->size || !vq_taken(vq, id)))
		return;
	vq->taken[id] = false;
	num = vq->pk.chains[id].num;
	flags = (packed_wrap(vq, vq->pk.used) ? PACKED_AVAIL | PACKED_USED : 0) |
		(len ? VRING_DESC_F_WRITE : 0);
	d = &vq->pk.desc[packed_index(vq, vq->pk.used)];
	d->id = htole16(id);
	d->len = htole32(len);
	if (vq->pk.batch_nr) {
		vq_store16(&d->flags, flags);
	} else {
		vq->pk.first = packed_index(vq, vq->pk.used);
		vq->pk.first_flags = flags;
	}
	vq->batch[vq->pk.batch_nr++] = id;
	vq->pk.batch_descs += num;
	vq->pk.used = packed_add(vq, vq->pk.used, num);
	vq->inuse--;
	vq->tally.completed++;
	vq->tally.bytes_in += len;
}

/*
 * Before the flags: what a new backend needs to finish the batch.  Only now are
 * its entries free: a chain that is taken between push and flush would give
 * them a new meaning, and make the record's old state one that never was.
 */
static void record_use(struct xvb_vq *vq)
{
	struct xvio_inflight_packed *rec = vq->pk.rec;
	const struct xvb_vq_packed_chain *c;
	unsigned int i;

	for (i = 0; i < vq->pk.batch_nr; i++) {
		c = &vq->pk.chains[vq->batch[i]];
		vq->pk.next[c->last] = vq->pk.free_head;
		rec->desc[c->last].next = htole16(vq->pk.free_head);
		vq->pk.free_head = c->entry;
	}
	rec->free_head = htole16(vq->pk.free_head);
	rec->used_idx = htole16(packed_index(vq, vq->pk.used));
	rec->used_wrap_counter = packed_wrap(vq, vq->pk.used);
}

/* After the flags: the batch is finished. */
static void record_done(struct xvb_vq *vq)
{
	struct xvio_inflight_packed *rec = vq->pk.rec;
	unsigned int i;

	for (i = 0; i < vq->pk.batch_nr; i++)
		__atomic_store_n(&rec->desc[vq->pk.chains[vq->batch[i]].entry].inflight,
				 0, __ATOMIC_RELEASE);
	rec->old_free_head = htole16(vq->pk.free_head);
	rec->old_used_wrap_counter = packed_wrap(vq, vq->pk.used);
	__atomic_store_n(&rec->old_used_idx,
			 htole16(packed_index(vq, vq->pk.used)),
			 __ATOMIC_RELEASE);
}

static bool packed_need_notify(struct xvb_vq *vq)
{
	uint16_t old = vq->pk.signalled, event, flags, pos;
	union packed_event e;

	vq->pk.signalled = vq->pk.used;
	e.raw = __atomic_load_n((const uint32_t *)vq->pk.driver,
				__ATOMIC_RELAXED);
	flags = le16toh(e.s.flags) & PACKED_EVENTS;
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !vq->event_idx)
		return true;
	event = le16toh(e.s.off_wrap);
	pos = event & ~PACKED_WRAP;
	if (unlikely(pos >= vq->size))
		return true;
	if (!(event & PACKED_WRAP))
		pos += vq->size;
	return packed_distance(vq, old, pos) <
	       packed_distance(vq, old, vq->pk.used);
}

/**
 * xvb_vq_packed_flush() - xvb_vq_flush() on a packed ring
 * @vq: queue
 *
 * Return: as there.
 */
bool xvb_vq_packed_flush(struct xvb_vq *vq)
{
	unsigned int i;
	bool notify;

	if (!vq->started || !vq->pk.batch_nr)
		return false;
	if (vq->pk.rec)
		record_use(vq);
	/* Pairs with virtio_rmb() after the driver's load of the flags. */
	__atomic_store_n(&vq->pk.desc[vq->pk.first].flags,
			 htole16(vq->pk.first_flags), __ATOMIC_RELEASE);
	if (vq->pk.rec)
		record_done(vq);
	for (i = 0; i < vq->pk.batch_nr; i++)
		vq->pk.chains[vq->batch[i]].num = 0;
	vq->pk.descs -= vq->pk.batch_descs;
	vq->pk.batch_descs = 0;
	vq->pk.batch_nr = 0;
	/*
	 * Pairs with virtio_mb() in the driver's virtqueue_enable_cb(): it
	 * sees the flags, or we see that it wants to be told.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	notify = packed_need_notify(vq);
	xvb_stat_add(notify ? &vq->stats->notifications :
		     &vq->stats->suppressed, 1);
	return notify;
}

/*
 * Notifications of the driver
 */

static void packed_events(struct xvb_vq *vq, uint16_t off_wrap, uint16_t flags)
{
	union packed_event e = {
		.s.off_wrap = htole16(off_wrap),
		.s.flags = htole16(flags),
	};

	__atomic_store_n((uint32_t *)vq->pk.device, e.raw, __ATOMIC_RELAXED);
}

/**
 * xvb_vq_packed_kick_disable() - xvb_vq_kick_disable() on a packed ring
 * @vq: queue
 */
void xvb_vq_packed_kick_disable(struct xvb_vq *vq)
{
	/* With EVENT_IDX the event is behind already: nothing to do. */
	if (!vq->started || vq->event_idx || vq->kick_off)
		return;
	vq->kick_off = true;
	packed_events(vq, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
}

/**
 * xvb_vq_packed_pending() - xvb_vq_pending() on a packed ring
 * @vq: queue
 *
 * Return: as there.
 */
bool xvb_vq_packed_pending(struct xvb_vq *vq)
{
	uint16_t index = packed_index(vq, vq->pk.avail);

	if (!vq->started)
		return false;
	if (vq->reason[0])
		return true;
	return packed_is_avail(vq, vq->pk.avail,
			       vq_load16(&vq->pk.desc[index].flags));
}

/**
 * xvb_vq_packed_kick_enable() - xvb_vq_kick_enable() on a packed ring
 * @vq: queue
 *
 * Return: as there.
 */
bool xvb_vq_packed_kick_enable(struct xvb_vq *vq)
{
	if (!vq->started)
		return false;
	if (vq->event_idx) {
		packed_events(vq, packed_index(vq, vq->pk.avail) |
			      (packed_wrap(vq, vq->pk.avail) ? PACKED_WRAP : 0),
			      VRING_PACKED_EVENT_FLAG_DESC);
	} else if (vq->kick_off) {
		vq->kick_off = false;
		packed_events(vq, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	}
	/*
	 * Pairs with virtio_mb() in the driver's virtqueue_kick_prepare(): it
	 * sees that we want to be told, or we see its new descriptor.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	return xvb_vq_packed_pending(vq);
}
