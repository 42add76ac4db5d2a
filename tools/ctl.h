/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's local socket, and the lock that makes it the only one
 *
 * A client sends one line, gets one answer and the end of the connection.
 * "version" is answered with "xen-virtiod VERSION"; anything else with
 * "error: ...".  Only root can reach the socket.
 */

#ifndef XVB_CTL_H
#define XVB_CTL_H

#include <stddef.h>

#include "log.h"

#define XVB_RUN_DIR	"/run/xen-virtio"
#define XVB_CTL_MAX	4096

/**
 * xvb_ctl_lock() - be the only daemon
 * @err:	who is it instead
 *
 * Makes XVB_RUN_DIR; the lock lasts as long as the descriptor.
 *
 * Return: a descriptor, or -errno.
 */
int xvb_ctl_lock(struct xvb_error *err);

/**
 * xvb_ctl_write_pid() - note the process in the lock file
 * @fd:		from xvb_ctl_lock()
 */
void xvb_ctl_write_pid(int fd);

/**
 * xvb_ctl_listen() - make the socket
 * @err:	what went wrong
 *
 * Context: with the lock.
 * Return: a nonblocking descriptor, or -errno.
 */
int xvb_ctl_listen(struct xvb_error *err);

/**
 * xvb_ctl_serve() - answer one client
 * @fd:		listening socket, readable
 *
 * Waits at most a second for a client that is slow.
 */
void xvb_ctl_serve(int fd);

/**
 * xvb_ctl_unlink() - remove the socket
 *
 * Context: with the lock.
 */
void xvb_ctl_unlink(void);

/**
 * xvb_ctl_ask() - ask the daemon, as a client
 * @line:	the request, without newline
 * @answer:	the answer without newline, XVB_CTL_MAX bytes
 *
 * Return: 0, or -errno when there is no daemon that answers.
 */
int xvb_ctl_ask(const char *line, char answer[XVB_CTL_MAX]);

#endif /* XVB_CTL_H */
