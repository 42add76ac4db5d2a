/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plugin.h - what QEMU offers a TCG plugin, as far as insn.c uses it
 *
 * Version 1 of the interface, which QEMU 4.2 to 8.2 have (7.2 is Debian 12's).
 * Debian has no package with QEMU's own header, qemu-plugin.h.
 */

#ifndef PROFILE_PLUGIN_H
#define PROFILE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QEMU_PLUGIN_VERSION	1
#define QEMU_PLUGIN_EXPORT	__attribute__((visibility("default")))

enum qemu_plugin_cb_flags {
	QEMU_PLUGIN_CB_NO_REGS,
};

enum qemu_plugin_op {
	QEMU_PLUGIN_INLINE_ADD_U64,
};

struct qemu_plugin_tb;
struct qemu_plugin_insn;

/* The plugin's: the version that it was written for. */
extern QEMU_PLUGIN_EXPORT int qemu_plugin_version;

/**
 * qemu_plugin_install() - the plugin's: begin
 * @id: of the plugin
 * @info: about the machine
 * @argc: entries of @argv
 * @argv: NAME=VALUE, valid during the call
 *
 * Return: 0, or anything else to end QEMU.
 */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(uint64_t id, const void *info,
					   int argc, char **argv);

/**
 * qemu_plugin_register_vcpu_tb_trans_cb() - be told of what is translated
 * @id: of the plugin
 * @cb: called for each block of instructions
 */
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id,
					   void (*cb)(uint64_t id,
						      struct qemu_plugin_tb *));

/**
 * qemu_plugin_tb_n_insns() - how many instructions a block has
 * @tb: block
 *
 * Return: their number.
 */
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

/**
 * qemu_plugin_tb_get_insn() - one of them
 * @tb: block
 * @index: which
 *
 * Return: the instruction, valid while it is translated.
 */
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
						 size_t index);

/**
 * qemu_plugin_insn_data() - the bytes of an instruction
 * @insn: instruction
 *
 * Return: its bytes.
 */
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);

/**
 * qemu_plugin_insn_size() - how many bytes it has
 * @insn: instruction
 *
 * Return: their number.
 */
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

/**
 * qemu_plugin_insn_vaddr() - its virtual address
 * @insn: instruction
 *
 * Return: the address.
 */
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

/**
 * qemu_plugin_insn_haddr() - where the memory that it is in is mapped in QEMU
 * @insn: instruction
 *
 * Return: the address, or NULL.
 */
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);

/**
 * qemu_plugin_register_vcpu_insn_exec_inline() - count executions
 * @insn: instruction
 * @op: what to do before each
 * @ptr: 64 bits to do it with
 * @imm: operand
 */
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
						enum qemu_plugin_op op,
						void *ptr, uint64_t imm);

/**
 * qemu_plugin_register_vcpu_insn_exec_cb() - be told of executions
 * @insn: instruction
 * @cb: called before each
 * @flags: which registers @cb looks at
 * @data: for @cb
 */
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*cb)(unsigned int vcpu,
						       void *data),
					    enum qemu_plugin_cb_flags flags,
					    void *data);

#endif /* PROFILE_PLUGIN_H */
