// SPDX-License-Identifier: GPL-2.0-only
/*
 * the chunks of the window: pages that are granted, announced, and taken back
 *
 * All references of the window are claimed when the device is made; a chunk that
 * is there has granted its own.  The window grows by a chunk at a time, from the
 * highest down, in process context; and it shrinks the other way round, down to
 * its first size, when its lowest chunks have not been used for a while.  To
 * find out, everything that caches keep is given back to the allocator once in a
 * while, which then prefers the highest chunks.
 *
 * A chunk goes when its whole range could be taken out of the allocator, so that
 * nobody can have a slot in it or get one; the backend unmaps it, the grants end,
 * the pages are freed, and the references wait until the window grows again.  A
 * page goes back to the kernel only after its grant has ended; a reference whose
 * grant did not end is lost, and the window does not grow over it again.
 */

#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>

#include "grant_dma.h"
#include "trace.h"

/* How long a backend that has no chunk any more may take to let go of it. */
#define REVOKE_TIMEOUT		(2 * HZ)

/* Growth that failed is tried again after so long, then twice as long, ... */
#define GROW_RETRY_MIN		(HZ / 2)
#define GROW_RETRY_MAX		(64 * HZ)

/* Shrinking that failed waits twice as long each time, but so often only. */
#define SHRINK_BACKOFF_MAX	4U

static grant_ref_t chunk_ref(const struct grant_dma *gdma, unsigned int index)
{
	return gdma->first_ref + index * GRANT_DMA_CHUNK_PAGES;
}

int grant_dma_revoke(grant_ref_t ref, struct page *page,
		     unsigned long deadline)
{
	/* No watch and no event tells when a grant is no longer in use. */
	while (!gnttab_try_end_foreign_access(ref)) {
		if (time_after(jiffies, deadline)) {
			/* The kernel keeps both until it is not mapped. */
			gnttab_end_foreign_access(ref, page);
			return -EBUSY;
		}
		schedule_timeout_uninterruptible(1);
	}
	__free_page(page);
	return 0;
}

static void chunk_free_pages(struct grant_dma_chunk *chunk, unsigned int from)
{
	while (from < GRANT_DMA_CHUNK_PAGES)
		__free_page(chunk->pages[from++]);
	kfree(chunk->pages);
	chunk->pages = NULL;
}

static int chunk_alloc(struct grant_dma_chunk *chunk)
{
	unsigned int i;

	/* They stay when the chunk goes, for whoever looks up a wrong address. */
	if (!chunk->slots)
		chunk->slots = kvcalloc(GRANT_DMA_CHUNK_GRANULES,
					sizeof(*chunk->slots), GFP_KERNEL);
	if (!chunk->slots)
		return -ENOMEM;
	chunk->pages = kcalloc(GRANT_DMA_CHUNK_PAGES, sizeof(*chunk->pages),
			       GFP_KERNEL);
	if (!chunk->pages)
		return -ENOMEM;

	for (i = GRANT_DMA_CHUNK_PAGES; i > 0; i--) {
		chunk->pages[i - 1] = alloc_page(GFP_KERNEL | __GFP_ZERO |
						 __GFP_NOWARN);
		if (!chunk->pages[i - 1])
			goto err_free_pages;
	}

	chunk->vaddr = vmap(chunk->pages, GRANT_DMA_CHUNK_PAGES, VM_MAP,
			    PAGE_KERNEL);
	if (!chunk->vaddr)
		goto err_free_pages;
	return 0;

err_free_pages:
	chunk_free_pages(chunk, i);
	return -ENOMEM;
}

static void chunk_grant(struct grant_dma *gdma, unsigned int index)
{
	struct grant_dma_chunk *chunk = &gdma->chunks[index];
	grant_ref_t ref = chunk_ref(gdma, index);
	unsigned int i;

	for (i = 0; i < GRANT_DMA_CHUNK_PAGES; i++)
		gnttab_grant_foreign_access_ref(ref + i, gdma->otherend,
						xen_page_to_gfn(chunk->pages[i]),
						0);
	atomic_long_add(GRANT_DMA_CHUNK_PAGES, &gdma->granted);
}

/* End a grant and keep its reference.  Each failure is a line in the log. */
static bool end_grant(grant_ref_t ref, unsigned long deadline)
{
	unsigned long wait = 1;

	while (!gnttab_end_foreign_access_ref(ref)) {
		if (time_after(jiffies, deadline))
			return false;
		schedule_timeout_uninterruptible(wait);
		wait *= 4;
	}
	return true;
}

/*
 * End the grants of a chunk and free what could be taken back.  With @keep_refs
 * the references stay ours, but for those of pages that the backend keeps.
 */
static void chunk_revoke(struct grant_dma *gdma, unsigned int index,
			 unsigned long deadline, bool keep_refs)
{
	struct grant_dma_chunk *chunk = &gdma->chunks[index];
	grant_ref_t ref = chunk_ref(gdma, index);
	unsigned int i, kept = 0;

	vunmap(chunk->vaddr);
	chunk->vaddr = NULL;
	for (i = 0; i < GRANT_DMA_CHUNK_PAGES; i++) {
		if (keep_refs && end_grant(ref + i, deadline)) {
			__free_page(chunk->pages[i]);
			continue;
		}
		/* What follows is lost, but without a line for each page. */
		keep_refs = false;
		__set_bit(i, chunk->lost);
		if (grant_dma_revoke(ref + i, chunk->pages[i], deadline))
			kept++;
	}
	kfree(chunk->pages);
	chunk->pages = NULL;
	atomic_long_add(GRANT_DMA_CHUNK_PAGES - kept, &gdma->revoked);
	/* Without its references it cannot be there again. */
	if (!keep_refs)
		WRITE_ONCE(gdma->floor, max(gdma->floor, index + 1));
	grant_dma_quarantined(gdma, kept);
}

/* The next attempt to grow may be made now, or some time after a failure. */
static void set_grow_retry(struct grant_dma *gdma, bool failed)
{
	if (!failed) {
		gdma->grow_backoff = 0;
		return;
	}
	gdma->grow_backoff = clamp_t(unsigned long, gdma->grow_backoff * 2,
				     GROW_RETRY_MIN, GROW_RETRY_MAX);
	WRITE_ONCE(gdma->grow_after, jiffies + gdma->grow_backoff);
}

static int add_chunk(struct grant_dma *gdma, unsigned int index)
{
	struct grant_dma_chunk *chunk = &gdma->chunks[index];
	int err;

	err = chunk_alloc(chunk);
	if (err)
		return err;
	chunk_grant(gdma, index);
	err = gdma->host->window_add(gdma->priv, chunk_ref(gdma, index),
				     GRANT_DMA_CHUNK_PAGES, false);
	if (err) {
		chunk_revoke(gdma, index, jiffies + REVOKE_TIMEOUT, true);
		return err;
	}

	/* From here on the data path may see it. */
	chunk->used = true;
	/* Pairs with in_window(). */
	smp_store_release(&gdma->lowest, index);
	grant_dma_window_give(gdma, index);
	return 0;
}

static void window_watch_idle(struct grant_dma *gdma)
{
	if (gdma->idle && gdma->lowest < gdma->initial && !gdma->closing)
		queue_delayed_work(gdma->wq, &gdma->shrink_work,
				   gdma->idle << gdma->shrink_backoff);
}

int grant_dma_window_grow(struct grant_dma *gdma)
{
	int err = -ENOSPC;

	mutex_lock(&gdma->lock);
	if (gdma->lowest <= gdma->floor || gdma->closing)
		goto out_unlock;

	err = add_chunk(gdma, gdma->lowest - 1);
	set_grow_retry(gdma, err);
	trace_xen_virtio_grow(gdma, err);
	if (err) {
		atomic_long_inc(&gdma->grow_failed);
		dev_warn(gdma->dev, "growing the window to %lu KiB: %d; trying again in %u ms or later\n",
			 (gdma->max_chunks - gdma->lowest + 1) *
			 (GRANT_DMA_CHUNK_SIZE >> 10), err,
			 jiffies_to_msecs(gdma->grow_backoff));
		goto out_unlock;
	}
	atomic_long_inc(&gdma->grown);
	window_watch_idle(gdma);
out_unlock:
	mutex_unlock(&gdma->lock);
	return err;
}

static void window_grow_work(struct work_struct *work)
{
	struct grant_dma *gdma = container_of(work, struct grant_dma,
					      grow_work);
	unsigned int noio = memalloc_noio_save();

	/*
	 * Reclaim may wait for the very request that waits for this.  A
	 * failure shows as a window that stays full, which is counted.
	 */
	grant_dma_window_grow(gdma);
	memalloc_noio_restore(noio);
}

/* Give the lowest chunk back, if nobody has used it for a while. */
static bool remove_lowest(struct grant_dma *gdma)
{
	unsigned int index = gdma->lowest;
	struct grant_dma_chunk *chunk = &gdma->chunks[index];
	int err;

	if (!grant_dma_window_take(gdma, index))
		return false;
	/* All caches are empty now: whoever uses it from now on says so. */
	if (READ_ONCE(chunk->used)) {
		WRITE_ONCE(chunk->used, false);
		goto err_give;
	}
	err = gdma->host->window_remove(gdma->priv, chunk_ref(gdma, index),
					GRANT_DMA_CHUNK_PAGES, false);
	/* Each attempt makes the backend rest for a moment. */
	gdma->shrink_backoff = err ? min(gdma->shrink_backoff + 1,
					 SHRINK_BACKOFF_MAX) : 0;
	if (err)
		goto err_give;
	WRITE_ONCE(gdma->lowest, index + 1);
	chunk_revoke(gdma, index, jiffies + REVOKE_TIMEOUT, true);
	atomic_long_inc(&gdma->shrunk);
	trace_xen_virtio_shrink(gdma);
	return true;

err_give:
	grant_dma_window_give(gdma, index);
	return false;
}

/*
 * To unmap, the backend waits for what is in flight for a moment, in which it takes
 * no new requests.  So do not begin when requests are stuck.
 */
static bool is_moving(struct grant_dma *gdma)
{
	struct grant_dma_stats sum;
	bool moving;

	grant_dma_sum_stats(gdma, &sum);
	moving = sum.maps + sum.direct_maps == sum.unmaps + sum.direct_unmaps ||
		 sum.unmaps + sum.direct_unmaps != gdma->unmaps_seen;
	gdma->unmaps_seen = sum.unmaps + sum.direct_unmaps;
	return moving;
}

static void window_shrink_work(struct work_struct *work)
{
	struct grant_dma *gdma = container_of(to_delayed_work(work),
					      struct grant_dma, shrink_work);

	mutex_lock(&gdma->lock);
	while (is_moving(gdma) && !gdma->closing && gdma->lowest < gdma->initial &&
	       remove_lowest(gdma))
		;
	window_watch_idle(gdma);
	mutex_unlock(&gdma->lock);
}

static void window_stop(struct grant_dma *gdma)
{
	mutex_lock(&gdma->lock);
	gdma->closing = true;
	mutex_unlock(&gdma->lock);
	cancel_work_sync(&gdma->grow_work);
	cancel_delayed_work_sync(&gdma->shrink_work);
}

void grant_dma_withdraw(struct grant_dma *gdma)
{
	unsigned int i;

	window_stop(gdma);
	for (i = gdma->lowest; i < gdma->max_chunks; i++)
		if (gdma->host->window_remove(gdma->priv, chunk_ref(gdma, i),
					      GRANT_DMA_CHUNK_PAGES, false))
			break;
}

void grant_dma_chunks_init(struct grant_dma *gdma)
{
	mutex_init(&gdma->lock);
	INIT_WORK(&gdma->grow_work, window_grow_work);
	INIT_DELAYED_WORK(&gdma->shrink_work, window_shrink_work);
	gdma->grow_after = jiffies;
}

void grant_dma_chunks_exit(struct grant_dma *gdma, unsigned long deadline)
{
	unsigned int i, page;

	window_stop(gdma);
	for (i = gdma->lowest; i < gdma->max_chunks; i++)
		chunk_revoke(gdma, i, deadline, false);
	for (i = 0; i < gdma->max_chunks; i++) {
		for_each_clear_bit(page, gdma->chunks[i].lost,
				   GRANT_DMA_CHUNK_PAGES)
			gnttab_free_grant_reference(chunk_ref(gdma, i) + page);
		kvfree(gdma->chunks[i].slots);
	}
}
