// SPDX-License-Identifier: GPL-2.0-only
/*
 * file_aio.c - the file engine on libaio
 *
 * Requests go to a ring of io_uring if there is one (file_uring.c) and come back
 * here when it does not want them.
 *
 * The fast path is a sweep: aio_queue() per request fills an iocb and
 * remembers it, aio_submit() is one io_submit() for all of them, aio_reap()
 * takes completions from the ring that the kernel maps into the process,
 * without a system call.  (Where the ring of io_uring has no more room in the
 * middle of it, aio_queue() submits what it has to that, and takes what is
 * complete.)  On a device that completes in io_submit() (a
 * ramdisk) everything is there when aio_reap() looks for the first time.
 *
 * Each iocb signals an eventfd when it completes, for whoever sleeps.  The
 * eventfd is watched by edge and read only in aio_wait().  On a device that
 * always completes in io_submit() nobody ever sleeps, and the signal and the
 * wake-up that follows it are for nothing (340 instructions a request and
 * 1800 a sweep, on a ramdisk).  So after AIO_CALM such sweeps in a row the
 * engine is "quiet" and leaves the signal out.  Should a quiet sweep not be
 * complete at once, the engine signals itself until the last request of it is
 * ("mute"): it is looked for again and again, with AIO_MUTE_NS of sleep, while
 * the owner sees everything else that happens.  Twice as many calm sweeps are
 * asked for the next time.
 */

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/param.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "file_priv.h"
#include "util.h"

#define AIO_RING_MAGIC	0xa10a10a1
#define AIO_MAX_DEPTH	4096
#define AIO_EVENTS	64
/*
 * Requests that the kernel is asked to have room for: all processes of a host have
 * 65536 together (fs.aio-max-nr), unless it is told otherwise, and most requests go
 * another way.
 */
#define AIO_MAX_EVENTS	256U
#define AIO_CALM	64
#define AIO_CALM_MAX	(1U << 24)
#define AIO_MUTE_NS	100000
#define AIO_FLAG_RESFD	1	/* IOCB_FLAG_RESFD of <linux/aio_abi.h> */

/* What the kernel maps at io_context_t; fs/aio.c, unchanged since 2.6. */
struct aio_ring {
	uint32_t id;
	uint32_t nr;
	uint32_t head;
	uint32_t tail;
	uint32_t magic;
	uint32_t compat_features;
	uint32_t incompat_features;
	uint32_t header_length;
	struct io_event events[];
};

struct xvb_fio {
	struct xvb_file *file;
	io_context_t ctx;
	struct aio_ring *ring;		/* NULL: use io_getevents() */
	void (*done)(void *ctx, struct xvb_fio_req *req, int result);
	void *done_ctx;
	struct xvb_uring *uring;	/* for what has room there, or NULL */
	unsigned int inflight;		/* queued and not given to done() */
	unsigned int submitted;		/* with the kernel's aio */
	unsigned int queued;		/* in @uring, not submitted */
	unsigned int flying;		/* with the kernel's io_uring */
	bool reaping;			/* completions of io_uring are taken */
	bool full;			/* of this sweep no more fits in @uring */
	unsigned int nbatch;
	uint64_t finished;		/* calls of done() */
	struct xvb_fio_counts counts;	/* that nobody has asked for yet */
	unsigned int resfd;		/* AIO_FLAG_RESFD unless quiet */
	bool quiet;			/* no eventfd for aio */
	bool swept;			/* something was submitted */
	unsigned int mute;		/* of inflight: nobody will signal */
	unsigned int calm;		/* calm sweeps in a row */
	unsigned int calm_needed;	/* to become quiet */
	struct xvb_completions helped;
	struct iocb *batch[];
};

/* The ring has one already, and there must be one only to look at. */
static int aio_open_eventfd(struct xvb_fio *fio, struct xvb_error *err)
{
	fio->uring = xvb_uring_take(fio->file);
	if (fio->uring) {
		fio->helped.eventfd = xvb_uring_eventfd(fio->uring);
		xvb_uring_signal(fio->uring, true);
		return 0;
	}
	fio->helped.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fio->helped.eventfd < 0)
		return xvb_error_set(err, -errno, "making an eventfd: %s",
				     strerror(errno));
	return 0;
}

static void aio_close_eventfd(struct xvb_fio *fio)
{
	if (fio->uring)
		xvb_uring_give(fio->uring);
	else
		close(fio->helped.eventfd);
}

static int aio_open(struct xvb_file *file, unsigned int depth,
		    void (*done)(void *ctx, struct xvb_fio_req *req,
				 int result),
		    void *ctx, struct xvb_fio **out, struct xvb_error *err)
{
	unsigned int events = MIN(depth, AIO_MAX_EVENTS);
	struct aio_ring *ring;
	struct xvb_fio *fio;
	int ret;

	if (!depth || depth > AIO_MAX_DEPTH)
		return -EINVAL;
	fio = calloc(1, sizeof(*fio) + depth * sizeof(fio->batch[0]));
	if (!fio)
		return xvb_error_set(err, -ENOMEM, "out of memory");
	fio->file = file;
	fio->done = done;
	fio->done_ctx = ctx;
	fio->calm_needed = AIO_CALM;
	fio->resfd = AIO_FLAG_RESFD;
	atomic_init(&fio->helped.head, NULL);
	ret = aio_open_eventfd(fio, err);
	if (ret)
		goto err_free;
	ret = io_setup(events, &fio->ctx);
	if (ret) {
		xvb_error_set(err, ret,
			      "setting up asynchronous I/O for %u requests: %s%s",
			      events, strerror(-ret), ret == -EAGAIN ?
			      ": raise the sysctl fs.aio-max-nr" : "");
		goto err_close;
	}
	ring = (struct aio_ring *)fio->ctx;
	if (ring->magic == AIO_RING_MAGIC && !ring->incompat_features &&
	    ring->header_length == sizeof(*ring))
		fio->ring = ring;
	*out = fio;
	return 0;

err_close:
	aio_close_eventfd(fio);
err_free:
	free(fio);
	return ret;
}

static void aio_close(struct xvb_fio *fio)
{
	/* Waits for the kernel, should a request be left. */
	io_destroy(fio->ctx);
	xvb_helpers_sync(fio->file->helpers);
	aio_close_eventfd(fio);
	free(fio);
}

static void aio_help(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	req->copied = 0;
	xvb_helpers_queue(fio->file->helpers, req, &fio->helped);
}

static inline void aio_prepare(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	bool read = req->op == XVB_FIO_READ;
	struct iocb *iocb = &req->iocb;

	memset(iocb, 0, sizeof(*iocb));
	iocb->aio_fildes = fio->file->fd;
	iocb->u.c.offset = req->offset;
	iocb->u.c.flags = fio->resfd;
	iocb->u.c.resfd = fio->helped.eventfd;
	if (req->niov == 1) {
		iocb->aio_lio_opcode = read ? IO_CMD_PREAD : IO_CMD_PWRITE;
		iocb->u.c.buf = req->iov[0].iov_base;
		iocb->u.c.nbytes = req->iov[0].iov_len;
	} else {
		iocb->aio_lio_opcode = read ? IO_CMD_PREADV : IO_CMD_PWRITEV;
		iocb->u.c.buf = req->iov;
		iocb->u.c.nbytes = req->niov;
	}
	if (!read && (req->flags & XVB_FIO_DSYNC))
		iocb->aio_rw_flags = RWF_DSYNC;
}

/* From anew, straight to the memory of the request, with libaio or a helper. */
static void aio_queue_here(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	req->done = 0;
	if (!xvb_file_aligned(fio->file, req->iov, req->niov)) {
		aio_help(fio, req);
		return;
	}
	aio_prepare(fio, req);
	fio->batch[fio->nbatch++] = &req->iocb;
}

static inline struct xvb_fio_req *aio_req(struct iocb *iocb)
{
	return container_of(iocb, struct xvb_fio_req, iocb);
}

static inline void aio_unmute(struct xvb_fio *fio, const struct iocb *iocb)
{
	if (fio->mute && !(iocb->u.c.flags & AIO_FLAG_RESFD))
		fio->mute--;
}

static inline void aio_finish(struct xvb_fio *fio, struct xvb_fio_req *req,
			      int result)
{
	fio->inflight--;
	fio->finished++;
	fio->done(fio->done_ctx, req, result);
}

static void aio_uring_done(void *ctx, struct xvb_fio_req *req, int result)
{
	struct xvb_fio *fio = ctx;

	fio->flying--;
	aio_unmute(fio, &req->iocb);
	if (unlikely(result == -EAGAIN)) {
		/* Not without waiting, or not in one piece. */
		aio_queue_here(fio, req);
		return;
	}
	fio->counts.uring++;
	aio_finish(fio, req, result);
}

static void aio_reap_uring(struct xvb_fio *fio)
{
	fio->reaping = true;
	xvb_uring_reap(fio->uring, aio_uring_done, fio);
	fio->reaping = false;
}

static void aio_submit_uring(struct xvb_fio *fio)
{
	struct xvb_fio_req *req;

	fio->flying += xvb_uring_submit(fio->uring);
	while ((req = xvb_uring_take_back(fio->uring)))
		aio_queue_here(fio, req);
	fio->queued = 0;
	fio->swept = true;
}

/*
 * In the middle of a sweep there is no more room: on a device that completes at once
 * there is after this.  On others what does not fit goes straight to the window, and
 * that is found out once in a sweep: the rest is submitted together.
 */
static __attribute__((noinline)) int aio_queue_again(struct xvb_fio *fio,
						     struct xvb_fio_req *req)
{
	int ret;

	if (fio->full || !fio->queued || fio->reaping)
		return -ENOSPC;
	aio_submit_uring(fio);
	aio_reap_uring(fio);
	ret = xvb_uring_queue(fio->uring, req);
	fio->full = ret == -ENOSPC;
	return ret;
}

/* There is a ring only for files with O_DIRECT. */
static inline int aio_queue_uring(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	int ret;

	ret = xvb_uring_queue(fio->uring, req);
	if (unlikely(ret == -ENOSPC))
		ret = aio_queue_again(fio, req);
	return ret;
}

static void aio_queue(struct xvb_fio *fio, struct xvb_fio_req *req)
{
	bool pages = req->op <= XVB_FIO_WRITE && !(req->flags & XVB_FIO_BOUNCE);

	fio->inflight++;
	if (likely(pages && fio->uring) && !aio_queue_uring(fio, req)) {
		fio->queued++;
		req->iocb.u.c.flags = fio->resfd;
		return;
	}
	if (pages && fio->file->info.direct) {
		aio_queue_here(fio, req);
	} else {
		req->done = 0;
		aio_help(fio, req);
	}
}

static void aio_submit(struct xvb_fio *fio)
{
	unsigned int pos = 0;
	int ret;

	if (fio->queued)
		aio_submit_uring(fio);
	fio->full = false;
	while (pos < fio->nbatch) {
		ret = io_submit(fio->ctx, fio->nbatch - pos, fio->batch + pos);
		if (ret > 0) {
			pos += ret;
			fio->submitted += ret;
			fio->swept = true;
		} else if (ret == -EAGAIN && fio->submitted) {
			/* The kernel is full: again after a completion. */
			break;
		} else if (ret != -EINTR) {
			/* Refused: a helper finds out why. */
			aio_unmute(fio, fio->batch[pos]);
			aio_help(fio, aio_req(fio->batch[pos++]));
		}
	}
	fio->nbatch -= pos;
	if (pos && fio->nbatch)
		memmove(fio->batch, fio->batch + pos,
			fio->nbatch * sizeof(fio->batch[0]));
}

static inline void aio_event(struct xvb_fio *fio, const struct io_event *event)
{
	struct xvb_fio_req *req = aio_req(event->obj);
	long res = event->res;

	fio->submitted--;
	aio_unmute(fio, event->obj);
	if ((uint64_t)res == req->len) {
		fio->counts.libaio++;
		aio_finish(fio, req, 0);
	} else if (res >= 0 || res == -EINVAL || res == -EAGAIN) {
		/*
		 * Short, or memory that O_DIRECT does not like after all: a
		 * helper does the rest.
		 */
		req->done = res > 0 ? res : 0;
		aio_help(fio, req);
	} else {
		fio->counts.libaio++;
		aio_finish(fio, req, res);
	}
}

/* By system call: what is there, or the first that is within @ns. */
static void aio_reap_syscall(struct xvb_fio *fio, long ns)
{
	struct io_event events[AIO_EVENTS];
	struct timespec limit = { 0, ns };
	int i, n;

	do {
		n = io_getevents(fio->ctx, limit.tv_nsec ? 1 : 0, AIO_EVENTS,
				 events, &limit);
		for (i = 0; i < n; i++)
			aio_event(fio, &events[i]);
		if (n > 0)
			limit.tv_nsec = 0;
	} while (n == AIO_EVENTS || n == -EINTR);
}

static void aio_reap_ring(struct xvb_fio *fio)
{
	struct aio_ring *ring = fio->ring;
	struct io_event event;
	uint32_t head;

	head = ring->head;
	/* Pairs with smp_wmb() in the kernel's aio_complete(). */
	while (head != __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) {
		event = ring->events[head];
		head = head + 1 == ring->nr ? 0 : head + 1;
		/* The slot is the kernel's again: after the copy. */
		__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
		aio_event(fio, &event);
	}
}

static void aio_reap_helpers(struct xvb_fio *fio)
{
	struct xvb_fio_req *req, *next;

	if (!atomic_load_explicit(&fio->helped.head, memory_order_relaxed))
		return;
	/* Pairs with the release in helper_complete(). */
	req = atomic_exchange_explicit(&fio->helped.head, NULL,
				       memory_order_acquire);
	for (; req; req = next) {
		next = req->next;
		fio->counts.helpers++;
		fio->counts.copied += req->copied;
		aio_finish(fio, req, req->result);
	}
}

static void aio_reap_ready(struct xvb_fio *fio)
{
	if (fio->flying)
		aio_reap_uring(fio);
	if (fio->submitted && fio->ring)
		aio_reap_ring(fio);
	else if (fio->submitted)
		aio_reap_syscall(fio, 0);
	aio_reap_helpers(fio);
	/* What the kernel had no room for; nobody else would come back. */
	if (fio->nbatch)
		aio_submit(fio);
}

/* A quiet sweep is not complete: nobody would wake us up for the rest. */
static void aio_end_quiet(struct xvb_fio *fio)
{
	fio->quiet = false;
	fio->resfd = AIO_FLAG_RESFD;
	if (fio->uring)
		xvb_uring_signal(fio->uring, true);
	fio->mute = fio->submitted + fio->flying + fio->nbatch;
	fio->calm = 0;
	if (fio->calm_needed < AIO_CALM_MAX)
		fio->calm_needed *= 2;
}

/* After the first look at what a sweep submitted. */
static void aio_learn(struct xvb_fio *fio)
{
	fio->swept = false;
	if (fio->submitted || fio->flying || fio->nbatch) {
		fio->calm = 0;
		if (fio->quiet)
			aio_end_quiet(fio);
		return;
	}
	if (!fio->quiet && ++fio->calm >= fio->calm_needed) {
		fio->quiet = true;
		fio->resfd = 0;
		if (fio->uring)
			xvb_uring_signal(fio->uring, false);
	}
}

/* What nobody signals: look for it, and see to it that we come back. */
static void aio_reap_mute(struct xvb_fio *fio)
{
	const struct timespec nap = { .tv_nsec = AIO_MUTE_NS };
	uint64_t one = 1;

	if (fio->submitted)
		aio_reap_syscall(fio, AIO_MUTE_NS);
	else if (fio->flying)
		nanosleep(&nap, NULL);
	if (fio->flying)
		aio_reap_uring(fio);
	if (fio->nbatch)
		aio_submit(fio);
	if (fio->mute && write(fio->helped.eventfd, &one, sizeof(one)) < 0)
		xvb_warn("signalling an eventfd: %s", strerror(errno));
}

/* Block until the eventfd says that something may be complete. */
static void aio_wait(struct xvb_fio *fio)
{
	struct pollfd pfd = {
		.fd = fio->helped.eventfd,
		.events = POLLIN,
	};

	poll(&pfd, 1, -1);
}

static unsigned int aio_reap(struct xvb_fio *fio, bool wait)
{
	uint64_t before = fio->finished, count;

	aio_reap_ready(fio);
	if (fio->swept)
		aio_learn(fio);
	if (fio->mute)
		aio_reap_mute(fio);
	while (wait && fio->inflight && fio->finished == before) {
		/* Clear it first, then look, then sleep: nothing is missed. */
		if (read(fio->helped.eventfd, &count, sizeof(count)) < 0)
			count = 0;
		aio_reap_ready(fio);
		if (fio->mute)
			aio_reap_mute(fio);
		if (fio->finished == before)
			aio_wait(fio);
	}
	return fio->finished - before;
}

static struct xvb_fio_counts aio_counts(struct xvb_fio *fio)
{
	struct xvb_fio_counts counts = fio->counts;

	if (fio->uring)
		counts.copied += xvb_uring_copied(fio->uring);
	fio->counts = (struct xvb_fio_counts){ 0 };
	return counts;
}

static int aio_fd(struct xvb_fio *fio)
{
	return fio->helped.eventfd;
}

const struct xvb_fio_ops xvb_fio_aio = {
	.open = aio_open,
	.close = aio_close,
	.queue = aio_queue,
	.submit = aio_submit,
	.reap = aio_reap,
	.counts = aio_counts,
	.fd = aio_fd,
};
