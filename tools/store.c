// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paths and values of xenstore, on top of any store
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/virtioif.h>

#include "store.h"
#include "util.h"

#define VALUE_MAX	1024
#define TX_ATTEMPTS	64

int xvb_parse_u32(const char *s, uint32_t max, uint32_t *value)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > UINT32_MAX)
			return -ERANGE;
	}
	if (v > max)
		return -ERANGE;
	*value = (uint32_t)v;
	return 0;
}

static int join(char path[XVB_STORE_PATH_MAX], const char *dir,
		const char *node)
{
	int n = snprintf(path, XVB_STORE_PATH_MAX, "%s/%s", dir, node);

	return n > 0 && n < XVB_STORE_PATH_MAX ? 0 : -ENAMETOOLONG;
}

int xvb_store_read(struct xvb_store *st, const char *dir, const char *node,
		   char **value)
{
	char path[XVB_STORE_PATH_MAX];
	int err = join(path, dir, node);

	return err ? err : st->ops->read(st, path, value);
}

int xvb_store_read_uint(struct xvb_store *st, const char *dir,
			const char *node, uint32_t max, uint32_t *value)
{
	char *text;
	int err = xvb_store_read(st, dir, node, &text);

	if (err)
		return err;
	err = xvb_parse_u32(text, max, value);
	free(text);
	return err;
}

int xvb_store_write(struct xvb_store *st, const char *dir, const char *node,
		    const char *fmt, ...)
{
	char path[XVB_STORE_PATH_MAX];
	char value[VALUE_MAX];
	va_list ap;
	int err = join(path, dir, node);
	int n;

	if (err)
		return err;
	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value))
		return -E2BIG;
	return st->ops->write(st, path, value);
}

int xvb_store_exists(struct xvb_store *st, const char *path)
{
	char *value;
	int err = st->ops->read(st, path, &value);

	if (err == -EINVAL)
		return 1;
	if (err)
		return err == -ENOENT ? 0 : err;
	free(value);
	return 1;
}

int xvb_store_prune(struct xvb_store *st, const char *path,
		    unsigned int levels)
{
	char p[XVB_STORE_PATH_MAX];
	unsigned int count;
	char **names;
	char *slash;
	int err;

	if (snprintf(p, sizeof(p), "%s", path) >= (int)sizeof(p))
		return -ENAMETOOLONG;
	err = st->ops->rm(st, p);
	while (!err && levels--) {
		slash = strrchr(p, '/');
		if (!slash || slash == p)
			break;
		*slash = '\0';
		err = st->ops->list(st, p, &names, &count);
		if (err) {
			/* A parent that is gone already hides no other one. */
			err = err == -ENOENT ? 0 : err;
			continue;
		}
		free(names);
		if (count)
			break;
		err = st->ops->rm(st, p);
	}
	return err;
}

void xvb_dir_path(const struct xvb_devname *name, enum xvb_dir dir,
		  char buf[XVB_STORE_PATH_MAX])
{
	char type[XVB_STORE_PATH_MAX];

	if (dir == XVB_DIR_FRONTEND) {
		snprintf(buf, XVB_STORE_PATH_MAX,
			 "/local/domain/%u/device/" XVIO_DEVICE_TYPE "/%u",
			 name->fe, name->devid);
		return;
	}
	xvb_type_path(name->be, dir, type);
	/* The bound tells the compiler what is true: it always fits. */
	snprintf(buf, XVB_STORE_PATH_MAX, "%.200s/%u/%u", type, name->fe,
		 name->devid);
}

void xvb_type_path(uint32_t be, enum xvb_dir dir, char buf[XVB_STORE_PATH_MAX])
{
	snprintf(buf, XVB_STORE_PATH_MAX, "/local/domain/%u/%s", be,
		 dir == XVB_DIR_PRIVATE ? "xen-virtio" :
		 "backend/" XVIO_DEVICE_TYPE);
}

int xvb_parse_backend_path(const char *path, uint32_t be,
			   struct xvb_devname *name)
{
	char part[2][16];
	char type[XVB_STORE_PATH_MAX];
	size_t len;
	unsigned int i;

	xvb_type_path(be, XVB_DIR_BACKEND, type);
	len = strlen(type);
	if (strncmp(path, type, len) || (path[len] && path[len] != '/'))
		return -EINVAL;
	path += len;
	for (i = 0; i < 2; i++) {
		if (*path == '/')
			path++;
		len = strcspn(path, "/");
		if (!len)
			return 0;
		if (len >= sizeof(part[i]))
			return -EINVAL;
		memcpy(part[i], path, len);
		part[i][len] = '\0';
		path += len;
	}
	name->be = be;
	if (xvb_parse_u32(part[0], XVB_DOMID_MAX, &name->fe) ||
	    xvb_parse_u32(part[1], XVB_DEVID_MAX, &name->devid))
		return -EINVAL;
	return 1;
}

const char *xvb_state_name(unsigned int state)
{
	static const char * const names[] = {
		"Unknown", "Initialising", "InitWait", "Initialised",
		"Connected", "Closing", "Closed", "Reconfiguring",
		"Reconfigured",
	};

	if (state >= ARRAY_SIZE(names))
		state = 0;
	return names[state];
}

int xvb_store_attach_id(struct xvb_store *st, const struct xvb_devname *name,
			char id[XVB_ATTACH_ID_SIZE])
{
	char dir[XVB_STORE_PATH_MAX];
	char *text;
	int err;

	id[0] = '\0';
	xvb_dir_path(name, XVB_DIR_PRIVATE, dir);
	err = xvb_store_read(st, dir, XVB_NODE_ATTACH_ID, &text);
	if (err)
		return err == -ENOENT ? 0 : err;
	snprintf(id, XVB_ATTACH_ID_SIZE, "%s", text);
	free(text);
	return 0;
}

int xvb_store_check_id(struct xvb_store *st, const struct xvb_devname *name,
		       const char *id)
{
	char found[XVB_ATTACH_ID_SIZE];
	int err = xvb_store_attach_id(st, name, found);

	if (err)
		return err;
	return strcmp(found, id) ? -ECANCELED : 0;
}

static int remove_dirs(struct xvb_store *st, const struct xvb_devname *name)
{
	char path[XVB_STORE_PATH_MAX];
	int err;

	/* device/virtio, but not device, which is the toolstack's */
	xvb_dir_path(name, XVB_DIR_FRONTEND, path);
	err = xvb_store_prune(st, path, 1);
	/* In a driver domain it is not ours to remove: the rest is. */
	if (err && err != -EACCES && err != -EPERM)
		return err;
	/* backend/virtio/<fe> and backend/virtio, but not backend */
	xvb_dir_path(name, XVB_DIR_BACKEND, path);
	err = xvb_store_prune(st, path, 2);
	if (err)
		return err;
	xvb_dir_path(name, XVB_DIR_PRIVATE, path);
	return xvb_store_prune(st, path, 2);
}

int xvb_store_remove_device(struct xvb_store *st,
			    const struct xvb_devname *name, const char *id)
{
	unsigned int i;
	int err, end;

	for (i = 0; i < TX_ATTEMPTS; i++) {
		err = st->ops->begin(st);
		if (err)
			return err;
		err = id ? xvb_store_check_id(st, name, id) : 0;
		if (!err)
			err = remove_dirs(st, name);
		end = st->ops->end(st, err != 0);
		if (err || end != -EAGAIN)
			return err ? err : end;
	}
	return -EAGAIN;
}
