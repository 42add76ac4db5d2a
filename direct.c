// SPDX-License-Identifier: GPL-2.0-only
/*
 * buffers that are granted themselves, for one request alone
 *
 * A buffer of whole pages need not be copied: each of its pages is granted when
 * it is mapped, and revoked when it is unmapped; read-only if the device only
 * reads it.  The references come from an arena that the device claims when it
 * is made, so that nothing global is locked or searched later, and consecutive
 * ones are always to be had:
 *
 *	arena	a range of consecutive references.  Reference n of it is the
 *		"page" n of an allocator for I/O virtual addresses, which has
 *		caches per CPU for up to 32 of them; its first is not used,
 *		since 0 is how that allocator fails
 *	bufs	for each reference: what begins there, so that unmap need not
 *		look for it, nor believe what it is told
 *
 * Whatever cannot be granted (odd sizes, memory that others may get while the
 * backend has it, an arena without room) goes through the window instead.
 *
 * A backend that still has a page mapped when it must not is how a page would
 * come back to the kernel's allocator with somebody else still writing to it.
 * So such a page is quarantined: it gets one reference more, which the kernel
 * drops when the grant can be ended, if ever; the grant reference and the range
 * of the arena are not used again; the device is broken.
 */

#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <xen/xen.h>

#include "grant_dma.h"

/* Fewer references than this are not worth it. */
#define MIN_ARENA_PAGES		64

/* Caches of other sizes are emptied for a buffer, but not for each one. */
#define FLUSH_INTERVAL		max(HZ / 100, 1)

/**
 * struct grant_dma_buf - what begins at a reference of the arena
 * @phys: physical address of the buffer
 * @nr_pages: its pages; 0 where no buffer begins
 * @readonly: the device may not write to it
 * @lost: the reference is in quarantine, and the kernel's business
 */
struct grant_dma_buf {
	phys_addr_t phys;
	unsigned int nr_pages;
	bool readonly;
	bool lost;
};

/* Is this memory of somebody else, which is not ours to grant? */
static bool is_foreign(unsigned long pfn)
{
	if (is_zone_device_page(pfn_to_page(pfn)))
		return true;
#ifdef FOREIGN_FRAME_BIT
	if (xen_pv_domain())
		return __pfn_to_mfn(pfn) & FOREIGN_FRAME_BIT;
#endif
	return false;
}

/*
 * May the page be granted?  Not if it cannot be kept from being used again: a
 * page of the slab allocator, and others that nobody counts the users of.
 */
static bool may_grant(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);

	return !xvf_page_slab(page) && page_count(page) && !is_foreign(pfn);
}

static bool buffer_fits(phys_addr_t phys, size_t size)
{
	unsigned long pfn = PHYS_PFN(phys);
	unsigned long end = pfn + size / XEN_PAGE_SIZE;

	if ((phys | size) & ~XEN_PAGE_MASK)
		return false;
	while (pfn < end)
		if (!may_grant(pfn++))
			return false;
	return true;
}

/* So many consecutive references: the index of the first, or 0. */
static unsigned long arena_alloc(struct grant_dma_direct *direct,
				 unsigned int nr)
{
	unsigned long now = jiffies, first;
	unsigned long flushed = READ_ONCE(direct->flushed);

	first = alloc_iova_fast(&direct->iovad, nr, direct->nr_refs - 1, false);
	if (likely(first) || time_before(now, flushed + FLUSH_INTERVAL))
		return first;
	/* What is free may lie in caches, for buffers of other sizes. */
	WRITE_ONCE(direct->flushed, now);
	return alloc_iova_fast(&direct->iovad, nr, direct->nr_refs - 1, true);
}

dma_addr_t grant_dma_direct_map(struct grant_dma *gdma, phys_addr_t phys,
				size_t size, bool readonly)
{
	struct grant_dma_direct *direct = &gdma->direct;
	unsigned int i, nr = size / XEN_PAGE_SIZE;
	struct grant_dma_buf *buf;
	unsigned long first;
	grant_ref_t ref;

	if (!buffer_fits(phys, size)) {
		this_cpu_inc(gdma->stats->direct_unfit);
		return DMA_MAPPING_ERROR;
	}
	first = arena_alloc(direct, nr);
	if (unlikely(!first)) {
		this_cpu_inc(gdma->stats->direct_exhausted);
		return DMA_MAPPING_ERROR;
	}

	buf = &direct->bufs[first];
	buf->phys = phys;
	buf->nr_pages = nr;
	buf->readonly = readonly;
	ref = direct->first_ref + first;
	for (i = 0; i < nr; i++)
		gnttab_grant_foreign_access_ref(ref + i, gdma->otherend,
						pfn_to_gfn(PHYS_PFN(phys) + i),
						readonly);
	this_cpu_inc(gdma->stats->direct_maps);
	this_cpu_add(gdma->stats->direct_grants, nr);
	return XVIO_ADDR_GRANT | (dma_addr_t)ref << XVIO_ADDR_PAGE_SHIFT;
}

/* Which reference of the arena an address names; 0 if it names none. */
static unsigned long arena_index(const struct grant_dma_direct *direct,
				 dma_addr_t addr)
{
	u64 index = (addr ^ XVIO_ADDR_GRANT) >> XVIO_ADDR_PAGE_SHIFT;

	index -= direct->first_ref;
	return index < direct->nr_refs ? index : 0;
}

/*
 * End the grant of one page of a buffer that the backend has not let go of.  The
 * reference is lost; true if the page is quarantined.
 */
static bool end_or_quarantine(struct grant_dma *gdma, unsigned long index,
			      unsigned long pfn)
{
	grant_ref_t ref = gdma->direct.first_ref + index;
	struct page *page = pfn_to_page(pfn);

	gdma->direct.bufs[index].lost = true;
	if (gnttab_try_end_foreign_access(ref))
		return false;
	/* The caller has not freed it yet: from now on it cannot. */
	get_page(page);
	gnttab_end_foreign_access(ref, page);
	return true;
}

/*
 * End the grants of a buffer; returns how many pages had to be quarantined, and
 * whether references were lost.
 */
static unsigned int end_grants(struct grant_dma *gdma, unsigned long first,
			       const struct grant_dma_buf *buf, bool fill,
			       bool *lost)
{
	grant_ref_t ref = gdma->direct.first_ref + first;
	unsigned long pfn = PHYS_PFN(buf->phys);
	unsigned int i, kept = 0;

	*lost = false;
	for (i = 0; i < buf->nr_pages; i++) {
		/* A failure is a line in the log: one for each buffer. */
		if (unlikely(*lost || !gnttab_end_foreign_access_ref(ref + i))) {
			*lost = true;
			if (end_or_quarantine(gdma, first + i, pfn + i)) {
				kept++;
				continue;
			}
		}
		if (unlikely(fill))
			memset(page_address(pfn_to_page(pfn + i)), 0xff,
			       XEN_PAGE_SIZE);
	}
	return kept;
}

bool grant_dma_direct_unmap(struct grant_dma *gdma, dma_addr_t addr,
			    size_t size, bool sync)
{
	struct grant_dma_direct *direct = &gdma->direct;
	unsigned long first = arena_index(direct, addr);
	struct grant_dma_buf buf;
	unsigned int kept;
	bool lost;

	if (!first || addr & ~XEN_PAGE_MASK)
		return false;
	buf = direct->bufs[first];
	if (!buf.nr_pages || buf.nr_pages * XEN_PAGE_SIZE != size)
		return false;
	direct->bufs[first].nr_pages = 0;

	/*
	 * Nobody may look at the data before the grants have ended.  Of a device
	 * that is gone they read as all ones, but for pages that it still has.
	 */
	kept = end_grants(gdma, first, &buf, sync && !buf.readonly &&
			  READ_ONCE(gdma->state) == GRANT_DMA_DEAD, &lost);
	this_cpu_inc(gdma->stats->direct_unmaps);
	this_cpu_add(gdma->stats->direct_revoked, buf.nr_pages - kept);
	if (likely(!lost))
		free_iova_fast(&direct->iovad, first, buf.nr_pages);
	else
		grant_dma_quarantined(gdma, kept);
	return true;
}

bool grant_dma_direct_mapped(const struct grant_dma *gdma, dma_addr_t addr,
			     size_t size)
{
	const struct grant_dma_direct *direct = &gdma->direct;
	unsigned long index = arena_index(direct, addr), first = index;
	size_t at, mapped;

	/* Only the first reference of a buffer knows of it. */
	while (first && !direct->bufs[first].nr_pages)
		first--;
	if (!first)
		return false;
	at = (index - first) * XEN_PAGE_SIZE + (addr & ~XEN_PAGE_MASK);
	mapped = direct->bufs[first].nr_pages * XEN_PAGE_SIZE;
	return at <= mapped && size <= mapped - at;
}

int grant_dma_direct_init(struct grant_dma *gdma, unsigned int max_pages)
{
	struct grant_dma_direct *direct = &gdma->direct;
	int err;

	direct->nr_refs = max(max_pages, MIN_ARENA_PAGES);
	err = grant_dma_claim_refs(gdma->dev, MIN_ARENA_PAGES,
				   &direct->nr_refs, &direct->first_ref);
	if (err) {
		/* There is no arena, for those who look later. */
		direct->nr_refs = 0;
		return err;
	}
	if (direct->nr_refs < max_pages)
		dev_notice(gdma->dev, "too few grant references: direct grants limited to %lu KiB at a time\n",
			   direct->nr_refs * (XEN_PAGE_SIZE >> 10));

	err = -ENOMEM;
	direct->bufs = kvcalloc(direct->nr_refs, sizeof(*direct->bufs),
				GFP_KERNEL);
	if (!direct->bufs)
		goto err_free_refs;
	err = iova_cache_get();
	if (err)
		goto err_free_bufs;
	init_iova_domain(&direct->iovad, XEN_PAGE_SIZE, 1);
	err = iova_domain_init_rcaches(&direct->iovad);
	if (err)
		goto err_put_domain;
	direct->flushed = jiffies;
	return 0;

err_put_domain:
	put_iova_domain(&direct->iovad);
	iova_cache_put();
err_free_bufs:
	kvfree(direct->bufs);
err_free_refs:
	gnttab_free_grant_reference_seq(direct->first_ref, direct->nr_refs);
	direct->nr_refs = 0;
	return err;
}

/* Buffers that nobody has unmapped: the driver's fault, and not for the pages. */
static void unmap_left(struct grant_dma *gdma)
{
	struct grant_dma_direct *direct = &gdma->direct;
	dma_addr_t addr;
	unsigned int i;

	for (i = 1; i < direct->nr_refs; i++) {
		addr = XVIO_ADDR_GRANT | (dma_addr_t)(direct->first_ref + i) <<
					 XVIO_ADDR_PAGE_SHIFT;
		if (direct->bufs[i].nr_pages)
			grant_dma_direct_unmap(gdma, addr,
					       direct->bufs[i].nr_pages *
					       XEN_PAGE_SIZE, false);
	}
}

void grant_dma_direct_exit(struct grant_dma *gdma)
{
	struct grant_dma_direct *direct = &gdma->direct;
	unsigned int i;

	if (!direct->nr_refs)
		return;
	unmap_left(gdma);
	put_iova_domain(&direct->iovad);
	iova_cache_put();
	for (i = 0; i < direct->nr_refs; i++)
		if (!direct->bufs[i].lost)
			gnttab_free_grant_reference(direct->first_ref + i);
	kvfree(direct->bufs);
	direct->nr_refs = 0;
}
