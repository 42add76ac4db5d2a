/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - messages for people: log lines and one-line errors
 *
 * A log line goes to one file descriptor with one write(2), so lines of
 * several processes and threads do not mix.  An error that a user asked for
 * (attach, open) travels as a struct xvb_error up to the one who prints it.
 */

#ifndef XVB_LOG_H
#define XVB_LOG_H

#include <stdbool.h>
#include <stdint.h>

#define XVB_PRINTF(fmt, first)	__attribute__((format(printf, fmt, first)))

/**
 * enum xvb_log_level - how much a message matters
 * @XVB_LOG_ERROR: something was asked for and did not happen
 * @XVB_LOG_WARNING: something goes on, but worse than it should
 * @XVB_LOG_INFO: devices come and go
 * @XVB_LOG_DEBUG: what happens inside
 */
enum xvb_log_level {
	XVB_LOG_ERROR,
	XVB_LOG_WARNING,
	XVB_LOG_INFO,
	XVB_LOG_DEBUG,
};

/**
 * xvb_log_setup() - say where log lines go and which
 * @fd: descriptor, stays the caller's; stderr until this is called
 * @level: most detailed level that is written
 * @ident: prefix of each line, copied and cut to 63 bytes; "" for none
 *
 * Context: while the process has one thread.
 */
void xvb_log_setup(int fd, enum xvb_log_level level, const char *ident);

/**
 * xvb_log_level_parse() - name of a level to its value
 * @name: "error", "warning", "info" or "debug"
 *
 * Return: the level, or -EINVAL.
 */
int xvb_log_level_parse(const char *name);

/**
 * xvb_log() - write one line
 * @level: dropped when more detailed than xvb_log_setup() allows
 * @fmt: printf format, without a newline; control characters in the result
 *       are replaced, because text of a guest may be in it
 *
 * Context: any thread.  Keeps errno.
 */
void xvb_log(enum xvb_log_level level, const char *fmt, ...) XVB_PRINTF(2, 3);

#define xvb_err(...)	xvb_log(XVB_LOG_ERROR, __VA_ARGS__)
#define xvb_warn(...)	xvb_log(XVB_LOG_WARNING, __VA_ARGS__)
#define xvb_info(...)	xvb_log(XVB_LOG_INFO, __VA_ARGS__)
#define xvb_debug(...)	xvb_log(XVB_LOG_DEBUG, __VA_ARGS__)

/**
 * struct xvb_ratelimit - at most @burst lines in five seconds
 * @window: start of the current five seconds, CLOCK_MONOTONIC seconds
 * @count: lines in it
 * @burst: lines allowed in it; 0 means 5
 *
 * Zero-initialised is ready for use.  One thread at a time.
 */
struct xvb_ratelimit {
	int64_t window;
	unsigned int count;
	unsigned int burst;
};

/**
 * xvb_ratelimit() - may a message that a guest can cause be written now?
 * @rl: state of this kind of message
 *
 * Return: true when it may.
 */
bool xvb_ratelimit(struct xvb_ratelimit *rl);

#define XVB_ERROR_SIZE	512

/**
 * struct xvb_error - what went wrong, in one line for the user
 * @text: what was being done, what is wrong and what to do; no newline;
 *        empty when nothing was reported
 */
struct xvb_error {
	char text[XVB_ERROR_SIZE];
};

/**
 * xvb_error_text() - the text of an error, see xvb_error_set()
 * @err: where to, or NULL to drop the text
 * @fmt: printf format, without a newline
 */
void xvb_error_text(struct xvb_error *err, const char *fmt, ...)
	XVB_PRINTF(2, 3);

/**
 * xvb_error_set() - report an error
 * @err: where to, or NULL to drop the text
 * @code: negative errno, handed back
 * @...: printf format, without a newline, and its arguments
 *
 * A macro, so that static analysis sees that the value is @code.
 *
 * Return: @code, for "return xvb_error_set(err, -EINVAL, ...)".
 */
#define xvb_error_set(err, code, ...) ({				\
	int xvb_code = (code);						\
									\
	xvb_error_text(err, __VA_ARGS__);				\
	xvb_code;							\
})

#endif /* XVB_LOG_H */
