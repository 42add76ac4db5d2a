/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The store that is xenstore
 *
 * One of the three files that call libxen*.  A connection must not be used
 * after fork(2) by the child.
 */

#ifndef XVB_XS_H
#define XVB_XS_H

#include "store.h"

struct xvb_xs;

/**
 * xvb_xs_open() - connect to xenstore
 * @out:	the connection
 *
 * Return: 0 or -errno.
 */
int xvb_xs_open(struct xvb_xs **out);

/**
 * xvb_xs_close() - end the connection, with all its watches
 * @xs:		the connection, or NULL
 */
void xvb_xs_close(struct xvb_xs *xs);

/**
 * xvb_xs_store() - the connection as a store
 * @xs:		the connection
 *
 * Return: the store, valid until xvb_xs_close().
 */
struct xvb_store *xvb_xs_store(struct xvb_xs *xs);

/**
 * xvb_xs_fd() - descriptor that is readable when a watch has fired
 * @xs:		the connection
 *
 * Return: the descriptor.
 */
int xvb_xs_fd(struct xvb_xs *xs);

/**
 * xvb_xs_next_event() - take one watch event, without waiting
 * @xs:		the connection
 * @path:	path that changed, XVB_STORE_PATH_MAX bytes; a longer path is
 *		cut off, which no path of ours is
 * @token:	token of the watch, XVB_STORE_PATH_MAX bytes
 *
 * Return: 1 with an event, 0 when there is none, or -errno when the
 * connection is lost.
 */
int xvb_xs_next_event(struct xvb_xs *xs, char path[XVB_STORE_PATH_MAX],
		      char token[XVB_STORE_PATH_MAX]);

/**
 * xvb_xs_own_domid() - domain id of the domain that this process runs in
 * @xs:		the connection
 * @domid:	the id
 *
 * Return: 0 or -errno.
 */
int xvb_xs_own_domid(struct xvb_xs *xs, uint32_t *domid);

#endif /* XVB_XS_H */
