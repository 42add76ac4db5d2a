// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_trace.c - what the benchmark counts in a trace of Xen
 *
 * The numbers of events are written here again, from Xen's public headers.
 */

#include "../bench/account/trace.h"
#include "guest.h"

#define GUEST	7
#define ROOM	4096

static struct trace t;
static unsigned char data[ROOM];
static size_t len;

static int set_up(void **state)
{
	(void)state;
	len = 0;
	trace_init(&t, GUEST);
	return 0;
}

/* One record with a time stamp or without, and @n words. */
static void put(uint32_t event, int cycles, unsigned int n, const uint32_t *words)
{
	uint32_t head = event | n << 28 | (cycles ? UINT32_C(1) << 31 : 0);

	assert_true(len + 4 + 8 + n * 4 <= sizeof(data));
	memcpy(data + len, &head, 4);
	len += 4;
	if (cycles) {
		memset(data + len, 0xaa, 8);
		len += 8;
	}
	if (n)
		memcpy(data + len, words, n * 4);
	len += n * 4;
}

#define PUT(event, cycles, ...) do { \
	const uint32_t words_[] = { __VA_ARGS__ }; \
	put(event, cycles, sizeof(words_) / 4, words_); \
} while (0)

static void put_switch(uint32_t from, uint32_t to)
{
	PUT(0x2800a, 1, from, 0, to, 0);
}

static void put_call(uint32_t call)
{
	PUT(0x20100d, 1, call);
}

static void count(void)
{
	trace_cpu(&t, data, len, ROOM, TRACE_UNKNOWN);
}

/* Whose a call is: that of whom the processor was switched to last. */
static void test_whose(void **state)
{
	(void)state;
	put_call(29);
	put_switch(0, GUEST);
	put_call(32);
	put_call(32);
	put_switch(GUEST, 0);
	put_call(32);
	put_switch(0, 3);
	put_call(17);
	put_switch(3, 0x7fff);
	put_switch(0x7fff, 0x7fff);
	count();
	assert_int_equal(t.domain[TRACE_UNKNOWN].calls[29], 1);
	assert_int_equal(t.domain[TRACE_GUEST].calls[32], 2);
	assert_int_equal(t.domain[TRACE_DOM0].calls[32], 1);
	assert_int_equal(t.domain[TRACE_OTHER].calls[17], 1);
	assert_int_equal(t.domain[TRACE_GUEST].switches, 1);
	assert_int_equal(t.domain[TRACE_DOM0].switches, 1);
	/* To itself is none. */
	assert_int_equal(t.domain[TRACE_IDLE].switches, 1);
	assert_int_equal(t.records, 10);
	assert_int_equal(t.lost, 0);
	assert_int_equal(t.malformed, 0);
}

/* What one processor was switched to says nothing about the next. */
static void test_processors(void **state)
{
	(void)state;
	put_switch(0, GUEST);
	count();
	len = 0;
	put_call(32);
	count();
	assert_int_equal(t.domain[TRACE_GUEST].calls[32], 0);
	assert_int_equal(t.domain[TRACE_UNKNOWN].calls[32], 1);
	trace_cpu(&t, data, len, ROOM, TRACE_DOM0);
	assert_int_equal(t.domain[TRACE_DOM0].calls[32], 1);
}

/* Commands and lengths are behind other arguments, some of 64 bits. */
static void test_arguments(void **state)
{
	const uint32_t a32 = 1 << 20, c32 = 1 << 24, b64 = 2 << 22;

	(void)state;
	put_switch(GUEST, 0);
	PUT(0x20100d, 1, 20 | a32 | c32, 5, 12);
	PUT(0x20100d, 1, 20 | a32 | b64 | c32, 5, 99, 99, 30);
	PUT(0x20200e, 1, 20 | a32 | c32, 1, 3);
	PUT(0x20100d, 1, 29 | a32, 1);
	/* The first is a length there, and no command. */
	PUT(0x20100d, 1, 13 | 1 << 22, 4);
	/* Says that it has more than it has. */
	PUT(0x20100d, 1, 20 | a32 | c32, 0);
	count();
	assert_int_equal(t.domain[TRACE_DOM0].calls[20], 3);
	assert_int_equal(t.domain[TRACE_DOM0].cmds[20][5], 2);
	assert_int_equal(t.domain[TRACE_DOM0].ops[20][5], 42);
	assert_int_equal(t.domain[TRACE_DOM0].parts[20], 1);
	assert_int_equal(t.domain[TRACE_DOM0].ops[20][1], 3);
	assert_int_equal(t.domain[TRACE_DOM0].cmds[29][1], 1);
	assert_int_equal(t.domain[TRACE_DOM0].calls[13], 1);
	assert_int_equal(t.domain[TRACE_DOM0].cmds[13][4], 0);
	assert_int_equal(t.domain[TRACE_DOM0].cmds[20][0], 1);
	assert_int_equal(t.domain[TRACE_DOM0].ops[20][0], 0);
}

/* Ways into Xen that are no hypercalls, with addresses of 32 and of 64 bits. */
static void test_entries(void **state)
{
	(void)state;
	put_switch(0, GUEST);
	PUT(0x201003, 1, 1, 2);
	PUT(0x201103, 1, 1, 2, 3);
	PUT(0x201104, 1, 1, 2, 3, 4, 5);
	PUT(0x201106, 0, 1, 2);
	PUT(0x81102, 1, 0x72, 1, 2);
	put(0x81001, 1, 0, NULL);
	PUT(0x82012, 1, 20);
	count();
	assert_int_equal(t.domain[TRACE_GUEST].traps, 2);
	assert_int_equal(t.domain[TRACE_GUEST].faults, 1);
	assert_int_equal(t.domain[TRACE_GUEST].emulated, 1);
	assert_int_equal(t.domain[TRACE_GUEST].exits, 1);
	assert_int_equal(t.domain[TRACE_GUEST].calls[20], 1);
	assert_int_equal(t.records, 8);
	assert_int_equal(t.malformed, 0);
}

static void test_lost(void **state)
{
	(void)state;
	put_switch(0, GUEST);
	PUT(0x1f001, 1, 17, GUEST, 1, 2);
	put_call(32);
	count();
	assert_int_equal(t.lost, 17);
}

/* What did not fit may be followed by nothing that says so. */
static void test_full(void **state)
{
	(void)state;
	put_switch(0, GUEST);
	trace_cpu(&t, data, len, len + 200, TRACE_UNKNOWN);
	assert_int_equal(t.lost, 0);
	trace_cpu(&t, data, len, len + 40, TRACE_UNKNOWN);
	assert_int_equal(t.lost, 1);
	trace_cpu(&t, data, len, len, TRACE_UNKNOWN);
	assert_int_equal(t.lost, 2);
}

static void test_truncated(void **state)
{
	size_t cut;

	(void)state;
	put_switch(0, GUEST);
	put_call(32);
	/* At each place within the second record, in memory that ends there. */
	for (cut = len - 1; cut > len - 16; cut--) {
		unsigned char *copy = malloc(cut);

		assert_non_null(copy);
		memcpy(copy, data, cut);
		trace_init(&t, GUEST);
		trace_cpu(&t, copy, cut, ROOM, TRACE_UNKNOWN);
		free(copy);
		assert_int_equal(t.records, 1);
		assert_int_equal(t.malformed, cut - 28);
		assert_int_equal(t.domain[TRACE_GUEST].calls[32], 0);
	}
}

static void test_malformed(void **state)
{
	(void)state;
	/* A switch that does not say to whom, a call without number, and one of
	 * a number that there is no place for.
	 */
	PUT(0x2800a, 1, 0, 0);
	put(0x20100d, 1, 0, NULL);
	put_call(64);
	count();
	assert_int_equal(t.malformed, 3);
	assert_int_equal(t.domain[TRACE_UNKNOWN].switches, 0);
}

static void test_printed(void **state)
{
	static const char *const words[] = {
		"records=5 ", "lost=0 ", "malformed=0 ", "guest.traps=1 ",
		"guest.switches=1 ", "guest.call.11=1 ",
		"guest.part.update_va_mapping=1 ", "guest.call.grant_table_op=1 ",
		"guest.cmd.grant_table_op.map=1 ", "guest.ops.grant_table_op.map=8\n",
	};
	char *text = NULL, *at;
	size_t size, i;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	put_switch(0, GUEST);
	PUT(0x20100d, 1, 20 | 1 << 20 | 1 << 24, 0, 8);
	put_call(11);
	PUT(0x20200e, 1, 14);
	PUT(0x201103, 1, 1, 2, 3);
	count();
	assert_non_null(f);
	trace_print(&t, f);
	fclose(f);
	for (i = 0, at = text; i < sizeof(words) / sizeof(*words); i++) {
		assert_memory_equal(at, words[i], strlen(words[i]));
		at += strlen(words[i]);
	}
	assert_string_equal(at, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_whose, set_up),
		cmocka_unit_test_setup(test_processors, set_up),
		cmocka_unit_test_setup(test_arguments, set_up),
		cmocka_unit_test_setup(test_entries, set_up),
		cmocka_unit_test_setup(test_lost, set_up),
		cmocka_unit_test_setup(test_full, set_up),
		cmocka_unit_test_setup(test_truncated, set_up),
		cmocka_unit_test_setup(test_malformed, set_up),
		cmocka_unit_test_setup(test_printed, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
