/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Xenstore as the daemon and the command see it
 *
 * The interface that stands between the logic (xenbus.c, the command) and
 * libxenstore (xs.c).  A test puts a tree in memory behind it.
 *
 * All functions return 0 or -errno.  A store belongs to one thread.  Between
 * begin and end every read and write is part of one transaction; end returns
 * -EAGAIN when the whole transaction has to be done again.
 */

#ifndef XVB_STORE_H
#define XVB_STORE_H

#include <stdbool.h>
#include <stdint.h>

#define XVB_STORE_PATH_MAX	256
#define XVB_STORE_NO_READER	(-1)

/* No domain has an id of DOMID_FIRST_RESERVED or more. */
#define XVB_DOMID_MAX		0x7fefU
#define XVB_DEVID_MAX		0xffffU

/*
 * Nodes of the private directory that are no parameters of the device: why it
 * cannot be served, and a number that tells it from the one that had its name
 * before.
 */
#define XVB_NODE_ERROR		"error"
#define XVB_NODE_ATTACH_ID	"attach-id"
#define XVB_ATTACH_ID_SIZE	24

/* Parameters that the bus looks at as well, for what it offers. */
#define XVB_NODE_DIRECT_GRANTS	"direct-grants"
#define XVB_NODE_TYPE		"type"

struct xvb_store;

/**
 * struct xvb_store_ops - what a store can do
 * @read:	value of a node, as a string for free(3); -EINVAL when it is
 *		not a string
 * @write:	sets a node, made with its parents when absent
 * @rm:		removes a node and all below it; an absent node is no error
 * @list:	names below a node, one block for free(3)
 * @mkdir:	makes an empty node
 * @set_perms:	gives a node to @owner, and lets the domain @reader read it
 *		(XVB_STORE_NO_READER: nobody else)
 * @watch:	asks for events of a node and all below it
 * @unwatch:	takes that back
 * @begin:	starts a transaction
 * @end:	ends it, with effect unless @abort
 * @domain_alive: 1 when the domain exists and is not dying, 0 when not;
 *		-EACCES or -EPERM in a domain that may not ask
 */
struct xvb_store_ops {
	int (*read)(struct xvb_store *st, const char *path, char **value);
	int (*write)(struct xvb_store *st, const char *path, const char *value);
	int (*rm)(struct xvb_store *st, const char *path);
	int (*list)(struct xvb_store *st, const char *path, char ***names,
		    unsigned int *count);
	int (*mkdir)(struct xvb_store *st, const char *path);
	int (*set_perms)(struct xvb_store *st, const char *path,
			 uint32_t owner, int reader);
	int (*watch)(struct xvb_store *st, const char *path, const char *token);
	int (*unwatch)(struct xvb_store *st, const char *path,
		       const char *token);
	int (*begin)(struct xvb_store *st);
	int (*end)(struct xvb_store *st, bool abort);
	int (*domain_alive)(struct xvb_store *st, uint32_t domid);
};

/**
 * struct xvb_store - a store; the implementation embeds it
 * @ops:	the functions, which never change
 */
struct xvb_store {
	const struct xvb_store_ops *ops;
};

/**
 * xvb_store_read() - read a node named by directory and name
 * @st:		the store
 * @dir:	absolute path of the directory
 * @node:	name below it
 * @value:	the string, for free(3)
 *
 * Return: 0, -ENOENT when there is no such node, or -errno.
 */
int xvb_store_read(struct xvb_store *st, const char *dir, const char *node,
		   char **value);

/**
 * xvb_store_read_uint() - read a decimal number strictly
 * @st:		the store
 * @dir:	absolute path of the directory
 * @node:	name below it
 * @max:	the largest value that is accepted
 * @value:	the number; untouched on error
 *
 * Return: 0, -ENOENT, -EINVAL for anything but a whole decimal number,
 * -ERANGE when it is more than @max, or -errno.
 */
int xvb_store_read_uint(struct xvb_store *st, const char *dir,
			const char *node, uint32_t max, uint32_t *value);

/**
 * xvb_store_write() - write a node named by directory and name
 * @st:		the store
 * @dir:	absolute path of the directory
 * @node:	name below it
 * @fmt:	format of the value, at most 1023 characters when done
 *
 * Return: 0 or -errno.
 */
int xvb_store_write(struct xvb_store *st, const char *dir, const char *node,
		    const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * xvb_store_exists() - whether a node is there
 * @st:		the store
 * @path:	absolute path
 *
 * Return: 1 or 0, or -errno.
 */
int xvb_store_exists(struct xvb_store *st, const char *path);

/**
 * xvb_store_prune() - remove a directory, and its parents while empty
 * @st:		the store
 * @path:	absolute path of the directory to remove with all below it
 * @levels:	how many parents may go, too
 *
 * Return: 0 or -errno.
 */
int xvb_store_prune(struct xvb_store *st, const char *path,
		    unsigned int levels);

/**
 * enum xvb_dir - the three directories of a device
 * @XVB_DIR_FRONTEND:	owned by the guest
 * @XVB_DIR_BACKEND:	owned by the backend's domain, readable by the guest
 * @XVB_DIR_PRIVATE:	owned by the backend's domain, hidden from the guest
 */
enum xvb_dir { XVB_DIR_FRONTEND, XVB_DIR_BACKEND, XVB_DIR_PRIVATE };

/**
 * struct xvb_devname - what names a device
 * @be:		domain id of the backend
 * @fe:		domain id of the frontend
 * @devid:	number of the device in the frontend's domain
 */
struct xvb_devname {
	uint32_t be;
	uint32_t fe;
	uint32_t devid;
};

/**
 * xvb_dir_path() - path of a directory of a device
 * @name:	the device
 * @dir:	which directory
 * @buf:	the path, XVB_STORE_PATH_MAX bytes
 */
void xvb_dir_path(const struct xvb_devname *name, enum xvb_dir dir,
		  char buf[XVB_STORE_PATH_MAX]);

/**
 * xvb_type_path() - path of the directory of all devices of our type
 * @be:		domain id of the backend
 * @dir:	XVB_DIR_BACKEND or XVB_DIR_PRIVATE
 * @buf:	the path, XVB_STORE_PATH_MAX bytes
 */
void xvb_type_path(uint32_t be, enum xvb_dir dir, char buf[XVB_STORE_PATH_MAX]);

/**
 * xvb_parse_backend_path() - which device a path below backend/virtio is of
 * @path:	absolute path, as a watch gives it
 * @be:		domain id of the backend whose directory was watched
 * @name:	the device, when the path is deep enough to name one
 *
 * Return: 1 when it names a device or lies in one, 0 when it lies above,
 * -EINVAL when it is neither.
 */
int xvb_parse_backend_path(const char *path, uint32_t be,
			   struct xvb_devname *name);

/**
 * enum xvb_state - xenbus states, the numbers of Xen's io/xenbus.h
 * @XVB_STATE_UNKNOWN:		the node is gone or makes no sense
 * @XVB_STATE_INITIALISING:	1
 * @XVB_STATE_INIT_WAIT:	2
 * @XVB_STATE_INITIALISED:	3
 * @XVB_STATE_CONNECTED:	4
 * @XVB_STATE_CLOSING:		5
 * @XVB_STATE_CLOSED:		6
 */
enum xvb_state {
	XVB_STATE_UNKNOWN,
	XVB_STATE_INITIALISING,
	XVB_STATE_INIT_WAIT,
	XVB_STATE_INITIALISED,
	XVB_STATE_CONNECTED,
	XVB_STATE_CLOSING,
	XVB_STATE_CLOSED,
};

/**
 * xvb_state_name() - name of a state
 * @state:	any number
 *
 * Return: static text.
 */
const char *xvb_state_name(unsigned int state);

/**
 * xvb_store_attach_id() - what tells a device from others of its name
 * @st:		the store
 * @name:	the device
 * @id:		what is in xenstore now; "" when there is nothing
 *
 * Return: 0 or -errno; that there is none is no error.
 */
int xvb_store_attach_id(struct xvb_store *st, const struct xvb_devname *name,
			char id[XVB_ATTACH_ID_SIZE]);

/**
 * xvb_store_check_id() - whether a device is still the same one
 * @st:		the store, within a transaction
 * @name:	the device
 * @id:		what xvb_store_attach_id() gave before
 *
 * Return: 0, -ECANCELED when it is another one, or -errno.
 */
int xvb_store_check_id(struct xvb_store *st, const struct xvb_devname *name,
		       const char *id);

/**
 * xvb_store_remove_device() - remove a device's three directories
 * @st:		the store
 * @name:	the device
 * @id:		from xvb_store_attach_id(), or NULL: whichever has the name
 *
 * Does it in one transaction, repeated while it collides, and removes parents
 * that are empty afterwards.
 *
 * Return: 0, -ECANCELED when another device has the name, or -errno.
 */
int xvb_store_remove_device(struct xvb_store *st,
			    const struct xvb_devname *name, const char *id);

/**
 * xvb_parse_u32() - read a decimal number strictly
 * @s:		the whole string must be digits
 * @max:	the largest value that is accepted
 * @value:	the number; untouched on error
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int xvb_parse_u32(const char *s, uint32_t max, uint32_t *value);

#endif /* XVB_STORE_H */
