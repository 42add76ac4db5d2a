/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory.h - guest memory as the backend sees it: windows of granted pages
 *
 * An address on a ring names a grant and an offset (xen/io/virtioif.h).  A
 * window is a run of pages with consecutive references, mapped once at
 * consecutive virtual addresses, for reading only if the guest says so.  Nothing
 * outside the windows can be reached, and nothing in a read-only one written:
 * every access goes through xvb_window_get(), the one bounds check.
 *
 * Threads: the control thread adds and removes; queue threads look up, with
 * no lock.  The table of windows is immutable and replaced as a whole; an old
 * table lives until the next moment when no queue runs.
 *
 * The mapping itself is behind struct xvb_memory_ops: libxengnttab in the
 * daemon, malloc in tests.  A window is never remapped, protected or advised:
 * that would drop the grants under I/O in flight.
 */

#ifndef XVB_MEMORY_H
#define XVB_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/virtioif.h>

#include "util.h"

/* Two for each of 64 queues (rings, read-only and not), the rest is slots. */
#define XVB_MEMORY_MAX_WINDOWS	512

/**
 * enum xvb_access - what the device does, or may do, with memory
 * @XVB_READ: it reads only
 * @XVB_WRITE: it writes, and may read
 */
enum xvb_access {
	XVB_READ,
	XVB_WRITE,
};

/**
 * struct xvb_grant_seg - bytes of one granted page, and as many of our own
 * @ref: reference of the page
 * @len: bytes from the beginning of the page, 1 to 4096
 * @va: memory of our own
 * @failed: it could not be copied; the others are not concerned
 * @owner: the caller's
 */
struct xvb_grant_seg {
	uint32_t ref;
	uint16_t len;
	bool failed;
	unsigned char *va;
	void *owner;
};

/**
 * struct xvb_memory_ops - how grants become memory
 * @map: map @nr_pages grants, references @first_ref and following, for
 *       @access at consecutive addresses; store the address in @va; 0 or
 *       -errno.  All or nothing.
 * @unmap: undo @map; cannot fail
 * @map_refs: the same as @map for any references, which need not follow each
 *            other
 * @unmap_refs: undo @map_refs; cannot fail
 * @copy: copy all segments in one call: from the guest for XVB_READ, to it for
 *        XVB_WRITE; set @failed of each.  0, or -errno when nothing was
 *        copied.
 * @copy_scratch: bytes for each segment that @copy wants to have
 *
 * @map and @unmap are called from the control thread only, the others from any
 * thread.
 */
struct xvb_memory_ops {
	int (*map)(void *ctx, uint32_t first_ref, uint32_t nr_pages,
		   enum xvb_access access, void **va);
	void (*unmap)(void *ctx, void *va, uint32_t nr_pages);
	int (*map_refs)(void *ctx, const uint32_t *refs, uint32_t nr_pages,
			enum xvb_access access, void **va);
	void (*unmap_refs)(void *ctx, void *va, uint32_t nr_pages);
	int (*copy)(void *ctx, struct xvb_grant_seg *segs, uint32_t nr,
		    enum xvb_access access, void *scratch);
	size_t copy_scratch;
};

/**
 * struct xvb_window - one mapped run of grants
 * @start: address of its first byte
 * @limit: bytes from @start that each kind of access may touch: its length, or
 *         for XVB_WRITE 0, so that one comparison is the whole check
 * @va: where it is mapped
 * @pins: rings and records that live in it; control thread only
 */
struct xvb_window {
	uint64_t start;
	uint64_t limit[2];
	unsigned char *va;
	unsigned int pins;
};

/**
 * struct xvb_memory_table - all windows at one moment, sorted by @start
 * @retired: older tables that a queue may still look at
 * @nr: number of windows
 * @win: the windows; never changed once published, but for @pins, which
 *       are valid in the newest table only.  One of no bytes comes after them
 */
struct xvb_memory_table {
	struct xvb_memory_table *retired;
	unsigned int nr;
	struct xvb_window win[];
};

/**
 * struct xvb_memory - the memory of one guest that one device may touch
 * @table: newest table; never NULL after xvb_memory_init()
 * @generation: of @table; increased after it was replaced
 * @ops: how to map
 * @ctx: for @ops
 * @pages: pages mapped
 * @max_pages: limit for @pages
 * @direct_pages: pages of direct grants that are mapped for large requests
 *
 * All but @table, @generation and @direct_pages belong to the control thread.
 */
struct xvb_memory {
	struct xvb_memory_table *_Atomic table;
	_Atomic uint64_t generation;
	const struct xvb_memory_ops *ops;
	void *ctx;
	uint32_t pages;
	uint32_t max_pages;
	_Atomic uint32_t direct_pages;
};

/**
 * xvb_memory_init() - a memory without windows
 * @mem: to initialise
 * @ops: how to map; must outlive @mem
 * @ctx: for @ops
 * @max_pages: limit on the pages of all windows together
 *
 * Return: 0, -EINVAL for a @max_pages of 0 or above 2^20, or -ENOMEM.
 */
int xvb_memory_init(struct xvb_memory *mem, const struct xvb_memory_ops *ops,
		    void *ctx, uint32_t max_pages);

/**
 * xvb_memory_destroy() - unmap everything
 * @mem: what xvb_memory_init() made, or zeroes
 *
 * Context: control thread, with no queue started and no I/O in flight.
 */
void xvb_memory_destroy(struct xvb_memory *mem);

/**
 * xvb_memory_add() - map a window
 * @mem: the memory
 * @first_ref: first grant reference, as the guest sent it
 * @nr_pages: number of pages, as the guest sent it
 * @access: what may be done with it
 *
 * Context: control thread; queues may run.
 * Return: 0; -EINVAL for an empty run, one above XVIO_WINDOW_MAX_PAGES or
 * one that leaves 32 bits; -EEXIST when it overlaps a window; -ENOSPC over a
 * limit; -ENOMEM; or what the map operation returned.
 */
int xvb_memory_add(struct xvb_memory *mem, uint32_t first_ref,
		   uint32_t nr_pages, enum xvb_access access);

/**
 * xvb_memory_removable() - could a window be unmapped?
 * @mem: memory
 * @first_ref: as xvb_memory_remove()
 * @nr_pages: as xvb_memory_remove()
 *
 * Context: control thread; queues may be running.
 * Return: 0, or -ENOENT or -EBUSY as xvb_memory_remove() would.
 */
int xvb_memory_removable(struct xvb_memory *mem, uint32_t first_ref,
			 uint32_t nr_pages);

/**
 * xvb_memory_remove() - unmap a window
 * @mem: the memory
 * @first_ref: as it was added
 * @nr_pages: as it was added
 *
 * Context: control thread.  Every queue that was started has been drained
 * (xvb_queue_drain()) and its thread waits; no I/O is in flight.
 * Return: 0, -ENOENT when there is no such window, -EBUSY when a ring or an
 * in-flight record lives in it, -ENOMEM.
 */
int xvb_memory_remove(struct xvb_memory *mem, uint32_t first_ref,
		      uint32_t nr_pages);

/**
 * xvb_memory_quiesced() - let go of old tables
 * @mem: the memory
 *
 * Optional; xvb_memory_remove() does it too.
 * Context: as xvb_memory_remove().
 */
void xvb_memory_quiesced(struct xvb_memory *mem);

/**
 * xvb_memory_pin() - like xvb_memory_get(), and keep the window
 * @mem: the memory
 * @addr: address from the guest
 * @len: bytes, not 0
 * @access: what is going to be done there
 *
 * The window cannot be removed until xvb_memory_unpin() with the same @addr.
 * Context: control thread.
 * Return: pointer, or NULL when the range is not inside one window that allows
 * @access.
 */
void *xvb_memory_pin(struct xvb_memory *mem, uint64_t addr, uint64_t len,
		     enum xvb_access access);

/**
 * xvb_memory_unpin() - undo one xvb_memory_pin()
 * @mem: the memory
 * @addr: as it was pinned
 *
 * Context: control thread.
 */
void xvb_memory_unpin(struct xvb_memory *mem, uint64_t addr);

/**
 * xvb_memory_windows() - how many windows are mapped
 * @mem: the memory
 *
 * Context: control thread.
 * Return: their number.
 */
unsigned int xvb_memory_windows(struct xvb_memory *mem);

/**
 * xvb_memory_find() - the slow half of xvb_memory_at()
 * @table: table to search
 * @last: where the last address was, or the window of no bytes behind the others
 * @addr: address from the guest, any value
 *
 * Return: the window that it is in, or NULL.
 */
const struct xvb_window *xvb_memory_find(const struct xvb_memory_table *table,
					 const struct xvb_window *last,
					 uint64_t addr);

/**
 * xvb_window_get() - the bounds check
 * @win: window
 * @addr: address from the guest, any value
 * @len: bytes, any value
 * @access: what is going to be done there
 *
 * An address below the window, as one without XVIO_ADDR_GRANT is, makes @offset
 * huge; a sum that wraps is found.
 *
 * Return: pointer, or NULL when [addr, addr + len) is not inside, or the
 * window does not allow @access.
 */
static inline void *xvb_window_get(const struct xvb_window *win,
				   uint64_t addr, uint64_t len,
				   enum xvb_access access)
{
	/* Not NULL: a memory has no generation 0, so a view was looked at. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	uint64_t offset = addr - win->start;
	uint64_t end = offset + len;

	if (unlikely(end < len || end > win->limit[access]))
		return NULL;
	/* Where there are bytes, their end has told it. */
	if (unlikely(!len) && offset == win->limit[access])
		return NULL;
	return win->va + offset;
}

/**
 * struct xvb_memory_view - the memory as one caller has seen it last
 * @table: the windows
 * @win: where the last address was, or one that contains nothing
 * @generation: of @table, or of an older one; 0: there was none yet
 *
 * One per thread and kind of access.  Zero-initialised is ready for use.
 */
struct xvb_memory_view {
	const struct xvb_memory_table *table;
	const struct xvb_window *win;
	uint64_t generation;
};

/**
 * xvb_memory_look() - begin to look up addresses
 * @mem: the memory
 * @view: of the caller; then good until the queue of the caller has been
 *        drained, and to be looked at no more before the next xvb_memory_look()
 *
 * Context: any thread.
 */
static inline void xvb_memory_look(struct xvb_memory *mem,
				   struct xvb_memory_view *view)
{
	/* Pairs with the release in xvb_memory_publish(): not an older table. */
	uint64_t generation = atomic_load_explicit(&mem->generation,
						   memory_order_acquire);

	if (likely(generation == view->generation))
		return;
	/* Pairs with the other one: its contents. */
	view->table = atomic_load_explicit(&mem->table, memory_order_acquire);
	/* The one of no bytes; the first address finds its own. */
	view->win = &view->table->win[view->table->nr];
	view->generation = generation;
}

/**
 * xvb_memory_at() - address from the guest to pointer
 * @view: from xvb_memory_look()
 * @addr: address, any value
 * @len: bytes, any value; 0 still needs an address inside a window
 * @access: what is going to be done there
 *
 * Context: any thread.  The pointer is good until the window is removed,
 * which does not happen before the queue of the caller has been drained.
 * What it points to changes under the reader's hands: copy once, check the
 * copy, use the copy.
 *
 * Return: pointer, or NULL when the range is not inside one window that allows
 * @access.
 */
static inline void *xvb_memory_at(struct xvb_memory_view *view, uint64_t addr,
				  uint64_t len, enum xvb_access access)
{
	void *ptr = xvb_window_get(view->win, addr, len, access);
	const struct xvb_window *win;

	if (likely(ptr))
		return ptr;
	win = xvb_memory_find(view->table, view->win, addr);
	if (!win)
		return NULL;
	view->win = win;
	return xvb_window_get(win, addr, len, access);
}

/**
 * xvb_memory_get() - address from the guest to pointer, for one address
 * @mem: the memory
 * @view: of the caller
 * @addr: as with xvb_memory_at()
 * @len: as with xvb_memory_at()
 * @access: as with xvb_memory_at()
 *
 * Context: any thread; the pointer is as xvb_memory_at() says.
 * Return: pointer, or NULL when the range is not inside one window that allows
 * @access.
 */
static inline void *xvb_memory_get(struct xvb_memory *mem,
				   struct xvb_memory_view *view,
				   uint64_t addr, uint64_t len,
				   enum xvb_access access)
{
	xvb_memory_look(mem, view);
	return xvb_memory_at(view, addr, len, access);
}

#endif /* XVB_MEMORY_H */
