// SPDX-License-Identifier: GPL-2.0-only
/*
 * foreign.c - all memory of a guest, for the benchmark's denominator only
 *
 * Linked by "make -C tools BASELINE=1 O=DIR" and never into a program that is
 * installed.  It is what a backend without grants does (QEMU's Xen machines
 * with virtio-mmio do): it maps the guest's memory as a privileged domain may,
 * here all of it at once and in order, so that an address costs one addition.
 *
 * Such memory cannot be used for direct I/O (the kernel does not let anybody pin
 * it), so requests of all sizes go through io_uring's own memory: BASELINE makes
 * the slots in file_uring.c large enough.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xenguest.h>

#include "foreign.h"

/* As tests/bench/baseline/frames.h has it. */
#define BASELINE_FIRST	(UINT32_C(1) << 31)

static struct {
	const struct xvb_memory_ops *granted;
	struct xvb_memory_ops ops;
	xenforeignmemory_handle *fmem;
	void *va;
	uint32_t nr_pages;
} foreign;

static int foreign_map(void *ctx, uint32_t first_ref, uint32_t nr_pages,
		       enum xvb_access access, void **va)
{
	if (first_ref < BASELINE_FIRST)
		return foreign.granted->map(ctx, first_ref, nr_pages, access,
					    va);
	*va = foreign.va;
	return 0;
}

static void foreign_unmap(void *ctx, void *va, uint32_t nr_pages)
{
	if (va != foreign.va) {
		foreign.granted->unmap(ctx, va, nr_pages);
		return;
	}
	xenforeignmemory_unmap(foreign.fmem, va, nr_pages);
	foreign.va = NULL;
}

/* The frames of the guest as Xen counts them, in the guest's order. */
static int own_frames(uint32_t nr, xen_pfn_t *frames)
{
	uint32_t i;

	for (i = 0; i < nr; i++)
		frames[i] = i;
	return 0;
}

static int machine_frames(xc_interface *xch, uint32_t domid, uint32_t nr,
			  xen_pfn_t *frames)
{
	struct xc_domain_meminfo info = { 0 };
	uint32_t i;

	if (xc_map_domain_meminfo(xch, domid, &info))
		return errno ? -errno : -EIO;
	for (i = 0; i < nr; i++)
		frames[i] = i < info.p2m_size ? info.p2m_table[i] : ~0UL;
	xc_unmap_domain_meminfo(xch, &info);
	return 0;
}

static int map_frames(uint32_t domid, uint32_t nr, xen_pfn_t *frames)
{
	/* A frame that is none leaves a hole, which nobody uses. */
	int *errors = calloc(nr, sizeof(*errors));
	int ret = 0;

	if (!errors)
		return -ENOMEM;
	foreign.va = xenforeignmemory_map(foreign.fmem, domid,
					  PROT_READ | PROT_WRITE, nr, frames,
					  errors);
	if (!foreign.va)
		ret = errno ? -errno : -EIO;
	free(errors);
	return ret;
}

static int map_all(xc_interface *xch, uint32_t domid)
{
	xc_domaininfo_t info;
	xen_pfn_t *frames;
	uint32_t nr;
	int ret;

	if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 ||
	    info.domain != domid)
		return -ESRCH;
	nr = info.tot_pages;
	frames = calloc(nr, sizeof(*frames));
	if (!frames)
		return -ENOMEM;
	if (info.flags & XEN_DOMINF_hvm_guest)
		ret = own_frames(nr, frames);
	else
		ret = machine_frames(xch, domid, nr, frames);
	if (!ret)
		ret = map_frames(domid, nr, frames);
	free(frames);
	if (!ret)
		foreign.nr_pages = nr;
	return ret;
}

int xvb_baseline_add(struct xvb_memory *mem, uint32_t domid)
{
	xc_interface *xch = xc_interface_open(NULL, NULL, 0);
	int ret;

	if (!xch)
		return errno ? -errno : -EIO;
	foreign.fmem = xenforeignmemory_open(NULL, 0);
	if (foreign.fmem)
		ret = map_all(xch, domid);
	else
		ret = errno ? -errno : -EIO;
	xc_interface_close(xch);
	if (ret)
		return ret;

	foreign.granted = mem->ops;
	foreign.ops = *mem->ops;
	foreign.ops.map = foreign_map;
	foreign.ops.unmap = foreign_unmap;
	mem->ops = &foreign.ops;
	mem->max_pages += foreign.nr_pages;
	return xvb_memory_add(mem, BASELINE_FIRST, foreign.nr_pages,
			      XVB_WRITE);
}
