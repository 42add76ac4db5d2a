// SPDX-License-Identifier: GPL-2.0-only
/*
 * requests of a disk, made by hand: from the buffer to the image and back
 *
 * A disk wants whole sectors, so each request has two pieces of data: the one
 * that is tested, of any size at any offset, and one that fills the sector up.
 */

#include <linux/blk_types.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "test.h"

#define REQUEST_TIMEOUT	(30 * HZ)
#define GUARD		64
#define PIECES_MAX	40

static int bad_sector = -1;
module_param(bad_sector, int, 0444);
MODULE_PARM_DESC(bad_sector, "first sector of the disk that cannot be read, for whole");

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

	if (READ_ONCE(t->hold))
		return;
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

/*
 * With whole writes a slot has something of another request until the device has
 * written: nothing of that may come out.
 */

/* So much of a slot is not left to the device. */
#define MARK		8

/* Map a buffer for the device to write, which does not; look at it, and unmap. */
static int unwritten(struct gdt *t, u8 *buf, size_t size, unsigned long attrs)
{
	bool copied = size < MARK || attrs & DMA_ATTR_SKIP_CPU_SYNC;
	enum gdt_pattern want = copied ? GDT_OLD : GDT_LOST;
	const enum dma_data_direction dir = DMA_FROM_DEVICE;
	size_t at = size / 3;
	dma_addr_t addr;

	gdt_fill(t, buf - GUARD, GDT_GUARD, 0, GUARD);
	gdt_fill(t, buf + size, GDT_GUARD, 0, GUARD);
	gdt_fill(t, buf, GDT_OLD, 0, size);
	addr = dma_map_single_attrs(t->dev, buf, size, dir, attrs);
	if (dma_mapping_error(t->dev, addr))
		return gdt_fail("mapping %zu bytes", size);
	gdt_fill(t, buf, GDT_LOST, 0, size);
	dma_sync_single_range_for_cpu(t->dev, addr, at, size - at, dir);
	if (!gdt_is(t, buf + at, want, at, size - at))
		return gdt_fail("a sync of %zu bytes from %zu on shows what the device has not written",
				size - at, at);
	dma_unmap_single(t->dev, addr, size, dir);
	if (!gdt_is(t, buf, want, 0, size))
		return gdt_fail("%zu bytes at %lu in a page: what the device has not written",
				size, offset_in_page(buf));
	if (!gdt_is(t, buf - GUARD, GDT_GUARD, 0, GUARD) ||
	    !gdt_is(t, buf + size, GDT_GUARD, 0, GUARD))
		return gdt_fail("%zu bytes: what is beside them changed", size);
	return 0;
}

static int unwritten_stays(struct gdt *t)
{
	static const size_t sizes[] = {
		1, 2, 7, 8, 9, 15, 16, 17, 511, 512, 513, 2048, 2049, 4095,
		4096, 4097, SZ_16K, SZ_16K + 1, SZ_32K,
	};
	unsigned int i, class;
	int err = 0;
	u8 *buf;

	for (i = 0; i < ARRAY_SIZE(sizes) && !err; i++) {
		for (class = 0; class < GDT_OFFSETS && !err; class++) {
			if (sizes[i] > t->max)
				continue;
			buf = t->arena + PAGE_SIZE + gdt_offsets[class];
			err = unwritten(t, buf, sizes[i], 0);
			err = err ?: unwritten(t, buf, sizes[i],
					       DMA_ATTR_SKIP_CPU_SYNC);
		}
	}
	return err;
}

/* A read whose last piece cannot be mapped: the others are unmapped again. */
static int given_up_stays(struct gdt *t)
{
	const unsigned int pieces = 8;
	void *piece[PIECES_MAX];
	size_t len[PIECES_MAX];
	unsigned int i, n;
	int status;

	for (n = 1; n < pieces; n++) {
		for (i = 0; i < n; i++) {
			len[i] = i & 1 ? PAGE_SIZE : 1000;
			piece[i] = t->arena + i * 2 * PAGE_SIZE;
			gdt_fill(t, piece[i], GDT_OLD, i, len[i]);
		}
		len[n] = GDT_MAX_SIZE;
		piece[n] = t->arena;
		status = gdt_disk_rw(t, false, 0, piece, len, n + 1);
		if (status >= 0)
			return gdt_fail("%u pieces: status %d", n, status);
		for (i = 0; i < n; i++)
			if (!gdt_is(t, piece[i], GDT_OLD, i, len[i]))
				return gdt_fail("piece %u of %u shows another request",
						i, n);
	}
	return 0;
}

/* The disk fails: there are zeroes then, and nothing else. */
static int failed_read_is_zeroes(struct gdt *t)
{
	static const size_t lens[] = { SECTOR_SIZE, SZ_4K, SZ_64K, SZ_256K };
	const size_t part = min_t(size_t, t->max, SZ_16K);
	void *piece[PIECES_MAX];
	size_t len[PIECES_MAX], at;
	unsigned int i, n;
	int status;

	if (bad_sector < 0)
		return GDT_SKIP;
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		if (lens[i] > PIECES_MAX * part)
			continue;
		gdt_fill(t, t->arena, GDT_OLD, 0, lens[i] + GUARD);
		for (n = 0, at = 0; at < lens[i]; n++) {
			piece[n] = t->arena + at;
			len[n] = min(part, lens[i] - at);
			at += len[n];
		}
		status = gdt_disk_rw(t, false, bad_sector, piece, len, n);
		if (status != VIRTIO_BLK_S_IOERR)
			return gdt_fail("reading %zu bytes of a bad sector: status %d",
					lens[i], status);
		if (memchr_inv(t->arena, 0, lens[i]))
			return gdt_fail("%zu bytes that could not be read are not zero",
					lens[i]);
		if (!gdt_is(t, t->arena + lens[i], GDT_OLD, lens[i], GUARD))
			return gdt_fail("what is beside %zu bytes changed",
					lens[i]);
	}
	return 0;
}

/* Until the device has used something, which the driver does not take. */
static bool wait_used(struct gdt *t, unsigned int since)
{
	unsigned long end = jiffies + REQUEST_TIMEOUT;

	while (!virtqueue_poll(t->vq, since)) {
		if (time_after(jiffies, end))
			return false;
		msleep(20);
	}
	return true;
}

/*
 * A reset with a read in flight: what the device may have written of it is not
 * shown.  The device is of no use afterwards.
 */
static int reset_shows_nothing(struct gdt *t)
{
	const size_t len = 4 * SECTOR_SIZE;
	void *piece = t->arena + PAGE_SIZE;
	struct request *req, *left;
	unsigned int since;
	int err = 0;

	gdt_fill(t, piece, GDT_NEW, 0, len);
	if (gdt_disk_rw(t, true, 0, &piece, &len, 1))
		return gdt_fail("writing");
	req = make_request(t, VIRTIO_BLK_T_IN, 0, &piece, &len, 1);
	if (!req)
		return gdt_fail("no memory");
	gdt_fill(t, piece, GDT_OLD, 0, len);
	WRITE_ONCE(t->hold, true);
	since = virtqueue_enable_cb_prepare(t->vq);
	err = submit(t, req, false);
	if (err) {
		kfree(req);
		return gdt_fail("adding a request: %d", err);
	}
	if (!wait_used(t, since))
		err = gdt_fail("the read is not used");
	virtio_reset_device(t->vdev);
	left = virtqueue_detach_unused_buf(t->vq);
	if (left != req)
		return gdt_fail("the request is not there after a reset");
	if (!err && (!gdt_is(t, piece, GDT_OLD, 0, len) || req->status != 0xee))
		err = gdt_fail("a reset shows what was in flight");
	kfree(req);
	return err;
}

const struct gdt_case gdt_whole_cases[] = {
	{ "unwritten_stays", unwritten_stays },
	{ "given_up_stays", given_up_stays },
	{ "failed_read_is_zeroes", failed_read_is_zeroes },
	{ "reset_shows_nothing", reset_shows_nothing },
	{ }
};
