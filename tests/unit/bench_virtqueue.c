// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench_virtqueue.c - instructions that the backend's core needs per request
 *
 *	bench_virtqueue LAYOUT DEPTH ROUNDS [file]
 *
 * LAYOUT is direct, indirect, packed or packed-indirect.
 *
 * Each round makes DEPTH reads of 4 KiB available and runs the queue until they
 * are complete: on an engine that does nothing and completes everything at the
 * first reap, or on the real one and a file.  run-bench counts what happens
 * below xvb_queue_run() with callgrind, which does not see the kernel.
 */

#include <endian.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "disk.h"
#include "pring.h"

struct xvb_fio {
	void (*done)(void *ctx, struct xvb_fio_req *req, int result);
	void *ctx;
	struct xvb_fio_req *reqs[1024];
	unsigned int nr;
};

static int null_open(struct xvb_file *file, unsigned int depth,
		     void (*done)(void *ctx, struct xvb_fio_req *req,
				  int result),
		     void *ctx, struct xvb_fio **fio, struct xvb_error *err)
{
	(void)file;
	(void)depth;
	(void)err;
	*fio = calloc(1, sizeof(**fio));
	(*fio)->done = done;
	(*fio)->ctx = ctx;
	return 0;
}

static void null_close(struct xvb_fio *fio)
{
	free(fio);
}

static void null_queue(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	fio->reqs[fio->nr++] = req;
}

static void null_submit(struct xvb_fio *fio)
{
	(void)fio;
}

static unsigned int null_reap(struct xvb_fio *fio, bool wait)
{
	unsigned int i, n = fio->nr;

	(void)wait;
	for (i = 0; i < n; i++)
		fio->done(fio->ctx, fio->reqs[i], 0);
	fio->nr = 0;
	return n;
}

static int null_fd(struct xvb_fio *fio)
{
	(void)fio;
	return eventfd(0, 0);
}

static const struct xvb_fio_ops null_engine = {
	.open = null_open,
	.close = null_close,
	.queue = null_queue,
	.submit = null_submit,
	.reap = null_reap,
	.fd = null_fd,
};

static void buffers(const struct disk *d, unsigned int i, struct guest_buf *buf)
{
	buf[0] = (struct guest_buf){ d->hdr, 16, false };
	buf[1] = (struct guest_buf){ d->data + 4096 * i, 4096, true };
	buf[2] = (struct guest_buf){ d->status + i, 1, true };
}

static void run_split(struct disk *d, bool indirect, unsigned int depth,
		      unsigned int rounds)
{
	struct guest_buf buf[3];
	unsigned int i, done;
	uint32_t id, len;

	for (i = 0; i < depth; i++) {
		buffers(d, i, buf);
		if (indirect)
			ring_indirect(&d->r, i, buf, 3);
		else
			ring_chain(&d->r, 3 * i, buf, 3);
	}
	while (rounds--) {
		for (i = 0; i < depth; i++)
			ring_avail(&d->r, indirect ? i : 3 * i);
		for (done = 0; done < depth; ) {
			xvb_queue_run(&d->g.dev->queues[0]);
			while (ring_used(&d->r, &id, &len))
				done++;
		}
		ring_used_event(&d->r, d->r.used_idx);
	}
}

static void run_packed(struct disk *d, bool indirect, unsigned int depth,
		       unsigned int rounds)
{
	struct xvb_queue *q = &d->g.dev->queues[0];
	uint64_t tables = guest_addr(guest_alloc(&d->g, 48 * depth, 16));
	struct xvb_error err = { "" };
	struct guest_buf buf[3];
	unsigned int i, done;
	struct pring r;
	uint32_t len;
	uint16_t id;

	xvb_queue_stop(q);
	assert_int_equal(xvb_device_set_features(d->g.dev, d->g.dev->features,
						 &err), 0);
	pring_init(&r, &d->g, DISK_QUEUE, 0);
	assert_int_equal(xvb_queue_start(q, &r.setup, &err), 0);
	for (i = 0; indirect && i < depth; i++) {
		buffers(d, i, buf);
		pring_table(&r, tables + 48 * i, buf, 3);
	}
	while (rounds--) {
		for (i = 0; i < depth; i++) {
			buffers(d, i, buf);
			if (indirect)
				pring_named(&r, i, tables + 48 * i, 48);
			else
				pring_add(&r, i, buf, 3);
		}
		for (done = 0; done < depth; ) {
			xvb_queue_run(q);
			while (pring_used(&r, &id, &len))
				done++;
		}
		pring_events(&r, VRING_PACKED_EVENT_FLAG_DESC, r.next_used,
			     r.used_wrap);
	}
}

int main(int argc, char **argv)
{
	const char *layout = argc > 1 ? argv[1] : "direct";
	unsigned int depth = argc > 2 ? atoi(argv[2]) : 32;
	unsigned int rounds = argc > 3 ? atoi(argv[3]) : 1000;
	bool indirect = strstr(layout, "indirect");
	struct disk d;
	bool file = argc > 4 && !strcmp(argv[4], "file");

	if (!depth || depth > (indirect ? 64 : 21))
		return 2;
	memset(&d, 0, sizeof(d));
	disk_start_engine(&d, ",packed=1,poll_us=0",
			  BIT64(VIRTIO_F_RING_PACKED) |
			  (indirect ? 0 : BIT64(VIRTIO_RING_F_INDIRECT_DESC)),
			  file ? NULL : &null_engine);
	disk_header(&d, VIRTIO_BLK_T_IN, 0);
	if (strstr(layout, "packed"))
		run_packed(&d, indirect, depth, rounds);
	else
		run_split(&d, indirect, depth, rounds);
	printf("%u\n", depth * rounds);
	disk_stop(&d);
	return 0;
}
