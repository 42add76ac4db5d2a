// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_fileio.c - opening files, and the file engine on its own
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <liburing.h>

#include "disk.h"
#include "file_priv.h"

/* More than a ring takes. */
#define LARGE	(1048576 + 4096)
#define DEPTH	32
#define UNIT	65536U	/* of the memory of a ring: 16 if there are 4, 4 if there are 16 */
#define MIXED	24
#define MIXED_BYTES	(3 * (4096 + 1048576 + 65536 + 16384 + 524288 + 69632 + 1044480 + \
			      131072))

/*
 * In the place of libaio's: not 0: take that many, and nothing at every other
 * call, as a kernel that is short of room.
 */
static unsigned int submit_most;

int io_submit(io_context_t ctx, long nr, struct iocb *ios[])
{
	static unsigned int calls;
	long ret;

	if (submit_most && calls++ % 2)
		return -EAGAIN;
	if (submit_most && nr > submit_most)
		nr = submit_most;
	ret = syscall(SYS_io_submit, ctx, nr, ios);
	return ret < 0 ? -errno : ret;
}

/*
 * In the place of liburing's: what a kernel without memory says.  The ring has
 * been shown to it by then, or not yet: both ways of failing are tried.
 */
static unsigned int uring_refuses;
static unsigned int uring_submits;
/* All of it is complete then, as on a ramdisk. */
static bool uring_settles;

int io_uring_submit(struct io_uring *ring)
{
	static int (*real)(struct io_uring *ring);
	static unsigned int calls;
	int fd = ring->enter_ring_fd, ret, wait;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "io_uring_submit");
	assert_non_null(real);
	uring_submits++;
	if (!uring_refuses) {
		ret = real(ring);
		for (wait = 100000; uring_settles &&
		     (int)io_uring_cq_ready(ring) < ret; wait--) {
			assert_int_not_equal(wait, 0);
			usleep(100);
		}
		return ret;
	}
	uring_refuses--;
	if (calls++ % 2)
		return -EAGAIN;
	ring->enter_ring_fd = -1;
	ret = real(ring);
	ring->enter_ring_fd = fd;
	assert_true(ret < 0);
	return ret;
}

/* In the place of the C library's: what a disk does when it is in trouble. */
static atomic_int sync_fails, zero_hangs;

int fdatasync(int fd)
{
	if (atomic_load(&sync_fails)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	while (atomic_load(&zero_hangs))
		usleep(1000);
	return syscall(SYS_fallocate, fd, mode, offset, len);
}

struct engine {
	char path[128];
	struct xvb_file *file;
	struct xvb_fio *fio;
	unsigned int done;
	unsigned int failed;
	int last;
	struct xvb_fio_req *more;	/* what completions queue */
	unsigned int nr_more;
};

static void on_done(void *ctx, struct xvb_fio_req *req, int result)
{
	struct engine *e = ctx;

	(void)req;
	e->done++;
	e->failed += result != 0;
	e->last = result;
	if (e->nr_more)
		xvb_fio_aio.queue(e->fio, &e->more[--e->nr_more]);
}

/* How many rings of io_uring a file gets: all tests run with and without. */
static unsigned int nr_urings;

static void engine_start(struct engine *e, const char *dir, bool no_direct)
{
	struct xvb_file_options opt = {
		.no_direct = no_direct,
		.nr_urings = nr_urings,
	};
	struct xvb_error err = { "" };

	memset(e, 0, sizeof(*e));
	disk_image(e->path, dir, DISK_SIZE);
	opt.path = e->path;
	if (xvb_file_open(&opt, &e->file, &err))
		fail_msg("%s", err.text);
	if (xvb_fio_aio.open(e->file, DEPTH, on_done, e, &e->fio, &err))
		fail_msg("%s", err.text);
}

static void engine_stop(struct engine *e)
{
	xvb_fio_aio.close(e->fio);
	xvb_file_close(e->file);
	unlink(e->path);
}

static int open_error(const char *path, bool readonly, uint32_t block,
		      const char *what)
{
	struct xvb_file_options opt = {
		.path = path,
		.readonly = readonly,
		.block_size = block,
	};
	struct xvb_error err = { "" };
	struct xvb_file *file;
	int ret = xvb_file_open(&opt, &file, &err);

	assert_true(ret < 0);
	if (!strstr(err.text, what) || !strstr(err.text, path))
		fail_msg("\"%s\", not \"%s\"", err.text, what);
	return ret;
}

static void open_errors(void **state)
{
	char path[128], fifo[140];

	(void)state;
	disk_image(path, NULL, 4096 + 512);
	assert_int_equal(open_error("/nonexistent", false, 0,
				    "make the image first"), -ENOENT);
	assert_int_equal(open_error("/dev/zero", false, 0, "neither"),
			 -EINVAL);
	assert_int_equal(open_error(path, false, 4096,
				    "no multiple of the logical block size 4096"),
			 -EINVAL);
	assert_int_equal(open_error(path, false, 1536, "not possible"),
			 -EINVAL);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(open_error(path, false, 0, "it is empty"), -EINVAL);
	assert_int_equal(truncate(path, 1000), 0);
	assert_int_equal(open_error(path, false, 0, "truncate -s %512"),
			 -EINVAL);
	snprintf(fifo, sizeof(fifo), "%s.fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(open_error(fifo, true, 0, "neither"), -EINVAL);
	unlink(fifo);
	unlink(path);
}

/* Writers exclude everybody, readers exclude writers; same process too. */
static void locking(void **state)
{
	struct xvb_file_options rw = { 0 }, ro = { .readonly = true };
	struct xvb_file *a, *b;
	struct xvb_error err;
	char path[128];

	(void)state;
	disk_image(path, NULL, 4096);
	rw.path = path;
	ro.path = path;
	assert_int_equal(xvb_file_open(&rw, &a, &err), 0);
	assert_int_equal(open_error(path, false, 0, "in use by another"),
			 -EBUSY);
	assert_int_equal(open_error(path, true, 0, "in use by another writer"),
			 -EBUSY);
	xvb_file_close(a);
	assert_int_equal(xvb_file_open(&ro, &a, &err), 0);
	assert_int_equal(xvb_file_open(&ro, &b, &err), 0);
	assert_int_equal(open_error(path, false, 0, "in use by another"),
			 -EBUSY);
	xvb_file_close(a);
	xvb_file_close(b);
	assert_int_equal(xvb_file_open(&rw, &a, &err), 0);
	xvb_file_close(a);
	unlink(path);
}

static void *let_go(void *file)
{
	usleep(200000);
	xvb_file_close(file);
	return NULL;
}

/* Somebody who is just going away is waited for. */
static void locking_waits(void **state)
{
	struct xvb_file_options opt = { 0 };
	struct xvb_error err = { "" };
	struct xvb_file *a, *b;
	pthread_t thread;
	char path[128];

	(void)state;
	disk_image(path, NULL, 4096);
	opt.path = path;
	opt.wait_ms = 10000;
	assert_int_equal(xvb_file_open(&opt, &a, &err), 0);
	assert_int_equal(pthread_create(&thread, NULL, let_go, a), 0);
	assert_int_equal(xvb_file_open(&opt, &b, &err), 0);
	pthread_join(thread, NULL);
	xvb_file_close(b);
	unlink(path);
}

static void io(struct engine *e, struct xvb_fio_req *req, enum xvb_fio_op op,
	       uint64_t offset, struct iovec *iov, unsigned int n)
{
	unsigned int i;

	memset(req, 0, sizeof(*req));
	req->op = op;
	req->offset = offset;
	req->iov = iov;
	req->niov = n;
	for (i = 0; i < n; i++)
		req->len += iov[i].iov_len;
	xvb_fio_aio.queue(e->fio, req);
}

static void wait_some(struct engine *e, unsigned int n)
{
	xvb_fio_aio.submit(e->fio);
	while (e->done < n)
		assert_int_not_equal(xvb_fio_aio.reap(e->fio, true), 0);
}

static void wait_all(struct engine *e, unsigned int n)
{
	wait_some(e, n);
	assert_int_equal(xvb_fio_aio.reap(e->fio, true), 0);
}

/* A full engine of vectored requests, in both modes. */
static void depth_of_requests(struct engine *e)
{
	struct xvb_fio_req reqs[DEPTH];
	struct iovec iov[DEPTH][3];
	unsigned char *buf = NULL;
	unsigned int i, k, round;

	assert_int_equal(posix_memalign((void **)&buf, 4096, DEPTH * 12288),
			 0);
	for (round = 0; round < 2; round++) {
		pattern(buf, DEPTH * 12288, 5);
		if (round)
			memset(buf, 0, DEPTH * 12288);
		e->done = 0;
		for (i = 0; i < DEPTH; i++) {
			for (k = 0; k < 3; k++)
				iov[i][k] = (struct iovec){
					buf + i * 12288 + k * 4096, 4096,
				};
			io(e, &reqs[i], round ? XVB_FIO_READ : XVB_FIO_WRITE,
			   i * 12288, iov[i], 3);
		}
		wait_all(e, DEPTH);
		assert_int_equal(e->failed, 0);
	}
	assert_true(pattern_is(buf, DEPTH * 12288, 5));
	free(buf);
}

static void engine_direct(void **state)
{
	struct engine e;

	(void)state;
	engine_start(&e, NULL, false);
	depth_of_requests(&e);
	if (!xvb_file_info(e.file)->direct)
		print_message("# no O_DIRECT here: helpers only\n");
	engine_stop(&e);
}

static void engine_buffered(void **state)
{
	struct engine e;

	(void)state;
	engine_start(&e, NULL, true);
	assert_false(xvb_file_info(e.file)->direct);
	depth_of_requests(&e);
	engine_stop(&e);
}

static void engine_tmpfs(void **state)
{
	struct engine e;

	(void)state;
	engine_start(&e, "/dev/shm", false);
	depth_of_requests(&e);
	engine_stop(&e);
}

enum way { BY_URING, BY_LIBAIO, BY_HELPER };

/* One request from start to end; how it was completed. */
static enum way way_of(struct engine *e, enum xvb_fio_op op, char *buf,
		       size_t len, uint64_t *copied)
{
	struct iovec iov = { buf, len };
	struct xvb_fio_counts counts;
	struct xvb_fio_req req;

	e->done = 0;
	io(e, &req, op, 0, &iov, len ? 1 : 0);
	wait_all(e, 1);
	assert_int_equal(e->last, 0);
	counts = xvb_fio_aio.counts(e->fio);
	assert_int_equal(counts.uring + counts.libaio + counts.helpers, 1);
	*copied = counts.copied;
	if (counts.uring)
		return BY_URING;
	return counts.libaio ? BY_LIBAIO : BY_HELPER;
}

static void check_small_ways(struct engine *e, char *buf, size_t len)
{
	static const enum xvb_fio_op ops[] = { XVB_FIO_WRITE, XVB_FIO_READ };
	unsigned int i, small = 0;
	enum way way;
	uint64_t copied;

	for (i = 0; i < 2; i++) {
		way = way_of(e, ops[i], buf, len, &copied);
		assert_true(way == BY_LIBAIO ||
			    (nr_urings && way == BY_URING));
		/* A write that io_uring gave back was copied for nothing. */
		assert_int_equal(copied, way == BY_URING ||
				 (copied && nr_urings && !i) ? len : 0);
		small += way == BY_URING;
	}
	print_message("# %u of 2 requests of %zu bytes by io_uring\n", small,
		      len);
}

/* Who completed a request, and what it took. */
static void engine_ways(void **state)
{
	uint64_t copied;
	char *buf = NULL;
	struct engine e;

	(void)state;
	engine_start(&e, NULL, false);
	assert_int_equal(posix_memalign((void **)&buf, 4096, 2 * LARGE), 0);
	memset(buf, 0x11, 2 * LARGE);
	assert_int_equal(way_of(&e, XVB_FIO_FLUSH, NULL, 0, &copied),
			 BY_HELPER);
	assert_int_equal(copied, 0);
	if (xvb_file_info(e.file)->direct) {
		assert_int_equal(way_of(&e, XVB_FIO_WRITE, buf, LARGE, &copied),
				 BY_LIBAIO);
		assert_int_equal(copied, 0);
		/* Blocks that are there: io_uring need not wait. */
		check_small_ways(&e, buf, 8192);
		/* The edges of slots and units. */
		check_small_ways(&e, buf, 16384);
		check_small_ways(&e, buf, 16384 + 4096);
		check_small_ways(&e, buf, 65536);
		check_small_ways(&e, buf, 65536 + 4096);
		check_small_ways(&e, buf, LARGE - 4096);
		assert_int_equal(way_of(&e, XVB_FIO_READ, buf + 3, LARGE,
					&copied), BY_HELPER);
		assert_int_equal(copied, LARGE);
	} else {
		assert_int_equal(way_of(&e, XVB_FIO_READ, buf + 3, LARGE,
					&copied), BY_HELPER);
		assert_int_equal(copied, 0);
	}
	free(buf);
	engine_stop(&e);
}

/* One request behind the other, of all sizes, with others in between. */
static void mixed_round(struct engine *e, enum xvb_fio_op op,
			unsigned char *buf, unsigned int turn)
{
	static const size_t sizes[] = {
		4096, 1048576, 65536, 16384, 524288, 69632, 1044480, 131072,
	};
	struct xvb_fio_req reqs[DEPTH];
	struct iovec iov[DEPTH];
	size_t at = 0;
	unsigned int i;

	e->done = 0;
	for (i = 0; i < MIXED; i++) {
		iov[i] = (struct iovec){
			buf + at, sizes[(i * 3 + turn) % ARRAY_SIZE(sizes)],
		};
		io(e, &reqs[i], op, at, &iov[i], 1);
		at += iov[i].iov_len;
		/* So that what is free lies here and there. */
		if (i % 8 == 5)
			wait_some(e, i / 2);
	}
	wait_all(e, MIXED);
	assert_int_equal(e->failed, 0);
	assert_int_equal(at, MIXED_BYTES);
}

static void engine_mixed(void **state)
{
	unsigned char *out = NULL, *in = NULL;
	struct xvb_fio_counts counts;
	unsigned int turn;
	struct engine e;
	int fd;

	(void)state;
	engine_start(&e, NULL, false);
	assert_int_equal(posix_memalign((void **)&out, 4096, MIXED_BYTES), 0);
	assert_int_equal(posix_memalign((void **)&in, 4096, MIXED_BYTES), 0);
	/* Blocks that are there: io_uring need not wait. */
	fd = open(e.path, O_WRONLY | O_CLOEXEC);
	pattern(out, MIXED_BYTES, 1);
	assert_int_equal(write(fd, out, MIXED_BYTES), MIXED_BYTES);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	for (turn = 0; turn < 8; turn++) {
		pattern(out, MIXED_BYTES, turn + 2);
		memset(in, 0, MIXED_BYTES);
		mixed_round(&e, XVB_FIO_WRITE, out, turn);
		mixed_round(&e, XVB_FIO_READ, in, turn + 5);
		assert_memory_equal(in, out, MIXED_BYTES);
	}
	counts = xvb_fio_aio.counts(e.fio);
	print_message("# %" PRIu64 " of %u requests by io_uring\n",
		      counts.uring, 16 * MIXED);
	free(out);
	free(in);
	engine_stop(&e);
}

/* The descriptor becomes readable for aio and for helpers. */
static void engine_wakes(void **state)
{
	struct pollfd pfd = { .events = POLLIN };
	struct xvb_fio_req req;
	struct engine e;

	(void)state;
	engine_start(&e, NULL, false);
	pfd.fd = xvb_fio_aio.fd(e.fio);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	io(&e, &req, XVB_FIO_FLUSH, 0, NULL, 0);
	xvb_fio_aio.submit(e.fio);
	assert_int_equal(poll(&pfd, 1, 10000), 1);
	while (!e.done)
		xvb_fio_aio.reap(e.fio, false);
	assert_int_equal(e.last, 0);
	engine_stop(&e);
}

/* Zeroing that takes long does not hold up a flush. */
static void engine_flush_passes(void **state)
{
	struct xvb_fio_req zero[4], flush;
	struct iovec iov = { NULL, 4096 };
	struct engine e;
	unsigned int i;

	(void)state;
	engine_start(&e, NULL, false);
	atomic_store(&zero_hangs, 1);
	for (i = 0; i < 4; i++)
		io(&e, &zero[i], XVB_FIO_ZERO, 4096 * i, &iov, 1);
	/* Time for every thread that would take one. */
	usleep(50000);
	io(&e, &flush, XVB_FIO_FLUSH, 0, NULL, 0);
	wait_some(&e, 1);
	assert_int_equal(e.done, 1);
	atomic_store(&zero_hangs, 0);
	wait_all(&e, 5);
	assert_int_equal(e.failed, 0);
	engine_stop(&e);
}

/* The page cache says only once that it lost something. */
static void engine_lost_writes(void **state)
{
	struct xvb_fio_req req;
	struct engine e;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		engine_start(&e, NULL, i);
		if (!i && !e.file->info.direct) {
			engine_stop(&e);
			continue;
		}
		atomic_store(&sync_fails, 1);
		io(&e, &req, XVB_FIO_FLUSH, 0, NULL, 0);
		wait_all(&e, 1);
		assert_int_equal(e.last, -EIO);
		atomic_store(&sync_fails, 0);
		io(&e, &req, XVB_FIO_FLUSH, 0, NULL, 0);
		wait_all(&e, 2);
		assert_int_equal(e.last, i ? -EIO : 0);
		engine_stop(&e);
	}
}

/* The end of the file moves: the error is an error, not a short read. */
static void engine_short(void **state)
{
	unsigned char *buf = NULL;
	struct xvb_fio_req req;
	struct iovec iov;
	struct engine e;

	(void)state;
	assert_int_equal(posix_memalign((void **)&buf, 4096, 65536), 0);
	engine_start(&e, NULL, false);
	assert_int_equal(truncate(e.path, 8192), 0);
	iov = (struct iovec){ buf, 65536 };
	io(&e, &req, XVB_FIO_READ, 0, &iov, 1);
	wait_all(&e, 1);
	assert_int_equal(e.last, -EIO);
	io(&e, &req, XVB_FIO_READ, 1 << 20, &iov, 1);
	wait_all(&e, 2);
	assert_int_equal(e.last, -EIO);
	engine_stop(&e);
	free(buf);
}

/* Memory that is not there: EFAULT, not a signal. */
static void engine_bad_memory(void **state)
{
	struct xvb_fio_req req;
	/* So large that no ring takes it, which would copy. */
	struct iovec iov = { (void *)4096, LARGE };
	struct engine e;

	(void)state;
	engine_start(&e, NULL, false);
	io(&e, &req, XVB_FIO_READ, 0, &iov, 1);
	wait_all(&e, 1);
	assert_int_equal(e.last, -EFAULT);
	engine_stop(&e);
}

static void engine_durable(void **state)
{
	unsigned char *buf = NULL;
	struct xvb_fio_req reqs[3];
	struct iovec iov[3];
	struct engine e;
	unsigned int i;

	(void)state;
	assert_int_equal(posix_memalign((void **)&buf, 4096, 4 * 4096), 0);
	pattern(buf, 4 * 4096, 1);
	engine_start(&e, NULL, false);
	for (i = 0; i < 3; i++) {
		memset(&reqs[i], 0, sizeof(reqs[i]));
		/* The last one goes through the bounce buffer. */
		iov[i] = (struct iovec){
			buf + i * 4096 + (i == 2), 1024 << i,
		};
		reqs[i].op = XVB_FIO_WRITE;
		reqs[i].flags = XVB_FIO_DSYNC;
		reqs[i].offset = 65536 * i;
		reqs[i].len = iov[i].iov_len;
		reqs[i].iov = &iov[i];
		reqs[i].niov = 1;
		xvb_fio_aio.queue(e.fio, &reqs[i]);
	}
	wait_all(&e, 3);
	assert_int_equal(e.failed, 0);
	engine_stop(&e);
	free(buf);
}

/* Read one block @n times, as a queue does; how often the fd was signalled. */
static unsigned int sweeps(struct engine *e, void *buf, unsigned int n)
{
	struct xvb_fio_req req;
	struct iovec iov = { buf, 4096 };
	struct pollfd pfd = { .events = POLLIN };
	unsigned int i, done, signals = 0;
	uint64_t count;

	pfd.fd = xvb_fio_aio.fd(e->fio);
	for (i = 0; i < n; i++) {
		done = e->done;
		io(e, &req, XVB_FIO_READ, 4096 * (i % 64), &iov, 1);
		xvb_fio_aio.submit(e->fio);
		xvb_fio_aio.reap(e->fio, false);
		while (e->done == done) {
			assert_int_equal(poll(&pfd, 1, 10000), 1);
			xvb_fio_aio.reap(e->fio, false);
		}
		signals += read(pfd.fd, &count, 8) == 8;
	}
	assert_int_equal(e->failed, 0);
	return signals;
}

/* Blocks that must be read from somewhere, no hole. */
static void fill(const char *path)
{
	char block[4096];
	unsigned int i;
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	memset(block, 0x33, sizeof(block));
	for (i = 0; i < 64; i++)
		assert_int_equal(write(fd, block, 4096), 4096);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

/* Sleeping as the daemon does, with a kernel that takes three at a time. */
static void engine_kernel_full(void **state)
{
	struct pollfd pfd = { .events = POLLIN };
	struct xvb_fio_req reqs[DEPTH];
	unsigned char *buf = NULL;
	struct iovec iov[DEPTH];
	struct engine e;
	unsigned int i;

	(void)state;
	engine_start(&e, NULL, false);
	fill(e.path);
	assert_int_equal(posix_memalign((void **)&buf, 4096, 4096), 0);
	pfd.fd = xvb_fio_aio.fd(e.fio);
	submit_most = 3;
	for (i = 0; i < DEPTH; i++) {
		iov[i] = (struct iovec){ buf, 4096 };
		io(&e, &reqs[i], XVB_FIO_READ, 4096 * i, &iov[i], 1);
	}
	xvb_fio_aio.submit(e.fio);
	for (;;) {
		xvb_fio_aio.reap(e.fio, false);
		if (e.done == DEPTH)
			break;
		assert_int_equal(poll(&pfd, 1, 10000), 1);
	}
	submit_most = 0;
	assert_int_equal(e.failed, 0);
	assert_int_equal(buf[4095], 0x33);
	free(buf);
	engine_stop(&e);
}

/*
 * A kernel that has no memory for io_uring, now and then: libaio does all of it,
 * at once and for a while, and nothing is lost or done twice.
 */
static void engine_uring_refused(void **state)
{
	struct engine e;
	unsigned int i;

	(void)state;
	if (!nr_urings)
		skip();
	engine_start(&e, NULL, false);
	if (!e.file->nr_urings) {
		engine_stop(&e);
		skip();
	}
	uring_refuses = 100;
	for (i = 0; i < 64; i++)
		depth_of_requests(&e);
	/* Refused in one sweep of 33: the 1024 requests after it do not ask. */
	assert_int_equal(uring_refuses, 100 - 4);
	uring_refuses = 0;
	engine_stop(&e);
}

/* More than the ring has memory for, in one sweep, and then its completions. */
static void overfull_sweep(struct engine *e, enum xvb_fio_op op,
			   unsigned char *buf)
{
	struct xvb_fio_req reqs[DEPTH];
	struct iovec iov[DEPTH];
	unsigned int i;

	e->done = 0;
	uring_submits = 0;
	for (i = 0; i < DEPTH; i++) {
		iov[i] = (struct iovec){ buf + i * UNIT, UNIT };
		io(e, &reqs[i], op, i * UNIT, &iov[i], 1);
	}
	wait_all(e, DEPTH);
	assert_int_equal(e->failed, 0);
}

static void some_rings(struct engine *e, unsigned int nr)
{
	nr_urings = nr;
	engine_start(e, NULL, false);
	nr_urings = 1;
}

static void no_room(unsigned int refuse)
{
	const size_t size = DEPTH * UNIT;
	unsigned char *out = NULL, *in = NULL;
	struct xvb_fio_counts counts;
	struct engine e;
	int fd;

	some_rings(&e, 4);
	assert_int_equal(posix_memalign((void **)&out, 4096, size), 0);
	assert_int_equal(posix_memalign((void **)&in, 4096, size), 0);
	/* Blocks that are there, and not cached: io_uring need not wait. */
	fd = open(e.path, O_WRONLY | O_CLOEXEC);
	pattern(out, size, 1);
	assert_int_equal(write(fd, out, size), size);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);

	pattern(out, size, 2);
	uring_settles = true;
	uring_refuses = refuse;
	overfull_sweep(&e, XVB_FIO_WRITE, out);
	assert_int_equal(uring_refuses, 0);
	memset(in, 0, size);
	overfull_sweep(&e, XVB_FIO_READ, in);
	assert_memory_equal(in, out, size);
	uring_settles = false;
	counts = xvb_fio_aio.counts(e.fio);
	print_message("# %" PRIu64 " of %u requests by io_uring\n",
		      counts.uring, 2 * DEPTH);
	free(out);
	free(in);
	engine_stop(&e);
}

/* Does a request of @size begin what is queued already? */
static bool makes_room(unsigned int rings, size_t size)
{
	struct xvb_fio_req reqs[DEPTH];
	unsigned char *buf = NULL;
	struct iovec iov[DEPTH];
	struct engine e;
	bool submitted;
	unsigned int i;

	some_rings(&e, rings);
	fill(e.path);
	assert_int_equal(posix_memalign((void **)&buf, 4096, DEPTH * size), 0);
	uring_submits = 0;
	for (i = 0; i < DEPTH; i++) {
		iov[i] = (struct iovec){
			buf + i * size, i ? size : 4096,
		};
		io(&e, &reqs[i], XVB_FIO_READ, 0, &iov[i], 1);
	}
	submitted = uring_submits;
	wait_all(&e, DEPTH);
	assert_int_equal(e.failed, 0);
	for (i = 0; i < DEPTH; i++)
		assert_int_equal(buf[i * size], 0x33);
	free(buf);
	engine_stop(&e);
	return submitted;
}

/*
 * Each completion queues a request of twice the size, which finds no room where the
 * one before has taken it: these are not taken while others are.
 */
static void no_room_again(void)
{
	struct xvb_fio_req reqs[DEPTH], more[4 * DEPTH];
	unsigned char *buf = NULL;
	struct iovec iov, large;
	struct engine e;
	unsigned int i;

	some_rings(&e, 16);
	fill(e.path);
	assert_int_equal(posix_memalign((void **)&buf, 4096, 2 * UNIT), 0);
	iov = (struct iovec){ buf, UNIT };
	large = (struct iovec){ buf, 2 * UNIT };
	for (i = 0; i < 4 * DEPTH; i++)
		more[i] = (struct xvb_fio_req){
			.op = XVB_FIO_READ, .iov = &large, .niov = 1,
			.len = 2 * UNIT,
		};
	uring_settles = true;
	e.more = more;
	e.nr_more = 4 * DEPTH;
	/* A ring has room for four. */
	for (i = 0; i < DEPTH / 2; i++)
		io(&e, &reqs[i], XVB_FIO_READ, 0, &iov, 1);
	while (e.done < DEPTH / 2 + 4 * DEPTH) {
		xvb_fio_aio.submit(e.fio);
		xvb_fio_aio.reap(e.fio, true);
	}
	assert_int_equal(xvb_fio_aio.reap(e.fio, true), 0);
	uring_settles = false;
	assert_int_equal(e.done, DEPTH / 2 + 4 * DEPTH);
	assert_int_equal(e.failed, 0);
	for (i = 0; i < 2 * UNIT; i += 4096)
		assert_int_equal(buf[i], 0x33);
	free(buf);
	engine_stop(&e);
}

/*
 * What is queued is started to make room, but not for what would never have any;
 * nothing is lost, also when the kernel refuses, in either way.
 */
static void engine_no_room(void **state)
{
	struct engine e;
	bool urings;

	(void)state;
	engine_start(&e, NULL, false);
	urings = e.file->nr_urings;
	engine_stop(&e);
	if (!urings)
		skip();
	no_room(0);
	no_room(1);
	no_room(1);
	assert_true(makes_room(4, UNIT));
	assert_true(makes_room(16, 4 * UNIT));
	assert_false(makes_room(16, 8 * UNIT));
	no_room_again();
}

/*
 * What completes at once stops to signal; when the device changes its habits
 * (here: another file under the same descriptor) nothing is lost.
 */
static void engine_quiet(void **state)
{
	struct engine e, disk;
	unsigned char *buf = NULL;

	(void)state;
	engine_start(&e, "/dev/shm", false);
	if (!e.file->info.direct) {
		engine_stop(&e);
		skip();
	}
	engine_start(&disk, NULL, false);
	fill(disk.path);
	assert_int_equal(posix_memalign((void **)&buf, 4096, 4096), 0);
	pattern(buf, 4096, 1);
	/* The first one, if a ring cannot have it, is not calm. */
	assert_int_equal(sweeps(&e, buf, 65), 64 + (int)e.file->nr_urings);
	assert_int_equal(sweeps(&e, buf, 200), 0);
	assert_true(all_zero(buf, 4096));
	assert_int_equal(dup2(disk.file->fd, e.file->fd), e.file->fd);
	print_message("# %u of 50 signalled\n", sweeps(&e, buf, 50));
	assert_int_equal(buf[0], 0x33);
	free(buf);
	engine_stop(&disk);
	engine_stop(&e);
}

static int with_urings(void **state)
{
	(void)state;
	nr_urings = 1;
	return 0;
}

int main(void)
{
	int failed;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_errors),
		cmocka_unit_test(locking),
		cmocka_unit_test(locking_waits),
		cmocka_unit_test(engine_direct),
		cmocka_unit_test(engine_buffered),
		cmocka_unit_test(engine_tmpfs),
		cmocka_unit_test(engine_ways),
		cmocka_unit_test(engine_mixed),
		cmocka_unit_test(engine_wakes),
		cmocka_unit_test(engine_short),
		cmocka_unit_test(engine_flush_passes),
		cmocka_unit_test(engine_lost_writes),
		cmocka_unit_test(engine_bad_memory),
		cmocka_unit_test(engine_durable),
		cmocka_unit_test(engine_quiet),
		cmocka_unit_test(engine_kernel_full),
		cmocka_unit_test(engine_uring_refused),
		cmocka_unit_test(engine_no_room),
	};

	failed = cmocka_run_group_tests_name("fileio", tests, NULL, NULL);
	return failed + cmocka_run_group_tests_name("fileio-uring", tests,
						    with_urings, NULL);
}
