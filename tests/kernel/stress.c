// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapping on all CPUs, in interrupts, and until nothing is left
 *
 * A place that two mappings have at the same time shows as a buffer that gets
 * the bytes of another: each buffer has a pattern of its own, all are mapped
 * before any of them is unmapped, and each copy comes back when that happens.
 */

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include "test.h"

#define HELD		8	/* buffers that a thread has mapped at a time */
#define ROUNDS		3000	/* of a thread */
#define POKE_SIZE	4000

/* No multiple of a page: these are never granted as they are. */
#define FILL_SIZE	4000

/* How long a window may take to grow to its limit. */
#define GROW_TIMEOUT	(30 * HZ)

/* A thread on one CPU and its buffers. */
struct worker {
	struct gdt *t;
	struct task_struct *task;
	struct completion done;
	unsigned int index;
	unsigned int next_cpu;
	u32 random;
	u8 *memory;
	size_t room;
	u8 *poke;
	atomic_t pokes;
	int err;
};

struct held {
	u8 *buf;
	size_t size;
	unsigned int seed;
	dma_addr_t addr;
};

static u32 next_random(struct worker *w)
{
	/* Any full period does; the seed differs between threads. */
	w->random = w->random * 1664525 + 1013904223;
	return w->random >> 8;
}

/* One buffer with the bytes of its seed, which may be another's next time. */
static int held_map(struct worker *w, struct held *h, unsigned int i)
{
	static const size_t sizes[] = { 16, 512, 700, 2048, 4000, 4096, 9000 };
	size_t size = sizes[next_random(w) % ARRAY_SIZE(sizes)];

	h->size = min(size, w->t->max);
	h->seed = next_random(w) % GDT_SEEDS;
	h->buf = w->memory + i * w->room + next_random(w) % 8 * 64;
	gdt_fill(w->t, h->buf, GDT_OLD, h->seed, h->size);
	h->addr = dma_map_single(w->t->dev, h->buf, h->size,
				 DMA_BIDIRECTIONAL);
	if (dma_mapping_error(w->t->dev, h->addr))
		return gdt_fail("thread %u: mapping %zu bytes", w->index,
				h->size);
	gdt_fill(w->t, h->buf, GDT_LOST, h->seed, h->size);
	return 0;
}

static int held_unmap(struct worker *w, struct held *h)
{
	dma_unmap_single(w->t->dev, h->addr, h->size, DMA_BIDIRECTIONAL);
	return gdt_check_kept(w->t, h->buf, h->size, h->seed, 0, 0,
			      DMA_BIDIRECTIONAL);
}

/* On another CPU, between two instructions of whatever it does there. */
static void poke(void *data)
{
	struct worker *w = data;
	dma_addr_t addr;

	gdt_fill(w->t, w->poke, GDT_OLD, w->index, POKE_SIZE);
	addr = dma_map_single(w->t->dev, w->poke, POKE_SIZE,
			      DMA_BIDIRECTIONAL);
	if (dma_mapping_error(w->t->dev, addr)) {
		w->err = gdt_fail("interrupt: mapping %u bytes", POKE_SIZE);
		return;
	}
	gdt_fill(w->t, w->poke, GDT_LOST, w->index, POKE_SIZE);
	dma_unmap_single(w->t->dev, addr, POKE_SIZE, DMA_BIDIRECTIONAL);
	if (!gdt_is(w->t, w->poke, GDT_OLD, w->index, POKE_SIZE))
		w->err = gdt_fail("interrupt: another buffer's bytes");
	atomic_inc(&w->pokes);
}

static int worker_round(struct worker *w, struct held *held)
{
	unsigned int i, at, mapped, turn;
	int err = 0, failed;

	for (mapped = 0; mapped < HELD && !err; mapped++)
		err = held_map(w, &held[mapped], mapped);
	if (err)
		mapped--;
	/* It waits for the one before, not for this one. */
	smp_call_function_single(w->next_cpu, poke, w, 0);
	at = next_random(w);
	for (i = 0; i < mapped; i++) {
		turn = mapped == HELD ? (at + i * 3) % HELD : i;
		failed = held_unmap(w, &held[turn]);
		err = err ?: failed;
	}
	return err ?: w->err;
}

static int worker_main(void *data)
{
	struct worker *w = data;
	struct held held[HELD];
	unsigned int i;
	int err = 0;

	for (i = 0; i < ROUNDS / gdt_stride && !err; i++) {
		err = worker_round(w, held);
		cond_resched();
	}
	/* Waits until the last poke is over, too. */
	smp_call_function_single(w->next_cpu, poke, w, 1);
	w->err = err ?: w->err;
	complete(&w->done);
	return 0;
}

static int worker_start(struct worker *w, struct gdt *t, unsigned int cpu)
{
	w->t = t;
	w->index = cpu;
	w->random = get_random_u32();
	w->room = t->max > SZ_8K ? SZ_16K : SZ_8K;
	w->next_cpu = cpumask_next(cpu, cpu_online_mask);
	if (w->next_cpu >= nr_cpu_ids)
		w->next_cpu = cpumask_first(cpu_online_mask);
	init_completion(&w->done);
	w->memory = alloc_pages_exact(HELD * w->room, GFP_KERNEL);
	w->poke = kmalloc(POKE_SIZE, GFP_KERNEL);
	if (!w->memory || !w->poke)
		return gdt_fail("no memory");
	w->task = kthread_create(worker_main, w, "gdt/%u", cpu);
	if (IS_ERR(w->task)) {
		w->task = NULL;
		return gdt_fail("no thread");
	}
	kthread_bind(w->task, cpu);
	return 0;
}

static void worker_free(struct worker *w)
{
	if (w->memory)
		free_pages_exact(w->memory, HELD * w->room);
	kfree(w->poke);
}

static int all_cpus_at_once(struct gdt *t)
{
	struct worker *workers;
	unsigned int cpu, pokes = 0;
	int err = 0;

	workers = kcalloc(nr_cpu_ids, sizeof(*workers), GFP_KERNEL);
	if (!workers)
		return gdt_fail("no memory");
	for_each_online_cpu(cpu)
		err = err ?: worker_start(&workers[cpu], t, cpu);
	for_each_online_cpu(cpu) {
		if (!workers[cpu].task)
			continue;
		if (err)
			kthread_stop(workers[cpu].task);
		else
			wake_up_process(workers[cpu].task);
	}
	for_each_online_cpu(cpu) {
		if (!err)
			wait_for_completion(&workers[cpu].done);
	}
	for_each_online_cpu(cpu) {
		err = err ?: workers[cpu].err;
		pokes += atomic_read(&workers[cpu].pokes);
		worker_free(&workers[cpu]);
	}
	kfree(workers);
	gdt_say("%u CPUs, %u mappings by interrupts", num_online_cpus(), pokes);
	return err;
}

static int interrupts_off(struct gdt *t)
{
	static const size_t sizes[] = { 100, 512, 4000, 4096, 9000 };
	u8 *buf = t->arena + PAGE_SIZE;
	unsigned long flags;
	dma_addr_t addr;
	unsigned int i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(sizes) && !err; i++) {
		size_t size = min(sizes[i], t->max);

		gdt_fill(t, buf, GDT_OLD, i, size);
		local_irq_save(flags);
		addr = dma_map_single(t->dev, buf, size, DMA_BIDIRECTIONAL);
		if (!dma_mapping_error(t->dev, addr)) {
			gdt_fill(t, buf, GDT_LOST, i, size);
			dma_unmap_single(t->dev, addr, size,
					 DMA_BIDIRECTIONAL);
		}
		local_irq_restore(flags);
		if (dma_mapping_error(t->dev, addr))
			return gdt_fail("mapping %zu bytes", size);
		err = gdt_check_kept(t, buf, size, i, 0, 0, DMA_BIDIRECTIONAL);
	}
	return err;
}

/* All that can be mapped at a time. */
struct fill {
	size_t size;
	dma_addr_t *addr;
	unsigned int max;
	unsigned int n;
};

static int fill_alloc(struct fill *f, size_t size)
{
	f->size = size;
	f->n = 0;
	f->max = SZ_256M / size;
	f->addr = vmalloc(array_size(f->max, sizeof(*f->addr)));
	return f->addr ? 0 : gdt_fail("no memory");
}

/* Map until it fails. */
static void fill_now(struct gdt *t, struct fill *f)
{
	dma_addr_t addr;

	while (f->n < f->max) {
		addr = dma_map_single(t->dev, t->arena, f->size,
				      DMA_TO_DEVICE);
		if (dma_mapping_error(t->dev, addr))
			break;
		f->addr[f->n++] = addr;
	}
}

/* The same, until the window does not grow any more. */
static int fill_up(struct gdt *t, struct fill *f)
{
	unsigned long end = jiffies + GROW_TIMEOUT, still = jiffies + HZ;
	unsigned int before;

	do {
		before = f->n;
		fill_now(t, f);
		if (f->n > before)
			still = jiffies + HZ;
		usleep_range(1000, 2000);
	} while (time_before(jiffies, still) && time_before(jiffies, end));
	if (time_before(jiffies, still))
		return gdt_fail("the window grows without end");
	if (f->n == f->max)
		return gdt_fail("nothing fails at %u mappings", f->n);
	return 0;
}

/* Unmap every @step-th that is there, from @first on. */
static unsigned int fill_drop(struct gdt *t, struct fill *f,
			      unsigned int first, unsigned int step)
{
	unsigned int i, dropped = 0;

	for (i = first; i < f->n; i += step) {
		if (f->addr[i] == DMA_MAPPING_ERROR)
			continue;
		dma_unmap_single(t->dev, f->addr[i], f->size, DMA_TO_DEVICE);
		f->addr[i] = DMA_MAPPING_ERROR;
		dropped++;
	}
	return dropped;
}

static void fill_end(struct gdt *t, struct fill *f)
{
	fill_drop(t, f, 0, 1);
	f->n = 0;
}

static int exhaust(struct gdt *t, size_t size)
{
	unsigned int first, round;
	struct fill f;
	int err;

	err = fill_alloc(&f, size);
	if (err)
		return err;
	err = fill_up(t, &f);
	first = f.n;
	fill_end(t, &f);
	for (round = 0; round < 3 && !err; round++) {
		fill_now(t, &f);
		if (f.n != first)
			err = gdt_fail("%u mappings fit, then %u", first, f.n);
		fill_end(t, &f);
	}
	gdt_say("%u mappings of %zu bytes", first, size);
	vfree(f.addr);
	return err;
}

int gdt_exhaust(struct gdt *t)
{
	return exhaust(t, FILL_SIZE);
}

/* Where whole pages are granted, references run out, and then the window. */
static int exhaustion_by_pages(struct gdt *t)
{
	return exhaust(t, PAGE_SIZE);
}

static int map_largest(struct gdt *t, dma_addr_t *addr)
{
	*addr = dma_map_single(t->dev, t->arena + 64, t->max, DMA_TO_DEVICE);
	return dma_mapping_error(t->dev, *addr);
}

/*
 * With holes everywhere, as many small buffers fit as were dropped; large ones
 * fit at the latest when all is free.
 */
static int fragmentation(struct gdt *t)
{
	unsigned int dropped, before;
	dma_addr_t addr;
	struct fill f;
	int err;

	err = fill_alloc(&f, FILL_SIZE);
	if (err)
		return err;
	err = fill_up(t, &f);
	dropped = fill_drop(t, &f, 0, 2);
	if (!map_largest(t, &addr)) {
		gdt_say("a large one fits between");
		dma_unmap_single(t->dev, addr, t->max, DMA_TO_DEVICE);
	}
	before = f.n;
	fill_now(t, &f);
	if (!err && f.n - before != dropped)
		err = gdt_fail("%u were unmapped, then %u fit", dropped,
			       f.n - before);
	fill_end(t, &f);
	if (!err && map_largest(t, &addr))
		err = gdt_fail("%zu bytes do not fit when nothing is mapped",
			       t->max);
	else if (!err)
		dma_unmap_single(t->dev, addr, t->max, DMA_TO_DEVICE);
	vfree(f.addr);
	return err;
}

/* A list that does not fit must leave nothing mapped. */
static int list_too_long(struct gdt *t)
{
	struct scatterlist *sgl;
	unsigned int i, n, before;
	struct fill f;
	int err, got;

	err = fill_alloc(&f, FILL_SIZE);
	if (err)
		return err;
	err = fill_up(t, &f);
	before = f.n;
	fill_drop(t, &f, 0, 2);
	n = f.n / 2 + 16;
	sgl = vmalloc(array_size(n, sizeof(*sgl)));
	if (!sgl || err) {
		err = err ?: gdt_fail("no memory");
		goto out_free;
	}
	sg_init_table(sgl, n);
	for (i = 0; i < n; i++)
		sg_set_buf(&sgl[i], t->arena, FILL_SIZE);
	got = dma_map_sg(t->dev, sgl, n, DMA_TO_DEVICE);
	if (got) {
		err = gdt_fail("%u buffers fit where %u were", got, n);
		dma_unmap_sg(t->dev, sgl, n, DMA_TO_DEVICE);
	}
out_free:
	fill_end(t, &f);
	fill_now(t, &f);
	if (!err && f.n != before)
		err = gdt_fail("%u mappings fit, then %u", before, f.n);
	fill_end(t, &f);
	vfree(sgl);
	vfree(f.addr);
	return err;
}

static int coherent_one(struct gdt *t, size_t size, gfp_t gfp)
{
	dma_addr_t addr;
	u8 *mem = dma_alloc_coherent(t->dev, size, &addr, gfp);
	int err = 0;

	if (!mem)
		return -ENOMEM;
	if (offset_in_page(mem) || offset_in_page(addr))
		err = gdt_fail("%zu coherent bytes begin within a page", size);
	else if (memchr_inv(mem, 0, PAGE_ALIGN(size)))
		err = gdt_fail("%zu coherent bytes are not zero", size);
	memset(mem, 0xa5, size);
	dma_free_coherent(t->dev, size, mem, addr);
	return err;
}

static int coherent_memory(struct gdt *t)
{
	struct fill f;
	size_t size;
	int err = 0;

	for (size = 1; size <= t->max && !err; size = size * 2 + 1)
		err = coherent_one(t, size, GFP_KERNEL);
	if (err)
		return gdt_fail("%zu coherent bytes", size);
	if (coherent_one(t, SZ_64M, GFP_KERNEL | __GFP_NOWARN) != -ENOMEM)
		return gdt_fail("64 MiB of coherent memory");

	/* Nothing is left: it says so, and works again later. */
	err = fill_alloc(&f, FILL_SIZE);
	if (err)
		return err;
	err = fill_up(t, &f);
	if (!err && coherent_one(t, PAGE_SIZE, GFP_KERNEL) != -ENOMEM)
		err = gdt_fail("a coherent page in a full window");
	if (!err && coherent_one(t, PAGE_SIZE, GFP_ATOMIC) != -ENOMEM)
		err = gdt_fail("a coherent page in a full window, atomic");
	fill_drop(t, &f, 0, 2);
	if (!err && coherent_one(t, PAGE_SIZE, GFP_ATOMIC))
		err = gdt_fail("no coherent page where buffers were");
	fill_end(t, &f);
	vfree(f.addr);
	return err;
}

const struct gdt_case gdt_stress_cases[] = {
	{ "interrupts_off", interrupts_off },
	{ "all_cpus_at_once", all_cpus_at_once },
	{ "exhaustion", gdt_exhaust },
	{ "exhaustion_by_pages", exhaustion_by_pages },
	{ "fragmentation", fragmentation },
	{ "list_too_long", list_too_long },
	{ "coherent_memory", coherent_memory },
	{ }
};
