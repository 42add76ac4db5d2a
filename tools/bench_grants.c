// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages for xen-virtio-bench, granted by the kernel's gntalloc device
 */

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/types.h>
#include <xen/gntalloc.h>

#include "bench.h"

#define DEVICE	"/dev/xen/gntalloc"
#define BYTES	((size_t)XVB_BENCH_PAGES * XVB_BENCH_PAGE)

static int alloc_refs(struct xvb_bench_grants *g, uint32_t domid)
{
	struct ioctl_gntalloc_alloc_gref *arg;
	uint32_t *refs;
	int err = 0;

	arg = calloc(1, sizeof(*arg) + XVB_BENCH_PAGES * sizeof(*refs));
	if (!arg)
		return -ENOMEM;
	arg->domid = (uint16_t)domid;
	arg->flags = GNTALLOC_FLAG_WRITABLE;
	arg->count = XVB_BENCH_PAGES;
	if (ioctl(g->fd, IOCTL_GNTALLOC_ALLOC_GREF, arg)) {
		err = -errno;
		goto out;
	}
	g->index = arg->index;
	/* The kernel's array has one element in name only. */
	refs = (uint32_t *)((char *)arg +
			    offsetof(struct ioctl_gntalloc_alloc_gref,
				     gref_ids));
	memcpy(g->ref, refs, sizeof(g->ref));
out:
	free(arg);
	return err;
}

static void free_refs(struct xvb_bench_grants *g)
{
	struct ioctl_gntalloc_dealloc_gref arg = {
		.index = g->index,
		.count = XVB_BENCH_PAGES,
	};

	if (ioctl(g->fd, IOCTL_GNTALLOC_DEALLOC_GREF, &arg))
		xvb_err("giving back the pages of %s: %s", DEVICE,
			strerror(errno));
}

int xvb_bench_grant(struct xvb_bench_grants *g, uint32_t domid,
		    struct xvb_error *err)
{
	int ret;

	g->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (g->fd < 0)
		return xvb_error_set(err, -errno,
				     "opening %s: %s (modprobe xen-gntalloc?)",
				     DEVICE, strerror(errno));
	ret = alloc_refs(g, domid);
	if (ret) {
		xvb_error_set(err, ret, "granting %u pages to domain %u: %s",
			      XVB_BENCH_PAGES, domid, strerror(-ret));
		goto err_close;
	}
	g->va = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd,
		     (off_t)g->index);
	if (g->va == MAP_FAILED) {
		ret = xvb_error_set(err, -errno, "mapping pages of %s: %s",
				    DEVICE, strerror(errno));
		goto err_free_refs;
	}
	memset(g->va, 0x5a, BYTES);
	return 0;

err_free_refs:
	free_refs(g);
err_close:
	close(g->fd);
	return ret;
}

void xvb_bench_revoke(struct xvb_bench_grants *g)
{
	munmap(g->va, BYTES);
	free_refs(g);
	close(g->fd);
}
