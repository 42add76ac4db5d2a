/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Worker processes, seen from the supervisor
 *
 * The worker operations of the bus (xenbus.h): fork, ask, reap.
 */

#ifndef XVB_WPROC_H
#define XVB_WPROC_H

#include "ctl.h"
#include "supervisor.h"
#include "xenbus.h"

/* Worker operations for struct xvb_xenbus. */
extern const struct xvb_worker_ops xvb_wproc_ops;

/**
 * xvb_wproc_init() - before the first worker is started
 * @cfg:	options; must stay
 * @epfd:	where the workers' sockets are watched; the event's data.ptr is
 *		for xvb_wproc_event()
 */
void xvb_wproc_init(const struct xvb_supervisor_config *cfg, int epfd);

/**
 * xvb_wproc_stats() - what a worker does and has done
 * @dev:	device, with a worker or not
 * @out:	filled in, but for what ctl.c knows
 */
void xvb_wproc_stats(const struct xvb_xdev *dev, struct xvb_ctl_stats *out);

/**
 * xvb_wproc_event() - the socket of a worker is readable
 * @ptr:	from the event; of a worker that was not reaped since
 */
void xvb_wproc_event(void *ptr);

/**
 * xvb_wproc_reap() - SIGCHLD has come
 *
 * Takes what dead workers had still to say, and tells the bus.
 */
void xvb_wproc_reap(void);

#endif /* XVB_WPROC_H */
