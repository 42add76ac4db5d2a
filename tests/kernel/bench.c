// SPDX-License-Identifier: GPL-2.0-only
/*
 * what mapping costs: pairs of map and unmap, on 1, 2 and 4 CPUs
 *
 *	dma	dma_map_single() and dma_unmap_single() of the device, as it was
 *		attached, for the device to read; with the copy, if it makes one
 *	place	the same without the copy (DMA_ATTR_SKIP_CPU_SYNC): the allocator
 *	seq	what the kernel's own grant-dma-ops do for each mapping: consecutive
 *		references from the one list of the guest, grants, their end
 *
 * Each thread has one CPU, maps a batch of 32 buffers, unmaps them, and again; with
 * bench_sweep there are batches of 1 to 256 buffers of 64 bytes to 1 MiB, no more
 * than 4 MiB together and not larger than the device takes.  "holes" says
 * that 600 mappings of 512 bytes and 600 of a page were made before, and every
 * second one ended (seq: 8192 references taken, every second one given back).
 * One line for each measurement; map_ns and unmap_ns are the parts of some of the
 * pairs, "timed":
 *
 *	# bench seq size=4096 holes=0 cpus=1 pairs=123456 ns=100000000
 *		timed=1920 map_ns=600000 unmap_ns=390000 batch=32
 */

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <xen/grant_table.h>
#include <xen/page.h>
#include <xen/xenbus.h>

#include "test.h"

#define BATCH		32
#define BATCH_MAX	256
#define MEMORY_MAX	SZ_4M	/* of a batch's buffers, in one piece */
#define CPUS_MAX	4
#define SEQ_HOLES	8192	/* references, every second one free */
#define DMA_HOLES	600	/* mappings of each size, every second one free */
#define TIMED		64	/* one of so many batches */
#define GROW_TRIES	1000	/* of a millisecond or two */

static unsigned int bench_ms = 1000;
module_param(bench_ms, uint, 0444);
MODULE_PARM_DESC(bench_ms, "milliseconds of each measurement");

static char *bench_what = "";
module_param(bench_what, charp, 0444);
MODULE_PARM_DESC(bench_what, "only this: dma, place or seq (default: all)");

static unsigned int bench_size;
module_param(bench_size, uint, 0444);
MODULE_PARM_DESC(bench_size, "only this size in bytes (0: all)");

static unsigned int bench_cpus;
module_param(bench_cpus, uint, 0444);
MODULE_PARM_DESC(bench_cpus, "only with this number of CPUs (0: all)");

static bool bench_sweep;
module_param(bench_sweep, bool, 0444);
MODULE_PARM_DESC(bench_sweep, "many sizes and batches, without holes");

struct bench;

struct thread {
	struct bench *b;
	struct task_struct *task;
	struct completion done;
	u8 *memory;
	dma_addr_t addr[BATCH_MAX];
	grant_ref_t ref[BATCH_MAX];
	unsigned long pairs;
	unsigned long timed;
	s64 map_ns;
	s64 unmap_ns;
	int err;
};

struct bench {
	struct gdt *t;
	size_t size;
	unsigned int nr;	/* buffers of a batch */
	unsigned long attrs;
	domid_t domid;
	s64 clock;	/* what reading it costs */
	int (*batch)(struct thread *th);
	atomic_t ready;
	bool go;
	bool stop;
	struct thread threads[CPUS_MAX];
};

/*
 * Xen may emulate the clock of a PV guest, which costs as much as five pairs:
 * few batches are timed, and without what that costs.
 */
static ktime_t stamp(const struct thread *th)
{
	return th->pairs / th->b->nr % TIMED ? 0 : ktime_get();
}

static void account(struct thread *th, ktime_t start, ktime_t mapped)
{
	ktime_t end = stamp(th);

	if (!end)
		return;
	th->timed += th->b->nr;
	th->map_ns += ktime_to_ns(ktime_sub(mapped, start)) - th->b->clock;
	th->unmap_ns += ktime_to_ns(ktime_sub(end, mapped)) - th->b->clock;
}

static s64 clock_cost(void)
{
	s64 cost = S64_MAX;
	ktime_t start;
	int i;

	for (i = 0; i < 16; i++) {
		start = ktime_get();
		cost = min(cost, ktime_to_ns(ktime_sub(ktime_get(), start)));
	}
	return cost;
}

static int dma_batch(struct thread *th)
{
	struct bench *b = th->b;
	ktime_t start = stamp(th), mapped;
	unsigned int i, n;
	int err = 0;

	for (n = 0; n < b->nr; n++) {
		th->addr[n] = dma_map_single_attrs(b->t->dev,
						   th->memory + n * b->size,
						   b->size, DMA_TO_DEVICE,
						   b->attrs);
		if (dma_mapping_error(b->t->dev, th->addr[n])) {
			err = -ENOSPC;
			break;
		}
	}
	mapped = stamp(th);
	for (i = 0; i < n; i++)
		dma_unmap_single_attrs(b->t->dev, th->addr[i], b->size,
				       DMA_TO_DEVICE, b->attrs);
	account(th, start, mapped);
	return err;
}

static int seq_map(struct bench *b, void *buf, grant_ref_t *ref)
{
	unsigned int pages = DIV_ROUND_UP(b->size, XEN_PAGE_SIZE), i;
	int err = gnttab_alloc_grant_reference_seq(pages, ref);
	struct page *page = virt_to_page(buf);

	for (i = 0; i < pages && !err; i++)
		gnttab_grant_foreign_access_ref(*ref + i, b->domid,
						xen_page_to_gfn(page + i), 1);
	return err;
}

static int seq_unmap(struct bench *b, grant_ref_t ref)
{
	unsigned int pages = DIV_ROUND_UP(b->size, XEN_PAGE_SIZE), i;

	/* Nobody was told of them, so nobody maps them. */
	for (i = 0; i < pages; i++)
		if (!gnttab_end_foreign_access_ref(ref + i))
			return -EBUSY;
	gnttab_free_grant_reference_seq(ref, pages);
	return 0;
}

static int seq_batch(struct thread *th)
{
	struct bench *b = th->b;
	ktime_t start = stamp(th), mapped;
	unsigned int i, n;
	int err = 0;

	for (n = 0; n < b->nr && !err; n++)
		err = seq_map(b, th->memory + n * PAGE_ALIGN(b->size),
			      &th->ref[n]);
	if (err)
		n--;
	mapped = stamp(th);
	for (i = 0; i < n; i++)
		err = seq_unmap(b, th->ref[i]) ?: err;
	account(th, start, mapped);
	return err;
}

/* The window may have to grow first, as in holes_map(). */
static int warm_up(struct thread *th)
{
	unsigned int tries;
	int err = 0;

	for (tries = 0; tries < GROW_TRIES; tries++) {
		err = th->b->batch(th);
		if (!err)
			break;
		usleep_range(1000, 2000);
	}
	return err;
}

static int thread_main(void *data)
{
	struct thread *th = data;
	struct bench *b = th->b;

	th->err = warm_up(th);
	th->timed = 0;
	th->map_ns = 0;
	th->unmap_ns = 0;
	atomic_inc(&b->ready);
	while (!READ_ONCE(b->go))
		cond_resched();
	while (!READ_ONCE(b->stop) && !th->err) {
		th->err = b->batch(th);
		th->pairs += b->nr;
		cond_resched();
	}
	complete(&th->done);
	return 0;
}

static int thread_start(struct bench *b, unsigned int cpu)
{
	struct thread *th = &b->threads[cpu];

	th->b = b;
	init_completion(&th->done);
	th->memory = alloc_pages_exact(b->nr * PAGE_ALIGN(b->size),
				       GFP_KERNEL | __GFP_ZERO);
	if (!th->memory)
		return gdt_fail("no memory");
	th->task = kthread_create(thread_main, th, "gdt/%u", cpu);
	if (IS_ERR(th->task)) {
		th->task = NULL;
		return gdt_fail("no thread");
	}
	kthread_bind(th->task, cpu);
	wake_up_process(th->task);
	return 0;
}

/* All threads begin together; what they did until they were told to stop. */
static int measure(struct bench *b, const char *name, bool holes,
		   unsigned int cpus)
{
	s64 ns = 0, map_ns = 0, unmap_ns = 0;
	unsigned long pairs = 0, timed = 0;
	unsigned int cpu;
	ktime_t start;
	int err = 0;

	memset(b->threads, 0, sizeof(b->threads));
	b->clock = clock_cost();
	b->go = false;
	b->stop = false;
	atomic_set(&b->ready, 0);
	for (cpu = 0; cpu < cpus && !err; cpu++)
		err = thread_start(b, cpu);
	while (!err && atomic_read(&b->ready) < cpus)
		usleep_range(100, 200);
	start = ktime_get();
	WRITE_ONCE(b->stop, !!err);
	WRITE_ONCE(b->go, true);
	if (!err)
		msleep(bench_ms);
	WRITE_ONCE(b->stop, true);
	ns = ktime_to_ns(ktime_sub(ktime_get(), start));
	for (cpu = 0; cpu < cpus; cpu++) {
		struct thread *th = &b->threads[cpu];

		if (th->task)
			wait_for_completion(&th->done);
		if (th->memory)
			free_pages_exact(th->memory,
					 b->nr * PAGE_ALIGN(b->size));
		pairs += th->pairs;
		timed += th->timed;
		map_ns += th->map_ns;
		unmap_ns += th->unmap_ns;
		err = err ?: th->err;
	}
	if (err)
		return gdt_fail("%s, %zu bytes, %u CPUs: %d", name, b->size,
				cpus, err);
	gdt_say("bench %s size=%zu holes=%d cpus=%u pairs=%lu ns=%lld timed=%lu map_ns=%lld unmap_ns=%lld batch=%u",
		name, b->size, holes, cpus, pairs, ns, timed, map_ns, unmap_ns,
		b->nr);
	return 0;
}

static bool wanted_cpus(unsigned int cpus)
{
	return cpus <= num_online_cpus() &&
	       (!bench_cpus || cpus == bench_cpus);
}

/* Consecutive references do not care what the device takes. */
static int sweep(struct bench *b, const char *name)
{
	static const size_t sizes[] = { 64, 512, SZ_4K, SZ_16K, SZ_32K, SZ_64K,
					SZ_256K, SZ_1M };
	size_t max = b->batch == seq_batch ? SZ_1M : b->t->max;
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(sizes) && !err; i++) {
		b->size = sizes[i];
		if (b->size > max)
			break;
		for (b->nr = 1; b->nr <= BATCH_MAX && !err; b->nr *= 4)
			if (b->nr * PAGE_ALIGN(b->size) <= MEMORY_MAX)
				err = measure(b, name, false, 1);
	}
	return err;
}

static int measure_all(struct gdt *t, const char *name, bool holes,
		       int (*batch)(struct thread *th), unsigned long attrs)
{
	static const size_t sizes[] = { 512, SZ_4K, SZ_32K };
	struct xenbus_device *xdev = to_xenbus_device(t->dev);
	unsigned int cpus, i;
	struct bench *b;
	int err = 0;

	if ((*bench_what && strcmp(bench_what, name)) || (bench_sweep && holes))
		return GDT_SKIP;
	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return gdt_fail("no memory");
	b->t = t;
	b->nr = BATCH;
	b->batch = batch;
	b->attrs = attrs;
	b->domid = xdev->otherend_id;
	if (bench_sweep)
		err = sweep(b, name);
	for (i = 0; i < ARRAY_SIZE(sizes) && !err && !bench_sweep; i++) {
		b->size = min(sizes[i], t->max);
		if (bench_size && b->size != bench_size)
			continue;
		for (cpus = 1; cpus <= CPUS_MAX && !err; cpus *= 2)
			if (wanted_cpus(cpus))
				err = measure(b, name, holes, cpus);
	}
	kfree(b);
	return err;
}

static int bench_dma(struct gdt *t)
{
	return measure_all(t, "dma", false, dma_batch, 0);
}

static int bench_place(struct gdt *t)
{
	return measure_all(t, "place", false, dma_batch,
			   DMA_ATTR_SKIP_CPU_SYNC);
}

static int bench_seq(struct gdt *t)
{
	return measure_all(t, "seq", false, seq_batch, 0);
}

/* Mappings of one size, and every second of them ended. */
struct holes {
	size_t size;
	unsigned int n;
	dma_addr_t addr[DMA_HOLES];
};

/*
 * A window that is full grows while nobody waits for it, and tells nobody: as
 * every driver, try again.
 */
static int holes_map(struct gdt *t, dma_addr_t *addr, size_t size)
{
	unsigned int tries;

	for (tries = 0; tries < GROW_TRIES; tries++) {
		*addr = dma_map_single(t->dev, t->arena, size, DMA_TO_DEVICE);
		if (!dma_mapping_error(t->dev, *addr))
			return 0;
		usleep_range(1000, 2000);
	}
	return -ENOSPC;
}

static int holes_make(struct gdt *t, struct holes *h, size_t size)
{
	unsigned int i;

	h->size = size;
	for (h->n = 0; h->n < DMA_HOLES; h->n++)
		if (holes_map(t, &h->addr[h->n], size))
			break;
	for (i = 0; i < h->n; i += 2)
		dma_unmap_single(t->dev, h->addr[i], size, DMA_TO_DEVICE);
	return h->n == DMA_HOLES ? 0 : gdt_fail("mapping %u buffers", h->n);
}

static void holes_end(struct gdt *t, struct holes *h)
{
	unsigned int i;

	for (i = 1; i < h->n; i += 2)
		dma_unmap_single(t->dev, h->addr[i], h->size, DMA_TO_DEVICE);
}

static int bench_place_holes(struct gdt *t)
{
	struct holes *h;
	int err;

	h = kvcalloc(2, sizeof(*h), GFP_KERNEL);
	if (!h)
		return gdt_fail("no memory");
	err = holes_make(t, &h[0], 512);
	err = err ?: holes_make(t, &h[1], PAGE_SIZE);
	err = err ?: measure_all(t, "place", true, dma_batch,
				 DMA_ATTR_SKIP_CPU_SYNC);
	holes_end(t, &h[0]);
	holes_end(t, &h[1]);
	kvfree(h);
	return err;
}

static int bench_seq_holes(struct gdt *t)
{
	grant_ref_t *ref;
	unsigned int i, n;
	int err = 0;

	ref = kvcalloc(SEQ_HOLES, sizeof(*ref), GFP_KERNEL);
	if (!ref)
		return gdt_fail("no memory");
	for (n = 0; n < SEQ_HOLES; n++)
		if (gnttab_alloc_grant_reference_seq(1, &ref[n]))
			break;
	for (i = 0; i < n; i += 2)
		gnttab_free_grant_reference(ref[i]);
	if (n < SEQ_HOLES)
		err = gdt_fail("taking %u references", SEQ_HOLES);
	err = err ?: measure_all(t, "seq", true, seq_batch, 0);
	for (i = 1; i < n; i += 2)
		gnttab_free_grant_reference(ref[i]);
	kvfree(ref);
	return err;
}

const struct gdt_case gdt_bench_cases[] = {
	{ "bench_dma", bench_dma },
	{ "bench_place", bench_place },
	{ "bench_seq", bench_seq },
	{ "bench_place_holes", bench_place_holes },
	{ "bench_seq_holes", bench_seq_holes },
	{ }
};
