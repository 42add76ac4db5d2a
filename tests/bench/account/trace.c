// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c - counts what a trace of Xen says, by domain
 *
 * The records are those of Xen's public header trace.h: a word with the kind, the
 * number of further words and whether there is a time stamp, the time stamp, the
 * words.  A record does not say whose it is: that is whoever the last switch on that
 * processor was to.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "trace.h"

#define EVENT_MASK		0x0fffffff
#define WORDS_SHIFT		28
#define WORDS_MASK		7
#define HAS_CYCLES		(UINT32_C(1) << 31)
#define WORDS_MAX		7
/* A record; and one that says how many were lost, another that fills the end. */
#define RECORD_MAX		(3 * (4 + 8 + 4 * WORDS_MAX))

/* Xen's names; _64 is the bit that says that addresses have 64 bits. */
#define TRC_64			0x100
#define TRC_LOST_RECORDS	0x0001f001
#define TRC_SCHED_SWITCH	0x0002800a
#define TRC_HVM_VMEXIT		0x00081002
#define TRC_HVM_VMMCALL		0x00082012
#define TRC_PV_TRAP		0x00201003
#define TRC_PV_PAGE_FAULT	0x00201004
#define TRC_PV_EMULATE_PRIVOP	0x00201006
#define TRC_PV_HYPERCALL_V2	0x0020100d
#define TRC_PV_HYPERCALL_SUBCALL 0x0020200e

#define CALL_MASK		0xfffff
#define ARG_SHIFT(i)		(20 + 2 * (i))
#define ARGS_MAX		6

#define IDLE_DOMAIN		0x7fff

static const char *const call_names[TRACE_CALLS] = {
	[0] = "set_trap_table", [1] = "mmu_update", [2] = "set_gdt",
	[3] = "stack_switch", [4] = "set_callbacks", [5] = "fpu_taskswitch",
	[6] = "sched_op_compat", [7] = "platform_op", [8] = "set_debugreg",
	[9] = "get_debugreg", [10] = "update_descriptor", [12] = "memory_op",
	[13] = "multicall", [14] = "update_va_mapping", [15] = "set_timer_op",
	[17] = "xen_version", [18] = "console_io", [20] = "grant_table_op",
	[21] = "vm_assist", [22] = "update_va_mapping_otherdomain", [23] = "iret",
	[24] = "vcpu_op", [25] = "set_segment_base", [26] = "mmuext_op",
	[27] = "xsm_op", [29] = "sched_op", [30] = "callback_op",
	[32] = "event_channel_op", [33] = "physdev_op", [34] = "hvm_op",
	[35] = "sysctl", [36] = "domctl", [37] = "kexec_op", [39] = "argo_op",
	[40] = "xenpmu_op", [41] = "dm_op", [42] = "hypfs_op",
};

/* The commands that are worth a line of their own; others by number. */
static const struct {
	unsigned int call, cmd;
	const char *name;
} cmd_names[] = {
	{ 20, 0, "map" }, { 20, 1, "unmap" }, { 20, 5, "copy" },
	{ 24, 8, "set_singleshot_timer" }, { 24, 9, "stop_singleshot_timer" },
	{ 29, 0, "yield" }, { 29, 1, "block" }, { 29, 3, "poll" },
};

static const char *const who_names[TRACE_WHO] = {
	[TRACE_DOM0] = "dom0", [TRACE_GUEST] = "guest", [TRACE_OTHER] = "other",
	[TRACE_IDLE] = "idle", [TRACE_UNKNOWN] = "unknown",
};

/**
 * trace_init() - begin
 * @t: for the counts
 * @guest: number of the domain that is the guest
 */
void trace_init(struct trace *t, unsigned int guest)
{
	memset(t, 0, sizeof(*t));
	t->guest = guest;
}

static enum trace_who who_is(const struct trace *t, uint32_t domain)
{
	if (!domain)
		return TRACE_DOM0;
	if (domain == t->guest)
		return TRACE_GUEST;
	return domain == IDLE_DOMAIN ? TRACE_IDLE : TRACE_OTHER;
}

/* Argument @index of those that a record of a hypercall may have. */
static bool argument(const uint32_t *words, unsigned int n, unsigned int index,
		     uint32_t *value)
{
	unsigned int at = 1, i, size;

	for (i = 0; i < index; i++) {
		size = (words[0] >> ARG_SHIFT(i)) & 3;
		at += size;
	}
	size = (words[0] >> ARG_SHIFT(index)) & 3;
	if (!size || size == 3 || at + size > n)
		return false;
	*value = words[at];
	return true;
}

static void count_call(struct trace *t, struct trace_domain *d,
		       const uint32_t *words, unsigned int n, bool part)
{
	uint32_t call, cmd, length;

	call = words[0] & CALL_MASK;
	if (call >= TRACE_CALLS) {
		t->malformed++;
		return;
	}
	if (part)
		d->parts[call]++;
	else
		d->calls[call]++;
	/* Of those whose first argument is no command the trace has none. */
	if (!argument(words, n, 0, &cmd) || cmd >= TRACE_CMDS)
		return;
	d->cmds[call][cmd]++;
	if (argument(words, n, 2, &length))
		d->ops[call][cmd] += length;
}

/* A record whose meaning needs at least one word. */
static void count_words(struct trace *t, struct trace_domain *d, uint32_t event,
			const uint32_t *words, unsigned int n)
{
	uint32_t vmmcall;

	switch (event) {
	case TRC_LOST_RECORDS:
		t->lost += words[0];
		break;
	case TRC_SCHED_SWITCH:
		if (n < 4) {
			t->malformed++;
			break;
		}
		t->current = who_is(t, words[2]);
		if (words[0] != words[2] || words[1] != words[3])
			t->domain[t->current].switches++;
		break;
	case TRC_PV_HYPERCALL_V2:
		count_call(t, d, words, n, false);
		break;
	case TRC_PV_HYPERCALL_SUBCALL:
		count_call(t, d, words, n, true);
		break;
	case TRC_HVM_VMMCALL:
		vmmcall = words[0] & CALL_MASK;
		count_call(t, d, &vmmcall, 1, false);
		break;
	}
}

static bool needs_words(uint32_t event)
{
	switch (event) {
	case TRC_LOST_RECORDS:
	case TRC_SCHED_SWITCH:
	case TRC_PV_HYPERCALL_V2:
	case TRC_PV_HYPERCALL_SUBCALL:
	case TRC_HVM_VMMCALL:
		return true;
	default:
		return false;
	}
}

static void count(struct trace *t, uint32_t event, const uint32_t *words,
		  unsigned int n)
{
	struct trace_domain *d = &t->domain[t->current];

	t->records++;
	if (needs_words(event)) {
		if (n)
			count_words(t, d, event, words, n);
		else
			t->malformed++;
		return;
	}
	switch (event & ~(uint32_t)TRC_64) {
	case TRC_PV_TRAP:
		d->traps++;
		break;
	case TRC_PV_PAGE_FAULT:
		d->faults++;
		break;
	case TRC_PV_EMULATE_PRIVOP:
		d->emulated++;
		break;
	case TRC_HVM_VMEXIT:
		d->exits++;
		break;
	}
}

/**
 * trace_cpu() - count what is in the trace of one processor
 * @t: counts
 * @data: whole records
 * @len: bytes of @data; a record that does not end within them is malformed
 * @room: bytes that there was room for.  Xen says that records were lost with the
 *	  next one that is not, so that a buffer without room for another one has to
 *	  be taken for one that was too small.
 * @first: who executed when the trace began, or TRACE_UNKNOWN
 */
void trace_cpu(struct trace *t, const void *data, size_t len, size_t room,
	       enum trace_who first)
{
	const unsigned char *p = data;
	uint32_t head, words[WORDS_MAX];
	size_t start, size;
	unsigned int n;

	t->current = first;
	if (room - len < RECORD_MAX)
		t->lost++;
	while (len >= sizeof(head)) {
		memcpy(&head, p, sizeof(head));
		n = (head >> WORDS_SHIFT) & WORDS_MASK;
		start = sizeof(head) + ((head & HAS_CYCLES) ? 8 : 0);
		size = start + n * sizeof(*words);
		if (size > len)
			break;
		memcpy(words, p + start, n * sizeof(*words));
		count(t, head & EVENT_MASK, words, n);
		p += size;
		len -= size;
	}
	t->malformed += len;
}

static const char *cmd_name(unsigned int call, unsigned int cmd)
{
	size_t i;

	for (i = 0; i < sizeof(cmd_names) / sizeof(*cmd_names); i++)
		if (cmd_names[i].call == call && cmd_names[i].cmd == cmd)
			return cmd_names[i].name;
	return NULL;
}

static void print_name(FILE *f, const char *who, const char *kind, unsigned int call)
{
	fprintf(f, " %s.%s.", who, kind);
	if (call_names[call])
		fputs(call_names[call], f);
	else
		fprintf(f, "%u", call);
}

static void print_calls(FILE *f, const char *who, const struct trace_domain *d)
{
	unsigned int call, cmd;

	for (call = 0; call < TRACE_CALLS; call++) {
		if (d->calls[call]) {
			print_name(f, who, "call", call);
			fprintf(f, "=%" PRIu64, d->calls[call]);
		}
		if (d->parts[call]) {
			print_name(f, who, "part", call);
			fprintf(f, "=%" PRIu64, d->parts[call]);
		}
		for (cmd = 0; cmd < TRACE_CMDS; cmd++) {
			if (!d->cmds[call][cmd] || !cmd_name(call, cmd))
				continue;
			print_name(f, who, "cmd", call);
			fprintf(f, ".%s=%" PRIu64, cmd_name(call, cmd),
				d->cmds[call][cmd]);
			if (!d->ops[call][cmd])
				continue;
			print_name(f, who, "ops", call);
			fprintf(f, ".%s=%" PRIu64, cmd_name(call, cmd),
				d->ops[call][cmd]);
		}
	}
}

/**
 * trace_print() - the counts as words "WHO.NAME=N" on one line
 * @t: counts
 * @f: where to
 */
void trace_print(const struct trace *t, FILE *f)
{
	const struct {
		const char *name;
		size_t offset;
	} sums[] = {
		{ "traps", offsetof(struct trace_domain, traps) },
		{ "faults", offsetof(struct trace_domain, faults) },
		{ "emulated", offsetof(struct trace_domain, emulated) },
		{ "exits", offsetof(struct trace_domain, exits) },
		{ "switches", offsetof(struct trace_domain, switches) },
	};
	unsigned int who, i;
	uint64_t value;

	fprintf(f, "records=%" PRIu64 " lost=%" PRIu64 " malformed=%" PRIu64,
		t->records, t->lost, t->malformed);
	for (who = 0; who < TRACE_WHO; who++) {
		for (i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
			memcpy(&value, (const char *)&t->domain[who] + sums[i].offset,
			       sizeof(value));
			if (value)
				fprintf(f, " %s.%s=%" PRIu64, who_names[who],
					sums[i].name, value);
		}
		print_calls(f, who_names[who], &t->domain[who]);
	}
	fputc('\n', f);
}
