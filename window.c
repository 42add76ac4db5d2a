// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory that is granted to the backend once and stays mapped
 *
 * The window is a range of consecutive grant references, claimed when the
 * device is made.  It is populated by chunks of zeroed pages, from the highest
 * chunk down; a chunk is granted page by page and announced to the backend,
 * which maps it once.  From then on a buffer costs an allocation and a copy:
 * no grant operation, no hypercall, no unmap in the backend.
 *
 * Slots of 512 bytes, 4 KiB and 32 KiB, which are almost all, come from a
 * cache of each CPU without a lock.  The allocator behind it is the kernel's own
 * for I/O virtual addresses: per-CPU caches with a lock for slots up to 16 KiB,
 * and a tree.  Chunks that are not there are ranges that we hold allocated
 * ourselves.  It hands out the highest free address, so a slot in the lowest
 * chunk says that the others are full, and that is when the window grows.
 *
 * Nothing but pages of the window is ever granted from here, and a page goes
 * back to the kernel only after its grant has ended.
 */

#include "grant_dma.h"

/* How often a slot is looked for that must be there. */
#define SURE_TRIES	16

/* How long a slot may be missed in a window that is full. */
#define FLUSH_ALL_INTERVAL	(HZ / 10)

#define LARGE_GRANULES	(GRANT_DMA_LARGE_SLOT >> GRANT_DMA_GRANULE_SHIFT)

static unsigned long granule_of(unsigned long off)
{
	return (off >> GRANT_DMA_GRANULE_SHIFT) + GRANT_DMA_CHUNK_GRANULES;
}

/* Granules to ask for: whatever a cache may hold is of the cache's size. */
static unsigned long slot_granules(size_t size)
{
	if (size > GRANT_DMA_LARGE_SLOT / 2 && size <= GRANT_DMA_LARGE_SLOT)
		return LARGE_GRANULES;
	return grant_dma_granules(size);
}

static void window_want_more(struct grant_dma *gdma)
{
	if (READ_ONCE(gdma->lowest) > READ_ONCE(gdma->floor) &&
	    !READ_ONCE(gdma->closing) && !work_pending(&gdma->grow_work) &&
	    !time_before(jiffies, READ_ONCE(gdma->grow_after)))
		queue_work(gdma->wq, &gdma->grow_work);
}

static void cache_flush_one(struct grant_dma *gdma,
			    struct grant_dma_cache *cache, unsigned long nr,
			    bool all)
{
	unsigned int i, end = all ? GRANT_DMA_CACHE_SLOTS : READ_ONCE(cache->top);
	unsigned long off;

	/* Before the loop: what others put meanwhile is not above it then. */
	WRITE_ONCE(cache->top, 0);
	for (i = 0; i < end; i++) {
		if (!READ_ONCE(cache->off[i]))
			continue;
		off = xchg(&cache->off[i], 0);
		if (off)
			free_iova_fast(&gdma->iovad, granule_of(off - 1), nr);
	}
}

/*
 * Give what all CPUs hold back to the allocator, which can then make large
 * slots of it.  A slot may be above what its cache says to hold, if its CPU was
 * interrupted; without @all that is left for another time, for it is rare, and to
 * look everywhere costs more.
 */
static void cache_flush(struct grant_dma *gdma, bool all)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct grant_dma_cache *cache = per_cpu_ptr(gdma->cache, cpu);

		cache_flush_one(gdma, &cache[0], 1, all);
		cache_flush_one(gdma, &cache[1], GRANT_DMA_PAGE_GRANULES, all);
		cache_flush_one(gdma, &cache[2], LARGE_GRANULES, all);
	}
}

/* How many slots of this size may be in the cache of a CPU. */
static unsigned int fair_room(struct grant_dma *gdma, size_t slot)
{
	size_t room = grant_dma_max_size(gdma) / GRANT_DMA_CACHE_SHARE / slot /
		      num_online_cpus();

	return min_t(size_t, room, GRANT_DMA_CACHE_SLOTS);
}

static void cache_set_rooms(struct grant_dma *gdma, unsigned int small,
			    unsigned int page, unsigned int large)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu) {
		struct grant_dma_cache *cache = per_cpu_ptr(gdma->cache, cpu);

		WRITE_ONCE(cache[0].room, small);
		WRITE_ONCE(cache[1].room, page);
		WRITE_ONCE(cache[2].room, large);
	}
}

static void cache_init(struct grant_dma *gdma)
{
	unsigned int small = fair_room(gdma, GRANT_DMA_GRANULE);
	unsigned int page = fair_room(gdma, XEN_PAGE_SIZE);

	cache_set_rooms(gdma, max(small, GRANT_DMA_CACHE_MIN),
			max(page, GRANT_DMA_CACHE_MIN),
			fair_room(gdma, GRANT_DMA_LARGE_SLOT));
}

void grant_dma_window_share(struct grant_dma *gdma)
{
	cache_set_rooms(gdma, GRANT_DMA_CACHE_MIN, GRANT_DMA_CACHE_MIN, 0);
}

/* Everywhere where a slot must be found, and else only once in a while. */
static bool must_flush_all(struct grant_dma *gdma)
{
	if (gdma->max_mapping)
		return true;
	if (time_before(jiffies, READ_ONCE(gdma->flush_all_after)))
		return false;
	WRITE_ONCE(gdma->flush_all_after, jiffies + FLUSH_ALL_INTERVAL);
	return true;
}

unsigned long grant_dma_window_alloc_slow(struct grant_dma *gdma, size_t size)
{
	unsigned long nr = slot_granules(size), pfn, off;
	struct grant_dma_chunk *chunk;
	unsigned int lowest, tries;

	if (size > GRANT_DMA_CHUNK_SIZE)
		return GRANT_DMA_NO_SLOT;

	pfn = alloc_iova_fast(&gdma->iovad, nr, gdma->limit, false);
	/* Others may fill their caches meanwhile, maybe with the last slots. */
	tries = gdma->max_mapping ? SURE_TRIES : 1;
	while (unlikely(!pfn) && tries--) {
		cache_flush(gdma, must_flush_all(gdma));
		pfn = alloc_iova_fast(&gdma->iovad, nr, gdma->limit, true);
	}
	lowest = READ_ONCE(gdma->lowest);
	if (unlikely(!pfn)) {
		this_cpu_inc(gdma->stats->exhausted);
		window_want_more(gdma);
		return GRANT_DMA_NO_SLOT;
	}

	off = (pfn - GRANT_DMA_CHUNK_GRANULES) << GRANT_DMA_GRANULE_SHIFT;
	chunk = &gdma->chunks[off >> GRANT_DMA_CHUNK_SHIFT];
	if (!READ_ONCE(chunk->used))
		WRITE_ONCE(chunk->used, true);
	if (unlikely(off >> GRANT_DMA_CHUNK_SHIFT == lowest))
		window_want_more(gdma);
	return off;
}

void grant_dma_window_free_slow(struct grant_dma *gdma, unsigned long off,
				size_t size)
{
	free_iova_fast(&gdma->iovad, granule_of(off), slot_granules(size));
}

/* Take every chunk out of the allocator, from the highest down. */
static int window_punch_holes(struct grant_dma *gdma)
{
	unsigned int i;

	for (i = gdma->max_chunks; i > 0; i--) {
		struct iova *hole = alloc_iova(&gdma->iovad,
					       GRANT_DMA_CHUNK_GRANULES,
					       gdma->limit, true);

		if (!hole)
			return -ENOMEM;
		if (hole->pfn_lo != i * GRANT_DMA_CHUNK_GRANULES)
			return -EINVAL;
	}
	return 0;
}

static unsigned long chunk_granule(unsigned int index)
{
	return (index + 1) * GRANT_DMA_CHUNK_GRANULES;
}

bool grant_dma_window_take(struct grant_dma *gdma, unsigned int index)
{
	unsigned long first = chunk_granule(index), got;

	cache_flush(gdma, true);
	/* What is below is not there, so it can only be this one. */
	got = alloc_iova_fast(&gdma->iovad, GRANT_DMA_CHUNK_GRANULES,
			      first + GRANT_DMA_CHUNK_GRANULES - 1, true);
	if (got && got != first)
		free_iova(&gdma->iovad, got);
	return got == first;
}

void grant_dma_window_give(struct grant_dma *gdma, unsigned int index)
{
	free_iova(&gdma->iovad, chunk_granule(index));
}

static int window_claim_refs(struct grant_dma *gdma)
{
	unsigned int wanted = gdma->max_chunks;
	unsigned int nr = wanted * GRANT_DMA_CHUNK_PAGES;
	int err;

	err = grant_dma_claim_refs(gdma->dev, GRANT_DMA_CHUNK_PAGES, &nr,
				   &gdma->first_ref);
	if (err)
		return err;
	gdma->max_chunks = nr / GRANT_DMA_CHUNK_PAGES;
	if (gdma->max_chunks < wanted)
		dev_notice(gdma->dev, "too few grant references: window limited to %lu KiB\n",
			   gdma->max_chunks * (GRANT_DMA_CHUNK_SIZE >> 10));
	return 0;
}

unsigned long grant_dma_window_used(struct grant_dma *gdma)
{
	unsigned long used = atomic_long_read(&gdma->coherent) /
			     GRANT_DMA_GRANULE;
	unsigned int i, slot;

	/* Slots of a chunk that goes meanwhile stay, and are of size 0. */
	for (i = READ_ONCE(gdma->lowest); i < gdma->max_chunks; i++)
		for (slot = 0; slot < GRANT_DMA_CHUNK_GRANULES; slot++)
			used += slot_granules(READ_ONCE(gdma->chunks[i].slots[slot].size));
	return used;
}

int grant_dma_window_init(struct grant_dma *gdma)
{
	int err;

	/* Grants are per 4 KiB page, and buffers are copied by address. */
	BUILD_BUG_ON(PAGE_SIZE != XEN_PAGE_SIZE);
	BUILD_BUG_ON(IS_ENABLED(CONFIG_HIGHMEM));

	grant_dma_chunks_init(gdma);
	gdma->cache = __alloc_percpu(GRANT_DMA_CACHES * sizeof(*gdma->cache),
				     __alignof__(*gdma->cache));
	if (!gdma->cache)
		return -ENOMEM;
	err = window_claim_refs(gdma);
	if (err)
		goto err_free_cache;
	gdma->base = XVIO_ADDR_GRANT |
		     (dma_addr_t)gdma->first_ref << XVIO_ADDR_PAGE_SHIFT;
	gdma->limit = (gdma->max_chunks + 1) * GRANT_DMA_CHUNK_GRANULES - 1;
	cache_init(gdma);
	gdma->flush_all_after = jiffies;
	gdma->lowest = gdma->max_chunks;

	err = iova_cache_get();
	if (err)
		goto err_free_refs;
	init_iova_domain(&gdma->iovad, GRANT_DMA_GRANULE,
			 GRANT_DMA_CHUNK_GRANULES);
	err = iova_domain_init_rcaches(&gdma->iovad);
	if (err)
		goto err_put_domain;
	err = window_punch_holes(gdma);
	if (err)
		goto err_put_domain;
	return 0;

err_put_domain:
	put_iova_domain(&gdma->iovad);
	iova_cache_put();
err_free_refs:
	gnttab_free_grant_reference_seq(gdma->first_ref, gdma->max_chunks *
					GRANT_DMA_CHUNK_PAGES);
err_free_cache:
	free_percpu(gdma->cache);
	return err;
}

void grant_dma_window_exit(struct grant_dma *gdma, unsigned long deadline)
{
	grant_dma_chunks_exit(gdma, deadline);
	put_iova_domain(&gdma->iovad);
	iova_cache_put();
	free_percpu(gdma->cache);
}
