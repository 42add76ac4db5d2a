// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest grants, mapped
 *
 * Not with tools/gntmap.c: this backend tries to map writable what is granted
 * for reading only, and keeps what it must give back.
 */

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "hostile.h"
#include "log.h"

void *grants_map(struct hostile *h, uint32_t first, uint32_t pages,
		 bool writable)
{
	uint32_t refs[XVIO_WINDOW_MAX_PAGES];
	uint32_t i;

	if (!pages || pages > XVIO_WINDOW_MAX_PAGES)
		return NULL;
	for (i = 0; i < pages; i++)
		refs[i] = first + i;
	return xengnttab_map_domain_grant_refs(h->gnttab, pages, h->name.fe,
					       refs,
					       writable ? PROT_READ | PROT_WRITE
							: PROT_READ);
}

void grants_unmap(struct hostile *h, void *va, uint32_t pages)
{
	if (xengnttab_unmap(h->gnttab, va, pages))
		xvb_err("unmapping %u pages failed", pages);
}

int window_add(struct hostile *h, uint32_t first, uint32_t pages)
{
	struct window *w = &h->window[h->nr_windows];

	if (h->nr_windows == HOSTILE_WINDOWS)
		return -ENOSPC;
	/* Writable if there is any way, whatever the guest calls it. */
	w->va = grants_map(h, first, pages, true);
	w->readonly = !w->va;
	if (!w->va)
		w->va = grants_map(h, first, pages, false);
	if (!w->va)
		return -EFAULT;
	w->first = first;
	w->pages = pages;
	h->nr_windows++;
	return 0;
}

int window_keep(struct hostile *h, uint32_t first, uint32_t pages, void *va)
{
	if (h->nr_windows == HOSTILE_WINDOWS)
		return -ENOSPC;
	h->window[h->nr_windows++] = (struct window){
		.first = first,
		.pages = pages,
		.va = va,
	};
	return 0;
}

int window_remove(struct hostile *h, uint32_t first, uint32_t pages)
{
	unsigned int i;

	for (i = 0; i < h->nr_windows; i++) {
		struct window *w = &h->window[i];

		if (w->first != first || w->pages != pages)
			continue;
		grants_unmap(h, w->va, w->pages);
		*w = h->window[--h->nr_windows];
		return 0;
	}
	return -ENOENT;
}

struct window *window_find(struct hostile *h, uint64_t addr, uint32_t len)
{
	uint64_t ref = (addr & ~XVIO_ADDR_GRANT) >> XVIO_ADDR_PAGE_SHIFT;
	uint64_t end = ((addr & ~XVIO_ADDR_GRANT) + len + XVIO_ADDR_PAGE_SIZE - 1) >>
		       XVIO_ADDR_PAGE_SHIFT;
	unsigned int i;

	for (i = 0; i < h->nr_windows; i++) {
		struct window *w = &h->window[i];

		if (addr & XVIO_ADDR_GRANT && ref >= w->first &&
		    end <= (uint64_t)w->first + w->pages)
			return w;
	}
	return NULL;
}

void *window_ptr(struct hostile *h, uint64_t addr, uint32_t len)
{
	struct window *w = window_find(h, addr, len);

	if (!w)
		return NULL;
	return w->va + ((addr & ~XVIO_ADDR_GRANT) -
			((uint64_t)w->first << XVIO_ADDR_PAGE_SHIFT));
}
