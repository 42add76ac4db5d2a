// SPDX-License-Identifier: GPL-2.0-only
/*
 * vqt_tests.c - what vq_test does to its queues
 */

#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/virtio_config.h>

#include "vqt.h"

static unsigned int rounds = 100;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "resets of queues under traffic (default 100)");

static bool io_only;
module_param(io_only, bool, 0444);
MODULE_PARM_DESC(io_only, "I/O on all queues, no resets (default N)");

static void result(struct vqt_device *dev, bool ok, const char *what,
		   unsigned int queue)
{
	pr_info("%sok %u %s queue %u\n", ok ? "" : "not ", ++dev->tests, what,
		queue);
	dev->failed += !ok;
}

static bool write_pattern(struct vqt_queue *q)
{
	unsigned int block = 0;
	unsigned long flags;
	int err;

	while (block < BLOCKS) {
		spin_lock_irqsave(&q->lock, flags);
		do {
			err = vqt_add(q, block, false);
		} while (!err && ++block < BLOCKS);
		virtqueue_kick(q->vq);
		spin_unlock_irqrestore(&q->lock, flags);
		if (!vqt_wait_idle(q))
			return false;
	}
	return !q->bad;
}

/* A ring that is as full as it gets, a few times. */
static bool full_ring(struct vqt_queue *q)
{
	unsigned int i, num = virtqueue_get_vring_size(q->vq);
	unsigned long done = q->done;
	unsigned int n, sum = 0;

	for (i = 0; i < 5; i++) {
		n = vqt_add_many(q, MAX_REQS, i & 1, true);
		/* Three descriptors each, or one with indirect ones. */
		if (n < min_t(unsigned int, num / 3, MAX_REQS))
			return false;
		sum += n;
		if (!vqt_wait_idle(q))
			return false;
	}
	return !q->bad && q->done == done + sum;
}

/*
 * After a chain that had to be given up halfway the device finds the next one,
 * which is shorter, and nothing behind it.  All around the ring.
 */
static bool torn(struct vqt_queue *q)
{
	unsigned int num = virtqueue_get_vring_size(q->vq), i;
	unsigned long done = q->done, flags;
	int err;

	for (i = 0; i < 100; i++) {
		spin_lock_irqsave(&q->lock, flags);
		err = vqt_add_torn(q, min(i % (MAX_TORN + 1), num - 1));
		spin_unlock_irqrestore(&q->lock, flags);
		if (!err || err == -ENOSPC ||
		    vqt_add_many(q, 1 + (i & 1), i & 2, true) != 1 + (i & 1) ||
		    !vqt_wait_idle(q))
			return false;
	}
	return !q->bad && q->done == done + 150;
}

static int resize(struct vqt_queue *q, unsigned int num)
{
#ifdef VQT_HAVE_RESET
	return virtqueue_resize(q->vq, num, vqt_recycle, NULL);
#else
	return virtqueue_resize(q->vq, num, vqt_recycle);
#endif
}

static int reset(struct vqt_queue *q)
{
#ifdef VQT_HAVE_RESET
	return virtqueue_reset(q->vq, vqt_recycle, NULL);
#else
	unsigned int num = virtqueue_get_vring_size(q->vq);

	/* The same size again would be no reset. */
	return resize(q, num > 64 ? num / 2 : num * 2) ?: resize(q, num);
#endif
}

/* Nobody else may use a queue that is reset. */
static void set_stopped(struct vqt_queue *q, bool stopped)
{
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	q->stopped = stopped;
	spin_unlock_irqrestore(&q->lock, flags);
}

static bool down_and_up(struct vqt_queue *q)
{
	unsigned int max = q->vq->num_max, num;

	for (num = max; num >= 16; num /= 2)
		if (resize(q, num) || virtqueue_get_vring_size(q->vq) != num ||
		    !full_ring(q))
			return false;
	for (num = 32; num <= max; num *= 2)
		if (resize(q, num) || virtqueue_get_vring_size(q->vq) != num ||
		    !full_ring(q))
			return false;
	return virtqueue_get_vring_size(q->vq) == max;
}

static bool refused(struct vqt_queue *q)
{
	unsigned int max = q->vq->num_max;

	return resize(q, 0) == -EINVAL && resize(q, max + 1) == -E2BIG &&
	       full_ring(q);
}

/* What the device has not been told of comes back, all of it and once. */
static bool recycles(struct vqt_queue *q)
{
	unsigned int max = q->vq->num_max, i, n;
	unsigned long sum;

	for (i = 0; i < 10; i++) {
		sum = q->recycled + q->done;
		n = vqt_add_many(q, 1 + i * 5, i & 1, false);
		if (!n || resize(q, i & 1 ? max : max / 2) || q->busy ||
		    q->recycled + q->done != sum + n)
			return false;
		sum = q->recycled + q->done;
		n = vqt_add_many(q, 1 + i * 5, i & 1, false);
		if (!n || reset(q) || q->busy ||
		    q->recycled + q->done != sum + n)
			return false;
		if (!full_ring(q))
			return false;
	}
	/* A device that is awake may take some without having been told. */
	return q->recycled && !resize(q, max) && full_ring(q);
}

static int traffic(void *data)
{
	struct vqt_queue *q = data;

	while (!kthread_should_stop()) {
		vqt_add_many(q, 1 + get_random_u32() % 32,
			     get_random_u32() & 1, true);
		wait_event_timeout(q->wait, READ_ONCE(q->free) &&
				   !READ_ONCE(q->stopped), HZ / 10);
	}
	return 0;
}

static bool start_traffic(struct vqt_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr; i++) {
		struct vqt_queue *q = &dev->q[i];

		q->thread = kthread_run(traffic, q, "vq_test/%u", i);
		if (IS_ERR(q->thread)) {
			q->thread = NULL;
			return false;
		}
	}
	return true;
}

static void stop_traffic(struct vqt_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr; i++) {
		if (dev->q[i].thread)
			kthread_stop(dev->q[i].thread);
		dev->q[i].thread = NULL;
	}
}

/* One queue after the other is reset while all of them are busy. */
static bool under_traffic(struct vqt_device *dev)
{
	unsigned int i, max, num;
	struct vqt_queue *q;
	int err = 0;

	for (i = 0; i < rounds && !err; i++) {
		q = &dev->q[i % dev->nr];
		max = q->vq->num_max;
		num = max >> (get_random_u32() % 3);
		usleep_range(1000, 20000);
		set_stopped(q, true);
		/* The size that it has would be no reset. */
		if (i & 1 && num != virtqueue_get_vring_size(q->vq))
			err = resize(q, num);
		else
			err = reset(q);
		if (!err && q->busy)
			err = -EBUSY;
		set_stopped(q, false);
		wake_up(&q->wait);
	}
	if (err)
		pr_info("# reset %u of queue %u: %d\n", i - 1,
			(i - 1) % dev->nr, err);
	return !err;
}

static void test_resets(struct vqt_device *dev)
{
	unsigned int i;
	bool ok;

	for (i = 0; i < dev->nr; i++)
		result(dev, down_and_up(&dev->q[i]), "resize", i);
	for (i = 0; i < dev->nr; i++)
		result(dev, recycles(&dev->q[i]), "recycle", i);
	for (i = 0; i < dev->nr; i++)
		result(dev, refused(&dev->q[i]), "refused", i);
	ok = start_traffic(dev) && under_traffic(dev);
	stop_traffic(dev);
	result(dev, ok, "traffic", 0);
	for (i = 0; i < dev->nr; i++)
		result(dev, vqt_wait_idle(&dev->q[i]) && full_ring(&dev->q[i]),
		       "after", i);
}

void vqt_run(struct vqt_device *dev)
{
	bool packed = virtio_has_feature(dev->vdev, VIRTIO_F_RING_PACKED);
	unsigned int i;

	pr_info("KTAP version 1\n");
	pr_info("# %s rings, %u queues of %u entries\n",
		packed ? "packed" : "split", dev->nr, dev->q[0].vq->num_max);
	pr_info("1..%u\n",
		1 + 2 * dev->nr + (io_only ? 0 : 1 + 4 * dev->nr));
	result(dev, write_pattern(&dev->q[0]), "pattern", 0);
	for (i = 0; i < dev->nr; i++)
		result(dev, full_ring(&dev->q[i]), "io", i);
	for (i = 0; i < dev->nr; i++)
		result(dev, torn(&dev->q[i]), "torn", i);
	if (!io_only)
		test_resets(dev);
	for (i = 0; i < dev->nr; i++)
		pr_info("# queue %u: %lu done, %lu recycled, %lu bad\n", i,
			dev->q[i].done, dev->q[i].recycled, dev->q[i].bad);
	pr_info("# vq_test: pass:%u fail:%u\n", dev->tests - dev->failed,
		dev->failed);
}
