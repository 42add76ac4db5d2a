// SPDX-License-Identifier: GPL-2.0-only
/*
 * One event channel with one domain: libxenevtchn with 0/-errno
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xenevtchn.h>

#include "evtchn.h"
#include "log.h"
#include "util.h"

#define UNBOUND		(-1)

struct xvb_evtchn {
	xenevtchn_handle *handle;
	uint32_t domid;
	int port;	/* local, or UNBOUND */
	int wake[2];	/* both ends of a channel with ourselves, or UNBOUND */
};

static int errno_or_eio(void)
{
	return errno ? -errno : -EIO;
}

/* Without it nobody can wait in this handle, and that is all. */
static void make_wakeable(struct xvb_evtchn *ec)
{
	int near, far;

	near = xenevtchn_bind_unbound_port(ec->handle, DOMID_SELF);
	if (near < 0)
		return;
	far = xenevtchn_bind_interdomain(ec->handle, DOMID_SELF, near);
	if (far < 0) {
		xenevtchn_unbind(ec->handle, (evtchn_port_t)near);
		return;
	}
	ec->wake[0] = near;
	ec->wake[1] = far;
}

int xvb_evtchn_open(uint32_t domid, bool wakeable, struct xvb_evtchn **out)
{
	struct xvb_evtchn *ec = calloc(1, sizeof(*ec));
	int err;

	if (!ec)
		return -ENOMEM;
	ec->port = UNBOUND;
	ec->wake[0] = UNBOUND;
	ec->wake[1] = UNBOUND;
	ec->domid = domid;
	ec->handle = xenevtchn_open(NULL, 0);
	if (!ec->handle) {
		err = errno_or_eio();
		goto err_free;
	}
	if (wakeable)
		make_wakeable(ec);
	/*
	 * Whoever takes over this process gets no other domain's ports.  Linux
	 * refuses that for domain 0, which may do everything anyway.
	 */
	if (domid && xenevtchn_restrict(ec->handle, (domid_t)domid)) {
		err = errno_or_eio();
		goto err_close;
	}
	*out = ec;
	return 0;

err_close:
	xenevtchn_close(ec->handle);
err_free:
	free(ec);
	return err;
}

void xvb_evtchn_close(struct xvb_evtchn *ec)
{
	if (!ec)
		return;
	xenevtchn_close(ec->handle);
	free(ec);
}

int xvb_evtchn_fd(const struct xvb_evtchn *ec)
{
	return xenevtchn_fd(ec->handle);
}

int xvb_evtchn_bind(struct xvb_evtchn *ec, uint32_t remote)
{
	int port;

	if (ec->port != UNBOUND)
		return -EBUSY;
	port = xenevtchn_bind_interdomain(ec->handle, ec->domid, remote);
	if (port < 0)
		return errno_or_eio();
	ec->port = port;
	return 0;
}

int xvb_evtchn_alloc(struct xvb_evtchn *ec, uint32_t *port)
{
	int own;

	if (ec->port != UNBOUND)
		return -EBUSY;
	own = xenevtchn_bind_unbound_port(ec->handle, ec->domid);
	if (own < 0)
		return errno_or_eio();
	ec->port = own;
	*port = (uint32_t)own;
	return 0;
}

void xvb_evtchn_unbind(struct xvb_evtchn *ec)
{
	if (ec->port == UNBOUND)
		return;
	if (xenevtchn_unbind(ec->handle, (evtchn_port_t)ec->port))
		xvb_err("unbinding port %d of domain %u: %s", ec->port,
			ec->domid, strerror(errno));
	ec->port = UNBOUND;
}

bool xvb_evtchn_bound(const struct xvb_evtchn *ec)
{
	return ec->port != UNBOUND;
}

void xvb_evtchn_notify(struct xvb_evtchn *ec)
{
	/* Fails only when the guest has closed its end: nobody listens. */
	if (ec->port != UNBOUND)
		xenevtchn_notify(ec->handle, (evtchn_port_t)ec->port);
}

bool xvb_evtchn_pending(struct xvb_evtchn *ec)
{
	int port = xenevtchn_pending(ec->handle);

	if (port < 0)
		return false;
	/* The end that we send from has an event at first, too. */
	if (unlikely(port == ec->wake[0] || port == ec->wake[1]))
		xenevtchn_unmask(ec->handle, (evtchn_port_t)port);
	return port == ec->port;
}

bool xvb_evtchn_wakeable(const struct xvb_evtchn *ec)
{
	return ec->wake[0] != UNBOUND;
}

bool xvb_evtchn_wait(struct xvb_evtchn *ec)
{
	/* The descriptor blocks. */
	return xvb_evtchn_pending(ec);
}

void xvb_evtchn_wake(struct xvb_evtchn *ec)
{
	if (xvb_evtchn_wakeable(ec))
		xenevtchn_notify(ec->handle, (evtchn_port_t)ec->wake[1]);
}

void xvb_evtchn_unmask(struct xvb_evtchn *ec)
{
	if (ec->port != UNBOUND)
		xenevtchn_unmask(ec->handle, (evtchn_port_t)ec->port);
}
