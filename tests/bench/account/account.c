// SPDX-License-Identifier: GPL-2.0-only
/*
 * account - whose the processors' time was, and what a trace of Xen has
 *
 *	account cpu		"NAME NS" of each domain, of idle, and the clock
 *	account trace GUEST EVENTS PAGES
 *				traces EVENTS (a mask of Xen's) from when it says
 *				"begun" until its standard input ends; then what
 *				trace.h has, in one line
 *
 * Run in dom0.  Time is what Xen charges a domain for, in ns: that which Xen itself
 * takes on behalf of a domain (hypercalls, faults, interrupts meanwhile) is the
 * domain's.  GUEST is a domain's number, PAGES the size of each processor's buffer,
 * which Xen takes once in a boot.  xentrace(8) would read the buffers while they are
 * written and be in the trace itself.
 *
 * Exit status: 0, 1 after an error, which is named on standard error.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <xen/trace.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

#include "trace.h"

#define DOMAINS_MAX	64
#define CPUS_MAX	64
#define NS_PER_S	UINT64_C(1000000000)

static void complain(const char *doing)
{
	fprintf(stderr, "account: %s: %s\n", doing, strerror(errno));
}

static int cpu(void)
{
	xc_domaininfo_t domains[DOMAINS_MAX];
	xc_cpuinfo_t cpus[CPUS_MAX];
	uint64_t idle = 0;
	int n, nr_cpus, i, err = -1;
	struct timespec now;
	xc_interface *xch;

	xch = xc_interface_open(NULL, NULL, 0);
	if (!xch) {
		complain("opening the interface of Xen");
		return -1;
	}
	n = xc_domain_getinfolist(xch, 0, DOMAINS_MAX, domains);
	if (n < 0 || xc_getcpuinfo(xch, CPUS_MAX, cpus, &nr_cpus)) {
		complain("asking for times");
		goto out;
	}
	/* Next to the calls: what is between them is in no sum. */
	if (clock_gettime(CLOCK_MONOTONIC_RAW, &now)) {
		complain("reading the clock");
		goto out;
	}
	for (i = 0; i < nr_cpus; i++)
		idle += cpus[i].idletime;
	printf("clock %" PRIu64 "\nidle %" PRIu64 "\n",
	       now.tv_sec * NS_PER_S + now.tv_nsec, idle);
	for (i = 0; i < n; i++)
		printf("dom%u %" PRIu64 "\n", domains[i].domain,
		       (uint64_t)domains[i].cpu_time);
	err = 0;
out:
	xc_interface_close(xch);
	return err;
}

/* One processor's buffer, as Xen and we see it. */
struct buffer {
	struct t_buf *meta;
	size_t pages;
	size_t size;		/* of its data in bytes */
};

/* Map the buffers of all processors. */
static int map_buffers(unsigned int cpus, unsigned long mfn, unsigned long bytes,
		       struct buffer *buffers)
{
	size_t pages = (bytes + XC_PAGE_SIZE - 1) / XC_PAGE_SIZE, i;
	unsigned int cpu;
	xenforeignmemory_handle *fmem;
	const uint32_t *mfns;
	struct t_info *info;
	xen_pfn_t *list;
	int err = -1;

	fmem = xenforeignmemory_open(NULL, 0);
	if (!fmem) {
		complain("opening the interface to other domains' memory");
		return -1;
	}
	list = calloc(pages, sizeof(*list));
	for (i = 0; list && i < pages; i++)
		list[i] = mfn + i;
	info = list ? xenforeignmemory_map(fmem, DOMID_XEN, PROT_READ, pages, list,
					   NULL) : NULL;
	free(list);
	list = info ? calloc(info->tbuf_size, sizeof(*list)) : NULL;
	if (!list) {
		complain("mapping Xen's list of trace buffers");
		goto out;
	}
	for (cpu = 0; cpu < cpus; cpu++) {
		mfns = (const uint32_t *)info + info->mfn_offset[cpu];
		for (i = 0; i < info->tbuf_size; i++)
			list[i] = mfns[i];
		buffers[cpu].pages = info->tbuf_size;
		buffers[cpu].size = info->tbuf_size * (size_t)XC_PAGE_SIZE -
				    sizeof(struct t_buf);
		buffers[cpu].meta = xenforeignmemory_map(fmem, DOMID_XEN,
							 PROT_READ | PROT_WRITE,
							 info->tbuf_size, list, NULL);
		if (!buffers[cpu].meta) {
			complain("mapping a trace buffer of Xen");
			goto out;
		}
	}
	err = 0;
out:
	free(list);
	/* The mappings last as long as the process, and need no handle. */
	return err;
}

/* Count what is in a buffer to which nobody writes any more. */
static int count(struct trace *t, const struct buffer *b, enum trace_who first)
{
	uint32_t cons = b->meta->cons, prod = b->meta->prod;
	size_t used, start = cons % b->size;
	const char *data = (const char *)(b->meta + 1);
	char *copy;

	used = prod >= cons ? prod - cons : prod + 2 * b->size - cons;
	if (cons >= 2 * b->size || prod >= 2 * b->size || used > b->size) {
		fputs("account: Xen's trace buffer is inconsistent\n", stderr);
		return -1;
	}
	copy = malloc(used + 1);
	if (!copy) {
		complain("copying a trace");
		return -1;
	}
	if (start + used > b->size) {
		memcpy(copy, data + start, b->size - start);
		memcpy(copy + b->size - start, data, used - (b->size - start));
	} else {
		memcpy(copy, data + start, used);
	}
	trace_cpu(t, copy, used, b->size, first);
	free(copy);
	return 0;
}

/* Trace until standard input ends. */
static int trace(unsigned int guest, uint32_t events, unsigned long pages)
{
	static struct buffer buffers[CPUS_MAX];
	static struct trace t;
	unsigned long mfn, bytes;
	xc_physinfo_t machine;
	xc_interface *xch;
	unsigned int cpu, cpus;
	int err = -1;
	char c;

	xch = xc_interface_open(NULL, NULL, 0);
	if (!xch) {
		complain("opening the interface of Xen");
		return -1;
	}
	if (xc_physinfo(xch, &machine)) {
		complain("asking Xen for its processors");
		goto out;
	}
	cpus = machine.max_cpu_id + 1;
	if (cpus > CPUS_MAX) {
		fprintf(stderr, "account: more than %d processors\n", CPUS_MAX);
		goto out;
	}
	if (xc_tbuf_set_evt_mask(xch, events) ||
	    xc_tbuf_enable(xch, pages, &mfn, &bytes)) {
		complain("having Xen trace");
		goto out;
	}
	if (map_buffers(cpus, mfn, bytes, buffers))
		goto disable;
	for (cpu = 0; cpu < cpus; cpu++)
		buffers[cpu].meta->cons = buffers[cpu].meta->prod;
	puts("begun");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	err = 0;
disable:
	if (xc_tbuf_disable(xch)) {
		complain("having Xen trace no more");
		err = -1;
	}
	trace_init(&t, guest);
	/* Where there is one processor only, it was ours when we began. */
	for (cpu = 0; !err && cpu < cpus; cpu++)
		err = count(&t, &buffers[cpu], cpus == 1 ? TRACE_DOM0 : TRACE_UNKNOWN);
	if (!err)
		trace_print(&t, stdout);
out:
	xc_interface_close(xch);
	return err;
}

static int usage(void)
{
	fputs("usage: account cpu | account trace GUEST EVENTS PAGES\n", stderr);
	return 1;
}

/* A number between 1 and @max; 0 if it is none. */
static unsigned long number(const char *text, unsigned long max)
{
	unsigned long value;
	char *end;

	value = strtoul(text, &end, 0);
	return *end || value > max ? 0 : value;
}

int main(int argc, char **argv)
{
	unsigned long guest, events, pages;
	int err;

	if (argc == 2 && !strcmp(argv[1], "cpu")) {
		err = cpu();
	} else if (argc == 5 && !strcmp(argv[1], "trace")) {
		guest = number(argv[2], 0x7fef);
		events = number(argv[3], UINT32_MAX);
		pages = number(argv[4], 4096);
		if (!guest || !events || !pages)
			return usage();
		err = trace(guest, events, pages);
	} else {
		return usage();
	}
	if (!err && fflush(stdout)) {
		complain("printing");
		err = -1;
	}
	return err ? 1 : 0;
}
