// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - guest memory as the backend sees it: windows of granted pages
 *
 * The table is copied, changed and published as a whole.  What a queue thread
 * has loaded stays valid until no queue runs: superseded tables are chained
 * at the newest and freed in xvb_memory_quiesced().  The number of windows is
 * bounded, so the chain is too: at most one table per possible addition since
 * the last removal, 5 MiB in the worst case.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "util.h"

#define MEMORY_MAX_PAGES	(1U << 20)

#ifndef MEMORY_WINDOW_PAGES
#define MEMORY_WINDOW_PAGES	XVIO_WINDOW_MAX_PAGES
#endif

static uint64_t window_bytes(const struct xvb_window *win)
{
	/* Every window can be read. */
	return win->limit[XVB_READ];
}

/* Address of the first byte of a page that is granted. */
static uint64_t ref_addr(uint32_t ref)
{
	return XVIO_ADDR_GRANT | (uint64_t)ref << XVIO_ADDR_PAGE_SHIFT;
}

static struct xvb_memory_table *table_alloc(unsigned int nr)
{
	struct xvb_memory_table *table;

	table = calloc(1, sizeof(*table) + (nr + 1) * sizeof(table->win[0]));
	if (table)
		table->nr = nr;
	return table;
}

/* Of no memory before, so that nothing that is old can look as if it were new. */
static uint64_t new_generation(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

static struct xvb_memory_table *memory_table(struct xvb_memory *mem)
{
	/* Only this thread stores the pointer. */
	return atomic_load_explicit(&mem->table, memory_order_relaxed);
}

unsigned int xvb_memory_windows(struct xvb_memory *mem)
{
	const struct xvb_memory_table *table = memory_table(mem);

	return table ? table->nr : 0;
}

static void xvb_memory_publish(struct xvb_memory *mem,
			       struct xvb_memory_table *table)
{
	table->retired = memory_table(mem);
	/* Pair with the acquires in xvb_memory_look(): contents first. */
	atomic_store_explicit(&mem->table, table, memory_order_release);
	atomic_store_explicit(&mem->generation, new_generation(),
			      memory_order_release);
}

int xvb_memory_init(struct xvb_memory *mem, const struct xvb_memory_ops *ops,
		    void *ctx, uint32_t max_pages)
{
	struct xvb_memory_table *table;

	memset(mem, 0, sizeof(*mem));
	if (!max_pages || max_pages > MEMORY_MAX_PAGES)
		return -EINVAL;
	table = table_alloc(0);
	if (!table)
		return -ENOMEM;
	mem->ops = ops;
	mem->ctx = ctx;
	mem->max_pages = max_pages;
	atomic_init(&mem->table, table);
	atomic_init(&mem->generation, new_generation());
	return 0;
}

void xvb_memory_quiesced(struct xvb_memory *mem)
{
	struct xvb_memory_table *table = memory_table(mem);
	struct xvb_memory_table *old;

	while (table->retired) {
		old = table->retired;
		table->retired = old->retired;
		free(old);
	}
}

void xvb_memory_destroy(struct xvb_memory *mem)
{
	struct xvb_memory_table *table = memory_table(mem);
	unsigned int i;

	if (!table)
		return;
	for (i = 0; i < table->nr; i++)
		mem->ops->unmap(mem->ctx, table->win[i].va,
				window_bytes(&table->win[i]) >>
				XVIO_ADDR_PAGE_SHIFT);
	xvb_memory_quiesced(mem);
	free(table);
	memset(mem, 0, sizeof(*mem));
}

/* First window that ends above @addr. */
static unsigned int table_position(const struct xvb_memory_table *table,
				   uint64_t addr)
{
	unsigned int low = 0, high = table->nr, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (table->win[mid].start + window_bytes(&table->win[mid]) >
		    addr)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/*
 * Chunks of a driver's window are of one size and follow each other, in addresses and
 * so in the table: from one of them it is known where another is.
 */
static const struct xvb_window *table_guess(const struct xvb_memory_table *table,
					    const struct xvb_window *last,
					    uint64_t addr)
{
	uint64_t bytes = window_bytes(last);
	uint64_t pos = last - table->win;

	if (!is_power_of_two(bytes))
		return NULL;
	/* Also to the left, and anywhere at all: whatever the guest says. */
	pos += (uint64_t)((int64_t)(addr - last->start) >>
			  __builtin_ctzll(bytes));
	if (pos >= table->nr ||
	    addr - table->win[pos].start >= window_bytes(&table->win[pos]))
		return NULL;
	return &table->win[pos];
}

const struct xvb_window *xvb_memory_find(const struct xvb_memory_table *table,
					 const struct xvb_window *last,
					 uint64_t addr)
{
	const struct xvb_window *guess = table_guess(table, last, addr);
	unsigned int pos;

	if (likely(guess))
		return guess;
	pos = table_position(table, addr);
	if (pos >= table->nr || addr < table->win[pos].start)
		return NULL;
	return &table->win[pos];
}

/* The window of exactly this run, or table->nr. */
static unsigned int table_exact(const struct xvb_memory_table *table,
				uint64_t start, uint64_t bytes)
{
	unsigned int pos = table_position(table, start);

	if (pos < table->nr && table->win[pos].start == start &&
	    window_bytes(&table->win[pos]) == bytes)
		return pos;
	return table->nr;
}

static int memory_check(struct xvb_memory *mem, uint32_t first_ref,
			uint32_t nr_pages)
{
	const struct xvb_memory_table *table = memory_table(mem);
	uint64_t start = ref_addr(first_ref);
	uint64_t bytes = (uint64_t)nr_pages << XVIO_ADDR_PAGE_SHIFT;
	unsigned int pos;

	if (!nr_pages || nr_pages > MEMORY_WINDOW_PAGES ||
	    nr_pages - 1 > UINT32_MAX - first_ref)
		return -EINVAL;
	pos = table_position(table, start);
	if (pos < table->nr && table->win[pos].start < start + bytes)
		return -EEXIST;
	if (table->nr >= XVB_MEMORY_MAX_WINDOWS ||
	    nr_pages > mem->max_pages - mem->pages)
		return -ENOSPC;
	return 0;
}

int xvb_memory_add(struct xvb_memory *mem, uint32_t first_ref,
		   uint32_t nr_pages, enum xvb_access access)
{
	const struct xvb_memory_table *old = memory_table(mem);
	uint64_t start = ref_addr(first_ref);
	uint64_t bytes = (uint64_t)nr_pages << XVIO_ADDR_PAGE_SHIFT;
	struct xvb_memory_table *table;
	unsigned int pos;
	void *va;
	int ret;

	ret = memory_check(mem, first_ref, nr_pages);
	if (ret)
		return ret;
	table = table_alloc(old->nr + 1);
	if (!table)
		return -ENOMEM;
	ret = mem->ops->map(mem->ctx, first_ref, nr_pages, access, &va);
	if (ret) {
		free(table);
		return ret;
	}
	pos = table_position(old, start);
	memcpy(table->win, old->win, pos * sizeof(old->win[0]));
	memcpy(table->win + pos + 1, old->win + pos,
	       (old->nr - pos) * sizeof(old->win[0]));
	table->win[pos] = (struct xvb_window){
		.start = start,
		.limit = { bytes, access == XVB_WRITE ? bytes : 0 },
		.va = va,
	};
	mem->pages += nr_pages;
	xvb_memory_publish(mem, table);
	return 0;
}

/* Where a window is that could go, or -errno. */
static int table_removable(const struct xvb_memory_table *table,
			   uint32_t first_ref, uint32_t nr_pages)
{
	unsigned int pos;

	pos = table_exact(table, ref_addr(first_ref),
			  (uint64_t)nr_pages << XVIO_ADDR_PAGE_SHIFT);
	if (pos == table->nr)
		return -ENOENT;
	return table->win[pos].pins ? -EBUSY : (int)pos;
}

int xvb_memory_removable(struct xvb_memory *mem, uint32_t first_ref,
			 uint32_t nr_pages)
{
	int pos = table_removable(memory_table(mem), first_ref, nr_pages);

	return pos < 0 ? pos : 0;
}

int xvb_memory_remove(struct xvb_memory *mem, uint32_t first_ref,
		      uint32_t nr_pages)
{
	const struct xvb_memory_table *old = memory_table(mem);
	struct xvb_memory_table *table;
	struct xvb_window gone;
	int pos;

	pos = table_removable(old, first_ref, nr_pages);
	if (pos < 0)
		return pos;
	gone = old->win[pos];
	table = table_alloc(old->nr - 1);
	if (!table)
		return -ENOMEM;
	memcpy(table->win, old->win, pos * sizeof(old->win[0]));
	memcpy(table->win + pos, old->win + pos + 1,
	       (old->nr - pos - 1) * sizeof(old->win[0]));
	xvb_memory_publish(mem, table);
	xvb_memory_quiesced(mem);
	mem->pages -= nr_pages;
	mem->ops->unmap(mem->ctx, gone.va, nr_pages);
	return 0;
}

void *xvb_memory_pin(struct xvb_memory *mem, uint64_t addr, uint64_t len,
		     enum xvb_access access)
{
	struct xvb_memory_table *table = memory_table(mem);
	unsigned int pos = table_position(table, addr);
	void *ptr;

	if (!len || pos >= table->nr)
		return NULL;
	ptr = xvb_window_get(&table->win[pos], addr, len, access);
	if (ptr)
		table->win[pos].pins++;
	return ptr;
}

void xvb_memory_unpin(struct xvb_memory *mem, uint64_t addr)
{
	struct xvb_memory_table *table = memory_table(mem);
	unsigned int pos = table_position(table, addr);

	if (pos < table->nr && addr >= table->win[pos].start &&
	    table->win[pos].pins)
		table->win[pos].pins--;
}
