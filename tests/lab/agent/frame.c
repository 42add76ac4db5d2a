// SPDX-License-Identifier: GPL-2.0-only
/* Frames on the console of a test domU, see frame.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "frame.h"

static const char b64_chars[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint32_t crc_table[256];

static void crc_init(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		crc_table[i] = c;
	}
}

static uint32_t crc32(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	if (!crc_table[1])
		crc_init();
	crc = ~crc;
	while (len--)
		crc = crc_table[(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return ~crc;
}

static uint32_t frame_crc(char type, uint32_t id, const void *data, size_t len)
{
	uint8_t head[5] = { (uint8_t)type, (uint8_t)(id >> 24),
			    (uint8_t)(id >> 16), (uint8_t)(id >> 8),
			    (uint8_t)id };

	return crc32(crc32(0, head, sizeof(head)), data, len);
}

static size_t b64_encode(char *out, const uint8_t *in, size_t len)
{
	char *p = out;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t v = (uint32_t)in[i] << 16;

		if (left > 1)
			v |= (uint32_t)in[i + 1] << 8;
		if (left > 2)
			v |= in[i + 2];
		*p++ = b64_chars[v >> 18];
		*p++ = b64_chars[v >> 12 & 63];
		*p++ = left > 1 ? b64_chars[v >> 6 & 63] : '=';
		*p++ = left > 2 ? b64_chars[v & 63] : '=';
	}
	if (p == out)
		*p++ = '-';
	return (size_t)(p - out);
}

static int b64_value(char c)
{
	const char *p = c ? strchr(b64_chars, c) : NULL;

	return p ? (int)(p - b64_chars) : -1;
}

/* Returns the number of bytes, or -1. */
static int b64_decode(uint8_t *out, size_t size, const char *in, size_t len)
{
	size_t n = 0;

	if (len == 1 && in[0] == '-')
		return 0;
	if (len % 4)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		int pad = (in[i + 2] == '=') + (in[i + 3] == '=');
		uint32_t v = 0;

		for (size_t k = 0; k < 4; k++) {
			int b = k >= 4 - (size_t)pad ? 0 : b64_value(in[i + k]);

			if (b < 0)
				return -1;
			v = v << 6 | (uint32_t)b;
		}
		for (int k = 0; k < 3 - pad; k++) {
			if (n == size)
				return -1;
			out[n++] = (uint8_t)(v >> (16 - 8 * k));
		}
	}
	return (int)n;
}

int write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int frame_send(int fd, char type, uint32_t id, const void *data, size_t len)
{
	char line[FRAME_LINE + 2];
	int n;

	if (len > FRAME_DATA) {
		errno = EMSGSIZE;
		return -1;
	}
	n = snprintf(line, sizeof(line), "\n@lab %c %u ", type, id);
	n += (int)b64_encode(line + n, data, len);
	n += snprintf(line + n, sizeof(line) - (size_t)n, " %08x\n",
		      frame_crc(type, id, data, len));
	return write_all(fd, line, (size_t)n);
}

int frame_parse(const char *line, struct frame *f)
{
	const char *at = strstr(line, "@lab ");
	uint32_t crc;
	int start = 0;
	int end = 0;
	int n;

	if (!at)
		return 1;
	if (sscanf(at, "@lab %c %u %n%*s%n %x", &f->type, &f->id, &start, &end,
		   &crc) != 3 || end <= start)
		return -1;
	n = b64_decode(f->data, sizeof(f->data), at + start,
		       (size_t)(end - start));
	if (n < 0 || frame_crc(f->type, f->id, f->data, (size_t)n) != crc)
		return -1;
	f->len = (size_t)n;
	return 0;
}

const char *line_feed(struct line_buf *lb, char c)
{
	if (c == '\r')
		return NULL;
	if (c != '\n' && lb->len < sizeof(lb->text) - 1) {
		lb->text[lb->len++] = c;
		return NULL;
	}
	lb->text[lb->len] = '\0';
	lb->len = 0;
	return lb->text;
}

int credit_entropy(void)
{
	struct {
		int bits;
		int bytes;
		uint8_t data[64];
	} info = { .bits = 512, .bytes = 64, .data = "no secrets here" };
	int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -1;
	/* Not from the kernel: a read would make it look for a second. */
	ret = ioctl(fd, RNDADDENTROPY, &info);
	close(fd);
	return ret < 0 ? -1 : 0;
}
