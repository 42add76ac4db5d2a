/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The flex ring of the control channel, as Xen's io/ring.h
 * defines it: struct xvio_data_intf and its helpers
 */

#ifndef XVB_RING_INTF_H
#define XVB_RING_INTF_H

/* Xen's headers use fixed-width types without declaring them. */
#include <stdint.h>
#include <string.h>

#include <xen/grant_table.h>
#include <xen/io/ring.h>

DEFINE_XEN_FLEX_RING_AND_INTF(xvio);

#endif /* XVB_RING_INTF_H */
