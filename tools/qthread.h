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

#include <time.h>

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
 * xvb_qthread_pause() - as xvb_qthread_park(), but it may be taken back
 * @t:		the thread
 *
 * While something is in flight, xvb_qthread_run() makes it go on at once.
 */
void xvb_qthread_pause(struct xvb_qthread *t);

/**
 * xvb_qthread_deadline() - when some time will have passed
 * @deadline:	set to that time, for xvb_qthread_wait()
 * @ms:		milliseconds from now on
 */
void xvb_qthread_deadline(struct timespec *deadline, unsigned int ms);

/**
 * xvb_qthread_wait() - wait until it is parked
 * @t:		the thread, asked by xvb_qthread_park() or
 *		xvb_qthread_pause() before
 * @deadline:	do not wait longer; NULL: as long as it takes
 *
 * Afterwards it touches neither queue nor event channel until
 * xvb_qthread_run(), which may also be called when a pause is not in time.
 *
 * Return: 0, or -EBUSY when it was not parked in time.
 */
int xvb_qthread_wait(struct xvb_qthread *t, const struct timespec *deadline);

#endif /* XVB_QTHREAD_H */
