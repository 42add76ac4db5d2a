// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lab's init in a test domU: runs what dom0 asks for over the console.
 *
 * Process 1 of its initramfs, see start.h.  Every command is a job
 * of its own (several at a time), its output goes back in frames while it
 * runs.  Warnings and worse in the kernel log are sent as well, as they
 * appear, so that dom0 has them even when this domU dies.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "frame.h"
#include "start.h"

#define JOBS		32
#define COMMAND_MAX	(1 << 20)
#define KMSG_LEVEL	4	/* LOG_WARNING: what a splat is made of */

struct job {
	uint32_t id;
	pid_t pid;		/* 0: still collecting the command */
	int used;
	int exited;
	int status;
	int fd[2];		/* standard output, standard error; -1 closed */
	char *command;
	size_t len;
};

static struct job jobs[JOBS];
static int console;

static void say(char type, uint32_t id, const void *data, size_t len)
{
	if (frame_send(console, type, id, data, len))
		_exit(1);
}

static struct job *job_find(uint32_t id)
{
	for (int i = 0; i < JOBS; i++)
		if (jobs[i].used && jobs[i].id == id)
			return &jobs[i];
	return NULL;
}

static struct job *job_new(uint32_t id)
{
	for (int i = 0; i < JOBS; i++) {
		if (jobs[i].used)
			continue;
		jobs[i] = (struct job){ .id = id, .used = 1, .fd = { -1, -1 } };
		return &jobs[i];
	}
	return NULL;
}

static void job_finish(struct job *job, int status)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", status);

	for (int i = 0; i < 2; i++)
		if (job->fd[i] >= 0)
			close(job->fd[i]);
	free(job->command);
	job->used = 0;
	say(FRAME_EXIT, job->id, text, (size_t)n);
}

static void job_append(uint32_t id, const struct frame *f)
{
	struct job *job = job_find(id);
	char *grown;

	if (!job)
		job = job_new(id);
	if (!job || job->pid || job->len + f->len > COMMAND_MAX)
		return;
	grown = realloc(job->command, job->len + f->len + 1);
	if (!grown)
		return;
	memcpy(grown + job->len, f->data, f->len);
	job->command = grown;
	job->len += f->len;
	job->command[job->len] = '\0';
}

static void job_child(const char *command, const int out[2], const int err[2])
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, 0);
	dup2(out[1], 1);
	dup2(err[1], 2);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static int job_start(struct job *job)
{
	int out[2];
	int err[2];

	if (!job->command || pipe2(out, O_CLOEXEC))
		return -1;
	if (pipe2(err, O_CLOEXEC)) {
		close(out[0]);
		close(out[1]);
		return -1;
	}
	job->pid = fork();
	if (!job->pid)
		job_child(job->command, out, err);
	close(out[1]);
	close(err[1]);
	job->fd[0] = out[0];
	job->fd[1] = err[0];
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	return job->pid < 0 ? -1 : 0;
}

static void job_run(uint32_t id)
{
	struct job *job = job_find(id);

	if (!job)
		say(FRAME_EXIT, id, "126", 3);
	else if (job_start(job))
		job_finish(job, 126);
}

/* Pass on what is there; returns 1 when something was. */
static int job_output(struct job *job, int which)
{
	uint8_t buf[FRAME_DATA];
	ssize_t n;

	if (job->fd[which] < 0)
		return 0;
	n = read(job->fd[which], buf, sizeof(buf));
	if (n > 0) {
		say(which ? FRAME_ERR : FRAME_OUT, job->id, buf, (size_t)n);
		return 1;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(job->fd[which]);
		job->fd[which] = -1;
	}
	return 0;
}

/* A job that has exited is over when its pipes hold nothing any more. */
static void jobs_finish(void)
{
	for (int i = 0; i < JOBS; i++) {
		struct job *job = &jobs[i];

		if (!job->used || !job->exited)
			continue;
		while (job_output(job, 0) || job_output(job, 1))
			;
		job_finish(job, job->status);
	}
}

static void reap(int sigfd)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(sigfd, &si, sizeof(si)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < JOBS; i++) {
			if (!jobs[i].used || jobs[i].pid != pid)
				continue;
			jobs[i].exited = 1;
			jobs[i].status = WIFEXITED(status) ?
				WEXITSTATUS(status) : 128 + WTERMSIG(status);
		}
	}
}

static void hello(void)
{
	say(FRAME_HELLO, 0, "ready", 5);
}

static void handle(const struct frame *f)
{
	struct job *job = job_find(f->id);

	switch (f->type) {
	case FRAME_CMD:
		job_append(f->id, f);
		break;
	case FRAME_RUN:
		job_run(f->id);
		break;
	case FRAME_KILL:
		if (job && job->pid)
			kill(-job->pid, SIGKILL);
		break;
	case FRAME_PING:
		hello();
		break;
	}
}

static void read_console(void)
{
	static struct line_buf lb;
	static struct frame f;
	char buf[512];
	ssize_t n = read(console, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++) {
		const char *line = line_feed(&lb, buf[i]);

		if (line && !frame_parse(line, &f))
			handle(&f);
	}
}

/* A record is "priority,sequence,microseconds,flags;text\n KEY=value\n". */
static void read_kmsg(int fd)
{
	char rec[8192];
	char out[FRAME_DATA];
	unsigned int prio;
	unsigned long long us;
	ssize_t n = read(fd, rec, sizeof(rec) - 1);
	char *text;
	int len;

	if (n <= 0)
		return;
	rec[n] = '\0';
	text = strchr(rec, ';');
	if (!text || sscanf(rec, "%u,%*u,%llu", &prio, &us) != 2 ||
	    (prio & 7) > KMSG_LEVEL)
		return;
	text++;
	text[strcspn(text, "\n")] = '\0';
	len = snprintf(out, sizeof(out), "<%u>[%5llu.%06llu] %.1400s\n",
		       prio & 7, us / 1000000, us % 1000000, text);
	say(FRAME_KMSG, 0, out, (size_t)len);
}

static void raw_console(void)
{
	struct termios t;

	if (tcgetattr(console, &t))
		return;
	cfmakeraw(&t);
	tcsetattr(console, TCSANOW, &t);
}

static int signal_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void loop(int sigfd, int kmsg)
{
	struct pollfd p[3 + 2 * JOBS] = {
		{ .fd = console, .events = POLLIN },
		{ .fd = sigfd, .events = POLLIN },
		{ .fd = kmsg, .events = POLLIN },
	};

	/* Answers wait for the kernel log, and then nothing else may happen. */
	int logging = 0;

	for (;;) {
		for (int i = 0; i < 2 * JOBS; i++) {
			const struct job *job = &jobs[i / 2];

			p[3 + i].fd = job->used ? job->fd[i % 2] : -1;
			p[3 + i].events = POLLIN;
			p[3 + i].revents = 0;
		}
		if (poll(p, 3 + 2 * JOBS, logging ? 0 : -1) < 0)
			continue;
		logging = p[2].revents;
		if (logging)
			read_kmsg(kmsg);
		if (p[1].revents)
			reap(sigfd);
		for (int i = 0; i < 2 * JOBS; i++)
			if (p[3 + i].revents && jobs[i / 2].used)
				job_output(&jobs[i / 2], i % 2);
		if (!logging)
			jobs_finish();
		if (p[0].revents)
			read_console();
	}
}

int main(void)
{
	int kmsg;

	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	start_domu();
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	console = open("/dev/hvc0", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (console < 0)
		return 1;
	raw_console();
	credit_entropy();
	hello();
	loop(signal_fd(), kmsg);
}
