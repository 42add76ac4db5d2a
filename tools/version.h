/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Version of the programs
 */

#ifndef XVB_VERSION_H
#define XVB_VERSION_H

#define XVB_VERSION	"0.1"

#endif /* XVB_VERSION_H */
