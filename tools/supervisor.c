// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's main process: xenstore and the workers
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "supervisor.h"
#include "wproc.h"
#include "xenbus.h"
#include "xs.h"

#define MAX_EVENTS	32
#define EVENTS_AT_ONCE	4096
#define LOG_READS	64

/* Opening a disk may take long, as may I/O that was started. */
#define START_MS	30000
#define CONNECT_MS	10000
#define DRAIN_MS	30000
#define CLOSE_MS	10000

struct supervisor {
	const struct xvb_supervisor_config *cfg;
	struct xvb_xs *xs;
	struct xvb_xenbus bus;
	int epfd;
	int sigfd;
	int last_error;		/* of the connection to xenstore */
};

/*
 * An epoll event carries a worker, or one of these: addresses that are no
 * worker's.
 */
static char xs_tag, signal_tag, ctl_tag, syslog_tag;

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int watch_fd(struct supervisor *s, int fd, void *tag)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = tag };

	return epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static void take_watches(struct supervisor *s)
{
	char path[XVB_STORE_PATH_MAX], token[XVB_STORE_PATH_MAX];
	unsigned int i;
	int ret;

	/*
	 * Many at once: a guest that writes its node in a loop fills a queue
	 * in this process.  An event only marks a device, so this is fast.
	 */
	for (i = 0; i < EVENTS_AT_ONCE; i++) {
		ret = xvb_xs_next_event(s->xs, path, token);
		if (ret < 0)
			s->last_error = ret;
		if (ret <= 0)
			break;
		xvb_xenbus_event(&s->bus, path, token);
	}
}

static void take_signals(struct supervisor *s)
{
	struct signalfd_siginfo si;

	while (read(s->sigfd, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			continue;
		xvb_info("signal %u: ending", si.ssi_signo);
		xvb_xenbus_shutdown(&s->bus, now_ms());
	}
}

static int line_priority(const char *line)
{
	if (strstr(line, "error: "))
		return LOG_ERR;
	if (strstr(line, "warning: "))
		return LOG_WARNING;
	return LOG_INFO;
}

/* A worker in the hands of its guest does not clean what it writes. */
static void clean(char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < ' ' || *line == 0x7f)
			*line = '?';
}

/* Whole lines of the log's pipe.  Returns false when it was empty. */
static bool forward_log(int fd)
{
	static char buf[8192];
	static size_t len;
	char *line = buf, *end;
	ssize_t n;

	n = read(fd, buf + len, sizeof(buf) - 1 - len);
	if (n <= 0)
		return false;
	len += (size_t)n;
	buf[len] = '\0';
	for (;;) {
		end = strchr(line, '\n');
		if (!end)
			break;
		*end = '\0';
		clean(line);
		syslog(line_priority(line), "%s", line);
		line = end + 1;
	}
	len -= (size_t)(line - buf);
	memmove(buf, line, len);
	/* No line of ours is that long. */
	if (len > sizeof(buf) / 2)
		len = 0;
	return true;
}

static int give_stats(void *ctx, uint32_t fe, uint32_t devid,
		      struct xvb_ctl_stats *out)
{
	const struct supervisor *s = ctx;
	const struct xvb_xdev *dev;

	for (dev = s->bus.devs; dev; dev = dev->next) {
		if (dev->name.fe != fe || dev->name.devid != devid)
			continue;
		xvb_wproc_stats(dev, out);
		return 0;
	}
	return -ENOENT;
}

static void dispatch(struct supervisor *s, void *ptr)
{
	const struct xvb_ctl_handler handler = {
		.stats = give_stats,
		.ctx = s,
	};

	if (ptr == &xs_tag)
		take_watches(s);
	else if (ptr == &signal_tag)
		take_signals(s);
	else if (ptr == &ctl_tag)
		xvb_ctl_serve(s->cfg->ctl_fd, &handler);
	else if (ptr == &syslog_tag)
		forward_log(s->cfg->syslog_fd);
	else
		xvb_wproc_event(ptr);
}

static int loop(struct supervisor *s)
{
	struct epoll_event ev[MAX_EVENTS];
	int timeout, n, i;

	while (!s->last_error) {
		timeout = xvb_xenbus_run(&s->bus, now_ms());
		if (s->bus.shutdown && xvb_xenbus_idle(&s->bus))
			return 0;
		n = epoll_wait(s->epfd, ev, MAX_EVENTS, timeout);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (i = 0; i < n; i++)
			dispatch(s, ev[i].data.ptr);
		/*
		 * Last, and whatever woke us: no event that was dispatched
		 * above may be of a worker that is not there any more.
		 */
		xvb_wproc_reap();
	}
	return s->last_error;
}

static int block_signals(struct supervisor *s)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	s->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->sigfd < 0 ? -errno : 0;
}

static int make_loop(struct supervisor *s, struct xvb_error *err)
{
	int ret;

	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epfd < 0)
		return xvb_error_set(err, -errno, "making the event loop: %s",
				     strerror(errno));
	/* Before libxenstore makes its thread, which must not get them. */
	ret = block_signals(s);
	if (!ret)
		ret = watch_fd(s, s->sigfd, &signal_tag);
	if (!ret)
		ret = watch_fd(s, s->cfg->ctl_fd, &ctl_tag);
	if (!ret && s->cfg->syslog_fd >= 0)
		ret = watch_fd(s, s->cfg->syslog_fd, &syslog_tag);
	if (ret)
		xvb_error_set(err, ret, "making the event loop: %s",
			      strerror(-ret));
	return ret;
}

static int open_store(struct supervisor *s, struct xvb_error *err)
{
	int ret = xvb_xs_open(&s->xs);

	if (ret)
		return xvb_error_set(err, ret,
				     "connecting to xenstore: %s (does Xen run, and xenstored?)",
				     strerror(-ret));
	ret = xvb_xs_own_domid(s->xs, &s->bus.be);
	if (ret == -ENOENT) {
		/* Not every dom0 writes its own number down. */
		xvb_debug("xenstore does not say which domain this is: taking 0");
		s->bus.be = 0;
		ret = 0;
	}
	if (ret)
		return xvb_error_set(err, ret,
				     "reading the own domain id from xenstore: %s",
				     strerror(-ret));
	ret = watch_fd(s, xvb_xs_fd(s->xs), &xs_tag);
	if (ret)
		return xvb_error_set(err, ret, "watching xenstore: %s",
				     strerror(-ret));
	return 0;
}

static int set_up(struct supervisor *s, struct xvb_error *err)
{
	int ret;

	ret = make_loop(s, err);
	if (!ret)
		ret = open_store(s, err);
	if (ret)
		return ret;
	s->bus.store = xvb_xs_store(s->xs);
	s->bus.ops = &xvb_wproc_ops;
	s->bus.max_window_pages = s->cfg->max_window_pages;
	s->bus.timeouts = (struct xvb_timeouts){
		.start = START_MS,
		.connect = CONNECT_MS,
		.drain = DRAIN_MS,
		.close = CLOSE_MS,
	};
	xvb_wproc_init(s->cfg, s->epfd);
	ret = xvb_xenbus_init(&s->bus);
	if (ret)
		xvb_error_set(err, ret, "watching xenstore: %s",
			      strerror(-ret));
	return ret;
}

int xvb_supervisor_run(const struct xvb_supervisor_config *cfg,
		       struct xvb_error *err)
{
	struct supervisor s = { .cfg = cfg, .epfd = -1, .sigfd = -1 };
	unsigned int i;
	int ret;

	ret = set_up(&s, err);
	if (!ret) {
		xvb_info("serving the devices of domain %u", s.bus.be);
		cfg->ready();
		ret = loop(&s);
		if (ret)
			xvb_error_set(err, ret, "the connection to xenstore: %s",
				      strerror(-ret));
	}
	if (cfg->syslog_fd >= 0)
		/* All that was said; but a worker must not keep us here. */
		for (i = 0; i < LOG_READS && forward_log(cfg->syslog_fd); i++)
			;
	xvb_xenbus_free(&s.bus);
	xvb_xs_close(s.xs);
	if (s.sigfd >= 0)
		close(s.sigfd);
	if (s.epfd >= 0)
		close(s.epfd);
	return ret;
}
