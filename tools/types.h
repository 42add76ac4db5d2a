/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * types.h - the types of devices, for the table in device.c
 */

#ifndef XVB_TYPES_H
#define XVB_TYPES_H

#include "device.h"

struct xvb_fio_ops;

/* virtio-blk, blk.c */
extern const struct xvb_device_ops xvb_blk_ops;

/**
 * xvb_blk_set_engine() - put another file engine under a disk, for tests
 * @dev: device of type blk with no queue started
 * @fio: engine, instead of xvb_fio_aio
 */
void xvb_blk_set_engine(struct xvb_device *dev, const struct xvb_fio_ops *fio);

/* virtio-rng, rng.c */
extern const struct xvb_device_ops xvb_rng_ops;

#endif /* XVB_TYPES_H */
