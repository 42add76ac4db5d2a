// SPDX-License-Identifier: GPL-2.0-only
/*
 * blk.c - virtio-blk, virtio 1.4 section 5.2
 *
 * A request is a 16-byte header, data, and a status byte, cut into
 * descriptors in any way (section 2.7.4.1): the header is gathered, the
 * status is the last byte of the writable part, and what is left is data.
 *
 * used.len is the whole writable part.  Section 2.7.8.2 counts written bytes
 * from its beginning, and the status is at its end: so where a request fails
 * or has more room than data, the room is zeroed, and no stale byte is called
 * written.  Besides, that is promised to the guest (feature-whole-writes), which
 * puts nothing into a slot that is written anyway: whatever way a request goes,
 * nothing of its writable part that lies in a window stays as it was.
 *
 * Segments of discard and write-zeroes are copied and checked all together,
 * then done one after the other.
 */

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "fileio.h"
#include "types.h"
#include "util.h"
#include "vq_poll.h"

#define BLK_SECTOR_SHIFT	9
#define BLK_SECTOR		(1U << BLK_SECTOR_SHIFT)
/*
 * Room for 32 requests of 64 KiB whose pages lie apart.  A packed ring wants a place
 * in the window for each entry: with half of them buffers may be twice as large.
 */
#define BLK_QUEUE_SIZE		1024
#define BLK_QUEUE_SIZE_PACKED	512
#define BLK_SEG_MAX		254
#define BLK_SIZE_MAX		(1U << 20)
/* Data, header and status each in pieces: more than any driver makes. */
#define BLK_IOV_MAX		(BLK_SEG_MAX + 18)
#define BLK_RANGES_MAX		16
/* 32 MiB: what is in flight must be over soon when the device is to stop. */
#define BLK_RANGE_SECTORS	(1U << 16)
#define BLK_ZERO_SEGS		1
#define BLK_QUEUE_MIN		4
#define BLK_WAIT_MS		5000
#define BLK_SERIAL_LEN		VIRTIO_BLK_ID_BYTES
#define BLK_SWEEPS		16
#define BLK_CONFIG_SIZE		offsetof(struct virtio_blk_config, \
					 max_secure_erase_sectors)

/* One range of discard or write-zeroes, checked; in bytes. */
struct blk_range {
	uint64_t offset;
	uint64_t len;
	unsigned int flags;
};

struct blk_queue;

struct blk_req {
	struct xvb_fio_req io;
	struct blk_queue *bq;
	struct blk_req *next_free;
	struct iovec *iovs;		/* BLK_IOV_MAX of them */
	struct xvb_grant *grants;	/* as many, or NULL */
	struct xvb_chain chain;
	struct xvb_direct_req direct;	/* with chain.ngrants only */
	unsigned char *status;		/* NULL: there is no room for it */
	uint32_t used;		/* used.len */
	unsigned int range;
	unsigned int nr_ranges;
	struct blk_range ranges[BLK_RANGES_MAX];
};

struct blk_queue {
	struct xvb_queue *q;
	struct blk_dev *blk;
	struct xvb_fio *fio;
	struct blk_req *free;
	struct blk_req *reqs;
	struct iovec *iovs;
	struct xvb_direct *direct;	/* NULL: no direct grants */
	struct xvb_grant *grants;
	struct blk_req *stalled;	/* taken, and waits for memory */
	struct xvb_poll poll;
};

struct blk_dev {
	struct xvb_device dev;
	struct xvb_file *file;
	const struct xvb_file_info *info;
	const struct xvb_fio_ops *fio;
	struct virtio_blk_config config;
	uint64_t capacity;		/* sectors */
	uint32_t block_mask;		/* bits that no length or offset has */
	_Atomic uint8_t writeback;
	_Atomic bool dsync;		/* see blk_update_dsync() */
	char serial[BLK_SERIAL_LEN];
	struct xvb_pollers pollers;	/* last: see there */
};

static struct blk_dev *to_blk(struct xvb_device *dev)
{
	return container_of(dev, struct blk_dev, dev);
}

/* Section 5.2.6.2: without FLUSH there is no volatile cache. */
static void blk_update_dsync(struct blk_dev *blk)
{
	uint64_t features = blk->dev.driver_features;
	bool dsync = true;

	if (features & BIT64(VIRTIO_BLK_F_FLUSH))
		dsync = (features & BIT64(VIRTIO_BLK_F_CONFIG_WCE)) &&
			!atomic_load(&blk->writeback);
	atomic_store(&blk->dsync, dsync);
}

/*
 * Asked for each request after it was taken: the driver may have changed its
 * mind before it made this one available.
 */
static inline bool blk_is_dsync(struct blk_dev *blk)
{
	return atomic_load(&blk->dsync);
}

/*
 * Completion
 */

/* What the device did not fill must not look as if it had been written. */
static void blk_zero_in(struct blk_req *req)
{
	struct iovec *iov = req->chain.iov + req->chain.nout;
	unsigned int i;

	for (i = 0; i < req->chain.nin; i++)
		memset(iov[i].iov_base, 0, iov[i].iov_len);
}

static inline void blk_push(struct blk_queue *bq, struct blk_req *req)
{
	req->next_free = bq->free;
	bq->free = req;
	xvb_vq_push(&bq->q->vq, req->chain.id, req->used);
}

/* To the driver, or first its data to where it wants them: blk_settle(). */
static inline void blk_give_back(struct blk_queue *bq, struct blk_req *req)
{
	if (unlikely(req->chain.ngrants))
		xvb_direct_give(bq->direct, &req->direct, req->used);
	else
		blk_push(bq, req);
}

static __attribute__((noinline)) void blk_fail(struct blk_req *req,
					       uint8_t status)
{
	blk_zero_in(req);
	xvb_stat_add(&req->bq->q->vq.stats->errors, 1);
	*req->status = status;
	blk_give_back(req->bq, req);
}

static inline void blk_complete(struct blk_req *req, uint8_t status)
{
	if (unlikely(status != VIRTIO_BLK_S_OK)) {
		blk_fail(req, status);
		return;
	}
	*req->status = VIRTIO_BLK_S_OK;
	blk_give_back(req->bq, req);
}

/* Those with direct grants that are complete, all together.  Returns how many. */
static unsigned int blk_settle(struct blk_queue *bq)
{
	struct xvb_direct_req *direct;
	struct blk_req *req;
	unsigned int n = 0;

	if (!bq->direct)
		return 0;
	xvb_direct_settle(bq->direct);
	while ((direct = xvb_direct_settled(bq->direct))) {
		req = container_of(direct, struct blk_req, direct);
		if (direct->error && req->status) {
			if (*req->status == VIRTIO_BLK_S_OK)
				xvb_stat_add(&bq->q->vq.stats->errors, 1);
			*req->status = VIRTIO_BLK_S_IOERR;
			req->used = 0;
		}
		blk_push(bq, req);
		n++;
	}
	return n;
}

static uint8_t blk_status(int result)
{
	switch (result) {
	case 0:
		return VIRTIO_BLK_S_OK;
	case -EOPNOTSUPP:
		return VIRTIO_BLK_S_UNSUPP;
	default:
		return VIRTIO_BLK_S_IOERR;
	}
}

static void blk_range_start(struct blk_req *req)
{
	const struct blk_range *range = &req->ranges[req->range];
	bool dsync = blk_is_dsync(req->bq->blk);

	req->io.offset = range->offset;
	req->io.len = range->len;
	req->io.flags = range->flags | (dsync ? XVB_FIO_DSYNC : 0);
	req->bq->blk->fio->queue(req->bq->fio, &req->io);
}

/* How the file engine did it; before a sweep is published. */
static void blk_count(struct blk_queue *bq)
{
	struct xvb_vq_stats *stats = bq->q->vq.stats;
	struct xvb_fio_counts counts;

	if (!bq->blk->fio->counts)
		return;
	counts = bq->blk->fio->counts(bq->fio);
	xvb_stat_add(&stats->io_uring, counts.uring);
	xvb_stat_add(&stats->libaio, counts.libaio);
	xvb_stat_add(&stats->helpers, counts.helpers);
	xvb_stat_add(&stats->bytes_copied, counts.copied);
}

static void blk_done(void *ctx, struct xvb_fio_req *io, int result)
{
	struct blk_req *req = container_of(io, struct blk_req, io);

	(void)ctx;
	if (unlikely(result)) {
		blk_fail(req, blk_status(result));
		return;
	}
	if (unlikely(req->nr_ranges) && ++req->range < req->nr_ranges) {
		blk_range_start(req);
		return;
	}
	blk_complete(req, VIRTIO_BLK_S_OK);
}

/*
 * Requests
 */

/* Copy @len bytes from the front of the readable part and drop them. */
static void blk_gather(struct xvb_chain *chain, void *to, size_t len)
{
	struct iovec *iov = chain->iov;
	unsigned char *p = to;
	unsigned int i = 0;
	size_t n;

	while (len) {
		n = MIN(len, iov[i].iov_len);
		memcpy(p, iov[i].iov_base, n);
		p += n;
		len -= n;
		iov[i].iov_base = (char *)iov[i].iov_base + n;
		iov[i].iov_len -= n;
		if (!iov[i].iov_len)
			i++;
	}
	/* The compiler must not read guest memory again. */
	atomic_signal_fence(memory_order_seq_cst);
	chain->iov += i;
	chain->nout -= i;
}

/* Split the last byte off the writable part. */
static inline unsigned char *blk_take_status(struct xvb_chain *chain)
{
	struct iovec *last = &chain->iov[chain->nout + chain->nin - 1];
	size_t len = last->iov_len - 1;

	last->iov_len = len;
	if (!len)
		chain->nin--;
	return (unsigned char *)last->iov_base + len;
}

/* Is [sector, sector + len) on the disk, in whole blocks? */
static inline bool blk_range_ok(const struct blk_dev *blk, uint64_t sector,
				uint64_t len)
{
	if ((len | sector << BLK_SECTOR_SHIFT) & blk->block_mask)
		return false;
	return sector <= blk->capacity &&
	       len >> BLK_SECTOR_SHIFT <= blk->capacity - sector;
}

/* A read or write whose memory, length and flags are set. */
static inline int blk_transfer(struct blk_req *req, uint64_t sector)
{
	struct blk_queue *bq = req->bq;
	struct xvb_fio_req *io = &req->io;

	if (unlikely(!blk_range_ok(bq->blk, sector, io->len)))
		return VIRTIO_BLK_S_IOERR;
	if (unlikely(!io->len))
		return VIRTIO_BLK_S_OK;
	io->offset = sector << BLK_SECTOR_SHIFT;
	bq->blk->fio->queue(bq->fio, io);
	return -1;
}

/* With direct grants that are mapped, or room in a write that is not ours. */
static __attribute__((noinline)) int blk_transfer_odd(struct blk_req *req,
						      uint64_t sector)
{
	if (req->io.op == XVB_FIO_WRITE && req->chain.nin)
		blk_zero_in(req);
	if (req->chain.ngrants && xvb_direct_mapped(&req->direct))
		req->io.flags |= XVB_FIO_BOUNCE;
	return blk_transfer(req, sector);
}

static inline int blk_read(struct blk_req *req, uint64_t sector)
{
	struct xvb_chain *chain = &req->chain;
	struct xvb_fio_req *io = &req->io;

	io->op = XVB_FIO_READ;
	io->iov = chain->iov + chain->nout;
	io->niov = chain->nin;
	io->len = chain->in_len - 1;
	io->flags = 0;
	if (unlikely(chain->ngrants))
		return blk_transfer_odd(req, sector);
	return blk_transfer(req, sector);
}

static inline int blk_write(struct blk_req *req, uint64_t sector)
{
	struct xvb_chain *chain = &req->chain;
	struct blk_dev *blk = req->bq->blk;
	struct xvb_fio_req *io = &req->io;

	if (unlikely(blk->info->readonly))
		return VIRTIO_BLK_S_IOERR;
	io->op = XVB_FIO_WRITE;
	io->iov = chain->iov;
	io->niov = chain->nout;
	io->len = chain->out_len - sizeof(struct virtio_blk_outhdr);
	io->flags = blk_is_dsync(blk) ? XVB_FIO_DSYNC : 0;
	if (unlikely(chain->ngrants || chain->nin))
		return blk_transfer_odd(req, sector);
	return blk_transfer(req, sector);
}

static int blk_flush(struct blk_req *req)
{
	struct blk_queue *bq = req->bq;

	blk_zero_in(req);
	if (bq->blk->info->readonly)
		return VIRTIO_BLK_S_OK;
	req->io.op = XVB_FIO_FLUSH;
	req->io.flags = 0;
	req->io.offset = 0;
	req->io.len = 0;
	req->io.niov = 0;
	bq->blk->fio->queue(bq->fio, &req->io);
	return -1;
}

static int blk_get_id(struct blk_req *req)
{
	struct iovec *iov = req->chain.iov + req->chain.nout;
	const char *from = req->bq->blk->serial;
	size_t left = BLK_SERIAL_LEN, n;
	unsigned int i;

	blk_zero_in(req);
	for (i = 0; i < req->chain.nin && left; i++) {
		n = MIN(left, iov[i].iov_len);
		memcpy(iov[i].iov_base, from, n);
		from += n;
		left -= n;
	}
	return VIRTIO_BLK_S_OK;
}

static int blk_check_range(struct blk_req *req, bool discard,
			   const struct virtio_blk_discard_write_zeroes *seg)
{
	struct blk_range *range = &req->ranges[req->nr_ranges];
	uint32_t flags = le32toh(seg->flags);
	uint32_t sectors = le32toh(seg->num_sectors);
	uint64_t sector = le64toh(seg->sector);

	if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP ||
	    (discard && flags))
		return VIRTIO_BLK_S_UNSUPP;
	range->len = (uint64_t)sectors << BLK_SECTOR_SHIFT;
	if (sectors > BLK_RANGE_SECTORS ||
	    !blk_range_ok(req->bq->blk, sector, range->len))
		return VIRTIO_BLK_S_IOERR;
	range->offset = sector << BLK_SECTOR_SHIFT;
	range->flags = flags ? XVB_FIO_UNMAP : 0;
	if (sectors)
		req->nr_ranges++;
	return VIRTIO_BLK_S_OK;
}

static int blk_ranges(struct blk_req *req, enum xvb_fio_op op)
{
	struct virtio_blk_discard_write_zeroes seg;
	uint64_t feature = BIT64(op == XVB_FIO_DISCARD ? VIRTIO_BLK_F_DISCARD :
				 VIRTIO_BLK_F_WRITE_ZEROES);
	unsigned int max = op == XVB_FIO_DISCARD ? BLK_RANGES_MAX :
						   BLK_ZERO_SEGS;
	struct blk_queue *bq = req->bq;
	uint32_t left;
	int ret;

	if (!(bq->blk->dev.driver_features & feature))
		return bq->blk->info->readonly ? VIRTIO_BLK_S_IOERR :
						 VIRTIO_BLK_S_UNSUPP;
	left = req->chain.out_len - sizeof(struct virtio_blk_outhdr);
	if (!left || left % sizeof(seg) || left / sizeof(seg) > max)
		return VIRTIO_BLK_S_IOERR;
	for (; left; left -= sizeof(seg)) {
		blk_gather(&req->chain, &seg, sizeof(seg));
		ret = blk_check_range(req, op == XVB_FIO_DISCARD, &seg);
		if (ret != VIRTIO_BLK_S_OK)
			return ret;
	}
	blk_zero_in(req);
	if (!req->nr_ranges)
		return VIRTIO_BLK_S_OK;
	req->io.op = op;
	req->io.niov = 0;
	blk_range_start(req);
	return -1;
}

/* What is not a read or write. */
static __attribute__((noinline)) int blk_start_other(struct blk_req *req,
						     uint32_t type)
{
	switch (type) {
	case VIRTIO_BLK_T_FLUSH:
		return blk_flush(req);
	case VIRTIO_BLK_T_GET_ID:
		return blk_get_id(req);
	case VIRTIO_BLK_T_DISCARD:
		return blk_ranges(req, XVB_FIO_DISCARD);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return blk_ranges(req, XVB_FIO_ZERO);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

static inline int blk_start_type(struct blk_req *req, uint32_t type,
				 uint64_t sector)
{
	req->range = 0;
	req->nr_ranges = 0;
	if (type == VIRTIO_BLK_T_IN)
		return blk_read(req, sector);
	if (type == VIRTIO_BLK_T_OUT)
		return blk_write(req, sector);
	return blk_start_other(req, type);
}

/* With a header in pieces, or together with data. */
static __attribute__((noinline)) int blk_start_gather(struct blk_req *req)
{
	struct virtio_blk_outhdr hdr;

	blk_gather(&req->chain, &hdr, sizeof(hdr));
	return blk_start_type(req, le32toh(hdr.type), le64toh(hdr.sector));
}

/* Start a request.  Returns its status, or -1 when it is on its way. */
static inline int blk_start(struct blk_req *req)
{
	struct xvb_chain *chain = &req->chain;
	struct virtio_blk_outhdr hdr;
	const char *from;

	if (unlikely(chain->out_len < sizeof(hdr)))
		return VIRTIO_BLK_S_IOERR;
	if (unlikely(chain->iov->iov_len != sizeof(hdr)))
		return blk_start_gather(req);
	/* As every driver makes it.  Copied by its fields, into registers. */
	from = chain->iov->iov_base;
	memcpy(&hdr.type, from + offsetof(struct virtio_blk_outhdr, type),
	       sizeof(hdr.type));
	memcpy(&hdr.sector, from + offsetof(struct virtio_blk_outhdr, sector),
	       sizeof(hdr.sector));
	/* The compiler must not read guest memory again. */
	atomic_signal_fence(memory_order_seq_cst);
	chain->iov++;
	chain->nout--;
	return blk_start_type(req, le32toh(hdr.type), le64toh(hdr.sector));
}

/* Its direct grants cannot be reached, and are not in the chain any more. */
static void blk_refuse(struct blk_queue *bq, struct blk_req *req)
{
	unsigned char *status;

	if (req->chain.in_len) {
		status = blk_take_status(&req->chain);
		blk_zero_in(req);
		*status = VIRTIO_BLK_S_IOERR;
	}
	/* What is not in the chain any more was not written. */
	req->used = 0;
	xvb_stat_add(&bq->q->vq.stats->errors, 1);
	blk_push(bq, req);
}

/* @status: how it has failed already, or -1. */
static void blk_request(struct blk_queue *bq, struct blk_req *req, int status)
{
	req->used = req->chain.in_len;
	if (unlikely(!req->used)) {
		/* No room for a status: give it back, that is all. */
		req->status = NULL;
		xvb_stat_add(&bq->q->vq.stats->errors, 1);
		blk_give_back(bq, req);
		return;
	}
	req->status = blk_take_status(&req->chain);
	if (likely(status < 0))
		status = blk_start(req);
	if (status >= 0)
		blk_complete(req, status);
}

/* One with direct grants.  Returns false when it has to wait for memory. */
static bool blk_request_direct(struct blk_queue *bq, struct blk_req *req)
{
	switch (xvb_direct_take(bq->direct, &req->direct, &req->chain)) {
	case 0:
		blk_request(bq, req, -1);
		return true;
	case -EINPROGRESS:
		return true;
	case -EAGAIN:
		bq->stalled = req;
		return false;
	default:
		blk_refuse(bq, req);
		return true;
	}
}

/* What the requests with direct grants bring along: all together. */
static void blk_fetch(struct blk_queue *bq)
{
	struct xvb_direct_req *direct;

	if (!bq->direct)
		return;
	xvb_direct_fetch(bq->direct);
	while ((direct = xvb_direct_fetched(bq->direct)))
		blk_request(bq, container_of(direct, struct blk_req, direct),
			    direct->error ? VIRTIO_BLK_S_IOERR : -1);
}

/* Returns false when there is still no memory for it. */
static bool blk_retry(struct blk_queue *bq)
{
	struct blk_req *req = bq->stalled;

	bq->stalled = NULL;
	return !req || blk_request_direct(bq, req);
}

/*
 * Queues
 */

static struct blk_req *blk_pop(struct blk_queue *bq)
{
	struct blk_req *req = bq->free;

	/* The last request that had it may have moved on. */
	req->chain.iov = req->iovs;
	req->chain.grants = req->grants;
	if (xvb_vq_pop(&bq->q->vq, &req->chain) <= 0)
		return NULL;
	bq->free = req->next_free;
	return req;
}

/* Take everything that is in the ring; at most one queue full. */
static void blk_sweep(struct blk_queue *bq)
{
	bool room = blk_retry(bq);
	struct blk_req *req;

	while (room && bq->free) {
		req = blk_pop(bq);
		if (!req)
			break;
		if (unlikely(req->chain.ngrants))
			room = blk_request_direct(bq, req);
		else
			blk_request(bq, req, -1);
	}
	blk_fetch(bq);
	/*
	 * All heads are in flight and none was given back since: one that is
	 * available now is not the driver's, and waiting for room would be
	 * spinning until the disk has finished.
	 */
	if (unlikely(!bq->free) && room && xvb_vq_pending(&bq->q->vq))
		xvb_vq_break(&bq->q->vq, "a head is available while all %u are in flight",
			     bq->q->vq.size);
	bq->blk->fio->submit(bq->fio);
}

static int blk_queue_run(struct xvb_queue *q)
{
	struct blk_queue *bq = q->priv;
	const struct xvb_fio_ops *fio = bq->blk->fio;
	unsigned int i, settled;

	xvb_vq_kick_disable(&q->vq);
	for (i = 0; i < BLK_SWEEPS; i++) {
		blk_sweep(bq);
		fio->reap(bq->fio, false);
		settled = blk_settle(bq);
		blk_count(bq);
		xvb_queue_flush(q);
		if (xvb_vq_broken(&q->vq) && !bq->stalled)
			return 0;
		/* What is in flight has the memory, and will wake us up. */
		if (unlikely(bq->stalled)) {
			if (!settled)
				return 0;
			continue;
		}
		/* Look first: arming early means notifications for nothing. */
		if (xvb_vq_pending(&q->vq) || xvb_poll(&bq->poll, &q->vq))
			continue;
		if (!xvb_vq_kick_enable(&q->vq))
			return 0;
		xvb_vq_kick_disable(&q->vq);
	}
	return 1;
}

static unsigned int blk_queue_fds(struct xvb_queue *q, int *fds)
{
	struct blk_queue *bq = q->priv;

	fds[0] = bq->blk->fio->fd(bq->fio);
	return 1;
}

/* Returns how many requests were settled. */
static unsigned int blk_finish(struct blk_queue *bq, bool wait)
{
	const struct xvb_fio_ops *fio = bq->blk->fio;

	blk_retry(bq);
	blk_fetch(bq);
	fio->submit(bq->fio);
	fio->reap(bq->fio, wait);
	return blk_settle(bq);
}

static void blk_queue_drain(struct xvb_queue *q)
{
	while (q->vq.inuse)
		blk_finish(q->priv, true);
}

static bool blk_queue_settle(struct xvb_queue *q)
{
	struct blk_queue *bq = q->priv;

	/* What was settled may be what a stalled request waits for. */
	while (q->vq.inuse && blk_finish(bq, false) && bq->stalled)
		;
	return !q->vq.inuse;
}

static int blk_open_direct(struct blk_queue *bq, struct xvb_queue *q)
{
	int ret;

	ret = xvb_direct_open(q->vq.mem, &q->dev->direct, q->dev->nr_queues,
			      &q->vq.stats->grants, &bq->direct);
	if (ret || !bq->direct)
		return ret;
	bq->grants = calloc((size_t)q->vq.size * BLK_IOV_MAX,
			    sizeof(bq->grants[0]));
	return bq->grants ? 0 : -ENOMEM;
}

static void blk_free_queue(struct blk_queue *bq)
{
	xvb_direct_close(bq->direct);
	free(bq->grants);
	free(bq->iovs);
	free(bq->reqs);
	free(bq);
}

static void blk_init_req(struct blk_queue *bq, size_t index)
{
	struct blk_req *req = &bq->reqs[index];

	req->bq = bq;
	req->iovs = bq->iovs + index * BLK_IOV_MAX;
	req->chain.iov_max = BLK_IOV_MAX;
	if (bq->direct) {
		req->grants = bq->grants + index * BLK_IOV_MAX;
		req->chain.grants_max = BLK_IOV_MAX;
	}
	req->next_free = bq->free;
	bq->free = req;
}

static int blk_queue_start(struct xvb_queue *q, struct xvb_error *err)
{
	struct blk_dev *blk = to_blk(q->dev);
	unsigned int i, size = q->vq.size;
	struct blk_queue *bq;
	int ret = -ENOMEM;

	/* Features are negotiated. */
	blk_update_dsync(blk);

	bq = calloc(1, sizeof(*bq));
	if (!bq)
		return xvb_error_set(err, ret, "out of memory");
	bq->reqs = calloc(size, sizeof(bq->reqs[0]));
	bq->iovs = calloc((size_t)size * BLK_IOV_MAX, sizeof(bq->iovs[0]));
	if (!bq->reqs || !bq->iovs || blk_open_direct(bq, q)) {
		xvb_error_set(err, ret, "out of memory");
		goto err_free;
	}
	for (i = size; i-- > 0; )
		blk_init_req(bq, i);
	bq->q = q;
	bq->blk = blk;
	bq->poll.all = &blk->pollers;
	ret = blk->fio->open(blk->file, size, blk_done, bq, &bq->fio, err);
	if (ret)
		goto err_free;
	q->priv = bq;
	return 0;

err_free:
	blk_free_queue(bq);
	return ret;
}

static void blk_queue_stop(struct xvb_queue *q)
{
	struct blk_queue *bq = q->priv;

	/* What was completed while it was drained. */
	blk_count(bq);
	bq->blk->fio->close(bq->fio);
	blk_free_queue(bq);
	q->priv = NULL;
}

/*
 * Config space
 */

static void blk_config_read(struct xvb_device *dev, uint32_t offset, void *buf,
			    uint32_t len)
{
	struct blk_dev *blk = to_blk(dev);
	struct virtio_blk_config config = blk->config;

	config.wce = atomic_load(&blk->writeback);
	memcpy(buf, (char *)&config + offset, len);
}

static int blk_config_write(struct xvb_device *dev, uint32_t offset,
			    const void *buf, uint32_t len)
{
	struct blk_dev *blk = to_blk(dev);
	uint8_t value;

	if (!(dev->driver_features & BIT64(VIRTIO_BLK_F_CONFIG_WCE)) ||
	    offset != offsetof(struct virtio_blk_config, wce) || len != 1)
		return -EINVAL;
	memcpy(&value, buf, 1);
	if (value > 1)
		return -EINVAL;
	atomic_store(&blk->writeback, value);
	blk_update_dsync(blk);
	return 0;
}

static void blk_reset(struct xvb_device *dev)
{
	atomic_store(&to_blk(dev)->writeback, 1);
}

static unsigned int blk_log2(uint32_t n)
{
	return 31 - __builtin_clz(n);
}

static void blk_fill_config(struct blk_dev *blk)
{
	const struct xvb_file_info *info = blk->info;
	struct virtio_blk_config *c = &blk->config;
	uint32_t granularity = MAX(info->discard_granularity, info->block_size);

	blk->capacity = info->size >> BLK_SECTOR_SHIFT;
	blk->block_mask = info->block_size - 1;
	c->capacity = htole64(blk->capacity);
	c->size_max = htole32(BLK_SIZE_MAX);
	/* With header and status it fits in the queue without a table. */
	c->seg_max = htole32(MIN(BLK_SEG_MAX, blk->dev.queue_size - 2));
	c->blk_size = htole32(info->block_size);
	c->physical_block_exp = blk_log2(info->physical_size /
					 info->block_size);
	c->min_io_size = htole16(info->physical_size / info->block_size);
	c->opt_io_size = htole32(info->opt_io_size / info->block_size);
	c->num_queues = htole16(blk->dev.nr_queues);
	c->max_discard_sectors = htole32(BLK_RANGE_SECTORS);
	c->max_discard_seg = htole32(BLK_RANGES_MAX);
	c->discard_sector_alignment = htole32(granularity >> BLK_SECTOR_SHIFT);
	c->max_write_zeroes_sectors = htole32(BLK_RANGE_SECTORS);
	c->max_write_zeroes_seg = htole32(BLK_ZERO_SEGS);
	c->write_zeroes_may_unmap = 1;
}

static uint64_t blk_features(const struct blk_dev *blk)
{
	uint64_t features = BIT64(VIRTIO_BLK_F_SIZE_MAX) |
			    BIT64(VIRTIO_BLK_F_SEG_MAX) |
			    BIT64(VIRTIO_BLK_F_BLK_SIZE) |
			    BIT64(VIRTIO_BLK_F_FLUSH) |
			    BIT64(VIRTIO_BLK_F_TOPOLOGY) |
			    BIT64(VIRTIO_BLK_F_CONFIG_WCE);

	if (blk->dev.nr_queues > 1)
		features |= BIT64(VIRTIO_BLK_F_MQ);
	if (blk->info->readonly)
		return features | BIT64(VIRTIO_BLK_F_RO);
	features |= BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
	if (blk->info->can_discard)
		features |= BIT64(VIRTIO_BLK_F_DISCARD);
	return features;
}

/*
 * Creation
 */

static int blk_serial(struct blk_dev *blk, struct xvb_params *params,
		      struct xvb_error *err)
{
	const char *serial = xvb_params_string(params, "serial");

	if (!serial)
		return 0;
	if (strlen(serial) > BLK_SERIAL_LEN)
		return xvb_error_set(err, -EINVAL,
				     "serial=%s: a serial number has at most %u bytes",
				     serial, BLK_SERIAL_LEN);
	memcpy(blk->serial, serial, strlen(serial));
	return 0;
}

/* Everything but the file. */
static int blk_params(struct blk_dev *blk, struct xvb_params *params,
		      struct xvb_file_options *opt, struct xvb_error *err)
{
	bool direct = true, uring = true, whole = true, packed = false;
	uint64_t queues = 1, size, block = 0, poll_us = 0;
	int ret;

	opt->path = xvb_params_string(params, "path");
	if (!opt->path || !opt->path[0])
		return xvb_error_set(err, -EINVAL,
				     "the path of the disk is missing: write path=FILE");
	ret = xvb_params_bool(params, "readonly", &opt->readonly, err);
	if (!ret)
		ret = xvb_params_bool(params, "direct", &direct, err);
	if (!ret)
		ret = xvb_params_bool(params, "io_uring", &uring, err);
	if (!ret)
		ret = xvb_params_bool(params, XVB_PARAM_PACKED, &packed, err);
	size = packed ? BLK_QUEUE_SIZE_PACKED : BLK_QUEUE_SIZE;
	/* The bus looks at it; here the promise is kept in any case. */
	if (!ret)
		ret = xvb_params_bool(params, XVB_PARAM_WHOLE_WRITES, &whole,
				      err);
	if (!ret)
		ret = xvb_params_u64(params, "queues", 1, XVB_MAX_QUEUES,
				     &queues, err);
	if (!ret)
		ret = xvb_params_u64(params, "queue_size", BLK_QUEUE_MIN,
				     XVB_VQ_MAX_SIZE, &size, err);
	if (!ret)
		ret = xvb_params_u64(params, "logical_block_size", BLK_SECTOR,
				     4096, &block, err);
	if (!ret)
		ret = xvb_params_u64(params, "poll_us", 0, XVB_POLL_US_MAX,
				     &poll_us, err);
	if (!ret)
		ret = blk_serial(blk, params, err);
	if (ret)
		return ret;
	if (size & (size - 1))
		return xvb_error_set(err, -EINVAL,
				     "queue_size=%u: write a power of two",
				     (unsigned int)size);
	if (block & (block - 1))
		return xvb_error_set(err, -EINVAL,
				     "logical_block_size=%u: write 512 or 4096",
				     (unsigned int)block);
	opt->block_size = block;
	opt->no_direct = !direct;
	opt->nr_urings = uring ? queues : 0;
	/* The worker of a guest that was destroyed may have it for a moment. */
	opt->wait_ms = BLK_WAIT_MS;
	xvb_pollers_init(&blk->pollers, poll_us);
	blk->dev.nr_queues = queues;
	blk->dev.queue_size = size;
	return 0;
}

static int blk_create(struct xvb_params *params, struct xvb_device **dev,
		      struct xvb_error *err)
{
	struct xvb_file_options opt = { 0 };
	struct blk_dev *blk;
	int ret;

	blk = calloc(1, sizeof(*blk));
	if (!blk)
		return xvb_error_set(err, -ENOMEM, "out of memory");
	ret = blk_params(blk, params, &opt, err);
	if (ret)
		goto err_free;
	ret = xvb_file_open(&opt, &blk->file, err);
	if (ret)
		goto err_free;
	blk->info = xvb_file_info(blk->file);
	blk->fio = &xvb_fio_aio;
	atomic_init(&blk->writeback, 1);
	blk_fill_config(blk);
	blk->dev.features = blk_features(blk);
	blk->dev.config_size = BLK_CONFIG_SIZE;
	*dev = &blk->dev;
	return 0;

err_free:
	free(blk);
	return ret;
}

static void blk_destroy(struct xvb_device *dev)
{
	struct blk_dev *blk = to_blk(dev);

	xvb_file_close(blk->file);
	free(blk);
}

void xvb_blk_set_engine(struct xvb_device *dev, const struct xvb_fio_ops *fio)
{
	to_blk(dev)->fio = fio;
}

const struct xvb_device_ops xvb_blk_ops = {
	.name = "blk",
	.device_id = VIRTIO_ID_BLOCK,
	.options = "path=FILE[,readonly][,queues=N][,serial=TEXT][,logical_block_size=512|4096][,queue_size=N][,direct=0|1][,io_uring=0|1][,poll_us=N][,whole-writes=0|1][,packed=0|1]",
	.whole_writes = true,
	.create = blk_create,
	.destroy = blk_destroy,
	.reset = blk_reset,
	.config_read = blk_config_read,
	.config_write = blk_config_write,
	.queue_start = blk_queue_start,
	.queue_run = blk_queue_run,
	.queue_fds = blk_queue_fds,
	.queue_drain = blk_queue_drain,
	.queue_settle = blk_queue_settle,
	.queue_stop = blk_queue_stop,
};
