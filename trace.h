/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tracepoints: events/xen_virtio
 *
 * trace-cmd record -e xen_virtio, or see Documentation/trace/events.rst of the
 * kernel.  They cost a no-op each while they are off.
 */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM xen_virtio

#if !defined(XVF_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define XVF_TRACE_H

#include <linux/dma-direction.h>
#include <linux/tracepoint.h>

#include "grant_dma.h"

TRACE_DEFINE_ENUM(DMA_BIDIRECTIONAL);
TRACE_DEFINE_ENUM(DMA_TO_DEVICE);
TRACE_DEFINE_ENUM(DMA_FROM_DEVICE);

#define xvf_show_direction(dir)						\
	__print_symbolic(dir,						\
			 { DMA_BIDIRECTIONAL, "both" },			\
			 { DMA_TO_DEVICE, "to device" },		\
			 { DMA_FROM_DEVICE, "from device" })

/* A buffer is mapped, in the window or directly: @addr tells. */
TRACE_EVENT(xen_virtio_map,
	    TP_PROTO(struct grant_dma *gdma, dma_addr_t addr, phys_addr_t phys,
		     size_t size, int dir),
	    TP_ARGS(gdma, addr, phys, size, dir),
	    TP_STRUCT__entry(__string(dev, dev_name(gdma->dev))
			     __field(u64, addr)
			     __field(u64, phys)
			     __field(size_t, size)
			     __field(int, dir)
			     __field(bool, window)),
	    TP_fast_assign(xvf_assign_str(dev, dev_name(gdma->dev));
			   __entry->addr = addr;
			   __entry->phys = phys;
			   __entry->size = size;
			   __entry->dir = dir;
			   __entry->window = grant_dma_in_window(gdma, addr);),
	    TP_printk("%s addr=%#llx phys=%#llx size=%zu %s %s", __get_str(dev),
		      __entry->addr, __entry->phys, __entry->size,
		      xvf_show_direction(__entry->dir),
		      __entry->window ? "window" : "direct")
);

/* A mapping is about to end. */
TRACE_EVENT(xen_virtio_unmap,
	    TP_PROTO(struct grant_dma *gdma, dma_addr_t addr, size_t size,
		     int dir),
	    TP_ARGS(gdma, addr, size, dir),
	    TP_STRUCT__entry(__string(dev, dev_name(gdma->dev))
			     __field(u64, addr)
			     __field(size_t, size)
			     __field(int, dir)),
	    TP_fast_assign(xvf_assign_str(dev, dev_name(gdma->dev));
			   __entry->addr = addr;
			   __entry->size = size;
			   __entry->dir = dir;),
	    TP_printk("%s addr=%#llx size=%zu %s", __get_str(dev),
		      __entry->addr, __entry->size,
		      xvf_show_direction(__entry->dir))
);

/* The window has grown, or could not; @chunks is what it has now. */
TRACE_EVENT(xen_virtio_grow,
	    TP_PROTO(struct grant_dma *gdma, int err),
	    TP_ARGS(gdma, err),
	    TP_STRUCT__entry(__string(dev, dev_name(gdma->dev))
			     __field(unsigned int, chunks)
			     __field(int, err)),
	    TP_fast_assign(xvf_assign_str(dev, dev_name(gdma->dev));
			   __entry->chunks = gdma->max_chunks - gdma->lowest;
			   __entry->err = err;),
	    TP_printk("%s chunks=%u err=%d", __get_str(dev), __entry->chunks,
		      __entry->err)
);

/* The window has shrunk to @chunks. */
TRACE_EVENT(xen_virtio_shrink,
	    TP_PROTO(struct grant_dma *gdma),
	    TP_ARGS(gdma),
	    TP_STRUCT__entry(__string(dev, dev_name(gdma->dev))
			     __field(unsigned int, chunks)),
	    TP_fast_assign(xvf_assign_str(dev, dev_name(gdma->dev));
			   __entry->chunks = gdma->max_chunks - gdma->lowest;),
	    TP_printk("%s chunks=%u", __get_str(dev), __entry->chunks)
);

/* The backend keeps @pages mapped that it should not have any more. */
TRACE_EVENT(xen_virtio_quarantine,
	    TP_PROTO(struct grant_dma *gdma, unsigned int pages),
	    TP_ARGS(gdma, pages),
	    TP_STRUCT__entry(__string(dev, dev_name(gdma->dev))
			     __field(unsigned int, pages)),
	    TP_fast_assign(xvf_assign_str(dev, dev_name(gdma->dev));
			   __entry->pages = pages;),
	    TP_printk("%s pages=%u", __get_str(dev), __entry->pages)
);

#endif /* XVF_TRACE_H */

/* Kbuild gives -I$(src): this directory, wherever it is. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
