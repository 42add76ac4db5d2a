// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process of one device
 *
 * The main thread is the control thread: it speaks with the supervisor
 * (ipc.h) and with the guest (transport.c).  One thread more per queue
 * (qthread.c), and those of the file engine.
 *
 * There is no PR_SET_PDEATHSIG: when the supervisor dies the socket says so,
 * and the worker finishes what is in flight instead of being cut off.
 */

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "evtchn.h"
#include "gntmap.h"
#include "ipc.h"
#include "qthread.h"
#include "ring.h"
#include "transport.h"
#include "worker.h"

#ifdef XVB_BASELINE
#include "../tests/bench/baseline/foreign.h"
#endif

/* Without a supervisor, I/O that never ends must not keep the worker. */
#define ORPHAN_SECONDS	15

/* What a descriptor of the control thread is. */
enum source { SOURCE_SUPERVISOR, SOURCE_CHANNEL, SOURCE_WAKE };

struct worker {
	const struct xvb_worker_config *cfg;
	struct xvb_device *dev;
	struct xvb_memory mem;
	struct xvb_gntmap *gm;
	struct xvb_transport transport;
	struct xvb_evtchn *channel;
	struct xvb_evtchn *queue_channels[XVB_MAX_QUEUES];
	struct xvb_qthread *threads[XVB_MAX_QUEUES];
	void *intf;		/* mapped pages of the ring, or NULL */
	void *data;
	int epfd;
	int wakefd;
	bool masked;		/* an event was read and not unmasked yet */
	bool busy;		/* the ring was left with messages on it */
	bool stop;
	uint32_t seq;		/* of the supervisor's last request */
	pthread_mutex_t limit_lock;
	struct xvb_ratelimit limit;	/* of broken queues; @limit_lock */
	struct xvb_ratelimit link_limit; /* of connections */
};

static void tell(struct worker *w, uint32_t type, const char *text)
{
	struct xvb_ipc msg = { .type = type, .seq = w->seq };

	snprintf(msg.text, sizeof(msg.text), "%s", text ? text : "");
	/* Blocks only while the supervisor does: it is what we wait for. */
	if (write(w->cfg->sock, &msg, sizeof(msg)) != sizeof(msg))
		xvb_err("answering the supervisor: %s", strerror(errno));
}

/* Call-backs of the transport */

static int worker_bind(void *ctx, unsigned int queue, uint32_t port)
{
	struct worker *w = ctx;

	return xvb_evtchn_bind(w->queue_channels[queue], port);
}

static void worker_unbind(void *ctx, unsigned int queue)
{
	struct worker *w = ctx;

	xvb_evtchn_unbind(w->queue_channels[queue]);
}

static void worker_run(void *ctx, unsigned int queue)
{
	struct worker *w = ctx;

	xvb_qthread_run(w->threads[queue]);
}

static int worker_park(void *ctx, uint64_t mask, int ms)
{
	struct timespec deadline;
	struct worker *w = ctx;
	unsigned int i;
	int err = 0;

	if (ms >= 0)
		xvb_qthread_deadline(&deadline, ms);
	for (i = 0; i < w->dev->nr_queues; i++) {
		if (!(mask & (UINT64_C(1) << i)))
			continue;
		if (ms < 0)
			xvb_qthread_park(w->threads[i]);
		else
			xvb_qthread_pause(w->threads[i]);
	}
	for (i = 0; i < w->dev->nr_queues && !err; i++)
		if (mask & (UINT64_C(1) << i))
			err = xvb_qthread_wait(w->threads[i],
					       ms < 0 ? NULL : &deadline);
	for (i = 0; i < w->dev->nr_queues && err; i++)
		if (mask & (UINT64_C(1) << i))
			xvb_qthread_run(w->threads[i]);
	return err;
}

static void worker_wake(void *ctx)
{
	const uint64_t one = 1;
	struct worker *w = ctx;

	if (write(w->wakefd, &one, sizeof(one)) < 0)
		xvb_err("waking the control thread: %s", strerror(errno));
}

static const struct xvb_transport_ops transport_ops = {
	.bind = worker_bind,
	.unbind = worker_unbind,
	.run = worker_run,
	.park = worker_park,
	.wake = worker_wake,
};

/* Call-backs of the device */

static void host_notify(void *ctx, unsigned int queue)
{
	struct worker *w = ctx;

	xvb_evtchn_notify(w->queue_channels[queue]);
}

static void host_broken(void *ctx, unsigned int queue, const char *reason)
{
	struct worker *w = ctx;
	bool say;

	pthread_mutex_lock(&w->limit_lock);
	say = xvb_ratelimit(&w->limit);
	pthread_mutex_unlock(&w->limit_lock);
	if (say)
		xvb_err("queue %u is broken: %s", queue, reason);
	xvb_transport_queue_broken(&w->transport);
}

static void host_config_changed(void *ctx)
{
	struct worker *w = ctx;

	xvb_transport_config_changed(&w->transport);
}

static const struct xvb_host_ops host_ops = {
	.notify = host_notify,
	.broken = host_broken,
	.config_changed = host_config_changed,
};

/* The connection with the guest */

static void unmap_ring(struct worker *w)
{
	if (w->data)
		xvb_gntmap_unmap(w->gm, w->data, 1);
	if (w->intf)
		xvb_gntmap_unmap(w->gm, w->intf, 1);
	w->data = NULL;
	w->intf = NULL;
}

static int map_ring(struct worker *w, uint32_t ref, struct xvb_error *err)
{
	uint32_t data_ref;
	int ret;

	ret = xvb_gntmap_map(w->gm, ref, 1, XVB_WRITE, &w->intf);
	if (ret) {
		w->intf = NULL;
		return xvb_error_set(err, ret,
				     "mapping the control ring, grant %u: %s",
				     ref, strerror(-ret));
	}
	ret = xvb_ring_data_ref(w->intf, &data_ref, err);
	if (ret)
		return ret;
	ret = xvb_gntmap_map(w->gm, data_ref, 1, XVB_WRITE, &w->data);
	if (ret) {
		w->data = NULL;
		return xvb_error_set(err, ret,
				     "mapping the control ring's data page, grant %u: %s",
				     data_ref, strerror(-ret));
	}
	return 0;
}

static int make_memory(struct worker *w)
{
	int ret = xvb_memory_init(&w->mem, &xvb_gntmap_memory_ops, w->gm,
				  w->cfg->max_window_pages);

#ifdef XVB_BASELINE
	if (!ret)
		ret = xvb_baseline_add(&w->mem, w->cfg->fe);
#endif
	return ret;
}

/* After whatever may have changed it. */
static void count_windows(struct worker *w)
{
	struct xvb_device_stats *stats = &w->cfg->stats->device;

	xvb_stat_set(&stats->windows, xvb_memory_windows(&w->mem));
	xvb_stat_set(&stats->window_pages, w->mem.pages);
}

static void disconnect(struct worker *w)
{
	int ret;

	xvb_transport_disconnect(&w->transport);
	xvb_evtchn_unbind(w->channel);
	/* All queues are drained and stopped: now nothing is in use. */
	xvb_memory_destroy(&w->mem);
	unmap_ring(w);
	ret = make_memory(w);
	if (ret) {
		xvb_err("out of memory");
		w->stop = true;
	}
	count_windows(w);
	w->masked = false;
	w->busy = false;
}

static void connect_guest(struct worker *w, const struct xvb_ipc *msg)
{
	struct xvb_error error = { "" };
	int ret;

	if (w->transport.connected)
		disconnect(w);
	ret = map_ring(w, msg->ref, &error);
	if (!ret) {
		ret = xvb_evtchn_bind(w->channel, msg->port);
		if (ret)
			xvb_error_set(&error, ret,
				      "binding the frontend's port %u: %s",
				      msg->port, strerror(-ret));
	}
	if (ret) {
		unmap_ring(w);
		tell(w, XVB_IPC_DISCONNECTED, error.text);
		return;
	}
	xvb_transport_connect(&w->transport, w->intf, w->data);
	if (xvb_ratelimit(&w->link_limit))
		xvb_info("connected");
	tell(w, XVB_IPC_CONNECTED, NULL);
	w->busy = true;
}

static void serve_guest(struct worker *w)
{
	struct xvb_error error = { "" };
	bool notify = false;
	int ret;

	w->busy = false;
	if (!w->transport.connected)
		return;
	ret = xvb_transport_process(&w->transport, &notify, &error);
	count_windows(w);
	if (notify)
		xvb_evtchn_notify(w->channel);
	if (ret < 0) {
		disconnect(w);
		tell(w, XVB_IPC_DISCONNECTED, error.text);
		return;
	}
	w->busy = ret > 0;
	if (!w->busy && w->masked) {
		/* As in qthread.c: last, so that kicks meanwhile are one. */
		w->masked = false;
		xvb_evtchn_unmask(w->channel);
	}
}

/* The supervisor */

static void obey(struct worker *w)
{
	struct xvb_ipc msg;
	ssize_t n = read(w->cfg->sock, &msg, sizeof(msg));

	if (n != sizeof(msg)) {
		xvb_warn("the supervisor is gone: ending");
		alarm(ORPHAN_SECONDS);
		w->stop = true;
		return;
	}
	w->seq = msg.seq;
	switch (msg.type) {
	case XVB_IPC_CONNECT:
		connect_guest(w, &msg);
		break;
	case XVB_IPC_DISCONNECT:
		disconnect(w);
		if (xvb_ratelimit(&w->link_limit))
			xvb_info("disconnected");
		tell(w, XVB_IPC_DISCONNECTED, NULL);
		break;
	case XVB_IPC_STOP:
		w->stop = true;
		break;
	default:
		xvb_err("the supervisor said %u, which means nothing",
			msg.type);
	}
}

static void take_events(struct worker *w)
{
	struct epoll_event ev[3];
	uint64_t value;
	int n, i;

	n = epoll_wait(w->epfd, ev, 3, w->busy ? 0 : -1);
	for (i = 0; i < n; i++) {
		switch (ev[i].data.u32) {
		case SOURCE_SUPERVISOR:
			obey(w);
			break;
		case SOURCE_CHANNEL:
			if (xvb_evtchn_pending(w->channel))
				w->masked = true;
			break;
		case SOURCE_WAKE:
			if (read(w->wakefd, &value, sizeof(value)) < 0 &&
			    errno != EAGAIN)
				xvb_err("reading an eventfd: %s",
					strerror(errno));
			break;
		}
	}
}

/* Making and ending it */

static int watch_fd(struct worker *w, int fd, enum source source)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = source };

	return epoll_ctl(w->epfd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static int open_channels(struct worker *w, struct xvb_error *err)
{
	unsigned int i;
	int ret;

	ret = xvb_gntmap_open(w->cfg->fe, &w->cfg->stats->device.grants,
			      &w->gm);
	if (ret)
		return xvb_error_set(err, ret,
				     "opening /dev/xen/gntdev: %s (is the module xen-gntdev loaded?)",
				     strerror(-ret));
	ret = xvb_evtchn_open(w->cfg->fe, false, &w->channel);
	for (i = 0; i < w->dev->nr_queues && !ret; i++)
		ret = xvb_evtchn_open(w->cfg->fe, true,
				      &w->queue_channels[i]);
	if (ret)
		return xvb_error_set(err, ret,
				     "opening /dev/xen/evtchn: %s (is the module xen-evtchn loaded?)",
				     strerror(-ret));
	return 0;
}

static int make_loop(struct worker *w, struct xvb_error *err)
{
	int ret;

	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	w->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epfd < 0 || w->wakefd < 0)
		return xvb_error_set(err, -errno, "making the event loop: %s",
				     strerror(errno));
	ret = watch_fd(w, w->cfg->sock, SOURCE_SUPERVISOR);
	if (!ret)
		ret = watch_fd(w, xvb_evtchn_fd(w->channel), SOURCE_CHANNEL);
	if (!ret)
		ret = watch_fd(w, w->wakefd, SOURCE_WAKE);
	if (ret)
		xvb_error_set(err, ret, "making the event loop: %s",
			      strerror(-ret));
	return ret;
}

static int make_threads(struct worker *w, struct xvb_error *err)
{
	unsigned int i;
	int ret;

	for (i = 0; i < w->dev->nr_queues; i++) {
		ret = xvb_qthread_create(&w->dev->queues[i],
					 w->queue_channels[i], &w->threads[i]);
		if (ret)
			return xvb_error_set(err, ret,
					     "making the thread of queue %u: %s",
					     i, strerror(-ret));
	}
	return 0;
}

static int set_up(struct worker *w, struct xvb_error *err)
{
	struct xvb_sandbox sandbox = w->cfg->sandbox;
	int ret;

	/*
	 * More arenas would need mprotect to grow, which the sandbox does
	 * not allow; nothing that is fast allocates.
	 */
	mallopt(M_ARENA_MAX, 1);
	ret = xvb_sandbox_prepare(&sandbox, err);
	if (ret)
		return ret;
	ret = xvb_device_create(w->cfg->params, &w->dev, err);
	if (ret)
		return ret;
	ret = open_channels(w, err);
	if (ret)
		return ret;
	ret = make_memory(w);
	if (ret)
		return xvb_error_set(err, ret, "making the memory: %s",
				     strerror(-ret));
	xvb_device_bind(w->dev, &w->mem, &host_ops, w);
	xvb_device_set_stats(w->dev, w->cfg->stats);
	xvb_transport_init(&w->transport, w->dev, &w->mem, &transport_ops, w);
	w->transport.stats = &w->cfg->stats->device.control;
	ret = make_threads(w, err);
	if (!ret)
		ret = make_loop(w, err);
	if (ret)
		return ret;
	/* Per queue: channel, epoll, eventfd, two of the file engine. */
	sandbox.max_fds = 64 + 8 * w->dev->nr_queues;
	return xvb_sandbox_enter(&sandbox, err);
}

static void tear_down(struct worker *w)
{
	unsigned int i;

	/*
	 * The order matters: threads before the device whose queues they
	 * serve, the device before the windows that its I/O went to.  What
	 * set_up() did not reach is NULL.
	 */
	for (i = 0; i < XVB_MAX_QUEUES; i++)
		xvb_qthread_destroy(w->threads[i]);
	xvb_device_destroy(w->dev);
	xvb_memory_destroy(&w->mem);
	for (i = 0; i < XVB_MAX_QUEUES; i++)
		xvb_evtchn_close(w->queue_channels[i]);
	xvb_evtchn_close(w->channel);
	xvb_gntmap_close(w->gm);
	if (w->wakefd >= 0)
		close(w->wakefd);
	if (w->epfd >= 0)
		close(w->epfd);
}

int xvb_worker_main(const struct xvb_worker_config *cfg)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct xvb_error error = { "" };
	char name[16];
	int ret;

	if (!w)
		return 1;
	w->cfg = cfg;
	w->epfd = -1;
	w->wakefd = -1;
	w->link_limit.burst = 20;
	pthread_mutex_init(&w->limit_lock, NULL);
	snprintf(name, sizeof(name), "xvd%u-%u", cfg->fe, cfg->devid);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	ret = set_up(w, &error);
	if (ret) {
		tell(w, XVB_IPC_FAILED, error.text);
		goto out;
	}
	tell(w, XVB_IPC_READY, NULL);
	while (!w->stop) {
		take_events(w);
		serve_guest(w);
	}
	disconnect(w);
out:
	tear_down(w);
	free(w);
	return ret ? 1 : 0;
}
