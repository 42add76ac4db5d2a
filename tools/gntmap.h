/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mapping the grants of one domain
 *
 * One of the three files that call libxen*.  Opened after fork(2), because a
 * handle must not be used by a child.  The functions here are for one thread;
 * what the threads of queues call through xvb_gntmap_memory_ops is a few system
 * calls on the descriptor, and keeps nothing in the handle.
 */

#ifndef XVB_GNTMAP_H
#define XVB_GNTMAP_H

#include <stdint.h>

#include "memory.h"
#include "stats.h"

struct xvb_gntmap;

/**
 * xvb_gntmap_open() - open the grant device
 * @domid:	the domain whose grants are mapped, and no other's
 * @stats:	where operations are counted, by the thread that uses it
 * @out:	the handle
 *
 * Return: 0 or -errno.
 */
int xvb_gntmap_open(uint32_t domid, struct xvb_grant_stats *stats,
		    struct xvb_gntmap **out);

/**
 * xvb_gntmap_close() - close it; everything must be unmapped
 * @gm:		the handle, or NULL
 */
void xvb_gntmap_close(struct xvb_gntmap *gm);

/**
 * xvb_gntmap_map() - map consecutive references
 * @gm:		the handle
 * @first_ref:	first reference; @first_ref + @nr_pages fits 32 bits
 * @nr_pages:	at most XVIO_WINDOW_MAX_PAGES
 * @access:	how; a reference that the guest granted read-only can be mapped
 *		for XVB_READ alone
 * @va:		where they are
 *
 * Return: 0, all mapped, or -errno, none.
 */
int xvb_gntmap_map(struct xvb_gntmap *gm, uint32_t first_ref,
		   uint32_t nr_pages, enum xvb_access access, void **va);

/**
 * xvb_gntmap_unmap() - unmap what one call has mapped
 * @gm:		the handle
 * @va:		as it was mapped
 * @nr_pages:	as it was mapped
 *
 * No I/O may be in flight there: that would corrupt the page accounting of
 * the kernel.
 */
void xvb_gntmap_unmap(struct xvb_gntmap *gm, void *va, uint32_t nr_pages);

/* How a struct xvb_memory maps; its context is a struct xvb_gntmap. */
extern const struct xvb_memory_ops xvb_gntmap_memory_ops;

#endif /* XVB_GNTMAP_H */
