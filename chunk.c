// SPDX-License-Identifier: GPL-2.0-only
/*
 * the chunks of the window: pages that are granted, announced, and taken back
 *
 * The window grows by a chunk at a time, from the highest down, in process
 * context.  A page goes back to the kernel only after its grant has ended.
 */

#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/vmalloc.h>

#include "grant_dma.h"

/* How long a backend that refused a chunk may take to let go of it. */
#define REVOKE_TIMEOUT		(2 * HZ)

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
}

static int chunk_alloc(struct grant_dma_chunk *chunk)
{
	unsigned int i;

	chunk->pages = kcalloc(GRANT_DMA_CHUNK_PAGES, sizeof(*chunk->pages),
			       GFP_KERNEL);
	if (!chunk->pages)
		return -ENOMEM;

	chunk->slots = kvcalloc(GRANT_DMA_CHUNK_GRANULES,
				sizeof(*chunk->slots), GFP_KERNEL);
	if (!chunk->slots)
		goto err_free_array;

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
	kvfree(chunk->slots);
	chunk->slots = NULL;
err_free_array:
	kfree(chunk->pages);
	chunk->pages = NULL;
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

/*
 * End the grants of a chunk and free what could be taken back.  The references
 * are gone afterwards, one way or the other.
 */
static void chunk_revoke(struct grant_dma *gdma, unsigned int index,
			 unsigned long deadline)
{
	struct grant_dma_chunk *chunk = &gdma->chunks[index];
	grant_ref_t ref = chunk_ref(gdma, index);
	unsigned int i, kept = 0;

	vunmap(chunk->vaddr);
	chunk->vaddr = NULL;
	for (i = 0; i < GRANT_DMA_CHUNK_PAGES; i++)
		if (grant_dma_revoke(ref + i, chunk->pages[i], deadline))
			kept++;
	atomic_long_add(GRANT_DMA_CHUNK_PAGES - kept, &gdma->revoked);
	kvfree(chunk->slots);
	kfree(chunk->pages);

	grant_dma_quarantined(gdma, kept);
}

int grant_dma_window_grow(struct grant_dma *gdma)
{
	struct grant_dma_chunk *chunk;
	unsigned int index;
	int err;

	mutex_lock(&gdma->lock);
	err = -ENOSPC;
	if (!gdma->unused || gdma->closing)
		goto out_unlock;

	index = gdma->unused - 1;
	chunk = &gdma->chunks[index];
	err = chunk_alloc(chunk);
	if (err)
		goto out_unlock;

	gdma->unused = index;
	chunk_grant(gdma, index);
	err = gdma->host->window_add(gdma->priv, chunk_ref(gdma, index),
				     GRANT_DMA_CHUNK_PAGES, false);
	if (err)
		goto err_revoke;

	/* From here on the data path may see it. */
	WRITE_ONCE(gdma->lowest, index);
	__free_iova(&gdma->iovad, chunk->hole);
	chunk->hole = NULL;
	mutex_unlock(&gdma->lock);
	return 0;

err_revoke:
	/* The references are gone with the grants: the window ends here. */
	chunk_revoke(gdma, index, jiffies + REVOKE_TIMEOUT);
	gdma->closing = true;
	dev_warn(gdma->dev, "growing the window to %lu KiB: %d\n",
		 (gdma->max_chunks - index) * (GRANT_DMA_CHUNK_SIZE >> 10),
		 err);
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

static void window_stop_growth(struct grant_dma *gdma)
{
	mutex_lock(&gdma->lock);
	gdma->closing = true;
	mutex_unlock(&gdma->lock);
	cancel_work_sync(&gdma->grow_work);
}

void grant_dma_withdraw(struct grant_dma *gdma)
{
	unsigned int i;

	window_stop_growth(gdma);
	for (i = gdma->lowest; i < gdma->max_chunks; i++)
		if (gdma->host->window_remove(gdma->priv, chunk_ref(gdma, i),
					      GRANT_DMA_CHUNK_PAGES))
			break;
}

void grant_dma_chunks_init(struct grant_dma *gdma)
{
	mutex_init(&gdma->lock);
	INIT_WORK(&gdma->grow_work, window_grow_work);
}

void grant_dma_chunks_exit(struct grant_dma *gdma, unsigned long deadline)
{
	unsigned int i;

	window_stop_growth(gdma);
	for (i = gdma->lowest; i < gdma->max_chunks; i++)
		chunk_revoke(gdma, i, deadline);
}
