// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory of split rings, of which the backend can write only the used ring
 *
 * The kernel follows the links of the descriptor table when it takes a chain
 * apart.  A backend that could write there could make it go round for ever in
 * an interrupt handler, so a split ring does not lie in the window: it has pages
 * of its own.  Those of the descriptor table and of the available ring are
 * granted read-only, those of the used ring, which begins on a page, writable.
 *
 *	page 0 ...		nr_readonly ...			nr_pages - 1
 *	descriptors, available	used
 *	announced read-only	announced writable
 *
 * virtio_ring allocates all of it at once, as one piece of coherent memory, and
 * that is how it is told from everything else: no other allocation has the size
 * of a split ring.  A packed ring is written by the device; it and the in-flight
 * records are memory of the window.
 *
 * A page is freed after its grant has ended, never before.  Where the backend
 * is dead, or does not let go, the pages wait on a list until the device goes.
 */

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/virtio_ring.h>

#include "grant_dma.h"

/* Rings of virtio have up to 32768 entries; none here has more than 1024. */
#define MAX_RING_PAGES		BITS_PER_LONG

/* How long a backend that said it had unmapped a ring may take to do it. */
#define REVOKE_TIMEOUT		(2 * HZ)

/**
 * struct grant_dma_ring - a split ring
 * @list: in @rings or @lost_rings of the DMA layer
 * @vaddr: its memory, pages that can be freed one by one
 * @first_ref: reference of its first page; the others follow
 * @nr_pages: pages
 * @nr_readonly: how many of them, from the first on, are granted read-only
 * @granted: a bit for each page whose grant has not ended
 */
struct grant_dma_ring {
	struct list_head list;
	void *vaddr;
	grant_ref_t first_ref;
	unsigned int nr_pages;
	unsigned int nr_readonly;
	unsigned long granted;
};

/* Bytes from the beginning of a ring of @num entries to its used ring. */
static size_t used_offset(unsigned int num)
{
	return vring_size(num, XEN_PAGE_SIZE) - sizeof(__virtio16) * 3 -
	       sizeof(struct vring_used_elem) * num;
}

/* How many entries a split ring of @size bytes has; 0 if it cannot be one. */
static unsigned int ring_entries(size_t size)
{
	unsigned int num = 1;

	while (vring_size(num, XEN_PAGE_SIZE) < size &&
	       size <= MAX_RING_PAGES * XEN_PAGE_SIZE)
		num *= 2;
	return vring_size(num, XEN_PAGE_SIZE) == size ? num : 0;
}

bool grant_dma_is_ring(const struct grant_dma *gdma, size_t size)
{
	return gdma->split_rings && ring_entries(size);
}

static struct page *ring_page(const struct grant_dma_ring *ring,
			      unsigned int i)
{
	return virt_to_page(ring->vaddr + i * XEN_PAGE_SIZE);
}

static void ring_grant(struct grant_dma *gdma, struct grant_dma_ring *ring)
{
	unsigned int i;

	for (i = 0; i < ring->nr_pages; i++) {
		gnttab_grant_foreign_access_ref(ring->first_ref + i,
						gdma->otherend,
						xen_page_to_gfn(ring_page(ring, i)),
						i < ring->nr_readonly);
		__set_bit(i, &ring->granted);
	}
	atomic_long_add(ring->nr_pages, &gdma->ring_granted);
}

/* End the grants that can be ended now, and free their pages. */
static void ring_end_grants(struct grant_dma *gdma,
			    struct grant_dma_ring *ring)
{
	unsigned int i;

	for_each_set_bit(i, &ring->granted, ring->nr_pages) {
		if (!gnttab_try_end_foreign_access(ring->first_ref + i))
			continue;
		__clear_bit(i, &ring->granted);
		__free_page(ring_page(ring, i));
		atomic_long_inc(&gdma->ring_revoked);
	}
}

static int ring_add(struct grant_dma *gdma, const struct grant_dma_ring *ring)
{
	unsigned int nr_used = ring->nr_pages - ring->nr_readonly;
	const char *what = "read-only";
	int err;

	err = gdma->host->window_add(gdma->priv, ring->first_ref,
				     ring->nr_readonly, true);
	if (err)
		goto err_report;
	what = "writable";
	err = gdma->host->window_add(gdma->priv,
				     ring->first_ref + ring->nr_readonly,
				     nr_used, false);
	if (err)
		goto err_remove;
	return 0;

err_remove:
	gdma->host->window_remove(gdma->priv, ring->first_ref,
				  ring->nr_readonly, true);
err_report:
	dev_err(gdma->dev, "showing the %s pages of a ring to the backend: %d\n",
		what, err);
	return err;
}

static int ring_remove(struct grant_dma *gdma,
		       const struct grant_dma_ring *ring)
{
	int err, err_used;

	err = gdma->host->window_remove(gdma->priv, ring->first_ref,
					ring->nr_readonly, true);
	err_used = gdma->host->window_remove(gdma->priv, ring->first_ref +
					     ring->nr_readonly,
					     ring->nr_pages -
					     ring->nr_readonly, true);
	return err ?: err_used;
}

/*
 * Let a ring go that is on no list.  What is still granted at the deadline is
 * kept until the device goes; false then.
 */
static bool ring_revoke(struct grant_dma *gdma, struct grant_dma_ring *ring,
			unsigned long deadline)
{
	for (;;) {
		ring_end_grants(gdma, ring);
		if (!ring->granted) {
			kfree(ring);
			return true;
		}
		if (time_after(jiffies, deadline))
			break;
		schedule_timeout_uninterruptible(1);
	}
	mutex_lock(&gdma->rings_lock);
	list_add_tail(&ring->list, &gdma->lost_rings);
	mutex_unlock(&gdma->rings_lock);
	return false;
}

static struct grant_dma_ring *ring_alloc(size_t size, gfp_t gfp)
{
	struct grant_dma_ring *ring;

	ring = kzalloc(sizeof(*ring), gfp);
	if (!ring)
		return NULL;
	ring->nr_pages = XEN_PFN_UP(size);
	ring->nr_readonly = used_offset(ring_entries(size)) / XEN_PAGE_SIZE;
	ring->vaddr = alloc_pages_exact(ring->nr_pages * XEN_PAGE_SIZE,
					gfp | __GFP_ZERO);
	if (!ring->vaddr)
		goto err_free;
	if (gnttab_alloc_grant_reference_seq(ring->nr_pages, &ring->first_ref))
		goto err_free_pages;
	return ring;

err_free_pages:
	free_pages_exact(ring->vaddr, ring->nr_pages * XEN_PAGE_SIZE);
err_free:
	kfree(ring);
	return NULL;
}

void *grant_dma_ring_alloc(struct grant_dma *gdma, size_t size,
			   dma_addr_t *addr, gfp_t gfp)
{
	struct grant_dma_ring *ring;

	if (!gfpflags_allow_blocking(gfp))
		return NULL;
	ring = ring_alloc(size, gfp);
	if (!ring)
		return NULL;
	ring_grant(gdma, ring);
	if (ring_add(gdma, ring))
		goto err_revoke;
	mutex_lock(&gdma->rings_lock);
	list_add_tail(&ring->list, &gdma->rings);
	mutex_unlock(&gdma->rings_lock);
	*addr = XVIO_ADDR_GRANT |
		(dma_addr_t)ring->first_ref << XVIO_ADDR_PAGE_SHIFT;
	return ring->vaddr;

err_revoke:
	ring_revoke(gdma, ring, jiffies);
	return NULL;
}

/* The ring that contains the byte at @addr, or NULL; under rings_lock. */
static struct grant_dma_ring *ring_of(struct grant_dma *gdma, dma_addr_t addr)
{
	struct grant_dma_ring *ring;
	u64 ref = (addr & ~XVIO_ADDR_GRANT) >> XVIO_ADDR_PAGE_SHIFT;

	list_for_each_entry(ring, &gdma->rings, list)
		if (ref >= ring->first_ref &&
		    ref - ring->first_ref < ring->nr_pages)
			return ring;
	return NULL;
}

bool grant_dma_ring_free(struct grant_dma *gdma, dma_addr_t addr)
{
	struct grant_dma_ring *ring;
	int err;

	mutex_lock(&gdma->rings_lock);
	ring = ring_of(gdma, addr);
	if (ring)
		list_del(&ring->list);
	mutex_unlock(&gdma->rings_lock);
	if (!ring)
		return false;

	err = ring_remove(gdma, ring);
	if (err) {
		if (err == -EAGAIN)
			dev_notice(gdma->dev, "I/O does not end: %u pages of a ring stay granted until the device goes\n",
				   ring->nr_pages);
		ring_revoke(gdma, ring, jiffies);
	} else if (!ring_revoke(gdma, ring, jiffies + REVOKE_TIMEOUT)) {
		gdma->host->fail(gdma->priv, "the backend keeps a ring mapped");
	}
	return true;
}

void *grant_dma_coherent_ptr(struct grant_dma *gdma, dma_addr_t addr)
{
	struct grant_dma_ring *ring;
	void *ptr;

	mutex_lock(&gdma->rings_lock);
	ring = ring_of(gdma, addr);
	if (ring)
		ptr = ring->vaddr +
		      (addr - (XVIO_ADDR_GRANT |
			       (dma_addr_t)ring->first_ref <<
			       XVIO_ADDR_PAGE_SHIFT));
	else
		ptr = grant_dma_window_ptr(gdma, addr - gdma->base);
	mutex_unlock(&gdma->rings_lock);
	return ptr;
}

void grant_dma_rings_init(struct grant_dma *gdma)
{
	mutex_init(&gdma->rings_lock);
	INIT_LIST_HEAD(&gdma->rings);
	INIT_LIST_HEAD(&gdma->lost_rings);
}

void grant_dma_rings_exit(struct grant_dma *gdma, unsigned long deadline)
{
	struct grant_dma_ring *ring, *next;
	unsigned int i, kept = 0;

	list_splice_tail_init(&gdma->rings, &gdma->lost_rings);
	list_for_each_entry_safe(ring, next, &gdma->lost_rings, list) {
		for_each_set_bit(i, &ring->granted, ring->nr_pages) {
			if (grant_dma_revoke(ring->first_ref + i,
					     ring_page(ring, i), deadline))
				kept++;
			else
				atomic_long_inc(&gdma->ring_revoked);
		}
		kfree(ring);
	}
	grant_dma_quarantined(gdma, kept);
}
