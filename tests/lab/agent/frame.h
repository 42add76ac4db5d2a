/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames on the console of a test domU.
 *
 * The console of a domU carries kernel messages as well, so a frame is one
 * line of text that proves itself:
 *
 *	@lab <type> <id> <base64 payload> <crc32 in hex>
 *
 * The crc covers type, id and payload.  A line that does not hold is shown
 * as what it is, console output, and never taken for an answer.
 */
#ifndef LAB_FRAME_H
#define LAB_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define FRAME_DATA	1536		/* payload bytes of one frame */
#define FRAME_LINE	(FRAME_DATA / 3 * 4 + 64)

enum frame_type {
	FRAME_HELLO	= 'H',		/* domU: the agent is ready */
	FRAME_KMSG	= 'M',		/* domU: one kernel message */
	FRAME_OUT	= 'O',		/* domU: standard output of a job */
	FRAME_ERR	= 'R',		/* domU: standard error of a job */
	FRAME_EXIT	= 'E',		/* domU: exit status of a job, decimal */
	FRAME_CMD	= 'C',		/* dom0: a piece of a command */
	FRAME_RUN	= 'X',		/* dom0: the command is complete, run it */
	FRAME_KILL	= 'K',		/* dom0: kill the job */
	FRAME_PING	= 'P',		/* dom0: say hello again */
};

struct frame {
	char type;
	uint32_t id;
	size_t len;
	uint8_t data[FRAME_DATA];
};

/* A reader's half line: bytes go in, whole lines come out. */
struct line_buf {
	size_t len;
	char text[FRAME_LINE];
};

/**
 * frame_send() - write one frame
 * @fd: blocking descriptor
 * @type: enum frame_type
 * @id: job
 * @data: payload
 * @len: its length, at most FRAME_DATA
 *
 * Return: 0, or -1 with errno set.
 */
int frame_send(int fd, char type, uint32_t id, const void *data, size_t len);

/**
 * frame_parse() - look for a frame in one line
 * @line: the line, zero-terminated, without its newline
 * @f: filled in when a frame was found
 *
 * Return: 0 a frame, 1 ordinary text, -1 a damaged frame.
 */
int frame_parse(const char *line, struct frame *f);

/**
 * line_feed() - add one byte
 * @lb: the half line
 * @c: the byte
 *
 * Return: the line when @c completed one, else NULL.  Longer lines than
 * FRAME_LINE come out in pieces.
 */
const char *line_feed(struct line_buf *lb, char c);

/**
 * write_all() - write everything, whatever write(2) takes at once
 * @fd: blocking descriptor
 * @buf: bytes
 * @len: how many
 *
 * Return: 0, or -1 with errno set.
 */
int write_all(int fd, const void *buf, size_t len);

/**
 * credit_entropy() - tell the kernel that its random numbers are good
 *
 * An emulated machine has no source of them, and the first program that
 * wants one waits for seconds.  A test has no secrets.
 *
 * Return: 0, or -1 with errno set.
 */
int credit_entropy(void);

#endif
