// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - messages for people
 *
 * One line, one write(2): no stdio buffer that could tear lines of several
 * threads, and nothing that allocates.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LOG_LINE	1024
#define LOG_IDENT	64
#define RATELIMIT_SECS	5
#define RATELIMIT_BURST	5

static int log_fd = STDERR_FILENO;
static enum xvb_log_level log_level = XVB_LOG_INFO;
static char log_ident[LOG_IDENT];

static const char * const log_names[] = {
	[XVB_LOG_ERROR] = "error",
	[XVB_LOG_WARNING] = "warning",
	[XVB_LOG_INFO] = "info",
	[XVB_LOG_DEBUG] = "debug",
};

void xvb_log_setup(int fd, enum xvb_log_level level, const char *ident)
{
	log_fd = fd;
	log_level = level;
	snprintf(log_ident, sizeof(log_ident), "%s", ident);
}

int xvb_log_level_parse(const char *name)
{
	int i;

	for (i = XVB_LOG_ERROR; i <= XVB_LOG_DEBUG; i++) {
		if (!strcmp(name, log_names[i]))
			return i;
	}
	return -EINVAL;
}

static void log_sanitize(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
	}
}

void xvb_log(enum xvb_log_level level, const char *fmt, ...)
{
	char line[LOG_LINE];
	int saved = errno;
	size_t len;
	va_list ap;
	int n;

	if (level > log_level)
		return;
	n = snprintf(line, sizeof(line), "%s%s%s: ", log_ident,
		     log_ident[0] ? ": " : "", log_names[level]);
	if (n < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	log_sanitize(line);
	len = strlen(line);
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	while (write(log_fd, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}

bool xvb_ratelimit(struct xvb_ratelimit *rl)
{
	unsigned int burst = rl->burst ? rl->burst : RATELIMIT_BURST;
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now))
		return true;
	if (!rl->count || now.tv_sec - rl->window >= RATELIMIT_SECS) {
		rl->window = now.tv_sec;
		rl->count = 0;
	}
	if (rl->count >= burst)
		return false;
	rl->count++;
	return true;
}

void xvb_error_text(struct xvb_error *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	log_sanitize(err->text);
}
