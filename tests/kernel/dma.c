// SPDX-License-Identifier: GPL-2.0-only
/*
 * what a mapping does to a buffer, seen from the buffer, without a device
 *
 * Where the device would have a copy, that copy shows again when the mapping
 * ends: what the CPU writes to the buffer meanwhile (GDT_LOST) must be gone
 * then, except for what it has synced.  Where the device would have the buffer
 * itself, everything stays; that must happen with whole pages only.
 */

#include <linux/module.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/vmalloc.h>

#include "test.h"

#define GUARD		64
#define SG_ENTRIES	16
#define SYNCS		3000

static const enum dma_data_direction directions[] = {
	DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE,
};

/* A buffer in the arena, one page from its beginning on. */
static u8 *buffer_at(struct gdt *t, unsigned int offset)
{
	return t->arena + PAGE_SIZE + offset;
}

static void put_guard(struct gdt *t, u8 *buf, size_t size)
{
	gdt_fill(t, buf - GUARD, GDT_GUARD, 0, GUARD);
	gdt_fill(t, buf + size, GDT_GUARD, GUARD, GUARD);
}

static int check_guard(struct gdt *t, u8 *buf, size_t size)
{
	if (gdt_is(t, buf - GUARD, GDT_GUARD, 0, GUARD) &&
	    gdt_is(t, buf + size, GDT_GUARD, GUARD, GUARD))
		return 0;
	return gdt_fail("%zu bytes at %lu in a page: what is beside them changed",
			size, offset_in_page(buf));
}

static int map(struct gdt *t, void *buf, size_t size,
	       enum dma_data_direction dir, dma_addr_t *addr)
{
	*addr = dma_map_single(t->dev, buf, size, dir);
	if (!dma_mapping_error(t->dev, *addr))
		return 0;
	return gdt_fail("mapping %zu bytes at %lu in a page, direction %d",
			size, offset_in_page(buf), dir);
}

/* Map, change what is beneath, sync a part, unmap, and look. */
static int one_buffer(struct gdt *t, u8 *buf, size_t size,
		      enum dma_data_direction dir)
{
	unsigned int seed = (size * 31 + offset_in_page(buf)) % GDT_SEEDS;
	size_t n = max_t(size_t, size / 3, 1), lo = (size - n) / 2;
	dma_addr_t addr;
	int err;

	put_guard(t, buf, size);
	gdt_fill(t, buf, GDT_OLD, seed, size);
	err = map(t, buf, size, dir, &addr);
	if (err)
		return err;
	gdt_fill(t, buf, GDT_LOST, seed, size);
	if (dir == DMA_BIDIRECTIONAL) {
		gdt_fill(t, buf + lo, GDT_NEW, seed + lo, n);
		dma_sync_single_range_for_device(t->dev, addr, lo, n, dir);
		gdt_fill(t, buf + lo, GDT_LOST, seed + lo, n);
	} else {
		n = 0;
	}
	dma_unmap_single(t->dev, addr, size, dir);
	err = gdt_check_kept(t, buf, size, seed, lo, n, dir);
	return err ?: check_guard(t, buf, size);
}

/* At each offset, in each direction. */
static int one_size(struct gdt *t, size_t size)
{
	unsigned int i, d;
	int err;

	for (i = 0; i < ARRAY_SIZE(gdt_offsets); i++) {
		for (d = 0; d < ARRAY_SIZE(directions); d++) {
			err = one_buffer(t, buffer_at(t, gdt_offsets[i]), size,
					 directions[d]);
			if (err)
				return err;
		}
	}
	cond_resched();
	return 0;
}

/* Whatever the stride is, no edge of a class of slots is left out. */
static size_t next_size(size_t size)
{
	static const size_t edges[] = {
		SZ_512, SZ_512 + 1, SZ_2K, SZ_2K + 1, PAGE_SIZE,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(edges); i++)
		if (size < edges[i] && edges[i] < size + gdt_stride)
			return edges[i];
	return size + gdt_stride;
}

static int sizes_up_to_a_page(struct gdt *t)
{
	size_t size;
	int err;

	for (size = 1; size <= PAGE_SIZE; size = next_size(size)) {
		err = one_size(t, size);
		if (err)
			return err;
	}
	return 0;
}

static int sizes_up_to_the_maximum(struct gdt *t)
{
	size_t size;
	int err, d;

	if (t->max < PAGE_SIZE)
		return gdt_fail("largest mapping is %zu bytes", t->max);
	for (size = PAGE_SIZE; size <= t->max; size += PAGE_SIZE) {
		/* Every page count up to 64 KiB, then the powers of two. */
		if (size > SZ_64K && !is_power_of_2(size))
			continue;
		for (d = -1; d <= 1; d++) {
			if (size + d > t->max)
				continue;
			err = one_size(t, size + d);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Pages whose offset is larger than a page, as some callers give it. */
static int page_and_offset(struct gdt *t)
{
	const size_t offset = 2 * PAGE_SIZE + 100, size = 300;
	u8 *buf = t->arena + offset;
	dma_addr_t addr;

	gdt_fill(t, buf, GDT_OLD, 0, size);
	addr = dma_map_page(t->dev, virt_to_page(t->arena), offset, size,
			    DMA_BIDIRECTIONAL);
	if (dma_mapping_error(t->dev, addr))
		return gdt_fail("mapping a page with an offset of %zu", offset);
	gdt_fill(t, buf, GDT_LOST, 0, size);
	dma_unmap_page(t->dev, addr, size, DMA_BIDIRECTIONAL);
	return gdt_check_kept(t, buf, size, 0, 0, 0, DMA_BIDIRECTIONAL);
}

/* Random writes and syncs of parts, against a model of the device's memory. */
static int sync_steps(struct gdt *t, u8 *buf, dma_addr_t addr, u8 *device,
		      size_t size)
{
	size_t at, n;
	u32 rnd, i;

	for (i = 0; i < SYNCS / gdt_stride; i++) {
		rnd = get_random_u32();
		at = (rnd >> 8) % size;
		n = 1 + get_random_u32() % (size - at);
		switch (rnd % 3) {
		case 0:
			gdt_fill(t, buf + at, i & 1 ? GDT_NEW : GDT_LOST,
				 rnd % GDT_SEEDS, n);
			break;
		case 1:
			dma_sync_single_range_for_device(t->dev, addr, at, n,
							 DMA_BIDIRECTIONAL);
			memcpy(device + at, buf + at, n);
			break;
		case 2:
			dma_sync_single_range_for_cpu(t->dev, addr, at, n,
						      DMA_BIDIRECTIONAL);
			if (!memcmp(device + at, buf + at, n))
				break;
			return gdt_fail("step %u: synced bytes %zu to %zu of %zu are not the device's",
					i, at, at + n, size);
		}
	}
	return 0;
}

static int sync_ranges(struct gdt *t)
{
	const size_t size = min_t(size_t, t->max, 3 * PAGE_SIZE + 100);
	u8 *buf = buffer_at(t, 64), *device = vmalloc(size);
	dma_addr_t addr;
	int err;

	if (!device)
		return gdt_fail("no memory");
	put_guard(t, buf, size);
	gdt_fill(t, buf, GDT_OLD, 0, size);
	memcpy(device, buf, size);
	err = map(t, buf, size, DMA_BIDIRECTIONAL, &addr);
	if (err)
		goto out_free;
	err = sync_steps(t, buf, addr, device, size);
	dma_unmap_single(t->dev, addr, size, DMA_BIDIRECTIONAL);
	if (!err && memcmp(device, buf, size))
		err = gdt_fail("at the end the buffer is not what the device had");
	err = err ?: check_guard(t, buf, size);
out_free:
	vfree(device);
	return err;
}

/* Syncs copy in the direction of the mapping only. */
static int sync_directions(struct gdt *t)
{
	const size_t size = 1000;
	u8 *buf = buffer_at(t, 64);
	dma_addr_t addr;
	int err;

	gdt_fill(t, buf, GDT_OLD, 0, size);
	err = map(t, buf, size, DMA_TO_DEVICE, &addr);
	if (err)
		return err;
	gdt_fill(t, buf, GDT_LOST, 0, size);
	dma_sync_single_for_cpu(t->dev, addr, size, DMA_TO_DEVICE);
	if (!gdt_is(t, buf, GDT_LOST, 0, size))
		err = gdt_fail("a sync changed a buffer that the device only reads");
	dma_unmap_single(t->dev, addr, size, DMA_TO_DEVICE);
	if (err)
		return err;

	gdt_fill(t, buf, GDT_OLD, 0, size);
	err = map(t, buf, size, DMA_FROM_DEVICE, &addr);
	if (err)
		return err;
	gdt_fill(t, buf, GDT_LOST, 0, size);
	dma_sync_single_for_device(t->dev, addr, size, DMA_FROM_DEVICE);
	dma_unmap_single(t->dev, addr, size, DMA_FROM_DEVICE);
	if (gdt_is(t, buf, GDT_LOST, 0, size))
		return gdt_fail("a sync gave the device a buffer that it only writes");
	return gdt_check_kept(t, buf, size, 0, 0, 0, DMA_FROM_DEVICE);
}

static int attributes(struct gdt *t)
{
	const unsigned long harmless = DMA_ATTR_NO_WARN |
				       DMA_ATTR_WEAK_ORDERING;
	const size_t size = 700;
	u8 *buf = buffer_at(t, 7);
	dma_addr_t addr;
	int err;

	/* Without the copy at the end the CPU's bytes stay. */
	gdt_fill(t, buf, GDT_OLD, 0, size);
	addr = dma_map_single_attrs(t->dev, buf, size, DMA_BIDIRECTIONAL,
				    harmless);
	if (dma_mapping_error(t->dev, addr))
		return gdt_fail("mapping with attributes %#lx", harmless);
	gdt_fill(t, buf, GDT_LOST, 0, size);
	dma_unmap_single_attrs(t->dev, addr, size, DMA_BIDIRECTIONAL,
			       harmless | DMA_ATTR_SKIP_CPU_SYNC);
	if (!gdt_is(t, buf, GDT_LOST, 0, size))
		return gdt_fail("SKIP_CPU_SYNC at the end copies");

	/* Without the copy at the beginning, a sync later makes up for it. */
	addr = dma_map_single_attrs(t->dev, buf, size, DMA_BIDIRECTIONAL,
				    DMA_ATTR_SKIP_CPU_SYNC);
	if (dma_mapping_error(t->dev, addr))
		return gdt_fail("mapping with SKIP_CPU_SYNC");
	gdt_fill(t, buf, GDT_NEW, 0, size);
	dma_sync_single_for_device(t->dev, addr, size, DMA_BIDIRECTIONAL);
	gdt_fill(t, buf, GDT_LOST, 0, size);
	dma_unmap_single(t->dev, addr, size, DMA_BIDIRECTIONAL);
	err = gdt_check_kept(t, buf, size, 0, 0, size, DMA_BIDIRECTIONAL);
	if (err)
		return err;

	/* What the device does not write is the buffer's, not what was there. */
	gdt_fill(t, buf, GDT_OLD, 0, size);
	addr = dma_map_single_attrs(t->dev, buf, size, DMA_FROM_DEVICE,
				    DMA_ATTR_SKIP_CPU_SYNC);
	if (dma_mapping_error(t->dev, addr))
		return gdt_fail("mapping for the device to write with SKIP_CPU_SYNC");
	gdt_fill(t, buf, GDT_LOST, 0, size);
	dma_unmap_single(t->dev, addr, size, DMA_FROM_DEVICE);
	return gdt_check_kept(t, buf, size, 0, 0, 0, DMA_FROM_DEVICE);
}

/* A list of pieces of many sizes and offsets, none beside another. */
static size_t make_list(struct gdt *t, struct scatterlist *sgl)
{
	size_t at = 0, size, total = 0;
	unsigned int i;

	sg_init_table(sgl, SG_ENTRIES);
	for (i = 0; i < SG_ENTRIES; i++) {
		at = ALIGN(at, PAGE_SIZE) + gdt_offsets[i % GDT_OFFSETS];
		size = min_t(size_t, 1 + i * 999, t->max - 1);
		sg_set_buf(&sgl[i], t->arena + at, size);
		at += size;
		total += size;
	}
	return total;
}

static void fill_list(struct gdt *t, struct scatterlist *sgl,
		      enum gdt_pattern which)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(sgl, sg, SG_ENTRIES, i)
		gdt_fill(t, sg_virt(sg), which, i, sg->length);
}

static int check_list(struct gdt *t, struct scatterlist *sgl,
		      enum gdt_pattern which)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(sgl, sg, SG_ENTRIES, i)
		if (!gdt_is(t, sg_virt(sg), which, i, sg->length))
			return gdt_fail("entry %u of the list, %u bytes at %u in a page, is not what it should be",
					i, sg->length, sg->offset);
	return 0;
}

static int scatter_lists(struct gdt *t)
{
	const enum dma_data_direction dir = DMA_BIDIRECTIONAL;
	struct scatterlist *sgl;
	int n, err = 0;

	sgl = kcalloc(SG_ENTRIES, sizeof(*sgl), GFP_KERNEL);
	if (!sgl)
		return gdt_fail("no memory");
	make_list(t, sgl);
	fill_list(t, sgl, GDT_OLD);
	n = dma_map_sg(t->dev, sgl, SG_ENTRIES, dir);
	if (n != SG_ENTRIES) {
		err = gdt_fail("mapping %u entries made %d", SG_ENTRIES, n);
		goto out_free;
	}

	fill_list(t, sgl, GDT_NEW);
	dma_sync_sg_for_device(t->dev, sgl, SG_ENTRIES, dir);
	fill_list(t, sgl, GDT_LOST);
	/* Whether the device has a copy or not, no entry is a whole page. */
	dma_sync_sg_for_cpu(t->dev, sgl, SG_ENTRIES, dir);
	err = check_list(t, sgl, GDT_NEW);
	fill_list(t, sgl, GDT_LOST);
	dma_unmap_sg(t->dev, sgl, SG_ENTRIES, dir);
	err = err ?: check_list(t, sgl, GDT_NEW);
out_free:
	kfree(sgl);
	return err;
}

static int larger_than_allowed(struct gdt *t)
{
	const size_t size = GDT_MAX_SIZE;
	u8 *buf = buffer_at(t, 64);
	dma_addr_t addr;

	if (t->max == size)
		return GDT_SKIP;
	addr = dma_map_single(t->dev, buf, size, DMA_TO_DEVICE);
	if (dma_mapping_error(t->dev, addr))
		return 0;
	dma_unmap_single(t->dev, addr, size, DMA_TO_DEVICE);
	return gdt_fail("%zu bytes were mapped, the largest is %zu", size,
			t->max);
}

/* The log has a line for each of these; nothing else may come of them. */
static int nonsense_is_refused(struct gdt *t)
{
	const enum dma_data_direction dir = DMA_BIDIRECTIONAL;
	const size_t size = 1000;
	u8 *buf = buffer_at(t, 0), *other = buffer_at(t, 2048);
	dma_addr_t addr, second;
	int err;

	if (IS_ENABLED(CONFIG_DMA_API_DEBUG)) {
		gdt_say("DMA_API_DEBUG would say more than this module");
		return GDT_SKIP;
	}
	gdt_fill(t, buf, GDT_OLD, 0, size);
	err = map(t, buf, size, dir, &addr);
	if (err)
		return err;
	gdt_fill(t, buf, GDT_LOST, 0, size);
	/* Not all of it, more than it, not from its beginning. */
	dma_unmap_single(t->dev, addr, size - 1, dir);
	dma_unmap_single(t->dev, addr, size + 1, dir);
	dma_unmap_single(t->dev, addr + 512, size - 512, dir);
	/* What no grant is, and what is none of ours. */
	dma_unmap_single(t->dev, 0x1000, size, dir);
	dma_unmap_single(t->dev, BIT_ULL(63) | 0x3000, size, dir);
	dma_sync_single_for_cpu(t->dev, addr, size + 1, dir);
	dma_sync_single_for_device(t->dev, addr - 1, size, dir);
	if (!gdt_is(t, buf, GDT_LOST, 0, size))
		return gdt_fail("a refused call changed the buffer");

	/* It is still mapped: nobody else gets its place. */
	err = map(t, other, size, dir, &second);
	if (err)
		return err;
	if (second == addr)
		err = gdt_fail("what is mapped was handed out again");
	dma_unmap_single(t->dev, addr, size, dir);
	err = err ?: gdt_check_kept(t, buf, size, 0, 0, 0, dir);
	/* Twice: it must not be there for two others then. */
	dma_unmap_single(t->dev, addr, size, dir);
	dma_unmap_single(t->dev, second, size, dir);
	return err;
}

const struct gdt_case gdt_dma_cases[] = {
	{ "sizes_up_to_a_page", sizes_up_to_a_page },
	{ "sizes_up_to_the_maximum", sizes_up_to_the_maximum },
	{ "page_and_offset", page_and_offset },
	{ "sync_ranges", sync_ranges },
	{ "sync_directions", sync_directions },
	{ "attributes", attributes },
	{ "scatter_lists", scatter_lists },
	{ "larger_than_allowed", larger_than_allowed },
	{ "nonsense_is_refused", nonsense_is_refused },
	{ }
};
