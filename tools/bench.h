/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench.h - what xen-virtio-bench measures, and how it is shown
 *
 * A sample is what one call took, or the mean of a few when one is too short to
 * be timed; a result sums up the samples of one operation at one size.  The
 * report (bench_report.c) knows nothing of Xen, so that a test can look at it.
 */

#ifndef XVB_BENCH_H
#define XVB_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "log.h"

#define XVB_BENCH_PAGES		256	/* largest batch */
#define XVB_BENCH_PAGE		4096
#define XVB_BENCH_NAME		32
#define XVB_BENCH_RESULTS	128
#define XVB_BENCH_SAMPLES	4096

/**
 * enum xvb_bench_unit - what the clock counts
 * @XVB_BENCH_NS: nanoseconds of hardware
 * @XVB_BENCH_INSTRUCTIONS: instructions; QEMU's -icount shift=0 makes each one
 *			    nanosecond of a clock that is not the hardware's
 */
enum xvb_bench_unit {
	XVB_BENCH_NS,
	XVB_BENCH_INSTRUCTIONS,
};

/**
 * struct xvb_bench_result - what one operation costs
 * @name:	of the operation
 * @batch:	pages, or segments, of one call
 * @size:	bytes of one call; 0 where none are moved or mapped
 * @samples:	how many
 * @min:	of a call, in the report's unit, as all that follow
 * @median:	half of the samples are not larger
 * @p95:	95 of 100 are not larger
 * @mean:	of all
 */
struct xvb_bench_result {
	char name[XVB_BENCH_NAME];
	uint32_t batch;
	uint32_t size;
	uint32_t samples;
	uint64_t min;
	uint64_t median;
	uint64_t p95;
	uint64_t mean;
};

/**
 * struct xvb_bench_report - all results of a run
 * @unit:	of all values
 * @clock:	what reading the clock twice costs; taken off everywhere
 * @nr:		number of results
 * @result:	the results
 */
struct xvb_bench_report {
	enum xvb_bench_unit unit;
	uint64_t clock;
	unsigned int nr;
	struct xvb_bench_result result[XVB_BENCH_RESULTS];
};

/**
 * struct xvb_bench_options - what is wanted of a run
 * @samples:	of each operation, 1 to XVB_BENCH_SAMPLES
 * @only:	beginning of the names of the operations that are wanted; "" for all
 * @progress:	name each operation on standard error
 */
struct xvb_bench_options {
	unsigned int samples;
	const char *only;
	bool progress;
};

/**
 * xvb_bench_sum_up() - make a result of samples
 * @r:		name, batch and size are set; the rest is filled in, but without
 *		samples left as it is
 * @sample:	samples; sorted when this returns
 * @nr:		how many
 * @clock:	what is taken off each, down to 0
 * @loops:	calls that each sample took; 1 at least
 */
void xvb_bench_sum_up(struct xvb_bench_result *r, uint64_t *sample,
		      unsigned int nr, uint64_t clock, unsigned int loops);

/**
 * xvb_bench_find() - the result of the same operation
 * @rep:	where to look
 * @like:	operation, batch and size
 *
 * Return: the result, or NULL.
 */
const struct xvb_bench_result *
xvb_bench_find(const struct xvb_bench_report *rep,
	       const struct xvb_bench_result *like);

/**
 * xvb_bench_show() - as a table
 * @f:		where to
 * @rep:	what
 */
void xvb_bench_show(FILE *f, const struct xvb_bench_report *rep);

/**
 * xvb_bench_write_json() - as JSON
 * @f:		where to
 * @rep:	what
 *
 * The keys are described in xen-virtio-bench(8), and stay.
 *
 * Return: 0, or -ENOMEM with nothing written.
 */
int xvb_bench_write_json(FILE *f, const struct xvb_bench_report *rep);

/**
 * xvb_bench_load() - read what xvb_bench_write_json() wrote
 * @rep:	filled in
 * @path:	file
 * @err:	what is wrong
 *
 * Return: 0 or -errno.
 */
int xvb_bench_load(struct xvb_bench_report *rep, const char *path,
		   struct xvb_error *err);

/**
 * xvb_bench_compare() - show what changed between two reports
 * @f:		where to
 * @old:	before
 * @new:	after
 * @err:	what is wrong
 *
 * Medians are compared.  What only one of them has is named as such.
 *
 * Return: 0, or -EINVAL when their units differ.
 */
int xvb_bench_compare(FILE *f, const struct xvb_bench_report *old,
		      const struct xvb_bench_report *new,
		      struct xvb_error *err);

/**
 * xvb_bench_run() - measure, on this Xen host
 * @rep:	the unit is set; results are added, those so far also when
 *		something goes wrong
 * @opt:	what is wanted
 * @err:	what is wrong
 *
 * Grants pages to the own domain by gntalloc, and maps them as a guest's.
 *
 * Return: 0 or -errno.
 */
int xvb_bench_run(struct xvb_bench_report *rep,
		  const struct xvb_bench_options *opt, struct xvb_error *err);

/**
 * struct xvb_bench_grants - pages that are granted to a domain
 * @fd:		of /dev/xen/gntalloc
 * @index:	of the pages there
 * @va:		where they are mapped
 * @ref:	their references, which need not follow each other
 *
 * All XVB_BENCH_PAGES of them, writable.
 */
struct xvb_bench_grants {
	int fd;
	uint64_t index;
	void *va;
	uint32_t ref[XVB_BENCH_PAGES];
};

/**
 * xvb_bench_grant() - grant pages
 * @g:		filled in
 * @domid:	to whom
 * @err:	what is wrong
 *
 * Return: 0 or -errno.
 */
int xvb_bench_grant(struct xvb_bench_grants *g, uint32_t domid,
		    struct xvb_error *err);

/**
 * xvb_bench_revoke() - undo xvb_bench_grant(); nobody may map them any more
 * @g:		from xvb_bench_grant()
 */
void xvb_bench_revoke(struct xvb_bench_grants *g);

#endif /* XVB_BENCH_H */
