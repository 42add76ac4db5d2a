// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtqueues: the kernel's own ring, with an event channel each
 *
 * A queue's ring, and an in-flight record for the backend, live in the window.
 * The kernel decides by guesses about the platform whether a ring goes through
 * the DMA API; here it is decided, per queue: xvf_vring_uses_dma_api() says
 * yes, or the device is not used.  docs/architecture.md has the table of
 * platforms.
 *
 * docs/protocol.md, section 8.
 */

#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <xen/events.h>

#include "xen_virtio_front.h"

static bool is_grant(dma_addr_t addr)
{
	return addr & XVIO_ADDR_GRANT;
}

/*
 * The one place where it is decided that a virtqueue uses the DMA API: its
 * device has agreed to ACCESS_PLATFORM, and the ring that the kernel made has
 * nothing but grants for addresses.
 */
static bool xvf_vring_uses_dma_api(struct virtqueue *vq)
{
	return __virtio_test_bit(vq->vdev, VIRTIO_F_ACCESS_PLATFORM) &&
	       is_grant(virtqueue_get_desc_addr(vq)) &&
	       is_grant(virtqueue_get_avail_addr(vq)) &&
	       is_grant(virtqueue_get_used_addr(vq));
}

static bool queue_notify(struct virtqueue *vq)
{
	struct xvf_queue *queue = vq->priv;

	/* Then nobody is there; what was added is failed by break_work. */
	if (unlikely(test_bit(0, &queue->xvf->broken)))
		return true;
	queue->kicks++;
	notify_remote_via_irq(queue->irq);
	return true;
}

/*
 * Has the backend used buffers since the last time?  A packed ring has no index
 * that tells.  There it is the driver who tells, by taking or adding some: what
 * the backend writes cannot pretend that.
 */
static bool queue_progress(struct xvf_queue *queue)
{
	bool progress;
	u16 used;

	if (queue->packed)
		used = READ_ONCE(queue->vq->num_free);
	else
		used = le16_to_cpu((__force __le16)READ_ONCE(queue->used->idx));
	progress = used != queue->last_used;
	queue->last_used = used;
	return progress;
}

static irqreturn_t queue_interrupt(int irq, void *data)
{
	struct xvf_queue *queue = data;
	struct virtqueue *vq = queue->vq;
	unsigned int eoi = XEN_EOI_FLAG_SPURIOUS;

	queue->interrupts++;
	/*
	 * Before DRIVER_OK and after a reset no driver expects to be called.  On
	 * a broken device fail.c calls it, and nobody else at the same time.
	 */
	if (READ_ONCE(queue->xvf->ready) &&
	    !test_bit(0, &queue->xvf->broken) && !virtqueue_is_broken(vq)) {
		if (queue_progress(queue))
			eoi = 0;
		/* Something there: the only sign in a packed ring at first. */
		if (vring_interrupt(irq, vq) == IRQ_HANDLED && queue->packed)
			eoi = 0;
		if (unlikely(virtqueue_is_broken(vq))) {
			queue->nonsense = !test_bit(0, &queue->xvf->broken);
			xvf_break(queue->xvf, "the backend used a buffer that it did not have");
		}
	}
	/* A backend that sends events without work gets slower answers. */
	xen_irq_lateeoi(irq, eoi);
	return IRQ_HANDLED;
}

static int get_vqueue(struct xvf_device *xvf, unsigned int index,
		      struct xvio_vqueue *rsp)
{
	struct xvio_vqueue_index req = { .index = cpu_to_le32(index) };
	int err;

	err = xvf_request(xvf, XVIO_MSG_GET_VQUEUE, &req, sizeof(req), rsp,
			  sizeof(*rsp));
	if (!err && rsp->index != req.index)
		err = -EPROTO;
	return err;
}

static size_t inflight_size(bool packed, u32 num)
{
	struct xvio_inflight_packed *of_packed;
	struct xvio_inflight *of_split;

	return packed ? struct_size(of_packed, desc, num) :
			struct_size(of_split, desc, num);
}

/* What a ring takes; a packed one is in three pieces, of whole pages each. */
static size_t ring_size(bool packed, u32 num)
{
	if (packed)
		return PAGE_ALIGN(num * sizeof(struct vring_packed_desc)) +
		       2 * PAGE_SIZE;
	return vring_size(num, PAGE_SIZE);
}

/*
 * The entries of a queue for which the backend has room for @max: all rings
 * together may be as large as an eighth of the window, which comes on top.
 */
static u32 queue_size(struct xvf_device *xvf, bool packed, u32 max)
{
	size_t share = grant_dma_max_size(xvf->gdma) / 8 / xvf->max_vqs;
	u32 num = min(max, xvf->ring_max);

	/* And each descriptor of a packed ring has a page, or more, for sure. */
	while (num > XVF_MIN_QUEUE_SIZE &&
	       (ring_size(packed, num) + inflight_size(packed, num) > share ||
		(packed && num * PAGE_SIZE > 4 * share)))
		num /= 2;
	return num;
}

int xvf_measure_queues(struct xvf_device *xvf, struct xvf_sizes *sizes)
{
	bool packed = xvf->features & BIT_ULL(VIRTIO_F_RING_PACKED);
	struct xvio_vqueue max;
	unsigned int i;
	u32 num;
	int err;

	sizes->smallest = XVF_MAX_QUEUE_SIZE;
	sizes->entries = 0;
	sizes->pages = 0;
	for (i = 0; i < xvf->max_vqs; i++) {
		err = get_vqueue(xvf, i, &max);
		if (err)
			return err;
		num = queue_size(xvf, packed, le32_to_cpu(max.max_size));
		xvf->measured[i] = num;
		sizes->smallest = min(sizes->smallest, num);
		sizes->entries += num;
		sizes->pages += PFN_UP(ring_size(packed, num)) +
				PFN_UP(inflight_size(packed, num));
	}
	return 0;
}

unsigned int xvf_record_slots(struct xvf_device *xvf, size_t size)
{
	bool packed = xvf->features & BIT_ULL(VIRTIO_F_RING_PACKED);
	unsigned int i, slots = 0;
	u32 num;

	for (i = 0; i < xvf->max_vqs; i++) {
		num = xvf->measured[i];
		if (!num)
			num = queue_size(xvf, packed, XVF_MAX_QUEUE_SIZE);
		slots += DIV_ROUND_UP(roundup_pow_of_two(inflight_size(packed, num)),
				      size);
	}
	return slots;
}

/* The in-flight record: ours to provide, the backend's to use. */
static int alloc_inflight(struct xvf_queue *queue)
{
	unsigned int num = virtqueue_get_vring_size(queue->vq);
	size_t size = inflight_size(queue->packed, num);
	struct xvio_inflight *inflight;

	inflight = dma_alloc_coherent(&queue->xvf->xdev->dev, size,
				      &queue->inflight_addr, GFP_KERNEL);
	if (!inflight)
		return -ENOMEM;
	/* The record of a packed ring begins in the same way. */
	inflight->version = cpu_to_le16(XVIO_INFLIGHT_VERSION);
	inflight->desc_num = cpu_to_le16(num);
	queue->inflight = inflight;
	queue->inflight_size = size;
	return 0;
}

static void free_inflight(struct xvf_queue *queue)
{
	if (!queue->inflight)
		return;
	dma_free_coherent(&queue->xvf->xdev->dev, queue->inflight_size,
			  queue->inflight, queue->inflight_addr);
	queue->inflight = NULL;
}

static int open_evtchn(struct xvf_queue *queue)
{
	struct xenbus_device *xdev = queue->xvf->xdev;
	int err;

	err = xenbus_alloc_evtchn(xdev, &queue->port);
	if (err)
		return err;
	err = bind_evtchn_to_irqhandler_lateeoi(queue->port, queue_interrupt,
						0, queue->name, queue);
	if (err < 0) {
		xenbus_free_evtchn(xdev, queue->port);
		return err;
	}
	queue->irq = err;
	/* If it cannot be, then the interrupt goes where it goes. */
	if (queue->spread)
		irq_set_affinity_and_hint(queue->irq, queue->affinity);
	return 0;
}

static void close_evtchn(struct xvf_queue *queue)
{
	if (!queue->irq)
		return;
	irq_set_affinity_hint(queue->irq, NULL);
	unbind_from_irqhandler(queue->irq, queue);
	queue->irq = 0;
}

/* Tell the backend where the queue is, and look whether it understood. */
static int enable_queue(struct xvf_queue *queue)
{
	struct virtqueue *vq = queue->vq;
	struct xvio_queue_bind bind = {
		.index = cpu_to_le32(queue->index),
		.event_channel = cpu_to_le32(queue->port),
		.inflight = cpu_to_le64(queue->inflight_addr),
		.inflight_len = cpu_to_le32(queue->inflight_size),
	};
	struct xvio_set_vqueue set = {
		.index = cpu_to_le32(queue->index),
		.flags = cpu_to_le32(XVIO_VQUEUE_ENABLED),
		.size = cpu_to_le32(virtqueue_get_vring_size(vq)),
		.desc = cpu_to_le64(virtqueue_get_desc_addr(vq)),
		.driver = cpu_to_le64(virtqueue_get_avail_addr(vq)),
		.device = cpu_to_le64(virtqueue_get_used_addr(vq)),
	};
	struct xvio_vqueue got;
	int err;

	err = xvf_bus_request(queue->xvf, XVIO_BUS_QUEUE_BIND, &bind,
			      sizeof(bind));
	if (err)
		return err;
	err = xvf_request(queue->xvf, XVIO_MSG_SET_VQUEUE, &set, sizeof(set),
			  NULL, 0);
	if (err)
		return err;
	err = get_vqueue(queue->xvf, queue->index, &got);
	if (err)
		return err;
	if (!(got.flags & cpu_to_le32(XVIO_VQUEUE_ENABLED)) ||
	    got.cur_size != set.size || got.desc != set.desc ||
	    got.driver != set.driver || got.device != set.device)
		return -EREMOTEIO;
	return 0;
}

/* Where the backend writes what it has used. */
static void find_used(struct xvf_queue *queue)
{
	struct grant_dma *gdma = queue->xvf->gdma;
	struct virtqueue *vq = queue->vq;

	queue->packed = __virtio_test_bit(vq->vdev, VIRTIO_F_RING_PACKED);
	queue->used = NULL;
	queue->last_used = 0;
	if (queue->packed) {
		xvf_set_ring(queue, grant_dma_coherent_ptr(gdma,
							   virtqueue_get_desc_addr(vq)),
			     virtqueue_get_vring_size(vq));
		queue->last_used = vq->num_free;
	} else {
		queue->used =
			grant_dma_coherent_ptr(gdma, virtqueue_get_used_addr(vq));
	}
}

/* Everything that a queue has beside its ring. */
static int connect_queue(struct xvf_queue *queue)
{
	int err;

	find_used(queue);
	err = alloc_inflight(queue);
	if (err)
		return err;
	err = open_evtchn(queue);
	if (err)
		goto err_free_inflight;
	err = enable_queue(queue);
	if (err)
		goto err_close_evtchn;
	return 0;

err_close_evtchn:
	close_evtchn(queue);
err_free_inflight:
	free_inflight(queue);
	return err;
}

/* The share that the queue @i of @n has of @cpus. */
static void add_share(struct cpumask *mask, const struct cpumask *cpus,
		      unsigned int i, unsigned int n)
{
	unsigned int cpu, rank = 0, all = cpumask_weight(cpus);

	for_each_cpu(cpu, cpus) {
		if (rank >= all)
			break;
		if (n < all ? rank * n / all == i : rank == i % all)
			cpumask_set_cpu(cpu, mask);
		rank++;
	}
}

/*
 * As the kernel does it for interrupts of PCI devices: those processors that are
 * there share the queues, and so do those that may come later.
 */
static int spread_queue(struct xvf_queue *queue, unsigned int i,
			unsigned int n)
{
	cpumask_var_t absent;

	if (!zalloc_cpumask_var(&absent, GFP_KERNEL))
		return -ENOMEM;
	cpumask_clear(queue->affinity);
	add_share(queue->affinity, cpu_online_mask, i, n);
	cpumask_andnot(absent, cpu_possible_mask, cpu_online_mask);
	add_share(queue->affinity, absent, i, n);
	free_cpumask_var(absent);
	queue->spread = true;
	return 0;
}

/* Which queues that concerns is the driver's to say. */
static int set_affinity(struct xvf_queue *queue, unsigned int nvqs,
			const struct irq_affinity *desc)
{
	unsigned int n;

	if (!zalloc_cpumask_var(&queue->affinity, GFP_KERNEL))
		return -ENOMEM;
	if (!desc || desc->pre_vectors + desc->post_vectors >= nvqs)
		return 0;
	n = nvqs - desc->pre_vectors - desc->post_vectors;
	if (queue->index < desc->pre_vectors ||
	    queue->index - desc->pre_vectors >= n)
		return 0;
	return spread_queue(queue, queue->index - desc->pre_vectors, n);
}

static int create_queue(struct xvf_queue *queue, struct virtio_device *vdev,
			const struct virtqueue_info *info)
{
	bool packed = __virtio_test_bit(vdev, VIRTIO_F_RING_PACKED);
	struct xvf_device *xvf = queue->xvf;
	struct xvio_vqueue max;
	struct virtqueue *vq;
	u32 num;
	int err;

	err = get_vqueue(xvf, queue->index, &max);
	if (err)
		return err;
	num = le32_to_cpu(max.max_size);
	if (!num)
		return -ENOENT;
	num = queue_size(xvf, packed, num);
	/* How long chains may be was decided by what it said before. */
	if (xvf->measured[queue->index] && xvf->measured[queue->index] != num) {
		dev_err(&vdev->dev, "queue %u has %u entries, and had %u when the backend was asked before\n",
			queue->index, num, xvf->measured[queue->index]);
		return -EPROTO;
	}
	if (!packed && !is_power_of_2(num))
		return -EINVAL;

	vq = vring_create_virtqueue(queue->index, num, PAGE_SIZE, vdev, true,
				    true, info->ctx, queue_notify,
				    info->callback, info->name);
	if (!vq)
		return -ENOMEM;
	vq->num_max = num;
	vq->priv = queue;
	queue->vq = vq;
	err = -EFAULT;
	if (!xvf_vring_uses_dma_api(vq)) {
		dev_err(&vdev->dev, "queue %u has an address that is no grant: refusing to show it to the backend\n",
			queue->index);
		goto err_del_vq;
	}

	snprintf(queue->name, sizeof(queue->name), "%s-%s",
		 dev_name(&vdev->dev), info->name);
	err = connect_queue(queue);
	if (err)
		goto err_del_vq;
	return 0;

err_del_vq:
	xvf_set_ring(queue, NULL, 0);
	queue->vq = NULL;
	vring_del_virtqueue(vq);
	return err;
}

static void destroy_queue(struct xvf_queue *queue)
{
	if (!queue->vq)
		return;
	close_evtchn(queue);
	xvf_set_ring(queue, NULL, 0);
	vring_del_virtqueue(queue->vq);
	queue->vq = NULL;
	free_inflight(queue);
}

void xvf_del_vqs(struct virtio_device *vdev)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	struct xvf_queue *queues;
	unsigned int i;

	mutex_lock(&xvf->queues_lock);
	queues = xvf->queues;
	for (i = 0; i < xvf->nr_queues; i++) {
		destroy_queue(&queues[i]);
		free_cpumask_var(queues[i].affinity);
	}
	xvf_set_queues(xvf, NULL, 0);
	kfree(queues);
	mutex_unlock(&xvf->queues_lock);
}

int xvf_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
		 struct virtqueue *vqs[], struct virtqueue_info info[],
		 struct irq_affinity *desc)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	struct xvf_queue *queues;
	unsigned int i, index = 0;
	int err;

	if (nvqs > xvf->max_vqs) {
		dev_err(&vdev->dev, "the driver wants %u queues, the device has %u\n",
			nvqs, xvf->max_vqs);
		return -EINVAL;
	}
	/* CONFIG_XEN_VIRTIO kernels have put theirs there meanwhile. */
	err = grant_dma_install(&xvf->xdev->dev);
	if (err)
		return err;
	xvf->gdma->split_rings = !__virtio_test_bit(vdev, VIRTIO_F_RING_PACKED);
	queues = kcalloc(nvqs, sizeof(*queues), GFP_KERNEL);
	if (!queues)
		return -ENOMEM;
	mutex_lock(&xvf->queues_lock);
	for (i = 0; i < nvqs; i++)
		queues[i].xvf = xvf;
	xvf_set_queues(xvf, queues, nvqs);

	for (i = 0; i < nvqs; i++) {
		struct xvf_queue *queue = &queues[i];

		if (!info[i].name) {
			vqs[i] = NULL;
			continue;
		}
		queue->index = index++;
		err = set_affinity(queue, nvqs, desc);
		if (!err)
			err = create_queue(queue, vdev, &info[i]);
		if (err) {
			dev_err(&vdev->dev, "setting up queue %u of %u: %d\n",
				queue->index, nvqs, err);
			goto err_del_vqs;
		}
		vqs[i] = queue->vq;
	}
	mutex_unlock(&xvf->queues_lock);
	return 0;

err_del_vqs:
	mutex_unlock(&xvf->queues_lock);
	/* The backend must not touch those that are enabled already. */
	vdev->config->reset(vdev);
	xvf_del_vqs(vdev);
	return err;
}

void xvf_synchronize_cbs(struct virtio_device *vdev)
{
	struct xvf_device *xvf = to_xvf_device(vdev);
	unsigned int i;

	for (i = 0; i < xvf->nr_queues; i++)
		if (xvf->queues[i].irq)
			synchronize_irq(xvf->queues[i].irq);
}

int xvf_set_vq_affinity(struct virtqueue *vq, const struct cpumask *mask)
{
	struct xvf_queue *queue = vq->priv;

	if (!vq->callback || !queue->irq)
		return -EINVAL;
	/* Ours, as it is wanted again after a reset of the queue. */
	queue->spread = mask;
	if (!mask)
		return irq_set_affinity_hint(queue->irq, NULL);
	cpumask_copy(queue->affinity, mask);
	return irq_set_affinity_and_hint(queue->irq, queue->affinity);
}

const struct cpumask *xvf_get_vq_affinity(struct virtio_device *vdev,
					  int index)
{
	struct xvf_device *xvf = to_xvf_device(vdev);

	if (index < 0 || index >= xvf->nr_queues ||
	    !xvf->queues[index].spread)
		return NULL;
	return xvf->queues[index].affinity;
}

int xvf_disable_vq_and_reset(struct virtqueue *vq)
{
	struct xvf_queue *queue = vq->priv;
	struct xvio_vqueue_index req = { .index = cpu_to_le32(queue->index) };
	struct xvio_vqueue got;
	int err;

	if (!__virtio_test_bit(vq->vdev, VIRTIO_F_RING_RESET))
		return -ENOENT;
	err = xvf_request(queue->xvf, XVIO_MSG_RESET_VQUEUE, &req, sizeof(req),
			  NULL, 0);
	if (err)
		return err;
	err = get_vqueue(queue->xvf, queue->index, &got);
	if (err)
		return err;
	if (got.flags & cpu_to_le32(XVIO_VQUEUE_ENABLED))
		return -EREMOTEIO;

	mutex_lock(&queue->xvf->queues_lock);
	close_evtchn(queue);
	xvf_set_ring(queue, NULL, 0);
	__virtqueue_break(vq);
	free_inflight(queue);
	mutex_unlock(&queue->xvf->queues_lock);
	return 0;
}

int xvf_enable_vq_after_reset(struct virtqueue *vq)
{
	struct xvf_queue *queue = vq->priv;
	int err;

	if (queue->irq)
		return -EBUSY;
	if (!xvf_vring_uses_dma_api(vq))
		return -EFAULT;
	mutex_lock(&queue->xvf->queues_lock);
	/* Before the first event, which the new channel has pending. */
	__virtqueue_unbreak(vq);
	err = connect_queue(queue);
	if (err)
		__virtqueue_break(vq);
	mutex_unlock(&queue->xvf->queues_lock);
	/* The backend may have it enabled all the same. */
	if (err)
		xvf_break(queue->xvf, "a queue could not be set up again");
	return err;
}
