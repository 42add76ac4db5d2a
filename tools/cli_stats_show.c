// SPDX-License-Identifier: GPL-2.0-only
/*
 * How "xen-virtio stats" shows a device: a table or JSON
 *
 * The counters come from a worker that its guest may have taken over: each may
 * have any value, smaller than before as well.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/param.h>

#include <json-c/json.h>

#include "cli_stats.h"
#include "util.h"

#define LABEL_WIDTH	20
#define CELL_WIDTH	11

/* One column: of a sum or a queue, as it is or per second. */
struct column {
	char title[32];
	const struct xvb_vq_stats *now;
	const struct xvb_vq_stats *before;	/* NULL: as it is */
};

struct table {
	struct column col[2 + XVB_MAX_QUEUES];
	unsigned int nr;
	uint64_t ms;			/* between @before and @now */
	struct xvb_vq_stats sum;
	struct xvb_vq_stats sum_before;
};

/* Shown even when nothing happened. */
static const char * const always[] = {
	"requests", "errors", "notifications", "kicks",
};

static bool of_bytes(const struct xvb_stat *stat)
{
	return strstr(stat->name, "bytes");
}

/* At most ten characters. */
static const char *number(char buf[24], uint64_t value, bool bytes)
{
	static const char units[] = "kMGTPE";
	unsigned int base = bytes ? 1024 : 1000, unit = 0;
	double scaled = (double)value;

	if (value < 10000000) {
		snprintf(buf, 24, "%" PRIu64, value);
		return buf;
	}
	for (scaled /= base; scaled >= 9999.95 && units[unit + 1]; unit++)
		scaled /= base;
	snprintf(buf, 24, "%.1f %c%s", scaled, units[unit],
		 bytes ? "iB" : "");
	return buf;
}

static uint64_t per_second(uint64_t now, uint64_t before, uint64_t ms)
{
	if (now <= before || !ms)
		return 0;
	return (uint64_t)((double)(now - before) * 1000 / (double)ms + 0.5);
}

static uint64_t cell(const struct table *t, const struct column *col,
		     const struct xvb_stat *stat)
{
	uint64_t now = xvb_stats_value(col->now, stat);

	if (!col->before)
		return now;
	return per_second(now, xvb_stats_value(col->before, stat), t->ms);
}

static void add_column(struct table *t, const char *title,
		       const struct xvb_vq_stats *now,
		       const struct xvb_vq_stats *before)
{
	struct column *col = &t->col[t->nr++];

	snprintf(col->title, sizeof(col->title), "%s%s", title,
		 before && *title ? " /s" : before ? "/s" : "");
	col->now = now;
	col->before = before;
}

/* Rates are of one worker: another one has begun at 0. */
static bool comparable(const struct xvb_stats_view *view)
{
	return view->before && view->before->pid == view->now->pid &&
	       view->before->now_ms < view->now->now_ms;
}

static void make_table(struct table *t, const struct xvb_stats_view *view)
{
	const struct xvb_stats *now = &view->now->stats;
	uint64_t nr = xvb_stat_get(&now->device.nr_queues), i;
	const struct xvb_stats *before = NULL;
	char title[24];

	memset(t, 0, sizeof(*t));
	xvb_stats_sum(now, &t->sum);
	add_column(t, "total", &t->sum, NULL);
	if (comparable(view)) {
		before = &view->before->stats;
		xvb_stats_sum(before, &t->sum_before);
		t->ms = view->now->now_ms - view->before->now_ms;
		add_column(t, "", &t->sum, &t->sum_before);
	}
	for (i = 0; nr > 1 && i < nr && i < XVB_MAX_QUEUES; i++) {
		snprintf(title, sizeof(title), before ? "q%u" : "queue %u",
			 (unsigned int)i);
		add_column(t, title, &now->queue[i].vq,
			   before ? &before->queue[i].vq : NULL);
	}
}

static bool interesting(const struct table *t, const struct xvb_stat *stat)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		if (!strcmp(stat->name, always[i]))
			return true;
	return xvb_stats_value(&t->sum, stat);
}

static void show_columns(FILE *f, const struct table *t, unsigned int from,
			 unsigned int to)
{
	const struct xvb_stat *stat;
	unsigned int c, i;
	char buf[24];

	fprintf(f, "%-*s", LABEL_WIDTH, "");
	for (c = from; c < to; c++)
		fprintf(f, "%*s", CELL_WIDTH, t->col[c].title);
	fputc('\n', f);
	for (i = 0; i < xvb_nr_vq_stats; i++) {
		stat = &xvb_vq_stat_names[i];
		if (!interesting(t, stat))
			continue;
		fprintf(f, "%-*s", LABEL_WIDTH, stat->name);
		for (c = from; c < to; c++)
			fprintf(f, "%*s", CELL_WIDTH,
				number(buf, cell(t, &t->col[c], stat),
				       of_bytes(stat)));
		fputc('\n', f);
	}
}

/* Pages that the worker has mapped, by any of its threads. */
static uint64_t mapped_pages(const struct xvb_ctl_stats *now)
{
	const struct xvb_grant_stats *g = &now->stats.device.grants;
	struct xvb_vq_stats sum;

	xvb_stats_sum(&now->stats, &sum);
	return xvb_stat_get(&g->maps) - xvb_stat_get(&g->unmaps) +
	       xvb_stat_get(&sum.grants.maps) -
	       xvb_stat_get(&sum.grants.unmaps);
}

static const char *duration(char buf[40], uint64_t ms)
{
	uint64_t s = ms / 1000;

	snprintf(buf, 40, "%" PRIu64 ":%02u:%02u", s / 3600,
		 (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
	return buf;
}

static void show_head(FILE *f, const struct xvb_stats_view *view)
{
	const struct xvb_ctl_stats *now = view->now;
	char buf[40];

	fprintf(f, "domain %u", view->name.fe);
	if (*view->domain)
		fprintf(f, " (%s)", view->domain);
	fprintf(f, " device %u: %s%s%s", view->name.devid, view->type,
		*view->type ? ", " : "", now->state);
	if (now->connected_ms)
		fprintf(f, " for %s", duration(buf, now->connected_ms));
	if (now->pid)
		fprintf(f, ", worker %d for %s", now->pid,
			duration(buf, now->uptime_ms));
	else
		fputs(", no worker", f);
	fputc('\n', f);
}

static void show_device(FILE *f, const struct xvb_ctl_stats *now)
{
	const struct xvb_device_stats *d = &now->stats.device;
	const struct xvb_grant_stats *g = &d->grants;

	fprintf(f, "window   %" PRIu64 " windows of %" PRIu64
		" pages together; mapped at all: %" PRIu64 " pages\n",
		xvb_stat_get(&d->windows), xvb_stat_get(&d->window_pages),
		mapped_pages(now));
	fprintf(f, "         %" PRIu64 " pages mapped in %" PRIu64 " calls, %"
		PRIu64 " unmapped in %" PRIu64 ", %" PRIu64 " failed\n",
		xvb_stat_get(&g->maps), xvb_stat_get(&g->map_batches),
		xvb_stat_get(&g->unmaps), xvb_stat_get(&g->unmap_batches),
		xvb_stat_get(&g->errors));
	fprintf(f, "control  %" PRIu64 " requests, %" PRIu64 " refused, %"
		PRIu64 " dropped; %" PRIu64 " events sent\n",
		xvb_stat_get(&d->control.requests),
		xvb_stat_get(&d->control.refused),
		xvb_stat_get(&d->control.dropped),
		xvb_stat_get(&d->control.events));
}

void xvb_stats_show(FILE *f, const struct xvb_stats_view *view,
		    unsigned int width)
{
	unsigned int fit = 1, from, to;
	struct table t;

	show_head(f, view);
	if (!view->now->pid)
		return;
	show_device(f, view->now);
	if (width > LABEL_WIDTH + CELL_WIDTH)
		fit = (width - LABEL_WIDTH) / CELL_WIDTH;
	make_table(&t, view);
	for (from = 0; from < t.nr; from = to) {
		to = MIN(from + fit, t.nr);
		show_columns(f, &t, from, to);
	}
}

static void add_text(struct json_object *obj, const char *key,
		     const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

static void add_number(struct json_object *obj, const char *key, uint64_t value)
{
	json_object_object_add(obj, key, json_object_new_uint64(value));
}

static void add_all(struct json_object *obj, const void *base,
		    const struct xvb_stat *stat, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		add_number(obj, stat[i].name, xvb_stats_value(base, &stat[i]));
}

static struct json_object *json_counters(const struct xvb_vq_stats *vq)
{
	struct json_object *obj = json_object_new_object();

	add_all(obj, vq, xvb_vq_stat_names, xvb_nr_vq_stats);
	return obj;
}

static struct json_object *json_queues(const struct xvb_stats *stats)
{
	uint64_t nr = xvb_stat_get(&stats->device.nr_queues), i;
	struct json_object *queues = json_object_new_array();

	for (i = 0; i < nr && i < XVB_MAX_QUEUES; i++)
		json_object_array_add(queues,
				      json_counters(&stats->queue[i].vq));
	return queues;
}

struct json_object *xvb_stats_json(const struct xvb_stats_view *view)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *device = json_object_new_object();
	const struct xvb_ctl_stats *now = view->now;
	struct xvb_vq_stats sum;

	add_number(obj, "domid", view->name.fe);
	add_text(obj, "domain", view->domain);
	add_number(obj, "device", view->name.devid);
	add_number(obj, "backend-domid", view->name.be);
	add_text(obj, "type", view->type);
	add_text(obj, "state", now->state);
	add_number(obj, "time-ms", now->now_ms);
	add_number(obj, "worker-pid", (uint64_t)(now->pid > 0 ? now->pid : 0));
	add_number(obj, "uptime-ms", now->uptime_ms);
	add_number(obj, "connected-ms", now->connected_ms);
	add_number(obj, "mapped-pages", mapped_pages(now));
	add_all(device, &now->stats.device, xvb_device_stat_names,
		xvb_nr_device_stats);
	json_object_object_add(obj, "control", device);
	xvb_stats_sum(&now->stats, &sum);
	json_object_object_add(obj, "total", json_counters(&sum));
	json_object_object_add(obj, "queues", json_queues(&now->stats));
	return obj;
}
