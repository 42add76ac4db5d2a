/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LAB_START_H
#define LAB_START_H

/**
 * start_domu() - mount what a Linux system has, load the module under test
 *
 * Kernel command line: lab.insmod=0 leaves xen-virtio-front.ko unloaded,
 * lab.modargs=a=1,b=2 hands it parameters.
 */
void start_domu(void);

#endif
