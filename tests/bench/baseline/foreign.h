/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * foreign.h - all memory of a guest, for the benchmark's denominator only
 */

#ifndef XVB_BASELINE_FOREIGN_H
#define XVB_BASELINE_FOREIGN_H

#include <stdint.h>

#include "memory.h"

/**
 * xvb_baseline_add() - map all of a guest's memory by privilege
 * @mem: the memory of its device, without windows yet; gets one more, of the
 *	guest's frames in order
 * @domid: the guest, which must have all its memory already
 *
 * Once in a process.
 * Context: control thread, as root, before the sandbox.
 * Return: 0 or -errno.
 */
int xvb_baseline_add(struct xvb_memory *mem, uint32_t domid);

#endif /* XVB_BASELINE_FOREIGN_H */
