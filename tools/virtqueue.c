// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtqueue.c - the device's side of a split virtqueue in untrusted memory
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

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "virtqueue.h"

#define VQ_DESC_BYTES	sizeof(struct vring_desc)
#define VQ_BITS		64

/* The state of one walk along a chain. */
struct vq_walk {
	unsigned int head;
	struct iovec *iov;	/* where the next one goes */
	struct iovec *end;
	struct iovec *in;	/* the first writable one, once there was one */
	uint64_t total;		/* bytes; at most 2^11 times 2^32 */
	uint64_t out;		/* of them before @in */
};

void xvb_vq_init(struct xvb_vq *vq, struct xvb_memory *mem)
{
	memset(vq, 0, sizeof(*vq));
	vq->mem = mem;
}

int xvb_vq_break(struct xvb_vq *vq, const char *fmt, ...)
{
	va_list ap;

	if (!vq->reason[0]) {
		va_start(ap, fmt);
		vsnprintf(vq->reason, sizeof(vq->reason), fmt, ap);
		va_end(ap);
	}
	return -EPROTO;
}

/* Load and store of 16 bits that the other side stores and loads. */
static inline uint16_t vq_load16(const __virtio16 *ptr)
{
	return le16toh(__atomic_load_n(ptr, __ATOMIC_RELAXED));
}

static inline void vq_store16(__virtio16 *ptr, uint16_t value)
{
	__atomic_store_n(ptr, htole16(value), __ATOMIC_RELAXED);
}

static inline const __virtio16 *vq_used_event(const struct xvb_vq *vq)
{
	return &vq->avail->ring[vq->size];
}

static inline __virtio16 *vq_avail_event(struct xvb_vq *vq)
{
	return (__virtio16 *)&vq->used->ring[vq->size];
}

/*
 * Copy from guest memory, once: the fence keeps the compiler from reading
 * the source again when the copy is used.
 */
static inline void vq_copy(void *to, const void *from, size_t len)
{
	memcpy(to, from, len);
	atomic_signal_fence(memory_order_seq_cst);
}

/*
 * Start and stop
 */

static int vq_pin_area(struct xvb_vq *vq, const char *name, uint64_t addr,
		       uint64_t len, unsigned int align, void **area,
		       struct xvb_error *err)
{
	if (!(addr & XVIO_ADDR_GRANT))
		return xvb_error_set(err, -EINVAL,
				     "the %s at %#llx is not a granted address",
				     name, (unsigned long long)addr);
	if (addr % align)
		return xvb_error_set(err, -EINVAL,
				     "the %s at %#llx is not aligned to %u",
				     name, (unsigned long long)addr, align);
	*area = xvb_memory_pin(vq->mem, addr, len);
	if (!*area)
		return xvb_error_set(err, -EFAULT,
				     "the %s at %#llx, %llu bytes, is not inside one window",
				     name, (unsigned long long)addr,
				     (unsigned long long)len);
	return 0;
}

static int vq_pin_inflight(struct xvb_vq *vq, struct xvb_error *err)
{
	const struct xvb_vq_setup *s = &vq->setup;
	struct xvio_inflight *rec;
	void *area = NULL;
	uint64_t need;
	int ret;

	if (!s->inflight)
		return 0;
	need = sizeof(*rec) + (uint64_t)s->size * sizeof(rec->desc[0]);
	if (s->inflight_len < need)
		return xvb_error_set(err, -EINVAL,
				     "the in-flight record has %u bytes, %llu are needed",
				     s->inflight_len, (unsigned long long)need);
	ret = vq_pin_area(vq, "in-flight record", s->inflight, need,
			  sizeof(uint64_t), &area, err);
	if (ret)
		return ret;
	memset(area, 0, need);
	rec = area;
	rec->version = htole16(XVIO_INFLIGHT_VERSION);
	rec->desc_num = htole16(s->size);
	vq->inflight = rec;
	return 0;
}

static int vq_pin(struct xvb_vq *vq, struct xvb_error *err)
{
	const struct xvb_vq_setup *s = &vq->setup;
	void *desc, *avail, *used;
	int ret;

	ret = vq_pin_area(vq, "descriptor area", s->desc,
			  (uint64_t)s->size * VQ_DESC_BYTES,
			  VRING_DESC_ALIGN_SIZE, &desc, err);
	if (ret)
		return ret;
	ret = vq_pin_area(vq, "driver area", s->driver,
			  sizeof(*vq->avail) + 2ULL * s->size + 2,
			  VRING_AVAIL_ALIGN_SIZE, &avail, err);
	if (ret)
		goto err_unpin_desc;
	ret = vq_pin_area(vq, "device area", s->device,
			  sizeof(*vq->used) + 8ULL * s->size + 2,
			  VRING_USED_ALIGN_SIZE, &used, err);
	if (ret)
		goto err_unpin_avail;
	ret = vq_pin_inflight(vq, err);
	if (ret)
		goto err_unpin_used;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	return 0;

err_unpin_used:
	xvb_memory_unpin(vq->mem, s->device);
err_unpin_avail:
	xvb_memory_unpin(vq->mem, s->driver);
err_unpin_desc:
	xvb_memory_unpin(vq->mem, s->desc);
	return ret;
}

static void vq_unpin(struct xvb_vq *vq)
{
	const struct xvb_vq_setup *s = &vq->setup;

	if (vq->inflight)
		xvb_memory_unpin(vq->mem, s->inflight);
	xvb_memory_unpin(vq->mem, s->device);
	xvb_memory_unpin(vq->mem, s->driver);
	xvb_memory_unpin(vq->mem, s->desc);
	vq->inflight = NULL;
	vq->used = NULL;
	vq->avail = NULL;
	vq->desc = NULL;
}

static int vq_alloc(struct xvb_vq *vq, unsigned int size)
{
	vq->table = malloc(XVB_VQ_MAX_SIZE * sizeof(*vq->table));
	if (!vq->table)
		return -ENOMEM;
	vq->batch = calloc(size, sizeof(*vq->batch));
	if (!vq->batch)
		goto err_free_table;
	vq->taken = calloc((size + VQ_BITS - 1) / VQ_BITS, sizeof(*vq->taken));
	if (!vq->taken)
		goto err_free_batch;
	return 0;

err_free_batch:
	free(vq->batch);
err_free_table:
	free(vq->table);
	vq->batch = NULL;
	vq->table = NULL;
	return -ENOMEM;
}

static void vq_free(struct xvb_vq *vq)
{
	free(vq->taken);
	free(vq->batch);
	free(vq->table);
	vq->taken = NULL;
	vq->batch = NULL;
	vq->table = NULL;
}

int xvb_vq_start(struct xvb_vq *vq, const struct xvb_vq_setup *setup,
		 struct xvb_error *err)
{
	uint32_t size = setup->size;
	int ret;

	if (vq->started)
		return xvb_error_set(err, -EBUSY, "the queue is set up already");
	if (!size || size > XVB_VQ_MAX_SIZE || (size & (size - 1)))
		return xvb_error_set(err, -EINVAL,
				     "the queue size %u is not a power of two up to %u",
				     size, XVB_VQ_MAX_SIZE);
	vq->setup = *setup;
	ret = vq_alloc(vq, size);
	if (ret)
		return xvb_error_set(err, ret, "allocating a queue of %u entries: %s",
				     size, strerror(-ret));
	ret = vq_pin(vq, err);
	if (ret) {
		vq_free(vq);
		return ret;
	}
	vq->size = size;
	vq->event_idx = setup->features & (1ULL << VIRTIO_RING_F_EVENT_IDX);
	vq->indirect_ok =
		setup->features & (1ULL << VIRTIO_RING_F_INDIRECT_DESC);
	vq->kick_off = false;
	vq->last_avail = 0;
	vq->shadow_avail = 0;
	vq->next_used = 0;
	vq->published = 0;
	vq->signalled = 0;
	vq->signalled_valid = false;
	vq->inuse = 0;
	vq->counter = 0;
	vq->reason[0] = '\0';
	vq->started = true;
	return 0;
}

void xvb_vq_stop(struct xvb_vq *vq)
{
	if (!vq->started)
		return;
	vq->started = false;
	vq_unpin(vq);
	vq_free(vq);
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

/* Translate one descriptor into the chain. */
static inline int walk_add(struct xvb_vq *vq, struct vq_walk *w,
			   const struct vring_desc *d, uint16_t flags)
{
	uint32_t len = le32toh(d->len);
	uint64_t addr = le64toh(d->addr);
	void *ptr;

	if (flags & VRING_DESC_F_WRITE) {
		if (!w->in) {
			w->in = w->iov;
			w->out = w->total;
		}
	} else if (unlikely(w->in)) {
		return xvb_vq_break(vq, "head %u: a readable descriptor after a writable one",
				    w->head);
	}
	if (unlikely(!len))
		return 0;
	if (unlikely(w->iov == w->end))
		return xvb_vq_break(vq, "head %u: the chain has more segments than this device takes",
				    w->head);
	ptr = xvb_memory_get(vq->mem, &vq->data_hint, addr, len);
	if (unlikely(!ptr))
		return xvb_vq_break(vq, "head %u: %u bytes at %#llx are not inside one window",
				    w->head, len, (unsigned long long)addr);
	w->total += len;
	/* w->iov is below w->end, so it is not NULL. */
	w->iov->iov_base = ptr; /* NOLINT(clang-analyzer-core.NullDereference) */
	w->iov->iov_len = len;
	w->iov++;
	return 0;
}

/* Copy an indirect table; its number of entries, or -EPROTO. */
static int walk_table(struct xvb_vq *vq, struct vq_walk *w,
		      const struct vring_desc *d)
{
	uint64_t addr = le64toh(d->addr);
	uint32_t len = le32toh(d->len);
	const void *table;

	if (unlikely(!vq->indirect_ok))
		return xvb_vq_break(vq, "head %u: indirect descriptors were not negotiated",
				    w->head);
	if (unlikely(le16toh(d->flags) & VRING_DESC_F_NEXT))
		return xvb_vq_break(vq, "head %u: an indirect descriptor with a next one",
				    w->head);
	if (unlikely(!len || len % VQ_DESC_BYTES ||
		     len > XVB_VQ_MAX_SIZE * VQ_DESC_BYTES))
		return xvb_vq_break(vq, "head %u: an indirect table of %u bytes",
				    w->head, len);
	table = xvb_memory_get(vq->mem, &vq->ring_hint, addr, len);
	if (unlikely(!table))
		return xvb_vq_break(vq, "head %u: an indirect table of %u bytes at %#llx is not inside one window",
				    w->head, len,
				    (unsigned long long)addr);
	vq_copy(vq->table, table, len);
	return len / VQ_DESC_BYTES;
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

/* The result of a walk, for the device. */
static int walk_finish(struct xvb_vq *vq, struct vq_walk *w,
		       struct xvb_chain *chain)
{
	if (unlikely(w->total > UINT32_MAX))
		return xvb_vq_break(vq, "head %u: the chain has more than 2^32 bytes",
				    w->head);
	if (!w->in) {
		w->in = w->iov;
		w->out = w->total;
	}
	chain->id = w->head;
	chain->nout = w->in - chain->iov;
	chain->nin = w->iov - w->in;
	chain->out_len = w->out;
	chain->in_len = w->total - w->out;
	return 0;
}

static inline bool vq_taken(const struct xvb_vq *vq, unsigned int id)
{
	return vq->taken[id / VQ_BITS] >> (id % VQ_BITS) & 1;
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
		xvb_stat_add(&vq->stats.sweeps, 1);
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
	xvb_stat_add(&vq->stats.requests, 1);
	xvb_stat_add(&vq->stats.bytes_out, chain->out_len);
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
	xvb_stat_add(&vq->stats.completed, 1);
	xvb_stat_add(&vq->stats.bytes_in, len);
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
	xvb_stat_add(notify ? &vq->stats.notifications :
		     &vq->stats.suppressed, 1);
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
