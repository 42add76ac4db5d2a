// SPDX-License-Identifier: GPL-2.0-only
/*
 * params.c - device specifications, "type=blk,path=/srv/disk.img,readonly"
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "util.h"

/*
 * Cut the next item off @text, in place: up to a comma without a backslash,
 * backslashes removed.  Returns what follows, or NULL at the end.
 */
static char *params_cut(char *text)
{
	char *to = text;

	for (; *text && *text != ','; text++) {
		if (*text == '\\' && text[1])
			text++;
		*to++ = *text;
	}
	if (!*text) {
		*to = '\0';
		return NULL;
	}
	*to = '\0';
	return text + 1;
}

static struct xvb_param *params_find(struct xvb_params *params,
				     const char *key)
{
	unsigned int i;

	for (i = 0; i < params->nr; i++) {
		if (!strcmp(params->param[i].key, key))
			return &params->param[i];
	}
	return NULL;
}

static int params_add(struct xvb_params *params, const char *item,
		      struct xvb_error *err)
{
	struct xvb_param *param;
	char *key, *value;

	if (!*item || *item == '=')
		return xvb_error_set(err, -EINVAL,
				     "the device specification has an empty item: write key=value,key=value");
	if (params->nr == XVB_MAX_PARAMS)
		return xvb_error_set(err, -EINVAL,
				     "the device specification has more than %u items",
				     XVB_MAX_PARAMS);
	key = strdup(item);
	if (!key)
		return -ENOMEM;
	value = strchr(key, '=');
	if (value)
		*value++ = '\0';
	if (params_find(params, key)) {
		xvb_error_set(err, -EINVAL, "%s is given twice", key);
		free(key);
		return -EINVAL;
	}
	param = &params->param[params->nr++];
	param->key = key;
	param->value = value ? value : key + strlen(key);
	param->taken = false;
	return 0;
}

int xvb_params_parse(struct xvb_params *params, const char *text,
		     struct xvb_error *err)
{
	char *copy, *item, *next;
	int ret = 0;

	memset(params, 0, sizeof(*params));
	copy = strdup(text);
	if (!copy)
		return xvb_error_set(err, -ENOMEM, "out of memory");
	for (item = copy; item && !ret; item = next) {
		next = params_cut(item);
		ret = params_add(params, item, err);
	}
	free(copy);
	return ret;
}

void xvb_params_free(struct xvb_params *params)
{
	unsigned int i;

	/* The value lives in the same allocation as the key. */
	for (i = 0; i < params->nr; i++)
		free(params->param[i].key);
	memset(params, 0, sizeof(*params));
}

const char *xvb_params_string(struct xvb_params *params, const char *key)
{
	struct xvb_param *param = params_find(params, key);

	if (!param)
		return NULL;
	param->taken = true;
	return param->value;
}

int xvb_params_truth(const char *text)
{
	static const char * const yes[] = { "", "1", "yes", "on", "true" };
	static const char * const no[] = { "0", "no", "off", "false" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(yes); i++)
		if (!strcmp(text, yes[i]))
			return 1;
	for (i = 0; i < ARRAY_SIZE(no); i++)
		if (!strcmp(text, no[i]))
			return 0;
	return -EINVAL;
}

int xvb_params_bool(struct xvb_params *params, const char *key, bool *value,
		    struct xvb_error *err)
{
	const char *text = xvb_params_string(params, key);
	int truth;

	if (!text)
		return 0;
	truth = xvb_params_truth(text);
	if (truth >= 0) {
		*value = truth;
		return 0;
	}
	return xvb_error_set(err, -EINVAL, "%s=%s: write %s, or %s=0 or 1", key,
			     text, key, key);
}

int xvb_params_u64(struct xvb_params *params, const char *key, uint64_t min,
		   uint64_t max, uint64_t *value, struct xvb_error *err)
{
	const char *text = xvb_params_string(params, key);
	unsigned long long n;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	/* strtoull() takes blanks and signs; we do not. */
	if (errno || *end || *text < '0' || *text > '9' || n < min || n > max)
		return xvb_error_set(err, -EINVAL,
				     "%s=%s: write a number from %" PRIu64 " to %" PRIu64,
				     key, text, min, max);
	*value = n;
	return 0;
}

int xvb_params_check(const struct xvb_params *params, const char *type,
		     const char *known, struct xvb_error *err)
{
	unsigned int i;

	for (i = 0; i < params->nr; i++) {
		if (!params->param[i].taken)
			return xvb_error_set(err, -EINVAL,
					     "a %s device has no parameter \"%s\": it has %s",
					     type, params->param[i].key, known);
	}
	return 0;
}
