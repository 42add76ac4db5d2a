// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device specifications of the command line
 */

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "guest.h"
#include "spec.h"

static const char *value(const struct xvb_spec *spec, const char *key)
{
	unsigned int i;

	for (i = 0; i < spec->params.nr; i++)
		if (!strcmp(spec->params.param[i].key, key))
			return spec->params.param[i].value;
	return NULL;
}

static void good(struct xvb_spec *spec, const char *text)
{
	struct xvb_error err = { "" };
	int ret = xvb_spec_parse(spec, text, &err);

	if (ret)
		print_error("%s: %s\n", text, err.text);
	assert_int_equal(ret, 0);
}

static void test_good(void **state)
{
	struct xvb_spec spec;

	(void)state;
	good(&spec, "type=blk,path=/a b.img,readonly,queues=2,serial=A-1");
	assert_string_equal(value(&spec, "type"), "blk");
	assert_string_equal(value(&spec, "path"), "/a b.img");
	assert_string_equal(value(&spec, "readonly"), "");
	assert_string_equal(value(&spec, "queues"), "2");
	assert_string_equal(value(&spec, "serial"), "A-1");
	assert_true(spec.trusted);
	assert_null(spec.backend);
	xvb_spec_free(&spec);
}

static void test_escapes(void **state)
{
	struct xvb_spec spec;

	(void)state;
	good(&spec, "type=blk,path=/a\\,b\\\\c=d,serial=x");
	assert_string_equal(value(&spec, "path"), "/a,b\\c=d");
	assert_string_equal(value(&spec, "serial"), "x");
	xvb_spec_free(&spec);
}

static void test_paths(void **state)
{
	struct xvb_spec spec;
	char cwd[600], want[700];

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	good(&spec, "type=blk,path=../x.img");
	snprintf(want, sizeof(want), "%s/../x.img", cwd);
	assert_string_equal(value(&spec, "path"), want);
	xvb_spec_free(&spec);
	good(&spec, "type=blk,path=nbd://host/export");
	assert_string_equal(value(&spec, "path"), "nbd://host/export");
	xvb_spec_free(&spec);
	assert_int_equal(chdir("/"), 0);
	good(&spec, "type=blk,path=x.img");
	assert_string_equal(value(&spec, "path"), "/x.img");
	xvb_spec_free(&spec);
	assert_int_equal(chdir(cwd), 0);
}

static void test_transport(void **state)
{
	struct xvb_spec spec;
	unsigned int i, taken = 0;

	(void)state;
	good(&spec, "type=rng,trusted=0,backend=drv");
	assert_false(spec.trusted);
	assert_string_equal(spec.backend, "drv");
	/* These are not for the device. */
	for (i = 0; i < spec.params.nr; i++)
		taken += spec.params.param[i].taken;
	assert_int_equal(taken, 2);
	xvb_spec_free(&spec);
	good(&spec, "trusted=1,type=rng");
	assert_true(spec.trusted);
	xvb_spec_free(&spec);
}

static void test_dma(void **state)
{
	struct xvb_spec spec;
	unsigned int i, taken = 0;

	(void)state;
	good(&spec, "type=rng");
	assert_null(spec.dma);
	assert_int_equal(spec.direct_threshold, 0);
	xvb_spec_free(&spec);
	good(&spec, "type=rng,dma=auto,direct-threshold=65536,direct-grants=x");
	assert_string_equal(spec.dma, "auto");
	assert_int_equal(spec.direct_threshold, 65536);
	for (i = 0; i < spec.params.nr; i++)
		taken += spec.params.param[i].taken;
	assert_int_equal(taken, 2);
	xvb_spec_free(&spec);
	good(&spec, "dma=window,type=rng");
	assert_string_equal(spec.dma, "window");
	xvb_spec_free(&spec);
	good(&spec, "dma=direct,direct-threshold=1073741824,type=rng");
	assert_string_equal(spec.dma, "direct");
	assert_int_equal(spec.direct_threshold, 1 << 30);
	xvb_spec_free(&spec);
}

static void test_bad(void **state)
{
	static const char * const bad[] = {
		"", ",", "type", "type=", "path=/x", "type=blk,,path=/x",
		"type=blk,path=/x,path=/y", "type=blk,path", "type=blk,path=",
		"type=rng,trusted=2", "type=rng,trusted=maybe",
		"type=rng,backend", "type=rng,backend=", "type=rng,=5",
		"type=rng,dma", "type=rng,dma=", "type=rng,dma=Direct",
		"type=rng,dma=directly", "type=rng,direct-threshold=4095",
		"type=rng,direct-threshold=1073741825",
		"type=rng,direct-threshold=64k", "type=rng,direct-threshold=-1",
		"type=rng,direct-threshold", "type=rng,direct-threshold=0x1000",
		"type=rng,error=x", "type=rng,attach-id=1", "type=rng,a/b=1",
		"type=rng,Big=1", "type=blk,path=/a\nb", "type=rng,x=\x7f",
		"type=rng,averyveryverylongkeythatnobodywantstoread=1",
	};
	struct xvb_spec spec;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct xvb_error err = { "" };
		int ret = xvb_spec_parse(&spec, bad[i], &err);

		if (!ret)
			print_error("taken: %s\n", bad[i]);
		assert_true(ret < 0);
		assert_true(err.text[0]);
		assert_null(strchr(err.text, '\n'));
	}
}

static void test_long(void **state)
{
	struct xvb_error err = { "" };
	struct xvb_spec spec;
	char text[1200];
	int n;

	(void)state;
	n = snprintf(text, sizeof(text), "type=rng,x=");
	memset(text + n, 'a', 1000);
	text[n + 1000] = '\0';
	good(&spec, text);
	xvb_spec_free(&spec);
	text[n + 1000] = 'a';
	text[n + 1001] = '\0';
	assert_true(xvb_spec_parse(&spec, text, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_transport),
		cmocka_unit_test(test_dma),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
