/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * grant_dma_test.ko: what its files share
 *
 * main.c finds the device and runs the cases; dma.c, stress.c, disk.c are the
 * cases, plant.c leaves canaries for a scan from dom0, bench.c measures.
 */

#ifndef GDT_TEST_H
#define GDT_TEST_H

#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/sizes.h>
#include <linux/virtio.h>

/* What a case returns beside 0 and -errno. */
#define GDT_SKIP	1

/* Buffers are made in one piece of memory, and go up to this size. */
#define GDT_MAX_SIZE	SZ_1M
#define GDT_ARENA_SIZE	(GDT_MAX_SIZE + 4 * PAGE_SIZE)
#define GDT_SEEDS	4096

/**
 * enum gdt_pattern - what a byte was written for
 * @GDT_OLD: what the buffer held when it was mapped
 * @GDT_NEW: what the CPU wrote and synced for the device
 * @GDT_LOST: what the CPU wrote and did not sync
 * @GDT_GUARD: what is beside the buffer
 * @GDT_PATTERNS: how many there are
 *
 * The two top bits of every byte say which it is, the others are random; none is
 * zero.
 */
enum gdt_pattern { GDT_OLD, GDT_NEW, GDT_LOST, GDT_GUARD, GDT_PATTERNS };

/**
 * struct gdt - the device under test
 * @vdev: the virtio device, a disk
 * @dev: the device whose DMA operations are tested
 * @vq: its only queue
 * @vq_lock: for @vq
 * @sectors: its size in sectors
 * @hold: nobody takes what the device has used
 * @max: largest buffer that is tried, in bytes
 * @arena: GDT_ARENA_SIZE bytes, whole pages, for buffers
 * @pattern: GDT_ARENA_SIZE + GDT_SEEDS bytes of each pattern
 * @bounced: mappings that turned out to be copies
 * @direct: mappings that turned out to be the buffer itself
 * @zeroed: mappings whose device found zeroes instead of the buffer
 */
struct gdt {
	struct virtio_device *vdev;
	struct device *dev;
	struct virtqueue *vq;
	spinlock_t vq_lock; /* vq */
	bool hold;
	u64 sectors;
	size_t max;
	u8 *arena;
	u8 *pattern[GDT_PATTERNS];
	atomic_long_t bounced;
	atomic_long_t direct;
	atomic_long_t zeroed;
};

/**
 * struct gdt_case - one test
 * @name: its name in the KTAP output
 * @run: returns 0, GDT_SKIP or -errno, and has said why in the last two cases
 */
struct gdt_case {
	const char *name;
	int (*run)(struct gdt *t);
};

/**
 * struct gdt_group - cases that are asked for by one name
 * @name: the name
 * @cases: ends with an entry without a name
 */
struct gdt_group {
	const char *name;
	const struct gdt_case *cases;
};

extern const struct gdt_case gdt_dma_cases[];
extern const struct gdt_case gdt_stress_cases[];
extern const struct gdt_case gdt_disk_cases[];
extern const struct gdt_case gdt_whole_cases[];
extern const struct gdt_case gdt_plant_cases[];
extern const struct gdt_case gdt_bench_cases[];

/* Where in a page buffers begin. */
#define GDT_OFFSETS	7
extern const unsigned int gdt_offsets[GDT_OFFSETS];

/* Of sizes and repetitions, only each so many-th; at least 1. */
extern unsigned int gdt_stride;

/* A diagnostic line of the case that is running. */
#define gdt_say(fmt, ...)	pr_info("# " fmt "\n", ##__VA_ARGS__)

/* The same, as the result of a case that fails. */
#define gdt_fail(fmt, ...)	({ gdt_say(fmt, ##__VA_ARGS__); -EINVAL; })

/**
 * gdt_fill() - write a pattern
 * @t: the device
 * @buf: where to
 * @which: the pattern
 * @seed: where in the pattern to begin, below GDT_SEEDS
 * @size: bytes
 */
void gdt_fill(struct gdt *t, void *buf, enum gdt_pattern which,
	      unsigned int seed, size_t size);

/**
 * gdt_is() - is it what gdt_fill() wrote?
 * @t: the device
 * @buf: where
 * @which: the pattern
 * @seed: as for gdt_fill()
 * @size: bytes
 *
 * Return: true if every byte is the same.
 */
bool gdt_is(struct gdt *t, const void *buf, enum gdt_pattern which,
	    unsigned int seed, size_t size);

/**
 * gdt_check_kept() - what a mapping must have left of a buffer
 * @t: the device
 * @buf: the buffer, GDT_LOST by now as far as the CPU knows
 * @size: its bytes
 * @seed: of its patterns
 * @lo: first byte that was GDT_NEW when it was synced
 * @n: how many of these
 * @dir: of the mapping, which is over
 *
 * Finds out by the buffer whether the device had a copy or the buffer itself,
 * counts that, and checks that it may.
 *
 * Return: 0 or -EINVAL, and has said why.
 */
int gdt_check_kept(struct gdt *t, const u8 *buf, size_t size,
		   unsigned int seed, size_t lo, size_t n,
		   enum dma_data_direction dir);

/**
 * gdt_disk_rw() - one request of the disk, from its header to its status
 * @t: the device
 * @write: whether it writes
 * @sector: where
 * @piece: addresses of the pieces of the data
 * @len: their lengths
 * @pieces: how many
 *
 * Context: process; several may be under way.
 * Return: the status byte of the device, or -errno.
 */
int gdt_disk_rw(struct gdt *t, bool write, u64 sector, void *const piece[],
		const size_t len[], unsigned int pieces);

/**
 * gdt_disk_done() - callback of the queue
 * @vq: the queue
 *
 * Context: hard interrupt.
 */
void gdt_disk_done(struct virtqueue *vq);

/**
 * gdt_exhaust() - a full window is full at the same number again and again
 * @t: the device
 *
 * Afterwards it has its largest size.
 *
 * Context: process, may sleep.
 * Return: 0 or -EINVAL, and has said why.
 */
int gdt_exhaust(struct gdt *t);

/**
 * gdt_unplant() - end what the case "plant" left mapped
 * @t: the device
 */
void gdt_unplant(struct gdt *t);

#endif /* GDT_TEST_H */
