/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fileio.h - the file engine: asynchronous I/O between a file and memory
 *
 * The memory may be a mapped grant window.  That rules out io_uring on it: a
 * process that dies with an io_uring request in flight on a grant mapping
 * corrupts the accounting of the domain's memory and leaks the grants.  The
 * kernel waits for libaio requests and for system calls of threads, so these
 * are what is used there:
 *
 *  - io_uring with memory of our own and a copy, for reads and writes up to
 *    1 MiB, where the kernel has it;
 *  - libaio, O_DIRECT straight into the window, for other aligned reads and
 *    writes: one io_submit() per sweep of a ring, completions from the ring
 *    that the kernel maps into the process;
 *  - a few helper threads per file for everything else: fdatasync, discard,
 *    write-zeroes, files without O_DIRECT, buffers that are not aligned
 *    (through a private aligned buffer), and the rest of a short transfer.
 *
 * System calls after xvb_file_open(), for a seccomp filter: io_uring_enter,
 * io_setup, io_submit, io_getevents, io_destroy, eventfd2, nanosleep, read, write, poll, preadv2,
 * pwritev2, preadv, pwritev, fdatasync, fallocate, futex, mmap, munmap,
 * madvise, close; ioctl with BLKDISCARD and BLKZEROOUT.
 *
 * Tests put their own struct xvb_fio_ops in the place of the real one.
 */

#ifndef XVB_FILEIO_H
#define XVB_FILEIO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <libaio.h>

#include "log.h"

struct xvb_file;
struct xvb_fio;
struct xvb_completions;

/**
 * struct xvb_file_options - how to open a file
 * @path: regular file or block device
 * @readonly: open for reading only
 * @block_size: logical block size that the guest sees, 512 or 4096; 0: that
 *              of the block device, 512 for a regular file
 * @no_direct: do not use O_DIRECT
 * @nr_helpers: helper threads; 0: a default
 * @nr_urings: how many engines may use io_uring; 0: none
 * @wait_ms: how long to wait for somebody else to let go of it
 */
struct xvb_file_options {
	const char *path;
	bool readonly;
	uint32_t block_size;
	bool no_direct;
	unsigned int nr_helpers;
	unsigned int nr_urings;
	unsigned int wait_ms;
};

/**
 * struct xvb_file_info - what is known about an open file
 * @size: bytes, a multiple of @block_size
 * @block_size: logical block size
 * @physical_size: physical block size, at least @block_size
 * @opt_io_size: preferred size of an I/O in bytes, or 0
 * @discard_granularity: bytes, or 0
 * @readonly: as opened
 * @block_device: it is one
 * @direct: O_DIRECT is used
 * @can_discard: discard can be expected to work
 * @mem_align: O_DIRECT: alignment of buffers, a power of two
 */
struct xvb_file_info {
	uint64_t size;
	uint32_t block_size;
	uint32_t physical_size;
	uint32_t opt_io_size;
	uint32_t discard_granularity;
	bool readonly;
	bool block_device;
	bool direct;
	bool can_discard;
	uint32_t mem_align;
};

/**
 * enum xvb_fio_op - what a request does; those that transfer data come first
 * @XVB_FIO_READ: file to memory
 * @XVB_FIO_WRITE: memory to file
 * @XVB_FIO_FLUSH: make what was written before durable
 * @XVB_FIO_DISCARD: the contents of a range are not needed any more
 * @XVB_FIO_ZERO: a range reads as zero afterwards
 */
enum xvb_fio_op {
	XVB_FIO_READ,
	XVB_FIO_WRITE,
	XVB_FIO_FLUSH,
	XVB_FIO_DISCARD,
	XVB_FIO_ZERO,
};

#define XVB_FIO_DSYNC	(1U << 0)	/* durable before it completes */
#define XVB_FIO_UNMAP	(1U << 1)	/* ZERO may deallocate */
#define XVB_FIO_BOUNCE	(1U << 2)	/* never pin the pages of the memory */

/**
 * struct xvb_fio_counts - how requests were completed in the end
 * @uring: by io_uring
 * @libaio: by libaio
 * @helpers: by a helper thread
 * @copied: bytes that were copied between their memory and other memory
 */
struct xvb_fio_counts {
	uint64_t uring;
	uint64_t libaio;
	uint64_t helpers;
	uint64_t copied;
};

/**
 * struct xvb_fio_req - one request, owned by the caller
 * @op: operation
 * @flags: XVB_FIO_*
 * @offset: bytes, a multiple of the block size
 * @len: bytes, a multiple of the block size; sum of @iov for READ and WRITE
 * @iov: memory; entries must stay until completion
 * @niov: length of @iov
 * @iocb: of the engine
 * @next: of the engine
 * @done: of the engine: bytes already transferred
 * @result: of the engine: 0 or -errno, on its way to the caller
 * @sink: of the engine: where it goes from a helper thread
 * @slot: of the engine: memory in a ring
 * @copied: of the engine: bytes that a helper thread has copied
 */
struct xvb_fio_req {
	enum xvb_fio_op op;
	unsigned int flags;
	uint64_t offset;
	uint64_t len;
	struct iovec *iov;
	unsigned int niov;

	struct iocb iocb;
	struct xvb_fio_req *next;
	uint64_t done;
	int result;
	struct xvb_completions *sink;
	unsigned int slot;
	uint64_t copied;
};

/*
 * The completion call-back has the form
 *
 *	void done(void *ctx, struct xvb_fio_req *req, int result)
 *
 * with result 0 or -errno; a request is complete or failed, never short.
 */

/**
 * struct xvb_fio_ops - an engine
 * @open: make an instance for one thread, at most @depth requests at a time
 * @close: free it; nothing is in flight
 * @queue: take a request; it starts with the next @submit at the latest.
 *         Errors come as completions.
 * @submit: start what is queued; @reap must follow before anybody sleeps,
 *          because an engine need not signal what is complete at once
 * @reap: call done for everything that is complete; with @wait, block until
 *        at least one is when any is in flight.  Return how many it was called for.
 * @counts: what was completed since the last call, or NULL for an engine that does
 *          not count
 * @fd: descriptor that becomes readable (edge) when something completes that
 *      the last @reap did not find
 *
 * @queue, @submit and @reap belong to one thread.  Done is called by @reap, and by
 * @queue for requests that were queued before; it may call @queue, which does not
 * call it then.
 */
struct xvb_fio_ops {
	int (*open)(struct xvb_file *file, unsigned int depth,
		    void (*done)(void *ctx, struct xvb_fio_req *req,
				 int result),
		    void *ctx, struct xvb_fio **fio, struct xvb_error *err);
	void (*close)(struct xvb_fio *fio);
	void (*queue)(struct xvb_fio *fio, struct xvb_fio_req *req);
	void (*submit)(struct xvb_fio *fio);
	unsigned int (*reap)(struct xvb_fio *fio, bool wait);
	struct xvb_fio_counts (*counts)(struct xvb_fio *fio);
	int (*fd)(struct xvb_fio *fio);
};

/* The engine described above. */
extern const struct xvb_fio_ops xvb_fio_aio;

/**
 * xvb_file_open() - open and lock a file or block device
 * @opt: how
 * @file: the file
 * @err: what is wrong, in one line with the path and what to do
 *
 * A writer excludes every other xen-virtio user of the same file, a reader
 * excludes writers; a block device that is open for writing is claimed
 * exclusively (not mounted, not in use by the kernel).  The image of a loop
 * device is refused, to a reader only when the loop device can be written.
 * Starts the helper threads.  May block for @opt->wait_ms.
 *
 * Return: 0 or -errno.
 */
int xvb_file_open(const struct xvb_file_options *opt, struct xvb_file **file,
		  struct xvb_error *err);

/**
 * xvb_file_close() - stop the helpers, unlock and close
 * @file: file without engine instances, or NULL
 */
void xvb_file_close(struct xvb_file *file);

/**
 * xvb_file_info() - what is known about it
 * @file: file
 *
 * Return: the information, valid as long as @file.
 */
const struct xvb_file_info *xvb_file_info(const struct xvb_file *file);

#endif /* XVB_FILEIO_H */
