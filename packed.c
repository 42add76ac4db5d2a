// SPDX-License-Identifier: GPL-2.0-only
/*
 * what the kernel leaves in a packed ring when it gives a chain up
 *
 * virtqueue_add_packed() writes the descriptors of a chain while it maps its
 * buffers, and the flags of the first one last.  When a mapping fails, it unmaps
 * what it had mapped and returns; the descriptors behind the first one stay in
 * the ring, and look available.  That does no harm as long as the next chain,
 * which begins in the same place, is as long.  If it is shorter (or an indirect
 * table), the device comes to one of them where it looks for the next chain.  So
 * they are taken back at once.  The window does not get full on such a device
 * (config.c), but a driver can ask for what cannot be mapped.
 *
 *	     h      h+1  h+2  h+3  h+4		A: looks available
 *	|    -    |  A    A    A    -		the fourth mapping fails
 *	|    A       A |  A    A    -		a chain of two: h+2 is wrong
 *
 * The DMA API does not say for which queue, or where in its ring, a buffer is
 * mapped.  But what the kernel does next is known: whoever failed unmaps the
 * buffers of that chain, from the first on, before it does anything else.  The
 * first two of them are the descriptors h and h+1 of one ring, and no other
 * chain that is in flight or being written has these addresses.  Where there
 * are not two, nothing was left behind.  What remains are rings that had the
 * same addresses next to each other before: there both were available, or
 * neither was, while of h and h+1 only the second looks so.
 *
 * Nobody else looks at the descriptors meanwhile: the driver holds the queue's
 * lock, and the device does not look behind h before h is available.
 *
 * As read in Linux 6.1.192.  6.12.117 and 7.2.13 take the descriptors back
 * themselves before they unmap their buffers, and then none is found here.  A
 * split ring does not care: what is in its table counts for nothing before the
 * available ring names it.
 */

#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "xen_virtio_front.h"

#define AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define USED	BIT(VRING_PACKED_DESC_F_USED)

/*
 * Who failed with nothing mapped has nothing to unmap, and maybe never comes
 * again.  No driver takes so long from a mapping that fails to its end.
 */
#define FORGET_AFTER	(10 * HZ)

/*
 * Who and what runs here: one that is not interrupted by itself.  Thus a value
 * is one chain of events, on whatever CPU, and at most one chain of buffers.
 */
static unsigned long this_context(void)
{
	BUILD_BUG_ON(__alignof__(struct task_struct) < 4);
	return (unsigned long)current | interrupt_context_level();
}

static void forget(struct grant_dma *gdma, struct grant_dma_torn *torn)
{
	torn->owner = 0;
	WRITE_ONCE(gdma->nr_torn, gdma->nr_torn - 1);
}

/* The entry of @owner, or one for it: free, or the oldest. */
static struct grant_dma_torn *torn_entry(struct grant_dma *gdma,
					 unsigned long owner)
{
	struct grant_dma_torn *torn, *best = &gdma->torn[0];

	for (torn = gdma->torn; torn < gdma->torn + GRANT_DMA_TORN; torn++) {
		if (torn->owner == owner)
			return torn;
		if (best->owner && (!torn->owner ||
				    time_before(torn->since, best->since)))
			best = torn;
	}
	if (!best->owner)
		WRITE_ONCE(gdma->nr_torn, gdma->nr_torn + 1);
	return best;
}

void grant_dma_map_failed(struct grant_dma *gdma)
{
	struct grant_dma_torn *torn;
	unsigned long flags;

	if (gdma->split_rings)
		return;
	spin_lock_irqsave(&gdma->torn_lock, flags);
	torn = torn_entry(gdma, this_context());
	torn->owner = this_context();
	torn->since = jiffies;
	torn->first.size = 0;
	spin_unlock_irqrestore(&gdma->torn_lock, flags);
}

void grant_dma_unmap_after_failure(struct grant_dma *gdma, dma_addr_t addr,
				   size_t size)
{
	struct grant_dma_piece first = { .size = 0 };
	struct grant_dma_piece now = { .addr = addr, .size = size };
	unsigned long me = this_context(), flags;
	struct grant_dma_torn *torn;

	spin_lock_irqsave(&gdma->torn_lock, flags);
	for (torn = gdma->torn; torn < gdma->torn + GRANT_DMA_TORN; torn++) {
		if (torn->owner == me && !torn->first.size) {
			torn->first = now;
		} else if (torn->owner == me) {
			first = torn->first;
			forget(gdma, torn);
		} else if (torn->owner &&
			   time_after(jiffies, torn->since + FORGET_AFTER)) {
			forget(gdma, torn);
		}
	}
	spin_unlock_irqrestore(&gdma->torn_lock, flags);
	if (first.size)
		gdma->host->chain_torn(gdma->priv, &first, &now);
}

static bool is_piece(const struct vring_packed_desc *desc,
		     const struct grant_dma_piece *piece)
{
	return le64_to_cpu(READ_ONCE(desc->addr)) == piece->addr &&
	       le32_to_cpu(READ_ONCE(desc->len)) == piece->size;
}

/* Does a descriptor look like one of the middle of an available chain? */
static bool goes_on(u16 flags)
{
	return flags & VRING_DESC_F_NEXT && !(flags & AVAIL) != !(flags & USED);
}

/* Is the second descriptor of a chain that was given up the one at @at? */
static bool torn_at(const struct xvf_queue *queue, unsigned int at,
		    const struct grant_dma_piece *first,
		    const struct grant_dma_piece *second)
{
	const struct vring_packed_desc *desc = &queue->ring[at], *head;
	u16 flags, head_flags;
	bool alike;

	if (likely(!is_piece(desc, second)))
		return false;
	head = at ? desc - 1 : &queue->ring[queue->ring_size - 1];
	if (!is_piece(head, first) ||
	    READ_ONCE(head->id) != READ_ONCE(desc->id))
		return false;
	flags = le16_to_cpu(READ_ONCE(desc->flags));
	head_flags = le16_to_cpu(READ_ONCE(head->flags));
	/* What available means changes where the ring begins anew. */
	alike = !((flags ^ head_flags) & AVAIL);
	return goes_on(flags) && alike == !at;
}

/*
 * From @at on: what looks available shall look as if it had been used the last
 * time round, for that is neither available nor used.
 */
static void take_back(struct xvf_queue *queue, unsigned int at)
{
	__le16 id = READ_ONCE(queue->ring[at].id);
	u16 avail = le16_to_cpu(READ_ONCE(queue->ring[at].flags)) & AVAIL;
	struct vring_packed_desc *desc;
	unsigned int n;
	u16 flags;

	for (n = 1; n < queue->ring_size; n++) {
		desc = &queue->ring[at];
		flags = le16_to_cpu(READ_ONCE(desc->flags));
		if (!goes_on(flags) || (flags & AVAIL) != avail ||
		    READ_ONCE(desc->id) != id)
			break;
		WRITE_ONCE(desc->flags, cpu_to_le16(avail ? 0 : AVAIL | USED));
		if (++at == queue->ring_size) {
			at = 0;
			avail ^= AVAIL;
		}
	}
}

void xvf_chain_torn(struct xvf_device *xvf, const struct grant_dma_piece *first,
		    const struct grant_dma_piece *second)
{
	struct xvf_queue *queue, *found = NULL;
	unsigned int i, at, place = 0, nr = 0;
	unsigned long flags;

	spin_lock_irqsave(&xvf->rings_lock, flags);
	for (i = 0; i < xvf->nr_queues; i++) {
		queue = &xvf->queues[i];
		for (at = 0; queue->ring && at < queue->ring_size; at++) {
			if (!torn_at(queue, at, first, second))
				continue;
			found = queue;
			place = at;
			nr++;
		}
	}
	/* None: a table, which is not in the ring, or nothing of a ring. */
	if (nr == 1) {
		take_back(found, place);
		found->torn++;
	}
	spin_unlock_irqrestore(&xvf->rings_lock, flags);
	/* In theory two queues could look so, if one has been idle. */
	if (unlikely(nr > 1))
		xvf_break(xvf, "a chain that was given up looks like one of another queue");
}

void xvf_set_ring(struct xvf_queue *queue, struct vring_packed_desc *ring,
		  unsigned int size)
{
	unsigned long flags;

	spin_lock_irqsave(&queue->xvf->rings_lock, flags);
	queue->ring = ring;
	queue->ring_size = size;
	spin_unlock_irqrestore(&queue->xvf->rings_lock, flags);
}

void xvf_set_queues(struct xvf_device *xvf, struct xvf_queue *queues,
		    unsigned int nr)
{
	unsigned long flags;

	spin_lock_irqsave(&xvf->rings_lock, flags);
	xvf->queues = queues;
	xvf->nr_queues = nr;
	spin_unlock_irqrestore(&xvf->rings_lock, flags);
}
