/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's main process: xenstore and the workers
 *
 * The only process with a connection to xenstore.  One epoll loop, one
 * thread; it never maps a grant and never waits for a guest or a disk.
 */

#ifndef XVB_SUPERVISOR_H
#define XVB_SUPERVISOR_H

#include <stdint.h>

#include "log.h"
#include "sandbox.h"

/**
 * struct xvb_supervisor_config - options of the daemon
 * @max_window_pages: what is offered to each frontend
 * @sandbox:	how workers are locked up
 * @log_fd:	where workers log to
 * @log_level:	what they log
 * @syslog_fd:	nonblocking read end of the pipe behind @log_fd, or -1
 * @ctl_fd:	listening control socket
 * @ready:	called once when devices are served
 */
struct xvb_supervisor_config {
	uint32_t max_window_pages;
	struct xvb_sandbox sandbox;
	int log_fd;
	enum xvb_log_level log_level;
	int syslog_fd;
	int ctl_fd;
	void (*ready)(void);
};

/**
 * xvb_supervisor_run() - serve until SIGTERM or SIGINT
 * @cfg:	options
 * @err:	why it could not start
 *
 * Return: 0 after an orderly end, or -errno.
 */
int xvb_supervisor_run(const struct xvb_supervisor_config *cfg,
		       struct xvb_error *err);

#endif /* XVB_SUPERVISOR_H */
