// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_params.c - device specifications, errors and log lines
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "guest.h"

static void parse(void **state)
{
	static const char spec[] =
		"type=blk,path=/a\\,b\\\\c=d,readonly,queues=4";
	struct xvb_params p;
	struct xvb_error err = { "" };
	uint64_t n = 7;
	bool yes = false;

	(void)state;
	assert_int_equal(xvb_params_parse(&p, spec, &err), 0);
	assert_int_equal(p.nr, 4);
	assert_string_equal(xvb_params_string(&p, "path"), "/a,b\\c=d");
	assert_string_equal(xvb_params_string(&p, "type"), "blk");
	assert_null(xvb_params_string(&p, "serial"));
	assert_int_equal(xvb_params_bool(&p, "readonly", &yes, &err), 0);
	assert_true(yes);
	assert_int_equal(xvb_params_check(&p, "blk", "x", &err), -EINVAL);
	assert_non_null(strstr(err.text, "\"queues\""));
	assert_int_equal(xvb_params_u64(&p, "queues", 1, 64, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(xvb_params_u64(&p, "absent", 1, 64, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_int_equal(xvb_params_check(&p, "blk", "x", &err), 0);
	xvb_params_free(&p);
}

static void parse_refusals(void **state)
{
	static const char * const bad[] = {
		"", ",", "a,", ",a", "a,,b", "=x", "a,=x", "a=1,b=2,a=3",
		"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33",
	};
	struct xvb_params p;
	struct xvb_error err;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		err.text[0] = '\0';
		assert_int_equal(xvb_params_parse(&p, bad[i], &err), -EINVAL);
		assert_int_not_equal(err.text[0], '\0');
		assert_null(strchr(err.text, '\n'));
		xvb_params_free(&p);
	}
}

static void numbers(void **state)
{
	static const char * const bad[] = {
		"n=", "n", "n=-1", "n=+1", "n= 1", "n=1 ", "n=0x10", "n=1k",
		"n=65", "n=0", "n=18446744073709551616", "n=4294967297",
	};
	struct xvb_params p;
	struct xvb_error err;
	uint64_t n = 7;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(xvb_params_parse(&p, bad[i], &err), 0);
		assert_int_equal(xvb_params_u64(&p, "n", 1, 64, &n, &err),
				 -EINVAL);
		assert_int_equal(n, 7);
		assert_non_null(strstr(err.text, "from 1 to 64"));
		xvb_params_free(&p);
	}
}

static void booleans(void **state)
{
	struct xvb_params p;
	struct xvb_error err;
	bool b = true;

	(void)state;
	assert_int_equal(xvb_params_parse(&p, "a=off,b=maybe,c=yes", &err), 0);
	assert_int_equal(xvb_params_bool(&p, "a", &b, &err), 0);
	assert_false(b);
	assert_int_equal(xvb_params_bool(&p, "b", &b, &err), -EINVAL);
	assert_int_equal(xvb_params_bool(&p, "c", &b, &err), 0);
	assert_true(b);
	xvb_params_free(&p);
}

static void device_spec(const char *spec, const char *what)
{
	struct xvb_error err = { "" };
	struct xvb_device *dev;
	struct xvb_params p;

	assert_int_equal(xvb_params_parse(&p, spec, &err), 0);
	assert_true(xvb_device_create(&p, &dev, &err) < 0);
	if (!strstr(err.text, what))
		fail_msg("\"%s\" for %s, not \"%s\"", err.text, spec, what);
	assert_null(strchr(err.text, '\n'));
	xvb_params_free(&p);
}

static void device_spec_errors(void **state)
{
	(void)state;
	device_spec("path=/x", "type of the device is missing");
	device_spec("type=floppy", "the types are blk, rng");
	device_spec("type=blk", "write path=FILE");
	device_spec("type=blk,path=", "write path=FILE");
	device_spec("type=blk,path=/nonexistent/x", "No such file");
	device_spec("type=blk,path=/dev/null", "neither a regular file");
	device_spec("type=blk,path=/tmp", "neither a regular file");
	device_spec("type=blk,path=/x,queues=0", "from 1 to 64");
	device_spec("type=blk,path=/x,queues=65", "from 1 to 64");
	device_spec("type=blk,path=/x,queue_size=6", "power of two");
	device_spec("type=blk,path=/x,logical_block_size=1000",
		    "512 or 4096");
	device_spec("type=blk,path=/x,readonly=perhaps", "readonly=0 or 1");
	device_spec("type=blk,path=/x,serial=123456789012345678901",
		    "at most 20");
	device_spec("type=rng,path=/x", "no parameter \"path\"");
	device_spec("type=rng,max_rate=0", "from 1 to");
}

static void log_lines(void **state)
{
	char buf[2048], big[1500];
	struct xvb_ratelimit rl = { .burst = 3 };
	unsigned int i, n = 0;
	int fds[2];
	ssize_t len;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(xvb_log_level_parse("debug"), XVB_LOG_DEBUG);
	assert_int_equal(xvb_log_level_parse("loud"), -EINVAL);
	xvb_log_setup(fds[1], XVB_LOG_WARNING, "test");
	xvb_info("not this");
	xvb_warn("guest says \"%s\"", "a\nb\033[2J");
	len = read(fds[0], buf, sizeof(buf) - 1);
	assert_true(len > 0);
	buf[len] = '\0';
	assert_string_equal(buf,
			    "test: warning: guest says \"a?b?[2J\"\n");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	xvb_err("%s", big);
	len = read(fds[0], buf, sizeof(buf) - 1);
	assert_int_equal(len, 1023);
	assert_int_equal(buf[len - 1], '\n');
	xvb_log_setup(STDERR_FILENO, XVB_LOG_INFO, "");
	close(fds[0]);
	close(fds[1]);
	for (i = 0; i < 100; i++)
		n += xvb_ratelimit(&rl);
	assert_in_range(n, 3, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(parse_refusals),
		cmocka_unit_test(numbers),
		cmocka_unit_test(booleans),
		cmocka_unit_test(device_spec_errors),
		cmocka_unit_test(log_lines),
	};

	return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
