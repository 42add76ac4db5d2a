/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * every difference between the kernels that this module builds on
 *
 * Included before every source file by Kbuild, which finds out by looking at
 * the headers what the kernel has (XVF_HAVE_*).  Nothing else in the module
 * depends on the kernel's version.
 */

#ifndef XVF_COMPAT_H
#define XVF_COMPAT_H

#include <linux/dma-map-ops.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA	38
#endif

/* From 6.10 on the event knows its string. */
#ifdef XVF_HAVE_ASSIGN_STR_1
#define xvf_assign_str(dst, src)					\
do {									\
	(void)(src);							\
	__assign_str(dst);						\
} while (0)
#else
#define xvf_assign_str(dst, src)	__assign_str(dst, src)
#endif

/* Newer kernels do not count the users of slab pages: page_count() is 0. */
static inline bool xvf_page_slab(struct page *page)
{
#ifdef XVF_HAVE_PAGE_SLAB
	return PageSlab(page);
#else
	return false;
#endif
}

/* Until 6.10 find_vqs() got three arrays instead of one of structures. */
#ifdef XVF_HAVE_VQ_INFO

#define XVF_DEFINE_FIND_VQS(fn, impl)					\
static int fn(struct virtio_device *vdev, unsigned int nvqs,		\
	      struct virtqueue *vqs[], struct virtqueue_info info[],	\
	      struct irq_affinity *desc)				\
{									\
	return impl(vdev, nvqs, vqs, info, desc);			\
}

#else

struct virtqueue_info {
	const char *name;
	vq_callback_t *callback;
	bool ctx;
};

#define XVF_DEFINE_FIND_VQS(fn, impl)					\
static int fn(struct virtio_device *vdev, unsigned int nvqs,		\
	      struct virtqueue *vqs[], vq_callback_t *callbacks[],	\
	      const char * const names[], const bool *ctx,		\
	      struct irq_affinity *desc)				\
{									\
	struct virtqueue_info *info;					\
	unsigned int i;							\
	int err;							\
									\
	info = kcalloc(nvqs, sizeof(*info), GFP_KERNEL);		\
	if (!info)							\
		return -ENOMEM;						\
	for (i = 0; i < nvqs; i++) {					\
		info[i].name = names[i];				\
		info[i].callback = callbacks[i];			\
		info[i].ctx = ctx ? ctx[i] : false;			\
	}								\
	err = impl(vdev, nvqs, vqs, info, desc);			\
	kfree(info);							\
	return err;							\
}

#endif

/* Kernels without it have no such thing, or another function for it. */
#ifndef DMA_ATTR_MMIO
#define DMA_ATTR_MMIO	0
#endif

/* Kernels from 6.19 map physical addresses, earlier ones pages. */
#ifdef XVF_HAVE_MAP_PHYS

#define XVF_DEFINE_DMA_MAP(fn, impl)					\
static dma_addr_t fn(struct device *dev, phys_addr_t phys, size_t size, \
		     enum dma_data_direction dir, unsigned long attrs)	\
{									\
	return impl(dev, phys, size, dir, attrs);			\
}

#define XVF_DMA_MAP_OPS(map, unmap)					\
	.map_phys = (map),						\
	.unmap_phys = (unmap)

#else

#define XVF_DEFINE_DMA_MAP(fn, impl)					\
static dma_addr_t fn(struct device *dev, struct page *page,		\
		     unsigned long offset, size_t size,			\
		     enum dma_data_direction dir, unsigned long attrs)	\
{									\
	return impl(dev, page_to_phys(page) + offset, size, dir, attrs); \
}

#define XVF_DMA_MAP_OPS(map, unmap)					\
	.map_page = (map),						\
	.unmap_page = (unmap)

#endif

#endif /* XVF_COMPAT_H */
