// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xen-virtio attach
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <xen/io/virtioif.h>

#include "cli.h"
#include "spec.h"
#include "xenbus.h"

#define TX_ATTEMPTS	64
#define DEVICES_MAX	256
#define OPEN_SECONDS	30
#define WAIT_SECONDS	30
#define WAIT_MAX	86400

struct attach {
	struct xvb_cli cli;
	struct xvb_spec spec;
	struct xvb_devname name;
	char id[XVB_ATTACH_ID_SIZE];
	unsigned int wait;	/* seconds for Connected, 0: do not wait */
	unsigned int wanted;	/* state that is waited for */
	char *error;		/* from the daemon, or NULL */
	bool removed;		/* by somebody else */
};

/* 1 when something has this number already, 0 when not, or -errno. */
static int in_use(struct attach *a)
{
	static const enum xvb_dir dirs[] = {
		XVB_DIR_FRONTEND, XVB_DIR_BACKEND, XVB_DIR_PRIVATE,
	};
	char path[XVB_STORE_PATH_MAX];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 3 && !ret; i++) {
		xvb_dir_path(&a->name, dirs[i], path);
		ret = xvb_store_exists(a->cli.st, path);
	}
	return ret;
}

/*
 * Makes a directory of a device.  What is written below it afterwards has the
 * same permissions.
 */
static int make_dir(struct attach *a, enum xvb_dir dir, uint32_t owner,
		    int reader, char path[XVB_STORE_PATH_MAX])
{
	struct xvb_store *st = a->cli.st;
	int ret;

	xvb_dir_path(&a->name, dir, path);
	ret = st->ops->mkdir(st, path);
	return ret ? ret : st->ops->set_perms(st, path, owner, reader);
}

/* The parents that we make, so that a driver domain can remove them. */
static int make_parents(struct attach *a, enum xvb_dir dir)
{
	struct xvb_store *st = a->cli.st;
	char type[XVB_STORE_PATH_MAX], path[XVB_STORE_PATH_MAX + 16];
	int ret, found;

	xvb_type_path(a->name.be, dir, type);
	found = xvb_store_exists(st, type);
	if (!found) {
		ret = st->ops->mkdir(st, type);
		if (!ret)
			ret = st->ops->set_perms(st, type, a->name.be,
						 XVB_STORE_NO_READER);
		if (ret)
			return ret;
	}
	snprintf(path, sizeof(path), "%s/%u", type, a->name.fe);
	found = found < 0 ? found : xvb_store_exists(st, path);
	if (found)
		return found < 0 ? found : 0;
	ret = st->ops->mkdir(st, path);
	return ret ? ret : st->ops->set_perms(st, path, a->name.be,
					      XVB_STORE_NO_READER);
}

/* In the frontend's directory, which the backend's domain can only read. */
static int write_dma(struct attach *a, const char *dir)
{
	struct xvb_store *st = a->cli.st;
	int ret = xvb_store_write(st, dir, XVIO_NODE_TRUSTED, "%d",
				  a->spec.trusted);

	if (!ret && a->spec.dma)
		ret = xvb_store_write(st, dir, XVIO_NODE_DMA_MODE, "%s",
				      a->spec.dma);
	if (!ret && a->spec.direct_threshold)
		ret = xvb_store_write(st, dir, XVIO_NODE_DIRECT_THRESHOLD,
				      "%llu", (unsigned long long)
				      a->spec.direct_threshold);
	return ret;
}

static int write_frontend(struct attach *a)
{
	char dir[XVB_STORE_PATH_MAX], back[XVB_STORE_PATH_MAX];
	struct xvb_store *st = a->cli.st;
	int ret;

	xvb_dir_path(&a->name, XVB_DIR_BACKEND, back);
	ret = make_dir(a, XVB_DIR_FRONTEND, a->name.fe, (int)a->name.be, dir);
	if (!ret)
		ret = xvb_store_write(st, dir, "backend", "%s", back);
	if (!ret)
		ret = xvb_store_write(st, dir, "backend-id", "%u", a->name.be);
	if (!ret)
		ret = xvb_store_write(st, dir, XVIO_NODE_TRANSPORT,
				      XVIO_TRANSPORT_XENBUS);
	if (!ret)
		ret = write_dma(a, dir);
	if (!ret)
		ret = xvb_store_write(st, dir, "state", "%u",
				      XVB_STATE_INITIALISING);
	return ret;
}

static int write_backend(struct attach *a)
{
	char dir[XVB_STORE_PATH_MAX], front[XVB_STORE_PATH_MAX];
	struct xvb_store *st = a->cli.st;
	int ret = make_parents(a, XVB_DIR_BACKEND);

	xvb_dir_path(&a->name, XVB_DIR_FRONTEND, front);
	if (!ret)
		ret = make_dir(a, XVB_DIR_BACKEND, a->name.be, (int)a->name.fe,
			       dir);
	if (!ret)
		ret = xvb_store_write(st, dir, "frontend", "%s", front);
	if (!ret)
		ret = xvb_store_write(st, dir, "frontend-id", "%u", a->name.fe);
	if (!ret)
		ret = xvb_store_write(st, dir, XVIO_NODE_TRANSPORT,
				      XVIO_TRANSPORT_XENBUS);
	if (!ret)
		ret = xvb_store_write(st, dir, "online", "1");
	if (!ret)
		ret = xvb_store_write(st, dir, "state", "%u",
				      XVB_STATE_INITIALISING);
	return ret;
}

static int write_private(struct attach *a)
{
	char dir[XVB_STORE_PATH_MAX];
	unsigned int i;
	int ret;

	ret = make_parents(a, XVB_DIR_PRIVATE);
	if (!ret)
		ret = make_dir(a, XVB_DIR_PRIVATE, a->name.be,
			       XVB_STORE_NO_READER, dir);
	if (!ret)
		ret = xvb_store_write(a->cli.st, dir, XVB_NODE_ATTACH_ID, "%s",
				      a->id);
	for (i = 0; i < a->spec.params.nr && !ret; i++) {
		const struct xvb_param *p = &a->spec.params.param[i];

		/* What was taken is the transport's. */
		if (!p->taken)
			ret = xvb_store_write(a->cli.st, dir, p->key, "%s",
					      p->value);
	}
	return ret;
}

/* The backend's state is what the daemon waits for: it comes last. */
static int write_once(struct attach *a)
{
	int ret;

	for (a->name.devid = 0; a->name.devid < DEVICES_MAX; a->name.devid++) {
		ret = in_use(a);
		if (ret < 0)
			return ret;
		if (!ret)
			break;
	}
	if (a->name.devid == DEVICES_MAX)
		return -ENOSPC;
	ret = write_private(a);
	if (!ret)
		ret = write_frontend(a);
	return ret ? ret : write_backend(a);
}

static int write_nodes(struct attach *a, struct xvb_error *err)
{
	struct xvb_store *st = a->cli.st;
	unsigned int i;
	int ret, end;

	for (i = 0; i < TX_ATTEMPTS; i++) {
		ret = st->ops->begin(st);
		if (ret)
			break;
		ret = write_once(a);
		end = st->ops->end(st, ret != 0);
		if (!ret)
			ret = end;
		if (ret != -EAGAIN)
			break;
	}
	if (ret == -ENOSPC && a->name.devid == DEVICES_MAX)
		return xvb_error_set(err, ret,
				     "the domain has %u virtio devices already",
				     DEVICES_MAX);
	if (ret)
		return xvb_error_set(err, ret,
				     "writing the device to xenstore: %s",
				     strerror(-ret));
	return 0;
}

static bool reached(void *ctx)
{
	struct attach *a = ctx;
	char dir[XVB_STORE_PATH_MAX];
	unsigned int state;

	/* Removed, and its number given to another one: no news of ours. */
	if (xvb_store_check_id(a->cli.st, &a->name, a->id) == -ECANCELED) {
		a->removed = true;
		return true;
	}
	xvb_dir_path(&a->name, XVB_DIR_PRIVATE, dir);
	if (!a->error)
		xvb_store_read(a->cli.st, dir, XVB_NODE_ERROR, &a->error);
	state = xvb_cli_read_state(&a->cli, &a->name, XVB_DIR_BACKEND);
	return a->error || state == a->wanted || state == XVB_STATE_UNKNOWN ||
	       (a->wanted == XVB_STATE_INIT_WAIT &&
		state == XVB_STATE_CONNECTED);
}

static int wait_for(struct attach *a, unsigned int state, unsigned int seconds,
		    struct xvb_error *err)
{
	int ret;

	a->wanted = state;
	ret = xvb_cli_wait(&a->cli, &a->name, seconds, reached, a);
	if (a->error)
		return xvb_error_set(err, -EIO, "%s", a->error);
	if (ret == -EINTR)
		return xvb_error_set(err, ret,
				     "interrupted: the device is removed again");
	if (!ret && (a->removed ||
		     xvb_cli_read_state(&a->cli, &a->name, XVB_DIR_BACKEND) ==
		     XVB_STATE_UNKNOWN))
		return xvb_error_set(err, -ENODEV,
				     "the device was removed, or its domain was destroyed");
	if (ret == -ETIMEDOUT && state == XVB_STATE_INIT_WAIT)
		return xvb_error_set(err, ret,
				     "xen-virtiod in domain %u has not opened the device within %u s (does it run? see its log)",
				     a->name.be, seconds);
	if (ret == -ETIMEDOUT)
		return xvb_error_set(err, ret,
				     "the guest has not connected the device within %u s (is xen-virtio-front loaded there?)",
				     seconds);
	if (ret)
		return xvb_error_set(err, ret, "waiting for the device: %s",
				     strerror(-ret));
	return 0;
}

static int make_id(struct attach *a, struct xvb_error *err)
{
	uint64_t id;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return xvb_error_set(err, -errno, "getting a random number: %s",
				     strerror(errno));
	snprintf(a->id, sizeof(a->id), "%016llx", (unsigned long long)id);
	return 0;
}

static int find_domains(struct attach *a, const char *domain,
			struct xvb_error *err)
{
	int ret = xvb_cli_domain(&a->cli, domain, &a->name.fe, err);

	a->name.be = a->cli.own;
	if (!ret && a->spec.backend)
		ret = xvb_cli_domain(&a->cli, a->spec.backend, &a->name.be,
				     err);
	if (!ret && a->name.be == a->name.fe)
		ret = xvb_error_set(err, -EINVAL,
				    "domain %u cannot be its own backend",
				    a->name.fe);
	return ret;
}

static int attach(struct attach *a, const char *domain, struct xvb_error *err)
{
	int ret = find_domains(a, domain, err);

	if (!ret)
		ret = xvb_cli_need_daemon(&a->cli, a->name.be, err);
	if (!ret)
		ret = make_id(a, err);
	if (!ret)
		ret = xvb_cli_catch_signals(&a->cli, err);
	if (!ret)
		ret = write_nodes(a, err);
	if (ret)
		return ret;
	ret = wait_for(a, XVB_STATE_INIT_WAIT, OPEN_SECONDS, err);
	if (!ret && a->wait)
		ret = wait_for(a, XVB_STATE_CONNECTED, a->wait, err);
	if (ret)
		xvb_store_remove_device(a->cli.st, &a->name, a->id);
	return ret;
}

static int usage(const char *problem)
{
	if (problem)
		fprintf(stderr, "xen-virtio attach: %s\n", problem);
	fputs("Usage: xen-virtio attach [--wait[=SECONDS]] DOMAIN type=TYPE[,KEY=VALUE]...\n",
	      stderr);
	return XVB_EXIT_USAGE;
}

static int parse_options(int argc, char **argv, struct attach *a)
{
	static const struct option options[] = {
		{ "wait", optional_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	uint32_t seconds = WAIT_SECONDS;
	int c;

	for (;;) {
		c = getopt_long(argc, argv, "", options, NULL);
		if (c < 0)
			break;
		if (c != 'w')
			return usage(NULL);
		if (optarg && (xvb_parse_u32(optarg, WAIT_MAX, &seconds) ||
			       !seconds))
			return usage("--wait takes a number of seconds");
		a->wait = seconds;
	}
	if (argc - optind != 2)
		return usage("a domain and a device specification are needed");
	return 0;
}

int xvb_cli_attach(int argc, char **argv)
{
	struct attach a = { .wait = 0 };
	struct xvb_error err = { "" };
	int ret = parse_options(argc, argv, &a);

	if (ret)
		return ret;
	if (xvb_spec_parse(&a.spec, argv[optind + 1], &err)) {
		fprintf(stderr, "xen-virtio: %s\n", err.text);
		return XVB_EXIT_USAGE;
	}
	ret = xvb_cli_open(&a.cli, &err);
	if (!ret) {
		ret = attach(&a, argv[optind], &err);
		xvb_cli_close(&a.cli);
	}
	if (ret)
		fprintf(stderr, "xen-virtio: %s\n", err.text);
	else
		printf("%u\n", a.name.devid);
	free(a.error);
	xvb_spec_free(&a.spec);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
