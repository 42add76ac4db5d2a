// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that does wrong on purpose, for the lab's self-test: every fault
 * here is one that the lab has to notice.  "insmod faulty.ko fault=NAME".
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <xen/grant_table.h>
#include <xen/interface/event_channel.h>
#include <xen/xen.h>
#include <asm/xen/hypercall.h>

static char *fault = "none";
module_param(fault, charp, 0);
MODULE_PARM_DESC(fault, "what to do wrong");

/* A splat, in whatever kernel. */
static int fault_warn(void)
{
	WARN(1, "as asked for\n");
	return 0;
}

/* A page of dom0's own that stays granted and mapped. */
static int fault_grant(void)
{
	struct gnttab_map_grant_ref map;
	struct page *target;
	struct page *page;
	int ref;
	int err;

	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	err = gnttab_alloc_pages(1, &target);
	if (err)
		goto free_page;
	ref = gnttab_grant_foreign_access(0, xen_page_to_gfn(page), 0);
	if (ref < 0) {
		err = ref;
		goto free_target;
	}
	gnttab_set_map_op(&map, (unsigned long)page_to_virt(target),
			  GNTMAP_host_map, ref, 0);
	err = gnttab_map_refs(&map, NULL, &target, 1);
	if (!err && map.status != GNTST_okay)
		err = -EIO;
	return err;

free_target:
	gnttab_free_pages(1, &target);
free_page:
	__free_page(page);
	return err;
}

/* An event channel that nobody closes. */
static int fault_channel(void)
{
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF,
		.remote_dom = 0,
	};

	return HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
}

static int fault_uaf(void)
{
	int *number = kmalloc(sizeof(*number), GFP_KERNEL);

	if (!number)
		return -ENOMEM;
	kfree(number);
	WRITE_ONCE(*number, 1);
	return 0;
}

/* Nothing hangs, but another thread could make it hang. */
static int fault_lock(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);

	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static int fault_atomic(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	msleep(20);
	spin_unlock(&lock);
	return 0;
}

/* Several, because an old stack may still hold the address of one. */
static int fault_leak(void)
{
	int i;

	for (i = 0; i < 16; i++)
		if (!kmalloc(1000 + i, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}

/* Unmapped with another length than it was mapped with. */
static int fault_dma(void)
{
	struct platform_device *pdev;
	dma_addr_t addr;
	void *buf;
	int err;

	buf = kzalloc(SZ_4K, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	pdev = platform_device_register_simple("faulty", PLATFORM_DEVID_NONE,
					       NULL, 0);
	if (IS_ERR(pdev)) {
		err = PTR_ERR(pdev);
		goto free_buf;
	}
	err = dma_coerce_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto unregister;
	addr = dma_map_single(&pdev->dev, buf, SZ_4K, DMA_TO_DEVICE);
	if (dma_mapping_error(&pdev->dev, addr)) {
		err = -EIO;
		goto unregister;
	}
	dma_unmap_single(&pdev->dev, addr, SZ_2K, DMA_TO_DEVICE);

unregister:
	platform_device_unregister(pdev);
free_buf:
	kfree(buf);
	return err;
}

static const struct {
	const char *name;
	int (*commit)(void);
} faults[] = {
	{ "warn", fault_warn },
	{ "grant", fault_grant },
	{ "channel", fault_channel },
	{ "uaf", fault_uaf },
	{ "lock", fault_lock },
	{ "atomic", fault_atomic },
	{ "leak", fault_leak },
	{ "dma", fault_dma },
};

static int __init faulty_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++)
		if (!strcmp(fault, faults[i].name))
			return faults[i].commit();
	return -EINVAL;
}
module_init(faulty_init);

static void __exit faulty_exit(void)
{
}
module_exit(faulty_exit);

MODULE_DESCRIPTION("does wrong on purpose");
MODULE_LICENSE("GPL");
