// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xen-virtio detach
 *
 * Says online = 0 and Closing, as libxl does, and waits until the backend has
 * closed.  With --force what has not closed in time is removed all the same:
 * the daemon ends the worker of a device whose nodes are gone, and the guest
 * sees an unplugged device.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "xenbus.h"

#define TX_ATTEMPTS	64
#define WAIT_SECONDS	30
#define WAIT_MAX	86400

struct detach {
	struct xvb_cli cli;
	struct xvb_devname name;
	uint32_t devid;
	unsigned int seconds;
	bool force;
	bool found;
	char id[XVB_ATTACH_ID_SIZE];	/* of the device that was found */
};

static int find(void *ctx, const struct xvb_devname *name)
{
	struct detach *d = ctx;

	if (name->fe != d->name.fe || name->devid != d->devid)
		return 0;
	d->name = *name;
	d->found = true;
	return 1;
}

static int ask_once(struct detach *d)
{
	struct xvb_store *st = d->cli.st;
	char dir[XVB_STORE_PATH_MAX];
	uint32_t state;
	int ret;

	xvb_dir_path(&d->name, XVB_DIR_BACKEND, dir);
	ret = xvb_store_read_uint(st, dir, "state", UINT32_MAX, &state);
	if (!ret)
		ret = xvb_store_check_id(st, &d->name, d->id);
	if (!ret)
		ret = xvb_store_write(st, dir, "online", "0");
	if (ret)
		return ret;
	/*
	 * Also when it is closed: that is what the guest did, and the daemon
	 * keeps the file open for its return.  The answer means that it does
	 * not any more.
	 */
	return xvb_store_write(st, dir, "state", "%u", XVB_STATE_CLOSING);
}

static int ask(struct detach *d)
{
	struct xvb_store *st = d->cli.st;
	unsigned int i;
	int ret, end;

	for (i = 0; i < TX_ATTEMPTS; i++) {
		ret = st->ops->begin(st);
		if (ret)
			return ret;
		ret = ask_once(d);
		end = st->ops->end(st, ret != 0);
		if (ret || end != -EAGAIN)
			return ret ? ret : end;
	}
	return -EAGAIN;
}

static bool closed(void *ctx)
{
	struct detach *d = ctx;
	unsigned int state = xvb_cli_read_state(&d->cli, &d->name,
						XVB_DIR_BACKEND);

	return state == XVB_STATE_CLOSED || state == XVB_STATE_UNKNOWN;
}

static int find_device(struct detach *d, const char *domain,
		       struct xvb_error *err)
{
	struct xvb_visit visit = { .fn = find, .ctx = d };
	int ret = xvb_cli_domain(&d->cli, domain, &d->name.fe, err);

	if (ret)
		return ret;
	ret = xvb_cli_for_each(&d->cli, &visit);
	if (ret < 0)
		return xvb_error_set(err, ret, "looking for the device: %s",
				     strerror(-ret));
	if (!d->found)
		return xvb_error_set(err, -ENOENT,
				     "domain %s has no virtio device %u (see \"xen-virtio list\")",
				     domain, d->devid);
	ret = xvb_store_attach_id(d->cli.st, &d->name, d->id);
	if (ret)
		return xvb_error_set(err, ret, "reading the device: %s",
				     strerror(-ret));
	return 0;
}

static int detach(struct detach *d, const char *domain, struct xvb_error *err)
{
	unsigned int state;
	int ret;

	ret = find_device(d, domain, err);
	if (!ret && !d->force)
		ret = xvb_cli_need_daemon(&d->cli, d->name.be, err);
	if (ret)
		return ret;
	ret = ask(d);
	if (!ret)
		ret = xvb_cli_wait(&d->cli, &d->name, d->seconds, closed, d);
	if (ret == -ETIMEDOUT && !d->force) {
		state = xvb_cli_read_state(&d->cli, &d->name,
					   XVB_DIR_FRONTEND);
		return xvb_error_set(err, ret,
				     "the guest has not let go of the device within %u s (its state: %s); it may be in use there; --force removes it all the same",
				     d->seconds, xvb_state_name(state));
	}
	/* Gone meanwhile: with its domain, or somebody was faster. */
	if (ret && ret != -ETIMEDOUT && ret != -ENOENT && ret != -ECANCELED)
		return xvb_error_set(err, ret, "detaching the device: %s",
				     strerror(-ret));
	ret = xvb_store_remove_device(d->cli.st, &d->name, d->id);
	/* Another one has its number: it is gone all the same. */
	if (ret && ret != -ECANCELED)
		return xvb_error_set(err, ret,
				     "removing the device from xenstore: %s",
				     strerror(-ret));
	return 0;
}

static int usage(const char *problem)
{
	if (problem)
		fprintf(stderr, "xen-virtio detach: %s\n", problem);
	fputs("Usage: xen-virtio detach [--force] [--timeout SECONDS] DOMAIN DEVICE\n",
	      stderr);
	return XVB_EXIT_USAGE;
}

static int parse_options(int argc, char **argv, struct detach *d)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	uint32_t seconds;
	int c;

	for (;;) {
		c = getopt_long(argc, argv, "", options, NULL);
		if (c < 0)
			break;
		switch (c) {
		case 'f':
			d->force = true;
			break;
		case 't':
			if (xvb_parse_u32(optarg, WAIT_MAX, &seconds))
				return usage("--timeout takes a number of seconds");
			d->seconds = seconds;
			break;
		default:
			return usage(NULL);
		}
	}
	if (argc - optind != 2)
		return usage("a domain and a device number are needed");
	if (xvb_parse_u32(argv[optind + 1], XVB_DEVID_MAX, &d->devid))
		return usage("the device is a number, as \"xen-virtio list\" shows");
	return 0;
}

int xvb_cli_detach(int argc, char **argv)
{
	struct detach d = { .seconds = WAIT_SECONDS };
	struct xvb_error err = { "" };
	int ret = parse_options(argc, argv, &d);

	if (ret)
		return ret;
	ret = xvb_cli_open(&d.cli, &err);
	if (!ret) {
		ret = detach(&d, argv[optind], &err);
		xvb_cli_close(&d.cli);
	}
	if (ret)
		fprintf(stderr, "xen-virtio: %s\n", err.text);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
