// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_stats_show.c - what "xen-virtio stats" makes of the counters
 */

#include <json-c/json.h>

#include "cli_stats.h"
#include "guest.h"

static struct xvb_ctl_stats now, before;

static struct xvb_stats_view view = {
	.name = { .be = 0, .fe = 7, .devid = 3 },
	.domain = "guest1",
	.type = "blk",
	.now = &now,
};

static int set_up(void **state)
{
	struct xvb_device_stats *d = &now.stats.device;

	(void)state;
	memset(&now, 0, sizeof(now));
	memset(&before, 0, sizeof(before));
	view.before = NULL;
	now.pid = 1234;
	now.now_ms = 100000;
	now.uptime_ms = 3725000;
	now.connected_ms = 61000;
	snprintf(now.state, sizeof(now.state), "connected");
	xvb_stat_set(&d->nr_queues, 2);
	xvb_stat_set(&d->windows, 12);
	xvb_stat_set(&d->window_pages, 3072);
	xvb_stat_set(&d->grants.maps, 3074);
	xvb_stat_set(&d->grants.unmaps, 4);
	xvb_stat_set(&now.stats.queue[0].vq.requests, 1000);
	xvb_stat_set(&now.stats.queue[1].vq.requests, 500);
	xvb_stat_set(&now.stats.queue[1].vq.bytes_in, 5ULL << 30);
	xvb_stat_set(&now.stats.queue[1].vq.grants.maps, 8);
	xvb_stat_set(&now.stats.queue[1].vq.grants.unmaps, 3);
	return 0;
}

static char *table(unsigned int width)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	xvb_stats_show(f, &view, width);
	fclose(f);
	return text;
}

/* The line of the table that begins with @label, its spaces squeezed. */
static void expect_line(const char *text, const char *label, const char *want)
{
	size_t n = strlen(label);
	const char *p = text;
	char line[512];

	while (strncmp(p, label, n)) {
		p += strcspn(p, "\n");
		if (!*p++)
			fail_msg("no line \"%s\" in:\n%s", label, text);
	}
	for (n = 0; *p && *p != '\n' && n < sizeof(line) - 1; p++)
		if (*p != ' ' || (n && line[n - 1] != ' '))
			line[n++] = *p;
	line[n] = '\0';
	assert_string_equal(line, want);
}

static void plain(void **state)
{
	char *text = table(80);

	(void)state;
	expect_line(text, "domain",
		    "domain 7 (guest1) device 3: blk, connected for 0:01:01, worker 1234 for 1:02:05");
	expect_line(text, "window",
		    "window 12 windows of 3072 pages together; mapped at all: 3075 pages");
	expect_line(text, "         3074",
		    "3074 pages mapped in 0 calls, 4 unmapped in 0, 0 failed");
	expect_line(text, "                   ", "total queue 0 queue 1");
	expect_line(text, "requests", "requests 1500 1000 500");
	expect_line(text, "bytes-in", "bytes-in 5120.0 MiB 0 5120.0 MiB");
	expect_line(text, "grant-maps", "grant-maps 8 0 8");
	/* Always there, and what never happened is not. */
	expect_line(text, "errors", "errors 0 0 0");
	assert_null(strstr(text, "sweeps"));
	free(text);
}

static void one_queue(void **state)
{
	char *text;

	(void)state;
	xvb_stat_set(&now.stats.device.nr_queues, 1);
	text = table(80);
	expect_line(text, "requests", "requests 1000");
	free(text);
}

static void rates(void **state)
{
	char *text;

	(void)state;
	before = now;
	before.now_ms -= 2000;
	xvb_stat_set(&before.stats.queue[0].vq.requests, 401);
	/* A worker that lies may go backwards. */
	xvb_stat_set(&before.stats.queue[1].vq.requests, 700);
	view.before = &before;
	text = table(80);
	expect_line(text, "                   ", "total /s q0 /s q1 /s");
	expect_line(text, "requests", "requests 1500 200 300 0");
	free(text);
	/* Another worker, or no time between: no rates. */
	before.pid++;
	text = table(80);
	expect_line(text, "requests", "requests 1500 1000 500");
	free(text);
	before.pid = now.pid;
	before.now_ms = now.now_ms;
	text = table(80);
	expect_line(text, "requests", "requests 1500 1000 500");
	free(text);
}

static void no_worker(void **state)
{
	char *text;

	(void)state;
	memset(&now, 0, sizeof(now));
	snprintf(now.state, sizeof(now.state), "idle");
	view.type = "";
	view.domain = "";
	text = table(80);
	assert_string_equal(text, "domain 7 device 3: idle, no worker\n");
	free(text);
	view.type = "blk";
	view.domain = "guest1";
}

static void fill(struct xvb_ctl_stats *stats, int byte)
{
	memset(&stats->stats, byte, sizeof(stats->stats));
	xvb_stat_set(&stats->stats.device.nr_queues, XVB_MAX_QUEUES);
}

/* Columns stay columns, whatever the numbers are. */
static void check_columns(const char *text, unsigned int width)
{
	const char *p = text, *end;
	unsigned int lines = 0;

	for (; *p; p = end + 1) {
		end = strchr(p, '\n');
		assert_non_null(end);
		/* The first four are sentences. */
		if (lines++ < 4)
			continue;
		assert_in_range(end - p, 1, width);
		assert_int_equal((end - p - 20) % 11, 0);
	}
	assert_true(lines > 4 + xvb_nr_vq_stats);
}

static void hostile(void **state)
{
	static const unsigned int widths[] = { 0, 31, 80, 132, 1000 };
	unsigned int i;
	char *text;

	(void)state;
	fill(&now, 0xff);
	before = now;
	before.now_ms -= 1;
	fill(&before, 0);
	for (i = 0; i < 2 * ARRAY_SIZE(widths); i++) {
		view.before = i & 1 ? &before : NULL;
		text = table(widths[i / 2]);
		check_columns(text, widths[i / 2] < 42 ? 31 : widths[i / 2]);
		assert_non_null(strstr(text, i & 1 ? "q63 /s" : "queue 63"));
		free(text);
	}
}

static uint64_t member(struct json_object *obj, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(obj, key, &value))
		fail_msg("no key \"%s\"", key);
	assert_int_equal(json_object_get_type(value), json_type_int);
	return json_object_get_uint64(value);
}

static struct json_object *parsed(void)
{
	struct json_object *obj = xvb_stats_json(&view), *again;

	again = json_tokener_parse(json_object_to_json_string(obj));
	assert_non_null(again);
	json_object_put(obj);
	return again;
}

/* The keys that the manual page promises. */
static void json(void **state)
{
	struct json_object *obj = parsed(), *sub, *queue;

	(void)state;
	assert_int_equal(member(obj, "domid"), 7);
	assert_int_equal(member(obj, "device"), 3);
	assert_int_equal(member(obj, "worker-pid"), 1234);
	assert_int_equal(member(obj, "uptime-ms"), 3725000);
	assert_int_equal(member(obj, "connected-ms"), 61000);
	assert_int_equal(member(obj, "time-ms"), 100000);
	assert_int_equal(member(obj, "mapped-pages"), 3075);
	assert_true(json_object_object_get_ex(obj, "state", &sub));
	assert_string_equal(json_object_get_string(sub), "connected");
	assert_true(json_object_object_get_ex(obj, "control", &sub));
	assert_int_equal(member(sub, "windows"), 12);
	assert_int_equal(member(sub, "grant-maps"), 3074);
	assert_int_equal(member(sub, "control-requests"), 0);
	assert_true(json_object_object_get_ex(obj, "total", &sub));
	assert_int_equal(member(sub, "requests"), 1500);
	assert_int_equal(json_object_object_length(sub), xvb_nr_vq_stats);
	assert_true(json_object_object_get_ex(obj, "queues", &sub));
	assert_int_equal(json_object_array_length(sub), 2);
	queue = json_object_array_get_idx(sub, 1);
	assert_int_equal(member(queue, "bytes-in"), 5ULL << 30);
	assert_int_equal(member(queue, "requests"), 500);
	json_object_put(obj);
}

static void json_hostile(void **state)
{
	struct json_object *obj, *sub;

	(void)state;
	fill(&now, 0xff);
	now.pid = -1;
	obj = parsed();
	assert_int_equal(member(obj, "worker-pid"), 0);
	assert_true(json_object_object_get_ex(obj, "queues", &sub));
	assert_int_equal(json_object_array_length(sub), XVB_MAX_QUEUES);
	assert_int_equal(member(json_object_array_get_idx(sub, 63), "errors"),
			 UINT64_MAX);
	json_object_put(obj);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(plain, set_up),
		cmocka_unit_test_setup(one_queue, set_up),
		cmocka_unit_test_setup(rates, set_up),
		cmocka_unit_test_setup(no_worker, set_up),
		cmocka_unit_test_setup(hostile, set_up),
		cmocka_unit_test_setup(json, set_up),
		cmocka_unit_test_setup(json_hostile, set_up),
	};

	return cmocka_run_group_tests_name("stats_show", tests, NULL, NULL);
}
