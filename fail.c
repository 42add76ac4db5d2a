// SPDX-License-Identifier: GPL-2.0-only
/*
 * plays the device when there is none any more
 *
 * Completes what is in flight, so that drivers do not wait for ever for what
 * will never come.
 * The used length is 0 and the DMA layer fills the buffers with ones, which is
 * an error for every driver; in virtio-blk it is the status 0xff.
 */

#include <linux/bitmap.h>
#include <linux/interrupt.h>

#include "xen_virtio_front.h"

/* A queue that is being failed: the device's side of its ring, and how far. */
struct fail_state {
	struct xvf_queue *queue;
	unsigned int num;
	struct vring_avail *avail;
	struct vring_used *used;
	u16 idx;
	bool stuck;		/* the driver has not taken the last entry */
};

/* Let the driver take what is used; false if it found that to be nonsense. */
static bool run_callback(struct virtqueue *vq)
{
	bool sane;

	__virtqueue_unbreak(vq);
	local_bh_disable();
	local_irq_disable();
	vring_interrupt(0, vq);
	local_irq_enable();
	/* Softirqs, such as NAPI, run here. */
	local_bh_enable();
	sane = !virtqueue_is_broken(vq);
	__virtqueue_break(vq);
	return sane;
}

static void write_used(struct fail_state *f, u16 at, unsigned int head)
{
	struct vring_used_elem *elem = &f->used->ring[at % f->num];

	WRITE_ONCE(elem->id, (__force __virtio32)cpu_to_le32(head));
	WRITE_ONCE(elem->len, 0);
}

/* Complete the chain that begins at @head, if there is one. */
static void fail_head(struct fail_state *f, unsigned int head)
{
	unsigned int i;

	if (f->stuck) {
		/* Whichever entry the driver looks at, it is this one. */
		for (i = 0; i < f->num; i++)
			write_used(f, i, head);
	} else {
		write_used(f, f->idx++, head);
	}
	/* The entry before the index, as a device does it. */
	virt_wmb();
	WRITE_ONCE(f->used->idx, (__force __virtio16)cpu_to_le16(f->idx));
	f->stuck = !run_callback(f->queue->vq);
}

/* Which heads are in flight, as far as ring and in-flight record tell. */
static void find_inflight(struct fail_state *f, unsigned long *heads)
{
	const struct xvio_inflight *record = f->queue->inflight;
	unsigned int i, head, todo;
	u16 avail_idx;

	avail_idx = le16_to_cpu((__force __le16)READ_ONCE(f->avail->idx));
	todo = min_t(unsigned int, (u16)(avail_idx - f->idx), f->num);
	for (i = 0; record && i < f->num; i++)
		if (READ_ONCE(record->desc[i].inflight) == 1)
			__set_bit(i, heads);

	/* The rest is what the backend had not taken yet: the last entries. */
	for (i = bitmap_weight(heads, f->num); i < todo; i++) {
		avail_idx--;
		head = le16_to_cpu((__force __le16)
				   READ_ONCE(f->avail->ring[avail_idx % f->num]));
		if (head < f->num)
			__set_bit(head, heads);
	}
}

/* Stop a queue; what the backend has finished is finished. */
static void stop_queue(struct xvf_queue *queue)
{
	__virtqueue_break(queue->vq);
	synchronize_irq(queue->irq);
	run_callback(queue->vq);
}

/* Complete what is still in flight on a queue that is stopped. */
static void fail_queue(struct xvf_queue *queue)
{
	struct grant_dma *gdma = queue->xvf->gdma;
	struct virtqueue *vq = queue->vq;
	DECLARE_BITMAP(heads, XVF_MAX_QUEUE_SIZE);
	struct fail_state f = {
		.queue = queue,
		.num = virtqueue_get_vring_size(vq),
		.avail = grant_dma_coherent_ptr(gdma,
						virtqueue_get_avail_addr(vq)),
		.used = queue->used,
	};
	unsigned int head;

	if (vq->num_free == f.num || !vq->callback)
		return;
	f.idx = le16_to_cpu((__force __le16)READ_ONCE(f.used->idx));
	f.stuck = !run_callback(vq);
	bitmap_zero(heads, XVF_MAX_QUEUE_SIZE);
	find_inflight(&f, heads);
	for_each_set_bit(head, heads, f.num)
		fail_head(&f, head);

	/* A backend that lied about it: then every head, known or not. */
	for (head = 0; head < f.num && vq->num_free < f.num; head++)
		fail_head(&f, head);
}

static void on_live_queues(struct xvf_device *xvf,
			   void (*fn)(struct xvf_queue *queue))
{
	unsigned int i;

	for (i = 0; i < xvf->nr_queues; i++)
		if (xvf->queues[i].vq && xvf->queues[i].irq)
			fn(&xvf->queues[i]);
}

bool xvf_fail_vqs(struct xvf_device *xvf)
{
	bool ready;

	mutex_lock(&xvf->queues_lock);
	ready = xvf->gdma && xvf->ready;
	if (ready) {
		on_live_queues(xvf, stop_queue);
		WRITE_ONCE(xvf->gdma->dead, true);
		on_live_queues(xvf, fail_queue);
	}
	mutex_unlock(&xvf->queues_lock);
	return ready;
}
