// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lies on the virtqueue: used ids, lengths and indices (T24)
 *
 * The ring is the kernel's: it breaks a queue whose used entries make no sense,
 * and the frontend then gives the device up.
 */

#include <endian.h>
#include <string.h>

#include <linux/virtio_blk.h>

#include "hostile.h"

/* Publishes one entry that is a lie, and holds everything back from then on. */
static bool use_once(struct hostile *h, uint32_t id, uint32_t len)
{
	if (!h->count++) {
		queue_use(h, id, len);
		sinned(h);
	}
	return false;
}

static bool id_range(struct hostile *h, const struct chain *c)
{
	(void)c;
	return use_once(h, h->queue.size, 0);
}

static bool id_huge(struct hostile *h, const struct chain *c)
{
	(void)c;
	return use_once(h, UINT32_MAX, 0);
}

static bool id_repeated(struct hostile *h, const struct chain *c)
{
	if (!h->count++) {
		queue_use(h, c->head, 1);
		queue_use(h, c->head, 1);
		sinned(h);
	}
	return false;
}

/* In range, but nobody has put it on the ring. */
static bool id_free(struct hostile *h, const struct chain *c)
{
	return use_once(h, (c->head + h->queue.size / 2) % h->queue.size, 1);
}

static bool good(struct hostile *h, const struct chain *c)
{
	(void)c;
	if (h->queue.packed)
		sinned(h);
	return true;
}

static bool never(struct hostile *h, const struct chain *c)
{
	(void)c;
	sinned(h);
	return false;
}

/* The work is done, only the length is a lie. */
static bool length_huge(struct hostile *h, const struct chain *c)
{
	(void)c;
	h->used_len = UINT32_MAX;
	sinned(h);
	return true;
}

static bool status_unknown(struct hostile *h, const struct chain *c)
{
	*c->seg[c->nr - 1].va = 0x77;
	queue_use(h, c->head, 1);
	sinned(h);
	return false;
}

/*
 * All is promised to be written, and what is read from the end of the disk is not:
 * the rest of a disk stays a good one.
 */
static bool unwritten(struct hostile *h, const struct chain *c)
{
	uint64_t end = (HOSTILE_DISK_SIZE - (256U << 10)) / 512;
	struct virtio_blk_outhdr hdr;
	uint32_t len = 0;
	unsigned int i;

	memcpy(&hdr, c->seg[0].va, sizeof(hdr));
	if (le32toh(hdr.type) != VIRTIO_BLK_T_IN || le64toh(hdr.sector) < end)
		return true;
	for (i = 1; i < c->nr; i++)
		len += c->seg[i].len;
	*c->seg[c->nr - 1].va = VIRTIO_BLK_S_OK;
	queue_use(h, c->head, len);
	milestone("unwritten");
	return false;
}

static bool index_jumps(struct hostile *h, const struct chain *c)
{
	(void)c;
	if (!h->count++) {
		queue_index(h, (uint16_t)(h->queue.used_idx + 1000));
		sinned(h);
	}
	return false;
}

static bool index_goes_back(struct hostile *h, const struct chain *c)
{
	(void)c;
	if (!h->count++) {
		queue_index(h, (uint16_t)(h->queue.used_idx - 2));
		sinned(h);
	}
	return false;
}

/* Every descriptor looks used, with the id of another. */
static void scribble_packed(struct hostile *h)
{
	struct queue *q = &h->queue;
	uint32_t i;

	for (i = 0; i < q->size; i++) {
		q->packed[i].id = htole16((uint16_t)(h->count + i));
		q->packed[i].flags = htole16((h->count + i) & 1 ? 0x8080 : 0);
	}
	h->count++;
}

static bool packed_once(struct hostile *h, const struct chain *c)
{
	(void)c;
	if (!h->count) {
		scribble_packed(h);
		sinned(h);
	}
	return false;
}

static void scribble(struct hostile *h)
{
	h->ticking = 0;
}

/* Over the used ring, at any moment, also when nobody should look there. */
static bool scribble_tick(struct hostile *h)
{
	struct queue *q = &h->queue;
	uint32_t i;

	if (!q->enabled)
		return h->connected;
	if (q->packed) {
		scribble_packed(h);
		xvb_evtchn_notify(q->ec);
		sinned(h);
		return true;
	}
	for (i = 0; i < q->size; i++)
		q->used->ring[i].id = htole32((uint32_t)(h->count + i));
	queue_index(h, (uint16_t)h->count++);
	xvb_evtchn_notify(q->ec);
	sinned(h);
	return true;
}

/* The record is what the frontend completes requests by when all is lost. */
static bool record_lies(struct hostile *h, const struct chain *c)
{
	struct xvio_inflight *record = h->queue.record;
	unsigned int i;

	if (!record || h->count)
		return false;
	for (i = 0; i < h->queue.size; i++) {
		record->desc[i].inflight = 1;
		record->desc[i].next = htole16(0xffff);
	}
	record->desc_num = htole16(0xffff);
	record->used_idx = htole16(0x1234);
	return id_range(h, c);
}

/*
 * Writes to a ring that the guest should have granted for reading only; whether
 * that is possible is what the test is about.
 */
static bool writable(struct hostile *h, uint64_t addr, const char *what)
{
	struct window *w = window_find(h, addr, 1);

	if (w && w->readonly) {
		milestone("refused: read-only %s", what);
		sinned(h);
		return false;
	}
	milestone("writable %s", what);
	return true;
}

static void rewrite_desc(struct hostile *h)
{
	struct queue *q = &h->queue;
	uint32_t i;

	if (!q->enabled || !writable(h, q->addr[0], "descriptors"))
		return;
	/* Each is its own successor: who follows them never ends. */
	for (i = 0; i < q->size; i++) {
		q->desc[i].flags = htole16(VRING_DESC_F_NEXT);
		q->desc[i].next = htole16((uint16_t)i);
	}
}

static bool after_rewrite(struct hostile *h, const struct chain *c)
{
	struct window *w = window_find(h, h->queue.addr[0], 1);

	if (!w || w->readonly)
		return true;
	queue_use(h, c->head, 1);
	sinned(h);
	return false;
}

static void rewrite_avail(struct hostile *h)
{
	struct queue *q = &h->queue;
	uint32_t i;

	if (!q->enabled || !writable(h, q->addr[1], "available ring"))
		return;
	for (i = 0; i < q->size; i++)
		q->avail->ring[i] = htole16((uint16_t)(i * 7));
	q->avail->idx = htole16(0x4321);
	sinned(h);
}

const struct sin sins_used[] = {
	{ .name = "used-id-range", .what = "a used id just out of range",
	  .serve = id_range },
	{ .name = "used-id-huge", .what = "a used id far out of range",
	  .serve = id_huge },
	{ .name = "used-id-repeated", .what = "the same used id twice",
	  .serve = id_repeated },
	{ .name = "used-id-free", .what = "a used id that was never given",
	  .serve = id_free },
	{ .name = "used-never", .what = "requests are never used",
	  .serve = never },
	{ .name = "used-length", .what = "used lengths larger than the buffers",
	  .serve = length_huge },
	{ .name = "used-unwritten", .what = "whole writes that were not made",
	  .node = XVIO_NODE_FEATURE_WHOLE, .value = "1", .serve = unwritten },
	{ .name = "used-status", .what = "a status byte that does not exist",
	  .serve = status_unknown },
	{ .name = "used-index-jump", .what = "the used index jumps",
	  .serve = index_jumps },
	{ .name = "used-index-back", .what = "the used index goes back",
	  .serve = index_goes_back },
	{ .name = "used-scribble", .what = "the used ring changes all the time",
	  .act = scribble, .serve = never, .tick = scribble_tick },
	{ .name = "used-record", .what = "the in-flight record is nonsense",
	  .serve = record_lies },
	{ .name = "packed-good", .what = "no sin, on a packed ring",
	  .packed = true, .early = true, .serve = good },
	{ .name = "packed-id-range", .what = "a used id out of range",
	  .packed = true, .serve = id_range },
	{ .name = "packed-id-repeated", .what = "the same used id twice",
	  .packed = true, .serve = id_repeated },
	{ .name = "packed-id-free", .what = "a used id that was never given",
	  .packed = true, .serve = id_free },
	{ .name = "packed-length", .what = "used lengths larger than the buffers",
	  .packed = true, .serve = length_huge },
	{ .name = "packed-ring", .what = "every descriptor is rewritten",
	  .packed = true, .serve = packed_once },
	{ .name = "packed-scribble", .what = "the ring changes all the time",
	  .packed = true, .act = scribble, .serve = never,
	  .tick = scribble_tick },
	{ .name = "rewrite-descriptors",
	  .what = "descriptors become loops after they were posted",
	  .act = rewrite_desc, .serve = after_rewrite },
	{ .name = "rewrite-available",
	  .what = "the available ring is rewritten after it was posted",
	  .act = rewrite_avail },
	{ }
};
