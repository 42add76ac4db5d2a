/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stats.h - what a worker has done, in one place where others can look
 *
 * Each worker has a struct xvb_stats in memory that it shares with the
 * supervisor and with nobody else.  Counters are kept there in the first
 * place, by the thread that does the work, with plain 64-bit stores; so they
 * cost nothing to show, and can be looked at when the worker hangs.
 *
 * A worker may be in the hands of its guest.  What it writes here is taken as
 * numbers and nothing else: the supervisor copies each word once and checks
 * the copy (xvb_stats_read()).  The memory has no name and no descriptor, so
 * nobody can cut it short under the reader.
 *
 * Adding a counter: a member here with a line in its comment, an entry in the
 * table of stats.c (it does not compile without), a line in xen-virtio(8).
 * Then xvb_stat_add() where the work is done.
 */

#ifndef XVB_STATS_H
#define XVB_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define XVB_MAX_QUEUES		64

/**
 * struct xvb_grant_stats - grant operations of one thread
 * @map_batches: calls that mapped grants, one for any number of pages
 * @maps: pages mapped
 * @unmap_batches: calls that unmapped
 * @unmaps: pages unmapped; what is mapped now is @maps - @unmaps
 * @copy_batches: calls that copied from or to grants
 * @copies: segments copied, each inside one page
 * @copy_bytes: bytes of them
 * @errors: pages and segments that failed, besides the above
 */
struct xvb_grant_stats {
	_Atomic uint64_t map_batches;
	_Atomic uint64_t maps;
	_Atomic uint64_t unmap_batches;
	_Atomic uint64_t unmaps;
	_Atomic uint64_t copy_batches;
	_Atomic uint64_t copies;
	_Atomic uint64_t copy_bytes;
	_Atomic uint64_t errors;
};

/**
 * struct xvb_vq_stats - counters of one queue
 * @kicks: events that came in; several notifications of the driver may be one
 * @sweeps: times that the ring was looked at and something was there
 * @requests: chains taken
 * @completed: chains given back
 * @bytes_out: bytes that the driver gave the device, headers included
 * @bytes_in: bytes that the device wrote for the driver
 * @errors: requests that got an error status from the device
 * @notifications: notifications that went out
 * @suppressed: flushes that needed none
 * @io_uring: file requests that io_uring completed
 * @libaio: file requests that libaio completed
 * @helpers: file requests that a helper thread completed
 * @bytes_copied: bytes that the processor copied between the guest's memory
 *                and the worker's own, on their way from or to a file
 * @polls: times that the ring was looked at for a while before sleeping
 * @poll_hits: of these, those that found something in time
 * @poll_ns: how long that took, in ns
 * @grants: grant operations for single requests; last member
 *
 * Written by the queue's thread, read by anyone: relaxed atomics.
 */
struct xvb_vq_stats {
	_Atomic uint64_t kicks;
	_Atomic uint64_t sweeps;
	_Atomic uint64_t requests;
	_Atomic uint64_t completed;
	_Atomic uint64_t bytes_out;
	_Atomic uint64_t bytes_in;
	_Atomic uint64_t errors;
	_Atomic uint64_t notifications;
	_Atomic uint64_t suppressed;
	_Atomic uint64_t io_uring;
	_Atomic uint64_t libaio;
	_Atomic uint64_t helpers;
	_Atomic uint64_t bytes_copied;
	_Atomic uint64_t polls;
	_Atomic uint64_t poll_hits;
	_Atomic uint64_t poll_ns;
	struct xvb_grant_stats grants;
};

/**
 * struct xvb_transport_stats - counters of a control channel
 * @requests: requests that were answered
 * @refused: of these, refused
 * @dropped: messages that were not even answered
 * @events: events that were sent
 */
struct xvb_transport_stats {
	_Atomic uint64_t requests;
	_Atomic uint64_t refused;
	_Atomic uint64_t dropped;
	_Atomic uint64_t events;
};

/**
 * struct xvb_device_stats - what a device has besides its queues
 * @nr_queues: how many queues there are
 * @windows: windows that are mapped now
 * @window_pages: pages of them
 * @control: control channel
 * @grants: grant operations for windows and the control ring; last member
 *
 * Written by the control thread.
 */
struct xvb_device_stats {
	_Atomic uint64_t nr_queues;
	_Atomic uint64_t windows;
	_Atomic uint64_t window_pages;
	struct xvb_transport_stats control;
	struct xvb_grant_stats grants;
};

#define XVB_STATS_SLOT_WORDS	32

/**
 * union xvb_stats_slot - two queues share no cache line, nor a pair of them
 * @vq: counters of a queue
 * @words: size of a slot
 */
union xvb_stats_slot {
	struct xvb_vq_stats vq;
	_Atomic uint64_t words[XVB_STATS_SLOT_WORDS];
};

/**
 * struct xvb_stats - all counters of a worker
 * @device: those of the device
 * @pad: size of a slot
 * @queue: those of the queues
 *
 * Nothing but 64-bit words.
 */
struct xvb_stats {
	union {
		struct xvb_device_stats device;
		_Atomic uint64_t pad[XVB_STATS_SLOT_WORDS];
	};
	union xvb_stats_slot queue[XVB_MAX_QUEUES];
};

/**
 * xvb_stat_add() - add to a counter that only this thread writes
 * @counter: counter
 * @n: to add
 */
static inline void xvb_stat_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, n +
			      atomic_load_explicit(counter,
						   memory_order_relaxed),
			      memory_order_relaxed);
}

/**
 * xvb_stat_set() - set what is not a sum, but a number of now
 * @counter: counter that only this thread writes
 * @n: its value
 */
static inline void xvb_stat_set(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, n, memory_order_relaxed);
}

/**
 * xvb_stat_get() - read a counter of another thread
 * @counter: counter
 *
 * Return: its value, a moment ago.
 */
static inline uint64_t xvb_stat_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit((_Atomic uint64_t *)counter,
				    memory_order_relaxed);
}

/**
 * struct xvb_stat - name of a counter
 * @name: key in JSON, stable
 * @offset: in its structure
 */
struct xvb_stat {
	const char *name;
	size_t offset;
};

/* All of struct xvb_vq_stats and of struct xvb_device_stats, in order. */
extern const struct xvb_stat xvb_vq_stat_names[];
extern const struct xvb_stat xvb_device_stat_names[];
extern const unsigned int xvb_nr_vq_stats;
extern const unsigned int xvb_nr_device_stats;

/**
 * xvb_stats_make() - memory for the counters of a worker
 * @stats: zeroes, shared with children that are forked afterwards
 *
 * Return: 0 or -errno.
 */
int xvb_stats_make(struct xvb_stats **stats);

/**
 * xvb_stats_free() - the reverse, in this process
 * @stats: from xvb_stats_make(), or NULL
 */
void xvb_stats_free(struct xvb_stats *stats);

/**
 * xvb_stats_read() - copy what a worker has written, and check the copy
 * @from: memory that the worker goes on to write; not to be trusted
 * @to: the copy; its number of queues is at most XVB_MAX_QUEUES, and queues
 *      beyond it are zero; the other numbers may be any
 */
void xvb_stats_read(const struct xvb_stats *from, struct xvb_stats *to);

/**
 * xvb_stats_sum() - the queues together
 * @stats: from xvb_stats_read()
 * @sum: the sums, modulo 2^64
 */
void xvb_stats_sum(const struct xvb_stats *stats, struct xvb_vq_stats *sum);

/**
 * xvb_stats_value() - a counter by its name
 * @base: structure that it is in
 * @stat: entry of the structure's table
 *
 * Return: its value.
 */
uint64_t xvb_stats_value(const void *base, const struct xvb_stat *stat);

#endif /* XVB_STATS_H */
