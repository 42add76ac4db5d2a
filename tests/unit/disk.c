// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk.c - a disk image, a virtio-blk device on it, and a driver, for tests
 */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "disk.h"

void disk_image(char *path, const char *dir, off_t size)
{
	int fd;

	if (!dir)
		dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp";
	snprintf(path, 128, "%s/xvb-test-XXXXXX", dir);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

void disk_start_engine(struct disk *d, const char *options, uint64_t without,
		       const struct xvb_fio_ops *fio)
{
	char spec[256];

	guest_init(&d->g, 512);
	if (!d->path[0])
		disk_image(d->path, NULL, DISK_SIZE);
	snprintf(spec, sizeof(spec), "type=blk,path=%s%s", d->path, options);
	guest_attach(&d->g, spec, without);
	if (fio)
		xvb_blk_set_engine(d->g.dev, fio);
	guest_queue(&d->g, &d->r, 0, DISK_QUEUE);
	d->hdr = guest_alloc(&d->g, 64, 64);
	d->status = guest_alloc(&d->g, 64, 64);
	d->data = guest_alloc(&d->g, DISK_DATA, 4096);
}

void disk_start(struct disk *d, const char *options, uint64_t without)
{
	memset(d, 0, sizeof(*d));
	disk_start_engine(d, options, without, NULL);
}

void disk_stop(struct disk *d)
{
	guest_detach(&d->g);
	guest_destroy(&d->g);
	unlink(d->path);
}

void disk_header(struct disk *d, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr *hdr = guest_ptr(&d->g, d->hdr);

	hdr->type = htole32(type);
	hdr->ioprio = 0;
	hdr->sector = htole64(sector);
}

uint8_t disk_submit(struct disk *d, const struct guest_buf *buf,
		    unsigned int n)
{
	uint8_t *status = guest_ptr(&d->g, d->status);
	uint32_t id;

	*status = 0xaa;
	ring_chain(&d->r, 0, buf, n);
	ring_avail(&d->r, 0);
	guest_wait(&d->g, &d->r, 0, &id, &d->last_len);
	assert_int_equal(id, 0);
	return *status;
}

uint8_t disk_rw(struct disk *d, uint32_t type, uint64_t sector, uint32_t off,
		uint32_t len, bool in)
{
	struct guest_buf buf[] = {
		{ d->hdr, 16, false }, { off, len, in }, { d->status, 1, true },
	};

	disk_header(d, type, sector);
	return disk_submit(d, buf, 3);
}

void disk_pread(struct disk *d, void *buf, size_t len, off_t off)
{
	int fd = open(d->path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, buf, len, off), len);
	close(fd);
}

void disk_pwrite(struct disk *d, const void *buf, size_t len, off_t off)
{
	int fd = open(d->path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, buf, len, off), len);
	close(fd);
}

void pattern(void *p, size_t len, unsigned int seed)
{
	unsigned char *c = p;
	size_t i;

	for (i = 0; i < len; i++)
		c[i] = (i * 31 + (i >> 9) * 7 + seed * 17 + 1) & 0xff;
}

bool pattern_is(const void *p, size_t len, unsigned int seed)
{
	const unsigned char *c = p;
	size_t i;

	for (i = 0; i < len; i++) {
		if (c[i] != ((i * 31 + (i >> 9) * 7 + seed * 17 + 1) & 0xff))
			return false;
	}
	return true;
}

bool all_zero(const void *p, size_t len)
{
	const unsigned char *c = p;
	size_t i;

	for (i = 0; i < len; i++) {
		if (c[i])
			return false;
	}
	return true;
}
