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
#include <sys/param.h>

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
	uint16_t idx, new, unpublished;

	/* Pairs with virtio_wmb() before the driver's store of avail->idx. */
	idx = le16toh(__atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE));
	new = idx - vq->last_avail;
	if (unlikely(new > vq->size))
		return xvb_vq_break(vq,
				    "avail index %u is %u ahead of %u, the queue has %u entries",
				    idx, new, vq->last_avail, vq->size);
	/* A head that is not published yet cannot be free for the driver. */
	unpublished = vq->next_used - vq->published;
	if (unlikely(new + vq->inuse + unpublished > vq->size))
		return xvb_vq_break(vq, "more heads in flight than the %u entries of the queue",
				    vq->size);
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

/* The long way, which takes everything that is allowed, and says what is not. */
static int walk_carefully(struct xvb_vq *vq, unsigned int head,
			  struct xvb_chain *chain)
{
	struct vq_walk w = {
		.head = head,
		.iov = chain->iov,
		.end = chain->iov + chain->iov_max,
		.grants = chain->grants,
		.grants_max = chain->grants_max,
	};
	int ret = walk_chain(vq, &w);

	return ret ? ret : walk_finish(vq, &w, chain);
}

/* A descriptor, copied, in the byte order of this machine. */
struct vq_desc {
	uint64_t addr;
	uint64_t rest;	/* length, flags and next one, from bit 0, 32 and 48 on */
};

/* Two loads, which the compiler does not repeat. */
static inline struct vq_desc vq_load_desc(const struct vring_desc *from)
{
	const uint64_t *words = (const uint64_t *)from;
	uint64_t addr = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
	uint64_t rest = __atomic_load_n(&words[1], __ATOMIC_RELAXED);

	return (struct vq_desc){ le64toh(addr), le64toh(rest) };
}

/* Its flags but NEXT are those of a buffer for this kind of access. */
static inline bool desc_is(const struct vq_desc *d, unsigned long access)
{
	/* VRING_DESC_F_WRITE is XVB_WRITE then, and _INDIRECT neither. */
	return (d->rest >> 33 & 3) == access;
}

static inline bool desc_has_next(const struct vq_desc *d)
{
	return d->rest >> 32 & VRING_DESC_F_NEXT;
}

/*
 * A chain as almost all are, in a table of @size descriptors from @i on: in
 * order, no descriptor empty, none with a table, all of it in windows.  False: it is
 * not, or something is wrong with it.
 */
static inline __attribute__((always_inline)) bool
walk_plain(struct xvb_vq *vq, const struct vring_desc *desc, unsigned int size,
	   unsigned int i, struct xvb_chain *chain)
{
	/* A chain that is longer than the table has a loop. */
	unsigned int room = MIN(chain->iov_max, size);
	struct xvb_memory_view *mem = &vq->data_view;
	struct iovec *iov = chain->iov;
	uint64_t total = 0, out = 0, len;
	unsigned long access = XVB_READ;
	struct vq_desc d;
	void *ptr;

	xvb_memory_look(vq->mem, mem);
	do {
		if (unlikely(i >= size || !room--))
			return false;
		d = vq_load_desc(&desc[i]);
		if (unlikely(!desc_is(&d, access))) {
			/* After a writable one only such. */
			if (access != XVB_READ || !desc_is(&d, XVB_WRITE))
				return false;
			access = XVB_WRITE;
			chain->nout = iov - chain->iov;
			out = total;
			total = 0;
		}
		len = (uint32_t)d.rest;
		if (unlikely(!len))
			return false;
		ptr = xvb_memory_at(mem, d.addr, len, access);
		if (unlikely(!ptr))
			return false;
		iov->iov_base = ptr;
		iov->iov_len = len;
		iov++;
		total += len;
		i = d.rest >> 48;
	} while (desc_has_next(&d));
	if (unlikely(access != XVB_WRITE || out + total > UINT32_MAX))
		return false;
	chain->ngrants = 0;
	chain->nin = iov - chain->iov - chain->nout;
	chain->out_len = out;
	chain->in_len = total;
	return true;
}

/* All others, those with a table among them. */
static __attribute__((noinline)) int
walk_other(struct xvb_vq *vq, unsigned int head, struct xvb_chain *chain)
{
	struct vq_walk w = { .head = head };
	struct vring_desc d;
	int num;

	vq_copy(&d, &vq->desc[head], sizeof(d));
	if (le16toh(d.flags) & VRING_DESC_F_INDIRECT) {
		num = walk_table(vq, &w, &d);
		if (unlikely(num < 0))
			return num;
		if (likely(walk_plain(vq, vq->table, num, 0, chain)))
			return 0;
	}
	return walk_carefully(vq, head, chain);
}

/* The order of stores is vhost-user's: the entry first, then its mark. */
static void inflight_take(struct xvb_vq *vq, uint16_t id)
{
	struct xvio_inflight_desc *entry = &vq->inflight->desc[id];

	entry->counter = htole64(vq->counter++);
	__atomic_store_n(&entry->inflight, 1, __ATOMIC_RELEASE);
}

/**
 * xvb_vq_split_pop() - xvb_vq_pop() on a split ring
 * @vq: queue
 * @chain: as there
 *
 * Return: as there.
 */
int xvb_vq_split_pop(struct xvb_vq *vq, struct xvb_chain *chain)
{
	unsigned int size = vq->size, head, at;
	int ret;

	/* In a queue that is broken there is nothing new either. */
	if (vq->last_avail == vq->shadow_avail) {
		if (unlikely(vq->reason[0]))
			return -EPROTO;
		ret = vq_fetch(vq);
		if (ret <= 0)
			return ret;
		xvb_stat_add(&vq->stats->sweeps, 1);
	}
	at = vq->last_avail & (size - 1);
	head = vq_load16(&vq->avail->ring[at]);
	if (unlikely(head >= size))
		return xvb_vq_break(vq, "head %u in a queue of %u entries",
				    head, size);
	if (unlikely(vq_taken(vq, head)))
		return xvb_vq_break(vq, "head %u is in flight already", head);
	/* A driver that may use tables does so for all. */
	if (unlikely(vq->indirect_ok ||
		     !walk_plain(vq, vq->desc, size, head, chain))) {
		ret = walk_other(vq, head, chain);
		if (ret)
			return ret;
	}
	chain->id = head;
	vq->taken[head] = true;
	if (vq->inflight)
		inflight_take(vq, head);
	vq->last_avail++;
	vq->inuse++;
	vq->tally.requests++;
	vq->tally.bytes_out += chain->out_len;
	return 1;
}

/*
 * Giving back
 */

/**
 * xvb_vq_split_push() - xvb_vq_push() on a split ring
 * @vq: queue
 * @id: as there
 * @len: as there
 */
void xvb_vq_split_push(struct xvb_vq *vq, uint16_t id, uint32_t len)
{
	struct vring_used_elem *elem;

	if (unlikely(!vq->started || id >= vq->size || !vq_taken(vq, id)))
		return;
	vq->taken[id] = false;
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
	vq->tally.completed++;
	vq->tally.bytes_in += len;
}

/* After the used index: whoever takes over finds it, or the marks. */
static void inflight_clear(struct xvb_vq *vq)
{
	unsigned int i, n = (uint16_t)(vq->next_used - vq->published);
	struct xvio_inflight *record = vq->inflight;
	const uint16_t *batch = vq->batch;

	for (i = 0; i < n; i++)
		__atomic_store_n(&record->desc[batch[i]].inflight, 0,
				 __ATOMIC_RELEASE);
	__atomic_store_n(&record->used_idx, htole16(vq->next_used),
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

/**
 * xvb_vq_split_flush() - xvb_vq_flush() on a split ring
 * @vq: queue
 *
 * Return: as there.
 */
bool xvb_vq_split_flush(struct xvb_vq *vq)
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

/**
 * xvb_vq_split_kick_disable() - xvb_vq_kick_disable() on a split ring
 * @vq: queue
 */
void xvb_vq_split_kick_disable(struct xvb_vq *vq)
{
	/* With EVENT_IDX the event index is behind already: nothing to do. */
	if (!vq->started || vq->event_idx || vq->kick_off)
		return;
	vq->kick_off = true;
	vq_store16(&vq->used->flags, VRING_USED_F_NO_NOTIFY);
}

/**
 * xvb_vq_split_pending() - xvb_vq_pending() on a split ring
 * @vq: queue
 *
 * Return: as there.
 */
bool xvb_vq_split_pending(struct xvb_vq *vq)
{
	if (!vq->started)
		return false;
	if (vq->reason[0] || vq->last_avail != vq->shadow_avail)
		return true;
	return vq_load16(&vq->avail->idx) != vq->last_avail;
}

/**
 * xvb_vq_split_kick_enable() - xvb_vq_kick_enable() on a split ring
 * @vq: queue
 *
 * Return: as there.
 */
bool xvb_vq_split_kick_enable(struct xvb_vq *vq)
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
	return xvb_vq_split_pending(vq);
}
