// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xen-virtio list
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <xen/io/virtioif.h>

#include "cli.h"
#include "util.h"
#include "xenbus.h"

struct list {
	struct xvb_cli cli;
	bool one_domain;
	uint32_t domid;
	struct json_object *json;	/* NULL: a table */
	unsigned int shown;
};

static void add_string(struct json_object *obj, const char *key,
		       const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

static void add_number(struct json_object *obj, const char *key, uint32_t value)
{
	json_object_object_add(obj, key, json_object_new_int64(value));
}

static void add_params(struct list *l, const struct xvb_devname *name,
		       struct json_object *obj)
{
	char dir[XVB_STORE_PATH_MAX];
	unsigned int count, i;
	char **keys;
	char *value;

	xvb_dir_path(name, XVB_DIR_PRIVATE, dir);
	if (l->cli.st->ops->list(l->cli.st, dir, &keys, &count))
		return;
	for (i = 0; i < count; i++) {
		if (!strcmp(keys[i], XVB_NODE_ATTACH_ID))
			continue;
		value = xvb_cli_private(&l->cli, name, keys[i]);
		if (value)
			add_string(obj, keys[i], value);
		free(value);
	}
	free(keys);
}

/* What the guest was told that it may grant; it can change it for itself. */
static void add_dma(struct list *l, const struct xvb_devname *name,
		    struct json_object *obj)
{
	static const char * const nodes[][2] = {
		{ "trusted", XVIO_NODE_TRUSTED },
		{ "dma", XVIO_NODE_DMA_MODE },
		{ "direct-threshold", XVIO_NODE_DIRECT_THRESHOLD },
	};
	char dir[XVB_STORE_PATH_MAX];
	unsigned int i;
	char *value;

	xvb_dir_path(name, XVB_DIR_FRONTEND, dir);
	for (i = 0; i < ARRAY_SIZE(nodes); i++) {
		if (xvb_store_read(l->cli.st, dir, nodes[i][1], &value))
			continue;
		add_string(obj, nodes[i][0], xvb_cli_printable(value));
		free(value);
	}
}

static void show_json(struct list *l, const struct xvb_devname *name,
		      const char *domain, unsigned int fe_state,
		      unsigned int be_state)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *spec = json_object_new_object();

	add_number(obj, "domid", name->fe);
	add_string(obj, "domain", domain);
	add_number(obj, "device", name->devid);
	add_number(obj, "backend-domid", name->be);
	add_string(obj, "backend-state", xvb_state_name(be_state));
	add_string(obj, "frontend-state", xvb_state_name(fe_state));
	add_params(l, name, spec);
	add_dma(l, name, spec);
	json_object_object_add(obj, "specification", spec);
	json_object_array_add(l->json, obj);
}

static void show_row(struct list *l, const struct xvb_devname *name,
		     const char *domain, unsigned int fe_state,
		     unsigned int be_state)
{
	char *type = xvb_cli_private(&l->cli, name, "type");
	char *path = xvb_cli_private(&l->cli, name, "path");
	char *error = xvb_cli_private(&l->cli, name, XVB_NODE_ERROR);

	if (!l->shown)
		printf("%-5s %-16s %-6s %-7s %-8s %-12s %-12s %s\n", "DOMID",
		       "DOMAIN", "DEVICE", "BACKEND", "TYPE", "FRONT",
		       "BACK", "PATH");
	printf("%-5u %-16s %-6u %-7u %-8s %-12s %-12s %s\n", name->fe, domain,
	       name->devid, name->be, xvb_cli_printable(type),
	       xvb_state_name(fe_state), xvb_state_name(be_state),
	       xvb_cli_printable(path));
	if (error && *error)
		printf("      error: %s\n", xvb_cli_printable(error));
	free(type);
	free(path);
	free(error);
}

static int show(void *ctx, const struct xvb_devname *name)
{
	struct list *l = ctx;
	unsigned int fe_state, be_state;
	char *domain;

	if (l->one_domain && name->fe != l->domid)
		return 0;
	domain = xvb_cli_domain_name(&l->cli, name->fe);
	fe_state = xvb_cli_read_state(&l->cli, name, XVB_DIR_FRONTEND);
	be_state = xvb_cli_read_state(&l->cli, name, XVB_DIR_BACKEND);
	if (l->json)
		show_json(l, name, xvb_cli_printable(domain), fe_state, be_state);
	else
		show_row(l, name, xvb_cli_printable(domain), fe_state, be_state);
	l->shown++;
	free(domain);
	return 0;
}

static int list(struct list *l, const char *domain, struct xvb_error *err)
{
	struct xvb_visit visit = { .fn = show, .ctx = l };
	int ret;

	if (domain) {
		ret = xvb_cli_domain(&l->cli, domain, &l->domid, err);
		if (ret)
			return ret;
		l->one_domain = true;
	}
	ret = xvb_cli_for_each(&l->cli, &visit);
	if (ret)
		return xvb_error_set(err, ret, "reading the devices: %s",
				     strerror(-ret));
	if (l->json)
		puts(json_object_to_json_string_ext(l->json,
						    JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	/* What is shown may be long over: say so, after it. */
	return xvb_cli_need_daemon(&l->cli, l->cli.own, err);
}

static int usage(void)
{
	fputs("Usage: xen-virtio list [--json] [DOMAIN]\n", stderr);
	return XVB_EXIT_USAGE;
}

int xvb_cli_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	struct list l = { .json = NULL };
	struct xvb_error err = { "" };
	bool json = false;
	int c, ret;

	for (;;) {
		c = getopt_long(argc, argv, "", options, NULL);
		if (c < 0)
			break;
		if (c != 'j')
			return usage();
		json = true;
	}
	if (argc - optind > 1)
		return usage();
	if (json)
		l.json = json_object_new_array();
	ret = xvb_cli_open(&l.cli, &err);
	if (!ret) {
		ret = list(&l, argc > optind ? argv[optind] : NULL, &err);
		xvb_cli_close(&l.cli);
	}
	if (ret)
		fprintf(stderr, "xen-virtio: %s\n", err.text);
	json_object_put(l.json);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
