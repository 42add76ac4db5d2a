// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a test domU needs before its agent can work: file systems, and the
 * module under test.  In C because every process that a script would start
 * costs a noticeable time under emulation.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "start.h"

#define MODULE		"/lab/xen-virtio-front.ko"
#define NEEDED		"/lab/modules.needed"

static void mount_one(const char *type, const char *dir)
{
	if (mkdir(dir, 0755) && errno != EEXIST)
		perror(dir);
	if (mount(type, dir, type, 0, NULL))
		perror(dir);
}

static void mount_all(void)
{
	mount_one("proc", "/proc");
	mount_one("sysfs", "/sys");
	mount_one("devtmpfs", "/dev");
	mount_one("tmpfs", "/tmp");
	mount_one("tmpfs", "/run");
	mount_one("tmpfs", "/dev/shm");
	mount_one("debugfs", "/sys/kernel/debug");
	mount_one("tracefs", "/sys/kernel/tracing");
	if (symlink("/proc/self/fd", "/dev/fd"))
		perror("/dev/fd");
}

static void load_module(const char *path, const char *args)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, args, 0) &&
		       errno != EEXIST))
		fprintf(stderr, "start: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* One path a line, in loading order. */
static void load_needed(void)
{
	char path[256];
	FILE *f = fopen(NEEDED, "re");

	if (!f)
		return;
	while (fgets(path, sizeof(path), f)) {
		path[strcspn(path, "\n")] = '\0';
		load_module(path, "");
	}
	fclose(f);
}

/* The value of "key=" on the kernel's command line, in buf, or "". */
static void cmdline_value(const char *key, char *buf, size_t size)
{
	char text[4096] = " ";
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text + 1, sizeof(text) - 2);
	char *at;

	buf[0] = '\0';
	if (fd >= 0)
		close(fd);
	if (n < 0)
		return;
	text[n + 1] = '\0';
	at = strstr(text, key);
	if (!at)
		return;
	at += strlen(key);
	at[strcspn(at, "\n ")] = '\0';
	snprintf(buf, size, "%s", at);
}

void start_domu(void)
{
	char load[8];
	char args[1024];

	mount_all();
	cmdline_value(" lab.insmod=", load, sizeof(load));
	cmdline_value(" lab.modargs=", args, sizeof(args));
	for (char *p = args; *p; p++)
		if (*p == ',')
			*p = ' ';
	if (!strcmp(load, "0") || access(MODULE, R_OK))
		return;
	load_needed();
	load_module(MODULE, args);
}
