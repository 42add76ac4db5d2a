/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One event channel with one domain
 *
 * One of the three files that call libxen*.  A handle carries at most one
 * channel, so that its descriptor alone tells who has to look; besides one of the
 * domain with itself, if a thread waits in it.  Opened after fork(2).  Each handle
 * belongs to one thread at a time, but for xvb_evtchn_wake().
 */

#ifndef XVB_EVTCHN_H
#define XVB_EVTCHN_H

#include <stdbool.h>
#include <stdint.h>

struct xvb_evtchn;

/**
 * xvb_evtchn_open() - open the event channel device
 * @domid:	the only domain whose ports can be bound from now on, but for
 *		domain 0: then any can
 * @wakeable:	prepare for xvb_evtchn_wait(), if that can be done: takes two more
 *		ports, of a channel of this domain with itself
 * @out:	the handle, bound to nothing
 *
 * Return: 0 or -errno.
 */
int xvb_evtchn_open(uint32_t domid, bool wakeable, struct xvb_evtchn **out);

/**
 * xvb_evtchn_close() - unbind and close
 * @ec:		the handle, or NULL
 */
void xvb_evtchn_close(struct xvb_evtchn *ec);

/**
 * xvb_evtchn_fd() - descriptor that is readable when an event has come
 * @ec:		the handle
 *
 * Return: the descriptor; the same as long as the handle is open.
 */
int xvb_evtchn_fd(const struct xvb_evtchn *ec);

/**
 * xvb_evtchn_bind() - bind the other domain's unbound port
 * @ec:		the handle, bound to nothing
 * @remote:	its port
 *
 * One event is pending at once.
 *
 * Return: 0, -EBUSY when bound, or -errno.
 */
int xvb_evtchn_bind(struct xvb_evtchn *ec, uint32_t remote);

/**
 * xvb_evtchn_alloc() - make an unbound port for the other domain
 * @ec:		the handle, bound to nothing
 * @port:	what the other domain binds
 *
 * Return: 0, -EBUSY when bound, or -errno.
 */
int xvb_evtchn_alloc(struct xvb_evtchn *ec, uint32_t *port);

/**
 * xvb_evtchn_unbind() - undo xvb_evtchn_bind() or xvb_evtchn_alloc()
 * @ec:		the handle; bound or not
 */
void xvb_evtchn_unbind(struct xvb_evtchn *ec);

/**
 * xvb_evtchn_bound() - whether it is bound
 * @ec:		the handle
 *
 * Return: true when it is.
 */
bool xvb_evtchn_bound(const struct xvb_evtchn *ec);

/**
 * xvb_evtchn_notify() - send an event
 * @ec:		the handle; nothing happens when it is not bound
 */
void xvb_evtchn_notify(struct xvb_evtchn *ec);

/**
 * xvb_evtchn_pending() - take the event that made the descriptor readable
 * @ec:		the handle, with a readable descriptor, else this may block
 *
 * The channel is masked until xvb_evtchn_unmask(); what comes meanwhile is
 * one event after it.
 *
 * Return: true when it was of the bound port, false for a left-over of an
 * earlier one, and for xvb_evtchn_wake().
 */
bool xvb_evtchn_pending(struct xvb_evtchn *ec);

/**
 * xvb_evtchn_wakeable() - whether xvb_evtchn_wait() can be used
 * @ec:		the handle
 *
 * Return: true when it can.
 */
bool xvb_evtchn_wakeable(const struct xvb_evtchn *ec);

/**
 * xvb_evtchn_wait() - sleep until an event comes, or xvb_evtchn_wake()
 * @ec:		the handle, wakeable
 *
 * One system call, where to wait for the descriptor and xvb_evtchn_pending() are
 * two.
 *
 * Return: true for an event of the bound port: as xvb_evtchn_pending().
 */
bool xvb_evtchn_wait(struct xvb_evtchn *ec);

/**
 * xvb_evtchn_wake() - end an xvb_evtchn_wait(), or the next one
 * @ec:		the handle; nothing happens if it is not wakeable
 *
 * Context: any thread.
 */
void xvb_evtchn_wake(struct xvb_evtchn *ec);

/**
 * xvb_evtchn_unmask() - let events in again
 * @ec:		the handle
 */
void xvb_evtchn_unmask(struct xvb_evtchn *ec);

#endif /* XVB_EVTCHN_H */
