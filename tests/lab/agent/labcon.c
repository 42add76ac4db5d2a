// SPDX-License-Identifier: GPL-2.0-only
/*
 * dom0's end of a test domU's console.
 *
 *	labcon serve DIR TTY		keep reading TTY, in the background
 *	labcon exec DIR SECONDS COMMAND	run COMMAND in the domU
 *	labcon wait DIR SECONDS		until the agent has said hello
 *	labcon entropy			see credit_entropy()
 *
 * The server writes below DIR: console.log (what is no frame), dmesg.log
 * (the domU's kernel log), "ready" once the agent has said hello, "gone"
 * when the console has closed.  Clients reach it over the socket DIR/sock.
 * Exit status of exec: the command's; 124 time is up, 125 the domU is gone
 * or its answer was damaged.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

#define CLIENTS		32
#define STATUS_TIMEOUT	124
#define STATUS_GONE	125

/*
 * On the socket: dom0's client sends CMD, RUN, KILL; gets OUT, ERR, EXIT.
 * A client that sends HELLO gets EXIT 0 when the agent is ready.
 */
struct packet {
	char type;
	uint32_t len;
	uint8_t data[FRAME_DATA];
};

struct client {
	int fd;			/* -1: free */
	uint32_t id;
	int waits;		/* for the agent */
};

static struct client clients[CLIENTS];
static int tty, console_log, dmesg_log, listener;
static int ready;		/* the agent has said hello */

static int die(const char *what)
{
	fprintf(stderr, "labcon: %s: %s\n", what, strerror(errno));
	return STATUS_GONE;
}

static int packet_send(int fd, char type, const void *data, size_t len)
{
	struct packet p = { .type = type, .len = (uint32_t)len };

	memcpy(p.data, data, len);
	if (send(fd, &p, offsetof(struct packet, data) + len,
		 MSG_NOSIGNAL) < 0)
		return -1;
	return 0;
}

static int unix_socket(const char *dir, struct sockaddr_un *addr)
{
	int n;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/sock", dir);
	if (n < 0 || (size_t)n >= sizeof(addr->sun_path))
		return -1;
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
}

/* --- server ------------------------------------------------------------ */

static void mark(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
}

static struct client *client_find(uint32_t id)
{
	for (int i = 0; i < CLIENTS; i++)
		if (clients[i].fd >= 0 && clients[i].id == id)
			return &clients[i];
	return NULL;
}

static void client_drop(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

static void clients_fail(const char *why)
{
	for (int i = 0; i < CLIENTS; i++) {
		if (clients[i].fd < 0)
			continue;
		packet_send(clients[i].fd, FRAME_ERR, why, strlen(why));
		packet_send(clients[i].fd, FRAME_EXIT, "125", 3);
		client_drop(&clients[i]);
	}
}

static void clients_ready(void)
{
	for (int i = 0; ready && i < CLIENTS; i++) {
		if (clients[i].fd < 0 || !clients[i].waits)
			continue;
		packet_send(clients[i].fd, FRAME_EXIT, "0", 1);
		client_drop(&clients[i]);
	}
}

static void client_accept(void)
{
	static uint32_t next;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < CLIENTS; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i] = (struct client){ .fd = fd, .id = ++next };
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void client_read(struct client *c)
{
	struct packet p;
	ssize_t n = recv(c->fd, &p, sizeof(p), 0);

	if (n < (ssize_t)offsetof(struct packet, data)) {
		if (!c->waits)
			frame_send(tty, FRAME_KILL, c->id, "", 0);
		client_drop(c);
		return;
	}
	if (p.type == FRAME_HELLO) {
		c->waits = 1;
		clients_ready();
		return;
	}
	frame_send(tty, p.type, c->id, p.data,
		   (size_t)n - offsetof(struct packet, data));
}

static void from_domu(const struct frame *f)
{
	struct client *c;

	switch (f->type) {
	case FRAME_HELLO:
		mark("ready");
		ready = 1;
		clients_ready();
		break;
	case FRAME_KMSG:
		write_all(dmesg_log, f->data, f->len);
		break;
	case FRAME_OUT:
	case FRAME_ERR:
	case FRAME_EXIT:
		c = client_find(f->id);
		if (!c)
			break;
		packet_send(c->fd, f->type, f->data, f->len);
		if (f->type == FRAME_EXIT)
			client_drop(c);
		break;
	}
}

static void log_line(const char *line)
{
	if (!*line)
		return;
	write_all(console_log, line, strlen(line));
	write_all(console_log, "\n", 1);
}

/* Returns 0 when the console has closed. */
static int read_tty(void)
{
	static struct line_buf lb;
	static struct frame f;
	char buf[4096];
	ssize_t n = read(tty, buf, sizeof(buf));

	if (n <= 0)
		return n < 0 && (errno == EINTR || errno == EAGAIN);
	for (ssize_t i = 0; i < n; i++) {
		const char *line = line_feed(&lb, buf[i]);

		if (!line)
			continue;
		switch (frame_parse(line, &f)) {
		case 0:
			from_domu(&f);
			break;
		case 1:
			log_line(line);
			break;
		default:
			log_line(line);
			clients_fail("labcon: damaged frame, see console.log\n");
		}
	}
	return 1;
}

static void serve_loop(void)
{
	struct pollfd p[2 + CLIENTS];

	for (;;) {
		p[0] = (struct pollfd){ .fd = tty, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (int i = 0; i < CLIENTS; i++)
			p[2 + i] = (struct pollfd){ .fd = clients[i].fd,
						    .events = POLLIN };
		if (poll(p, 2 + CLIENTS, -1) < 0)
			continue;
		if (p[0].revents && !read_tty())
			return;
		for (int i = 0; i < CLIENTS; i++)
			if (p[2 + i].revents && clients[i].fd >= 0)
				client_read(&clients[i]);
		if (p[1].revents)
			client_accept();
	}
}

static int open_log(const char *name)
{
	return open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int open_tty(const char *path)
{
	struct termios t;

	tty = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0 || tcgetattr(tty, &t))
		return -1;
	cfmakeraw(&t);
	return tcsetattr(tty, TCSANOW, &t);
}

static int serve(const char *dir, const char *path)
{
	struct sockaddr_un addr;

	for (int i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	if (open_tty(path))
		return die(path);
	listener = unix_socket(dir, &addr);
	unlink(addr.sun_path);
	if (listener < 0 ||
	    bind(listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(listener, CLIENTS))
		return die("socket");
	if (chdir(dir))
		return die(dir);
	console_log = open_log("console.log");
	dmesg_log = open_log("dmesg.log");
	if (console_log < 0 || dmesg_log < 0)
		return die("log");
	signal(SIGPIPE, SIG_IGN);
	if (daemon(1, 0))
		return die("daemon");
	serve_loop();
	clients_fail("labcon: the domU is gone\n");
	unlink("sock");
	mark("gone");
	return 0;
}

/* --- client ------------------------------------------------------------ */

static int send_command(int fd, const char *command)
{
	size_t left = strlen(command);

	while (left) {
		size_t n = left < FRAME_DATA ? left : FRAME_DATA;

		if (packet_send(fd, FRAME_CMD, command, n))
			return -1;
		command += n;
		left -= n;
	}
	return packet_send(fd, FRAME_RUN, "", 0);
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Returns the command's exit status, or -1 while it runs. */
static int answer(int fd)
{
	char status[16] = "";
	struct packet p;
	ssize_t n = recv(fd, &p, sizeof(p), 0);
	ssize_t len = n - (ssize_t)offsetof(struct packet, data);

	if (len < 0)
		return STATUS_GONE;
	switch (p.type) {
	case FRAME_OUT:
		write_all(1, p.data, (size_t)len);
		break;
	case FRAME_ERR:
		write_all(2, p.data, (size_t)len);
		break;
	case FRAME_EXIT:
		if ((size_t)len >= sizeof(status))
			return STATUS_GONE;
		memcpy(status, p.data, (size_t)len);
		return atoi(status);
	}
	return -1;
}

/* Without a command: wait for the agent. */
static int exec_command(const char *dir, int seconds, const char *command)
{
	struct sockaddr_un addr;
	int fd = unix_socket(dir, &addr);
	long long end = now_ms() + seconds * 1000LL;

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return die("no console");
	if (command ? send_command(fd, command) :
		      packet_send(fd, FRAME_HELLO, "", 0))
		return die("send");
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		long long left = end - now_ms();
		int status;

		if (left <= 0 || poll(&p, 1, (int)left) == 0) {
			fprintf(stderr, "labcon: no answer in %d s: %s\n",
				seconds, command ? command : "not ready");
			return STATUS_TIMEOUT;
		}
		status = answer(fd);
		if (status >= 0)
			return status;
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "wait"))
		return exec_command(argv[2], atoi(argv[3]), NULL);
	if (argc == 2 && !strcmp(argv[1], "entropy"))
		return credit_entropy() ? die("entropy") : 0;
	if (argc == 5 && !strcmp(argv[1], "exec"))
		return exec_command(argv[2], atoi(argv[3]), argv[4]);
	fputs("usage: labcon serve DIR TTY | exec DIR SECONDS COMMAND | wait DIR SECONDS | entropy\n",
	      stderr);
	return STATUS_GONE;
}
