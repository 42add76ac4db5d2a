// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtqueue.c - the device's side of a virtqueue: set-up and end
 *
 * The way of a request is in vq_split.c and vq_packed.c.
 */

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

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
	/* What a split ring looks at first: nothing is left to take. */
	vq->shadow_avail = vq->last_avail;
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

static uint64_t vq_inflight_bytes(const struct xvb_vq_setup *s, bool packed)
{
	const struct xvio_inflight *split = NULL;
	const struct xvio_inflight_packed *rec = NULL;

	if (packed)
		return sizeof(*rec) + (uint64_t)s->size * sizeof(rec->desc[0]);
	return sizeof(*split) + (uint64_t)s->size * sizeof(split->desc[0]);
}

/* The record of a packed ring has a list of free entries: at first, all. */
static void vq_init_record(struct xvb_vq *vq, struct xvio_inflight_packed *rec)
{
	uint16_t i, size = vq->setup.size;

	for (i = 0; i < size; i++) {
		vq->pk.next[i] = i + 1;
		rec->desc[i].next = htole16(i + 1);
	}
	rec->used_wrap_counter = 1;
	rec->old_used_wrap_counter = 1;
	rec->desc_num = htole16(size);
	rec->version = htole16(XVIO_INFLIGHT_VERSION);
	vq->pk.rec = rec;
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
	need = vq_inflight_bytes(s, vq->packed);
	if (s->inflight_len < need)
		return xvb_error_set(err, -EINVAL,
				     "the in-flight record has %u bytes, %llu are needed",
				     s->inflight_len, (unsigned long long)need);
	ret = vq_pin_area(vq, "in-flight record", s->inflight, need,
			  sizeof(uint64_t), XVB_WRITE, &area, err);
	if (ret)
		return ret;
	memset(area, 0, need);
	if (vq->packed) {
		vq_init_record(vq, area);
		return 0;
	}
	rec = area;
	rec->version = htole16(XVIO_INFLIGHT_VERSION);
	rec->desc_num = htole16(s->size);
	vq->inflight = rec;
	return 0;
}

/* Length and alignment of the two smaller areas of a queue. */
struct vq_layout {
	uint64_t driver_len;
	uint64_t device_len;
	unsigned int driver_align;
	unsigned int device_align;
};

static struct vq_layout vq_layout(const struct xvb_vq *vq)
{
	uint64_t size = vq->setup.size;

	if (vq->packed)
		return (struct vq_layout){
			.driver_len = sizeof(*vq->pk.driver),
			.device_len = sizeof(*vq->pk.device),
			.driver_align = sizeof(*vq->pk.driver),
			.device_align = sizeof(*vq->pk.device),
		};
	return (struct vq_layout){
		.driver_len = sizeof(*vq->avail) + 2 * size + 2,
		.device_len = sizeof(*vq->used) + 8 * size + 2,
		.driver_align = VRING_AVAIL_ALIGN_SIZE,
		.device_align = VRING_USED_ALIGN_SIZE,
	};
}

static void vq_set_areas(struct xvb_vq *vq, void *desc, void *driver,
			 void *device)
{
	if (vq->packed) {
		vq->pk.desc = desc;
		vq->pk.driver = driver;
		vq->pk.device = device;
	} else {
		vq->desc = desc;
		vq->avail = driver;
		vq->used = device;
	}
}

static int vq_pin(struct xvb_vq *vq, struct xvb_error *err)
{
	const struct xvb_vq_setup *s = &vq->setup;
	const struct vq_layout l = vq_layout(vq);
	void *desc, *driver, *device;
	int ret;

	/* Descriptors of both layouts have the same size and alignment. */
	ret = vq_pin_area(vq, "descriptor area", s->desc,
			  (uint64_t)s->size * VQ_DESC_BYTES,
			  VRING_DESC_ALIGN_SIZE,
			  vq->packed ? XVB_WRITE : XVB_READ, &desc, err);
	if (ret)
		return ret;
	ret = vq_pin_area(vq, "driver area", s->driver, l.driver_len,
			  l.driver_align, XVB_READ, &driver, err);
	if (ret)
		goto err_unpin_desc;
	ret = vq_pin_area(vq, "device area", s->device, l.device_len,
			  l.device_align, XVB_WRITE, &device, err);
	if (ret)
		goto err_unpin_driver;
	ret = vq_pin_inflight(vq, err);
	if (ret)
		goto err_unpin_device;
	vq_set_areas(vq, desc, driver, device);
	return 0;

err_unpin_device:
	xvb_memory_unpin(vq->mem, s->device);
err_unpin_driver:
	xvb_memory_unpin(vq->mem, s->driver);
err_unpin_desc:
	xvb_memory_unpin(vq->mem, s->desc);
	return ret;
}

static void vq_unpin(struct xvb_vq *vq)
{
	const struct xvb_vq_setup *s = &vq->setup;

	if (vq->inflight || vq->pk.rec)
		xvb_memory_unpin(vq->mem, s->inflight);
	xvb_memory_unpin(vq->mem, s->device);
	xvb_memory_unpin(vq->mem, s->driver);
	xvb_memory_unpin(vq->mem, s->desc);
	vq->inflight = NULL;
	vq->pk.rec = NULL;
	vq_set_areas(vq, NULL, NULL, NULL);
}

static int vq_alloc_packed(struct xvb_vq *vq, unsigned int size)
{
	vq->pk.chains = calloc(size, sizeof(*vq->pk.chains));
	if (!vq->pk.chains)
		return -ENOMEM;
	vq->pk.next = calloc(size, sizeof(*vq->pk.next));
	if (!vq->pk.next) {
		free(vq->pk.chains);
		vq->pk.chains = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void vq_free_packed(struct xvb_vq *vq)
{
	free(vq->pk.next);
	free(vq->pk.chains);
	vq->pk.next = NULL;
	vq->pk.chains = NULL;
}

static int vq_alloc(struct xvb_vq *vq, unsigned int size)
{
	vq->table = malloc(XVB_VQ_MAX_SIZE * sizeof(*vq->table));
	if (!vq->table)
		return -ENOMEM;
	vq->batch = calloc(size, sizeof(*vq->batch));
	if (!vq->batch)
		goto err_free_table;
	vq->taken = calloc(size, sizeof(*vq->taken));
	if (!vq->taken)
		goto err_free_batch;
	if (vq->packed && vq_alloc_packed(vq, size))
		goto err_free_taken;
	return 0;

err_free_taken:
	free(vq->taken);
	vq->taken = NULL;
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
	vq_free_packed(vq);
	free(vq->taken);
	free(vq->batch);
	free(vq->table);
	vq->taken = NULL;
	vq->batch = NULL;
	vq->table = NULL;
}

static int vq_check_size(uint32_t size, bool packed, struct xvb_error *err)
{
	bool known = size && size <= XVB_VQ_MAX_SIZE;

	if (packed && !known)
		return xvb_error_set(err, -EINVAL,
				     "the queue size %u is not from 1 to %u",
				     size, XVB_VQ_MAX_SIZE);
	if (!packed && (!known || (size & (size - 1))))
		return xvb_error_set(err, -EINVAL,
				     "the queue size %u is not a power of two up to %u",
				     size, XVB_VQ_MAX_SIZE);
	return 0;
}

/* Both sides begin at index 0 and, in a packed ring, with wrap counter 1. */
static void vq_rewind(struct xvb_vq *vq)
{
	vq->kick_off = false;
	vq->last_avail = 0;
	vq->shadow_avail = 0;
	vq->next_used = 0;
	vq->published = 0;
	vq->signalled = 0;
	vq->signalled_valid = false;
	vq->inuse = 0;
	vq->counter = 0;
	vq->pk.avail = 0;
	vq->pk.used = 0;
	vq->pk.signalled = 0;
	vq->pk.descs = 0;
	vq->pk.batch_descs = 0;
	vq->pk.batch_nr = 0;
	vq->pk.free_head = 0;
	vq->pk.sweeping = false;
	vq->reason[0] = '\0';
}

int xvb_vq_start(struct xvb_vq *vq, const struct xvb_vq_setup *setup,
		 struct xvb_error *err)
{
	bool packed = setup->features & (1ULL << VIRTIO_F_RING_PACKED);
	uint32_t size = setup->size;
	int ret;

	if (vq->started)
		return xvb_error_set(err, -EBUSY, "the queue is set up already");
	ret = vq_check_size(size, packed, err);
	if (ret)
		return ret;
	vq->setup = *setup;
	vq->packed = packed;
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
	vq_rewind(vq);
	vq->started = true;
	return 0;
}

void xvb_vq_stop(struct xvb_vq *vq)
{
	if (!vq->started)
		return;
	xvb_vq_publish_tally(vq);
	vq->started = false;
	vq_unpin(vq);
	vq_free(vq);
}

void xvb_vq_publish_tally(struct xvb_vq *vq)
{
	struct xvb_vq_tally *tally = &vq->tally;
	struct xvb_vq_stats *stats = vq->stats;

	if (!tally->requests && !tally->completed)
		return;
	xvb_stat_add(&stats->requests, tally->requests);
	xvb_stat_add(&stats->completed, tally->completed);
	xvb_stat_add(&stats->bytes_out, tally->bytes_out);
	xvb_stat_add(&stats->bytes_in, tally->bytes_in);
	*tally = (struct xvb_vq_tally){ 0 };
}

/*
 * Taking a chain
 */

/* Whole pages, of references that exist, and not in or on from a window. */
static bool walk_is_grant(const struct xvb_vq *vq, uint64_t addr, uint32_t len)
{
	uint64_t end = (uint64_t)UINT32_MAX << XVIO_ADDR_PAGE_SHIFT;
	uint64_t start = addr ^ XVIO_ADDR_GRANT;
	struct xvb_memory_view view = { 0 };

	end += XVIO_ADDR_PAGE_SIZE;
	return !((start | len) & (XVIO_ADDR_PAGE_SIZE - 1)) &&
	       start < end && len <= end - start &&
	       !xvb_memory_get(vq->mem, &view, addr, 0, XVB_READ);
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
