/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages between the supervisor and a worker
 *
 * Over a SOCK_SEQPACKET pair, each of exactly this size.  The supervisor
 * treats what a worker sends as it treats what a guest sends.
 */

#ifndef XVB_IPC_H
#define XVB_IPC_H

#include <stdint.h>

#include "log.h"

/**
 * enum xvb_ipc_type - kinds of messages
 * @XVB_IPC_CONNECT:	to the worker: map the ring @ref, bind @port
 * @XVB_IPC_DISCONNECT:	to the worker: drain and unmap
 * @XVB_IPC_STOP:	to the worker: do the same, close everything, exit
 * @XVB_IPC_READY:	from it: the device is open
 * @XVB_IPC_FAILED:	from it: the device cannot be opened, for @text; it
 *			exits
 * @XVB_IPC_CONNECTED:	from it: the guest is served
 * @XVB_IPC_DISCONNECTED: from it: the guest's memory and channels are
 *			released; @text says why when it was not asked to
 */
enum xvb_ipc_type {
	XVB_IPC_CONNECT = 1,
	XVB_IPC_DISCONNECT,
	XVB_IPC_STOP,
	XVB_IPC_READY,
	XVB_IPC_FAILED,
	XVB_IPC_CONNECTED,
	XVB_IPC_DISCONNECTED,
};

/**
 * struct xvb_ipc - a message
 * @type:	what it says
 * @ref:	grant reference of the interface page
 * @port:	the guest's port
 * @seq:	number of the last CONNECT or DISCONNECT that was sent, or, in
 *		an answer, obeyed: an answer to an earlier one does not count
 * @text:	one line, or ""
 */
struct xvb_ipc {
	uint32_t type;
	uint32_t ref;
	uint32_t port;
	uint32_t seq;
	char text[XVB_ERROR_SIZE];
};

#endif /* XVB_IPC_H */
