// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the commands of xen-virtio share
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <xen/io/virtioif.h>

#include "cli.h"
#include "ctl.h"
#include "xenbus.h"

int xvb_cli_open(struct xvb_cli *cli, struct xvb_error *err)
{
	int ret;

	memset(cli, 0, sizeof(*cli));
	cli->sigfd = -1;
	if (geteuid())
		return xvb_error_set(err, -EPERM, "this must be run as root");
	ret = xvb_xs_open(&cli->xs);
	if (ret)
		return xvb_error_set(err, ret,
				     "connecting to xenstore: %s (does Xen run, and xenstored?)",
				     strerror(-ret));
	cli->st = xvb_xs_store(cli->xs);
	/* Not every dom0 writes its own number down. */
	ret = xvb_xs_own_domid(cli->xs, &cli->own);
	if (ret && ret != -ENOENT) {
		xvb_xs_close(cli->xs);
		return xvb_error_set(err, ret,
				     "reading the own domain id from xenstore: %s",
				     strerror(-ret));
	}
	return 0;
}

void xvb_cli_close(struct xvb_cli *cli)
{
	if (cli->sigfd >= 0)
		close(cli->sigfd);
	xvb_xs_close(cli->xs);
}

int xvb_cli_catch_signals(struct xvb_cli *cli, struct xvb_error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (!sigprocmask(SIG_BLOCK, &set, NULL))
		cli->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (cli->sigfd < 0)
		return xvb_error_set(err, -errno, "catching signals: %s",
				     strerror(errno));
	return 0;
}

char *xvb_cli_domain_name(struct xvb_cli *cli, uint32_t domid)
{
	char dir[XVB_STORE_PATH_MAX];
	char *name;

	snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
	if (xvb_store_read(cli->st, dir, "name", &name))
		return strdup("");
	return name;
}

static bool domain_exists(struct xvb_cli *cli, uint32_t domid)
{
	char path[XVB_STORE_PATH_MAX];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	/* Only dom0 may ask; elsewhere the directory has to do. */
	return xvb_store_exists(cli->st, path) > 0 &&
	       cli->st->ops->domain_alive(cli->st, domid) != 0;
}

static bool find_name(struct xvb_cli *cli, const char *text, uint32_t *domid)
{
	unsigned int count, i;
	bool found = false;
	char **ids;
	char *name;

	if (cli->st->ops->list(cli->st, "/local/domain", &ids, &count))
		return false;
	for (i = 0; i < count && !found; i++) {
		if (xvb_parse_u32(ids[i], XVB_DOMID_MAX, domid))
			continue;
		name = xvb_cli_domain_name(cli, *domid);
		found = name && *name && !strcmp(name, text) &&
			domain_exists(cli, *domid);
		free(name);
	}
	free(ids);
	return found;
}

int xvb_cli_domain(struct xvb_cli *cli, const char *text, uint32_t *domid,
		   struct xvb_error *err)
{
	/* As xl does: what looks like an id is one. */
	if (!xvb_parse_u32(text, XVB_DOMID_MAX, domid)) {
		if (domain_exists(cli, *domid))
			return 0;
		return xvb_error_set(err, -ENOENT,
				     "there is no domain %s (see \"xl list\")",
				     text);
	}
	if (find_name(cli, text, domid))
		return 0;
	return xvb_error_set(err, -ENOENT,
			     "there is no domain \"%s\" (see \"xl list\")",
			     text);
}

int xvb_cli_need_daemon(struct xvb_cli *cli, uint32_t be, struct xvb_error *err)
{
	char answer[XVB_CTL_MAX];
	int ret;

	if (be != cli->own)
		return 0;
	ret = xvb_ctl_ask("version", answer);
	if (!ret)
		return 0;
	if (ret == -EAGAIN)
		return xvb_error_set(err, ret,
				     "xen-virtiod does not answer (see its log)");
	return xvb_error_set(err, ret,
			     "xen-virtiod does not run: start it with \"systemctl start xen-virtiod\" or \"xen-virtiod\"");
}

char *xvb_cli_private(struct xvb_cli *cli, const struct xvb_devname *name,
		      const char *node)
{
	char dir[XVB_STORE_PATH_MAX];
	char *value;

	xvb_dir_path(name, XVB_DIR_PRIVATE, dir);
	if (xvb_store_read(cli->st, dir, node, &value))
		return strdup("");
	return value;
}

const char *xvb_cli_printable(char *text)
{
	char *p;

	if (!text)
		return "";
	for (p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return text;
}

unsigned int xvb_cli_read_state(struct xvb_cli *cli,
				const struct xvb_devname *name,
				enum xvb_dir dir)
{
	char path[XVB_STORE_PATH_MAX];
	uint32_t state;

	xvb_dir_path(name, dir, path);
	if (xvb_store_read_uint(cli->st, path, "state", 8, &state))
		return XVB_STATE_UNKNOWN;
	return state;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int wait_loop(struct xvb_cli *cli, unsigned int seconds,
		     bool (*done)(void *ctx), void *ctx)
{
	/* Without signals to catch the second is -1, and ignored. */
	struct pollfd pfd[2] = {
		{ .fd = xvb_xs_fd(cli->xs), .events = POLLIN },
		{ .fd = cli->sigfd, .events = POLLIN },
	};
	char path[XVB_STORE_PATH_MAX], token[XVB_STORE_PATH_MAX];
	int64_t end = now_ms() + (int64_t)seconds * 1000;
	int64_t left;
	int ret;

	for (;;) {
		if (done(ctx))
			return 0;
		left = end - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		ret = poll(pfd, 2, (int)left);
		if (ret < 0 && errno != EINTR)
			return -errno;
		if (ret > 0 && pfd[1].revents)
			return -EINTR;
		do {
			ret = xvb_xs_next_event(cli->xs, path, token);
		} while (ret > 0);
		if (ret < 0)
			return ret;
	}
}

int xvb_cli_wait(struct xvb_cli *cli, const struct xvb_devname *name,
		 unsigned int seconds, bool (*done)(void *ctx), void *ctx)
{
	static const enum xvb_dir dirs[] = { XVB_DIR_BACKEND, XVB_DIR_PRIVATE };
	char path[XVB_STORE_PATH_MAX];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 2 && !ret; i++) {
		xvb_dir_path(name, dirs[i], path);
		ret = cli->st->ops->watch(cli->st, path, "wait");
	}
	if (!ret)
		ret = wait_loop(cli, seconds, done, ctx);
	for (i = 0; i < 2; i++) {
		xvb_dir_path(name, dirs[i], path);
		cli->st->ops->unwatch(cli->st, path, "wait");
	}
	return ret;
}

static bool is_ours(struct xvb_cli *cli, const struct xvb_devname *name)
{
	char dir[XVB_STORE_PATH_MAX];
	char *transport;
	bool ours;

	xvb_dir_path(name, XVB_DIR_BACKEND, dir);
	if (xvb_store_read(cli->st, dir, XVIO_NODE_TRANSPORT, &transport))
		return false;
	ours = !strcmp(transport, XVIO_TRANSPORT_XENBUS);
	free(transport);
	return ours;
}

static int visit_frontend(struct xvb_cli *cli, const struct xvb_visit *visit,
			  struct xvb_devname *name, const char *dir)
{
	unsigned int count, i;
	char **ids;
	int ret = 0;

	if (cli->st->ops->list(cli->st, dir, &ids, &count))
		return 0;
	for (i = 0; i < count && !ret; i++)
		if (!xvb_parse_u32(ids[i], XVB_DEVID_MAX, &name->devid) &&
		    is_ours(cli, name))
			ret = visit->fn(visit->ctx, name);
	free(ids);
	return ret;
}

static int visit_backend(struct xvb_cli *cli, const struct xvb_visit *visit,
			 struct xvb_devname *name)
{
	char dir[XVB_STORE_PATH_MAX], path[XVB_STORE_PATH_MAX + 16];
	unsigned int count, i;
	char **ids;
	int ret = 0;

	xvb_type_path(name->be, XVB_DIR_BACKEND, dir);
	if (cli->st->ops->list(cli->st, dir, &ids, &count))
		return 0;
	for (i = 0; i < count && !ret; i++) {
		if (xvb_parse_u32(ids[i], XVB_DOMID_MAX, &name->fe))
			continue;
		snprintf(path, sizeof(path), "%s/%u", dir, name->fe);
		ret = visit_frontend(cli, visit, name, path);
	}
	free(ids);
	return ret;
}

int xvb_cli_for_each(struct xvb_cli *cli, const struct xvb_visit *visit)
{
	struct xvb_devname name = { .be = cli->own };
	unsigned int count, i;
	char **ids;
	int ret;

	ret = cli->st->ops->list(cli->st, "/local/domain", &ids, &count);
	if (ret == -EACCES)
		/* A driver domain sees its own devices. */
		return visit_backend(cli, visit, &name);
	if (ret)
		return ret;
	for (i = 0; i < count && !ret; i++)
		if (!xvb_parse_u32(ids[i], XVB_DOMID_MAX, &name.be))
			ret = visit_backend(cli, visit, &name);
	free(ids);
	return ret;
}
