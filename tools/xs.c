// SPDX-License-Identifier: GPL-2.0-only
/*
 * The store that is xenstore: libxenstore with 0/-errno
 */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "xs.h"

struct xvb_xs {
	struct xvb_store store;
	struct xs_handle *handle;
	xs_transaction_t tx;	/* XBT_NULL: none is open */
};

static struct xvb_xs *to_xs(struct xvb_store *st)
{
	return (struct xvb_xs *)((char *)st - offsetof(struct xvb_xs, store));
}

static int result(bool ok)
{
	if (ok)
		return 0;
	return errno ? -errno : -EIO;
}

static int xs_op_read(struct xvb_store *st, const char *path, char **value)
{
	struct xvb_xs *xs = to_xs(st);
	unsigned int len;
	char *v = xs_read(xs->handle, xs->tx, path, &len);

	if (!v)
		return result(false);
	/* A guest may write any bytes; only a string is a value here. */
	if (memchr(v, '\0', len)) {
		free(v);
		return -EINVAL;
	}
	*value = v;
	return 0;
}

static int xs_op_write(struct xvb_store *st, const char *path,
		       const char *value)
{
	struct xvb_xs *xs = to_xs(st);

	return result(xs_write(xs->handle, xs->tx, path, value,
			       (unsigned int)strlen(value)));
}

static int xs_op_rm(struct xvb_store *st, const char *path)
{
	struct xvb_xs *xs = to_xs(st);
	int err = result(xs_rm(xs->handle, xs->tx, path));

	return err == -ENOENT ? 0 : err;
}

static int xs_op_list(struct xvb_store *st, const char *path, char ***names,
		      unsigned int *count)
{
	struct xvb_xs *xs = to_xs(st);

	*names = xs_directory(xs->handle, xs->tx, path, count);
	return result(*names);
}

static int xs_op_mkdir(struct xvb_store *st, const char *path)
{
	struct xvb_xs *xs = to_xs(st);

	return result(xs_mkdir(xs->handle, xs->tx, path));
}

static int xs_op_set_perms(struct xvb_store *st, const char *path,
			   uint32_t owner, int reader)
{
	struct xvb_xs *xs = to_xs(st);
	struct xs_permissions perms[2] = {
		{ .id = owner, .perms = XS_PERM_NONE },
	};
	unsigned int n = 1;

	if (reader != XVB_STORE_NO_READER) {
		perms[1].id = (unsigned int)reader;
		perms[1].perms = XS_PERM_READ;
		n = 2;
	}
	return result(xs_set_permissions(xs->handle, xs->tx, path, perms, n));
}

static int xs_op_watch(struct xvb_store *st, const char *path,
		       const char *token)
{
	return result(xs_watch(to_xs(st)->handle, path, token));
}

static int xs_op_unwatch(struct xvb_store *st, const char *path,
			 const char *token)
{
	return result(xs_unwatch(to_xs(st)->handle, path, token));
}

static int xs_op_begin(struct xvb_store *st)
{
	struct xvb_xs *xs = to_xs(st);

	if (xs->tx != XBT_NULL)
		return -EBUSY;
	xs->tx = xs_transaction_start(xs->handle);
	return result(xs->tx != XBT_NULL);
}

static int xs_op_end(struct xvb_store *st, bool abort)
{
	struct xvb_xs *xs = to_xs(st);
	xs_transaction_t tx = xs->tx;

	xs->tx = XBT_NULL;
	return result(xs_transaction_end(xs->handle, tx, abort));
}

static int xs_op_domain_alive(struct xvb_store *st, uint32_t domid)
{
	/* "No" and "this failed" look the same, but for errno. */
	errno = 0;
	if (xs_is_domain_introduced(to_xs(st)->handle, domid))
		return 1;
	return -errno;
}

static const struct xvb_store_ops xs_ops = {
	.read = xs_op_read,
	.write = xs_op_write,
	.rm = xs_op_rm,
	.list = xs_op_list,
	.mkdir = xs_op_mkdir,
	.set_perms = xs_op_set_perms,
	.watch = xs_op_watch,
	.unwatch = xs_op_unwatch,
	.begin = xs_op_begin,
	.end = xs_op_end,
	.domain_alive = xs_op_domain_alive,
};

int xvb_xs_open(struct xvb_xs **out)
{
	struct xvb_xs *xs = calloc(1, sizeof(*xs));
	int err;

	if (!xs)
		return -ENOMEM;
	xs->store.ops = &xs_ops;
	xs->tx = XBT_NULL;
	xs->handle = xs_open(0);
	if (!xs->handle) {
		err = result(false);
		free(xs);
		return err;
	}
	*out = xs;
	return 0;
}

void xvb_xs_close(struct xvb_xs *xs)
{
	if (!xs)
		return;
	xs_close(xs->handle);
	free(xs);
}

struct xvb_store *xvb_xs_store(struct xvb_xs *xs)
{
	return &xs->store;
}

int xvb_xs_fd(struct xvb_xs *xs)
{
	return xs_fileno(xs->handle);
}

int xvb_xs_next_event(struct xvb_xs *xs, char path[XVB_STORE_PATH_MAX],
		      char token[XVB_STORE_PATH_MAX])
{
	char **ev = xs_check_watch(xs->handle);

	if (!ev) {
		int err = result(false);

		return err == -EAGAIN ? 0 : err;
	}
	snprintf(path, XVB_STORE_PATH_MAX, "%s", ev[XS_WATCH_PATH]);
	snprintf(token, XVB_STORE_PATH_MAX, "%s", ev[XS_WATCH_TOKEN]);
	free(ev);
	return 1;
}

int xvb_xs_own_domid(struct xvb_xs *xs, uint32_t *domid)
{
	char *text = NULL;
	int err;

	/* A relative path: below the home of the own domain. */
	err = xs_op_read(&xs->store, "domid", &text);
	if (err)
		return err;
	err = xvb_parse_u32(text, XVB_DOMID_MAX, domid);
	free(text);
	return err;
}
