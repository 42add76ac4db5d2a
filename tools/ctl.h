/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's local socket, and the lock that makes it the only one
 *
 * A client sends one line, gets one answer and the end of the connection.
 * "version" is answered with "xen-virtiod VERSION", "stats DOMID DEVICE" with a
 * struct xvb_ctl_stats; anything else with "error: ...".  Only root can reach
 * the socket.
 */

#ifndef XVB_CTL_H
#define XVB_CTL_H

#include <stddef.h>

#include "log.h"
#include "stats.h"

#define XVB_RUN_DIR	"/run/xen-virtio"
#define XVB_CTL_MAX	4096

/* The last digit is the version of what follows it. */
#define XVB_CTL_STATS_MAGIC	UINT64_C(0x7876737461743031)

/**
 * struct xvb_ctl_stats - what the daemon knows of a device's worker
 * @magic:	XVB_CTL_STATS_MAGIC
 * @nr_vq_stats: number of counters of a queue
 * @nr_device_stats: and of a device: another number is another version
 * @pid:	process, 0 for none: then there are no counters
 * @pad:	0
 * @now_ms:	CLOCK_MONOTONIC when this was made
 * @uptime_ms:	since the worker was started
 * @connected_ms: since it serves its guest, 0 when it does not
 * @state:	what it does, a word
 * @stats:	its counters, from xvb_stats_read()
 *
 * All but @stats is the daemon's own knowledge.
 */
struct xvb_ctl_stats {
	uint64_t magic;
	uint32_t nr_vq_stats;
	uint32_t nr_device_stats;
	int32_t pid;
	uint32_t pad;
	uint64_t now_ms;
	uint64_t uptime_ms;
	uint64_t connected_ms;
	char state[16];
	struct xvb_stats stats;
};

/**
 * struct xvb_ctl_handler - who knows the answers
 * @stats:	fill in @out, which is zeroes but for its first three members;
 *		0, or -ENOENT when there is no such device
 * @ctx:	for @stats
 */
struct xvb_ctl_handler {
	int (*stats)(void *ctx, uint32_t fe, uint32_t devid,
		     struct xvb_ctl_stats *out);
	void *ctx;
};

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
 * @handler:	who knows
 *
 * Waits at most a second for a client that is slow.
 */
void xvb_ctl_serve(int fd, const struct xvb_ctl_handler *handler);

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

/**
 * xvb_ctl_check_stats() - whether an answer is a struct xvb_ctl_stats
 * @buf:	the answer
 * @len:	bytes of it
 * @out:	a copy
 *
 * Return: 0; -ENOENT: the daemon does not know the device; -EPROTO: it is of
 * another version.
 */
int xvb_ctl_check_stats(const void *buf, size_t len, struct xvb_ctl_stats *out);

/**
 * xvb_ctl_ask_stats() - ask the daemon about a device, as a client
 * @fe:		domain of the frontend
 * @devid:	number of the device
 * @out:	the answer
 *
 * Return: as xvb_ctl_check_stats(), or another -errno when there is no daemon
 * that answers.
 */
int xvb_ctl_ask_stats(uint32_t fe, uint32_t devid, struct xvb_ctl_stats *out);

#endif /* XVB_CTL_H */
