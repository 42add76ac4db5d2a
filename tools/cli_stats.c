// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xen-virtio stats
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "cli.h"
#include "cli_stats.h"

#define WATCH_SECONDS	1
#define WATCH_MAX	86400
#define WIDTH		80

/* A device, and what it had done when it was looked at last. */
struct seen {
	struct seen *next;
	struct xvb_devname name;
	bool valid;
	struct xvb_ctl_stats now;
	struct xvb_ctl_stats before;
};

struct stats {
	struct xvb_cli cli;
	const char *domain;
	uint32_t domid;
	bool one_device;
	uint32_t devid;
	bool as_json;
	bool watch;
	unsigned int seconds;
	struct seen *seen;
	struct json_object *json;	/* of this round */
	unsigned int shown;		/* in this round */
	uint32_t elsewhere;		/* a backend that is not here */
	bool is_elsewhere;
	struct xvb_error *err;
};

static struct seen *find_seen(struct stats *s, const struct xvb_devname *name)
{
	struct seen *d;

	for (d = s->seen; d; d = d->next)
		if (d->name.devid == name->devid)
			return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->name = *name;
	d->next = s->seen;
	s->seen = d;
	return d;
}

static unsigned int width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return WIDTH;
	return size.ws_col;
}

static void show(struct stats *s, struct seen *d, bool rates)
{
	char *type = xvb_cli_private(&s->cli, &d->name, "type");
	char *domain = xvb_cli_domain_name(&s->cli, d->name.fe);
	struct xvb_stats_view view = {
		.name = d->name,
		.domain = xvb_cli_printable(domain),
		.type = xvb_cli_printable(type),
		.now = &d->now,
		.before = rates ? &d->before : NULL,
	};

	if (s->as_json) {
		json_object_array_add(s->json, xvb_stats_json(&view));
	} else {
		if (s->shown)
			putchar('\n');
		xvb_stats_show(stdout, &view, width());
	}
	s->shown++;
	free(type);
	free(domain);
}

static int complain(struct stats *s, const struct xvb_devname *name, int ret)
{
	switch (ret) {
	case -ENOENT:
		/* It came, or goes, just now. */
		if (!s->one_device)
			return 0;
		return xvb_error_set(s->err, ret,
				     "xen-virtiod does not know device %u of domain %s: try again, or see its log",
				     name->devid, s->domain);
	case -EPROTO:
		return xvb_error_set(s->err, ret,
				     "xen-virtiod is of another version than this command: restart it");
	default:
		return xvb_error_set(s->err, ret,
				     "asking xen-virtiod about device %u: %s",
				     name->devid, strerror(-ret));
	}
}

static int visit_device(void *ctx, const struct xvb_devname *name)
{
	struct stats *s = ctx;
	struct seen *d;
	int ret;

	if (name->fe != s->domid || (s->one_device && name->devid != s->devid))
		return 0;
	if (name->be != s->cli.own) {
		s->is_elsewhere = true;
		s->elsewhere = name->be;
		return 0;
	}
	d = find_seen(s, name);
	if (!d)
		return xvb_error_set(s->err, -ENOMEM, "out of memory");
	if (d->valid)
		d->before = d->now;
	ret = xvb_ctl_ask_stats(name->fe, name->devid, &d->now);
	if (ret) {
		d->valid = false;
		return complain(s, name, ret);
	}
	show(s, d, d->valid);
	d->valid = true;
	return 0;
}

/* Why there was nothing to show. */
static int nothing(struct stats *s)
{
	char which[32] = "";

	if (s->one_device)
		snprintf(which, sizeof(which), " %u", s->devid);
	if (s->is_elsewhere)
		return xvb_error_set(s->err, -ENOENT,
				     "domain %u serves virtio device%s of domain %s: ask there",
				     s->elsewhere, which, s->domain);
	return xvb_error_set(s->err, -ENOENT,
			     "domain %s has no virtio device%s (see \"xen-virtio list\")",
			     s->domain, which);
}

static void print_json(struct stats *s)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

	/* Again and again: a line for each time. */
	flags |= s->watch ? JSON_C_TO_STRING_PLAIN : JSON_C_TO_STRING_PRETTY;
	puts(json_object_to_json_string_ext(s->json, flags));
}

static int look(struct stats *s)
{
	struct xvb_visit visit = { .fn = visit_device, .ctx = s };
	int ret;

	s->shown = 0;
	s->is_elsewhere = false;
	s->err->text[0] = '\0';
	ret = xvb_cli_need_daemon(&s->cli, s->cli.own, s->err);
	if (ret)
		return ret;
	if (s->as_json)
		s->json = json_object_new_array();
	ret = xvb_cli_for_each(&s->cli, &visit);
	if (ret && !*s->err->text)
		xvb_error_set(s->err, ret, "reading the devices: %s",
			      strerror(-ret));
	if (!ret && !s->shown)
		ret = nothing(s);
	if (!ret && s->as_json)
		print_json(s);
	json_object_put(s->json);
	s->json = NULL;
	fflush(stdout);
	return ret;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until @when, or a signal: then true. */
static bool wait_until(struct stats *s, int64_t when)
{
	struct pollfd pfd = { .fd = s->cli.sigfd, .events = POLLIN };
	int64_t left;

	for (;;) {
		left = when - now_ms();
		if (left < 0)
			left = 0;
		if (poll(&pfd, 1, (int)left) > 0)
			return true;
		if (!left)
			return false;
	}
}

static void begin_round(bool first)
{
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	else if (!first)
		putchar('\n');
}

static int watch(struct stats *s)
{
	int ret = xvb_cli_catch_signals(&s->cli, s->err);
	int64_t next = now_ms();
	bool first = true;

	while (!ret) {
		if (!s->as_json)
			begin_round(first);
		first = false;
		ret = look(s);
		/* After a stop no rounds are made up for. */
		next += (int64_t)s->seconds * 1000;
		if (next < now_ms())
			next = now_ms();
		if (!ret && wait_until(s, next))
			break;
	}
	return ret;
}

static int stats(struct stats *s)
{
	int ret = xvb_cli_domain(&s->cli, s->domain, &s->domid, s->err);

	if (ret)
		return ret;
	return s->watch ? watch(s) : look(s);
}

static int usage(const char *problem)
{
	if (problem)
		fprintf(stderr, "xen-virtio stats: %s\n", problem);
	fputs("Usage: xen-virtio stats [--json] [--watch[=SECONDS]] DOMAIN [DEVICE]\n",
	      stderr);
	return XVB_EXIT_USAGE;
}

static int parse_watch(struct stats *s, const char *arg)
{
	uint32_t seconds = WATCH_SECONDS;

	if (arg && (xvb_parse_u32(arg, WATCH_MAX, &seconds) || !seconds))
		return usage("--watch takes a number of seconds, 1 or more");
	s->watch = true;
	s->seconds = seconds;
	return 0;
}

static int parse_options(int argc, char **argv, struct stats *s)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "watch", optional_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	int c, ret;

	for (;;) {
		c = getopt_long(argc, argv, "", options, NULL);
		if (c < 0)
			break;
		switch (c) {
		case 'j':
			s->as_json = true;
			break;
		case 'w':
			ret = parse_watch(s, optarg);
			if (ret)
				return ret;
			break;
		default:
			return usage(NULL);
		}
	}
	if (argc - optind != 1 && argc - optind != 2)
		return usage("a domain is needed, and a device number if there are several");
	s->domain = argv[optind];
	s->one_device = argc - optind == 2;
	if (s->one_device &&
	    xvb_parse_u32(argv[optind + 1], XVB_DEVID_MAX, &s->devid))
		return usage("the device is a number, as \"xen-virtio list\" shows");
	return 0;
}

int xvb_cli_stats(int argc, char **argv)
{
	struct xvb_error err = { "" };
	struct stats s = { .err = &err };
	struct seen *d;
	int ret = parse_options(argc, argv, &s);

	if (ret)
		return ret;
	ret = xvb_cli_open(&s.cli, &err);
	if (!ret) {
		ret = stats(&s);
		xvb_cli_close(&s.cli);
	}
	if (ret)
		fprintf(stderr, "xen-virtio: %s\n", err.text);
	while (s.seen) {
		d = s.seen;
		s.seen = d->next;
		free(d);
	}
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
