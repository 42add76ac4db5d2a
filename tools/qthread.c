// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread of one virtqueue
 *
 * Order of things after an event, and why no event is lost:
 *
 *	1. read the port: the kernel masks the channel; a kick that comes now
 *	   stays pending and costs nothing
 *	2. xvb_queue_run(): empties the ring with notifications off, switches
 *	   them on, looks once more
 *	3. unmask, once
 *	4. sleep: in the event channel, or, with requests in flight, in all that
 *	   may happen
 *
 * A driver that adds a buffer after the last look of 2 sees notifications
 * switched on and kicks; the kick is pending or comes after 3, and either way
 * ends 4.  Unmasking before 2 would be right as well, but every kick that
 * races with the sweep would then be an interrupt for nothing.
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "qthread.h"

/* CMD_PAUSE is a CMD_PARK that may be taken back, and so does not block. */
enum command { CMD_PARK, CMD_PAUSE, CMD_RUN, CMD_EXIT };

/* What an epoll event is of; device descriptors need no more. */
enum source { SOURCE_DEVICE, SOURCE_CHANNEL, SOURCE_COMMAND };

struct xvb_qthread {
	struct xvb_queue *q;
	struct xvb_evtchn *ec;
	pthread_t thread;
	int epfd;
	int evfd;
	int fds[XVB_QUEUE_MAX_FDS];	/* of the device, while it runs */
	unsigned int nr_fds;
	bool masked;		/* an event was read and not unmasked yet */

	pthread_mutex_t lock;	/* protects parked, orders command */
	pthread_cond_t cond;
	atomic_int command;
	bool parked;
};

static int watch_fd(struct xvb_qthread *t, int fd, enum source source,
		    uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u32 = source };

	return epoll_ctl(t->epfd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static void add_device_fds(struct xvb_qthread *t)
{
	unsigned int i;
	int err;

	t->nr_fds = xvb_queue_fds(t->q, t->fds);
	for (i = 0; i < t->nr_fds; i++) {
		err = watch_fd(t, t->fds[i], SOURCE_DEVICE, EPOLLIN | EPOLLET);
		if (err)
			xvb_err("queue %u: watching a descriptor of the device: %s",
				t->q->index, strerror(-err));
	}
}

static void remove_device_fds(struct xvb_qthread *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_fds; i++)
		epoll_ctl(t->epfd, EPOLL_CTL_DEL, t->fds[i], NULL);
	t->nr_fds = 0;
}

static void clear_eventfd(int fd)
{
	uint64_t value;

	/* Nonblocking: somebody may have been faster. */
	if (read(fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
		xvb_err("reading an eventfd: %s", strerror(errno));
}

static void take_kick(struct xvb_qthread *t, bool kicked)
{
	if (!kicked)
		return;
	t->masked = true;
	xvb_stat_add(&t->q->vq.stats->kicks, 1);
}

static void take_events(struct xvb_qthread *t, bool wait)
{
	struct epoll_event ev[XVB_QUEUE_MAX_FDS + 2];
	int n, i;

	n = epoll_wait(t->epfd, ev, XVB_QUEUE_MAX_FDS + 2, wait ? -1 : 0);
	for (i = 0; i < n; i++) {
		if (ev[i].data.u32 == SOURCE_COMMAND)
			clear_eventfd(t->evfd);
		else if (ev[i].data.u32 == SOURCE_CHANNEL)
			take_kick(t, xvb_evtchn_pending(t->ec));
	}
}

static enum command commanded(struct xvb_qthread *t)
{
	return atomic_load_explicit(&t->command, memory_order_acquire);
}

static void run(struct xvb_qthread *t)
{
	int ret;

	while (commanded(t) == CMD_RUN) {
		ret = xvb_queue_run(t->q);
		/* A broken queue stays masked: its kicks mean nothing. */
		if (!ret && t->masked) {
			t->masked = false;
			xvb_evtchn_unmask(t->ec);
		}
		/*
		 * With nothing in flight the device has nothing to tell, and
		 * what is left is one descriptor: one system call, not two.
		 */
		if (ret != 1 && !t->q->vq.inuse && xvb_evtchn_wakeable(t->ec))
			take_kick(t, xvb_evtchn_wait(t->ec));
		else
			take_events(t, ret != 1);
	}
}

/* Returns whether the queue is at rest. */
static bool pause_queue(struct xvb_qthread *t)
{
	while (commanded(t) == CMD_PAUSE) {
		if (xvb_queue_settle(t->q))
			return true;
		take_events(t, true);
	}
	return false;
}

static void serve(struct xvb_qthread *t)
{
	bool rests;

	add_device_fds(t);
	do {
		run(t);
		rests = pause_queue(t);
	} while (!rests && commanded(t) == CMD_RUN);
	if (!rests)
		xvb_queue_drain(t->q);
	remove_device_fds(t);
}

static bool is_resting(struct xvb_qthread *t)
{
	enum command cmd = commanded(t);

	return cmd == CMD_PARK || cmd == CMD_PAUSE;
}

static void *thread_main(void *arg)
{
	struct xvb_qthread *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (is_resting(t)) {
			t->parked = true;
			pthread_cond_broadcast(&t->cond);
			pthread_cond_wait(&t->cond, &t->lock);
		}
		if (atomic_load(&t->command) == CMD_EXIT)
			break;
		t->parked = false;
		pthread_mutex_unlock(&t->lock);
		serve(t);
		pthread_mutex_lock(&t->lock);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static void command(struct xvb_qthread *t, enum command cmd)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&t->lock);
	atomic_store(&t->command, cmd);
	if (cmd == CMD_RUN)
		t->parked = false;
	pthread_cond_broadcast(&t->cond);
	pthread_mutex_unlock(&t->lock);
	if (write(t->evfd, &one, sizeof(one)) < 0)
		xvb_err("queue %u: waking its thread: %s", t->q->index,
			strerror(errno));
	xvb_evtchn_wake(t->ec);
}

static int open_fds(struct xvb_qthread *t)
{
	int err;

	t->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (t->epfd < 0)
		return -errno;
	t->evfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->evfd < 0) {
		err = -errno;
		goto err_close_epoll;
	}
	err = watch_fd(t, t->evfd, SOURCE_COMMAND, EPOLLIN);
	if (!err)
		err = watch_fd(t, xvb_evtchn_fd(t->ec), SOURCE_CHANNEL,
			       EPOLLIN);
	if (err)
		goto err_close_eventfd;
	return 0;

err_close_eventfd:
	close(t->evfd);
err_close_epoll:
	close(t->epfd);
	return err;
}

int xvb_qthread_create(struct xvb_queue *q, struct xvb_evtchn *ec,
		       struct xvb_qthread **out)
{
	struct xvb_qthread *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;
	char name[16];
	int err;

	if (!t)
		return -ENOMEM;
	t->q = q;
	t->ec = ec;
	atomic_init(&t->command, CMD_PARK);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->cond, &attr);
	pthread_condattr_destroy(&attr);
	err = open_fds(t);
	if (err)
		goto err_free;
	err = -pthread_create(&t->thread, NULL, thread_main, t);
	if (err)
		goto err_close;
	snprintf(name, sizeof(name), "queue%u", q->index);
	pthread_setname_np(t->thread, name);
	*out = t;
	return 0;

err_close:
	close(t->evfd);
	close(t->epfd);
err_free:
	pthread_cond_destroy(&t->cond);
	pthread_mutex_destroy(&t->lock);
	free(t);
	return err;
}

void xvb_qthread_destroy(struct xvb_qthread *t)
{
	if (!t)
		return;
	command(t, CMD_EXIT);
	pthread_join(t->thread, NULL);
	close(t->evfd);
	close(t->epfd);
	pthread_cond_destroy(&t->cond);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void xvb_qthread_run(struct xvb_qthread *t)
{
	command(t, CMD_RUN);
}

void xvb_qthread_park(struct xvb_qthread *t)
{
	command(t, CMD_PARK);
}

void xvb_qthread_pause(struct xvb_qthread *t)
{
	command(t, CMD_PAUSE);
}

void xvb_qthread_deadline(struct timespec *deadline, unsigned int ms)
{
	clock_gettime(CLOCK_MONOTONIC, deadline);
	deadline->tv_sec += ms / 1000;
	deadline->tv_nsec += ms % 1000 * 1000000L;
	if (deadline->tv_nsec >= 1000000000L) {
		deadline->tv_sec++;
		deadline->tv_nsec -= 1000000000L;
	}
}

int xvb_qthread_wait(struct xvb_qthread *t, const struct timespec *deadline)
{
	int err = 0;

	pthread_mutex_lock(&t->lock);
	while (!t->parked && !err) {
		if (deadline)
			err = pthread_cond_timedwait(&t->cond, &t->lock,
						     deadline);
		else
			pthread_cond_wait(&t->cond, &t->lock);
	}
	err = t->parked ? 0 : -EBUSY;
	pthread_mutex_unlock(&t->lock);
	return err;
}
