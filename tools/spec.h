/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device specifications of the command line
 *
 *	type=blk,path=/srv/disk.img,readonly,queues=2,serial=A1,trusted=0
 *
 * Items are separated by commas; "\," is a comma and "\\" a backslash in a
 * value.  What belongs to the transport is taken out here; the rest is the
 * device's, travels through the private directory in xenstore and is checked
 * by the daemon, so the command need not know the types.
 */

#ifndef XVB_SPEC_H
#define XVB_SPEC_H

#include <stdbool.h>

#include "device.h"

/**
 * struct xvb_spec - a parsed specification
 * @params:	all items; those of the transport are marked as taken
 * @trusted:	the guest may grant memory outside the window
 * @dma:	"window", "direct" or "auto", NULL: as the guest likes; owned by
 *		@params
 * @direct_threshold: bytes from which on mode "auto" grants directly, 0: as the
 *		guest likes
 * @backend:	name or id of the backend's domain, NULL: this one; owned by
 *		@params
 */
struct xvb_spec {
	struct xvb_params params;
	bool trusted;
	const char *dma;
	uint64_t direct_threshold;
	const char *backend;
};

/**
 * xvb_spec_parse() - parse a specification
 * @spec:	the result, for xvb_spec_free() when this returns 0
 * @text:	what the user wrote
 * @err:	what is wrong with it
 *
 * Relative paths become absolute, from the current directory; links are not
 * followed.
 *
 * Return: 0 or -errno.
 */
int xvb_spec_parse(struct xvb_spec *spec, const char *text,
		   struct xvb_error *err);

/**
 * xvb_spec_free() - free what a specification holds
 * @spec:	the specification
 */
void xvb_spec_free(struct xvb_spec *spec);

#endif /* XVB_SPEC_H */
