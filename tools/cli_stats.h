/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How "xen-virtio stats" shows a device: a table or JSON
 *
 * Knows neither xenstore nor the daemon, so that a test can look at it.
 */

#ifndef XVB_CLI_STATS_H
#define XVB_CLI_STATS_H

#include <stdio.h>

#include "ctl.h"
#include "store.h"

struct json_object;

/**
 * struct xvb_stats_view - a device to show
 * @name:	its name
 * @domain:	name of the frontend's domain, printable, or ""
 * @type:	type of the device, printable, or ""
 * @now:	what the daemon said
 * @before:	what it said the last time, for rates, or NULL
 */
struct xvb_stats_view {
	struct xvb_devname name;
	const char *domain;
	const char *type;
	const struct xvb_ctl_stats *now;
	const struct xvb_ctl_stats *before;
};

/**
 * xvb_stats_show() - as a table
 * @f:		where to
 * @view:	what
 * @width:	columns of characters; when there are more queues than fit,
 *		the table goes on below
 *
 * Lines of counters that are 0 are left out, but for a few.
 */
void xvb_stats_show(FILE *f, const struct xvb_stats_view *view,
		    unsigned int width);

/**
 * xvb_stats_json() - as an object of JSON
 * @view:	what; @before is not looked at
 *
 * The keys are described in xen-virtio(8), and stay.
 *
 * Return: the object, for json_object_put().
 */
struct json_object *xvb_stats_json(const struct xvb_stats_view *view);

#endif /* XVB_CLI_STATS_H */
