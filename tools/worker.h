/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process of one device
 */

#ifndef XVB_WORKER_H
#define XVB_WORKER_H

#include <stdint.h>

#include "device.h"
#include "sandbox.h"

/**
 * struct xvb_worker_config - what a worker is made for
 * @fe:		domain id of its guest
 * @devid:	number of the device
 * @max_window_pages: limit on what the guest may have mapped
 * @params:	specification of the device, without that of the transport
 * @stats:	zeroes, shared with the supervisor: where it counts
 * @sandbox:	how to lock it up; @max_fds is filled in by the worker
 * @sock:	its end of the socket to the supervisor
 */
struct xvb_worker_config {
	uint32_t fe;
	uint32_t devid;
	uint32_t max_window_pages;
	struct xvb_params *params;
	struct xvb_stats *stats;
	struct xvb_sandbox sandbox;
	int sock;
};

/**
 * xvb_worker_main() - be the worker
 * @cfg:	what for
 *
 * Context: a freshly forked child that has closed every descriptor but the
 * standard ones and @cfg->sock, and has default signal handling but for
 * SIGINT, SIGTERM and SIGHUP, which it ignores.
 *
 * Ends when it is told to or when the supervisor is gone; finishes the I/O in
 * flight first.
 *
 * Return: exit status of the process.
 */
int xvb_worker_main(const struct xvb_worker_config *cfg);

#endif /* XVB_WORKER_H */
