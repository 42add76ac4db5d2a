/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - what a trace of Xen says, by domain
 */

#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TRACE_CALLS	64	/* hypercalls have numbers below */
#define TRACE_CMDS	32	/* commands of one hypercall */

/* Who executed: a place for each in the counts. */
enum trace_who {
	TRACE_DOM0,
	TRACE_GUEST,
	TRACE_OTHER,	/* another domain */
	TRACE_IDLE,
	TRACE_UNKNOWN,	/* before the first switch on that processor */
	TRACE_WHO,
};

/**
 * struct trace_domain - what was counted for a domain
 * @calls: hypercalls by number
 * @parts: calls within multicalls, by number
 * @cmds: the same two where the trace has the command, by number and command
 * @ops: sums of the lengths of their arrays, where the trace has it (grant_table_op)
 * @traps: exceptions of a PV domain that Xen hands to its kernel
 * @faults: page faults of a PV domain that Xen hands to its kernel
 * @emulated: privileged instructions of a PV domain that Xen emulates
 * @exits: exits of a PVH domain's processor to Xen
 * @switches: how often a processor was switched to it
 */
struct trace_domain {
	uint64_t calls[TRACE_CALLS];
	uint64_t parts[TRACE_CALLS];
	uint64_t cmds[TRACE_CALLS][TRACE_CMDS];
	uint64_t ops[TRACE_CALLS][TRACE_CMDS];
	uint64_t traps;
	uint64_t faults;
	uint64_t emulated;
	uint64_t exits;
	uint64_t switches;
};

/**
 * struct trace - the sums of a trace
 * @guest: the domain that is TRACE_GUEST
 * @domain: by enum trace_who
 * @records: that were read
 * @lost: that Xen had no room for; then the counts mean nothing
 * @malformed: bytes that are no record, and records that lack what they must have
 */
struct trace {
	unsigned int guest;
	struct trace_domain domain[TRACE_WHO];
	uint64_t records;
	uint64_t lost;
	uint64_t malformed;
	/* private: */
	enum trace_who current;
};

void trace_init(struct trace *t, unsigned int guest);
void trace_cpu(struct trace *t, const void *data, size_t len, size_t room,
	       enum trace_who first);
void trace_print(const struct trace *t, FILE *f);

#endif /* BENCH_TRACE_H */
