// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark: what grants and event channels cost a backend on this host
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "store.h"
#include "version.h"

#define EXIT_USAGE	2
#define SAMPLES		200

static const char usage[] =
"Usage: xen-virtio-bench [--json] [--icount] [--samples N] [--only NAME]\n"
"       xen-virtio-bench --compare OLD.json [NEW.json]\n"
"Measure what grants and event channels cost a backend on this Xen host.\n"
"\n"
"  --json          print JSON instead of a table\n"
"  --icount        the clock counts instructions (QEMU -icount shift=0)\n"
"  --samples N     of each operation (200)\n"
"  --only NAME     only operations whose names begin so\n"
"  --compare FILE  measure, or read NEW.json, and show what changed\n"
"\n"
"xen-virtio-bench(8) says what is measured.\n";

struct bench {
	struct xvb_bench_options opt;
	enum xvb_bench_unit unit;
	bool as_json;
	const char *old;
	const char *new;
};

static int complain(const char *problem)
{
	fprintf(stderr, "xen-virtio-bench: %s (see --help)\n", problem);
	return EXIT_USAGE;
}

static int parse_samples(struct bench *b, const char *text)
{
	uint32_t samples;

	if (xvb_parse_u32(text, XVB_BENCH_SAMPLES, &samples) || !samples)
		return complain("--samples takes a number from 1 to 4096");
	b->opt.samples = samples;
	return 0;
}

/* Not 0: the program ends, with that status or, below 0, with success. */
static int parse_option(struct bench *b, int c)
{
	switch (c) {
	case 'j':
		b->as_json = true;
		return 0;
	case 'i':
		b->unit = XVB_BENCH_INSTRUCTIONS;
		return 0;
	case 's':
		return parse_samples(b, optarg);
	case 'o':
		b->opt.only = optarg;
		return 0;
	case 'c':
		b->old = optarg;
		return 0;
	case 'h':
		fputs(usage, stdout);
		return -1;
	case 'V':
		printf("xen-virtio-bench %s\n", XVB_VERSION);
		return -1;
	default:
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
}

static int parse_options(int argc, char **argv, struct bench *b)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "icount", no_argument, NULL, 'i' },
		{ "samples", required_argument, NULL, 's' },
		{ "only", required_argument, NULL, 'o' },
		{ "compare", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, ret;

	for (;;) {
		c = getopt_long(argc, argv, "", options, NULL);
		if (c < 0)
			break;
		ret = parse_option(b, c);
		if (ret)
			return ret;
	}
	if (argc - optind > (b->old ? 1 : 0))
		return complain("too many arguments");
	if (b->old && b->as_json)
		return complain("--compare prints a table, not JSON");
	b->new = argv[optind];
	return 0;
}

static int measure(const struct bench *b, struct xvb_bench_report *rep,
		   struct xvb_error *err)
{
	int ret;

	if (geteuid())
		return xvb_error_set(err, -EPERM, "this must be run as root");
	ret = xvb_bench_run(rep, &b->opt, err);
	if (!ret && !rep->nr)
		return xvb_error_set(err, -ENOENT,
				     "no operation's name begins with \"%s\"",
				     b->opt.only);
	return ret;
}

static int compare(const struct bench *b, struct xvb_bench_report *rep,
		   struct xvb_error *err)
{
	struct xvb_bench_report *old = calloc(1, sizeof(*old));
	int ret;

	if (!old)
		return xvb_error_set(err, -ENOMEM, "out of memory");
	/* First, for measuring takes a while. */
	ret = xvb_bench_load(old, b->old, err);
	if (!ret)
		ret = b->new ? xvb_bench_load(rep, b->new, err) :
			       measure(b, rep, err);
	if (!ret)
		ret = xvb_bench_compare(stdout, old, rep, err);
	free(old);
	return ret;
}

/* Results are shown also when something went wrong after them. */
static int show(const struct bench *b, struct xvb_bench_report *rep,
		struct xvb_error *err)
{
	int ret = measure(b, rep, err);

	if (!rep->nr)
		return ret;
	if (!b->as_json)
		xvb_bench_show(stdout, rep);
	else if (xvb_bench_write_json(stdout, rep) && !ret)
		ret = xvb_error_set(err, -ENOMEM, "out of memory");
	return ret;
}

int main(int argc, char **argv)
{
	struct bench b = {
		.opt = {
			.samples = SAMPLES,
			.only = "",
			.progress = isatty(STDERR_FILENO),
		},
	};
	struct xvb_error err = { "" };
	struct xvb_bench_report *rep;
	int ret = parse_options(argc, argv, &b);

	if (ret)
		return ret < 0 ? EXIT_SUCCESS : ret;
	rep = calloc(1, sizeof(*rep));
	if (!rep) {
		fputs("xen-virtio-bench: out of memory\n", stderr);
		return EXIT_FAILURE;
	}
	rep->unit = b.unit;
	ret = b.old ? compare(&b, rep, &err) : show(&b, rep, &err);
	free(rep);
	if (ret)
		fprintf(stderr, "xen-virtio-bench: %s\n", err.text);
	if (fflush(stdout) || ferror(stdout)) {
		perror("xen-virtio-bench: writing the report");
		ret = -EIO;
	}
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
