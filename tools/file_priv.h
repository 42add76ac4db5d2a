/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file_priv.h - what the parts of the file engine share
 *
 *	file.c		opening, locking, what a file can do
 *	file_aio.c	the engine: libaio, and who goes elsewhere
 *	file_uring.c	reads and writes, through memory of our own
 *	file_helper.c	threads for what would block
 */

#ifndef XVB_FILE_PRIV_H
#define XVB_FILE_PRIV_H

#include <stdatomic.h>

#include "fileio.h"

struct xvb_helpers;
struct xvb_uring;

/**
 * struct xvb_file - an open file
 * @info: what is known about it
 * @fd: descriptor, with O_DIRECT when @info.direct
 * @len_mask: O_DIRECT: bits that must be 0 in the length of each iovec
 * @helpers: threads
 * @urings: rings of io_uring, for one engine each
 * @nr_urings: how many there are; 0 where the kernel has none for us
 * @sync_error: what was written is lost, for good: -errno of the first flush
 *              that failed, or 0; only without O_DIRECT
 */
struct xvb_file {
	struct xvb_file_info info;
	int fd;
	uint32_t len_mask;
	struct xvb_helpers *helpers;
	struct xvb_uring *urings;
	unsigned int nr_urings;
	atomic_int sync_error;
};

/**
 * struct xvb_completions - requests on their way from helpers to their owner
 * @head: last one first
 * @eventfd: signalled when @head becomes non-empty
 */
struct xvb_completions {
	struct xvb_fio_req *_Atomic head;
	int eventfd;
};

/**
 * xvb_file_aligned() - can O_DIRECT take this memory?
 * @file: file with O_DIRECT
 * @iov: memory
 * @niov: length of @iov
 *
 * Return: true when it can.
 */
bool xvb_file_aligned(const struct xvb_file *file, const struct iovec *iov,
		      unsigned int niov);

/**
 * xvb_helpers_start() - start threads
 * @file: file they work on; must outlive them
 * @nr: how many
 * @helpers: the threads
 *
 * Return: 0 or -errno.
 */
int xvb_helpers_start(struct xvb_file *file, unsigned int nr,
		      struct xvb_helpers **helpers);

/**
 * xvb_helpers_stop() - end the threads
 * @helpers: threads with nothing to do, or NULL
 */
void xvb_helpers_stop(struct xvb_helpers *helpers);

/**
 * xvb_helpers_queue() - give a request to a thread
 * @helpers: threads
 * @req: request; its first @req->done bytes are transferred already
 * @sink: where it goes when it is complete, with @req->result set
 *
 * Context: any thread.
 */
void xvb_helpers_queue(struct xvb_helpers *helpers, struct xvb_fio_req *req,
		       struct xvb_completions *sink);

/**
 * xvb_helpers_sync() - wait until no thread is signalling a sink any more
 * @helpers: threads
 *
 * To be called between the last completion and the end of a sink.
 */
void xvb_helpers_sync(struct xvb_helpers *helpers);

/**
 * xvb_urings_make() - make rings and the memory that they do I/O to
 * @file: file, open, with O_DIRECT
 * @nr: how many
 *
 * Before the sandbox: needs io_uring_setup and io_uring_register.
 *
 * Return: 0 or -errno: then there are none.
 */
int xvb_urings_make(struct xvb_file *file, unsigned int nr);

/**
 * xvb_urings_free() - the reverse
 * @file: file; nothing is in flight
 */
void xvb_urings_free(struct xvb_file *file);

/**
 * xvb_uring_take() - a ring that nobody uses
 * @file: file
 *
 * Context: any thread.
 * Return: the ring, or NULL.
 */
struct xvb_uring *xvb_uring_take(struct xvb_file *file);

/**
 * xvb_uring_give() - the reverse
 * @u: ring with nothing in flight
 */
void xvb_uring_give(struct xvb_uring *u);

/**
 * xvb_uring_eventfd() - what is signalled when something completes
 * @u: ring
 *
 * Return: nonblocking eventfd, owned by the ring.
 */
int xvb_uring_eventfd(const struct xvb_uring *u);

/**
 * xvb_uring_signal() - whether the eventfd is signalled
 * @u: ring
 * @on: it is; at first it is
 */
void xvb_uring_signal(struct xvb_uring *u, bool on);

/**
 * xvb_uring_queue() - take a request, if it is one for a ring
 * @u: ring
 * @req: READ or WRITE
 *
 * Return: 0, -ENOSPC when there is no room for it before another one completes, or
 * -EOPNOTSUPP when it has to go another way.
 */
int xvb_uring_queue(struct xvb_uring *u, struct xvb_fio_req *req);

/**
 * xvb_uring_submit() - start what is queued
 * @u: ring
 *
 * What the kernel refuses stays queued, for xvb_uring_take_back().
 *
 * Return: how many requests it has started.
 */
unsigned int xvb_uring_submit(struct xvb_uring *u);

/**
 * xvb_uring_take_back() - undo one xvb_uring_queue()
 * @u: ring, after xvb_uring_submit()
 *
 * Return: a request that has to go another way, or NULL when there is none.
 */
struct xvb_fio_req *xvb_uring_take_back(struct xvb_uring *u);

/**
 * xvb_uring_reap() - take all completions that are there
 * @u: ring
 * @done: called for each request, with 0 when it is complete and its data are
 *        in place, -EAGAIN when it has to go another way, or another -errno;
 *        may queue requests
 * @ctx: for @done
 *
 * Return: how many.
 */
unsigned int xvb_uring_reap(struct xvb_uring *u,
			    void (*done)(void *ctx, struct xvb_fio_req *req,
					 int result), void *ctx);

/**
 * xvb_uring_copied() - what was copied since the last call
 * @u: ring
 *
 * Return: bytes.
 */
uint64_t xvb_uring_copied(struct xvb_uring *u);

#endif /* XVB_FILE_PRIV_H */
