// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_wproc.c - worker processes and their counters, seen from the supervisor
 *
 * Real processes with a fake in the place of the worker's program.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest.h"
#include "ipc.h"
#include "worker.h"
#include "wproc.h"

#define WAIT_MS		10000
#define HOSTILE		9	/* number of the device whose worker is */

static const struct xvb_supervisor_config config = {
	.log_fd = STDERR_FILENO,
	.log_level = XVB_LOG_INFO,
	.syslog_fd = -1,
};

/* Where another worker has its counters. */
static void *other;

/* The worker: what the supervisor forks. */

static bool is_mapped(void *page)
{
	unsigned char in_core[sizeof(struct xvb_stats) / 4096 + 1];

	return !mincore(page, sizeof(struct xvb_stats), in_core);
}

static void say(int sock, uint32_t type, uint32_t seq)
{
	struct xvb_ipc msg = { .type = type, .seq = seq };

	if (write(sock, &msg, sizeof(msg)) != sizeof(msg))
		_exit(2);
}

int xvb_worker_main(const struct xvb_worker_config *cfg)
{
	struct xvb_vq_stats *q = &cfg->stats->queue[0].vq;
	struct xvb_ipc msg;

	/* A test that fails leaves nobody behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	xvb_stat_set(&cfg->stats->device.nr_queues, 1);
	xvb_stat_set(&q->requests, 100 + cfg->devid);
	xvb_stat_set(&q->kicks, (uint64_t)(uintptr_t)cfg->stats);
	xvb_stat_set(&q->errors, other && is_mapped(other));
	if (cfg->devid == HOSTILE)
		memset(cfg->stats, 0xff, sizeof(*cfg->stats));
	say(cfg->sock, XVB_IPC_READY, 0);
	while (read(cfg->sock, &msg, sizeof(msg)) == sizeof(msg)) {
		if (msg.type == XVB_IPC_CONNECT)
			say(cfg->sock, XVB_IPC_CONNECTED, msg.seq);
		if (msg.type == XVB_IPC_STOP)
			break;
	}
	return 0;
}

/* The bus: what the supervisor's side asks for and reports to. */

static int fake_list(struct xvb_store *st, const char *path, char ***names,
		     unsigned int *count)
{
	(void)st;
	(void)path;
	*names = malloc(sizeof(**names));
	assert_non_null(*names);
	**names = (char *)"type";
	*count = 1;
	return 0;
}

static int fake_read(struct xvb_store *st, const char *path, char **value)
{
	(void)st;
	(void)path;
	*value = strdup("rng");
	return *value ? 0 : -ENOMEM;
}

static const struct xvb_store_ops store_ops = {
	.list = fake_list,
	.read = fake_read,
};

void xvb_xdev_ready(struct xvb_xdev *dev)
{
	dev->phase = XVB_PHASE_READY;
}

void xvb_xdev_connected(struct xvb_xdev *dev)
{
	dev->phase = XVB_PHASE_CONNECTED;
}

void xvb_xdev_disconnected(struct xvb_xdev *dev, const char *why)
{
	(void)why;
	dev->phase = XVB_PHASE_READY;
}

void xvb_xdev_ended(struct xvb_xdev *dev, const char *why)
{
	(void)why;
	dev->phase = XVB_PHASE_IDLE;
}

struct bus {
	struct xvb_store store;
	struct xvb_xenbus bus;
	struct xvb_xdev dev[2];
	int epfd;
};

static int set_up(void **state)
{
	struct bus *b = calloc(1, sizeof(*b));
	unsigned int i;

	assert_non_null(b);
	b->store.ops = &store_ops;
	b->bus.store = &b->store;
	for (i = 0; i < 2; i++) {
		b->dev[i].bus = &b->bus;
		b->dev[i].name.fe = 5;
		b->dev[i].name.devid = i;
	}
	b->epfd = epoll_create1(EPOLL_CLOEXEC);
	assert_true(b->epfd >= 0);
	xvb_wproc_init(&config, b->epfd);
	other = NULL;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bus *b = *state;

	close(b->epfd);
	free(b);
	return 0;
}

static void wait_phase(struct bus *b, struct xvb_xdev *dev,
		       enum xvb_phase phase)
{
	struct epoll_event ev;

	while (dev->phase != phase) {
		/* The end of a worker closes its socket, too. */
		assert_int_equal(epoll_wait(b->epfd, &ev, 1, WAIT_MS), 1);
		xvb_wproc_event(ev.data.ptr);
		while (dev->worker && phase == XVB_PHASE_IDLE)
			xvb_wproc_reap();
	}
}

static void start(struct bus *b, struct xvb_xdev *dev)
{
	assert_int_equal(xvb_wproc_ops.start(dev), 0);
	dev->phase = XVB_PHASE_STARTING;
	wait_phase(b, dev, XVB_PHASE_READY);
}

static void stop(struct bus *b, struct xvb_xdev *dev)
{
	xvb_wproc_ops.stop(dev);
	dev->phase = XVB_PHASE_STOPPING;
	wait_phase(b, dev, XVB_PHASE_IDLE);
}

static void look(const struct xvb_xdev *dev, struct xvb_ctl_stats *out)
{
	memset(out, 0, sizeof(*out));
	xvb_wproc_stats(dev, out);
}

static void life(void **state)
{
	struct bus *b = *state;
	struct xvb_xdev *dev = &b->dev[1];
	struct xvb_ctl_stats out;
	pid_t pid;

	look(dev, &out);
	assert_string_equal(out.state, "idle");
	assert_int_equal(out.pid, 0);
	start(b, dev);
	look(dev, &out);
	pid = out.pid;
	assert_int_equal(kill(pid, 0), 0);
	assert_string_equal(out.state, "ready");
	assert_int_equal(out.connected_ms, 0);
	assert_int_equal(xvb_stat_get(&out.stats.queue[0].vq.requests), 101);

	assert_int_equal(xvb_wproc_ops.connect(dev, 1, 2), 0);
	dev->phase = XVB_PHASE_CONNECTING;
	wait_phase(b, dev, XVB_PHASE_CONNECTED);
	look(dev, &out);
	assert_string_equal(out.state, "connected");
	assert_int_equal(out.pid, pid);
	assert_true(out.connected_ms <= out.uptime_ms);
	assert_true(out.uptime_ms < WAIT_MS);

	stop(b, dev);
	look(dev, &out);
	assert_string_equal(out.state, "idle");
	assert_int_equal(out.pid, 0);
	assert_int_equal(xvb_stat_get(&out.stats.queue[0].vq.requests), 0);
	assert_int_equal(kill(pid, 0), -1);
}

/* A worker has its own counters and nobody else's. */
static void alone(void **state)
{
	struct bus *b = *state;
	struct xvb_ctl_stats out;
	uint64_t first;

	start(b, &b->dev[0]);
	look(&b->dev[0], &out);
	first = xvb_stat_get(&out.stats.queue[0].vq.kicks);
	other = (void *)(uintptr_t)first;
	/* The supervisor has them all. */
	assert_true(is_mapped(other));
	start(b, &b->dev[1]);
	look(&b->dev[1], &out);
	assert_int_equal(xvb_stat_get(&out.stats.queue[0].vq.requests), 101);
	assert_int_equal(xvb_stat_get(&out.stats.queue[0].vq.errors), 0);
	assert_int_not_equal(xvb_stat_get(&out.stats.queue[0].vq.kicks), first);
	look(&b->dev[0], &out);
	assert_int_equal(xvb_stat_get(&out.stats.queue[0].vq.requests), 100);
	stop(b, &b->dev[0]);
	assert_false(is_mapped(other));
	stop(b, &b->dev[1]);
}

/* Whatever it writes, and while it does not answer. */
static void hostile(void **state)
{
	struct bus *b = *state;
	struct xvb_xdev *dev = &b->dev[0];
	struct xvb_ctl_stats out;

	dev->name.devid = HOSTILE;
	start(b, dev);
	look(dev, &out);
	assert_int_equal(kill(out.pid, SIGSTOP), 0);
	look(dev, &out);
	assert_string_equal(out.state, "ready");
	assert_int_equal(xvb_stat_get(&out.stats.device.nr_queues),
			 XVB_MAX_QUEUES);
	xvb_wproc_ops.kill(dev);
	wait_phase(b, dev, XVB_PHASE_IDLE);
	look(dev, &out);
	assert_int_equal(out.pid, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(life, set_up, tear_down),
		cmocka_unit_test_setup_teardown(alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("wproc", tests, NULL, NULL);
}
