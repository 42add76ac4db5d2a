/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the commands of xen-virtio share
 */

#ifndef XVB_CLI_H
#define XVB_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "store.h"
#include "xs.h"

#define XVB_EXIT_USAGE	2

/**
 * struct xvb_cli - the connection of a command
 * @xs:		connection to xenstore
 * @st:		the same, as a store
 * @own:	domain that this command runs in
 * @sigfd:	from xvb_cli_catch_signals(), or -1
 */
struct xvb_cli {
	struct xvb_xs *xs;
	struct xvb_store *st;
	uint32_t own;
	int sigfd;
};

/**
 * xvb_cli_open() - connect, as root
 * @cli:	filled in
 * @err:	what is wrong
 *
 * Return: 0 or -errno.
 */
int xvb_cli_open(struct xvb_cli *cli, struct xvb_error *err);

/**
 * xvb_cli_close() - end the connection
 * @cli:	from xvb_cli_open()
 */
void xvb_cli_close(struct xvb_cli *cli);

/**
 * xvb_cli_catch_signals() - let SIGINT, SIGTERM and SIGHUP end xvb_cli_wait()
 * @cli:	connection
 * @err:	what is wrong
 *
 * They stay blocked until the process exits, so that what was begun can be
 * taken back.
 *
 * Return: 0 or -errno.
 */
int xvb_cli_catch_signals(struct xvb_cli *cli, struct xvb_error *err);

/**
 * xvb_cli_domain() - id of a domain
 * @cli:	connection
 * @text:	its name or its id, from the user
 * @domid:	the id
 * @err:	what is wrong
 *
 * Return: 0 or -errno.
 */
int xvb_cli_domain(struct xvb_cli *cli, const char *text, uint32_t *domid,
		   struct xvb_error *err);

/**
 * xvb_cli_domain_name() - name of a domain
 * @cli:	connection
 * @domid:	its id
 *
 * Return: a string for free(3); "" when it has no name, NULL without memory.
 */
char *xvb_cli_domain_name(struct xvb_cli *cli, uint32_t domid);

/**
 * xvb_cli_need_daemon() - complain when the daemon of a domain does not run
 * @cli:	connection
 * @be:		the domain; only of the own one it can be known
 * @err:	what is wrong
 *
 * Return: 0 or -errno.
 */
int xvb_cli_need_daemon(struct xvb_cli *cli, uint32_t be,
			struct xvb_error *err);

/**
 * xvb_cli_private() - a node of what only the backend's domain may read
 * @cli:	connection
 * @name:	device
 * @node:	name of the node
 *
 * Return: a string for free(3); "" when there is none, NULL without memory.
 */
char *xvb_cli_private(struct xvb_cli *cli, const struct xvb_devname *name,
		      const char *node);

/**
 * xvb_cli_printable() - what others wrote, without what a terminal obeys
 * @text:	changed in place; NULL is shown as ""
 *
 * Return: the text.
 */
const char *xvb_cli_printable(char *text);

/**
 * xvb_cli_read_state() - state of one side of a device
 * @cli:	connection
 * @name:	device
 * @dir:	XVB_DIR_BACKEND or XVB_DIR_FRONTEND
 *
 * Return: enum xvb_state.
 */
unsigned int xvb_cli_read_state(struct xvb_cli *cli,
				const struct xvb_devname *name,
				enum xvb_dir dir);

/**
 * xvb_cli_wait() - wait until something holds
 * @cli:	connection
 * @name:	device whose backend and private directories to watch
 * @seconds:	how long
 * @done:	whether it holds
 * @ctx:	for @done
 *
 * Return: 0, or -ETIMEDOUT, -EINTR after a signal that is caught, or -errno.
 */
int xvb_cli_wait(struct xvb_cli *cli, const struct xvb_devname *name,
		 unsigned int seconds, bool (*done)(void *ctx), void *ctx);

/**
 * struct xvb_visit - what xvb_cli_for_each() shows
 * @fn:		called for each device; not 0 ends the walk
 * @ctx:	for @fn
 */
struct xvb_visit {
	int (*fn)(void *ctx, const struct xvb_devname *name);
	void *ctx;
};

/**
 * xvb_cli_for_each() - all devices of all backends
 * @cli:	connection
 * @visit:	what to do
 *
 * Return: 0, or what @visit->fn returned, or -errno.
 */
int xvb_cli_for_each(struct xvb_cli *cli, const struct xvb_visit *visit);

/* The commands: arguments after the command's name; exit status. */

/**
 * xvb_cli_attach() - give a device to a domain
 * @argc:	number of arguments, the command itself included
 * @argv:	arguments
 *
 * Return: exit status.
 */
int xvb_cli_attach(int argc, char **argv);

/**
 * xvb_cli_detach() - take a device away
 * @argc:	number of arguments, the command itself included
 * @argv:	arguments
 *
 * Return: exit status.
 */
int xvb_cli_detach(int argc, char **argv);

/**
 * xvb_cli_list() - show devices
 * @argc:	number of arguments, the command itself included
 * @argv:	arguments
 *
 * Return: exit status.
 */
int xvb_cli_list(int argc, char **argv);

/**
 * xvb_cli_stats() - show what the workers of a domain's devices have done
 * @argc:	number of arguments, the command itself included
 * @argv:	arguments
 *
 * Return: exit status.
 */
int xvb_cli_stats(int argc, char **argv);

#endif /* XVB_CLI_H */
