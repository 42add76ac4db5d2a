// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread of a queue: no lost wake-up, and it is still when it is parked
 *
 * The event channel is an eventfd here.  It behaves as the kernel's does:
 * reading masks it, and what comes while it is masked comes after the unmask.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"
#include "qthread.h"

#define ROUNDS	20000

struct xvb_evtchn {
	int fd;
	pthread_mutex_t lock;
	int wake_fd;		/* negative: nobody can wait in it */
	bool masked;
	bool pending;
	atomic_uint unmasks;
	atomic_uint waits;
};

/* A queue whose ring is two counters. */
struct counter {
	struct xvb_device dev;
	struct xvb_queue q;
	struct xvb_evtchn ec;
	struct xvb_qthread *t;
	atomic_uint posted;
	atomic_uint done;
	atomic_bool armed;	/* the driver is to kick */
	atomic_bool may_touch;	/* the queue is not parked */
	atomic_uint runs;
	atomic_uint drains;
	atomic_bool stuck;	/* what is in flight does not end */
	int done_fd;		/* tells that it did */
};

static void deliver(struct xvb_evtchn *ec)
{
	const uint64_t one = 1;

	assert_int_equal(write(ec->fd, &one, sizeof(one)), sizeof(one));
}

static void raise_event(struct xvb_evtchn *ec)
{
	pthread_mutex_lock(&ec->lock);
	if (ec->masked)
		ec->pending = true;
	else
		deliver(ec);
	pthread_mutex_unlock(&ec->lock);
}

int xvb_evtchn_fd(const struct xvb_evtchn *ec)
{
	return ec->fd;
}

bool xvb_evtchn_pending(struct xvb_evtchn *ec)
{
	uint64_t value;

	pthread_mutex_lock(&ec->lock);
	assert_int_equal(read(ec->fd, &value, sizeof(value)), sizeof(value));
	ec->masked = true;
	pthread_mutex_unlock(&ec->lock);
	return true;
}

bool xvb_evtchn_wakeable(const struct xvb_evtchn *ec)
{
	return ec->wake_fd >= 0;
}

bool xvb_evtchn_wait(struct xvb_evtchn *ec)
{
	struct pollfd fds[] = {
		{ .fd = ec->fd, .events = POLLIN },
		{ .fd = ec->wake_fd, .events = POLLIN },
	};
	uint64_t value;

	atomic_fetch_add(&ec->waits, 1);
	assert_true(poll(fds, 2, -1) > 0);
	if (!fds[1].revents)
		return xvb_evtchn_pending(ec);
	assert_int_equal(read(ec->wake_fd, &value, sizeof(value)),
			 sizeof(value));
	return false;
}

void xvb_evtchn_wake(struct xvb_evtchn *ec)
{
	const uint64_t one = 1;

	if (xvb_evtchn_wakeable(ec))
		assert_int_equal(write(ec->wake_fd, &one, sizeof(one)),
				 sizeof(one));
}

void xvb_evtchn_unmask(struct xvb_evtchn *ec)
{
	pthread_mutex_lock(&ec->lock);
	ec->masked = false;
	if (ec->pending)
		deliver(ec);
	ec->pending = false;
	pthread_mutex_unlock(&ec->lock);
	atomic_fetch_add(&ec->unmasks, 1);
}

static struct counter *to_counter(struct xvb_queue *q)
{
	return (struct counter *)((char *)q - offsetof(struct counter, q));
}

static int counter_run(struct xvb_queue *q)
{
	struct counter *c = to_counter(q);

	assert_true(atomic_load(&c->may_touch));
	atomic_fetch_add(&c->runs, 1);
	atomic_store(&c->armed, false);
	for (;;) {
		while (atomic_load(&c->done) != atomic_load(&c->posted))
			atomic_fetch_add(&c->done, 1);
		atomic_store(&c->armed, true);
		if (atomic_load(&c->done) == atomic_load(&c->posted))
			return 0;
	}
}

static void counter_drain(struct xvb_queue *q)
{
	struct counter *c = to_counter(q);

	assert_true(atomic_load(&c->may_touch));
	atomic_fetch_add(&c->drains, 1);
}

static bool counter_settle(struct xvb_queue *q)
{
	struct counter *c = to_counter(q);

	assert_true(atomic_load(&c->may_touch));
	return !atomic_load(&c->stuck);
}

static unsigned int counter_fds(struct xvb_queue *q, int *fds)
{
	fds[0] = to_counter(q)->done_fd;
	return 1;
}

static const struct xvb_device_ops counter_ops = {
	.queue_fds = counter_fds,
	.queue_run = counter_run,
	.queue_drain = counter_drain,
	.queue_settle = counter_settle,
};

static void no_notify(void *ctx, unsigned int queue)
{
	(void)ctx;
	(void)queue;
}

static const struct xvb_host_ops host_ops = { .notify = no_notify };

static int set_up_channel(void **state, bool wakeable)
{
	struct counter *c = calloc(1, sizeof(*c));
	static struct vring_used used;

	assert_non_null(c);
	c->dev.ops = &counter_ops;
	c->dev.host = &host_ops;
	c->dev.nr_queues = 1;
	c->dev.queues = &c->q;
	c->q.dev = &c->dev;
	/* As if it were started, on a ring on which nothing happens. */
	xvb_vq_init(&c->q.vq, NULL);
	c->q.vq.started = true;
	c->q.vq.used = &used;
	c->q.vq.size = 1;
	c->ec.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(c->ec.fd >= 0);
	c->ec.wake_fd = wakeable ? eventfd(0, EFD_CLOEXEC) : -1;
	c->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(c->done_fd >= 0);
	pthread_mutex_init(&c->ec.lock, NULL);
	assert_int_equal(xvb_qthread_create(&c->q, &c->ec, &c->t), 0);
	*state = c;
	return 0;
}

static int set_up(void **state)
{
	return set_up_channel(state, false);
}

static int set_up_wakeable(void **state)
{
	return set_up_channel(state, true);
}

static void run(struct counter *c)
{
	atomic_store(&c->may_touch, true);
	xvb_qthread_run(c->t);
}

static void park(struct counter *c)
{
	xvb_qthread_park(c->t);
	assert_int_equal(xvb_qthread_wait(c->t, NULL), 0);
	atomic_store(&c->may_touch, false);
}

static int tear_down(void **state)
{
	struct counter *c = *state;

	park(c);
	xvb_qthread_destroy(c->t);
	close(c->ec.fd);
	if (c->ec.wake_fd >= 0)
		close(c->ec.wake_fd);
	close(c->done_fd);
	pthread_mutex_destroy(&c->ec.lock);
	free(c);
	return 0;
}

/* Fails, instead of hanging, when a wake-up was lost. */
static void wait_done(struct counter *c)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int i;

	for (i = 0; i < 200; i++)
		if (atomic_load(&c->done) == atomic_load(&c->posted))
			return;
	for (i = 0; i < 20000; i++) {
		if (atomic_load(&c->done) == atomic_load(&c->posted))
			return;
		nanosleep(&ms, NULL);
	}
	fail_msg("%u posted, %u done: a wake-up was lost",
		 atomic_load(&c->posted), atomic_load(&c->done));
}

static void wait_runs(struct counter *c, unsigned int runs)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		if (atomic_load(&c->runs) >= runs)
			return;
		nanosleep(&ms, NULL);
	}
	fail_msg("%u runs, not %u: a wake-up was lost", atomic_load(&c->runs),
		 runs);
}

static void post(struct counter *c)
{
	atomic_fetch_add(&c->posted, 1);
	if (atomic_load(&c->armed))
		raise_event(&c->ec);
}

static void test_wakeups(void **state)
{
	struct counter *c = *state;
	unsigned int i;

	run(c);
	for (i = 0; i < ROUNDS; i++) {
		post(c);
		if (i % 3 == 0)
			post(c);
		/* Sometimes it sleeps already, sometimes not. */
		if (i % 7 == 0)
			wait_done(c);
	}
	wait_done(c);
}

static void test_parked(void **state)
{
	struct counter *c = *state;
	unsigned int i, before;

	/* Parked from the beginning: nothing is looked at. */
	post(c);
	raise_event(&c->ec);
	usleep(10000);
	assert_int_equal(atomic_load(&c->done), 0);
	for (i = 0; i < 300; i++) {
		run(c);
		post(c);
		if (i % 2)
			wait_done(c);
		park(c);
		before = atomic_load(&c->drains);
		/* may_touch is false: a look would fail the test. */
		raise_event(&c->ec);
		post(c);
		assert_int_equal(atomic_load(&c->drains), before);
		xvb_qthread_park(c->t);
		assert_int_equal(xvb_qthread_wait(c->t, NULL), 0);
	}
	/* What was posted meanwhile is seen at once, without an event. */
	run(c);
	wait_done(c);
}

/* A pause that does not come about in time leaves everything as it was. */
static void test_stuck(void **state)
{
	struct counter *c = *state;
	const uint64_t one = 1;
	struct timespec deadline;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		run(c);
		post(c);
		wait_done(c);
		atomic_store(&c->stuck, true);
		xvb_qthread_deadline(&deadline, i == 9 ? 1200 : i);
		xvb_qthread_pause(c->t);
		assert_int_equal(xvb_qthread_wait(c->t, &deadline), -EBUSY);
		/* It goes on although something is still in flight. */
		post(c);
		xvb_qthread_run(c->t);
		wait_done(c);
		xvb_qthread_pause(c->t);
		post(c);
		if (i % 2) {
			/* And a park waits, where there is no way back. */
			assert_int_equal(atomic_load(&c->drains), i / 2);
			park(c);
			assert_int_equal(atomic_load(&c->drains), i / 2 + 1);
			atomic_store(&c->stuck, false);
			continue;
		}
		atomic_store(&c->stuck, false);
		assert_int_equal(write(c->done_fd, &one, sizeof(one)),
				 sizeof(one));
		xvb_qthread_deadline(&deadline, 20000);
		assert_int_equal(xvb_qthread_wait(c->t, &deadline), 0);
		atomic_store(&c->may_touch, false);
	}
}

static void test_storm(void **state)
{
	struct counter *c = *state;
	unsigned int i;

	run(c);
	for (i = 0; i < ROUNDS; i++)
		raise_event(&c->ec);
	post(c);
	wait_done(c);
	/* Never more unmasks than events. */
	assert_true(atomic_load(&c->ec.unmasks) <= ROUNDS + 1);
}

/* What it waits for is in flight: only the device's descriptor can tell. */
static void test_inflight(void **state)
{
	struct counter *c = *state;
	const uint64_t one = 1;
	unsigned int before;

	c->q.vq.inuse = 1;
	run(c);
	post(c);
	wait_done(c);
	before = atomic_load(&c->runs);
	assert_int_equal(write(c->done_fd, &one, sizeof(one)), sizeof(one));
	wait_runs(c, before + 1);
	assert_int_equal(atomic_load(&c->ec.waits), 0);
}

/* Nothing is in flight: it waits for the channel alone, if it can. */
static void test_idle(void **state)
{
	struct counter *c = *state;

	run(c);
	post(c);
	wait_done(c);
	post(c);
	wait_done(c);
	park(c);
	assert_int_equal(!atomic_load(&c->ec.waits), c->ec.wake_fd < 0);
}

#define T(name)	cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
/* The same with a channel that it can wait in. */
#define W(name)	cmocka_unit_test_setup_teardown(test_##name, set_up_wakeable, \
						tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(wakeups), T(parked), T(stuck), T(storm), T(inflight), T(idle),
		W(wakeups), W(parked), W(stuck), W(storm), W(inflight), W(idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
