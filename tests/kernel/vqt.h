/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vqt.h - what the files of vq_test share
 *
 * vqt_main.c	the driver
 * vqt_io.c	requests
 * vqt_tests.c	tests
 */

#ifndef VQT_H
#define VQT_H

#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_blk.h>
#include <linux/wait.h>

#define BLOCK		4096
#define BLOCKS		1024
#define SECTORS		(BLOCK / 512)
#define MAX_QUEUES	64
#define MAX_REQS	256
#define MAX_TORN	12
#define UNMAPPABLE	BIT(20)
#define TIMEOUT		(20 * HZ)

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

/**
 * vqt_done() - callback of each queue
 * @vq: the queue
 *
 * Context: any.
 */
void vqt_done(struct virtqueue *vq);

/**
 * vqt_recycle() - takes a request that a reset gives back
 * @vq: the queue
 * @buf: the request
 */
void vqt_recycle(struct virtqueue *vq, void *buf);

/**
 * vqt_add() - add one request
 * @q: queue, locked
 * @block: of the disk
 * @in: read it, and not write
 *
 * Return: 0, or -ENOSPC when the ring is full, or another -errno.
 */
int vqt_add(struct vqt_queue *q, unsigned int block, bool in);

/**
 * vqt_add_torn() - try to add a chain that cannot be mapped to its end
 * @q: queue, locked
 * @n: buffers that can be, before one that cannot; up to MAX_TORN
 *
 * Return: -errno; 0 would be a mistake of the DMA layer's.
 */
int vqt_add_torn(struct vqt_queue *q, unsigned int n);

/**
 * vqt_add_many() - add requests for any blocks
 * @q: queue, not locked
 * @n: at most so many, less when there is no room or the queue is stopped
 * @in: reads, not writes
 * @kick: tell the device
 *
 * Return: how many.
 */
unsigned int vqt_add_many(struct vqt_queue *q, unsigned int n, bool in,
			  bool kick);

/**
 * vqt_wait_idle() - wait until nothing is with the device
 * @q: queue
 *
 * Return: false when it takes too long.
 */
bool vqt_wait_idle(struct vqt_queue *q);

/**
 * vqt_run() - all tests
 * @dev: the device
 */
void vqt_run(struct vqt_device *dev);

#endif /* VQT_H */
