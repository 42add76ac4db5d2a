/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * one virtio device over xenbus, seen from the guest
 *
 * xen_virtio_front.c	xenbus driver: finds the device, connects, closes
 * channel.c		messages to and from the backend
 * config.c		virtio_config_ops, as far as they are not queues
 * vring.c		virtqueues and their event channels
 * packed.c		chains that were given up, on packed rings
 * fail.c		what is in flight on them when the device is broken
 * grant_dma.c		buffers become grants
 * window.c chunk.c	memory that is granted for long, and slots of it
 * ringmem.c		the same for rings
 * direct.c		memory that is granted for one request
 * stats.c		debugfs
 */

#ifndef XEN_VIRTIO_FRONT_H
#define XEN_VIRTIO_FRONT_H

#include <linux/cpumask.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/workqueue.h>
#include <xen/xenbus.h>

#include "channel.h"
#include "grant_dma.h"

/* Limits on what a backend may claim to be. */
#define XVF_MAX_CONFIG_SIZE	65536
#define XVF_MAX_QUEUES		1024
#define XVF_MAX_QUEUE_SIZE	1024

/* However small the window is, rings are not made smaller than this. */
#define XVF_MIN_QUEUE_SIZE	64

/* Rings of so many entries do without indirect descriptors. */
#define XVF_DIRECT_QUEUE_SIZE	512

/**
 * struct xvf_queue - a virtqueue and its event channel
 * @xvf: the device
 * @vq: the kernel's queue
 * @index: of the queue in the device
 * @port: event channel, both directions
 * @irq: bound to @port, 0 if none is
 * @affinity: processors that the interrupt prefers
 * @spread: @affinity is set
 * @inflight: in-flight record for the backend, in the window
 * @inflight_addr: its address for the device
 * @inflight_size: its size in bytes
 * @name: of the interrupt
 * @packed: the ring is a packed one
 * @used: used ring of a split one, shared
 * @ring: descriptor ring of a packed one, shared; NULL if there is none.  Written
 *	under @rings_lock of @xvf
 * @ring_size: its entries
 * @torn: chains that the kernel had given up, and that were taken back
 * @last_used: when the last interrupt came, the index of @used, or the number of
 *	free descriptors of a packed ring
 * @nonsense: the driver has found a used entry that makes no sense
 * @tried: heads that the driver was shown as used since the device is broken
 * @pause: rounds of failing requests to leave out after the next vain one
 * @pause_left: rounds to leave out now
 * @kicks: notifications sent
 * @interrupts: notifications received
 */
struct xvf_queue {
	struct xvf_device *xvf;
	struct virtqueue *vq;
	unsigned int index;
	evtchn_port_t port;
	int irq;
	cpumask_var_t affinity;
	bool spread;
	void *inflight;
	dma_addr_t inflight_addr;
	size_t inflight_size;
	bool packed;
	struct vring_used *used;
	struct vring_packed_desc *ring;
	unsigned int ring_size;
	u64 torn;
	u16 last_used;
	bool nonsense;
	DECLARE_BITMAP(tried, XVF_MAX_QUEUE_SIZE);
	unsigned int pause;
	unsigned int pause_left;
	char name[40];
	u64 kicks;
	u64 interrupts;
};

/**
 * struct xvf_vdev - the virtio device that a xenbus device carries
 * @vdev: the virtio device
 * @xvf: the xenbus side; valid while @vdev is registered
 *
 * Freed by the release function of @vdev, since others may hold on to it for
 * longer than the xenbus device lives.
 */
struct xvf_vdev {
	struct virtio_device vdev;
	struct xvf_device *xvf;
};

/**
 * struct xvf_device - a xenbus device of ours
 * @xdev: the xenbus device
 * @gdma: its DMA layer, while connected
 * @chan: its control channel, while connected
 * @wq: for growing and shrinking the window, of which reclaim may have need
 * @state_wq: for @state_work, where drivers flush works of their own
 * @state_work: does what a new state of the backend asks for
 * @state_lock: serialises what follows from them
 * @impatient: I/O did not end in the time that a removal may take, and is not
 *	waited for again
 * @break_work: fails what is in flight when the device is broken, again and
 *	again until nothing is
 * @give_up_work: breaks a device whose backend keeps us waiting when it closes
 * @change_work: tells the driver that the config space has changed
 * @next_change: when it may be told the next time, in jiffies
 * @connected: there is a control channel
 * @stale: the guest was restored: nothing of the connection exists any more
 * @backend_state: last state of the backend
 * @lock: protects @vdev against the interrupt of @chan
 * @vdev: the virtio device, while it is registered
 * @broken: given up; set once
 * @features: offered by the backend, read once
 * @status: what the backend acknowledged last
 * @written: status bits that the driver has set since the last reset
 * @generation: of the config space, as of the last answer
 * @generation_moves: how often it has changed without a break
 * @config_reported: that the config space cannot be read or written
 * @config_size: bytes of config space
 * @max_vqs: queues that the device has
 * @ring_max: entries of a queue at most
 * @chain_max: buffers of a request at most, but for header and status
 * @seg_limit: segments of a disk's request that fit in the window
 * @measured: entries of each queue, where that was asked for; else 0
 * @queues_lock: protects @nr_queues and @queues against readers of
 *	statistics, and those and @ready against @break_work
 * @rings_lock: protects the same, and the packed rings of @queues, against who has
 *	failed to map a buffer
 * @ready: the driver is, so its callbacks may be called
 * @nr_queues: entries of @queues
 * @queues: by index of the queue; those that are not used have no @vq
 * @debugfs: directory of the device
 */
struct xvf_device {
	struct xenbus_device *xdev;
	struct grant_dma *gdma;
	struct xvf_channel chan;
	struct workqueue_struct *wq;
	struct workqueue_struct *state_wq;
	struct work_struct state_work;
	struct mutex state_lock; /* what follows the other end's states */
	bool impatient;
	struct delayed_work break_work;
	struct delayed_work give_up_work;
	struct delayed_work change_work;
	unsigned long next_change;
	bool connected;
	bool stale;
	enum xenbus_state backend_state;
	spinlock_t lock; /* vdev */
	struct virtio_device *vdev;
	unsigned long broken;
	u64 features;
	u32 status;
	u32 written;
	u32 generation;
	unsigned int generation_moves;
	bool config_reported;
	u32 config_size;
	u32 max_vqs;
	u32 ring_max;
	u32 chain_max;
	u32 seg_limit;
	u16 measured[XVF_MAX_QUEUES];
	struct mutex queues_lock; /* nr_queues, queues[], ready */
	spinlock_t rings_lock; /* nr_queues, queues[], their ring */
	bool ready;
	unsigned int nr_queues;
	struct xvf_queue *queues;
	struct dentry *debugfs;
};

static inline struct xvf_device *to_xvf_device(struct virtio_device *vdev)
{
	return container_of(vdev, struct xvf_vdev, vdev)->xvf;
}

/**
 * xvf_break() - give the device up
 * @xvf: the device
 * @why: for the log, once
 *
 * Every later request fails, the virtqueues are stopped, what is in flight on
 * them ends with an error; the device can only be removed.  Context: any.
 */
void xvf_break(struct xvf_device *xvf, const char *why);

/**
 * xvf_request() - a request of the transport
 * @xvf: the device
 * @id: XVIO_MSG_*
 * @req: payload
 * @req_len: its length in bytes
 * @rsp: for the payload of the response, which must have just this length
 * @rsp_len: in bytes
 *
 * Context: process, may sleep.
 * Return: 0 or -errno as xvf_channel_request().
 */
int xvf_request(struct xvf_device *xvf, u8 id, const void *req, size_t req_len,
		void *rsp, size_t rsp_len);

/**
 * xvf_bus_request() - a request of the bus
 * @xvf: the device
 * @id: XVIO_BUS_*
 * @req: payload
 * @req_len: its length in bytes
 *
 * Context: process, may sleep.
 * Return: 0 or -errno; the error of the backend is turned into one.
 */
int xvf_bus_request(struct xvf_device *xvf, u8 id, const void *req,
		    size_t req_len);

/* config.c */
extern const struct virtio_config_ops xvf_config_ops;

/**
 * xvf_read_device_info() - what the device is
 * @xvf: the device; @config_size, @max_vqs and @features are set
 * @id: its virtio id
 *
 * Context: process, may sleep.
 * Return: 0, or -errno, and then the reason has been logged.
 */
int xvf_read_device_info(struct xvf_device *xvf, struct virtio_device_id *id);

/**
 * xvf_is_disk() - does a device's driver make requests of many segments?
 * @device: its virtio id
 *
 * Return: true if it does, and asks the config space how many.
 */
bool xvf_is_disk(u32 device);

/**
 * xvf_choose_descriptors() - decide about packed rings and indirect descriptors
 * @xvf: the device, with its window
 * @device: its virtio id
 *
 * Limits the segments of a disk's requests to what fits in ring and window.
 *
 * Takes VIRTIO_F_RING_PACKED out of the features if the window is too small for
 * that, and VIRTIO_RING_F_INDIRECT_DESC if the rings are large enough without, or
 * packed, unless the module's parameter wants it.
 *
 * Context: process, may sleep.
 * Return: 0 or -errno; for want of room, that has been logged.
 */
int xvf_choose_descriptors(struct xvf_device *xvf, u32 device);

/**
 * struct xvf_sizes - how large the queues of a device are, all that it has
 * @smallest: entries of the smallest
 * @entries: of all of them
 * @pages: memory of their rings and in-flight records
 */
struct xvf_sizes {
	u32 smallest;
	u32 entries;
	u32 pages;
};

/**
 * xvf_measure_queues() - how large the queues of the device will be
 * @xvf: the device
 * @sizes: result
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int xvf_measure_queues(struct xvf_device *xvf, struct xvf_sizes *sizes);

/**
 * xvf_record_slots() - what the in-flight records of all queues take at most
 * @xvf: the device
 * @size: bytes of a slot, a power of two
 *
 * Context: process.
 * Return: slots of that size that the records may be in the way of.
 */
unsigned int xvf_record_slots(struct xvf_device *xvf, size_t size);

/*
 * vring.c: the members of virtio_config_ops that are about queues.  Context of
 * all: process, may sleep.  Errors: -errno, and the reason has been logged.
 */

/**
 * xvf_find_vqs() - make the queues that a driver wants
 * @vdev: the virtio device
 * @nvqs: entries of @vqs and @info
 * @vqs: result; NULL for those without a name
 * @info: name, callback and kind of each
 * @desc: which of them the driver wants to be spread over the processors, or NULL
 *	for none
 *
 * Return: 0 or -errno, and then there is no queue and the device is reset.
 */
int xvf_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
		 struct virtqueue *vqs[], struct virtqueue_info info[],
		 struct irq_affinity *desc);

/**
 * xvf_del_vqs() - the reverse
 * @vdev: the virtio device, which has been reset
 */
void xvf_del_vqs(struct virtio_device *vdev);

/**
 * xvf_synchronize_cbs() - wait for callbacks that are under way
 * @vdev: the virtio device
 */
void xvf_synchronize_cbs(struct virtio_device *vdev);

/**
 * xvf_set_vq_affinity() - the processors that a queue's interrupt prefers
 * @vq: the queue
 * @mask: processors, or NULL
 *
 * Return: 0 or -errno.
 */
int xvf_set_vq_affinity(struct virtqueue *vq, const struct cpumask *mask);

/**
 * xvf_get_vq_affinity() - where the interrupt of a queue goes
 * @vdev: the virtio device
 * @index: of the queue
 *
 * Return: processors, or NULL if it is all the same.
 */
const struct cpumask *xvf_get_vq_affinity(struct virtio_device *vdev,
					  int index);

/**
 * xvf_disable_vq_and_reset() - take one queue back from the backend
 * @vq: the queue
 *
 * Return: 0 or -errno.
 */
int xvf_disable_vq_and_reset(struct virtqueue *vq);

/**
 * xvf_enable_vq_after_reset() - give it to the backend again
 * @vq: the queue; its ring may be another one
 *
 * Return: 0 or -errno, and then the device is broken.
 */
int xvf_enable_vq_after_reset(struct virtqueue *vq);

/* packed.c */

/**
 * xvf_chain_torn() - take back what was left of a chain in a packed ring
 * @xvf: the device
 * @first: what somebody unmaps after a mapping has failed
 * @second: what it unmaps next
 *
 * Context: any; if the two are the beginning of a chain, then under whatever
 * keeps others from that queue.
 */
void xvf_chain_torn(struct xvf_device *xvf, const struct grant_dma_piece *first,
		    const struct grant_dma_piece *second);

/**
 * xvf_set_ring() - a queue gets a packed ring, or loses it
 * @queue: the queue
 * @ring: its descriptors, or NULL, before they are freed
 * @size: their number
 */
void xvf_set_ring(struct xvf_queue *queue, struct vring_packed_desc *ring,
		  unsigned int size);

/**
 * xvf_set_queues() - a device gets queues, or loses them
 * @xvf: the device, under its @queues_lock
 * @queues: the queues, or NULL
 * @nr: their number
 */
void xvf_set_queues(struct xvf_device *xvf, struct xvf_queue *queues,
		    unsigned int nr);

/* fail.c */

/**
 * xvf_fail_vqs() - complete what is in flight on a device that is broken
 * @xvf: the device
 *
 * Return: true if it must be called again later.
 */
bool xvf_fail_vqs(struct xvf_device *xvf);

/* stats.c */

/**
 * xvf_stats_init() - make the directory in debugfs
 */
void xvf_stats_init(void);

/**
 * xvf_stats_exit() - the reverse
 */
void xvf_stats_exit(void);

/**
 * xvf_stats_add() - show a device that has a DMA layer
 * @xvf: the device
 */
void xvf_stats_add(struct xvf_device *xvf);

/**
 * xvf_stats_remove() - the reverse; waits for readers
 * @xvf: the device, shown or not
 */
void xvf_stats_remove(struct xvf_device *xvf);

#endif /* XEN_VIRTIO_FRONT_H */
