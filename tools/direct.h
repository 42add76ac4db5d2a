/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * direct.h - buffers that a guest grants for one request alone
 *
 * Such a buffer is never mapped while a file is read or written: the kernel may
 * keep a page pinned for a moment after it has reported that the I/O is
 * complete, and to unmap a pinned grant corrupts its page accounting.  Besides,
 * the guest quarantines a page that is still mapped when its request is over.
 * So the data go through memory of our own, and get there and back in one of
 * two ways:
 *
 *  - Xen copies them (grant copy), or
 *  - the pages are mapped, copied and unmapped at once.
 *
 * Either is done for many requests together: what one sweep of the ring has
 * found is one call, and so is what completed together.  See docs/performance.md
 * for when which of them is cheaper.
 *
 * A request that is larger than the memory of its queue is mapped as long as it
 * takes, and the file engine is told to keep its hands off the mapping
 * (XVB_FIO_BOUNCE).
 *
 * Way of a chain with grants: xvb_direct_take() after it was popped, the device
 * works on it as on any other from when xvb_direct_take() or
 * xvb_direct_fetched() says so, xvb_direct_give() when it is complete,
 * xvb_direct_settled() gives it back when nothing of it is needed any more: only
 * then its used entry may be written.
 *
 * Threads: each struct xvb_direct belongs to the thread of its queue.
 */

#ifndef XVB_DIRECT_H
#define XVB_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "memory.h"
#include "stats.h"
#include "virtqueue.h"

struct xvb_direct;
struct xvb_params;

/**
 * struct xvb_direct_config - how direct grants are served
 * @enabled: they are
 * @map_min: bytes of a request from which on it is mapped instead of copied
 */
struct xvb_direct_config {
	bool enabled;
	uint64_t map_min;
};

/**
 * struct xvb_direct_req - a chain with direct grants
 * @next: of direct.c
 * @grants: of the chain
 * @ngrants: how many
 * @first: its memory: number of the first page
 * @pages: its memory: how many, 0 when it has none
 * @map: when it is larger than that: where its pages are mapped, by enum
 *       xvb_access
 * @map_pages: how many
 * @by_map: in which of the two ways
 * @used: bytes from the beginning of the writable part that are to be copied
 * @error: 0, or why the guest's pages could not be reached
 */
struct xvb_direct_req {
	struct xvb_direct_req *next;
	struct xvb_grant *grants;
	uint16_t ngrants;
	bool by_map;
	uint32_t first;
	uint32_t pages;
	void *map[2];
	uint32_t map_pages[2];
	uint32_t used;
	int error;
};

/**
 * xvb_direct_params() - take the parameters of direct grants
 * @params: parameters
 * @cfg: set
 * @err: what is wrong
 *
 * Return: 0 or -EINVAL.
 */
int xvb_direct_params(struct xvb_params *params, struct xvb_direct_config *cfg,
		      struct xvb_error *err);

/**
 * xvb_direct_open() - memory for the direct grants of a queue
 * @mem: the guest's memory
 * @cfg: how
 * @nr_queues: how many queues share what a device may use
 * @stats: where operations are counted
 * @direct: NULL when direct grants are not served
 *
 * Return: 0 or -ENOMEM.
 */
int xvb_direct_open(struct xvb_memory *mem, const struct xvb_direct_config *cfg,
		    unsigned int nr_queues, struct xvb_grant_stats *stats,
		    struct xvb_direct **direct);

/**
 * xvb_direct_close() - free it
 * @d: with no request in it, or NULL
 */
void xvb_direct_close(struct xvb_direct *d);

/**
 * xvb_direct_take() - give a chain memory
 * @d: direct grants of the queue
 * @req: its part of the request
 * @chain: chain with at least one grant, as it was popped; its arrays stay until
 *         xvb_direct_settled()
 *
 * Return: 0, the device may begin; -EINPROGRESS, when xvb_direct_fetched() says
 * so; -EAGAIN, try again when other requests are settled; another -errno: no
 * memory will ever do.  Then the grants are not in the chain any more, and
 * @req counts as not taken.
 */
int xvb_direct_take(struct xvb_direct *d, struct xvb_direct_req *req,
		    struct xvb_chain *chain);

/**
 * xvb_direct_fetch() - get the data of all that was taken, together
 * @d: direct grants of the queue
 */
void xvb_direct_fetch(struct xvb_direct *d);

/**
 * xvb_direct_fetched() - the next request whose data are there
 * @d: direct grants of the queue
 *
 * Return: a request, whose @error is to be looked at, or NULL.
 */
struct xvb_direct_req *xvb_direct_fetched(struct xvb_direct *d);

/**
 * xvb_direct_give() - a request is complete
 * @d: direct grants of the queue
 * @req: request that was taken
 * @used: bytes from the beginning of its writable part that were written
 */
void xvb_direct_give(struct xvb_direct *d, struct xvb_direct_req *req,
		     uint32_t used);

/**
 * xvb_direct_settle() - bring the data of all that is complete back, together
 * @d: direct grants of the queue
 */
void xvb_direct_settle(struct xvb_direct *d);

/**
 * xvb_direct_settled() - the next request that is over
 * @d: direct grants of the queue
 *
 * Return: a request, whose @error is to be looked at, or NULL.  Its pages are
 * neither mapped nor being copied.  Its memory can still be written until the
 * next xvb_direct_take(), unless it was mapped, which is not when there is an
 * error.
 */
struct xvb_direct_req *xvb_direct_settled(struct xvb_direct *d);

/**
 * xvb_direct_mapped() - is it one that XVB_FIO_BOUNCE is for?
 * @req: request that was taken
 *
 * Return: true when its iovecs point to granted pages.
 */
static inline bool xvb_direct_mapped(const struct xvb_direct_req *req)
{
	return req->map[XVB_READ] || req->map[XVB_WRITE];
}

#endif /* XVB_DIRECT_H */
