// SPDX-License-Identifier: GPL-2.0-only
/*
 * canaries for a scan of all that the backend may reach
 *
 * Four words are written into the guest's memory, each many times:
 *
 *	mapped	into buffers that are mapped when the scan looks: it must find
 *		this one, or it has not looked
 *	beside	around those buffers, in their pages and slabs
 *	freed	into pages that were freed, some of them after they were mapped,
 *		before the window takes pages to grow to its limit
 *	other	into buffers that were never mapped
 *
 * tests/gntscan/gntscan.c is the scan.  What is planted stays until the module
 * is unloaded.
 */

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "test.h"

static char *canary = "xvcanary";
module_param(canary, charp, 0444);
MODULE_PARM_DESC(canary, "first eight characters of the canaries");

#define WORD		16
#define SLAB_SIZE	192
#define NR_SLAB		64
#define NR_FREED	2000
#define NR_ONCE		64
#define NR_OTHER	64
#define NR_MAPPED	(NR_SLAB / 2 + 16)

static struct planted {
	void *slab[NR_SLAB];
	void *other[NR_OTHER];
	struct {
		dma_addr_t addr;
		size_t size;
	} mapped[NR_MAPPED];
	unsigned int nr_mapped;
} *planted;

/* Fill with the word, whose first byte is at the beginning. */
static void write_word(u8 *to, const char *kind, size_t size)
{
	char word[WORD + 1];
	size_t i;

	snprintf(word, sizeof(word), "%-8.8s%-8.8s", canary, kind);
	for (i = 0; i < size; i++)
		to[i] = word[i % WORD];
}

/* Map @size bytes at @buf, which are made to hold the word, until the end. */
static int plant_mapped(struct gdt *t, u8 *buf, size_t size)
{
	dma_addr_t addr;

	write_word(buf, "mapped", size);
	addr = dma_map_single(t->dev, buf, size, DMA_TO_DEVICE);
	if (dma_mapping_error(t->dev, addr))
		return gdt_fail("mapping %zu bytes", size);
	planted->mapped[planted->nr_mapped].addr = addr;
	planted->mapped[planted->nr_mapped].size = size;
	planted->nr_mapped++;
	return 0;
}

/* Pages that were mapped, then freed with something new in them. */
static int plant_once_mapped(struct gdt *t)
{
	const size_t size = min_t(size_t, t->max, 4 * PAGE_SIZE);
	dma_addr_t addr;
	unsigned int i;
	void *buf;

	for (i = 0; i < NR_ONCE; i++) {
		buf = alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);
		if (!buf)
			return gdt_fail("no memory");
		addr = dma_map_single(t->dev, buf, size, DMA_TO_DEVICE);
		if (!dma_mapping_error(t->dev, addr))
			dma_unmap_single(t->dev, addr, size, DMA_TO_DEVICE);
		write_word(buf, "freed", size);
		free_pages_exact(buf, size);
	}
	return 0;
}

static int plant_freed(void)
{
	unsigned long *pages;
	unsigned int i, n;

	pages = kvcalloc(NR_FREED, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return gdt_fail("no memory");
	for (n = 0; n < NR_FREED; n++) {
		pages[n] = __get_free_page(GFP_KERNEL);
		if (!pages[n])
			break;
		write_word((u8 *)pages[n], "freed", PAGE_SIZE);
	}
	for (i = 0; i < n; i++)
		free_page(pages[i]);
	kvfree(pages);
	return n == NR_FREED ? 0 : gdt_fail("no memory");
}

static int plant_other(void)
{
	unsigned int i;

	for (i = 0; i < NR_OTHER; i++) {
		planted->other[i] = kmalloc(i & 1 ? PAGE_SIZE : SLAB_SIZE,
					    GFP_KERNEL);
		if (!planted->other[i])
			return gdt_fail("no memory");
		write_word(planted->other[i], "other",
			   i & 1 ? PAGE_SIZE : SLAB_SIZE);
	}
	return 0;
}

/* Every second object of a slab. */
static int plant_slab(struct gdt *t)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < NR_SLAB; i++) {
		planted->slab[i] = kmalloc(SLAB_SIZE, GFP_KERNEL);
		if (!planted->slab[i])
			return gdt_fail("no memory");
		write_word(planted->slab[i], "beside", SLAB_SIZE);
	}
	for (i = 0; i < NR_SLAB && !err; i += 2)
		err = plant_mapped(t, planted->slab[i], SLAB_SIZE);
	return err;
}

/* Parts of pages, pages that share no page with another, and larger ones. */
static int plant_pages(struct gdt *t)
{
	u8 *at = t->arena + PAGE_SIZE;
	int err;

	write_word(t->arena, "beside", GDT_ARENA_SIZE);
	err = plant_mapped(t, at + 512, 1000);
	err = err ?: plant_mapped(t, at + 2048, 512);
	err = err ?: plant_mapped(t, at + 3 * PAGE_SIZE + 2048, PAGE_SIZE);
	err = err ?: plant_mapped(t, at + 6 * PAGE_SIZE, PAGE_SIZE - 1);
	err = err ?: plant_mapped(t, at + 8 * PAGE_SIZE, PAGE_SIZE);
	err = err ?: plant_mapped(t, at + 10 * PAGE_SIZE, 4 * PAGE_SIZE);
	err = err ?: plant_mapped(t, at + 20 * PAGE_SIZE + 1, t->max - 1);
	return err ?: plant_mapped(t, at + 128 * PAGE_SIZE, t->max);
}

static int plant(struct gdt *t)
{
	int err;

	if (planted)
		return gdt_fail("it is planted already");
	planted = kzalloc(sizeof(*planted), GFP_KERNEL);
	if (!planted)
		return gdt_fail("no memory");
	err = plant_once_mapped(t);
	err = err ?: plant_freed();
	/* The window grows, and takes what was freed. */
	err = err ?: gdt_exhaust(t);
	err = err ?: plant_other();
	err = err ?: plant_slab(t);
	return err ?: plant_pages(t);
}

void gdt_unplant(struct gdt *t)
{
	unsigned int i;

	if (!planted)
		return;
	for (i = 0; i < planted->nr_mapped; i++)
		dma_unmap_single(t->dev, planted->mapped[i].addr,
				 planted->mapped[i].size, DMA_TO_DEVICE);
	for (i = 0; i < NR_SLAB; i++)
		kfree(planted->slab[i]);
	for (i = 0; i < NR_OTHER; i++)
		kfree(planted->other[i]);
	kfree(planted);
	planted = NULL;
}

const struct gdt_case gdt_plant_cases[] = {
	{ "plant", plant },
	{ }
};
