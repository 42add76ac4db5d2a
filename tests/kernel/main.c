// SPDX-License-Identifier: GPL-2.0-only
/*
 * grant_dma_test.ko: tests of the DMA layer, run in a guest when it is loaded
 *
 * A virtio driver for a disk, in the place of virtio_blk: attach a disk that
 * may be overwritten, see that virtio_blk is not there, load this.  It uses
 * the public DMA and virtqueue interfaces of the kernel only, and so tests what
 * every driver gets, in whatever mode the device was attached.  The results are
 * KTAP in the kernel log; loading succeeds also when tests fail.
 *
 *	tests=dma,stress,disk	groups to run, in order (this is the default)
 *	tests=whole		of a device that promises whole writes; the last
 *				group, as the device is reset in the end
 *	tests=plant		leaves canaries for a scan from dom0, until rmmod
 *	tests=bench		prints what mapping costs, see bench.c
 */

#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/vmalloc.h>

#include "test.h"

static char *tests = "dma,stress,disk";
module_param(tests, charp, 0444);
MODULE_PARM_DESC(tests, "groups of tests, separated by commas");

unsigned int gdt_stride = 1;
module_param_named(stride, gdt_stride, uint, 0444);
MODULE_PARM_DESC(stride, "only each n-th size, for slow kernels (default 1)");

static const struct gdt_group groups[] = {
	{ "dma", gdt_dma_cases },
	{ "stress", gdt_stress_cases },
	{ "disk", gdt_disk_cases },
	{ "whole", gdt_whole_cases },
	{ "plant", gdt_plant_cases },
	{ "bench", gdt_bench_cases },
};

const unsigned int gdt_offsets[GDT_OFFSETS] = { 0, 1, 7, 64, 511, 512, 4095 };

static struct gdt *found;
/* The device does not go away while tests run. */
static DEFINE_MUTEX(found_lock);

void gdt_fill(struct gdt *t, void *buf, enum gdt_pattern which,
	      unsigned int seed, size_t size)
{
	memcpy(buf, t->pattern[which] + seed, size);
}

bool gdt_is(struct gdt *t, const void *buf, enum gdt_pattern which,
	    unsigned int seed, size_t size)
{
	return !memcmp(buf, t->pattern[which] + seed, size);
}

/* Granting more than the buffer itself would show what is beside it. */
static bool may_be_direct(const u8 *buf, size_t size)
{
	return !offset_in_page(buf) && !offset_in_page(size);
}

int gdt_check_kept(struct gdt *t, const u8 *buf, size_t size,
		   unsigned int seed, size_t lo, size_t n,
		   enum dma_data_direction dir)
{
	if (gdt_is(t, buf, GDT_LOST, seed, size)) {
		if (dir == DMA_TO_DEVICE)
			return 0;
		atomic_long_inc(&t->direct);
		if (may_be_direct(buf, size))
			return 0;
		return gdt_fail("%zu bytes at %lu in a page, direction %d: granted as they are",
				size, offset_in_page(buf), dir);
	}

	if (dir == DMA_FROM_DEVICE && !memchr_inv(buf, 0, size)) {
		atomic_long_inc(&t->zeroed);
		return 0;
	}
	atomic_long_inc(&t->bounced);
	if (dir != DMA_TO_DEVICE && gdt_is(t, buf, GDT_OLD, seed, lo) &&
	    gdt_is(t, buf + lo, GDT_NEW, seed + lo, n) &&
	    gdt_is(t, buf + lo + n, GDT_OLD, seed + lo + n, size - lo - n))
		return 0;
	return gdt_fail("%zu bytes at %lu in a page, direction %d: not what the device had",
			size, offset_in_page(buf), dir);
}

static void run_case(struct gdt *t, unsigned int number,
		     const struct gdt_case *c)
{
	int err = c->run(t);

	if (err == GDT_SKIP)
		pr_info("ok %u %s # SKIP\n", number, c->name);
	else
		pr_info("%s %u %s\n", err ? "not ok" : "ok", number, c->name);
	cond_resched();
}

static bool wanted(const struct gdt_group *group)
{
	const char *at = tests;
	size_t len = strlen(group->name);

	while (at) {
		if (!strncmp(at, group->name, len) &&
		    (at[len] == ',' || !at[len]))
			return true;
		at = strchr(at, ',');
		if (at)
			at++;
	}
	return false;
}

static void run_all(struct gdt *t)
{
	const struct gdt_case *c;
	unsigned int number = 0, i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		for (c = groups[i].cases; wanted(&groups[i]) && c->name; c++)
			number++;
	pr_info("KTAP version 1\n1..%u\n", number);

	number = 0;
	for (i = 0; i < ARRAY_SIZE(groups); i++)
		for (c = groups[i].cases; wanted(&groups[i]) && c->name; c++)
			run_case(t, ++number, c);
	gdt_say("buffers: %ld bounced, %ld direct, %ld zeroed",
		atomic_long_read(&t->bounced), atomic_long_read(&t->direct),
		atomic_long_read(&t->zeroed));
}

static void free_memory(struct gdt *t)
{
	unsigned int i;

	for (i = 0; i < GDT_PATTERNS; i++)
		vfree(t->pattern[i]);
	if (t->arena)
		free_pages_exact(t->arena, GDT_ARENA_SIZE);
	kfree(t);
}

static struct gdt *alloc_memory(void)
{
	struct gdt *t = kzalloc(sizeof(*t), GFP_KERNEL);
	const size_t size = GDT_ARENA_SIZE + GDT_SEEDS;
	unsigned int i;
	size_t n;

	if (!t)
		return NULL;
	t->arena = alloc_pages_exact(GDT_ARENA_SIZE, GFP_KERNEL);
	if (!t->arena)
		goto err_free;
	for (i = 0; i < GDT_PATTERNS; i++) {
		t->pattern[i] = vmalloc(size);
		if (!t->pattern[i])
			goto err_free;
		get_random_bytes(t->pattern[i], size);
		for (n = 0; n < size; n++)
			t->pattern[i][n] = (t->pattern[i][n] & 0x3f) | i << 6 |
					   1;
	}
	return t;

err_free:
	free_memory(t);
	return NULL;
}

static int gdt_probe(struct virtio_device *vdev)
{
	struct gdt *t;
	int err;

	/* One is enough. */
	if (found)
		return -ENODEV;
	t = alloc_memory();
	if (!t)
		return -ENOMEM;
	t->vdev = vdev;
	t->dev = vdev->dev.parent;
	spin_lock_init(&t->vq_lock);
	vdev->priv = t;
	t->vq = virtio_find_single_vq(vdev, gdt_disk_done, "requests");
	if (IS_ERR(t->vq)) {
		err = PTR_ERR(t->vq);
		goto err_free;
	}
	virtio_cread(vdev, struct virtio_blk_config, capacity, &t->sectors);
	t->max = min_t(size_t, dma_max_mapping_size(t->dev), GDT_MAX_SIZE);
	virtio_device_ready(vdev);

	mutex_lock(&found_lock);
	found = t;
	mutex_unlock(&found_lock);
	return 0;

err_free:
	free_memory(t);
	return err;
}

static void gdt_remove(struct virtio_device *vdev)
{
	struct gdt *t = vdev->priv;

	mutex_lock(&found_lock);
	found = NULL;
	mutex_unlock(&found_lock);
	gdt_unplant(t);
	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
	free_memory(t);
}

static const struct virtio_device_id gdt_ids[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ 0 }
};

static struct virtio_driver gdt_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = gdt_ids,
	.probe = gdt_probe,
	.remove = gdt_remove,
};

static int __init gdt_init(void)
{
	int err;

	gdt_stride = max(gdt_stride, 1U);
	err = register_virtio_driver(&gdt_driver);
	if (err)
		return err;
	mutex_lock(&found_lock);
	if (found)
		run_all(found);
	else
		pr_info("KTAP version 1\n1..0 # SKIP no disk without a driver\n");
	mutex_unlock(&found_lock);
	return 0;
}

static void __exit gdt_exit(void)
{
	unregister_virtio_driver(&gdt_driver);
}

module_init(gdt_init);
module_exit(gdt_exit);

MODULE_DESCRIPTION("tests of the grant DMA layer");
MODULE_AUTHOR("The xen-virtio authors");
MODULE_LICENSE("GPL");
