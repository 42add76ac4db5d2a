// SPDX-License-Identifier: GPL-2.0-only
/*
 * vq_test - a driver that does to virtqueues what disks do not
 *
 * Takes a virtio-blk device instead of virtio_blk and, while it is bound, tests
 * each of its queues: I/O with a full ring, virtqueue_resize() and
 * virtqueue_reset() (Linux 6.12) of idle queues, of queues with buffers
 * outstanding, and under traffic on all of them.  The first 4 MiB of the disk are
 * overwritten with a pattern, against which every read is checked.  Results are
 * KTAP in the kernel log.
 */

#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#define BLOCK		4096
#define BLOCKS		1024
#define SECTORS		(BLOCK / 512)
#define MAX_QUEUES	64
#define MAX_REQS	256
#define TIMEOUT		(20 * HZ)

static unsigned int rounds = 100;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "resets of queues under traffic (default 100)");

static bool io_only;
module_param(io_only, bool, 0444);
MODULE_PARM_DESC(io_only, "I/O on all queues, no resets (default N)");

struct vqt_queue;

/**
 * struct vqt_req - one request
 * @q: its queue
 * @hdr: for the device
 * @status: from the device
 * @block: of the disk
 * @data: BLOCK bytes
 * @in: it reads
 * @busy: with the device
 * @next: next free one
 */
struct vqt_req {
	struct vqt_queue *q;
	struct virtio_blk_outhdr hdr;
	u8 status;
	unsigned int block;
	__le64 *data;
	bool in;
	bool busy;
	struct vqt_req *next;
};

/**
 * struct vqt_queue - one queue
 * @dev: the device
 * @vq: the kernel's
 * @lock: protects everything below, and the use of @vq
 * @reqs: requests
 * @free: those that are not with the device
 * @busy: how many are
 * @stopped: nothing may be added
 * @done: completed by the device
 * @recycled: given back by a reset
 * @bad: completed with an error, or with wrong data
 * @wait: woken when something comes back
 * @thread: makes traffic
 */
struct vqt_queue {
	struct vqt_device *dev;
	struct virtqueue *vq;
	spinlock_t lock; /* the queue and what is below */
	struct vqt_req *reqs;
	struct vqt_req *free;
	unsigned int busy;
	bool stopped;
	unsigned long done;
	unsigned long recycled;
	unsigned long bad;
	wait_queue_head_t wait;
	struct task_struct *thread;
};

/**
 * struct vqt_device - the device
 * @vdev: the virtio device
 * @nr: queues
 * @q: the queues
 * @tests: results so far
 * @failed: of these, failures
 */
struct vqt_device {
	struct virtio_device *vdev;
	unsigned int nr;
	struct vqt_queue *q;
	unsigned int tests;
	unsigned int failed;
};

static __le64 pattern(unsigned int block, unsigned int i)
{
	return cpu_to_le64((u64)block << 32 | i << 8 | 0x5a);
}

static void fill(struct vqt_req *req)
{
	unsigned int i;

	for (i = 0; i < BLOCK / sizeof(__le64); i++)
		req->data[i] = pattern(req->block, i);
}

static bool filled(const struct vqt_req *req)
{
	unsigned int i;

	for (i = 0; i < BLOCK / sizeof(__le64); i++)
		if (req->data[i] != pattern(req->block, i))
			return false;
	return true;
}

/*
 * Requests
 */

static void put_req(struct vqt_queue *q, struct vqt_req *req)
{
	req->busy = false;
	req->next = q->free;
	q->free = req;
	q->busy--;
	wake_up(&q->wait);
}

static void vqt_done(struct virtqueue *vq)
{
	struct vqt_device *dev = vq->vdev->priv;
	struct vqt_queue *q = &dev->q[vq->index];
	struct vqt_req *req;
	unsigned long flags;
	unsigned int len;

	spin_lock_irqsave(&q->lock, flags);
	do {
		virtqueue_disable_cb(vq);
		while ((req = virtqueue_get_buf(vq, &len))) {
			if (!req->busy || req->status ||
			    (req->in && !filled(req)))
				q->bad++;
			q->done++;
			put_req(q, req);
		}
	} while (!virtqueue_enable_cb(vq) && !virtqueue_is_broken(vq));
	spin_unlock_irqrestore(&q->lock, flags);
}

static void vqt_recycle(struct virtqueue *vq, void *buf)
{
	struct vqt_device *dev = vq->vdev->priv;
	struct vqt_queue *q = &dev->q[vq->index];
	struct vqt_req *req = buf;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	if (!req->busy)
		q->bad++;
	q->recycled++;
	put_req(q, req);
	spin_unlock_irqrestore(&q->lock, flags);
}

/* Add one request; @q->lock is held.  -ENOSPC when the ring is full. */
static int add_req(struct vqt_queue *q, unsigned int block, bool in)
{
	struct scatterlist hdr, data, status, *sgs[] = { &hdr, &data, &status };
	struct vqt_req *req = q->free;
	int err;

	if (!req)
		return -ENOSPC;
	req->block = block;
	req->status = 0xff;
	req->in = in;
	req->hdr.type = cpu_to_virtio32(q->dev->vdev, in ? VIRTIO_BLK_T_IN :
					VIRTIO_BLK_T_OUT);
	req->hdr.ioprio = 0;
	req->hdr.sector = cpu_to_virtio64(q->dev->vdev,
					  (u64)block * SECTORS);
	if (in)
		memset(req->data, 0, BLOCK);
	else
		fill(req);
	sg_init_one(&hdr, &req->hdr, sizeof(req->hdr));
	sg_init_one(&data, req->data, BLOCK);
	sg_init_one(&status, &req->status, 1);
	err = virtqueue_add_sgs(q->vq, sgs, in ? 1 : 2, in ? 2 : 1, req,
				GFP_ATOMIC);
	if (err)
		return err;
	q->free = req->next;
	req->busy = true;
	q->busy++;
	return 0;
}

/* As many as there is room for, at most @n; how many. */
static unsigned int add_reqs(struct vqt_queue *q, unsigned int n, bool in,
			     bool kick)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&q->lock, flags);
	for (i = 0; i < n && !q->stopped; i++)
		if (add_req(q, get_random_u32() % BLOCKS, in))
			break;
	if (kick && i)
		virtqueue_kick(q->vq);
	spin_unlock_irqrestore(&q->lock, flags);
	return i;
}

static bool wait_idle(struct vqt_queue *q)
{
	return wait_event_timeout(q->wait, !READ_ONCE(q->busy), TIMEOUT);
}

/*
 * Tests
 */

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
			err = add_req(q, block, false);
		} while (!err && ++block < BLOCKS);
		virtqueue_kick(q->vq);
		spin_unlock_irqrestore(&q->lock, flags);
		if (!wait_idle(q))
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
		n = add_reqs(q, MAX_REQS, i & 1, true);
		/* Three descriptors each, or one with indirect ones. */
		if (n < min_t(unsigned int, num / 3, MAX_REQS))
			return false;
		sum += n;
		if (!wait_idle(q))
			return false;
	}
	return !q->bad && q->done == done + sum;
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
		n = add_reqs(q, 1 + i * 5, i & 1, false);
		if (!n || resize(q, i & 1 ? max : max / 2) || q->busy ||
		    q->recycled + q->done != sum + n || !q->recycled)
			return false;
		sum = q->recycled + q->done;
		n = add_reqs(q, 1 + i * 5, i & 1, false);
		if (!n || reset(q) || q->busy ||
		    q->recycled + q->done != sum + n)
			return false;
		if (!full_ring(q))
			return false;
	}
	return !resize(q, max) && full_ring(q);
}

static int traffic(void *data)
{
	struct vqt_queue *q = data;

	while (!kthread_should_stop()) {
		add_reqs(q, 1 + get_random_u32() % 32, get_random_u32() & 1,
			 true);
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
		err = i & 1 ? resize(q, num) : reset(q);
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
		result(dev, wait_idle(&dev->q[i]) && full_ring(&dev->q[i]),
		       "after", i);
}

static void run_tests(struct vqt_device *dev)
{
	bool packed = virtio_has_feature(dev->vdev, VIRTIO_F_RING_PACKED);
	unsigned int i;

	pr_info("KTAP version 1\n");
	pr_info("# %s rings, %u queues of %u entries\n",
		packed ? "packed" : "split", dev->nr, dev->q[0].vq->num_max);
	pr_info("1..%u\n", io_only ? 1 + dev->nr : 2 + 5 * dev->nr);
	result(dev, write_pattern(&dev->q[0]), "pattern", 0);
	for (i = 0; i < dev->nr; i++)
		result(dev, full_ring(&dev->q[i]), "io", i);
	if (!io_only)
		test_resets(dev);
	for (i = 0; i < dev->nr; i++)
		pr_info("# queue %u: %lu done, %lu recycled, %lu bad\n", i,
			dev->q[i].done, dev->q[i].recycled, dev->q[i].bad);
	pr_info("# vq_test: pass:%u fail:%u\n", dev->tests - dev->failed,
		dev->failed);
}

/*
 * The device
 */

#ifdef VQT_HAVE_VQ_INFO
static int find_vqs(struct vqt_device *dev, struct virtqueue **vqs)
{
	struct irq_affinity desc = { 0 };
	struct virtqueue_info *info;
	unsigned int i;
	int err;

	info = kcalloc(dev->nr, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < dev->nr; i++) {
		info[i].name = "test";
		info[i].callback = vqt_done;
	}
	err = virtio_find_vqs(dev->vdev, dev->nr, vqs, info, &desc);
	kfree(info);
	return err;
}
#else
static int find_vqs(struct vqt_device *dev, struct virtqueue **vqs)
{
	struct irq_affinity desc = { 0 };
	struct {
		vq_callback_t *callback[MAX_QUEUES];
		const char *name[MAX_QUEUES];
	} *info;
	unsigned int i;
	int err;

	info = kzalloc(sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < dev->nr; i++) {
		info->name[i] = "test";
		info->callback[i] = vqt_done;
	}
	err = virtio_find_vqs(dev->vdev, dev->nr, vqs, info->callback,
			      info->name, &desc);
	kfree(info);
	return err;
}
#endif

static int alloc_queue(struct vqt_queue *q)
{
	unsigned int i;

	spin_lock_init(&q->lock);
	init_waitqueue_head(&q->wait);
	q->reqs = kcalloc(MAX_REQS, sizeof(*q->reqs), GFP_KERNEL);
	if (!q->reqs)
		return -ENOMEM;
	for (i = 0; i < MAX_REQS; i++) {
		q->reqs[i].q = q;
		q->reqs[i].data = kmalloc(BLOCK, GFP_KERNEL);
		if (!q->reqs[i].data)
			return -ENOMEM;
		q->reqs[i].next = q->free;
		q->free = &q->reqs[i];
	}
	return 0;
}

static void free_queues(struct vqt_device *dev)
{
	unsigned int i, k;

	for (i = 0; i < dev->nr; i++) {
		for (k = 0; dev->q[i].reqs && k < MAX_REQS; k++)
			kfree(dev->q[i].reqs[k].data);
		kfree(dev->q[i].reqs);
	}
	kfree(dev->q);
	kfree(dev);
}

static int alloc_queues(struct vqt_device *dev)
{
	unsigned int i;
	int err = 0;

	dev->q = kcalloc(dev->nr, sizeof(*dev->q), GFP_KERNEL);
	if (!dev->q) {
		dev->nr = 0;
		return -ENOMEM;
	}
	for (i = 0; i < dev->nr && !err; i++) {
		dev->q[i].dev = dev;
		err = alloc_queue(&dev->q[i]);
	}
	return err;
}

static int vqt_probe(struct virtio_device *vdev)
{
	struct virtqueue **vqs;
	struct vqt_device *dev;
	unsigned int i;
	u16 nr = 1;
	int err;

	if (!virtio_has_feature(vdev, VIRTIO_F_RING_RESET)) {
		dev_err(&vdev->dev, "VIRTIO_F_RING_RESET is not offered\n");
		return -ENODEV;
	}
	virtio_cread_feature(vdev, VIRTIO_BLK_F_MQ, struct virtio_blk_config,
			     num_queues, &nr);
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	dev->vdev = vdev;
	dev->nr = clamp_t(unsigned int, nr, 1, MAX_QUEUES);
	vdev->priv = dev;
	err = alloc_queues(dev);
	if (err)
		goto err_free;
	err = -ENOMEM;
	vqs = kcalloc(dev->nr, sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		goto err_free;
	err = find_vqs(dev, vqs);
	for (i = 0; !err && i < dev->nr; i++)
		dev->q[i].vq = vqs[i];
	kfree(vqs);
	if (err)
		goto err_free;
	virtio_device_ready(vdev);
	run_tests(dev);
	return 0;

err_free:
	free_queues(dev);
	return err;
}

static void vqt_remove(struct virtio_device *vdev)
{
	struct vqt_device *dev = vdev->priv;

	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
	free_queues(dev);
}

static const struct virtio_device_id ids[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static const unsigned int features[] = {
	VIRTIO_BLK_F_MQ,
};

static struct virtio_driver vqt_driver = {
	.feature_table = features,
	.feature_table_size = ARRAY_SIZE(features),
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.id_table = ids,
	.probe = vqt_probe,
	.remove = vqt_remove,
};

module_virtio_driver(vqt_driver);

MODULE_DESCRIPTION("tests of virtqueues");
MODULE_LICENSE("GPL");
