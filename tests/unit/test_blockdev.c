// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_blockdev.c - virtio-blk on a block device (a loop device; needs root,
 * else skipped)
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fs.h>
#include <linux/loop.h>

#include "disk.h"

#define OK	VIRTIO_BLK_S_OK

struct loop {
	char image[128];
	char path[32];
	int fd;
};

/* A loop device on an image; false when there can be none. */
static bool loop_start(struct loop *l, uint32_t block)
{
	struct loop_config config = {
		.block_size = block,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int backing, i = -1;

	if (ctl >= 0)
		i = ioctl(ctl, LOOP_CTL_GET_FREE);
	close(ctl);
	if (i < 0)
		return false;
	disk_image(l->image, NULL, DISK_SIZE);
	snprintf(l->path, sizeof(l->path), "/dev/loop%d", i);
	backing = open(l->image, O_RDWR | O_CLOEXEC);
	l->fd = open(l->path, O_RDWR | O_CLOEXEC);
	config.fd = backing;
	i = l->fd < 0 ? -1 : ioctl(l->fd, LOOP_CONFIGURE, &config);
	close(backing);
	if (!i)
		return true;
	close(l->fd);
	unlink(l->image);
	return false;
}

/* Autoclear: the device goes when the last one closes it. */
static void loop_stop(struct loop *l)
{
	close(l->fd);
	unlink(l->image);
}

static void device_start(struct disk *d, struct loop *l, const char *options,
			 uint32_t block)
{
	if (!loop_start(l, block))
		skip();
	memset(d, 0, sizeof(*d));
	snprintf(d->path, sizeof(d->path), "%s", l->path);
	disk_start_engine(d, options, 0, NULL);
}

static void device_stop(struct disk *d, struct loop *l)
{
	guest_detach(&d->g);
	guest_destroy(&d->g);
	loop_stop(l);
}

static uint8_t range(struct disk *d, uint32_t type, uint64_t sector,
		     uint32_t num, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes seg = {
		.sector = htole64(sector),
		.num_sectors = htole32(num),
		.flags = htole32(flags),
	};

	memcpy(guest_ptr(&d->g, d->data), &seg, sizeof(seg));
	return disk_rw(d, type, 0, d->data, sizeof(seg), false);
}

static void check_range(struct disk *d, bool zero)
{
	unsigned char *p = guest_ptr(&d->g, d->data);

	assert_int_equal(disk_rw(d, VIRTIO_BLK_T_IN, 0, d->data, 65536, true),
			 OK);
	assert_true(pattern_is(p, 4096, 1));
	if (zero)
		assert_true(all_zero(p + 4096, 8192));
	memset(p + 4096, 0, 8192);
	pattern(p, 12288, 1);
	assert_true(pattern_is(p, 4096, 1));
}

/* Read, write, flush, zero and discard, straight and through helpers. */
static void all_operations(void **state)
{
	static const char * const options[] = { "", ",direct=0" };
	struct loop l;
	struct disk d;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		device_start(&d, &l, options[i], 512);
		pattern(guest_ptr(&d.g, d.data), 65536, 1);
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, 0, d.data,
					 65536, false), OK);
		check_range(&d, false);
		assert_int_equal(range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 8, 16,
				       0), OK);
		check_range(&d, true);
		assert_int_equal(range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 8, 16,
				       1), OK);
		check_range(&d, true);
		if (d.g.dev->features & BIT64(VIRTIO_BLK_F_DISCARD))
			assert_int_equal(range(&d, VIRTIO_BLK_T_DISCARD, 8,
					       16, 0), OK);
		check_range(&d, false);
		device_stop(&d, &l);
	}
}

/* A device of 4 KiB blocks: the guest sees them, or gets the page cache. */
static void large_blocks(void **state)
{
	struct virtio_blk_config c;
	uint32_t gen, in = VIRTIO_BLK_T_IN;
	struct loop l;
	struct disk d;

	(void)state;
	device_start(&d, &l, "", 4096);
	xvb_device_config_read(d.g.dev, 0, &c, 60, &gen);
	assert_int_equal(le32toh(c.blk_size), 4096);
	assert_int_equal(disk_rw(&d, in, 8, d.data, 4096, true), OK);
	assert_int_equal(disk_rw(&d, in, 1, d.data, 4096, true),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk_rw(&d, in, 0, d.data, 512, true),
			 VIRTIO_BLK_S_IOERR);
	device_stop(&d, &l);

	device_start(&d, &l, ",logical_block_size=512", 4096);
	pattern(guest_ptr(&d.g, d.data), 512, 7);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, 3, d.data, 512, false),
			 OK);
	memset(guest_ptr(&d.g, d.data), 0, 512);
	assert_int_equal(disk_rw(&d, in, 3, d.data, 512, true), OK);
	assert_true(pattern_is(guest_ptr(&d.g, d.data), 512, 7));
	device_stop(&d, &l);
}

/* Two writers, and somebody else's exclusive hold. */
static void exclusive(void **state)
{
	struct xvb_file_options opt = { 0 };
	struct xvb_file *file, *other;
	struct xvb_error err;
	struct loop l;
	int hold;

	(void)state;
	if (!loop_start(&l, 512))
		skip();
	opt.path = l.path;
	assert_int_equal(xvb_file_open(&opt, &file, &err), 0);
	assert_true(xvb_file_info(file)->block_device);
	assert_int_equal(xvb_file_open(&opt, &other, &err), -EBUSY);
	assert_non_null(strstr(err.text, "in use"));
	xvb_file_close(file);
	hold = open(l.path, O_RDONLY | O_EXCL);
	assert_true(hold >= 0);
	assert_int_equal(xvb_file_open(&opt, &file, &err), -EBUSY);
	assert_non_null(strstr(err.text, "mounted or in use elsewhere"));
	close(hold);
	loop_stop(&l);
}

/* The image of a loop device: two that do not know of each other. */
static void loop_image(void **state)
{
	struct xvb_file_options opt = { 0 };
	struct xvb_file *file;
	struct xvb_error err;
	struct loop l;

	(void)state;
	if (!loop_start(&l, 512))
		skip();
	opt.path = l.image;
	assert_int_equal(xvb_file_open(&opt, &file, &err), -EBUSY);
	assert_non_null(strstr(err.text, l.path));
	opt.readonly = true;
	assert_int_equal(xvb_file_open(&opt, &file, &err), -EBUSY);
	loop_stop(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_operations),
		cmocka_unit_test(large_blocks),
		cmocka_unit_test(exclusive),
		cmocka_unit_test(loop_image),
	};

	return cmocka_run_group_tests_name("blockdev", tests, NULL, NULL);
}
