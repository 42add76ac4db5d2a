// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping the grants of one domain: libxengnttab with 0/-errno
 */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/grant_table.h>
#include <xengnttab.h>
#include <xentoollog.h>

#include "gntmap.h"
#include "log.h"

struct xvb_gntmap {
	xentoollog_logger *logger;
	xengnttab_handle *handle;
	uint32_t domid;
	struct xvb_grant_stats *stats;
};

int xvb_gntmap_open(uint32_t domid, struct xvb_grant_stats *stats,
		    struct xvb_gntmap **out)
{
	struct xvb_gntmap *gm = calloc(1, sizeof(*gm));
	int err = -ENOMEM;

	if (!gm)
		return -ENOMEM;
	gm->domid = domid;
	gm->stats = stats;
	/*
	 * The library logs each map that fails, as often as a guest likes.
	 * We say it, less often.
	 */
	gm->logger = (xentoollog_logger *)
		xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
	if (!gm->logger)
		goto err_free;
	gm->handle = xengnttab_open(gm->logger, 0);
	if (!gm->handle) {
		err = errno ? -errno : -EIO;
		goto err_destroy_logger;
	}
	*out = gm;
	return 0;

err_destroy_logger:
	xtl_logger_destroy(gm->logger);
err_free:
	free(gm);
	return err;
}

void xvb_gntmap_close(struct xvb_gntmap *gm)
{
	if (!gm)
		return;
	xengnttab_close(gm->handle);
	xtl_logger_destroy(gm->logger);
	free(gm);
}

int xvb_gntmap_map(struct xvb_gntmap *gm, uint32_t first_ref,
		   uint32_t nr_pages, enum xvb_access access, void **va)
{
	int prot = access == XVB_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	uint32_t refs[XVIO_WINDOW_MAX_PAGES];
	uint32_t i;
	int ret;

	if (!nr_pages || nr_pages > XVIO_WINDOW_MAX_PAGES)
		return -EINVAL;
	for (i = 0; i < nr_pages; i++)
		refs[i] = first_ref + i;
	*va = xengnttab_map_domain_grant_refs(gm->handle, nr_pages, gm->domid,
					      refs, prot);
	if (!*va) {
		ret = errno ? -errno : -EIO;
		xvb_stat_add(&gm->stats->errors, nr_pages);
		return ret;
	}
	xvb_stat_add(&gm->stats->map_batches, 1);
	xvb_stat_add(&gm->stats->maps, nr_pages);
	return 0;
}

void xvb_gntmap_unmap(struct xvb_gntmap *gm, void *va, uint32_t nr_pages)
{
	if (xengnttab_unmap(gm->handle, va, nr_pages)) {
		xvb_err("unmapping %u pages of domain %u: %s", nr_pages,
			gm->domid, strerror(errno));
		xvb_stat_add(&gm->stats->errors, nr_pages);
		return;
	}
	xvb_stat_add(&gm->stats->unmap_batches, 1);
	xvb_stat_add(&gm->stats->unmaps, nr_pages);
}

static int gntmap_op_map(void *ctx, uint32_t first_ref, uint32_t nr_pages,
			 enum xvb_access access, void **va)
{
	return xvb_gntmap_map(ctx, first_ref, nr_pages, access, va);
}

static void gntmap_op_unmap(void *ctx, void *va, uint32_t nr_pages)
{
	xvb_gntmap_unmap(ctx, va, nr_pages);
}

/* For the threads of queues, which count in another place. */
static int gntmap_op_map_refs(void *ctx, const uint32_t *refs,
			      uint32_t nr_pages, enum xvb_access access,
			      void **va)
{
	int prot = access == XVB_WRITE ? PROT_READ | PROT_WRITE : PROT_READ;
	struct xvb_gntmap *gm = ctx;

	*va = xengnttab_map_domain_grant_refs(gm->handle, nr_pages, gm->domid,
					      (uint32_t *)refs, prot);
	if (!*va)
		return errno ? -errno : -EIO;
	return 0;
}

static void gntmap_op_unmap_refs(void *ctx, void *va, uint32_t nr_pages)
{
	struct xvb_gntmap *gm = ctx;

	if (xengnttab_unmap(gm->handle, va, nr_pages))
		xvb_err("unmapping %u pages of domain %u: %s", nr_pages,
			gm->domid, strerror(errno));
}

static void copy_segment(const struct xvb_gntmap *gm,
			 const struct xvb_grant_seg *seg,
			 enum xvb_access access,
			 xengnttab_grant_copy_segment_t *op)
{
	bool to_guest = access == XVB_WRITE;
	union xengnttab_copy_ptr *own = to_guest ? &op->source : &op->dest;
	union xengnttab_copy_ptr *its = to_guest ? &op->dest : &op->source;

	own->virt = seg->va;
	its->foreign.ref = seg->ref;
	its->foreign.offset = 0;
	its->foreign.domid = (uint16_t)gm->domid;
	op->len = seg->len;
	op->flags = to_guest ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
	op->status = GNTST_general_error;
}

static int gntmap_op_copy(void *ctx, struct xvb_grant_seg *segs, uint32_t nr,
			  enum xvb_access access, void *scratch)
{
	xengnttab_grant_copy_segment_t *ops = scratch;
	struct xvb_gntmap *gm = ctx;
	uint32_t i;

	for (i = 0; i < nr; i++)
		copy_segment(gm, &segs[i], access, &ops[i]);
	if (xengnttab_grant_copy(gm->handle, nr, ops))
		return errno ? -errno : -EIO;
	for (i = 0; i < nr; i++)
		segs[i].failed = ops[i].status != GNTST_okay;
	return 0;
}

const struct xvb_memory_ops xvb_gntmap_memory_ops = {
	.map = gntmap_op_map,
	.unmap = gntmap_op_unmap,
	.map_refs = gntmap_op_map_refs,
	.unmap_refs = gntmap_op_unmap_refs,
	.copy = gntmap_op_copy,
	.copy_scratch = sizeof(xengnttab_grant_copy_segment_t),
};
