// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_bench.c - what xen-virtio-bench makes of its samples
 */

#include <errno.h>
#include <unistd.h>

#include "bench.h"
#include "guest.h"

static struct xvb_bench_report rep, other;
static struct xvb_error err;

static void add_result(struct xvb_bench_report *r, const char *name,
		       uint32_t batch, uint64_t median)
{
	struct xvb_bench_result *res = &r->result[r->nr++];

	snprintf(res->name, sizeof(res->name), "%s", name);
	res->batch = batch;
	res->size = batch * XVB_BENCH_PAGE;
	res->samples = 10;
	res->min = median - 1;
	res->median = median;
	res->p95 = median + 2;
	res->mean = median + 1;
}

static int set_up(void **state)
{
	(void)state;
	memset(&rep, 0, sizeof(rep));
	memset(&other, 0, sizeof(other));
	err.text[0] = '\0';
	rep.unit = XVB_BENCH_INSTRUCTIONS;
	rep.clock = 77;
	add_result(&rep, "grant-map", 1, 1000);
	add_result(&rep, "grant-map", 256, 512000);
	return 0;
}

/* What @show prints, with the spaces squeezed. */
static char *printed(void (*show)(FILE *f))
{
	char *text = NULL, *squeezed, *to;
	const char *from;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	show(f);
	fclose(f);
	squeezed = calloc(1, len + 1);
	assert_non_null(squeezed);
	for (from = text, to = squeezed; *from; from++)
		if (*from != ' ' || from[1] != ' ')
			*to++ = *from;
	free(text);
	return squeezed;
}

/* Text in a file of its own; @path is a template for mkstemp(3). */
static void save(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

static int load_text(const char *text)
{
	char path[] = "/tmp/test_bench.XXXXXX";
	int ret;

	save(path, text);
	ret = xvb_bench_load(&other, path, &err);
	unlink(path);
	return ret;
}

static void sums(void **state)
{
	uint64_t sample[100];
	struct xvb_bench_result r = { .name = "x" };
	unsigned int i;

	(void)state;
	/* 1100 … 1001, in an order that is not sorted. */
	for (i = 0; i < 100; i++)
		sample[i] = 1100 - i;
	xvb_bench_sum_up(&r, sample, 100, 1000, 1);
	assert_int_equal(r.samples, 100);
	assert_int_equal(r.min, 1);
	assert_int_equal(r.median, 50);
	assert_int_equal(r.p95, 95);
	assert_int_equal(r.mean, 50);
}

static void sums_odd(void **state)
{
	uint64_t sample[] = { 500, 90, 30000 }, one[] = { 7 };
	struct xvb_bench_result r = { .name = "x" };

	(void)state;
	/* What is faster than the clock costs nothing, not 2^64. */
	xvb_bench_sum_up(&r, sample, 3, 100, 4);
	assert_int_equal(r.min, 0);
	assert_int_equal(r.median, 100);
	assert_int_equal(r.p95, 7475);
	assert_int_equal(r.mean, 2525);
	xvb_bench_sum_up(&r, one, 1, 0, 1);
	assert_int_equal(r.min, 7);
	assert_int_equal(r.median, 7);
	assert_int_equal(r.p95, 7);
}

static void finds(void **state)
{
	struct xvb_bench_result like = rep.result[1];

	(void)state;
	assert_ptr_equal(xvb_bench_find(&rep, &like), &rep.result[1]);
	like.size++;
	assert_null(xvb_bench_find(&rep, &like));
	like = rep.result[1];
	like.batch = 2;
	assert_null(xvb_bench_find(&rep, &like));
}

static void show_table(FILE *f)
{
	xvb_bench_show(f, &rep);
}

static void shows(void **state)
{
	char *text = printed(show_table);

	(void)state;
	assert_non_null(strstr(text, "instructions, counted"));
	assert_null(strstr(text, "nanoseconds"));
	/* The cost of each of a batch is what people look for. */
	assert_non_null(strstr(text, "grant-map 256 1048576 2000 512000 511999 512002 512001\n"));
	free(text);
	rep.unit = XVB_BENCH_NS;
	text = printed(show_table);
	assert_non_null(strstr(text, "nanoseconds\n"));
	assert_null(strstr(text, "instructions"));
	free(text);
}

static void json(FILE *f)
{
	assert_int_equal(xvb_bench_write_json(f, &rep), 0);
}

static void round_trip(void **state)
{
	char *text = printed(json);

	(void)state;
	assert_int_equal(load_text(text), 0);
	assert_memory_equal(&other, &rep, sizeof(rep));
	free(text);
}

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *rest = strstr(text, from);
	char *result = NULL, *old;

	assert_non_null(rest);
	rest += strlen(from);
	old = strndup(text, strlen(text) - strlen(rest) - strlen(from));
	assert_non_null(old);
	assert_true(asprintf(&result, "%s%s%s", old, to, rest) > 0);
	free(old);
	return result;
}

/* Good JSON with @to instead of @from must be refused. */
static void refuse(const char *from, const char *to)
{
	char *text = printed(json), *bad = replaced(text, from, to);

	assert_int_equal(load_text(bad), -EINVAL);
	assert_non_null(strstr(err.text, "not a report"));
	free(bad);
	free(text);
}

static void refuses(void **state)
{
	(void)state;
	refuse("\"format\":1", "\"format\":2");
	refuse("\"unit\":\"instructions\"", "\"unit\":\"seconds\"");
	refuse("\"unit\":\"instructions\"", "\"unit\":3");
	refuse("\"name\":\"grant-map\"", "\"name\":\"\"");
	refuse("\"name\":\"grant-map\"",
	       "\"name\":\"0123456789012345678901234567890123\"");
	refuse("\"batch\":256", "\"batch\":4294967296");
	refuse("\"batch\":256", "\"batch\":\"256\"");
	refuse("\"median\":512000", "\"median\":-1");
	refuse("\"mean\"", "\"meant\"");
	refuse("\"results\"", "\"result\"");
	assert_int_equal(load_text("nonsense"), -EINVAL);
	assert_int_equal(xvb_bench_load(&other, "/nonexistent", &err), -EINVAL);
}

static void too_many(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	unsigned int i;

	(void)state;
	assert_non_null(f);
	fputs("{\"format\":1,\"unit\":\"ns\",\"clock\":0,\"results\":[", f);
	for (i = 0; i <= XVB_BENCH_RESULTS; i++)
		fprintf(f, "%s{\"name\":\"x\",\"batch\":1,\"size\":%u,\"samples\":1,\"min\":1,\"median\":1,\"p95\":1,\"mean\":1}",
			i ? "," : "", i);
	fputs("]}", f);
	fclose(f);
	assert_int_equal(load_text(text), -EINVAL);
	free(text);
}

static void show_changes(FILE *f)
{
	assert_int_equal(xvb_bench_compare(f, &rep, &other, &err), 0);
}

static void compares(void **state)
{
	char *text;

	(void)state;
	other.unit = rep.unit;
	add_result(&other, "grant-map", 1, 900);
	add_result(&other, "event-send", 1, 33);
	text = printed(show_changes);
	assert_non_null(strstr(text, "grant-map 1 4096 1000 900 -10.0%\n"));
	assert_non_null(strstr(text, "event-send 1 4096 - 33 new\n"));
	assert_non_null(strstr(text, "grant-map 256 1048576 512000 - gone\n"));
	free(text);
}

/* Instructions of an emulator and time of hardware are never compared. */
static void units_differ(void **state)
{
	(void)state;
	other.unit = XVB_BENCH_NS;
	assert_int_equal(xvb_bench_compare(stderr, &rep, &other, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "counts instructions, the other ns"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(sums, set_up),
		cmocka_unit_test_setup(sums_odd, set_up),
		cmocka_unit_test_setup(finds, set_up),
		cmocka_unit_test_setup(shows, set_up),
		cmocka_unit_test_setup(round_trip, set_up),
		cmocka_unit_test_setup(refuses, set_up),
		cmocka_unit_test_setup(too_many, set_up),
		cmocka_unit_test_setup(compares, set_up),
		cmocka_unit_test_setup(units_differ, set_up),
	};

	return cmocka_run_group_tests_name("bench", tests, NULL, NULL);
}
