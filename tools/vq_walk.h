/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vq_walk.h - from the descriptors of a chain to iovecs
 *
 * For the files that know a layout of rings; inline, because it is the hot
 * path.
 */

#ifndef XVB_VQ_WALK_H
#define XVB_VQ_WALK_H

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "util.h"
#include "virtqueue.h"

#define VQ_DESC_BYTES	sizeof(struct vring_desc)

/* The state of one walk along a chain. */
struct vq_walk {
	unsigned int head;
	struct iovec *iov;	/* where the next one goes */
	struct iovec *end;
	struct iovec *in;	/* the first writable one, once there was one */
	uint64_t total;		/* bytes; at most 2^11 times 2^32 */
	uint64_t out;		/* of them before @in */
	struct xvb_grant *grants; /* what is outside the windows goes here */
	uint16_t grants_max;
	uint16_t ngrants;
};

/**
 * vq_walk_grant() - a buffer that is in no window
 * @vq: queue
 * @w: walk, with room for another iovec
 * @addr: address, any value
 * @len: bytes, not 0
 * @access: what the device does with it
 *
 * Not on the way of a request that has everything in windows.
 *
 * Return: 0 when it is a direct grant, or -EPROTO.
 */
int vq_walk_grant(struct xvb_vq *vq, struct vq_walk *w, uint64_t addr,
		  uint32_t len, enum xvb_access access);

/* Load and store of 16 bits that the other side stores and loads. */
static inline uint16_t vq_load16(const __virtio16 *ptr)
{
	return le16toh(__atomic_load_n(ptr, __ATOMIC_RELAXED));
}

static inline void vq_store16(__virtio16 *ptr, uint16_t value)
{
	__atomic_store_n(ptr, htole16(value), __ATOMIC_RELAXED);
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

/* Translate one descriptor into the chain. */
static inline int walk_add(struct xvb_vq *vq, struct vq_walk *w,
			   const struct vring_desc *d, uint16_t flags)
{
	uint32_t len = le32toh(d->len);
	uint64_t addr = le64toh(d->addr);
	enum xvb_access access = XVB_READ;
	void *ptr;

	if (flags & VRING_DESC_F_WRITE) {
		access = XVB_WRITE;
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
	ptr = xvb_memory_get(vq->mem, &vq->data_view, addr, len, access);
	if (unlikely(!ptr))
		return vq_walk_grant(vq, w, addr, len, access);
	w->total += len;
	/* w->iov is below w->end, so it is not NULL. */
	w->iov->iov_base = ptr; /* NOLINT(clang-analyzer-core.NullDereference) */
	w->iov->iov_len = len;
	w->iov++;
	return 0;
}

/* Copy an indirect table; its number of entries, or -EPROTO. */
static inline int walk_table(struct xvb_vq *vq, struct vq_walk *w,
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
	table = xvb_memory_get(vq->mem, &vq->ring_view, addr, len, XVB_READ);
	if (unlikely(!table))
		return xvb_vq_break(vq, "head %u: an indirect table of %u bytes at %#llx is not inside one window",
				    w->head, len,
				    (unsigned long long)addr);
	vq_copy(vq->table, table, len);
	return len / VQ_DESC_BYTES;
}

/* The result of a walk, for the device. */
static inline int walk_finish(struct xvb_vq *vq, struct vq_walk *w,
			      struct xvb_chain *chain)
{
	if (unlikely(w->total > UINT32_MAX))
		return xvb_vq_break(vq, "head %u: the chain has more than 2^32 bytes",
				    w->head);
	if (!w->in) {
		w->in = w->iov;
		w->out = w->total;
	}
	chain->ngrants = w->ngrants;
	chain->id = w->head;
	chain->nout = w->in - chain->iov;
	chain->nin = w->iov - w->in;
	chain->out_len = w->out;
	chain->in_len = w->total - w->out;
	return 0;
}

static inline bool vq_taken(const struct xvb_vq *vq, unsigned int id)
{
	return vq->taken[id];
}

#endif /* XVB_VQ_WALK_H */
