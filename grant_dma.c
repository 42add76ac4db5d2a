// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma_map_ops that turn buffers into grant references
 *
 * An address for the device is
 *
 *	bit 63		1: this is a grant
 *	bits 12 to 62	grant reference; consecutive pages of a buffer have
 *			consecutive references
 *	bits 0 to 11	offset in the page
 *
 * A mapping is a slot of the window (window.c): the buffer is copied in when it
 * is mapped and copied out when it is unmapped, as swiotlb does, also in that a
 * device that writes less than the whole buffer leaves the rest as it was.  (A
 * backend that is not trusted gets zeroes for what it is to write, instead of
 * what was there.)  So the device sees a buffer and nothing beside it, whatever
 * else is in the same page, and a device that keeps a mapping keeps nothing but
 * bounce memory.
 *
 * With whole writes (docs/protocol.md, section 7) the device writes all of a
 * buffer or nothing.  Then there is nothing to copy in, but nothing may be copied
 * out either before the device has written: the slot still has the data of another
 * request.  That happens: a chain that finds the window full in the middle is
 * unmapped again, and so is what was in flight when a device or a queue is reset.
 * Nobody says which of this it is, so the slot shows it by itself: it begins with a
 * random mark, which is gone when the device has written.  What the device may
 * have written in part is for enum grant_dma_state.
 *
 * Where the device's mode says so, buffers of whole pages are granted themselves
 * (direct.c), if they can be; if not, they get a slot.
 *
 * Mapping fails only when the window is full.  That is no error of the I/O:
 * virtio drivers keep the request and try again when others have completed.  It
 * would be one on packed rings, so their window has room for all
 * (grant_dma_make_sure()).
 */

#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "grant_dma.h"
#include "xen_virtio_front.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#ifdef XVF_BASELINE
#include "tests/bench/baseline/frames.h"
#else
/* What grants cost is measured against a module without: tests/bench. */
static inline dma_addr_t baseline_map(phys_addr_t phys)
{
	return DMA_MAPPING_ERROR;
}

static inline bool baseline_mapped(dma_addr_t addr)
{
	return false;
}
#endif

/* A device may claim one part in so many of the guest's references... */
#define FAIR_SHARE		8

/* ...of which a grant frame has so many at least (in version 2 tables). */
#define MIN_REFS_PER_FRAME	256

const char * const grant_dma_mode_names[GRANT_DMA_MODES] = {
	[GRANT_DMA_WINDOW] = "window",
	[GRANT_DMA_DIRECT] = "direct",
	[GRANT_DMA_AUTO] = "auto",
};

static struct grant_dma *to_grant_dma(struct device *dev)
{
	struct xvf_device *xvf = dev_get_drvdata(dev);

	return xvf->gdma;
}

size_t grant_dma_max_size(const struct grant_dma *gdma)
{
	return gdma->max_chunks * GRANT_DMA_CHUNK_SIZE;
}

/* Buffers are at most this large, so that many of them fit in the window. */
static size_t max_mapping(const struct grant_dma *gdma)
{
	size_t size = grant_dma_max_size(gdma) / 256;

	if (gdma->max_mapping)
		return gdma->max_mapping;
	return clamp_t(size_t, rounddown_pow_of_two(size), XEN_PAGE_SIZE,
		       GRANT_DMA_CHUNK_SIZE);
}

static void report_threshold(struct grant_dma *gdma)
{
	if (gdma->mode == GRANT_DMA_AUTO && gdma->direct_min > max_mapping(gdma))
		dev_notice(gdma->dev, "no buffer will reach the threshold of %zu bytes: with this window the largest has %zu\n",
			   gdma->direct_min, max_mapping(gdma));
}

int grant_dma_make_sure(struct grant_dma *gdma, unsigned int slots)
{
	size_t before = max_mapping(gdma), size = before;
	unsigned int initial = gdma->initial;
	int err;

	while (grant_dma_max_size(gdma) / size <= slots) {
		size /= 2;
		if (size < XEN_PAGE_SIZE)
			return -ENOSPC;
	}

	/* It does not shrink any more. */
	gdma->initial = 0;
	while ((gdma->max_chunks - gdma->lowest) * GRANT_DMA_CHUNK_SIZE / size <=
	       slots) {
		err = grant_dma_window_grow(gdma);
		if (err) {
			gdma->initial = initial;
			return err;
		}
	}
	gdma->max_mapping = size;
	grant_dma_window_share(gdma);
	/* It may have been within reach before. */
	if (gdma->direct_min <= before)
		report_threshold(gdma);
	return 0;
}

unsigned int grant_dma_max_segments(const struct grant_dma *gdma, size_t size,
				    unsigned int taken)
{
	unsigned int half = max_t(size_t, grant_dma_max_size(gdma) / 2 / size,
				  1);
	unsigned int sure;

	/* There is a slot for each, whatever else is mapped. */
	if (gdma->max_mapping)
		return half;
	sure = (gdma->max_chunks - gdma->initial) * GRANT_DMA_CHUNK_SIZE / size;
	return sure > taken ? min(sure - taken, half) : 0;
}

static noinline dma_addr_t refuse_map(struct grant_dma *gdma, size_t size,
				      enum dma_data_direction dir)
{
	this_cpu_inc(gdma->stats->refused);
	grant_dma_map_failed(gdma);
	dev_err_ratelimited(gdma->dev, "refusing to map %zu bytes in direction %d: buffers are memory of 1 to %lu bytes\n",
			    size, dir, GRANT_DMA_CHUNK_SIZE);
	return DMA_MAPPING_ERROR;
}

/* @from: NULL for zeroes.  Returns @addr, so that it can be the last call. */
static noinline dma_addr_t fill(void *to, const void *from, size_t size,
				dma_addr_t addr)
{
	if (from)
		memcpy(to, from, size);
	else
		memset(to, 0, size);
	return addr;
}

/* Make a mapping in a slot that was allocated for it. */
static __always_inline dma_addr_t map_slot(struct grant_dma *gdma,
					   unsigned long off, phys_addr_t phys,
					   size_t size,
					   enum dma_data_direction dir,
					   unsigned long attrs)
{
	struct grant_dma_stats __percpu *stats = gdma->stats;
	struct grant_dma_slot *slot = grant_dma_window_slot(gdma, off);
	const void *from;
	void *to;

	slot->orig = phys;
	slot->size = size;
	this_cpu_inc(stats->maps);
	if (dir != DMA_FROM_DEVICE && attrs & DMA_ATTR_SKIP_CPU_SYNC)
		return gdma->base + off;

	to = grant_dma_window_ptr(gdma, off);
	/*
	 * Also when the device is to write: it may write less than it says,
	 * and whatever used the slot before must not show then.
	 */
	if (dir == DMA_FROM_DEVICE) {
		if (unlikely(!gdma->trusted))
			return fill(to, NULL, size, gdma->base + off);
		/* Who skips the sync may let the device have parts of it. */
		if (size >= sizeof(gdma->mark) && gdma->mark &&
		    !(attrs & DMA_ATTR_SKIP_CPU_SYNC)) {
			*(u64 *)to = gdma->mark;
			return gdma->base + off;
		}
	}
	this_cpu_add(stats->bytes_in, size);
	from = phys_to_virt(phys);
	/*
	 * Most of the buffers are a header of 16 bytes or a status byte: no
	 * call for these, and no string instruction, which takes long to begin.
	 */
	if (size == 16)
		memcpy(to, from, 16);
	else if (size == 1)
		*(u8 *)to = *(const u8 *)from;
	else
		return fill(to, from, size, gdma->base + off);
	return gdma->base + off;
}

static noinline dma_addr_t map_any(struct grant_dma *gdma, phys_addr_t phys,
				   size_t size, enum dma_data_direction dir,
				   unsigned long attrs)
{
	dma_addr_t addr = DMA_MAPPING_ERROR;
	unsigned long off;

	if (dir == DMA_NONE || attrs & DMA_ATTR_MMIO)
		return refuse_map(gdma, size, dir);
	/* Who skips the sync does not show what is in the buffer yet. */
	if (size >= gdma->direct_min && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		addr = grant_dma_direct_map(gdma, phys, size,
					    dir == DMA_TO_DEVICE);
	if (addr == DMA_MAPPING_ERROR) {
		if (size - 1 >= GRANT_DMA_CHUNK_SIZE)
			return refuse_map(gdma, size, dir);
		off = grant_dma_window_alloc(gdma, size);
		if (off == GRANT_DMA_NO_SLOT) {
			grant_dma_map_failed(gdma);
			return DMA_MAPPING_ERROR;
		}
		addr = map_slot(gdma, off, phys, size, dir, attrs);
	}
	trace_xen_virtio_map(gdma, addr, phys, size, dir);
	return addr;
}

/*
 * Nothing is called here but as the last thing that is done, so that no register
 * has to be saved for it: that is a fifth of a small mapping.
 */
static __always_inline dma_addr_t map_phys(struct device *dev, phys_addr_t phys,
					   size_t size,
					   enum dma_data_direction dir,
					   unsigned long attrs)
{
	struct grant_dma *gdma = to_grant_dma(dev);
	dma_addr_t addr = baseline_map(phys);
	unsigned long off;

	if (addr != DMA_MAPPING_ERROR)
		return addr;
	if (unlikely(dir == DMA_NONE || attrs & DMA_ATTR_MMIO ||
		     size >= gdma->direct_min ||
		     trace_xen_virtio_map_enabled()))
		return map_any(gdma, phys, size, dir, attrs);
	off = grant_dma_window_alloc_fast(gdma, size);
	if (unlikely(off == GRANT_DMA_NO_SLOT))
		return map_any(gdma, phys, size, dir, attrs);
	return map_slot(gdma, off, phys, size, dir, attrs);
}

static noinline void report_unmapped(struct grant_dma *gdma, dma_addr_t addr,
				     size_t size)
{
	dev_err_ratelimited(gdma->dev, "unmapping or syncing %zu bytes at %pad, which are not mapped\n",
			    size, &addr);
}

/*
 * Is an offset one of the window?  Asked of each address that is unmapped: on
 * 6.1 and 6.12 the ring reads it back from memory that a device might write.
 */
static bool in_window(const struct grant_dma *gdma, unsigned long off)
{
	unsigned long chunk = off >> GRANT_DMA_CHUNK_SHIFT;
	/* Pairs with add_chunk(): what is there has its slots. */
	unsigned int lowest = smp_load_acquire(&gdma->lowest);

	return chunk < gdma->max_chunks && chunk >= lowest;
}

/* The slot of a mapped range, checked, and the range's offset in the slot. */
static struct grant_dma_slot *mapped_slot(struct grant_dma *gdma,
					  dma_addr_t addr, size_t size,
					  unsigned long *at)
{
	unsigned long off = addr - gdma->base;
	struct grant_dma_slot *slot, *first;

	if (!in_window(gdma, off)) {
		/* There is nothing to copy then. */
		if (baseline_mapped(addr) ||
		    grant_dma_direct_mapped(gdma, addr, size))
			return NULL;
		goto bad;
	}
	/* Only the first granule of a slot says that it is mapped. */
	first = gdma->chunks[off >> GRANT_DMA_CHUNK_SHIFT].slots;
	slot = grant_dma_window_slot(gdma, off);
	while (!slot->size && slot > first)
		slot--;
	*at = (off & (GRANT_DMA_CHUNK_SIZE - 1)) -
	      ((slot - first) << GRANT_DMA_GRANULE_SHIFT);
	if (*at > slot->size || size > slot->size - *at)
		goto bad;
	return slot;
bad:
	report_unmapped(gdma, addr, size);
	return NULL;
}

/* Has the device left the slot that begins at @start as it was mapped? */
static inline bool is_unwritten(const struct grant_dma *gdma,
				const struct grant_dma_slot *slot,
				const u64 *start)
{
	return gdma->mark && slot->size >= sizeof(gdma->mark) &&
	       READ_ONCE(*start) == gdma->mark;
}

static inline void copy_out(struct grant_dma *gdma, unsigned long off,
			    const struct grant_dma_slot *slot,
			    unsigned long at, size_t size)
{
	enum grant_dma_state state = READ_ONCE(gdma->state);
	void *from = grant_dma_window_ptr(gdma, off);
	void *buf = phys_to_virt(slot->orig + at);

	if (unlikely(state == GRANT_DMA_DEAD)) {
		memset(buf, 0xff, size);
	} else {
		if (unlikely(state == GRANT_DMA_RESTING ||
			     is_unwritten(gdma, slot, from - at)))
			return;
		memcpy(buf, from, size);
	}
	this_cpu_add(gdma->stats->bytes_out, size);
}

/* Only a slot as a whole: a part of it must not be handed out again. */
static __always_inline bool is_slot(const struct grant_dma_slot *slot,
				    unsigned long off, size_t size)
{
	return slot->size == size && size && !(off & (GRANT_DMA_GRANULE - 1));
}

static __always_inline void unmap_slot(struct grant_dma *gdma,
				       unsigned long off,
				       struct grant_dma_slot *slot, size_t size)
{
	slot->size = 0;
	this_cpu_inc(gdma->stats->unmaps);
	grant_dma_window_free(gdma, off, size);
}

static noinline void unmap_slot_copy(struct grant_dma *gdma, unsigned long off,
				     struct grant_dma_slot *slot, size_t size)
{
	copy_out(gdma, off, slot, 0, size);
	unmap_slot(gdma, off, slot, size);
}

static noinline void unmap_any(struct grant_dma *gdma, dma_addr_t addr,
			       size_t size, enum dma_data_direction dir,
			       unsigned long attrs)
{
	bool sync = !(attrs & DMA_ATTR_SKIP_CPU_SYNC);
	unsigned long off = addr - gdma->base;
	struct grant_dma_slot *slot;

	if (baseline_mapped(addr))
		return;
	trace_xen_virtio_unmap(gdma, addr, size, dir);
	if (READ_ONCE(gdma->nr_torn))
		grant_dma_unmap_after_failure(gdma, addr, size);
	if (!in_window(gdma, off)) {
		if (!grant_dma_direct_unmap(gdma, addr, size, sync))
			report_unmapped(gdma, addr, size);
		return;
	}
	slot = grant_dma_window_slot(gdma, off);
	if (!is_slot(slot, off, size))
		report_unmapped(gdma, addr, size);
	else if (dir != DMA_TO_DEVICE && sync)
		unmap_slot_copy(gdma, off, slot, size);
	else
		unmap_slot(gdma, off, slot, size);
}

/* As map_phys(): no call but the last. */
static void grant_dma_unmap(struct device *dev, dma_addr_t addr, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	struct grant_dma *gdma = to_grant_dma(dev);
	unsigned long off = addr - gdma->base;
	struct grant_dma_slot *slot;

	if (unlikely(trace_xen_virtio_unmap_enabled() ||
		     READ_ONCE(gdma->nr_torn) || !in_window(gdma, off)))
		return unmap_any(gdma, addr, size, dir, attrs);
	slot = grant_dma_window_slot(gdma, off);
	if (unlikely(!is_slot(slot, off, size)))
		return unmap_any(gdma, addr, size, dir, attrs);
	if (dir != DMA_TO_DEVICE && !(attrs & DMA_ATTR_SKIP_CPU_SYNC)) {
		if (size != 1 ||
		    unlikely(READ_ONCE(gdma->state) != GRANT_DMA_RUNNING))
			return unmap_slot_copy(gdma, off, slot, size);
		/* A status. */
		*(u8 *)phys_to_virt(slot->orig) =
			*(u8 *)grant_dma_window_ptr(gdma, off);
		this_cpu_inc(gdma->stats->bytes_out);
	}
	unmap_slot(gdma, off, slot, size);
}

XVF_DEFINE_DMA_MAP(grant_dma_map, map_phys)

static void grant_dma_unmap_sg(struct device *dev, struct scatterlist *sgl,
			       int nents, enum dma_data_direction dir,
			       unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		grant_dma_unmap(dev, sg_dma_address(sg), sg_dma_len(sg), dir,
				attrs);
}

static int grant_dma_map_sg(struct device *dev, struct scatterlist *sgl,
			    int nents, enum dma_data_direction dir,
			    unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		sg->dma_address = map_phys(dev, sg_phys(sg), sg->length, dir,
					   attrs);
		if (sg->dma_address == DMA_MAPPING_ERROR)
			goto err_unmap;
		sg_dma_len(sg) = sg->length;
	}
	return nents;

err_unmap:
	grant_dma_unmap_sg(dev, sgl, i, dir, attrs | DMA_ATTR_SKIP_CPU_SYNC);
	sg_dma_len(sgl) = 0;
	return -EIO;
}

static void grant_dma_sync_for_cpu(struct device *dev, dma_addr_t addr,
				   size_t size, enum dma_data_direction dir)
{
	struct grant_dma *gdma = to_grant_dma(dev);
	struct grant_dma_slot *slot;
	unsigned long at;

	slot = mapped_slot(gdma, addr, size, &at);
	if (slot && dir != DMA_TO_DEVICE)
		copy_out(gdma, addr - gdma->base, slot, at, size);
}

static void grant_dma_sync_for_device(struct device *dev, dma_addr_t addr,
				      size_t size, enum dma_data_direction dir)
{
	struct grant_dma *gdma = to_grant_dma(dev);
	struct grant_dma_slot *slot;
	unsigned long at;

	slot = mapped_slot(gdma, addr, size, &at);
	if (!slot || dir == DMA_FROM_DEVICE)
		return;
	memcpy(grant_dma_window_ptr(gdma, addr - gdma->base),
	       phys_to_virt(slot->orig + at), size);
	this_cpu_add(gdma->stats->bytes_in, size);
}

static void grant_dma_sync_sg_for_cpu(struct device *dev,
				      struct scatterlist *sgl, int nents,
				      enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		grant_dma_sync_for_cpu(dev, sg_dma_address(sg),
				       sg_dma_len(sg), dir);
}

static void grant_dma_sync_sg_for_device(struct device *dev,
					 struct scatterlist *sgl, int nents,
					 enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i)
		grant_dma_sync_for_device(dev, sg_dma_address(sg),
					  sg_dma_len(sg), dir);
}

static void *grant_dma_alloc(struct device *dev, size_t size,
			     dma_addr_t *addr, gfp_t gfp, unsigned long attrs)
{
	struct grant_dma *gdma = to_grant_dma(dev);
	unsigned long off;
	void *vaddr;

	if (grant_dma_is_ring(gdma, size))
		return grant_dma_ring_alloc(gdma, size, addr, gfp);
	size = PAGE_ALIGN(size);
	if (!size || size > GRANT_DMA_CHUNK_SIZE) {
		dev_err_ratelimited(gdma->dev, "refusing %zu bytes of coherent memory: the limit is %lu\n",
				    size, GRANT_DMA_CHUNK_SIZE);
		return NULL;
	}

	for (;;) {
		off = grant_dma_window_alloc(gdma, size);
		if (off != GRANT_DMA_NO_SLOT)
			break;
		if (!gfpflags_allow_blocking(gfp) ||
		    grant_dma_window_grow(gdma))
			return NULL;
	}

	atomic_long_add(size, &gdma->coherent);
	vaddr = grant_dma_window_ptr(gdma, off);
	memset(vaddr, 0, size);
	*addr = gdma->base + off;
	return vaddr;
}

static void grant_dma_free(struct device *dev, size_t size, void *vaddr,
			   dma_addr_t addr, unsigned long attrs)
{
	struct grant_dma *gdma = to_grant_dma(dev);

	if (grant_dma_is_ring(gdma, size) && grant_dma_ring_free(gdma, addr))
		return;
	size = PAGE_ALIGN(size);
	atomic_long_sub(size, &gdma->coherent);
	grant_dma_window_free(gdma, addr - gdma->base, size);
}

static int grant_dma_supported(struct device *dev, u64 mask)
{
	/* Bit 63 is part of every address. */
	return mask == DMA_BIT_MASK(64);
}

static size_t grant_dma_max_mapping_size(struct device *dev)
{
	return max_mapping(to_grant_dma(dev));
}

static const struct dma_map_ops grant_dma_ops = {
	.alloc = grant_dma_alloc,
	.free = grant_dma_free,
	XVF_DMA_MAP_OPS(grant_dma_map, grant_dma_unmap),
	.map_sg = grant_dma_map_sg,
	.unmap_sg = grant_dma_unmap_sg,
	.sync_single_for_cpu = grant_dma_sync_for_cpu,
	.sync_single_for_device = grant_dma_sync_for_device,
	.sync_sg_for_cpu = grant_dma_sync_sg_for_cpu,
	.sync_sg_for_device = grant_dma_sync_sg_for_device,
	.dma_supported = grant_dma_supported,
	.max_mapping_size = grant_dma_max_mapping_size,
};

int grant_dma_install(struct device *dev)
{
	/* In this order: setting the mask asks the operations. */
	set_dma_ops(dev, &grant_dma_ops);
	return dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
}

void grant_dma_uninstall(struct device *dev)
{
	set_dma_ops(dev, NULL);
}

void grant_dma_rest(struct grant_dma *gdma, bool rest)
{
	if (!gdma->mark || gdma->state == GRANT_DMA_DEAD)
		return;
	WRITE_ONCE(gdma->state, rest ? GRANT_DMA_RESTING : GRANT_DMA_RUNNING);
}

void grant_dma_quarantined(struct grant_dma *gdma, unsigned int nr)
{
	if (!nr)
		return;
	trace_xen_virtio_quarantine(gdma, nr);
	atomic_long_add(nr, &gdma->quarantined);
	/* How many there are is said once, when the device goes. */
	gdma->host->fail(gdma->priv, "the backend keeps granted pages mapped");
}

void grant_dma_sum_stats(struct grant_dma *gdma, struct grant_dma_stats *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct grant_dma_stats *s = per_cpu_ptr(gdma->stats, cpu);

		sum->maps += s->maps;
		sum->unmaps += s->unmaps;
		sum->bytes_in += s->bytes_in;
		sum->bytes_out += s->bytes_out;
		sum->exhausted += s->exhausted;
		sum->refused += s->refused;
		sum->direct_maps += s->direct_maps;
		sum->direct_unmaps += s->direct_unmaps;
		sum->direct_grants += s->direct_grants;
		sum->direct_revoked += s->direct_revoked;
		sum->direct_unfit += s->direct_unfit;
		sum->direct_exhausted += s->direct_exhausted;
	}
}

int grant_dma_claim_refs(struct device *dev, unsigned int unit,
			 unsigned int *nr, grant_ref_t *first)
{
	unsigned int fair = gnttab_max_grant_frames() * MIN_REFS_PER_FRAME /
			    FAIR_SHARE;
	int err;

	*nr = min(*nr, fair);
	for (;;) {
		*nr = max(rounddown(*nr, unit), unit);
		err = gnttab_alloc_grant_reference_seq(*nr, first);
		if (!err)
			return 0;
		if (*nr == unit)
			break;
		*nr /= 2;
	}
	dev_err(dev, "claiming %u grant references: %d; raise gnttab_max_frames\n",
		unit, err);
	return err;
}

static void choose_mode(struct grant_dma *gdma,
			const struct grant_dma_config *config)
{
	gdma->mode = config->mode;
	if (gdma->mode != GRANT_DMA_WINDOW &&
	    grant_dma_direct_init(gdma, config->direct_pages)) {
		dev_notice(gdma->dev, "nothing is granted directly\n");
		gdma->mode = GRANT_DMA_WINDOW;
	}

	switch (gdma->mode) {
	case GRANT_DMA_WINDOW:
		gdma->direct_min = SIZE_MAX;
		break;
	case GRANT_DMA_DIRECT:
		gdma->direct_min = XEN_PAGE_SIZE;
		break;
	case GRANT_DMA_AUTO:
		gdma->direct_min = max_t(size_t, config->threshold,
					 XEN_PAGE_SIZE);
		report_threshold(gdma);
		break;
	}
}

/* Once, when the device goes; there are no counters any more then. */
static void report_kept(struct grant_dma *gdma)
{
	long kept = atomic_long_read(&gdma->quarantined);

	if (kept)
		dev_alert(gdma->dev, "%ld granted pages are still mapped by domain %u: they stay granted until it lets go\n",
			  kept, gdma->otherend);
}

struct grant_dma *grant_dma_create(struct device *dev, domid_t otherend,
				   struct workqueue_struct *wq,
				   const struct grant_dma_host *host,
				   void *priv,
				   const struct grant_dma_config *config)
{
	unsigned int max_chunks = config->max_pages / GRANT_DMA_CHUNK_PAGES;
	struct grant_dma *gdma;
	int err;

	max_chunks = clamp_t(unsigned int, max_chunks, 1, GRANT_DMA_MAX_CHUNKS);
	gdma = kvzalloc(struct_size(gdma, chunks, max_chunks), GFP_KERNEL);
	if (!gdma)
		return ERR_PTR(-ENOMEM);
	gdma->dev = dev;
	gdma->otherend = otherend;
	gdma->host = host;
	gdma->priv = priv;
	gdma->wq = wq;
	gdma->max_chunks = max_chunks;
	gdma->trusted = config->trusted;
	if (config->whole_writes)
		gdma->mark = get_random_u64() | 1;
	gdma->idle = config->idle;

	err = -ENOMEM;
	gdma->stats = alloc_percpu(struct grant_dma_stats);
	if (!gdma->stats)
		goto err_free;
	spin_lock_init(&gdma->torn_lock);
	grant_dma_rings_init(gdma);
	err = grant_dma_window_init(gdma);
	if (err)
		goto err_free_stats;

	/* What is there then stays. */
	do {
		err = grant_dma_window_grow(gdma);
		if (err)
			break;
	} while ((gdma->max_chunks - gdma->lowest) * GRANT_DMA_CHUNK_PAGES <
		 config->initial_pages);
	gdma->initial = gdma->lowest;
	if (gdma->lowest == gdma->max_chunks)
		goto err_exit_window;
	choose_mode(gdma, config);
	return gdma;

err_exit_window:
	grant_dma_window_exit(gdma, jiffies);
	report_kept(gdma);
err_free_stats:
	free_percpu(gdma->stats);
err_free:
	kvfree(gdma);
	return ERR_PTR(err);
}

void grant_dma_destroy(struct grant_dma *gdma, unsigned long deadline)
{
	struct grant_dma_stats sum;
	long long mapped;

	grant_dma_sum_stats(gdma, &sum);
	mapped = sum.maps - sum.unmaps + sum.direct_maps - sum.direct_unmaps;
	if (mapped)
		dev_warn(gdma->dev, "%lld buffers are still mapped\n", mapped);
	grant_dma_direct_exit(gdma);
	grant_dma_rings_exit(gdma, deadline);
	grant_dma_window_exit(gdma, deadline);
	report_kept(gdma);
	free_percpu(gdma->stats);
	kvfree(gdma);
}
