/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a worker gives up before a guest can talk to it
 *
 * Theory of operation.  A worker starts as root, because it opens the disk,
 * /dev/xen/gntdev and /dev/xen/evtchn.  In this order it
 *
 *	1. empties its capability bounding set (before any thread exists),
 *	2. opens everything, makes every thread it will ever have,
 *	3. takes resource limits: no core dump, no new process or thread, no
 *	   more descriptors than it can need,
 *	4. becomes an unprivileged user, which drops all capabilities in all
 *	   threads, and cannot gain any (no_new_privs),
 *	5. installs a seccomp filter in all threads: no open, no socket, no
 *	   exec, no fork, no signal to others, no executable memory, and only
 *	   those ioctls that mapping, event channels and discard need.
 *
 * What is left to who takes over a worker: its own disk; the event channels
 * of its own guest; and mapping and copying what any guest has granted to this
 * domain, because gntdev takes the domain id in memory that a filter cannot
 * see.
 */

#ifndef XVB_SANDBOX_H
#define XVB_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "log.h"

/**
 * struct xvb_sandbox - how to lock up a worker
 * @enabled:	false: keep root and all system calls, for debugging only
 * @uid:	user that a worker becomes; not 0
 * @gid:	its group; not 0
 * @max_fds:	descriptors that it may have
 */
struct xvb_sandbox {
	bool enabled;
	uid_t uid;
	gid_t gid;
	unsigned int max_fds;
};

/**
 * xvb_sandbox_prepare() - step 1
 * @sb:		how
 * @err:	what went wrong
 *
 * Context: the process has one thread.
 * Return: 0 or -errno.
 */
int xvb_sandbox_prepare(const struct xvb_sandbox *sb, struct xvb_error *err);

/**
 * xvb_sandbox_enter() - steps 3 to 5, for all threads
 * @sb:		how
 * @err:	what went wrong
 *
 * Return: 0 or -errno; after an error the process must end.
 */
int xvb_sandbox_enter(const struct xvb_sandbox *sb, struct xvb_error *err);

#endif /* XVB_SANDBOX_H */
