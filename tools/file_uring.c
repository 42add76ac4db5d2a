// SPDX-License-Identifier: GPL-2.0-only
/*
 * file_uring.c - reads and writes of the file engine on io_uring
 *
 * O_DIRECT I/O to a mapped grant makes the kernel look up and pin every page
 * the slow way, and that is most of what a request costs.  Here it goes
 * through memory that is registered with the ring, pinned once, and the data
 * are copied: a copy of 4 KiB costs a third of what the lookup does
 * (docs/performance.md).  What finds no room in it, or is larger than 1 MiB, goes
 * straight to the window (file_aio.c).
 *
 * The ring never sees granted memory: a process that dies with an io_uring
 * request in flight on a grant mapping corrupts the accounting of the domain's
 * memory.  Its own memory outlives it for as long as the kernel needs that.
 *
 * Rings are made when the file is opened, before the sandbox, and restricted to
 * two operations on the registered memory and the one registered file; the filter
 * of system calls leaves nothing but io_uring_enter, and to let go of the file.
 * That must be said: a ring that is closed does it in the background.
 *
 * Every request says RWF_NOWAIT: what would have to wait is the business of
 * libaio, as the threads that io_uring would make for it are not allowed in the
 * sandbox.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <liburing.h>
#include <linux/fs.h>

#include "file_priv.h"
#include "util.h"

/* Up to 16 KiB a request has a slot, above it units that lie together. */
#define URING_SMALL	16384U	/* bytes of a slot */
#define URING_SMALL_NR	128U
#ifndef URING_UNIT
#define URING_UNIT	65536U
#define URING_UNITS	64U	/* if it is the only ring of its file... */
#define URING_UNITS_ALL	64U	/* ...else so many in all of them together... */
#define URING_UNITS_MIN	4U	/* ...or, if that is more, so many in each */
#endif
#define URING_MAX	1048576U
#define URING_CLASSES	7U	/* up to 16, 32, 64, ... 1024 KiB */
#define URING_ENTRIES	256U	/* a power of two, not less than slots and units */
#define URING_MISSES	16	/* in a row, until it is left alone... */
#define URING_SKIP	1024	/* ...for so many requests */

/* What is known of requests of about one size. */
struct uring_class {
	unsigned int misses;
	unsigned int skip;		/* requests that are not for us */
};

struct xvb_uring {
	struct io_uring ring;
	int eventfd;
	char *pool;			/* slots, then units */
	size_t pool_size;
	uint64_t copied;		/* bytes, that nobody has asked for yet */
	bool useless;			/* the file cannot do RWF_NOWAIT */
	struct xvb_ratelimit limit;	/* of what is said about it */
	atomic_flag taken;
	unsigned int nfree;
	uint16_t free[URING_SMALL_NR];	/* slots */
	uint64_t units;			/* free ones, a bit for each */
	unsigned int nr_units;		/* free or not */
	struct uring_class classes[URING_CLASSES];
};

/* Numbers of units begin behind those of the slots. */
static inline char *uring_memory(struct xvb_uring *u, unsigned int slot)
{
	if (slot < URING_SMALL_NR)
		return u->pool + (size_t)slot * URING_SMALL;
	return u->pool + (size_t)URING_SMALL_NR * URING_SMALL +
	       (size_t)(slot - URING_SMALL_NR) * URING_UNIT;
}

/* What a device must split it cannot do without waiting: each size apart. */
static inline struct uring_class *uring_class_of(struct xvb_uring *u,
						 uint64_t len)
{
	uint64_t twofold = (len - 1) / URING_SMALL;

	return &u->classes[twofold ? 64 - __builtin_clzll(twofold) : 0];
}

static inline unsigned int uring_nr_units(uint64_t len)
{
	return (len + URING_UNIT - 1) / URING_UNIT;
}

/* The lowest @n that are free and lie together, or -1.  @n is 1 to 63. */
static int uring_take_units(struct xvb_uring *u, unsigned int n)
{
	uint64_t runs = u->units;	/* bit i: [i, i + have) are free */
	unsigned int have = 1, step;

	for (; have < n; have += step) {
		step = MIN(have, n - have);
		runs &= runs >> step;
	}
	if (!runs)
		return -1;
	u->units &= ~((BIT64(n) - 1) << __builtin_ctzll(runs));
	return __builtin_ctzll(runs);
}

static inline bool uring_alloc(struct xvb_uring *u, struct xvb_fio_req *req)
{
	int unit;

	if (likely(req->len <= URING_SMALL)) {
		if (unlikely(!u->nfree))
			return false;
		req->slot = u->free[--u->nfree];
		return true;
	}
	unit = uring_take_units(u, uring_nr_units(req->len));
	if (unit < 0)
		return false;
	req->slot = URING_SMALL_NR + unit;
	return true;
}

static inline void uring_free(struct xvb_uring *u,
			      const struct xvb_fio_req *req)
{
	if (likely(req->slot < URING_SMALL_NR))
		u->free[u->nfree++] = req->slot;
	else
		u->units |= (BIT64(uring_nr_units(req->len)) - 1) <<
			    (req->slot - URING_SMALL_NR);
}

/* liburing 2.3 of Debian 12 has functions for this and does not export them. */
static int uring_register_op(struct xvb_uring *u, unsigned int op,
			     const void *arg, unsigned int nr)
{
	if (syscall(__NR_io_uring_register, u->ring.ring_fd, op, arg, nr) < 0)
		return -errno;
	return 0;
}

/* Before it is enabled: afterwards nothing can be registered any more. */
static int uring_register(struct xvb_uring *u, int fd)
{
	struct io_uring_restriction only[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_READ_FIXED },
		{ .opcode = IORING_RESTRICTION_SQE_OP,
		  .sqe_op = IORING_OP_WRITE_FIXED },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED,
		  .sqe_flags = IOSQE_FIXED_FILE },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP,
		  .register_op = IORING_UNREGISTER_FILES },
	};
	struct iovec pool = {
		.iov_base = u->pool,
		.iov_len = u->pool_size,
	};
	int ret;

	ret = io_uring_register_buffers(&u->ring, &pool, 1);
	if (!ret)
		ret = io_uring_register_files(&u->ring, &fd, 1);
	if (!ret)
		ret = io_uring_register_eventfd(&u->ring, u->eventfd);
	if (!ret)
		ret = uring_register_op(u, IORING_REGISTER_RESTRICTIONS, only,
					ARRAY_SIZE(only));
	if (!ret)
		ret = uring_register_op(u, IORING_REGISTER_ENABLE_RINGS, NULL,
					0);
	return ret;
}

/* As all entries are, whatever request they are for. */
static void uring_fill_entries(struct xvb_uring *u)
{
	unsigned int i;

	for (i = 0; i < URING_ENTRIES; i++)
		u->ring.sq.sqes[i] = (struct io_uring_sqe){
			.flags = IOSQE_FIXED_FILE,
			.fd = 0,	/* the first that is registered */
		};
}

/* All in order; the lowest is the first to be taken. */
static void uring_fill(struct xvb_uring *u, unsigned int nr_units)
{
	while (u->nfree < URING_SMALL_NR) {
		u->free[u->nfree] = URING_SMALL_NR - 1 - u->nfree;
		u->nfree++;
	}
	u->nr_units = nr_units;
	u->units = UINT64_MAX >> (64 - nr_units);
}

/* How many units each of @nr rings of a file has. */
static unsigned int uring_share(unsigned int nr)
{
	return MIN(URING_UNITS, MAX(URING_UNITS_ALL / nr, URING_UNITS_MIN));
}

static int uring_init(struct xvb_uring *u, int fd, unsigned int nr_units)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL,
	};
	int ret;

	atomic_flag_clear(&u->taken);
	uring_fill(u, nr_units);
	u->pool_size = (size_t)URING_SMALL_NR * URING_SMALL +
		       (size_t)nr_units * URING_UNIT;
	u->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->eventfd < 0)
		return -errno;
	u->pool = mmap(NULL, u->pool_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (u->pool == MAP_FAILED) {
		ret = -errno;
		goto err_close;
	}
	ret = io_uring_queue_init_params(URING_ENTRIES, &u->ring, &params);
	if (ret)
		goto err_unmap;
	uring_fill_entries(u);
	ret = uring_register(u, fd);
	if (ret)
		goto err_exit;
	return 0;

err_exit:
	io_uring_queue_exit(&u->ring);
err_unmap:
	munmap(u->pool, u->pool_size);
err_close:
	close(u->eventfd);
	return ret;
}

static void uring_exit(struct xvb_uring *u)
{
	int ret;

	/* Whoever waits for the end of this process may want the file. */
	ret = uring_register_op(u, IORING_UNREGISTER_FILES, NULL, 0);
	if (ret)
		xvb_warn("taking the file from a ring of io_uring: %s",
			 strerror(-ret));
	io_uring_queue_exit(&u->ring);
	munmap(u->pool, u->pool_size);
	close(u->eventfd);
}

int xvb_urings_make(struct xvb_file *file, unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	file->urings = calloc(nr, sizeof(*file->urings));
	if (!file->urings)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		ret = uring_init(&file->urings[i], file->fd, uring_share(nr));
		if (ret)
			break;
		file->nr_urings++;
	}
	if (ret)
		xvb_urings_free(file);
	return ret;
}

void xvb_urings_free(struct xvb_file *file)
{
	while (file->nr_urings)
		uring_exit(&file->urings[--file->nr_urings]);
	free(file->urings);
	file->urings = NULL;
}

struct xvb_uring *xvb_uring_take(struct xvb_file *file)
{
	unsigned int i;

	for (i = 0; i < file->nr_urings; i++)
		if (!atomic_flag_test_and_set(&file->urings[i].taken))
			return &file->urings[i];
	return NULL;
}

void xvb_uring_give(struct xvb_uring *u)
{
	atomic_flag_clear(&u->taken);
}

int xvb_uring_eventfd(const struct xvb_uring *u)
{
	return u->eventfd;
}

void xvb_uring_signal(struct xvb_uring *u, bool on)
{
	/* The kernel reads a flag in memory that we share with it. */
	io_uring_cq_eventfd_toggle(&u->ring, on);
}

static void copy_to_slot(char *to, const struct iovec *iov, unsigned int n)
{
	for (; n; n--, iov++) {
		memcpy(to, iov->iov_base, iov->iov_len);
		to += iov->iov_len;
	}
}

static void copy_from_slot(const char *from, const struct iovec *iov,
			   unsigned int n)
{
	for (; n; n--, iov++) {
		memcpy(iov->iov_base, from, iov->iov_len);
		from += iov->iov_len;
	}
}

/*
 * There are not fewer entries than slots and units, and whoever has an entry has
 * memory: with memory there is an entry, so that io_uring_get_sqe() has nothing to find out.
 */
static inline struct io_uring_sqe *uring_next_entry(struct xvb_uring *u)
{
	struct io_uring_sq *sq = &u->ring.sq;

	return &sq->sqes[sq->sqe_tail++ & (URING_ENTRIES - 1)];
}

int xvb_uring_queue(struct xvb_uring *u, struct xvb_fio_req *req)
{
	struct uring_class *c;
	struct io_uring_sqe *sqe;
	unsigned int flags;
	char *buf;

	if (unlikely(req->len - 1 >= URING_MAX || u->useless))
		return -EOPNOTSUPP;
	c = uring_class_of(u, req->len);
	if (unlikely(c->skip)) {
		c->skip--;
		return -EOPNOTSUPP;
	}
	if (unlikely(!uring_alloc(u, req)))
		return uring_nr_units(req->len) > u->nr_units ? -EOPNOTSUPP :
								-ENOSPC;
	buf = uring_memory(u, req->slot);
	sqe = uring_next_entry(u);
	sqe->off = req->offset;
	sqe->addr = (uintptr_t)buf;
	sqe->len = req->len;
	sqe->user_data = (uintptr_t)req;
	if (req->op == XVB_FIO_READ) {
		sqe->opcode = IORING_OP_READ_FIXED;
		sqe->rw_flags = RWF_NOWAIT;
		return 0;
	}
	flags = RWF_NOWAIT;
	if (req->flags & XVB_FIO_DSYNC)
		flags |= RWF_DSYNC;
	sqe->opcode = IORING_OP_WRITE_FIXED;
	sqe->rw_flags = flags;
	u->copied += req->len;
	copy_to_slot(buf, req->iov, req->niov);
	return 0;
}

/* No memory, most likely.  libaio has the requests for a while. */
static void uring_refused(struct xvb_uring *u, int error)
{
	unsigned int i;

	if (xvb_ratelimit(&u->limit))
		xvb_warn("submitting I/O: %s: libaio goes on",
			 strerror(-error));
	for (i = 0; i < ARRAY_SIZE(u->classes); i++)
		u->classes[i].skip = URING_SKIP;
}

unsigned int xvb_uring_submit(struct xvb_uring *u)
{
	unsigned int total = 0;
	int ret;

	while (io_uring_sq_ready(&u->ring)) {
		ret = io_uring_submit(&u->ring);
		if (ret > 0) {
			total += ret;
		} else if (ret != -EINTR) {
			uring_refused(u, ret);
			break;
		}
	}
	return total;
}

/*
 * The kernel reads the tail in io_uring_enter() only, so what it has not taken
 * by then is still ours.  The library stores the tail again before the next.
 */
struct xvb_fio_req *xvb_uring_take_back(struct xvb_uring *u)
{
	struct io_uring_sq *sq = &u->ring.sq;
	struct xvb_fio_req *req;
	struct io_uring_sqe *sqe;

	if (likely(!io_uring_sq_ready(&u->ring)))
		return NULL;
	sq->sqe_tail--;
	sqe = &sq->sqes[sq->sqe_tail & (URING_ENTRIES - 1)];
	req = (struct xvb_fio_req *)(uintptr_t)sqe->user_data;
	uring_free(u, req);
	return req;
}

static void uring_learn(struct xvb_uring *u, uint64_t len, int result)
{
	struct uring_class *c = uring_class_of(u, len);

	if (result == -EOPNOTSUPP)
		u->useless = true;
	if (result != -EAGAIN || ++c->misses < URING_MISSES)
		return;
	c->misses = 0;
	c->skip = URING_SKIP;
}

/* What is not complete: an error, or something that another way may bring. */
static int uring_failed(struct xvb_uring *u, uint64_t len, int result)
{
	uring_learn(u, len, result);
	if (result >= 0 || result == -EOPNOTSUPP || result == -EINVAL)
		return -EAGAIN;
	return result;
}

/* Returns 0 or -errno. */
static inline int uring_result(struct xvb_uring *u, struct xvb_fio_req *req,
			       int result)
{
	if (unlikely(result < 0 || (uint64_t)result != req->len))
		return uring_failed(u, req->len, result);
	if (req->op == XVB_FIO_READ) {
		copy_from_slot(uring_memory(u, req->slot), req->iov, req->niov);
		u->copied += req->len;
	}
	uring_class_of(u, req->len)->misses = 0;
	return 0;
}

unsigned int xvb_uring_reap(struct xvb_uring *u,
			    void (*done)(void *ctx, struct xvb_fio_req *req,
					 int result), void *ctx)
{
	struct io_uring_cq *cq = &u->ring.cq;
	unsigned int mask = cq->ring_mask;
	struct xvb_fio_req *req;
	struct io_uring_cqe *cqe;
	unsigned int head, tail;
	int result;

	/* Pairs with the kernel's store after it has written an entry. */
	tail = __atomic_load_n(cq->ktail, __ATOMIC_ACQUIRE);
	for (head = *cq->khead; head != tail; head++) {
		cqe = &cq->cqes[head & mask];
		req = (struct xvb_fio_req *)(uintptr_t)cqe->user_data;
		result = uring_result(u, req, cqe->res);
		uring_free(u, req);
		done(ctx, req, result);
	}
	head -= *cq->khead;
	/* There is room for all that can be in flight: once is enough. */
	if (head)
		io_uring_cq_advance(&u->ring, head);
	return head;
}

uint64_t xvb_uring_copied(struct xvb_uring *u)
{
	uint64_t copied = u->copied;

	u->copied = 0;
	return copied;
}
