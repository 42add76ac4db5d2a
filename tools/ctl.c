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
#include "version.h"

#define LOCK_PATH	XVB_RUN_DIR "/xen-virtiod.pid"
#define SOCKET_PATH	XVB_RUN_DIR "/xen-virtiod.sock"
#define PATIENCE_S	1

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

void xvb_ctl_serve(int fd)
{
	char line[XVB_CTL_MAX], answer[XVB_CTL_MAX];
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	size_t len;

	if (client < 0)
		return;
	set_patience(client);
	if (read_line(client, line, sizeof(line)))
		goto out;
	if (!strcmp(line, "version"))
		snprintf(answer, sizeof(answer), "xen-virtiod %s\n",
			 XVB_VERSION);
	else
		snprintf(answer, sizeof(answer), "error: unknown request\n");
	len = strlen(answer);
	if (send(client, answer, len, MSG_NOSIGNAL) != (ssize_t)len)
		xvb_debug("answering a client: %s", strerror(errno));
out:
	close(client);
}

void xvb_ctl_unlink(void)
{
	unlink(SOCKET_PATH);
}

int xvb_ctl_ask(const char *line, char answer[XVB_CTL_MAX])
{
	struct sockaddr_un addr;
	int fd = local_socket(0, &addr);
	struct timeval tv = { .tv_sec = 5 };
	int ret = 0;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 ||
	    send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
		ret = -errno;
	if (!ret)
		ret = read_line(fd, answer, XVB_CTL_MAX);
	if (!ret && !*answer)
		ret = -ECONNRESET;
	close(fd);
	return ret;
}
