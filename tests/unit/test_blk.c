// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_blk.c - virtio-blk on real files (T2, T25, T26)
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

#define SECTOR		512
#define SECTORS		(DISK_SIZE / SECTOR)
#define OK		VIRTIO_BLK_S_OK
#define IOERR		VIRTIO_BLK_S_IOERR
#define UNSUPP		VIRTIO_BLK_S_UNSUPP

static void *data(struct disk *d)
{
	return guest_ptr(&d->g, d->data);
}

static void read_write(void **state)
{
	static const uint32_t lens[] = { 512, 4096, 65536, DISK_DATA };
	unsigned char *back = malloc(DISK_DATA);
	struct disk d;
	unsigned int i;

	(void)state;
	disk_start(&d, "", 0);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		pattern(data(&d), lens[i], i);
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, 8 + i, d.data,
					 lens[i], false), OK);
		assert_int_equal(d.last_len, 1);
		disk_pread(&d, back, lens[i], (8 + i) * SECTOR);
		assert_true(pattern_is(back, lens[i], i));
		memset(data(&d), 0, lens[i]);
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 8 + i, d.data,
					 lens[i], true), OK);
		assert_int_equal(d.last_len, lens[i] + 1);
		assert_true(pattern_is(data(&d), lens[i], i));
	}
	assert_int_equal(xvb_stat_get(&d.g.dev->queues[0].vq.stats->errors), 0);
	free(back);
	disk_stop(&d);
}

/* Buffers at odd addresses, in odd pieces: through the bounce buffer. */
static void unaligned_memory(void **state)
{
	struct disk d;
	uint32_t offs[] = { 1, 3, 64, 511, 513, 2047 };
	unsigned int i, k;

	(void)state;
	disk_start(&d, "", 0);
	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		uint32_t o = d.data + offs[i];
		struct guest_buf out[] = {
			{ d.hdr, 16, false }, { o, 1, false },
			{ o + 1, 510, false }, { o + 511, 300001, false },
			{ o + 300512, 512 * 600 - 300512, false },
			{ d.status, 1, true },
		};
		struct guest_buf in[ARRAY_SIZE(out)];

		pattern(guest_ptr(&d.g, o), 512 * 600, i);
		disk_header(&d, VIRTIO_BLK_T_OUT, 5);
		assert_int_equal(disk_submit(&d, out, ARRAY_SIZE(out)), OK);
		memcpy(in, out, sizeof(in));
		for (k = 1; k < 5; k++)
			in[k].in = true;
		memset(guest_ptr(&d.g, d.data), 0x55, DISK_DATA);
		disk_header(&d, VIRTIO_BLK_T_IN, 5);
		assert_int_equal(disk_submit(&d, in, ARRAY_SIZE(in)), OK);
		assert_true(pattern_is(guest_ptr(&d.g, o), 512 * 600, i));
		assert_int_equal(*(uint8_t *)guest_ptr(&d.g, o - 1), 0x55);
		assert_int_equal(*(uint8_t *)guest_ptr(&d.g, o + 512 * 600),
				 0x55);
	}
	disk_stop(&d);
}

/* 2.7.4.1: any framing. Header in single bytes, status glued to the data. */
static void any_framing(void **state)
{
	struct guest_buf buf[18];
	struct disk d;
	unsigned int i;

	(void)state;
	disk_start(&d, "", 0);
	pattern(data(&d), 1024, 3);
	disk_pwrite(&d, data(&d), 1024, 7 * SECTOR);
	for (i = 0; i < 16; i++)
		buf[i] = (struct guest_buf){ d.hdr + i, 1, false };
	d.status = d.data + 1024;
	buf[16] = (struct guest_buf){ d.data, 100, true };
	buf[17] = (struct guest_buf){ d.data + 100, 925, true };
	memset(data(&d), 0, 2048);
	disk_header(&d, VIRTIO_BLK_T_IN, 7);
	assert_int_equal(disk_submit(&d, buf, 18), OK);
	assert_int_equal(d.last_len, 1025);
	assert_true(pattern_is(data(&d), 1024, 3));

	/* Header and data of a write in one piece. */
	memmove(guest_ptr(&d.g, d.hdr + 16), data(&d), 48);
	buf[0] = (struct guest_buf){ d.data - 16, 16 + 512, false };
	buf[1] = (struct guest_buf){ d.status, 1, true };
	d.hdr = d.data - 16;
	pattern(data(&d), 512, 4);
	disk_header(&d, VIRTIO_BLK_T_OUT, 9);
	assert_int_equal(disk_submit(&d, buf, 2), OK);
	memset(data(&d), 0, 512);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 9, d.data, 512, true),
			 OK);
	assert_true(pattern_is(data(&d), 512, 4));
	disk_stop(&d);
}

/* T26: exactly one status byte, the last one; nothing around it. */
static void t26_status_byte(void **state)
{
	struct disk d;
	uint8_t *p;

	(void)state;
	disk_start(&d, "", 0);
	p = guest_ptr(&d.g, d.status);
	memset(p - 16, 0xee, 33);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 0, d.data, 512, true),
			 OK);
	assert_int_equal(p[-1], 0xee);
	assert_int_equal(p[1], 0xee);
	assert_int_equal(disk_rw(&d, 0x1234, 0, d.data, 512, true), UNSUPP);
	assert_int_equal(p[-1], 0xee);
	assert_int_equal(p[1], 0xee);
	disk_stop(&d);
}

/* T26: no writable byte, no status; the head still comes back. */
static void t26_no_status(void **state)
{
	struct guest_buf buf[2];
	struct disk d;

	(void)state;
	disk_start(&d, "", 0);
	buf[0] = (struct guest_buf){ d.hdr, 16, false };
	buf[1] = (struct guest_buf){ d.data, 512, false };
	disk_header(&d, VIRTIO_BLK_T_OUT, 0);
	memset(data(&d), 0x77, 512);
	assert_int_equal(disk_submit(&d, buf, 2), 0xaa);
	/* And nothing is written to what is only readable. */
	assert_int_equal(((uint8_t *)data(&d))[511], 0x77);
	assert_int_equal(d.last_len, 0);
	assert_null(xvb_vq_broken(&d.g.dev->queues[0].vq));
	disk_stop(&d);
}

/* T25: a header that is too short, or is not there. */
static void t25_short_header(void **state)
{
	struct guest_buf buf[2];
	struct disk d;

	(void)state;
	disk_start(&d, "", 0);
	buf[0] = (struct guest_buf){ d.hdr, 15, false };
	buf[1] = (struct guest_buf){ d.status, 1, true };
	assert_int_equal(disk_submit(&d, buf, 2), IOERR);
	assert_int_equal(d.last_len, 1);
	assert_int_equal(disk_submit(&d, buf + 1, 1), IOERR);
	disk_stop(&d);
}

/* T25: every type there is, and some there is not. */
static void t25_types(void **state)
{
	static const uint32_t types[] = {
		2, 3, 5, 6, 7, 9, 10, 12, 14, 15, 16, 0x80000000, 0xffffffff,
	};
	struct disk d;
	unsigned int i;

	(void)state;
	disk_start(&d, "", 0);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		memset(data(&d), 0x77, 512);
		assert_int_equal(disk_rw(&d, types[i], 0, d.data, 512, true),
				 UNSUPP);
		assert_int_equal(d.last_len, 513);
		/* T2: what was not written must not be called written. */
		assert_true(all_zero(data(&d), 512));
	}
	disk_stop(&d);
}

static void fill_image(struct disk *d)
{
	unsigned char *p = malloc(DISK_SIZE);

	memset(p, 0x99, DISK_SIZE);
	disk_pwrite(d, p, DISK_SIZE, 0);
	free(p);
}

/*
 * What the daemon promises of a disk (feature-whole-writes): whatever comes of a
 * request, each byte that it may write is written.
 */

static const uint32_t rooms[] = {
	0, 1, 2, 19, 20, 21, 511, 512, 513, 4096, 65534, 65535, 65536, 65537,
	1 << 17, DISK_DATA - 2,
};

static bool untouched(struct disk *d, uint32_t at, uint32_t len)
{
	const uint8_t *p = guest_ptr(&d->g, at);

	while (len--)
		if (*p++ != 0x77)
			return false;
	return true;
}

/*
 * A request of @nout readable pieces and @room bytes of room, in two pieces of odd
 * length: all of it is zero from @written bytes on, and nothing else has changed.
 */
static void whole(struct disk *d, const struct guest_buf *out,
		  unsigned int nout, uint32_t room, uint32_t written,
		  uint8_t want)
{
	uint32_t first = room / 3, n = 0, at = d->data;
	struct guest_buf buf[6];
	uint8_t *p = data(d);

	memset(p, 0x77, DISK_DATA);
	while (n < nout) {
		buf[n] = out[n];
		n++;
	}
	if (first)
		buf[n++] = (struct guest_buf){ at, first, true };
	if (room)
		buf[n++] = (struct guest_buf){ at + first, room - first, true };
	buf[n++] = (struct guest_buf){ d->status, 1, true };
	assert_int_equal(disk_submit(d, buf, n), want);
	assert_int_equal(d->last_len, room + 1);
	if (written < room)
		assert_true(all_zero(p + written, room - written));
	assert_true(untouched(d, at + room, DISK_DATA - room));
}

static void whole_type(struct disk *d, uint32_t type, uint64_t sector,
		       uint8_t want)
{
	struct guest_buf hdr = { d->hdr, 16, false };
	bool id = type == VIRTIO_BLK_T_GET_ID;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		disk_header(d, type, sector);
		whole(d, &hdr, 1, rooms[i], id ? 20 : 0, want);
		if (id)
			assert_memory_equal(data(d), "much\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
					    rooms[i] < 20 ? rooms[i] : 20);
	}
}

static void whole_writes(void **state)
{
	struct disk d;

	(void)state;
	disk_start(&d, ",serial=much", BIT64(VIRTIO_BLK_F_DISCARD));
	/* Behind the end; nothing of which is no error there. */
	whole_type(&d, VIRTIO_BLK_T_IN, SECTORS + 1, IOERR);
	whole_type(&d, VIRTIO_BLK_T_IN, UINT64_MAX, IOERR);
	whole_type(&d, VIRTIO_BLK_T_GET_ID, 0, OK);
	whole_type(&d, VIRTIO_BLK_T_FLUSH, 0, OK);
	whole_type(&d, VIRTIO_BLK_T_OUT, 0, OK);
	whole_type(&d, VIRTIO_BLK_T_OUT, SECTORS + 1, IOERR);
	whole_type(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, IOERR);
	whole_type(&d, VIRTIO_BLK_T_DISCARD, 0, UNSUPP);
	whole_type(&d, 0x99, 0, UNSUPP);
	disk_stop(&d);
	disk_start(&d, ",readonly", 0);
	whole_type(&d, VIRTIO_BLK_T_FLUSH, 0, OK);
	whole_type(&d, VIRTIO_BLK_T_OUT, 0, IOERR);
	whole_type(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, IOERR);
	disk_stop(&d);
}

/* Where there is something to read as well, and room beside it. */
static void whole_writes_beside_data(void **state)
{
	struct virtio_blk_discard_write_zeroes *seg;
	struct guest_buf out[2];
	unsigned int i, k;
	struct disk d;
	uint32_t at;

	(void)state;
	disk_start(&d, "", 0);
	at = guest_alloc(&d.g, 512, 512);
	seg = guest_ptr(&d.g, at);
	memset(seg, 0, 512);
	seg->num_sectors = htole32(8);
	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		/* A header that is cut off. */
		out[0] = (struct guest_buf){ d.hdr, 15, false };
		disk_header(&d, VIRTIO_BLK_T_IN, 0);
		whole(&d, out, 1, rooms[i], 0, IOERR);
		/* None at all. */
		whole(&d, out, 0, rooms[i], 0, IOERR);
		out[0] = (struct guest_buf){ d.hdr, 16, false };
		out[1] = (struct guest_buf){ at, 512, false };
		for (k = 0; k < 2; k++) {
			disk_header(&d, VIRTIO_BLK_T_OUT, k ? SECTORS : 0);
			whole(&d, out, 2, rooms[i], 0, k ? IOERR : OK);
		}
		out[1].len = sizeof(*seg);
		disk_header(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0);
		whole(&d, out, 2, rooms[i], 0, OK);
		seg->flags = htole32(2);
		whole(&d, out, 2, rooms[i], 0, UNSUPP);
		seg->flags = 0;
	}
	disk_stop(&d);
}

/* The disk fails in the middle, in each of the ways of the file engine. */
static void whole_writes_of_a_failed_read(void **state)
{
	static const char * const options[] = {
		"", ",io_uring=0", ",direct=0",
	};
	static const uint32_t lens[] = { 8192, 65536, 65536 + 512, 1 << 19 };
	struct guest_buf hdr;
	struct disk d;
	unsigned int i, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		disk_start(&d, options[i], 0);
		fill_image(&d);
		hdr = (struct guest_buf){ d.hdr, 16, false };
		assert_int_equal(truncate(d.path, 4096), 0);
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			disk_header(&d, VIRTIO_BLK_T_IN, 0);
			whole(&d, &hdr, 1, lens[k], 0, IOERR);
			disk_header(&d, VIRTIO_BLK_T_IN, 8);
			whole(&d, &hdr, 1, lens[k], 0, IOERR);
		}
		disk_stop(&d);
	}
}

/* T25: sector and length beyond the end, also where the sum wraps. */
static void t25_range(void **state)
{
	static const uint64_t sectors[] = {
		SECTORS, SECTORS - 1, SECTORS + 1, UINT64_MAX, UINT64_MAX - 1,
		1ULL << 55, (1ULL << 55) - 1, 1ULL << 63, UINT64_MAX / 512,
	};
	struct disk d;
	unsigned int i;

	(void)state;
	disk_start(&d, "", 0);
	for (i = 0; i < ARRAY_SIZE(sectors); i++) {
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, sectors[i],
					 d.data, 1024, true), IOERR);
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, sectors[i],
					 d.data, 1024, false), IOERR);
	}
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, SECTORS - 2, d.data,
				 1024, true), OK);
	/* Half a sector. */
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 0, d.data, 511, true),
			 IOERR);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, 0, d.data, 513, false),
			 IOERR);
	/* Nothing at all, at the end. */
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, SECTORS, d.data, 0,
				 true), OK);
	assert_int_equal(d.last_len, 1);
	disk_stop(&d);
}

static void flush(void **state)
{
	struct guest_buf buf[2];
	struct disk d;

	(void)state;
	disk_start(&d, "", 0);
	buf[0] = (struct guest_buf){ d.hdr, 16, false };
	buf[1] = (struct guest_buf){ d.status, 1, true };
	disk_header(&d, VIRTIO_BLK_T_FLUSH, 0);
	assert_int_equal(disk_submit(&d, buf, 2), OK);
	assert_int_equal(d.last_len, 1);
	disk_stop(&d);
}

/* T25: GET_ID into buffers of every size. */
static void t25_get_id(void **state)
{
	static const char id[21] = "A-serial-number-of20";
	struct disk d;
	uint32_t len;

	(void)state;
	disk_start(&d, ",serial=A-serial-number-of20", 0);
	for (len = 0; len < 40; len++) {
		memset(data(&d), 0x77, 64);
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_GET_ID, 0, d.data,
					 len, true), OK);
		assert_int_equal(d.last_len, len + 1);
		assert_memory_equal(data(&d), id, len < 20 ? len : 20);
		if (len > 20)
			assert_true(all_zero((char *)data(&d) + 20, len - 20));
		assert_int_equal(((uint8_t *)data(&d))[len], 0x77);
	}
	disk_stop(&d);
}

static uint8_t ranges(struct disk *d, uint32_t type,
		      const struct virtio_blk_discard_write_zeroes *seg,
		      uint32_t bytes)
{
	memcpy(data(d), seg, bytes);
	return disk_rw(d, type, 0, d->data, bytes, false);
}

static uint8_t range(struct disk *d, uint32_t type, uint64_t sector,
		     uint32_t num, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes seg = {
		.sector = htole64(sector),
		.num_sectors = htole32(num),
		.flags = htole32(flags),
	};

	return ranges(d, type, &seg, sizeof(seg));
}

static void check_zero(struct disk *d, uint64_t sector, uint64_t num)
{
	unsigned char *p = malloc(num * SECTOR + 2);

	disk_pread(d, p, num * SECTOR + 2, sector * SECTOR - 1);
	assert_int_equal(p[0], 0x99);
	assert_true(all_zero(p + 1, num * SECTOR));
	assert_int_equal(p[num * SECTOR + 1], 0x99);
	free(p);
}

static void write_zeroes(void **state)
{
	struct virtio_blk_discard_write_zeroes seg[2] = {
		{ .num_sectors = htole32(8) }, { .num_sectors = htole32(8) },
	};
	uint32_t z = VIRTIO_BLK_T_WRITE_ZEROES;
	struct disk d;

	(void)state;
	disk_start(&d, "", 0);
	fill_image(&d);
	assert_int_equal(range(&d, z, 9, 5, 0), OK);
	check_zero(&d, 9, 5);
	assert_int_equal(range(&d, z, 100, 1000,
			       VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP), OK);
	check_zero(&d, 100, 1000);
	/* One segment more than max_write_zeroes_seg. */
	assert_int_equal(ranges(&d, z, seg, 32), IOERR);
	disk_stop(&d);
}

static void discard(void **state)
{
	struct virtio_blk_discard_write_zeroes seg[17] = { 0 };
	uint32_t t = VIRTIO_BLK_T_DISCARD;
	struct stat before, after;
	struct disk d;
	unsigned int i;

	(void)state;
	disk_start(&d, "", 0);
	if (!(d.g.dev->features & BIT64(VIRTIO_BLK_F_DISCARD))) {
		disk_stop(&d);
		skip();
	}
	fill_image(&d);
	assert_int_equal(stat(d.path, &before), 0);
	for (i = 0; i < 17; i++) {
		seg[i].sector = htole64(64 + i * 512);
		seg[i].num_sectors = htole32(256);
	}
	assert_int_equal(ranges(&d, t, seg, 16 * 16), OK);
	assert_int_equal(stat(d.path, &after), 0);
	assert_true(after.st_blocks <= before.st_blocks - 15 * 256);
	assert_int_equal(after.st_size, before.st_size);
	/* One segment more than max_discard_seg. */
	assert_int_equal(ranges(&d, t, seg, 16 * 17), IOERR);
	disk_stop(&d);
}

/* T25: discard and write-zeroes that make no sense do nothing at all. */
static void t25_ranges(void **state)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_DISCARD,
					  VIRTIO_BLK_T_WRITE_ZEROES };
	struct virtio_blk_discard_write_zeroes seg[2] = { 0 };
	struct disk d;
	unsigned int i;
	uint32_t t;

	(void)state;
	disk_start(&d, "", 0);
	fill_image(&d);
	for (i = 0; i < 2; i++) {
		t = types[i];
		assert_int_equal(range(&d, t, SECTORS, 1, 0), IOERR);
		assert_int_equal(range(&d, t, SECTORS - 1, 2, 0), IOERR);
		assert_int_equal(range(&d, t, UINT64_MAX, 1, 0), IOERR);
		assert_int_equal(range(&d, t, UINT64_MAX, 2, 0), IOERR);
		assert_int_equal(range(&d, t, UINT64_MAX - 7, 16, 0), IOERR);
		assert_int_equal(range(&d, t, 1ULL << 55, 1, 0), IOERR);
		assert_int_equal(range(&d, t, 0, UINT32_MAX, 0), IOERR);
		assert_int_equal(range(&d, t, 0, 8, 2), UNSUPP);
		assert_int_equal(range(&d, t, 0, 8, 0x80000000), UNSUPP);
		/* Not a whole number of segments. */
		assert_int_equal(ranges(&d, t, seg, 0), IOERR);
		assert_int_equal(ranges(&d, t, seg, 15), IOERR);
		assert_int_equal(ranges(&d, t, seg, 17), IOERR);
		/* The second segment is bad: the first is not done. */
		seg[0].num_sectors = htole32(8);
		seg[1].sector = htole64(SECTORS);
		seg[1].num_sectors = htole32(1);
		assert_int_equal(ranges(&d, t, seg, 32), IOERR);
		/* Nothing to do. */
		assert_int_equal(range(&d, t, SECTORS, 0, 0), OK);
	}
	assert_int_equal(range(&d, VIRTIO_BLK_T_DISCARD, 0, 8, 1), UNSUPP);
	disk_pread(&d, data(&d), DISK_DATA, 0);
	for (i = 0; i < DISK_DATA; i++)
		assert_int_equal(((uint8_t *)data(&d))[i], 0x99);
	disk_stop(&d);
}

/* A segment above max_*_sectors, on a disk where it would fit. */
static void t25_range_too_long(void **state)
{
	uint32_t max = 1 << 16;
	struct disk d;

	(void)state;
	memset(&d, 0, sizeof(d));
	disk_image(d.path, NULL, 128 << 20);
	disk_start_engine(&d, "", 0, NULL);
	assert_int_equal(range(&d, VIRTIO_BLK_T_DISCARD, 0, max + 8, 0),
			 IOERR);
	assert_int_equal(range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, max + 8, 1),
			 IOERR);
	assert_int_equal(range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, max, 1), OK);
	disk_stop(&d);
}

static void t25_ranges_not_negotiated(void **state)
{
	struct disk d;

	(void)state;
	disk_start(&d, "", BIT64(VIRTIO_BLK_F_DISCARD) |
		   BIT64(VIRTIO_BLK_F_WRITE_ZEROES));
	assert_int_equal(range(&d, VIRTIO_BLK_T_DISCARD, 0, 8, 0), UNSUPP);
	assert_int_equal(range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0),
			 UNSUPP);
	disk_stop(&d);
}

static void readonly(void **state)
{
	struct disk d;

	(void)state;
	disk_start(&d, ",readonly", 0);
	assert_true(d.g.dev->features & BIT64(VIRTIO_BLK_F_RO));
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 0, d.data, 512, true),
			 OK);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, 0, d.data, 512, false),
			 IOERR);
	assert_int_equal(range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), IOERR);
	assert_int_equal(range(&d, VIRTIO_BLK_T_DISCARD, 0, 8, 0), IOERR);
	disk_stop(&d);
}

static void config_space(void **state)
{
	struct virtio_blk_config c = { 0 };
	uint32_t gen, size;
	struct disk d;
	uint8_t byte = 0;

	(void)state;
	disk_start(&d, ",queues=3,logical_block_size=4096", 0);
	size = d.g.dev->config_size;
	assert_int_equal(size, 60);
	assert_int_equal(xvb_device_config_read(d.g.dev, 0, &c, size, &gen),
			 0);
	assert_int_equal(le64toh(c.capacity), SECTORS);
	assert_int_equal(le32toh(c.blk_size), 4096);
	assert_int_equal(c.physical_block_exp, 0);
	assert_int_equal(le16toh(c.num_queues), 3);
	assert_int_equal(c.wce, 1);
	assert_int_equal(le32toh(c.seg_max), 254);
	assert_int_equal(le32toh(c.max_write_zeroes_seg), 1);
	/* A slice of it. */
	assert_int_equal(xvb_device_config_read(d.g.dev, 20, &size, 4, &gen),
			 0);
	assert_int_equal(le32toh(size), 4096);
	/* Ranges outside are refused and give zeroes. */
	size = 0x55555555;
	assert_int_equal(xvb_device_config_read(d.g.dev, 57, &size, 4, &gen),
			 -EINVAL);
	assert_int_equal(size, 0);
	assert_int_equal(xvb_device_config_read(d.g.dev, UINT32_MAX, &size, 4,
						&gen), -EINVAL);
	assert_int_equal(xvb_device_config_read(d.g.dev, 0, &byte, 0, &gen),
			 0);
	disk_stop(&d);
}

static void config_writeback(void **state)
{
	uint32_t wce = offsetof(struct virtio_blk_config, wce), gen;
	uint8_t byte = 0, two = 2, both[2] = { 0, 0 };
	struct xvb_device *dev;
	struct disk d;

	(void)state;
	disk_start(&d, "", 0);
	dev = d.g.dev;
	assert_int_equal(xvb_device_config_read(dev, wce, &byte, 1, &gen), 0);
	assert_int_equal(byte, 1);
	byte = 0;
	assert_int_equal(xvb_device_config_write(dev, gen + 1, wce, &byte, 1),
			 -EAGAIN);
	assert_int_equal(xvb_device_config_write(dev, gen, wce, &two, 1),
			 -EINVAL);
	assert_int_equal(xvb_device_config_write(dev, gen, 0, &byte, 1),
			 -EINVAL);
	assert_int_equal(xvb_device_config_write(dev, gen, wce, &byte, 0),
			 -EINVAL);
	assert_int_equal(xvb_device_config_write(dev, gen, wce, both, 2),
			 -EINVAL);
	assert_int_equal(xvb_device_config_write(dev, gen, UINT32_MAX, &byte,
						 1), -EINVAL);
	assert_int_equal(xvb_device_config_write(dev, gen, wce, &byte, 1), 0);
	assert_int_equal(xvb_device_config_read(dev, wce, &byte, 1, &gen), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, 0, d.data, 4096, false),
			 OK);
	assert_int_equal(range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), OK);
	disk_stop(&d);
}

/* A whole queue at once: one sweep, all answered, one notification each. */
static void full_queue(void **state)
{
	struct guest_buf buf[3];
	bool seen[DISK_QUEUE / 3] = { false };
	unsigned int i, n = DISK_QUEUE / 3;
	uint32_t hdrs, status, id, len;
	struct virtio_blk_outhdr *hdr;
	struct disk d;

	(void)state;
	disk_start(&d, "", 0);
	pattern(data(&d), n * 4096, 9);
	disk_pwrite(&d, data(&d), n * 4096, 0);
	memset(data(&d), 0, n * 4096);
	hdrs = guest_alloc(&d.g, 16 * n, 16);
	status = guest_alloc(&d.g, n, 1);
	memset(guest_ptr(&d.g, status), 0xaa, n);
	for (i = 0; i < n; i++) {
		hdr = guest_ptr(&d.g, hdrs + 16 * i);
		hdr->type = htole32(VIRTIO_BLK_T_IN);
		hdr->sector = htole64(8 * i);
		buf[0] = (struct guest_buf){ hdrs + 16 * i, 16, false };
		buf[1] = (struct guest_buf){ d.data + 4096 * i, 4096, true };
		buf[2] = (struct guest_buf){ status + i, 1, true };
		ring_chain(&d.r, 3 * i, buf, 3);
		ring_avail(&d.r, 3 * i);
	}
	for (i = 0; i < n; i++) {
		guest_wait(&d.g, &d.r, 0, &id, &len);
		assert_int_equal(len, 4097);
		assert_false(seen[id / 3]);
		seen[id / 3] = true;
	}
	assert_true(pattern_is(data(&d), n * 4096, 9));
	assert_true(all_zero(guest_ptr(&d.g, status), n));
	assert_int_equal(xvb_stat_get(&d.g.dev->queues[0].vq.stats->sweeps), 1);
	disk_stop(&d);
}

/* seg_max segments of size_max bytes each are taken. */
static void largest_request(void **state)
{
	struct guest_buf buf[256];
	struct disk d;
	unsigned int i;

	(void)state;
	disk_start(&d, "", 0);
	/* 254 pieces of 4 KiB, indirect as a driver would do it. */
	buf[0] = (struct guest_buf){ d.hdr, 16, false };
	for (i = 0; i < 254; i++)
		buf[1 + i] = (struct guest_buf){ d.data + 4096 * i, 4096,
						 false };
	buf[255] = (struct guest_buf){ d.status, 1, true };
	pattern(data(&d), DISK_DATA, 1);
	disk_header(&d, VIRTIO_BLK_T_OUT, 0);
	ring_indirect(&d.r, 0, buf, 256);
	ring_avail(&d.r, 0);
	guest_wait(&d.g, &d.r, 0, &i, &d.last_len);
	assert_int_equal(*(uint8_t *)guest_ptr(&d.g, d.status), OK);
	memset(data(&d), 0, DISK_DATA);
	disk_pread(&d, data(&d), 254 * 4096, 0);
	assert_true(pattern_is(data(&d), 254 * 4096, 1));
	disk_stop(&d);
}

/* A file that somebody cuts off under us: an error, no stale bytes. */
static void t2_truncated_file(void **state)
{
	struct disk d;

	(void)state;
	disk_start(&d, "", 0);
	assert_int_equal(truncate(d.path, 4096), 0);
	memset(data(&d), 0x77, 8192);
	assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 0, d.data, 8192, true),
			 IOERR);
	assert_true(all_zero(data(&d), 8192));
	assert_int_equal(d.last_len, 8193);
	disk_stop(&d);
}

/* tmpfs and buffered: the same through the helper threads. */
static void buffered(void **state)
{
	static const char * const options[] = { ",direct=0", "" };
	struct disk d;
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		memset(&d, 0, sizeof(d));
		if (i)
			disk_image(d.path, "/dev/shm", DISK_SIZE);
		disk_start_engine(&d, options[i], 0, NULL);
		pattern(data(&d), 300 * 1024, i);
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_OUT, 3, d.data,
					 300 * 1024, false), OK);
		memset(data(&d), 0, 300 * 1024);
		assert_int_equal(disk_rw(&d, VIRTIO_BLK_T_IN, 3, d.data,
					 300 * 1024, true), OK);
		assert_true(pattern_is(data(&d), 300 * 1024, i));
		assert_int_equal(range(&d, VIRTIO_BLK_T_WRITE_ZEROES, 3, 600,
				       0), OK);
		disk_stop(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_write),
		cmocka_unit_test(unaligned_memory),
		cmocka_unit_test(any_framing),
		cmocka_unit_test(t26_status_byte),
		cmocka_unit_test(t26_no_status),
		cmocka_unit_test(t25_short_header),
		cmocka_unit_test(t25_types),
		cmocka_unit_test(t25_range),
		cmocka_unit_test(flush),
		cmocka_unit_test(t25_get_id),
		cmocka_unit_test(write_zeroes),
		cmocka_unit_test(discard),
		cmocka_unit_test(t25_ranges),
		cmocka_unit_test(t25_range_too_long),
		cmocka_unit_test(t25_ranges_not_negotiated),
		cmocka_unit_test(readonly),
		cmocka_unit_test(config_space),
		cmocka_unit_test(config_writeback),
		cmocka_unit_test(full_queue),
		cmocka_unit_test(largest_request),
		cmocka_unit_test(t2_truncated_file),
		cmocka_unit_test(buffered),
		cmocka_unit_test(whole_writes),
		cmocka_unit_test(whole_writes_beside_data),
		cmocka_unit_test(whole_writes_of_a_failed_read),
	};

	return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
