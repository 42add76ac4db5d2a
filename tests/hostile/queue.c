// SPDX-License-Identifier: GPL-2.0-only
/*
 * One split virtqueue and what is behind it: a disk in memory, or entropy
 *
 * The guest is the one that is under test here, and it is not hostile: what it
 * says is checked as far as a mistake would be hard to find otherwise.
 */

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "hostile.h"
#include "log.h"
#include "util.h"

#define SECTOR	512U

int device_init(struct hostile *h)
{
	struct virtio_blk_config *blk = (struct virtio_blk_config *)h->config;

	h->features = BIT64(VIRTIO_F_VERSION_1) |
		      BIT64(VIRTIO_F_ACCESS_PLATFORM) |
		      BIT64(VIRTIO_F_RING_RESET) |
		      BIT64(VIRTIO_RING_F_INDIRECT_DESC);
	h->max_vqs = 1;
	h->queue_size = HOSTILE_QUEUE_SIZE;
	if (h->rng) {
		h->device_id = VIRTIO_ID_RNG;
		return 0;
	}
	h->device_id = VIRTIO_ID_BLOCK;
	h->config_size = sizeof(*blk) < HOSTILE_CONFIG_SIZE ?
			 sizeof(*blk) : HOSTILE_CONFIG_SIZE;
	h->features |= BIT64(VIRTIO_BLK_F_SEG_MAX) | BIT64(VIRTIO_BLK_F_FLUSH) |
		       BIT64(VIRTIO_BLK_F_BLK_SIZE);
	blk->capacity = htole64(HOSTILE_DISK_SIZE / SECTOR);
	blk->seg_max = htole32(64);
	blk->blk_size = htole32(SECTOR);
	h->disk = calloc(1, HOSTILE_DISK_SIZE);
	return h->disk ? 0 : -ENOMEM;
}

static bool is_packed(const struct hostile *h)
{
	return h->driver_features & BIT64(VIRTIO_F_RING_PACKED);
}

void queue_start(struct hostile *h)
{
	struct queue *q = &h->queue;

	if (q->size > HOSTILE_MAX_QUEUE_SIZE)
		return;
	if (is_packed(h)) {
		q->packed = window_ptr(h, q->addr[0],
				       q->size * sizeof(*q->packed));
		q->event = window_ptr(h, q->addr[1], sizeof(*q->event));
		q->avail_wrap = true;
		q->used_wrap = true;
		q->enabled = q->packed && q->event;
		return;
	}
	q->desc = window_ptr(h, q->addr[0], q->size * sizeof(*q->desc));
	q->avail = window_ptr(h, q->addr[1], 6 + 2 * q->size);
	q->used = window_ptr(h, q->addr[2], 6 + 8 * q->size);
	q->enabled = q->desc && q->avail && q->used;
}

void queue_stop(struct hostile *h)
{
	struct xvb_evtchn *ec = h->queue.ec;

	xvb_evtchn_unbind(ec);
	memset(&h->queue, 0, sizeof(h->queue));
	h->queue.ec = ec;
}

void queue_index(struct hostile *h, uint16_t idx)
{
	/* The entry before the index. */
	__atomic_store_n(&h->queue.used->idx, htole16(idx), __ATOMIC_RELEASE);
}

static void advance(const struct queue *q, uint16_t *idx, bool *wrap,
		    unsigned int by)
{
	*idx = (uint16_t)(*idx + by);
	if (*idx < q->size)
		return;
	*idx = (uint16_t)(*idx - q->size);
	*wrap = !*wrap;
}

static void use_packed(struct queue *q, uint32_t id, uint32_t len)
{
	struct vring_packed_desc *d = &q->packed[q->used_idx];
	uint16_t flags = q->used_wrap ? 1 << VRING_PACKED_DESC_F_AVAIL |
					1 << VRING_PACKED_DESC_F_USED : 0;

	d->id = htole16((uint16_t)id);
	d->len = htole32(len);
	__atomic_store_n(&d->flags, htole16(flags), __ATOMIC_RELEASE);
	/* An id that is a lie stands for one. */
	advance(q, &q->used_idx, &q->used_wrap,
		id < q->size && q->descs[id] ? q->descs[id] : 1);
}

void queue_use(struct hostile *h, uint32_t id, uint32_t len)
{
	struct queue *q = &h->queue;
	struct vring_used_elem *elem;

	if (h->used_len)
		len = h->used_len;
	if (q->packed) {
		use_packed(q, id, len);
		return;
	}
	elem = &q->used->ring[q->used_idx % q->size];
	elem->id = htole32(id);
	elem->len = htole32(len);
	queue_index(h, ++q->used_idx);
}

/* A buffer that is granted for this request alone. */
static void map_direct(struct hostile *h, struct segment *s, uint64_t addr)
{
	s->ref = (uint32_t)(addr >> XVIO_ADDR_PAGE_SHIFT);
	s->pages = s->len / XVIO_ADDR_PAGE_SIZE;
	s->va = grants_map(h, s->ref, s->pages, s->write);
}

/* Before it is used: unmapped, unless that is the sin. */
static void release_direct(struct hostile *h, const struct chain *c)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++) {
		const struct segment *s = &c->seg[i];

		if (!s->pages)
			continue;
		if (!h->due || !h->sin->forgets ||
		    window_keep(h, s->ref, s->pages, s->va))
			grants_unmap(h, s->va, s->pages);
		else
			sinned(h);
	}
}

/* One descriptor of a chain; false when there is something wrong with it. */
static bool add_segment(struct hostile *h, struct chain *c, __le64 addr,
			__le32 len, __le16 flags)
{
	struct segment *s = &c->seg[c->nr];

	if (c->nr == HOSTILE_SEGMENTS)
		return false;
	s->len = le32toh(len);
	s->va = window_ptr(h, le64toh(addr), s->len);
	s->write = le16toh(flags) & VRING_DESC_F_WRITE;
	s->pages = 0;
	if (!s->va && h->sin->direct)
		map_direct(h, s, le64toh(addr) & ~XVIO_ADDR_GRANT);
	c->nr++;
	return s->va;
}

static bool walk(struct hostile *h, struct chain *c,
		 const struct vring_desc *table, uint32_t num, uint32_t at)
{
	const struct vring_desc *inner;

	for (;;) {
		const struct vring_desc *d = &table[at];

		if (le16toh(d->flags) & VRING_DESC_F_INDIRECT) {
			inner = window_ptr(h, le64toh(d->addr), le32toh(d->len));
			return inner &&
			       walk(h, c, inner,
				    le32toh(d->len) / sizeof(*inner), 0);
		}
		if (!add_segment(h, c, d->addr, d->len, d->flags))
			return false;
		if (!(le16toh(d->flags) & VRING_DESC_F_NEXT))
			return true;
		at = le16toh(d->next);
		if (at >= num)
			return false;
	}
}

static bool walk_table(struct hostile *h, struct chain *c,
		       const struct vring_packed_desc *d)
{
	uint32_t i, num = le32toh(d->len) / sizeof(*d);
	const struct vring_packed_desc *inner;

	inner = window_ptr(h, le64toh(d->addr), le32toh(d->len));
	for (i = 0; inner && i < num; i++)
		if (!add_segment(h, c, inner[i].addr, inner[i].len,
				 inner[i].flags))
			return false;
	return inner;
}

/* Takes the chain that begins at the next descriptor of a packed ring. */
static bool walk_packed(struct hostile *h, struct chain *c)
{
	struct queue *q = &h->queue;
	const struct vring_packed_desc *d;
	unsigned int n = 0;
	bool good = true;

	do {
		d = &q->packed[(q->avail_idx + n++) % q->size];
		if (le16toh(d->flags) & VRING_DESC_F_INDIRECT)
			good &= walk_table(h, c, d);
		else
			good &= add_segment(h, c, d->addr, d->len, d->flags);
	} while (le16toh(d->flags) & VRING_DESC_F_NEXT && n < q->size);
	c->head = le16toh(d->id);
	advance(q, &q->avail_idx, &q->avail_wrap, n);
	if (c->head >= q->size)
		return false;
	q->descs[c->head] = (uint16_t)n;
	return good;
}

/* Returns false when it is beyond the end of the disk. */
static bool move(struct hostile *h, const struct chain *c, uint64_t sector,
		 bool in)
{
	uint64_t at = sector * SECTOR;
	unsigned int i;

	for (i = 1; i + 1 < c->nr; i++) {
		const struct segment *s = &c->seg[i];

		if (sector > HOSTILE_DISK_SIZE / SECTOR ||
		    at + s->len > HOSTILE_DISK_SIZE)
			return false;
		if (in)
			memcpy(s->va, h->disk + at, s->len);
		else
			memcpy(h->disk + at, s->va, s->len);
		at += s->len;
	}
	return true;
}

static uint32_t written(const struct chain *c)
{
	uint32_t sum = 0;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->seg[i].write)
			sum += c->seg[i].len;
	return sum;
}

static void serve_blk(struct hostile *h, const struct chain *c)
{
	struct virtio_blk_outhdr hdr;
	unsigned char status = VIRTIO_BLK_S_OK;

	if (c->nr < 2 || c->seg[0].len < sizeof(hdr)) {
		xvb_err("a chain of %u buffers is no request", c->nr);
		return;
	}
	memcpy(&hdr, c->seg[0].va, sizeof(hdr));
	switch (le32toh(hdr.type)) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (!move(h, c, le64toh(hdr.sector),
			  le32toh(hdr.type) == VIRTIO_BLK_T_IN))
			status = VIRTIO_BLK_S_IOERR;
		break;
	case VIRTIO_BLK_T_FLUSH:
	case VIRTIO_BLK_T_GET_ID:
		break;
	default:
		status = VIRTIO_BLK_S_UNSUPP;
	}
	*c->seg[c->nr - 1].va = status;
	release_direct(h, c);
	queue_use(h, c->head, written(c));
}

static void serve_rng(struct hostile *h, const struct chain *c)
{
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (getrandom(c->seg[i].va, c->seg[i].len, 0) < 0)
			return;
	queue_use(h, c->head, written(c));
}

static void complain(struct hostile *h, const struct chain *c)
{
	if (!h->complained++)
		xvb_err("the chain at descriptor %u makes no sense", c->head);
}

static void serve(struct hostile *h, const struct chain *c)
{
	if (h->due && h->sin->holds) {
		commit(h);
		return;
	}
	if (h->due && h->sin->serve && !h->sin->serve(h, c))
		return;
	if (h->rng)
		serve_rng(h, c);
	else
		serve_blk(h, c);
}

static bool next_split(struct hostile *h, struct chain *c, bool *good)
{
	struct queue *q = &h->queue;

	if (q->avail_idx == le16toh(__atomic_load_n(&q->avail->idx,
						    __ATOMIC_ACQUIRE)))
		return false;
	c->head = le16toh(q->avail->ring[q->avail_idx++ % q->size]);
	*good = c->head < q->size && walk(h, c, q->desc, q->size, c->head);
	return true;
}

static bool next_packed(struct hostile *h, struct chain *c, bool *good)
{
	struct queue *q = &h->queue;
	uint16_t flags = le16toh(__atomic_load_n(&q->packed[q->avail_idx].flags,
						 __ATOMIC_ACQUIRE));

	if (!!(flags & 1 << VRING_PACKED_DESC_F_AVAIL) != q->avail_wrap ||
	    !!(flags & 1 << VRING_PACKED_DESC_F_USED) == q->avail_wrap)
		return false;
	*good = walk_packed(h, c);
	return true;
}

static bool wants_event(const struct queue *q)
{
	if (q->packed)
		return le16toh(q->event->flags) != VRING_PACKED_EVENT_FLAG_DISABLE;
	return !(le16toh(q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

void queue_work(struct hostile *h)
{
	struct queue *q = &h->queue;
	bool good;

	if (!(h->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	while (q->enabled) {
		struct chain c = { .nr = 0 };

		if (!(q->packed ? next_packed(h, &c, &good) :
				  next_split(h, &c, &good)))
			break;
		if (good)
			serve(h, &c);
		else
			complain(h, &c);
	}
	if (q->enabled && wants_event(q))
		xvb_evtchn_notify(q->ec);
}
