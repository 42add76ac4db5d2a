// SPDX-License-Identifier: GPL-2.0-only
/*
 * vqt_io.c - requests of vq_test: a pattern is written, and is read back
 */

#include <linux/module.h>
#include <linux/random.h>
#include <linux/scatterlist.h>

#include "vqt.h"

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

static void put_req(struct vqt_queue *q, struct vqt_req *req)
{
	req->busy = false;
	req->next = q->free;
	q->free = req;
	q->busy--;
	wake_up(&q->wait);
}

void vqt_done(struct virtqueue *vq)
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

void vqt_recycle(struct virtqueue *vq, void *buf)
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

int vqt_add(struct vqt_queue *q, unsigned int block, bool in)
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

int vqt_add_torn(struct vqt_queue *q, unsigned int n)
{
	struct scatterlist sg[MAX_TORN + 1], *sgs[] = { sg };
	struct vqt_req *req = q->free;
	unsigned int i;

	if (!req || n > MAX_TORN)
		return -ENOSPC;
	sg_init_table(sg, n + 1);
	for (i = 0; i < n; i++)
		sg_set_buf(&sg[i], req->data, BLOCK);
	/* Nobody gets so far as to look at it. */
	sg_set_buf(&sg[n], req->data, UNMAPPABLE);
	return virtqueue_add_sgs(q->vq, sgs, 1, 0, req, GFP_ATOMIC);
}

unsigned int vqt_add_many(struct vqt_queue *q, unsigned int n, bool in,
			  bool kick)
{
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&q->lock, flags);
	for (i = 0; i < n && !q->stopped; i++)
		if (vqt_add(q, get_random_u32() % BLOCKS, in))
			break;
	if (kick && i)
		virtqueue_kick(q->vq);
	spin_unlock_irqrestore(&q->lock, flags);
	return i;
}

bool vqt_wait_idle(struct vqt_queue *q)
{
	return wait_event_timeout(q->wait, !READ_ONCE(q->busy), TIMEOUT);
}
