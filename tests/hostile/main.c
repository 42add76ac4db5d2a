// SPDX-License-Identifier: GPL-2.0-only
/*
 * xen-virtio-hostile - a backend that commits one sin
 *
 *	xen-virtio-hostile [--rng] [--seconds N] --sin NAME DOMAIN-ID
 *	xen-virtio-hostile --list
 *
 * It makes a device for the domain and serves it.  Standard output has one line
 * for each milestone: "attached NUMBER: SIN", "frontend STATE", "ready" (DRIVER_OK),
 * "sinned", "closed" when the device was taken back, and what single sins have
 * to say.
 *
 *	SIGUSR1	the sin is due, if it is none of the handshake
 *	SIGUSR2	what was kept is given back, what lasts ends
 *	SIGTERM	detach the device, remove its nodes, end
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "hostile.h"
#include "log.h"
#include "util.h"

#define LEAVE_SECONDS	60
#define NSEC_PER_SEC	1000000000ULL

static const struct sin none[] = {
	{ .name = "none", .what = "a correct backend" },
	{ }
};

static const struct sin *const tables[] = {
	none, sins_used, sins_message, sins_config, sins_status, sins_storm,
	sins_grant, sins_xenstore,
};

void milestone(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void sinned(struct hostile *h)
{
	if (h->sinned)
		return;
	h->sinned = true;
	milestone("sinned");
}

uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void commit(struct hostile *h)
{
	if (h->acted)
		return;
	h->acted = true;
	if (h->sin->act)
		h->sin->act(h);
	if (h->sin->states && !h->sin->early) {
		nodes_states(h, h->sin->states);
		sinned(h);
	}
}

static void due(struct hostile *h)
{
	h->due = true;
	if (!h->sin->holds)
		commit(h);
	/* What is on the queue already may be what it is about. */
	if (h->connected)
		queue_work(h);
}

static void give_back(struct hostile *h)
{
	h->ticking = -1;
	control_disconnect(h);
	milestone("given-back");
}

static void signalled(struct hostile *h, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGUSR1:
		due(h);
		break;
	case SIGUSR2:
		give_back(h);
		break;
	default:
		h->deadline = now() + LEAVE_SECONDS * NSEC_PER_SEC;
		nodes_leave(h);
	}
}

static void store_changed(struct hostile *h)
{
	char path[XVB_STORE_PATH_MAX], token[XVB_STORE_PATH_MAX];
	int ret;

	do {
		ret = xvb_xs_next_event(h->xs, path, token);
	} while (ret > 0);
	nodes_follow(h);
}

static void event(struct xvb_evtchn *ec, struct hostile *h,
		  void (*work)(struct hostile *h))
{
	/* Unmasked first: what comes while we work is another event. */
	if (!xvb_evtchn_pending(ec))
		return;
	xvb_evtchn_unmask(ec);
	work(h);
}

static void queue_event(struct hostile *h)
{
	if (h->connected)
		queue_work(h);
}

static bool too_late(struct hostile *h)
{
	if (!h->leaving || h->gone || now() < h->deadline)
		return false;
	milestone("not closed in %u s", LEAVE_SECONDS);
	nodes_remove(h);
	return true;
}

static int loop(struct hostile *h, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = xvb_xs_fd(h->xs), .events = POLLIN },
		{ .fd = xvb_evtchn_fd(h->control), .events = POLLIN },
		{ .fd = xvb_evtchn_fd(h->queue.ec), .events = POLLIN },
	};

	/* What is kept is kept until somebody says otherwise. */
	while (!h->gone || (h->sin->forgets && h->connected)) {
		int timeout = h->ticking >= 0 ? h->ticking : 1000;

		if (poll(fds, ARRAY_SIZE(fds), timeout) < 0)
			return -errno;
		if (fds[0].revents)
			signalled(h, signals);
		if (fds[1].revents)
			store_changed(h);
		if (fds[2].revents)
			event(h->control, h, control_work);
		if (fds[3].revents)
			event(h->queue.ec, h, queue_event);
		if (h->ticking >= 0 && !h->sin->tick(h))
			h->ticking = -1;
		if (too_late(h))
			return -ETIMEDOUT;
	}
	return 0;
}

static int open_all(struct hostile *h)
{
	int err = xvb_xs_open(&h->xs);

	if (err)
		return err;
	h->st = xvb_xs_store(h->xs);
	err = xvb_xs_own_domid(h->xs, &h->name.be);
	if (!err)
		err = xvb_evtchn_open(h->name.fe, false, &h->control);
	if (!err)
		err = xvb_evtchn_open(h->name.fe, false, &h->queue.ec);
	if (err)
		return err;
	h->gnttab = xengnttab_open(NULL, 0);
	return h->gnttab ? 0 : -errno;
}

static int run(struct hostile *h)
{
	sigset_t set;
	int err, signals;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, 0);
	if (signals < 0)
		return -errno;
	err = open_all(h);
	if (!err)
		err = device_init(h);
	if (err)
		return err;
	if (h->sin->packed)
		h->features |= BIT64(VIRTIO_F_RING_PACKED);
	if (h->sin->setup)
		h->sin->setup(h);
	h->due = h->sin->early;
	err = nodes_create(h);
	if (err)
		return err;
	milestone("attached %u: %s", h->name.devid, h->sin->what);
	err = nodes_offer(h);
	if (!err)
		err = loop(h, signals);
	if (!h->gone)
		nodes_remove(h);
	return err;
}

static const struct sin *find_sin(const char *name)
{
	const struct sin *s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (s = tables[i]; s->name; s++)
			if (!strcmp(s->name, name))
				return s;
	return NULL;
}

static int list(void)
{
	const struct sin *s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tables); i++)
		for (s = tables[i]; s->name; s++)
			printf("%-24s %s\n", s->name, s->what);
	return EXIT_SUCCESS;
}

static int usage(void)
{
	fputs("Usage: xen-virtio-hostile [--rng] [--seconds N] --sin NAME DOMAIN-ID\n"
	      "       xen-virtio-hostile --list\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "sin", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "rng", no_argument, NULL, 'r' },
		{ "list", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	struct hostile h = { .ticking = -1, .seconds = 5 };
	const struct sin *sin = NULL;
	int c, err;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 's':
			sin = find_sin(optarg);
			break;
		case 't':
			if (xvb_parse_u32(optarg, 3600, &h.seconds))
				return usage();
			break;
		case 'r':
			h.rng = true;
			break;
		case 'l':
			return list();
		default:
			return usage();
		}
	}
	if (!sin || optind + 1 != argc ||
	    xvb_parse_u32(argv[optind], XVB_DOMID_MAX, &h.name.fe))
		return usage();
	h.sin = sin;
	err = run(&h);
	if (err) {
		xvb_err("%s: %s", sin->name, strerror(-err));
		return EXIT_FAILURE;
	}
	milestone("closed");
	return EXIT_SUCCESS;
}
