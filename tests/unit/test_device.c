// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_device.c - what all devices have in common, and virtio-blk on an
 * engine that is slow and fails (R10, T11, T23)
 */

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "disk.h"

/*
 * The engine: completes nothing by itself.  A test completes requests by
 * number, with a result; reap(wait) completes all, as a slow disk would.
 */
struct xvb_fio {
	void (*done)(void *ctx, struct xvb_fio_req *req, int result);
	void *ctx;
	struct xvb_fio_req *reqs[1024];
	unsigned int nr;
	unsigned int submits;
	int fd;
};

static struct xvb_fio *slow;
static int slow_open_error;

static int slow_open(struct xvb_file *file, unsigned int depth,
		     void (*done)(void *ctx, struct xvb_fio_req *req,
				  int result),
		     void *ctx, struct xvb_fio **fio, struct xvb_error *err)
{
	(void)file;
	(void)depth;
	if (slow_open_error)
		return xvb_error_set(err, slow_open_error, "no engine today");
	slow = calloc(1, sizeof(*slow));
	slow->done = done;
	slow->ctx = ctx;
	slow->fd = eventfd(0, EFD_NONBLOCK);
	*fio = slow;
	return 0;
}

static void slow_close(struct xvb_fio *fio)
{
	assert_int_equal(fio->nr, 0);
	close(fio->fd);
	free(fio);
	slow = NULL;
}

static void slow_queue(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	fio->reqs[fio->nr++] = req;
}

/* For endless_driver(): makes heads 0 and 2 available in turn, for ever. */
static struct disk *endless;

static void slow_submit(struct xvb_fio *fio)
{
	uint32_t id, len;

	fio->submits++;
	if (!endless)
		return;
	if (fio->submits == 1)
		ring_avail(&endless->r, 2);
	else if (ring_used(&endless->r, &id, &len))
		ring_avail(&endless->r, id);
}

static void slow_complete(unsigned int i, int result)
{
	struct xvb_fio_req *req = slow->reqs[i];

	slow->reqs[i] = slow->reqs[--slow->nr];
	slow->done(slow->ctx, req, result);
}

static unsigned int slow_reap(struct xvb_fio *fio, bool wait)
{
	unsigned int n = 0;

	while (wait && fio->nr) {
		slow_complete(0, 0);
		n++;
	}
	return n;
}

static int slow_fd(struct xvb_fio *fio)
{
	return fio->fd;
}

static const struct xvb_fio_ops slow_engine = {
	.open = slow_open,
	.close = slow_close,
	.queue = slow_queue,
	.submit = slow_submit,
	.reap = slow_reap,
	.fd = slow_fd,
};

/* Make @n reads of one sector available; status bytes at d->status + i. */
static void make_reads(struct disk *d, unsigned int n)
{
	struct guest_buf buf[3];
	unsigned int i;

	disk_header(d, VIRTIO_BLK_T_IN, 0);
	memset(guest_ptr(&d->g, d->status), 0xaa, n);
	for (i = 0; i < n; i++) {
		buf[0] = (struct guest_buf){ d->hdr, 16, false };
		buf[1] = (struct guest_buf){ d->data + 512 * i, 512, true };
		buf[2] = (struct guest_buf){ d->status + i, 1, true };
		ring_chain(&d->r, 3 * i, buf, 3);
		ring_avail(&d->r, 3 * i);
	}
}

static uint8_t status(struct disk *d, unsigned int i)
{
	return ((uint8_t *)guest_ptr(&d->g, d->status))[i];
}

static void slow_start(struct disk *d, uint64_t without)
{
	memset(d, 0, sizeof(*d));
	disk_start_engine(d, "", without, &slow_engine);
}

/* A write to a read-only disk does not even reach the engine. */
static void readonly_write(void **state)
{
	struct guest_buf buf[3];
	struct disk d;

	(void)state;
	memset(&d, 0, sizeof(d));
	disk_start_engine(&d, ",readonly", 0, &slow_engine);
	buf[0] = (struct guest_buf){ d.hdr, 16, false };
	buf[1] = (struct guest_buf){ d.data, 512, false };
	buf[2] = (struct guest_buf){ d.status, 1, true };
	disk_header(&d, VIRTIO_BLK_T_OUT, 0);
	ring_chain(&d.r, 0, buf, 3);
	ring_avail(&d.r, 0);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(slow->nr, 0);
	assert_int_equal(status(&d, 0), VIRTIO_BLK_S_IOERR);
	disk_stop(&d);
}

static void features(void **state)
{
	uint64_t v1 = BIT64(VIRTIO_F_VERSION_1);
	struct xvb_error err = { "" };
	struct guest g;

	(void)state;
	guest_init(&g, 16);
	guest_attach(&g, "type=rng", 0);
	assert_int_equal(g.dev->features & GUEST_BASE, GUEST_BASE);
	assert_int_equal(xvb_device_set_features(g.dev, GUEST_BASE, &err), 0);
	assert_int_equal(xvb_device_set_features(g.dev, 0, &err), -EINVAL);
	assert_int_equal(xvb_device_set_features(g.dev, v1, &err), -EINVAL);
	assert_non_null(strstr(err.text, "ACCESS_PLATFORM"));
	assert_int_equal(xvb_device_set_features(g.dev, GUEST_BASE & ~v1,
						 &err), -EINVAL);
	assert_non_null(strstr(err.text, "VERSION_1"));
	/* NOTIFICATION_DATA was never offered. */
	assert_int_equal(xvb_device_set_features(g.dev, GUEST_BASE |
						 BIT64(38), &err), -EINVAL);
	assert_int_equal(xvb_device_set_features(g.dev, ~0ULL, &err), -EINVAL);
	guest_detach(&g);
	guest_destroy(&g);
}

static void queue_size_limit(void **state)
{
	struct xvb_error err = { "" };
	struct guest_ring r;
	struct guest g;

	(void)state;
	guest_init(&g, 64);
	guest_attach(&g, "type=rng", 0);
	ring_init(&r, &g, 16, 0);
	assert_int_equal(xvb_queue_start(&g.dev->queues[0], &r.setup, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "above the 8"));
	guest_detach(&g);
	guest_destroy(&g);
}

static void engine_open_fails(void **state)
{
	struct xvb_error err = { "" };
	struct disk d;

	(void)state;
	slow_start(&d, 0);
	xvb_queue_stop(&d.g.dev->queues[0]);
	slow_open_error = -EMFILE;
	assert_int_equal(xvb_queue_start(&d.g.dev->queues[0], &d.r.setup,
					 &err), -EMFILE);
	assert_string_equal(err.text, "no engine today");
	assert_false(xvb_queue_started(&d.g.dev->queues[0]));
	assert_int_equal(xvb_memory_remove(&d.g.mem, GUEST_REF, 512), 0);
	slow_open_error = 0;
	disk_stop(&d);
}

/* One submit for a sweep, one notification for a batch of completions. */
static void batching(void **state)
{
	struct disk d;
	unsigned int i;

	(void)state;
	slow_start(&d, BIT64(VIRTIO_RING_F_EVENT_IDX));
	make_reads(&d, 20);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(slow->nr, 20);
	assert_int_equal(slow->submits, 1);
	assert_int_equal(d.g.notified[0], 0);
	for (i = 0; i < 20; i++)
		slow_complete(0, 0);
	assert_int_equal(xvb_queue_run(&d.g.dev->queues[0]), 0);
	assert_int_equal(d.g.notified[0], 1);
	assert_int_equal(xvb_stat_get(&d.g.dev->queues[0].vq.stats->completed),
			 20);
	disk_stop(&d);
}

/* R10: what the file returns becomes the right status. */
static void r10_errors(void **state)
{
	static const int results[] = { 0, -EIO, -ENOSPC, -EOPNOTSUPP, -EINVAL };
	static const uint8_t want[] = { VIRTIO_BLK_S_OK, VIRTIO_BLK_S_IOERR,
					VIRTIO_BLK_S_IOERR,
					VIRTIO_BLK_S_UNSUPP,
					VIRTIO_BLK_S_IOERR };
	uint32_t id, len;
	struct disk d;
	unsigned int i;

	(void)state;
	slow_start(&d, 0);
	for (i = 0; i < ARRAY_SIZE(results); i++) {
		make_reads(&d, 1);
		xvb_queue_run(&d.g.dev->queues[0]);
		memset(guest_ptr(&d.g, d.data), 0x77, 512);
		slow_complete(0, results[i]);
		xvb_queue_run(&d.g.dev->queues[0]);
		assert_true(ring_used(&d.r, &id, &len));
		assert_int_equal(len, 513);
		assert_int_equal(status(&d, 0), want[i]);
		/* What failed shows nothing. */
		if (results[i])
			assert_true(all_zero(guest_ptr(&d.g, d.data), 512));
	}
	assert_int_equal(xvb_stat_get(&d.g.dev->queues[0].vq.stats->errors), 4);
	disk_stop(&d);
}

/* R10: ranges are done one after the other, and none after a failure. */
static void r10_range_fails(void **state)
{
	struct virtio_blk_discard_write_zeroes *seg;
	struct guest_buf buf[3];
	struct disk d;
	unsigned int fail, i;

	(void)state;
	for (fail = 0; fail < 2; fail++) {
		slow_start(&d, 0);
		if (!(d.g.dev->features & BIT64(VIRTIO_BLK_F_DISCARD))) {
			disk_stop(&d);
			skip();
		}
		seg = guest_ptr(&d.g, d.data);
		for (i = 0; i < 3; i++) {
			seg[i].sector = htole64(64 * i);
			seg[i].num_sectors = htole32(8);
		}
		buf[0] = (struct guest_buf){ d.hdr, 16, false };
		buf[1] = (struct guest_buf){ d.data, 48, false };
		buf[2] = (struct guest_buf){ d.status, 1, true };
		disk_header(&d, VIRTIO_BLK_T_DISCARD, 0);
		ring_chain(&d.r, 0, buf, 3);
		ring_avail(&d.r, 0);
		xvb_queue_run(&d.g.dev->queues[0]);
		for (i = 0; i < 3; i++) {
			assert_int_equal(slow->nr, 1);
			assert_int_equal(slow->reqs[0]->offset, 64 * 512 * i);
			assert_int_equal(slow->reqs[0]->len, 8 * 512);
			slow_complete(0, fail && i ? -EIO : 0);
			if (fail && i)
				break;
		}
		assert_int_equal(slow->nr, 0);
		assert_int_equal(status(&d, 0), fail ? VIRTIO_BLK_S_IOERR :
						       VIRTIO_BLK_S_OK);
		disk_stop(&d);
	}
}

/* T11: the ring breaks while I/O is in flight; it still comes back. */
static void t11_broken_with_io(void **state)
{
	struct xvb_queue *q;
	uint32_t id, len;
	struct disk d;

	(void)state;
	slow_start(&d, 0);
	q = &d.g.dev->queues[0];
	make_reads(&d, 3);
	assert_int_equal(xvb_queue_run(q), 0);
	ring_avail(&d.r, 60000);
	assert_int_equal(xvb_queue_run(q), -EPROTO);
	assert_int_equal(xvb_queue_run(q), -EPROTO);
	assert_int_equal(d.g.broken[0], 1);
	assert_non_null(strstr(d.g.reason, "60000"));
	slow_complete(1, 0);
	assert_int_equal(xvb_queue_run(q), -EPROTO);
	assert_true(ring_used(&d.r, &id, &len));
	assert_int_equal(status(&d, 1), VIRTIO_BLK_S_OK);
	xvb_queue_drain(q);
	assert_int_equal(q->vq.inuse, 0);
	assert_true(ring_used(&d.r, &id, &len));
	assert_true(ring_used(&d.r, &id, &len));
	assert_int_equal(d.g.broken[0], 1);
	disk_stop(&d);
}

/* More heads than there are: no spinning until the disk has finished. */
static void t11_too_many_heads(void **state)
{
	struct guest_buf buf[3];
	struct xvb_queue *q;
	struct disk d;
	unsigned int i;

	(void)state;
	slow_start(&d, 0);
	q = &d.g.dev->queues[0];
	buf[0] = (struct guest_buf){ d.hdr, 16, false };
	buf[1] = (struct guest_buf){ d.data, 512, true };
	buf[2] = (struct guest_buf){ d.status, 1, true };
	disk_header(&d, VIRTIO_BLK_T_IN, 0);
	for (i = 0; i < DISK_QUEUE; i++) {
		ring_indirect(&d.r, i, buf, 3);
		ring_avail(&d.r, i);
	}
	assert_int_equal(xvb_queue_run(q), 0);
	assert_int_equal(slow->nr, DISK_QUEUE);
	ring_avail(&d.r, 0);
	assert_int_equal(xvb_queue_run(q), -EPROTO);
	assert_non_null(strstr(d.g.reason, "all 64 are in flight"));
	xvb_queue_drain(q);
	assert_int_equal(q->vq.inuse, 0);
	disk_stop(&d);
}

/* Pause: after the drain nothing is in flight, and the queue can go on. */
static void drain_and_go_on(void **state)
{
	struct xvb_queue *q;
	uint32_t id, len;
	struct disk d;
	unsigned int i;

	(void)state;
	slow_start(&d, 0);
	q = &d.g.dev->queues[0];
	make_reads(&d, 5);
	xvb_queue_run(q);
	make_reads(&d, 0);
	xvb_queue_drain(q);
	for (i = 0; i < 5; i++) {
		assert_true(ring_used(&d.r, &id, &len));
		assert_int_equal(status(&d, i), 0);
	}
	/* What came meanwhile was not taken by the drain. */
	make_reads(&d, 2);
	xvb_queue_drain(q);
	assert_false(ring_used(&d.r, &id, &len));
	xvb_queue_run(q);
	xvb_queue_drain(q);
	assert_true(ring_used(&d.r, &id, &len));
	assert_true(ring_used(&d.r, &id, &len));
	disk_stop(&d);
}

/* A drain that does not wait, and what has completed is to be seen at once. */
static void t23_settle(void **state)
{
	struct xvb_queue *q;
	uint32_t id, len;
	struct disk d;

	(void)state;
	slow_start(&d, 0);
	q = &d.g.dev->queues[0];
	assert_true(xvb_queue_settle(q));
	make_reads(&d, 2);
	xvb_queue_run(q);
	make_reads(&d, 1);
	assert_false(xvb_queue_settle(q));
	assert_int_equal(slow->nr, 2);
	slow_complete(0, 0);
	assert_false(xvb_queue_settle(q));
	assert_true(ring_used(&d.r, &id, &len));
	assert_false(ring_used(&d.r, &id, &len));
	slow_complete(0, 0);
	assert_true(xvb_queue_settle(q));
	assert_true(ring_used(&d.r, &id, &len));
	/* The third was not taken. */
	assert_int_equal(slow->nr, 0);
	xvb_queue_run(q);
	assert_int_equal(slow->nr, 1);
	xvb_queue_drain(q);
	disk_stop(&d);
}

/* T23: a kick before start and after stop. */
static void t23_kick_when_stopped(void **state)
{
	int fds[XVB_QUEUE_MAX_FDS];
	struct xvb_queue *q;
	struct disk d;

	(void)state;
	slow_start(&d, 0);
	q = &d.g.dev->queues[0];
	make_reads(&d, 1);
	xvb_queue_stop(q);
	assert_int_equal(xvb_queue_run(q), 0);
	assert_int_equal(xvb_queue_fds(q, fds), 0);
	xvb_queue_drain(q);
	xvb_queue_stop(q);
	xvb_device_reset(d.g.dev);
	assert_int_equal(d.g.dev->driver_features, 0);
	assert_int_equal(xvb_queue_run(q), 0);
	disk_stop(&d);
}

/* 5.2.6.2: without FLUSH, and with writeback off, writes are durable. */
static void write_through(void **state)
{
	struct guest_buf buf[3];
	uint32_t gen;
	uint8_t off = 0;
	struct disk d;

	(void)state;
	slow_start(&d, 0);
	buf[0] = (struct guest_buf){ d.hdr, 16, false };
	buf[1] = (struct guest_buf){ d.data, 512, false };
	buf[2] = (struct guest_buf){ d.status, 1, true };
	disk_header(&d, VIRTIO_BLK_T_OUT, 0);
	ring_chain(&d.r, 0, buf, 3);
	ring_avail(&d.r, 0);
	xvb_queue_run(&d.g.dev->queues[0]);
	assert_int_equal(slow->reqs[0]->flags & XVB_FIO_DSYNC, 0);
	xvb_queue_drain(&d.g.dev->queues[0]);
	xvb_device_config_read(d.g.dev, 0, &off, 0, &gen);
	assert_int_equal(xvb_device_config_write(d.g.dev, gen, 32, &off, 1),
			 0);
	ring_avail(&d.r, 0);
	xvb_queue_run(&d.g.dev->queues[0]);
	assert_int_equal(slow->reqs[0]->flags & XVB_FIO_DSYNC, XVB_FIO_DSYNC);
	xvb_queue_drain(&d.g.dev->queues[0]);
	disk_stop(&d);

	slow_start(&d, BIT64(VIRTIO_BLK_F_FLUSH));
	disk_header(&d, VIRTIO_BLK_T_OUT, 0);
	ring_chain(&d.r, 0, buf, 3);
	ring_avail(&d.r, 0);
	xvb_queue_run(&d.g.dev->queues[0]);
	assert_int_equal(slow->reqs[0]->flags & XVB_FIO_DSYNC, XVB_FIO_DSYNC);
	xvb_queue_drain(&d.g.dev->queues[0]);
	disk_stop(&d);
}

/* A driver that never stops cannot keep the thread from its other work. */
static void endless_driver(void **state)
{
	struct guest_buf buf[2];
	struct xvb_queue *q;
	struct disk d;

	(void)state;
	slow_start(&d, 0);
	q = &d.g.dev->queues[0];
	buf[0] = (struct guest_buf){ d.hdr, 16, false };
	buf[1] = (struct guest_buf){ d.status, 1, true };
	disk_header(&d, 0x99, 0);
	ring_chain(&d.r, 0, buf, 2);
	ring_chain(&d.r, 2, buf, 2);
	ring_avail(&d.r, 0);
	endless = &d;
	alarm(120);
	assert_int_equal(xvb_queue_run(q), 1);
	assert_int_equal(xvb_queue_run(q), 1);
	endless = NULL;
	assert_int_equal(xvb_queue_run(q), 0);
	alarm(0);
	assert_in_range(xvb_stat_get(&q->vq.stats->requests), 4, 1000);
	disk_stop(&d);
}

static void several_queues(void **state)
{
	struct guest_buf buf[3];
	struct guest_ring r[4];
	uint32_t id, len;
	struct disk d;
	unsigned int i;

	(void)state;
	memset(&d, 0, sizeof(d));
	disk_start_engine(&d, ",queues=5", 0, NULL);
	buf[0] = (struct guest_buf){ d.hdr, 16, false };
	buf[1] = (struct guest_buf){ d.data, 512, true };
	buf[2] = (struct guest_buf){ d.status, 1, true };
	disk_header(&d, VIRTIO_BLK_T_IN, 0);
	for (i = 0; i < 4; i++)
		guest_queue(&d.g, &r[i], i + 1, 16);
	for (i = 0; i < 4; i++) {
		ring_chain(&r[i], 0, buf, 3);
		ring_avail(&r[i], 0);
		guest_wait(&d.g, &r[i], i + 1, &id, &len);
		assert_int_equal(len, 513);
	}
	/* Stopping one leaves the others. */
	xvb_queue_drain(&d.g.dev->queues[2]);
	xvb_queue_stop(&d.g.dev->queues[2]);
	ring_avail(&r[3], 0);
	guest_wait(&d.g, &r[3], 4, &id, &len);
	disk_stop(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features),
		cmocka_unit_test(queue_size_limit),
		cmocka_unit_test(readonly_write),
		cmocka_unit_test(engine_open_fails),
		cmocka_unit_test(batching),
		cmocka_unit_test(r10_errors),
		cmocka_unit_test(r10_range_fails),
		cmocka_unit_test(t11_broken_with_io),
		cmocka_unit_test(t11_too_many_heads),
		cmocka_unit_test(drain_and_go_on),
		cmocka_unit_test(t23_settle),
		cmocka_unit_test(t23_kick_when_stopped),
		cmocka_unit_test(write_through),
		cmocka_unit_test(endless_driver),
		cmocka_unit_test(several_queues),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
