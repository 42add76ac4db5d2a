// SPDX-License-Identifier: GPL-2.0-only
/*
 * requests of a disk, made by hand: from the buffer to the image and back
 *
 * A disk wants whole sectors, so each request has two pieces of data: the one
 * that is tested, of any size at any offset, and one that fills the sector up.
 */

#include <linux/blk_types.h>
#include <linux/completion.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio_blk.h>

#include "test.h"

#define REQUEST_TIMEOUT	(30 * HZ)
#define GUARD		64
#define PIECES_MAX	40

/* A request and what belongs to it; freed when the device has given it back. */
struct request {
	struct virtio_blk_outhdr hdr;
	u8 status;
	u32 len;
	struct completion done;
	struct scatterlist sg_hdr;
	struct scatterlist sg_status;
	struct scatterlist sg_data[PIECES_MAX];
};

void gdt_disk_done(struct virtqueue *vq)
{
	struct gdt *t = vq->vdev->priv;
	struct request *req;
	unsigned long flags;
	unsigned int len;

	spin_lock_irqsave(&t->vq_lock, flags);
	do {
		virtqueue_disable_cb(vq);
		while ((req = virtqueue_get_buf(vq, &len))) {
			req->len = len;
			complete(&req->done);
		}
	} while (!virtqueue_enable_cb(vq));
	spin_unlock_irqrestore(&t->vq_lock, flags);
}

static struct request *make_request(struct gdt *t, u32 type, u64 sector,
				    void *const piece[], const size_t len[],
				    unsigned int pieces)
{
	struct request *req = kzalloc(sizeof(*req), GFP_KERNEL);
	unsigned int i;

	if (!req)
		return NULL;
	req->hdr.type = cpu_to_virtio32(t->vdev, type);
	req->hdr.sector = cpu_to_virtio64(t->vdev, sector);
	req->status = 0xee;
	init_completion(&req->done);
	sg_init_one(&req->sg_hdr, &req->hdr, sizeof(req->hdr));
	sg_init_one(&req->sg_status, &req->status, sizeof(req->status));
	sg_init_table(req->sg_data, pieces);
	for (i = 0; i < pieces; i++)
		sg_set_buf(&req->sg_data[i], piece[i], len[i]);
	return req;
}

static int submit(struct gdt *t, struct request *req, bool write)
{
	struct scatterlist *sgs[] = {
		&req->sg_hdr, req->sg_data, &req->sg_status,
	};
	unsigned long flags;
	bool kick;
	int err;

	spin_lock_irqsave(&t->vq_lock, flags);
	err = virtqueue_add_sgs(t->vq, sgs, write ? 2 : 1, write ? 1 : 2, req,
				GFP_ATOMIC);
	kick = !err && virtqueue_kick_prepare(t->vq);
	spin_unlock_irqrestore(&t->vq_lock, flags);
	if (kick)
		virtqueue_notify(t->vq);
	return err;
}

/* The status, or -errno; the request is freed if the device has given it back. */
static int finish(struct request *req)
{
	int status;

	if (!wait_for_completion_timeout(&req->done, REQUEST_TIMEOUT))
		return -ETIMEDOUT;
	status = req->status;
	kfree(req);
	return status;
}

static int disk_request(struct gdt *t, u32 type, u64 sector,
			void *const piece[], const size_t len[],
			unsigned int pieces)
{
	struct request *req = make_request(t, type, sector, piece, len, pieces);
	int err;

	if (!req)
		return -ENOMEM;
	err = submit(t, req, type == VIRTIO_BLK_T_OUT);
	if (!err)
		return finish(req);
	kfree(req);
	return err;
}

int gdt_disk_rw(struct gdt *t, bool write, u64 sector, void *const piece[],
		const size_t len[], unsigned int pieces)
{
	return disk_request(t, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
			    sector, piece, len, pieces);
}

/* The pieces of one request: the first is tested, the second fills up. */
struct pieces {
	void *piece[2];
	size_t len[2];
	unsigned int n;
	unsigned int seed;
	u64 sector;
	struct request *req;
};

static size_t span(size_t size)
{
	return round_up(size, SECTOR_SIZE);
}

/* Each class of offset has a part of the arena of its own. */
static void lay_out(struct gdt *t, struct pieces *p, size_t size,
		    unsigned int class)
{
	size_t room = ALIGN(t->max + 2 * PAGE_SIZE, PAGE_SIZE);
	u8 *at = t->arena + class * room + PAGE_SIZE;

	p->piece[0] = at + gdt_offsets[class];
	p->len[0] = size;
	p->piece[1] = at - SECTOR_SIZE - GUARD;
	p->len[1] = span(size) - size;
	p->n = p->len[1] ? 2 : 1;
	p->seed = (size * 37 + class) % GDT_SEEDS;
	p->sector = class * (span(t->max) >> SECTOR_SHIFT);
}

static void fill_pieces(struct gdt *t, struct pieces *p,
			enum gdt_pattern which)
{
	u8 *first = p->piece[0];

	gdt_fill(t, first - GUARD, GDT_GUARD, 0, GUARD);
	gdt_fill(t, first, which, p->seed, p->len[0]);
	gdt_fill(t, first + p->len[0], GDT_GUARD, 0, GUARD);
	gdt_fill(t, p->piece[1], which, p->seed + p->len[0], p->len[1]);
}

static int check_pieces(struct gdt *t, const struct pieces *p,
			enum gdt_pattern which, const char *what)
{
	const u8 *first = p->piece[0];

	if (!gdt_is(t, first, which, p->seed, p->len[0]) ||
	    !gdt_is(t, p->piece[1], which, p->seed + p->len[0], p->len[1]))
		return gdt_fail("%zu bytes at %lu in a page: %s", p->len[0],
				offset_in_page(first), what);
	if (!gdt_is(t, first - GUARD, GDT_GUARD, 0, GUARD) ||
	    !gdt_is(t, first + p->len[0], GDT_GUARD, 0, GUARD))
		return gdt_fail("%zu bytes at %lu in a page: what is beside them changed",
				p->len[0], offset_in_page(first));
	return 0;
}

/* One request for each class of offset, all of them under way at a time. */
static int all_classes(struct gdt *t, struct pieces *p, bool write)
{
	u32 type = write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
	unsigned int i;
	int err = 0, status;

	for (i = 0; i < GDT_OFFSETS; i++) {
		p[i].req = make_request(t, type, p[i].sector, p[i].piece,
					p[i].len, p[i].n);
		if (!p[i].req)
			err = gdt_fail("no memory");
		else if (submit(t, p[i].req, write))
			err = gdt_fail("adding a request");
		if (err)
			break;
	}
	while (i--) {
		status = finish(p[i].req);
		if (status && !err)
			err = gdt_fail("%s %zu bytes at %u in a page: status %d",
				       write ? "writing" : "reading",
				       p[i].len[0], gdt_offsets[i], status);
	}
	return err;
}

/*
 * What a request wrote from pieces cut one way must come back in pieces that are
 * cut the same way: a piece that is read a byte too early, too late, too short
 * or too long would show in itself or in the one after it.
 */
static int one_size(struct gdt *t, struct pieces *p, size_t size)
{
	unsigned int i;
	int err;

	for (i = 0; i < GDT_OFFSETS; i++) {
		lay_out(t, &p[i], size, i);
		fill_pieces(t, &p[i], GDT_NEW);
	}
	err = all_classes(t, p, true);
	for (i = 0; i < GDT_OFFSETS && !err; i++)
		err = check_pieces(t, &p[i], GDT_NEW, "writing changed them");
	for (i = 0; i < GDT_OFFSETS; i++)
		fill_pieces(t, &p[i], GDT_OLD);
	err = err ?: all_classes(t, p, false);
	for (i = 0; i < GDT_OFFSETS && !err; i++)
		err = check_pieces(t, &p[i], GDT_NEW,
				   "read back is not what was written");
	return err;
}

static int with_pieces(struct gdt *t, size_t from, size_t to, size_t step)
{
	struct pieces *p = kcalloc(GDT_OFFSETS, sizeof(*p), GFP_KERNEL);
	size_t size;
	int err = 0;

	if (!p)
		return gdt_fail("no memory");
	for (size = from; size <= to && !err; size += step)
		err = one_size(t, p, size);
	kfree(p);
	return err;
}

static bool too_small(struct gdt *t)
{
	size_t room = ALIGN(t->max + 2 * PAGE_SIZE, PAGE_SIZE);

	if (t->sectors >= (u64)GDT_OFFSETS * (span(t->max) >> SECTOR_SHIFT) &&
	    room * GDT_OFFSETS + PAGE_SIZE <= GDT_ARENA_SIZE)
		return false;
	gdt_say("%llu sectors, largest mapping %zu", t->sectors, t->max);
	return true;
}

static int round_trip_up_to_a_page(struct gdt *t)
{
	if (too_small(t))
		return GDT_SKIP;
	return with_pieces(t, 1, PAGE_SIZE, gdt_stride);
}

static int round_trip_up_to_the_maximum(struct gdt *t)
{
	int err;

	if (too_small(t))
		return GDT_SKIP;
	err = with_pieces(t, PAGE_SIZE, t->max, PAGE_SIZE);
	err = err ?: with_pieces(t, PAGE_SIZE - 1, t->max, PAGE_SIZE + 511);
	return err ?: with_pieces(t, t->max - 1, t->max, 1);
}

/* A request that fails: the buffer is as it was, or zeroed, nothing else. */
static int nothing_is_read(struct gdt *t)
{
	const size_t len = 4 * SECTOR_SIZE;
	void *piece = t->arena + PAGE_SIZE + 512;
	int status;

	gdt_fill(t, piece, GDT_OLD, 0, len);
	status = disk_request(t, VIRTIO_BLK_T_IN, t->sectors, &piece, &len, 1);
	if (status != VIRTIO_BLK_S_IOERR)
		return gdt_fail("reading beyond the end: status %d", status);
	if (!gdt_is(t, piece, GDT_OLD, 0, len) && memchr_inv(piece, 0, len))
		return gdt_fail("a read that failed left something else");
	return 0;
}

/* The device writes 20 bytes; what is behind them is as it was, or zeroed. */
static int part_is_written(struct gdt *t)
{
	const size_t id = VIRTIO_BLK_ID_BYTES, rest = 4 * SECTOR_SIZE - id;
	const size_t len = id + rest;
	u8 *buf = t->arena + PAGE_SIZE + 7;
	void *piece = buf;
	int status;

	gdt_fill(t, buf, GDT_OLD, 0, len);
	status = disk_request(t, VIRTIO_BLK_T_GET_ID, 0, &piece, &len, 1);
	if (status != VIRTIO_BLK_S_OK)
		return gdt_fail("asking for the serial number: status %d",
				status);
	if (gdt_is(t, buf, GDT_OLD, 0, id))
		return gdt_fail("the serial number is not there");
	if (!gdt_is(t, buf + id, GDT_OLD, id, rest) &&
	    memchr_inv(buf + id, 0, rest))
		return gdt_fail("behind the serial number is something else");
	return 0;
}

/* Many pieces of odd sizes, which fill sectors together only. */
static int many_pieces(struct gdt *t)
{
	static const size_t lens[] = { 512, 1000, 24, 4096, 3, 509, 2048, 4096 };
	void *piece[PIECES_MAX];
	size_t len[PIECES_MAX], at = 0, total = 0;
	unsigned int i;
	int status;

	for (i = 0; i < PIECES_MAX; i++) {
		piece[i] = t->arena + at;
		len[i] = lens[i % ARRAY_SIZE(lens)];
		gdt_fill(t, piece[i], GDT_NEW, i, len[i]);
		at += len[i] + PAGE_SIZE;
		total += len[i];
	}
	if (total % SECTOR_SIZE || t->sectors < total >> SECTOR_SHIFT) {
		gdt_say("%zu bytes, %llu sectors", total, t->sectors);
		return GDT_SKIP;
	}
	status = gdt_disk_rw(t, true, 0, piece, len, PIECES_MAX);
	if (status)
		return gdt_fail("writing %zu bytes: status %d", total, status);
	for (i = 0; i < PIECES_MAX; i++)
		gdt_fill(t, piece[i], GDT_OLD, i, len[i]);
	status = gdt_disk_rw(t, false, 0, piece, len, PIECES_MAX);
	if (status)
		return gdt_fail("reading %zu bytes: status %d", total, status);
	for (i = 0; i < PIECES_MAX; i++)
		if (!gdt_is(t, piece[i], GDT_NEW, i, len[i]))
			return gdt_fail("piece %u is not what was written", i);
	return 0;
}

const struct gdt_case gdt_disk_cases[] = {
	{ "round_trip_up_to_a_page", round_trip_up_to_a_page },
	{ "round_trip_up_to_the_maximum", round_trip_up_to_the_maximum },
	{ "many_pieces", many_pieces },
	{ "nothing_is_read", nothing_is_read },
	{ "part_is_written", part_is_written },
	{ }
};
