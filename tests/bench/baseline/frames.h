/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Addresses without grants, for the benchmark's denominator only
 *
 * Built into the module by "make modules XVF_BASELINE=y" and never into one that
 * is installed.  A buffer is not granted and not copied: its address for the
 * device is its guest frame, which the backend of the same kind (foreign.c) has
 * mapped by privilege, as all of the guest's memory.  Frames are where
 * references would be, in the upper half that no guest's references reach.
 * Rings stay granted; they cost nothing per request.
 */

#ifndef XVF_BASELINE_FRAMES_H
#define XVF_BASELINE_FRAMES_H

#define BASELINE_FIRST	((dma_addr_t)BIT(31) << XVIO_ADDR_PAGE_SHIFT)

static inline dma_addr_t baseline_map(phys_addr_t phys)
{
	return XVIO_ADDR_GRANT | (BASELINE_FIRST + phys);
}

static inline bool baseline_mapped(dma_addr_t addr)
{
	return addr & BASELINE_FIRST;
}

#endif /* XVF_BASELINE_FRAMES_H */
