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

void queue_use(struct hostile *h, uint32_t id, uint32_t len)
{
	struct queue *q = &h->queue;
	struct vring_used_elem *elem = &q->used->ring[q->used_idx % q->size];

	elem->id = htole32(id);
	elem->len = htole32(h->used_len ? h->used_len : len);
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
static bool add_segment(struct hostile *h, struct chain *c,
			const struct vring_desc *d)
{
	struct segment *s = &c->seg[c->nr];

	if (c->nr == HOSTILE_SEGMENTS)
		return false;
	s->len = le32toh(d->len);
	s->va = window_ptr(h, le64toh(d->addr), s->len);
	s->write = le16toh(d->flags) & VRING_DESC_F_WRITE;
	s->pages = 0;
	if (!s->va && h->sin->direct)
		map_direct(h, s, le64toh(d->addr) & ~XVIO_ADDR_GRANT);
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
		if (!add_segment(h, c, d))
			return false;
		if (!(le16toh(d->flags) & VRING_DESC_F_NEXT))
			return true;
		at = le16toh(d->next);
		if (at >= num)
			return false;
	}
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

static void serve(struct hostile *h, uint16_t head)
{
	struct queue *q = &h->queue;
	struct chain c = { .head = head };

	if (head >= q->size || !walk(h, &c, q->desc, q->size, head)) {
		if (!h->complained++)
			xvb_err("the chain at descriptor %u makes no sense",
				head);
		return;
	}
	if (h->due && h->sin->holds) {
		commit(h);
		return;
	}
	if (h->due && h->sin->serve && !h->sin->serve(h, &c))
		return;
	if (h->rng)
		serve_rng(h, &c);
	else
		serve_blk(h, &c);
}

void queue_work(struct hostile *h)
{
	struct queue *q = &h->queue;

	if (!q->enabled || !(h->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	while (q->enabled &&
	       q->avail_idx != le16toh(__atomic_load_n(&q->avail->idx,
						       __ATOMIC_ACQUIRE)))
		serve(h, le16toh(q->avail->ring[q->avail_idx++ % q->size]));
	if (q->enabled &&
	    !(le16toh(q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT))
		xvb_evtchn_notify(q->ec);
}
