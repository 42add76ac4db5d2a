/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtqueue.h - the device's side of a virtqueue in untrusted memory
 *
 * Split and packed rings of virtio 1.4, sections 2.7 and 2.8.  The interface
 * knows chains, ids and lengths, not layouts.
 *
 * Everything the driver writes is copied once, then checked, then only the
 * copy is used.  A violation of the ring format breaks the queue: nothing is
 * taken from it any more, xvb_vq_broken() says why, and the owner sets
 * DEVICE_NEEDS_RESET.
 *
 * A descriptor of length 0 is legal (no rule of the specification forbids
 * it): it counts as a link of the chain, its address is not looked at, and
 * no iovec comes from it.
 *
 * Threads: init, start and stop in the control thread while the queue's
 * thread does not run; everything else in the queue's thread.
 */

#ifndef XVB_VIRTQUEUE_H
#define XVB_VIRTQUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>

#include "log.h"
#include "memory.h"
#include "stats.h"
#include "util.h"

/* Largest queue, longest indirect table and longest chain. */
#define XVB_VQ_MAX_SIZE		1024

/**
 * struct xvb_vq_setup - where a queue lives, as the guest said
 * @features: negotiated feature bits
 * @size: number of entries
 * @desc: address of the descriptor area
 * @driver: address of the driver area (avail ring, or event suppression)
 * @device: address of the device area (used ring, or event suppression)
 * @inflight: address of the in-flight record, 0 for none
 * @inflight_len: bytes of it
 */
struct xvb_vq_setup {
	uint64_t features;
	uint32_t size;
	uint64_t desc;
	uint64_t driver;
	uint64_t device;
	uint64_t inflight;
	uint32_t inflight_len;
};

/**
 * struct xvb_grant - a buffer of a chain that is granted for this request alone
 * @iov: its entry in the chain; without memory until direct.c gives it some
 * @ref: reference of the first page, the others follow
 * @len: bytes, a multiple of the page
 * @at: offset in the part that the device reads, or in the one that it writes
 * @in: the device writes it
 */
struct xvb_grant {
	struct iovec *iov;
	uint32_t ref;
	uint32_t len;
	uint32_t at;
	bool in;
};

/**
 * struct xvb_chain - one request, translated
 * @iov: set by the caller before xvb_vq_pop(): room for @iov_max entries;
 *       after it: @nout entries the device reads, then @nin it writes
 * @grants: set by the caller: room for @grants_max direct grants; after it:
 *          @ngrants of them, in order
 * @iov_max: set by the caller: length of @iov
 * @grants_max: set by the caller: length of @grants; 0: an address outside the
 *              windows breaks the queue
 * @ngrants: direct grants; their entries in @iov have a length, and NULL
 * @id: what xvb_vq_push() wants back
 * @nout: iovecs the device reads
 * @nin: iovecs the device writes
 * @out_len: bytes the device may read
 * @in_len: bytes the device may write; out_len + in_len < 2^32
 */
struct xvb_chain {
	struct iovec *iov;
	struct xvb_grant *grants;
	uint16_t iov_max;
	uint16_t grants_max;
	uint16_t ngrants;
	uint16_t id;
	uint16_t nout;
	uint16_t nin;
	uint32_t out_len;
	uint32_t in_len;
};

/**
 * struct xvb_vq_packed_chain - a chain of a packed ring that was taken
 * @num: descriptors of the ring that it has; 0 once it is published as used
 * @entry: its first entry in the in-flight record
 * @last: its last one
 */
struct xvb_vq_packed_chain {
	uint16_t num;
	uint16_t entry;
	uint16_t last;
};

/**
 * struct xvb_vq_packed - what a packed ring has and a split one has not
 * @desc: descriptor ring in the guest; read and written
 * @driver: event suppression of the driver, in the guest; read only
 * @device: event suppression of the device, in the guest; written
 * @rec: in-flight record in the guest; written, or NULL
 * @avail: position of the next descriptor to take
 * @used: position of the next used descriptor
 * @signalled: @used at the last notification decision
 * @descs: descriptors taken and not published as used
 * @batch_descs: of them those that were pushed since the last flush
 * @batch_nr: chains pushed since the last flush
 * @first: index of the first used descriptor since the last flush
 * @first_flags: its flags, which the flush writes
 * @free_head: first free entry of the in-flight record
 * @sweeping: the last look found something
 * @chains: by id
 * @next: next free entry of the in-flight record, by entry; our own copy
 *
 * A position counts from 0 to twice the size of the queue: the lower half is
 * the ring with the wrap counter 1, the upper half that with 0.
 */
struct xvb_vq_packed {
	struct vring_packed_desc *desc;
	const struct vring_packed_desc_event *driver;
	struct vring_packed_desc_event *device;
	struct xvio_inflight_packed *rec;
	uint16_t avail;
	uint16_t used;
	uint16_t signalled;
	uint16_t descs;
	uint16_t batch_descs;
	uint16_t batch_nr;
	uint16_t first;
	uint16_t first_flags;
	uint16_t free_head;
	bool sweeping;
	struct xvb_vq_packed_chain *chains;
	uint16_t *next;
};

/**
 * struct xvb_vq_tally - what a sweep counts, until it is published
 * @requests: chains taken
 * @completed: chains given back
 * @bytes_out: bytes that the driver gave the device
 * @bytes_in: bytes that the device wrote
 *
 * Only the queue's thread looks at it: a sweep adds to memory, and once to the
 * counters that others see.
 */
struct xvb_vq_tally {
	uint64_t requests;
	uint64_t completed;
	uint64_t bytes_out;
	uint64_t bytes_in;
};

/**
 * struct xvb_vq - one virtqueue, device side
 * @mem: memory it lives in, and its buffers
 * @ring_view: for indirect tables
 * @data_view: for buffers
 * @desc: descriptor table in the guest; read only
 * @avail: avail ring in the guest; read only
 * @used: used ring in the guest; written
 * @inflight: in-flight record in the guest; written, or NULL
 * @size: entries; a power of two if the ring is split
 * @started: between xvb_vq_start() and xvb_vq_stop()
 * @packed: VIRTIO_F_RING_PACKED was negotiated
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was negotiated
 * @indirect_ok: VIRTIO_RING_F_INDIRECT_DESC was negotiated
 * @kick_off: without EVENT_IDX: the driver was told not to notify
 * @last_avail: next avail entry to take
 * @shadow_avail: avail index as last read
 * @next_used: next used entry to write
 * @published: used index as the driver sees it
 * @signalled: used index at the last notification decision
 * @signalled_valid: false: the next flush notifies
 * @inuse: chains taken and not pushed
 * @counter: global counter of the in-flight record
 * @batch: ids pushed since the last flush, for the in-flight record
 * @taken: for each id whether it is with the device
 * @table: private copy of an indirect table
 * @pk: of a packed ring; the split ring's fields are not used then
 * @setup: as started; for unpinning
 * @tally: what xvb_vq_flush() adds to the counters
 * @stats: counters: @own, or a place where others can see them
 * @own: counters, unless somebody else has a place for them
 * @reason: why the queue is broken, or ""
 */
struct xvb_vq {
	struct xvb_memory *mem;
	struct xvb_memory_view ring_view;
	struct xvb_memory_view data_view;
	const struct vring_desc *desc;
	const struct vring_avail *avail;
	struct vring_used *used;
	struct xvio_inflight *inflight;
	uint16_t size;
	bool started;
	bool packed;
	bool event_idx;
	bool indirect_ok;
	bool kick_off;
	uint16_t last_avail;
	uint16_t shadow_avail;
	uint16_t next_used;
	uint16_t published;
	uint16_t signalled;
	bool signalled_valid;
	uint16_t inuse;
	uint64_t counter;
	uint16_t *batch;
	bool *taken;
	struct vring_desc *table;
	struct xvb_vq_packed pk;
	struct xvb_vq_setup setup;
	struct xvb_vq_tally tally;
	struct xvb_vq_stats *stats;
	struct xvb_vq_stats own;
	char reason[128];
};

/**
 * xvb_vq_init() - a queue that is not started
 * @vq: to initialise; its counters start at 0, in @vq itself
 * @mem: memory, must outlive @vq
 */
void xvb_vq_init(struct xvb_vq *vq, struct xvb_memory *mem);

/**
 * xvb_vq_start() - check a set-up and begin at index 0
 * @vq: queue, not started
 * @setup: as the guest sent it, copied
 * @err: what is wrong with it
 *
 * Pins the rings in their windows.
 * Return: 0, -EINVAL for a set-up that breaks a rule, -EFAULT for an address
 * outside the windows, -EBUSY when started, -ENOMEM.
 */
int xvb_vq_start(struct xvb_vq *vq, const struct xvb_vq_setup *setup,
		 struct xvb_error *err);

/**
 * xvb_vq_stop() - let go of the rings
 * @vq: queue; started or not, broken or not
 *
 * The counters stay.
 */
void xvb_vq_stop(struct xvb_vq *vq);

/**
 * xvb_vq_broken() - why nothing comes from this queue any more
 * @vq: queue
 *
 * Return: the reason, or NULL when it is in order.
 */
static inline const char *xvb_vq_broken(const struct xvb_vq *vq)
{
	return vq->reason[0] ? vq->reason : NULL;
}

/**
 * xvb_vq_break() - stop a queue for a reason that the device found
 * @vq: queue
 * @fmt: reason
 *
 * The first reason stays.
 * Return: -EPROTO.
 */
int xvb_vq_break(struct xvb_vq *vq, const char *fmt, ...) XVB_PRINTF(2, 3);

/* The two layouts; the arguments are those of the functions below. */
int xvb_vq_split_pop(struct xvb_vq *vq, struct xvb_chain *chain);
int xvb_vq_packed_pop(struct xvb_vq *vq, struct xvb_chain *chain);
void xvb_vq_split_push(struct xvb_vq *vq, uint16_t id, uint32_t len);
void xvb_vq_packed_push(struct xvb_vq *vq, uint16_t id, uint32_t len);
bool xvb_vq_split_flush(struct xvb_vq *vq);
bool xvb_vq_packed_flush(struct xvb_vq *vq);
void xvb_vq_split_kick_disable(struct xvb_vq *vq);
void xvb_vq_packed_kick_disable(struct xvb_vq *vq);
bool xvb_vq_split_kick_enable(struct xvb_vq *vq);
bool xvb_vq_packed_kick_enable(struct xvb_vq *vq);
bool xvb_vq_split_pending(struct xvb_vq *vq);
bool xvb_vq_packed_pending(struct xvb_vq *vq);

/**
 * xvb_vq_publish_tally() - add what was counted to what others see
 * @vq: queue
 */
void xvb_vq_publish_tally(struct xvb_vq *vq);

/**
 * xvb_vq_pop() - take the next request
 * @vq: queue, started
 * @chain: @iov and @iov_max set by the caller, the rest filled in
 *
 * Return: 1, 0 when there is none, -EPROTO when the queue is broken (now or
 * before).
 */
static inline int xvb_vq_pop(struct xvb_vq *vq, struct xvb_chain *chain)
{
	if (unlikely(vq->packed))
		return xvb_vq_packed_pop(vq, chain);
	return xvb_vq_split_pop(vq, chain);
}

/**
 * xvb_vq_push() - give a request back; seen by the driver after a flush
 * @vq: queue
 * @id: of the chain
 * @len: bytes written from the start of its writable part
 *
 * Works on a broken queue too, so that what was taken can be given back.
 */
static inline void xvb_vq_push(struct xvb_vq *vq, uint16_t id, uint32_t len)
{
	if (unlikely(vq->packed))
		xvb_vq_packed_push(vq, id, len);
	else
		xvb_vq_split_push(vq, id, len);
}

/**
 * xvb_vq_flush() - publish what was pushed, and what was counted
 * @vq: queue
 *
 * Also when nothing was pushed: what was taken is counted then.
 *
 * Return: true when the driver wants a notification.
 */
static inline bool xvb_vq_flush(struct xvb_vq *vq)
{
	xvb_vq_publish_tally(vq);
	if (unlikely(vq->packed))
		return xvb_vq_packed_flush(vq);
	return xvb_vq_split_flush(vq);
}

/**
 * xvb_vq_kick_disable() - the driver need not notify for now
 * @vq: queue
 *
 * A hint: notifications may still come.
 */
static inline void xvb_vq_kick_disable(struct xvb_vq *vq)
{
	if (unlikely(vq->packed))
		xvb_vq_packed_kick_disable(vq);
	else
		xvb_vq_split_kick_disable(vq);
}

/**
 * xvb_vq_kick_enable() - the driver shall notify from now on
 * @vq: queue
 *
 * Return: true when something came in meanwhile, for which no notification
 * may come: look again before going to sleep.
 */
static inline bool xvb_vq_kick_enable(struct xvb_vq *vq)
{
	if (unlikely(vq->packed))
		return xvb_vq_packed_kick_enable(vq);
	return xvb_vq_split_kick_enable(vq);
}

/**
 * xvb_vq_pending() - is something available?
 * @vq: queue, started
 *
 * Return: true when xvb_vq_pop() would not return 0.
 */
static inline bool xvb_vq_pending(struct xvb_vq *vq)
{
	if (unlikely(vq->packed))
		return xvb_vq_packed_pending(vq);
	return xvb_vq_split_pending(vq);
}

#endif /* XVB_VIRTQUEUE_H */
