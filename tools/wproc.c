// SPDX-License-Identifier: GPL-2.0-only
/*
 * Worker processes, seen from the supervisor
 *
 * A worker may be in the hands of its guest: its messages have a fixed size,
 * their text is cleaned, and what they say is taken only where the bus waits
 * for it (xenbus.c).
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipc.h"
#include "worker.h"
#include "wproc.h"

/* Messages taken from one worker before others have their turn. */
#define MESSAGES_AT_ONCE	16

struct wproc {
	struct wproc *next;
	struct xvb_xdev *dev;
	pid_t pid;
	int sock;
	uint32_t seq;			/* of the last CONNECT or DISCONNECT */
	struct xvb_stats *stats;	/* the worker writes it */
	uint64_t started_at;		/* ms */
	uint64_t connected_at;
	char why[XVB_ERROR_SIZE];	/* from XVB_IPC_FAILED, or "" */
};

static const struct xvb_supervisor_config *config;
static struct wproc *procs;
static int epoll_fd;

void xvb_wproc_init(const struct xvb_supervisor_config *cfg, int epfd)
{
	config = cfg;
	epoll_fd = epfd;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The specification, as the toolstack left it in the private directory. */

static int add_param(struct xvb_params *params, struct xvb_store *st,
		     const char *dir, const char *key)
{
	struct xvb_param *p = &params->param[params->nr];
	char *value;
	int err, n;

	if (!strcmp(key, XVB_NODE_ERROR) || !strcmp(key, XVB_NODE_ATTACH_ID))
		return 0;
	if (params->nr == XVB_MAX_PARAMS)
		return -E2BIG;
	err = xvb_store_read(st, dir, key, &value);
	if (err)
		return err;
	/* Key and value share one allocation, as xvb_params_parse() has it. */
	n = asprintf(&p->key, "%s%c%s", key, '\0', value);
	free(value);
	if (n < 0)
		return -ENOMEM;
	p->value = p->key + strlen(p->key) + 1;
	params->nr++;
	return 0;
}

static int read_params(struct xvb_xdev *dev, struct xvb_params *params)
{
	struct xvb_store *st = dev->bus->store;
	char dir[XVB_STORE_PATH_MAX];
	unsigned int count, i;
	char **keys;
	int err;

	memset(params, 0, sizeof(*params));
	xvb_dir_path(&dev->name, XVB_DIR_PRIVATE, dir);
	err = st->ops->list(st, dir, &keys, &count);
	if (err)
		return err;
	for (i = 0; i < count && !err; i++)
		err = add_param(params, st, dir, keys[i]);
	free(keys);
	if (err)
		xvb_params_free(params);
	return err;
}

/* The child */

static void default_signals(void)
{
	sigset_t none;

	/* The supervisor says when to end; a terminal or systemd does not. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All but the standard descriptors and two, whichever order they have. */
static int close_others(int a, int b)
{
	unsigned int low = (unsigned int)(a < b ? a : b);
	unsigned int high = (unsigned int)(a < b ? b : a);
	int err = 0;

	if (low > 3)
		err |= close_range(3, low - 1, 0);
	if (high > low + 1)
		err |= close_range(low < 3 ? 3 : low + 1, high - 1, 0);
	err |= close_range(high < 3 ? 3 : high + 1, ~0U, 0);
	return err ? -errno : 0;
}

/* What other workers have done is none of this one's business. */
static void forget_others(void)
{
	struct wproc *p;

	for (p = procs; p; p = p->next)
		xvb_stats_free(p->stats);
}

static void be_worker(const struct wproc *p, struct xvb_params *params,
		      int sock) __attribute__((noreturn));

static void be_worker(const struct wproc *p, struct xvb_params *params,
		      int sock)
{
	struct xvb_xdev *dev = p->dev;
	struct xvb_worker_config cfg = {
		.fe = dev->name.fe,
		.devid = dev->name.devid,
		.max_window_pages = dev->bus->max_window_pages,
		.params = params,
		.stats = p->stats,
		.sandbox = config->sandbox,
		.sock = sock,
	};
	char ident[64];

	default_signals();
	if (close_others(sock, config->log_fd))
		_exit(1);
	forget_others();
	snprintf(ident, sizeof(ident), "%sdomain %u device %u",
		 config->syslog_fd < 0 ? "xen-virtiod: " : "", cfg.fe,
		 cfg.devid);
	xvb_log_setup(config->log_fd, config->log_level, ident);
	/* Not exit(3): what the parent had buffered is the parent's. */
	_exit(xvb_worker_main(&cfg));
}

/* The parent */

static int watch_socket(struct wproc *p)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = p };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p->sock, &ev) ? -errno : 0;
}

static int spawn(struct wproc *p, struct xvb_params *params)
{
	int pair[2];
	int err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	p->pid = fork();
	if (!p->pid)
		be_worker(p, params, pair[1]);
	close(pair[1]);
	if (p->pid < 0) {
		err = -errno;
		close(pair[0]);
		return err;
	}
	p->sock = pair[0];
	err = watch_socket(p);
	if (err) {
		/* Its end of file tells it; SIGCHLD tells us. */
		xvb_err("watching a worker: %s", strerror(-err));
		shutdown(p->sock, SHUT_RDWR);
	}
	return 0;
}

static int wproc_start(struct xvb_xdev *dev)
{
	struct xvb_params params;
	struct wproc *p;
	int err;

	err = read_params(dev, &params);
	if (err) {
		xvb_err("device %u of domain %u: reading its specification: %s",
			dev->name.devid, dev->name.fe, strerror(-err));
		return err;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		err = -ENOMEM;
		goto out;
	}
	p->dev = dev;
	p->started_at = now_ms();
	/* Not on the list yet: see forget_others(). */
	err = xvb_stats_make(&p->stats);
	if (!err)
		err = spawn(p, &params);
	if (err) {
		xvb_err("device %u of domain %u: forking a worker: %s",
			dev->name.devid, dev->name.fe, strerror(-err));
		xvb_stats_free(p->stats);
		free(p);
		goto out;
	}
	p->next = procs;
	procs = p;
	dev->worker = p;
out:
	xvb_params_free(&params);
	return err;
}

static int tell(struct xvb_xdev *dev, const struct xvb_ipc *msg)
{
	struct wproc *p = dev->worker;
	ssize_t n = send(p->sock, msg, sizeof(*msg),
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	return n == (ssize_t)sizeof(*msg) ? 0 : -errno;
}

static int wproc_connect(struct xvb_xdev *dev, uint32_t ring_ref, uint32_t port)
{
	struct wproc *p = dev->worker;
	struct xvb_ipc msg = {
		.type = XVB_IPC_CONNECT,
		.ref = ring_ref,
		.port = port,
		.seq = ++p->seq,
	};

	return tell(dev, &msg);
}

static void wproc_kill(struct xvb_xdev *dev)
{
	struct wproc *p = dev->worker;

	kill(p->pid, SIGKILL);
}

static void tell_or_kill(struct xvb_xdev *dev, uint32_t type)
{
	struct wproc *p = dev->worker;
	struct xvb_ipc msg = { .type = type };
	int err;

	if (type == XVB_IPC_DISCONNECT)
		p->seq++;
	msg.seq = p->seq;
	err = tell(dev, &msg);
	/* EPIPE: it is dead already, and will be reaped. */
	if (err && err != -EPIPE && err != -ECONNRESET)
		wproc_kill(dev);
}

static void wproc_disconnect(struct xvb_xdev *dev)
{
	tell_or_kill(dev, XVB_IPC_DISCONNECT);
}

static void wproc_stop(struct xvb_xdev *dev)
{
	tell_or_kill(dev, XVB_IPC_STOP);
}

const struct xvb_worker_ops xvb_wproc_ops = {
	.start = wproc_start,
	.connect = wproc_connect,
	.disconnect = wproc_disconnect,
	.stop = wproc_stop,
	.kill = wproc_kill,
};

static const char * const phase_names[] = {
	[XVB_PHASE_IDLE] = "idle",
	[XVB_PHASE_STARTING] = "starting",
	[XVB_PHASE_READY] = "ready",
	[XVB_PHASE_CONNECTING] = "connecting",
	[XVB_PHASE_CONNECTED] = "connected",
	[XVB_PHASE_DISCONNECTING] = "disconnecting",
	[XVB_PHASE_STOPPING] = "stopping",
	[XVB_PHASE_KILLED] = "killed",
};

void xvb_wproc_stats(const struct xvb_xdev *dev, struct xvb_ctl_stats *out)
{
	const struct wproc *p = dev->worker;

	snprintf(out->state, sizeof(out->state), "%s", phase_names[dev->phase]);
	out->now_ms = now_ms();
	if (!p)
		return;
	out->pid = p->pid;
	out->uptime_ms = out->now_ms - p->started_at;
	if (dev->phase == XVB_PHASE_CONNECTED)
		out->connected_ms = out->now_ms - p->connected_at;
	xvb_stats_read(p->stats, &out->stats);
}

static void clean(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void handle(struct wproc *p, struct xvb_ipc *msg)
{
	clean(msg->text, sizeof(msg->text));
	/* It said this before it heard what was asked last. */
	if ((msg->type == XVB_IPC_CONNECTED ||
	     msg->type == XVB_IPC_DISCONNECTED) && msg->seq != p->seq)
		return;
	switch (msg->type) {
	case XVB_IPC_READY:
		xvb_xdev_ready(p->dev);
		break;
	case XVB_IPC_FAILED:
		/* It ends now; the bus hears of both at once. */
		memcpy(p->why, msg->text, sizeof(p->why));
		break;
	case XVB_IPC_CONNECTED:
		if (p->dev->phase == XVB_PHASE_CONNECTING)
			p->connected_at = now_ms();
		xvb_xdev_connected(p->dev);
		break;
	case XVB_IPC_DISCONNECTED:
		xvb_xdev_disconnected(p->dev, *msg->text ? msg->text : NULL);
		break;
	default:
		xvb_err("device %u of domain %u: its worker said %u, which means nothing",
			p->dev->name.devid, p->dev->name.fe, msg->type);
		kill(p->pid, SIGKILL);
	}
}

/* Returns false when there is nothing more to come. */
static bool take_messages(struct wproc *p)
{
	struct xvb_ipc msg;
	unsigned int i;
	ssize_t n;

	for (i = 0; i < MESSAGES_AT_ONCE; i++) {
		n = recv(p->sock, &msg, sizeof(msg), MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		if (n != (ssize_t)sizeof(msg))
			return false;
		handle(p, &msg);
	}
	return true;
}

void xvb_wproc_event(void *ptr)
{
	struct wproc *p = ptr;

	/* Closed, or out of step: nothing it says counts any more. */
	if (!take_messages(p)) {
		epoll_ctl(epoll_fd, EPOLL_CTL_DEL, p->sock, NULL);
		kill(p->pid, SIGKILL);
	}
}

static const char *how_it_ended(const struct wproc *p, int status, char *buf,
				size_t size)
{
	if (*p->why)
		return p->why;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		return "the worker made a system call that is not allowed and was killed";
	if (WIFSIGNALED(status)) {
		snprintf(buf, size, "the worker was killed by signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
		return buf;
	}
	snprintf(buf, size, "the worker has ended with status %d",
		 WEXITSTATUS(status));
	return buf;
}

static void reap(pid_t pid, int status)
{
	char buf[XVB_ERROR_SIZE];
	struct wproc **pp = &procs;
	struct xvb_xdev *dev;
	struct wproc *p;

	while (*pp && (*pp)->pid != pid)
		pp = &(*pp)->next;
	p = *pp;
	if (!p)
		return;
	*pp = p->next;
	take_messages(p);
	dev = p->dev;
	dev->worker = NULL;
	/*
	 * Closing it is not enough: a worker that was forked meanwhile may
	 * still have a copy, and epoll would go on to hand out @p.
	 */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, p->sock, NULL);
	close(p->sock);
	xvb_xdev_ended(dev, how_it_ended(p, status, buf, sizeof(buf)));
	xvb_stats_free(p->stats);
	free(p);
}

void xvb_wproc_reap(void)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			break;
		reap(pid, status);
	}
}
