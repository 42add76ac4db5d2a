// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtqueue.c - the device's side of a virtqueue: set-up and end
 *
 * The way of a request is in vq_split.c.
 */

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"
#include "virtqueue.h"
#include "vq_walk.h"

void xvb_vq_init(struct xvb_vq *vq, struct xvb_memory *mem)
{
	memset(vq, 0, sizeof(*vq));
	vq->mem = mem;
	vq->stats = &vq->own;
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

static int vq_pin_area(struct xvb_vq *vq, const char *name, uint64_t addr,
		       uint64_t len, unsigned int align,
		       enum xvb_access access, void **area,
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
	*area = xvb_memory_pin(vq->mem, addr, len, access);
	if (!*area)
		return xvb_error_set(err, -EFAULT,
				     "the %s at %#llx, %llu bytes, is not inside one%s window",
				     name, (unsigned long long)addr,
				     (unsigned long long)len,
				     access == XVB_WRITE ? " writable" : "");
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
			  sizeof(uint64_t), XVB_WRITE, &area, err);
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
			  VRING_DESC_ALIGN_SIZE, XVB_READ, &desc, err);
	if (ret)
		return ret;
	ret = vq_pin_area(vq, "driver area", s->driver,
			  sizeof(*vq->avail) + 2ULL * s->size + 2,
			  VRING_AVAIL_ALIGN_SIZE, XVB_READ, &avail, err);
	if (ret)
		goto err_unpin_desc;
	ret = vq_pin_area(vq, "device area", s->device,
			  sizeof(*vq->used) + 8ULL * s->size + 2,
			  VRING_USED_ALIGN_SIZE, XVB_WRITE, &used, err);
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

/* Whole pages, of references that exist, and not in or on from a window. */
static bool walk_is_grant(const struct xvb_vq *vq, uint64_t addr, uint32_t len)
{
	uint64_t end = (uint64_t)UINT32_MAX << XVIO_ADDR_PAGE_SHIFT;
	uint64_t start = addr ^ XVIO_ADDR_GRANT;
	struct xvb_memory_hint hint = { 0 };

	end += XVIO_ADDR_PAGE_SIZE;
	return !((start | len) & (XVIO_ADDR_PAGE_SIZE - 1)) &&
	       start < end && len <= end - start &&
	       !xvb_memory_get(vq->mem, &hint, addr, 0, XVB_READ);
}

int vq_walk_grant(struct xvb_vq *vq, struct vq_walk *w, uint64_t addr,
		  uint32_t len, enum xvb_access access)
{
	bool in = access == XVB_WRITE;

	if (w->ngrants >= w->grants_max || !walk_is_grant(vq, addr, len))
		return xvb_vq_break(vq, "head %u: %u bytes at %#llx are not inside one%s window",
				    w->head, len, (unsigned long long)addr,
				    in ? " writable" : "");
	w->grants[w->ngrants++] = (struct xvb_grant){
		.iov = w->iov,
		.ref = (addr ^ XVIO_ADDR_GRANT) >> XVIO_ADDR_PAGE_SHIFT,
		.len = len,
		/* Too much of all is found at the end of the walk. */
		.at = in ? w->total - w->out : w->total,
		.in = in,
	};
	w->total += len;
	w->iov->iov_base = NULL;
	w->iov->iov_len = len;
	w->iov++;
	return 0;
}
