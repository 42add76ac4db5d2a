// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_ctl.c - the daemon's local socket: what it answers to whom
 */

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "guest.h"
#include "version.h"

#define FE	7
#define DEVID	3

struct server {
	char dir[64];
	char path[80];
	int fd;
	int client;
	unsigned int asked;
};

static int fake_stats(void *ctx, uint32_t fe, uint32_t devid,
		      struct xvb_ctl_stats *out)
{
	struct server *s = ctx;

	s->asked++;
	if (fe != FE || devid != DEVID)
		return -ENOENT;
	out->pid = 1234;
	snprintf(out->state, sizeof(out->state), "connected");
	xvb_stat_set(&out->stats.device.nr_queues, 2);
	xvb_stat_set(&out->stats.queue[1].vq.requests, 42);
	return 0;
}

static int set_up(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct server *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	snprintf(s->dir, sizeof(s->dir), "/tmp/xvb-ctl-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/s", s->dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s->path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	s->client = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	assert_int_equal(listen(s->fd, 1), 0);
	assert_int_equal(connect(s->client, (struct sockaddr *)&addr,
				 sizeof(addr)), 0);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct server *s = *state;

	close(s->client);
	close(s->fd);
	unlink(s->path);
	rmdir(s->dir);
	free(s);
	return 0;
}

static void serve(struct server *s)
{
	const struct xvb_ctl_handler handler = {
		.stats = fake_stats,
		.ctx = s,
	};

	xvb_ctl_serve(s->fd, &handler);
}

/* All that the server says to @line, which fits a socket both ways. */
static size_t ask(struct server *s, const char *line, void *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	n = dprintf(s->client, "%s\n", line);
	assert_int_equal(n, strlen(line) + 1);
	serve(s);
	do {
		n = recv(s->client, (char *)buf + len, size - len, 0);
		assert_true(n >= 0);
		len += (size_t)n;
	} while (n);
	return len;
}

static void version(void **state)
{
	static const char want[] = "xen-virtiod " XVB_VERSION "\n";
	char buf[256];

	assert_int_equal(ask(*state, "version", buf, sizeof(buf)),
			 strlen(want));
	assert_memory_equal(buf, want, strlen(want));
}

static void stats_answer(void **state)
{
	char buf[sizeof(struct xvb_ctl_stats) + 64];
	struct xvb_ctl_stats out;
	size_t len;

	len = ask(*state, "stats 7 3", buf, sizeof(buf));
	assert_int_equal(xvb_ctl_check_stats(buf, len, &out), 0);
	assert_int_equal(out.pid, 1234);
	assert_string_equal(out.state, "connected");
	assert_int_equal(xvb_stat_get(&out.stats.queue[1].vq.requests), 42);
	assert_int_equal(xvb_stat_get(&out.stats.queue[0].vq.requests), 0);
}

static void no_device(void **state)
{
	struct xvb_ctl_stats out;
	char buf[256];
	size_t len;

	len = ask(*state, "stats 7 4", buf, sizeof(buf));
	assert_int_equal(xvb_ctl_check_stats(buf, len, &out), -ENOENT);
}

/* What is not a request is not handed to anybody. */
static void nonsense(void **state)
{
	static const char * const bad[] = {
		"", "stat 7 3", "stats", "stats ", "stats 7",
		"stats 7 ", "stats 7 x", "stats x 3", "stats -7 3",
		"stats 7 3 1", "stats 7  3", "stats 7 3 ",
		"stats 99999 3", "stats 7 4294967296", "versions",
	};
	static const char want[] = "error: unknown request\n";
	struct xvb_ctl_stats out;
	struct server *s;
	char buf[256];
	unsigned int i;
	size_t len;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		s = *state;
		len = ask(s, bad[i], buf, sizeof(buf));
		if (len != strlen(want) || memcmp(buf, want, len))
			fail_msg("\"%s\" was answered", bad[i]);
		assert_int_equal(s->asked, 0);
		assert_int_equal(xvb_ctl_check_stats(buf, len, &out), -EPROTO);
		tear_down(state);
		set_up(state);
	}
}

/* A client that says nothing, or does not wait, keeps nobody. */
static void rude(void **state)
{
	struct timespec from, to;
	struct server *s = *state;

	clock_gettime(CLOCK_MONOTONIC, &from);
	serve(s);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_in_range(to.tv_sec - from.tv_sec, 0, 60);
	tear_down(state);
	set_up(state);
	s = *state;
	assert_int_equal(send(s->client, "stats 7 3\n", 10, 0), 10);
	close(s->client);
	serve(s);
	assert_int_equal(s->asked, 1);
	s->client = -1;
}

static void good_answer(struct xvb_ctl_stats *m)
{
	memset(m, 0, sizeof(*m));
	m->magic = XVB_CTL_STATS_MAGIC;
	m->nr_vq_stats = xvb_nr_vq_stats;
	m->nr_device_stats = xvb_nr_device_stats;
	xvb_stat_set(&m->stats.device.nr_queues, XVB_MAX_QUEUES);
}

/* Answers of another daemon than ours. */
static void other_versions(void **state)
{
	struct xvb_ctl_stats m, out;
	char longer[sizeof(m) + 1];

	(void)state;
	good_answer(&m);
	assert_int_equal(xvb_ctl_check_stats(&m, sizeof(m), &out), 0);
	assert_int_equal(xvb_ctl_check_stats(&m, sizeof(m) - 1, &out),
			 -EPROTO);
	memcpy(longer, &m, sizeof(m));
	assert_int_equal(xvb_ctl_check_stats(longer, sizeof(longer), &out),
			 -EPROTO);
	m.magic++;
	assert_int_equal(xvb_ctl_check_stats(&m, sizeof(m), &out), -EPROTO);
	good_answer(&m);
	m.nr_vq_stats++;
	assert_int_equal(xvb_ctl_check_stats(&m, sizeof(m), &out), -EPROTO);
	good_answer(&m);
	m.nr_device_stats--;
	assert_int_equal(xvb_ctl_check_stats(&m, sizeof(m), &out), -EPROTO);
	good_answer(&m);
	memset(m.state, 'x', sizeof(m.state));
	assert_int_equal(xvb_ctl_check_stats(&m, sizeof(m), &out), -EPROTO);
	good_answer(&m);
	xvb_stat_set(&m.stats.device.nr_queues, XVB_MAX_QUEUES + 1);
	assert_int_equal(xvb_ctl_check_stats(&m, sizeof(m), &out), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stats_answer, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(no_device, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rude, set_up, tear_down),
		cmocka_unit_test(other_versions),
	};

	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
