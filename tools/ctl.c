// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon's local socket, and the lock that makes it the only one
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"
#include "store.h"
#include "version.h"

#define LOCK_PATH	XVB_RUN_DIR "/xen-virtiod.pid"
#define SOCKET_PATH	XVB_RUN_DIR "/xen-virtiod.sock"
#define PATIENCE_S	1

#define STATS_REQUEST	"stats "
#define UNKNOWN_REQUEST	"error: unknown request\n"
#define NO_DEVICE	"error: no such device\n"

int xvb_ctl_lock(struct xvb_error *err)
{
	char pid[16] = "";
	int fd, ret;

	if (mkdir(XVB_RUN_DIR, 0700) && errno != EEXIST)
		return xvb_error_set(err, -errno, "making %s: %s", XVB_RUN_DIR,
				     strerror(errno));
	fd = open(LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return xvb_error_set(err, -errno, "opening %s: %s", LOCK_PATH,
				     strerror(errno));
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return fd;
	ret = -errno;
	if (ret == -EWOULDBLOCK && read(fd, pid, sizeof(pid) - 1) > 0)
		pid[strcspn(pid, "\n")] = '\0';
	close(fd);
	if (ret == -EWOULDBLOCK)
		return xvb_error_set(err, ret,
				     "another xen-virtiod is running (process %s)",
				     *pid ? pid : "unknown");
	return xvb_error_set(err, ret, "locking %s: %s", LOCK_PATH,
			     strerror(-ret));
}

void xvb_ctl_write_pid(int fd)
{
	if (ftruncate(fd, 0) || dprintf(fd, "%d\n", (int)getpid()) < 0)
		xvb_warn("writing %s: %s", LOCK_PATH, strerror(errno));
}

static int local_socket(int flags, struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", SOCKET_PATH);
	return fd < 0 ? -errno : fd;
}

int xvb_ctl_listen(struct xvb_error *err)
{
	struct sockaddr_un addr;
	int fd = local_socket(SOCK_NONBLOCK, &addr);
	mode_t mask;
	int ret;

	if (fd < 0)
		return xvb_error_set(err, fd, "making a socket: %s",
				     strerror(-fd));
	/* Left by a daemon that was killed: we have the lock. */
	unlink(SOCKET_PATH);
	mask = umask(0177);
	ret = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(mask);
	if (!ret && listen(fd, 8))
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	return xvb_error_set(err, ret, "listening on %s: %s", SOCKET_PATH,
			     strerror(-ret));
}

static void set_patience(int fd)
{
	struct timeval tv = { .tv_sec = PATIENCE_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

/* One line, without its newline; what follows it is dropped. */
static int read_line(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1) {
		n = recv(fd, buf + len, size - 1 - len, 0);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
		buf[len] = '\0';
		if (memchr(buf, '\n', len))
			break;
	}
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return 0;
}

static void answer(int client, const void *buf, size_t len)
{
	if (send(client, buf, len, MSG_NOSIGNAL) != (ssize_t)len)
		xvb_debug("answering a client: %s", strerror(errno));
}

static void answer_text(int client, const char *text)
{
	answer(client, text, strlen(text));
}

/* "DOMID DEVICE" */
static int parse_device(char *args, uint32_t *fe, uint32_t *devid)
{
	char *space = strchr(args, ' ');
	int err;

	if (!space)
		return -EINVAL;
	*space = '\0';
	err = xvb_parse_u32(args, XVB_DOMID_MAX, fe);
	return err ? err : xvb_parse_u32(space + 1, XVB_DEVID_MAX, devid);
}

static void answer_stats(int client, char *args,
			 const struct xvb_ctl_handler *handler)
{
	struct xvb_ctl_stats out;
	uint32_t fe, devid;

	memset(&out, 0, sizeof(out));
	out.magic = XVB_CTL_STATS_MAGIC;
	out.nr_vq_stats = xvb_nr_vq_stats;
	out.nr_device_stats = xvb_nr_device_stats;
	if (parse_device(args, &fe, &devid))
		answer_text(client, UNKNOWN_REQUEST);
	else if (handler->stats(handler->ctx, fe, devid, &out))
		answer_text(client, NO_DEVICE);
	else
		/* Less than what a socket holds: this does not wait. */
		answer(client, &out, sizeof(out));
}

void xvb_ctl_serve(int fd, const struct xvb_ctl_handler *handler)
{
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	char line[XVB_CTL_MAX];

	if (client < 0)
		return;
	set_patience(client);
	if (read_line(client, line, sizeof(line)))
		goto out;
	if (!strcmp(line, "version"))
		answer_text(client, "xen-virtiod " XVB_VERSION "\n");
	else if (!strncmp(line, STATS_REQUEST, strlen(STATS_REQUEST)))
		answer_stats(client, line + strlen(STATS_REQUEST), handler);
	else
		answer_text(client, UNKNOWN_REQUEST);
out:
	close(client);
}

void xvb_ctl_unlink(void)
{
	unlink(SOCKET_PATH);
}

/* A socket on which @line was said, or -errno. */
static int say(const char *line)
{
	struct sockaddr_un addr;
	int fd = local_socket(0, &addr);
	struct timeval tv = { .tv_sec = 5 };
	int ret;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	    send(fd, line, strlen(line), MSG_NOSIGNAL) >= 0 &&
	    send(fd, "\n", 1, MSG_NOSIGNAL) >= 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int xvb_ctl_ask(const char *line, char answer[XVB_CTL_MAX])
{
	int fd = say(line), ret;

	if (fd < 0)
		return fd;
	ret = read_line(fd, answer, XVB_CTL_MAX);
	if (!ret && !*answer)
		ret = -ECONNRESET;
	close(fd);
	return ret;
}

int xvb_ctl_check_stats(const void *buf, size_t len, struct xvb_ctl_stats *out)
{
	if (len == strlen(NO_DEVICE) && !memcmp(buf, NO_DEVICE, len))
		return -ENOENT;
	if (len != sizeof(*out))
		return -EPROTO;
	memcpy(out, buf, sizeof(*out));
	if (out->magic != XVB_CTL_STATS_MAGIC ||
	    out->nr_vq_stats != xvb_nr_vq_stats ||
	    out->nr_device_stats != xvb_nr_device_stats ||
	    !memchr(out->state, '\0', sizeof(out->state)) ||
	    xvb_stat_get(&out->stats.device.nr_queues) > XVB_MAX_QUEUES)
		return -EPROTO;
	return 0;
}

int xvb_ctl_ask_stats(uint32_t fe, uint32_t devid, struct xvb_ctl_stats *out)
{
	/* One byte more than there should be would be seen. */
	char buf[sizeof(*out) + 1], line[64];
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(line, sizeof(line), STATS_REQUEST "%u %u", fe, devid);
	fd = say(line);
	if (fd < 0)
		return fd;
	do {
		n = recv(fd, buf + len, sizeof(buf) - len, 0);
		if (n > 0)
			len += (size_t)n;
	} while (n > 0 && len < sizeof(buf));
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	return len ? xvb_ctl_check_stats(buf, len, out) : -ECONNRESET;
}
