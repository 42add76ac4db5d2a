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

/*
 * How often in one round a driver may be shown a head that it does not have: it
 * says so each time.  Then there is a pause, up to so many rounds.
 */
#define MISSES		16
#define MAX_PAUSE	32

/* A queue that is being failed: the device's side of its ring. */
struct fail_state {
	struct xvf_queue *queue;
	unsigned int num;
	struct vring_avail *avail;	/* of a split ring */
	unsigned int misses;	/* that are left in this round */
	unsigned int done;	/* completed in this round */
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

/*
 * A split ring.
 */

/*
 * The used index that the driver has reached, from its own memory: what is in
 * the ring is the backend's, who may still write there.
 */
static u16 next_used(struct virtqueue *vq)
{
	return virtqueue_enable_cb_prepare(vq);
}

static void write_used_idx(struct fail_state *f, u16 idx)
{
	/* The entry before the index, as a device does it. */
	virt_wmb();
	WRITE_ONCE(f->queue->used->idx, (__force __virtio16)cpu_to_le16(idx));
}

/* Show the driver that @head was used. */
static void use_head(struct fail_state *f, unsigned int head)
{
	u16 idx = next_used(f->queue->vq);
	struct vring_used_elem *elem = &f->queue->used->ring[idx % f->num];

	WRITE_ONCE(elem->id, (__force __virtio32)cpu_to_le32(head));
	WRITE_ONCE(elem->len, 0);
	write_used_idx(f, idx + 1);
}

static u16 avail_idx(const struct fail_state *f)
{
	return le16_to_cpu((__force __le16)READ_ONCE(f->avail->idx));
}

/* The head in the last available entry but @back. */
static unsigned int recent_head(const struct fail_state *f, unsigned int back)
{
	u16 at = avail_idx(f) - 1 - back;

	return le16_to_cpu((__force __le16)READ_ONCE(f->avail->ring[at % f->num]));
}

/*
 * Which heads are in flight, as far as ring and in-flight record tell.  The
 * record is believed once: when its heads are completed, the driver may have
 * them in flight again, and those the ring tells.
 */
static void find_heads(struct fail_state *f, unsigned long *heads)
{
	struct xvio_inflight *record = f->queue->inflight;
	unsigned int i, known, head, todo;

	todo = min_t(unsigned int,
		     (u16)(avail_idx(f) - next_used(f->queue->vq)), f->num);
	for (i = 0; record && i < f->num; i++) {
		if (READ_ONCE(record->desc[i].inflight) == 1)
			__set_bit(i, heads);
		WRITE_ONCE(record->desc[i].inflight, 0);
	}

	/* The rest is what the backend had not taken yet: the last entries. */
	known = bitmap_weight(heads, f->num);
	for (i = 0; i + known < todo; i++) {
		head = recent_head(f, i);
		if (head < f->num)
			__set_bit(head, heads);
	}
}

/*
 * A packed ring.  What stands for a chain, its head, is the buffer id.
 */

/* Where the driver looks next, with the wrap counter; from its own memory. */
static unsigned int next_place(const struct fail_state *f, bool *wrap)
{
	u16 state = virtqueue_enable_cb_prepare(f->queue->vq);

	*wrap = state & BIT(VRING_PACKED_EVENT_F_WRAP_CTR);
	return (state & ~BIT(VRING_PACKED_EVENT_F_WRAP_CTR)) % f->num;
}

static void write_flags(struct vring_packed_desc *desc, bool avail, bool used)
{
	u16 flags = (avail ? BIT(VRING_PACKED_DESC_F_AVAIL) : 0) |
		    (used ? BIT(VRING_PACKED_DESC_F_USED) : 0);

	WRITE_ONCE(desc->flags, cpu_to_le16(flags));
}

/* Show the driver that @id was used. */
static void use_id(struct fail_state *f, unsigned int id)
{
	struct vring_packed_desc *desc;
	bool wrap;

	desc = &f->queue->ring[next_place(f, &wrap)];
	WRITE_ONCE(desc->id, cpu_to_le16(id));
	WRITE_ONCE(desc->len, 0);
	/* The flags last, as a device does it. */
	virt_wmb();
	write_flags(desc, wrap, wrap);
}

static unsigned int descs_in_flight(const struct fail_state *f)
{
	return f->num - f->queue->vq->num_free;
}

/* The id in the last descriptor that was made available but @back. */
static unsigned int recent_id(const struct fail_state *f, unsigned int back)
{
	unsigned int at;
	bool wrap;

	at = next_place(f, &wrap) + descs_in_flight(f) + f->num - 1 - back;
	return le16_to_cpu(READ_ONCE(f->queue->ring[at % f->num].id));
}

/* No descriptor in flight looks used, also those that the backend prepared. */
static void hide_used(struct fail_state *f)
{
	unsigned int i, at;
	bool wrap;

	at = next_place(f, &wrap);
	for (i = 0; i < descs_in_flight(f); i++) {
		write_flags(&f->queue->ring[at], wrap, !wrap);
		if (++at == f->num) {
			at = 0;
			wrap = !wrap;
		}
	}
}

/* Which ids are in flight, as far as ring and in-flight record tell. */
static void find_ids(struct fail_state *f, unsigned long *ids)
{
	struct xvio_inflight_packed *record = f->queue->inflight;
	unsigned int i, last, id, known = 0;
	u8 mark;

	for (i = 0; record && i < f->num; i++) {
		mark = READ_ONCE(record->desc[i].inflight);
		WRITE_ONCE(record->desc[i].inflight, 0);
		if (mark != 1)
			continue;
		last = le16_to_cpu(READ_ONCE(record->desc[i].last));
		if (last >= f->num)
			continue;
		id = le16_to_cpu(READ_ONCE(record->desc[last].id));
		if (id >= f->num)
			continue;
		__set_bit(id, ids);
		known += le16_to_cpu(READ_ONCE(record->desc[i].num));
	}

	/* The rest is what the backend had not taken yet: the last of them. */
	for (i = 0; i + known < descs_in_flight(f); i++) {
		id = recent_id(f, i);
		if (id < f->num)
			__set_bit(id, ids);
	}
}

/*
 * Both.
 */

/* Complete the chain that @head stands for; false if there is none. */
static bool fail_head(struct fail_state *f, unsigned int head)
{
	if (f->queue->packed)
		use_id(f, head);
	else
		use_head(f, head);
	return run_callback(f->queue->vq);
}

static unsigned int recent(const struct fail_state *f, unsigned int back)
{
	return f->queue->packed ? recent_id(f, back) : recent_head(f, back);
}

static void find_inflight(struct fail_state *f, unsigned long *heads)
{
	if (f->queue->packed) {
		find_ids(f, heads);
		hide_used(f);
	} else {
		find_heads(f, heads);
	}
}

/* What the driver did not take shall not be there when it looks again. */
static void take_back(struct fail_state *f)
{
	if (f->queue->packed)
		hide_used(f);
	else
		write_used_idx(f, next_used(f->queue->vq));
}

static bool over(const struct fail_state *f)
{
	return f->queue->vq->num_free == f->num || !f->misses;
}

static void fail_untried(struct fail_state *f, unsigned int head)
{
	if (head >= f->num || test_bit(head, f->queue->tried))
		return;
	if (fail_head(f, head)) {
		/* The driver may have it in flight again at once. */
		f->done++;
		/* Each descriptor of a chain has its id: one is enough. */
		if (f->queue->packed)
			__set_bit(head, f->queue->tried);
	} else {
		__set_bit(head, f->queue->tried);
		f->misses--;
	}
}

/*
 * Those of @heads, or all, the youngest first: if the backend lies about what
 * it has, these are the ones that are in flight.
 */
static void fail_heads(struct fail_state *f, const unsigned long *heads)
{
	unsigned int i, head;

	for (i = 0; i < f->num && !over(f); i++) {
		head = recent(f, i);
		if (head < f->num && (!heads || test_bit(head, heads)))
			fail_untried(f, head);
	}
	for (head = 0; head < f->num && !over(f); head++)
		if (!heads || test_bit(head, heads))
			fail_untried(f, head);
}

/* Stop a queue; what the backend has finished is finished. */
static void stop_queue(struct xvf_queue *queue)
{
	__virtqueue_break(queue->vq);
	synchronize_irq(queue->irq);
	/* The driver has complained about an entry: once is enough. */
	if (!queue->nonsense && queue->xvf->gdma->state != GRANT_DMA_DEAD)
		queue->nonsense = !run_callback(queue->vq);
}

/* Complete what is still in flight on a queue that is stopped. */
static void fail_queue(struct xvf_queue *queue)
{
	struct virtqueue *vq = queue->vq;
	DECLARE_BITMAP(heads, XVF_MAX_QUEUE_SIZE);
	struct fail_state f = {
		.queue = queue,
		.num = virtqueue_get_vring_size(vq),
		.misses = MISSES,
	};

	if (vq->num_free == f.num || !vq->callback)
		return;
	if (queue->pause_left) {
		queue->pause_left--;
		return;
	}
	if (!queue->packed)
		f.avail = grant_dma_coherent_ptr(queue->xvf->gdma,
						 virtqueue_get_avail_addr(vq));
	bitmap_zero(heads, XVF_MAX_QUEUE_SIZE);
	find_inflight(&f, heads);
	fail_heads(&f, heads);
	/* A backend that lied about it: then every head, known or not. */
	if (!f.done)
		fail_heads(&f, NULL);
	take_back(&f);

	/*
	 * What the driver has added meanwhile is for the next round; or none is
	 * left; or each was tried while the backend wrote, too.
	 */
	if (f.done || (f.misses && !queue->packed)) {
		bitmap_zero(queue->tried, XVF_MAX_QUEUE_SIZE);
		queue->pause = 0;
		return;
	}
	/*
	 * All that tells the ids of a packed ring is where the backend writes:
	 * each of them has its turn before there is a pause.
	 */
	if (queue->packed) {
		if (!bitmap_full(queue->tried, f.num))
			return;
		bitmap_zero(queue->tried, XVF_MAX_QUEUE_SIZE);
	}
	queue->pause = min(2 * queue->pause + 1, MAX_PAUSE);
	queue->pause_left = queue->pause;
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
		WRITE_ONCE(xvf->gdma->state, GRANT_DMA_DEAD);
		on_live_queues(xvf, fail_queue);
	}
	mutex_unlock(&xvf->queues_lock);
	return ready;
}
