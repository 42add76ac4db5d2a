// SPDX-License-Identifier: GPL-2.0-only
/*
 * what the module does, for people: debugfs/xen-virtio/DEVICE/stats
 *
 * One "name value" a line; docs/architecture.md has the list.  Counters of the
 * data path are kept without locks and may be a little behind each other.
 */

#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "xen_virtio_front.h"

static struct dentry *root;

static void show(struct seq_file *s, const char *name, u64 value)
{
	seq_printf(s, "%s %llu\n", name, value);
}

static void show_queue(struct seq_file *s, const struct xvf_queue *queue)
{
	if (!queue->vq)
		return;
	seq_printf(s, "queue%u.size %u\n", queue->index,
		   virtqueue_get_vring_size(queue->vq));
	seq_printf(s, "queue%u.desc %#llx\n", queue->index,
		   (u64)virtqueue_get_desc_addr(queue->vq));
	seq_printf(s, "queue%u.driver %#llx\n", queue->index,
		   (u64)virtqueue_get_avail_addr(queue->vq));
	seq_printf(s, "queue%u.device %#llx\n", queue->index,
		   (u64)virtqueue_get_used_addr(queue->vq));
	seq_printf(s, "queue%u.kicks %llu\n", queue->index, queue->kicks);
	seq_printf(s, "queue%u.interrupts %llu\n", queue->index,
		   queue->interrupts);
	if (queue->packed)
		seq_printf(s, "queue%u.torn %llu\n", queue->index, queue->torn);
}

static void show_window(struct seq_file *s, struct grant_dma *gdma,
			const struct grant_dma_stats *sum)
{
	show(s, "window_kib", (gdma->max_chunks - READ_ONCE(gdma->lowest)) *
			      (GRANT_DMA_CHUNK_SIZE >> 10));
	show(s, "window_limit_kib",
	     gdma->max_chunks * (GRANT_DMA_CHUNK_SIZE >> 10));
	show(s, "window_used_bytes",
	     grant_dma_window_used(gdma) * GRANT_DMA_GRANULE);
	show(s, "window_grown", atomic_long_read(&gdma->grown));
	show(s, "window_grow_failed", atomic_long_read(&gdma->grow_failed));
	show(s, "window_shrunk", atomic_long_read(&gdma->shrunk));
	show(s, "window_maps", sum->maps);
	show(s, "bytes_in", sum->bytes_in);
	show(s, "bytes_out", sum->bytes_out);
	show(s, "exhausted", sum->exhausted);
}

static void show_direct(struct seq_file *s, const struct grant_dma *gdma,
			const struct grant_dma_stats *sum)
{
	show(s, "direct_min", gdma->mode == GRANT_DMA_WINDOW ?
			      0 : gdma->direct_min);
	show(s, "direct_refs", gdma->direct.nr_refs);
	show(s, "direct_refs_used", sum->direct_grants - sum->direct_revoked);
	show(s, "direct_maps", sum->direct_maps);
	show(s, "direct_unfit", sum->direct_unfit);
	show(s, "direct_exhausted", sum->direct_exhausted);
}

static void show_grants(struct seq_file *s, const struct grant_dma *gdma,
			const struct grant_dma_stats *sum)
{
	u64 window = atomic_long_read(&gdma->granted);
	u64 rings = atomic_long_read(&gdma->ring_granted);

	show(s, "window_grants", window);
	show(s, "ring_grants", rings);
	show(s, "direct_grants", sum->direct_grants);
	show(s, "grants", window + rings + sum->direct_grants);
	window = atomic_long_read(&gdma->revoked);
	rings = atomic_long_read(&gdma->ring_revoked);
	show(s, "window_revoked", window);
	show(s, "ring_revoked", rings);
	show(s, "direct_revoked", sum->direct_revoked);
	show(s, "revoked", window + rings + sum->direct_revoked);
	show(s, "quarantined", atomic_long_read(&gdma->quarantined));
}

static int stats_show(struct seq_file *s, void *unused)
{
	struct xvf_device *xvf = s->private;
	struct grant_dma *gdma = xvf->gdma;
	struct grant_dma_stats sum;
	unsigned int i;

	grant_dma_sum_stats(gdma, &sum);
	seq_printf(s, "mode %s\n", grant_dma_mode_names[gdma->mode]);
	show(s, "whole_writes", gdma->mark != 0);
	show(s, "maps", sum.maps + sum.direct_maps);
	show(s, "mapped", sum.maps - sum.unmaps +
			  sum.direct_maps - sum.direct_unmaps);
	show(s, "refused", sum.refused);
	show_window(s, gdma, &sum);
	show_direct(s, gdma, &sum);
	show_grants(s, gdma, &sum);
	show(s, "requests", atomic_long_read(&xvf->chan.requests));
	show(s, "dropped", atomic_long_read(&xvf->chan.dropped));
	show(s, "broken", test_bit(0, &xvf->broken));

	mutex_lock(&xvf->queues_lock);
	for (i = 0; i < xvf->nr_queues; i++)
		show_queue(s, &xvf->queues[i]);
	mutex_unlock(&xvf->queues_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

void xvf_stats_add(struct xvf_device *xvf)
{
	xvf->debugfs = debugfs_create_dir(dev_name(&xvf->xdev->dev), root);
	debugfs_create_file("stats", 0400, xvf->debugfs, xvf, &stats_fops);
}

void xvf_stats_remove(struct xvf_device *xvf)
{
	/* Waits for those who are reading. */
	debugfs_remove(xvf->debugfs);
	xvf->debugfs = NULL;
}

void xvf_stats_init(void)
{
	root = debugfs_create_dir("xen-virtio", NULL);
}

void xvf_stats_exit(void)
{
	debugfs_remove(root);
}
