// SPDX-License-Identifier: GPL-2.0-only
/*
 * file_helper.c - threads for file I/O that would block or needs a copy
 *
 * A helper does one request at a time with ordinary system calls, which the
 * kernel completes before the process can die: safe on granted memory.  One
 * mutex for the lists of a file; this is not the fast path.
 *
 * Discard and write-zeroes can take long.  They have a list of their own, and
 * one helper always stays free of them, so that a flush need not wait behind
 * them; and while there are any, one helper is at it.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <unistd.h>

#include <linux/fs.h>

#include "file_priv.h"

#define HELPER_STACK		((size_t)256 << 10)
#define HELPER_BOUNCE		((size_t)256 << 10)
#define HELPER_ALIGN		4096
#define HELPER_IOVS		64

struct helper_list {
	struct xvb_fio_req *first;
	struct xvb_fio_req **last;
};

struct xvb_helpers {
	struct xvb_file *file;
	pthread_mutex_t lock;		/* lists, nr_slow, stop; completion */
	pthread_cond_t work;
	struct helper_list quick;
	struct helper_list slow;
	unsigned int nr_slow;		/* helpers that do a slow one */
	unsigned int max_slow;
	bool stop;
	unsigned int nr;
	struct helper {
		struct xvb_helpers *set;
		pthread_t thread;
		unsigned char *bounce;
	} helper[];
};

/* A place in a list of iovecs. */
struct iov_pos {
	const struct iovec *iov;
	unsigned int niov;
	size_t offset;
};

static void iov_pos_init(struct iov_pos *pos, const struct xvb_fio_req *req)
{
	uint64_t skip = req->done;

	pos->iov = req->iov;
	pos->niov = req->niov;
	while (pos->niov && skip >= pos->iov->iov_len) {
		skip -= pos->iov->iov_len;
		pos->iov++;
		pos->niov--;
	}
	pos->offset = skip;
}

/* The next entries from a place on, as an array. */
static unsigned int iov_pos_get(const struct iov_pos *pos, struct iovec *to)
{
	unsigned int i;

	for (i = 0; i < pos->niov && i < HELPER_IOVS; i++)
		to[i] = pos->iov[i];
	if (i) {
		to[0].iov_base = (char *)to[0].iov_base + pos->offset;
		to[0].iov_len -= pos->offset;
	}
	return i;
}

/* Copy @len bytes between a bounce buffer and the memory at a place. */
static void iov_pos_copy(struct iov_pos *pos, unsigned char *bounce,
			 size_t len, bool to_iov)
{
	unsigned char *mem;
	size_t n;

	while (len && pos->niov) {
		mem = (unsigned char *)pos->iov->iov_base + pos->offset;
		n = MIN(len, pos->iov->iov_len - pos->offset);
		if (to_iov)
			memcpy(mem, bounce, n);
		else
			memcpy(bounce, mem, n);
		bounce += n;
		len -= n;
		pos->offset += n;
		if (pos->offset == pos->iov->iov_len) {
			pos->iov++;
			pos->niov--;
			pos->offset = 0;
		}
	}
}

/* One system call straight on the memory of the request. */
static ssize_t helper_transfer(struct xvb_file *file, struct xvb_fio_req *req)
{
	struct iovec iov[HELPER_IOVS];
	struct iov_pos pos;
	unsigned int n;

	iov_pos_init(&pos, req);
	n = iov_pos_get(&pos, iov);
	if (req->op == XVB_FIO_READ)
		return preadv(file->fd, iov, n, req->offset + req->done);
	return pwritev(file->fd, iov, n, req->offset + req->done);
}

/* The same through the aligned buffer of the thread. */
static ssize_t helper_bounce(struct xvb_file *file, struct xvb_fio_req *req,
			     unsigned char *bounce)
{
	size_t len = MIN(req->len - req->done, (uint64_t)HELPER_BOUNCE);
	off_t offset = req->offset + req->done;
	struct iov_pos pos;
	ssize_t ret;

	iov_pos_init(&pos, req);
	if (req->op == XVB_FIO_WRITE) {
		iov_pos_copy(&pos, bounce, len, false);
		req->copied += len;
		return pwrite(file->fd, bounce, len, offset);
	}
	ret = pread(file->fd, bounce, len, offset);
	if (ret > 0) {
		iov_pos_copy(&pos, bounce, ret, true);
		req->copied += ret;
	}
	return ret;
}

/*
 * The page cache forgets what it could not write, and that it said so: the
 * next fdatasync() is fine.  The guest must not believe it.
 */
static int helper_sync(struct xvb_file *file)
{
	int lost = atomic_load(&file->sync_error), ret;

	if (lost)
		return lost;
	ret = fdatasync(file->fd) ? -errno : 0;
	if (ret && ret != -EINTR && !file->info.direct &&
	    !atomic_exchange(&file->sync_error, ret))
		xvb_err("flushing the disk: %s: written data is lost, every flush fails from now on: detach it and check it",
			strerror(-ret));
	return ret;
}

static int helper_rw(struct helper *h, struct xvb_fio_req *req)
{
	struct xvb_file *file = h->set->file;
	bool bounce = file->info.direct &&
		      (req->flags & XVB_FIO_BOUNCE ||
		       !xvb_file_aligned(file, req->iov, req->niov));
	ssize_t ret;

	while (req->done < req->len) {
		if (bounce)
			ret = helper_bounce(file, req, h->bounce);
		else
			ret = helper_transfer(file, req);
		if (ret < 0 && errno == EINTR)
			continue;
		/* Memory that O_DIRECT does not like after all. */
		if (ret < 0 && errno == EINVAL && file->info.direct &&
		    !bounce) {
			bounce = true;
			continue;
		}
		if (ret < 0)
			return -errno;
		/* The file ends early: somebody made it shorter. */
		if (!ret)
			return -EIO;
		req->done += ret;
	}
	return req->flags & XVB_FIO_DSYNC ? helper_sync(file) : 0;
}

static int helper_discard(struct xvb_file *file, struct xvb_fio_req *req)
{
	uint64_t range[2] = { req->offset, req->len };

	if (file->info.block_device)
		return ioctl(file->fd, BLKDISCARD, range) ? -errno : 0;
	return fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 req->offset, req->len) ? -errno : 0;
}

static int helper_write_zeroes(struct helper *h, struct xvb_fio_req *req)
{
	struct xvb_file *file = h->set->file;
	uint64_t n;
	ssize_t ret;

	memset(h->bounce, 0, HELPER_BOUNCE);
	while (req->done < req->len) {
		n = MIN(req->len - req->done, (uint64_t)HELPER_BOUNCE);
		ret = pwrite(file->fd, h->bounce, n, req->offset + req->done);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -EIO;
		req->done += ret;
	}
	return 0;
}

/* Try the cheap ways first; what reads as zero is the same in all. */
static int helper_zero(struct helper *h, struct xvb_fio_req *req)
{
	struct xvb_file *file = h->set->file;
	uint64_t range[2] = { req->offset, req->len };

	if ((req->flags & XVB_FIO_UNMAP) &&
	    !fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       req->offset, req->len))
		return 0;
	if (file->info.block_device) {
		if (!ioctl(file->fd, BLKZEROOUT, range))
			return 0;
	} else if (!fallocate(file->fd,
			      FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
			      req->offset, req->len)) {
		return 0;
	}
	if (errno == ENOSPC || errno == EIO)
		return -errno;
	return helper_write_zeroes(h, req);
}

static int helper_do(struct helper *h, struct xvb_fio_req *req)
{
	struct xvb_file *file = h->set->file;
	int ret = -EOPNOTSUPP;

	switch (req->op) {
	case XVB_FIO_READ:
	case XVB_FIO_WRITE:
		return helper_rw(h, req);
	case XVB_FIO_FLUSH:
		return helper_sync(file);
	case XVB_FIO_DISCARD:
		ret = helper_discard(file, req);
		break;
	case XVB_FIO_ZERO:
		ret = helper_zero(h, req);
		break;
	}
	if (!ret && (req->flags & XVB_FIO_DSYNC))
		ret = helper_sync(file);
	return ret;
}

/*
 * The lock keeps the sink alive for the signal: once the request is in its
 * list the owner may close it, but not before xvb_helpers_sync().
 */
static void helper_complete(struct xvb_helpers *set, struct xvb_fio_req *req)
{
	struct xvb_completions *sink = req->sink;
	struct xvb_fio_req *head;
	uint64_t one = 1;

	pthread_mutex_lock(&set->lock);
	head = atomic_load_explicit(&sink->head, memory_order_relaxed);
	do {
		req->next = head;
		/* Pairs with the acquire in aio_reap_helpers(). */
	} while (!atomic_compare_exchange_weak_explicit(&sink->head, &head,
							req,
							memory_order_release,
							memory_order_relaxed));
	while (!head && write(sink->eventfd, &one, sizeof(one)) < 0 &&
	       errno == EINTR)
		;
	pthread_mutex_unlock(&set->lock);
}

/* The oldest request of a list that one more helper may work on, or NULL. */
static struct xvb_fio_req *helpers_take(struct xvb_helpers *set, bool *slow)
{
	struct helper_list *list;
	struct xvb_fio_req *req;

	*slow = set->slow.first &&
		(!set->nr_slow || (!set->quick.first && set->nr_slow < set->max_slow));
	list = *slow ? &set->slow : &set->quick;
	req = list->first;
	if (!req)
		return NULL;
	list->first = req->next;
	if (!list->first)
		list->last = &list->first;
	if (*slow)
		set->nr_slow++;
	return req;
}

/* @slow: what kind the last one was, and the next one is. */
static struct xvb_fio_req *helpers_next(struct xvb_helpers *set, bool *slow)
{
	struct xvb_fio_req *req;

	pthread_mutex_lock(&set->lock);
	if (*slow)
		set->nr_slow--;
	for (;;) {
		req = helpers_take(set, slow);
		if (req || set->stop)
			break;
		pthread_cond_wait(&set->work, &set->lock);
	}
	pthread_mutex_unlock(&set->lock);
	return req;
}

static void *helper_main(void *arg)
{
	struct helper *h = arg;
	struct xvb_fio_req *req;
	bool slow = false;

	for (;;) {
		req = helpers_next(h->set, &slow);
		if (!req)
			return NULL;
		req->result = helper_do(h, req);
		helper_complete(h->set, req);
	}
}

static int helper_start(struct xvb_helpers *set, struct helper *h)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int ret;

	h->set = set;
	if (posix_memalign((void **)&h->bounce, HELPER_ALIGN, HELPER_BOUNCE))
		return -ENOMEM;
	ret = pthread_attr_init(&attr);
	if (ret)
		goto err_free;
	pthread_attr_setstacksize(&attr, HELPER_STACK);
	/* Signals are for the threads that expect them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&h->thread, &attr, helper_main, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (ret)
		goto err_free;
	return 0;

err_free:
	free(h->bounce);
	return -ret;
}

int xvb_helpers_start(struct xvb_file *file, unsigned int nr,
		      struct xvb_helpers **helpers)
{
	struct xvb_helpers *set;
	int ret;

	set = calloc(1, sizeof(*set) + nr * sizeof(set->helper[0]));
	if (!set)
		return -ENOMEM;
	set->file = file;
	set->quick.last = &set->quick.first;
	set->slow.last = &set->slow.first;
	set->max_slow = nr > 1 ? nr - 1 : 1;
	pthread_mutex_init(&set->lock, NULL);
	pthread_cond_init(&set->work, NULL);
	for (; set->nr < nr; set->nr++) {
		ret = helper_start(set, &set->helper[set->nr]);
		if (ret) {
			xvb_helpers_stop(set);
			return ret;
		}
	}
	*helpers = set;
	return 0;
}

void xvb_helpers_stop(struct xvb_helpers *set)
{
	unsigned int i;

	if (!set)
		return;
	pthread_mutex_lock(&set->lock);
	set->stop = true;
	pthread_cond_broadcast(&set->work);
	pthread_mutex_unlock(&set->lock);
	for (i = 0; i < set->nr; i++) {
		pthread_join(set->helper[i].thread, NULL);
		free(set->helper[i].bounce);
	}
	pthread_cond_destroy(&set->work);
	pthread_mutex_destroy(&set->lock);
	free(set);
}

void xvb_helpers_sync(struct xvb_helpers *set)
{
	pthread_mutex_lock(&set->lock);
	pthread_mutex_unlock(&set->lock);
}

void xvb_helpers_queue(struct xvb_helpers *set, struct xvb_fio_req *req,
		       struct xvb_completions *sink)
{
	bool slow = req->op == XVB_FIO_DISCARD || req->op == XVB_FIO_ZERO;
	struct helper_list *list = slow ? &set->slow : &set->quick;

	req->sink = sink;
	req->next = NULL;
	pthread_mutex_lock(&set->lock);
	*list->last = req;
	list->last = &req->next;
	pthread_cond_signal(&set->work);
	pthread_mutex_unlock(&set->lock);
}
