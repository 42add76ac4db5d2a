// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device specifications of the command line
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/virtioif.h>

#include "spec.h"
#include "store.h"
#include "util.h"

/* A node of xenstore holds less than 4 KiB, its name less than 2 KiB. */
#define KEY_MAX		32
#define VALUE_MAX	1000
#define THRESHOLD_MAX	(1U << 30)

static int check_key(const char *key, struct xvb_error *err)
{
	size_t len = strlen(key);

	if (!len || len > KEY_MAX || !strcmp(key, XVB_NODE_ERROR) ||
	    !strcmp(key, XVB_NODE_ATTACH_ID) ||
	    strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-_") != len)
		return xvb_error_set(err, -EINVAL,
				     "\"%.40s\" is not a key of a device specification",
				     key);
	return 0;
}

static int check_value(const struct xvb_param *p, struct xvb_error *err)
{
	const char *s;

	if (strlen(p->value) > VALUE_MAX)
		return xvb_error_set(err, -EINVAL,
				     "%s: the value is longer than %d bytes",
				     p->key, VALUE_MAX);
	for (s = p->value; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return xvb_error_set(err, -EINVAL,
					     "%s: the value has control characters",
					     p->key);
	return 0;
}

static int make_absolute(struct xvb_param *p, struct xvb_error *err)
{
	char *cwd, *key;
	int n;

	if (!*p->value)
		return xvb_error_set(err, -EINVAL,
				     "path: a value is missing (path=FILE)");
	/* URLs, as nbd://..., are not files. */
	if (*p->value == '/' || strstr(p->value, "://"))
		return 0;
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return xvb_error_set(err, -errno,
				     "path: finding the current directory: %s",
				     strerror(errno));
	/* Key and value share one allocation, as xvb_params_parse() has it. */
	n = asprintf(&key, "%s%c%s/%s", p->key, '\0',
		     strcmp(cwd, "/") ? cwd : "", p->value);
	free(cwd);
	if (n < 0)
		return xvb_error_set(err, -ENOMEM, "out of memory");
	free(p->key);
	p->key = key;
	p->value = key + strlen(key) + 1;
	return 0;
}

/* What the guest may grant; for its directory, see docs/protocol.md. */
static int take_dma(struct xvb_spec *spec, struct xvb_error *err)
{
	static const char * const modes[] = { "window", "direct", "auto" };
	unsigned int i;

	spec->dma = xvb_params_string(&spec->params, "dma");
	for (i = 0; spec->dma && strcmp(spec->dma, modes[i]); )
		if (++i == ARRAY_SIZE(modes))
			return xvb_error_set(err, -EINVAL,
					     "dma=%.40s: write window, direct or auto",
					     spec->dma);
	return xvb_params_u64(&spec->params, "direct-threshold",
			      XVIO_ADDR_PAGE_SIZE, THRESHOLD_MAX,
			      &spec->direct_threshold, err);
}

static int take_transport(struct xvb_spec *spec, struct xvb_error *err)
{
	int ret;

	spec->trusted = true;
	ret = xvb_params_bool(&spec->params, "trusted", &spec->trusted, err);
	if (!ret)
		ret = take_dma(spec, err);
	if (ret)
		return ret;
	spec->backend = xvb_params_string(&spec->params, "backend");
	if (spec->backend && !*spec->backend)
		return xvb_error_set(err, -EINVAL,
				     "backend: a value is missing (backend=DOMAIN)");
	return 0;
}

static int check_params(struct xvb_spec *spec, struct xvb_error *err)
{
	bool have_type = false;
	unsigned int i;
	int ret;

	for (i = 0; i < spec->params.nr; i++) {
		struct xvb_param *p = &spec->params.param[i];

		ret = check_key(p->key, err);
		if (!ret && !strcmp(p->key, "path"))
			ret = make_absolute(p, err);
		if (!ret)
			ret = check_value(p, err);
		if (ret)
			return ret;
		if (!strcmp(p->key, "type") && *p->value)
			have_type = true;
	}
	if (!have_type)
		return xvb_error_set(err, -EINVAL,
				     "the specification does not say type=TYPE (for a disk: type=blk,path=FILE)");
	return take_transport(spec, err);
}

int xvb_spec_parse(struct xvb_spec *spec, const char *text,
		   struct xvb_error *err)
{
	int ret;

	memset(spec, 0, sizeof(*spec));
	ret = xvb_params_parse(&spec->params, text, err);
	if (!ret)
		ret = check_params(spec, err);
	if (ret)
		xvb_spec_free(spec);
	return ret;
}

void xvb_spec_free(struct xvb_spec *spec)
{
	xvb_params_free(&spec->params);
	spec->backend = NULL;
	spec->dma = NULL;
}
