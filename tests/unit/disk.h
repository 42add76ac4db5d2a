/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disk.h - a disk image, a virtio-blk device on it, and a driver, for tests
 */

#ifndef XVB_TEST_DISK_H
#define XVB_TEST_DISK_H

#include <endian.h>

#include <linux/virtio_blk.h>

#include "fileio.h"
#include "guest.h"
#include "types.h"

#define DISK_SIZE	(8 << 20)
#define DISK_DATA	(1 << 20)
#define DISK_QUEUE	64

/**
 * struct disk - a device with everything around it
 * @g: guest
 * @r: ring of queue 0
 * @path: image
 * @hdr: offset of a request header in the window
 * @data: offset of DISK_DATA bytes, aligned to a page
 * @status: offset of a status byte
 * @last_len: used.len of the last request
 */
struct disk {
	struct guest g;
	struct guest_ring r;
	char path[128];
	uint32_t hdr;
	uint32_t data;
	uint32_t status;
	uint32_t last_len;
};

/**
 * disk_image() - make an image of zeroes
 * @path: filled with its name, 128 bytes
 * @dir: directory, NULL for that of temporary files
 * @size: bytes
 */
void disk_image(char *path, const char *dir, off_t size);

/**
 * disk_start() - image, device, ring
 * @d: disk
 * @options: after "type=blk,path=...", with its comma, or ""
 * @without: feature bits not to accept
 */
void disk_start(struct disk *d, const char *options, uint64_t without);

/**
 * disk_start_engine() - the same with another file engine
 * @d: disk
 * @options: as disk_start()
 * @without: as disk_start()
 * @fio: engine
 */
void disk_start_engine(struct disk *d, const char *options, uint64_t without,
		       const struct xvb_fio_ops *fio);

/**
 * disk_stop() - undo disk_start()
 * @d: disk
 */
void disk_stop(struct disk *d);

/**
 * disk_header() - write the request header
 * @d: disk
 * @type: VIRTIO_BLK_T_*
 * @sector: sector
 */
void disk_header(struct disk *d, uint32_t type, uint64_t sector);

/**
 * disk_submit() - make a chain available at head 0 and wait for it
 * @d: disk
 * @buf: pieces
 * @n: how many
 *
 * Return: the byte at @d->status, which was 0xaa before.
 */
uint8_t disk_submit(struct disk *d, const struct guest_buf *buf,
		    unsigned int n);

/**
 * disk_rw() - one request of header, data, status
 * @d: disk
 * @type: VIRTIO_BLK_T_*
 * @sector: sector
 * @off: offset of the data in the window
 * @len: bytes of data
 * @in: the device writes the data
 *
 * Return: status.
 */
uint8_t disk_rw(struct disk *d, uint32_t type, uint64_t sector, uint32_t off,
		uint32_t len, bool in);

/**
 * disk_pread() - read the image behind the device's back
 * @d: disk
 * @buf: to
 * @len: bytes
 * @off: from
 */
void disk_pread(struct disk *d, void *buf, size_t len, off_t off);

/**
 * disk_pwrite() - write the image behind the device's back
 * @d: disk
 * @buf: from
 * @len: bytes
 * @off: to
 */
void disk_pwrite(struct disk *d, const void *buf, size_t len, off_t off);

/**
 * pattern() - bytes that tell where they belong
 * @p: to fill
 * @len: bytes
 * @seed: which pattern
 */
void pattern(void *p, size_t len, unsigned int seed);

/**
 * pattern_is() - does memory hold pattern()?
 * @p: memory
 * @len: bytes
 * @seed: which pattern
 *
 * Return: true when it does.
 */
bool pattern_is(const void *p, size_t len, unsigned int seed);

/**
 * all_zero() - is memory zero?
 * @p: memory
 * @len: bytes
 *
 * Return: true when it is.
 */
bool all_zero(const void *p, size_t len);

#endif /* XVB_TEST_DISK_H */
