// SPDX-License-Identifier: GPL-2.0-only
/*
 * What xen-virtio-bench makes of its samples: results, a table, JSON, and what
 * changed between two reports
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <json-c/json.h>

#include "bench.h"
#include "util.h"
#include "version.h"

#define FORMAT	1

static const char *const unit_names[] = {
	[XVB_BENCH_NS] = "ns",
	[XVB_BENCH_INSTRUCTIONS] = "instructions",
};

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void xvb_bench_sum_up(struct xvb_bench_result *r, uint64_t *sample,
		      unsigned int nr, uint64_t clock, unsigned int loops)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		sample[i] = sample[i] > clock ? sample[i] - clock : 0;
		sample[i] /= loops;
		sum += sample[i];
	}
	qsort(sample, nr, sizeof(*sample), by_value);
	r->samples = nr;
	if (!nr)
		return;
	r->min = sample[0];
	r->median = sample[(nr - 1) / 2];
	r->p95 = sample[(nr * 95ULL + 99) / 100 - 1];
	r->mean = sum / nr;
}

static bool same(const struct xvb_bench_result *a,
		 const struct xvb_bench_result *b)
{
	return !strcmp(a->name, b->name) && a->batch == b->batch &&
	       a->size == b->size;
}

const struct xvb_bench_result *
xvb_bench_find(const struct xvb_bench_report *rep,
	       const struct xvb_bench_result *like)
{
	unsigned int i;

	for (i = 0; i < rep->nr; i++)
		if (same(&rep->result[i], like))
			return &rep->result[i];
	return NULL;
}

static void show_unit(FILE *f, enum xvb_bench_unit unit)
{
	if (unit == XVB_BENCH_INSTRUCTIONS)
		fputs("instructions, counted by the emulator's clock; no time of any hardware\n",
		      f);
	else
		fputs("nanoseconds\n", f);
}

void xvb_bench_show(FILE *f, const struct xvb_bench_report *rep)
{
	const struct xvb_bench_result *r;
	unsigned int i;

	show_unit(f, rep->unit);
	fprintf(f, "%-22s %6s %8s %10s %10s %10s %10s %10s\n", "operation",
		"batch", "bytes", "each", "median", "min", "p95", "mean");
	for (i = 0; i < rep->nr; i++) {
		r = &rep->result[i];
		fprintf(f, "%-22s %6u %8u %10" PRIu64 " %10" PRIu64 " %10" PRIu64
			" %10" PRIu64 " %10" PRIu64 "\n",
			r->name, r->batch, r->size,
			r->median / (r->batch ? r->batch : 1), r->median,
			r->min, r->p95, r->mean);
	}
}

/* Takes over @value; what the library could not make is an error here. */
static int add(struct json_object *obj, const char *key,
	       struct json_object *value)
{
	if (!value)
		return -ENOMEM;
	if (json_object_object_add(obj, key, value)) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static int add_number(struct json_object *obj, const char *key, uint64_t value)
{
	return add(obj, key, json_object_new_uint64(value));
}

static int fill_result(struct json_object *obj,
		       const struct xvb_bench_result *r)
{
	int ret = add(obj, "name", json_object_new_string(r->name));

	ret = ret ?: add_number(obj, "batch", r->batch);
	ret = ret ?: add_number(obj, "size", r->size);
	ret = ret ?: add_number(obj, "samples", r->samples);
	ret = ret ?: add_number(obj, "min", r->min);
	ret = ret ?: add_number(obj, "median", r->median);
	ret = ret ?: add_number(obj, "p95", r->p95);
	return ret ?: add_number(obj, "mean", r->mean);
}

static int fill_results(struct json_object *list,
			const struct xvb_bench_report *rep)
{
	struct json_object *obj;
	unsigned int i;

	for (i = 0; i < rep->nr; i++) {
		obj = json_object_new_object();
		if (!obj)
			return -ENOMEM;
		if (json_object_array_add(list, obj)) {
			json_object_put(obj);
			return -ENOMEM;
		}
		if (fill_result(obj, &rep->result[i]))
			return -ENOMEM;
	}
	return 0;
}

static int fill_report(struct json_object *obj,
		       const struct xvb_bench_report *rep)
{
	struct json_object *list = json_object_new_array();
	struct utsname name = { .release = "" };
	int ret;

	uname(&name);
	ret = add(obj, "tool", json_object_new_string("xen-virtio-bench"));
	ret = ret ?: add(obj, "version", json_object_new_string(XVB_VERSION));
	ret = ret ?: add_number(obj, "format", FORMAT);
	ret = ret ?: add(obj, "unit",
			 json_object_new_string(unit_names[rep->unit]));
	ret = ret ?: add(obj, "linux", json_object_new_string(name.release));
	ret = ret ?: add_number(obj, "clock", rep->clock);
	if (ret) {
		json_object_put(list);
		return ret;
	}
	ret = add(obj, "results", list);
	return ret ?: fill_results(list, rep);
}

int xvb_bench_write_json(FILE *f, const struct xvb_bench_report *rep)
{
	struct json_object *obj = json_object_new_object();
	const char *text = NULL;

	if (obj && !fill_report(obj, rep))
		text = json_object_to_json_string_ext(obj,
						      JSON_C_TO_STRING_PRETTY);
	if (text)
		fprintf(f, "%s\n", text);
	json_object_put(obj);
	return text ? 0 : -ENOMEM;
}

static int get_string(struct json_object *obj, const char *key,
		      const char **value)
{
	struct json_object *found;

	if (!json_object_object_get_ex(obj, key, &found) ||
	    !json_object_is_type(found, json_type_string))
		return -EINVAL;
	*value = json_object_get_string(found);
	return 0;
}

static int get_number(struct json_object *obj, const char *key,
		      uint64_t *value)
{
	struct json_object *found;

	if (!json_object_object_get_ex(obj, key, &found) ||
	    !json_object_is_type(found, json_type_int) ||
	    json_object_get_int64(found) < 0)
		return -EINVAL;
	*value = json_object_get_uint64(found);
	return 0;
}

static int get_u32(struct json_object *obj, const char *key, uint32_t *value)
{
	uint64_t number = 0;
	int ret = get_number(obj, key, &number);

	if (ret || number > UINT32_MAX)
		return -EINVAL;
	*value = (uint32_t)number;
	return 0;
}

static int load_result(struct json_object *obj, struct xvb_bench_result *r)
{
	const char *name = "";
	int ret = get_string(obj, "name", &name);

	if (ret || !*name || strlen(name) >= sizeof(r->name))
		return -EINVAL;
	memcpy(r->name, name, strlen(name) + 1);
	ret = get_u32(obj, "batch", &r->batch);
	ret = ret ?: get_u32(obj, "size", &r->size);
	ret = ret ?: get_u32(obj, "samples", &r->samples);
	ret = ret ?: get_number(obj, "min", &r->min);
	ret = ret ?: get_number(obj, "median", &r->median);
	ret = ret ?: get_number(obj, "p95", &r->p95);
	return ret ?: get_number(obj, "mean", &r->mean);
}

static int load_unit(struct json_object *obj, enum xvb_bench_unit *unit)
{
	const char *text = "";
	unsigned int i;
	int ret = get_string(obj, "unit", &text);

	if (ret)
		return ret;
	for (i = 0; i < ARRAY_SIZE(unit_names); i++) {
		if (!strcmp(text, unit_names[i])) {
			*unit = (enum xvb_bench_unit)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int load_report(struct json_object *obj, struct xvb_bench_report *rep)
{
	struct json_object *list;
	uint64_t format = 0;
	size_t i, nr;
	int ret;

	ret = get_number(obj, "format", &format);
	if (ret || format != FORMAT)
		return -EINVAL;
	ret = load_unit(obj, &rep->unit);
	ret = ret ?: get_number(obj, "clock", &rep->clock);
	if (ret || !json_object_object_get_ex(obj, "results", &list) ||
	    !json_object_is_type(list, json_type_array))
		return -EINVAL;
	nr = json_object_array_length(list);
	if (nr > XVB_BENCH_RESULTS)
		return -EINVAL;
	for (i = 0; i < nr && !ret; i++) {
		ret = load_result(json_object_array_get_idx(list, i),
				  &rep->result[i]);
		rep->nr += !ret;
	}
	return ret;
}

int xvb_bench_load(struct xvb_bench_report *rep, const char *path,
		   struct xvb_error *err)
{
	struct json_object *obj = json_object_from_file(path);
	int ret;

	memset(rep, 0, sizeof(*rep));
	if (!obj)
		return xvb_error_set(err, -EINVAL, "reading %s: no JSON there",
				     path);
	ret = load_report(obj, rep);
	json_object_put(obj);
	if (ret)
		return xvb_error_set(err, ret,
				     "reading %s: not a report of xen-virtio-bench of this version",
				     path);
	return 0;
}

static void show_change(FILE *f, const struct xvb_bench_result *r,
			const struct xvb_bench_result *old)
{
	fprintf(f, "%-22s %6u %8u ", r->name, r->batch, r->size);
	if (!old) {
		fprintf(f, "%10s %10" PRIu64 "       new\n", "-", r->median);
		return;
	}
	fprintf(f, "%10" PRIu64 " %10" PRIu64, old->median, r->median);
	if (old->median)
		fprintf(f, " %+8.1f%%",
			((double)r->median / (double)old->median - 1) * 100);
	fputc('\n', f);
}

int xvb_bench_compare(FILE *f, const struct xvb_bench_report *old,
		      const struct xvb_bench_report *new,
		      struct xvb_error *err)
{
	const struct xvb_bench_result *r;
	unsigned int i;

	if (old->unit != new->unit)
		return xvb_error_set(err, -EINVAL,
				     "comparing: one report counts %s, the other %s",
				     unit_names[old->unit],
				     unit_names[new->unit]);
	show_unit(f, new->unit);
	fprintf(f, "%-22s %6s %8s %10s %10s %9s\n", "operation", "batch",
		"bytes", "old", "new", "change");
	for (i = 0; i < new->nr; i++) {
		r = &new->result[i];
		show_change(f, r, xvb_bench_find(old, r));
	}
	for (i = 0; i < old->nr; i++) {
		r = &old->result[i];
		if (!xvb_bench_find(new, r))
			fprintf(f, "%-22s %6u %8u %10" PRIu64 " %10s      gone\n",
				r->name, r->batch, r->size, r->median, "-");
	}
	return 0;
}
