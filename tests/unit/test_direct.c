// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_direct.c - buffers that are granted for one request alone (T4, T9, T16,
 * T27)
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "disk.h"

#define HEADERS		21	/* requests of three descriptors in the ring */
#define MIB_PAGES	256
#define COPY		",direct-grants=copy"
#define MAP		",direct-grants=map"

/* An engine that completes nothing before it is told to. */
struct xvb_fio {
	void (*done)(void *ctx, struct xvb_fio_req *req, int result);
	void *ctx;
	struct xvb_fio_req *reqs[64];
	unsigned int nr;
	bool hold;
	int fd;
};

static struct xvb_fio *held;

static int held_open(struct xvb_file *file, unsigned int depth,
		     void (*done)(void *ctx, struct xvb_fio_req *req,
				  int result),
		     void *ctx, struct xvb_fio **fio, struct xvb_error *err)
{
	(void)file;
	(void)depth;
	(void)err;
	held = calloc(1, sizeof(*held));
	held->done = done;
	held->ctx = ctx;
	held->hold = true;
	held->fd = eventfd(0, EFD_NONBLOCK);
	*fio = held;
	return 0;
}

static void held_close(struct xvb_fio *fio)
{
	assert_int_equal(fio->nr, 0);
	close(fio->fd);
	free(fio);
	held = NULL;
}

static void held_queue(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	fio->reqs[fio->nr++] = req;
}

static void held_submit(struct xvb_fio *fio)
{
	(void)fio;
}

/* A read finds what its sector is. */
static unsigned int held_reap(struct xvb_fio *fio, bool wait)
{
	struct xvb_fio_req *req;
	unsigned int i, n = 0;

	while (fio->nr && (wait || !fio->hold)) {
		req = fio->reqs[--fio->nr];
		for (i = 0; req->op == XVB_FIO_READ && i < req->niov; i++)
			memset(req->iov[i].iov_base, (int)(req->offset >> 9),
			       req->iov[i].iov_len);
		fio->done(fio->ctx, req, 0);
		n++;
	}
	return n;
}

static int held_fd(struct xvb_fio *fio)
{
	return fio->fd;
}

static const struct xvb_fio_ops held_engine = {
	.open = held_open,
	.close = held_close,
	.queue = held_queue,
	.submit = held_submit,
	.reap = held_reap,
	.fd = held_fd,
};

static struct xvb_grant_stats *stats(struct disk *d)
{
	return &d->g.dev->queues[0].vq.stats->grants;
}

static uint8_t *status(struct disk *d, unsigned int i)
{
	return guest_ptr(&d->g, d->status + i);
}

static unsigned char *page(struct disk *d, unsigned int nr)
{
	return d->g.direct.base + (size_t)nr * GUEST_PAGE;
}

static void start(struct disk *d, const char *options,
		  const struct xvb_fio_ops *engine)
{
	memset(d, 0, sizeof(*d));
	disk_start_engine(d, options, 0, engine);
	guest_direct_init(&d->g);
	/* Headers for all at the end of the data. */
	d->hdr = d->data + DISK_DATA - 16 * HEADERS;
}

/* Request number @i: @pages pages from @first on, to or from sector @sector. */
static void put(struct disk *d, unsigned int i, uint64_t sector,
		unsigned int first, unsigned int pages, bool in)
{
	struct virtio_blk_outhdr *hdr = guest_ptr(&d->g, d->hdr + 16 * i);
	uint32_t type = in ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
	uint16_t flags = in ? VRING_DESC_F_WRITE : 0;

	*hdr = (struct virtio_blk_outhdr){
		.type = htole32(type),
		.sector = htole64(sector),
	};
	*status(d, i) = 0xaa;
	ring_desc(&d->r, 3 * i, guest_addr(d->hdr + 16 * i), 16,
		  VRING_DESC_F_NEXT, 3 * i + 1);
	ring_desc(&d->r, 3 * i + 1, guest_direct_addr(first),
		  pages * GUEST_PAGE, flags | VRING_DESC_F_NEXT, 3 * i + 2);
	ring_desc(&d->r, 3 * i + 2, guest_addr(d->status + i), 1,
		  VRING_DESC_F_WRITE, 0);
	ring_avail(&d->r, 3 * i);
}

/* Runs until @n requests came back. */
static void wait_for(struct disk *d, unsigned int n)
{
	uint32_t id;

	while (n--)
		guest_wait(&d->g, &d->r, 0, &id, &d->last_len);
	assert_int_equal(d->g.direct.mapped, 0);
}

/* R1: all sizes, both ways, both directions. */
static void verify(const char *options, bool by_map)
{
	static const unsigned int pages[] = { 1, 2, 3, 16, 17, MIB_PAGES };
	struct disk d;
	unsigned int i, n;

	start(&d, options, NULL);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		n = pages[i];
		pattern(page(&d, 0), n * GUEST_PAGE, i);
		memset(page(&d, 1000), 0, (n + 1) * GUEST_PAGE);
		guest_grant(&d.g, 0, n, GUEST_RO);
		put(&d, 0, 8 * i, 0, n, false);
		wait_for(&d, 1);
		assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_OK);
		assert_int_equal(d.last_len, 1);
		guest_grant(&d.g, 1000, n, GUEST_RW);
		put(&d, 1, 8 * i, 1000, n, true);
		wait_for(&d, 1);
		assert_int_equal(*status(&d, 1), VIRTIO_BLK_S_OK);
		assert_int_equal(d.last_len, n * GUEST_PAGE + 1);
		assert_true(pattern_is(page(&d, 1000), n * GUEST_PAGE, i));
		assert_true(all_zero(page(&d, 1000 + n), GUEST_PAGE));
		guest_grant(&d.g, 0, GUEST_DIRECT_PAGES, GUEST_REVOKED);
	}
	n = 2 * (1 + 2 + 3 + 16 + 17 + MIB_PAGES);
	assert_int_equal(xvb_stat_get(&stats(&d)->copies), by_map ? 0 : n);
	assert_int_equal(xvb_stat_get(&stats(&d)->copy_bytes),
			 by_map ? 0 : n * GUEST_PAGE);
	assert_int_equal(xvb_stat_get(&stats(&d)->maps), by_map ? n : 0);
	assert_int_equal(xvb_stat_get(&stats(&d)->unmaps), by_map ? n : 0);
	assert_int_equal(xvb_stat_get(&stats(&d)->errors), 0);
	disk_stop(&d);
}

static void verify_copy(void **state)
{
	(void)state;
	verify(COPY, false);
	verify("", false);
	verify(COPY ",direct=0", false);
}

static void verify_map(void **state)
{
	(void)state;
	verify(MAP, true);
}

/* In auto mode the size of a request decides. */
static void crossover(void **state)
{
	struct disk d;

	(void)state;
	start(&d, ",direct-map-min=65536", NULL);
	guest_grant(&d.g, 0, 64, GUEST_RW);
	put(&d, 0, 0, 0, 15, false);
	put(&d, 1, 1024, 20, 16, false);
	wait_for(&d, 2);
	assert_int_equal(xvb_stat_get(&stats(&d)->copies), 15);
	assert_int_equal(xvb_stat_get(&stats(&d)->maps), 16);
	assert_int_equal(*status(&d, 0) | *status(&d, 1), VIRTIO_BLK_S_OK);
	disk_stop(&d);
}

/* What one sweep finds is one call; so is what completes together. */
static void one_call(const char *options, bool by_map)
{
	struct disk d;
	unsigned int i;

	start(&d, options, &held_engine);
	guest_grant(&d.g, 0, 2 * HEADERS, GUEST_RW);
	for (i = 0; i < HEADERS; i++)
		put(&d, i, 8 * i, 2 * i, 2, i & 1);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(held->nr, HEADERS);
	assert_int_equal(by_map ? d.g.direct.maps : d.g.direct.copies, 1);
	/* Nothing is mapped while the disk works. */
	assert_int_equal(d.g.direct.mapped, 0);
	held->hold = false;
	wait_for(&d, HEADERS);
	assert_int_equal(by_map ? d.g.direct.maps : d.g.direct.copies, 2);
	assert_int_equal(by_map ? d.g.direct.copies : d.g.direct.maps, 0);
	for (i = 0; i < HEADERS; i++) {
		assert_int_equal(*status(&d, i), VIRTIO_BLK_S_OK);
		if (i & 1)
			assert_int_equal(page(&d, 2 * i + 1)[4095],
					 (8 * i) & 0xff);
	}
	disk_stop(&d);
}

static void one_call_for_a_sweep(void **state)
{
	(void)state;
	one_call(COPY, false);
	one_call(MAP, true);
}

/* T9: one that is not granted fails, the others of the same call do not. */
static void bad_ref(const char *options)
{
	struct disk d;
	unsigned int i;

	start(&d, options, NULL);
	guest_grant(&d.g, 0, 40, GUEST_RW);
	for (i = 0; i < 40; i++)
		pattern(page(&d, i), GUEST_PAGE, i);
	/* In a read; in a write, which may be read-only; in another write. */
	guest_grant(&d.g, 4, 1, GUEST_REVOKED);
	guest_grant(&d.g, 10, 1, GUEST_RO);
	guest_grant(&d.g, 17, 1, GUEST_REVOKED);
	for (i = 0; i < 10; i++)
		put(&d, i, 32 * i, 4 * i, 4, i & 1);
	wait_for(&d, 10);
	for (i = 0; i < 10; i++)
		assert_int_equal(*status(&d, i), i == 1 || i == 4 ?
				 VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
	assert_null(xvb_vq_broken(&d.g.dev->queues[0].vq));
	assert_int_not_equal(xvb_stat_get(&stats(&d)->errors), 0);
	assert_int_equal(xvb_stat_get(&d.g.dev->queues[0].vq.stats->errors), 2);
	/* Page 10 belongs to request 2, a write: reading it was allowed. */
	guest_grant(&d.g, 10, 1, GUEST_RO);
	put(&d, 0, 0, 8, 4, true);
	put(&d, 1, 0, 20, 4, true);
	wait_for(&d, 2);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(*status(&d, 1), VIRTIO_BLK_S_OK);
	disk_stop(&d);
}

static void t9_bad_ref(void **state)
{
	(void)state;
	bad_ref(COPY);
	bad_ref(MAP);
}

/* T9: granted when the request came, and not any more when it is complete. */
static void revoked(const char *options)
{
	struct disk d;

	start(&d, options, &held_engine);
	guest_grant(&d.g, 0, 8, GUEST_RW);
	put(&d, 0, 0, 0, 4, true);
	put(&d, 1, 8, 4, 4, true);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(held->nr, 2);
	guest_grant(&d.g, 3, 1, GUEST_REVOKED);
	held->hold = false;
	wait_for(&d, 2);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(*status(&d, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(page(&d, 7)[0], 8);
	disk_stop(&d);
}

static void t9_revoked(void **state)
{
	(void)state;
	revoked(COPY);
	revoked(MAP);
}

/* T9: the whole call fails. */
static void t9_no_copy(void **state)
{
	struct disk d;

	(void)state;
	start(&d, COPY, NULL);
	guest_grant(&d.g, 0, 8, GUEST_RW);
	d.g.direct.fail_copy = -ENOMEM;
	put(&d, 0, 0, 0, 4, true);
	put(&d, 1, 0, 4, 4, false);
	wait_for(&d, 2);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(*status(&d, 1), VIRTIO_BLK_S_IOERR);
	disk_stop(&d);
}

/* More than there is memory for: the rest waits on the ring. */
static void exhausted(void **state)
{
	struct disk d;
	unsigned int i;

	(void)state;
	start(&d, COPY, &held_engine);
	guest_grant(&d.g, 0, GUEST_DIRECT_PAGES, GUEST_RW);
	for (i = 0; i < 15; i++)
		put(&d, i, i, i * MIB_PAGES, MIB_PAGES, true);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(held->nr, 8);
	assert_int_equal(d.g.dev->queues[0].vq.inuse, 9);
	/* No busy waiting. */
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(held->nr, 8);
	held->hold = false;
	wait_for(&d, 15);
	for (i = 0; i < 15; i++) {
		assert_int_equal(*status(&d, i), VIRTIO_BLK_S_OK);
		assert_int_equal(page(&d, (i + 1) * MIB_PAGES - 1)[0], i);
	}
	disk_stop(&d);
}

/* The same when nothing is in flight that could wake the queue up. */
static void exhausted_by_failures(void **state)
{
	struct disk d;
	uint32_t id, len;
	unsigned int i;

	(void)state;
	start(&d, COPY, &held_engine);
	for (i = 0; i < 15; i++)
		put(&d, i, i, i * MIB_PAGES, MIB_PAGES, false);
	/* All of them: nobody would call it again. */
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	for (i = 0; i < 15; i++)
		assert_true(ring_used(&d.r, &id, &len));
	for (i = 0; i < 15; i++)
		assert_int_equal(*status(&d, i), VIRTIO_BLK_S_IOERR);
	assert_int_equal(held->nr, 0);
	disk_stop(&d);
}

/* A drain waits for what was taken, also for what waits for memory. */
static void drain(void **state)
{
	struct xvb_queue *q;
	struct disk d;
	uint32_t id, len;
	unsigned int i;

	(void)state;
	start(&d, COPY, &held_engine);
	q = &d.g.dev->queues[0];
	guest_grant(&d.g, 0, GUEST_DIRECT_PAGES, GUEST_RW);
	for (i = 0; i < 12; i++)
		put(&d, i, i, i * MIB_PAGES, MIB_PAGES, i & 1);
	assert_int_equal(xvb_queue_run(q), 0);
	xvb_queue_drain(q);
	assert_int_equal(q->vq.inuse, 0);
	for (i = 0; i < 9; i++)
		assert_true(ring_used(&d.r, &id, &len));
	assert_false(ring_used(&d.r, &id, &len));
	/* And it goes on where it was. */
	held->hold = false;
	wait_for(&d, 3);
	for (i = 0; i < 12; i++)
		assert_int_equal(*status(&d, i), VIRTIO_BLK_S_OK);
	disk_stop(&d);
}

/*
 * Larger than the memory of a queue, which is 2 MiB when there are 64: mapped
 * for as long as it takes, and copied by the helpers.
 */
static void large(void **state)
{
	struct disk d;

	(void)state;
	start(&d, COPY ",queues=64", NULL);
	guest_grant(&d.g, 0, GUEST_DIRECT_PAGES, GUEST_RW);
	guest_grant(&d.g, 0, 1024, GUEST_RO);
	pattern(page(&d, 0), 1024 * GUEST_PAGE, 3);
	put(&d, 0, 0, 0, 1024, false);
	wait_for(&d, 1);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_OK);
	put(&d, 0, 0, 2000, 1024, true);
	put(&d, 1, 0, 1500, 2, true);
	wait_for(&d, 2);
	assert_int_equal(*status(&d, 0) | *status(&d, 1), VIRTIO_BLK_S_OK);
	assert_true(pattern_is(page(&d, 2000), 1024 * GUEST_PAGE, 3));
	assert_int_equal(xvb_stat_get(&stats(&d)->maps), 2048);
	assert_int_equal(xvb_stat_get(&stats(&d)->unmaps), 2048);
	assert_int_equal(xvb_stat_get(&stats(&d)->copies), 2);
	/* The kernel never saw those pages. */
	assert_int_equal(xvb_stat_get(&d.g.dev->queues[0].vq.stats->helpers),
			 2);
	/* One page of it is not granted. */
	guest_grant(&d.g, 3023, 1, GUEST_RO);
	put(&d, 0, 0, 2000, 1024, true);
	put(&d, 1, 0, 1500, 2, true);
	wait_for(&d, 2);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(*status(&d, 1), VIRTIO_BLK_S_OK);
	/* And more than is ever mapped. */
	put(&d, 0, 0, 0, 65537, true);
	wait_for(&d, 1);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(d.last_len, 0);
	disk_stop(&d);
}

/* No driver does that, and it is legal: header and status in whole pages. */
static void everything_direct(void **state)
{
	struct virtio_blk_outhdr *hdr;
	struct disk d;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		start(&d, i ? MAP : COPY, NULL);
		guest_grant(&d.g, 0, 1, GUEST_RO);
		guest_grant(&d.g, 1, 1, GUEST_RW);
		hdr = (struct virtio_blk_outhdr *)page(&d, 0);
		hdr->type = htole32(VIRTIO_BLK_T_GET_ID);
		memset(page(&d, 1), 0xaa, GUEST_PAGE);
		ring_desc(&d.r, 0, guest_direct_addr(0), GUEST_PAGE,
			  VRING_DESC_F_NEXT, 1);
		ring_desc(&d.r, 1, guest_direct_addr(1), GUEST_PAGE,
			  VRING_DESC_F_WRITE, 0);
		ring_avail(&d.r, 0);
		wait_for(&d, 1);
		assert_int_equal(d.last_len, GUEST_PAGE);
		assert_true(all_zero(page(&d, 1), GUEST_PAGE));
		/* Nor is a chain without room for a status. */
		ring_desc(&d.r, 0, guest_direct_addr(0), GUEST_PAGE, 0, 0);
		ring_avail(&d.r, 0);
		wait_for(&d, 1);
		assert_int_equal(d.last_len, 0);
		disk_stop(&d);
	}
}

/* Of a request that fails, nothing is shown that was there before. */
static void nothing_stale(void **state)
{
	struct disk d;

	(void)state;
	start(&d, COPY, NULL);
	guest_grant(&d.g, 0, 64, GUEST_RW);
	memset(page(&d, 0), 0x77, 64 * GUEST_PAGE);
	put(&d, 0, 0, 0, 32, false);
	wait_for(&d, 1);
	memset(page(&d, 0), 0x11, 64 * GUEST_PAGE);
	/* Far behind the end of the disk. */
	put(&d, 0, 1 << 30, 0, 32, true);
	wait_for(&d, 1);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(d.last_len, 32 * GUEST_PAGE + 1);
	assert_true(all_zero(page(&d, 0), 32 * GUEST_PAGE));
	assert_int_equal(page(&d, 32)[0], 0x11);
	memset(page(&d, 0), 0x11, 64 * GUEST_PAGE);
	put(&d, 0, 1 << 30, 0, 2, true);
	wait_for(&d, 1);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(d.last_len, 2 * GUEST_PAGE + 1);
	assert_true(all_zero(page(&d, 0), 2 * GUEST_PAGE));
	assert_int_equal(page(&d, 2)[0], 0x11);
	disk_stop(&d);
}

/* Request 0 with room of @len bytes in the window, behind its pages. */
static void put_room(struct disk *d, unsigned int pages, bool in, uint32_t len)
{
	put(d, 0, 0, 0, pages, in);
	memset(guest_ptr(&d->g, d->data), 0x77, len + 1);
	d->r.desc[1].next = htole16(3);
	ring_desc(&d->r, 3, guest_addr(d->data), len,
		  VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
}

/*
 * feature-whole-writes: what lies in the window is written as well when pages
 * that are granted directly cannot be reached.
 */
static void whole_writes(void **state)
{
	static const struct {
		unsigned int pages, good;
		bool in;
		uint8_t byte;
	} tries[] = {
		/* The data cannot be fetched. */
		{ 2, 1, false, 0 },
		/* They cannot be brought back: they are there, however. */
		{ 2, 1, true, 0x55 },
		/* They cannot be mapped, or are too many for that. */
		{ 1024, 1023, false, 0 }, { 1024, 1023, true, 0 },
		{ 65537, GUEST_DIRECT_PAGES, false, 0 },
		{ 65537, GUEST_DIRECT_PAGES, true, 0 },
	};
	unsigned int i, k, n;
	unsigned char *room;
	struct disk d;

	(void)state;
	for (i = 0; i < 2 * ARRAY_SIZE(tries); i++) {
		n = i & 1 ? 70000 : 1536;
		n -= n % 512;
		start(&d, COPY ",queues=64", NULL);
		memset(guest_ptr(&d.g, d.data), 0x55, 1 << 18);
		disk_pwrite(&d, guest_ptr(&d.g, d.data), 1 << 18, 0);
		guest_grant(&d.g, 0, tries[i / 2].good, GUEST_RW);
		put_room(&d, tries[i / 2].pages, tries[i / 2].in, n);
		wait_for(&d, 1);
		assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
		assert_int_equal(d.last_len, tries[i / 2].in ||
				 tries[i / 2].pages > 2 ? 0 : n + 1);
		room = guest_ptr(&d.g, d.data);
		for (k = 0; k < n; k++)
			assert_int_equal(room[k], tries[i / 2].byte);
		assert_int_equal(room[n], 0x77);
		disk_stop(&d);
	}
}

/* An address that is neither in one window nor a direct grant. */
static void breaks(const char *options, uint64_t addr, uint32_t len)
{
	struct disk d;

	start(&d, options, NULL);
	guest_grant(&d.g, 0, 64, GUEST_RW);
	put(&d, 0, 0, 0, 1, true);
	d.r.desc[1].addr = htole64(addr);
	d.r.desc[1].len = htole32(len);
	xvb_queue_run(&d.g.dev->queues[0]);
	assert_int_equal(d.g.broken[0], 1);
	assert_non_null(strstr(d.g.reason, "not inside one"));
	assert_int_equal(d.g.direct.copies, 0);
	disk_stop(&d);
}

static void t27_not_a_grant(void **state)
{
	uint64_t good = guest_direct_addr(0);

	(void)state;
	breaks(",direct-grants=off", good, 4096);
	breaks(COPY, good + 512, 4096);
	breaks(COPY, good, 512);
	breaks(COPY, good, 4097);
	breaks(COPY, good & ~XVIO_ADDR_GRANT, 4096);
	breaks(COPY, good | 1ULL << 44, 4096);
	breaks(COPY, good | 1ULL << 62, 4096);
	breaks(COPY, XVIO_ADDR_GRANT | 1ULL << 44, 4096);
	breaks(COPY, XVIO_ADDR_GRANT | ((1ULL << 44) - 4096), 8192);
	breaks(COPY, UINT64_MAX & ~4095ULL, 8192);
	breaks(COPY, ~XVIO_ADDR_GRANT & ~4095ULL, 8192);
	/* What begins in a window ends there. */
	breaks(COPY, guest_addr(511 * 4096), 8192);
}

/* T27: the same page twice in a chain, and a ring's own page. */
static void t27_same_page_twice(void **state)
{
	struct disk d;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		start(&d, i ? MAP : COPY, NULL);
		guest_grant(&d.g, 0, 2, GUEST_RW);
		put(&d, 0, 0, 0, 1, true);
		put(&d, 1, 0, 0, 1, true);
		wait_for(&d, 2);
		assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_OK);
		assert_int_equal(*status(&d, 1), VIRTIO_BLK_S_OK);
		/* From before the window into it: there is no such grant. */
		put(&d, 0, 0, 0, 2, true);
		d.r.desc[1].addr = htole64(guest_addr(0) - 4096);
		wait_for(&d, 1);
		assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
		disk_stop(&d);
	}
}

/* Large ones wait for each other; of a device there is a limit. */
static void t4_large(void **state)
{
	struct disk d;
	unsigned int i;

	(void)state;
	start(&d, COPY ",queues=64", &held_engine);
	guest_grant(&d.g, 0, GUEST_DIRECT_PAGES, GUEST_RW);
	for (i = 0; i < 4; i++)
		put(&d, i, i, 700 * i, 700, true);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(held->nr, 1);
	assert_int_equal(d.g.direct.mapped, 700);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(d.g.mem.direct_pages, 700);
	held->hold = false;
	wait_for(&d, 4);
	for (i = 0; i < 4; i++) {
		assert_int_equal(*status(&d, i), VIRTIO_BLK_S_OK);
		assert_int_equal(page(&d, 700 * i + 699)[4095], i);
	}
	assert_int_equal(d.g.mem.direct_pages, 0);
	/* Another queue has the rest. */
	d.g.mem.direct_pages = 65536 - 699;
	put(&d, 0, 0, 0, 700, true);
	put(&d, 1, 0, 800, 2, true);
	wait_for(&d, 2);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(*status(&d, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(d.g.mem.direct_pages, 65536 - 699);
	d.g.mem.direct_pages--;
	put(&d, 0, 0, 0, 700, true);
	wait_for(&d, 1);
	assert_int_equal(*status(&d, 0), VIRTIO_BLK_S_OK);
	disk_stop(&d);
}

static void parameters(void **state)
{
	static const char * const bad[] = {
		"direct-grants=", "direct-grants=yes", "direct-grants=Copy",
		"direct-map-min=4095", "direct-map-min=1073741825",
		"direct-map-min=x",
	};
	struct xvb_device *dev;
	struct xvb_params params;
	struct xvb_error err;
	char spec[64];
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(spec, sizeof(spec), "type=rng,%s", bad[i]);
		assert_int_equal(xvb_params_parse(&params, spec, &err), 0);
		assert_int_equal(xvb_device_create(&params, &dev, &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, "direct-"));
		xvb_params_free(&params);
	}
}

/* Entropy has the same way, and no driver that goes it. */
static void rng(void **state)
{
	struct guest_ring r;
	struct guest g;
	uint32_t id, len;

	(void)state;
	guest_init(&g, 64);
	guest_direct_init(&g);
	guest_attach(&g, "type=rng", 0);
	guest_queue(&g, &r, 0, 8);
	guest_grant(&g, 0, 2, GUEST_RW);
	ring_desc(&r, 0, guest_direct_addr(0), 8192, VRING_DESC_F_WRITE, 0);
	ring_avail(&r, 0);
	guest_wait(&g, &r, 0, &id, &len);
	assert_int_equal(len, 4096);
	assert_false(all_zero(g.direct.base, 4096));
	assert_true(all_zero(g.direct.base + 4096, 4096));
	guest_grant(&g, 0, 2, GUEST_RO);
	ring_avail(&r, 0);
	guest_wait(&g, &r, 0, &id, &len);
	assert_int_equal(len, 0);
	guest_detach(&g);
	guest_destroy(&g);
}

/* T16: queues map and unmap at the same time (thread sanitizer). */
struct runner {
	struct disk *d;
	struct guest_ring r;
	unsigned int index;
};

static void *runner_main(void *arg)
{
	struct runner *run = arg;
	struct xvb_queue *q = &run->d->g.dev->queues[run->index];
	uint32_t id, len;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		ring_avail(&run->r, 0);
		while (!ring_used(&run->r, &id, &len))
			xvb_queue_run(q);
	}
	return NULL;
}

static void t16_parallel(void **state)
{
	struct runner run[2];
	pthread_t threads[2];
	unsigned int i;
	struct disk d;

	(void)state;
	start(&d, MAP ",queues=3,io_uring=0", NULL);
	guest_grant(&d.g, 0, 64, GUEST_RW);
	disk_header(&d, VIRTIO_BLK_T_IN, 0);
	for (i = 0; i < 2; i++) {
		run[i].d = &d;
		run[i].index = i + 1;
		guest_queue(&d.g, &run[i].r, i + 1, 4);
		ring_desc(&run[i].r, 0, guest_addr(d.hdr), 16,
			  VRING_DESC_F_NEXT, 1);
		ring_desc(&run[i].r, 1, guest_direct_addr(16 * i), 65536,
			  VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
		ring_desc(&run[i].r, 2, guest_addr(d.status + 1 + i), 1,
			  VRING_DESC_F_WRITE, 0);
		assert_int_equal(pthread_create(&threads[i], NULL, runner_main,
						&run[i]), 0);
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(*status(&d, 1) | *status(&d, 2), VIRTIO_BLK_S_OK);
	assert_int_equal(d.g.direct.mapped, 0);
	disk_stop(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verify_copy),
		cmocka_unit_test(verify_map),
		cmocka_unit_test(crossover),
		cmocka_unit_test(one_call_for_a_sweep),
		cmocka_unit_test(t9_bad_ref),
		cmocka_unit_test(t9_revoked),
		cmocka_unit_test(t9_no_copy),
		cmocka_unit_test(exhausted),
		cmocka_unit_test(exhausted_by_failures),
		cmocka_unit_test(drain),
		cmocka_unit_test(large),
		cmocka_unit_test(everything_direct),
		cmocka_unit_test(nothing_stale),
		cmocka_unit_test(whole_writes),
		cmocka_unit_test(t27_not_a_grant),
		cmocka_unit_test(t27_same_page_twice),
		cmocka_unit_test(t4_large),
		cmocka_unit_test(parameters),
		cmocka_unit_test(rng),
		cmocka_unit_test(t16_parallel),
	};

	xvb_log_setup(2, XVB_LOG_ERROR, "");
	return cmocka_run_group_tests_name("direct", tests, NULL, NULL);
}
