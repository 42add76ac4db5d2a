/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The thread of one virtqueue
 *
 * Sleeps on the event channel of the queue and on the descriptors of the
 * device; runs the queue.  The control thread makes it work (run) or drain
 * and wait (park).  Made before privileges are dropped, for every queue that
 * the device has; nothing is created or opened later.
 */

#ifndef XVB_QTHREAD_H
#define XVB_QTHREAD_H

#include "device.h"
#include "evtchn.h"
#include "log.h"

struct xvb_qthread;

/**
 * xvb_qthread_create() - make a thread that is parked
 * @q:		its queue
 * @ec:		event channel of the queue, bound or not; used by this thread
 *		while it is not parked
 * @out:	the thread
 *
 * Return: 0 or -errno.
 */
int xvb_qthread_create(struct xvb_queue *q, struct xvb_evtchn *ec,
		       struct xvb_qthread **out);

/**
 * xvb_qthread_destroy() - end a thread
 * @t:		the thread, parked, or NULL
 */
void xvb_qthread_destroy(struct xvb_qthread *t);

/**
 * xvb_qthread_run() - let it work, and look at the ring at once
 * @t:		the thread; its queue is started
 */
void xvb_qthread_run(struct xvb_qthread *t);

/**
 * xvb_qthread_park() - ask it to drain and wait
 * @t:		the thread
 *
 * Does not wait, so that several can drain at the same time.
 */
void xvb_qthread_park(struct xvb_qthread *t);

/**
 * xvb_qthread_wait() - wait until it is parked
 * @t:		the thread, asked by xvb_qthread_park() before
 *
 * Afterwards it touches neither queue nor event channel until
 * xvb_qthread_run().
 */
void xvb_qthread_wait(struct xvb_qthread *t);

#endif /* XVB_QTHREAD_H */
