// SPDX-License-Identifier: GPL-2.0-only
/*
 * insn.c - a QEMU plugin that counts every instruction by its address
 *
 * Two domains have the same kernel at the same virtual addresses, so the key is
 * the virtual address together with the place in memory.  Each time that the
 * machine executes the instruction of mark.c, the counts since the last time go
 * to the file DIR/N, N being 0 at first, and begin again at 0:
 *
 *	VIRTUAL PLACE EPOCH COUNT
 *
 * in hexadecimal but for EPOCH, in which interval the address was first seen,
 * and COUNT.  What was there before there was a domU belongs to dom0 or Xen.
 *
 * -plugin insn.so,dir=DIR; the machine has one processor (-icount).
 */

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "plugin.h"

#define TABLE_BITS	24
#define TABLE_SIZE	(UINT64_C(1) << TABLE_BITS)

/**
 * struct count - one instruction
 * @vaddr: virtual address; with @place 0: a free entry
 * @place: address of its memory in QEMU, or 1 where that is unknown
 * @executed: how often, in this interval; translated code writes to it, so the
 *            entry stays where it is
 * @epoch: interval in which it was translated first
 */
struct count {
	uint64_t vaddr;
	uint64_t place;
	uint64_t executed;
	uint64_t epoch;
};

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static const char mark[8] = { 0x0f, 0x1f, (char)0x84, 0, 'm', 'a', 'r', 'k' };
static struct count *table;
static struct count lost;	/* of addresses that the table has no room for */
static uint64_t used;
static uint64_t interval;
static const char *dir;

static uint64_t hash(uint64_t vaddr, uint64_t place)
{
	uint64_t h = (vaddr ^ place >> 12) * UINT64_C(0x9e3779b97f4a7c15);

	return h >> (64 - TABLE_BITS);
}

static struct count *find(uint64_t vaddr, const void *memory)
{
	uint64_t place = memory ? (uintptr_t)memory : 1;
	uint64_t i = hash(vaddr, place);
	struct count *c;

	for (;; i = (i + 1) % TABLE_SIZE) {
		c = &table[i];
		if (c->vaddr == vaddr && c->place == place)
			return c;
		if (!c->place)
			break;
	}
	/* Half full: from there on it would get slow. */
	if (used >= TABLE_SIZE / 2)
		return &lost;
	used++;
	c->vaddr = vaddr;
	c->place = place;
	c->epoch = interval;
	return c;
}

static void print(FILE *f, struct count *c)
{
	if (!c->executed)
		return;
	fprintf(f, "%" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
		c->vaddr, c->place, c->epoch, c->executed);
	c->executed = 0;
}

static void marked(unsigned int vcpu, void *data)
{
	char path[4096];
	uint64_t i;
	FILE *f;

	(void)vcpu;
	(void)data;
	snprintf(path, sizeof(path), "%s/%" PRIu64, dir, interval++);
	f = fopen(path, "w");
	if (!f) {
		fprintf(stderr, "profile: writing %s: %s\n", path,
			strerror(errno));
		return;
	}
	for (i = 0; i < TABLE_SIZE; i++)
		print(f, &table[i]);
	print(f, &lost);
	if (fclose(f))
		fprintf(stderr, "profile: writing %s: %s\n", path,
			strerror(errno));
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);
	struct qemu_plugin_insn *insn;
	struct count *c;

	(void)id;
	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		c = find(qemu_plugin_insn_vaddr(insn),
			 qemu_plugin_insn_haddr(insn));
		qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64,
							   &c->executed, 1);
		if (qemu_plugin_insn_size(insn) == sizeof(mark) &&
		    !memcmp(qemu_plugin_insn_data(insn), mark, sizeof(mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked,
							       QEMU_PLUGIN_CB_NO_REGS,
							       NULL);
	}
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "dir=", 4)) {
		fprintf(stderr, "profile: -plugin insn.so,dir=DIR\n");
		return -1;
	}
	dir = strdup(argv[0] + 4);
	table = mmap(NULL, TABLE_SIZE * sizeof(*table), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!dir || table == MAP_FAILED) {
		fprintf(stderr, "profile: no memory for the counts\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
